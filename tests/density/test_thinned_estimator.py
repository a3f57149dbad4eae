"""ThinnedEstimator is thinning by hand followed by a fit, for models of any kind."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_digits, make_blobs
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.density import KernelThinning, ThinnedEstimator


def blobs(n_samples=600):
    return make_blobs(n_samples, n_features=4, centers=3, cluster_std=3.0, random_state=0)


def test_is_thinning_followed_by_a_fit():
    X, y = blobs()
    weight = np.random.RandomState(0).uniform(0.5, 2.0, len(X))
    thinner = KernelThinning(50, random_state=0)
    thinned = ThinnedEstimator(LogisticRegression(), thinner).fit(X, y, weight)
    assert not hasattr(thinner, "coreset_indices_")  # what was given stays as it was
    rows, labels = thinner.fit_resample(X, y, weight)
    model = LogisticRegression().fit(rows, labels, thinner.coreset_weight_)
    assert_array_equal(thinned.thinner_.coreset_indices_, thinner.coreset_indices_)
    assert_array_equal(thinned.estimator_.coef_, model.coef_)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert_array_equal(getattr(thinned, method)(X), getattr(model, method)(X))
    assert_array_equal(thinned.classes_, [0, 1, 2])
    assert thinned.score(X, y) == model.score(X, y)
    assert thinned.score(X, y, weight) == model.score(X, y, weight)
    assert not np.allclose(model.coef_, LogisticRegression().fit(rows, labels).coef_)


def test_a_model_without_weights_gets_none():
    X, y = blobs()
    thinned = ThinnedEstimator(KNeighborsClassifier(3), KernelThinning(60, random_state=0))
    thinned.fit(X, y, np.ones(len(X)))
    assert thinned.estimator_.n_samples_fit_ == 60
    assert thinned.score(X, y) > 0.85


def test_a_pipeline_may_be_thinned():
    X, y = blobs()
    model = make_pipeline(StandardScaler(), SVC())
    thinned = ThinnedEstimator(model, KernelThinning(60, random_state=0)).fit(
        X * [1, 1e3, 1, 1], y
    )
    assert thinned.estimator_[1].shape_fit_ == (60, 4)


def test_targets_of_regressors_are_no_classes():
    X, y = load_diabetes(return_X_y=True)  # whole numbers, which might be taken for classes
    thinned = ThinnedEstimator(Ridge(1e-3), KernelThinning(100, random_state=0)).fit(X, y)
    rows = KernelThinning(100, stratify=False, random_state=0)
    rows.fit_resample(X, y)
    assert_array_equal(thinned.thinner_.coreset_indices_, rows.coreset_indices_)
    assert_allclose(thinned.thinner_.coreset_weight_, len(X) / 100)
    assert thinned.score(X, y) > 0.45
    assert not hasattr(thinned, "classes_")


def test_several_targets():
    X, _ = blobs()
    Y = X[:, :2] + 1.0
    thinned = ThinnedEstimator(MultiOutputRegressor(Ridge(1e-6)), KernelThinning(random_state=0))
    assert_allclose(thinned.fit(X, Y).predict(X), Y, atol=1e-3)


def test_models_without_target():
    X, _ = blobs()
    thinner = KernelThinning(80, bandwidth=2.0, random_state=0)
    density = ThinnedEstimator(KernelDensity(bandwidth=2.0), thinner).fit(X)
    whole, random = (KernelDensity(bandwidth=2.0).fit(rows) for rows in (X, X[:80]))
    errors = [
        np.abs(np.exp(model.score_samples(X)) - np.exp(whole.score_samples(X))).mean()
        for model in (density, random)
    ]
    assert errors[0] < 0.5 * errors[1]
    outliers = ThinnedEstimator(IsolationForest(random_state=0), thinner).fit(X)
    assert is_outlier_detector(outliers)
    assert set(outliers.predict(X)) <= {-1, 1}
    clusters = ThinnedEstimator(KMeans(3, n_init=3, random_state=0), thinner).fit(X)
    assert clusters.transform(X).shape == (len(X), 3)
    assert_allclose(clusters.estimator_.n_features_in_, 4)


def test_better_than_random_rows():
    X, y = load_digits(return_X_y=True)
    ours, theirs = [], []
    for seed in range(4):
        train, test, labels, truth = train_test_split(X, y, stratify=y, random_state=seed)
        thinner = KernelThinning(100, random_state=seed)
        ours.append(ThinnedEstimator(SVC(C=10), thinner).fit(train, labels).score(test, truth))
        rows, _, few, _ = train_test_split(
            train, labels, train_size=100, stratify=labels, random_state=seed
        )
        theirs.append(SVC(C=10).fit(rows, few).score(test, truth))
    assert np.mean(ours) > np.mean(theirs) + 0.01


def test_parameters_of_both_are_searched_together():
    X, y = blobs()
    grid = {"thinner__n_coreset": [10, 60], "estimator__C": [1e-6, 1.0]}
    thinned = ThinnedEstimator(SVC(), KernelThinning(random_state=0))
    search = GridSearchCV(thinned, grid, cv=3).fit(X, y)
    best = search.best_estimator_
    assert len(best.thinner_.coreset_) == search.best_params_["thinner__n_coreset"]
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 2
    assert search.best_score_ > 0.85


def test_is_what_it_holds():
    assert is_classifier(ThinnedEstimator(SVC()))
    assert is_regressor(ThinnedEstimator(Ridge()))
    thinned = ThinnedEstimator(KNeighborsClassifier())
    assert not hasattr(thinned, "decision_function")
    assert not hasattr(thinned, "transform")
    with pytest.raises(NotFittedError):
        thinned.predict(np.ones((2, 2)))
    X, y = blobs()
    assert len(thinned.fit(X, y).thinner_.coreset_indices_) == 24


def test_errors():
    X, y = blobs()
    with pytest.raises(ValueError, match="thinner"):
        ThinnedEstimator(SVC(), thinner=StandardScaler()).fit(X, y)
    with pytest.raises(ValueError, match="estimator"):
        ThinnedEstimator("svc").fit(X, y)
    with pytest.raises(ValueError, match="label type"):
        ThinnedEstimator(SVC()).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="n_coreset=700"):
        ThinnedEstimator(SVC(), KernelThinning(700)).fit(X, y)
