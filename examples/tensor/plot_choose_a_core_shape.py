"""
Choose a core shape
===================

A photograph is a tensor of 427 rows, 640 columns and 3 colours. How well a Tucker decomposition
of a given size shows it depends on the shape of its core: how many directions for the rows, for
the columns, for the colours? The errors of all shapes are known from one decomposition, so that a
budget is all that has to be given.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from skstruct.tensor import Tucker

X = load_sample_image("china.jpg") / 255.0
n_rows, n_columns, n_colors = X.shape
budgets = [2_500, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000]


def n_params(rank):
    return np.prod(rank) + np.dot(X.shape, rank)


# %%
# All budgets at once
# -------------------
# ``core_shape_path`` chooses a shape for each budget, and says which error to expect at most.
start = time.perf_counter()
path = Tucker().core_shape_path(X, budgets)
print(f"{len(budgets)} shapes chosen in {time.perf_counter() - start:.2f} s")
for budget, rank, error in path:
    print(f"{budget:6} numbers: {rank}, relative error at most {error:.3f}")

# %%
# Two other ways to spend a budget
# --------------------------------
# Equal ranks, as far as three colours allow; and the singular value decomposition of each colour
# for itself, for which a rank costs 427 + 640 numbers in each. The photograph is nearly square, so
# that equal ranks, once they are capped at three colours, come close to the best. What costs a
# quarter more error is not to see that the colours have rows and columns in common.
errors = {"chosen shape": [], "equal ranks": [], "SVD of each colour": []}
pictures = {}
spectra = np.linalg.svd(np.moveaxis(X, 2, 0), compute_uv=False)
for budget, rank, _ in path:
    start = time.perf_counter()
    chosen = Tucker(max_params=budget).fit(X)
    seconds = time.perf_counter() - start
    r = max(r for r in range(1, n_rows) if n_params((r, r, min(r, n_colors))) <= budget)
    equal = Tucker((r, r, min(r, n_colors))).fit(X)
    k = budget // (n_colors * (n_rows + n_columns))
    by_color = np.sqrt((spectra[:, k:] ** 2).sum()) / np.linalg.norm(X) if k > 0 else np.nan
    values = chosen.reconstruction_err_, equal.reconstruction_err_, by_color
    for name, error in zip(errors, values, strict=True):
        errors[name].append(error)
    print(
        f"{budget:6}: {rank} {values[0]:.4f} in {seconds:.2f} s; equal {equal.rank_} "
        f"{values[1]:.4f}; {k} values of each colour {values[2]:.4f}"
    )
    if budget == 10_000:
        pictures = {
            "chosen shape": chosen.inverse_transform(chosen.transform(X)).reshape(X.shape),
            "equal ranks": equal.inverse_transform(equal.transform(X)).reshape(X.shape),
        }
        U, s, Vt = np.linalg.svd(np.moveaxis(X, 2, 0), full_matrices=False)
        colors = (U[:, :, :k] * s[:, None, :k]) @ Vt[:, :k]
        pictures["SVD of each colour"] = np.moveaxis(colors, 0, 2)

# %%
# Where the error matters, and what it looks like
# -----------------------------------------------
fig = plt.figure(figsize=(11, 6.5), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=[1.5, 1])
axis = left.subplots()
for name, marker in zip(errors, "os^", strict=True):
    axis.plot(budgets, errors[name], marker=marker, label=name)
for (budget, rank, _), error in zip(path, errors["chosen shape"], strict=True):
    axis.annotate(
        " x ".join(map(str, rank)), (budget, error), (-6, -9), textcoords="offset points",
        ha="right", fontsize="small",
    )  # fmt: skip
axis.set(
    xscale="log",
    yscale="log",
    xticks=budgets,
    xticklabels=[f"{budget / 1000:g}" for budget in budgets],
    yticks=[0.1, 0.15, 0.2, 0.3],
    yticklabels=["0.10", "0.15", "0.20", "0.30"],
    xlabel=f"thousand numbers in core and factors (the photograph: {X.size / 1000:.0f})",
    ylabel="relative error",
    xlim=(1500, 90_000),
)
axis.minorticks_off()
axis.legend()
for axis, (name, picture) in zip(right.subplots(3, 1), pictures.items(), strict=True):
    axis.imshow(np.clip(picture, 0, 1))
    axis.set_title(f"{name}, {errors[name][budgets.index(10_000)]:.3f}", fontsize="medium")
    axis.set_axis_off()
right.suptitle("10,000 numbers, 1.2 % of the photograph")
plt.show()
