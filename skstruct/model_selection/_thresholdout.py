"""Answers from a holdout that do not wear it out.

Queries are pairs (a, b): a value on the training part and the same on the holdout. With threshold
T, tolerance tau, budget B, noise scales (h, e, o) and Z standard noise, drawn anew each time:

    T' = T + h tau Z
    for each query:  B < 1                       ->  NaN
                     |a - b| > T' + e tau Z      ->  b + o tau Z ;  B -= 1 ;  T' = T + h tau Z
                     else                        ->  a

Scales "practical" are (0, 1, 1), "theory" (2, 4, 1): with tau = T / 4, as it is chosen in
practice, a comparison noise of 4 tau is as large as T, and answers that overfit come back
unchanged.

The three kinds of noise come from streams of their own, so that an array of queries is answered
exactly as its elements one after the other.
"""

import math
import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator

from skstruct._validation import Interval, StrOptions, check_random_state
from skstruct.model_selection._thresholdout_fast import answer

_SCALES = {"practical": (0.0, 1.0, 1.0), "theory": (2.0, 4.0, 1.0)}
_BLOCK = 4096


class Thresholdout(BaseEstimator):
    """Answer queries about a holdout from the training part wherever that is close enough.

    Parameters
    ----------
    threshold : float
        Difference of the two values beyond which the holdout is consulted; > 0, in the units of
        the values.
    tolerance : float
        Scale of the noise, > 0; a quarter of `threshold` is usual.
    budget : int, default=None
        Number of answers from the holdout; None is any number. Then all answers are NaN.
    noise : {"gaussian", "laplace"}, default="gaussian"
        Distribution of the noise.
    scales : {"practical", "theory"}, default="practical"
        How much noise the threshold, the comparison and the answer get, in units of `tolerance`:
        (0, 1, 1) or (2, 4, 1). The second is for a tolerance far below the threshold.
    random_state : int, RandomState instance or None, default=None
        Source of the noise.

    Attributes
    ----------
    budget_left_ : float
        Number of answers from the holdout that are left; infinite without a budget.
    n_queries_ : int
        Number of queries so far.
    n_holdout_ : int
        Number of them that were answered from the holdout.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the values of a query differ in shape or are not
        finite.

    Warns
    -----
    UserWarning
        Once, when the budget is spent.

    See Also
    --------
    ReusableHoldout : Keeps the holdout, and answers about estimators.

    Notes
    -----
    An answer is within about ``threshold + 3 * tolerance`` of the truth, not closer: one that
    comes from the training part is optimistic by up to the threshold. Time and memory are O(m) for
    an array of m queries.

    References
    ----------
    C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold, A. Roth. Preserving statistical
    validity in adaptive data analysis. STOC 2015, arXiv:1411.2664.

    C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold, A. Roth. The reusable holdout:
    preserving validity in adaptive data analysis. Science 349, 2015.

    Examples
    --------
    >>> from skstruct.model_selection import Thresholdout
    >>> holdout = Thresholdout(threshold=0.1, tolerance=0.025, random_state=0)
    >>> holdout.query(0.80, 0.78)
    0.8
    >>> round(holdout.query(0.95, 0.60), 1)
    0.6
    >>> holdout.n_holdout_
    1
    """

    _parameter_constraints: dict = {
        "threshold": [Interval(Real, 0, None, closed="neither")],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
        "budget": [Interval(Integral, 0, None, closed="left"), None],
        "noise": [StrOptions({"gaussian", "laplace"})],
        "scales": [StrOptions(set(_SCALES))],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        threshold,
        tolerance,
        *,
        budget=None,
        noise="gaussian",
        scales="practical",
        random_state=None,
    ):
        self.threshold = threshold
        self.tolerance = tolerance
        self.budget = budget
        self.noise = noise
        self.scales = scales
        self.random_state = random_state

    def reset(self):
        """Begin anew: all of the budget, no query asked.

        Returns
        -------
        self : object
        """
        self._validate_params()
        seeds = check_random_state(self.random_state).randint(2**31, size=3)
        self._comparisons, self._answers, self._thresholds = (
            _Stream(self.noise, seed) for seed in seeds
        )
        self._base = self.threshold
        on_threshold, on_comparison, on_answer = _SCALES[self.scales]
        self._scales = np.array([on_comparison, on_answer, on_threshold]) * self.tolerance
        self._noisy_threshold = self._base + self._scales[2] * self._thresholds.take(1)[0]
        self.budget_left_ = math.inf if self.budget is None else float(self.budget)
        self.n_queries_ = 0
        self.n_holdout_ = 0
        return self

    def query(self, train, holdout):
        """Answer queries, those of an array in its order.

        Parameters
        ----------
        train : float or array-like
            Values on the training part.
        holdout : float or array-like of the same shape
            Values on the holdout.

        Returns
        -------
        answers : float or ndarray of the same shape
            NaN where the budget is spent.
        """
        train, holdout = as_queries(train, holdout)
        if not hasattr(self, "budget_left_"):
            self.reset()
        answers = np.empty(train.shape)
        self._answer(np.ravel(train), np.ravel(holdout), answers.reshape(-1))
        return answers if answers.ndim else float(answers)

    def _answer(self, train, holdout, out):
        compare = self._comparisons.take(len(train))
        begin = 0
        while begin < len(train):
            n_done, n_crossed, self._noisy_threshold = answer(
                train[begin:],
                holdout[begin:],
                compare[begin:],
                self._answers.peek(),
                self._thresholds.peek(),
                self._base,
                *self._scales,
                self._noisy_threshold,
                self.budget_left_,
                out[begin:],
            )
            self._answers.skip(n_crossed)
            self._thresholds.skip(n_crossed)
            self._charge(n_done, n_crossed)
            begin += n_done

    def _charge(self, n_queries, n_holdout):
        """Count queries, and those of them that the holdout was consulted for."""
        self.n_queries_ += n_queries
        self.n_holdout_ += n_holdout
        self.budget_left_ -= n_holdout
        if n_holdout and self.budget_left_ < 1:
            warnings.warn(
                f"The budget of {self.budget} answers from the holdout is spent: all further "
                "answers are NaN.",
                UserWarning,
            )


def as_queries(train, holdout):
    """Return the values of queries as two float arrays of one shape, all finite."""
    train, holdout = np.asarray(train, dtype=float), np.asarray(holdout, dtype=float)
    if train.shape != holdout.shape:
        raise ValueError(
            "The values of a query on the training part and on the holdout must have one shape, "
            f"got {train.shape} and {holdout.shape}."
        )
    for name, values in (("training part", train), ("holdout", holdout)):
        if not np.isfinite(values).all():
            raise ValueError(f"The values of queries on the {name} must be finite, got {values}.")
    return train, holdout


class _Stream:
    """Standard noise, drawn in blocks and used up in order."""

    def __init__(self, noise, seed):
        rng = np.random.default_rng(seed)
        is_gaussian = noise == "gaussian"
        self._draw = rng.standard_normal if is_gaussian else partial(rng.laplace, 0.0, 1.0)
        self._block = np.empty(0)

    def peek(self):
        """Return what comes next, at least one number."""
        if not len(self._block):
            self._block = self._draw(size=_BLOCK)
        return self._block

    def skip(self, n):
        """Use up the first n numbers of `peek`."""
        self._block = self._block[n:]

    def take(self, n):
        """Return the next n numbers and use them up."""
        new = self._draw(size=max(n - len(self._block), 0))
        whole = np.concatenate((self._block, new))
        self._block = whole[n:]
        return whole[:n]
