"""
Tune C and gamma by single fits
===============================

A grid over the two parameters of a support vector machine costs settings times folds. But its
scores are a hill: along each parameter they rise and then fall.
:class:`~skstruct.model_selection.UnimodalBanditSearchCV` walks over it line by line, one fit on
one split at a time, and drops a third of a line as soon as it looks worse. The number of fits is
given; how fine the grid is hardly matters.
"""

# %%
# A grid of 33 x 29 settings: 957 of them, 4,785 fits with five folds. The search has 120.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    train_test_split,
)
from sklearn.svm import SVC

from skstruct.model_selection import UnimodalBanditSearchCV

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, train_size=300, stratify=y, random_state=0)

grid = {"C": np.logspace(-3, 5, 33), "gamma": np.logspace(-7, 0, 29)}
search = UnimodalBanditSearchCV(SVC(), grid, n_fits=120, random_state=0).fit(X, y)
print(search.best_params_, f"test accuracy {search.score(X_test, y_test):.3f}")

# %%
# Every fourth value of each parameter, on five folds, is a picture of the hill, and what a grid
# search would have done. Beside it: halving of the same coarse grid, and 24 random settings. The
# top of this hill is broad and flat, and whoever gets there is as good as the others.
coarse = {name: values[::4] for name, values in grid.items()}
peers = {
    "grid": GridSearchCV(SVC(), coarse, cv=5),
    "halving": HalvingGridSearchCV(SVC(), coarse, cv=5, random_state=0),
    "random": RandomizedSearchCV(SVC(), grid, n_iter=24, cv=5, random_state=0),
}
points = {"single fits": (search.n_fits_, search.score(X_test, y_test))}
for name, peer in peers.items():
    peer.fit(X, y)
    points[name] = len(peer.cv_results_["params"]) * peer.n_splits_, peer.score(X_test, y_test)
surface = peers["grid"].cv_results_["mean_test_score"].reshape(len(coarse["C"]), -1)

# %%
# Each line that the search has looked along is drawn from one end of its probes to the other, the
# later the lighter; a dot is a setting that was fitted, the larger the more splits it has had.
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), width_ratios=[1.5, 1])
mesh = left.pcolormesh(coarse["gamma"], coarse["C"], surface, cmap="Greys", shading="nearest")
figure.colorbar(mesh, ax=left, label="accuracy on five folds")
phases = search.bandit_.history_[:-3]  # the last three are the play-off
for number, (arms, _) in enumerate(phases):
    i, j = np.array(arms)[[0, -1]].T
    left.plot(grid["gamma"][j], grid["C"][i], color=plt.cm.plasma(number / len(phases)), lw=1)
i, j = np.nonzero(search.n_pulls_)
left.scatter(grid["gamma"][j], grid["C"][i], s=6 * search.n_pulls_[i, j], color="C0", zorder=3)
best = search.best_params_
left.scatter(best["gamma"], best["C"], marker="*", s=250, color="C3", zorder=4, label="choice")
left.set(xscale="log", yscale="log", xlabel="gamma", ylabel="C", title="120 fits on the hill")
left.legend(loc="upper left")
for name, (n_fits, score) in points.items():
    right.scatter(n_fits, score, s=60, color="C3" if name == "single fits" else "C0")
    right.annotate(name, (n_fits, score), xytext=(6, 6), textcoords="offset points")
right.set(xscale="log", xlim=(60, 1500), ylim=(0.9, 1), xlabel="fits", ylabel="test accuracy")
right.set_title("What the fits have bought")
figure.tight_layout()
plt.show()
