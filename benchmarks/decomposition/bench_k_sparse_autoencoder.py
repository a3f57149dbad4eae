"""KSparseAutoencoder beside the same steps in torch and with dense matrices in NumPy.

    pytest benchmarks/decomposition/bench_k_sparse_autoencoder.py
    python benchmarks/decomposition/bench_k_sparse_autoencoder.py     # the figures of quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best time over ours for the same batches,
number of epochs and loss; ``loss`` the mean squared residual of the last epoch, as a share of the
variance.
"""

import resource
import time
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skstruct.decomposition import KSparseAutoencoder

EPOCHS = 20
BATCH = 64
RATE = 3e-3


def digits(dtype):
    return load_digits().data.astype(dtype)


def scaled(X):
    X = X - X.mean(axis=0)
    return X / np.sqrt((X**2).sum(axis=1).mean())


def batches(n_samples, rng):
    """Yield (step, rate, rows), as the autoencoder takes them."""
    step = 0
    for epoch in range(EPOCHS):
        late = max(0.0, 2 * epoch / EPOCHS - 1)
        for rows in np.array_split(rng.permutation(n_samples), -(-n_samples // BATCH)):
            step += 1
            yield epoch, step, (1 - 0.9 * late) * RATE, rows


def skstruct_fit(X, n_components, k):
    model = KSparseAutoencoder(
        n_components, k, k_init=None, resample_dead=False, max_iter=EPOCHS, batch_size=BATCH,
        learning_rate=RATE, random_state=0,
    ).fit(X)  # fmt: skip
    return model.loss_curve_[-1] / X.var(axis=0).sum()


def numpy_fit(X, n_components, k):
    """Dense codes and gradients, all in place where NumPy allows it."""
    X = scaled(X)
    rng = np.random.default_rng(0)
    W = (0.01 * rng.standard_normal((n_components, X.shape[1]))).astype(X.dtype)
    parameters = [W, np.zeros(n_components, X.dtype), np.zeros(X.shape[1], X.dtype)]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    loss = 0.0
    for epoch, step, rate, rows in batches(len(X), rng):
        W, b, c = parameters
        e = X[rows] - c
        z = e @ W.T + b
        dropped = np.argpartition(z, -k, axis=1)[:, :-k]
        np.put_along_axis(z, dropped, 0, axis=1)
        r = z @ W - e
        da = r @ W.T
        np.put_along_axis(da, dropped, 0, axis=1)
        gradients = z.T @ r + da.T @ e, da.sum(axis=0), (r - da @ W).sum(axis=0)
        for p, (m, v), g in zip(parameters, moments, gradients, strict=True):
            g /= len(rows)
            m *= 0.9
            m += 0.1 * g
            np.square(g, out=g)
            g *= 0.001
            v *= 0.999
            v += g
            np.sqrt(v, out=g)
            g *= 1 / np.sqrt(1 - 0.999**step)
            g += 1e-8
            np.divide(m, g, out=g)
            g *= rate / (1 - 0.9**step)
            p -= g
        if epoch == EPOCHS - 1:
            loss += float((r**2).sum()) / len(X)
    return loss


def torch_fit(X, n_components, k):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    X = torch.from_numpy(scaled(X))
    rng = np.random.default_rng(0)
    W = 0.01 * torch.randn(
        n_components, X.shape[1], dtype=X.dtype, generator=torch.Generator().manual_seed(0)
    )
    b, c = torch.zeros(n_components, dtype=X.dtype), torch.zeros(X.shape[1], dtype=X.dtype)
    parameters = [p.requires_grad_() for p in (W, b, c)]
    adam = torch.optim.Adam(parameters, lr=RATE)
    loss = 0.0
    for epoch, _, rate, rows in batches(len(X), rng):
        adam.param_groups[0]["lr"] = rate
        x = X[rows]
        z = torch.nn.functional.linear(x - c, W, b)
        values, kept = torch.topk(z, k, dim=1)
        a = torch.zeros_like(z).scatter(1, kept, values)
        error = ((a @ W + c - x) ** 2).sum()
        adam.zero_grad()
        (error / (2 * len(rows))).backward()
        adam.step()
        if epoch == EPOCHS - 1:
            loss += float(error.detach()) / len(X)
    return loss


def best_time(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_components", "k"), [(256, 16), (1000, 25)])
@pytest.mark.parametrize("peer", [torch_fit, numpy_fit])
def test_training_beside_a_peer(benchmark, peer, n_components, k, dtype):
    X = digits(dtype)
    theirs = peer(X, n_components, k)
    peer_time = best_time(lambda: peer(X, n_components, k))
    ours = benchmark.pedantic(skstruct_fit, (X, n_components, k), rounds=7, warmup_rounds=1)
    benchmark.extra_info["ratio"] = round(peer_time / benchmark.stats["min"], 1)
    benchmark.extra_info["loss"] = f"{ours:.3f}, peer {theirs:.3f}"
    assert ours < 1.03 * theirs
    print(f"\n{peer.__name__} {n_components}, {k}, {np.dtype(dtype)}: {benchmark.extra_info}")


def images(n_samples=60_000, n_features=784):
    """As many numbers as the images of MNIST have: sparse mixtures of smooth atoms, and noise."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((200, n_features)).cumsum(axis=1).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    X = 0.02 * rng.standard_normal((n_samples, n_features), dtype=np.float32)
    for rows in np.array_split(np.arange(n_samples), 20):
        codes = rng.exponential(size=(len(rows), 200)) * (rng.random((len(rows), 200)) < 0.05)
        X[rows] += codes.astype(np.float32) @ atoms
    return X


@pytest.mark.parametrize("epochs", [3])
def test_sixty_thousand_images(benchmark, epochs):
    X = images()
    model = KSparseAutoencoder(1000, 25, max_iter=epochs, random_state=0)
    one = best_time(lambda: model.set_params(max_iter=1).fit(X), 2)
    benchmark.pedantic(model.set_params(max_iter=epochs).fit, (X,), rounds=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    model.fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    benchmark.extra_info["s_per_epoch"] = round((benchmark.stats["min"] - one) / (epochs - 1), 2)
    benchmark.extra_info["table_mb"] = X.nbytes >> 20
    benchmark.extra_info["memory_mb"] = round(peak / 2**20)
    benchmark.extra_info["process_grown_mb"] = grown >> 10
    start = time.perf_counter()
    model.set_params(sparse_output=True).transform(X)
    benchmark.extra_info["transform_s"] = round(time.perf_counter() - start, 2)
    benchmark.extra_info["score"] = round(model.score(X[:5000]), 3)
    print(f"\n60,000 x 784, 1000 units: {benchmark.extra_info}")
    assert peak < 0.25 * X.nbytes


def accuracies(model, factors, seed):
    """Held-out accuracy of a classifier of the codes, for some encode_factors; and the model."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.4, stratify=y, random_state=seed
    )
    model.fit(X)
    found = []
    for factor in factors:
        model.set_params(encode_factor=factor)
        found.append(classify(model.transform(X), y, model.transform(X_test), y_test))
    return np.array(found), model.set_params(encode_factor=1.0).score(X_test), model.n_dead_


def classify(codes, y, codes_test, y_test):
    spread = codes.std(axis=0)
    spread[spread == 0] = 1
    classifier = LogisticRegression(C=10, max_iter=3000).fit(codes / spread, y)
    return classifier.score(codes_test / spread, y_test)


def share_found(activation, n_components, k, seed):
    """Share of 128 atoms in 64 dimensions that are found, and the active units of a row."""
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((128, 64))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((8000, 128))
    chosen = rng.permuted(np.tile(np.arange(128), (8000, 1)), axis=1)[:, :k]
    np.put_along_axis(codes, chosen, rng.uniform(0.5, 1.5, chosen.shape), axis=1)
    X = (codes @ atoms + 0.01 * rng.standard_normal((8000, 64))).astype(np.float32)
    model = KSparseAutoencoder(
        n_components, k, activation=activation, max_iter=40, batch_size=128, random_state=seed
    ).fit(X)
    found = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    active = (model.transform(X) != 0).sum(axis=1).mean()
    return (np.abs(atoms @ found.T).max(axis=1) > 0.95).mean(), active


def figures():
    """Print the figures of quality: accuracy, dead units, share of atoms found."""
    seeds = range(3)
    print("digits, 60/40 splits, seeds 0-2: accuracy at encode_factor, held-out R^2, dead units")

    def line(name, factors, **params):
        runs = [
            accuracies(KSparseAutoencoder(random_state=seed, **params), factors, seed)
            for seed in seeds
        ]
        scores = np.array([run[0] for run in runs])
        found = "; ".join(
            f"{factor:g}: {column.mean():.4f} ({column.min():.3f} .. {column.max():.3f})"
            for factor, column in zip(factors, scores.T, strict=True)
        )
        r2, dead = np.mean([run[1] for run in runs]), [run[2] for run in runs]
        print(f"  {name:42} {found}; R^2 {r2:.3f}; dead {dead}")

    line("defaults", (1.0, 1.5, 2.0))
    line("n_nonzero=6", (1.0, 1.5, 2.0, 3.0), n_nonzero=6)
    rate = {"learning_rate": 1e-3, "resample_dead": False}
    for name, k_init in (("without", None), ("with", "auto")):
        line(f"{name} schedule, 6 of 256", (2.0, 3.0), n_nonzero=6, k_init=k_init, **rate)
        line(f"{name} schedule, 16 of 512", (1.0, 1.5), n_components=512, k_init=k_init, **rate)
    for n_nonzero in (6, 4, 1):
        for k_init in (None, "auto"):
            for revive in (False, True):
                line(
                    f"{n_nonzero} of 256, k_init={k_init}, resample_dead={revive}", (1.0, 2.0),
                    n_nonzero=n_nonzero, k_init=k_init, resample_dead=revive,
                )  # fmt: skip
    line("thresholds, 16 of 256", (1.0,), activation="threshold")
    raw, pca, lasso = [], [], []
    for seed in seeds:
        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
        raw.append(
            LogisticRegression(C=10, max_iter=3000).fit(X / 16, y).score(X_test / 16, y_test)
        )
        whiten = PCA(40, whiten=True).fit(X)
        pca.append(classify(whiten.transform(X), y, whiten.transform(X_test), y_test))
        dictionary = MiniBatchDictionaryLearning(
            256, transform_algorithm="omp", transform_n_nonzero_coefs=16, random_state=seed
        ).fit(X)
        lasso.append(classify(dictionary.transform(X), y, dictionary.transform(X_test), y_test))
    for name, found in (("raw pixels", raw), ("PCA, 40", pca), ("dictionary, OMP, 16", lasso)):
        print(f"  {name:42} {np.mean(found):.4f}")
    print("share of 128 atoms in 64 dimensions found, active units of a row")
    for k in (3, 5):
        for activation, n_components in (("topk", 256), ("topk", 128), ("threshold", 128)):
            runs = np.array([share_found(activation, n_components, k, seed) for seed in seeds])
            print(
                f"  {k} of 128, {activation:9} {n_components}: {runs[:, 0].round(3)}, "
                f"{runs[:, 1].mean():.2f}"
            )


if __name__ == "__main__":
    figures()
