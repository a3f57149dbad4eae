"""KDEModeFinder beside MeanShift and GaussianMixture, and its cost per row and per pair.

    pytest benchmarks/density/bench_kde_mode_finder.py
    python benchmarks/density/bench_kde_mode_finder.py     # the figures of quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's time over ours on the same rows, ``ari`` the
adjusted Rand index of the labels. Times are those of the processor, which neighbours disturb
least. Mean shift takes minutes.
"""

import time
import tracemalloc

import numpy as np
import pytest
from sklearn.cluster import MeanShift, estimate_bandwidth
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs, make_moons
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from skstruct.density import KDEModeFinder
from skstruct.density._kernel_ascent import KernelDensitySum, merge

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def digits(n_components):
    X, y = load_digits(return_X_y=True)
    return (X if n_components == 64 else PCA(n_components, random_state=0).fit_transform(X)), y


def blobs(n_samples, n_features=20, centers=10):
    return make_blobs(n_samples, n_features, centers=centers, cluster_std=2, random_state=0)


def best_time(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    ("n_samples", "n_components"), [(900, 16), (1797, 16), (1797, 32), (1797, 64)]
)
def test_fit_beside_mean_shift(benchmark, n_samples, n_components):
    """Digits: clusters of an unknown number."""
    X, y = (array[:n_samples] for array in digits(n_components))
    ours = KDEModeFinder(random_state=0)
    mean_shift = MeanShift(bandwidth=estimate_bandwidth(X, quantile=0.02, random_state=0))
    benchmark.pedantic(ours.fit, (X,), rounds=7, warmup_rounds=1)
    theirs = best_time(lambda: mean_shift.fit(X), 1)
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    benchmark.extra_info["ari"] = [
        round(adjusted_rand_score(y, model.labels_), 3) for model in (ours, mean_shift)
    ]
    benchmark.extra_info["modes"] = [len(ours.modes_), len(mean_shift.cluster_centers_)]
    times = f"{benchmark.stats['min']:.3f} s, {theirs:.1f} s"
    print(f"\n{n_samples} digits, {n_components} columns: {times}, {benchmark.extra_info}")


@pytest.mark.parametrize("n_components", [16, 32, 64])
def test_fit_beside_a_mixture(benchmark, n_components):
    """Digits: EM, which is given the number of clusters."""
    X, y = digits(n_components)
    ours = KDEModeFinder(random_state=0)
    benchmark.pedantic(ours.fit, (X,), rounds=7, warmup_rounds=1)
    mixture = GaussianMixture(10, random_state=0, reg_covar=1e-2)
    theirs = best_time(lambda: mixture.fit(X), 3)
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    benchmark.extra_info["ari"] = [
        round(adjusted_rand_score(y, model.predict(X)), 3) for model in (ours, mixture)
    ]
    print(f"\ndigits, {n_components} columns: {benchmark.extra_info}")


@pytest.mark.parametrize("n_samples", [20_000, 100_000, 1_000_000])
def test_time_is_linear_in_rows(benchmark, n_samples):
    X, y = blobs(n_samples)
    finder = KDEModeFinder(random_state=0)
    benchmark.pedantic(finder.fit, (X,), rounds=5 if n_samples < 1e5 else 1)
    benchmark.extra_info["us_per_row"] = round(1e6 * benchmark.stats["min"] / n_samples, 1)
    benchmark.extra_info["ari"] = round(adjusted_rand_score(y, finder.labels_), 4)
    benchmark.extra_info["modes"] = len(finder.modes_)
    tracemalloc.start()
    finder.fit(X)
    benchmark.extra_info["memory"] = round(tracemalloc.get_traced_memory()[1] / X.nbytes, 2)
    tracemalloc.stop()
    print(f"\n{n_samples} x 20: {benchmark.stats['min']:.2f} s, {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [10, 20, 50, 100])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_time_per_pair(benchmark, n_features, dtype):
    """Labels of 20000 rows: the time of each pair of a row on its way and a center."""
    X = blobs(20_000, n_features)[0].astype(dtype)
    finder = KDEModeFinder(random_state=0).fit(X)
    n_pairs, ascend = [], KernelDensitySum.ascend

    def counted(self, *args):
        found = ascend(self, *args)
        n_pairs.append(found[2].sum() * len(self.points))
        return found

    KernelDensitySum.ascend = counted
    finder.predict(X)
    KernelDensitySum.ascend = ascend
    benchmark.pedantic(finder.predict, (X,), rounds=5)
    benchmark.extra_info["steps"] = round(float(sum(n_pairs)) / len(X) / 2048, 1)
    benchmark.extra_info["ns_per_pair"] = round(
        benchmark.stats["min"] * 1e9 / float(sum(n_pairs)), 2
    )
    print(f"\n{n_features} features, {np.dtype(dtype)}: {benchmark.extra_info}")


def projections():
    """Print how dense the best point is that is found in q of 200 dimensions."""
    rng = np.random.RandomState(0)
    centers = rng.standard_normal((8, 200))
    labels = rng.randint(8, size=2000)
    X = centers[labels] + 0.7 * rng.standard_normal((2000, 200))
    weight = rng.uniform(0.5, 1.5, 2000)
    h = 0.42 * np.sqrt(200)
    Z = np.ascontiguousarray((X - X.mean(axis=0)) / h)
    density = KernelDensitySum(Z, weight, "gaussian", 1.0)
    ends, log_p, _ = density.ascend(Z, 1e-4, 3000)
    kept, _ = merge(ends, log_p, 0.1)
    modes, best = ends[kept], log_p.max()
    print(f"2000 rows in 200 dimensions: {len(kept)} modes; ratio to the densest, 10 projections")
    for q in (10, 20, 40, 80):
        values, lifted_ratio, polished_ratio, found = [], [], [], []
        for seed in range(10):
            rng = np.random.RandomState(seed)
            R = rng.standard_normal((200, q)) / np.sqrt(q)
            low = KernelDensitySum(Z @ R, weight, "gaussian", 1.0)
            seeds = Z[rng.choice(2000, 100, replace=False)]
            ends, log_p, _ = low.ascend(seeds @ R, 1e-3, 300)
            kept, _ = merge(ends, log_p, 0.1)
            lifted = low.means(ends[kept], Z)[1]
            polished, log_polished, _ = density.ascend(lifted, 1e-4, 300)
            values.append(np.exp(log_p.max() - best))
            lifted_ratio.append(np.exp(density.log_density(lifted).max() - best))
            polished_ratio.append(np.exp(log_polished.max() - best))
            near = ((modes[:, np.newaxis] - polished) ** 2).sum(axis=2).min(axis=1) < 0.01
            found.append(near.sum())
        print(
            f"  q = {q:3}: value {np.mean(values):.2f}, lifted {min(lifted_ratio):.3f} / "
            f"{np.mean(lifted_ratio):.3f}, polished {min(polished_ratio):.3f} / "
            f"{np.mean(polished_ratio):.3f} (min / mean), modes found {min(found)} .. {max(found)}"
        )


def clusters():
    """Print adjusted Rand indices at the automatic bandwidth over five seeds."""
    standard = StandardScaler()
    data = {f"digits, {q} columns": digits(q) for q in (10, 16, 24, 32, 64)}
    data["wine, standardised"] = (
        standard.fit_transform(load_wine().data),
        load_wine().target,
    )
    data["iris"] = load_iris(return_X_y=True)
    data["blobs, 2000 x 12"] = blobs(2000, 12, centers=7)
    data["moons"] = make_moons(1000, noise=0.1, random_state=0)
    for name, (X, y) in data.items():
        finders = [KDEModeFinder(random_state=seed).fit(X) for seed in range(5)]
        aris = [adjusted_rand_score(y, finder.labels_) for finder in finders]
        modes = [len(finder.modes_) for finder in finders]
        heavy = [(finder.mode_mass_ > 0.01).sum() for finder in finders]
        print(
            f"  {name:20} {np.mean(aris):.3f} ({min(aris):.3f} .. {max(aris):.3f}), "
            f"{min(modes)} .. {max(modes)} modes, {min(heavy)} .. {max(heavy)} of 1 % and more"
        )
    X, y = digits(16)
    h = KDEModeFinder(random_state=0).fit(X).bandwidth_ / 2**0.25
    finders = [KDEModeFinder(f * h, n_seeds=2000, random_state=0) for f in (0.7, 1.0, 1.2)]
    counts = [len(finder.fit(X).modes_) for finder in finders]
    print(f"  digits, 16 columns: modes at .7, 1 and 1.2 h_G: {counts}")


if __name__ == "__main__":
    projections()
    print("adjusted Rand index, bandwidth='auto'")
    clusters()
