"""
Modes of the digits
===================

How many clusters there are is a question about the bandwidth. With the one that fits the density
best each digit is a mode by itself; a little above the edge of condensation there are about as
many as there are ways to write a digit, and the modes, as images, are digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skstruct.density import HighDimensionalKernelDensity, KDEModeFinder

digits = load_digits()
pca = PCA(16, random_state=0)
X = pca.fit_transform(digits.data)

# %%
# Clusters of an unknown number
# -----------------------------
finder = KDEModeFinder(random_state=0).fit(X)
by_mass = np.argsort(-finder.mode_mass_)
images = pca.inverse_transform(finder.modes_[by_mass]).reshape(-1, 8, 8)

# %%
# The same at other bandwidths
# ----------------------------
density = HighDimensionalKernelDensity(random_state=0).fit(X)
bandwidths = np.geomspace(0.85 * density.bandwidth_, 1.6 * finder.bandwidth_, 10)
counts = [len(KDEModeFinder(h, n_seeds=len(X), random_state=0).fit(X).modes_) for h in bandwidths]

# %%
# What they are
# -------------
fig = plt.figure(figsize=(12, 8), layout="constrained")
top, bottom = fig.subfigures(2, 1, height_ratios=[3, 2])
scatter, gallery = top.subfigures(1, 2)
axis = scatter.subplots()
axis.scatter(X[:, 0], X[:, 1], c=finder.labels_, cmap="tab20", s=6, alpha=0.6)
axis.scatter(
    finder.modes_[:, 0], finder.modes_[:, 1], marker="*", s=180, c="black", edgecolor="white"
)
axis.set(
    xlabel="first principal component", ylabel="second",
    title="1797 digits by the mode that they ascend to",
)  # fmt: skip
for place, image, mass in zip(
    gallery.subplots(3, 6).flat, images, finder.mode_mass_[by_mass], strict=False
):
    place.imshow(image, cmap="gray_r")
    place.set_title(f"{mass:.1%}", fontsize=9)
for place in gallery.axes:
    place.set_axis_off()
gallery.suptitle("the modes, and their shares of the rows")

curve = bottom.subplots()
curve.loglog(bandwidths, counts, "o-", color="black")
marks = {
    "$h_{LOO}$, best density": density.bandwidth_,
    "$h_G$, edge of condensation": density.h_g_,
    "auto": finder.bandwidth_,
    "$h_{CLT}$": density.h_clt_,
}
for (name, h), colour in zip(
    marks.items(), ("tab:red", "tab:orange", "tab:green", "tab:blue"), strict=True
):
    curve.axvline(h, color=colour, linestyle="--", label=name)
curve.set(xlabel="bandwidth", ylabel="number of modes")
curve.legend()
plt.show()
