"""The spaces of scikit-learn's estimators; that each point fits is for the conformance suite."""

import inspect
from functools import partial

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import ParameterSampler
from sklearn.pipeline import Pipeline

from skstruct import registry, search_spaces
from skstruct.model_selection._default_arms import MAX_SAMPLES, default_arms
from skstruct.model_selection._space import Space

CARDS = registry.all_cards("skstruct")
SPACES = [card for card in CARDS if card.group == "skstruct.search_spaces"]
DATA = {
    "classification": partial(make_classification, class_sep=2.0),
    "regression": make_regression,
}


def test_every_function_is_registered():
    functions = {
        name
        for name, function in inspect.getmembers(search_spaces, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {card.value.partition(":")[2] for card in SPACES} == functions


@pytest.mark.parametrize("card", SPACES, ids=lambda card: card.name)
def test_space_is_small_and_can_be_searched(card):
    space = Space(card.load()())
    assert 1 <= space.n_dims <= 5
    middle = space.point([0.5] * space.n_dims)
    assert space.encode(space.decode(middle)) == pytest.approx(middle)


@pytest.mark.parametrize("task", DATA)
def test_default_arms_are_complete(task):
    arms = default_arms(task, random_state=0)
    assert len(arms) == 8
    right_kind = is_classifier if task == "classification" else is_regressor
    for pipeline, distributions in arms.values():
        assert isinstance(pipeline, Pipeline)
        assert right_kind(pipeline)
        assert set(distributions) <= set(pipeline.get_params())
        assert all(name.startswith("model__") for name in distributions)


@pytest.mark.parametrize(
    ("task", "arm"), [(task, arm) for task in DATA for arm in default_arms(task)]
)
def test_default_arm_fits_and_predicts(task, arm):
    X, y = DATA[task](n_samples=120, n_features=8, n_informative=4, random_state=0)
    pipeline, distributions = default_arms(task, random_state=0)[arm]
    best = max(
        pipeline.set_params(**params).fit(X[:80], y[:80]).score(X[80:], y[80:])
        for params in ParameterSampler(distributions, 3, random_state=0)
    )
    assert best > (0.75 if task == "classification" else 0.2)


def test_default_arms_of_a_long_table_leave_out_what_would_take_minutes():
    small, long, longer = (
        default_arms("regression", n_samples=n) for n in (10_000, 20_000, 10**5)
    )
    assert set(small) - set(long) == {"svm"}
    assert set(long) - set(longer) == {"neighbors"}
    assert set(MAX_SAMPLES) == {"svm", "neighbors"}
    shares = [arms["random_forest"][0][-1].max_samples for arms in (small, long, longer)]
    assert shares == [None, 0.5, 0.1]


@pytest.mark.parametrize("task", DATA)
def test_default_arms_take_missing_values_if_asked_to(task):
    X, y = DATA[task](n_samples=80, n_features=8, random_state=0)
    X[::7, 1] = np.nan
    for pipeline, _ in default_arms(task, impute=True, random_state=0).values():
        assert len(pipeline.fit(X, y).predict(X)) == len(X)


def test_default_arms_are_seeded():
    for task in DATA:
        for name, (pipeline, _) in default_arms(task, random_state=7).items():
            params = pipeline.get_params()
            seeds = [params[key] for key in params if key.endswith("random_state")]
            assert set(seeds) <= {7}
            assert seeds or name in ("discriminant", "neighbors", "svm")


def test_default_arms_refuse_another_task():
    with pytest.raises(ValueError, match="task='ranking' is neither"):
        default_arms("ranking")
