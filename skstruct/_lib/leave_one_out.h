/* Sums over pairs for Gaussian kernels that leave out a row's own term, tile by tile.
 *
 * A tile holds the products -2 x_i.x_j, row after row; a and b are squared norms, so that
 * D_ij = max(0, a_i + b_j + tile_ij).  Element (i, i + diagonal) of the tile is a row with itself and
 * counts as SKSTRUCT_FAR away.  Sums are in units of exp(-s low_i), where low_i is the smallest D of
 * the row so far, and rescaled when it drops.
 */
#ifndef SKSTRUCT_LEAVE_ONE_OUT_H
#define SKSTRUCT_LEAVE_ONE_OUT_H

#include "vector_exp.h"

#define SKSTRUCT_FAR 1e100

enum { SKSTRUCT_MOMENTS = 4, SKSTRUCT_GRID = 10 };

/* A row of a tile becomes D; returns the smallest. */
SKSTRUCT_INLINE double skstruct_row_distances(double *D, double a, const double *b, ptrdiff_t cols,
                                              ptrdiff_t own)
{
    double low = HUGE_VAL;
    ptrdiff_t j;

    if (own >= 0 && own < cols)
        D[own] = SKSTRUCT_FAR;
#pragma omp simd reduction(min : low)
    for (j = 0; j < cols; j++) {
        double value = a + b[j] + D[j];
        value = value > 0 ? value : 0;
        D[j] = value;
        low = value < low ? value : low;
    }
    return low;
}

/* Keep the k smallest D of each row, in ascending order, in `lowest`. */
SKSTRUCT_CLONES static void skstruct_tile_nearest(double *tile, const double *a, const double *b,
                                                  ptrdiff_t rows, ptrdiff_t cols,
                                                  ptrdiff_t diagonal, ptrdiff_t k, double *lowest)
{
    ptrdiff_t i, j, p;

    for (i = 0; i < rows; i++, lowest += k) {
        double *D = tile + i * cols;
        if (skstruct_row_distances(D, a[i], b, cols, i + diagonal) >= lowest[k - 1])
            continue;
        for (j = 0; j < cols; j++) {
            if (D[j] >= lowest[k - 1])
                continue;
            for (p = k - 1; p > 0 && lowest[p - 1] > D[j]; p--)
                lowest[p] = lowest[p - 1];
            lowest[p] = D[j];
        }
    }
}

/* Per row, with e_j = exp(-s (D_j - low)): sums of w e, w e D, w e D^2 and (w e)^2. */
SKSTRUCT_CLONES static void skstruct_tile_moments(double *tile, const double *a, const double *b,
                                                  const double *w, ptrdiff_t rows, ptrdiff_t cols,
                                                  ptrdiff_t diagonal, double s, double *low,
                                                  double *sums)
{
    ptrdiff_t i, j;

    for (i = 0; i < rows; i++, sums += SKSTRUCT_MOMENTS) {
        double *D = tile + i * cols, s0 = 0, s1 = 0, s2 = 0, square = 0, m;
        m = skstruct_row_distances(D, a[i], b, cols, i + diagonal);
        if (m < low[i]) {
            const double f = exp(s * (m - low[i]));
            sums[0] *= f;
            sums[1] *= f;
            sums[2] *= f;
            sums[3] *= f * f;
            low[i] = m;
        }
        m = low[i];
#pragma omp simd reduction(+ : s0, s1, s2, square)
        for (j = 0; j < cols; j++) {
            double e = w[j] * skstruct_exp_decay(s * (m - D[j])), eD = e * D[j];
            s0 += e;
            s1 += eD;
            s2 += eD * D[j];
            square += e * e;
        }
        sums[0] += s0;
        sums[1] += s1;
        sums[2] += s2;
        sums[3] += square;
    }
}

/* Per row, the sums of w e for s, 2 s, 4 s, ..: each e is the square of the one before, and set to
 * 0 before its square would be denormal, which is slow. */
SKSTRUCT_CLONES static void skstruct_tile_grid(double *tile, const double *a, const double *b,
                                               const double *w, ptrdiff_t rows, ptrdiff_t cols,
                                               ptrdiff_t diagonal, double s, double *low,
                                               double *sums)
{
    ptrdiff_t i, j, k;

    for (i = 0; i < rows; i++, sums += SKSTRUCT_GRID) {
        double *e = tile + i * cols, m;
        m = skstruct_row_distances(e, a[i], b, cols, i + diagonal);
        if (m < low[i]) {
            for (k = 0; k < SKSTRUCT_GRID; k++)
                sums[k] *= exp(ldexp(s * (m - low[i]), (int)k));
            low[i] = m;
        }
        m = low[i];
#pragma omp simd
        for (j = 0; j < cols; j++)
            e[j] = skstruct_exp_decay(s * (m - e[j]));
        for (k = 0; k < SKSTRUCT_GRID; k++) {
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (j = 0; j < cols; j++) {
                double value = e[j] < 1e-150 ? 0 : e[j];
                sum += w[j] * value;
                e[j] = value * value;
            }
            sums[k] += sum;
        }
    }
}

/* The tile becomes the weights (exp(-s D_ij - l_i) + exp(-s D_ij - l_j)) w_i w_j / 2, symmetric in i
 * and j; total[i] += the sum of a row. */
SKSTRUCT_CLONES static void skstruct_tile_shares(double *tile, const double *a, const double *b,
                                                 const double *w_row, const double *w,
                                                 const double *l_row, const double *l,
                                                 ptrdiff_t rows, ptrdiff_t cols,
                                                 ptrdiff_t diagonal, double s, double *total)
{
    ptrdiff_t i, j;

    for (i = 0; i < rows; i++) {
        double *D = tile + i * cols, sum = 0;
        const double li = l_row[i], half = 0.5 * w_row[i];
        skstruct_row_distances(D, a[i], b, cols, i + diagonal);
#pragma omp simd reduction(+ : sum)
        for (j = 0; j < cols; j++) {
            double e = skstruct_exp_decay(-s * D[j] - li) + skstruct_exp_decay(-s * D[j] - l[j]);
            e *= half * w[j];
            D[j] = e;
            sum += e;
        }
        total[i] += sum;
    }
}

#endif
