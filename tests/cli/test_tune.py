import json
import re
import signal

import numpy as np
import pandas as pd
import pytest

from skstruct.cli._run import Run
from skstruct.model_selection import read_journal

FAST = ("--arms", "linear,discriminant", "--cv", "3")
TRIAL = re.compile(r" *(\d+) [* ] ( ?-?\d\.\d{5}|        )  \w+ ")


def trial_lines(lines):
    return [line for line in lines if TRIAL.match(line)]


def rows(path):
    return [
        (t["number"], t["state"], t["arm"], t["params"], t["score"]) for t in read_journal(path)
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The table of conftest, written once, and the run of 12 trials on it."""
    from skstruct.cli import main

    rng = np.random.default_rng(1)
    n = 120
    size, colour = rng.normal(size=n), rng.choice(["red", "green", "blue"], n)
    frame = pd.DataFrame(
        {
            "number": np.arange(n),
            "size": size,
            "colour": colour,
            "sold": pd.date_range("2022-01-01", periods=n).strftime("%Y-%m-%d"),
            "price": 3 * size + (colour == "red") + rng.normal(0, 0.2, n),
            "bought": np.where(size + (colour == "red") > 0.3, "yes", "no"),
        }
    )
    directory = tmp_path_factory.mktemp("shop")
    csv, run = directory / "shop.csv", directory / "run"
    frame.to_csv(csv, index=False)
    command = ["tune", str(csv), "--target", "bought", *FAST, "--trials", "12", "--out", str(run)]
    assert main(command) == 0
    return frame, csv, run, command


def test_run_directory(shop):
    _, _, run, command = shop
    names = {path.name for path in run.iterdir()}
    assert {"run.json", "journal.sqlite", "model.skops", "best.json", "report.html"} <= names
    assert not any(name.endswith(".part") for name in names)
    best = json.loads((run / "best.json").read_text())
    scores = [row[-1] for row in rows(run / "journal.sqlite")]
    assert best["score"] == max(scores)
    assert best["trials"] == len(scores) == 12
    assert best["score"] > best["baseline"] + 0.2
    assert best["held_out"] > best["baseline_held_out"] + 0.2
    assert set(best["params"]) <= {"model__C", "model__solver", "model__shrinkage"}
    assert json.loads((run / "run.json").read_text())["command"] == ["skstruct", *command]


def test_what_is_guessed_is_said_and_each_trial_has_its_line(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    status, out, err = skstruct(
        "tune", csv, "--target", "bought", *FAST, "--trials", 7, "--out", tmp_path / "run"
    )
    assert (status, err) == (0, [])
    text = "\n".join(out)
    assert "task: classification of 'bought' (2 different words)" in text
    assert "numeric: size, price" in text
    assert "categorical: colour" in text
    assert "date: sold" in text
    assert "id-like, left out: number (120 distinct whole numbers)" in text
    assert [int(line.split()[0]) for line in trial_lines(out)] == list(range(1, 8))
    assert "report: " in text


def test_a_complete_run_says_so_and_writes_the_report_again(skstruct, shop):
    _, _, run, command = shop
    before = rows(run / "journal.sqlite")
    (run / "report.html").unlink()
    status, out, _ = skstruct(*command)
    assert status == 0
    assert "the run is complete: all 12 trials were there already" in out
    assert not trial_lines(out)
    assert rows(run / "journal.sqlite") == before
    assert (run / "report.html").exists()


def test_more_trials_continue_a_run(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    command = ("tune", csv, "--target", "bought", *FAST, "--out", tmp_path / "run", "--trials")
    skstruct(*command, 4)
    status, out, _ = skstruct(*command, 6)
    assert status == 0
    assert [line.split()[0] for line in trial_lines(out)] == ["5", "6"]
    assert any("6, 4 from before" in line for line in out)


def test_regression_and_forced_columns(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    status, out, _ = skstruct(
        *("tune", csv, "--target", "price", "--arms", "linear", "--cv", 3, "--trials", 3),
        *("--type", "number=categorical", "--drop", "bought", "--drop", "sold"),
        *("--out", tmp_path / "run"),
    )
    assert status == 0
    assert any("task: regression of 'price' (120 different numbers)" in line for line in out)
    assert "categorical: number, colour" in out
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert best["scoring"] == "r2"
    assert best["score"] > 0.8
    assert {"residuals", "history", "importance"} <= figures(tmp_path / "run")


def figures(run):
    return set(re.findall(r'<figure id="([\w-]+)">', (run / "report.html").read_text()))


def test_report_is_one_self_contained_page(shop):
    _, _, run, _ = shop
    page = (run / "report.html").read_text()
    assert not re.search(r"https?:|<script|<link|<img|@import|url\((?!#)", page)
    assert {"history", "budget", "confusion", "importance"} <= figures(run)
    assert any(name.startswith("slices-") for name in figures(run))
    assert page.count("<svg") == len(figures(run))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([\w-]+)', page)) <= set(ids)
    assert "skstruct tune" in page


def test_names_from_the_table_are_escaped_in_the_report(skstruct, shop, tmp_path):
    frame, _, _, _ = shop
    evil = frame.rename(columns={"size": "<script>alert(1)</script>", "colour": "a $b^{$ & c"})
    evil.assign(bought=frame["bought"].map({"yes": "<b>", "no": "$x^"})).to_csv(
        tmp_path / "evil.csv", index=False
    )
    status, _, _ = skstruct(
        *("tune", tmp_path / "evil.csv", "--target", "bought", *FAST, "--trials", 2),
        *("--out", tmp_path / "run"),
    )
    assert status == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script" not in page
    assert "<b>&lt;" not in page
    assert "alert(1)" in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("--target", "colour"), "another target"),
        (("--seed", "1"), "another search (seed 0, here 1)"),
        (("--arms", "linear"), "another search (arms"),
        (("--drop", "sold"), "columns are read differently: 'sold'"),
    ],
)
def test_another_search_is_refused(refused, shop, changes, told):
    _, _, run, command = shop
    before = rows(run / "journal.sqlite")
    assert told in refused(*command, *changes)
    assert rows(run / "journal.sqlite") == before


def test_other_data_is_refused(refused, shop, tmp_path):
    frame, csv, _, command = shop
    frame.assign(size=frame["size"] + 1).to_csv(tmp_path / "other.csv", index=False)
    other = [str(tmp_path / "other.csv") if arg == str(csv) else arg for arg in command]
    assert f"belongs to other data ({csv})" in refused(*other)


def table_of(**columns):
    n = 40
    base = {"x": np.linspace(0, 1, n), "y": ["a", "b"] * (n // 2)}
    return pd.DataFrame({**base, **columns})


@pytest.mark.parametrize(
    ("frame", "arguments", "told"),
    [
        (table_of(), ("--target", "yy"), "there is no column 'yy'; did you mean 'y'?"),
        (table_of(), (), "--target COLUMN"),
        (table_of(y="a"), ("--target", "y"), "has one class only: 'a'"),
        (table_of(y=1.5), ("--target", "y"), "is always 1.5"),
        (table_of(y=None), ("--target", "y"), "all values of the target 'y' are missing"),
        (table_of().head(0), ("--target", "y"), "has no rows"),
        (table_of().head(6), ("--target", "y"), "too few for 5 folds"),
        (table_of(y=["a"] * 38 + ["b"] * 2), ("--target", "y"), "as few as 2"),
        (table_of(y=["1", "2", "b", "4"] * 10), ("--target", "y"), "mixes numbers and words"),
        (table_of(y=[*range(39), np.inf]), ("--target", "y"), "infinite"),
        (table_of(y=[0, 1, 1, np.inf] * 10), ("--target", "y"), "infinite"),
        (table_of(), ("--target", "y", "--task", "regression"), "holds 'a'"),
        (table_of(), ("--target", "y", "--drop", "x"), "no column is left"),
        (table_of(), ("--target", "y", "--drop", "y"), "'y' is the target"),
        (table_of(), ("--target", "y", "--arms", ","), "no name is given"),
        (table_of(z=["1", "2", "x", "4"] * 10), ("--target", "y"), "'z' mixes numbers"),
        (
            table_of(z=["1", "2", "x", "4"] * 10, y=[None, None, *["a", "b"] * 19]),
            ("--target", "y"),
            "'x' in row 3)",
        ),
        (table_of(), ("--target", "y", "--drop", "z"), "there is no column 'z'"),
        (table_of(), ("--target", "y", "--type", "x=float"), "is not COLUMN=numeric|"),
        (table_of(), ("--target", "y", "--scoring", "acuracy"), "did you mean 'accuracy'"),
        (
            table_of(),
            ("--target", "y", "--scoring", "f1"),
            "'f1' cannot score this classification",
        ),
        (
            table_of(),
            ("--target", "y", "--arms", "svm", "--scoring", "neg_log_loss"),
            "'neg_log_loss' needs predict_proba, which no arm has (svm)",
        ),
        (table_of(), ("--target", "y", "--arms", "liner"), "did you mean 'linear'"),
        (table_of(), ("--target", "y", "--arms", "RisingBanditSearchCV"), "is a search"),
        (table_of(), ("--target", "y", "--policy", "risin"), "did you mean 'rising'"),
        (table_of(), ("--target", "y", "--sampler", "tpe"), "there is no sampler 'tpe'"),
        (table_of(), ("--target", "y", "--trials", "0"), "not an integer of at least 1"),
        (table_of(), ("--target", "y", "--cv", "1"), "not an integer of at least 2"),
        (table_of(), ("--target", "y", "--test-size", "1"), "not a share between 0 and 1"),
        (table_of(), ("--target", "y", "--test-size", "0.02"), "--test-size 0.02 holds out 1 of"),
        (table_of(), ("--target", "x", "--test-size", "0.02"), "--test-size 0.02 holds out 1 of"),
        (table_of(), ("--target", "y", "--time", "soon"), "not a duration"),
        (table_of(), ("--target", "y", "--time", "0"), "not a positive duration"),
        (table_of(), ("--target", "y", "--dask", "here"), "tcp://host:port or local:N"),
    ],
)
def test_bad_input_gets_one_line_before_any_fit(refused, tmp_path, frame, arguments, told):
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "run"
    assert told in refused("tune", tmp_path / "t.csv", "--out", out, *arguments)
    assert not Run(out).journal.exists()


def test_a_directory_that_cannot_be_written(refused, tmp_path):
    table_of().to_csv(tmp_path / "t.csv", index=False)
    line = refused(
        "tune", tmp_path / "t.csv", "--target", "y", "--out", tmp_path / "t.csv" / "run"
    )
    assert "cannot write to the run directory" in line
    line = refused("tune", tmp_path / "t.csv", "--target", "y", "--out", tmp_path)
    assert "not empty and not a run directory" in line


def test_a_search_whose_every_trial_fails(skstruct, tmp_path):
    frame = table_of(y=[f"class {i}" for i in range(8)] * 5)
    frame.to_csv(tmp_path / "t.csv", index=False)
    status, out, err = skstruct(
        *("tune", tmp_path / "t.csv", "--target", "y", "--arms", "linear", "--trials", 2),
        *("--cv", 2, "--trial-timeout", "0.0001", "--out", tmp_path / "run"),
    )
    assert status == 1
    assert len(err) == 1
    assert "All the 2 trials failed" in err[0]
    assert len([line for line in out if "timeout" in line]) == 2


def test_arms_that_cannot_be_scored_are_left_out(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    status, out, _ = skstruct(
        *("tune", csv, "--target", "bought", "--arms", "linear,svm", "--cv", 3, "--trials", 2),
        *("--scoring", "neg_log_loss", "--out", tmp_path / "run"),
    )
    assert status == 0
    assert "arms: linear" in out
    assert "  left out, as neg_log_loss cannot score them: svm" in out


def test_a_time_budget_ends_the_search(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    run = tmp_path / "run"
    status, out, _ = skstruct(
        "tune", csv, "--target", "bought", *FAST, "--time", "0.3s", "--out", run
    )
    assert status == 0
    best = json.loads((run / "best.json").read_text())
    assert best["stop_reason"] == "time_budget"
    assert best["trials"] == len(trial_lines(out)) >= 1
    assert any(line.startswith("search: 300 ms, 3 folds") for line in out)


def test_a_journal_that_is_none(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    run = Run(tmp_path / "run")
    command = ("tune", csv, "--target", "bought", *FAST, "--trials", 2, "--out", run.path)
    skstruct(*command)
    for path in run.path.glob("journal.sqlite*"):
        path.unlink()
    run.journal.write_bytes(b"not a journal, but long enough to be one" * 100)
    status, _, err = skstruct(*command)
    assert status == 1
    assert len(err) == 1
    assert "journal.sqlite" in err[0]


def test_ctrl_c_finishes_the_journal_and_reports(process, shop, tmp_path):
    _, csv, _, _ = shop
    run = Run(tmp_path / "run")
    child = process("tune", csv, "--target", "bought", *FAST, "--trials", 5000, "--out", run.path)
    for line in child.stdout:
        if line.startswith("   5 "):
            child.send_signal(signal.SIGINT)
            break
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "interrupted: the same command continues the run" in out
    trials = read_journal(run.journal)
    assert json.loads(run.best.read_text())["trials"] == sum(
        trial["state"] == "COMPLETE" for trial in trials
    )
    assert "The search was interrupted" in run.report.read_text()
    assert run.model.exists()


def test_a_search_whose_reader_leaves_has_failed(process, shop, tmp_path):
    _, csv, _, _ = shop
    child = process("tune", csv, "--target", "bought", *FAST, "--out", tmp_path / "run")
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(timeout=60) == 1
    assert child.stderr.read() == ""


def test_scipy_loads_its_sobol_table_before_the_search(skstruct, shop, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("scipy.stats.qmc.Sobol", interrupted)
    _, csv, _, _ = shop
    run = Run(tmp_path / "run")
    status, _, _ = skstruct(
        *("tune", csv, "--target", "bought", *FAST, "--trials", 2, "--out", run.path)
    )
    assert status == 130
    assert not run.journal.exists()


def test_a_killed_run_goes_on_as_if_nothing_had_been(process, skstruct, shop, tmp_path):
    _, csv, undisturbed, _ = shop
    run = Run(tmp_path / "run")
    command = ("tune", csv, "--target", "bought", *FAST, "--trials", 12, "--out", run.path)
    for stop in ("search: ", "   6 "):
        child = process(*command)
        for line in child.stdout:
            if line.startswith(stop):
                child.kill()
                break
        child.wait(timeout=60)
    status, _, _ = skstruct(*command)
    assert status == 0
    assert rows(run.journal) == rows(undisturbed / "journal.sqlite")
    best = [json.loads((path / "best.json").read_text()) for path in (run.path, undisturbed)]
    assert best[0] == best[1]


def test_dask_workers_of_its_own(skstruct, shop, tmp_path):
    _, csv, _, _ = shop
    status, out, _ = skstruct(
        *("tune", csv, "--target", "bought", *FAST, "--trials", 6, "--dask", "local:2"),
        *("--out", tmp_path / "run"),
    )
    assert status == 0
    assert len(trial_lines(out)) == 6


def test_a_dask_scheduler_that_does_not_answer(refused, shop, tmp_path, monkeypatch):
    monkeypatch.setattr("skstruct.cli._cluster.CONNECT_SECONDS", 1)
    _, csv, _, _ = shop
    line = refused(
        *("tune", csv, "--target", "bought", *FAST, "--dask", "tcp://127.0.0.1:9"),
        *("--out", tmp_path / "run"),
    )
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("missing", "arguments", "told"),
    [
        ("pandas", (), "skstruct tune needs pandas; run: pip install 'skstruct[app]'"),
        ("distributed", ("--dask", "local:2"), "pip install 'skstruct[dask]'"),
    ],
)
def test_missing_extras(refused, shop, tmp_path, monkeypatch, missing, arguments, told):
    from importlib import util

    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == missing else find(name))
    _, csv, _, _ = shop
    assert told in refused("tune", csv, "--target", "bought", "--out", tmp_path / "r", *arguments)
