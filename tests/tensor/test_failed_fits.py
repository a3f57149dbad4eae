"""A fit that fails leaves the model that was there, of every tensor estimator."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skstruct import tensor

rng = np.random.default_rng(0)
TABLE, POINTS, VALUES = rng.random((30, 12)), rng.random((60, 3)), rng.random(60)
ENTRIES, NEGATIVE = rng.integers(0, 5, (60, 3)), {"sample_weight": -np.ones(60)}
SAMPLER = {"n_burnin": 3, "n_samples": 3, "mode_sizes": (5, 5, 5)}

# An estimator, a table that it takes, and one of fewer columns that it refuses late.
CASES = [
    (tensor.Tucker((10, 10)), (TABLE,), (TABLE[:, :7],), {}),
    (tensor.CP(2, nonnegative=True), (TABLE,), (-TABLE[:, :7],), {}),
    (tensor.CPRegressor(2), (ENTRIES, VALUES), (ENTRIES[:, :2], VALUES), NEGATIVE),
    (tensor.NestedTensorClustering(n_views=4), (TABLE,), (TABLE[:, :7],), {}),
    (
        tensor.PathwayTensorFactorization(tol=0.01),
        (TABLE,),
        (TABLE[:, :7],),
        {"sample_weight": -np.ones(30)},
    ),
    (
        tensor.ChebyshevTucker(bounds=[[0, 1]] * 3),
        (POINTS, VALUES),
        (POINTS[:, :2], VALUES),
        {},
    ),
    (
        tensor.FunctionalTuckerRegressor((2, 2, 2), tol=0.1),
        (POINTS, VALUES),
        (POINTS[:, :2], VALUES),
        {},
    ),
    (
        tensor.BayesianTensorFactorization(2, random_state=0, **SAMPLER),
        (ENTRIES, VALUES),
        (ENTRIES[:, :2], VALUES),
        {},
    ),
    (
        tensor.BayesianTensorClassifier(2, random_state=0, **SAMPLER),
        (ENTRIES, VALUES > 0.5),
        (ENTRIES[:, :2], VALUES > 0.5),
        {},
    ),
]


def ask(estimator, X):
    return estimator.predict(X) if hasattr(estimator, "predict") else estimator.transform(X)


@pytest.mark.parametrize(
    ("estimator", "good", "bad", "params"), CASES, ids=[type(c[0]).__name__ for c in CASES]
)
def test_model_survives_a_fit_that_fails(estimator, good, bad, params):
    with pytest.raises(ValueError):
        estimator.fit(*bad, **params)
    with pytest.raises(NotFittedError):
        ask(estimator, bad[0])
    expected = ask(estimator.fit(*good), good[0])
    with pytest.raises(ValueError):
        estimator.fit(*bad, **params)
    assert_array_equal(ask(estimator, good[0]), expected)
    with pytest.raises(ValueError, match="features"):
        ask(estimator, bad[0])
