"""An estimator whose score depends on the number of training samples, and that keeps a record."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

LOG = []


class Sized(ClassifierMixin, BaseEstimator):
    """Scores ``peak - (x - 0.3)^2 - (z - 0.6)^2``, more of it if trained on fewer samples.

    Parameters
    ----------
    x, z, peak : float
        Decide the score.
    log : bool
        Whether every fit appends what it has seen to `LOG`.
    what : str
        What that is: "size" or "last" of the samples, or "weights", whether they are theirs.
    interrupt_at : int or None
        The fit that finds so many entries in `LOG`, its own included, is interrupted.
    fail_above : float
        Fits with a larger x raise.
    """

    def __init__(
        self, x=0.9, z=0.9, peak=1.0, log=False, what="size", interrupt_at=None, fail_above=2.0
    ):
        self.x = x
        self.z = z
        self.peak = peak
        self.log = log
        self.what = what
        self.interrupt_at = interrupt_at
        self.fail_above = fail_above

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        self.size_ = len(X)
        if self.log:
            seen = {
                "size": len(X),
                "last": int(X[-1, 0]) // 2,
                "weights": sample_weight is not None and np.array_equal(sample_weight, X[:, 0]),
            }
            LOG.append(seen[self.what])
        if len(LOG) == self.interrupt_at:
            raise KeyboardInterrupt
        if self.x > self.fail_above:
            raise ValueError("x is above")
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        height = self.peak - (self.x - 0.3) ** 2 - (self.z - 0.6) ** 2
        return height + 3 / np.log10(self.size_) + 0.2 * self.x * 37 / self.size_
