"""The leave-one-out likelihood of a Gaussian kernel density, and what maximises it.

    L(h) = (1/W) sum_i w_i [log sum_{j != i} w_j exp(-D_ij / 2 h^2) - log(W - w_i)]
           - d log h - (d/2) log 2 pi

Rows are distinct, and a row that came three times has weight 3: it leaves out all three, without
which L would grow beyond all bounds as h -> 0. With P_ij the share of j in the sum of i, m1_i and
m2_i the means of D/h^2 and of its square under P_i., the derivatives by log h are exact and come
from the same pass:

    L' = mean_w(m1 - d),   L'' = mean_w(m2 - m1^2 - 2 m1)

1. pilot h0^2 = mean squared distance to the nearest row, / d, or Scott's rule if that is more;
2. one pass for ten bandwidths 4 h0 2^(-k/2): one exponential per pair, the others are its squares;
   if the best is at an end, another ten from there;
3. Newton's method on log h between the neighbours of the best; where it leaves them, or L'' >= 0,
   a step of the monotone fixed point h^2 <- mean_w(m1) h^2 / d, and failing that, bisection.

A covariance S of the kernel in place of h^2 I is learned by the same fixed point, which is EM:
with B_ij = (w_i P_ij + w_j P_ji) / 2 in coordinates where S = I, r its row sums,

    S <- (2/W) [Z' diag(r) Z - Z' B Z],   eigenvalues below min_eig raised to it.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skstruct._lib.row_blocks import for_row_blocks
from skstruct.density._bandwidth_thresholds import nearest_squared
from skstruct.density._high_dimensional_kernel_density_fast import (
    GRID_SIZE,
    grid,
    moments,
    shares,
)

N_PILOT = 256
RESOLUTION = 100 * np.finfo(np.float64).eps
MIN_GAIN = 1e-3  # nats by which an iteration of EM must raise the likelihood


@dataclass
class Evaluation:
    """The likelihood at one bandwidth, its derivatives by log h, and the mean of sum_j P_ij^2."""

    value: float
    slope: float
    curvature: float
    participation: float
    log_sum: np.ndarray


class LeaveOneOut:
    """Passes over all pairs of the rows Z, which are distinct and in random order.

    `on_pass` is called after each; once it is true, searches end with what they have.
    """

    def __init__(self, Z, weight, n_jobs, on_pass):
        self.Z = Z
        self.weight = weight
        self.squares = np.einsum("ij,ij->i", Z, Z)
        # Squared distances have the rounding of squared norms.
        self.resolution = np.sqrt(RESOLUTION * self.squares.max())
        self.n_jobs = n_jobs
        self.on_pass = on_pass
        self.stopped = False
        rest, top = weight.sum() - weight, weight.argmax()
        rest[top] = np.delete(weight, top).sum()  # the difference may be 0 by rounding
        self._constant = -0.5 * Z.shape[1] * np.log(2 * np.pi) - self._mean(np.log(rest))

    def _mean(self, values):
        return float(np.average(values, weights=self.weight))

    def _pass(self, function, out, *args):
        def block(rows):
            function(self.Z[rows], self.Z, self.squares, self.weight, rows.start, *args, out[rows])

        for_row_blocks(block, len(self.Z), self.n_jobs)
        self.stopped = self.on_pass()
        return out

    def above_resolution(self, bandwidth):
        """Return the bandwidth, or the least one that is not a matter of rounding, and warn."""
        if bandwidth >= self.resolution:
            return bandwidth
        warnings.warn(
            "Some rows are closer to each other than float64 resolves beside their distance to "
            "the others; the bandwidth is set to what it does resolve. Look for outliers, or "
            "standardise columns.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return self.resolution

    def mean_nearest(self, n_rows=None):
        """Return the weighted mean squared distance of the first rows to their nearest one."""
        n_rows = len(self.Z) if n_rows is None else min(n_rows, len(self.Z))
        lowest = nearest_squared(self.Z, self.squares, n_rows, 1, self.n_jobs)
        return float(np.average(lowest[:, 0], weights=self.weight[:n_rows]))

    def at(self, bandwidth):
        """Evaluate the likelihood and its derivatives at a bandwidth."""
        d = self.Z.shape[1]
        out = self._pass(moments, np.empty((len(self.Z), 4)), bandwidth)
        log_sum, m1, m2, squares = out.T
        return Evaluation(
            value=self._mean(log_sum) + self._constant - d * np.log(bandwidth),
            slope=self._mean(m1) - d,
            curvature=self._mean(m2 - m1**2 - 2 * m1),
            participation=self._mean(squares),
            log_sum=np.ascontiguousarray(log_sum),
        )

    def _bracket(self, pilot):
        """Return three bandwidths in ascending order, of which the middle one is the best."""
        d, ratio = self.Z.shape[1], 2.0**-0.5
        top = 4 * pilot
        while True:
            h = top * ratio ** np.arange(GRID_SIZE)
            log_sums = self._pass(grid, np.empty((len(self.Z), GRID_SIZE)), top)
            best = int(np.argmax(self.weight @ log_sums / self.weight.sum() - d * np.log(h)))
            if self.stopped:
                return h[np.clip([best + 1, best, best - 1], 0, GRID_SIZE - 1)]
            if best == 0:
                top /= ratio ** (GRID_SIZE - 3)
            elif best < GRID_SIZE - 1:
                return h[[best + 1, best, best - 1]]
            elif h[best] > self.resolution:
                top *= ratio ** (GRID_SIZE - 3)
            else:
                return np.full(3, self.above_resolution(h[best]))

    def best_bandwidth(self, tol, max_iter, pilot=None):
        """Return the bandwidth of the largest likelihood, and the evaluation there."""
        n, d = self.Z.shape
        if pilot is None:
            pilot = max(
                np.sqrt(self.mean_nearest(N_PILOT) / d),
                n ** (-1 / (d + 4)) * np.sqrt(self._mean(self.squares) / d),
            )
        low, here, high = np.log(self._bracket(pilot))
        for _ in range(max_iter):
            found = self.at(np.exp(here))
            low, high = (here, high) if found.slope > 0 else (low, here)
            step = -found.slope / found.curvature if found.curvature < 0 else np.inf
            if not low <= here + step <= high:
                step = 0.5 * np.log1p(max(found.slope / d, -0.99))
            if not low <= here + step <= high:
                step = 0.5 * (low + high) - here
            here += step
            if abs(step) < tol or self.stopped:
                break
        else:
            warnings.warn(
                f"The bandwidth moved by {abs(step):.1e} in the last of max_iter={max_iter} "
                f"iterations, which is more than tol={tol}.",
                ConvergenceWarning,
                stacklevel=2,
            )
            found, step = self.at(np.exp(here)), 0.0
        found.value += step * found.slope + 0.5 * step**2 * found.curvature
        return float(np.exp(here)), found

    def second_moment(self, log_sum):
        """Return what EM makes of the covariance I, given log_sum at bandwidth 1."""
        total, sums = np.empty(len(self.Z)), np.empty_like(self.Z)

        def block(rows):
            shares(self.Z, self.squares, self.weight, log_sum, rows.start, total[rows], sums[rows])

        for_row_blocks(block, len(self.Z), self.n_jobs)
        self.stopped = self.on_pass()
        S = (self.Z * total[:, np.newaxis]).T @ self.Z - self.Z.T @ sums
        return (S + S.T) / self.weight.sum()


def learned_transform(loo, bandwidth, *, min_eig, em_iter):
    """Return T such that a round kernel on Z T is the kernel of the largest likelihood on Z.

    Z are the rows of `loo`; `bandwidth` is the best of round kernels on them. |T| = 1.
    """
    Z, d = loo.Z, loo.Z.shape[1]
    vectors, values = np.eye(d), np.full(d, max(bandwidth**2, min_eig))
    previous = -np.inf
    for _ in range(em_iter):
        T = vectors / np.sqrt(values)
        loo = LeaveOneOut(Z @ T, loo.weight, loo.n_jobs, loo.on_pass)
        found = loo.at(1.0)
        likelihood = found.value - 0.5 * np.log(values).sum()
        if likelihood - previous < MIN_GAIN or loo.stopped:
            break
        previous = likelihood
        back = np.sqrt(values)[:, np.newaxis] * vectors.T
        values, vectors = np.linalg.eigh(back.T @ loo.second_moment(found.log_sum) @ back)
        values = np.maximum(values, min_eig)
    else:
        warnings.warn(
            f"The leave-one-out likelihood still rose by {MIN_GAIN} or more in the last of "
            f"em_iter={em_iter} iterations.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return vectors * np.exp(0.5 * (np.log(values).mean() - np.log(values)))
