"""ThresholdSearchCV beside the whole learning curve: the smallest training set that is enough.

    pytest benchmarks/model_selection/bench_threshold_search.py      # seconds of both
    python benchmarks/model_selection/bench_threshold_search.py      # what they say, and the truth

LogisticRegression on the digits, 59 training sizes from 60 to 1220, accuracy .93 on a fifth of the
rows. Times are of the CPU: run it with OMP_NUM_THREADS=1.
"""

import argparse
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, learning_curve

from skstruct.model_selection import ThresholdSearchCV
from skstruct.model_selection._folds import RepeatedFolds

pytestmark = pytest.mark.benchmark(timer=time.process_time)

X, Y = load_digits(return_X_y=True)
X = X / 16
MODEL = LogisticRegression(max_iter=2000)
SIZES = np.arange(60, 1221, 20)
TARGET = 0.93


def search(seed):
    return ThresholdSearchCV(
        MODEL, "train_size", SIZES, target=TARGET, epsilon=0.25, random_state=seed
    ).fit(X, Y)


def curve(seed):
    """Return the first size whose median over five splits reaches the target."""
    _, _, scores = learning_curve(
        MODEL,
        X,
        Y,
        train_sizes=SIZES,
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        shuffle=True,
        random_state=seed,
    )
    return int(SIZES[np.argmax(np.median(scores, axis=1) >= TARGET)])


def probability(size, n_splits):
    """Return how often a random split reaches the target."""
    folds = RepeatedFolds(len(Y), Y, 5, 12345)
    reached = 0
    for k in range(n_splits):
        train, test = folds.prefix(k, size)
        reached += MODEL.fit(X[train], Y[train]).score(X[test], Y[test]) >= TARGET
    return reached / n_splits


def test_against_the_learning_curve(benchmark):
    benchmark.pedantic(search, (0,), rounds=3)
    start = time.process_time()
    theirs = curve(0)
    seconds = time.process_time() - start
    found = search(0)
    benchmark.extra_info["ratio"] = round(seconds / benchmark.stats["min"], 1)
    benchmark.extra_info["seconds"] = [round(benchmark.stats["min"], 2), round(seconds, 2)]
    benchmark.extra_info["fits"] = [found.n_fits_, 5 * len(SIZES)]
    benchmark.extra_info["answers"] = [int(found.best_value_), theirs]
    print(f"\n{benchmark.extra_info}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--splits", type=int, default=200)
    options = parser.parse_args()
    found = [search(seed) for seed in range(options.seeds)]
    print("search:", *(int(s.best_value_) for s in found), f"({found[0].n_fits_} fits each)")
    print("curve: ", *(curve(seed) for seed in range(2)), f"({5 * len(SIZES)} fits each)")
    for size in range(200, 361, 20):
        print(f"P(score >= {TARGET}) at {size}: {probability(size, options.splits):.2f}")
