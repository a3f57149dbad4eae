"""Sums, over the entries of each coordinate of a mode, of products of rows of the other modes."""

from libc.stdint cimport int64_t

import numpy as np


def sum_products(const int64_t[::1] order, const int64_t[::1] ends, Py_ssize_t first,
                 const int64_t[:, ::1] index, const double[::1] values, const int64_t[::1] starts,
                 const int64_t[::1] sizes, const double[::1] coef, double[:, ::1] out):
    """out[x - first] = sum over the entries n of knot x of coef[n] (x)_j values_j[index[n, j]].

    The entries of knot x are order[ends[x]:ends[x + 1]]; values_j, of rows of sizes[j] numbers,
    begins at starts[j] of values. A mode of size 0 is left out.
    """
    cdef Py_ssize_t n_modes = sizes.shape[0], width = out.shape[1], x, n, j, e, a, b, length, s
    cdef double[::1] room = np.empty(2 * width)
    cdef double* product
    cdef double* longer
    cdef const double* v
    with nogil:
        for x in range(out.shape[0]):
            for a in range(width):
                out[x, a] = 0
            for e in range(ends[first + x], ends[first + x + 1]):
                n = order[e]
                product, longer = &room[0], &room[width]
                product[0], length = coef[n], 1
                for j in range(n_modes):
                    s = sizes[j]
                    if s == 0:
                        continue
                    v = &values[starts[j] + index[n, j] * s]
                    for a in range(length):
                        for b in range(s):
                            longer[a * s + b] = product[a] * v[b]
                    length *= s
                    product, longer = longer, product
                for a in range(width):
                    out[x, a] += product[a]
