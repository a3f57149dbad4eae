"""
Let cheap fits choose the expensive ones
========================================

A fit on a ninth of the samples costs a ninth, or less. What does its score say about that of the
full fit? :class:`~skstruct.model_selection.MultiFidelitySearchCV` learns it from the data: one
Gaussian process for all levels of effort, which also says at which level to try what.
"""

# %%
# Two searches on the digits with a budget of twelve full fits each: a support vector machine whose
# resource is the number of training samples, and boosted trees whose resource is the number of
# trees. Both have three levels: a ninth, a third, all.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.svm import SVC

from skstruct.model_selection import MultiFidelitySearchCV

X, y = load_digits(return_X_y=True)
X, y = X[::2], y[::2]
cv = StratifiedKFold(3, shuffle=True, random_state=0)
budget, seeds = 12, range(5)

machine = SVC(), {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-5, 1e0)}
trees = (
    GradientBoostingClassifier(n_estimators=27, random_state=0),
    {
        "learning_rate": loguniform(0.01, 1.0),
        "max_depth": randint(1, 6),
        "max_features": uniform(0.02, 0.4),
        "subsample": uniform(0.4, 0.6),
    },
)
searches = {
    "support vectors, by samples": [
        MultiFidelitySearchCV(*machine, n_iter=budget, cv=cv, random_state=seed).fit(X, y)
        for seed in seeds
    ],
    "boosted trees, by trees": [
        MultiFidelitySearchCV(
            *trees,
            n_iter=budget,
            resource="n_estimators",
            max_resources=27,
            cv=cv,
            random_state=0,
        ).fit(X, y)
    ],
}
for title, (search, *_) in searches.items():
    print(title, search.resources_, f"best {search.best_score_:.4f} with {search.best_params_}")

# %%
# scikit-learn's searches of the same cost: twelve random candidates, and 36 candidates of which
# halving keeps a third, twice. Halving reports the score on its last rung, whose test folds are
# samples of samples; its winner is evaluated again like all others.
first = searches["support vectors, by samples"][0]
random_best, halving_best = [], []
for seed in seeds:
    search = RandomizedSearchCV(*machine, n_iter=budget, cv=cv, random_state=seed).fit(X, y)
    random_best.append(np.maximum.accumulate(search.cv_results_["mean_test_score"]))
    search = HalvingRandomSearchCV(
        *machine,
        n_candidates=3 * budget,
        min_resources=first.resources_[0],
        max_resources=first.resources_[-1],
        factor=3,
        cv=cv,
        random_state=seed,
    ).fit(X, y)
    halving_best.append(cross_val_score(SVC(**search.best_params_), X, y, cv=cv).mean())


# %%
# Each mark is a trial, at the cost spent until then; the line is the best full trial so far. Cheap
# errors are larger as a whole, which does not matter: what matters is whether they rise and fall
# with the full ones. Below are the candidates that were tried at a level and at the next, and by
# what the process multiplies the one for the other.
figure, axes = plt.subplots(2, 2, figsize=(12, 8), height_ratios=[2, 1], layout="constrained")
for (axis, below), (title, (search, *_)) in zip(axes.T, searches.items(), strict=True):
    table, n_levels = search.cv_results_, len(search.resources_)
    error, level = 1 - table["mean_test_score"], table["level"]
    spent = np.cumsum(table["n_resources"]) / search.resources_[-1]
    for t, resource in enumerate(search.resources_):
        here = level == t
        axis.plot(spent[here], error[here], "os^"[t], color=f"C{t}", label=f"{resource}")
    full = np.where(level == n_levels - 1, error, np.inf)
    axis.step(spent, np.minimum.accumulate(full), where="post", color="C2")
    axis.set(title=title, xlabel="cost so far, in full trials", ylabel="error on 3 folds")
    axis.set_yscale("log")

    names = [f"param_{name}" for name in search.param_distributions]
    candidates = list(zip(*(table[name] for name in names), strict=True))
    at = [
        {c: e for c, e, s in zip(candidates, error, level, strict=True) if s == t}
        for t in range(n_levels)
    ]
    for t, rho in enumerate(search.rho_):
        both = at[t].keys() & at[t + 1].keys()
        cheap, dear = ([at[s][c] for c in both] for s in (t, t + 1))
        label = rf"{search.resources_[t]} and {search.resources_[t + 1]}: $\rho$ = {rho:.2f}"
        below.plot(cheap, dear, "os"[t], color=f"C{t}", label=label)
    below.set(xlabel="error at a level", ylabel="at the next", xscale="log", yscale="log")
    below.legend(fontsize=8)

steps = range(1, budget + 1)
median = np.median(random_best, axis=0)
axes[0, 0].step(steps, 1 - median, where="post", color="0.4", ls="--", label="random")
axes[0, 0].plot(budget, 1 - np.median(halving_best), "D", color="k", label="halving")
for axis, search in zip(axes[0], (first, searches["boosted trees, by trees"][0]), strict=True):
    axis.legend(title=search.resource, loc="lower left", fontsize=8)
ours = np.median([search.best_score_ for search in searches["support vectors, by samples"]])
print(
    f"medians of 5 seeds: multi-fidelity {ours:.4f}, halving {np.median(halving_best):.4f}, "
    f"random {median[-1]:.4f}"
)
plt.show()
