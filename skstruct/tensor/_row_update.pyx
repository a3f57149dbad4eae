"""Rows of the factors of a tensor of which only entries are given: one pass over sorted entries.

With the other factors fixed, the rows a_i of a factor are independent of each other.  An entry e
of slice i has the value y_e, the weight w_e and z_e, the product of the rows of the other factors:

    G_i = Lambda + alpha sum w_e z_e z_e',   b_i = h_i + alpha sum w_e y_e z_e

and a_i is the solution of G_i a = b_i, or a draw from N(G_i^-1 b_i, G_i^-1), or what minimises the
same parabola over a >= 0.  Entries are sorted by slice, once for each mode.  All factors, and what
goes with them, are padded with zero columns to a multiple of 8, for whole vectors.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

import numpy as np


cdef extern from "entry_rows.h" nogil:
    Py_ssize_t skstruct_packed_size(Py_ssize_t n_panels)
    void skstruct_packed_symv(const double* A, const double* e, Py_ssize_t n_panels, double* y)
    void skstruct_entry_product(const double** factors, const int32_t* index,
                                Py_ssize_t n_factors, Py_ssize_t stride, double* z)
    void skstruct_entry_sums(const double** factors, const int32_t* index, Py_ssize_t n_factors,
                             const double* y, const double* w, Py_ssize_t n, Py_ssize_t n_panels,
                             double* S, double* c, double* work)
    void skstruct_row_system(const double* Lambda, double alpha, const double* S,
                             Py_ssize_t n_panels, double* G)
    int skstruct_row_cholesky(double* G, Py_ssize_t rank, Py_ssize_t stride, double floor)
    void skstruct_row_solve(const double* L, Py_ssize_t rank, Py_ssize_t stride,
                            const double* noise, double* x)
    void skstruct_nonnegative_descent(const double* G, const double* b, Py_ssize_t rank,
                                      Py_ssize_t stride, Py_ssize_t n_passes, double tol,
                                      double* gradient, double* x)


cdef double JITTER = 1e-13  # of the mean diagonal element, where a matrix is singular


cdef void solve(const double* Lambda, double alpha, const double* S, Py_ssize_t n_panels,
                Py_ssize_t rank, const double* noise, double* G, double* x) noexcept nogil:
    """x becomes the solution of (Lambda + alpha S) a = x, or a draw around it."""
    cdef Py_ssize_t stride = 8 * n_panels, k
    cdef double mean = 0, shift = 0
    skstruct_row_system(Lambda, alpha, S, n_panels, G)
    for k in range(rank):
        mean += G[k * stride + k] / rank
    if not mean > 0:  # nothing is known of the row
        for k in range(rank):
            x[k] = 0
        return
    while skstruct_row_cholesky(G, rank, stride, JITTER * mean):
        shift = max(JITTER * mean, 10 * shift)
        skstruct_row_system(Lambda, alpha, S, n_panels, G)
        for k in range(rank):
            G[k * stride + k] += shift
    skstruct_row_solve(G, rank, stride, noise, x)


cdef void descend(const double* Lambda, double alpha, const double* S, Py_ssize_t n_panels,
                  Py_ssize_t rank, Py_ssize_t n_passes, double tol, const double* b, double* G,
                  double* gradient, double* x) noexcept nogil:
    """Lower the parabola of (Lambda + alpha S) and b from x on, with x >= 0."""
    cdef Py_ssize_t stride = 8 * n_panels, i, j
    skstruct_row_system(Lambda, alpha, S, n_panels, G)
    for j in range(rank):
        for i in range(j + 1, rank):
            G[i * stride + j] = G[j * stride + i]
    skstruct_nonnegative_descent(G, b, rank, stride, n_passes, tol, gradient, x)


def row_update(double[:, ::1] out, const int64_t[::1] ptr, const int32_t[:, ::1] index,
               const double[::1] y, const double[::1] weight, list factors, double alpha,
               const double[:, ::1] precision, const double[:, ::1] shift,
               const double[:, ::1] noise, double[::1] explained, Py_ssize_t rank,
               Py_ssize_t start, Py_ssize_t stop, *, Py_ssize_t n_passes=0, double tol=0.01):
    """Put new rows into out[start:stop].

    Row i has the entries ptr[i] .. ptr[i + 1] of index, whose columns name rows of the factors, of
    y and of weight, which may be None.  precision is Lambda; shift holds h_i, or one row for all;
    noise, if not None, a standard normal vector for each row.  With n_passes, rows are nonnegative
    and improved by so many passes of coordinate descent, or until one changes less than `tol`
    times what the first did.  explained[i] becomes what of sum w_e y_e^2 the new row explains:
    the sum less that of w_e (y_e - <z_e, a>)^2.  Threads may be given ranges of their own.
    """
    cdef Py_ssize_t n_factors = len(factors), stride = out.shape[1], n_panels = stride // 8
    cdef Py_ssize_t packed = skstruct_packed_size(n_panels), i, j, k, n
    cdef const double[:, ::1] factor
    cdef double total
    cdef const double* w = NULL
    cdef const double* draw = NULL
    cdef Py_ssize_t[::1] addresses = np.empty(n_factors, np.intp)
    cdef const double** pointers = <const double**> &addresses[0]
    for k in range(n_factors):
        factor = factors[k]
        pointers[k] = &factor[0, 0]
    cdef double[::1] room = np.empty(packed + stride * (stride + 6) + 8)
    cdef double* S = &room[0]
    cdef double* G = S + packed
    cdef double* c = G + stride * stride
    cdef double* b = c + stride
    cdef double* a = b + stride
    cdef double* work = a + stride
    with nogil:
        for i in range(start, stop):
            j = ptr[i]
            n = ptr[i + 1] - j
            if weight is not None:
                w = &weight[j]
            skstruct_entry_sums(pointers, &index[j, 0], n_factors, &y[j], w, n, n_panels, S, c,
                                work)
            memcpy(b, &shift[0 if shift.shape[0] == 1 else i, 0], stride * sizeof(double))
            for k in range(stride):
                b[k] += alpha * c[k]
            if n_passes > 0:
                memcpy(a, &out[i, 0], stride * sizeof(double))
                descend(&precision[0, 0], alpha, S, n_panels, rank, n_passes, tol, b, G, work, a)
            else:
                if noise is not None:
                    draw = &noise[i, 0]
                memcpy(a, b, stride * sizeof(double))
                solve(&precision[0, 0], alpha, S, n_panels, rank, draw, G, a)
            memcpy(&out[i, 0], a, stride * sizeof(double))
            skstruct_packed_symv(S, a, n_panels, work)
            total = 0
            for k in range(rank):
                total += a[k] * (2 * c[k] - work[k])
            explained[i] = total


def entry_values(const int32_t[:, ::1] index, list factors, double[::1] out):
    """out[e] = sum over the columns of the product of the rows that index[e] names."""
    cdef Py_ssize_t n_factors = len(factors), stride = factors[0].shape[1], e, k
    cdef const double[:, ::1] factor
    cdef double total
    cdef double[::1] room = np.empty(stride)
    cdef double* z = &room[0]
    cdef Py_ssize_t[::1] addresses = np.empty(n_factors, np.intp)
    cdef const double** pointers = <const double**> &addresses[0]
    for k in range(n_factors):
        factor = factors[k]
        pointers[k] = &factor[0, 0]
    with nogil:
        for e in range(index.shape[0]):
            skstruct_entry_product(pointers, &index[e, 0], n_factors, stride, z)
            total = 0
            for k in range(stride):
                total += z[k]
            out[e] = total


def sort_entries(const int32_t[:, ::1] index, Py_ssize_t mode, int64_t[::1] ptr,
                 int64_t[::1] order):
    """Counting sort: the entries of slice i of the mode become order[ptr[i] : ptr[i + 1]].

    ptr, of one element more than there are slices, has to be zero.
    """
    cdef Py_ssize_t n = index.shape[0], n_slices = ptr.shape[0] - 1, e, i
    cdef int64_t last = 0, count
    with nogil:
        for e in range(n):
            ptr[index[e, mode]] += 1
        for i in range(n_slices + 1):
            count = ptr[i]
            ptr[i] = last
            last += count
        for e in range(n):
            i = index[e, mode]
            order[ptr[i]] = e
            ptr[i] += 1
        for i in range(n_slices, 0, -1):
            ptr[i] = ptr[i - 1]
        ptr[0] = 0
