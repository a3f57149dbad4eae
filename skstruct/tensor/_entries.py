"""Entries of an incomplete tensor: rows of indices, one column for each mode.

A column is categorical: its distinct values, sorted, are the slices of the mode. With `mode_sizes`
the values are the numbers of the slices themselves. What was not seen in `fit` is the slice after
the last one, so that a row appended to a factor serves all of it.
"""

from collections import namedtuple
from numbers import Integral

import numpy as np

from skstruct.tensor._row_update import entry_values, row_update, sort_entries

LANES = 8  # factors are padded to whole vectors

SortedEntries = namedtuple("SortedEntries", ["ptr", "index", "order"])
SortedEntries.__doc__ = """The entries in the order of the slices of a mode.

Those of slice i are ptr[i] .. ptr[i + 1]; `index` has the slices of the other modes, as
`other_factors` has their factors, and `order` the places of the entries in the table.
"""


def check_mode_sizes(mode_sizes, n_modes):
    """Raise unless mode_sizes is None or has a positive integer for each column."""
    if mode_sizes is None:
        return
    valid = isinstance(mode_sizes, (tuple, list, np.ndarray)) and all(
        isinstance(size, Integral) and not isinstance(size, bool) and size > 0
        for size in mode_sizes
    )
    if not valid:
        raise ValueError(f"mode_sizes={mode_sizes!r}; it must list a positive integer per column.")
    if len(mode_sizes) != n_modes:
        raise ValueError(
            f"mode_sizes={mode_sizes!r} has {len(mode_sizes)} sizes, X has {n_modes} columns."
        )


def find_categories(X, mode_sizes):
    """Return the values that stand for the slices of each mode, sorted."""
    if mode_sizes is None:
        return [np.unique(column) for column in X.T]
    return [np.arange(size) for size in mode_sizes]


def _consecutive(known):
    """Return whether sorted distinct values are integers without gaps."""
    return (
        known.dtype.kind in "iuf"
        and known[-1] - known[0] == len(known) - 1
        and (known == np.floor(known)).all()
    )


def encode(X, categories, *, numbered):
    """Return the slices of entries.

    Parameters
    ----------
    X : ndarray of shape (n_entries, n_modes)
        Values of the columns.
    categories : list of ndarray
        What `find_categories` gave.
    numbered : bool
        Whether values are the numbers of slices, with `mode_sizes`, and others are wrong.

    Returns
    -------
    index : ndarray of shape (n_entries, n_modes), int32
        The number of categories where the value is none of them.

    Raises
    ------
    ValueError
        If numbered, and a value is not an integer from 0 to the size of the mode less 1.
    """
    index = np.empty(X.shape, np.int32)
    for k, known in enumerate(categories):
        column = X[:, k]
        if _consecutive(known):
            place = column - known[0]
            found = (place >= 0) & (place < len(known)) & (place == np.floor(place))
        else:
            place = np.searchsorted(known, column)
            found = known[np.minimum(place, len(known) - 1)] == column
        if numbered and not found.all():
            raise ValueError(
                f"Column {k} of X has the value {column[~found][0]}; with mode_sizes it must be "
                f"an integer from 0 to {len(known) - 1}."
            )
        index[:, k] = np.where(found, place, len(known))
    return index


def sort_by_mode(index, sizes):
    """Return the entries in the order of each mode in turn.

    Parameters
    ----------
    index : ndarray of shape (n_entries, n_modes), int32
        Slices of the entries, all of them known.
    sizes : sequence of int
        Numbers of slices of the modes.

    Returns
    -------
    modes : list of SortedEntries
        Of n_modes - 1 int32 and an int64 for each entry.
    """
    modes = []
    for k, size in enumerate(sizes):
        ptr, order = np.zeros(size + 1, np.int64), np.empty(len(index), np.int64)
        sort_entries(index, k, ptr, order)
        others = np.delete(index, k, axis=1) if len(sizes) > 1 else np.zeros_like(index)
        others = np.take(others, order, axis=0)
        modes.append(SortedEntries(ptr, others, order))
    return modes


def other_factors(padded, k, rank):
    """Return the padded factors but that of mode k; a row of ones if there is no other."""
    return padded[:k] + padded[k + 1 :] or [pad(np.ones((1, rank)))]


def pad(A, *, n_rows=0, fill=None):
    """Return a float64 copy with zero columns up to a multiple of 8, and n_rows rows `fill`."""
    n, rank = A.shape
    out = np.zeros((n + n_rows, -(-rank // LANES) * LANES))
    out[:n, :rank] = A
    if fill is not None:
        out[n:, :rank] = fill
    return out


def row_ranges(ptr, n_ranges):
    """Cut the slices of a mode to at most n_ranges runs of about as many entries each."""
    cuts = np.searchsorted(ptr, np.linspace(0, ptr[-1], n_ranges + 1)[1:-1])
    bounds = np.unique([0, *cuts, len(ptr) - 1])
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def values(index, padded):
    """Return the values of a tensor at entries, from its padded factors."""
    out = np.empty(len(index))
    entry_values(index, padded, out)
    return out


__all__ = [
    "SortedEntries",
    "check_mode_sizes",
    "encode",
    "find_categories",
    "other_factors",
    "pad",
    "row_ranges",
    "row_update",
    "sort_by_mode",
    "values",
]
