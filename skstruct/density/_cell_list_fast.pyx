"""Gaussian sums over the cells near each query; see _cell_list.py."""

from libc.math cimport INFINITY, NAN, floor, log, sqrt
from libc.stdint cimport int64_t


cdef extern from "near_sums.h" nogil:
    double skstruct_near_min(const double* points, Py_ssize_t stride, const double* q,
                             Py_ssize_t n)
    double skstruct_near_sum(const double* points, Py_ssize_t stride, const double* w,
                             const double* q, double s, double low, Py_ssize_t n)


cdef enum:
    N_RINGS = 4          # of cells around a query that are searched for a first point


cdef struct Cells:
    const double* points
    const double* weight
    const int64_t* start
    const int64_t* shape
    const double* origin
    Py_ssize_t n_points
    double side
    double scale


cdef inline Py_ssize_t place(const Cells* c, int k, double x) noexcept nogil:
    """Index of the cell of coordinate x along dimension k, brought into the grid."""
    cdef double i = floor((x - c.origin[k]) / c.side)
    return <Py_ssize_t> max(0.0, min(i, <double> (c.shape[k] - 1)))


cdef inline double gap(const Cells* c, int k, Py_ssize_t i, double x) noexcept nogil:
    """Distance of coordinate x to cell i along dimension k."""
    cdef double low = c.origin[k] + i * c.side
    return max(0.0, max(low - x, x - low - c.side))


cdef double near(const Cells* c, const double* q, double radius2, bint add,
                 double low) noexcept nogil:
    """Smallest squared distance to the points in cells within a radius, or the sum over them.

    The sum is that of weight exp(-scale (D - low)).
    """
    cdef double total = 0 if add else INFINITY
    cdef double radius = sqrt(radius2), rest_x, rest_y, half
    cdef Py_ssize_t i, j, line, begin, n
    for i in range(place(c, 0, q[0] - radius), place(c, 0, q[0] + radius) + 1):
        rest_x = radius2 - gap(c, 0, i, q[0]) ** 2
        if rest_x < 0:
            continue
        half = sqrt(rest_x)
        for j in range(place(c, 1, q[1] - half), place(c, 1, q[1] + half) + 1):
            rest_y = rest_x - gap(c, 1, j, q[1]) ** 2
            if rest_y < 0:
                continue
            half = sqrt(rest_y)
            line = (i * c.shape[1] + j) * c.shape[2]
            begin = c.start[line + place(c, 2, q[2] - half)]
            n = c.start[line + place(c, 2, q[2] + half) + 1] - begin
            if n == 0:
                continue
            if add:
                total += skstruct_near_sum(c.points + begin, c.n_points, c.weight + begin, q,
                                           c.scale, low, n)
            else:
                total = min(total, skstruct_near_min(c.points + begin, c.n_points, q, n))
            half = sqrt(rest_x)
    return total


cdef double log_sum(const Cells* c, const double* q, double reach) noexcept nogil:
    """The logarithm of the sum for one query, or NaN where all points should be looked at."""
    cdef double low = INFINITY, radius, box = 1, cells = 1
    cdef Py_ssize_t ring
    cdef int k
    for ring in range(N_RINGS + 1):
        low = near(c, q, (ring * c.side) ** 2, False, 0.0)
        if low < INFINITY:
            break
    else:
        return NAN
    if low > (ring * c.side) ** 2:
        # The first point that was met need not be the nearest: that one is not further away.
        low = near(c, q, low * (1 + 1e-9), False, 0.0)
    radius = sqrt(low + reach)
    for k in range(3):
        box *= place(c, k, q[k] + radius) - place(c, k, q[k] - radius) + 1
        cells *= c.shape[k]
    if 2 * box > cells:
        return NAN
    return log(near(c, q, low + reach, True, low)) - c.scale * low


def cell_sums(const double[:, ::1] Q, const double[:, ::1] points, const double[::1] weight,
              const int64_t[::1] start, const int64_t[::1] shape, const double[::1] origin,
              double side, double scale, double reach, double[::1] out):
    """out[i] = log sum_j weight_j exp(-scale D_ij) over the points near row i of Q, or NaN."""
    cdef Cells cells
    cdef Py_ssize_t i
    cells.points, cells.weight, cells.start = &points[0, 0], &weight[0], &start[0]
    cells.shape, cells.origin, cells.n_points = &shape[0], &origin[0], points.shape[1]
    cells.side, cells.scale = side, scale
    with nogil:
        for i in range(Q.shape[0]):
            out[i] = log_sum(&cells, &Q[i, 0], reach)
