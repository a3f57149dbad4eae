"""An estimator with many parameters whose scores are known; workers can import it."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Bowl(ClassifierMixin, BaseEstimator):
    """Scores highest where all numbers are .3; fits in a corner fail, or are interrupted."""

    def __init__(self, a=0.9, b=0.9, c=0.9, d=0.9, e=0.9, f=0.9, kind="flat", one=0, fail=False):
        self.a = a
        self.b = b
        self.c = c
        self.d = d
        self.e = e
        self.f = f
        self.kind = kind
        self.one = one
        self.fail = fail

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.fail and self.a > 0.7:
            raise RuntimeError("too much of a")
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        z = np.array([self.a, self.b, self.c, self.d, self.e, self.f]) - 0.3
        return -z @ z - 0.5 * z[0] * z[1] - (self.kind == "steep") * np.abs(z).sum()
