"""A swarm in the unit cube that looks for the point of highest score, one split at a time.

In iteration k all N particles U are scored on split k, so that what the split adds is the same for
all; then, as in `skstruct.optimize`, with E = -score

c = sum w u / sum w,  w = exp(-alpha E), alpha such that w has a given effective sample size
U <- U - drift (U - c) + s_k (U - c) * xi,  s_k from noise[0] to noise[1], reflected at the bounds

After the last iteration the scores of all iterations, winsorised, are smoothed together,

score = g(u) + b_k      g: Gaussian kernel of width BANDWIDTH over all points, b_k: mean residual

in turns, beginning with b, and points are ranked by g - sd / (2 sqrt(mass of the kernel)). The
first points that are apart, and the last c, are finalists: all are scored on the same fresh splits
and the best mean wins, since the highest of many noisy scores would be that of the luckiest point.
"""

import numpy as np
from scipy.spatial.distance import cdist

from skstruct._lib._consensus import COMPONENT, consensus, move
from skstruct.model_selection._candidates import standardised

BANDWIDTH = 0.08
APART = 0.03  # two finalists, in at least one coordinate
SMOOTHINGS = 5


class ConsensusSwarm:
    """Plans pulls, (point, number of the split), and learns from their scores.

    Parameters
    ----------
    n_dims : int
        Number of coordinates.
    n_fits : int
        Number of pulls, at least 8; fewer are made where particles meet in one point, or where
        the last ones do not suffice for another split of all finalists.
    n_particles : int
        Largest number of particles; there are at most a quarter of `n_fits`.
    drift, noise, ess_fraction
        As in :func:`skstruct.optimize.minimize_cbo`.
    final_fraction : float
        Share of `n_fits` kept for the finalists.
    n_finalists : int
        Their number.
    seed : int
        Decides all that is random.
    snap : callable, default=None
        Takes an array of shape (n, n_dims) to the points that can be scored.

    Attributes
    ----------
    n_iterations : int
        How often the particles move; the splits of the finalists begin with this number.
    path : list of tuple
        The consensus of each iteration.
    finalists : list of tuple
        Points; empty before the last batch.
    final_scores : ndarray of shape (n_finalists,) or None
        Their means over fresh splits.
    done : bool
        Whether there is nothing more to ask.
    """

    def __init__(
        self,
        n_dims,
        n_fits,
        *,
        n_particles,
        drift,
        noise,
        ess_fraction,
        final_fraction,
        n_finalists,
        seed,
        snap=None,
    ):
        self._snap = snap or np.copy
        self._left = n_fits
        self._drift = drift
        self._ess_fraction = ess_fraction
        self._n_finalists = n_finalists
        self._rng = np.random.default_rng(seed)
        N = min(n_particles, max(4, n_fits // 4))
        kept = max(n_finalists, int(final_fraction * n_fits))
        self.n_iterations = max(1, (n_fits - kept) // N)
        phases = np.pi * np.arange(self.n_iterations) / self.n_iterations
        self._steps = noise[1] + (noise[0] - noise[1]) * (1 + np.cos(phases)) / 2
        # A Latin hypercube.
        cells = self._rng.permuted(np.tile(np.arange(N), (n_dims, 1)), axis=1).T
        self._U = np.ascontiguousarray((cells + self._rng.random((N, n_dims))) / N)

        self.path, self.finalists, self.final_scores = [], [], None
        self._points, self._scores = [], []  # of each iteration, all particles
        self._batch = None

    @property
    def done(self):
        return self.final_scores is not None

    @property
    def best(self):
        """The point to take, as far as is known; None before the end of the first iteration."""
        if self.done:
            return self.finalists[int(np.argmax(self.final_scores))]
        return _as_tuple(self._ranked()[0]) if self._scores else None

    def ask(self):
        """Return the pulls to make next, the same until they are told."""
        if self._batch is None:
            self._batch = self._play_off() if self._is_last else self._iteration()
        return self._batch

    def tell(self, scores):
        """Take the scores of the pulls, in their order; finite, greater is better."""
        if len(scores) != len(self.ask()):
            raise ValueError(f"There are {len(self._batch)} scores to tell, got {len(scores)}.")
        scores = np.array(scores, dtype=float)
        self._left -= len(scores)
        if self._is_last:
            self.final_scores = scores.reshape(-1, len(self.finalists)).mean(axis=0)
        else:
            self._learn(dict(zip(self._batch, scores, strict=True)))
        self._batch = None

    @property
    def _is_last(self):
        return len(self._scores) == self.n_iterations

    def _iteration(self):
        # Particles in one cell of a discrete space are one pull.
        k = len(self._scores)
        return [(u, k) for u in dict.fromkeys(map(_as_tuple, self._snap(self._U)))]

    def _learn(self, scores):
        k = len(self._scores)
        points = self._snap(self._U)
        own = np.array([scores[_as_tuple(u), k] for u in points])
        self._points.append(points)
        self._scores.append(own)
        N, d = self._U.shape
        c, rows = np.empty(d), np.arange(N, dtype=np.intp)
        work = np.empty(3 * N), np.empty(N, dtype=np.intp)
        consensus(self._U, -own, rows, self._ess_fraction, -1.0, *work, c)
        self.path.append(_as_tuple(self._snap(c[np.newaxis])[0]))
        xi = self._rng.standard_normal((N, d))
        low, high = np.zeros(d), np.ones(d)
        move(self._U, rows, c, xi, low, high, self._drift, self._steps[k], COMPONENT)

    def _ranked(self):
        """Return all points so far, the most promising first."""
        points, N = np.concatenate(self._points), len(self._U)
        k = np.repeat(np.arange(len(self._scores)), N)
        # A score that is hopelessly low must not reach as far as the kernel does.
        scores = standardised(np.concatenate([own - np.median(own) for own in self._scores]))
        scores = np.zeros(len(k)) if scores is None else scores
        K = np.exp(cdist(points, points, "sqeuclidean") / (-2 * BANDWIDTH**2))
        mass = K.sum(axis=1)
        b = np.bincount(k, scores) / N
        for _ in range(SMOOTHINGS):
            g = K @ (scores - b[k]) / mass
            b = np.bincount(k, scores - g) / N
        rest = scores - b[k]
        g = K @ rest / mass
        return points[np.argsort(rest.std() / (2 * np.sqrt(mass)) - g, kind="stable")]

    def _play_off(self):
        chosen = []
        for u in self._ranked():
            if len(chosen) == min(self._n_finalists, self._left) - 1:
                break
            if all(np.abs(u - other).max(initial=0.0) > APART for other in chosen):
                chosen.append(u)
        self.finalists = list(dict.fromkeys([*map(_as_tuple, chosen), self.path[-1]]))
        splits = range(self.n_iterations, self.n_iterations + self._left // len(self.finalists))
        return [(u, k) for k in splits for u in self.finalists]


def _as_tuple(u):
    return tuple(u.tolist())
