"""HighDimensionalKernelDensity against the formulas, scipy and scikit-learn's tree."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.callback import ProgressBar
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skstruct.density import HighDimensionalKernelDensity, gaussian_bandwidth_thresholds
from skstruct.density._cell_list import CellList
from skstruct.density._leave_one_out import LeaveOneOut, learned_transform

COVARIANCES = ["spherical", "diag", "full", "learned"]


def rows(n_samples=300, n_features=5, seed=0):
    """Two clusters with correlated columns of different scales."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    X[: n_samples // 3] += 2.0
    mix = np.eye(n_features) + 0.3 * rng.standard_normal((n_features, n_features))
    return X @ mix * np.linspace(1.0, 3.0, n_features)


def loo_terms(X, weight, covariance):
    """Leave-one-out log-densities, and the shares of the others, by matrices."""
    d = X.shape[1]
    white = X @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    D = cdist(white, white, "sqeuclidean")
    equal = (X[:, np.newaxis] == X).all(axis=2)
    terms = np.where(equal, -np.inf, -D / 2 + np.log(weight))
    rest = np.where(equal, 0.0, weight).sum(axis=1)
    norm = -0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * d * np.log(2 * np.pi)
    return logsumexp(terms, axis=1) - np.log(rest) + norm, softmax(terms, axis=1)


def loo(X, weight, covariance):
    return np.average(loo_terms(X, weight, covariance)[0], weights=weight)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_density_is_the_mixture_of_its_kernels(covariance):
    X, Q = rows(80, 3), rows(20, 3, seed=1)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, 80)
    density = HighDimensionalKernelDensity(covariance=covariance).fit(X, sample_weight=weight)
    kernels = [multivariate_normal(x, density.covariance_).logpdf(Q) for x in X]
    expected = logsumexp(np.array(kernels), b=weight[:, np.newaxis] / weight.sum(), axis=0)
    assert_allclose(density.score_samples(Q), expected, rtol=1e-9)
    assert_allclose(density.score(Q), expected.sum(), rtol=1e-9)
    share = softmax(np.array(kernels) + np.log(weight)[:, np.newaxis], axis=0)
    assert_allclose(density.effective_samples(Q), 1 / (share**2).sum(axis=0), rtol=1e-9)
    assert_allclose(density.loo_log_likelihood_, loo(X, weight, density.covariance_), rtol=1e-8)


@pytest.mark.parametrize("n_features", [1, 4, 30])
def test_density_is_that_of_an_exact_tree(n_features):
    X, Q = rows(700, n_features), rows(100, n_features, seed=1)
    weight = np.random.default_rng(0).uniform(0.0, 3.0, 700)
    tree = KernelDensity(bandwidth=0.7, leaf_size=700).fit(X, sample_weight=weight)
    ours = HighDimensionalKernelDensity(0.7).fit(X, sample_weight=weight)
    assert_allclose(ours.score_samples(Q), tree.score_samples(Q), rtol=1e-10)
    assert_allclose(ours.score(Q), tree.score(Q), rtol=1e-10)
    assert_allclose(ours.covariance_, 0.49 * np.eye(n_features), rtol=1e-12)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_density_integrates_to_one(covariance):
    X = rows(60, 2)
    x, y = (np.linspace(-25, 25, 250),) * 2
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    density = HighDimensionalKernelDensity(covariance=covariance).fit(X)
    total = np.exp(density.score_samples(grid)).sum() * (x[1] - x[0]) ** 2
    assert_allclose(total, 1.0, rtol=1e-3)


@pytest.mark.parametrize("n_features", [1, 3, 40])
def test_likelihood_and_its_derivatives(n_features):
    Z = rows(150, n_features)
    Z -= Z.mean(axis=0)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 150)
    criterion = LeaveOneOut(Z, weight, None, lambda: None)
    for h in (0.3, 1.0, 4.0):
        found, step = criterion.at(h), 1e-4
        log_p, share = loo_terms(Z, weight, h**2 * np.eye(n_features))
        assert_allclose(found.value, np.average(log_p, weights=weight), rtol=1e-11)
        assert_allclose(
            found.participation, np.average((share**2).sum(axis=1), weights=weight), rtol=1e-9
        )
        up, down = criterion.at(h * np.exp(step)), criterion.at(h * np.exp(-step))
        assert_allclose(found.slope, (up.value - down.value) / (2 * step), rtol=1e-6, atol=1e-5)
        assert_allclose(found.curvature, (up.slope - down.slope) / (2 * step), rtol=1e-5)


def test_ten_bandwidths_in_one_pass():
    Z = rows(200, 6)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 200)
    criterion = LeaveOneOut(Z, weight, None, lambda: None)
    low, here, high = criterion._bracket(1.0)
    assert_allclose([here / low, high / here], np.sqrt(2))
    values = [criterion.at(h).value for h in (low, here, high)]
    assert values[1] == max(values)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_a_pilot_that_is_far_off_is_no_obstacle(factor):
    Z = rows(200, 4)
    criterion = LeaveOneOut(Z, np.ones(200), None, lambda: None)
    best, _ = criterion.best_bandwidth(1e-4, 30)
    assert_allclose(criterion.best_bandwidth(1e-4, 30, best * factor)[0], best, rtol=1e-7)


@pytest.mark.parametrize("n_features", [1, 2, 5, 20, 60])
def test_bandwidth_maximises_the_likelihood(n_features):
    X = rows(250, n_features)
    weight = np.random.default_rng(0).uniform(0.1, 2.0, 250)
    density = HighDimensionalKernelDensity().fit(X, sample_weight=weight)

    def loss(log_h):
        return -loo(X, weight, np.exp(2 * log_h) * np.eye(n_features))

    start = np.log(density.bandwidth_)
    best = minimize_scalar(loss, bracket=(start - 0.3, start + 0.3), options={"xtol": 1e-9})
    assert_allclose(density.bandwidth_, np.exp(best.x), rtol=2e-4)
    assert_allclose(density.loo_log_likelihood_, -best.fun, rtol=1e-7)
    assert density.n_iter_ <= 7
    kl = HighDimensionalKernelDensity("kl").fit(X, sample_weight=weight)
    assert_allclose(kl.bandwidth_, density.bandwidth_, rtol=1e-6)


@pytest.mark.parametrize("bandwidth", ["loo", "nn"])
def test_rows_beyond_the_resolution_of_floats(bandwidth):
    """Pairs that differ by 1e-12 of the distance between them and others: twins, but for bits."""
    X = rows(40, 3)
    X = np.concatenate([X, X * (1 + 1e-12)])
    with pytest.warns(ConvergenceWarning, match="closer to each other than float64 resolves"):
        density = HighDimensionalKernelDensity(bandwidth).fit(X)
    assert 1e-8 < density.bandwidth_ < 1e-4
    assert np.isfinite(density.score_samples(X)).all()


def test_equal_rows_leave_each_other_out():
    """Twins would make the likelihood infinite at bandwidth 0; iris has some."""
    X = load_iris().data
    assert len(np.unique(X, axis=0)) < len(X)
    density = HighDimensionalKernelDensity().fit(X)
    assert density.bandwidth_ > 0.1
    log_p, share = loo_terms(X, np.ones(len(X)), density.covariance_)
    assert_allclose(density.loo_log_likelihood_, log_p.mean(), rtol=1e-8)
    # A pair of twins counts as one row in the shares.
    distinct, counts = np.unique(X, axis=0, return_counts=True)
    _, share = loo_terms(distinct, counts, density.covariance_)
    expected = np.average((share**2).sum(axis=1), weights=counts)
    assert_allclose(density.participation_ratio_, expected, rtol=1e-3)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("bandwidth", ["loo", "rem", "nn", "scott", "silverman", 0.8])
def test_integer_weights_are_repetitions(bandwidth, covariance):
    X, Q = rows(60, 4), rows(15, 4, seed=1)
    times = np.random.default_rng(0).integers(0, 4, 60)
    density = HighDimensionalKernelDensity(bandwidth, covariance=covariance, random_state=0)
    weighted = pickle.loads(pickle.dumps(density)).fit(X, sample_weight=times)
    repeated = density.fit(np.repeat(X, times, axis=0))
    assert_array_equal(weighted.score_samples(Q), repeated.score_samples(Q))
    for name in ("bandwidth_", "loo_log_likelihood_", "participation_ratio_", "h_g_", "alpha_"):
        assert getattr(weighted, name) == getattr(repeated, name)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(-3, 3), st.sampled_from(COVARIANCES))
def test_units_and_offsets_are_arbitrary(seed, log_unit, covariance):
    """Shifts by 1e4 standard deviations, and changes of unit, move nothing but the constant."""
    X, Q = rows(60, 3, seed), rows(10, 3, seed + 1)
    unit = 10.0**log_unit
    density = HighDimensionalKernelDensity(covariance=covariance, random_state=0)
    plain = density.fit(X).score_samples(Q), density.tail_index_, density.participation_ratio_
    density.fit(unit * (X + 1e4))
    moved = density.score_samples(unit * (Q + 1e4)) + 3 * np.log(unit)
    assert_allclose(moved, plain[0], rtol=1e-5, atol=1e-5)
    assert_allclose(density.tail_index_, plain[1], rtol=1e-4)
    assert_allclose(density.participation_ratio_, plain[2], rtol=1e-4)


@pytest.mark.parametrize("n_features", [2, 8])
def test_rows_far_away_have_a_density(n_features):
    X = rows(2500, n_features)
    density = HighDimensionalKernelDensity().fit(X)
    Q = np.full((4, n_features), 1.0) * np.array([[1e2], [1e6], [1e150], [-1e300]])
    log_p = density.score_samples(Q)
    assert np.isfinite(log_p).all()
    assert (np.diff(log_p[:3]) < 0).all()
    D = cdist(Q[:2], X, "sqeuclidean")
    nearest = -D.min(axis=1) / (2 * density.bandwidth_**2)
    assert_allclose(log_p[:2], nearest, rtol=1e-3)
    assert_allclose(density.effective_samples(Q[1:2]), 1.0, rtol=1e-6)


# From 2000 standard normal rows: bandwidth by the likelihood, and in closed form without and with
# the correction for finite dimension; threshold in closed form and from nearest rows; mean of the
# sum of squared shares.
FIGURES = {
    16: (0.787, 0.640, 0.726, 0.785, 0.884, 0.204),
    32: (0.934, 0.848, 0.919, 1.097, 1.183, 0.341),
    64: (1.062, 1.006, 1.061, 1.435, 1.512, 0.475),
    128: (1.157, 1.122, 1.163, 1.810, 1.917, 0.602),
}


@pytest.mark.parametrize("n_features", FIGURES)
def test_optimum_lies_in_the_condensed_regime(n_features):
    best, asymptotic, finite, h_g, hill, participation = FIGURES[n_features]
    X = np.random.RandomState(0).standard_normal((2000, n_features))
    density = HighDimensionalKernelDensity(random_state=0).fit(X)
    assert_allclose(density.bandwidth_, best, rtol=0.03)
    assert_allclose(density.h_g_, hill, rtol=0.03)
    assert_allclose(density.participation_ratio_, participation, atol=0.06)
    assert_allclose(density.participation_ratio_, 1 - density.tail_index_, atol=0.06)
    assert density.regime_ == "condensed"
    assert_allclose(density.alpha_, np.log(2000) / n_features)
    theory = gaussian_bandwidth_thresholds(2000, np.ones(n_features))
    limit = gaussian_bandwidth_thresholds(2000, np.ones(n_features), finite_size=False)
    assert_allclose(limit["h_kl"], asymptotic, atol=6e-4)
    assert_allclose([theory["h_kl"], theory["h_g"]], [finite, h_g], atol=6e-4)


def test_regimes_follow_the_bandwidth():
    X = np.random.RandomState(0).standard_normal((1000, 16))
    h_g = HighDimensionalKernelDensity(random_state=0).fit(X).h_g_
    regimes, ratios = [], []
    for factor in (0.9, 1.2, 1.5):
        density = HighDimensionalKernelDensity(factor * h_g, random_state=0).fit(X)
        assert_allclose(density.tail_index_, factor**2)
        assert_allclose(density.h_clt_, np.sqrt(2) * density.h_g_)
        regimes.append(density.regime_)
        ratios.append(density.participation_ratio_)
    assert regimes == ["condensed", "heavy_tailed", "clt"]
    assert ratios == sorted(ratios, reverse=True)


def test_closed_forms_for_any_covariance():
    s = np.geomspace(1, 0.01, 64)
    X = np.random.RandomState(0).standard_normal((3000, 64)) * np.sqrt(s)
    theory = gaussian_bandwidth_thresholds(3000, s)
    assert_allclose(theory["h_kl"], 0.4226, atol=5e-5)
    assert_allclose(HighDimensionalKernelDensity().fit(X).bandwidth_, 0.4195, rtol=0.01)
    assert_allclose(HighDimensionalKernelDensity("rem").fit(X).bandwidth_, 0.4226, rtol=0.01)
    nn = HighDimensionalKernelDensity("nn").fit(X).bandwidth_
    D = cdist(X, X, "sqeuclidean")
    np.fill_diagonal(D, np.inf)
    assert_allclose(nn, np.sqrt(D.min(axis=1).mean() / 64), rtol=1e-9)
    assert_allclose(theory["nn_sq"], 64 * nn**2, rtol=0.04)
    # Eigenvalues of 0 are dimensions that are not there, and units are arbitrary.
    scaled = gaussian_bandwidth_thresholds(3000, np.concatenate((np.zeros(5), s * 1e300)))
    assert_allclose(scaled["h_g"], theory["h_g"] * 1e150, rtol=1e-9)
    assert_allclose(scaled["nn_sq"], theory["nn_sq"] * 1e300, rtol=1e-9)


def test_threshold_from_nearest_rows_is_hill_s():
    X = rows(300, 6)
    D = np.sort(cdist(X, X, "sqeuclidean"), axis=1)[:, 1:12] / 2
    expected = np.sqrt((D[:, 10:] - D[:, :10]).mean())
    assert_allclose(HighDimensionalKernelDensity().fit(X).h_g_, expected, rtol=1e-9)
    pair = HighDimensionalKernelDensity().fit(X[:2])
    assert (pair.h_g_, pair.tail_index_, pair.regime_) == (np.inf, 0.0, "condensed")
    assert_allclose(pair.participation_ratio_, 1.0)


def test_rules_of_thumb():
    X = rows(400, 3)
    spread = np.sqrt(np.mean((X - X.mean(axis=0)) ** 2))
    for rule, base in (("scott", 400), ("silverman", 400 * 5 / 4)):
        round_kernel = HighDimensionalKernelDensity(rule).fit(X)
        assert_allclose(round_kernel.bandwidth_, spread * base ** (-1 / 7), rtol=1e-12)
        full = HighDimensionalKernelDensity(rule, covariance="full", reg_covar=0).fit(X)
        expected = base ** (-2 / 7) * np.cov(X, rowvar=False, bias=True)
        assert_allclose(full.covariance_, expected, rtol=1e-9)


def test_whitening():
    X = rows(500, 4)
    diag = HighDimensionalKernelDensity(0.5, covariance="diag").fit(X)
    assert_allclose(diag.covariance_, 0.25 * np.diag(X.var(axis=0)), atol=1e-12)
    full = HighDimensionalKernelDensity(0.5, covariance="full", reg_covar=0.1).fit(X)
    S = np.cov(X, rowvar=False, bias=True)
    expected = 0.25 * (S + 0.1 * np.trace(S) / 4 * np.eye(4))
    assert_allclose(full.covariance_, expected, atol=1e-12)


def test_second_moment_of_em_is_its_formula():
    Z = rows(90, 3)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 90)
    criterion = LeaveOneOut(Z, weight, None, lambda: None)
    _, share = loo_terms(Z, weight, np.eye(3))
    pairs = weight[:, np.newaxis] * share / weight.sum()
    difference = Z[:, np.newaxis] - Z
    expected = np.einsum("ij,ijk,ijl->kl", pairs, difference, difference)
    assert_allclose(criterion.second_moment(criterion.at(1.0).log_sum), expected, rtol=1e-9)


def test_learned_covariance_is_a_maximum():
    X = rows(200, 3)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 200)
    learned, full, round_kernel = (
        HighDimensionalKernelDensity(covariance=c).fit(X, sample_weight=weight)
        for c in ("learned", "full", "spherical")
    )
    assert learned.loo_log_likelihood_ > full.loo_log_likelihood_ + 0.005
    assert learned.loo_log_likelihood_ > round_kernel.loo_log_likelihood_ + 0.005
    # EM ends before a gain of 1e-3, so that no direction can have much more than that to give.
    root = np.linalg.cholesky(learned.covariance_)
    rng = np.random.default_rng(1)
    for _ in range(20):
        A = rng.standard_normal((3, 3))
        near = root @ (np.eye(3) + 0.1 * (A + A.T)) @ root.T
        if np.linalg.eigvalsh(near)[0] > 0:
            assert loo(X, weight, near) < learned.loo_log_likelihood_ + 2e-3


def test_em_never_lowers_the_likelihood():
    Z = rows(150, 4)
    Z -= Z.mean(axis=0)
    criterion = LeaveOneOut(Z, np.ones(150), None, lambda: None)
    h, found = criterion.best_bandwidth(1e-4, 30)
    likelihoods = [found.value]
    for em_iter in range(2, 7):
        with pytest.warns(ConvergenceWarning, match=f"em_iter={em_iter}"):
            T = learned_transform(criterion, h, min_eig=1e-9, em_iter=em_iter)
        assert_allclose(np.linalg.slogdet(T)[1], 0.0, atol=1e-12)
        moved = LeaveOneOut(Z @ T, np.ones(150), None, lambda: None)
        likelihoods.append(moved.best_bandwidth(1e-4, 30)[1].value)
    assert (np.diff(likelihoods) > 0).all()


def test_discrete_columns_stop_at_the_least_eigenvalue():
    X, _ = load_diabetes(return_X_y=True)
    density = HighDimensionalKernelDensity(covariance="learned", min_eig=1e-2).fit(X)
    white = np.linalg.inv(np.linalg.cholesky(np.cov(X, rowvar=False)))
    values = np.linalg.eigvalsh(white @ density.covariance_ @ white.T)
    assert values[0] > 5e-3
    assert values[0] < 3e-2


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.floats(0.02, 0.5),
    st.sampled_from([1e-2, 1e-5, 1e-9]),
)
def test_cells_keep_their_promise(seed, n_features, bandwidth, rtol):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((400, n_features)) * rng.uniform(0.1, 3.0, n_features)
    points[0] = 30.0
    weight = rng.uniform(0.01, 2.0, 400)
    Q = np.concatenate([points[:20], rng.uniform(-4, 4, (60, n_features))])
    out = np.empty(len(Q))
    CellList(points, weight, bandwidth, rtol).log_sums(Q, out)
    D = cdist(Q, points, "sqeuclidean")
    exact = logsumexp(-D / (2 * bandwidth**2), b=weight, axis=1)
    near = ~np.isnan(out)
    assert (np.abs(out - exact)[near] <= 1.01 * rtol + 1e-11 * np.abs(exact[near])).all()
    if bandwidth < 0.1 and n_features > 1:
        assert near[:20].sum() > 10


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_cells_are_taken_for_few_features(n_features):
    X = rows(2100, n_features)
    Q = np.concatenate([X[:100] + 0.1, [[1e3] * n_features]])
    brute = HighDimensionalKernelDensity(0.1, algorithm="brute").fit(X)
    auto = HighDimensionalKernelDensity(0.1).fit(X)
    assert brute._cells is None
    assert auto._cells is not None
    assert_allclose(auto.score_samples(Q), brute.score_samples(Q), rtol=1e-8, atol=1e-8)
    few = HighDimensionalKernelDensity(0.1, algorithm="cells").fit(X[:500])
    assert few._cells is not None
    assert_allclose(
        few.score_samples(Q),
        HighDimensionalKernelDensity(0.1).fit(X[:500]).score_samples(Q),
        rtol=1e-8,
        atol=1e-8,
    )


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_float32_is_exact_to_a_thousandth_of_a_nat(scale):
    """Clusters far apart make float32 distances too rough: then they are float64."""
    X = rows(500, 12).astype(np.float32)
    X[::2] += np.float32(scale)
    Q = X[::5] + np.float32(0.3)
    density = HighDimensionalKernelDensity(0.6).fit(X)
    found = density.score_samples(Q)
    assert found.dtype == np.float32
    assert density.effective_samples(Q).dtype == np.float32
    assert_allclose(found, density.score_samples(Q.astype(np.float64)), atol=1e-3)
    assert_allclose(
        density.bandwidth_, HighDimensionalKernelDensity(0.6).fit(X.astype(float)).bandwidth_
    )


def test_threads_change_no_bit():
    X = rows(700, 6)
    for covariance in ("spherical", "learned"):
        one, three = (
            HighDimensionalKernelDensity(covariance=covariance, random_state=0, n_jobs=n).fit(X)
            for n in (1, 3)
        )
        assert one.bandwidth_ == three.bandwidth_
        assert_array_equal(one.covariance_, three.covariance_)
        assert_array_equal(one.score_samples(X), three.score_samples(X))


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(3, 30), st.integers(1, 5)),
        elements=st.floats(-1e150, 1e150)
        | st.floats(-10, 10)
        | st.sampled_from([0.0, 1.0, 1e-150]),
    ),
    st.sampled_from(COVARIANCES),
    st.sampled_from(["loo", "rem", "nn", "scott"]),
    st.sampled_from(["brute", "cells"]),
)
def test_any_data_leave_a_density(X, covariance, bandwidth, algorithm):
    assume(len(np.unique(X, axis=0)) > 1)
    assume(algorithm == "brute" or X.shape[1] <= 3)
    density = HighDimensionalKernelDensity(bandwidth, covariance=covariance, algorithm=algorithm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        density.fit(X)
    Q = np.concatenate([X, 0.5 * X, X[:1] + 1e3])
    assert np.isfinite(density.score_samples(Q)).all()
    assert (density.effective_samples(Q) >= 1 - 1e-9).all()
    assert (density.effective_samples(Q) <= len(X) * (1 + 1e-9)).all()
    assert np.isfinite(density.sample(3, random_state=0)).all()
    assert np.isfinite([density.bandwidth_, density.loo_log_likelihood_]).all()


def test_memory_does_not_grow_with_pairs():
    X = rows(4000, 5)
    tracemalloc.start()
    HighDimensionalKernelDensity(covariance="learned", em_iter=50).fit(X).score_samples(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * X.nbytes
    assert peak < X.shape[0] ** 2 * 8 / 10


def test_samples_have_the_moments_of_the_density():
    X = rows(300, 3)
    weight = np.random.default_rng(0).uniform(0.1, 2.0, 300)
    density = HighDimensionalKernelDensity(covariance="full").fit(X, sample_weight=weight)
    draws = density.sample(200_000, random_state=0)
    mean = np.average(X, axis=0, weights=weight)
    cov = np.cov(X, rowvar=False, aweights=weight, bias=True) + density.covariance_
    assert_allclose(draws.mean(axis=0), mean, atol=5 * np.sqrt(cov.max() / 200_000))
    assert_allclose(np.cov(draws, rowvar=False), cov, atol=0.02 * cov.max())
    assert_array_equal(draws[:5], density.sample(200_000, random_state=0)[:5])
    assert density.sample().shape == (1, 3)
    with pytest.raises(ValueError, match="n_samples == 0"):
        density.sample(0)


def held_out(X, **params):
    train, test = train_test_split(X, test_size=0.3, random_state=0)
    scaler = StandardScaler().fit(train)
    density = HighDimensionalKernelDensity(**params).fit(scaler.transform(train))
    return density.score_samples(scaler.transform(test)).mean()


def test_held_out_likelihood():
    digits = PCA(16, random_state=0).fit_transform(load_digits().data)
    round_kernel = held_out(digits)
    assert held_out(digits, covariance="learned") > round_kernel + 0.7
    assert round_kernel > held_out(digits, bandwidth="scott") + 0.3
    cancer = load_breast_cancer().data
    assert held_out(cancer, covariance="full") > held_out(cancer) + 15
    wine = load_wine().data
    assert held_out(wine) > held_out(wine, covariance="full")


def test_constant_columns():
    X = rows(100, 3)
    X[:, 1] = 0.1
    for covariance in COVARIANCES:
        density = HighDimensionalKernelDensity(covariance=covariance).fit(X)
        assert np.isfinite(density.score_samples(X)).all()
    for covariance, message in (("diag", "Column 1 is constant"), ("full", "is singular")):
        with pytest.raises(ValueError, match=f"{message} and reg_covar=0"):
            HighDimensionalKernelDensity(covariance=covariance, reg_covar=0).fit(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"bandwidth": 0.0}, "'bandwidth'.*Got 0.0"),
        ({"bandwidth": -1.0}, "'bandwidth'.*Got -1.0"),
        ({"bandwidth": np.inf}, "'bandwidth'.*Got inf"),
        ({"bandwidth": "isj"}, "'bandwidth'.*Got 'isj'"),
        ({"bandwidth": 1e-90}, "bandwidth=1e-90 is .* times the spread"),
        ({"bandwidth": 1e-7}, "bandwidth=1e-07 is .* rounding error of distances"),
        ({"covariance": "tied"}, "'covariance'.*Got 'tied'"),
        ({"algorithm": "tree"}, "'algorithm'.*Got 'tree'"),
        ({"algorithm": "cells"}, "algorithm='cells' is for up to 3 features, X has 4"),
        ({"edge_k": 0}, "'edge_k'.*Got 0"),
    ],
)
def test_errors_name_the_parameter(params, message):
    with pytest.raises(ValueError, match=message):
        HighDimensionalKernelDensity(**params).fit(rows(50, 4))


def test_errors_of_data():
    X = rows(20, 3)
    density = HighDimensionalKernelDensity()
    with pytest.raises(ValueError, match="1 distinct row among n_samples=5"):
        density.fit(np.repeat(X[:1], 5, axis=0))
    with pytest.raises(ValueError, match="1 distinct row among n_samples=20"):
        density.fit(X, sample_weight=np.eye(20)[3])
    with pytest.raises(ValueError, match="at least one non-zero"):
        density.fit(X, sample_weight=np.zeros(20))
    with pytest.raises(ValueError, match="Negative"):
        density.fit(X, sample_weight=-np.ones(20))
    with pytest.raises(ValueError, match="n_samples == 1"):
        gaussian_bandwidth_thresholds(1, [1.0])
    for eigenvalues in ([], [-1.0, 1.0], [0.0, 0.0], np.eye(2)):
        with pytest.raises(ValueError, match=r"eigenvalues|0 sample"):
            gaussian_bandwidth_thresholds(100, eigenvalues)


def test_a_weight_above_all_others_together():
    """W - w is 0 in floating point."""
    X = rows(40, 3)
    weight = np.r_[1e20, np.ones(39)]
    density = HighDimensionalKernelDensity(0.8).fit(X, sample_weight=weight)
    D = cdist(X[:1], X[1:], "sqeuclidean") / 0.64
    expected = logsumexp(-D / 2) - np.log(39) - 3 * np.log(0.8) - 1.5 * np.log(2 * np.pi)
    assert_allclose(density.loo_log_likelihood_, expected, rtol=1e-9)


def test_what_failed_is_not_fitted():
    X = rows(50, 4)
    density = HighDimensionalKernelDensity(1e-90)
    for _ in range(2):
        with pytest.raises(ValueError, match="bandwidth=1e-90"):
            density.fit(X)
        with pytest.raises(NotFittedError):
            density.score_samples(X)
        density.set_params(bandwidth=1.0).fit(X).set_params(bandwidth=1e-90)


class Stop:
    """Callback that asks to stop after some tasks."""

    def __init__(self, after):
        self.left = after

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        return self.left == 0

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("covariance", ["spherical", "learned"])
def test_callbacks_stop_the_search(covariance):
    X = rows(150, 4)
    whole = HighDimensionalKernelDensity(covariance=covariance, random_state=0).fit(X)
    density = HighDimensionalKernelDensity(covariance=covariance, random_state=0)
    density.set_callbacks(Stop(after=1)).fit(X)
    assert density.n_iter_ == (2 if covariance == "spherical" else 5) < whole.n_iter_
    assert density.loo_log_likelihood_ <= whole.loo_log_likelihood_ + 1e-3
    assert np.isfinite(density.score_samples(X)).all()


def test_convergence_warnings_and_callbacks():
    X = rows(100, 3)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        early = HighDimensionalKernelDensity(max_iter=1, random_state=0).fit(X)
    same = HighDimensionalKernelDensity(early.bandwidth_, random_state=0).fit(X)
    for name in ("loo_log_likelihood_", "participation_ratio_"):
        assert_allclose(getattr(early, name), getattr(same, name), rtol=1e-9)
    plain = HighDimensionalKernelDensity(random_state=0).fit(X)
    watched = HighDimensionalKernelDensity(random_state=0).set_callbacks(ProgressBar()).fit(X)
    assert watched.bandwidth_ == plain.bandwidth_
