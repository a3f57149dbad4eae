"""A policy: which arm gets the next trial."""

import numpy as np

from skstruct.model_selection import ArmPolicy


class GreedyBandit(ArmPolicy):
    """Pull the best arm, and at regular intervals the one that was pulled least.

    Parameters
    ----------
    every : int, default=3
        One pull in so many goes to the arm with the fewest.
    """

    def __init__(self, every=3):
        self.every = every

    def _choose(self):
        pulls = self.n_pulls_ + self.n_pending_
        best = np.array([max(scores, default=-np.inf) for scores in self.scores_])
        best[~self.alive_] = -np.inf
        if pulls.sum() % self.every == 0 or not np.isfinite(best).any():
            return np.where(self.alive_, pulls, np.iinfo(int).max).argmin()
        return best.argmax()
