"""
Groups of overlapping patches
=============================

Genes are active in pathways, of which a gene may have several; pixels lie in patches that overlap
in the same way. On the digits, with the 36 patches of 3 x 3 pixels as pathways, a nonnegative
factorisation of samples x patches x pixels finds groups of patches and groups of pixels that work
in them, without having been told which patches are neighbours.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.tensor import PathwayTensorFactorization

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

# %%
# A patch is a pathway
# --------------------
pixels = np.arange(64).reshape(8, 8)
patches = {
    f"{row}, {column}": pixels[row : row + 3, column : column + 3].ravel()
    for row in range(6)
    for column in range(6)
}

# %%
# Features for a classifier
# -------------------------
# Each feature is the activity of a group of patches by a group of pixels. 8 x 4 of them replace 64
# pixels.
model = PathwayTensorFactorization(
    patches, n_pathway_groups=8, n_gene_groups=4, max_iter=500, random_state=0
)
classifier = make_pipeline(model, StandardScaler(), LogisticRegression(max_iter=500))
accuracy = classifier.fit(X_train, y_train).score(X_test, y_test)
model = classifier[0]

# %%
# The groups
# ----------
# Above, where the patches of each group lie, and below, the groups of pixels.
fig, axes = plt.subplots(2, 8, figsize=(12, 3.6), layout="constrained")
memberships = np.array([np.isin(np.arange(64), patch) for patch in patches.values()])
for ax, group in zip(axes[0], model.pathway_groups_.T, strict=True):
    ax.imshow((group @ memberships).reshape(8, 8), cmap="Blues")
for ax, group in zip(axes[1], model.gene_groups_.T, strict=False):
    ax.imshow(group.reshape(8, 8), cmap="Oranges")
for ax in axes.ravel():
    ax.set(xticks=[], yticks=[])
for ax in axes[1, 4:]:
    ax.set_axis_off()
axes[0, 0].set_title("groups of patches", loc="left")
axes[1, 0].set_title("groups of pixels", loc="left")
fig.suptitle(
    f"Digits by 8 groups of patches x 4 groups of pixels: {accuracy:.1%} of new ones right"
)
plt.show()
