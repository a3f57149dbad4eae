"""All searches on the data sets that scikit-learn ships, at equal numbers of fits.

Every search tunes C and gamma of a scaled SVC (SVR for the quantities) on 70 % of the rows, with
budgets that double, from five seeds. Its choice is then judged by cross-validation on 20 splits
that no search has seen, and by the rows held out. The page "Searches side by side" of the
documentation is made of the two files that this writes, ``comparison.csv`` and ``comparison.svg``:

    python benchmarks/model_selection/compare_all_searches.py --out doc/_static
"""

import argparse
import csv
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import optuna
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedShuffleSplit,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from skstruct.model_selection import (
    ConsensusSearchCV,
    MultiFidelitySearchCV,
    RandomDecompositionSearchCV,
    RisingBanditSearchCV,
    UnimodalBanditSearchCV,
)

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
BUDGETS = (25, 50, 100, 200)  # fits
N_FOLDS = 5
N_SPLITS = 20  # of the judge
MOST_ROWS = 1000  # every second of the digits
RANGES = {"C": (1e-2, 1e4), "gamma": (1e-6, 1e1)}


def distributions(name):
    return {f"{name}__{key}": loguniform(*bounds) for key, bounds in RANGES.items()}


def grid(name, n):
    return {f"{name}__{key}": np.geomspace(*bounds, n) for key, bounds in RANGES.items()}


def trials(cls, estimator, name, n_fits, seed, **params):
    return cls(
        estimator, distributions(name), n_iter=n_fits // N_FOLDS, random_state=seed, **params
    )


def unimodal(estimator, name, n_fits, seed):
    return UnimodalBanditSearchCV(estimator, grid(name, 31), n_fits=n_fits, random_state=seed)


def consensus(estimator, name, n_fits, seed):
    return ConsensusSearchCV(estimator, distributions(name), n_fits=n_fits, random_state=seed)


def full_grid(estimator, name, n_fits, seed):
    return GridSearchCV(estimator, grid(name, int(np.sqrt(n_fits / N_FOLDS))))


def halving(estimator, name, n_fits, seed):
    """Of the usual three levels, as many candidates as cost what the fits cost."""
    return HalvingRandomSearchCV(
        estimator,
        distributions(name),
        n_candidates=max(9 * n_fits // (3 * N_FOLDS), 2),
        min_resources="exhaust",
        max_resources="auto",
        random_state=seed,
    )


class TPE:
    """Optuna's sampler in the shape of a search."""

    def __init__(self, estimator, name, n_fits, seed):
        self.estimator, self.name, self.n_fits, self.seed = estimator, name, n_fits, seed

    def fit(self, X, y):
        def objective(trial):
            params = {
                f"{self.name}__{key}": trial.suggest_float(
                    f"{self.name}__{key}", *bounds, log=True
                )
                for key, bounds in RANGES.items()
            }
            model = clone(self.estimator).set_params(**params)
            return cross_val_score(model, X, y, cv=N_FOLDS).mean()

        sampler = optuna.samplers.TPESampler(seed=self.seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=self.n_fits // N_FOLDS)
        self.best_params_ = study.best_params
        self.best_estimator_ = clone(self.estimator).set_params(**study.best_params).fit(X, y)
        return self


SEARCHES = {
    "RisingBanditSearchCV": partial(trials, RisingBanditSearchCV),
    "RandomDecompositionSearchCV": partial(trials, RandomDecompositionSearchCV),
    "MultiFidelitySearchCV": partial(trials, MultiFidelitySearchCV, n_levels=2),  # iris is small
    "UnimodalBanditSearchCV": unimodal,
    "ConsensusSearchCV": consensus,
    "RandomizedSearchCV": partial(trials, RandomizedSearchCV),
    "GridSearchCV": full_grid,
    "HalvingRandomSearchCV": halving,
    "Optuna TPE": TPE,
}


def measure(data, seed, budgets, searches):
    """Yield a row for each search and budget."""
    X, y = DATA[data](return_X_y=True)
    every = -(-len(X) // MOST_ROWS)
    X, y = X[::every], y[::every]
    is_classified = data != "diabetes"
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y if is_classified else None, random_state=seed
    )
    model, name = (SVC(), "svc") if is_classified else (SVR(), "svr")
    estimator = make_pipeline(StandardScaler(), model)
    splitter = StratifiedShuffleSplit if is_classified else ShuffleSplit
    judge = splitter(N_SPLITS, test_size=0.2, random_state=1000 + seed)
    for n_fits in budgets:
        for search_name in searches:
            search = SEARCHES[search_name](estimator, name, n_fits, seed)
            begin = time.process_time()
            search.fit(X, y)
            seconds = time.process_time() - begin
            chosen = clone(estimator).set_params(**search.best_params_)
            yield {
                "data": data,
                "seed": seed,
                "search": search_name,
                "fits": n_fits,
                "seconds": seconds,
                "score": cross_val_score(chosen, X, y, cv=judge).mean(),
                "held_out": search.best_estimator_.score(X_test, y_test),
            }


def regrets(rows):
    """Return {(search, fits): (regret, held-out score, seconds)}, means over data and seeds."""
    best = {}
    for row in rows:
        key = row["data"], row["seed"]
        best[key] = max(best.get(key, -np.inf), row["score"])
    table = {}
    for row in rows:
        regret = best[row["data"], row["seed"]] - row["score"]
        values = regret, row["held_out"], row["seconds"]
        table.setdefault((row["search"], row["fits"]), []).append(values)
    return {key: np.mean(values, axis=0) for key, values in table.items()}


def draw(table, path):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4.2), sharey=True, layout="constrained"
    )
    for name in dict.fromkeys(search for search, _ in table):
        fits = [n for search, n in table if search == name]
        regret, _, seconds = np.transpose([table[name, n] for n in fits])
        style = "o-" if name.endswith("SearchCV") and name in _OURS else "s--"
        left.plot(fits, regret, style, ms=4, label=name)
        right.plot(seconds, regret, style, ms=4)
    left.set(xscale="log", yscale="log", xlabel="fits", ylabel="mean regret of the choice")
    right.set(xscale="log", xlabel="CPU seconds")
    left.set_xticks(fits, fits)
    right.set_xticks([0.2, 0.5, 1, 2, 4], [".2", ".5", "1", "2", "4"])
    for axes in (left, right):
        axes.minorticks_off()
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


_OURS = {name for name, make in SEARCHES.items()} - {
    "RandomizedSearchCV",
    "GridSearchCV",
    "HalvingRandomSearchCV",
    "Optuna TPE",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--budgets", type=int, nargs="+", default=list(BUDGETS))
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=list(SEARCHES))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    rows = []
    for data in args.data:
        for seed in range(args.seeds):
            rows += measure(data, seed, args.budgets, args.searches)
        print(data, f"{time.process_time():.0f} s", flush=True)
    table = regrets(rows)
    header = ["search", "fits", "regret", "held-out score", "CPU seconds"]
    lines = [
        [name, n, f"{regret:.4f}", f"{held_out:.4f}", f"{seconds:.2f}"]
        for (name, n), (regret, held_out, seconds) in sorted(table.items())
    ]
    for line in [header, *lines]:
        print("  ".join(f"{value!s:>28}" for value in line))
    if args.out:
        with open(args.out / "comparison.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *lines])
        draw(table, args.out / "comparison.svg")


if __name__ == "__main__":
    main()
