"""Passes over all pairs of rows for the leave-one-out likelihood of a Gaussian kernel density.

The rows Q are those of C from `first` on, and row i of Q leaves out point first + i; with
first = n_points none is left out.  Each pass makes tiles of squared distances D by a matrix
product (_lib/_kernel_sums.pyx) and adds them up with the loops of _lib/leave_one_out.h.
"""

from libc.math cimport INFINITY, log
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from scipy.linalg.cython_blas cimport dgemm

from skstruct._lib._kernel_sums cimport TILE_COLS, TILE_ROWS, TILE_WORK, products, scaled_norms


cdef extern from "leave_one_out.h" nogil:
    enum:
        SKSTRUCT_MOMENTS
        SKSTRUCT_GRID
    void skstruct_tile_nearest(
        double* tile, const double* a, const double* b, Py_ssize_t rows, Py_ssize_t cols,
        Py_ssize_t diagonal, Py_ssize_t k, double* lowest)
    void skstruct_tile_moments(
        double* tile, const double* a, const double* b, const double* w, Py_ssize_t rows,
        Py_ssize_t cols, Py_ssize_t diagonal, double s, double* low, double* sums)
    void skstruct_tile_grid(
        double* tile, const double* a, const double* b, const double* w, Py_ssize_t rows,
        Py_ssize_t cols, Py_ssize_t diagonal, double s, double* low, double* sums)
    void skstruct_tile_shares(
        double* tile, const double* a, const double* b, const double* w_row, const double* w,
        const double* l_row, const double* l, Py_ssize_t rows, Py_ssize_t cols,
        Py_ssize_t diagonal, double s, double* total)


GRID_SIZE = SKSTRUCT_GRID


cdef double* new_work() except NULL:
    cdef double* work = <double*> malloc(TILE_WORK * sizeof(double))
    if work == NULL:
        raise MemoryError()
    return work


cdef void block_sums(bint on_grid, const double* Q, Py_ssize_t rows, const double* C,
                     const double* squares, const double* weight, Py_ssize_t n_points,
                     Py_ssize_t n_features, Py_ssize_t first, double s, double* low, double* sums,
                     double* work) noexcept nogil:
    """Sums of at most TILE_ROWS rows, for ten bandwidths or as moments; low is the smallest D."""
    cdef double* a = work + TILE_ROWS * TILE_COLS
    cdef Py_ssize_t start = 0, cols, i
    scaled_norms(Q, rows, n_features, 1.0, a)
    memset(sums, 0, rows * (SKSTRUCT_GRID if on_grid else SKSTRUCT_MOMENTS) * sizeof(double))
    for i in range(rows):
        low[i] = INFINITY
    while start < n_points:
        cols = min(TILE_COLS, n_points - start)
        products(Q, rows, C + start * n_features, cols, n_features, -2.0, work)
        if on_grid:
            skstruct_tile_grid(work, a, squares + start, weight + start, rows, cols,
                               first - start, s, low, sums)
        else:
            skstruct_tile_moments(work, a, squares + start, weight + start, rows, cols,
                                  first - start, s, low, sums)
        start += TILE_COLS


def nearest(const double[:, ::1] Q, const double[:, ::1] C, const double[::1] squares,
            Py_ssize_t first, double[:, ::1] out):
    """out[i] = the smallest squared distances of row i to the points, in ascending order."""
    cdef Py_ssize_t start = 0, tile, rows, cols, n_rows = Q.shape[0], n_features = C.shape[1]
    cdef double* work = new_work()
    cdef double* a = work + TILE_ROWS * TILE_COLS
    out[:, :] = INFINITY
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            scaled_norms(&Q[start, 0], rows, n_features, 1.0, a)
            tile = 0
            while tile < C.shape[0]:
                cols = min(TILE_COLS, C.shape[0] - tile)
                products(&Q[start, 0], rows, &C[tile, 0], cols, n_features, -2.0, work)
                skstruct_tile_nearest(work, a, &squares[tile], rows, cols, first + start - tile,
                                      out.shape[1], &out[start, 0])
                tile += TILE_COLS
            start += TILE_ROWS
        free(work)


def moments(const double[:, ::1] Q, const double[:, ::1] C, const double[::1] squares,
            const double[::1] weight, Py_ssize_t first, double bandwidth, double[:, ::1] out):
    """Moments of each row's distances under its weights P_ij ~ weight_j exp(-D_ij / 2 h^2).

    out[i] = logarithm of the sum of these terms; means of D / h^2 and its square; sum of P^2.
    """
    cdef double s = 0.5 / (bandwidth * bandwidth)
    cdef Py_ssize_t start = 0, rows, i, n_rows = Q.shape[0]
    cdef double[TILE_ROWS] low
    cdef double* sums
    cdef double* work = new_work()
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            sums = &out[start, 0]
            block_sums(False, &Q[start, 0], rows, &C[0, 0], &squares[0], &weight[0], C.shape[0],
                       C.shape[1], first + start, s, low, sums, work)
            for i in range(rows):
                sums[3] /= sums[0] * sums[0]
                sums[2] *= 4 * s * s / sums[0]
                sums[1] *= 2 * s / sums[0]
                sums[0] = log(sums[0]) - s * low[i]
                sums += SKSTRUCT_MOMENTS
            start += TILE_ROWS
        free(work)


def grid(const double[:, ::1] Q, const double[:, ::1] C, const double[::1] squares,
         const double[::1] weight, Py_ssize_t first, double bandwidth, double[:, ::1] out):
    """out[i, k] = log sum_j weight_j exp(-D_ij / 2 h_k^2) for h_k = bandwidth 2^(-k / 2)."""
    cdef double s = 0.5 / (bandwidth * bandwidth)
    cdef Py_ssize_t start = 0, rows, i, k, n_rows = Q.shape[0]
    cdef double[TILE_ROWS] low
    cdef double* sums
    cdef double* work = new_work()
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            sums = &out[start, 0]
            block_sums(True, &Q[start, 0], rows, &C[0, 0], &squares[0], &weight[0], C.shape[0],
                       C.shape[1], first + start, s, low, sums, work)
            for i in range(rows):
                for k in range(SKSTRUCT_GRID):
                    sums[k] = log(sums[k]) - s * low[i] * (1 << k)
                sums += SKSTRUCT_GRID
            start += TILE_ROWS
        free(work)


def shares(const double[:, ::1] Z, const double[::1] squares, const double[::1] weight,
           const double[::1] log_sum, Py_ssize_t first, double[::1] total, double[:, ::1] sums):
    """With B_ij = (w_i P_ij + w_j P_ji) / 2 at h = 1: total = sum_j B_ij, sums = sum_j B_ij z_j.

    The rows are those from `first` on, as many as there is room for in total; log_sum is that of
    `moments` for all rows.
    """
    cdef Py_ssize_t start = first, stop = first + total.shape[0], tile, rows, n_points = Z.shape[0]
    cdef int n_features = <int> Z.shape[1], k, n
    cdef double one = 1.0
    cdef double* work = new_work()
    cdef double* a = work + TILE_ROWS * TILE_COLS
    with nogil:
        memset(&total[0], 0, total.shape[0] * sizeof(double))
        memset(&sums[0, 0], 0, total.shape[0] * n_features * sizeof(double))
        while start < stop:
            rows = min(TILE_ROWS, stop - start)
            scaled_norms(&Z[start, 0], rows, n_features, 1.0, a)
            tile = 0
            while tile < n_points:
                k, n = <int> min(TILE_COLS, n_points - tile), <int> rows
                products(&Z[start, 0], rows, &Z[tile, 0], k, n_features, -2.0, work)
                skstruct_tile_shares(work, a, &squares[tile], &weight[start], &weight[tile],
                                     &log_sum[start], &log_sum[tile], rows, k, start - tile, 0.5,
                                     &total[start - first])
                dgemm(b"N", b"N", &n_features, &n, &k, &one, <double*> &Z[tile, 0], &n_features,
                      work, &k, &one, &sums[start - first, 0], &n_features)
                tile += TILE_COLS
            start += TILE_ROWS
        free(work)
