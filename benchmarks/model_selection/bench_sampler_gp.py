"""The Gaussian-process sampler beside Optuna's TPE in one arm's space.

    pytest benchmarks/model_selection/bench_sampler_gp.py        # CPU time of 50 and 200 trials
    python benchmarks/model_selection/bench_sampler_gp.py        # regret on ten response surfaces

The regret is (best - best found) / (best - median) of the surface, in thousandths.
"""

import time

import numpy as np
import optuna
import pytest
from response_surfaces import Arm
from scipy.stats import loguniform, randint, uniform

from skstruct.model_selection import GPSampler, RandomSampler
from skstruct.model_selection._space import Space

SURFACES = (
    ("wine", "svc"),
    ("wine", "knn"),
    ("breast_cancer", "svc"),
    ("breast_cancer", "lr"),
    ("breast_cancer", "et"),
    ("digits", "svc"),
    ("digits", "et"),
    ("diabetes", "svr"),
    ("diabetes", "knn"),
    ("diabetes", "et"),
)
PULLS = (12, 20, 30)
SPACE = {
    "C": loguniform(1e-3, 1e3),
    "gamma": loguniform(1e-4, 1),
    "share": uniform(0, 1),
    "depth": randint(1, 20),
    "kind": ["a", "b", "c"],
}
optuna.logging.set_verbosity(optuna.logging.ERROR)


def minimise(sampler, arm, seed, n_pulls):
    """Return the scores of the points that a sampler of ours proposes."""
    space = Space(arm.space())
    rng = np.random.default_rng(seed)
    sampler = sampler(space, rng)
    scores = []
    for _ in range(n_pulls):
        u = sampler.ask()
        scores.append(arm(space.decode(u))[0])
        sampler.tell(u, scores[-1])
    return scores


def suggest(trial, arm, prefix=""):
    """Ask an Optuna trial for a position on the grid of an arm."""
    return {
        key: trial.suggest_categorical(prefix + key, [str(i) for i in range(n)])
        if categorical
        else trial.suggest_float(prefix + key, 0, n - 1)
        if arm.surface
        else trial.suggest_int(prefix + key, 0, n - 1)
        for key, (n, categorical) in arm.kinds.items()
    }


def tpe(arm, seed, n_pulls):
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    study.optimize(lambda trial: arm(suggest(trial, arm))[0], n_pulls)
    return [trial.value for trial in study.trials]


def regret(arm, scores):
    spread = arm.scores.max() - np.median(arm.scores)
    return [1e3 * (arm.scores.max() - max(scores[:n])) / spread for n in PULLS]


def compare(n_seeds=8):
    methods = {
        "GP": lambda *args: minimise(GPSampler, *args),
        "random": lambda *args: minimise(RandomSampler, *args),
        "TPE": tpe,
    }
    table = {name: [] for name in methods}
    for data, name in SURFACES:
        arm = Arm(data, name, surface=True)
        for method, run in methods.items():
            seeds = [regret(arm, run(arm, seed, PULLS[-1])) for seed in range(n_seeds)]
            table[method].append(np.mean(seeds, axis=0))
            print(f"{data:14s} {name:4s} {method:7s}", *(f"{r:7.1f}" for r in table[method][-1]))
    print("\nmean regret x 1000 after", *PULLS, "pulls")
    for method, rows in table.items():
        print(f"{method:10s}", *(f"{r:7.1f}" for r in np.mean(rows, axis=0)))


def _score(params):
    return -((np.log10(params["C"]) - 1) ** 2) - params["share"] - abs(params["depth"] - 7)


def _ask_and_tell(n_pulls):
    """Return the CPU seconds of each ask, with its decode, and tell."""
    space = Space(SPACE)
    sampler = GPSampler(space, np.random.default_rng(0))
    seconds = []
    for _ in range(n_pulls):
        begin = time.process_time()
        u = sampler.ask()
        params = space.decode(u)
        sampler.tell(u, _score(params))
        seconds.append(time.process_time() - begin)
    return seconds


def _optuna_ask_and_tell(n_pulls):
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    for _ in range(n_pulls):
        trial = study.ask()
        params = {
            "C": trial.suggest_float("C", 1e-3, 1e3, log=True),
            "gamma": trial.suggest_float("gamma", 1e-4, 1, log=True),
            "share": trial.suggest_float("share", 0, 1),
            "depth": trial.suggest_int("depth", 1, 19),
            "kind": trial.suggest_categorical("kind", ["a", "b", "c"]),
        }
        study.tell(trial, _score(params))


@pytest.mark.parametrize("n_pulls", [50, 200])
@pytest.mark.parametrize("run", [_ask_and_tell, _optuna_ask_and_tell], ids=["gp", "tpe"])
def test_time_of_trials(benchmark, run, n_pulls):
    benchmark.pedantic(run, args=(n_pulls,), rounds=5)


def report_cpu():
    for n in (50, 100, 200):
        runs = np.array([_ask_and_tell(n) for _ in range(5)]) * 1e3
        print(
            f"n = {n}: CPU per trial {runs.mean(axis=1).min():.2f} ms, "
            f"of the last ten {runs[:, -10:].mean(axis=1).min():.2f} ms"
        )


if __name__ == "__main__":
    compare()
    report_cpu()
