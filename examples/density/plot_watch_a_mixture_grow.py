"""
A mixture grows with its stream
===============================

Iris flowers come one after the other, and the mixture founds a component whenever none explains
the next one. The ellipses hold 86 % of each component; the same object, asked at three moments,
goes on learning in between. Nothing is kept of the rows but the mixture.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from sklearn.datasets import load_iris

from skstruct.density import IncrementalGaussianMixture

iris = load_iris()
X = iris.data[np.random.default_rng(0).permutation(150)][:, 2:]

# %%
# Learn up to 10, 50 and 150 flowers, and draw what is known
# ----------------------------------------------------------
# Standard deviations taken from the first ten flowers would be rough, so they are given.
mixture = IncrementalGaussianMixture(delta=0.5, scale=X.std(axis=0), n_warmup=10)
grid = np.stack(np.meshgrid(np.linspace(0, 8, 120), np.linspace(-0.5, 3, 120)), axis=-1)
fig, axes = plt.subplots(1, 3, figsize=(12, 4), sharex=True, sharey=True, layout="constrained")
seen = 0
for axis, n_samples in zip(axes, (10, 50, 150), strict=True):
    mixture.partial_fit(X[seen:n_samples])
    seen = n_samples
    density = np.exp(mixture.score_samples(grid.reshape(-1, 2))).reshape(120, 120)
    axis.contourf(grid[..., 0], grid[..., 1], np.sqrt(density), levels=12, cmap="Blues")
    for mean, cov, weight in zip(
        mixture.means_, mixture.covariances_, mixture.weights_, strict=True
    ):
        (small, large), axes_of_ellipse = np.linalg.eigh(cov)
        angle = np.degrees(np.arctan2(*axes_of_ellipse[::-1, 1]))
        axis.add_patch(
            Ellipse(
                mean, 4 * np.sqrt(large), 4 * np.sqrt(small), angle=angle,
                fill=False, color="tab:red", linewidth=0.5 + 4 * weight,
            )
        )  # fmt: skip
    axis.scatter(*X[:n_samples].T, s=8, color="black")
    axis.set(
        title=f"{n_samples} flowers, {mixture.n_components_} components",
        xlabel="petal length (cm)",
    )
axes[0].set(ylabel="petal width (cm)", xlim=(0, 8), ylim=(-0.5, 3))
plt.show()
