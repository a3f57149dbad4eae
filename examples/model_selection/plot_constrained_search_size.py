"""
The most accurate model that fits into 170 kB
=============================================

A support vector machine keeps its support vectors, and how many there are is known only after the
fit. :class:`~skstruct.model_selection.ConstrainedSearchCV` learns accuracy and size together: it
looks for the best score where the size is, or may be, within the limit, and says when it believes
that nothing is.
"""

# %%
# Half of the digits, so that the search takes seconds. The size is measured on every fold: it is
# the length of the pickle of the fitted estimator.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, norm
from sklearn.datasets import load_digits
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.svm import SVC

from skstruct.model_selection import ConstrainedSearchCV

X, y = load_digits(return_X_y=True)
X, y = X[::2] / 16, y[::2]


def search_within(kilobytes):
    search = ConstrainedSearchCV(
        SVC(),
        {"C": loguniform(1e-1, 1e4), "gamma": loguniform(1e-4, 1e1)},
        constraints={"model_size": ("<=", 1000 * kilobytes)},
        n_iter=40,
        cv=3,
        on_infeasible="ignore",
        random_state=0,
    )
    return search.fit(X, y)


limit = 170
search = search_within(limit)
results, best = search.cv_results_, search.best_index_
print(f"accuracy {search.best_score_:.4f} with {search.best_params_}")
print(f"room left: {search.constraint_slack_['model_size']:.0f} bytes")
print(f"{results['feasible'].mean():.0%} of the trials were within the limit")

# %%
# Left: the trials, and the one that was chosen. Beyond the limit there are better scores; the
# first trials are outside the picture, larger and worse. Right: where the trials were made. For
# the contours a Gaussian process of scikit-learn learns the logarithm of the size from them; they
# are the probability of being within the limit.
size = results["constraint_model_size"] / 1000
accuracy = results["mean_test_score"]
order = np.arange(len(size))
points = np.log10([[params["C"], params["gamma"]] for params in results["params"]])

process = GaussianProcessRegressor(
    Matern([1.0, 1.0], nu=2.5) + WhiteKernel(1e-4), normalize_y=True
)
process.fit(points, np.log(size / limit))
log_C, log_gamma = np.meshgrid(np.linspace(-1, 4, 60), np.linspace(-4, 1, 60))
grid = np.column_stack((log_C.ravel(), log_gamma.ravel()))
mean, deviation = process.predict(grid, return_std=True)
probability = norm.cdf(-mean / deviation).reshape(log_C.shape)

figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
axes[0].axvspan(150, limit, color="C2", alpha=0.12, lw=0)
dots = axes[0].scatter(size, accuracy, c=order, cmap="viridis")
axes[0].plot(size[best], accuracy[best], "*", color="C3", ms=18, label="chosen")
axes[0].set(xlabel="size of the model in kB", ylabel="accuracy")
axes[0].set(xscale="log", xlim=(150, 200), ylim=(0.94, 0.98))
axes[0].set_xticks(range(150, 201, 10), labels=range(150, 201, 10))
axes[0].minorticks_off()
axes[0].set_title(f"The best accuracy within {limit} kB")
axes[0].legend(loc="lower right")

contours = axes[1].contourf(log_C, log_gamma, probability, levels=10, cmap="Greens", alpha=0.7)
axes[1].scatter(*points.T, c=order, cmap="viridis", edgecolor="w", lw=0.5)
axes[1].plot(*points[best], "*", color="C3", ms=18)
axes[1].set(xlabel="log10 C", ylabel="log10 gamma")
axes[1].set_title("Where it looked")
figure.colorbar(contours, ax=axes[1], label="P(within the limit)")
figure.colorbar(dots, ax=axes[0], label="trial")

# %%
# And if there is no such model? After each result the search keeps the least violation that an
# optimist, two standard deviations to the good side, finds among its candidates. Where that stays
# above 0 nothing is feasible even to the optimist, and the search says so: ``infeasible_``.
requests = {kilobytes: search_within(kilobytes) for kilobytes in (140,)} | {limit: search}
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for kilobytes, each in requests.items():
    trace = each.infeasibility_trace_
    steps = np.arange(len(trace)) + each.n_iter + 1 - len(trace)
    verdict = "declared infeasible" if each.infeasible_ else "feasible"
    panel.plot(steps, trace, label=f"{kilobytes} kB: {verdict}")
panel.axhline(0, color="0.5", lw=1)
panel.set(xlabel="trials", ylabel="least violation to an optimist, ln(size / limit)")
panel.legend()
plt.show()
