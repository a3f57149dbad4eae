"""Successive over-relaxation.

A sweep moves each unknown to (1 - omega) times its value and omega times what solves its row:
x_i <- (1 - omega) x_i + omega (b_i - sum_{j != i} a_ij x_j) / a_ii, in order and in place.
Rows are divided by a_ii / omega once (`_sor_fast.pyx`).
"""

import warnings

import numpy as np
from scipy.linalg import norm
from sklearn.exceptions import ConvergenceWarning

from skstruct.linalg._sor_fast import relax, triangle
from skstruct.linalg._system import check_system


def sor(A, b, omega=1.0, *, x0=None, tol=1e-8, maxiter=10_000):
    """Solve ``A x = b`` by successive over-relaxation.

    Converges for every `omega` if `A` is symmetric positive definite, and for `omega` up to 1 if
    it is strictly diagonally dominant.

    Parameters
    ----------
    A : {sparse matrix, sparse array, array-like} of shape (n, n)
        The matrix, without zeros on the diagonal. CSR with sorted indices and float64 is used as
        it is, all else is converted.
    b : array-like of shape (n,)
        The right-hand side.
    omega : float, default=1.0
        Relaxation, in (0, 2). 1 is the method of Gauss and Seidel.
    x0 : array-like of shape (n,), default=None
        Where to start; None is zeros.
    tol : float, default=1e-8
        Stop after the first sweep with ``norm(b - A x) <= tol * norm(b - A x0)``.
    maxiter : int, default=10000
        Largest number of sweeps.

    Returns
    -------
    x : ndarray of shape (n,), dtype=float64
        The solution.
    n_iter : int
        Number of sweeps; 0 if `x0` solves the system exactly.

    Raises
    ------
    ValueError
        If `omega` is not in (0, 2), the diagonal has a zero, shapes do not fit or values are
        complex or not finite.

    Warns
    -----
    ConvergenceWarning
        If `maxiter` sweeps did not suffice.

    See Also
    --------
    ssor_cg : Conjugate gradients with sweeps in both directions as preconditioner.
    skstruct.bandits.RelaxationBandit : Learns `omega` over a stream of systems.

    Notes
    -----
    A sweep takes O(nnz) time, as much as a product with `A`, and its residual nothing more. Memory
    is that of another `A` and eight vectors.

    References
    ----------
    D. M. Young. Iterative methods for solving partial difference equations of elliptic type.
    Transactions of the American Mathematical Society, 1954.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from skstruct.linalg import sor
    >>> A = sparse.diags_array([-1.0, 2.01, -1.0], offsets=[-1, 0, 1], shape=(100, 100))
    >>> sor(A, np.ones(100))[1], sor(A, np.ones(100), omega=1.8)[1]
    (1677, 152)
    """
    A, b, x, d, middle = check_system(A, b, omega, x0, tol, maxiter)
    if not d.all():
        row = int(np.argmin(np.abs(d)))
        raise ValueError(f"A must have no zeros on its diagonal, got one in row {row}.")
    start = norm(b - A @ x)
    if start == 0:
        return x, 0
    left, one = omega / d, np.ones_like(d)
    lower = triangle(A.indptr[:-1], middle - 1, A.indices, A.data, left, one)
    upper = triangle(middle, A.indptr[1:], A.indices, A.data, left, one)
    n_iter, converged = relax(lower, upper, omega, left * b, 1 / (left * start), x, tol, maxiter)
    if not converged:
        warnings.warn(
            f"sor did not reach tol={tol} in maxiter={maxiter} sweeps with omega={omega}.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return x, n_iter
