"""Block solver of the Wasserstein CP dictionary: preconditioned L-BFGS on the duals.

The dual J of a block (_wasserstein_dual.pyx) is minimised in a diagonal metric fixed at the start,
in which the first step of Sinkhorn's algorithm has length 1.  J is convex: where the slope at the
end of a step is negative, J has decreased.  Directions come from the compact form of L-BFGS, which
reads the pairs (s, y) twice an iteration: once for their products with the gradient and once to
combine them [1]_.

References
----------
.. [1] R. H. Byrd, J. Nocedal, R. B. Schnabel, "Representations of quasi-Newton matrices and their
   use in limited memory methods", Mathematical Programming 63, 1994.
"""

from libc.math cimport INFINITY, log
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport daxpy, ddot, dgemv

from skstruct.decomposition._wasserstein_dual cimport (
    N_PAIRS, PADDING, WORK, Block, Transport, Trial, adjoint, evaluate, primal,
)


cdef extern from "entropic_dual.h" nogil:
    double skstruct_dual_accept(const double* d, const double* w, const double* new, double step,
                                Py_ssize_t n, double* G, double* r, double* s, double* y)


cdef enum:
    MAX_TRIALS = 20        # steps that one line search may try

# A step is taken if the slope there is between these multiples of the slope at its start.
cdef double STEEPEST = 0.9
cdef double REBOUND = -0.5
cdef double TINIEST = 1e-300


def work_shape(n_samples, n_cells):
    """Return the shape of the workspace of update_factor."""
    return n_samples, WORK, n_cells + PADDING


cdef struct Pairs:
    int count
    int slot[N_PAIRS]              # from old to new
    double sy[N_PAIRS][N_PAIRS]    # <s_i, y_j>, i <= j
    double yy[N_PAIRS][N_PAIRS]
    double sr[N_PAIRS]             # <s_i, r>
    double yr[N_PAIRS]


cdef void products(Block* b, Pairs* pairs) noexcept nogil:
    """Set the products of the pairs with the residual."""
    cdef double one = 1
    cdef double found[2 * N_PAIRS]
    cdef int unit = 1, n_pairs = 2 * pairs.count, i
    cdef Py_ssize_t pitch = b.pitch, s
    cdef double* w
    memset(found, 0, sizeof(found))
    for s in range(b.n_rows):
        w = b.work + s * WORK * pitch
        dgemv(b"T", &b.n_cells, &n_pairs, &one, w + 4 * pitch, &b.pitch, w + 2 * pitch, &unit,
              &one, found, &unit)
    for i in range(pairs.count):
        pairs.sr[i] = found[2 * pairs.slot[i]]
        pairs.yr[i] = found[2 * pairs.slot[i] + 1]


cdef double direct(Block* b, Pairs* pairs) noexcept nogil:
    """Set the direction and its image under B^T; return the slope along it."""
    cdef double minus = -1, one = 1, slope = 0
    cdef double coefficients[2 * N_PAIRS]
    cdef double p[N_PAIRS]
    cdef double v[N_PAIRS]
    cdef int unit = 1, k = pairs.count, n_pairs = 2 * k, i, j
    cdef Py_ssize_t n = b.n_cells, pitch = b.pitch, s, cell
    cdef double* w
    for i in range(k - 1, -1, -1):
        p[i] = pairs.sr[i]
        for j in range(i + 1, k):
            p[i] -= pairs.sy[i][j] * p[j]
        p[i] /= pairs.sy[i][i]
    for i in range(k):
        v[i] = pairs.sy[i][i] * p[i] - pairs.yr[i]
        for j in range(k):
            v[i] += pairs.yy[i][j] * p[j]
        for j in range(i):
            v[i] -= pairs.sy[j][i] * v[j]
        v[i] /= pairs.sy[i][i]
        coefficients[2 * pairs.slot[i]] = v[i]
        coefficients[2 * pairs.slot[i] + 1] = -p[i]
    for s in range(b.n_rows):
        w = b.work + s * WORK * pitch
        memset(w + pitch, 0, n * sizeof(double))
        daxpy(&b.n_cells, &minus, w + 2 * pitch, &unit, w + pitch, &unit)
        if k > 0:
            dgemv(b"N", &b.n_cells, &n_pairs, &minus, w + 4 * pitch, &b.pitch, coefficients, &unit,
                  &one, w + pitch, &unit)
        slope += ddot(&b.n_cells, w + 2 * pitch, &unit, w + pitch, &unit)
        for cell in range(n):
            w[3 * pitch + cell] = w[cell] * w[pitch + cell]
    adjoint(b, b.work + 3 * pitch, WORK * b.pitch, b.moving)
    return slope


cdef void accept(Block* b, Pairs* pairs, double step, double slope_change) noexcept nogil:
    """Move to the trial, and remember the step as the newest pair."""
    cdef double sr[N_PAIRS]
    cdef double yr[N_PAIRS]
    cdef double yy = 0
    cdef Py_ssize_t n = b.n_cells, pitch = b.pitch, s
    cdef int k = pairs.count, i, j, slot
    cdef double* w
    slot = k
    if k == N_PAIRS:
        k -= 1
        slot = pairs.slot[0]
        for i in range(k):
            pairs.slot[i] = pairs.slot[i + 1]
            pairs.sr[i] = pairs.sr[i + 1]
            pairs.yr[i] = pairs.yr[i + 1]
            for j in range(k):
                pairs.sy[i][j] = pairs.sy[i + 1][j + 1]
                pairs.yy[i][j] = pairs.yy[i + 1][j + 1]
    pairs.slot[k] = slot
    pairs.count = k + 1
    for s in range(b.n_rows):
        w = b.work + s * WORK * pitch
        yy += skstruct_dual_accept(w + pitch, w, w + 3 * pitch, step, n, b.G + s * n,
                                   w + 2 * pitch, w + (4 + 2 * slot) * pitch,
                                   w + (5 + 2 * slot) * pitch)
    memcpy(sr, pairs.sr, sizeof(sr))
    memcpy(yr, pairs.yr, sizeof(yr))
    products(b, pairs)
    for i in range(k):
        pairs.sy[i][k] = pairs.sr[i] - sr[i]
        pairs.yy[i][k] = pairs.yy[k][i] = pairs.yr[i] - yr[i]
    pairs.sy[k][k] = step * slope_change
    pairs.yy[k][k] = yy
    for i in range(b.n_vectors * b.length):
        b.fixed[i] += step * b.moving[i]


cdef double minimise(Transport* t, Block* b, double tolerance, Py_ssize_t max_iter,
                     Py_ssize_t* n_evals) noexcept nogil:
    """Minimise J until the mean violation of the marginals is below tolerance.

    Sets G and, at it, theta; counts evaluations of a sample; returns J.
    """
    cdef Pairs pairs
    cdef Trial here, there
    cdef Py_ssize_t pitch = b.pitch, s, _trial
    cdef double step, low, high, slope_low, slope_high
    pairs.count = 0
    for s in range(b.n_vectors * b.length):
        b.log_previous[s] = log(max(b.theta[s], TINIEST))
    for s in range(b.n_rows):
        memset(b.work + s * WORK * pitch, 0, 2 * pitch * sizeof(double))
    memset(b.moving, 0, b.n_vectors * b.length * sizeof(double))
    adjoint(b, b.G, b.n_cells, b.fixed)
    evaluate(t, b, 0, True, &here)
    n_evals[0] += b.n_rows
    for s in range(b.n_rows):
        memcpy(b.work + (s * WORK + 2) * pitch, b.work + (s * WORK + 3) * pitch,
               b.n_cells * sizeof(double))
    while here.violation >= tolerance and max_iter > 0:
        max_iter -= 1
        here.slope = direct(b, &pairs)
        step, low, high, slope_low, slope_high = 1, 0, INFINITY, here.slope, INFINITY
        for _trial in range(MAX_TRIALS):
            evaluate(t, b, step, False, &there)
            n_evals[0] += b.n_rows
            if there.slope > 0 and (there.slope > REBOUND * here.slope
                                    or there.value > here.value):
                high, slope_high = step, there.slope
            elif there.slope < STEEPEST * here.slope:
                low, slope_low = step, there.slope
            else:
                break
            if high == INFINITY:
                step *= 3
            else:
                # Where the slope would vanish if it were linear, away from the ends.
                step = -slope_low / (slope_high - slope_low)
                step = low + (high - low) * min(max(step, 0.1), 0.9)
        else:
            if pairs.count == 0:
                break
            pairs.count = 0    # rounding has used them up
            continue
        accept(b, &pairs, step, there.slope - here.slope)
        here = there
    primal(b, 0)    # where the last trial was not taken, theta is not at G
    return here.value


cdef double* prepare(Transport* t, Block* b, const int[::1] shape, const double[::1] kernels,
                     Py_ssize_t n_more) except NULL:
    """Set what both kinds of block have in common; return memory to be freed, n_more last."""
    cdef Py_ssize_t n = b.n_cells, n_theta = b.n_vectors * b.length
    cdef double* memory = <double*> malloc((3 * n + 3 * n_theta + n_more) * sizeof(double))
    if memory == NULL:
        raise MemoryError()
    t.n_modes, t.n_cells, t.shape, t.kernels = shape.shape[0], b.n_cells, &shape[0], &kernels[0]
    t.e, t.u, t.scratch = memory, memory + n, memory + 2 * n
    b.log_previous = memory + 3 * n
    b.fixed, b.moving = b.log_previous + n_theta, b.log_previous + 2 * n_theta
    return memory


def update_codes(const double[:, ::1] X, double[:, ::1] G, double[:, ::1] codes,
                 const double[:, ::1] atoms, const int[::1] shape, const double[::1] kernels, *,
                 double reg, double kappa, double tau, double tolerance, Py_ssize_t max_iter):
    """Minimise over the code of each sample, each alone, from the duals G and the codes given.

    Returns the number of evaluations of a sample, and the sum of J.
    """
    cdef Transport t
    cdef Block b
    cdef Py_ssize_t n_evals = 0, s
    cdef double value = 0
    cdef double* memory
    b.n_rows, b.n_components, b.n_cells = 1, codes.shape[1], X.shape[1]
    b.n_before, b.n_after, b.n_vectors, b.length = 0, 0, 1, codes.shape[1]
    b.pitch = b.n_cells + PADDING
    b.kappa, b.tau, t.reg = kappa, tau, reg
    b.atoms = <double*> &atoms[0, 0]
    memory = prepare(&t, &b, shape, kernels, WORK * b.pitch)
    b.work = b.moving + b.length
    with nogil:
        for s in range(X.shape[0]):
            b.X, b.G, b.codes = &X[s, 0], &G[s, 0], &codes[s, 0]
            b.theta = b.codes
            value += minimise(&t, &b, tolerance, max_iter, &n_evals)
        free(memory)
    return n_evals, value


def update_factor(const double[:, ::1] X, double[:, ::1] G, const double[:, ::1] codes,
                  double[:, ::1] factor, const double[:, :, ::1] others, double[:, ::1] atoms,
                  double[:, :, ::1] work, const int[::1] shape, const double[::1] kernels, *,
                  double reg, double kappa, double tau, double tolerance, Py_ssize_t max_iter):
    """Minimise over one factor, from the duals G and the factor given; sets the atoms as well.

    others holds the atoms without this factor, of shape (n_components, cells of the modes before,
    cells of those after); work is of shape work_shape(n_samples, n_cells).

    Returns the number of evaluations of a sample, and J.
    """
    cdef Transport t
    cdef Block b
    cdef Py_ssize_t n_evals = 0
    cdef double value
    cdef double* memory
    b.n_rows, b.n_components, b.n_cells = X.shape[0], codes.shape[1], X.shape[1]
    b.n_before, b.n_after = others.shape[1], others.shape[2]
    b.n_vectors, b.length = factor.shape[0], factor.shape[1]
    b.kappa, b.tau, t.reg = kappa, tau, reg
    b.X, b.G, b.codes, b.theta = &X[0, 0], &G[0, 0], <double*> &codes[0, 0], &factor[0, 0]
    b.others, b.atoms, b.work = &others[0, 0, 0], &atoms[0, 0], &work[0, 0, 0]
    b.pitch = work.shape[2]
    memory = prepare(&t, &b, shape, kernels, b.n_components * b.n_cells)
    b.sums = b.moving + b.n_vectors * b.length
    with nogil:
        value = minimise(&t, &b, tolerance, max_iter, &n_evals)
        free(memory)
    return n_evals, value
