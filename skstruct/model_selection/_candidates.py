"""What the samplers with a model have in common: their scores, their start, their candidates."""

import numpy as np
from scipy.stats import qmc

N_SOBOL = 64
_STEPS = np.array([0.02, 0.05, 0.1, 0.2])


def standardised(scores):
    """Return winsorised scores of mean 0 and standard deviation 1; None if all are equal."""
    finite = scores[np.isfinite(scores)]
    if not finite.size or finite.min() == finite.max():
        return None
    z = winsorised(scores)
    # A power of two changes no digit, and nothing overflows or vanishes in the squares.
    z = np.ldexp(z, -np.frexp(np.abs(z).max())[1])
    return (z - z.mean()) / z.std()


def winsorised(scores):
    """Return scores with failures (NaN) and those below med - 2 (best - med) raised to that."""
    finite = scores[np.isfinite(scores)]
    with np.errstate(over="ignore"):
        best, median = finite.max(), np.median(finite)
        floor = max(median - 2 * (best - median), -np.finfo(float).max)
    # Where half of the results tie with the best, no spread is known and only failures move.
    return np.fmax(scores, floor if best > median else finite.min())


def shifted_sobol(d, rng):
    """Return the first Sobol points in d dimensions under a random digital shift."""
    if d == 0:
        return np.empty((N_SOBOL, 0))
    bits = 30
    sobol = qmc.Sobol(d, scramble=False, bits=bits).random(N_SOBOL)
    integers = (sobol * 2**bits).astype(np.int64) ^ rng.integers(2**bits, size=d)
    return (integers + 0.5) / 2**bits


def moves_around(space, rng, origins, n_each):
    """Return points of the cube, not yet snapped: n_each random moves away from each origin.

    A move changes one coordinate surely and each other one with probability max(1/2, 1/d), by a
    Gaussian step of a random length, reflected at the faces; half of the categorical coordinates
    that it changes are drawn anew.
    """
    origin = np.repeat(origins, n_each, axis=0)
    d = space.n_dims
    moved = rng.random(origin.shape) < max(0.5, 1 / d)
    moved[np.arange(len(origin)), rng.integers(d, size=len(origin))] = True
    steps = rng.choice(_STEPS, len(origin))[:, None] * rng.standard_normal(origin.shape)
    reflected = 1 - np.abs(1 - np.abs(origin + steps) % 2)
    lottery = rng.random(origin.shape)
    redrawn = np.where(lottery < 0.5, 2 * lottery, origin)
    target = np.where(space.categorical, redrawn, reflected)
    return np.where(moved, target, origin)
