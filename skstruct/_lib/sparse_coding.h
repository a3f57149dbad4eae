/* Codes of one sample over m atoms, from its correlations with them: for float and double.
 *
 * D has an atom a row; the Gram matrix G = D D' and the correlations a = D x of the sample x are
 * given.  Each function writes the atoms that it takes and their coefficients, in no order, and
 * returns how many there are.
 *
 *     skstruct_pursuit_{float,double}    orthogonal matching pursuit and least squares
 *     skstruct_lasso_{float,double}      the w that minimises |x - D' w|^2 / 2 + alpha |w|_1
 *
 * Long loops run over whole vectors of 64 bytes: m has to be a multiple of SKSTRUCT_ATOM_STEP,
 * which is reached by atoms of zeros, that are never taken.  Reading is fastest where G begins at
 * a multiple of 64 bytes.  Nothing is allocated: skstruct_*_work says how many numbers of working
 * space a function takes.
 */
#ifndef SKSTRUCT_SPARSE_CODING_H
#define SKSTRUCT_SPARSE_CODING_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

enum {
    SKSTRUCT_ATOM_STEP = 16,
    SKSTRUCT_ENTRIES = 8 /* atoms that enter the active set of a lasso at a time */
};

static inline ptrdiff_t skstruct_pursuit_work(ptrdiff_t m, ptrdiff_t k)
{
    return (k + 3) * m + (k + 2) * k;
}

/* The distance between rows of a matrix of n columns. */
static inline ptrdiff_t skstruct_stride(ptrdiff_t n)
{
    return (n + SKSTRUCT_ATOM_STEP - 1) / SKSTRUCT_ATOM_STEP * SKSTRUCT_ATOM_STEP;
}

static inline ptrdiff_t skstruct_lasso_work(ptrdiff_t m, ptrdiff_t capacity)
{
    return m + (skstruct_stride(capacity) + 4) * skstruct_stride(capacity);
}

#define SKSTRUCT_PASTE_(a, b) a##b
#define SKSTRUCT_PASTE(a, b) SKSTRUCT_PASTE_(a, b)

/* DEPENDENT: an atom of which less than this, as a squared length, is outside the span of others
 *            counts as lying in it.
 * NEGLIGIBLE: a correlation this small, relative to the length of the sample, is rounding.
 * EXACT: below this part of the energy of the sample, subtracting squares has lost its digits. */
#define REAL float
#define EPSILON FLT_EPSILON
#define SMALLEST FLT_MIN
#define DEPENDENT 1e-5f
#define NEGLIGIBLE 2e-6
#define EXACT 1e-3
#include "sparse_coding.h"
#undef REAL
#undef EPSILON
#undef SMALLEST
#undef DEPENDENT
#undef NEGLIGIBLE
#undef EXACT
#define REAL double
#define EPSILON DBL_EPSILON
#define SMALLEST DBL_MIN
#define DEPENDENT 1e-7
#define NEGLIGIBLE 1e-7
#define EXACT 1e-10
#include "sparse_coding.h"
#undef REAL
#undef EPSILON
#undef SMALLEST
#undef DEPENDENT
#undef NEGLIGIBLE
#undef EXACT

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

/* ---------------------------------------------------------------------- sums of rows */

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

INLINE ptrdiff_t NAME(skstruct_round_up_)(ptrdiff_t n)
{
    return (n + LANES - 1) / LANES * LANES;
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

/* ---------------------------------------------------------------------- pursuits
 *
 * The residual is kept orthogonal to the atoms taken so far.  With v_0, v_1, ... the orthonormal
 * basis that Gram and Schmidt make of these atoms,
 *
 *     V[t, j]  = <v_t, d_j>         L[t, i] = V[i, j_t], so that d_{j_t} = sum_i L[t, i] v_i
 *     a[j]     = <residual, d_j>    rest[j] = |d_j|^2 - sum_t V[t, j]^2
 *     y[t]     = <v_t, x>
 *
 * and taking an atom is one pass over t + 1 rows of m numbers, with no system to solve before the
 * end.  OMP takes the largest |a[j]|, OLS the largest a[j]^2 / rest[j], which is by how much the
 * energy of the residual will fall.
 */

/* Take atom j as number t: append row t to V, and take its direction out of a and of rest. */
INLINE void NAME(skstruct_take_atom_)(const REAL *row, const REAL *L, REAL root, REAL y,
                                      ptrdiff_t t, ptrdiff_t m, REAL *V, REAL *a, REAL *rest,
                                      REAL *score, int ols)
{
    REAL sum[256 / sizeof(REAL)], inverse = 1 / root;
    ptrdiff_t j, l, width;
    for (j = 0; j < m; j += width) {
        REAL *v = V + t * m + j;
        width = NAME(skstruct_width_)(j, m);
        NAME(skstruct_sum_tile_)(L, V + j, m, NULL, t, width, sum);
#pragma omp simd
        for (l = 0; l < width; l++) {
            v[l] = (row[j + l] - sum[l]) * inverse;
            a[j + l] -= y * v[l];
        }
        if (ols) {
#pragma omp simd
            for (l = 0; l < width; l++) {
                REAL left = rest[j + l] - v[l] * v[l];
                rest[j + l] = left;
                score[j + l] = left > DEPENDENT ? a[j + l] * a[j + l] / left : 0;
            }
        }
    }
}

/* Solve L' w = y; y is overwritten. */
INLINE void NAME(skstruct_solve_)(const REAL *L, ptrdiff_t k, ptrdiff_t t, REAL *y, REAL *w)
{
    ptrdiff_t i;
    while (t-- > 0) {
        w[t] = y[t] / L[t * k + t];
        for (i = 0; i < t; i++)
            y[i] -= w[t] * L[t * k + i];
    }
}

/* |x - D' w|^2 from the residual itself */
INLINE double NAME(skstruct_energy_)(const REAL *x, const REAL *D, ptrdiff_t d,
                                     const int32_t *support, const REAL *w, ptrdiff_t t)
{
    double energy = 0;
    ptrdiff_t l, i;
    for (l = 0; l < d; l++) {
        double r = x[l];
        for (i = 0; i < t; i++)
            r -= (double)w[i] * D[support[i] * d + l];
        energy += r * r;
    }
    return energy;
}

/* Up to k atoms, or until |residual|^2 <= tol (which is -1 if k alone decides).  Atoms have length
 * 1, but for zeros. */
INLINE ptrdiff_t NAME(skstruct_pursue_)(const REAL *correlation, const REAL *G, ptrdiff_t m,
                                        const REAL *x, const REAL *D, ptrdiff_t d, ptrdiff_t k,
                                        double tol, REAL *work, int32_t *support, REAL *code,
                                        int ols)
{
    REAL *V = work, *a = V + k * m, *rest = a + m, *score = ols ? rest + m : a;
    REAL *L = rest + 2 * m, *y = L + k * k, *copy = y + k;
    REAL scale = NAME(skstruct_largest_)(correlation, m, -1);
    double start = 0, energy, unit;
    ptrdiff_t t = 0, i, j;
    if (!(scale >= SMALLEST))
        return 0;
    /* The sample is divided by its largest correlation, so that no square overflows. */
    unit = 1 / (double)scale;
#pragma omp simd reduction(+ : start)
    for (i = 0; i < d; i++)
        start += (x[i] * unit) * (x[i] * unit);
    energy = start;
    tol = tol * unit * unit;
    for (j = 0; j < m; j++)
        a[j] = correlation[j] / scale;
    if (ols) {
        for (j = 0; j < m; j++) {
            rest[j] = G[j * m + j];
            score[j] = a[j] * a[j];
        }
    }
    while (t < k && !(energy <= tol)) {
        REAL *row = L + t * k, root;
        j = NAME(skstruct_argmax_)(score, m);
        root = G[j * m + j];
        for (i = 0; i < t; i++) {
            row[i] = V[i * m + j];
            root -= row[i] * row[i];
        }
        if (root <= DEPENDENT || (double)a[j] * a[j] <= NEGLIGIBLE * NEGLIGIBLE * start)
            break;
        root = (REAL)sqrt(root);
        row[t] = root;
        y[t] = a[j] / root;
        support[t] = (int32_t)j;
        NAME(skstruct_take_atom_)(G + j * m, row, root, y[t], t, m, V, a, rest, score, ols);
        a[j] = rest[j] = score[j] = 0; /* what is left is rounding */
        energy -= (double)y[t] * y[t];
        t++;
        if (tol >= 0 && energy < EXACT * start) {
            memcpy(copy, y, t * sizeof *y);
            NAME(skstruct_solve_)(L, k, t, copy, code);
            for (i = 0; i < t; i++)
                code[i] *= scale;
            energy = NAME(skstruct_energy_)(x, D, d, support, code, t) * unit * unit;
        }
    }
    NAME(skstruct_solve_)(L, k, t, y, code);
    for (i = 0; i < t; i++)
        code[i] *= scale;
    return t;
}

SKSTRUCT_CLONES static inline ptrdiff_t NAME(skstruct_pursuit_)(
    const REAL *correlation, const REAL *G, ptrdiff_t m, const REAL *x, const REAL *D,
    ptrdiff_t d, ptrdiff_t k, double tol, int ols, REAL *work, int32_t *support, REAL *code)
{
    if (ols)
        return NAME(skstruct_pursue_)(correlation, G, m, x, D, d, k, tol, work, support, code, 1);
    return NAME(skstruct_pursue_)(correlation, G, m, x, D, d, k, tol, work, support, code, 0);
}

/* ---------------------------------------------------------------------- lasso
 *
 * Feature-sign search.  The active set P has the atoms whose coefficients may differ from 0, and
 * the signs s that these then have.  On P the objective is a parabola: with
 *
 *     c = a - G w,   g = c_P - alpha s,   K = inv(G_PP)
 *
 * -g is its gradient and w_P + K g its minimum.  Go there, or to where the first coefficient
 * becomes 0, whose atom then leaves P.  At the minimum, w is the solution if no |c_j| outside of P
 * exceeds alpha; otherwise some of those j enter, with the signs of c_j.  Each round lowers the
 * objective, hence no P comes twice.  Rank-one updates keep K; c is computed anew in each round,
 * which is the only loop over m numbers for each atom of P, and mends what rounding does to K.
 */

typedef struct {
    ptrdiff_t n, stride; /* atoms in P; between rows of K */
    int32_t *atom;
    REAL *w, *sign, *g, *step, *limit, *K; /* step and limit are scratch between the functions */
} NAME(skstruct_active_);

/* out = K x */
INLINE void NAME(skstruct_apply_inverse_)(const NAME(skstruct_active_) *p, const REAL *x,
                                          REAL *out)
{
    REAL sum[256 / sizeof(REAL)];
    ptrdiff_t j, width, columns = NAME(skstruct_round_up_)(p->n);
    for (j = 0; j < columns; j += width) {
        width = NAME(skstruct_width_)(j, columns);
        NAME(skstruct_sum_tile_)(x, p->K + j, p->stride, NULL, p->n, width, sum);
        memcpy(out + j, sum, width * sizeof *sum);
    }
}

/* K += f x x'; x has room for whole vectors. */
INLINE void NAME(skstruct_rank_one_)(NAME(skstruct_active_) *p, REAL f, REAL *x)
{
    ptrdiff_t i, j, columns = NAME(skstruct_round_up_)(p->n);
    for (j = p->n; j < columns; j++)
        x[j] = 0;
    for (i = 0; i < p->n; i++) {
        REAL s = f * x[i], *row = p->K + i * p->stride;
#pragma omp simd
        for (j = 0; j < columns; j++)
            row[j] += s * x[j];
    }
}

/* Atom j enters P; row is that of G. */
INLINE void NAME(skstruct_enter_)(NAME(skstruct_active_) *p, const REAL *row, ptrdiff_t j, REAL w,
                                  REAL sign, REAL g)
{
    ptrdiff_t i, n = p->n;
    REAL rest = row[j], *gram = p->limit, *x = p->step, *new_row = p->K + n * p->stride;
    for (i = 0; i < n; i++)
        gram[i] = row[p->atom[i]];
    NAME(skstruct_apply_inverse_)(p, gram, x);
    for (i = 0; i < n; i++)
        rest -= x[i] * gram[i];
    /* The step of an atom in the span of P is to be long, not infinite: another one leaves. */
    rest = rest > DEPENDENT * row[j] ? rest : DEPENDENT * row[j];
    NAME(skstruct_rank_one_)(p, 1 / rest, x);
    for (i = 0; i < n; i++)
        new_row[i] = p->K[i * p->stride + n] = -x[i] / rest;
    new_row[n] = 1 / rest;
    p->atom[n] = (int32_t)j;
    p->w[n] = w;
    p->sign[n] = sign;
    p->g[n] = g;
    p->n++;
}

/* Atom number q leaves P, and the last one takes its place. */
INLINE void NAME(skstruct_leave_)(NAME(skstruct_active_) *p, ptrdiff_t q)
{
    ptrdiff_t i, last = p->n - 1;
    REAL *row = p->K + q * p->stride;
    memcpy(p->step, row, p->n * sizeof *row);
    NAME(skstruct_rank_one_)(p, -1 / row[q], p->step);
    for (i = 0; i <= last; i++)
        p->K[i * p->stride + q] = p->K[i * p->stride + last];
    memcpy(row, p->K + last * p->stride, last * sizeof *row);
    p->atom[q] = p->atom[last];
    p->w[q] = p->w[last];
    p->sign[q] = p->sign[last];
    p->g[q] = p->g[last];
    p->n--;
}

/* Go to the minimum on P, which loses the atoms whose coefficients become 0 on the way. */
INLINE void NAME(skstruct_descend_)(NAME(skstruct_active_) *p)
{
    for (;;) {
        REAL length = 1;
        ptrdiff_t i;
        NAME(skstruct_apply_inverse_)(p, p->g, p->step);
        for (i = 0; i < p->n; i++) {
            REAL s = p->step[i];
            REAL limit = s * p->sign[i] < 0 ? -p->w[i] / s : (REAL)HUGE_VAL;
            p->limit[i] = limit > 0 ? limit : 0;
            length = p->limit[i] < length ? p->limit[i] : length;
        }
        for (i = 0; i < p->n; i++) {
            p->w[i] += length * p->step[i];
            p->g[i] *= 1 - length;
        }
        if (length == 1)
            return;
        for (i = p->n; i-- > 0;)
            if (p->limit[i] <= length)
                NAME(skstruct_leave_)(p, i);
    }
}

/* c = a - G w; take g from it, put 0 in its place, and return the largest |g|. */
INLINE REAL NAME(skstruct_correlate_)(NAME(skstruct_active_) *p, const REAL *correlation,
                                      const REAL *G, ptrdiff_t m, REAL alpha, REAL *c)
{
    REAL sum[256 / sizeof(REAL)], largest = 0;
    ptrdiff_t i, j, width;
    for (j = 0; j < m; j += width) {
        width = NAME(skstruct_width_)(j, m);
        NAME(skstruct_sum_tile_)(p->w, G + j, m, p->atom, p->n, width, sum);
#pragma omp simd
        for (i = 0; i < width; i++)
            c[j + i] = correlation[j + i] - sum[i];
    }
    for (i = 0; i < p->n; i++) {
        p->g[i] = c[p->atom[i]] - alpha * p->sign[i];
        largest = p->g[i] > largest ? p->g[i] : -p->g[i] > largest ? -p->g[i] : largest;
        c[p->atom[i]] = 0;
    }
    return largest;
}

/* Put into `chosen` where c, or |c| if sign is -1, is largest: up to n places, of at least
 * `bound`, the largest first. */
INLINE ptrdiff_t NAME(skstruct_choose_)(const REAL *c, ptrdiff_t m, REAL sign, REAL bound,
                                        ptrdiff_t n, int32_t *chosen)
{
    REAL value[SKSTRUCT_ENTRIES];
    ptrdiff_t n_chosen = 0, i, j, l, width;
    for (j = 0; j < m; j += width) {
        width = NAME(skstruct_width_)(j, m);
        if (NAME(skstruct_largest_)(c + j, width, sign) < bound)
            continue;
        for (l = j; l < j + width; l++) {
            REAL v = sign * c[l] > c[l] ? sign * c[l] : c[l];
            if (v < bound || (n_chosen == n && v <= value[n - 1]))
                continue;
            n_chosen += n_chosen < n;
            for (i = n_chosen - 1; i > 0 && value[i - 1] < v; i--) {
                value[i] = value[i - 1];
                chosen[i] = chosen[i - 1];
            }
            value[i] = v;
            chosen[i] = (int32_t)l;
        }
    }
    return n_chosen;
}

/* The lasso of one sample.  n_start atoms and coefficients to start from are in support and code;
 * these have room for `capacity` of them, which is at least the rank of D and SKSTRUCT_ENTRIES
 * more, or m.  `tol` is relative to alpha: no derivative of the solution is off by more, as far as
 * rounding allows.  *converged becomes 0 if that took more than max_iter rounds. */
SKSTRUCT_CLONES static inline ptrdiff_t NAME(skstruct_lasso_)(
    const REAL *correlation, const REAL *G, ptrdiff_t m, double alpha, int positive, double tol,
    ptrdiff_t max_iter, ptrdiff_t capacity, REAL *work, int32_t *support, REAL *code,
    ptrdiff_t n_start, int *converged)
{
    NAME(skstruct_active_) p;
    int32_t chosen[SKSTRUCT_ENTRIES];
    const REAL flip = positive ? 1 : -1, top = NAME(skstruct_largest_)(correlation, m, -1);
    REAL *c = work, off, most, slack, scale;
    ptrdiff_t i, j, n, room;
    p.n = 0;
    p.stride = skstruct_stride(capacity);
    p.atom = support;
    p.w = code;
    p.sign = c + m;
    p.g = p.sign + p.stride;
    p.step = p.g + p.stride;
    p.limit = p.step + p.stride;
    p.K = p.limit + p.stride;
    for (i = 0; i < n_start; i++)
        if (!(positive && code[i] < 0))
            NAME(skstruct_enter_)(&p, G + support[i] * m, support[i], code[i],
                                  code[i] < 0 ? -1 : 1, 0);
    *converged = 0;
    while (max_iter-- > 0) {
        off = NAME(skstruct_correlate_)(&p, correlation, G, m, (REAL)alpha, c);
        most = NAME(skstruct_largest_)(c, m, flip) - (REAL)alpha;
        for (i = 0, scale = top; i < p.n; i++)
            scale += p.w[i] * p.sign[i] * G[p.atom[i] * (m + 1)];
        slack = (REAL)(tol * alpha) + 8 * EPSILON * scale;
        *converged = off <= slack && most <= slack;
        room = capacity - p.n < SKSTRUCT_ENTRIES ? capacity - p.n : SKSTRUCT_ENTRIES;
        if (*converged || (off <= slack && room == 0))
            break;
        if (most > off) {
            n = NAME(skstruct_choose_)(c, m, flip, (REAL)alpha + (REAL)0.3 * most, room, chosen);
            for (i = 0; i < n; i++) {
                REAL sign = c[j = chosen[i]] < 0 ? -1 : 1;
                NAME(skstruct_enter_)(&p, G + j * m, j, 0, sign, c[j] - sign * (REAL)alpha);
            }
        }
        NAME(skstruct_descend_)(&p);
    }
    for (i = n = 0; i < p.n; i++) {
        if (code[i] * p.sign[i] > 0) {
            support[n] = support[i];
            code[n++] = code[i];
        }
    }
    return n;
}

/* ---------------------------------------------------------------------- thresholds */

/* a[j] = a[j] if |a[j]| > alpha and 0 otherwise; shrunk by alpha if `soft`. */
SKSTRUCT_CLONES static inline void NAME(skstruct_threshold_)(REAL *a, ptrdiff_t n, double alpha,
                                                             int soft, int positive)
{
    const REAL high = (REAL)alpha, low = positive ? -(REAL)HUGE_VAL : -high;
    const REAL shift = soft ? high : 0;
    ptrdiff_t j;
#pragma omp simd
    for (j = 0; j < n; j++)
        a[j] = a[j] > high ? a[j] - shift : a[j] < low ? a[j] + shift : 0;
}

#undef NAME
#undef LANES
#undef INLINE

#endif
