"""Penalised least squares of a Tucker form in Chebyshev polynomials to scattered points.

    sum_n weight_n (y_n - G x_k C_k' T(x_nk))^2 + alpha |G|^2,    C_k' W_k C_k = I,
    W_k = diag (1 + i)^(2 smoothness)

Given that normalisation, the penalty is alpha times the W-weighted norm of the whole coefficient
tensor, so that all block steps lower one and the same objective:

core     ridge regression of y on the products of u^k = C_k' T(x_k)
C_k      ridge regression on T(x_k) (x) h, h the core contracted with the other u, with penalty
         alpha W_k (x) G_(k) G_(k)'; then W_k^(1/2) C_k = Q R, and R goes into the core
"""

from math import prod

import numpy as np
from scipy.linalg import cho_factor, cho_solve, qr

from skstruct.tensor._chebyshev import fitting_rank
from skstruct.tensor._chebyshev_tucker_fast import normal_equations
from skstruct.tensor._modes import mode_gram, ttm

AUTO_RANK, AUTO_CORE = 3, 1024  # rank of "auto", and elements of the core that it keeps within
MAX_CORE = 4096
TOL = 1e-6  # relative decrease of the objective at which the sweeps stop


def standardized(y, weight):
    """Return (y - mean) / scale, of mean 0 and, unless y is constant, variance 1; mean; scale."""
    unit = 2.0 ** (int(np.frexp(np.abs(y).max())[1]) - 1)  # squares shall be numbers
    y = y / unit
    mean = float(np.average(y, weights=weight))
    y -= mean
    scale = float(np.sqrt(np.average(y**2, weights=weight))) or 1.0
    return y / scale, unit * mean, unit * scale


def scattered_rank(rank, sizes):
    """Return the ranks for modes of given sizes, after checks; for "auto" what is moderate."""
    if rank == "auto":
        rank = next(r for r in range(AUTO_RANK, 0, -1) if r ** len(sizes) <= AUTO_CORE)
    found = fitting_rank(rank, sizes)
    if prod(found) > MAX_CORE:
        raise ValueError(
            f"rank={rank!r} makes a core of {prod(found)} elements for {len(sizes)} features; fit "
            f"allows {MAX_CORE}."
        )
    return found


def scattered_fit(X, y, weight, n, rank, *, alpha, smoothness, max_iter, random_state):
    """Fit a Tucker form to values at points.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Points of [-1, 1]^d, float64 in C order.
    y : ndarray of shape (n_samples,)
        Values, of mean 0 and variance 1.
    weight : ndarray of shape (n_samples,)
        Their weights, positive.
    n, rank : tuple of int
        Numbers of polynomials and ranks of the modes.
    alpha, smoothness : float
        See above.
    max_iter : int
        Number of sweeps at most.
    random_state : RandomState instance
        Perturbs the first factors.

    Returns
    -------
    core : ndarray of shape rank
    factors : list of ndarray of shape (n_k, R_k)
    objectives : list of float
        After each update of the core.
    converged : bool
        Whether the last sweep lowered the objective by little.
    """
    d = len(n)
    penalties = [np.arange(1.0, size + 1) ** (2 * smoothness) for size in n]
    factors = []
    for size, R, penalty in zip(n, rank, penalties, strict=True):
        start = random_state.standard_normal((size, R)) / np.arange(1, size + 1)[:, None]
        factors.append(_normalized(np.eye(size, R) + 0.1 * start, penalty)[0])
    core = np.zeros(rank)
    total, objectives = float(weight @ y**2), []
    for _ in range(max_iter):
        A, b = _equations(X, y, weight, core, factors, range(d), of_core=True)
        A[np.diag_indices_from(A)] += alpha
        solution = _solve(A, b)
        core = solution.reshape(rank)
        objectives.append(total - float(b @ solution))
        if len(objectives) > 1 and objectives[-2] - objectives[-1] <= TOL * objectives[-2]:
            return core, factors, objectives, True
        for k in range(d):
            modes = [k, *(j for j in range(d) if j != k)]
            A, b = _equations(X, y, weight, core, factors, modes, of_core=False)
            cross = alpha * mode_gram(core, k)
            blocks = A.reshape(n[k], rank[k], n[k], rank[k])
            i = np.arange(n[k])
            blocks[i, :, i, :] += penalties[k][:, None, None] * cross
            solution = _solve(A, b).reshape(n[k], rank[k])
            factors[k], R = _normalized(solution, penalties[k])
            core = ttm(core, R, k)
    return core, factors, objectives, False


def _normalized(C, penalty):
    """Return C R^-1 with orthonormal columns in the metric of the penalty, and R."""
    root = np.sqrt(penalty)[:, None]
    Q, R = qr(root * C, mode="economic", check_finite=False)
    return np.ascontiguousarray(Q) / root, np.ascontiguousarray(R)


def _equations(X, y, weight, core, factors, modes, *, of_core):
    """Return the normal equations, the matrix in its lower triangle, of the first of the modes."""
    n = np.array([len(factors[k]) for k in modes])
    rank = np.array([core.shape[k] for k in modes])
    size = core.size if of_core else n[0] * rank[0]
    A, b = np.empty((size, size)), np.empty(size)
    flat = np.concatenate([factors[k].ravel() for k in modes])
    turned = np.ascontiguousarray(core.transpose(list(modes))).ravel()
    columns = np.array(modes, dtype=np.int64)
    normal_equations(X, columns, y, weight, flat, n, rank, turned, of_core, A, b)
    return A, b


def _solve(A, b):
    """Return the solution of positive semidefinite equations, of which A is overwritten."""
    A[np.diag_indices_from(A)] += 1e-10 + 1e-12 * A.diagonal().max()
    factor = cho_factor(A, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, b, check_finite=False)
