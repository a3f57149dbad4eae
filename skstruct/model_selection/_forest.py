"""Random forests of pairs, and the maximum of a sum of functions on a forest.

A forest is drawn an edge at a time: two nodes at random, kept if no path joins them yet
(union-find). On a tree rooted at its lowest node, messages go from the leaves to the root,

    S(x_v, x_p) = theta(x_v, x_p) + phi(x_v) + sum over the children c of v of M_c(x_v)
    M_v(x_p)    = max over x_v of S

with theta the function of an edge, phi that of a node, p the parent of v; the maximum at the root
is that of the tree, and the x_v that were best are followed back from there.
"""

from numbers import Integral

import numpy as np

from skstruct._validation import Interval, check_random_state, validate_params


@validate_params(
    {
        "n_nodes": [Interval(Integral, 1, None, closed="left")],
        "n_edges": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def sample_random_forest(n_nodes, n_edges, random_state=None):
    """Draw a random forest, edge by edge.

    Parameters
    ----------
    n_nodes : int
        Number of nodes.
    n_edges : int
        Number of edges; of more than ``n_nodes - 1``, which make a tree, only so many are drawn.
    random_state : int, RandomState instance or None, default=None
        Decides the forest.

    Returns
    -------
    edges : ndarray of shape (n_edges, 2), dtype=intp
        The nodes of each edge, the lower one first.

    See Also
    --------
    max_sum_forest : Maximum of a sum of functions on a forest.

    Notes
    -----
    Pairs are drawn uniformly among those that close no cycle, in O(n_edges log n_nodes) unless
    the forest is nearly a tree: the last edges of a tree take O(n_nodes) draws each.

    References
    ----------
    J. Ziomek, H. Bou Ammar. Are random decompositions all we need in high dimensional Bayesian
    optimisation? ICML 2023, arXiv:2301.12844.

    Examples
    --------
    >>> from skstruct.model_selection import sample_random_forest
    >>> sample_random_forest(6, 3, random_state=0)
    array([[4, 5],
           [0, 3],
           [1, 3]])
    """
    return draw_forest(n_nodes, n_edges, check_random_state(random_state))


def draw_forest(n_nodes, n_edges, rng):
    """Draw a forest, without looking at the arguments."""
    n_edges = min(n_edges, n_nodes - 1)
    parents = list(range(n_nodes))
    edges = np.empty((n_edges, 2), dtype=np.intp)
    n_drawn = 0
    while n_drawn < n_edges:
        for pair in rng.randint(n_nodes, size=(2 * n_edges, 2)):
            a, b = sorted(pair.tolist())
            if n_drawn < n_edges and _join(parents, a, b):
                edges[n_drawn] = a, b
                n_drawn += 1
    return edges


def max_sum_forest(unary, edges, pairwise):
    """Maximise a sum of functions of the nodes and edges of a forest, exactly.

    The maximum of ``sum_i unary[i][x_i] + sum_e pairwise[e][x_a, x_b]``, ``edges[e] = (a, b)``.

    Parameters
    ----------
    unary : sequence of n_nodes arrays of shape (n_states_i,)
        A number for each state of each node; the nodes may have different numbers of states.
    edges : array-like of shape (n_edges, 2)
        Nodes that a function depends on together. Several edges may join the same two nodes.
    pairwise : sequence of n_edges arrays of shape (n_states_a, n_states_b)
        A number for each pair of states of the nodes of an edge.

    Returns
    -------
    states : ndarray of shape (n_nodes,), dtype=intp
        A maximiser: the states of the nodes.
    value : float
        The maximum.

    Raises
    ------
    ValueError
        If the edges have a cycle or a node that does not exist, or an array has a wrong shape.

    See Also
    --------
    sample_random_forest : Draw a forest.

    Notes
    -----
    O(sum_e n_states_a n_states_b) time, by messages from the leaves to the roots.

    References
    ----------
    E. Han, I. Arora, J. Scarlett. High-dimensional Bayesian optimization via tree-structured
    additive models. AAAI 2021, arXiv:2012.13088.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.model_selection import max_sum_forest
    >>> unary = [np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.array([2.0, 0.0])]
    >>> states, value = max_sum_forest(unary, [(0, 1)], [np.array([[5.0, 0.0], [0.0, 3.0]])])
    >>> states, value
    (array([0, 0, 0]), 7.0)
    """
    beliefs = [np.array(values, dtype=np.float64) for values in unary]
    tables, neighbours = _tables(beliefs, edges, pairwise)
    states = np.empty(len(beliefs), dtype=np.intp)
    seen = [False] * len(beliefs)
    value = 0.0
    for root in range(len(beliefs)):
        if seen[root]:
            continue
        order = _depth_first(root, neighbours, seen)
        best = {}
        for v, p in reversed(order[1:]):
            S = _oriented(tables, v, p) + beliefs[v][:, None]
            best[v] = S.argmax(axis=0)
            beliefs[p] += S.max(axis=0)
        states[root] = beliefs[root].argmax()
        value += float(beliefs[root].max())
        for v, p in order[1:]:
            states[v] = best[v][states[p]]
    return states, value


def _tables(beliefs, edges, pairwise):
    """Return {(a, b): table}, a < b, parallel edges summed; and the neighbours of each node."""
    for i, values in enumerate(beliefs):
        if values.ndim != 1 or not len(values):
            raise ValueError(
                f"unary[{i}] must have the shape (n_states,), at least one state, got "
                f"{values.shape}."
            )
    edges = np.asarray(edges)
    if edges.size == 0:
        edges = np.empty((0, 2), dtype=np.intp)
    if edges.ndim != 2 or edges.shape[1] != 2 or len(edges) != len(pairwise):
        raise ValueError(
            f"edges must have the shape (n_edges, 2) with n_edges={len(pairwise)}, the number of "
            f"tables in pairwise, got {edges.shape}."
        )
    parents = list(range(len(beliefs)))
    neighbours = [[] for _ in beliefs]
    tables = {}
    for e, ((a, b), table) in enumerate(zip(edges.tolist(), pairwise, strict=True)):
        if not (0 <= a < len(beliefs) and 0 <= b < len(beliefs)):
            raise ValueError(
                f"edges[{e}] must join two of the nodes 0 to {len(beliefs) - 1}, got {(a, b)}."
            )
        table = np.asarray(table, dtype=np.float64)
        expected = len(beliefs[a]), len(beliefs[b])
        if table.shape != expected:
            raise ValueError(f"pairwise[{e}] must have the shape {expected}, got {table.shape}.")
        if a > b:
            a, b, table = b, a, table.T
        if (a, b) in tables:
            tables[a, b] = tables[a, b] + table
        elif _join(parents, a, b):
            tables[a, b] = table
            neighbours[a].append(b)
            neighbours[b].append(a)
        else:
            raise ValueError(f"edges must be those of a forest, but edges[{e}] closes a cycle.")
    return tables, neighbours


def _oriented(tables, v, p):
    """Return the table of an edge with the states of v in rows."""
    return tables[v, p] if v < p else tables[p, v].T


def _depth_first(root, neighbours, seen):
    """Return (node, parent) of a tree, parents before their children."""
    order, stack = [], [(root, -1)]
    seen[root] = True
    while stack:
        v, p = stack.pop()
        order.append((v, p))
        for child in neighbours[v]:
            if child != p:
                seen[child] = True
                stack.append((child, v))
    return order


def _join(parents, a, b):
    """Unite the trees of two nodes; return False if they are in one already."""
    a, b = _root(parents, a), _root(parents, b)
    parents[a] = b
    return a != b


def _root(parents, node):
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node
