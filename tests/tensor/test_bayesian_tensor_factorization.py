"""BayesianTensorFactorization: its sampler against priors and quadrature, its error bars."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from skstruct.tensor import (
    BayesianTensorClassifier,
    BayesianTensorFactorization,
    _bayesian_tensor_base,
)
from skstruct.tensor._bayesian_tensor_factorization import _merge
from skstruct.tensor._entries import sort_by_mode
from skstruct.tensor._gibbs import Chain, Entries, GaussianNoise, RowPrior, split_r_hat
from skstruct.tensor._gibbs_links import PlainFeatures, RotatedFeatures

CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}")
    for estimator in (BayesianTensorFactorization(), BayesianTensorClassifier())
    for _, check in estimator_checks_generator(estimator)
    if "array_api" not in check.func.__name__  # needs an environment of its own: test_common.py
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_checks_with_default_parameters(estimator, check):
    check(clone(estimator))


def make_entries(index, y, sizes, weight=None):
    index = np.ascontiguousarray(index, dtype=np.int32)
    modes = sort_by_mode(index, [n + 1 for n in sizes])
    return Entries(index, modes, np.asarray(y, dtype=np.float64), weight)


def low_rank(sizes, rank, n_entries, noise=0.3, seed=0, n_features=0):
    """Entries of variance 1 without noise: (X, f, y, rows given, others, cold rows, features).

    A tenth of the slices of mode 0 has no entries; features explain 80 % of that factor.
    """
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
    y = f + noise * rng.standard_normal(len(f))
    return X, f, y, order[:n_entries], order[n_entries:], np.flatnonzero(cold), F


def assert_means(draws, expected, n_errors=4.5):
    """Compare means of dependent draws, one a row, with what they should be, by batch means."""
    batches = np.array([part.mean(axis=0) for part in np.array_split(np.asarray(draws), 40)])
    error = batches.std(axis=0, ddof=1) / np.sqrt(len(batches))
    deviation = (batches.mean(axis=0) - expected) / error
    assert (np.abs(deviation) < n_errors).all(), deviation


def whitened(rows, mean, precision):
    e = rows - mean
    return np.einsum("ij,jk,ik->i", e, precision, e)


def test_without_entries_the_draws_are_of_the_prior():
    rank, n_features = 2, 3
    features = np.random.default_rng(1).standard_normal((4, n_features))
    entries = make_entries(np.empty((0, 2)), [], (4, 3))
    sides = [RotatedFeatures(features, np.arange(0)), None]
    chain = Chain(entries, sides, "adaptive", rank, np.random.SeedSequence(0))
    found = []
    for _ in range(8000):
        chain.sweep()
        linked, plain = chain.priors
        Lambda = [prior.precision[:rank, :rank] for prior in chain.priors]
        rows = [U[:, :rank] for U in chain.factors]
        found.append([
            chain.alpha,
            linked.penalty,
            linked.penalty * ((linked.link @ Lambda[0]) * linked.link).sum(),
            *(L[i, j] for L in Lambda for i, j in ((0, 0), (1, 1), (0, 1))),
            *(2 * p.mean @ L @ p.mean for p, L in zip(chain.priors, Lambda, strict=True)),
            *whitened(rows[0], linked.mean + linked.offset, Lambda[0]),
            *whitened(rows[1], plain.mean, Lambda[1]),
        ])  # fmt: skip
    expected = [1, 1, n_features * rank, 2, 2, 0, 2, 2, 0, rank, rank, *[rank] * 9]
    assert_means(found, expected)


def test_data_and_parameters_drawn_in_turn_keep_the_prior():
    # If values are drawn given the parameters, and parameters given the values, then both have
    # their prior distributions, but for a mistake in any conditional distribution.
    rng = np.random.default_rng(2)
    index = np.array([[0, 0], [0, 1], [1, 0], [1, 0], [2, 1]])
    entries = make_entries(index, np.zeros(5), (4, 2))
    features = RotatedFeatures(rng.standard_normal((4, 2)), np.arange(3))
    chain = Chain(entries, [features, None], "adaptive", 1, np.random.SeedSequence(1))
    found = []
    for _ in range(15_000):
        p = chain.factors[0][index[:, 0], 0] * chain.factors[1][index[:, 1], 0]
        y = p + rng.standard_normal(5) / np.sqrt(chain.alpha)
        noise = GaussianNoise(entries._replace(y=y), None)
        noise.alpha, chain._noise = chain.alpha, noise
        chain.sweep()
        precision = [prior.precision[0, 0] for prior in chain.priors]
        linked = chain.priors[0]
        found.append([
            chain.alpha, linked.penalty, *precision,
            linked.penalty * precision[0] * (linked.link**2).sum(),
            *(2 * p.mean[0] ** 2 * L for p, L in zip(chain.priors, precision, strict=True)),
            *(precision[0] * (chain.factors[0][:, 0] - linked.mean - linked.offset[:, 0]) ** 2),
            *(precision[1] * (chain.factors[1][:, 0] - chain.priors[1].mean) ** 2),
        ])  # fmt: skip
    assert_means(found, [1, 1, 1, 1, 2, 1, 1, *[1] * 8])


def test_rank_one_against_quadrature():
    index, y, alpha = np.array([[0, 0], [0, 0], [1, 0]]), np.array([1.0, 1.4, -0.5]), 4.0
    chain = Chain(
        make_entries(index, y, (2, 1)), [None, None], alpha, 1, np.random.SeedSequence(2)
    )
    draws = []
    for _ in range(30_000):
        chain.sweep()
        (u0, u1, _), (v, _) = chain.factors[0][:, 0], chain.factors[1][:, 0]
        draws.append([u0 * v, u1 * v, (u0 * v) ** 2, (u1 * v) ** 2, np.tanh(v), np.tanh(u0)])
    # Without mean and precision, n rows have a multivariate t distribution of one degree.
    angle = (np.arange(160) + 0.5) / 160 * np.pi - np.pi / 2
    u0, u1, v = np.meshgrid(*[np.tan(angle)] * 3, indexing="ij", sparse=True)
    log_density = -1.5 * np.log(1 + u0**2 + u1**2 - (u0 + u1) ** 2 / 4)
    log_density = log_density - np.log(1 + v**2 * 2 / 3)
    log_density = log_density + sum(np.log1p(x**2) for x in (u0, u1, v))  # of the substitution
    for u, value in zip((u0, u0, u1), y, strict=True):
        log_density = log_density - alpha / 2 * (value - u * v) ** 2
    p = np.exp(log_density - log_density.max())
    p /= p.sum()
    expected = [(p * g).sum() for g in (u0 * v, u1 * v, (u0 * v) ** 2, (u1 * v) ** 2)]
    assert_means(draws, [*expected, 0, 0], n_errors=4)
    assert_allclose(np.mean(draws, axis=0)[:4], expected, atol=0.03)


def test_mean_and_precision_have_the_moments_of_their_posterior():
    rng = np.random.default_rng(10)
    U = 1.0 + 0.1 * rng.standard_normal((7, 2))
    prior = RowPrior(7, np.array([0, 1, 3, 4, 5]), 2, None)
    found = []
    for _ in range(20_000):
        prior.draw(U, rng)
        found.append([*prior.mean, *prior.precision[:2, :2].ravel()])
        assert_allclose(prior.shift[0, :2], prior.precision[:2, :2] @ prior.mean)
    seen = U[[0, 1, 3, 4, 5]]
    center = seen.mean(axis=0)
    scatter = (seen - center).T @ (seen - center) + 2 * 5 / 7 * np.outer(center, center)
    precision = 7 * np.linalg.inv(np.eye(2) + scatter)
    assert_means(found, [*(5 / 7 * center), *precision.ravel()])
    covariance = np.linalg.inv(precision) / 4  # of a t distribution
    assert_allclose(np.cov(np.array(found)[:, :2].T), covariance, rtol=0.15)


@pytest.mark.parametrize("make", [RotatedFeatures, PlainFeatures])
@pytest.mark.parametrize("n_features", [3, 12])
def test_link_matrix_has_the_moments_of_its_posterior(make, n_features):
    rng = np.random.default_rng(3)
    F, rank, penalty = rng.standard_normal((6, n_features)), 2, 1.7
    if make is PlainFeatures and n_features == 12:
        F = csr_array(F)
    seen = np.array([0, 2, 3, 5])
    prior = RowPrior(7, seen, rank, make(F, seen))
    Lambda = np.array([[2.0, 0.5], [0.5, 1.0]])
    root = np.linalg.cholesky(np.linalg.inv(Lambda)).T
    deviation = rng.standard_normal((4, rank))
    draws = []
    for _ in range(5000):
        prior.penalty = penalty
        prior._draw_link(deviation, Lambda, root, rng)
        draws.append(prior.offset.copy())
    draws = np.array(draws)
    F = np.vstack([F.toarray() if not isinstance(F, np.ndarray) else F, np.zeros(n_features)])
    inverse = np.linalg.inv(F[seen].T @ F[seen] + penalty * np.eye(n_features))
    assert_allclose(draws.mean(axis=0), F @ inverse @ F[seen].T @ deviation, atol=0.08)
    e = (draws - draws.mean(axis=0)).reshape(len(draws), -1)
    expected = np.kron(F @ inverse @ F.T, np.linalg.inv(Lambda))
    assert_allclose(e.T @ e / len(e), expected, atol=0.1 * expected.max())


def test_conjugate_gradients_solve():
    rng = np.random.default_rng(4)
    F, rhs = rng.standard_normal((30, 40)), rng.standard_normal((40, 3))
    rhs[:, 1] = 0
    expected = np.linalg.solve(F.T @ F + 0.5 * np.eye(40), rhs)
    for table in (F, csr_array(F)):
        found = PlainFeatures(table, np.arange(30)).ridge(0.5, rhs)
        assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("n_features", [0, 10])
def test_error_bars_cover(n_features):
    sizes = (200, 50, 8)
    X, f, y, given, rest, cold, F = low_rank(sizes, 4, 4000, n_features=10)
    side_info = [F, None, None] if n_features else None
    model = BayesianTensorFactorization(
        6, side_info=side_info, mode_sizes=sizes, random_state=0
    ).fit(X[given], y[given])
    assert 0.28 < model.noise_ < 0.32
    assert model.diagnostics_["r_hat_loss"] < 1.1
    assert np.median(model.diagnostics_["r_hat_predictions"]) < 1.1
    for rows, worst in ((rest, 0.24), (cold, 0.55 if n_features else 1.1)):
        mean, std = model.predict(X[rows], return_std=True)
        assert np.sqrt(np.mean((mean - f[rows]) ** 2)) < worst
        assert 0.92 < np.mean(np.abs(mean - y[rows]) < 1.96 * std) < 0.98


def test_sparse_features_by_conjugate_gradients_predict_as_well(monkeypatch):
    sizes = (60, 20)
    X, f, y, given, _, cold, F = low_rank(sizes, 2, 500, n_features=5)
    errors = []
    for limit in (2000, 1):
        monkeypatch.setattr("skstruct.tensor._gibbs_links.MAX_DENSE_ORDER", limit)
        model = BayesianTensorFactorization(
            3, side_info=(csr_array(F), None), mode_sizes=sizes, random_state=0
        ).fit(X[given], y[given])
        errors.append(np.sqrt(np.mean((model.predict(X[cold]) - f[cold]) ** 2)))
    assert max(errors) < 0.8 * f[cold].std()
    assert abs(errors[0] - errors[1]) < 0.08


@pytest.mark.parametrize("n_modes", [1, 2, 3, 4])
def test_predictions_are_moments_over_the_samples(n_modes):
    rng = np.random.default_rng(5)
    X, y = rng.integers(0, 5, (80, n_modes)), 3.0 + rng.standard_normal(80)
    model = BayesianTensorFactorization(3, n_burnin=5, n_samples=21, n_chains=2, random_state=0)
    model.fit(X, y)
    rows = [
        U[:, np.searchsorted(known, column)]
        for U, known, column in zip(model.samples_, model.categories_, X.T, strict=True)
    ]
    assert rows[0].shape == (42, 80, 3)
    values = np.prod(rows, axis=0).sum(axis=2, dtype=np.float64)
    mean, std = model.predict(X, return_std=True)
    scale = y.std()
    assert_allclose(mean, y.mean() + scale * values.mean(axis=0), rtol=1e-5)
    noise = scale**2 * np.mean(1 / model._alpha)
    assert_allclose(std, np.sqrt(scale**2 * values.var(axis=0) + noise), rtol=1e-5)


def test_results_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(_bayesian_tensor_base, "ENTRIES_PER_THREAD", 50)
    X, _, y, given, rest, _, _ = low_rank((30, 20, 5), 2, 800)
    for n_chains in (1, 2, 3):
        model = BayesianTensorFactorization(
            3, n_burnin=10, n_samples=10, n_chains=n_chains, random_state=0
        )
        expected = model.fit(X[given], y[given]).predict(X[rest], return_std=True)
        for n_jobs in (2, 4):
            with joblib.parallel_config(backend="loky"):  # processes would write into copies
                model.set_params(n_jobs=n_jobs).fit(X[given], y[given])
                found = model.predict(X[rest], return_std=True)
            assert_array_equal(found, expected)
    assert model.rmse_path_.shape == (3, 20)
    assert len(np.unique(model.rmse_path_[:, -1])) == 3  # chains differ


def test_weights_are_repetitions_and_order_does_not_matter():
    rng = np.random.default_rng(6)
    X, y, weight = rng.integers(0, 6, (90, 3)), rng.standard_normal(90), rng.integers(0, 3, 90)
    model = BayesianTensorFactorization(2, n_burnin=20, n_samples=20, random_state=0)
    expected = model.fit(X, y, sample_weight=weight).predict(X, return_std=True)
    rows = rng.permutation(np.repeat(np.arange(90), weight))
    found = model.fit(X[rows], y[rows]).predict(X, return_std=True)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [6, 2**31 - 1])
def test_merging(size):
    # With three modes as large as that, no integer numbers their entries.
    rng = np.random.default_rng(6)
    index = rng.integers(0, 3, (60, 3)).astype(np.int32)
    index[30:] = size - 1 - index[30:]
    y, weight = rng.integers(0, 2, 60).astype(float), rng.random(60)
    expected = {}
    for row, value, w in zip(index.tolist(), y, weight, strict=True):
        expected[(*row, value)] = expected.get((*row, value), 0.0) + w
    found = _merge(index, y, weight, [size] * 3)
    keys = [(*row, value) for row, value in zip(found[0].tolist(), found[1], strict=True)]
    assert keys == sorted(expected)
    assert_allclose(found[2], [expected[key] for key in keys])


def test_heavy_entries_are_believed():
    X, y = np.array([[0, 0], [0, 0], [1, 1], [1, 0]] * 5), np.array([1.0, -1.0, 0.0, 0.0] * 5)
    weight = np.array([30.0, 1.0, 1.0, 1.0] * 5)
    model = BayesianTensorFactorization(2, random_state=0).fit(X, y, sample_weight=weight)
    assert model.predict(X[:1])[0] > 0.8


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_predictions_have_the_units_of_y(scale, shift):
    X, _, y, given, rest, _, _ = low_rank((15, 10), 2, 100)
    model = BayesianTensorFactorization(2, n_burnin=10, n_samples=10, random_state=0)
    y = y[given]
    mean, std = model.fit(X[given], y).predict(X[rest], return_std=True)
    noise = model.noise_
    moved = model.fit(X[given], scale * (y + shift))
    found, found_std = moved.predict(X[rest], return_std=True)
    assert_allclose(found / scale - shift, mean, rtol=1e-4, atol=1e-3)
    assert_allclose(found_std / scale, std, rtol=1e-3)
    assert_allclose(moved.noise_ / scale, noise, rtol=1e-3)
    assert_allclose(moved.rmse_path_ / scale, model.rmse_path_ / scale, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e300])
def test_constant_values(value):
    X = np.argwhere(np.ones((6, 5)))
    model = BayesianTensorFactorization(2, random_state=0).fit(X, np.full(30, value))
    assert_allclose(model.predict(X), value, atol=0.1 * abs(value) + 0.1)


def test_exact_values():
    X, f, _, given, rest, _, _ = low_rank((20, 15), 2, 220, noise=0.0)
    # Less their mean, the values have rank 3.
    model = BayesianTensorFactorization(3, noise=1e-3, random_state=0).fit(X[given], f[given])
    mean, std = model.predict(X[rest], return_std=True)
    assert np.sqrt(np.mean((mean - f[rest]) ** 2)) < 1e-3
    assert 1e-3 < np.median(std) < 2e-3
    assert model.rmse_path_[0, -1] < 0.002
    # The prior of the precision is one entry with a residual of 1: there is no less than that.
    adaptive = BayesianTensorFactorization(3, random_state=0).fit(X[given], f[given])
    assert 0.5 / np.sqrt(220) < adaptive.noise_ < 3 / np.sqrt(220)


def test_slices_that_were_not_seen():
    X, _, y, given, _, cold, _ = low_rank((100, 30), 2, 1500)
    model = BayesianTensorFactorization(3, random_state=0).fit(X[given], y[given])
    mean, std = model.predict(np.array([[-7.5, 3.0], [500.0, 3.0]]), return_std=True)
    assert mean[0] == mean[1]  # of one slice with nothing but the prior
    mean, std = model.predict(X[cold], return_std=True)
    assert np.abs(mean).max() < 0.6
    assert 0.8 < std.mean() / y[cold].std() < 1.25
    assert np.mean(np.abs(mean - y[cold]) < 1.96 * std) > 0.92


def test_known_noise():
    X, _, y, given, rest, _, _ = low_rank((40, 20), 2, 400, noise=0.5)
    model = BayesianTensorFactorization(3, noise=0.5, random_state=0).fit(X[given], y[given])
    assert_allclose(model.noise_, 0.5)
    _, std = model.predict(X[rest], return_std=True)
    assert (std > 0.5).all()


def test_loss_is_that_of_the_last_sample():
    X, _, y, given, _, _, _ = low_rank((20, 15, 4), 2, 500)
    weight = np.random.default_rng(7).random(500) + 0.5
    model = BayesianTensorFactorization(3, n_burnin=8, n_samples=1, random_state=0)
    for w in (None, weight):
        model.fit(X[given], y[given], sample_weight=w)
        error = model.predict(X[given]) - y[given]
        expected = np.sqrt(np.average(error**2, weights=w))
        assert_allclose(model.rmse_path_[0, -1], expected, rtol=1e-5)


def test_split_r_hat():
    rng = np.random.default_rng(8)
    draws = rng.standard_normal((4, 400, 2))
    draws[2, :, 1] += 3.0  # a chain that is stuck elsewhere
    agreeing, stuck = split_r_hat(draws)
    assert 0.98 < agreeing < 1.02
    assert stuck > 1.5
    trend = split_r_hat(np.linspace(0, 1, 100)[None])
    assert trend > 1.5
    assert split_r_hat(np.ones((1, 10))) == 1
    assert np.isnan(split_r_hat(rng.standard_normal((3, 3))))


def test_float32():
    X, _, y, given, _, _, _ = low_rank((15, 10), 2, 80)
    model = BayesianTensorFactorization(2, n_burnin=5, n_samples=5, random_state=0)
    model.fit(X[given].astype(np.float32), y[given])
    mean, std = model.predict(X.astype(np.float32), return_std=True)
    assert mean.dtype == std.dtype == np.float32
    assert model.samples_[0].dtype == np.float32


def test_grid_search_over_components():
    X, _, y, given, _, _, _ = low_rank((40, 30), 3, 800, noise=0.1)
    search = GridSearchCV(
        BayesianTensorFactorization(n_samples=50, random_state=0), {"n_components": [1, 4]}, cv=3
    )
    search.fit(X[given], y[given])
    assert search.best_params_ == {"n_components": 4}
    assert search.best_score_ > 0.9


class Stop:
    """Stop at a block of sweeps."""

    def __init__(self, at):
        self.at = at

    def setup(self, estimator, context):
        self.blocks = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.blocks += context.task_name == "sweeps"
        return self.blocks >= self.at


@pytest.mark.parametrize(("at", "n_iter"), [(1, 30), (35, 35), (99, 50)])
def test_callbacks_stop_once_there_is_a_sample(at, n_iter):
    X, _, y, given, _, _, _ = low_rank((15, 10), 2, 80)
    model = BayesianTensorFactorization(
        2, n_burnin=29, n_samples=21, n_chains=2, random_state=0
    ).set_callbacks(Stop(at))
    model.fit(X[given], y[given])
    assert model.n_iter_ == n_iter
    assert model.rmse_path_.shape == (2, n_iter)
    assert all(len(kept) == 2 * (n_iter - 29) for kept in model.samples_)
    assert np.isfinite(model.predict(X)).all()


def test_progress(capsys):
    X, _, y, given, _, _, _ = low_rank((15, 10), 2, 80)
    model = BayesianTensorFactorization(2, n_burnin=5, n_samples=5, random_state=0)
    model.set_callbacks(ProgressBar()).fit(X[given], y[given])
    assert "100%" in capsys.readouterr().out


def test_large_samples_are_warned_of(monkeypatch):
    monkeypatch.setattr(_bayesian_tensor_base, "LARGE", 5000)
    X, _, y, given, _, _, _ = low_rank((15, 10), 2, 80)
    model = BayesianTensorFactorization(2, n_burnin=5, n_samples=50, random_state=0)
    with pytest.warns(UserWarning, match="samples take .* n_samples=50"):
        model.fit(X[given], y[given])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, "n_components.*Got 0"),
        ({"n_samples": 0}, "n_samples.*Got 0"),
        ({"n_burnin": -1}, "n_burnin.*Got -1"),
        ({"n_chains": 0}, "n_chains.*Got 0"),
        ({"noise": 0.0}, "noise.*Got 0.0"),
        ({"noise": "fixed"}, "noise.*Got 'fixed'"),
        ({"mode_sizes": (9, 9, 9)}, r"mode_sizes=\(9, 9, 9\) has 3 sizes, X has 2 columns"),
        ({"mode_sizes": (9, 5)}, r"Column 1 of X has the value 5.0; .* from 0 to 4"),
        ({"side_info": [None, None]}, "side_info needs mode_sizes"),
        ({"side_info": [None], "mode_sizes": (9, 9)}, "side_info has 1 items, X has 2 columns"),
        (
            {"side_info": [None, np.ones((8, 1))], "mode_sizes": (9, 9)},
            r"side_info\[1\] has 8 rows; mode_sizes\[1\]=9",
        ),
        (
            {"side_info": [np.full((9, 1), np.nan), None], "mode_sizes": (9, 9)},
            r"Input side_info\[0\] contains NaN",
        ),
    ],
)
def test_bad_parameters_are_named(params, message):
    X = np.random.default_rng(9).integers(0, 9, (50, 2))
    X[0, 1] = 5
    with pytest.raises(ValueError, match=message):
        BayesianTensorFactorization(**params).fit(np.minimum(X, [8, 5]), np.arange(50.0))


@pytest.mark.parametrize("value", [9, -1, 0.5])
def test_predicting_beyond_mode_sizes(value):
    X = np.argwhere(np.ones((9, 9)))
    model = BayesianTensorFactorization(2, n_burnin=2, n_samples=2, mode_sizes=(9, 9))
    model.fit(X, np.arange(81.0))
    with pytest.raises(ValueError, match=f"Column 1 of X has the value {float(value)}"):
        model.predict([[0.0, value]])
