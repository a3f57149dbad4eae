"""Sums over the cells of a samples x pathways x genes tensor that is never formed.

A cell is an expressed gene g of a sample s with one of the pathways p of the gene.  Its mean is
m mu, m the membership, mu = sum_b P[p, b] h_b with h_b = sum_c Z[s, b, c] G[g, c], which all
pathways of the gene share.  With rho = m x / mu for the count x, and q_b = sum_p rho P[p, b],

    numerators of Z[s, b, c]: sum_g q_b G[g, c]
                  P[p, b]:    sum_{s, g} w_s rho h_b
                  G[g, c]:    sum_s w_s sum_b q_b Z[s, b, c]

so that a gene of a sample costs 2 B C operations, and 4 B for each of its pathways.
"""

from libc.math cimport fabs, log

cdef enum Sums:
    PATHWAYS = 0
    GENES = 1
    LOG_MEANS = 2

cdef double FLOOR = 1e-200    # of a mean: a cell below it takes no part in the steps


cdef inline double dot(const double* u, const double* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    cdef double total = 0
    for k in range(n):
        total += u[k] * v[k]
    return total


cdef inline void add(double scale, const double* source, Py_ssize_t n,
                     double* target) noexcept nogil:
    """target += scale source."""
    cdef Py_ssize_t k
    for k in range(n):
        target[k] += scale * source[k]


def update_scores(const double[::1] x, const Py_ssize_t[::1] genes, const Py_ssize_t[::1] rows,
                  const double[::1] m, const Py_ssize_t[::1] pathways,
                  const Py_ssize_t[::1] columns, const double[:, ::1] P, const double[:, ::1] G,
                  const double[::1] D, double[:, ::1] Z, double[::1] work, Py_ssize_t max_iter,
                  double tol):
    """Take multiplicative steps of each row of Z, until it changes by less than tol.

    x, genes, rows is the table in CSR form, m, pathways, columns the memberships in CSC form, D
    the exposure of each score; work has room for 2 B + B C numbers.
    """
    cdef Py_ssize_t s, e, f, g, b, k, B = P.shape[1], C = G.shape[1]
    cdef double mu, new, change, total
    cdef const double* row
    cdef double* h = &work[0]
    cdef double* q = h + B
    cdef double* numerator = q + B
    cdef double* z
    with nogil:
        for s in range(Z.shape[0]):
            z = &Z[s, 0]
            for _ in range(max_iter):
                for k in range(B * C):
                    numerator[k] = 0
                for e in range(rows[s], rows[s + 1]):
                    g = genes[e]
                    for b in range(B):
                        h[b] = dot(z + b * C, &G[g, 0], C)
                        q[b] = 0
                    for f in range(columns[g], columns[g + 1]):
                        row = &P[pathways[f], 0]
                        mu = dot(row, h, B)
                        if mu > FLOOR:
                            add(m[f] * x[e] / mu, row, B, q)
                    for b in range(B):
                        add(q[b], &G[g, 0], C, numerator + b * C)
                change = 0
                total = 0
                for k in range(B * C):
                    new = z[k] * numerator[k] / D[k] if D[k] > 0 else 0
                    change += fabs(new - z[k])
                    total += new
                    z[k] = new
                if change <= tol * total:
                    break


def cell_sums(const double[::1] x, const Py_ssize_t[::1] genes, const Py_ssize_t[::1] rows,
              const double[::1] m, const Py_ssize_t[::1] pathways,
              const Py_ssize_t[::1] columns, const double[:, ::1] P, const double[:, ::1] G,
              const double[:, ::1] Z, const double[::1] weight, double[::1] work, Sums what,
              double[:, ::1] sums):
    """Add the numerators of P or of G to `sums`, or return sum w m x log mu.

    `sums` is of the shape of P or of G.
    """
    cdef Py_ssize_t s, e, f, g, b, B = P.shape[1], C = G.shape[1]
    cdef double count, mu, total = 0
    cdef const double* row
    cdef double* h = &work[0]
    cdef double* q = h + B
    with nogil:
        for s in range(Z.shape[0]):
            for e in range(rows[s], rows[s + 1]):
                g = genes[e]
                for b in range(B):
                    h[b] = dot(&Z[s, b * C], &G[g, 0], C)
                    q[b] = 0
                for f in range(columns[g], columns[g + 1]):
                    row = &P[pathways[f], 0]
                    mu = dot(row, h, B)
                    count = weight[s] * m[f] * x[e]
                    if what == LOG_MEANS:
                        total += count * log(max(mu, FLOOR))
                    elif mu > FLOOR and what == PATHWAYS:
                        add(count / mu, h, B, &sums[pathways[f], 0])
                    elif mu > FLOOR:
                        add(count / mu, row, B, q)
                if what == GENES:
                    for b in range(B):
                        add(q[b], &Z[s, b * C], C, &sums[g, 0])
    return total
