import math
import pickle
import shutil
import sqlite3
import warnings

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from search_hooks import Scripted, X, Y, rows, x_of
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import make_scorer, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skstruct.model_selection import ConstrainedSearchCV, InfeasibleSearchWarning
from skstruct.model_selection._constraints import model_size, parse_constraints

CANCER = load_breast_cancer(return_X_y=True)


def x_below(bound):
    return {"x": (x_of, "<=", bound)}


def make(n_iter=12, constraints=None, estimator=None, **params):
    """Return a search for the x that is closest to .3, within .1 if nothing else is said."""
    settings = {"cv": 2, "random_state": 0, **params}
    return ConstrainedSearchCV(
        Scripted() if estimator is None else estimator,
        {"x": uniform(0, 1)},
        constraints=x_below(0.1) if constraints is None else constraints,
        n_iter=n_iter,
        **settings,
    )


def cancer_search(seed, limits, n_iter=30, cv=3, **params):
    return ConstrainedSearchCV(
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-5, 10)},
        constraints=limits,
        n_iter=n_iter,
        scoring=["precision", "recall"],
        refit="precision",
        cv=cv,
        random_state=seed,
        **params,
    ).fit(*CANCER)


# What is measured ------------------------------------------------------------------------------


def result_of(**folds):
    """Return the result of a trial: metrics, times and measures by their names."""
    times = {key: folds.pop(key) for key in ("fit_time", "score_time") if key in folds}
    measures = {key: folds.pop(key) for key in ("model_size", "own") if key in folds}
    return {"test": folds, "measures": measures, **times}


@pytest.mark.parametrize(
    ("limit", "folds", "margin", "expected"),
    [
        (("recall", ">=", 0.9), [0.8, 0.9, 0.7], 0.0, 0.1),
        (("recall", "<=", 0.9), [0.8, 0.9, 0.7], 0.0, -0.1),
        (("recall", ">=", 0.9), [0.8, 0.9, 0.7], 2.0, 0.1 + 2 * 0.1 / 3**0.5),
        (("recall", "<=", 0.9), [0.8, 0.9, 0.7], 2.0, -0.1 + 2 * 0.1 / 3**0.5),
        (("recall", ">=", 0.9), [0.8], 2.0, 0.1),
        (("recall", ">=", -0.5), [-0.75], 0.0, 0.25),
        (("fit_time", "<=", 0.5), [1.5, 0.5], 0.0, math.log(2)),
        (("score_time", ">=", 0.5), [0.1, 0.15], 0.0, math.log(4)),
        (("fit_time", "<=", 0.5), [0.1, 0.3], 1.0, math.log(0.3 / 0.5)),
        (("fit_time", "<=", 0.5), [0.0, 0.0], 0.0, math.log(1e-12)),
        (("model_size", "<=", 2000), [1000, 3000, 500], 0.0, math.log(0.75)),
    ],
)
def test_excess(limit, folds, margin, expected):
    name, *rest = limit
    (constraint,) = parse_constraints({name: rest}, ["recall"])
    assert constraint.excess(result_of(**{name: folds}), margin) == pytest.approx(expected)


@pytest.mark.parametrize("op", ["<=", ">="])
@pytest.mark.parametrize("name", ["fit_time", "recall"])
@pytest.mark.parametrize("bound", [0.1, 0.3, 0.7, 1e-9, 12345.678])
def test_bound_is_met_exactly_or_not(op, name, bound):
    (constraint,) = parse_constraints({name: (op, bound)}, ["recall"])
    excess = [
        constraint.excess(result_of(**{name: [value]}), 0.0)
        for value in (np.nextafter(bound, 0), bound, np.nextafter(bound, np.inf))
    ]
    assert excess[1] == 0
    sign = 1 if op == "<=" else -1
    assert sign * excess[0] < 0 < sign * excess[2]


def test_folds_that_are_missing_make_it_unknown():
    limits = {"recall": (">=", 0.5), "fit_time": ("<=", 1), "own": (x_of, "<=", 1)}
    constraints = parse_constraints(limits, ["recall"])
    whole = result_of(recall=[1, 1], fit_time=[1, 1], own=[1, 1])
    part = result_of(recall=[1, None], fit_time=[1, None], own=[1, None])
    nothing = result_of(fit_time=[None, None], own=[None, None])
    assert [c.excess(whole, 0.0) for c in constraints] == [-0.5, 0, 0]
    for result in (part, nothing):
        for constraint in constraints:
            assert math.isnan(constraint.excess(result, 0.0))
            assert math.isnan(constraint.value(result))


@pytest.mark.parametrize(
    "estimator", [SVC(), RandomForestClassifier(5), make_pipeline(StandardScaler(), SVC())]
)
def test_model_size_is_the_length_of_the_pickle(estimator):
    for data in ((X, Y), CANCER):
        estimator.fit(*data)
        assert model_size(estimator) == len(pickle.dumps(estimator, protocol=5))


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({}, "constraints is empty: RisingBanditSearchCV"),
        ({"recall": (">=", 1)}, "'recall', which is neither a metric nor built in: 'score', 'fit"),
        ({"score": 0.9}, r"constraints\['score'\] must be \(op, bound\)"),
        ({"score": (">=",)}, r"constraints\['score'\] must be \(op, bound\)"),
        ({"score": (1, ">=", 1)}, "must begin with a callable"),
        ({"score": (">", 1)}, "operator '<=' or '>=', got '>'"),
        ({"score": ("<=", np.nan)}, "finite number as its bound, got nan"),
        ({"score": ("<=", "1")}, "finite number as its bound, got '1'"),
        ({"fit_time": ("<=", 0)}, "must have a positive bound, got 0"),
        ({"fit_time": (x_of, "<=", 1)}, "is built in and takes no callable"),
        ({"model_size": ("<=", -1.0)}, "must have a positive bound, got -1"),
    ],
)
def test_bad_constraints(constraints, message):
    with pytest.raises(ValueError, match=message):
        make(constraints=constraints).fit(X, Y)


@pytest.mark.parametrize("refit", [True, False, "recall", np.argmax])
@pytest.mark.parametrize("scoring", [["accuracy", "precision"], {"a": "accuracy", "b": "f1"}])
def test_several_metrics_need_the_name_of_the_objective(refit, scoring):
    with pytest.raises(ValueError, match="refit must name the metric to maximise"):
        make(constraints={"fit_time": ("<=", 1)}, scoring=scoring, refit=refit).fit(X, Y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"acquisition": "ei"}, "'acquisition' parameter"),
        ({"beta": 0}, "'beta' parameter"),
        ({"feasibility_margin": -1}, "'feasibility_margin' parameter"),
        ({"n_init": 0}, "'n_init' parameter"),
        ({"on_infeasible": "stop"}, "'on_infeasible' parameter"),
        ({"constraints": [("score", "<=", 1)]}, "'constraints' parameter"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        make(**{"constraints": {"score": ("<=", 1)}, **params}).fit(X, Y)


def test_one_space_only():
    search = ConstrainedSearchCV(
        SVC(), [{"C": [1, 2]}, {"gamma": [1, 2]}], constraints={"fit_time": ("<=", 1)}
    )
    with pytest.raises(ValueError, match="searches one space: param_distributions must be one"):
        search.fit(X, Y)


# The search ------------------------------------------------------------------------------------


def test_best_within_the_limits():
    search = make(20).fit(X, Y)
    assert search.feasible_
    assert not search.infeasible_
    assert 0.08 < search.best_params_["x"] <= 0.1
    assert search.constraint_slack_["x"] == 0.1 - search.best_params_["x"]
    assert search.best_score_ == pytest.approx(0.8 - (search.best_params_["x"] - 0.3) ** 2)
    free = make(20, constraints=x_below(2.0)).fit(X, Y)
    assert free.best_params_["x"] == pytest.approx(0.3, abs=0.01)
    assert free.cv_results_["feasible"].all()


@pytest.mark.parametrize("seed", range(2))
def test_precision_within_recall_and_size(seed):
    """The prototype: precision .978 at recall .9916 and 21 kB, 37 % of the trials feasible."""
    search = cancer_search(seed, {"recall": (">=", 0.985), "model_size": ("<=", 40_000)})
    results, best = search.cv_results_, search.best_index_
    assert search.feasible_
    assert not search.infeasible_
    assert search.best_score_ > 0.975
    assert results["constraint_recall"][best] >= 0.985
    assert results["constraint_model_size"][best] <= 40_000
    assert results["feasible"].mean() >= 0.3
    refitted = model_size(search.best_estimator_)
    assert refitted == pytest.approx(results["constraint_model_size"][best], rel=0.5)


def test_limits_that_cannot_be_met():
    limits = {"recall": (">=", 0.999), "model_size": ("<=", 20_000)}
    with pytest.warns(InfeasibleSearchWarning, match="None of the 30 trials .* no candidate does"):
        search = cancer_search(0, limits)
    assert search.infeasible_
    assert not search.feasible_
    assert not search.cv_results_["feasible"].any()
    assert min(search.infeasibility_trace_[-5:]) > 0


def test_columns_say_why_a_trial_is_feasible():
    limits = {"recall": (">=", 0.985), "model_size": ("<=", 40_000), "fit_time": ("<=", 9.0)}
    search = cancer_search(0, limits, n_iter=15, cv=10, feasibility_margin=0.5)
    results = search.cv_results_
    for mean, name in (("test_recall", "recall"), ("fit_time", "fit_time")):
        np.testing.assert_array_equal(results[f"constraint_{name}"], results[f"mean_{mean}"])
    error = results["std_test_recall"] / 9**0.5
    expected = results["mean_test_recall"] - 0.5 * error >= 0.985
    # The sizes hardly differ from fold to fold.
    clear = np.abs(results["constraint_model_size"] / 40_000 - 1) > 0.01
    expected &= results["constraint_model_size"] <= 40_000
    np.testing.assert_array_equal(results["feasible"][clear], expected[clear])
    assert 0 < expected.sum() < 15
    np.testing.assert_array_equal(results["violation"] == 0, results["feasible"])

    ranks, scores = results["rank_test_precision"], results["mean_test_precision"]
    feasible = results["feasible"]
    assert ranks[search.best_index_] == ranks.min() == 1
    assert scores[search.best_index_] == scores[feasible].max()
    assert ranks[feasible].max() < ranks[~feasible].min()
    order = np.lexsort((ranks[~feasible],))
    assert (np.diff(results["violation"][~feasible][order]) >= 0).all()
    assert (np.diff(scores[feasible][np.argsort(ranks[feasible])]) <= 0).all()


def test_bound_at_what_is_measured_is_met():
    """An accuracy of whole counts, limited by a value that it takes."""
    tree = {"max_depth": [1, 2, 3, 4], "min_samples_leaf": [1, 3, 9]}
    params = {"n_iter": 12, "cv": 3, "random_state": 0}
    trial = ConstrainedSearchCV(
        DecisionTreeClassifier(random_state=0), tree, constraints={"score": (">=", 0)}, **params
    )
    scores = trial.fit(*CANCER).cv_results_["mean_test_score"]
    for bound in np.unique(scores)[::3]:
        trial.set_params(constraints={"score": ("<=", bound)}).fit(*CANCER)
        assert trial.best_score_ == bound
        assert trial.constraint_slack_["score"] == 0
        np.testing.assert_array_equal(
            trial.cv_results_["feasible"], trial.cv_results_["mean_test_score"] <= bound
        )


def test_least_violation_if_nothing_is_feasible():
    limits = {"low": (x_of, ">=", 0.7), "high": (x_of, "<=", 0.5)}
    with pytest.warns(InfeasibleSearchWarning) as caught:
        search = make(20, limits).fit(X, Y)
    (warning,) = [w for w in caught if w.category is InfeasibleSearchWarning]
    assert "low" in str(warning.message)
    assert "(<= 0.5)" in str(warning.message)
    assert search.infeasible_
    assert search.infeasibility_trace_[-1] == pytest.approx(0.1, abs=0.02)
    x = np.array([params["x"] for params in search.cv_results_["params"]])
    low, high = 0.7 - x, x - 0.5
    expected = np.maximum(low, 0) / abs(low).max() + np.maximum(high, 0) / abs(high).max()
    np.testing.assert_allclose(search.cv_results_["violation"], expected)
    assert search.best_index_ == expected.argmin()
    np.testing.assert_allclose(
        list(search.constraint_slack_.values()),
        [-low[search.best_index_], -high[search.best_index_]],
    )


def test_on_infeasible():
    search = make(6, x_below(-1.0), on_infeasible="raise")
    with pytest.raises(ValueError, match=r"x 0\.\d+ \(<= -1\)\. The model believes that some"):
        search.fit(X, Y)
    assert len(search.cv_results_["params"]) == 6
    assert not hasattr(search, "best_estimator_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.set_params(on_infeasible="ignore").fit(X, Y)
    assert not search.feasible_


def test_for_a_table_it_is_an_error():
    made = {"n_trials": 4, "n_folds": 2, "constraints": {"x": [x_of, "<=", 0.1]}, "cv": 2}
    search = ConstrainedSearchCV.for_table(Scripted(), {"x": uniform(0.5, 0.5)}, **made)
    assert search.n_iter == 4
    with pytest.raises(ValueError, match="None of the 4 trials satisfies"):
        search.fit(X, Y)
    made["on_infeasible"] = "warn"
    search = ConstrainedSearchCV.for_table(Scripted(), {"x": uniform(0.5, 0.5)}, **made)
    with pytest.warns(InfeasibleSearchWarning):
        search.fit(X, Y)


def test_the_report_looks_at_the_limits():
    search = make(constraints=x_below(0.4)).fit(X, Y)
    feasible = search.cv_results_["feasible"]
    assert 0 < feasible.sum() < 12
    page = search.report().html
    assert f"{feasible.sum()} of 12 trials satisfy them" in page
    assert "<td>&lt;= 0.4</td>" in page
    assert [search._contends(trial) for trial in search.trials_] == feasible.tolist()
    frame = search.results_frame()
    assert frame[["level", "split"]].isna().all(axis=None)


def test_declares_it_with_forty_trials():
    """sin x sin y + 1.15 is at least .15."""

    def g(estimator, X, y):
        return np.sin(6 * estimator.x) * np.sin(6 * estimator.peak) + 1.15

    search = ConstrainedSearchCV(
        Scripted(),
        {"x": uniform(0, 1), "peak": uniform(0, 1)},
        constraints={"g": (g, "<=", 0.0)},
        n_iter=40,
        cv=2,
        random_state=0,
        on_infeasible="ignore",
    ).fit(X, Y)
    assert search.infeasible_
    assert search.cv_results_["constraint_g"].min() <= 0.2
    assert search.infeasibility_trace_[-1] == pytest.approx(0.15, abs=0.05)


def test_failed_trials_are_not_feasible():
    def fails(estimator, X, y):
        if estimator.x > 0.5:
            raise RuntimeError("cannot be measured")
        return estimator.x

    search = make(20, {"x": (fails, "<=", 0.2)}).fit(X, Y)
    x = np.array([params["x"] for params in search.cv_results_["params"]])
    np.testing.assert_array_equal(np.isnan(search.cv_results_["constraint_x"]), x > 0.5)
    np.testing.assert_array_equal(search.cv_results_["feasible"], x <= 0.2)
    assert np.isinf(search.cv_results_["violation"][x > 0.5]).all()
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()

    estimator = Scripted()
    search = ConstrainedSearchCV(
        estimator,
        {"x": uniform(0, 1), "mode": ["fit", "raise"]},
        constraints={"x": (x_of, "<=", 0.2)},
        n_iter=16,
        cv=2,
        random_state=0,
        error_score=5.0,
    )
    with pytest.warns(FitFailedWarning):
        search.fit(X, Y)
    raised = np.array([params["mode"] == "raise" for params in search.cv_results_["params"]])
    assert raised.any()
    assert not search.cv_results_["feasible"][raised].any()
    ranks = search.cv_results_["rank_test_score"]
    assert ranks[raised].min() > ranks[~raised].max()
    assert search.feasible_


def test_model_that_cannot_be_pickled_is_no_error():
    pipeline = make_pipeline(FunctionTransformer(lambda X: X), Scripted())
    search = ConstrainedSearchCV(
        pipeline,
        {"scripted__x": uniform(0, 1)},
        constraints={"model_size": ("<=", 1e6)},
        n_iter=6,
        cv=2,
        random_state=0,
    )
    with pytest.warns(InfeasibleSearchWarning, match="model_size nan"):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["constraint_model_size"]).all()
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not search.infeasible_  # nothing is known of the sizes


def both(estimator, X, y):
    return {"score": estimator.score(X, y), "x": estimator.x}


def test_scorer_that_returns_a_dict():
    limits = {"x": ("<=", 0.1)}
    search = make(15, limits, scoring=both, refit="score").fit(X, Y)
    assert search.feasible_
    assert search.best_params_["x"] == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(
        search.cv_results_["constraint_x"], search.cv_results_["mean_test_x"]
    )
    with pytest.raises(
        ValueError, match=r"'recall', which is neither .* 'score', 'x', 'fit_time'"
    ):
        make(15, {"recall": ("<=", 0.1)}, scoring=both, refit="score").fit(X, Y)
    for refit in (True, False, "other"):
        with pytest.raises(ValueError, match=r"refit must name the metric .* 'score', 'x'"):
            make(15, limits, scoring=both, refit=refit).fit(X, Y)


def test_scorers_by_name():
    scoring = {"recall": make_scorer(recall_score), "acc": "accuracy"}
    search = ConstrainedSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_leaf_nodes": list(range(2, 30))},
        constraints={"recall": (">=", 0.9), "acc": (">=", 0.9), "leaves": (_n_leaves, "<=", 6)},
        scoring=scoring,
        refit="acc",
        n_iter=12,
        cv=3,
        random_state=0,
    ).fit(*CANCER)
    assert search.feasible_
    assert search.best_estimator_.get_n_leaves() <= 7
    assert {"rank_test_acc", "rank_test_recall", "constraint_leaves"} <= set(search.cv_results_)


def _n_leaves(estimator, X, y):
    return estimator.get_n_leaves()


def test_measures_see_the_samples_of_the_test():
    seen = []

    def look(estimator, X, y):
        seen.append((X, y))
        return 0.0

    make(3, {"look": (look, "<=", 1)}, cv=3).fit(X, Y)
    assert len(seen) == 9
    for (X_test, y_test), test in zip(seen, 3 * np.split(np.arange(30), 3), strict=True):
        np.testing.assert_array_equal(X_test, X[test])
        np.testing.assert_array_equal(y_test, Y[test])


def test_refit_by_a_callable_or_not_at_all():
    search = make(8, refit=lambda results: int(results["constraint_x"].argmin())).fit(X, Y)
    assert search.best_params_["x"] == min(p["x"] for p in search.cv_results_["params"])
    search = make(8, refit=False).fit(X, Y)
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1
    assert not hasattr(search, "best_estimator_")


# The engine around it --------------------------------------------------------------------------


def same(search, other):
    assert rows(search) == rows(other)
    for key in ("constraint_x", "feasible", "violation", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[key], other.cv_results_[key])
    np.testing.assert_array_equal(search.infeasibility_trace_, other.infeasibility_trace_)


@pytest.mark.parametrize("acquisition", ["mixed", "config", "cei"])
def test_any_interruption(acquisition, tmp_path):
    """Stop after every k and continue: always the rows, and the trace, of the one left alone."""
    params = {"acquisition": acquisition, "start_from_defaults": acquisition == "mixed"}
    whole = make(12, **params).fit(X, Y)
    journal = tmp_path / "journal"
    make(12, journal=journal, **params).fit(X, Y)
    for k in range(0, 12, 2):
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
        search = make(12, journal=part, **params).fit(X, Y)
        same(search, whole)
        assert search.n_resumed_ == k


def test_a_journal_serves_other_bounds_but_not_other_measures(tmp_path):
    journal = tmp_path / "journal"
    make(8, journal=journal).fit(X, Y)
    search = make(14, x_below(0.2), journal=journal).fit(X, Y)
    assert search.n_resumed_ == 8
    assert 0.1 < search.best_params_["x"] <= 0.2
    other = {"x": (_n_leaves, "<=", 0.1)}
    with pytest.raises(ValueError, match="what the constraints measure"):
        make(14, other, journal=journal).fit(X, Y)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_measure_too(backend):
    limits = {"x": (x_of, "<=", 0.1), "model_size": ("<=", 1e6)}
    with joblib.parallel_config(backend):
        search = make(16, limits, n_jobs=2, synchronous=True).fit(X, Y)
    assert len(search.trials_) == 16
    assert search.feasible_
    assert search.best_params_["x"] > 0.05
    sizes = search.cv_results_["constraint_model_size"]
    assert ((sizes > 50) & (sizes < 1000)).all()


def test_sandbox_measures_too():
    limits = x_below(0.9)
    search = make(4, limits, trial_timeout=60.0).fit(X, Y)
    same(search, make(4, limits).fit(X, Y))


def test_patience_counts_feasible_trials():
    search = make(60, patience=9).fit(X, Y)
    assert search.stop_reason_ == "patience"
    feasible = [number for number, f in enumerate(search.cv_results_["feasible"]) if f]
    assert len(search.trials_) > feasible[0] + 9
    assert search.best_index_ == len(search.trials_) - 10


def test_fold_racing_is_against_a_feasible_leader():
    """What is better but not allowed must not stop what is allowed."""
    search = make(15, fold_racing=True, cv=4, start_from_defaults=False).fit(X, Y)
    assert search.feasible_
    plain = make(15, cv=4, start_from_defaults=False).fit(X, Y)
    assert search.best_score_ == pytest.approx(plain.best_score_, abs=0.01)
    pruned = [t["params"]["x"] for t in search.trials_ if t["state"] == "PRUNED"]
    assert pruned
    assert all((x - 0.3) ** 2 > (search.best_params_["x"] - 0.3) ** 2 - 1e-12 for x in pruned)
    states = np.array([t["state"] for t in search.trials_])
    assert not search.cv_results_["feasible"][states == "PRUNED"].any()


def test_warm_start_knows_the_objective():
    first = make(10).fit(X, Y)
    search = make(10, warm_start_from=first, start_from_defaults=False).fit(X, Y)
    assert len(search.trials_) == 10
    assert search.feasible_
    assert 0.05 < search.best_params_["x"] <= 0.1


def test_initial_params_and_defaults_come_first():
    search = make(4, initial_params=[{"x": 0.05}]).fit(X, Y)
    assert [t["params"]["x"] for t in search.trials_[:2]] == [0.05, 0.9]
