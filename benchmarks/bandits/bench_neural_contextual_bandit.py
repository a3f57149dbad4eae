"""NeuralContextualBandit beside mabwiser, LinUCB, and the same steps in NumPy.

    pytest benchmarks/bandits/bench_neural_contextual_bandit.py   # microseconds a round
    python benchmarks/bandits/bench_neural_contextual_bandit.py   # losses and times of all

Classification as a bandit: the reward is 1 for the right class, rows come in reshuffled passes.
LinUCB is by Sherman-Morrison in NumPy; it and mabwiser have contexts standardised in advance.
Times are of the processor, the least of three.
"""

import argparse
import math
import time

import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
    make_moons,
)
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from skstruct.bandits import NeuralContextualBandit

TABLES = {
    "digits": load_digits(return_X_y=True),
    "cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "moons": make_moons(2000, noise=0.2, random_state=0),
    "clusters": make_classification(
        3000,
        10,
        n_informative=8,
        n_redundant=0,
        n_classes=3,
        n_clusters_per_class=4,
        class_sep=1.5,
        random_state=4,
    ),
}
OURS = {
    "fastcb+log": {},
    "squarecb+log": {"exploration": "squarecb", "gamma": 20.0},
    "squarecb+squared": {"exploration": "squarecb", "gamma": 20.0, "loss": "squared"},
    "greedy": {"exploration": "greedy"},
    "no replay": {"n_replay": 0},
}


def rounds(name, n, seed, *, standardised=False):
    X, y = TABLES[name]
    if standardised:
        X = StandardScaler().fit_transform(X)
    rng = np.random.RandomState(seed)
    rows = np.concatenate([rng.permutation(len(X)) for _ in range(-(-n // len(X)))])[:n]
    return X[rows], np.eye(y.max() + 1)[y[rows]]


def lin_ucb(X, R, alpha):
    """Return the rewards of LinUCB with ridge penalty 1."""
    n_actions, d = R.shape[1], X.shape[1]
    inverse = np.repeat(np.eye(d)[None], n_actions, axis=0)
    target, theta = np.zeros((n_actions, d)), np.zeros((n_actions, d))
    rewards = np.empty(len(X))
    for i, x in enumerate(X):
        spread = inverse @ x
        a = (theta @ x + alpha * np.sqrt(spread @ x)).argmax()
        rewards[i] = R[i, a]
        inverse[a] -= np.outer(spread[a], spread[a] / (1 + spread[a] @ x))
        target[a] += R[i, a] * x
        theta[a] = inverse[a] @ target[a]
    return rewards


def numpy_bandit(X, R, seed, hidden=128, rate=0.02, n_replay=8, gamma=8.0, first=0.12):
    """Return the rewards of the same rounds, fastcb with the log loss, in NumPy."""
    rng = np.random.default_rng(seed)
    n_actions, d = R.shape[1], X.shape[1]
    W = rng.standard_normal((hidden, d + 1)) * math.sqrt(2 / (d + 1))
    V = np.zeros((n_actions, hidden + 1))
    V[:, -1] = math.log(first / (1 - first))
    W0, V0 = W.copy(), V.copy()
    pull = 0.01 / math.sqrt(hidden)
    mean, squares, inverse = np.zeros(d), np.zeros(d), np.zeros(d)
    stored, rewards = [], np.empty(len(X))
    inputs, h = np.ones(d + 1), np.ones(hidden + 1)

    def forward(x):
        np.clip((x - mean) * inverse, -5, 5, out=inputs[:-1])
        np.maximum(W @ inputs, 0, out=h[:-1])

    for t, x in enumerate(X):
        forward(x)
        losses = np.clip(1 / (1 + np.exp(-(V @ h))), 1e-6, 1 - 1e-6)
        b = losses.argmin()
        p = losses[b] / (n_actions * losses[b] + gamma * math.sqrt(t + 1) * (losses - losses[b]))
        p[b] = 0
        p[b] = 1 - p.sum()
        a = min(np.searchsorted(np.cumsum(p), rng.random()), n_actions - 1)
        rewards[t] = R[t, a]
        change = x - mean
        mean += change / (t + 1)
        squares += change * (x - mean)
        sd = np.sqrt(squares / (t + 1))
        inverse = np.where(sd > 1e-12, 1 / np.maximum(sd, 1e-12), 0)
        stored.append((x, a, 1 - R[t, a]))
        drawn = rng.integers(len(stored), size=n_replay)
        for example in (stored[-1], *(stored[i] for i in drawn)):
            x, a, loss = example
            forward(x)
            g = 1 / (1 + math.exp(-(V[a] @ h))) - loss
            d_h = g * V[a, :-1] * (h[:-1] > 0)
            V[a] -= rate * (g * h + pull * (V[a] - V0[a]))
            live = d_h.nonzero()[0]
            W[live] -= rate * (np.outer(d_h[live], inputs) + pull * (W[live] - W0[live]))
    return rewards


def mabwiser_rounds(X, R, seed):
    from mabwiser.mab import MAB, LearningPolicy

    mab = MAB(list(range(R.shape[1])), LearningPolicy.LinUCB(alpha=1.0), seed=seed)
    rewards = np.empty(len(X))
    for i, x in enumerate(X):
        a = mab.predict(x[None]) if i else 0
        rewards[i] = R[i, a]
        (mab.partial_fit if i else mab.fit)([a], rewards[i : i + 1], x[None])
    return rewards


def ours(X, R, seed, **params):
    return NeuralContextualBandit(R.shape[1], random_state=seed, **params).run(X, R).rewards_


def microseconds(play, name, n, *, standardised=False):
    X, R = rounds(name, n, 0, standardised=standardised)
    times = []
    for _ in range(3):
        begin = time.process_time()
        play(X, R)
        times.append(time.process_time() - begin)
    return min(times) / n * 1e6


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["digits", "cancer", "wine"])
def test_time_of_a_round(benchmark, name, dtype):
    X, R = rounds(name, 1000, 0)
    X = X.astype(dtype)
    benchmark.pedantic(lambda: ours(X, R, 0), rounds=5, warmup_rounds=1)
    benchmark.extra_info["us_per_round"] = round(benchmark.stats["min"] * 1e3, 2)
    print(f"\n{name}, {dtype}: {benchmark.extra_info}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    seeds = range(parser.parse_args().seeds)
    print("mean loss:", ", ".join([*OURS, "LinUCB(.1)", "LinUCB(1)", "NumPy"]))
    settings = [("digits", 1500), ("digits", 4000), ("digits", 8000)]
    for name, n in [*settings, ("cancer", 1500), ("wine", 800)]:
        losses = [
            1 - np.mean([ours(*rounds(name, n, seed), seed, **params) for seed in seeds])
            for params in OURS.values()
        ]
        losses += [
            1 - np.mean([lin_ucb(*rounds(name, n, s, standardised=True), alpha) for s in seeds])
            for alpha in (0.1, 1.0)
        ]
        losses.append(1 - np.mean([numpy_bandit(*rounds(name, n, s), s) for s in seeds[:2]]))
        print(f"  {name} {n}:", *(f"{loss:.3f}" for loss in losses), flush=True)
    print("mean reward, and that of the last 400 rounds: fastcb+log, LinUCB(.1)")
    for name, n in (("moons", 2000), ("clusters", 3000)):
        runs = [
            [ours(*rounds(name, n, seed), seed) for seed in seeds[:3]],
            [lin_ucb(*rounds(name, n, s, standardised=True), 0.1) for s in seeds[:3]],
        ]
        print(
            f"  {name}:",
            *(f"{np.mean(run):.3f} ({np.mean(run, axis=0)[-400:].mean():.3f})" for run in runs),
        )
    print("CPU microseconds a round: float64, float32, NumPy, LinUCB, mabwiser, MLPRegressors")
    mlp = MLPRegressor(hidden_layer_sizes=(128,), solver="sgd")
    for name in ("digits", "cancer", "wine"):
        found = [
            microseconds(lambda X, R: ours(X, R, 0), name, 2000),
            microseconds(lambda X, R: ours(X.astype(np.float32), R, 0), name, 2000),
            microseconds(lambda X, R: numpy_bandit(X, R, 0), name, 1000),
            microseconds(lambda X, R: lin_ucb(X, R, 1.0), name, 1000, standardised=True),
            microseconds(lambda X, R: mabwiser_rounds(X, R, 0), name, 200, standardised=True),
            microseconds(lambda X, R: ours(X, R, 0, regressor=mlp, n_replay=0), name, 100),
        ]
        print(f"  {name}:", *(f"{value:.1f}" for value in found), flush=True)
