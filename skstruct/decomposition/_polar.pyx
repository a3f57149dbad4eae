"""Polar factor of a wide matrix: the linear maximisation over the ball of the spectral norm.

For G = U diag(s) V' with k rows, no more than columns, S = U V' maximises <G, S> over all matrices
whose singular values are at most 1.  S = H^(-1/2) G with H = G G', and is found by

    Newton and Schulz   X <- (3 a X - a^3 X X' X) / 2, scaled by a so that the smallest singular
                        value grows fastest: where the spectrum is narrow, products alone
    eigenvectors of H   else, H = Q diag(l) Q', S = Q diag(l^(-1/2)) Q' G
    singular vectors    where H has lost small singular values that G has

A singular G has many polar factors.  Of them S is the one nearest to a matrix that is given, where
that singles one out: what G says nothing of stays what it was.

All is float64 and row-major; BLAS and LAPACK, which count by columns, see the transposes.
"""

from libc.math cimport fmax, fmin, sqrt
from libc.string cimport memcpy
from scipy.linalg.cython_blas cimport ddot, dgemm, dscal, dsymm, dsyrk
from scipy.linalg.cython_lapack cimport dgesdd, dsyevd

import numpy as np

# Newton and Schulz are cheaper than eigenvectors up to this number of rows, for matrices that are
# nearly square, and up to this coefficient of variation of H's eigenvalues, where the largest
# singular value is about 10 times the smallest.
cdef Py_ssize_t MOST_ROWS = 160
cdef double WIDEST = 1.0
cdef Py_ssize_t MOST_STEPS = 10
# One more step squares the residual: what is left is rounding.
cdef double NEARLY_ORTHONORMAL = 5e-7
cdef double ROUNDING = 1e-25  # of a residual, squared, per row
# Ratios of H's eigenvalues: below the first S needs a step of Newton and Schulz to be orthonormal
# to rounding, below the second the small ones are rounding errors.
cdef double SMALL = 1e-5
cdef double SINGULAR = 1e-10


cdef Py_ssize_t polar_workspace(Py_ssize_t k, Py_ssize_t d) noexcept nogil:
    """Number of doubles that `polar` needs to work."""
    return 6 * k * k + 4 * k * d + 12 * k + 16


cdef void gram(const double* X, Py_ssize_t k, Py_ssize_t d, double* H) noexcept nogil:
    """H = X X', one triangle."""
    cdef int rows = k, columns = d
    cdef double one = 1, zero = 0
    dsyrk("L", "T", &rows, &columns, &one, <double*> X, &columns, &zero, H, &rows)


cdef void schulz(const double* H, const double* X, Py_ssize_t k, Py_ssize_t d, double a, double b,
                 double* Y) noexcept nogil:
    """Y = a X + b H X, for H of which one triangle is there."""
    cdef int rows = k, columns = d
    memcpy(Y, X, k * d * sizeof(double))
    dsymm("R", "L", &columns, &rows, &b, <double*> H, &rows, <double*> X, &columns, &a, Y,
          &columns)


cdef double squares(const double* H, Py_ssize_t k, double shift) noexcept nogil:
    """Sum of the squares of the elements of H - shift I."""
    cdef double diagonal = 0, off = 0, value
    cdef Py_ssize_t i, j
    for j in range(k):
        value = H[j * k + j] - shift
        diagonal += value * value
        for i in range(j + 1, k):
            off += H[j * k + i] * H[j * k + i]
    return diagonal + 2 * off


cdef bint from_products(const double* G, Py_ssize_t k, Py_ssize_t d, double* S, double* H,
                        double* X) noexcept nogil:
    """Newton and Schulz; whether it was tried and converged.  Destroys H = G G'."""
    cdef double mean = 0, spread, low, high, scale, a, residual = 1
    cdef const double* source = G
    cdef double* target = S
    cdef Py_ssize_t j, _step
    if k > MOST_ROWS or 2 * d > 3 * k:
        return False
    for j in range(k):
        mean += H[j * k + j] / k
    spread = sqrt(squares(H, k, mean) / k) / mean
    if not spread < WIDEST:
        return False
    # No eigenvalue of H is above mean + sqrt(k - 1) standard deviations. A random G has all
    # within mean (1 -+ spread)^2; these are guesses, and only the number of steps depends on them.
    scale = 1 / sqrt(mean * (1 + spread * sqrt(k - 1.0)))
    low = fmax(0.1, 1 - spread) * sqrt(mean) * scale
    high = fmin(1, (1 + spread) * sqrt(mean) * scale)
    for _step in range(MOST_STEPS):
        # All singular values are in (0, 1] here and so afterwards, as a < sqrt(3).
        a = fmin(1.7, sqrt(3 / (high * high + high * low + low * low)))
        schulz(H, source, k, d, 1.5 * a * scale, -0.5 * (a * scale) ** 3, target)
        if residual < NEARLY_ORTHONORMAL:
            if target != S:
                memcpy(S, target, k * d * sizeof(double))
            return True
        low = 0.5 * a * fmin(low * (3 - (a * low) ** 2), high * (3 - (a * high) ** 2))
        high = scale = 1
        source, target = target, X if target == S else S
        gram(source, k, d, H)
        residual = sqrt(squares(H, k, 1))
        if low > 0.99 and residual > 0.5:
            return False  # there is a singular value far below the guess
    return False


cdef void product(bint transposed, const double* A, const double* B, Py_ssize_t m, Py_ssize_t n,
                  Py_ssize_t k, double a, double b, double* C) noexcept nogil:
    """C = a A B + b C or, with A transposed, a A' B + b C; A or A' is m x n and B n x k."""
    cdef int rows = m, inner = n, columns = k, lda = m if transposed else n
    dgemm("N", "T" if transposed else "N", &columns, &rows, &inner, &a, <double*> B, &columns,
          <double*> A, &lda, &b, C, &columns)


cdef void project_off(const double* V, double* W, Py_ssize_t r, Py_ssize_t m, Py_ssize_t d,
                      double* work) noexcept nogil:
    """W -= W V' V, for r orthonormal rows V and m rows W."""
    cdef int inner = d, left = r, rows = m
    cdef double one = 1, zero = 0
    dgemm("T", "N", &left, &rows, &inner, &one, <double*> V, &inner, W, &inner, &zero, work, &left)
    product(False, work, V, m, r, d, -1, 1, W)


cdef int from_eigenvectors(const double* G, const double* near, double tolerance, Py_ssize_t k,
                           Py_ssize_t d, double* S, double* H, double* X,
                           double* work) noexcept nogil:
    """Put S there; 1, and no S, if H does not tell it.  Destroys H = G G'."""
    cdef int rows = k, lwork = 1 + 6 * k + 2 * k * k, liwork = 3 + 5 * k, unit = 1, info, md
    cdef double one = 1, zero = 0, factor
    cdef double* eigen = work
    cdef double* P = work + k
    cdef double* rest = P + k * k
    cdef Py_ssize_t j, m = 0
    dsyevd("V", "L", &rows, H, &rows, eigen, rest, &lwork, <int*> (rest + lwork), &liwork, &info)
    if info != 0 or not eigen[k - 1] > 0:
        return 1
    while not eigen[m] > SINGULAR * eigen[k - 1]:
        m += 1
    if m == 0:
        for j in range(k):
            factor = 1 / sqrt(sqrt(eigen[j]))
            dscal(&rows, &factor, H + j * k, &unit)
        dsyrk("L", "N", &rows, &rows, &one, H, &rows, &zero, P, &rows)
        schulz(P, G, k, d, 0, 1, S)
    else:
        # X = Q' G: its last rows become right singular vectors; its first m must be nothing but
        # rounding errors once those are projected off, and what `near` has there replaces them.
        if near == NULL:
            return 1
        product(False, H, G, k, k, d, 1, 0, X)
        for j in range(m, k):
            factor, md = 1 / sqrt(eigen[j]), d
            dscal(&md, &factor, X + j * d, &unit)
        project_off(X + m * d, X, k - m, m, d, P)
        md = m * d
        if ddot(&md, X, &unit, X, &unit) > tolerance * tolerance * eigen[k - 1]:
            return 1
        product(False, H, near, m, k, d, 1, 0, X)
        project_off(X + m * d, X, k - m, m, d, P)
        gram(X, m, d, P)
        if from_eigenvectors(X, NULL, 0, m, d, S, P, rest, rest + m * d):
            return 1
        memcpy(X, S, m * d * sizeof(double))
        product(True, H, X, k, k, d, 1, 0, S)
    if m > 0 or eigen[0] < SMALL * eigen[k - 1]:
        gram(S, k, d, H)
        schulz(H, S, k, d, 1.5, -0.5, X)
        memcpy(S, X, k * d * sizeof(double))
    return 0


cdef int from_singular_vectors(const double* G, Py_ssize_t k, Py_ssize_t d, double* S, double* H,
                               double* X, double* work) noexcept nogil:
    cdef int rows = k, columns = d, lwork = 4 * k * k + 7 * k, info
    cdef double one = 1, zero = 0
    cdef double* V = work
    cdef double* s = V + k * d
    cdef double* rest = s + k
    memcpy(X, G, k * d * sizeof(double))
    dgesdd("S", &columns, &rows, X, &columns, s, V, &columns, H, &rows, rest, &lwork,
           <int*> (rest + lwork), &info)
    dgemm("N", "N", &columns, &rows, &rows, &one, V, &columns, H, &rows, &zero, S, &columns)
    return info


cdef int polar(const double* G, const double* near, double tolerance, Py_ssize_t k, Py_ssize_t d,
               double* S, double* work) noexcept nogil:
    """Put the polar factor of G (k x d, k <= d) into S; not 0 if LAPACK fails.

    What is orthonormal to rounding stays what it is. Where singular values are less than
    `tolerance` times the largest, S is as near to the matrix `near` as it can be.
    """
    cdef double* H = work
    cdef double* X = H + k * k
    cdef double* rest = X + k * d
    gram(G, k, d, H)
    if squares(H, k, 1) < ROUNDING * k:
        memcpy(S, G, k * d * sizeof(double))
        return 0
    if from_products(G, k, d, S, H, X):
        return 0
    gram(G, k, d, H)
    if from_eigenvectors(G, near, tolerance, k, d, S, H, X, rest) == 0:
        return 0
    return from_singular_vectors(G, k, d, S, H, X, rest)


def polar_factor(const double[:, ::1] G):
    """Return the matrix of orthonormal rows whose inner product with G is largest.

    Parameters
    ----------
    G : ndarray of shape (k, d)
        Finite numbers, with no more rows than columns.

    Returns
    -------
    S : ndarray of shape (k, d)
    """
    cdef Py_ssize_t k = G.shape[0], d = G.shape[1]
    if k > d:
        raise ValueError(f"G has {k} rows and {d} columns; it must not have more rows.")
    cdef double[:, ::1] S = np.empty((k, d))
    cdef double[::1] work = np.empty(polar_workspace(k, d))
    cdef int failed
    with nogil:
        failed = polar(&G[0, 0], NULL, 0, k, d, &S[0, 0], &work[0])
    if failed:
        raise np.linalg.LinAlgError("the singular value decomposition did not converge")
    return np.asarray(S)
