"""Search with cheap trials beside searches with full ones, halving and Optuna's Hyperband.

    pytest benchmarks/model_selection/bench_multi_fidelity.py             # CPU time of a trial
    python benchmarks/model_selection/bench_multi_fidelity.py functions   # regret, a minute
    python benchmarks/model_selection/bench_multi_fidelity.py surfaces    # the same on real scores
    python benchmarks/model_selection/bench_multi_fidelity.py searches    # cross-validated scores

Costs are nominal: 1/9, 1/3 and 1 for the three levels, and every method has the same budget.
"""

import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import optuna
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.svm import SVC

from skstruct.model_selection import (
    GPSampler,
    MultiFidelitySampler,
    MultiFidelitySearchCV,
    RandomSampler,
    RisingBanditSearchCV,
    TrialResult,
    ask_tell,
)

sys.path.append(str(Path(__file__).parents[2] / "tests" / "model_selection"))
from multi_fidelity_functions import FUNCTIONS, SHARES, play, regret

optuna.logging.set_verbosity(optuna.logging.ERROR)


def by_halving(function, n_dims, budget, seed):
    """Return the trials of brackets of 9 random points, 3 of which are promoted, and 1 of them."""
    rng, trials, spent = np.random.default_rng(seed), [], 0.0
    while spent < budget:
        points = rng.random((9, n_dims))
        for t in range(3):
            scores = np.array([function(x, t) for x in points])
            trials += [(t, score) for score in scores]
            spent += len(points) * SHARES[t]
            points = points[np.argsort(-scores)[: len(points) // 3]]
    return trials


def by_hyperband(function, n_dims, budget, seed):
    """Return the trials of Optuna's TPE with its Hyperband pruner; a level is a step."""
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    trials, spent = [], 0.0
    while spent < budget:
        trial = study.ask()
        x = np.array([trial.suggest_float(f"x{j}", 0, 1) for j in range(n_dims)])
        for t, step in enumerate((1, 3, 9)):
            trials.append((t, function(x, t)))
            trial.report(trials[-1][1], step)
            spent += SHARES[t]
            if t < 2 and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, trials[-1][1])
    return trials


def gp(*args):
    return play(*args, GPSampler)


def random(*args):
    return play(*args, RandomSampler)


METHODS = {
    "multi-fidelity": play,
    "GP, full trials": gp,
    "random": random,
    "halving brackets": by_halving,
    "TPE, Hyperband": by_hyperband,
}


def table(title, function, n_dims, best, budget, n_seeds):
    print(f"\n{title}, budget {budget}: regret over {n_seeds} seeds")
    for name, method in METHODS.items():
        runs = [method(function, n_dims, budget, seed) for seed in range(n_seeds)]
        regrets = [regret(run, best) for run in runs]
        counts = np.mean([np.bincount([t for t, _ in run], minlength=3) for run in runs], axis=0)
        print(
            f"{name:18s} mean {np.mean(regrets):9.4f}  median {np.median(regrets):9.4f}  trials",
            *(f"{n:5.1f}" for n in counts),
            flush=True,
        )


def functions(n_seeds=20):
    for name, (function, n_dims, best) in FUNCTIONS.items():
        for budget in (20, 30):
            table(name, function, n_dims, best, budget, n_seeds)


def surfaces(n_seeds=20):
    """Scores of digits on a grid of parameters at three levels, linear between its points."""
    for name, fit in {"digits SVC": _svc_scores, "digits trees": _tree_scores}.items():
        folder = os.environ.get("SKSTRUCT_BENCH_CACHE", tempfile.gettempdir())
        file = Path(folder) / f"skstruct_levels_{name.replace(' ', '_')}.joblib"
        if not file.exists():
            joblib.dump(fit(), file)
        scores = joblib.load(file)  # (3, ...)
        axes = [np.linspace(0, 1, n) for n in scores.shape[1:]]
        surface = [RegularGridInterpolator(axes, level) for level in scores]
        function = lambda x, t, surface=surface: float(surface[t](x)[0])  # noqa: E731
        table(name, function, len(axes), scores[2].max(), 20, n_seeds)


def _folds():
    X, y = load_digits(return_X_y=True)
    return X, y, list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))


def _svc_scores():
    """C and gamma; 1/9, 1/3 and all of the training samples."""
    X, y, folds = _folds()
    C, gamma = np.logspace(-2, 3, 13), np.logspace(-5, 0, 13)
    scores = np.zeros((3, 13, 13))
    for t, i, j in np.ndindex(scores.shape):
        for train, test in folds:
            train = np.random.default_rng(0).permutation(train)[: round(len(train) * SHARES[t])]
            fitted = SVC(C=C[i], gamma=gamma[j]).fit(X[train], y[train])
            scores[t, i, j] += fitted.score(X[test], y[test]) / 3
    return scores


def _tree_scores():
    """Learning rate, depth and share of the features; 4, 12 and 36 rounds of boosting."""
    X, y, folds = _folds()
    rates, depths, features = np.logspace(-2, 0, 7), (1, 2, 3, 5), (0.03, 0.1, 0.3)
    scores = np.zeros((3, 7, 4, 3))
    for i, j, k in np.ndindex(scores.shape[1:]):
        params = {"learning_rate": rates[i], "max_depth": depths[j], "max_features": features[k]}
        for train, test in folds:
            model = GradientBoostingClassifier(n_estimators=36, random_state=0, **params)
            staged = list(model.fit(X[train], y[train]).staged_predict(X[test]))
            for t, n in enumerate((4, 12, 36)):
                scores[t, i, j, k] += (staged[n - 1] == y[test]).mean() / 3
    return scores


TREES = {
    "learning_rate": loguniform(0.01, 1.0),
    "max_depth": randint(1, 7),
    "subsample": uniform(0.4, 0.6),
    "max_features": uniform(0.1, 0.9),
    "min_samples_leaf": randint(1, 30),
}
SEARCHES = {
    "digits SVC": (
        load_digits,
        SVC(),
        {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-5, 1e0)},
        {"resource": "n_samples"},
    ),
    "breast cancer trees": (
        load_breast_cancer,
        GradientBoostingClassifier(random_state=0),
        TREES,
        {"resource": "n_estimators", "max_resources": 81},
    ),
    "diabetes trees": (
        load_diabetes,
        GradientBoostingRegressor(random_state=0),
        TREES,
        {"resource": "n_estimators", "max_resources": 81},
    ),
}


def searches(n_seeds=5, budget=12):
    for name, (load, estimator, space, levels) in SEARCHES.items():
        X, y = load(return_X_y=True)
        folds = KFold if load is load_diabetes else StratifiedKFold
        cv = folds(3, shuffle=True, random_state=0)
        full = dict(estimator.get_params())
        if levels["resource"] != "n_samples":
            full[levels["resource"]] = levels["max_resources"]
        estimator.set_params(**full)
        print(f"\n{name}: mean cross-validated score over {n_seeds} seeds, budget {budget}")
        for method in (_ours, _halving, _randomized, _gp_search):
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores = [
                    method(estimator, space, X, y, cv, levels, budget, seed)
                    for seed in range(n_seeds)
                ]
            seconds = (time.perf_counter() - begin) / n_seeds
            print(
                f"{method.__name__[1:]:12s} {np.mean(scores):.4f}  {seconds:6.1f} s a search ",
                *(f"{score:.4f}" for score in scores),
                flush=True,
            )


def _ours(estimator, space, X, y, cv, levels, budget, seed):
    search = MultiFidelitySearchCV(
        estimator, space, n_iter=budget, cv=cv, random_state=seed, refit=True, **levels
    )
    return search.fit(X, y).best_score_


def _halving(estimator, space, X, y, cv, levels, budget, seed):
    """As many candidates as the budget allows on three rungs; the best one in full."""
    smallest = min(len(train) for train, _ in cv.split(X, y))
    most = levels.get("max_resources", smallest)
    search = HalvingRandomSearchCV(
        estimator,
        space,
        n_candidates=3 * budget,
        min_resources=most // 9,
        max_resources=most,
        resource=levels["resource"],
        factor=3,
        cv=cv,
        random_state=seed,
        refit=False,
    ).fit(X, y)
    best = {**search.best_params_}
    if levels["resource"] != "n_samples":
        best[levels["resource"]] = most
    return cross_val_score(estimator.set_params(**best), X, y, cv=cv).mean()


def _randomized(estimator, space, X, y, cv, levels, budget, seed):
    search = RandomizedSearchCV(estimator, space, n_iter=budget, cv=cv, random_state=seed)
    return search.fit(X, y).best_score_


def _gp_search(estimator, space, X, y, cv, levels, budget, seed):
    search = RisingBanditSearchCV(estimator, space, n_iter=budget, cv=cv, random_state=seed)
    return search.fit(X, y).best_score_


def cpu_seconds(n_trials, n_dims=6, sampler=MultiFidelitySampler):
    """Return the CPU seconds of each ask and tell."""
    function = FUNCTIONS["hartmann"][0]
    entries = {f"x{j}": uniform() for j in range(n_dims)}
    core = ask_tell(entries, "round_robin", sampler, n_iter=n_trials, random_state=0)
    seconds = []
    for _ in range(n_trials):
        begin = time.process_time()
        proposal = core.ask()
        elapsed = time.process_time() - begin
        score = function(np.array(proposal.u), SHARES.index(proposal.share))
        begin = time.process_time()
        core.tell(TrialResult(proposal, score))
        seconds.append(elapsed + time.process_time() - begin)
    return seconds


@pytest.mark.parametrize("n_trials", [60, 120])
def test_time_of_trials(benchmark, n_trials):
    benchmark.pedantic(cpu_seconds, args=(n_trials,), rounds=5)


def cpu():
    for n in (60, 120, 200, 300):
        runs = np.array([cpu_seconds(n) for _ in range(5)]) * 1e3
        print(
            f"n = {n}: CPU of the last ten trials {runs[:, -10:].mean(axis=1).min():.2f} ms each"
        )


if __name__ == "__main__":
    for job in sys.argv[1:] or ("functions", "surfaces", "searches", "cpu"):
        {"functions": functions, "surfaces": surfaces, "searches": searches, "cpu": cpu}[job]()
