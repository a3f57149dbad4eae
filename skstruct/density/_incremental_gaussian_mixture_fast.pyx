"""The row loop of the incremental Gaussian mixture: one call per chunk, no Python inside.

All is in units z = (x - center) / sigma, in which a new component has the unit matrix as its
covariance.  Component k has the precision matrix factor[k] * P_k, where P_k is packed in panels
(_lib/packed_symmetric.h): the division by 1 - wc is one product, the rest of an update a rank-one
downdate of a triangle.  Half of each P_k is read per row, and nothing is allocated per row.
"""

from cython cimport floating
from libc.math cimport INFINITY, fabs, log, log1p, sqrt
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset


cdef extern from "packed_symmetric.h" nogil:
    Py_ssize_t skstruct_packed_size(Py_ssize_t n_panels)
    Py_ssize_t skstruct_packed_index(Py_ssize_t i, Py_ssize_t j)
    void skstruct_packed_distances(
        const double* A, Py_ssize_t A_step, const double* mu, Py_ssize_t mu_step, const double* x,
        Py_ssize_t x_step, Py_ssize_t n, Py_ssize_t n_panels, double* e, double* out,
        Py_ssize_t out_step)
    void skstruct_packed_symv(const double* A, const double* e, Py_ssize_t n_panels, double* y)
    void skstruct_packed_syr(double s, const double* u, Py_ssize_t n_panels, double* A)


cdef extern from "vector_exp.h" nogil:
    void skstruct_vector_exp(const double* x, double* y, Py_ssize_t n)


# A row further than this from the centre is brought there, so that no square overflows.
cdef double FARTHEST = 1e120
cdef double TINIEST_MASS = 1e-300
cdef double LARGEST_FACTOR = 1e3
# Bounds that keep a precision matrix positive definite in floating point: none of its diagonal
# elements exceeds the first, and along an update it keeps the second, times its trace.
cdef double LARGEST_PRECISION = 1e8
cdef double SMALLEST_PRECISION = 1e-12
cdef Py_ssize_t PRUNE_EVERY = 100

cdef enum:
    BLOCK = 64             # rows that one pass over a precision matrix serves


cdef struct Mixture:
    Py_ssize_t n_features
    Py_ssize_t n_panels
    Py_ssize_t order       # n_features, padded
    Py_ssize_t size        # of a packed matrix
    double* mean
    double* precision
    double* factor
    double* log_det
    double* mass
    int64_t* birth
    double* e              # three working vectors
    double* y
    double* u


cdef void standardize(const floating* x, const double* center, const double* sigma,
                      Py_ssize_t n_features, double* z) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n_features):
        z[j] = max(min((x[j] - center[j]) / sigma[j], FARTHEST), -FARTHEST)


cdef inline double freedom(double mass, double prior_weight) noexcept nogil:
    """Degrees of freedom of a covariance: additive in the mass, prior_weight for a mass of 1."""
    if mass >= 1 or prior_weight >= 1:
        return mass - 1 + prior_weight
    return mass * prior_weight


cdef void found(Mixture* m, Py_ssize_t k, const double* z, double weight, int64_t now,
                double prior_weight) noexcept nogil:
    """Start component k at z, as a row that came `weight` times would have left it."""
    cdef double* P = m.precision + k * m.size
    cdef Py_ssize_t j
    memset(P, 0, m.size * sizeof(double))
    for j in range(m.n_features):
        P[skstruct_packed_index(j, j)] = 1
    memcpy(m.mean + k * m.order, z, m.order * sizeof(double))
    m.factor[k] = freedom(weight, prior_weight) / prior_weight
    m.log_det[k] = -m.n_features * log(m.factor[k])
    m.mass[k] = weight
    m.birth[k] = now


cdef double trace(const Mixture* m, Py_ssize_t k) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t j
    for j in range(m.n_features):
        total += m.precision[k * m.size + skstruct_packed_index(j, j)]
    return total * m.factor[k]


cdef void widen(Mixture* m, Py_ssize_t k, double q, double den) noexcept nogil:
    """C_k += q e e' for the vector m.e, with m.y = P_k e and den = 1 + q e' inv(C_k) e."""
    cdef double g = q * m.factor[k] / den
    cdef double root = sqrt(fabs(g))
    cdef Py_ssize_t j
    for j in range(m.order):
        m.u[j] = root * m.y[j]
    skstruct_packed_syr(1 if g >= 0 else -1, m.u, m.n_panels, m.precision + k * m.size)
    m.log_det[k] += log(den)


cdef void fold(Mixture* m, Py_ssize_t k) noexcept nogil:
    """Multiply the factor into the matrix, and bound its diagonal."""
    cdef double* P = m.precision + k * m.size
    cdef double q = 1 / LARGEST_PRECISION
    cdef double p
    cdef Py_ssize_t j
    for j in range(m.size):
        P[j] *= m.factor[k]
    m.factor[k] = 1
    for j in range(m.n_features):
        p = P[skstruct_packed_index(j, j)]
        if p > LARGEST_PRECISION:
            memset(m.e, 0, m.order * sizeof(double))
            m.e[j] = 1
            skstruct_packed_symv(P, m.e, m.n_panels, m.y)
            widen(m, k, q, 1 + q * p)


cdef void absorb(Mixture* m, Py_ssize_t k, const double* z, double d2, double r,
                 double prior_weight, bint literal) noexcept nogil:
    """Move component k by the responsibility r for z, which is not yet in its mass."""
    cdef double before = m.mass[k]
    cdef double mass = before + r
    cdef double w = r / mass
    cdef double wc, q, den, largest, square = 0
    cdef Py_ssize_t j
    cdef double* mean = m.mean + k * m.order
    for j in range(m.order):
        m.e[j] = z[j] - mean[j]
    if literal:
        wc = w
        q = w * (1 - 3 * w + w * w) / (1 - w)
    else:
        wc = r / freedom(mass, prior_weight)
        if before < 1 and prior_weight < 1:
            wc = 1 - freedom(before, prior_weight) / freedom(mass, prior_weight)
        wc = min(wc, 0.999999)
        q = wc * (1 - w) / (1 - wc)
    den = 1 + q * d2
    if den > 1.01:
        for j in range(m.n_features):
            square += m.e[j] * m.e[j]
        largest = max(1.0, d2 / (SMALLEST_PRECISION * square * trace(m, k)))
        if den > largest:
            den = largest
            q = (den - 1) / d2
    skstruct_packed_symv(m.precision + k * m.size, m.e, m.n_panels, m.y)
    widen(m, k, q, den)
    m.factor[k] /= 1 - wc
    m.log_det[k] += m.n_features * log1p(-wc)
    for j in range(m.order):
        mean[j] += w * m.e[j]
    m.mass[k] = mass
    if m.factor[k] > LARGEST_FACTOR:
        fold(m, k)


cdef Py_ssize_t weakest(const Mixture* m, Py_ssize_t n_components, int64_t now, double v_min,
                        double sp_min) noexcept nogil:
    """Index of the lightest component that is old and light enough to go, or -1."""
    cdef Py_ssize_t k, found_at = -1
    for k in range(n_components):
        if now - m.birth[k] + 1 > v_min and m.mass[k] < sp_min:
            if found_at < 0 or m.mass[k] < m.mass[found_at]:
                found_at = k
    return found_at


cdef void remove(Mixture* m, Py_ssize_t k, Py_ssize_t n_components) noexcept nogil:
    """Take component k out; the order of the others stays."""
    cdef Py_ssize_t i
    for i in range(k, n_components - 1):
        memcpy(m.mean + i * m.order, m.mean + (i + 1) * m.order, m.order * sizeof(double))
        memcpy(m.precision + i * m.size, m.precision + (i + 1) * m.size, m.size * sizeof(double))
        m.factor[i] = m.factor[i + 1]
        m.log_det[i] = m.log_det[i + 1]
        m.mass[i] = m.mass[i + 1]
        m.birth[i] = m.birth[i + 1]


def learn(const floating[:, ::1] X, const double[::1] weight, Py_ssize_t first,
          const double[::1] center, const double[::1] sigma, double[:, ::1] mean,
          double[:, ::1] precision, double[::1] factor, double[::1] log_det, double[::1] mass,
          int64_t[::1] birth, int64_t[::1] counts, *, double threshold, double prior_weight,
          double v_min, double sp_min, double forgetting, double resp_tol,
          Py_ssize_t max_components, bint literal):
    """Learn the rows of X from `first` on; return the row before which the arrays must grow.

    counts: components, rows, founded and pruned components.
    """
    cdef Mixture m
    cdef Py_ssize_t capacity = mean.shape[0], order = mean.shape[1], n_rows = X.shape[0]
    cdef Py_ssize_t n_components = counts[0], i, k, slot
    cdef double nearest, top, total, r
    cdef double* z
    cdef double* d2
    cdef double* share
    m.n_features, m.n_panels, m.order = X.shape[1], order // 8, order
    m.size = skstruct_packed_size(m.n_panels)
    m.mean, m.precision, m.factor = &mean[0, 0], &precision[0, 0], &factor[0]
    m.log_det, m.mass, m.birth = &log_det[0], &mass[0], &birth[0]
    z = <double*> malloc((4 * order + 2 * capacity) * sizeof(double))
    if z == NULL:
        raise MemoryError()
    m.e, m.y, m.u, d2 = z + order, z + 2 * order, z + 3 * order, z + 4 * order
    share = d2 + capacity
    with nogil:
        memset(z, 0, 4 * order * sizeof(double))
        for i in range(first, n_rows):
            if n_components == capacity < max_components:
                n_rows = i
                break
            standardize(&X[i, 0], &center[0], &sigma[0], m.n_features, z)
            if forgetting < 1:
                for k in range(n_components):
                    m.mass[k] = max(m.mass[k] * forgetting, TINIEST_MASS)
            skstruct_packed_distances(m.precision, m.size, m.mean, order, z, 0, n_components,
                                      m.n_panels, m.e, d2, 1)
            nearest, top = INFINITY, -INFINITY
            for k in range(n_components):
                d2[k] *= m.factor[k]
                nearest = min(nearest, d2[k])
                share[k] = -0.5 * (d2[k] + m.log_det[k])
                top = max(top, share[k])
            slot = -1
            if n_components == 0 or nearest > threshold:
                if n_components < max_components:
                    slot = n_components
                    n_components += 1
                else:
                    slot = weakest(&m, n_components, counts[1] - counts[2], v_min, sp_min)
                    counts[3] += slot >= 0
            counts[1] += 1
            if slot >= 0:
                counts[2] += 1
                found(&m, slot, z, weight[i], counts[1] - counts[2], prior_weight)
            else:
                for k in range(n_components):
                    share[k] -= top
                skstruct_vector_exp(share, share, n_components)
                total = 0
                for k in range(n_components):
                    share[k] *= m.mass[k]
                    total += share[k]
                for k in range(n_components):
                    r = weight[i] * (share[k] / total)
                    if r > resp_tol:
                        absorb(&m, k, z, d2[k], r, prior_weight, literal)
                    else:
                        m.mass[k] += r
            if counts[1] % PRUNE_EVERY == 0:
                while n_components > 1:
                    k = weakest(&m, n_components, counts[1] - counts[2], v_min, sp_min)
                    if k < 0:
                        break
                    remove(&m, k, n_components)
                    n_components -= 1
                    counts[3] += 1
        counts[0] = n_components
        free(z)
    return n_rows


def distances(const floating[:, ::1] X, const double[::1] center, const double[::1] sigma,
              const double[:, ::1] mean, const double[:, ::1] precision, const double[::1] factor,
              double[:, ::1] out):
    """Put the squared Mahalanobis distances of the rows of X to the components into out."""
    cdef Py_ssize_t n_components = out.shape[1], order = mean.shape[1], n_features = X.shape[1]
    cdef Py_ssize_t n_panels = order // 8, start = 0, i, k, n
    cdef double* z = <double*> malloc((BLOCK + 1) * order * sizeof(double))
    if z == NULL:
        raise MemoryError()
    with nogil:
        memset(z, 0, BLOCK * order * sizeof(double))
        while start < X.shape[0]:
            n = min(BLOCK, X.shape[0] - start)
            for i in range(n):
                standardize(&X[start + i, 0], &center[0], &sigma[0], n_features, z + i * order)
            for k in range(n_components):
                skstruct_packed_distances(&precision[k, 0], 0, &mean[k, 0], 0, z, order, n,
                                          n_panels, z + BLOCK * order, &out[start, k],
                                          n_components)
                for i in range(n):
                    out[start + i, k] *= factor[k]
            start += n
        free(z)
