"""
The smallest model that finds enough tumours
============================================

Objective and constraint can change places. Here a forest must find 93 % of the malignant tumours,
with 93 % of its alarms right, and the search looks for the smallest one that does:
:class:`~skstruct.model_selection.ConstrainedSearchCV` with the size as the score, and recall and
precision as constraints. Random search, which looks at the limits afterwards, has to be lucky to
meet them and lucky again to be small.
"""

# %%
# A scorer may be any function of a fitted estimator. The size is scored by its logarithm: half the
# size is worth the same everywhere. The malignant class is 0.
import pickle

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import make_scorer, precision_score, recall_score
from sklearn.model_selection import RandomizedSearchCV

from skstruct.model_selection import ConstrainedSearchCV

X, y = load_breast_cancer(return_X_y=True)


def smallness(estimator, X, y):
    return -np.log(len(pickle.dumps(estimator)))


scoring = {
    "smallness": smallness,
    "recall": make_scorer(recall_score, pos_label=0),
    "precision": make_scorer(precision_score, pos_label=0, zero_division=0),
}
forest = ExtraTreesClassifier(random_state=0)
space = {
    "n_estimators": randint(1, 60),
    "max_leaf_nodes": randint(2, 60),
    "max_features": loguniform(0.05, 1.0),
    "class_weight": [None, "balanced"],
}
common = {"scoring": scoring, "n_iter": 40, "cv": 3, "random_state": 0}
enough = 0.93

search = ConstrainedSearchCV(
    forest,
    space,
    constraints={"recall": (">=", enough), "precision": (">=", enough)},
    refit="smallness",
    **common,
).fit(X, y)
print(f"{np.exp(-search.best_score_) / 1000:.1f} kB with {search.best_params_}")
print(f"above the bounds by {search.constraint_slack_}")


# %%
# The same by scikit-learn, with a ``refit`` that looks at the limits when all is done.
def smallest_that_will_do(results):
    will_do = (results["mean_test_recall"] >= enough) & (results["mean_test_precision"] >= enough)
    return int(np.where(will_do, results["mean_test_smallness"], -np.inf).argmax())


random = RandomizedSearchCV(forest, space, refit=smallest_that_will_do, **common).fit(X, y)

# %%
# Each dot is a trial; those to the right of the line meet the limit of recall, and the filled ones
# that of precision too.
figure, axes = plt.subplots(
    1, 2, figsize=(11, 4.5), sharex=True, sharey=True, layout="constrained"
)
for panel, each in zip(axes, (search, random), strict=True):
    results, best = each.cv_results_, each.best_index_
    kilobytes = np.exp(-results["mean_test_smallness"]) / 1000
    recall, precise = results["mean_test_recall"], results["mean_test_precision"] >= enough
    panel.axvspan(enough, 1, color="C2", alpha=0.12, lw=0)
    panel.scatter(recall[precise], kilobytes[precise], color="C0", label="precise enough")
    panel.scatter(recall[~precise], kilobytes[~precise], ec="C0", fc="none", label="not precise")
    panel.plot(recall[best], kilobytes[best], "*", color="C3", ms=18, label="chosen")
    met = (precise & (recall >= enough)).mean()
    panel.set_title(
        f"{type(each).__name__}: {kilobytes[best]:.1f} kB, {met:.0%} of the trials will do"
    )
    panel.set(xlabel="recall of malignant tumours", yscale="log", xlim=(0.8, 0.97))
axes[0].set(ylabel="size of the model in kB")
axes[0].legend(loc="upper left")
plt.show()
