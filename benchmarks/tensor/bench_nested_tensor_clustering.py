"""NestedTensorClustering beside SVDs of the unfoldings, tensorly's parafac and k-means.

    pytest benchmarks/tensor/bench_nested_tensor_clustering.py
    python benchmarks/tensor/bench_nested_tensor_clustering.py     # the figures of quality

Run it with OMP_NUM_THREADS=1; times are of the CPU. The tensor has 200 features, 400 samples and
60 views, 38 MB, with a signal of the views between the two thresholds or above both. ``ratio`` is
the peer's best time over ours; ``accuracy`` has ours and the peer's.
"""

import time
import warnings

import numpy as np
import pytest
import tensorly
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from tensorly.decomposition import parafac

from skstruct.tensor import (
    NestedTensorClustering,
    alignment_tensor,
    alignment_unfolding,
    expected_accuracy,
    threshold_tensor,
    threshold_unfolding,
)
from skstruct.tensor._nested_tensor_fit import SamplePasses

pytestmark = pytest.mark.benchmark(timer=time.process_time)

SIZES = 200, 400, 60


def planted(sizes, beta_m, beta_t, seed=0):
    """Draw (samples x features x views, labels, unit vectors of samples and of views)."""
    n_features, n_samples, n_views = sizes
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal(n_features), rng.standard_normal(n_views)
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    labels = rng.integers(0, 2, n_samples)
    y = (2 * labels - 1) / np.sqrt(n_samples)
    seen = beta_m * np.outer(y, x)
    seen += rng.standard_normal(seen.shape) / np.sqrt(n_features + n_samples)
    T = rng.standard_normal((n_samples, n_features, n_views)) / np.sqrt(sum(sizes))
    T += beta_t * seen[:, :, np.newaxis] * z
    return T, labels, y, z


def accuracy(labels, found):
    same = (labels == found).mean()
    return round(float(max(same, 1 - same)), 3)


def best_time(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def unfolding_svds(T):
    """Start from the singular vectors of the three unfoldings, then ten sweeps of einsum."""
    y, x, z = (
        np.linalg.svd(np.moveaxis(T, n, 0).reshape(T.shape[n], -1), full_matrices=False)[0][:, 0]
        for n in range(3)
    )
    for _ in range(10):
        y = np.einsum("jik,i,k->j", T, x, z, optimize=True)
        y /= np.linalg.norm(y)
        x = np.einsum("jik,j,k->i", T, y, z, optimize=True)
        x /= np.linalg.norm(x)
        z = np.einsum("jik,j,i->k", T, y, x, optimize=True)
        z /= np.linalg.norm(z)
    return y > 0


def tensorly_parafac(T):
    factors = parafac(tensorly.tensor(T), rank=1, init="svd", normalize_factors=True)[1]
    return factors[0][:, 0] > 0


def k_means(T):
    return KMeans(2, n_init=10, random_state=0).fit_predict(T.reshape(len(T), -1))


PEERS = {"unfolding_svds": unfolding_svds, "tensorly": tensorly_parafac, "k_means": k_means}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("beta_t", [0.6, 1.0])
def test_clustering(benchmark, beta_t, peer):
    T, labels, *_ = planted(SIZES, 2.0, beta_t)
    clustering = NestedTensorClustering()
    found = benchmark.pedantic(clustering.fit_predict, (T,), rounds=7, warmup_rounds=1)
    seconds, theirs = best_time(lambda: PEERS[peer](T), 2)
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    benchmark.extra_info["accuracy"] = [accuracy(labels, found), accuracy(labels, theirs)]
    benchmark.extra_info["n_iter"] = clustering.n_iter_
    ours = f"{benchmark.stats['min'] * 1e3:.1f} ms"
    print(f"\n{peer}, beta_t {beta_t}: {ours}, peer {seconds:.2f} s, {benchmark.extra_info}")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_iteration(benchmark, dtype):
    """The pass over the tensor that an iteration waits for, beside a sum of the same numbers."""
    X = planted(SIZES, 2.0, 1.0)[0].reshape(SIZES[1], -1).astype(dtype)
    direction = np.ones((X.shape[1], 1))
    benchmark.pedantic(SamplePasses(X).power, (direction,), rounds=15, warmup_rounds=2)
    copy = best_time(X.copy, 15)[0]
    benchmark.extra_info["gigabytes_per_second"] = round(X.nbytes / benchmark.stats["min"] / 1e9)
    benchmark.extra_info["over_copy"] = round(benchmark.stats["min"] / copy, 2)
    print(f"\n{dtype.__name__}: {benchmark.stats['min'] * 1e3:.2f} ms, {benchmark.extra_info}")


def figures():
    """Print alignments and accuracies beside those of the theory, means of 6 draws."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    methods = ("unfolding", "tensor", "nested")
    for sizes, beta_m, signals in [
        ((150, 300, 60), 2.0, (0.506, 1.011, 2.106)),
        ((150, 300, 60), 1.2, (1.584,)),
        ((100, 200, 100), 3.0, (0.971,)),
        ((150, 300, 60), 6.0, (0.2,)),
        ((150, 300, 60), 20.0, (0.08,)),
    ]:
        thresholds = threshold_tensor(beta_m, *sizes), threshold_unfolding(beta_m, *sizes)
        print(sizes, f"beta_m {beta_m:g}, thresholds {thresholds[0]:.3f} {thresholds[1]:.3f}")
        for beta_t in signals:
            rows = []
            for seed in range(6):
                T, labels, y, z = planted(sizes, beta_m, beta_t, seed)
                for method in methods:
                    fit = NestedTensorClustering(method=method).fit(T)
                    aligned = (fit.sample_vector_ @ y) ** 2, (fit.view_weights_ @ z) ** 2
                    rows.append([*aligned, accuracy(labels, fit.labels_)])
            means = np.mean(np.reshape(rows, (6, 3, 3)), axis=0)
            naive = alignment_unfolding(beta_m, beta_t, *sizes)
            best = alignment_tensor(beta_m, beta_t, *sizes)
            print(f"  beta_t {beta_t}: alignment, that of the views, accuracy")
            for method, row, theory in zip(methods, means, (naive, best, best), strict=True):
                expected = f"theory {theory:.3f} {expected_accuracy(theory):.3f}"
                print(f"    {method:9}", *(f"{value:.3f}" for value in row), expected)


if __name__ == "__main__":
    figures()
