"""UnimodalBanditSearchCV beside scikit-learn's searches and Optuna: C and gamma of an SVC.

    pytest benchmarks/model_selection/bench_unimodal_bandit_search.py    # cost of a fit's choice
    python benchmarks/model_selection/bench_unimodal_bandit_search.py    # seconds and accuracy

A grid of 21 x 19 settings; 500 rows of the digits, 350 of breast cancer, and the rest to test on.
Times are of the CPU: run it with OMP_NUM_THREADS=1.
"""

import argparse
import time
import warnings

import numpy as np
import optuna
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.model_selection import UnimodalBanditSearchCV

MODEL = make_pipeline(StandardScaler(), SVC())
GRID = {
    "svc__C": np.logspace(-2, 4, 21).tolist(),
    "svc__gamma": np.logspace(-6, 0, 19).tolist(),
}
DATA = {"digits": (load_digits, 500), "breast cancer": (load_breast_cancer, 350)}
optuna.logging.set_verbosity(optuna.logging.ERROR)


class Optuna:
    """TPE over the same grid, 20 trials on 5 folds."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        def objective(trial):
            params = {}
            for name, values in GRID.items():
                params[name] = values[trial.suggest_int(name, 0, len(values) - 1)]
            return cross_val_score(MODEL.set_params(**params), X, y).mean()

        sampler = optuna.samplers.TPESampler(seed=self.seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, 20)
        best = {name: GRID[name][i] for name, i in study.best_params.items()}
        self.best = MODEL.set_params(**best).fit(X, y)
        return self

    def score(self, X, y):
        return self.best.score(X, y)


SEARCHES = {
    "grid, 5 folds": lambda seed: GridSearchCV(MODEL, GRID, cv=5),
    "halving grid": lambda seed: HalvingGridSearchCV(MODEL, GRID, cv=5, random_state=seed),
    "random, 20 x 5": lambda seed: RandomizedSearchCV(MODEL, GRID, n_iter=20, random_state=seed),
    "Optuna, 20 x 5": Optuna,
    "bandit, 100 fits": lambda seed: UnimodalBanditSearchCV(MODEL, GRID, random_state=seed),
}


def compare(data, n_seeds, names):
    load, n_rows = DATA[data]
    X, y = load(return_X_y=True)
    for name in names:
        seconds, scores = [], []
        for seed in range(n_seeds):
            train, test, labels, truth = train_test_split(
                X, y, train_size=n_rows, stratify=y, random_state=seed
            )
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # halving: classes of few rows
                search = SEARCHES[name](seed).fit(train, labels)
            seconds.append(time.process_time() - start)
            scores.append(search.score(test, truth))
        print(
            f"{data:13} {name:17} {np.median(seconds):7.2f} s, accuracy {np.mean(scores):.4f}",
            flush=True,
        )


def test_overhead_of_a_fit(benchmark):
    """The search of a model that costs nothing, beside RandomizedSearchCV on single splits."""
    X, y = load_digits(return_X_y=True)
    model, grid = DummyClassifier(), {"random_state": list(range(64)), "constant": range(64)}
    search = UnimodalBanditSearchCV(model, grid, n_fits=100, random_state=0, refit=False)
    benchmark.pedantic(search.fit, (X, y), rounds=10, warmup_rounds=1)
    benchmark.extra_info["engine_us_per_fit"] = round(search.overhead_time_ * 1e4, 1)
    benchmark.extra_info["us_per_fit"] = round(benchmark.stats["min"] * 1e4, 1)
    print(f"\n{benchmark.extra_info}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    options = parser.parse_args()
    for data in options.data:
        compare(data, options.seeds, options.searches)
