/* Covariances of functions observed at several levels, from two kernels of the points alone.
 *
 * The covariance of level s at one point and level t at another is a[s, t] k0 + b[s, t] k1, with
 * small tables a and b.  A row of them, spread out over the points of a row of the matrix, makes
 * that one multiplication per pair, whatever the order of the points.
 */
#ifndef SKSTRUCT_AR1_H
#define SKSTRUCT_AR1_H

#include "matern.h"

/* k[i] = a[i] k0[i] + b[i] k1[i] */
SKSTRUCT_CLONES static void skstruct_ar1_mix(const double *a, const double *b, const double *k0,
                                             const double *k1, double *k, ptrdiff_t n)
{
    ptrdiff_t i;

#pragma omp simd
    for (i = 0; i < n; i++)
        k[i] = a[i] * k0[i] + b[i] * k1[i];
}

/* One row of the derivative of the density: v = inverse - weight alpha; adds v k0 and v k1 to the
 * sums of each point, and turns the slopes g0 and g1 into v a g0 and v b g1. */
SKSTRUCT_CLONES static void skstruct_ar1_weigh(const double *inverse, const double *alpha,
                                               double weight, const double *a, const double *b,
                                               const double *k0, const double *k1, double *g0,
                                               double *g1, double *sum0, double *sum1, ptrdiff_t n)
{
    ptrdiff_t i;

#pragma omp simd
    for (i = 0; i < n; i++) {
        double v = inverse[i] - weight * alpha[i];
        sum0[i] += v * k0[i];
        sum1[i] += v * k1[i];
        g0[i] *= v * a[i];
        g1[i] *= v * b[i];
    }
}

#endif
