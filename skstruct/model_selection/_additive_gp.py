"""A Gaussian process that is a sum over cliques of coordinates; where its UCB is highest.

z          results of mean 0 and standard deviation 1 at points in the unit cube
cliques    edges of a forest, and each coordinate that is in none; m of them
kernel     k(x, x') = 1/m sum_c prod_{i in c} kappa_i, kappa_i = exp(-(x_i - x'_i)^2 / 2 l_i^2);
           of a categorical coordinate exp(-[x_i != x'_i] / l_i)
theta      (ln l_1, ..., ln l_d, ln noise), the maximum of the posterior by 10 steps of L-BFGS-B
           from the last theta: the l_i belong to the coordinates and outlive the forest
prior      with a the mean of the ln l_i: a ~ N(ln .5, .7^2), ln l_i - a ~ N(0, .3^2),
           ln noise ~ N(ln .01, 2^2). That all l_i are about alike is what makes n < 10 d
           results enough
pending    points count as results equal to their posterior mean (kriging believer)
UCB        phi(x) = sum_c mu_c(x_c) + beta sigma_c(x_c): a sum over the cliques, so that its
           maximum on a grid is found by messages along the forest
"""

import numpy as np
from scipy.optimize import minimize

from skstruct._lib.row_blocks import one_blas_thread
from skstruct.model_selection._additive_gp_fast import condition, negative_log_likelihood
from skstruct.model_selection._additive_ucb_fast import ucb_tables
from skstruct.model_selection._forest import max_sum_forest

_TILE = 64
_APART = 2.0**50  # any two numbers of a categorical coordinate, times this, are 1 apart
_MEAN_CENTER, _MEAN_WIDTH = np.log(0.5), 0.7
_SPREAD_WIDTH = 0.3
_NOISE_CENTER, _NOISE_WIDTH = np.log(0.01), 2.0
_LENGTH_BOUNDS = (np.log(0.03), np.log(5.0))
_NOISE_BOUNDS = (np.log(1e-5), 0.0)


class AdditiveGaussianProcess:
    """Points, and what is believed about a function given its values there.

    Parameters
    ----------
    categorical : ndarray of shape (n_dims,), dtype=bool
        Coordinates whose values have no order.

    Attributes
    ----------
    n_points : int
        Number of points added.
    theta : ndarray of shape (n_dims + 1,)
        Logarithms of the length scales and of the noise variance, relative to the scale.

    Notes
    -----
    With n points in d dimensions and m cliques, at most 10 steps of O(n^3 + n^2 m) for theta,
    O(n^2) for each state of the grid of a clique, and O(n^2 + n d) memory: no kernel is kept but
    the sum.
    """

    def __init__(self, categorical):
        d = len(categorical)
        self.n_points = 0
        self.theta = np.append(np.full(d, _MEAN_CENTER), _NOISE_CENTER)
        # kappa_i = exp(-rate_i D), rate_i = factor_i l_i^-power_i
        self._factor = np.where(categorical, 1.0, 0.5)
        self._power = np.where(categorical, 1.0, 2.0)
        self._stretch = np.where(categorical, _APART, 1.0)
        self._bounds = [_LENGTH_BOUNDS] * d + [_NOISE_BOUNDS]
        self._points = np.empty((d, 0))
        self._reserve(32)

    @property
    def points(self):
        """The points added, of shape (n_points, n_dims)."""
        return self._points[:, : self.n_points].T / self._stretch

    @property
    def length_scales(self):
        """One of each coordinate: the shorter, the more the function depends on it."""
        return np.exp(self.theta[:-1])

    def add(self, u):
        """Add a point."""
        self._write(u, self.n_points)
        self.n_points += 1

    def fit(self, z, edges):
        """Move theta towards its maximum a posteriori for the values of all points."""
        cliques = _cliques(edges, len(self._points))
        slope = np.empty(len(self.theta))

        def objective(theta):
            rates = self._rates(theta)
            noise = np.exp(theta[-1])
            given = self._points, rates, noise, cliques, z
            f = negative_log_likelihood(*given, self._covariance, self._alpha, slope)
            slope[:-1] *= -self._power * rates
            slope[-1] *= noise
            log_prior, gradient = _prior(theta)
            return f + log_prior, slope + gradient

        with one_blas_thread():  # more threads cost more than these sizes gain
            self.theta = minimize(
                objective,
                self.theta,
                jac=True,
                method="L-BFGS-B",
                bounds=self._bounds,
                options={"maxiter": 10, "ftol": 1e-3},
            ).x

    def maximise_ucb(self, z, edges, beta, grids, zoom, pending=()):
        """Return where the upper confidence bound is highest.

        Parameters
        ----------
        z : ndarray of shape (n_points,)
            Values of the points.
        edges : ndarray of shape (n_edges, 2), dtype=intp
            The forest.
        beta : float
            Number of standard deviations.
        grids : list of n_dims ndarrays
            States of each coordinate.
        zoom : sequence of callables
            Each takes the best point so far and returns grids around it to look at next.
        pending : sequence of tuple, default=()
            Points whose values are awaited.

        Returns
        -------
        u : ndarray of shape (n_dims,)
        """
        for i, u in enumerate(pending):
            self._write(u, self.n_points + i)
        cliques = _cliques(edges, len(self._points))
        given = self._points, self._rates(self.theta)
        K, alpha = self._covariance, self._alpha
        with one_blas_thread():
            noise = np.exp(self.theta[-1])
            scale = condition(*given, noise, cliques, z, len(pending), K, alpha)
            conditioned = self.n_points + len(pending), K, alpha, scale, beta
            u = self._best(given, cliques, edges, grids, conditioned)
            for around in zoom:
                u = self._best(given, cliques, edges, around(u), conditioned)
        return u

    def _best(self, given, cliques, edges, grids, conditioned):
        """Return the best point of a grid."""
        n, *_ = conditioned
        sizes = np.array([len(grid) for grid in grids])
        starts = np.concatenate(([0], np.cumsum(sizes)))
        joint = np.where(cliques[:, 1] < 0, 1, sizes[cliques[:, 1]])
        ends = np.cumsum(sizes[cliques[:, 0]] * joint)
        tables = np.empty(ends[-1])
        values = np.concatenate(grids) * np.repeat(self._stretch, sizes)
        g = int(sizes.max())
        t = max(g, _TILE)
        shapes = (3, g, n), (t, n), (3, g, g), t, t * (g + 1) // 2, g * g * (g + 1) // 2
        work = [np.empty(shape) for shape in shapes]
        ucb_tables(*given, cliques, values, starts, *conditioned, *work, tables)
        parts = np.split(tables, ends[:-1])
        unary = [np.zeros(size) for size in sizes]
        for (i, _), part in zip(cliques[len(edges) :], parts[len(edges) :], strict=True):
            unary[i] = part
        pairwise = [
            part.reshape(sizes[i], sizes[j]) for (i, j), part in zip(edges, parts, strict=False)
        ]
        states, _ = max_sum_forest(unary, edges, pairwise)
        return np.array([grid[state] for grid, state in zip(grids, states, strict=True)])

    def _rates(self, theta):
        return self._factor * np.exp(-self._power * theta[:-1])

    def _write(self, u, n):
        """Write a point behind the first n."""
        if n == self._points.shape[1]:
            self._reserve(2 * n)
        self._points[:, n] = np.multiply(u, self._stretch)

    def _reserve(self, capacity):
        points = np.zeros((len(self._points), capacity))
        points[:, : self._points.shape[1]] = self._points
        self._points = points
        self._covariance = np.empty((capacity, capacity))
        self._alpha = np.empty(capacity)


def _cliques(edges, d):
    """Return the edges, then the coordinates that are in none with -1 behind each."""
    alone = np.setdiff1d(np.arange(d), edges)
    return np.concatenate((edges, np.stack((alone, np.full(len(alone), -1)), axis=1))).astype(
        np.int32
    )


def _prior(theta):
    """Return minus the log prior of theta, and its gradient."""
    mean = theta[:-1].mean()
    spread = (theta[:-1] - mean) / _SPREAD_WIDTH
    common = (mean - _MEAN_CENTER) / _MEAN_WIDTH
    noise = (theta[-1] - _NOISE_CENTER) / _NOISE_WIDTH
    f = 0.5 * (common**2 + spread @ spread + noise**2)
    gradient = spread / _SPREAD_WIDTH + common / (_MEAN_WIDTH * len(spread))
    return f, np.append(gradient, noise / _NOISE_WIDTH)
