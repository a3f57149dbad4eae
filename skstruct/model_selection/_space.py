"""The space of one arm, as RandomizedSearchCV writes it, mapped to the unit cube.

A parameter is one coordinate u in [0, 1], or no coordinate if it can take one value only:

continuous distribution   u = cdf(value), value = ppf(u); u stops 1e-3 short of an unbounded end
discrete distribution     u = cdf(k - 1) + pmf(k) / 2, the midpoint of the k-th step of the cdf;
                          above ``_MOST_STEPS`` values it is treated as continuous, and rounded
only ``.rvs``             the quantile function of 1024 draws, made once with a fixed seed
list of >= 3 numbers,     u = (i + 1/2) / n for the i-th value
strictly monotone
any other list            the same u, but the values have no order: ``Space.categorical`` says so

Points are *snapped*: a coordinate with finitely many values is at the midpoint of a step, so equal
parameters mean equal points, and a point (a tuple of floats) identifies its parameters through
JSON and back. Values of a list are found by position, never by ``==`` alone: they may be arrays or
NaN.
"""

import itertools
import math
import re
from functools import partial
from numbers import Number

import numpy as np

_TAIL = 1e-3
_MOST_STEPS = 1000
_DRAWS = 1024


class _Continuous:
    """A coordinate with (nearly) a continuum of values."""

    size = math.inf
    categorical = False

    def __init__(self, distribution, low, high, integer=False):
        self._distribution = distribution
        self._low, self._high = low, high
        self._clip = (_TAIL if math.isinf(low) else 0.0, 1 - _TAIL if math.isinf(high) else 1.0)
        self._integer = integer
        self._quantile = _closed_form(distribution, low, high) or distribution.ppf

    def value(self, u):
        value = min(max(float(self._quantile(u)), self._low), self._high)
        return int(value) if self._integer else value

    def find(self, value):
        """Return the coordinate of a value, or None if it is outside."""
        if not _is_number(value) or not self._low <= value <= self._high:
            return None
        u = self._distribution.cdf(value)
        if self._integer:
            u -= self._distribution.pmf(value) / 2
        return min(max(float(u), self._clip[0]), self._clip[1])

    def snap(self, u):
        return np.clip(u, *self._clip)

    def describe(self):
        quantiles = [
            f"{float(self._distribution.ppf(u)):.6g}" for u in (0.05, 0.3, 0.5, 0.7, 0.95)
        ]
        return ["discrete" if self._integer else "continuous", *quantiles]


class _Steps:
    """A coordinate with finitely many values, each owning an interval of u."""

    def __init__(self, values, weights=None, categorical=False):
        self.values = values
        self.size = len(values)
        self.categorical = categorical
        edges = np.arange(1.0, self.size) if weights is None else np.cumsum(weights)[:-1]
        edges /= self.size if weights is None else np.sum(weights)
        self._edges = edges
        bounds = np.concatenate(([0.0], edges, [1.0]))
        self.midpoints = (bounds[:-1] + bounds[1:]) / 2

    def value(self, u):
        return self.values[np.searchsorted(self._edges, u, side="right")]

    def find(self, value):
        match = (i for i, own in enumerate(self.values) if own is value)
        match = itertools.chain(
            match, (i for i, own in enumerate(self.values) if _same(own, value))
        )
        i = next(match, None)
        return None if i is None else float(self.midpoints[i])

    def snap(self, u):
        return self.midpoints[np.searchsorted(self._edges, u, side="right")]

    def describe(self):
        values = [_describe(value) for value in self.values]
        if self.size > 64:
            values = [self.size, *values[:: self.size // 16]]
        return ["categorical" if self.categorical else "steps", *values]


class Space:
    """The points of one arm.

    Parameters
    ----------
    param_distributions : dict
        From parameter names to scipy distributions, objects with a method ``rvs``, or sequences of
        values; what RandomizedSearchCV takes.

    Attributes
    ----------
    names : tuple of str
        All parameters, in the given order.
    free_names : tuple of str of length n_dims
        Those with more than one value: the coordinates.
    n_dims : int
        Number of coordinates.
    size : int or inf
        Number of distinct points.
    categorical : ndarray of shape (n_dims,), dtype=bool
        Coordinates without order: two of their values are equally far apart, whichever they are
        (the one-hot columns scaled by 1/sqrt(2), without the columns).
    steps : tuple of length n_dims
        Of each coordinate with finitely many values an ndarray of those, else None.
    kinds : dict
        A description of each parameter made of strings and numbers, equal for equal spaces.
    """

    def __init__(self, param_distributions):
        if not isinstance(param_distributions, dict) or not param_distributions:
            raise ValueError(
                "An arm's param_distributions must be a dict with at least one parameter, "
                f"got {param_distributions!r}."
            )
        entries = {name: _dimension(name, e) for name, e in param_distributions.items()}
        self.names = tuple(entries)
        self.kinds = {name: entry.describe() for name, entry in entries.items()}
        self._entries = entries
        self._free = [entry for entry in entries.values() if entry.size > 1]
        self.free_names = tuple(name for name, entry in entries.items() if entry.size > 1)
        self.n_dims = len(self._free)
        self.size = math.prod(entry.size for entry in self._free)
        self.categorical = np.array([entry.categorical for entry in self._free], dtype=bool)
        self.steps = tuple(getattr(entry, "midpoints", None) for entry in self._free)

    def decode(self, u):
        """Return the parameters at a point, a dict; entries of lists are the given objects."""
        coordinates = iter(u)
        return {
            name: entry.value(next(coordinates)) if entry.size > 1 else entry.values[0]
            for name, entry in self._entries.items()
        }

    def encode(self, params, *, strict=False):
        """Return the point of a dict of parameters.

        Parameters
        ----------
        params : dict
            Names that the space does not have are ignored.
        strict : bool, default=False
            What to do about a parameter that is missing or outside the space: take the middle of
            its coordinate, or, if True, return None instead of a point.

        Returns
        -------
        tuple of n_dims floats, or None
        """
        point = []
        for name, entry in self._entries.items():
            u = entry.find(params[name]) if name in params else None
            if u is None and strict:
                return None
            if entry.size > 1:
                point.append(0.5 if u is None else u)
        return self.point(point)

    def snap(self, U):
        """Return an array of shape (n, n_dims) with its rows moved to points of the space."""
        snapped = np.empty_like(U)
        for j, entry in enumerate(self._free):
            snapped[:, j] = entry.snap(U[:, j])
        return snapped

    def point(self, u):
        """Snap one vector of n_dims numbers and return it as a tuple of floats."""
        return tuple(float(entry.snap(x)) for entry, x in zip(self._free, u, strict=True))

    def sample(self, rng):
        """Draw a point from the distributions with a numpy Generator."""
        return self.point(rng.random(self.n_dims))

    def sample_new(self, rng, used):
        """Draw a point that is not in the set ``used``; None if every point is."""
        for _ in range(16):
            u = self.sample(rng)
            if u not in used:
                return u
        if math.isinf(self.size):
            return u
        # Of any len(used) + 1 distinct points one is new.
        start = int(rng.integers(min(self.size, 2**62)))
        points = (self._nth((start + i) % self.size) for i in range(len(used) + 1))
        return next((u for u in itertools.islice(points, self.size) if u not in used), None)

    def _nth(self, number):
        point = []
        for entry in self._free:
            number, i = divmod(number, entry.size)
            point.append(float(entry.midpoints[i]))
        return tuple(point)


def _dimension(name, entry):
    if hasattr(entry, "rvs"):
        return _distribution(entry)
    if isinstance(entry, (str, bytes, dict)) or not hasattr(entry, "__getitem__"):
        raise ValueError(
            f"The entry of parameter {name!r} must be a sequence of values or a distribution with "
            f"a method rvs, got {entry!r}."
        )
    if len(entry) == 0:
        raise ValueError(f"The sequence of values of parameter {name!r} is empty.")
    values = list(entry)
    return _Steps(values, categorical=len(values) > 1 and not _is_ordinal(values))


def _distribution(entry):
    if not (hasattr(entry, "ppf") and hasattr(entry, "cdf")):
        return _drawn(entry)
    low, high = (float(bound) for bound in entry.support())
    if hasattr(entry, "pmf"):
        return _discrete(entry, low, high)
    return _Continuous(entry, low, high) if low < high else _Steps([low])


def _discrete(entry, low, high):
    # An unbounded side ends where the tail is negligible, as it does for a continuous one.
    first = entry.ppf(_TAIL) if math.isinf(low) else low
    last = entry.ppf(1 - _TAIL) if math.isinf(high) else high
    if last - first >= _MOST_STEPS:
        return _Continuous(entry, low, high, integer=True)
    values = np.arange(first, last + 1)
    weights = entry.pmf(values)
    if weights.sum() < 1 - 3 * _TAIL:
        return _drawn(entry)  # its values are not a unit apart
    values = [int(v) if v == int(v) else float(v) for v in values[weights > 0]]
    return _Steps(values, weights[weights > 0])


def _drawn(entry):
    state = np.random.RandomState(0)
    values = [entry.rvs(random_state=state) for _ in range(_DRAWS)]
    values = [v.item() if isinstance(v, np.generic) else v for v in values]
    try:
        groups = [list(group) for _, group in itertools.groupby(sorted(values))]
    except (TypeError, ValueError):  # values without an order stay as they were drawn
        groups = [[value] for value in values]
    return _Steps([group[0] for group in groups], np.array([len(g) for g in groups], dtype=float))


def _closed_form(distribution, low, high):
    """Return the quantile function of the two usual distributions; scipy's takes 0.1 ms a call."""
    name = getattr(getattr(distribution, "dist", None), "name", None)
    if name == "uniform":
        return partial(_uniform_quantile, low, high)
    is_log = name in {"loguniform", "reciprocal"}
    if is_log and not distribution.kwds and len(distribution.args) == 2:
        return partial(_loguniform_quantile, low, high)
    return None


def _uniform_quantile(low, high, u):
    return low + (high - low) * u


def _loguniform_quantile(low, high, u):
    return low * (high / low) ** u


def _is_number(value):
    return isinstance(value, Number) and not isinstance(value, (bool, np.bool_, complex))


def _is_ordinal(values):
    if len(values) < 3 or not all(_is_number(value) for value in values):
        return False
    steps = list(itertools.pairwise(values))
    return all(a < b for a, b in steps) or all(a > b for a, b in steps)


def _same(a, b):
    """Tell whether two values of a parameter are the same: True is not 1, and NaN is NaN."""
    if _is_number(a) and _is_number(b):
        return bool(a == b) or (a != a and b != b)
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return _describe(a) == _describe(b)


def _describe(value):
    """Return a string that is the same in another process: no addresses."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
