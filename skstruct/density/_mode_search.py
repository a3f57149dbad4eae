"""The search for the modes of a density: in projections of few centers, then on all points."""

import numpy as np

from skstruct.density._kernel_ascent import KernelDensitySum, merge

SIDESTEP = 0.2  # distance, in bandwidths, at which a mode is left to see whether it is one


def project(points, projection):
    """Return points R, or points where R is None."""
    return points if projection is None else points @ projection


class ModeSearch:
    """Search for the modes of a density whose bandwidth is 1.

    Parameters
    ----------
    density : KernelDensitySum
        The density of all points.
    tol, merge_tol, max_iter
        As of KDEModeFinder.

    Attributes
    ----------
    centers : KernelDensitySum
        The density of the centers in the last projection.
    n_iter : int
        Largest number of steps of an ascent; max_iter + 1 if that was not enough.
    """

    def __init__(self, density, tol, merge_tol, max_iter):
        self.density = density
        self.tol = tol
        self.merge_tol = merge_tol
        self.max_iter = max_iter
        self.n_iter = 0

    def run(self, C, weight, seeds, projections):
        """Find modes from seeds by way of the centers C in each projection.

        Returns
        -------
        modes : ndarray of shape (n_modes, n_features)
            The modes, densest first.
        log_p : ndarray of shape (n_modes,)
            log p there.
        anchors : ndarray of shape (n_anchors, n_components)
            Modes of the density of the centers in the last projection.
        owner : ndarray of shape (n_anchors,)
            The mode that each belongs to.
        """
        self._around = KernelDensitySum(C, weight, *self.density.profile)
        lifted = seeds[:0]
        if self.density.singular:  # each point may be a mode: the densest seed is a candidate
            lifted = seeds[[self.density.log_density(seeds).argmax()]]
        for projection in projections:
            self.centers = self._around
            if projection is not None:
                self.centers = KernelDensitySum(C @ projection, weight, *self.density.profile)
            starts = project(np.concatenate((seeds, lifted)), projection)
            ends, log_p = self._ascend(self.centers, self.centers.leave_points(starts), self.tol)
            kept, _ = merge(ends, log_p, self.merge_tol)
            anchors = ends[kept]
            lifted = np.concatenate((lifted, self.centers.means(anchors, C)[1]))
        modes, log_p, owner = self._polish(lifted)
        owner = owner[-len(anchors) :]
        unseen = np.setdiff1d(np.arange(len(modes)), owner)
        more, _ = self._ascend(self.centers, project(modes[unseen], projections[-1]), self.tol)
        return modes, log_p, np.concatenate((anchors, more)), np.concatenate((owner, unseen))

    def _ascend(self, density, start, tol):
        ends, log_p, n_iter = density.ascend(start, tol, self.max_iter)
        self.n_iter = max(self.n_iter, n_iter.max(initial=0))
        return ends, log_p

    def _polish(self, points):
        """Ascend on the density of all points; return modes, log p there, the mode of each point.

        What is a saddle or a plateau is left to both sides in the direction in which the density
        of the centers is flattest, and replaced if that ends denser elsewhere.
        """
        ends, log_p = self._ascend(self.density, points, self.tol / 10)
        kept, owner = merge(ends, log_p, self.merge_tol)
        modes, log_p = ends[kept], log_p[kept]
        aside = SIDESTEP * self._around.flattest_directions(modes)
        starts = np.concatenate((modes + aside, modes - aside))
        ends, log_ends = self._ascend(self.density, starts, self.tol / 10)
        denser = np.arange(len(modes))
        denser += len(modes) * (log_ends[len(modes) :] > log_ends[: len(modes)])
        ends, log_ends = ends[denser], log_ends[denser]
        away = ((ends - modes) ** 2).sum(axis=1) > self.merge_tol**2
        left = away & (log_ends > log_p)
        modes, log_p = np.where(left[:, np.newaxis], ends, modes), np.where(left, log_ends, log_p)
        kept, again = merge(modes, log_p, self.merge_tol)
        return modes[kept], log_p[kept], again[owner]
