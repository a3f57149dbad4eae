"""Chains of functions with a Matern prior, filtered and smoothed.

The state of R independent functions at a coordinate is s = (f, f' / L), or f alone for nu = 1/2,
each part R numbers, with prior N(0, I). Over a gap, with x = gap / length (nu = 1/2) or
L gap, L = sqrt(3) / length (nu = 3/2), it becomes A s + noise of covariance Q:

    nu = 1/2    A = e^-x                               Q = 1 - e^-2x
    nu = 3/2    A = e^-x [[1 + x, x], [-x, 1 - x]]     Q = I - A A'

At a knot the message exp(-f' Lambda f / 2 + eta' f) is absorbed, without the inverse of Lambda,
which may be singular: (I + Lambda S) [Z, z] = [Lambda, eta - Lambda f], S the covariance of f.

The way back is that of Bryson and Frazier: it carries the gradient l and the negative Hessian H
of the log-likelihood of what lies to the right with respect to the predicted mean, and needs no
inverse at all; the smoothed state is m - P l, P - P H P.  The same step serves any coordinate
between two knots.
"""

from libc.math cimport exp, expm1, fabs, log, sqrt
from libc.stdint cimport int64_t

import numpy as np


cdef struct Step:
    double a, b, c, d      # A
    double p, q, r         # Q: [[p, q], [q, r]]


cdef Step step_over(double gap, double length, bint smooth) noexcept nogil:
    cdef Step step
    cdef double x = min(gap / length, 300.0), decay  # farther knots know nothing of each other
    step.b = step.c = step.d = step.q = step.r = 0
    if not smooth:
        step.a = exp(-x)
        step.p = -expm1(-2 * x)
        return step
    x *= sqrt(3.0)
    decay = exp(-x)
    step.a, step.b = decay * (1 + x), decay * x
    step.c, step.d = -decay * x, decay * (1 - x)
    decay *= decay
    step.q = 2 * x * x * decay
    step.r = -expm1(-2 * x) + decay * (2 * x - 2 * x * x)
    if x < 1e-2:  # the difference would cancel
        step.p = x * x * x * (4.0 / 3 - 2 * x + 8.0 / 5 * x * x)
    else:
        step.p = -expm1(-2 * x) - decay * (2 * x + 2 * x * x)
    return step


cdef void propagate(const Step* step, const double* m, const double* P, Py_ssize_t R, bint smooth,
                    double* m_out, double* P_out) noexcept nogil:
    """The state after a gap; in place is allowed."""
    cdef Py_ssize_t i, j, d = 2 * R if smooth else R
    cdef double a = step.a, b = step.b, c = step.c, e = step.d, f, g, u, v, w, z
    cdef const double* top
    cdef const double* low
    if not smooth:
        for i in range(R):
            m_out[i] = a * m[i]
            for j in range(R):
                P_out[i * R + j] = a * a * P[i * R + j]
            P_out[i * R + i] += step.p
        return
    for i in range(R):
        f, g = m[i], m[R + i]
        m_out[i], m_out[R + i] = a * f + b * g, c * f + e * g
        top, low = P + i * d, P + (R + i) * d
        for j in range(R):
            u, v = a * top[j] + b * low[j], a * top[R + j] + b * low[R + j]
            w, z = c * top[j] + e * low[j], c * top[R + j] + e * low[R + j]
            P_out[i * d + j], P_out[i * d + R + j] = a * u + b * v, c * u + e * v
            P_out[(R + i) * d + j], P_out[(R + i) * d + R + j] = a * w + b * z, c * w + e * z
        P_out[i * d + i] += step.p
        P_out[i * d + R + i] += step.q
        P_out[(R + i) * d + i] += step.q
        P_out[(R + i) * d + R + i] += step.r


cdef void pull_back(const Step* step, const double* l, const double* H, Py_ssize_t R, bint smooth,
                    double* l_out, double* H_out) noexcept nogil:
    """A' l and A' H A."""
    cdef Step turned = step[0]
    turned.b, turned.c = step.c, step.b
    turned.p = turned.q = turned.r = 0
    propagate(&turned, l, H, R, smooth, l_out, H_out)


cdef double solve(double* B, double* X, Py_ssize_t R, Py_ssize_t n) noexcept nogil:
    """X = B^-1 X for n columns, by elimination with pivots; B is lost. Return log |det B|."""
    cdef Py_ssize_t i, j, k, pivot
    cdef double logdet = 0, ratio
    for k in range(R):
        pivot = k
        for i in range(k + 1, R):
            if fabs(B[i * R + k]) > fabs(B[pivot * R + k]):
                pivot = i
        if pivot != k:
            for j in range(k, R):
                B[k * R + j], B[pivot * R + j] = B[pivot * R + j], B[k * R + j]
            for j in range(n):
                X[k * n + j], X[pivot * n + j] = X[pivot * n + j], X[k * n + j]
        logdet += log(fabs(B[k * R + k]))
        for i in range(k + 1, R):
            ratio = B[i * R + k] / B[k * R + k]
            for j in range(k + 1, R):
                B[i * R + j] -= ratio * B[k * R + j]
            for j in range(n):
                X[i * n + j] -= ratio * X[k * n + j]
    for k in range(R - 1, -1, -1):
        for j in range(n):
            for i in range(k + 1, R):
                X[k * n + j] -= B[k * R + i] * X[i * n + j]
            X[k * n + j] /= B[k * R + k]
    return logdet


cdef double weigh(const double* m, const double* P, const double* Lambda, const double* eta,
                  Py_ssize_t R, Py_ssize_t d, double* Z, double* z, double* work) noexcept nogil:
    """Z and z of a message; return the logarithm of its mean under the predicted state."""
    cdef Py_ssize_t i, j, k
    cdef double* B = work
    cdef double* X = work + R * R
    cdef double value = 0, sums
    for i in range(R):
        for j in range(R):
            sums = 1.0 if i == j else 0.0
            for k in range(R):
                sums += Lambda[i * R + k] * P[k * d + j]
            B[i * R + j] = sums
            X[i * (R + 1) + j] = Lambda[i * R + j]
        sums = 0
        for k in range(R):
            sums += Lambda[i * R + k] * m[k]
        X[i * (R + 1) + R] = eta[i] - sums
        z[i] = eta[i] - sums
        value += m[i] * (eta[i] - 0.5 * sums)
    value -= 0.5 * solve(B, X, R, R + 1)
    for i in range(R):
        sums = 0
        for k in range(R):
            sums += P[i * d + k] * X[k * (R + 1) + R]
        value += 0.5 * z[i] * sums
    for i in range(R):
        z[i] = X[i * (R + 1) + R]
        for j in range(R):
            Z[i * R + j] = 0.5 * (X[i * (R + 1) + j] + X[j * (R + 1) + i])
    return value


cdef void absorb(const double* Z, const double* z, const double* P, Py_ssize_t R, Py_ssize_t d,
                 double* m_out, double* P_out, double* work) noexcept nogil:
    """m_out += P_f z, P_out -= P_f Z P_f', where P_f are the columns of f; P_out is not P."""
    cdef Py_ssize_t i, j, k
    cdef double sums
    for i in range(d):
        for k in range(R):
            sums = 0
            for j in range(R):
                sums += P[i * d + j] * Z[j * R + k]
            work[i * R + k] = sums
            m_out[i] += P[i * d + k] * z[k]
    for i in range(d):
        for j in range(i + 1):
            sums = 0
            for k in range(R):
                sums += work[i * R + k] * P[j * d + k]
            P_out[i * d + j] -= sums
            P_out[j * d + i] = P_out[i * d + j]


cdef double forth(Py_ssize_t R, Py_ssize_t d, const double[::1] gaps, double length,
                  const double[:, :, ::1] Lambda, const double[:, ::1] eta, double[:, ::1] m,
                  double[:, :, ::1] P, double[:, :, ::1] Z, double[:, ::1] z,
                  double* mean) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef double* cov = mean + d
    cdef double* work = cov + d * d
    cdef double log_mean = 0
    cdef Step step
    for i in range(eta.shape[0]):
        k = i % m.shape[0]
        step = step_over(gaps[i], length, d > R)
        propagate(&step, mean, cov, R, d > R, mean, cov)
        for j in range(d):
            m[k, j] = mean[j]
        for j in range(d * d):
            (&P[k, 0, 0])[j] = cov[j]
        log_mean += weigh(mean, cov, &Lambda[i, 0, 0], &eta[i, 0], R, d, &Z[k, 0, 0], &z[k, 0],
                          work)
        absorb(&Z[k, 0, 0], &z[k, 0], &P[k, 0, 0], R, d, mean, cov, work)
    return log_mean


def filtered(const double[::1] gaps, double length, bint smooth, const double[:, :, ::1] Lambda,
             const double[:, ::1] eta, double[:, ::1] m, double[:, :, ::1] P,
             double[:, :, ::1] Z, double[:, ::1] z):
    """Predict and absorb knot after knot; return log of the mean of all messages under the prior.

    gaps[i] is the distance from knot i - 1, inf for the first. What is predicted for knot i is
    written to m[i] and P[i], or always to the first two if there are no more.
    """
    cdef Py_ssize_t R = eta.shape[1], d = 2 * R if smooth else R
    cdef double[::1] room = np.zeros(d + d * d + 2 * R * (R + d + 1))
    cdef double log_mean
    with nogil:
        if R == 3 and smooth:  # the default: the compiler unrolls the loops
            log_mean = forth(3, 6, gaps, length, Lambda, eta, m, P, Z, z, &room[0])
        else:
            log_mean = forth(R, d, gaps, length, Lambda, eta, m, P, Z, z, &room[0])
    return log_mean


cdef void posterior(const double* m, const double* P, const double* l, const double* H,
                    Py_ssize_t R, Py_ssize_t d, double* mean, double* cov,
                    double* work) noexcept nogil:
    """Mean and covariance of f, from the predicted state and what lies to the right."""
    cdef Py_ssize_t i, j, k
    cdef double sums
    for i in range(R):
        mean[i] = m[i]
        for k in range(d):
            mean[i] -= P[i * d + k] * l[k]
            sums = 0
            for j in range(d):
                sums += P[i * d + j] * H[j * d + k]
            work[k] = sums
        for j in range(i + 1):
            sums = P[i * d + j]
            for k in range(d):
                sums -= work[k] * P[j * d + k]
            cov[i * R + j] = sums
            cov[j * R + i] = sums


cdef void back(Py_ssize_t R, Py_ssize_t d, const double[::1] gaps, double length,
               const double[:, ::1] m, const double[:, :, ::1] P, const double[:, :, ::1] Z,
               const double[:, ::1] z, double[:, ::1] l, double[:, :, ::1] H, double[:, ::1] mean,
               double[:, :, ::1] cov, double* right) noexcept nogil:
    cdef Py_ssize_t D = m.shape[0], t, i, j, k
    cdef double* hessian = right + d
    cdef double* Y = hessian + d * d
    cdef double* W = Y + d * R
    cdef double* work = W + d * R
    cdef double sums
    cdef Step step
    for t in range(D - 1, -1, -1):
        if t < D - 1:
            step = step_over(gaps[t + 1], length, d > R)
            pull_back(&step, &l[t + 1, 0], &H[t + 1, 0, 0], R, d > R, right, hessian)
        for i in range(d):  # Y = P_f Z, W = H Y
            for j in range(R):
                sums = 0
                for k in range(R):
                    sums += P[t, i, k] * Z[t, k, j]
                Y[i * R + j] = sums
        for i in range(d):
            l[t, i] = right[i]
            for j in range(R):
                sums = 0
                for k in range(d):
                    sums += hessian[i * d + k] * Y[k * R + j]
                W[i * R + j] = sums
            for j in range(d):
                H[t, i, j] = hessian[i * d + j]
        for i in range(R):
            l[t, i] -= z[t, i]
            for k in range(d):
                l[t, i] -= Y[k * R + i] * right[k]
            for j in range(i + 1):
                sums = Z[t, i, j] - W[i * R + j] - W[j * R + i]
                for k in range(d):
                    sums += Y[k * R + i] * W[k * R + j]
                H[t, i, j] += sums
            for j in range(R, d):
                H[t, j, i] -= W[j * R + i]
        for i in range(d):  # rounding that is not symmetric would grow on the way
            for j in range(i):
                H[t, j, i] = H[t, i, j]
        posterior(&m[t, 0], &P[t, 0, 0], &l[t, 0], &H[t, 0, 0], R, d, &mean[t, 0],
                  &cov[t, 0, 0], work)


def smoothed(const double[::1] gaps, double length, bint smooth, const double[:, ::1] m,
             const double[:, :, ::1] P, const double[:, :, ::1] Z, const double[:, ::1] z,
             double[:, ::1] l, double[:, :, ::1] H, double[:, ::1] mean, double[:, :, ::1] cov):
    """Go back through the knots: l and H before each, and the posterior of f at each."""
    cdef Py_ssize_t d = m.shape[1], R = z.shape[1]
    cdef double[::1] room = np.zeros(d + d * d + 2 * d * R + d)
    with nogil:
        if R == 3 and smooth:
            back(3, 6, gaps, length, m, P, Z, z, l, H, mean, cov, &room[0])
        else:
            back(R, d, gaps, length, m, P, Z, z, l, H, mean, cov, &room[0])


def between(const int64_t[::1] left, const double[::1] before, const double[::1] after,
            double length, bint smooth, const double[:, ::1] m, const double[:, :, ::1] P,
            const double[:, :, ::1] Z, const double[:, ::1] z, const double[:, ::1] l,
            const double[:, :, ::1] H, double[:, ::1] mean, double[:, :, ::1] cov):
    """Posterior of f at coordinates right of the knots `left`, -1 for those before the first.

    before and after are the distances to the knots at both sides, inf where there is none.
    """
    cdef Py_ssize_t D = m.shape[0], d = m.shape[1], R = z.shape[1], n, i
    cdef double[::1] room = np.empty(2 * (d + d * d) + d * (R + 1))
    cdef double* state = &room[0]
    cdef double* spread = state + d
    cdef double* right = spread + d * d
    cdef double* hessian = right + d
    cdef double* work = hessian + d * d
    cdef Step step
    with nogil:
        for n in range(left.shape[0]):
            for i in range(d):
                state[i] = m[left[n], i] if left[n] >= 0 else 0
                right[i] = 0
            for i in range(d * d):
                spread[i] = (&P[left[n], 0, 0])[i] if left[n] >= 0 else 0
                hessian[i] = 0
            if left[n] >= 0:
                absorb(&Z[left[n], 0, 0], &z[left[n], 0], &P[left[n], 0, 0], R, d, state, spread,
                       work)
            step = step_over(before[n], length, smooth)
            propagate(&step, state, spread, R, smooth, state, spread)
            if left[n] + 1 < D:
                step = step_over(after[n], length, smooth)
                pull_back(&step, &l[left[n] + 1, 0], &H[left[n] + 1, 0, 0], R, smooth, right,
                          hessian)
            posterior(state, spread, right, hessian, R, d, &mean[n, 0], &cov[n, 0, 0], work)
