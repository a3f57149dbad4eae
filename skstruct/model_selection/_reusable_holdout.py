"""A holdout for many adaptive questions.

The rows are split once. Whoever asks gets the training part, and answers about the holdout only
through a mechanism: `Thresholdout` (of n holdout rows: threshold 4 / sqrt(n), tolerance
1 / sqrt(n)), the holdout's value with Gaussian noise of the tolerance, or, to compare with, the
value as it is. There is one budget, so that there must be one object: copies of a fitted holdout
are itself, and another process may not ask.
"""

import os
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.multiclass import type_of_target

from skstruct._validation import (
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    _num_samples,
    check_is_fitted,
    check_random_state,
)
from skstruct.model_selection._search_setup import guess_task
from skstruct.model_selection._thresholdout import Thresholdout, as_queries

_FEW_ROWS = 400  # of the holdout, where the threshold is .2


class ReusableHoldout(BaseEstimator):
    """Split off a holdout that can be asked again and again.

    Every model that is chosen because of its score on a holdout wears the holdout out. This one
    answers with the score on the training part as long as that is close, and with noise
    otherwise, which keeps its answers valid for thousands of adaptive questions.

    Parameters
    ----------
    holdout_size : float, default=0.5
        Share of the rows, in (0, 1).
    mechanism : {"thresholdout", "gaussian", "naive"}, default="thresholdout"
        What an answer is: see :class:`Thresholdout`; the value on the holdout with Gaussian noise;
        or that value as it is, which does wear out.
    threshold : float or "auto", default="auto"
        Of :class:`Thresholdout`, in the units of the scores; ``"auto"`` is ``4 / sqrt(n)`` for n
        holdout rows, which fits scores and means in [0, 1].
    tolerance : float or "auto", default="auto"
        Scale of the noise; ``"auto"`` is ``1 / sqrt(n)``.
    budget : int, default=None
        Number of answers for which the holdout may be consulted; None is any number.
    noise : {"gaussian", "laplace"}, default="gaussian"
        Of :class:`Thresholdout`.
    scales : {"practical", "theory"}, default="practical"
        Of :class:`Thresholdout`.
    stratify : bool, default=True
        Whether both parts get the classes of a classification target in proportion.
    random_state : int, RandomState instance or None, default=None
        Decides the split and the noise.

    Attributes
    ----------
    X_train_, y_train_ : array-like
        The training part.
    train_indices_, holdout_indices_ : ndarray of shape (n_train,) and (n_holdout,), dtype=int
        Rows of the two parts.
    threshold_, tolerance_ : float
        Those of the mechanism.
    budget_left_ : float
        Number of answers from the holdout that are left; infinite without a budget.
    n_queries_ : int
        Number of answers so far.
    n_holdout_ : int
        Number of them for which the holdout was consulted.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or there are not two rows for each part.
    RuntimeError
        If a scorer of this object is called in another process, which would have a budget of its
        own: search with ``n_jobs=1`` or threads.

    Warns
    -----
    UserWarning
        If the holdout has fewer than 400 rows: a threshold above .2 says little.

    See Also
    --------
    Thresholdout : The mechanism alone.
    ReusableHoldoutSelector : Features selected through a holdout.

    Notes
    -----
    An answer is optimistic by up to the threshold: it serves to choose, and is never the last
    number to report. Scores in other ranges than [0, 1] (R^2, log loss) need a `threshold` in
    their units. A pickle of this object holds the holdout.

    References
    ----------
    C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold, A. Roth. Preserving statistical
    validity in adaptive data analysis. STOC 2015, arXiv:1411.2664.

    C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold, A. Roth. The reusable holdout:
    preserving validity in adaptive data analysis. Science 349, 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skstruct.model_selection import ReusableHoldout
    >>> X, y = load_digits(return_X_y=True)
    >>> holdout = ReusableHoldout(random_state=0).fit(X, y)
    >>> search = GridSearchCV(
    ...     KNeighborsClassifier(),
    ...     {"n_neighbors": [1, 3, 5, 9]},
    ...     cv=holdout,
    ...     scoring=holdout.scorer("accuracy"),
    ...     refit=False,
    ... ).fit(X, y)
    >>> holdout.n_queries_
    4
    """

    _parameter_constraints: dict = {
        "holdout_size": [Interval(Real, 0, 1, closed="neither")],
        "mechanism": [StrOptions({"thresholdout", "gaussian", "naive"})],
        "threshold": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "tolerance": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "budget": [Interval(Integral, 0, None, closed="left"), None],
        "noise": [StrOptions({"gaussian", "laplace"})],
        "scales": [StrOptions({"practical", "theory"})],
        "stratify": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        holdout_size=0.5,
        mechanism="thresholdout",
        threshold="auto",
        tolerance="auto",
        budget=None,
        noise="gaussian",
        scales="practical",
        stratify=True,
        random_state=None,
    ):
        self.holdout_size = holdout_size
        self.mechanism = mechanism
        self.threshold = threshold
        self.tolerance = tolerance
        self.budget = budget
        self.noise = noise
        self.scales = scales
        self.stratify = stratify
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Split the rows, and forget all earlier answers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data, of any kind that estimators take.
        y : array-like of shape (n_samples,), default=None
            The target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in scores and means.

        Returns
        -------
        self : object
        """
        X, y = indexable(X, y)
        n_samples = _num_samples(X)
        n_holdout = round(self.holdout_size * n_samples)
        if not 2 <= n_holdout <= n_samples - 2:
            raise ValueError(
                f"holdout_size={self.holdout_size} of n_samples={n_samples} leaves {n_holdout} "
                f"rows for the holdout and {n_samples - n_holdout} to train: both parts need at "
                "least 2."
            )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        rng = check_random_state(self.random_state)
        is_classified = self.stratify and y is not None and _is_classification(y)
        train, holdout = train_test_split(
            np.arange(n_samples),
            test_size=n_holdout,
            random_state=rng,
            stratify=y if is_classified else None,
        )
        self.train_indices_, self.holdout_indices_ = np.sort(train), np.sort(holdout)
        self._train = _part(X, y, sample_weight, self.train_indices_)
        self._holdout = _part(X, y, sample_weight, self.holdout_indices_)
        self.X_train_, self.y_train_, _ = self._train
        self.threshold_ = self._scale(self.threshold, 4.0, n_holdout)
        self.tolerance_ = self._scale(self.tolerance, 1.0, n_holdout)
        if n_holdout < _FEW_ROWS and self.threshold == "auto":
            warnings.warn(
                f"The holdout has {n_holdout} rows, so that answers within "
                f"{self.threshold_:.2g} of the training part's tell nothing else: with fewer than "
                f"{_FEW_ROWS} rows they say little.",
                UserWarning,
            )
        self._thresholdout = Thresholdout(
            self.threshold_,
            self.tolerance_,
            budget=self.budget,
            noise=self.noise,
            scales=self.scales,
            random_state=rng,
        ).reset()
        self._rng = np.random.default_rng(rng.randint(2**31))
        self._process = os.getpid()
        self._mechanism = self.mechanism  # whoever asks cannot change it
        return self

    @staticmethod
    def _scale(given, numerator, n_holdout):
        return numerator / np.sqrt(n_holdout) if given == "auto" else float(given)

    @property
    def budget_left_(self):
        return self._oracle().budget_left_

    @property
    def n_queries_(self):
        return self._oracle().n_queries_

    @property
    def n_holdout_(self):
        return self._oracle().n_holdout_

    def _oracle(self):
        check_is_fitted(self)
        return self._thresholdout

    def _parts(self):
        """Return (X, y, sample_weight) of the training part and of the holdout."""
        return self._train, self._holdout

    def answer(self, train_values, holdout_values):
        """Answer queries whose values on both parts somebody trusted has computed.

        Parameters
        ----------
        train_values : float or array-like
            On the training part.
        holdout_values : float or array-like of the same shape
            On the holdout.

        Returns
        -------
        answers : float or ndarray
            NaN where the budget is spent.
        """
        oracle = self._oracle()
        if self._mechanism == "thresholdout":
            return oracle.query(train_values, holdout_values)
        _, values = as_queries(train_values, holdout_values)
        granted = np.arange(values.size).reshape(values.shape) < oracle.budget_left_
        if self._mechanism == "gaussian":
            values = values + self.tolerance_ * self._rng.standard_normal(values.shape)
        oracle._charge(values.size, int(granted.sum()))
        answers = np.where(granted, values, np.nan)
        return answers if answers.ndim else float(answers)

    def query(self, phi):
        """Answer for the mean of a function of the rows.

        Parameters
        ----------
        phi : callable
            Called as ``phi(X, y)`` with either part; returns an array of shape (n_rows,), or
            (n_rows, m) for m queries, of values in [0, 1] or a range like it.

        Returns
        -------
        answer : float or ndarray of shape (m,)
        """
        check_is_fitted(self)
        return self.answer(*(_mean(phi, *part) for part in self._parts()))

    def score(self, estimator, scoring=None):
        """Answer for the score of an estimator that was fitted to the training part.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        scoring : str or callable, default=None
            As in scikit-learn; None is the estimator's own.

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        scorer = check_scoring(estimator, scoring)
        return self.answer(*(_score(scorer, estimator, *part) for part in self._parts()))

    def scorer(self, scoring=None):
        """Return a scorer for scikit-learn's searches, together with ``cv=`` this object.

        Parameters
        ----------
        scoring : str or callable, default=None
            As in `score`.

        Returns
        -------
        scorer : callable
            ``scorer(estimator, X, y)`` is `score` of the estimator, whatever X and y are.
        """
        check_is_fitted(self)
        return _HoldoutScorer(self, scoring)

    def split(self, X=None, y=None, groups=None):
        """Yield the one split: the training rows and the holdout rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            The data of `fit`; only its length is looked at.
        y, groups : object
            Ignored.

        Yields
        ------
        train, test : ndarray of int
            A scorer of this object keeps the second from wearing out; other scorers do not.
        """
        check_is_fitted(self)
        n_samples = len(self.train_indices_) + len(self.holdout_indices_)
        if X is not None and _num_samples(X) != n_samples:
            raise ValueError(
                f"X has {_num_samples(X)} rows, but this holdout was fitted to {n_samples} rows."
            )
        yield self.train_indices_, self.holdout_indices_

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return 1.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        n_splits : int
        """
        return 1

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_thresholdout")

    def __sklearn_clone__(self):
        return self if self.__sklearn_is_fitted__() else super().__sklearn_clone__()

    def __deepcopy__(self, memo):
        return self if self.__sklearn_is_fitted__() else clone(self)


class _HoldoutScorer:
    def __init__(self, holdout, scoring):
        self.holdout = holdout
        self.scoring = scoring

    def __call__(self, estimator, X=None, y=None):
        if os.getpid() != self.holdout._process:
            raise RuntimeError(
                "A ReusableHoldout answers in the process that fitted it alone: its budget and "
                "its noise are there. Use n_jobs=1, or joblib's threading backend."
            )
        return self.holdout.score(estimator, self.scoring)


def _is_classification(y):
    return type_of_target(y) in ("binary", "multiclass") and guess_task(y) == "classification"


def _part(X, y, sample_weight, rows):
    return tuple(
        None if data is None else _safe_indexing(data, rows) for data in (X, y, sample_weight)
    )


def _mean(phi, X, y, sample_weight):
    values = np.asarray(phi(X, y), dtype=float)
    if values.ndim not in (1, 2) or len(values) != (n := _num_samples(X)):
        raise ValueError(
            f"phi must return an array of shape ({n},) or ({n}, m), got one of shape "
            f"{values.shape}."
        )
    return np.average(values, axis=0, weights=sample_weight)


def _score(scorer, estimator, X, y, sample_weight):
    extra = {} if sample_weight is None else {"sample_weight": sample_weight}
    return scorer(estimator, X, y, **extra) if y is not None else scorer(estimator, X, **extra)
