"""Searches that are killed, and searches that share a journal."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings

import numpy as np
import polars
import pytest
from scipy.sparse import csr_array
from search_hooks import Scripted, X, Y, make_search, n_lines, rows, wait
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning

from skstruct import registry
from skstruct.model_selection import RisingBanditSearchCV, read_journal
from skstruct.model_selection._fingerprint import data_hash
from skstruct.model_selection._process import identity
from skstruct.model_selection._search_setup import make_store
from skstruct.model_selection._store import SQLiteStore

# The estimator that kills itself is not told so when it is resumed.
pytestmark = pytest.mark.filterwarnings("ignore:The journal .* was begun with the estimator")

N_ITER = 12
FOLDS = 2
HOOKS = [sys.executable, "-m", "search_hooks"]


def run_to_death(journal, log, kill_at, n_jobs=1):
    """Run a search in a process that kills itself, or the worker its, at the k-th fit."""
    command = [*HOOKS, str(journal), str(log), str(N_ITER), str(n_jobs), str(kill_at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def start(journal, log, n_jobs=1):
    command = [*HOOKS, str(journal), str(log), str(N_ITER), str(n_jobs)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, process_group=0)


def resume(journal, log=None, **params):
    return make_search(N_ITER, log=log, journal=journal, policy="rising", **params).fit(X, Y)


def n_finished(journal):
    if not journal.exists():
        return 0
    try:
        return sum(trial["finished"] is not None for trial in read_journal(journal))
    except ValueError:  # it has no tables yet
        return 0


def is_sound(journal):
    with sqlite3.connect(journal) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture(scope="module")
def undisturbed():
    return rows(resume(None))


@pytest.mark.parametrize("kill_at", [1, 8, 23])
def test_killed_search_continues_as_if_it_had_not_been(kill_at, undisturbed, tmp_path):
    """The process dies in its k-th fit: what was finished stays, one trial is run again."""
    journal, log = tmp_path / "journal", tmp_path / "log"
    assert run_to_death(journal, log, kill_at).returncode == -signal.SIGKILL
    finished = (kill_at - 1) // FOLDS
    assert n_finished(journal) == finished
    assert is_sound(journal)
    search = resume(journal, log)
    assert rows(search) == undisturbed
    assert search.n_resumed_ == finished
    repeated = kill_at - finished * FOLDS
    assert n_lines(log) == N_ITER * FOLDS + repeated + 1  # the last fit is one more
    assert is_sound(journal)


def test_killed_twice(undisturbed, tmp_path):
    journal, log = tmp_path / "journal", tmp_path / "log"
    for kill_at in (5, 16):
        assert run_to_death(journal, log, kill_at).returncode == -signal.SIGKILL
    assert rows(resume(journal, log)) == undisturbed


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("seed", range(2))
def test_killed_from_outside_at_any_instant(n_jobs, seed, undisturbed, tmp_path):
    """The whole process group goes, workers and all, somewhere after the k-th commit."""
    journal, log = tmp_path / "journal", tmp_path / "log"
    rng = np.random.default_rng([n_jobs, seed])
    enough = int(rng.integers(N_ITER - 2))
    process = start(journal, log, n_jobs)
    while n_finished(journal) < enough and process.poll() is None:
        wait(0.001)
    wait(rng.uniform(0, 0.01))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = [trial for trial in read_journal(journal) if trial["finished"] is not None]
    assert len(kept) >= enough
    assert is_sound(journal)
    before = n_lines(log)
    search = resume(journal, log)
    assert [t for t in search.trials_ if t["number"] in {k["number"] for k in kept}] == kept
    assert n_lines(log) - before == (N_ITER - len(kept)) * FOLDS + 1
    assert [t["number"] for t in search.trials_] == list(range(N_ITER))
    if n_jobs == 1:
        assert rows(search) == undisturbed


def test_two_processes_share_the_work(tmp_path):
    """Every trial is run once, and both end with all of them."""
    journal, log = tmp_path / "journal", tmp_path / "log"
    first = start(journal, log)
    second = start(journal, log)
    for process in (first, second):
        _, message = process.communicate()
        assert process.returncode == 0, message
    trials = read_journal(journal)
    assert [trial["number"] for trial in trials] == list(range(N_ITER))
    assert n_lines(log) == N_ITER * FOLDS + 2  # each has fitted its best once more
    assert is_sound(journal)
    assert len({(t["arm"], t["params"]["x"]) for t in trials}) == N_ITER


def test_survivor_takes_over_what_the_other_has_begun(tmp_path):
    """One of two processes dies in a fit; the other waits for nobody and runs that trial too."""
    journal, log = tmp_path / "journal", tmp_path / "log"
    slow = subprocess.Popen(
        [sys.executable, "-c", "import test_resume as t; t.hang(*t.sys.argv[1:])"]
        + [str(journal), str(log)]
    )
    while n_lines(log) < 1:
        wait(0.01)
    survivor = start(journal, log)
    while n_finished(journal) < N_ITER - 1 and survivor.poll() is None:
        wait(0.01)
    assert survivor.poll() is None  # it waits for the one that is missing
    assert [t["state"] for t in read_journal(journal)].count("RUNNING") == 1
    slow.kill()
    slow.wait()
    _, message = survivor.communicate()
    assert survivor.returncode == 0, message
    assert [t["state"] for t in read_journal(journal)] == ["COMPLETE"] * N_ITER


def hang(journal, log):
    make_search(N_ITER, log=log, journal=journal, policy="rising", scripted={"seconds": 60}).fit(
        X, Y
    )


def test_two_searches_in_one_process(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    log = tmp_path / "log"
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(resume, tmp_path / "journal", log) for _ in "ab"]
        first, second = (rows(future.result()) for future in futures)
    assert first == second
    assert n_lines(log) == N_ITER * FOLDS + 2


def test_larger_n_iter_continues(undisturbed, tmp_path):
    journal = tmp_path / "journal"
    make_search(5, journal=journal).fit(X, Y)
    longer = make_search(9, journal=journal).fit(X, Y)
    assert longer.n_resumed_ == 5
    assert rows(longer) == rows(make_search(9).fit(X, Y))  # round robin has no horizon
    done = make_search(9, journal=journal).fit(X, Y)
    assert done.n_resumed_ == 9
    assert rows(done) == rows(longer)
    np.testing.assert_array_equal(
        done.cv_results_["split1_test_score"], longer.cv_results_["split1_test_score"]
    )
    assert done.best_params_ == longer.best_params_
    assert len(make_search(3, journal=journal).fit(X, Y).trials_) == 9


def test_smaller_n_iter_does_not_wait_for_a_larger_search(tmp_path):
    journal = tmp_path / "journal"
    make_search(5, journal=journal).fit(X, Y)
    with sqlite3.connect(journal) as connection:  # the last trial is under way in this process
        connection.execute(
            "UPDATE trial SET state = 'RUNNING', result = NULL, finished = NULL, host = ?, "
            "pid = ?, pid_start = ? WHERE number = 4",
            identity(os.getpid()),
        )
    connection.close()
    assert len(make_search(3, journal=journal).fit(X, Y).trials_) == 4


@pytest.mark.parametrize("sampler", ["gp", "random"])
def test_any_interruption_of_a_sequential_search(sampler, tmp_path):
    """Stop after every k and continue: always the rows of the search that was left alone."""
    whole = rows(make_search(16, sampler=sampler, policy="rising").fit(X, Y))
    journal = tmp_path / "journal"
    make_search(16, sampler=sampler, policy="rising", journal=journal).fit(X, Y)
    for k in range(16):
        part = tmp_path / f"part {k}"
        shutil.copy(journal, part)
        with sqlite3.connect(part) as connection:
            connection.execute("DELETE FROM trial WHERE number > ?", (k,))
            connection.execute(
                "UPDATE trial SET state = 'RUNNING', pid_start = '1', result = NULL, "
                "finished = NULL WHERE number = ?",
                (k,),
            )
        connection.close()
        search = make_search(16, sampler=sampler, policy="rising", journal=part).fit(X, Y)
        assert rows(search) == whole
        assert search.n_resumed_ == k


def test_seed_is_kept_by_the_journal(tmp_path):
    journal = tmp_path / "journal"
    make_search(4, journal=journal, random_state=None).fit(X, Y)
    shutil.copy(journal, tmp_path / "copy")
    kwargs = {"random_state": None, "policy": "rising"}
    first = make_search(9, journal=journal, **kwargs).fit(X, Y)
    second = make_search(9, journal=tmp_path / "copy", **kwargs).fit(X, Y)
    assert rows(first) == rows(second)


def test_failures_are_not_run_again(tmp_path):
    log = tmp_path / "log"
    arms = [{"mode": ["fit", "raise", "nan"], "x": [0.1, 0.2]}]
    for _ in range(2):
        search = RisingBanditSearchCV(
            Scripted(log=str(log)), arms, cv=2, random_state=0, journal=tmp_path / "journal"
        )
        with pytest.warns(FitFailedWarning, match="4 of 6 trials failed"):
            search.fit(X, Y)
    assert n_lines(log) == 2 * (2 + 1 + 2) + 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"X": X + 1}, "X"),
        ({"y": 1 - Y}, "y"),
        ({"fit": {"sample_weight": np.ones(len(Y))}}, "the fit parameters"),
        ({"cv": 3}, "the folds"),
        ({"param_distributions": [{"x": [0.1]}]}, r"param_distributions\[0\]"),
        ({"scoring": "accuracy"}, "scoring"),
    ],
    ids=str,
)
def test_another_search_is_refused(change, named, tmp_path):
    def make():
        arms = [{"x": [0.1, 0.2]}]
        return RisingBanditSearchCV(
            Scripted(), arms, cv=2, random_state=0, journal=tmp_path / "journal"
        )

    make().fit(X, Y)
    data = {"X": change.pop("X", X), "y": change.pop("y", Y)}
    params = change.pop("fit", {})
    with pytest.raises(ValueError, match=f"belongs to another search: it differs in {named}"):
        make().set_params(**change).fit(**data, **params)
    assert make().fit(X, Y).n_resumed_ == 2


def test_other_estimator_is_a_warning(tmp_path):
    make_search(2, journal=tmp_path / "journal").fit(X, Y)
    with pytest.warns(UserWarning, match=r"begun with the estimator Scripted\(\) and is cont"):
        make_search(3, journal=tmp_path / "journal", scripted={"seconds": 1e-3}).fit(X, Y)


@pytest.mark.parametrize(
    "params",
    [
        {"policy": "no such policy"},
        {"sampler": "no such sampler"},
        {"policy_params": {"nonsense": 1}},
        {"initial_params": [{"nonsense": 1}]},
        {"warm_start_from": 3},
    ],
    ids=str,
)
def test_mistakes_are_found_before_there_is_a_journal(params, tmp_path):
    with pytest.raises((ValueError, TypeError)):
        make_search(2, journal=tmp_path / "journal").set_params(**params).fit(X, Y)
    assert not (tmp_path / "journal").exists()


def test_other_results_to_learn_from_are_a_warning(tmp_path):
    first = make_search(3).fit(X, Y)
    params = {"journal": tmp_path / "journal", "warm_start_from": first}
    make_search(2, **params).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_search(3, **params).fit(X, Y)
        make_search(3, **{**params, "warm_start_from": None}).fit(X, Y)
    params["warm_start_from"] = make_search(4).fit(X, Y)
    with pytest.warns(UserWarning, match=r"\(3 trials\) than .* now \(4 trials\)"):
        make_search(4, **params).fit(X, Y)


def test_equal_data_have_equal_hashes_in_another_process():
    """Hashes do not depend on how a frame came about."""
    code = "import test_resume as t; print(t.hashes(rebuilt=True))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == repr(hashes()), done.stderr
    assert len(set(hashes())) == len(hashes())


def hashes(rebuilt=False):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["word"] = ["even" if k % 2 == 0 else "odd" for k in range(len(X))]
    other = X.assign(word=X["word"].replace("odd", "Odd"))
    renamed = X.rename(columns={"word": "words"})
    if rebuilt:
        X = X[sorted(X.columns)][list(X.columns)].iloc[::-1].iloc[::-1].copy()
    lists = {name: X[name].to_list() for name in X.columns}
    numbers = X.drop(columns="word").to_numpy(copy=True)
    data = [X, y, other, renamed, polars.DataFrame(lists), numbers, csr_array(numbers), lists]
    return [data_hash(each) for each in data]


def test_store_of_a_plug_in(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda group, name: {"mine": SQLiteStore}[name])
    store = make_store(f"mine://{tmp_path / 'journal'}", "full")
    assert store.path == tmp_path / "journal"
    store.close()


def test_drive_is_not_the_name_of_a_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "C:").mkdir()
    store = make_store("C://journal", "normal")
    assert store.path == tmp_path / "C:" / "journal"
    store.close()
