"""The protocol of a sampler: it proposes the points of one arm."""

from abc import ABC, abstractmethod


class Sampler(ABC):
    """Proposes points of one arm's space and is told their scores.

    A subclass writes :meth:`ask`, and may extend :meth:`tell` and :meth:`observe`. Whatever
    :meth:`ask` changes besides the state of ``rng``, :meth:`observe` must change alike: a search
    that is resumed replays its journal with `observe` and `tell`, and continues as if it had
    never been interrupted.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Source of all randomness. It is set to the stream of the trial before each :meth:`ask`.

    Attributes
    ----------
    n_init : int
        Number of the first results that do not say what the sampler can do, because it was
        still looking around.
    results : dict
        From the points told so far to their scores, in order.
    """

    n_init = 0

    def __init__(self, space, rng):
        self.space = space
        self.rng = rng
        self.results = {}

    @abstractmethod
    def ask(self, pending=()):
        """Propose a new point.

        Parameters
        ----------
        pending : sequence of tuple, default=()
            The points that were proposed and not told yet.

        Returns
        -------
        u : tuple of space.n_dims floats, or None
            A point of the space; None if all are told or pending.
        """

    def observe(self, u):  # noqa: B027
        """Take note of a point that was proposed without :meth:`ask`.

        Parameters
        ----------
        u : tuple of float
            The point.
        """

    def tell(self, u, score):
        """Take the score of a point.

        Parameters
        ----------
        u : tuple of float
            The point.
        score : float
            Greater is better; NaN or infinite is a failure.
        """
        self.results[u] = score
