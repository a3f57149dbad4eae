"""Search for the best score among the points that satisfy constraints, in one arm's space.

A result has a score f, greater is better, and values g_1 ... g_m; it is feasible where all are
g_i <= 0. After a start on Sobol points each function has a Gaussian process, on the same inputs:
f winsorised, g_i clipped to 5 times its median |g_i|; a failure is a bad f, and no g_i. Of 512
random candidates and 384 around the 4 best results (least violation, then score), with posterior
means mu_i and standard deviations sigma_i,

"config"   takes the greatest mu_0 + beta sigma_0 where every mu_i - beta sigma_i <= 0: optimism
           about all functions; if that is nowhere, the least max_i (mu_i - beta sigma_i)
"cei"      takes the greatest ln EI_0 + sum_i ln Phi(-mu_i / sigma_i), EI over the best feasible
           posterior mean; the sum alone as long as there is no feasible result
"mixed"    does the one and the other by turns: the first is late to have a feasible point at all

The trace keeps, for each number of results, the least max_i (mu_i - beta sigma_i) of the
candidates. Where it is positive the optimist sees no feasible point. A process that knows three
points is often wrong about that: the problem is declared infeasible after five in a row, 2 (d + 1)
results after the start, and as long as no result is feasible.
"""

import numpy as np
from scipy.special import log_ndtr

from skstruct.model_selection._candidates import (
    N_SOBOL,
    moves_around,
    shifted_sobol,
    winsorised,
)
from skstruct.model_selection._gp import GaussianProcess, Inputs, log_expected_improvement
from skstruct.model_selection._sampler import Sampler

ACQUISITIONS = ("mixed", "config", "cei")
_N_RANDOM = 512
_N_BEST = 4
_N_AROUND = 96
_CLIP = 5.0
_PERSISTENCE = 5
_CERTAIN = 1e-300  # standard deviation of what has always been the same


class ConstrainedSampler(Sampler):
    """Maximise a score where all constraints hold, by Gaussian processes of both.

    It learns the constraints from ``TrialResult.values``: one number each, that must not be
    positive. Without any it is a search without constraints.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Source of all randomness.
    acquisition : {"mixed", "config", "cei"}, default="mixed"
        Optimism about all functions ("config"), constrained expected improvement ("cei"), or both
        by turns.
    beta : float or callable, default=2.0
        Number of standard deviations of the optimism, positive; or a function of the number of
        results that returns it.
    n_init : int, default=None
        Number of results before the first model; None is ``max(4, n_dims + 1)``.

    Attributes
    ----------
    n_init : int
        As given, or its default.
    results : dict
        From the points told so far to their scores, in order.

    See Also
    --------
    GPSampler : Without constraints.
    ConstrainedSearchCV : The search that makes values of metrics, times and sizes.

    Notes
    -----
    With n results of m constraints in d dimensions an ask takes m + 1 times O(n^3 + n^2 d) for
    each of at most 25 steps of a fit, and O(n^2) for each of 896 candidates. The processes share
    O(n^2 d) memory, as long as no value is missing.

    References
    ----------
    W. Xu, Y. Jiang, B. Svetozarevic, C. N. Jones. Constrained efficient global optimization of
    expensive black-box functions. ICML 2023, arXiv:2211.00162.

    J. R. Gardner, M. J. Kusner, Z. Xu, K. Q. Weinberger, J. P. Cunningham. Bayesian optimization
    with inequality constraints. ICML 2014.

    Examples
    --------
    The highest point of a hill on the unit interval, left of .4:

    >>> from scipy.stats import uniform
    >>> from skstruct.model_selection import ConstrainedSampler, TrialResult, ask_tell
    >>> search = ask_tell({"x": uniform(0, 1)}, "round_robin", ConstrainedSampler, random_state=0)
    >>> feasible = []
    >>> for _ in range(20):
    ...     proposal = search.ask()
    ...     x = search.params(proposal)["x"]
    ...     search.tell(TrialResult(proposal, -((x - 0.7) ** 2), values=(x - 0.4,)))
    ...     feasible += [x] * (x <= 0.4)
    >>> round(max(feasible), 2)
    0.4
    """

    def __init__(self, space, rng, *, acquisition="mixed", beta=2.0, n_init=None):
        if acquisition not in ACQUISITIONS:
            raise ValueError(f"acquisition must be one of {ACQUISITIONS}, got {acquisition!r}.")
        if not callable(beta) and not beta > 0:
            raise ValueError(f"beta must be positive or a callable, got {beta!r}.")
        if n_init is not None and n_init < 1:
            raise ValueError(f"n_init must be at least 1, or None, got {n_init!r}.")
        super().__init__(space, rng)
        self.acquisition = acquisition
        self.beta = beta
        self.n_init = max(4, space.n_dims + 1) if n_init is None else n_init
        self._sobol = shifted_sobol(space.n_dims, rng)
        # The candidates belong to the results, not to the trial that is asked for: whoever only
        # observes the trials has the same trace.
        self._seed = int(rng.integers(2**63))
        self._inputs = Inputs(space.categorical)
        self._functions = []
        self._scores = []
        self._values = []
        self._trace = []
        self._n_fitted = 0

    def tell(self, u, score):
        self._add(u, score, ())

    def learn(self, result):
        self._add(result.proposal.u, result.score, result.values)

    def observe(self, u):
        self._update()

    def ask(self, pending=()):
        self._update()
        used = {*self.results, *pending}
        if self._n_fitted == 0:
            u = self.space.point(self._sobol[len(used) % N_SOBOL])
            return u if u not in used else self.space.sample_new(self.rng, used)
        for i in np.argsort(-self._gain(pending), kind="stable"):
            u = tuple(self._candidates[i].tolist())
            if u not in used:
                return u
        return self.space.sample_new(self.rng, used)

    def verdict(self):
        """Tell whether the problem is declared infeasible, after all results so far.

        Returns
        -------
        infeasible : bool
            False also as long as it is not known.
        trace : ndarray of shape (n_steps,)
            Least optimistic violation of all constraints among the candidates, after each number
            of results for which there was a model, in the unit of the values.
        """
        self._update()
        late = self._n_fitted >= self.n_init + 2 * (self.space.n_dims + 1)
        last = self._trace[-_PERSISTENCE:]
        infeasible = late and len(last) == _PERSISTENCE and min(last) > 0
        return bool(infeasible and not self._feasible.any()), np.array(self._trace)

    def _add(self, u, score, values):
        super().tell(u, score)
        self._inputs.add(u)
        self._scores.append(score if np.isfinite(score) else np.nan)
        self._values.append(values)

    def _update(self):
        """Learn from the new results, if there are any, and look at candidates."""
        n = len(self._scores)
        if n < self.n_init or n == self._n_fitted:
            return
        self._n_fitted = n
        scores, G = np.array(self._scores), _table(self._values)
        columns = [winsorised(scores) if np.isfinite(scores).any() else scores, *_clipped(G.T)]
        while len(self._functions) < len(columns):
            self._functions.append(_Function(self._inputs))
        for function, column in zip(self._functions, columns, strict=True):
            function.fit(column)
        self._feasible = np.isfinite(scores) & (G <= 0).all(axis=1)
        order = np.lexsort((-scores, total_violation(G)))  # NaN is last
        self._candidates = self._look_around(order[:_N_BEST])
        self._beliefs = self._believe()
        if len(self._candidates):
            self._trace.append(self._beliefs[0].min())

    def _look_around(self, best):
        """Return new points of the space: random ones, and moves away from the best results."""
        rng = np.random.default_rng([self._seed, self._n_fitted])
        anywhere = rng.random((_N_RANDOM, self.space.n_dims))
        around = moves_around(self.space, rng, self._inputs.points[best], _N_AROUND)
        points = self.space.snap(np.concatenate((anywhere, around)))
        return points[[u not in self.results for u in map(tuple, points.tolist())]]

    def _believe(self, pending=()):
        """Return, for each candidate, optimism about constraints and score, ln P(feasible), ln EI.

        The last one is 0 while no result is feasible.
        """
        n, beta = self._n_fitted, self.beta
        if callable(beta):
            beta = beta(n)
            if not 0 < beta < np.inf:
                raise ValueError(f"beta({n}) must be positive and finite, got {beta!r}.")
        views = [function.predict(self._candidates, pending) for function in self._functions]
        (mu, sigma, fitted), *constraints = views
        worst = np.full(len(mu), -np.inf)
        feasibility, improvement = np.zeros((2, len(mu)))
        feasible = np.concatenate((self._feasible, np.full(len(pending), True)))
        for mu_i, sigma_i, fitted_i in constraints:
            worst = np.maximum(worst, mu_i - beta * sigma_i)
            feasibility += log_ndtr(-mu_i / sigma_i)
            feasible[n:] &= fitted_i[n:] <= 0
        if self._feasible.any():
            improvement = log_expected_improvement(mu, sigma, fitted[feasible].max())
        return worst, mu + beta * sigma, feasibility, improvement

    def _gain(self, pending):
        """Return what the candidates are ordered by."""
        beliefs = self._believe(pending) if pending else self._beliefs
        worst, optimism, feasibility, improvement = beliefs
        even = (self._n_fitted + len(pending)) % 2 == 0
        if self.acquisition == "cei" or (self.acquisition == "mixed" and not even):
            return feasibility + improvement
        return np.where(worst <= 0, optimism, -np.inf) if (worst <= 0).any() else -worst


class _Function:
    """What is believed of one function, in the unit of its values.

    Values that are all equal are believed to be so everywhere; of less than two nothing is.
    """

    def __init__(self, inputs):
        self._inputs = inputs
        self._process = GaussianProcess(inputs)

    def fit(self, values):
        """Take the values at all inputs; those that are NaN are left out."""
        self._known = ~np.isnan(values)
        values = values[self._known]
        self._center, self._spread = 0.0, np.inf
        if len(values) > 1:
            unit = np.abs(values).max() or 1.0  # no square overflows or vanishes
            self._center = unit * (values / unit).mean()
            self._spread = unit * (values / unit).std()
        self._is_flat = len(values) < 2 or values.min() == values.max()
        if not self._is_flat:
            complete = self._known.all()
            self._process.inputs = self._inputs if complete else self._inputs.take(self._known)
            self._z = (values - self._center) / self._spread
            self._process.fit(self._z)

    def predict(self, candidates, pending):
        """Return means and standard deviations at candidates, and means at inputs and pending."""
        known = np.concatenate((self._known, np.full(len(pending), True)))
        means = np.full(len(known), self._center)
        if self._is_flat:
            mu = np.full(len(candidates), self._center)
            return mu, np.full(len(candidates), max(self._spread, _CERTAIN)), means
        mu, sigma, fitted = self._process.predict(self._z, candidates, pending)
        means[known] += self._spread * fitted
        return self._center + self._spread * mu, self._spread * sigma, means


def total_violation(G):
    """Return how far results are from satisfying their constraints: 0 is feasible.

    Parameters
    ----------
    G : ndarray of shape (n_results, n_constraints)
        Values that must not be positive; NaN was not measured.

    Returns
    -------
    ndarray of shape (n_results,)
        Sum of the positive values, each in units of the greatest that its constraint has had, in
        absolute terms; infinite where a value is missing.
    """
    scale = np.fmax.reduce(np.abs(G), axis=0, initial=np.finfo(float).tiny)
    return np.where(np.isnan(G), np.inf, np.maximum(G, 0.0) / scale).sum(axis=1)


def _clipped(columns):
    """Cut values at 5 times their median distance to 0, so that a few do not set the scale."""
    for column in columns:
        limit = _CLIP * np.nanmedian(np.abs(column)) if not np.isnan(column).all() else 0.0
        yield np.clip(column, -limit, limit) if limit > 0 else column


def _table(values):
    """Return values as an array of shape (n, m); NaN where a result has none."""
    table = np.full((len(values), max(map(len, values), default=0)), np.nan)
    for row, given in zip(table, values, strict=True):
        row[: len(given)] = given
    return np.where(np.isfinite(table), table, np.nan)
