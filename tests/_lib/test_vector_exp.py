import numpy as np
import pytest
from skstruct._lib._vector_exp import vector_exp


def exp(x):
    out = np.empty_like(x)
    vector_exp(x, out)
    return out


def test_error_is_below_two_units_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate((rng.uniform(-708, 709.78, 200_003), rng.normal(size=100_001)))
    exact = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(exp(x) - exact) / np.spacing(exact.astype(float))) < 2


def test_ends_of_the_range():
    x = np.array([-np.inf, -1e300, -708.01, -0.0, 0.0, 709.7827, 709.79, 1e300, np.inf])
    expected = [0, 0, 0, 1, 1, np.exp(709.7827), np.inf, np.inf, np.inf]
    np.testing.assert_allclose(exp(x), expected, rtol=1e-15)
    assert np.isnan(exp(np.array([np.nan]))[0])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 31])
def test_remainders_of_the_vector_length_and_in_place(n):
    x = np.linspace(-3, 2, n)
    expected = np.exp(x)
    vector_exp(x, x)
    np.testing.assert_allclose(x, expected, rtol=4e-16)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="out must have 3 elements, got 2"):
        vector_exp(np.zeros(3), np.zeros(2))
