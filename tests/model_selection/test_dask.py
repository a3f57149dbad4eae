"""A search on a Dask cluster, one of whose workers is killed half way."""

import os
import signal
import threading

import distributed
import joblib
import pytest
from scipy.stats import uniform
from search_hooks import Scripted, X, Y, make_search, n_lines, rows, wait
from sklearn.exceptions import FitFailedWarning

from skstruct.model_selection import (
    ConstrainedSearchCV,
    RisingBanditSearchCV,
    UnimodalBanditSearchCV,
)


@pytest.fixture(scope="module")
def client():
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.parametrize("synchronous", [False, True])
def test_all_trials_are_run_once(client, synchronous, tmp_path):
    log = tmp_path / "log"
    with joblib.parallel_config(backend="dask"):
        search = make_search(20, log=log, synchronous=synchronous, policy="rising").fit(X, Y)
        assert [t["number"] for t in search.trials_] == list(range(20))
        assert n_lines(log) == 20 * 2 + 1
        if synchronous:
            again = make_search(20, synchronous=True, policy="rising").fit(X, Y)
            assert rows(search) == rows(again)


def test_measures_and_single_fits(client):
    """Callables of a search reach the workers; pulls come out as in a search without workers."""
    limit = {"size": (lambda estimator, X, y: estimator.x, "<=", 0.5)}
    space, small = {"x": uniform(0, 1)}, {"cv": 2, "random_state": 0}
    grid = {"x": [0.1, 0.3, 0.5, 0.7]}
    bounded = ConstrainedSearchCV(Scripted(), space, constraints=limit, n_iter=6, **small)
    pulls = UnimodalBanditSearchCV(Scripted(), grid, n_fits=12, **small)
    alone = rows(pulls.fit(X, Y))
    with joblib.parallel_config(backend="dask"):
        results = bounded.fit(X, Y).cv_results_
        assert rows(pulls.fit(X, Y)) == alone
    assert results["constraint_size"].tolist() == results["param_x"].tolist()
    assert results["feasible"].sum() > 0


def test_failures_and_limits(client):
    arms = [{"mode": [mode], "x": [0.1, 0.2]} for mode in ("fit", "raise", "hang", "die")]
    params = {"cv": 2, "random_state": 0, "policy": "round_robin", "trial_timeout": 4.0}
    with (
        joblib.parallel_config(backend="dask"),
        pytest.warns(FitFailedWarning, match="6 of 8 trials failed"),
    ):
        search = RisingBanditSearchCV(Scripted(), arms, n_iter=8, **params).fit(X, Y)
    states = [trial["state"] for trial in search.trials_]
    assert sorted(states[:4]) == ["COMPLETE", "DIED", "FAILED", "TIMEOUT"]


def test_error_score_raise(client):
    arms = [{"mode": ["raise"], "x": [0.1, 0.2]}]
    search = RisingBanditSearchCV(Scripted(), arms, cv=2, error_score="raise")
    with (
        joblib.parallel_config(backend="dask"),
        pytest.raises(RuntimeError, match="the estimator says no") as caught,
    ):
        search.fit(X, Y)
    assert any("of trial" in note for note in caught.value.__notes__)


def test_dead_worker_costs_only_its_running_fits(client, tmp_path):
    """The worker goes with the copy of the data it has; its trial is run again elsewhere."""
    log = tmp_path / "log"
    killed = []

    def kill_a_worker():
        while n_lines(log) < 16:
            wait(0.01)
        pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        search = make_search(
            20, log=log, journal=tmp_path / "journal", scripted={"seconds": 0.02}
        ).fit(X, Y)
    killer.join()
    assert killed
    assert [t["state"] for t in search.trials_] == ["COMPLETE"] * 20
    repeated = n_lines(log) - (20 * 2 + 1)
    assert 0 <= repeated <= 2 * 2  # a running trial, and one whose result was still on its way


def test_death_of_all_workers_costs_only_running_fits(client, tmp_path):
    """With the last copy of the data gone they are sent again."""
    log = tmp_path / "log"

    def kill_all_workers():
        while n_lines(log) < 8:
            wait(0.01)
        for pid in client.run(os.getpid).values():
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_all_workers)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        search = make_search(12, log=log, scripted={"seconds": 0.05}).fit(X, Y)
    killer.join()
    assert [t["state"] for t in search.trials_] == ["COMPLETE"] * 12
