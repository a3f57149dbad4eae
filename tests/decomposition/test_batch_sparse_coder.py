"""BatchSparseCoder: the function as a transformer, with and without a dictionary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, issparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import SparseCoder
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skstruct.decomposition import BatchSparseCoder, batch_sparse_encode

ALGORITHMS = {
    "omp": {"n_nonzero_coefs": 3},
    "ols": {"tol": 0.5},
    "lasso_cd": {"alpha": 0.3},
    "topk": {"n_nonzero_coefs": 3},
    "hard": {"alpha": 0.7},
    "soft": {"alpha": 0.7},
}


def problem(dtype=np.float64, n_samples=40, n_components=25, n_features=15):
    rng = np.random.default_rng(0)
    dictionary = rng.standard_normal((n_components, n_features))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    return rng.standard_normal((n_samples, n_features)).astype(dtype), dictionary


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_the_function(algorithm, dtype):
    X, dictionary = problem(dtype)
    options = {"algorithm": algorithm, **ALGORITHMS[algorithm]}
    expected = batch_sparse_encode(X, dictionary.astype(dtype), **options)
    coder = BatchSparseCoder(dictionary, **options)
    code = coder.transform(X)  # without fit
    assert 0 < np.count_nonzero(code) < code.size
    assert_array_equal(code, expected)
    assert_array_equal(clone(coder).fit_transform(X), expected)
    assert code.dtype == coder.inverse_transform(code).dtype == dtype


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_output_and_input(algorithm, dtype):
    X, dictionary = problem(dtype)
    X[:, ::2] = 0.0
    coder = BatchSparseCoder(dictionary, algorithm=algorithm, **ALGORITHMS[algorithm]).fit(X)
    dense = coder.transform(X)
    code = coder.set_params(sparse_output=True).transform(X)
    assert issparse(code)
    assert code.format == "csr"
    assert code.dtype == dtype
    assert code.has_canonical_format
    assert (code.data != 0).all()
    assert_array_equal(code.toarray(), dense)
    assert_allclose(coder.inverse_transform(code), coder.inverse_transform(dense), atol=1e-5)
    coder.set_params(sparse_output=False)
    assert_array_equal(coder.fit(csr_array(X)).transform(csr_array(X)), dense)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"algorithm": "omp", "n_nonzero_coefs": 4}, {"transform_algorithm": "omp"}),
        ({"algorithm": "lasso_cd", "alpha": 0.2}, {"transform_algorithm": "lasso_lars"}),
        ({"algorithm": "soft", "alpha": 0.2}, {"transform_algorithm": "threshold"}),
    ],
)
def test_is_that_of_scikit_learn(ours, theirs):
    X, dictionary = problem()
    peer = SparseCoder(dictionary, transform_n_nonzero_coefs=4, transform_alpha=0.2, **theirs).fit(
        X
    )
    assert_allclose(
        BatchSparseCoder(dictionary, **ours).transform(X), peer.transform(X), atol=1e-6
    )


@pytest.mark.parametrize("n_features", [1, 2, 7, 64])
def test_cosines_by_default(n_features):
    i = np.arange(n_features)
    atoms = np.sqrt(2 / n_features) * np.cos(np.pi * np.outer(i, 2 * i + 1) / (2 * n_features))
    atoms[0] /= np.sqrt(2)
    X = np.random.default_rng(0).standard_normal((20, n_features))
    for algorithm in ("omp", "topk"):
        coder = BatchSparseCoder(algorithm=algorithm, n_nonzero_coefs=n_features)
        assert_allclose(coder.fit_transform(X), X @ atoms.T, atol=1e-12)
        assert_allclose(coder.inverse_transform(coder.transform(X)), X, atol=1e-12)
    assert list(coder.get_feature_names_out()) == [f"batchsparsecoder{j}" for j in i]


def test_names_need_no_fit_where_there_is_a_dictionary():
    _, dictionary = problem()
    assert len(BatchSparseCoder(dictionary).get_feature_names_out()) == 25


def test_in_a_grid_search():
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(
        BatchSparseCoder(sparse_output=True), LogisticRegression(max_iter=1000)
    )
    # More atoms than there are is all of them.
    grid = {"batchsparsecoder__n_nonzero_coefs": [2, 10, 1000]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X[:600] / 16.0, y[:600])
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] + 0.05 < scores[1]
    assert scores[2] > 0.85


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"algorithm": "lars"}, "algorithm"),
        ({"n_nonzero_coefs": 0}, "n_nonzero_coefs"),
        ({"alpha": -1.0}, "alpha"),
        ({"tol": -1.0}, "tol"),
        ({"positive": True}, "positive=True with algorithm='omp'"),
        ({"dictionary": np.ones((3, 14))}, "X has 15 features, but the atoms .* have 14"),
        ({"dictionary": [[np.nan] * 15]}, "NaN"),
    ],
)
def test_errors(params, message):
    with pytest.raises(ValueError, match=message):
        BatchSparseCoder(**params).fit(problem()[0])
