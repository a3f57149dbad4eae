import numpy as np
import pytest
from numpy.linalg import inv
from scipy import optimize, stats
from scipy.integrate import quad
from skstruct.model_selection._gp_fast import log_improvement, negative_log_posterior

from skstruct.model_selection import _gp
from skstruct.model_selection._gp import GaussianProcess, Inputs, log_expected_improvement

CATEGORICAL = np.array([False, False, True])


def make_data(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3))
    X[:, 2] = (rng.integers(3, size=n) + 0.5) / 3
    z = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 + (X[:, 2] > 0.6) + 0.01 * rng.normal(size=n)
    return X, (z - z.mean()) / z.std()


def make_process(X):
    inputs = Inputs(CATEGORICAL)
    for x in X:
        inputs.add(tuple(x))
    return GaussianProcess(inputs)


def kernel(A, B, lengths):
    """Matern-5/2; a categorical coordinate is one-hot columns scaled by 1 / sqrt(2)."""

    def columns(X):
        one_hot = (X[:, 2:] == np.array([1, 3, 5]) / 6) / np.sqrt(2)
        return np.hstack((X[:, :2] / lengths[:2], one_hot / lengths[2]))

    differences = columns(A)[:, None] - columns(B)[None]
    r = np.sqrt(5 * (differences**2).sum(axis=2))
    return (1 + r + r**2 / 3) * np.exp(-r)


def noisy_kernel(X, theta):
    return kernel(X, X, np.exp(theta[:-1])) + (np.exp(theta[-1]) + 1e-6) * np.eye(len(X))


def profile(X, z, theta):
    """Return the mean and the scale that maximise the likelihood, by generalised least squares."""
    K = inv(noisy_kernel(X, theta))
    ones = np.ones(len(z))
    mean = ones @ K @ z / (ones @ K @ ones)
    return mean, (z - mean) @ K @ (z - mean) / len(z)


def reference(theta, X, z):
    """Minus the log of prior times Gaussian density, up to a constant."""
    mean, scale = profile(X, z, theta)
    covariance = scale * noisy_kernel(X, theta)
    likelihood = stats.multivariate_normal(np.full(len(z), mean), covariance).logpdf(z)
    prior = stats.norm(np.log(0.5), 1).logpdf(theta[:-1]).sum()
    return -likelihood - prior - stats.norm(np.log(1e-3), 2).logpdf(theta[-1])


def objective(theta, process, z):
    gradient = np.empty(len(theta))
    f = negative_log_posterior(
        theta,
        process.inputs._differences,
        z,
        process.prior,
        process.inputs._covariance,
        process.inputs._work,
        gradient,
    )
    return f, gradient


THETAS = [np.log([0.5, 0.5, 0.5, 1e-3]), np.log([0.1, 3.0, 0.7, 0.05]), np.log([5, 0.03, 15, 0.9])]


@pytest.mark.parametrize("n", [2, 7, 40, 90])
def test_objective_is_the_posterior_density(n):
    X, z = make_data(n)
    process = make_process(X)
    values = [objective(theta, process, z)[0] for theta in THETAS]
    expected = [reference(theta, X, z) for theta in THETAS]
    np.testing.assert_allclose(np.diff(values), np.diff(expected), rtol=1e-8)


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("theta", THETAS, ids=str)
def test_gradient_is_that_of_the_objective(n, theta):
    X, z = make_data(n)
    process = make_process(X)
    numerical = optimize.approx_fprime(theta, lambda t: objective(t, process, z)[0], 1e-6)
    np.testing.assert_allclose(objective(theta, process, z)[1], numerical, rtol=2e-4, atol=2e-4)


def test_differences_grow_a_row_at_a_time():
    X, _ = make_data(100)
    process = make_process(X)
    expected = (X[:, None] - X[None]) ** 2
    expected[:, :, 2] = X[:, None, 2] != X[None, :, 2]
    rows, columns = np.tril_indices(100)
    np.testing.assert_array_equal(
        process.inputs._differences[:, : len(rows)], expected[rows, columns].T
    )
    np.testing.assert_array_equal(process.inputs.points, X)


def test_fit_reaches_the_optimum():
    X, z = make_data(40)
    process = make_process(X)
    process.fit(z)
    best, gradient = objective(process.theta, process, z)
    assert np.abs(gradient).max() < 1e-2
    rng = np.random.default_rng(0)
    for _ in range(200):
        theta = process.theta + 0.3 * rng.normal(size=4)
        assert objective(theta, process, z)[0] > best


def test_fit_starts_from_the_last_optimum_and_each_eighth_time_from_the_prior_too(monkeypatch):
    starts = []

    def minimize(objective, start, **settings):
        starts.append(start)
        return optimize.minimize(objective, start, **settings)

    monkeypatch.setattr(_gp, "minimize", minimize)
    X, z = make_data(9)
    process = make_process(X[:6])
    for n in (7, 8, 9):
        process.inputs.add(tuple(X[n - 1]))
        last = process.theta
        process.fit(z[:n])
        expected = [last] if n != 8 else [last, process.prior[0]]
        np.testing.assert_array_equal(starts, expected)
        starts.clear()


def exact_log_improvement(z):
    """ln of the integral of t phi(t - z) over t > 0; for z < -1 in t = s / -z, phi(z) apart."""
    if z > -1:
        return np.log(stats.norm.pdf(z) + z * stats.norm.cdf(z))
    integral = quad(lambda s: s * np.exp(-s - (s / z) ** 2 / 2), 0, 60, epsabs=0, epsrel=1e-12)
    return stats.norm.logpdf(z) + np.log(integral[0]) - 2 * np.log(-z)


def brute_force(X, z, theta, candidates, pending=()):
    """Return ln EI from the posterior in plain linear algebra and an integral."""
    mean, scale = profile(X, z, theta)
    lengths = np.exp(theta[:-1])
    for point in pending:
        weights = inv(noisy_kernel(X, theta)) @ (z - mean)
        believed = mean + kernel(np.array([point]), X, lengths) @ weights
        X, z = np.vstack((X, point)), np.append(z, believed)
    K = inv(noisy_kernel(X, theta))
    best = (mean + kernel(X, X, lengths) @ K @ (z - mean)).max()
    k = kernel(candidates, X, lengths)
    mu = mean + k @ K @ (z - mean)
    sigma = np.sqrt(scale * (1 - np.einsum("ij,jk,ik->i", k, K, k)))
    return np.log(sigma) + [exact_log_improvement(t) for t in (mu - best) / sigma]


@pytest.mark.parametrize("n_pending", [0, 1, 4])
@pytest.mark.parametrize("n", [2, 30, 63])
def test_expected_improvement(n, n_pending):
    X, z = make_data(n)
    candidates, _ = make_data(150, seed=1)
    pending = [tuple(x) for x in make_data(4, seed=2)[0][:n_pending]]
    process = make_process(X)
    process.theta = np.log([0.4, 0.8, 0.6, 1e-2])
    mu, sigma, fitted = process.predict(z, candidates, pending)
    improvement = log_expected_improvement(mu, sigma, fitted.max())
    expected = brute_force(X, z, process.theta, candidates, pending)
    np.testing.assert_allclose(improvement, expected, rtol=1e-7)


def test_pending_points_leave_no_trace():
    X, z = make_data(31)
    candidates, _ = make_data(10, seed=1)
    process, untouched = make_process(X), make_process(X)
    process.predict(z, candidates, [(0.1, 0.2, 0.5), (0.3, 0.9, 0.5)])
    for each in (process, untouched):
        each.inputs.add((0.4, 0.4, 0.5))
    values = [each.predict(np.append(z, 0), candidates)[1] for each in (process, untouched)]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize(
    "z", [-1e150, -1e5, -1001, -999, -40, -8.3, -1.001, -0.999, -0.1, 0, 0.3, 5, 40, 1e10]
)
def test_log_improvement_at_any_distance(z):
    assert log_improvement(z) == pytest.approx(exact_log_improvement(z), rel=1e-9, abs=1e-12)


def test_log_improvement_is_increasing():
    z = np.concatenate((-np.logspace(8, -3, 3000), np.logspace(-3, 8, 3000)))
    values = np.array([log_improvement(x) for x in z])
    assert (np.diff(values) > 0).all()


def test_processes_of_two_functions_share_their_inputs():
    X, z = make_data(40)
    candidates, _ = make_data(20, seed=1)
    values = z, np.cos(3 * z)
    shared = make_process(X).inputs
    together = [_gp.GaussianProcess(shared) for _ in values]
    alone = [make_process(X) for _ in values]
    for processes in (together, alone):
        for process, value in zip(processes, values, strict=True):
            process.fit(value)
    for first, second, value in zip(together, alone, values, strict=True):
        pending = [(0.1, 0.2, 0.5)]
        np.testing.assert_array_equal(
            first.predict(value, candidates, pending)[:2],
            second.predict(value, candidates, pending)[:2],
        )


def test_inputs_of_some_points():
    X, z = make_data(40)
    rows = np.arange(40) % 3 > 0
    taken = make_process(X).inputs.take(rows)
    np.testing.assert_array_equal(taken.points, X[rows])
    process, fresh = GaussianProcess(taken), make_process(X[rows])
    for each in (process, fresh):
        each.fit(z[rows])
    np.testing.assert_array_equal(process.theta, fresh.theta)
