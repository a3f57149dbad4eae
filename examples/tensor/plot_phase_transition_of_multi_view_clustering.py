"""
Phase transition of multi-view clustering
=========================================

300 samples of two classes, each with 150 features, are seen in 60 noisy views of unequal quality.
To take views for further features is what a table suggests. Below a certain signal that finds
nothing at all, where a method that knows which columns are views of one feature is right for most
of the samples. Theory says where that is.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans

from skstruct.tensor import (
    NestedTensorClustering,
    alignment_tensor,
    alignment_unfolding,
    expected_accuracy,
    threshold_tensor,
    threshold_unfolding,
)

SIZES = {"n_features": 150, "n_samples": 300, "n_views": 60}
N_M, N_T = 150 + 300, 150 + 300 + 60
BETA_M = 2.0


def draw(beta_t, rng):
    """Return (samples x features x views, labels)."""
    x, z = rng.standard_normal(150), rng.standard_normal(60)
    labels = rng.integers(0, 2, 300)
    y = (2 * labels - 1) / np.sqrt(300)
    seen = BETA_M * np.outer(y, x / np.linalg.norm(x))
    seen += rng.standard_normal((300, 150)) / np.sqrt(N_M)
    T = rng.standard_normal((300, 150, 60)) / np.sqrt(N_T)
    T += beta_t * seen[:, :, np.newaxis] * z / np.linalg.norm(z)
    return T, labels


def accuracy(labels, found):
    same = (labels == found).mean()
    return max(same, 1 - same)


# %%
# Four draws for each signal of the views
# ---------------------------------------
# The signal of the classes stays the same. K-means on all columns, for comparison, finds less than
# the first singular vector of the table does.
rng = np.random.default_rng(0)
signals = np.linspace(0.2, 1.9, 12)
methods = {
    "nested": NestedTensorClustering(method="nested", max_iter=300, tol=1e-5),
    "tensor": NestedTensorClustering(method="tensor", max_iter=300, tol=1e-5),
    "unfolding": NestedTensorClustering(method="unfolding"),
}
scores = {name: np.zeros(len(signals)) for name in [*methods, "k-means"]}
n_draws = 4
for i, beta_t in enumerate(signals):
    for _ in range(n_draws):
        T, labels = draw(beta_t, rng)
        for name, method in methods.items():
            scores[name][i] += accuracy(labels, method.fit_predict(T)) / n_draws
        flat = KMeans(2, random_state=0).fit_predict(T.reshape(300, -1))
        scores["k-means"][i] += accuracy(labels, flat) / n_draws

# %%
# What is found, and what theory says
# -----------------------------------
# The best approximation of rank one ("tensor") loses the views where the classes are weak. The
# likelihood of the model ("nested") holds on to them by the noise that all views share, and comes
# near the bound of a method that knows the views.
fine = np.linspace(signals[0], signals[-1], 400)
best = expected_accuracy(alignment_tensor(BETA_M, fine, **SIZES))
naive = expected_accuracy(alignment_unfolding(BETA_M, fine, **SIZES))
thresholds = threshold_tensor(BETA_M, **SIZES), threshold_unfolding(BETA_M, **SIZES)

fig, ax = plt.subplots(figsize=(9, 5.2), layout="constrained")
ax.axvspan(*thresholds, color="0.93")
for threshold, color in zip(thresholds, ("tab:blue", "tab:red"), strict=True):
    ax.axvline(threshold, color=color, linestyle=":")
ax.plot(fine, best, color="tab:blue", label="theory, views known")
ax.plot(fine, naive, color="tab:red", label="theory, unfolding")
for name, marker, color in (
    ("nested", "o", "tab:blue"),
    ("tensor", "^", "tab:cyan"),
    ("unfolding", "s", "tab:red"),
    ("k-means", "x", "0.4"),
):
    ax.plot(signals, scores[name], marker, color=color, label=name)
ax.text(np.mean(thresholds), 0.985, "seen by the tensor alone", ha="center", va="top")
ax.set(
    xlabel=r"signal of the views, $\beta_T$",
    ylabel="share of samples in the right cluster",
    title=rf"300 samples, 150 features, 60 views, $\beta_M = {BETA_M:g}$",
    xlim=(signals[0], signals[-1]),
    ylim=(0.49, 1),
)
ax.legend(loc="lower right", bbox_to_anchor=(1, 0.28))
plt.show()
