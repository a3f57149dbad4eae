"""Tensors in C order and their modes: products, Gram matrices, and rows that fold to tensors.

Mode n of a tensor of shape (I_0, ..., I_{N-1}) is seen as an array of shape (L, I_n, R), which is
a view: nothing here copies a tensor to unfold it.
"""

from math import frexp, ldexp, prod
from numbers import Integral

import numpy as np

from skstruct._validation import FLOATS, validate_data
from skstruct.tensor import _kernels

BLOCK = 65_536  # elements that are widened at a time
# Squared norms in this range neither overflow nor lose digits in what is made of the tensor.
SAFE = {np.dtype(np.float64): (1e-200, 1e200), np.dtype(np.float32): (1e-60, 1e60)}


def mode_view(X, n):
    """Return X as (product of the sizes before mode n, I_n, product of those after)."""
    return X.reshape(prod(X.shape[:n]), X.shape[n], prod(X.shape[n + 1 :]))


def ttm(X, U, n):
    """Return the product of X with U along mode n, of which the size becomes that of U's rows.

    Parameters
    ----------
    X : ndarray of shape (I_0, ..., I_{N-1})
        In C order, float32 or float64.
    U : ndarray of shape (J, I_n)
        Of the dtype of X; contiguous, or the transpose of what is.
    n : int
        The mode.

    Returns
    -------
    Y : ndarray of shape (I_0, ..., J, ..., I_{N-1})
    """
    Y = np.empty((*X.shape[:n], U.shape[0], *X.shape[n + 1 :]), X.dtype)
    _kernels.ttm(mode_view(X, n), U, mode_view(Y, n))
    return Y


def multi_ttm(X, matrices):
    """Return the product with several matrices, those first that leave least of the tensor.

    Parameters
    ----------
    X : ndarray of shape (I_0, ..., I_{N-1})
        In C order, float32 or float64.
    matrices : dict
        A matrix as `ttm` takes it for each mode that is to change.

    Returns
    -------
    Y : ndarray
    """
    for n in sorted(matrices, key=lambda n: (matrices[n].shape[0] / X.shape[n], n)):
        X = ttm(X, matrices[n], n)
    return X


def mode_inner(X, Y, n):
    """Return the product of the unfolding of X along mode n with the transpose of that of Y.

    Parameters
    ----------
    X, Y : ndarray
        In C order, of one dtype, and of the same sizes but for mode n.
    n : int
        The mode.

    Returns
    -------
    G : ndarray of shape (I_n, J_n)
        Sums of float32 are taken in float64, which the result is in any case.
    """
    G = np.empty((X.shape[n], Y.shape[n]))
    _kernels.inner(mode_view(X, n), mode_view(Y, n), G)
    return G


def mode_gram(X, n):
    """Return the Gram matrix of the rows of the unfolding along mode n, in float64.

    Parameters
    ----------
    X : ndarray of shape (I_0, ..., I_{N-1})
        In C order, float32 or float64.
    n : int
        The mode.

    Returns
    -------
    G : ndarray of shape (I_n, I_n)
    """
    return mode_inner(X, X, n)


def validate_tensor(estimator, X, *, reset, **checks):
    """Return the rows of a table folded to a tensor, as a view of the validated table.

    Parameters
    ----------
    estimator : estimator instance
        Its parameter `tensor_shape` is the shape of a row, or None for what X is; reset sets
        `tensor_shape_`, which later rows must have.
    X : array-like of shape (n_samples, n_features), or ndarray of shape (n_samples, I_1, ...)
        Rows, flat in C order or folded.
    reset : bool
        Whether this is `fit`.
    **checks : dict
        Further arguments of `validate_data`.

    Returns
    -------
    tensor : ndarray of shape (n_samples, I_1, ...)
        In C order, float32 or float64.
    """
    folded = X.shape[1:] if getattr(X, "ndim", 2) > 2 else None
    shape = estimator.tensor_shape if reset else estimator.tensor_shape_
    if reset and shape is not None:
        shape = tuple(shape)
        if not shape or not all(isinstance(size, Integral) and size > 0 for size in shape):
            raise ValueError(
                f"tensor_shape={estimator.tensor_shape!r}; it must be None or the sizes of the "
                "modes of a row, positive integers."
            )
        shape = tuple(int(size) for size in shape)
    if folded is not None:
        if shape is not None and folded != shape:
            raise ValueError(f"X has rows of shape {folded}, and tensor_shape is {shape}.")
        shape, X = folded, X.reshape(len(X), -1)
    X = validate_data(estimator, X, dtype=FLOATS, order="C", reset=reset, **checks)
    if shape is None:
        shape = (X.shape[1],)
    elif prod(shape) != X.shape[1]:
        raise ValueError(
            f"tensor_shape={shape} has {prod(shape)} elements, X has {X.shape[1]} features."
        )
    if reset:
        estimator.tensor_shape_ = shape
    return X.reshape(len(X), *shape)


def squared_norm(X):
    """Return the sum of squares, in float64."""
    flat = X.reshape(-1)
    if X.dtype == np.float64:
        return float(flat @ flat)
    blocks = (flat[i : i + BLOCK].astype(np.float64) for i in range(0, len(flat), BLOCK))
    return float(sum(block @ block for block in blocks))


def in_safe_range(X):
    """Return X, or a copy divided by a power of two where squares are too large or too small.

    Returns
    -------
    X : ndarray
        The tensor.
    norm2 : float
        Its squared norm.
    unit : float
        The divisor.
    """
    with np.errstate(over="ignore"):
        norm2 = squared_norm(X)
    least, most = SAFE[X.dtype]
    if least < norm2 < most or not X.any():
        return X, norm2, 1.0
    exponent = frexp(float(max(X.max(), -X.min())))[1]
    X = np.ldexp(X, -exponent)
    return X, squared_norm(X), ldexp(1.0, exponent)
