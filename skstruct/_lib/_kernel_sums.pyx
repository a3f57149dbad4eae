"""Sums of a radial kernel over many points: logarithms, means, signed sums, values.

Rows of Q meet the points C in tiles of TILE_ROWS x TILE_COLS.  A matrix product gives
-2 q.c / h^2, the loops of kernel_sums.h turn it into squared distances z and kernel values and add
those up, and a second product, for means, multiplies the weights with the rows of V.  A tile never
leaves L2 and nothing of the size of Q times C is kept.  Rows should be centred: the rounding of z
is that of (|q|^2 + |c|^2) / h^2.

All functions release the GIL and write rows of `out` independently, so that threads can share Q.
What a row gets depends on the rows beside it in its block of TILE_ROWS by rounding alone.
"""

from cython cimport floating
from libc.math cimport INFINITY, log
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef extern from "kernel_sums.h" nogil:
    int SKSTRUCT_GAUSSIAN
    int SKSTRUCT_LOGISTIC
    int SKSTRUCT_SIGMOID
    int SKSTRUCT_LAPLACE
    int SKSTRUCT_EXPONENTIAL
    int SKSTRUCT_IMQ
    int SKSTRUCT_CAUCHY
    int SKSTRUCT_CAUCHY_BETA
    int SKSTRUCT_MATERN32
    int SKSTRUCT_MATERN52
    void skstruct_tile_sums_f64(
        int profile, double parameter, double* tile, const double* a, const double* b,
        const double* w, Py_ssize_t rows, Py_ssize_t cols, double* u0, double* sum, double* sum_g,
        double* factor)
    void skstruct_tile_sums_f32(
        int profile, double parameter, float* tile, const float* a, const float* b,
        const float* w, Py_ssize_t rows, Py_ssize_t cols, double* u0, double* sum, double* sum_g,
        double* factor)
    void skstruct_tile_plain_sums_f64(
        int profile, double parameter, double* tile, const double* a, const double* b,
        const double* w, Py_ssize_t rows, Py_ssize_t cols, double* sum)
    void skstruct_tile_plain_sums_f32(
        int profile, double parameter, float* tile, const float* a, const float* b,
        const float* w, Py_ssize_t rows, Py_ssize_t cols, double* sum)
    void skstruct_tile_values_f64(
        int profile, double parameter, double* tile, const double* a, const double* b,
        Py_ssize_t rows, Py_ssize_t cols)
    void skstruct_tile_values_f32(
        int profile, double parameter, float* tile, const float* a, const float* b,
        Py_ssize_t rows, Py_ssize_t cols)


PROFILES = {
    "gaussian": SKSTRUCT_GAUSSIAN,
    "logistic": SKSTRUCT_LOGISTIC,
    "sigmoid": SKSTRUCT_SIGMOID,
    "laplace": SKSTRUCT_LAPLACE,
    "imq": SKSTRUCT_IMQ,
    "matern32": SKSTRUCT_MATERN32,
    "matern52": SKSTRUCT_MATERN52,
}


def make_kernel(name, bandwidth, alpha=1.0):
    """Return the kernel of a name, as the functions below take it.

    `name` is "gaussian", "logistic", "sigmoid", "exponential" (of power alpha), "cauchy" (of
    power alpha), "laplace", "imq", "matern32" or "matern52"; all are 1 at distance 0.
    """
    cdef Kernel kernel
    kernel.inv_h2 = 1.0 / bandwidth**2
    kernel.parameter = alpha
    if name == "exponential":
        kernel.profile = SKSTRUCT_LAPLACE if alpha == 1 else SKSTRUCT_EXPONENTIAL
    elif name == "cauchy":
        kernel.profile = SKSTRUCT_CAUCHY if alpha == 1 else SKSTRUCT_CAUCHY_BETA
    else:
        kernel.profile = PROFILES[name]
    return kernel


cdef void products(const floating* Q, Py_ssize_t rows, const floating* C, Py_ssize_t cols,
                   Py_ssize_t n_features, double scale, floating* tile) noexcept nogil:
    """tile = scale Q C', row after row."""
    cdef int m = <int> cols, n = <int> rows, k = <int> n_features
    cdef floating alpha = <floating> scale, beta = 0
    if floating is double:
        dgemm(b"T", b"N", &m, &n, &k, &alpha, <double*> C, &k, <double*> Q, &k, &beta, tile, &m)
    else:
        sgemm(b"T", b"N", &m, &n, &k, &alpha, <float*> C, &k, <float*> Q, &k, &beta, tile, &m)


cdef void add_products(const floating* tile, Py_ssize_t rows, const floating* V, Py_ssize_t cols,
                       Py_ssize_t n_values, floating* total) noexcept nogil:
    """total += tile V"""
    cdef int m = <int> n_values, n = <int> rows, k = <int> cols
    cdef floating one = 1
    if floating is double:
        dgemm(b"N", b"N", &m, &n, &k, &one, <double*> V, &m, <double*> tile, &k, &one, total, &m)
    else:
        sgemm(b"N", b"N", &m, &n, &k, &one, <float*> V, &m, <float*> tile, &k, &one, total, &m)


cdef void scaled_norms(const floating* Q, Py_ssize_t rows, Py_ssize_t n_features, double scale,
                       floating* out) noexcept nogil:
    """out[i] = scale |q_i|^2, summed in doubles."""
    cdef Py_ssize_t i, j
    cdef double total
    for i in range(rows):
        total = 0
        for j in range(n_features):
            total += <double> Q[i * n_features + j] * Q[i * n_features + j]
        out[i] = <floating> (scale * total)


cdef inline floating* next_tile(const floating* Q, Py_ssize_t rows, const floating* C,
                                const floating* squares, Py_ssize_t cols, Py_ssize_t n_features,
                                double inv_h2, floating* work) noexcept nogil:
    """Fill a tile with -2 q.c / h^2 and return the norms |c|^2 / h^2, which are behind it."""
    cdef floating* b = work + TILE_ROWS * TILE_COLS + TILE_ROWS
    cdef Py_ssize_t j
    products(Q, rows, C, cols, n_features, -2 * inv_h2, work)
    for j in range(cols):
        b[j] = <floating> (squares[j] * inv_h2)
    return b


cdef void block_sums(const floating* Q, Py_ssize_t rows, const floating* C,
                     const floating* squares, const floating* weight, const floating* V,
                     Py_ssize_t n_values, Py_ssize_t n_points, Py_ssize_t n_features,
                     const Kernel* kernel, double* log_sum, floating* mean,
                     floating* work) noexcept nogil:
    cdef double[TILE_ROWS] u0
    cdef double[TILE_ROWS] total
    cdef double[TILE_ROWS] total_g
    cdef double[TILE_ROWS] factor
    cdef double* shift = NULL if mean == NULL else total_g
    cdef floating* a = work + TILE_ROWS * TILE_COLS
    cdef floating* b
    cdef Py_ssize_t start = 0, cols, i, j
    scaled_norms(Q, rows, n_features, kernel.inv_h2, a)
    for i in range(rows):
        u0[i] = INFINITY
        total[i] = total_g[i] = 0
    if mean != NULL:
        memset(mean, 0, rows * n_values * sizeof(floating))
    while start < n_points:
        cols = min(TILE_COLS, n_points - start)
        b = next_tile(Q, rows, C + start * n_features, squares + start, cols, n_features,
                      kernel.inv_h2, work)
        if floating is double:
            skstruct_tile_sums_f64(kernel.profile, kernel.parameter, work, a, b, weight + start,
                                   rows, cols, u0, total, shift, factor)
        else:
            skstruct_tile_sums_f32(kernel.profile, kernel.parameter, work, a, b, weight + start,
                                   rows, cols, u0, total, shift, factor)
        if mean != NULL:
            for i in range(rows):
                if factor[i] != 1:
                    for j in range(n_values):
                        mean[i * n_values + j] *= <floating> factor[i]
            add_products(work, rows, V + start * n_values, cols, n_values, mean)
        start += TILE_COLS
    for i in range(rows):
        log_sum[i] = log(total[i]) - u0[i]
        if mean != NULL:
            for j in range(n_values):
                mean[i * n_values + j] /= <floating> total_g[i]


cdef void block_log_sums(const floating* Q, Py_ssize_t rows, const floating* C,
                         const floating* squares, const floating* weight, Py_ssize_t n_points,
                         Py_ssize_t n_features, const Kernel* kernel, double* out,
                         floating* work) noexcept nogil:
    """out[i] = log sum_j weight_j k(q_i, c_j)"""
    block_sums(Q, rows, C, squares, weight, <const floating*> NULL, 0, n_points, n_features,
               kernel, out, <floating*> NULL, work)


cdef void block_mean_shift(const floating* Q, Py_ssize_t rows, const floating* C,
                           const floating* squares, const floating* weight, const floating* V,
                           Py_ssize_t n_values, Py_ssize_t n_points, Py_ssize_t n_features,
                           const Kernel* kernel, double* log_sum, floating* mean,
                           floating* work) noexcept nogil:
    """The same, and mean[i] = sum_j a_j v_j / sum_j a_j with a_j = weight_j g(q_i, c_j)."""
    block_sums(Q, rows, C, squares, weight, V, n_values, n_points, n_features, kernel, log_sum,
               mean, work)


cdef void block_signed_sums(const floating* Q, Py_ssize_t rows, const floating* C,
                            const floating* squares, const floating* coef, Py_ssize_t n_points,
                            Py_ssize_t n_features, const Kernel* kernel, double* out,
                            floating* work) noexcept nogil:
    """out[i] = sum_j coef_j k(q_i, c_j)"""
    cdef floating* a = work + TILE_ROWS * TILE_COLS
    cdef floating* b
    cdef Py_ssize_t start = 0, cols
    scaled_norms(Q, rows, n_features, kernel.inv_h2, a)
    memset(out, 0, rows * sizeof(double))
    while start < n_points:
        cols = min(TILE_COLS, n_points - start)
        b = next_tile(Q, rows, C + start * n_features, squares + start, cols, n_features,
                      kernel.inv_h2, work)
        if floating is double:
            skstruct_tile_plain_sums_f64(kernel.profile, kernel.parameter, work, a, b,
                                         coef + start, rows, cols, out)
        else:
            skstruct_tile_plain_sums_f32(kernel.profile, kernel.parameter, work, a, b,
                                         coef + start, rows, cols, out)
        start += TILE_COLS


cdef void block_values(const floating* Q, Py_ssize_t rows, const floating* C,
                       const floating* squares, Py_ssize_t n_points, Py_ssize_t n_features,
                       const Kernel* kernel, floating* out, Py_ssize_t out_stride,
                       floating* work) noexcept nogil:
    """out[i * out_stride + j] = k(q_i, c_j)"""
    cdef floating* a = work + TILE_ROWS * TILE_COLS
    cdef floating* b
    cdef Py_ssize_t start = 0, cols, i
    scaled_norms(Q, rows, n_features, kernel.inv_h2, a)
    while start < n_points:
        cols = min(TILE_COLS, n_points - start)
        b = next_tile(Q, rows, C + start * n_features, squares + start, cols, n_features,
                      kernel.inv_h2, work)
        if floating is double:
            skstruct_tile_values_f64(kernel.profile, kernel.parameter, work, a, b, rows, cols)
        else:
            skstruct_tile_values_f32(kernel.profile, kernel.parameter, work, a, b, rows, cols)
        for i in range(rows):
            memcpy(out + i * out_stride + start, work + i * cols, cols * sizeof(floating))
        start += TILE_COLS


cdef int check(const floating[:, ::1] Q, const floating[:, ::1] C, const floating[::1] squares,
               const floating[::1] weight, Py_ssize_t n_out) except -1:
    if not (Q.shape[1] == C.shape[1] and squares.shape[0] == weight.shape[0] == C.shape[0]
            and n_out == Q.shape[0]):
        raise ValueError(
            f"{Q.shape[0]} x {Q.shape[1]} rows, {C.shape[0]} x {C.shape[1]} points, "
            f"{squares.shape[0]} squares, {weight.shape[0]} weights and room for {n_out} results "
            "do not belong together."
        )
    return 0


cdef floating* new_work(const floating[:, ::1] Q) except NULL:
    cdef floating* work = <floating*> malloc(TILE_WORK * sizeof(floating))
    if work == NULL:
        raise MemoryError()
    return work


def squared_norms(const floating[:, ::1] X, floating[::1] out):
    """out[i] = |x_i|^2, summed in doubles."""
    if X.shape[0] != out.shape[0]:
        raise ValueError(f"out must have {X.shape[0]} elements, got {out.shape[0]}.")
    if X.shape[0] and X.shape[1]:
        with nogil:
            scaled_norms(&X[0, 0], X.shape[0], X.shape[1], 1.0, &out[0])


def log_sums(const floating[:, ::1] Q, const floating[:, ::1] C, const floating[::1] squares,
             const floating[::1] weight, Kernel kernel, double[::1] out):
    """out[i] = log sum_j weight_j k(q_i, c_j); finite however far q_i is, for weights >= 0."""
    cdef Py_ssize_t start = 0, rows, n_rows = Q.shape[0]
    cdef floating* work
    check(Q, C, squares, weight, out.shape[0])
    work = new_work(Q)
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            block_log_sums(&Q[start, 0], rows, &C[0, 0], &squares[0], &weight[0], C.shape[0],
                           C.shape[1], &kernel, &out[start], work)
            start += TILE_ROWS
        free(work)


def mean_shift(const floating[:, ::1] Q, const floating[:, ::1] C, const floating[::1] squares,
               const floating[::1] weight, const floating[:, ::1] V, Kernel kernel,
               double[::1] log_sum, floating[:, ::1] mean):
    """The same in log_sum; mean[i] = sum_j a_j v_j / sum_j a_j, a_j = weight_j g(q_i, c_j).

    V is C for a step of mean shift; rows of other spaces lift what was found in C's.
    """
    cdef Py_ssize_t start = 0, rows, n_rows = Q.shape[0]
    cdef floating* work
    check(Q, C, squares, weight, log_sum.shape[0])
    if not (V.shape[0] == C.shape[0] and mean.shape[0] == n_rows and mean.shape[1] == V.shape[1]):
        raise ValueError(
            f"{C.shape[0]} points, {V.shape[0]} x {V.shape[1]} values and room for "
            f"{mean.shape[0]} x {mean.shape[1]} means of {n_rows} rows do not belong together."
        )
    work = new_work(Q)
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            block_mean_shift(&Q[start, 0], rows, &C[0, 0], &squares[0], &weight[0], &V[0, 0],
                             V.shape[1], C.shape[0], C.shape[1], &kernel, &log_sum[start],
                             &mean[start, 0], work)
            start += TILE_ROWS
        free(work)


def signed_sums(const floating[:, ::1] Q, const floating[:, ::1] C, const floating[::1] squares,
                const floating[::1] coef, Kernel kernel, double[::1] out):
    """out[i] = sum_j coef_j k(q_i, c_j), for coefficients of any sign."""
    cdef Py_ssize_t start = 0, rows, n_rows = Q.shape[0]
    cdef floating* work
    check(Q, C, squares, coef, out.shape[0])
    work = new_work(Q)
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            block_signed_sums(&Q[start, 0], rows, &C[0, 0], &squares[0], &coef[0], C.shape[0],
                              C.shape[1], &kernel, &out[start], work)
            start += TILE_ROWS
        free(work)


def kernel_values(const floating[:, ::1] Q, const floating[:, ::1] C,
                  const floating[::1] squares, Kernel kernel, floating[:, ::1] out):
    """out[i, j] = k(q_i, c_j), for few rows or few points."""
    cdef Py_ssize_t start = 0, rows, n_rows = Q.shape[0]
    cdef floating* work
    check(Q, C, squares, squares, out.shape[0])
    if out.shape[1] != C.shape[0]:
        raise ValueError(f"out must have {C.shape[0]} columns, got {out.shape[1]}.")
    work = new_work(Q)
    with nogil:
        while start < n_rows:
            rows = min(TILE_ROWS, n_rows - start)
            block_values(&Q[start, 0], rows, &C[0, 0], &squares[0], C.shape[0], C.shape[1],
                         &kernel, &out[start, 0], out.shape[1], work)
            start += TILE_ROWS
        free(work)
