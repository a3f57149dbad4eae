"""CP: sweeps against dense algebra, recovery, gaps, sparse tables, projection."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from skstruct.tensor import CP, _cp_sweeps_fast
from skstruct.tensor._accelerated_sweeps import AcceleratedSweeps, balance, best_start
from skstruct.tensor._cp_sweeps import DenseSweeps, SparseSweeps, khatri_rao
from skstruct.tensor._entries import sort_by_mode
from skstruct.tensor._entry_sweeps import unfold

LETTERS = "abcde"


def full(factors):
    """Return the tensor of some factors, by NumPy alone."""
    inputs = ",".join(f"{letter}r" for letter in LETTERS[: len(factors)])
    return np.einsum(f"{inputs}->{LETTERS[: len(factors)]}", *factors)


def collinear(size, rank, rng):
    """Return unit columns with pairwise correlations of about 0.64."""
    shared, own = rng.standard_normal((size, 1)), rng.standard_normal((size, rank))
    A = 0.8 * shared / np.linalg.norm(shared) + 0.6 * own / np.linalg.norm(own, axis=0)
    return A / np.linalg.norm(A, axis=0)


def noisy(factors, noise, rng):
    T = full(factors)
    return T + noise * np.linalg.norm(T) / np.sqrt(T.size) * rng.standard_normal(T.shape)


def match(found, true):
    """Return how well each true component is found: the least of the best absolute cosines."""
    cosines = 1.0
    for A, B in zip(found, true, strict=True):
        A, B = A / np.linalg.norm(A, axis=0), B / np.linalg.norm(B, axis=0)
        cosines = cosines * np.abs(B.T @ A)
    return cosines.max(axis=1).min()


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 5), (5, 4, 3, 6), (3, 4, 2, 5, 3)])
@pytest.mark.parametrize("sparse", [False, True])
def test_sweep_is_exact_least_squares(shape, sparse):
    rng = np.random.default_rng(0)
    rank, X = 3, rng.standard_normal(shape)
    factors = [rng.standard_normal((size, rank)) for size in shape]
    options = {"ridge": 0.3, "nonnegative": False, "norm2": np.vdot(X, X)}
    if sparse:
        index = np.argwhere(X > -9).astype(np.int32)
        sweeps = SparseSweeps(np.ascontiguousarray(index), X.ravel(), shape, rank, **options)
    else:
        sweeps = DenseSweeps(X, rank, **options)
    expected = [A.copy() for A in factors]
    for n in range(len(shape)):
        K = khatri_rao(expected[:n] + expected[n + 1 :], rank)
        unfolding = np.moveaxis(X, n, 0).reshape(shape[n], -1)
        expected[n] = np.linalg.solve(K.T @ K + 0.3 * np.eye(rank), K.T @ unfolding.T).T
    error = sweeps(factors)
    for A, B in zip(factors, expected, strict=True):
        assert_allclose(A, B, rtol=1e-8)
    ridge = 0.3 * sum((A**2).sum() for A in expected)
    squares = ((X - full(expected)) ** 2).sum()
    assert_allclose(error, np.sqrt((squares + ridge) / np.vdot(X, X)), rtol=1e-10)
    assert_allclose(sweeps.residual2(factors), squares, rtol=1e-10)


def test_balance_keeps_the_tensor():
    rng = np.random.default_rng(1)
    factors = [10.0**k * rng.standard_normal((4 + k, 3)) for k in range(3)]
    factors[1][:, 2] = 0
    before = full(factors)
    balance(factors)
    assert_allclose(full(factors), before, atol=1e-10)
    norms = [np.linalg.norm(A, axis=0) for A in factors]
    assert_allclose(norms[0], norms[1])
    assert_allclose(norms[0], norms[2])
    assert norms[0][2] == 0


def test_restart_throws_away_what_is_worse():
    # The error of the third sweep is worse: the fourth starts from the second.
    seen, errors = [], iter([1.0, 0.5, 0.9, 0.4, 0.4])

    def sweep(factors):
        seen.append(factors[0].copy())
        factors[0] += 1
        return next(errors)

    run = AcceleratedSweeps(sweep, [np.ones((2, 1))] * 2, tol=1e-3, accelerate=True)
    accepted = []
    while not run.step():
        accepted.append(run.factors[0].copy())
    assert run.errors == [1.0, 0.5, 0.4, 0.4]
    assert run.n_iter == 5
    assert_array_equal(accepted[2], accepted[1])
    assert_array_equal(seen[3], accepted[1])


@pytest.mark.parametrize(
    ("errors", "n_tried", "best"),
    [
        ([3.0, 1.0, 1.0, 0.5], 3, 1.0),
        ([3.0, 2.0, 3.0, 1.0], 4, 1.0),
        ([2.0, 1.0, 2.0, 3.0], 4, 1.0),
    ],
)
def test_no_more_starts_once_two_agree(errors, n_tried, best):
    # A start is the error that it ends with, from its first sweep on.
    tried = []

    def start(error):
        tried.append(error)
        return [np.full((1, 1), error)] * 2

    run = best_start(
        lambda factors: float(factors[0][0, 0] * factors[1][0, 0]) ** 0.5,
        [lambda error=error: start(error) for error in errors],
        max_iter=50, call=lambda step: step() and False, tol=1e-6, accelerate=False,
    )  # fmt: skip
    assert tried == errors[:n_tried]
    assert_allclose(run.errors[-1], best)


def test_least_squares_without_a_cholesky_factor():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    M = rng.standard_normal((7, 5))
    G = Q * [3.0, 2.0, 1.0, 0.0, -1e-9] @ Q.T
    found = M.copy()
    _cp_sweeps_fast.least_squares(G, found)
    assert_allclose(found, M @ (Q[:, :3] / [3.0, 2.0, 1.0]) @ Q[:, :3].T, atol=1e-7)


def test_least_squares_of_components_of_very_different_size():
    rng = np.random.default_rng(0)
    scale, M = np.array([1.0, 1e-12, 1e15, 0.0]), rng.standard_normal((7, 4))
    B = rng.standard_normal((20, 4)) * scale
    found = M * scale
    _cp_sweeps_fast.least_squares(B.T @ B, found)
    C = B[:, :3] / scale[:3]
    assert_allclose(found[:, :3] * scale[:3], np.linalg.solve(C.T @ C, M[:, :3].T).T, rtol=1e-9)
    assert_array_equal(found[:, 3], 0)


@pytest.mark.parametrize("compress", [False, True])
def test_superfluous_components_do_no_harm(compress):
    # Some may shrink until the square of their norm is 0.
    for seed in range(3):
        X = np.full((20, 4, 3), 2.0)
        model = CP(3, compress=compress, max_iter=50, random_state=seed).fit(X)
        assert_allclose(model.reconstruct(), X, rtol=1e-6)
        assert_allclose(model.inverse_transform(model.transform(X)), X.reshape(20, -1), rtol=1e-6)


@pytest.mark.parametrize("size", [5, 3000])
def test_unfolding_of_entries(size):
    # With a wide mode, columns without an entry are left out; entries may come twice.
    rng = np.random.default_rng(0)
    sizes = (4, size, 6)
    index = np.column_stack([rng.integers(0, n, 50) for n in sizes]).astype(np.int32)
    index[10:20] = index[:10]
    X, y = np.zeros(sizes), rng.standard_normal(50)
    np.add.at(X, tuple(index.T), y)
    for k, mode in enumerate(sort_by_mode(np.ascontiguousarray(index), sizes)):
        given = mode.ptr.copy(), mode.index.copy(), y[mode.order]
        M = unfold(*given, [n for m, n in enumerate(sizes) if m != k])
        assert_array_equal(given[0], mode.ptr)  # what is shared stays what it is
        assert_array_equal(given[2], y[mode.order])
        unfolding = np.moveaxis(X, k, 0).reshape(sizes[k], -1)
        assert_allclose((M @ M.T).toarray(), unfolding @ unfolding.T, atol=1e-12)
        assert M.shape[1] <= 4 * 50


def test_parameters_set_after_a_fit_are_of_the_next_one():
    X = np.random.default_rng(0).standard_normal((12, 5, 4))
    model = CP(3, random_state=0).fit(X)
    expected = model.transform(X), model.components_, model.score(X)
    model.set_params(n_components=7, nonnegative=True, alpha=5.0, tensor_shape=(2, 10))
    assert_array_equal(model.transform(X), expected[0])
    assert_array_equal(model.components_, expected[1])
    assert model.score(X) == expected[2]
    assert model.inverse_transform(expected[0]).shape == (12, 20)
    assert model.get_feature_names_out().tolist() == ["cp0", "cp1", "cp2"]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("accelerate", [False, True])
def test_recovers_collinear_components(compress, accelerate):
    rng = np.random.default_rng(0)
    true = [collinear(size, 5, rng) for size in (40, 35, 30)]
    X = noisy(true, 0.05, rng)
    model = CP(5, compress=compress, accelerate=accelerate, random_state=0).fit(X)
    assert match(model.factors_, true) > 0.99
    assert model.reconstruction_err_ < 0.05
    residual = np.linalg.norm(X - model.reconstruct()) / np.linalg.norm(X)
    assert_allclose(model.reconstruction_err_, residual, rtol=1e-8)
    path = np.array(model.error_path_)
    assert (np.diff(path) <= 1e-10).all()


def test_extrapolation_saves_sweeps():
    rng = np.random.default_rng(3)
    X = noisy([collinear(30, 6, rng) for _ in range(3)], 0.05, rng)
    plain, fast = (
        CP(6, compress=False, accelerate=accelerate, random_state=0).fit(X)
        for accelerate in (False, True)
    )
    assert fast.n_iter_ < 0.7 * plain.n_iter_
    assert fast.reconstruction_err_ < plain.reconstruction_err_ + 1e-5


def test_normal_form():
    rng = np.random.default_rng(2)
    X = noisy([rng.standard_normal((size, 4)) for size in (20, 15, 10)], 0.1, rng)
    model = CP(4, random_state=0).fit(X.reshape(20, -1))  # a table: factors of a matrix
    assert len(model.factors_) == 2
    model = CP(4, tensor_shape=(15, 10), random_state=0).fit(X.reshape(20, -1))
    for A in model.factors_[1:]:
        assert_allclose(np.linalg.norm(A, axis=0), 1)
        assert (A[np.abs(A).argmax(axis=0), range(4)] > 0).all()
    assert_allclose(model.weights_, np.linalg.norm(model.factors_[0], axis=0))
    assert (np.diff(model.weights_) <= 0).all()
    scores = model.transform(X)
    assert_allclose(scores, model.factors_[0], rtol=1e-6)
    assert_allclose(scores @ model.components_, model.inverse_transform(scores), atol=1e-10)
    K = model.components_.T
    assert_allclose(scores, np.linalg.lstsq(K, X.reshape(20, -1).T)[0].T, rtol=1e-7)
    assert_allclose(model.score(X), 1 - model.reconstruction_err_**2)


def test_nonnegative():
    rng = np.random.default_rng(0)
    true = [rng.random((size, 4)) ** 2 for size in (25, 20, 15)]
    X = np.abs(noisy(true, 0.02, rng))
    model = CP(4, nonnegative=True, tol=1e-10, max_iter=2000, random_state=0).fit(X)
    assert all((A >= 0).all() for A in model.factors_)
    assert match(model.factors_, true) > 0.98
    # Scores satisfy the optimality conditions of nonnegative least squares.
    K, A = model.components_, model.transform(X)
    gradient = (A @ K - X.reshape(25, -1)) @ K.T
    assert_allclose(gradient[A > 1e-6], 0, atol=1e-5)
    assert (gradient[A == 0] > -1e-5).all()
    with pytest.raises(ValueError, match="Negative values in data passed to CP"):
        model.fit(-X)


@pytest.mark.parametrize("share", [0.5, 0.06])
def test_missing_elements(share):
    rng = np.random.default_rng(0)
    T = full([rng.standard_normal((size, 3)) for size in (50, 40, 30)])
    X = np.where(rng.random(T.shape) < share, T + 0.1 * rng.standard_normal(T.shape), np.nan)
    model = CP(3, alpha=1e-2, random_state=0).fit(X)
    gaps = np.isnan(X)
    found = model.reconstruct()
    assert np.linalg.norm((found - T)[gaps]) < 0.06 * np.linalg.norm(T[gaps])
    residual = np.linalg.norm((found - X)[~gaps]) / np.linalg.norm(X[~gaps] - model.mean_)
    assert_allclose(model.reconstruction_err_, residual, rtol=1e-8)
    # A row is projected from the elements it has.
    assert_allclose(model.transform(X[:3]), model.factors_[0][:3], rtol=1e-6)
    whole = model.transform(T[:1])
    assert_allclose(whole, model.transform(X[:1]), atol=0.15 * np.abs(whole).max())


def test_slice_without_elements():
    X = np.random.default_rng(0).random((8, 6, 5))
    X[:, 2] = np.nan
    with pytest.raises(ValueError, match="alpha=0, and slice 2 of mode 1 is all NaN"):
        CP(2).fit(X)
    assert_array_equal(CP(2, alpha=0.1, random_state=0).fit(X).factors_[1][2], 0)


def test_sparse_table_is_the_dense_one():
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((s, 3)) * (rng.random((s, 3)) < 0.4) for s in (30, 25, 20)]
    X = full(factors).reshape(30, -1)
    X += X.std() * 0.1 * rng.standard_normal(X.shape) * (X != 0)
    options = {"tensor_shape": (25, 20), "compress": False, "random_state": 0}
    dense, sparse = CP(3, **options).fit(X), CP(3, **options).fit(csr_array(X))
    assert_allclose(sparse.reconstruction_err_, dense.reconstruction_err_, rtol=1e-5)
    assert_allclose(sparse.transform(csr_array(X)), dense.transform(X), atol=1e-3)
    assert_allclose(sparse.transform(X), sparse.transform(csr_array(X)), rtol=1e-10)
    assert_allclose(sparse.score(csr_array(X)), sparse.score(X), rtol=1e-10)


def test_exact_tensor_and_rank_above_the_sizes():
    rng = np.random.default_rng(0)
    X = full([rng.standard_normal((size, 6)) for size in (20, 4, 5)])
    model = CP(6, alpha=1e-10, random_state=0, n_init=5, max_iter=3000).fit(X)
    assert model.reconstruction_err_ < 1e-3
    assert_allclose(
        model.reconstruction_err_,
        np.linalg.norm(X - model.reconstruct()) / np.linalg.norm(X),
        rtol=1e-6,
    )


def test_float32_and_scale():
    rng = np.random.default_rng(0)
    X = noisy([rng.standard_normal((size, 3)) for size in (20, 15, 10)], 0.1, rng)
    double, single = (CP(3, random_state=0).fit(X.astype(t)) for t in (np.float64, np.float32))
    assert single.factors_[1].dtype == np.float32
    assert_allclose(single.reconstruction_err_, double.reconstruction_err_, rtol=1e-4)
    far = CP(3, random_state=0).fit(1e200 * X)
    assert_allclose(far.factors_[0], 1e200 * double.factors_[0], rtol=1e-6)
    assert_allclose(far.factors_[1], double.factors_[1], rtol=1e-6)


def test_warns_of_components_that_cancel():
    # a o a o b + a o b o a + b o a o a has rank 3 and is a limit of tensors of rank 2.
    a, b = np.eye(2)
    X = full([a[:, None], a[:, None], b[:, None]])
    X = X + np.moveaxis(X, 2, 1) + np.moveaxis(X, 2, 0)
    with pytest.warns(ConvergenceWarning, match="cancel each other"):
        CP(2, max_iter=2000, random_state=0, init="random").fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CP(2, alpha=0.01, max_iter=2000, random_state=0, init="random").fit(X)


def test_shapes_that_do_not_fit():
    X = np.ones((10, 12))
    for table in (X, csr_array(X)):
        with pytest.raises(ValueError, match=r"tensor_shape=\(5, 3\) has 15 elements, X has 12"):
            CP(2, tensor_shape=(5, 3)).fit(table)
        with pytest.raises(ValueError, match=r"tensor_shape=\(-4, -3\); it must be None or the"):
            CP(2, tensor_shape=(-4, -3)).fit(table)
    model = CP(2, tensor_shape=(4, 3)).fit(np.random.default_rng(0).random((10, 12)))
    with pytest.raises(ValueError, match="X has 3 columns; scores of this decomposition have 2"):
        model.inverse_transform(np.ones((2, 3)))


def test_zeros():
    for table in (np.zeros((6, 12)), csr_array(np.zeros((6, 12)))):
        model = CP(2, tensor_shape=(4, 3)).fit(table)
        assert_array_equal(model.reconstruct(), 0)
        assert model.reconstruction_err_ == 0
