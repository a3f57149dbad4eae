"""Constrained search beside Optuna and random search: regret, feasible trials, time per trial.

    pytest benchmarks/model_selection/bench_constrained.py        # CPU time of 50 trials
    python benchmarks/model_selection/bench_constrained.py        # the tables of the user guide

Three functions of two variables with known feasible optima, after 20 and 40 evaluations; one whose
constraint cannot be satisfied; and precision of a support vector machine within limits of recall
and size. The regret is the distance to the best feasible point of an 801 x 801 grid.
"""

import argparse
import time
import warnings

import numpy as np
import optuna
import pytest
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.model_selection import ConstrainedSampler, ConstrainedSearchCV, TrialResult, ask_tell
from skstruct.model_selection._constraints import model_size

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def sinus(x, y):
    return np.cos(2 * x) * np.cos(y) + np.sin(x), (np.cos(x + y) + 0.2,)


def gardner(x, y, limit=0.95):
    return np.sin(x) + y, (np.sin(x) * np.sin(y) + limit,)


def gramacy(x, y):
    wave = np.sin(2 * np.pi * (x**2 - 2 * y))
    return x + y, (1.5 - x - 2 * y - 0.5 * wave, x**2 + y**2 - 1.5)


def impossible(x, y):
    return gardner(x, y, limit=1.15)


PROBLEMS = {sinus: 6.0, gardner: 6.0, gramacy: 1.0, impossible: 6.0}


def best_of_grid(problem):
    x, y = np.meshgrid(*[np.linspace(0, PROBLEMS[problem], 801)] * 2)
    f, g = problem(x, y)
    return f[np.max(g, axis=0) <= 0].min()


def constrained(problem, n_trials, seed, **params):
    """Return the values and the constraints of our trials, and the verdict."""
    side = uniform(0, PROBLEMS[problem])
    search = ask_tell(
        {"x": side, "y": side},
        "round_robin",
        ConstrainedSampler,
        n_iter=n_trials,
        random_state=seed,
        sampler_params=params,
    )
    values = []
    for _ in range(n_trials):
        proposal = search.ask()
        f, g = problem(**search.params(proposal))
        search.tell(TrialResult(proposal, -f, values=g))
        values.append((f, g))
    return values, search.samplers[0].verdict()


def with_optuna(problem, n_trials, seed, sampler):
    values = []

    def objective(trial):
        f, g = problem(*(trial.suggest_float(name, 0, PROBLEMS[problem]) for name in "xy"))
        trial.set_user_attr("g", g)
        values.append((f, g))
        return f

    sampler = sampler(seed=seed, constraints_func=lambda trial: trial.user_attrs["g"])
    optuna.create_study(sampler=sampler).optimize(objective, n_trials)
    return values, None


def tpe(problem, n_trials, seed):
    return with_optuna(problem, n_trials, seed, optuna.samplers.TPESampler)


def nsga2(problem, n_trials, seed):
    def sampler(**params):
        return optuna.samplers.NSGAIISampler(population_size=10, **params)

    return with_optuna(problem, n_trials, seed, sampler)


def at_random(problem, n_trials, seed):
    points = np.random.default_rng(seed).uniform(0, PROBLEMS[problem], (n_trials, 2))
    return [problem(*point) for point in points], None


def config(*args):
    return constrained(*args, acquisition="config", beta=3.0)


def cei(*args):
    return constrained(*args, acquisition="cei")


METHODS = {
    "random": at_random,
    "Optuna NSGA-II": nsga2,
    "Optuna TPE": tpe,
    "config, beta 3": config,
    "cei": cei,
    "mixed": constrained,
}


def compare(n_seeds):
    for problem in (sinus, gardner, gramacy):
        optimum = best_of_grid(problem)
        print(f"{problem.__name__}: optimum {optimum:.4f}; at 20, at 40, worst at 40, found by 20")
        for name, run in METHODS.items():
            regrets = []
            for seed in range(n_seeds):
                values, _ = run(problem, 40, seed)
                feasible = [f if max(g) <= 0 else np.inf for f, g in values]
                regrets.append(np.minimum.accumulate(feasible)[[19, 39]] - optimum)
            early, late = np.array(regrets).T
            found = np.isfinite(early).sum()
            print(
                f"  {name:15s} {np.median(early):8.4f} {np.median(late):9.5f} {late.max():8.4f}"
                f"  {found} of {n_seeds}"
            )


def declare(n_seeds):
    for problem in (impossible, gardner):
        verdicts = [constrained(problem, 40, seed)[1] for seed in range(n_seeds)]
        print(
            f"{problem.__name__}: declared infeasible {sum(v for v, _ in verdicts)} of {n_seeds}, "
            f"a step fired in {sum((t > 0).any() for _, t in verdicts)}, "
            f"last of the trace {np.median([t[-1] for _, t in verdicts]):.3f}"
        )


DATA = load_breast_cancer(return_X_y=True)
FOLDS = list(StratifiedKFold(3).split(*DATA))
PIPELINE = make_pipeline(StandardScaler(), SVC())
SPACE = {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-5, 10)}
LIMITS = {"recall": (">=", 0.985), "model_size": ("<=", 40_000)}
SCORING = {"scoring": ["precision", "recall"], "cv": FOLDS}


def search_constrained(n_trials, seed):
    search = ConstrainedSearchCV(
        PIPELINE,
        SPACE,
        constraints=LIMITS,
        n_iter=n_trials,
        refit="precision",
        random_state=seed,
        **SCORING,
    ).fit(*DATA)
    results = search.cv_results_
    return results["mean_test_precision"], results["feasible"]


def evaluate(params):
    runs = cross_validate(
        clone(PIPELINE).set_params(**params), *DATA, return_estimator=True, **SCORING
    )
    size = np.mean([model_size(estimator) for estimator in runs["estimator"]])
    return runs["test_precision"].mean(), runs["test_recall"].mean(), size


def search_at_random(n_trials, seed):
    draws = RandomizedSearchCV(PIPELINE, SPACE, n_iter=n_trials, random_state=seed, refit=False)
    params = draws.set_params(cv=FOLDS[:1]).fit(*DATA).cv_results_["params"]
    precision, recall, size = np.array([evaluate(each) for each in params]).T
    return precision, (recall >= 0.985) & (size <= 40_000)


def search_optuna(n_trials, seed):
    found = []

    def objective(trial):
        params = {
            "svc__C": trial.suggest_float("C", 1e-2, 1e3, log=True),
            "svc__gamma": trial.suggest_float("gamma", 1e-5, 10, log=True),
        }
        precision, recall, size = evaluate(params)
        trial.set_user_attr("g", (0.985 - recall, np.log(size / 40_000)))
        found.append((precision, recall >= 0.985 and size <= 40_000))
        return precision

    sampler = optuna.samplers.TPESampler(
        seed=seed, constraints_func=lambda trial: trial.user_attrs["g"]
    )
    optuna.create_study(direction="maximize", sampler=sampler).optimize(objective, n_trials)
    return np.array(found).T


def real(n_seeds):
    print("breast_cancer, 30 trials: precision at recall >= .985 and <= 40 kB")
    searches = {
        "RandomizedSearchCV": search_at_random,
        "Optuna TPE": search_optuna,
        "ConstrainedSearchCV": search_constrained,
    }
    for name, search in searches.items():
        shares, best = [], []
        for seed in range(n_seeds):
            precision, feasible = search(30, seed)
            feasible = feasible.astype(bool)
            shares.append(feasible.mean())
            best.append(precision[feasible].max(initial=0.0))
        print(
            f"  {name:20s} feasible trials {100 * np.mean(shares):3.0f} %, precision median "
            f"{np.median(best):.4f}, worst {min(best):.4f}"
        )


def _ask_and_tell(n_trials, m, d=5):
    """Return the CPU seconds of each ask and tell with m constraints of d parameters."""
    search = ask_tell(
        {str(j): uniform(0, 1) for j in range(d)},
        "round_robin",
        ConstrainedSampler,
        n_iter=n_trials,
        random_state=0,
    )
    centers = np.random.default_rng(0).random((m + 1, d))
    seconds = []
    for _ in range(n_trials):
        begin = time.process_time()
        proposal = search.ask()
        seconds.append(time.process_time() - begin)
        f, *g = ((np.array(proposal.u) - centers) ** 2).sum(axis=1)
        begin = time.process_time()
        search.tell(TrialResult(proposal, -f, values=tuple(v - 0.5 for v in g)))
        seconds[-1] += time.process_time() - begin
    return seconds


@pytest.mark.parametrize("m", [1, 3])
def test_time_of_50_trials(benchmark, m):
    benchmark.pedantic(_ask_and_tell, args=(50, m), rounds=5)


def test_time_of_50_trials_of_tpe(benchmark):
    benchmark.pedantic(tpe, args=(gramacy, 50, 0), rounds=5)


def report_cpu():
    for m in (0, 1, 2, 4):
        for n in (50, 200):
            runs = 1e3 * np.array([_ask_and_tell(n, m) for _ in range(5)])
            print(
                f"{m} constraints, {n} trials: {runs.mean(axis=1).min():.2f} ms of CPU per trial, "
                f"{runs[:, -5:].mean(axis=1).min():.2f} of the last five"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    compare(options.seeds)
    declare(options.seeds)
    report_cpu()
    real(options.seeds)
