"""Starts and sweeps of a canonical polyadic decomposition, for each kind of tensor.

dense     ST-HOSVD to R + oversample columns a mode where that leaves a small core; all sweeps on
          the core from its HOSVD start, and up to three more on the tensor itself [1]_. Else
          sweeps on the tensor, which nonnegativity always needs.
sparse    sweeps over the entries, everything else being 0 (_cp_sweeps.py)
NaN       sweeps over the elements that are given, row by row (_entry_sweeps.py)

Each returns a Decomposition, whose factors have balanced norms and are float64.

.. [1] R. Bro, C. A. Andersson, "Improving the speed of multiway algorithms, Part II: Compression",
   Chemometrics and Intelligent Laboratory Systems 42(1-2), 1998.
"""

import warnings
from collections import namedtuple
from math import prod, sqrt

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skstruct.tensor._accelerated_sweeps import AcceleratedSweeps, best_start
from skstruct.tensor._cp_sweeps import DenseSweeps, SparseSweeps, hadamard_gram
from skstruct.tensor._entry_sweeps import EntrySweeps, leading_space, unfold
from skstruct.tensor._hooi import sequential, singular, squared_norm
from skstruct.tensor._modes import in_safe_range

SMALL_CORE = 0.3  # share of the elements below which a core is worth its making
STARTS = 10  # with gaps, where local minima abound
CORE_STARTS = 3  # where one costs next to nothing
POLISH = 3  # sweeps on the tensor after those on its core, at most

OPPOSITE = -0.95  # cosine of two components that cancel

Decomposition = namedtuple("Decomposition", ["factors", "ridge", "mean", "errors", "run"])


def ridge_of(alpha, rms, n_modes):
    """Return the ridge in units of the data for alpha, which is for elements of mean square 1."""
    return alpha * rms ** (2 - 2 / n_modes)


def completed(U, rank, random_state):
    """Return orthonormal columns with Gaussian ones added up to the rank."""
    more = random_state.standard_normal((len(U), rank - U.shape[1])) / sqrt(len(U))
    return np.hstack([U, more])


def n_starts(estimator, n_auto):
    """Return how many starts there are, n_auto where the estimator does not say."""
    return n_auto if estimator.n_init == "auto" else estimator.n_init


def starts(shape, space, estimator, n_auto, random_state):
    """Return callables for the starts; space(n) gives the leading singular vectors of a mode."""
    rank = estimator.n_components

    def gaussian():
        return sign([random_state.standard_normal((size, rank)) for size in shape])

    def hosvd():
        return sign([completed(space(n), rank, random_state) for n in range(len(shape))])

    def sign(factors):
        return [np.abs(A) for A in factors] if estimator.nonnegative else factors

    first = hosvd if estimator.init == "hosvd" else gaussian
    return [first] + [gaussian] * (n_starts(estimator, n_auto) - 1)


def core_shape(shape, rank, oversample):
    """Return the shape of the core that R components fit in."""
    wide = [min(size, rank + oversample) for size in shape]
    return [min(r, prod(wide) // r) for r in wide]


def fit_dense(X, norm2, estimator, random_state, call):
    """Decompose a dense tensor of moderate scale and of this squared norm."""
    rank = estimator.n_components
    ridge = ridge_of(estimator.alpha, sqrt(norm2 / X.size), X.ndim)
    options = {"ridge": ridge, "nonnegative": estimator.nonnegative}
    wide = core_shape(X.shape, rank, estimator.oversample)
    compress = not estimator.nonnegative and (
        prod(wide) < SMALL_CORE * X.size if estimator.compress == "auto" else estimator.compress
    )
    if not compress:

        def space(n):
            return singular(X, n, min(rank, X.shape[n], X.size // X.shape[n]))

        sweeps = DenseSweeps(X, rank, norm2=norm2, **options)
        run = _sweep(sweeps, X.shape, space, estimator, 1, random_state, call)
        return Decomposition(run.factors, ridge, 0.0, run.errors, run)

    U, core = sequential(X, wide, sketch=False, random_state=random_state)
    core = core.astype(np.float64)
    inside = squared_norm(core)
    sweeps = DenseSweeps(core, rank, norm2=inside, **options)
    run = _sweep(
        sweeps, core.shape, lambda n: np.eye(core.shape[n], min(rank, core.shape[n])), estimator,
        CORE_STARTS, random_state, call,
    )  # fmt: skip
    outside = max(0.0, norm2 - inside)
    errors = [sqrt((outside + e * e * inside) / norm2) for e in run.errors]
    polish = AcceleratedSweeps(
        DenseSweeps(X, rank, norm2=norm2, **options),
        [V @ A for V, A in zip(U, run.factors, strict=True)],
        tol=estimator.tol,
        accelerate=False,
    )
    while polish.n_iter < POLISH and not polish.converged:
        if call(polish.step):
            break
    run.n_iter += polish.n_iter
    return Decomposition(polish.factors, ridge, 0.0, errors + polish.errors, run)


def fit_sparse(index, y, norm2, shape, estimator, random_state, call):
    """Decompose a tensor that is 0 but for entries of moderate scale, of this squared norm."""
    rank = estimator.n_components
    ridge = ridge_of(estimator.alpha, sqrt(norm2 / prod(shape)), len(shape))

    sweeps = SparseSweeps(
        index, y, shape, rank, norm2=norm2, ridge=ridge, nonnegative=estimator.nonnegative
    )

    def space(n):
        M = unfold(*sweeps.modes[n], shape[:n] + shape[n + 1 :])
        return leading_space(M, rank, random_state, with_diagonal=True)

    run = _sweep(sweeps, shape, space, estimator, 1, random_state, call)
    return Decomposition(run.factors, ridge, 0.0, run.errors, run)


def fit_observed(X, known, estimator, random_state, call):
    """Decompose a tensor of which only some elements are known."""
    _refuse_empty_slices(known, estimator.alpha)
    index = np.ascontiguousarray(np.argwhere(known), dtype=np.int32)
    y, _, unit = in_safe_range(X[known].astype(np.float64))
    mean = 0.0 if estimator.nonnegative else y.mean()
    y = y - mean
    scale = sqrt(y @ y / len(y)) or 1.0
    sweeps = EntrySweeps(
        index, y / scale, None, X.shape, estimator.n_components, alpha=estimator.alpha,
        nonnegative=estimator.nonnegative,
    )  # fmt: skip
    run = best_start(
        sweeps,
        [lambda: sweeps.start(random_state)] * n_starts(estimator, STARTS),
        **_options(estimator, call),
    )
    # The sweeps saw elements of mean square 1, so that alpha is the ridge in any unit.
    factors = [A[:, : estimator.n_components] for A in run.factors]
    return Decomposition(factors, estimator.alpha, mean * unit, run.errors, run)


def _refuse_empty_slices(known, alpha):
    for n in range(known.ndim if alpha == 0 else 0):
        others = tuple(m for m in range(known.ndim) if m != n)
        empty = np.flatnonzero(~known.any(axis=others))
        if len(empty) > 0:
            raise ValueError(
                f"alpha=0, and slice {empty[0]} of mode {n} is all NaN; a positive alpha "
                "determines its row."
            )


def _options(estimator, call):
    return {
        "max_iter": estimator.max_iter,
        "call": call,
        "tol": estimator.tol,
        "accelerate": estimator.accelerate,
        "nonnegative": estimator.nonnegative,
    }


def _sweep(sweeps, shape, space, estimator, n_auto, random_state, call):
    return best_start(
        sweeps, starts(shape, space, estimator, n_auto, random_state), **_options(estimator, call)
    )


def warn_of_cancelling(factors, size, alpha):
    """Warn of two opposite components that are larger than the tensor, the norm of which is size.

    Columns of factors have norm 1 but for the first.
    """
    A, *others = (A.astype(np.float64, copy=False) for A in factors)
    top = np.abs(A).max() or 1.0
    A = A / top
    norms = np.linalg.norm(A, axis=0)
    cosine = hadamard_gram(others, A.shape[1]) * (A.T @ A)
    cosine /= np.outer(norms, norms) + np.finfo(float).tiny
    r, s = np.unravel_index(cosine.argmin(), cosine.shape)
    if cosine[r, s] < OPPOSITE and min(norms[r], norms[s]) > size / top:
        warnings.warn(
            f"Components {r} and {s} cancel each other: their cosine is {cosine[r, s]:.3f}, and "
            f"each is larger than the tensor. A positive alpha, now {alpha}, or nonnegative=True "
            "prevents that.",
            ConvergenceWarning,
            stacklevel=3,
        )
