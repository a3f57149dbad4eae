"""
A regression that knows how wrong it may be
===========================================

Progression of diabetes after a year, predicted from the blood serum measure ``s5``. The regressor
learns one mixture of measure and target; where high and mild courses both occur, its standard
deviation says so, while least squares has one error for all patients.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

from skstruct.density import IncrementalGaussianMixtureRegressor

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X[["s5"]].to_numpy()
X_train, X_test, y_train, y_test = train_test_split(X, y.to_numpy(), random_state=0)

# %%
# Learn in one pass, predict with a standard deviation
# ----------------------------------------------------
regressor = IncrementalGaussianMixtureRegressor(novelty=1e-3, delta=0.5, random_state=0)
regressor.fit(X_train, y_train)
linear = LinearRegression().fit(X_train, y_train)
mean, std = regressor.predict(X_test, return_std=True)
inside = np.mean(np.abs(y_test - mean) < 1.96 * std)

# %%
# The band is as wide as it has to be
# -----------------------------------
grid = np.linspace(X.min(), X.max(), 200)[:, np.newaxis]
mean, std = regressor.predict(grid, return_std=True)
fig, axis = plt.subplots(figsize=(8, 5), layout="constrained")
axis.fill_between(
    grid[:, 0], mean - 1.96 * std, mean + 1.96 * std, alpha=0.2, label="mean ± 1.96 std"
)
axis.plot(grid[:, 0], mean, label="mixture regression")
axis.plot(grid[:, 0], linear.predict(grid), "--", color="tab:gray", label="least squares")
axis.scatter(
    X_test[:, 0], y_test, s=10, color="black", label=f"held out, {inside:.0%} in the band"
)
axis.set(xlabel="s5, logarithm of serum triglycerides", ylabel="progression after a year")
axis.legend(loc="upper left")
plt.show()
