"""FunctionalTuckerRegressor against dense Gaussian processes and dense variational updates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import gammaln
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import Matern

from skstruct.tensor import FunctionalTuckerRegressor
from skstruct.tensor._functional_tucker import A0, B0, Chain, Posterior, multilinear


def three_waves(X):
    a, b, c = np.pi * X.T
    return (
        np.sin(2 * a) * np.cos(b) * np.exp(-X[:, 2])
        + 0.7 * np.cos(2 * a) * np.sin(2 * b) * X[:, 2]
        + 0.5 * np.sin(a) * X[:, 1] * np.cos(3 * c)
    )


def noisy(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n_samples, 3))
    return X, three_waves(X) + 0.1 * rng.standard_normal(n_samples)


def dense_posterior(knots, x, length, nu, Lambda, eta):
    """Joint posterior of all functions at knots and at x, and the mean of all messages."""
    D, R = eta.shape
    places = np.concatenate([knots, x])
    prior = np.kron(Matern(length, nu=nu)(places[:, None]), np.eye(R))
    n = D * R
    precision = np.zeros((n, n))
    for i in range(D):
        precision[R * i : R * i + R, R * i : R * i + R] = Lambda[i]
    K = prior[:n, :n]
    inverse = np.linalg.inv(np.eye(n) + precision @ K)
    mean = prior[:, :n] @ inverse @ eta.ravel()
    cov = prior - prior[:, :n] @ inverse @ precision @ prior[:n]
    S, m = cov[:n, :n], mean[:n]
    divergence = np.trace(np.linalg.solve(K, S)) + m @ np.linalg.solve(K, m) - n
    divergence += np.linalg.slogdet(K)[1] - np.linalg.slogdet(S)[1]
    blocks = [cov[i : i + R, i : i + R] for i in range(0, len(cov), R)]
    return mean.reshape(-1, R), np.array(blocks), 0.5 * divergence


@pytest.mark.parametrize("nu", [0.5, 1.5])
@pytest.mark.parametrize("R", [1, 3])
@pytest.mark.parametrize("strength", [1.0, 1e3])
def test_chain_is_a_dense_gaussian_process(nu, R, strength):
    rng = np.random.default_rng(R)
    knots = np.sort(rng.uniform(size=12))
    x = np.concatenate([[-0.2, 1.5], knots[[0, 5, -1]], rng.uniform(size=8)])
    root = rng.standard_normal((12, R, max(1, R - 1)))  # singular messages
    Lambda = strength * root @ root.transpose(0, 2, 1)
    Lambda[4] = 0
    eta = strength * rng.standard_normal((12, R))
    chain = Chain(knots, np.ones((12, R)), 0.3, nu == 1.5)
    chain.update(Lambda, eta, False)
    mean, cov, divergence = dense_posterior(knots, x, 0.3, nu, Lambda, eta)
    size = abs(mean).max()
    assert_allclose(chain.mean, mean[:12], atol=1e-9 * size)
    assert_allclose(chain.cov, cov[:12], atol=1e-9)
    assert_allclose(chain.divergence, divergence, rtol=1e-7)
    found_mean, found_cov = chain.at(x)
    assert_allclose(found_mean, mean[12:], atol=1e-9 * size)
    assert_allclose(found_cov, cov[12:], atol=1e-9)


def test_long_chains_with_tiny_gaps_stay_positive():
    rng = np.random.default_rng(0)
    knots = np.unique(np.concatenate([rng.uniform(size=3000), 0.5 + 1e-9 * np.arange(50)]))
    root = rng.standard_normal((len(knots), 2, 1))
    chain = Chain(knots, np.ones((len(knots), 2)), 0.2, True)
    chain.update(1e5 * root @ root.transpose(0, 2, 1), 1e5 * root[:, :, 0], False)
    assert np.linalg.eigvalsh(chain.cov).min() > 0
    right = chain.right[1]
    assert_allclose(right, right.transpose(0, 2, 1))


def problem(weight=None, rank=(2, 3, 2), n_samples=60, seed=0):
    """Entries of a small tensor, ties among their coordinates, and a random start."""
    rng = np.random.default_rng(seed)
    sizes = (5, 7, 4)
    index = np.stack([rng.integers(s, size=n_samples) for s in sizes], axis=1)
    for k, s in enumerate(sizes):
        index[:s, k] = np.arange(s)
    y = rng.standard_normal(n_samples)
    weight = np.ones(n_samples) if weight is None else weight
    chains = [
        Chain(np.linspace(0, 1, s), rng.standard_normal((s, R)), 0.3, True)
        for s, R in zip(sizes, rank, strict=True)
    ]
    return Posterior(index, y, weight, chains, rng.standard_normal(rank), [False] * 3)


def test_messages_and_core_are_those_of_each_entry():
    weight = np.random.default_rng(5).uniform(0.5, 2, 60)
    q = problem(weight)
    M2 = [c.second for c in q.chains]
    m = [c.mean for c in q.chains]
    ww = (np.outer(q.mean, q.mean) + q.cov).reshape(q.rank * 2)
    w = q.mean.reshape(q.rank)
    Lambda, eta = q._messages(1)
    expected = np.zeros_like(Lambda), np.zeros_like(eta)
    S, b = np.zeros(ww.shape), np.zeros(w.shape)
    for (i, j, k), y_n, weight_n in zip(q.index, q.y, q.weight, strict=True):
        expected[0][j] += weight_n * np.einsum("abcdef,ad,cf->be", ww, M2[0][i], M2[2][k])
        expected[1][j] += weight_n * y_n * np.einsum("abc,a,c->b", w, m[0][i], m[2][k])
        S += weight_n * np.einsum("ad,be,cf->abcdef", M2[0][i], M2[1][j], M2[2][k])
        b += weight_n * y_n * np.einsum("a,b,c->abc", m[0][i], m[1][j], m[2][k])
    assert_allclose(Lambda, q.tau * expected[0], rtol=1e-10)
    assert_allclose(eta, q.tau * expected[1], rtol=1e-10, atol=1e-12)
    tau = q.tau
    q._update_core()
    H = tau * S.reshape(12, 12) + np.eye(12)
    assert_allclose(q.cov, np.linalg.inv(H), atol=1e-12)
    assert_allclose(q.mean, np.linalg.solve(H, tau * b.ravel()), atol=1e-10)
    ww = (np.outer(q.mean, q.mean) + q.cov).reshape(ww.shape)
    squares = weight @ q.y**2 - 2 * q.mean @ b.ravel() + (ww * S).sum()
    assert_allclose(q.tau, (A0 + weight.sum() / 2) / (B0 + squares / 2))


def test_bound_is_that_of_its_definition_and_rises_at_each_update():
    q = problem()
    for chain in q.chains:
        chain.update(*q._messages(q.chains.index(chain)), False)
    q._update_core()
    n = len(q.y)
    constant = A0 * np.log(B0) - gammaln(A0) + gammaln(q.a) - 0.5 * n * np.log(2 * np.pi)
    values = [c.mean[i] for c, i in zip(q.chains, q.index.T, strict=True)]
    seconds = [c.second[i].reshape(n, -1) for c, i in zip(q.chains, q.index.T, strict=True)]
    squares = q.y**2 - 2 * q.y * multilinear(q.mean, values)
    squares += multilinear(q.second_moment().ravel(), seconds)
    assert_allclose(q.b, B0 + squares.sum() / 2)
    core = 0.5 * (np.trace(q.cov) + q.mean @ q.mean - 12 - np.linalg.slogdet(q.cov)[1])
    divergence = core + sum(c.divergence for c in q.chains)
    # E log p(y) - KL of the Gamma, as q.a and q.b make it
    assert_allclose(q._bound() + constant, constant - q.a * np.log(q.b) - divergence, rtol=1e-10)
    bounds, _ = q.fit(60, 0.0, call=lambda sweep: sweep())
    assert (np.diff(bounds) > -1e-9 * abs(bounds[-1])).all()


@pytest.mark.parametrize("nu", [0.5, 1.5])
def test_bound_rises_while_length_scales_are_learnt(nu):
    model = FunctionalTuckerRegressor(3, nu=nu, random_state=0).fit(*noisy(400))
    assert (np.diff(model.elbo_) > 0).all()
    assert len(np.unique(model.length_scale_)) == 3


def test_error_and_coverage_on_scattered_samples():
    X, y = noisy(2000)
    test, target = noisy(4000, seed=1)
    model = FunctionalTuckerRegressor(3, random_state=0).fit(X, y)
    mean, std = model.predict(test, return_std=True)
    assert np.sqrt(np.mean((mean - three_waves(test)) ** 2)) < 0.023
    assert 0.935 < np.mean(abs(target - mean) < 1.96 * std) < 0.965
    assert abs(model.noise_ - 0.1) < 0.005
    assert model.n_iter_ == len(model.elbo_) < 60


def test_smooth_functions_without_noise():
    """The constant part of a product is a weak component, which a random start would lose."""
    rng = np.random.default_rng(0)
    X, test = rng.uniform(size=(2, 675, 2))

    def f(X):
        return (3 + np.sin(2 * np.pi * X[:, 0])) * (2 + np.cos(3 * X[:, 1]))

    model = FunctionalTuckerRegressor(2, random_state=0).fit(X, f(X))
    assert np.sqrt(np.mean((model.predict(test) - f(test)) ** 2)) < 2e-3 * f(test).std()


def surface(seed):
    """Six 15 x 15 meshes of random coordinates on a product of waves, half of them for tests."""
    rng = np.random.default_rng(seed)
    meshes = [np.meshgrid(*np.sort(rng.uniform(size=(2, 15)))) for _ in range(6)]
    X = np.concatenate([np.stack(mesh, axis=-1).reshape(-1, 2) for mesh in meshes])
    a, b = np.pi * X.T
    y = np.sin(2 * a) ** 2 * np.cos(2 * a) * np.exp(-2 * b / np.pi) * np.sin(1.5 * b)
    order = rng.permutation(len(y))
    train, test = order[:675], order[675:]
    return X[train], y[train], X[test], y[test]


@pytest.mark.parametrize("seed", [0, 3])
def test_a_mean_that_is_almost_nothing_is_a_component_still(seed):
    X, y, X_test, y_test = surface(seed)
    if seed == 3:
        assert abs(y.mean()) < 0.01 * y.std()
    model = FunctionalTuckerRegressor(2, random_state=0).fit(X, y)
    assert np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2)) < 2e-5


def test_smoothness_is_told_apart():
    X, y = noisy(600)
    assert FunctionalTuckerRegressor(3, nu="auto", random_state=0).fit(X, y).nu_ == 1.5
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 400)[:, None]
    rough = np.linalg.cholesky(Matern(0.1, nu=0.5)(x)) @ rng.standard_normal(400)
    model = FunctionalTuckerRegressor(1, nu="auto", random_state=0).fit(x, rough)
    assert model.nu_ == 0.5


def test_rough_lengths_far_away_and_units():
    X, y = noisy(500)
    scale, shift = np.array([1e3, 1.0, 1e-3]), np.array([-5.0, 0.0, 2.0])
    plain = FunctionalTuckerRegressor(2, random_state=0).fit(X, y)
    moved = FunctionalTuckerRegressor(2, random_state=0).fit(scale * X + shift, 7 * y + 3)
    assert_allclose(moved.length_scale_, scale * plain.length_scale_, rtol=1e-3)
    expected, std = plain.predict(X, return_std=True)
    mean, wider = moved.predict(scale * X + shift, return_std=True)
    assert_allclose(mean, 7 * expected + 3, rtol=1e-3, atol=1e-3)
    assert_allclose(wider, 7 * std, rtol=1e-3)
    far, spread = plain.predict(np.full((1, 3), 1e6), return_std=True)
    assert_allclose(far, plain.intercept_, atol=1e-9)
    assert spread[0] > 2 * std.max()
    fixed = FunctionalTuckerRegressor(2, length_scale=[100.0, 0.2, 1e-4], random_state=0)
    assert_allclose(fixed.fit(scale * X, y).length_scale_, [100.0, 0.2, 1e-4])


def test_factors_at_knots_are_those_of_the_fit():
    X, y = noisy(300)
    model = FunctionalTuckerRegressor(2, random_state=0).fit(X.astype(np.float32), y)
    assert model.predict(X.astype(np.float32)).dtype == np.float32
    for k in range(3):
        mean, cov = model.factors_at(k, model.knots_[k])
        assert_allclose(mean, model.factor_means_[k], atol=1e-6)
        assert_allclose(cov, model.factor_covs_[k], atol=1e-6)
    assert model.core_.shape == (2, 2, 2)
    assert model.core_cov_.shape == (8, 8)


def test_weights_are_repetitions():
    X, y = noisy(150)
    weight = np.arange(150) % 3
    rows = np.repeat(np.arange(150), weight)
    kwargs = {"rank": 2, "max_iter": 30, "tol": 0.0, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="still rose after max_iter=30"):
        weighted = FunctionalTuckerRegressor(**kwargs).fit(X, y, sample_weight=weight)
    with pytest.warns(ConvergenceWarning):
        repeated = FunctionalTuckerRegressor(**kwargs).fit(X[rows], y[rows])
    assert_allclose(weighted.elbo_, repeated.elbo_, rtol=1e-6)
    assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-5)


def test_more_starts_are_no_worse():
    X, y = noisy(300)
    one = FunctionalTuckerRegressor(3, random_state=0).fit(X, y)
    three = FunctionalTuckerRegressor(3, n_init=3, random_state=0).fit(X, y)
    assert three.elbo_[-1] >= one.elbo_[-1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rank": 20}, "core of 8000 elements for 3 modes; 4096 are"),
        ({"rank": (2, 2)}, "one for each of 3 features"),
        ({"length_scale": [1.0, 2.0]}, "for each of 3 features"),
        ({"length_scale": [1.0, 2.0, 0.0]}, "must be positive"),
        ({"length_scale": [1.0, 2.0, np.inf]}, "must be positive and finite"),
        ({"nu": 2.5}, "nu"),
    ],
)
def test_errors(params, message):
    with pytest.raises(ValueError, match=message):
        FunctionalTuckerRegressor(**params).fit(*noisy(50))


def test_callbacks(capsys):
    model = FunctionalTuckerRegressor(2, nu="auto", random_state=0).set_callbacks(ProgressBar())
    model.fit(*noisy(100))
    assert model.n_iter_ >= 12
    assert "FunctionalTuckerRegressor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "x", "message"),
    [
        (3, [0.0], r"mode=3; it must be an integer of 0 \.\. 2"),
        (0.5, [0.0], r"mode=0\.5"),
        ("a", [0.0], "mode='a'"),
        (0, [np.nan], "x contains NaN"),
        (0, [[0.0]], r"x has shape \(1, 1\)"),
    ],
)
def test_functions_that_are_not_there(mode, x, message):
    with pytest.raises(ValueError, match=message):
        FunctionalTuckerRegressor(1).fit(*noisy(50)).factors_at(mode, x)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 1e290])
def test_values_whose_squares_are_no_numbers(size):
    X, y = noisy(150)
    plain = FunctionalTuckerRegressor(1, random_state=0).fit(X, y)
    scaled = FunctionalTuckerRegressor(1, random_state=0).fit(X, size * y)
    for found, expected in zip(
        scaled.predict(X, return_std=True), plain.predict(X, return_std=True), strict=True
    ):
        assert_allclose(found / size, expected, rtol=1e-6, atol=1e-9)
