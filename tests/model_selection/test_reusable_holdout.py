import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skstruct.model_selection import ReusableHoldout, ReusableHoldoutSelector, Thresholdout

pytestmark = pytest.mark.filterwarnings("ignore:The holdout has:UserWarning")


def brute_force(train, holdout, threshold, tolerance, budget, noise, scales, seed):
    """The loop of the paper, with the three streams of noise."""
    h, e, o = {"practical": (0, 1, 1), "theory": (2, 4, 1)}[scales]
    seeds = np.random.RandomState(seed).randint(2**31, size=3)
    draw = [np.random.default_rng(s) for s in seeds]
    comparison, answer, level = (
        iter(rng.standard_normal(9000) if noise == "gaussian" else rng.laplace(size=9000))
        for rng in draw
    )
    current = threshold + h * tolerance * next(level)
    out = []
    for a, b in zip(train, holdout, strict=True):
        z = next(comparison)
        if budget < 1:
            out.append(np.nan)
        elif abs(a - b) > current + e * tolerance * z:
            budget -= 1
            current = threshold + h * tolerance * next(level)
            out.append(b + o * tolerance * next(answer))
        else:
            out.append(a)
    return np.array(out)


@pytest.mark.filterwarnings("ignore:The budget:UserWarning")
@pytest.mark.parametrize("noise", ["gaussian", "laplace"])
@pytest.mark.parametrize("scales", ["practical", "theory"])
@pytest.mark.parametrize("budget", [None, 0, 7, 5000])
def test_answers_are_those_of_the_loop(noise, scales, budget):
    rng = np.random.default_rng(1)
    train, holdout = rng.normal(0, 0.1, (2, 8000))
    oracle = Thresholdout(0.12, 0.03, budget=budget, noise=noise, scales=scales, random_state=3)
    parts = [oracle.query(train[i:j], holdout[i:j]) for i, j in ((0, 5), (5, 5000), (5000, 8000))]
    limit = np.inf if budget is None else budget
    expected = brute_force(train, holdout, 0.12, 0.03, limit, noise, scales, 3)
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert oracle.n_queries_ == 8000
    assert oracle.n_holdout_ == (~np.isnan(expected) & (expected != train)).sum()
    assert oracle.budget_left_ == limit - oracle.n_holdout_


def test_a_spent_budget_is_told_once():
    oracle = Thresholdout(0.1, 0.01, budget=2, random_state=0)
    assert oracle.query(0.5, 0.5) == 0.5
    oracle.query(0.9, 0.1)
    with pytest.warns(UserWarning, match="budget of 2 answers"):
        oracle.query(0.9, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(oracle.query(0.5, 0.5))
    assert oracle.reset().budget_left_ == 2


def test_queries_may_have_any_shape():
    answers = Thresholdout(0.1, 0.01, random_state=0).query(np.zeros((3, 2)), np.zeros((3, 2)))
    np.testing.assert_array_equal(answers, np.zeros((3, 2)))
    assert isinstance(Thresholdout(0.1, 0.01).query(0, 0), float)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"threshold": 0}, "'threshold'"),
        ({"tolerance": -1.0}, "'tolerance'"),
        ({"budget": -1}, "'budget'"),
        ({"noise": "uniform"}, "'noise'"),
        ({"scales": "none"}, "'scales'"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        Thresholdout(**{"threshold": 0.1, "tolerance": 0.01, **params}).reset()
    X = np.zeros((10, 1))
    with pytest.raises(ValueError, match=message):
        ReusableHoldout(**params).fit(X)


def test_bad_queries():
    oracle = Thresholdout(0.1, 0.01)
    with pytest.raises(ValueError, match="one shape"):
        oracle.query([0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="holdout must be finite"):
        oracle.query([0.0], [np.nan])
    holdout = ReusableHoldout(mechanism="naive")
    with pytest.raises(NotFittedError):
        holdout.score(KNeighborsClassifier())
    with pytest.raises(ValueError, match=r"holdout_size=0\.5 of n_samples=3"):
        holdout.fit(np.zeros((3, 1)))
    holdout.fit(np.zeros((8, 1)))
    with pytest.raises(ValueError, match="one shape"):
        holdout.answer([0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="phi must return an array of shape"):
        holdout.query(lambda X, y: np.zeros(3))
    with pytest.raises(ValueError, match="X has 9 rows"):
        next(holdout.split(np.zeros((9, 1))))


def analyst(mechanism, k, seed, n=1500, d=1500):
    """Select on pure noise; return what is reported and the truth."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((2 * n, d), dtype=np.float32), rng.integers(0, 2, 2 * n)
    holdout = ReusableHoldout(mechanism=mechanism, random_state=seed).fit(X, y)
    columns = ReusableHoldoutSelector(k, holdout=holdout).fit(X, y).get_support(indices=True)
    sign = np.sign(holdout.X_train_[:, columns].T @ (2.0 * holdout.y_train_ - 1))

    def is_right(X, y):
        return (X[:, columns] @ sign > 0) == y

    fresh = rng.standard_normal((n, d), dtype=np.float32)
    return holdout.query(is_right), is_right(fresh, rng.integers(0, 2, n)).mean()


def test_a_naive_holdout_wears_out_and_thresholdout_does_not():
    naive = np.array([analyst("naive", 150, seed) for seed in range(4)])
    kept = np.array([analyst("thresholdout", 150, seed) for seed in range(4)])
    threshold, tolerance = 4 / np.sqrt(1500), 1 / np.sqrt(1500)
    assert (naive[:, 0] - naive[:, 1]).mean() > 0.08
    assert np.abs(kept[:, 0] - kept[:, 1]).max() < threshold + 3 * tolerance
    assert abs((kept[:, 0] - kept[:, 1]).mean()) < 0.05


def test_gaussian_answers_are_the_holdout_with_noise():
    holdout = ReusableHoldout(mechanism="gaussian", tolerance=0.1, random_state=0)
    holdout.fit(np.zeros((100, 1)))
    answers = holdout.answer(np.zeros(20000), np.ones(20000))
    assert abs(answers.mean() - 1) < 0.004
    assert abs(answers.std() - 0.1) < 0.002
    assert holdout.n_holdout_ == 20000


X, Y = load_digits(return_X_y=True)


def test_in_searches_of_scikit_learn():
    holdout = ReusableHoldout(random_state=0).fit(X, Y)
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": [1, 50, 400]},
        cv=holdout,
        scoring=holdout.scorer("accuracy"),
        refit=False,
    )
    search.fit(X, Y)
    assert holdout.n_queries_ == 3
    for k, answer in zip([1, 50, 400], search.cv_results_["mean_test_score"], strict=True):
        model = KNeighborsClassifier(k).fit(holdout.X_train_, holdout.y_train_)
        truth = model.score(X[holdout.holdout_indices_], Y[holdout.holdout_indices_])
        assert abs(answer - truth) < holdout.threshold_ + 3 * holdout.tolerance_
    clone(search).fit(X, Y)
    assert holdout.n_queries_ == 6  # a clone of the search has the same budget
    with joblib.parallel_config("threading", n_jobs=2):
        cross_val_score(LogisticRegression(), X, Y, cv=holdout, scoring=holdout.scorer())
    assert holdout.n_queries_ == 7


def test_other_processes_may_not_ask():
    holdout = ReusableHoldout(random_state=0).fit(X, Y)
    model = KNeighborsClassifier().fit(holdout.X_train_, holdout.y_train_)
    with pytest.raises(RuntimeError, match="in the process that fitted it alone"):
        joblib.Parallel(n_jobs=2, backend="loky")(
            joblib.delayed(holdout.scorer("accuracy"))(model) for _ in range(2)
        )


def test_copies():
    holdout = ReusableHoldout(random_state=0)
    assert clone(holdout) is not holdout
    assert copy.deepcopy(holdout) is not holdout
    holdout.fit(X, Y)
    assert clone(holdout) is holdout
    assert copy.deepcopy(holdout) is holdout
    assert "array" not in repr(holdout)
    again = pickle.loads(pickle.dumps(holdout))
    assert again.answer(0.9, 0.1) == holdout.answer(0.9, 0.1)


def test_the_split():
    holdout = ReusableHoldout(holdout_size=0.25, random_state=1).fit(X, Y)
    train, test = next(holdout.split(X))
    assert holdout.get_n_splits() == 1
    np.testing.assert_array_equal(np.sort(np.concatenate((train, test))), np.arange(len(X)))
    assert len(test) == round(0.25 * len(X))
    shares = np.bincount(Y[test]) / np.bincount(Y)
    assert np.abs(shares - 0.25).max() < 0.01
    weighted = ReusableHoldout(random_state=0).fit(X, Y, sample_weight=Y == 3)
    assert weighted.query(lambda X, y: y == 3) == 1.0


def test_small_holdouts_are_told_of():
    with pytest.warns(UserWarning, match="The holdout has 50 rows"):
        ReusableHoldout().fit(np.zeros((100, 1)))


def expected_scores(X, y, weight):
    mean = np.average(X, axis=0, weights=weight)
    sd = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    target = y == np.unique(y)[1] if len(np.unique(y)) == 2 else y
    target = (target - np.average(target, weights=weight)) / np.sqrt(
        np.average((target - np.average(target, weights=weight)) ** 2, weights=weight)
    )
    products = np.average((X - mean) * target[:, None], axis=0, weights=weight)
    return np.divide(products, sd, out=np.zeros_like(sd), where=sd > 1e-9)


@pytest.mark.parametrize("is_classified", [True, False])
@pytest.mark.parametrize("as_sparse", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_correlations(is_classified, as_sparse, dtype):
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(900, 30)) * (rng.random((900, 30)) < 0.4)).astype(dtype)
    table[:, 3] = 7.0
    table[:, 4] += 300.0
    y = table[:, 5] + rng.normal(size=900)
    y = np.where(y > 0.3, "yes", "no") if is_classified else y
    weight = rng.integers(0, 4, 900).astype(float)
    given = sparse.csr_matrix(table) if as_sparse else table
    holdout = ReusableHoldout(mechanism="naive", random_state=0).fit(given, y, weight)
    selector = ReusableHoldoutSelector(3, holdout=holdout).fit(given, y)
    rows = holdout.train_indices_
    expected = expected_scores(table[rows].astype(float), y[rows], weight[rows])
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(selector.train_scores_, expected, atol=tolerance)
    assert selector.train_scores_[3] == 0
    assert selector.get_support()[5]
    assert selector.transform(given).shape[1] == selector.get_support().sum() <= 3


def test_selection_is_by_sign_size_and_rank():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    table = rng.normal(size=(2000, 40))
    table[:, :4] += np.array([0.9, 0.7, 0.5, 0.3]) * (2 * y[:, None] - 1)
    selector = ReusableHoldoutSelector(3, random_state=0).fit(table, y)
    np.testing.assert_array_equal(selector.get_support(indices=True), [0, 1, 2])
    a, answers = selector.train_scores_, selector.holdout_answers_
    least = 1 / np.sqrt(1000)
    confirmed = (np.abs(a) > least) & (np.abs(answers) > least) & (a * answers > 0)
    many = ReusableHoldoutSelector(40, holdout=selector.holdout_)
    assert confirmed.sum() <= 40
    assert many.fit(table, y).get_support().sum() == pytest.approx(confirmed.sum(), abs=2)
    assert (
        ReusableHoldoutSelector(40, min_corr=0.4, random_state=0).fit(table, y).get_support().sum()
        == (np.abs(a) > 0.4).sum()
    )


def test_multiclass_takes_the_class_that_a_feature_tells():
    selector = ReusableHoldoutSelector(12, random_state=0).fit(X, Y)
    rows = selector.holdout_.train_indices_
    expected = [
        expected_scores(X[rows], (Y[rows] == c) * 1, np.ones(len(rows))) for c in range(10)
    ]
    np.testing.assert_allclose(
        np.abs(selector.train_scores_), np.abs(expected).max(axis=0), atol=1e-10
    )
    assert make_pipeline(selector, KNeighborsClassifier()).fit(X, Y).score(X, Y) > 0.8


def test_nothing_confirmed():
    rng = np.random.default_rng(0)
    table, y = rng.normal(size=(1000, 5)), rng.integers(0, 2, 1000)
    with pytest.warns(UserWarning, match="No feature is confirmed"):
        selector = ReusableHoldoutSelector(min_corr=0.9, random_state=0).fit(table, y)
    assert selector.get_support(indices=True) == np.abs(selector.train_scores_).argmax()


def test_a_holdout_of_other_features_is_refused():
    holdout = ReusableHoldout(random_state=0).fit(X[:, :10], Y)
    with pytest.raises(ValueError, match="X has 64 features, but holdout was fitted to 10"):
        ReusableHoldoutSelector(holdout=holdout).fit(X, Y)
    with pytest.raises(NotFittedError):
        ReusableHoldoutSelector(holdout=ReusableHoldout()).fit(X, Y)
    with pytest.raises(ValueError, match="without y"):
        ReusableHoldoutSelector(holdout=ReusableHoldout().fit(X)).fit(X, Y)


def test_whoever_asks_cannot_change_the_mechanism():
    rng = np.random.default_rng(0)
    table, y = rng.standard_normal((60, 2)), np.tile([0, 1], 30)
    asked = [ReusableHoldout(random_state=0).fit(table, y) for _ in range(2)]
    asked[1].set_params(mechanism="naive", threshold=1e-9)
    assert asked[0].answer(0.5, 0.6) == asked[1].answer(0.5, 0.6) == 0.5
    oracle = Thresholdout(0.4, 0.01, random_state=0).reset().set_params(threshold=1e-9)
    assert oracle.query([0.5] * 3, [0.6] * 3).tolist() == [0.5] * 3


def test_sparse_counts_are_weighted_like_any_numbers():
    rng = np.random.default_rng(0)
    counts, y = rng.poisson(0.5, (80, 4)), np.tile([0, 1], 40)
    weight = rng.random(80) + 0.1
    scores = []
    for table in (sparse.csr_matrix(counts), counts.astype(float)):
        holdout = ReusableHoldout(random_state=0).fit(table, y, sample_weight=weight)
        selector = ReusableHoldoutSelector(2, holdout=holdout)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            scores.append(selector.fit(table, y).train_scores_)
    np.testing.assert_allclose(*scores, rtol=1e-12)
