"""Alternating least squares on a tensor all of whose elements are given, dense or sparse.

Factor n of X ~ sum_r a_r o b_r o c_r ... solves A_n G_n = M_n, where

    G_n = product over m != n of A_m' A_m, elementwise       (R x R)
    M_n = unfolding of X along n @ Khatri-Rao product of the other factors

Dense: the modes are split in two halves of about the same size. T = X as a matrix (left x right)
@ the Khatri-Rao product of the right half, of shape (I_0, ..., I_{h-1}, R), gives all M_n of the
left half by sums over the current factors; X' then serves the right half. That is two products
with the whole tensor for a sweep, whatever the number of modes [1]_.

Sparse: M_n is a sum over the entries.

The error comes with the last M: |X|^2 - 2 <M, A> + <G, A'A>.

.. [1] A.-H. Phan, P. Tichavsky, A. Cichocki, "Fast alternating LS algorithms for high order
   CANDECOMP/PARAFAC tensor factorizations", IEEE Transactions on Signal Processing 61(19), 2013.
"""

from math import prod, sqrt

import numpy as np

from skstruct.tensor._cp_sweeps_fast import (
    dense_sweep,
    entry_sums,
    least_squares,
    nonnegative_rows,
)
from skstruct.tensor._entries import other_factors, sort_by_mode, values

EXPLICIT = 1e-12  # squared relative error below which the difference of squares is only rounding
INNER_PASSES = 5  # of coordinate descent, or until one changes little beside the first
INNER_TOL = 0.01
BLOCK = 1_000_000  # elements of the residual at a time


def khatri_rao(factors, rank):
    """Return the products of rows of all factors, the last index fastest; (1, rank) for none."""
    K = np.ones((1, rank))
    for A in factors:
        K = (K[:, None, :] * A).reshape(-1, rank)
    return K


def hadamard_gram(factors, rank):
    """Return the elementwise product of the Gram matrices of the columns."""
    G = np.ones((rank, rank))
    for A in factors:
        G *= A.T @ A
    return G


class _Sweeps:
    """What dense and sparse sweeps share; call it with factors, in float64 and C order."""

    def __init__(self, shape, rank, *, ridge, nonnegative, norm2):
        self.shape, self.rank, self.ridge, self.norm2 = shape, rank, ridge, norm2
        self.n_passes = INNER_PASSES if nonnegative else 0

    def __call__(self, factors):
        """Improve all factors, and return the root of the objective over the norm of the tensor.

        The squares of the residual are at hand after the last factor.
        """
        squares = self.norm2 - self.improve(factors)
        if squares < EXPLICIT * self.norm2:
            squares = self.residual2(factors)
        ridge = self.ridge * sum(np.vdot(A, A) for A in factors) if self.ridge else 0.0
        return sqrt((squares + ridge) / self.norm2)


class DenseSweeps(_Sweeps):
    """Sweeps over a dense tensor of float32 or float64, in C order."""

    def __init__(self, X, rank, **options):
        super().__init__(X.shape, rank, **options)
        self.half = min(range(1, X.ndim), key=lambda h: max(prod(X.shape[:h]), prod(X.shape[h:])))
        self.matrix = X.reshape(prod(X.shape[: self.half]), -1)

    def improve(self, factors):
        return dense_sweep(self.matrix, factors, self.half, self.ridge, self.n_passes, INNER_TOL)

    def residual2(self, factors):
        """Return the squared norm of the residual, from blocks of it."""
        left = khatri_rao(factors[: self.half], self.rank)
        right = khatri_rao(factors[self.half :], self.rank).T
        step, total = max(1, BLOCK // right.shape[1]), 0.0
        for first in range(0, len(left), step):
            rest = self.matrix[first : first + step] - left[first : first + step] @ right
            total += float(np.vdot(rest, rest))
        return total


class SparseSweeps(_Sweeps):
    """Sweeps over a tensor that is 0 but for entries, each named once."""

    def __init__(self, index, y, shape, rank, **options):
        super().__init__(shape, rank, **options)
        self.index, self.y = index, y
        self.modes = [(m.ptr, m.index, y[m.order]) for m in sort_by_mode(index, shape)]

    def improve(self, factors):
        for n, A in enumerate(factors):
            M = np.empty_like(A)
            entry_sums(*self.modes[n], other_factors(factors, n, self.rank), M)
            G = hadamard_gram(factors[:n] + factors[n + 1 :], self.rank)
            ridged = G + self.ridge * np.eye(self.rank)
            if self.n_passes:
                nonnegative_rows(ridged, M, A, self.n_passes, INNER_TOL)
                # Without any norm a component could never come back.
                A[:, ~A.any(axis=0)] = np.finfo(float).eps
            else:
                A[:] = M
                least_squares(ridged, A)
        return 2 * np.vdot(M, A) - np.vdot(G, A.T @ A)

    def residual2(self, factors):
        """Return the squared norm of the residual."""
        fit = values(self.index, factors)
        rest = self.y - fit
        everywhere = hadamard_gram(factors, self.rank).sum()
        return float(rest @ rest + max(0.0, everywhere - fit @ fit))
