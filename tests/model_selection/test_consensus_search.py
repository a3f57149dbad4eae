"""ConsensusSearchCV: spaces, results, kills and resumptions."""

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform, randint, uniform
from search_hooks import Scripted, X, Y
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import skstruct
from skstruct.model_selection import ConsensusSearchCV, read_journal

N_FITS = 26
SPACE = {"x": (0.0, 1.0)}


def make(estimator=None, space=None, **params):
    params = {"n_fits": N_FITS, "cv": 2, "random_state": 0, **params}
    return ConsensusSearchCV(estimator or Scripted(), space or SPACE, **params)


def rows(search):
    results = search.cv_results_
    keys = ("params", "mean_test_score", "split", "iteration")
    return [tuple(results[key][i] for key in keys) for i in range(search.n_fits_)]


@pytest.fixture(scope="module")
def undisturbed():
    return rows(make().fit(X, Y))


def test_finds_the_peak(undisturbed):
    search = make().fit(X, Y)
    assert search.best_params_["x"] == pytest.approx(0.3, abs=0.05)
    assert rows(search) == undisturbed
    assert search.stop_reason_ == "n_iter"


def test_results_have_a_row_for_each_fit():
    X, y = load_iris(return_X_y=True)
    space = {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}
    search = make(SVC(), space, n_fits=61, cv=5).fit(X, y)
    results = search.cv_results_
    assert search.n_fits_ == len(results["params"]) == 61
    assert search.n_iterations_ == len(search.consensus_path_) == 3
    keys = {"params", "param_C", "param_gamma", "split", "iteration", "rank_test_score"}
    keys |= {"mean_test_score", "mean_fit_time", "mean_score_time"}
    assert set(results) == keys
    in_final = results["iteration"] == search.n_iterations_
    assert np.array_equal(results["split"][~in_final], results["iteration"][~in_final])
    assert in_final.sum() == 16 == 61 - 3 * 15
    finals = {}
    for i in np.flatnonzero(in_final):
        key = tuple(results["params"][i].values())
        finals.setdefault(key, []).append(results["mean_test_score"][i])
    assert set(finals) == {tuple(params.values()) for params in search.finalists_}
    means = {key: np.mean(scores) for key, scores in finals.items()}
    assert search.best_score_ == pytest.approx(max(means.values()))
    assert means[tuple(search.best_params_.values())] == max(means.values())
    assert in_final[search.best_index_]
    assert results["params"][search.best_index_] == search.best_params_
    assert search.best_estimator_.get_params()["C"] == search.best_params_["C"]
    assert search.best_score_ > 0.95


def test_kinds_of_ranges():
    space = {
        "max_depth": (2, 5, "int"),
        "ccp_alpha": (1e-6, 1e-1, "log"),
        "min_impurity_decrease": (0.0, 0.01),
        "criterion": ["gini", "entropy"],
        "max_features": uniform(0.3, 0.7),
        "min_samples_leaf": randint(1, 4),
        "splitter": ["best"],
    }
    X, y = load_iris(return_X_y=True)
    results = make(DecisionTreeClassifier(random_state=0), space, n_fits=80).fit(X, y).cv_results_
    assert set(results["param_max_depth"]) == {2, 3, 4, 5}
    assert all(isinstance(params["max_depth"], int) for params in results["params"])
    assert set(results["param_min_samples_leaf"]) <= {1, 2, 3}
    alpha = results["param_ccp_alpha"]
    assert ((alpha >= 1e-6) & (alpha <= 1e-1)).all()
    assert np.median(alpha.data[:15]) < 5e-3
    least = results["param_min_impurity_decrease"]
    assert ((least >= 0) & (least <= 0.01)).all()
    assert set(results["param_criterion"]) == {"gini", "entropy"}
    assert ((results["param_max_features"] >= 0.3) & (results["param_max_features"] <= 1)).all()
    assert set(results["param_splitter"]) == {"best"}


def test_space_of_the_registry():
    X, y = load_iris(return_X_y=True)
    search = make(SVC(), skstruct.search_space(SVC())).fit(X, y)
    assert search.best_score_ > 0.8


def test_for_table():
    search = ConsensusSearchCV.for_table(
        Ridge(), {"alpha": loguniform(1e-3, 1e3), "fit_intercept": (True, False)},
        n_trials=6, n_folds=5, cv=5, random_state=0,
    )  # fmt: skip
    assert search.n_fits == 30
    assert search.fit(*load_diabetes(return_X_y=True)).best_score_ > 0.4
    assert ConsensusSearchCV.for_table(Ridge(), {}, n_trials=1, n_folds=2).n_fits == 8


def test_results_do_not_depend_on_n_jobs(undisturbed):
    with joblib.parallel_config(backend="threading"):
        assert rows(make(n_jobs=3).fit(X, Y)) == undisturbed


@pytest.mark.parametrize("stop_after", [1, 5, 13, 20])
def test_interrupted_search_continues_as_if_it_had_not_been(stop_after, undisturbed, tmp_path):
    journal, log = tmp_path / "journal", tmp_path / "log"

    def scorer(estimator, X, y):
        with open(log, "a") as lines:
            lines.write("x\n")
        if len(log.read_text().splitlines()) == stop_after + 1:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    search = make(journal=journal, scoring=scorer).fit(X, Y)
    assert search.stop_reason_ == "interrupted"
    assert search.n_fits_ == stop_after
    assert rows(search) == undisturbed[:stop_after]
    resumed = make(journal=journal, scoring=scorer).fit(X, Y)
    assert resumed.n_resumed_ == stop_after
    assert rows(resumed) == undisturbed
    assert resumed.best_params_ == make().fit(X, Y).best_params_
    assert len(read_journal(journal)) == len(undisturbed)


def test_stopped_search_takes_the_best_that_it_knows():
    done = []

    def scorer(estimator, X, y):
        done.append(estimator.x)
        if len(done) == 16:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    search = make(n_fits=60, scoring=scorer).fit(X, Y)
    assert search.n_fits_ == 15
    assert search.finalists_ == []
    assert abs(search.best_params_["x"] - 0.3) < 0.1
    results = search.cv_results_
    assert results["params"][search.best_index_] == search.best_params_
    assert search.best_score_ == results["mean_test_score"][search.best_index_]


def test_journal_of_another_plan(tmp_path):
    make(journal=tmp_path / "journal").fit(X, Y)
    with pytest.raises(ValueError, match="drift"):
        make(journal=tmp_path / "journal", drift=0.5).fit(X, Y)
    with pytest.raises(ValueError, match="n_fits"):
        make(journal=tmp_path / "journal", n_fits=40).fit(X, Y)


class FailsAbove(Scripted):
    """Cannot be fitted with large x."""

    def fit(self, X, y, sample_weight=None):
        if self.x > 0.6:
            raise RuntimeError("x is too large")
        return super().fit(X, y, sample_weight)


def test_failing_fits_count_as_the_worst():
    with pytest.warns(FitFailedWarning, match="x is too large"):
        search = make(FailsAbove(), n_fits=60).fit(X, Y)
    failed = np.array([params["x"] > 0.6 for params in search.cv_results_["params"]])
    assert failed.any()
    assert np.isnan(search.cv_results_["mean_test_score"][failed]).all()
    assert search.best_params_["x"] == pytest.approx(0.3, abs=0.05)
    with pytest.raises(RuntimeError, match="x is too large"):
        make(FailsAbove(), n_fits=60, error_score="raise").fit(X, Y)


def test_finalists_that_all_fail_do_not_win():
    def scorer(estimator, X, y):
        done.append(estimator.x)
        return estimator.score(X, y) if len(done) <= n_scored else np.nan

    done, n_scored = [], 3
    with pytest.warns(FitFailedWarning, match="not a finite number"):
        search = make(scoring=scorer, n_fits=20).fit(X, Y)
    assert search.finalists_
    assert search.best_score_ == max(search.cv_results_["mean_test_score"][:3])
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]


def test_several_metrics():
    X, y = load_diabetes(return_X_y=True)
    scoring = ["neg_mean_absolute_error", "r2"]
    search = make(Ridge(), {"alpha": (1e-4, 1e4, "log")}, scoring=scoring, refit="r2", cv=5)
    search.fit(X, y)
    results = search.cv_results_
    rows = [
        i for i in range(search.n_fits_)
        if results["params"][i] == search.best_params_
        and results["iteration"][i] == search.n_iterations_
    ]  # fmt: skip
    assert search.best_score_ == pytest.approx(results["mean_test_r2"][rows].mean())
    assert search.best_params_["alpha"] < 10
    unfitted = clone(search).set_params(refit=False).fit(X, y)
    assert not hasattr(unfitted, "best_index_")
    chosen = clone(search).set_params(refit=lambda results: 3).fit(X, y)
    assert chosen.best_index_ == 3


@pytest.mark.parametrize(
    "cv",
    [None, 3, KFold(4), ShuffleSplit(6, random_state=0), [(np.arange(20), np.arange(20, 30))]],
)
def test_splits(cv):
    search = make(cv=cv).fit(X, Y)
    assert search.n_fits_ == N_FITS
    assert search.best_params_["x"] == pytest.approx(0.3, abs=0.05)


def test_groups():
    groups = np.arange(30) // 3
    assert make(cv=GroupKFold(3)).fit(X, Y, groups=groups).n_splits_ == 3


def test_parameters_stay_as_they_were_given():
    search = make()
    space = dict(search.param_space)
    search.fit(X, Y)
    assert search.param_space == space
    assert clone(search).fit(X, Y).best_params_ == search.best_params_


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"space": {"x": (1.0, 1.0)}}, "low < high for 'x'"),
        ({"space": {"x": (0.0, np.inf)}}, "low < high for 'x'"),
        ({"space": {"x": (0.0, 1.0, "log")}}, "low > 0"),
        ({"space": {"x": (0.5, 3, "int")}}, "whole numbers"),
        ({"space": {"x": (0.1, 0.2, 0.3)}}, "choices are a list"),
        ({"space": {"x": ("a", "b")}}, "choices are a list"),
        ({"space": {"x": (1, 2, "exp")}}, "choices are a list"),
        ({"space": {"x": ()}}, "choices are a list"),
        ({"space": {"x": 3}}, "'x'"),
        ({"space": {"x": []}}, "'x' is empty"),
        ({"space": [SPACE]}, "param_space"),
        ({"n_fits": 7}, "n_fits"),
        ({"n_particles": 1}, "n_particles"),
        ({"noise": (1.0, -1.0)}, "noise must be two positive"),
        ({"noise": (1.0,)}, "noise must be two positive"),
        ({"ess_fraction": 0}, "ess_fraction"),
        ({"final_fraction": 0.95}, "final_fraction"),
    ],
)
def test_errors(params, match):
    with pytest.raises(ValueError, match=match):
        make(Scripted(mode="raise"), error_score="raise", **params).fit(X, Y)


def test_empty_space():
    with pytest.raises(ValueError, match="at least one parameter"):
        ConsensusSearchCV(Scripted(), {}, cv=2).fit(X, Y)
