"""Evolution strategies: mutations, clones, what comma and plus make of planted optima."""

import hashlib
import itertools
import math

import numpy as np
import pytest
from skstruct.optimize._ea_fast import mutate

from skstruct.optimize import minimize_ea


def one_max(x):
    return -float(x.sum())


def mutants(parent, sizes, rate, n, seed=0):
    bits = np.random.default_rng(seed).bit_generator
    offspring = np.empty((n, len(parent)), dtype=np.int64)
    n_changed = np.empty(n, dtype=np.intp)
    mutate(np.array(parent), np.array(sizes), rate, bits.capsule, offspring, n_changed)
    return offspring, n_changed


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
def test_coordinates_change_independently_to_any_other_value(rate):
    parent, sizes, n = [0, 1, 2, 0, 3, 5], [2, 2, 3, 4, 4, 6], 40_000
    offspring, n_changed = mutants(parent, sizes, rate, n)
    changed = offspring != parent
    assert np.array_equal(n_changed, changed.sum(axis=1))
    error = 5 / math.sqrt(n)
    assert changed.mean(axis=0) == pytest.approx(np.full(6, rate), abs=error)
    both = (changed.T.astype(float) @ changed) / n
    independent = np.full((6, 6), rate**2) + np.diag([rate - rate**2] * 6)
    assert both == pytest.approx(independent, abs=error)
    for j, size in enumerate(sizes):
        counts = np.bincount(offspring[changed[:, j], j], minlength=size)
        assert counts[parent[j]] == 0
        assert len(counts) == size
        others = np.delete(counts, parent[j])
        assert others == pytest.approx(np.full(size - 1, others.mean()), abs=5 * math.sqrt(n))


def test_extreme_rates():
    offspring, n_changed = mutants([0] * 9, [2] * 9, 1.0, 5)
    assert (offspring == 1).all()
    assert (n_changed == 9).all()
    assert mutants([0] * 9, [2] * 9, 1e-300, 5)[1].sum() == 0


@pytest.mark.parametrize("strategy", ["comma", "plus"])
def test_finds_the_least_of_all_points(strategy):
    sizes = [3, 2, 4, 5]
    table = np.random.default_rng(0).permutation(math.prod(sizes)).reshape(sizes)
    result = minimize_ea(
        lambda x: table[tuple(x)], sizes, strategy, maxfev=5000, target=0, random_state=1
    )
    assert result.success
    assert result.fun == 0
    assert tuple(result.x) in set(itertools.product(*map(range, sizes)))
    assert table[tuple(result.x)] == 0


def test_clones_hold_the_optimum():
    """Without them, a comma strategy leaves the best point in the next generation."""
    for seed in range(10):
        result = minimize_ea(one_max, [2] * 30, maxfev=3000, random_state=seed)
        assert result.fun == -30
        assert result.fun_last == -30
        assert result.x_last.sum() == 30


def test_clones_cost_nothing_unless_asked():
    seen = []

    def fun(x):
        seen.append(tuple(x))
        return 0.0

    result = minimize_ea(fun, [2] * 8, n_offspring=3, maxfev=400, random_state=0)
    assert result.nfev == len(seen) == 400
    assert result.nfev < 0.75 * 3 * result.nit
    seen.clear()
    result = minimize_ea(fun, [2] * 8, n_offspring=3, maxfev=301, reevaluate=True, random_state=0)
    assert result.nfev == len(seen) == 1 + 3 * result.nit == 301
    seen.clear()
    result = minimize_ea(fun, [2] * 8, "plus", n_offspring=3, maxfev=401, reevaluate=True)
    assert len(seen) == 1 + 4 * result.nit == 401


@pytest.mark.parametrize("reevaluate", [False, True])
def test_a_parent_that_was_lucky_once(reevaluate):
    start, calls = [0] * 10, []

    def fun(x):
        calls.append(tuple(x))
        return -1000.0 if len(calls) == 1 else one_max(x)

    result = minimize_ea(
        fun, [2] * 10, "plus", x0=start, reevaluate=reevaluate, maxfev=600, random_state=0
    )
    assert result.fun == -1000
    assert result.x_last.sum() == (10 if reevaluate else 0)


def planted(mean, probability, salt):
    """OneMax with a bonus of random height at some points; and when OneMax first reached 90 %."""
    hit = []

    def fun(x):
        fun.n_calls += 1
        value = float(x.sum())
        if value >= 0.9 * len(x) and not hit:
            hit.append(fun.n_calls)
        digest = hashlib.blake2b(x.tobytes(), digest_size=8, key=salt.to_bytes(4)).digest()
        u = (int.from_bytes(digest) + 1) / 2**64
        return -value if u > probability else -value + mean * math.log(u / probability)

    fun.n_calls = 0
    return fun, hit


def test_comma_leaves_planted_optima_and_plus_does_not():
    reached = {"comma": 0, "plus": 0}
    for strategy, seed in itertools.product(reached, range(8)):
        fun, hit = planted(4.0, 0.03, seed)
        minimize_ea(fun, [2] * 50, strategy, maxfev=15_000, random_state=seed)
        reached[strategy] += bool(hit)
    assert reached["comma"] == 8
    assert reached["plus"] <= 2


def test_default_number_of_offspring():
    for n, expected in [(1, 2), (2, 2), (100, 13), (200, 14)]:
        result = minimize_ea(
            lambda x: 0.0, [3] * n, maxfev=1 + 5 * expected, reevaluate=True, random_state=0
        )
        assert result.nit == 5


def test_nan_and_infinite_values():
    result = minimize_ea(
        lambda x: np.nan if x[0] else one_max(x), [2] * 6, maxfev=500, random_state=0
    )
    assert result.fun == -5
    result = minimize_ea(lambda x: np.nan, [2] * 6, maxfev=50, random_state=0)
    assert not result.success
    assert "infinite or NaN" in result.message
    assert result.x.shape == (6,)


def test_ends():
    result = minimize_ea(one_max, [2] * 20, target=-15, random_state=0)
    assert result.success
    assert -20 < result.fun <= -15
    assert "target" in result.message
    result = minimize_ea(one_max, [2] * 20, target=-20, maxfev=7, random_state=0)
    assert (result.success, result.nfev) == (False, 7)
    assert minimize_ea(one_max, [2] * 20, maxfev=1, x0=[1] * 20).fun == -20


def test_points_are_the_callers_to_keep():
    kept = []

    def fun(x):
        kept.append((x, tuple(x)))
        x[:] = 0
        return -float(sum(kept[-1][1]))

    result = minimize_ea(fun, [2] * 6, maxfev=300, random_state=0)
    assert result.fun == -6
    assert result.x.sum() == 6


@pytest.mark.parametrize("make", [int, np.random.RandomState, np.random.default_rng])
def test_seeds(make):
    first, second = (
        minimize_ea(one_max, [3] * 12, maxfev=200, random_state=make(3)) for _ in range(2)
    )
    assert np.array_equal(first.x_last, second.x_last)
    assert first.nit == second.nit


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"space": [2, 1]}, "space must be numbers of values, at least 2"),
        ({"space": []}, "space must be"),
        ({"space": [2.5, 3]}, "space must be a list of integers"),
        ({"space": 4}, "space"),
        ({"strategy": "elitist"}, "strategy"),
        ({"mutation_rate": 0.0}, "mutation_rate"),
        ({"maxfev": 0}, "maxfev"),
        ({"x0": [0, 2, 0]}, "x0 must be a point"),
        ({"x0": [0, 1]}, "x0 must be a point"),
        ({"x0": [0.5, 1.0, 0.0]}, "x0 must be a list of integers"),
    ],
)
def test_errors(params, match):
    def fun(x):
        raise AssertionError("no evaluation before the parameters are checked")

    with pytest.raises(ValueError, match=match):
        minimize_ea(fun, **{"space": [2, 2, 2], **params})


def test_offspring_that_never_differ_do_not_go_on_for_ever():
    result = minimize_ea(sum, [2] * 5, mutation_rate=1e-12, maxfev=50, random_state=0)
    assert result.nit == 50
    assert result.nfev == 1
