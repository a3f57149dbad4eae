"""ssor_cg and sor beside scipy's conjugate gradients and pyamg's sweeps.

    pytest benchmarks/linalg/bench_ssor_cg.py -s

The system is the 5-point Laplacian of a square plus 0.01 I, the right side standard normal, the
tolerance 1e-8. Peers: scipy's cg alone; with the same SSOR preconditioner by SuperLU's triangular
solves (factors of the triangles, without fill, prepared outside the time); with scipy's
spsolve_triangular. Threads: one.
"""

import time

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu, spsolve_triangular

from skstruct.linalg import sor, ssor_cg

OMEGA, TOL = 1.5, 1e-8


def system(m):
    line = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(m, m))
    A = sparse.kronsum(line, line) + 0.01 * sparse.eye_array(m * m)
    return A.tocsr(), np.random.default_rng(0).normal(size=m * m)


def ssor_preconditioner(A, solver):
    """Return the operator of the SSOR preconditioner by "superlu" or "spsolve_triangular"."""
    d = A.diagonal()
    K = (sparse.tril(A, -1) + sparse.diags_array(d / OMEGA)).tocsr()
    middle = (2 / OMEGA - 1) * d
    if solver == "superlu":
        options = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0, "options": {"Equil": False}}
        lu = splu(K.tocsc(), **options)

        def apply(r):
            return lu.solve(middle * lu.solve(r), trans="T")
    else:
        upper = K.T.tocsr()

        def apply(r):
            return spsolve_triangular(upper, middle * spsolve_triangular(K, r), lower=False)

    return LinearOperator(A.shape, apply, dtype=float)


def scipy_cg(A, b, M=None):
    counted = []
    x, _ = cg(A, b, rtol=TOL, M=M, callback=counted.append)
    return x, len(counted)


def least_time(function, n_repeats):
    best = np.inf
    for _ in range(n_repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


@pytest.mark.parametrize("m", [32, 100, 200])
def test_ssor_cg(benchmark, m):
    A, b = system(m)
    x, n_iter = benchmark.pedantic(
        ssor_cg, (A, b, OMEGA), {"tol": TOL}, rounds=20, warmup_rounds=2
    )
    ours = benchmark.stats["min"]
    lines = [f"ssor_cg: {n_iter} iterations, {1e3 * ours:.2f} ms"]
    peers = {
        "scipy cg": (None, 10),
        "scipy cg, SuperLU SSOR": (ssor_preconditioner(A, "superlu"), 10),
    }
    if m == 32:
        slow = ssor_preconditioner(A, "spsolve_triangular")
        peers["scipy cg, spsolve_triangular SSOR"] = slow, 3
    for name, (M, n_repeats) in peers.items():
        theirs, (x_peer, n_peer) = least_time(lambda M=M: scipy_cg(A, b, M), n_repeats)
        lines.append(f"{name}: {n_peer} iterations, {1e3 * theirs:.2f} ms, {theirs / ours:.1f} x")
        benchmark.extra_info[name] = round(theirs / ours, 1)
        assert np.linalg.norm(x - x_peer) < 1e-5 * np.linalg.norm(x)
    print(f"\nn = {m * m}: " + "; ".join(lines))


@pytest.mark.parametrize("m", [100, 200])
def test_sor_sweeps(benchmark, m):
    """A hundred sweeps, whose residuals pyamg does not compute; ours has them and the set-up."""
    pyamg = pytest.importorskip("pyamg")
    A, b = system(m)
    n_sweeps = 100

    def ours():
        with pytest.warns(match="did not reach"):
            return sor(A, b, OMEGA, tol=0, maxiter=n_sweeps)

    def theirs():
        x = np.zeros_like(b)
        pyamg.relaxation.relaxation.sor(A32, x, b, OMEGA, iterations=n_sweeps)
        return x

    A32 = sparse.csr_matrix(A)
    x, _ = benchmark.pedantic(ours, rounds=10, warmup_rounds=1)
    peer, x_peer = least_time(theirs, 10)
    sweep = benchmark.stats["min"] / n_sweeps
    product, _ = least_time(lambda: A @ b, 50)
    assert np.allclose(x, x_peer)
    print(
        f"\nn = {m * m}: sor {1e6 * sweep:.0f} us a sweep with its residual; pyamg "
        f"{1e4 * peer:.0f} us without, {1e4 * peer + 1e6 * product:.0f} us with a product for it"
    )
