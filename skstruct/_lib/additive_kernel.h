/* Sums of Gaussian kernels on one or two coordinates each, at points of the unit cube.
 *
 *   k(x, p) = sum_c k_c,  k_c = exp(-sum_{i in c} rates[i] D_i),  D_i = min((x_i - p_i)^2, 1)
 *
 * A coordinate without order comes with its numbers so far apart that D_i = [x_i != p_i].  A clique
 * is two coordinates, the second one -1 where there is only one.  A coordinate of the points is a
 * row, stride apart from the next.  Rows end with padding: loops run over whole vectors of 8, up
 * to 7 numbers past the end, which have to be finite.
 */
#ifndef SKSTRUCT_ADDITIVE_KERNEL_H
#define SKSTRUCT_ADDITIVE_KERNEL_H

#include "vector_exp.h"

#define SKSTRUCT_WHOLE(n) (((n) + 7) / 8 * 8)
#define SKSTRUCT_LOG2_E 1.4426950408889634

/* 2^-t for t >= 0 with a relative error below 2e-14: t = k - r with |r| <= 1/2, 2^r by a polynomial
 * that agrees with it at the nodes of Chebyshev.  Two thirds of the work of skstruct_exp. */
SKSTRUCT_INLINE double skstruct_halved(double t)
{
    const double magic = 6755399441056767.0; /* 1.5 * 2^52 + 1023: adding it rounds */
    double clamped = t < 1020.0 ? t : 1020.0;
    double shifted = magic - clamped;
    double r = (magic - shifted) - clamped;
    double p = 1.0212097549811005e-07, scale;
    int64_t bits;

    p = p * r + 1.3259945262689143e-06;
    p = p * r + 1.5252640059770786e-05;
    p = p * r + 1.5403432339553542e-04;
    p = p * r + 1.3333558258018740e-03;
    p = p * r + 9.6181291959510410e-03;
    p = p * r + 5.5504108664288540e-02;
    p = p * r + 2.4022650695631514e-01;
    p = p * r + 6.9314718055995260e-01;
    p = p * r + 1.0000000000000140;
    memcpy(&bits, &shifted, sizeof bits); /* its low bits are 1023 - k, the exponent of 2^-k */
    bits = (int64_t)((uint64_t)bits << 52);
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

SKSTRUCT_INLINE double skstruct_difference(double x, double p)
{
    double d = (x - p) * (x - p);
    return d < 1.0 ? d : 1.0;
}

/* k[q] = the kernel between x, whose coordinates are x_stride apart, and each of n points. */
SKSTRUCT_CLONES static inline void skstruct_additive_row(const double *points, ptrdiff_t stride,
                                                  const double *x, ptrdiff_t x_stride,
                                                  const double *rates,
                                                  const int *cliques, int n_cliques, double *k,
                                                  ptrdiff_t n)
{
    const ptrdiff_t whole = SKSTRUCT_WHOLE(n);
    ptrdiff_t q;
    int c;

    memset(k, 0, whole * sizeof *k);
    for (c = 0; c < n_cliques; c++) {
        const int i = cliques[2 * c], j = cliques[2 * c + 1];
        const double *p = points + i * stride;
        const double x_i = x[i * x_stride], rate_i = SKSTRUCT_LOG2_E * rates[i];
        if (j < 0) {
#pragma omp simd
            for (q = 0; q < whole; q++)
                k[q] += skstruct_halved(rate_i * skstruct_difference(x_i, p[q]));
        } else {
            const double *r = points + j * stride;
            const double x_j = x[j * x_stride], rate_j = SKSTRUCT_LOG2_E * rates[j];
#pragma omp simd
            for (q = 0; q < whole; q++)
                k[q] += skstruct_halved(rate_i * skstruct_difference(x_i, p[q])
                                        + rate_j * skstruct_difference(x_j, r[q]));
        }
    }
}

/* slope[i] += sum over q of w[q] sum_{c with i} k_c D_i: minus the weighted sum of the derivatives
 * of the kernel by rates[i].  w is 0 in the padding. */
SKSTRUCT_CLONES static inline void skstruct_additive_slope(const double *points, ptrdiff_t stride,
                                                    const double *x, ptrdiff_t x_stride,
                                                    const double *rates,
                                                    const int *cliques, int n_cliques,
                                                    const double *w, double *slope, ptrdiff_t n)
{
    const ptrdiff_t whole = SKSTRUCT_WHOLE(n);
    ptrdiff_t q;
    int c;

    for (c = 0; c < n_cliques; c++) {
        const int i = cliques[2 * c], j = cliques[2 * c + 1];
        const double *p = points + i * stride;
        const double x_i = x[i * x_stride], rate_i = SKSTRUCT_LOG2_E * rates[i];
        double sum_i = 0.0, sum_j = 0.0;
        if (j < 0) {
#pragma omp simd reduction(+ : sum_i)
            for (q = 0; q < whole; q++) {
                double d = skstruct_difference(x_i, p[q]);
                sum_i += w[q] * skstruct_halved(rate_i * d) * d;
            }
        } else {
            const double *r = points + j * stride;
            const double x_j = x[j * x_stride], rate_j = SKSTRUCT_LOG2_E * rates[j];
#pragma omp simd reduction(+ : sum_i, sum_j)
            for (q = 0; q < whole; q++) {
                double d = skstruct_difference(x_i, p[q]);
                double e = skstruct_difference(x_j, r[q]);
                double h = w[q] * skstruct_halved(rate_i * d + rate_j * e);
                sum_i += h * d;
                sum_j += h * e;
            }
            slope[j] += sum_j;
        }
        slope[i] += sum_i;
    }
}

/* k[q] = scale times the kernel of one coordinate between x and each of n points. */
SKSTRUCT_CLONES static inline void skstruct_coordinate_row(const double *p, double x,
                                                    double rate, double scale, double *k,
                                                    ptrdiff_t n)
{
    ptrdiff_t q;

#pragma omp simd
    for (q = 0; q < n; q++)
        k[q] = scale * skstruct_halved(SKSTRUCT_LOG2_E * rate * skstruct_difference(x, p[q]));
}

/* k = a * b, number by number; returns the sum of k * alpha. */
SKSTRUCT_CLONES static inline double skstruct_product_dot(const double *a, const double *b,
                                                   const double *alpha, double *k, ptrdiff_t n)
{
    double sum = 0.0;
    ptrdiff_t q;

#pragma omp simd reduction(+ : sum)
    for (q = 0; q < n; q++) {
        double product = a[q] * b[q];
        k[q] = product;
        sum += product * alpha[q];
    }
    return sum;
}

SKSTRUCT_CLONES static inline double skstruct_row_dot(const double *a, const double *b, ptrdiff_t n)
{
    double sum = 0.0;
    ptrdiff_t q;

#pragma omp simd reduction(+ : sum)
    for (q = 0; q < n; q++)
        sum += a[q] * b[q];
    return sum;
}

/* a -= share * b; returns what is left of |a|^2. */
SKSTRUCT_CLONES static inline double skstruct_deflate(double *a, double share, const double *b,
                                               ptrdiff_t n)
{
    double sum = 0.0;
    ptrdiff_t q;

#pragma omp simd reduction(+ : sum)
    for (q = 0; q < n; q++) {
        double rest = a[q] - share * b[q];
        a[q] = rest;
        sum += rest * rest;
    }
    return sum;
}

#endif
