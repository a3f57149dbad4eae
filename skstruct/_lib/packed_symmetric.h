/* Symmetric matrices packed in panels of 8 rows, for quadratic forms and rank-one updates.
 *
 * A matrix of order 8 n (shorter ones are padded) is cut into n panels of 8 rows.  Panel b holds
 * the columns 0 .. 8 b + 7 of rows 8 b .. 8 b + 7, column after column: the lower triangle and, on
 * the diagonal, whole 8 x 8 tiles.  Every loop below streams through the panels with whole vectors
 * of 8 and no remainder, and half the matrix is read.  Padding of vectors has to be zero.
 */
#ifndef SKSTRUCT_PACKED_SYMMETRIC_H
#define SKSTRUCT_PACKED_SYMMETRIC_H

#include <stddef.h>

#include "simd.h"

#if defined(__GNUC__)
typedef double skstruct_lanes __attribute__((vector_size(64), aligned(8), may_alias));
#define SKSTRUCT_LANES_INLINE static inline __attribute__((always_inline))
#else
typedef struct { double lane[8]; } skstruct_lanes;
#define SKSTRUCT_LANES_INLINE static inline
#endif

/* a += s x, for 8 numbers */
SKSTRUCT_LANES_INLINE void skstruct_axpy8(double s, const double *x, skstruct_lanes *a)
{
#if defined(__GNUC__)
    *a += s * *(const skstruct_lanes *)x;
#else
    int l;
    for (l = 0; l < 8; l++)
        a->lane[l] += s * x[l];
#endif
}

/* a += x * y, for 8 numbers */
SKSTRUCT_LANES_INLINE void skstruct_fma8(const double *x, const double *y, skstruct_lanes *a)
{
#if defined(__GNUC__)
    *a += *(const skstruct_lanes *)x * *(const skstruct_lanes *)y;
#else
    int l;
    for (l = 0; l < 8; l++)
        a->lane[l] += x[l] * y[l];
#endif
}

SKSTRUCT_LANES_INLINE double skstruct_sum8(const skstruct_lanes *a)
{
    const double *x = (const double *)a;
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

/* acc[0] .. acc[3] += n columns of a panel times x: four sums, so that no addition waits. */
SKSTRUCT_LANES_INLINE void skstruct_panel(const double *columns, const double *x, ptrdiff_t n,
                                          skstruct_lanes *acc)
{
    ptrdiff_t j;
    for (j = 0; j < n; j += 4, columns += 32) {
        skstruct_axpy8(x[j], columns, &acc[0]);
        skstruct_axpy8(x[j + 1], columns + 8, &acc[1]);
        skstruct_axpy8(x[j + 2], columns + 16, &acc[2]);
        skstruct_axpy8(x[j + 3], columns + 24, &acc[3]);
    }
}

/* acc[0] becomes acc[0] + .. + acc[3] */
SKSTRUCT_LANES_INLINE void skstruct_gather4(skstruct_lanes *acc)
{
    skstruct_axpy8(1.0, (const double *)&acc[1], &acc[0]);
    skstruct_axpy8(1.0, (const double *)&acc[3], &acc[2]);
    skstruct_axpy8(1.0, (const double *)&acc[2], &acc[0]);
}

/* Number of doubles that a matrix of n_panels panels takes. */
static inline ptrdiff_t skstruct_packed_size(ptrdiff_t n_panels)
{
    return 32 * n_panels * (n_panels + 1);
}

/* Place of element (i, j), j <= i, in a packed matrix. */
static inline ptrdiff_t skstruct_packed_index(ptrdiff_t i, ptrdiff_t j)
{
    return skstruct_packed_size(i / 8) + 8 * j + i % 8;
}

/* out[m] = (x_m - mu_m)' A_m (x_m - mu_m) for m < n; a step of 0 keeps the same x, mu or A.
 * e is working space for one vector. */
SKSTRUCT_CLONES static void skstruct_packed_distances(
    const double *A, ptrdiff_t A_step, const double *mu, ptrdiff_t mu_step, const double *x,
    ptrdiff_t x_step, ptrdiff_t n, ptrdiff_t n_panels, double *e, double *out, ptrdiff_t out_step)
{
    ptrdiff_t m, b, j;
    for (m = 0; m < n; m++) {
        const double *panel = A;
        skstruct_lanes total = {0};
        for (j = 0; j < 8 * n_panels; j++)
            e[j] = x[j] - mu[j];
        for (b = 0; b < n_panels; b++, panel += 64 * b) {
            skstruct_lanes acc[4] = {{0}}, row[4] = {{0}};
            skstruct_panel(panel, e, 8 * b, acc); /* left of the diagonal: counts twice */
            skstruct_gather4(acc);
            skstruct_axpy8(2.0, (const double *)&acc[0], &row[0]);
            skstruct_panel(panel + 64 * b, e + 8 * b, 8, row);
            skstruct_gather4(row);
            skstruct_fma8((const double *)&row[0], e + 8 * b, &total);
        }
        out[m * out_step] = skstruct_sum8(&total);
        A += A_step;
        mu += mu_step;
        x += x_step;
    }
}

/* y = A e */
SKSTRUCT_CLONES static void skstruct_packed_symv(const double *A, const double *e,
                                                 ptrdiff_t n_panels, double *y)
{
    ptrdiff_t b, c, j;
    for (c = 0; c < n_panels; c++) {
        skstruct_lanes row[4] = {{0}}, column[8] = {{0}};
        skstruct_panel(A + skstruct_packed_size(c), e, 8 * c + 8, row);
        skstruct_gather4(row);
        for (b = c + 1; b < n_panels; b++) { /* the tiles below the diagonal one */
            const double *tile = A + skstruct_packed_size(b) + 64 * c;
            for (j = 0; j < 8; j++)
                skstruct_fma8(tile + 8 * j, e + 8 * b, &column[j]);
        }
        for (j = 0; j < 8; j++)
            y[8 * c + j] = ((const double *)&row[0])[j] + skstruct_sum8(&column[j]);
    }
}

/* A -= s u u'; exactly symmetric for s = 1 or -1 */
SKSTRUCT_CLONES static void skstruct_packed_syr(double s, const double *u, ptrdiff_t n_panels,
                                                double *A)
{
    ptrdiff_t b, j;
    for (b = 0; b < n_panels; b++) {
        skstruct_lanes su = {0};
        double *panel = A + skstruct_packed_size(b);
        skstruct_axpy8(-s, u + 8 * b, &su);
        for (j = 0; j < 8 * b + 8; j++)
            skstruct_axpy8(u[j], (const double *)&su, (skstruct_lanes *)(panel + 8 * j));
    }
}

#endif
