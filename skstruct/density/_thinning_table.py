"""The table that is thinned: its different rows with their weights, its classes, their shares."""

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.utils.multiclass import type_of_target

from skstruct._lib.row_order import shuffled_distinct_rows

MEDIAN_ROWS = 1000
MOST = 2**31  # times that a row of any weight may be chosen, so that sums are integers


class Table:
    """The different rows of X, or of X and y, in random order, and the classes of y as strata.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or None
    weight : ndarray of shape (n_samples,)
    stratify : bool
        Whether labels in y, if it has such, make strata.
    random_state : RandomState

    Attributes
    ----------
    rows : ndarray of shape (n_distinct,)
        An index of each.
    weight : ndarray of shape (n_distinct,)
        The sum of the weights of the rows that are equal.
    capacity : ndarray of shape (n_distinct,)
        How often each may be chosen, if a row may be chosen once.
    strata : list of ndarray
        Positions in `rows`.
    """

    def __init__(self, X, y, weight, stratify, random_state):
        self._blocks, labels = (X,), None
        if y is not None:
            labels = np.unique(y, return_inverse=True, axis=None if y.ndim == 1 else 0)[1]
            self._blocks = X, labels.astype(np.float64).reshape(-1, 1)
        rows, weight = shuffled_distinct_rows(self._blocks, weight, random_state)
        self.rows, self.weight = rows[weight > 0], weight[weight > 0]
        if len(self.rows) == 0:
            raise ValueError("sample_weight is 0 for all rows; one at least must be positive.")
        self.capacity = np.clip(np.floor(self.weight), 1, MOST).astype(np.intp)
        self.strata = [np.arange(len(self.rows))]
        if stratify and y is not None and type_of_target(y) in ("binary", "multiclass"):
            labels = labels[self.rows]
            self.strata = [np.flatnonzero(labels == label) for label in np.unique(labels)]

    def shares(self, n_chosen):
        """Share out a number of rows to the strata by weight: largest remainders, one at least."""
        weight = np.array([self.weight[members].sum() for members in self.strata])
        most = np.array([self.capacity[members].sum() for members in self.strata])
        due = n_chosen * weight / weight.sum()
        sizes = np.clip(np.floor(due).astype(np.intp), 1, most)
        while sizes.sum() < n_chosen:
            sizes[np.where(sizes < most, due - sizes, -np.inf).argmax()] += 1
        while sizes.sum() > n_chosen:
            sizes[np.where(sizes > 1, due - sizes, np.inf).argmin()] -= 1
        return sizes.tolist()

    def indices(self, chosen):
        """Return indices in X; a row chosen twice has those of two equal ones, if there are."""
        found = self.rows[chosen]
        again, times = np.unique(found, return_counts=True)
        for row in again[times > 1]:
            equal = np.logical_and.reduce([(b == b[row]).all(axis=1) for b in self._blocks])
            places = np.flatnonzero(found == row)
            found[places] = np.resize(np.flatnonzero(equal), len(places))
        return found


def equal_weight_rows(weight, n_rows, random_state):
    """Return n_rows indices in random order, each as often as its weight says up to rounding.

    What is indexed is taken to be in random order already.
    """
    if len(weight) == n_rows and (weight == weight[0]).all():
        return np.arange(n_rows)
    edges = np.cumsum(weight) * (n_rows / weight.sum())
    rows = np.searchsorted(edges, np.arange(n_rows) + random_state.uniform(), side="right")
    return random_state.permutation(np.minimum(rows, np.flatnonzero(weight)[-1]))


def magnitude(X):
    """Return the power of two by which X is of order 1."""
    return 2.0 ** (int(np.frexp(np.abs(X).max())[1]) - 1)


def median_bandwidth(X, weight, random_state):
    """Return the root of half the median squared distance; X are different rows."""
    scale = magnitude(X)
    some = X[equal_weight_rows(weight, min(len(X), MEDIAN_ROWS), random_state)]
    squared = pdist(some / scale, "sqeuclidean")
    median = np.median(squared) if len(squared) else 0.0
    if median == 0 and len(X) > 1:  # most are equal
        median = pdist(X[:MEDIAN_ROWS] / scale, "sqeuclidean").mean()
    if median == 0:
        raise ValueError(
            f"bandwidth='median' needs rows that differ, got n_samples={len(X)} different ones; "
            "give a number."
        )
    return float(np.sqrt(median / 2) * scale)
