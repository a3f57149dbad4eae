"""Kernel halving, swaps and herding, on the sums of kernels of _lib/_kernel_sums.pyx.

Halving walks through a list in pairs.  What the rows before a block of TILE_ROWS contribute to the
walk is a signed sum over them, which is a matrix product and an exponential per value; only inside
of the block, whose kernel matrix is at hand, does one pair wait for the other.  Swaps and herding
keep the sums of the kernel over the coreset for all rows, and change them by a row at a time.

No function keeps more than SWEEP_ROWS kernel values per row.
"""

import numpy as np

from cython cimport floating
from libc.math cimport INFINITY, sqrt
from libc.string cimport memset
from scipy.linalg.cython_blas cimport dgemv, sgemv

from skstruct._lib._kernel_sums cimport (
    TILE_COLS, TILE_ROWS, TILE_WORK, Kernel, block_signed_sums, block_values,
)

cdef enum:
    SWEEP_ROWS = 16


cdef void gather(const floating[:, ::1] X, const floating[::1] squares, const Py_ssize_t* rows,
                 Py_ssize_t n_rows, floating* Z, floating* z_squares) noexcept nogil:
    """Z = X[rows] and what belongs to it."""
    cdef Py_ssize_t i, j, d = X.shape[1]
    for i in range(n_rows):
        z_squares[i] = squares[rows[i]]
        for j in range(d):
            Z[i * d + j] = X[rows[i], j]


cdef void add_product(bint transpose, const floating* K, Py_ssize_t rows, Py_ssize_t cols,
                      const floating* coef, double* out, floating* part) noexcept nogil:
    """out += K coef, or K' coef; K is row after row."""
    cdef int m = <int> cols, n = <int> rows, one = 1
    cdef Py_ssize_t i, n_out = cols if transpose else rows
    cdef char* how = b"N" if transpose else b"T"
    cdef floating alpha = 1, beta = 0
    if floating is double:
        dgemv(how, &m, &n, &alpha, <double*> K, &m, <double*> coef, &one, &beta, part, &one)
    else:
        sgemv(how, &m, &n, &alpha, <float*> K, &m, <float*> coef, &one, &beta, part, &one)
    for i in range(n_out):
        out[i] += part[i]


def own_sums(const floating[:, ::1] X, const floating[::1] squares, Kernel kernel,
             const floating[::1] coef, Py_ssize_t first, Py_ssize_t last, double[::1] out):
    """Add coef_j k(x_i, x_j) to out[i], and coef_i k to out[j], for first <= i < last and j > i.

    And coef_i k(x_i, x_i) to out[i]. With all rows as i, out[i] has sum_j coef_j k(x_i, x_j).
    """
    cdef Py_ssize_t n = X.shape[0], d = X.shape[1], start, rows, col, cols
    cdef floating[::1] K = np.empty_like(X, shape=TILE_ROWS * TILE_COLS)
    cdef floating[::1] part = np.empty_like(X, shape=TILE_COLS)
    cdef floating[::1] work = np.empty_like(X, shape=TILE_WORK)
    with nogil:
        start = first
        while start < last:
            rows = min(TILE_ROWS, last - start)
            block_values(&X[start, 0], rows, &X[start, 0], &squares[start], rows, d, &kernel,
                         &K[0], rows, &work[0])
            add_product(False, &K[0], rows, rows, &coef[start], &out[start], &part[0])
            col = start + rows
            while col < n:
                cols = min(TILE_COLS, n - col)
                block_values(&X[start, 0], rows, &X[col, 0], &squares[col], cols, d, &kernel,
                             &K[0], cols, &work[0])
                add_product(False, &K[0], rows, cols, &coef[col], &out[start], &part[0])
                add_product(True, &K[0], rows, cols, &coef[start], &out[col], &part[0])
                col += cols
            start += rows


cdef void all_sums(const floating* Q, Py_ssize_t n_rows, const floating* C,
                   const floating* squares, const floating* coef, Py_ssize_t n_points,
                   Py_ssize_t d, const Kernel* kernel, double* out, floating* work) noexcept nogil:
    """out[i] = sum_j coef_j k(q_i, c_j)"""
    cdef Py_ssize_t start = 0
    while start < n_rows:
        block_signed_sums(Q + start * d, min(TILE_ROWS, n_rows - start), C, squares, coef,
                          n_points, d, kernel, out + start, work)
        start += TILE_ROWS


cdef double walk(const floating* K, Py_ssize_t rows, double* inner, double log_term,
                 double sigma2, const double* uniform, floating* sign) noexcept nogil:
    """sign[i] = -1 for the rows of a block that go left, 1 for those that go right, one of a pair.

    K is the kernel matrix of the block, TILE_ROWS a row, inner[i] the sum of sign_y k(y, x_i) over
    the rows y before the block.  Takes and returns sigma^2.
    """
    cdef double b2, a, alpha, change
    cdef Py_ssize_t i, j
    cdef const floating* one
    cdef const floating* other
    cdef floating s
    for i in range(0, rows, 2):
        one = K + i * TILE_ROWS
        other = one + TILE_ROWS
        b2 = max(<double> one[i] + other[i + 1] - 2 * <double> one[i + 1], 0.0)
        a = max(sqrt(b2 * sigma2 * log_term), b2)
        if sigma2 == 0:
            sigma2 = b2
        elif a > 0:
            change = 1 + (b2 - 2 * a) * sigma2 / (a * a)
            sigma2 += b2 * max(change, 0.0)
        alpha = inner[i] - inner[i + 1]
        s = 1 if uniform[i // 2] < 0.5 - 0.5 * alpha / (a if a > 0 else 1.0) else -1
        sign[i] = s
        sign[i + 1] = -s
        for j in range(i + 2, rows):
            inner[j] += s * (one[j] - other[j])
    return sigma2


def walk_block(const double[:, ::1] K, double[::1] inner, double log_term, double sigma2,
               const double[::1] uniform, double[::1] sign):
    """Walk through a block of at most TILE_ROWS rows, given its kernel matrix; see walk."""
    cdef double[TILE_ROWS * TILE_ROWS] block
    cdef Py_ssize_t rows = K.shape[0], i, j
    if rows > TILE_ROWS or K.shape[1] != rows:
        raise ValueError(f"K is {rows} x {K.shape[1]}; it must be square, {TILE_ROWS} at most.")
    for i in range(rows):
        for j in range(rows):
            block[i * TILE_ROWS + j] = K[i, j]
    return walk(&block[0], rows, &inner[0], log_term, sigma2, &uniform[0], &sign[0])


cdef void halve_list(const floating* Z, const floating* squares, Py_ssize_t n, Py_ssize_t d,
                     const Kernel* kernels, int n_kernels, double log_term,
                     const double* uniform, floating* sign, floating* work) noexcept nogil:
    """sign[i] = -1 for the rows that go left, 1 for those that go right, one of each pair."""
    cdef double[TILE_ROWS] inner
    cdef double[TILE_ROWS] part
    cdef floating[TILE_ROWS * TILE_ROWS] K
    cdef floating[TILE_ROWS * TILE_ROWS] more
    cdef double sigma2 = 0
    cdef Py_ssize_t start = 0, rows, i, j
    cdef int q
    while start < n:
        rows = min(TILE_ROWS, n - start)
        for q in range(n_kernels):
            block_signed_sums(Z + start * d, rows, Z, squares, sign, start, d, &kernels[q],
                              &inner[0] if q == 0 else &part[0], work)
            block_values(Z + start * d, rows, Z + start * d, squares + start, rows, d,
                         &kernels[q], &K[0] if q == 0 else &more[0], TILE_ROWS, work)
            if q > 0:
                for i in range(rows):
                    inner[i] += part[i]
                    for j in range(rows):
                        K[i * TILE_ROWS + j] += more[i * TILE_ROWS + j]
        sigma2 = walk(&K[0], rows, &inner[0], log_term, sigma2, uniform + start // 2,
                      sign + start)
        start += TILE_ROWS


def halve(const floating[:, ::1] X, const floating[::1] squares, const Py_ssize_t[:, ::1] lists,
          list kernels, double log_term, const double[:, ::1] uniforms,
          Py_ssize_t[:, ::1] children):
    """Split the rows X[lists[i]] in halves children[2 i] and children[2 i + 1].

    `kernels` has one or two of make_kernel, which are summed; uniforms[i, p] decides on pair p.
    """
    cdef Py_ssize_t n = lists.shape[1], d = X.shape[1], i, p
    cdef int n_kernels = <int> len(kernels), q
    cdef Kernel[2] kernel
    cdef floating[::1] Z = np.empty_like(X, shape=n * d)
    cdef floating[::1] z_squares = np.empty_like(X, shape=n)
    cdef floating[::1] sign = np.empty_like(X, shape=n)
    cdef floating[::1] work = np.empty_like(X, shape=TILE_WORK)
    for q in range(n_kernels):
        kernel[q] = kernels[q]
    with nogil:
        for i in range(lists.shape[0]):
            gather(X, squares, &lists[i, 0], n, &Z[0], &z_squares[0])
            halve_list(&Z[0], &z_squares[0], n, d, kernel, n_kernels, log_term, &uniforms[i, 0],
                       &sign[0], &work[0])
            for p in range(n // 2):
                children[2 * i, p] = lists[i, 2 * p + (sign[2 * p] > 0)]
                children[2 * i + 1, p] = lists[i, 2 * p + (sign[2 * p] < 0)]


cdef Py_ssize_t sweep_rows(const floating* Z, const floating* squares, Py_ssize_t n, Py_ssize_t d,
                           const Kernel* kernel, const double* mean, Py_ssize_t* chosen,
                           Py_ssize_t m, Py_ssize_t* room, double* sums, bint repair,
                           floating* Q, floating* rows, floating* work) noexcept nogil:
    """Replace each chosen row by the best there is; return how many were.

    sums[z] = sum over the chosen y of k(y, z), room[z] = how often z may still be chosen.  With
    repair, only rows that were chosen too often are replaced.  `Q` has room for SWEEP_ROWS points
    and `rows` for SWEEP_ROWS + 1 rows of n values.
    """
    cdef Py_ssize_t t, u, i, z, best, n_changed = 0
    cdef floating* old
    cdef floating* new = rows + SWEEP_ROWS * n
    cdef double value, low
    for t in range(m):
        if t % SWEEP_ROWS == 0:
            for u in range(min(SWEEP_ROWS, m - t)):
                for z in range(d):
                    Q[u * d + z] = Z[chosen[t + u] * d + z]
            block_values(Q, min(SWEEP_ROWS, m - t), Z, squares, n, d, kernel, rows, n, work)
        i = chosen[t]
        if repair and room[i] >= 0:
            continue
        old = rows + (t % SWEEP_ROWS) * n
        room[i] += 1
        best = i
        low = (sums[i] - old[i]) / m - mean[i] if room[i] > 0 else INFINITY
        for z in range(n):
            value = (sums[z] - old[z]) / m - mean[z]
            if value < low and room[z] > 0:
                low = value
                best = z
        room[best] -= 1
        if best != i:
            block_values(Z + best * d, 1, Z, squares, n, d, kernel, new, n, work)
            for z in range(n):
                sums[z] += <double> new[z] - old[z]
            chosen[t] = best
            n_changed += 1
    return n_changed


def sweep(const floating[:, ::1] X, const floating[::1] squares, Kernel kernel,
          const double[::1] mean, Py_ssize_t[::1] chosen, Py_ssize_t[::1] room, double[::1] sums,
          bint repair):
    """One sweep of swaps over `chosen`, in place, with `room` and `sums`; see sweep_rows."""
    cdef Py_ssize_t n = X.shape[0], d = X.shape[1], n_changed
    cdef floating[::1] Q = np.empty_like(X, shape=SWEEP_ROWS * d)
    cdef floating[::1] rows = np.empty_like(X, shape=(SWEEP_ROWS + 1) * n)
    cdef floating[::1] work = np.empty_like(X, shape=TILE_WORK)
    with nogil:
        n_changed = sweep_rows(&X[0, 0], &squares[0], n, d, &kernel, &mean[0], &chosen[0],
                               chosen.shape[0], &room[0], &sums[0], repair, &Q[0], &rows[0],
                               &work[0])
    return n_changed


def refine_halves(const floating[:, ::1] X, const floating[::1] squares, Kernel kernel,
                  Py_ssize_t[:, ::1] children):
    """Sweep once over children[2 i], which trades rows with children[2 i + 1].

    Its mean comes nearer to that of both.
    """
    cdef Py_ssize_t half = children.shape[1], n = 2 * half, d = X.shape[1], i, p, q
    cdef floating[::1] Z = np.empty_like(X, shape=n * d)
    cdef floating[::1] z_squares = np.empty_like(X, shape=n)
    cdef floating[::1] ones = np.ones_like(X, shape=n)
    cdef floating[::1] Q = np.empty_like(X, shape=SWEEP_ROWS * d)
    cdef floating[::1] rows = np.empty_like(X, shape=(SWEEP_ROWS + 1) * n)
    cdef floating[::1] work = np.empty_like(X, shape=TILE_WORK)
    cdef double[::1] mean = np.empty(n)
    cdef double[::1] sums = np.empty(n)
    cdef Py_ssize_t[::1] members = np.empty(n, dtype=np.intp)
    cdef Py_ssize_t[::1] chosen = np.empty(half, dtype=np.intp)
    cdef Py_ssize_t[::1] room = np.empty(n, dtype=np.intp)
    with nogil:
        for i in range(children.shape[0] // 2):
            for p in range(half):
                members[p] = children[2 * i, p]
                members[half + p] = children[2 * i + 1, p]
                chosen[p] = p
                room[p] = 0
                room[half + p] = 1
            gather(X, squares, &members[0], n, &Z[0], &z_squares[0])
            all_sums(&Z[0], n, &Z[0], &z_squares[0], &ones[0], half, d, &kernel, &sums[0],
                     &work[0])
            all_sums(&Z[0], n, &Z[half * d], &z_squares[half], &ones[0], half, d, &kernel,
                     &mean[0], &work[0])
            for p in range(n):
                mean[p] = (mean[p] + sums[p]) / n
            sweep_rows(&Z[0], &z_squares[0], n, d, &kernel, &mean[0], &chosen[0], half, &room[0],
                       &sums[0], False, &Q[0], &rows[0], &work[0])
            q = 0
            for p in range(n):
                if room[p] > 0:
                    children[2 * i + 1, q] = members[p]
                    q += 1
            for p in range(half):
                children[2 * i, p] = members[chosen[p]]


def herd(const floating[:, ::1] X, const floating[::1] squares, Kernel kernel,
         const double[::1] mean, Py_ssize_t[::1] room, Py_ssize_t[::1] chosen):
    """Choose row after row, each time that of the largest mean - sum over the chosen / (t + 1)."""
    cdef Py_ssize_t n = X.shape[0], d = X.shape[1], t, z, best
    cdef floating[::1] row = np.empty_like(X, shape=n)
    cdef floating[::1] work = np.empty_like(X, shape=TILE_WORK)
    cdef double[::1] sums = np.empty(n)
    cdef double value, high
    with nogil:
        memset(&sums[0], 0, n * sizeof(double))
        for t in range(chosen.shape[0]):
            high = -INFINITY
            best = 0
            for z in range(n):
                value = mean[z] - sums[z] / (t + 1)
                if value > high and room[z] > 0:
                    high = value
                    best = z
            chosen[t] = best
            room[best] -= 1
            block_values(&X[best, 0], 1, &X[0, 0], &squares[0], n, d, &kernel, &row[0], n,
                         &work[0])
            for z in range(n):
                sums[z] += row[z]


def self_sums(const floating[:, ::1] X, const floating[::1] squares, Kernel kernel,
              const Py_ssize_t[:, ::1] lists, double[::1] out):
    """out[i] = sum of k over all pairs of X[lists[i]], those of a row with itself included."""
    cdef Py_ssize_t n = lists.shape[1], d = X.shape[1], i, p
    cdef floating[::1] Z = np.empty_like(X, shape=n * d)
    cdef floating[::1] z_squares = np.empty_like(X, shape=n)
    cdef floating[::1] ones = np.ones_like(X, shape=n)
    cdef floating[::1] work = np.empty_like(X, shape=TILE_WORK)
    cdef double[::1] sums = np.empty(n)
    with nogil:
        for i in range(lists.shape[0]):
            gather(X, squares, &lists[i, 0], n, &Z[0], &z_squares[0])
            all_sums(&Z[0], n, &Z[0], &z_squares[0], &ones[0], n, d, &kernel, &sums[0], &work[0])
            out[i] = 0
            for p in range(n):
                out[i] += sums[p]
