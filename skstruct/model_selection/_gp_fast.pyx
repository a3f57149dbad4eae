"""The Gaussian process of the sampler: hyper-parameters and expected improvement.

n results z at points in [0, 1]^d, covariance s2 (k + noise I), constant mean m. With m and s2 at
their optimum for given theta = (ln l_1, ..., ln l_d, ln noise), minus the log posterior is

    f = n/2 ln s2 + sum_i ln L_ii + 1/2 sum_j ((theta_j - center_j) / width_j)^2
    L L' = k + noise I,  a = (k + noise I)^-1 (z - m),  s2 = (z - m)' a / n

    df/dtheta = 1/2 tr(W dK/dtheta) + prior,  W = (k + noise I)^-1 - a a' / s2

The squared differences of the points are packed lower triangles, a row appended per result. Rows
of a C-ordered lower triangle are columns of LAPACK's upper one, hence uplo = "U".
"""

from libc.math cimport M_PI, M_SQRT1_2, erfc, exp, fabs, log, log1p, sqrt
from scipy.linalg.cython_blas cimport dtrsm
from scipy.linalg.cython_lapack cimport dpotrf, dpotri, dpotrs
from scipy.special.cython_special cimport erfcx

cdef extern from "matern.h":
    void skstruct_matern52(
        const double *D, Py_ssize_t stride, int d, const double *weights, double *k, double *g,
        Py_ssize_t n) noexcept nogil
    void skstruct_matern52_cross(
        const double *points, Py_ssize_t stride, int d, const char *categorical, const double *x,
        const double *weights, double *k, Py_ssize_t n) noexcept nogil
    double skstruct_dot(const double *a, const double *b, Py_ssize_t n) noexcept nogil
    void skstruct_weigh_triangle(
        double *g, const double *inverse, Py_ssize_t ld, const double *a, double scale,
        Py_ssize_t n) noexcept nogil

cdef enum:
    TILE = 64
cdef double JITTER = 1e-6
cdef double LOG_SQRT_2PI = 0.5 * log(2.0 * M_PI)
cdef double SQRT_HALF_PI = sqrt(0.5 * M_PI)


def append_differences(
    const double[:, ::1] points, const char[::1] categorical, Py_ssize_t n, double[:, ::1] D
):
    """Write row n of the packed squared differences; points has a coordinate a row."""
    cdef Py_ssize_t i, j, start = n * (n + 1) // 2
    cdef double difference
    with nogil:
        for j in range(points.shape[0]):
            for i in range(n + 1):
                difference = points[j, i] - points[j, n]
                if categorical[j]:
                    D[j, start + i] = difference != 0.0
                else:
                    D[j, start + i] = difference * difference


cdef int _factorize(
    const double[:, ::1] D, const double *theta, int n, double *weights, double[:, ::1] K,
    double *packed, double *slope
) noexcept nogil:
    """Write weights, and the Cholesky factor of k + noise I in the lower triangle of K."""
    cdef int d = <int> D.shape[0], ld = <int> K.shape[1], info
    cdef Py_ssize_t i, k, pairs = <Py_ssize_t> n * (n + 1) // 2
    cdef double *source = packed
    cdef double diagonal = 1.0 + exp(theta[d]) + JITTER
    for i in range(d):
        weights[i] = 5.0 * exp(-2.0 * theta[i])
    skstruct_matern52(&D[0, 0], D.shape[1], d, weights, packed, slope, pairs)
    for i in range(n):
        for k in range(i):
            K[i, k] = source[k]
        K[i, i] = diagonal
        source += i + 1
    dpotrf(b"U", &n, &K[0, 0], &ld, &info)
    return info


cdef int _profile(
    double[:, ::1] K, const double *z, int n, double *alpha, double *ones, double *mean,
    double *scale
) noexcept nogil:
    """Solve for alpha = (k + noise I)^-1 (z - mean); ones is work and follows alpha in memory."""
    cdef int ld = <int> K.shape[1], two = 2, info
    cdef Py_ssize_t i
    cdef double total_z = 0.0, total = 0.0
    for i in range(n):
        alpha[i] = z[i]
        ones[i] = 1.0
    dpotrs(b"U", &n, &two, &K[0, 0], &ld, alpha, &n, &info)
    for i in range(n):
        total_z += alpha[i]
        total += ones[i]
    mean[0] = total_z / total
    for i in range(n):
        alpha[i] -= mean[0] * ones[i]
    scale[0] = skstruct_dot(alpha, z, n) / n  # sum(alpha) = 0, so z may stand for z - mean
    return info


def negative_log_posterior(
    const double[::1] theta, const double[:, ::1] D, const double[::1] z,
    const double[:, ::1] prior, double[:, ::1] K, double[:, ::1] work, double[::1] gradient
):
    """Return f, and write its gradient.

    ``prior`` has the centers and the widths of theta as rows, ``K`` is work of at least (n, n) and
    ``work`` of at least (2, n (n + 1) / 2 + 3 n).
    """
    cdef int n = <int> z.shape[0], d = <int> D.shape[0], ld = <int> K.shape[1], info
    cdef Py_ssize_t i, pairs = z.shape[0] * (z.shape[0] + 1) // 2
    cdef double *slope = &work[0, 0]
    cdef double *packed = &work[1, 0]
    cdef double *alpha = packed  # the packed kernel is used up before alpha is written
    cdef double *weights = &gradient[0]
    cdef double mean, scale, f = 0.0, trace, weight, offset
    with nogil:
        info = _factorize(D, &theta[0], n, weights, K, packed, slope)
        if info == 0:
            info = _profile(K, &z[0], n, alpha, alpha + n, &mean, &scale)
            f = 0.5 * n * log(scale)
            for i in range(n):
                f += log(K[i, i])
            dpotri(b"U", &n, &K[0, 0], &ld, &info)
            skstruct_weigh_triangle(slope, &K[0, 0], ld, alpha, 1.0 / scale, n)
            trace = 0.0
            for i in range(n):
                trace += K[i, i] - alpha[i] * alpha[i] / scale
            # Half the trace is the sum over the lower triangle: D is 0 on the diagonal.
            for i in range(d):
                gradient[i] = weights[i] * skstruct_dot(slope, &D[i, 0], pairs)
            gradient[d] = 0.5 * exp(theta[d]) * trace
            for i in range(d + 1):
                weight = 1.0 / (prior[1, i] * prior[1, i])
                offset = theta[i] - prior[0, i]
                f += 0.5 * weight * offset * offset
                gradient[i] += weight * offset
    if info != 0:
        raise ArithmeticError(f"The covariance is not positive definite (LAPACK info {info}).")
    return f


def condition(
    const double[::1] theta, const double[:, ::1] points, const char[::1] categorical,
    const double[:, ::1] D, const double[::1] z, const double[:, ::1] pending,
    double[:, ::1] K, double[:, ::1] work, double[::1] weights, double[::1] alpha,
    double[::1] fitted
):
    """Factorize the covariance of the results and of the pending points after them, and solve.

    A pending point is believed to score its posterior mean. That leaves the mean function as it
    is, alpha being 0 there, and only narrows the variance. Writes the factor into ``K``,
    ``weights``, ``alpha``, and the posterior means at the results and the pending points into
    ``fitted``; returns (mean, scale).
    """
    cdef int n = <int> z.shape[0], d = <int> D.shape[0], total = n + <int> pending.shape[0], info
    cdef Py_ssize_t i
    cdef double *solved = &work[0, 0]
    cdef double *k = solved + 2 * n
    cdef double mean, scale, noise
    with nogil:
        info = _factorize(D, &theta[0], total, &weights[0], K, &work[1, 0], NULL)
        if info == 0:
            info = _profile(K, &z[0], n, solved, solved + n, &mean, &scale)
            noise = exp(theta[d]) + JITTER
            for i in range(n):
                alpha[i] = solved[i]
                fitted[i] = z[i] - noise * alpha[i]
            for i in range(n, total):
                skstruct_matern52_cross(
                    &points[0, 0], points.shape[1], d, &categorical[0], &pending[i - n, 0],
                    &weights[0], k, n)
                fitted[i] = mean + skstruct_dot(k, &alpha[0], n)
                alpha[i] = 0.0
    if info != 0:
        raise ArithmeticError(f"The covariance is not positive definite (LAPACK info {info}).")
    return mean, scale


def predict(
    const double[:, ::1] candidates, const double[:, ::1] points, const char[::1] categorical,
    const double[:, ::1] K, const double[::1] weights, const double[::1] alpha, double mean,
    double scale, double[:, ::1] tile, double[::1] mu, double[::1] sigma
):
    """Write the posterior means and standard deviations at candidates, after :func:`condition`.

    ``alpha`` has one entry for each of the n conditioned points; ``tile`` is work of (TILE, n).
    """
    cdef int n = <int> alpha.shape[0], d = <int> points.shape[0], ld = <int> K.shape[1], m
    cdef Py_ssize_t start = 0, c
    cdef double one = 1.0
    cdef double *k
    with nogil:
        while start < candidates.shape[0]:
            m = <int> min(TILE, candidates.shape[0] - start)
            for c in range(m):
                k = &tile[0, 0] + c * n
                skstruct_matern52_cross(
                    &points[0, 0], points.shape[1], d, &categorical[0],
                    &candidates[start + c, 0], &weights[0], k, n)
                mu[start + c] = mean + skstruct_dot(k, &alpha[0], n)
            dtrsm(b"L", b"U", b"T", b"N", &n, &m, &one, <double*> &K[0, 0], &ld,
                  &tile[0, 0], &n)
            for c in range(m):
                k = &tile[0, 0] + c * n
                sigma[start + c] = sqrt(scale * max(1.0 - skstruct_dot(k, k, n), 1e-12))
            start += TILE


cdef double _log_improvement(double z) noexcept nogil:
    """ln(phi(z) + z Phi(z)), without cancellation for z far below 0."""
    if z > -1.0:
        return log(exp(-0.5 * z * z - LOG_SQRT_2PI) + 0.5 * z * erfc(-z * M_SQRT1_2))
    if z > -1e3:
        return -0.5 * z * z - LOG_SQRT_2PI + log1p(z * SQRT_HALF_PI * erfcx(-z * M_SQRT1_2))
    return -0.5 * z * z - LOG_SQRT_2PI - 2.0 * log(fabs(z))


def log_expected_improvement(
    const double[::1] mu, const double[::1] sigma, double best, double[::1] out
):
    """Write ln EI over best of normal variables with means mu and standard deviations sigma."""
    cdef Py_ssize_t c
    with nogil:
        for c in range(mu.shape[0]):
            out[c] = log(sigma[c]) + _log_improvement((mu[c] - best) / sigma[c])


def log_improvement(double z):
    """Return ln(phi(z) + z Phi(z)), the ln EI of a standard normal over -z."""
    return _log_improvement(z)
