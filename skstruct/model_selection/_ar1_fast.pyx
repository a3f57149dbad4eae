"""One Gaussian process for a function and its cheap versions: density, posterior, leave-one-out.

n results z at points x_i in [0, 1]^d, each of a level t_i in 0 ... L - 1, the last one being the
function itself. A level is a multiple of the one below plus a process of its own:

    z = m_t + f_t + noise,  f_t = rho_{t-1} f_{t-1} + delta_t,  delta_j ~ sigma_j^2 kappa_j
    cov(f_s, f_t) = sum_{j <= s, t} W[s, j] W[t, j] sigma_j^2 kappa_j,  sigma_0 = 1
                  = A[s, t] kappa_0 + B[s, t] kappa_1,  W[t, j] = rho_j ... rho_{t-1}

as kappa_j, j >= 1, have the length scales of kappa_0 times one c. All is times a scale s2, which,
like the means m_t of the levels that have results, is at its optimum for given

    theta = (ln l_1 ..., ln c, rho_0 ..., ln sigma_1^2 ..., ln noise_0 ...)

With K = cov + noise, alpha = K^-1 (z - m) and V = K^-1 - alpha alpha' / s2 the gradient of minus
the log density is 1/2 tr(V dK/dtheta); for rho and sigma the sums of V kappa_0 and V kappa_1 by
pairs of levels are all that it takes.

Rows of a C-ordered lower triangle are columns of LAPACK's upper one, hence uplo = "U".
"""

import numpy as np

from libc.math cimport M_PI, exp, log, sqrt
from libc.string cimport memset
from scipy.linalg.cython_blas cimport dtrsm
from scipy.linalg.cython_lapack cimport dposv, dpotrf, dpotri, dpotrs

cdef extern from "ar1.h":
    void skstruct_matern52(
        const double *D, Py_ssize_t stride, int d, const double *weights, double *k, double *g,
        Py_ssize_t n) noexcept nogil
    void skstruct_matern52_cross(
        const double *points, Py_ssize_t stride, int d, const char *categorical, const double *x,
        const double *weights, double *k, Py_ssize_t n) noexcept nogil
    double skstruct_dot(const double *a, const double *b, Py_ssize_t n) noexcept nogil
    void skstruct_ar1_mix(
        const double *a, const double *b, const double *k0, const double *k1, double *k,
        Py_ssize_t n) noexcept nogil
    void skstruct_ar1_weigh(
        const double *inverse, const double *alpha, double weight, const double *a,
        const double *b, const double *k0, const double *k1, double *g0, double *g1,
        double *sum0, double *sum1, Py_ssize_t n) noexcept nogil

cdef enum:
    TILE = 64
cdef double JITTER = 1e-6
cdef double LOG_2PI = log(2.0 * M_PI)


cdef class Room:
    """Room to compute in, for n points of L levels in d dimensions."""

    cdef int n, L, d
    cdef double[::1] memory
    cdef double *K                        # (n, n): the covariance, its factor, its inverse
    cdef double *k0, *k1, *g0, *g1        # lower triangles of the two kernels and their slopes
    cdef double *a, *b, *sum0, *sum1      # (L, n): A, B and sums of V kappa, by level and point
    cdef double *alpha, *ones             # (n), (L, n): K^-1 times z - m, and times indicators
    cdef double *W, *A, *B, *S0, *S1      # (L, L): S0 and S1 are the sums of V kappa
    cdef double *normal, *means           # (L, L), (L)
    cdef double *w0, *w1, *x              # (d): 5 / l^2, 5 / (c l)^2, a point

    def __init__(self, int n, int L, int d):
        cdef Py_ssize_t m = n, pairs = m * (m + 1) // 2, row = L * m, table = L * L
        self.n, self.L, self.d = n, L, d
        self.memory = np.empty(m * m + 4 * pairs + 5 * row + m + 6 * table + L + 3 * d + 1)
        self.K = &self.memory[0]
        self.k0 = self.K + m * m
        self.k1, self.g0, self.g1 = self.k0 + pairs, self.k0 + 2 * pairs, self.k0 + 3 * pairs
        self.a = self.k0 + 4 * pairs
        self.b, self.sum0, self.sum1 = self.a + row, self.a + 2 * row, self.a + 3 * row
        self.alpha = self.a + 4 * row
        self.ones = self.alpha + m  # one block of right-hand sides
        self.W = self.ones + row
        self.A, self.B, self.S0 = self.W + table, self.W + 2 * table, self.W + 3 * table
        self.S1, self.normal = self.S0 + table, self.S0 + 2 * table
        self.means = self.normal + table
        self.w0 = self.means + L
        self.w1, self.x = self.w0 + d, self.w0 + 2 * d

    cdef double variance(self, const double *theta, int j) noexcept nogil:
        return exp(theta[self.d + self.L - 1 + j]) if j > 0 else 1.0

    cdef double noise(self, const double *theta, int t) noexcept nogil:
        return exp(theta[self.d + 2 * self.L - 1 + t]) + JITTER

    cdef void couple(self, const double *theta) noexcept nogil:
        """Write W, A, B and the weights of the coordinates."""
        cdef int L = self.L, s, t, j
        memset(self.W, 0, 3 * L * L * sizeof(double))
        for t in range(L):
            self.W[t * L + t] = 1.0
            for j in range(t):
                self.W[t * L + j] = theta[self.d + t] * self.W[(t - 1) * L + j]
        for s in range(L):
            for t in range(L):
                self.A[s * L + t] = self.W[s * L] * self.W[t * L]
                for j in range(1, L):
                    self.B[s * L + t] += (
                        self.W[s * L + j] * self.W[t * L + j] * self.variance(theta, j))
        for j in range(self.d):
            self.w0[j] = 5.0 * exp(-2.0 * theta[j])
            self.w1[j] = self.w0[j] * exp(-2.0 * theta[self.d])

    cdef int factorize(
        self, const double *theta, const double[:, ::1] D, const int[::1] levels, bint slopes
    ) noexcept nogil:
        """Write the kernels, their slopes and the Cholesky factor of the covariance."""
        cdef int n = self.n, L = self.L, t, info
        cdef Py_ssize_t i, start = 0, pairs = self.k1 - self.k0
        self.couple(theta)
        for t in range(L):
            for i in range(n):
                self.a[t * n + i] = self.A[t * L + levels[i]]
                self.b[t * n + i] = self.B[t * L + levels[i]]
        skstruct_matern52(
            &D[0, 0], D.shape[1], self.d, self.w0, self.k0, self.g0 if slopes else NULL, pairs)
        skstruct_matern52(
            &D[0, 0], D.shape[1], self.d, self.w1, self.k1, self.g1 if slopes else NULL, pairs)
        for i in range(n):
            t = levels[i]
            skstruct_ar1_mix(
                self.a + t * n, self.b + t * n, self.k0 + start, self.k1 + start,
                self.K + i * n, i + 1)
            self.K[i * n + i] += self.noise(theta, t)
            start += i + 1
        dpotrf(b"U", &n, self.K, &n, &info)
        return info

    cdef double profile(self, const double[::1] z, const int[::1] levels) noexcept nogil:
        """Write alpha for the results, which are the first points, and means; return s2.

        A level without results has the mean of the nearest one that has any.
        """
        cdef int n = <int> z.shape[0], L = self.L, one = 1, columns = L + 1, t, info
        cdef Py_ssize_t i, nearest
        cdef double *normal = self.normal
        memset(self.ones, 0, L * self.n * sizeof(double))
        memset(normal, 0, (L + 1) * L * sizeof(double))
        for i in range(n):
            self.alpha[i] = z[i]
            self.ones[levels[i] * self.n + i] = 1.0
        dpotrs(b"U", &n, &columns, self.K, &self.n, self.alpha, &self.n, &info)
        for i in range(n):
            self.means[levels[i]] += self.alpha[i]
            for t in range(L):
                normal[levels[i] * L + t] += self.ones[t * self.n + i]
        for t in range(L):
            if normal[t * L + t] == 0.0:
                normal[t * L + t] = 1.0
        dposv(b"U", &L, &one, normal, &L, self.means, &L, &info)
        for t in range(L):
            for i in range(n):
                self.alpha[i] -= self.means[t] * self.ones[t * self.n + i]
        for t in range(L):
            nearest = 0
            for i in range(1, n):
                if abs(levels[i] - t) < abs(levels[nearest] - t):
                    nearest = i
            self.means[t] = self.means[levels[nearest]]
        return skstruct_dot(self.alpha, &z[0], n) / n  # alpha sums to 0 by level: z is z - m

    cdef void differentiate(
        self, const double *theta, const double[:, ::1] D, const int[::1] levels, double scale,
        double *gradient
    ) noexcept nogil:
        """Write 1/2 tr(V dK/dtheta), K being the inverse by now."""
        cdef int n = self.n, L = self.L, d = self.d, s, t, j, r
        cdef Py_ssize_t i, start = 0, pairs = self.k1 - self.k0
        cdef double *S
        cdef double v, own, inner
        memset(self.sum0, 0, 2 * L * n * sizeof(double))
        memset(self.S0, 0, 2 * L * L * sizeof(double))
        memset(gradient, 0, (d + 3 * L - 1) * sizeof(double))
        for i in range(n):  # V below the diagonal, on which the slopes count nothing
            t = levels[i]
            skstruct_ar1_weigh(
                self.K + i * n, self.alpha, self.alpha[i] / scale, self.a + t * n, self.b + t * n,
                self.k0 + start, self.k1 + start, self.g0 + start, self.g1 + start,
                self.sum0 + t * n, self.sum1 + t * n, i)
            v = 0.5 * (self.K[i * n + i] - self.alpha[i] * self.alpha[i] / scale)
            self.S0[t * L + t] += v
            self.S1[t * L + t] += v
            gradient[d + 2 * L - 1 + t] += v * (self.noise(theta, t) - JITTER)
            start += i + 1
        for t in range(L):
            for i in range(n):
                self.S0[t * L + levels[i]] += self.sum0[t * n + i]
                self.S1[t * L + levels[i]] += self.sum1[t * n + i]
        for j in range(d):
            own = self.w1[j] * skstruct_dot(self.g1, &D[j, 0], pairs)
            gradient[j] = own + self.w0[j] * skstruct_dot(self.g0, &D[j, 0], pairs)
            gradient[d] += own
        # 1/2 tr(V K) is the sum of (A S0 + B S1) over all pairs of levels.
        for j in range(L):
            S = self.S1 if j else self.S0
            for s in range(j, L):
                inner = 0.0
                for t in range(j, L):
                    inner += self.W[t * L + j] * (S[s * L + t] + S[t * L + s])
                inner *= self.variance(theta, j)
                if j:
                    gradient[d + L - 1 + j] += 0.5 * inner * self.W[s * L + j]
                for r in range(j, s):  # W[s, j] = W[s, r + 1] rho_r W[r, j]
                    gradient[d + 1 + r] += inner * self.W[s * L + r + 1] * self.W[r * L + j]

    cdef void cross(
        self, const double *x, const double[:, ::1] points, const char[::1] categorical,
        double *k0, double *k1, int n
    ) noexcept nogil:
        """Write both kernels between x and the first n points."""
        skstruct_matern52_cross(
            &points[0, 0], points.shape[1], self.d, &categorical[0], x, self.w0, k0, n)
        skstruct_matern52_cross(
            &points[0, 0], points.shape[1], self.d, &categorical[0], x, self.w1, k1, n)


def negative_log_posterior(
    const double[::1] theta, const double[:, ::1] D, const int[::1] levels, const double[::1] z,
    const double[:, ::1] prior, Room room, double[::1] gradient
):
    """Return n/2 ln s2 + 1/2 ln det K minus the log of the prior, and write the gradient.

    ``prior`` has the centers and the widths of theta as rows.
    """
    cdef int n = room.n, info
    cdef Py_ssize_t i
    cdef double scale, offset, precision, f = 0.0
    with nogil:
        info = room.factorize(&theta[0], D, levels, True)
        if info == 0:
            scale = room.profile(z, levels)
            f = 0.5 * n * log(scale)
            for i in range(n):
                f += log(room.K[i * n + i])
            dpotri(b"U", &n, room.K, &n, &info)
            room.differentiate(&theta[0], D, levels, scale, &gradient[0])
            for i in range(theta.shape[0]):
                precision = 1.0 / (prior[1, i] * prior[1, i])
                offset = theta[i] - prior[0, i]
                f += 0.5 * precision * offset * offset
                gradient[i] += precision * offset
    _check(info)
    return f


def leave_one_out(
    const double[::1] theta, const double[:, ::1] D, const int[::1] levels, const double[::1] z,
    Room room, double[::1] out
):
    """Write the log density of each result given all others, means and scale as they are."""
    cdef int n = room.n, info
    cdef Py_ssize_t i
    cdef double scale, variance, residual
    with nogil:
        info = room.factorize(&theta[0], D, levels, False)
        if info == 0:
            scale = room.profile(z, levels)
            dpotri(b"U", &n, room.K, &n, &info)
            for i in range(n):
                variance = scale / room.K[i * n + i]
                residual = room.alpha[i] / room.K[i * n + i]
                out[i] = -0.5 * (LOG_2PI + log(variance) + residual * residual / variance)
    _check(info)


def condition(
    const double[::1] theta, const double[:, ::1] D, const int[::1] levels, const double[::1] z,
    const double[:, ::1] points, const char[::1] categorical, Room room, double[::1] fitted
):
    """Prepare for :func:`predict` and :func:`covariance`; return s2.

    The points behind the results are pending, and believed to score their posterior means, which
    leaves the mean function as it is. Writes the posterior means at all points, each of its level.
    """
    cdef int n = <int> z.shape[0], total = room.n, info, t, j
    cdef Py_ssize_t i
    cdef double scale = 0.0
    with nogil:
        info = room.factorize(&theta[0], D, levels, False)
        if info == 0:
            scale = room.profile(z, levels)
            for i in range(n):
                fitted[i] = z[i] - room.noise(&theta[0], levels[i]) * room.alpha[i]
            for i in range(n, total):
                for j in range(room.d):
                    room.x[j] = points[j, i]
                t = levels[i]
                room.cross(room.x, points, categorical, room.k0, room.k1, n)
                skstruct_ar1_mix(
                    room.a + t * total, room.b + t * total, room.k0, room.k1, room.k0, n)
                fitted[i] = room.means[t] + skstruct_dot(room.k0, room.alpha, n)
            memset(room.alpha + n, 0, (total - n) * sizeof(double))
    _check(info)
    return scale


def predict(
    const double[:, ::1] candidates, const double[:, ::1] points, const char[::1] categorical,
    Room room, double scale, double[:, ::1] tile, double[::1] mu, double[::1] sigma
):
    """Write posterior means and standard deviations of the top level, after :func:`condition`.

    ``tile`` is work of (TILE + 1, n).
    """
    cdef int n = room.n, L = room.L, top = L - 1, m
    cdef Py_ssize_t start = 0, c
    cdef double one = 1.0, prior = room.A[L * L - 1] + room.B[L * L - 1]
    cdef double *k, *other = &tile[TILE, 0]
    with nogil:
        while start < candidates.shape[0]:
            m = <int> min(TILE, candidates.shape[0] - start)
            for c in range(m):
                k = &tile[c, 0]
                room.cross(&candidates[start + c, 0], points, categorical, k, other, n)
                skstruct_ar1_mix(room.a + top * n, room.b + top * n, k, other, k, n)
                mu[start + c] = room.means[top] + skstruct_dot(k, room.alpha, n)
            dtrsm(b"L", b"U", b"T", b"N", &n, &m, &one, room.K, &n, &tile[0, 0], &n)
            for c in range(m):
                k = &tile[c, 0]
                sigma[start + c] = sqrt(scale * max(prior - skstruct_dot(k, k, n), 1e-12 * prior))
            start += TILE


def covariance(
    const double[::1] x, const double[:, ::1] points, const char[::1] categorical, Room room,
    double[:, ::1] tile, double[:, ::1] out
):
    """Write the covariance of all levels at x in units of s2; ``tile`` is work of (L + 2, n)."""
    cdef int n = room.n, L = room.L, s, t
    cdef double one = 1.0
    cdef double *k = &tile[L, 0]
    with nogil:
        room.cross(&x[0], points, categorical, k, k + n, n)
        for t in range(L):
            skstruct_ar1_mix(room.a + t * n, room.b + t * n, k, k + n, &tile[t, 0], n)
        dtrsm(b"L", b"U", b"T", b"N", &n, &L, &one, room.K, &n, &tile[0, 0], &n)
        for s in range(L):
            for t in range(L):
                out[s, t] = (
                    room.A[s * L + t] + room.B[s * L + t]
                    - skstruct_dot(&tile[s, 0], &tile[t, 0], n))


def _check(int info):
    if info != 0:
        raise ArithmeticError(f"The covariance is not positive definite (LAPACK info {info}).")
