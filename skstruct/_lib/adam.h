/* One step of Adam on n parameters, in one pass over them and their moments.
 *
 *     m += (1 - beta1) (g - m),  v += (1 - beta2) (g^2 - v),
 *     w -= rate m / (root sqrt(v) + epsilon)
 *
 * with beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, g = scale * gradient, and the corrections of
 * the bias of step t in rate = learning_rate / (1 - beta1^t) and root = 1 / sqrt(1 - beta2^t).
 * Moments below 1e-30, which move no parameter, become 0: those of an idle parameter would
 * else decay into subnormal numbers, with which processors are slow.
 */
#ifndef SKSTRUCT_ADAM_H
#define SKSTRUCT_ADAM_H

#include <math.h>
#include <stddef.h>

#include "simd.h"

#define SKSTRUCT_ADAM(REAL, SQRT, FABS)                                                          \
    SKSTRUCT_CLONES static inline void skstruct_adam_##REAL(                                     \
        REAL *w, REAL *m, REAL *v, const REAL *gradient, ptrdiff_t n, REAL scale, REAL rate,     \
        REAL root)                                                                               \
    {                                                                                            \
        const REAL decay1 = (REAL)0.1, decay2 = (REAL)0.001, tiny = (REAL)1e-30;                 \
        ptrdiff_t j;                                                                             \
        _Pragma("omp simd") for (j = 0; j < n; j++)                                              \
        {                                                                                        \
            REAL g = scale * gradient[j];                                                        \
            REAL first = m[j] + decay1 * (g - m[j]);                                             \
            REAL second = v[j] + decay2 * (g * g - v[j]);                                        \
            first = FABS(first) < tiny ? 0 : first;                                              \
            second = second < tiny ? 0 : second;                                                 \
            m[j] = first;                                                                        \
            v[j] = second;                                                                       \
            w[j] -= rate * first / (root * SQRT(second) + (REAL)1e-8);                           \
        }                                                                                        \
    }

SKSTRUCT_ADAM(float, sqrtf, fabsf)
SKSTRUCT_ADAM(double, sqrt, fabs)

#undef SKSTRUCT_ADAM

#endif
