"""Ascent to the modes of a sum of kernels, and which of the ends are one mode.

The density is p(y) = sum_i w_i k(|y - x_i|^2) / sum_i w_i, in units in which the bandwidth is 1.
With g = -k', the step of mean shift to T(y) = sum_i a_i x_i / sum_i a_i, a_i = w_i g(|y - x_i|^2),
never lowers p where k is convex, and the fixed points are those where the gradient of p is zero.

A row y moves by a multiple b of its step: b grows by half after each gain, up to 8, and when the
density falls the row goes back and takes the step alone. What is beyond a step is no longer than
half a bandwidth, so that rows stay in the basins of mean shift. One sum gives p at the new place
and the step from there. Rows that are done leave the block, so that the next sum is over fewer:
those whose step is below tol and, where the modes are known, those within a radius of one.

See D. Comaniciu, P. Meer, "Mean Shift: A Robust Approach Toward Feature Space Analysis", IEEE
Transactions on Pattern Analysis and Machine Intelligence 24(5), 2002.
"""

import numpy as np

from skstruct._lib._kernel_sums import log_sums, make_kernel, mean_shift, squared_norms
from skstruct._lib.row_blocks import for_row_blocks

MAX_RELAXATION = 8.0
MAX_MOVE = 0.5
N_POWERS = 20
DIFFERENCE = 0.05
TINY = 1e-30  # where all the weight is on one point, T does not move


class KernelDensitySum:
    """Density of weighted points under a kernel of bandwidth 1.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_features)
        C-contiguous, float32 or float64, centred.
    weight : ndarray of shape (n_points,)
        Positive weights.
    kernel : str
        Name of the kernel.
    alpha : float
        Its power, if it has one.
    """

    def __init__(self, points, weight, kernel, alpha):
        self.points = points
        self.weight = (weight / weight.sum()).astype(points.dtype)
        self.squares = np.empty(len(points), dtype=points.dtype)
        squared_norms(points, self.squares)
        self.profile = kernel, alpha
        self.kernel = make_kernel(kernel, 1.0, alpha)
        self.singular = kernel == "exponential" and alpha < 2

    def leave_points(self, Q):
        """Return rows, which may be points, moved away from where g is singular.

        That is the exponential kernel with alpha < 2 at points, where each is a fixed point of T
        whether a mode or not. The rows take a step of the sigmoid kernel, which has the same tail.
        """
        if not self.singular:
            return Q
        return self.means(Q, self.points, make_kernel("sigmoid", 1.0))[1]

    def log_density(self, Q, n_jobs=None):
        """Return log p at rows."""
        out = np.empty(len(Q))

        def function(rows):
            log_sums(Q[rows], self.points, self.squares, self.weight, self.kernel, out[rows])

        for_row_blocks(function, len(Q), n_jobs)
        return out

    def means(self, Q, values, kernel=None):
        """Return log p at rows Q and the means of values, weighted by w g there."""
        kernel = self.kernel if kernel is None else kernel
        log_p = np.empty(len(Q))
        mean = np.empty((len(Q), values.shape[1]), dtype=Q.dtype)
        mean_shift(Q, self.points, self.squares, self.weight, values, kernel, log_p, mean)
        return log_p, mean

    def ascend(self, start, tol, max_iter, goals=None, radius=None):
        """Ascend from rows until a step is shorter than tol.

        Parameters
        ----------
        start : ndarray of shape (n_rows, n_features)
            The rows; each takes memory several times.
        tol : float
            Length of a step of mean shift.
        max_iter : int
            Largest number of sums for a row.
        goals : ndarray of shape (n_goals, n_features), default=None
            Where a row may stop before that.
        radius : ndarray of shape (n_goals,)
            How close to each goal it does.

        Returns
        -------
        end : ndarray of shape (n_rows, n_features)
            Where the rows end.
        log_p : ndarray of shape (n_rows,)
            log p there, not below log p at the start.
        n_iter : ndarray of shape (n_rows,)
            Number of sums for each row; max_iter + 1 if that was not enough.
        """
        end = start.copy()
        log_end = np.full(len(start), -np.inf)
        n_iter = np.full(len(start), max_iter + 1)
        active = np.arange(len(start))
        y, at, log_at, step, b = start, end, log_end, np.zeros_like(start), np.ones(len(start))
        for iteration in range(1, max_iter + 1):
            log_p, mean = self.means(y, self.points)
            worse = log_p < log_at
            done = worse & (b == 1)  # a step alone can lower p by rounding only
            at = np.where(worse[:, np.newaxis], at, y)
            log_at = np.where(worse, log_at, log_p)
            step = np.where(worse[:, np.newaxis], step, mean - y)
            if iteration > 1:
                b = np.where(worse, 1.0, np.minimum(1.5 * b, MAX_RELAXATION))
            length = np.sqrt(np.einsum("ij,ij->i", step, step))
            done |= length < tol
            if goals is not None:
                done |= (squared_distances(at, goals) < radius**2).any(axis=1)
            end[active], log_end[active] = at, log_at
            n_iter[active[done]] = iteration
            left = ~done
            if not left.any():
                break
            active, at, log_at, step, b = active[left], at[left], log_at[left], step[left], b[left]
            b = np.maximum(np.minimum(b, MAX_MOVE / length[left]), 1.0)
            y = at + b[:, np.newaxis].astype(y.dtype) * step
        return end, log_end, n_iter

    def flattest_directions(self, rows):
        """Return for each row the direction in which a step of mean shift leads back least.

        That is the top eigenvector of the Jacobian of T, by the method of powers and differences
        of T; under the Gaussian kernel, of the covariance of the points around the row.
        """
        origin = self.means(rows, self.points)[1]
        start = np.cos(np.arange(1, rows.shape[1] + 1))  # along no axis and no diagonal
        v = np.tile(start.astype(rows.dtype), (len(rows), 1))
        for _ in range(N_POWERS):
            v *= DIFFERENCE / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), TINY)
            v = self.means(rows + v, self.points)[1] - origin
        return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), TINY)


def squared_distances(rows, points):
    """Return the squared distance of each row to each point, but for rounding."""
    norms = [np.einsum("ij,ij->i", x, x) for x in (rows, points)]
    return norms[0][:, np.newaxis] + norms[1] - 2 * rows @ points.T


def merge(points, log_p, radius):
    """Take the densest point, all within a radius of it as one with it, and so on.

    Returns
    -------
    kept : ndarray of shape (n_kept,)
        Indices of the points taken, densest first.
    owner : ndarray of shape (n_points,)
        Position in kept of the point that each is one with.
    """
    kept, owner = [], np.full(len(points), -1)
    for i in np.argsort(-log_p, kind="stable"):
        if owner[i] < 0:
            offset = points - points[i]
            near = np.einsum("ij,ij->i", offset, offset) <= radius**2
            owner[near & (owner < 0)] = len(kept)
            kept.append(i)
    return np.array(kept), owner
