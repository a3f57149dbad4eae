"""Blocks of rows in threads, and the limit on the BLAS around them."""

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from skstruct._lib.row_blocks import for_row_blocks, one_blas_thread


def blas_threads():
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3])
@pytest.mark.parametrize("n_rows", [1, 64, 65, 1000])
def test_every_row_once_in_blocks(n_rows, n_jobs):
    seen = np.zeros(n_rows, dtype=int)
    starts, limits = [], []

    def visit(rows):
        seen[rows] += 1
        starts.append(rows.start)
        limits.append(blas_threads())

    for_row_blocks(visit, n_rows, n_jobs)
    assert_array_equal(seen, 1)
    assert all(start % 64 == 0 for start in starts)
    assert limits == [{1}] * len(starts)
    if n_jobs == 3 and n_rows == 1000:
        assert len(starts) == 12


def test_an_error_passes_and_lifts_the_limit():
    def fail(rows):
        raise RuntimeError("no")

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(RuntimeError, match="no"):
            for_row_blocks(fail, 10)
        assert blas_threads() == {2}


def test_limits_may_overlap():
    """As those of two threads do; the second must not take the limit for what was before."""
    with threadpool_limits(2, user_api="blas"):
        one, other = one_blas_thread(), one_blas_thread()
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        assert blas_threads() == {1}
        other.__exit__(None, None, None)
        assert blas_threads() == {2}


def test_threads_whatever_backend_is_set_around():
    """Processes would write into copies."""
    seen = np.zeros(300, dtype=int)

    def visit(rows):
        seen[rows] += 1

    with parallel_config(backend="loky", n_jobs=2):
        for_row_blocks(visit, 300)
    assert_array_equal(seen, 1)
