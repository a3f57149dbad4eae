"""Consensus-based optimisation: what it finds, what it promises, its link to gradient descent."""

import functools

import numpy as np
import pytest
from optimize_hooks import sphere

from skstruct.optimize import minimize_cbo

BOX_5 = [(-5.12, 5.12)] * 5
vectorized = functools.partial(minimize_cbo, vectorized=True)


def rastrigin(X, minimiser):
    Z = X - minimiser
    return np.sum(Z**2 - 10 * np.cos(2 * np.pi * Z) + 10, axis=-1)


def shift(n_dims, seed):
    """A minimiser in the middle 30 % of the box."""
    return np.random.default_rng(seed).uniform(-0.3, 0.3, n_dims) * 5.12


def n_found(n_dims, seeds, **params):
    found = 0
    for seed in seeds:
        x = shift(n_dims, seed)
        result = vectorized(
            lambda X, x=x: rastrigin(X, x), [(-5.12, 5.12)] * n_dims, random_state=seed, **params
        )
        found += np.abs(result.x - x).max() < 0.25
    return found


def test_rastrigin():
    """One of 11^10 valleys."""
    assert n_found(10, range(20), n_particles=100, n_iter=400) >= 18


def test_what_makes_it_work():
    """Constant noise finds nothing, a constant alpha of 1e5 half as much."""
    swarm = {"n_particles": 100, "n_iter": 400}
    assert n_found(10, range(6), noise=(0.3, 0.3), **swarm) <= 1
    assert n_found(10, range(12), alpha=1e5, **swarm) <= 8


def test_gradient_is_zero_wherever_there_is_one():

    def steps(X):
        return np.floor(10 * np.abs(X - 1.234)).sum(axis=1)

    assert vectorized(steps, BOX_5, random_state=0).fun == 0


def test_hops_follow_the_gradient():
    """The mean hop is -alpha s^2 gradient / (1 + alpha s^2 curvature)."""
    s, alpha, low, high = 0.05, 10.0, -3.0, 3.0
    hops, predicted = [], []
    for seed in range(10):
        x = np.random.default_rng(seed).uniform(-1.5, 1.5, 5)
        path = []
        vectorized(
            lambda X: np.sum(X**4 / 4 + np.sin(X), axis=1), [(low, high)] * 5, scheme="hopping",
            alpha=alpha, hop_scale=(s / (high - low),) * 2, n_particles=500, n_iter=2,
            x0=np.tile(x, (500, 1)), random_state=seed,
            callback=lambda result, path=path: path.append(result.consensus),
        )  # fmt: skip
        assert path[0] == pytest.approx(x)
        hops.append(path[1] - path[0])
        rate = alpha * s**2
        predicted.append(-rate * (x**3 + np.cos(x)) / (1 + rate * (3 * x**2 - np.sin(x))))
    product, length, size = (
        np.vdot(hops, predicted),
        np.linalg.norm(hops),
        np.linalg.norm(predicted),
    )
    assert product / length / size > 0.97
    assert length / size == pytest.approx(1.0, abs=0.07)


@pytest.mark.parametrize("params", [{}, {"anisotropic": False}, {"scheme": "hopping"}])
def test_units_do_not_matter(params):
    """Neither that of the values nor those of the coordinates: exactly, for powers of 2."""
    x, units = shift(5, 0), 2.0 ** np.array([3, -7, 0, 400, -400])
    params = {"n_iter": 60, "random_state": 0, **params}
    plain = vectorized(lambda X: rastrigin(X, x), BOX_5, **params)
    scaled = vectorized(
        lambda X: 1024 * rastrigin(X / units, x), BOX_5 * units[:, np.newaxis], **params
    )
    np.testing.assert_array_equal(scaled.population, units * plain.population)
    np.testing.assert_array_equal(scaled.x, units * plain.x)


@pytest.mark.parametrize("params", [{}, {"batch_size": 16}, {"scheme": "hopping"}])
def test_one_point_at_a_time_or_many(params):
    params = {"n_iter": 30, "random_state": 0, **params}
    many = vectorized(sphere, BOX_5, **params)
    for workers in (1, 2):
        one = minimize_cbo(sphere, BOX_5, workers=workers, **params)
        np.testing.assert_array_equal(one.population, many.population)
        assert (one.fun, one.nfev, one.nit) == (many.fun, many.nfev, many.nit)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"anisotropic": False, "noise": (0.6, 0.1)},
        {"batch_size": 11},
        {"scheme": "hopping"},
        {"noise": (3.0, 3.0)},
    ],
)
def test_evaluations(params):
    """Counted, within the bounds, with the best of them returned."""
    seen = []
    low, high = np.array([-1.0, 2.0, 0.0]), np.array([0.5, 2.5, 1e-3])

    def fun(X):
        values = np.cos(50 * X).sum(axis=1)
        seen.append(X.copy())
        X[:] = np.nan  # its own to use
        return values

    result = vectorized(fun, np.c_[low, high], n_particles=40, n_iter=50, random_state=1, **params)
    X = np.concatenate(seen)
    assert ((low <= X) & (high >= X)).all()
    assert result.nfev == len(X) == 40 + result.nit * params.get("batch_size", 40)
    values = np.cos(50 * X).sum(axis=1)
    assert result.fun == values.min()
    np.testing.assert_array_equal(result.x, X[values.argmin()])
    np.testing.assert_array_equal(
        result.population_fun, np.cos(50 * result.population).sum(axis=1)
    )


def test_reflection_keeps_the_swarm_off_the_boundary():
    """Of hops as wide as half the box a third leaves it; one in 400 still does once reflected."""
    result = vectorized(
        lambda X: np.zeros(len(X)), BOX_5, scheme="hopping", hop_scale=(0.5, 0.5), n_iter=5,
        n_particles=1000, random_state=0,
    )  # fmt: skip
    assert np.mean(np.abs(result.population) == 5.12) < 0.01


def test_batches_take_turns():
    rows = []

    def fun(X):
        rows.append(len(X))
        return sphere(X)

    populations = []
    vectorized(
        fun, BOX_5, n_particles=20, batch_size=8, n_iter=2, random_state=0,
        callback=lambda result: populations.append(result.population),
    )  # fmt: skip
    assert rows == [20, 8, 8]
    assert (populations[0] != populations[1]).any(axis=1).sum() == 8


def test_noisy_function_with_batches():
    rng = np.random.default_rng(0)
    result = vectorized(
        lambda X: sphere(X - 1) + rng.standard_normal(len(X)), BOX_5, n_particles=100,
        batch_size=50, n_iter=400, ess_fraction=0.5, noise=(1.0, 0.3), random_state=0,
    )  # fmt: skip
    assert sphere(result.consensus - 1) < 0.3


def test_first_particles():
    x0 = np.array([[1.0, 2, 3, 4, 5], [0, 0, 0, 0, 0]])
    seen = []
    vectorized(lambda X: seen.append(X) or sphere(X), BOX_5, x0=x0, n_iter=1, random_state=0)
    np.testing.assert_array_equal(seen[0][:2], x0)
    assert vectorized(sphere, BOX_5, x0=x0[1], n_iter=1).fun == 0


def test_polish():
    plain, polished = (
        vectorized(lambda X: sphere(X - 1), BOX_5, n_iter=60, polish=polish, random_state=0)
        for polish in (False, True)
    )
    assert plain.fun > 1e-8
    assert polished.fun < 1e-10
    assert polished.nfev > plain.nfev
    assert polished.x == pytest.approx(np.ones(5), abs=1e-5)


def test_budget_of_evaluations():
    seen = []
    result = vectorized(
        lambda X: seen.extend(X) or sphere(X), BOX_5, maxfev=1234, n_particles=50, random_state=0
    )
    assert result.nfev == len(seen) == 1200
    assert result.nit == 23
    planned = vectorized(sphere, BOX_5, n_iter=23, n_particles=50, random_state=0)
    np.testing.assert_array_equal(result.population, planned.population)


def test_ends():
    result = vectorized(sphere, BOX_5, n_iter=2000, tol=1e-3, random_state=0)
    assert result.nit < 2000
    assert result.nit % 20 == 0
    assert np.ptp(result.population, axis=0).max() < 1e-3 * 10.24
    assert "tol" in result.message


@pytest.mark.parametrize(("noise", "expands"), [(1.1, False), (1.3, True)])
def test_a_swarm_expands_where_the_noise_is_above_one_point_two(noise, expands):
    width = []
    for seed in range(10):
        x0 = np.random.default_rng(seed).uniform(-1, 1, (100, 10))
        box = [(-1e30, 1e30)] * 10
        params = {"n_particles": 100, "n_iter": 100, "noise": (noise, noise), "tol": 0}
        result = vectorized(sphere, box, x0=x0, random_state=seed, **params)
        width.append(np.log(np.median(np.abs(result.population - result.consensus))))
    assert (np.mean(width) > 0) == expands


def test_particles_that_have_met_in_one_point_stop_without_a_tolerance():
    result = vectorized(sphere, BOX_5, n_particles=4, n_iter=20_000, tol=0, random_state=0)
    assert result.nit < 20_000
    assert np.ptp(result.population, axis=0).max() == 0

    states = []

    def stop(state):
        states.append(state)
        return state.nit == 7

    result = vectorized(sphere, BOX_5, callback=stop, random_state=0)
    assert [state.nit for state in states] == list(range(1, 8))
    assert [state.fun for state in states] == sorted((s.fun for s in states), reverse=True)
    assert (states[0].population != result.population).any()
    assert "callback" in result.message
    assert result.success


def test_values_that_are_not_finite():
    def half(X):
        return np.where(X[:, 0] < 0, np.nan, sphere(X - 1))

    result = vectorized(half, BOX_5, random_state=0)
    assert result.x == pytest.approx(np.ones(5), abs=0.02)
    assert result.success
    for value in (np.inf, np.nan):
        result = vectorized(lambda X, v=value: np.full(len(X), v), BOX_5, polish=True)
        assert not result.success
        assert "infinite or NaN" in result.message
        assert result.x.shape == (5,)


@pytest.mark.parametrize("make", [int, np.random.RandomState, np.random.default_rng])
def test_seeds(make):
    first, second = (vectorized(sphere, BOX_5, n_iter=9, random_state=make(3)) for _ in range(2))
    np.testing.assert_array_equal(first.population, second.population)
    assert first.fun != vectorized(sphere, BOX_5, n_iter=9, random_state=make(4)).fun


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"bounds": [1, 2]}, r"bounds .* shape \(2,\)"),
        ({"bounds": [(0, 1, 2)]}, r"bounds .* shape \(1, 3\)"),
        ({"bounds": []}, "bounds"),
        ({"bounds": [(0, 1), (1, 1)]}, r"low < high, got \(1.0, 1.0\) for coordinate 1"),
        ({"bounds": [(0, np.inf)]}, "bounds must be finite"),
        ({"bounds": [(np.nan, 1)]}, "bounds must be finite"),
        ({"bounds": [(-1e308, 1e308)]}, "bounds must be finite"),
        ({"scheme": "pso"}, "scheme"),
        ({"noise": (1.0, 0.0)}, "noise must be two positive"),
        ({"noise": 1.0}, "noise"),
        ({"noise": (1.0, 0.5, 0.2)}, "noise must be two positive"),
        ({"hop_scale": (-1, 1)}, "hop_scale must be two positive"),
        ({"ess_fraction": 0.0}, "ess_fraction"),
        ({"ess_fraction": 1.5}, "ess_fraction"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": np.inf}, "alpha"),
        ({"batch_size": 1}, "batch_size"),
        ({"batch_size": 41}, "batch_size must be at most n_particles=40"),
        ({"maxfev": 79}, "maxfev must be at least 80"),
        ({"x0": np.zeros((41, 2))}, "x0 must have 2 columns"),
        ({"x0": np.zeros(3)}, "x0 must have 2 columns"),
        ({"x0": [0.0, 1.5]}, "x0 must be within bounds"),
        ({"vectorized": True, "workers": 2}, "workers must be 1"),
    ],
)
def test_errors(params, match):
    def fun(x):
        raise AssertionError("no evaluation before the parameters are checked")

    with pytest.raises(ValueError, match=match):
        minimize_cbo(fun, **{"bounds": [(-1, 1), (-1, 1)], **params})


@pytest.mark.parametrize("shape", [(40, 1), (39,), ()])
def test_shape_of_vectorized_values(shape):
    with pytest.raises(ValueError, match=r"shape \(40,\) for 40 points"):
        vectorized(lambda X: np.zeros(shape), [(-1, 1), (-1, 1)])
