"""Probabilities beside the formulas in NumPy, round by round, and totals on streams."""

import math
import pickle

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebvander
from scipy import sparse
from scipy.optimize import brentq
from sklearn.base import clone

from skstruct.bandits import RelaxationBandit
from skstruct.linalg import sor

STRATEGIES = ["tsallis", "tsallis_bins", "cheb", "smooth"]
VALUES = np.linspace(1, 1.95, 9)
RANGE = -1.0, 3.0


class TsallisReference:
    def __init__(self, n, estimator):
        self.k, self.costs, self.estimator = np.zeros(n), [], estimator

    def probabilities(self, context):
        s = np.mean(self.costs) if self.costs else 1.0
        self.eta = {"rv": 4, "iw": 2}[self.estimator] / math.sqrt(len(self.costs) + 1)

        def p(x):
            return 4 / (self.eta * (self.k / s - x)) ** 2

        top, width = self.k.min() / s, 2 / self.eta
        x = brentq(lambda x: p(x).sum() - 1, top - len(self.k) * width, top - width, xtol=1e-14)
        return p(x)

    def learn(self, i, context, p, cost):
        s = np.mean(self.costs) if self.costs else 1.0
        b = np.where((p >= self.eta**2) & (self.estimator == "rv"), s / 2, 0)
        self.k += b
        self.k[i] += (cost - b[i]) / p[i]
        self.costs.append(cost)


class RegressionReference:
    """All regressions solved anew in every round."""

    def __init__(self, n, strategy, m=6, a=7, horizon=None, exploration=None, optimism=1.0):
        self.n, self.m, self.horizon, self.optimism = n, m, horizon, optimism
        self.smooth = strategy == "smooth"
        self.exploration = exploration or {"cheb": 100, "smooth": 1e4}[strategy]
        degrees, penalty = np.arange(1, m + 1), 1e-3
        if self.smooth:
            self.arms = chebvander(np.linspace(-1, 1, n), a - 1)
            weights = np.outer(degrees, np.arange(1, a + 1)).ravel()
        else:
            self.arms, penalty, weights = np.eye(n), 1e-2, np.outer(degrees, np.ones(n)).ravel()
        self.penalty = np.diag(penalty * weights**2.0)
        self.rows, self.logs, self.errors, self.costs = [], [], [], []

    def features(self, context):
        u = np.clip(2 * (context - RANGE[0]) / (RANGE[1] - RANGE[0]) - 1, -1, 1)
        return np.array([np.kron(chebvander(u, self.m - 1), arm).ravel() for arm in self.arms])

    def solved(self):
        rows = np.array(self.rows).reshape(-1, len(self.penalty))
        inverse = np.linalg.inv(self.penalty + rows.T @ rows)
        return inverse, inverse @ rows.T @ np.array(self.logs)

    def probabilities(self, context):
        inverse, w = self.solved()
        x = self.features(context)
        z = x @ w
        if self.smooth:
            noise = max(np.sqrt(np.mean(self.errors)), 0.02) if len(self.errors) >= 6 else 0.3
            z -= self.optimism * noise * np.sqrt(np.einsum("ij,jk,ik->i", x, inverse, x))
        cost = np.exp(z)
        K, m, T = self.n, self.m, self.horizon or len(self.logs) + 1
        gamma = self.exploration * math.sqrt(K * m**2 * T / (K * m**3 + T))
        mean = np.mean(self.costs) if self.costs else 1.0
        p = 1 / (K + gamma * (cost - cost.min()) / mean)
        best = np.argmin(cost)
        p[best] = 1 - (p.sum() - p[best])
        return p

    def learn(self, i, context, p, cost):
        inverse, w = self.solved()
        x = self.features(context)[i]
        self.errors.append((math.log(cost) - x @ w) ** 2 / (1 + x @ inverse @ x))
        self.rows.append(x)
        self.logs.append(math.log(cost))
        self.costs.append(cost)


def cost_of(i, context, rng):
    return 40 * math.exp(0.3 * (i - 4 - context) ** 2 / 4 + 0.1 * rng.standard_normal())


def follow(bandit, reference, n_rounds=150, contexts=None):
    """Compare the probabilities of all rounds."""
    rng = np.random.default_rng(5)
    first = None
    for t in range(n_rounds):
        context = rng.uniform(-1.2, 3.2)
        given = context if bandit.context_range else None
        expected = reference.probabilities(context)
        p = bandit.probabilities(given)
        np.testing.assert_allclose(p, expected, rtol=1e-6, atol=1e-12, err_msg=f"round {t}")
        assert p.sum() == pytest.approx(1, abs=1e-12)
        i = VALUES.tolist().index(bandit.ask(given))
        cost = cost_of(i, context, rng)
        bandit.tell(cost)
        first = first or cost
        reference.learn(i, context, expected, cost / first)
    assert bandit.n_rounds_ == n_rounds


@pytest.mark.parametrize("estimator", ["rv", "iw"])
def test_tsallis_is_the_formula(estimator):
    bandit = RelaxationBandit(VALUES, estimator=estimator, random_state=0)
    follow(bandit, TsallisReference(len(VALUES), estimator))


@pytest.mark.parametrize("strategy", ["cheb", "smooth"])
@pytest.mark.parametrize(
    ("params", "same"),
    [
        ({}, {}),
        ({"n_basis": 1, "horizon": 500}, {"m": 1, "horizon": 500}),
        ({"n_basis": 3, "exploration": 30.0}, {"m": 3, "exploration": 30}),
    ],
)
def test_regressions_are_the_formula(strategy, params, same):
    bandit = RelaxationBandit(VALUES, strategy, context_range=RANGE, random_state=0, **params)
    follow(bandit, RegressionReference(len(VALUES), strategy, **same))


@pytest.mark.parametrize("optimism", [0.0, 2.0])
def test_smooth_without_context(optimism):
    bandit = RelaxationBandit(VALUES, "smooth", n_arm_basis=4, optimism=optimism, random_state=0)
    follow(bandit, RegressionReference(len(VALUES), "smooth", m=1, a=4, optimism=optimism))


def test_bins_are_learners_apart():
    bandit = RelaxationBandit(
        VALUES, "tsallis_bins", context_range=(0, 1), n_bins=3, random_state=0
    )
    rng = np.random.default_rng(0)
    for _ in range(60):
        bandit.tell(1 + abs(VALUES.tolist().index(bandit.ask(0.5)) - 6) + rng.random())
    np.testing.assert_allclose(bandit.probabilities(0.1), 1 / 9)
    np.testing.assert_allclose(bandit.probabilities(0.7), 1 / 9)
    assert bandit.probabilities(0.34)[6] > 0.2
    assert np.array_equal(bandit.probabilities(1.0), bandit.probabilities(7.0))
    bandit.ask(-3)
    bandit.tell(100.0)
    assert np.ptp(bandit.probabilities(0.0)) > 0.1


@pytest.fixture(scope="module")
def stream():
    """Return contexts and the sweeps that each of 13 relaxations takes for 1200 systems."""
    rows, columns = (
        sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(k, k)) for k in (9, 6)
    )
    A = sparse.kronsum(columns, rows).tocsr()
    rng = np.random.default_rng(0)
    contexts = -0.08 + 0.5 * rng.beta(1, 2.5, size=1200)
    diagonal, table = A.diagonal(), []
    for shift in contexts:
        b = rng.normal(size=54)
        A.setdiag(diagonal + shift)
        table.append([sor(A, b, omega)[1] for omega in np.linspace(1, 1.95, 13)])
    return contexts.tolist(), np.array(table)


def total(stream, strategy, seed, unit=1.0):
    contexts, table = stream
    bandit = RelaxationBandit(
        np.arange(13), strategy, context_range=(-0.08, 0.42), random_state=seed
    )
    for context, costs in zip(contexts, table, strict=True):
        bandit.tell(unit * costs[int(bandit.ask(context))])
    return bandit


@pytest.mark.parametrize(
    ("strategy", "least", "most"),
    [
        ("tsallis", 1.08, 1.30),
        ("tsallis_bins", 1.2, 1.5),
        ("cheb", 0.95, 1.05),
        ("smooth", 0.93, 0.985),
    ],
)
def test_totals_near_the_best_fixed_value(stream, strategy, least, most):
    best_fixed = stream[1].sum(axis=0).min()
    ratios = [total(stream, strategy, seed).costs_.sum() / best_fixed for seed in range(4)]
    assert least < np.mean(ratios) < most


def test_smooth_is_near_the_best_value_for_each(stream):
    bandits = [total(stream, "smooth", seed) for seed in range(4)]
    costs = np.mean([bandit.costs_.sum() for bandit in bandits])
    assert costs < 1.06 * stream[1].min(axis=1).sum()
    near, far = (bandits[0].best_value(context) for context in (-0.06, 0.3))
    assert near > far  # close to singular systems want more relaxation


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_unit_of_costs_does_not_matter(stream, strategy):
    counts, seconds = total(stream, strategy, 1), total(stream, strategy, 1, unit=1e-6)
    np.testing.assert_array_equal(counts.indices_, seconds.indices_)
    np.testing.assert_allclose(counts.costs_, 1e6 * seconds.costs_)


def test_optimism_where_the_context_drifts():
    """The context wanders over its range once; the best value wanders with it."""

    def mean_cost(optimism, seed):
        bandit = RelaxationBandit(
            np.arange(20), "smooth", context_range=(0, 1), optimism=optimism, random_state=seed
        )
        rng = np.random.default_rng(seed)
        for context in np.linspace(0, 1, 600):
            i = bandit.ask(context)
            bend = ((i - 3 - 13 * context) / 10) ** 2
            bandit.tell(20 * math.exp(bend + 0.05 * rng.standard_normal()))
        return bandit.costs_.mean()

    hopeful, cold = (np.mean([mean_cost(o, seed) for seed in range(8)]) for o in (1.0, 0.0))
    assert hopeful < 22
    assert cold > 26


def test_tsallis_follows_a_change():
    bandit = RelaxationBandit(np.arange(5), random_state=0)
    for t in range(4000):
        bandit.tell(1 + abs(bandit.ask() - (1 if t < 1000 else 3)))
    assert np.mean(bandit.indices_[800:1000] == 1) > 0.8
    assert np.mean(bandit.indices_[3500:] == 3) > 0.8


def rounds(bandit, n_rounds, rng):
    for _ in range(n_rounds):
        context = rng.uniform(*RANGE)
        bandit.tell(cost_of(VALUES.tolist().index(bandit.ask(context)), context, rng))
    return bandit


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_seeds_pickle_reset_and_clone(strategy):
    bandit = RelaxationBandit(VALUES, strategy, context_range=RANGE, random_state=3)
    rounds(bandit, 80, np.random.default_rng(0))
    value, ticket = bandit.ask(0.5, return_ticket=True)
    twin = pickle.loads(pickle.dumps(bandit))
    for each in (bandit, twin):
        each.tell(33.0, ticket)
        rounds(each, 80, np.random.default_rng(1))
    np.testing.assert_array_equal(twin.indices_, bandit.indices_)
    np.testing.assert_array_equal(twin.probabilities(0.3), bandit.probabilities(0.3))
    assert VALUES[bandit.indices_[80]] == value
    again = rounds(clone(bandit), 80, np.random.default_rng(0))
    np.testing.assert_array_equal(again.indices_, bandit.indices_[:80])
    np.testing.assert_array_equal(bandit.reset().probabilities(0.0), clone(again).probabilities(0))
    assert bandit.costs_.dtype == np.float64
    assert bandit.indices_.dtype == np.int64
    assert len(bandit.costs_) == bandit.n_rounds_ == 0


def test_one_uniform_number_a_round():
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    rounds(
        RelaxationBandit(VALUES, "smooth", context_range=RANGE, random_state=rng),
        10,
        np.random.default_rng(1),
    )
    other.random(10)
    assert rng.random() == other.random()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_draws_have_the_probabilities(strategy):
    bandit = RelaxationBandit(VALUES, strategy, context_range=RANGE, random_state=0)
    rounds(bandit, 20, np.random.default_rng(0))
    p = bandit.probabilities(1.0)
    drawn = [VALUES.tolist().index(bandit.ask(1.0)) for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn, minlength=9) / 4000, p, atol=0.035)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_costs_in_any_order(strategy):
    """Eight rounds at a time, told backwards, find the hill all the same."""
    bandit = RelaxationBandit(VALUES, strategy, context_range=RANGE, random_state=0)
    rng = np.random.default_rng(0)
    for _ in range(100):
        asked = [bandit.ask(1.0, return_ticket=True) for _ in range(8)]
        for value, ticket in reversed(asked):
            bandit.tell(cost_of(VALUES.tolist().index(value), 1.0, rng), ticket)
    assert abs(VALUES.tolist().index(bandit.best_value(1.0)) - 5) <= 1
    assert bandit.costs_[-100:].mean() < bandit.costs_[:100].mean()


def test_tickets():
    bandit = RelaxationBandit(VALUES, random_state=0)
    with pytest.raises(ValueError, match="the last round is none"):
        bandit.tell(1.0)
    first, second = (bandit.ask(return_ticket=True) for _ in range(2))
    bandit.tell(5.0, second[1])
    with pytest.raises(ValueError, match="the last round is none"):
        bandit.tell(1.0)
    with pytest.raises(ValueError, match=f"the ticket {second[1]} is none"):
        bandit.tell(1.0, second[1])
    bandit.ask()
    bandit.tell(6.0)
    bandit.tell(7.0, first[1])
    assert bandit.costs_.tolist() == [5.0, 6.0, 7.0]
    assert VALUES[bandit.indices_[[2, 0]]].tolist() == [first[0], second[0]]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"values": [[1.0, 2.0]]}, "values must be at least two finite numbers"),
        ({"values": [1.0]}, "values must be at least two finite numbers"),
        ({"values": [1.0, np.nan]}, "values must be at least two finite numbers"),
        ({"strategy": "greedy"}, "strategy"),
        ({"strategy": "cheb"}, "context_range must be given for strategy='cheb'"),
        ({"strategy": "tsallis_bins"}, "context_range must be given"),
        ({"context_range": (1, 1)}, r"the first less than the second; got \(1, 1\)"),
        ({"context_range": (0, np.inf)}, "two finite numbers"),
        ({"context_range": (0, 1, 2)}, "two finite numbers"),
        ({"n_basis": 0}, "n_basis"),
        ({"n_arm_basis": 0}, "n_arm_basis"),
        ({"n_bins": 0}, "n_bins"),
        ({"horizon": 0}, "horizon"),
        ({"exploration": 0.0}, "exploration"),
        ({"optimism": -1.0}, "optimism"),
        ({"regularization": 0.0}, "regularization"),
        ({"estimator": "mean"}, "estimator"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        RelaxationBandit(**{"values": VALUES, **params}).ask()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_contexts_and_costs(strategy):
    bandit = RelaxationBandit(VALUES, strategy, context_range=RANGE)
    for context in (None, np.nan, np.inf):
        for ask in (bandit.ask, bandit.probabilities, bandit.best_value):
            with pytest.raises(ValueError, match=f"context must be a finite .* got {context}"):
                ask(context)
    bandit.ask(0.0)
    for cost in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="cost must be positive and finite, got"):
            bandit.tell(cost)
    bandit.tell(1)
    assert bandit.n_rounds_ == 1


def test_context_without_a_range():
    with pytest.raises(ValueError, match=r"context_range must be given for a context, got 0\.5"):
        RelaxationBandit(VALUES).ask(0.5)
