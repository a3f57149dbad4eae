/* Exact distances of a place in space to consecutive points, and Gaussian sums over them. */
#ifndef SKSTRUCT_NEAR_SUMS_H
#define SKSTRUCT_NEAR_SUMS_H

#include "vector_exp.h"

/* Coordinates k of the points begin at points + k * stride. */
SKSTRUCT_INLINE double skstruct_distance3(const double *points, ptrdiff_t stride, const double *q,
                                          ptrdiff_t j)
{
    const double x = points[j] - q[0], y = points[stride + j] - q[1];
    const double z = points[2 * stride + j] - q[2];
    return x * x + y * y + z * z;
}

SKSTRUCT_CLONES static double skstruct_near_min(const double *points, ptrdiff_t stride,
                                                const double *q, ptrdiff_t n)
{
    double low = HUGE_VAL;
    ptrdiff_t j;
#pragma omp simd reduction(min : low)
    for (j = 0; j < n; j++) {
        double D = skstruct_distance3(points, stride, q, j);
        low = D < low ? D : low;
    }
    return low;
}

/* sum_j w_j exp(-s (D_j - low)) */
SKSTRUCT_CLONES static double skstruct_near_sum(const double *points, ptrdiff_t stride,
                                                const double *w, const double *q, double s,
                                                double low, ptrdiff_t n)
{
    double sum = 0;
    ptrdiff_t j;
#pragma omp simd reduction(+ : sum)
    for (j = 0; j < n; j++)
        sum += w[j] * skstruct_exp_decay(s * (low - skstruct_distance3(points, stride, q, j)));
    return sum;
}

#endif
