"""The Gaussian process of a sampler: hyper-parameters, and expected improvement.

z          results of mean 0 and standard deviation 1 at points in the unit cube
kernel     Matern-5/2, a length scale l_j per coordinate; two values of a categorical one are 1
           apart
theta      (ln l_1, ..., ln l_d, ln noise), the maximum of the posterior with ln l ~ N(ln .5, 1)
           and ln noise ~ N(ln 1e-3, 2^2), the constant mean and the scale being at their optimum:
           by L-BFGS-B from the last theta, at every 8th result from the center of the prior too
pending    points count as results equal to their posterior mean (kriging believer)

The kernel works on squared differences per coordinate that are kept from one result to the next.
They, and the room to work in, are in `Inputs`: processes of several functions at the same points
share one.
"""

import numpy as np
from scipy.optimize import minimize

from skstruct._lib.row_blocks import one_blas_thread
from skstruct.model_selection import _gp_fast

_TILE = 64
_RESTART_EVERY = 8
_LENGTH_BOUNDS = (np.log(0.02), np.log(20.0))
_NOISE_BOUNDS = (np.log(1e-6), 0.0)


class Inputs:
    """Points in the unit cube, their squared differences, and room for a process to work in.

    Parameters
    ----------
    categorical : ndarray of shape (n_dims,), dtype=bool
        Coordinates whose values have no order.

    Attributes
    ----------
    n_points : int
        Number of points added.
    """

    def __init__(self, categorical):
        d = len(categorical)
        self.n_points = 0
        self._categorical = categorical.astype(np.int8)
        self._points = np.empty((d, 0))
        self._differences = np.empty((d, 0))
        self._reserve(32)

    @property
    def points(self):
        """The points added, of shape (n_points, n_dims)."""
        return self._points[:, : self.n_points].T

    def add(self, u):
        """Add a point."""
        self._write(u, self.n_points)
        self.n_points += 1

    def _write(self, u, n):
        """Write a point, and its differences to those before, behind the first n."""
        if n == self._points.shape[1]:
            self._reserve(2 * n)
        self._points[:, n] = u
        _gp_fast.append_differences(self._points, self._categorical, n, self._differences)

    def take(self, rows):
        """Return the inputs with only those points that a mask selects."""
        taken = Inputs(self._categorical)
        for u in self.points[rows]:
            taken.add(u)
        return taken

    def _reserve(self, capacity):
        pairs = capacity * (capacity + 1) // 2
        self._points = _widened(self._points, capacity)
        self._differences = _widened(self._differences, pairs)
        self._covariance = np.empty((capacity, capacity))
        self._work = np.empty((2, pairs + 3 * capacity))
        self._tile = np.empty((_TILE, capacity))


class GaussianProcess:
    """What is believed about a function given its values at some points.

    Parameters
    ----------
    inputs : Inputs
        The points, present and future. Other processes may have the same.

    Attributes
    ----------
    inputs : Inputs
        As given; may be replaced by others in as many dimensions.
    theta : ndarray of shape (n_dims + 1,)
        Logarithms of the length scales and of the noise variance, relative to the scale.
    prior : ndarray of shape (2, n_dims + 1)
        Centers and standard deviations of theta.

    Notes
    -----
    With n points in d dimensions, at most 25 steps of O(n^3 + n^2 d) for theta, O(n^2) a
    candidate, and O(n^2 d) memory for each `Inputs`.
    """

    def __init__(self, inputs):
        d = len(inputs._categorical)
        self.inputs = inputs
        self.prior = np.array([[np.log(0.5)] * d + [np.log(1e-3)], [1.0] * d + [2.0]])
        self.theta = self.prior[0].copy()
        self._bounds = [_LENGTH_BOUNDS] * d + [_NOISE_BOUNDS]

    def fit(self, z):
        """Move theta to its maximum a posteriori for the values of all points."""
        gradient = np.empty(len(self.theta))
        at = self.inputs

        def objective(theta):
            f = _gp_fast.negative_log_posterior(
                theta, at._differences, z, self.prior, at._covariance, at._work, gradient
            )
            return f, gradient.copy()

        starts = [self.theta]
        if at.n_points % _RESTART_EVERY == 0:
            starts.append(self.prior[0])
        settings = {"method": "L-BFGS-B", "bounds": self._bounds, "options": {"maxiter": 25}}
        with one_blas_thread():  # more threads cost more than these sizes gain
            fits = [minimize(objective, start, jac=True, **settings) for start in starts]
        self.theta = min(fits, key=lambda fit: fit.fun).x

    def predict(self, z, candidates, pending=()):
        """Return what is believed of the function at candidates, given its values at all points.

        Parameters
        ----------
        z : ndarray of shape (n_points,)
            Values of the points.
        candidates : ndarray of shape (n_candidates, n_dims)
            Where it is wanted.
        pending : sequence of tuple
            Points whose values are awaited.

        Returns
        -------
        mu, sigma : ndarray of shape (n_candidates,)
            Posterior means and standard deviations.
        fitted : ndarray of shape (n_points + n_pending,)
            Posterior means at the points and the pending points.
        """
        at, n = self.inputs, self.inputs.n_points
        for i, u in enumerate(pending):
            at._write(u, n + i)
        d = len(at._categorical)
        believed = np.array(pending, dtype=float).reshape(len(pending), d)
        given = at._points, at._categorical
        weights = np.empty(d)
        alpha, fitted = np.empty((2, n + len(pending)))
        mu, sigma = np.empty((2, len(candidates)))
        K, work, tile = at._covariance, at._work, at._tile
        with one_blas_thread():
            moments = _gp_fast.condition(
                self.theta, *given, at._differences, z, believed, K, work, weights, alpha, fitted
            )
            _gp_fast.predict(candidates, *given, K, weights, alpha, *moments, tile, mu, sigma)
        return mu, sigma, fitted


def log_expected_improvement(mu, sigma, best):
    """Return ln EI over `best` of normal variables, an array of their shape."""
    improvement = np.empty(len(mu))
    _gp_fast.log_expected_improvement(mu, sigma, best, improvement)
    return improvement


def _widened(array, width):
    wide = np.empty((len(array), width))
    wide[:, : array.shape[1]] = array
    return wide
