"""
A measured tensor from under one per cent of its entries, with error bars
=========================================================================

Fluorescence of a reaction was measured in 64 runs, at 12 wavelengths of excitation, 10 of emission
and 60 times. Four thousand of the 459,000 values are enough to predict the others: four sets of
three smooth functions, and a core that joins them, are learnt in a second, and each prediction
comes with a standard deviation.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_kinetic

from skstruct.tensor import FunctionalTuckerRegressor

# %%
# Entries as rows: a coordinate a column, and the value
# -----------------------------------------------------
# The modes are in physical units; what is missing in the data is 0.
data = load_kinetic()
tensor = np.asarray(data.tensor)
present = np.argwhere(tensor != 0)
coordinates = np.column_stack([np.asarray(data.ticks[k])[present[:, k]] for k in range(4)])
value = tensor[tuple(present.T)]
value = (value - value.mean()) / value.std()
order = np.random.default_rng(0).permutation(len(value))
train, test = order[:4000], order[4000:]

model = FunctionalTuckerRegressor(rank=3, random_state=0)
start = time.perf_counter()
model.fit(coordinates[train], value[train])
seconds = time.perf_counter() - start
mean, std = model.predict(coordinates[test], return_std=True)
error = np.sqrt(np.mean((mean - value[test]) ** 2))
cover = np.mean(np.abs(mean - value[test]) < 1.96 * std)

# %%
# The functions of each mode, and curves of which few values were seen
# --------------------------------------------------------------------
fig, axes = plt.subplots(2, 3, figsize=(14, 7.5), layout="constrained")
names = ["run", "excitation in nm", "emission in nm", "time in s"]
for k, axis in enumerate(axes.ravel()[:4]):
    x = np.linspace(coordinates[:, k].min(), coordinates[:, k].max(), 300)
    curves, covs = model.factors_at(k, x)
    spread = 2 * np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    for curve, band, color in zip(curves.T, spread.T, ("C0", "C1", "C2"), strict=True):
        axis.plot(x, curve, color=color)
        axis.fill_between(x, curve - band, curve + band, color=color, alpha=0.25, lw=0)
    axis.set(title=f"Functions of {names[k].split(' ')[0]}", xlabel=names[k])

axis = axes[1, 1]
times = np.linspace(*np.asarray(data.ticks[3])[[0, -1]], 300)
for run, color in ((5, "C3"), (30, "C4"), (50, "C5")):
    place = [data.ticks[0][run], data.ticks[1][4], data.ticks[2][4]]
    rows = np.column_stack([np.tile(place, (300, 1)), times])
    curve, band = model.predict(rows, return_std=True)
    axis.plot(times, curve, color=color, label=f"run {run + 1}")
    axis.fill_between(times, curve - 2 * band, curve + 2 * band, color=color, alpha=0.25, lw=0)
    same = (present[:, :3] == [run, 4, 4]).all(axis=1)
    axis.plot(coordinates[same, 3], value[same], ".", color=color, ms=3)
    seen = train[same[train]]
    axis.plot(coordinates[seen, 3], value[seen], "o", color="k", mfc="none")
axis.set(title="Predicted curves, all values (dots), those seen (circles)", xlabel=names[3])
axis.legend()

axes[1, 2].hexbin(mean, value[test], gridsize=80, bins="log", cmap="Greys")
axes[1, 2].plot([-1.5, 4], [-1.5, 4], lw=0.8)
axes[1, 2].set(
    title=f"RMSE {error:.3f}, {100 * cover:.1f} % in the 95 % intervals, {seconds:.1f} s",
    xlabel="predicted", ylabel="measured, of unit variance",
)  # fmt: skip
plt.show()
