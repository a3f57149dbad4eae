"""The cells of `PathwayTensorFactorization`: sweeps over its blocks, and what they decrease."""

import numpy as np
from scipy.sparse import csr_array

from skstruct.tensor._pathway_tensor_factorization_fast import cell_sums, update_scores

PATHWAYS, GENES, LOG_MEANS = range(3)  # what cell_sums computes
FLOOR = 1e-200  # of a mean: a sum below it takes no part in the steps
BLOCK = 2**16  # numbers of a table of means that are made at a time
DENSE = 0.1  # share of sums that are not 0 from which products of matrices are faster


class Cells:
    """Samples x pathways x genes, at the memberships and the counts that are not 0.

    Counts, and with them scores, are in a unit of their own.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_genes)
        Counts.
    M : csc_array of shape (n_pathways, n_genes)
        Memberships, positive where they are stored.
    weight : ndarray of shape (n_samples,)
        Weights of the samples.
    prior : ndarray of shape (n_pathways, n_pathway_groups) or 0.0, default=0.0
        Groups of pathways times the weight of each beside that of all cells.
    """

    def __init__(self, X, M, weight, prior=0.0):
        X = csr_array(X, dtype=np.float64, copy=True)
        X.sum_duplicates()
        X.eliminate_zeros()
        # A power of 2, by which nothing is rounded: no mean is then next to 0 but for its zeros.
        self.unit = 2.0 ** (int(np.frexp(X.max())[1]) - 1) if X.nnz else 1.0
        X.data /= self.unit
        self.counts = X.data, X.indices.astype(np.intp), X.indptr.astype(np.intp)
        self.memberships = M.data, M.indices.astype(np.intp), M.indptr.astype(np.intp)
        self.M, self.M_transposed, self.weight = M, M.T, weight
        self.annotated = np.diff(self.memberships[2]) > 0
        self.n_cells = int(np.diff(self.memberships[2])[self.counts[1]].sum())
        sums = M.sum(axis=0)
        self.row_sums = X @ sums
        self.total = weight @ self.row_sums
        self.prior = np.asarray(prior * self.total)
        mass = weight @ (X @ self.annotated.astype(np.float64))
        everything = weight @ X.sum(axis=1)
        self.coverage = float(mass / everything) if everything > 0 else 1.0
        X.data = X.data * np.log(X.data)
        self.log_counts = weight @ (X @ sums)

    def pathway_sums(self):
        """Return the sums of the counts over pathways, samples x pathways."""
        return self._table() @ self.M_transposed

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

    def sweep(self, P, G, Z):
        """Return P and G, of sums 1, and Z after a step of each."""
        Z = Z.copy()
        self._step_scores(P, G, Z)
        P, sums = self._step_pathways(P, G, Z)
        Z.reshape(len(Z), P.shape[1], -1)[:] *= sums[:, np.newaxis]
        G, sums = self._step_genes(P, G, Z)
        Z.reshape(len(Z), P.shape[1], -1)[:] *= sums
        return P, G, Z

    def objective(self, P, G, Z):
        """Return the generalised Kullback-Leibler divergence over the sum of the cells.

        To this is added that of the groups from their prior, times its weight.
        """
        if self.total == 0:
            return 0.0
        means = (self._score_sums(P, Z) * self.exposure(P, G)).sum()
        known = self.prior > 0
        share = (self.prior / np.where(known, self.prior.sum(axis=0), 1.0))[known]
        from_prior = self.prior[known] @ np.log(share / P[known]) if known.any() else 0.0
        found = self.log_counts - self._log_means(P, G, Z) + means + from_prior
        return float(found / self.total - 1.0)

    def _table(self):
        return csr_array(self.counts, shape=(len(self.row_sums), self.M.shape[1]))

    def _step_scores(self, P, G, Z):
        self.update_scores(P, G, Z, 1, 0.0)

    def _step_pathways(self, P, G, Z):
        exposure = (self.M @ G) @ self._score_sums(P, Z).T
        pseudo_counts = self.prior.sum(axis=0) if self.prior.ndim else 0.0
        return unit_sums(P * self._pathway_ratios(P, G, Z) + self.prior, exposure + pseudo_counts)

    def _step_genes(self, P, G, Z):
        ratios = self._sums(P, G, Z, GENES, np.zeros_like(G))
        return unit_sums(G * ratios, (self.M_transposed @ P) @ self._score_sums(P, Z))

    def _pathway_ratios(self, P, G, Z):
        return self._sums(P, G, Z, PATHWAYS, np.zeros_like(P))

    def _log_means(self, P, G, Z):
        return self._sums(P, G, Z, LOG_MEANS, np.empty((0, 1)))

    def _score_sums(self, P, Z):
        return (self.weight @ Z).reshape(P.shape[1], -1)

    def _sums(self, P, G, Z, what, sums):
        work = np.empty(2 * P.shape[1])
        found = cell_sums(*self.counts, *self.memberships, P, G, Z, self.weight, work, what, sums)
        return found if what == LOG_MEANS else sums


class PathwaySums(Cells):
    """The same for a single group of genes, from the sums of the counts over pathways.

    The mean of a cell is G[g] A[s, p], A = Z P'. In rho, G cancels, so that steps of scores and
    pathways need the sums alone; that of genes is the solution, whatever G was.
    """

    def __init__(self, X, M, weight, prior, sums):
        super().__init__(X, M, weight, prior)
        self.sums = sums
        self.gene_sums = (weight @ self._table()) * M.sum(axis=0)

    def _blocks(self, P, Z):
        """Yield slices of samples, their sums and A."""
        step = max(1, BLOCK // len(P))
        for first in range(0, len(Z), step):
            rows = slice(first, first + step)
            yield rows, self.sums[rows], Z[rows] @ P.T

    def _step_scores(self, P, G, Z):
        exposure = self.exposure(P, G).ravel()
        for rows, sums, A in self._blocks(P, Z):
            Z[rows] *= _ratio(_ratio(sums, A) @ P, exposure)

    def _pathway_ratios(self, P, G, Z):
        weighed = self.weight[:, np.newaxis] * Z
        return sum(_ratio(sums, A).T @ weighed[rows] for rows, sums, A in self._blocks(P, Z))

    def _step_genes(self, P, G, Z):
        exposure = (self.M_transposed @ P) @ self._score_sums(P, Z)
        return unit_sums(self.gene_sums[:, np.newaxis], exposure)

    def _log_means(self, P, G, Z):
        seen = self.gene_sums > 0
        total = self.gene_sums[seen] @ np.log(np.maximum(G[seen, 0], FLOOR))
        for rows, sums, A in self._blocks(P, Z):
            logs = np.log(np.maximum(A, FLOOR))
            total += self.weight[rows] @ np.einsum("sp,sp->s", sums, logs)
        return total


def make_cells(X, M, weight, prior, n_gene_groups):
    """Return `PathwaySums` where these are faster, and `Cells` elsewhere."""
    X = csr_array(X)
    cells = Cells(X, M, weight, prior)
    if n_gene_groups > 1:
        return cells
    sums = cells.pathway_sums()
    if sums.nnz < DENSE * sums.shape[0] * sums.shape[1]:
        return cells
    return PathwaySums(X, M, weight, prior, sums.toarray())


def _ratio(A, B):
    """Return A / B, and what is next to 0 where B is."""
    return np.divide(A, B, out=np.zeros(np.broadcast_shapes(A.shape, B.shape)), where=B > FLOOR)


def unit_sums(A, B=1.0):
    """Return A / B, 0 where B is 0, with columns of sum 1, and what the sums were."""
    A = _ratio(A, np.broadcast_to(B, A.shape))
    sums = A.sum(axis=0)
    return A / np.where(sums > 0, sums, 1.0), sums
