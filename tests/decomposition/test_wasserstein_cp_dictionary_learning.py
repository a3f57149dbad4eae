"""WassersteinCPDictionaryLearning against Sinkhorn's algorithm, finite differences and truth."""

import tracemalloc
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment, minimize
from scipy.sparse import csr_array, csr_matrix
from scipy.special import logsumexp, softmax, xlogy
from sklearn.callback import ProgressBar
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from skstruct.decomposition._wasserstein_cp_dictionary_learning_fast import (
    update_codes,
    update_factor,
    work_shape,
)

from skstruct.decomposition import WassersteinCPDictionaryLearning
from skstruct.decomposition._wasserstein_blocks import BlockSolver, histograms, outer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def bump(center, width, size):
    values = np.exp(-0.5 * ((np.arange(size) - center) / width) ** 2)
    return values / values.sum()


CENTERS = np.array([[0.22, 0.25, 0.7], [0.72, 0.35, 0.25], [0.45, 0.78, 0.45]])
WIDTHS = np.array([[1.2, 1.8, 1.2], [1.8, 1.0, 1.2], [1.4, 1.4, 1.2]])


def jittered(n_samples=60, shape=(16, 16), jitter=2.0, seed=0):
    """Mixtures of three product bumps, each moved a little: samples, codes, marginals unmoved."""
    rng = np.random.default_rng(seed)

    def marginals(moves):
        centers = CENTERS[:, : len(shape)] * shape + moves
        return [
            np.array([bump(centers[r, j], WIDTHS[r, j], size) for r in range(3)])
            for j, size in enumerate(shape)
        ]

    codes = rng.dirichlet(np.full(3, 0.7), n_samples)
    moves = rng.uniform(-jitter, jitter, (n_samples, 3, len(shape)))
    X = np.array([code @ outer(marginals(move)) for code, move in zip(codes, moves, strict=True)])
    return X, codes, marginals(0.0)


def wasserstein(p, q):
    """W2 between two distributions on 0 .. n - 1, by their quantiles."""
    levels = (np.arange(4000) + 0.5) / 4000
    quantiles = [np.searchsorted(np.cumsum(v) / np.sum(v), levels) for v in (p, q)]
    return np.sqrt(np.mean((quantiles[0] - quantiles[1]) ** 2.0))


def distances(marginals, truth):
    """W2 between product atoms, best matched, and the order of the atoms.

    For atoms that are no products it is a lower bound.
    """
    squares = [
        [[wasserstein(p, q) ** 2 for q in true] for p in found]
        for found, true in zip(marginals, truth, strict=True)
    ]
    distance = np.sqrt(np.sum(squares, axis=0))
    rows, columns = linear_sum_assignment(distance)
    return distance[rows, columns], rows[np.argsort(columns)]


def full_cost(shape):
    grid = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    cost = ((grid[:, np.newaxis] - grid) ** 2).sum(axis=2).astype(float)
    return cost / cost.max()


def sinkhorn(x, q, cost, reg, n_iter=1500):
    """Value of min <C, T> + g sum T log T, in the log domain, from the primal plan."""
    f, h = np.zeros(len(x)), np.zeros(len(q))
    with np.errstate(divide="ignore"):
        log_x, log_q = np.log(x), np.log(q)
    for _ in range(n_iter):
        f = reg * (log_x - logsumexp((h - cost) / reg, axis=1))
        h = reg * (log_q - logsumexp((f[:, np.newaxis] - cost) / reg, axis=0))
    plan = np.exp((f[:, np.newaxis] + h - cost) / reg)
    assert np.abs(plan.sum(axis=1) - x).sum() < 1e-9
    return (plan * cost).sum() + reg * xlogy(plan, plan).sum()


def entropy(a):
    return xlogy(a, a).sum()


def dual(G, X, shape, logits, kappa, reg):
    """J of a block, with the whole kernel; logits takes G to tau log theta - B^T G."""
    G = G.reshape(X.shape)
    log_kernel = -full_cost(shape) / reg
    smooth = logsumexp(log_kernel[np.newaxis] + G[:, np.newaxis] / reg, axis=2)
    return reg * (X * smooth).sum() + kappa * logsumexp(logits(G) / kappa, axis=1).sum()


def solver(shape, **params):
    costs = [np.subtract.outer(np.arange(n), np.arange(n)) ** 2.0 for n in shape]
    defaults = {
        "reg": 0.02, "reg_entropy": 1e-3, "prox": 0.1, "inner_max_iter": 500, "inner_tol": 1e-7,
        "inner_tol_init": 0.0, "n_jobs": None,
    }  # fmt: skip
    return BlockSolver(shape, costs, **(defaults | params))


SHAPES = [(7,), (4, 5), (3, 2, 4), (5, 1), (2, 3, 1, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_codes_are_the_minimum_of_the_whole_dual(shape, tau):
    """A general optimiser with the full kernel finds the same; its gradient is numerical."""
    rng = np.random.default_rng(0)
    blocks, n = solver(shape), int(np.prod(shape))
    X, atoms = rng.dirichlet(np.ones(n), 3), rng.dirichlet(np.ones(n), 4)
    codes = rng.dirichlet(np.ones(4), 3)
    found, G, kappa = codes.copy(), np.zeros_like(X), 0.01 + tau
    n_evals, value = update_codes(
        X, G, found, atoms, blocks._shape, blocks._kernels, reg=0.02, kappa=kappa, tau=tau,
        tolerance=1e-8, max_iter=1000,
    )  # fmt: skip

    def logits(G):
        return tau * np.log(codes) - G @ atoms.T

    assert_allclose(value, dual(G, X, shape, logits, kappa, 0.02), rtol=1e-10)
    assert_allclose(found, softmax(logits(G) / kappa, axis=1), rtol=1e-8)
    # J is convex: where every partial derivative vanishes is its minimum.
    step = 1e-5
    for direction in rng.standard_normal((10, 3, n)):
        up, down = (dual(G + s * direction, X, shape, logits, kappa, 0.02) for s in (step, -step))
        assert abs(up - down) / (2 * step) < 1e-6
    best = minimize(
        dual, np.zeros(X.size), (X, shape, logits, kappa, 0.02), options={"maxiter": 30}
    )
    assert value <= best.fun + 1e-9
    assert 3 < n_evals < 3000


@pytest.mark.parametrize("shape", SHAPES)
def test_factors_are_the_minimum_of_the_whole_dual(shape):
    rng = np.random.default_rng(1)
    blocks, n, n_samples = solver(shape), int(np.prod(shape)), 4
    X, codes = rng.dirichlet(np.ones(n), n_samples), rng.dirichlet(np.ones(3), n_samples)
    factors = [rng.dirichlet(np.ones(size), 3) for size in shape]
    for j, factor in enumerate(factors):
        ones = np.ones((3, 1))
        before, after = outer([ones, *factors[:j]]), outer([ones, *factors[j + 1 :]])
        others = before[:, :, np.newaxis] * after[:, np.newaxis]
        found, G, atoms = factor.copy(), np.zeros_like(X), np.empty((3, n))
        _, value = update_factor(
            X, G, codes, found, others, atoms, np.empty(work_shape(n_samples, n)), blocks._shape,
            blocks._kernels, reg=0.02, kappa=0.11, tau=0.1, tolerance=1e-8, max_iter=1000,
        )  # fmt: skip

        def logits(G, others=others, factor=factor):
            moved = (codes.T @ G).reshape(3, others.shape[1], -1, others.shape[2])
            return 0.1 * np.log(factor) - np.einsum("rpiq,rpq->ri", moved, others)

        assert_allclose(value, dual(G, X, shape, logits, 0.11, 0.02), rtol=1e-10)
        assert_allclose(found, softmax(logits(G) / 0.11, axis=1), rtol=1e-8)
        assert_allclose(atoms, outer([*factors[:j], found, *factors[j + 1 :]]), rtol=1e-12)
        for direction in rng.standard_normal((10, *X.shape)):
            up, down = (
                dual(G + s * direction, X, shape, logits, 0.11, 0.02) for s in (1e-5, -1e-5)
            )
            assert abs(up - down) / 2e-5 < 1e-6


def test_objective_is_that_of_plain_sinkhorn():
    """After a sweep of tight blocks, the history has the primal value of F."""
    shape = (5, 6)
    X = jittered(6, shape, 0.5)[0]
    P = histograms(X)[0]
    blocks = solver(shape, inner_tol=1e-8)
    model = blocks.start(P, 3, np.random.RandomState(0))
    work = blocks.workspace(len(P))
    with blocks.pool(len(P)) as parallel:
        for _ in range(3):
            blocks.sweep(P, model, work, parallel)
    q, cost = model.codes @ outer(model.factors), full_cost(shape)
    transport = sum(sinkhorn(x, y, cost, 0.02) for x, y in zip(P, q, strict=True))
    primal = (transport + 1e-3 * sum(map(entropy, [model.codes, *model.factors]))) / len(P)
    assert_allclose(model.history[-1], primal, atol=1e-6)


def test_score_is_the_objective_of_the_codes():
    shape = (5, 6)
    X = jittered(8, shape, 0.5)[0]
    params = {"shape": shape, "reg": 0.02, "inner_tol": 1e-6, "random_state": 0}
    model = WassersteinCPDictionaryLearning(3, **params).fit(X)
    codes = model.transform(X)
    q = model.inverse_transform(codes)
    cost = full_cost(shape)
    transport = sum(sinkhorn(x, y, cost, 0.02) for x, y in zip(X, q, strict=True))
    assert_allclose(model.score(X), -(transport + 1e-3 * entropy(codes)) / 8, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 16), (6, 6, 6)])
def test_objective_does_not_increase(shape):
    X = jittered(40, shape)[0]
    model = WassersteinCPDictionaryLearning(3, shape=shape, random_state=0).fit(X)
    assert np.diff(model.objective_history_).max() < 1e-5
    assert len(model.objective_history_) == model.n_iter_ <= 30
    assert 3 * model.n_iter_ < model.n_evals_ < 1000


def test_inexact_blocks_reach_the_objective_of_exact_ones():
    X = jittered(40)[0]
    params = {"shape": (16, 16), "random_state": 0, "max_iter": 20}
    model = WassersteinCPDictionaryLearning(3, **params).fit(X)
    exact = WassersteinCPDictionaryLearning(3, inner_tol_init=0, **params).fit(X)
    assert_allclose(model.objective_history_[-1], exact.objective_history_[-1], atol=2e-5)
    assert model.n_evals_ < exact.n_evals_


@pytest.mark.parametrize("seed", range(3))
def test_finds_atoms_that_move_about(seed):
    """Where mass is compared cell by cell, a bump that moves is broken into pieces."""
    X, codes, truth = jittered(seed=seed)
    model = WassersteinCPDictionaryLearning(3, shape=(16, 16), random_state=seed).fit(X)
    found, order = distances(model.factors_, truth)
    assert found.mean() < 1.0
    assert np.abs(model.codes_[:, order] - codes).mean() < 0.03
    nmf = NMF(3, beta_loss="kullback-leibler", solver="mu", random_state=seed, max_iter=500)
    atoms = nmf.fit(X).components_.reshape(3, 16, 16)
    assert distances([atoms.sum(axis=2), atoms.sum(axis=1)], truth)[0].mean() > 1.5


def test_three_modes():
    X, _, truth = jittered(50, (8, 8, 8), 1.0)
    model = WassersteinCPDictionaryLearning(3, shape=(8, 8, 8), random_state=0).fit(X)
    found, order = distances(model.factors_, truth)
    assert found.max() < 1.0
    for factor, true in zip(model.factors_, truth, strict=True):
        assert_allclose(factor[order] @ np.arange(8), true @ np.arange(8), atol=0.4)
    assert model.shape_ == (8, 8, 8)
    assert [factor.shape for factor in model.factors_] == [(3, 8)] * 3
    assert_allclose(model.components_, outer(model.factors_))
    assert_allclose(model.components_.sum(axis=1), 1.0)
    assert_allclose(model.codes_.sum(axis=1), 1.0)


def test_a_sample_has_its_code_alone():
    X = jittered(30)[0]
    model = WassersteinCPDictionaryLearning(3, shape=(16, 16), random_state=0).fit(X)
    codes = model.transform(X)
    assert_array_equal(codes, model.codes_)
    assert_array_equal(np.vstack([model.transform(x[np.newaxis]) for x in X]), codes)
    assert_array_equal(model.transform(X[::-1]), codes[::-1])
    assert_allclose(model.transform(7 * X), codes, atol=1e-9)
    assert_allclose(model.transform(X * 1e300), codes, atol=1e-9)


def test_threads_and_starts_change_nothing_else():
    X = jittered(600, (16, 16))[0]
    params = {"shape": (16, 16), "random_state": 0, "max_iter": 3}
    one = WassersteinCPDictionaryLearning(3, **params).fit(X)
    with joblib.parallel_config(backend="loky"):  # processes would write into copies
        two = WassersteinCPDictionaryLearning(3, n_jobs=2, **params).fit(X)
    assert_array_equal(one.components_, two.components_)
    assert_array_equal(one.codes_, two.codes_)
    assert_array_equal(one.objective_history_, two.objective_history_)


def test_the_best_start_goes_on():
    X = jittered(40, seed=4)[0]
    params = {"shape": (16, 16), "max_iter": 3}
    state = np.random.RandomState(0)
    each = [
        WassersteinCPDictionaryLearning(4, random_state=state, **params).fit(X) for _ in range(4)
    ]
    best = WassersteinCPDictionaryLearning(4, n_init=4, random_state=0, **params).fit(X)
    objectives = [model.objective_history_[-1] for model in each]
    assert np.ptp(objectives) > 1e-6
    assert best.objective_history_[-1] == min(objectives)
    more = WassersteinCPDictionaryLearning(4, n_init=4, random_state=0, shape=(16, 16)).fit(X)
    assert_array_equal(more.objective_history_[:3], best.objective_history_)


def test_float32_and_sparse_tables():
    X = jittered(20)[0]
    X[X < 1e-4] = 0
    params = {"shape": (16, 16), "random_state": 0, "max_iter": 5}
    dense = WassersteinCPDictionaryLearning(3, **params).fit(X)
    for container in (csr_array, csr_matrix):
        sparse = WassersteinCPDictionaryLearning(3, **params).fit(container(X))
        assert_array_equal(sparse.components_, dense.components_)
        assert_array_equal(sparse.transform(container(X)), dense.codes_)
        assert sparse.score(container(X)) == dense.score(X)
    single = WassersteinCPDictionaryLearning(3, **params).fit(X.astype(np.float32))
    for array in (single.components_, single.codes_, single.transform(X.astype(np.float32))):
        assert array.dtype == np.float32
    assert_allclose(single.codes_, dense.codes_, atol=1e-3)


def test_given_costs_are_those_that_are_named():
    X = jittered(20)[0]
    i = np.arange(16)
    for name, power in (("sqeuclidean", 2), ("cityblock", 1)):
        cost = [np.abs(np.subtract.outer(i, i)) ** power] * 2
        params = {"shape": [16, 16], "random_state": 0, "max_iter": 3}
        named = WassersteinCPDictionaryLearning(3, cost=name, **params).fit(X)
        given = WassersteinCPDictionaryLearning(3, cost=cost, **params).fit(X)
        assert_array_equal(named.components_, given.components_)


def test_a_cost_may_differ_by_direction():
    """Mass of the samples is on cell 0; moving it up is free, so that any mixture is reached."""
    up = np.tril(np.ones((4, 4)), -1)
    X = np.tile([1.0, 0.0, 0.0, 0.0], (5, 1))
    free, dear = (
        WassersteinCPDictionaryLearning(1, cost=[cost], random_state=0, max_iter=5).fit(X)
        for cost in (up, up.T)
    )
    assert free.components_[0].max() < 0.6
    assert dear.components_[0, 0] > 0.95


def test_samples_without_mass():
    X = jittered(20)[0]
    params = {"shape": (16, 16), "random_state": 0, "max_iter": 3}
    model = WassersteinCPDictionaryLearning(3, **params).fit(X)
    with_empty = np.insert(X, [4, 9], 0.0, axis=0)
    with pytest.warns(UserWarning, match="2 samples have sum 0, the first is number 4"):
        other = WassersteinCPDictionaryLearning(3, **params).fit(with_empty)
    assert_array_equal(other.components_, model.components_)
    assert_array_equal(np.delete(other.codes_, [4, 10], axis=0), model.codes_)
    assert_allclose(other.codes_[[4, 10]], 1 / 3)
    with pytest.warns(UserWarning, match="sum 0"):
        assert_allclose(model.score(with_empty), model.score(X), rtol=1e-12)
    with pytest.raises(ValueError, match="All samples have sum 0"):
        model.fit(0 * X)


def test_more_atoms_than_samples_and_cells_without_mass():
    X = np.eye(6)[:3]
    model = WassersteinCPDictionaryLearning(8, random_state=0, reg=0.002).fit(X)
    assert_allclose(model.inverse_transform(model.transform(X)), X, atol=0.15)
    assert np.isfinite(model.objective_history_).all()


def test_sharpest_regularisation_that_is_allowed():
    """One cell against the farthest one: exp(-1 / reg) is about the smallest normal number."""
    X = np.zeros((2, 64))
    X[0, 0] = X[1, -1] = 1.0
    model = WassersteinCPDictionaryLearning(
        1, reg=1 / 690, random_state=0, max_iter=3, prox=0.0
    ).fit(X)
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.score(X))


def test_memory_is_that_of_the_samples():
    """No kernel between cells, and nothing of the size samples x cells x atoms."""
    shape, n_samples, n_components = (20, 20, 10), 8, 12
    X = np.random.default_rng(0).dirichlet(np.full(4000, 0.05), n_samples)
    model = WassersteinCPDictionaryLearning(n_components, shape=shape, max_iter=1, random_state=0)
    tracemalloc.start()
    try:
        model.fit(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 4000 * (22 * n_samples + 6 * n_components)


def test_callbacks_and_convergence(capsys):
    X = jittered(20)[0]
    model = WassersteinCPDictionaryLearning(3, shape=(16, 16), random_state=0, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2 sweeps"):
        model.fit(X)
    model.set_params(tol=0.05, max_iter=30).set_callbacks(ProgressBar())
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X)
    assert 2 <= model.n_iter_ < 30


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"shape": (5, 5)}, r"shape=\(5, 5\).*256"),
        ({"shape": (-16, -16)}, r"shape=\(-16, -16\).*at least 1"),
        ({"shape": (16.0, 16)}, "integers"),
        ({"reg": 1e-3}, "reg=0.001.*at least 0.001449"),
        ({"reg": 0.0}, "'reg'"),
        ({"reg_entropy": 0.0}, "'reg_entropy'"),
        ({"prox": -1.0}, "'prox'"),
        ({"n_components": 0}, "'n_components'"),
        ({"cost": "cosine"}, "'cost'"),
        ({"cost": [np.ones((16, 16))]}, "1 matrices.*2 modes"),
        ({"cost": [np.ones((16, 16)), np.ones((16, 11))]}, r"cost\[1\] has shape \(16, 11\)"),
        (
            {"cost": [np.ones((16, 16)), -np.ones((16, 16))]},
            r"cost\[1\] has elements from -1.0 to -1.0",
        ),
        ({"cost": [np.zeros((16, 16))] * 2}, "0 everywhere"),
    ],
)
def test_bad_parameters(params, message):
    X = jittered(4)[0]
    with pytest.raises(ValueError, match=message):
        WassersteinCPDictionaryLearning(**({"shape": (16, 16)} | params)).fit(X)


def test_bad_data():
    X = jittered(4)[0]
    model = WassersteinCPDictionaryLearning(2, shape=(16, 16))
    with pytest.raises(NotFittedError):
        model.transform(X)
    with pytest.raises(ValueError, match="Negative values"):
        model.fit(-X)
    with pytest.raises(ValueError, match=r"1 feature\(s\)"):
        WassersteinCPDictionaryLearning().fit(X[:, :1])
    model.fit(X)
    with pytest.raises(ValueError, match="Negative values"):
        model.transform(-X)
