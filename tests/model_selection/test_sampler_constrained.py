import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist
from test_gp import CATEGORICAL, exact_log_improvement, kernel, noisy_kernel, profile

from skstruct.model_selection import ConstrainedSampler, Proposal, TrialResult
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._sampler_constrained import total_violation
from skstruct.model_selection._space import Space

SQUARE = {"x": stats.uniform(0, 1), "y": stats.uniform(0, 1)}
MIXED = {**SQUARE, "kind": ["a", "b", "c"]}


def sinus(x, y):
    x, y = 6 * x, 6 * y
    return np.cos(2 * x) * np.cos(y) + np.sin(x), (np.cos(x + y) + 0.2,)


def gardner(x, y, limit=0.95):
    x, y = 6 * x, 6 * y
    return np.sin(x) + y, (np.sin(x) * np.sin(y) + limit,)


def gramacy(x, y):
    wave = np.sin(2 * np.pi * (x**2 - 2 * y))
    return x + y, (1.5 - x - 2 * y - 0.5 * wave, x**2 + y**2 - 1.5)


def impossible(x, y):
    return gardner(x, y, limit=1.15)


def run(problem, seed, n_trials, entries=SQUARE, **params):
    """Minimise; return the best feasible value after each trial, and the sampler."""
    core = ArmAskTell(
        [Space(entries)],
        "round_robin",
        ConstrainedSampler,
        budget=n_trials,
        seed=seed,
        sampler_params=params,
    )
    best = []
    for _ in range(n_trials):
        proposal = core.ask()
        f, g = problem(**core.params(proposal))
        core.tell(TrialResult(proposal, -f, values=g))
        best.append(f if max(g, default=0) <= 0 else np.inf)
    return np.minimum.accumulate(best), core.samplers[0]


def make_sampler(entries=SQUARE, seed=0, **params):
    return ConstrainedSampler(Space(entries), np.random.default_rng(seed), **params)


def learn(sampler, u, score, *values):
    sampler.learn(TrialResult(Proposal(0, u), score, values=values))


def fill(sampler, problem, n, seed=1):
    """Tell a sampler results at random points."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        u = sampler.space.sample(rng)
        f, g = problem(*u)
        learn(sampler, u, -f, *g)


@pytest.mark.parametrize(
    ("problem", "optimum"), [(sinus, -1.9602), (gardner, 0.2532), (gramacy, 0.5998)]
)
def test_finds_the_feasible_optimum(problem, optimum):
    best = np.array([run(problem, seed, 40)[0] for seed in range(5)])
    assert np.median(best[:, -1]) - optimum < 0.02
    assert np.isfinite(best[:, 19]).sum() >= 4
    assert best.min() > optimum - 1e-3  # what is infeasible has not been taken for feasible


def test_declares_what_is_infeasible_and_nothing_else():
    for seed in range(5):
        best, sampler = run(impossible, seed, 40)
        infeasible, trace = sampler.verdict()
        assert infeasible
        assert np.isinf(best).all()
        assert trace[-1] == pytest.approx(0.15, abs=0.05)  # the least violation there is
        assert len(trace) == 40 - sampler.n_init + 1
        assert np.min([g for (g,) in sampler._values]) < 0.2
        assert not run(gardner, seed, 40)[1].verdict()[0]


def test_declaration_persists_and_is_withdrawn():
    sampler = make_sampler()
    for n in range(10):  # of which four before the model and two times three after
        assert not sampler.verdict()[0]
        u = sampler.space.sample(np.random.default_rng(n))
        learn(sampler, u, u[0], 1.0 + u[1])
    assert (sampler.verdict()[1] > 0).all()
    assert len(sampler.verdict()[1]) >= 5
    assert sampler.verdict()[0]
    learn(sampler, (0.5, 0.5), 0.5, 0.0)
    assert not sampler.verdict()[0]


def views(sampler, candidates, pending, beta):
    """Return what each function is believed to be, in plain linear algebra."""

    def exact(points):  # the kernel of reference asks for sixths to the last bit
        points = np.array(points).reshape(-1, 3)
        return np.column_stack((points[:, :2], np.round(6 * points[:, 2]) / 6))

    points, candidates, pending = map(exact, (list(sampler.results), candidates, pending))
    scores = np.array(list(sampler.results.values()))
    G = np.array(sampler._values)
    best, median = scores.max(), np.median(scores)
    limits = 5 * np.median(np.abs(G), axis=0)
    columns = [np.maximum(scores, median - 2 * (best - median)), *np.clip(G, -limits, limits).T]
    found = []
    for function, z in zip(sampler._functions, columns, strict=True):
        theta = function._process.theta
        X, lengths = np.vstack((points, pending)), np.exp(theta[:-1])
        mean, scale = profile(points, z, theta)
        weights = np.linalg.solve(noisy_kernel(points, theta), z - mean)
        mu, fitted = (mean + kernel(at, points, lengths) @ weights for at in (candidates, X))
        k = kernel(candidates, X, lengths)
        reduction = np.einsum("ij,ji->i", k, np.linalg.solve(noisy_kernel(X, theta), k.T))
        found.append((mu, np.sqrt(scale * (1 - reduction)), fitted))
    feasible = (G <= 0).all(axis=1)
    believed = np.all([fitted[len(G) :] <= 0 for _, _, fitted in found[1:]], axis=0)
    mu, sigma, fitted = found[0]
    best = fitted[np.concatenate((feasible, believed))].max() if feasible.any() else None
    worst = np.max([mu_i - beta * sigma_i for mu_i, sigma_i, _ in found[1:]], axis=0)
    config = np.where(worst <= 0, mu + beta * sigma, -np.inf)
    if (worst > 0).all():
        config = -worst
    cei = sum(stats.norm.logcdf(0, mu_i, sigma_i) for mu_i, sigma_i, _ in found[1:])
    if best is not None:
        cei = cei + np.log(sigma) + [exact_log_improvement(t) for t in (mu - best) / sigma]
    return config, cei, worst


def mixed(x, y, kind, limit):
    return (x - 0.3) ** 2 + y, (limit - x - y + kind, 10 * (x - 0.8) ** 3)


@pytest.mark.parametrize("limit", [0.3, 5.0], ids=["feasible", "infeasible"])
@pytest.mark.parametrize("pending", [[], [(0.2, 0.4, 0.5), (0.9, 0.1, 1 / 6)]], ids=len)
def test_proposal_maximises_what_the_posterior_says(limit, pending):
    """The acquisitions, from brute force at the candidates that the sampler has looked at."""
    assert (Space(MIXED).categorical == CATEGORICAL).all()
    proposals = {}
    for acquisition in ("config", "cei", "mixed"):
        for n in (20, 21):
            sampler = make_sampler(MIXED, acquisition=acquisition, beta=1.5)
            fill(sampler, lambda *u: mixed(*u, limit), n)
            proposals[acquisition, n] = u = sampler.ask(tuple(pending))
            candidates = sampler._candidates
            config, cei, _ = views(sampler, candidates, pending, 1.5)
            alone = views(sampler, candidates, [], 1.5)[2]
            assert sampler.verdict()[1][-1] == pytest.approx(alone.min(), rel=1e-6)
            assert len(candidates) > 800
            gain = {"config": config, "cei": cei}.get(acquisition)
            if gain is not None:
                at = candidates.tolist().index(list(u))
                assert gain[at] == pytest.approx(gain.max(), rel=1e-6, abs=1e-9)
    for n in (20, 21):
        turn = "config" if (n + len(pending)) % 2 == 0 else "cei"
        assert proposals["mixed", n] == proposals[turn, n]
    assert proposals["config", 20] != proposals["cei", 20]


def test_without_a_feasible_result_the_score_does_not_matter():
    asked = []
    for sign in (1, -1):
        sampler = make_sampler(acquisition="cei")
        fill(sampler, lambda x, y, sign=sign: (sign * x, (x + y + 0.1,)), 20)
        asked.append(sampler.ask())
    assert asked[0] == asked[1]
    assert sum(asked[0]) < 0.1


def test_beta_by_the_number_of_results():
    asked = {}
    for beta in (0.5, 5.0, lambda n: 0.5 if n == 20 else 5.0):
        sampler = make_sampler(acquisition="config", beta=beta)
        fill(sampler, gramacy, 20)
        asked[beta] = sampler.ask()
    by_number, (low, high) = asked.popitem()[1], asked.values()
    assert by_number == low != high


def test_values_far_out_do_not_set_the_scale():
    thetas = []
    for far in (5.0, 1e6):
        sampler = make_sampler()
        fill(sampler, lambda x, y, far=far: (x, (x - 0.5 if y < 0.9 else far,)), 30)
        sampler.ask()
        thetas.append(sampler._functions[1]._process.theta)
    np.testing.assert_array_equal(*thetas)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**1000])
def test_units_do_not_matter(unit):
    def scaled(x, y):
        f, g = gardner(x, y)
        return unit * f, (unit * g[0],)

    points, traces = [], []
    for problem in (gardner, scaled):
        sampler = run(problem, 0, 20)[1]
        points.append(list(sampler.results))
        traces.append(sampler.verdict()[1])
    assert points[0] == points[1]
    np.testing.assert_allclose(unit * traces[0], traces[1])


def test_missing_values_are_left_out_and_not_feasible():
    sampler, without = make_sampler(), make_sampler()
    rng = np.random.default_rng(0)
    for i in range(24):
        u = sampler.space.sample(rng)
        failed = i % 3 == 0
        value = (np.nan, np.inf)[i % 2] if failed else u[0] - 0.5
        learn(sampler, u, np.nan if failed else u[1], value, -1.0)
        if not failed:
            learn(without, u, u[1], value, -1.0)
    for each in (sampler, without):
        each.ask()
    np.testing.assert_array_equal(
        sampler._functions[1]._process.theta, without._functions[1]._process.theta
    )
    np.testing.assert_array_equal(sampler._functions[0]._process.inputs.n_points, 24)
    expected = [i % 3 > 0 and u[0] <= 0.5 for i, u in enumerate(sampler.results)]
    np.testing.assert_array_equal(sampler._feasible, expected)


def test_failed_region_is_left():
    def halves(x, y):
        return (np.nan, (np.nan,)) if x > 0.6 else (-x, (y - 0.5,))

    sampler = run(halves, 0, 30)[1]
    feasible = [u for u, f in zip(sampler.results, sampler._feasible, strict=False) if f]
    assert max(x for x, _ in feasible) > 0.58


def bowl(x, y):
    return (x - 0.3) ** 2 + (y - 0.6) ** 2


def test_constraint_that_is_always_the_same():
    """Satisfied it says nothing; violated it cannot be satisfied, wherever one looks."""
    satisfied = run(lambda x, y: (bowl(x, y), (-1.0,)), 0, 25)[1]
    none = run(lambda x, y: (bowl(x, y), ()), 0, 25)[1]
    assert satisfied.results == none.results
    assert max(none.results.values()) > -1e-3
    infeasible, trace = run(lambda x, y: (x, (0.25,)), 0, 25)[1].verdict()
    assert infeasible
    np.testing.assert_allclose(trace, 0.25)


def test_scores_that_are_all_the_same():
    best, sampler = run(lambda x, y: (1.0, (x + y - 0.2,)), 0, 25)
    assert best[-1] == 1.0
    assert len(set(sampler.results)) == 25


def test_results_without_values_are_not_feasible():
    """Those of an earlier search: of the constraints nothing is known there."""
    sampler = make_sampler()
    for i in range(6):
        sampler.tell((i / 6, 0.5), i / 6)
    assert not sampler.verdict()[0]
    learn(sampler, (0.9, 0.1), 0.5, 0.1)
    learn(sampler, (0.1, 0.1), 0.2, -0.2)
    sampler.ask()
    np.testing.assert_array_equal(sampler._feasible, [False] * 7 + [True])


def test_pending_points_push_away():
    sampler = make_sampler()
    fill(sampler, gramacy, 12)
    pending = []
    for _ in range(4):
        pending.append(sampler.ask(tuple(pending)))
    assert np.mean(pdist(pending)) > 0.1


def test_finite_space_is_visited_once_and_ends():
    entries = {"x": [0.0, 0.25, 0.5, 1.0], "y": [0.0, 0.5, 1.0]}
    sampler = run(gramacy, 0, 12, entries)[1]
    assert len(sampler.results) == 12
    assert sampler.ask() is None
    assert sampler.verdict()[0] is False


def test_observed_points_leave_the_state_that_asking_leaves():
    asked, observed = make_sampler(MIXED), make_sampler(MIXED)
    for _ in range(20):
        u = asked.ask()
        observed.observe(u)
        f, g = mixed(*u, 0.3)
        for sampler in (asked, observed):
            learn(sampler, u, -f, *g)
    np.testing.assert_array_equal(observed.verdict()[1], asked.verdict()[1])
    for one, other in zip(observed._functions, asked._functions, strict=True):
        np.testing.assert_array_equal(one._process.theta, other._process.theta)
    assert observed.ask() == asked.ask()


def test_total_violation():
    G = np.array([[0.0, -4.0], [1.0, 2.0], [-2.0, 1.0], [np.nan, -1.0]])
    np.testing.assert_array_equal(total_violation(G), [0, 0.5 + 0.5, 0.25, np.inf])
    np.testing.assert_array_equal(total_violation(np.zeros((2, 1))), [0, 0])
    np.testing.assert_array_equal(total_violation(np.zeros((3, 0))), [0, 0, 0])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"acquisition": "ei"}, "acquisition must be one of"),
        ({"beta": 0.0}, "beta must be positive"),
        ({"n_init": 0}, "n_init must be at least 1"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        make_sampler(**params)


def test_n_init():
    assert [make_sampler(e).n_init for e in ({"x": [1, 2]}, MIXED)] == [4, 4]
    assert make_sampler({str(i): stats.uniform() for i in range(7)}).n_init == 8
    assert make_sampler(n_init=2).n_init == 2


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_beta_that_is_no_width_is_an_error(value):
    with pytest.raises(ValueError, match="must be positive and finite"):
        run(sinus, 0, 8, beta=lambda n: value)
