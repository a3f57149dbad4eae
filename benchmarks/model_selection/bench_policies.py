"""Bandit policies beside Optuna's TPE on the joint space: which pipeline, and its parameters.

    pytest benchmarks/model_selection/bench_policies.py          # CPU time of a search of 120 fits
    python benchmarks/model_selection/bench_policies.py          # regret on eight tasks

The regret is (best - best found) / unit, the unit being one observation more or less, or .015 of
R2. Six arms a task; each of our arms begins with the estimator's own parameter values, as
`RisingBanditSearchCV` does, and TPE does where it says "defaults".
"""

import argparse

import numpy as np
import optuna
import pytest
from bench_sampler_gp import suggest
from response_surfaces import tasks

from skstruct.model_selection import (
    UCB1,
    GPSampler,
    MaxUCB,
    RandomSampler,
    RisingBandit,
    RoundRobin,
    SuccessiveHalving,
    TrialResult,
)
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._space import Space

POLICIES = {
    "round_robin": RoundRobin(),
    "ucb": UCB1(),
    "max_ucb": MaxUCB(),
    "halving": SuccessiveHalving(),
    "rising": RisingBandit(),
    "rising tol=0": RisingBandit(tol=0),
}
optuna.logging.set_verbosity(optuna.logging.ERROR)


def bandit(policy, arms, budget, seed, sampler=GPSampler, begin=True):
    spaces = [Space(arm.space()) for arm in arms]
    starts = [
        space.encode(arm.start()) if begin else None
        for space, arm in zip(spaces, arms, strict=True)
    ]
    search = ArmAskTell(
        spaces, policy, sampler, budget=budget, seed=seed, score_upper_bound=1.0, starts=starts
    )
    best = -np.inf
    while search.n_asked < budget and (proposal := search.ask()) is not None:
        score, se = arms[proposal.arm](search.params(proposal))
        search.tell(TrialResult(proposal, score, se=se))
        best = max(best, score)
    return best


def random(arms, budget, seed):
    rng = np.random.default_rng(seed)
    best = -np.inf
    for _ in range(budget):
        arm = arms[rng.integers(len(arms))]
        space = Space(arm.space())
        best = max(best, arm(space.decode(space.sample(rng)))[0])
    return best


def tpe(arms, budget, seed, begin=False, **params):
    by_name = {arm.name: arm for arm in arms}

    def objective(trial):
        arm = by_name[trial.suggest_categorical("arm", list(by_name))]
        return arm(suggest(trial, arm, f"{arm.name}_"))[0]

    sampler = optuna.samplers.TPESampler(seed=seed, **params)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for arm in arms if begin else ():
        start = {f"{arm.name}_{key}": value for key, value in arm.start().items()}
        study.enqueue_trial({"arm": arm.name, **start})
    study.optimize(objective, budget)
    return study.best_value


METHODS = {
    "random": random,
    "TPE joint": tpe,
    "TPE group": lambda *args: tpe(
        *args, multivariate=True, group=True, warn_independent_sampling=False
    ),
    "TPE joint, defaults": lambda *args: tpe(*args, begin=True),
    "rising, no defaults": lambda *args: bandit(RisingBandit(), *args, begin=False),
    "rising, random points": lambda *args: bandit(RisingBandit(), *args, sampler=RandomSampler),
    **{
        name: (lambda *args, policy=policy: bandit(policy, *args))
        for name, policy in POLICIES.items()
    },
}


def compare(budget, n_seeds, names):
    table = {}
    for task, unit, arms in tasks():
        best = max(arm.scores.max() for arm in arms)
        for name in names:
            found = [METHODS[name](arms, budget, seed) for seed in range(n_seeds)]
            table.setdefault(name, []).append((best - np.array(found)).mean() / unit)
        print(f"T={budget} {task}", *(f"{n}: {r[-1]:.2f}" for n, r in table.items()), flush=True)
    for name, regrets in table.items():
        print(f"T={budget} {name:22s} mean regret {np.mean(regrets):.3f}")


@pytest.mark.parametrize("name", ["rising", "max_ucb", "TPE joint"])
def test_time_of_search(benchmark, name):
    arms = next(tasks())[2]
    benchmark.pedantic(METHODS[name], args=(arms, 120, 0), rounds=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budgets", type=int, nargs="+", default=[60, 120])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    for budget in options.budgets:
        compare(budget, options.seeds, options.methods)
