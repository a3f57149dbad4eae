"""CPU time that a search spends per trial, apart from the fits, beside its peers.

    pytest benchmarks/model_selection/bench_search_overhead.py   # one search of 60 trials each
    python benchmarks/model_selection/bench_search_overhead.py   # ms per trial, fits subtracted

The estimator does nothing, three folds, four parameters, one process. What is subtracted is the
time of the same clones, splits, fits and scores in a plain loop; a sandbox runs the trials in
another process, so that its line is wall time. The other searches, of whose trials no two are
alike, say themselves what they spend on choosing and keeping them (``overhead_time_``).
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV, StratifiedKFold

from skstruct.model_selection import (
    ConsensusSearchCV,
    ConstrainedSearchCV,
    MultiFidelitySearchCV,
    RandomDecompositionSearchCV,
    RisingBanditSearchCV,
    ThresholdSearchCV,
    UnimodalBanditSearchCV,
)

X, Y = load_iris(return_X_y=True)
CV = StratifiedKFold(3)
SPACE = {
    "a": loguniform(1e-3, 1e3),
    "b": uniform(0, 1),
    "c": randint(1, 100),
    "d": loguniform(1e-4, 1),
}
optuna.logging.set_verbosity(optuna.logging.ERROR)


class Nothing(ClassifierMixin, BaseEstimator):
    def __init__(self, a=1.0, b=0.5, c=3, d=0.1):
        self.a = a
        self.b = b
        self.c = c
        self.d = d

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        return -((np.log10(self.a) - 1) ** 2) - (self.b - 0.3) ** 2


def evaluate(params):
    scores = []
    for train, test in CV.split(X, Y):
        estimator = clone(Nothing()).set_params(**params)
        estimator.fit(X[train], Y[train])
        scores.append(estimator.score(X[test], Y[test]))
    return np.mean(scores)


def bare(n_trials, seed, folder):
    for params in ParameterSampler(SPACE, n_trials, random_state=seed):
        evaluate(params)


def randomized(n_trials, seed, folder):
    RandomizedSearchCV(Nothing(), SPACE, n_iter=n_trials, cv=CV, random_state=seed).fit(X, Y)


def ours(n_trials, seed, folder, **params):
    search = RisingBanditSearchCV(
        Nothing(), SPACE, n_iter=n_trials, cv=CV, random_state=seed, **params
    )
    search.fit(X, Y)


def ours_random(n_trials, seed, folder):
    ours(n_trials, seed, folder, sampler="random")


def ours_random_journal(n_trials, seed, folder):
    ours(n_trials, seed, folder, sampler="random", journal=Path(folder, "journal"))


def ours_gp(n_trials, seed, folder):
    ours(n_trials, seed, folder)


def ours_gp_journal(n_trials, seed, folder):
    ours(n_trials, seed, folder, journal=Path(folder, "journal"))


def ours_random_sandbox(n_trials, seed, folder):
    ours(n_trials, seed, folder, sampler="random", trial_timeout=60.0)


def tpe(n_trials, seed, folder, storage=None):
    def objective(trial):
        return evaluate(
            {
                "a": trial.suggest_float("a", 1e-3, 1e3, log=True),
                "b": trial.suggest_float("b", 0, 1),
                "c": trial.suggest_int("c", 1, 99),
                "d": trial.suggest_float("d", 1e-4, 1, log=True),
            }
        )

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, storage=storage)
    study.optimize(objective, n_trials)


def tpe_sqlite(n_trials, seed, folder):
    tpe(n_trials, seed, folder, f"sqlite:///{folder}/study.db")


SEARCHES = [
    randomized,
    ours_random,
    ours_random_journal,
    ours_gp,
    ours_gp_journal,
    tpe,
    tpe_sqlite,
]


GRID = {"a": np.geomspace(1e-3, 1e3, 31), "b": np.linspace(0, 1, 31)}
OTHERS = {
    "rising": lambda n, **params: RisingBanditSearchCV(Nothing(), SPACE, n_iter=n, **params),
    "random decomposition": lambda n, **params: RandomDecompositionSearchCV(
        Nothing(), SPACE, n_iter=n, **params
    ),
    "multi-fidelity": lambda n, **params: MultiFidelitySearchCV(
        Nothing(), SPACE, n_iter=n // 3, **params
    ),
    "constrained": lambda n, **params: ConstrainedSearchCV(
        Nothing(), SPACE, n_iter=n, constraints={"model_size": ("<=", 10**6)}, **params
    ),
    "unimodal": lambda n, **params: UnimodalBanditSearchCV(Nothing(), GRID, n_fits=n, **params),
    "consensus": lambda n, **params: ConsensusSearchCV(Nothing(), SPACE, n_fits=n, **params),
    "threshold": lambda n, **params: ThresholdSearchCV(
        Nothing(), "b", np.linspace(-1, 0.3, 1000), target=-1.1, n_fits=n, **params
    ),
}


def overhead(make, n_trials):
    """Return the number of trials of a search with a journal, and its milliseconds a trial."""
    with tempfile.TemporaryDirectory() as folder:
        search = make(n_trials, random_state=0, journal=Path(folder, "journal"), cv=CV)
        search.fit(X, Y)
        return len(search.trials_), 1e3 * search.overhead_time_ / len(search.trials_)


@pytest.mark.parametrize("search", [bare, *SEARCHES])
def test_search(benchmark, search, tmp_path_factory):
    def setup():
        return (60, 0, tmp_path_factory.mktemp("search")), {}

    benchmark.pedantic(search, setup=setup, rounds=3)


def milliseconds(search, n_trials, n_repeats, clock):
    """Return the least time per trial of several repeats."""
    times = []
    for seed in range(n_repeats):
        with tempfile.TemporaryDirectory() as folder:
            begin = clock()
            search(n_trials, seed, folder)
            times.append(1e3 * (clock() - begin) / n_trials)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[60, 200])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for n_trials in options.trials:
        floor = milliseconds(bare, n_trials, options.repeats, time.process_time)
        print(f"{n_trials} trials: ms per trial outside the fits ({floor:.2f} ms)")
        for search in SEARCHES:
            spent = milliseconds(search, n_trials, options.repeats, time.process_time)
            print(f"  {search.__name__:22s} {spent - floor:7.2f}")
    for n_trials in options.trials:
        print(f"all searches with a journal, {n_trials} trials: ms of overhead_time_ per trial")
        for name, make in OTHERS.items():
            runs = [overhead(make, n_trials) for _ in range(options.repeats)]
            print(f"  {name:22s} {min(ms for _, ms in runs):7.2f}  ({runs[0][0]} trials)")
    warm, long = 60, 660  # the difference leaves the start of the child out
    spent = {
        search: milliseconds(search, long, 3, time.perf_counter) * long
        - milliseconds(search, warm, 3, time.perf_counter) * warm
        for search in (ours_random, ours_random_sandbox)
    }
    extra = (spent[ours_random_sandbox] - spent[ours_random]) / (long - warm)
    print(f"a sandbox adds {extra:.2f} ms per trial (wall)")


if __name__ == "__main__":
    main()
