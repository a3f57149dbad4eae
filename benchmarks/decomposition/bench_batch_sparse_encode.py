"""batch_sparse_encode beside sparse_encode of scikit-learn and SPAMS, on the same work.

    pytest benchmarks/decomposition/bench_batch_sparse_encode.py
    python benchmarks/decomposition/bench_batch_sparse_encode.py     # the whole table

Run it with OMP_NUM_THREADS=1. The samples are 4000 8 x 8 patches of a photograph without their
means, the atoms as many more as are wanted, with norm 1. Times are the least of several, in
milliseconds of CPU; ratios are those of a peer's time to ours. Equal quality is to be seen beside
them: ``left`` is the energy of the residuals over that of the samples; ``above`` is by how much,
at most, our objective of a sample is above that of the peer.
"""

import time
import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_sample_image
from sklearn.decomposition import SparseCoder, sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d

from skstruct.decomposition import BatchSparseCoder, batch_sparse_encode

try:
    import spams
except ImportError:
    spams = None

TASKS = [
    {"algorithm": "omp", "n_nonzero_coefs": 5},
    {"algorithm": "omp", "n_nonzero_coefs": 10},
    {"algorithm": "ols", "n_nonzero_coefs": 5},
    {"algorithm": "ols", "n_nonzero_coefs": 10},
    {"algorithm": "lasso_cd", "alpha": 0.1},
    {"algorithm": "lasso_cd", "alpha": 0.03},
]


def patches(n_atoms, n_samples=4000):
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


def by_scikit_learn(X, D, task):
    """The peer of "ols" is "omp"."""
    task = task | {"algorithm": task["algorithm"].replace("ols", "omp")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dependent atoms, and of descents that do not converge
        return best(partial(sparse_encode, X, D, **task), 2)


def by_spams(X, D, task):
    """What SPAMS calls omp chooses atoms as "ols" does."""
    columns, atoms = np.asfortranarray(X.T), np.asfortranarray(D.T)
    if task["algorithm"] == "lasso_cd":
        ms, code = best(
            partial(spams.lasso, columns, atoms, lambda1=task["alpha"], mode=2, numThreads=1)
        )
    else:
        ms, code = best(
            partial(spams.omp, columns, atoms, L=task["n_nonzero_coefs"], eps=0.0, numThreads=1)
        )
    return ms, code.toarray().T


def beside_peers(X, D, task, ours, code):
    """Return ratios of times, and quality."""
    peers = {"scikit-learn": by_scikit_learn(X, D, task)}
    if spams:
        peers["SPAMS"] = by_spams(X, D, task)
    figures = {name: f"{ms:.1f} ms, {ms / ours:.2f} x" for name, (ms, _) in peers.items()}

    def left(code):
        return round(float(np.sum((X - code @ D) ** 2) / np.sum(X**2)), 5)

    def objective(code):
        loss = np.sum((X - code @ D) ** 2, axis=1) / 2
        return loss + task["alpha"] * np.abs(code).sum(axis=1)

    if task["algorithm"] == "lasso_cd":
        figures["above"] = [
            f"{(objective(code) - objective(theirs)).max():.0e}" for _, theirs in peers.values()
        ]
    else:
        figures["left"] = [left(code)] + [left(theirs) for _, theirs in peers.values()]
    return figures


@pytest.mark.parametrize("n_atoms", [64, 128, 256])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: "-".join(map(str, task.values())))
def test_beside_peers(benchmark, n_atoms, task):
    X, D = patches(n_atoms)
    code = benchmark.pedantic(batch_sparse_encode, (X, D), task, rounds=15, warmup_rounds=1)
    benchmark.extra_info |= beside_peers(X, D, task, 1e3 * benchmark.stats["min"], code)
    print(f"\n{n_atoms} atoms, {task}: {benchmark.extra_info}")


@pytest.mark.parametrize("algorithm", ["soft", "hard", "topk"])
def test_threshold(benchmark, algorithm):
    """sparse_encode has soft thresholds only; the others stand beside those."""
    X, D = patches(256)
    kwargs = {"algorithm": algorithm, "alpha": 0.1, "n_nonzero_coefs": 10}
    benchmark.pedantic(batch_sparse_encode, (X, D), kwargs, rounds=15, warmup_rounds=1)
    theirs, _ = by_scikit_learn(X, D, {"algorithm": "threshold", "alpha": 0.1})
    benchmark.extra_info["ratio"] = round(theirs / (1e3 * benchmark.stats["min"]), 1)
    print(f"\n{algorithm}: {benchmark.extra_info}")


@pytest.mark.parametrize("sparse_output", [False, True])
def test_coder(benchmark, sparse_output):
    """The transformer beside that of scikit-learn, whose codes are dense."""
    X, D = patches(256)
    coder = BatchSparseCoder(D, n_nonzero_coefs=10, sparse_output=sparse_output).fit(X)
    benchmark.pedantic(coder.transform, (X,), rounds=15, warmup_rounds=1)
    peer = SparseCoder(D, transform_algorithm="omp", transform_n_nonzero_coefs=10).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dependent atoms
        theirs, _ = best(partial(peer.transform, X), 2)
    benchmark.extra_info["ratio"] = round(theirs / (1e3 * benchmark.stats["min"]), 1)
    print(f"\nsparse_output={sparse_output}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_samples", [250, 4000, 40_000])
def test_two_threads(benchmark, n_samples):
    """Wall-clock: the ratio of one thread to two, which is 1 where there is little to do."""
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
    """Print times and quality of all three, for each number of atoms and each task."""
    for n_atoms in (64, 128, 256):
        X, D = patches(n_atoms)
        single = X.astype(np.float32), D.astype(np.float32)
        for task in TASKS:
            ours, code = best(partial(batch_sparse_encode, X, D, **task), 15)
            half, _ = best(partial(batch_sparse_encode, *single, **task), 15)
            figures = beside_peers(X, D, task, ours, code)
            print(f"{n_atoms:4} {task}: {ours:.1f} ms, float32 {half:.1f} ms; {figures}")


if __name__ == "__main__":
    table()
