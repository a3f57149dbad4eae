"""A reusable holdout: what it reports beside the truth, and what it costs.

As a program, ``python bench_reusable_holdout.py``, it prints the tables of section "Reusable
holdout" of the documentation; with pytest it times the selection beside SelectKBest and a million
queries.
"""

import warnings

import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest, f_classif

from skstruct.model_selection import ReusableHoldout, ReusableHoldoutSelector, Thresholdout


class SignVote:
    """Votes of standardised features by the sign of their correlations on the training part."""

    classes_ = np.array([0, 1])

    def __init__(self, X, y):
        self.mean, self.sd = X.mean(axis=0), X.std(axis=0)
        self.sign = np.sign(((X - self.mean) / self.sd).T @ (2.0 * y - 1))

    def predict(self, X):
        return ((X - self.mean) / self.sd @ self.sign > 0).astype(int)


def adaptive_selection(mechanism, k, seed, *, n=4000, d=4000, n_signal=0, shift=0.0):
    """Return (reported, fresh) accuracy of the paper's analyst."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((3 * n, d), dtype=np.float32), rng.integers(0, 2, 3 * n)
    X[:, :n_signal] += shift * (2 * y[:, None] - 1)
    fresh = slice(2 * n, None)
    holdout = ReusableHoldout(mechanism=mechanism, random_state=seed)
    holdout.fit(X[: 2 * n], y[: 2 * n])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        selector = ReusableHoldoutSelector(k=k, holdout=holdout).fit(X[: 2 * n], y[: 2 * n])
    columns = selector.get_support(indices=True)
    model = SignVote(holdout.X_train_[:, columns], holdout.y_train_)
    reported = holdout.query(lambda X, y: model.predict(X[:, columns]) == y)
    return reported, np.mean(model.predict(X[fresh][:, columns]) == y[fresh])


def attack(mechanism, m, seed, *, n=1000):
    """Return (bias of the last answer, root mean square error of the others); the truth is 0."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1.0, 1.0], 2 * n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        holdout = ReusableHoldout(
            mechanism=mechanism,
            tolerance=0.1 if mechanism == "gaussian" else "auto",
            stratify=False,
            random_state=seed,
        )
        holdout.fit(np.arange(2 * n)[:, None], labels)
    queries = rng.choice([-1.0, 1.0], (2 * n, m))
    products = queries * labels[:, None]
    answers = holdout.query(lambda rows, _: products[rows[:, 0]])
    last = np.sign(queries @ np.sign(answers)) * labels
    return abs(holdout.query(lambda rows, _: last[rows[:, 0]])), np.sqrt(np.mean(answers**2))


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4000, 4000)), rng.integers(0, 2, 4000)


@pytest.mark.benchmark(group="select 50 of 4000 features, 4000 rows")
def test_reusable_holdout_selector(benchmark, noise):
    benchmark(ReusableHoldoutSelector(k=50, random_state=0).fit, *noise)


@pytest.mark.benchmark(group="select 50 of 4000 features, 4000 rows")
def test_select_k_best(benchmark, noise):
    benchmark(SelectKBest(f_classif, k=50).fit, *noise)


@pytest.mark.benchmark(group="a million queries")
@pytest.mark.parametrize("scales", ["practical", "theory"])
def test_thresholdout(benchmark, scales):
    rng = np.random.default_rng(0)
    train = 0.5 + 0.016 * rng.normal(size=10**6)
    holdout = 0.5 + 0.016 * rng.normal(size=10**6)
    benchmark(Thresholdout(0.063, 0.016, scales=scales, random_state=0).query, train, holdout)


def main():
    print("selection on noise: k, re-used holdout reported / fresh, Thresholdout reported / fresh")
    for settings in ({}, {"n_signal": 20, "shift": 0.095}):
        for k in (50, 100, 200):
            row = [
                np.mean(
                    [adaptive_selection(name, k, seed, **settings) for seed in range(5)], axis=0
                )
                for name in ("naive", "thresholdout")
            ]
            print(settings, k, " / ".join(f"{value:.3f}" for pair in row for value in pair))
    print("attack: queries, mechanism, bias of the last answer, error of the others")
    for m in (1000, 4000):
        for name in ("naive", "gaussian", "thresholdout"):
            bias, error = np.mean([attack(name, m, seed) for seed in range(5)], axis=0)
            print(m, name, f"{bias:.3f} {error:.3f}")


if __name__ == "__main__":
    main()
