"""Clusters in views: closed forms of the model, the gap between them, what an optimum must be."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import scale

from skstruct.tensor import (
    NestedTensorClustering,
    alignment_tensor,
    alignment_unfolding,
    expected_accuracy,
    threshold_tensor,
    threshold_unfolding,
)

METHODS = ["nested", "tensor", "unfolding"]


def planted(sizes, beta_m, beta_t, seed):
    """Draw (samples x features x views, labels, unit vectors of samples and of views)."""
    n_features, n_samples, n_views = sizes
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal(n_features), rng.standard_normal(n_views)
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    labels = rng.integers(0, 2, n_samples)
    y = (2 * labels - 1) / np.sqrt(n_samples)
    seen = beta_m * np.outer(y, x)
    seen += rng.standard_normal(seen.shape) / np.sqrt(n_features + n_samples)
    T = rng.standard_normal((n_samples, n_features, n_views)) / np.sqrt(sum(sizes))
    T += beta_t * seen[:, :, np.newaxis] * z
    return T, labels, y, z


def three_clusters(seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % 3
    means = rng.standard_normal((3, 12))
    means = 2.5 * (means - means.mean(axis=0))
    views = np.array([1.0, 0.1, -0.6, 0.0, 0.4])
    T = means[labels][:, :, np.newaxis] * views
    return T + noise * rng.standard_normal(T.shape), labels


def agreement(labels, found):
    same = (labels == found).mean()
    return max(same, 1 - same)


@pytest.mark.parametrize(
    ("sizes", "beta_m", "beta_t"),
    [
        ((150, 300, 60), 2.0, 0.506),
        ((150, 300, 60), 2.0, 1.011),
        ((150, 300, 60), 2.0, 2.106),
        ((150, 300, 60), 1.2, 1.584),
        ((100, 200, 100), 3.0, 0.971),
    ],
)
def test_alignments_and_accuracies_are_those_of_the_theory(sizes, beta_m, beta_t):
    found = []
    for seed in range(5):
        T, labels, y, _ = planted(sizes, beta_m, beta_t, seed)
        for method in ("nested", "unfolding"):
            fit = NestedTensorClustering(method=method).fit(T)
            found.append([(fit.sample_vector_ @ y) ** 2, agreement(labels, fit.labels_)])
    nested, unfolding = np.mean(np.reshape(found, (5, 2, 2)), axis=0)
    best = alignment_tensor(beta_m, beta_t, *sizes)
    naive = alignment_unfolding(beta_m, beta_t, *sizes)
    assert abs(nested[0] - best) < 0.06
    assert abs(nested[1] - expected_accuracy(best)) < 0.03
    assert abs(unfolding[0] - naive) < 0.06
    if naive > 0.0:  # at chance, taking the better of both labellings is above one half
        assert abs(unfolding[1] - expected_accuracy(naive)) < 0.04


def test_noise_that_views_share_tells_their_weights_below_the_threshold():
    found = []
    for seed in range(4):
        T, _, y, z = planted((150, 300, 60), 2.0, 0.506, seed)
        for method in ("nested", "tensor"):
            fit = NestedTensorClustering(method=method, max_iter=300).fit(T)
            found.append([(fit.sample_vector_ @ y) ** 2, (fit.view_weights_ @ z) ** 2])
    nested, tensor = np.mean(np.reshape(found, (4, 2, 2)), axis=0)
    assert tensor[0] > 0.25
    assert nested[0] > tensor[0] + 0.03
    assert nested[1] > 0.95 > tensor[1]


def test_without_shared_noise_the_nested_model_is_of_rank_one():
    rng = np.random.default_rng(0)
    x, y, z = (v / np.linalg.norm(v) for v in map(rng.standard_normal, (40, 80, 30)))
    noise = rng.standard_normal((80, 40, 30)) / np.sqrt(150)
    T = 20.0 * np.einsum("j,i,k->jik", y, x, z) + noise
    nested, tensor = (NestedTensorClustering(method=m).fit(T) for m in ("nested", "tensor"))
    assert nested.sample_vector_ @ tensor.sample_vector_ > 0.999
    assert nested.view_weights_ @ tensor.view_weights_ > 0.999


def test_tensor_is_stationary_and_no_random_start_is_better():
    T, *_ = planted((12, 20, 8), 3.0, 2.0, 0)
    fit = NestedTensorClustering(method="tensor", tol=0, max_iter=200).fit(T)
    x, y, z = fit.feature_vector_, fit.sample_vector_, fit.view_weights_
    s = fit.singular_value_
    np.testing.assert_allclose(np.einsum("jik,i,k", T, x, z), s * y, atol=1e-7 * s)
    np.testing.assert_allclose(np.einsum("jik,j,k", T, y, z), s * x, atol=1e-7 * s)
    np.testing.assert_allclose(np.einsum("jik,j,i", T, y, x), s * z, atol=1e-7 * s)
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, z = rng.standard_normal(12), rng.standard_normal(8)
        for _ in range(100):
            y = np.einsum("jik,i,k", T, x, z)
            x = np.einsum("jik,j,k", T, y / np.linalg.norm(y), z)
            x /= np.linalg.norm(x)
            z = np.einsum("jik,j,i", T, y / np.linalg.norm(y), x)
            value = np.linalg.norm(z)
            z /= value
        assert value <= s * (1 + 1e-9)


def log_likelihood(T, x, y, z, off, shared):
    """Up to a constant: variance `off` in all directions of the views but z, `shared` in z."""
    combined = T @ z
    left = combined - (y @ combined @ x) * np.outer(y, x)
    return -((T**2).sum() - (combined**2).sum()) / off - (left**2).sum() / shared


def test_nested_maximises_the_likelihood():
    T, *_ = planted((15, 25, 6), 2.5, 1.0, 3)
    fit = NestedTensorClustering(tol=0, max_iter=500).fit(T)
    x, y, z = fit.feature_vector_, fit.sample_vector_, fit.view_weights_
    along = ((T @ z) ** 2).sum()
    off = ((T**2).sum() - along) / (25 * 15 * 5)
    shared = (along - fit.singular_value_**2) / (24 * 14)
    assert shared > 2 * off
    best = log_likelihood(T, x, y, z, off, shared)
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(30):
            moved = [v + size * rng.standard_normal(len(v)) for v in (x, y, z)]
            moved = [v / np.linalg.norm(v) for v in moved]
            assert log_likelihood(T, *moved, off, shared) < best


def test_unfolding_is_the_first_singular_pair():
    T, *_ = planted((12, 20, 8), 3.0, 2.0, 0)
    for X in (T, T[:, :2, :3]):  # more columns than rows, and fewer
        fit = NestedTensorClustering(method="unfolding").fit(X)
        U, s, _ = np.linalg.svd(X.reshape(20, -1), full_matrices=False)
        assert abs(fit.sample_vector_ @ U[:, 0]) == pytest.approx(1, abs=1e-10)
        assert fit.singular_value_ == pytest.approx(s[0])
        split = np.linalg.svd(np.tensordot(fit.sample_vector_, X, 1))
        assert abs(fit.view_weights_ @ split[2][0]) == pytest.approx(1, abs=1e-10)
        assert abs(fit.feature_vector_ @ split[0][:, 0]) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("n_clusters", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_samples_of_fit_are_as_new_ones(method, n_clusters):
    T, _ = three_clusters()
    fit = NestedTensorClustering(n_clusters, method=method, center=True, random_state=0).fit(T)
    np.testing.assert_array_equal(fit.predict(T), fit.labels_)
    scores = np.reshape(fit.sample_vector_ * fit.singular_value_, (90, -1))
    np.testing.assert_allclose(fit.transform(T), scores, rtol=1e-9, atol=1e-9)
    flat = NestedTensorClustering(**fit.get_params()).set_params(n_views=5)
    np.testing.assert_array_equal(flat.fit_predict(T.reshape(90, -1)), fit.labels_)


@pytest.mark.parametrize("n_clusters", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_order_of_samples_and_turned_features_change_nothing(method, n_clusters):
    T, _ = three_clusters()
    params = {"n_clusters": n_clusters, "method": method, "random_state": 0}
    fit = NestedTensorClustering(**params).fit(T)
    order = np.random.default_rng(0).permutation(90)
    again = NestedTensorClustering(**params).fit(T[order])
    np.testing.assert_array_equal(again.labels_, fit.labels_[order])
    np.testing.assert_allclose(again.view_weights_, fit.view_weights_, atol=1e-6)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]
    turned = NestedTensorClustering(**params).fit(np.ascontiguousarray(turn @ T))
    assert adjusted_rand_score(turned.labels_, fit.labels_) == 1
    np.testing.assert_allclose(turned.singular_value_, fit.singular_value_, rtol=1e-6)


def test_sign_does_not_hang_on_rounding():
    # Of two standardised columns the singular vectors are (1, 1) and (1, -1) over sqrt(2).
    X = scale(make_blobs(100, 2, centers=2, random_state=3)[0])
    fit = NestedTensorClustering().fit(X)
    np.testing.assert_allclose(np.abs(fit.feature_vector_), np.sqrt(0.5))
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(100)
        again = NestedTensorClustering().fit(X[order])
        np.testing.assert_array_equal(again.labels_, fit.labels_[order])


@pytest.mark.parametrize("n_samples", [40, 90])  # fewer and more than columns
@pytest.mark.parametrize("n_clusters", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_weights_are_repetitions(method, n_clusters, n_samples):
    T = three_clusters()[0][:n_samples]
    weight = np.random.default_rng(0).integers(0, 4, n_samples)
    params = {"n_clusters": n_clusters, "method": method, "center": True, "random_state": 0}
    weighed = NestedTensorClustering(**params).fit(T, sample_weight=weight)
    repeated = NestedTensorClustering(**params).fit(np.repeat(T, weight, axis=0))
    np.testing.assert_allclose(weighed.view_weights_, repeated.view_weights_, atol=1e-6)
    np.testing.assert_allclose(weighed.transform(T), repeated.transform(T), atol=1e-5)
    np.testing.assert_array_equal(weighed.predict(T), repeated.predict(T))


@pytest.mark.parametrize("method", METHODS)
def test_center_takes_any_mean_away(method):
    T, *_ = planted((20, 40, 8), 3.0, 2.0, 0)
    centered = NestedTensorClustering(method=method, center=True, random_state=0).fit(T)
    by_hand = NestedTensorClustering(method=method).fit(T - T.mean(axis=0))
    np.testing.assert_allclose(centered.sample_vector_, by_hand.sample_vector_, atol=1e-9)
    mean = 1e6 * np.random.default_rng(1).standard_normal((20, 8))
    moved = NestedTensorClustering(method=method, center=True, random_state=0).fit(T + mean)
    np.testing.assert_allclose(moved.sample_vector_, centered.sample_vector_, atol=1e-7)
    np.testing.assert_array_equal(moved.predict(T + mean), centered.labels_)


@pytest.mark.parametrize("method", ["nested", "tensor"])
def test_three_clusters_in_views_of_unequal_quality(method):
    found = []
    for seed in range(4):
        T, labels = three_clusters(seed, noise=4.0)
        fit = NestedTensorClustering(3, method=method, random_state=0).fit(T)
        flat = KMeans(3, n_init=10, random_state=0).fit(T.reshape(90, -1))
        found.append([adjusted_rand_score(labels, f.labels_) for f in (fit, flat)])
    ours, theirs = np.mean(found, axis=0)
    assert ours > 0.6
    assert ours > theirs + 0.1
    for vectors in (fit.sample_vector_, fit.feature_vector_):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(2), atol=1e-9)
    assert (np.diff(fit.cluster_centers_[:, 0]) > 0).all()


def test_orthogonal_iteration_is_stationary():
    T, _ = three_clusters(noise=2.0)
    fit = NestedTensorClustering(3, method="tensor", tol=0, max_iter=200).fit(T)
    x, y, z = fit.feature_vector_, fit.sample_vector_, fit.view_weights_
    of_samples = np.linalg.svd(T @ z @ x)[0][:, :2]
    of_features = np.linalg.svd(np.einsum("jik,ja,k->ia", T, y, z))[0][:, :2]
    of_views = np.linalg.svd(np.einsum("jik,ja,ib->kab", T, y, x).reshape(5, 4))[0][:, 0]
    for found, expected in ((y, of_samples), (x, of_features), (z[:, None], of_views[:, None])):
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_float32(method):
    T, *_ = planted((30, 60, 10), 3.0, 2.0, 0)
    exact = NestedTensorClustering(method=method).fit(T)
    fit = NestedTensorClustering(method=method).fit(T.astype(np.float32))
    for name in ("sample_vector_", "feature_vector_", "view_weights_"):
        assert getattr(fit, name).dtype == np.float32
        np.testing.assert_allclose(getattr(fit, name), getattr(exact, name), atol=2e-3)
    assert fit.transform(T.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 1e290])
@pytest.mark.parametrize("method", METHODS)
def test_squares_that_are_no_numbers(method, size):
    T, _ = three_clusters()
    plain, fit = (
        NestedTensorClustering(3, method=method, center=True, random_state=0).fit(factor * T)
        for factor in (1.0, size)
    )
    np.testing.assert_array_equal(fit.labels_, plain.labels_)
    np.testing.assert_allclose(fit.singular_value_ / size, plain.singular_value_, rtol=1e-9)
    np.testing.assert_allclose(fit.transform(size * T) / size, plain.transform(T), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_tensor_is_not_copied(method):
    T = np.random.default_rng(0).standard_normal((100, 500, 100))
    clustering = NestedTensorClustering(
        method=method, n_views=100, center=True, max_iter=2, tol=1.0
    )
    X, weight = T.reshape(100, -1), np.ones(100)
    clustering.fit(X[:2])
    tracemalloc.start()
    clustering.fit(X, sample_weight=weight).transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 4


def test_centred_clusters_may_be_of_unequal_size():
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.15
    means = rng.standard_normal((2, 60))
    means *= 4.8 / np.linalg.norm(means, axis=1, keepdims=True)
    seen = means[labels.astype(int)] + rng.standard_normal((300, 60))
    T = seen[:, :, np.newaxis] * rng.standard_normal(20)
    T += 3 * rng.standard_normal(T.shape)
    fit = NestedTensorClustering(center=True, random_state=0).fit(T)
    assert agreement(labels, fit.labels_) > 0.98


def test_breast_cancer_views():
    X, y = load_breast_cancer(return_X_y=True)
    T = scale(X).reshape(-1, 3, 10).transpose(0, 2, 1)
    fit = NestedTensorClustering().fit(T)
    assert agreement(y, fit.labels_) > 0.905
    assert fit.view_weights_.argmin() == 1


@pytest.mark.parametrize("method", METHODS)
def test_nothing_and_one_sample(method):
    fit = NestedTensorClustering(method=method, n_views=2).fit(np.zeros((5, 6)))
    assert not fit.labels_.any()
    assert fit.singular_value_ == 0
    assert np.isfinite(fit.transform(np.ones((2, 6)))).all()
    one = NestedTensorClustering(method=method, n_views=2).fit([[1.0, 2.0, 3.0, 4.0]])
    assert one.labels_.shape == (1,)
    assert one.singular_value_ == pytest.approx(np.linalg.svd([[1, 2], [3, 4]])[1][0], rel=0.02)


def test_errors_name_what_is_wrong():
    X = np.random.default_rng(0).standard_normal((6, 8))
    with pytest.raises(ValueError, match=r"n_views=3; it must divide .* 8"):
        NestedTensorClustering(n_views=3).fit(X)
    with pytest.raises(ValueError, match=r"n_views=2; X has shape \(6, 2, 4\)"):
        NestedTensorClustering(n_views=2).fit(X.reshape(6, 2, 4))
    with pytest.raises(ValueError, match="n_clusters=7; X has n_samples=6"):
        NestedTensorClustering(7).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        NestedTensorClustering().fit(np.where(X > 1, np.nan, X))
    with pytest.raises(TypeError, match="parse"):
        NestedTensorClustering().fit(csr_array(X))
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        NestedTensorClustering(n_views=4, max_iter=1, tol=0).fit(X)


def by_quadrature(beta_m, beta_t, n_1, n_2, n_3):
    """The alignment of the unfolding from the spectrum of the noise, by integrals over it."""
    n_m, n_t, rows = n_1 + n_2, n_1 + n_2 + n_3, n_1 * (n_3 - 1)
    c_1, c_2, g = n_1 / n_m, n_2 / n_m, n_2 / n_t
    variance = (beta_t**2 / n_m + 1 / n_t) * n_m
    u = beta_t**2 * beta_m**2 / variance
    if u**2 <= c_1 * c_2:
        return 0.0
    spike = variance * (u + c_1) * (u + c_2) / u
    t = (np.arange(4000) + 0.5) * np.pi / 4000
    half = 2 * np.sqrt(c_1 * c_2)
    bulk = 1 + half * np.cos(t)
    mass = half**2 * np.sin(t) ** 2 / (2 * np.pi * c_2 * bulk) * np.pi / 4000
    at_zero = max(0.0, 1 - c_1 / c_2)
    assert mass.sum() + at_zero == pytest.approx(1)
    first = (mass / (variance * bulk - spike)).sum() - at_zero / spike
    second = (mass / (variance * bulk - spike) ** 2).sum() + at_zero / spike**2
    known = 1 - c_2 * (u + c_1) / (u * (u + c_2))
    return known * max(0.0, 1 - rows / n_t * g * second / (1 + g * first) ** 2)


@pytest.mark.parametrize("sizes", [(150, 300, 60), (300, 100, 20), (80, 80, 200), (5, 9, 1)])
@pytest.mark.parametrize("beta_m", [0.9, 1.2, 2.0, 6.0])
def test_closed_form_of_the_unfolding(sizes, beta_m):
    for beta_t in (0.1, 0.5, 1.0, 2.0, 5.0):
        expected = by_quadrature(beta_m, beta_t, *sizes)
        assert alignment_unfolding(beta_m, beta_t, *sizes) == pytest.approx(expected, abs=1e-6)


SIZES = st.integers(1, 10_000)


@given(st.floats(0, 100), st.floats(0, 100), SIZES, SIZES, SIZES)
def test_the_tensor_is_never_worse_than_its_unfolding(beta_m, beta_t, n_1, n_2, n_3):
    naive = alignment_unfolding(beta_m, beta_t, n_1, n_2, n_3)
    best = alignment_tensor(beta_m, beta_t, n_1, n_2, n_3)
    assert 0 <= naive <= best <= 1
    for alignment, threshold in (
        (best, threshold_tensor(beta_m, n_1, n_2, n_3)),
        (naive, threshold_unfolding(beta_m, n_1, n_2, n_3)),
    ):
        if beta_t < threshold * (1 - 1e-6):
            assert alignment <= 1e-5
        if beta_t > threshold * (1 + 1e-6):
            assert alignment > 0


def test_thresholds():
    sizes = 150, 300, 60
    found = threshold_unfolding([1.2, 2.0, 3.0], *sizes)
    np.testing.assert_allclose(found, [1.320, 0.843, 0.580], atol=6e-4)
    found = threshold_tensor([1.2, 2.0, 3.0], *sizes)
    np.testing.assert_allclose(found, [0.655, 0.343, 0.221], atol=6e-4)
    assert threshold_tensor(0.5, *sizes) == np.inf
    assert threshold_unfolding(2.0, 30, 40, 1) == threshold_tensor(2.0, 30, 40, 1)
    np.testing.assert_array_equal(expected_accuracy([0.0, 1.0]), [0.5, 1.0])


def test_theory_rejects_what_is_no_model():
    with pytest.raises(ValueError, match="beta_m=-1"):
        alignment_tensor(-1, 1, 10, 10, 10)
    with pytest.raises(ValueError, match="n_views=0"):
        threshold_unfolding(1, 10, 10, 0)
    with pytest.raises(ValueError, match=r"alignment=1\.5"):
        expected_accuracy(1.5)
