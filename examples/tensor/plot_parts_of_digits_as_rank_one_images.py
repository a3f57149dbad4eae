"""
Parts of digits, each a row times a column
==========================================

NMF explains images by parts of any shape. A nonnegative canonical polyadic decomposition sees the
image as what it is, rows by columns, and allows a part only the outer product of a profile down
and a profile across: a quarter of the numbers. It needs more parts for the same error, but they
are patches that can be read, and they keep their meaning for images of which pixels are missing.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF

from skstruct.tensor import CP

# %%
# Two decompositions with 15 parts
# --------------------------------
X = load_digits().data
cp = CP(15, tensor_shape=(8, 8), nonnegative=True, random_state=0).fit(X)
nmf = NMF(15, init="nndsvda", max_iter=1000, random_state=0).fit(X)
errors = {
    f"CP, {15 * 16} numbers": cp.reconstruction_err_,
    f"NMF, {15 * 64} numbers": nmf.reconstruction_err_ / np.linalg.norm(X),
}

# %%
# Images with a third of the pixels
# ---------------------------------
# ``transform`` finds the scores of a row from the pixels that it has.
rng = np.random.default_rng(0)
rows = X[:8].copy()
rows[rng.random(rows.shape) < 2 / 3] = np.nan
mended = cp.inverse_transform(cp.transform(rows))

# %%
fig = plt.figure(figsize=(10, 7), layout="constrained")
top, bottom = fig.subfigures(2, 1, height_ratios=(3, 2.4))
sides = top.subfigures(1, 2)
for side, (title, error), parts in zip(
    sides, errors.items(), (cp.components_, nmf.components_), strict=True
):
    side.suptitle(f"{title}: error {error:.2f}")
    for axes, part in zip(side.subplots(3, 5).flat, parts, strict=True):
        axes.imshow(part.reshape(8, 8), cmap="gray_r")
        axes.set(xticks=[], yticks=[])
bottom.suptitle("Images, two thirds of their pixels lost (blue), and what CP makes of the rest")
grid = bottom.subplots(3, 8)
for column, images in enumerate(zip(X[:8], rows, mended, strict=True)):
    for axes, image in zip(grid[:, column], images, strict=True):
        axes.set_facecolor("lightsteelblue")
        axes.imshow(np.reshape(image, (8, 8)), cmap="gray_r", vmin=0, vmax=16)
        axes.set(xticks=[], yticks=[])
plt.show()
