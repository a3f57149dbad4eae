"""The bandwidth for modes, which is not the one for densities.

In more than a few dimensions the bandwidth h_LOO of the largest leave-one-out likelihood is so
small that each row is a mode: below h_G a few rows carry the sum at any place. A little above, at
2^(1/4) h_G, half of the way to the central limit theorem at 2^(1/2) h_G, modes are those of many
rows. In few dimensions h_G is of no concern; there the best bandwidth for gradients, of order
n^(-1 / (d + 6)), is wider than that for densities, of order n^(-1 / (d + 4)), by the quotient.
"""

import numpy as np

from skstruct.density._bandwidth_thresholds import edge_bandwidth, effective_size
from skstruct.density._leave_one_out import LeaveOneOut

N_LIKELIHOOD = 2000  # rows from which h_LOO is extrapolated
EDGE_K = 10


def mode_bandwidth(Z, weight, n_jobs):
    """Return a bandwidth for the modes of distinct rows in random order, which are centred.

    A row alone has a mode at any bandwidth; it gets 1.
    """
    if len(Z) == 1:
        return 1.0
    few, d = slice(0, N_LIKELIHOOD), Z.shape[1]
    Z = Z.astype(np.float64, copy=False)
    loo = LeaveOneOut(Z[few], weight[few], n_jobs, lambda: None)
    n, n_few = effective_size(weight), effective_size(weight[few])
    h = loo.best_bandwidth(tol=1e-3, max_iter=30)[0]
    h *= (n_few / n) ** (1 / (d + 4)) * n ** (2 / ((d + 4) * (d + 6)))
    if len(Z) == 2:  # a row whose only neighbour is the other has no edge
        return h
    squares = np.einsum("ij,ij->i", Z, Z)
    return max(h, 2**0.25 * edge_bandwidth(Z, squares, weight, EDGE_K, n_jobs))
