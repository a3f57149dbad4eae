"""The weights and moves of consensus-based methods, beside plain NumPy."""

import numpy as np
import pytest
from scipy.optimize import brentq
from skstruct._lib._consensus import BOX, COMPONENT, DISTANCE, consensus, move


def swarm(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, d)), rng.exponential(size=n) ** 2


def mean_of(X, values, ess_fraction=0.2, alpha=-1.0, rows=None):
    rows = np.arange(len(X)) if rows is None else rows
    c = np.empty(X.shape[1])
    work, finite = np.full(3 * len(rows), np.nan), np.empty(len(rows), dtype=np.intp)
    consensus(X, values, rows, ess_fraction, alpha, work, finite, c)
    return c


def reference(X, values, target):
    gaps = values - values.min()

    def excess(log_alpha):
        w = np.exp(-np.exp(log_alpha) * gaps)
        return w.sum() ** 2 / (w**2).sum() - target

    w = np.exp(-np.exp(brentq(excess, -30, 30)) * gaps)
    return w @ X / w.sum()


@pytest.mark.parametrize("n", [7, 40, 201])
@pytest.mark.parametrize("ess_fraction", [0.1, 0.3, 0.9])
def test_weights_have_the_effective_size(n, ess_fraction):
    X, values = swarm(n, 3)
    expected = reference(X, values, max(2.0, ess_fraction * n))
    assert mean_of(X, values, ess_fraction) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_scale_and_origin_of_the_values_do_not_matter(unit):
    X, values = swarm(30, 2)
    expected = mean_of(X, values)
    assert mean_of(X, values * unit) == pytest.approx(expected, abs=1e-9)
    assert mean_of(X, values + 1e3) == pytest.approx(expected, abs=1e-9)


def test_fixed_alpha():
    X, values = swarm(30, 2)
    w = np.exp(-3.0 * values)
    assert mean_of(X, values, alpha=3.0) == pytest.approx(w @ X / w.sum(), rel=1e-12)
    assert mean_of(X, values, alpha=0.0) == pytest.approx(X.mean(axis=0), rel=1e-12)
    assert mean_of(X, values, alpha=1e300) == pytest.approx(X[values.argmin()], rel=1e-12)


@pytest.mark.parametrize("alpha", [-1.0, 2.0])
def test_infinite_values_have_no_weight(alpha):
    X, values = swarm(30, 2)
    finite = np.arange(30) % 3 > 0
    found = mean_of(X, np.where(finite, values, np.inf), alpha=alpha)
    assert found == pytest.approx(mean_of(X[finite], values[finite], alpha=alpha), rel=1e-12)


def test_values_without_differences():
    X, _ = swarm(30, 2)
    for value in (0.0, -7.0, np.inf, 1e308):
        assert mean_of(X, np.full(30, value)) == pytest.approx(X.mean(axis=0), rel=1e-12)
    values = np.where(np.arange(30) == 11, -np.inf, 1.0)
    assert mean_of(X, values, alpha=1.0) == pytest.approx(X[11])


def test_ties_at_the_least_value_share_the_consensus():
    X, values = swarm(30, 2)
    values[:20] = 0.0
    assert mean_of(X, values + 0.0, 0.1) == pytest.approx(X[:20].mean(axis=0), abs=1e-9)


def test_range_of_the_values_may_overflow():
    X, _ = swarm(4, 2)
    values = np.array([-1.7e308, 1.7e308, -1.7e308, -1.7e308])
    assert mean_of(X, values) == pytest.approx(X[[0, 2, 3]].mean(axis=0))


def test_some_rows_only():
    X, values = swarm(30, 2)
    rows = np.array([20, 3, 7, 11])
    assert mean_of(X, values, rows=rows) == pytest.approx(mean_of(X[rows], values[rows]))


@pytest.mark.parametrize("d", [1, 3, 17])
@pytest.mark.parametrize("spread", [COMPONENT, DISTANCE, BOX])
def test_move(spread, d):
    X, _ = swarm(12, d)
    rng = np.random.default_rng(1)
    low, high = -1 - 0.1 * rng.random(d), 1 + rng.random(d)
    rows, c = np.array([5, 0, 11]), rng.uniform(-1, 1, d)
    xi = 2 * rng.standard_normal((3, d))
    away = X[rows] - c
    scale = {
        COMPONENT: away,
        DISTANCE: np.linalg.norm(away / (high - low), axis=1, keepdims=True) * (high - low),
        BOX: high - low,
    }[spread]
    y = X[rows] - 0.3 * away + 1.1 * scale * xi
    y = np.where(y < low, 2 * low - y, y)
    y = np.clip(np.where(y > high, 2 * high - y, y), low, high)
    expected = X.copy()
    expected[rows] = y
    move(X, rows, c, xi, low, high, 0.3, 1.1, spread)
    np.testing.assert_allclose(X, expected, rtol=1e-12)
    assert ((low <= X) & (high >= X)).all()
