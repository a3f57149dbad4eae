"""The search of a grid by single fits: what is fitted, what is reported, what is found."""

import pickle

import joblib
import numpy as np
import pytest
from pull_hooks import BEST, Surface
from scipy.sparse import csr_array
from scipy.stats import loguniform, randint
from search_hooks import n_lines, rows
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.bandits import UnimodalBandit
from skstruct.model_selection import UnimodalBanditSearchCV
from skstruct.model_selection._folds import RepeatedFolds

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 2))
Y = np.tile([0, 1], 30)
GRID = {"a": list(range(12)), "b": list(range(20, 0, -1))}


def search(estimator=None, grid=GRID, **params):
    params = {"n_fits": 100, "cv": 3, "random_state": 0, **params}
    return UnimodalBanditSearchCV(estimator or Surface(), grid, **params)


def test_it_is_the_bandit_with_splits_for_pulls():
    fitted = search().fit(X, Y)
    folds = RepeatedFolds(60, Y, 3, 0)
    values = list(GRID["a"]), list(GRID["b"])

    def pull(arm, k):
        train, test = folds[k]
        model = Surface(values[0][arm[0]], values[1][arm[1]]).fit(X[train], Y[train])
        return model.score(X[test], Y[test])

    bandit = UnimodalBandit((12, 20), 100).run(pull)
    np.testing.assert_array_equal(fitted.n_pulls_, bandit.n_pulls_)
    assert fitted.bandit_.history_ == bandit.history_
    assert fitted.best_score_ == pytest.approx(bandit.best_mean_)
    assert fitted.best_params_ == {"a": values[0][bandit.best_arm_[0]], "b": BEST["b"]}


def test_what_is_reported():
    fitted = search().fit(X, Y)
    assert fitted.best_params_ == BEST
    assert fitted.n_fits_ == 100 == len(fitted.trials_) == fitted.n_pulls_.sum()
    table = fitted.cv_results_
    n_rows = len(table["params"])
    assert n_rows == np.count_nonzero(fitted.n_pulls_)
    assert all(len(column) == n_rows for column in table.values())
    assert table["n_splits"].sum() == 100
    assert table["params"][fitted.best_index_] == BEST
    for row, params in enumerate(table["params"]):
        assert (table["param_a"][row], table["param_b"][row]) == (params["a"], params["b"])
        scores = [t["score"] for t in fitted.trials_ if t["params"] == params]
        assert table["mean_test_score"][row] == pytest.approx(np.mean(scores))
        assert table["std_test_score"][row] == pytest.approx(np.std(scores))
        arm = GRID["a"].index(params["a"]), GRID["b"].index(params["b"])
        assert table["n_splits"][row] == len(scores) == fitted.n_pulls_[arm]
        assert fitted.bandit_.means_[arm] == pytest.approx(np.mean(scores))
    assert table["rank_test_score"][np.argmax(table["mean_test_score"])] == 1
    assert fitted.best_estimator_.get_params()["a"] == 9
    assert fitted.predict(X[:2]).tolist() == [0, 0]
    assert pickle.loads(pickle.dumps(fitted)).best_params_ == BEST
    assert len(fitted.results_frame()) == 100
    assert "<svg" in fitted.report().html


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_number_of_workers_changes_nothing(backend):
    alone = search().fit(X, Y)
    with joblib.parallel_config(backend):
        together = search(n_jobs=2).fit(X, Y)
    assert rows(together) == rows(alone)
    assert together.best_params_ == alone.best_params_


@pytest.mark.parametrize("n_done", [1, 17, 59])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path, n_done):
    undisturbed = search().fit(X, Y)
    log, journal = tmp_path / "log", tmp_path / "journal"
    first = search(Surface(log=str(log), stop_at=n_done + 1), journal=journal, refit=False)
    assert first.fit(X, Y).stop_reason_ == "interrupted"
    assert first.n_fits_ == n_done
    with pytest.warns(UserWarning, match="was begun with the estimator"):
        again = search(Surface(log=str(log)), journal=journal, refit=False).fit(X, Y)
    assert again.n_resumed_ == n_done
    assert n_lines(log) == 101  # the one that was interrupted ran twice
    assert rows(again) == rows(undisturbed)
    assert again.bandit_.history_ == undisturbed.bandit_.history_
    assert again.best_params_ == undisturbed.best_params_


def test_a_journal_of_another_plan_is_refused(tmp_path):
    search(journal=tmp_path / "journal").fit(X, Y)
    with pytest.raises(ValueError, match="differs in n_sweeps"):
        search(journal=tmp_path / "journal", n_sweeps=1).fit(X, Y)


@pytest.mark.parametrize(
    "cv", [KFold(4, shuffle=True, random_state=1), ShuffleSplit(3, random_state=0)]
)
def test_the_splits_of_a_splitter_are_taken_once(cv):
    fitted = search(cv=cv, n_fits=90).fit(X, Y)
    n_splits = cv.get_n_splits()
    assert fitted.n_splits_ == n_splits == fitted.n_pulls_.max()
    assert fitted.n_fits_ == 90
    for trial in fitted.trials_:
        assert trial["split"] < n_splits
    if isinstance(cv, KFold):
        expected = cross_val_score(Surface(**fitted.best_params_), X, Y, cv=cv).mean()
        assert fitted.best_score_ == pytest.approx(expected)


def test_an_axis_of_one_value_and_a_start():
    fitted = search(grid={"a": [9], "b": GRID["b"]}, start={"a": 9, "b": 3}).fit(X, Y)
    assert fitted.best_params_ == BEST
    assert fitted.n_pulls_.shape == (1, 20)
    first = search(start={"a": 2, "b": 3}).fit(X, Y).trials_[0]["params"]
    assert first["b"] == 3
    everything = search(grid={"a": [9]}).fit(X, Y)
    assert everything.best_params_ == {"a": 9}
    assert everything.n_pulls_.tolist() == [100]


def test_values_may_be_anything_in_order():
    models = [LogisticRegression(C=C) for C in np.logspace(-6, 1, 9)]
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    fitted = UnimodalBanditSearchCV(
        pipe, {"logisticregression": models}, n_fits=40, random_state=0
    ).fit(*load_iris(return_X_y=True))
    assert fitted.best_params_["logisticregression"] in models
    assert fitted.best_score_ > 0.9


def test_fits_that_fail_count_as_the_worst():
    with pytest.warns(FitFailedWarning, match="a is too great"):
        fitted = search(Surface(fail_above=9)).fit(X, Y)
    assert fitted.best_params_ == BEST
    table = fitted.cv_results_
    failed = table["param_a"].data > 9
    assert np.isnan(table["mean_test_score"][failed]).all()
    assert table["rank_test_score"][failed].min() > table["rank_test_score"][~failed].max()
    with pytest.raises(ValueError, match="a is too great"):
        search(Surface(fail_above=9), error_score="raise").fit(X, Y)
    with pytest.raises(ValueError, match="All the 100 trials failed"):
        search(Surface(fail_above=-1)).fit(X, Y)


@pytest.mark.filterwarnings("ignore:The scoring Surface.score does not support sample_weight")
def test_weights_are_split_with_the_rows():
    fitted = search(cv=KFold(3)).fit(X, Y, sample_weight=np.ones(60))
    bare = search(cv=KFold(3)).fit(X, Y)
    assert fitted.best_params_ == bare.best_params_
    assert fitted.best_score_ - bare.best_score_ == pytest.approx(40e-6)


def first_row(results):
    return 0


def higher_b(estimator, X, y):
    return {"peak": estimator.score(X, y), "b": estimator.b}


def test_several_metrics_and_refit():
    fitted = search(scoring=higher_b, refit="peak").fit(X, Y)
    assert fitted.best_params_ == BEST
    assert fitted.multimetric_
    table = fitted.cv_results_
    np.testing.assert_array_equal(table["mean_test_b"], table["param_b"].astype(float))
    assert fitted.best_score_ == table["mean_test_peak"][fitted.best_index_]
    fitted = search(scoring=higher_b, refit="b").fit(X, Y)
    assert fitted.best_params_["b"] == 20
    assert search(refit=first_row).fit(X, Y).best_index_ == 0
    unfitted = search(refit=False).fit(X, Y)
    assert unfitted.best_params_ == BEST
    assert not hasattr(unfitted, "best_estimator_")
    constant = search(scoring=make_scorer(lambda y, z: 1.0)).fit(X, Y)
    assert constant.best_score_ == 1.0


def test_a_limit_of_time_leaves_an_answer():
    fitted = search(time_budget=1e-9).fit(X, Y)
    assert fitted.stop_reason_ == "time_budget"
    assert fitted.n_fits_ == 1
    assert fitted.best_params_ == fitted.trials_[0]["params"]


def test_sparse_rows_and_clones():
    fitted = search(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, n_fits=6).fit(csr_array(X), Y)
    assert fitted.predict(csr_array(X)).shape == (60,)
    assert not hasattr(clone(fitted), "best_params_")


def test_several_metrics_without_a_best_after_a_fit_with_one():
    fitted = search(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, n_fits=6).fit(X, Y)
    fitted.set_params(scoring=["accuracy", "f1"], refit=False).fit(X, Y)
    assert not hasattr(fitted, "best_index_")


def test_for_table_makes_axes_of_distributions():
    made = UnimodalBanditSearchCV.for_table(
        Surface(),
        {"a": loguniform(1, 100), "b": randint(2, 6), "c": ["x", "y"]},
        n_trials=7,
        n_folds=3,
        cv=3,
    )
    assert made.n_fits == 21
    assert made.param_grid["b"] == [2, 3, 4, 5]
    assert made.param_grid["c"] == ["x", "y"]
    np.testing.assert_allclose(np.log10(made.param_grid["a"][7]), 1.0)
    assert len(made.param_grid["a"]) == 15


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"grid": {}}, "param_grid must have 1 to 3 parameters, got 0"),
        ({"grid": {key: [1, 2] for key in "abcd"}}, "got 4: 'a', 'b', 'c', 'd'"),
        ({"grid": {"a": []}}, "values of parameter 'a' is empty"),
        ({"grid": {"a": loguniform(1, 2)}}, "sequence of values for 'a'"),
        ({"n_fits": 3}, "n_fits"),
        ({"final_fraction": 0.95}, "final_fraction"),
        ({"start": {"a": 2}}, r"start must have a value .* \['a', 'b'\], got {'a': 2}"),
        ({"start": {"a": 2, "b": 99}}, "start must have a value"),
        ({"start": {"a": 2, "b": 9, "c": 1}}, "start must have a value"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        search(**params).fit(X, Y)
