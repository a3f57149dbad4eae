"""PathwayTensorFactorization beside NMF of pathway sums and tensorly's nonnegative Tucker.

    pytest benchmarks/tensor/bench_pathway_tensor_factorization.py
    python benchmarks/tensor/bench_pathway_tensor_factorization.py     # the figures of quality

Run it with OMP_NUM_THREADS=1; times are of the CPU. 300 samples have counts of 400 genes in 60
pathways of 5 groups; three classes raise the rate of the genes of a group each. ``ratio`` is the
peer's best time over ours, with tensorly on the dense tensor of 300 x 60 x 400.
"""

import time
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tensorly.decomposition import non_negative_tucker

from skstruct.tensor import PathwayTensorFactorization

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def make_counts(n_samples, seed, hubs=0.0):
    """Return (counts, memberships, groups of the pathways, classes).

    Ten genes are in a share `hubs` of the pathways, whatever their groups and the classes.
    """
    rng = np.random.default_rng(seed)
    pools = [rng.choice(400, 60, replace=False) for _ in range(5)]
    groups = np.repeat(np.arange(5), 12)
    M = np.zeros((60, 400))
    for p, group in enumerate(groups):
        M[p, rng.choice(pools[group], 12, replace=False)] = 1
        M[p, rng.choice(400, 3, replace=False)] = 1
    if hubs:
        M[:, rng.choice(400, 10, replace=False)] = rng.random((60, 10)) < hubs
    classes = rng.integers(0, 3, n_samples)
    rates = 0.03 * rng.gamma(2.0, 0.5, 400) * np.ones((n_samples, 1))
    for group, pool in enumerate(pools):
        strength = 0.05 * rng.gamma(3.0, 1 / 3, n_samples)
        raised = strength * ((classes == group) if group < 3 else 1.0)
        rates[:, pool] += raised[:, np.newaxis]
    return rng.poisson(rates).astype(float), M, groups, classes


def best_time(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def kl_nmf(n_components):
    return NMF(
        n_components, solver="mu", beta_loss="kullback-leibler", init="nndsvda", random_state=0
    )


def fixed_sweeps(M, n_gene_groups):
    return PathwayTensorFactorization(
        M, n_gene_groups=n_gene_groups, max_iter=200, tol=0, random_state=0
    )


@pytest.mark.parametrize("n_gene_groups", [1, 2, 3])
def test_sweeps(benchmark, n_gene_groups):
    """200 sweeps."""
    X, M, *_ = make_counts(300, 0)
    model = fixed_sweeps(M, n_gene_groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        benchmark.pedantic(model.fit, (X,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["cells"] = model.n_cells_
    print(f"\n{benchmark.stats['min'] * 1e3:.0f} ms, {model.n_cells_} cells")


@pytest.mark.parametrize("init", ["random", "nmf"])
def test_fit(benchmark, init):
    """A fit to its end."""
    X, M, *_ = make_counts(300, 0)
    model = PathwayTensorFactorization(M, init=init, random_state=0)
    benchmark.pedantic(model.fit, (X,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["sweeps"] = model.n_iter_
    print(f"\n{benchmark.stats['min'] * 1e3:.0f} ms, {model.n_iter_} sweeps")


def test_tensorly(benchmark):
    """20 iterations of tensorly, 200 sweeps of ours."""
    X, M, *_ = make_counts(300, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        benchmark.pedantic(fixed_sweeps(M, 2).fit, (X,), rounds=3, warmup_rounds=1)
        dense = X[:, np.newaxis] * M
        seconds = best_time(
            lambda: non_negative_tucker(dense, (10, 5, 2), n_iter_max=20, random_state=0), 1
        )
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    print(f"\n{seconds:.1f} s, {benchmark.extra_info}")


def accuracy(features, X, classes):
    """Share of 300 samples whose classes are predicted from the features of 300 others."""
    model = make_pipeline(clone(features), StandardScaler(), LogisticRegression())
    return model.fit(X[:300], classes[:300]).score(X[300:], classes[300:])


def rand_index(P, groups):
    return adjusted_rand_score(groups, P.argmax(axis=1))


def show(seed, *parts):
    print(f"{seed}:", " | ".join(" ".join(f"{value:.3f}" for value in part) for part in parts))


def figures():
    """Print accuracies of classes from 300 other samples, and how well groups are found."""
    warnings.simplefilter("ignore")
    print("seed: ours with 1 to 3 gene groups | adjusted Rand index of ours, of NMF of sums")
    print("    | NMF(5) of pathway sums, NMF(10) of genes, pathway sums, genes, true groups")
    for seed in range(4):
        X, M, groups, classes = make_counts(600, seed)
        sums = FunctionTransformer(lambda X, M=M: X @ M.T)
        truth = np.eye(5)[groups]
        grouped = FunctionTransformer(lambda X, M=M, truth=truth: X @ M.T @ truth)
        ours = [
            PathwayTensorFactorization(M, n_gene_groups=c, n_init=3, random_state=0)
            for c in (1, 2, 3)
        ]
        peers = [make_pipeline(sums, kl_nmf(5)), kl_nmf(10), sums, StandardScaler(), grouped]
        P = ours[0].fit(X[:300]).pathway_groups_
        peer = kl_nmf(5).fit(X[:300] @ M.T).components_.T
        show(
            seed,
            [accuracy(features, X, classes) for features in ours],
            [rand_index(P, groups), rand_index(peer, groups)],
            [accuracy(features, X, classes) for features in peers],
        )
    print("seed: sweeps of a random start, of one from NMF | the divergences they end at")
    for seed in range(4):
        X, M, *_ = make_counts(600, seed)
        fits = [
            PathwayTensorFactorization(M, init=init, random_state=0).fit(X[:300])
            for init in ("random", "nmf")
        ]
        show(seed, [fit.n_iter_ for fit in fits], [fit.objective_[-1] for fit in fits])
    print("with hubs, seed: ours with 5 and 7 groups | their index | NMF(5) of sums, NMF(10)")
    for seed in range(4):
        X, M, groups, classes = make_counts(600, seed, hubs=0.4)
        sums = FunctionTransformer(lambda X, M=M: X @ M.T)
        ours = [
            PathwayTensorFactorization(M, n_pathway_groups=b, n_init=3, random_state=0)
            for b in (5, 7)
        ]
        show(
            seed,
            [accuracy(features, X, classes) for features in ours],
            [rand_index(model.fit(X[:300]).pathway_groups_, groups) for model in ours],
            [accuracy(make_pipeline(sums, kl_nmf(b)), X, classes) for b in (5, 10)],
        )
    X, y = load_digits(return_X_y=True)
    corners = [8 * i + j for i in range(6) for j in range(6)]
    patches = {f"{c}": [c + 8 * i + j for i in range(3) for j in range(3)] for c in corners}
    print("digits, 36 patches of 3 x 3 pixels: pathway groups, gene groups, accuracy")
    train, test, classes, expected = train_test_split(X, y, random_state=0, stratify=y)
    for b, c in ((8, 4), (12, 4)):
        features = PathwayTensorFactorization(
            patches, n_pathway_groups=b, n_gene_groups=c, random_state=0
        )
        model = make_pipeline(features, StandardScaler(), LogisticRegression(max_iter=1000))
        print(f"  {b}, {c}: {model.fit(train, classes).score(test, expected):.3f}")
    for k in (32, 40):
        model = make_pipeline(kl_nmf(k), StandardScaler(), LogisticRegression(max_iter=1000))
        print(f"  NMF({k}): {model.fit(train, classes).score(test, expected):.3f}")


if __name__ == "__main__":
    figures()
