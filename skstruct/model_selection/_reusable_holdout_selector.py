"""Features selected by their correlation with the target, confirmed by a reusable holdout.

a_j is the correlation of feature j with y on the training part; b_j the same mean of products on
the holdout, standardised with the training part's means and deviations; the mechanism of the
holdout answers c_j for the query (a_j, b_j). With m = 1 / sqrt(n) for n holdout rows, feature j is
kept if a_j and c_j have one sign and both exceed m in size; of these the k largest |a_j|.

Of several classes each feature is tested against the one that it correlates with most on the
training part. Rows are centred block by block, so that no copy of the table is made.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import gen_batches
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.sparsefuncs import mean_variance_axis

from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _fit_context,
    check_is_fitted,
    validate_data,
)
from skstruct.model_selection._reusable_holdout import ReusableHoldout
from skstruct.model_selection._search_setup import guess_task

_BLOCK = 2**17  # numbers of a block of rows: it stays in the cache


class ReusableHoldoutSelector(SelectorMixin, BaseEstimator):
    """Select features that correlate with the target on a training part and on a holdout.

    The holdout is asked through a :class:`ReusableHoldout`, so that the selection may be repeated,
    refined and compared without wearing it out.

    Parameters
    ----------
    k : int, default=10
        Most features to select; fewer are, if fewer are confirmed.
    holdout : ReusableHoldout, default=None
        Fitted; its rows are used, and what is given to `fit` must only have as many features.
        None splits what is given to `fit` in halves.
    min_corr : float or "auto", default="auto"
        What both correlations must exceed, in [0, 1); ``"auto"`` is ``1 / sqrt(n)`` for n holdout
        rows.
    random_state : int, RandomState instance or None, default=None
        Of the holdout, where `holdout` is None.

    Attributes
    ----------
    train_scores_ : ndarray of shape (n_features,)
        Correlations on the training part.
    holdout_answers_ : ndarray of shape (n_features,)
        Answers of the holdout.
    holdout_ : ReusableHoldout
        The holdout.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` has any.

    Raises
    ------
    ValueError
        If a parameter is out of its range, `holdout` is not fitted, or has other features than
        `X`.

    Warns
    -----
    UserWarning
        If no feature is confirmed: the one with the largest correlation on the training part is
        selected. If the holdout has fewer than 400 rows.

    See Also
    --------
    ReusableHoldout : What answers.
    sklearn.feature_selection.SelectKBest : Looks at all rows, and has nothing left to check with.

    Notes
    -----
    O(n d) for n rows and d features, or O(nnz), and O(d) memory beside the table.

    References
    ----------
    C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold, A. Roth. The reusable holdout:
    preserving validity in adaptive data analysis. Science 349, 2015.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from skstruct.model_selection import ReusableHoldoutSelector
    >>> X, y = make_classification(
    ...     2000, 50, n_informative=3, n_redundant=0, shuffle=False, random_state=0
    ... )
    >>> ReusableHoldoutSelector(k=2, random_state=0).fit(X, y).get_support(indices=True)
    array([0, 1])
    """

    _parameter_constraints: dict = {
        "k": [Interval(Integral, 1, None, closed="left")],
        "holdout": [ReusableHoldout, None],
        "min_corr": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(self, k=10, *, holdout=None, min_corr="auto", random_state=None):
        self.k = k
        self.holdout = holdout
        self.min_corr = min_corr
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)  # the holdout is fitted already
    def fit(self, X, y):
        """Ask the holdout about every feature.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The data.
        y : array-like of shape (n_samples,)
            Classes or quantities.

        Returns
        -------
        self : object
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS, y_numeric=False)
        holdout = self.holdout
        if holdout is None:
            holdout = ReusableHoldout(random_state=self.random_state).fit(X, y)
        check_is_fitted(holdout)
        (X, y, weight), (X_holdout, y_holdout, weight_holdout) = map(_as_part, holdout._parts())
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {self.n_features_in_} features, but holdout was fitted to {X.shape[1]}."
            )
        target = _Target(y, weight)
        means, deviations = _moments(X, weight)
        a = _correlations(X, target(y), weight, means, deviations)
        b = _correlations(X_holdout, target(y_holdout), weight_holdout, means, deviations)
        features = np.arange(len(a))
        classes = np.abs(a).argmax(axis=1)
        a, b = a[features, classes], b[features, classes]
        answers = holdout.answer(a, b)
        least = 1 / np.sqrt(len(y_holdout)) if self.min_corr == "auto" else self.min_corr
        confirmed = (np.abs(a) > least) & (np.sign(a) * answers > least)
        if not confirmed.any():
            warnings.warn(
                "No feature is confirmed by the holdout: the one with the largest correlation on "
                "the training part is selected.",
                UserWarning,
            )
            confirmed[np.abs(a).argmax()] = True
        order = np.argsort(-np.where(confirmed, np.abs(a), -1), kind="stable")
        self._support = np.zeros(len(a), dtype=bool)
        self._support[order[: min(self.k, confirmed.sum())]] = True
        self.train_scores_, self.holdout_answers_, self.holdout_ = a, answers, holdout
        return self

    def _get_support_mask(self):
        check_is_fitted(self)
        return self._support

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        return tags


class _Target:
    """A target as columns of mean 0 and variance 1 on the training part."""

    def __init__(self, y, weight):
        is_classes = type_of_target(y) == "binary" or (
            type_of_target(y) == "multiclass" and guess_task(y) == "classification"
        )
        self.classes = np.unique(y) if is_classes else None
        if is_classes and len(self.classes) == 2:
            self.classes = self.classes[1:]
        columns = self._columns(y)
        self.means, self.deviations = _moments(columns, weight)

    def __call__(self, y):
        return _standardised(self._columns(y), self.means, self.deviations)

    def _columns(self, y):
        if self.classes is None:
            return np.asarray(y, dtype=float)[:, None]
        return (np.asarray(y)[:, None] == self.classes).astype(float)


def _as_part(part):
    """Return the rows, target and weights of a part, the weights with mean 1."""
    X, y, weight = part
    if y is None:
        raise ValueError("holdout was fitted without y, which a selection needs.")
    X = X if issparse(X) else np.asarray(X)
    X = X if X.dtype in FLOATS else X.astype(float)
    weight = np.ones(X.shape[0]) if weight is None else weight / weight.mean()
    return X, y, weight


def _blocks(X):
    return gen_batches(X.shape[0], max(_BLOCK // max(X.shape[1], 1), 1))


def _moments(X, weight):
    """Return means and standard deviations of columns; a deviation that is rounding is 0."""
    if issparse(X):
        means, variances = mean_variance_axis(X, axis=0, weights=weight.astype(X.dtype))
        return means, _without_rounding(np.sqrt(variances), means, X.dtype)
    means = (weight.astype(X.dtype) @ X).astype(float) / len(X)
    squares = np.zeros(X.shape[1])
    for rows in _blocks(X):
        centred = X[rows] - means.astype(X.dtype)
        squares += np.einsum("ij,ij,i->j", centred, centred, weight[rows].astype(X.dtype))
    return means, _without_rounding(np.sqrt(squares / len(X)), means, X.dtype)


def _without_rounding(deviations, means, dtype):
    return np.where(deviations > 10 * np.finfo(dtype).eps * np.abs(means), deviations, 0.0)


def _standardised(Y, means, deviations):
    return np.divide(Y - means, deviations, out=np.zeros_like(Y), where=deviations > 0)


def _correlations(X, Y, weight, means, deviations):
    """Return the mean products of the standardised columns of X with the columns of Y."""
    Y = Y * weight[:, None]
    if issparse(X):
        products = X.T @ Y - np.outer(means, Y.sum(axis=0))
    else:
        products = np.zeros((X.shape[1], Y.shape[1]))
        Y = Y.astype(X.dtype)
        for rows in _blocks(X):
            products += (X[rows] - means.astype(X.dtype)).T @ Y[rows]
    return _standardised(products / len(weight), 0.0, deviations[:, None])
