"""Alternating least squares on the entries of an incomplete tensor.

The rows of factor n minimise, one by one and exactly,

    sum_e w_e (y_e - <z_e, a_i>)^2 + alpha |a_i|^2

over the entries e of slice i, z_e the product of the rows of the other factors. No value stands in
for what is missing, so that the rate does not depend on how much is. The objective after a sweep
is |y|^2 less what the rows of the last mode explain.

A start has random factors in the spaces of the leading eigenvectors of M M' less its diagonal, M
the sparse unfolding of the entries along the mode: what is missing only adds noise to these, all
of it on the diagonal that is left out [1]_.

.. [1] A. Montanari, N. Sun, "Spectral algorithms for tensor completion", Communications on Pure
   and Applied Mathematics 71(11), 2018, arXiv:1612.07866.
"""

from math import sqrt

import numpy as np
from scipy.sparse import csr_array

from skstruct.tensor._entries import other_factors, pad, row_update, sort_by_mode, values

EXPLICIT = 1e-12  # squared relative error below which the difference of squares is only rounding
INNER_PASSES = 5  # of coordinate descent, or until one changes little beside the first
INNER_TOL = 0.01
SPREAD = 0.1  # of what a start has outside these spaces
WIDE = 4  # columns of an unfolding for an entry, above which empty ones are left out
POWERS = 8  # of the unfolding's Gram matrix, that bring out its leading eigenvectors, at most
STEADY = 0.05  # relative change of the sum of its leading eigenvalues that is little


def unfold(ptr, index, y, sizes):
    """Return the sparse unfolding along a mode from its sorted entries.

    `index` are their slices of the other modes, which have these sizes.
    """
    columns, width = np.zeros(len(y), np.int64), 1
    for n, size in enumerate(sizes):
        columns, width = columns * size + index[:, n], width * size
        if width > WIDE * len(y):
            names, columns = np.unique(columns, return_inverse=True)
            width = len(names)
    M = csr_array((y, columns, ptr), shape=(len(ptr) - 1, width), copy=True)
    M.sum_duplicates()
    return M


def leading_space(M, rank, random_state, *, with_diagonal=False):
    """Return orthonormal columns near the leading eigenvectors of M M', less its diagonal."""
    Q = random_state.standard_normal((M.shape[0], min(2 * rank, M.shape[0])))
    diagonal = 0.0 if with_diagonal else (M * M).sum(axis=1)[:, None]
    size = 0.0
    for _ in range(POWERS):
        Q, R = np.linalg.qr(M @ (M.T @ Q) - diagonal * Q)
        last, size = size, np.abs(np.diag(R)[:rank]).sum()
        if abs(size - last) <= STEADY * size:
            break
    _, V = np.linalg.eigh(Q.T @ (M @ (M.T @ Q) - diagonal * Q))
    return Q @ V[:, -rank:]


class EntrySweeps:
    """Sweeps over the factors of entries; call it with padded factors.

    Parameters
    ----------
    index : ndarray of shape (n_entries, n_modes), int32
    y : ndarray of shape (n_entries,)
    weight : ndarray of shape (n_entries,) or None
    sizes : sequence of int
        Numbers of slices of the modes.
    rank : int
    alpha : float
        Ridge of each row.
    nonnegative : bool
    """

    def __init__(self, index, y, weight, sizes, rank, *, alpha, nonnegative):
        self.index, self.y, self.weight = index, y, weight
        self.sizes, self.rank, self.alpha = sizes, rank, alpha
        self.n_passes = INNER_PASSES if nonnegative else 0
        self.modes = [
            (m.ptr, m.index, y[m.order], None if weight is None else weight[m.order])
            for m in sort_by_mode(index, sizes)
        ]
        self._spaces = [None] * len(sizes)
        self.total = float(y @ y if weight is None else weight @ (y * y))

    def start(self, random_state):
        """Return random factors whose tensor has entries of variance 1, padded."""
        factors = []
        for k, size in enumerate(self.sizes):
            Q = self._leading_space(k, random_state)
            turn, _ = np.linalg.qr(random_state.standard_normal((self.rank, self.rank)))
            A = SPREAD * random_state.standard_normal((size, self.rank))
            A += sqrt(size) * Q @ turn[: Q.shape[1]]
            A *= self.rank ** (-1 / (2 * len(self.sizes)))
            factors.append(pad(np.abs(A) if self.n_passes else A))
        return factors

    def _leading_space(self, k, random_state):
        if self._spaces[k] is None:
            ptr, index, y, weight = self.modes[k]
            others = [size for n, size in enumerate(self.sizes) if n != k]
            M = unfold(ptr, index, y if weight is None else weight / weight.max() * y, others)
            self._spaces[k] = leading_space(M, self.rank, random_state)
        return self._spaces[k]

    def update(self, k, factors):
        """Improve factor k in place; return what of |y|^2 it explains, row by row."""
        out = factors[k]
        stride = out.shape[1]
        explained = np.empty(len(out))
        row_update(
            out, *self.modes[k], other_factors(factors, k, self.rank), 1.0,
            self.alpha * np.eye(stride), np.zeros((1, stride)), None, explained, self.rank, 0,
            len(out), n_passes=self.n_passes, tol=INNER_TOL,
        )  # fmt: skip
        return explained

    def __call__(self, factors):
        """Sweep once in place, and return the square root of the objective over that of zeros."""
        if self.total == 0:
            for A in factors:
                A[:] = 0
            return 0.0
        for k in range(len(factors)):
            explained = self.update(k, factors)
        rest = self.total - explained.sum()
        if rest < EXPLICIT * self.total:
            residual = self.y - values(self.index, factors)
            squares = residual * residual
            rest = squares.sum() if self.weight is None else self.weight @ squares
        ridge = self.alpha * sum(np.vdot(A, A) for A in factors)
        return sqrt((rest + ridge) / self.total)
