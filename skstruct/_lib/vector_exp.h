/* exp of doubles without branches or library calls, so that loops of it are vectorised.
 *
 * x = k ln 2 + r with |r| <= ln 2 / 2, exp(x) = 2^k exp(r); exp(r) is its Taylor polynomial of
 * degree 13, whose remainder is below 5e-18.  The error is below 2 units in the last place where the
 * result is a normal number; below x = -708 the result is 0, above 709.78 infinity, NaN stays NaN.
 */
#ifndef SKSTRUCT_VECTOR_EXP_H
#define SKSTRUCT_VECTOR_EXP_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

#if defined(__GNUC__)
#define SKSTRUCT_INLINE static inline __attribute__((always_inline))
#else
#define SKSTRUCT_INLINE static inline
#endif

SKSTRUCT_INLINE double skstruct_exp(double x)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    double clamped = x < -708.0 ? -708.0 : x;
    double shifted, k, r, p, scale;
    int64_t bits;

    clamped = clamped > 709.79 ? 709.79 : clamped;
    shifted = clamped * 1.4426950408889634 + magic;
    k = shifted - magic;
    r = clamped - k * 6.93147180369123816490e-01; /* ln 2 in two parts, the first times k exact */
    r = r - k * 1.90821492927058770002e-10;
    p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    /* The low bits of shifted are k. 2^(k - 1), doubled at the end, cannot overflow early. */
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int64_t)((uint64_t)(bits + 1022) << 52);
    memcpy(&scale, &bits, sizeof scale);
    p = p * scale * 2.0;
    p = x < -708.0 ? 0.0 : p;
    return x > 709.782712893384 ? HUGE_VAL : p;
}

/* y = exp(x), elementwise; y may be x. */
SKSTRUCT_CLONES static inline void skstruct_vector_exp(const double *x, double *y, ptrdiff_t n)
{
    ptrdiff_t i;
#pragma omp simd
    for (i = 0; i < n; i++)
        y[i] = skstruct_exp(x[i]);
}

#endif
