"""minimize_cbo beside cbx, CMA-ES, dual annealing and the same loop in NumPy.

    pytest benchmarks/optimize/bench_cbo.py             # CPU times and their ratios
    python benchmarks/optimize/bench_cbo.py             # the tables: success at equal evaluations

Run it with OMP_NUM_THREADS=1. The minimisers are uniform in the middle 30 % of the box; success is
a best point within .25 of it in every coordinate. ``ratio`` is the peer's best time over ours.
"""

import argparse
import time
import warnings

import cma
import numpy as np
import pytest
from cbx.dynamics import CBO
from scipy.optimize import dual_annealing

from skstruct.optimize import minimize_cbo

pytestmark = pytest.mark.benchmark(timer=time.process_time)
warnings.simplefilter("ignore")


def rastrigin(Z):
    return np.sum(Z**2 - 10 * np.cos(2 * np.pi * Z) + 10, axis=-1)


def ackley(Z):
    bowl = -20 * np.exp(-0.2 * np.sqrt(np.mean(Z**2, axis=-1)))
    return bowl - np.exp(np.mean(np.cos(2 * np.pi * Z), axis=-1)) + 20 + np.e


def griewank(Z):
    waves = np.cos(Z / np.sqrt(np.arange(1, Z.shape[-1] + 1)))
    return np.sum(Z**2, axis=-1) / 4000 - np.prod(waves, axis=-1) + 1


HALF = {rastrigin: 5.12, ackley: 32.0, griewank: 600.0}


class Problem:
    """A function with its minimiser somewhere else, for many points or one."""

    def __init__(self, function, n_dims, seed):
        self.function = function
        self.half = HALF[function]
        self.n_dims = n_dims
        rng = np.random.default_rng(10_000 + seed)
        self.x = rng.uniform(-0.3, 0.3, n_dims) * self.half
        self.bounds = [(-self.half, self.half)] * n_dims

    def __call__(self, X):
        return self.function(X - self.x)

    def is_found(self, x):
        return bool(np.abs(x - self.x).max() < 0.25)


def ours(problem, N, n_iter, seed, **params):
    return minimize_cbo(
        problem, problem.bounds, n_particles=N, n_iter=n_iter, vectorized=True,
        random_state=seed, **{"tol": 0.0, **params},
    ).x  # fmt: skip


def polished(problem, N, n_iter, seed):
    return ours(problem, N, n_iter, seed, polish=True)


def by_cbx(problem, N, n_iter, seed):
    rng = np.random.default_rng(seed)
    swarm = CBO(
        problem, f_dim="2D", x=rng.uniform(-problem.half, problem.half, (N, problem.n_dims)),
        noise="anisotropic", sigma=8.1, dt=0.01, max_it=n_iter, verbosity=0, seed=seed,
    )  # fmt: skip
    return swarm.optimize(sched="effective")[0]


def by_cma(problem, N, n_iter, seed):
    options = {
        "popsize": 100, "maxfevals": N * (n_iter + 1), "seed": seed + 1, "verbose": -9,
        "bounds": [-problem.half, problem.half],
    }  # fmt: skip
    search = cma.CMAEvolutionStrategy(np.zeros(problem.n_dims), 0.6 * problem.half, options)
    while not search.stop():
        X = search.ask()
        search.tell(X, problem(np.array(X)).tolist())
    return search.result.xbest


def by_annealing(problem, N, n_iter, seed):
    return dual_annealing(problem, problem.bounds, maxfun=N * (n_iter + 1), rng=seed).x


def in_numpy(problem, N, n_iter, seed):
    """The algorithm of `minimize_cbo`, one array operation a line."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-problem.half, problem.half, (N, problem.n_dims))
    E = problem(X)
    best, x = E.min(), X[E.argmin()].copy()
    for k in range(n_iter):
        gaps = E - E.min()
        gaps /= np.median(gaps)
        low, high = -15.0, 25.0
        while high - low > 1e-2:
            w = np.exp(-np.exp((low + high) / 2) * gaps)
            if w.sum() ** 2 > 0.2 * N * (w**2).sum():
                low = (low + high) / 2
            else:
                high = (low + high) / 2
        w = np.exp(-np.exp((low + high) / 2) * gaps)
        s = 0.7 + 0.4 * (1 + np.cos(np.pi * k / n_iter)) / 2
        away = X - w @ X / w.sum()
        X = X - 0.1 * away + s * away * rng.standard_normal(X.shape)
        X = np.where(-problem.half > X, -2 * problem.half - X, X)
        X = np.where(problem.half < X, 2 * problem.half - X, X)
        X = np.clip(X, -problem.half, problem.half)
        E = problem(X)
        if E.min() < best:
            best, x = E.min(), X[E.argmin()].copy()
    return x


def best_time(function, *args, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function(*args)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(("n_dims", "N", "n_iter"), [(10, 100, 400), (20, 200, 500)])
def test_rastrigin(benchmark, n_dims, N, n_iter):
    args = Problem(rastrigin, n_dims, 0), N, n_iter, 0
    benchmark.pedantic(ours, args, rounds=5, warmup_rounds=1)
    for peer in (by_cbx, by_cma, by_annealing):
        seconds = best_time(peer, *args, repeats=1)
        benchmark.extra_info[f"ratio {peer.__name__}"] = round(seconds / benchmark.stats["min"], 1)
    print(f"\n{n_dims}: {benchmark.stats['min'] * 1e3:.1f} ms, {benchmark.extra_info}")


def test_overhead(benchmark):
    """Of an iteration; the function costs nothing."""

    def nothing(X):
        return X[:, 0].copy()

    problem = Problem(rastrigin, 20, 0)
    problem.function = nothing
    args = problem, 200, 1000, 0
    benchmark.pedantic(ours, args, rounds=7, warmup_rounds=1)
    buffer, rng = np.empty((200, 20)), np.random.Generator(np.random.SFC64(0))
    normals = best_time(lambda: [rng.standard_normal(out=buffer) for _ in range(1000)])
    numpy = best_time(in_numpy, *args)
    benchmark.extra_info["us"] = round(benchmark.stats["min"] * 1e3, 1)
    benchmark.extra_info["us of the normals alone"] = round(normals * 1e3, 1)
    benchmark.extra_info["ratio to numpy"] = round(numpy / benchmark.stats["min"], 1)
    print(f"\n{benchmark.extra_info}")


def success_table(n_ours, n_peers):
    sizes = [(rastrigin, 10, 100, 400), (rastrigin, 20, 200, 500), (ackley, 20, 200, 500)]
    sizes += [(griewank, 10, 100, 400)]
    methods = {
        "cbo": (ours, n_ours),
        "cbo, polished": (polished, n_ours),
        "cbo, s to 0.3": (
            lambda *args: ours(*args, ess_fraction=0.15, noise=(1.1, 0.3)), n_ours,
        ),
        "numpy": (in_numpy, n_peers),
        "cbx": (by_cbx, n_peers),
        "cma": (by_cma, n_peers),
        "dual annealing": (by_annealing, n_peers),
    }  # fmt: skip
    for function, n_dims, N, n_iter in sizes:
        print(f"{function.__name__} {n_dims}, {N} x {n_iter}: success, median f, best CPU ms")
        for name, (method, n_seeds) in methods.items():
            found, values, times = 0, [], []
            for seed in range(n_seeds):
                problem = Problem(function, n_dims, seed)
                start = time.process_time()
                x = method(problem, N, n_iter, seed)
                times.append(time.process_time() - start)
                found += problem.is_found(x)
                values.append(problem(x))
            print(
                f"  {name:16} {found / n_seeds:.2f} {np.median(values):8.1e} "
                f"{min(times) * 1e3:8.1f}", flush=True,
            )  # fmt: skip


def hops_table():
    """Hops beside -alpha s^2 gradient, and beside that over 1 + alpha s^2 curvature."""
    s, alpha = 0.05, 10.0
    print("hops: cosine with the negative gradient, ratio of lengths; that with the curvature")
    found = []
    for seed in range(10):
        x, path = np.random.default_rng(seed).uniform(-1.5, 1.5, 5), []
        minimize_cbo(
            lambda X: np.sum(X**4 / 4 + np.sin(X), axis=1), [(-3, 3)] * 5, scheme="hopping",
            alpha=alpha, hop_scale=(s / 6, s / 6), n_particles=500, n_iter=2, vectorized=True,
            x0=np.tile(x, (500, 1)), random_state=seed,
            callback=lambda result, path=path: path.append(result.consensus),
        )  # fmt: skip
        hop, first = path[1] - path[0], -alpha * s**2 * (x**3 + np.cos(x))
        second = first / (1 + alpha * s**2 * (3 * x**2 - np.sin(x)))
        length, size = np.linalg.norm(hop), np.linalg.norm(first)
        found.append((hop @ first / length / size, length / size, length / np.linalg.norm(second)))
    print("  {:.3f} {:.3f} {:.3f}".format(*np.mean(found, axis=0)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", type=int, default=100, help="seeds of our methods")
    parser.add_argument("--peers", type=int, default=20, help="seeds of the others")
    given = parser.parse_args()
    hops_table()
    success_table(given.ours, given.peers)
