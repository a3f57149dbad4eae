"""Tucker decomposition of a given shape: sequential truncation, then alternating projections.

X ~ C x_0 U_0 ... x_{N-1} U_{N-1} with orthonormal U_n ("factors") of shape (I_n, R_n); the core
C = X x_n U_n' is the best for given factors, and |X|^2 - |C|^2 the squared error.

start       modes 1, 2, ... in the order of R_n / I_n: U_n = the leading left singular vectors of
            the unfolding of what the modes before have left (ST-HOSVD); mode 0 comes last, since
            samples are usually many and then see a small tensor
alternate   U_n = the same of X x_m U_m' over all other m (HOOI), which never raises the error

Leading vectors are those of the Gram matrix of the shorter side, in float64. A long mode that is
cut to a small part is sketched instead: a random subspace, twice multiplied with the unfolding
and its transpose.

A sweep of HOOI contracts the second half of the modes once for all of the first half, and vice
versa: two products with the whole tensor, whatever N. It ends with mode 0, so that the rows of
the core are orthogonal and the coordinates of the samples are at hand.
"""

from math import prod

import numpy as np
from scipy.linalg import qr

from skstruct.tensor._modes import mode_gram, mode_inner, multi_ttm, squared_norm, ttm

SPARE = 5  # columns beyond the rank that the compressed tensor keeps
BLOCK = 1_000_000  # elements of rows that are reconstructed at a time
INNER_TOL, INNER_SWEEPS = 1e-7, 50
SKETCH_FROM, SKETCH_SHARE, SKETCH_SPARE = 400, 8, 10


def leading(G, rank):
    """Return the eigenvectors of a Gram matrix with the largest eigenvalues, and these."""
    squares, vectors = np.linalg.eigh(G)
    down = slice(None, -rank - 1, -1)
    return np.ascontiguousarray(vectors[:, down]), np.maximum(squares[down], 0.0)


def tall(X, n):
    """Return whether mode n is longer than all the others are together."""
    return X.shape[n] > X.size // X.shape[n]


def as_rows(X, n):
    """Return the unfolding of a tall mode, and the axis along which the other modes are.

    It is a view but for a mode in the middle, where tall ones are rare.
    """
    if n == 0:
        return X.reshape(len(X), -1), 1
    return np.ascontiguousarray(np.moveaxis(X, n, -1)).reshape(-1, X.shape[n]), 0


def spectrum(X, n, rank=None):
    """Return singular vectors of the shorter side of an unfolding, and squared singular values.

    Parameters
    ----------
    X : ndarray of shape (I_0, ..., I_{N-1})
        The tensor.
    n : int
        The mode.
    rank : int, default=None
        How many, at most the length of the shorter side; None for all.

    Returns
    -------
    W : ndarray of shape (length, rank)
        Columns in order of decreasing singular value, in float64.
    squares : ndarray of shape (rank,)
        The squared singular values.
    """
    rank = min(X.shape[n], X.size // X.shape[n]) if rank is None else rank
    return leading(mode_gram(*as_rows(X, n)) if tall(X, n) else mode_gram(X, n), rank)


def vectors_of(X, n, W):
    """Return the left singular vectors of an unfolding for what `spectrum` gave."""
    if not tall(X, n):
        return W
    rows, axis = as_rows(X, n)
    P = ttm(rows, W.T.astype(X.dtype, copy=False), axis).astype(np.float64, copy=False)
    U, R = qr(P if axis == 1 else P.T, mode="economic", check_finite=False)
    return U * np.where(np.diag(R) < 0, -1.0, 1.0)


def singular(X, n, rank):
    """Return leading left singular vectors of an unfolding, of the dtype of X."""
    W, _ = spectrum(X, n, rank)
    return vectors_of(X, n, W).astype(X.dtype, copy=False)


def sketched(X, n, rank, random_state):
    """Return what `singular` does, from a random subspace."""
    U = random_state.standard_normal((X.shape[n], rank + SKETCH_SPARE))
    for _ in range(2):
        U = orthonormal(U).astype(X.dtype, copy=False)
        U = mode_inner(X, ttm(X, U.T, n), n)
    U = orthonormal(U)
    inside, _ = leading(mode_gram(ttm(X, U.T.astype(X.dtype, copy=False), n), n), rank)
    return (U @ inside).astype(X.dtype, copy=False)


def orthonormal(U):
    """Return an orthonormal basis of what the columns span."""
    return qr(U, mode="economic", check_finite=False)[0]


def sequential(X, rank, *, sketch, random_state):
    """Return factors of the sequentially truncated HOSVD, and the core."""
    factors = [None] * X.ndim
    order = sorted(range(1, X.ndim), key=lambda n: rank[n] / X.shape[n])
    for n in order:
        if rank[n] == X.shape[n]:
            factors[n] = np.eye(rank[n], dtype=X.dtype)
            continue
        short = SKETCH_SHARE * (rank[n] + SKETCH_SPARE) >= X.shape[n]
        if n == order[0] and (
            rank[n] + SKETCH_SPARE < X.shape[n]
            if sketch is True
            else sketch == "auto" and X.shape[n] > SKETCH_FROM and not short
        ):
            factors[n] = sketched(X, n, rank[n], random_state)
        else:
            factors[n] = singular(X, n, rank[n])
        X = ttm(X, factors[n].T, n)
    factors[0] = singular(X, 0, rank[0])
    return factors, ttm(X, factors[0].T, 0)


def truncated(X, spectra, rank):
    """Return factors of the truncated HOSVD for what `spectrum` gave of each mode."""
    return [
        vectors_of(X, n, W[:, :r]).astype(X.dtype, copy=False)
        for n, ((W, _), r) in enumerate(zip(spectra, rank, strict=True))
    ]


def from_factors(X, factors, rank):
    """Set factor 0 to the best for the others, and return the core."""
    Y = multi_ttm(X, transposed(factors, range(1, X.ndim)))
    factors[0] = singular(Y, 0, rank[0])
    return ttm(Y, factors[0].T, 0)


def resized(U, rank, random_state):
    """Return an orthonormal factor with some columns less, or with random ones added."""
    if U.shape[1] >= rank:
        return U[:, :rank]
    more = random_state.standard_normal((len(U), rank - U.shape[1]))
    return orthonormal(np.hstack([U, more])).astype(U.dtype, copy=False)


def transposed(factors, modes):
    """Return {mode: the transpose of its factor}, as products with several modes take them."""
    return {n: factors[n].T for n in modes}


def sweep(X, factors, rank):
    """Improve all factors in place, mode 0 last, and return the core."""
    half = X.ndim // 2
    for inside, outside in (
        (range(X.ndim - 1, half - 1, -1), range(half)),
        (range(half - 1, -1, -1), range(half, X.ndim)),
    ):
        shared = multi_ttm(X, transposed(factors, outside))
        for n in inside:
            if n == 0 or rank[n] < X.shape[n]:
                Y = multi_ttm(shared, transposed(factors, (m for m in inside if m != n)))
                factors[n] = singular(Y, n, rank[n])
    return ttm(Y, factors[0].T, 0)


def alternate(X, factors, core, rank, *, norm2, tol, max_iter):
    """Sweep until the relative error falls by no more than `tol`.

    Returns the core, the number of sweeps, and whether that was so.
    """
    error = relative_error(norm2, core)
    for n_iter in range(1, max_iter + 1):
        core = sweep(X, factors, rank)
        last, error = error, relative_error(norm2, core)
        if last - error <= tol:
            return core, n_iter, True
    return core, max_iter, False


def relative_error(norm2, core):
    """Return the relative error that the norms of a tensor and its core tell."""
    return np.sqrt(max(norm2 - squared_norm(core), 0.0) / norm2) if norm2 > 0 else 0.0


def cut(factors, core, rank, *, norm2):
    """Return factors of a smaller rank, and the core, from HOOI inside a larger core."""
    inner = [np.eye(len(U.T), r, dtype=U.dtype) for U, r in zip(factors, rank, strict=True)]
    corner = np.ascontiguousarray(core[tuple(slice(r) for r in rank)])
    corner, _, _ = alternate(
        core, inner, corner, rank, norm2=norm2, tol=INNER_TOL, max_iter=INNER_SWEEPS
    )
    return [U @ Z for U, Z in zip(factors, inner, strict=True)], corner


def wider(shape, rank):
    """Return the shape of the core that is made before it is cut to a rank."""
    wide = [min(size, r + SPARE) for size, r in zip(shape, rank, strict=True)]
    return [min(r, prod(wide) // r) for r in wide]


def residual_norm(X, factors, core):
    """Return the norm of what a decomposition leaves, from differences of blocks of rows."""
    total, step = 0.0, max(1, BLOCK * len(X) // X.size)
    later = range(1, X.ndim)
    for first in range(0, len(X), step):
        rows = ttm(core, factors[0][first : first + step], 0)
        rows = multi_ttm(rows, {n: factors[n] for n in later})
        rows -= X[first : first + step]
        total += squared_norm(rows)
    return np.sqrt(total)
