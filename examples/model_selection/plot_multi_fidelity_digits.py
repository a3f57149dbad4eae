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
# Each dot is a trial, at the cost spent until then; the line is the best full score so far. Cheap
# scores are lower as a whole, which does not matter: what matters is whether they rise and fall
# with the full ones. The insets have the candidates that were tried at several levels, and the
# slopes that the process has found for one level against the one below.
def best_so_far(search):
    share = search.cv_results_["n_resources"] / search.resources_[-1]
    full = share == 1
    scores = np.where(full, search.cv_results_["mean_test_score"], -np.inf)
    return np.cumsum(share), np.maximum.accumulate(scores)


figure, axes = plt.subplots(1, 2, figsize=(13, 5.5), layout="constrained")
for axis, (title, (search, *_)) in zip(axes, searches.items(), strict=True):
    table = search.cv_results_
    spent, best = best_so_far(search)
    for level, resource in enumerate(search.resources_):
        here = table["level"] == level
        axis.plot(
            spent[here],
            table["mean_test_score"][here],
            "os^"[level],
            color=f"C{level}",
            ms=5,
            label=f"{resource}",
        )
    axis.step(spent, best, where="post", color="C2", lw=1.5)
    axis.set(title=title, xlabel="cost so far, in full trials", ylabel="accuracy, 3 folds")
    axis.legend(title=search.resource, loc="lower right", ncols=3)

    scores = {}
    searched = [key for key in table if key.startswith("param_") and "n_estimators" not in key]
    points = zip(*(table[key] for key in searched), strict=True)
    for point, level, score in zip(points, table["level"], table["mean_test_score"], strict=True):
        scores.setdefault(point, {})[level] = score
    pairs = [
        (s[t], s[t + 1], t) for s in scores.values() for t in (0, 1) if {t, t + 1} <= s.keys()
    ]
    inset = axis.inset_axes([0.42, 0.28, 0.34, 0.34])
    for t in (0, 1):
        below, above = np.array([pair[:2] for pair in pairs if pair[2] == t]).T
        inset.plot(below, above, "o", color=f"C{t}", ms=4, label=rf"$\rho$ = {search.rho_[t]:.2f}")
    inset.set_xlabel("score at a level", fontsize=8)
    inset.set_ylabel("at the next", fontsize=8)
    inset.tick_params(labelsize=7)
    inset.legend(fontsize=7, loc="lower right")

middle = np.median(random_best, axis=0)
axes[0].step(
    range(1, budget + 1), middle, where="post", color="0.4", ls="--", label="random search"
)
axes[0].axhline(np.median(halving_best), color="0.4", ls=":")
ours = np.median([search.best_score_ for search in searches["support vectors, by samples"]])
print(
    f"medians of 5 seeds: multi-fidelity {ours:.4f}, halving {np.median(halving_best):.4f}, "
    f"random {middle[-1]:.4f}"
)
plt.show()
