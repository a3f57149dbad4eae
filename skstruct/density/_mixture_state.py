"""The state of an incremental Gaussian mixture: constants, components, and what they say of rows.

Everything is kept in units z = (x - center) / sigma with sigma = delta * (standard deviations of
the warm-up), so that scales from 1e-150 to 1e150 neither overflow nor underflow; a new component
has the unit matrix there. Precision matrices are packed in panels of 8 rows (see
_lib/packed_symmetric.h) and carry a scalar factor. Only the attributes speak in the user's units.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.spatial.distance import cdist
from scipy.stats import chi2
from sklearn.utils import gen_batches

from skstruct.density._incremental_gaussian_mixture_fast import distances, learn

LANES = 8  # rows of a panel
LIMIT = 1e120  # a row further than this from the centre is brought there: its square is finite


class WarmUp:
    """The first rows of a stream, kept until there are enough to take constants from."""

    def __init__(self, size):
        self.size = size
        self.rows = []
        self.weight = []
        self.n_rows = 0

    @property
    def full(self):
        return self.n_rows == self.size

    def take(self, rows, weight):
        """Keep what there is room for; return how many rows that was."""
        n_taken = min(len(rows), self.size - self.n_rows)
        self.rows.append(rows[:n_taken].astype(np.float64))
        self.weight.append(weight[:n_taken].copy())
        self.n_rows += n_taken
        return n_taken

    def data(self):
        return np.concatenate(self.rows), np.concatenate(self.weight)


def center_and_deviation(rows, weight, scale=None):
    """Weighted mean and, unless scale is given instead, standard deviation of the columns.

    No square overflows or underflows. A constant column gets a thousandth of the largest
    deviation, or 1e-3 if all are constant.
    """
    size = np.abs(rows).max(axis=0)
    size[size == 0] = 1.0
    unit = rows / size
    center = np.average(unit, axis=0, weights=weight)
    if scale is not None:
        return size * center, np.array(scale, dtype=np.float64)
    if len(rows) == 1 and weight[0] <= 1:
        raise ValueError(
            "1 sample has no standard deviation to start from: give scale, or at least 2 samples."
        )
    deviation = size * np.sqrt(np.average((unit - center) ** 2, axis=0, weights=weight))
    deviation[(rows == rows[0]).all(axis=0)] = 0.0
    deviation[deviation == 0] = 1e-3 * (deviation.max() or 1.0)
    return size * center, deviation


def typical_spread(Z):
    """The delta that suits the density of the rows: distance to the 6th neighbour, per column.

    Repetitions of a row are left out, so that they cannot make it 0.
    """
    Z = np.unique(Z, axis=0)
    if len(Z) < 3:
        return 1.0
    nearest = min(5, len(Z) - 2) + 1  # place 0 is the row itself
    squares = np.empty(len(Z))
    for batch in gen_batches(len(Z), max(1, 2**20 // len(Z))):
        found = cdist(Z[batch], Z, "sqeuclidean")
        squares[batch] = np.partition(found, nearest, axis=1)[:, nearest]
    return float(np.sqrt(np.median(squares) / Z.shape[1])) or 1.0


def log_sum_exp(log_terms):
    """Logarithms of the sums of the exponentials of the rows."""
    top = log_terms.max(axis=1)
    return top + np.log(np.exp(log_terms - top[:, np.newaxis]).sum(axis=1))


def shares(log_terms):
    """Exponentials of the rows, divided by their sums."""
    terms = np.exp(log_terms - log_terms.max(axis=1, keepdims=True))
    return terms / terms.sum(axis=1, keepdims=True)


class MixtureState:
    """Components of a mixture that learns row by row.

    Parameters are those of IncrementalGaussianMixture; rows and weight are the warm-up, from which
    the constants come and which is then learnt.
    """

    def __init__(
        self,
        rows,
        weight,
        *,
        novelty,
        delta,
        scale,
        prior_weight,
        v_min,
        sp_min,
        max_components,
        update,
        forgetting,
        resp_tol,
    ):
        n_features = rows.shape[1]
        self.center, deviation = center_and_deviation(rows, weight, scale)
        if delta == "auto":
            delta = typical_spread((rows - self.center) / deviation)
        self.delta = float(delta)
        self.sigma = np.maximum(self.delta * deviation, np.finfo(np.float64).tiny)
        self._options = {
            "threshold": chi2.isf(novelty, n_features),
            "prior_weight": n_features if prior_weight == "auto" else prior_weight,
            "v_min": 2 * n_features if v_min == "auto" else v_min,
            "sp_min": sp_min,
            "forgetting": forgetting,
            "resp_tol": resp_tol,
            "max_components": max_components,
            "literal": update == "figmn",
        }
        n_panels = -(-n_features // LANES)
        size = LANES * LANES * n_panels * (n_panels + 1) // 2
        self._arrays = {
            "mean": np.zeros((1, LANES * n_panels)),
            "precision": np.zeros((1, size)),
            "factor": np.ones(1),
            "log_det": np.zeros(1),
            "mass": np.zeros(1),
            "birth": np.zeros(1, dtype=np.int64),
        }
        self.counts = np.zeros(4, dtype=np.int64)
        self.learn(rows, weight)

    def learn(self, rows, weight):
        """Learn C-contiguous rows of float32 or float64, one after the other."""
        first = 0
        while True:
            first = learn(
                rows,
                weight,
                first,
                self.center,
                self.sigma,
                **self._arrays,
                counts=self.counts,
                **self._options,
            )
            if first == len(rows):
                return
            for name, array in self._arrays.items():
                self._arrays[name] = np.concatenate((array, np.zeros_like(array)))

    def _live(self, name):
        return self._arrays[name][: self.counts[0]]

    @property
    def mass(self):
        return self._live("mass")

    @property
    def age(self):
        return self.counts[1] - self.counts[2] - self._live("birth") + 1

    @property
    def means(self):
        return self.center + self.sigma * self._mean

    @property
    def log_det_covariances(self):
        return self._live("log_det") + 2 * np.log(self.sigma).sum()

    @property
    def precisions(self):
        return self._precision / np.outer(self.sigma, self.sigma)

    @property
    def covariances(self):
        inverse = np.linalg.inv(self._precision)
        return (inverse + inverse.swapaxes(1, 2)) / 2 * np.outer(self.sigma, self.sigma)

    @property
    def _mean(self):
        return self._live("mean")[:, : len(self.center)]

    @property
    def _precision(self):
        """Precision matrices in units of sigma, unpacked and exactly symmetric."""
        n_features = len(self.center)
        i, j = np.tril_indices(n_features)
        panel = i // LANES
        place = LANES * LANES * panel * (panel + 1) // 2 + LANES * j + i % LANES
        full = np.empty((self.counts[0], n_features, n_features))
        full[:, i, j] = self._live("precision")[:, place] * self._live("factor")[:, np.newaxis]
        full[:, j, i] = full[:, i, j]
        return full

    def log_joint(self, X):
        """Logarithms of weight times density, (n_samples, n_components)."""
        terms = np.empty((len(X), self.counts[0]))
        distances(
            X,
            self.center,
            self.sigma,
            self._live("mean"),
            self._live("precision"),
            self._live("factor"),
            terms,
        )
        terms += self._live("log_det")
        terms *= -0.5
        log_unit = np.log(self.sigma).sum() + 0.5 * len(self.sigma) * np.log(2 * np.pi)
        return terms + (np.log(self.mass / self.mass.sum()) - log_unit)

    def _check_definite(self):
        """Raise an error if a matrix is no covariance: its logarithm of a determinant tells."""
        if np.isnan(self._live("log_det")).any():
            raise ValueError(
                "The published recursion has lost positive definiteness; use update='exact' "
                "instead of update='figmn'."
            )

    def blocks(self, n_samples, n_numbers=1):
        """Slices of rows for which n_numbers per row and component stay in the cache."""
        return gen_batches(n_samples, max(1, 2**17 // (int(self.counts[0]) * n_numbers)))

    def log_density(self, X):
        """Logarithms of the density of the mixture, (n_samples,)."""
        out = np.empty(len(X))
        for rows in self.blocks(len(X)):
            out[rows] = log_sum_exp(self.log_joint(X[rows]))
        return out

    def conditional(self, X_given, given):
        """Mean and standard deviation of the other columns, X_given being the columns `given`.

        With Lambda the precision matrix of a component, i the given columns and t the others,
        A = Lambda_tt = L L' and W = inv(L) Lambda_ti: the conditional covariance is inv(A), the
        conditional mean mu_t - inv(L)' W (x_i - mu_i), the marginal precision Lambda_ii - W' W,
        and log|C_ii| = log|C| + log|A|. Only A is factored.
        """
        self._check_definite()
        other = np.setdiff1d(np.arange(len(self.center)), given)
        parts = []
        for mu, Lambda, log_det in zip(
            self._mean, self._precision, self._live("log_det"), strict=True
        ):
            L = cholesky(Lambda[np.ix_(other, other)], lower=True)
            inverse = solve_triangular(L, np.eye(len(other)), lower=True)
            W = inverse @ Lambda[np.ix_(other, given)]
            log_det_given = log_det + 2 * np.log(np.diag(L)).sum()
            parts.append((mu, Lambda[np.ix_(given, given)], inverse, W, log_det_given))
        own_variance = np.array([(inverse**2).sum(axis=0) for _, _, inverse, _, _ in parts])
        mean = np.empty((len(X_given), len(other)))
        variance = np.empty_like(mean)
        for rows in self.blocks(len(X_given), len(other)):
            with np.errstate(over="ignore"):
                Z = (X_given[rows] - self.center[given]) / self.sigma[given]
            Z = np.clip(Z, -LIMIT, LIMIT)
            log_terms = np.empty((len(Z), len(parts)))
            means = np.empty((len(parts), len(Z), len(other)))
            for k, (mu, marginal, inverse, W, log_det_given) in enumerate(parts):
                E = Z - mu[given]
                WE = E @ W.T
                d2 = ((E @ marginal) * E).sum(axis=1) - (WE**2).sum(axis=1)
                log_terms[:, k] = -0.5 * (np.maximum(d2, 0) + log_det_given)
                means[k] = mu[other] - WE @ inverse
            share = shares(log_terms + np.log(self.mass))
            mean[rows] = np.einsum("nk,knt->nt", share, means)
            spread = (means - mean[rows]) ** 2 + own_variance[:, np.newaxis]
            variance[rows] = np.einsum("nk,knt->nt", share, spread)
        return (
            self.center[other] + self.sigma[other] * mean,
            self.sigma[other] * np.sqrt(variance),
        )

    def sample(self, n_samples, random_state):
        """Draw rows, component after component, and the components that they are of."""
        self._check_definite()
        counts = random_state.multinomial(n_samples, self.mass / self.mass.sum())
        Z = random_state.standard_normal((n_samples, len(self.center)))
        stop = np.cumsum(counts)
        for k, precision in enumerate(self._precision):
            rows = slice(stop[k] - counts[k], stop[k])
            L = cholesky(precision, lower=True)
            Z[rows] = self._mean[k] + solve_triangular(L, Z[rows].T, lower=True, trans=1).T
        return self.center + self.sigma * Z, np.repeat(np.arange(len(counts)), counts)
