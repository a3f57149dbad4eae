/* Sums of a tensor of shape (L, I, Q, R) over l and q, each component r with weights of its own:
 *
 *     out[i, r] += sum_l left[l, r] sum_q T[l, i, q, r] right[q, r]
 *
 * room has place for R numbers.
 */
#ifndef SKSTRUCT_COMPONENT_SUMS_H
#define SKSTRUCT_COMPONENT_SUMS_H

#include <stddef.h>

#include "simd.h"

#define SKSTRUCT_COMPONENT_SUMS(REAL)                                                            \
    SKSTRUCT_CLONES static inline void skstruct_component_sums_##REAL(                           \
        const REAL *T, const double *left, const double *right, ptrdiff_t L, ptrdiff_t I,        \
        ptrdiff_t Q, ptrdiff_t R, double *room, double *out)                                     \
    {                                                                                            \
        ptrdiff_t l, i, q, r;                                                                    \
        for (l = 0; l < L; l++)                                                                  \
            for (i = 0; i < I; i++) {                                                            \
                double *row = out + i * R;                                                       \
                const double *weight = left + l * R;                                             \
                for (r = 0; r < R; r++)                                                          \
                    room[r] = 0;                                                                 \
                for (q = 0; q < Q; q++, T += R) {                                                \
                    const double *factor = right + q * R;                                        \
                    _Pragma("omp simd") for (r = 0; r < R; r++) room[r] += factor[r] * T[r];     \
                }                                                                                \
                _Pragma("omp simd") for (r = 0; r < R; r++) row[r] += weight[r] * room[r];       \
            }                                                                                    \
    }

SKSTRUCT_COMPONENT_SUMS(float)
SKSTRUCT_COMPONENT_SUMS(double)

#undef SKSTRUCT_COMPONENT_SUMS

#endif
