"""batch_sparse_encode against least squares, optimality conditions, and scikit-learn."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.datasets import load_sample_image
from sklearn.decomposition import sparse_encode
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.image import extract_patches_2d

from skstruct.decomposition import _batch_sparse_encode, batch_sparse_encode
from skstruct.decomposition._batch_sparse_encode import encode_rows

ALGORITHMS = ("omp", "ols", "lasso_cd", "topk", "hard", "soft")
EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
FLOATS = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def patches(n_samples, n_atoms):
    """Samples and unit atoms: 8 x 8 patches of a photograph without their means."""
    image = load_sample_image("china.jpg").mean(axis=2) / 255.0
    X = extract_patches_2d(image, (8, 8), max_patches=n_samples + n_atoms, random_state=0)
    X = X.reshape(len(X), -1)
    X -= X.mean(axis=1, keepdims=True)
    D = X[n_samples:]
    return X[:n_samples], D / np.linalg.norm(D, axis=1, keepdims=True)


def gaussian(n_samples, n_atoms, n_features, seed=0):
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((n_atoms, n_features))
    X = rng.standard_normal((n_samples, n_features))
    return X, D / np.linalg.norm(D, axis=1, keepdims=True)


def project(x, atoms):
    w = np.linalg.lstsq(atoms.T, x, rcond=None)[0]
    return w, x - w @ atoms


def pursuit(X, D, k, tol=-1.0, least_squares=False):
    """The two pursuits by definition: a least-squares fit for each step, or each candidate."""
    code = np.zeros((len(X), len(D)))
    unit = D / np.linalg.norm(D, axis=1, keepdims=True)
    for x, row in zip(X, code, strict=True):
        taken, w, residual = [], np.zeros(0), x
        while len(taken) < k and residual @ residual > tol:
            others = [j for j in range(len(D)) if j not in taken]
            if least_squares:
                left = [np.sum(project(x, D[[*taken, j]])[1] ** 2) for j in others]
                taken.append(others[int(np.argmin(left))])
            else:
                taken.append(others[int(np.argmax(np.abs(unit[others] @ residual)))])
            w, residual = project(x, D[taken])
        row[taken] = w
    return code


def energy(X, D, code):
    return np.sum((X - code.astype(np.float64) @ D) ** 2, axis=1)


def objective(X, D, code, alpha):
    return energy(X, D, code) / 2 + alpha * np.abs(code).sum(axis=1)


def violation(X, D, code, alpha, positive=False):
    """By how much the subgradient condition of the lasso is missed."""
    code = code.astype(np.float64)
    c = (X - code @ D) @ D.T
    inside = np.abs(c - alpha * np.sign(code))[code != 0].max(initial=0.0)
    outside = ((c if positive else np.abs(c)) - alpha)[code == 0].max(initial=0.0)
    return max(inside, outside)


@pytest.mark.parametrize("n_atoms", [64, 128, 256])
@pytest.mark.parametrize("k", [2, 5, 10])
def test_omp_is_that_of_scikit_learn(n_atoms, k):
    X, D = patches(1000, n_atoms)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of its dependent atoms
        theirs = sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=k)
    ours = batch_sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=k)
    assert_allclose(energy(X, D, ours), energy(X, D, theirs), rtol=0, atol=1e-13)
    assert_array_equal(ours != 0, theirs != 0)
    assert_allclose(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["omp", "ols"])
@pytest.mark.parametrize("shape", [(30, 20, 12), (12, 40, 20), (25, 16, 40)])
def test_pursuits_are_those_of_least_squares(algorithm, shape):
    X, D = gaussian(*shape)
    k = min(8, *shape[1:])
    expected = pursuit(X, D, k, least_squares=algorithm == "ols")
    code = batch_sparse_encode(X, D, algorithm=algorithm, n_nonzero_coefs=k)
    assert_array_equal(code != 0, expected != 0)
    assert_allclose(code, expected, rtol=0, atol=1e-11)


def test_ols_leaves_less_than_omp():
    X, D = patches(1000, 128)
    left = {
        algorithm: energy(
            X, D, batch_sparse_encode(X, D, algorithm=algorithm, n_nonzero_coefs=10)
        ).sum()
        for algorithm in ("omp", "ols")
    }
    assert 0.93 * left["omp"] < left["ols"] < 0.99 * left["omp"]


@pytest.mark.parametrize("algorithm", ["omp", "ols"])
def test_pursuits_stop_at_tol(algorithm):
    X, D = gaussian(40, 60, 25)
    tol = 0.2 * np.median(np.sum(X**2, axis=1))
    expected = pursuit(X, D, 25, tol, algorithm == "ols")
    code = batch_sparse_encode(X, D, algorithm=algorithm, tol=tol)
    assert_array_equal(code != 0, expected != 0)
    assert len(np.unique((code != 0).sum(axis=1))) > 1
    both = batch_sparse_encode(X, D, algorithm=algorithm, tol=tol, n_nonzero_coefs=4)
    assert_array_equal(both != 0, pursuit(X, D, 4, tol, algorithm == "ols") != 0)


@FLOATS
@pytest.mark.parametrize("relative", [1e-4, 1e-6, 1e-10])
def test_a_small_tol_is_met_by_the_residual_itself(dtype, relative):
    """A sum of orthogonal atoms of falling size: those are left out that come to tol or less."""
    if dtype == np.float32:
        relative = max(relative, 1e-6)  # float32 cannot tell less
    rng = np.random.default_rng(0)
    D = np.linalg.qr(rng.standard_normal((24, 24)))[0].astype(dtype)
    sizes = 10.0 ** -np.arange(6)  # energies 1, 1e-2, 1e-4, ...
    X = (sizes.astype(dtype) @ D[:6])[np.newaxis]
    code = batch_sparse_encode(X, D, tol=relative * 1.02)
    left = np.cumsum((sizes**2)[::-1])[::-1]
    assert (code != 0).sum() == np.argmax(np.append(left, 0) <= relative * 1.02)


@pytest.mark.parametrize("n_atoms", [64, 128, 256])
@pytest.mark.parametrize("alpha", [0.1, 0.03])
def test_lasso_reaches_the_objective_of_scikit_learn(n_atoms, alpha):
    X, D = patches(200, n_atoms)
    theirs = objective(
        X, D, np.array(sparse_encode(X, D, algorithm="lasso_lars", alpha=alpha)), alpha
    )
    code = batch_sparse_encode(X, D, algorithm="lasso_cd", alpha=alpha)
    ours = objective(X, D, code, alpha)
    assert np.all(ours <= theirs + 1e-13)
    assert_allclose(ours, theirs, rtol=0, atol=1e-9)  # its path may end a little early
    assert violation(X, D, code, alpha) < 2e-6 * alpha


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 25), st.sampled_from([1.0, 0.1, 1e-3, 1e-6, 0.0]),
    st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_lasso_is_optimal(n_atoms, n_features, alpha, positive, seed):
    """Any shape, any weight, and atoms that are scaled, opposite, equal, zero or dependent."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((n_atoms, n_features)) * np.exp(rng.standard_normal((n_atoms, 1)))
    D[rng.random(n_atoms) < 0.1] = 0.0
    D = np.vstack((D, D[: n_atoms // 2], -D[: n_atoms // 3], D[: n_atoms // 4].sum(axis=0)))
    X = rng.standard_normal((5, n_features))
    code = batch_sparse_encode(X, D, algorithm="lasso_cd", alpha=alpha, positive=positive)
    scale = np.abs(X @ D.T).max()
    assert violation(X, D, code, alpha, positive) <= 1.01e-6 * alpha + 1e-11 * scale
    assert np.all((code != 0).sum(axis=1) <= n_features)
    assert not positive or code.min() >= 0


@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01, 0.001])
@FLOATS
def test_lasso_on_nearly_equal_atoms(alpha, dtype):
    """Overlapping bumps, whose Gram matrix has a condition number beyond any precision."""
    t = np.linspace(0, 1, 64)
    D = np.exp(-0.5 * ((t - np.linspace(0, 1, 300)[:, np.newaxis]) / 0.05) ** 2)
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    X = D[rng.integers(300, size=(200, 3))].sum(axis=1)
    X += 0.01 * rng.standard_normal(X.shape)
    code = batch_sparse_encode(X.astype(dtype), D.astype(dtype), algorithm="lasso_cd", alpha=alpha)
    rounding = 100 * np.finfo(dtype).eps * np.abs(X @ D.T).max()
    assert violation(X, D, code, alpha) <= 2e-6 * alpha + rounding


def test_lasso_starts_from_a_code():
    X, D = gaussian(30, 60, 20)
    cold = batch_sparse_encode(X, D, algorithm="lasso_cd", alpha=0.1)
    rng = np.random.default_rng(0)
    starts = cold, -cold, rng.standard_normal(cold.shape), np.zeros_like(cold), np.abs(cold)
    for start in starts:
        warm = batch_sparse_encode(X, D, algorithm="lasso_cd", alpha=0.1, code_init=start)
        assert_allclose(warm, cold, rtol=0, atol=1e-5)
    one_round = {"algorithm": "lasso_cd", "alpha": 0.1, "max_iter": 1}
    again = batch_sparse_encode(X, D, code_init=cold, **one_round)  # there is nothing left to do
    assert_array_equal(again, cold)
    with pytest.warns(ConvergenceWarning, match="within 1 rounds for 30 of 30"):
        batch_sparse_encode(X, D, **one_round)


@pytest.mark.parametrize("positive", [False, True])
def test_thresholds(positive):
    X, D = gaussian(20, 37, 15)
    a = X @ D.T
    key = a if positive else np.abs(a)
    hard = np.where(key > 0.5, a, 0.0)
    soft = np.where(key > 0.5, a - 0.5 * np.sign(a), 0.0)
    kwargs = {"positive": positive, "alpha": 0.5}
    assert_allclose(batch_sparse_encode(X, D, algorithm="hard", **kwargs), hard, atol=1e-13)
    assert_allclose(batch_sparse_encode(X, D, algorithm="soft", **kwargs), soft, atol=1e-13)
    theirs = sparse_encode(X, D, algorithm="threshold", alpha=0.5, positive=positive)
    assert_allclose(soft, theirs, atol=1e-13)
    order = np.argsort(-key, axis=1, kind="stable")[:, :4]
    expected = np.zeros_like(a)
    np.put_along_axis(expected, order, np.take_along_axis(a, order, axis=1), axis=1)
    code = batch_sparse_encode(X, D, algorithm="topk", n_nonzero_coefs=4, positive=positive)
    assert_allclose(code, np.maximum(expected, 0.0) if positive else expected, atol=1e-13)


@EVERY
def test_degenerate_samples_and_atoms(algorithm):
    _, D = gaussian(1, 10, 8)
    D = np.vstack((D, D[3], np.zeros(8), -D[3]))  # equal, zero and opposite atoms
    X = np.vstack((np.zeros(8), 2.0 * D[3], 1e-320 * D[0], np.ones(8)))
    code = batch_sparse_encode(X, D, algorithm=algorithm, n_nonzero_coefs=50, alpha=0.25)
    assert np.isfinite(code).all()
    assert_array_equal(code[0], 0.0)
    assert_array_equal(code[:, 11], 0.0)  # the atom of zeros
    if algorithm in ("omp", "ols"):
        assert_array_equal(np.flatnonzero(code[1]), [3])
        assert_allclose(code[1, 3], 2.0)
        assert np.all((code != 0).sum(axis=1) <= 8)
        assert np.abs(code).max() < 1e3
    if algorithm == "lasso_cd":
        assert_allclose(code[1] @ D, 1.75 * D[3])
        assert_allclose(np.abs(code[1]).sum(), 1.75)


@pytest.mark.parametrize("algorithm", ["omp", "ols"])
def test_pursuits_choose_atoms_by_their_direction(algorithm):
    X, D = gaussian(30, 40, 20)
    length = np.exp(np.random.default_rng(1).uniform(-3, 3, len(D)))
    unit = batch_sparse_encode(X, D, algorithm=algorithm, n_nonzero_coefs=5)
    code = batch_sparse_encode(
        X, D * length[:, np.newaxis], algorithm=algorithm, n_nonzero_coefs=5
    )
    assert_allclose(code * length, unit, atol=1e-12)


@EVERY
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_scales(algorithm, scale):
    X, D = gaussian(20, 30, 16)
    kwargs = {"algorithm": algorithm, "n_nonzero_coefs": 5}
    code = batch_sparse_encode(X, D, alpha=0.2, **kwargs)
    scaled = batch_sparse_encode(X * scale, D, alpha=0.2 * scale, **kwargs)
    assert_allclose(scaled / scale, code, rtol=0, atol=1e-9)


@EVERY
def test_float32(algorithm):
    X, D = patches(200, 100)
    kwargs = {"algorithm": algorithm, "n_nonzero_coefs": 5, "alpha": 0.1}
    code = batch_sparse_encode(X, D, **kwargs)
    single = batch_sparse_encode(X.astype(np.float32), D, **kwargs)
    assert single.dtype == np.float32
    assert np.mean((single != 0) == (code != 0)) > 0.999
    if algorithm in ("omp", "ols"):
        assert_allclose(energy(X, D, single).sum(), energy(X, D, code).sum(), rtol=1e-5)
    else:
        same = (single != 0) == (code != 0)
        assert_allclose(single[same], code[same], rtol=0, atol=1e-4)


@EVERY
def test_gram_is_used_and_out_is_filled(algorithm):
    X, D = gaussian(25, 16, 30)
    D *= np.linspace(0.5, 2.0, 16)[:, np.newaxis]
    kwargs = {"algorithm": algorithm, "n_nonzero_coefs": 5, "alpha": 0.1}
    code = batch_sparse_encode(X, D, **kwargs)
    out = np.full(code.shape, np.nan)
    assert batch_sparse_encode(X, D, gram=D @ D.T, out=out, **kwargs) is out
    assert_allclose(out, code, atol=1e-12)
    if algorithm in ("omp", "ols", "lasso_cd"):
        other = batch_sparse_encode(X, D, gram=np.diag(np.sum(D**2, axis=1)), **kwargs)
        assert np.abs(other - code).max() > 0.01


@EVERY
def test_rows_do_not_depend_on_each_other(algorithm, monkeypatch):
    X, D = patches(900, 70)
    monkeypatch.setattr(_batch_sparse_encode, "WORTH_THREADS", 0)
    kwargs = {"algorithm": algorithm, "n_nonzero_coefs": 6, "alpha": 0.05}
    code = batch_sparse_encode(X, D, n_jobs=1, **kwargs)
    assert_array_equal(batch_sparse_encode(X, D, n_jobs=3, **kwargs), code)
    some = batch_sparse_encode(X[300:333], D, **kwargs)
    assert_allclose(some, code[300:333], rtol=0, atol=1e-10)


@EVERY
@pytest.mark.parametrize("container", [csr_matrix, csr_array])
def test_sparse_samples(algorithm, container):
    X, D = gaussian(2500, 20, 10)
    X[X < 0.7] = 0.0
    kwargs = {"algorithm": algorithm, "alpha": 0.3}
    code = batch_sparse_encode(X, D, **kwargs)
    assert_allclose(batch_sparse_encode(container(X), D, **kwargs), code, rtol=0, atol=1e-10)


@EVERY
@FLOATS
def test_sparse_codes(algorithm, dtype, monkeypatch):
    monkeypatch.setattr(_batch_sparse_encode, "WORTH_THREADS", 0)
    X, D = (a.astype(dtype) for a in patches(700, 90))
    X[:130] = 0.0  # a block and more without codes
    kwargs = {"algorithm": algorithm, "n_nonzero_coefs": 4, "alpha": 0.1}
    code = encode_rows(X, D, sparse_output=True, n_jobs=2, **kwargs)
    assert issparse(code)
    assert (code.format, code.dtype) == ("csr", dtype)
    assert code.has_canonical_format
    assert np.all(code.data != 0)
    assert_array_equal(code.toarray(), batch_sparse_encode(X, D, **kwargs))
    nothing = encode_rows(X[:3], D, sparse_output=True, **kwargs)
    assert (nothing.shape, nothing.nnz) == ((3, 90), 0)


def test_number_of_atoms():
    X, D = gaussian(10, 100, 40)
    assert np.all((batch_sparse_encode(X, D) != 0).sum(axis=1) == 4)  # a tenth of the features
    assert np.all((batch_sparse_encode(X[:, :5], D[:, :5]) != 0).sum(axis=1) == 1)
    assert np.all((batch_sparse_encode(X, D, n_nonzero_coefs=1000) != 0).sum(axis=1) == 40)
    assert np.all((batch_sparse_encode(X, D[:7], n_nonzero_coefs=1000) != 0).sum(axis=1) == 7)
    top = batch_sparse_encode(X, D, algorithm="topk", n_nonzero_coefs=1000)
    assert np.all(top != 0)


def test_memory_holds_no_second_array_of_all_correlations():
    X, D = gaussian(8000, 256, 16)
    out = np.empty((len(X), len(D)))
    batch_sparse_encode(X[:10], D)
    for algorithm in ALGORITHMS:
        tracemalloc.start()
        batch_sparse_encode(X, D, algorithm=algorithm, out=out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < out.nbytes / 8


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"algorithm": "lars"}, "'algorithm' parameter .* 'lars'"),
        ({"n_nonzero_coefs": 0}, "'n_nonzero_coefs' parameter .* Got 0"),
        ({"alpha": -1.0}, "'alpha' parameter .* Got -1"),
        ({"tol": -1e-3}, "'tol' parameter .* Got -0.001"),
        ({"max_iter": 0}, "'max_iter' parameter .* Got 0"),
        ({"positive": True}, "positive=True with algorithm='omp'"),
        ({"algorithm": "ols", "positive": True}, "positive=True with algorithm='ols'"),
        ({"code_init": np.zeros((5, 7))}, "code_init with algorithm='omp'"),
        ({"gram": np.eye(6)}, r"gram has shape \(6, 6\); it must have shape \(7, 7\)"),
        (
            {"algorithm": "lasso_cd", "code_init": np.zeros((5, 6))},
            r"code_init has shape \(5, 6\); it must have shape \(5, 7\)",
        ),
        ({"out": np.zeros((5, 6))}, r"out has shape \(5, 6\)"),
        ({"out": np.zeros((5, 7), np.float32)}, "dtype float32"),
        ({"out": np.zeros((7, 5)).T}, "C-contiguous"),
        ({"X": np.full((5, 4), np.nan)}, "X contains NaN"),
        ({"X": np.ones((5, 3))}, "X has 3 features, .* have 4"),
        ({"dictionary": np.full((7, 4), np.inf)}, "dictionary contains infinity"),
        ({"gram": np.full((7, 7), np.nan)}, "gram contains NaN"),
    ],
)
def test_errors(kwargs, message):
    X, D = gaussian(5, 7, 4)
    kwargs = {"X": X, "dictionary": D} | kwargs
    with pytest.raises(ValueError, match=message):
        batch_sparse_encode(kwargs.pop("X"), kwargs.pop("dictionary"), **kwargs)


def test_out_is_no_input():
    X = np.random.default_rng(0).standard_normal((20, 6))
    D = np.eye(6)
    with pytest.raises(ValueError, match="out shares memory with X"):
        batch_sparse_encode(X, D, algorithm="topk", out=X)
    code = batch_sparse_encode(X, D, algorithm="lasso_cd", alpha=0.1)
    with pytest.raises(ValueError, match="out shares memory with code_init"):
        batch_sparse_encode(X, D, algorithm="lasso_cd", alpha=0.1, code_init=code, out=code)
