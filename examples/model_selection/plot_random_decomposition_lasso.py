"""
A penalty for every term of a Lasso
===================================

With one penalty for all terms, a Lasso that drops the useless interactions also shrinks the terms
that matter. A penalty for each of them need not, but 55 penalties are 55 hyper-parameters: too
many for a grid, and for random search.
:class:`~skstruct.model_selection.RandomDecompositionSearchCV` models the score as a sum of
functions of single penalties and of random pairs of them, other pairs for each trial.
"""

# %%
# The ten measurements of the diabetes study and the products of any two of them are 55 columns. To
# divide a column by its weight is to multiply the penalty of its coefficient by it.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, LassoCV
from sklearn.model_selection import KFold, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skstruct.model_selection import RandomDecompositionSearchCV

data = load_diabetes()
terms = make_pipeline(
    StandardScaler(),
    PolynomialFeatures(2, interaction_only=True, include_bias=False),
    StandardScaler(),
)
X = terms.fit_transform(data.data)
y = (data.target - data.target.mean()) / data.target.std()
labels = terms[1].get_feature_names_out(data.feature_names)
names = [f"w{i:02d}" for i in range(X.shape[1])]


class WeightedLasso(RegressorMixin, BaseEstimator):
    """A Lasso with the penalty ``w00`` of the first coefficient, ``w01`` of the second..."""

    def __init__(self, **weights):
        self.weights = weights

    def get_params(self, deep=True):
        return dict(self.weights)

    def set_params(self, **weights):
        self.weights.update(weights)
        return self

    def fit(self, X, y):
        self.scale_ = np.array([self.weights[name] for name in names])
        self.lasso_ = Lasso(alpha=1.0, tol=1e-3).fit(X / self.scale_, y)
        return self

    def predict(self, X):
        return self.lasso_.predict(X / self.scale_)


# %%
# Both searches draw the penalties from the same distribution. Ours begins with what the estimator
# comes with: the one penalty that :class:`~sklearn.linear_model.LassoCV` has found.
cv = KFold(5, shuffle=True, random_state=0)
common = LassoCV(cv=cv).fit(X, y)
common_score = cross_val_score(Lasso(common.alpha_), X, y, cv=cv).mean()
estimator = WeightedLasso(**dict.fromkeys(names, common.alpha_))
space = dict.fromkeys(names, loguniform(1e-3, 10))

ours = RandomDecompositionSearchCV(estimator, space, n_iter=150, cv=cv, random_state=0)
ours.fit(X, y)
random = RandomizedSearchCV(estimator, space, n_iter=150, cv=cv, random_state=0).fit(X, y)
print(f"one penalty {common_score:.3f}, random {random.best_score_:.3f}, ours", end=" ")
print(f"{ours.best_score_:.3f}, both searches with {len(names)} penalties")

# %%
# On the right: the penalties that matter most to the score have the shortest length scales, and
# how often each pair was modelled together. The best score of many trials on the same folds is an
# optimistic one: what 55 tuned penalties are worth on new patients, only other data can tell.
figure, axes = plt.subplot_mosaic(
    [["best", "scales"], ["best", "pairs"]], figsize=(11, 7), layout="constrained"
)
panel = axes["best"]
for label, search, colour in (("random forests of pairs", ours, "C3"), ("random", random, "0.5")):
    best = np.maximum.accumulate(search.cv_results_["mean_test_score"])
    panel.step(np.arange(1, len(best) + 1), best, where="post", color=colour, label=label)
panel.axhline(common_score, color="C0", ls="--", label="one penalty for all (LassoCV)")
panel.set(xlabel="trials", ylabel="best $R^2$ of cross-validation", ylim=(0.44, None))
panel.set_title(f"{len(names)} penalties")
panel.legend(loc="lower right")

sensitivity = 1 / np.array(list(ours.length_scales_.values()))
order = np.argsort(-sensitivity)[:12]
axes["scales"].barh([labels[i] for i in order], sensitivity[order], color="C3")
axes["scales"].invert_yaxis()
axes["scales"].set(xlabel="1 / length scale", title="Penalties that matter")

image = axes["pairs"].imshow(ours.edge_counts_.toarray(), cmap="magma")
axes["pairs"].set(xlabel="penalty", ylabel="penalty", title="Times modelled together")
figure.colorbar(image, ax=axes["pairs"])
plt.show()
