"""Independent random points."""

from skstruct.model_selection._sampler import Sampler


class RandomSampler(Sampler):
    """Draw each point from the distributions of the space, never the same one twice.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Source of all randomness.

    See Also
    --------
    GPSampler : Learns from the scores.

    References
    ----------
    J. Bergstra, Y. Bengio. Random search for hyper-parameter optimization. Journal of Machine
    Learning Research 13, 2012.
    """

    def ask(self, pending=()):
        return self.space.sample_new(self.rng, self.results.keys() | set(pending))
