/* Weighted sums of rows of a matrix, and largest elements, over whole vectors of 64 bytes.
 *
 * Numbers of columns are multiples of SKSTRUCT_STEP.  All is inlined, so that it is compiled for
 * the processor of the SKSTRUCT_CLONES function that it is used in.
 */
#ifndef SKSTRUCT_ROW_SUMS_H
#define SKSTRUCT_ROW_SUMS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

enum { SKSTRUCT_STEP = 16 };

#define SKSTRUCT_PASTE_(a, b) a##b
#define SKSTRUCT_PASTE(a, b) SKSTRUCT_PASTE_(a, b)

#define REAL float
#include "row_sums.h"
#undef REAL
#define REAL double
#include "row_sums.h"
#undef REAL

static inline ptrdiff_t skstruct_round_up(ptrdiff_t n)
{
    return (n + SKSTRUCT_STEP - 1) / SKSTRUCT_STEP * SKSTRUCT_STEP;
}

#elif defined(REAL)

#define NAME(function) SKSTRUCT_PASTE(function, REAL)
#define LANES ((ptrdiff_t)(64 / sizeof(REAL)))

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
typedef REAL NAME(skstruct_vector_)
    __attribute__((vector_size(64), aligned(sizeof(REAL)), may_alias));
#else
#define INLINE static inline
typedef struct { REAL lane[64 / sizeof(REAL)]; } NAME(skstruct_vector_);
#endif

/* y += s x, for a vector */
INLINE void NAME(skstruct_axpy_)(REAL s, const REAL *x, NAME(skstruct_vector_) *y)
{
#if defined(__GNUC__)
    *y += s * *(const NAME(skstruct_vector_) *)x;
#else
    ptrdiff_t l;
    for (l = 0; l < LANES; l++)
        y->lane[l] += s * x[l];
#endif
}

/* sum = the sum over i < n of f[i] times a row of the matrix: row index[i], or i if index is NULL.
 * Of the columns, the first `width`: 4 vectors, which hide the latency of an addition, or 1. */
INLINE void NAME(skstruct_sum_tile_)(const REAL *f, const REAL *matrix, ptrdiff_t stride,
                                     const int32_t *index, ptrdiff_t n, ptrdiff_t width,
                                     REAL *sum)
{
    NAME(skstruct_vector_) acc[4] = {{0}};
    ptrdiff_t i;
    if (width == LANES) {
        for (i = 0; i < n; i++)
            NAME(skstruct_axpy_)(f[i], matrix + (index ? index[i] : i) * stride, &acc[0]);
    } else {
        for (i = 0; i < n; i++) {
            const REAL *row = matrix + (index ? index[i] : i) * stride;
            NAME(skstruct_axpy_)(f[i], row, &acc[0]);
            NAME(skstruct_axpy_)(f[i], row + LANES, &acc[1]);
            NAME(skstruct_axpy_)(f[i], row + 2 * LANES, &acc[2]);
            NAME(skstruct_axpy_)(f[i], row + 3 * LANES, &acc[3]);
        }
    }
    memcpy(sum, acc, sizeof acc);
}

/* The number of columns of the tile that begins at column j of m. */
INLINE ptrdiff_t NAME(skstruct_width_)(ptrdiff_t j, ptrdiff_t m)
{
    return j + 4 * LANES <= m ? 4 * LANES : LANES;
}

/* The largest x[j], or |x[j]| if sign is -1 and not 1. */
INLINE REAL NAME(skstruct_largest_)(const REAL *x, ptrdiff_t n, REAL sign)
{
    REAL largest = -(REAL)HUGE_VAL;
    ptrdiff_t j;
#pragma omp simd reduction(max : largest)
    for (j = 0; j < n; j++) {
        REAL v = sign * x[j];
        v = v > x[j] ? v : x[j];
        largest = v > largest ? v : largest;
    }
    return largest;
}

/* The first j < n at which |x[j]| is largest. */
INLINE ptrdiff_t NAME(skstruct_argmax_)(const REAL *x, ptrdiff_t n)
{
    const REAL largest = NAME(skstruct_largest_)(x, n, -1);
    ptrdiff_t j, l;
    for (j = 0; j < n - LANES; j += LANES) {
        int found = 0;
#pragma omp simd reduction(| : found)
        for (l = 0; l < LANES; l++)
            found |= (x[j + l] == largest) | (x[j + l] == -largest);
        if (found)
            break;
    }
    while (j < n - 1 && x[j] != largest && x[j] != -largest)
        j++;
    return j;
}

#undef NAME
#undef LANES
#undef INLINE

#endif
