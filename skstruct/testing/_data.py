"""Small data for any estimator, and what the estimator makes of it."""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import get_tags

METHODS = ("transform", "predict", "predict_proba", "decision_function", "score_samples")
WORDS = ["a", "bandit", "pulls", "the", "arm", "whose", "reward", "may", "still", "rise"]


def make_data(estimator, n_samples=120, n_features=6):
    """Return X and a target that suit the tags of the estimator; None for y where none is due.

    The rows are of three overlapping clusters in turn. A transformer gets their labels as y.
    """
    tags = get_tags(estimator)
    rng = np.random.RandomState(0)
    labels = np.arange(n_samples) % 3
    X = 2.0 * rng.standard_normal((3, n_features))[labels]
    X += rng.standard_normal((n_samples, n_features))
    if tags.input_tags.string and not tags.input_tags.two_d_array:
        X = np.array([" ".join(rng.choice(WORDS, 8)) for _ in range(n_samples)])
    elif tags.input_tags.positive_only:
        X -= X.min()
    y = None
    if tags.estimator_type == "regressor":
        y = X @ np.linspace(-1.0, 1.0, n_features) + 0.1 * rng.standard_normal(n_samples)
    elif tags.estimator_type in ("classifier", None) or tags.target_tags.required:
        multi_class = tags.classifier_tags is None or tags.classifier_tags.multi_class
        y = labels if multi_class else labels % 2
    if y is not None and not tags.target_tags.single_output and tags.target_tags.two_d_labels:
        y = np.column_stack([y, y])
    return X, y


def seeded(estimator):
    """Return a clone whose random state, if it has one, is fixed."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=0)
    return estimator


def fitted(estimator, X, y):
    """Return a seeded clone, fitted."""
    estimator = seeded(estimator)
    return estimator.fit(X) if y is None else estimator.fit(X, y)


def outputs(estimator, X):
    """Return {method: array} of all that a fitted estimator says of X."""
    found = {}
    for method in METHODS:
        if hasattr(estimator, method):
            result = getattr(estimator, method)(X)
            found[method] = result.toarray() if issparse(result) else np.asarray(result)
    if not found and hasattr(estimator, "labels_"):
        found["labels_"] = estimator.labels_
    return found


def assert_same(actual, expected):
    """Compare two results of `outputs`: numbers but for rounding, labels exactly."""
    assert actual.keys() == expected.keys(), f"{set(actual)} instead of {set(expected)}"
    for method, array in expected.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(
                actual[method], array, rtol=1e-6, atol=1e-9, err_msg=f"{method} differs"
            )
        else:
            np.testing.assert_array_equal(actual[method], array, err_msg=f"{method} differs")


def assert_finite(found):
    """Raise if a number of a result of `outputs` is infinite or not a number."""
    for method, array in found.items():
        if array.dtype.kind == "f":
            wrong = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
            assert len(wrong) == 0, f"{method} is not finite in {len(wrong)} of {len(array)} rows"
