"""A 64-bit hash of each row of a matrix, for orders that depend on the content of rows alone."""

from cython cimport floating
from libc.stdint cimport uint64_t
from libc.string cimport memcpy


def hash_rows(const floating[:, ::1] X, uint64_t[::1] hashes):
    """Mix the rows of X into hashes; float32 and float64 of the same value hash alike.

    Each number goes through a multiplication and the finaliser of the generator SplitMix64.
    """
    cdef Py_ssize_t i, j
    cdef double x
    cdef uint64_t bits, h
    with nogil:
        for i in range(X.shape[0]):
            h = hashes[i]
            for j in range(X.shape[1]):
                x = <double> X[i, j] + 0.0  # -0.0 becomes 0.0
                memcpy(&bits, &x, sizeof(double))
                h = (h ^ bits) * <uint64_t> 0x9E3779B97F4A7C15
                h = (h ^ (h >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
                h = (h ^ (h >> 27)) * <uint64_t> 0x94D049BB133111EB
                h ^= h >> 31
            hashes[i] = h
