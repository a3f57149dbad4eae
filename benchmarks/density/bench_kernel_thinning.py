"""KernelThinning beside goodpoints, greedy herding and random rows.

    pytest benchmarks/density/bench_kernel_thinning.py
    python benchmarks/density/bench_kernel_thinning.py     # the figures of quality

Run it with OMP_NUM_THREADS=1; times are of the CPU. Rows are normal, the kernel is Gaussian with
the square root of n_features as its bandwidth, and sqrt(n) of n rows are kept. ``ratio`` is the
peer's best time over ours; ``mmd`` has ours and the peer's, from the same rows.
"""

import time
import tracemalloc

import numpy as np
import pytest
from goodpoints import compress, kt
from sklearn.cluster import kmeans_plusplus
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.density import KernelThinning, ThinnedEstimator

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def normal(n_samples, n_features, seed=0):
    return np.random.RandomState(seed).standard_normal((n_samples, n_features))


def mmd(X, rows, bandwidth):
    """The MMD between some rows and all."""
    return -KernelThinning(len(rows), bandwidth=bandwidth).fit(X[rows]).score(X)


def best_time(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def gaussian(bandwidth):
    return lambda y, X: np.exp(-((y - X) ** 2).sum(axis=1) / (2 * bandwidth**2))


def goodpoints_kt(X, bandwidth):
    kernel, n_rounds = gaussian(bandwidth), int(np.log2(len(X))) // 2
    return kt.thin(X, n_rounds, kernel, kernel, seed=0, store_K=True)


def goodpoints_compress(X, bandwidth, g):
    return compress.compresspp_kt(X, b"gaussian", np.array([2 * bandwidth**2]), g=g, seed=0)


def herding(X, bandwidth):
    """Greedy herding in NumPy, with the squared distances by a matrix product, in blocks."""
    squares = (X**2).sum(axis=1)

    def values(Q):
        distance = (Q**2).sum(axis=1)[:, np.newaxis] + squares - 2 * Q @ X.T
        return np.exp(np.minimum(-distance, 0.0) / (2 * bandwidth**2))

    mean = np.concatenate([values(X[i : i + 512]).mean(axis=1) for i in range(0, len(X), 512)])
    chosen, sums = [], np.zeros(len(X))
    for t in range(int(np.sqrt(len(X)))):
        score = mean - sums / (t + 1)
        score[chosen] = -np.inf
        chosen.append(score.argmax())
        sums += values(X[chosen[-1:]])[0]
    return np.array(chosen)


def thinning(n_features, method="kt", oversampling=2, **params):
    return KernelThinning(
        bandwidth=np.sqrt(n_features), method=method, oversampling=oversampling, random_state=0,
        **params,
    )  # fmt: skip


def compare(benchmark, ours, theirs, X, repeats=1):
    benchmark.pedantic(ours.fit, (X,), rounds=5, warmup_rounds=1)
    ours.fit(X)
    seconds, rows = best_time(lambda: theirs(X, ours.bandwidth_), repeats)
    found = [mmd(X, chosen, ours.bandwidth_) for chosen in (ours.coreset_indices_, rows)]
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    benchmark.extra_info["mmd"] = [round(value, 4) for value in found]
    print(f"\n{X.shape}: {benchmark.stats['min'] * 1e3:.1f} ms, {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [10, 50])
def test_kt(benchmark, n_features):
    compare(benchmark, thinning(n_features), goodpoints_kt, normal(4096, n_features))


@pytest.mark.parametrize("g", [2, 4])
@pytest.mark.parametrize(("n_features", "n_samples"), [(10, 4096), (50, 4096), (10, 16384)])
def test_compress_plus_plus(benchmark, n_features, n_samples, g):
    """Ours always with an oversampling of 2."""
    compare(
        benchmark, thinning(n_features, "compress++"),
        lambda X, bandwidth: goodpoints_compress(X, bandwidth, g), normal(n_samples, n_features),
        repeats=3,
    )  # fmt: skip


@pytest.mark.parametrize(("n_features", "n_samples"), [(10, 4096), (50, 4096), (10, 16384)])
def test_herding(benchmark, n_features, n_samples):
    compare(benchmark, thinning(n_features), herding, normal(n_samples, n_features), repeats=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_time_per_kernel_value(benchmark, dtype):
    X = normal(8192, 10).astype(dtype)
    benchmark.pedantic(thinning(10).fit, (X,), rounds=3, warmup_rounds=1)
    per_value = benchmark.stats["min"] * 1e9 / (1.5 * len(X) ** 2)
    benchmark.extra_info["ns_per_value"] = round(per_value, 2)
    print(f"\n{dtype.__name__}: {benchmark.extra_info}")


def quality(n_features, n_samples, seeds=range(4)):
    found = []
    for seed in seeds:
        X, m = normal(n_samples, n_features, seed), int(np.sqrt(n_samples))
        rng, h = np.random.RandomState(seed), np.sqrt(n_features)
        fits = [
            thinning(n_features, swap_passes=0, herding=False),
            thinning(n_features, swap_passes=1, herding=False),
            thinning(n_features),
            thinning(n_features, "compress++"),
            thinning(n_features, "compress++", 4),
        ]
        rows = [rng.permutation(n_samples)[:m], kmeans_plusplus(X, m, random_state=seed)[1]]
        rows += [fit.set_params(random_state=seed).fit(X).coreset_indices_ for fit in fits]
        found.append([mmd(X, chosen, h) for chosen in rows])
    return np.mean(found, axis=0)


def figures():
    """Print the figures of quality: MMD, accuracy on the digits, Nystroem, memory."""
    print("MMD: random, k-means++, split alone, one sweep, default, compress++ g=2 and g=4")
    sizes = [(2, 256), (2, 1024), (2, 4096), (10, 4096), (50, 4096), (10, 16384)]
    rates = {}
    for n_features, n_samples in sizes:
        found = quality(n_features, n_samples)
        rates[n_features, n_samples] = found
        print(f"  {n_features:3} {n_samples:6}", *(f"{value:.4f}" for value in found))
    slopes = np.log(rates[2, 4096] / rates[2, 256]) / np.log(16)
    print("  exponents of n for 2 columns ", *(f"{value:.2f}" for value in slopes))

    print("digits, 70/30, mean accuracy of 5 splits: thinned, random")
    X, y = load_digits(return_X_y=True)
    for model in (KNeighborsClassifier(1), SVC(C=10)):
        for m in (50, 100, 200):
            scores = []
            for seed in range(5):
                train, test, labels, truth = train_test_split(
                    X, y, test_size=0.3, stratify=y, random_state=seed
                )
                thinned = ThinnedEstimator(model, KernelThinning(m, random_state=seed))
                rows, _, few, _ = train_test_split(
                    train, labels, train_size=m, stratify=labels, random_state=seed
                )
                scores.append([
                    thinned.fit(train, labels).score(test, truth),
                    model.fit(rows, few).score(test, truth),
                ])  # fmt: skip
            print(f"  {model!s:36} {m:4}", *(f"{value:.3f}" for value in np.mean(scores, axis=0)))

    traces = []
    for seed in range(5):
        fit = KernelThinning(128, random_state=seed).fit(X)
        random = Nystroem(gamma=1 / (2 * fit.bandwidth_**2), n_components=128, random_state=seed)
        features = fit.transform(X), random.fit_transform(X)
        traces.append([1 - (F**2).sum() / len(X) for F in features])
    print("trace error of 128 landmarks of the digits: thinned, random", np.mean(traces, axis=0))

    print("breast cancer, standardised: MMD of thinned and of random rows")
    X = StandardScaler().fit_transform(load_breast_cancer().data)
    for m in (8, 16, 32, 64, 128):
        fit = KernelThinning(m, random_state=0).fit(X)
        rng = np.random.RandomState(0)
        random = [mmd(X, rng.permutation(len(X))[:m], fit.bandwidth_) for _ in range(10)]
        print(f"  {m:4} {fit.mmd_:.4f} {np.mean(random):.4f}")

    print("time in s, peak MB beyond the rows, MMD to 40,000 rows")
    for n_samples, m, method, g in [
        (40_000, 200, "kt", 4),
        (40_000, 200, "compress++", 4),
        (100_000, 316, "compress++", 2),
        (1_000_000, 1000, "compress++", 2),
        (1_000_000, 100, "compress++", 4),
    ]:
        X = normal(n_samples, 10)
        tracemalloc.start()
        start = time.process_time()
        fit = thinning(10, method, g, n_coreset=m).fit(X)
        seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found = f"{seconds:7.2f} {peak / 1e6:7.1f} {-fit.score(X[:40_000]):.4f}"
        print(f"  {n_samples:8} {m:5} {method:10} {g} {found}")


if __name__ == "__main__":
    figures()
