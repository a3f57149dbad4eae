"""Mutation of a point of a discrete space, by skips from one changed coordinate to the next.

Each coordinate changes with probability p, independently, so that the number of coordinates left
alone before the next change is geometric, floor(log(1 - U) / log(1 - p)): one uniform number for
each change and one for its value, instead of one for each coordinate. The uniform numbers come
from the bit generator itself, by the interface that numpy documents for it; the caller holds its
lock.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport log1p
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

ctypedef struct BitGenerator:  # numpy's bitgen_t
    void* state
    uint64_t (*next_uint64)(void* state) noexcept nogil
    uint32_t (*next_uint32)(void* state) noexcept nogil
    double (*next_double)(void* state) noexcept nogil
    uint64_t (*next_raw)(void* state) noexcept nogil


cdef Py_ssize_t mutate_one(int64_t* x, const int64_t* sizes, Py_ssize_t n, double log_keep,
                           BitGenerator* bits) noexcept nogil:
    """Change x; return the number of coordinates that have changed."""
    cdef Py_ssize_t n_changed = 0, i = -1
    cdef double skip
    cdef int64_t value
    while True:
        skip = log1p(-bits.next_double(bits.state)) / log_keep
        if skip >= n - i - 1:  # before it is made an integer: it may be larger than any
            return n_changed
        i += 1 + <Py_ssize_t> skip
        value = <int64_t> (bits.next_double(bits.state) * (sizes[i] - 1))
        x[i] = value + (value >= x[i])
        n_changed += 1


def mutate(const int64_t[::1] parent, const int64_t[::1] sizes, double rate, capsule,
           int64_t[:, ::1] offspring, Py_ssize_t[::1] n_changed):
    """Write mutated copies of a point to the rows of `offspring`, and how many values changed.

    Each coordinate of a copy changes with probability `rate`, in (0, 1], to another of its
    ``sizes[i]`` values, at least 2. `capsule` is that of a numpy BitGenerator.
    """
    cdef BitGenerator* bits = <BitGenerator*> PyCapsule_GetPointer(capsule, "BitGenerator")
    cdef Py_ssize_t i, n = parent.shape[0]
    cdef double log_keep = log1p(-rate)
    with nogil:
        for i in range(offspring.shape[0]):
            memcpy(&offspring[i, 0], &parent[0], n * sizeof(int64_t))
            n_changed[i] = mutate_one(&offspring[i, 0], &sizes[0], n, log_keep, bits)
