"""Tucker decomposition of a given shape: sequential truncation, then alternating projections.

X ~ C x_0 U_0 ... x_{N-1} U_{N-1} with orthonormal U_n ("factors") of shape (I_n, R_n); the core
C = X x_n U_n' is the best for given factors, and |X|^2 - |C|^2 the squared error.

start       modes 1, 2, ... in the order of R_n / I_n: U_n = the leading left singular vectors of
            the unfolding of what the modes before have left (ST-HOSVD); mode 0 comes last, since
            samples are usually many and then see a small tensor
refresh     U_n = the same of X x_m U_m' over all other m (HOOI), which never raises the error

HOOI on all of X is slow where the error falls slowly. So modes are cut to a few columns more than
R_n, W_n, and what is left is a small tensor in which HOOI costs next to nothing (`improve`):

    X -- W_a --> X x_a W_a' -- W_b --> X x_a W_a' x_b W_b' -- ... --> a small core

On each level, of which the first is X, the tensor of the level below is decomposed, and then the
one mode that is cut here refreshed. Where this lowers the error by more than `tol`, its leading
vectors are a better W, and the level below has another turn. A level costs little beside the one
above it, and one turn on X is two products with it, whatever N. What a refresh has found that is
worth less than `tol` is left, so that mode 0, the lowest level, is the best for the others: the
rows of the core are orthogonal and the coordinates of the samples are at hand.

Leading vectors are those of the Gram matrix of the shorter side, in float64: few of many by
subspace iteration from the last ones, else all. A long mode that is cut to a small part is at
first sketched: a random subspace, twice multiplied with the unfolding and its transpose.
"""

from math import prod

import numpy as np
from scipy.linalg import qr

from skstruct.tensor._modes import mode_gram, mode_inner, multi_ttm, squared_norm, ttm

SPARE = 5  # columns beyond the rank to which a mode is cut
BLOCK = 1_000_000  # elements of rows that are reconstructed at a time
INNER_TOL, INNER_SHARE, INNER_SWEEPS = 1e-6, 0.3, 50  # below the whole tensor
# Subspace iteration is for many rows, and few columns, a sixth of them. It ends when the values
# have settled, to a share of what they leave or of the whole, or is given up.
MANY, FEW, SETTLED, ROUNDING, TURNS = 64, 6, 1e-6, 1e-14, 6
SKETCH_FROM, SKETCH_SHARE, SKETCH_SPARE = 400, 8, 10


def leading(G, rank):
    """Return the eigenvectors of a Gram matrix with the largest eigenvalues, and these."""
    squares, vectors = np.linalg.eigh(G)
    down = slice(None, -rank - 1, -1)
    return np.ascontiguousarray(vectors[:, down]), np.maximum(squares[down], 0.0)


def settled(G, start, rank):
    """Return as many vectors as `start` has, by subspace iteration; the first `rank` are leading.

    It ends when the sum of their values grows by no more than a small share of what it leaves.
    Where that takes long, all eigenvectors are computed.
    """
    whole, captured, P = np.trace(G), -np.inf, G @ start
    for _ in range(TURNS):
        Q = np.linalg.qr(P)[0]
        P = G @ Q
        squares, Z = np.linalg.eigh(Q.T @ P)
        last, captured = captured, squares[-rank:].sum()
        if captured - last <= SETTLED * (whole - captured) + ROUNDING * whole:
            return Q @ Z[:, ::-1]
    return leading(G, start.shape[1])[0]


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


def refreshed(X, n, rank, start):
    """Return as many vectors as `start` has, as `singular` does; the first `rank` are leading."""
    if tall(X, n) or X.shape[n] < max(MANY, FEW * start.shape[1]):
        return singular(X, n, min(start.shape[1], X.size // X.shape[n]))
    return settled(mode_gram(X, n), start, rank).astype(X.dtype, copy=False)


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
    cuts = order_of_cuts(X.shape, rank)
    factors = [
        None if n in cuts else np.eye(size, dtype=X.dtype) for n, size in enumerate(X.shape)
    ]
    for n in cuts:
        factors[n] = cut(X, n, rank, rank, sketch=sketch, random_state=random_state)
        X = ttm(X, factors[n].T, n)
    return factors, X


def order_of_cuts(shape, rank):
    """Return the modes that are cut, those first that leave least, and mode 0 last."""
    later = (n for n in range(1, len(shape)) if rank[n] < shape[n])
    return [*sorted(later, key=lambda n: rank[n] / shape[n]), 0]


def cut(X, n, rank, wide, *, sketch, random_state):
    """Return columns to which mode n is cut: about the leading ones, as many as `wide` says."""
    size, columns = X.shape[n], wide[n]
    if sketch == "auto":
        short = SKETCH_SHARE * (columns + SKETCH_SPARE) < size
        sketch = short and size > SKETCH_FROM and not tall(X, n)
    if sketch and columns + SKETCH_SPARE < size:
        return sketched(X, n, columns, random_state)
    if columns == rank[n] or X.ndim == 2:  # nothing follows that would improve these
        return singular(X, n, columns)
    start = np.random.RandomState(0).standard_normal((size, columns))  # any will do
    return refreshed(X, n, rank[n], start)


def given_cut(cuts, X, n):
    """Return columns that are known, as `cut` returns columns."""
    return cuts[n]


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


def alternate(X, factors, rank, *, norm2, tol):
    """Sweep until the relative error falls by no more than `tol`, and return the core."""
    core = multi_ttm(X, transposed(factors, range(X.ndim)))
    for _ in range(INNER_SWEEPS):
        last, core = core, sweep(X, factors, rank)
        if fall_of_error(norm2, last, core) <= tol:
            break
    return core


class Levels:
    """Factors that are improved level by level, of which each cuts another mode.

    Parameters
    ----------
    rank : tuple of int
        Shape of the core.
    norm2 : float
        Squared norm of the tensor.
    factors : list of ndarray of shape (I_n, R_n)
        Orthonormal; replaced by better ones. Where there is no core of them yet, they matter in
        modes that are not cut.
    cut : callable
        Called with a tensor and a mode, returns orthonormal columns, a few more than R_n, to which
        the mode is cut at first.
    """

    def __init__(self, rank, norm2, factors, cut):
        self.rank = rank
        self.norm2 = norm2
        self.factors = factors
        self.cut = cut
        self.cuts = {}

    def improve(self, X, modes, core=None, *, tol, max_iter=INNER_SWEEPS):
        """Improve the factors until the relative error falls by no more than `tol`.

        Parameters
        ----------
        X : ndarray
            The tensor, cut in all modes that are not left.
        modes : list of int
            The modes that are left to cut; the last is 0.
        core : ndarray, default=None
            The core of the factors; None where there are none yet.
        tol : float
            The fall that makes no difference.
        max_iter : int
            How often the factor of the first of the modes is refreshed at most.

        Returns
        -------
        core : ndarray
            The core.
        n_iter : int
            How often the factor of the first of the modes was refreshed.
        converged : bool
            Whether the last time made no difference.
        """
        if not modes:
            return alternate(X, self.factors, self.rank, norm2=self.norm2, tol=tol), 0, True
        n, rank = modes[0], self.rank[modes[0]]
        others = [m for m in range(X.ndim) if m != n]
        if n not in self.cuts:
            self.cuts[n] = self.cut(X, n)
        if core is None:
            core = self._below(X, modes, None, tol)
        for n_iter in range(1, max_iter + 1):
            Y = multi_ttm(X, transposed(self.factors, others))
            W = refreshed(Y, n, rank, self.cuts[n])
            U = np.ascontiguousarray(W[:, :rank])
            better = ttm(Y, U.T, n)
            converged = fall_of_error(self.norm2, core, better) <= tol
            if n == 0:
                self.factors[0], core = U, better
            if converged:
                return core, n_iter, True
            if n > 0 or n_iter < max_iter:
                self.cuts[n] = W
                core = self._below(X, modes, better, tol)
        return core, max_iter, False

    def _below(self, X, modes, core, tol):
        """Improve the factors of the tensor that the first of the cuts leaves."""
        n, *rest = modes
        W = self.cuts[n]
        self.factors[n] = np.eye(W.shape[1], self.rank[n], dtype=W.dtype)
        core, _, _ = self.improve(
            ttm(X, W.T, n), rest, core, tol=min(INNER_TOL, INNER_SHARE * tol)
        )
        self.factors[n] = W @ self.factors[n]
        return core


def relative_error(norm2, core):
    """Return the relative error that the norms of a tensor and its core tell."""
    return np.sqrt(max(norm2 - squared_norm(core), 0.0) / norm2) if norm2 > 0 else 0.0


def fall_of_error(norm2, core, better):
    """Return by how much the relative error falls; 0 where that may be rounding."""
    if squared_norm(better) - squared_norm(core) <= 8 * np.finfo(core.dtype).eps * norm2:
        return 0.0
    return relative_error(norm2, core) - relative_error(norm2, better)


def wider(shape, rank):
    """Return the sizes to which the modes are cut before the core is."""
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
