"""
Choose among six pipelines while tuning them
============================================

Which classifier, and with which hyper-parameters? Searched one after the other, most of the fits
go to pipelines that were never going to win.
:class:`~skstruct.model_selection.RisingBanditSearchCV` tunes all of them at once and, after each
round, asks of each: if your best score kept rising as fast as it did lately, for all the trials
that are left, would you overtake the leader? Who would not is dropped.
"""

# %%
# Six pipelines are six arms. :func:`~skstruct.model_selection.cash_space` joins them into one
# estimator and the list of dictionaries that scikit-learn's searches take as well.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skstruct.model_selection import RisingBanditSearchCV, cash_space

X, y = load_digits(return_X_y=True)
X, y = X[::4], y[::4]

arms = {
    "logistic": (
        make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=200)),
        {"logisticregression__C": loguniform(1e-3, 1e3)},
    ),
    "svm": (SVC(), {"C": loguniform(1e-1, 1e3), "gamma": loguniform(1e-6, 1e-1)}),
    "neighbours": (
        KNeighborsClassifier(),
        {"n_neighbors": randint(1, 30), "weights": ["uniform", "distance"]},
    ),
    "extra trees": (
        ExtraTreesClassifier(n_estimators=20, random_state=0),
        {"max_features": loguniform(0.05, 1.0), "min_samples_leaf": randint(1, 10)},
    ),
    "tree": (
        DecisionTreeClassifier(random_state=0),
        {"min_samples_leaf": randint(1, 20), "max_depth": randint(2, 20)},
    ),
    "discriminant": (
        LinearDiscriminantAnalysis(solver="lsqr"),
        {"shrinkage": loguniform(1e-4, 1.0)},
    ),
}
names = list(arms)
estimator, distributions = cash_space(arms)
n_iter = 60


def search_with(policy, seed):
    search = RisingBanditSearchCV(
        estimator, distributions, n_iter=n_iter, policy=policy, cv=3, random_state=seed
    )
    return search.fit(X, y)


rising = search_with("rising", 0)
print(f"best: {rising.best_score_:.4f} with {rising.best_params_}")

# %%
# Of scikit-learn's random search we take five runs over the same arms, and of ours too.
seeds = range(5)
ours = [rising] + [search_with("rising", seed) for seed in seeds[1:]]
theirs = [
    RandomizedSearchCV(estimator, distributions, n_iter=n_iter, cv=3, random_state=seed).fit(X, y)
    for seed in seeds
]
policies = {"rising": rising} | {name: search_with(name, 0) for name in ("max_ucb", "round_robin")}

# %%
# Above on the left: the best score of each arm so far, with the range in which it could end as
# the bandit sees it, and a cross where it is dropped; the tree stays below the picture. Below: how
# each policy spends the trials. On the right: the median and the quartiles of the best score.
figure, axes = plt.subplot_mosaic(
    [["arms", "best"], ["share", "best"]],
    figsize=(12, 7),
    width_ratios=[3, 2],
    height_ratios=[3, 2],
    layout="constrained",
)
panel = axes["arms"]
t, lower, upper = (np.array(part) for part in zip(*rising.policy_trace_, strict=True))
trials = rising.trials_
for k, name in enumerate(names):
    pulls = [(trial["number"] + 1, trial["score"]) for trial in trials if trial["arm"] == k]
    number, score = np.array(pulls).T
    panel.step(number, np.maximum.accumulate(score), where="post", color=f"C{k}", label=name)
    panel.fill_between(t, lower[:, k], upper[:, k], color=f"C{k}", alpha=0.12, lw=0)
    dropped = rising.arm_summary_["eliminated_at"][k]
    if not np.isnan(dropped):
        panel.plot(dropped, score.max(), "x", color=f"C{k}", ms=10, mew=2.5)
panel.set(xlabel="trials", ylabel="accuracy", ylim=(0.9, 1.005), xlim=(0, n_iter))
panel.set_title("What each arm has reached, and could still reach")
panel.legend(ncols=3, fontsize=8, loc="upper left")

left = np.zeros(len(policies))
for k in range(len(names)):
    share = [search.arm_summary_["n_pulls"][k] / n_iter for search in policies.values()]
    axes["share"].barh(list(policies), share, left=left, color=f"C{k}")
    left += share
axes["share"].set(xlabel="share of the trials", xlim=(0, 1))
axes["share"].invert_yaxis()

for label, searches, colour in (("rising bandit", ours, "C3"), ("random search", theirs, "0.4")):
    best = [np.maximum.accumulate(s.cv_results_["mean_test_score"]) for s in searches]
    low, middle, high = np.quantile(best, [0.25, 0.5, 0.75], axis=0)
    steps = np.arange(1, n_iter + 1)
    axes["best"].fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
    axes["best"].plot(steps, middle, color=colour, label=label)
axes["best"].set(xlabel="trials", ylabel="best accuracy so far", ylim=(0.94, None))
axes["best"].set_title("Best of all arms")
axes["best"].legend(loc="lower right")
plt.show()
