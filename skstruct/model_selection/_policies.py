"""Bandit policies: which arm, that is which pipeline, gets the next trial.

A search wants the best single result, not the best mean, and its rewards rise as the arm's sampler
learns. With r_k(n) the best of the first n scores of arm k, n_k its number of results, t their sum
over the arms and T the budget:

RisingBandit       round robin; after each round, arm j is dropped for good when
                   l_b > u_j + tol, with l_k = r_k(n_k) and b = argmax l_k,
                   u_k = min(l_k + (r_k(n_k) - r_k(n_k - C)) / C * (T - t), bound of the score)
MaxUCB             argmax of the arm's best + (alpha ln t / n_k)^2
UCB1               argmax of the arm's mean + sqrt(2 ln(t + 1) / n_k)
SuccessiveHalving  equal shares, then the best 1 / eta of the arms go on
RoundRobin         the arm with the fewest pulls

A pull is *pending* from `ask` (or `observe`) to `tell`; pending pulls count as pulls when an arm
is chosen, so that parallel trials spread. A failed trial (score NaN or infinite) counts as a pull
whose score is minus infinity.
"""

import math
from abc import ABC, abstractmethod
from numbers import Integral, Real

import numpy as np


class ArmPolicy(ABC):
    """Base class of the policies; a subclass writes ``_choose`` and may extend ``tell``.

    Nothing may happen in ``_choose`` that changes a later choice: a resumed search replays its
    journal with :meth:`observe` and :meth:`tell` alone.

    Attributes
    ----------
    alive_ : ndarray of shape (n_arms,), dtype=bool
        Arms that may be chosen.
    n_pulls_, n_pending_ : ndarray of shape (n_arms,), dtype=int
        Finished and pending pulls.
    scores_ : list of n_arms lists of float
        The scores in order, minus infinity for failures.
    costs_ : ndarray of shape (n_arms,)
        Sums of the costs.
    """

    def reset(
        self,
        n_arms,
        budget,
        *,
        score_upper_bound=math.inf,
        n_init=0,
        random_state=None,
        cost_budget=None,
    ):
        """Begin a search.

        Parameters
        ----------
        n_arms : int
            Number of arms.
        budget : int
            Number of pulls of all arms together.
        score_upper_bound : float, default=inf
            What no score exceeds: 1 for an accuracy, 0 for a negated error.
        n_init : int or sequence of n_arms ints, default=0
            Pulls of an arm before its sampler uses what it has learned.
        random_state : int, RandomState instance or None, default=None
            Source of randomness, for policies that have any.
        cost_budget : float or None, default=None
            Limit of the sum of the costs, in the unit of ``tell``'s `cost`.

        Returns
        -------
        self
        """
        if n_arms < 1:
            raise ValueError(f"n_arms must be at least 1, got {n_arms!r}.")
        if budget < 1:
            raise ValueError(f"budget must be at least 1, got {budget!r}.")
        self.budget_ = budget
        self.score_upper_bound_ = score_upper_bound
        self.n_init_ = np.broadcast_to(n_init, n_arms).astype(int)
        self.random_state_ = random_state
        self.cost_budget_ = cost_budget
        self.alive_ = np.ones(n_arms, dtype=bool)
        self.n_pulls_ = np.zeros(n_arms, dtype=int)
        self.n_pending_ = np.zeros(n_arms, dtype=int)
        self.costs_ = np.zeros(n_arms)
        self.scores_ = [[] for _ in range(n_arms)]
        return self

    def ask(self):
        """Choose an arm, and mark one pull of it pending.

        Returns
        -------
        arm : int
            One that is alive.
        """
        if not self.alive_.any():
            raise RuntimeError("No arm is alive; there is nothing to choose.")
        arm = int(self._choose())
        self.observe(arm)
        return arm

    def observe(self, arm):
        """Mark one pull pending without choosing.

        Parameters
        ----------
        arm : int
            Whose pull it is.
        """
        self.n_pending_[arm] += 1

    def cancel(self, arm):
        """Take back one pending pull, which will not be told.

        Parameters
        ----------
        arm : int
            Whose pull it was.
        """
        self.n_pending_[arm] -= 1

    def tell(self, arm, score, *, cost=1.0, se=0.0):
        """End one pending pull.

        Parameters
        ----------
        arm : int
            Whose pull it was.
        score : float
            Greater is better; NaN or infinite is a failure.
        cost : float, default=1.0
            What the pull has cost, in seconds or any other unit.
        se : float, default=0.0
            Standard error of the score.
        """
        self.n_pending_[arm] -= 1
        self.n_pulls_[arm] += 1
        self.costs_[arm] += cost
        self.scores_[arm].append(float(score) if math.isfinite(score) else -math.inf)

    def exhaust(self, arm):
        """Drop an arm that has no point left.

        Parameters
        ----------
        arm : int
            Not to be chosen again.
        """
        self.alive_[arm] = False

    @abstractmethod
    def _choose(self):
        """Return the arm to pull, one of those alive."""

    def _fewest_pulls(self, pulls=None):
        pulls = self.n_pulls_ + self.n_pending_ if pulls is None else pulls
        return np.argmin(np.where(self.alive_, pulls, np.iinfo(int).max))

    def _new_or_greatest(self, pulls, index):
        """Return the first arm without pulls, or else the one with the greatest index."""
        return np.argmax(np.where(self.alive_, np.where(pulls > 0, index, np.inf), -np.inf))

    def _best_scores(self):
        return np.array([max(scores, default=-math.inf) for scores in self.scores_])

    def _scaled_scores(self, low, high):
        """Return the scores of each arm on [low, high] by the extremes of all; failures are 0."""
        scores = np.array([score for arm in self.scores_ for score in arm])
        finite = np.isfinite(scores)
        scaled = np.zeros(len(scores))
        if finite.any():
            worst, best = scores[finite].min(), scores[finite].max()
            scaled[finite] = low + (high - low) * (scores[finite] - worst) / (
                (best - worst) or 1.0
            )
        return np.split(scaled, np.cumsum([len(arm) for arm in self.scores_])[:-1])

    def __repr__(self):
        names = [n for n in vars(self) if not (n.startswith("_") or n.endswith("_"))]
        return f"{type(self).__name__}({', '.join(f'{n}={vars(self)[n]!r}' for n in names)})"


class RoundRobin(ArmPolicy):
    """Pull the arm with the fewest pulls.

    See Also
    --------
    RisingBandit : Drops the arms that cannot win any more.

    Examples
    --------
    >>> from skstruct.model_selection import RoundRobin
    >>> policy = RoundRobin().reset(n_arms=3, budget=4)
    >>> [policy.ask() for _ in range(4)]
    [0, 1, 2, 0]
    """

    def _choose(self):
        return self._fewest_pulls()


class RisingBandit(ArmPolicy):
    """Drop an arm when its score, rising as it lately did, cannot catch up with the leader.

    Parameters
    ----------
    C : int or "auto", default="auto"
        Number of latest pulls over which the slope is taken. "auto" is
        ``clip(budget // (3 * n_arms), 3, 7)``.
    tol : float or "auto", default="auto"
        By how much the leader must be ahead. "auto" is half the standard error of the leader's
        best score, as told. With 0, a plateau of scores that differ by less than the noise, or
        that are rounded as accuracies are, can drop the best arm.
    warmup : int or "auto", default="auto"
        Number of first pulls of an arm over which no slope is taken. "auto" is the number of
        points that its sampler draws blindly, as far as the budget allows.

    Attributes
    ----------
    trace_ : list of (t, lower, upper)
        The bounds at each round's end: number of results and two ndarrays of shape (n_arms,), NaN
        for arms that were not alive.
    eliminated_at_ : ndarray of shape (n_arms,)
        Number of results at which the arm was dropped, NaN if it was not.

    See Also
    --------
    MaxUCB : Never drops an arm, but neglects those that begin badly.

    Notes
    -----
    With `cost_budget`, the remaining number of pulls of an arm is what is left of the budget
    divided by the arm's mean cost, instead of all remaining pulls.

    References
    ----------
    Y. Li, J. Jiang, J. Gao, Y. Shao, C. Zhang, B. Cui. Efficient automatic CASH via rising
    bandits. AAAI 2020, arXiv:2012.04371.

    Examples
    --------
    >>> from skstruct.model_selection import RisingBandit
    >>> policy = RisingBandit(C=3, tol=0.01).reset(n_arms=2, budget=20)
    >>> curves = [[0.5, 0.7, 0.8, 0.85, 0.87], [0.6] * 5]
    >>> for pull in range(8):
    ...     arm = policy.ask()
    ...     policy.tell(arm, curves[arm][pull // 2])
    >>> policy.alive_
    array([ True, False])
    """

    def __init__(self, C="auto", tol="auto", warmup="auto"):
        self.C = C
        self.tol = tol
        self.warmup = warmup

    def reset(self, n_arms, budget, **params):
        _check_auto("C", self.C, Integral, 1)
        _check_auto("tol", self.tol, Real, 0)
        _check_auto("warmup", self.warmup, Integral, 0)
        super().reset(n_arms, budget, **params)
        self.C_ = int(np.clip(budget // (3 * n_arms), 3, 7)) if self.C == "auto" else self.C
        if self.warmup == "auto":
            affordable = max(self.C_ + 1, budget // (2 * n_arms)) - self.C_ - 1
            self.warmup_ = np.minimum(self.n_init_, affordable)
        else:
            self.warmup_ = np.full(n_arms, self.warmup)
        self.trace_ = []
        self.eliminated_at_ = np.full(n_arms, np.nan)
        self._best_so_far = [[] for _ in range(n_arms)]
        self._best_se = np.zeros(n_arms)
        return self

    def tell(self, arm, score, *, cost=1.0, se=0.0):
        super().tell(arm, score, cost=cost, se=se)
        best = self._best_so_far[arm]
        if not best or self.scores_[arm][-1] > best[-1]:
            self._best_se[arm] = se
        best.append(max(self.scores_[arm][-1], best[-1] if best else -math.inf))
        if self._round_is_over():
            self._eliminate()

    def _choose(self):
        return self._fewest_pulls()

    def _round_is_over(self):
        alive = self.alive_
        if not alive.any() or (self.n_pulls_ <= self.warmup_ + self.C_)[alive].any():
            return False
        return np.ptp(self.n_pulls_[alive]) <= self.n_pending_[alive].sum()

    def _eliminate(self):
        lower = np.full(len(self.alive_), np.nan)
        upper = lower.copy()
        for arm in np.flatnonzero(self.alive_):
            best = self._best_so_far[arm]
            now, before = best[-1], best[-1 - self.C_]
            left = self._remaining(arm)
            # No rise where nothing is left: a first score after failures rises without bound.
            rise = (now - before) / self.C_ * left if now > before and left > 0 else 0.0
            lower[arm] = now
            upper[arm] = min(now + rise, self.score_upper_bound_)
        t = int(self.n_pulls_.sum())
        self.trace_.append((t, lower, upper))
        leader = np.nanargmax(lower)
        tol = self._best_se[leader] / 2 if self.tol == "auto" else self.tol
        dropped = lower[leader] > upper + tol  # False where NaN
        dropped[leader] = False
        self.alive_ &= ~dropped
        self.eliminated_at_[dropped] = t

    def _remaining(self, arm):
        if self.cost_budget_ is None:
            return max(self.budget_ - self.n_pulls_.sum(), 0)
        left = max(self.cost_budget_ - self.costs_.sum(), 0.0)
        return left / max(self.costs_[arm] / self.n_pulls_[arm], 1e-12)


class MaxUCB(ArmPolicy):
    """Pull the arm with the greatest optimistic maximum.

    Scores are scaled to [0.01, 0.99] by the extremes of all scores so far, at each choice.

    Parameters
    ----------
    alpha : float, default=0.5
        Weight of exploration, at least 0.

    See Also
    --------
    RisingBandit : Looks at how an arm's best rises, and may drop arms.

    Notes
    -----
    The bonus decays fast, as n^-2. An arm whose first pulls are bad, as a support vector machine's
    often are, is hardly visited again, however good its best point is.

    References
    ----------
    A. R. Balef, C. Vernade, K. Eggensperger. Put CASH on bandits: a max K-armed problem for
    automated machine learning. NeurIPS 2025, arXiv:2505.05226.

    Examples
    --------
    >>> from skstruct.model_selection import MaxUCB
    >>> policy = MaxUCB().reset(n_arms=2, budget=20)
    >>> for _ in range(20):
    ...     arm = policy.ask()
    ...     policy.tell(arm, [0.9, 0.5][arm])
    >>> policy.n_pulls_
    array([18,  2])
    """

    def __init__(self, alpha=0.5):
        self.alpha = alpha

    def reset(self, n_arms, budget, **params):
        if not self.alpha >= 0:
            raise ValueError(f"alpha must be at least 0, got {self.alpha!r}.")
        return super().reset(n_arms, budget, **params)

    def _choose(self):
        n = self.n_pulls_ + self.n_pending_
        best = np.array([arm.max(initial=0.0) for arm in self._scaled_scores(0.01, 0.99)])
        bonus = (self.alpha * math.log(n.sum() + 1) / np.maximum(n, 1)) ** 2
        return self._new_or_greatest(n, best + bonus)


class UCB1(ArmPolicy):
    """Pull the arm with the greatest optimistic mean, scores being scaled to [0, 1].

    For comparison: a search wants the best single score, and the mean of a good arm is low while
    its sampler explores.

    See Also
    --------
    MaxUCB : The same for the maximum.

    References
    ----------
    P. Auer, N. Cesa-Bianchi, P. Fischer. Finite-time analysis of the multiarmed bandit problem.
    Machine Learning 47, 2002.

    Examples
    --------
    >>> from skstruct.model_selection import UCB1
    >>> policy = UCB1().reset(n_arms=2, budget=20)
    >>> for _ in range(20):
    ...     arm = policy.ask()
    ...     policy.tell(arm, [0.9, 0.5][arm])
    >>> policy.n_pulls_
    array([17,  3])
    """

    def _choose(self):
        n = self.n_pulls_ + self.n_pending_
        mean = np.array([arm.mean() if arm.size else 0.0 for arm in self._scaled_scores(0.0, 1.0)])
        bonus = np.sqrt(2 * math.log(n.sum() + 1) / np.maximum(n, 1))
        return self._new_or_greatest(n, mean + bonus)


class SuccessiveHalving(ArmPolicy):
    """Give all arms the same number of pulls, keep the best ``1 / eta`` of them, and repeat.

    The rounds get equal parts of the budget, which ends with one arm.

    Parameters
    ----------
    eta : float, default=2.0
        Factor by which the arms become fewer, greater than 1.

    See Also
    --------
    RisingBandit : Drops arms by how their scores rise.

    References
    ----------
    K. Jamieson, A. Talwalkar. Non-stochastic best arm identification and hyperparameter
    optimization. AISTATS 2016, arXiv:1502.07943.

    Examples
    --------
    >>> from skstruct.model_selection import SuccessiveHalving
    >>> policy = SuccessiveHalving().reset(n_arms=4, budget=24)
    >>> for _ in range(24):
    ...     arm = policy.ask()
    ...     policy.tell(arm, [0.9, 0.5, 0.7, 0.6][arm])
    >>> policy.n_pulls_
    array([9, 3, 9, 3])
    """

    def __init__(self, eta=2.0):
        self.eta = eta

    def reset(self, n_arms, budget, **params):
        if not self.eta > 1:
            raise ValueError(f"eta must be greater than 1, got {self.eta!r}.")
        super().reset(n_arms, budget, **params)
        self._n_rounds = max(math.ceil(math.log(n_arms, self.eta) - 1e-9), 1)
        self._begin_round()
        return self

    def tell(self, arm, score, *, cost=1.0, se=0.0):
        super().tell(arm, score, cost=cost, se=se)
        alive = np.flatnonzero(self.alive_)
        done = (self.n_pulls_ - self._pulls_before)[alive]
        if len(alive) > 1 and done.min() >= self._quota:
            order = np.argsort(-self._best_scores()[alive], kind="stable")
            n_kept = min(math.ceil(len(alive) / self.eta), len(alive) - 1)
            self.alive_[alive[order[n_kept:]]] = False
            self._begin_round()

    def _begin_round(self):
        self._pulls_before = self.n_pulls_.copy()
        self._quota = max(int(self.budget_ // (self.alive_.sum() * self._n_rounds)), 1)

    def _choose(self):
        return self._fewest_pulls(self.n_pulls_ + self.n_pending_ - self._pulls_before)


def _check_auto(name, value, kind, low):
    if value != "auto" and not (isinstance(value, kind) and value >= low):
        number = "an integer" if kind is Integral else "a number"
        raise ValueError(f"{name} must be 'auto' or {number} of at least {low}, got {value!r}.")
