"""
The potential of a crystal from few of its values
=================================================

The long-range part of the potential of 216 ions is sampled at 36,000 points that the model chooses
itself. What it keeps is 900 numbers: a formula with an error below a millionth, evaluated
anywhere in half a microsecond, differentiated and integrated. No table on a fine grid is made, and
the last picture shows that none is needed: the singular values of a fine table are those of the
small tensor of coefficients.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import erf

from skstruct.tensor import ChebyshevTucker

# %%
# Six ions a side, of alternating sign
# ------------------------------------
site = np.indices((6, 6, 6)).reshape(3, -1).T
places, signs = (site - 2.5) / 3, (-1.0) ** site.sum(axis=1)
signs *= 1 + 0.5 * places[:, 0]  # not quite neutral, or there is little to see from afar


def potential(X):
    value = np.zeros(len(X))
    for place, sign in zip(places, signs, strict=True):
        r = np.maximum(np.sqrt(((X - place) ** 2).sum(axis=1)), 1e-9)
        value += sign * erf(4.0 * r) / r
    return value


model = ChebyshevTucker(tol=1e-6, random_state=0)
model.fit_function(potential, [(-1, 1)] * 3)
n_numbers = model.core_.size + sum(C.size for C in model.factors_)

# %%
# The error on a slice, where no values were taken
# ------------------------------------------------
axis = np.linspace(-1, 1, 201)
x, y = np.meshgrid(axis, axis, indexing="ij")
points = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.17)], axis=1)
truth = potential(points).reshape(x.shape)
start = time.perf_counter()
found = model.predict(points).reshape(x.shape)
per_point = 1e6 * (time.perf_counter() - start) / x.size
error = np.abs(found - truth) / np.abs(truth).max()
some = points.reshape(201, 201, 3)[5::10, 5::10].reshape(-1, 3)
force = [-model.derivative(k).predict(some) for k in (0, 1)]

# %%
# Singular values of the coefficients and of a table of 49 points a side
# ----------------------------------------------------------------------
fine = np.linspace(-1, 1, 49)
grid = np.stack(np.meshgrid(fine, fine, fine, indexing="ij"), axis=-1).reshape(-1, 3)
table = potential(grid).reshape(49, -1)
core = model.core_.reshape(model.rank_[0], -1)
decay = [np.linalg.svd(tensor, compute_uv=False) for tensor in (table, core)]

# %%
fig, axes = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
top = np.abs(truth).max()
shown = axes[0].pcolormesh(x, y, found, cmap="RdBu_r", vmin=-top, vmax=top)
fig.colorbar(shown, ax=axes[0])
axes[0].quiver(*some.T[:2], *force, alpha=0.6, width=3e-3)
axes[0].set(
    title=f"{model.n_evaluations_} values, {n_numbers} numbers, {per_point:.1f} µs a point"
)
shown = axes[1].pcolormesh(x, y, np.log10(error + 1e-12), cmap="viridis")
fig.colorbar(shown, ax=axes[1])
axes[1].set(title=f"log10 of the error over the maximum, at most {error.max():.0e}")
for values, label, style in zip(
    decay, ["table of 49$^3$ = 117,649", f"coefficients, ranks {model.rank_}"], ["o", "x"],
    strict=True,
):  # fmt: skip
    axes[2].semilogy(
        1 + np.arange(len(values)), values / values[0], style, label=label, mfc="none"
    )
axes[2].set(title="Singular values, first mode", xlabel="number", xlim=(0, 16), ylim=(1e-12, 3))
axes[2].legend()
plt.show()
