"""batch_sparse_encode beside sparse_encode of scikit-learn and SPAMS, on the same work.

    pytest benchmarks/decomposition/bench_batch_sparse_encode.py
    python benchmarks/decomposition/bench_batch_sparse_encode.py     # the whole table

Run it with OMP_NUM_THREADS=1. The samples are 4000 8 x 8 patches of a photograph without their
means, the atoms as many more as are wanted, with norm 1. Times are the least of several, in
milliseconds of CPU. ``left`` is the energy of the residuals over that of the samples, ``gap`` the
largest difference of the objectives of a sample: equal quality has to be seen beside the times.
"""

import time
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_sample_image
from sklearn.decomposition import sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d

from skstruct.decomposition import batch_sparse_encode

try:
    import spams
except ImportError:
    spams = None

N_SAMPLES = 4000


def patches(n_atoms, n_samples=N_SAMPLES):
    image = load_sample_image("china.jpg").mean(axis=2) / 255.0
    X = extract_patches_2d(image, (8, 8), max_patches=n_samples + n_atoms, random_state=0)
    X = X.reshape(len(X), -1)
    X -= X.mean(axis=1, keepdims=True)
    D = X[n_samples:]
    return X[:n_samples], D / np.linalg.norm(D, axis=1, keepdims=True)


def best(function, repeats=7):
    """Return the least CPU time, in milliseconds, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return 1e3 * min(times), result


def left(X, D, code):
    return np.sum((X - code @ D) ** 2) / np.sum(X**2)


def objective(X, D, code, alpha):
    return np.sum((X - code @ D) ** 2, axis=1) / 2 + alpha * np.abs(code).sum(axis=1)


def by_scikit_learn(X, D, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of its dependent atoms
        return best(lambda: sparse_encode(X, D, **kwargs), 2)


def by_spams(X, D, k=None, alpha=None):
    """What SPAMS calls omp chooses atoms as "ols" does."""
    columns, atoms = np.asfortranarray(X.T), np.asfortranarray(D.T)
    if k is not None:
        ms, code = best(lambda: spams.omp(columns, atoms, L=k, eps=0.0, numThreads=1))
    else:
        ms, code = best(lambda: spams.lasso(columns, atoms, lambda1=alpha, mode=2, numThreads=1))
    return ms, code.toarray().T


@pytest.mark.parametrize("n_atoms", [64, 128, 256])
@pytest.mark.parametrize("k", [5, 10])
@pytest.mark.parametrize("algorithm", ["omp", "ols"])
def test_pursuit(benchmark, n_atoms, k, algorithm):
    X, D = patches(n_atoms)
    kwargs = {"algorithm": algorithm, "n_nonzero_coefs": k}
    code = benchmark.pedantic(batch_sparse_encode, (X, D), kwargs, rounds=15, warmup_rounds=1)
    ours = 1e3 * benchmark.stats["min"]
    benchmark.extra_info["left"] = [round(left(X, D, code), 5)]
    if algorithm == "omp":
        theirs, code = by_scikit_learn(X, D, algorithm="omp", n_nonzero_coefs=k)
        benchmark.extra_info["ratio to scikit-learn"] = round(theirs / ours, 1)
        benchmark.extra_info["left"].append(round(left(X, D, code), 5))
    if spams:
        theirs, code = by_spams(X, D, k)
        benchmark.extra_info["ratio to SPAMS"] = round(theirs / ours, 2)
        benchmark.extra_info["left"].append(round(left(X, D, code), 5))
    print(f"\n{algorithm}, {n_atoms} atoms, k={k}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_atoms", [64, 128, 256])
@pytest.mark.parametrize("alpha", [0.1, 0.03])
def test_lasso(benchmark, n_atoms, alpha):
    X, D = patches(n_atoms)
    kwargs = {"algorithm": "lasso_cd", "alpha": alpha}
    code = benchmark.pedantic(batch_sparse_encode, (X, D), kwargs, rounds=9, warmup_rounds=1)
    ours, value = 1e3 * benchmark.stats["min"], objective(X, D, code, alpha)
    theirs, code = by_scikit_learn(X, D, algorithm="lasso_cd", alpha=alpha)
    benchmark.extra_info["ratio to scikit-learn"] = round(theirs / ours, 1)
    benchmark.extra_info["gap"] = [np.abs(objective(X, D, code, alpha) - value).max()]
    if spams:
        theirs, code = by_spams(X, D, alpha=alpha)
        benchmark.extra_info["ratio to SPAMS"] = round(theirs / ours, 2)
        benchmark.extra_info["gap"].append(np.abs(objective(X, D, code, alpha) - value).max())
    print(f"\nlasso, {n_atoms} atoms, alpha={alpha}: {benchmark.extra_info}")


@pytest.mark.parametrize("algorithm", ["soft", "hard", "topk"])
def test_threshold(benchmark, algorithm):
    """sparse_encode has soft thresholds only; the others stand beside those."""
    X, D = patches(256)
    kwargs = {"algorithm": algorithm, "alpha": 0.1, "n_nonzero_coefs": 10}
    benchmark.pedantic(batch_sparse_encode, (X, D), kwargs, rounds=15, warmup_rounds=1)
    theirs, _ = by_scikit_learn(X, D, algorithm="threshold", alpha=0.1)
    benchmark.extra_info["ratio"] = round(theirs / (1e3 * benchmark.stats["min"]), 1)
    print(f"\n{algorithm}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_samples", [250, 4000, 40_000])
def test_two_threads(benchmark, n_samples):
    """Wall-clock; the ratio of one thread to two is to be 1 where there is little to do."""
    X, D = patches(128, n_samples)
    benchmark.pedantic(batch_sparse_encode, (X, D), {"n_jobs": 2}, rounds=9, warmup_rounds=1)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        batch_sparse_encode(X, D, n_jobs=1)
        times.append(time.perf_counter() - start)
    benchmark.extra_info["ratio"] = round(min(times) / benchmark.stats["min"], 2)
    print(f"\n{n_samples} samples: {benchmark.extra_info}")


def table():
    """Print times and quality of all three for each number of atoms and each task."""
    nothing = float("nan"), None
    for n_atoms in (64, 128, 256):
        X, D = patches(n_atoms)
        single = X.astype(np.float32), D.astype(np.float32)
        for k in (5, 10):
            theirs, their_code = by_scikit_learn(X, D, algorithm="omp", n_nonzero_coefs=k)
            third, third_code = by_spams(X, D, k) if spams else nothing
            for algorithm in ("omp", "ols"):
                kwargs = {"algorithm": algorithm, "n_nonzero_coefs": k}
                ours, code = best(lambda kwargs=kwargs: batch_sparse_encode(X, D, **kwargs), 15)
                half, _ = best(lambda kwargs=kwargs: batch_sparse_encode(*single, **kwargs), 15)
                print(
                    f"{n_atoms:4} {algorithm} k={k:2}: ours {ours:.1f} (float32 {half:.1f}), "
                    f"scikit-learn {theirs:.0f} ({theirs / ours:.0f} x), SPAMS {third:.1f} "
                    f"({third / ours:.2f} x); left {left(X, D, code):.5f}, "
                    f"scikit-learn {left(X, D, their_code):.5f}"
                    + (f", SPAMS {left(X, D, third_code):.5f}" if spams else "")
                )
        for alpha in (0.1, 0.03):
            kwargs = {"algorithm": "lasso_cd", "alpha": alpha}
            ours, code = best(lambda kwargs=kwargs: batch_sparse_encode(X, D, **kwargs))
            half, _ = best(lambda kwargs=kwargs: batch_sparse_encode(*single, **kwargs))
            theirs, their_code = by_scikit_learn(X, D, **kwargs)
            third, third_code = by_spams(X, D, alpha=alpha) if spams else nothing
            value = objective(X, D, code, alpha)
            print(
                f"{n_atoms:4} lasso alpha={alpha}: ours {ours:.1f} (float32 {half:.1f}), "
                f"scikit-learn {theirs:.0f} ({theirs / ours:.1f} x), SPAMS {third:.1f} "
                f"({third / ours:.2f} x); ours below scikit-learn by at most "
                f"{(objective(X, D, their_code, alpha) - value).max():.0e}, above by "
                f"{(value - objective(X, D, their_code, alpha)).max():.0e}"
                + (
                    f", gap to SPAMS {np.abs(objective(X, D, third_code, alpha) - value).max():.0e}"
                    if spams
                    else ""
                )
            )


if __name__ == "__main__":
    table()
