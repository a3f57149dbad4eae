"""The rows of a factor from sorted entries, against dense algebra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skstruct.tensor._entries import (
    encode,
    find_categories,
    other_factors,
    pad,
    row_ranges,
    row_update,
    sort_by_mode,
    values,
)


def problem(rank, sizes, n_entries, seed=0):
    """Return (index, y, weight, factors); the last slice of each mode is empty."""
    rng = np.random.default_rng(seed)
    index = np.column_stack([rng.integers(0, size - 1, n_entries) for size in sizes])
    factors = [rng.standard_normal((size, rank)) for size in sizes]
    return (
        index.astype(np.int32), rng.standard_normal(n_entries), rng.random(n_entries), factors
    )  # fmt: skip


def systems(index, y, weight, factors, mode, alpha, precision, shift):
    """Return the G_i and b_i of all rows, by NumPy."""
    z = np.prod([f[index[:, k]] for k, f in enumerate(factors) if k != mode], axis=0)
    G = np.tile(precision, (len(factors[mode]), 1, 1))
    b = np.broadcast_to(shift, factors[mode].shape).copy()
    np.add.at(G, index[:, mode], alpha * weight[:, None, None] * z[:, :, None] * z[:, None, :])
    np.add.at(b, index[:, mode], alpha * (weight * y)[:, None] * z)
    return G, b


def run(index, y, weight, factors, mode, alpha, precision, shift, noise=None, ranges=None, **opts):
    rank = precision.shape[0]
    padded = [pad(f) for f in factors]
    out, others = padded[mode].copy(), other_factors(padded, mode, rank)
    entries = sort_by_mode(index, [len(f) for f in factors])[mode]
    explained = np.full(len(out), np.nan)
    Lambda = np.zeros((out.shape[1], out.shape[1]))
    Lambda[:rank, :rank] = precision
    for start, stop in ranges or [(0, len(out))]:
        row_update(
            out, entries.ptr, entries.index, y[entries.order],
            None if weight is None else weight[entries.order], others, alpha, Lambda,
            pad(np.atleast_2d(shift)), None if noise is None else pad(noise), explained, rank,
            start, stop, **opts,
        )  # fmt: skip
    assert_array_equal(out[:, rank:], 0)
    return out[:, :rank], explained


@pytest.mark.parametrize("rank", [1, 5, 8, 13, 30])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_solution(rank, mode):
    index, y, weight, factors = problem(rank, (11, 7, 5), 800)
    rng = np.random.default_rng(1)
    B = rng.standard_normal((rank, rank))
    precision, shift = B @ B.T + np.eye(rank), rng.standard_normal(factors[mode].shape)
    arguments = (index, y, weight, factors, mode, 0.7, precision, shift)
    G, b = systems(*arguments)
    expected = np.linalg.solve(G, b[..., None])[..., 0]
    out, explained = run(*arguments)
    assert_allclose(out, expected, rtol=1e-9, atol=1e-11)
    fit = values(index, [pad(f) for f in [*factors[:mode], out, *factors[mode + 1 :]]])
    rest = weight @ (y - fit) ** 2
    assert_allclose(weight @ y**2 - explained.sum(), rest, rtol=1e-10)


def test_draws_have_the_moments_of_the_posterior():
    rank = 3
    index, y, weight, factors = problem(rank, (4, 6, 5), 60)
    precision, shift = np.eye(rank) + 0.3, np.ones(rank)
    factors[0] = np.repeat(factors[0][:1], 20_000, axis=0)
    index[:, 0] = 0
    # Slices without entries are draws from the prior, N(precision^-1 shift, precision^-1).
    noise = np.random.default_rng(0).standard_normal((20_000, rank))
    out, _ = run(index, y, weight, factors, 0, 1.0, precision, shift, noise)
    covariance = np.linalg.inv(precision)
    assert_allclose(out[1:].mean(axis=0), covariance @ shift, atol=0.02)
    assert_allclose(np.cov(out[1:].T), covariance, atol=0.03)
    # And any row is L'^-1 (L^-1 b + noise) with its own G = L L'.
    G, b = systems(index, y, weight, factors, 0, 1.0, precision, shift)
    L = np.linalg.cholesky(G[0])
    expected = np.linalg.solve(L.T, np.linalg.solve(L, b[0]) + noise[0])
    assert_allclose(out[0], expected, rtol=1e-10)


def test_weights_are_repetitions():
    index, y, _, factors = problem(4, (9, 8, 6), 300)
    times = np.random.default_rng(2).integers(0, 4, len(y))
    once = run(index, y, times.astype(float), factors, 1, 2.0, np.eye(4), np.zeros(4))
    again = run(
        np.repeat(index, times, axis=0), np.repeat(y, times), None, factors, 1, 2.0, np.eye(4),
        np.zeros(4),
    )  # fmt: skip
    assert_allclose(once[0], again[0], rtol=1e-10)


@pytest.mark.parametrize("rank", [6, 12])
def test_nonnegative_rows_satisfy_the_optimality_conditions(rank):
    index, y, weight, factors = problem(rank, (9, 8, 6), 900)
    factors = [np.abs(f) for f in factors]
    arguments = (index, y, weight, factors, 0, 1.0, 0.1 * np.eye(rank), np.zeros(rank))
    out, _ = run(*arguments, n_passes=10_000, tol=1e-14)
    G, b = systems(*arguments)
    gradient = np.einsum("irs,is->ir", G, out) - b
    assert (out >= 0).all()
    assert (out == 0).any()
    assert_allclose(gradient[out > 0], 0, atol=1e-8)
    assert (gradient[out == 0] > -1e-8).all()


def test_ranges_give_the_same_rows():
    arguments = (*problem(6, (50, 8, 6), 2000), 0, 1.0, np.eye(6), np.zeros(6))
    entries = sort_by_mode(arguments[0], [50, 8, 6])[0]
    ranges = row_ranges(entries.ptr, 7)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 50
    assert [stop for _, stop in ranges[:-1]] == [start for start, _ in ranges[1:]]
    whole, parts = run(*arguments), run(*arguments, ranges=ranges)
    assert_array_equal(whole[0], parts[0])
    assert_array_equal(whole[1], parts[1])


def test_singular_system_without_a_prior():
    index, y, weight, factors = problem(5, (40, 8, 6), 60)
    out, _ = run(index, y, weight, factors, 0, 1.0, np.zeros((5, 5)), np.zeros(5))
    assert np.isfinite(out).all()
    assert_array_equal(out[-1], 0)  # no entries, no prior


def test_one_mode_is_a_mean_of_each_slice():
    index, y, weight, factors = problem(1, (9,), 100)
    out, _ = run(index, y, weight, factors, 0, 1.0, np.zeros((1, 1)), np.zeros(1))
    total = np.bincount(index[:, 0], weight * y)
    assert_allclose(out[:-1, 0], total / np.bincount(index[:, 0], weight), rtol=1e-12)


def test_sorted_entries():
    index, _, _, factors = problem(2, (9, 8, 6), 500)
    for mode, entries in enumerate(sort_by_mode(index, [len(f) for f in factors])):
        assert_array_equal(np.sort(entries.order), np.arange(500))
        assert_array_equal(entries.order, np.argsort(index[:, mode], kind="stable"))
        counts = np.bincount(index[:, mode], minlength=len(factors[mode]))
        assert_array_equal(np.diff(entries.ptr), counts)
        others = np.delete(index, mode, axis=1)
        assert_array_equal(entries.index, others[entries.order])


def test_categories():
    X = np.array([[2.5, 7.0], [-1.0, 7.0], [2.5, 3.0]])
    categories = find_categories(X, None)
    assert_array_equal(categories[0], [-1, 2.5])
    assert_array_equal(encode(X, categories, numbered=False), [[1, 1], [0, 1], [1, 0]])
    unknown = encode(np.array([[0.0, 8.0], [9.0, 3.0]]), categories, numbered=False)
    assert_array_equal(unknown, [[2, 2], [2, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint8, np.int64])
def test_categories_without_gaps(dtype):
    # These are found by a subtraction, which may wrap around.
    known = np.arange(5, 100).astype(dtype)[:, None]
    X = np.arange(0, 128).astype(dtype)[:, None]
    expected = [i - 5 if 5 <= i < 100 else 95 for i in range(128)]
    index = encode(X, find_categories(known, None), numbered=False)
    assert_array_equal(index[:, 0], expected)
    if np.issubdtype(dtype, np.floating):
        other = np.array([[5.5], [-1e30], [1e30], [4.999], [99.0001]], dtype)
        index = encode(other, find_categories(known, None), numbered=False)
        assert_array_equal(index[:, 0], 95)


@pytest.mark.parametrize("value", [-1, 4, 1.5])
def test_mode_sizes_refuse_other_values(value):
    sizes = (5, 4)
    categories = find_categories(None, sizes)
    X = np.array([[0.0, 1.0], [4.0, value]])
    with pytest.raises(ValueError, match=rf"Column 1 of X has the value {value}"):
        encode(X, categories, numbered=True)
