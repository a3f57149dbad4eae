/* The three passes of a consensus-based step over N particles in d dimensions.
 *
 *     skstruct_weights        w = exp(-alpha e), their sum, and that of w^2, for alpha
 *     skstruct_weighted_mean  c = sum_i w_i x_i / sum_i w_i
 *     skstruct_move           x <- c + (1 - drift) (x - c) + s spread xi, reflected once, clipped
 */
#ifndef SKSTRUCT_CONSENSUS_H
#define SKSTRUCT_CONSENSUS_H

#include <math.h>
#include <stddef.h>

#include "simd.h"
#include "vector_exp.h"

/* What the noise of a coordinate is multiplied by. */
enum skstruct_spread {
    SKSTRUCT_COMPONENT, /* x - c, coordinate by coordinate */
    SKSTRUCT_DISTANCE,  /* high - low times the length of x - c in units of the box */
    SKSTRUCT_BOX        /* high - low */
};

/* weights = exp(-alpha e) for e, alpha >= 0; both may be infinite, not with the other zero. */
SKSTRUCT_CLONES static inline void skstruct_weights(const double *e, ptrdiff_t n, double alpha,
                                                    double *weights, double *sum, double *squares)
{
    double s = 0.0, q = 0.0;
    ptrdiff_t i;
#pragma omp simd reduction(+ : s, q)
    for (i = 0; i < n; i++) {
        double w = skstruct_exp_decay(-alpha * e[i]);
        weights[i] = w;
        s += w;
        q += w * w;
    }
    *sum = s;
    *squares = q;
}

SKSTRUCT_CLONES static inline void skstruct_weighted_mean(const double *X, ptrdiff_t d,
                                                          const ptrdiff_t *rows,
                                                          const double *weights, ptrdiff_t n,
                                                          double total, double *c)
{
    ptrdiff_t i, j;
    for (j = 0; j < d; j++)
        c[j] = 0.0;
    for (i = 0; i < n; i++) {
        const double *x = X + rows[i] * d;
        const double w = weights[i] / total;
        for (j = 0; j < d; j++)
            c[j] += w * x[j];
    }
}

/* Row i of xi is the noise of row rows[i] of X. */
SKSTRUCT_CLONES static inline void skstruct_move(double *X, ptrdiff_t d, const ptrdiff_t *rows,
                                                 ptrdiff_t n, const double *c, const double *xi,
                                                 const double *low, const double *high,
                                                 double drift, double s, int spread)
{
    ptrdiff_t i, j;
    for (i = 0; i < n; i++, xi += d) {
        double *x = X + rows[i] * d, length = 1.0;
        if (spread == SKSTRUCT_DISTANCE) {
            double square = 0.0;
            for (j = 0; j < d; j++) {
                const double away = (x[j] - c[j]) / (high[j] - low[j]);
                square += away * away;
            }
            length = sqrt(square);
        }
#pragma omp simd
        for (j = 0; j < d; j++) {
            const double away = x[j] - c[j];
            const double scale =
                spread == SKSTRUCT_COMPONENT ? away : length * (high[j] - low[j]);
            double y = c[j] + (1.0 - drift) * away + s * scale * xi[j];
            y = y < low[j] ? low[j] + (low[j] - y) : y;
            y = y > high[j] ? high[j] - (y - high[j]) : y;
            y = y < low[j] ? low[j] : y;
            x[j] = y > high[j] ? high[j] : y;
        }
    }
}

#endif
