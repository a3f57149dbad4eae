"""What alternating least squares does besides matrix products.

component_sums     a tensor with one index for the components, summed over modes with a factor each
entry_sums         the same from the entries of a sparse tensor
nonnegative_rows   rows of a factor that stay nonnegative, by coordinate descent
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t

import numpy as np


cdef extern from "component_sums.h" nogil:
    void skstruct_component_sums_float(const float* T, const double* left, const double* right,
                                       Py_ssize_t n, Py_ssize_t size, Py_ssize_t m, Py_ssize_t R,
                                       double* room, double* out)
    void skstruct_component_sums_double(const double* T, const double* left, const double* right,
                                        Py_ssize_t n, Py_ssize_t size, Py_ssize_t m, Py_ssize_t R,
                                        double* room, double* out)


cdef extern from "entry_rows.h" nogil:
    void skstruct_entry_product(const double** factors, const int32_t* index,
                                Py_ssize_t n_factors, Py_ssize_t stride, double* z)
    void skstruct_nonnegative_descent(const double* G, const double* b, Py_ssize_t rank,
                                      Py_ssize_t stride, Py_ssize_t n_passes, double tol,
                                      double* gradient, double* x)


def component_sums(const floating[:, :, :, ::1] T, const double[:, ::1] left,
                   const double[:, ::1] right, double[:, ::1] out):
    """out[i, r] += sum_l left[l, r] sum_q T[l, i, q, r] right[q, r]"""
    cdef Py_ssize_t n = T.shape[0], size = T.shape[1], m = T.shape[2], R = T.shape[3]
    cdef double[::1] room = np.empty(R)
    with nogil:
        if floating is float:
            skstruct_component_sums_float(&T[0, 0, 0, 0], &left[0, 0], &right[0, 0], n, size,
                                          m, R, &room[0], &out[0, 0])
        else:
            skstruct_component_sums_double(&T[0, 0, 0, 0], &left[0, 0], &right[0, 0], n, size,
                                           m, R, &room[0], &out[0, 0])


def entry_sums(const int64_t[::1] ptr, const int32_t[:, ::1] index, const double[::1] y,
               list factors, double[:, ::1] out):
    """out[i] = sum of y_e z_e over the entries of slice i, z_e the product of the rows named."""
    cdef Py_ssize_t n_factors = len(factors), R = out.shape[1], i, e, k
    cdef const double[:, ::1] factor
    cdef Py_ssize_t[::1] addresses = np.empty(n_factors, np.intp)
    cdef const double** pointers = <const double**> &addresses[0]
    for k in range(n_factors):
        factor = factors[k]
        pointers[k] = &factor[0, 0]
    cdef double[::1] z = np.empty(R)
    with nogil:
        for i in range(out.shape[0]):
            for k in range(R):
                out[i, k] = 0
            for e in range(ptr[i], ptr[i + 1]):
                skstruct_entry_product(pointers, &index[e, 0], n_factors, R, &z[0])
                for k in range(R):
                    out[i, k] += y[e] * z[k]


def nonnegative_rows(const double[:, ::1] G, const double[:, ::1] M, double[:, ::1] A,
                     Py_ssize_t n_passes, double tol):
    """Lower a'G a / 2 - <m, a> for each row a >= 0 of A and m of M, from where it is."""
    cdef Py_ssize_t R = A.shape[1], i
    cdef double[::1] gradient = np.empty(R)
    with nogil:
        for i in range(A.shape[0]):
            skstruct_nonnegative_descent(&G[0, 0], &M[i, 0], R, R, n_passes, tol, &gradient[0],
                                         &A[i, 0])
