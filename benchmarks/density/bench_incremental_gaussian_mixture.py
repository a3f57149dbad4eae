"""IncrementalGaussianMixture beside EM and beside the same recursion in NumPy.

    pytest benchmarks/density/bench_incremental_gaussian_mixture.py
    python benchmarks/density/bench_incremental_gaussian_mixture.py     # the figures of quality

Run it with OMP_NUM_THREADS=1. ``ratio`` is the peer's best time over ours on the same rows;
``ns_per_element`` the time per row and per element of the precision matrices, of which one
triangle is read.
"""

import time

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
)
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.density import (
    IncrementalGaussianMixture,
    IncrementalGaussianMixtureClassifier,
    IncrementalGaussianMixtureRegressor,
)


def digits(n_columns):
    return PCA(n_columns, random_state=0).fit_transform(load_digits().data), load_digits().target


def blobs(n_samples=15000, n_features=20):
    return make_blobs(n_samples, n_features=n_features, centers=10, cluster_std=2, random_state=0)


DATA = {
    "digits, 8 components": lambda: digits(8),
    "digits, 16 components": lambda: digits(16),
    "digits, 32 components": lambda: digits(32),
    "blobs, 15000 x 20": blobs,
}


def best_time(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def numpy_recursion(X, sigma_ini, novelty=0.01):
    """The recursion row by row, all components at once in NumPy; returns their number."""
    n_features = X.shape[1]
    threshold = chi2.isf(novelty, n_features)
    mean, Lambda = np.empty((0, n_features)), np.empty((0, n_features, n_features))
    log_det, sp = np.empty(0), np.empty(0)
    for x in X:
        e = x - mean
        v = np.einsum("kij,kj->ki", Lambda, e)
        d2 = (e * v).sum(axis=1)
        if not len(d2) or d2.min() > threshold:
            mean = np.vstack((mean, x))
            Lambda = np.concatenate((Lambda, np.diag(sigma_ini**-2.0)[np.newaxis]))
            log_det = np.append(log_det, 2 * np.log(sigma_ini).sum())
            sp = np.append(sp, 1.0)
            continue
        log_r = -(d2 + log_det) / 2 + np.log(sp)
        r = np.exp(log_r - log_r.max())
        r /= r.sum()
        sp += r
        k = np.flatnonzero(r > 1e-12)
        w = r[k] / sp[k]
        wc = r[k] / (sp[k] - 1 + n_features)
        q = wc * (1 - w) / (1 - wc)
        den = 1 + q * d2[k]
        outer = v[k][:, :, np.newaxis] * v[k][:, np.newaxis]
        Lambda[k] = (Lambda[k] - (q / den)[:, np.newaxis, np.newaxis] * outer) / (
            (1 - wc)[:, np.newaxis, np.newaxis]
        )
        log_det[k] += n_features * np.log1p(-wc) + np.log(den)
        mean[k] += w[:, np.newaxis] * e[k]
    return len(sp)


@pytest.mark.parametrize("name", DATA)
def test_fit_beside_em(benchmark, name):
    """One pass that finds the number of components, and EM that is given the right one."""
    X, _ = DATA[name]()
    train, test = train_test_split(X, random_state=0)
    ours, em = IncrementalGaussianMixture(random_state=0), GaussianMixture(10, random_state=0)
    benchmark.pedantic(ours.fit, (train,), rounds=9, warmup_rounds=1)
    theirs = best_time(lambda: em.fit(train), 3)
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    benchmark.extra_info["held_out"] = [round(model.score(test), 2) for model in (ours, em)]
    print(f"\n{name}: {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [8, 16, 32, 60, 100])
def test_beside_the_recursion_in_numpy(benchmark, n_features):
    X, _ = blobs(3000, n_features)
    mixture = IncrementalGaussianMixture(sp_min=0, n_warmup=2, delta=0.5, scale=X.std(axis=0))
    benchmark.pedantic(lambda: clone(mixture).partial_fit(X), rounds=7, warmup_rounds=1)
    mixture.partial_fit(X)
    theirs = best_time(lambda: numpy_recursion(X, mixture.sigma_ini_), 2)
    assert numpy_recursion(X, mixture.sigma_ini_) == mixture.n_components_
    benchmark.extra_info["ratio"] = round(theirs / benchmark.stats["min"], 1)
    print(f"\n{n_features} features: {benchmark.extra_info}")


@pytest.mark.parametrize("n_features", [8, 16, 32, 64, 100, 200, 400])
def test_time_per_element(benchmark, n_features):
    """A stream to ten components; the time of a row divided by 10 n_features^2."""
    n_samples = max(1000, 400_000 // n_features)
    centers = 20.0 * np.random.default_rng(0).standard_normal((10, n_features))
    X = np.tile(centers, (n_samples // 10, 1))
    X += np.random.default_rng(1).standard_normal(X.shape)
    mixture = IncrementalGaussianMixture(1e-9, 1.0, scale=np.ones(n_features), n_warmup=2)
    mixture.partial_fit(X)
    assert mixture.n_components_ == 10
    benchmark.pedantic(mixture.partial_fit, (X,), rounds=7, warmup_rounds=1)
    per_element = benchmark.stats["min"] * 1e9 / (len(X) * 10 * n_features**2)
    benchmark.extra_info["ns_per_element"] = round(per_element, 3)
    benchmark.extra_info["us_per_row"] = round(benchmark.stats["min"] * 1e6 / len(X), 2)
    print(f"\n{n_features} features: {benchmark.extra_info}")


def held_out(X, n_classes, **params):
    """Mean held-out log-density over five shuffles, and that of EM with n_classes components."""
    train, test = train_test_split(X, random_state=0)
    mixtures = [
        IncrementalGaussianMixture(random_state=seed, **params).fit(train) for seed in range(5)
    ]
    scores = [mixture.score(test) for mixture in mixtures]
    em = GaussianMixture(n_classes, random_state=0).fit(train).score(test)
    n_components = [mixture.n_components_ for mixture in mixtures]
    return (
        f"{np.mean(scores):7.2f} ({min(scores):.2f} .. {max(scores):.2f}), "
        f"{n_components} components; EM with {n_classes}: {em:.2f}"
    )


def figures():
    """Print the figures of quality: held-out log-density, prior weight, accuracy, R^2."""
    print("held-out mean log-density, 75/25 split, five shuffles")
    for name, data in DATA.items():
        print(f"  {name:24}", held_out(data()[0], 10))
    X, y = blobs()
    train, test, _, labels = train_test_split(X, y, random_state=0)
    found = IncrementalGaussianMixture(random_state=0).fit(train).predict(test)
    print(f"  {'':24} adjusted Rand index of the blobs {adjusted_rand_score(labels, found):.3f}")
    print(f"  {'digits 16, tuned':24}", held_out(digits(16)[0], 10, novelty=0.05, delta=0.66))
    standard = make_pipeline(StandardScaler(), PCA(whiten=True))
    small = {
        "iris": (load_iris().data, 3),
        "wine, standardised": (StandardScaler().fit_transform(load_wine().data), 3),
        "breast cancer, whitened": (standard.fit_transform(load_breast_cancer().data), 2),
    }
    for name, (data, n_classes) in small.items():
        for prior_weight in ("auto", 1.0):
            line = held_out(data, n_classes, prior_weight=prior_weight)
            print(f"  {name:24} prior_weight={prior_weight!s:5}", line)
    print("accuracy, 5 stratified folds, three shuffles")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    tasks = {
        "digits, 16 components": (load_digits, PCA(16, random_state=0)),
        "wine, standardised": (load_wine, StandardScaler()),
        "iris": (load_iris, "passthrough"),
    }
    for name, (load, before) in tasks.items():
        for mode in ("per_class", "joint"):
            scores = [
                cross_val_score(
                    make_pipeline(
                        before, IncrementalGaussianMixtureClassifier(mode=mode, random_state=seed)
                    ),
                    *load(return_X_y=True),
                    cv=folds,
                ).mean()
                for seed in range(3)
            ]
            print(f"  {name:24} {mode:10} {np.mean(scores):.3f}")
    print("R^2, 5 folds")
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (2000, 1))
    wave = X, np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(2000)
    for name, task in {"sin(2 x)": wave, "diabetes": load_diabetes(return_X_y=True)}.items():
        scores = [
            cross_val_score(
                IncrementalGaussianMixtureRegressor(random_state=seed),
                *task,
                cv=KFold(5, shuffle=True, random_state=0),
            ).mean()
            for seed in range(5)
        ]
        print(f"  {name:24} {np.mean(scores):.3f}")


if __name__ == "__main__":
    figures()
