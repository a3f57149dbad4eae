/* Values of a tensor in many samples of its factors at once.
 *
 * The rows of slice i of a factor, in all samples, are a block of rank x n numbers: component after
 * component, each contiguous over the samples.  Vectors run over samples, whatever the rank.
 */
#ifndef SKSTRUCT_SAMPLE_PRODUCTS_H
#define SKSTRUCT_SAMPLE_PRODUCTS_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "simd.h"

/* value[s] = sum over r of the product over m of blocks[m][r n + s]; work has room for n. */
SKSTRUCT_CLONES static void skstruct_sample_products(const float *const *blocks,
                                                     ptrdiff_t n_blocks, ptrdiff_t rank,
                                                     ptrdiff_t n, float *work, float *value)
{
    ptrdiff_t r, m, s;
    memset(value, 0, n * sizeof *value);
    for (r = 0; r < rank; r++) {
        const float *product = blocks[0] + r * n;
        const float *last = blocks[n_blocks - 1] + r * n;
        for (m = 1; m < n_blocks - 1; m++) {
            const float *factor = blocks[m] + r * n;
#pragma omp simd
            for (s = 0; s < n; s++)
                work[s] = product[s] * factor[s];
            product = work;
        }
        if (n_blocks == 1) {
#pragma omp simd
            for (s = 0; s < n; s++)
                value[s] += product[s];
        } else {
#pragma omp simd
            for (s = 0; s < n; s++)
                value[s] += product[s] * last[s];
        }
    }
}

/* Mean and variance of n numbers. */
SKSTRUCT_CLONES static void skstruct_mean_variance(const float *x, ptrdiff_t n, double *mean,
                                                   double *variance)
{
    double sum = 0, squares = 0, center;
    ptrdiff_t s;
#pragma omp simd reduction(+ : sum)
    for (s = 0; s < n; s++)
        sum += x[s];
    center = sum / n;
#pragma omp simd reduction(+ : squares)
    for (s = 0; s < n; s++) {
        double e = x[s] - center;
        squares += e * e;
    }
    *mean = center;
    *variance = squares / n;
}

/* Mean of the normal distribution function at n numbers. */
static double skstruct_mean_probit(const float *x, ptrdiff_t n)
{
    double sum = 0;
    ptrdiff_t s;
    for (s = 0; s < n; s++)
        sum += erfc(-0.70710678118654752440 * x[s]);
    return 0.5 * sum / n;
}

#endif
