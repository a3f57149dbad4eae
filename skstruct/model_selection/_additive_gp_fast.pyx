"""The additive Gaussian process over cliques: the likelihood and its gradient.

n results z at points in [0, 1]^d, covariance s2 (k + noise I), mean 0, and m cliques c of one or
two coordinates each,

    k(x, x') = 1/m sum_c k_c,  k_c = exp(-sum_{i in c} rates_i D_i),  D_i = min((x_i - x'_i)^2, 1)

With s2 at its optimum for given rates and noise, minus the log likelihood is

    f = n/2 ln s2 + sum_i ln L_ii,  L L' = k + noise I,  a = (k + noise I)^-1 z,  s2 = z' a / n
    df/dt = 1/2 tr(W dK/dt),        W = (k + noise I)^-1 - a a' / s2

Rows of a C-ordered lower triangle are columns of LAPACK's upper one, hence uplo = "U".
"""

from libc.math cimport log
from scipy.linalg.cython_lapack cimport dpotrf, dpotri, dpotrs, dtrtri

cdef extern from "additive_kernel.h":
    void skstruct_additive_row(
        const double *points, Py_ssize_t stride, const double *x, Py_ssize_t x_stride,
        const double *rates, const int *cliques, int n_cliques,
        double *k, Py_ssize_t n) noexcept nogil
    void skstruct_additive_slope(
        const double *points, Py_ssize_t stride, const double *x, Py_ssize_t x_stride,
        const double *rates, const int *cliques, int n_cliques,
        const double *w, double *slope, Py_ssize_t n) noexcept nogil

cdef enum:
    PADDING = 8

cdef int _factorize(
    const double[:, ::1] points, const double[::1] rates,
    double noise, const int[:, ::1] cliques, int n, double[:, ::1] K
) noexcept nogil:
    """Write the Cholesky factor of k + noise I in the lower triangle of K."""
    cdef int m = <int> cliques.shape[0], ld = <int> K.shape[1], info
    cdef Py_ssize_t p, q, stride = points.shape[1]
    for p in range(n):
        skstruct_additive_row(
            &points[0, 0], stride, &points[0, p], stride, &rates[0],
            &cliques[0, 0], m, &K[p, 0], p)
        for q in range(p):
            K[p, q] /= m
        K[p, p] = 1.0 + noise
    dpotrf(b"U", &n, &K[0, 0], &ld, &info)
    return info


cdef double _solve(const double[::1] z, double[:, ::1] K, double[::1] alpha) noexcept nogil:
    """Write alpha = (k + noise I)^-1 z from the factor of K; return the scale s2."""
    cdef int n = <int> z.shape[0], ld = <int> K.shape[1], one = 1, info
    cdef Py_ssize_t p
    cdef double scale = 0.0
    alpha[:n] = z
    dpotrs(b"U", &n, &one, &K[0, 0], &ld, &alpha[0], &n, &info)
    for p in range(n):
        scale += alpha[p] * z[p] / n
    return scale


def negative_log_likelihood(
    const double[:, ::1] points, const double[::1] rates,
    double noise, const int[:, ::1] cliques, const double[::1] z, double[:, ::1] K,
    double[::1] alpha, double[::1] slope
):
    """Return f, and write its derivatives by the rates, and by the noise behind them.

    Parameters
    ----------
    points : ndarray of shape (d, capacity)
        A coordinate a row; capacity is a multiple of 8.
    rates : ndarray of shape (d,)
        Of the kernels of the coordinates.
    noise : float
        Relative to the scale.
    cliques : ndarray of shape (m, 2), dtype=int32
        Coordinates of each clique; -1 behind a single one.
    z : ndarray of shape (n,)
        Results at the first n points.
    K, alpha : ndarray of shape (capacity, capacity) and (capacity,)
        Work.
    slope : ndarray of shape (d + 1,)
        Written.
    """
    cdef int n = <int> z.shape[0], m = <int> cliques.shape[0], d = <int> rates.shape[0]
    cdef int ld = <int> K.shape[1], info
    cdef Py_ssize_t p, q, i, stride = points.shape[1]
    cdef double scale, weight, f = 0.0
    with nogil:
        info = _factorize(points, rates, noise, cliques, n, K)
        if info == 0:
            scale = _solve(z, K, alpha)
            f = 0.5 * n * log(scale)
            for p in range(n):
                f += log(K[p, p])
            dpotri(b"U", &n, &K[0, 0], &ld, &info)
            slope[:] = 0.0
            for p in range(n):
                weight = alpha[p] / scale
                for q in range(p + 1):
                    K[p, q] -= weight * alpha[q]
                slope[d] += 0.5 * K[p, p]
                for q in range(p, min(p + PADDING, K.shape[1])):
                    K[p, q] = 0.0
                # Half the trace is the sum over the lower triangle: D is 0 on the diagonal.
                skstruct_additive_slope(
                    &points[0, 0], stride, &points[0, p], stride, &rates[0],
                    &cliques[0, 0], m, &K[p, 0], &slope[0], p)
            for i in range(d):
                slope[i] /= -m
    if info != 0:
        raise ArithmeticError(f"The covariance is not positive definite (LAPACK info {info}).")
    return f


def condition(
    const double[:, ::1] points, const double[::1] rates,
    double noise, const int[:, ::1] cliques, const double[::1] z, Py_ssize_t n_pending,
    double[:, ::1] K, double[::1] alpha
):
    """Factorize the covariance of the results and of the pending points behind them, and solve.

    A pending point is believed to score its posterior mean: alpha is 0 there, and the variance
    narrows. Writes L^-1 into ``K``, and ``alpha``; returns the scale s2.
    """
    cdef int n = <int> z.shape[0], total = n + <int> n_pending, ld = <int> K.shape[1], info
    cdef double scale = 0.0
    with nogil:
        info = _factorize(points, rates, noise, cliques, total, K)
        if info == 0:
            scale = _solve(z, K, alpha)
            alpha[n:total] = 0.0
            dtrtri(b"U", b"N", &total, &K[0, 0], &ld, &info)
    if info != 0:
        raise ArithmeticError(f"The covariance is not positive definite (LAPACK info {info}).")
    return scale
