"""Best score of the rising bandit beside random search and Optuna's TPE, on the same arms.

Takes the arguments of ``skstruct tune`` and searches what that command would search: the same
pipelines, distributions, folds and number of trials for all three, one process, one thread.  For
each seed it prints the best mean score of cross-validation, the score of the refitted model on the
held-out rows, the seconds, and the milliseconds per trial spent outside the fits.

    python benchmarks/model_selection/compare_searches.py breast_cancer --trials 60 --seeds 5
    python benchmarks/model_selection/compare_searches.py churn.csv --target churned --cv 3
"""

import argparse
import time
import warnings

import numpy as np
import optuna
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import RandomizedSearchCV, cross_validate

from skstruct.cli._parser import make_parser
from skstruct.cli._plan import make_plan
from skstruct.model_selection import RisingBanditSearchCV, cash_space


def suggest(trial, name, distribution):
    """Ask an Optuna trial for a value of a list or of a frozen scipy distribution."""
    if isinstance(distribution, list):
        return distribution[trial.suggest_categorical(name, range(len(distribution)))]
    low, high = distribution.support()
    kind = distribution.dist.name
    if kind == "randint":
        return trial.suggest_int(name, int(low), int(high))
    if kind not in {"uniform", "loguniform", "reciprocal"}:
        raise ValueError(f"{name}: no Optuna distribution for scipy's {kind!r}")
    return trial.suggest_float(name, low, high, log=kind != "uniform")


def rising(estimator, arms, plan, n_iter, seed):
    return _search_cv(RisingBanditSearchCV, estimator, arms, plan, n_iter, seed)


def randomized(estimator, arms, plan, n_iter, seed):
    return _search_cv(RandomizedSearchCV, estimator, arms, plan, n_iter, seed)


def _search_cv(cls, estimator, arms, plan, n_iter, seed):
    begin = time.perf_counter()
    search = cls(
        estimator, arms, n_iter=n_iter, random_state=seed, cv=plan.cv, scoring=plan.scoring
    ).fit(plan.X_train, plan.y_train)
    elapsed = time.perf_counter() - begin
    per_fold = search.cv_results_["mean_fit_time"] + search.cv_results_["mean_score_time"]
    fitting = per_fold.sum() * search.n_splits_ + search.refit_time_
    return search.best_score_, search.best_estimator_, elapsed - fitting


def tpe(estimator, arms, plan, n_iter, seed):
    """The joint space: the arm is categorical, and the parameters of an arm hang on it."""
    fitting = 0.0
    tried = []

    def objective(trial):
        nonlocal fitting
        arm = trial.suggest_categorical("arm", range(len(arms)))
        params = {
            name: values[0]
            if isinstance(values, list) and len(values) == 1
            else suggest(trial, f"{arm}/{name}", values)
            for name, values in arms[arm].items()
        }
        candidate = clone(estimator).set_params(**clone(params, safe=False))
        tried.append(candidate)
        scores = cross_validate(
            candidate, plan.X_train, plan.y_train, cv=plan.cv, scoring=plan.scoring
        )
        fitting += scores["fit_time"].sum() + scores["score_time"].sum()
        return scores["test_score"].mean()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    begin = time.perf_counter()
    study.optimize(objective, n_trials=n_iter)
    overhead = time.perf_counter() - begin - fitting
    best = tried[study.best_trial.number].fit(plan.X_train, plan.y_train)
    return study.best_value, best, overhead


SEARCHES = {"rising": rising, "random": randomized, "tpe": tpe}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    own, rest = parser.parse_known_args()
    args = make_parser().parse_args(["tune", *rest])
    plan = make_plan(args)
    n_iter = args.trials or 60
    estimator, arms = cash_space(plan.arms)
    scorer = get_scorer(plan.scoring)
    table = {name: [] for name in SEARCHES}
    print(f"{plan.name}: arms {', '.join(plan.arms)}; {n_iter} trials")
    for seed in range(own.seeds):
        for name, search in SEARCHES.items():
            begin = time.perf_counter()
            best, model, overhead = search(estimator, arms, plan, n_iter, seed)
            elapsed = time.perf_counter() - begin
            held_out = scorer(model, plan.X_test, plan.y_test)
            table[name].append((best, held_out, elapsed, 1e3 * overhead / n_iter))
            print(f"seed {seed} {name:8}" + _row(table[name][-1]), flush=True)
    for name, rows in table.items():
        print(f"mean   {name:8}" + _row(np.mean(rows, axis=0)))


def _row(values):
    best, held_out, seconds, overhead = values
    return (
        f"  best {best:.4f}  held out {held_out:.4f}  {seconds:7.1f} s  {overhead:6.2f} ms/trial"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
