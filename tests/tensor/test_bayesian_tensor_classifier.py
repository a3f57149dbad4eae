"""BayesianTensorClassifier: latent values, probabilities against quadrature, calibration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_ndtr, ndtr
from scipy.stats import kstest, truncnorm
from sklearn.callback import ProgressBar
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier

from skstruct.tensor import BayesianTensorClassifier, _bayesian_tensor_base
from skstruct.tensor._gibbs import draw_positive


def labels(sizes, rank, n_entries, seed=0, n_features=0):
    """Signs of a tensor of low rank with noise: (X, f, y, rows given, others, cold, features)."""
    rng = np.random.default_rng(seed)
    F = rng.standard_normal((sizes[0], n_features))
    factors = [rng.standard_normal((n, rank)) for n in sizes]
    if n_features:
        link = rng.standard_normal((n_features, rank)) / np.sqrt(n_features)
        factors[0] = np.sqrt(0.8) * F @ link + np.sqrt(0.2) * factors[0]
    X = np.argwhere(np.ones(sizes))
    f = np.prod([U[column] for U, column in zip(factors, X.T, strict=True)], axis=0).sum(axis=1)
    f /= f.std()
    cold = X[:, 0] % 10 == 0
    order = rng.permutation(np.flatnonzero(~cold))
    y = f + 0.3 * rng.standard_normal(len(f)) > 0
    return X, f, y, order[:n_entries], order[n_entries:], np.flatnonzero(cold), F


@pytest.mark.parametrize("mean", [-60.0, -31.0, -29.0, -8.5, -1.0, 0.0, 3.0, 9.0])
def test_truncated_normal_draws(mean):
    x, log_probability = draw_positive(np.full(20_000, mean), np.random.default_rng(0))
    assert (x >= 0).all()
    assert kstest(x, truncnorm(-mean, np.inf, loc=mean).cdf).pvalue > 1e-3
    assert_allclose(log_probability, log_ndtr(mean), rtol=1e-12, atol=1e-15)


def test_truncated_normal_draws_far_out():
    class Extremes:
        def random(self, n):
            return np.resize([0.0, 1 - 2.0**-53, 0.5], n)

    mean = np.repeat([-1e8, -1e3, -38.0, 0.0, 8.2, 38.0, 1e8], 3)
    x, log_probability = draw_positive(mean, Extremes())
    assert np.isfinite(x).all()
    assert np.isfinite(log_probability).all()
    assert (x >= 0).all()
    assert (np.abs(x - np.maximum(mean, 0)) < 40).all()


def test_probabilities_against_quadrature():
    # Two slices of a single mode: y is the sign of u_i plus noise.
    X, y = np.repeat([[0], [1]], [5, 3], axis=0), np.array([1, 1, 1, 1, 0, 0, 0, 1])
    model = BayesianTensorClassifier(1, n_burnin=500, n_samples=40_000, random_state=0).fit(X, y)
    angle = (np.arange(1000) + 0.5) / 1000 * np.pi - np.pi / 2
    u, v = np.meshgrid(*[np.tan(angle)] * 2, indexing="ij", sparse=True)
    log_density = -1.5 * np.log(1 + u**2 + v**2 - (u + v) ** 2 / 4) + np.log1p(u**2)
    log_density = log_density + np.log1p(v**2) + 4 * log_ndtr(u) + log_ndtr(-u)
    log_density = log_density + log_ndtr(v) + 2 * log_ndtr(-v)
    p = np.exp(log_density - log_density.max())
    p /= p.sum()
    expected = [(p * ndtr(u)).sum(), (p * ndtr(v)).sum()]
    assert_allclose(model.predict_proba([[0], [1]])[:, 1], expected, atol=0.008)


@pytest.mark.parametrize("n_features", [0, 10])
def test_probabilities_are_calibrated(n_features):
    sizes = (200, 50, 8)
    X, _, y, given, rest, cold, F = labels(sizes, 4, 4000, n_features=10)
    model = BayesianTensorClassifier(
        6, side_info=[F, None, None] if n_features else None, mode_sizes=sizes, random_state=0
    ).fit(X[given], y[given])
    p = model.predict_proba(X[rest])[:, 1]
    assert roc_auc_score(y[rest], p) > (0.86 if n_features else 0.8)
    if n_features:
        assert roc_auc_score(y[cold], model.predict_proba(X[cold])[:, 1]) > 0.8
    which = np.digitize(p, [0.2, 0.4, 0.6, 0.8])
    for k in range(5):
        assert abs(p[which == k].mean() - y[rest][which == k].mean()) < 0.05


@pytest.mark.parametrize("n_modes", [1, 2, 4])
def test_probabilities_are_means_over_the_samples(n_modes):
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 4, (60, n_modes)), rng.integers(0, 2, 60)
    model = BayesianTensorClassifier(3, n_burnin=5, n_samples=13, n_chains=2, random_state=0)
    model.fit(X, y)
    rows = [U[:, column] for U, column in zip(model.samples_, X.T, strict=True)]
    expected = ndtr(np.prod(rows, axis=0).sum(axis=2, dtype=np.float64)).mean(axis=0)
    found = model.predict_proba(X)
    assert_allclose(found[:, 1], expected, rtol=1e-5)
    assert_allclose(found.sum(axis=1), 1)
    assert_array_equal(model.predict(X), found[:, 1] > 0.5)


def test_loss_is_that_of_the_last_sample():
    X, _, y, given, _, _, _ = labels((20, 15, 4), 2, 500)
    model = BayesianTensorClassifier(3, n_burnin=8, n_samples=1, random_state=0)
    model.fit(X[given], y[given])
    p = model.predict_proba(X[given])[np.arange(500), y[given].astype(int)]
    assert_allclose(model.log_loss_path_[0, -1], -np.log(p).mean(), rtol=1e-5)


def test_results_depend_neither_on_threads_nor_on_order(monkeypatch):
    monkeypatch.setattr(_bayesian_tensor_base, "ENTRIES_PER_THREAD", 50)
    X, _, y, given, rest, _, _ = labels((30, 20, 5), 2, 400)
    shuffled = np.random.default_rng(2).permutation(given)
    for n_chains in (1, 2):
        model = BayesianTensorClassifier(
            3, n_burnin=10, n_samples=10, n_chains=n_chains, random_state=0
        )
        expected = model.fit(X[given], y[given]).predict_proba(X[rest])
        model.set_params(n_jobs=4).fit(X[shuffled], y[shuffled])
        assert_array_equal(model.predict_proba(X[rest]), expected)


def test_swapped_labels_swap_probabilities():
    X, _, y, given, rest, _, _ = labels((40, 30), 2, 600)
    words = np.where(y, "up", "down")
    model = BayesianTensorClassifier(3, random_state=0)
    p = model.fit(X[given], words[given]).predict_proba(X[rest])
    assert_array_equal(model.classes_, ["down", "up"])
    assert set(model.predict(X[rest])) == {"down", "up"}
    q = model.fit(X[given], ~y[given]).predict_proba(X[rest])
    assert np.abs(q[:, 0] - p[:, 1]).mean() < 0.09
    assert np.abs(q[:, 1] - p[:, 1]).mean() > 0.4


def test_slice_that_was_not_seen():
    X, _, y, given, _, _, _ = labels((40, 30), 2, 600)
    p = (
        BayesianTensorClassifier(3, random_state=0)
        .fit(X[given], y[given])
        .predict_proba([[99, 3]])
    )
    assert_allclose(p, 0.5, atol=0.15)


def test_three_classes_one_against_the_rest():
    X, f, _, given, rest, _, _ = labels((40, 30), 2, 700)
    y = np.digitize(f, [-0.5, 0.5])
    model = OneVsRestClassifier(BayesianTensorClassifier(3, random_state=0))
    assert model.fit(X[given], y[given]).score(X[rest], y[rest]) > 0.6


def test_progress(capsys):
    X, _, y, given, _, _, _ = labels((15, 10), 2, 80)
    model = BayesianTensorClassifier(2, n_burnin=5, n_samples=5, random_state=0)
    model.set_callbacks(ProgressBar()).fit(X[given], y[given])
    assert "100%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2, 1], "Only binary classification is supported.*multiclass.*OneVsRest"),
        ([1, 1, 1, 1], r"y has one class, \[1\]; it must have two"),
        ([0.5, 1.5, 2.5, 1.0], "Unknown label type"),
    ],
)
def test_labels_of_two_classes_are_required(y, message):
    with pytest.raises(ValueError, match=message):
        BayesianTensorClassifier().fit([[0, 1], [1, 0], [1, 1], [0, 0]], y)


def test_side_info_needs_mode_sizes():
    with pytest.raises(ValueError, match="side_info needs mode_sizes"):
        BayesianTensorClassifier(side_info=[None, None]).fit([[0, 1], [1, 0]], [0, 1])
