/* A network with one hidden layer and a head per action, trained one example at a time.
 *
 *     h = relu(W x + w0),   z = v_a . h + b_a,   with g the derivative of the loss at z:
 *     v_a -= rate (g h + pull (v_a - v_a0)),   b_a alike,
 *     rows of W with d_i = g v_ai [h_i > 0] not 0:   W_i -= rate (d_i x + pull (W_i - W_i0))
 *
 * W is stored by inputs: element (j, i) weighs input j for unit i, and row n_inputs has w0. A row
 * of units then is in vectors, no sum runs across one, and blocks of UNITS accumulate in registers.
 * The number of units is a multiple of UNITS; those added have weights 0 and stay so.
 */
#ifndef SKSTRUCT_ONLINE_NETWORK_H
#define SKSTRUCT_ONLINE_NETWORK_H

#include <stddef.h>

#include "simd.h"

#define SKSTRUCT_UNITS 32

#define SKSTRUCT_ONLINE_NETWORK(REAL)                                                            \
    SKSTRUCT_CLONES static void skstruct_hidden_##REAL(                                          \
        const REAL *W, const REAL *x, ptrdiff_t n_inputs, ptrdiff_t n_units, REAL *h)            \
    {                                                                                            \
        for (ptrdiff_t begin = 0; begin < n_units; begin += SKSTRUCT_UNITS) {                    \
            REAL sum[SKSTRUCT_UNITS];                                                            \
            const REAL *row = W + n_inputs * n_units + begin;                                    \
            for (ptrdiff_t i = 0; i < SKSTRUCT_UNITS; i++)                                       \
                sum[i] = row[i];                                                                 \
            for (ptrdiff_t j = 0; j < n_inputs; j++) {                                           \
                const REAL value = x[j];                                                         \
                row = W + j * n_units + begin;                                                   \
                _Pragma("omp simd") for (ptrdiff_t i = 0; i < SKSTRUCT_UNITS; i++)               \
                    sum[i] += value * row[i];                                                    \
            }                                                                                    \
            for (ptrdiff_t i = 0; i < SKSTRUCT_UNITS; i++)                                       \
                h[begin + i] = sum[i] > 0 ? sum[i] : 0;                                          \
        }                                                                                        \
    }                                                                                            \
                                                                                                 \
    SKSTRUCT_CLONES static REAL skstruct_head_##REAL(                                            \
        const REAL *v, REAL b, const REAL *h, ptrdiff_t n_units)                                 \
    {                                                                                            \
        REAL sum = 0;                                                                            \
        _Pragma("omp simd reduction(+ : sum)") for (ptrdiff_t i = 0; i < n_units; i++)           \
            sum += v[i] * h[i];                                                                  \
        return sum + b;                                                                          \
    }                                                                                            \
                                                                                                 \
    SKSTRUCT_CLONES static void skstruct_train_##REAL(                                           \
        REAL *W, const REAL *W0, REAL *v, const REAL *v0, REAL g, REAL rate, REAL pull,          \
        const REAL *x, const REAL *h, ptrdiff_t n_inputs, ptrdiff_t n_units)                     \
    {                                                                                            \
        const REAL shrink = rate * pull;                                                         \
        for (ptrdiff_t begin = 0; begin < n_units; begin += SKSTRUCT_UNITS) {                    \
            REAL back[SKSTRUCT_UNITS], step[SKSTRUCT_UNITS];                                     \
            for (ptrdiff_t i = 0; i < SKSTRUCT_UNITS; i++) {                                     \
                const ptrdiff_t k = begin + i;                                                   \
                const REAL d = h[k] > 0 ? g * v[k] : 0;                                          \
                back[i] = d != 0 ? shrink : 0;                                                   \
                step[i] = rate * d;                                                              \
                v[k] -= rate * g * h[k] + shrink * (v[k] - v0[k]);                               \
            }                                                                                    \
            for (ptrdiff_t j = 0; j <= n_inputs; j++) {                                          \
                const REAL value = j < n_inputs ? x[j] : 1;                                      \
                REAL *row = W + j * n_units + begin;                                             \
                const REAL *start = W0 + j * n_units + begin;                                    \
                _Pragma("omp simd") for (ptrdiff_t i = 0; i < SKSTRUCT_UNITS; i++)               \
                    row[i] -= back[i] * (row[i] - start[i]) + value * step[i];                   \
            }                                                                                    \
        }                                                                                        \
    }

SKSTRUCT_ONLINE_NETWORK(float)
SKSTRUCT_ONLINE_NETWORK(double)

#undef SKSTRUCT_ONLINE_NETWORK

#endif
