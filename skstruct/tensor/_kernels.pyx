"""Products of a tensor with matrices along a mode, on views of it.

A tensor of shape (I_0, ..., I_{N-1}) in C order is, for mode n, an array of shape (L, I, R): L the
product of the sizes before n, I = I_n, R the product of those after it.  Its slabs X_l are I x R
matrices as they lie in memory, so that one gemm or syrk for each serves the mode:

    product with U          Y_l = U X_l
    Gram matrix             sum_l X_l X_l'
    product of unfoldings   sum_l X_l Y_l'

The first mode is one slab; for the last, R = 1, the whole is an L x I matrix.  In between, where
the slabs are narrow, columns of many of them are gathered to a block that stays in the cache; so
is what is float32, of which the second and third are summed in float64.
"""

from scipy.linalg.cython_blas cimport dgemm, dsyrk, sgemm

import numpy as np

ctypedef fused floating:
    float
    double

ctypedef fused real:
    float
    double

cdef enum:
    NARROW = 128           # columns of a slab that are too few for products of their own
    BLOCK = 65536          # elements of a block of columns


cdef void gemm(bint transpose_a, bint transpose_b, int m, int n, int k, const floating* A, int lda,
               const floating* B, int ldb, floating beta, floating* C, int ldc) noexcept nogil:
    """C = A B + beta C in C order, C of shape (m, n): for BLAS, C' = B' A'."""
    cdef floating one = 1
    cdef char* ta = b"T" if transpose_a else b"N"
    cdef char* tb = b"T" if transpose_b else b"N"
    if floating is double:
        dgemm(tb, ta, &n, &m, &k, &one, <double*> B, &ldb, <double*> A, &lda, &beta, C, &ldc)
    else:
        sgemm(tb, ta, &n, &m, &k, &one, <float*> B, &ldb, <float*> A, &lda, &beta, C, &ldc)


cdef void gather(const floating* X, Py_ssize_t n_slabs, Py_ssize_t M, Py_ssize_t R,
                 Py_ssize_t first, Py_ssize_t n_columns, real* block) noexcept nogil:
    """Bring columns of slabs side by side: block of shape (M, n_slabs * n_columns)."""
    cdef Py_ssize_t s, i, j, width = n_slabs * n_columns
    cdef const floating* source
    cdef real* target
    for s in range(n_slabs):
        for i in range(M):
            source = X + (s * M + i) * R + first
            target = block + i * width + s * n_columns
            for j in range(n_columns):
                target[j] = <real> source[j]


cdef void scatter(const floating* block, Py_ssize_t n_slabs, Py_ssize_t J, Py_ssize_t R,
                  floating* Y) noexcept nogil:
    """The way back: from a block of shape (J, n_slabs * R) to slabs of shape (J, R)."""
    cdef Py_ssize_t s, j, r
    cdef const floating* source
    for s in range(n_slabs):
        for j in range(J):
            source = block + (j * n_slabs + s) * R
            for r in range(R):
                Y[(s * J + j) * R + r] = source[r]


cdef Py_ssize_t columns_of_block(Py_ssize_t M) noexcept nogil:
    return max(NARROW, BLOCK // M)


def ttm(const floating[:, :, ::1] X, const floating[:, :] U, floating[:, :, ::1] Y):
    """Y_l = U X_l; U of shape (J, M) in C or in Fortran order, Y of shape (L, J, R)."""
    cdef Py_ssize_t L = X.shape[0], M = X.shape[1], R = X.shape[2], J = U.shape[0], s, n
    cdef Py_ssize_t n_slabs = max(1, min(L, columns_of_block(max(M, J)) // R)), width
    cdef bint fortran = U.strides[1] != <Py_ssize_t> sizeof(floating) and M > 1
    cdef int ldu = max((U.strides[1] if fortran else U.strides[0]) // sizeof(floating),
                       J if fortran else M)
    cdef bint gathered = L > 1 and 1 < R < NARROW
    cdef floating[::1] block = np.empty(n_slabs * R * (M + J) if gathered else 1,
                                        np.float32 if floating is float else np.float64)
    cdef floating* source = &block[0]
    cdef floating* target
    if min(U.strides[0], U.strides[1]) < 0 or (
            fortran and J > 1 and U.strides[0] != <Py_ssize_t> sizeof(floating)):
        raise ValueError("U must be contiguous along one of its axes.")
    with nogil:
        if R == 1:  # in blocks: BLAS is slow at very long and narrow products
            s = 0
            while s < L:
                n = min(columns_of_block(M), L - s)
                gemm(False, not fortran, n, J, M, &X[s, 0, 0], M, &U[0, 0], ldu, <floating> 0,
                     &Y[s, 0, 0], J)
                s += n
        elif not gathered:
            for s in range(L):
                gemm(fortran, False, J, R, M, &U[0, 0], ldu, &X[s, 0, 0], R, <floating> 0,
                     &Y[s, 0, 0], R)
        else:
            target = source + n_slabs * R * M
            s = 0
            while s < L:
                n = min(n_slabs, L - s)
                width = n * R
                gather(&X[s, 0, 0], n, M, R, 0, R, source)
                gemm(fortran, False, J, width, M, &U[0, 0], ldu, source, width, <floating> 0,
                     target, width)
                scatter(target, n, J, R, &Y[s, 0, 0])
                s += n


cdef void add_product(const double* A, const double* B, bint by_rows, int M, int J, int n,
                      int lda, int ldb, double beta, double* G) noexcept nogil:
    """G = A B' + beta G or, of what lies in memory by rows of unfoldings' transposes, A' B."""
    cdef double one = 1
    if A == B:
        dsyrk(b"U", b"N" if by_rows else b"T", &M, &n, &one, <double*> A, &lda, &beta, G, &M)
    else:
        gemm(by_rows, not by_rows, M, J, n, A, lda, B, ldb, beta, G, J)


def inner(const floating[:, :, ::1] X, const floating[:, :, ::1] Y, double[:, ::1] G):
    """G = sum_l X_l Y_l'; the Gram matrix where Y is X."""
    cdef Py_ssize_t L = X.shape[0], M = X.shape[1], R = X.shape[2], J = Y.shape[1]
    cdef Py_ssize_t most = min(L * R, columns_of_block(max(M, J))), s = 0, first = 0, n, i
    cdef Py_ssize_t n_columns
    cdef bint same = &X[0, 0, 0] == &Y[0, 0, 0], by_rows = R == 1
    cdef bint in_place = floating is double and (R == 1 or L == 1 or R >= NARROW)
    cdef double[::1] room = np.empty(1 if in_place else most * (M if same else M + J))
    cdef double* A = &room[0]
    cdef double* B = A if same else A + most * M
    cdef double beta = 0
    with nogil:
        while s < L:
            if in_place:  # only float64 is
                n = L if by_rows else 1
                add_product(<double*> &X[s, 0, 0], <double*> &Y[s, 0, 0], by_rows, M, J,
                            n if by_rows else R, M if by_rows else R, J if by_rows else R, beta,
                            &G[0, 0])
                s += n
            elif by_rows:  # the rows are as they should be
                n = min(most, L - s)
                gather(&X[s, 0, 0], 1, 1, n * M, 0, n * M, A)
                if not same:
                    gather(&Y[s, 0, 0], 1, 1, n * J, 0, n * J, B)
                add_product(A, B, True, M, J, n, M, J, beta, &G[0, 0])
                s += n
            else:
                n = max(1, min(most // R, L - s))
                n_columns = min(most, R - first) if n == 1 else R
                gather(&X[s, 0, 0], n, M, R, first, n_columns, A)
                if not same:
                    gather(&Y[s, 0, 0], n, J, R, first, n_columns, B)
                add_product(A, B, False, M, J, n * n_columns, n * n_columns, n * n_columns, beta,
                            &G[0, 0])
                first += n_columns
                if first == R:
                    first = 0
                    s += n
            beta = 1
        if same:  # so far the lower triangle
            for n in range(M):
                for i in range(n):
                    G[i, n] = G[n, i]
