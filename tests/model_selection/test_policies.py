import pickle

import numpy as np
import pytest
from scipy.stats import uniform

from skstruct.model_selection import (
    UCB1,
    ArmPolicy,
    GPSampler,
    MaxUCB,
    RisingBandit,
    RoundRobin,
    SuccessiveHalving,
    TrialResult,
)
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._space import Space

POLICIES = [RoundRobin(), RisingBandit(), MaxUCB(), UCB1(), SuccessiveHalving()]


def play(policy, score, n_pulls, **costs):
    """Pull sequentially; score(arm, n) is that of the n-th pull of an arm, from 0."""
    arms = []
    for _ in range(n_pulls):
        arm = policy.ask()
        policy.tell(arm, score(arm, arms.count(arm)), **costs)
        arms.append(arm)
    return arms


def rising_curve(arm, n):
    """Arm 0 is flat, arm 1 rises slowly above it, arm 2 is hopeless."""
    return (0.8, 0.5 + 0.02 * n, 0.2)[arm]


def test_rising_bandit_drops_by_the_bounds():
    policy = RisingBandit(C=4, tol=0, warmup=2).reset(3, 60, score_upper_bound=1.0)
    play(policy, rising_curve, 21)
    # After 7 pulls each: l = (.8, .62, .2), slopes (0, .02, 0), 39 pulls remain.
    (t, lower, upper) = policy.trace_[0]
    assert t == 21
    np.testing.assert_allclose(lower, [0.8, 0.62, 0.2])
    np.testing.assert_allclose(upper, [0.8, 1.0, 0.2])  # .62 + .02 * 39 is cut at the bound
    assert policy.alive_.tolist() == [True, True, False]
    np.testing.assert_array_equal(policy.eliminated_at_, [np.nan, np.nan, 21])
    # Then two arms rise or not until the remaining pulls cannot bring arm 1 to .8, or it leads.
    arms = play(policy, lambda arm, n: rising_curve(arm, n + 7), 39)
    assert 2 not in arms
    assert policy.n_pulls_.tolist()[2] == 7
    leader_changed = [trace for trace in policy.trace_ if trace[1][1] > 0.8]
    assert leader_changed
    assert leader_changed[0][0] == 21 + 2 * 10
    assert policy.alive_.tolist() == [False, True, False]


def test_rising_bandit_counts_the_whole_remaining_budget():
    # With the arm's share of the remaining pulls, 20, arm 1 could reach .75 only.
    policy = RisingBandit(C=3, tol=0, warmup=0).reset(2, 48)
    play(policy, lambda arm, n: (0.8, 0.3 + 0.02 * n)[arm], 8)
    assert policy.alive_.all()
    _, _, upper = policy.trace_[0]
    assert upper[1] == pytest.approx(0.36 + 0.02 * 40)


def test_rising_bandit_does_not_judge_before_the_window_is_clear_of_the_warmup():
    policy = RisingBandit(C=3, tol=0).reset(2, 100, n_init=[2, 5])
    assert policy.warmup_.tolist() == [2, 5]
    play(policy, lambda arm, n: arm, 2 * (5 + 3))
    assert policy.trace_ == []
    play(policy, lambda arm, n: arm, 2)
    assert [trace[0] for trace in policy.trace_] == [2 * (5 + 3 + 1)]


@pytest.mark.parametrize(
    ("n_arms", "budget", "C", "warmup"),
    [(6, 60, 3, 1), (6, 120, 6, 3), (4, 80, 6, 3), (6, 1000, 7, 6), (10, 20, 3, 0), (1, 5, 3, 0)],
)
def test_automatic_window_and_warmup(n_arms, budget, C, warmup):
    policy = RisingBandit().reset(n_arms, budget, n_init=6)
    assert policy.C_ == C
    assert policy.warmup_.tolist() == [warmup] * n_arms


def test_automatic_tolerance_is_half_the_standard_error_of_the_best_trial():
    def left(gap):
        policy = RisingBandit(C=3, warmup=0).reset(2, 100)
        for n in range(4):
            for arm in (0, 1):
                # Arm 0 has its best, with standard error .02, at its second pull.
                score, se = (
                    (0.9 - 0.1 * (n != 1), 0.02 if n == 1 else 5.0)
                    if arm == 0
                    else (
                        0.9 - gap,
                        0.5,
                    )
                )
                policy.observe(arm)
                policy.tell(arm, score, se=se)
        return policy.alive_[1]

    # Arm 1 is flat; arm 0 rose once, within the window, which changes nothing for the leader.
    assert left(0.0099)
    assert not left(0.0101)


def test_rising_bandit_in_units_of_cost():
    policy = RisingBandit(C=3, tol=0, warmup=0).reset(2, 1000, cost_budget=100.0)
    for n in range(4):
        for arm, (score, cost) in enumerate([(0.5, 1.0), (0.1 + 0.1 * n, 4.0)]):
            policy.observe(arm)
            policy.tell(arm, score, cost=cost)
    _, _, upper = policy.trace_[0]
    assert upper[1] == pytest.approx(0.4 + 0.1 * (100 - 20) / 4)


def test_rising_bandit_never_drops_the_leader_or_for_lack_of_results():
    policy = RisingBandit(C=3, warmup=0).reset(3, 60)
    play(policy, lambda arm, n: np.nan, 15)
    assert policy.alive_.all()
    # The first result of arm 1 makes it the leader; its slope is infinite; the others have failed.
    play(policy, lambda arm, n: 0.1 if arm == 1 else np.nan, 3)
    assert policy.alive_.tolist() == [False, True, False]
    assert policy.trace_[-1][2][1] == np.inf


def test_rising_bandit_keeps_an_arm_whose_only_result_is_new():
    policy = RisingBandit(C=3, warmup=0, tol=0).reset(2, 60)
    play(policy, lambda arm, n: (0.9, np.nan if n < 3 else 0.1)[arm], 8)
    assert policy.alive_.all()


@pytest.mark.filterwarnings("error")
def test_bounds_are_numbers_after_failures_when_nothing_is_left():
    policy = RisingBandit(C=3).reset(2, 8)
    play(policy, lambda arm, n: np.nan if n == 0 else 0.5 + 0.1 * arm, 8)
    t, lower, upper = policy.trace_[-1]
    assert t == 8
    np.testing.assert_array_equal(lower, [0.5, 0.6])
    np.testing.assert_array_equal(upper, lower)


def test_rounds_end_although_pulls_are_pending():
    policy = RisingBandit(C=3, tol=0, warmup=0).reset(3, 60)
    pending = [policy.ask() for _ in range(4)]
    counts = [0, 0, 0]
    for _ in range(40):
        arm = pending.pop(0)
        policy.tell(arm, (0.9, 0.5, 0.6)[arm])
        counts[arm] += 1
        pending.append(policy.ask())
        if policy.trace_:
            break
    assert policy.alive_.tolist() == [True, False, False]
    assert max(counts) <= 6
    # Results of dropped arms are still taken.
    for arm in pending:
        policy.tell(arm, 0.1)
    assert not policy.n_pending_.any()


def test_max_ucb_follows_its_index():
    policy = MaxUCB(alpha=0.5).reset(3, 100)
    assert play(policy, lambda arm, n: (0.2, 0.6, 0.4)[arm], 3) == [0, 1, 2]
    scores = {0: [0.2], 1: [0.6], 2: [0.4]}
    rng = np.random.default_rng(0)
    for t in range(3, 60):
        everything = np.concatenate(list(scores.values()))
        low, high = everything.min(), everything.max()
        index = [
            0.01
            + 0.98 * (max(scores[arm]) - low) / (high - low)
            + (0.5 * np.log(t + 1) / len(scores[arm])) ** 2
            for arm in range(3)
        ]
        arm = policy.ask()
        assert arm == np.argmax(index)
        scores[arm].append(rng.random())
        policy.tell(arm, scores[arm][-1])


def test_max_ucb_neglects_an_arm_that_begins_badly():
    """Its blind spot: arm 1 would be best from its fourth pull on."""
    policy = MaxUCB().reset(2, 100)
    arms = play(policy, lambda arm, n: (0.8, 0.0 if n < 3 else 1.0)[arm], 100)
    assert arms.count(1) <= 3
    rising = RisingBandit().reset(2, 100, score_upper_bound=1.0, n_init=3)
    arms = play(rising, lambda arm, n: (0.8, 0.0 if n < 3 else 1.0)[arm], 100)
    assert arms.count(1) > 50


def test_ucb_follows_its_index():
    policy = UCB1().reset(3, 100)
    rng = np.random.default_rng(0)
    scores = {0: [], 1: [], 2: []}
    for t in range(60):
        arm = policy.ask()
        if t >= 3:
            everything = np.concatenate(list(scores.values()))
            low, high = everything.min(), everything.max()
            index = [
                (np.mean(s) - low) / (high - low) + np.sqrt(2 * np.log(t + 1) / len(s))
                for s in scores.values()
            ]
            assert arm == np.argmax(index)
        scores[arm].append(rng.normal(arm))
        policy.tell(arm, scores[arm][-1])


def test_halving_keeps_the_better_half():
    policy = SuccessiveHalving().reset(6, 60)
    arms = play(policy, lambda arm, n: arm + (n == 1) * (arm == 0) * 10, 60)
    # Three rounds: 60 // 18 = 3 pulls of 6 arms, 60 // 9 = 6 of 3, 60 // 6 = 10 of 2, then one.
    assert arms[:18] == list(range(6)) * 3
    assert set(arms[18:36]) == {0, 4, 5}
    assert set(arms[36:56]) == {0, 5}
    assert set(arms[56:]) == {0}


@pytest.mark.parametrize("n_arms", [1, 2, 5, 9])
@pytest.mark.parametrize("eta", [1.5, 2, 3])
def test_halving_ends_with_the_best_arm(n_arms, eta):
    policy = SuccessiveHalving(eta).reset(n_arms, 20 * n_arms)
    play(policy, lambda arm, n: -abs(arm - n_arms // 2), 20 * n_arms)
    assert np.flatnonzero(policy.alive_).tolist() == [n_arms // 2]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_parallel_pulls_spread(policy):
    policy.reset(4, 40)
    assert sorted(policy.ask() for _ in range(4)) == [0, 1, 2, 3]
    for arm in range(4):
        policy.tell(arm, 0.5 + 0.01 * arm)
    assert len({policy.ask() for _ in range(8)}) > 1


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_failures_do_not_win_and_do_not_stop(policy):
    policy.reset(3, 60, n_init=3)
    arms = play(policy, lambda arm, n: (np.nan, 0.5 + 0.001 * n, -np.inf)[arm], 60)
    assert arms.count(1) >= 20
    assert policy.alive_[1]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_observing_equals_asking_and_pickling_changes_nothing(policy):
    asked = pickle.loads(pickle.dumps(policy)).reset(4, 80, score_upper_bound=1.0, n_init=3)
    observed = pickle.loads(pickle.dumps(policy)).reset(4, 80, score_upper_bound=1.0, n_init=3)
    rng = np.random.default_rng(0)
    for _ in range(80):
        arm = asked.ask()
        observed.observe(arm)
        score = rng.beta(2 + arm, 2)
        asked.tell(arm, score, se=0.01)
        observed.tell(arm, score, se=0.01)
        observed = pickle.loads(pickle.dumps(observed))
        assert observed.alive_.tolist() == asked.alive_.tolist()
    assert observed.ask() == asked.ask()


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_exhausted_arms_are_left_alone(policy):
    policy.reset(3, 60)
    play(policy, lambda arm, n: arm, 4)
    policy.exhaust(2)
    assert 2 not in play(policy, lambda arm, n: arm, 30)
    policy.exhaust(0)
    policy.exhaust(1)
    assert not policy.alive_.any()
    with pytest.raises(RuntimeError, match="No arm is alive"):
        policy.ask()


def test_cancel_takes_a_pull_back():
    policy = RoundRobin().reset(2, 10)
    policy.cancel(policy.ask())
    assert policy.ask() == 0


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (RisingBandit(C=0), "C must be 'auto' or an integer of at least 1, got 0"),
        (RisingBandit(C=2.5), "C must be 'auto' or an integer"),
        (RisingBandit(C="all"), "C must be 'auto' or an integer"),
        (RisingBandit(tol=-1), "tol must be 'auto' or a number of at least 0, got -1"),
        (RisingBandit(warmup=-1), "warmup must be 'auto' or an integer of at least 0"),
        (MaxUCB(alpha=-0.1), "alpha must be at least 0, got -0.1"),
        (SuccessiveHalving(eta=1), "eta must be greater than 1, got 1"),
    ],
    ids=repr,
)
def test_bad_parameters(policy, message):
    with pytest.raises(ValueError, match=message):
        policy.reset(2, 10)


@pytest.mark.parametrize(("n_arms", "budget", "name"), [(0, 10, "n_arms"), (2, 0, "budget")])
def test_bad_sizes(n_arms, budget, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        RoundRobin().reset(n_arms, budget)


def test_repr_has_the_parameters_only():
    assert repr(RisingBandit(C=5).reset(2, 9)) == "RisingBandit(C=5, tol='auto', warmup='auto')"
    assert repr(RoundRobin()) == "RoundRobin()"


def test_a_policy_of_ones_own():
    class Last(ArmPolicy):
        def _choose(self):
            return np.flatnonzero(self.alive_)[-1]

    policy = Last().reset(3, 5)
    policy.exhaust(2)
    assert policy.ask() == 1


CURVES = [
    lambda a, b: 0.90 + 0.005 * np.cos(7 * a),
    lambda a, b: 0.97 - 0.5 * (1 - np.exp(-(((a - 0.25) / 0.2) ** 2) - ((b - 0.7) / 0.2) ** 2)),
    lambda a, b: 0.92 - 0.6 * abs(a - 0.6) ** 1.2 - 0.1 * b,
    lambda a, b: 0.75 - 0.3 * (a - 0.5) ** 2,
]


def search_curves(policy, budget, seed, curves=CURVES):
    """Search arms on the unit square whose scores are rounded to 1/400 like accuracies."""
    spaces = [Space({"a": uniform(0, 1), "b": uniform(0, 1)}) for _ in curves]
    search = ArmAskTell(
        spaces,
        policy,
        GPSampler,
        budget=budget,
        seed=seed,
        score_upper_bound=1.0,
        starts=[(0.5, 0.5)] * len(curves),
    )
    best = -np.inf
    for _ in range(budget):
        proposal = search.ask()
        score = round(400 * curves[proposal.arm](*proposal.u)) / 400
        search.tell(TrialResult(proposal, score))
        best = max(best, score)
    return best, search.policy


def test_rising_bandit_finds_the_narrow_peak_behind_a_bad_start():
    runs = [search_curves(RisingBandit(), 80, seed) for seed in range(20)]
    assert np.mean([0.97 - best for best, _ in runs]) <= 0.006
    assert np.mean([policy.n_pulls_[1] for _, policy in runs]) / 80 >= 0.5


def test_max_ucb_misses_the_narrow_peak():
    regrets = [0.97 - search_curves(MaxUCB(), 80, seed)[0] for seed in range(20)]
    assert np.mean(regrets) > 0.03


def test_tolerance_keeps_the_best_arm_on_a_plateau():
    """Scores that are multiples of 1/178: the best arm stands still, a step below the leader."""

    def score(arm, n):
        # The leader is there at once; the best arm passes it at its 16th pull only.
        steps = (174, 173 if n < 15 else 177, 150)[arm]
        return steps / 178

    alive = {}
    for tol in (0, 0.5 / 178, 1 / 178):
        policy = RisingBandit(tol=tol).reset(3, 150, score_upper_bound=1.0, n_init=3)
        play(policy, score, 150)
        alive[tol] = policy.alive_.tolist()
    assert alive[0] == [True, False, False]
    assert alive[0.5 / 178] == [True, False, False]
    assert alive[1 / 178] == [False, True, False]
