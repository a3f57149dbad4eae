"""Posterior of a crossing k in 0..n that is constant between the coins flipped so far.

Segment s has the answers start[s] .. start[s + 1] - 1, each of weight weight[s], together of mass
mass[s].  A flip of coin x cuts at x + 1 and multiplies the side that speaks against it.  Weights
are relative, and kept from underflow by LEAST; their logarithms are kept beside them, from which
all are made anew when their sum gets small.
"""

from libc.math cimport ceil, exp, fabs, log2
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove

import numpy as np


cdef double LEAST = 1e-290
cdef double SMALL = 1e-90


cdef inline double entropy(double p) noexcept nogil:
    return -p * log2(p) - (1 - p) * log2(1 - p)


cdef double information(double u, double low, double high) noexcept nogil:
    """Bits that a coin tells which is past the crossing with probability u."""
    return entropy(low + u * (high - low)) - u * entropy(high) - (1 - u) * entropy(low)


cdef class StepPosterior:
    """Uniform over 0..n at first; `n_steps` segments in arrays that double."""

    cdef readonly int64_t n
    cdef readonly Py_ssize_t n_steps
    cdef int64_t[::1] start  # one more than there are segments: the last is n + 1
    cdef double[::1] log_weight
    cdef double[::1] weight
    cdef double[::1] mass
    cdef double total

    def __init__(self, int64_t n):
        self.n = n
        self._allocate(16)
        self.n_steps = 1
        self.start[0], self.start[1] = 0, n + 1
        self.log_weight[0] = 0
        self._renew()

    def __reduce__(self):
        m = self.n_steps
        return StepPosterior, (self.n,), (np.array(self.start[:m]), np.array(self.log_weight[:m]))

    def __setstate__(self, state):
        start, log_weight = state
        cdef Py_ssize_t m = len(start)
        self._allocate(m + 1)
        self.n_steps = m
        np.asarray(self.start)[:m], np.asarray(self.log_weight)[:m] = start, log_weight
        self.start[m] = self.n + 1
        self._renew()

    def steps(self):
        """Return where the segments start and the probability of each of their answers."""
        m = self.n_steps
        return np.array(self.start[:m]), np.asarray(self.weight[:m]) / self.total

    cdef void _allocate(self, Py_ssize_t size):
        self.start = np.empty(size + 1, dtype=np.int64)
        self.log_weight, self.weight, self.mass = np.empty((3, size))

    cdef void _double(self):
        cdef int64_t[::1] start = self.start
        cdef double[::1] log_weight = self.log_weight, weight = self.weight, mass = self.mass
        self._allocate(2 * self.n_steps)
        memcpy(&self.start[0], &start[0], (self.n_steps + 1) * sizeof(int64_t))
        memcpy(&self.log_weight[0], &log_weight[0], self.n_steps * sizeof(double))
        memcpy(&self.weight[0], &weight[0], self.n_steps * sizeof(double))
        memcpy(&self.mass[0], &mass[0], self.n_steps * sizeof(double))

    cdef double _weigh(self, Py_ssize_t s, double weight) noexcept nogil:
        """Set a weight, and return the mass of the segment."""
        self.weight[s] = max(weight, LEAST)
        self.mass[s] = self.weight[s] * <double> (self.start[s + 1] - self.start[s])
        return self.mass[s]

    cdef void _renew(self) noexcept nogil:
        """Weigh all segments by their logarithms, the greatest with 1."""
        cdef Py_ssize_t s
        cdef double top = self.log_weight[0]
        for s in range(1, self.n_steps):
            top = max(top, self.log_weight[s])
        self.total = 0
        for s in range(self.n_steps):
            self.log_weight[s] -= top
            self.total += self._weigh(s, exp(self.log_weight[s]))

    cdef int64_t _quantile(self, double level, double* below) noexcept nogil:
        """The least k with P(crossing <= k) >= level; below becomes P(crossing <= k - 1)."""
        cdef Py_ssize_t s = 0, last = self.n_steps - 1
        cdef double wanted = level * self.total, sum_before = 0, steps
        cdef int64_t inside = 0, length
        while s < last and sum_before + self.mass[s] < wanted:
            sum_before += self.mass[s]
            s += 1
        length = self.start[s + 1] - self.start[s]
        steps = (wanted - sum_before) / self.weight[s]
        if steps >= <double> length:
            inside = length - 1
        elif steps > 1:
            inside = <int64_t> ceil(steps) - 1
        below[0] = (sum_before + self.weight[s] * inside) / self.total
        return self.start[s] + inside

    def quantile(self, double level):
        """Return the least k with P(crossing <= k) >= level."""
        cdef double below
        return self._quantile(level, &below)

    def query(self, double level, double low, double high):
        """Return the coin to flip, and the quantile that it is next to.

        A coin shows 1 with probability high from the crossing on, else low.  Of the two at the
        quantile, the coin whose answer says more: with all the mass on one k, always the same
        side would be asked otherwise.
        """
        cdef double below, at
        cdef int64_t k = self._quantile(level, &below)
        if k == 0:
            return 0, k
        if k < self.n:
            at = below + self.weight[self._find(k)] / self.total
            if information(at, low, high) > information(below, low, high):
                return k, k
        return k - 1, k

    cdef Py_ssize_t _find(self, int64_t k) noexcept nogil:
        """The segment of answer k."""
        cdef Py_ssize_t low = 0, high = self.n_steps, middle
        while high - low > 1:
            middle = (low + high) // 2
            if self.start[middle] <= k:
                low = middle
            else:
                high = middle
        return low

    def update(self, int64_t x, double log_ratio):
        """Take evidence of coin x: log_ratio = log P(seen | k <= x) - log P(seen | k > x)."""
        cdef Py_ssize_t s = self._find(x + 1), i
        cdef double loss = -fabs(log_ratio), factor = exp(loss)
        if self.start[s] != x + 1:
            if self.n_steps == self.weight.shape[0]:
                self._double()
            s += 1
            self._insert(s, x + 1)
        with nogil:
            for i in range(s if log_ratio > 0 else 0, self.n_steps if log_ratio > 0 else s):
                self.log_weight[i] += loss
                self._weigh(i, self.weight[i] * factor)
            self.total = 0
            for i in range(self.n_steps):
                self.total += self.mass[i]
            if self.total < SMALL:
                self._renew()

    cdef void _insert(self, Py_ssize_t s, int64_t cut) noexcept nogil:
        """Split the segment before s, whose second part becomes s."""
        cdef Py_ssize_t behind = self.n_steps - s
        memmove(&self.start[s + 1], &self.start[s], (behind + 1) * sizeof(int64_t))
        memmove(&self.log_weight[s], &self.log_weight[s - 1], (behind + 1) * sizeof(double))
        memmove(&self.weight[s], &self.weight[s - 1], (behind + 1) * sizeof(double))
        memmove(&self.mass[s], &self.mass[s - 1], (behind + 1) * sizeof(double))
        self.start[s] = cut
        self.n_steps += 1
        self._weigh(s - 1, self.weight[s - 1])
        self._weigh(s, self.weight[s])
