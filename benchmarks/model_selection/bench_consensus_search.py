"""ConsensusSearchCV beside random search and Optuna at equal numbers of fits.

    pytest benchmarks/model_selection/bench_consensus_search.py      # time per fit
    python benchmarks/model_selection/bench_consensus_search.py      # regret, and test accuracy

The regret is that of the point taken, on a bump exp(-|u - u*|^2 / (2 .2^2)) of the unit cube with
u* uniform in [.2, .8]^d; splits add effects of sd .1 and each fit noise of sd .05. Random search
scores each point on 5 splits, or each on the same one.
"""

import argparse
import time
import warnings

import numpy as np
import optuna
import pytest
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import RandomizedSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.model_selection import ConsensusSearchCV
from skstruct.model_selection._consensus import ConsensusSwarm

pytestmark = pytest.mark.benchmark(timer=time.process_time)
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


class Bump:
    def __init__(self, n_dims, seed):
        self.rng = np.random.default_rng(50_000 + seed)
        self.center = self.rng.uniform(0.2, 0.8, n_dims)
        self.effects = 0.1 * self.rng.standard_normal(1000)

    def value(self, u):
        return np.exp(-np.sum((np.asarray(u) - self.center) ** 2, axis=-1) / (2 * 0.2**2))

    def score(self, u, k):
        return self.value(u) + self.effects[k] + 0.05 * self.rng.standard_normal()


def by_swarm(bump, n_dims, n_fits, seed):
    defaults = ConsensusSearchCV(None, {})
    swarm = ConsensusSwarm(n_dims, n_fits, seed=seed, **defaults._swarm_params())
    while not swarm.done:
        swarm.tell([bump.score(u, k) for u, k in swarm.ask()])
    return swarm.best


def by_random(bump, n_dims, n_fits, seed, n_splits=5):
    U = np.random.default_rng(seed).random((n_fits // n_splits, n_dims))
    means = [np.mean([bump.score(u, k) for k in range(n_splits)]) for u in U]
    return U[np.argmax(means)]


def by_random_once(bump, n_dims, n_fits, seed):
    return by_random(bump, n_dims, n_fits, seed, n_splits=1)


def by_optuna(bump, n_dims, n_fits, seed):
    """Its default sampler, 5 splits a trial."""

    def objective(trial):
        u = [trial.suggest_float(str(j), 0, 1) for j in range(n_dims)]
        return np.mean([bump.score(u, k) for k in range(5)])

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    study.optimize(objective, n_trials=n_fits // 5)
    return [study.best_params[str(j)] for j in range(n_dims)]


def regret_table(n_seeds):
    methods = [by_swarm, by_random, by_random_once, by_optuna]
    print("mean regret:", *(method.__name__ for method in methods))
    for n_dims, n_fits in [(2, 100), (3, 200), (5, 200)]:
        found = []
        for method in methods:
            regrets = []
            for seed in range(n_seeds):
                bump = Bump(n_dims, seed)
                regrets.append(1 - bump.value(method(bump, n_dims, n_fits, seed)))
            found.append(np.mean(regrets))
        print(f"  d={n_dims} {n_fits} fits", *(f"{value:.3f}" for value in found), flush=True)


def svc():
    return make_pipeline(StandardScaler(), SVC())


SPACE = {"svc__C": (1e-2, 1e4, "log"), "svc__gamma": (1e-6, 1e1, "log")}


def accuracy_table(n_seeds, n_fits=120):
    print(f"test accuracy of an SVC after {n_fits} fits, and CPU s: consensus, random, optuna")
    for load in (load_digits, load_breast_cancer, load_wine):
        X, y = load(return_X_y=True)
        found, seconds = [], []
        for seed in range(n_seeds):
            train, test, labels, truth = train_test_split(
                X, y, train_size=min(500, len(X) // 2), stratify=y, random_state=seed
            )
            spaces = {name: loguniform(low, high) for name, (low, high, _) in SPACE.items()}
            searches = [
                ConsensusSearchCV(svc(), SPACE, n_fits=n_fits, random_state=seed),
                RandomizedSearchCV(svc(), spaces, n_iter=n_fits // 5, random_state=seed),
            ]
            scores, times = [], []
            for search in searches:
                start = time.process_time()
                scores.append(search.fit(train, labels).score(test, truth))
                times.append(time.process_time() - start)
            start = time.process_time()
            scores.append(optuna_svc(train, labels, n_fits, seed).score(test, truth))
            times.append(time.process_time() - start)
            found.append(scores)
            seconds.append(times)
        accuracies = " ".join(f"{value:.4f}" for value in np.mean(found, axis=0))
        print(
            f"  {load.__name__:18} {accuracies}  ",
            *(f"{value:.2f}" for value in np.median(seconds, axis=0)), flush=True,
        )  # fmt: skip


def optuna_svc(X, y, n_fits, seed):
    def objective(trial):
        params = {
            name: trial.suggest_float(name, low, high, log=True)
            for name, (low, high, _) in SPACE.items()
        }
        return cross_val_score(svc().set_params(**params), X, y).mean()

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    study.optimize(objective, n_trials=n_fits // 5)
    return svc().set_params(**study.best_params).fit(X, y)


class Nothing(DummyClassifier):
    def __init__(self, x=0.0):
        super().__init__()
        self.x = x


def test_overhead(benchmark):
    """CPU time per fit, beside random search with one fold; the fits cost next to nothing."""
    X, y = load_wine(return_X_y=True)
    n_fits = 200
    ours = ConsensusSearchCV(Nothing(), {"x": (0.0, 1.0)}, n_fits=n_fits, random_state=0)
    benchmark.pedantic(ours.fit, (X, y), rounds=3, warmup_rounds=1)
    split = [train_test_split(np.arange(len(X)), random_state=0)]
    theirs = RandomizedSearchCV(Nothing(), {"x": uniform()}, n_iter=n_fits, cv=split)
    start = time.process_time()
    theirs.fit(X, y)
    seconds = time.process_time() - start
    ours.fit(X, y)
    benchmark.extra_info["ms a fit"] = round(benchmark.stats["min"] / ours.n_fits_ * 1e3, 3)
    benchmark.extra_info["ms a fit, random"] = round(seconds / n_fits * 1e3, 3)
    benchmark.extra_info["ms of it in the engine"] = round(
        ours.overhead_time_ / ours.n_fits_ * 1e3, 3
    )
    print(f"\n{benchmark.extra_info}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bumps", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    regret_table(given.bumps)
    accuracy_table(given.seeds)
