"""
Fill in measurements, with error bars
=====================================

Antibodies in the blood of 438 people, measured by 11 detections against 6 antigens of SARS-CoV-2:
a tensor of 29,000 numbers. A laboratory that measures three tenths of it can have the rest
predicted. The sampler also says how far off each prediction may be, which tells what to measure
next; no penalty has to be tuned for that.
"""

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_covid19_serology

from skstruct.tensor import BayesianTensorFactorization

tensor = np.asarray(load_covid19_serology().tensor)
X = np.argwhere(np.ones(tensor.shape))  # a row an entry: person, antigen, detection
y = tensor.ravel()
given = np.random.default_rng(0).random(len(y)) < 0.3

# %%
# Sample the factors, predict what was hidden
# -------------------------------------------
model = BayesianTensorFactorization(6, random_state=0).fit(X[given], y[given])
mean, std = model.predict(X[~given], return_std=True)
hidden = y[~given]
rmse = np.sqrt(np.mean((mean - hidden) ** 2)) / hidden.std()

# %%
# Error bars that hold
# --------------------
# Predictions sorted by their standard deviation have errors that grow with it; and of intervals of
# any level, about that share contains the value that was hidden.
fig, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
shown = np.random.default_rng(1).choice(len(hidden), 150, replace=False)
axes[0].errorbar(hidden[shown], mean[shown], 1.96 * std[shown], fmt="o", ms=3, lw=0.8, alpha=0.7)
ends = [hidden[shown].min(), hidden[shown].max()]
axes[0].plot(ends, ends, color="black", lw=1)
axes[0].set(
    xlabel="hidden value", ylabel="predicted, 95 % interval", title=f"relative error {rmse:.2f}"
)

groups = np.array_split(np.argsort(std), 10)
said = [np.sqrt(np.mean(std[rows] ** 2)) for rows in groups]
made = [np.sqrt(np.mean((mean - hidden)[rows] ** 2)) for rows in groups]
axes[1].plot(said, made, "o-")
axes[1].plot(said, said, color="black", lw=1)
axes[1].set(
    xlabel="standard deviation of the prediction", ylabel="root mean squared error",
    title="tenths of the predictions",
)  # fmt: skip

levels = np.linspace(0.05, 0.99, 40)
distance = np.abs(mean - hidden) / std
width = np.quantile(np.abs(np.random.default_rng(2).standard_normal(100_000)), levels)
axes[2].plot(levels, (distance[:, np.newaxis] < width).mean(axis=0))
axes[2].plot([0, 1], [0, 1], color="black", lw=1)
axes[2].set(
    xlabel="level of the interval", ylabel="share of values inside",
    title=f"{np.mean(distance < 1.96):.1%} in the intervals of 95 %",
)  # fmt: skip
plt.show()
