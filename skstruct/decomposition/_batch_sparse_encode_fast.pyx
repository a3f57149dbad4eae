"""The codes of many samples: correlations by blocks, then one sample at a time.

A block of samples X_b gives its correlations X_b D' by one matrix product, which stays in the
cache; sparse_coding.h and top_k.h turn a row of these into a code.  Codes go to a row of a dense
array or, in ascending order of the atoms, to the end of those of a sparse one.
"""

from cython cimport floating
from libc.stdint cimport int32_t, uintptr_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy
from scipy.linalg.cython_blas cimport dgemm, sgemm

import numpy as np


cdef extern from "sparse_coding.h" nogil:
    enum:
        SKSTRUCT_STEP
    Py_ssize_t skstruct_round_up(Py_ssize_t n)
    Py_ssize_t skstruct_pursuit_work(Py_ssize_t m, Py_ssize_t k)
    Py_ssize_t skstruct_lasso_work_float(Py_ssize_t m, Py_ssize_t capacity)
    Py_ssize_t skstruct_pursuit_float(
        const float* a, const float* G, Py_ssize_t m, const float* x, const float* D,
        Py_ssize_t d, Py_ssize_t k, double tol, int ols, float* work, int32_t* support,
        float* code)
    Py_ssize_t skstruct_pursuit_double(
        const double* a, const double* G, Py_ssize_t m, const double* x, const double* D,
        Py_ssize_t d, Py_ssize_t k, double tol, int ols, double* work, int32_t* support,
        double* code)
    Py_ssize_t skstruct_lasso_float(
        const float* a, const float* G, Py_ssize_t m, double alpha, int positive, double tol,
        Py_ssize_t max_iter, Py_ssize_t capacity, float* work, int32_t* support, float* code,
        Py_ssize_t n_start, int* converged)
    Py_ssize_t skstruct_lasso_double(
        const double* a, const double* G, Py_ssize_t m, double alpha, int positive, double tol,
        Py_ssize_t max_iter, Py_ssize_t capacity, double* work, int32_t* support, double* code,
        Py_ssize_t n_start, int* converged)
    void skstruct_threshold_float(float* a, Py_ssize_t n, double alpha, int soft, int positive)
    void skstruct_threshold_double(double* a, Py_ssize_t n, double alpha, int soft, int positive)


cdef extern from "top_k.h" nogil:
    void skstruct_top_k_float(
        const float* x, Py_ssize_t n, Py_ssize_t k, float* work, int32_t* index)
    void skstruct_top_k_double(
        const double* x, Py_ssize_t n, Py_ssize_t k, double* work, int32_t* index)
    void skstruct_top_k_magnitude_float(
        const float* x, Py_ssize_t n, Py_ssize_t k, float* work, int32_t* index)
    void skstruct_top_k_magnitude_double(
        const double* x, Py_ssize_t n, Py_ssize_t k, double* work, int32_t* index)


cdef enum:
    BLOCK = 128            # samples of one matrix product
    OMP = 0
    OLS = 1
    LASSO = 2
    TOPK = 3
    HARD = 4
    SOFT = 5

ROW_BLOCK = BLOCK
ATOM_STEP = SKSTRUCT_STEP
ALGORITHMS = {"omp": OMP, "ols": OLS, "lasso_cd": LASSO, "topk": TOPK, "hard": HARD, "soft": SOFT}


cdef struct Task:
    int algorithm
    Py_ssize_t n_features
    Py_ssize_t n_atoms     # without those that fill up
    Py_ssize_t m           # with them
    Py_ssize_t k           # room for the code of a sample
    double tol
    double alpha
    int positive
    Py_ssize_t max_iter


cdef Py_ssize_t work_size(const Task* task) noexcept nogil:
    if task.algorithm <= OLS:
        return skstruct_pursuit_work(task.m, task.k)
    if task.algorithm == LASSO:
        return skstruct_lasso_work_float(task.m, task.k)
    return 2 * task.m


cdef void correlate(const floating* X, const floating* D, Py_ssize_t n, const Task* task,
                    floating* a) noexcept nogil:
    """a = X D' for n rows of X."""
    cdef int m = <int> task.m, rows = <int> n, d = <int> task.n_features
    cdef floating one = 1, zero = 0
    if floating is float:
        sgemm(b"T", b"N", &m, &rows, &d, &one, <float*> D, &d, <float*> X, &d, &zero, a, &m)
    else:
        dgemm(b"T", b"N", &m, &rows, &d, &one, <double*> D, &d, <double*> X, &d, &zero, a, &m)


cdef Py_ssize_t pursue(const floating* a, const floating* G, const floating* x, const floating* D,
                       const floating* norm, const Task* task, floating* work, int32_t* support,
                       floating* code) noexcept nogil:
    cdef Py_ssize_t n, p
    if floating is float:
        n = skstruct_pursuit_float(a, G, task.m, x, D, task.n_features, task.k, task.tol,
                                   task.algorithm == OLS, work, support, code)
    else:
        n = skstruct_pursuit_double(a, G, task.m, x, D, task.n_features, task.k, task.tol,
                                    task.algorithm == OLS, work, support, code)
    for p in range(n):
        code[p] /= norm[support[p]]
    return n


cdef Py_ssize_t lasso(const floating* a, const floating* G, const floating* start,
                      const Task* task, floating* work, int32_t* support, floating* code,
                      int* converged) noexcept nogil:
    cdef Py_ssize_t n_start = 0, j
    if start != NULL:
        for j in range(task.n_atoms):
            if start[j] != 0:
                if n_start == task.k:      # more than a solution has
                    n_start = 0
                    break
                support[n_start] = <int32_t> j
                code[n_start] = start[j]
                n_start += 1
    if floating is float:
        return skstruct_lasso_float(a, G, task.m, task.alpha, task.positive, task.tol,
                                    task.max_iter, task.k, work, support, code, n_start, converged)
    else:
        return skstruct_lasso_double(a, G, task.m, task.alpha, task.positive, task.tol,
                                     task.max_iter, task.k, work, support, code, n_start,
                                     converged)


cdef Py_ssize_t shrink(floating* a, const Task* task, floating* work, int32_t* support,
                       floating* code) noexcept nogil:
    """The code of the algorithms that only look at the correlations a."""
    cdef Py_ssize_t n = 0, n_taken = task.n_atoms, p
    cdef floating value
    if task.algorithm != TOPK:
        if floating is float:
            skstruct_threshold_float(a, n_taken, task.alpha, task.algorithm == SOFT, task.positive)
        else:
            skstruct_threshold_double(a, n_taken, task.alpha, task.algorithm == SOFT,
                                      task.positive)
        for p in range(n_taken):
            support[n] = <int32_t> p
            code[n] = a[p]
            n += a[p] != 0
        return n
    n_taken = task.k
    if floating is float:
        if task.positive:
            skstruct_top_k_float(a, task.n_atoms, n_taken, work, support)
        else:
            skstruct_top_k_magnitude_float(a, task.n_atoms, n_taken, work, support)
    else:
        if task.positive:
            skstruct_top_k_double(a, task.n_atoms, n_taken, work, support)
        else:
            skstruct_top_k_magnitude_double(a, task.n_atoms, n_taken, work, support)
    for p in range(n_taken):
        value = a[support[p]]
        support[n] = support[p]
        code[n] = value
        n += value > 0 if task.positive else value != 0
    return n


cdef void sort(int32_t* support, floating* code, Py_ssize_t n) noexcept nogil:
    """Bring the few atoms of a code into ascending order."""
    cdef Py_ssize_t i, p
    cdef int32_t atom
    cdef floating value
    for i in range(1, n):
        atom, value, p = support[i], code[i], i
        while p > 0 and support[p - 1] > atom:
            support[p] = support[p - 1]
            code[p] = code[p - 1]
            p -= 1
        support[p] = atom
        code[p] = value


cdef void* larger(void* old, size_t size) noexcept nogil:
    """Enlarge an array; if there is no memory, free it and return NULL."""
    cdef void* new = realloc(old, size)
    if new == NULL:
        free(old)
    return new


def encode(const floating[:, ::1] X, const floating[:, ::1] D, const floating[:, ::1] G,
           const floating[::1] norm, const floating[:, ::1] start, floating[:, ::1] out, *,
           int algorithm, Py_ssize_t n_atoms, Py_ssize_t k, double tol, double alpha,
           bint positive, Py_ssize_t max_iter):
    """Code the rows of X into those of out, which are zeros, or into arrays if out is None.

    Parameters
    ----------
    X : (n, d)
    D : (m, d), the atoms, filled up to a multiple of ATOM_STEP with zeros
    G : (m, m), D D'; not read by "topk", "hard" and "soft"
    norm : (m,), by which the codes of "omp" and "ols" are divided
    start : (n, n_atoms) or None, codes from which "lasso_cd" starts
    out : (n, n_atoms) or None
    k : most atoms of a code; for "lasso_cd" the size that the active set may reach
    tol : squared length of the residual at which "omp" and "ols" stop, or -1; tolerance of
        "lasso_cd"

    Returns
    -------
    n_left : the number of samples for which "lasso_cd" did not converge
    (data, indices, counts) : values, their atoms, and the number of these in each row; or None
    """
    cdef Task task
    cdef Py_ssize_t n_samples = X.shape[0], first, i, p, n = 0, n_left = 0, size = 0, room = 0
    cdef Py_ssize_t m = D.shape[0], n_work
    cdef int converged = 1
    cdef bint dense = out is not None
    cdef const floating* gram = NULL
    cdef const floating* begin = NULL
    cdef void* memory
    cdef floating* a
    cdef floating* work
    cdef floating* code
    cdef floating* data = NULL
    cdef int32_t* support
    cdef int32_t* indices = NULL
    cdef int32_t[::1] counts = np.zeros(0 if dense else n_samples, np.int32)
    task.algorithm, task.n_features, task.n_atoms, task.m = algorithm, X.shape[1], n_atoms, m
    task.k, task.tol, task.alpha, task.positive, task.max_iter = k, tol, alpha, positive, max_iter
    if G is not None:
        gram = &G[0, 0]
    n_work = skstruct_round_up(work_size(&task))
    memory = malloc(64 + (BLOCK * m + n_work + m) * sizeof(floating) + m * sizeof(int32_t))
    if memory == NULL:
        raise MemoryError()
    with nogil:
        a = <floating*> ((<uintptr_t> memory + 63) // 64 * 64)
        work = a + BLOCK * m
        code = work + n_work
        support = <int32_t*> (code + m)
        for i in range(n_samples):
            first = i // BLOCK * BLOCK
            if i == first:
                correlate(&X[i, 0], &D[0, 0], min(BLOCK, n_samples - i), &task, a)
            if algorithm <= OLS:
                n = pursue(a + (i - first) * m, gram, &X[i, 0], &D[0, 0], &norm[0], &task, work,
                           support, code)
            elif algorithm == LASSO:
                if start is not None:
                    begin = &start[i, 0]
                n = lasso(a + (i - first) * m, gram, begin, &task, work, support, code, &converged)
                n_left += not converged
            else:
                n = shrink(a + (i - first) * m, &task, work, support, code)
            if dense:
                for p in range(n):
                    out[i, support[p]] = code[p]
                continue
            if size + n > room:
                room = 2 * size + n + 16 * BLOCK
                data = <floating*> larger(data, room * sizeof(floating))
                indices = <int32_t*> larger(indices, room * sizeof(int32_t))
                if data == NULL or indices == NULL:
                    break
            sort(support, code, n)
            memcpy(data + size, code, n * sizeof(floating))
            memcpy(indices + size, support, n * sizeof(int32_t))
            counts[i] = <int32_t> n
            size += n
        free(memory)
    if dense:
        return n_left, None
    try:
        if room and (data == NULL or indices == NULL):
            raise MemoryError()
        values = np.empty(size, np.float32 if floating is float else np.float64)
        atoms = np.empty(size, np.int32)
        if size:
            values[:] = <floating[:size]> data
            atoms[:] = <int32_t[:size]> indices
    finally:
        free(data)
        free(indices)
    return n_left, (values, atoms, np.asarray(counts))
