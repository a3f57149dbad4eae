/* Loops of SOR and SSOR-CG over strict triangles of a matrix.
 *
 * A triangle is in rows: the entries of row i are start[i] .. start[i + 1] - 1, their columns
 * ascending.  A triangular solve waits for the neighbour solved last, so its term is subtracted
 * last, nothing is multiplied or divided after it, and what does not wait is done meanwhile.
 */
#ifndef SKSTRUCT_SOR_H
#define SKSTRUCT_SOR_H

#include <stddef.h>
#include "simd.h"

/* x_i = (1 - omega) x_i + c_i - v_i - sum_j l_ij x_j in place; change is x less the x before. */
SKSTRUCT_CLONES static void skstruct_sor_sweep(ptrdiff_t n, double omega, const int *start,
    const int *column, const double *value, const double *c, const double *v, double *x,
    double *change)
{
    for (ptrdiff_t i = 0; i < n; ++i) {
        const double before = x[i];
        double s = c[i] - v[i] + (1 - omega) * before;
        for (int k = start[i]; k < start[i + 1]; ++k)
            s -= value[k] * x[column[k]];
        x[i] = s;
        change[i] = s - before;
    }
}

/* v = U x; returns the squared norm of the residual after the sweep that made the change. */
SKSTRUCT_CLONES static double skstruct_sor_residual(ptrdiff_t n, double omega,
    const int *start, const int *column, const double *value, const double *scale,
    const double *x, const double *change, double *v)
{
    double norm = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        double s = 0;
        for (int k = start[i]; k < start[i + 1]; ++k)
            s += value[k] * x[column[k]];
        const double r = scale[i] * ((1 - omega) * change[i] + v[i] - s);
        norm += r * r;
        v[i] = s;
    }
    return norm;
}

/* p = r + beta p, then t with (I + U) t = p. */
SKSTRUCT_CLONES static void skstruct_ssor_backward(ptrdiff_t n, const int *start,
    const int *column, const double *value, const double *r, double beta, double *p, double *t)
{
    for (ptrdiff_t i = n - 1; i >= 0; --i) {
        double s = p[i] = r[i] + beta * p[i];
        for (int k = start[i + 1] - 1; k >= start[i]; --k)
            s -= value[k] * t[column[k]];
        t[i] = s;
    }
}

/* q with (I + L) q = p - (2 - omega) t, then z = (I + L) (q + t); returns p'(q + t). */
SKSTRUCT_CLONES static double skstruct_ssor_forward(ptrdiff_t n, double omega,
    const int *start, const int *column, const double *value, const double *p, const double *t,
    double *q, double *z)
{
    double product = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        double s = p[i] - (2 - omega) * t[i];
        double u = p[i] + (omega - 1) * t[i];
        for (int k = start[i]; k < start[i + 1]; ++k) {
            u += value[k] * t[column[k]];
            s -= value[k] * q[column[k]];
        }
        q[i] = s;
        z[i] = u;
        product += p[i] * (s + t[i]);
    }
    return product;
}

/* x += a t, r -= a (q + t), e -= a z; rho = r'r; returns sum_i (scale_i e_i)^2. */
SKSTRUCT_CLONES static double skstruct_ssor_step(ptrdiff_t n, double a, const double *t,
    const double *q, const double *z, const double *scale, double *x, double *r, double *e,
    double *rho)
{
    double square = 0, norm = 0;
#pragma omp simd reduction(+ : square, norm)
    for (ptrdiff_t i = 0; i < n; ++i) {
        x[i] += a * t[i];
        r[i] -= a * (q[i] + t[i]);
        e[i] -= a * z[i];
        square += r[i] * r[i];
        norm += scale[i] * e[i] * (scale[i] * e[i]);
    }
    *rho = square;
    return norm;
}

#endif
