"""
One model predicts every column from the others
===============================================

A regressor answers one question. A mixture of whole rows answers them all: here each column of the
diabetes table, target included, is predicted from the ten others by the same fitted object, with a
standard deviation for each prediction, beside a ridge regression fitted anew for every column.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skstruct.density import IncrementalGaussianMixture

diabetes = load_diabetes()
names = [*diabetes.feature_names, "target"]
table = StandardScaler().fit_transform(np.column_stack((diabetes.data, diabetes.target)))
train, test = train_test_split(table, random_state=0)

# %%
# One fit, eleven questions
# -------------------------
mixture = IncrementalGaussianMixture(novelty=1e-4, delta=1.0, random_state=0).fit(train)
ours, ridge, inside = [], [], []
for column in range(len(names)):
    others = np.delete(np.arange(len(names)), column)
    mean, std = mixture.predict_conditional(test[:, others], others, return_std=True)
    ours.append(r2_score(test[:, column], mean[:, 0]))
    inside.append(np.mean(np.abs(test[:, column] - mean[:, 0]) < 1.96 * std[:, 0]))
    linear = RidgeCV().fit(train[:, others], train[:, column])
    ridge.append(linear.score(test[:, others], test[:, column]))

# %%
# Quality on held-out patients
# ----------------------------
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
place = np.arange(len(names))
left.barh(place - 0.2, ours, 0.4, label="one mixture")
left.barh(place + 0.2, ridge, 0.4, label="eleven ridge regressions")
left.set(yticks=place, yticklabels=names, xlabel="$R^2$ on held-out rows", xlim=(0, 1))
left.legend()
right.plot(inside, place, "o")
right.axvline(0.95, color="tab:gray", linestyle=":")
right.set(xlabel="share of held-out values within 1.96 std", xlim=(0.5, 1))
plt.show()
