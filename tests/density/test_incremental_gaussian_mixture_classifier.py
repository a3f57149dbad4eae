"""IncrementalGaussianMixtureClassifier: Bayes' rule over mixtures, and the joint mixture."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.density import IncrementalGaussianMixture, IncrementalGaussianMixtureClassifier

MODES = ("per_class", "joint")


def stream(n_samples=500, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n_samples)
    return 3.0 * np.eye(3)[y] + rng.standard_normal((n_samples, 3)), np.array(["a", "b", "c"])[y]


def test_per_class_is_bayes_rule():
    X, y = stream()
    classifier = IncrementalGaussianMixtureClassifier(n_warmup=100).partial_fit(X, y, list("abc"))
    scale = X[:100].std(axis=0)
    count = [np.sum(y == c) for c in "abc"]
    log_joint = [
        np.log(n)
        + IncrementalGaussianMixture(scale=scale, n_warmup=100)
        .partial_fit(X[y == c])
        .score_samples(X)
        for n, c in zip(count, "abc", strict=True)
    ]
    assert_array_equal(classifier.class_count_, count)
    assert_allclose(classifier.predict_proba(X), softmax(log_joint, axis=0).T, atol=1e-12)


def test_joint_is_the_conditional_mean_of_the_labels():
    X, y = stream()
    classifier = IncrementalGaussianMixtureClassifier(mode="joint").partial_fit(X, y, list("abc"))
    one_hot = (y[:, np.newaxis] == ["a", "b", "c"]).astype(float)
    mixture = IncrementalGaussianMixture().partial_fit(np.hstack((X, one_hot)))
    mean = np.maximum(mixture.predict_conditional(X, [0, 1, 2]), 1e-9)
    expected = mean / mean.sum(axis=1, keepdims=True)
    assert_allclose(classifier.predict_proba(X), expected, atol=1e-12)
    assert_array_equal(classifier.predict(X), np.array(["a", "b", "c"])[expected.argmax(axis=1)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cuts", [[1, 2, 3], [50, 199, 201], [400]])
def test_chunks_questions_and_pickles_change_nothing(mode, cuts):
    X, y = stream()
    whole = IncrementalGaussianMixtureClassifier(mode=mode, shuffle=False).fit(X, y)
    parts = IncrementalGaussianMixtureClassifier(mode=mode)
    for rows in np.split(np.arange(len(X)), cuts):
        parts.partial_fit(X[rows], y[rows], classes=["a", "b", "c"])
        if rows[-1] > 1:
            parts.predict(X[:9])
        parts = pickle.loads(pickle.dumps(parts))
    assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("mode", MODES)
def test_an_integer_weight_is_a_repetition_in_any_order(mode):
    X, y = stream(120)
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, size=120)
    order = rng.permutation(np.repeat(np.arange(120), times))
    classifier = IncrementalGaussianMixtureClassifier(mode=mode, random_state=0)
    weighted = classifier.fit(X, y, sample_weight=times).predict_proba(X)
    assert_array_equal(classifier.fit(X[order], y[order]).predict_proba(X), weighted)


def test_a_class_that_is_not_seen_has_no_probability_until_it_is():
    X, y = stream()
    old = y != "c"
    classifier = IncrementalGaussianMixtureClassifier()
    classifier.partial_fit(X[old], y[old], classes=["a", "b", "c"])
    assert_array_equal(classifier.predict_proba(X)[:, 2], 0.0)
    classifier.partial_fit(X[~old][:1], y[~old][:1])
    assert (classifier.predict_proba(X)[:, 2] > 0).any()
    classifier.partial_fit(X[~old], y[~old])
    assert classifier.score(X, y) > 0.9


@pytest.mark.parametrize("mode", MODES)
def test_scale_is_that_of_the_features(mode):
    X, y = stream()
    given = IncrementalGaussianMixtureClassifier(mode=mode, scale=[2.0, 2.0, 2.0], random_state=0)
    assert given.fit(X, y).score(X, y) > 0.9
    for mixture in given.mixtures_:
        assert_allclose(mixture.sigma_ini_[:3], 2.0 * mixture.delta_)
    # A single row tells a class, since the scale is known.
    one = given.fit(X[:1], y[:1])
    assert_array_equal(one.predict(X), np.full(len(X), y[0]))
    with pytest.raises(ValueError, match=r"scale has shape \(2,\)"):
        given.set_params(scale=[1.0, 1.0]).fit(X, y)


@pytest.mark.parametrize(
    ("load", "before", "floor"),
    [
        (load_digits, [PCA(16, random_state=0)], 0.97),
        (load_wine, [StandardScaler()], 0.96),
        (load_iris, [], 0.94),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_accuracy(load, before, floor, mode):
    classifier = IncrementalGaussianMixtureClassifier(mode=mode, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(make_pipeline(*before, classifier), *load(return_X_y=True), cv=folds)
    assert scores.mean() > floor


def test_errors():
    X, y = stream(50)
    classifier = IncrementalGaussianMixtureClassifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier.partial_fit(X, y)
    classifier.partial_fit(X, y, classes=["a", "b", "c"])
    with pytest.raises(
        ValueError, match=r"y has the labels \['d'\]; classes is \['a', 'b', 'c'\]"
    ):
        classifier.partial_fit(X[:2], ["a", "d"])
    with pytest.raises(ValueError, match="not the same as on last call"):
        classifier.partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ValueError, match="'mode' parameter"):
        IncrementalGaussianMixtureClassifier(mode="each").fit(X, y)
    with pytest.raises(ValueError, match="1 sample has no standard deviation"):
        IncrementalGaussianMixtureClassifier().fit(X[:1], y[:1])


def test_weights_that_are_refused_change_nothing():
    X, y = stream(50)
    classifier = IncrementalGaussianMixtureClassifier().fit(X, y)
    expected, new = classifier.predict_proba(X), IncrementalGaussianMixtureClassifier()
    for wrong in ([1.0, 2.0], np.zeros(len(X))):
        for each in (classifier, new):
            with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
                each.fit(X, y, sample_weight=wrong)
            with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
                each.partial_fit(X, y, classes=["a", "b", "c"], sample_weight=wrong)
    assert_array_equal(classifier.predict_proba(X), expected)
    with pytest.raises(NotFittedError, match="IncrementalGaussianMixtureClassifier instance"):
        new.predict(X)


def test_a_first_call_that_fails_leaves_no_classes():
    X, y = stream(50)
    classifier = IncrementalGaussianMixtureClassifier()
    with pytest.raises(ValueError, match=r"y has the labels \['c'\]"):
        classifier.partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier.partial_fit(X, y)
    classifier.partial_fit(X, y, classes=["a", "b", "c"])
    assert_array_equal(classifier.classes_, ["a", "b", "c"])


@pytest.mark.parametrize("mode", MODES)
def test_mode_is_that_of_the_fit(mode):
    X, y = stream()
    classifier, same = (
        IncrementalGaussianMixtureClassifier(mode=mode, random_state=0).fit(X, y) for _ in range(2)
    )
    classifier.set_params(mode=MODES[mode == "per_class"])
    assert_array_equal(classifier.predict_proba(X), same.predict_proba(X))
    classifier.partial_fit(X, y)
    assert_array_equal(classifier.predict_proba(X), same.partial_fit(X, y).predict_proba(X))
