"""A sampler: which parameters an arm tries next."""

from scipy.stats import qmc

from skstruct.model_selection import Sampler


class HaltonSampler(Sampler):
    """Follow a scrambled Halton sequence, which fills the space evenly.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Scrambles the sequence.
    n_points : int, default=256
        Length of the sequence; random points come after it.
    """

    def __init__(self, space, rng, *, n_points=256):
        super().__init__(space, rng)
        d = space.n_dims
        rows = qmc.Halton(max(d, 1), rng=rng).random(n_points)[:, :d]
        self._points = list(dict.fromkeys(space.point(row) for row in rows))

    def ask(self, pending=()):
        """Return the next new point of the sequence.

        Parameters
        ----------
        pending : sequence of points, default=()
            Points that were proposed and not told yet.

        Returns
        -------
        u : tuple of floats, or None if all are used
        """
        used = {*self.results, *pending}
        new = next((u for u in self._points if u not in used), None)
        return self.space.sample_new(self.rng, used) if new is None else new
