"""A uniform grid of cells, for Gaussian sums over near points in up to three dimensions.

Points are sorted by cell, the last dimension running fastest, so that the cells between two
places of one line hold consecutive points. A query finds its smallest squared distance D_min and
adds up what is within R^2 = D_min + 2 h^2 log(W / (w_min rtol)): the points beyond cannot add more
than the share rtol to what the nearest one gives.
"""

import numpy as np

from skstruct.density._cell_list_fast import cell_sums

CELLS_PER_RADIUS = 4


class CellList:
    """Weighted points in cells.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        In up to 3 dimensions.
    weight : ndarray of shape (n_points,)
        Positive weights.
    bandwidth : float
        Standard deviation of the kernel.
    rtol : float
        Relative error of the sums.
    """

    def __init__(self, points, weight, bandwidth, rtol):
        n, d = points.shape
        padded = np.zeros((n, 3))
        padded[:, 3 - d :] = points
        self.scale = 0.5 / bandwidth**2
        self.reach = (np.log(weight.sum() / weight.min()) - np.log(rtol)) / self.scale
        self.origin = padded.min(axis=0)
        extent = padded.max(axis=0) - self.origin
        self.side = np.sqrt(self.reach) / CELLS_PER_RADIUS
        while np.prod(np.floor(extent / self.side) + 1) > 4 * n:
            self.side *= 1.25
        self.shape = (np.floor(extent / self.side) + 1).astype(np.int64)
        cell = ((padded - self.origin) / self.side).astype(np.int64)
        cell = np.ravel_multi_index(tuple(np.minimum(cell, self.shape - 1).T), self.shape)
        order = np.argsort(cell, kind="stable")
        self.points = np.ascontiguousarray(padded[order].T)
        self.weight = weight[order]
        self.start = np.searchsorted(cell[order], np.arange(np.prod(self.shape) + 1))

    def log_sums(self, Q, out):
        """Put log sum_j w_j exp(-|q - z_j|^2 / 2 h^2) into out.

        A query that takes more than half of all cells gets NaN.
        """
        padded = np.zeros((len(Q), 3))
        padded[:, 3 - Q.shape[1] :] = Q
        cell_sums(
            padded, self.points, self.weight, self.start, self.shape, self.origin, self.side,
            self.scale, self.reach, out,
        )  # fmt: skip
