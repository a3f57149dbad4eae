import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skstruct.model_selection import max_sum_forest, sample_random_forest


def brute_force(unary, edges, pairwise):
    """Return the best states and their value, trying all."""
    best = -np.inf, None
    for states in itertools.product(*(range(len(values)) for values in unary)):
        value = sum(values[x] for values, x in zip(unary, states, strict=True))
        for (a, b), table in zip(edges, pairwise, strict=True):
            value += table[states[a], states[b]]
        best = max(best, (value, states))
    return best[1], best[0]


def n_components(n_nodes, edges):
    ones = np.ones(len(edges))
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(n_nodes, n_nodes))
    return connected_components(graph, directed=False)[0]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 10**6))
def test_max_sum_is_the_maximum(n_nodes, n_edges, seed):
    rng = np.random.default_rng(seed)
    edges = sample_random_forest(n_nodes, n_edges, seed)
    flipped = rng.random(len(edges)) < 0.5
    edges[flipped] = edges[flipped][:, ::-1]
    if len(edges) and rng.random() < 0.3:  # two functions of one pair
        edges = np.concatenate((edges, edges[-1:, ::-1]))
    sizes = rng.integers(1, 4, size=n_nodes)
    unary = [rng.normal(size=size) for size in sizes]
    pairwise = [rng.normal(size=(sizes[a], sizes[b])) for a, b in edges]
    states, value = max_sum_forest(unary, edges, pairwise)
    expected_states, expected = brute_force(unary, edges, pairwise)
    assert value == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(states, expected_states)
    assert states.dtype == np.intp


def test_max_sum_leaves_its_arguments_alone():
    unary, pairwise = [np.zeros(2), np.zeros(2)], [np.eye(2)]
    max_sum_forest(unary, [(0, 1)], pairwise)
    np.testing.assert_array_equal(unary, np.zeros((2, 2)))
    np.testing.assert_array_equal(pairwise, [np.eye(2)])


def test_max_sum_on_a_long_path():
    """A path of 3000 nodes whose neighbours should differ, all but those at the seam."""
    n = 3000
    edges = [(i, i + 1) for i in range(n - 1)]
    pairwise = [1.0 - np.eye(2)] * (n - 1)
    unary = [np.zeros(2)] * (n - 2) + [np.array([0.5, 0.0]), np.array([0.5, 0.0])]
    states, value = max_sum_forest(unary, edges, pairwise)
    assert value == n - 1 + 0.5
    assert (np.diff(states) != 0).all()


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(0, 1), (1, 2), (2, 0)], r"edges\[2\] closes a cycle"),
        ([(1, 1)], r"edges\[0\] closes a cycle"),
        ([(0, 3)], r"edges\[0\] must join two of the nodes 0 to 2"),
        ([(0, -1)], r"edges\[0\] must join two of the nodes 0 to 2"),
        ([(0, 1, 2)], r"edges must have the shape \(n_edges, 2\)"),
    ],
)
def test_max_sum_refuses(edges, message):
    with pytest.raises(ValueError, match=message):
        max_sum_forest([np.zeros(2)] * 3, edges, [np.zeros((2, 2))] * len(edges))


def test_max_sum_refuses_wrong_shapes():
    with pytest.raises(ValueError, match=r"pairwise\[0\] must have the shape \(2, 3\)"):
        max_sum_forest([np.zeros(2), np.zeros(3)], [(0, 1)], [np.zeros((3, 2))])
    with pytest.raises(ValueError, match=r"unary\[1\] must have the shape"):
        max_sum_forest([np.zeros(2), np.zeros(0)], [], [])
    with pytest.raises(ValueError, match="the number of tables in pairwise"):
        max_sum_forest([np.zeros(2), np.zeros(2)], [(0, 1)], [])


def test_forests_have_no_cycle_and_every_pair_its_share():
    counts = Counter()
    for seed in range(600):
        edges = sample_random_forest(6, 3, seed)
        assert edges.shape == (3, 2)
        assert n_components(6, edges) == 3  # a cycle would leave more
        counts.update(map(tuple, edges.tolist()))
    assert len(counts) == 15
    assert all(a < b for a, b in counts)
    assert min(counts.values()) >= 60
    assert max(counts.values()) <= 190


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 40])
def test_more_edges_than_a_tree_has(n_nodes):
    edges = sample_random_forest(n_nodes, 100, 0)
    assert edges.shape == (n_nodes - 1, 2)
    assert edges.dtype == np.intp
    assert n_components(n_nodes, edges) == 1


def test_the_seed_decides():
    first, second, other = (sample_random_forest(30, 6, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("arguments", [(0, 1), (3, -1), (3.5, 1)])
def test_bad_sizes(arguments):
    with pytest.raises(ValueError, match=r"The 'n_(nodes|edges)' parameter"):
        sample_random_forest(*arguments)
