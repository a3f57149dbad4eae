"""KernelThinning against walk, swaps and discrepancy written out with whole matrices."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.spatial.distance import cdist, pdist
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skstruct.density import KernelThinning
from skstruct.density._thinning import compress, compress_plus_plus, kernel_thin
from skstruct.density._thinning_points import CallablePoints, RadialPoints, power_kernel
from skstruct.density._thinning_table import equal_weight_rows

PROFILES = {
    "gaussian": lambda r: np.exp(-(r**2) / 2),
    "imq": lambda r: 1 / np.sqrt(1 + r**2),
    "laplace": lambda r: np.exp(-r),
    "matern32": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
    "matern52": lambda r: (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r),
}


class Kernel:
    """A kernel as a callable; it counts the values that it was asked for."""

    def __init__(self, name="gaussian", bandwidth=1.0):
        self.name, self.bandwidth = name, bandwidth
        self.n_values = 0
        self.largest = 0

    def __call__(self, A, B):
        self.n_values += len(A) * len(B)
        self.largest = max(self.largest, len(A) * len(B))
        return PROFILES[self.name](cdist(A, B) / self.bandwidth)


def normal(n_samples, n_features, seed=0):
    return np.random.RandomState(seed).standard_normal((n_samples, n_features))


def finish(generator):
    """Run a generator to its end and return its value."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def plain_points(X, name="gaussian", bandwidth=1.0, split_kernel="target", power=0.5):
    return RadialPoints(X, name, bandwidth, split_kernel, power, None)


def discrepancy(K, chosen, weight=None):
    """The MMD by its definition, from the matrix of all rows."""
    n, m = len(K), len(chosen)
    weight = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    difference = weight - np.bincount(chosen, minlength=n) / m
    return np.sqrt(max(difference @ K @ difference, 0.0))


def halve(K, delta_p, uniform):
    """One list through the walk, pair by pair, with its whole matrix."""
    left, right, sigma2 = [], [], 0.0
    for p in range(len(K) // 2):
        x, other = 2 * p, 2 * p + 1
        b2 = K[x, x] + K[other, other] - 2 * K[x, other]
        a = max(np.sqrt(b2 * sigma2 * 2 * np.log(2 / delta_p)), b2)
        if a > 0:
            sigma2 += b2 * max(0.0, 1 + (b2 - 2 * a) * sigma2 / a**2)
        alpha = (K[right, x] - K[right, other]).sum() - (K[left, x] - K[left, other]).sum()
        if uniform[p] < min(1.0, max(0.0, (1 - alpha / (a or 1.0)) / 2)):
            x, other = other, x
        left.append(x)
        right.append(other)
    return left, right


def sweep(K, mean, chosen, unique=True):
    """One sweep of swaps, each the best of all by the discrepancy itself."""
    chosen, m = list(chosen), len(chosen)
    for t in range(m):
        rest = chosen[:t] + chosen[t + 1 :]
        value = np.full(len(K), np.inf)
        for z in range(len(K)):
            if not (unique and z in rest):
                S = [*rest, z]
                value[z] = K[np.ix_(S, S)].sum() / m**2 - 2 * mean[S].sum() / m
        if value.min() < value[chosen[t]] - 1e-15:
            chosen[t] = value.argmin()
    return chosen


@pytest.mark.parametrize("n_rows", [2, 6, 64, 66, 130, 300])
@pytest.mark.parametrize("name", PROFILES)
def test_halving_is_the_walk(n_rows, name):
    X, rng = normal(2 * n_rows, 3), np.random.RandomState(1)
    lists = rng.permutation(2 * n_rows).reshape(2, n_rows)
    uniforms, delta_p = rng.uniform(size=(2, n_rows // 2)), 0.01
    log_term = 2 * np.log(2 / delta_p)
    expected = []
    for members, uniform in zip(lists, uniforms, strict=True):
        halves = halve(Kernel(name, 0.8)(X[members], X[members]), delta_p, uniform)
        expected += [members[half] for half in halves]
    compiled = plain_points(X, name, 0.8).halve(lists, log_term, uniforms)
    assert_array_equal(compiled, expected)
    in_numpy = CallablePoints(X, Kernel(name, 0.8)).halve(lists, log_term, uniforms)
    assert_array_equal(in_numpy, expected)


@pytest.mark.parametrize("split_kernel", ["power", "plus"])
def test_halving_by_other_kernels(split_kernel):
    X, rng = normal(200, 2), np.random.RandomState(1)
    uniforms = rng.uniform(size=(1, 100))
    K = Kernel("matern52", 1.5)(X, X) if split_kernel == "plus" else 0.0
    K = K + Kernel("matern32", 1.5 * np.sqrt(3 / 5))(X, X)
    points = plain_points(X, "matern52", 1.5, split_kernel)
    found = points.halve(np.arange(200)[np.newaxis], 2 * np.log(2 / 0.01), uniforms)
    assert_array_equal(found, halve(K, 0.01, uniforms[0]))


def test_coins_of_equal_rows_are_fair():
    # b2 = 0 there, so that the uniform number alone decides.
    X, uniforms = np.repeat(normal(20, 2), 2, axis=0), np.linspace(0.01, 0.99, 20)[np.newaxis]
    found = plain_points(np.vstack([X, [[9.0, 9.0]]])).halve(
        np.arange(40)[np.newaxis], 1.0, uniforms
    )
    assert_array_equal(found[0] % 2 == 1, uniforms[0] < 0.5)


@pytest.mark.parametrize(
    ("name", "n_features", "power"),
    [("gaussian", 1, 0.5), ("gaussian", 1, 0.8), ("matern52", 1, 4 / 6), ("matern32", 1, 2 / 4)],
)
def test_power_kernels_have_a_power_of_the_spectral_density(name, n_features, power):
    def spectrum(kernel, bandwidth, w):
        return quad(lambda r: PROFILES[kernel](r / bandwidth), 0, 60, weight="cos", wvar=w)[0]

    frequencies = np.linspace(0.1, 2.0, 8)
    own = np.array([spectrum(name, 1.3, w) for w in frequencies]) ** power
    other = np.array([spectrum(*power_kernel(name, 1.3, power), w) for w in frequencies])
    assert_allclose(other / other[0], own / own[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
@pytest.mark.parametrize("make", ["compiled", "callable"])
def test_swaps_are_the_best_of_all(name, make):
    X = normal(150, 2)
    kernel = Kernel(name, 1.2)
    K = kernel(X, X)
    mean = K.mean(axis=0)
    points = CallablePoints(X, kernel) if make == "callable" else plain_points(X, name, 1.2)
    chosen = np.arange(0, 150, 6)
    room = 1 - np.bincount(chosen, minlength=150)
    sums = K[chosen].sum(axis=0)
    expected = sweep(K, mean, chosen)
    n_changed = points.sweep(mean, chosen, room, sums)
    assert_array_equal(chosen, expected)
    assert n_changed == (np.arange(0, 150, 6) != expected).sum()
    assert_array_equal(room, 1 - np.bincount(chosen, minlength=150))
    assert_allclose(sums, K[chosen].sum(axis=0), rtol=1e-7)


def test_a_diagonal_that_is_not_constant_counts():
    X = normal(60, 2)
    points = CallablePoints(X, lambda A, B: A @ B.T)
    K = X @ X.T
    mean, chosen = K.mean(axis=0), np.arange(6)
    expected = sweep(K, mean, chosen)
    points.sweep(mean, chosen, 1 - np.bincount(chosen, minlength=60), K[chosen].sum(axis=0))
    assert_array_equal(chosen, expected)


def test_rows_chosen_too_often_are_replaced():
    X = normal(80, 2)
    points = plain_points(X)
    mean, chosen = points.own_sums(np.full(80, 1 / 80)), np.array([3, 3, 3, 7, 9])
    room = 1 - np.bincount(chosen, minlength=80)
    points.sweep(mean, chosen, room, points.take(chosen).sums(np.ones(5), points), repair=True)
    assert len(set(chosen)) == 5
    assert {3, 7, 9} <= set(chosen)
    assert room.min() == 0


@pytest.mark.parametrize("make", ["compiled", "callable"])
def test_herding_is_greedy(make):
    X = normal(100, 3)
    K = Kernel()(X, X)
    mean, expected = K.mean(axis=0), []
    for t in range(12):
        value = mean - K[expected].sum(axis=0) / (t + 1)
        value[expected] = -np.inf
        expected.append(value.argmax())
    points = CallablePoints(X, Kernel()) if make == "callable" else plain_points(X)
    assert_array_equal(points.herd(mean, np.ones(100, dtype=np.intp), 12), expected)


@pytest.mark.parametrize("method", ["kt", "compress++"])
@pytest.mark.parametrize("name", PROFILES)
def test_a_callable_gives_the_same_coreset(name, method):
    X = normal(1024, 3)
    params = {"n_coreset": 8, "method": method, "oversampling": 1, "random_state": 0}
    found = KernelThinning(kernel=name, bandwidth=1.3, **params).fit(X)
    expected = KernelThinning(kernel=Kernel(name, 1.3), **params).fit(X)
    assert_array_equal(found.coreset_indices_, expected.coreset_indices_)
    assert_allclose(found.score(X[:200]), expected.score(X[:200]), rtol=1e-6)
    assert_allclose(found.transform(X[:9]), expected.transform(X[:9]), atol=1e-6)
    assert expected.bandwidth_ is None


@pytest.mark.parametrize("name", PROFILES)
def test_mmd_is_the_discrepancy(name):
    X, weight = normal(300, 4), np.random.RandomState(1).uniform(size=300)
    thinning = KernelThinning(20, kernel=name, random_state=0).fit(X, sample_weight=weight)
    K = Kernel(name, thinning.bandwidth_)(X, X)
    expected = discrepancy(K, thinning.coreset_indices_, weight)
    assert_allclose(thinning.mmd_, expected, rtol=1e-6)
    assert_allclose(thinning.coreset_weight_, weight.sum() / 20)
    assert_allclose(-thinning.score(X), discrepancy(K, thinning.coreset_indices_), rtol=1e-6)
    assert_allclose(thinning.bandwidth_, np.sqrt(np.median(pdist(X, "sqeuclidean")) / 2), rtol=0.1)


@pytest.mark.parametrize(
    ("n_features", "n_samples", "split", "paper", "default", "compressed"),
    [
        (2, 256, 0.071, 0.028, 0.025, 0.025),
        (2, 1024, 0.042, 0.0140, 0.0100, 0.0128),
        (10, 4096, 0.064, 0.0325, 0.0284, 0.0314),
    ],
)
def test_discrepancies_of_normal_rows(n_features, n_samples, split, paper, default, compressed):
    """Means over six tables; random rows have .160, .128 and .096."""
    found = []
    for seed in range(6):
        X, m = normal(n_samples, n_features, seed), int(np.sqrt(n_samples))
        points = plain_points(X, bandwidth=np.sqrt(n_features))
        mean = points.own_sums(np.full(n_samples, 1 / n_samples))
        rng, n_rounds = np.random.RandomState(seed), int(np.log2(m))
        lists = np.arange(n_samples)[np.newaxis]
        for j in range(n_rounds):
            log_term = 2 * np.log(2 * n_samples * n_rounds / (0.5 * 2**j))
            uniforms = rng.uniform(size=(len(lists), lists.shape[1] // 2))
            lists = points.halve(lists, log_term, uniforms)
        squared = points.self_sums(lists) / m**2 - 2 * mean[lists].mean(axis=1) + mean.mean()
        params = {"bandwidth": np.sqrt(n_features), "random_state": seed}
        fits = [
            KernelThinning(m, swap_passes=1, herding=False, **params),
            KernelThinning(m, **params),
            KernelThinning(m, method="compress++", oversampling=2, **params),
        ]
        found.append([np.sqrt(squared.min()), *(-fit.fit(X).score(X) for fit in fits)])
    found = np.mean(found, axis=0)
    assert_allclose(found[0], split, rtol=0.2)
    assert (found[1:] < 1.1 * np.array([paper, default, compressed])).all(), found
    assert found[2] <= found[1]


def test_is_never_worse_than_greedy():
    for seed in range(5):
        X = normal(500, 5, seed)
        points = plain_points(X, bandwidth=2.0)
        mean = points.own_sums(np.full(500, 1 / 500))
        greedy = points.herd(mean, np.ones(500, dtype=np.intp), 22)
        bound = discrepancy(Kernel("gaussian", 2.0)(X, X), greedy)
        thinning = KernelThinning(22, bandwidth=2.0, swap_passes=0, random_state=seed).fit(X)
        assert thinning.mmd_ <= bound * (1 + 1e-9)


@pytest.mark.parametrize("split_kernel", ["power", "plus"])
@pytest.mark.parametrize("name", ["gaussian", "matern32", "matern52"])
def test_other_split_kernels_are_as_good(split_kernel, name):
    X = normal(1024, 3)
    target, other = (
        np.mean([
            KernelThinning(32, kernel=name, split_kernel=kind, random_state=seed).fit(X).mmd_
            for seed in range(3)
        ])
        for kind in ("target", split_kernel)
    )  # fmt: skip
    assert other < 1.1 * target


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(2, 70),
    fraction=st.floats(0, 1),
    n_different=st.integers(2, 70),
    method=st.sampled_from(["kt", "compress++"]),
    weighted=st.booleans(),
    unique=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_any_size_of_any_table(n_samples, fraction, n_different, method, weighted, unique, seed):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n_different, 2))[np.arange(n_samples) % n_different]
    m = 1 + int(fraction * (n_samples - 1))
    weight = 1.0 + rng.poisson(1.0, n_samples) if weighted else None
    thinning = KernelThinning(
        m, bandwidth=1.0, method=method, oversampling=0, unique=unique, random_state=seed
    ).fit(X, sample_weight=weight)
    rows = thinning.coreset_indices_
    assert rows.shape == (m,)
    assert_array_equal(X[rows], thinning.coreset_)
    expected = discrepancy(Kernel()(X, X), rows, weight)
    assert_allclose(-thinning.score(X, sample_weight=weight), expected, atol=1e-7)
    assert_allclose(thinning.mmd_, expected if method == "kt" else np.nan, atol=1e-7)
    if unique and not weighted:
        assert len(set(rows)) == m
        if m == n_samples:
            assert expected < 1e-7
    if unique and weighted:
        _, group = np.unique(X, axis=0, return_inverse=True)
        allowed = np.bincount(group, weight)
        assert (np.bincount(group[rows], minlength=len(allowed)) <= allowed).all()


def test_unique_without_a_sweep():
    """Light rows are drawn for the walk as often as they are heavy among themselves."""
    X, weight = normal(200, 2), np.random.RandomState(1).uniform(size=200) ** 8 + 1e-9
    thinning = KernelThinning(20, swap_passes=0, herding=False, random_state=0)
    assert len(set(thinning.fit(X, sample_weight=weight).coreset_indices_)) == 20


def test_rows_may_be_chosen_again_if_not_unique():
    X = np.vstack([np.zeros((1, 2)), 1e-3 * normal(5, 2), [[9.0, 9.0]]])
    weight = np.array([1000.0, 1, 1, 1, 1, 1, 1])
    thinning = KernelThinning(4, bandwidth=1e-4, unique=False, random_state=0)
    assert_array_equal(thinning.fit(X, sample_weight=weight).coreset_indices_, 0)


@pytest.mark.parametrize("method", ["kt", "compress++"])
def test_an_integer_weight_is_a_repetition(method):
    X, rng = normal(300, 3), np.random.RandomState(1)
    weight = rng.randint(0, 4, 300)
    thinning = KernelThinning(10, method=method, oversampling=1, random_state=0)
    weighted = thinning.fit(X, sample_weight=weight)
    found = weighted.coreset_, weighted.mmd_, weighted.coreset_weight_
    repeated = thinning.fit(rng.permutation(np.repeat(X, weight, axis=0)))
    for one, other in zip(
        found, (repeated.coreset_, repeated.mmd_, repeated.coreset_weight_), strict=True
    ):
        assert_array_equal(one, other)


def test_what_failed_is_not_fitted():
    X = np.random.default_rng(0).standard_normal((60, 2))
    thinning = KernelThinning(10, bandwidth=1e-60)
    for _ in range(2):
        with pytest.raises(ValueError, match="bandwidth=1e-60"):
            thinning.fit(X)
        for method in (thinning.transform, thinning.score):
            with pytest.raises(NotFittedError):
                method(X)
        thinning.set_params(bandwidth=1.0).fit(X).set_params(bandwidth=1e-60)


@pytest.mark.filterwarnings("error")
def test_weights_beyond_the_range_of_integers():
    X = np.random.default_rng(0).standard_normal((60, 2))
    thinning = KernelThinning(10, random_state=0).fit(X, sample_weight=np.full(60, 1e80))
    plain = KernelThinning(10, random_state=0).fit(X)
    assert_allclose(thinning.coreset_weight_, 6e80)
    assert thinning.mmd_ == pytest.approx(plain.mmd_, rel=0.5)


@pytest.mark.filterwarnings("error")
def test_rows_beyond_the_range_of_float32():
    X = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    thinning = KernelThinning(10, kernel="imq", random_state=0).fit(X)
    for far in (1e30, 1e300):
        assert_allclose(thinning.transform(np.full((1, 2), far)), 0, atol=1e-6)


def test_weights_count_by_their_ratios():
    X, weight = normal(400, 2), np.random.RandomState(1).uniform(0.5, 3, 400)
    params = {"unique": False, "random_state": 0}
    one = KernelThinning(15, **params).fit(X, sample_weight=weight)
    other = KernelThinning(15, **params).fit(X, sample_weight=weight / 1024)
    assert_array_equal(one.coreset_indices_, other.coreset_indices_)
    assert_allclose(one.coreset_weight_, 1024 * other.coreset_weight_)


@pytest.mark.parametrize("method", ["kt", "compress++"])
def test_weights_move_the_coreset(method):
    """Rows of the standard normal weighted to be of mean (1, 0)."""
    X = normal(4000, 2)
    weight = np.exp(X[:, 0] - 0.5)
    thinning = KernelThinning(60, method=method, oversampling=2, random_state=0)
    thinning.fit(X, sample_weight=weight)
    target = np.average(X, axis=0, weights=weight)
    assert_allclose(thinning.coreset_.mean(axis=0), target, atol=0.03)
    K = Kernel("gaussian", thinning.bandwidth_)(X, X)
    assert discrepancy(K, thinning.coreset_indices_, weight) < 0.012
    assert discrepancy(K, thinning.coreset_indices_) > 0.3


def test_equal_weight_rows_follow_the_weights():
    weight = np.random.RandomState(0).uniform(size=50)
    rows = equal_weight_rows(weight, 200, np.random.RandomState(1))
    counts, due = np.bincount(rows, minlength=50), 200 * weight / weight.sum()
    assert (np.abs(counts - due) < 1).all()
    assert_array_equal(equal_weight_rows(np.ones(7), 7, np.random.RandomState(1)), np.arange(7))


def test_the_order_of_the_rows_does_not_matter():
    X, y = load_iris(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(X))
    thinning = KernelThinning(12, random_state=0)
    one = thinning.fit_resample(X, y)
    other = thinning.fit_resample(X[order], y[order])
    assert_array_equal(one[0], other[0])
    assert_array_equal(one[1], other[1])


def test_seeds_make_a_difference():
    X = normal(2000, 2)
    one, other = (
        KernelThinning(30, herding=False, swap_passes=0, random_state=seed).fit(X)
        for seed in (0, 1)
    )
    assert set(one.coreset_indices_) != set(other.coreset_indices_)


@pytest.mark.parametrize("method", ["kt", "compress++"])
def test_threads_do_not_matter(method):
    X = normal(4096, 5)
    params = {"n_coreset": 16, "method": method, "oversampling": 2, "random_state": 0}
    one, three = (KernelThinning(n_jobs=n_jobs, **params).fit(X) for n_jobs in (1, 3))
    assert_array_equal(one.coreset_indices_, three.coreset_indices_)
    assert one.score(X) == three.score(X)


def test_compress_leaves_what_it_says():
    X = normal(1100, 2)
    points, rng = plain_points(X), np.random.RandomState(0)
    rows = finish(compress(points, np.arange(1100), 4, 1, delta=0.5, random_state=rng))
    assert len(rows) == 4 * 2**5  # of 4 bins of 4^4 rows
    assert len(set(rows)) == len(rows)
    assert_array_equal(rows.reshape(4, -1) // 256, np.repeat(np.arange(4)[:, None], 32, axis=1))
    K = Kernel()(X[:1024], X[:1024])
    random = np.mean([discrepancy(K, rng.permutation(1024)[:128]) for _ in range(9)])
    assert discrepancy(K, rows) < random / 3


def test_compress_tosses_a_coin_for_the_half_it_keeps():
    points = plain_points(normal(1024, 2))
    kept = []

    def refine(children, refine_halves=points.refine_halves):
        refine_halves(children)
        kept.append(children.copy())

    points.refine_halves = refine
    rng = np.random.RandomState(0)
    rows = finish(compress(points, np.arange(1024), 2, 1, delta=0.5, random_state=rng))
    (halves,) = (half.reshape(64, 2, 8) for half in kept)
    is_second = (rows.reshape(64, 1, 8) == halves).all(axis=2)
    assert_array_equal(is_second.sum(axis=1), 1)
    assert 16 < is_second[:, 1].sum() < 48


def test_compress_takes_linear_time_and_little_memory():
    counts = []
    for n_samples in (4096, 16384):
        kernel, m = Kernel(), int(np.sqrt(n_samples))
        points = CallablePoints(normal(n_samples, 2), kernel)
        weight, capacity = np.full(n_samples, 1 / n_samples), np.ones(n_samples, dtype=np.intp)
        options = {"delta": 0.5, "swap_passes": 1, "herding": True}
        kernel.n_values = 0
        rng = np.random.RandomState(0)
        chosen, _ = finish(
            compress_plus_plus(points, weight, capacity, m, 0, random_state=rng, **options)
        )
        assert len(set(chosen)) == m
        counts.append(kernel.n_values)
        assert kernel.largest <= 64 * 4 * m
    assert counts[0] < 0.06 * 4096**2
    assert counts[1] < 5 * counts[0]


def test_compress_again_where_bins_would_be_few():
    """2^14 rows to 4: bins as large as that would be few, so that it takes several rounds."""
    X = normal(2**14, 2)
    thinning = KernelThinning(4, method="compress++", oversampling=0, random_state=0).fit(X)
    random = np.mean([
        KernelThinning(4, bandwidth=thinning.bandwidth_).fit(X[4 * i : 4 * i + 4]).score(X[::8])
        for i in range(9)
    ])  # fmt: skip
    assert -thinning.score(X[::8]) < -random / 2


def test_memory_is_linear():
    X = normal(6000, 4)
    tracemalloc.start()
    try:
        KernelThinning(40, bandwidth=2.0, random_state=0).fit(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6000 * 8 * (4 * 4 + 40)


@pytest.mark.parametrize("method", ["kt", "compress++"])
def test_float32_is_as_good(method):
    X = normal(3000, 6)
    params = {"n_coreset": 40, "method": method, "oversampling": 2, "random_state": 0}
    double = KernelThinning(**params).fit(X)
    single = KernelThinning(**params).fit(X.astype(np.float32))
    assert single.coreset_.dtype == single.transform(X.astype(np.float32)).dtype == np.float32
    assert single._coreset.Z.dtype == np.float32
    assert_allclose(single.score(X), double.score(X), rtol=0.1)
    same = KernelThinning(40, bandwidth=single.bandwidth_).fit(single.coreset_.astype(float))
    assert_allclose(single.score(X.astype(np.float32)), same.score(X), rtol=1e-3)


def test_float32_rows_that_are_far_apart_are_looked_at_in_float64():
    X = normal(500, 2).astype(np.float32)
    X[0] = 1e4
    thinning = KernelThinning(16, random_state=0).fit(X)
    assert thinning._coreset.Z.dtype == np.float64
    assert thinning.transform(X).dtype == np.float32
    rows = thinning.coreset_indices_
    K = Kernel("gaussian", thinning.bandwidth_)(X.astype(float), X.astype(float))
    assert_allclose(thinning.mmd_, discrepancy(K, rows), rtol=1e-4)


def test_features_have_the_kernel_as_their_product():
    X = normal(500, 3)
    thinning = KernelThinning(25, random_state=0).fit(X)
    kernel = Kernel("gaussian", thinning.bandwidth_)
    S = thinning.coreset_
    F, G = thinning.transform(X), thinning.transform(S)
    assert_allclose(F @ G.T, kernel(X, S), atol=1e-6)
    expected = kernel(X, S) @ np.linalg.solve(kernel(S, S), kernel(S, X))
    assert_allclose(F @ F.T, expected, atol=1e-6)
    assert list(thinning.get_feature_names_out()[:2]) == ["kernelthinning0", "kernelthinning1"]


@pytest.mark.parametrize(
    ("dtype", "scale", "far"),
    [(np.float32, 1.0, 1e30), (np.float32, 1e-9, 1e35), (np.float64, 1e-99, 1e300)],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_features_of_far_rows_vanish(dtype, scale, far):
    X = (scale * normal(200, 3)).astype(dtype)
    thinning = KernelThinning(10, random_state=0).fit(X)
    assert_allclose(thinning.transform(np.full((2, 3), far, dtype=dtype)), 0, atol=1e-12)


def test_landmarks_beat_random_ones_on_digits():
    X = load_digits().data
    trace = []
    for seed in range(3):
        thinning = KernelThinning(128, random_state=seed).fit(X)
        gamma = 1 / (2 * thinning.bandwidth_**2)
        random = Nystroem(gamma=gamma, n_components=128, random_state=seed).fit(X)
        trace.append([1 - (m.transform(X) ** 2).sum() / len(X) for m in (thinning, random)])
    ours, theirs = np.mean(trace, axis=0)
    assert ours < 0.135 < theirs


def test_neighbours_of_a_coreset_of_digits():
    """Mean accuracy of the nearest of 50 and of 100 rows; of random rows it is .87 and .91."""
    X, y = load_digits(return_X_y=True)
    for m, expected in ((50, 0.91), (100, 0.94)):
        scores = []
        for seed in range(5):
            train, test, labels, truth = train_test_split(
                X, y, test_size=0.3, stratify=y, random_state=seed
            )
            thinning = KernelThinning(m, random_state=seed)
            neighbours = KNeighborsClassifier(1).fit(*thinning.fit_resample(train, labels))
            scores.append(neighbours.score(test, truth))
        assert np.mean(scores) > expected


def test_classes_keep_their_shares():
    X = normal(1000, 3)
    y = np.repeat(["few", "many", "some"], [50, 700, 250])
    thinning = KernelThinning(41, random_state=0)
    rows, labels = thinning.fit_resample(X, y)
    assert rows.shape == (41, 3)
    assert_array_equal(labels, y[thinning.coreset_indices_])
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == {
        "few": 2, "many": 29, "some": 10,
    }  # fmt: skip
    for label, weight in (("few", 50), ("many", 700), ("some", 250)):
        assert_allclose(thinning.coreset_weight_[labels == label].sum(), weight)
    K = Kernel("gaussian", thinning.bandwidth_)(X, X)
    weight = np.bincount(thinning.coreset_indices_, thinning.coreset_weight_, minlength=1000)
    difference = weight / 1000 - 1 / 1000
    assert np.isnan(thinning.mmd_)
    assert_allclose(-thinning.score(X), np.sqrt(difference @ K @ difference), rtol=1e-6)


def test_a_class_is_never_lost():
    X = normal(500, 2)
    y = np.r_[np.zeros(498, dtype=int), 1, 2]
    _, labels = KernelThinning(5, random_state=0).fit_resample(X, y)
    assert_array_equal(np.bincount(labels), [3, 1, 1])
    weight = np.r_[np.full(498, 1e-6), 0.5, 1e-3]  # most is due to the row of class 1
    _, labels = KernelThinning(400, random_state=0).fit_resample(X, y, weight)
    assert_array_equal(np.bincount(labels), [398, 1, 1])
    _, labels = KernelThinning(random_state=0).fit_resample(X[:9], np.arange(9) % 5)
    assert_array_equal(np.unique(labels), np.arange(5))


def test_targets_that_are_no_classes_stay_with_their_rows():
    X = normal(200, 2)
    for y in (X[:, 0] + 0.5, X @ np.ones((2, 3))):
        rows, target = KernelThinning(16, random_state=0).fit_resample(X, y)
        expected = rows[:, 0] + 0.5 if y.ndim == 1 else rows @ np.ones((2, 3))
        assert_allclose(target, expected)
    y = np.arange(200) % 2
    one = KernelThinning(16, stratify=False, random_state=0)
    one.fit_resample(X, y)
    assert_allclose(one.coreset_weight_, 200 / 16)
    assert_array_equal(one.fit_resample(X), one.coreset_)


def test_equal_rows_of_different_targets_are_different():
    X, y = np.repeat(normal(20, 2), 2, axis=0), np.tile([0.25, 0.75], 20)
    thinning = KernelThinning(40, random_state=0)
    _, target = thinning.fit_resample(X, y)
    assert_array_equal(np.sort(thinning.coreset_indices_), np.arange(40))
    assert target.sum() == y.sum()


def test_features_need_fit():
    X = normal(50, 2)
    thinning = KernelThinning(random_state=0).fit(X)
    thinning.fit_resample(X)
    with pytest.raises(NotFittedError):
        thinning.transform(X)
    assert thinning.score(X) < 0


def test_bandwidth_where_most_rows_are_equal():
    X = np.vstack([np.zeros((300, 2)), normal(20, 2)])
    thinning = KernelThinning(8, random_state=0).fit(X)
    different = np.unique(X, axis=0)
    assert_allclose(
        thinning.bandwidth_, np.sqrt(pdist(different, "sqeuclidean").mean() / 2), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_coreset": 0}, "n_coreset"),
        ({"n_coreset": "log"}, "n_coreset"),
        ({"n_coreset": 31}, "n_coreset=31 is more than the 30 rows"),
        ({"kernel": "linear"}, "kernel"),
        ({"bandwidth": 0.0}, "bandwidth"),
        ({"bandwidth": "scott"}, "bandwidth"),
        ({"bandwidth": 1e-9}, "bandwidth=1e-09 is too small"),
        ({"split_kernel": "root"}, "split_kernel"),
        ({"split_kernel": "power", "kernel": "laplace"}, "split_kernel='power' with kernel='lap"),
        ({"split_kernel": "plus", "kernel": "imq"}, "split_kernel='plus' with kernel='imq'"),
        ({"split_kernel": "plus", "kernel": Kernel()}, "split_kernel='plus'"),
        ({"power": 1.0}, "power"),
        ({"method": "fast"}, "method"),
        ({"oversampling": -1}, "oversampling"),
        ({"delta": 0}, "delta"),
        ({"swap_passes": -1}, "swap_passes"),
        ({"kernel": lambda A, B: np.ones(3)}, r"shape \(3,\) for 30 and 30"),
        ({"kernel": lambda A, B: np.full((len(A), len(B)), np.nan)}, "finite"),
    ],
)
def test_errors_name_the_parameter(params, message):
    with pytest.raises(ValueError, match=message):
        KernelThinning(**params).fit(normal(30, 2))


def test_errors_of_data():
    X = normal(30, 2)
    with pytest.raises(ValueError, match="n_samples=1"):
        KernelThinning().fit(np.ones((9, 2)))
    with pytest.raises(ValueError, match="less than the 3 classes"):
        KernelThinning(2).fit_resample(X, np.arange(30) % 3)
    with pytest.raises(ValueError, match="inconsistent"):
        KernelThinning(2).fit_resample(X, np.arange(29))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        KernelThinning().fit(X, sample_weight=np.full(30, -1.0))
    with pytest.raises(ValueError, match=r"sample_weight|[Ss]ample weights"):
        KernelThinning().fit(X, sample_weight=np.zeros(30))


def test_one_row_with_a_bandwidth():
    thinning = KernelThinning(bandwidth=1.0).fit([[3.0, 4.0]])
    assert_array_equal(thinning.coreset_, [[3.0, 4.0]])
    assert thinning.mmd_ == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("part", [0.1, 0.9])
def test_numbers_of_any_size(dtype, part):
    """The same choice for rows as large, and nearly as small, as the dtype has."""
    limits = np.finfo(dtype)
    X = np.random.RandomState(0).uniform(-1, 1, (200, 2)).astype(dtype)
    found = []
    for power in (0, limits.maxexp - 1, limits.minexp + 30):
        rows = X * dtype(2.0) ** dtype(power)
        points = RadialPoints(rows, "gaussian", float(part * np.abs(rows).max()), "target", 0.5, 1)
        found.append(points.own_sums(np.ones(200)))
    assert_array_equal(found[1], found[0])
    assert_array_equal(found[2], found[0])


class Counter:
    """Counts tasks, and asks to stop after some."""

    def __init__(self, limit=np.inf):
        self.limit = limit
        self.n_tasks = 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_tasks += context.task_name == "pass"
        return self.n_tasks == self.limit


def test_callbacks_see_rounds_and_sweeps():
    X = normal(1024, 4)
    counter = Counter()
    KernelThinning(32, swap_passes=50, random_state=0).set_callbacks(counter).fit(X)
    all_tasks = counter.n_tasks
    assert 5 + 2 < all_tasks < 5 + 50  # ended by itself, when a sweep changed nothing
    counter = Counter(limit=6)
    KernelThinning(32, swap_passes=50, random_state=0).set_callbacks(counter).fit(X)
    assert counter.n_tasks < all_tasks
    once, y = Counter(limit=1), np.arange(1024) % 2
    thinning = KernelThinning(32, swap_passes=50, random_state=0).set_callbacks(once)
    thinning.fit_resample(X, y)
    assert once.n_tasks == 2 * (5 + 1)  # rounds of both classes, and no sweep of either
    KernelThinning(32, random_state=0).set_callbacks(ProgressBar()).fit_resample(X)


def test_sweeps_go_on_to_a_local_optimum():
    X = normal(400, 2)
    thinning = KernelThinning(12, bandwidth=1.0, swap_passes=100, random_state=0).fit(X)
    K = Kernel()(X, X)
    chosen = thinning.coreset_indices_
    assert_array_equal(sweep(K, K.mean(axis=0), chosen), chosen)


def test_splitting_alone_needs_no_sweep():
    X = normal(256, 2)
    points, rng = plain_points(X), np.random.RandomState(0)
    chosen, mean = finish(
        kernel_thin(
            points, np.full(256, 1 / 256), np.ones(256, dtype=np.intp), 16,
            delta=0.5, swap_passes=0, herding=False, random_state=rng,
        )
    )  # fmt: skip
    assert len(set(chosen)) == 16
    assert_allclose(mean, Kernel()(X, X).mean(axis=0), rtol=1e-9)
