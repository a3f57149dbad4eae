"""Best arm of a grid whose rewards rise and then fall along each axis, with a number of pulls.

The grid is searched line by line, from the best arm so far (`_line_elimination.py`): a sweep along
the axes, then sweeps along diagonals and axes in a window, which follow a ridge. Line q gets
floor(left / lines to come) pulls. Every pull ever made counts in an arm's mean, and a phase gives
each pull to the probe with the fewest (`water_fill`). The k-th pull of any arm is given the number
k, so that arms are compared on the same splits or seeds. A play-off among the best means takes
the share `final_fraction`, and what the lines have left.
"""

import math
from collections import deque
from itertools import combinations
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator

from skstruct._validation import Interval, Options, _fit_context
from skstruct.bandits._line_elimination import Line, PlayOff, affordable_stride, water_fill


class UnimodalBandit(BaseEstimator):
    """Find the best arm of an ordered grid by line elimination, with a fixed number of pulls.

    Rewards are noisy, and their expectation rises, then falls, along each axis of the grid: the
    score of a model in the logarithm of a penalty or of a kernel width, say. The probability of
    an error then falls exponentially with the number of pulls, and does not grow with the grid.

    Parameters
    ----------
    shape : int or tuple of int
        Number of arms, or of arms along each axis. Arms are ints for an int, else tuples of ints.
    budget : int
        Number of pulls.
    n_sweeps : int, default=2
        Number of times that the axes are gone through. With one axis there is one line.
    diagonals : bool, default=True
        Whether sweeps after the first go along the diagonals of each two axes too; without, a
        search stops on a ridge that lies aslant.
    n_probes : {4, 2}, default=4
        Number of arms pulled in each phase of a line; 2 leaves out the ends.
    growth : float, default=1.5
        Ratio of the pulls of a phase to those of the phase before, where there are pulls to spare.
    window : float, default=0.6
        Sweep w >= 1 goes no further from the best arm than this to the power w times half of the
        axis, in (0, 1].
    final_fraction : float, default=0.2
        Share of the pulls kept for the play-off, in [0, 0.9]. With one axis there is none.
    n_finalists : int, default=5
        Number of arms in the play-off.
    start : int, tuple of int or None, default=None
        The arm to begin at; None is the middle of the grid.
    max_pulls : int or None, default=None
        Most pulls of one arm. An arm that has had them is known exactly, as after all splits of a
        cross-validation, and what it would have got goes to others; if there are such arms, the
        answer is the best of them.

    Attributes
    ----------
    best_arm_ : int or tuple of int
        The answer when the search is done; before, the leader of the latest phase.
    best_mean_ : float
        Its mean reward, NaN before it was pulled.
    n_pulls_ : ndarray of shape `shape`, dtype=int64
        Number of pulls of each arm.
    means_ : ndarray of shape `shape`
        Mean reward of each arm, NaN where it was never pulled.
    history_ : list of (list of arms, list of float)
        The probes of each phase, and their means at its end, -inf where never pulled.
    done : bool
        Whether there is nothing left to ask.

    See Also
    --------
    skstruct.model_selection.UnimodalBanditSearchCV : The same for the parameters of an estimator,
        where a pull is a fit on one split.
    NoisyBinarySearch : Where a monotone probability crosses a level.

    Notes
    -----
    Exactly `budget` pulls are made, unless `max_pulls` leaves nothing worth a pull: lines through
    the best arm, near and far, then meet only arms that are known. Choosing the pulls takes
    O(budget) time in all, and the memory is O(budget), whatever the size of the grid.

    On rewards with several separate peaks the search may end on a lesser one.

    References
    ----------
    D. Ghosh, M. K. Hanawal, N. Zlatanov. HoloBeam: learning optimal beamforming in far-field
    holographic metasurface transceivers. INFOCOM 2024, arXiv:2401.05420.

    D. Ghosh, M. K. Hanawal, N. Zlatanov. UB3: best beam identification in mmWave systems via pure
    exploration unimodal bandits. 2023, arXiv:2301.03456.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.bandits import UnimodalBandit
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> def pull(arm, k):
    ...     return -0.1 * (arm[0] - 30) ** 2 - 0.1 * (arm[1] - 7) ** 2 + noise[k]
    >>> bandit = UnimodalBandit((50, 20), budget=300).run(pull)
    >>> bandit.best_arm_
    (30, 7)
    >>> int(bandit.n_pulls_.sum())
    300
    """

    _parameter_constraints: dict = {
        "shape": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "budget": [Interval(Integral, 1, None, closed="left")],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "diagonals": ["boolean"],
        "n_probes": [Options(Integral, {2, 4})],
        "growth": [Interval(Real, 0, None, closed="neither")],
        "window": [Interval(Real, 0, 1, closed="right")],
        "final_fraction": [Interval(Real, 0, 0.9, closed="both")],
        "n_finalists": [Interval(Integral, 1, None, closed="left")],
        "start": [Integral, tuple, list, None],
        "max_pulls": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        shape,
        budget,
        *,
        n_sweeps=2,
        diagonals=True,
        n_probes=4,
        growth=1.5,
        window=0.6,
        final_fraction=0.2,
        n_finalists=5,
        start=None,
        max_pulls=None,
    ):
        self.shape = shape
        self.budget = budget
        self.n_sweeps = n_sweeps
        self.diagonals = diagonals
        self.n_probes = n_probes
        self.growth = growth
        self.window = window
        self.final_fraction = final_fraction
        self.n_finalists = n_finalists
        self.start = start
        self.max_pulls = max_pulls

    @_fit_context(prefer_skip_nested_validation=True)
    def reset(self):
        """Forget all rewards. A new learner need not be reset; one with new parameters must be.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter is out of its range, or `start` is outside the grid.
        """
        self._shape = _checked_shape(self.shape)
        self._strides = [math.prod(self._shape[i + 1 :]) for i in range(len(self._shape))]
        self._best = self._start()
        self._sums, self._counts = {}, {}  # of the arms that were pulled, numbered through
        self._left = int(self.budget)
        self._axes = [i for i, n in enumerate(self._shape) if n > 1]
        n_sweeps = self.n_sweeps if len(self._axes) > 1 else 1
        self._lines = deque(line for w in range(n_sweeps) for line in self._sweep(w))
        # One line is its own play-off.
        self._reserve = None if len(self._axes) == 1 else int(self.final_fraction * self.budget)
        self._reach, self._before_sweep = 1, None
        self._stage = self._next_stage()
        self.history_ = []
        self._advance()
        return self

    def ask(self):
        """Return the pulls of the phase under way; in whatever order they are made, or at once.

        Returns
        -------
        pulls : list of (arm, int)
            The arm, and how many pulls it has had before. The same list until it is told; empty
            when the search is done.
        """
        self._begin()
        return list(self._pulls)

    def tell(self, rewards):
        """Take the rewards of the pulls that `ask` returns.

        Parameters
        ----------
        rewards : array-like of float
            In the order of the pulls.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the number of rewards is not that of the pulls, or one is not finite.
        """
        self._begin()
        values = np.asarray(rewards, dtype=float)
        if values.shape != (len(self._pulls),):
            raise ValueError(
                f"rewards must have one number for each of the {len(self._pulls)} pulls of ask(), "
                f"got an array of shape {values.shape}."
            )
        if not np.isfinite(values).all():
            where = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"rewards must be finite numbers, got {values[where]} at {where}.")
        for arm, value in zip(self._pulled, values.tolist(), strict=True):
            self._sums[arm] = self._sums.get(arm, 0.0) + value
            self._counts[arm] = self._counts.get(arm, 0) + 1
        self._left -= len(values)
        self._end_phase(len(values))
        self._advance()
        return self

    def run(self, pull):
        """Make all pulls that are left.

        Parameters
        ----------
        pull : callable
            ``pull(arm, k) -> float``, the reward of the k-th pull of an arm, from 0 on. Rewards of
            equal k are compared: give them the same split, or the same random numbers.

        Returns
        -------
        self : object
        """
        while pulls := self.ask():
            self.tell([pull(arm, k) for arm, k in pulls])
        return self

    @property
    def done(self):
        """Whether there is nothing left to ask."""
        return not self.ask()

    @property
    def best_arm_(self):
        self._begin()
        return self._arm(self._best)

    @property
    def best_mean_(self):
        self._begin()
        return self._sums.get(self._best, math.nan) / self._counts.get(self._best, 1)

    @property
    def n_pulls_(self):
        self._begin()
        n_pulls = np.zeros(self._shape, dtype=np.int64)
        n_pulls.flat[list(self._counts)] = list(self._counts.values())
        return n_pulls

    @property
    def means_(self):
        self._begin()
        means = np.full(self._shape, np.nan)
        means.flat[list(self._counts)] = [self._mean(arm) for arm in self._counts]
        return means

    def _begin(self):
        if "_stage" not in vars(self):
            self.reset()

    def _start(self):
        """Return the arm to begin at, numbered through."""
        if self.start is None:
            start = tuple(n // 2 for n in self._shape)
        else:
            start = (self.start,) if isinstance(self.start, Integral) else tuple(self.start)
        if len(start) != len(self._shape) or not all(
            isinstance(i, Integral) and 0 <= i < n for i, n in zip(start, self._shape, strict=True)
        ):
            raise ValueError(
                f"start must be an arm of the grid of shape {self.shape}, got {self.start!r}."
            )
        return sum(i * stride for i, stride in zip(start, self._strides, strict=True))

    def _arm(self, number):
        if isinstance(self.shape, Integral):
            return number
        arm = []
        for stride in self._strides:
            at, number = divmod(number, stride)
            arm.append(at)
        return tuple(arm)

    def _mean(self, arm):
        return self._sums[arm] / self._counts[arm] if arm in self._counts else -math.inf

    def _sweep(self, w):
        """Return the lines of a sweep: ({axis: step}, how far to go)."""
        lines = []
        if w > 0 and self.diagonals:
            for i, j in combinations(self._axes, 2):
                lines += [{i: 1, j: 1}, {i: 1, j: -1}]
        lines += [{i: 1} for i in self._axes]
        longest = [max(self._shape[i] for i in line) for line in lines]
        if w == 0:
            return list(zip(lines, longest, strict=True))
        reach = [max(1, math.ceil(self.window**w * n / 2)) for n in longest]
        return list(zip(lines, reach, strict=True))

    def _next_stage(self):
        """Return the next line, or the play-off; None at the end."""
        while self._left > 0:
            if self._lines:
                line, reach = self._lines.popleft()
                share = (self._left - (self._reserve or 0)) // (len(self._lines) + 1)
                lo, hi = self._extent(line, reach)
                stride = 1  # what is left over goes to the arms around the best one
                if self._before_sweep is None:
                    stride = affordable_stride(lo, hi, share, self.n_probes)
                lo, hi = -(-lo // stride), hi // stride
                if lo < hi and share > 0:
                    step = stride * sum(sign * self._strides[i] for i, sign in line.items())
                    return Line(self._best, step, lo, hi, share, self.n_probes, self.growth)
            elif self._reserve is not None:
                self._reserve = None
                return PlayOff(self._finalists(), self._left)
            else:  # arms that may not be pulled again have left pulls for those around
                if (self._left, self._best) == self._before_sweep:
                    self._reach *= 2
                    if self._reach >= 2 * max(self._shape):
                        return None
                self._before_sweep = self._left, self._best
                self._reserve = int(self.final_fraction * self._left)
                self._lines.extend((line, self._reach) for line, _ in self._sweep(1))
        return None

    def _extent(self, line, reach):
        """Return the least and the greatest t for which best + t line is in the grid."""
        lo, hi = -reach, reach
        for i, sign in line.items():
            n = self._shape[i]
            at = self._best // self._strides[i] % n
            lo = max(lo, -at if sign > 0 else at - n + 1)
            hi = min(hi, n - 1 - at if sign > 0 else at)
        return lo, hi

    def _finalists(self):
        """Return the arms with the best means, of equal ones those with the most pulls."""
        leaders = sorted(self._counts, key=lambda arm: (-self._mean(arm), -self._counts[arm], arm))
        leaders = leaders[: self.n_finalists]
        return leaders if self._best in leaders else [*leaders, self._best]

    def _advance(self):
        """Go on to the next phase with pulls to make."""
        self._pulls, self._pulled = [], []
        while self._stage is not None:
            arms = self._stage.arms
            counts = [self._counts.get(arm, 0) for arm in arms]
            wanted = min(self._stage.n_pulls, self._left)
            goals = water_fill(counts, wanted, self.max_pulls)
            # The arm with the fewest pulls comes first, so that a part of a phase is as fair.
            order = [
                (k, i)
                for i, (count, goal) in enumerate(zip(counts, goals, strict=True))
                for k in range(count, goal)
            ]
            if order:
                order.sort()
                names = [self._arm(arm) for arm in arms]
                self._pulls = [(names[i], k) for k, i in order]
                self._pulled = [arms[i] for _, i in order]
                return
            self._end_phase(0)

    def _end_phase(self, n_pulls):
        arms = self._stage.arms
        means = [self._mean(arm) for arm in arms]
        self.history_.append(([self._arm(arm) for arm in arms], means))
        if max(means) > -math.inf:
            self._best = arms[self._stage.leader(means)]
        self._stage.learn(means, n_pulls)
        if not self._stage.arms:
            self._stage = self._next_stage()
        if self._stage is None:
            # A mean over some splits must not beat one over all.
            known = [arm for arm, count in self._counts.items() if count == self.max_pulls]
            self._best = max(known, key=self._mean, default=self._best)


def _checked_shape(shape):
    sizes = (shape,) if isinstance(shape, Integral) else tuple(shape)
    if not sizes or not all(isinstance(n, Integral) and n > 0 for n in sizes):
        raise ValueError(
            f"shape must be a positive int or a non-empty tuple of positive ints, got {shape!r}."
        )
    return tuple(int(n) for n in sizes)
