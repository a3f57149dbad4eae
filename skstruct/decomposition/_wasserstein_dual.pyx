"""The dual of a block of the Wasserstein CP dictionary: its value, its gradient, its primal map.

    J(G) = sum_s g <x_s, log(K e^{G_s/g})> + kappa sum_rows LSE((tau log theta_prev - B^T G)/kappa)

has the gradient P_s - q_s, where P_s = e^{G_s/g} K^T(x_s / (K e^{G_s/g})) is the marginal of the
plan and q = B theta the mixtures of the samples at theta = softmax((tau log theta_prev - B^T G) /
kappa).  K is a product of one kernel for each mode and is applied mode by mode.  The map B takes
the parameters theta of the block, here the codes of one sample or one factor, to the mixtures.

A step along a direction d moves B^T G linearly, so that theta is known before the samples are
looked at: one pass over them gives the value and the gradient.
"""

from libc.math cimport INFINITY, log
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport dgemm, dgemv


cdef extern from "entropic_dual.h" nogil:
    double skstruct_shifted_exp(const double* G, const double* w, const double* d, double step,
                                double g, Py_ssize_t n, double* out)
    void skstruct_divide(const double* x, Py_ssize_t n, double* v)
    double skstruct_dot_log(const double* x, const double* v, Py_ssize_t n)
    void skstruct_dual_metric(const double* e, const double* u, const double* q, double g,
                              double floor, Py_ssize_t n, double* w)
    void skstruct_dual_residual(const double* e, const double* u, const double* w,
                                const double* d, Py_ssize_t n, double* r, double* slope,
                                double* violation)


cdef extern from "vector_exp.h" nogil:
    void skstruct_vector_exp(const double* x, double* y, Py_ssize_t n)


cdef double METRIC_FLOOR = 0.01    # in units of the mean mass of a cell


cdef void apply_kernel(Transport* t, bint transposed) noexcept nogil:
    """u = K e, or e left as it is and u = K^T u."""
    cdef double one = 1, zero = 0
    cdef const double* kernel = t.kernels
    cdef const double* source = t.u if transposed else t.e
    cdef double* target = t.scratch
    cdef int before = 1, after = t.n_cells, j, p, size
    # Row-major products, told to BLAS as those of the transposes.
    cdef char* last = b"N" if transposed else b"T"
    cdef char* other = b"T" if transposed else b"N"
    for j in range(t.n_modes):
        size = t.shape[j]
        after //= size
        if after == 1:
            dgemm(last, b"N", &size, &before, &size, &one, <double*> kernel, &size,
                  <double*> source, &size, &zero, target, &size)
        else:
            for p in range(before):
                dgemm(b"N", other, &after, &size, &size, &one,
                      <double*> source + p * size * after, &after, <double*> kernel, &size, &zero,
                      target + p * size * after, &after)
        kernel += size * size
        before *= size
        source = target
        target = t.u if target == t.scratch else t.scratch
    if source != t.u:
        memcpy(t.u, source, t.n_cells * sizeof(double))


cdef void adjoint(Block* b, const double* D, int stride, double* out) noexcept nogil:
    """out = B^T D for the rows of D, which are stride apart."""
    cdef double one = 1, zero = 0
    cdef double total
    cdef const double* other
    cdef const double* cell
    cdef int unit = 1, r, p, i, q
    if b.n_before == 0:    # one sample
        dgemv(b"T", &b.n_cells, &b.n_components, &one, b.atoms, &b.n_cells, <double*> D, &unit,
              &zero, out, &unit)
        return
    dgemm(b"N", b"T", &b.n_cells, &b.n_components, &b.n_rows, &one, <double*> D, &stride,
          b.codes, &b.n_components, &zero, b.sums, &b.n_cells)
    memset(out, 0, b.n_vectors * b.length * sizeof(double))
    cell = b.sums
    for r in range(b.n_components):
        for p in range(b.n_before):
            other = b.others + (r * b.n_before + p) * b.n_after
            for i in range(b.length):
                total = 0
                for q in range(b.n_after):
                    total += cell[q] * other[q]
                out[r * b.length + i] += total
                cell += b.n_after


cdef double primal(Block* b, double step) noexcept nogil:
    """Set theta, and the mixtures into the trial residuals; return the sum of the LSE."""
    cdef double one = 1, zero = 0
    cdef double top, total, log_sum = 0
    cdef double* row
    cdef double* cell = b.atoms
    cdef const double* other
    cdef int stride = WORK * b.pitch, unit = 1, i, r, p, q, k
    for r in range(b.n_vectors):
        row = b.theta + r * b.length
        top, total = -INFINITY, 0
        for i in range(b.length):
            k = r * b.length + i
            row[i] = (b.tau * b.log_previous[k] - b.fixed[k] - step * b.moving[k]) / b.kappa
            top = max(top, row[i])
        for i in range(b.length):
            row[i] -= top
        skstruct_vector_exp(row, row, b.length)
        for i in range(b.length):
            total += row[i]
        for i in range(b.length):
            row[i] /= total
        log_sum += top + log(total)
    if b.n_before == 0:
        dgemv(b"N", &b.n_cells, &b.n_components, &one, b.atoms, &b.n_cells, b.theta, &unit, &zero,
              b.work + 3 * b.pitch, &unit)
        return log_sum
    for r in range(b.n_components):
        for p in range(b.n_before):
            other = b.others + (r * b.n_before + p) * b.n_after
            for i in range(b.length):
                for q in range(b.n_after):
                    cell[q] = b.theta[r * b.length + i] * other[q]
                cell += b.n_after
    dgemm(b"N", b"N", &b.n_cells, &b.n_rows, &b.n_components, &one, b.atoms, &b.n_cells, b.codes,
          &b.n_components, &zero, b.work + 3 * b.pitch, &stride)
    return log_sum


cdef void evaluate(Transport* t, Block* b, double step, bint first, Trial* at) noexcept nogil:
    """Set theta and the trial residuals at G + step w d, and what the trial found."""
    cdef Py_ssize_t n = b.n_cells, pitch = b.pitch, s
    cdef double* w
    cdef double* r
    cdef double top
    at.value = b.kappa * primal(b, step)
    at.slope = at.violation = 0
    for s in range(b.n_rows):
        w = b.work + s * WORK * pitch
        r = w + 3 * pitch
        top = skstruct_shifted_exp(b.G + s * n, w, w + pitch, step, t.reg, n, t.e)
        apply_kernel(t, False)
        at.value += top + t.reg * skstruct_dot_log(b.X + s * n, t.u, n)
        skstruct_divide(b.X + s * n, n, t.u)
        apply_kernel(t, True)
        if first:
            skstruct_dual_metric(t.e, t.u, r, t.reg, METRIC_FLOOR / n, n, w)
        skstruct_dual_residual(t.e, t.u, w, w + pitch, n, r, &at.slope, &at.violation)
    at.violation /= b.n_rows
