"""
Fit a model to a coreset
========================

A nearest-neighbour classifier keeps, and searches, all rows that it is fitted to. A few dozen
digits will do if they are the right ones: thinned class by class, they show the styles in which a
digit is written in proportion, while of random ones some are alike and some styles are missing.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skstruct.density import KernelThinning, ThinnedEstimator

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
neighbors = KNeighborsClassifier(1)

# %%
# Accuracy against the number of rows
# -----------------------------------
sizes = np.array([20, 40, 80, 160, 320])


def random_rows(n_rows, seed):
    rows, _ = train_test_split(np.arange(len(X)), train_size=n_rows, stratify=y, random_state=seed)
    return rows


thinned = [
    [
        ThinnedEstimator(neighbors, KernelThinning(m, random_state=seed))
        .fit(X, y)
        .score(X_test, y_test)
        for m in sizes
    ]
    for seed in range(5)
]
drawn = [
    [neighbors.fit(X[rows], y[rows]).score(X_test, y_test) for rows in draws]
    for draws in ([random_rows(m, seed) for m in sizes] for seed in range(20))
]
whole = neighbors.fit(X, y).score(X_test, y_test)

# %%
# Ten digits of each class, thinned and random
# --------------------------------------------
thinning = KernelThinning(100, random_state=0)
thinning.fit_resample(X, y)
pictures = {"thinned": thinning.coreset_indices_, "random": random_rows(100, 0)}

fig, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
for axis, (title, rows) in zip(axes, pictures.items(), strict=False):
    mosaic = np.zeros((100, 100))
    for label in range(10):
        for place, row in enumerate(rows[y[rows] == label][:10]):
            mosaic[10 * label + 1 :, 10 * place + 1 :][:8, :8] = X[row].reshape(8, 8)
    axis.imshow(mosaic, cmap="gray_r")
    axis.set(title=f"digits, {title}", xticks=[], yticks=[])
axis = axes[2]
axis.fill_between(sizes, *np.quantile(drawn, [0.1, 0.9], axis=0), color="tab:gray", alpha=0.3)
axis.semilogx(sizes, np.median(drawn, axis=0), color="tab:gray", label="random: median and 80 %")
axis.semilogx(sizes, np.mean(thinned, axis=0), "o-", color="tab:blue", label="thinned")
axis.axhline(whole, color="black", linestyle=":", label=f"all {len(X):,} rows")
axis.set_xticks(sizes, sizes)
axis.minorticks_off()
axis.set(title="accuracy of the nearest neighbour", xlabel="rows kept")
axis.legend()
plt.show()
