"""
Codes of patches, many times faster
===================================

A dictionary is learnt from patches of a photograph, and each patch is then a sum of a few of its
atoms. scikit-learn finds the same sums, patch by patch; here one compiled call takes them all, and
how much that saves is seen on a logarithmic axis. All times are of one thread.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.decomposition import sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d
from threadpoolctl import threadpool_limits

from skstruct.decomposition import (
    BatchSparseCoder,
    MiniBatchSparseDictionary,
    batch_sparse_encode,
)

# %%
# Learn 100 atoms
# ---------------
# The mean of each patch is taken out, so that the atoms are its shape and not its brightness.
image = load_sample_image("china.jpg").mean(axis=2)[::2, ::2] / 255.0
X = extract_patches_2d(image, (8, 8), max_patches=20_000, random_state=0).reshape(-1, 64)
X -= X.mean(axis=1, keepdims=True)
learner = MiniBatchSparseDictionary(100, alpha=0.2, random_state=0)
start = time.perf_counter()
with threadpool_limits(1):
    learner.fit(X)
title = f"100 atoms, learnt in {time.perf_counter() - start:.1f} s from {len(X)} patches"

# %%
# Code 2,000 patches
# ------------------
X = X[:2000]
numbers = [1, 2, 3, 5, 8, 12, 16]
seconds = {"scikit-learn": [], "skstruct": []}
with threadpool_limits(1):
    for n_atoms in numbers:
        for name, encode in (("scikit-learn", sparse_encode), ("skstruct", batch_sparse_encode)):
            times = []
            for _ in range(3 if name == "skstruct" else 1):
                start = time.perf_counter()
                encode(X, learner.components_, algorithm="omp", n_nonzero_coefs=n_atoms)
                times.append(time.perf_counter() - start)
            seconds[name].append(min(times))

# %%
# The atoms, those that are used most first
# -----------------------------------------
# In a pipeline, a transformer gives the same codes; here as a sparse matrix.
coder = BatchSparseCoder(learner.components_, n_nonzero_coefs=5, sparse_output=True)
use = np.asarray(abs(coder.fit_transform(X)).sum(axis=0)).ravel()
order = np.argsort(-use)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
grid = np.full((91, 91), np.nan)
for place, atom in enumerate(learner.components_[order]):
    row, column = 1 + 9 * (place // 10), 1 + 9 * (place % 10)
    grid[row : row + 8, column : column + 8] = atom.reshape(8, 8) / np.abs(atom).max()
left.imshow(grid, cmap="gray")
left.set(title=title, xticks=[], yticks=[])
for name, color in (("scikit-learn", "tab:gray"), ("skstruct", "tab:red")):
    per_patch = 1e6 * np.array(seconds[name]) / len(X)
    right.semilogy(numbers, per_patch, "o-", color=color, label=name)
ratio = np.array(seconds["scikit-learn"]) / seconds["skstruct"]
right.annotate(
    f"{ratio.min():.0f} to {ratio.max():.0f} times faster", (0.5, 0.5), xycoords="axes fraction",
    ha="center",
)  # fmt: skip
right.set(
    title="Orthogonal matching pursuit", xlabel="atoms in a code", ylabel="microseconds per patch",
    ylim=(0.5, None),
)  # fmt: skip
right.legend()
plt.show()
