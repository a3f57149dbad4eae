"""OnlineOrthogonalDictionaryLearning against its recursion in NumPy, and planted dictionaries."""

import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm
from scipy.sparse import csr_array, csr_matrix
from scipy.stats import ortho_group
from sklearn.decomposition import PCA, sparse_encode
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline

from skstruct.decomposition import OnlineOrthogonalDictionaryLearning

SCHEDULES = {
    "fast": lambda t: (min(1.0, 11.0 / (t + 10.0)), 1.0),
    "theory": lambda t: (min(1.0, 4.0 / t**0.5), min(1.0, 2.0 / (t + 1.0) ** 0.75)),
    "constant": lambda t: (max(1.0 / t, 0.05), 1.0),
}


def polar(G):
    U, s, Vt = np.linalg.svd(G, full_matrices=False)
    return U @ Vt, s.sum()


def recursion(D, batches, rates, p=3):
    """The method as the paper tells it, with a singular value decomposition at each step."""
    G, gaps = np.zeros_like(D), []
    for t, (X, weight) in enumerate(batches, 1):
        rho, gamma = rates(t)
        A = X @ D.T
        W = np.sign(A) * np.abs(A) ** (p - 1) * weight[:, np.newaxis]
        G = G + rho * (W.T @ X / weight.sum() - G)
        S, nuclear = polar(G)
        gaps.append(1 - np.vdot(G, D) / nuclear)
        D = (1 - gamma) * D + gamma * S
    return polar(D)[0], G, gaps


def planted(n_samples, n_features=64, theta=0.1, n_atoms=None, noise=0.0, seed=0):
    """Return rows of Bernoulli-Gaussian codes, and the dictionary."""
    rng = np.random.default_rng(seed)
    atoms = ortho_group.rvs(n_features, random_state=seed)[:n_atoms]
    codes = rng.standard_normal((n_samples, len(atoms)))
    codes *= rng.random(codes.shape) < theta
    return codes @ atoms + noise * rng.standard_normal((n_samples, n_features)), atoms


def match(model, atoms):
    """Cosine of each learnt atom with the nearest of the true ones."""
    return np.abs(model.components_ @ atoms.T).max(axis=1)


def batches_of(X, weight, size):
    return [(X[i : i + size], weight[i : i + size]) for i in range(0, len(X), size)]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("p", "n_components", "batch_size"), [(3, 9, 50), (4, 5, 37), (2.6, 1, 700)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_is_the_recursion(schedule, p, n_components, batch_size, weighted):
    X, _ = planted(1200, 9, theta=0.4)
    start = ortho_group.rvs(9, random_state=1)[:n_components]
    weight = np.random.default_rng(2).uniform(0.1, 3, 1200) if weighted else np.ones(1200)
    model = OnlineOrthogonalDictionaryLearning(
        n_components, p=p, schedule=schedule, batch_size=batch_size, dict_init=start
    ).partial_fit(X, sample_weight=weight if weighted else None)
    batches = batches_of(X, weight, batch_size)
    D, _, gaps = recursion(start, batches, SCHEDULES[schedule], p)
    assert_allclose(model.components_, D, atol=1e-10)
    assert model.gap_ == pytest.approx(gaps[-1], abs=1e-12)
    assert (model.n_steps_, model.n_samples_seen_) == (len(batches), 1200)
    assert_allclose(model.components_ @ model.components_.T, np.eye(n_components), atol=1e-11)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_chunks_are_one_pass(schedule, dtype):
    X = planted(2000, 12)[0].astype(dtype)
    model = OnlineOrthogonalDictionaryLearning(
        8, schedule=schedule, batch_size=64, max_iter=1, shuffle=False, random_state=0
    )
    whole = model.fit(X).components_
    assert model.n_iter_ == 1
    chunks = OnlineOrthogonalDictionaryLearning(
        8, schedule=schedule, batch_size=64, random_state=0
    )
    for start, stop in ((0, 64), (64, 704), (704, 1280), (1280, 2000)):
        chunks = pickle.loads(pickle.dumps(chunks.partial_fit(X[start:stop])))
    assert_array_equal(chunks.components_, whole)
    assert (chunks.gap_, chunks.n_steps_) == (model.gap_, model.n_steps_)


def test_partial_fit_goes_on_after_fit():
    X, _ = planted(1280, 8)
    model = OnlineOrthogonalDictionaryLearning(max_iter=1, shuffle=False, random_state=0)
    assert_array_equal(
        model.fit(X[:640]).partial_fit(X[640:]).components_, model.fit(X).components_
    )


def test_msp_is_the_recursion_and_never_descends():
    X, _ = planted(3000, 10, theta=0.3)
    weight = np.random.default_rng(1).uniform(0, 2, 3000)
    start = ortho_group.rvs(10, random_state=1)
    for p in (3, 4, 2.3):
        model = OnlineOrthogonalDictionaryLearning(
            p=p, solver="msp", max_iter=100, dict_init=start
        ).fit(X, sample_weight=weight)
        n = model.n_iter_
        D, _, gaps = recursion(start, [(X, weight)] * n, lambda t: (1.0, 1.0), p)
        assert_allclose(model.components_, D, atol=1e-9)
        assert gaps[-1] < model.tol <= gaps[-2]
        D, _, _ = recursion(start, [(X, weight)] * (n - 1), lambda t: (1.0, 1.0), p)
        expected = np.average((np.abs(X @ D.T) ** p).sum(axis=1), weights=weight) ** (1 / p)
        assert model.objective_history_[-1] == pytest.approx(expected, rel=1e-12)
        assert len(model.objective_history_) == n
        assert (np.diff(model.objective_history_) > -1e-12 * expected).all()
    assert not hasattr(model.set_params(solver="frank-wolfe").fit(X), "objective_history_")


def test_msp_says_when_it_has_not_converged():
    X, _ = planted(1000, 10)
    model = OnlineOrthogonalDictionaryLearning(solver="msp", max_iter=2, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"The gap is .* after 2 iterations, more than tol"
    ):
        model.fit(X)


@pytest.mark.parametrize(
    ("params", "data", "mean", "share"),
    [
        ({"max_iter": 1}, {"theta": 0.1}, 0.998, 1.0),
        ({"max_iter": 1, "schedule": "theory"}, {"theta": 0.1}, 0.999, 1.0),
        ({"max_iter": 1}, {"theta": 0.3}, 0.995, 1.0),
        ({}, {"theta": 0.3}, 0.9985, 1.0),
        ({"max_iter": 1}, {"theta": 0.2, "noise": 0.3 * 0.2**0.5}, 0.996, 0.98),
        ({"solver": "msp", "max_iter": 40}, {"theta": 0.1}, 0.9995, 1.0),
        ({"solver": "msp", "max_iter": 40, "p": 4}, {"theta": 0.1}, 0.998, 1.0),
    ],
)
def test_recovers_a_planted_dictionary(params, data, mean, share):
    X, atoms = planted(20000, **data)
    model = OnlineOrthogonalDictionaryLearning(random_state=0, **params).fit(X)
    assert match(model, atoms).mean() > mean
    assert (match(model, atoms) > 0.99).mean() >= share
    assert len(set(np.abs(model.components_ @ atoms.T).argmax(axis=1))) == 64


def test_momentum_is_what_makes_one_pass_enough():
    X, atoms = planted(20000)
    none = OnlineOrthogonalDictionaryLearning(schedule="constant", momentum=1.0, random_state=0)
    cosines = match(none.partial_fit(X), atoms)
    assert cosines.mean() < 0.99
    assert (cosines > 0.99).mean() < 0.9


def test_default_fit_stops_by_itself():
    X, _ = planted(20000, 32)
    model = OnlineOrthogonalDictionaryLearning(random_state=0).fit(X)
    assert 1 < model.n_iter_ < 10
    assert model.set_params(tol=0, max_iter=3).fit(X).n_iter_ == 3


def test_learns_some_of_many_atoms():
    X, atoms = planted(40000, 64, theta=0.1)
    few = OnlineOrthogonalDictionaryLearning(16, random_state=0).fit(X)
    assert match(few, atoms).min() > 0.98
    X, atoms = planted(20000, 64, theta=0.1, n_atoms=16, noise=0.05)
    exact = OnlineOrthogonalDictionaryLearning(16, random_state=0).fit(X)
    assert match(exact, atoms).mean() > 0.9995


def test_constant_momentum_tracks_a_drift():
    rng = np.random.default_rng(0)
    atoms, A = ortho_group.rvs(32, random_state=0), rng.standard_normal((32, 32))
    turn = expm(0.003 * (A - A.T) / np.sqrt(32))
    fixed = OnlineOrthogonalDictionaryLearning(batch_size=200, random_state=0)
    tracking = OnlineOrthogonalDictionaryLearning(
        schedule="constant", momentum=0.1, batch_size=200, random_state=0
    )
    for _ in range(600):
        atoms = atoms @ turn
        codes = rng.standard_normal((200, 32)) * (rng.random((200, 32)) < 0.1)
        fixed.partial_fit(codes @ atoms)
        tracking.partial_fit(codes @ atoms)
    assert match(tracking, atoms).mean() > 0.997
    assert match(fixed, atoms).mean() < 0.98


def test_atoms_that_are_not_orthogonal_need_whitening():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((20000, 16)) * (rng.random((20000, 16)) < 0.1)
    mixing = rng.standard_normal((16, 16))
    model = make_pipeline(
        PCA(whiten=True),
        OnlineOrthogonalDictionaryLearning(transform_algorithm="projection", random_state=0),
    )
    found = model.fit_transform(codes @ mixing)
    correlation = np.abs(np.corrcoef(found.T, codes.T)[:16, 16:])
    assert correlation.max(axis=1).min() > 0.99


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_gap_is_within_its_bounds_and_closes(schedule):
    X, _ = planted(30000, 16, theta=0.2)
    model = OnlineOrthogonalDictionaryLearning(schedule=schedule, random_state=0)
    gaps = []
    for rows in np.split(X, 300):
        gaps.append(model.partial_fit(rows).gap_)
        assert np.linalg.norm(model._dictionary, 2) <= 1 + 1e-12
    assert 0 <= min(gaps) <= max(gaps) <= 2
    assert np.mean(gaps[-50:]) < 0.1 * np.mean(gaps[:5])


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("params", [{}, {"solver": "msp", "max_iter": 80}, {"p": 2.5}])
def test_csr_is_dense(index, dtype, params):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((900, 11)) * (rng.random((900, 11)) < 0.2)).astype(dtype)
    X[130:150] = 0
    weight = rng.uniform(0, 2, 900)
    rows = csr_matrix(X)
    rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
    model = OnlineOrthogonalDictionaryLearning(7, batch_size=20, random_state=0, **params)
    model.fit(X, sample_weight=weight)
    atol = 1e-10 if dtype == np.float64 else 1e-3
    expected, code, score = model.components_, model.transform(X), model.score(X)
    assert_allclose(model.transform(rows), code, atol=1e-6)
    assert model.score(rows) == pytest.approx(score, rel=1e-6)
    model.fit(rows, sample_weight=weight)
    assert model.components_.dtype == dtype
    assert_allclose(model.components_, expected, atol=atol)
    assert_array_equal(
        model.partial_fit(csr_array(rows)).components_,
        model.fit(rows, None, weight).partial_fit(rows).components_,
    )


def test_weights():
    X, _ = planted(600, 8, theta=0.3)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, 600)
    model = OnlineOrthogonalDictionaryLearning(solver="msp", max_iter=99, random_state=0)
    repeated = model.fit(X.repeat(weight, axis=0)).components_
    assert_allclose(model.fit(X, sample_weight=weight).components_, repeated, atol=1e-10)
    # On a stream, rows of weight 0 are as if they were not there, and the unit is of no matter.
    model = OnlineOrthogonalDictionaryLearning(batch_size=32, random_state=0)
    kept = weight > 0
    expected = model.fit(X[kept], sample_weight=weight[kept]).components_
    for unit in (1.0, 1e-200, 1e200):
        found = model.fit(X, sample_weight=unit * weight)
        assert_allclose(found.components_, expected, atol=1e-12)
        assert found.n_samples_seen_ == kept.sum() * found.n_iter_


def test_float32():
    X, atoms = planted(20000, 32)
    double = OnlineOrthogonalDictionaryLearning(max_iter=1, random_state=0).fit(X)
    single = OnlineOrthogonalDictionaryLearning(max_iter=1, random_state=0).fit(X.astype("f"))
    assert single.components_.dtype == np.float32
    assert single._dictionary.dtype == single._gradient.dtype == np.float64
    assert_allclose(single.components_, double.components_, atol=1e-5)
    assert match(single, atoms).mean() > 0.998
    code = single.transform(X.astype("f"))
    assert code.dtype == single.inverse_transform(code).dtype == np.float32
    assert double.transform(X.astype("f")).dtype == np.float32
    assert single.transform(X).dtype == np.float64


@pytest.mark.parametrize("p", [3, 4, 2.5])
@pytest.mark.parametrize("params", [{}, {"solver": "msp", "max_iter": 60}])
def test_units_of_the_data_do_not_matter(p, params):
    X, _ = planted(1000, 10, theta=0.3)
    model = OnlineOrthogonalDictionaryLearning(p=p, random_state=0, **params)
    atoms, n_steps, gap = model.fit(X).components_, model.n_steps_, model.gap_
    norm = getattr(model, "objective_history_", np.zeros(1))
    for scale in (2.0**-500, 2.0**500):
        assert_array_equal(model.fit(X * scale).components_, atoms)
        assert (model.n_steps_, model.gap_) == (n_steps, gap)
        assert_allclose(getattr(model, "objective_history_", np.zeros(1)), norm * scale)
        assert model.set_params(transform_algorithm="topk").score(X * scale) > 0
    assert_array_equal(
        model.fit(csr_array(X * 2.0**500)).components_, model.fit(csr_array(X)).components_
    )


@pytest.mark.parametrize(
    ("dtype", "small"), [(np.float64, 1e-30), (np.float64, 1e-150), (np.float32, 1e-30)]
)
def test_units_may_change_on_the_way(dtype, small):
    """Rows in far smaller units move nothing that was learnt; rows in far larger ones move all."""
    X, atoms = planted(12800, 10, theta=0.2)
    Y, _ = planted(12800, 10, theta=0.2, seed=1)
    X, Y = X.astype(dtype), (Y * small).astype(dtype)
    model = OnlineOrthogonalDictionaryLearning(random_state=0)
    found = model.partial_fit(X).components_
    assert_allclose(model.partial_fit(Y).components_, found, atol=0.01)
    model = OnlineOrthogonalDictionaryLearning(random_state=0).partial_fit(Y).partial_fit(X)
    assert match(model, atoms).min() > 0.99


def test_constant_momentum_follows_a_change_of_units():
    X, _ = planted(12800, 10, theta=0.2)
    Y, atoms = planted(128 * 400, 10, theta=0.2, seed=1)
    model = OnlineOrthogonalDictionaryLearning(schedule="constant", random_state=0)
    model.partial_fit(X.astype("f")).partial_fit((1e-4 * Y).astype("f"))
    assert match(model, atoms).min() < 0.99  # memory: 0.95 ** 400 is 1e-9, of 1e12
    model.partial_fit((1e-4 * np.tile(Y, (2, 1))).astype("f"))
    assert match(model, atoms).min() > 0.99


def test_zeros_are_passed_over():
    X, _ = planted(512, 8)
    zeros = np.zeros((300, 8))
    plain = OnlineOrthogonalDictionaryLearning(random_state=0).partial_fit(X)
    for rows in (zeros, csr_array(zeros)):
        model = OnlineOrthogonalDictionaryLearning(random_state=0).partial_fit(rows)
        assert (model.n_steps_, model.n_samples_seen_, model.gap_) == (0, 300, 0.0)
        assert_allclose(model.components_ @ model.components_.T, np.eye(8), atol=1e-12)
        model.partial_fit(X).partial_fit(rows)
        assert_array_equal(model.components_, plain.components_)
    for solver in ("msp", "frank-wolfe"):
        model = OnlineOrthogonalDictionaryLearning(solver=solver).fit(zeros)
        assert (model.n_iter_, model.n_steps_, model.score(zeros)) == (1, 0, 1.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_the_rows_say_nothing_of_stays(dtype):
    """Columns of zeros: the span of the gradient gains nothing there, so atoms stay near."""
    X = np.zeros((1000, 9), dtype)
    X[:, :6], _ = planted(1000, 6, theta=0.3)
    start = np.eye(9)
    model = OnlineOrthogonalDictionaryLearning(dict_init=start, max_iter=3).fit(X)
    D = model.components_
    assert_allclose(D @ D.T, np.eye(9), atol=1e-6 if dtype == np.float32 else 1e-11)
    assert_allclose(D[6:, 6:], np.eye(3), atol=1e-5)
    assert_allclose(D[:6, 6:], 0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7),
        elements=st.floats(-1e150, 1e150) | st.sampled_from([0.0, 1.0, 1e-150]),
    ),
    st.sampled_from([2.5, 3, 4]),
    st.sampled_from(sorted(SCHEDULES)),
    st.sampled_from([1, 3]),
)
def test_any_data_leave_an_orthonormal_dictionary(X, p, schedule, batch_size):
    model = OnlineOrthogonalDictionaryLearning(
        p=p, schedule=schedule, batch_size=batch_size, random_state=0
    )
    for rows in (X, csr_array(X)):
        D = model.fit(rows).components_
        assert_allclose(D @ D.T, np.eye(X.shape[1]), atol=1e-10)
        assert 0 <= model.gap_ <= 2
        assert np.isfinite(model.transform(rows)).all()
        assert 0 <= model.set_params(transform_algorithm="projection").score(rows) <= 1 + 1e-9
        model.set_params(transform_algorithm="topk")


def test_codes_are_the_closed_forms():
    X, _ = planted(50, 12, theta=0.4)
    model = OnlineOrthogonalDictionaryLearning(9, random_state=0).fit(X)
    D = model.components_
    A = X @ D.T
    for method, params, expected in (
        ("projection", {}, A),
        ("topk", {}, sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=1)),
        (
            "topk",
            {"transform_n_nonzero_coefs": 4},
            sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=4),
        ),
        ("topk", {"transform_n_nonzero_coefs": 40}, A),
        ("hard", {"transform_alpha": 0.7}, np.where(np.abs(A) > 0.7, A, 0)),
        ("hard", {"transform_alpha": None}, np.where(np.abs(A) > 1.0, A, 0)),
        (
            "soft",
            {"transform_alpha": 0.3},
            sparse_encode(X, D, algorithm="lasso_cd", alpha=0.3, max_iter=10000),
        ),
    ):
        # Parameters of transform are read when it is called.
        model.set_params(transform_algorithm=method, **params)
        assert_allclose(model.transform(X), expected, atol=1e-8)
        assert_allclose(model.inverse_transform(expected), expected @ D, atol=1e-12)
        assert_allclose(model.inverse_transform(csr_array(expected)), expected @ D, atol=1e-12)
        lost = np.sum((X - expected @ D) ** 2) / np.sum(X**2)
        assert model.score(X) == pytest.approx(1 - lost, abs=1e-7)


def test_topk_takes_the_first_of_equals():
    model = OnlineOrthogonalDictionaryLearning(
        dict_init=np.eye(3), transform_n_nonzero_coefs=2
    ).partial_fit(np.eye(3))
    assert_array_equal(model.transform([[1.0, -1.0, 1.0]]), [[1.0, -1.0, 0.0]])


def test_blocks_of_rows_are_coded_alike():
    X, _ = planted(3000, 16)
    model = OnlineOrthogonalDictionaryLearning(random_state=0).partial_fit(X)
    parts = np.vstack([model.transform(X[i : i + 7]) for i in range(0, 3000, 7)])
    assert_allclose(model.transform(X), parts, atol=1e-12)


def test_dict_init_is_made_orthonormal():
    start = np.random.default_rng(0).standard_normal((4, 6)) * 1e-200
    model = OnlineOrthogonalDictionaryLearning(4, dict_init=start).partial_fit(np.zeros((1, 6)))
    assert_allclose(model.components_, polar(start * 1e200)[0], atol=1e-12)


def test_first_dictionaries_are_haar():
    zeros = np.zeros((1, 2))
    first = [
        OnlineOrthogonalDictionaryLearning(random_state=s).partial_fit(zeros).components_
        for s in range(400)
    ]
    angles = np.arctan2(*np.array(first)[:, 0].T)
    counts = np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0]
    assert counts.min() > 70
    assert 150 < np.sum(np.linalg.det(first) > 0) < 250


def test_shuffling_matters_only_through_the_seed():
    X, _ = planted(1000, 8)
    model = OnlineOrthogonalDictionaryLearning(random_state=3, max_iter=2, tol=0)
    one = model.fit(X).components_
    assert_array_equal(model.fit(X).components_, one)
    assert np.abs(model.set_params(shuffle=False).fit(X).components_ - one).max() > 1e-6


def test_memory_does_not_grow_with_the_stream():
    rng = np.random.default_rng(0)
    model = OnlineOrthogonalDictionaryLearning(random_state=0)
    sizes, peaks = [], []
    for _ in range(3):
        chunks = 2 if not sizes else 40
        tracemalloc.start()
        for _ in range(chunks):
            rows = rng.standard_normal((1000, 20))
            model.partial_fit(rows)
            model.score(rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append(len(pickle.dumps(model)))
    assert max(sizes) - min(sizes) < 50
    assert max(peaks) < 1.5 * min(peaks)


def test_fit_copies_no_rows():
    X = np.random.default_rng(0).standard_normal((50000, 32))
    tracemalloc.start()
    OnlineOrthogonalDictionaryLearning(max_iter=2).fit(X)
    OnlineOrthogonalDictionaryLearning(max_iter=2, solver="msp", tol=0).fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 4


class Recorder:
    """Callback that scores the dictionary after each pass, and may stop."""

    def __init__(self, stop_after):
        self.stop_after, self.scores = stop_after, []

    def setup(self, estimator, context):
        assert context.max_subtasks == estimator.max_iter

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.parent is not None:
            self.scores.append(fitted_estimator.score(X))
        return len(self.scores) == self.stop_after

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("solver", ["frank-wolfe", "msp"])
def test_callbacks_see_and_stop_the_passes(solver):
    X, _ = planted(2000, 16)
    recorder = Recorder(3)
    model = OnlineOrthogonalDictionaryLearning(solver=solver, tol=0, random_state=0)
    model.set_callbacks(recorder).fit(X)
    assert len(recorder.scores) == model.n_iter_ == 3
    assert recorder.scores[-1] == model.score(X) > recorder.scores[0]


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"p": 2}, "'p' parameter .* range \\(2.0, inf"),
        ({"n_components": 0}, "'n_components' parameter"),
        ({"n_components": 4}, "n_components=4; .* at most as many as features, of which X has 3"),
        ({"solver": "sgd"}, "'solver' parameter .*'frank-wolfe'"),
        ({"schedule": "slow"}, "'schedule' parameter .*'constant'"),
        ({"momentum": 0.0}, "'momentum' parameter"),
        ({"momentum": 1.1}, "'momentum' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"tol": -1.0}, "'tol' parameter"),
        ({"transform_algorithm": "omp"}, "'transform_algorithm' parameter .*'topk'"),
        ({"transform_n_nonzero_coefs": 0}, "'transform_n_nonzero_coefs' parameter"),
        ({"transform_alpha": -1.0}, "'transform_alpha' parameter"),
        ({"dict_init": np.eye(2)}, r"dict_init has shape \(2, 2\); it must be of shape \(3, 3\)"),
        ({"dict_init": np.ones((3, 3))}, "dict_init has rank 1; its 3 rows must be linearly ind"),
    ],
)
def test_wrong_parameters(params, wanted):
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=wanted):
            getattr(OnlineOrthogonalDictionaryLearning(**params), method)(np.ones((5, 3)))


def test_wrong_data():
    X, _ = planted(100, 6)
    model = OnlineOrthogonalDictionaryLearning(4)
    with pytest.raises(NotFittedError):
        model.transform(X)
    model.fit(X)
    before = model.components_.copy()
    for method in (model.partial_fit, model.transform, model.score):
        with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 6"):
            method(X[:, :5])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        model.partial_fit(X, sample_weight=-np.ones(100))
    with pytest.raises(ValueError, match="'transform_alpha' parameter"):
        model.set_params(transform_alpha=-1.0).transform(X)
    assert_array_equal(model.components_, before)
