"""CPRegressor: completion, objective, weights, categories."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skstruct.tensor import CPRegressor


def low_rank(sizes, rank, seed=0, nonnegative=False):
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal((size, rank)) for size in sizes]
    if nonnegative:
        factors = [np.abs(A) for A in factors]
    return np.einsum("ir,jr,kr->ijk", *factors)


def observed(T, share, noise=0.0, seed=0):
    """Return (X, y) of a random share of the entries, and the mask of them."""
    rng = np.random.default_rng(seed)
    mask = rng.random(T.shape) < share
    Y = T + noise * T.std() * rng.standard_normal(T.shape)
    return np.argwhere(mask), Y[mask], mask


def relative_error(model, T, mask):
    found = model.predict(np.argwhere(~mask))
    return np.linalg.norm(found - T[~mask]) / np.linalg.norm(T[~mask])


@pytest.mark.parametrize(("share", "error"), [(0.3, 0.02), (0.05, 0.05)])
@pytest.mark.parametrize("accelerate", [True, False])
def test_completes_a_tensor_from_few_entries(share, error, accelerate):
    T = low_rank((60, 50, 40), 5)
    X, y, mask = observed(T, share, noise=0.1)
    model = CPRegressor(5, accelerate=accelerate, random_state=0).fit(X, y)
    assert relative_error(model, T, mask) < error
    assert (np.diff(model.error_path_) <= 1e-12).all()


def objective(model, X, y, weight):
    """Return the objective that the model minimised, in units of that of zero factors."""
    y = (y - model.mean_) / model.scale_
    index = [np.searchsorted(c, x) for c, x in zip(model.categories_, X.T, strict=True)]
    fit = np.prod([A[i] for A, i in zip(model.factors_, index, strict=True)], axis=0).sum(axis=1)
    ridge = model.alpha * sum((A**2).sum() for A in model.factors_)
    return np.sqrt((weight @ (y - fit) ** 2 + ridge) / (weight @ y**2))


def test_objective_and_stationarity():
    X, y, _ = observed(low_rank((20, 15, 10), 3), 0.3, noise=0.2)
    weight = np.random.default_rng(1).random(len(y)) + 0.5
    model = CPRegressor(3, alpha=0.5, tol=1e-12, max_iter=2000, random_state=0)
    model.fit(X, y, sample_weight=weight)
    assert_allclose(model.error_path_[-1], objective(model, X, y, weight), rtol=1e-8)
    # Each factor solves the ridge regressions on the products of the others.
    A, B, C = model.factors_
    target = (y - model.mean_) / model.scale_
    for i in range(len(A)):
        of_row = X[:, 0] == i
        z = B[X[of_row, 1]] * C[X[of_row, 2]]
        row = Ridge(0.5, fit_intercept=False).fit(z, target[of_row], weight[of_row]).coef_
        assert_allclose(A[i], row, atol=1e-4)


def test_weights_are_repetitions():
    X, y, _ = observed(low_rank((12, 10, 8), 2), 0.4, noise=0.1)
    times = np.random.default_rng(3).integers(0, 3, len(y))
    model = CPRegressor(2, alpha=0.1, random_state=0)
    weighted = model.fit(X, y, sample_weight=times).predict(X)
    repeated = model.fit(np.repeat(X, times, axis=0), np.repeat(y, times)).predict(X)
    assert_allclose(weighted, repeated, rtol=1e-5, atol=1e-6)


def test_nonnegative_factors():
    T = low_rank((30, 25, 20), 3, nonnegative=True)
    X, y, mask = observed(T, 0.2)
    model = CPRegressor(3, nonnegative=True, alpha=1e-6, max_iter=1000, random_state=0)
    model.fit(X, y)
    assert all((A >= 0).all() for A in model.factors_)
    assert model.mean_ == 0
    assert relative_error(model, T, mask) < 0.02
    with pytest.raises(ValueError, match=r"nonnegative=True, and y has the negative value -1"):
        model.fit(X, np.where(y == y[0], -1.0, y))


def test_categories_of_any_values():
    T = low_rank((12, 10, 8), 2)
    X, y, _ = observed(T, 0.5)
    plain = CPRegressor(2, random_state=0).fit(X, y)
    named = CPRegressor(2, random_state=0).fit(X * 7.5 - 3, y)
    assert_array_equal(plain.predict(X), named.predict(X * 7.5 - 3))
    assert_array_equal(named.categories_[1], np.arange(10) * 7.5 - 3)
    # What fit has not seen is predicted by the mean.
    assert_allclose(named.predict([[1000.0, -3.0, -3.0]]), y.mean())


def test_mode_sizes_count_slices_without_entries():
    X, y, _ = observed(low_rank((12, 10, 8), 2), 0.5)
    model = CPRegressor(2, mode_sizes=(15, 10, 8), random_state=0).fit(X, y)
    assert [len(A) for A in model.factors_] == [15, 10, 8]
    assert_array_equal(model.factors_[0][12:], 0)
    assert_allclose(model.predict([[14, 0, 0]]), y.mean())
    with pytest.raises(ValueError, match="Column 0 of X has the value 15"):
        model.predict([[15, 0, 0]])
    with pytest.raises(ValueError, match="alpha=0, and slice 12 of column 0 has no entry"):
        CPRegressor(2, alpha=0, mode_sizes=(15, 10, 8)).fit(X, y)
    with pytest.raises(ValueError, match="has 2 sizes, X has 3 columns"):
        CPRegressor(2, mode_sizes=(15, 10)).fit(X, y)


def test_rank_above_the_sizes_of_modes():
    T = low_rank((6, 5, 4), 3)
    X, y, _ = observed(T, 1.0)
    model = CPRegressor(8, alpha=1e-8, max_iter=1000, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9999


def test_two_starts_are_at_least_as_good_as_their_worse():
    X, y, _ = observed(low_rank((30, 20, 10), 4), 0.1, noise=0.1)
    one, many = (CPRegressor(4, n_init=n, random_state=0).fit(X, y) for n in (1, 5))
    assert many.error_path_[-1] <= one.error_path_[-1] * (1 + 1e-6)


def test_warns_of_too_few_sweeps():
    X, y, _ = observed(low_rank((12, 10, 8), 2), 0.5, noise=0.3)
    with pytest.warns(ConvergenceWarning, match="max_iter=2 sweeps were not enough"):
        CPRegressor(2, max_iter=2, random_state=0).fit(X, y)


def test_memory_does_not_depend_on_the_size_of_the_tensor():
    # 10^15 elements of which 2000 are given.
    rng = np.random.default_rng(0)
    X = rng.integers(0, 100_000, (2000, 3))
    model = CPRegressor(2, random_state=0).fit(X, rng.standard_normal(2000))
    assert np.isfinite(model.predict(X)).all()


def test_mode_sizes_set_after_a_fit_are_of_the_next_one():
    X, y, _ = observed(low_rank((12, 10, 8), 2), 0.4)
    model = CPRegressor(2, random_state=0).fit(X + 3, y)
    expected = model.predict(X)
    assert_array_equal(model.set_params(mode_sizes=(20, 20, 20)).predict(X), expected)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_weights_and_ridge_in_any_unit(unit):
    X, y, _ = observed(low_rank((12, 10, 8), 2), 0.4, noise=0.1)
    weight = np.random.default_rng(0).random(len(y)) + 0.5
    model = CPRegressor(2, alpha=0.1, random_state=0)
    expected = model.fit(X, y, sample_weight=weight).predict(X)
    model.set_params(alpha=0.1 * unit)
    assert_allclose(model.fit(X, y, sample_weight=unit * weight).predict(X), expected, rtol=1e-5)
