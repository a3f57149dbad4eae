"""Splits of the data for searches whose trials are one fit on one split each.

Such a search asks for split 0, 1, 2, ... of a setting, as many as it wants. With a number of folds
the splits are those of shuffled k-fold, repeated: split k is fold k mod K of repetition k // K,
made when it is asked for, from a seed of its own; a splitter has its own splits, in turn.
"""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils.multiclass import type_of_target

from skstruct._validation import _num_samples, move_to
from skstruct.model_selection._search_setup import make_folds

N_FOLDS = 5


def repeated_folds(cv, X, y, estimator, split_params, seed):
    """Return the splits of a search by single splits, for any number k >= 0.

    Parameters
    ----------
    cv : int, cross-validation generator, iterable or None
        A number of folds (None: 5) is shuffled and repeated, stratified for a classifier.
    X, y : array-like
        The data.
    estimator : estimator
        To be searched.
    split_params : dict
        For the splitter.
    seed : int or None
        Decides the splits; None is 0, so that a journal can be continued.

    Returns
    -------
    folds : RepeatedFolds or CycledFolds
    """
    seed = 0 if seed is None else seed
    if cv is not None and not isinstance(cv, Integral):
        return CycledFolds(make_folds(cv, X, y, estimator, split_params), seed)
    n_folds = N_FOLDS if cv is None else int(cv)
    is_stratified = is_classifier(estimator) and type_of_target(y) in ("binary", "multiclass")
    n_samples = _num_samples(X)
    labels = np.asarray(move_to(y, xp=np, device="cpu")) if is_stratified else None
    return RepeatedFolds(n_samples, labels, n_folds, seed)


class _Folds:
    """A sequence of splits without end; its length is the number of those that differ in kind."""

    def prefix(self, k, n_train):
        """Return split k with `n_train` of its training samples, drawn for this split alone."""
        train, test = self[k]
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, k)))
        return train[np.sort(rng.choice(len(train), n_train, replace=False))], test


class RepeatedFolds(_Folds):
    """Shuffled k-fold cross-validation, repeated; stratified if there are labels.

    Parameters
    ----------
    n_samples : int
        Of the data.
    labels : ndarray of shape (n_samples,) or None
        Classes to keep in proportion.
    n_folds : int
        Splits of a repetition.
    seed : int
        Decides all splits.
    """

    def __init__(self, n_samples, labels, n_folds, seed):
        self.n_samples = n_samples
        self.labels = labels
        self.n_folds = n_folds
        self.seed = seed
        self._last = 0, self._repetition(0)  # what is wrong with the data is said now

    def __len__(self):
        return self.n_folds

    def __getitem__(self, k):
        repetition, fold = divmod(k, self.n_folds)
        number, splits = self._last
        if number != repetition:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of small classes: said once
                splits = self._repetition(repetition)
            self._last = repetition, splits
        return splits[fold]

    def _repetition(self, repetition):
        seed = np.random.SeedSequence(self.seed, spawn_key=(1, repetition)).generate_state(1)[0]
        splitter = KFold if self.labels is None else StratifiedKFold
        rows = np.zeros(self.n_samples)
        splits = splitter(self.n_folds, shuffle=True, random_state=int(seed))
        return list(splits.split(rows, self.labels))

    def __getstate__(self):
        # Every trial travels to its worker: the splits that it needs are made there.
        return {**vars(self), "_last": (None, None)}


class CycledFolds(_Folds):
    """The splits of a splitter, over and over.

    Parameters
    ----------
    splits : list of (train, test)
        Indices of the samples.
    seed : int
        Decides the draws of `prefix`.
    """

    def __init__(self, splits, seed):
        self.splits = splits
        self.seed = seed

    def __len__(self):
        return len(self.splits)

    def __getitem__(self, k):
        return self.splits[k % len(self.splits)]
