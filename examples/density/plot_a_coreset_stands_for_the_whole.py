"""
A coreset stands for the whole
==============================

Of 1,797 handwritten digits, 64 are kept such that averages over them are averages over all. The
test is a density: the one of 64 thinned digits is hard to tell from that of the whole table, while
64 random digits give another picture. The discrepancy falls nearly as one over the number of
digits kept, that of random digits as one over its square root.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity

from skstruct.density import KernelThinning

digits = load_digits()
X = PCA(2, random_state=0).fit_transform(digits.data)
bandwidth = 4.0
rng = np.random.default_rng(0)

# %%
# Thin, and compare with random digits
# ------------------------------------
thinning = KernelThinning(64, bandwidth=bandwidth, random_state=0).fit(X)
random = rng.choice(len(X), 64, replace=False)


def discrepancy(rows):
    """The MMD between some digits and all."""
    return -KernelThinning(len(rows), bandwidth=bandwidth).fit(X[rows]).score(X)


sizes = np.array([8, 16, 32, 64, 128, 256])
thinned = [KernelThinning(m, bandwidth=bandwidth, random_state=0).fit(X).mmd_ for m in sizes]
drawn = np.array([
    [discrepancy(rng.choice(len(X), m, replace=False)) for m in sizes] for _ in range(20)
])  # fmt: skip

# %%
# The density of all, of 64 thinned and of 64 random digits
# ---------------------------------------------------------
grid = np.stack(np.meshgrid(np.linspace(-38, 38, 90), np.linspace(-36, 36, 90)), axis=-1)


def density(rows):
    estimate = KernelDensity(bandwidth=bandwidth).fit(X[rows])
    return np.exp(estimate.score_samples(grid.reshape(-1, 2))).reshape(90, 90)


fig, axes = plt.subplots(2, 2, figsize=(9.5, 9), layout="constrained")
whole = density(np.arange(len(X)))
levels = np.linspace(0, whole.max(), 13)[1:]
panels = {
    "all 1,797 digits": np.arange(len(X)),
    "64 thinned": thinning.coreset_indices_,
    "64 random": random,
}
for axis, (title, rows) in zip(axes.flat, panels.items(), strict=False):
    axis.contourf(*grid.T, density(rows).T, levels=levels, cmap="Blues", extend="max")
    if len(rows) == len(X):
        axis.scatter(*X.T, s=1, color="black", alpha=0.4)
    else:
        title += f", MMD {discrepancy(rows):.4f}"
        for row in rows:  # the digits themselves, where they are
            (x, y), half = X[row], 1.7
            ink = np.zeros((8, 8, 4))
            ink[..., 3] = digits.images[row] / 16
            axis.imshow(ink, extent=(x - half, x + half, y - half, y + half), zorder=2)
    axis.set(title=title, xlim=(-38, 38), ylim=(-36, 36), xticks=[], yticks=[], aspect="equal")

axis = axes[1, 1]
axis.fill_between(sizes, *np.quantile(drawn, [0.1, 0.9], axis=0), color="tab:gray", alpha=0.3)
axis.loglog(sizes, np.median(drawn, axis=0), color="tab:gray", label="random: median and 80 %")
axis.loglog(sizes, thinned, "o-", color="tab:blue", label="thinned")
axis.set(title="discrepancy from the whole", xlabel="digits kept", ylabel="MMD")
axis.set_xticks(sizes, sizes)
axis.legend()
plt.show()
