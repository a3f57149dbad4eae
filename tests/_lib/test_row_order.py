"""Orders of rows by seeded hashes of what they hold."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array, csr_matrix

from skstruct._lib.row_order import shuffled_distinct_rows


def order(blocks, weight=None, seed=0):
    weight = np.ones(blocks[0].shape[0]) if weight is None else weight
    return shuffled_distinct_rows(blocks, weight, np.random.RandomState(seed))


def test_each_distinct_row_once_with_the_sum_of_its_weights():
    rng = np.random.default_rng(0)
    X = rng.integers(3, size=(500, 3)).astype(float)
    weight = rng.uniform(size=500)
    rows, merged = order((X,), weight)
    distinct, inverse = np.unique(X, axis=0, return_inverse=True)
    assert_array_equal(np.unique(X[rows], axis=0), distinct)
    assert len(rows) == len(distinct)
    expected = np.bincount(inverse.ravel(), weight)[inverse.ravel()[rows]]
    np.testing.assert_allclose(merged, expected)


def test_depends_on_content_and_seed_alone():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((300, 2)), rng.integers(2, size=(300, 1)).astype(float)
    rows, _ = order((X, Y))
    shuffle = rng.permutation(300)
    again, _ = order((X[shuffle], Y[shuffle]))
    assert_array_equal(X[shuffle][again], X[rows])
    other, _ = order((X, Y), seed=1)
    assert (other != rows).mean() > 0.9
    assert (rows != np.arange(300)).mean() > 0.9


def test_all_columns_and_every_block_tell_rows_apart():
    X = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [1.0, 2.0]])
    Y = np.array([[0.0], [0.0], [1.0], [0.0]])
    assert len(order((X, Y))[0]) == 3
    assert len(order((X,))[0]) == 2


def test_equal_numbers_are_equal():
    X = np.array([[0.5, 0.0], [0.5, -0.0]])
    rows, weight = order((X,))
    assert len(rows) == 1
    assert_array_equal(weight, [2.0])
    Y = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    assert_array_equal(order((Y,))[0], order((Y.astype(np.float64),))[0])


def test_is_random():
    ranks = np.empty((200, 40))
    X = np.arange(40.0)[:, np.newaxis]
    for seed in range(200):
        ranks[seed, order((X,), seed=seed)[0]] = np.arange(40)
    # The mean rank of a row over 200 uniform orders has standard deviation 0.82.
    assert np.abs(ranks.mean(axis=0) - 19.5).max() < 4 * 0.82


@pytest.mark.parametrize("container", [csr_matrix, csr_array])
@pytest.mark.parametrize("n_features", [3, 3000])
def test_sparse_rows_are_what_they_are_when_dense(n_features, container):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((700, n_features)) < 0.5 / n_features, 1.0, 0.0)
    Y = rng.integers(2, size=(700, 1)).astype(float)
    stored = container(X + 1.0)
    stored.data -= 1.0  # zeros that are stored
    for sparse in (container(X), stored):
        for one, other in zip(order((sparse, Y)), order((X, Y)), strict=True):
            assert_array_equal(one, other)
    assert len(order((container(X), Y))[0]) < 700
    assert len(order((container(np.eye(5)),))[0]) == 5
