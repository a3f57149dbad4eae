"""KSparseAutoencoder against finite differences, dense steps in NumPy and known dictionaries."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.decomposition import KSparseAutoencoder
from skstruct.decomposition._autoencoder_state import center_and_scale, distinct_rows, draw


def table(n_samples=300, n_features=7, seed=0, dtype=np.float64):
    """Few atoms a row, an offset and columns of several scales."""
    rng = np.random.default_rng(seed)
    codes = rng.exponential(size=(n_samples, 20)) * (rng.random((n_samples, 20)) < 0.15)
    X = codes @ rng.standard_normal((20, n_features)) + 0.1 * rng.standard_normal(n_features)
    return (X + 0.05 * rng.standard_normal(X.shape) + 3.0).astype(dtype)


def sparse_dictionary(n_atoms, n_features, n_nonzero, n_samples, seed):
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((n_atoms, n_features))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((n_samples, n_atoms))
    chosen = rng.permuted(np.tile(np.arange(n_atoms), (n_samples, 1)), axis=1)[:, :n_nonzero]
    np.put_along_axis(codes, chosen, rng.uniform(0.5, 1.5, chosen.shape), axis=1)
    X = codes @ atoms + 0.01 * rng.standard_normal((n_samples, n_features))
    return atoms, X.astype(np.float32)


def dense_step(p, x, k, rate, t, n_nonzero=None, bandwidth=0.05, sparsity_weight=1.0):
    """One step on a batch with matrices of zeros; p: {name: [parameter, moment, moment]}."""
    W, b, c, log_theta = (p[name][0] for name in "Wbcl")
    z = (x - c) @ W.T + b
    if k:
        order = np.argsort(-z, axis=1, kind="stable")[:, :k]
        active = np.zeros(z.shape, dtype=bool)
        np.put_along_axis(active, order, True, axis=1)
    else:
        active = z > np.exp(log_theta)
    a = np.where(active, z, 0.0)
    r = a @ W + c - x
    dot = r @ W.T
    da = np.where(active, dot, 0.0)
    gradient = {
        "W": (a.T @ r + da.T @ (x - c)) / len(x),
        "b": da.mean(axis=0),
        "c": (r - da @ W).mean(axis=0),
        "l": np.zeros_like(log_theta),
    }
    if not k:
        theta = np.exp(log_theta)
        near = np.abs(z - theta) < bandwidth / 2
        pull = sparsity_weight * 2 * (active.sum(axis=1).mean() / n_nonzero - 1) / n_nonzero
        gradient["l"] = -theta / bandwidth * (near * (theta * dot + pull)).mean(axis=0)
    for name, g in gradient.items():
        w, m, v = p[name]
        m += 0.1 * (g - m)
        v += 0.001 * (g**2 - v)
        w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return (r**2).sum(axis=1), active, gradient


def dense_fit(X, n_components, n_nonzero, *, k_init, max_iter, batch_size, rate, thresholds, seed):
    """The whole training with dense_step; the same random numbers in the same order."""
    rng = np.random.RandomState(seed)
    rows, weight = distinct_rows(X, np.ones(len(X)), rng)
    center, scale = X.mean(axis=0), np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean())
    W = rng.standard_normal((n_components, X.shape[1]))
    W = W / np.linalg.norm(W, axis=1, keepdims=True) if thresholds else 0.01 * W
    start = {"W": W, "b": np.zeros(len(W)), "c": np.zeros(X.shape[1])}
    start["l"] = np.full(len(W), np.log(0.1))
    p = {name: [w, np.zeros_like(w), np.zeros_like(w)] for name, w in start.items()}
    t, losses = 0, []
    for epoch in range(max_iter):
        order = rows[draw(weight, len(rows), rng)]
        k = round(k_init + (n_nonzero - k_init) * min(1, epoch / (max_iter / 2)))
        late = max(0, (epoch - max_iter / 2) / (max_iter / 2))
        losses.append(0.0)
        for batch in np.array_split(order, -(-len(X) // batch_size)):
            t += 1
            error, _, _ = dense_step(
                p, (X[batch] - center) / scale, 0 if thresholds else k, rate * (1 - 0.9 * late), t,
                n_nonzero,
            )  # fmt: skip
            losses[-1] += error.sum() * scale**2 / len(X)
    return p, center, scale, losses


@pytest.mark.parametrize("activation", ["topk", "threshold"])
@pytest.mark.parametrize("batch_size", [1, 32, 100])
def test_training_is_that_of_dense_steps(activation, batch_size):
    X = table(100)
    thresholds = activation == "threshold"
    fit = KSparseAutoencoder(
        13, 3, activation=activation, k_init=8, max_iter=6, batch_size=batch_size,
        resample_dead=False, random_state=5, learning_rate=0.01,
    ).fit(X)  # fmt: skip
    p, center, scale, losses = dense_fit(
        X, 13, 3, k_init=8, max_iter=6, batch_size=batch_size, rate=0.01,
        thresholds=thresholds, seed=5,
    )  # fmt: skip
    assert fit.n_steps_ == 6 * -(-100 // batch_size)
    assert_allclose(fit.loss_curve_, losses, rtol=1e-9)
    assert_allclose(fit.components_, p["W"][0], rtol=1e-6, atol=1e-9)
    assert_allclose(fit.encoder_bias_, scale * p["b"][0], rtol=1e-6, atol=1e-9)
    assert_allclose(fit.decoder_bias_, center + scale * p["c"][0], rtol=1e-9)
    if thresholds:
        assert_allclose(fit.thresholds_, scale * np.exp(p["l"][0]), rtol=1e-8)
        assert np.abs(fit.thresholds_ / scale - 0.1).max() > 1e-3
    else:
        assert fit.thresholds_ is None


@pytest.mark.parametrize("activation", ["topk", "threshold"])
def test_gradient_is_that_of_finite_differences(activation):
    """With the active units held, the loss is a polynomial in W, b and c."""
    X = table(40, 5)
    model = KSparseAutoencoder(
        9, 3, activation=activation, batch_size=40, learning_rate=1e-14, random_state=0
    ).partial_fit(X)
    state, rng = model._state, np.random.default_rng(0)
    state.atoms[0] = rng.standard_normal((9, 5))
    state.units[0], state.offset[0] = 0.3 * rng.standard_normal((2, 9))[0], rng.uniform(-0.3, 0.3)
    for moments in (state.atoms[1:], state.units[1:3], state.units[4:], state.offset[1:]):
        moments[...] = 0
    W, b, c = state.atoms[0].copy(), state.units[0].copy(), state.offset[0].copy()
    model.partial_fit(X)
    x = (X - state.center) / state.scale
    z = (x - c) @ W.T + b
    active = z > 0.1 if activation == "threshold" else z >= np.sort(z, axis=1)[:, [-3]]
    assert 0.1 < active.mean() < 0.9

    def loss(W, b, c):
        a = active * ((x - c) @ W.T + b)
        return ((a @ W + c - x) ** 2).sum() / (2 * len(x))

    for parameter, moments in ((W, state.atoms), (b, state.units), (c, state.offset)):
        numeric = np.empty_like(parameter)
        for place in np.ndindex(parameter.shape):
            kept, values = parameter[place], []
            for step in (-1e-4, 1e-4):
                parameter[place] = kept + step
                values.append(loss(W, b, c))
            parameter[place] = kept
            numeric[place] = (values[1] - values[0]) / 2e-4
        assert_allclose(10 * moments[1], numeric, rtol=1e-6, atol=1e-7)
        assert np.abs(numeric).max() > 1e-2


def test_all_units_kept_are_linear_autoencoding():
    """Its optimum is the projection on the principal components."""
    X = table(400, 6)
    model = KSparseAutoencoder(
        3, 3, k_init=None, max_iter=300, learning_rate=0.01, random_state=0
    ).fit(X)
    codes = model.transform(X)
    linear = (X - model.decoder_bias_) @ model.components_.T + model.encoder_bias_
    assert_allclose(codes, linear, rtol=1e-9, atol=1e-9)
    best = PCA(3).fit(X)
    assert model.score(X) == pytest.approx(best.explained_variance_ratio_.sum(), abs=2e-3)
    # The rows of W span the same space: all principal angles are small.
    _, _, V = np.linalg.svd(model.components_, full_matrices=False)
    assert np.linalg.svd(V @ best.components_.T, compute_uv=False).min() > 0.999


@pytest.mark.parametrize("activation", ["topk", "threshold"])
def test_codes_have_the_units_of_the_table(activation):
    X = table(300)
    params = {"n_nonzero": 3, "activation": activation, "max_iter": 20, "random_state": 0}
    one = KSparseAutoencoder(20, **params).fit(X)
    codes = one.transform(X)
    for factor, shift, rtol in ((1024.0, 0.0, 1e-9), (1000.0, 0.0, 1e-2), (1e-3, 5.0, 1e-2)):
        other = KSparseAutoencoder(20, **params).fit(factor * (X + shift))
        assert_allclose(other.components_, one.components_, rtol=rtol, atol=rtol)
        assert_allclose(
            other.transform(factor * (X + shift)) / factor, codes, rtol=rtol, atol=rtol
        )
        assert_allclose(other.loss_curve_, factor**2 * np.array(one.loss_curve_), rtol=rtol)


def test_transform_is_the_selection_it_says():
    X = table(200)
    model = KSparseAutoencoder(30, 4, max_iter=5, random_state=0).fit(X)
    z = (X - model.decoder_bias_) @ model.components_.T + model.encoder_bias_
    for factor, k in ((1.0, 4), (1.5, 6), (1.6, 6), (7.5, 30), (100.0, 30)):
        kept = np.argsort(-z, axis=1)[:, :k]
        expected = np.zeros_like(z)
        np.put_along_axis(expected, kept, np.take_along_axis(z, kept, axis=1), axis=1)
        codes = model.set_params(encode_factor=factor).transform(X)
        assert_allclose(codes, expected, rtol=1e-9, atol=1e-9)
        reconstruction = codes @ model.components_ + model.decoder_bias_
        assert_allclose(model.inverse_transform(codes), reconstruction)
        assert_allclose(model.inverse_transform(csr_array(codes)), reconstruction)
        lost = ((X - reconstruction) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()
        assert model.score(X) == pytest.approx(1 - lost, rel=1e-9)
    assert (codes < 0).any()  # kept by value, the last of many are negative


def test_thresholds_decide_how_many_units_a_row_has():
    X = table(1500)
    model = KSparseAutoencoder(30, 3, activation="threshold", random_state=0).fit(X)
    z = (X - model.decoder_bias_) @ model.components_.T + model.encoder_bias_
    codes = model.transform(X)
    assert_allclose(codes, np.where(z > model.thresholds_, z, 0.0), atol=1e-12)
    counts = (codes != 0).sum(axis=1)
    assert counts.min() < counts.max()
    assert counts.mean() == pytest.approx(3, abs=0.3)
    sparse = model.set_params(sparse_output=True).transform(X)
    assert_array_equal(sparse.toarray(), codes)
    free = KSparseAutoencoder(
        30, 3, activation="threshold", sparsity_weight=0, random_state=0
    ).fit(X)
    assert (free.transform(X) != 0).sum(axis=1).mean() > 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_output_is_the_dense_one(dtype):
    X = table(5000, 4, dtype=dtype)
    model = KSparseAutoencoder(20, 3, max_iter=2, random_state=0).fit(X)
    codes = model.transform(X)
    sparse = model.set_params(sparse_output=True).transform(X)
    assert isinstance(sparse, csr_matrix)
    assert sparse.dtype == dtype
    assert sparse.nnz == 15_000
    assert sparse.has_sorted_indices
    assert_array_equal(sparse.toarray(), codes)
    with config_context(sparse_interface="sparray"):
        assert isinstance(model.transform(X), csr_array)
    assert_allclose(
        model.inverse_transform(sparse), model.inverse_transform(codes), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("container", [csr_matrix, csr_array])
@pytest.mark.parametrize("activation", ["topk", "threshold"])
def test_sparse_rows_are_what_they_are_when_dense(activation, container):
    X = np.maximum(table(500, 30) - 3.5, 0)
    params = {"n_nonzero": 3, "activation": activation, "max_iter": 10, "random_state": 0}
    one = KSparseAutoencoder(20, **params).fit(X)
    other = KSparseAutoencoder(20, **params).fit(container(X))
    assert_array_equal(other.components_, one.components_)
    assert_array_equal(other.transform(container(X)), one.transform(X))
    assert other.score(container(X)) == pytest.approx(one.score(X), rel=1e-12)
    one.partial_fit(X)
    other.partial_fit(container(X))
    assert_array_equal(other.components_, one.components_)
    wide = csr_matrix(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert_array_equal(one.transform(wide), one.transform(X))


def test_weights_are_repetitions_and_order_does_not_matter():
    X = table(80)
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, 80)
    repeated = rng.permutation(np.repeat(X, times, axis=0))
    params = {"n_nonzero": 3, "max_iter": 10, "random_state": 0}
    weighted = KSparseAutoencoder(20, **params).fit(X, sample_weight=times)
    again = KSparseAutoencoder(20, **params).fit(repeated)
    assert_array_equal(weighted.components_, again.components_)
    sparse = KSparseAutoencoder(20, **params).fit(csr_array(X), sample_weight=2.5 * times)
    assert_allclose(sparse.components_, again.components_, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="non-zero"):
        weighted.fit(X, sample_weight=np.zeros(80))


def test_draws_are_in_proportion_to_weights():
    rng = np.random.RandomState(0)
    assert_array_equal(np.sort(draw(np.full(50, 0.3), 50, rng)), np.arange(50))
    weight = np.array([1.0, 0.5, 2.5, 4.0])
    counts = np.zeros(4)
    for _ in range(500):
        drawn = np.bincount(draw(weight, 4, rng), minlength=4)
        assert (np.abs(drawn - weight / 2) < 1).all()
        counts += drawn
    assert_allclose(counts / 500, weight / 2, atol=0.1)


def test_heavy_rows_are_better_reconstructed():
    X = table(400, 10)
    weight = np.where(np.arange(400) < 40, 50.0, 1.0)
    params = {"n_nonzero": 2, "max_iter": 30, "random_state": 0}
    plain = KSparseAutoencoder(16, **params).fit(X)
    weighted = KSparseAutoencoder(16, **params).fit(X, sample_weight=weight)

    def error(model):
        return ((X - model.inverse_transform(model.transform(X))) ** 2)[:40].mean()

    assert error(weighted) < 0.7 * error(plain)


def test_k_falls_to_n_nonzero_over_the_first_half():
    model = KSparseAutoencoder(256, 16, max_iter=20)
    ks = [model._k(epoch) for epoch in range(20)]
    assert ks[:3] == [64, 59, 54]
    assert ks[10:] == [16] * 10
    assert ks == sorted(ks, reverse=True)
    assert KSparseAutoencoder(20, 16, max_iter=4)._k(0) == 16
    assert KSparseAutoencoder(20, 3, k_init=None)._k(0) == 3
    assert KSparseAutoencoder(20, 3, k_init=20, max_iter=2)._k(0) == 20


def test_a_falling_k_leaves_fewer_dead_units():
    X = load_digits().data.astype(np.float32)
    params = {
        "n_nonzero": 6, "max_iter": 40, "learning_rate": 1e-3, "resample_dead": False,
        "random_state": 0,
    }  # fmt: skip
    plain = KSparseAutoencoder(k_init=None, **params).fit(X)
    falling = KSparseAutoencoder(**params).fit(X)
    assert plain.n_dead_ > 100
    assert falling.n_dead_ < 0.5 * plain.n_dead_
    assert falling.loss_curve_[-1] < plain.loss_curve_[-1]


@pytest.mark.parametrize(("n_nonzero", "n_left"), [(1, 100), (4, 40)])
def test_dead_units_find_something_to_do(n_nonzero, n_left):
    X = load_digits().data
    params = {"n_nonzero": n_nonzero, "max_iter": 40, "k_init": None, "random_state": 0}
    left = KSparseAutoencoder(128, resample_dead=False, **params).fit(X)
    revived = KSparseAutoencoder(128, **params).fit(X)
    assert left.n_dead_ > n_left
    assert revived.n_dead_ < 0.3 * left.n_dead_
    assert revived.loss_curve_[-1] < 0.9 * left.loss_curve_[-1]


@pytest.mark.parametrize("activation", ["topk", "threshold"])
def test_units_that_start_anew_have_no_memory_and_the_norm_of_the_living(activation):
    X = table(300)
    model = KSparseAutoencoder(20, 3, activation=activation, random_state=0).fit(X)
    state = model._state
    state.atoms[0, [3, 5, 6]] *= 1e-3  # the norms of the dead do not count
    dead, rows = np.array([3, 5, 6]), np.array([0, 1, 7])
    residual = X[rows] - state.decode(state.encode(X[rows], 3))
    state.revive(dead, X, rows, 3)
    atoms = state.atoms[0]
    assert not state.atoms[1:, dead].any()
    assert not state.units[np.ix_([0, 1, 2, 4, 5], dead)].any()
    assert_allclose(state.theta[dead], 0.1)
    norm = np.median(np.linalg.norm(np.delete(atoms, dead, axis=0), axis=1))
    assert_allclose(
        atoms[dead], norm * residual / np.linalg.norm(residual, axis=1, keepdims=True), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("activation", "n_components", "share"),
    [("topk", 64, 0.97), ("topk", 32, 0.9), ("threshold", 32, 0.86)],
)
def test_finds_the_atoms_that_made_the_rows(activation, n_components, share):
    atoms, X = sparse_dictionary(32, 32, 2, 4000, seed=0)
    model = KSparseAutoencoder(
        n_components, 2, activation=activation, max_iter=40, batch_size=64, random_state=0
    ).fit(X)
    found = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    assert (np.abs(atoms @ found.T).max(axis=1) > 0.95).mean() >= share
    counts = (model.transform(X) != 0).sum(axis=1)
    assert counts.mean() == pytest.approx(2, abs=0.4)


def test_partial_fit_follows_a_stream():
    X = table(3000, 12, seed=1)
    model = KSparseAutoencoder(32, 3, batch_size=20, random_state=0)
    scores = []
    for step in range(30):
        model.partial_fit(X[100 * step : 100 * step + 100])
        scores.append(model.score(X))
        if step == 10:
            model = pickle.loads(pickle.dumps(model))
    assert model.n_iter_ == 30
    assert model.n_steps_ == 150
    assert len(model.loss_curve_) == 30
    assert scores[-1] > 0.7
    assert scores[-1] > scores[0] + 0.3
    before = model.score(X)
    model.set_params(learning_rate=1e-3).partial_fit(X)
    assert model.score(X) > before - 0.02
    with pytest.raises(ValueError, match=r"n_components=16; partial_fit continues .* 32 atoms"):
        model.set_params(n_components=16).partial_fit(X)
    assert model.fit(X).n_steps_ == 150 * 60
    assert model.components_.shape == (16, 12)


def test_fit_goes_on_as_a_stream():
    X = table(200)
    model = KSparseAutoencoder(20, 3, max_iter=3, random_state=0).fit(X)
    scale = model._state.scale
    model.partial_fit(1.1 * X)
    assert model._state.scale == scale
    assert (model.n_iter_, model.n_steps_) == (4, 16)


@pytest.mark.parametrize("activation", ["topk", "threshold"])
def test_float32_is_nearly_float64(activation):
    X = table(300)
    params = {"n_nonzero": 3, "activation": activation, "max_iter": 5, "random_state": 0}
    exact = KSparseAutoencoder(20, **params).fit(X.astype(np.float32).astype(np.float64))
    single = KSparseAutoencoder(20, **params).fit(X.astype(np.float32))
    for name in ("components_", "encoder_bias_", "decoder_bias_"):
        assert getattr(single, name).dtype == np.float32
        assert_allclose(getattr(single, name), getattr(exact, name), rtol=1e-3, atol=1e-4)
    assert single.transform(X).dtype == np.float32


def test_a_large_offset_costs_float32_nothing():
    X = np.random.default_rng(0).standard_normal((200, 5)).round(2).astype(np.float32)
    model = KSparseAutoencoder(10, 5, max_iter=40, random_state=0).fit(X + np.float32(4096))
    assert model.loss_curve_[-1] < 0.5


def test_the_table_is_not_copied():
    X = np.random.default_rng(0).standard_normal((40_000, 100)).astype(np.float32)
    sparse = csr_matrix(X * (X > 1.5))
    for rows, out in ((X, False), (sparse, True)):
        model = KSparseAutoencoder(64, 4, max_iter=2, sparse_output=out, random_state=0)
        tracemalloc.start()
        model.fit(rows)
        peak_fit = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        codes = model.transform(rows)
        peak_transform = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # A block of 2^20 numbers in float64, a few times over, and some numbers a row.
        assert peak_fit < 40_000 * 8 * 8 + 3.5 * 8 * 2**20
        stored = (codes.data, codes.indices, codes.indptr, codes.indptr) if out else (codes,)
        code_bytes = sum(array.nbytes for array in stored)
        assert peak_transform < code_bytes + 2.5 * 4 * 2**20
    assert X.nbytes == 16_000_000


def test_center_and_scale():
    X = table(300)
    rows, weight = np.arange(300), np.ones(300)
    center, scale = center_and_scale(X, rows, weight)
    assert_allclose(center, X.mean(axis=0))
    assert scale == pytest.approx(np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean()))
    for factor in (1e-300, 1e300):
        assert center_and_scale(factor * X, rows, weight)[1] == pytest.approx(factor * scale)
    for constant in (0.0, 0.1, 1e300):
        assert center_and_scale(np.full((300, 7), constant), rows, weight)[1] == 1.0


@pytest.mark.parametrize("factor", [2.0**-1000, 2.0**1000])
def test_any_scale_is_the_same_problem(factor):
    X = table(200)
    params = {"n_nonzero": 3, "max_iter": 3, "random_state": 0}
    one = KSparseAutoencoder(20, **params).fit(X)
    other = KSparseAutoencoder(20, **params).fit(factor * X)
    assert_array_equal(other.components_, one.components_)
    assert_array_equal(other.transform(factor * X) / factor, one.transform(X))
    assert other.score(factor * X) == pytest.approx(one.score(X))


def test_the_first_rows_may_be_atoms():
    X = table(300)
    model = KSparseAutoencoder(
        20, 1, init="data", k_init=None, learning_rate=1e-12, max_iter=1, random_state=0
    ).fit(X)
    centered = X - X.mean(axis=0)
    cosine = model.components_ @ (centered / np.linalg.norm(centered, axis=1)[:, np.newaxis]).T
    assert (cosine.max(axis=1) > 0.999).all()
    assert len(np.unique(cosine.argmax(axis=1))) == 20
    assert_allclose(np.linalg.norm(model.components_, axis=1), 1)


def test_constant_rows():
    model = KSparseAutoencoder(8, 2, max_iter=5, random_state=0).fit(np.full((30, 4), 7.0))
    assert_allclose(model.decoder_bias_, 7.0, atol=1e-3)
    assert model.score(np.full((30, 4), 7.0)) > 0.99


def test_codes_of_digits_serve_a_classifier():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.4, stratify=y, random_state=0
    )
    pipeline = make_pipeline(
        KSparseAutoencoder(encode_factor=1.5, sparse_output=True, random_state=0),
        StandardScaler(with_mean=False),
        LogisticRegression(C=10, max_iter=1000),
    )
    raw = LogisticRegression(C=10, max_iter=3000).fit(X / 16, y).score(X_test / 16, y_test)
    accuracy = pipeline.fit(X, y).score(X_test, y_test)
    assert accuracy > 0.974
    assert accuracy > raw
    assert pipeline[0].n_dead_ <= 4
    assert pipeline[0].set_params(encode_factor=1.0).score(X_test) > 0.89


def test_grid_search_by_score_alone():
    search = GridSearchCV(
        KSparseAutoencoder(32, max_iter=5, random_state=0), {"n_nonzero": [1, 4, 8]}, cv=3
    ).fit(table(300, 20))
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"n_nonzero": 8}
    assert scores[0] < scores[1] < scores[2] < 1


def test_callbacks_see_epochs(capsys):
    model = KSparseAutoencoder(8, 2, max_iter=3, random_state=0)
    model.set_callbacks(ProgressBar()).fit(table(100))
    assert "100%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_nonzero": 0}, "n_nonzero.*Got 0"),
        ({"n_nonzero": 9}, r"n_nonzero=9; .* n_components=8"),
        ({"activation": "relu"}, "activation.*Got 'relu'"),
        ({"init": "svd"}, "init.*Got 'svd'"),
        ({"encode_factor": 0.9}, "encode_factor.*Got 0.9"),
        ({"batch_size": 0}, "batch_size.*Got 0"),
        ({"learning_rate": 0.0}, "learning_rate.*Got 0.0"),
        ({"bandwidth": 0.0}, "bandwidth.*Got 0.0"),
        ({"n_nonzero": 4, "k_init": 3}, "k_init=3; .* n_nonzero=4 to n_components=8"),
        ({"n_nonzero": 4, "k_init": 9}, "k_init=9; .* n_nonzero=4 to n_components=8"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        KSparseAutoencoder(8, **params).fit(table(20))
