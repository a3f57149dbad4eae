import itertools
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.svm import SVC

from skstruct.model_selection._space import Space

GRID = np.linspace(0, 1, 201)


class OnlyDraws:
    """A distribution as RandomizedSearchCV accepts it: nothing but rvs."""

    def __init__(self, draw):
        self.draw = draw

    def rvs(self, random_state=None):
        return self.draw(random_state)


def values(entry, grid=GRID):
    space = Space({"p": entry})
    return [space.decode(space.point((u,)))["p"] for u in grid]


def test_names_constants_and_dimensions():
    svc = SVC()
    space = Space({"model": [svc], "C": stats.uniform(0, 1), "k": ["a", "b"], "fix": [3]})
    assert space.names == ("model", "C", "k", "fix")
    assert space.free_names == ("C", "k")
    assert space.n_dims == 2
    assert space.categorical.tolist() == [False, True]
    params = space.decode((0.25, 0.75))
    assert params == {"model": svc, "C": 0.25, "k": "b", "fix": 3}
    assert params["model"] is svc


@pytest.mark.parametrize(
    "distribution",
    [
        stats.uniform(-3, 5),
        stats.loguniform(1e-4, 1e3),
        stats.loguniform(a=1e-4, b=1e3),
        stats.loguniform(1e-4, 1e3, loc=2),
        stats.beta(2, 5),
        stats.norm(1, 2),
        stats.expon(scale=3),
    ],
    ids=lambda d: f"{d.dist.name}{d.args}{d.kwds}",
)
def test_continuous_distributions_by_their_quantiles(distribution):
    space = Space({"p": distribution})
    low, high = distribution.support()
    for u in np.linspace(0, 1, 21):
        (snapped,) = space.point((u,))
        value = space.decode((snapped,))["p"]
        inside = np.clip(u, 1e-3 if low == -np.inf else 0, 1 - 1e-3 if high == np.inf else 1)
        assert snapped == inside
        assert low <= value <= high
        assert np.isfinite(value)
        assert value == pytest.approx(distribution.ppf(inside), rel=1e-12)
        assert space.encode({"p": value}) == pytest.approx((snapped,), abs=1e-12)


def test_ends_of_a_bounded_distribution_are_exact():
    space = Space({"p": stats.loguniform(1e-3, 7e5)})
    assert space.decode((0.0,))["p"] == 1e-3
    assert space.decode((1.0,))["p"] == 7e5


def test_discrete_distributions_are_midpoints_of_the_steps():
    distribution = stats.binom(5, 0.3)
    space = Space({"p": distribution})
    assert space.size == 6
    for k in range(6):
        (u,) = space.encode({"p": k})
        assert u == pytest.approx(distribution.cdf(k - 1) + distribution.pmf(k) / 2)
        assert space.decode((u,))["p"] == k
    assert type(space.decode((0.5,))["p"]) is int


def test_high_of_randint_is_exclusive():
    assert set(values(stats.randint(2, 6))) == {2, 3, 4, 5}


def test_unbounded_discrete_distribution_ends_at_its_tails():
    space = Space({"p": stats.poisson(10)})
    drawn = values(stats.poisson(10), np.linspace(0, 1, 5001))
    assert min(drawn) == stats.poisson(10).ppf(1e-3) or min(drawn) == 0
    assert max(drawn) == stats.poisson(10).ppf(1 - 1e-3)
    assert space.size == len(set(drawn))


def test_discrete_values_that_are_not_integers():
    distribution = stats.rv_discrete(values=([0.5, 1.25, 4.0], [0.2, 0.5, 0.3]))
    assert set(values(distribution)) == {0.5, 1.25, 4.0}


def test_wide_discrete_range_is_rounded():
    space = Space({"p": stats.randint(10, 100_000)})
    assert space.size == math.inf
    for u in (0.0, 0.31, 0.999, 1.0):
        value = space.decode((u,))["p"]
        assert type(value) is int
        assert 10 <= value < 100_000
        assert space.decode(space.encode({"p": value}))["p"] == value


def test_objects_with_only_rvs_have_a_fixed_quantile_function():
    entry = OnlyDraws(lambda state: state.normal(5, 2))
    drawn = np.array(values(entry))
    assert (np.diff(drawn) >= 0).all()
    assert values(entry) == drawn.tolist()
    np.testing.assert_allclose(drawn[20:-20], stats.norm(5, 2).ppf(GRID[20:-20]), atol=0.4)


def test_draws_that_repeat_keep_their_frequency():
    drawn = values(OnlyDraws(lambda state: int(state.rand() < 0.25)))
    assert set(drawn) == {0, 1}
    assert np.mean(drawn) == pytest.approx(0.25, abs=0.05)


def test_draws_without_an_order():
    drawn = values(OnlyDraws(lambda state: {"depth": state.randint(3)}))
    assert {d["depth"] for d in drawn} == {0, 1, 2}


@pytest.mark.parametrize(
    ("entry", "categorical"),
    [
        ([1, 2, 3], False),
        ([3.0, 1.0, 0.5], False),
        (np.logspace(-3, 3, 7), False),
        (range(4), False),
        ([1, 2], True),
        ([1, 3, 2], True),
        ([1, 1, 2], True),
        ([True, False], True),
        ([False, 1, 2], True),
        ([1, 2, math.nan], True),
        ([None, 1, 2], True),
        (["a", "b", "c"], True),
        (("a", 1, None), True),
    ],
)
def test_which_lists_have_an_order(entry, categorical):
    space = Space({"p": entry})
    assert space.categorical.tolist() == [categorical]
    assert space.size == len(entry)
    for i, value in enumerate(entry):
        point = ((i + 0.5) / len(entry),)
        assert space.point(point) == pytest.approx(point)
        decoded = space.decode(point)["p"]
        assert decoded is value or decoded == value


@pytest.mark.parametrize(
    "entry",
    [
        [True, 1, 0, False],
        [np.array([1, 2]), np.array([1, 3]), np.zeros((2, 2))],
        [math.nan, None, "nan"],
        [SVC(), SVC(C=2), "passthrough"],
        [(5,), (5, 5), [5]],
    ],
)
def test_values_are_found_by_position_and_not_by_equality(entry):
    space = Space({"p": entry})
    points = [space.encode({"p": value}) for value in entry]
    assert points == [pytest.approx(((i + 0.5) / len(entry),)) for i in range(len(entry))]
    for point, value in zip(points, entry, strict=True):
        assert space.decode(point)["p"] is value


def test_true_is_not_one_and_nan_is_nan():
    assert Space({"p": [True, False]}).encode({"p": 1}, strict=True) is None
    assert Space({"p": [0, 1, 2]}).encode({"p": True}, strict=True) is None
    assert Space({"p": [math.nan, 1.0]}).encode({"p": float("nan")}) == (0.25,)
    assert Space({"p": stats.uniform(0, 2)}).encode({"p": True}, strict=True) is None


def test_an_equal_estimator_is_found():
    space = Space({"p": [SVC(C=2), SVC()]})
    assert space.encode({"p": SVC()}) == (0.75,)


def test_outside_values_are_in_the_middle_or_nowhere():
    space = Space(
        {"gamma": stats.loguniform(1e-3, 1e3), "k": ["a", "b", "c"], "depth": stats.randint(1, 4)}
    )
    inside = {"gamma": 1.0, "k": "b", "depth": 2}
    assert space.encode(inside) == pytest.approx((0.5, 0.5, 0.5))
    for outside in ({"gamma": "scale"}, {"gamma": 1e9}, {"k": "z"}, {"depth": None}, {"depth": 7}):
        params = {**inside, "gamma": 0.01, **outside}
        point = dict(zip(space.names, space.encode(params), strict=True))
        assert point[next(iter(outside))] == 0.5
        assert space.encode(params, strict=True) is None
    assert space.encode({"k": "a"}) == pytest.approx((0.5, 1 / 6, 0.5))
    assert space.encode({"k": "a"}, strict=True) is None


def test_snap_gives_points():
    space = Space({"a": stats.randint(1, 5), "b": ["x", "y", "z"], "c": stats.norm()})
    U = np.random.default_rng(0).random((50, 3))
    for u, snapped in zip(U, space.snap(U), strict=True):
        assert space.point(u) == tuple(snapped)
        assert space.point(snapped) == tuple(snapped)
        assert space.decode(u) == space.decode(snapped)


def test_sample_follows_the_distributions():
    space = Space({"a": stats.binom(3, 0.2), "b": stats.expon()})
    rng = np.random.default_rng(0)
    drawn = [space.decode(space.sample(rng)) for _ in range(4000)]
    counts = np.bincount([d["a"] for d in drawn], minlength=4) / 4000
    np.testing.assert_allclose(counts, stats.binom(3, 0.2).pmf(range(4)), atol=0.03)
    assert stats.kstest([d["b"] for d in drawn], stats.expon.cdf).pvalue > 0.01


def test_sample_new_visits_every_point_once():
    space = Space({"a": [1, 2, 3], "b": [True, False], "c": stats.randint(0, 4), "d": ["x"]})
    rng = np.random.default_rng(0)
    used = set()
    for _ in range(space.size):
        used.add(space.sample_new(rng, used))
    assert len(used) == space.size == 24
    assert space.sample_new(rng, used) is None


def test_sample_new_finds_the_one_improbable_point():
    space = Space({"a": stats.rv_discrete(values=([0, 1], [1 - 1e-9, 1e-9]))})
    used = {space.encode({"a": 0})}
    assert space.decode(space.sample_new(np.random.default_rng(0), used)) == {"a": 1}


def test_space_of_constants_is_one_point():
    space = Space({"a": ["x"], "b": stats.randint(3, 4)})
    assert (space.n_dims, space.size) == (0, 1)
    assert space.sample(np.random.default_rng(0)) == ()
    assert space.decode(()) == {"a": "x", "b": 3}
    assert space.encode({}) == ()


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_points_survive_json_and_mean_the_same_parameters(u):
    space = Space(
        {
            "a": stats.loguniform(1e-5, 1e5),
            "b": stats.randint(0, 30),
            "c": [3, 2, 1],
            "d": [None, "x", True],
        }
    )
    point = space.point(u)
    again = tuple(json.loads(json.dumps(point)))
    assert again == point
    assert space.point(again) == point
    assert space.decode(again) == space.decode(u)


def test_kinds_describe_the_space_and_nothing_else():
    def space(high=1e3, extra=None, words=("a", "b")):
        entries = {"C": stats.loguniform(1e-3, high), "f": [np.tanh, sorted], "w": list(words)}
        return Space(
            {**entries, "e": [SVC()], "r": OnlyDraws(lambda s: s.rand()), **(extra or {})}
        )

    text = json.dumps(space().kinds)
    assert json.dumps(space().kinds) == text
    assert "0x" not in text
    for other in (space(high=1e4), space(extra={"z": [1, 2]}), space(words=("a", "c"))):
        assert json.dumps(other.kinds) != text


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "at least one parameter"),
        ([], "must be a dict"),
        ({"p": []}, "'p' is empty"),
        ({"p": np.array([])}, "'p' is empty"),
        ({"p": 3}, "'p' must be a sequence of values or a distribution"),
        ({"p": "rbf"}, "'p' must be a sequence of values or a distribution"),
        ({"p": {1, 2}}, "'p' must be a sequence of values or a distribution"),
    ],
)
def test_bad_spaces(entries, message):
    with pytest.raises(ValueError, match=message):
        Space(entries)


def test_pickle():
    entries = {"a": stats.loguniform(1, 9), "b": stats.uniform(), "c": stats.norm(), "d": [1, "x"]}
    space = Space(entries)
    again = pickle.loads(pickle.dumps(space))
    u = space.sample(np.random.default_rng(0))
    assert again.decode(u) == space.decode(u)


def test_size_counts_the_points():
    entries = {"a": [1, 2, 3], "b": ["x", "y"], "c": [0]}
    space = Space(entries)
    points = {space.point(u) for u in itertools.product(np.linspace(0.01, 0.99, 30), repeat=2)}
    assert space.size == len(points) == 6
    assert Space({**entries, "d": stats.norm()}).size == math.inf
