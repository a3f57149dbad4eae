"""Sums of kernels against the formulas, for every profile, in float64 and float32."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from skstruct._lib._kernel_sums import (
    kernel_values,
    log_sums,
    make_kernel,
    mean_shift,
    signed_sums,
    squared_norms,
)

KERNELS = {
    "gaussian": (1.0, lambda r: -(r**2) / 2),
    "logistic": (1.0, lambda r: np.log(4) - 2 * np.logaddexp(r / 2, -r / 2)),
    "sigmoid": (1.0, lambda r: np.log(2) - np.logaddexp(r, -r)),
    "laplace": (1.0, lambda r: -r),
    "exponential, 1": (1.0, lambda r: -r),
    "exponential, 0.7": (0.7, lambda r: -(r**0.7)),
    "exponential, 2": (2.0, lambda r: -(r**2)),
    "imq": (1.0, lambda r: -0.5 * np.log1p(r**2)),
    "cauchy, 1": (1.0, lambda r: -np.log1p(r**2)),
    "cauchy, 2.5": (2.5, lambda r: -2.5 * np.log1p(r**2)),
    "matern32": (1.0, lambda r: np.log1p(np.sqrt(3) * r) - np.sqrt(3) * r),
    "matern52": (1.0, lambda r: np.log1p(np.sqrt(5) * r + 5 / 3 * r**2) - np.sqrt(5) * r),
}
KINDS = pytest.mark.parametrize("name", KERNELS)
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
BANDWIDTH = 1.7


def problem(dtype, n_rows=131, n_points=1100, n_features=7):
    """Rows, points, their squared norms, weights and values; some rows are points, one is far."""
    rng = np.random.default_rng(0)
    Q, C, V = (rng.standard_normal(s) for s in ((n_rows, n_features), (n_points, n_features),
                                                (n_points, 3)))  # fmt: skip
    Q[:5] = C[-5:]
    Q[7] *= 20.0
    weight = rng.uniform(0.1, 2.0, n_points)
    Q, C, V, weight = (np.ascontiguousarray(a, dtype=dtype) for a in (Q, C, V, weight))
    squares = np.empty(n_points, dtype)
    squared_norms(C, squares)
    assert_allclose(squares, (C.astype(float) ** 2).sum(axis=1), rtol=np.finfo(dtype).eps)
    return Q, C, squares, weight, V


def kernel_of(name):
    parameter, log_k = KERNELS[name]
    return make_kernel(name.partition(",")[0], BANDWIDTH, parameter), log_k


def distances(Q, C):
    return cdist(Q.astype(float), C.astype(float)) / BANDWIDTH


@KINDS
@DTYPES
def test_log_of_sums(name, dtype):
    Q, C, squares, weight, _ = problem(dtype)
    kernel, log_k = kernel_of(name)
    out = np.empty(len(Q))
    log_sums(Q, C, squares, weight, kernel, out)
    expected = logsumexp(log_k(distances(Q, C)), b=weight, axis=1)
    assert_allclose(out, expected, rtol=1e-12 if dtype == np.float64 else 2e-6, atol=1e-6)


@KINDS
@DTYPES
def test_mean_shift(name, dtype):
    Q, C, squares, weight, V = problem(dtype)
    # Singular weights of rows that are points, and of two numbers, are compared below.
    Q = np.ascontiguousarray(Q[5:])
    kernel, log_k = kernel_of(name)
    r, step = distances(Q, C), 1e-5
    slope = (log_k(r + step) - log_k(r - step)) / (2 * step)
    log_g = log_k(r) + np.log(-slope / (2 * r)) + np.log(weight)
    a = np.exp(log_g - log_g.max(axis=1, keepdims=True))
    expected = a @ V / a.sum(axis=1, keepdims=True)
    out, mean = np.empty(len(Q)), np.empty((len(Q), 3), dtype)
    mean_shift(Q, C, squares, weight, V, kernel, out, mean)
    tol = 1e-7 if dtype == np.float64 else 2e-4
    assert_allclose(mean, expected, rtol=tol, atol=tol)
    assert_allclose(out, logsumexp(log_k(r), b=weight, axis=1), rtol=tol, atol=1e-6)
    own = np.empty((len(Q), C.shape[1]), dtype)
    mean_shift(Q, C, squares, weight, C, kernel, out, own)
    assert_allclose(own, a @ C / a.sum(axis=1, keepdims=True), rtol=tol, atol=tol)


@KINDS
@DTYPES
def test_signed_sums_and_values(name, dtype):
    Q, C, squares, _, _ = problem(dtype)
    kernel, log_k = kernel_of(name)
    coef = np.random.default_rng(1).choice([-1.0, 1.0], len(C)).astype(dtype)
    k = np.exp(log_k(distances(Q, C)))
    # A distance of 0 comes out as the root of the rounding of squared norms.
    tol = 1e-5 if dtype == np.float64 else 1e-2
    values = np.empty(k.shape, dtype)
    kernel_values(Q, C, squares, kernel, values)
    assert_allclose(values, k, atol=tol)
    apart = distances(Q, C) > 1e-3
    fine = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(values[apart], k[apart], rtol=fine * 100, atol=fine)
    out = np.empty(len(Q))
    signed_sums(Q, C, squares, coef, kernel, out)
    assert_allclose(out, values @ coef.astype(float), rtol=1e-5, atol=fine * 100)


@pytest.mark.parametrize("name", ["logistic", "sigmoid"])
@DTYPES
def test_weights_at_distance_zero_have_their_limit(name, dtype):
    """Two points, one of which is the row: the mean tells g(0) from g elsewhere."""
    far = 2.0
    C = np.array([[0.0], [far]], dtype)
    one = np.ones(2, dtype)
    squares = np.array([0.0, far**2], dtype)
    log_sum, mean = np.empty(1), np.empty((1, 1), dtype)
    mean_shift(C[:1], C, squares, one, C, make_kernel(name, 1.0), log_sum, mean)
    if name == "logistic":
        g0, g = 0.25, np.tanh(far / 2) / (2 * far) / np.cosh(far / 2) ** 2
    else:
        g0, g = 0.5, np.tanh(far) / (2 * far) / np.cosh(far)
    assert_allclose(mean[0, 0], far * g / (g + g0), rtol=1e-9 if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("name", ["gaussian", "logistic", "laplace", "matern52", "cauchy, 2.5"])
def test_rows_far_from_all_points_have_a_sum_and_a_mean(name):
    _, C, squares, weight, _ = problem(np.float64)
    kernel, log_k = kernel_of(name)
    Q = np.full((1, C.shape[1]), 1e4)
    out, mean = np.empty(1), np.empty((1, C.shape[1]))
    mean_shift(Q, C, squares, weight, C, kernel, out, mean)
    expected = logsumexp(log_k(distances(Q, C)), b=weight, axis=1)
    assert_allclose(out, expected, rtol=1e-9)
    assert np.isfinite(mean).all()
    assert (mean <= C.max(axis=0)).all()


@pytest.mark.parametrize("alpha", [1.0, 10.0, 100.0])
@DTYPES
def test_powers_beyond_the_range_of_exp(alpha, dtype):
    C = np.random.default_rng(0).standard_normal((50, 3)).astype(dtype)
    weight, squares = np.ones(50, dtype), np.empty(50, dtype)
    squared_norms(C, squares)
    Q = np.array([[1e2, 0, 0], [0, 1e4, 0], [0, 0, 1e12]], dtype)
    out, mean = np.empty(3), np.empty((3, 3), dtype)
    mean_shift(Q, C, squares, weight, C, make_kernel("cauchy", 1.0, alpha), out, mean)
    log_z = np.log1p(cdist(Q.astype(float), C.astype(float), "sqeuclidean"))
    tol = 1e-12 if dtype == np.float64 else 2e-5
    assert_allclose(out, logsumexp(-alpha * log_z, axis=1), rtol=tol)
    a = np.exp(-(alpha + 1) * (log_z - log_z.min(axis=1, keepdims=True)))
    assert_allclose(mean, a @ C / a.sum(axis=1, keepdims=True), atol=100 * tol)


@pytest.mark.parametrize("n_points", [1, 511, 512, 513])
@pytest.mark.parametrize("n_rows", [1, 64, 65])
def test_edges_of_tiles(n_rows, n_points):
    Q, C, squares, weight, V = problem(np.float64, n_rows=150)
    Q, C, squares, weight, V = (
        Q[8 : 8 + n_rows],
        *(np.ascontiguousarray(a[:n_points]) for a in (C, squares, weight, V)),
    )
    kernel, log_k = kernel_of("gaussian")
    out, mean = np.empty(n_rows), np.empty((n_rows, 3))
    mean_shift(Q, C, squares, weight, V, kernel, out, mean)
    a = weight * np.exp(log_k(distances(Q, C)))
    assert_allclose(out, np.log(a.sum(axis=1)), rtol=1e-12)
    assert_allclose(mean, a @ V / a.sum(axis=1, keepdims=True), rtol=1e-10)


def test_shapes_must_agree():
    Q, C, squares, weight, V = problem(np.float64)
    kernel, _ = kernel_of("gaussian")
    out = np.empty(len(Q))
    with pytest.raises(ValueError, match=r"1099 weights .* do not belong together"):
        log_sums(Q, C, squares, weight[1:], kernel, out)
    with pytest.raises(ValueError, match="131 x 7 rows, 1100 x 3 points"):
        signed_sums(Q, V, squares, weight, kernel, out)
    with pytest.raises(ValueError, match="do not belong together"):
        mean_shift(Q, C, squares, weight, V, kernel, out, np.empty((len(Q), 4)))
    with pytest.raises(ValueError, match="1100 columns, got 7"):
        kernel_values(Q, C, squares, kernel, np.empty((len(Q), 7)))
    with pytest.raises(KeyError):
        make_kernel("box", 1.0)
