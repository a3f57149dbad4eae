"""Search by expected improvement where a trial may be given a share of the full effort.

levels     c_0 < ... < c_{L-1} = 1, the shares of the effort, which are also the costs
start      n1 = max(4, 2 (d + 1)) points at level 0, the best half of them at level 1, the best
           quarter at level 2 ..., at least two at the top
model      one Gaussian process of all levels (AR(1) co-kriging, `_ar1.py`) on winsorised scores
point      the candidate x with the largest expected improvement of the top level; candidates are
           384 random ones, 255 moves around the 5 points with the highest posterior mean, and
           these points, so that what was only tried cheaply can be promoted; what was tried at
           the top is not tried again below
level      that with the largest reduction of the top's variance at x per cost,
           cov(y_top(x), y_t(x))^2 / ((var y_t(x) + noise_t) c_t): small where t has been tried
guards     If a process of the top results alone predicts each of them from the others better than
           the joint one does, it chooses the point, and the level is the top. While less than a
           given share of the cost has gone to the top, the level is the top too.
"""

import numpy as np

from skstruct.model_selection._ar1 import AR1Process
from skstruct.model_selection._candidates import (
    N_SOBOL,
    moves_around,
    shifted_sobol,
    standardised,
)
from skstruct.model_selection._gp_fast import log_expected_improvement
from skstruct.model_selection._sampler import Sampler

_N_RANDOM = 384
_N_BEST = 5
_N_AROUND = 51
_FIT_EACH_BELOW = 24  # results; above, the process is fitted to every third
_LEAST_TO_COMPARE = 4
_LEAST_TO_MEASURE = 3


def first_trials(space, n_levels):
    """Return how many trials of each level come before the first model, a list."""
    n = max(4, 2 * (space.n_dims + 1))
    counts = [-(-n // 2**t) for t in range(n_levels)]
    counts[-1] = max(counts[-1], 2)
    return [min(count, space.size) for count in counts]


class MultiFidelitySampler(Sampler):
    """Maximise expected improvement, and try cheaply first what cheap trials can tell.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Source of all randomness.
    levels : sequence of float, default=(1/9, 1/3, 1)
        Shares of the full effort, increasing, the last one 1.
    min_top_share : float, default=0.5
        Share of the cost to spend on trials with the full effort, in [0, 1].
    cost : {"nominal", "measured"}, default="nominal"
        What a trial of a level costs: its share of the effort, or the mean of what the trials of
        the level have cost as soon as each has three.

    Attributes
    ----------
    n_init : int
        Number of trials before the first model.
    first_level : float
        The least of `levels`.
    results : dict
        From the points evaluated with the full effort to their scores, in order.
    n_single_fidelity : int
        Number of proposals for which the results of the top level alone were the better model.

    See Also
    --------
    GPSampler : Gives every trial the full effort.

    Notes
    -----
    With n results in d dimensions a proposal takes O(n^3 + n^2 d) for each of at most 12 steps of
    the fit, and O(n^2) for each of 644 candidates; the memory is O(n^2 d).

    A caller that does not speak of levels, by :meth:`ask` and :meth:`tell`, has all its trials at
    the top.

    References
    ----------
    M. C. Kennedy, A. O'Hagan. Predicting the output from a complex computer code when fast
    approximations are available. Biometrika 87, 2000.

    D. Huang, T. T. Allen, W. I. Notz, R. A. Miller. Sequential kriging optimization using
    multiple-fidelity evaluations. Structural and Multidisciplinary Optimization 32, 2006.

    B. Do, R. Zhang. Multi-fidelity Bayesian optimization: a review. AIAA Journal, 2025,
    arXiv:2311.13050.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from skstruct.model_selection import MultiFidelitySampler, TrialResult, ask_tell
    >>> search = ask_tell(
    ...     {"x": uniform(0, 1)}, "round_robin", MultiFidelitySampler, random_state=0
    ... )
    >>> spent, best = 0, None
    >>> while spent < 5:
    ...     proposal = search.ask()
    ...     x = search.params(proposal)["x"]
    ...     score = -((x - 0.3) ** 2) + (1 - proposal.share) * x / 3
    ...     search.tell(TrialResult(proposal, score))
    ...     spent += proposal.share
    ...     if proposal.level is None and (best is None or score > best[0]):
    ...         best = score, x
    >>> round(best[1], 1)
    0.3
    """

    def __init__(self, space, rng, *, levels=(1 / 9, 1 / 3, 1), min_top_share=0.5, cost="nominal"):
        levels = [float(level) for level in levels]
        if len(levels) < 2 or levels[-1] != 1 or not all(np.diff([0.0, *levels]) > 0):
            raise ValueError(
                f"levels must be at least two increasing shares, the last one 1, got {levels}."
            )
        if not 0 <= min_top_share <= 1:
            raise ValueError(f"min_top_share must be between 0 and 1, got {min_top_share!r}.")
        if cost not in ("nominal", "measured"):
            raise ValueError(f"cost must be 'nominal' or 'measured', got {cost!r}.")
        super().__init__(space, rng)
        self.levels = levels
        self.min_top_share = min_top_share
        self.cost = cost
        self.first_level = levels[0]
        self.n_single_fidelity = 0
        self._top = len(levels) - 1
        self._all = range(len(levels))
        self._shares = [*levels[:-1], None]  # as proposals have them
        self.n_init = sum(first_trials(space, len(levels)))
        self._sobol = shifted_sobol(space.n_dims, rng)
        self._process = AR1Process(space.categorical, len(levels))
        self._alone = AR1Process(space.categorical, 1)  # of the results of the top level
        self._trust_alone = False
        self._scores = []
        self._n_fitted = 0
        self._asked = set()  # (point, level), proposed or told
        self._told = {}  # (point, level) -> score
        self._n_asked = np.zeros(len(levels))
        self._n_told = np.zeros(len(levels))
        self._paid = np.zeros(len(levels))

    def ask(self, pending=()):
        choice = self._choose([self._top], [(u, self._top) for u in pending])
        return None if choice is None else choice[0]

    def observe(self, u):
        self._take(u, self._top, [self._top])

    def tell(self, u, score):
        self._hear(u, self._top, score)

    def propose(self, pending):
        choice = self._choose(self._all, [(p.u, self._number(p)) for p in pending])
        return None if choice is None else (choice[0], self._shares[choice[1]])

    def note(self, proposal):
        self._take(proposal.u, self._number(proposal), self._all)

    def learn(self, result):
        t = self._number(result.proposal)
        self._n_told[t] += 1
        self._paid[t] += result.cost
        self._hear(result.proposal.u, t, result.score)

    @property
    def rho(self):
        """By what the model multiplies a level for the next, of shape (n_levels - 1,)."""
        return self._process.rho

    @property
    def level_correlation(self):
        """Correlation of each level with the top in the model, of shape (n_levels,)."""
        return self._process.correlation

    def _number(self, proposal):
        return self._shares.index(proposal.level)

    def _hear(self, u, t, score):
        score = score if np.isfinite(score) else np.nan
        self._scores.append(score)
        self._told[u, t] = score
        self._asked.add((u, t))
        self._process.add(u, t)
        if t == self._top:
            self.results[u] = score
            self._alone.add(u, 0)

    def _take(self, u, t, levels):
        """Change all that choosing a trial changes."""
        if self._lacking(levels) is None:
            self._fit()
        self._asked.add((u, t))
        self._n_asked[t] += 1

    def _choose(self, levels, pending):
        """Return a new (point, level); None if all points were asked for at the top."""
        lacking = self._lacking(levels)
        z = self._fit() if lacking is None else None
        if z is not None:
            choice = self._improve(z, levels, pending)
        elif lacking is None:
            choice = self._fresh(self._top if self._is_top_due() else levels[0])
        else:
            choice = self._promoted(lacking) or self._fresh(levels[0])
        choice = choice or self._fresh(self._top)
        if choice is not None:
            self._asked.add(choice)
            self._n_asked[choice[1]] += 1
        return choice

    def _lacking(self, levels):
        """Return the lowest level that lacks trials before the first model, if any."""
        asked = [t for _, t in self._asked]
        needed = zip(levels, first_trials(self.space, len(levels)), strict=True)
        return next((t for t, n in needed if asked.count(t) < n), None)

    def _promoted(self, t):
        """Return the best point of the level below that was not asked for at level t, if any."""
        below = [(u, score) for (u, s), score in self._told.items() if s == t - 1]
        below.sort(key=lambda pair: np.nan_to_num(-pair[1], nan=np.inf))
        return next(((u, t) for u, _ in below if (u, t) not in self._asked), None)

    def _fresh(self, t):
        """Return a point without regard to the scores; None if there is no new one."""
        used = {u for u, s in self._asked if s == t}
        u = self.space.point(self._sobol[len(used) % N_SOBOL])
        if u in used:
            u = self.space.sample_new(self.rng, used)
        return None if u is None else (u, t)

    def _fit(self):
        """Bring the processes up to the results; return scores, None if there is no model."""
        z = standardised(np.array(self._scores))
        levels = np.array(self._process.levels)
        if z is None or not any(np.ptp(z[levels == t]) > 0 for t in set(self._process.levels)):
            return None
        top = z[levels == self._top]
        is_comparable = len(top) >= _LEAST_TO_COMPARE and np.ptp(top) > 0
        if len(z) - self._n_fitted >= (1 if len(z) < _FIT_EACH_BELOW else 3):
            self._process.fit(z)
            if is_comparable:
                self._alone.fit(top)
            self._n_fitted = len(z)
        self._trust_alone = bool(
            is_comparable
            and self._alone.leave_one_out(top).mean()
            > self._process.leave_one_out(z)[levels == self._top].mean()
        )
        self.n_single_fidelity += self._trust_alone
        return z

    def _improve(self, z, levels, pending):
        """Return the best candidate and a level, new together; None if there is none."""
        fitted = self._process.condition(z, pending)
        mu, _ = self._process.predict(self._points())
        origins = self._points()[np.argsort(-mu, kind="stable")[:_N_BEST]]
        moves = moves_around(self.space, self.rng, origins, _N_AROUND)
        anywhere = self.rng.random((_N_RANDOM, self.space.n_dims))
        candidates = self.space.snap(np.concatenate((anywhere, moves, origins)))

        is_top = np.array(self._process.levels + [t for _, t in pending]) == self._top
        process, best = self._process, fitted[is_top].max()
        if self._trust_alone:
            top = z[is_top[: len(z)]]
            process = self._alone
            best = process.condition(top, [(u, 0) for u, t in pending if t == self._top]).max()
        improvement = np.empty(len(candidates))
        log_expected_improvement(*process.predict(candidates), best, improvement)

        top_only = self._trust_alone or self._is_top_due()
        for i in np.argsort(-improvement, kind="stable"):
            u = tuple(candidates[i].tolist())
            if (u, self._top) in self._asked:
                continue
            for t in [self._top] if top_only else self._by_use(candidates[i], levels):
                if (u, t) not in self._asked:
                    return u, t
        return None

    def _points(self):
        return np.unique(self._process.points, axis=0)

    def _by_use(self, x, levels):
        """Return levels, that which tells most about the top at x for its cost first."""
        covariance = self._process.covariance(x)
        told = covariance[-1] ** 2 / (np.diagonal(covariance) + self._process.noise)
        return sorted(levels, key=lambda t: -told[t] / self._costs()[t])

    def _is_top_due(self):
        spent = self._n_asked * self._costs()
        return spent[-1] < self.min_top_share * spent.sum()

    def _costs(self):
        is_known = self._n_told.min() >= _LEAST_TO_MEASURE and self._paid.min() > 0
        if self.cost == "measured" and is_known:
            return self._paid / self._n_told
        return np.array(self.levels)
