"""Rows in terms of fixed components, and back, without the components as a table.

A component is the outer product of a column of each of the factors 1, .., N-1. The scores a of a
row x of X minimise |x - sum_r a_r component_r|^2 + sum_r ridge_r a_r^2 over the elements that are
given: all of them, those of a sparse row, or those that are not NaN.
"""

from math import prod

import numpy as np

from skstruct.tensor._cp_sweeps import BLOCK, hadamard_gram, khatri_rao
from skstruct.tensor._cp_sweeps_fast import component_sums, least_squares, nonnegative_rows
from skstruct.tensor._entries import pad, row_update
from skstruct.tensor._modes import in_safe_range

PASSES, TOL = 1000, 1e-9  # of coordinate descent


def halves(factors, rank):
    """Return the Khatri-Rao products of two groups of modes, of about the same length."""
    sizes = [len(A) for A in factors]
    h = min(range(len(sizes)), key=lambda h: max(prod(sizes[:h]), prod(sizes[h:])))
    return khatri_rao(factors[:h], rank), khatri_rao(factors[h:], rank)


def blocks(n_rows, n_features):
    """Yield slices of rows of about a million elements."""
    step = max(1, BLOCK // n_features)
    for first in range(0, n_rows, step):
        yield slice(first, first + step)


def cross_products(X, left, right):
    """Return the inner products of dense rows with the components, in float64."""
    rank = right.shape[1]
    T = right.T.astype(X.dtype, order="C") @ X.reshape(-1, len(right)).T
    M = np.zeros((len(X), rank))
    component_sums(
        T.reshape(rank, 1, len(X), len(left)), np.ones((rank, 1)),
        np.ascontiguousarray(left.T), M,
    )  # fmt: skip
    return M


def inner_products(X, mean, factors, rank):
    """Return the inner products of whole rows less the mean with the components, in float64.

    X is a table, dense or CSR, and `factors` those of the modes 1, .., N-1, in float64.
    """
    left, right = halves(factors, rank)
    if isinstance(X, np.ndarray):
        M = np.empty((len(X), rank))
        for rows in blocks(*X.shape):
            M[rows] = cross_products(X[rows], left, right)
    else:
        M = np.asarray(X @ (left[:, None] * right).reshape(-1, rank), dtype=np.float64)
    return M - mean * left.sum(axis=0) * right.sum(axis=0) if mean else M


def project(M, factors, ridge, *, nonnegative):
    """Return the scores of whole rows from their inner products with the components."""
    G = hadamard_gram(factors, len(ridge)) + np.diag(ridge)
    if not nonnegative:
        A = M.copy()
        least_squares(G, A)
        return A
    M, _, unit = in_safe_range(M)
    A = np.zeros_like(M)
    nonnegative_rows(G, M, A, PASSES, TOL)
    return A * unit


def project_observed(X, mean, factors, ridge, *, nonnegative):
    """Return the scores of rows less the mean, from their elements that are not NaN.

    X is dense, of shape (n_samples, I_1, ..., I_{N-1}).
    """
    rank = len(ridge)
    padded = [pad(A) for A in factors]
    precision = np.diag(np.pad(ridge, (0, padded[0].shape[1] - rank)))
    out = np.zeros((len(X), len(precision)))
    shift = np.zeros((1, len(precision)))
    for rows in blocks(len(X), X[0].size):
        part = X[rows]
        known = ~np.isnan(part)
        y, _, unit = in_safe_range(np.append(part[known].astype(np.float64) - mean, 0.0))
        counts = known.reshape(len(part), -1).sum(axis=1)
        ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        index = np.stack(np.nonzero(known)[1:], axis=1).astype(np.int32)
        found = np.zeros((len(part), len(precision)))
        row_update(
            found, ptr, np.ascontiguousarray(index), y, None, padded, 1.0, precision, shift, None,
            np.empty(len(part)), rank, 0, len(part), n_passes=PASSES if nonnegative else 0,
            tol=TOL,
        )  # fmt: skip
        out[rows] = found * unit
    return out[:, :rank]


def reconstruct(A, factors, mean, dtype):
    """Return the rows that have the scores A."""
    left, right = halves(factors, A.shape[1])
    X = np.empty((len(A), len(left) * len(right)), dtype)
    for rows in blocks(*X.shape):
        scores = (A[rows, None, :] * left).reshape(-1, A.shape[1])
        X[rows] = (scores @ right.T).reshape(-1, X.shape[1]) + mean
    return X


def residual(X, known, unit, mean, A, factors):
    """Return the sums of squares of X / unit less its reconstruction, and less the mean.

    X is a dense tensor, of which `known` tells what counts, None that all does.
    """
    rest = total = 0.0
    for rows in blocks(len(X), X[0].size):
        part = X[rows].reshape(-1, X[0].size).astype(np.float64) / unit
        difference = part - reconstruct(A[rows], factors, mean, np.float64)
        if known is not None:
            given = known[rows].reshape(part.shape)
            part, difference = part[given], difference[given]
        part = part - mean
        rest += float(np.vdot(difference, difference))
        total += float(np.vdot(part, part))
    return rest, total


def whole_residual(X, norm2, mean, M, A, factors):
    """Return what `residual` does of a whole table, dense or CSR, from its inner products M.

    Where almost nothing is left, the first one is rounding.
    """
    total = norm2 - mean * (2 * float(X.sum()) - mean * prod(X.shape)) if mean else norm2
    rest = total - 2 * np.vdot(M, A) + np.vdot(hadamard_gram(factors, A.shape[1]), A.T @ A)
    return max(0.0, float(rest)), total
