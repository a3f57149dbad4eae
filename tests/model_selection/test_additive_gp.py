import itertools

import numpy as np
import pytest
from numpy.linalg import inv
from scipy import optimize, stats
from skstruct.model_selection._additive_gp_fast import negative_log_likelihood

from skstruct.model_selection import _additive_gp
from skstruct.model_selection._additive_gp import AdditiveGaussianProcess

CATEGORICAL = np.array([False, False, True, False, True])
EDGES = np.array([[0, 1], [1, 2]])
CLIQUES = [(0, 1), (1, 2), (3,), (4,)]
THETAS = [
    np.log([0.5, 0.5, 0.5, 0.5, 0.5, 1e-2]),
    np.log([0.1, 3.0, 0.7, 0.2, 1.5, 0.05]),
    np.log([4.0, 0.04, 5.0, 0.03, 0.05, 0.9]),
]


def make_data(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 5))
    X[:, CATEGORICAL] = (rng.integers(3, size=(n, 2)) + 0.5) / 3
    z = np.sin(6 * X[:, 0]) * X[:, 1] + (X[:, 2] > 0.5) + X[:, 3] + 0.1 * rng.normal(size=n)
    return X, (z - z.mean()) / z.std()


def make_process(X):
    process = AdditiveGaussianProcess(CATEGORICAL)
    for x in X:
        process.add(tuple(x))
    return process


def kernel(A, B, lengths):
    """The sum over the cliques, from its definition."""
    return sum(clique_kernel(c, A, B, lengths) for c in CLIQUES)


def clique_kernel(clique, A, B, lengths):
    product = 1.0 / len(CLIQUES)
    for i in clique:
        difference = A[:, None, i] - B[None, :, i]
        if CATEGORICAL[i]:
            product = product * np.exp(-1.0 * (difference != 0) / lengths[i])
        else:
            product = product * np.exp(-(difference**2) / (2 * lengths[i] ** 2))
    return product


def reference(theta, X, z):
    """Minus the log of prior times Gaussian density, up to a constant."""
    lengths, noise = np.exp(theta[:-1]), np.exp(theta[-1])
    K = kernel(X, X, lengths) + noise * np.eye(len(X))
    scale = z @ inv(K) @ z / len(z)
    f = -stats.multivariate_normal(np.zeros(len(z)), scale * K).logpdf(z)
    mean = theta[:-1].mean()
    f -= stats.norm(np.log(0.5), 0.7).logpdf(mean)
    f -= stats.norm(mean, 0.3).logpdf(theta[:-1]).sum()
    return f - stats.norm(np.log(0.01), 2.0).logpdf(theta[-1])


def objective(process, z, monkeypatch):
    """Return what `fit` minimises."""
    caught = {}

    def minimize(function, start, **settings):
        caught["function"] = function
        return optimize.OptimizeResult(x=start)

    with monkeypatch.context() as patch:
        patch.setattr(_additive_gp, "minimize", minimize)
        process.fit(z, EDGES)
    return caught["function"]


@pytest.mark.parametrize("n", [2, 7, 40, 90])
def test_objective_is_the_posterior_density(n, monkeypatch):
    X, z = make_data(n)
    function = objective(make_process(X), z, monkeypatch)
    values = [function(theta)[0] for theta in THETAS]
    np.testing.assert_allclose(
        np.diff(values), np.diff([reference(theta, X, z) for theta in THETAS]), rtol=1e-8
    )


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("theta", THETAS, ids=str)
def test_gradient_is_that_of_the_objective(n, theta, monkeypatch):
    X, z = make_data(n)
    function = objective(make_process(X), z, monkeypatch)
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        numerical = (function(theta + step)[0] - function(theta - step)[0]) / 2e-5
        assert function(theta)[1][i] == pytest.approx(numerical, rel=1e-6, abs=1e-6)


def test_rows_longer_than_a_block(monkeypatch):
    X, z = make_data(300)
    function = objective(make_process(X), z, monkeypatch)
    values = [function(theta)[0] for theta in THETAS[:2]]
    expected = [reference(theta, X, z) for theta in THETAS[:2]]
    assert np.diff(values) == pytest.approx(np.diff(expected), rel=1e-8)
    step = 1e-5 * np.eye(6)[3]
    numerical = (function(THETAS[0] + step)[0] - function(THETAS[0] - step)[0]) / 2e-5
    assert function(THETAS[0])[1][3] == pytest.approx(numerical, rel=1e-6)


def test_fit_comes_close_to_the_optimum_in_a_few_calls(monkeypatch):
    X, z = make_data(60)
    process = make_process(X)
    function = objective(process, z, monkeypatch)
    best = optimize.minimize(function, process.theta, jac=True, bounds=process._bounds).fun
    assert function(process.theta)[0] > best + 1
    for _ in range(3):  # of at most 10 steps each, from where the last one ended
        process.fit(z, EDGES)
    assert function(process.theta)[0] < best + 0.2
    short, long = process.length_scales[[0, 4]]  # the last coordinate has no effect
    assert short < long / 1.5


def test_few_results_leave_the_length_scales_alike():
    X, z = make_data(8)
    process = make_process(X)
    process.fit(z, EDGES)
    assert np.ptp(process.theta[:-1]) < 1.0


def upper_bounds(X, z, theta, grids, beta, pending):
    """Return phi at every point of the grids, from the posterior in plain linear algebra."""
    lengths, noise = np.exp(theta[:-1]), np.exp(theta[-1])
    K = inv(kernel(X, X, lengths) + noise * np.eye(len(X)))
    scale, alpha = z @ K @ z / len(z), K @ z
    everywhere = np.concatenate((X, pending))
    narrowed = inv(kernel(everywhere, everywhere, lengths) + noise * np.eye(len(everywhere)))
    U = np.array(list(itertools.product(*grids)))
    phi = np.zeros(len(U))
    for clique in CLIQUES:
        mean = clique_kernel(clique, U, X, lengths) @ alpha
        k = clique_kernel(clique, U, everywhere, lengths)
        variance = 1 / len(CLIQUES) - (k @ narrowed * k).sum(axis=1)
        phi += mean + beta * np.sqrt(scale * variance)
    return U, phi


@pytest.mark.parametrize("n_pending", [0, 3])
@pytest.mark.parametrize("beta", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("n", [2, 40])
@pytest.mark.parametrize("theta", THETAS, ids=str)
def test_maximum_on_the_grid_is_that_of_brute_force(theta, n, beta, n_pending):
    rng = np.random.default_rng(n)
    X, z = make_data(n)
    pending = make_data(5, seed=2)[0][:n_pending]
    grids = [rng.random(size) for size in (70, 9, 3, 8, 2)]  # an edge of several tiles
    grids[2], grids[4] = np.array([1, 3, 5]) / 6, np.array([1, 5]) / 6
    process = make_process(X)
    process.theta = theta
    u = process.maximise_ucb(z, EDGES, beta, grids, (), [tuple(x) for x in pending])
    U, phi = upper_bounds(X, z, theta, grids, beta, pending)
    chosen = phi[(u == U).all(axis=1)]
    assert len(chosen) == 1
    assert chosen[0] == pytest.approx(phi.max(), abs=1e-8)


def test_zoom_goes_on_from_the_best_point():
    X, z = make_data(30)
    process = make_process(X)
    grids = [np.linspace(0, 1, 5), np.linspace(0, 1, 5), np.array([0.5]), np.zeros(1), np.zeros(1)]
    seen = []

    def around(u):
        seen.append(u)
        return [np.array([u[0] - 0.01, u[0], u[0] + 0.01]), *(np.array([x]) for x in u[1:])]

    u = process.maximise_ucb(z, EDGES, 1.0, grids, (around, around))
    np.testing.assert_array_equal(seen[0], process.maximise_ucb(z, EDGES, 1.0, grids, ()))
    assert abs(seen[1][0] - seen[0][0]) <= 0.01 + 1e-12
    assert abs(u[0] - seen[0][0]) <= 0.02 + 1e-12


def test_points_survive_growth_and_pending_ones_leave_no_trace():
    X, z = make_data(70)
    process, untouched = make_process(X[:31]), make_process(X[:31])
    process.maximise_ucb(z[:31], EDGES, 1.0, [np.array([0.5])] * 5, (), [(0.1,) * 5] * 4)
    for each in (process, untouched):
        for x in X[31:]:
            each.add(tuple(x))
    for each in (process, untouched):
        np.testing.assert_array_equal(each.points, X)
        each.fit(z, EDGES)
    np.testing.assert_array_equal(process.theta, untouched.theta)


def test_a_covariance_that_is_none_is_an_error():
    X, z = make_data(5)
    process = make_process(np.repeat(X[:1], 5, axis=0))
    cliques = np.array([[i, -1] for i in range(5)], dtype=np.int32)
    given = process._points, np.ones(5), -0.5, cliques, z
    with pytest.raises(ArithmeticError, match="not positive definite"):
        negative_log_likelihood(*given, process._covariance, process._alpha, np.empty(6))
