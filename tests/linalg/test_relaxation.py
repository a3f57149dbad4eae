"""Iterates beside the formulas with dense matrices, counts beside textbook loops, and limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skstruct.linalg import sor, ssor_cg

SOLVERS = [sor, ssor_cg]
OMEGAS = [0.4, 1.0, 1.5, 1.9]


def laplacian(m, n, shift=0.0):
    rows, columns = (
        sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(k, k)) for k in (m, n)
    )
    return (sparse.kronsum(columns, rows) + shift * sparse.eye_array(m * n)).tocsr()


def random_system(n, seed, density=0.3):
    """Return a symmetric positive definite matrix with an uneven diagonal, and a right side."""
    rng = np.random.default_rng(seed)
    half = sparse.random_array((n, n), density=density, rng=rng, data_sampler=rng.standard_normal)
    scale = sparse.diags_array(10 ** rng.uniform(-0.5, 0.5, n))
    A = scale @ (half @ half.T + sparse.eye_array(n)) @ scale
    return sparse.csr_array(A), rng.standard_normal(n)


def sor_by_rows(A, b, omega, x0, tol, maxiter=10_000):
    x, limit = x0.copy(), tol * np.linalg.norm(b - A @ x0)
    n_iter = 0
    while n_iter == 0 or (np.linalg.norm(b - A @ x) > limit and n_iter < maxiter):
        n_iter += 1
        for i in range(len(b)):
            others = A[i] @ x - A[i, i] * x[i]
            x[i] = (1 - omega) * x[i] + omega * (b[i] - others) / A[i, i]
    return x, n_iter


def pcg_by_matrices(A, b, omega, x0, tol, maxiter=10_000):
    D, L = np.diag(np.diag(A)), np.tril(A, -1)
    M = omega / (2 - omega) * (D / omega + L) @ np.linalg.inv(D) @ (D / omega + L).T
    x, r = x0.copy(), b - A @ x0
    p = z = np.linalg.solve(M, r)
    n_iter = 0
    while np.linalg.norm(r) > tol * np.linalg.norm(b) and n_iter < maxiter:
        n_iter += 1
        alpha = r @ z / (p @ A @ p)
        x, r_before, z_before = x + alpha * p, r, z
        r = r - alpha * A @ p
        z = np.linalg.solve(M, r)
        p = z + (r @ z) / (r_before @ z_before) * p
    return x, n_iter


REFERENCES = [(sor, sor_by_rows), (ssor_cg, pcg_by_matrices)]


@pytest.mark.parametrize(("solver", "reference"), REFERENCES)
@pytest.mark.parametrize("omega", OMEGAS)
@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_iterates_and_counts_are_those_of_the_textbook(solver, reference, omega, tol):
    systems = [(laplacian(7, 5, 0.1), np.random.default_rng(0).normal(size=35))]
    systems += [random_system(20, seed) for seed in range(3)]
    for A, b in systems:
        x0 = np.random.default_rng(1).normal(size=len(b))
        x, n_iter = solver(A, b, omega, x0=x0, tol=tol)
        expected, n_expected = reference(A.toarray(), b, omega, x0, tol)
        assert n_iter == n_expected
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize(("solver", "reference"), REFERENCES)
def test_first_iterates(solver, reference):
    A, b = random_system(15, 7)
    x0 = np.ones(15)
    for maxiter in (1, 2, 3):
        expected, _ = reference(A.toarray(), b, 1.3, x0, 0.0, maxiter)
        with pytest.warns(ConvergenceWarning, match=f"maxiter={maxiter}"):
            x, n_iter = solver(A, b, 1.3, x0=x0, tol=0.0, maxiter=maxiter)
        assert n_iter == maxiter
        np.testing.assert_allclose(x, expected, rtol=1e-10)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 25), st.integers(0, 10**6), st.floats(0.2, 1.9), st.floats(0.05, 1))
def test_ssor_cg_solves(n, seed, omega, density):
    A, b = random_system(n, seed, density)
    x, _ = ssor_cg(A, b, omega, tol=1e-9)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)


def test_sor_solves_what_is_not_symmetric():
    rng = np.random.default_rng(0)
    A = sparse.random_array((300, 300), density=0.02, rng=rng).tocsr()
    A = A + sparse.diags_array(np.sign(rng.normal(size=300)) * (1.1 * A.sum(axis=1) + 0.1))
    b = rng.normal(size=300)
    x, n_iter = sor(A, b, 0.9)
    assert np.linalg.norm(b - A @ x) <= 1.01e-8 * np.linalg.norm(b)
    assert n_iter < 200


def test_relaxation_pays():
    A = laplacian(60, 60, 0.01)
    b = np.random.default_rng(0).normal(size=3600)
    assert sor(A, b, 1.8)[1] < 0.15 * sor(A, b)[1]
    assert ssor_cg(A, b, 1.7)[1] < 0.7 * ssor_cg(A, b)[1]


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_kind_of_matrix(solver):
    A, b = random_system(12, 3)
    expected = solver(A, b, 1.2)
    columns = A.tocsc()
    shuffled = A.copy()
    for i in range(12):
        row = slice(*A.indptr[i : i + 2])
        shuffled.indices[row] = A.indices[row][::-1]
        shuffled.data[row] = A.data[row][::-1]
    shuffled.has_sorted_indices = False
    before = shuffled.indices.copy()
    entries = A.tocoo()
    twice = sparse.coo_array(
        (np.tile(entries.data / 2, 2), [np.tile(c, 2) for c in entries.coords]), shape=A.shape
    )
    wide = sparse.csr_array((A.data, A.indices.astype(np.int64), A.indptr.astype(np.int64)))
    for same in (A.toarray(), columns, shuffled, twice, wide, sparse.csr_matrix(A)):
        x, n_iter = solver(same, list(b), 1.2)
        assert n_iter == expected[1]
        np.testing.assert_allclose(x, expected[0], rtol=1e-12)
    np.testing.assert_array_equal(shuffled.indices, before)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_units_do_not_matter(solver, scale):
    A, b = random_system(12, 4)
    x, n_iter = solver(A, b, 1.2)
    for unit_A, unit_b in ((scale, 1.0), (1.0, scale)):
        other, n_other = solver(unit_A * A, unit_b * b, 1.2)
        assert n_other == n_iter
        np.testing.assert_allclose(other * (unit_A / unit_b), x, rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_start(solver):
    A, b = laplacian(5, 4), np.ones(20)
    exact = np.linalg.solve(A.toarray(), b)
    integers = np.arange(20.0)
    x, n_iter = solver(A, A @ integers, x0=integers)
    assert n_iter == 0
    np.testing.assert_allclose(x, integers, atol=1e-12)
    start = np.zeros(20)
    _, n_near = solver(A, b, x0=exact + 1e-7, tol=1e-5)
    far, n_far = solver(A, b, x0=start, tol=1e-9)
    assert not start.any()
    assert n_near < n_far
    np.testing.assert_allclose(far, exact, rtol=1e-6)
    zeros, n_iter = solver(A, np.zeros(20))
    assert n_iter == 0
    assert not zeros.any()


def test_one_unknown():
    for solver in SOLVERS:
        x, n_iter = solver([[4.0]], [2.0])
        assert (x.tolist(), n_iter) == ([0.5], 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"omega": 0.0}, "omega must be between 0 and 2, both excluded; got 0.0"),
        ({"omega": 2.0}, "got 2.0"),
        ({"omega": np.nan}, "got nan"),
        ({"tol": -1.0}, "tol must not be negative, got -1.0"),
        ({"maxiter": -1}, "maxiter must not be negative, got -1"),
        ({"A": 1j * np.eye(2)}, "A must be real"),
        ({"b": np.array([1, 1j])}, "b must be real"),
        ({"A": np.ones(2)}, r"got shape \(2,\)"),
        ({"A": np.ones((2, 3))}, r"square matrix with at least one row, got shape \(2, 3\)"),
        ({"A": np.ones((0, 0))}, r"got shape \(0, 0\)"),
        ({"b": np.ones(3)}, r"b must have shape \(2,\) as A has, got \(3,\)"),
        ({"x0": np.ones((2, 1))}, r"x0 must have shape \(2,\) as A has, got \(2, 1\)"),
        ({"A": np.array([[1, np.nan], [0, 1]])}, "A must be finite"),
        ({"b": np.array([1, np.inf])}, "b must be finite"),
        ({"x0": np.array([np.nan, 0])}, "x0 must be finite"),
        ({"A": np.array([[1.0, 1.0], [1.0, 0.0]])}, "in row 1"),
    ],
)
def test_bad_input(solver, change, message):
    with pytest.raises(ValueError, match=message):
        solver(**{"A": np.eye(2), "b": np.ones(2), **change})


def test_what_is_not_positive_definite():
    with pytest.raises(ValueError, match=r"positive diagonal, got -1\.0 in row 1"):
        ssor_cg(np.diag([1.0, -1.0]), np.ones(2))
    with pytest.raises(ValueError, match=r"must be positive definite: in iteration 1 .* negative"):
        ssor_cg(np.array([[1.0, 3.0], [3.0, 1.0]]), np.array([1.0, -1.0]))


def test_what_does_not_converge():
    with pytest.warns(ConvergenceWarning, match="maxiter=3000 sweeps with omega=1.0"):
        assert sor(np.array([[1.0, 3.0], [3.0, 1.0]]), np.ones(2), maxiter=3000)[1] == 3000


def test_rounding_ends_conjugate_gradients_at_last():
    A, b = laplacian(4, 3), np.ones(12)
    with pytest.warns(ConvergenceWarning, match=r"did not reach tol=0 in \d+ iterations"):
        x, _ = ssor_cg(A, b, tol=0)
    np.testing.assert_allclose(A @ x, b, rtol=1e-12)


def test_maxiter_is_an_integer():
    for solver in SOLVERS:
        with pytest.raises(TypeError):
            solver(np.eye(2), np.ones(2), maxiter=1.5)
