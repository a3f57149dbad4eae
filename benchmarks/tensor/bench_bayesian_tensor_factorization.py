"""BayesianTensorFactorization beside smurff (the same sweeps) and CPRegressor.

    pytest benchmarks/tensor/bench_bayesian_tensor_factorization.py
    python benchmarks/tensor/bench_bayesian_tensor_factorization.py     # the figures of quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best CPU time over ours for as many sweeps
of the same entries and the prediction of the same others; ``rmse`` is of these, without noise.
"""

import os
import time
from threading import get_ident
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from skstruct.tensor._row_update import row_update

from skstruct.tensor import (
    BayesianTensorClassifier,
    BayesianTensorFactorization,
    CPRegressor,
    _gibbs,
)

RANK = 6
SWEEPS = 100  # of burn-in, and as many samples


class Problem:
    """Entries of a tensor of rank 4 with noise 0.3, and features of mode 0.

    The features explain 80 % of the variance of that factor. A tenth of its slices has no entry
    ("cold"); `test` has the same number of entries of either kind.
    """

    def __init__(self, n_entries, sizes, n_test=2000, seed=0):
        rng = np.random.default_rng(seed)
        self.sizes = sizes
        self.features = rng.standard_normal((sizes[0], 10))
        link = rng.standard_normal((10, 4)) / np.sqrt(10)
        factors = [rng.standard_normal((n, 4)) for n in sizes]
        factors[0] = np.sqrt(0.8) * self.features @ link + np.sqrt(0.2) * factors[0]
        cold = rng.permutation(sizes[0])[: sizes[0] // 10]
        places = rng.choice(np.prod(sizes), min(np.prod(sizes), 8 * n_entries), replace=False)
        self.X = np.column_stack(np.unravel_index(places, sizes))
        rows = [U[column] for U, column in zip(factors, self.X.T, strict=True)]
        self.f = np.prod(rows, axis=0).sum(axis=1)
        self.f /= self.f.std()
        self.y = self.f + 0.3 * rng.standard_normal(len(self.f))
        is_cold = np.isin(self.X[:, 0], cold)
        warm = np.flatnonzero(~is_cold)
        self.given, self.warm = warm[:n_entries], warm[n_entries:][:n_test]
        self.cold = np.flatnonzero(is_cold)[:n_test]
        self.test = np.concatenate([self.warm, self.cold])

    def side_info(self, use):
        return [self.features] + [None] * (len(self.sizes) - 1) if use else None

    def rmse(self, rows, mean):
        return np.sqrt(np.mean((mean - self.f[rows]) ** 2))


def ours(problem, side, n_sweeps=SWEEPS, n_jobs=1):
    model = BayesianTensorFactorization(
        RANK, n_burnin=n_sweeps, n_samples=n_sweeps, side_info=problem.side_info(side),
        mode_sizes=problem.sizes, n_jobs=n_jobs, random_state=0,
    ).fit(problem.X[problem.given], problem.y[problem.given])  # fmt: skip
    mean = model.predict(problem.X[problem.test])
    n_warm = len(problem.warm)
    return problem.rmse(problem.warm, mean[:n_warm]), problem.rmse(problem.cold, mean[n_warm:])


def smurff(problem, side):
    os.environ.setdefault("TQDM_DISABLE", "1")
    peer = pytest.importorskip("smurff")
    y = problem.y[problem.given]
    location, scale = y.mean(), y.std()

    def table(rows, values):
        index = [column.astype(np.int32) for column in problem.X[rows].T]
        return peer.SparseTensor(((values - location) / scale, index), problem.sizes)

    session = peer.TrainSession(
        priors=["macau" if side else "normal"] + ["normal"] * (len(problem.sizes) - 1),
        num_latent=RANK, burnin=SWEEPS, nsamples=SWEEPS, seed=1, verbose=0, num_threads=1,
    )  # fmt: skip
    test = table(problem.test, problem.f[problem.test])
    session.addTrainAndTest(table(problem.given, y), test, peer.AdaptiveNoise(1.0, 100.0))
    if side:
        session.addSideInfo(0, problem.features, direct=True)
    found = {tuple(p.coords): p.pred_avg for p in session.run()}
    mean = np.array([found[tuple(row)] for row in problem.X[problem.test]]) * scale + location
    n_warm = len(problem.warm)
    return problem.rmse(problem.warm, mean[:n_warm]), problem.rmse(problem.cold, mean[n_warm:])


def best_time(function, repeats, clock=time.perf_counter):
    times = []
    for _ in range(repeats):
        start = clock()
        result = function()
        times.append(clock() - start)
    return min(times), result


SIZES = {4000: (200, 50, 8), 10_000: (200, 50, 8), 100_000: (1000, 300, 20)}


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("side", [False, True])
@pytest.mark.parametrize("n_entries", list(SIZES))
def test_beside_smurff(benchmark, n_entries, side):
    problem = Problem(n_entries, SIZES[n_entries])
    theirs, peer_rmse = best_time(lambda: smurff(problem, side), 3, time.process_time)
    rmse = benchmark.pedantic(ours, (problem, side), rounds=6, warmup_rounds=1)
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    benchmark.extra_info["seconds"] = f"{benchmark.stats['min']:.3f}, smurff {theirs:.3f}"
    benchmark.extra_info["rmse"] = f"{rmse[0]:.3f}, smurff {peer_rmse[0]:.3f}"
    benchmark.extra_info["cold"] = f"{rmse[1]:.3f}, smurff {peer_rmse[1]:.3f}"
    assert rmse[0] < 1.05 * peer_rmse[0]
    print(f"\n{n_entries} entries, side information {side}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n_entries", [100_000, 1_000_000])
def test_time_of_a_visit(benchmark, n_entries, n_jobs):
    sizes = SIZES[100_000] if n_entries == 100_000 else (5000, 1000, 50)
    problem = Problem(n_entries, sizes, n_test=2)
    few, _ = best_time(lambda: ours(problem, False, 3, n_jobs), 3)
    benchmark.pedantic(ours, (problem, False, 13, n_jobs), rounds=4)
    visit = (benchmark.stats["min"] - few) / (20 * len(sizes) * n_entries)
    benchmark.extra_info["ns_per_visit"] = round(1e9 * visit, 1)
    print(f"\n{n_entries} entries, {n_jobs} threads: {1e9 * visit:.1f} ns an entry and mode")
    assert visit < 60e-9


def figures():
    """Print errors and coverage, of cold slices too, beside CPRegressor; and labels."""
    for n_entries in (4000, 10_000):
        problem = Problem(n_entries, SIZES[n_entries], n_test=None)
        X, y, given = problem.X, problem.y, problem.given
        for side in (False, True):
            model = BayesianTensorFactorization(
                RANK, side_info=problem.side_info(side), mode_sizes=problem.sizes, random_state=0
            ).fit(X[given], y[given])
            line = f"{n_entries} entries, side information {side!s:5}: noise {model.noise_:.3f}"
            for name in ("warm", "cold"):
                rows = getattr(problem, name)
                mean, std = model.predict(X[rows], return_std=True)
                inside = np.mean(np.abs(mean - y[rows]) < 1.96 * std)
                line += f"; {name} rmse {problem.rmse(rows, mean):.3f}, coverage {inside:.3f}"
            print(line)
        found = []
        for alpha in (0.01, 0.1, 1.0):
            als = CPRegressor(RANK, alpha=alpha, mode_sizes=problem.sizes, random_state=0)
            als.fit(X[given], y[given])
            found.append(f"{problem.rmse(problem.warm, als.predict(X[problem.warm])):.3f}")
        print(f"  CPRegressor, alpha 0.01, 0.1, 1: {', '.join(found)}")
    problem = Problem(4000, SIZES[4000], n_test=None)
    X, label, given = problem.X, problem.y > 0, problem.given
    best = roc_auc_score(label[problem.warm], problem.f[problem.warm])
    for side in (False, True):
        model = BayesianTensorClassifier(
            RANK, side_info=problem.side_info(side), mode_sizes=problem.sizes, random_state=0
        ).fit(X[given], label[given])
        warm, cold = (
            roc_auc_score(label[rows], model.predict_proba(X[rows])[:, 1])
            for rows in (problem.warm, problem.cold)
        )
        print(
            f"labels, side {side!s:5}: AUC warm {warm:.3f} (at best {best:.3f}), cold {cold:.3f}"
        )


def serology():
    """Print errors of 70 % hidden values of antibodies, in standard deviations, and coverage."""
    tensor = np.asarray(pytest.importorskip("tensorly.datasets").load_covid19_serology().tensor)
    X, y = np.argwhere(np.ones(tensor.shape)), tensor.ravel()
    given = np.random.default_rng(0).random(len(y)) < 0.3
    hidden = y[~given]
    model = BayesianTensorFactorization(RANK, random_state=0)
    seconds, _ = best_time(lambda: model.fit(X[given], y[given]), 3, time.process_time)
    mean, std = model.predict(X[~given], return_std=True)

    def rmse(found):
        return f"{np.sqrt(np.mean((found - hidden) ** 2)) / hidden.std():.3f}"

    inside = np.mean(np.abs(mean - hidden) < 1.96 * std)
    als = [
        rmse(
            CPRegressor(RANK, alpha=alpha, random_state=0)
            .fit(X[given], y[given])
            .predict(X[~given])
        )
        for alpha in (0.01, 0.1, 1.0, 5.0)
    ]
    print(f"serology: rmse {rmse(mean)}, coverage {inside:.3f}, {seconds:.2f} s")
    print(f"  CPRegressor, alpha 0.01, 0.1, 1, 5: {', '.join(als)}")


def two_threads(n_entries, sizes, n_sweeps=100):
    """Print how much less the longest chain of work of two threads is than that of one.

    It is of the CPU clocks of the threads, which a machine that is shared does not slow down: the
    main thread, and of the rows that it waits for what they take longer than its own.
    """
    problem, own, other = Problem(n_entries, sizes, n_test=2), [], []
    main_thread = get_ident()

    def timed(*arguments):
        start = time.thread_time()
        row_update(*arguments)
        times = own if get_ident() == main_thread else other
        times.append(time.thread_time() - start)

    def work(n_jobs):
        own.clear()
        other.clear()
        main, _ = best_time(lambda: ours(problem, False, n_sweeps, n_jobs), 1, time.thread_time)
        rows = np.max([own, other], axis=0) if other else np.array(own)
        return main - sum(own) + rows.sum(), rows.sum()

    with patch.object(_gibbs, "row_update", timed):
        found = np.min([(work(1), work(2)) for _ in range(3)], axis=0)
    (one, rows_one), (two, rows_two) = found
    print(
        f"{n_entries} entries, two threads: rows x{rows_one / rows_two:.2f}, fit x{one / two:.2f}"
    )


if __name__ == "__main__":
    figures()
    serology()
    two_threads(100_000, SIZES[100_000])
    two_threads(1_000_000, (5000, 1000, 50))
