"""The smallest value that reaches a target: what is fitted, what is reported, what is found."""

import pickle

import joblib
import numpy as np
import pytest
from pull_hooks import Learnable
from scipy.stats import uniform
from search_hooks import n_lines, rows
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.bandits import NoisyBinarySearch
from skstruct.model_selection import ThresholdSearchCV
from skstruct.model_selection._folds import RepeatedFolds

RNG = np.random.default_rng(0)
X = RNG.standard_normal((240, 2))
Y = np.tile([0, 1], 120)
VALUES = list(range(1, 121))


def search(estimator=None, name="x", values=VALUES, **params):
    params = {"target": 0.9, "epsilon": 0.3, "random_state": 0, **params}
    return ThresholdSearchCV(estimator or Learnable(), name, values, **params)


def test_it_is_the_binary_search_with_splits_for_flips():
    fitted = search().fit(X, Y)
    folds = RepeatedFolds(240, Y, 5, 0)
    bare = NoisyBinarySearch(120, 0.5, 0.3, delta=0.1)
    for k in range(bare.budget_):
        x = bare.ask()
        train, test = folds[k]
        model = Learnable(VALUES[x]).fit(X[train], Y[train])
        bare.tell(x, model.score(X[test], Y[test]) >= 0.9)
    np.testing.assert_array_equal(fitted.search_.queries_, bare.queries_)
    np.testing.assert_array_equal(fitted.search_.outcomes_, bare.outcomes_)
    assert fitted.best_value_ == VALUES[bare.index_]
    assert fitted.n_fits_ == bare.budget_ == fitted.n_iter


def test_the_threshold_is_found():
    """At 54 and 66 the target is reached with probability .18 and .82."""
    found = [search(random_state=seed).fit(X, Y).best_value_ for seed in range(20)]
    assert np.mean([54 <= value <= 66 for value in found]) >= 0.9
    high = [search(prob=0.8, epsilon=0.15, random_state=s).fit(X, Y).best_value_ for s in range(8)]
    assert 62 <= np.median(high) <= 69  # .8 at 65.5


def test_what_is_reported():
    fitted = search().fit(X, Y)
    table = fitted.cv_results_
    assert (np.diff(table["value"]) > 0).all()
    assert table["n_splits"].sum() == fitted.n_fits_ == len(fitted.trials_)
    for row, value in enumerate(table["value"]):
        assert table["params"][row] == {"x": value}
        scores = [t["score"] for t in fitted.trials_ if t["params"]["x"] == value]
        assert len(scores) == table["n_splits"][row]
        assert table["mean_test_score"][row] == pytest.approx(np.mean(scores))
        assert table["frac_reached"][row] == np.mean(np.array(scores) >= 0.9)
    assert fitted.found_
    assert table["value"][fitted.best_index_] == fitted.best_value_
    assert fitted.best_params_ == {"x": fitted.best_value_}
    assert fitted.best_estimator_.x == fitted.best_value_
    low, high = fitted.credible_values_
    assert low <= fitted.best_value_ <= high
    assert pickle.loads(pickle.dumps(fitted)).predict(X[:3]).shape == (3,)
    assert len(fitted.results_frame()) == fitted.n_fits_
    assert "<svg" in fitted.report().html


def test_a_value_that_was_not_fitted_has_a_row():
    assert search(n_fits=1, target=99).fit(X, Y).best_index_ == 1
    fitted = search(n_fits=1, target=-99).fit(X, Y)
    table = fitted.cv_results_
    assert table["n_splits"].tolist() == [0, 1]
    assert fitted.best_index_ == 0
    assert np.isnan(fitted.best_score_)
    assert np.isnan(table["frac_reached"][0])
    assert table["rank_test_score"].tolist() == [2, 1]
    assert fitted.best_estimator_.x == fitted.best_value_ < 60


def test_training_sizes(tmp_path):
    log = tmp_path / "log"
    fitted = search(Learnable(log=str(log)), "train_size", VALUES[9:]).fit(X, Y)
    assert 50 <= fitted.best_value_ <= 70
    assert not hasattr(fitted, "best_estimator_")
    lines = log.read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == [
        trial["params"]["train_size"] for trial in fitted.trials_
    ]
    assert len(set(lines)) == len(lines)  # no sample is drawn twice
    assert [trial["split"] for trial in fitted.trials_] == list(range(fitted.n_fits_))


def test_no_value_reaches_the_target_and_all_do():
    fitted = search(values=np.arange(1, 40))
    assert fitted.set_params(target=-1.0).fit(X, Y).best_value_ == 1
    assert fitted.credible_values_ == (1, 1)
    with pytest.warns(UserWarning, match="No value of 'x' reaches target=2.0"):
        fitted.set_params(target=2.0).fit(X, Y)
    assert not fitted.found_
    assert fitted.best_value_ is None
    assert fitted.credible_values_ == (None, None)
    for name in ("best_index_", "best_params_", "best_score_", "best_estimator_"):
        assert not hasattr(fitted, name)
    assert search(values=[80]).fit(X, Y).best_params_ == {"x": 80}


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_number_of_workers_changes_nothing(backend):
    alone = search(batch_size=3, n_fits=32).fit(X, Y)
    assert 45 <= alone.best_value_ <= 75
    with joblib.parallel_config(backend):
        together = search(batch_size=3, n_fits=32, n_jobs=2).fit(X, Y)
    assert rows(together) == rows(alone)
    assert together.best_value_ == alone.best_value_


@pytest.mark.parametrize(("n_done", "batch_size"), [(1, 1), (20, 1), (20, 6)])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path, n_done, batch_size):
    undisturbed = search(batch_size=batch_size).fit(X, Y)
    log, journal = tmp_path / "log", tmp_path / "journal"
    params = {"batch_size": batch_size, "journal": journal, "refit": False}
    first = search(Learnable(log=str(log), stop_at=n_done + 1), **params).fit(X, Y)
    assert first.stop_reason_ == "interrupted"
    assert first.n_fits_ == n_done
    with pytest.warns(UserWarning, match="was begun with the estimator"):
        again = search(Learnable(log=str(log)), **params).fit(X, Y)
    assert again.n_resumed_ == n_done
    assert n_lines(log) == undisturbed.n_fits_ + 1
    assert rows(again) == rows(undisturbed)
    assert again.best_value_ == undisturbed.best_value_
    with pytest.raises(ValueError, match="differs in target"):
        search(target=0.8, **params).fit(X, Y)


def test_a_fit_that_fails_does_not_reach_the_target():
    with pytest.warns(FitFailedWarning, match="x is too small"):
        fitted = search(Learnable(fail_below=90), target=-5.0).fit(X, Y)
    assert fitted.best_value_ == 90
    assert np.isnan(fitted.cv_results_["mean_test_score"][0])


def test_splits_of_a_splitter_and_scorers():
    cv = ShuffleSplit(100, test_size=0.3, random_state=0)
    fitted = search(cv=cv).fit(X, Y)
    assert 50 <= fitted.best_value_ <= 70
    worse = search(
        Ridge(), "alpha", [1e3, 10.0, 0.1], target=-0.1, scoring="neg_mean_squared_error"
    )
    worse.fit(X, X[:, 0])
    assert worse.best_value_ == 10.0


def two_metrics(estimator, X, y):
    return {"one": 1.0, "two": 2.0}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prob": 0.2}, "less than prob and 1 - prob, got epsilon=0.3 and prob=0.2"),
        ({"values": []}, "at least one value"),
        ({"delta": 0.0}, "delta"),
        ({"target": np.inf}, "target"),
        ({"name": "train_size", "values": [10, 500]}, "from 1 to the 192 .* got 500"),
        ({"name": "train_size", "values": [0.5, 1.0]}, "numbers of training samples.* got 0.5"),
        ({"scoring": two_metrics, "refit": False}, "scoring must give one metric"),
        ({"scoring": ["accuracy"]}, "scoring"),
        ({"refit": "score"}, "refit"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        search(**params).fit(X, Y)


def test_digits_need_few_samples():
    data, labels = load_digits(return_X_y=True)
    fitted = ThresholdSearchCV(
        GaussianNB(var_smoothing=0.01),
        "train_size",
        range(40, 1400, 20),
        target=0.85,
        epsilon=0.3,
        random_state=0,
    ).fit(data, labels)
    # The fraction of splits that reach it, far below and far above what was found.
    folds = RepeatedFolds(len(labels), labels, 5, 1)

    def fraction(size):
        scores = []
        for k in range(30):
            train, test = folds.prefix(k, size)
            model = GaussianNB(var_smoothing=0.01).fit(data[train], labels[train])
            scores.append(model.score(data[test], labels[test]))
        return np.mean(np.array(scores) >= 0.85)

    assert fraction(int(fitted.best_value_ * 0.6)) < 0.5 < fraction(int(fitted.best_value_ * 1.6))


SPACE = {
    "learnable__x": uniform(10, 100),
    "learnable__log": [None],
    "learnable__stop_at": [None, 9],
    "steps__x": [1, 2],
}


def for_table(**settings):
    model = make_pipeline(StandardScaler(), Learnable(log="log", stop_at=3))
    settings = {"target": 0.9, **settings}
    return ThresholdSearchCV.for_table(model, SPACE, n_trials=9, n_folds=3, cv=3, **settings)


def test_for_table_takes_the_quantiles_of_one_parameter():
    made = for_table(param_name="learnable__x")
    assert made.param_name == "learnable__x"
    np.testing.assert_allclose(np.diff(made.param_values), 100 / 31)
    np.testing.assert_allclose(np.mean(made.param_values), 60)
    assert made.estimator[-1].get_params()["log"] is None  # the only value of the space
    assert made.estimator[-1].stop_at == 3
    assert made.n_fits == 27
    many = {"n_trials": 999, "n_folds": 9, "target": 0.9, "param_name": "x"}
    planned = ThresholdSearchCV.for_table(Learnable(), {"x": uniform()}, **many)
    assert planned.n_fits == planned.set_params(n_fits=None).n_iter < 999


def test_for_table_takes_what_is_given():
    made = for_table(param_name="stop_at", n_fits=5)
    assert (made.param_name, made.param_values) == ("learnable__stop_at", [None, 9])
    assert made.n_fits == 5
    assert for_table(param_name="log", param_values=[1, 2]).param_values == [1, 2]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"target": 0.9}, "param_name must be given"),
        ({}, "smallest value of one parameter .* param_name and target must be given"),
        ({"target": 0.9, "param_name": "x"}, "last part of one alone; got 'x'"),
        ({"target": 0.9, "param_name": "C"}, "must be one of learnable__x, .*; got 'C'"),
    ],
)
def test_for_table_needs_a_parameter_and_a_target(settings, told):
    with pytest.raises(ValueError, match=told):
        ThresholdSearchCV.for_table(Learnable(), SPACE, n_trials=9, n_folds=3, **settings)


def test_the_report_tells_the_threshold():
    page = search(values=VALUES[40:80]).fit(X, Y).report().html
    assert "<h2>Threshold</h2>" in page
    with pytest.warns(UserWarning, match="No value"):
        page = search(values=VALUES[:8], target=99.0).fit(X, Y).report().html
    assert "No candidate is good enough" in page
    assert "<td>none of them</td>" in page
