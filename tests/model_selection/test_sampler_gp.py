import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from skstruct.model_selection import GPSampler, RandomSampler
from skstruct.model_selection._candidates import shifted_sobol, standardised
from skstruct.model_selection._space import Space

MIXED = {
    "rate": stats.loguniform(1e-4, 1),
    "depth": stats.randint(1, 12),
    "kind": ["a", "b", "c"],
    "share": stats.uniform(0, 1),
}


def make_sampler(entries, seed=0, **params):
    return GPSampler(Space(entries), np.random.default_rng(seed), **params)


def play(sampler, score, n_pulls):
    points = []
    for _ in range(n_pulls):
        points.append(sampler.ask())
        sampler.tell(points[-1], score(**sampler.space.decode(points[-1])))
    return points


def hill(rate, depth, kind, share):
    height = (np.log10(rate) + 2.5) ** 2 / 4 + (depth - 8) ** 2 / 30 + (share - 0.3) ** 2
    return {"a": 0.0, "b": -0.3, "c": 0.2}[kind] - height


def test_finds_the_optimum_of_a_mixed_space():
    regrets = []
    for sampler_class in (GPSampler, RandomSampler):
        best = []
        for seed in range(5):
            sampler = sampler_class(Space(MIXED), np.random.default_rng(seed))
            play(sampler, hill, 35)
            best.append(0.2 - max(sampler.results.values()))
        regrets.append(np.mean(best))
    assert regrets[0] < 0.005
    assert regrets[0] < regrets[1] / 10


@pytest.mark.parametrize(("n_dims", "n_init"), [(1, 3), (2, 3), (3, 4), (5, 6), (9, 6)])
def test_n_init(n_dims, n_init):
    assert make_sampler({str(i): stats.uniform() for i in range(n_dims)}).n_init == n_init


def test_first_points_are_spread():
    for seed in range(20):
        sampler = make_sampler({"x": stats.uniform(), "y": stats.uniform()}, seed)
        points = np.array([sampler.ask(tuple((0.5, k) for k in range(i))) for i in range(4)])
        for column in points.T:  # each quarter of each axis has one
            assert sorted((4 * column).astype(int)) == [0, 1, 2, 3]


def test_sobol_points_are_shifted_by_the_generator():
    a, b = (shifted_sobol(3, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.isclose(a, b).any()
    assert (a > 0).all()
    assert (a < 1).all()
    np.testing.assert_array_equal(a, shifted_sobol(3, np.random.default_rng(0)))


def test_no_model_while_all_scores_are_equal():
    sampler = make_sampler(MIXED)
    points = play(sampler, lambda **params: 0.5, 80)
    assert len(set(points)) == 80
    assert np.array(points).std(axis=0).min() > 0.2
    assert sampler._n_fitted == 0


def test_scores_are_winsorised_and_standardised():
    scores = np.array([0.9, 0.8, 0.7, -1e9, np.nan])
    z = standardised(scores)
    assert z.mean() == pytest.approx(0)
    assert z.std() == pytest.approx(1)
    # The median of the finite scores is .75, the best .9: the floor is .45.
    raised = np.array([0.9, 0.8, 0.7, 0.45, 0.45])
    np.testing.assert_allclose(z, (raised - raised.mean()) / raised.std())


@pytest.mark.parametrize("unit", [2.0**1021, 2.0**700, 2.0**-600, 2.0**-1060])
def test_scores_of_any_unit_are_the_same_to_the_model(unit):
    scores = np.array([1.5, 0.5, 0.25, -0.75, np.nan, -1.25])
    np.testing.assert_array_equal(standardised(scores * unit), standardised(scores))


def test_standardised_scores_are_finite_at_the_end_of_the_range():
    z = standardised(np.array([1.7e308, -1.7e308, -1.7e308, np.nan]))
    assert np.isfinite(z).all()
    assert z[3] <= z[1] < z[0]


def test_scores_of_a_plateau_keep_their_spread():
    z = standardised(np.array([1.0, 1.0, 1.0, 0.9, np.nan]))
    assert z[3] == z[4] < z[0]
    assert standardised(np.array([1.0, np.nan])) is None
    assert standardised(np.array([np.nan, np.nan])) is None


def test_failures_and_infinite_scores_repel():
    def score(x):
        return x if x < 0.6 else (np.nan, -np.inf, np.inf)[int(x * 1e6) % 3]

    sampler = make_sampler({"x": stats.uniform()}, eps=0)
    points = np.array(play(sampler, score, 20))[:, 0]
    assert max(points[points < 0.6]) > 0.59
    assert (points[5:] < 0.65).mean() > 0.8


def test_optimum_in_a_corner():
    sampler = make_sampler({"x": stats.uniform(), "y": stats.uniform()})
    play(sampler, lambda x, y: x - y, 25)
    assert max(sampler.results.values()) > 0.99


@pytest.mark.parametrize("sampler_class", [GPSampler, RandomSampler])
def test_finite_space_is_visited_once_and_ends(sampler_class):
    space = Space({"depth": [1, 2, 3, 4], "kind": ["a", "b"], "k": stats.randint(0, 3)})
    sampler = sampler_class(space, np.random.default_rng(0))
    points = play(sampler, lambda depth, kind, k: depth + (kind == "a") - k, 24)
    assert len(set(points)) == 24
    assert sampler.ask() is None


@pytest.mark.parametrize("sampler_class", [GPSampler, RandomSampler])
def test_pending_points_are_not_proposed(sampler_class):
    space = Space({"depth": stats.randint(0, 12), "kind": ["a", "b"]})
    sampler = sampler_class(space, np.random.default_rng(0))
    play(sampler, lambda depth, kind: -abs(depth - 5.2), 6)
    pending = []
    for _ in range(18):
        pending.append(sampler.ask(tuple(pending)))
    assert len({*pending, *sampler.results}) == 24
    assert sampler.ask(tuple(pending)) is None


def test_pending_points_push_away():
    sampler = make_sampler({"x": stats.uniform(), "y": stats.uniform()}, eps=0)
    play(sampler, lambda x, y: -((x - 0.4) ** 2) - (y - 0.6) ** 2, 8)
    pending = []
    for _ in range(4):
        pending.append(sampler.ask(tuple(pending)))
    assert np.mean(pdist(pending)) > 0.1  # without them .02


def test_observed_points_leave_the_state_that_asking_leaves():
    asked, observed = make_sampler(MIXED), make_sampler(MIXED)
    for u in play(asked, hill, 20):
        observed.observe(u)
        observed.tell(u, hill(**observed.space.decode(u)))
    np.testing.assert_array_equal(observed._process.theta, asked._process.theta)
    for sampler in (asked, observed):
        sampler.rng.bit_generator.state = np.random.PCG64(7).state
    assert observed.ask() == asked.ask()


def test_rare_random_points():
    entries = {"x": stats.uniform(), "y": stats.uniform()}
    shares = []
    for eps in (0, 0.5):
        sampler = make_sampler(entries, eps=eps)
        points = np.array(play(sampler, lambda x, y: -((x - 0.2) ** 2) - (y - 0.2) ** 2, 60))[10:]
        shares.append((np.abs(points - 0.2).max(axis=1) > 0.25).mean())
    assert shares[0] < 0.25
    assert 0.35 < shares[1] < 0.65


@pytest.mark.parametrize("eps", [-0.1, 1.5])
def test_bad_eps(eps):
    with pytest.raises(ValueError, match="eps must be between 0 and 1"):
        make_sampler(MIXED, eps=eps)
