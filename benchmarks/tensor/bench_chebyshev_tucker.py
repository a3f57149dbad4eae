"""ChebyshevTucker beside dense Chebyshev series, interpolants of grids and a Gaussian process.

    pytest benchmarks/tensor/bench_chebyshev_tucker.py
    python benchmarks/tensor/bench_chebyshev_tucker.py     # the figures of quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best time over ours for the same work.
"""

import time
import warnings

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval3d
from scipy.interpolate import RegularGridInterpolator
from scipy.special import erf
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from skstruct.tensor import ChebyshevTucker
from skstruct.tensor._chebyshev import expand

CUBE = [(-1.0, 1.0)] * 3


def bump(X):
    return 1 / (1 + 5 * (X**2).sum(axis=1))


def charges(X):
    """Long-range part of the potential of 50 charges at random places."""
    rng = np.random.default_rng(0)
    value = np.zeros(len(X))
    for place, charge in zip(rng.uniform(-1, 1, (50, 3)), rng.choice([-1, 1], 50), strict=True):
        r = np.maximum(np.sqrt(((X - place) ** 2).sum(axis=1)), 1e-9)
        value += charge * erf(2.5 * r) / r
    return value


def three_waves(X):
    a, b, c = np.pi * X.T
    return (
        np.sin(2 * a) * np.cos(b) * np.exp(-X[:, 2])
        + 0.7 * np.cos(2 * a) * np.sin(2 * b) * X[:, 2]
        + 0.5 * np.sin(a) * X[:, 1] * np.cos(3 * c)
    )


def scattered(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n_samples, 3))
    return X, three_waves(X) + 0.1 * rng.standard_normal(n_samples)


def best_time(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def rmse(model, X):
    return float(np.sqrt(np.mean((model.predict(X) - three_waves(X)) ** 2)))


def gaussian_process():
    kernel = ConstantKernel() * RBF([0.3] * 3) + WhiteKernel(0.1)
    return GaussianProcessRegressor(kernel, normalize_y=True)


def test_values_beside_the_dense_series(benchmark):
    model = ChebyshevTucker(32, rank=12).fit_function(charges, CUBE)
    X = np.random.default_rng(1).uniform(-1, 1, (100_000, 3))
    few, C = X[:2000], expand(model.core_, model.factors_)
    np.testing.assert_allclose(model.predict(few), chebval3d(*few.T, C), atol=1e-11)
    dense = best_time(lambda: chebval3d(*few.T, C), 3) / len(few)
    benchmark.pedantic(model.predict, (X,), rounds=9, warmup_rounds=1)
    ours = benchmark.stats["min"] / len(X)
    benchmark.extra_info["microseconds a point"] = round(1e6 * ours, 2)
    benchmark.extra_info["ratio"] = round(dense / ours)


def test_scattered_samples_beside_a_gaussian_process(benchmark):
    X, y = scattered(2000)
    test = scattered(2000, 1)[0]
    process = gaussian_process()
    start = time.perf_counter()
    process.fit(X[:1000], y[:1000])
    theirs = time.perf_counter() - start
    model = ChebyshevTucker(alpha=0.01, random_state=0)
    benchmark.pedantic(model.fit, (X[:1000], y[:1000]), rounds=9, warmup_rounds=1)
    benchmark.extra_info["rmse"] = round(rmse(model, test), 4)
    benchmark.extra_info["rmse of the process"] = round(rmse(process, test), 4)
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"])


@pytest.mark.parametrize("function", [bump, charges])
def test_function_on_its_own_grid(benchmark, function):
    model = ChebyshevTucker(tol=1e-6, random_state=0)
    benchmark.pedantic(model.fit_function, (function, CUBE), rounds=3)
    X = np.random.default_rng(1).uniform(-1, 1, (4000, 3))
    error = abs(model.predict(X) - function(X)).max() / abs(function(X)).max()
    benchmark.extra_info["error"] = f"{error:.1e}"
    benchmark.extra_info["values"] = model.n_evaluations_


def figures():
    X = np.random.default_rng(1).uniform(-1, 1, (4000, 3))
    for function in (bump, charges):
        truth = function(X)
        top = abs(truth).max()
        print(f"{function.__name__}: points a mode, ranks at 1e-7, largest error over maximum")
        for n in (9, 17, 33, 49):
            model = ChebyshevTucker(n - 1).fit_function(function, CUBE)
            print(f"  {n:3} {model.rank_} {abs(model.predict(X) - truth).max() / top:.1e}")
        model = ChebyshevTucker(tol=1e-6, random_state=0).fit_function(function, CUBE)
        error = abs(model.predict(X) - truth).max() / top
        print(f"  degrees for 1e-6: {model.degree_} {model.rank_} {error:.1e}")
        for m, method in ((33, "cubic"), (65, "cubic"), (65, "linear")):
            axis = np.linspace(-1, 1, m)
            grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
            values = function(grid.reshape(-1, 3)).reshape(m, m, m)
            found = RegularGridInterpolator((axis,) * 3, values, method=method)(X)
            print(f"  {method} interpolant, {m}^3 values: {abs(found - truth).max() / top:.1e}")

    width, places = np.linspace(0.5, 3, 30), np.random.default_rng(0).uniform(-1, 1, (3, 30))
    terms = [lambda x, c=c: np.exp(-width * (x[:, None] - c) ** 2) for c in places]
    truth = np.prod([g(x) for g, x in zip(terms, X.T, strict=True)], axis=0).sum(axis=1)
    model = ChebyshevTucker(tol=1e-9)
    seconds = best_time(lambda: model.fit_separable(terms, CUBE))
    error = abs(model.predict(X) - truth).max() / abs(truth).max()
    print(f"30 products of Gaussians: {model.rank_} {model.degree_} {error:.1e} {seconds:.4f} s")

    print("2,000 noisy samples of three waves: rank, alpha, RMSE of 3 seeds, s")
    warnings.simplefilter("ignore", ConvergenceWarning)
    test = scattered(4000, 99)[0]
    for rank, alpha in ((3, 1e-3), (3, 1e-2), (4, 1e-3)):
        found = []
        for seed in range(3):
            model = ChebyshevTucker(rank=rank, alpha=alpha, random_state=0)
            seconds = best_time(lambda s=seed, m=model: m.fit(*scattered(2000, s)), 3)
            found.append(f"{rmse(model, test):.4f}")
        print(f"  {rank} {alpha:5} {found} {seconds:.4f}")
    for n_samples in (1000, 2000):
        model = ChebyshevTucker(alpha=1e-2, random_state=0).fit(*scattered(n_samples))
        print(f"  {n_samples} samples: {rmse(model, test):.4f}")
    start = time.perf_counter()
    process = gaussian_process().fit(*scattered(1000))
    print(f"  Gaussian process of 1,000: {rmse(process, test):.4f}", time.perf_counter() - start)


if __name__ == "__main__":
    figures()
