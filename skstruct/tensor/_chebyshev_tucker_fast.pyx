"""Values of functions in Tucker form, and normal equations of their parts, by blocks of points.

The function is sum_r G[r_0, ..., r_{d-1}] prod_k u^k_{r_k}(x_k), where u^k = T(x_k) C_k and T are
Chebyshev polynomials.  For a block of points, which lie contiguous:

    T (n_k, block)      by the recurrence of three terms
    V_k = C_k' T        one gemm for each mode
    P = G V_{d-1}       one gemm; the other modes are contracted point by point, last first

Contraction may stop before the first mode: what is left, h (R_0, block), is how the value depends
on u^0, and T (x) h is the design of C_0.  The design of G is the product of all V_k.  Designs are
summed to normal equations block by block and never held for all points.
"""

from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport dgemm, dgemv, dsyrk

import numpy as np


cdef extern from "point_blocks.h" nogil:
    void skstruct_chebyshev_rows(const double* t, Py_ssize_t n_points, Py_ssize_t n_rows,
                                 double* T)
    void skstruct_contract_rows(const double* P, const double* V, Py_ssize_t L, Py_ssize_t R,
                                Py_ssize_t n_points, double* out)
    void skstruct_outer_rows(const double* P, const double* V, Py_ssize_t L, Py_ssize_t R,
                             Py_ssize_t n_points, double* out)


cdef enum:
    BLOCK = 64             # points whose values are computed together
    DESIGN_BLOCK = 256     # points whose design is


cdef void load(const floating* X, Py_ssize_t stride, Py_ssize_t n_points, double center,
               double half, double* t) noexcept nogil:
    """t = a column of X, brought to [-1, 1] and cut off there"""
    cdef Py_ssize_t b
    for b in range(n_points):
        t[b] = min(max((X[b * stride] - center) / half, -1.0), 1.0)


cdef void multiply(bint transpose, int m, int n, int k, const double* A, const double* B,
                   double* C) noexcept nogil:
    """C = A B or A' B, all in C order, C of shape (m, n)."""
    cdef double one = 1, zero = 0
    cdef int lda = m if transpose else k
    dgemm("N", "T" if transpose else "N", &n, &m, &k, &one, <double*> B, &n, <double*> A, &lda,
          &zero, C, &n)


cdef void mode_values(const double* t, Py_ssize_t n_points, Py_ssize_t n, Py_ssize_t R,
                      const double* C, double* T, double* V) noexcept nogil:
    skstruct_chebyshev_rows(t, n_points, n, T)
    multiply(True, R, n_points, n, C, T, V)


cdef double* contract(const double* core, const int64_t* rank, const Py_ssize_t* start,
                      const double* V, Py_ssize_t n_modes, Py_ssize_t n_left, Py_ssize_t size,
                      Py_ssize_t n_points, double* P, double* Q) noexcept nogil:
    """Contract the core with V of all modes but the first n_left; return P or Q, which has it."""
    cdef Py_ssize_t k = n_modes - 1
    cdef double* swap
    size //= rank[k]
    multiply(False, size, n_points, rank[k], core, V + start[k] * n_points, P)
    for k in range(n_modes - 2, n_left - 1, -1):
        size //= rank[k]
        skstruct_contract_rows(P, V + start[k] * n_points, size, rank[k], n_points, Q)
        swap = P
        P = Q
        Q = swap
    return P


def evaluate(const floating[:, ::1] X, const double[::1] center, const double[::1] half,
             const double[::1] factors, const int64_t[::1] n, const int64_t[::1] rank,
             const double[::1] core, double intercept, floating[::1] out):
    """out = values at the rows of X; factors: C_k of shape (n[k], rank[k]), one after another."""
    cdef Py_ssize_t n_modes = X.shape[1], n_samples = X.shape[0], first = 0, n_points, k, b, at
    cdef Py_ssize_t[::1] start = np.concatenate(([0], np.cumsum(rank))).astype(np.intp)
    cdef double[::1] T = np.empty((np.max(n) + 1) * BLOCK)
    cdef double[::1] V = np.empty(start[n_modes] * BLOCK)
    cdef double[::1] P = np.empty((core.shape[0] // rank[n_modes - 1] + 1) * BLOCK)
    cdef double[::1] Q = np.empty_like(P)
    cdef double* t = &T[0]
    cdef double* value
    with nogil:
        while first < n_samples:
            n_points = min(<Py_ssize_t> BLOCK, n_samples - first)
            at = 0
            for k in range(n_modes):
                load(&X[first, k], n_modes, n_points, center[k], half[k], t)
                mode_values(t, n_points, n[k], rank[k], &factors[at], t + BLOCK,
                            &V[start[k] * n_points])
                at += n[k] * rank[k]
            value = contract(&core[0], &rank[0], &start[0], &V[0], n_modes, 0, core.shape[0],
                             n_points, &P[0], &Q[0])
            for b in range(n_points):
                out[first + b] = <floating> (intercept + value[b])
            first += n_points


def normal_equations(const double[:, ::1] X, const int64_t[::1] modes, const double[::1] y,
                     const double[::1] weight, const double[::1] factors, const int64_t[::1] n,
                     const int64_t[::1] rank, const double[::1] core, bint of_core,
                     double[:, ::1] A, double[::1] b):
    """A = Phi' W Phi, its lower triangle, and b = Phi' W y, for C of the first mode or the core.

    X, in [-1, 1], has a column for each mode; factors, n, rank and core are in the order of
    `modes`, which says which column belongs to each.
    """
    cdef Py_ssize_t n_modes = modes.shape[0], n_samples = X.shape[0], size = core.shape[0]
    cdef Py_ssize_t first = 0, n_points, i, j, k, at, width
    cdef Py_ssize_t[::1] start = np.concatenate(([0], np.cumsum(rank))).astype(np.intp)
    cdef double[::1] T = np.empty((np.max(n) + 1) * DESIGN_BLOCK)
    cdef double[::1] V = np.empty(start[n_modes] * DESIGN_BLOCK)
    cdef double[::1] P = np.empty(max(size, b.shape[0]) * DESIGN_BLOCK)
    cdef double[::1] Q = np.empty_like(P)
    cdef double[::1] target = np.empty(DESIGN_BLOCK)
    cdef double* t = &T[0]
    cdef double* h
    cdef double* design
    cdef double one = 1, beta = 0, root
    cdef int n_columns = <int> b.shape[0], n_rows, step = 1
    with nogil:
        while first < n_samples:
            n_points = min(<Py_ssize_t> DESIGN_BLOCK, n_samples - first)
            at = factors.shape[0]
            for k in range(n_modes - 1, -1, -1):  # the first mode last: T is then its own
                at -= n[k] * rank[k]
                load(&X[first, modes[k]], X.shape[1], n_points, 0, 1, t)
                mode_values(t, n_points, n[k], rank[k], &factors[at], t + DESIGN_BLOCK,
                            &V[start[k] * n_points])
            h, design = &P[0], &Q[0]
            if of_core:
                width = rank[0]
                for i in range(width * n_points):
                    design[i] = V[i]
                for k in range(1, n_modes):
                    h, design = design, h
                    skstruct_outer_rows(h, &V[start[k] * n_points], width, rank[k], n_points,
                                        design)
                    width *= rank[k]
            else:
                if n_modes == 1:
                    for i in range(rank[0]):
                        for j in range(n_points):
                            h[i * n_points + j] = core[i]
                else:
                    h = contract(&core[0], &rank[0], &start[0], &V[0], n_modes, 1, size, n_points,
                                 &P[0], &Q[0])
                design = &Q[0] if h == &P[0] else &P[0]
                skstruct_outer_rows(t + DESIGN_BLOCK, h, n[0], rank[0], n_points, design)
            for j in range(n_points):
                root = sqrt(weight[first + j])
                target[j] = root * y[first + j]
                t[j] = root
            for i in range(n_columns):
                for j in range(n_points):
                    design[i * n_points + j] *= t[j]
            n_rows = <int> n_points
            dsyrk("U", "T", &n_columns, &n_rows, &one, design, &n_rows, &beta, &A[0, 0],
                  &n_columns)
            dgemv("T", &n_rows, &n_columns, &one, design, &n_rows, &target[0], &step, &beta,
                  &b[0], &step)
            beta = 1
            first += n_points
