"""The selection of top_k.h for Python, which is how the tests reach it."""

from cython cimport floating
from libc.stdint cimport int32_t

import numpy as np


cdef extern from "top_k.h" nogil:
    void skstruct_top_k_float(const float* x, Py_ssize_t n, Py_ssize_t k, float* work,
                              int32_t* index)
    void skstruct_top_k_double(const double* x, Py_ssize_t n, Py_ssize_t k, double* work,
                               int32_t* index)
    void skstruct_top_k_magnitude_float(const float* x, Py_ssize_t n, Py_ssize_t k, float* work,
                                        int32_t* index)
    void skstruct_top_k_magnitude_double(const double* x, Py_ssize_t n, Py_ssize_t k,
                                         double* work, int32_t* index)


def top_k(const floating[::1] x, Py_ssize_t k, bint magnitude=False):
    """Return where the k largest elements of x are, in ascending order."""
    cdef Py_ssize_t n = x.shape[0]
    if not 1 <= k <= n:
        raise ValueError(f"k={k} is not in [1, {n}].")
    dtype = np.float32 if floating is float else np.float64
    cdef floating[::1] work = np.empty(2 * n, dtype=dtype)
    cdef int32_t[::1] index = np.empty(n, dtype=np.int32)
    with nogil:
        if floating is float:
            if magnitude:
                skstruct_top_k_magnitude_float(&x[0], n, k, &work[0], &index[0])
            else:
                skstruct_top_k_float(&x[0], n, k, &work[0], &index[0])
        else:
            if magnitude:
                skstruct_top_k_magnitude_double(&x[0], n, k, &work[0], &index[0])
            else:
                skstruct_top_k_double(&x[0], n, k, &work[0], &index[0])
    return np.asarray(index[:k])
