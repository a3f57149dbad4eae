"""Sums of kernels for other kernels; each serves at most TILE_ROWS rows Q of n_features numbers.

`squares` are the squared norms of the rows of C, `work` room for TILE_WORK numbers.
"""

from cython cimport floating

cdef enum:
    TILE_ROWS = 64
    TILE_COLS = 512            # 256 kB of doubles: a tile, its points and its means fit in L2
    TILE_WORK = TILE_ROWS * TILE_COLS + TILE_ROWS + TILE_COLS

cdef struct Kernel:
    int profile                # one of the enumeration in kernel_sums.h
    double parameter           # alpha or beta, where the profile has one
    double inv_h2              # z = |x - c|^2 inv_h2

cdef void products(const floating* Q, Py_ssize_t rows, const floating* C, Py_ssize_t cols,
                   Py_ssize_t n_features, double scale, floating* tile) noexcept nogil

cdef void scaled_norms(const floating* Q, Py_ssize_t rows, Py_ssize_t n_features, double scale,
                       floating* out) noexcept nogil

cdef void block_log_sums(const floating* Q, Py_ssize_t rows, const floating* C,
                         const floating* squares, const floating* weight, Py_ssize_t n_points,
                         Py_ssize_t n_features, const Kernel* kernel, double* out,
                         floating* work) noexcept nogil

cdef void block_mean_shift(const floating* Q, Py_ssize_t rows, const floating* C,
                           const floating* squares, const floating* weight, const floating* V,
                           Py_ssize_t n_values, Py_ssize_t n_points, Py_ssize_t n_features,
                           const Kernel* kernel, double* log_sum, floating* mean,
                           floating* work) noexcept nogil

cdef void block_signed_sums(const floating* Q, Py_ssize_t rows, const floating* C,
                            const floating* squares, const floating* coef, Py_ssize_t n_points,
                            Py_ssize_t n_features, const Kernel* kernel, double* out,
                            floating* work) noexcept nogil

cdef void block_values(const floating* Q, Py_ssize_t rows, const floating* C,
                       const floating* squares, Py_ssize_t n_points, Py_ssize_t n_features,
                       const Kernel* kernel, floating* out, Py_ssize_t out_stride,
                       floating* work) noexcept nogil
