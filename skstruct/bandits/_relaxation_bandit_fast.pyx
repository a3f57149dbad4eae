"""The learners of `_relaxation_bandit.py`: which of K values to try, given a context u in [-1, 1].

Each has ``draw(u, uniform) -> ticket``, a tuple that begins with the index; ``learn(ticket,
cost)``; ``probabilities(u)`` of the next draw; and ``best(u)``, the index.
"""

from cpython cimport array
from libc.math cimport exp, fmax, log, sqrt

import array

import numpy as np


cdef array.array DOUBLES = array.array("d")
cdef double FIRST_NOISE = 0.3, LEAST_NOISE = 0.02
cdef Py_ssize_t NOISE_FROM = 6  # rounds after which the noise is that of the data


cdef Py_ssize_t pick(const double* p, Py_ssize_t n, double uniform) noexcept nogil:
    """The first index with a cumulative probability above uniform."""
    cdef Py_ssize_t i = 0
    while i < n - 1 and uniform >= p[i]:
        uniform -= p[i]
        i += 1
    return i


cdef Py_ssize_t least(const double* a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, best = 0
    for i in range(1, n):
        if a[i] < a[best]:
            best = i
    return best


cdef void chebyshev(double u, double* t, Py_ssize_t n) noexcept nogil:
    """t = T_0(u) .. T_{n-1}(u)."""
    cdef Py_ssize_t j
    t[0] = 1
    if n > 1:
        t[1] = u
    for j in range(2, n):
        t[j] = 2 * u * t[j - 1] - t[j - 2]


cdef double condition(double* P, double* theta, const double* x, double* g, Py_ssize_t n,
                      double y) noexcept nogil:
    """Recursive least squares: take y observed at x into the inverse Gram matrix and the weights.

    Return the squared error of the prediction over its variance in units of the noise.
    """
    cdef Py_ssize_t i, j
    cdef double variance = 1, error = y, factor
    for j in range(n):
        g[j] = 0
    for i in range(n):
        error -= x[i] * theta[i]
        for j in range(n):
            g[j] += x[i] * P[i * n + j]
    for i in range(n):
        variance += x[i] * g[i]
    for i in range(n):
        theta[i] += g[i] * (error / variance)
        factor = g[i] / variance
        for j in range(n):
            P[i * n + j] -= factor * g[j]
    return error * error / variance


cdef class Tsallis:
    """Online mirror descent with the regulariser -sum sqrt(p) on estimates of the costs."""

    cdef Py_ssize_t n, n_rounds
    cdef bint reduced
    cdef double sum_costs, eta
    cdef double[::1] k, p

    def __init__(self, Py_ssize_t n, bint reduced):
        self.n, self.reduced = n, reduced
        self.k, self.p = np.zeros((2, n))

    def __reduce__(self):
        return Tsallis, (self.n, self.reduced), (np.array(self.k), self.n_rounds, self.sum_costs)

    def __setstate__(self, state):
        self.k, self.n_rounds, self.sum_costs = state

    cdef double mean(self) noexcept nogil:
        return self.sum_costs / self.n_rounds if self.n_rounds else 1

    cdef void weigh(self) noexcept nogil:
        """p_i = 4 / (eta (k_i / s - x))^2 with the x that makes their sum 1.

        From x = min k / s - 2 / eta, where the sum is at least 1, the steps only go down.
        """
        cdef Py_ssize_t i, _step
        cdef double s = self.mean(), low = self.k[least(&self.k[0], self.n)], x, total, slope, root
        self.eta = (4 if self.reduced else 2) / sqrt(self.n_rounds + 1.0)
        x = -2 / self.eta
        for _step in range(50):
            total, slope = 0, 0
            for i in range(self.n):
                root = 2 / (self.eta * ((self.k[i] - low) / s - x))
                self.p[i] = root * root
                total += self.p[i]
                slope += self.p[i] * root
            if total - 1 < 1e-12:
                break
            x -= (total - 1) / (self.eta * slope)
        for i in range(self.n):
            self.p[i] /= total

    def draw(self, double u, double uniform):
        self.weigh()
        cdef array.array p = array.clone(DOUBLES, self.n, False)
        cdef Py_ssize_t i
        for i in range(self.n):
            p.data.as_doubles[i] = self.p[i]
        return pick(&self.p[0], self.n, uniform), self.eta, p

    def learn(self, ticket, double cost):
        cdef Py_ssize_t j, i = ticket[0]
        cdef double eta = ticket[1], baseline = self.mean() / 2
        cdef array.array p = ticket[2]
        cdef const double* q = p.data.as_doubles
        if not self.reduced:
            eta = 2  # no p reaches its square
        for j in range(self.n):
            if q[j] >= eta * eta:
                self.k[j] += baseline
        self.k[i] += (cost - (baseline if q[i] >= eta * eta else 0)) / q[i]
        self.sum_costs += cost
        self.n_rounds += 1

    def probabilities(self, double u):
        self.weigh()
        return np.array(self.p)

    def best(self, double u):
        return least(&self.k[0], self.n)


cdef class Regression:
    """Inverse-gap weights on costs whose logarithms are regressed on Chebyshev polynomials of u.

    A subclass has `predict`, which fills `cost` with predictions or, with optimism, bounds.
    """

    cdef readonly Py_ssize_t n, n_basis, n_rounds
    cdef double exploration, regularization, optimism, sum_costs
    cdef Py_ssize_t horizon
    cdef double[::1] basis, cost, p

    def __init__(self, Py_ssize_t n, Py_ssize_t n_basis, Py_ssize_t horizon, double exploration,
                 double regularization):
        self.n, self.n_basis, self.horizon = n, n_basis, horizon
        self.exploration, self.regularization = exploration, regularization
        self.basis = np.empty(n_basis)
        self.cost, self.p = np.empty((2, n))

    cdef void predict(self, double u, bint optimistic) noexcept nogil:
        pass

    cdef void weigh(self, double u) noexcept nogil:
        """p_i = 1 / (K + gamma (c_i - min c) / mean c); the rest goes to the best."""
        cdef Py_ssize_t i, best
        cdef double K = self.n, m = self.n_basis, T = self.horizon, mean = 1, gamma, rest = 1
        if T == 0:
            T = self.n_rounds + 1
        if self.n_rounds:
            mean = self.sum_costs / self.n_rounds
        gamma = self.exploration * sqrt(K * m * m * T / (K * m * m * m + T)) / mean
        self.predict(u, True)
        best = least(&self.cost[0], self.n)
        for i in range(self.n):
            if i != best:
                self.p[i] = 1 / (K + gamma * (self.cost[i] - self.cost[best]))
                rest -= self.p[i]
        self.p[best] = rest

    def draw(self, double u, double uniform):
        self.weigh(u)
        return pick(&self.p[0], self.n, uniform), u

    def probabilities(self, double u):
        self.weigh(u)
        return np.array(self.p)

    def best(self, double u):
        self.predict(u, False)
        return least(&self.cost[0], self.n)


cdef class Chebyshev(Regression):
    """A regression for each value."""

    cdef double[:, :, ::1] P
    cdef double[:, ::1] theta
    cdef double[::1] g

    def __init__(self, *args):
        super().__init__(*args)
        cdef Py_ssize_t m = self.n_basis
        penalty = 10 * self.regularization * np.arange(1, m + 1) ** 2.0
        self.P = np.repeat(np.diag(1 / penalty)[None], self.n, axis=0)
        self.theta, self.g = np.zeros((self.n, m)), np.empty(m)

    def __reduce__(self):
        args = self.n, self.n_basis, self.horizon, self.exploration, self.regularization
        state = np.array(self.P), np.array(self.theta), self.sum_costs, self.n_rounds
        return Chebyshev, args, state

    def __setstate__(self, state):
        self.P, self.theta, self.sum_costs, self.n_rounds = state

    cdef void predict(self, double u, bint optimistic) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef double y
        chebyshev(u, &self.basis[0], self.n_basis)
        for i in range(self.n):
            y = 0
            for j in range(self.n_basis):
                y += self.basis[j] * self.theta[i, j]
            self.cost[i] = exp(y)

    def learn(self, ticket, double cost):
        cdef Py_ssize_t i = ticket[0]
        cdef double u = ticket[1]
        chebyshev(u, &self.basis[0], self.n_basis)
        condition(&self.P[i, 0, 0], &self.theta[i, 0], &self.basis[0], &self.g[0], self.n_basis,
                  log(cost))
        self.sum_costs += cost
        self.n_rounds += 1


cdef class Smooth(Regression):
    """One regression on products T_j(u) T_k(w_i), w_i = -1 .. 1 the place of the value.

    At one u it is a regression on T_k(w) alone, with the weights and the covariance contracted
    over j: then K predictions take O(K a^2) for a = n_arm_basis.
    """

    cdef Py_ssize_t n_arm_basis
    cdef double sum_errors
    cdef double[::1] theta, x, g
    cdef double[:, ::1] P, arms, covariance  # arms[i, k] = T_k(w_i)
    cdef double[::1] mean

    def __init__(self, Py_ssize_t n, Py_ssize_t n_basis, Py_ssize_t horizon, double exploration,
                 double regularization, Py_ssize_t n_arm_basis, double optimism):
        super().__init__(n, n_basis, horizon, exploration, regularization)
        self.n_arm_basis, self.optimism = n_arm_basis, optimism
        weights = np.outer(np.arange(1, n_basis + 1), np.arange(1, n_arm_basis + 1)) ** 2.0
        self.P = np.diag(1 / (regularization * weights.ravel()))
        self.theta, self.x, self.g = np.zeros((3, n_basis * n_arm_basis))
        self.arms = np.empty((n, n_arm_basis))
        self.mean = np.empty(n_arm_basis)
        self.covariance = np.empty((n_arm_basis, n_arm_basis))
        cdef Py_ssize_t i
        for i in range(n):
            chebyshev(-1 + 2.0 * i / (n - 1), &self.arms[i, 0], n_arm_basis)

    def __reduce__(self):
        args = (self.n, self.n_basis, self.horizon, self.exploration, self.regularization,
                self.n_arm_basis, self.optimism)
        state = (np.array(self.P), np.array(self.theta), self.sum_errors, self.sum_costs,
                 self.n_rounds)
        return Smooth, args, state

    def __setstate__(self, state):
        self.P, self.theta, self.sum_errors, self.sum_costs, self.n_rounds = state

    cdef void contract(self, bint variances) noexcept nogil:
        """mean_k = sum_j T_j w_jk, covariance_kh = sum_ij T_i T_j P_(ik)(jh)."""
        cdef Py_ssize_t i, j, k, h, m = self.n_basis, a = self.n_arm_basis
        cdef double factor
        self.mean[:] = 0
        for j in range(m):
            for k in range(a):
                self.mean[k] += self.basis[j] * self.theta[j * a + k]
        if not variances:
            return
        self.covariance[:, :] = 0
        for i in range(m):
            for k in range(a):
                for j in range(m):
                    factor = self.basis[i] * self.basis[j]
                    for h in range(a):
                        self.covariance[k, h] += factor * self.P[i * a + k, j * a + h]

    cdef void predict(self, double u, bint optimistic) noexcept nogil:
        cdef Py_ssize_t i, k, h, a = self.n_arm_basis
        cdef double y, variance, row, noise = FIRST_NOISE
        if self.n_rounds >= NOISE_FROM:
            noise = fmax(sqrt(self.sum_errors / self.n_rounds), LEAST_NOISE)
        optimistic = optimistic and self.optimism > 0
        chebyshev(u, &self.basis[0], self.n_basis)
        self.contract(optimistic)
        for i in range(self.n):
            y = 0
            for k in range(a):
                y += self.arms[i, k] * self.mean[k]
            if optimistic:
                variance = 0
                for k in range(a):
                    row = 0
                    for h in range(a):
                        row += self.covariance[k, h] * self.arms[i, h]
                    variance += self.arms[i, k] * row
                y -= self.optimism * noise * sqrt(fmax(variance, 0))
            self.cost[i] = exp(y)

    def learn(self, ticket, double cost):
        cdef Py_ssize_t i = ticket[0], j, k, a = self.n_arm_basis
        cdef double u = ticket[1]
        chebyshev(u, &self.basis[0], self.n_basis)
        for j in range(self.n_basis):
            for k in range(a):
                self.x[j * a + k] = self.basis[j] * self.arms[i, k]
        self.sum_errors += condition(&self.P[0, 0], &self.theta[0], &self.x[0], &self.g[0],
                                     self.n_basis * a, log(cost))
        self.sum_costs += cost
        self.n_rounds += 1
