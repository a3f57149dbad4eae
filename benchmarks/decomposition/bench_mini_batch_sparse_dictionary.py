"""MiniBatchSparseDictionary beside MiniBatchDictionaryLearning and trainDL of SPAMS.

    pytest benchmarks/decomposition/bench_mini_batch_sparse_dictionary.py
    python benchmarks/decomposition/bench_mini_batch_sparse_dictionary.py     # the denoising table

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best time over ours for the same number of
batches of the same size; ``objective`` the mean of 1/2 ||x - D' a||^2 + alpha ||a||_1 over
held-out samples, with the codes that minimise it.
"""

import time
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d, reconstruct_from_patches_2d

from skstruct.decomposition import MiniBatchSparseDictionary, batch_sparse_encode

try:
    import spams
except ImportError:
    spams = None

SIGMA = 0.1


def best(function, repeats=5):
    """Return the least time, in seconds, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return min(times), result


def photograph(name):
    """A photograph in grey, 213 x 320, and the same with noise."""
    image = load_sample_image(name)[:426].mean(axis=2) / 255.0
    image = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4.0
    return image, image + SIGMA * np.random.RandomState(0).standard_normal(image.shape)


def patches(image):
    """Its 8 x 8 patches without their means, and the means."""
    X = extract_patches_2d(image, (8, 8)).reshape(-1, 64)
    mean = X.mean(axis=1, keepdims=True)
    return X - mean, mean


def data(name):
    if name == "digits":
        X = load_digits().data / 16.0
        X -= X.mean(axis=0)
    else:
        X = patches(photograph("china.jpg")[1])[0]
    return X[np.random.default_rng(0).permutation(len(X))[:20_000]]


def objective(X, atoms, alpha):
    atoms = atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
    code = batch_sparse_encode(X, atoms, algorithm="lasso_cd", alpha=alpha)
    rest = X - code @ atoms
    return float((rest**2).sum() / 2 + alpha * np.abs(code).sum()) / len(X)


def train_dl(X, n_components, alpha, batch_size, n_steps):
    X = np.asfortranarray(X.T)
    atoms = spams.trainDL(
        X, K=n_components, lambda1=alpha, batchsize=batch_size, iter=n_steps, mode=2, numThreads=1,
        verbose=False,
    )  # fmt: skip
    return np.ascontiguousarray(atoms.T)


@pytest.mark.parametrize(
    ("name", "n_components", "alpha"),
    [("patches", 64, 0.3), ("patches", 100, 0.3), ("patches", 256, 0.3), ("digits", 100, 0.2)],
)
def test_fit(benchmark, name, n_components, alpha):
    """Two passes over the data in batches of 256."""
    X = data(name)
    train, test = X[: -len(X) // 4], X[-len(X) // 4 :]
    params = {"alpha": alpha, "max_iter": 2, "tol": 0, "batch_size": 256, "random_state": 0}
    ours = MiniBatchSparseDictionary(n_components, **params)
    benchmark.pedantic(ours.fit, (train,), rounds=5, warmup_rounds=1)
    single = clone(ours)
    float32, _ = best(lambda: single.fit(train.astype(np.float32)))
    theirs = MiniBatchDictionaryLearning(
        n_components, fit_algorithm="cd", max_no_improvement=None, **params
    )
    peers = {"sklearn": best(lambda: theirs.fit(train).components_, 1)}
    if spams is not None:
        peers["spams"] = best(lambda: train_dl(train, n_components, alpha, 256, ours.n_steps_), 3)
    time_of_ours = benchmark.stats["min"]
    atoms = {"skstruct": ours.components_} | {name: found for name, (_, found) in peers.items()}
    benchmark.extra_info["ratio"] = {
        peer: round(seconds / time_of_ours, 2) for peer, (seconds, _) in peers.items()
    } | {"skstruct float64 / float32": round(time_of_ours / float32, 2)}
    benchmark.extra_info["objective"] = {
        peer: round(objective(test, found, alpha), 5) for peer, found in atoms.items()
    }
    print(f"\n{name}, {n_components} atoms: {time_of_ours:.3f} s, {benchmark.extra_info}")


def denoised(image, mean, code, atoms):
    """The signal-to-noise ratio of a coded image, in dB."""
    rebuilt = reconstruct_from_patches_2d((code @ atoms + mean).reshape(-1, 8, 8), image.shape)
    return -10.0 * np.log10(((rebuilt - image) ** 2).mean())


def until(factor):
    """Codes that stop at an error of `factor` times the noise."""
    tol = 64 * (factor * SIGMA) ** 2
    return lambda X, atoms: batch_sparse_encode(X, atoms, algorithm="omp", tol=tol)


def two(encode):
    """Codes of two atoms."""
    return lambda X, atoms: encode(X, atoms, algorithm="omp", n_nonzero_coefs=2)


def figures(name):
    """Print the denoising table of a photograph: seconds of learning and coding, and dB."""
    image, noisy = photograph(name)
    X, mean = patches(noisy)
    print(f"{name}: {len(X)} patches of 64, noise {SIGMA}")

    def row(what, X, fit, code, repeats=3):
        seconds, atoms = best(fit, repeats)
        coding, found = best(lambda: code(X, atoms), repeats)
        dB = denoised(image, mean, found, atoms)
        print(f"  {what:66} {seconds:6.2f} s + {coding:5.2f} s  {dB:.2f} dB", flush=True)
        return atoms

    recipe = MiniBatchDictionaryLearning(
        100, alpha=1.0, batch_size=200, max_iter=10, random_state=0
    )
    subset = X[np.random.RandomState(0).permutation(len(X))[:20_000]]
    what = "scikit-learn, alpha 1, 20,000 patches; omp 2"
    atoms = row(what, X, lambda: recipe.fit(subset).components_, two(sparse_encode), repeats=1)
    atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True).clip(1e-12)
    row("the same atoms; our omp 2", X, lambda: atoms, two(batch_sparse_encode))
    for factor in (1.05, 1.15):
        row(f"the same atoms; our omp, {factor} sigma", X, lambda: atoms, until(factor))
    if spams is not None:
        what = "SPAMS, alpha 0.3, 200 batches of 200; our omp, 1.15 sigma"
        row(what, X, lambda: train_dl(X, 100, 0.3, 200, 200), until(1.15))
    for dtype in (np.float64, np.float32):
        samples = X.astype(dtype)
        for n_components, options in (
            (100, {"alpha": 0.3}),
            (256, {"alpha": 0.3}),
            (100, {"alpha": 1.0}),
            (100, {"fit_algorithm": "omp", "transform_n_nonzero_coefs": 2}),
        ):
            learner = MiniBatchSparseDictionary(n_components, random_state=0, **options)
            said = ", ".join(str(value) for value in options.values())
            for factor in (1.05, 1.15):
                what = f"ours, {n_components} atoms, {said}; {factor} sigma, {dtype.__name__}"
                row(what, samples, partial(fitted_atoms, learner, samples), until(factor))


def fitted_atoms(learner, X):
    return learner.fit(X).components_


if __name__ == "__main__":
    figures("china.jpg")
    figures("flower.jpg")
