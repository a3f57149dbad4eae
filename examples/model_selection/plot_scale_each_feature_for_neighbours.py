"""
A scale for each feature of a nearest-neighbour classifier
==========================================================

Nearest neighbours take all standardised features for equally important. How much each of 30
features is to count is a hyper-parameter of its own, and
:class:`~skstruct.model_selection.RandomDecompositionSearchCV` tunes all of them at once, together
with the number of neighbours.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.model_selection import RandomDecompositionSearchCV

data = load_breast_cancer()
names = [name.replace(" ", "_") for name in data.feature_names]
X, X_test, y, y_test = train_test_split(data.data, data.target, test_size=0.4, random_state=0)


class Scales(TransformerMixin, BaseEstimator):
    """Multiply each feature by the parameter of its name."""

    def __init__(self, **scales):
        self.scales = scales

    def get_params(self, deep=True):
        return dict(self.scales)

    def set_params(self, **scales):
        self.scales.update(scales)
        return self

    def fit(self, X, y=None):
        self.scale_ = np.array([self.scales[name] for name in names])
        return self

    def transform(self, X):
        return X * self.scale_


# %%
# Equal scales and the best number of neighbours are where our search begins. Random search has as
# many trials as ours.
estimator = Pipeline(
    [
        ("standardise", StandardScaler()),
        ("scales", Scales(**dict.fromkeys(names, 1.0))),
        ("neighbours", KNeighborsClassifier()),
    ]
)
grid = {"neighbours__n_neighbors": list(range(3, 40, 2))}
equal = GridSearchCV(estimator, grid, scoring="neg_log_loss").fit(X, y)

space = {f"scales__{name}": loguniform(0.1, 10) for name in names}
space["neighbours__n_neighbors"] = randint(3, 40)
settings = {"n_iter": 120, "scoring": "neg_log_loss", "random_state": 0}
ours = RandomDecompositionSearchCV(equal.best_estimator_, space, **settings).fit(X, y)
random = RandomizedSearchCV(equal.best_estimator_, space, **settings).fit(X, y)
for label, search in (("equal", equal), ("random", random), ("ours", ours)):
    test = search.score(X_test, y_test)
    print(f"{label:6s} log loss {-search.best_score_:.3f}, on other data {-test:.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
for label, search, colour in (("random forests of pairs", ours, "C3"), ("random", random, "0.5")):
    best = -np.maximum.accumulate(search.cv_results_["mean_test_score"])
    left.step(np.arange(1, len(best) + 1), best, where="post", color=colour, label=label)
left.axhline(-equal.best_score_, color="C0", ls="--", label="equal scales")
left.set(xlabel="trials", ylabel="best log loss of cross-validation", title="31 parameters")
left.legend()

scales = np.array([ours.best_params_[f"scales__{name}"] for name in names])
order = np.argsort(scales)
right.barh([names[i] for i in order], scales[order], left=0, color="C3")
right.axvline(1, color="C0", ls="--")
right.set(xscale="log", xlabel="scale", title="How much each feature counts")
right.tick_params(axis="y", labelsize=8)
plt.show()
