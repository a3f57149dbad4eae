"""
Regimes of a density estimate
=============================

A kernel density is said to be an average over many rows. In high dimension, at its best bandwidth,
it is not: a few rows carry it. Where that begins can be computed beforehand, and seen in data.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skstruct.density import HighDimensionalKernelDensity, gaussian_bandwidth_thresholds

# %%
# Digits: the likelihood of rows that are left out, and how many rows carry it
# ----------------------------------------------------------------------------
# The best bandwidth is far below the edge of condensation, under which the density at a point is a
# matter of its nearest rows. The closed form holds for normal data: digits come in clusters, and
# are closer to each other than normal rows of the same covariance.
digits = PCA(20, random_state=0).fit_transform(load_digits().data)
best = HighDimensionalKernelDensity(random_state=0).fit(digits)
bandwidths = np.geomspace(0.5, 4.5, 30) * best.bandwidth_
fits = [HighDimensionalKernelDensity(h, random_state=0).fit(digits) for h in bandwidths]

fig, (curve, growth) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
edges = [bandwidths[0], best.h_g_, best.h_clt_, bandwidths[-1]]
regimes = {"condensed": "tab:red", "heavy-tailed": "tab:orange", "central limit": "tab:green"}
for (name, color), low, high in zip(regimes.items(), edges, edges[1:], strict=False):
    curve.axvspan(low, high, color=color, alpha=0.18, label=name)
curve.plot(bandwidths, [fit.loo_log_likelihood_ for fit in fits], color="black")
curve.plot(best.bandwidth_, best.loo_log_likelihood_, "o", color="black")
closed_form = HighDimensionalKernelDensity("rem", random_state=0).fit(digits)
curve.axvline(closed_form.bandwidth_, color="black", linestyle=":", label="closed form")
curve.annotate(
    "best", (best.bandwidth_, best.loo_log_likelihood_), (0, -16), textcoords="offset points"
)
curve.set(
    xlim=(bandwidths[0], bandwidths[-1]), xlabel="bandwidth",
    ylabel="leave-one-out log-likelihood (nats)", title="digits, 20 principal components",
)  # fmt: skip
curve.legend(loc="lower center")
number = curve.twinx()
number.plot(bandwidths, [1 / fit.participation_ratio_ for fit in fits], "--", color="tab:blue")
number.set(yscale="log")
number.set_ylabel("rows that carry the density", color="tab:blue")

# %%
# As the dimension grows
# ----------------------
# For 2000 normal rows, the closed forms of the thresholds (lines) and what is found (points). The
# optimum enters the condensed regime at about 14 columns.
dimensions = np.unique(np.geomspace(4, 128, 40).astype(int))
theory = [gaussian_bandwidth_thresholds(2000, np.ones(d)) for d in dimensions]
h_g, h_clt, h_kl = (np.array([t[name] for t in theory]) for name in ("h_g", "h_clt", "h_kl"))
top = 1.1 * h_clt.max()
for (_, color), low, high in zip(
    regimes.items(), (0 * h_g, h_g, h_clt), (h_g, h_clt, 0 * h_g + top), strict=True
):
    growth.fill_between(dimensions, low, high, color=color, alpha=0.18, linewidth=0)
growth.plot(dimensions, h_kl, color="black", label="best bandwidth, closed form")
rng = np.random.RandomState(0)
for d in (4, 8, 16, 32, 64, 128):
    found = HighDimensionalKernelDensity(random_state=0).fit(rng.standard_normal((2000, d)))
    (point,) = growth.plot(d, found.bandwidth_, "o", color="black")
    (edge,) = growth.plot(d, found.h_g_, "D", color="tab:red")
point.set_label("best bandwidth, found")
edge.set_label("edge of condensation, found")
growth.set(
    xscale="log", xlim=(4, 128), ylim=(0.2, top), xlabel="columns", ylabel="bandwidth",
    title="2000 normal rows",
)  # fmt: skip
growth.legend(loc="upper left")
plt.show()
