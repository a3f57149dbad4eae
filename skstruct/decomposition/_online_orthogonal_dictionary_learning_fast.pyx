"""Steps of online orthogonal dictionary learning on mini-batches: one call per chunk.

Rows are float32 or float64, dense or CSR, and so are all products with them; the dictionary D and
the averaged gradient G (k x d, row-major) are float64.  A batch goes through in blocks of rows,
whose size bounds the memory.  No scale of the data over- or underflows: a block is taken in units
of the power of two above its largest number, and G in units of the largest such power so far, to
the power of p.
"""

from cython cimport floating
from libc.math cimport frexp, ldexp, pow
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport ddot, dgemm, dscal, idamax, isamax, sgemm

import numpy as np

from skstruct.decomposition._polar cimport polar, polar_workspace

ctypedef fused index_t:
    int32_t
    int64_t

cdef extern from "top_k.h" nogil:
    void skstruct_top_k_magnitude_float(
        const float* x, Py_ssize_t n, Py_ssize_t k, float* work, int32_t* index)
    void skstruct_top_k_magnitude_double(
        const double* x, Py_ssize_t n, Py_ssize_t k, double* work, int32_t* index)


cdef void gemm(bint transpose_a, bint transpose_b, int m, int n, int k, floating alpha,
               const floating* A, int lda, const floating* B, int ldb, floating* C,
               int ldc) noexcept nogil:
    """C = alpha op(A) op(B), by columns."""
    cdef char* ta = b"T" if transpose_a else b"N"
    cdef char* tb = b"T" if transpose_b else b"N"
    cdef floating zero = 0
    if floating is double:
        dgemm(ta, tb, &m, &n, &k, &alpha, <double*> A, &lda, <double*> B, &ldb, &zero, C, &ldc)
    else:
        sgemm(ta, tb, &m, &n, &k, &alpha, <float*> A, &lda, <float*> B, &ldb, &zero, C, &ldc)


cdef floating largest(const floating* x, int n) noexcept nogil:
    """The largest of n >= 1 magnitudes."""
    cdef int one = 1
    cdef floating value
    if floating is double:
        value = x[idamax(&n, <double*> x, &one) - 1]
    else:
        value = x[isamax(&n, <float*> x, &one) - 1]
    return value if value >= 0 else -value


cdef double power_above(floating x) noexcept nogil:
    """The power of two above x, of which the reciprocal is a number of the type, too."""
    cdef int exponent
    frexp(x, &exponent)
    return ldexp(1, max(min(exponent, 1000), -126 if floating is float else -1000))


cdef void add_multiple(floating a, const floating* x, Py_ssize_t n, floating* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] += a * x[i]


cdef void stretch(floating* A, Py_ssize_t k, double p, floating factor) noexcept nogil:
    """a = factor * sign(a) |a|^(p - 1) for the k coefficients of a row."""
    cdef Py_ssize_t j
    cdef floating a
    if p == 3:
        for j in range(k):
            A[j] *= factor * (A[j] if A[j] >= 0 else -A[j])
    elif p == 4:
        for j in range(k):
            A[j] *= factor * A[j] * A[j]
    else:
        for j in range(k):
            a = factor * <floating> pow(A[j] if A[j] >= 0 else -A[j], p - 1)
            A[j] = a if A[j] >= 0 else -a


cdef enum:
    MOST_ROWS = 512        # of a block

cdef struct Work:
    Py_ssize_t k
    Py_ssize_t d
    Py_ssize_t* row        # the rows of X in a block
    double* weight         # their shares of the weight of the batch
    double* S              # k x d: polar factor of G
    double* polar
    void* x                # n x d: the rows of a block
    void* codes            # n x k: their coefficients
    void* atoms            # D; its transpose for CSR
    void* g                # k x d: gradient of a block
    void* g_transposed     # for CSR


cdef bint allocate(Work* m, Py_ssize_t n, Py_ssize_t k, Py_ssize_t d,
                   Py_ssize_t width) noexcept nogil:
    """Room for blocks of n rows of numbers of `width` bytes; m.row is to be freed."""
    cdef Py_ssize_t n_polar = polar_workspace(k, d)
    m.k, m.d = k, d
    m.row = <Py_ssize_t*> malloc(n * sizeof(Py_ssize_t) + (n + k * d + n_polar) * sizeof(double)
                                 + (n * (d + k) + 3 * k * d) * width)
    if m.row == NULL:
        return False
    m.weight = <double*> (m.row + n)
    m.S = m.weight + n
    m.polar = m.S + k * d
    m.x = m.polar + n_polar
    m.codes = <char*> m.x + n * d * width
    m.atoms = <char*> m.codes + n * k * width
    m.g = <char*> m.atoms + k * d * width
    m.g_transposed = <char*> m.g + k * d * width
    return True


cdef floating gather(Work* m, const floating[:, ::1] X, Py_ssize_t n) noexcept nogil:
    """Bring the rows of a block together; return their largest magnitude."""
    cdef floating* x = <floating*> m.x
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(x + i * m.d, &X[m.row[i], 0], m.d * sizeof(floating))
    return largest(x, n * m.d)


cdef void dense_gradient(Work* m, Py_ssize_t n, const double* D, floating inverse,
                         double p) noexcept nogil:
    """g = W' X in units of the block, of which `inverse` is the reciprocal."""
    cdef floating* x = <floating*> m.x
    cdef floating* codes = <floating*> m.codes
    cdef floating* atoms = <floating*> m.atoms
    cdef Py_ssize_t i, j, k = m.k, d = m.d
    for j in range(k * d):
        atoms[j] = <floating> D[j]
    gemm(True, False, k, n, d, inverse, atoms, d, x, d, codes, k)
    for i in range(n):
        stretch(codes + i * k, k, p, <floating> m.weight[i])
    gemm(False, True, d, k, n, inverse, x, d, codes, k, <floating*> m.g, d)


cdef void csr_gradient(Work* m, const floating* data, const index_t* indices,
                       const index_t* indptr, Py_ssize_t n, const double* D, floating inverse,
                       double p) noexcept nogil:
    """The same for rows of CSR, in multiplications by what is not 0."""
    cdef floating* codes = <floating*> m.codes
    cdef floating* atoms = <floating*> m.atoms
    cdef floating* g = <floating*> m.g
    cdef floating* g_transposed = <floating*> m.g_transposed
    cdef Py_ssize_t i, j, c, k = m.k, d = m.d
    cdef index_t z
    for j in range(d):
        for c in range(k):
            atoms[j * k + c] = <floating> D[c * d + j]
    memset(codes, 0, n * k * sizeof(floating))
    memset(g_transposed, 0, k * d * sizeof(floating))
    for i in range(n):
        for z in range(indptr[m.row[i]], indptr[m.row[i] + 1]):
            add_multiple(inverse * data[z], atoms + indices[z] * k, k, codes + i * k)
        stretch(codes + i * k, k, p, <floating> m.weight[i])
        for z in range(indptr[m.row[i]], indptr[m.row[i] + 1]):
            add_multiple(inverse * data[z], codes + i * k, k, g_transposed + indices[z] * k)
    for c in range(k):
        for j in range(d):
            g[c * d + j] = g_transposed[j * k + c]


def learn(const floating[:, ::1] X, const floating[::1] data, const index_t[::1] indices,
          const index_t[::1] indptr, const Py_ssize_t[::1] order, const double[::1] weight,
          double[:, ::1] D, double[:, ::1] G, double[::1] state, const double[::1] rho,
          const double[::1] gamma, *, double p, Py_ssize_t batch_size):
    """A step of Frank and Wolfe for each batch of the rows order[0], order[1], ...

    Rows are those of X or, where it has none, of the CSR arrays.  D, G and state are updated:
    state has the unit of G, the gap, and the objective <G, D> before the step.  A batch of zeros
    is passed over.  Returns the number of steps, and the sum of their gaps.
    """
    cdef Work m
    cdef Py_ssize_t n_rows = order.shape[0], k = D.shape[0], d = D.shape[1], n_steps = 0
    cdef Py_ssize_t stop = 0, block, n, i, j
    cdef bint sparse = X.shape[0] == 0, failed = False, any_row
    cdef int kd = k * d, one = 1
    cdef double total, keep, gain, unit, inner, value, gaps = 0
    cdef double* d_ = &D[0, 0]
    cdef double* g_ = &G[0, 0]
    cdef floating top
    cdef floating* g
    batch_size = min(batch_size, n_rows)
    if not allocate(&m, min(batch_size, MOST_ROWS), k, d, sizeof(floating)):
        raise MemoryError()
    g = <floating*> m.g
    with nogil:
        while stop < n_rows:
            block, stop = stop, min(stop + batch_size, n_rows)
            total = 0
            for i in range(block, stop):
                total += weight[order[i]]
            any_row, keep = False, 1 - rho[n_steps]
            while block < stop:
                n = min(stop - block, MOST_ROWS)
                for i in range(n):
                    m.row[i] = order[block + i]
                    m.weight[i] = weight[m.row[i]] / total
                block += n
                if sparse:
                    top = 0
                    for i in range(n):
                        j = indptr[m.row[i]]
                        if indptr[m.row[i] + 1] > j:
                            top = max(top, largest(&data[j], indptr[m.row[i] + 1] - j))
                else:
                    top = gather(&m, X, n)
                if top == 0:
                    continue
                unit = power_above(top)
                if unit > state[0]:
                    gain = pow(state[0] / unit, p)
                    dscal(&kd, &gain, g_, &one)
                    state[0] = unit
                if sparse:
                    csr_gradient(&m, &data[0], &indices[0], &indptr[0], n, d_,
                                 <floating> (1 / unit), p)
                else:
                    dense_gradient(&m, n, d_, <floating> (1 / unit), p)
                gain = rho[n_steps] * pow(unit / state[0], p)
                for j in range(k * d):
                    g_[j] = keep * g_[j] + gain * g[j]
                any_row, keep = True, 1
            if not any_row:
                continue
            if polar(g_, d_, 1e-6 if floating is float else 1e-12, k, d, m.S, m.polar):
                failed = True
                break
            inner = ddot(&kd, g_, &one, d_, &one)
            value = ddot(&kd, g_, &one, m.S, &one)
            state[1], state[2] = 0, inner
            if value > 0:
                state[1] = max(0.0, 1 - inner / value)
                for j in range(k * d):
                    d_[j] = (1 - gamma[n_steps]) * d_[j] + gamma[n_steps] * m.S[j]
            gaps += state[1]
            n_steps += 1
        free(m.row)
    if failed:
        raise np.linalg.LinAlgError("the singular value decomposition did not converge")
    return n_steps, gaps


def keep_largest(floating[:, ::1] codes, Py_ssize_t n_kept):
    """Set all but the n_kept largest magnitudes of each row to 0."""
    cdef Py_ssize_t n = codes.shape[1], i, j, c
    cdef floating[::1] work = np.empty(2 * n, np.asarray(codes).dtype)
    cdef int32_t[::1] index = np.empty(n, np.int32)
    with nogil:
        for i in range(codes.shape[0]):
            if floating is double:
                skstruct_top_k_magnitude_double(&codes[i, 0], n, n_kept, &work[0], &index[0])
            else:
                skstruct_top_k_magnitude_float(&codes[i, 0], n, n_kept, &work[0], &index[0])
            c = 0
            for j in range(n):
                if c < n_kept and index[c] == j:
                    c += 1
                else:
                    codes[i, j] = 0


def threshold(floating[:, ::1] codes, double alpha, bint soft):
    """Set magnitudes of at most alpha to 0 and, if soft, lessen the others by alpha."""
    cdef floating bound = <floating> alpha, shift = bound if soft else 0, a
    cdef Py_ssize_t i, j
    with nogil:
        for i in range(codes.shape[0]):
            for j in range(codes.shape[1]):
                a = codes[i, j]
                codes[i, j] = a - shift if a > bound else a + shift if a < -bound else 0
