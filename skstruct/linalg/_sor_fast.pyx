"""A matrix split into its triangles, sweeps of SOR, and iterations of SSOR-CG (_lib/sor.h).

With D the diagonal of A, all that varies with the row is scaled away once:

SOR:      C = omega D^-1 A = omega I + L + U.  With dx the change of x by a sweep, the residual is
          (D / omega) ((1 - omega) dx - U dx): it costs nothing beside U x for the next sweep.
SSOR-CG:  C = omega D^-1/2 A D^-1/2 = omega I + L + L',  T = I + L.  Conjugate gradients on
          T^-1 C T^-T, of which the SSOR preconditioner of A is a multiple of the identity, with
          T^-1 C T^-T p = t + T^-1 (p - (2 - omega) t), t = T^-T p.
"""

import numpy as np


cdef extern from "sor.h":
    void skstruct_sor_sweep(
        Py_ssize_t n, double omega, const int *start, const int *column, const double *value,
        const double *c, const double *v, double *x, double *change) noexcept nogil
    double skstruct_sor_residual(
        Py_ssize_t n, double omega, const int *start, const int *column, const double *value,
        const double *scale, const double *x, const double *change, double *v) noexcept nogil
    void skstruct_ssor_backward(
        Py_ssize_t n, const int *start, const int *column, const double *value, const double *r,
        double beta, double *p, double *t) noexcept nogil
    double skstruct_ssor_forward(
        Py_ssize_t n, double omega, const int *start, const int *column, const double *value,
        const double *p, const double *t, double *q, double *z) noexcept nogil
    double skstruct_ssor_step(
        Py_ssize_t n, double a, const double *t, const double *q, const double *z,
        const double *scale, double *x, double *r, double *e, double *rho) noexcept nogil


def diagonal(const int[::1] indptr, const int[::1] indices, const double[::1] data):
    """Return the diagonal, and where the upper triangle begins in each row."""
    cdef Py_ssize_t i, k, n = indptr.shape[0] - 1
    cdef double[::1] d = np.zeros(n)
    cdef int[::1] middle = np.empty(n, dtype=np.intc)
    with nogil:
        for i in range(n):
            k = indptr[i]
            while k < indptr[i + 1] and indices[k] < i:
                k += 1
            middle[i] = <int> k
            if k < indptr[i + 1] and indices[k] == i:
                d[i] = data[k]
                middle[i] += 1
    return np.asarray(d), np.asarray(middle)


def triangle(const int[::1] first, const int[::1] last, const int[::1] indices,
             const double[::1] data, const double[::1] left, const double[::1] right):
    """Return entries first[i] .. last[i] - 1 of each row, times left[i] and right[column]."""
    cdef Py_ssize_t i, k, n = first.shape[0], size = 0
    cdef int[::1] start = np.zeros(n + 1, dtype=np.intc)
    for i in range(n):
        start[i + 1] = start[i] + last[i] - first[i]
    cdef int[::1] column = np.empty(start[n], dtype=np.intc)
    cdef double[::1] value = np.empty(start[n])
    with nogil:
        for i in range(n):
            for k in range(first[i], last[i]):
                column[size] = indices[k]
                value[size] = left[i] * data[k] * right[indices[k]]
                size += 1
    return np.asarray(start), np.asarray(column), np.asarray(value)


def relax(lower, upper, double omega, const double[::1] c, const double[::1] scale,
          double[::1] x, double tol, Py_ssize_t maxiter):
    """Sweep over x until the residual times scale / (D / omega) has norm tol, and count."""
    cdef const int[::1] l_start = lower[0], l_column = lower[1]
    cdef const int[::1] u_start = upper[0], u_column = upper[1]
    cdef const double[::1] l_value = lower[2], u_value = upper[2]
    cdef Py_ssize_t n = x.shape[0], n_sweeps = 0
    cdef double[::1] v = np.zeros(n), change = np.zeros(n)
    cdef double norm = 2 * tol * tol
    with nogil:
        skstruct_sor_residual(n, omega, &u_start[0], &u_column[0], &u_value[0], &scale[0], &x[0],
                              &change[0], &v[0])  # v = U x
        while n_sweeps < maxiter and not (n_sweeps and norm <= tol * tol):
            skstruct_sor_sweep(n, omega, &l_start[0], &l_column[0], &l_value[0], &c[0], &v[0],
                               &x[0], &change[0])
            norm = skstruct_sor_residual(n, omega, &u_start[0], &u_column[0], &u_value[0],
                                         &scale[0], &x[0], &change[0], &v[0])
            n_sweeps += 1
    return n_sweeps, norm <= tol * tol


def conjugate_gradients(lower, upper, double omega, const double[::1] scale, double[::1] x,
                        double[::1] e, double tol, Py_ssize_t maxiter):
    """Change x, whose scaled residual is e, until e times scale has norm tol.

    Return the number of iterations, whether that was reached, and the last p'Cp.
    """
    cdef const int[::1] l_start = lower[0], l_column = lower[1]
    cdef const int[::1] u_start = upper[0], u_column = upper[1]
    cdef const double[::1] l_value = lower[2], u_value = upper[2]
    cdef Py_ssize_t n = x.shape[0], n_iter = 0
    cdef double[:, ::1] work = np.zeros((5, n))
    cdef double[::1] p = work[0], t = work[1], q = work[2], z = work[3], r = work[4]
    cdef double norm, rho, rho_before, beta = 0, product = 1
    with nogil:
        skstruct_ssor_forward(n, omega, &l_start[0], &l_column[0], &l_value[0], &e[0], &t[0],
                              &r[0], &z[0])  # r = T^-1 e
        norm = skstruct_ssor_step(n, 0, &t[0], &q[0], &z[0], &scale[0], &x[0], &r[0], &e[0], &rho)
        while n_iter < maxiter and not norm <= tol * tol:
            skstruct_ssor_backward(n, &u_start[0], &u_column[0], &u_value[0], &r[0], beta, &p[0],
                                   &t[0])
            product = skstruct_ssor_forward(n, omega, &l_start[0], &l_column[0], &l_value[0],
                                            &p[0], &t[0], &q[0], &z[0])
            if not product > 0:
                break
            rho_before = rho
            norm = skstruct_ssor_step(n, rho / product, &t[0], &q[0], &z[0], &scale[0], &x[0],
                                      &r[0], &e[0], &rho)
            beta = rho / rho_before
            n_iter += 1
    return n_iter, norm <= tol * tol, product
