"""Steps of Adam on a sparse autoencoder, and its codes: one call for many batches.

A batch is gathered from the table, standardised, and multiplied by W in one gemm.  What follows
touches the kept units alone.  The codes of a batch are then turned from rows to units, so that
the gradient of an atom is summed in cache and spent at once by Adam: no gradient of the size of W
is ever stored, and W and its moments are passed over once per batch.
"""

from cython cimport floating
from libc.math cimport exp, fabs, pow, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport dgemm, sgemm

import numpy as np


cdef extern from "top_k.h" nogil:
    void skstruct_top_k_float(const float* x, Py_ssize_t n, Py_ssize_t k, float* work,
                              int32_t* index)
    void skstruct_top_k_double(const double* x, Py_ssize_t n, Py_ssize_t k, double* work,
                               int32_t* index)


cdef extern from "few_rows.h" nogil:
    void skstruct_add_rows_float(const float* M, Py_ssize_t n_columns, const int32_t* rows,
                                 const float* coef, Py_ssize_t n_rows, float* out)
    void skstruct_add_rows_double(const double* M, Py_ssize_t n_columns, const int32_t* rows,
                                  const double* coef, Py_ssize_t n_rows, double* out)
    void skstruct_dot_rows_float(const float* M, Py_ssize_t n_columns, const int32_t* rows,
                                 Py_ssize_t n_rows, const float* x, float* out)
    void skstruct_dot_rows_double(const double* M, Py_ssize_t n_columns, const int32_t* rows,
                                  Py_ssize_t n_rows, const double* x, double* out)


cdef extern from "adam.h" nogil:
    void skstruct_adam_float(float* w, float* m, float* v, const float* gradient, Py_ssize_t n,
                             float scale, float rate, float root)
    void skstruct_adam_double(double* w, double* m, double* v, const double* gradient,
                              Py_ssize_t n, double scale, double rate, double root)


cdef enum:
    BLOCK = 64             # rows that one gemm encodes


cdef inline void top_k(const floating* z, Py_ssize_t n, Py_ssize_t k, floating* work,
                       int32_t* index) noexcept nogil:
    if floating is float:
        skstruct_top_k_float(z, n, k, work, index)
    else:
        skstruct_top_k_double(z, n, k, work, index)


cdef inline void add_rows(const floating* M, Py_ssize_t n_columns, const int32_t* rows,
                          const floating* coef, Py_ssize_t n_rows, floating* out) noexcept nogil:
    if floating is float:
        skstruct_add_rows_float(M, n_columns, rows, coef, n_rows, out)
    else:
        skstruct_add_rows_double(M, n_columns, rows, coef, n_rows, out)


cdef inline void dot_rows(const floating* M, Py_ssize_t n_columns, const int32_t* rows,
                          Py_ssize_t n_rows, const floating* x, floating* out) noexcept nogil:
    if floating is float:
        skstruct_dot_rows_float(M, n_columns, rows, n_rows, x, out)
    else:
        skstruct_dot_rows_double(M, n_columns, rows, n_rows, x, out)


cdef inline void adam(floating* w, floating* m, floating* v, const floating* gradient,
                      Py_ssize_t n, double scale, double rate, double root) noexcept nogil:
    if floating is float:
        skstruct_adam_float(w, m, v, gradient, n, <float> scale, <float> rate, <float> root)
    else:
        skstruct_adam_double(w, m, v, gradient, n, scale, rate, root)


cdef void standardize(const floating* x, const double* center, double scale, const floating* c,
                      Py_ssize_t n_features, floating* e) noexcept nogil:
    """e = (x - center) / scale - c"""
    cdef Py_ssize_t j
    for j in range(n_features):
        e[j] = <floating> ((x[j] - center[j]) / scale) - c[j]


cdef void preactivate(const floating* E, const floating* W, const floating* b, Py_ssize_t n_rows,
                      Py_ssize_t n_units, Py_ssize_t n_features, floating* Z) noexcept nogil:
    """Z = E W' + b, row by row"""
    cdef int n = <int> n_rows, h = <int> n_units, d = <int> n_features
    cdef floating one = 1
    cdef Py_ssize_t i
    for i in range(n_rows):
        memcpy(Z + i * n_units, b, n_units * sizeof(floating))
    if floating is float:
        sgemm("T", "N", &h, &n, &d, &one, <float*> W, &d, <float*> E, &d, &one, Z, &h)
    else:
        dgemm("T", "N", &h, &n, &d, &one, <double*> W, &d, <double*> E, &d, &one, Z, &h)


cdef Py_ssize_t select(const floating* z, const floating* bound, Py_ssize_t n_units, Py_ssize_t k,
                       floating* work, int32_t* index) noexcept nogil:
    """Put the k units of largest z, or if k = 0 those above their bounds, into index."""
    cdef Py_ssize_t n = 0, u
    if k > 0:
        top_k(z, n_units, k, work, index)
        return k
    for u in range(n_units):
        index[n] = <int32_t> u
        n += z[u] > bound[u]
    return n


cdef Py_ssize_t keep_active(const floating* z, const floating* theta, double bandwidth,
                            Py_ssize_t n, int32_t* index, floating* code, floating* back,
                            floating* slope, floating* near) noexcept nogil:
    """Sum what moves the thresholds, and keep those of n candidates that are active."""
    cdef Py_ssize_t n_active = 0, j
    cdef int32_t u
    for j in range(n):
        u = index[j]
        if fabs(z[u] - theta[u]) < 0.5 * bandwidth:
            slope[u] += back[j]
            near[u] += 1
        index[n_active], code[n_active], back[n_active] = u, code[j], back[j]
        n_active += z[u] > theta[u]
    return n_active


cdef void turn(const int32_t* index, const floating* code, const floating* back,
               const Py_ssize_t* row_end, Py_ssize_t n_rows, Py_ssize_t n_units,
               Py_ssize_t* unit_end, int32_t* sample, floating* unit_code,
               floating* unit_back) noexcept nogil:
    """Bring codes from the order of rows to that of units; those of unit u end at unit_end[u]."""
    cdef Py_ssize_t i, j, to, u, n, total = 0
    memset(unit_end, 0, n_units * sizeof(Py_ssize_t))
    for j in range(row_end[n_rows - 1]):
        unit_end[index[j]] += 1
    for u in range(n_units):
        n = unit_end[u]
        unit_end[u] = total
        total += n
    j = 0
    for i in range(n_rows):
        while j < row_end[i]:
            to = unit_end[index[j]]
            unit_end[index[j]] += 1
            sample[to], unit_code[to], unit_back[to] = <int32_t> i, code[j], back[j]
            j += 1


def train(const floating[:, ::1] X, const int64_t[::1] rows, const int64_t[::1] bounds,
          const double[::1] center, double scale, floating[:, :, ::1] atoms,
          floating[:, ::1] units, floating[:, ::1] offset, int64_t[::1] used, double[::1] error, *,
          Py_ssize_t k, double learning_rate, int64_t n_steps, double n_nonzero, double bandwidth,
          double sparsity_weight):
    """Take a step of Adam for each batch X[rows[bounds[t]:bounds[t + 1]]].

    atoms: W and its two moments; units: b, its moments, log theta, its moments; offset: c and its
    moments.  k is 0 for thresholds.  The number of rows that keep each unit is added to used, the
    squared residual of X[rows[i]] goes to error[i].
    """
    cdef Py_ssize_t n_units = atoms.shape[1], n_features = atoms.shape[2]
    cdef Py_ssize_t size = np.diff(bounds).max(), capacity = n_units + size * (k or n_units)
    cdef Py_ssize_t n_rows, n_codes, n, first, t, i, j, u
    dtype = np.float32 if floating is float else np.float64
    cdef floating[:, ::1] E = np.empty((size, n_features), dtype)
    cdef floating[:, ::1] R = np.empty((size, n_features), dtype)
    cdef floating[:, ::1] Z = np.empty((size, n_units), dtype)
    cdef floating[::1] work = np.empty(2 * n_units, dtype)
    cdef floating[:, ::1] gradient = np.empty((2, n_features), dtype)  # of an atom, of c
    cdef floating[:, ::1] g = np.empty((3, n_units), dtype)  # of b, of theta, rows near theta
    cdef floating[:, ::1] theta = np.zeros((2, n_units), dtype)  # and what is near enough to it
    cdef floating[:, ::1] code = np.empty((2, capacity), dtype)  # by rows, by units
    cdef floating[:, ::1] back = np.empty((2, capacity), dtype)
    cdef int32_t[:, ::1] index = np.empty((2, capacity), np.int32)
    cdef int32_t[::1] identity = np.arange(max(size, n_units), dtype=np.int32)
    cdef Py_ssize_t[::1] row_end = np.empty(size, np.intp)
    cdef Py_ssize_t[::1] unit_end = np.empty(n_units, np.intp)
    cdef floating* W = &atoms[0, 0, 0]
    cdef floating one = 1, value
    cdef double rate, root, pull
    with nogil:
        for t in range(bounds.shape[0] - 1):
            n_rows = bounds[t + 1] - bounds[t]
            memset(&g[0, 0], 0, 3 * n_units * sizeof(floating))
            memset(&gradient[1, 0], 0, n_features * sizeof(floating))
            if k == 0:
                for u in range(n_units):
                    theta[0, u] = <floating> exp(units[3, u])
                    theta[1, u] = theta[0, u] - <floating> (0.5 * bandwidth)
            for i in range(n_rows):
                standardize(&X[rows[bounds[t] + i], 0], &center[0], scale, &offset[0, 0],
                            n_features, &E[i, 0])
            preactivate(&E[0, 0], W, &units[0, 0], n_rows, n_units, n_features, &Z[0, 0])
            n_codes = 0
            for i in range(n_rows):
                n = select(&Z[i, 0], &theta[1, 0], n_units, k, &work[0], &index[0, n_codes])
                for j in range(n_codes, n_codes + n):
                    value = Z[i, index[0, j]]
                    code[0, j] = value if k > 0 or value > theta[0, index[0, j]] else 0
                for j in range(n_features):
                    R[i, j] = -E[i, j]
                add_rows(W, n_features, &index[0, n_codes], &code[0, n_codes], n, &R[i, 0])
                dot_rows(&R[i, 0], n_features, &identity[0], 1, &R[i, 0], &value)
                error[bounds[t] + i] = value
                add_rows(&R[i, 0], n_features, &identity[0], &one, 1, &gradient[1, 0])
                dot_rows(W, n_features, &index[0, n_codes], n, &R[i, 0], &back[0, n_codes])
                if k == 0:
                    n = keep_active(&Z[i, 0], &theta[0, 0], bandwidth, n, &index[0, n_codes],
                                    &code[0, n_codes], &back[0, n_codes], &g[1, 0], &g[2, 0])
                n_codes += n
                row_end[i] = n_codes
            turn(&index[0, 0], &code[0, 0], &back[0, 0], &row_end[0], n_rows, n_units,
                 &unit_end[0], &index[1, 0], &code[1, 0], &back[1, 0])
            n_steps += 1
            rate = learning_rate / (1 - pow(0.9, n_steps))
            root = 1 / sqrt(1 - pow(0.999, n_steps))
            first = 0
            for u in range(n_units):
                n = unit_end[u] - first
                memset(&gradient[0, 0], 0, n_features * sizeof(floating))
                if n > 0:
                    used[u] += n
                    add_rows(&R[0, 0], n_features, &index[1, first], &code[1, first], n,
                             &gradient[0, 0])
                    add_rows(&E[0, 0], n_features, &index[1, first], &back[1, first], n,
                             &gradient[0, 0])
                    for j in range(first, unit_end[u]):
                        g[0, u] += back[1, j]
                    value = -g[0, u]
                    add_rows(&atoms[0, u, 0], n_features, &identity[0], &value, 1, &gradient[1, 0])
                adam(&atoms[0, u, 0], &atoms[1, u, 0], &atoms[2, u, 0], &gradient[0, 0],
                     n_features, 1.0 / n_rows, rate, root)
                first = unit_end[u]
            adam(&units[0, 0], &units[1, 0], &units[2, 0], &g[0, 0], n_units, 1.0 / n_rows, rate,
                 root)
            adam(&offset[0, 0], &offset[1, 0], &offset[2, 0], &gradient[1, 0], n_features,
                 1.0 / n_rows, rate, root)
            if k == 0:
                pull = 2 * sparsity_weight / n_nonzero * (n_codes / (n_nonzero * n_rows) - 1)
                for u in range(n_units):
                    g[1, u] = <floating> (
                        -theta[0, u] / bandwidth * (theta[0, u] * g[1, u] + pull * g[2, u]))
                adam(&units[3, 0], &units[4, 0], &units[5, 0], &g[1, 0], n_units, 1.0 / n_rows,
                     rate, root)


def encode(const floating[:, ::1] X, Py_ssize_t start, const double[::1] center, double scale,
           const floating[:, ::1] W, const floating[::1] b, const floating[::1] c,
           const floating[::1] theta, Py_ssize_t k, floating[::1] data, int32_t[::1] indices,
           int64_t[::1] indptr):
    """Write codes of the rows of X from `start` on; return the row for which there is no room."""
    cdef Py_ssize_t n_units = W.shape[0], n_features = W.shape[1], n_rows, first, i, j, n
    cdef Py_ssize_t end = X.shape[0], size = min(BLOCK, end)
    cdef int64_t position = indptr[start]
    dtype = np.float32 if floating is float else np.float64
    cdef floating[:, ::1] E = np.empty((size, n_features), dtype)
    cdef floating[:, ::1] Z = np.empty((size, n_units), dtype)
    cdef floating[::1] work = np.empty(2 * n_units, dtype)
    cdef int32_t[::1] index = np.empty(n_units, np.int32)
    with nogil:
        first = start
        while first < end:
            n_rows = min(size, end - first)
            for i in range(n_rows):
                standardize(&X[first + i, 0], &center[0], scale, &c[0], n_features, &E[i, 0])
            preactivate(&E[0, 0], &W[0, 0], &b[0], n_rows, n_units, n_features, &Z[0, 0])
            for i in range(n_rows):
                n = select(&Z[i, 0], &theta[0], n_units, k, &work[0], &index[0])
                if position + n > data.shape[0]:
                    with gil:
                        return first + i
                for j in range(n):
                    indices[position + j] = index[j]
                    data[position + j] = <floating> (Z[i, index[j]] * scale)
                position += n
                indptr[first + i + 1] = position
            first += n_rows
    return end
