"""What the search does with trials that go well, fail, stop early or come from elsewhere."""

import re
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform, randint, uniform
from search_hooks import Scripted, X, Y, make_search, n_lines, rows
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skstruct.model_selection import RisingBandit, RisingBanditSearchCV, cash_space
from skstruct.model_selection._search_loop import Readable
from skstruct.model_selection._search_setup import name_arms, score_upper_bound


def states(search):
    return [trial["state"] for trial in search.trials_]


def scripted(arms, n_iter, **params):
    settings = {"cv": 2, "random_state": 0, "policy": "round_robin", **params}
    return RisingBanditSearchCV(Scripted(), arms, n_iter=n_iter, **settings)


ARMS_THAT_FAIL = [{"mode": [mode], "x": uniform(0, 1)} for mode in ("fit", "raise", "nan")]


def test_failures_cost_only_themselves_and_are_reported_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = scripted(ARMS_THAT_FAIL, 9).fit(X, Y)
    (warning,) = caught
    assert warning.category is FitFailedWarning
    assert "6 of 9 trials failed (6 FAILED)" in str(warning.message)
    assert str(warning.message).count("the estimator says no") == 2  # the line and its error
    assert states(search) == ["COMPLETE", "FAILED", "FAILED"] * 3
    assert search.best_params_["mode"] == "fit"
    results = search.cv_results_
    np.testing.assert_array_equal(np.isnan(results["mean_test_score"]), results["arm"] > 0)
    assert np.all(results["rank_test_score"][results["arm"] > 0] == 4)
    assert [len(t["result"]["failed"]) for t in search.trials_[:3]] == [0, 1, 0]
    assert search.trials_[1]["error"].endswith("RuntimeError: the estimator says no\n")


def test_error_score_as_a_number():
    with pytest.warns(FitFailedWarning):
        search = scripted(ARMS_THAT_FAIL[:2], 4, error_score=-3.0).fit(X, Y)
    np.testing.assert_array_equal(search.cv_results_["split1_test_score"][[1, 3]], -3.0)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"][[1, 3]], -3.0)


def test_what_fails_is_never_the_best():
    with pytest.warns(FitFailedWarning):
        search = scripted(ARMS_THAT_FAIL[:2], 4, error_score=100.0).fit(X, Y)
    results = search.cv_results_
    np.testing.assert_array_equal(results["mean_test_score"][[1, 3]], 100.0)
    np.testing.assert_array_equal(results["rank_test_score"][[1, 3]], 3)
    assert search.best_params_["mode"] == "fit"
    assert search.best_score_ < 100.0


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_error_score_raise(backend, tmp_path):
    journal = tmp_path / "journal"
    search = scripted(ARMS_THAT_FAIL[:2], 8, error_score="raise", journal=journal, n_jobs=2)
    with (
        joblib.parallel_config(backend=backend),
        pytest.raises(RuntimeError, match="the estimator says no") as caught,
    ):
        search.fit(X, Y)
    # Every second trial raises; of two under way, either may be the first.
    note = caught.value.__notes__[0]
    assert re.match(r"Raised in fold 0 of trial [13]: \{'mode': 'raise'", note)
    # What was under way is free for the next search, in this very process.
    with pytest.warns(FitFailedWarning):
        search.set_params(error_score=np.nan).fit(X, Y)
    assert len(search.trials_) == 8


def test_all_failed():
    with pytest.raises(ValueError, match=r"All the 4 trials failed \(4 FAILED\)") as caught:
        scripted(ARMS_THAT_FAIL[1:2], 4).fit(X, Y)
    assert "the estimator says no" in str(caught.value)


def test_limits_by_the_sandbox():
    arms = [{"mode": [mode], "x": uniform(0, 1)} for mode in ("fit", "hang", "allocate", "die")]
    search = scripted(arms, 5, trial_timeout=4.0, memory_limit=2**28)
    with pytest.warns(FitFailedWarning, match="1 TIMEOUT, 1 MEMORY, 1 DIED"):
        search.fit(X, Y)
    assert states(search) == ["COMPLETE", "TIMEOUT", "MEMORY", "DIED", "COMPLETE"]
    assert search.best_params_["mode"] == "fit"


@pytest.mark.parametrize("mode", ["raise", "nan"])
@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_backends_finish_all_trials_once(backend, mode, tmp_path):
    log = tmp_path / "log"
    arms = [{"mode": [m], "x": uniform(0, 1)} for m in ("fit", mode)]
    search = scripted(arms, 12, n_jobs=2, scoring=None).set_params(estimator__log=str(log))
    with joblib.parallel_config(backend=backend), pytest.warns(FitFailedWarning):
        search.fit(X, Y)
    assert [t["number"] for t in search.trials_] == list(range(12))
    assert states(search).count("COMPLETE") == 6
    # Two folds a trial, one if that cannot help any more, and the last fit.
    assert n_lines(log) == 6 * 2 + 6 * (1 if mode == "raise" else 2) + 1


def test_death_of_a_worker_costs_only_the_trial_that_kills():
    arms = [{"mode": [mode], "x": uniform(0, 1)} for mode in ("fit", "fit", "fit", "die")]
    with pytest.warns(FitFailedWarning, match="2 DIED"):
        search = scripted(arms, 8, n_jobs=2).fit(X, Y)
    assert states(search) == (["COMPLETE"] * 3 + ["DIED"]) * 2


@pytest.mark.parametrize("sampler", ["gp", "random"])
def test_same_seed_same_search(sampler):
    first, second = (make_search(15, sampler=sampler, policy="rising").fit(X, Y) for _ in "ab")
    assert rows(first) == rows(second)
    other = make_search(15, sampler=sampler, policy="rising", random_state=1).fit(X, Y)
    assert rows(first) != rows(other)


def test_synchronous_search_does_not_depend_on_timing():
    found = []
    for seconds in (0.0, 0.004):
        search = make_search(
            12, synchronous=True, n_jobs=2, policy="rising", scripted={"seconds": seconds}
        )
        with joblib.parallel_config(backend="threading"):
            found.append(rows(search.fit(X, Y)))
    assert found[0] == found[1]


def test_random_state_instance():
    states_ = [np.random.RandomState(3), np.random.RandomState(3)]
    first, second = (make_search(6, random_state=state).fit(X, Y) for state in states_)
    assert rows(first) == rows(second)


def test_defaults_come_first():
    search = make_search(2, scripted={"x": 0.625}).fit(X, Y)
    assert [t["params"]["x"] for t in search.trials_] == [0.625, 0.625]
    search = make_search(2, scripted={"x": 0.625}, start_from_defaults=False).fit(X, Y)
    assert 0.625 not in [t["params"]["x"] for t in search.trials_]


def test_initial_params_come_first():
    initial = [{"peak": 0.5, "x": 0.25}, {"x": 0.75}, {"peak": 0.5}]
    search = make_search(5, initial_params=initial, scripted={"x": 0.125}).fit(X, Y)
    found = [(t["arm"], t["params"]["x"]) for t in search.trials_[:4]]
    assert found == [(1, 0.25), (0, 0.75), (1, 0.125), (0, 0.125)]


def test_patience():
    search = make_search(200, patience=6, sampler="random").fit(X, Y)
    assert search.stop_reason_ == "patience"
    scores = [t["score"] for t in search.trials_]
    assert np.argmax(scores) == len(scores) - 7
    eager = make_search(200, patience=6, min_delta=10.0, sampler="random").fit(X, Y)
    assert len(eager.trials_) == 7


def test_time_budget():
    search = make_search(10_000, time_budget=0.3, sampler="random").fit(X, Y)
    assert search.stop_reason_ == "time_budget"
    assert 1 <= len(search.trials_) < 10_000
    assert len(make_search(5, time_budget=1e-9).fit(X, Y).trials_) == 1


def test_fewer_trials_than_arms():
    with pytest.warns(UserWarning, match="n_iter=2 is less than the number of arms, 3"):
        search = scripted([{"x": [0.1]}, {"x": [0.2]}, {"x": [0.3]}], 2).fit(X, Y)
    assert list(search.arm_summary_["n_pulls"]) == [1, 1, 0]


def test_exhausted():
    search = scripted([{"x": [0.1, 0.2, 0.3]}, {"mode": ["fit"]}], 60).fit(X, Y)
    assert search.stop_reason_ == "exhausted"
    assert len(search.trials_) == 4
    assert not search.arm_summary_["alive"].any()


def test_interrupt_keeps_what_is_there():
    arms = [{"x": [0.1, 0.2, 0.3, 0.4]}, {"mode": ["interrupt"]}]
    initial = [{"x": 0.1}, {"x": 0.3}, {"mode": "interrupt"}]
    search = scripted(arms, 5, initial_params=initial).fit(X, Y)
    assert search.stop_reason_ == "interrupted"
    assert [t["params"]["x"] for t in search.trials_] == [0.1, 0.3]
    assert search.best_estimator_.x == 0.3
    # A second one is not held back: nothing has finished, so there is nothing to keep.
    with pytest.raises(KeyboardInterrupt):
        scripted(arms[1:], 3).fit(X, Y)


def test_interrupted_trial_is_run_by_the_next_search(tmp_path):
    arms = [{"x": [0.1, 0.2, 0.3, 0.4]}]
    kwargs = {"journal": tmp_path / "journal", "initial_params": [{"x": 0.1}, {"x": 0.3}]}
    search = scripted(arms, 4, scoring=interrupt_once, **kwargs)
    interrupt_once.left = 3
    assert search.fit(X, Y).stop_reason_ == "interrupted"
    assert len(search.trials_) == 1
    assert search.fit(X, Y).stop_reason_ == "n_iter"
    assert [t["params"]["x"] for t in search.trials_[:2]] == [0.1, 0.3]
    assert search.n_resumed_ == 1


def interrupt_once(estimator, X, y):
    interrupt_once.left -= 1
    if interrupt_once.left == 0:
        raise KeyboardInterrupt
    return -abs(estimator.x - 0.3)


class Steps(Scripted):
    """Scores that fall from fold to fold by the same steps for every candidate."""

    def score(self, X, y):
        return super().score(X, y) - 1e-3 * X[0, 0]


def test_fold_racing_stops_the_hopeless(tmp_path):
    log = tmp_path / "log"
    arms = [{"peak": [0.9], "x": [0.3]}, {"peak": [0.1], "x": [0.1, 0.2, 0.3, 0.4, 0.5]}]
    params = {"n_iter": 6, "cv": 5, "random_state": 0, "policy": "round_robin"}
    search = RisingBanditSearchCV(Steps(log=str(log)), arms, fold_racing=True, **params).fit(X, Y)
    assert states(search) == ["COMPLETE"] + ["PRUNED"] * 5
    assert n_lines(log) == 5 + 5 + 1  # one fold of each, and the last fit
    results = search.cv_results_
    assert np.isnan(results["split1_test_score"][1:]).all()
    np.testing.assert_array_equal(results["mean_test_score"][1:], results["split0_test_score"][1:])
    assert search.best_index_ == 0
    assert np.all(results["rank_test_score"][1:] == 2)
    full = RisingBanditSearchCV(Steps(), arms, **params).fit(X, Y)
    assert states(full) == ["COMPLETE"] * 6
    # What the core is told of a pruned trial is what the full one would have scored.
    np.testing.assert_allclose(
        [t["score"] for t in search.trials_], [t["score"] for t in full.trials_], atol=1e-12
    )


def test_a_close_trial_is_not_pruned():
    search = make_search(20, cv=3, fold_racing=True)
    search.set_params(estimator=Steps())
    search.fit(X, Y)
    order = np.argsort([-t["score"] for t in search.trials_])
    assert {states(search)[i] for i in order[:3]} == {"COMPLETE"}


def test_warm_start(tmp_path):
    """What an earlier search has found spares the random trials of the next one."""
    space = {"x": uniform(0, 1), "peak": [0.8]}
    settings = {"cv": 2, "random_state": 0}
    first = RisingBanditSearchCV(
        Scripted(), space, n_iter=30, journal=tmp_path / "journal", **settings
    ).fit(X, Y)
    frame = pd.DataFrame(first.cv_results_)
    sources = {
        "journal": tmp_path / "journal",
        "search": first,
        "frame": frame,
        "dict": first.cv_results_,
        "columns": frame.drop(columns="params"),
        "random": RandomizedSearchCV(Scripted(), space, **{**settings, "n_iter": 30}).fit(X, Y),
    }
    for name, source in sources.items():
        again = RisingBanditSearchCV(
            Scripted(),
            space,
            n_iter=3,
            warm_start_from=source,
            start_from_defaults=False,
            **settings,
        ).fit(X, Y)
        assert len(again.trials_) == 3, name
        assert again.trials_[0]["params"]["x"] == pytest.approx(0.3, abs=0.05), name
    with pytest.warns(UserWarning, match="30 of the 30 trials of warm_start_from"):
        scripted([{"x": uniform(5, 1)}], 2, warm_start_from=first).fit(X, Y)
    for nonsense in (3, SVC(), pd.DataFrame({"a": [1]})):
        with pytest.raises(ValueError, match="warm_start_from must be"):
            scripted([space], 2, warm_start_from=nonsense).fit(X, Y)


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [
        ("accuracy", "accuracy"),
        (["accuracy", "f1"], False),
        (["accuracy", "f1"], "f1"),
        (lambda estimator, X, y: {"s": estimator.x}, "s"),
    ],
)
def test_warm_start_reads_the_metric_that_guides(scoring, refit):
    params = {"scoring": scoring, "refit": refit}
    first = scripted([{"x": uniform(0, 1)}], 3, **params).fit(X, Y)
    again = scripted([{"x": uniform(0, 1)}], 3, warm_start_from=first, **params).fit(X, Y)
    assert len(again.trials_) == 3


def test_warm_start_from_no_trials():
    nothing = {"params": [], "mean_test_score": []}
    assert len(scripted([{"x": [0.1, 0.2]}], 2, warm_start_from=nothing).fit(X, Y).trials_) == 2


def test_warm_start_finds_objects_by_their_text(tmp_path):
    arms = {"a": (Scripted(peak=0.1), {"x": uniform(0, 1)}), "b": (Scripted(), {"x": [0.1, 0.2]})}
    estimator, distributions = cash_space(arms)
    settings = {"cv": 2, "random_state": 0}
    RisingBanditSearchCV(
        estimator, distributions, n_iter=6, journal=tmp_path / "journal", **settings
    ).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = RisingBanditSearchCV(
            estimator, distributions, n_iter=9, warm_start_from=tmp_path / "journal", **settings
        ).fit(X, Y)
    known = {0.1, 0.2}  # arm b is used up before it begins, but for its start
    assert {t["params"]["model__x"] for t in again.trials_ if t["arm"] == 1} <= known


def test_policy_and_what_it_reports():
    arms = [{"x": uniform(0, 1), "peak": [peak]} for peak in (0.9, 0.5, 0.1)]
    search = scripted(arms, 60, policy=RisingBandit(C=3, tol=0.0)).fit(X, Y)
    summary = search.arm_summary_
    assert list(summary["alive"]) == [True, False, False]
    assert summary["n_pulls"].sum() == 60
    assert summary["n_pulls"][0] > 30
    assert summary["best_score"][0] == search.best_score_
    assert np.isnan(summary["eliminated_at"][0])
    assert not np.isnan(summary["eliminated_at"][1:]).any()
    t, lower, upper = search.policy_trace_[0]
    assert 0 < t < 60
    assert lower.shape == upper.shape == (3,)
    by_name = scripted(arms, 60, policy="rising", policy_params={"C": 3, "tol": 0.0}).fit(X, Y)
    assert rows(by_name) == rows(search)


def test_overhead_is_accounted_for():
    search = make_search(10).fit(X, Y)
    assert set(search.overhead_times_) == {"ask", "tell", "store"}
    assert all(seconds >= 0 for seconds in search.overhead_times_.values())
    assert 0 < search.overhead_time_ < search.search_time_


@pytest.mark.parametrize(
    ("scoring", "refit", "bound"),
    [
        (None, True, 1.0),
        ("roc_auc_ovr", True, 1.0),
        ("neg_log_loss", True, 0.0),
        ("max_error", True, np.inf),
        (["accuracy", "neg_log_loss"], "neg_log_loss", 0.0),
        ({"a": "r2", "b": max}, "a", 1.0),
        ({"a": "r2", "b": max}, "b", np.inf),
        (max, True, np.inf),
    ],
)
def test_score_upper_bound(scoring, refit, bound):
    search = RisingBanditSearchCV(SVC(), {"C": [1]}, scoring=scoring, refit=refit)
    assert score_upper_bound(search) == bound


def test_names_of_arms():
    pipeline = Pipeline([("a", SVC()), ("b", Scripted())])
    arms = [{"e": [SVC()], "C": [1]}, {"e": [pipeline]}, {"e": [SVC()]}, {"C": loguniform(1, 2)}]
    assert name_arms(SVC(), arms) == ["SVC 1", "Scripted", "SVC 2", "arm 3"]
    assert name_arms(pipeline, [{"b__x": [1, 2]}]) == ["Scripted"]


def test_cash_space():
    estimator, arms = cash_space({"one": (SVC(), {"C": [1, 2]}), "two": (Scripted(), {})})
    assert [set(arm) for arm in arms] == [{"model", "model__C"}, {"model"}]
    search = RisingBanditSearchCV(estimator, arms, n_iter=9, cv=2, random_state=0).fit(X, Y)
    assert len(search.trials_) == 3
    for wrong in ({}, [], {"one": SVC()}, {"one": (SVC(), [1])}):
        with pytest.raises(ValueError, match=r"arms must be|Arm 'one' must be"):
            cash_space(wrong)


def test_parameters_for_readers():
    readable, big = Readable(), SVC(C=2)
    params = {"a": np.float64(0.5), "b": np.int64(3), "c": np.True_, "d": None, "e": big}
    params |= {"f": "rbf", "g": (1, 2), "h": float("nan"), "i": np.array([1, 2])}
    found = readable(params)
    assert found == {
        "a": 0.5,
        "b": 3,
        "c": True,
        "d": None,
        "e": "SVC(C=2)",
        "f": "rbf",
        "g": "(1, 2)",
        "h": "nan",
        "i": "array([1, 2])",
    }
    assert type(found["b"]) is int


def test_report_and_frame(tmp_path):
    arms = [*ARMS_THAT_FAIL, {"mode": ["fit"], "x": randint(1, 5), "log": [None, "/dev/null"]}]
    with pytest.warns(FitFailedWarning):
        search = scripted(arms, 16).fit(X, Y)
    frame = search.results_frame()
    assert list(frame["number"]) == list(range(16))
    assert frame["param_x"].notna().all()
    assert frame["error"].notna().sum() == 8
    report = search.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page == report.html
    assert page.count("<svg") == 3
    assert f"{search.best_score_:.6g}" in page
    assert "RuntimeError: the estimator says no" in page
    assert not re.search(r'(src|href)="(?!#)', page)  # it refers to no other file
    assert report._repr_html_() in page


def test_a_sampler_of_cheap_trials_is_refused():
    with pytest.raises(ValueError, match="use MultiFidelitySearchCV"):
        make_search(sampler="multi_fidelity").fit(X, Y)
