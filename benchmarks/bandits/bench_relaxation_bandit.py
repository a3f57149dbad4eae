"""RelaxationBandit on the streams of systems of its paper, and the time of a round.

    pytest benchmarks/bandits/bench_relaxation_bandit.py -s     # microseconds a round
    python benchmarks/bandits/bench_relaxation_bandit.py        # totals of iterations

Streams: the 5-point Laplacian of a rectangle plus c_t I, b_t standard normal but not longer than
sqrt(n), solved by SOR to 1e-8 from zero.

high:  10 x 10, c_t = -.15 + .6 Beta(.5, 1.5), 5000 systems, 20 relaxations
low:   the same with Beta(2, 6)
small: 9 x 6, c_t = -.08 + .5 Beta(1, 2.5), 1200 systems, 13 relaxations
heat:  1000 steps of Crank and Nicolson by SSOR-CG, as in examples/bandits

Every system is solved once with every relaxation; the learners then choose from these counts.
"""

import argparse
import time

import numpy as np
import pytest
from scipy import sparse

from skstruct.bandits import RelaxationBandit
from skstruct.linalg import sor, ssor_cg

STRATEGIES = {
    "tsallis": {"strategy": "tsallis"},
    'tsallis, "iw"': {"strategy": "tsallis", "estimator": "iw"},
    "tsallis_bins": {"strategy": "tsallis_bins"},
    "cheb": {"strategy": "cheb"},
    "smooth": {"strategy": "smooth"},
    "smooth, optimism=0": {"strategy": "smooth", "optimism": 0.0},
}
STREAMS = {
    "high": ((10, 10), (-0.15, 0.6), (0.5, 1.5), 5000, 20),
    "low": ((10, 10), (-0.15, 0.6), (2, 6), 5000, 20),
    "small": ((9, 6), (-0.08, 0.5), (1, 2.5), 1200, 13),
}


def laplacian(m, n):
    rows, columns = (
        sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(k, k)) for k in (m, n)
    )
    return sparse.kronsum(columns, rows).tocsr()


def shifted_systems(shape, shift, beta, n_systems, n_values):
    """Return values, contexts, their range and the sweeps, of shape (n_systems, n_values)."""
    rng = np.random.default_rng(0)
    A, values = laplacian(*shape), np.linspace(1, 1.95, n_values)
    n, diagonal = A.shape[0], A.diagonal()
    contexts = shift[0] + shift[1] * rng.beta(*beta, size=n_systems)
    sweeps = np.empty((n_systems, n_values), dtype=int)
    for t, c in enumerate(contexts):
        b = rng.standard_normal(n)
        while b @ b > n:
            b = rng.standard_normal(n)
        A.setdiag(diagonal + c)
        sweeps[t] = [sor(A, b, omega)[1] for omega in values]
    return values, contexts, (shift[0], shift[0] + shift[1]), sweeps


def heat_equation(m=49, dt=1e-3, n_steps=1000):
    values, times = np.linspace(1, 1.95, 20), (np.arange(n_steps) + 0.5) * dt
    waves = np.sin(2 * np.pi * times)
    contexts = np.maximum(0.1 * waves, -10 * waves)
    L, identity = -laplacian(m, m) * (m + 1) ** 2, sparse.eye_array(m * m)
    x, y = (axis.ravel() for axis in np.meshgrid(*2 * [np.arange(1, m + 1) / (m + 1)]))
    u, counts = np.sin(np.pi * x) * np.sin(np.pi * y), np.empty((n_steps, 20), dtype=int)
    for step, (t, kappa) in enumerate(zip(times, contexts, strict=True)):
        east, north = 0.5 + np.cos(2 * np.pi * t) / 4, 0.5 + np.sin(2 * np.pi * t) / 4
        half = (0.5 * dt * kappa) * L
        heat = 32 * np.exp(-200 * ((x - east) ** 2 + (y - north) ** 2))
        A, b = (identity - half).tocsr(), u + half @ u + dt * heat
        for j, omega in enumerate(values):
            solution, counts[step, j] = ssor_cg(A, b, omega, x0=u)
        u = solution
    return values, contexts, (0, 10), counts


def total(values, contexts, context_range, counts, seed, **params):
    bandit = RelaxationBandit(
        np.arange(len(values)), context_range=context_range, random_state=seed, **params
    )
    for context, row in zip(contexts.tolist(), counts.tolist(), strict=True):
        bandit.tell(row[int(bandit.ask(context))])
    return bandit.costs_.sum()


def show(name, values, contexts, context_range, counts, n_seeds):
    fixed, best = counts.sum(axis=0), counts.min(axis=1).sum()
    least = fixed.argmin()
    print(
        f"{name}: best fixed omega={values[least]:.2f} {fixed[least]}, best for each {best} "
        f"({best / fixed[least]:.3f}), omega=1 {fixed[0]}, omega=1.95 {fixed[-1]}"
    )
    for strategy, params in STRATEGIES.items():
        totals = [
            total(values, contexts, context_range, counts, seed, **params)
            for seed in range(n_seeds)
        ]
        ratios = np.array(totals) / fixed[least]
        print(
            f"  {strategy:20s} {np.mean(totals):9.0f}  {ratios.mean():.3f} (+-{ratios.std():.3f})"
            f" x best fixed, {np.mean(totals) / best:.3f} x best for each"
        )


@pytest.mark.parametrize("strategy", ["tsallis", "tsallis_bins", "cheb", "smooth"])
@pytest.mark.parametrize("n_values", [20, 200])
def test_time_of_a_round(benchmark, strategy, n_values):
    """Over 2000 rounds: draw and update by themselves, and with the calls of ask and tell."""
    n_rounds = 2000
    contexts = np.random.default_rng(0).random(n_rounds).tolist()
    values = np.linspace(1, 1.95, n_values)

    def learn():
        bandit = RelaxationBandit(values, strategy, context_range=(0, 1), random_state=0)
        for context in contexts:
            bandit.tell(50 * (1 + (bandit.ask(context) - 1.2 - 0.5 * context) ** 2))
        return bandit

    bandit = benchmark.pedantic(learn, rounds=10, warmup_rounds=1)
    learner, best = bandit._learners[-1], np.inf
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(500):
            learner.learn(learner.draw(0.5, 0.5), 1.0)
        best = min(best, (time.perf_counter() - start) / 500)
    microseconds = 1e6 * benchmark.stats["min"] / n_rounds
    benchmark.extra_info.update(us_per_round=microseconds, us_of_the_learner=1e6 * best)
    print(
        f"\n{strategy}, {n_values} values: {microseconds:.1f} us a round, of which draw and "
        f"update {1e6 * best:.1f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("streams", nargs="*", default=[*STREAMS, "heat"])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.streams:
        stream = heat_equation() if name == "heat" else shifted_systems(*STREAMS[name])
        show(name, *stream, arguments.seeds)
