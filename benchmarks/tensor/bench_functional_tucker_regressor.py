"""FunctionalTuckerRegressor beside a Gaussian process, boosted trees and CP, on scattered entries.

    pytest benchmarks/tensor/bench_functional_tucker_regressor.py
    python benchmarks/tensor/bench_functional_tucker_regressor.py     # the figures of quality

Run it with OMP_NUM_THREADS=1; times are of the CPU. ``ratio`` is the peer's time over our best.
"""

import time

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from skstruct.tensor import CPRegressor, FunctionalTuckerRegressor

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def three_waves(X):
    a, b, c = np.pi * X.T
    return (
        np.sin(2 * a) * np.cos(b) * np.exp(-X[:, 2])
        + 0.7 * np.cos(2 * a) * np.sin(2 * b) * X[:, 2]
        + 0.5 * np.sin(a) * X[:, 1] * np.cos(3 * c)
    )


def scattered(n_samples, seed=0, grid=None):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n_samples, 3))
    if grid:
        X = np.round(X * grid) / grid
    return X, three_waves(X) + 0.1 * rng.standard_normal(n_samples)


def kinetic(n_samples=4000, seed=0):
    """Entries of a fluorescence tensor (runs, emission, excitation, time), and others."""
    from tensorly.datasets import load_kinetic

    tensor = np.asarray(load_kinetic().tensor)
    X = np.argwhere(tensor != 0)  # what is missing is 0
    y = tensor[tuple(X.T)]
    y = (y - y.mean()) / y.std()
    X = X.astype(np.float64)
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:n_samples], order[n_samples:]
    return X[train], y[train], X[test], y[test]


def surface(seed):
    """A product of two functions without noise, at half of the points of six random meshes.

    The demonstration of the paper's authors, with its sizes and functions; the other half of the
    points is for tests.
    """
    rng = np.random.default_rng(seed)
    meshes = [np.meshgrid(*np.sort(rng.uniform(size=(2, 15)))) for _ in range(6)]
    X = np.concatenate([np.stack(mesh, axis=-1).reshape(-1, 2) for mesh in meshes])
    a, b = X.T
    y = np.sin(2 * np.pi * a) ** 2 * np.cos(2 * np.pi * a)
    y *= np.exp(-2 * b) * np.sin(1.5 * np.pi * b)
    order = rng.permutation(len(y))
    train, test = order[:675], order[675:]
    return X[train], y[train], X[test], y[test]


def gaussian_process():
    kernel = ConstantKernel() * RBF([0.3] * 3) + WhiteKernel(0.1)
    return GaussianProcessRegressor(kernel, normalize_y=True)


def rmse(prediction, truth):
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def timed(function):
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def test_beside_a_gaussian_process(benchmark):
    X, y = scattered(1500)
    test, _ = scattered(4000, 99)
    process, theirs = timed(lambda: gaussian_process().fit(X, y))
    model = FunctionalTuckerRegressor(3, random_state=0)
    benchmark.pedantic(model.fit, (X, y), rounds=5, warmup_rounds=1)
    benchmark.extra_info["rmse"] = round(rmse(model.predict(test), three_waves(test)), 4)
    benchmark.extra_info["rmse of the process"] = round(
        rmse(process.predict(test), three_waves(test)), 4
    )
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)


def test_fit_of_2000_samples(benchmark):
    X, y = scattered(2000)
    model = FunctionalTuckerRegressor(3, random_state=0)
    benchmark.pedantic(model.fit, (X, y), rounds=7, warmup_rounds=1)
    benchmark.extra_info["sweeps"] = model.n_iter_


def report(name, model, X, y, test, truth, target):
    model, seconds = timed(lambda: model.fit(X, y))
    mean, std = model.predict(test, return_std=True)
    cover = np.mean(abs(target - mean) < 1.96 * std)
    rises = np.diff(model.elbo_).min()
    print(
        f"  {name}: RMSE {rmse(mean, truth):.3g}, coverage {cover:.3f}, noise {model.noise_:.2g}, "
        f"{model.n_iter_} sweeps, {seconds:.2f} s, smallest rise of the bound {rises:.1e}"
    )


def figures():
    print("three waves with noise of 0.1")
    test, target = scattered(10_000, 99)
    truth = three_waves(test)
    for seed in range(3):
        model = FunctionalTuckerRegressor(3, random_state=0)
        report(f"2,000 samples, seed {seed}", model, *scattered(2000, seed), test, truth, target)
    on_grid, grid_target = scattered(10_000, 98, 60)
    for seed in range(3):
        model = FunctionalTuckerRegressor(3, random_state=0)
        data = scattered(1500, seed, 60)
        report(f"1,500 on a grid, seed {seed}", model, *data, on_grid, three_waves(on_grid),
               grid_target)  # fmt: skip
    for nu in (0.5, 1.5):
        model = FunctionalTuckerRegressor(3, nu=nu, random_state=0).fit(*scattered(2000))
        print(f"  nu={nu}: bound {model.elbo_[-1]:.0f}")
    trees, seconds = timed(lambda: HistGradientBoostingRegressor().fit(*scattered(2000)))
    print(f"  boosted trees: {rmse(trees.predict(test), truth):.4f}, {seconds:.2f} s")
    process, seconds = timed(lambda: gaussian_process().fit(*scattered(1000)))
    print(
        f"  Gaussian process of 1,000: {rmse(process.predict(test), truth):.4f}, {seconds:.1f} s"
    )

    print("the authors' demonstration, 675 of 1,350 points without noise")
    for seed in range(4):
        X, y, test, target = surface(seed)
        model = FunctionalTuckerRegressor(2, random_state=0)
        report(f"rank 2, seed {seed}", model, X, y, test, target, target)

    X, y, test, target = kinetic()
    print(f"fluorescence, {len(y)} of {len(y) + len(target)} entries")
    model = FunctionalTuckerRegressor(3, random_state=0)
    report("rank 3", model, X, y, test, target, target)
    for k in (3, 4):
        peers = [CPRegressor(k, alpha=alpha, random_state=0) for alpha in (0.01, 0.1, 1.0)]
        errors = [f"{rmse(peer.fit(X, y).predict(test), target):.4f}" for peer in peers]
        print(f"  CPRegressor({k}), alpha .01, .1, 1: {' '.join(errors)}")
    trees = HistGradientBoostingRegressor().fit(X, y)
    print(f"  boosted trees: {rmse(trees.predict(test), target):.4f}")


if __name__ == "__main__":
    figures()
