"""Features of the slices of a mode, as the draw of their link matrix needs them.

The features F (one row a slice) shift the prior means of a factor to mu + F B. Given the rows U of
the slices that have entries, and their features F_s, the link matrix is drawn by noise injection,

    (F_s' F_s + penalty I) B = F_s' (U - mu + E_1) + sqrt(penalty) E_2,

for which `ridge` solves. Where F has more columns than rows, only its product with the part of B
in the span of its rows matters; the rest of B is integrated out by leaving it out.
"""

import numpy as np
from scipy.sparse import csr_array, issparse

CG_TOL = 1e-6  # of the norm of the right-hand side
MAX_DENSE_ORDER = 2000  # largest Gram matrix of which the eigenvectors are taken
MAX_DENSE_SIZE = 2**24  # numbers that sparse features may become


def make_features(side_info, seen):
    """Return the features of a mode in the form that suits their size.

    Parameters
    ----------
    side_info : {ndarray, sparse matrix} of shape (n_slices, n_features)
        The features.
    seen : ndarray of shape (n_seen,)
        The slices that have entries.

    Returns
    -------
    features : RotatedFeatures or PlainFeatures
    """
    n_slices, n_features = side_info.shape
    small = min(n_slices, n_features) <= MAX_DENSE_ORDER
    if not issparse(side_info):
        return (RotatedFeatures if small else PlainFeatures)(side_info, seen)
    if small and n_slices * n_features <= MAX_DENSE_SIZE:
        return RotatedFeatures(side_info.toarray(), seen)
    return PlainFeatures(csr_array(side_info), seen)


class RotatedFeatures:
    """Features in the coordinates in which F_s' F_s is diagonal: a draw needs no solver.

    The prior of B is the same in all orthogonal coordinates.
    """

    def __init__(self, F, seen):
        if F.shape[1] > F.shape[0]:
            F = np.linalg.qr(F.T, mode="r").T
        gram, rotation = np.linalg.eigh(F[seen].T @ F[seen])
        self.rows = F @ rotation
        self.seen_columns = np.ascontiguousarray(self.rows[seen].T)
        self._gram = np.maximum(gram, 0.0)[:, np.newaxis]

    def ridge(self, penalty, rhs):
        return rhs / (self._gram + penalty)


class PlainFeatures:
    """Features as they are, for a solver that only multiplies by them: conjugate gradients."""

    def __init__(self, F, seen):
        self.rows = F
        self._seen_rows = F[seen]
        self.seen_columns = self._seen_rows.T
        if issparse(F):
            self.seen_columns = csr_array(self.seen_columns)
            self._squares = self._seen_rows.power(2).sum(axis=0)
        else:
            self._squares = np.einsum("ij,ij->j", self._seen_rows, self._seen_rows)

    def ridge(self, penalty, rhs):
        """Solve for all columns of rhs at a time, each with its own steps."""
        inverse_diagonal = 1.0 / (self._squares + penalty)[:, np.newaxis]
        B, residual = np.zeros_like(rhs), rhs.copy()
        scaled = inverse_diagonal * residual
        direction, product = scaled.copy(), (residual * scaled).sum(axis=0)
        bound = CG_TOL * np.linalg.norm(rhs, axis=0)
        for _ in range(len(rhs)):
            image = self.seen_columns @ (self._seen_rows @ direction) + penalty * direction
            curvature = (direction * image).sum(axis=0)
            step = np.divide(product, curvature, out=np.zeros_like(product), where=curvature > 0)
            B += step * direction
            residual -= step * image
            if (np.linalg.norm(residual, axis=0) <= bound).all():
                break
            scaled = inverse_diagonal * residual
            last, product = product, (residual * scaled).sum(axis=0)
            direction *= np.divide(product, last, out=np.zeros_like(last), where=last > 0)
            direction += scaled
        return B
