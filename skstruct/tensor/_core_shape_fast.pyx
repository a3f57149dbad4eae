"""Search of all core shapes that a budget allows.

A shape (R_0, ..., R_{N-1}) costs prod R_n + sum I_n R_n numbers and captures the share value(R) of
the squared norm: what a table says, or 1 less the tails of the modes' spectra.  Both grow with
each rank.  Ranks of all modes but one are enumerated, as far as the budget goes with the least
ranks in what is left; in the last mode the largest rank that it allows is a quotient, and the
smallest rank that captures a given share is found by bisection.

A rank above the product of the others is useless: the core would have linearly dependent slices.
"""

from libc.stdint cimport int64_t

import numpy as np

cdef enum:
    MOST_MODES = 32        # as in NumPy

cdef struct Search:
    int n_modes
    bint cheapest          # the goal: the cheapest shape, or the one that captures most
    bint tabulated
    const double* table    # in C order, or the captured shares of the modes one after the other
    int64_t stride[MOST_MODES]
    int64_t size[MOST_MODES]
    int64_t least[MOST_MODES]
    int64_t limit[MOST_MODES]
    int64_t rest[MOST_MODES]   # cost of the least ranks in the modes from this one on
    int64_t rank[MOST_MODES]
    int64_t best[MOST_MODES]
    int64_t budget
    int64_t n_left         # shapes to look at before giving up
    double target
    double best_value
    bint found


cdef double value(Search* s, double partial, int64_t offset, int mode,
                  int64_t rank) noexcept nogil:
    if s.tabulated:
        return s.table[offset + (rank - 1) * s.stride[mode]]
    return partial + s.table[s.stride[mode] + rank - 1]


cdef void keep(Search* s, double captured) noexcept nogil:
    s.found = True
    s.best_value = captured
    for m in range(s.n_modes):
        s.best[m] = s.rank[m]


cdef void last_mode(Search* s, int64_t product, int64_t linear, double partial,
                    int64_t offset) noexcept nogil:
    """Complete the ranks of the others, in the way that the goal asks for."""
    cdef int mode = s.n_modes - 1, m
    cdef int64_t unit = product + s.size[mode], low = s.least[mode], high, middle
    cdef double captured
    s.n_left -= 1
    high = min(min(s.limit[mode], product), (s.budget - linear) // unit)
    for m in range(mode):
        low = max(low, (s.rank[m] * s.rank[m] + product - 1) // product)
    if low > high:
        return
    captured = value(s, partial, offset, mode, high)
    if s.cheapest:
        if captured < s.target:
            return
        while low < high:
            middle = (low + high) // 2
            if value(s, partial, offset, mode, middle) < s.target:
                low = middle + 1
            else:
                high = middle
        s.rank[mode] = high
        s.budget = linear + high * unit - 1
        keep(s, value(s, partial, offset, mode, high))
    elif not s.found or captured > s.best_value:
        s.rank[mode] = high
        keep(s, captured)


cdef void enumerate_ranks(Search* s, int mode, int64_t product, int64_t linear, double partial,
                          int64_t offset) noexcept nogil:
    cdef int64_t rank
    if mode == s.n_modes - 1:
        last_mode(s, product, linear, partial, offset)
        return
    for rank in range(s.least[mode], s.limit[mode] + 1):
        if product * rank + linear + s.size[mode] * rank + s.rest[mode + 1] > s.budget:
            return
        if s.n_left <= 0:
            return
        s.rank[mode] = rank
        enumerate_ranks(
            s, mode + 1, product * rank, linear + s.size[mode] * rank,
            0 if s.tabulated else value(s, partial, offset, mode, rank),
            offset + (rank - 1) * s.stride[mode] if s.tabulated else 0,
        )


def search(const double[::1] table, const int64_t[::1] stride, const int64_t[::1] size,
           const int64_t[::1] least, const int64_t[::1] limit, bint tabulated, bint cheapest,
           int64_t budget, double target, int64_t n_shapes):
    """Return (ranks or None, captured share, whether all shapes were looked at).

    Of a table, `stride` has the strides of its axes; of shares of modes, where each mode's begin.
    Ranks are from `least` to `limit`.
    """
    cdef Search s
    cdef int m
    s.n_modes = size.shape[0]
    s.tabulated, s.cheapest = tabulated, cheapest
    s.table = &table[0]
    s.budget, s.target, s.n_left = budget, target, n_shapes
    s.found, s.best_value = False, 0
    s.rest[s.n_modes - 1] = size[s.n_modes - 1] * least[s.n_modes - 1]
    for m in range(s.n_modes - 2, -1, -1):
        s.rest[m] = size[m] * least[m] + s.rest[m + 1]
    for m in range(s.n_modes):
        s.stride[m], s.size[m], s.least[m], s.limit[m] = stride[m], size[m], least[m], limit[m]
    with nogil:
        enumerate_ranks(&s, 0, 1, 0, 0, 0)
    ranks = np.array([s.best[m] for m in range(s.n_modes)]) if s.found else None
    return ranks, s.best_value, s.n_left > 0


def add_up(double[:, :, ::1] table):
    """Replace elements by the sums of all up to them along the second axis."""
    cdef Py_ssize_t i, j, k
    with nogil:
        for i in range(table.shape[0]):
            for j in range(1, table.shape[1]):
                for k in range(table.shape[2]):
                    table[i, j, k] += table[i, j - 1, k]
