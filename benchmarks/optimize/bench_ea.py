"""Comma and plus selection where optima are planted, and what a generation costs.

    pytest benchmarks/optimize/bench_ea.py              # time per evaluation
    python benchmarks/optimize/bench_ea.py              # evaluations until OneMax is high

DisOM is OneMax of n bits with, at a share p of all points, a bonus of exponential distribution.
The figure is the number of evaluations until OneMax alone first reaches 90 %, bonuses apart.
"""

import argparse
import hashlib
import math
import time

import numpy as np
import pytest

from skstruct.optimize import minimize_ea

pytestmark = pytest.mark.benchmark(timer=time.process_time)


END = -1e9


class DisOM:
    """Negative OneMax with bonuses; ends the search when OneMax has reached 90 %."""

    def __init__(self, n, share, mean, seed):
        self.goal, self.share, self.mean = 0.9 * n, share, mean
        self.key = seed.to_bytes(4)
        self.n_calls, self.hit = 0, math.inf

    def __call__(self, x):
        self.n_calls += 1
        value = float(x.sum())
        if value >= self.goal:
            self.hit = self.n_calls
            return END
        if self.share:
            digest = hashlib.blake2b(x, digest_size=8, key=self.key).digest()
            u = (int.from_bytes(digest) + 1) / 2**64
            if u <= self.share:
                value -= self.mean * math.log(u / self.share)
        return -value


def evaluations(strategy, n, share, mean, seed, maxfev):
    problem = DisOM(n, share, mean, seed)
    minimize_ea(problem, [2] * n, strategy, maxfev=maxfev, target=END, random_state=seed)
    return problem.hit


@pytest.mark.parametrize("n", [100, 1000])
def test_generation(benchmark, n):
    """Time per evaluation of a function that costs nothing."""
    maxfev = 20_000

    def run():
        return minimize_ea(lambda x: 0.0, [2] * n, maxfev=maxfev, random_state=0)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    benchmark.extra_info["us"] = round(benchmark.stats["min"] / maxfev * 1e6, 2)
    rng, parent = np.random.default_rng(0), np.zeros(n, dtype=np.int64)
    start = time.process_time()
    for _ in range(maxfev):
        np.where(rng.random(n) < 1 / n, 1 - parent, parent)
    seconds = time.process_time() - start
    benchmark.extra_info["us of a mutation in numpy"] = round(seconds / maxfev * 1e6, 2)
    print(f"\n{n}: {benchmark.extra_info}")


def figures(n_seeds, maxfev):
    print(f"median evaluations until OneMax is at 90 %, share of {n_seeds} runs that got there")
    cases = [(100, 0.0, 1), (100, 0.05, 1), (100, 0.02, 3), (200, 0.02, 3)]
    for n, share, mean in cases:
        for strategy in ("comma", "plus"):
            hits = [evaluations(strategy, n, share, mean, seed, maxfev) for seed in range(n_seeds)]
            found = np.mean(np.isfinite(hits))
            print(
                f"  n={n} p={share} mean={mean} {strategy:5} {np.median(hits):9.0f} {found:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--maxfev", type=int, default=500_000)
    given = parser.parse_args()
    figures(given.seeds, given.maxfev)
