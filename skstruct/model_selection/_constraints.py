"""Limits of a search: what is measured of a trial, and how far it is from what is allowed.

A constraint compares a number v, the mean over the folds, with a bound b. Where the limit is an
upper one (s = 1) or a lower one (s = -1), the search sees

    g = s ln(v / b)      of times and sizes: positive, with errors in proportion to them
    g = s (v - b)        of everything else

that must not be positive. A margin moves v by so many standard errors to the wrong side first.
"""

import io
import math
import pickle
from dataclasses import dataclass
from numbers import Real

import numpy as np

_TIMES = ("fit_time", "score_time")
_POSITIVE = (*_TIMES, "model_size")
_SIGNS = {"<=": 1.0, ">=": -1.0}
_LEAST = 1e-12  # ratio that stands for 0 in a logarithm


@dataclass(frozen=True)
class Constraint:
    """A limit of one quantity.

    Attributes
    ----------
    name : str
        Of the constraint; unless it has a measure of its own, of what is measured as well.
    op : {"<=", ">="}
        Whether the bound is the greatest or the least allowed value.
    bound : float
        Finite.
    measure : callable or None
        Called with a fitted estimator, X and y of the test samples of a fold; None for times and
        metrics, which are measured anyway.
    """

    name: str
    op: str
    bound: float
    measure: object = None

    def folds(self, result):
        """Return what a trial has given fold by fold; None where it has not been measured.

        Raises
        ------
        ValueError
            If the scorer of a complete trial does not give the metric.
        """
        if self.measure is not None:
            return result["measures"][self.name]
        if self.name in _TIMES:
            return result[self.name]
        if result["test"] and self.name not in result["test"]:
            raise _unknown(self.name, result["test"])
        return result["test"].get(self.name, [None])

    def value(self, result):
        """Return the mean over the folds, in the unit of the bound; NaN if a fold is missing."""
        return _mean_and_error(self.folds(result))[0]

    def excess(self, result, margin):
        """Return g, with a margin in standard errors: positive is too much; NaN if not known."""
        mean, error = _mean_and_error(self.folds(result))
        over = mean + _SIGNS[self.op] * margin * error - self.bound
        if self.name in _POSITIVE:
            # The sign of log1p is that of its argument, whatever rounding does.
            over = math.log1p(max(over / self.bound, _LEAST - 1.0))
        return _SIGNS[self.op] * over

    def slack(self, value):
        """Return how far a value is on the right side of the bound."""
        return _SIGNS[self.op] * (self.bound - value)


def parse_constraints(constraints, metrics):
    """Return the constraints of a search.

    Parameters
    ----------
    constraints : dict
        From names to (op, bound) or (callable, op, bound).
    metrics : collection of str or None
        Names of the metrics; None if only a trial will tell.

    Returns
    -------
    list of Constraint

    Raises
    ------
    ValueError
        If there is none, or one is malformed or of something unknown.
    """
    if not constraints:
        raise ValueError(
            "constraints is empty: RisingBanditSearchCV searches without constraints."
        )
    return [_parse(name, given, metrics) for name, given in constraints.items()]


def _parse(name, given, metrics):
    where = f"constraints[{name!r}]"
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(f"{where} must be (op, bound) or (callable, op, bound), got {given!r}.")
    *measure, op, bound = given
    if measure and not callable(measure[0]):
        raise ValueError(
            f"{where} must begin with a callable, or have two entries: got {given!r}."
        )
    if op not in _SIGNS:
        raise ValueError(f"{where} must have the operator '<=' or '>=', got {op!r}.")
    if not isinstance(bound, Real) or not np.isfinite(bound):
        raise ValueError(f"{where} must have a finite number as its bound, got {bound!r}.")
    if measure and name in _POSITIVE:
        raise ValueError(f"{where} is built in and takes no callable: give it another name.")
    if measure:
        return Constraint(name, op, float(bound), measure[0])
    if name in _POSITIVE and bound <= 0:
        raise ValueError(f"{where} must have a positive bound, got {bound!r}.")
    if name not in _POSITIVE and metrics is not None and name not in metrics:
        raise _unknown(name, metrics)
    return Constraint(name, op, float(bound), model_size if name == "model_size" else None)


def _unknown(name, metrics):
    known = ", ".join(map(repr, (*metrics, *_POSITIVE)))
    return ValueError(
        f"constraints has {name!r}, which is neither a metric nor built in: {known} are known. "
        "Anything else needs a callable: (callable, op, bound)."
    )


def _mean_and_error(values):
    """Return the mean over folds and its standard error, which is 0 for a single fold."""
    if None in values:
        return math.nan, math.nan
    n = len(values)
    return float(np.mean(values)), float(np.std(values, ddof=1) / n**0.5) if n > 1 else 0.0


def model_size(estimator, X=None, y=None):
    """Return the number of bytes that an estimator takes as a pickle of protocol 5."""
    sink = _Counter()
    pickle.Pickler(sink, protocol=5).dump(estimator)
    return sink.n_bytes


class _Counter(io.RawIOBase):
    """A file that keeps nothing but its size."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def write(self, data):
        self.n_bytes += (n := memoryview(data).nbytes)
        return n
