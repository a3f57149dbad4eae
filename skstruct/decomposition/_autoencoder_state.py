"""What a k-sparse autoencoder has learnt: its parameters in internal units, with Adam's moments.

A table is read in blocks of rows: views of a dense one; of a sparse one, no more than a block is
ever made dense.
"""

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import gen_batches

from skstruct._lib.row_order import shuffled_distinct_rows
from skstruct.decomposition._codes import dense
from skstruct.decomposition._k_sparse_autoencoder_fast import encode, train

BLOCK_SIZE = 2**20  # numbers in a block of rows
FIRST_THRESHOLD = 0.1


def row_batches(n_rows, n_features):
    """Return slices of rows, of about BLOCK_SIZE numbers each, that are together all rows."""
    return gen_batches(n_rows, max(64, BLOCK_SIZE // n_features))


def distinct_rows(X, weight, random_state):
    """Return the distinct rows of positive weight along a random direction, and their weights.

    The order is the same for any arrangement, repetition or scale of the rows.
    """
    rows, weight = shuffled_distinct_rows((X,), weight, random_state)
    rows, weight = rows[weight > 0], weight[weight > 0]
    direction = random_state.standard_normal(X.shape[1])
    place = np.empty(len(rows))
    for block in row_batches(len(rows), X.shape[1]):
        # Without BLAS, whose rounding would depend on where a row stands.
        place[block] = (dense(X[rows[block]]) * direction).sum(axis=1)
    order = np.argsort(place, kind="stable")
    return rows[order], weight[order]


def weighted_sum(weight, X):
    """Return weight @ X without BLAS, whose rounding would depend on where X is in memory."""
    return np.einsum("i,ij->j", weight, X)


def center_and_scale(X, rows, weight):
    """Return the weighted mean of X[rows], and the root of the mean squared distance from it.

    A distance that is rounding alone counts as 1.
    """
    share = weight / weight.sum()
    # A power of 2 changes no rounding, and keeps squares from overflowing.
    unit = np.ldexp(1.0, np.frexp(max(abs(float(X.max())), abs(float(X.min()))))[1] - 1)
    center, moved, square = (np.zeros(X.shape[1]) for _ in range(3))
    for block in row_batches(len(rows), X.shape[1]):
        center += weighted_sum(share[block], dense(X[rows[block]]).astype(np.float64) / unit)
    for block in row_batches(len(rows), X.shape[1]):
        distance = dense(X[rows[block]]).astype(np.float64) / unit - center
        moved += weighted_sum(share[block], distance)
        square += weighted_sum(share[block], distance**2)
    scale = np.sqrt((square - moved**2).clip(min=0).sum())
    scale = unit * scale if scale > 1e-15 else 0.0
    return unit * (center + moved), float(scale) or 1.0


def draw(weight, size, random_state):
    """Return indices in random order, drawn systematically: equal weights come equally often."""
    total = weight.cumsum()
    at = (np.arange(size) + random_state.uniform()) * (total[-1] / size)
    drawn = np.searchsorted(total, at, side="right").clip(max=len(weight) - 1)
    return random_state.permutation(drawn)


class AutoencoderState:
    """Parameters of the autoencoder of (x - center) / scale, and their moments.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
        The first table; its dtype is that of the parameters.
    rows, weight : ndarrays of shape (n_distinct,)
        Which rows to take, and their weights.
    random_state : RandomState
        For the first atoms.
    n_components : int
        Number of units.
    from_data : bool
        Whether the first atoms are rows, or Gaussian.
    thresholds : bool
        Whether a unit is active above a threshold of its own, or among the k largest.
    """

    def __init__(self, X, rows, weight, random_state, *, n_components, from_data, thresholds):
        self.thresholds = thresholds
        self.center, self.scale = center_and_scale(X, rows, weight)
        n_features = X.shape[1]
        # W, b and log theta, c; each with its first and second moment after it.
        self.atoms = np.zeros((3, n_components, n_features), X.dtype)
        self.units = np.zeros((6, n_components), X.dtype)
        self.offset = np.zeros((3, n_features), X.dtype)
        self.units[3] = np.log(FIRST_THRESHOLD)
        self.n_steps = 0
        atoms = random_state.standard_normal((n_components, n_features))
        if from_data:
            for atom, row in zip(atoms, draw(weight, n_components, random_state), strict=True):
                x = dense(X[rows[row : row + 1]])[0].astype(np.float64)
                atom[:] = (x - self.center) / self.scale + 1e-3 * atom
        if from_data or thresholds:
            atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
        else:
            atoms *= 0.01
        self.atoms[0] = atoms

    @property
    def theta(self):
        return np.exp(self.units[3])

    def learn(self, X, rows, batch_size, k, **rates):
        """Take a step for each batch of X[rows], of all about equally many rows.

        Returns
        -------
        used : ndarray of shape (n_components,)
            Number of rows that kept each unit.
        error : ndarray of shape (n_rows,)
            Squared residuals, in internal units.
        """
        n_batches = -(-len(rows) // batch_size)
        bounds = np.arange(n_batches + 1) * len(rows) // n_batches
        used = np.zeros(self.atoms.shape[1], dtype=np.int64)
        error = np.empty(len(rows))
        step = max(1, BLOCK_SIZE // (batch_size * X.shape[1]))  # batches in a call
        for first in range(0, n_batches, step):
            cuts = bounds[first : first + step + 1]
            part = slice(cuts[0], cuts[-1])
            block, places = X, rows[part]
            if issparse(X):
                block, places = X[places].toarray(), np.arange(len(places))
            train(
                block, places, cuts - cuts[0], self.center, self.scale, self.atoms, self.units,
                self.offset, used, error[part], k=0 if self.thresholds else k,
                n_steps=self.n_steps, **rates,
            )  # fmt: skip
            self.n_steps += len(cuts) - 1
        return used, error

    def revive(self, dead, X, rows, k):
        """Point dead units at the residuals of as many rows, as long as those that live."""
        norms = np.linalg.norm(self.atoms[0], axis=1)
        alive = np.delete(norms, dead) if len(dead) < len(norms) else norms
        x = np.concatenate([dense(X[row : row + 1]) for row in rows])
        residual = (x - self.decode(self.encode(x, k))) / self.scale
        norm = np.linalg.norm(residual, axis=1, keepdims=True)
        self.atoms[:, dead], self.units[:, dead] = 0, 0
        self.atoms[0, dead] = residual / np.where(norm > 0, norm, 1)
        self.atoms[0, dead] *= np.median(alive)
        self.units[3, dead] = np.log(FIRST_THRESHOLD)

    def encode(self, X, k):
        """Return the codes of X, in its units, as a CSR matrix; k matters without thresholds."""
        n_rows, n_units = X.shape[0], self.atoms.shape[1]
        data = np.empty(n_rows * k, self.atoms.dtype)
        indices = np.empty(n_rows * k, dtype=np.int32)
        indptr = np.zeros(n_rows + 1, dtype=np.int64)
        for rows in row_batches(*X.shape):
            block, ends, done = dense(X[rows]), indptr[rows.start : rows.stop + 1], 0
            while True:
                done = encode(
                    block, done, self.center, self.scale, self.atoms[0], self.units[0],
                    self.offset[0], self.theta, 0 if self.thresholds else k, data, indices, ends,
                )  # fmt: skip
                if done == len(block):
                    break
                room = 2 * len(data) + n_units
                data, indices = np.resize(data, room), np.resize(indices, room)
        parts = data[: indptr[-1]], indices[: indptr[-1]], indptr
        return csr_matrix(parts, shape=(n_rows, n_units))

    def decode(self, codes):
        """Return codes @ W + bias, in the units of the table."""
        return codes @ self.atoms[0] + self.decoder_bias

    def lost(self, X, k, scale):
        """Return the sum of the squared residuals of X, in units of scale."""
        total = 0.0
        for rows in row_batches(*X.shape):
            residual = dense(X[rows]) - self.decode(self.encode(X[rows], k))
            total += float(((residual / scale) ** 2).sum(dtype=np.float64))
        return total

    @property
    def decoder_bias(self):
        return (self.center + self.scale * self.offset[0]).astype(self.atoms.dtype)
