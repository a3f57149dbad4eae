/* The k largest of n numbers, and where they are, for float and double.
 *
 * Put x into n_groups >= 2 k interleaved groups: the k-th largest of their maxima is no larger
 * than the k-th largest of x, and hardly smaller.  The maxima are vector instructions; what
 * reaches that bound is little more than k numbers, which a quickselect finishes.  Nothing is
 * sorted, and all partitions are without branches.
 *
 *     skstruct_top_k_{float,double}(x, n, k, work, index)               by value
 *     skstruct_top_k_magnitude_{float,double}(x, n, k, work, index)     by absolute value
 *
 * put into index[0] < ... < index[k - 1] where the k largest are, 1 <= k <= n; among equal numbers
 * the first come first, and NaN is larger than any number.  index has room for n, work for 2 n.
 */
#ifndef SKSTRUCT_TOP_K_H
#define SKSTRUCT_TOP_K_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "simd.h"

#define REAL float
#define NAME(function) function##_float
#include "top_k.h"
#undef NAME
#undef REAL
#define REAL double
#define NAME(function) function##_double
#include "top_k.h"
#undef NAME
#undef REAL

#elif defined(REAL)

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

INLINE REAL NAME(skstruct_key)(REAL x, int magnitude)
{
    return magnitude && x < 0 ? -x : x;
}

/* The k-th largest of a[0], ..., a[n - 1], none of them NaN; a and b, as long, are overwritten. */
INLINE REAL NAME(skstruct_kth_largest)(REAL *a, REAL *b, ptrdiff_t n, ptrdiff_t k)
{
    for (;;) {
        REAL first = a[0], middle = a[n / 2], last = a[n - 1];
        REAL low = first < last ? first : last, high = first < last ? last : first;
        REAL pivot = middle < low ? low : middle > high ? high : middle;
        ptrdiff_t i, above = 0, below = 0;
        for (i = 0; i < n; i++) {
            REAL v = a[i];
            a[above] = v;
            above += v > pivot;
            b[below] = v;
            below += v < pivot;
        }
        if (k <= above) {
            n = above;
        } else if (k <= n - below) {
            return pivot;
        } else {
            REAL *other = a;
            a = b;
            b = other;
            k -= n - below;
            n = below;
        }
    }
}

/* A number that at least k of x reach, hardly below the k-th largest. */
INLINE REAL NAME(skstruct_top_k_bound)(const REAL *x, ptrdiff_t n, ptrdiff_t k, REAL *work,
                                        int magnitude)
{
    ptrdiff_t n_groups = 64, i, l;
    while (n_groups < 2 * k)
        n_groups *= 2;
    if (2 * n_groups > n)
        return -(REAL)HUGE_VAL;
    for (l = 0; l < n_groups; l++)
        work[l] = -(REAL)HUGE_VAL;
    for (i = 0; i + n_groups <= n; i += n_groups) {
#pragma omp simd
        for (l = 0; l < n_groups; l++) {
            REAL v = NAME(skstruct_key)(x[i + l], magnitude);
            work[l] = v > work[l] ? v : work[l];
        }
    }
    return NAME(skstruct_kth_largest)(work, work + n, n_groups, k);
}

INLINE void NAME(skstruct_top_k_inline)(const REAL *x, ptrdiff_t n, ptrdiff_t k, REAL *work,
                                         int32_t *index, int magnitude)
{
    REAL bound = NAME(skstruct_top_k_bound)(x, n, k, work, magnitude), kth;
    ptrdiff_t n_left = 0, n_above = 0, n_equal, n_taken = 0, i;
    for (i = 0; i < n; i++) {
        index[n_left] = (int32_t)i;
        n_left += !(NAME(skstruct_key)(x[i], magnitude) < bound);
    }
    if (n_left == k)
        return;
    for (i = 0; i < n_left; i++) {
        REAL v = NAME(skstruct_key)(x[index[i]], magnitude);
        work[i] = v == v ? v : (REAL)HUGE_VAL;
    }
    kth = NAME(skstruct_kth_largest)(work, work + n, n_left, k);
    for (i = 0; i < n_left; i++)
        n_above += !(NAME(skstruct_key)(x[index[i]], magnitude) <= kth);
    n_equal = k - n_above; /* so many of those that equal the k-th are taken */
    for (i = 0; n_taken < k; i++) {
        REAL v = NAME(skstruct_key)(x[index[i]], magnitude);
        int equal = v == kth;
        int taken = equal ? n_equal > 0 : !(v < kth);
        n_equal -= equal;
        index[n_taken] = index[i];
        n_taken += taken;
    }
}

SKSTRUCT_CLONES static inline void NAME(skstruct_top_k)(
    const REAL *x, ptrdiff_t n, ptrdiff_t k, REAL *work, int32_t *index)
{
    NAME(skstruct_top_k_inline)(x, n, k, work, index, 0);
}

SKSTRUCT_CLONES static inline void NAME(skstruct_top_k_magnitude)(
    const REAL *x, ptrdiff_t n, ptrdiff_t k, REAL *work, int32_t *index)
{
    NAME(skstruct_top_k_inline)(x, n, k, work, index, 1);
}

#undef INLINE

#endif
