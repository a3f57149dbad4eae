"""HighDimensionalKernelDensity beside scikit-learn's trees, scipy and KDEpy.

    pytest benchmarks/density/bench_high_dimensional_kernel_density.py
    python benchmarks/density/bench_high_dimensional_kernel_density.py     # the figures of quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best time over ours on the same rows. The
tree of KernelDensity is exact in high dimension only with one leaf: with its default leaf the
bounds of log-densities cancel, and ``error`` says by how many nats it is off.
"""

import time

import numpy as np
import pytest
from scipy.stats import gaussian_kde
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skstruct.density import HighDimensionalKernelDensity, gaussian_bandwidth_thresholds


def best_time(function, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def digits():
    """The 61 pixels that are not constant, standardised."""
    X = load_digits().data
    return StandardScaler().fit_transform(X[:, X.std(axis=0) > 0])


DATA = {
    "digits, 61 pixels": digits,
    "digits, 16 components": lambda: PCA(16, random_state=0).fit_transform(load_digits().data),
    "breast cancer": lambda: load_breast_cancer().data,
    "wine": lambda: load_wine().data,
    "iris": lambda: load_iris().data,
    "diabetes": lambda: load_diabetes().data,
}


def split(name):
    """Standardised train and test rows."""
    train, test = train_test_split(DATA[name](), test_size=0.3, random_state=0)
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def grid_search(X):
    grid = {"bandwidth": np.geomspace(0.1, 3.0, 20)}
    return GridSearchCV(KernelDensity(), grid, cv=5).fit(X)


@pytest.mark.parametrize("n_features", [10, 20, 50, 100])
def test_score(benchmark, n_features):
    """1000 rows scored on 4000: time per pair, and the peers' times over ours."""
    rng = np.random.default_rng(0)
    X, Q = rng.standard_normal((4000, n_features)), rng.standard_normal((1000, n_features))
    ours = HighDimensionalKernelDensity(1.0).fit(X)
    benchmark.pedantic(ours.score_samples, (Q,), rounds=9, warmup_rounds=1)
    default = KernelDensity(bandwidth=1.0).fit(X)
    exact = KernelDensity(bandwidth=1.0, leaf_size=4000).fit(X)
    scipy = gaussian_kde(X.T, bw_method=1.0)
    seconds = benchmark.stats["min"]
    info = benchmark.extra_info
    info["ns_per_pair"] = round(seconds * 1e9 / 4e6, 2)
    info["ratio_exact_leaf"] = round(best_time(lambda: exact.score_samples(Q)) / seconds, 1)
    info["ratio_default"] = round(best_time(lambda: default.score_samples(Q), 2) / seconds, 1)
    info["ratio_scipy"] = round(best_time(lambda: scipy.logpdf(Q.T), 2) / seconds, 1)
    info["ms"] = round(seconds * 1e3, 1)
    float32 = Q.astype(np.float32)
    info["ms_float32"] = round(best_time(lambda: ours.score_samples(float32), 5) * 1e3, 1)
    log_p = exact.score_samples(Q)
    info["error_default"] = round(float(np.abs(default.score_samples(Q) - log_p).max()), 2)
    info["error"] = float(np.abs(ours.score_samples(Q) - log_p).max())
    print(f"\n{n_features} features: {info}")


@pytest.mark.parametrize("name", DATA)
def test_fit_beside_grid_search(benchmark, name):
    """The leave-one-out bandwidth, and a grid of 20 bandwidths in 5 folds by default trees."""
    train, test = split(name)
    ours = HighDimensionalKernelDensity(random_state=0)
    benchmark.pedantic(ours.fit, (train,), rounds=5, warmup_rounds=1)
    search = grid_search(train)
    theirs = best_time(lambda: grid_search(train), 1)
    h = search.best_params_["bandwidth"]
    exact = KernelDensity(bandwidth=h, leaf_size=len(train)).fit(train)
    info = benchmark.extra_info
    info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    info["ms"] = round(benchmark.stats["min"] * 1e3, 1)
    info["bandwidths"] = [round(ours.bandwidth_, 3), round(float(h), 3)]
    info["held_out"] = [round(float(m.score(test)) / len(test), 2) for m in (ours, exact)]
    print(f"\n{name}: {info}")


@pytest.mark.parametrize("n_features", [10, 20, 50, 100])
def test_fit_time_per_pair(benchmark, n_features):
    X = np.random.default_rng(0).standard_normal((4000, n_features))
    density = HighDimensionalKernelDensity(random_state=0)
    benchmark.pedantic(density.fit, (X,), rounds=3, warmup_rounds=1)
    per_pair = benchmark.stats["min"] * 1e9 / (16e6 * density.n_iter_)
    benchmark.extra_info["ns_per_pair_and_pass"] = round(per_pair, 2)
    benchmark.extra_info["passes"] = density.n_iter_
    print(f"\n{n_features} features: {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_few_features(benchmark, n_features):
    """2000 of 20,000 rows scored by cells, by all pairs and by a tree of the same tolerance."""
    X = np.random.default_rng(0).standard_normal((20_000, n_features))
    h, Q = len(X) ** (-1 / (n_features + 4)), X[:2000]
    cells = HighDimensionalKernelDensity(h, algorithm="cells").fit(X)
    brute = HighDimensionalKernelDensity(h, algorithm="brute").fit(X)
    tree = KernelDensity(bandwidth=h, rtol=1e-8).fit(X)
    benchmark.pedantic(cells.score_samples, (Q,), rounds=5, warmup_rounds=1)
    seconds = benchmark.stats["min"]
    info = benchmark.extra_info
    info["ratio_brute"] = round(best_time(lambda: brute.score_samples(Q)) / seconds, 1)
    info["ratio_tree"] = round(best_time(lambda: tree.score_samples(Q), 1) / seconds, 1)
    info["error"] = float(np.abs(cells.score_samples(Q) - brute.score_samples(Q)).max())
    print(f"\n{n_features} features: {info}")


def test_plane_beside_fft(benchmark):
    """2000 rows on a grid of 256 x 256: the field of KDEpy's FFT, for which this is no match."""
    kdepy = pytest.importorskip("KDEpy")
    X = np.random.default_rng(0).standard_normal((2000, 2))
    axis = np.linspace(-5, 5, 256)
    Q = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    ours = HighDimensionalKernelDensity(0.3).fit(X)
    benchmark.pedantic(ours.score_samples, (Q,), rounds=3, warmup_rounds=1)
    fft = kdepy.FFTKDE(bw=0.3).fit(X)
    theirs = best_time(lambda: fft.evaluate(256))
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 3)
    print(f"\n{benchmark.extra_info}")


def figures():
    """Print the figures of quality: thresholds of normal data, held-out log-density."""
    print("standard normal rows: bandwidth; h_KL in the limit, corrected; h_G in theory, by Hill;")
    print("mean of sum P^2; 1 - tail index")
    for n, d in ((2000, 8), (2000, 16), (2000, 32), (2000, 64), (2000, 128), (8000, 64)):
        X = np.random.RandomState(0).standard_normal((n, d))
        ours = HighDimensionalKernelDensity(random_state=0).fit(X)
        limit = gaussian_bandwidth_thresholds(n, np.ones(d), finite_size=False)
        theory = gaussian_bandwidth_thresholds(n, np.ones(d))
        print(
            f"  n={n} d={d:3}  {ours.bandwidth_:.3f}  {limit['h_kl']:.3f} {theory['h_kl']:.3f}  "
            f"{theory['h_g']:.3f} {ours.h_g_:.3f}  {ours.participation_ratio_:.3f}  "
            f"{1 - ours.tail_index_:.3f}  {ours.regime_}"
        )
    s = np.geomspace(1, 0.01, 64)
    X = np.random.RandomState(0).standard_normal((3000, 64)) * np.sqrt(s)
    theory = gaussian_bandwidth_thresholds(3000, s)["h_kl"]
    found = HighDimensionalKernelDensity().fit(X).bandwidth_
    print(f"  eigenvalues geomspace(1, .01, 64), n=3000: {found:.4f}, closed form {theory:.4f}")
    print("held-out mean log-density, standardised, 70/30 split")
    for name in DATA:
        train, test = split(name)
        h = grid_search(train).best_params_["bandwidth"]
        exact = KernelDensity(bandwidth=h, leaf_size=len(train)).fit(train)
        line = [f"grid {exact.score(test) / len(test):.2f}"]
        for covariance in ("spherical", "diag", "full", "learned"):
            density = HighDimensionalKernelDensity(covariance=covariance).fit(train)
            line.append(f"{covariance} {density.score(test) / len(test):.2f}")
        try:
            line.append(f"scipy {gaussian_kde(train.T).logpdf(test.T).mean():.2f}")
        except np.linalg.LinAlgError:
            line.append("scipy: singular covariance")
        print(f"  {name:22}", ", ".join(line))


if __name__ == "__main__":
    figures()
