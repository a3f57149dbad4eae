"""Random orders of the rows of a table that depend on what the rows hold, not on where they stand.

A method that learns row by row from a shuffled table depends on the order in which it came, and
a row that comes three times moves it otherwise than a row of weight 3. Here the rows are sorted by
a seeded hash of their content and equal rows become one, whose weight is the sum of theirs. The
order is random, the same for every arrangement of the same rows, and an integer weight is a
repetition.
"""

import numpy as np

from skstruct._lib._row_hash import hash_rows


def shuffled_distinct_rows(blocks, weight, random_state):
    """Shuffle the rows of a table and merge those that are equal.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_columns_i)
        The columns of the table, C-contiguous, float32 or float64.
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
        hash_rows(block, hashes)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    repeated = np.zeros(len(order), dtype=bool)
    candidate = np.flatnonzero(hashes[1:] == hashes[:-1])
    this, other = order[candidate + 1], order[candidate]
    repeated[candidate + 1] = np.logical_and.reduce(
        [(block[this] == block[other]).all(axis=1) for block in blocks]
    )
    first = np.flatnonzero(~repeated)
    return order[first], np.add.reduceat(weight[order], first)
