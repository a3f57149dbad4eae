"""Tucker against all core shapes, dense projections and singular value decompositions."""

import itertools
import pickle
import tracemalloc
from math import prod

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning

from skstruct.tensor import Tucker, _core_shape
from skstruct.tensor._core_shape import CoreShapes, best_for, cheapest_for, n_params
from skstruct.tensor._hooi import settled, singular, spectrum


def unfold(X, n):
    return np.moveaxis(X, n, 0).reshape(X.shape[n], -1)


def multiply(X, matrices):
    for n, U in enumerate(matrices):
        if U is not None:
            X = np.moveaxis(np.tensordot(U, X, (1, n)), 0, n)
    return X


def decaying(shape, rates, noise=0.02, seed=0):
    """A core whose slices decay at a rate of its own in each mode, rotated, and noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape)
    for n, (size, rate) in enumerate(zip(shape, rates, strict=True)):
        X *= np.exp(-rate * np.arange(size)).reshape(-1, *[1] * (len(shape) - n - 1))
    X = multiply(X, [np.linalg.qr(rng.standard_normal((size, size)))[0] for size in shape])
    scale = noise * np.linalg.norm(X) / np.sqrt(X.size)
    return X + scale * rng.standard_normal(shape)


def low_rank(shape, rank, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = multiply(
        rng.standard_normal(rank),
        [rng.standard_normal((size, r)) for size, r in zip(shape, rank, strict=True)],
    )
    return X + noise * X.std() * rng.standard_normal(shape)


def hosvd(X):
    return [np.linalg.svd(unfold(X, n), full_matrices=False)[0] for n in range(X.ndim)]


def truncated_share(X, vectors, rank):
    factors = [V[:, :r].T for V, r in zip(vectors, rank, strict=True)]
    return (multiply(X, factors) ** 2).sum() / (X**2).sum()


def useful(rank):
    return all(r * r <= prod(rank) for r in rank)


def shapes_of(shape):
    return [r for r in itertools.product(*[range(1, i + 1) for i in shape]) if useful(r)]


def dense(tucker):
    return multiply(tucker.core_, tucker.factors_)


# Core shapes


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("shape", [(7, 4, 6), (3, 9), (5, 2, 3, 4), (4, 1, 5)], ids=str)
def test_every_shape_is_looked_at(shape, table):
    X = decaying(shape, [0.1, 0.4, 0.2, 0.3][: len(shape)], noise=0.1)
    vectors, norm2 = hosvd(X), (X**2).sum()
    squares = [np.linalg.svd(unfold(X, n), compute_uv=False) ** 2 / norm2 for n in range(X.ndim)]
    share = {}
    for rank in shapes_of(shape):
        tails = sum(a[r:].sum() for a, r in zip(squares, rank, strict=True))
        share[rank] = truncated_share(X, vectors, rank) if table else 1 - tails
    spectra = [spectrum(X, n) for n in range(X.ndim)]
    full = n_params(shape, shape)
    for budget in {1 + sum(shape), 2 + sum(shape), full // 5, full // 3, full // 2, full}:
        if budget <= sum(shape):
            continue
        found, captured = CoreShapes(X, spectra, budget, table=table).best(budget)
        best = max(s for r, s in share.items() if n_params(shape, r) <= budget)
        assert captured == pytest.approx(share[found], abs=1e-10)
        assert captured == pytest.approx(best, abs=1e-10)
        assert n_params(shape, found) <= budget
    for error in (0.05, 0.2, 0.5, 0.9):
        found, captured = cheapest_for(X, spectra, error, table=table)
        assert captured == pytest.approx(share[found], abs=1e-10)
        assert captured >= 1 - error**2
        cost = min(n_params(shape, r) for r, s in share.items() if s >= 1 - error**2)
        assert n_params(shape, found) == cost


def test_one_table_serves_smaller_budgets():
    X = decaying((12, 9, 10), (0.1, 0.3, 0.2))
    spectra = [spectrum(X, n) for n in range(3)]
    many = CoreShapes(X, spectra, 600, table=True)
    for budget in (32, 100, 250, 599):
        alone = CoreShapes(X, spectra, budget, table=True).best(budget)
        assert many.best(budget)[0] == alone[0]
        assert many.best(budget)[1] == pytest.approx(alone[1], abs=1e-12)


def test_a_small_table_has_the_best_shape():
    X = decaying((30, 12, 25), (0.1, 0.3, 0.2))
    spectra = [spectrum(X, n) for n in range(3)]
    for budgets in ([68], [150], [400, 900], [3000, 150]):
        shapes = CoreShapes(X, spectra, max(budgets), table=True)
        for found, budget in zip(best_for(X, spectra, budgets, table=True), budgets, strict=True):
            assert found[0] == shapes.best(budget)[0]
            assert found[1] == pytest.approx(shapes.best(budget)[1], abs=1e-12)
    assert CoreShapes(X, spectra, 100, table=True, loss=0.01).cheapest(0.99) == (None, 0.0)
    loss = 1 - CoreShapes(X, spectra, 400, table=False).best(400)[1]
    small = CoreShapes(X, spectra, 400, table=True, loss=loss)
    assert small.values.size < 0.7 * CoreShapes(X, spectra, 400, table=True).values.size


@pytest.mark.parametrize("rank_method", ["table", "packing"])
def test_of_equal_shapes_the_cheapest(rank_method):
    X = low_rank((20, 15, 10), (4, 2, 3), noise=0)
    tucker = Tucker(max_params=2000, rank_method=rank_method).fit(X)
    assert tucker.rank_ == (4, 2, 3)
    assert tucker.reconstruction_err_ < 1e-12


def test_bounds_of_the_best_error():
    X = decaying((12, 9, 10), (0.1, 0.3, 0.2), noise=0.1)
    norm2 = (X**2).sum()
    squares = [np.linalg.svd(unfold(X, n), compute_uv=False) ** 2 / norm2 for n in range(3)]
    for rank in [(3, 3, 3), (5, 2, 4), (1, 1, 1), (6, 6, 6)]:
        tails = [a[r:].sum() for a, r in zip(squares, rank, strict=True)]
        best = Tucker(rank).fit(X).reconstruction_err_ ** 2
        table = 1 - truncated_share(X, hosvd(X), rank)
        assert max(tails) <= best <= table <= sum(tails)


def test_integer_programs_are_within_their_grid(monkeypatch):
    X = decaying((9, 5, 7, 4), (0.1, 0.3, 0.2, 0.4), noise=0.1)
    spectra = [spectrum(X, n) for n in range(4)]
    shapes = CoreShapes(X, spectra, 120, table=False)
    most, least = (shapes.best(budget)[1] for budget in (120, int(120 / 1.05)))
    cost = n_params(X.shape, cheapest_for(X, spectra, 0.5, table=False)[0])
    monkeypatch.setattr(_core_shape, "MOST_SHAPES", 5)
    rank, share = shapes.best(120)
    assert n_params(X.shape, rank) <= 120
    assert useful(rank)
    assert least - 1e-9 <= share <= most + 1e-9
    rank, share = cheapest_for(X, spectra, 0.5, table=False)
    assert share >= 0.75 - 1e-9
    assert useful(rank)
    assert cost <= n_params(X.shape, rank) <= 1.05 * cost


def test_a_table_that_is_too_large_is_not_made(monkeypatch):
    X = decaying((20, 15, 10), (0.1, 0.3, 0.2))
    spectra = [spectrum(X, n) for n in range(3)]
    monkeypatch.setattr(_core_shape, "MOST_ELEMENTS", 100)
    packing = CoreShapes(X, spectra, 500, table=False).best(500)
    assert CoreShapes(X, spectra, 500, table=True).best(500) == packing


def test_the_shape_is_nearly_the_best_and_better_than_equal_ranks():
    shape, budget = (30, 22, 15), 700
    X = decaying(shape, (0.05, 0.15, 0.5))
    auto = Tucker(max_params=budget).fit(X)
    assert auto.n_params_ <= budget
    maximal = [
        r
        for r in shapes_of(shape)
        if n_params(shape, r) <= budget
        and all(n_params(shape, (*r[:n], r[n] + 1, *r[n + 1 :])) > budget for n in range(3))
    ]
    assert len(maximal) > 20
    errors = [Tucker(r, tol=1e-4).fit(X).reconstruction_err_ for r in maximal]
    assert auto.reconstruction_err_ <= 1.02 * min(errors)
    equal = max(r for r in range(1, 16) if n_params(shape, (r, r, r)) <= budget)
    assert Tucker(equal).fit(X).reconstruction_err_ > 1.15 * auto.reconstruction_err_


@pytest.mark.parametrize("rank_method", ["table", "packing"])
@pytest.mark.parametrize("algorithm", ["hooi", "st_hosvd"])
@pytest.mark.parametrize("error", [0.5, 0.1, 0.03])
def test_an_error_is_kept(error, rank_method, algorithm):
    X = decaying((25, 10, 12), (0.1, 0.3, 0.2), seed=1)
    tucker = Tucker(error=error, rank_method=rank_method, algorithm=algorithm).fit(X)
    assert tucker.reconstruction_err_ <= error
    tucker.set_params(warm_start=True, error=error / 1.2).fit(X)
    assert tucker.reconstruction_err_ <= error / 1.2


def test_path_of_budgets():
    X = decaying((25, 10, 12), (0.1, 0.3, 0.2))
    budgets = [48, 200, 0.2, 10**6]
    path = Tucker().core_shape_path(X, budgets)
    assert [c for c, _, _ in path] == [48, 200, 600, 25 * 10 * 12 + 25**2 + 10**2 + 12**2]
    for budget, (_, rank, error) in zip(budgets, path, strict=True):
        tucker = Tucker(max_params=budget).fit(X)
        assert tucker.rank_ == rank
        assert tucker.reconstruction_err_ <= error + 1e-7
        assert tucker.reconstruction_err_ > 0.9 * error - 1e-7
    errors = [error for _, _, error in path]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(ValueError, match="budgets=47 is a budget of 47 numbers"):
        Tucker().core_shape_path(X, [47])


# Factors


def naive_hooi(X, rank, n_sweeps):
    factors = [V[:, :r] for V, r in zip(hosvd(X), rank, strict=True)]
    for _ in range(n_sweeps):
        for n in range(X.ndim):
            others = [None if m == n else U.T for m, U in enumerate(factors)]
            Y = unfold(multiply(X, others), n)
            factors[n] = np.linalg.svd(Y, full_matrices=False)[0][:, : rank[n]]
    core = multiply(X, [U.T for U in factors])
    return np.sqrt(1 - (core**2).sum() / (X**2).sum()), factors


@pytest.mark.parametrize(
    ("shape", "rank"),
    [
        ((14, 9, 11), (4, 3, 5)), ((14, 9, 11), (4, 9, 5)), ((50, 3, 4), (10, 3, 4)),
        ((8, 5, 6, 7), (3, 2, 2, 4)), ((5, 4, 3, 4, 3), (2, 2, 2, 3, 2)), ((3, 40, 2), (2, 4, 2)),
        ((3, 2, 40), (3, 1, 3)), ((12, 9), (4, 4)), ((6, 1, 7), (3, 1, 3)),
    ],
)  # fmt: skip
def test_factors_are_those_of_alternating_projections(shape, rank):
    X = low_rank(shape, tuple(min(r + 1, i) for r, i in zip(rank, shape, strict=True)), 0.3)
    tucker = Tucker(rank, tol=0, max_iter=500).fit(X)
    assert tucker.rank_ == rank == tucker.core_.shape
    assert tucker.n_params_ == tucker.core_.size + sum(U.size for U in tucker.factors_)
    for U in tucker.factors_:
        assert_allclose(U.T @ U, np.eye(len(U.T)), atol=1e-10)
        assert (np.take_along_axis(U, np.abs(U).argmax(0)[None], 0) > 0).all()
    assert_allclose(tucker.core_, multiply(X, [U.T for U in tucker.factors_]), atol=1e-8)
    residual = np.linalg.norm(X - dense(tucker)) / np.linalg.norm(X)
    assert tucker.reconstruction_err_ == pytest.approx(residual, rel=1e-9)
    error, factors = naive_hooi(X, rank, 300)
    assert tucker.reconstruction_err_ <= error + 1e-7
    if tucker.reconstruction_err_ > error - 1e-7:  # the same optimum: the same subspaces
        for U, V in zip(tucker.factors_, factors, strict=True):
            assert_allclose(U @ U.T, V @ V.T, atol=1e-3)
    rows = unfold(tucker.core_, 0)
    assert_allclose(rows @ rows.T, np.diag((rows**2).sum(axis=1)), atol=1e-8)


@pytest.mark.parametrize("rank", [(5, 3, 4), (12, 5, 6)])
@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_levels_find_what_sweeps_of_the_tensor_find(rank, rate):
    X = decaying((64, 30, 90), (rate, rate, rate), noise=0.3)
    error, _ = naive_hooi(X, rank, 20)
    tucker = Tucker(rank).fit(X)
    assert tucker.reconstruction_err_ <= error + 1e-5
    assert tucker.n_iter_ <= 8


@pytest.mark.parametrize("rate", [0.001, 0.1, 1.0])
def test_subspace_iteration_captures_what_eigenvectors_do(rate):
    rng = np.random.default_rng(0)
    V = np.linalg.qr(rng.standard_normal((90, 90)))[0]
    values = np.exp(-rate * np.arange(90))
    W = settled((V * values) @ V.T, rng.standard_normal((90, 9)), 4)
    assert W.shape == (90, 9)
    assert_allclose(W.T @ W, np.eye(9), atol=1e-12)
    captured = ((V.T @ W[:, :4]) ** 2 * values[:, None]).sum()
    assert captured == pytest.approx(values[:4].sum(), abs=1e-4 * values[4:].sum())


def test_st_hosvd_is_near():
    X = decaying((30, 20, 25), (0.1, 0.15, 0.12), noise=0.3)
    best = Tucker((5, 4, 6)).fit(X).reconstruction_err_
    for tucker in (
        Tucker((5, 4, 6), algorithm="st_hosvd").fit(X),
        Tucker(max_params=400, algorithm="st_hosvd").fit(X),
    ):
        best = Tucker(tucker.rank_).fit(X).reconstruction_err_
        assert best < tucker.reconstruction_err_ < 1.05 * best
        assert tucker.n_iter_ == 1


def test_a_matrix_is_cut_as_by_singular_values():
    X = load_digits().data
    tucker = Tucker(10).fit(X)
    svd = TruncatedSVD(10, algorithm="arpack", random_state=0).fit(X)
    assert_allclose(np.abs(tucker.components_), np.abs(svd.components_), atol=1e-8)
    assert_allclose(np.abs(tucker.transform(X)), np.abs(svd.transform(X)), atol=1e-6)
    assert_allclose(np.sqrt((tucker.core_**2).sum(axis=1)), svd.singular_values_, rtol=1e-10)
    slow = np.diag(np.arange(100.0))
    tail = np.sqrt((slow[:96, :96] ** 2).sum() / (slow**2).sum())
    tucker = Tucker(4).fit(slow)
    assert tucker.reconstruction_err_ == pytest.approx(tail, rel=1e-12)
    assert_allclose(np.abs(tucker.components_[:, 96:]), np.eye(4)[::-1], atol=1e-8)
    auto = Tucker(error=0.2).fit(X)
    values = np.linalg.svd(X, compute_uv=False)
    assert_allclose(auto.spectra_[0], values, atol=1e-5)
    tails = np.sqrt(1 - np.cumsum(values**2) / (values**2).sum())
    assert auto.rank_ == (np.argmax(tails <= 0.2) + 1,) * 2


@pytest.mark.parametrize("shape", [(200, 3, 4), (3, 200, 4), (3, 4, 200), (6, 30, 5)])
def test_singular_vectors_of_long_and_short_modes(shape):
    X = decaying(shape, (0.3, 0.2, 0.4))
    for n in range(3):
        U, values, _ = np.linalg.svd(unfold(X, n), full_matrices=False)
        W, squares = spectrum(X, n)
        assert_allclose(squares, values**2, rtol=1e-9, atol=1e-12 * values[0] ** 2)
        assert len(W) == min(shape[n], X.size // shape[n])
        found = singular(X, n, 3)
        assert_allclose(np.abs((U[:, :3] * found).sum(axis=0)), 1, atol=1e-10)


def test_random_subspaces_find_what_is_there():
    X = low_rank((40, 60, 12), (5, 4, 3), 0.05)
    exact = Tucker((5, 4, 3), sketch=False).fit(X)
    start = Tucker((5, 4, 3), sketch=True, algorithm="st_hosvd", random_state=0).fit(X)
    assert start.reconstruction_err_ == pytest.approx(exact.reconstruction_err_, rel=1e-3)
    other = clone(start).set_params(random_state=1).fit(X)
    assert other.reconstruction_err_ != start.reconstruction_err_
    tucker = Tucker((5, 4, 3), sketch=True, random_state=0).fit(X)
    assert tucker.reconstruction_err_ == pytest.approx(exact.reconstruction_err_, rel=1e-6)
    long = low_rank((22, 500, 25), (2, 3, 2), 0.05)
    auto = Tucker((2, 3, 2), algorithm="st_hosvd", random_state=0).fit(long)
    again = Tucker((2, 3, 2), algorithm="st_hosvd", random_state=1).fit(long)
    assert auto.reconstruction_err_ == pytest.approx(again.reconstruction_err_, rel=1e-3)
    assert auto.reconstruction_err_ != again.reconstruction_err_


def test_whole_modes():
    X = low_rank((30, 6, 5), (4, 3, 3), 0.3)
    assert Tucker((None, 3, 2)).fit(X).rank_ == (6, 3, 2)
    assert Tucker((4, None, 2)).fit(X).rank_ == (4, 6, 2)
    assert Tucker((None, None, None)).fit(X).reconstruction_err_ < 1e-14
    whole = Tucker((4, None, 2)).fit(X)
    assert whole.reconstruction_err_ == Tucker((4, 6, 2)).fit(X).reconstruction_err_


def test_warm_start():
    X = decaying((30, 20, 25), (0.05, 0.05, 0.05), noise=0.3)
    cold = Tucker((6, 6, 6), tol=1e-5).fit(X)
    warm = Tucker((6, 6, 6), tol=1e-5, warm_start=True).fit(X)
    first = warm.reconstruction_err_
    assert warm.fit(X).n_iter_ == 1
    assert warm.reconstruction_err_ <= first
    for rank in [(9, 5, 7), (3, 6, 2)]:  # wider, narrower, in several modes
        warm.set_params(rank=rank).fit(X)
        cold = Tucker(rank, tol=1e-5).fit(X)
        assert [U.shape[1] for U in warm.factors_] == list(rank)
        assert warm.reconstruction_err_ == pytest.approx(cold.reconstruction_err_, rel=2e-3)
    half = warm.fit(X[:15])  # other samples
    assert half.factors_[0].shape == (15, 3)
    other = warm.set_params(rank=(4, 3, 3)).fit(X[:, :10])  # rows of another shape: from the start
    assert (
        other.reconstruction_err_ == Tucker((4, 3, 3), tol=1e-5).fit(X[:, :10]).reconstruction_err_
    )


def test_too_few_sweeps_are_said():
    X = decaying((30, 20, 25), (0.02, 0.02, 0.02), noise=1.0)
    with pytest.warns(ConvergenceWarning, match=r"tol=0\.0 in the last of max_iter=1 sweeps"):
        tucker = Tucker((4, 4, 4), max_iter=1, tol=0.0).fit(X)
    assert tucker.n_iter_ == 1


def test_small_errors_do_not_drown_in_norms():
    X = low_rank((20, 15, 10), (3, 2, 4), noise=0)
    noise = np.random.default_rng(1).standard_normal(X.shape)
    X += 1e-9 * np.linalg.norm(X) * noise / np.linalg.norm(noise)
    tucker = Tucker((3, 2, 4)).fit(X)
    residual = np.linalg.norm(X - dense(tucker)) / np.linalg.norm(X)
    assert tucker.reconstruction_err_ == pytest.approx(residual, rel=1e-3)
    assert 0.8e-9 < tucker.reconstruction_err_ < 1.01e-9


# The estimator


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_are_projected_on_components(dtype):
    X = load_digits().data.astype(dtype)
    train, test = X[:1200], X[1200:]
    tucker = Tucker((12, 5, 4), tensor_shape=(8, 8)).fit(train)
    V = tucker.components_
    atol = 1e-9 if dtype == np.float64 else 1e-4
    assert V.dtype == tucker.core_.dtype == tucker.factors_[1].dtype == dtype
    assert_allclose(V @ V.T, np.eye(12), atol=atol)
    scores = tucker.transform(test)
    assert scores.dtype == dtype
    assert_allclose(scores, test @ V.T, atol=50 * atol)
    assert_allclose(tucker.transform(test[:3]), scores[:3], atol=50 * atol)
    back = tucker.inverse_transform(scores)
    assert back.dtype == dtype
    assert_allclose(back, scores @ V, atol=50 * atol)
    lost = ((test - back) ** 2).sum() / (test**2).sum()
    assert tucker.score(test) == pytest.approx(1 - lost, abs=1e-5)
    # Of the training rows they are the factor of the samples with its scale.
    values = np.sqrt((unfold(tucker.core_, 0) ** 2).sum(axis=1))
    assert_allclose(tucker.transform(train), tucker.factors_[0] * values, atol=500 * atol)
    assert_allclose(
        tucker.inverse_transform(tucker.transform(train)),
        dense(tucker).reshape(len(train), -1), atol=500 * atol,
    )  # fmt: skip
    assert tucker.score(train) == pytest.approx(1 - tucker.reconstruction_err_**2, abs=1e-5)
    assert_array_equal(
        clone(tucker).fit_transform(train), clone(tucker).fit(train).transform(train)
    )
    assert list(tucker.get_feature_names_out()[:2]) == ["tucker0", "tucker1"]


def test_float32_chooses_as_float64():
    X = decaying((25, 10, 12), (0.1, 0.3, 0.2))
    for params in ({"error": 0.05}, {"max_params": 500}, {"rank": (5, 3, 4)}):
        double = Tucker(**params).fit(X)
        single = Tucker(**params).fit(X.astype(np.float32))
        assert single.rank_ == double.rank_
        assert single.reconstruction_err_ == pytest.approx(double.reconstruction_err_, rel=1e-4)


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-9), (np.float32, 1e-5)])
@pytest.mark.parametrize("rank_method", ["table", "packing"])
def test_errors_below_rounding_take_all_there_is(dtype, error, rank_method):
    X = np.random.default_rng(0).standard_normal((12, 6, 7)).astype(dtype)
    tucker = Tucker(error=error, rank_method=rank_method).fit(X)
    assert tucker.rank_ == (12, 6, 7)
    assert tucker.reconstruction_err_ < 50 * np.finfo(dtype).eps


def test_small_errors_of_float32():
    X = low_rank((40, 15, 10), (3, 2, 4), noise=1e-3).astype(np.float32)
    single = Tucker((3, 2, 4)).fit(X)
    double = Tucker((3, 2, 4)).fit(X.astype(np.float64))
    assert single.reconstruction_err_ == pytest.approx(double.reconstruction_err_, rel=1e-4)


def test_folded_rows():
    X = decaying((25, 10, 12), (0.1, 0.3, 0.2))
    folded = Tucker(max_params=500).fit(X)
    flat = Tucker(max_params=500, tensor_shape=(10, 12)).fit(X.reshape(25, -1))
    assert folded.rank_ == flat.rank_
    assert folded.tensor_shape_ == (10, 12)
    assert folded.n_features_in_ == 120
    assert_array_equal(folded.transform(X), flat.transform(X.reshape(25, -1)))
    with pytest.raises(ValueError, match=r"tensor_shape=\(8, 9\) has 72 elements, X has 120"):
        Tucker(tensor_shape=(8, 9)).fit(X.reshape(25, -1))
    copy = pickle.loads(pickle.dumps(folded))
    assert_array_equal(copy.transform(X), folded.transform(X))


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("dtype", "factor"),
    [
        (np.float64, 2.0**-600), (np.float64, 2.0**600), (np.float64, 2.0**1000),
        (np.float32, 2.0**-102), (np.float32, 2.0**110),
    ],
)  # fmt: skip
def test_scales(dtype, factor):
    X = decaying((12, 6, 7), (0.1, 0.3, 0.2)).astype(dtype)
    X /= np.abs(X).max()
    one = Tucker(error=0.1).fit(X)
    other = Tucker(error=0.1).fit(X * dtype(factor))
    assert other.rank_ == one.rank_
    assert other.reconstruction_err_ == pytest.approx(one.reconstruction_err_, rel=1e-4)
    assert_allclose(other.core_ / dtype(factor), one.core_, rtol=1e-3, atol=1e-5)
    assert_allclose(
        other.transform(X * dtype(factor)) / dtype(factor), one.transform(X), atol=1e-4
    )
    assert other.score(X * dtype(factor)) == pytest.approx(one.score(X), rel=1e-5)


def test_nothing_and_a_single_row():
    tucker = Tucker().fit(np.zeros((5, 3, 4)))
    assert tucker.rank_ == (1, 1, 1)
    assert tucker.reconstruction_err_ == 0
    assert tucker.score(np.zeros((2, 12))) == 1
    assert_array_equal(tucker.transform(np.ones((2, 12))).shape, (2, 1))
    X = decaying((1, 8, 9), (0.1, 0.3, 0.3))
    single = Tucker(error=0.05).fit(X)
    assert single.rank_[0] == 1
    assert single.rank_[1] == single.rank_[2]
    assert single.reconstruction_err_ <= 0.05


@pytest.mark.parametrize(
    "params",
    [
        {"rank": (3, 3, 3)}, {"max_params": 600}, {"max_params": 600, "rank_method": "packing"},
        {"rank": (3, 3, 3), "algorithm": "st_hosvd"}, {"rank": (3, 3, 3), "sketch": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(80, 50, 120), (120, 80, 50)], ids=str)
def test_nothing_is_unfolded(shape, params):
    """Besides the tensor there are one of which a mode is cut, and Gram matrices."""
    fit_peak, transform_peak = peaks(shape, params)
    assert fit_peak < 0.2 * 8 * prod(shape) + 12 * 8 * 120**2 + 2**20
    assert transform_peak < 0.1 * 8 * prod(shape) + 2**20


def test_many_samples_need_no_matrix_of_pairs():
    fit_peak, transform_peak = peaks((4000, 30, 30), {"rank": (3, 3, 3), "sketch": False})
    assert fit_peak < 0.5 * 8 * 4000 * 900
    assert transform_peak < 0.2 * 8 * 4000 * 900


def peaks(shape, params):
    X = np.random.default_rng(0).standard_normal((shape[0], prod(shape[1:])))
    tucker = Tucker(**params, tensor_shape=shape[1:], tol=1e-2, random_state=0)
    tracemalloc.start()
    tucker.fit(X)
    fit_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    tucker.transform(X)
    transform_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return fit_peak, transform_peak


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_params": 50, "error": 0.1}, r"max_params=50 and error=0\.1; only one"),
        ({"rank": 2, "error": 0.1}, r"error=0\.1 and rank=2; only rank='auto'"),
        ({"rank": 2, "max_params": 90}, "max_params=90 and rank=2"),
        ({"max_params": 21}, r"max_params=21 is a budget of 21 .* \(10, 5, 6\), have 22"),
        ({"max_params": 0.01}, r"max_params=0\.01 is a budget of 3 numbers"),
        ({"max_params": 1.5}, "max_params"),
        ({"error": 1.0}, "error"),
        ({"rank": (2, 2)}, r"rank=\(2, 2\) has 2 elements; a tensor of shape \(10, 5, 6\)"),
        ({"rank": (2, 6, 2)}, r"rank=\(2, 6, 2\): mode 1 has size 5.* from 1 to 5"),
        ({"rank": 7}, r"rank=7: mode 1 has size 5"),
        ({"rank": (2, 0, 2)}, r"rank=\(2, 0, 2\): mode 1"),
        ({"rank": (2, 2.0, 2)}, "mode 1 has size 5"),
        ({"rank": (5, 2, 2)}, r"rank of mode 0 must not be more than the product 4"),
        ({"rank": "all"}, "rank"),
        ({"sketch": "never"}, "sketch"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        Tucker(**params).fit(np.random.default_rng(0).standard_normal((10, 5, 6)))


def test_coordinates_have_as_many_columns_as_components():
    X = np.random.default_rng(0).standard_normal((10, 5, 6))
    with pytest.raises(ValueError, match=r"X has 3 columns; coordinates .* have 2"):
        Tucker(2).fit(X).inverse_transform(np.ones((4, 3)))
