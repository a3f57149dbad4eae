/* Sums over components that lie one after the other, and what they are summed with.
 *
 *     K[r, (i, j, ..)] = a[i, r] b[j, r] ..                        the Khatri-Rao product
 *     out[i, r] += sum_l left[r, l] sum_q T[r, l, i, q] right[r, q]
 *
 * T, K, left and right have the component first, so that a product of a matrix with K has many
 * rows and few columns, which is what BLAS is fast at; factors and out have it last.
 */
#ifndef SKSTRUCT_COMPONENT_SUMS_H
#define SKSTRUCT_COMPONENT_SUMS_H

#include <stddef.h>

#include "simd.h"

/* room has place for the longest factor, in component_sums for I numbers */
#define SKSTRUCT_COMPONENT_SUMS(REAL)                                                            \
    SKSTRUCT_CLONES static inline void skstruct_khatri_rao_##REAL(                               \
        const double *const *factors, const ptrdiff_t *sizes, ptrdiff_t n_factors, ptrdiff_t R,  \
        ptrdiff_t length, double *room, REAL *K)                                                 \
    {                                                                                            \
        ptrdiff_t i, m, p, r;                                                                    \
        for (r = 0; r < R; r++, K += length) {                                                   \
            ptrdiff_t n = 1;                                                                     \
            K[0] = 1;                                                                            \
            for (m = 0; m < n_factors; n *= sizes[m++]) {                                        \
                const ptrdiff_t size = sizes[m];                                                 \
                for (i = 0; i < size; i++)                                                       \
                    room[i] = factors[m][i * R + r];                                             \
                for (p = n - 1; p >= 0; p--) { /* from the end, so that none is lost */          \
                    const double value = K[p];                                                   \
                    REAL *target = K + p * size;                                                 \
                    _Pragma("omp simd") for (i = 0; i < size; i++) target[i] =                   \
                        (REAL)(value * room[i]);                                                 \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
    }                                                                                            \
                                                                                                 \
    SKSTRUCT_CLONES static inline void skstruct_component_sums_##REAL(                           \
        const REAL *T, const double *left, const double *right, ptrdiff_t L, ptrdiff_t I,        \
        ptrdiff_t Q, ptrdiff_t R, double *room, double *out)                                     \
    {                                                                                            \
        ptrdiff_t l, i, q, r;                                                                    \
        for (r = 0; r < R; r++, left += L, right += Q) {                                         \
            for (i = 0; i < I; i++)                                                              \
                room[i] = 0;                                                                     \
            for (l = 0; l < L; l++, T += I * Q) {                                                \
                if (Q == 1) {                                                                    \
                    const double weight = left[l] * right[0];                                    \
                    _Pragma("omp simd") for (i = 0; i < I; i++) room[i] += weight * T[i];        \
                    continue;                                                                    \
                }                                                                                \
                for (i = 0; i < I; i++) {                                                        \
                    const REAL *slice = T + i * Q;                                               \
                    double sum = 0;                                                              \
                    _Pragma("omp simd reduction(+ : sum)") for (q = 0; q < Q; q++) sum +=        \
                        slice[q] * right[q];                                                     \
                    room[i] += left[l] * sum;                                                    \
                }                                                                                \
            }                                                                                    \
            for (i = 0; i < I; i++)                                                              \
                out[i * R + r] += room[i];                                                       \
        }                                                                                        \
    }

SKSTRUCT_COMPONENT_SUMS(float)
SKSTRUCT_COMPONENT_SUMS(double)

#undef SKSTRUCT_COMPONENT_SUMS

#endif
