"""ChebyshevTucker against exact functions, dense coefficients and dense least squares."""

import tracemalloc

import numpy as np
import pytest
from joblib import parallel_config
from numpy.polynomial.chebyshev import chebval3d, chebvander
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from sklearn.exceptions import ConvergenceWarning

from skstruct.tensor import ChebyshevTucker
from skstruct.tensor._chebyshev import coefficients, compress, expand, nodes
from skstruct.tensor._chebyshev_fit import _equations, scattered_fit

CUBE = [(-1.0, 1.0)] * 3
BOX = [(0.5, 2.0), (-3.0, -1.0), (10.0, 11.0)]


def points(bounds, n_points, seed=0):
    low, high = np.array(bounds).T
    return np.random.default_rng(seed).uniform(low, high, (n_points, len(low)))


def wave(X):
    return np.cos(3 * X.sum(axis=1)) * np.exp(-(X[:, 0] ** 2) / 2)


def bump(X):
    return 1 / (1 + 5 * (X**2).sum(axis=1))


def three_waves(X):
    a, b, c = np.pi * X.T
    return (
        np.sin(2 * a) * np.cos(b) * np.exp(-X[:, 2])
        + 0.7 * np.cos(2 * a) * np.sin(2 * b) * X[:, 2]
        + 0.5 * np.sin(a) * X[:, 1] * np.cos(3 * c)
    )


def noisy(n_samples=2000, seed=0):
    X = points([(0, 1)] * 3, n_samples, seed)
    return X, three_waves(X) + 0.1 * np.random.default_rng(seed + 100).standard_normal(n_samples)


def test_coefficients_are_of_the_interpolant():
    F = np.random.default_rng(0).standard_normal((5, 4, 1, 7))
    C = coefficients(F)
    for k, n in enumerate(F.shape):
        C = np.moveaxis(np.tensordot(chebvander(nodes(n), n - 1), C, (1, k)), 0, k)
    assert_allclose(C, F, atol=1e-14)


def test_truncation_is_within_the_tolerance_and_beyond_gram_matrices():
    rng = np.random.default_rng(0)
    C = rng.standard_normal((9, 9, 9))
    for k in range(3):
        C = np.moveaxis(C, k, 0) * 10.0 ** -np.arange(0, 13.5, 1.5)[:, None, None]
        C = np.ascontiguousarray(np.moveaxis(C, 0, k))
    for tol in (1e-3, 1e-6, 1e-11):
        core, factors, _ = compress(C, tol, None)
        error = np.linalg.norm(C - expand(core, factors)) / np.linalg.norm(C)
        assert 0.01 * tol < error <= tol
        smaller = tuple(r - 1 for r in core.shape)
        core, factors, _ = compress(C, tol, smaller)
        assert np.linalg.norm(C - expand(core, factors)) > 0.5 * tol * np.linalg.norm(C)


def test_given_ranks_are_improved_by_alternating():
    C = np.random.default_rng(1).standard_normal((6, 7, 8))
    core, factors, n_sweeps = compress(C, 0.0, (2, 3, 2))
    assert n_sweeps > 2
    for k, U in enumerate(factors):
        assert_allclose(U.T @ U, np.eye(U.shape[1]), atol=1e-12)
        left = C
        for j, other in enumerate(factors):
            if j != k:
                left = np.moveaxis(np.tensordot(other.T, left, (1, j)), 0, j)
        unfolding = np.moveaxis(left, k, 0).reshape(C.shape[k], -1)
        s = np.linalg.svd(unfolding, compute_uv=False)
        assert_allclose((core**2).sum(), (s[: U.shape[1]] ** 2).sum(), rtol=1e-6)


def test_exact_ranks_of_a_separable_sum():
    model = ChebyshevTucker(tol=1e-13, random_state=0).fit_function(wave, CUBE)
    assert model.rank_ == (2, 2, 2)
    X = points(CUBE, 1000)
    assert abs(model.predict(X) - wave(X)).max() < 1e-12
    assert model.n_iter_ == 0
    assert model.coef_error_ < 1e-13


def test_polynomials_are_reproduced_on_any_box():
    def polynomial(X):
        x, y, z = X.T
        return 1 + x**5 - 2 * x * y**4 * z**3 + y**2 * z - z**5

    model = ChebyshevTucker(5, tol=1e-15).fit_function(polynomial, BOX)
    X = points(BOX, 500)
    assert_allclose(model.predict(X), polynomial(X), rtol=1e-12)
    assert model.n_evaluations_ == 6**3


@pytest.mark.parametrize(("tol", "rank"), [(1e-4, 5), (1e-6, 7)])
def test_degrees_adapt_to_the_accuracy(tol, rank):
    model = ChebyshevTucker(tol=tol, random_state=0).fit_function(bump, CUBE)
    X = points(CUBE, 4000)
    assert abs(model.predict(X) - bump(X)).max() < 10 * tol
    assert max(model.rank_) <= rank


def test_published_ranks_of_the_coefficient_tensor():
    """They are those of the function on a fine grid, and far below the degree."""
    model = ChebyshevTucker(32, tol=1e-7).fit_function(bump, CUBE)
    axis = np.linspace(-1, 1, 65)
    fine = 1 / (1 + 5 * (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2))
    core, _, _ = compress(fine, 1e-7, None)
    assert model.rank_ == (8, 8, 8)
    assert core.shape in ((7, 7, 7), (8, 8, 8))


def test_random_points_see_what_lines_have_missed():
    def f(X):
        return 1 + np.exp(-12 * ((X - 0.6) ** 2).sum(axis=1))

    X = points([(0, 1)] * 3, 2000)
    model = ChebyshevTucker(8).fit_function(f, CUBE)
    assert abs(model.predict(X) - f(X)).max() > 0.1
    model = ChebyshevTucker(tol=1e-3, random_state=2).fit_function(f, CUBE)
    assert model.degree_ == (16, 16, 16)
    assert model.n_evaluations_ == 3 * 4 * 9 + 9**3 + 64 + 17**3
    assert abs(model.predict(X) - f(X)).max() < 2e-3


def gaussians(n_terms, d, seed=0):
    """Widths, and centres and weights for each feature, of a sum of products of Gaussians."""
    rng = np.random.default_rng(seed)
    width, center = rng.uniform(0.5, 3, n_terms), rng.uniform(-1, 1, (d, n_terms))
    weight = rng.uniform(-1, 1, n_terms)
    functions = [lambda x, c=c: np.exp(-width * (x[:, None] - c) ** 2) for c in center]
    functions[0] = lambda x: weight * np.exp(-width * (x[:, None] - center[0]) ** 2)
    return functions


def of_terms(functions, X):
    return np.prod([g(x) for g, x in zip(functions, X.T, strict=True)], axis=0).sum(axis=1)


@pytest.mark.parametrize(("n_terms", "d"), [(1, 1), (3, 2), (30, 3), (4, 7)])
def test_sums_of_products_need_no_grid(n_terms, d):
    functions, bounds = gaussians(n_terms, d), [(-1.0, 1.5)] * d
    model = ChebyshevTucker(tol=1e-9).fit_separable(functions, bounds)
    X = points(bounds, 500)
    truth = of_terms(functions, X)
    assert np.abs(model.predict(X) - truth).max() < 3e-8 * np.abs(truth).max()
    assert all(r <= n_terms for r in model.rank_)
    assert model.n_evaluations_ == sum(
        sum(n for n in (9, 17, 33, 65) if n <= m + 1) for m in model.degree_
    )
    assert model.n_features_in_ == d
    for C in model.factors_:
        assert_allclose(C.T @ C, np.eye(len(C.T)), atol=1e-12)
    if d == 3:
        whole = ChebyshevTucker(model.degree_, tol=1e-9).fit_function(
            lambda X: of_terms(functions, X), bounds
        )
        assert model.rank_ == whole.rank_
        assert max(model.rank_) < n_terms
        assert model.integrate() == pytest.approx(whole.integrate(), rel=1e-10)
        few = ChebyshevTucker(model.degree_, rank=4).fit_separable(functions, bounds)
        best = ChebyshevTucker(model.degree_, rank=4).fit_function(
            lambda X: of_terms(functions, X), bounds
        )
        assert few.coef_error_ == pytest.approx(best.coef_error_, rel=1e-6)


def test_terms_that_vanish_and_terms_that_cancel():
    zero = ChebyshevTucker().fit_separable([lambda x: np.zeros((len(x), 2))] * 2, CUBE[:2])
    assert_array_equal(zero.predict(points(CUBE[:2], 5)), 0)
    double = [lambda x: np.stack([np.sin(x), np.sin(x)], axis=1)] * 2
    assert ChebyshevTucker().fit_separable(double, CUBE[:2]).rank_ == (1, 1)


def test_errors_of_sums_of_products():
    good = gaussians(2, 3)
    with pytest.raises(ValueError, match="functions has 3 elements, and bounds 2 rows"):
        ChebyshevTucker().fit_separable(good, CUBE[:2])
    with pytest.raises(ValueError, match=r"functions\[1\] gave .* in a column for each of 2"):
        ChebyshevTucker().fit_separable([good[0], lambda x: x, good[2]], CUBE)
    with pytest.raises(ValueError, match=r"functions\[2\] gave .* finite"):
        ChebyshevTucker().fit_separable([*good[:2], lambda x: np.full((len(x), 2), np.nan)], CUBE)
    with pytest.raises(ValueError, match="bounds=None; a function needs"):
        ChebyshevTucker().fit_separable(good)
    rough = [good[0], lambda x: np.abs(x[:, None] - [0.1, 0.2]), good[2]]
    with pytest.warns(ConvergenceWarning, match=r"of feature \[1\] is not enough"):
        ChebyshevTucker(max_degree=20).fit_separable(rough, CUBE)


def test_what_is_not_smooth_is_said():
    with pytest.warns(ConvergenceWarning, match=r"feature \[1\]"):
        ChebyshevTucker(max_degree=16, random_state=0).fit_function(
            lambda X: X[:, 0] + abs(X[:, 1] - 0.1), CUBE
        )


def test_evaluation_is_that_of_the_dense_series():
    rng = np.random.default_rng(0)
    model = ChebyshevTucker(6, rank=(3, 2, 4)).fit_function(bump, CUBE)
    model.core_ = rng.standard_normal((3, 2, 4))
    model.factors_ = [rng.standard_normal((n, R)) for n, R in ((7, 3), (1, 2), (5, 4))]
    X = points(CUBE, 1000)
    expected = chebval3d(*X.T, expand(model.core_, model.factors_))
    found = model.predict(X)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    with parallel_config(n_jobs=3):
        assert_array_equal(model.predict(X), found)
    assert model.predict(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("d", [1, 2, 5])
def test_any_number_of_features(d):
    def product(X):
        return np.prod(np.sin(X + np.arange(d)), axis=1)

    box = [(0, 2)] * d
    X = points(box, 300)
    model = ChebyshevTucker(12, tol=1e-10).fit_function(product, box)
    assert model.rank_ == (1,) * d
    assert_allclose(model.predict(X), product(X), atol=1e-9)
    assert (
        ChebyshevTucker(6, rank=2, random_state=0).fit(X, product(X)).score(X, product(X)) > 0.99
    )


def test_derivative_and_integral_are_analytic():
    def f(X):
        return np.sin(X[:, 0] * 2) * np.exp(X[:, 1]) / X[:, 2]

    model = ChebyshevTucker(tol=1e-12, random_state=0).fit_function(f, BOX)
    X = points(BOX, 200)
    slope = 2 * np.cos(X[:, 0] * 2) * np.exp(X[:, 1]) / X[:, 2]
    assert_allclose(model.derivative(0).predict(X), slope, atol=1e-9)
    assert_allclose(model.derivative(2).predict(X), -f(X) / X[:, 2], atol=1e-9)
    both = model.derivative(1).derivative(0)
    assert_allclose(both.predict(X), slope, atol=1e-9)
    expected = quad(lambda x: np.sin(2 * x), 0.5, 2)[0] * (np.exp(-1) - np.exp(-3)) * np.log(1.1)
    assert_allclose(model.integrate(), expected, rtol=1e-11)


def test_grid_is_that_of_the_values():
    X, y = noisy(500)
    model = ChebyshevTucker(random_state=0).fit(X, y)
    axes = [np.linspace(0.1, 0.9, m) for m in (3, 4, 5)]
    core, factors = model.to_grid(axes)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    found = model.intercept_ + expand(core, factors).ravel()
    assert_allclose(found, model.predict(grid), atol=1e-12)
    volume = np.prod(np.diff(model.bounds_))
    fine = points(model.bounds_, 200_000)
    assert_allclose(model.integrate(), volume * model.predict(fine).mean(), atol=0.01)
    assert model.derivative(1).intercept_ == 0


def test_scattered_fit_lowers_the_objective_and_meets_dense_least_squares():
    X, y = noisy(300)
    X, y, weight = 2 * X - 1, y / y.std(), np.random.default_rng(0).uniform(0.5, 2, 300)
    n, rank, alpha = (5, 6, 4), (2, 3, 2), 0.1
    core, factors, objectives, _ = scattered_fit(
        X, y, weight, n, rank, alpha=alpha, smoothness=1.0, max_iter=200,
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    assert (np.diff(objectives) < 0).all()

    u = [chebvander(X[:, k], n[k] - 1) @ factors[k] for k in range(3)]
    value = np.einsum("abc,na,nb,nc->n", core, *u)
    C = expand(core, factors)
    metric = np.einsum("i,j,k->ijk", *(np.arange(1.0, m + 1) ** 2 for m in n))
    assert_allclose((metric * C**2).sum(), (core**2).sum(), rtol=1e-10)
    objective = weight @ (y - value) ** 2 + alpha * (core**2).sum()
    assert_allclose(objective, objectives[-1], rtol=1e-7)

    modes = [1, 0, 2]
    A, b = _equations(X, y, weight, core, factors, modes, of_core=False)
    h = np.einsum("abc,na,nc->nb", core, u[0], u[2])
    Phi = np.einsum("ni,na->nia", chebvander(X[:, 1], n[1] - 1), h).reshape(300, -1)
    assert_allclose(np.tril(A), np.tril(Phi.T @ (weight[:, None] * Phi)), rtol=1e-10, atol=1e-10)
    assert_allclose(b, Phi.T @ (weight * y), rtol=1e-10, atol=1e-10)
    Phi = np.einsum("na,nb,nc->nabc", *u).reshape(300, -1)
    A, b = _equations(X, y, weight, core, factors, range(3), of_core=True)
    assert_allclose(np.tril(A), np.tril(Phi.T @ (weight[:, None] * Phi)), rtol=1e-10, atol=1e-10)
    ridge = np.linalg.solve(Phi.T @ (weight[:, None] * Phi) + alpha * np.eye(12), b)
    assert_allclose(core.ravel(), ridge, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scattered_noisy_samples(seed):
    X, y = noisy(seed=seed)
    test = points([(0.0, 1.0)] * 3, 2000, seed + 50)
    model = ChebyshevTucker(alpha=0.01, random_state=0).fit(X, y)
    error = np.sqrt(np.mean((model.predict(test) - three_waves(test)) ** 2))
    assert error < 0.027  # of a standard deviation of .42, with noise of .1


def test_weights_are_repetitions():
    X, y = noisy(200)
    weight = np.arange(200) % 3
    kwargs = {"degree": 4, "rank": 2, "max_iter": 200, "random_state": 0}
    weighted = ChebyshevTucker(**kwargs).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(200), weight)
    repeated = ChebyshevTucker(**kwargs).fit(X[rows], y[rows])
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-5, atol=1e-6)


def test_points_of_the_own_grid_are_interpolated():
    X = ChebyshevTucker.grid((8, 6, 9), BOX)
    values = 1 / X.sum(axis=1)
    model = ChebyshevTucker((8, 6, 9), bounds=BOX, tol=1e-12).fit(X, values)
    function = ChebyshevTucker((8, 6, 9), tol=1e-12).fit_function(lambda X: 1 / X.sum(axis=1), BOX)
    assert_allclose(model.predict(X), values, rtol=1e-10)
    assert_array_equal(model.core_, function.core_)
    assert model.n_evaluations_ == len(X)


def test_outside_of_the_box():
    model = ChebyshevTucker(8).fit_function(wave, CUBE)
    X = np.array([[0.0, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 1.0, 0.0]])
    clipped = model.predict(X)
    assert clipped[1] == clipped[2]
    y = model.set_params(extrapolate="nan").predict(X)
    assert_array_equal(np.isnan(y), [False, True, False])
    with pytest.raises(ValueError, match=r"Feature 1 is 1\.5 in row 1"):
        model.set_params(extrapolate="raise").predict(X)
    with pytest.raises(ValueError, match="bounds allow"):
        ChebyshevTucker(bounds=CUBE).fit(X, np.arange(3.0))


def test_rows_one_by_one_are_rows_together():
    vector = ChebyshevTucker(6).fit_function(bump, CUBE)
    scalar = ChebyshevTucker(6).fit_function(
        lambda x: 1 / (1 + 5 * float(x @ x)), CUBE, vectorized=False
    )
    X = points(CUBE, 100)
    assert_allclose(scalar.predict(X), vector.predict(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "bounds", "message"),
    [
        ({}, None, "needs the box"),
        ({}, [(1, 1)], r"bounds\[0\] = \[1.0, 1.0\]; the first must be below"),
        ({}, [(0, 1, 2)], r"bounds has shape \(1, 3\)"),
        ({}, [(0, np.inf)], "both finite"),
        ({"degree": (3, 3)}, CUBE, "one for each of 3 features"),
        ({"degree": (3, -1, 3)}, CUBE, "at least 0"),
        ({"degree": 3, "rank": (5, 2, 2)}, CUBE, r"rank\[0\]=5; it must be at most 4"),
        ({"degree": 300}, CUBE, "are allowed"),
    ],
)
def test_errors_of_parameters(params, bounds, message):
    with pytest.raises(ValueError, match=message):
        ChebyshevTucker(**params).fit_function(bump, bounds)


def test_errors_of_functions_and_cores():
    with pytest.raises(ValueError, match="func is not finite at"):
        ChebyshevTucker(4).fit_function(lambda X: np.where(X[:, 0] > 0, X[:, 0], np.nan), CUBE)
    with pytest.raises(ValueError, match=r"gave an array of shape \(125, 3\) for 125 points"):
        ChebyshevTucker(4).fit_function(lambda X: X, CUBE)
    X = points([(0, 1)] * 6, 300)
    with pytest.raises(ValueError, match="core of 15625 elements for 6 features"):
        ChebyshevTucker(rank=5).fit(X, X.sum(axis=1))
    with pytest.raises(ValueError, match="at least one non-zero"):
        ChebyshevTucker().fit(X, X.sum(axis=1), sample_weight=np.zeros(300))
    with pytest.raises(ValueError, match="one for each of 3 features"):
        ChebyshevTucker(4).fit_function(bump, CUBE).to_grid([[0.0]])
    with pytest.raises(ValueError, match="feature=3"):
        ChebyshevTucker(4).fit_function(bump, CUBE).derivative(3)


def test_no_design_of_all_points_is_held():
    X, y = noisy(40_000)
    model = ChebyshevTucker(15, rank=4, max_iter=2, random_state=0)
    tracemalloc.start()
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 8 * len(X) + 2e6  # the design of one factor would be 64 numbers a point
