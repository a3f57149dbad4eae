"""What the dictionaries have in common, whichever method learnt them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skstruct.decomposition import (
    BatchSparseCoder,
    KSparseAutoencoder,
    MiniBatchSparseDictionary,
    OnlineOrthogonalDictionaryLearning,
    WassersteinCPDictionaryLearning,
)

LEARNERS = {
    "dictionary": MiniBatchSparseDictionary(4, max_iter=2, random_state=0),
    "orthogonal": OnlineOrthogonalDictionaryLearning(4, batch_size=8, random_state=0),
    "autoencoder": KSparseAutoencoder(4, 2, max_iter=2, random_state=0),
    "transport": WassersteinCPDictionaryLearning(4, max_iter=2, random_state=0),
}
STREAMS = [name for name, learner in LEARNERS.items() if hasattr(learner, "partial_fit")]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n_features=6, n_samples=30):
    return np.random.default_rng(0).uniform(size=(n_samples, n_features))


def fitted(name):
    if name == "coder":
        return BatchSparseCoder(np.eye(6)[:4]).fit(table())
    return clone(LEARNERS[name]).fit(table())


@pytest.mark.parametrize("name", ["coder", *LEARNERS])
def test_samples_from_codes(name):
    model = fitted(name)
    codes = model.transform(table())
    expected = model.inverse_transform(codes)
    assert expected.shape == (30, 6)
    for container in (csr_matrix, csr_array):
        assert_allclose(model.inverse_transform(container(codes)), expected, rtol=1e-12)
    single = model.inverse_transform(codes.astype(np.float32))
    assert single.dtype == np.float32
    assert_allclose(single, expected, atol=1e-5)
    with pytest.raises(ValueError, match="X has 3 columns; codes have 4, one for each atom"):
        model.inverse_transform(codes[:, :3])


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_survives_a_fit_that_fails(name):
    """Not even to be taken for what was learnt from data of another width."""
    model = fitted(name)
    wrong = table(3)
    wrong[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(wrong)
    options = {"shape": (2, 2)} if name == "transport" else {}
    weight = {} if name == "transport" else {"sample_weight": -np.ones(30)}
    with pytest.raises(ValueError, match=r"shape=|Negative values"):
        model.set_params(**options).fit(table(3), **weight)
    for method in (model.transform, model.score, model.inverse_transform):
        with pytest.raises(NotFittedError):
            method(table(3))
    if hasattr(model, "partial_fit"):
        # The first chunk of a new stream, which may be of another width.
        model.set_params(n_components=3).partial_fit(table(3))
        assert_array_equal(
            model.components_,
            clone(model).partial_fit(table(3)).components_,
        )


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("coder", "algorithm", "lars"),
        ("coder", "n_nonzero_coefs", -3),
        ("dictionary", "transform_n_nonzero_coefs", -3),
        ("dictionary", "transform_alpha", -1.0),
        ("dictionary", "batch_size", 0),
        ("orthogonal", "transform_algorithm", "omp"),
        ("orthogonal", "batch_size", 0),
        ("autoencoder", "encode_factor", -2.0),
        ("autoencoder", "n_nonzero", -1),
        ("transport", "inner_tol", -1.0),
    ],
)
def test_parameters_are_checked_whenever_they_are_used(name, parameter, value):
    """Those that were set after a fit, too: a stream and new samples go on with them."""
    model = fitted(name).set_params(**{parameter: value})
    methods = {"transform", "score", "partial_fit"} & set(dir(model))
    for method in sorted(methods):
        with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
            getattr(model, method)(table())


def test_transport_is_solved_as_the_parameters_now_say():
    model = fitted("transport")
    coarse = model.set_params(inner_tol=0.5).transform(table())
    fine = model.set_params(inner_tol=1e-6).transform(table())
    assert np.abs(coarse - fine).max() > 1e-3


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_keeps_its_atoms(name):
    model = clone(LEARNERS[name]).partial_fit(table())
    with pytest.raises(ValueError, match="n_components=5; partial_fit continues with the 4 atoms"):
        model.set_params(n_components=5).partial_fit(table())


@pytest.mark.parametrize("name", ["dictionary", "orthogonal"])
@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1e100])
def test_explained_energy_of_any_scale(name, scale):
    model = fitted(name)
    expected = model.score(table())
    assert 0.5 < expected < 1
    assert_allclose(model.score(scale * table()), expected, rtol=1e-9)
    assert model.score(np.zeros((2, 6))) == 1.0


@pytest.mark.parametrize("name", ["coder", "autoencoder"])
def test_sparse_codes_are_of_the_kind_that_is_configured(name):
    model = fitted(name).set_params(sparse_output=True)
    assert isinstance(model.transform(table()), csr_matrix)
    with config_context(sparse_interface="sparray"):
        assert isinstance(model.transform(table()), csr_array)
