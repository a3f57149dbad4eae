"""UnimodalBandit beside sequential halving, equal shares and random search.

    pytest benchmarks/bandits/bench_unimodal_bandit.py          # microseconds a pull
    python benchmarks/bandits/bench_unimodal_bandit.py          # errors and regrets

Tent: reward 1 - 0.1 |i - i*|, noise of standard deviation 0.5. Bumps: a Gaussian bump on a 15 x 15
grid, correlated by rho, seen through the effect of a split and noise of 0.1 each. Sequential
halving has the largest random subset of arms that it can afford.
"""

import argparse
import math

import numpy as np
import pytest

from skstruct.bandits import UnimodalBandit


def halving(draw, n_arms, budget, rng):
    """Sequential halving; ``draw(arms, first, n)`` gives the sums of pulls first .. first + n."""
    size = n_arms
    while size * max(1, math.ceil(math.log2(size))) > budget:
        size -= 1
    arms = rng.choice(n_arms, size, replace=False)
    n_rounds = max(1, math.ceil(math.log2(size)))
    sums, count = np.zeros(size), 0
    for _ in range(n_rounds):
        n = budget // (len(arms) * n_rounds)
        sums += draw(arms, count, n)
        count += n
        best = np.argsort(-sums, kind="stable")[: math.ceil(len(arms) / 2)]
        arms, sums = arms[best], sums[best]
    return arms[0]


def uniform(draw, n_arms, budget, rng):
    return int(np.argmax(draw(np.arange(n_arms), 0, max(1, budget // n_arms))))


def random_search(draw, n_arms, budget, rng):
    arms = rng.choice(n_arms, min(n_arms, budget // 5), replace=False)
    return arms[np.argmax(draw(arms, 0, 5))]


def tent_error(method, size, budget, n_runs):
    best = int(0.37 * size)
    reward = 1 - 0.1 * np.abs(np.arange(size) - best)
    errors = 0
    for run in range(n_runs):
        rng = np.random.default_rng((run, size, budget))
        if method is UnimodalBandit:
            bandit = UnimodalBandit(size, budget)
            while pulls := bandit.ask():
                arms = [arm for arm, _ in pulls]
                bandit.tell(reward[arms] + 0.5 * rng.standard_normal(len(pulls)))
            found = bandit.best_arm_
        else:

            def draw(arms, first, n, rng=rng):
                return n * reward[arms] + 0.5 * math.sqrt(n) * rng.standard_normal(len(arms))

            found = method(draw, size, budget, rng)
        errors += found != best
    return errors / n_runs


def bump_regret(method, rho, budget, n_runs, **params):
    axis = np.linspace(-1, 1, 15)
    regrets = []
    for run in range(n_runs):
        rng = np.random.default_rng((run, budget))
        x, y = (axis - c for c in rng.uniform(-0.6, 0.6, 2))
        form = x[:, None] ** 2 + y**2 - 2 * rho * x[:, None] * y
        reward = np.exp(-form / ((1 - rho**2) * 0.35**2) / 2)
        split, flat = 0.1 * rng.standard_normal(budget), reward.ravel()
        if method is UnimodalBandit:

            def pull(arm, k, reward=reward, split=split, rng=rng):
                return reward[arm] + split[k] + 0.1 * rng.standard_normal()

            found = reward[UnimodalBandit((15, 15), budget, **params).run(pull).best_arm_]
        else:

            def draw(arms, first, n, flat=flat, split=split, rng=rng):
                noise = 0.1 * math.sqrt(n) * rng.standard_normal(len(arms))
                return n * flat[arms] + split[first : first + n].sum() + noise

            found = flat[method(draw, 225, budget, rng)]
        regrets.append(reward.max() - found)
    return np.mean(regrets)


@pytest.mark.parametrize(
    ("shape", "budget"), [(64, 480), (256, 10_000), ((33, 29), 120), ((15, 15), 400)]
)
def test_time_of_a_pull(benchmark, shape, budget):
    benchmark.pedantic(
        lambda: UnimodalBandit(shape, budget).run(lambda arm, k: 0.0), rounds=30, warmup_rounds=3
    )
    benchmark.extra_info["us_per_pull"] = round(benchmark.stats["min"] / budget * 1e6, 2)
    print(f"\n{shape}, {budget} pulls: {benchmark.extra_info}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    n_runs = parser.parse_args().runs
    print("tent: probability of an error, ours / halving / equal shares")
    for budget in (240, 480, 960):
        for size in (16, 64, 256):
            errors = [
                tent_error(method, size, budget, n_runs)
                for method in (UnimodalBandit, halving, uniform)
            ]
            print(f"  {budget:4} pulls, {size:3} arms:", *(f"{error:.3f}" for error in errors))
    print("bumps: regret, ours / single sweep / halving / random search with 5 splits each")
    single = {"n_sweeps": 1, "diagonals": False, "final_fraction": 0}
    for rho, budget in ((0, 120), (0.6, 120), (0.9, 120), (0.9, 400)):
        regrets = [
            bump_regret(UnimodalBandit, rho, budget, n_runs // 2),
            bump_regret(UnimodalBandit, rho, budget, n_runs // 2, **single),
            bump_regret(halving, rho, budget, n_runs // 2),
            bump_regret(random_search, rho, budget, n_runs // 2),
        ]
        print(f"  rho {rho}, {budget} pulls:", *(f"{regret:.4f}" for regret in regrets))
