"""What the levels of a search by effort are: amounts of a resource, and nested training sets."""

from itertools import pairwise
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import type_of_target

LEAST_SAMPLES = 10


def resource_levels(least, most, factor, n_levels):
    """Return amounts of a resource in geometric progression, whole if `most` is.

    Parameters
    ----------
    least : float or "auto"
        The first one; "auto" divides by `factor` from one to the one below.
    most : float
        The last one.
    factor : float
        See `least`.
    n_levels : int
        How many.

    Returns
    -------
    amounts : list of n_levels numbers

    Raises
    ------
    ValueError
        If they do not increase.
    """
    ratio = factor ** (n_levels - 1) if least == "auto" else most / least
    amounts = [most / ratio ** (1 - t / (n_levels - 1)) for t in range(n_levels)]
    if isinstance(most, Integral):
        amounts = [round(amount) for amount in amounts]
    if amounts[0] <= 0 or any(a >= b for a, b in pairwise(amounts)):
        raise ValueError(
            f"min_resources={least!r}, max_resources={most!r}, factor={factor!r} and "
            f"n_levels={n_levels!r} give the levels {amounts}, which must be positive and "
            "increase: take fewer n_levels, a larger range of resources, or a float max_resources "
            "for a parameter that may be a fraction."
        )
    return amounts


def check_samples(least, labels):
    """Refuse a number of training samples that says nothing.

    Raises
    ------
    ValueError
        If it is less than 10, or less than two for each of the `labels` (None: no classes).
    """
    n_classes = 0 if labels is None else len(np.unique(labels))
    needed = max(LEAST_SAMPLES, 2 * n_classes)
    if least < needed:
        raise ValueError(
            f"The lowest level trains on {least} samples, but needs at least {needed}"
            f"{f' for {n_classes} classes' if n_classes else ''}: take fewer n_levels, a smaller "
            "factor, larger min_resources, or another resource."
        )


def class_labels(estimator, y):
    """Return y as an array if it is one of class labels for a classifier, else None."""
    if is_classifier(estimator) and type_of_target(y) in ("binary", "multiclass"):
        return np.asarray(y)
    return None


class NestedFolds:
    """Folds whose training samples also come in nested subsets, the same for all who ask.

    Parameters
    ----------
    folds : list of (train, test)
        Indices of the samples.
    labels : ndarray of shape (n_samples,) or None
        Classes that the subsets keep in proportion.
    seed : int or None
        Decides the order in which samples join; None is the order of the training samples.
    """

    def __init__(self, folds, labels, seed):
        self.folds = folds
        self.orders = [
            _order(train, labels, np.random.default_rng([seed, k])) if seed is not None else train
            for k, (train, _) in enumerate(folds)
        ]

    def __len__(self):
        return len(self.folds)

    def __getitem__(self, k):
        return self.folds[k]

    def prefix(self, k, n_train):
        """Return fold k with the first `n_train` of its training samples, and all test samples."""
        return np.sort(self.orders[k][:n_train]), self.folds[k][1]


def _order(train, labels, rng):
    """Return a permutation of training samples in which the classes alternate evenly."""
    order = rng.permutation(train)
    if labels is None:
        return order
    _, classes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    by_class = np.argsort(classes, kind="stable")
    first = np.cumsum(counts) - counts
    quantile = np.empty(len(order))  # of each sample within its class
    quantile[by_class] = (np.arange(len(order)) - np.repeat(first, counts) + 0.5) / np.repeat(
        counts, counts
    )
    return order[np.argsort(quantile, kind="stable")]
