/* exp and log without branches or library calls, so that loops of them are vectorised.
 *
 * x = k ln 2 + r with |r| <= ln 2 / 2, exp(x) = 2^k exp(r); exp(r) is a polynomial of degree 11 that
 * agrees with it at the nodes of Chebyshev, to 2e-17.  The error is below 2 units in the last place
 * where the result is a normal number; below x = -708 the result is 0, above 709.78 infinity, NaN
 * stays NaN.
 *
 * log(2^k m) = k ln 2 + 2 artanh(t), t = (m - 1) / (m + 1), 1/sqrt 2 <= m < sqrt 2, with the series
 * of artanh up to t^21.
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

/* exp(r) for |r| <= ln 2 / 2 */
SKSTRUCT_INLINE double skstruct_exp_reduced(double r)
{
    double p = 2.5100500030025323e-08;
    p = p * r + 2.7620089872515753e-07;
    p = p * r + 2.7557268133309268e-06;
    p = p * r + 2.480152129231508e-05;
    p = p * r + 1.9841269863367885e-04;
    p = p * r + 1.3888888917216885e-03;
    p = p * r + 8.333333333329949e-03;
    p = p * r + 4.1666666666624115e-02;
    p = p * r + 1.6666666666666669e-01;
    p = p * r + 0.5;
    return p * (r * r) + r + 1.0;
}

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
    p = skstruct_exp_reduced(r);
    /* The low bits of shifted are k. 2^(k - 1), doubled at the end, cannot overflow early. */
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int64_t)((uint64_t)(bits + 1022) << 52);
    memcpy(&scale, &bits, sizeof scale);
    p = p * scale * 2.0;
    p = x < -708.0 ? 0.0 : p;
    return x > 709.782712893384 ? HUGE_VAL : p;
}

/* exp(max(x, -708)) for x <= 700: a third less work where terms of 1e-308 do no harm. */
SKSTRUCT_INLINE double skstruct_exp_decay(double x)
{
    const double magic = 6755399441055744.0;
    double clamped = x < -708.0 ? -708.0 : x;
    double shifted = clamped * 1.4426950408889634 + magic, k = shifted - magic, r, scale;
    int64_t bits;

    r = clamped - k * 6.93147180369123816490e-01;
    r = r - k * 1.90821492927058770002e-10;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int64_t)((uint64_t)(bits + 1023) << 52);
    memcpy(&scale, &bits, sizeof scale);
    return skstruct_exp_reduced(r) * scale;
}

/* exp(max(x, -87)) for x <= 87, in floats: an error below 2 units in the last place. */
SKSTRUCT_INLINE float skstruct_exp_decayf(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23 */
    float clamped = x < -87.0f ? -87.0f : x;
    float shifted = clamped * 1.44269504f + magic, k = shifted - magic, r, p, scale;
    int32_t bits;

    r = clamped - k * 0.693359375f;
    r = r + k * 2.12194440e-4f;
    p = 1.39261836e-3f;
    p = p * r + 8.36317905e-3f;
    p = p * r + 4.16665546e-2f;
    p = p * r + 1.6666577e-1f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int32_t)((uint32_t)(bits + 127) << 23);
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* log of a positive normal number */
SKSTRUCT_INLINE double skstruct_log(double x)
{
    const uint64_t low = 0x3FE6A09E667F3BCDu;   /* the bits of 1 / sqrt 2 */
    const uint64_t magic = 0x4338000000000000u; /* those of 1.5 * 2^52 */
    uint64_t bits, k_bits;
    double m, k, t, s, p;

    memcpy(&bits, &x, sizeof bits);
    /* Biased by 2^10, so that the shift need not be arithmetic, which few vector units have. */
    k_bits = (bits - low + 0x4000000000000000u) >> 52;
    bits -= (k_bits - 1024) << 52;
    k_bits += magic;
    memcpy(&m, &bits, sizeof m);
    memcpy(&k, &k_bits, sizeof k);
    k = k - 6755399441056768.0; /* 1.5 * 2^52 + 2^10 */
    t = (m - 1.0) / (m + 1.0);
    s = t * t;
    p = 1.0 / 21.0;
    p = p * s + 1.0 / 19.0;
    p = p * s + 1.0 / 17.0;
    p = p * s + 1.0 / 15.0;
    p = p * s + 1.0 / 13.0;
    p = p * s + 1.0 / 11.0;
    p = p * s + 1.0 / 9.0;
    p = p * s + 1.0 / 7.0;
    p = p * s + 1.0 / 5.0;
    p = p * s + 1.0 / 3.0;
    return k * 6.93147180559945286e-01 + (2.0 * t + 2.0 * t * (s * p));
}

SKSTRUCT_INLINE float skstruct_logf(float x)
{
    const uint32_t low = 0x3F3504F3u, magic = 0x4B400000u; /* as above, with 1.5 * 2^23 and 2^7 */
    uint32_t bits, k_bits;
    float m, k, t, s, p;

    memcpy(&bits, &x, sizeof bits);
    k_bits = (bits - low + 0x40000000u) >> 23;
    bits -= (k_bits - 128) << 23;
    k_bits += magic;
    memcpy(&m, &bits, sizeof m);
    memcpy(&k, &k_bits, sizeof k);
    k = k - 12583040.0f;
    t = (m - 1.0f) / (m + 1.0f);
    s = t * t;
    p = 1.0f / 9.0f;
    p = p * s + 1.0f / 7.0f;
    p = p * s + 1.0f / 5.0f;
    p = p * s + 1.0f / 3.0f;
    return k * 6.93147181e-01f + (2.0f * t + 2.0f * t * (s * p));
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
