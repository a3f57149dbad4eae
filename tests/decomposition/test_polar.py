"""The polar factor against the singular value decomposition, through each of its three routes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose
from scipy.stats import ortho_group
from skstruct.decomposition._polar import polar_factor


def with_singular_values(s, d, seed=0):
    """Return a matrix of these singular values, and its polar factor."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((len(s), len(s))))[0]
    V = np.linalg.qr(rng.standard_normal((d, len(s))))[0]
    return (U * s) @ V.T, U @ V.T


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (7, 9), (40, 64), (64, 64), (20, 90)])
@pytest.mark.parametrize(
    ("smallest", "error"),
    [(1.0, 1e-14), (0.5, 1e-14), (0.2, 1e-13), (1e-2, 1e-11), (1e-4, 1e-8), (1e-7, 1e-7)],
)
def test_is_that_of_the_singular_vectors(shape, smallest, error):
    k, d = shape
    G, expected = with_singular_values(np.geomspace(1, smallest, k) if k > 1 else [smallest], d)
    for scale in (1.0, 1e-30, 1e30):
        S = polar_factor(scale * G)
        assert_allclose(S, expected, atol=error)
        assert_allclose(S @ S.T, np.eye(k), atol=1e-11)


def test_spectra_that_defeat_a_guess():
    """Newton and Schulz are started by a guess at the spectrum, which these belie."""
    for s in (
        [1.0] * 63 + [1e-9],
        [1.0] * 63 + [0.0],
        [4.0] + [1.0] * 63,
        [50.0] + [1.0] * 63,
        [1.0] * 32 + [0.05] * 32,
        [1.7] * 2 + [1.0] * 62,
    ):
        G, _ = with_singular_values(np.array(s), 64)
        S = polar_factor(G)
        assert_allclose(S @ S.T, np.eye(64), atol=1e-11)
        assert_allclose(np.vdot(G, S), np.sum(s), rtol=1e-13)


@settings(max_examples=150, deadline=None)
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(-1e8, 1e8) | st.sampled_from([0.0, 1.0, -1.0, 1e-8]),
    )
)
def test_any_matrix_is_maximised(G):
    G = G if G.shape[0] <= G.shape[1] else np.ascontiguousarray(G.T)
    S = polar_factor(G)
    assert_allclose(S @ S.T, np.eye(len(G)), atol=1e-11)
    nuclear = np.linalg.svd(G, compute_uv=False).sum()
    assert_allclose(np.vdot(G, S), nuclear, rtol=1e-9, atol=1e-300)


def test_what_is_orthonormal_stays():
    G = ortho_group.rvs(50, random_state=0)
    assert (polar_factor(G) == G).all()
    assert (polar_factor(polar_factor(G + 0.3)) == polar_factor(G + 0.3)).all()


def test_more_rows_than_columns():
    with pytest.raises(ValueError, match="G has 3 rows and 2 columns; it must not have more rows"):
        polar_factor(np.ones((3, 2)))
