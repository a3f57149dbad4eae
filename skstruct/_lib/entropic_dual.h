/* Passes over one sample of the dual of an entropic transport problem (n cells each).
 *
 * G is the dual of the sample, g the entropic regularisation, w the square root of a diagonal
 * metric: a step along the scaled direction d moves G by step * w * d, and a scaled residual is
 * w * (P - q).
 */
#ifndef SKSTRUCT_ENTROPIC_DUAL_H
#define SKSTRUCT_ENTROPIC_DUAL_H

#include <math.h>
#include <stddef.h>

#include "simd.h"
#include "vector_exp.h"

/* out = exp((H - max H) / g) with H = G + step w d; returns max H. */
SKSTRUCT_CLONES static inline double skstruct_shifted_exp(
    const double *G, const double *w, const double *d, double step, double g, ptrdiff_t n,
    double *out)
{
    const double scale = 1.0 / g;
    double top = -HUGE_VAL;
    ptrdiff_t i;
#pragma omp simd reduction(max : top)
    for (i = 0; i < n; i++) {
        out[i] = G[i] + step * w[i] * d[i];
        top = out[i] > top ? out[i] : top;
    }
#pragma omp simd
    for (i = 0; i < n; i++)
        out[i] = skstruct_exp((out[i] - top) * scale);
    return top;
}

/* v = x / v, and 0 where x is 0; v is at least the smallest element of the kernel. */
SKSTRUCT_CLONES static inline void skstruct_divide(const double *x, ptrdiff_t n, double *v)
{
    ptrdiff_t i;
#pragma omp simd
    for (i = 0; i < n; i++)
        v[i] = x[i] / v[i];
}

/* sum of x log v */
SKSTRUCT_CLONES static inline double skstruct_dot_log(const double *x, const double *v, ptrdiff_t n)
{
    double total = 0.0;
    ptrdiff_t i;
#pragma omp simd reduction(+ : total)
    for (i = 0; i < n; i++)
        total += x[i] * skstruct_log(v[i]);
    return total;
}

/* w = sqrt(g / (max(P, q) + floor)) with P = e u: the metric in which the first step of the descent
 * is at most g, that of Sinkhorn's algorithm to first order. */
SKSTRUCT_CLONES static inline void skstruct_dual_metric(
    const double *e, const double *u, const double *q, double g, double floor, ptrdiff_t n,
    double *w)
{
    ptrdiff_t i;
#pragma omp simd
    for (i = 0; i < n; i++) {
        double P = e[i] * u[i];
        w[i] = sqrt(g / ((P > q[i] ? P : q[i]) + floor));
    }
}

/* r = w (P - q) with P = e u, where r holds q before; adds <r, d> to slope and |P - q| to violation. */
SKSTRUCT_CLONES static inline void skstruct_dual_residual(
    const double *e, const double *u, const double *w, const double *d, ptrdiff_t n, double *r,
    double *slope, double *violation)
{
    double along = 0.0, size = 0.0;
    ptrdiff_t i;
#pragma omp simd reduction(+ : along, size)
    for (i = 0; i < n; i++) {
        double gap = e[i] * u[i] - r[i];
        size += fabs(gap);
        r[i] = w[i] * gap;
        along += r[i] * d[i];
    }
    *slope += along;
    *violation += size;
}

/* Accept a step: s = step d, G += w s, y = new - r, r = new. Returns <y, y>. */
SKSTRUCT_CLONES static inline double skstruct_dual_accept(
    const double *d, const double *w, const double *new, double step, ptrdiff_t n, double *G,
    double *r, double *s, double *y)
{
    double total = 0.0;
    ptrdiff_t i;
#pragma omp simd reduction(+ : total)
    for (i = 0; i < n; i++) {
        s[i] = step * d[i];
        G[i] += w[i] * s[i];
        y[i] = new[i] - r[i];
        r[i] = new[i];
        total += y[i] * y[i];
    }
    return total;
}

#endif
