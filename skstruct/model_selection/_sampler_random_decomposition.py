"""Search by an additive model over a forest of pairs that is drawn anew at every step.

n0 = n_init results come first, from the estimator's own values and Sobol points. Step t = 1, 2
and so on then draws a forest with edge_fraction edges per coordinate, fits the length scales of
`AdditiveGaussianProcess`, which go on from step to step, and takes the maximum of the sum of
the cliques' upper confidence bounds

    beta_t = 0.2 ln(2 t)
    on a grid of the whole cube, or, on odd t, of the trust region: a box around the best point of
    half-width side / 2 times the ratio of 1 / l_i to its geometric mean, in [.01, 1]; then on
    n_zoom grids of 9 points around the maximum, each 4 times as fine
    side doubles after 3 better results in a row, up to 1.6, halves after max(5, d / 3) others in
    a row, and starts again at .8 below .01

The phase of each grid is random, so that no point comes twice by design. Should one do, up to 5
other forests are tried, and then changes of one coordinate.
"""

from functools import partial
from numbers import Real

import numpy as np

from skstruct.model_selection._additive_gp import AdditiveGaussianProcess
from skstruct.model_selection._candidates import N_SOBOL, shifted_sobol, standardised
from skstruct.model_selection._forest import draw_forest
from skstruct.model_selection._sampler import Sampler

_N_FORESTS = 6
_N_MOVES = 16
_FIRST_SIDE, _MOST_SIDE, _LEAST_SIDE = 0.8, 1.6, 0.01
_N_BETTER, _N_WORSE = 3, 5
_ZOOM = np.linspace(-1, 1, 9)


class RandomDecompositionSampler(Sampler):
    """Maximise the upper confidence bound of an additive model over random pairs.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Source of all randomness.
    edge_fraction : float, default=0.2
        Pairs of coordinates that are modelled together, for each coordinate, in (0, 1].
    beta : "auto", float or callable, default="auto"
        Standard deviations added to the mean; ``"auto"`` is ``0.2 * ln(2 * t)`` at step t, and a
        callable is given t = 1, 2, ...
    grid_size : int, default=32
        Values of each coordinate to choose from, at least 4.
    n_zoom : int, default=2
        Number of finer grids around the best point of the first.
    trust_region : bool or "alternate", default="alternate"
        Whether to look around the best result only; ``"alternate"``: at every second step.
    n_init : int, default=10
        Results before the first model, at least 2.

    Attributes
    ----------
    n_init : int
        As given.
    results : dict
        From the points told so far to their scores, in order.
    side : float
        Of the trust region.
    edge_counts : ndarray of shape (n_dims, n_dims), dtype=int
        How often each pair of coordinates was modelled together.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    GPSampler : One model of all coordinates together, better for few of them.
    RandomDecompositionSearchCV : The search with this sampler.

    Notes
    -----
    With n results in d dimensions and m < d + 1 cliques an ask takes at most 10 steps of
    O(n^3 + n^2 m), and O(n^2) for each of grid_size^2 states of a pair and grid_size states of a
    single coordinate; the memory is O(n^2 + n d).

    References
    ----------
    J. Ziomek, H. Bou Ammar. Are random decompositions all we need in high dimensional Bayesian
    optimisation? ICML 2023, arXiv:2301.12844.

    E. Han, I. Arora, J. Scarlett. High-dimensional Bayesian optimization via tree-structured
    additive models. AAAI 2021, arXiv:2012.13088.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from skstruct.model_selection import RandomDecompositionSampler, TrialResult, ask_tell
    >>> space = {f"x{i}": uniform(0, 1) for i in range(12)}
    >>> search = ask_tell(space, "round_robin", RandomDecompositionSampler, random_state=0)
    >>> scores = []
    >>> for _ in range(40):
    ...     proposal = search.ask()
    ...     x = search.params(proposal)
    ...     scores.append(-sum((value - 0.3) ** 2 for value in x.values()))
    ...     search.tell(TrialResult(proposal, scores[-1]))
    >>> max(scores) > -0.05
    True
    """

    def __init__(
        self,
        space,
        rng,
        *,
        edge_fraction=0.2,
        beta="auto",
        grid_size=32,
        n_zoom=2,
        trust_region="alternate",
        n_init=10,
    ):
        _check(edge_fraction, beta, grid_size, n_zoom, trust_region, n_init)
        super().__init__(space, rng)
        self.edge_fraction = edge_fraction
        self.beta = beta
        self.grid_size = grid_size
        self.n_zoom = n_zoom
        self.trust_region = trust_region
        self.n_init = n_init
        self.side = _FIRST_SIDE
        self.edge_counts = np.zeros((space.n_dims, space.n_dims), dtype=int)
        self._sobol = shifted_sobol(space.n_dims, rng)
        self._seed = int(rng.integers(2**63))  # of the forests
        self._process = AdditiveGaussianProcess(space.categorical)
        self._scores = []
        self._step = 0
        self._n_better = self._n_worse = 0

    @property
    def length_scales(self):
        """One of each coordinate, in the unit cube: the shorter, the more it matters."""
        return self._process.length_scales

    def tell(self, u, score):
        super().tell(u, score)
        score = score if np.isfinite(score) else np.nan
        if self._step:
            self._adapt(score > np.fmax.reduce(self._scores))
        self._process.add(u)
        self._scores.append(score)

    def observe(self, u):
        self._begin_step()

    def ask(self, pending=()):
        used = {*self.results, *pending}
        if len(used) >= self.space.size:
            return None
        z = self._begin_step()
        if z is None:
            u = self.space.point(self._sobol[len(used) % N_SOBOL])
            return u if u not in used else self.space.sample_new(self.rng, used)
        grids, zoom = self._grids(self._process.points[z.argmax()])
        beta = self._beta()
        for attempt in range(_N_FORESTS):
            best = self._process.maximise_ucb(z, self._forest(attempt), beta, grids, zoom, pending)
            u = self.space.point(best)
            if u not in used:
                return u
        return self._moved(u, used)

    def _begin_step(self):
        """Draw a forest and fit the model; return its values, None if there can be none yet."""
        has_model = self.space.n_dims > 0 and len(self._scores) >= self.n_init
        z = standardised(np.array(self._scores)) if has_model else None
        if z is not None:
            self._step += 1
            edges = self._forest()
            self.edge_counts[edges[:, 0], edges[:, 1]] += 1
            self.edge_counts[edges[:, 1], edges[:, 0]] += 1
            self._process.fit(z, edges)
        return z

    def _forest(self, attempt=0):
        d = self.space.n_dims
        stream = np.random.PCG64((self._seed, self._step, attempt))
        n_edges = max(1, int(self.edge_fraction * d))
        return draw_forest(d, n_edges, np.random.RandomState(stream))

    def _beta(self):
        if self.beta == "auto":
            return 0.2 * np.log(2 * self._step)
        if not callable(self.beta):
            return float(self.beta)
        beta = self.beta(self._step)
        if not 0 < beta < np.inf:
            raise ValueError(f"beta({self._step}) must be positive and finite, got {beta!r}.")
        return float(beta)

    def _adapt(self, is_better):
        """Widen or narrow the trust region."""
        self._n_better = self._n_better + 1 if is_better else 0
        self._n_worse = 0 if is_better else self._n_worse + 1
        if self._n_better == _N_BETTER:
            self.side = min(2 * self.side, _MOST_SIDE)
            self._n_better = 0
        elif self._n_worse == max(_N_WORSE, self.space.n_dims // 3):
            self.side = self.side / 2 if self.side / 2 >= _LEAST_SIDE else _FIRST_SIDE
            self._n_worse = 0

    def _grids(self, center):
        """Return values of each coordinate to choose from, and how to look closer."""
        d, size = self.space.n_dims, self.grid_size
        low, high = np.zeros(d), np.ones(d)
        is_local = self.trust_region
        if self.trust_region == "alternate":
            is_local = self._step % 2 == 1
        if is_local:
            size //= 2
            weights = 1 / self.length_scales
            ratio = weights / np.exp(np.log(weights).mean())
            half = np.clip(0.5 * self.side * ratio, 0.01, 1.0)
            low, high = np.fmax(center - half, 0.0), np.fmin(center + half, 1.0)
        phases = self.rng.random(d)
        grids = []
        for j, steps in enumerate(self.space.steps):
            if steps is None:
                grid = low[j] + (high[j] - low[j]) * (np.arange(size) + phases[j]) / size
                grids.append(np.append(grid, center[j]) if is_local else grid)
                continue
            if not self.space.categorical[j]:
                steps = steps[(steps >= low[j]) & (steps <= high[j])]
            stride = -(-len(steps) // size)
            grid = steps[int(phases[j] * stride) :: stride]
            grids.append(grid if stride == 1 else np.union1d(grid, center[j]))
        spacing = (high - low) / size
        return grids, [
            partial(self._around, low=low, high=high, half=spacing / 4**k)
            for k in range(self.n_zoom)
        ]

    def _around(self, u, low, high, half):
        """Return a finer grid around a point; a coordinate with few values stays."""
        fine = np.clip(u[:, None] + half[:, None] * _ZOOM, low[:, None], high[:, None])
        return [
            fine[j] if steps is None else u[j : j + 1] for j, steps in enumerate(self.space.steps)
        ]

    def _moved(self, u, used):
        """Return a new point that differs from u in one coordinate, if chance finds one."""
        for _ in range(_N_MOVES):
            moved = list(u)
            moved[self.rng.integers(len(u))] = self.rng.random()
            moved = self.space.point(moved)
            if moved not in used:
                return moved
        return self.space.sample_new(self.rng, used)


def _check(edge_fraction, beta, grid_size, n_zoom, trust_region, n_init):
    if not 0 < edge_fraction <= 1:
        raise ValueError(f"edge_fraction must be in (0, 1], got {edge_fraction!r}.")
    if beta != "auto" and not callable(beta) and not (isinstance(beta, Real) and beta > 0):
        raise ValueError(f"beta must be 'auto', a positive number or a callable, got {beta!r}.")
    if trust_region not in (True, False, "alternate"):
        raise ValueError(f"trust_region must be a bool or 'alternate', got {trust_region!r}.")
    for name, value, least in (
        ("grid_size", grid_size, 4),
        ("n_zoom", n_zoom, 0),
        ("n_init", n_init, 2),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}.")
