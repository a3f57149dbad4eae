"""Statistics of sparse codes, and the pass over the atoms: one call each per batch.

A = sum w a a' and B = sum w a x' get only the rows of the atoms that are used: O(nnz (nnz + d)) a
sample.  The pass over the atoms takes the residuals B_j - A_j D of BLOCK atoms by one matrix
product, and brings those of the block that are yet to come up to date after each atom, so that
every atom sees all atoms before it as they are now.
"""

from cython cimport floating
from libc.math cimport sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from scipy.linalg.cython_blas cimport dgemm


cdef enum:
    BLOCK = 16             # atoms whose residuals one matrix product gives


def accumulate(const floating[:, ::1] code, const floating[:, ::1] X, const double[::1] weight,
               double keep, double[:, ::1] A, double[:, ::1] B):
    """A = keep A + sum of weight code code', B = keep B + sum of weight code x'."""
    cdef Py_ssize_t n_atoms = A.shape[0], n_features = X.shape[1], n_used, i, j, k, p, q
    cdef double a
    cdef double* values = <double*> malloc(n_atoms * (sizeof(double) + sizeof(Py_ssize_t)))
    cdef Py_ssize_t* used = <Py_ssize_t*> (values + n_atoms)
    if values == NULL:
        raise MemoryError()
    with nogil:
        for j in range(n_atoms):
            for k in range(n_atoms):
                A[j, k] *= keep
            for k in range(n_features):
                B[j, k] *= keep
        for i in range(X.shape[0]):
            n_used = 0
            for j in range(n_atoms):
                if code[i, j] != 0:
                    used[n_used] = j
                    values[n_used] = code[i, j]
                    n_used += 1
            for p in range(n_used):
                a = weight[i] * values[p]
                j = used[p]
                for q in range(n_used):
                    A[j, used[q]] += a * values[q]
                for k in range(n_features):
                    B[j, k] += a * X[i, k]
        free(values)


cdef double move(double* atom, double* r, double a, bint positive, Py_ssize_t n) noexcept nogil:
    """Bring an atom to where its cost is least on the sphere; leave its step in r.

    The minimum without the constraint is u = atom + r / a. Returns the squared length of the step.
    """
    cdef double norm = 0, square = 0, u
    cdef Py_ssize_t k
    for k in range(n):
        u = atom[k] + r[k] / a
        if positive and u < 0:
            u = 0
        r[k] = u
        norm += u * u
    norm = sqrt(norm)
    for k in range(n):
        u = r[k] / norm if norm > 0 else atom[k]
        r[k] = u - atom[k]
        atom[k] = u
        square += r[k] * r[k]
    return square


def update_atoms(double[:, ::1] atoms, const double[:, ::1] A, const double[:, ::1] B,
                 double least, bint positive):
    """Move each atom j with A_jj > least in turn; return the sum of the squared steps."""
    cdef Py_ssize_t n_atoms = A.shape[0], n_features = B.shape[1], b, start, size, j, k, p
    cdef int d = <int> n_features, m = <int> n_atoms, n_columns
    cdef double minus = -1, one = 1, total = 0, a
    cdef double* r
    cdef double* residual = <double*> malloc(BLOCK * n_features * sizeof(double))
    if residual == NULL:
        raise MemoryError()
    with nogil:
        for b in range((n_atoms + BLOCK - 1) // BLOCK):
            start = b * BLOCK
            size = min(BLOCK, n_atoms - start)
            n_columns = <int> size
            memcpy(residual, &B[start, 0], size * n_features * sizeof(double))
            dgemm("N", "N", &d, &n_columns, &m, &minus, &atoms[0, 0], &d,
                  <double*> &A[start, 0], &m, &one, residual, &d)
            for j in range(start, start + size):
                if A[j, j] <= least:
                    continue
                r = residual + (j - start) * n_features
                total += move(&atoms[j, 0], r, A[j, j], positive, n_features)
                for p in range(j + 1, start + size):
                    a = A[p, j]
                    if a != 0:
                        for k in range(n_features):
                            residual[(p - start) * n_features + k] -= a * r[k]
        free(residual)
    return total
