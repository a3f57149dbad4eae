"""``skstruct tune --search``: every registered search on a tiny table, and what is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from skstruct import all_estimators
from skstruct.cli._run import Run
from skstruct.cli._search import _value
from skstruct.model_selection import read_journal

SETTINGS = {
    "ConstrainedSearchCV": ['constraints={"model_size": ["<=", 20000]}'],
    "MultiFidelitySearchCV": ["n_levels=2"],
    "ThresholdSearchCV": ["param_name=C", "target=0.6"],
}
NAMES = sorted(
    card.name for card in all_estimators(kind="search") if card.distribution == "skstruct"
)


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    rng = np.random.default_rng(0)
    size, weight = rng.normal(size=(2, 90))
    bought = np.where(size + 0.5 * weight + rng.normal(0, 0.5, 90) > 0, "yes", "no")
    path = tmp_path_factory.mktemp("tiny") / "tiny.csv"
    pd.DataFrame({"size": size, "weight": weight, "bought": bought}).to_csv(path, index=False)
    return path


def command(csv, run, name, *more, arms="linear", trials=4):
    settings = [f"--set={setting}" for setting in SETTINGS.get(name, ())]
    common = ("--target", "bought", "--cv", 3, "--arms", arms, "--trials", trials, "--out", run)
    return ("tune", csv, *common, "--search", name, *settings, *more)


def rows(run):
    keys = ("number", "state", "level", "split", "params", "score")
    return [tuple(trial[key] for key in keys) for trial in read_journal(run / "journal.sqlite")]


@pytest.mark.parametrize("name", NAMES)
def test_every_search_searches_a_table(skstruct, csv, tmp_path, name):
    run = tmp_path / "run"
    status, out, err = skstruct(*command(csv, run, name))
    assert (status, err) == (0, [])
    best = json.loads((run / "best.json").read_text())
    assert best["arm"] == "linear"
    assert set(best["params"]) == {"model__C"}
    assert best["held_out"] > best["baseline_held_out"]
    assert best["trials"] == len(rows(run)) >= 4
    lines = [line for line in out if re.match(r" *\d+ [* ] ", line)]
    assert len(lines) == best["trials"]
    # One split alone, or a part of the effort, is never told to be the best.
    assert any(" * " in line for line in lines) == any(
        level is None and split is None for _, _, level, split, _, _ in rows(run)
    )
    assert "nan" not in (run / "report.html").read_text()
    assert (run / "model.skops").exists()


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_is_taken_up_again(skstruct, csv, tmp_path, name, monkeypatch):
    """Ctrl-C after the third trial; the same command then makes the rows of the whole run."""
    from skstruct.cli import _progress

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    skstruct(*command(csv, whole, name))

    def interrupt(self, trial):
        take_in(self, trial)
        if trial["number"] == 2:
            raise KeyboardInterrupt

    take_in = _progress.Progress._take_in
    with monkeypatch.context() as patch:
        patch.setattr(_progress.Progress, "_take_in", interrupt)
        assert skstruct(*command(csv, cut, name))[0] == 130
    assert 3 <= len(rows(cut)) < len(rows(whole))
    status, out, _ = skstruct(*command(csv, cut, name))
    assert status == 0
    assert any("from before" in line for line in out)
    assert rows(cut) == rows(whole)
    assert (cut / "best.json").read_text() == (whole / "best.json").read_text()


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("ConstrainedSerchCV", (), "did you mean 'ConstrainedSearchCV'"),
        ("ConstrainedSearchCV", ("--set", "betta=3"), "no parameter 'betta'; did you mean 'beta'"),
        ("ConstrainedSearchCV", ("--set", "beta=-3"), "'beta' parameter"),
        ("ConstrainedSearchCV", ("--set", 'constraints={"weight": ["<=", 3]}'), "'weight'"),
        ("ConstrainedSearchCV", ("--sampler", "gp"), "--sampler is for searches over arms"),
        ("ConsensusSearchCV", ("--set", "cv=3"), "'cv' is not for --set: it is --cv"),
        ("ConsensusSearchCV", ("--set", "refit=false"), "'refit' is not for --set"),
        ("ConsensusSearchCV", ("--set", "noise=[1]"), "noise must be two"),
        ("ThresholdSearchCV", ("--set", "param_name=gamma"), "got 'gamma'"),
        ("UnimodalBanditSearchCV", ("--set", "n_sweeps=0"), "'n_sweeps' parameter"),
        ("RisingBanditSearchCV", ("--set", "policy_params={'a': 1}"), "'policy_params' parameter"),
    ],
)
def test_what_is_refused_leaves_no_file(refused, csv, tmp_path, name, more, told):
    assert told in refused(*command(csv, tmp_path / "run", name, *more))
    assert not (tmp_path / "run").exists()


def test_a_search_over_one_space_has_one_arm(refused, csv, tmp_path):
    line = refused(*command(csv, tmp_path / "run", "ConstrainedSearchCV", arms="linear,svm"))
    assert "searches one arm" in line


def test_constraints_and_thresholds_must_be_given(refused, csv, tmp_path):
    common = ("tune", csv, "--target", "bought", "--arms", "linear", "--out", tmp_path / "run")
    assert "'constraints'" in refused(*common, "--search", "ConstrainedSearchCV")
    line = refused(*common, "--search", "ThresholdSearchCV")
    assert "param_name and target must be given" in line
    assert not (tmp_path / "run").exists()


def test_what_the_fit_refuses_leaves_no_run(skstruct, csv, tmp_path):
    run = tmp_path / "run"
    wrong = ("--set", 'policy_params={"patience": 3}')
    status, _, err = skstruct(*command(csv, run, "RisingBanditSearchCV", *wrong))
    assert (status, len(err)) == (1, 1)
    assert not run.exists()
    assert skstruct(*command(csv, run, "RisingBanditSearchCV"))[0] == 0


def test_a_limit_that_nothing_satisfies(skstruct, csv, tmp_path):
    limit = ("--set", 'constraints={"model_size": ["<=", 10]}')
    status, out, err = skstruct(*command(csv, tmp_path / "run", "ConstrainedSearchCV", *limit))
    assert status == 1
    assert "None of the 4 trials satisfies the constraints" in err[0]
    assert not any(" * " in line for line in out)  # none was ever the best
    assert not Run(tmp_path / "run").best.exists()


def test_a_target_that_nothing_reaches(skstruct, csv, tmp_path):
    out_of_reach = ("--set", "target=1.5")
    status, _, err = skstruct(*command(csv, tmp_path / "run", "ThresholdSearchCV", *out_of_reach))
    assert status == 1
    assert "no candidate has reached the target" in err[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [(".95", 0.95), ("3", 3), ("C", "C"), ("true", True), ('{"a": ["<=", 1]}', {"a": ["<=", 1]})],
)
def test_settings_are_json_numbers_or_text(text, value):
    assert _value(text) == value
