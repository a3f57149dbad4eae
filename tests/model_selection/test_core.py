import dataclasses

import numpy as np
import pytest
from scipy import stats

from skstruct.model_selection import (
    GPSampler,
    MaxUCB,
    Proposal,
    RandomSampler,
    RisingBandit,
    RoundRobin,
    Sampler,
    SuccessiveHalving,
    TrialResult,
    ask_tell,
)
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._space import Space

ARMS = [
    {"C": stats.loguniform(1e-3, 1e3), "kernel": ["rbf", "poly", "linear"]},
    {"depth": stats.randint(1, 20), "share": stats.uniform(0, 1), "split": [1, 2, 4]},
    {"flag": [True, False], "level": [1, 2, 3]},
]
SAMPLERS = [GPSampler, RandomSampler]


def make_core(policy=None, sampler=GPSampler, *, arms=ARMS, seed=0, budget=60, **params):
    spaces = [Space(entries) for entries in arms]
    policy = policy or RisingBandit()
    return ArmAskTell(
        spaces, policy, sampler, budget=budget, seed=seed, score_upper_bound=1.0, **params
    )


def result_of(proposal, core):
    """A deterministic score of a proposal; some trials fail."""
    x = np.array(proposal.u)
    score = 0.9 - 0.1 * proposal.arm - float(((x - 0.3) ** 2).sum())
    score = round(200 * score) / 200 if sum(proposal.u) < 2.6 else np.nan
    return TrialResult(proposal, score, cost=1.0 + proposal.arm, se=0.01)


def run(core, n_trials):
    results = []
    for _ in range(n_trials):
        results.append(result_of(core.ask(), core))
        core.tell(results[-1])
    return results


def replay(core, results):
    for result in results:
        core.observe(result.proposal)
        core.tell(result)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    "policy", [RisingBandit(), MaxUCB(), SuccessiveHalving(), RoundRobin()], ids=repr
)
def test_replay_leaves_the_state_of_the_undisturbed_run(policy, sampler):
    starts = [Space(entries).point((0.5,) * len(entries)) for entries in ARMS]
    given = {"starts": starts, "initial": [Proposal(1, starts[1]), Proposal(0, starts[0])]}
    undisturbed = run(make_core(policy, sampler, **given), 60)
    for n_done in (1, 2, 7, 30, 45):
        core = make_core(policy, sampler, **given)
        replay(core, undisturbed[:n_done])
        assert run(core, 60 - n_done) == undisturbed[n_done:]


def test_replay_leaves_the_same_hyperparameters():
    core, again = make_core(), make_core()
    replay(again, run(core, 50))
    for a, b in zip(core.samplers, again.samplers, strict=True):
        np.testing.assert_array_equal(a._process.theta, b._process.theta)


def test_replay_with_a_pending_trial_and_prior_results():
    def fresh():
        core = make_core(starts=[(0.3, 0.5), None, None])
        for k in range(8):
            u = core.spaces[0].point((k / 8, 0.5))
            core.learn(0, u, result_of(Proposal(0, u), core).score)
        return core

    undisturbed = run(fresh(), 40)
    core = fresh()
    replay(core, undisturbed[:20])
    core.observe(undisturbed[20].proposal)  # it was under way when the process died
    core.tell(undisturbed[20])
    assert run(core, 19) == undisturbed[21:]
    # A start value is no proposal of the sampler, which is fitted all the same.
    core, again = fresh(), fresh()
    replay(again, run(core, 4))
    np.testing.assert_array_equal(*(c.samplers[0]._process.theta for c in (core, again)))


def test_seed_decides():
    first = [result.proposal for result in run(make_core(seed=1), 30)]
    assert [result.proposal for result in run(make_core(seed=1), 30)] == first
    assert [result.proposal for result in run(make_core(seed=2), 30)] != first


def test_random_points_of_two_trials_or_arms_are_independent():
    core = make_core(RoundRobin(), RandomSampler, arms=[{"x": stats.uniform()}] * 4)
    drawn = [result.proposal.u[0] for result in run(core, 400)]
    assert stats.kstest(drawn, stats.uniform.cdf).pvalue > 0.01
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_point_is_proposed_twice_while_others_are_pending(sampler):
    core = make_core(sampler=sampler)
    pending, seen = [], set()
    for _ in range(60):
        while len(pending) < 4:
            pending.append(core.ask())
            assert pending[-1] not in seen
            seen.add(pending[-1])
        core.tell(result_of(pending.pop(np.random.default_rng(len(seen)).integers(4)), core))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n_parallel", [1, 3])
def test_exhausted_arms_end_the_search(sampler, n_parallel):
    arms = [{"a": [1, 2, 3]}, {"b": ["x"]}, {"c": [True, False], "d": stats.randint(0, 3)}]
    core = make_core(RoundRobin(), sampler, arms=arms)
    proposals, pending = [], []
    while (proposal := core.ask()) is not None:
        proposals.append(proposal)
        pending.append(proposal)
        if len(pending) == n_parallel:
            core.tell(result_of(pending.pop(0), core))
    assert len(proposals) == len(set(proposals)) == 3 + 1 + 6
    assert not core.policy.alive_.any()
    assert core.ask() is None


def test_a_sampler_may_stop_early():
    class Three(Sampler):
        def ask(self, pending=()):
            n = len(self.results) + len(pending)
            return (n / 4,) if n < 3 else None

    core = make_core(RoundRobin(), Three, arms=[{"x": stats.uniform()}] * 2)
    assert [result.proposal.arm for result in run(core, 6)] == [0, 1] * 3
    assert core.ask() is None
    assert core.n_asked == 6
    assert not core.policy.n_pending_.any()


def test_starts_come_first():
    starts = [(0.25, 0.5), None, (0.25, 0.5)]
    core = make_core(RoundRobin(), starts=starts)
    first = [result.proposal for result in run(core, 3)]
    assert first[0] == Proposal(0, starts[0])
    assert first[2] == Proposal(2, starts[2])
    assert starts[0] not in [result.proposal.u for result in run(core, 20)]


def test_initial_proposals_come_before_all():
    initial = [Proposal(2, (0.25, 0.5)), Proposal(0, (0.1, 0.5)), Proposal(2, (0.25, 0.5))]
    core = make_core(RoundRobin(), initial=initial)
    assert [result.proposal for result in run(core, 2)] == initial[:2]
    assert core.policy.n_pulls_.tolist() == [1, 0, 1]
    other = make_core(RoundRobin(), initial=initial)
    other.observe(initial[1])  # another process has taken it
    assert other.ask() == initial[0]


def test_prior_results_are_used_and_neither_repeated_nor_counted():
    core = make_core(MaxUCB(), arms=[{"x": stats.uniform()}], sampler_params={"eps": 0.0})
    for x in np.linspace(0, 1, 9):
        core.learn(0, (float(x),), -((x - 0.42) ** 2))
    assert core.policy.n_pulls_.sum() == 0
    assert core.ask().u[0] == pytest.approx(0.42, abs=0.05)
    finite = make_core(arms=[{"x": [1, 2, 3]}])
    finite.learn(0, finite.spaces[0].encode({"x": 2}), 0.5)
    assert len(run(finite, 2)) == 2
    assert finite.ask() is None


def test_costs_and_errors_reach_the_policy():
    core = make_core(RoundRobin(), cost_budget=100.0)
    run(core, 6)
    assert core.policy.costs_.tolist() == [2, 4, 6]
    assert core.policy.cost_budget_ == 100
    assert core.policy.n_init_.tolist() == [3, 4, 3]
    assert core.policy.score_upper_bound_ == 1.0


def test_the_given_policy_is_left_alone():
    policy = RoundRobin()
    run(make_core(policy), 3)
    assert not hasattr(policy, "alive_")


def test_telling_what_is_not_pending():
    core = make_core()
    result = result_of(core.ask(), core)
    core.tell(result)
    with pytest.raises(ValueError, match="is not pending"):
        core.tell(result)


@pytest.mark.parametrize("policy", [None, 3, RisingBandit])
def test_bad_policy(policy):
    with pytest.raises(ValueError, match="policy must be a registered name"):
        ArmAskTell([Space(ARMS[0])], policy, GPSampler, budget=3, seed=0)


def test_policy_params_belong_to_a_name():
    with pytest.raises(ValueError, match="has its own parameters"):
        make_core(RisingBandit(), policy_params={"C": 3})


def test_names_are_looked_up():
    search = ask_tell(
        ARMS,
        "halving",
        "random",
        policy_params={"eta": 3},
        n_iter=30,
        random_state=np.random.RandomState(0),
    )
    assert isinstance(search.policy, SuccessiveHalving)
    assert search.policy.eta == 3
    assert all(isinstance(sampler, RandomSampler) for sampler in search.samplers)
    with pytest.raises(ValueError, match="rising"):
        ask_tell(ARMS, "raising")


def test_ask_tell_begins_with_the_given_parameters():
    params = {"depth": 7, "share": 0.25, "split": 4}
    search = ask_tell(ARMS, MaxUCB(), RandomSampler, random_state=0, initial_params=[(1, params)])
    proposal = search.ask()
    assert proposal.arm == 1
    assert search.params(proposal) == pytest.approx(params)
    assert search.samplers[0].space.n_dims == 2


@pytest.mark.parametrize(
    "initial", [(1, {"typo": 1}), (1, {"share": 99}), (1, {"split": 3}), (3, {"share": 0.5})]
)
def test_ask_tell_refuses_what_no_arm_admits(initial):
    with pytest.raises(ValueError, match=f"initial_params has .*{initial[0]}"):
        ask_tell(ARMS, initial_params=[initial])


def test_ask_tell_leaves_the_rest_in_the_middle():
    search = ask_tell(ARMS, initial_params=[(1, {"depth": 7})])
    assert search.params(search.ask()) == pytest.approx({"depth": 7, "share": 0.5, "split": 2})


def test_ask_tell_on_one_arm_and_none():
    assert ask_tell(ARMS[0], MaxUCB(), GPSampler).ask().arm == 0
    with pytest.raises(ValueError, match="list of at least one dict"):
        ask_tell([])


def test_proposals_are_values():
    proposal = Proposal(1, (0.25,))
    assert proposal == Proposal(1, (0.25,), None)
    assert hash(proposal) == hash(Proposal(1, (0.25,)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        proposal.arm = 2
