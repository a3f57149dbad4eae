/* The active set of a lasso: the atoms whose coefficients may differ from 0, and their signs.
 *
 * With these given, the objective is a parabola in the coefficients w, whose gradient is -g; with
 * K = inv(G_PP), G_PP the Gram matrix of the atoms, its minimum is at w + K g.  Rank-one updates
 * keep K as atoms enter and leave.  These numbers are few, and double whatever the data are.
 */
#ifndef SKSTRUCT_ACTIVE_SET_H
#define SKSTRUCT_ACTIVE_SET_H

#include "row_sums.h"

#if defined(__GNUC__)
#define SKSTRUCT_ACTIVE static inline __attribute__((always_inline))
#else
#define SKSTRUCT_ACTIVE static inline
#endif

typedef struct {
    ptrdiff_t n, stride;   /* atoms, and the distance between rows of K */
    int32_t *atom;
    double *w, *sign, *g;  /* one for each atom, in no order */
    double *gram, *step, *limit;
    double *K;
} skstruct_active;

static inline ptrdiff_t skstruct_active_work(ptrdiff_t capacity)
{
    return (skstruct_round_up(capacity) + 6) * skstruct_round_up(capacity);
}

static inline void skstruct_active_init(skstruct_active *p, ptrdiff_t capacity, int32_t *atom,
                                        double *work)
{
    double **vectors[] = {&p->w, &p->sign, &p->g, &p->gram, &p->step, &p->limit};
    int i;
    p->n = 0;
    p->stride = skstruct_round_up(capacity);
    p->atom = atom;
    for (i = 0; i < 6; i++)
        *vectors[i] = work + i * p->stride;
    p->K = work + 6 * p->stride;
}

/* out = K x */
SKSTRUCT_ACTIVE void skstruct_apply_inverse(const skstruct_active *p, const double *x, double *out)
{
    double sum[32];
    ptrdiff_t j, width, columns = (p->n + 7) / 8 * 8;
    for (j = 0; j < columns; j += width) {
        width = skstruct_width_double(j, columns);
        skstruct_sum_tile_double(x, p->K + j, p->stride, NULL, p->n, width, sum);
        memcpy(out + j, sum, width * sizeof *sum);
    }
}

/* K += f x x'; x has room for whole vectors. */
SKSTRUCT_ACTIVE void skstruct_rank_one(skstruct_active *p, double f, double *x)
{
    ptrdiff_t i, j, columns = (p->n + 7) / 8 * 8;
    for (j = p->n; j < columns; j++)
        x[j] = 0;
    for (i = 0; i < p->n; i++) {
        double s = f * x[i], *row = p->K + i * p->stride;
#pragma omp simd
        for (j = 0; j < columns; j++)
            row[j] += s * x[j];
    }
}

/* Atom number q leaves, and the last one takes its place. */
SKSTRUCT_ACTIVE void skstruct_leave(skstruct_active *p, ptrdiff_t q)
{
    ptrdiff_t i, last = p->n - 1;
    double *row = p->K + q * p->stride;
    memcpy(p->gram, row, p->n * sizeof *row);
    skstruct_rank_one(p, -1 / row[q], p->gram);
    for (i = 0; i <= last; i++)
        p->K[i * p->stride + q] = p->K[i * p->stride + last];
    memcpy(row, p->K + last * p->stride, last * sizeof *row);
    p->atom[q] = p->atom[last];
    p->w[q] = p->w[last];
    p->sign[q] = p->sign[last];
    p->g[q] = p->g[last];
    p->n--;
}

/* How far w can go along sign times the step, at most `length`, before a coefficient becomes 0. */
SKSTRUCT_ACTIVE double skstruct_reach(skstruct_active *p, double sign, double length)
{
    ptrdiff_t i;
    for (i = 0; i < p->n; i++) {
        double s = sign * p->step[i], limit = s * p->sign[i] < 0 ? -p->w[i] / s : HUGE_VAL;
        p->limit[i] = limit > 0 ? limit : 0;
        length = p->limit[i] < length ? p->limit[i] : length;
    }
    return length;
}

/* Go that far; the atoms whose coefficients have become 0 leave. */
SKSTRUCT_ACTIVE void skstruct_go(skstruct_active *p, double sign, double length)
{
    ptrdiff_t i;
    for (i = 0; i < p->n; i++)
        p->w[i] += sign * length * p->step[i];
    for (i = p->n; i-- > 0;)
        if (p->limit[i] <= length)
            skstruct_leave(p, i);
}

/* Go to the minimum, which loses the atoms whose coefficients become 0 on the way. */
SKSTRUCT_ACTIVE void skstruct_descend(skstruct_active *p)
{
    for (;;) {
        double length;
        ptrdiff_t i;
        skstruct_apply_inverse(p, p->g, p->step);
        length = skstruct_reach(p, 1, 1);
        for (i = 0; i < p->n; i++)
            p->g[i] *= 1 - length;
        skstruct_go(p, 1, length);
        if (length == 1)
            return;
    }
}

/* What of the squared length of an atom is outside the span of the others; p->gram has its
 * products with them, and p->step becomes -K gram: how they make up for one of it. */
SKSTRUCT_ACTIVE double skstruct_rest(skstruct_active *p, double square)
{
    ptrdiff_t i;
    skstruct_apply_inverse(p, p->gram, p->step);
    for (i = 0; i < p->n; i++) {
        square -= p->step[i] * p->gram[i];
        p->step[i] = -p->step[i];
    }
    return square;
}

/* Atom j enters; `rest` and p->step are those of the function above. */
SKSTRUCT_ACTIVE void skstruct_enter(skstruct_active *p, ptrdiff_t j, double rest, double w,
                                    double sign, double g)
{
    ptrdiff_t i, n = p->n;
    double *row = p->K + n * p->stride;
    skstruct_rank_one(p, 1 / rest, p->step);
    for (i = 0; i < n; i++)
        row[i] = p->K[i * p->stride + n] = p->step[i] / rest;
    row[n] = 1 / rest;
    p->atom[n] = (int32_t)j;
    p->w[n] = w;
    p->sign[n] = sign;
    p->g[n] = g;
    p->n++;
}

#endif
