"""The cells of `PathwayTensorFactorization`: steps of its blocks, and what they decrease."""

import numpy as np
from scipy.sparse import csr_array

from skstruct.tensor._pathway_tensor_factorization_fast import cell_sums, update_scores

PATHWAYS, GENES, LOG_MEANS = range(3)  # what cell_sums computes


class Cells:
    """Samples x pathways x genes, at the memberships and the counts that are not 0.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_genes)
        Counts.
    M : csc_array of shape (n_pathways, n_genes)
        Memberships, positive where they are stored.
    weight : ndarray of shape (n_samples,)
        Weights of the samples.
    """

    def __init__(self, X, M, weight):
        X = csr_array(X, dtype=np.float64, copy=True)
        X.sum_duplicates()
        X.eliminate_zeros()
        self.counts = X.data, X.indices.astype(np.intp), X.indptr.astype(np.intp)
        self.memberships = M.data, M.indices.astype(np.intp), M.indptr.astype(np.intp)
        self.M, self.M_transposed, self.weight = M, M.T, weight
        self.annotated = np.diff(self.memberships[2]) > 0
        self.n_cells = int(np.diff(self.memberships[2])[self.counts[1]].sum())
        sums = M.sum(axis=0)
        self.row_sums = X @ sums
        self.total = weight @ self.row_sums
        mass = weight @ (X @ self.annotated.astype(np.float64))
        everything = weight @ X.sum(axis=1)
        self.coverage = float(mass / everything) if everything > 0 else 1.0
        X.data = X.data * np.log(X.data)
        self.log_counts = weight @ (X @ sums)

    def exposure(self, P, G):
        """Return the sums of means over the cells of a sample whose only score is 1."""
        return P.T @ (self.M @ G)

    def start(self, P, G):
        """Return scores, all the same for a sample, with which its sum is right."""
        total = self.exposure(P, G).sum()
        scale = self.row_sums / total if total > 0 else 0 * self.row_sums
        return np.repeat(scale[:, np.newaxis], P.shape[1] * G.shape[1], axis=1)

    def update_scores(self, P, G, Z, max_iter, tol):
        """Take steps of the scores, in place."""
        exposure = np.ascontiguousarray(self.exposure(P, G).ravel())
        work = np.empty(2 * P.shape[1] + Z.shape[1])
        update_scores(*self.counts, *self.memberships, P, G, exposure, Z, work, max_iter, tol)

    def update_pathways(self, P, G, Z):
        """Return P after a step, of sums 1, and move its sums to Z."""
        numerators = self._sums(P, G, Z, PATHWAYS, np.zeros_like(P))
        B, C = P.shape[1], G.shape[1]
        P, sums = unit_sums(P, numerators, (self.M @ G) @ self._score_sums(Z, B, C).T)
        Z.reshape(-1, B, C)[:] *= sums[:, np.newaxis]
        return P

    def update_genes(self, P, G, Z):
        """Return G after a step, of sums 1, and move its sums to Z."""
        numerators = self._sums(P, G, Z, GENES, np.zeros_like(G))
        B, C = P.shape[1], G.shape[1]
        G, sums = unit_sums(G, numerators, (self.M_transposed @ P) @ self._score_sums(Z, B, C))
        Z.reshape(-1, B, C)[:] *= sums
        return G

    def divergence(self, P, G, Z):
        """Return the generalised Kullback-Leibler divergence over the sum of the cells."""
        if self.total == 0:
            return 0.0
        logs = self.log_counts - self._sums(P, G, Z, LOG_MEANS, np.empty((0, 1)))
        B, C = P.shape[1], G.shape[1]
        means = (self._score_sums(Z, B, C) * self.exposure(P, G)).sum()
        return float((logs + means) / self.total - 1.0)

    def _score_sums(self, Z, B, C):
        return (self.weight @ Z).reshape(B, C)

    def _sums(self, P, G, Z, what, sums):
        work = np.empty(2 * P.shape[1])
        found = cell_sums(*self.counts, *self.memberships, P, G, Z, self.weight, work, what, sums)
        return found if what == LOG_MEANS else sums


def unit_sums(A, numerators=1.0, denominators=None):
    """Return A times a ratio, with columns of sum 1, and what the sums were."""
    if denominators is None:
        denominators = np.ones_like(A)
    A = np.divide(A * numerators, denominators, out=np.zeros_like(A), where=denominators > 0)
    sums = A.sum(axis=0)
    return A / np.where(sums > 0, sums, 1.0), sums
