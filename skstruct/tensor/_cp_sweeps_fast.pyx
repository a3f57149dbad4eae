"""Sweeps of alternating least squares, without a call of Python in between.

dense_sweep        once over all factors of a dense tensor
component_sums     a tensor with one index for the components, summed over modes with a factor each
entry_sums         the same from the entries of a sparse tensor
least_squares      rows of a factor from their normal equations
nonnegative_rows   the same for rows that stay nonnegative, by coordinate descent
balance            the same norms of the columns in all modes

The algorithm is in _cp_sweeps.py. Factors and M have a row for each slice and, as matrices of
BLAS, a column for each. Gram matrices are whole ones.
"""

from cython cimport floating
from libc.math cimport exp, log, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport dgemm, dsyrk, sgemm
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs, dsyev

import numpy as np


cdef extern from "component_sums.h" nogil:
    void skstruct_khatri_rao_float(const double** factors, const Py_ssize_t* sizes,
                                   Py_ssize_t n_factors, Py_ssize_t R, Py_ssize_t length,
                                   double* room, float* K)
    void skstruct_khatri_rao_double(const double** factors, const Py_ssize_t* sizes,
                                    Py_ssize_t n_factors, Py_ssize_t R, Py_ssize_t length,
                                    double* room, double* K)
    void skstruct_component_sums_float(const float* T, const double* left, const double* right,
                                       Py_ssize_t L, Py_ssize_t I, Py_ssize_t Q, Py_ssize_t R,
                                       double* room, double* out)
    void skstruct_component_sums_double(const double* T, const double* left, const double* right,
                                        Py_ssize_t L, Py_ssize_t I, Py_ssize_t Q, Py_ssize_t R,
                                        double* room, double* out)


cdef extern from "entry_rows.h" nogil:
    void skstruct_entry_product(const double** factors, const int32_t* index,
                                Py_ssize_t n_factors, Py_ssize_t stride, double* z)
    void skstruct_nonnegative_descent(const double* G, const double* b, Py_ssize_t rank,
                                      Py_ssize_t stride, Py_ssize_t n_passes, double tol,
                                      double* gradient, double* x)


cdef double JITTER = 1e-13    # of a diagonal element of a Gram matrix
cdef double SINGULAR = 1e-12  # relative eigenvalues that count as 0, where that is not enough
cdef double EPSILON = 2.0 ** -52


cdef void gram(const double* A, int n, int R, double* G) noexcept nogil:
    """G = A'A"""
    cdef double one = 1, zero = 0
    cdef Py_ssize_t r, s
    dsyrk(b"L", b"N", &R, &n, &one, <double*> A, &R, &zero, G, &R)
    for r in range(R):
        for s in range(r):
            G[r * R + s] = G[s * R + r]


cdef void solve(const double* G, double* A, int n, int R, double* room) noexcept nogil:
    """The rows of A become what G maps to them; room for R (R + 4) numbers."""
    cdef int info = 0, length = 3 * R
    cdef double* L = room
    cdef double* w = room + R * R
    cdef double* work = w + R
    cdef double part
    cdef Py_ssize_t r, s
    cdef double* end = A + <Py_ssize_t> n * R
    memcpy(L, G, R * R * sizeof(double))
    for r in range(R):  # each by itself, since components may differ much in size
        L[r * R + r] += JITTER * G[r * R + r] if G[r * R + r] > 0 else 1
    dpotrf(b"L", &R, L, &R, &info)
    if info == 0:
        dpotrs(b"L", &R, &n, L, &R, A, &R, &info)
        return
    memcpy(L, G, R * R * sizeof(double))
    dsyev(b"V", b"L", &R, L, &R, w, work, &length, &info)
    while A < end:
        memset(work, 0, R * sizeof(double))
        for s in range(R):
            if w[s] > SINGULAR * w[R - 1]:
                part = 0
                for r in range(R):
                    part += L[s * R + r] * A[r]
                for r in range(R):
                    work[r] += part / w[s] * L[s * R + r]
        memcpy(A, work, R * sizeof(double))
        A += R


cdef void descend(const double* G, const double* M, double* A, Py_ssize_t n, Py_ssize_t R,
                  Py_ssize_t n_passes, double tol, double* gradient) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        skstruct_nonnegative_descent(G, M + i * R, R, R, n_passes, tol, gradient, A + i * R)


cdef void multiply(bint transposed, const floating* X, int rows, int columns, const floating* K,
                   int R, floating* T) noexcept nogil:
    """T = K X' for X of shape (rows, columns), or K X: components are rows of K and T."""
    cdef floating one = 1, zero = 0
    cdef int m = columns if transposed else rows, k = rows if transposed else columns
    cdef char* t = b"N" if transposed else b"T"
    if floating is double:
        dgemm(t, b"N", &m, &R, &k, &one, <double*> X, &columns, <double*> K, &k, &zero, T, &m)
    else:
        sgemm(t, b"N", &m, &R, &k, &one, <float*> X, &columns, <float*> K, &k, &zero, T, &m)


cdef inline void khatri_rao(const double** factors, const Py_ssize_t* sizes, Py_ssize_t n,
                            Py_ssize_t R, Py_ssize_t length, double* room,
                            floating* K) noexcept nogil:
    if floating is double:
        skstruct_khatri_rao_double(factors, sizes, n, R, length, room, K)
    else:
        skstruct_khatri_rao_float(factors, sizes, n, R, length, room, K)


cdef inline void sums(const floating* T, const double* left, const double* right, Py_ssize_t L,
                      Py_ssize_t size, Py_ssize_t Q, Py_ssize_t R, double* room,
                      double* out) noexcept nogil:
    if floating is double:
        skstruct_component_sums_double(T, left, right, L, size, Q, R, room, out)
    else:
        skstruct_component_sums_float(T, left, right, L, size, Q, R, room, out)


cdef Py_ssize_t product(const Py_ssize_t* sizes, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t found = 1, m
    for m in range(n):
        found *= sizes[m]
    return found


cdef const double** pointers(list factors, Py_ssize_t[::1] room):
    """Return the addresses of the factors, put into room."""
    cdef Py_ssize_t k
    cdef const double[:, ::1] factor
    cdef const double** found = <const double**> &room[0]
    for k in range(len(factors)):
        factor = factors[k]
        found[k] = &factor[0, 0]
    return found


def dense_sweep(const floating[:, ::1] X, list factors, Py_ssize_t half, double ridge,
                Py_ssize_t n_passes, double tol):
    """Improve all factors; return by how much the squares of the residual are below those of X.

    X is the tensor as a matrix, with the modes 0, .., half - 1 as rows. With n_passes, factors are
    nonnegative, by so many passes of coordinate descent.
    """
    cdef Py_ssize_t N = len(factors), R = factors[0].shape[1], n, m, k, r, first, last
    cdef Py_ssize_t before, after, size
    cdef Py_ssize_t[::1] addresses = np.empty(N, np.intp)
    cdef Py_ssize_t[::1] shape = np.array([len(U) for U in factors], np.intp)
    cdef const double** A = pointers(factors, addresses)
    cdef Py_ssize_t* sizes = &shape[0]
    cdef floating[::1] KT = np.empty((X.shape[0] + X.shape[1]) * R,
                                     np.float32 if floating is float else np.float64)
    cdef floating* T
    cdef Py_ssize_t most = max(shape), longest = max(X.shape[0] // min(shape[:half]),
                                                     X.shape[1] // min(shape[half:]))
    cdef double[::1] space = np.empty((N + 2) * R * R + 4 * R + most * (R + 1) + 2 * longest * R)
    cdef double* grams = &space[0]
    cdef double* G = grams + N * R * R
    cdef double* room = G + R * R
    cdef double* column = room + R * (R + 4)
    cdef double* M = column + most
    cdef double* left = M + most * R
    cdef double* right = left + longest * R
    cdef double explained = 0
    cdef double* new
    with nogil:
        for n in range(1, N):
            gram(A[n], sizes[n], R, grams + n * R * R)
        for k in range(2):
            first = half if k else 0
            last = N if k else half
            T = &KT[X.shape[1 - k] * R]
            if k:
                khatri_rao(A, sizes, half, R, X.shape[0], column, &KT[0])
            else:
                khatri_rao(A + half, sizes + half, N - half, R, X.shape[1], column, &KT[0])
            multiply(k, &X[0, 0], X.shape[0], X.shape[1], &KT[0], R, T)
            for n in range(first, last):
                size = sizes[n]
                before = product(sizes + first, n - first)
                after = product(sizes + n + 1, last - n - 1)
                khatri_rao(A + first, sizes + first, n - first, R, before, column, left)
                khatri_rao(A + n + 1, sizes + n + 1, last - n - 1, R, after, column, right)
                memset(M, 0, size * R * sizeof(double))
                sums(T, left, right, before, size, after, R, column, M)
                for r in range(R * R):
                    G[r] = 1
                for m in range(N):
                    if m != n:
                        for r in range(R * R):
                            G[r] *= grams[m * R * R + r]
                for r in range(R):
                    G[r * R + r] += ridge
                new = <double*> A[n]
                if n_passes > 0:
                    descend(G, M, new, size, R, n_passes, tol, room)
                else:
                    memcpy(new, M, size * R * sizeof(double))
                    solve(G, new, size, R, room)
                gram(new, size, R, grams + n * R * R)
                if n_passes > 0:
                    revive(new, size, R, grams + n * R * R)
        for r in range(sizes[N - 1] * R):
            explained += 2 * M[r] * A[N - 1][r]
        for r in range(R):
            G[r * R + r] -= ridge
        for r in range(R * R):
            explained -= G[r] * grams[(N - 1) * R * R + r]
    return explained


cdef void revive(double* A, Py_ssize_t n, Py_ssize_t R, double* G) noexcept nogil:
    """Put very little into columns of zeros, which could never come back, and into A'A."""
    cdef Py_ssize_t i, r
    cdef bint any = False
    for r in range(R):
        if G[r * R + r] == 0:
            any = True
            for i in range(n):
                A[i * R + r] = EPSILON
    if any:
        gram(A, n, R, G)


def component_sums(const floating[:, :, :, ::1] T, const double[:, ::1] left,
                   const double[:, ::1] right, double[:, ::1] out):
    """out[i, r] += sum_l left[r, l] sum_q T[r, l, i, q] right[r, q]"""
    cdef double[::1] room = np.empty(T.shape[2])
    with nogil:
        sums(&T[0, 0, 0, 0], &left[0, 0], &right[0, 0], T.shape[1], T.shape[2], T.shape[3],
             T.shape[0], &room[0], &out[0, 0])


def entry_sums(const int64_t[::1] ptr, const int32_t[:, ::1] index, const double[::1] y,
               list factors, double[:, ::1] out):
    """out[i] = sum of y_e z_e over the entries of slice i, z_e the product of the rows named."""
    cdef Py_ssize_t n_factors = len(factors), R = out.shape[1], i, e, k
    cdef Py_ssize_t[::1] addresses = np.empty(n_factors, np.intp)
    cdef const double** others = pointers(factors, addresses)
    cdef double[::1] z = np.empty(R)
    with nogil:
        for i in range(out.shape[0]):
            for k in range(R):
                out[i, k] = 0
            for e in range(ptr[i], ptr[i + 1]):
                skstruct_entry_product(others, &index[e, 0], n_factors, R, &z[0])
                for k in range(R):
                    out[i, k] += y[e] * z[k]


def least_squares(const double[:, ::1] G, double[:, ::1] A):
    """Put for each row of A what the Gram matrix G, which may be singular, maps to it."""
    cdef Py_ssize_t R = A.shape[1]
    cdef double[::1] room = np.empty(R * (R + 4))
    with nogil:
        solve(&G[0, 0], &A[0, 0], A.shape[0], R, &room[0])


def nonnegative_rows(const double[:, ::1] G, const double[:, ::1] M, double[:, ::1] A,
                     Py_ssize_t n_passes, double tol):
    """Lower a'G a / 2 - <m, a> for each row a >= 0 of A and m of M, from where it is."""
    cdef Py_ssize_t R = A.shape[1]
    cdef double[::1] gradient = np.empty(R)
    with nogil:
        descend(&G[0, 0], &M[0, 0], &A[0, 0], A.shape[0], R, n_passes, tol, &gradient[0])


def balance(list factors):
    """Give the columns of a component the same norm in all modes, in place."""
    cdef Py_ssize_t N = len(factors), R = factors[0].shape[1], i, n, r
    cdef double[:, ::1] factor
    cdef double[:, ::1] norms = np.zeros((N, R))
    cdef double share
    for n in range(N):
        factor = factors[n]
        for i in range(factor.shape[0]):
            for r in range(R):
                norms[n, r] += factor[i, r] * factor[i, r]
    for r in range(R):
        share = 0
        for n in range(N):
            share += log(norms[n, r]) / (2 * N)  # -inf where one of them is 0
        for n in range(N):
            norms[n, r] = exp(share) / sqrt(norms[n, r]) if share > -708 else 0.0
    for n in range(N):
        factor = factors[n]
        for i in range(factor.shape[0]):
            for r in range(R):
                factor[i, r] *= norms[n, r]
