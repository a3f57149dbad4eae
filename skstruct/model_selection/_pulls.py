"""Searches whose trials are pulls: one fit on one split of the data.

A *learner* plans pulls in batches: ``ask()`` returns a list of (point, split), ``tell(scores)``
takes their scores, and ``done`` says that there are no more. `BatchCore` lets the engine ask for
the pulls of a batch one by one and hands the scores back in the order of the list, whatever order
they came in: the result does not depend on the number of workers.
"""

import math
from abc import abstractmethod
from numbers import Integral

import numpy as np

from skstruct._validation import Interval
from skstruct.model_selection._base import BaseEngineSearchCV
from skstruct.model_selection._core import WAIT, Proposal
from skstruct.model_selection._folds import repeated_folds
from skstruct.model_selection._space import Space


class BatchCore:
    """Asks for the pulls of a learner one at a time.

    A pull that fails scores as the worst one that did not; 0 if there is none.

    Parameters
    ----------
    learner : object
        With ``ask()``, ``tell(scores)`` and ``done``.
    """

    def __init__(self, learner):
        self.learner = learner
        self._worst = math.inf
        self._batch = []  # proposals; those asked come first
        self._n_asked = 0
        self._scores = []  # of the batch, None where not told

    def ask(self):
        """Return the next `Proposal`, `WAIT` before the next batch, None after the last."""
        self._refill()
        if self._n_asked == len(self._batch):
            return WAIT if self._batch else None
        self._n_asked += 1
        return self._batch[self._n_asked - 1]

    def observe(self, proposal):
        """Take note of a proposal made elsewhere, as if the last `ask` had returned it."""
        expected = self.ask()
        if proposal != expected:
            raise ValueError(
                f"The journal has {proposal} where this search asks for {expected}: it was begun "
                "with other parameters."
            )

    def tell(self, result):
        """Take the `TrialResult` of a pending proposal."""
        i = next(
            i
            for i, proposal in enumerate(self._batch[: self._n_asked])
            if proposal == result.proposal and self._scores[i] is None
        )
        self._scores[i] = result.score
        if None not in self._scores:
            finite = (score for score in self._scores if math.isfinite(score))
            self._worst = min(self._worst, *finite, math.inf)
            floor = self._worst if self._worst < math.inf else 0.0
            self.learner.tell([s if math.isfinite(s) else floor for s in self._scores])
            self._batch, self._n_asked = [], 0

    def _refill(self):
        if not self._batch and not self.learner.done:
            self._batch = [Proposal(0, point, split=k) for point, k in self.learner.ask()]
            self._scores = [None] * len(self._batch)


def axis(name, entry, n_values):
    """Return values of a parameter in order: those of a sequence, or quantiles, ascending."""
    if not hasattr(entry, "rvs"):
        return entry
    space = Space({name: entry})
    quantiles = (np.arange(n_values) + 0.5) / n_values
    return list(dict.fromkeys(space.decode((u,))[name] for u in quantiles))


class BasePullSearchCV(BaseEngineSearchCV):
    """Base of the searches that spend `n_fits` fits, one split each."""

    _parameter_constraints: dict = {
        **BaseEngineSearchCV._parameter_constraints,
        "n_fits": [Interval(Integral, 1, None, closed="left")],
    }
    _parameter_constraints.pop("return_train_score")

    @abstractmethod
    def __init__(self, estimator, *, n_fits, **engine):
        super().__init__(estimator, **engine)
        self.n_fits = n_fits

    @abstractmethod
    def _make_learner(self, space, *, n_fits, seed):
        """Return the learner that plans the pulls.

        Parameters
        ----------
        space : Space
            Of `_distributions`; the points of the learner are its points.
        n_fits : int
            Number of pulls.
        seed : int
            Decides all that is random.
        """

    @property
    def n_iter(self):
        return self.n_fits

    def _make_core(self, spaces, *, budget, seed, **context):
        return BatchCore(self._make_learner(spaces[0], n_fits=budget, seed=seed))

    def _make_folds(self, X, y, estimator, split_params, seed):
        return repeated_folds(self.cv, X, y, estimator, split_params, seed)

    def _identity(self):
        return {"n_fits": str(self.n_fits)}
