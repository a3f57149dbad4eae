/* The Matern-5/2 kernel with one length scale per dimension, on precomputed squared differences.
 *
 *   k = (1 + r + r^2 / 3) exp(-r),  r^2 = 5 sum_j D_j / l_j^2,  dk / d ln l_j = g 5 D_j / l_j^2
 *   with g = (1 + r) exp(-r) / 3
 *
 * A symmetric matrix of differences is its lower triangle, rows one after the other, so that a new
 * observation appends.  weights[j] is 5 / l_j^2 everywhere.
 */
#ifndef SKSTRUCT_MATERN_H
#define SKSTRUCT_MATERN_H

#include "vector_exp.h"

enum { SKSTRUCT_BLOCK = 256 };

/* From r to the kernel and, if g is not NULL, its slope. */
SKSTRUCT_INLINE void skstruct_matern52_block(double *r2, double *k, double *g, ptrdiff_t n)
{
    ptrdiff_t i;

#pragma omp simd
    for (i = 0; i < n; i++) {
        double r = sqrt(r2[i]), e = skstruct_exp(-r);
        k[i] = (1.0 + r + r2[i] * (1.0 / 3.0)) * e;
        r2[i] = (1.0 + r) * e * (1.0 / 3.0);
    }
    if (g)
        memcpy(g, r2, n * sizeof *g);
}

/* Kernel and slope of n pairs; the differences of dimension j begin at D + j * stride. */
SKSTRUCT_CLONES static void skstruct_matern52(const double *D, ptrdiff_t stride, int d,
                                              const double *weights, double *k, double *g,
                                              ptrdiff_t n)
{
    double r2[SKSTRUCT_BLOCK];
    ptrdiff_t start, i, m;
    int j;

    for (start = 0; start < n; start += SKSTRUCT_BLOCK) {
        m = n - start < SKSTRUCT_BLOCK ? n - start : SKSTRUCT_BLOCK;
        memset(r2, 0, sizeof r2);
        for (j = 0; j < d; j++) {
            const double *Dj = D + j * stride + start;
            const double w = weights[j];
#pragma omp simd
            for (i = 0; i < m; i++)
                r2[i] += w * Dj[i];
        }
        skstruct_matern52_block(r2, k + start, g ? g + start : NULL, m);
    }
}

/* Kernel between x and n points, whose coordinates j begin at points + j * stride.  Two values of a
 * categorical coordinate are 1 apart, or equal. */
SKSTRUCT_CLONES static void skstruct_matern52_cross(const double *points, ptrdiff_t stride, int d,
                                                    const char *categorical, const double *x,
                                                    const double *weights, double *k, ptrdiff_t n)
{
    double r2[SKSTRUCT_BLOCK];
    ptrdiff_t start, i, m;
    int j;

    for (start = 0; start < n; start += SKSTRUCT_BLOCK) {
        m = n - start < SKSTRUCT_BLOCK ? n - start : SKSTRUCT_BLOCK;
        memset(r2, 0, sizeof r2);
        for (j = 0; j < d; j++) {
            const double *p = points + j * stride + start;
            const double w = weights[j], xj = x[j];
            if (categorical[j]) {
#pragma omp simd
                for (i = 0; i < m; i++)
                    r2[i] += p[i] == xj ? 0.0 : w;
            }
            else {
#pragma omp simd
                for (i = 0; i < m; i++)
                    r2[i] += w * (p[i] - xj) * (p[i] - xj);
            }
        }
        skstruct_matern52_block(r2, k + start, NULL, m);
    }
}

SKSTRUCT_CLONES static double skstruct_dot(const double *a, const double *b, ptrdiff_t n)
{
    double sum = 0.0;
    ptrdiff_t i;
#pragma omp simd reduction(+ : sum)
    for (i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* g[i, k] *= inverse[i, k] - a[i] a[k] * scale for k <= i: packed rows times full rows of length ld. */
SKSTRUCT_CLONES static void skstruct_weigh_triangle(double *g, const double *inverse, ptrdiff_t ld,
                                                    const double *a, double scale, ptrdiff_t n)
{
    ptrdiff_t i, k;

    for (i = 0; i < n; i++) {
        const double ai = a[i] * scale;
#pragma omp simd
        for (k = 0; k <= i; k++)
            g[k] *= inverse[k] - ai * a[k];
        g += i + 1;
        inverse += ld;
    }
}

#endif
