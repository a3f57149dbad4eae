"""MiniBatchSparseDictionary against the method in plain NumPy, and against scikit-learn."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits, load_sample_image, make_sparse_coded_signal
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d, reconstruct_from_patches_2d
from skstruct.decomposition._mini_batch_sparse_dictionary_fast import accumulate, update_atoms

from skstruct.decomposition import (
    MiniBatchSparseDictionary,
    batch_sparse_encode,
)


def signals(n_samples=1000, n_components=20, n_features=12, seed=0):
    X, dictionary, _ = make_sparse_coded_signal(
        n_samples=n_samples,
        n_components=n_components,
        n_features=n_features,
        n_nonzero_coefs=2,
        random_state=seed,
    )
    return np.ascontiguousarray(X), dictionary


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def statistics(n_components, n_features, seed=0):
    rng = np.random.default_rng(seed)
    atoms = unit(rng.standard_normal((n_components, n_features)))
    code = rng.standard_normal((60, n_components)) * (rng.random((60, n_components)) < 0.3)
    code[:, ::5] = 0.0
    return atoms, code.T @ code, code.T @ rng.standard_normal((60, n_features))


def one_pass_over_the_atoms(atoms, A, B, least=0.0, positive=False):
    atoms = atoms.copy()
    for j in np.flatnonzero(np.diagonal(A) > least):
        u = atoms[j] + (B[j] - A[j] @ atoms) / A[j, j]
        if positive:
            u = np.maximum(u, 0.0)
        atoms[j] = u / np.linalg.norm(u)
    return atoms


def passes_of_fit(X, atoms, alpha, batch_size, n_passes, weight):
    """The method with the lasso of scikit-learn and dense products."""
    n_components = len(atoms)
    A, B = np.zeros((n_components, n_components)), np.zeros((n_components, X.shape[1]))
    starts = range(0, len(X), batch_size)
    for t, start in enumerate([*starts] * n_passes, 1):
        x, w = X[start : start + batch_size], weight[start : start + batch_size]
        code = sparse_encode(x, atoms, algorithm="lasso_lars", alpha=alpha)
        keep = (1 - 1 / t) ** 3
        A = keep * A + (code.T * w) @ code
        B = keep * B + (code.T * w) @ x
        assert np.diagonal(A).min() > 0
        atoms = one_pass_over_the_atoms(atoms, A, B)
    return atoms


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(
    ("n_components", "n_features"), [(1, 1), (5, 3), (16, 9), (17, 4), (50, 33)]
)
def test_pass_over_the_atoms(n_components, n_features, positive):
    before, A, B = statistics(n_components, n_features)
    B += 0.5 * positive * A.sum(axis=1, keepdims=True)  # some of each atom is positive
    atoms = before.copy()
    square = update_atoms(atoms, A, B, 0.0, positive)
    assert_allclose(atoms, one_pass_over_the_atoms(before, A, B, 0.0, positive), atol=1e-13)
    assert_array_equal(atoms[::5], before[::5])  # no code uses these
    assert_allclose(square, ((atoms - before) ** 2).sum(), rtol=1e-12)


def test_pass_over_the_atoms_never_raises_the_cost_of_the_past():
    atoms, A, B = statistics(40, 25)
    costs = []
    for _ in range(20):
        costs.append(np.trace(atoms.T @ A @ atoms) / 2 - np.trace(B @ atoms.T))
        update_atoms(atoms, A, B, 0.0, False)
    assert (np.diff(costs) < 0).all()


def test_an_atom_without_a_direction_stays():
    atoms = np.array([[0.6, 0.8]])
    assert update_atoms(atoms, np.eye(1), -np.ones((1, 2)), 0.0, True) == 0.0
    assert_array_equal(atoms, [[0.6, 0.8]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_statistics(dtype):
    rng = np.random.default_rng(0)
    code = (rng.standard_normal((30, 9)) * (rng.random((30, 9)) < 0.3)).astype(dtype)
    X, weight = rng.standard_normal((30, 5)).astype(dtype), rng.random(30)
    A, B = rng.standard_normal((9, 9)), rng.standard_normal((9, 5))
    weighted = code.T * weight
    expected = 0.7 * A + weighted @ code, 0.7 * B + weighted @ X.astype(np.float64)
    accumulate(code, X, weight, 0.7, A, B)
    assert_allclose(A, expected[0], atol=1e-13)
    assert_allclose(B, expected[1], atol=1e-13)


@pytest.mark.parametrize(("batch_size", "n_passes"), [(20, 1), (64, 5), (300, 4)])
def test_is_the_method(batch_size, n_passes):
    X, dictionary = signals(300, n_components=10)
    start = unit(dictionary + 0.3 * np.random.default_rng(0).standard_normal(dictionary.shape))
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    learner = MiniBatchSparseDictionary(
        alpha=0.05, batch_size=batch_size, max_iter=n_passes, tol=0, dict_init=start, shuffle=False
    ).fit(X, sample_weight=weight)
    expected = passes_of_fit(X, start, 0.05, batch_size, n_passes, weight)
    assert np.abs(expected - start).max() > 0.1
    assert_allclose(learner.components_, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("params", "n_found"),
    [({"alpha": 0.3}, 53), ({"fit_algorithm": "omp", "transform_n_nonzero_coefs": 2}, 45)],
)
def test_finds_the_atoms_of_the_signals(params, n_found):
    # From most starts a few atoms come twice and as many are missing; scikit-learn finds 6 of 20.
    params = {"batch_size": 100, "max_iter": 20, "tol": 0, "random_state": 0} | params
    found = 0
    for seed in range(3):
        X, dictionary = signals(4000, n_components=20, n_features=20, seed=seed)
        atoms = MiniBatchSparseDictionary(**params).fit(X).components_
        found += (np.abs(atoms @ dictionary.T).max(axis=0) > 0.99).sum()
    assert found >= n_found


def test_objective_is_as_low_as_that_of_scikit_learn():
    X = load_digits().data[:1000] / 16.0
    X -= X.mean(axis=0)
    alpha = 0.5

    def objective(atoms):
        code = batch_sparse_encode(X, atoms, algorithm="lasso_cd", alpha=alpha)
        rest = X - code @ atoms
        return (0.5 * (rest**2).sum() + alpha * np.abs(code).sum()) / len(X)

    params = {"alpha": alpha, "batch_size": 50, "max_iter": 5, "tol": 0, "random_state": 0}
    ours = MiniBatchSparseDictionary(40, **params).fit(X)
    theirs = MiniBatchDictionaryLearning(
        40, fit_algorithm="cd", max_no_improvement=None, **params
    ).fit(X)
    assert ours.n_steps_ == theirs.n_steps_ == 100
    assert objective(ours.components_) < 1.005 * objective(unit(theirs.components_))


def test_denoises_a_photograph():
    image = load_sample_image("flower.jpg")[:426].mean(axis=2) / 255.0
    image = image.reshape(213, 2, 320, 2).mean(axis=(1, 3))
    noisy = image + 0.1 * np.random.RandomState(0).standard_normal(image.shape)
    X = extract_patches_2d(noisy, (8, 8)).reshape(-1, 64).astype(np.float32)
    mean = X.mean(axis=1, keepdims=True)
    learner = MiniBatchSparseDictionary(
        100, alpha=0.3, transform_tol=64 * (1.15 * 0.1) ** 2, random_state=0
    )
    code = learner.fit_transform(X - mean)
    patches = (learner.inverse_transform(code) + mean).reshape(-1, 8, 8)
    error = ((reconstruct_from_patches_2d(patches, image.shape) - image) ** 2).mean()
    assert learner.n_iter_ <= 2
    assert -10.0 * np.log10(error) > 31.2  # a dictionary of cosines: 30.7


@pytest.mark.parametrize("cuts", [[256], [64, 320, 448], range(64, 500, 64)])
def test_stream_is_one_pass_of_fit(cuts):
    X, _ = signals(500, n_components=30)
    params = {"n_components": 30, "alpha": 0.1, "batch_size": 64, "random_state": 3}
    once = MiniBatchSparseDictionary(max_iter=1, tol=0, shuffle=False, **params).fit(X)
    stream = MiniBatchSparseDictionary(**params)
    for chunk in np.split(X, cuts):
        stream = pickle.loads(pickle.dumps(stream.partial_fit(chunk)))
    assert stream.n_steps_ == once.n_steps_ == 8
    assert_array_equal(stream.components_, once.components_)


def test_stream_of_single_samples():
    X, dictionary = signals(1500, n_components=6)
    learner = MiniBatchSparseDictionary(6, alpha=0.3, random_state=0)
    for x in X:
        learner.partial_fit(x[np.newaxis])
    assert np.abs(learner.components_ @ dictionary.T).max(axis=0).min() > 0.99


def test_weights_are_repetitions_in_any_order():
    X, _ = signals(400)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, 400)
    learner = MiniBatchSparseDictionary(alpha=0.1, batch_size=50, max_iter=3, random_state=0)
    weighted = learner.fit(X, sample_weight=weight).components_
    repeated = learner.fit(rng.permutation(np.repeat(X, weight, axis=0))).components_
    assert_array_equal(weighted, repeated)
    assert np.abs(learner.fit(X).components_ - weighted).max() > 1e-3


def test_only_ratios_of_weights_count():
    X, _ = signals(400)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 400)
    learner = MiniBatchSparseDictionary(alpha=0.1, max_iter=2, random_state=0)
    once = learner.fit(X, sample_weight=weight).components_
    assert_allclose(learner.fit(X, sample_weight=1e-6 * weight).components_, once, atol=1e-9)


def test_atoms_turn_with_the_sign_of_nothing_but_the_data():
    X, _ = signals(400)
    learner = MiniBatchSparseDictionary(alpha=0.1, max_iter=2, shuffle=False, random_state=0)
    atoms = learner.fit(X).components_
    assert_array_equal(learner.fit(-X).components_, -atoms)


def test_units_of_the_data():
    X, _ = signals(400)
    learner = MiniBatchSparseDictionary(alpha=0.1, max_iter=2, shuffle=False, random_state=0)
    atoms = learner.fit(X).components_
    for scale in (2.0**-40, 2.0**40):
        learner.set_params(alpha=0.1 * scale)
        assert_allclose(learner.fit(scale * X).components_, atoms, atol=1e-12)


def test_float32():
    X, _ = signals(600)
    params = {"alpha": 0.1, "max_iter": 2, "tol": 0, "random_state": 0}
    double = MiniBatchSparseDictionary(**params).fit(X.astype(np.float32).astype(np.float64))
    single = MiniBatchSparseDictionary(**params).fit(X.astype(np.float32))
    assert single.components_.dtype == single.transform(X.astype(np.float32)).dtype == np.float32
    assert single.inverse_transform(single.transform(X.astype(np.float32))).dtype == np.float32
    assert_allclose(single.components_, double.components_, atol=1e-4)
    assert single.transform(X).dtype == np.float64
    single.partial_fit(X)
    assert single.components_.dtype == np.float32


def test_no_negative_entries():
    X = load_digits().data[:500]
    learner = MiniBatchSparseDictionary(
        16,
        transform_algorithm="lasso_cd",
        positive_code=True,
        positive_dict=True,
        random_state=0,
    ).fit(X)
    code = learner.transform(X)
    assert learner.components_.min() == 0.0
    assert code.min() == 0.0
    assert_allclose(np.linalg.norm(learner.components_, axis=1), 1.0)
    assert learner.score(X) > 0.8


def test_atoms_that_no_sample_uses_are_replaced_by_samples():
    X, _ = signals(200)
    X = np.hstack((X, np.zeros((200, 2))))
    start = np.zeros((3, 14))
    start[:2, 12:] = np.eye(2)  # orthogonal to every sample; the third is not even an atom
    learner = MiniBatchSparseDictionary(
        alpha=0.1, batch_size=200, dict_init=start, max_iter=1, random_state=0
    ).fit(X)
    assert_allclose(learner.components_[:2, 12:], 0.0)
    assert (np.abs(learner.components_ @ unit(X).T).max(axis=1)[:2] > 1 - 1e-12).all()
    assert_allclose(np.linalg.norm(learner.components_, axis=1), 1.0)


def test_more_atoms_than_samples():
    X, _ = signals(5)
    learner = MiniBatchSparseDictionary(8, random_state=0).fit(X)
    assert_allclose(np.linalg.norm(learner.components_, axis=1), 1.0)
    assert_array_equal(np.abs(learner.components_ @ unit(X).T).max(axis=1) > 0.9, True)
    assert (np.count_nonzero(learner.transform(X), axis=1) <= 1).all()
    learner.partial_fit(signals(100, seed=1)[0])
    assert len(np.unique(learner.components_.round(6), axis=0)) == 8


def test_nothing_to_learn():
    learner = MiniBatchSparseDictionary().fit(np.zeros((10, 3)))
    assert_array_equal(learner.components_, np.zeros((3, 3)))
    assert_array_equal(learner.transform(np.ones((2, 3))), np.zeros((2, 3)))
    assert learner.score(np.zeros((10, 3))) == 1.0


def test_passes_and_steps():
    X, _ = signals(1100)
    params = {"alpha": 0.3, "batch_size": 100, "random_state": 0}
    for tol, n_passes, n_steps in ((0, 4, 44), (1e6, 2, 12)):
        learner = MiniBatchSparseDictionary(max_iter=4, tol=tol, **params).fit(X)
        assert (learner.n_iter_, learner.n_steps_) == (n_passes, n_steps)
    slow, fast = (
        MiniBatchSparseDictionary(max_iter=30, tol=tol, **params).fit(X).n_steps_
        for tol in (1e-3, 3e-3)
    )
    assert fast < slow < 330


@pytest.mark.parametrize("algorithm", ["omp", "ols", "lasso_cd", "topk", "hard", "soft"])
def test_transform_is_batch_sparse_encode(algorithm):
    X, _ = signals()
    learner = MiniBatchSparseDictionary(
        alpha=0.2, max_iter=1, transform_algorithm=algorithm, transform_n_nonzero_coefs=3
    ).fit(X)
    for transform_alpha, alpha in ((None, 0.2), (0.1, 0.1)):
        expected = batch_sparse_encode(
            X, learner.components_, algorithm=algorithm, n_nonzero_coefs=3, alpha=alpha
        )
        learner.set_params(transform_alpha=transform_alpha)
        assert_array_equal(learner.transform(X), expected)


def test_transform_stops_at_an_error():
    X, _ = signals()
    learner = MiniBatchSparseDictionary(20, transform_tol=0.05, random_state=0).fit(X)
    code = learner.transform(X)
    error = ((X - learner.inverse_transform(code)) ** 2).sum(axis=1)
    assert error.max() <= 0.05
    assert len(set((code != 0).sum(axis=1))) > 2
    assert learner.score(X) == pytest.approx(1 - error.sum() / (X**2).sum(), rel=1e-12)


def test_memory_does_not_hold_codes():
    X = np.random.default_rng(0).standard_normal((20_000, 8))
    learner = MiniBatchSparseDictionary(200, alpha=0.5, max_iter=2, tol=0, random_state=0)
    tracemalloc.start()
    learner.fit(X)
    learner.score(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    codes = X.shape[0] * 200 * X.itemsize
    assert peak < codes / 2


def test_progress(capsys):
    X, _ = signals(300)
    MiniBatchSparseDictionary(max_iter=2, tol=0).set_callbacks(ProgressBar()).fit(X)
    assert "100%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dict_init": np.ones((3, 4))}, r"dict_init has shape \(3, 4\)"),
        ({"n_components": 5, "dict_init": np.ones((3, 12))}, r"here \(5, 12\)"),
        ({"positive_code": True}, "positive_code=True"),
        (
            {"positive_code": True, "transform_algorithm": "soft", "fit_algorithm": "omp"},
            "fit_algorithm='omp'",
        ),
        ({"transform_algorithm": "lars"}, "transform_algorithm"),
        ({"transform_tol": -1.0}, "transform_tol"),
        ({"max_iter": 0}, "max_iter"),
    ],
)
def test_errors(params, message):
    X, _ = signals(50)
    with pytest.raises(ValueError, match=message):
        MiniBatchSparseDictionary(**params).fit(X)


def test_samples_without_weight():
    X, _ = signals(50)
    weight = np.arange(50) % 2
    learner = MiniBatchSparseDictionary(4, shuffle=False, random_state=0)
    atoms = learner.fit(X, sample_weight=weight).components_
    assert_array_equal(learner.fit(X[1::2]).components_, atoms)
    with pytest.raises(ValueError, match="at least one non-zero"):
        learner.fit(X, sample_weight=np.zeros(50))
