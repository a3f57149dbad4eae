"""Search by random decompositions beside Optuna's TPE and random search, in 20 to 100 dimensions.

    bench=benchmarks/model_selection/bench_random_decomposition.py
    pytest --benchmark-timer=time.process_time $bench       # CPU time of a trial
    python $bench                                           # best of 120 trials

Each function is to be maximised on the unit cube; "lasso" is minus the error of 5-fold
cross-validation of a Lasso with one penalty per column. CPU time without that of the function.
"""

import argparse
import time
import warnings
from functools import cache, partial

import numpy as np
import optuna
import pytest
from scipy.stats import uniform
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso
from sklearn.model_selection import KFold
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skstruct.model_selection import (
    GPSampler,
    RandomDecompositionSampler,
    RandomSampler,
    TrialResult,
    ask_tell,
)

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def styblinski_tang(u):
    z = 10 * u - 5
    return -np.sum(z**4 - 16 * z**2 + 5 * z) / (2 * len(u))


def rosenbrock(u):
    z = 4 * u - 2
    return -np.log1p(np.sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2))


def levy(u):
    w = 1 + (20 * u - 11) / 4
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return -(np.sin(np.pi * w[0]) ** 2 + middle.sum() + last)


def hartmann(u):
    """The function of six variables, which are the first six coordinates."""
    A = np.array([
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ])  # fmt: skip
    P = np.array([
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ])  # fmt: skip
    return float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-np.sum(A * (u[:6] - P) ** 2, axis=1)))


@cache
def diabetes(n_columns):
    X, y = load_diabetes(return_X_y=True)
    terms = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    X = StandardScaler().fit_transform(terms.fit_transform(StandardScaler().fit_transform(X)))
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    return X[:, :n_columns], (y - y.mean()) / y.std(), folds


def weighted_lasso(u):
    X, y, folds = diabetes(len(u))
    X = X / 10 ** (4 * u - 3)
    errors = []
    for train, test in folds:
        model = Lasso(max_iter=500, tol=1e-3).fit(X[train], y[train])
        errors.append(np.mean((y[test] - model.predict(X[test])) ** 2))
    return -np.mean(errors)


PROBLEMS = {
    "Styblinski-Tang/20": (styblinski_tang, 20),
    "-ln(1+Rosenbrock20)": (rosenbrock, 20),
    "-Levy20": (levy, 20),
    "Hartmann6 in 20": (hartmann, 20),
    "lasso, 20 penalties": (weighted_lasso, 20),
    "lasso, 40 penalties": (weighted_lasso, 40),
    "-ln(1+Rosenbrock40)": (rosenbrock, 40),
}


def ours(sampler, function, d, n_trials, seed, **params):
    """Return the best value, and the CPU seconds of each trial outside the function."""
    space = {f"x{i:03d}": uniform(0, 1) for i in range(d)}
    search = ask_tell(
        space, "round_robin", sampler, n_iter=n_trials, random_state=seed, sampler_params=params
    )
    best, seconds = -np.inf, []
    for _ in range(n_trials):
        begin = time.process_time()
        proposal = search.ask()
        u = np.array(list(search.params(proposal).values()))
        asked = time.process_time()
        value = function(u)
        told = time.process_time()
        search.tell(TrialResult(proposal, value))
        seconds.append(time.process_time() - told + asked - begin)
        best = max(best, value)
    return best, seconds


def tpe(function, d, n_trials, seed, multivariate=False):
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, multivariate=multivariate),
    )
    seconds = []
    for _ in range(n_trials):
        begin = time.process_time()
        trial = study.ask()
        u = np.array([trial.suggest_float(f"x{i}", 0, 1) for i in range(d)])
        asked = time.process_time()
        value = function(u)
        told = time.process_time()
        study.tell(trial, value)
        seconds.append(time.process_time() - told + asked - begin)
    return study.best_value, seconds


METHODS = {
    "random": partial(ours, RandomSampler),
    "TPE": tpe,
    "TPE multivariate": partial(tpe, multivariate=True),
    "joint process, EI": partial(ours, GPSampler),
    "random decomposition": partial(ours, RandomDecompositionSampler),
}


def compare(problems, methods, n_trials, n_seeds):
    for problem in problems:
        function, d = PROBLEMS[problem]
        for method in methods:
            runs = [METHODS[method](function, d, n_trials, seed) for seed in range(n_seeds)]
            best = np.array([value for value, _ in runs])
            ms = 1e3 * np.mean([seconds for _, seconds in runs])
            error = best.std(ddof=1) / np.sqrt(n_seeds)
            print(
                f"{problem:20s} {method:21s} {best.mean():9.4f} +- {error:.4f}  {ms:7.2f} ms",
                flush=True,
            )


def _trial_after(d, n_results):
    """Return a function that runs the next trial of a search of so many."""
    space = {f"x{i:03d}": uniform(0, 1) for i in range(d)}
    search = ask_tell(space, "round_robin", RandomDecompositionSampler, random_state=0)

    def trial():
        proposal = search.ask()
        search.tell(TrialResult(proposal, rosenbrock(np.array(proposal.u))))

    for _ in range(n_results):
        trial()
    return trial


@pytest.mark.parametrize(("d", "n_results"), [(20, 50), (20, 110), (100, 190)])
def test_time_of_a_trial(benchmark, d, n_results):
    """Steps of both kinds, around the best result and in the whole cube, by turns."""
    benchmark.pedantic(_trial_after(d, n_results), rounds=5, iterations=2)


@pytest.mark.parametrize("method", ["random decomposition", "TPE", "TPE multivariate"])
def test_time_of_120_trials(benchmark, method):
    benchmark.pedantic(METHODS[method], args=(rosenbrock, 20, 120, 0), rounds=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()
    compare(arguments.problems, arguments.methods, arguments.trials, arguments.seeds)
