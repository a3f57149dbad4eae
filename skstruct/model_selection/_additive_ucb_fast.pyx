"""Upper confidence bounds of the parts of an additive Gaussian process, on grids.

The part of a clique (i, j) at states a and b of its coordinates has the covariances A_a o B_b with
the n points (o is the product number by number), A and B being the kernels of the coordinates on
their grids, and

    mu_ab = (A_a o B_b)' alpha,  sigma2_ab = s2 (1/m - |L^-1 (A_a o B_b)|^2)

A smooth kernel on a fine grid has few dimensions: B = Q R with r rows in R, by Gram-Schmidt with
pivots until all residuals are below 1e-9. With T_ak = L^-1 (A_a o R_k) the table is

    mu_ab = sum_k Q_bk (A_a o R_k)' alpha,  |...|^2 = sum_kh Q_bk Q_bh T_ak' T_ah

that is n_a r products with L^-1 instead of n_a n_b. A clique of one coordinate is the case of one
state a with A = 1.
"""

from libc.math cimport sqrt
from scipy.linalg.cython_blas cimport dgemm, dtrmm

cdef extern from "additive_kernel.h":
    void skstruct_coordinate_row(
        const double *p, double x, double rate, double scale, double *k,
        Py_ssize_t n) noexcept nogil
    double skstruct_product_dot(
        const double *a, const double *b, const double *alpha, double *k,
        Py_ssize_t n) noexcept nogil
    double skstruct_row_dot(const double *a, const double *b, Py_ssize_t n) noexcept nogil
    double skstruct_deflate(
        double *a, double share, const double *b, Py_ssize_t n) noexcept nogil

cdef double LEAST_VARIANCE = 1e-12
cdef double NEGLIGIBLE = 1e-18


cdef Py_ssize_t _compress(
    double *B, double *R, double *Q, double *norms, Py_ssize_t n_b, Py_ssize_t n
) noexcept nogil:
    """Write the rows of R, and Q transposed, such that B = Q R; use up B; return their number."""
    cdef Py_ssize_t b, q, pivot, r = 0
    cdef double norm
    for b in range(n_b):
        norms[b] = skstruct_row_dot(B + b * n, B + b * n, n)
    while r < n_b:
        pivot = 0
        for b in range(1, n_b):
            if norms[b] > norms[pivot]:
                pivot = b
        if norms[pivot] <= NEGLIGIBLE:
            break
        norm = sqrt(norms[pivot])
        for q in range(n):
            R[r * n + q] = B[pivot * n + q] / norm
        for b in range(n_b):
            Q[r * n_b + b] = skstruct_row_dot(B + b * n, R + r * n, n)
            norms[b] = skstruct_deflate(B + b * n, Q[r * n_b + b], R + r * n, n)
        r += 1
    return r


cdef void _multiply(
    const double *a, const double *b, double *out, int n_rows, int n_inner, int n_columns
) noexcept nogil:
    """out = a b, all of them C-ordered."""
    cdef double one = 1.0, zero = 0.0
    cdef int ld = max(n_inner, 1)
    dgemm(b"N", b"N", &n_columns, &n_rows, &n_inner, &one, <double*> b, &n_columns,
          <double*> a, &ld, &zero, out, &n_columns)


def ucb_tables(
    const double[:, ::1] points, const double[::1] rates, const int[:, ::1] cliques,
    const double[::1] grid, const Py_ssize_t[::1] starts, int n, const double[:, ::1] inverse,
    const double[::1] alpha, double scale, double beta, double[:, :, ::1] rows,
    double[:, ::1] tile, double[:, :, ::1] square, double[::1] means, double[::1] gram,
    double[::1] pairs, double[::1] out
):
    """Write mu_c + beta sigma_c of each clique on the grid of its coordinates.

    Parameters
    ----------
    points : ndarray of shape (d, capacity)
        A coordinate a row.
    rates : ndarray of shape (d,)
        Of the kernels of the coordinates.
    cliques : ndarray of shape (m, 2), dtype=int32
        Coordinates of each clique; -1 behind a single one.
    grid : ndarray of shape (starts[d],)
        The states of coordinate i are ``grid[starts[i]:starts[i + 1]]``, at most g.
    starts : ndarray of shape (d + 1,), dtype=intp
        See `grid`.
    n : int
        Number of points.
    inverse : ndarray of shape (>= n, capacity)
        L^-1 in the lower triangle.
    alpha : ndarray of shape (>= n,)
        Weights of the points in the mean.
    scale, beta : float
        s2, and the number of standard deviations.
    rows, tile, square, means, gram, pairs : ndarrays
        Work, of shapes (3, g, n), (t, n) with t >= g, (3, g, g), (t,), (t * (g + 1) / 2,) and
        (g * g * (g + 1) / 2,).
    out : ndarray
        Written: the tables one after the other, a row a state of the first coordinate.
    """
    cdef int ld = <int> inverse.shape[1], n_rows
    cdef Py_ssize_t c, i, j, a, b, k, h, r, n_a, n_b, n_pairs, start, stop, step, done = 0
    cdef double *A = &rows[0, 0, 0]
    cdef double *B = &rows[1, 0, 0]
    cdef double *R = &rows[2, 0, 0]
    cdef double *Q = &square[0, 0, 0]
    cdef double *explained = &square[1, 0, 0]
    cdef double *norms = &square[2, 0, 0]
    cdef double *QQ = &pairs[0]
    cdef double *mean = &means[0]
    cdef double *T
    cdef double one = 1.0, prior = 1.0 / cliques.shape[0]
    with nogil:
        for c in range(cliques.shape[0]):
            i, j, n_a = cliques[c, 0], cliques[c, 1], 1
            if j < 0:
                j = i
                for b in range(n):
                    A[b] = prior
            else:
                n_a = starts[i + 1] - starts[i]
                for a in range(n_a):
                    skstruct_coordinate_row(
                        &points[i, 0], grid[starts[i] + a], rates[i], prior, A + a * n, n)
            n_b = starts[j + 1] - starts[j]
            for b in range(n_b):
                skstruct_coordinate_row(
                    &points[j, 0], grid[starts[j] + b], rates[j], 1.0, B + b * n, n)
            r = _compress(B, R, Q, norms, n_b, n)
            n_pairs = r * (r + 1) // 2
            for k in range(r):
                for h in range(k + 1):
                    for b in range(n_b):
                        QQ[(k * (k + 1) // 2 + h) * n_b + b] = (
                            (1.0 if k == h else 2.0) * Q[k * n_b + b] * Q[h * n_b + b])

            step = tile.shape[0] // max(r, 1)
            start = 0
            while start < n_a:
                stop = min(start + step, n_a)
                T = &tile[0, 0]
                for a in range(start, stop):
                    for k in range(r):
                        mean[(a - start) * r + k] = skstruct_product_dot(
                            A + a * n, R + k * n, &alpha[0], T, n)
                        T += n
                n_rows = <int> ((stop - start) * r)
                dtrmm(b"L", b"U", b"T", b"N", &n, &n_rows, &one, <double*> &inverse[0, 0], &ld,
                      &tile[0, 0], &n)
                T = &tile[0, 0]
                for a in range(stop - start):
                    for k in range(r):
                        for h in range(k + 1):
                            gram[a * n_pairs + k * (k + 1) // 2 + h] = skstruct_row_dot(
                                T + k * n, T + h * n, n)
                    T += r * n
                n_rows = <int> (stop - start)
                _multiply(mean, Q, &out[done + start * n_b], n_rows, <int> r, <int> n_b)
                _multiply(&gram[0], QQ, explained + start * n_b, n_rows, <int> n_pairs, <int> n_b)
                start = stop
            for b in range(n_a * n_b):
                out[done + b] += beta * sqrt(max(scale * (prior - explained[b]), LEAST_VARIANCE))
            done += n_a * n_b
