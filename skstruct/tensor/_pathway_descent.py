"""Starts and accelerated sweeps of `PathwayTensorFactorization`.

Sweeps of multiplicative steps are extrapolated, as Nesterov does, in the logarithms of blocks a:

    a <- a_k (a_k / a_{k-1})^beta_k,   beta_k = (t_k - 1) / t_{k+1},
    t_{k+1} = (1 + sqrt(1 + 4 t_k^2)) / 2,   t_1 = 1,

so that nothing becomes negative and what is 0 stays so. Every fifth sweep the objective is
computed. Where it has risen, these sweeps are thrown away, and the next five are plain ones, which
never increase it; after these t begins at 1 again.
"""

from math import sqrt

import numpy as np
from sklearn.decomposition import non_negative_factorization

from skstruct.tensor._pathway_cells import unit_sums

CHECK_EVERY = 5  # sweeps
START_SWEEPS = 50  # of the factorisation of the sums over pathways
LARGEST_STEP = 10.0  # of a number, as a factor, by which it is extrapolated
LEAST_SHARE = 0.1  # of a group that is spread over all pathways at the start


def start(cells, shape, init, random_state):
    """Return positive groups of pathways and of genes.

    Parameters
    ----------
    cells : Cells
        What is factorised.
    shape : tuple of int
        Numbers of pathways, of their groups, of genes and of their groups.
    init : {"random", "nmf"}
        Whether groups of pathways are those of a factorisation of the sums over pathways. Those
        with a prior start from that.
    random_state : RandomState
        Of all else.
    """
    n_pathways, n_groups, n_genes, n_gene_groups = shape
    P = random_state.gamma(2.0, 0.5, (n_pathways, n_groups)) + 0.1
    G = random_state.gamma(2.0, 0.5, (n_genes, n_gene_groups)) + 0.1
    P = unit_sums(P)[0]
    if init == "nmf" and cells.total > 0:
        sums = cells.pathway_sums()
        sums = sums.multiply((np.sqrt(cells.weight) / sums.max())[:, np.newaxis]).tocsr()
        scores = np.repeat(sums.sum(axis=1)[:, np.newaxis] / n_groups, n_groups, axis=1)
        found = non_negative_factorization(
            sums, scores, np.ascontiguousarray(P.T), n_components=n_groups, init="custom",
            max_iter=START_SWEEPS, tol=0.0,
        )  # fmt: skip
        P = LEAST_SHARE * P + unit_sums(found[1].T)[0]
    if cells.prior.ndim:
        known = cells.prior.any(axis=0)
        P[:, known] = LEAST_SHARE * P[:, known] + unit_sums(cells.prior[:, known])[0]
    return unit_sums(P)[0], unit_sums(G * cells.annotated[:, np.newaxis])[0]


class Sweeps:
    """Sweeps from some blocks, which are extrapolated unless they are to be plain."""

    def __init__(self, cells, blocks):
        self.cells = cells
        self.restart(blocks, plain=False)

    def restart(self, blocks, *, plain):
        """Go on from other blocks, as if they were the first."""
        self.latest = self.point = blocks
        self.t, self.plain = 1.0, plain

    def step(self):
        """Sweep once."""
        before, self.latest = self.latest, self.cells.sweep(*self.point)
        if self.plain:
            self.point = self.latest
            return
        self.t, momentum = (1 + sqrt(1 + 4 * self.t**2)) / 2, self.t - 1
        self.point = _extrapolated(self.latest, before, momentum / self.t)


def descend(cells, P, G, max_iter, tol, call):
    """Sweep until the objective stays.

    Parameters
    ----------
    cells : Cells
        What is factorised.
    P, G : ndarray
        Where to start.
    max_iter : int
        Largest number of sweeps.
    tol : float
        The end is where five sweeps change the objective by no more.
    call : callable
        What `watched` returns.

    Returns
    -------
    P, G : ndarray
        Groups, of sums 1.
    path : list of float
        Objective of what was kept, every fifth sweep.
    n_iter : int
        Number of sweeps, thrown away or not.
    converged : bool
    """
    kept = P, G, cells.start(P, G)
    sweeps = Sweeps(cells, kept)
    path, n_iter, stopped, converged = [cells.objective(*kept)], 0, False, cells.total == 0
    while n_iter < max_iter and not (stopped or converged):
        for _ in range(min(CHECK_EVERY, max_iter - n_iter)):
            n_iter += 1
            stopped = call(sweeps.step)
            if stopped:
                break
        value = cells.objective(*sweeps.latest)
        if value > path[-1] and not sweeps.plain:
            sweeps.restart(kept, plain=True)
            continue
        converged = path[-1] - value <= tol
        path.append(value)
        kept = sweeps.latest
        if sweeps.plain:
            sweeps.restart(kept, plain=False)
    return kept[0], kept[1], path, max(1, n_iter), bool(converged)


def _extrapolated(latest, before, beta):
    """Return blocks beyond the latest ones."""
    found = []
    for new, old in zip(latest, before, strict=True):
        ratio = np.divide(new, old, out=np.ones_like(new), where=(old > 0) & (new > 0))
        found.append(new * np.clip(ratio, 1 / LARGEST_STEP, LARGEST_STEP) ** beta)
    return found
