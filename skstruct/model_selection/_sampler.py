"""The protocol of a sampler: it proposes the points of one arm."""

from abc import ABC, abstractmethod


class Sampler(ABC):
    """Proposes points of one arm's space and is told their scores.

    A subclass writes :meth:`ask`, and may extend :meth:`tell` and :meth:`observe`. Whatever
    :meth:`ask` changes besides the state of ``rng``, :meth:`observe` must change alike: a search
    that is resumed replays its journal with `observe` and `tell`, and continues as if it had
    never been interrupted.

    A sampler that chooses the effort of a trial too, or learns from more than its score, extends
    :meth:`propose`, :meth:`note` and :meth:`learn` instead, which by default hand on to these.

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
    first_level : float or None
        Share of the full effort that the start point of the search is evaluated with.
    results : dict
        From the points told so far to their scores, in order.
    """

    n_init = 0
    first_level = None

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

    def propose(self, pending):
        """Propose a new point and the effort to evaluate it with.

        Parameters
        ----------
        pending : tuple of Proposal
            Those not told yet.

        Returns
        -------
        u : tuple of float
            A point of the space.
        level : float or None
            Share of the full effort; None is all. Instead of the pair None, if nothing is left.
        """
        u = self.ask(tuple(proposal.u for proposal in pending))
        return None if u is None else (u, None)

    def note(self, proposal):
        """Take note of a proposal that was made without :meth:`propose`.

        Parameters
        ----------
        proposal : Proposal
            Of this arm.
        """
        self.observe(proposal.u)

    def learn(self, result):
        """Take the result of a proposal.

        Parameters
        ----------
        result : TrialResult
            Of this arm.
        """
        self.tell(result.proposal.u, result.score)
