/* Codes of one sample over m atoms, from its correlations with them: for float and double.
 *
 * D has an atom a row; the Gram matrix G = D D' and the correlations a = D x of the sample x are
 * given.  Each function writes the atoms that it takes and their coefficients, in no order, and
 * returns how many there are.
 *
 *     skstruct_pursuit_{float,double}    orthogonal matching pursuit and least squares
 *     skstruct_lasso_{float,double}      the w that minimises |x - D' w|^2 / 2 + alpha |w|_1
 *
 * Long loops run over whole vectors of 64 bytes: m has to be a multiple of SKSTRUCT_STEP,
 * which is reached by atoms of zeros, that are never taken.  Reading is fastest where G begins at
 * a multiple of 64 bytes.  Nothing is allocated: skstruct_*_work says how many numbers of working
 * space a function takes.
 */
#ifndef SKSTRUCT_SPARSE_CODING_H
#define SKSTRUCT_SPARSE_CODING_H

#include <float.h>

#include "active_set.h"
#include "row_sums.h"

enum { SKSTRUCT_ENTRIES = 8 }; /* atoms that enter the active set of a lasso at a time */

static inline ptrdiff_t skstruct_pursuit_work(ptrdiff_t m, ptrdiff_t k)
{
    return (k + 3) * m + (k + 2) * k;
}

/* DEPENDENT: an atom of which less than this, as a squared length, is outside the span of others
 *            counts as lying in it.
 * LEAST: less than this cannot be told from 0.
 * NEGLIGIBLE: a correlation this small, relative to the length of the sample, is rounding.
 * EXACT: below this part of the energy of the sample, subtracting squares has lost its digits. */
#define REAL float
#define EPSILON FLT_EPSILON
#define SMALLEST FLT_MIN
#define DEPENDENT 1e-5f
#define LEAST 1e-8
#define NEGLIGIBLE 2e-6
#define EXACT 1e-3
#include "sparse_coding.h"
#undef REAL
#undef EPSILON
#undef SMALLEST
#undef DEPENDENT
#undef LEAST
#undef NEGLIGIBLE
#undef EXACT
#define REAL double
#define EPSILON DBL_EPSILON
#define SMALLEST DBL_MIN
#define DEPENDENT 1e-7
#define LEAST 1e-10
#define NEGLIGIBLE 1e-7
#define EXACT 1e-10
#include "sparse_coding.h"
#undef REAL
#undef EPSILON
#undef SMALLEST
#undef DEPENDENT
#undef LEAST
#undef NEGLIGIBLE
#undef EXACT

#elif defined(REAL)

#define NAME(function) SKSTRUCT_PASTE(function, REAL)
#define TILE (256 / sizeof(REAL))

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

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
    REAL sum[TILE], inverse = 1 / root;
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
 * Feature-sign search.  w is at the minimum for the atoms and signs of the active set P (see
 * active_set.h).  With c = a - G w, it is the solution if no |c_j| outside of P exceeds alpha;
 * otherwise some of those j enter, with the signs of c_j, and w goes on to the next minimum.  Each
 * round lowers the objective, hence no P comes twice.  c is computed anew in each round, the only
 * loop over m numbers for each atom of P; the gradient in it mends what rounding does to K.
 */

/* c = a - G w; take g = c_P - alpha s from it, put 0 in its place, return the largest |g|. */
INLINE double NAME(skstruct_correlate_)(skstruct_active *p, const REAL *correlation,
                                        const REAL *G, ptrdiff_t m, double alpha, REAL *w, REAL *c)
{
    REAL sum[TILE];
    double largest = 0;
    ptrdiff_t i, j, width;
    for (i = 0; i < p->n; i++)
        w[i] = (REAL)p->w[i];
    for (j = 0; j < m; j += width) {
        width = NAME(skstruct_width_)(j, m);
        NAME(skstruct_sum_tile_)(w, G + j, m, p->atom, p->n, width, sum);
#pragma omp simd
        for (i = 0; i < width; i++)
            c[j + i] = correlation[j + i] - sum[i];
    }
    for (i = 0; i < p->n; i++) {
        p->g[i] = c[p->atom[i]] - alpha * p->sign[i];
        largest = fabs(p->g[i]) > largest ? fabs(p->g[i]) : largest;
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

/* What of atom j, whose row of G is given, is outside the span of P. */
INLINE double NAME(skstruct_outside_)(skstruct_active *p, const REAL *row, ptrdiff_t j)
{
    ptrdiff_t i;
    for (i = 0; i < p->n; i++)
        p->gram[i] = row[p->atom[i]];
    return skstruct_rest(p, row[j]);
}

/* Let atom j, at which c is given, enter.  If it depends on P, it takes the place of those in P
 * whose coefficients become 0 first as it takes over from them; that is for a minimum only.
 * Return 0 if j has to wait for the next one. */
INLINE int NAME(skstruct_introduce_)(skstruct_active *p, const REAL *row, ptrdiff_t j, double c,
                                     double alpha, int at_minimum, ptrdiff_t capacity)
{
    const double sign = c < 0 ? -1 : 1, least = LEAST * row[j];
    double w = 0, rest, length, full;
    for (;;) {
        rest = NAME(skstruct_outside_)(p, row, j);
        if (rest > DEPENDENT * row[j] && p->n < capacity)
            break;
        if (!at_minimum)
            return 0;
        rest = rest > least ? rest : least;
        full = fabs(c - alpha * sign) / rest;
        length = skstruct_reach(p, sign, full);
        if (length == full)
            break;
        w += sign * length;
        skstruct_go(p, sign, length);
    }
    if (p->n == capacity)
        return 0;
    skstruct_enter(p, j, rest, w, sign, c - alpha * sign);
    return 1;
}

/* Compute K from its atoms, those that depend on others left out. */
INLINE void NAME(skstruct_rebuild_)(skstruct_active *p, const REAL *G, ptrdiff_t m, ptrdiff_t n)
{
    ptrdiff_t i;
    p->n = 0;
    for (i = 0; i < n; i++) {
        ptrdiff_t j = p->atom[i];
        double rest = NAME(skstruct_outside_)(p, G + j * m, j);
        if (rest > LEAST * G[j * m + j])
            skstruct_enter(p, j, rest, p->w[i], p->sign[i], p->g[i]);
    }
}

static inline ptrdiff_t NAME(skstruct_lasso_work_)(ptrdiff_t m, ptrdiff_t capacity)
{
    ptrdiff_t doubles = skstruct_active_work(capacity);
    return m + skstruct_round_up(capacity) + doubles * (ptrdiff_t)(sizeof(double) / sizeof(REAL));
}

/* The lasso of one sample.  n_start atoms and coefficients to start from are in support and code,
 * which have room for `capacity`, at least the rank of D.  `tol` is relative to alpha: how far
 * the derivatives may be from those of a solution; rounding is added.  *converged becomes 0 if
 * max_iter rounds were not enough.  work is at a multiple of 8 bytes. */
SKSTRUCT_CLONES static inline ptrdiff_t NAME(skstruct_lasso_)(
    const REAL *correlation, const REAL *G, ptrdiff_t m, double alpha, int positive, double tol,
    ptrdiff_t max_iter, ptrdiff_t capacity, REAL *work, int32_t *support, REAL *code,
    ptrdiff_t n_start, int *converged)
{
    skstruct_active p;
    int32_t chosen[SKSTRUCT_ENTRIES];
    const REAL flip = positive ? 1 : -1;
    const double top = NAME(skstruct_largest_)(correlation, m, -1);
    REAL *c = work, *w = c + m;
    double off, most, slack, before = HUGE_VAL;
    ptrdiff_t i, j, n;
    skstruct_active_init(&p, capacity, support, (double *)(w + skstruct_round_up(capacity)));
    for (i = n = 0; i < n_start; i++) {
        if (positive && code[i] < 0)
            continue;
        p.atom[n] = support[i];
        p.w[n] = code[i];
        p.sign[n++] = code[i] < 0 ? -1 : 1;
    }
    NAME(skstruct_rebuild_)(&p, G, m, n);
    *converged = 0;
    while (max_iter-- > 0) {
        off = NAME(skstruct_correlate_)(&p, correlation, G, m, alpha, w, c);
        most = NAME(skstruct_largest_)(c, m, flip) - alpha;
        for (i = 0, slack = top; i < p.n; i++)
            slack += fabs(p.w[i]) * G[p.atom[i] * (m + 1)];
        slack *= 8 * EPSILON;
        if (!(slack <= top)) { /* w is lost where D' maps it to 0 and no alpha keeps it small */
            p.n = 0;
            continue;
        }
        slack += tol * alpha;
        *converged = off <= slack && most <= slack;
        if (*converged)
            break;
        if (off > slack && off > 0.01 * before) /* K has become inexact */
            NAME(skstruct_rebuild_)(&p, G, m, p.n);
        before = off;
        if (most > off) {
            before = most;
            n = NAME(skstruct_choose_)(c, m, flip, (REAL)(alpha + 0.3 * most), SKSTRUCT_ENTRIES,
                                       chosen);
            for (i = 0; i < n; i++) {
                j = chosen[i];
                if (!NAME(skstruct_introduce_)(&p, G + j * m, j, c[j], alpha, i == 0, capacity))
                    break;
            }
        }
        skstruct_descend(&p);
    }
    for (i = n = 0; i < p.n; i++) {
        if (p.w[i] * p.sign[i] > 0) {
            support[n] = p.atom[i];
            code[n++] = (REAL)p.w[i];
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
#undef TILE
#undef INLINE

#endif
