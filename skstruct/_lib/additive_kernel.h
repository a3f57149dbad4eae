/* Sums of Gaussian kernels on few coordinates each.
 *
 *   k(x, p) = sum_c exp(-sum_{i in c} rates[i] D_i(x, p)),  D_i = (x_i - p_i)^2
 *
 * or D_i = [x_i != p_i] where categorical[i].  A clique c has one or two coordinates; the second
 * one of a single coordinate is -1.  A coordinate of the points is a row, stride apart from the
 * next.
 */
#ifndef SKSTRUCT_ADDITIVE_KERNEL_H
#define SKSTRUCT_ADDITIVE_KERNEL_H

#include "vector_exp.h"

enum { SKSTRUCT_CLIQUE_BLOCK = 256 };

/* t[q] += rate D(x, p[q]) */
SKSTRUCT_INLINE void skstruct_add_difference(const double *p, double x, double rate,
                                             int categorical, double *t, ptrdiff_t n)
{
    ptrdiff_t q;

    if (categorical) {
#pragma omp simd
        for (q = 0; q < n; q++)
            t[q] += p[q] == x ? 0.0 : rate;
    }
    else {
#pragma omp simd
        for (q = 0; q < n; q++)
            t[q] += rate * (p[q] - x) * (p[q] - x);
    }
}

/* sum over q of h[q] D(x, p[q]) */
SKSTRUCT_INLINE double skstruct_weighted_difference(const double *p, double x, int categorical,
                                                    const double *h, ptrdiff_t n)
{
    double sum = 0.0;
    ptrdiff_t q;

    if (categorical) {
#pragma omp simd reduction(+ : sum)
        for (q = 0; q < n; q++)
            sum += p[q] == x ? 0.0 : h[q];
    }
    else {
#pragma omp simd reduction(+ : sum)
        for (q = 0; q < n; q++)
            sum += h[q] * (p[q] - x) * (p[q] - x);
    }
    return sum;
}

/* k[q] = the kernel between x, whose coordinates are x_stride apart, and each of n points. */
SKSTRUCT_CLONES static void skstruct_additive_row(const double *points, ptrdiff_t stride,
                                                  const double *x, ptrdiff_t x_stride,
                                                  const char *categorical, const double *rates,
                                                  const int *cliques, int n_cliques, double *k,
                                                  ptrdiff_t n)
{
    double t[SKSTRUCT_CLIQUE_BLOCK];
    ptrdiff_t start, q, m;
    int c, member, i;

    for (start = 0; start < n; start += SKSTRUCT_CLIQUE_BLOCK) {
        m = n - start < SKSTRUCT_CLIQUE_BLOCK ? n - start : SKSTRUCT_CLIQUE_BLOCK;
        memset(k + start, 0, m * sizeof *k);
        for (c = 0; c < n_cliques; c++) {
            memset(t, 0, m * sizeof *t);
            for (member = 0; member < 2 && (i = cliques[2 * c + member]) >= 0; member++)
                skstruct_add_difference(points + i * stride + start, x[i * x_stride], rates[i],
                                        categorical[i], t, m);
#pragma omp simd
            for (q = 0; q < m; q++)
                k[start + q] += skstruct_exp(-t[q]);
        }
    }
}

/* slope[i] += sum over q of w[q] sum_{c with i} k_c(x, q) D_i(x, q): minus the weighted sum of the
 * derivatives of the kernel by rates[i]. */
SKSTRUCT_CLONES static void skstruct_additive_slope(const double *points, ptrdiff_t stride,
                                                    const double *x, ptrdiff_t x_stride,
                                                    const char *categorical, const double *rates,
                                                    const int *cliques, int n_cliques,
                                                    const double *w, double *slope, ptrdiff_t n)
{
    double t[SKSTRUCT_CLIQUE_BLOCK];
    ptrdiff_t start, q, m;
    int c, member, i;

    for (start = 0; start < n; start += SKSTRUCT_CLIQUE_BLOCK) {
        m = n - start < SKSTRUCT_CLIQUE_BLOCK ? n - start : SKSTRUCT_CLIQUE_BLOCK;
        for (c = 0; c < n_cliques; c++) {
            memset(t, 0, m * sizeof *t);
            for (member = 0; member < 2 && (i = cliques[2 * c + member]) >= 0; member++)
                skstruct_add_difference(points + i * stride + start, x[i * x_stride], rates[i],
                                        categorical[i], t, m);
#pragma omp simd
            for (q = 0; q < m; q++)
                t[q] = w[start + q] * skstruct_exp(-t[q]);
            for (member = 0; member < 2 && (i = cliques[2 * c + member]) >= 0; member++)
                slope[i] += skstruct_weighted_difference(points + i * stride + start,
                                                         x[i * x_stride], categorical[i], t, m);
        }
    }
}

/* k[q] = scale exp(-rate D(x, p[q])): the kernel of one coordinate. */
SKSTRUCT_CLONES static void skstruct_coordinate_row(const double *p, double x, double rate,
                                                    int categorical, double scale, double *k,
                                                    ptrdiff_t n)
{
    ptrdiff_t q;

    memset(k, 0, n * sizeof *k);
    skstruct_add_difference(p, x, rate, categorical, k, n);
#pragma omp simd
    for (q = 0; q < n; q++)
        k[q] = scale * skstruct_exp(-k[q]);
}

/* k = a * b, number by number; returns the sum of k * alpha. */
SKSTRUCT_CLONES static double skstruct_product_dot(const double *a, const double *b,
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

SKSTRUCT_CLONES static double skstruct_squared_norm(const double *a, ptrdiff_t n)
{
    double sum = 0.0;
    ptrdiff_t q;

#pragma omp simd reduction(+ : sum)
    for (q = 0; q < n; q++)
        sum += a[q] * a[q];
    return sum;
}

#endif
