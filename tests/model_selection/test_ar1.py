import numpy as np
import pytest
from numpy.linalg import inv
from scipy import optimize, stats
from skstruct.model_selection._ar1_fast import negative_log_posterior

from skstruct.model_selection._ar1 import AR1Process

CATEGORICAL = np.array([False, False, True])
JITTER = 1e-6


def make_data(n, n_levels=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3))
    X[:, 2] = (rng.integers(3, size=n) + 0.5) / 3
    levels = np.sort(rng.integers(n_levels, size=n))[rng.permutation(n)]
    z = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 + (X[:, 2] > 0.6) + 0.01 * rng.normal(size=n)
    z += 0.3 * levels + np.cos(3 * X[:, 1]) / (1 + levels)
    return X, levels, (z - z.mean()) / z.std()


def make_process(X, levels, n_levels=3):
    process = AR1Process(CATEGORICAL, n_levels)
    for x, level in zip(X, levels, strict=True):
        process.add(tuple(x), int(level))
    return process


def make_theta(n_levels, seed=0):
    rng = np.random.default_rng(seed)
    process = AR1Process(CATEGORICAL, n_levels)
    low, high = process._bounds.T
    return np.clip(process.prior[0] + process.prior[1] * rng.normal(size=len(low)), low, high)


def matern(A, B, lengths):
    """Matern-5/2; a categorical coordinate is one-hot columns scaled by 1 / sqrt(2)."""

    def columns(X):
        one_hot = (X[:, 2:] == np.array([1, 3, 5]) / 6) / np.sqrt(2)
        return np.hstack((X[:, :2] / lengths[:2], one_hot / lengths[2]))

    differences = columns(A)[:, None] - columns(B)[None]
    r = np.sqrt(5 * (differences**2).sum(axis=2))
    return (1 + r + r**2 / 3) * np.exp(-r)


def unpack(theta, n_levels):
    """Return the length scales, their ratio, rho, the variances and the noise."""
    parts = np.split(theta, np.cumsum([3, 1, n_levels - 1, n_levels - 1]))
    lengths, ratio, rho, variances, noise = parts
    return np.exp(lengths), np.exp(ratio), rho, np.exp([0.0, *variances]), np.exp(noise) + JITTER


def cross(A, levels_a, B, levels_b, theta, n_levels=3):
    """Return the covariance of f by running the recursion on independent processes."""
    lengths, ratio, rho, variances, _ = unpack(theta, n_levels)
    mixing = np.zeros((n_levels, n_levels))  # f = mixing @ delta
    for t in range(n_levels):
        mixing[t, t] = 1
        if t:
            mixing[t] += rho[t - 1] * mixing[t - 1]
    total = np.zeros((len(A), len(B)))
    for j in range(n_levels):
        kappa = matern(A, B, lengths * (ratio if j else 1))
        total += variances[j] * np.outer(mixing[levels_a, j], mixing[levels_b, j]) * kappa
    return total


def noisy(X, levels, theta, n_levels=3):
    noise = unpack(theta, n_levels)[-1]
    return cross(X, levels, X, levels, theta, n_levels) + np.diag(noise[levels])


def profile(X, levels, z, theta, n_levels=3):
    """Return the mean of each point and the scale, by generalised least squares."""
    K = inv(noisy(X, levels, theta, n_levels))
    H = (levels[:, None] == np.unique(levels)).astype(float)
    mean = H @ np.linalg.solve(H.T @ K @ H, H.T @ K @ z)
    return mean, (z - mean) @ K @ (z - mean) / len(z)


def reference(theta, X, levels, z, n_levels=3):
    """Minus the log of prior times Gaussian density, up to a constant."""
    mean, scale = profile(X, levels, z, theta, n_levels)
    covariance = scale * noisy(X, levels, theta, n_levels)
    likelihood = stats.multivariate_normal(mean, covariance).logpdf(z)
    higher = n_levels - 1
    center = [np.log(0.5)] * 3 + [0.0] + [1.0] * higher + [np.log(0.1)] * higher
    width = [1.0] * 3 + [0.5] + [0.5] * higher + [1.5] * higher
    prior = stats.norm(center + [np.log(3e-3)] * n_levels, width + [1.5] * n_levels)
    return -likelihood - prior.logpdf(theta).sum()


@pytest.mark.parametrize("n_levels", [1, 2, 4])
def test_correlation(n_levels):
    process = AR1Process(CATEGORICAL, n_levels)
    theta = process.theta = make_theta(n_levels)
    levels, x = np.arange(n_levels), np.full((n_levels, 3), 0.5)
    covariance = cross(x, levels, x, levels, theta, n_levels)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(process.correlation, (covariance / scale / scale[:, None])[-1])


def objective(theta, process, z):
    gradient = np.empty(len(theta))
    levels = np.array(process.levels, dtype=np.intc)
    f = negative_log_posterior(
        theta,
        process._differences,
        levels,
        z,
        process.prior,
        process._room(len(z)),
        gradient,
    )
    return f, gradient


@pytest.mark.parametrize("n_levels", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [9, 60])
def test_objective_is_the_posterior_density(n, n_levels):
    X, levels, z = make_data(n, n_levels)
    process = make_process(X, levels, n_levels)
    thetas = [make_theta(n_levels, seed) for seed in range(4)]
    values = [objective(theta, process, z)[0] for theta in thetas]
    expected = [reference(theta, X, levels, z, n_levels) for theta in thetas]
    np.testing.assert_allclose(np.diff(values), np.diff(expected), rtol=1e-7)


@pytest.mark.parametrize("n_levels", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [9, 60])
def test_gradient_is_that_of_the_objective(n, n_levels):
    X, levels, z = make_data(n, n_levels)
    process = make_process(X, levels, n_levels)
    for seed in range(4):
        theta = make_theta(n_levels, seed)
        numerical = optimize.approx_fprime(theta, lambda t: objective(t, process, z)[0], 1e-6)
        found = objective(theta, process, z)[1]
        np.testing.assert_allclose(found, numerical, rtol=3e-4, atol=3e-4)


def test_a_level_without_results_leaves_its_parameters_to_the_prior():
    X, levels, z = make_data(30, n_levels=2)
    process, small = make_process(X, levels), make_process(X, levels, 2)
    theta = make_theta(3)
    kept = [0, 1, 2, 3, 4, 6, 8, 9]  # without rho_1, sigma_2 and noise_2
    gradient, expected = objective(theta, process, z)[1], objective(theta[kept], small, z)[1]
    np.testing.assert_allclose(gradient[kept], expected, rtol=1e-9)
    prior = (theta - process.prior[0]) / process.prior[1] ** 2
    np.testing.assert_allclose(gradient[[5, 7, 10]], prior[[5, 7, 10]], rtol=1e-12)


def test_fit_descends_to_a_minimum():
    X, levels, z = make_data(50)
    process = make_process(X, levels)
    begin = objective(process.theta, process, z)[0]
    for _ in range(8):  # each from where the last one ended
        process.fit(z)
    best = objective(process.theta, process, z)[0]
    assert best < begin - 10
    rng = np.random.default_rng(0)
    low, high = process._bounds.T
    for _ in range(200):
        theta = np.clip(process.theta + 0.2 * rng.normal(size=len(low)), low, high)
        assert objective(theta, process, z)[0] > best - 1e-3


def test_fit_finds_the_factor_between_the_levels():
    rng = np.random.default_rng(0)
    X = rng.random((70, 3))
    X[:, 2] = 0.5
    levels = np.repeat([0, 1], [50, 20])
    low = np.sin(4 * X[:, 0]) * np.cos(3 * X[:, 1])
    for rho in (-0.4, 0.7, 2.0):
        z = np.where(levels == 1, 5 + rho * low + 0.1 * X[:, 0], low)
        process = make_process(X, levels, 2)
        for _ in range(3):
            process.fit(z)
        assert process.rho[0] == pytest.approx(rho, abs=0.15)


@pytest.mark.parametrize("n_levels", [1, 3])
def test_leave_one_out(n_levels):
    X, levels, z = make_data(25, n_levels)
    process = make_process(X, levels, n_levels)
    theta = process.theta = make_theta(n_levels)
    mean, scale = profile(X, levels, z, theta, n_levels)
    density = []
    for i in range(25):
        rest = np.arange(25) != i
        K = inv(noisy(X[rest], levels[rest], theta, n_levels))
        k = noisy(X, levels, theta, n_levels)[i]
        mu = mean[i] + k[rest] @ K @ (z - mean)[rest]
        variance = scale * (k[i] - k[rest] @ K @ k[rest])
        density.append(stats.norm(mu, np.sqrt(variance)).logpdf(z[i]))
    np.testing.assert_allclose(process.leave_one_out(z), density, rtol=1e-6)


def brute_force(X, levels, z, theta, pending):
    """Return the posterior of all levels at new points in plain linear algebra."""
    values, scale = profile(X, levels, z, theta)
    means = np.array([values[levels == t][0] for t in range(3)])
    given = X, levels, z - values

    def at(A, levels_a):
        K = inv(noisy(given[0], given[1], theta))
        k = cross(A, levels_a, given[0], given[1], theta)
        covariance = cross(A, levels_a, A, levels_a, theta) - k @ K @ k.T
        return means[levels_a] + k @ K @ given[2], covariance

    believed = [at(np.array([u]), np.array([t]))[0][0] - means[t] for u, t in pending]
    for (u, t), belief in zip(pending, believed, strict=True):
        given = np.vstack((given[0], u)), np.append(given[1], t), np.append(given[2], belief)
    return at, scale, given


@pytest.mark.parametrize("n_pending", [0, 4])
@pytest.mark.parametrize("n", [12, 63])
def test_posterior(n, n_pending):
    X, levels, z = make_data(n)
    candidates = make_data(150, seed=1)[0]
    pending = [(tuple(x), i % 3) for i, x in enumerate(make_data(4, seed=2)[0][:n_pending])]
    process = make_process(X, levels)
    theta = process.theta = make_theta(3, seed=5)
    at, scale, given = brute_force(X, levels, z, theta, pending)

    fitted = process.condition(z, pending)
    np.testing.assert_allclose(fitted, at(given[0], given[1])[0], rtol=1e-6)
    mu, sigma = process.predict(candidates)
    mean, covariance = at(candidates, np.full(150, 2))
    np.testing.assert_allclose(mu, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(sigma, np.sqrt(scale * np.diag(covariance)), rtol=1e-6)
    for x in candidates[:5]:
        expected = at(np.array([x] * 3), np.arange(3))[1]
        np.testing.assert_allclose(process.covariance(x), expected, rtol=1e-6, atol=1e-9)


def test_pending_points_leave_no_trace():
    X, levels, z = make_data(31)
    process, untouched = make_process(X, levels), make_process(X, levels)
    process.condition(z, [((0.1, 0.2, 0.5), 0), ((0.3, 0.9, 0.5), 2)])
    for each in (process, untouched):
        each.add((0.4, 0.4, 0.5), 1)
    fitted = [each.condition(np.append(z, 0.0)) for each in (process, untouched)]
    np.testing.assert_array_equal(*fitted)


def test_a_level_without_results_has_the_mean_of_the_nearest():
    X, _, _ = make_data(20)
    far = np.array([[1e3, 1e3, 0.5]])
    process = make_process(X, np.repeat([0, 1], 10))
    process.condition(np.repeat([1.0, 5.0], 10) + 0.1 * X[:, 0])
    assert process.predict(far)[0] == pytest.approx(5.05, abs=0.05)


def test_what_a_level_tells_of_the_top_shrinks_once_it_is_known_there():
    X, levels, z = make_data(40)
    process = make_process(X, levels)
    u = (0.31, 0.62, 0.5)

    def told(pending, level):
        process.condition(z, pending)
        covariance = process.covariance(np.array(u))
        variance = covariance[level, level] + process.noise[level]
        return covariance[2, level] ** 2 / variance

    for level in range(3):
        assert told([(u, level)], level) < 0.2 * told([], level)
