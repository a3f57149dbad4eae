"""
Images from some of their pixels, as a regression
=================================================

A pixel of the digits has three indices: image, row and column. Each known pixel is a row of ``X``
for :class:`~skstruct.tensor.CPRegressor`, and the others are predicted: an ordinary regression,
with a score on what was held out. The mean of each pixel over the images is what one could say
without knowing anything of the image; with six known pixels of an image, that is still the better
guess.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skstruct.tensor import CPRegressor

# %%
# Learn from a share of the pixels, score on the others
# -----------------------------------------------------
images = load_digits().images[:600]
index = np.argwhere(np.ones(images.shape, dtype=bool))
values = images.ravel()
order = np.random.default_rng(0).permutation(len(index))
shares = [0.1, 0.2, 0.3, 0.5, 0.7]
scores = {"CPRegressor": [], "mean of each pixel": []}
models = {}
for share in shares:
    known, hidden = np.split(order, [int(share * len(order))])
    model = CPRegressor(16, alpha=5.0, tol=1e-4, random_state=0).fit(index[known], values[known])
    scores["CPRegressor"].append(model.score(index[hidden], values[hidden]))
    pixel = np.ravel_multi_index(index.T[1:], (8, 8))
    mean = np.bincount(pixel[known], values[known], 64) / np.bincount(pixel[known], minlength=64)
    rest = ((values[hidden] - mean[pixel[hidden]]) ** 2).sum()
    total = ((values[hidden] - values[hidden].mean()) ** 2).sum()
    scores["mean of each pixel"].append(1 - rest / total)
    models[share] = model, known

# %%
fig = plt.figure(figsize=(10, 4.5), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=(1, 1.2))
axes = left.subplots()
for (name, path), color in zip(scores.items(), ("tab:red", "tab:gray"), strict=True):
    axes.plot(shares, path, "o-", color=color, label=name)
axes.set(xlabel="share of the pixels that is known", ylabel="$R^2$ on the others", ylim=(0, 1))
axes.legend()
model, known = models[0.3]
seen = np.full(images.size, np.nan)
seen[known] = values[known]
rows = images, seen.reshape(images.shape), model.predict(index).reshape(images.shape)
right.suptitle("Images, 30 % of their pixels, and the prediction of all")
for images_of_row, of_row in zip(rows, right.subplots(3, 6), strict=True):
    for image, ax in zip(images_of_row, of_row, strict=False):
        ax.set_facecolor("lightsteelblue")
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
plt.show()
