"""
Palettes of photographs
=======================

Two photographs are cut into tiles, and each tile is the joint histogram of its red, green and
blue in 6 x 6 x 6 cells. A few elementary colour distributions, each a product of three marginals,
mix to all of them. A tile that is a little brighter than another has its mass in other cells:
transport calls that near, where NMF with the Kullback-Leibler divergence sees other features.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.decomposition import NMF
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skstruct.decomposition import WassersteinCPDictionaryLearning

TILE, BINS, N_COLORS = 40, 6, 6

photographs = [load_sample_image(name)[:400, :640] for name in ("china.jpg", "flower.jpg")]
grid = (400 // TILE, 640 // TILE)
X = []
for photograph in photographs:
    cells = photograph.astype(int) * BINS // 256 @ [BINS**2, BINS, 1]
    tiles = cells.reshape(grid[0], TILE, grid[1], TILE).swapaxes(1, 2).reshape(-1, TILE**2)
    X.extend(np.bincount(tile, minlength=BINS**3) for tile in tiles)
X = np.array(X, dtype=float)
y = np.repeat([0, 1], grid[0] * grid[1])

# %%
# Learn six colours
# -----------------
# ``reg=0.01`` is a blur of about half a cell. The sweeps end when codes and marginals move by less
# than a hundredth of their mass.
palette = WassersteinCPDictionaryLearning(
    N_COLORS, shape=(BINS, BINS, BINS), reg=0.01, tol=0.01, random_state=0
)
codes = palette.fit_transform(X)
nmf = NMF(N_COLORS, beta_loss="kullback-leibler", solver="mu", max_iter=500, random_state=0)
nmf_codes = nmf.fit_transform(X / X.sum(axis=1, keepdims=True))
for name, features in (("transport", codes), ("NMF", nmf_codes)):
    classifier = LogisticRegression(C=100, max_iter=1000)
    accuracy = cross_val_score(classifier, features, y, cv=5).mean()
    print(f"{name}: the photograph of a tile is told in {accuracy:.1%} of the cases")

# %%
# Repaint each tile in the mean colour of its main atom
# -----------------------------------------------------
levels = (np.arange(BINS) + 0.5) / BINS
cell_colors = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)


def mean_colors(atoms):
    return (atoms / atoms.sum(axis=1, keepdims=True)) @ cell_colors


def repaint(colors, weights, number):
    main = weights.reshape(2, *grid, -1)[number].argmax(axis=-1)
    return colors[main].repeat(TILE, axis=0).repeat(TILE, axis=1)


models = {
    "transport": (mean_colors(palette.components_), codes),
    "NMF": (mean_colors(nmf.components_), nmf_codes * nmf.components_.sum(axis=1)),
}
fig = plt.figure(figsize=(11, 7.5), layout="constrained")
top, bottom = fig.subfigures(2, 1, height_ratios=[3, 1.3])
axes = top.subplots(2, 3)
for number, photograph in enumerate(photographs):
    axes[number, 0].imshow(photograph)
    for axis, (name, (colors, weights)) in zip(axes[number, 1:], models.items(), strict=True):
        axis.imshow(repaint(colors, weights, number))
        axis.set_title(f"main atom, {name}" if number == 0 else "")
for axis in axes.flat:
    axis.set_axis_off()

order = palette.codes_.sum(axis=0).argsort()[::-1]
for axis, atom in zip(bottom.subplots(1, N_COLORS, sharey=True), order, strict=True):
    axis.set_facecolor(models["transport"][0][atom])
    for factor, channel in zip(palette.factors_, ("red", "green", "blue"), strict=True):
        axis.plot(factor[atom], color="white", linewidth=4)
        axis.plot(factor[atom], color=f"tab:{channel}", linewidth=2)
    axis.set(xticks=[], yticks=[], xlabel=f"{codes[:, atom].mean():.0%} of the area")
bottom.suptitle("the six atoms of transport: mean colour, and the marginals of its channels")
plt.show()
