"""IncrementalGaussianMixture against the recursion of its covariances, closed forms and scipy."""

import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import chi2, multivariate_normal
from sklearn.callback import ProgressBar
from sklearn.datasets import load_iris, load_wine, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skstruct.density import IncrementalGaussianMixture


def recursion(
    X,
    sigma_ini,
    *,
    weight=None,
    novelty=0.01,
    max_components=100,
    prior_weight=None,
    v_min=None,
    sp_min=3.0,
    forgetting=1.0,
    resp_tol=1e-12,
):
    """The method in covariances, which are inverted at each row: slow, and plain to read."""
    n_features = X.shape[1]
    nu0 = n_features if prior_weight is None else prior_weight
    v_min = 2 * n_features if v_min is None else v_min
    threshold = chi2.isf(novelty, n_features)
    weight = np.ones(len(X)) if weight is None else weight
    mean, cov, sp, age, n_created, n_pruned = [], [], [], [], 0, 0

    def removable():
        old = [k for k in range(len(sp)) if age[k] > v_min and sp[k] < sp_min]
        return min(old, key=lambda k: sp[k]) if old else None

    for i, (x, t) in enumerate(zip(X, weight, strict=True)):
        sp = [s * forgetting for s in sp]
        d2 = np.array(
            [(x - m) @ np.linalg.solve(C, x - m) for m, C in zip(mean, cov, strict=True)]
        )
        slot = None
        if not len(d2) or d2.min() > threshold:
            slot = removable() if len(d2) == max_components else len(d2)
        if slot is not None:
            n_created += 1
            new = (x, np.diag(sigma_ini**2) * nu0 / (t - 1 + nu0), t, 1)
            for values, value in zip((mean, cov, sp, age), new, strict=True):
                if slot == len(d2):
                    values.append(value)
                else:
                    values[slot] = value
            n_pruned += slot < len(d2)
        else:
            log_r = np.array(
                [-(d + np.linalg.slogdet(C)[1]) / 2 for d, C in zip(d2, cov, strict=True)]
            )
            log_r += np.log(sp)
            r = t * np.exp(log_r - logsumexp(log_r))
            for k in range(len(sp)):
                age[k] += 1
                sp[k] += r[k]
                if r[k] > resp_tol:
                    w, wc, e = r[k] / sp[k], r[k] / (sp[k] - 1 + nu0), x - mean[k]
                    cov[k] = (1 - wc) * (cov[k] + wc * (1 - w) / (1 - wc) * np.outer(e, e))
                    mean[k] = mean[k] + w * e
        while (i + 1) % 100 == 0 and len(sp) > 1 and removable() is not None:
            k = removable()
            for values in (mean, cov, sp, age):
                del values[k]
            n_pruned += 1
    return np.array(mean), np.array(cov), np.array(sp), age, n_created, n_pruned


def assert_is_recursion(mixture, X, rtol=1e-9, **params):
    mean, cov, sp, age, n_created, n_pruned = recursion(X, mixture.sigma_ini_, **params)
    assert mixture.n_components_ == len(sp)
    assert_array_equal(mixture.age_, age)
    assert (mixture.n_created_, mixture.n_pruned_) == (n_created, n_pruned)
    assert_allclose(mixture.sp_, sp, rtol=rtol)
    assert_allclose(mixture.weights_, sp / sp.sum(), rtol=rtol)
    assert_allclose(mixture.means_, mean, rtol=rtol, atol=rtol * np.abs(mean).max())
    assert_allclose(mixture.covariances_, cov, rtol=rtol, atol=rtol * np.abs(cov).max())
    assert_allclose(mixture.log_det_cov_, np.linalg.slogdet(cov)[1], rtol=rtol, atol=rtol)
    return n_created, n_pruned


def clusters(n_samples=600, n_features=5, seed=0, spread=6.0):
    rng = np.random.default_rng(seed)
    centers = spread * rng.standard_normal((4, n_features))
    X = centers[rng.integers(4, size=n_samples)] + rng.standard_normal((n_samples, n_features))
    return X * np.logspace(-2, 2, n_features)


def arrays_of(mixture):
    names = (
        "weights_ means_ precisions_ log_det_cov_ sp_ age_ sigma_ini_ delta_ n_created_ n_pruned_"
    )
    return [np.asarray(getattr(mixture, name)) for name in [*names.split(), "n_samples_seen_"]]


@pytest.mark.parametrize("n_features", [1, 2, 5, 8, 9, 16, 17, 33])
def test_is_the_recursion_for_any_width(n_features):
    X = clusters(400, n_features)
    mixture = IncrementalGaussianMixture(shuffle=False).fit(X)
    assert_is_recursion(mixture, X, rtol=1e-8)


@pytest.mark.parametrize(
    "params",
    [
        {"novelty": 0.3, "sp_min": 5.0},
        {"novelty": 0.1, "prior_weight": 1.0},
        {"novelty": 0.1, "prior_weight": 12.0, "v_min": 30.0},
        {"novelty": 0.2, "forgetting": 0.98},
        {"novelty": 0.5, "max_components": 5},
        {"novelty": 0.5, "max_components": 12, "v_min": 15.0, "sp_min": 8.0},
        {"novelty": 0.1, "resp_tol": 1e-3},
    ],
)
def test_is_the_recursion_for_any_parameters(params):
    X = clusters(800, 4, seed=1)
    mixture = IncrementalGaussianMixture(delta=0.5, shuffle=False, **params).fit(X)
    assert_is_recursion(mixture, X, **params)


def test_is_the_recursion_with_weights():
    X = clusters(500, 3, seed=2)
    weight = np.random.default_rng(0).uniform(0.2, 3.0, len(X))
    mixture = IncrementalGaussianMixture(delta=0.6, shuffle=False).fit(X, sample_weight=weight)
    assert_is_recursion(mixture, X, weight=weight)
    assert mixture.n_samples_seen_ == pytest.approx(weight.sum())


def test_a_full_mixture_replaces_the_weakest_that_may_go():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.standard_normal((50, 2)), 100 + rng.standard_normal((1, 2))])
    X = np.vstack([X, rng.standard_normal((40, 2)), -100 + rng.standard_normal((5, 2))])
    params = {"max_components": 2, "novelty": 1e-6, "v_min": 10.0, "sp_min": 3.0}
    mixture = IncrementalGaussianMixture(delta=1.0, scale=[1.0, 1.0], shuffle=False, **params)
    mixture.fit(X[:91])
    assert mixture.n_components_ == 2
    assert_allclose(mixture.means_[1], X[50])
    mixture.partial_fit(X[91:])
    assert mixture.n_pruned_ == 1
    assert mixture.n_created_ == 3
    assert_allclose(mixture.means_[1], X[91:].mean(axis=0), rtol=1e-9)
    assert_is_recursion(mixture, X, **params)
    # One that is too young to go stays, and the novel row is absorbed.
    young = IncrementalGaussianMixture(delta=1.0, scale=[1.0, 1.0], shuffle=False, **params)
    young.set_params(v_min=1000).fit(X)
    assert (young.n_pruned_, young.n_created_) == (0, 2)
    assert_allclose(young.sp_.sum(), len(X))


def test_one_component_is_exactly_the_sample():
    X = np.random.default_rng(0).standard_normal((500, 6))
    mixture = IncrementalGaussianMixture(0, 1.0, prior_weight=1, shuffle=False).fit(X)
    scatter = (X - X.mean(axis=0)).T @ (X - X.mean(axis=0))
    exact = (np.diag(mixture.sigma_ini_**2) + scatter) / 500
    assert mixture.n_components_ == 1
    assert_allclose(mixture.means_[0], X.mean(axis=0), atol=1e-14)
    assert_allclose(mixture.covariances_[0], exact, atol=2e-13)
    assert_allclose(mixture.log_det_cov_[0], np.linalg.slogdet(exact)[1], atol=3e-14)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 20.0), st.integers(1, 9))
def test_one_component_is_additive_in_integer_weights(seed, prior_weight, n_features):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((30, n_features))
    times = rng.integers(0, 5, size=30)
    times[0] = 2
    params = {"novelty": 0, "delta": 1.0, "scale": np.ones(n_features), "shuffle": False}
    mixture = IncrementalGaussianMixture(prior_weight=prior_weight, **params)
    weighted = pickle.loads(pickle.dumps(mixture)).fit(X, sample_weight=times)
    repeated = mixture.fit(np.repeat(X, times, axis=0))
    assert_allclose(weighted.means_, repeated.means_, atol=1e-12)
    assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-9, atol=1e-12)
    n = times.sum()
    scatter = np.cov(X, rowvar=False, fweights=times, bias=True).reshape(n_features, -1) * n
    exact = (prior_weight * np.eye(n_features) + scatter) / (n - 1 + prior_weight)
    assert_allclose(weighted.covariances_[0], exact, rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_fit_knows_a_weighted_set_of_rows(seed, random):
    """Neither the order of the rows nor repetition in place of a weight changes a bit."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.standard_normal((60, 3)) * 4, 1)
    times = rng.integers(0, 4, size=60)
    order = list(np.repeat(np.arange(60), times))
    random.shuffle(order)
    mixture = IncrementalGaussianMixture(0.1, random_state=seed, n_warmup=20)
    weighted = arrays_of(mixture.fit(X, sample_weight=times))
    for one, other in zip(weighted, arrays_of(mixture.fit(X[order])), strict=True):
        assert_array_equal(one, other)


def test_rows_of_weight_zero_are_not_there():
    X = clusters(500)
    weight = np.ones(500)
    weight[::3] = 0
    for shuffle in (True, False):
        mixture = IncrementalGaussianMixture(shuffle=shuffle, random_state=0)
        with_zeros = arrays_of(mixture.fit(X, sample_weight=weight))
        without = arrays_of(mixture.fit(X[weight > 0]))
        for one, other in zip(with_zeros, without, strict=True):
            assert_array_equal(one, other)
        assert mixture.fit(X, sample_weight=weight).labels_.shape == (500,)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 699), max_size=12), st.booleans())
def test_chunks_questions_and_pickles_change_nothing(cuts, ask):
    X = clusters(700)
    whole = IncrementalGaussianMixture(shuffle=False).fit(X)
    parts = IncrementalGaussianMixture()
    for chunk in np.split(X, sorted(set(cuts))):
        parts.partial_fit(chunk)
        if ask and len(chunk) > 1:
            parts.predict(X[:5])
            parts = pickle.loads(pickle.dumps(parts))
    for one, other in zip(arrays_of(whole), arrays_of(parts), strict=True):
        assert_array_equal(one, other)


def test_row_by_row_is_in_one_go():
    X = clusters(300, 3)
    parts = IncrementalGaussianMixture()
    for row in X:
        parts.partial_fit(row[np.newaxis])
    whole = IncrementalGaussianMixture(shuffle=False).fit(X)
    for one, other in zip(arrays_of(whole), arrays_of(parts), strict=True):
        assert_array_equal(one, other)


def test_during_the_warm_up_the_rows_at_hand_answer():
    X = clusters(400, 3)
    early = IncrementalGaussianMixture().partial_fit(X[:150])
    fitted = IncrementalGaussianMixture(shuffle=False).fit(X[:150])
    assert_array_equal(early.score_samples(X), fitted.score_samples(X))
    assert early.n_samples_seen_ == 150
    # fit ends no warm-up either: the stream goes on as if it had come in one piece.
    fitted.partial_fit(X[150:])
    whole = IncrementalGaussianMixture(shuffle=False).fit(X)
    assert_array_equal(fitted.means_, whole.means_)


def test_one_row_needs_a_scale():
    one = IncrementalGaussianMixture().partial_fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="1 sample has no standard deviation"):
        one.predict([[1.0, 2.0]])
    one.partial_fit([[3.0, 5.0]])
    assert one.predict([[1.0, 2.0]]).shape == (1,)
    scaled = IncrementalGaussianMixture(scale=[2.0, 3.0]).fit([[1.0, 2.0]])
    assert_allclose(scaled.sigma_ini_, [2.0, 3.0])
    assert_allclose(
        scaled.score_samples([[2.0, 4.0]]),
        multivariate_normal([1.0, 2.0], np.diag([4.0, 9.0])).logpdf([2.0, 4.0]),
    )


def test_published_recursion_loses_positive_definiteness():
    lost = {"figmn": 0, "exact": 0}
    for update in lost:
        for seed in range(50):
            X = np.random.default_rng(seed).standard_normal((30, 4))
            mixture = IncrementalGaussianMixture(0, 0.3, update=update, shuffle=False)
            precision = mixture.partial_fit(X)._current().precisions[0]
            good = np.isfinite(precision).all() and np.linalg.eigvalsh(precision).min() > 0
            lost[update] += not good
            if not good:
                with pytest.raises(ValueError, match=r"lost positive definiteness.*'exact'"):
                    mixture.sample()
                with pytest.raises(ValueError, match=r"lost positive definiteness.*'exact'"):
                    mixture.predict_conditional(X[:, :1], [0])
    assert lost == {"figmn": 50, "exact": 0}


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(2, 60), st.integers(1, 10)),
        elements=st.floats(-1e150, 1e150)
        | st.floats(-10, 10)
        | st.sampled_from([0.0, 1.0, 1e-150]),
    ),
    st.sampled_from([0.0, 0.01, 0.4]),
    st.sampled_from([0.9, 1.0]),
    st.sampled_from([1, 3, 100]),
)
def test_any_data_leave_a_density(X, novelty, forgetting, max_components):
    mixture = IncrementalGaussianMixture(
        novelty, forgetting=forgetting, max_components=max_components, n_warmup=20, shuffle=False
    ).fit(X)
    assert np.isfinite(mixture.score_samples(X)).all()
    assert_allclose(mixture.predict_proba(X).sum(axis=1), 1.0)
    assert np.isfinite(mixture.means_).all()
    np.linalg.cholesky(mixture._current()._precision)
    assert np.isfinite(mixture.sample(5)[0]).all()
    if X.shape[1] > 1:
        for part in mixture.predict_conditional(X[:, :1], [0], return_std=True):
            assert np.isfinite(part).all()


@pytest.mark.parametrize("forgetting", [1.0, 0.99])
def test_degenerate_streams_stay_positive_definite(forgetting):
    """Columns that are constant or equal, and outliers that grow a hundredfold each time."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20000, 4))
    X[:, 1] = X[:, 0]
    X[:, 2] = 7.0
    mixture = IncrementalGaussianMixture(0, forgetting=forgetting).partial_fit(X)
    np.linalg.cholesky(mixture._current()._precision)
    assert_allclose(mixture.covariances_[0, 3, 3], 1.0, rtol=0.3)
    outliers = 100.0 ** np.arange(1, 30)[:, np.newaxis] * [1.0, -1.0, 1.0, 1.0]
    mixture.partial_fit(outliers)
    np.linalg.cholesky(mixture._current()._precision)
    assert np.isfinite(mixture.score_samples(X)).all()


def test_log_determinant_does_not_drift():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30000, 6)) @ rng.standard_normal((6, 6)) * np.logspace(-3, 2, 6)
    mixture = IncrementalGaussianMixture(0, 1.0, shuffle=False).fit(X)
    expected = -np.linalg.slogdet(mixture._current()._precision)[1]
    assert_allclose(mixture._current()._live("log_det"), expected, atol=1e-11)


def test_scales_of_columns_are_units():
    X = clusters(500, 4)
    unit = 2.0 ** np.array([450, -450, 0, 20])
    mixture = IncrementalGaussianMixture(random_state=0, shuffle=False)
    mean, score = mixture.fit(X).means_, mixture.score_samples(X)
    scaled = mixture.fit(X * unit)
    assert_allclose(scaled.means_, mean * unit, rtol=1e-12)
    assert_allclose(scaled.score_samples(X * unit), score - np.log(unit).sum(), rtol=1e-9)


def fitted_mixture():
    X = clusters(800, 4, seed=3)
    return X, IncrementalGaussianMixture(0.05, random_state=0).fit(X)


def test_density_and_responsibilities_are_those_of_the_mixture():
    X, mixture = fitted_mixture()
    log_joint = np.transpose(
        [
            np.log(weight) + multivariate_normal(mean, cov).logpdf(X)
            for weight, mean, cov in zip(
                mixture.weights_, mixture.means_, mixture.covariances_, strict=True
            )
        ]
    )
    assert mixture.n_components_ > 3
    assert_allclose(mixture.score_samples(X), logsumexp(log_joint, axis=1), rtol=1e-9)
    assert mixture.score(X) == pytest.approx(mixture.score_samples(X).mean())
    expected = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
    assert_allclose(mixture.predict_proba(X), expected, atol=1e-9)
    assert_array_equal(mixture.predict(X), log_joint.argmax(axis=1))
    assert_array_equal(mixture.labels_, mixture.predict(X))
    assert_array_equal(mixture.fit_predict(X), mixture.labels_)
    assert not hasattr(mixture.partial_fit(X[:1]), "labels_")


def test_precisions_are_symmetric_inverses():
    _, mixture = fitted_mixture()
    assert_array_equal(mixture.precisions_, mixture.precisions_.swapaxes(1, 2))
    assert_array_equal(mixture.covariances_, mixture.covariances_.swapaxes(1, 2))
    product = mixture.precisions_ @ mixture.covariances_
    assert_allclose(product, np.broadcast_to(np.eye(4), product.shape), atol=1e-9)


@pytest.mark.parametrize("given_columns", [[0], [3, 1], [2, 0, 1]])
def test_conditional_is_that_of_the_covariances(given_columns):
    X, mixture = fitted_mixture()
    other = np.setdiff1d(np.arange(4), given_columns)
    X_given = X[:50][:, given_columns]
    log_r, means, variances = [], [], []
    for weight, mean, cov in zip(
        mixture.weights_, mixture.means_, mixture.covariances_, strict=True
    ):
        C_ii, C_ti = cov[np.ix_(given_columns, given_columns)], cov[np.ix_(other, given_columns)]
        gain = C_ti @ np.linalg.inv(C_ii)
        log_r.append(
            np.log(weight) + multivariate_normal(mean[given_columns], C_ii).logpdf(X_given)
        )
        means.append(mean[other] + (X_given - mean[given_columns]) @ gain.T)
        variances.append(np.diag(cov[np.ix_(other, other)] - gain @ C_ti.T))
    r = np.exp(log_r - logsumexp(log_r, axis=0))[:, :, np.newaxis]
    expected = (r * means).sum(axis=0)
    second = (r * (np.array(variances)[:, np.newaxis] + np.square(means))).sum(axis=0)
    mean, std = mixture.predict_conditional(X_given, given_columns, return_std=True)
    assert_allclose(mean, expected, rtol=1e-7, atol=1e-9)
    assert_allclose(std, np.sqrt(second - expected**2), rtol=1e-5)
    assert_array_equal(mixture.predict_conditional(X_given, given_columns), mean)


def test_conditional_std_of_a_known_gaussian():
    rng = np.random.default_rng(0)
    cov = np.array([[2.0, 1.2, 0.3], [1.2, 1.0, 0.4], [0.3, 0.4, 0.5]])
    X = rng.multivariate_normal([1.0, -2.0, 3.0], cov, size=40000)
    mixture = IncrementalGaussianMixture(0, prior_weight=1).fit(X[:20000])
    mean, std = mixture.predict_conditional(X[20000:, :2], [0, 1], return_std=True)
    gain = np.linalg.solve(cov[:2, :2], cov[:2, 2])
    assert_allclose(mean[:, 0], 3.0 + (X[20000:, :2] - [1.0, -2.0]) @ gain, atol=0.06)
    assert_allclose(std, np.sqrt(0.5 - cov[2, :2] @ gain), rtol=0.01)
    standardised = (X[20000:, 2] - mean[:, 0]) / std[:, 0]
    assert np.mean(np.abs(standardised) < 1.0) == pytest.approx(0.6827, abs=0.01)
    assert np.mean(np.abs(standardised) < 1.96) == pytest.approx(0.95, abs=0.006)


def test_draws_follow_the_mixture():
    _, mixture = fitted_mixture()
    X, labels = mixture.sample(60000)
    assert X.shape == (60000, 4)
    assert_allclose(np.bincount(labels) / 60000, mixture.weights_, atol=0.01)
    for k in range(mixture.n_components_):
        inside = X[labels == k]
        std = np.sqrt(np.diag(mixture.covariances_[k]))
        error = 5 / np.sqrt(len(inside))
        assert_allclose((inside.mean(axis=0) - mixture.means_[k]) / std, 0, atol=error)
        cov = np.cov(inside, rowvar=False) / np.outer(std, std)
        assert_allclose(cov, mixture.covariances_[k] / np.outer(std, std), atol=2 * error)
    assert_array_equal(mixture.set_params(random_state=4).sample(9)[0], mixture.sample(9)[0])


def test_mass_is_that_of_the_rows():
    X = clusters(1000, 3)
    mixture = IncrementalGaussianMixture(sp_min=0).fit(X)
    assert mixture.n_pruned_ == 0
    assert_allclose(mixture.sp_.sum(), mixture.n_samples_seen_)
    fading = IncrementalGaussianMixture(sp_min=0, forgetting=0.99).fit(X)
    assert_allclose(fading.sp_.sum(), (1 - 0.99**1000) / 0.01, rtol=1e-9)


def test_pruning_leaves_one():
    X = clusters(1000, 3)
    mixture = IncrementalGaussianMixture(0.5, sp_min=1e6, v_min=1).fit(X)
    assert mixture.n_components_ >= 1
    assert mixture.n_created_ - mixture.n_pruned_ == mixture.n_components_
    only = IncrementalGaussianMixture(0.5, sp_min=1e6, v_min=0).fit(X)
    assert only.n_components_ == 1


def test_forgetting_follows_a_drift():
    rng = np.random.default_rng(0)
    before, after = rng.standard_normal((1000, 2)), 10 + rng.standard_normal((1000, 2))
    fading = IncrementalGaussianMixture(forgetting=0.99).partial_fit(before).partial_fit(after)
    lasting = IncrementalGaussianMixture().partial_fit(before).partial_fit(after)
    near = np.linalg.norm(fading.means_ - 10, axis=1) < 5
    assert fading.weights_[near].sum() > 0.99
    assert fading.score(after) > lasting.score(after) + 0.5


def test_finds_clusters_as_em_does_with_the_right_number():
    X, y = make_blobs(6000, n_features=20, centers=10, cluster_std=2.0, random_state=0)
    train, test, _, labels = train_test_split(X, y, random_state=0)
    em = GaussianMixture(10, random_state=0).fit(train).score(test)
    for seed in range(3):
        mixture = IncrementalGaussianMixture(random_state=seed).fit(train)
        assert mixture.score(test) > em - 0.3
        assert adjusted_rand_score(labels, mixture.predict(test)) > 0.98


def test_prior_weight_of_the_width_beats_one():
    for data in (load_iris().data, StandardScaler().fit_transform(load_wine().data)):
        train, test = train_test_split(data, random_state=0)
        wide, one = (
            np.mean(
                [
                    IncrementalGaussianMixture(prior_weight=w, random_state=s)
                    .fit(train)
                    .score(test)
                    for s in range(3)
                ]
            )
            for w in ("auto", 1.0)
        )
        assert wide > one + 0.3


def test_auto_delta_is_the_median_distance_to_the_sixth_neighbour():
    X = clusters(150, 4)
    Z = X / X.std(axis=0)
    squares = np.sort(((Z[:, np.newaxis] - Z) ** 2).sum(axis=2), axis=1)[:, 6]
    mixture = IncrementalGaussianMixture().fit(X)
    assert mixture.delta_ == pytest.approx(np.sqrt(np.median(squares) / 4))
    assert_allclose(mixture.sigma_ini_, mixture.delta_ * X.std(axis=0))
    # Repetitions of rows do not make it 0.
    tiled = IncrementalGaussianMixture(shuffle=False).fit(np.tile(X[:20], (10, 1)))
    once = IncrementalGaussianMixture(shuffle=False).fit(X[:20])
    assert tiled.delta_ == pytest.approx(once.delta_)


def test_constant_columns_start_narrow():
    X = clusters(100, 3)
    X[:, 1] = 0.1
    mixture = IncrementalGaussianMixture().fit(X)
    assert_allclose(mixture.sigma_ini_[1], mixture.sigma_ini_.max() * 1e-3)
    same = IncrementalGaussianMixture().fit(np.full((10, 2), 1e100))
    assert_allclose(same.sigma_ini_, 1e-3)
    assert_allclose(same.means_, 1e100)


def test_float32_in_float32_out():
    X = clusters(300, 3).astype(np.float32)
    single = IncrementalGaussianMixture(random_state=0).fit(X)
    double = IncrementalGaussianMixture(random_state=0).fit(X.astype(np.float64))
    assert_array_equal(single.means_, double.means_)
    assert single.means_.dtype == np.float64
    for method in ("score_samples", "predict_proba"):
        out = getattr(single, method)(X)
        assert out.dtype == np.float32
        assert_allclose(out, getattr(double, method)(X), rtol=1e-5, atol=1e-6)
    assert single.predict_conditional(X[:, :1], [0]).dtype == np.float32


def test_scores_need_memory_for_a_block():
    X = np.random.default_rng(0).standard_normal((50000, 2))
    mixture = IncrementalGaussianMixture(0.5, sp_min=0, max_components=60).fit(X[:2000])
    assert mixture.n_components_ == 60
    tracemalloc.start()
    mixture.score_samples(X)
    mixture.predict_conditional(X[:, :1], [0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50000 * 60 * 8 / 2


class Recorder:
    """Callback that counts tasks, scores the mixture of each, and may stop it."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.scores = []

    def setup(self, estimator, context):
        self.n_blocks = context.max_subtasks

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.parent is not None:
            self.scores.append(fitted_estimator.score(X))
        return len(self.scores) == self.stop_after

    def teardown(self, estimator, context):
        pass


def test_callbacks_see_and_stop_the_pass():
    X = clusters(3000, 3)
    recorder = Recorder()
    mixture = IncrementalGaussianMixture(random_state=0).set_callbacks(recorder).fit(X)
    assert len(recorder.scores) == recorder.n_blocks == 12
    assert recorder.scores[-1] == pytest.approx(mixture.score(X))
    mixture.set_callbacks(Recorder(stop_after=3)).fit(X)
    assert mixture.n_samples_seen_ == 3 * 256


def test_progress_bar(capsys):
    mixture = IncrementalGaussianMixture(random_state=0).set_callbacks(ProgressBar())
    mixture.fit(clusters(1000, 2))
    assert "IncrementalGaussianMixture" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"novelty": 1.0}, "'novelty' parameter .* range \\[0.0, 1.0\\)"),
        ({"novelty": -0.1}, "'novelty' parameter"),
        ({"delta": 0.0}, "'delta' parameter"),
        ({"delta": "median"}, "'delta' parameter .*'auto'"),
        ({"max_components": 0}, "'max_components' parameter"),
        ({"prior_weight": 0.0}, "'prior_weight' parameter"),
        ({"forgetting": 0.0}, "'forgetting' parameter"),
        ({"forgetting": 1.1}, "'forgetting' parameter"),
        ({"n_warmup": 1}, "'n_warmup' parameter"),
        ({"update": "igmn"}, "'update' parameter .*'exact'"),
        ({"scale": [1.0]}, r"scale has shape \(1,\); it must be None or of shape \(3,\)"),
        ({"scale": [1.0, 0.0, 1.0]}, "all of it must be positive and finite"),
    ],
)
def test_wrong_parameters(params, match):
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=match):
            getattr(IncrementalGaussianMixture(**params), method)(np.ones((5, 3)))


def test_wrong_data():
    X, mixture = fitted_mixture()
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 4"):
        mixture.partial_fit(X[:, :2])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        mixture.fit(X, sample_weight=-np.ones(len(X)))
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"n_samples={wrong}; it must be an integer of at le"):
            mixture.sample(wrong)
    for wrong in ([], [0, 0], [4], [-1], [0, 1, 2, 3], [0.5], 1, [[0], [1, 2]]):
        with pytest.raises(ValueError, match=r"given=.*different columns out of 0 .. 3"):
            mixture.predict_conditional(X[:, :1], wrong)
    with pytest.raises(ValueError, match="X_given has 3 columns, but given lists 2"):
        mixture.predict_conditional(X[:, :3], [0, 1])


def test_weights_that_are_refused_change_nothing():
    X, mixture = fitted_mixture()
    expected, new = mixture.score_samples(X), IncrementalGaussianMixture()
    for wrong in ([1.0, 2.0], np.zeros(len(X))):
        for method in ("fit", "partial_fit"):
            for each in (mixture, new):
                with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
                    getattr(each, method)(X, sample_weight=wrong)
    assert_array_equal(mixture.score_samples(X), expected)
    with pytest.raises(NotFittedError, match="IncrementalGaussianMixture instance"):
        new.predict(X)
