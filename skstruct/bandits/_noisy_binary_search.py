"""Where a monotone probability crosses tau, by as few flips as possible.

The answer k in 0..n counts the coins below the crossing. The model: coin x shows 1 with
probability b = tau + epsilon if x >= k, else a = tau - epsilon. A coin then is a channel with the
capacity C bits a flip, reached where it is past the crossing with probability q (H the entropy):

    z = 2^((H(a) - H(b)) / (2 epsilon)),          q = (1 - a - 1 / (1 + z)) / (2 epsilon)
    C = log2(1 + z) + (a H(b) - b H(a)) / (2 epsilon)

Each flip is of one of the two coins at the q-quantile of the posterior, the one that tells more.
log2(n + 1) / C flips are needed, and a few more for the confidence 1 - delta (`budget_`).

The posterior (`_noisy_binary_search_fast.pyx`) is constant between the coins flipped so far: t
flips leave at most t + 1 segments, however many coins there are.
"""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator

from skstruct._validation import Interval, StrOptions, _fit_context
from skstruct.bandits._noisy_binary_search_fast import StepPosterior

_TIE = 1e-9  # relative difference of weights that rounding explains


class NoisyBinarySearch(BaseEstimator):
    """Find where the probabilities of coins in a row, which never fall, cross a level.

    For the smallest dose that works, size that suffices or commit that makes a test flaky: any
    question with a noisy yes or no at each of `n` places, of which the later ones say yes more
    often. Coins with a probability within `epsilon` of `tau` may be taken for either side.

    Parameters
    ----------
    n : int
        Number of coins, at most 2^62.
    tau : float, default=0.5
        The level, in (0, 1).
    epsilon : float, default=0.1
        Half width of the band around the level in which either side is right; less than `tau` and
        than ``1 - tau``. Flips grow as its inverse square.
    delta : float, default=0.05
        Probability of a wrong answer to plan for, in (0, 1).
    max_queries : int or None, default=None
        Number of flips that :meth:`run` makes; None plans them from the other parameters.
    recommend : {"mode", "median", "screen"}, default="mode"
        What the answer is: the middle of the likeliest answers, the median of the posterior, or
        the median of the quantiles that were asked at in the last quarter of the flips. The last
        is better where many coins are just inside the band, and worse at a clean jump.

    Attributes
    ----------
    index_ : int
        The answer, from 0 to `n`: the number of coins below the crossing, hence the first coin
        beyond it; `n` if there is none.
    budget_ : int
        Number of flips planned.
    capacity_ : float
        Bits that a flip can tell.
    quantile_ : float
        Level of the posterior quantile at which it does.
    n_queries_ : int
        Number of calls of :meth:`tell`, or flips of :meth:`run`.
    queries_ : ndarray of shape (`n_queries_`,), dtype=int64
        The coins.
    outcomes_ : ndarray of shape (`n_queries_`,), dtype=int64
        How often each of them has shown 1.
    posterior_ : tuple of two ndarrays of shape (n_segments,)
        The least answer of each segment, int64, and the probability of each answer in it.

    See Also
    --------
    skstruct.model_selection.ThresholdSearchCV : The smallest value of a parameter whose score
        reaches a target.
    UnimodalBandit : The best of arms whose rewards rise and then fall.

    Notes
    -----
    A flip takes O(t) time after t flips, for any `n`, and the memory is O(t).

    An answer k is right if coin k - 1 has a probability below ``tau + epsilon`` and coin k one
    above ``tau - epsilon``.

    Outcomes must be independent. Decreasing probabilities are searched from the other end.

    References
    ----------
    L. Gretta, E. Price. Sharp noisy binary search with monotonic probabilities. ICALP 2024,
    arXiv:2311.00840.

    R. M. Karp, R. Kleinberg. Noisy binary search and its applications. SODA 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.bandits import NoisyBinarySearch
    >>> rng = np.random.default_rng(1)
    >>> def flip(x):
    ...     return rng.random() < (0.65 if x >= 700_000 else 0.35)
    >>> search = NoisyBinarySearch(1_000_000, epsilon=0.15).run(flip)
    >>> search.index_
    700000
    >>> search.n_queries_
    557
    """

    _parameter_constraints: dict = {
        "n": [Interval(Integral, 1, 2**62, closed="both")],
        "tau": [Interval(Real, 0, 1, closed="neither")],
        "epsilon": [Interval(Real, 0, 0.5, closed="neither")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "max_queries": [Interval(Integral, 1, None, closed="left"), None],
        "recommend": [StrOptions({"mode", "median", "screen"})],
    }

    def __init__(self, n, tau=0.5, epsilon=0.1, *, delta=0.05, max_queries=None, recommend="mode"):
        self.n = n
        self.tau = tau
        self.epsilon = epsilon
        self.delta = delta
        self.max_queries = max_queries
        self.recommend = recommend

    @_fit_context(prefer_skip_nested_validation=True)
    def reset(self):
        """Forget all outcomes. A new learner need not be reset; one with new parameters must be.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        if not self.epsilon < min(self.tau, 1 - self.tau):
            raise ValueError(
                f"epsilon must be less than tau and 1 - tau, got epsilon={self.epsilon!r} and "
                f"tau={self.tau!r}."
            )
        self._low, self._high = self.tau - self.epsilon, self.tau + self.epsilon
        self._quantile, self._capacity = channel(self._low, self._high)
        # log P(outcome | crossing <= x) - log P(outcome | crossing > x)
        self._for_one = math.log(self._high / self._low)
        self._for_zero = math.log((1 - self._high) / (1 - self._low))
        self._posterior = StepPosterior(int(self.n))
        self._queries, self._outcomes, self._positions = [], [], []
        return self

    def ask(self):
        """Return the coin to flip next.

        Returns
        -------
        x : int
            From 0 to n - 1.
        """
        return self._begun().query(self._quantile, self._low, self._high)[0]

    def ask_batch(self, n_queries):
        """Return coins to flip at the same time.

        Parameters
        ----------
        n_queries : int
            How many.

        Returns
        -------
        coins : list of int
            At quantiles of the posterior on both sides of the best one; a coin may occur more
            than once. A batch of one is what :meth:`ask` returns.
        """
        posterior, q = self._begun(), self._quantile
        coins = []
        for i in range(n_queries):
            share = (i + 0.5) / n_queries
            level = 2 * q * share if share <= 0.5 else q + (1 - q) * (2 * share - 1)
            coins.append(posterior.query(level, self._low, self._high)[0])
        return coins

    def tell(self, x, y, n_trials=1):
        """Take the outcome of flips of one coin, asked for or not.

        Parameters
        ----------
        x : int
            The coin, from 0 to n - 1.
        y : int or bool
            How often it has shown 1.
        n_trials : int, default=1
            Number of independent flips.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no such coin, or `y` is not from 0 to `n_trials`.
        """
        posterior = self._begun()
        if not 0 <= x < posterior.n:
            raise ValueError(f"x must be a coin, from 0 to {posterior.n - 1}, got {x!r}.")
        if not (n_trials >= 1 and 0 <= y <= n_trials):
            raise ValueError(
                f"y must be from 0 to n_trials, which is at least 1; got y={y!r} and "
                f"n_trials={n_trials!r}."
            )
        self._positions.append(posterior.quantile(self._quantile))
        self._learn(posterior, int(x), int(y), int(n_trials))
        return self

    def run(self, flip):
        """Flip coins until `budget_` outcomes are known.

        Parameters
        ----------
        flip : callable
            ``flip(x) -> bool``, one flip of coin x.

        Returns
        -------
        self : object
        """
        posterior = self._begun()
        for _ in range(self.budget_ - len(self._queries)):
            x, position = posterior.query(self._quantile, self._low, self._high)
            y = 1 if flip(x) else 0
            self._positions.append(position)
            self._learn(posterior, x, y, 1)
        return self

    def credible_interval(self, level=0.9):
        """Return an interval that has the answer with a given probability, if the model holds.

        Where the probabilities rise smoothly instead of jumping from ``tau - epsilon`` to
        ``tau + epsilon``, it is too narrow.

        Parameters
        ----------
        level : float, default=0.9
            The probability, in (0, 1).

        Returns
        -------
        interval : tuple of (int, int)
            Least and greatest answer, both from 0 to `n`.

        Raises
        ------
        ValueError
            If `level` is out of its range.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, both excluded; got {level!r}.")
        posterior = self._begun()
        return posterior.quantile((1 - level) / 2), posterior.quantile((1 + level) / 2)

    @property
    def index_(self):
        posterior = self._begun()
        if self.recommend == "median":
            return posterior.quantile(0.5)
        if self.recommend == "screen" and self._positions:
            last = sorted(self._positions[-math.ceil(len(self._positions) / 4) :])
            return last[(len(last) - 1) // 2]
        start, weight = posterior.steps()
        likeliest = weight >= weight.max() * (1 - _TIE)
        first = int(np.argmax(likeliest))
        behind = first + int(np.argmin(np.append(likeliest[first:], False)))
        stop = int(start[behind]) if behind < len(start) else posterior.n + 1
        return (int(start[first]) + stop - 1) // 2

    @property
    def budget_(self):
        self._begun()
        if self.max_queries is not None:
            return int(self.max_queries)
        bits, doubt = math.log2(self.n + 1), math.log2(1 / self.delta)
        flips = bits + 0.5 * bits ** (2 / 3) * doubt ** (1 / 3) + 2.5 * doubt
        return math.ceil(flips / self._capacity)

    @property
    def capacity_(self):
        self._begun()
        return self._capacity

    @property
    def quantile_(self):
        self._begun()
        return self._quantile

    @property
    def n_queries_(self):
        self._begun()
        return len(self._queries)

    @property
    def queries_(self):
        self._begun()
        return np.array(self._queries, dtype=np.int64)

    @property
    def outcomes_(self):
        self._begun()
        return np.array(self._outcomes, dtype=np.int64)

    @property
    def posterior_(self):
        return self._begun().steps()

    def _begun(self):
        if "_posterior" not in vars(self):
            self.reset()
        return self._posterior

    def _learn(self, posterior, x, y, n_trials):
        log_ratio = y * self._for_one + (n_trials - y) * self._for_zero
        posterior.update(x, log_ratio)
        self._queries.append(x)
        self._outcomes.append(y)


def channel(low, high):
    """Return the best probability of a coin to be past the crossing, and the bits of a flip."""
    width = high - low
    z = 2 ** ((entropy(low) - entropy(high)) / width)
    quantile = (1 - low - 1 / (1 + z)) / width
    capacity = math.log2(1 + z) + (low * entropy(high) - high * entropy(low)) / width
    return quantile, capacity


def entropy(p):
    """Return the bits of a coin with probability p."""
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)
