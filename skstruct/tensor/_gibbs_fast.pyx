"""Predictions of entries from samples of the factors of a tensor, one pass over each entry.

samples[k] is an array of shape (n_slices, rank, n_samples), which is contiguous over what an entry
needs: nothing of the size of entries times samples is formed.
"""

from libc.stdint cimport int32_t

import numpy as np


cdef extern from "sample_products.h" nogil:
    void skstruct_sample_products(const float** blocks, Py_ssize_t n_blocks, Py_ssize_t rank,
                                  Py_ssize_t n, float* work, float* value)
    void skstruct_mean_variance(const float* x, Py_ssize_t n, double* mean, double* variance)
    double skstruct_mean_probit(const float* x, Py_ssize_t n)


def predict_entries(const int32_t[:, ::1] index, list samples, double[::1] mean,
                    double[::1] variance):
    """Put the mean and the variance over the samples of the value of each entry.

    Without variance, mean is that of the normal distribution function of the value.
    """
    cdef Py_ssize_t n_modes = len(samples), e, k
    cdef Py_ssize_t rank = samples[0].shape[1], n_samples = samples[0].shape[2]
    cdef Py_ssize_t size = rank * n_samples
    cdef const float[:, :, ::1] factor
    cdef Py_ssize_t[:, ::1] addresses = np.empty((2, n_modes), np.intp)
    cdef const float** start = <const float**> &addresses[0, 0]
    cdef const float** blocks = <const float**> &addresses[1, 0]
    cdef float[:, ::1] room = np.empty((2, n_samples), np.float32)
    for k in range(n_modes):
        factor = samples[k]
        start[k] = &factor[0, 0, 0]
    with nogil:
        for e in range(index.shape[0]):
            for k in range(n_modes):
                blocks[k] = start[k] + index[e, k] * size
            skstruct_sample_products(blocks, n_modes, rank, n_samples, &room[0, 0], &room[1, 0])
            if variance is None:
                mean[e] = skstruct_mean_probit(&room[1, 0], n_samples)
            else:
                skstruct_mean_variance(&room[1, 0], n_samples, &mean[e], &variance[e])
