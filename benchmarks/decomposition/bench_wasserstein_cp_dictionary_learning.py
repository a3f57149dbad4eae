"""WassersteinCPDictionaryLearning beside what one would use or write instead.

    pytest benchmarks/decomposition/bench_wasserstein_cp_dictionary_learning.py
    python benchmarks/decomposition/bench_wasserstein_cp_dictionary_learning.py    # quality too

Run it with OMP_NUM_THREADS=1; times are of the processor. The peers: scikit-learn's NMF with
Kullback-Leibler divergence; gradient descent through Sinkhorn's algorithm in torch, with the same
separable kernel; for codes, the unmixing of POT. ``ratio`` is the peer's best time over ours;
``evaluations`` our time in units of a bare evaluation of the dual of all samples in NumPy, of
which a fit should cost below 1500.
"""

import time
import warnings

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_sample_image
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skstruct.decomposition import WassersteinCPDictionaryLearning
from skstruct.decomposition._wasserstein_blocks import outer

warnings.simplefilter("ignore", ConvergenceWarning)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.benchmark(timer=time.process_time),
]
torch.set_num_threads(1)
SIZE = 16
CENTERS = np.array([(0.22, 0.25), (0.72, 0.35), (0.45, 0.78)]) * SIZE
WIDTHS = np.array([(1.2, 1.8), (1.8, 1.0), (1.4, 1.4)])


def bumps(moves):
    """Products of Gaussian marginals, one row for each atom."""
    grid = np.arange(SIZE)
    z = (grid - (CENTERS + moves)[:, :, np.newaxis]) / WIDTHS[:, :, np.newaxis]
    marginals = np.exp(-0.5 * z**2)
    marginals /= marginals.sum(axis=2, keepdims=True)
    return outer([marginals[:, 0], marginals[:, 1]])


def jittered(n_samples, seed=0, jitter=2.0):
    """Samples that mix three atoms, each moved by up to jitter cells; and the true codes."""
    rng = np.random.default_rng(seed)
    codes = rng.dirichlet(np.full(3, 0.7), n_samples)
    moves = rng.uniform(-jitter, jitter, (n_samples, 3, 2))
    return np.array([c @ bumps(m) for c, m in zip(codes, moves, strict=True)]), codes


def index_cost():
    grid = np.stack(np.divmod(np.arange(SIZE**2), SIZE), axis=1)
    return ((grid[:, np.newaxis] - grid) ** 2).sum(axis=2).astype(float)


def quality(atoms, codes, true_codes):
    """Mean W2 in cells between matched atoms, and mean error of the codes."""
    atoms = np.ascontiguousarray(atoms / atoms.sum(axis=1, keepdims=True))
    codes = codes / codes.sum(axis=1, keepdims=True)
    cost = index_cost()
    w2 = np.sqrt([[ot.emd2(a, b, cost) for b in bumps(0.0)] for a in atoms])
    rows, columns = linear_sum_assignment(w2)
    error = np.abs(codes[:, rows] - true_codes[:, columns]).mean()
    return f"{w2[rows, columns].mean():.2f} {error:.3f}"


def ours(**params):
    defaults = {"shape": (SIZE, SIZE), "max_iter": 20, "random_state": 0}
    return WassersteinCPDictionaryLearning(3, **(defaults | params))


def nmf():
    return NMF(3, beta_loss="kullback-leibler", solver="mu", max_iter=500, random_state=0)


def mode_kernel(reg):
    squares = np.subtract.outer(np.arange(SIZE), np.arange(SIZE)) ** 2.0
    return np.exp(-squares / (2 * squares.max() * reg))


def sinkhorn_autograd(X, n_components=3, reg=0.005, n_steps=200, n_sinkhorn=30, lr=0.1):
    """Adam on the logits of codes and factors, through the iterations of Sinkhorn's algorithm.

    In double precision, since the kernel underflows in single. It starts as ours does.
    """
    solver = ours()._make_solver((SIZE, SIZE))
    start = solver.start(X, n_components, np.random.RandomState(0))
    K = torch.from_numpy(mode_kernel(reg))
    x = torch.from_numpy(X).reshape(-1, SIZE, SIZE)
    logits = [torch.zeros((len(X), n_components), dtype=torch.double, requires_grad=True)]
    for factor in start.factors:
        logits.append(torch.from_numpy(np.log(factor)).requires_grad_())
    optimizer = torch.optim.Adam(logits, lr=lr)
    for _ in range(n_steps):
        codes, rows, columns = (torch.softmax(logit, dim=1) for logit in logits)
        q = torch.einsum("sr,ri,rj->sij", codes, rows, columns)
        v = torch.ones_like(q)
        for _ in range(n_sinkhorn):
            u = x / (K @ v @ K)
            v = q / (K @ u @ K)
        cost = torch.special.xlogy(x, u.clamp_min(1e-300)) + torch.special.xlogy(q, v)
        loss = reg * cost.sum() / len(X)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return outer([rows.detach().numpy(), columns.detach().numpy()]), codes.detach().numpy()


def numpy_evaluation(X, reg=0.005):
    """Return a function that evaluates the dual of all samples and its gradient, once."""
    K = mode_kernel(reg)
    G = 0.1 * np.random.default_rng(0).random(X.shape)
    x = X.reshape(-1, SIZE, SIZE)

    def evaluate():
        top = G.max(axis=1, keepdims=True)
        e = np.exp((G - top) / reg).reshape(x.shape)
        v = K @ e @ K
        value = reg * (x * np.log(v)).sum() + top.sum()
        return value, e * (K @ (x / v) @ K)

    return evaluate


def best_time(function, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("n_samples", [60, 300])
def test_fit_beside_autograd_and_nmf(benchmark, n_samples):
    X, _ = jittered(n_samples)
    model = ours()
    benchmark.pedantic(model.fit, (X,), rounds=5, warmup_rounds=1)
    fastest, evaluate = benchmark.stats["min"], numpy_evaluation(X)
    bare = best_time(lambda: [evaluate() for _ in range(100)], 5) / 100
    benchmark.extra_info["evaluations"] = round(fastest / bare)
    benchmark.extra_info["own evaluations"] = round(model.n_evals_)
    for name, peer in (("autograd", lambda: sinkhorn_autograd(X)), ("NMF", lambda: nmf().fit(X))):
        benchmark.extra_info[f"ratio to {name}"] = round(best_time(peer) / fastest, 2)
    print(f"\n{n_samples} samples: {fastest:.3f} s, {benchmark.extra_info}")


def test_codes_beside_pot(benchmark):
    """Codes for atoms that are given; POT regularises by transport between codes instead."""
    X, true_codes = jittered(60)
    model = ours().fit(X)
    benchmark.pedantic(model.transform, (X,), rounds=5, warmup_rounds=1)
    cost = index_cost()
    cost /= cost.max()
    flat, code_cost = np.full(3, 1 / 3), 1.0 - np.eye(3)

    def unmix():
        return [
            ot.bregman.unmix(x, model.components_.T, cost, code_cost, flat, 0.005, 1e-3, 1e-3)
            for x in X[:10]
        ]

    theirs = best_time(unmix, 2) * len(X) / 10
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    for name, codes in (("ours", model.transform(X[:10])), ("POT", np.array(unmix()))):
        found = quality(model.components_, codes, true_codes[:10])
        benchmark.extra_info[f"W2 of the atoms, error of codes: {name}"] = found
    print(f"\n60 codes: {benchmark.stats['min']:.4f} s, {benchmark.extra_info}")


def color_histograms(tile=40, n_bins=6):
    """Joint histograms of red, green, blue of the tiles of two photographs, and which it is."""
    X, y = [], []
    for label, name in enumerate(("china.jpg", "flower.jpg")):
        levels = load_sample_image(name).astype(int) * n_bins // 256
        cells = levels @ [n_bins**2, n_bins, 1]
        for i in range(0, cells.shape[0] - tile + 1, tile):
            for j in range(0, cells.shape[1] - tile + 1, tile):
                block = cells[i : i + tile, j : j + tile].ravel()
                X.append(np.bincount(block, minlength=n_bins**3) / block.size)
                y.append(label)
    return np.array(X), np.array(y)


def print_quality():
    for n_samples in (60, 300):
        for seed in range(3):
            X, codes = jittered(n_samples, seed)
            found = ours(random_state=seed).fit(X)
            peer = nmf()
            weights = peer.fit_transform(X) * peer.components_.sum(axis=1)
            print(
                f"{n_samples} samples, seed {seed}: W2, error of codes",
                f"ours {quality(found.components_, found.codes_, codes)}",
                f"NMF-KL {quality(peer.components_, weights, codes)}",
                f"autograd {quality(*sinkhorn_autograd(X), codes)}",
                f"objective {found.objective_history_[-1]:.5f}",
            )
    for seed in range(3):
        X, codes = jittered(60, seed, jitter=3.0)
        found, peer = ours(random_state=seed).fit(X), nmf()
        weights = peer.fit_transform(X) * peer.components_.sum(axis=1)
        print(
            f"jitter 3, seed {seed}: ours {quality(found.components_, found.codes_, codes)}",
            f"NMF-KL {quality(peer.components_, weights, codes)}",
        )
    X, codes = jittered(60)
    for name, params in (
        ("inexact", {}),
        ("inner_tol_init=0", {"inner_tol_init": 0}),
        ("prox=1", {"prox": 1.0}),
        ("tol=1e-3", {"tol": 1e-3, "max_iter": 30}),
        ("30 sweeps", {"max_iter": 30}),
    ):
        found = ours(**params).fit(X)
        print(
            f"{name}: objective {found.objective_history_[-1]:.5f}, {found.n_evals_:.0f} "
            f"evaluations, {found.n_iter_} sweeps, largest increase "
            f"{np.diff(found.objective_history_).max():.1e}"
        )
    X, y = color_histograms()
    palette = WassersteinCPDictionaryLearning(6, shape=(6, 6, 6), reg=0.01, random_state=0)
    start = time.process_time()
    codes = palette.fit_transform(X)
    seconds = time.process_time() - start
    accuracy = cross_val_score(LogisticRegression(C=100), codes, y, cv=5).mean()
    print(
        f"palettes of {len(X)} tiles: {seconds:.2f} s, {palette.n_evals_:.0f} evaluations, "
        f"accuracy {accuracy:.3f}, increase {np.diff(palette.objective_history_).max():.1e}"
    )


if __name__ == "__main__":
    print_quality()
