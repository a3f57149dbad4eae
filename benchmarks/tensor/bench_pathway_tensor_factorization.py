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
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tensorly.decomposition import non_negative_tucker

from skstruct.tensor import PathwayTensorFactorization

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def make_counts(n_samples, seed):
    """Return (counts, memberships, groups of the pathways, classes)."""
    rng = np.random.default_rng(seed)
    pools = [rng.choice(400, 60, replace=False) for _ in range(5)]
    groups = np.repeat(np.arange(5), 12)
    M = np.zeros((60, 400))
    for p, group in enumerate(groups):
        M[p, rng.choice(pools[group], 12, replace=False)] = 1
        M[p, rng.choice(400, 3, replace=False)] = 1
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
    visits = 3 * model.n_iter_ * model.n_cells_
    nanoseconds = benchmark.stats["min"] * 1e9 / visits
    benchmark.extra_info["ns_per_cell"] = round(nanoseconds, 1)
    print(f"\n{benchmark.stats['min'] * 1e3:.0f} ms, {model.n_cells_} cells, {nanoseconds:.1f} ns")


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
        found = []
        for features in ours + peers:
            model = make_pipeline(clone(features), StandardScaler(), LogisticRegression())
            found.append(model.fit(X[:300], classes[:300]).score(X[300:], classes[300:]))
        P = ours[0].fit(X[:300]).pathway_groups_
        index = adjusted_rand_score(groups, P.argmax(axis=1))
        peer = kl_nmf(5).fit(X[:300] @ M.T).components_.T
        peer_index = adjusted_rand_score(groups, peer.argmax(axis=1))
        print(
            f"{seed}:", *(f"{value:.3f}" for value in found[:3]), "|", f"{index:.2f}",
            f"{peer_index:.2f}", "|", *(f"{value:.3f}" for value in found[3:]),
        )  # fmt: skip


if __name__ == "__main__":
    figures()
