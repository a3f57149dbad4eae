"""Response surfaces of real fits, for comparing searches without fitting again.

Every configuration on a grid is fitted once on a data set that ships with scikit-learn, and its
mean score over three folds is kept (in ``SKSTRUCT_BENCH_CACHE``, by default a folder of the
system's temporary directory). A search then pays nothing for a trial. Each arm comes in two forms:

table      its parameters are the grid's own values, and a score is looked up
surface    its numeric parameters are continuous, and a score is interpolated linearly between the
           grid's values, so that the best of the surface is the best of the table

    python benchmarks/model_selection/response_surfaces.py     # fills the cache: about ten minutes
"""

import itertools
import os
import tempfile
import warnings
from pathlib import Path

import joblib
import numpy as np
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import uniform
from sklearn import datasets
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

DATA = ("wine", "breast_cancer", "digits", "diabetes")
# One observation more or less, or what a person would call a difference.
UNIT = {"wine": 0.0056, "breast_cancer": 0.0035, "digits": 0.003, "diabetes": 0.015}

NEIGHBORS = {
    "n_neighbors": [1, 2, 3, 4, 5, 7, 9, 11, 14, 17, 20, 25, 30, 40],
    "p": [1, 1.5, 2],
    "weights": ["uniform", "distance"],
}
FOREST = {
    "max_features": [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0],
    "min_samples_leaf": [1, 2, 3, 5, 8, 12, 20],
    "max_depth": [2, 4, 7, 12],
}
TREE = {
    "max_depth": [1, 2, 3, 4, 5, 6, 8, 10, 14],
    "min_samples_leaf": [1, 2, 4, 7, 12, 20, 35],
    "max_features": [0.2, 0.4, 0.6, 0.8, 1.0],
}
CLASSIFIERS = {
    "lr": (LogisticRegression(max_iter=300), {"C": np.logspace(-4, 4, 25)}),
    "svc": (SVC(), {"C": np.logspace(-2, 4, 13), "gamma": np.logspace(-5, 1, 13)}),
    "knn": (KNeighborsClassifier(), NEIGHBORS),
    "et": (ExtraTreesClassifier(40, random_state=0), FOREST),
    "tree": (DecisionTreeClassifier(random_state=0), TREE),
    "lda": (
        LinearDiscriminantAnalysis(solver="lsqr"),
        {"shrinkage": np.round(np.linspace(0, 1, 21), 2)},
    ),
}
REGRESSORS = {
    "ridge": (Ridge(), {"alpha": np.logspace(-4, 4, 25)}),
    "svr": (
        SVR(),
        {
            "C": np.logspace(-1, 4, 11),
            "gamma": np.logspace(-5, 1, 13),
            "epsilon": np.logspace(-1, 2, 4),
        },
    ),
    "knn": (KNeighborsRegressor(), NEIGHBORS),
    "et": (ExtraTreesRegressor(40, random_state=0), FOREST),
    "tree": (DecisionTreeRegressor(random_state=0), TREE),
    "enet": (
        ElasticNet(),
        {"alpha": np.logspace(-4, 1, 16), "l1_ratio": np.round(np.linspace(0.05, 1, 8), 3)},
    ),
}


def arms(data):
    return REGRESSORS if data == "diabetes" else CLASSIFIERS


def grid(data, name):
    """Return (parameter lists, mean scores, standard errors) of an arm, fitted once and cached."""
    cache = (
        Path(os.environ.get("SKSTRUCT_BENCH_CACHE", tempfile.gettempdir())) / "skstruct_surfaces"
    )
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{data}_{name}.joblib"
    if not file.exists():
        joblib.dump(_fit_grid(data, name), file)
    return joblib.load(file)


def _fit_grid(data, name):
    X, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    folds = KFold if data == "diabetes" else StratifiedKFold
    folds = folds(3, shuffle=True, random_state=0)
    estimator, parameters = arms(data)[name]
    shape = [len(values) for values in parameters.values()]
    scores = np.empty((np.prod(shape), folds.n_splits))
    for i, point in enumerate(itertools.product(*parameters.values())):
        estimator.set_params(**dict(zip(parameters, point, strict=True)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores[i] = cross_val_score(make_pipeline(StandardScaler(), estimator), X, y, cv=folds)
    se = scores.std(axis=1, ddof=1) / np.sqrt(folds.n_splits)
    parameters = {key: list(values) for key, values in parameters.items()}
    return parameters, scores.mean(axis=1).reshape(shape), se.reshape(shape)


class Arm:
    """One arm: a space of RandomizedSearchCV's kind, and the score of a point of it.

    ``kinds`` has for each parameter its number of grid values, and whether it is categorical.
    The score takes the position on the grid in [0, n - 1] for each parameter, whole for a table.
    """

    def __init__(self, data, name, surface):
        self.name = name
        self.parameters, self.scores, self.se = grid(data, name)
        self.surface = surface
        self._estimator = arms(data)[name][0]
        self.kinds = {
            key: (len(values), isinstance(values[0], str))
            for key, values in self.parameters.items()
        }
        self._interpolate = RegularGridInterpolator(
            [np.arange(n) for n in self.scores.shape], self.scores
        )

    def space(self):
        return {
            key: uniform(0, n - 1) if self.surface and not categorical else _values(n, categorical)
            for key, (n, categorical) in self.kinds.items()
        }

    def start(self):
        """Return the positions of the estimator's own parameter values, or of the middle."""
        return {key: self._default(key) for key in self.kinds}

    def _default(self, key):
        values = self.parameters[key]
        n, categorical = self.kinds[key]
        default = self._estimator.get_params()[key]
        if categorical:
            return _values(n, categorical)[values.index(default)]
        if isinstance(default, (int, float)) and min(values) <= default <= max(values):
            return int(np.argmin(np.abs(np.array(values) - default)))
        return (n - 1) / 2 if self.surface else n // 2

    def __call__(self, position):
        """Return (score, standard error) at a dict of positions."""
        x = [float(position[key]) for key in self.kinds]
        nearest = tuple(round(v) for v in x)
        if not self.surface:
            return self.scores[nearest], self.se[nearest]
        return float(self._interpolate(x)[0]), self.se[nearest]


def _values(n, categorical):
    return [str(i) for i in range(n)] if categorical else list(range(n))


def tasks():
    """Yield (name, unit of regret, arms) of the eight tasks."""
    for surface, data in itertools.product((False, True), DATA):
        kind = "surface" if surface else "table"
        yield f"{data} {kind}", UNIT[data], [Arm(data, name, surface) for name in arms(data)]


if __name__ == "__main__":
    for data in DATA:
        for name in arms(data):
            scores = grid(data, name)[1]
            print(
                f"{data:14s} {name:6s} {scores.size:4d} fits, best {scores.max():.4f}", flush=True
            )
