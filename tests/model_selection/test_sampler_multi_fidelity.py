import numpy as np
import pytest
from multi_fidelity_functions import FUNCTIONS, regret
from multi_fidelity_functions import play as play_function
from scipy import stats

from skstruct.model_selection import GPSampler, MultiFidelitySampler, Proposal, TrialResult
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._space import Space
from skstruct.testing import sampler_checks

SHARES = [1 / 9, 1 / 3, None]
MIXED = {
    "rate": stats.loguniform(1e-4, 1),
    "depth": stats.randint(1, 12),
    "kind": ["a", "b", "c"],
    "share": stats.uniform(0, 1),
}


def make_core(entries, seed=0, starts=None, **params):
    return ArmAskTell(
        [Space(entries)],
        "round_robin",
        MultiFidelitySampler,
        budget=20,
        seed=seed,
        starts=starts,
        sampler_params=params,
    )


def play(core, score, n_trials):
    """Ask and tell; return the proposals."""
    proposals = []
    for _ in range(n_trials):
        proposals.append(core.ask())
        core.tell(TrialResult(proposals[-1], score(proposals[-1])))
    return proposals


def tilted(proposal):
    """A hill whose top moves with the level."""
    u = np.array(proposal.u)
    return -((u - 0.3) ** 2).sum() + 0.1 * (1 - proposal.share) * u.sum()


def share_of_top(trials):
    cost = np.array([1 / 9, 1 / 3, 1.0])[[t for t, _ in trials]]
    return cost[cost == 1].sum() / cost.sum()


@pytest.mark.parametrize(("name", "budget"), [("hartmann", 20), ("adversarial branin", 30)])
def test_regret(name, budget):
    function, n_dims, best = FUNCTIONS[name]
    runs = [play_function(function, n_dims, budget, seed) for seed in range(9)]
    assert np.median([regret(trials, best) for trials in runs]) <= 0.02
    assert min(share_of_top(trials) for trials in runs) >= 0.45


def test_cheap_trials_beat_full_ones_alone():
    function, n_dims, best = FUNCTIONS["hartmann"]
    medians = []
    for sampler in (MultiFidelitySampler, GPSampler):
        runs = [play_function(function, n_dims, 20, seed, sampler) for seed in range(9)]
        medians.append(np.median([regret(trials, best) for trials in runs]))
    assert medians[0] < medians[1] / 20


@pytest.mark.parametrize("check", sampler_checks(MultiFidelitySampler), ids=str)
def test_conformance(check):
    check.run()


def test_the_best_half_of_the_first_points_is_promoted_and_then_the_best_quarter():
    core = make_core({"x": stats.uniform(), "y": stats.uniform()}, starts=[(0.5, 0.5)])
    assert core.samplers[0].n_init == 11
    proposals = play(core, tilted, 11)
    assert [p.level for p in proposals] == [SHARES[0]] * 6 + [SHARES[1]] * 3 + [None] * 2
    assert proposals[0].u == (0.5, 0.5)
    assert len({p.u for p in proposals}) == 6
    for count, below, level in ((3, proposals[:6], 1), (2, proposals[6:9], 2)):
        best = sorted(below, key=tilted, reverse=True)[:count]
        promoted = [p.u for p in proposals if p.level == SHARES[level]]
        assert promoted == [p.u for p in best]


def test_failures_are_not_promoted():
    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    proposals = play(core, lambda p: np.nan if p.u[0] < 0.5 else tilted(p), 11)
    assert all(p.u[0] >= 0.5 for p in proposals[6:])


def test_first_points_do_not_wait_for_results():
    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    proposals = [core.ask() for _ in range(12)]
    assert len(set(proposals)) == 12
    assert {p.level for p in proposals} == {SHARES[0]}
    for proposal in proposals:
        core.tell(TrialResult(proposal, tilted(proposal)))
    assert core.ask().level == SHARES[1]


def test_useless_levels_are_left_out_of_the_model():
    rng = np.random.default_rng(0)

    def score(proposal):
        if proposal.level is not None:
            return rng.normal()
        return -10 * ((np.array(proposal.u) - 0.3) ** 2).sum()

    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    proposals = play(core, score, 45)
    assert core.samplers[0].n_single_fidelity > 0
    assert max(score(p) for p in proposals if p.level is None) > -0.01


@pytest.mark.parametrize("share", [0.0, 0.8, 1.0])
def test_share_of_the_cost_at_the_top(share):
    core = make_core({str(j): stats.uniform() for j in range(4)}, min_top_share=share)
    proposals = play(core, tilted, 40)
    n_init = core.samplers[0].n_init
    if share == 1:
        assert all(p.level is None for p in proposals[n_init:])
    costs = np.array([p.share for p in proposals])
    spent = np.cumsum(costs)
    at_top = np.cumsum(np.where(costs == 1, costs, 0))
    cheap = costs[n_init:] < 1  # only while the top has had its share
    assert (at_top / spent)[n_init - 1 : -1][cheap].min(initial=1.0) >= share
    assert cheap.any() == (share < 1)


def test_measured_cost_decides_between_levels():
    def play_with(costs):
        core = make_core({str(j): stats.uniform() for j in range(4)}, cost="measured")
        levels = []
        for _ in range(60):
            proposal = core.ask()
            t = SHARES.index(proposal.level)
            levels.append(t)
            core.tell(TrialResult(proposal, tilted(proposal), cost=costs[t]))
        return np.bincount(levels, minlength=3)

    cheap, dear = play_with([0.01, 0.3, 1.0]), play_with([0.99, 0.995, 1.0])
    assert cheap[0] > 1.5 * dear[0]
    assert dear[2] > 1.5 * cheap[2]


def test_trials_that_took_no_time_cost_their_share():
    shares = []
    for cost, measure in (("nominal", 1.0), ("measured", 0.0)):
        core = make_core(MIXED, cost=cost)
        for _ in range(40):
            proposal = core.ask()
            shares.append(proposal.share)
            core.tell(TrialResult(proposal, tilted(proposal), cost=measure))
    assert shares[:40] == shares[40:]


def test_no_trial_twice_and_an_end():
    core = make_core({"depth": [1, 2, 3, 4], "kind": ["a", "b"]})
    proposals = []
    while (proposal := core.ask()) is not None:
        proposals.append(proposal)
        core.tell(TrialResult(proposal, tilted(proposal)))
    assert len(set(proposals)) == len(proposals)
    assert sum(p.level is None for p in proposals) == 8


def test_what_was_tried_in_full_is_not_tried_cheaply():
    core = make_core({"depth": list(range(5)), "width": list(range(5))})
    n_start = core.samplers[0].n_init
    proposals = play(core, tilted, 40)
    full = {proposal.u for proposal in proposals[:n_start] if proposal.level is None}
    for proposal in proposals[n_start:]:
        assert proposal.u not in full
        full |= {proposal.u} if proposal.level is None else set()


def test_a_space_of_one_point():
    core = make_core({"depth": [1]})
    assert [p.level for p in play(core, lambda p: 0.5, 3)] == SHARES
    assert core.ask() is None


def test_scores_that_say_nothing_keep_to_the_share_of_the_top():
    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    shares = [p.share for p in play(core, lambda p: p.share, 40)]  # no spread within a level
    assert 0.45 < shares.count(1.0) / sum(shares) < 0.7
    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    play(core, lambda p: np.nan, 30)


def test_pending_trials_push_away():
    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    play(core, tilted, 20)
    pending = [core.ask() for _ in range(5)]
    assert len(set(pending)) == 5
    for proposal in pending:
        core.tell(TrialResult(proposal, tilted(proposal)))


def test_what_was_observed_leaves_the_state_that_asking_leaves():
    asked, observed = make_core(MIXED), make_core(MIXED)
    for proposal in play(asked, tilted, 40):
        observed.observe(proposal)
        observed.tell(TrialResult(proposal, tilted(proposal)))
    ours, theirs = asked.samplers[0], observed.samplers[0]
    np.testing.assert_array_equal(theirs._process.theta, ours._process.theta)
    assert theirs.n_single_fidelity == ours.n_single_fidelity
    assert play(observed, tilted, 4) == play(asked, tilted, 4)


def test_other_levels():
    levels = (0.1, 0.2, 0.4, 0.7, 1)
    core = make_core(MIXED, levels=levels)
    proposals = play(core, tilted, 50)
    assert {p.share for p in proposals} == set(levels)
    sampler = core.samplers[0]
    assert sampler.rho.shape == (4,)
    assert sampler.level_correlation.shape == (5,)
    assert sampler.level_correlation[-1] == pytest.approx(1)


def test_results_of_an_earlier_search_are_of_the_top_level_and_cost_nothing():
    core = make_core({"x": stats.uniform(), "y": stats.uniform()})
    for x in (0.1, 0.3, 0.5, 0.7, 0.9):
        core.learn(0, (x, x), tilted(Proposal(0, (x, x))))
    sampler = core.samplers[0]
    assert list(sampler.results) == [(x, x) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    levels = [p.level for p in play(core, tilted, 9)]
    assert levels == [SHARES[0]] * 6 + [SHARES[1]] * 3  # the top has had its two
    assert core.ask().level is None  # no share of the cost so far


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"levels": (1,)}, "levels must be at least two"),
        ({"levels": (0.5, 0.2, 1)}, "levels must be at least two"),
        ({"levels": (0.0, 1)}, "levels must be at least two"),
        ({"levels": (0.2, 0.5)}, "levels must be at least two"),
        ({"min_top_share": 1.5}, "min_top_share must be between 0 and 1, got 1.5"),
        ({"cost": "time"}, "cost must be 'nominal' or 'measured', got 'time'"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        make_core(MIXED, **params)
