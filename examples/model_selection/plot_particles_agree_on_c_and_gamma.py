"""
Particles agree on C and gamma
==============================

:class:`~skstruct.model_selection.ConsensusSearchCV` moves fifteen settings of a support vector
machine through the plane of C and gamma. In each iteration all of them are fitted on one split of
the digits, and drawn to the mean of the best; the last fits compare four settings on fresh splits.
Beside it, random search spends five fits on each setting.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV, train_test_split
from sklearn.svm import SVC

from skstruct.model_selection import ConsensusSearchCV

X, y = load_digits(return_X_y=True)
X = X / 16
ranges = {"C": (1e-3, 1e4), "gamma": (1e-6, 1e2)}


def search(n_fits, seed):
    space = {name: (*ends, "log") for name, ends in ranges.items()}
    return ConsensusSearchCV(SVC(), space, n_fits=n_fits, random_state=seed)


def random_search(n_fits, seed):
    space = {name: loguniform(*ends) for name, ends in ranges.items()}
    return RandomizedSearchCV(SVC(), space, n_iter=n_fits // 5, random_state=seed)


# %%
# Test accuracy against the number of fits
# ----------------------------------------
budgets = [20, 40, 80, 150]
accuracy = np.empty((2, len(budgets), 3))
for seed in range(accuracy.shape[2]):
    train, test, labels, truth = train_test_split(
        X, y, train_size=200, stratify=y, random_state=seed
    )
    for i, n_fits in enumerate(budgets):
        for j, make in enumerate((search, random_search)):
            accuracy[j, i, seed] = make(n_fits, seed).fit(train, labels).score(test, truth)

# %%
# The particles on their way
# --------------------------
fitted = search(150, 0).fit(train, labels)
results = fitted.cv_results_
C, gamma = (np.asarray(results[f"param_{name}"], dtype=float) for name in ranges)
path = np.array([[params[name] for name in ranges] for params in fitted.consensus_path_])
last = fitted.n_iterations_ - 1

fig, axes = plt.subplots(1, 5, figsize=(17, 3.6), layout="constrained")
for axis, iteration in zip(axes, (0, last // 3, 2 * last // 3, last), strict=False):
    rows = results["iteration"] == iteration
    dots = axis.scatter(
        C[rows], gamma[rows], c=results["mean_test_score"][rows], vmin=0, vmax=1, edgecolors="gray"
    )
    axis.plot(*path[: iteration + 1].T, "-", color="tab:red", linewidth=1)
    axis.plot(*path[iteration], "*", color="tab:red", markersize=14)
    axis.set(xscale="log", yscale="log", xlim=ranges["C"], ylim=ranges["gamma"], xlabel="C")
    axis.set_title(f"iteration {iteration}, split {iteration}")
axes[0].set_ylabel("gamma")
fig.colorbar(dots, ax=axes[3], label="accuracy on the split")

axis = axes[4]
for scores, label in zip(accuracy, ("consensus", "random"), strict=True):
    axis.plot(budgets, scores.mean(axis=1), "o-", label=label)
    axis.fill_between(budgets, scores.min(axis=1), scores.max(axis=1), alpha=0.2)
axis.set(xlabel="fits", title="test accuracy, mean and range of 3 splits")
axis.legend()
plt.show()
