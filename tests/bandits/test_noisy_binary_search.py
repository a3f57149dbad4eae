"""The posterior beside a dense one, the capacity beside a search for it, and rates of success."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from skstruct.bandits import NoisyBinarySearch
from skstruct.bandits._noisy_binary_search import channel, entropy


class Dense:
    """The posterior with one log weight for each answer."""

    def __init__(self, n, tau, epsilon):
        self.low, self.high = tau - epsilon, tau + epsilon
        self.log_weights = np.zeros(n + 1)

    def tell(self, x, y, n_trials):
        past = np.arange(len(self.log_weights)) <= x
        p = np.where(past, self.high, self.low)
        self.log_weights += y * np.log(p) + (n_trials - y) * np.log(1 - p)

    @property
    def weights(self):
        weights = np.exp(self.log_weights - self.log_weights.max())
        return weights / weights.sum()

    def quantile(self, level):
        return int(np.argmax(np.cumsum(self.weights) >= level))

    def information(self, x):
        u = self.weights[: x + 1].sum()
        p = u * self.high + (1 - u) * self.low
        return entropy(p) - u * entropy(self.high) - (1 - u) * entropy(self.low)


def expand(search):
    start, weight = search.posterior_
    return np.repeat(weight, np.diff([*start, search.n + 1]))


flips = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(st.integers(1, 60), st.sampled_from([(0.5, 0.1), (0.8, 0.15), (0.1, 0.05)]), flips)
def test_posterior_is_the_dense_one(n, level, flips):
    search, dense = NoisyBinarySearch(n, *level), Dense(n, *level)
    for place, heads, tails in flips:
        x, y, n_trials = int(place * n), heads, heads + tails + 1
        search.tell(x, y, n_trials)
        dense.tell(x, y, n_trials)
        weights = dense.weights
        np.testing.assert_allclose(expand(search), weights, rtol=1e-9, atol=1e-300)
        q = search.quantile_
        k = dense.quantile(q)
        if np.abs(np.cumsum(weights) - q).min() > 1e-9:
            asked = search.ask()
            coins = [c for c in (k - 1, k) if 0 <= c < n]
            assert asked in coins
            gains = [dense.information(c) for c in coins]
            assert dense.information(asked) == pytest.approx(max(gains), abs=1e-12)
        for share in (0.2, 0.95):
            edges = [(1 - share) / 2, (1 + share) / 2]
            if all(np.abs(np.cumsum(weights) - e).min() > 1e-9 for e in edges):
                found = search.credible_interval(share)
                assert found == tuple(map(dense.quantile, edges))
    assert search.n_queries_ == len(flips)
    assert search.queries_.tolist() == [int(place * n) for place, _, _ in flips]
    likeliest = np.flatnonzero(weights >= weights.max() * (1 - 1e-9))
    run = likeliest[likeliest - likeliest[0] == np.arange(len(likeliest))]
    assert search.index_ == (run[0] + run[-1]) // 2


@pytest.mark.parametrize(("tau", "epsilon"), [(0.5, 0.1), (0.8, 0.08), (0.9, 0.05), (0.05, 0.04)])
def test_capacity(tau, epsilon):
    low, high = tau - epsilon, tau + epsilon

    def lost(u):
        p = u * high + (1 - u) * low
        return u * entropy(high) + (1 - u) * entropy(low) - entropy(p)

    best = minimize_scalar(lost, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    quantile, capacity = channel(low, high)
    assert capacity == pytest.approx(-best.fun, rel=1e-9)
    assert quantile == pytest.approx(best.x, abs=1e-5)
    search = NoisyBinarySearch(10, tau, epsilon)
    assert (search.quantile_, search.capacity_) == (quantile, capacity)


def test_budget():
    search = NoisyBinarySearch(1000, 0.5, 0.1, delta=0.1)
    assert search.budget_ == 748
    assert NoisyBinarySearch(10**9, 0.5, 0.1, delta=0.1).budget_ == 1563
    assert search.set_params(max_queries=7).reset().run(lambda x: True).n_queries_ == 7


def coins(kind, n, tau, epsilon, rng):
    """Return the probability of each coin as a function."""
    k = int(rng.integers(0, n + 1))
    if kind == "plateau":
        k = int(rng.integers(0, n - n // 3))
        return lambda x: tau + epsilon * ((x >= k + n // 3) - (x < k))
    below = tau - (epsilon if kind == "jump" else epsilon / 2)
    return lambda x: tau + epsilon if x >= k else below


def success(kind, n, tau, epsilon, n_runs=200, **params):
    right = 0
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        p = coins(kind, n, tau, epsilon, rng)
        search = NoisyBinarySearch(n, tau, epsilon, delta=0.1, **params)
        k = search.run(lambda x, p=p, rng=rng: rng.random() < p(x)).index_
        last_is_low = k == 0 or p(k - 1) < tau + epsilon * (1 - 1e-9)
        right += last_is_low and (k == n or p(k) > tau - epsilon * (1 - 1e-9))
    return right / n_runs


@pytest.mark.parametrize("kind", ["jump", "edge", "plateau"])
@pytest.mark.parametrize(
    ("n", "tau", "epsilon"), [(1000, 0.5, 0.1), (1000, 0.9, 0.05), (10**9, 0.5, 0.1)]
)
def test_success_with_the_planned_flips(kind, n, tau, epsilon):
    assert success(kind, n, tau, epsilon) >= 0.86


def test_flips_are_few():
    """Bisection with repeated flips has .73 with as many."""
    flips = math.ceil(2.5 * math.log2(1000) / NoisyBinarySearch(1000).capacity_)
    assert success("jump", 1000, 0.5, 0.1, max_queries=flips) >= 0.96


@pytest.mark.parametrize("recommend", ["median", "screen"])
def test_other_answers(recommend):
    assert success("plateau", 1000, 0.5, 0.1, n_runs=50, recommend=recommend) >= 0.86


def test_the_search_does_not_get_stuck_beside_the_crossing():
    """Always asking the coin at the quantile leaves 6.7 % of errors, however many the flips."""
    assert success("jump", 1000, 0.9, 0.05, max_queries=1343) >= 0.98


@pytest.mark.parametrize("k", [0, 1, 5, 9, 10])
@pytest.mark.parametrize("tau", [0.3, 0.5])
def test_every_answer_is_reached_and_no_coin_outside_flipped(k, tau):
    search = NoisyBinarySearch(10, tau, 0.2, delta=1e-3)
    rng = np.random.default_rng(k)
    search.run(lambda x: rng.random() < tau + (0.2 if x >= k else -0.2))
    assert search.index_ == k
    assert search.queries_.min() >= 0
    assert search.queries_.max() <= 9
    low, high = search.credible_interval()
    assert low <= k <= high


@pytest.mark.parametrize("n", [10**15, 2**62])
def test_coins_beyond_number(n):
    k = n // 7 * 3
    search = NoisyBinarySearch(n, 0.5, 0.25, delta=1e-6)
    rng = np.random.default_rng(0)
    search.run(lambda x: rng.random() < (0.75 if x >= k else 0.25))
    assert search.index_ == k
    assert len(search.posterior_[0]) <= search.n_queries_ + 1


def test_nothing_underflows():
    search = NoisyBinarySearch(100)
    search.tell(30, 0, 100_000)
    assert search.index_ == (31 + 100) // 2
    for _ in range(20_000):
        search.tell(60, 1)
        search.tell(59, 0)
    assert search.index_ == 60
    search.tell(60, 0, 10_000)
    search.tell(80, 10_000, 10_000)
    assert search.index_ == 60  # the first evidence is still the stronger one
    search.tell(60, 0, 11_000)
    assert search.index_ == (61 + 80) // 2


def test_trials_are_flips():
    one, many = NoisyBinarySearch(50, 0.7), NoisyBinarySearch(50, 0.7)
    one.tell(20, 3, 5)
    for y in (True, False, True, True, False):
        many.tell(20, y)
    np.testing.assert_allclose(one.posterior_[1], many.posterior_[1])
    assert one.outcomes_.tolist() == [3]
    assert many.outcomes_.tolist() == [1, 0, 1, 1, 0]


def test_run_goes_on_from_what_was_told():
    search = NoisyBinarySearch(50, max_queries=30)
    for _ in range(10):
        search.tell(20, 1)
    assert search.run(lambda x: x >= 20).n_queries_ == 30


def test_batches_lie_around_the_best_coin():
    search = NoisyBinarySearch(1000, 0.8)
    assert search.ask_batch(1) == [search.ask()]
    batch = search.ask_batch(4)
    assert batch == sorted(batch)
    assert batch[1] < search.ask() < batch[2]


def test_pickle_goes_on_alike():
    search = NoisyBinarySearch(10**6, 0.6)
    rng = np.random.default_rng(0)
    for _ in range(40):
        search.tell(search.ask(), rng.random() < 0.6)
    twin = pickle.loads(pickle.dumps(search))
    for y in (0, 1, 1, 0, 1) * 10:
        assert twin.ask() == search.ask()
        search.tell(search.ask(), y)
        twin.tell(twin.ask(), y)
    assert twin.index_ == search.index_
    np.testing.assert_allclose(twin.posterior_[1], search.posterior_[1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n": 0}, "n"),
        ({"tau": 1.0}, "tau"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"tau": 0.9, "epsilon": 0.1}, r"less than tau and 1 - tau, got epsilon=0.1 and tau=0.9"),
        ({"delta": 0.0}, "delta"),
        ({"recommend": "mean"}, "recommend"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        NoisyBinarySearch(**{"n": 10, **params}).ask()


def test_bad_outcomes():
    search = NoisyBinarySearch(10)
    for x in (-1, 10):
        with pytest.raises(ValueError, match=f"from 0 to 9, got {x}"):
            search.tell(x, 1)
    for y, n_trials in ((2, 1), (-1, 1), (0, 0)):
        with pytest.raises(ValueError, match=f"got y={y} and n_trials={n_trials}"):
            search.tell(3, y, n_trials)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        search.credible_interval(1.0)
    assert search.n_queries_ == 0
