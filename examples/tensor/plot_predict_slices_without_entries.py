"""
Predict slices that have no entry
=================================

Is an antibody of a person above its median, if nothing was measured in the blood of that person?
A factorisation of the measurements of others cannot tell; one that also learns how the factors of
people depend on the severity of their disease can, and its probabilities say how far.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import RocCurveDisplay
from tensorly.datasets import load_covid19_serology

from skstruct.tensor import BayesianTensorClassifier

data = load_covid19_serology()
tensor = np.asarray(data.tensor)
severity = np.asarray(data.ticks[0]).astype(str)
X = np.argwhere(np.ones(tensor.shape))  # a row an entry: person, antigen, detection
y = np.where(tensor > np.median(tensor, axis=0), "high", "low").ravel()

# %%
# Three tenths of the people are new, three tenths of the rest is measured
# ------------------------------------------------------------------------
rng = np.random.default_rng(0)
new = (rng.random(len(tensor)) < 0.3)[X[:, 0]]
given = ~new & (rng.random(len(y)) < 0.3)

# %%
# With and without features of the people
# ---------------------------------------
features = (severity[:, np.newaxis] == np.unique(severity)).astype(float)
fig, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
for name, side_info in {"no features": None, "severity": [features, None, None]}.items():
    model = BayesianTensorClassifier(
        4, side_info=side_info, mode_sizes=tensor.shape, random_state=0
    ).fit(X[given], y[given])
    high = list(model.classes_).index("high")
    for axis, rows in zip(axes, (new, ~new & ~given), strict=True):
        probability = model.predict_proba(X[rows])[:, high]
        RocCurveDisplay.from_predictions(
            y[rows], probability, pos_label="high", name=name, ax=axis
        )
axes[0].set(title="people without measurements")
axes[1].set(title="other measurements of known people")
plt.show()
