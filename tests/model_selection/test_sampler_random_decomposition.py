import numpy as np
import pytest
from scipy import stats

from skstruct.model_selection import (
    RandomDecompositionSampler,
    RandomSampler,
    TrialResult,
    ask_tell,
)
from skstruct.model_selection._space import Space

MIXED = {
    "rate": stats.loguniform(1e-4, 1),
    "depth": stats.randint(1, 12),
    "kind": ["a", "b", "c"],
    "share": stats.uniform(0, 1),
    "size": list(range(100)),
}


def cube(d):
    return {f"x{i:02d}": stats.uniform(0, 1) for i in range(d)}


def make_sampler(entries, seed=0, **params):
    return RandomDecompositionSampler(Space(entries), np.random.default_rng(seed), **params)


def play(sampler, score, n_pulls):
    points = []
    for _ in range(n_pulls):
        points.append(sampler.ask())
        sampler.tell(points[-1], score(**sampler.space.decode(points[-1])))
    return points


def hill(rate, depth, kind, share, size):
    height = (np.log10(rate) + 2.5) ** 2 / 4 + (depth - 8) ** 2 / 30 + (share - 0.3) ** 2
    return {"a": 0.0, "b": -0.3, "c": 0.2}[kind] - height - abs(size - 70) / 200


def rosenbrock(**x):
    z = 4 * np.array(list(x.values())) - 2
    return -np.log1p(np.sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2))


def best_of(function, d, sampler, seed, n_trials, **params):
    search = ask_tell(
        cube(d), "round_robin", sampler, random_state=seed, sampler_params=params, n_iter=n_trials
    )
    scores = []
    for _ in range(n_trials):
        proposal = search.ask()
        scores.append(function(**search.params(proposal)))
        search.tell(TrialResult(proposal, scores[-1]))
    return max(scores)


def test_rosenbrock_in_20_dimensions():
    """Where neighbours interact: random points reach -8.0, the model without a box -6.1."""
    ours = [best_of(rosenbrock, 20, RandomDecompositionSampler, s, 120) for s in range(4)]
    theirs = [best_of(rosenbrock, 20, RandomSampler, s, 120) for s in range(4)]
    assert np.mean(ours) >= -5.6
    assert np.mean(theirs) < -7.5


def test_finds_the_optimum_of_a_mixed_space():
    best = []
    for sampler_class in (RandomDecompositionSampler, RandomSampler):
        found = []
        for seed in range(4):
            sampler = sampler_class(Space(MIXED), np.random.default_rng(seed))
            play(sampler, hill, 45)
            found.append(0.2 - max(sampler.results.values()))
        best.append(np.mean(found))
    assert best[0] < 0.02
    assert best[0] < best[1] / 5


def test_first_points_are_spread():
    sampler = make_sampler(cube(3), n_init=8)
    points = np.array(play(sampler, lambda **x: 0.0, 8))
    for column in points.T:  # each eighth of each axis has one
        assert sorted((8 * column).astype(int)) == list(range(8))


@pytest.mark.parametrize("n_init", [2, 7])
def test_first_model_after_n_init_results(n_init):
    sampler = make_sampler(cube(4), n_init=n_init)
    play(sampler, lambda **x: sum(x.values()), n_init)
    assert sampler.edge_counts.sum() == 0
    sampler.ask()
    assert sampler.edge_counts.sum() == 2


def test_forests_are_drawn_anew_and_length_scales_go_on():
    sampler = make_sampler(cube(10))
    play(sampler, lambda **x: np.sin(12 * x["x00"]) + 0.1 * x["x01"], 40)
    assert sampler.edge_counts.sum() == 2 * 2 * 30  # two edges a step, each entered twice
    assert (sampler.edge_counts == sampler.edge_counts.T).all()
    assert np.diag(sampler.edge_counts).sum() == 0
    assert np.count_nonzero(sampler.edge_counts) > 2 * 20
    assert sampler.length_scales.argmin() == 0
    assert sampler.length_scales[0] < 0.9 * np.median(sampler.length_scales)


@pytest.mark.parametrize(("edge_fraction", "n_edges"), [(0.01, 1), (0.2, 2), (0.39, 3), (1.0, 9)])
def test_number_of_edges(edge_fraction, n_edges):
    sampler = make_sampler(cube(10), edge_fraction=edge_fraction, n_init=2)
    play(sampler, rosenbrock, 3)
    assert sampler.edge_counts.sum() == 2 * n_edges


def test_one_parameter():
    sampler = make_sampler(cube(1), n_init=3)
    play(sampler, lambda x00: -((x00 - 0.62) ** 2), 15)
    assert max(sampler.results.values()) > -1e-4


def test_no_parameter():
    sampler = make_sampler({"x": [3]}, n_init=2)
    for score in (0.0, 1.0, 2.0):  # an earlier search may have had noise
        sampler.tell((), score)
    sampler.observe(())
    assert sampler.ask() is None


def test_no_model_while_all_scores_are_equal():
    sampler = make_sampler(MIXED)
    points = play(sampler, lambda **params: 0.5, 80)
    assert len(set(points)) == 80
    assert np.array(points).std(axis=0).min() > 0.2
    assert sampler.edge_counts.sum() == 0


def test_failures_repel():
    def score(**x):
        return x["x00"] if x["x00"] < 0.6 else (np.nan, -np.inf, np.inf)[int(x["x01"] * 3)]

    sampler = make_sampler(cube(5))
    points = np.array(play(sampler, score, 50))[10:, 0]
    assert max(points[points < 0.6]) > 0.58
    assert (points < 0.65).mean() > 0.6


@pytest.mark.parametrize("trust_region", [True, False, "alternate"])
def test_finite_space_is_visited_once_and_ends(trust_region):
    entries = {"depth": [1, 2, 3, 4], "kind": ["a", "b"], "k": stats.randint(0, 3), "one": [1]}
    sampler = make_sampler(entries, n_init=3, trust_region=trust_region)
    points = play(sampler, lambda depth, kind, k, one: depth + (kind == "a") - k, 24)
    assert len(set(points)) == 24
    assert sampler.ask() is None


def test_pending_points_are_not_proposed():
    sampler = make_sampler({"depth": stats.randint(0, 12), "kind": ["a", "b"]}, n_init=3)
    play(sampler, lambda depth, kind: -abs(depth - 5.2), 6)
    pending = []
    for _ in range(18):
        pending.append(sampler.ask(tuple(pending)))
    assert len({*pending, *sampler.results}) == 24
    assert sampler.ask(tuple(pending)) is None


def test_a_repeated_point_is_moved_along_one_coordinate():
    sampler = make_sampler(cube(6))
    u = (0.5,) * 6
    moved = sampler._moved(u, {u})
    assert sum(a != b for a, b in zip(u, moved, strict=True)) == 1


def test_observed_points_leave_the_state_that_asking_leaves():
    asked, observed = make_sampler(MIXED), make_sampler(MIXED)
    for u in play(asked, hill, 31):
        observed.observe(u)
        observed.tell(u, hill(**observed.space.decode(u)))
    np.testing.assert_array_equal(observed.length_scales, asked.length_scales)
    np.testing.assert_array_equal(observed.edge_counts, asked.edge_counts)
    assert observed.side == asked.side
    for sampler in (asked, observed):
        sampler.rng.bit_generator.state = np.random.PCG64(7).state
    assert observed.ask() == asked.ask()


# The grids -------------------------------------------------------------------------------------


def with_step(sampler, step, side=0.8):
    sampler._step, sampler.side = step, side
    return sampler


CENTER = np.array([0.31, 0.5, 0.5, 0.97, 0.705])


@pytest.mark.parametrize(
    ("trust_region", "step", "is_local"),
    [("alternate", 1, True), ("alternate", 2, False), (True, 2, True), (False, 1, False)],
)
def test_where_the_grid_lies(trust_region, step, is_local):
    sampler = with_step(make_sampler(MIXED, trust_region=trust_region), step, side=0.4)
    grids, _ = sampler._grids(CENTER)
    rate, depth, kind, share, size = grids
    if is_local:  # equal length scales: half-width .2, cut to the cube
        assert len(rate) == 17
        assert CENTER[0] in rate
        assert 0.11 <= rate.min() < 0.11 + 0.4 / 16
        assert 0.51 - 0.4 / 16 < rate.max() <= 0.51
        assert share.max() <= 1.0
        assert share.min() >= 0.77
        assert len(depth) == 5
        np.testing.assert_allclose(depth, (np.arange(3, 8) + 0.5) / 11)
        assert np.abs(size - 0.705).max() < 0.2001
    else:
        assert len(rate) == 32
        np.testing.assert_allclose(np.diff(rate), 1 / 32)
        assert 0 <= rate.min() < 1 / 32
        assert len(depth) == 11
        assert np.ptp(size) > 0.9
    np.testing.assert_allclose(kind, [1 / 6, 1 / 2, 5 / 6])
    assert len(size) <= 33
    assert CENTER[4] in size


def test_phase_of_the_grid_changes():
    sampler = with_step(make_sampler(cube(3)), 2)
    first, second = (sampler._grids(CENTER[:3])[0] for _ in range(2))
    assert not np.isclose(first, second).any()


def test_all_values_of_a_long_list_come_up():
    sampler = with_step(make_sampler({"size": list(range(200)), "x": stats.uniform()}), 2)
    seen = set()
    for _ in range(60):
        seen.update(sampler._grids(np.array([0.5025, 0.5]))[0][0])
    assert len(seen) == 200


def test_box_is_wide_where_the_function_is_sensitive():
    sampler = with_step(make_sampler(cube(3), grid_size=400), 1, side=0.4)
    sampler._process.theta[:3] = np.log([0.25, 0.5, 1.0])
    grids, _ = sampler._grids(np.full(3, 0.5))
    np.testing.assert_allclose([np.ptp(grid) for grid in grids], [0.8, 0.4, 0.2], rtol=0.01)


def test_box_has_a_least_width():
    sampler = with_step(make_sampler(cube(2), grid_size=400), 1, side=1e-3)
    grids, _ = sampler._grids(np.full(2, 0.5))
    np.testing.assert_allclose([np.ptp(grid) for grid in grids], 0.02, rtol=0.01)


@pytest.mark.parametrize("step", [1, 2])
def test_zoom_stays_inside_and_is_four_times_finer_each_time(step):
    sampler = with_step(make_sampler(MIXED), step, side=0.4)
    grids, zoom = sampler._grids(CENTER)
    assert len(zoom) == 2
    u = np.array([grid[-1] for grid in grids])
    for around, share in zip(zoom, (1, 4), strict=True):
        rate, depth, kind, share_grid, size = around(u)
        assert len(rate) == 9
        width = (0.4 / 16 if step == 1 else 1 / 32) / share
        assert rate[0] == pytest.approx(u[0] - width)
        assert rate.max() <= (0.51 if step == 1 else 1.0) + 1e-12
        assert share_grid.max() <= 1.0
        for fixed, value in zip((depth, kind, size), u[[1, 2, 4]], strict=True):
            np.testing.assert_array_equal(fixed, [value])


def test_number_of_zooms():
    assert not with_step(make_sampler(cube(2), n_zoom=0), 1)._grids(np.full(2, 0.5))[1]


# The trust region ------------------------------------------------------------------------------


def sides(scores, d=3):
    """Return the side after each of some scores, a model being there after the first two."""
    sampler = make_sampler(cube(d), n_init=2)
    rng = np.random.default_rng(0)
    found = []
    for score in (0.0, -1.0, *scores):
        u = tuple(rng.random(d))
        sampler.observe(u)
        sampler.tell(u, score)
        found.append(sampler.side)
    return found[2:]


def test_side_grows_with_success_up_to_a_limit():
    assert sides([1, 2, 3, 4, 5, 6, 7]) == [0.8, 0.8, 1.6, 1.6, 1.6, 1.6, 1.6]


def test_side_shrinks_with_failure():
    assert sides([-1] * 5) == [0.8] * 4 + [0.4]
    assert sides([-1, -1, -1, -1, np.nan]) == [0.8] * 4 + [0.4]
    assert sides([-1] * 4 + [1] + [-1] * 5)[-2:] == [0.8, 0.4]
    assert sides([-1] * 10, d=30)[-2:] == [0.8, 0.4]


def test_side_starts_again():
    after = sides([-1] * 35)[4::5]
    np.testing.assert_allclose(after, [0.4, 0.2, 0.1, 0.05, 0.025, 0.0125, 0.8])


def test_earlier_results_leave_the_side_alone():
    sampler = make_sampler(cube(3))
    for i in range(30):
        sampler.tell(tuple(np.random.default_rng(i).random(3)), -float(i))
    assert sampler.side == 0.8
    assert sampler.ask() is not None
    assert sampler.edge_counts.sum() == 2


# Parameters ------------------------------------------------------------------------------------


def test_beta():
    steps = []

    def beta(t):
        steps.append(t)
        return 1.0

    play(make_sampler(cube(3), beta=beta), rosenbrock, 14)
    assert steps == [1, 2, 3, 4]
    auto = make_sampler(cube(3))
    auto._step = 5
    assert auto._beta() == pytest.approx(0.2 * np.log(10))
    assert make_sampler(cube(3), beta=2.5)._beta() == 2.5


def test_optimism_explores():
    spread = []
    for beta in (0.01, 20.0):
        sampler = make_sampler(cube(2), beta=beta, trust_region=False)
        points = play(sampler, lambda x00, x01: -((x00 - 0.4) ** 2) - (x01 - 0.6) ** 2, 40)
        spread.append(np.std(points[20:], axis=0).mean())
    assert spread[0] < 0.05
    assert spread[1] > 0.2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("edge_fraction", 0),
        ("edge_fraction", 1.1),
        ("beta", 0.0),
        ("beta", "high"),
        ("grid_size", 3),
        ("n_zoom", -1),
        ("trust_region", "sometimes"),
        ("n_init", 1),
    ],
)
def test_bad_parameters(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        make_sampler(MIXED, **{name: value})


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_beta_that_is_no_width_is_an_error(value):
    sampler = make_sampler(cube(3), beta=lambda t: value, n_init=3)
    with pytest.raises(ValueError, match="must be positive and finite"):
        play(sampler, rosenbrock, 8)
