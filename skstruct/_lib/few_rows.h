/* Products of a few rows of a matrix with vectors, for float and double.
 *
 *     skstruct_add_rows_{float,double}   out += sum_j coef[j] M[rows[j], :]
 *     skstruct_dot_rows_{float,double}   out[j] = <M[rows[j], :], x>
 *
 * M is contiguous with n_columns columns.  Four rows go at a time, so that the vector is read and
 * written once for the four.
 */
#ifndef SKSTRUCT_FEW_ROWS_H
#define SKSTRUCT_FEW_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

#define REAL float
#define NAME(function) function##_float
#include "few_rows.h"
#undef NAME
#undef REAL
#define REAL double
#define NAME(function) function##_double
#include "few_rows.h"
#undef NAME
#undef REAL

#elif defined(REAL)

SKSTRUCT_CLONES static inline void NAME(skstruct_add_rows)(
    const REAL *M, ptrdiff_t n_columns, const int32_t *rows, const REAL *coef, ptrdiff_t n_rows,
    REAL *out)
{
    ptrdiff_t j, l;
    for (j = 0; j + 4 <= n_rows; j += 4) {
        const REAL *p = M + rows[j] * n_columns, *q = M + rows[j + 1] * n_columns;
        const REAL *r = M + rows[j + 2] * n_columns, *s = M + rows[j + 3] * n_columns;
        REAL a = coef[j], b = coef[j + 1], c = coef[j + 2], d = coef[j + 3];
#pragma omp simd
        for (l = 0; l < n_columns; l++)
            out[l] += (a * p[l] + b * q[l]) + (c * r[l] + d * s[l]);
    }
    for (; j < n_rows; j++) {
        const REAL *p = M + rows[j] * n_columns;
        REAL a = coef[j];
#pragma omp simd
        for (l = 0; l < n_columns; l++)
            out[l] += a * p[l];
    }
}

SKSTRUCT_CLONES static inline void NAME(skstruct_dot_rows)(
    const REAL *M, ptrdiff_t n_columns, const int32_t *rows, ptrdiff_t n_rows, const REAL *x,
    REAL *out)
{
    ptrdiff_t j, l;
    for (j = 0; j + 4 <= n_rows; j += 4) {
        const REAL *p = M + rows[j] * n_columns, *q = M + rows[j + 1] * n_columns;
        const REAL *r = M + rows[j + 2] * n_columns, *s = M + rows[j + 3] * n_columns;
        REAL a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
        for (l = 0; l < n_columns; l++) {
            a += p[l] * x[l];
            b += q[l] * x[l];
            c += r[l] * x[l];
            d += s[l] * x[l];
        }
        out[j] = a;
        out[j + 1] = b;
        out[j + 2] = c;
        out[j + 3] = d;
    }
    for (; j < n_rows; j++) {
        const REAL *p = M + rows[j] * n_columns;
        REAL a = 0;
#pragma omp simd reduction(+ : a)
        for (l = 0; l < n_columns; l++)
            a += p[l] * x[l];
        out[j] = a;
    }
}

#endif
