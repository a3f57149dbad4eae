"""Conjugate gradients with symmetric over-relaxation as preconditioner, by Eisenstat's trick.

With D the diagonal of A and L its strict lower triangle, the preconditioner is
M = omega / (2 - omega) (D / omega + L) D^-1 (D / omega + L'). Its factors also split A, so that
a solve with each of them is at once the preconditioner and the product with A:

    C = omega D^-1/2 A D^-1/2,  T = I + omega D^-1/2 L D^-1/2,  C = T + T' - (2 - omega) I
    r = T^-1 e,  e = omega D^-1/2 (b - A x)
    t = T^-T p;  q = T^-1 (p - (2 - omega) t);  w = q + t             # w = T^-1 C T^-T p
    a = r'r / p'w;  x += a D^-1/2 t;  r -= a w;  e -= a T w           # T w = C t
    p = r + beta p

T w is found in the pass over L that solves for q, so that the true residual, for the stop, costs
no pass of its own (`_sor_fast.pyx`).
"""

import warnings

import numpy as np
from scipy.linalg import norm
from sklearn.exceptions import ConvergenceWarning

from skstruct.linalg._sor_fast import conjugate_gradients, triangle
from skstruct.linalg._system import check_system


def ssor_cg(A, b, omega=1.0, *, x0=None, tol=1e-8, maxiter=10_000):
    """Solve ``A x = b`` by conjugate gradients preconditioned by SSOR.

    Parameters
    ----------
    A : {sparse matrix, sparse array, array-like} of shape (n, n)
        The matrix, symmetric positive definite. CSR with sorted indices and float64 is used as it
        is, all else is converted.
    b : array-like of shape (n,)
        The right-hand side.
    omega : float, default=1.0
        Relaxation of the preconditioner, in (0, 2).
    x0 : array-like of shape (n,), default=None
        Where to start; None is zeros.
    tol : float, default=1e-8
        Stop at the first iteration with ``norm(b - A x) <= tol * norm(b)``.
    maxiter : int, default=10000
        Largest number of iterations.

    Returns
    -------
    x : ndarray of shape (n,), dtype=float64
        The solution.
    n_iter : int
        Number of iterations; 0 if `x0` is good enough.

    Raises
    ------
    ValueError
        If `omega` is not in (0, 2), the diagonal is not positive, `A` is found not to be positive
        definite, shapes do not fit or values are complex or not finite.

    Warns
    -----
    ConvergenceWarning
        If `maxiter` iterations did not suffice, as when `A` is not symmetric, or if rounding left
        no direction to go on with, as when `tol` is 0.

    See Also
    --------
    sor : Plain sweeps, for matrices that are not symmetric.
    scipy.sparse.linalg.cg : Conjugate gradients with any preconditioner.
    skstruct.bandits.RelaxationBandit : Learns `omega` over a stream of systems.

    Notes
    -----
    An iteration takes O(nnz) time, as much as a product with `A`: each entry off the diagonal is
    read once, for the preconditioner, the product and the residual together. Memory is that of
    another `A` and a dozen vectors.

    The residual is the one that conjugate gradients update; for `tol` near the rounding errors of
    `A x` it is smaller than the true one.

    References
    ----------
    S. C. Eisenstat. Efficient implementation of a class of preconditioned conjugate gradient
    methods. SIAM Journal on Scientific and Statistical Computing, 1981.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from skstruct.linalg import ssor_cg
    >>> line = sparse.diags_array([-1.0, 2.01, -1.0], offsets=[-1, 0, 1], shape=(100, 100))
    >>> A = sparse.kronsum(line, line)  # a square of 100 x 100
    >>> b = np.random.default_rng(0).normal(size=10_000)
    >>> ssor_cg(A, b)[1], ssor_cg(A, b, omega=1.7)[1]
    (58, 26)
    """
    A, b, x, d, middle = check_system(A, b, omega, x0, tol, maxiter)
    if not (d > 0).all():
        row = int(np.argmin(d))
        raise ValueError(f"A must have a positive diagonal, got {d[row]} in row {row}.")
    unit = norm(b)
    if unit == 0:
        return np.zeros_like(b), 0
    root = np.sqrt(d)
    side = 1 / root
    lower = triangle(A.indptr[:-1], middle - 1, A.indices, A.data, omega * side, side)
    upper = triangle(middle, A.indptr[1:], A.indices, A.data, omega * side, side)
    e = (omega / unit) * side * (b if x0 is None else b - A @ x)
    x *= root / unit
    n_iter, converged, curvature = conjugate_gradients(
        lower, upper, omega, root / omega, x, e, tol, maxiter
    )
    x *= side * unit
    if not curvature >= 0:
        raise ValueError(
            "A must be positive definite: in iteration "
            f"{n_iter + 1} a direction p was found with a p'Ap that is negative or NaN."
        )
    if not converged:
        warnings.warn(
            f"ssor_cg did not reach tol={tol} in {n_iter} iterations (maxiter={maxiter}) with "
            f"omega={omega}.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return x, n_iter
