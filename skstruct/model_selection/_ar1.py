"""The Gaussian process of a sampler whose results are of several levels of effort.

level t    f_t = rho_{t-1} f_{t-1} + delta_t, each level with a mean of its own: AR(1) co-kriging,
           the last level being the function that is wanted
kernels    Matern-5/2 with a length scale l_j per coordinate for f_0, c l_j for every delta_t
theta      (ln l, ln c, rho, ln sigma_t^2 of delta_t, ln noise_t), the maximum of the posterior by
           L-BFGS-B from the last theta, the means and the scale being at their optimum
pending    points count as results equal to their posterior mean (kriging believer)

With one level it is the Gaussian process of one function, to compare the joint one with.
"""

import numpy as np
from scipy.optimize import minimize

from skstruct._lib.row_blocks import one_blas_thread
from skstruct.model_selection import _ar1_fast
from skstruct.model_selection._gp import Inputs

_TILE = 64
_MOST_STEPS = 12


class AR1Process(Inputs):
    """Points with levels, and what is believed of a function given values of all levels there.

    Parameters
    ----------
    categorical : ndarray of shape (n_dims,), dtype=bool
        Coordinates whose values have no order.
    n_levels : int
        Number of versions, the function itself, which is the last one, included.

    Attributes
    ----------
    n_points : int
        Number of points added.
    levels : list of int
        Their levels.
    theta : ndarray of shape (n_dims + 3 * n_levels - 1,)
        Logarithms of the length scales, of their ratio, the factors between the levels, the
        logarithms of the variances of their differences and of the noise of each level.
    prior : ndarray of shape (2, n_dims + 3 * n_levels - 1)
        Centers and standard deviations of theta.

    Notes
    -----
    With n points in d dimensions and L levels, at most 12 steps of O(n^3 + n^2 (d + L)) for
    theta, O(n^2) a candidate, and O(n^2 d) memory.
    """

    def __init__(self, categorical, n_levels):
        d, higher = len(categorical), n_levels - 1
        super().__init__(categorical)
        self.levels = []
        self.n_levels = n_levels
        entries = (  # how many, center, standard deviation, least, greatest
            (d, np.log(0.5), 1.0, np.log(0.03), np.log(10.0)),
            (1, 0.0, 0.5, np.log(0.3), np.log(5.0)),
            (higher, 1.0, 0.5, -0.5, 2.5),
            (higher, np.log(0.1), 1.5, np.log(1e-3), np.log(3.0)),
            (n_levels, np.log(3e-3), 1.5, np.log(1e-5), 0.0),
        )
        table = np.array([entry[1:] for entry in entries for _ in range(entry[0])])
        self.prior = np.ascontiguousarray(table[:, :2].T)
        self.theta = self.prior[0].copy()
        self._bounds = table[:, 2:]

    @property
    def rho(self):
        """Factors between each level and the next, of shape (n_levels - 1,)."""
        first = len(self._categorical) + 1
        return self.theta[first : first + self.n_levels - 1].copy()

    @property
    def correlation(self):
        """Correlation of each level with the last one at a point, of shape (n_levels,)."""
        mixing = np.eye(self.n_levels)
        for t, rho in enumerate(self.rho):
            mixing[t + 1] += rho * mixing[t]
        first = len(self._categorical) + self.n_levels
        variances = np.exp([0.0, *self.theta[first : -self.n_levels]])
        covariance = (mixing * variances) @ mixing.T
        return covariance[-1] / np.sqrt(np.diagonal(covariance) * covariance[-1, -1])

    @property
    def noise(self):
        """Variances of the noise of each level relative to the scale, of shape (n_levels,)."""
        return np.exp(self.theta[-self.n_levels :])

    def add(self, u, level):
        """Add a point with the number of its level."""
        super().add(u)
        self.levels.append(level)

    def fit(self, z):
        """Move theta to its maximum a posteriori for the values of all points."""
        gradient = np.empty(len(self.theta))
        levels = np.array(self.levels, dtype=np.intc)
        room = self._room(len(z))

        def objective(theta):
            f = _ar1_fast.negative_log_posterior(
                theta, self._differences, levels, z, self.prior, room, gradient
            )
            return f, gradient.copy()

        with one_blas_thread():  # more threads cost more than these sizes gain
            fit = minimize(
                objective,
                self.theta,
                jac=True,
                method="L-BFGS-B",
                bounds=self._bounds,
                options={"maxiter": _MOST_STEPS},
            )
        self.theta = fit.x

    def leave_one_out(self, z):
        """Return the log density of the value of each point given all others.

        Parameters
        ----------
        z : ndarray of shape (n_points,)
            Values of the points.

        Returns
        -------
        ndarray of shape (n_points,)
        """
        density = np.empty(len(z))
        levels = np.array(self.levels, dtype=np.intc)
        with one_blas_thread():
            _ar1_fast.leave_one_out(
                self.theta, self._differences, levels, z, self._room(len(z)), density
            )
        return density

    def condition(self, z, pending=()):
        """Take in values and pending points, for `predict` and `covariance`.

        Parameters
        ----------
        z : ndarray of shape (n_points,)
            Values of the points.
        pending : sequence of (tuple, int)
            Points whose values are awaited, with their levels.

        Returns
        -------
        fitted : ndarray of shape (n_points + n_pending,)
            Posterior means at the points and the pending points, each of its level.
        """
        n, total = len(z), len(z) + len(pending)
        for i, (u, _) in enumerate(pending):
            self._write(u, n + i)
        levels = np.array([*self.levels, *(level for _, level in pending)], dtype=np.intc)
        fitted = np.empty(total)
        room = self._room(total)
        where = self._points, self._categorical
        with one_blas_thread():
            self._scale = _ar1_fast.condition(
                self.theta, self._differences, levels, z, *where, room, fitted
            )
        self._given = *where, room
        self._n_given = total
        return fitted

    def predict(self, candidates):
        """Return what is believed of the last level.

        Parameters
        ----------
        candidates : ndarray of shape (n_candidates, n_dims)
            Where it is wanted.

        Returns
        -------
        mu, sigma : ndarray of shape (n_candidates,)
            Posterior means and standard deviations.
        """
        mu, sigma = np.empty((2, len(candidates)))
        tile = np.empty((_TILE + 1, self._n_given))
        with one_blas_thread():
            _ar1_fast.predict(candidates, *self._given, self._scale, tile, mu, sigma)
        return mu, sigma

    def covariance(self, x):
        """Return the posterior covariance of all levels at a point, relative to the scale.

        Parameters
        ----------
        x : ndarray of shape (n_dims,)
            The point.

        Returns
        -------
        ndarray of shape (n_levels, n_levels)
        """
        covariance = np.empty((self.n_levels, self.n_levels))
        tile = np.empty((self.n_levels + 2, self._n_given))
        with one_blas_thread():
            _ar1_fast.covariance(x, *self._given, tile, covariance)
        return covariance

    def _room(self, n):
        return _ar1_fast.Room(n, self.n_levels, len(self._categorical))
