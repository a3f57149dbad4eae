"""OnlineOrthogonalDictionaryLearning beside MiniBatchDictionaryLearning, SPAMS and FastICA.

    pytest benchmarks/decomposition/bench_online_orthogonal_dictionary_learning.py
    python benchmarks/decomposition/bench_online_orthogonal_dictionary_learning.py   # quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best CPU time over ours on the same rows;
``recovery`` is the mean over atoms of the largest |cosine| with a true atom, and the share of
atoms where it exceeds 0.99, for us and for the peer.
"""

import time
from functools import partial

import numpy as np
import pytest
from scipy.fft import dct
from scipy.linalg import expm
from scipy.sparse import random_array
from scipy.stats import ortho_group
from sklearn.datasets import load_sample_image
from sklearn.decomposition import FastICA, MiniBatchDictionaryLearning
from sklearn.feature_extraction.image import extract_patches_2d, reconstruct_from_patches_2d
from skstruct.decomposition._polar import polar_factor

from skstruct.decomposition import OnlineOrthogonalDictionaryLearning

try:
    import spams
except ImportError:
    spams = None

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def planted(n_samples=20000, n_features=64, theta=0.1, n_atoms=None, noise=0.0, seed=0):
    """Return rows of Bernoulli-Gaussian codes, and the dictionary."""
    rng = np.random.default_rng(seed)
    atoms = ortho_group.rvs(n_features, random_state=seed)[:n_atoms]
    codes = rng.standard_normal((n_samples, len(atoms)))
    codes *= rng.random(codes.shape) < theta
    return codes @ atoms + noise * rng.standard_normal((n_samples, n_features)), atoms


def recovery(found, atoms):
    cosines = np.abs(found @ atoms.T).max(axis=1) / np.linalg.norm(found, axis=1)
    return round(float(cosines.mean()), 4), round(float((cosines > 0.99).mean()), 2)


def best_time(function, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def ours(X, seed=0, **params):
    return OnlineOrthogonalDictionaryLearning(random_state=seed, **params).fit(X).components_


def one_pass(X, seed=0, **params):
    return ours(X, seed, max_iter=1, tol=0, **params)


def msp(X, seed=0, **params):
    return ours(X, seed, solver="msp", max_iter=50, **params)


def minibatch(X, seed=0, passes=1, alpha=0.3):
    return (
        MiniBatchDictionaryLearning(
            X.shape[1], alpha=alpha, fit_algorithm="cd", batch_size=128, max_iter=passes,
            tol=0, max_no_improvement=None, random_state=seed,
        )
        .fit(X)
        .components_
    )  # fmt: skip


def train_dl(X, seed=0, passes=1, batch_size=512):
    return spams.trainDL(
        np.asfortranarray(X.T), K=X.shape[1], lambda1=0.3, mode=2, batchsize=batch_size,
        iter=-(-passes * len(X) // batch_size), numThreads=1, verbose=False,
    ).T  # fmt: skip


def fast_ica(X, seed=0):
    return FastICA(whiten="unit-variance", random_state=seed).fit(X).components_


PEERS = {
    "MiniBatchDictionaryLearning, 1 pass": minibatch,
    "MiniBatchDictionaryLearning, 5 passes": partial(minibatch, passes=5),
    "FastICA": fast_ica,
}
if spams is not None:
    PEERS |= {
        "SPAMS, batches of 512, 1 pass": train_dl,
        "SPAMS, batches of 512, 5 passes": partial(train_dl, passes=5),
        "SPAMS, batches of 128, 1 pass": partial(train_dl, batch_size=128),
        "SPAMS, batches of 128, 2 passes": partial(train_dl, batch_size=128, passes=2),
    }


@pytest.mark.parametrize("name", PEERS)
def test_one_pass_beside_peers(benchmark, name):
    X, atoms = planted()
    benchmark.pedantic(one_pass, (X,), rounds=9, warmup_rounds=1)
    seconds, theirs = best_time(lambda: PEERS[name](X), 2)
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    benchmark.extra_info["recovery"] = recovery(one_pass(X), atoms), recovery(theirs, atoms)
    print(f"\n{name}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_time_of_a_step(benchmark, n_features, dtype):
    """Microseconds of a step on 128 rows, late in a stream."""
    X, _ = planted(12800, n_features)
    model = OnlineOrthogonalDictionaryLearning(random_state=0).fit(X := X.astype(dtype))
    benchmark.pedantic(model.partial_fit, (X,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["us"] = round(benchmark.stats["min"] * 1e4, 1)
    print(f"\n{n_features} features, {dtype.__name__}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [16, 64, 128, 256])
def test_polar_factor_beside_svd(benchmark, n_features):
    """The polar factor of a gradient late in a stream, beside that of LAPACK's gesdd."""
    X, _ = planted(12800, n_features)
    G = OnlineOrthogonalDictionaryLearning(random_state=0).fit(X)._gradient

    def svd():
        U, _, Vt = np.linalg.svd(G)
        return U @ Vt

    found = benchmark.pedantic(polar_factor, (G,), rounds=20, warmup_rounds=1)
    assert np.abs(found - svd()).max() < 1e-11
    seconds, _ = best_time(lambda: [svd() for _ in range(20)])
    benchmark.extra_info["ratio"] = round(seconds / 20 / benchmark.stats["min"], 1)
    print(f"\n{n_features} features: {benchmark.extra_info}")


def test_csr_beside_dense(benchmark):
    X = random_array((5000, 4000), density=0.005, format="csr", random_state=0)
    model = OnlineOrthogonalDictionaryLearning(16, random_state=0)
    benchmark.pedantic(model.partial_fit, (X,), rounds=3, warmup_rounds=1)
    seconds, _ = best_time(partial(model.partial_fit, X.toarray()))
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    print(f"\n{benchmark.extra_info}")


def photograph(name):
    """A photograph of scikit-learn in grey, 213 x 320, and the same with noise of 0.1."""
    grey = load_sample_image(name)[:426].mean(axis=2) / 255
    clean = grey.reshape(213, 2, 320, 2).mean(axis=(1, 3))
    return clean, clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)


def psnr(clean, image):
    return float(-10 * np.log10(np.mean((image - clean) ** 2)))


def centred_patches(image):
    patches = np.lib.stride_tricks.sliding_window_view(image, (8, 8)).reshape(-1, 64)
    mean = patches.mean(axis=1, keepdims=True)
    return patches - mean, mean


def average(patches, shape):
    """The image whose pixels are the means of what the patches say of them."""
    patches = patches.reshape(shape[0] - 7, shape[1] - 7, 8, 8)
    total, count = np.zeros(shape), np.zeros(shape)
    for i in range(8):
        for j in range(8):
            window = np.s_[i : i + patches.shape[0], j : j + patches.shape[1]]
            total[window] += patches[:, :, i, j]
            count[window] += 1
    return total / count


def denoise(noisy, **params):
    patches, mean = centred_patches(noisy)
    model = OnlineOrthogonalDictionaryLearning(
        p=4, transform_algorithm="hard", transform_alpha=0.27, random_state=0, **params
    ).partial_fit(patches)
    return average(model.inverse_transform(model.transform(patches)) + mean, noisy.shape)


def denoise_by_dct(noisy):
    patches, mean = centred_patches(noisy)
    basis = dct(np.eye(8), norm="ortho", axis=0)
    basis = np.kron(basis, basis)
    codes = patches @ basis.T
    codes[np.abs(codes) <= 0.27] = 0
    return average(codes @ basis + mean, noisy.shape)


def denoise_by_minibatch(noisy):
    """The recipe of scikit-learn's gallery: 100 atoms, two of them for each patch."""
    patches = extract_patches_2d(noisy, (8, 8)).reshape(-1, 64)
    mean = patches.mean(axis=1, keepdims=True)
    patches -= mean
    rows = np.random.default_rng(0).permutation(len(patches))[:20000]
    model = MiniBatchDictionaryLearning(
        100, alpha=1, batch_size=200, max_iter=10, transform_algorithm="omp",
        transform_n_nonzero_coefs=2, random_state=0,
    ).fit(patches[rows])  # fmt: skip
    denoised = model.transform(patches) @ model.components_ + mean
    return reconstruct_from_patches_2d(denoised.reshape(-1, 8, 8), noisy.shape)


@pytest.mark.filterwarnings("ignore:.*Orthogonal matching pursuit ended:RuntimeWarning")
@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_denoising(benchmark, name):
    """From the noisy image to the denoised one, patches and averages included."""
    clean, noisy = photograph(name)
    found = benchmark.pedantic(denoise, (noisy,), rounds=5, warmup_rounds=1)
    seconds, theirs = best_time(lambda: denoise_by_minibatch(noisy), 1)
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    images = {"noisy": noisy, "ours": found, "DCT": denoise_by_dct(noisy), "sklearn": theirs}
    benchmark.extra_info["dB"] = {key: round(psnr(clean, im), 2) for key, im in images.items()}
    print(f"\n{name}: {benchmark.extra_info}")


def figures():
    """Print recovery of planted dictionaries, drift, gap and memory of a long stream."""
    print("recovery from 20000 rows of 64 columns, three seeds; CPU seconds")
    methods = {
        "one pass": one_pass,
        "one pass, theory": partial(one_pass, schedule="theory"),
        "default fit": ours,
        "four passes": partial(ours, max_iter=4, tol=0),
        "ten passes, theory": partial(ours, max_iter=10, tol=0, schedule="theory"),
        "msp": msp,
        "msp, p=4": partial(msp, p=4),
        "one pass, no momentum": partial(one_pass, schedule="constant", momentum=1.0),
    }
    settings = {
        "theta=.1": {},
        "theta=.3": {"theta": 0.3},
        "theta=.2, noise": {"theta": 0.2, "noise": 0.3 * 0.2**0.5},
        "theta=.3, 5000 rows": {"theta": 0.3, "n_samples": 5000},
    }
    for setting, data in settings.items():
        both = methods | (PEERS if setting == "theta=.1" else {})
        for name, method in both.items():
            results = []
            for seed in range(3):
                X, atoms = planted(seed=seed, **data)
                seconds, found = best_time(lambda: method(X, seed=seed + 1), 1)  # noqa: B023
                results.append((*recovery(found, atoms), seconds))
            mean, share, seconds = np.mean(results, axis=0)
            print(f"  {setting:20} {name:40} {mean:.4f} {share:4.0%} {seconds:6.3f} s")
    few = {
        "16 of 64 atoms": {"n_samples": 40000},
        "16 atoms, noise": {"n_atoms": 16, "noise": 0.05},
    }
    for setting, data in few.items():
        X, atoms = planted(**data)
        cosines = np.abs(ours(X, n_components=16) @ atoms.T).max(axis=1)
        print(f"  {setting:20} cosines from {cosines.min():.4f}, mean {cosines.mean():.4f}")

    print("a dictionary that drifts: mean |cosine| over the last 50 of 600 batches")
    for schedule, momentum in (("fast", 0.1), ("constant", 0.1), ("constant", 0.02)):
        rng = np.random.default_rng(0)
        atoms, A = ortho_group.rvs(32, random_state=0), rng.standard_normal((32, 32))
        turn = expm(0.003 * (A - A.T) / np.sqrt(32))
        model = OnlineOrthogonalDictionaryLearning(
            schedule=schedule, momentum=momentum, batch_size=200, random_state=0
        )
        means = []
        for _ in range(600):
            atoms = atoms @ turn
            codes = rng.standard_normal((200, 32)) * (rng.random((200, 32)) < 0.1)
            means.append(recovery(model.partial_fit(codes @ atoms).components_, atoms)[0])
        print(f"  {schedule:10} momentum {momentum}: {np.mean(means[-50:]):.4f}")

    print("gap of schedule='theory' on an endless stream of 64 columns")
    model = OnlineOrthogonalDictionaryLearning(schedule="theory", random_state=0)
    _, atoms = planted(1)
    rng, gaps, smallest = np.random.default_rng(0), [], []
    for _ in range(6000):
        codes = rng.standard_normal((128, 64)) * (rng.random((128, 64)) < 0.1)
        gaps.append(model.partial_fit(codes @ atoms).gap_)
        smallest.append(np.linalg.norm(model._dictionary, -2))
    t = np.arange(500, 6000)
    slope = np.polyfit(np.log(t), np.log(np.array(gaps)[500:]), 1)[0]
    print(f"  slope of log gap by log t over t in [500, 6000]: {slope:.2f}")
    print(f"  smallest singular value of an iterate: {min(smallest):.2f}, late {smallest[-1]:.3f}")

    print("resident memory of a stream, MB")
    rows, _ = planted(12800)
    for chunk in range(1, 1001):
        model.partial_fit(rows)
        if chunk in (1, 10, 100, 1000):
            with open("/proc/self/statm") as file:
                print(f"  after {chunk * 12800:9} rows {int(file.read().split()[1]) / 256:7.1f}")


if __name__ == "__main__":
    figures()
