"""CP and CPRegressor beside tensorly and pyttb.

    pytest benchmarks/tensor/bench_cp.py
    python benchmarks/tensor/bench_cp.py            # all sizes, with the errors, 5 minutes

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best CPU time over ours, at the errors that
are given: all stop at relative changes of 1e-8, or after 200 sweeps. ``rows`` is the time of the
row kernel for an entry and a mode.

A method returns a function that tells the error, so that this is not in its time.
"""

import sys
import time
import warnings
from functools import partial

import numpy as np
import pytest

from skstruct.tensor import CP, CPRegressor
from skstruct.tensor._cp_sweeps import DenseSweeps
from skstruct.tensor._entry_sweeps import EntrySweeps

tensorly = pytest.importorskip("tensorly")
pyttb = pytest.importorskip("pyttb")

from tensorly import datasets  # noqa: E402
from tensorly.decomposition import (  # noqa: E402
    non_negative_parafac,
    non_negative_parafac_hals,
    parafac,
)

SWEEPS, TOL = 200, 1e-8


def collinear(size, rank, rng):
    """Unit columns with pairwise correlations of about 0.64."""
    shared, own = rng.standard_normal((size, 1)), rng.standard_normal((size, rank))
    A = 0.8 * shared / np.linalg.norm(shared) + 0.6 * own / np.linalg.norm(own, axis=0)
    return A / np.linalg.norm(A, axis=0)


def gaussian(size, rank, rng):
    return rng.standard_normal((size, rank))


def uniform(size, rank, rng):
    return rng.random((size, rank))


def tensor(size, rank, draw, noise=0.05):
    rng = np.random.default_rng(0)
    T = full(np.ones(rank), [draw(size, rank, rng) for _ in range(3)])
    X = T + noise * np.linalg.norm(T) / np.sqrt(T.size) * rng.standard_normal(T.shape)
    return np.abs(X) if draw is uniform else X


def full(weights, factors):
    modes = "ijkl"[: len(factors)]
    inputs = ",".join(f"{mode}r" for mode in modes)
    return np.einsum(f"r,{inputs}->{modes}", weights, *factors, optimize=True)


def error(X, weights, factors):
    """Return the relative error of the elements that are known."""
    known = ~np.isnan(X)
    return np.linalg.norm((X - full(weights, factors))[known]) / np.linalg.norm(X[known])


def skstruct_cp(X, rank, *, max_iter=SWEEPS, **options):
    model = CP(rank, max_iter=max_iter, tol=TOL, random_state=0, **options).fit(X)
    return lambda: error(X, np.ones(rank), model.factors_)


def tensorly_cp(X, rank, **options):
    found = parafac(X, rank, n_iter_max=SWEEPS, tol=TOL, random_state=0, **options)
    return lambda: error(X, *found)


def tensorly_hals(X, rank):
    found = non_negative_parafac_hals(X, rank, n_iter_max=SWEEPS, tol=TOL)
    return lambda: error(X, *found)


def tensorly_nonnegative_mask(X, rank):
    known = ~np.isnan(X)
    found = non_negative_parafac(
        np.where(known, X, 0.0), rank, n_iter_max=SWEEPS, tol=TOL, mask=known, init="random",
        random_state=0,
    )  # fmt: skip
    return lambda: error(X, *found)


def pyttb_cp(X, rank):
    np.random.seed(0)
    model, _, _ = pyttb.cp_als(
        pyttb.tensor(X), rank, maxiters=SWEEPS, stoptol=TOL, printitn=0, init="nvecs"
    )
    return lambda: error(X, model.weights, model.factor_matrices)


DENSE = {
    "skstruct": skstruct_cp,
    "skstruct, whole tensor": partial(skstruct_cp, compress=False),
    "tensorly": tensorly_cp,
    "tensorly, line search": partial(tensorly_cp, linesearch=True),
    "tensorly, randomized SVD": partial(tensorly_cp, svd="randomized_svd"),
    "pyttb": pyttb_cp,
}
# On its core, 500 sweeps cost less than one on the tensor.
PINES = DENSE | {"skstruct": partial(skstruct_cp, max_iter=500)}
NONNEGATIVE = {
    "skstruct": partial(skstruct_cp, nonnegative=True),
    "tensorly HALS": tensorly_hals,
}
NONNEGATIVE_GAPS = {
    "skstruct": partial(skstruct_cp, nonnegative=True),
    "tensorly, mask": tensorly_nonnegative_mask,
}


def entries(shape, rank, share, noise=0.1):
    rng = np.random.default_rng(0)
    T = np.einsum("ir,jr,kr->ijk", *(rng.standard_normal((s, rank)) for s in shape), optimize=True)
    known = rng.random(T.shape) < share
    return T, T + noise * T.std() * rng.standard_normal(T.shape), known


def missed(T, known, found):
    return np.linalg.norm((found - T)[~known]) / np.linalg.norm(T[~known])


def skstruct_entries(T, Y, known, rank):
    model = CPRegressor(rank, random_state=0).fit(np.argwhere(known), Y[known])
    everywhere = np.argwhere(np.ones_like(known))
    return lambda: missed(T, known, model.predict(everywhere).reshape(T.shape))


def skstruct_gaps(T, Y, known, rank):
    X = np.where(known, Y, np.nan)
    model = CP(rank, alpha=1e-2, tol=1e-6, random_state=0).fit(X)
    return lambda: missed(T, known, model.reconstruct())


def tensorly_mask(T, Y, known, rank):
    weights, factors = parafac(
        np.where(known, Y, 0.0), rank, n_iter_max=SWEEPS, tol=TOL, mask=known, random_state=0
    )
    return lambda: missed(T, known, full(weights, factors))


INCOMPLETE = {
    "skstruct": skstruct_entries,
    "skstruct, NaN in CP": skstruct_gaps,
    "tensorly, mask": tensorly_mask,
}


def best(function, *arguments, repeats=10, enough=10.0):
    """Return the least time of a call, of several unless they take long, and its result."""
    times = []
    while len(times) < repeats and sum(times) < enough:
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = function(*arguments)
        times.append(time.process_time() - start)
    return min(times), found


def row_kernel(shape=(1000, 300, 20), n_entries=100_000, rank=6):
    """Return nanoseconds of a row update for an entry and a mode."""
    rng = np.random.default_rng(0)
    index = np.column_stack([rng.integers(0, size, n_entries) for size in shape])
    index = np.ascontiguousarray(index, dtype=np.int32)
    y = rng.standard_normal(n_entries)
    sweeps = EntrySweeps(index, y, None, shape, rank, alpha=1.0, nonnegative=False)
    factors = sweeps.start(np.random.RandomState(0))
    seconds, _ = best(sweeps, factors, repeats=20)
    return 1e9 * seconds / (n_entries * len(shape))


def dense_sweep(size, rank):
    """Return milliseconds of a sweep over a cube."""
    X = tensor(size, rank, gaussian)
    sweeps = DenseSweeps(X, rank, norm2=np.vdot(X, X), ridge=0.0, nonnegative=False)
    seconds, _ = best(sweeps, [gaussian(size, rank, np.random.default_rng(1)) for _ in range(3)])
    return 1e3 * seconds


def collinear_sweeps(size=100, rank=10):
    """Return sweeps, and the least cosine of a true component with the best one found."""
    rng = np.random.default_rng(0)
    true, X = [collinear(size, rank, rng) for _ in range(3)], tensor(size, rank, collinear)
    for name, options in {
        "plain": {"compress": False, "accelerate": False},
        "extrapolated": {"compress": False},
        "on the core, and the tensor": {},
    }.items():
        model = CP(rank, random_state=0, **options).fit(X)
        cosines = np.prod([B.T @ A for A, B in zip(model.factors_, true, strict=True)], axis=0)
        cosines = np.abs(cosines / model.weights_).max(axis=1)
        yield name, model.n_iter_, cosines.min()


CASES = {
    "Gaussian 40^3, 5": (DENSE, (tensor(40, 5, gaussian), 5)),
    "collinear 40^3, 5": (DENSE, (tensor(40, 5, collinear), 5)),
    "nonnegative 40^3, 5": (NONNEGATIVE, (tensor(40, 5, uniform), 5)),
    "30 % of 60x50x40, 5": (INCOMPLETE, (*entries((60, 50, 40), 5, 0.3), 5)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["skstruct", "peers"])
def test_speed(benchmark, case, name):
    methods, arguments = CASES[case]
    if name == "skstruct":
        methods = {name: methods[name]}
    else:
        methods = {k: m for k, m in methods.items() if not k.startswith("skstruct")}

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {k: method(*arguments) for k, method in methods.items()}

    found = benchmark.pedantic(run, rounds=1, warmup_rounds=0)
    benchmark.extra_info["error"] = {k: quality() for k, quality in found.items()}


def main():
    pines, il2 = (
        np.ascontiguousarray(load().tensor, dtype=np.float64)
        for load in (datasets.load_indian_pines, datasets.load_IL2data)
    )
    large = {
        "Gaussian 100^3, 10": (DENSE, (tensor(100, 10, gaussian), 10)),
        "collinear 100^3, 10": (DENSE, (tensor(100, 10, collinear), 10)),
        "Gaussian 200^3, 20": (DENSE, (tensor(200, 20, gaussian), 20)),
        "Indian pines, 15": (PINES, (pines, 15)),
        "nonnegative 100^3, 10": (NONNEGATIVE, (tensor(100, 10, uniform), 10)),
        "IL-2, nonnegative, 3.8 % NaN, 3": (NONNEGATIVE_GAPS, (il2, 3)),
        "30 % of 60x50x40, 5": (INCOMPLETE, (*entries((60, 50, 40), 5, 0.3), 5)),
        "5 % of 60x50x40, 5": (INCOMPLETE, (*entries((60, 50, 40), 5, 0.05), 5)),
    }
    out = sys.stdout
    out.write(f"rows: {row_kernel():.1f} ns\n")
    out.write(f"a sweep over 200^3, 20: {dense_sweep(200, 20):.1f} ms\n")
    for name, n_iter, match in collinear_sweeps():
        out.write(f"collinear 100^3, 10, sweeps {name}: {n_iter}, match {match:.5f}\n")
    T, Y, known = entries((200, 200, 100), 5, 0.02)
    seconds, quality = best(skstruct_entries, T, Y, known, 5)
    out.write(f"2 % of 200x200x100, 5: {seconds:.3f} s, error {quality():.4f}\n")
    for case, (methods, arguments) in large.items():
        out.write(f"{case}\n")
        ours = None
        for name, method in methods.items():
            seconds, quality = best(method, *arguments)
            ours = ours or seconds
            out.write(f"  {name:26s} {seconds:8.3f} s  ratio {seconds / ours:6.1f}")
            out.write(f"  error {quality():.6f}\n")
            out.flush()


if __name__ == "__main__":
    main()
