"""IncrementalGaussianMixtureRegressor: the conditional mean of a mixture of rows and targets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score

from skstruct.density import IncrementalGaussianMixture, IncrementalGaussianMixtureRegressor


def wave(n_samples=3000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, (n_samples, 1))
    return X, np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(n_samples)


def test_is_the_conditional_mixture():
    X, y = wave()
    regressor = IncrementalGaussianMixtureRegressor().partial_fit(X, y)
    mixture = IncrementalGaussianMixture().partial_fit(np.column_stack((X, y)))
    mean, std = mixture.predict_conditional(X, [0], return_std=True)
    found = regressor.predict(X, return_std=True)
    assert_array_equal(found[0], mean[:, 0])
    assert_array_equal(found[1], std[:, 0])
    assert_array_equal(regressor.mixture_.means_, mixture.means_)


def test_one_component_is_a_ridge_regression():
    X, _ = wave(400)
    X = np.hstack((X, X**2))
    Y = np.column_stack((X @ [1.0, -2.0], X @ [0.5, 0.0] + 3.0))
    Y += 0.1 * np.random.default_rng(1).standard_normal(Y.shape)
    regressor = IncrementalGaussianMixtureRegressor(0, 1e-3, prior_weight=1).fit(X, Y)
    expected = LinearRegression().fit(X, Y).predict(X)
    assert_allclose(regressor.predict(X), expected, atol=1e-4)


def test_follows_a_wave_and_knows_its_noise():
    X, y = wave()
    regressor = IncrementalGaussianMixtureRegressor(random_state=0).fit(X, y)
    X_new, y_new = wave(4000, seed=1)
    mean, std = regressor.predict(X_new, return_std=True)
    assert regressor.score(X_new, y_new) > 0.97
    assert np.mean(np.abs(y_new - mean) < 1.96 * std) == pytest.approx(0.95, abs=0.025)
    assert np.median(std) == pytest.approx(0.11, abs=0.02)


def test_diabetes():
    scores = cross_val_score(
        IncrementalGaussianMixtureRegressor(random_state=0),
        *load_diabetes(return_X_y=True),
        cv=KFold(5, shuffle=True, random_state=0),
    )
    assert scores.mean() > 0.44


def test_chunks_change_nothing():
    X, y = wave(700)
    whole = IncrementalGaussianMixtureRegressor(shuffle=False).fit(X, y)
    parts = IncrementalGaussianMixtureRegressor()
    for rows in np.array_split(np.arange(700), 13):
        parts.partial_fit(X[rows], y[rows])
    assert_array_equal(parts.predict(X), whole.predict(X))


def test_an_integer_weight_is_a_repetition_in_any_order():
    X, y = wave(200)
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, size=200)
    order = rng.permutation(np.repeat(np.arange(200), times))
    regressor = IncrementalGaussianMixtureRegressor(random_state=0)
    weighted = regressor.fit(X, y, sample_weight=times).predict(X)
    assert_array_equal(regressor.fit(X[order], y[order]).predict(X), weighted)


def test_shapes_and_dtypes():
    X, y = wave(300)
    Y = np.column_stack((y, -y))
    flat = IncrementalGaussianMixtureRegressor(random_state=0).fit(X, y)
    assert flat.predict(X).shape == (300,)
    column = IncrementalGaussianMixtureRegressor(random_state=0).fit(X, y[:, np.newaxis])
    assert_array_equal(column.predict(X)[:, 0], flat.predict(X))
    double = IncrementalGaussianMixtureRegressor(random_state=0).fit(X, Y)
    mean, std = double.predict(X.astype(np.float32), return_std=True)
    assert mean.shape == std.shape == (300, 2)
    assert mean.dtype == std.dtype == np.float32
    integers = IncrementalGaussianMixtureRegressor().fit(X, np.arange(300) // 10)
    assert integers.predict(X).dtype == np.float64
    with pytest.raises(ValueError, match="y has 1 columns; the rows before had 2"):
        double.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"scale has shape \(1,\).*shape \(2,\)"):
        IncrementalGaussianMixtureRegressor(scale=[1.0]).fit(X, y)


def test_weights_that_are_refused_change_nothing():
    X, y = wave(50)
    regressor = IncrementalGaussianMixtureRegressor().fit(X, y)
    expected, new = regressor.predict(X), IncrementalGaussianMixtureRegressor()
    for wrong in ([1.0, 2.0], np.zeros(len(X))):
        for method in ("fit", "partial_fit"):
            for each in (regressor, new):
                with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
                    getattr(each, method)(X, y, sample_weight=wrong)
    assert_array_equal(regressor.predict(X), expected)
    with pytest.raises(NotFittedError, match="IncrementalGaussianMixtureRegressor instance"):
        new.predict(X)
