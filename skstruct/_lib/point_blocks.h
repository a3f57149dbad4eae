/* Arithmetic of blocks of points, the points of a block being contiguous.
 *
 *     skstruct_chebyshev_rows   T[i, :] = T_i(t), Chebyshev polynomials of the first kind
 *     skstruct_contract_rows    out[l, :] = sum_r P[l, r, :] V[r, :]
 *     skstruct_outer_rows       out[l, r, :] = P[l, :] V[r, :]
 */
#ifndef SKSTRUCT_POINT_BLOCKS_H
#define SKSTRUCT_POINT_BLOCKS_H

#include <stddef.h>

#include "simd.h"

SKSTRUCT_CLONES static void skstruct_chebyshev_rows(
    const double *t, ptrdiff_t n_points, ptrdiff_t n_rows, double *T)
{
    ptrdiff_t i, b;
    for (b = 0; b < n_points; b++)
        T[b] = 1.0;
    if (n_rows > 1)
        for (b = 0; b < n_points; b++)
            T[n_points + b] = t[b];
    for (i = 2; i < n_rows; i++) {
        const double *p = T + (i - 1) * n_points, *q = T + (i - 2) * n_points;
        double *out = T + i * n_points;
#pragma omp simd
        for (b = 0; b < n_points; b++)
            out[b] = 2.0 * t[b] * p[b] - q[b];
    }
}

SKSTRUCT_CLONES static void skstruct_contract_rows(
    const double *P, const double *V, ptrdiff_t L, ptrdiff_t R, ptrdiff_t n_points, double *out)
{
    ptrdiff_t l, r, b;
    for (l = 0; l < L; l++) {
        double *sum = out + l * n_points;
        const double *p = P + l * R * n_points;
#pragma omp simd
        for (b = 0; b < n_points; b++)
            sum[b] = p[b] * V[b];
        for (r = 1; r < R; r++) {
            const double *q = p + r * n_points, *v = V + r * n_points;
#pragma omp simd
            for (b = 0; b < n_points; b++)
                sum[b] += q[b] * v[b];
        }
    }
}

SKSTRUCT_CLONES static void skstruct_outer_rows(
    const double *P, const double *V, ptrdiff_t L, ptrdiff_t R, ptrdiff_t n_points, double *out)
{
    ptrdiff_t l, r, b;
    for (l = 0; l < L; l++)
        for (r = 0; r < R; r++) {
            const double *p = P + l * n_points, *v = V + r * n_points;
            double *product = out + (l * R + r) * n_points;
#pragma omp simd
            for (b = 0; b < n_points; b++)
                product[b] = p[b] * v[b];
        }
}

#endif
