"""The k largest numbers against a stable sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from skstruct._lib._top_k import top_k


def by_sorting(x, k, magnitude=False):
    key = np.abs(x) if magnitude else x
    key = np.where(np.isnan(key), np.inf, key)
    return np.sort(np.argsort(-key, kind="stable")[:k])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("magnitude", [False, True])
@pytest.mark.parametrize("n", [1, 2, 17, 127, 128, 129, 256, 1000, 1023])
def test_is_a_stable_sort(n, magnitude, dtype):
    rng = np.random.default_rng(n)
    ks = sorted({k for k in (1, 2, 16, 31, 32, 33, 64, 100, 250, n // 2, n - 1, n) if 1 <= k <= n})
    for k in ks:
        for x in (
            rng.standard_normal(n),
            rng.integers(-3, 4, n),  # ties
            np.zeros(n),
            np.where(np.arange(n) % 2, 0.0, -0.0),
            np.arange(n),
            -np.arange(n),
            -np.exp(rng.standard_normal(n)),
            np.where(rng.random(n) < 0.02, 5.0, 0.0),  # k are not positive
        ):
            x = x.astype(dtype)
            assert_array_equal(top_k(x, k, magnitude), by_sorting(x, k, magnitude))


@settings(max_examples=200, deadline=None)
@given(
    arrays(
        np.float64,
        st.integers(1, 400),
        elements=st.floats(-2, 2) | st.sampled_from([0.0, 1.0, -1.0, np.inf, -np.inf]),
        fill=st.sampled_from([0.0, 1.0]),
    ),
    st.integers(1, 400),
    st.booleans(),
)
def test_any_numbers(x, k, magnitude):
    k = min(k, len(x))
    assert_array_equal(top_k(x, k, magnitude), by_sorting(x, k, magnitude))


def test_nan_is_larger_than_any_number():
    x = np.random.default_rng(0).standard_normal(300)
    x[[3, 50, 51, 200, 299]] = np.nan
    x[[7, 8]] = np.inf
    assert top_k(x, 2).tolist() == [3, 50]
    assert top_k(x, 5).tolist() == [3, 50, 51, 200, 299]
    assert top_k(x, 6).tolist() == [3, 7, 50, 51, 200, 299]
    assert_array_equal(top_k(x, 20), by_sorting(x, 20))
    assert top_k(x, 300).tolist() == list(range(300))
    assert top_k(np.full(300, np.nan), 40).tolist() == list(range(40))


def test_k_must_fit():
    for k in (0, 4):
        with pytest.raises(ValueError, match=rf"k={k} is not in \[1, 3\]"):
            top_k(np.zeros(3), k)
