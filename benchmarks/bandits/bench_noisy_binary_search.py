"""NoisyBinarySearch beside a dense posterior in NumPy, and beside bisection with repeated flips.

    pytest benchmarks/bandits/bench_noisy_binary_search.py      # microseconds a query
    python benchmarks/bandits/bench_noisy_binary_search.py      # rates of success

Coins: "jump" from tau - epsilon to tau + epsilon; "edge" from tau - epsilon / 2; "plateau", a
third of them exactly at tau. An answer k is right if coin k - 1 is below tau + epsilon and coin k
above tau - epsilon.
"""

import argparse
import math
import time

import numpy as np
import pytest

from skstruct.bandits import NoisyBinarySearch


class Dense:
    """One weight for each answer, as users write it."""

    def __init__(self, n, tau, epsilon):
        self.low, self.high = tau - epsilon, tau + epsilon
        self.weights = np.full(n + 1, 1 / (n + 1))

    def ask(self):
        return min(np.searchsorted(np.cumsum(self.weights), 0.5), len(self.weights) - 2)

    def tell(self, x, y):
        self.weights[: x + 1] *= self.high if y else 1 - self.high
        self.weights[x + 1 :] *= self.low if y else 1 - self.low
        self.weights /= self.weights.sum()


def coins(kind, n, tau, epsilon, rng):
    """Return the probability of each coin as a function."""
    k = int(rng.integers(0, n + 1))
    if kind == "plateau":
        k = int(rng.integers(0, n - n // 3))
        return lambda x: tau + epsilon * ((x >= k + n // 3) - (x < k))
    below = tau - (epsilon if kind == "jump" else epsilon / 2)
    return lambda x: tau + epsilon if x >= k else below


def bisection(n, tau, flip, n_flips):
    """Halve the range by as many flips of the middle coin as there are for each step."""
    lo, hi, n_steps = 0, n, math.ceil(math.log2(n + 1))
    each = n_flips // n_steps
    while lo < hi:
        middle = (lo + hi) // 2
        if sum(flip(middle) for _ in range(each)) >= tau * each:
            hi = middle
        else:
            lo = middle + 1
    return lo


def success(kind, n, tau, epsilon, n_runs, n_flips=None):
    """Return the share of right answers: ours, and by bisection."""
    right = np.zeros(2)
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        p = coins(kind, n, tau, epsilon, rng)

        def flip(x, p=p, rng=rng):
            return rng.random() < p(x)

        search = NoisyBinarySearch(n, tau, epsilon, delta=0.1, max_queries=n_flips)
        answers = search.run(flip).index_, bisection(n, tau, flip, search.budget_)
        for i, k in enumerate(answers):
            last_is_low = k == 0 or p(k - 1) < tau + epsilon * (1 - 1e-9)
            right[i] += last_is_low and (k == n or p(k) > tau - epsilon * (1 - 1e-9))
    return right / n_runs


@pytest.mark.parametrize("n", [10**4, 10**6, 10**15])
def test_time_of_a_query(benchmark, n):
    """Over the first 1000 queries of a search; ``at_1000`` with 1000 segments."""
    n_flips = 1000

    def search():
        rng = np.random.default_rng(0)
        flips = iter((rng.random(n_flips) < 0.5).tolist())
        return NoisyBinarySearch(n, max_queries=n_flips).run(lambda x: next(flips))

    benchmark.pedantic(search, rounds=10, warmup_rounds=1)
    ours = benchmark.stats["min"] / n_flips
    benchmark.extra_info["us_per_query"] = round(ours * 1e6, 2)
    cut = NoisyBinarySearch(n)
    for x in np.random.default_rng(0).integers(0, n, n_flips).tolist():
        cut.tell(x, x >= n // 3)
    benchmark.extra_info["at_1000"] = round(1e6 * per_query(cut, 500), 2)
    if n <= 10**6:
        theirs = per_query(Dense(n, 0.5, 0.1), 30)
        benchmark.extra_info["dense_us_per_query"] = round(theirs * 1e6, 1)
        benchmark.extra_info["ratio"] = round(theirs / ours)
    print(f"\nn = {n}: {benchmark.extra_info}")


def per_query(search, n_queries):
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        for i in range(n_queries):
            search.tell(search.ask(), i % 2)
        best = min(best, (time.perf_counter() - start) / n_queries)
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    n_runs = parser.parse_args().runs
    print("jump, flips as multiples of log2(n) / C: ours, and bisection at the most")
    for n, tau, epsilon in ((1000, 0.5, 0.1), (10**5, 0.5, 0.1), (1000, 0.8, 0.08)):
        capacity = NoisyBinarySearch(n, tau, epsilon).capacity_
        rates = [
            success("jump", n, tau, epsilon, n_runs, math.ceil(m * math.log2(n) / capacity))
            for m in (1.0, 1.5, 2.5)
        ]
        print(
            f"  n {n}, tau {tau}, epsilon {epsilon}, C {capacity:.4f}:",
            *(f"{rate[0]:.3f}" for rate in rates),
            f"bisection {rates[-1][1]:.3f}",
        )
    print("default number of flips, delta=.1: ours / bisection for jump, edge, plateau")
    for n, tau, epsilon in ((1000, 0.5, 0.1), (1000, 0.9, 0.05), (10**9, 0.5, 0.1)):
        flips = NoisyBinarySearch(n, tau, epsilon, delta=0.1).budget_
        rates = [success(kind, n, tau, epsilon, n_runs) for kind in ("jump", "edge", "plateau")]
        print(
            f"  n {n}, tau {tau}, epsilon {epsilon}: {flips} flips:",
            *(f"{a:.3f}/{b:.3f}" for a, b in rates),
        )
