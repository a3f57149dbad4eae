import numpy as np
import pytest
from multi_fidelity_hooks import LOG, Sized
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.model_selection import MultiFidelitySearchCV, read_journal
from skstruct.model_selection._resources import NestedFolds, resource_levels
from skstruct.model_selection._space import Space
from skstruct.model_selection._warm_start import prior_points

X = np.arange(1000.0).reshape(500, 2)
Y = np.repeat([0, 1, 2], [300, 150, 50])
SPACE = {"x": uniform(0, 1), "z": uniform(0, 1)}


def make_search(estimator=None, space=SPACE, n_iter=10, **params):
    settings = {"cv": 3, "random_state": 0, **params}
    return MultiFidelitySearchCV(estimator or Sized(), space, n_iter=n_iter, **settings)


def rows(search):
    return [(t["number"], t["state"], t["level"], t["params"], t["score"]) for t in search.trials_]


@pytest.fixture(scope="module")
def undisturbed():
    return make_search().fit(X, Y)


def test_results(undisturbed):
    table = undisturbed.cv_results_
    assert undisturbed.resources_ == [37, 111, 333]
    np.testing.assert_array_equal(table["n_resources"], np.array([37, 111, 333])[table["level"]])
    shares = np.array([t["level"] or 1.0 for t in undisturbed.trials_])
    np.testing.assert_allclose(table["n_resources"] / 333, shares)
    assert undisturbed.spent_ == pytest.approx(shares.sum())
    assert 10 <= undisturbed.spent_ < 11
    assert undisturbed.spent_ - shares[-1] < 10
    assert undisturbed.stop_reason_ == "n_iter"
    assert len(undisturbed.level_correlation_) == 3
    assert len(undisturbed.rho_) == 2
    assert undisturbed.n_single_fidelity_ >= 0


def test_only_trials_of_the_top_level_can_be_best(undisturbed):
    table = undisturbed.cv_results_
    top = table["level"] == 2
    # Of this estimator a smaller training set has the higher score.
    assert table["mean_test_score"][~top].min() > table["mean_test_score"][top].max()
    assert table["level"][undisturbed.best_index_] == 2
    assert undisturbed.best_score_ == table["mean_test_score"][top].max()
    ranks = table["rank_test_score"]
    assert sorted(ranks[top]) == list(range(1, top.sum() + 1))
    assert ranks[table["level"] == 1].max() < ranks[table["level"] == 0].min()
    for level in range(3):
        here = table["level"] == level
        by_score = np.argsort(-table["mean_test_score"][here])
        assert (np.diff(ranks[here][by_score]) > 0).all()


def test_every_fit_sees_the_samples_of_its_level():
    LOG.clear()
    search = make_search(Sized(log=True)).fit(X, Y)
    seen = np.array(LOG[:-1]).reshape(-1, 3)  # the last one is the final fit
    expected = [[37] * 3, [111] * 3, [333, 333, 334]]
    for level, sizes in zip(search.cv_results_["level"], seen, strict=True):
        assert sorted(sizes) == expected[level]
    assert LOG[-1] == 500


def test_splits_may_be_masks():
    test_of = [np.arange(len(X)) % 3 == k for k in range(3)]
    masks = [(~test, test) for test in test_of]
    indices = [(np.flatnonzero(train), np.flatnonzero(test)) for train, test in masks]
    tables = [make_search(cv=cv, n_iter=4).fit(X, Y).cv_results_ for cv in (masks, indices)]
    for key in ("mean_test_score", "n_resources"):
        np.testing.assert_array_equal(tables[0][key], tables[1][key])


def test_regret_on_a_hill():
    """The optimum is at (.3, .6); a random search is at .03 with this budget."""
    search = make_search(n_iter=15).fit(X, Y)
    best = search.best_params_
    assert (best["x"] - 0.3) ** 2 + (best["z"] - 0.6) ** 2 < 1e-3


@pytest.mark.parametrize("labels", [Y, None], ids=["classes", "no classes"])
def test_training_sets_are_nested(labels):
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, Y))
    nested, again = NestedFolds(folds, labels, 7), NestedFolds(folds, labels, 7)
    assert len(nested) == 3
    for k, (train, test) in enumerate(folds):
        last = np.array([], dtype=int)
        for n in (1, 10, 37, 111, 250, len(train)):
            subset, same_test = nested.prefix(k, n)
            assert len(subset) == n
            assert set(last) <= set(subset) <= set(train)
            np.testing.assert_array_equal(subset, again.prefix(k, n)[0])
            np.testing.assert_array_equal(same_test, test)
            if labels is not None:
                share = np.bincount(Y[subset], minlength=3) - n * np.bincount(Y[train]) / len(
                    train
                )
                assert np.abs(share).max() <= 1
            last = subset
        np.testing.assert_array_equal(last, np.sort(train))
        np.testing.assert_array_equal(nested[k][0], train)
    other = NestedFolds(folds, labels, 8).prefix(0, 37)[0]
    assert set(other) != set(nested.prefix(0, 37)[0])
    starts = [set(nested.prefix(k, 111)[0]) for k in range(3)]
    assert not any(set(range(111)) == start for start in starts)


def test_samples_may_join_in_the_given_order():
    LOG.clear()
    estimator = Sized(log=True, what="last")
    make_search(
        estimator, cv=TimeSeriesSplit(3), shuffle_samples=False, refit=False, n_iter=4
    ).fit(X, Y)
    # Folds of 125, 250 and 375; the levels are those of the smallest.
    ends = {tuple(LOG[i : i + 3]) for i in range(0, len(LOG), 3)}
    assert ends == {(13, 13, 13), (41, 41, 41), (124, 249, 374)}


@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight")
def test_sample_weight_goes_with_the_samples():
    LOG.clear()
    make_search(Sized(log=True, what="weights"), refit=False, n_iter=4).fit(
        X, Y, sample_weight=X[:, 0]
    )
    assert LOG
    assert all(LOG)


def test_a_parameter_as_resource():
    data, target = make_classification(200, random_state=0)
    search = make_search(
        make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0)),
        {"gradientboostingclassifier__learning_rate": loguniform(0.01, 1)},
        resource="gradientboostingclassifier__n_estimators",
        max_resources=18,
        n_iter=5,
    ).fit(data, target)
    name = "gradientboostingclassifier__n_estimators"
    assert search.resources_ == [2, 6, 18]
    assert [p[name] for p in search.cv_results_["params"]] == list(
        search.cv_results_["n_resources"]
    )
    assert search.best_params_[name] == 18
    assert len(search.best_estimator_[-1].estimators_) == 18


def test_resource_levels():
    assert resource_levels("auto", 81, 3, 4) == [3, 9, 27, 81]
    assert resource_levels(10, 1000, 3, 3) == [10, 100, 1000]
    assert resource_levels("auto", 100, 2.5, 2) == [40, 100]
    np.testing.assert_allclose(resource_levels("auto", 0.8, 2, 3), [0.2, 0.4, 0.8])
    for least, most, n_levels in (("auto", 9, 4), (10, 10, 2), (10, 12, 5)):
        with pytest.raises(ValueError, match="give the levels"):
            resource_levels(least, most, 3, n_levels)


def test_max_resources_limits_the_top_level_too():
    LOG.clear()
    search = make_search(Sized(log=True), max_resources=200, min_resources=20, n_levels=2)
    search.fit(X, Y)
    assert search.resources_ == [20, 200]
    assert set(LOG[:-1]) == {20, 200}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"resource": "x", "max_resources": 9}, "resource='x' is in param_distributions"),
        ({"resource": "trees"}, "resource must be 'n_samples' or .*'log'.*; got 'trees'"),
        ({"resource": "peak"}, "max_resources must be a number .* 'peak' .* got 'auto'"),
        ({"max_resources": 400}, "max_resources must be 'auto' or .* not above 333.* got 400"),
        ({"max_resources": 99.5}, "max_resources must be 'auto' or .* whole .* got 99.5"),
        ({"n_levels": 5}, "trains on 4 samples, but needs at least 10 for 3 classes"),
        ({"n_iter": 1}, "n_iter=1 ends before the first trial with the full resource"),
        ({"space": [SPACE, SPACE]}, "RisingBanditSearchCV searches several"),
    ],
)
def test_errors_before_any_fit(params, message):
    LOG.clear()
    with pytest.raises(ValueError, match=message):
        make_search(Sized(log=True), **params).fit(X, Y)
    assert not LOG


@pytest.mark.filterwarnings("ignore:No trial with the full resource")
@pytest.mark.parametrize("kill_at", [5, 20, 41])
def test_interrupted_search_continues_as_if_it_had_not_been(kill_at, undisturbed, tmp_path):
    journal = tmp_path / "journal"
    LOG.clear()
    search = make_search(Sized(log=True, interrupt_at=kill_at), journal=journal, refit=False)
    search.fit(X, Y)
    assert search.stop_reason_ == "interrupted"
    finished = (kill_at - 1) // 3
    assert len(read_journal(journal)) >= finished
    with pytest.warns(UserWarning, match="was begun with the estimator"):
        resumed = make_search(journal=journal).fit(X, Y)
    assert resumed.n_resumed_ == finished
    assert rows(resumed) == rows(undisturbed)
    assert resumed.n_single_fidelity_ == undisturbed.n_single_fidelity_
    np.testing.assert_array_equal(resumed.rho_, undisturbed.rho_)


def test_journal_goes_on_with_a_larger_budget(undisturbed, tmp_path):
    journal = tmp_path / "journal"
    first = make_search(n_iter=5, journal=journal).fit(X, Y)
    second = make_search(journal=journal).fit(X, Y)
    assert second.n_resumed_ == len(first.trials_)
    assert rows(second) == rows(undisturbed)
    with pytest.raises(ValueError, match="the levels of the resource"):
        make_search(journal=journal, factor=2).fit(X, Y)


def test_seed_decides(undisturbed):
    assert rows(make_search().fit(X, Y)) == rows(undisturbed)
    assert rows(make_search(random_state=1).fit(X, Y)) != rows(undisturbed)


@pytest.mark.parametrize("synchronous", [False, True])
def test_two_workers(synchronous):
    searches = [make_search(n_jobs=2, synchronous=synchronous, n_iter=6).fit(X, Y) for _ in "ab"]
    assert 6 <= searches[0].spent_ < 7
    assert searches[0].cv_results_["level"][searches[0].best_index_] == 2
    if synchronous:
        assert rows(searches[0]) == rows(searches[1])


def test_first_trial_has_the_parameters_of_the_estimator(undisturbed):
    first = undisturbed.trials_[0]
    assert first["params"] == {"x": 0.9, "z": 0.9}
    assert first["level"] == pytest.approx(37 / 333)


def test_initial_params_are_tried_in_full():
    search = make_search(initial_params=[{"x": 0.25}]).fit(X, Y)
    assert search.trials_[0]["params"] == {"x": 0.25, "z": 0.9}
    assert search.trials_[0]["level"] is None


def test_warm_start_takes_full_trials_only(undisturbed, tmp_path):
    journal = tmp_path / "journal"
    make_search(journal=journal).fit(X, Y)
    full = [(t["params"], t["score"]) for t in undisturbed.trials_ if t["level"] is None]
    for source in (undisturbed, undisturbed.cv_results_, journal):
        points = prior_points(source, "score", [Space(SPACE)], [SPACE])
        assert [score for _, _, score in points] == [score for _, score in full]
    search = make_search(n_iter=5, warm_start_from=undisturbed, start_from_defaults=False)
    search.fit(X, Y)
    assert search.best_score_ > undisturbed.best_score_ - 1e-3


def test_folds_do_not_race_between_levels():
    search = make_search(fold_racing=True, n_iter=15).fit(X, Y)
    assert {t["state"] for t in search.trials_ if t["level"] is not None} == {"COMPLETE"}


def test_several_metrics_and_a_callable_refit():
    def pick(results):
        assert set(results["level"]) == {0, 1, 2}
        return int(np.argmax(np.where(results["level"] == 2, results["mean_test_b"], -np.inf)))

    def scoring(estimator, X, y):
        return {"a": estimator.score(X, y), "b": -estimator.x}

    search = make_search(scoring=scoring, refit=pick).fit(X, Y)
    table = search.cv_results_
    at_top = table["level"] == 2
    assert search.best_params_["x"] == np.min(table["param_x"][at_top])
    assert set(table["rank_test_b"][at_top]) <= set(range(1, at_top.sum() + 1))


def test_a_search_that_ends_before_the_top_level_says_so():
    LOG.clear()
    search = make_search(Sized(log=True, interrupt_at=25), refit=False)
    with pytest.warns(UserWarning, match="No trial with the full resource, 333, .* with 111"):
        search.fit(X, Y)
    assert search.cv_results_["level"][search.best_index_] == 1


def test_failed_trials_rank_last():
    search = make_search(Sized(fail_above=0.5), n_iter=8)
    with pytest.warns(FitFailedWarning, match="trials failed .*FAILED"):
        search.fit(X, Y)
    table = search.cv_results_
    failed = np.isnan(table["mean_test_score"])
    assert failed.any()
    assert table["rank_test_score"][failed].min() > table["rank_test_score"][~failed].max()
    assert table["level"][search.best_index_] == 2


def test_real_estimators():
    data, target = load_iris(return_X_y=True)
    search = make_search(
        SVC(),
        {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)},
        n_levels=2,
        cv=KFold(3, shuffle=True, random_state=0),
    ).fit(data, target)
    assert search.best_score_ > 0.96
    data, target = make_regression(200, noise=10, random_state=0)
    search = make_search(Ridge(), {"alpha": loguniform(1e-6, 1e3)}, n_iter=5).fit(data, target)
    assert search.best_score_ > 0.9
