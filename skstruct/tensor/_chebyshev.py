"""From values of a function to Chebyshev coefficients, and these in Tucker form.

nodes          x_j = cos(pi (2j + 1) / (2n)), of the first kind
coefficients   DCT-II of the values / n along each mode, index 0 halved
fibre degrees  n = 9, 17, 33, ... until the last coefficients of lines through the box are small:
               lines through random points, since those through the centre miss mixed terms
compress       leading left singular vectors of the unfoldings, one mode after the other; those
               that are left out have squares of at most tol^2 |C|^2 / d in sum. Singular values
               are not those of Gram matrices, which end at 1e-8. A rank that is given is reached
               the same way and then improved by alternating projections.
"""

import warnings
from math import prod
from numbers import Integral

import numpy as np
from scipy.fft import dct, dctn
from sklearn.exceptions import ConvergenceWarning

from skstruct._lib.row_blocks import for_row_blocks
from skstruct.tensor._chebyshev_tucker_fast import evaluate
from skstruct.tensor._modes import multi_ttm, ttm

N_FIBRES = 4
FIRST_DEGREE = 8
BATCH = 2**16
MAX_VALUES = 2**24
HOOI_TOL, HOOI_SWEEPS = 1e-12, 100


def nodes(n):
    """Return the n Chebyshev nodes of the first kind, in decreasing order."""
    return np.cos(np.pi * (2 * np.arange(n) + 1) / (2 * n))


def coefficients(F):
    """Return the Chebyshev coefficients of the interpolant of values at the nodes."""
    C = dctn(F, type=2) / F.size
    for k in range(C.ndim):
        np.moveaxis(C, k, 0)[0] *= 0.5
    return C


def box(bounds):
    """Return centre and half width of each feature; 1 for the latter where it is constant."""
    low, high = bounds.T
    half = high / 2 - low / 2
    return low + half, np.where(half > 0, half, 1.0)


def product_grid(axes):
    """Return the points of a grid, in C order, as rows."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def warn_of_degrees(degree, short, tol):
    """Warn if degrees are not enough, of the features in `short`."""
    if short:
        warnings.warn(
            f"Degree {[int(degree[k]) for k in short]} of feature {list(short)} is not enough for "
            f"tol={tol}; the function may not be smooth. Increase max_degree or tol, or take a "
            "smaller box.",
            ConvergenceWarning,
        )


class Sampler:
    """A function of rows in a box, called for points of [-1, 1]^d by batches, and counted."""

    def __init__(self, function, center, half, vectorized):
        self.function = function
        self.center = center
        self.half = half
        self.vectorized = vectorized
        self.n_evaluations = 0

    def __call__(self, points):
        values = np.empty(len(points))
        for first in range(0, len(points), BATCH):
            X = self.center + self.half * points[first : first + BATCH]
            found = self.function(X) if self.vectorized else [self.function(x) for x in X]
            found = np.asarray(found, dtype=np.float64)
            if found.shape != (len(X),):
                raise ValueError(
                    f"func gave an array of shape {found.shape} for {len(X)} points; it must "
                    "give a number for each."
                )
            if not np.isfinite(found).all():
                wrong = X[np.flatnonzero(~np.isfinite(found))[0]].tolist()
                raise ValueError(f"func is not finite at {wrong}; it must be on all of bounds.")
            values[first : first + BATCH] = found
        self.n_evaluations += len(points)
        return values

    def on_grid(self, degree):
        """Return the values at the nodes for these degrees, as a tensor."""
        sizes = [m + 1 for m in degree]
        if prod(sizes) > MAX_VALUES:
            raise ValueError(
                f"degree={tuple(degree)} asks for {prod(sizes)} values of func; {MAX_VALUES} are "
                "allowed. Lower degree, or increase tol."
            )
        axes, values = [nodes(n) for n in sizes], np.empty(prod(sizes))
        for first in range(0, len(values), BATCH):
            rows = np.arange(first, min(first + BATCH, len(values)))
            index = np.unravel_index(rows, sizes)
            points = [axis[i] for axis, i in zip(axes, index, strict=True)]
            values[rows] = self(np.stack(points, axis=1))
        return values.reshape(sizes)


def fibre_degrees(sample, n_modes, tol, max_degree, random_state):
    """Return the degrees that the modes need, and those modes for which `max_degree` is short."""
    found = [
        _fibre_degree(sample, k, n_modes, tol, max_degree, random_state) for k in range(n_modes)
    ]
    degree, enough = zip(*found, strict=True)
    return degree, [k for k in range(n_modes) if not enough[k]]


def _fibre_degree(sample, mode, n_modes, tol, max_degree, random_state):
    """Return the degree that one mode needs, and whether `max_degree` was enough."""
    through = random_state.uniform(-1, 1, (N_FIBRES, n_modes))
    degree = min(FIRST_DEGREE, max_degree)
    while True:
        n = degree + 1
        points = np.repeat(through, n, axis=0)
        points[:, mode] = np.tile(nodes(n), N_FIBRES)
        sizes = np.abs(dct(sample(points).reshape(N_FIBRES, n), type=2) / n)
        if sizes[:, -max(2, n // 8) :].max() <= tol * sizes.max():
            return degree, True
        if degree == max_degree:
            return degree, False
        degree = min(2 * degree, max_degree)


def _left_singular(C, k):
    """Return left singular vectors and singular values of the unfolding along mode k."""
    unfolding = np.moveaxis(C, k, 0).reshape(C.shape[k], -1)
    if unfolding.shape[1] > unfolding.shape[0]:
        unfolding = np.linalg.qr(unfolding.T, mode="r").T
    U, s, _ = np.linalg.svd(unfolding, full_matrices=False)
    return U, s


def compress(C, tol, rank):
    """Return a Tucker form of C.

    Parameters
    ----------
    C : ndarray of shape (n_0, ..., n_{d-1})
        The tensor.
    tol : float
        What may be left out, as a share of the norm.
    rank : tuple of int or None
        The ranks; None for those that `tol` asks for.

    Returns
    -------
    core : ndarray of shape (R_0, ..., R_{d-1})
    factors : list of ndarray of shape (n_k, R_k)
        With orthonormal columns.
    n_sweeps : int
        Number of alternating sweeps.
    """
    bound = tol**2 * float((C**2).sum()) / C.ndim
    core, factors = C, []
    for k in range(C.ndim):
        U, s = _left_singular(core, k)
        if rank is None:
            left = np.cumsum(s[::-1] ** 2)[::-1]
            R = max(1, int((left > bound).sum()))
        else:
            R = rank[k]
        factors.append(np.ascontiguousarray(U[:, :R]))
        core = ttm(core, factors[k].T, k)
    if rank is None:
        return core, factors, 0
    size = float((core**2).sum())
    n_sweeps, before = 0, -np.inf
    while n_sweeps < HOOI_SWEEPS and size - before > HOOI_TOL * size:
        n_sweeps += 1
        for k in range(C.ndim):
            others = {j: factors[j].T for j in range(C.ndim) if j != k}
            partial = multi_ttm(C, others) if others else C
            factors[k] = np.ascontiguousarray(_left_singular(partial, k)[0][:, : rank[k]])
        core = ttm(partial, factors[-1].T, C.ndim - 1)
        before, size = size, float((core**2).sum())
    return core, factors, n_sweeps


def expand(core, factors):
    """Return the tensor that a Tucker form stands for."""
    return multi_ttm(core, dict(enumerate(factors)))


def check_bounds(bounds, n_features=None):
    """Return the box as an array, after checks."""
    array = np.asarray(bounds, dtype=np.float64)
    wanted = "n_features" if n_features is None else n_features
    if array.ndim != 2 or array.shape[1] != 2 or n_features not in (None, len(array)):
        raise ValueError(
            f"bounds has shape {array.shape}; it must be ({wanted}, 2), the lowest and the "
            "highest value of each feature."
        )
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1) | ~(array[:, 0] < array[:, 1]))
    if len(wrong):
        raise ValueError(
            f"bounds[{wrong[0]}] = {array[wrong[0]].tolist()}; the first must be below the "
            "second, and both finite."
        )
    return array


def outside(X, bounds):
    """Return where elements of rows are outside of the box."""
    low, high = bounds.T
    return (low > X) | (high < X)


def refuse_outside(X, bounds):
    """Raise if a row is outside of the box."""
    wrong = np.argwhere(outside(X, bounds))
    if len(wrong):
        i, k = wrong[0]
        raise ValueError(
            f"Feature {k} is {X[i, k]} in row {i}; bounds allow {bounds[k].tolist()}."
        )


def grid_points(degree, bounds):
    """Return the points of the grid of given degrees."""
    sizes = [m + 1 for m in per_feature("degree", degree, len(bounds), 0)]
    center, half = box(bounds)
    return center + half * product_grid([nodes(n) for n in sizes])


def sizes_of_grid(X, degree, bounds):
    """Return the numbers of nodes if rows are the points of the grid, and None if not."""
    if bounds is None or degree == "auto":
        return None
    bounds = check_bounds(bounds, X.shape[1])
    sizes = [m + 1 for m in per_feature("degree", degree, X.shape[1], 0)]
    if prod(sizes) != len(X) or (grid_points(degree, bounds).astype(X.dtype) != X).any():
        return None
    return sizes


def values_at(X, bounds, core, factors, intercept):
    """Return the values of a function in Tucker form at rows, which are clipped to the box."""
    center, half = box(bounds)
    flat, n = np.concatenate([C.ravel() for C in factors]), np.array([len(C) for C in factors])
    rank, y = np.array(core.shape), np.empty(len(X), X.dtype)
    for_row_blocks(
        lambda rows: evaluate(
            X[rows], center, half, flat, n, rank, core.ravel(), intercept, y[rows]
        ),
        len(X),
    )
    return y


def integrals(C, length):
    """Return the integrals of functions over an interval, from their coefficients in columns."""
    i = np.arange(0, len(C), 2)
    return (length / (1.0 - i**2)) @ C[::2]


def per_feature(name, value, n_features, low):
    """Return an int for each feature, after checks."""
    value = (value,) * n_features if isinstance(value, Integral) else tuple(value)
    whole = all(isinstance(v, Integral) and v >= low for v in value)
    if len(value) != n_features or not whole:
        raise ValueError(
            f"{name}={value!r}; it must be an integer of at least {low}, or one for each of "
            f"{n_features} features."
        )
    return tuple(int(v) for v in value)


def fitting_rank(rank, sizes):
    """Return the ranks for modes of given sizes: an int is lowered where it does not fit."""
    if isinstance(rank, Integral):
        rank = [min(int(rank), size) for size in sizes]
        # More functions of a feature than products of all others say the same twice.
        return tuple(min(r, prod(rank[:k]) * prod(rank[k + 1 :])) for k, r in enumerate(rank))
    rank = per_feature("rank", rank, len(sizes), 1)
    for k, (r, size) in enumerate(zip(rank, sizes, strict=True)):
        others = prod(rank[:k]) * prod(rank[k + 1 :])
        if r > min(size, others):
            raise ValueError(
                f"rank[{k}]={r}; it must be at most {min(size, others)}, which is degree + 1 or "
                "the product of the other ranks."
            )
    return rank
