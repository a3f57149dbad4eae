"""The step of a consensus-based method: weights of a given effective size, their mean, the move.

The particles whose objective is lowest draw the others. How sharply is decided by alpha in the
weights w = exp(-alpha E). A constant alpha is blind to the scale of E, so it is found by bisection
of log alpha, such that the effective sample size (sum w)^2 / sum w^2 of the finite values is a
given share of them, at least two. The bisection works on gaps E - min E in units of their median;
a gap that is infinite has no weight.
"""

from libc.float cimport DBL_MAX
from libc.math cimport INFINITY, exp
from libc.string cimport memcpy

cdef enum:
    HALVINGS = 12

cdef double LEAST_LOG_ALPHA = -15.0, MOST_LOG_ALPHA = 25.0  # 40 / 2^HALVINGS < 1e-2

cdef extern from "top_k.h" nogil:
    double skstruct_kth_largest_double(double* a, double* b, Py_ssize_t n, Py_ssize_t k)

cdef extern from "consensus.h" nogil:
    enum:
        SKSTRUCT_COMPONENT
        SKSTRUCT_DISTANCE
        SKSTRUCT_BOX
    void skstruct_weights(const double* e, Py_ssize_t n, double alpha, double* weights,
                          double* sum, double* squares)
    void skstruct_weighted_mean(const double* X, Py_ssize_t d, const Py_ssize_t* rows,
                                const double* weights, Py_ssize_t n, double total, double* c)
    void skstruct_move(double* X, Py_ssize_t d, const Py_ssize_t* rows, Py_ssize_t n,
                       const double* c, const double* xi, const double* low,
                       const double* high, double drift, double s, int spread)

COMPONENT = SKSTRUCT_COMPONENT
DISTANCE = SKSTRUCT_DISTANCE
BOX = SKSTRUCT_BOX


cdef Py_ssize_t finite_gaps(const double[::1] values, const Py_ssize_t[::1] rows, double* gaps,
                            Py_ssize_t* finite_rows) noexcept nogil:
    """Gaps to the least value, and the rows that have them; all rows, without gaps, if none is."""
    cdef Py_ssize_t i, n = rows.shape[0], n_finite = 0
    cdef double least = INFINITY, gap
    for i in range(n):
        least = min(least, values[rows[i]])
    least = max(least, -DBL_MAX)
    for i in range(n):
        gap = max(values[rows[i]], -DBL_MAX) - least
        if gap <= DBL_MAX:
            gaps[n_finite] = gap
            finite_rows[n_finite] = rows[i]
            n_finite += 1
    if n_finite == 0:
        for i in range(n):
            gaps[i] = 0.0
            finite_rows[i] = rows[i]
        return n
    return n_finite


cdef void scale_by_median(double* gaps, Py_ssize_t n, double* work) noexcept nogil:
    """Divide by the median; by the largest if it is 0."""
    cdef double unit
    cdef Py_ssize_t i
    memcpy(work, gaps, n * sizeof(double))
    unit = skstruct_kth_largest_double(work, work + n, n, (n + 1) // 2)
    if unit == 0.0:
        for i in range(n):
            unit = max(unit, gaps[i])
    if unit > 0.0:
        for i in range(n):
            gaps[i] /= unit


cdef double adapted_alpha(const double* gaps, Py_ssize_t n, double target,
                          double* weights) noexcept nogil:
    """The alpha whose weights have the effective sample size `target`."""
    cdef double low = LEAST_LOG_ALPHA, high = MOST_LOG_ALPHA, middle, total, squares
    cdef int _
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        skstruct_weights(gaps, n, exp(middle), weights, &total, &squares)
        if total * total > target * squares:
            low = middle
        else:
            high = middle
    return exp(0.5 * (low + high))


def consensus(const double[:, ::1] X, const double[::1] values, const Py_ssize_t[::1] rows,
              double ess_fraction, double alpha, double[::1] work, Py_ssize_t[::1] finite_rows,
              double[::1] out):
    """Write to `out` the mean of some rows of X, weighted by exp(-alpha values).

    A negative alpha is adapted to the effective sample size. `work` has 3 elements a row and
    `finite_rows` one, neither with anything in it. No value is NaN. If none is finite, all weigh
    the same.
    """
    cdef Py_ssize_t n = rows.shape[0], d = X.shape[1]
    cdef double* gaps = &work[0]
    cdef double* weights = &work[n]
    cdef double total, squares
    with nogil:
        n = finite_gaps(values, rows, gaps, &finite_rows[0])
        if alpha < 0.0:
            scale_by_median(gaps, n, weights)
            alpha = adapted_alpha(gaps, n, max(2.0, ess_fraction * n), weights)
        skstruct_weights(gaps, n, alpha, weights, &total, &squares)
        skstruct_weighted_mean(&X[0, 0], d, &finite_rows[0], weights, n, total, &out[0])


def move(double[:, ::1] X, const Py_ssize_t[::1] rows, const double[::1] c,
         const double[:, ::1] xi, const double[::1] low, const double[::1] high, double drift,
         double s, int spread):
    """Move some rows of X, in place: c + (1 - drift) (x - c) + s spread xi, kept in the box.

    Row i of `xi` belongs to the i-th of `rows`. `spread` is COMPONENT (x - c, each coordinate by
    its own), BOX (high - low) or DISTANCE (that times the length of x - c in units of the box).
    What leaves the box is reflected once, then clipped.
    """
    with nogil:
        skstruct_move(&X[0, 0], X.shape[1], &rows[0], rows.shape[0], &c[0], &xi[0, 0], &low[0],
                      &high[0], drift, s, spread)
