"""Tucker beside tensorly and pyttb, and the choice of core shapes beside a greedy search.

    pytest benchmarks/tensor/bench_tucker.py
    python benchmarks/tensor/bench_tucker.py [--large]      # the figures of quality
    python benchmarks/tensor/bench_tucker.py --memory [512] # of a cube of so many elements a side

Run it with OMP_NUM_THREADS=1; needs tensorly and pyttb. ``ratio`` is the peer's best CPU time over
ours for the same core shape; ``error`` the relative errors.
"""

import resource
import sys
import time
from functools import partial
from math import prod

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.tensor import Tucker


def low_rank(shape, rank):
    """A tensor of multilinear rank `rank` and noise of a tenth of its norm."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(rank)
    for n, size in enumerate(shape):
        U = rng.standard_normal((size, X.shape[n]))
        X = np.moveaxis(np.tensordot(U, X, (1, n)), 0, n)
    noise = rng.standard_normal(shape)
    return np.ascontiguousarray(X + 0.1 * np.linalg.norm(X) / np.linalg.norm(noise) * noise)


def of_tensorly(name):
    datasets = pytest.importorskip("tensorly.datasets")
    return np.ascontiguousarray(getattr(datasets, f"load_{name}")().tensor, dtype=float)


CASES = {
    "100^3, r 10": (partial(low_rank, (100,) * 3, (10,) * 3), (10, 10, 10)),
    "40^4, r 6": (partial(low_rank, (40,) * 4, (6,) * 4), (6, 6, 6, 6)),
    "Indian pines": (partial(of_tensorly, "indian_pines"), (30, 30, 8)),
}
LARGE = {"200^3, r 20": (partial(low_rank, (200,) * 3, (20,) * 3), (20, 20, 20))}


def skstruct(X, rank, **params):
    return Tucker(rank, **params).fit(X).reconstruction_err_


# The peers take the tensor as they want it, and return what makes the approximation. Neither this
# nor that is timed.


def tensorly(X, rank, **params):
    tl = pytest.importorskip("tensorly")
    decomposition = tl.decomposition.tucker(X, list(rank), **params)
    return lambda: tl.tucker_to_tensor(decomposition)


def tensorly_randomized(X, rank):
    return tensorly(X, rank, svd="randomized_svd", random_state=0)


def pyttb(X, rank):
    ttb = pytest.importorskip("pyttb")
    np.random.seed(0)
    found = ttb.tucker_als(X, list(rank), printitn=-1)
    return lambda: found[0].full().data


def wanted(peer, X):
    if peer is not pyttb:
        return X
    return pytest.importorskip("pyttb").tensor(np.asfortranarray(X), copy=False)


def error_of(peer, X, rank):
    return np.linalg.norm(X - peer(wanted(peer, X), rank)()) / np.linalg.norm(X)


def best_time(repeats, function, *args, **params):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function(*args, **params)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("peer", [tensorly, tensorly_randomized, pyttb])
@pytest.mark.parametrize("name", CASES)
def test_beside_a_peer(benchmark, name, peer):
    make, rank = CASES[name]
    X = make()
    theirs = error_of(peer, X, rank)
    peer_time = best_time(2, peer, wanted(peer, X), rank)
    ours = benchmark.pedantic(skstruct, (X, rank), rounds=7, warmup_rounds=1)
    benchmark.extra_info["ratio"] = round(peer_time / best_time(7, skstruct, X, rank), 1)
    benchmark.extra_info["error"] = f"{ours:.7f}, peer {theirs:.7f}"
    assert ours < theirs * (1 + 1e-6)
    print(f"\n{name} beside {peer.__name__}: {benchmark.extra_info}")


def useful(rank):
    """Clip ranks above the product of the others, which change nothing."""
    rank = list(rank)
    for n in range(len(rank)):
        rank[n] = min(rank[n], prod(rank) // rank[n])
    return tuple(rank)


def n_params(shape, rank):
    return prod(rank) + sum(size * r for size, r in zip(shape, rank, strict=True))


def greedy(X, budget):
    """Grow the rank, of those that the budget allows, whose growth leaves the least error."""
    rank, losses = (1,) * X.ndim, {}
    while True:
        grown = [(*rank[:n], rank[n] + 1, *rank[n + 1 :]) for n in range(X.ndim)]
        grown = [
            r for r in grown
            if n_params(X.shape, r) <= budget and all(map(int.__le__, r, X.shape))
        ]  # fmt: skip
        if not grown:
            return useful(rank)
        for r in {useful(r) for r in grown} - losses.keys():
            losses[r] = Tucker(r, max_iter=3, tol=1e-4).fit(X).reconstruction_err_
        rank = min(grown, key=lambda r: losses[useful(r)])


def choose(X, budget, rank_method):
    return Tucker(rank_method=rank_method).core_shape_path(X, [budget])[0][1]


def shape_cases():
    pines = np.ascontiguousarray(of_tensorly("indian_pines")[::2, ::2, ::2])
    kinetic = np.nan_to_num(of_tensorly("kinetic"))
    serology = np.nan_to_num(of_tensorly("covid19_serology"))
    digits = load_digits().images[:400]
    return [
        ("Indian pines[::2]", pines, (5329, 15_987)),
        ("kinetic", kinetic, (4608, 46_080)),
        ("COVID-19 serology", serology, (2890,)),
        ("digits[:400]", digits, (2560,)),
    ]


def test_choosing_a_shape(benchmark):
    X = np.ascontiguousarray(of_tensorly("indian_pines")[::2, ::2, ::2])
    start = time.process_time()
    by_growth = greedy(X, 15_987)
    seconds = time.process_time() - start
    found = benchmark.pedantic(choose, (X, 15_987, "packing"), rounds=5, warmup_rounds=1)
    ours = best_time(7, choose, X, 15_987, "packing")
    benchmark.extra_info["ratio"] = round(seconds / ours)
    errors = [skstruct(X, rank) for rank in (choose(X, 15_987, "table"), found, by_growth)]
    benchmark.extra_info["error"] = "table {:.5f}, packing {:.5f}, greedy {:.5f}".format(*errors)
    assert errors[0] <= errors[2]
    print(f"\nIndian pines[::2], 15,987 numbers: {benchmark.extra_info}")


def figures(large):
    """Print times beside peers, errors of chosen shapes, and features of digits."""
    for name, (make, rank) in (CASES | (LARGE if large else {})).items():
        X = make()
        seconds = best_time(7, skstruct, X, rank)
        print(f"{name}: {seconds:.4f} s, error {skstruct(X, rank):.7f}")
        for peer in (tensorly, tensorly_randomized, pyttb):
            theirs = best_time(3, peer, wanted(peer, X), rank)
            print(
                f"  {peer.__name__:20} {theirs:.3f} s, {theirs / seconds:.1f} x; "
                f"error {error_of(peer, X, rank):.7f}"
            )
    print("relative error after HOOI of the shape that each method chooses, and seconds to choose")
    for name, X, budgets in shape_cases():
        for budget in budgets:
            line = f"  {name} {X.shape}, {budget}:"
            for method in ("packing", "table"):
                rank = choose(X, budget, method)
                seconds = best_time(5, choose, X, budget, method)
                line += f" {method} {rank} {skstruct(X, rank):.5f} {seconds:.4f} s;"
            start = time.process_time()
            rank = greedy(X, budget)
            seconds = time.process_time() - start
            print(f"{line} greedy {rank} {skstruct(X, rank):.5f} {seconds:.3f} s", flush=True)
    X, y = load_digits(return_X_y=True)
    print("digits: accuracy of logistic regression in 5 folds, numbers in the components")
    for model, size in (
        (Tucker((20, 5, 4), tensor_shape=(8, 8)), 20 * 5 * 4 + 8 * 5 + 8 * 4),
        (TruncatedSVD(20, random_state=0), 20 * 64),
    ):
        pipeline = make_pipeline(model, StandardScaler(), LogisticRegression(max_iter=2000))
        print(f"  {model}: {cross_val_score(pipeline, X, y, cv=5).mean():.3f}, {size}")
    china = load_sample_image("china.jpg").astype(float)
    for budget in (20_000, 60_000):
        for dtype in (float, np.float32):
            model = Tucker(max_params=budget)
            seconds = best_time(5, model.fit, china.astype(dtype))
            print(
                f"china.jpg, {np.dtype(dtype)}, {budget}: {model.rank_}, "
                f"{model.reconstruction_err_:.4f}, {seconds:.3f} s"
            )


def memory(side):
    """Print by how much the resident set grows in a fit of rows of a cube."""
    X = np.empty((side, side * side))
    rng = np.random.default_rng(0)
    for row in X:
        rng.standard_normal(out=row)
    Tucker(2, tensor_shape=(8, 8)).fit(X[:64, :64])  # what comes with the first call
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    Tucker(10, tol=1e-3, tensor_shape=(side, side)).fit(X)
    seconds = time.process_time() - start
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{X.nbytes >> 20} MB, rank 10: {more / 1024:.1f} MB more at the peak, {seconds:.1f} s")


if __name__ == "__main__":
    if "--memory" in sys.argv:
        memory(int(sys.argv[2]) if len(sys.argv) > 2 else 512)
    else:
        figures("--large" in sys.argv)
