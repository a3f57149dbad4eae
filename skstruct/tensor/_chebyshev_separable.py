"""Chebyshev coefficients of a sum of products of functions of one variable, in Tucker form.

    f(x) = sum_t prod_k phi^k_t(x_k)

The coefficients A_k of the phi^k, n_k x T, are those of one variable each, and the tensor of all
is sum_t (x)_k A_k[:, t]: canonical, and never formed. A_k = Q_k B_k, by its singular values and
without those that vanish in rounding, leaves sum_t (x)_k B_k[:, t], of sizes that are at most T
whatever the degrees: a core that is small enough to be truncated as any other.
"""

from math import prod

import numpy as np
from scipy.fft import dct

from skstruct.tensor._chebyshev import FIRST_DEGREE, MAX_VALUES, nodes


def separable_coefficients(functions, center, half, degree, *, tol, max_degree):
    """Return the coefficients of the functions of each variable.

    Parameters
    ----------
    functions : list of callable
        For each variable, a function of an array of shape (m,) with values of shape (m, T).
    center, half : ndarray of shape (n_features,)
        The box.
    degree : tuple of int or None
        Degrees; None doubles them until the last coefficients are small.
    tol : float
        What is small, relative to the largest coefficient of the variable.
    max_degree : int
        Where the doubling ends.

    Returns
    -------
    coefficients : list of ndarray of shape (n_k, T)
    n_evaluations : int
        Number of points at which functions of one variable were evaluated.
    short : list of int
        Variables for which `max_degree` is not enough.
    """
    found, short, n_evaluations = [], [], 0
    for k, function in enumerate(functions):
        m = min(FIRST_DEGREE, max_degree) if degree is None else degree[k]
        while True:
            values = np.asarray(function(center[k] + half[k] * nodes(m + 1)), dtype=np.float64)
            n_terms = found[0].shape[1] if found else values.shape[-1]
            if values.shape != (m + 1, n_terms) or not np.isfinite(values).all():
                raise ValueError(
                    f"functions[{k}] gave an array of shape {values.shape} for {m + 1} points; it "
                    f"must give finite numbers in a column for each of {n_terms} terms."
                )
            n_evaluations += m + 1
            A = dct(values, type=2, axis=0) / (m + 1)
            A[0] *= 0.5
            last = np.abs(A[-max(2, (m + 1) // 8) :]).max(axis=0)
            enough = (last <= tol * np.abs(A).max(axis=0)).all()
            if degree is not None or enough:
                break
            if m == max_degree:
                short.append(k)
                break
            m = min(2 * m, max_degree)
        found.append(A)
    return found, n_evaluations, short


def orthogonalized(coefficients):
    """Return a core and orthonormal factors of the sum of the products of columns."""
    factors, sides = [], []
    for A in coefficients:
        scale = np.maximum(np.linalg.norm(A, axis=0), np.finfo(float).tiny)
        U, s, V = np.linalg.svd(A / scale, full_matrices=False)
        kept = max(1, int((s > s[0] * len(s) * np.finfo(float).eps).sum()))
        factors.append(np.ascontiguousarray(U[:, :kept]))
        sides.append(s[:kept, None] * V[:kept] * scale)
    sizes = [len(B) for B in sides]
    if prod(sizes) > MAX_VALUES:
        raise ValueError(
            f"The functions of the features span {sizes} dimensions, of which the product may be "
            f"{MAX_VALUES} at most. Take fewer terms."
        )
    core = np.ones((1, coefficients[0].shape[1]))
    for B in sides[:-1]:
        core = (core[:, None] * B).reshape(-1, core.shape[1])
    return (core @ sides[-1].T).reshape(sizes), factors
