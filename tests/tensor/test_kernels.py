"""Products along modes against unfoldings in NumPy, and rows that fold."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator

from skstruct.tensor import _kernels
from skstruct.tensor._modes import (
    mode_gram,
    mode_inner,
    mode_view,
    multi_ttm,
    ttm,
    validate_tensor,
)

SHAPES = [
    (7,), (5, 6), (1, 9), (9, 1), (4, 5, 6), (30, 7, 2), (3, 40, 1), (2, 3, 200), (1, 1, 1),
    (3, 4, 5, 6), (2, 900, 3), (300, 2, 5, 2), (3, 2, 70_000),
]  # fmt: skip


def unfold(X, n):
    return np.moveaxis(X, n, 0).reshape(X.shape[n], -1)


def tensor(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_modes_are_those_of_unfoldings(shape, dtype):
    X = tensor(shape, dtype)
    X.flags.writeable = False
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    for n, size in enumerate(shape):
        if size > 1000:  # that mode has a Gram matrix which nobody wants
            continue
        matrix = unfold(X, n).astype(np.float64)
        assert_allclose(mode_gram(X, n), matrix @ matrix.T, rtol=1e-10, atol=1e-9)
        for rank in (1, 3, size):
            U = tensor((rank, size), dtype, seed=1)
            for operand in (U, np.asfortranarray(U)):
                Y = ttm(X, operand, n)
                assert Y.dtype == dtype
                assert_allclose(unfold(Y, n), U @ matrix, rtol=rtol, atol=100 * rtol)
            expected = matrix @ unfold(Y, n).T.astype(np.float64)
            assert_allclose(mode_inner(X, Y, n), expected, rtol=1e-9, atol=1e-8)


def test_several_modes():
    X = tensor((4, 5, 6, 3))
    A, B, C = tensor((2, 4), seed=1), tensor((7, 5), seed=2), tensor((3, 1), seed=3).T
    expected = np.einsum("ijkl,ai,bj,cl->abkc", X, A, B, C)
    assert_allclose(multi_ttm(X, {3: C, 0: A, 1: B}), expected, atol=1e-12)
    assert multi_ttm(X, {}) is X


def test_matrices_are_where_they_lie():
    """Part of a larger matrix, in either order, needs no copy."""
    X, U = tensor((3, 4, 130)), tensor((9, 11), seed=1)
    for n in range(3):
        size = X.shape[n] if n < 2 else 4
        tensor_ = X if n < 2 else np.ascontiguousarray(X[..., :4])
        for part in (U[2:5, 1 : 1 + size], U.T[2:5, 1 : 1 + size], U[2:3, 1 : 1 + size]):
            assert_allclose(unfold(ttm(tensor_, part, n), n), part @ unfold(tensor_, n))


def test_sums_of_float32_are_float64():
    """A small singular value stays visible beside one that is a million times as large."""
    X = np.zeros((2000, 2, 50), np.float32)
    X[:, 0] = 1.0
    X[:, 1] = 1.0
    X[:, 1, 0] += np.float32(2**-10)
    for moved in (X, np.ascontiguousarray(X.transpose(1, 0, 2)), X.transpose(0, 2, 1).copy()):
        n = moved.shape.index(2)
        small, large = np.linalg.svd(unfold(moved, n).astype(np.float64), compute_uv=False)[::-1]
        assert small < 1e-4 * large
        assert_allclose(np.linalg.eigvalsh(mode_gram(moved, n)), [small**2, large**2], rtol=1e-6)


@pytest.mark.parametrize("shape", [(200, 50, 100), (100, 50, 200), (1000, 200, 5)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_is_unfolded(shape, dtype):
    X = tensor(shape, dtype)
    for n in range(3):
        U = np.ones((2, shape[n]), dtype)
        tracemalloc.start()
        mode_gram(X, n)
        gram_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        ttm(X, U, n)
        product_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        block = 8 * (65536 + 128 * shape[n])
        assert gram_peak < 3 * 8 * shape[n] ** 2 + 2 * block
        assert product_peak < 2 / shape[n] * X.nbytes + 2 * block + 10_000


def test_view():
    X = tensor((2, 3, 4, 5))
    assert [mode_view(X, n).shape for n in range(4)] == [
        (1, 2, 60), (2, 3, 20), (6, 4, 5), (24, 5, 1),
    ]  # fmt: skip
    assert np.shares_memory(mode_view(X, 2), X)


class Folder(BaseEstimator):
    def __init__(self, tensor_shape=None):
        self.tensor_shape = tensor_shape


def test_rows_fold():
    X = np.arange(24.0).reshape(2, 12)
    folder = Folder((3, 4))
    folded = validate_tensor(folder, X, reset=True)
    assert np.shares_memory(folded, X)
    assert_array_equal(folded[1], X[1].reshape(3, 4))
    assert folder.tensor_shape_ == (3, 4)
    assert folder.n_features_in_ == 12
    assert_array_equal(validate_tensor(folder, X.reshape(2, 3, 4), reset=False), folded)
    assert_array_equal(validate_tensor(folder, X.tolist(), reset=False), folded)
    free = Folder()
    assert validate_tensor(free, X.reshape(2, 2, 2, 3), reset=True).shape == (2, 2, 2, 3)
    assert free.tensor_shape_ == (2, 2, 3)
    assert validate_tensor(Folder(), X, reset=True).shape == (2, 12)
    assert validate_tensor(Folder(), X.astype(np.float32), reset=True).dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "X", "message"),
    [
        ((8, 9), np.ones((3, 64)), r"tensor_shape=\(8, 9\) has 72 elements, X has 64 features"),
        ((2, 0), np.ones((3, 4)), r"tensor_shape=\(2, 0\); it must be None or the sizes"),
        ((2, 2.0), np.ones((3, 4)), r"tensor_shape=\(2, 2.0\); it must be"),
        ((), np.ones((3, 1)), r"tensor_shape=\(\); it must be"),
        (
            (2, 2),
            np.ones((3, 4, 1)),
            r"X has rows of shape \(4, 1\), and tensor_shape is \(2, 2\)",
        ),
    ],
)
def test_what_does_not_fold(shape, X, message):
    with pytest.raises(ValueError, match=message):
        validate_tensor(Folder(shape), X, reset=True)


def test_later_rows_have_the_shape_of_the_first():
    folder = Folder()
    validate_tensor(folder, np.ones((3, 2, 5)), reset=True)
    with pytest.raises(ValueError, match=r"rows of shape \(5, 2\)"):
        validate_tensor(folder, np.ones((3, 5, 2)), reset=False)
    with pytest.raises(ValueError, match="expecting 10 features"):
        validate_tensor(folder, np.ones((3, 9)), reset=False)


def test_operands_must_be_contiguous():
    for U in (tensor((6, 10))[::2, ::2], tensor((6, 5))[::-1], tensor((5, 6))[::-1].T):
        with pytest.raises(ValueError, match="contiguous"):
            ttm(tensor((4, 5, 6)), U, 1)
    with pytest.raises(ValueError, match="contiguous"):
        _kernels.inner(tensor((4, 5, 6))[:, :, ::2], tensor((4, 5, 3)), np.empty((5, 5)))
