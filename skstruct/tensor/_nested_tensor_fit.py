"""Passes over samples, and the vectors that `NestedTensorClustering` takes from them.

The table, samples x (features, views), is read as it lies in memory, in blocks of rows that stay
in the cache. Centring, weighting and float64 sums are of a block at a time, so that no copy of the
table is made and its mean, however large, cancels exactly; a second product with a block reads it
from the cache.

For rank r there are features x of shape (n_1, r), views z (n_3,) and, of shape (n_1 * n_3, r),
directions D, which for `LowRank` are x_a o z. Scores X D and all else but z, x and D are in units
of the Frobenius norm of the table, and where its square is too large or too small for a number,
blocks are multiplied by a power of 2, so that nothing overflows.
"""

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import svds

BLOCK = 1 << 17  # elements
POWER_STEPS = 5  # of x and z in an iteration; they cost little beside a pass over the table
LARGEST = 1e200  # of a trace, and its inverse the least
FEW = 32  # rows or columns of a matrix of which all singular vectors are computed


class SamplePasses:
    """Products with the rows of a table, less their mean if it is given.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        In C order, float32 or float64.
    mean : ndarray of shape (n_columns,), default=None
        Subtracted from each row, of the dtype of X.
    weight : ndarray of shape (n_samples,), default=None
        Weights of the rows in sums over them.
    """

    def __init__(self, X, mean=None, weight=None):
        self.X = X
        self.mean = mean
        self.weight = None if weight is None else weight[:, np.newaxis]
        self.n_samples = len(X) if weight is None else weight.sum()
        self.factor = 1.0

    def weigh(self, rows, scores, power=1.0):
        """Return scores of some rows times a power of the weights of these rows."""
        if self.weight is None:
            return scores
        return (scores * self.weight[rows] ** power).astype(scores.dtype, copy=False)

    def blocks(self):
        """Yield slices of the rows and the rows, less the mean, times the factor."""
        step = max(1, BLOCK // self.X.shape[1])
        for start in range(0, len(self.X), step):
            rows = slice(start, start + step)
            block = self.X[rows] if self.mean is None else self.X[rows] - self.mean
            yield rows, block if self.factor == 1.0 else block * self.factor

    def project(self, directions):
        """Return X D, in float64."""
        directions = directions.astype(self.X.dtype, copy=False)
        scores = np.empty((len(self.X), directions.shape[1]))
        for rows, block in self.blocks():
            scores[rows] = block @ directions
        return scores

    def power(self, directions):
        """Return X D and D' X' diag(weight) X, in float64, from one reading of X."""
        directions = directions.astype(self.X.dtype, copy=False)
        scores = np.empty((len(self.X), directions.shape[1]))
        sums = np.zeros(directions.shape[::-1])
        for rows, block in self.blocks():
            found = block @ directions
            scores[rows] = found
            sums += self.weigh(rows, found).T @ block
        return scores, sums

    def adjoint(self, scores):
        """Return the transpose of scores times X, of shape (r, n_columns), in float64."""
        scores = scores.astype(self.X.dtype, copy=False)
        sums = np.zeros((scores.shape[1], self.X.shape[1]))
        for rows, block in self.blocks():
            sums += scores[rows].T @ block
        return sums

    def combine(self, z):
        """Return the sum of the views, times z, of shape (n_samples, n_features)."""
        z = z.astype(self.X.dtype, copy=False)
        combined = np.empty((len(self.X), self.X.shape[1] // len(z)))
        for rows, block in self.blocks():
            combined[rows] = (block.reshape(-1, len(z)) @ z).reshape(len(block), -1)
        return combined

    def gram(self, n_columns):
        """Return the Gram matrix of the columns of X folded to n_columns, in float64."""
        total = np.zeros((n_columns, n_columns))
        for rows, block in self.blocks():
            block = self.weigh(rows, block.astype(np.float64, copy=False), 0.5)
            folded = block.reshape(-1, n_columns)
            total += folded.T @ folded
        return total

    def sample_gram(self):
        """Return the Gram matrix of the rows of X, each times the root of its weight."""
        total = np.zeros((len(self.X), len(self.X)))
        step = max(1, BLOCK // len(self.X))
        for start in range(0, self.X.shape[1], step):
            columns = slice(start, start + step)
            block = self.X[:, columns].astype(np.float64)
            if self.mean is not None:
                block -= self.mean[columns]
            block *= self.factor
            block = self.weigh(slice(None), block, 0.5)
            total += block @ block.T
        return total

    def unit_gram(self, gram):
        """Return what a function of the table, its Gram matrix, returns over its trace.

        The root of the trace comes with it. The function is called again where that is no number
        to work with, with the factor that makes it one.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            total = gram()
        if not 1 / LARGEST < np.trace(total) < LARGEST:
            largest = max(np.abs(block).max() for _, block in self.blocks())
            if largest > 0:
                self.factor = 2.0 ** min(1000, -int(np.frexp(largest)[1]))
                total = gram()
        unit = np.sqrt(np.trace(total)) or 1.0
        return total / unit / unit, unit


def leading_right(A, r, random_state):
    """Return the first r right singular vectors of A, as columns."""
    A = A / (np.abs(A).max() or 1.0)
    if min(A.shape) <= max(FEW, 2 * r) or not A.any():
        return np.linalg.svd(A, full_matrices=False)[2][:r].T
    _, values, vectors = svds(A, r, v0=random_state.standard_normal(min(A.shape)))
    return vectors[np.argsort(-values)].T


def leading_eigen(G, r):
    """Return the r largest eigenvalues, not below 0, in falling order, and their vectors."""
    values, vectors = eigh(G, subset_by_index=[len(G) - r, len(G) - 1])
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def divided(A, b):
    """Return A / b, and 0 where b is 0."""
    return np.divide(A, b, out=np.zeros(np.broadcast_shapes(A.shape, b.shape)), where=b > 0)


class LowRank:
    """Best approximation of ranks r, r and 1, or the likelihood of the nested model.

    Parameters
    ----------
    passes : SamplePasses
        The samples.
    n_views : int
        Number of views.
    r : int
        Number of scores.
    nested : bool
        Whether noise that the views share tells their weights.
    random_state : RandomState
        Of the Lanczos iteration.
    """

    def __init__(self, passes, n_views, r, nested, random_state):
        self.passes, self.nested = passes, nested
        self.gram, self.unit = passes.unit_gram(lambda: passes.gram(n_views))
        self.z = leading_eigen(self.gram, 1)[1][:, 0]
        combined = passes.weigh(slice(None), passes.combine(self.z), 0.5)
        self.x = leading_right(combined, r, random_state)
        self._read()

    def _read(self):
        """Pass over the samples, and turn x so that scores are orthogonal, the largest first."""
        scores, sums = self.passes.power(self.directions() / self.unit)
        squares, turn = leading_eigen(
            scores.T @ self.passes.weigh(slice(None), scores), scores.shape[1]
        )
        self.x, self.scores = self.x @ turn, scores @ turn
        core = divided(turn.T @ sums / self.unit, np.sqrt(squares)[:, np.newaxis])
        self.core = core.reshape(len(core), *self.x.shape[:1], len(self.z))
        self.value = np.sqrt(squares.sum())

    def directions(self):
        """Return the columns x_a o z."""
        return (self.x[:, np.newaxis] * self.z[:, np.newaxis]).reshape(-1, self.x.shape[1])

    def refine(self):
        """Take steps of x and z towards what suits the scores, and renew the scores."""
        ratio = self._ratio()
        for _ in range(POWER_STEPS):
            self.x = np.linalg.qr((self.core @ self.z).T)[0]
            seen = (self.x.T @ self.core).reshape(-1, len(self.z))
            z = (1 - ratio) * (self.gram @ self.z) + ratio * (seen @ self.z) @ seen
            norm = np.linalg.norm(z)
            if norm == 0:
                break
            self.z = z / norm
        self._read()

    def _ratio(self):
        """Return r, the variance off z over that of the views combined by z, off the clusters."""
        (n_features, r), n_views = self.x.shape, len(self.z)
        free = (self.passes.n_samples - r) * (n_features - r)
        if not self.nested or n_views == 1 or free <= 0:
            return 1.0
        along = self.z @ self.gram @ self.z
        off = (np.trace(self.gram) - along) / (self.passes.n_samples * n_features * (n_views - 1))
        shared = (along - self.value**2) / free
        return off / shared if shared > off else 1.0


class Unfolding:
    """First singular vectors of the samples x (features and views).

    Parameters
    ----------
    passes : SamplePasses
        The samples.
    n_views : int
        Number of views.
    r : int
        Number of scores.
    random_state : RandomState
        Of the Lanczos iteration.
    """

    def __init__(self, passes, n_views, r, random_state):
        n_samples, n_columns = passes.X.shape
        wide = n_columns > n_samples
        gram, self.unit = passes.unit_gram(
            passes.sample_gram if wide else lambda: passes.gram(n_columns)
        )
        squares, vectors = leading_eigen(gram, r)
        if wide:
            sums = passes.adjoint(passes.weigh(slice(None), vectors, 0.5)).T
            vectors = divided(sums / self.unit, np.sqrt(squares))
        self._directions = vectors
        self.scores = passes.project(vectors / self.unit)
        slices = vectors.T.reshape(r, -1, n_views)
        self.z = leading_right(slices.reshape(-1, n_views), 1, random_state)[:, 0]
        x = (slices @ self.z).T
        self.x = divided(x, np.linalg.norm(x, axis=0))

    def directions(self):
        """Return the singular vectors."""
        return self._directions
