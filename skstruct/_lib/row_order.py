"""Random orders of the rows of a table that depend on what the rows hold, not on where they stand.

A method that learns row by row from a shuffled table depends on the order in which it came, and
a row that comes three times moves it otherwise than a row of weight 3. Here the rows are sorted by
a seeded hash of their content and equal rows become one, whose weight is the sum of theirs. The
order is random, the same for every arrangement of the same rows, and an integer weight is a
repetition.
"""

import numpy as np
from scipy.sparse import issparse

from skstruct._lib._row_hash import hash_rows

DENSE_AT_A_TIME = 2**20  # numbers of a sparse block


def shuffled_distinct_rows(blocks, weight, random_state):
    """Shuffle the rows of a table and merge those that are equal.

    Parameters
    ----------
    blocks : sequence of {ndarray, CSR matrix} of shape (n_rows, n_columns_i)
        The columns of the table, float32 or float64, C-contiguous if dense. The order is the same
        for a sparse block and a dense one.
    weight : ndarray of shape (n_rows,)
        The weights of the rows.
    random_state : RandomState
        Decides the order.

    Returns
    -------
    rows : ndarray of shape (n_distinct,)
        The index of one of each set of equal rows, in random order.
    weight : ndarray of shape (n_distinct,)
        Their summed weights.
    """
    seed = random_state.randint(np.iinfo(np.int64).max, dtype=np.int64)
    hashes = np.full(len(weight), seed, dtype=np.uint64)
    for block in blocks:
        _mix_in(block, hashes)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    repeated = np.zeros(len(order), dtype=bool)
    candidate = np.flatnonzero(hashes[1:] == hashes[:-1])
    this, other = order[candidate + 1], order[candidate]
    repeated[candidate + 1] = np.logical_and.reduce(
        [_equal(block[this], block[other]) for block in blocks]
    )
    first = np.flatnonzero(~repeated)
    return order[first], np.add.reduceat(weight[order], first)


def _mix_in(block, hashes):
    """Mix the rows of a block into their hashes."""
    if not issparse(block):
        hash_rows(block, hashes)
        return
    step = max(1, DENSE_AT_A_TIME // max(1, block.shape[1]))
    for start in range(0, block.shape[0], step):
        hash_rows(block[start : start + step].toarray(), hashes[start : start + step])


def _equal(one, other):
    """Return whether each row of one matrix equals that of the other."""
    if not issparse(one):
        return (one == other).all(axis=1)
    return np.diff((one != other).tocsr().indptr) == 0
