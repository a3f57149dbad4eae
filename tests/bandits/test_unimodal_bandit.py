"""The search of a grid by line elimination: its budget, its answers, its rates of error."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skstruct.bandits import UnimodalBandit
from skstruct.bandits._line_elimination import (
    affordable_stride,
    new_probes,
    phase_ends,
    phase_lengths,
    water_fill,
)


def naive_water_fill(counts, n_pulls, most):
    counts = list(counts)
    for _ in range(n_pulls):
        open_arms = [i for i, count in enumerate(counts) if most is None or count < most]
        if open_arms:
            counts[min(open_arms, key=lambda i: (counts[i], i))] += 1
    return counts


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=7),
    st.integers(0, 40),
    st.one_of(st.none(), st.integers(9, 12)),
)
def test_water_fill(counts, n_pulls, most):
    found = water_fill(counts, n_pulls, most)
    expected = naive_water_fill(counts, n_pulls, most)
    assert sorted(found) == sorted(expected)
    assert all(a >= b for a, b in zip(found, counts, strict=True))
    if len(set(counts)) == 1:
        assert found == expected  # the first of equal arms is raised first


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.sampled_from([2, 4]), st.floats(0.1, 9))
def test_phases_spend_the_budget(length, budget, n_probes, growth):
    budget = max(budget, int(new_probes(phase_lengths(length), n_probes).sum()))
    ends = phase_ends(length, budget, n_probes, growth)
    assert ends[-1] == budget
    shares = np.diff([0, *ends])
    assert shares.min() >= 0
    n_phases = 1
    while length > 3:
        length -= (length - 1) // 3
        n_phases += 1
    assert len(ends) == n_phases
    if budget >= n_probes * n_phases:
        assert shares[:-1].min(initial=n_probes) >= n_probes - 1  # rounding may cost one
        assert shares[-1] >= 1


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 60), st.sampled_from([2, 4]))
def test_a_line_is_as_fine_as_its_budget_can_search(below, above, budget, n_probes):
    def cost(stride):
        return new_probes(phase_lengths(above // stride + below // stride + 1), n_probes).sum()

    stride = affordable_stride(-below, above, budget, n_probes)
    strides = range(1, below + above + 1)
    affordable = [s for s in strides if cost(s) <= budget]
    assert stride == min(affordable, default=below + above + 1)


@pytest.mark.parametrize("budget", [12, 25, 50])
def test_few_pulls_on_a_plain_with_a_hill_do_not_leave_the_hill(budget):
    def pull(arm, k):  # a hill of 9 x 9 arms around the middle of 31 x 31, a plain elsewhere
        return max(0.0, 1.0 - max(abs(arm[0] - 16), abs(arm[1] - 14)) / 5)

    assert UnimodalBandit((31, 31), budget).run(pull).best_mean_ > 0.5


grids = st.one_of(st.integers(1, 60), st.lists(st.integers(1, 20), min_size=1, max_size=3))


@settings(max_examples=150, deadline=None)
@given(grids, st.integers(1, 200), st.booleans(), st.sampled_from([2, 4]), st.integers(1, 3))
def test_exactly_the_budget_is_spent(shape, budget, diagonals, n_probes, n_sweeps):
    shape = shape if isinstance(shape, int) else tuple(shape)
    bandit = UnimodalBandit(
        shape, budget, diagonals=diagonals, n_probes=n_probes, n_sweeps=n_sweeps
    )
    seen = {}

    def pull(arm, k):
        seen.setdefault(arm, []).append(k)
        at = (arm,) if isinstance(shape, int) else arm
        size = (shape,) if isinstance(shape, int) else shape
        assert all(0 <= i < n for i, n in zip(at, size, strict=True))
        return math.sin(sum(at) + k)

    bandit.run(pull)
    assert bandit.n_pulls_.sum() == budget
    for arm, numbers in seen.items():
        assert numbers == list(range(bandit.n_pulls_[arm]))
    assert bandit.means_[bandit.best_arm_] == pytest.approx(bandit.best_mean_)
    assert bandit.done
    assert bandit.ask() == []


@pytest.mark.parametrize("n_probes", [2, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 17, 64, 1000])
def test_without_noise_a_line_is_solved(size, n_probes):
    for best in {0, size // 3, size - 1}:
        bandit = UnimodalBandit(size, 200, n_probes=n_probes).run(lambda i, k, b=best: -abs(i - b))
        assert bandit.best_arm_ == best


def test_without_noise_a_cube_is_solved():
    best = (3, 11, 6)
    bandit = UnimodalBandit((9, 12, 10), 200)
    bandit.run(lambda arm, k: -sum((i - j) ** 2 for i, j in zip(arm, best, strict=True)))
    assert bandit.best_arm_ == best


def tent_error(size, budget, n_runs):
    best = int(0.37 * size)
    reward = 1 - 0.1 * np.abs(np.arange(size) - best)
    errors = 0
    for run in range(n_runs):
        rng = np.random.default_rng((run, size))
        bandit = UnimodalBandit(size, budget)
        while pulls := bandit.ask():
            arms = [arm for arm, _ in pulls]
            bandit.tell(reward[arms] + 0.5 * rng.standard_normal(len(pulls)))
        errors += bandit.best_arm_ != best
    return errors / n_runs


def test_the_error_depends_on_the_budget_and_not_on_the_grid():
    """Sequential halving has .19, .23 and .74 here, equal shares .36, .62 and .80."""
    few = {size: tent_error(size, 480, 300) for size in (16, 64, 256)}
    for size, expected in {16: 0.107, 64: 0.123, 256: 0.093}.items():
        assert few[size] < expected + 0.05
    assert few[256] < few[16] + 0.08
    assert tent_error(256, 960, 200) < 0.08


def bump_regret(rho, budget, n_runs=60, paired=True, **params):
    axis = np.linspace(-1, 1, 15)
    regrets = []
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        x, y = (axis - c for c in rng.uniform(-0.6, 0.6, 2))
        form = x[:, None] ** 2 + y**2 - 2 * rho * x[:, None] * y
        reward = np.exp(-form / ((1 - rho**2) * 0.35**2) / 2)
        split = 0.1 * rng.standard_normal((budget, 1 if paired else 225))

        def pull(arm, k, reward=reward, split=split, rng=rng):
            effect = split[k, (15 * arm[0] + arm[1]) % split.shape[1]]
            return reward[arm] + effect + 0.1 * rng.standard_normal()

        bandit = UnimodalBandit((15, 15), budget, **params).run(pull)
        regrets.append(reward.max() - reward[bandit.best_arm_])
    return np.mean(regrets)


@pytest.mark.parametrize(("rho", "budget", "most"), [(0, 120, 0.03), (0.9, 400, 0.02)])
def test_regret_on_bumps(rho, budget, most):
    """Sequential halving has .19 and .12, random search with five splits each .17 and .09."""
    assert bump_regret(rho, budget) < most


def test_a_ridge_needs_more_than_one_sweep():
    single = {"n_sweeps": 1, "diagonals": False, "final_fraction": 0}
    assert bump_regret(0.9, 120) < 0.05 < 0.15 < bump_regret(0.9, 120, **single)


def test_the_same_splits_are_compared():
    assert bump_regret(0, 120) < bump_regret(0, 120, paired=False)


def test_arms_that_are_known_get_no_more_pulls():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((21, 19, 5))
    scores += -0.1 * (np.arange(21)[:, None, None] - 5) ** 2
    scores += -0.1 * (np.arange(19)[None, :, None] - 14) ** 2
    bandit = UnimodalBandit((21, 19), 150, max_pulls=5)
    bandit.run(lambda arm, k: scores[arm][k])
    assert bandit.n_pulls_.max() == 5
    assert bandit.n_pulls_.sum() == 150
    assert bandit.n_pulls_[bandit.best_arm_] == 5
    exact = scores.mean(axis=2)[bandit.n_pulls_ == 5]
    assert bandit.best_mean_ == pytest.approx(exact.max())
    bandit = UnimodalBandit((21, 19), 2000, max_pulls=5)
    bandit.run(lambda arm, k: scores[arm][k])
    assert bandit.n_pulls_.sum() < 2000  # nothing was left that could be better
    i, j = bandit.best_arm_
    assert bandit.best_mean_ == pytest.approx(scores[i, j].mean())
    around = scores[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean(axis=2)
    assert around.max() == pytest.approx(bandit.best_mean_)


@pytest.mark.parametrize("shape", [7, (1, 1), (5, 1), (4, 6)])
def test_constant_rewards_end_in_an_arm(shape):
    bandit = UnimodalBandit(shape, 50).run(lambda arm, k: 1.0)
    assert bandit.best_mean_ == 1.0
    assert bandit.n_pulls_[bandit.best_arm_] > 0


def test_the_answer_stays_inside_a_plateau():
    bandit = UnimodalBandit(101, 60).run(lambda arm, k: min(1.0, 1.5 - abs(arm - 55) / 40))
    assert bandit.best_arm_ == 50  # where it began; from 35 to 75 all are equal
    bandit = UnimodalBandit((33, 33), 100)
    bandit.run(lambda arm, k: min(0.0, 3.0 - abs(arm[0] - 20), 3.0 - abs(arm[1] - 14)))
    assert bandit.best_mean_ == 0.0


def test_a_grid_of_any_size():
    bandit = UnimodalBandit((10**9, 10**9), 1500)
    bandit.run(lambda arm, k: -abs(arm[0] - 123_456_789) - abs(arm[1] - 987_654_321))
    assert bandit.best_arm_ == (123_456_789, 987_654_321)


def test_begins_at_start():
    first = UnimodalBandit((9, 9), 40, start=(2, 7)).ask()
    assert {arm[1] for arm, _ in first} == {7}
    assert UnimodalBandit((9, 9), 40, start=(2, 7)).best_arm_ == (2, 7)
    assert math.isnan(UnimodalBandit(9, 40, start=3).best_mean_)
    assert UnimodalBandit(9, 40, start=3).best_arm_ == 3


def half_way(shape=(12, 9)):
    rng = np.random.default_rng(0)
    bandit = UnimodalBandit(shape, 100)
    for _ in range(5):
        bandit.tell(rng.standard_normal(len(bandit.ask())))
    return bandit


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_a_copy_goes_on_alike(copied):
    bandit = half_way()
    twin = copied(bandit)
    assert twin.ask() == bandit.ask()
    one, two = (b.run(lambda arm, k: -arm[0] - arm[1]) for b in (bandit, twin))
    assert one.history_ == two.history_
    assert one.n_pulls_.sum() == 100


def test_asks_the_same_until_told_and_forgets_on_reset():
    bandit = half_way()
    asked = bandit.ask()
    asked.clear()
    assert len(bandit.ask()) > 0
    assert bandit.reset().ask() == UnimodalBandit((12, 9), 100).ask()
    assert not bandit.history_
    assert np.isnan(bandit.means_).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"shape": ()}, "shape must be"),
        ({"shape": (3, 0)}, r"shape must be .* got \(3, 0\)"),
        ({"shape": 0}, "shape"),
        ({"budget": 0}, "budget"),
        ({"growth": 0}, "growth"),
        ({"window": 1.2}, "window"),
        ({"final_fraction": 0.95}, "final_fraction"),
        ({"n_probes": 3}, "n_probes"),
        ({"start": (5, 5)}, r"start must be an arm of the grid of shape \(5, 6\), got \(5, 5\)"),
        ({"start": 2}, "start must be an arm"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        UnimodalBandit(**{"shape": (5, 6), "budget": 20, **params}).reset()


def test_bad_rewards():
    bandit = UnimodalBandit((5, 6), 100)
    n = len(bandit.ask())
    with pytest.raises(ValueError, match=rf"one number for each of the {n} pulls"):
        bandit.tell(np.zeros(n + 1))
    with pytest.raises(ValueError, match="rewards must be finite numbers, got nan at 1"):
        bandit.tell([0.0, np.nan, *[0.0] * (n - 2)])
    assert bandit.n_pulls_.sum() == 0
