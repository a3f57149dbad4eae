/* A row of a factor of a sparse tensor, from the entries of its slice.
 *
 * An entry of the slice has a value y, a weight w, and z, the product of the rows of the other
 * factors that it names.  The row a fits y by <z, a>:
 *
 *     S = sum w z z',  c = sum w y z,  G = Lambda + alpha S,  G a = h + alpha c
 *
 * All vectors and rows have 8 n_panels numbers, with zeros past the rank; S is packed in panels.
 */
#ifndef SKSTRUCT_ENTRY_ROWS_H
#define SKSTRUCT_ENTRY_ROWS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "packed_symmetric.h"

/* z = elementwise product of the rows index[0], .. of the factors */
SKSTRUCT_LANES_INLINE void skstruct_entry_product(const double *const *factors,
                                                  const int32_t *index, ptrdiff_t n_factors,
                                                  ptrdiff_t stride, double *z)
{
    const double *row = factors[0] + index[0] * stride;
    ptrdiff_t m, l;
    for (l = 0; l < stride; l++)
        z[l] = row[l];
    for (m = 1; m < n_factors; m++) {
        row = factors[m] + index[m] * stride;
#pragma omp simd
        for (l = 0; l < stride; l++)
            z[l] *= row[l];
    }
}

/* S and c of n entries; w may be NULL.  work has room for two vectors. */
SKSTRUCT_CLONES static void skstruct_entry_sums(
    const double *const *factors, const int32_t *index, ptrdiff_t n_factors, const double *y,
    const double *w, ptrdiff_t n, ptrdiff_t n_panels, double *S, double *c, double *work)
{
    ptrdiff_t e, b, j, l, stride = 8 * n_panels;
    if (n_panels == 1) { /* all sums stay in registers */
        skstruct_lanes acc[8] = {{0}}, rhs = {0};
        for (e = 0; e < n; e++, index += n_factors) {
            double z[8], wz[8];
            double weight = w ? w[e] : 1.0;
            skstruct_entry_product(factors, index, n_factors, 8, z);
            for (l = 0; l < 8; l++)
                wz[l] = weight * z[l];
            skstruct_axpy8(y[e], wz, &rhs);
            for (j = 0; j < 8; j++)
                skstruct_axpy8(z[j], wz, &acc[j]);
        }
        memcpy(S, acc, sizeof acc);
        memcpy(c, &rhs, sizeof rhs);
        return;
    }
    memset(S, 0, skstruct_packed_size(n_panels) * sizeof *S);
    memset(c, 0, stride * sizeof *c);
    for (e = 0; e < n; e++, index += n_factors) {
        double *z = work, *wz = work + stride, *panel = S, weight = w ? w[e] : 1.0;
        skstruct_entry_product(factors, index, n_factors, stride, z);
#pragma omp simd
        for (l = 0; l < stride; l++)
            wz[l] = weight * z[l];
        for (b = 0; b < n_panels; b++, panel += 64 * b) {
            skstruct_axpy8(y[e], wz + 8 * b, (skstruct_lanes *)(c + 8 * b));
            for (j = 0; j < 8 * b + 8; j++)
                skstruct_axpy8(z[j], wz + 8 * b, (skstruct_lanes *)(panel + 8 * j));
        }
    }
}

/* G = Lambda + alpha S, the lower triangle column after column, each of `8 n_panels` numbers. */
SKSTRUCT_CLONES static void skstruct_row_system(const double *Lambda, double alpha,
                                                const double *S, ptrdiff_t n_panels, double *G)
{
    ptrdiff_t b, j, l, stride = 8 * n_panels;
    for (b = 0; b < n_panels; b++) {
        const double *panel = S + skstruct_packed_size(b);
        for (j = 0; j < 8 * b + 8; j++)
            for (l = 0; l < 8; l++) {
                ptrdiff_t at = j * stride + 8 * b + l;
                G[at] = Lambda[at] + alpha * panel[8 * j + l];
            }
    }
}

/* The lower triangle becomes L of G = L L', with the inverse of its diagonal on the diagonal and
 * zeros above it; 0 if all pivots exceed `floor`, which they must to go on. */
SKSTRUCT_CLONES static int skstruct_row_cholesky(double *G, ptrdiff_t rank, ptrdiff_t stride,
                                                 double floor)
{
    ptrdiff_t i, j, k;
    for (k = 0; k < rank; k++) {
        double *column = G + k * stride, inverse;
        if (!(column[k] > floor))
            return 1;
        inverse = 1 / sqrt(column[k]);
        for (i = k / 8 * 8; i < k; i++)
            column[i] = 0;
#pragma omp simd
        for (i = k / 8 * 8; i < stride; i++)
            column[i] *= inverse;
        for (j = k + 1; j < rank; j++) {
            double f = column[j], *other = G + j * stride;
#pragma omp simd
            for (i = j / 8 * 8; i < stride; i++)
                other[i] -= f * column[i];
        }
        column[k] = inverse;
    }
    return 0;
}

/* x = L'^-1 (L^-1 x + noise); noise may be NULL. */
SKSTRUCT_CLONES static void skstruct_row_solve(const double *L, ptrdiff_t rank, ptrdiff_t stride,
                                               const double *noise, double *x)
{
    ptrdiff_t i, k;
    for (k = 0; k < rank; k++) {
        const double *column = L + k * stride;
        double value = x[k] * column[k];
#pragma omp simd
        for (i = k / 8 * 8; i < stride; i++)
            x[i] -= value * column[i];
        x[k] = value;
    }
    if (noise)
        for (k = 0; k < rank; k++)
            x[k] += noise[k];
    for (k = rank - 1; k >= 0; k--) {
        const double *column = L + k * stride;
        double value = x[k], sum = 0;
        x[k] = 0;
#pragma omp simd reduction(+ : sum)
        for (i = k / 8 * 8; i < stride; i++)
            sum += x[i] * column[i];
        x[k] = (value - sum) * column[k];
    }
}

/* Coordinate descent on x'Gx / 2 - <b, x>, x >= 0, for a whole symmetric G: at most n_passes, or
 * until the changes of a pass are below `tol` times those of the first.  gradient has room for a
 * vector. */
SKSTRUCT_CLONES static void skstruct_nonnegative_descent(
    const double *G, const double *b, ptrdiff_t rank, ptrdiff_t stride, ptrdiff_t n_passes,
    double tol, double *gradient, double *x)
{
    ptrdiff_t i, k, pass;
    double first = 0;
    memcpy(gradient, b, stride * sizeof *b);
    for (k = 0; k < rank; k++) {
        const double *row = G + k * stride;
        double value = x[k];
        if (value != 0) {
#pragma omp simd
            for (i = 0; i < stride; i++)
                gradient[i] -= value * row[i];
        }
    }
    for (pass = 0; pass < n_passes; pass++) {
        double change = 0;
        for (k = 0; k < rank; k++) {
            const double *row = G + k * stride;
            double next, step;
            if (!(row[k] > 0))
                continue;
            next = x[k] + gradient[k] / row[k];
            next = next > 0 ? next : 0;
            step = next - x[k];
            if (step == 0)
                continue;
            x[k] = next;
            change += step * step;
#pragma omp simd
            for (i = 0; i < stride; i++)
                gradient[i] -= step * row[i];
        }
        if (pass == 0)
            first = change;
        if (change <= tol * tol * first)
            return;
    }
}

#endif
