"""
A classifier that forgets follows a drift
=========================================

Handwritten digits come in batches of 50. Each batch is first classified and then learnt, so that
every accuracy below is one on digits that the classifier has yet to learn. At half time the
meaning of the labels changes: all of them move on by one. The joint mixture of digits and labels
that remembers everything then carries every digit twice, under its old and its new label; with
``forgetting=0.995``, a memory of about 200 digits, the old one fades.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skstruct.density import IncrementalGaussianMixtureClassifier

X, y = load_digits(return_X_y=True)
X = PCA(16, random_state=0).fit_transform(X)
rows = np.concatenate([np.random.default_rng(seed).permutation(len(X)) for seed in (0, 1, 2, 3)])
half = len(rows) // 2
labels = np.where(np.arange(len(rows)) < half, y[rows], (y[rows] + 1) % 10)

# %%
# One pass each, batch by batch
# -----------------------------
accuracy, size = {}, {}
for forgetting in (1.0, 0.995):
    classifier = IncrementalGaussianMixtureClassifier(forgetting=forgetting, mode="joint")
    accuracy[forgetting], size[forgetting] = [], []
    for start in range(0, len(rows), 50):
        batch = slice(start, start + 50)
        if start > 0:
            accuracy[forgetting].append(classifier.score(X[rows[batch]], labels[batch]))
            size[forgetting].append(sum(m.n_components_ for m in classifier.mixtures_))
        classifier.partial_fit(X[rows[batch]], labels[batch], classes=np.arange(10))

# %%
# Accuracy and number of components over time
# -------------------------------------------
fig, (top, bottom) = plt.subplots(2, sharex=True, figsize=(8, 6), layout="constrained")
seen = 50 * np.arange(1, len(accuracy[1.0]) + 1)
for forgetting, colour in ((1.0, "tab:gray"), (0.995, "tab:blue")):
    smooth = np.convolve(accuracy[forgetting], np.full(5, 0.2), "same")[2:-2]
    top.plot(seen[2:-2], smooth, color=colour, label=f"forgetting = {forgetting}")
    bottom.plot(seen, size[forgetting], color=colour)
for axis in (top, bottom):
    axis.axvline(half, color="tab:red", linestyle=":")
bottom.text(half, 2, " labels change", color="tab:red")
top.set(ylabel="accuracy on the next digits", ylim=(0, 1.02))
bottom.set(ylabel="components", xlabel="digits seen")
top.legend(loc="center left")
plt.show()
