"""KDEModeFinder against sums over all pairs, plain mean shift and its theorem."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from skstruct.density import KDEModeFinder, gaussian_bandwidth_thresholds
from skstruct.density._kernel_ascent import KernelDensitySum, merge
from skstruct.density._mode_bandwidth import mode_bandwidth
from skstruct.density._mode_search import ModeSearch

KERNELS = [
    ("gaussian", 1.0),
    ("logistic", 1.0),
    ("sigmoid", 1.0),
    ("exponential", 1.0),
    ("exponential", 1.6),
    ("exponential", 2.0),
    ("cauchy", 1.0),
    ("cauchy", 3.5),
]
SMOOTH = [(name, alpha) for name, alpha in KERNELS if name != "exponential" or alpha == 2]


def profile(name, alpha, z):
    """k(z) and g(z) = -k'(z) as the formulas say, for z > 0."""
    r = np.sqrt(z)
    if name == "gaussian":
        return np.exp(-z / 2), np.exp(-z / 2) / 2
    if name == "logistic":
        k = 1 / np.cosh(r / 2) ** 2
        return k, k * np.tanh(r / 2) / (2 * r)
    if name == "sigmoid":
        k = 1 / np.cosh(r)
        return k, k * np.tanh(r) / (2 * r)
    if name == "exponential":
        k = np.exp(-(r**alpha))
        return k, alpha / 2 * r ** (alpha - 2) * k
    return (1 + z) ** -alpha, alpha * (1 + z) ** (-alpha - 1)


def distances(A, B):
    return cdist(A, B, "sqeuclidean")


def log_density(Q, X, weight, bandwidth, name, alpha):
    z = np.maximum(distances(Q, X) / bandwidth**2, 1e-300)
    return np.log(profile(name, alpha, z)[0] @ weight / weight.sum())


def plain_mean_shift(Q, X, bandwidth, n_iter=3000, tol=1e-6):
    """Each row to its end, one step of the Gaussian kernel after the other."""
    Q = Q.copy()
    for _ in range(n_iter):
        z = distances(Q, X) / bandwidth**2
        a = np.exp(-(z - z.min(axis=1, keepdims=True)) / 2)
        step = a @ X / a.sum(axis=1, keepdims=True) - Q
        Q += step
        if np.abs(step).max() < tol * bandwidth:
            break
    return Q


def digits(n_components=16):
    X, y = load_digits(return_X_y=True)
    return PCA(n_components, random_state=0).fit_transform(X), y


def hard_case(n_samples, n_features, spread=0.7, n_centers=8):
    """Rows around eight centers of N(0, I), with uneven weights."""
    rng = np.random.RandomState(0)
    centers = rng.standard_normal((n_centers, n_features))
    labels = rng.randint(n_centers, size=n_samples)
    X = centers[labels] + spread * rng.standard_normal((n_samples, n_features))
    return X, rng.uniform(0.5, 1.5, n_samples)


def random_projection(n_features, q, rng):
    return rng.standard_normal((n_features, q)) / np.sqrt(q)


@pytest.mark.parametrize(("name", "alpha"), KERNELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_density_is_the_sum_of_its_kernels(name, alpha, dtype):
    X = load_iris().data.astype(dtype)
    weight = np.random.default_rng(0).uniform(0.2, 2.0, len(X))
    finder = KDEModeFinder(0.7, kernel=name, alpha=alpha).fit(X, sample_weight=weight)
    Q = X + 0.1
    found = finder.score_samples(Q)
    expected = log_density(Q.astype(float), X.astype(float), weight, 0.7, name, alpha)
    assert found.dtype == dtype
    assert finder.modes_.dtype == dtype
    assert_allclose(found, expected, atol=1e-11 if dtype == np.float64 else 2e-4)


@given(
    case=st.sampled_from(KERNELS),
    n_samples=st.integers(2, 60),
    n_features=st.integers(2, 80),
    share=st.sampled_from([0.1, 0.5, 1.0, 4.0, 20.0]),
    log_bandwidth=st.floats(-1.0, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=250, deadline=None, derandomize=True)
def test_lifting_theorem(case, n_samples, n_features, share, log_bandwidth, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features)) * rng.exponential(size=n_features)
    weight = rng.exponential(size=n_samples) + 1e-3
    R = random_projection(n_features, max(1, int(share * n_features)), rng)
    h = np.exp(log_bandwidth) * np.sqrt(X.var(axis=0).sum())
    X, XR = X / h, X @ R / h
    y = XR[rng.integers(n_samples)] + rng.exponential() * rng.standard_normal(XR.shape[1])

    (lifted,) = KernelDensitySum(XR, weight, *case).means(y[np.newaxis], X)[1]

    pairs = ~np.eye(n_samples, dtype=bool)
    gamma = max(0.0, (distances(X, X)[pairs] / distances(XR, XR)[pairs]).max() - 1)
    z = distances(y[np.newaxis], XR)[0]
    k, g = profile(*case, z)
    bound = (weight @ k - gamma * weight @ (g * z)) / weight.sum()
    at_lifted = profile(*case, distances(lifted[np.newaxis], X)[0])[0] @ weight / weight.sum()
    assert at_lifted >= bound - 1e-12


@given(
    case=st.sampled_from(KERNELS),
    n_features=st.integers(1, 12),
    log_bandwidth=st.floats(-1.5, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ascent_never_descends(case, n_features, log_bandwidth, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, n_features)) * np.exp(-log_bandwidth)
    density = KernelDensitySum(X, rng.uniform(0.5, 1.5, 80), *case)
    Q = X[:20] + 0.1 * rng.standard_normal((20, n_features))
    before = density.log_density(Q)
    for max_iter in (1, 2, 3, 5, 9, 30):
        end, log_p, n_iter = density.ascend(Q, 1e-3, max_iter)
        assert (log_p >= before).all()
        assert_allclose(log_p, density.log_density(end), atol=1e-9)
        assert n_iter.max() <= max_iter + 1
        before = log_p


@pytest.mark.parametrize(("name", "alpha"), SMOOTH)
def test_modes_are_local_maxima(name, alpha):
    X, _ = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)[:, :6]
    finder = KDEModeFinder(0.8, kernel=name, alpha=alpha, random_state=0).fit(X)
    ones = np.ones(len(X))
    at_modes = log_density(finder.modes_, X, ones, 0.8, name, alpha)
    assert_allclose(finder.mode_log_density_, at_modes, atol=1e-10)
    assert (np.diff(finder.mode_log_density_) <= 0).all()
    directions = np.random.default_rng(0).standard_normal((50, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for mode, log_p in zip(finder.modes_, at_modes, strict=True):
        around = mode + 0.8 * 0.03 * directions
        assert (log_density(around, X, ones, 0.8, name, alpha) < log_p).all()


@pytest.mark.parametrize("data", ["iris", "wine", "digits", "blobs"])
def test_basins_are_those_of_plain_mean_shift(data):
    X = {
        "iris": lambda: load_iris().data,
        "wine": lambda: StandardScaler().fit_transform(load_wine().data),
        "digits": lambda: digits(10)[0][:900],
        "blobs": lambda: make_blobs(600, 12, centers=7, cluster_std=2, random_state=0)[0],
    }[data]()
    finder = KDEModeFinder(n_seeds=len(X), random_state=0).fit(X)
    ends = plain_mean_shift(X, X, finder.bandwidth_)
    expected = distances(ends, finder.modes_).argmin(axis=1)
    assert np.mean(finder.labels_ != expected) < 0.005
    own = distances(ends, finder.modes_).min(axis=1)
    assert np.mean(own < (0.1 * finder.bandwidth_) ** 2) > 0.97


def test_nearest_labels_tear_a_ridge_that_basins_keep():
    rng = np.random.default_rng(0)
    ridge = np.column_stack((24 * (1 - np.sqrt(rng.uniform(size=900))), np.zeros(900)))
    blob = np.full((300, 2), [18.0, 7.0])
    X = np.concatenate((ridge, blob)) + 0.3 * rng.standard_normal((1200, 2))
    finder = KDEModeFinder(2.5, random_state=0).fit(X)
    nearest = KDEModeFinder(2.5, labels="nearest", random_state=0).fit(X)
    expected = distances(plain_mean_shift(X, X, 2.5), finder.modes_).argmin(axis=1)
    assert len(finder.modes_) == 2
    assert np.mean(finder.labels_ != expected) < 0.003
    assert np.mean(nearest.labels_ != expected) > 0.12
    assert_array_equal(nearest.predict(X), nearest.labels_)


def test_projection_keeps_the_modes():
    """Experiment in 120 dimensions: all modes, found in 64 and lifted."""
    X, weight = hard_case(600, 120)
    h = 0.42 * np.sqrt(120)
    exact = KDEModeFinder(h, n_components=120, n_seeds=600).fit(X, sample_weight=weight)
    assert len(exact.modes_) == 8
    for seed in range(3):
        found = KDEModeFinder(h, n_components=64, random_state=seed)
        found.fit(X, sample_weight=weight)
        assert found.n_components_ == 64
        assert len(found.modes_) == 8
        assert_allclose(found.modes_, exact.modes_, atol=0.02 * h)
        assert_allclose(found.mode_log_density_, exact.mode_log_density_, atol=1e-5)
        assert adjusted_rand_score(found.labels_, exact.labels_) > 0.95


def test_few_dimensions_still_find_a_dense_point():
    X, weight = hard_case(600, 120)
    h = 0.42 * np.sqrt(120)
    best = KDEModeFinder(h, n_seeds=600).fit(X, sample_weight=weight).mode_log_density_[0]
    density = KernelDensitySum(X / h, weight, "gaussian", 1.0)
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(5):
        R = random_projection(120, 20, rng)
        low = KernelDensitySum(X @ R / h, weight, "gaussian", 1.0)
        end, log_p, _ = low.ascend(X[:100] @ R / h, 1e-3, 300)
        lifted = low.means(end[[log_p.argmax()]], X / h)[1]
        ratios.append(np.exp(density.log_density(lifted) - best)[0])
    assert min(ratios) > 0.5
    assert np.mean(ratios) > 0.7
    for seed in range(3):
        finder = KDEModeFinder(h, n_components=20, random_state=seed)
        polished = finder.fit(X, sample_weight=weight).mode_log_density_[0]
        assert np.exp(polished - best) > 0.97


def test_automatic_projection():
    X = np.random.default_rng(0).standard_normal((50, 200))
    assert KDEModeFinder(3.0).fit(X).n_components_ == 40  # ceil(10 log 50)
    assert KDEModeFinder(3.0).fit(X[:, :80]).n_components_ == 80
    assert KDEModeFinder(3.0, n_components=300).fit(X).n_components_ == 200


def test_a_saddle_is_left():
    x = np.concatenate((np.full(40, -2.0), np.full(40, 2.0), [0.0]))
    X = x[:, np.newaxis] + np.random.default_rng(0).normal(0, 1e-3, (81, 1))
    X[80] = 0
    X = np.concatenate((X, -X))  # symmetric: the row at 0 stays at 0
    finder = KDEModeFinder(1.0).fit(X)
    assert len(finder.modes_) == 2
    assert_allclose(np.sort(finder.modes_[:, 0]), [-2, 2], atol=0.2)


def test_the_densest_row_counts_where_rows_are_cusps():
    X, _ = digits(8)
    X = X[:250]
    for alpha in (0.5, 1.0):
        finder = KDEModeFinder(4.0, kernel="exponential", alpha=alpha, random_state=0).fit(X)
        assert finder.mode_log_density_[0] >= finder.score_samples(X).max() - 1e-12


def test_exponential_rows_do_not_stay_where_they_start():
    X, y = make_blobs(300, n_features=4, centers=3, random_state=1)
    finder = KDEModeFinder(2.0, kernel="exponential", alpha=1.5, random_state=0).fit(X)
    assert len(finder.modes_) == 3
    assert adjusted_rand_score(y, finder.labels_) == 1


@pytest.mark.parametrize("n_centers", ["auto", 150])
@pytest.mark.parametrize("n_components", ["auto", 5])
def test_integer_weights_are_repetitions(n_centers, n_components):
    X, _ = make_blobs(400, n_features=9, centers=4, cluster_std=2, random_state=0)
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    params = {"n_centers": n_centers, "n_components": n_components, "random_state": 3}
    weighted = KDEModeFinder(**params).fit(X, sample_weight=weight)
    order = np.random.default_rng(2).permutation(weight.sum())
    repeated = KDEModeFinder(**params).fit(np.repeat(X, weight, axis=0)[order])
    assert weighted.bandwidth_ == repeated.bandwidth_
    assert_array_equal(weighted.modes_, repeated.modes_)
    assert_array_equal(weighted.predict(X), repeated.predict(X))
    assert_allclose(weighted.mode_mass_, repeated.mode_mass_)


def test_unit_of_the_weights_does_not_matter():
    X, _ = make_blobs(400, n_features=9, centers=4, cluster_std=2, random_state=0)
    weight = np.random.default_rng(1).uniform(0.1, 3, len(X))
    one = KDEModeFinder(random_state=3).fit(X, sample_weight=weight)
    other = KDEModeFinder(random_state=3).fit(X, sample_weight=weight / weight.sum())
    assert_allclose(other.modes_, one.modes_, rtol=1e-6)
    assert_array_equal(other.labels_, one.labels_)
    X = X.astype(np.float32)
    one = KDEModeFinder(random_state=3).fit(X, sample_weight=weight)
    for unit in (1e-200, 1e-80, 1e80, 1e200):
        other = KDEModeFinder(random_state=3).fit(X, sample_weight=unit * weight)
        assert_allclose(other.mode_log_density_, one.mode_log_density_, atol=1e-5)


def test_same_seed_same_bits_for_any_number_of_threads():
    X, _ = make_blobs(5000, n_features=8, centers=5, cluster_std=2, random_state=0)
    one = KDEModeFinder(random_state=0, n_centers=256).fit(X)
    two = KDEModeFinder(random_state=0, n_centers=256, n_jobs=2).fit(X)
    for name in ("modes_", "mode_log_density_", "mode_mass_", "labels_"):
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert_array_equal(one.score_samples(X), two.score_samples(X))
    assert_array_equal(one.predict(X), one.labels_)


@pytest.mark.parametrize("distance", [1e2, 1e5])
def test_far_rows_ascend_too(distance):
    X, _ = make_blobs(300, n_features=5, centers=3, random_state=0)
    finder = KDEModeFinder(random_state=0, min_mass=0.1).fit(X)
    directions = np.random.default_rng(0).standard_normal((40, 5))
    far = X.mean(axis=0) + distance * directions
    first = X[distances(far, X).argmin(axis=1)]  # where one step leads
    assert_array_equal(finder.predict(far), finder.predict(first))
    assert np.isfinite(finder.score_samples(far)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("distance", [1e30, 1e308])
def test_rows_as_far_as_numbers_go(distance, dtype):
    X, _ = make_blobs(300, n_features=2, centers=[[0, 0], [9, 9]], random_state=0)
    finder = KDEModeFinder(2.0, random_state=0).fit(X.astype(dtype))
    far = np.array([[distance, distance], [-distance, -distance]])
    found = finder.predict(far)
    if dtype == np.float64:  # float32 does not know to which side they are nearer
        assert_array_equal(found, finder.predict([[9.0, 9.0], [0.0, 0.0]]))
    assert np.isfinite(finder.score_samples(far)).all()


@pytest.mark.parametrize(("name", "alpha"), KERNELS)
def test_outliers_do_not_hurt(name, alpha):
    X, _ = make_blobs(200, n_features=3, centers=2, random_state=0)
    X = np.concatenate((X, [[1e5, 0, 0], [0, -1e7, 0]]))
    finder = KDEModeFinder(1.0, kernel=name, alpha=alpha, random_state=0, min_mass=0.05).fit(X)
    assert np.isfinite(finder.mode_log_density_).all()
    assert len(np.unique(finder.labels_[:200])) == len(finder.modes_)


def test_duplicates_single_rows_and_constant_columns():
    one = KDEModeFinder().fit([[1.0, 2.0]])
    assert_array_equal(one.modes_, [[1.0, 2.0]])
    assert_array_equal(one.labels_, [0])
    assert_array_equal(one.mode_log_density_, [0])
    assert_array_equal(KDEModeFinder(1e-20).fit([[1.0, 2.0]]).modes_, [[1.0, 2.0]])
    same = KDEModeFinder().fit(np.full((30, 2), 3.3))
    assert_allclose(same.modes_, [[3.3, 3.3]])
    assert same.mode_mass_ == [1]
    two = KDEModeFinder().fit([[0.0], [1.0]])
    assert np.isfinite(two.modes_).all()
    X, _ = make_blobs(100, n_features=3, centers=2, random_state=0)
    padded = np.column_stack((X, np.full((100, 2), 7.0)))
    finder = KDEModeFinder(random_state=0).fit(np.tile(padded, (3, 1)))
    assert_allclose(finder.modes_[:, 3:], 7.0)
    plain = KDEModeFinder(random_state=0, bandwidth=finder.bandwidth_).fit(X)
    assert_array_equal(finder.labels_[:100], plain.labels_)


@pytest.mark.parametrize("exponent", [-500, 500])
def test_units_do_not_matter(exponent):
    X, _ = make_blobs(300, n_features=5, centers=3, cluster_std=2, random_state=0)
    finder = KDEModeFinder(random_state=0).fit(X)
    scaled = KDEModeFinder(random_state=0).fit(np.ldexp(X, exponent))
    assert_allclose(np.ldexp(scaled.bandwidth_, -exponent), finder.bandwidth_)
    assert len(scaled.modes_) == len(finder.modes_)


def test_float32_finds_the_modes_of_float64():
    X, _ = make_blobs(500, n_features=10, centers=4, cluster_std=2, random_state=0)
    X += 100.0
    wide = KDEModeFinder(3.0, min_mass=0.05, random_state=0).fit(X)
    narrow = KDEModeFinder(3.0, min_mass=0.05, random_state=0).fit(X.astype(np.float32))
    assert narrow.modes_.dtype == np.float32
    order = distances(wide.modes_, narrow.modes_).argmin(axis=1)
    assert_allclose(narrow.modes_[order], wide.modes_, atol=0.01)
    assert adjusted_rand_score(wide.labels_, narrow.labels_) > 0.99


@pytest.mark.parametrize(
    ("data", "least"),
    [("digits10", 0.74), ("digits16", 0.71), ("wine", 0.76), ("iris", 0.60), ("blobs", 0.95)],
)
def test_automatic_bandwidth_finds_the_classes(data, least):
    X, y = {
        "digits10": lambda: digits(10),
        "digits16": lambda: digits(16),
        "wine": lambda: (StandardScaler().fit_transform(load_wine().data), load_wine().target),
        "iris": lambda: load_iris(return_X_y=True),
        "blobs": lambda: make_blobs(2000, 12, centers=7, cluster_std=2, random_state=0),
    }[data]()
    for seed in (0, 1):
        finder = KDEModeFinder(random_state=seed).fit(X)
        assert adjusted_rand_score(y, finder.labels_) > least
        assert finder.mode_mass_.sum() == pytest.approx(1)


def test_automatic_bandwidth_of_normal_rows():
    """That of the best gradient in one dimension, the edge of condensation in sixteen."""
    Z = np.random.default_rng(0).standard_normal((3000, 16))
    wide = mode_bandwidth(Z, np.ones(3000), None)
    edge = gaussian_bandwidth_thresholds(3000, np.ones(16))["h_g"]
    assert wide == pytest.approx(2**0.25 * edge, rel=0.15)
    line = mode_bandwidth(Z[:, :1].copy(), np.ones(3000), None)
    assert line == pytest.approx((4 / 5) ** (1 / 7) * 3000 ** (-1 / 7), rel=0.25)
    assert mode_bandwidth(7 * Z, np.ones(3000), None) == pytest.approx(7 * wide, rel=1e-3)
    assert mode_bandwidth(Z, np.full(3000, 0.1), None) == pytest.approx(wide, rel=1e-6)
    assert mode_bandwidth(Z[:500], np.ones(500), None) > wide


def test_a_coreset_keeps_the_clusters():
    """The bandwidth is that of the coreset, whose density is condensed at that of all rows."""
    X, y = make_blobs(6000, n_features=20, centers=10, cluster_std=2, random_state=0)
    finder = KDEModeFinder(random_state=0, n_centers=1000).fit(X)
    assert len(finder.modes_) == 10
    assert adjusted_rand_score(y, finder.labels_) > 0.999
    means = np.array([X[y == k].mean(axis=0) for k in range(10)])
    assert np.sqrt(distances(means, finder.modes_).min(axis=1)).max() < 0.3 * finder.bandwidth_


def test_min_mass_drops_outliers_and_keeps_a_partition():
    X, y = make_blobs(1500, n_features=12, centers=7, cluster_std=2, random_state=0)
    every = KDEModeFinder(2.2, random_state=0).fit(X)
    heavy = KDEModeFinder(2.2, random_state=0, min_mass=0.01).fit(X)
    assert len(every.modes_) > 10
    assert len(heavy.modes_) == 7
    assert adjusted_rand_score(y, heavy.labels_) > 0.99
    assert_array_equal(heavy.predict(X), heavy.labels_)
    assert_allclose(heavy.mode_mass_, np.bincount(heavy.labels_) / 1500)
    assert len(KDEModeFinder(min_mass=0.9, random_state=0).fit(X[:500]).modes_) == 1


def test_merge_is_greedy_from_the_densest():
    points = np.array([[0.0], [0.9], [1.8], [5.0]])
    kept, owner = merge(points, np.array([1.0, 2.0, 1.5, 0.0]), 1.0)
    assert_array_equal(kept, [1, 3])
    assert_array_equal(owner, [0, 0, 0, 1])
    kept, owner = merge(points, np.array([3.0, 2.0, 1.5, 4.0]), 1.0)
    assert_array_equal(kept, [3, 0, 2])
    assert_array_equal(owner, [1, 1, 2, 0])


def test_flattest_direction_is_the_top_eigenvector_of_the_covariance():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)) * [0.5, 2.0, 1.0, 0.7]
    weight = rng.uniform(0.5, 1.5, 200)
    rows = rng.standard_normal((5, 4))
    found = KernelDensitySum(X, weight, "gaussian", 1.0).flattest_directions(rows)
    for row, direction in zip(rows, found, strict=True):
        a = weight * profile("gaussian", 1.0, distances(row[np.newaxis], X)[0])[1]
        expected = np.linalg.eigh(np.cov(X.T, aweights=a))[1][:, -1]
        assert abs(direction @ expected) > 0.99


def test_every_anchor_has_a_mode():
    X, weight = hard_case(300, 60)
    h = 0.42 * np.sqrt(60)
    rng = np.random.default_rng(0)
    Z = X / h
    search = ModeSearch(KernelDensitySum(Z, weight, "gaussian", 1.0), 1e-3, 0.1, 300)
    projections = [random_projection(60, q, rng) for q in (12, 9)]
    modes, log_p, anchors, owner = search.run(Z, weight, Z[:50], projections)
    assert anchors.shape == (len(owner), 9)
    assert_array_equal(np.unique(owner), np.arange(len(modes)))
    assert_allclose(log_p, search.density.log_density(modes), atol=1e-9)


def test_memory_is_linear():
    X, _ = make_blobs(30000, n_features=10, centers=5, random_state=0)
    finder = KDEModeFinder(2.0, n_centers=200, n_seeds=50, random_state=0)
    tracemalloc.start()
    finder.fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * X.nbytes  # a matrix of rows by centers would be 20 times X


def test_callbacks_see_the_fit():
    X = load_iris().data
    finder = KDEModeFinder(random_state=0).set_callbacks(ProgressBar())
    assert_array_equal(finder.fit(X).modes_, KDEModeFinder(random_state=0).fit(X).modes_)


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


def test_callbacks_stop_the_ascent_of_rows():
    X, y = make_blobs(300, n_features=4, centers=3, random_state=1)
    finder = KDEModeFinder(2.0, random_state=0).set_callbacks(Stop(after=1)).fit(X)
    assert_array_equal(finder.labels_, distances(X, finder.modes_).argmin(axis=1))
    assert adjusted_rand_score(y, finder.labels_) == 1
    assert_array_equal(finder.modes_, KDEModeFinder(2.0, random_state=0).fit(X).modes_)


def test_parameters_that_are_set_later_wait_for_a_fit():
    X, _ = hard_case(100, 60)
    finder = KDEModeFinder(3.0, n_components=8, random_state=0).fit(X)
    before = finder.predict(X)
    finder.set_params(labels="nearest", tol=10.0, bandwidth=1.0, kernel="cauchy")
    assert_array_equal(finder.predict(X), before)


def test_what_failed_is_not_fitted():
    X = load_iris().data
    finder = KDEModeFinder(1e-60)
    for _ in range(2):
        with pytest.raises(ValueError, match="bandwidth=1e-60"):
            finder.fit(X)
        with pytest.raises(NotFittedError):
            finder.predict(X)
        finder.set_params(bandwidth=1.0).fit(X).set_params(bandwidth=1e-60)


def test_float32_rows_many_bandwidths_apart():
    """Squared distances in float32 would be off by more than 10."""
    rng = np.random.default_rng(0)
    X = np.concatenate(rng.standard_normal((2, 150, 3)) + [[[0.0]], [[1e4]]]).astype(np.float32)
    narrow = KDEModeFinder(1.0, random_state=0, min_mass=0.02).fit(X)
    wide = KDEModeFinder(1.0, random_state=0, min_mass=0.02).fit(X.astype(float))
    assert narrow.modes_.dtype == narrow.score_samples(X).dtype == np.float32
    assert_allclose(narrow.modes_, wide.modes_, atol=5e-3)
    assert_allclose(narrow.score_samples(X), wide.score_samples(X.astype(float)), atol=5e-3)
    assert_array_equal(narrow.predict(X), narrow.labels_)


def test_too_few_steps_are_reported():
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        finder = KDEModeFinder(max_iter=2, random_state=0).fit(load_iris().data)
    assert finder.n_iter_ == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"bandwidth": 0.0}, "'bandwidth'"),
        ({"bandwidth": "scott"}, "'bandwidth'"),
        ({"kernel": "box"}, "'kernel'"),
        ({"alpha": 0.0}, "'alpha'"),
        ({"kernel": "exponential", "alpha": 2.5}, r"alpha=2.5; .* \(0, 2\]"),
        ({"n_components": 0}, "'n_components'"),
        ({"n_projections": 0}, "'n_projections'"),
        ({"n_seeds": 0}, "'n_seeds'"),
        ({"n_centers": 0}, "'n_centers'"),
        ({"tol": 0.0}, "'tol'"),
        ({"merge_tol": 0.0}, "'merge_tol'"),
        ({"labels": "mode"}, "'labels'"),
        ({"min_mass": 1.0}, "'min_mass'"),
        ({"bandwidth": 1e-20}, "bandwidth=1e-20; .* rounding"),
    ],
)
def test_errors_name_the_parameter(params, message):
    with pytest.raises(ValueError, match=message):
        KDEModeFinder(**params).fit(load_iris().data)


def test_errors_of_weights_and_state():
    X = load_iris().data
    with pytest.raises(ValueError, match=r"(?i)negative"):
        KDEModeFinder().fit(X, sample_weight=-np.ones(len(X)))
    with pytest.raises(ValueError, match=r"(?i)zero"):
        KDEModeFinder().fit(X, sample_weight=np.zeros(len(X)))
    with pytest.raises(NotFittedError):
        KDEModeFinder().predict(X)
