"""
A holdout that lies, and one that does not
==========================================

Odd digits are to be told from even ones. Half of the rows train, half are a holdout, and a third
part is never looked at. Among the 64 pixels and 3000 columns of noise, an analyst selects the
columns whose correlation with the target has the same sign on both parts, keeps the `k` strongest,
and reports the accuracy of their vote on the holdout: the usual habit. The holdout has been asked
about each column, and the more columns it has helped to choose, the more it flatters.

With :class:`~skstruct.model_selection.ReusableHoldout` between the analyst and the rows, the same
questions get answers that stay close to the truth: columns are confirmed by the training part
unless the holdout objects, and a model that does much better in training than on the holdout gets
the holdout's accuracy, with a little noise.
"""

# %%
# One analyst, two mechanisms
# ---------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skstruct.model_selection import ReusableHoldout, ReusableHoldoutSelector

rng = np.random.default_rng(0)
pixels, digit = load_digits(return_X_y=True)
table = np.hstack([pixels, rng.normal(size=(len(pixels), 3000))])
X, X_fresh, y, y_fresh = train_test_split(
    table, digit % 2, test_size=0.3, stratify=digit, random_state=0
)


def vote(X_train, y_train):
    """Return a function that predicts by the signs of the correlations with the target."""
    mean, deviation = X_train.mean(axis=0), X_train.std(axis=0) + 1e-12
    sign = np.sign((X_train - mean).T @ (2.0 * y_train - 1))
    return lambda X: ((X - mean) / deviation @ sign > 0).astype(int)


def report(mechanism, k):
    """Return the accuracy that the analyst reports, and the one on rows never looked at."""
    holdout = ReusableHoldout(mechanism=mechanism, random_state=0).fit(X, y)
    selector = ReusableHoldoutSelector(k, holdout=holdout).fit(X, y)
    columns = selector.get_support(indices=True)
    predict = vote(holdout.X_train_[:, columns], holdout.y_train_)
    reported = holdout.query(lambda X, y: predict(X[:, columns]) == y)
    return reported, np.mean(predict(X_fresh[:, columns]) == y_fresh)


counts = [20, 40, 80, 160, 320, 640]
curves = {name: [report(name, k) for k in counts] for name in ("naive", "thresholdout")}

# %%
# Reported and true accuracy
# --------------------------
# The band is the threshold within which an answer may repeat the training part.

figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axes, (name, values) in zip(panels, curves.items(), strict=True):
    reported, fresh = np.transpose(values)
    axes.plot(counts, reported, "o-", label="reported")
    axes.plot(counts, fresh, "s--", color="k", label="on fresh rows")
    axes.set(xscale="log", xlabel="columns selected", title=name)
    print(name, "reports too much by", np.round(reported - fresh, 3))
threshold = ReusableHoldout(random_state=0).fit(X, y).threshold_
panels[1].fill_between(counts, fresh - threshold, fresh + threshold, alpha=0.15, lw=0)
panels[0].set_ylabel("accuracy")
panels[0].legend()
plt.show()
