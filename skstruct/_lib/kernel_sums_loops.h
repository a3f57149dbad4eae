/* The loops of kernel_sums.h for numbers of type SKSTRUCT_REAL; included by it once per type. */

/* exp(u0) k(z) and exp(u0) g(z) of a profile, e0 = exp(-u0).  g is singular at z = 0 for exponential
 * profiles with alpha < 2, where r is taken as 1e-12, and of the form 0 / 0 for the logistic and the
 * sigmoid ones, where a small r has the value of its limit. */
SKSTRUCT_INLINE void SKSTRUCT_T(skstruct_pair)(const int profile, SKSTRUCT_REAL parameter,
                                               SKSTRUCT_REAL z, SKSTRUCT_REAL u0,
                                               SKSTRUCT_REAL e0, SKSTRUCT_REAL *k,
                                               SKSTRUCT_REAL *g)
{
    const SKSTRUCT_REAL one = 1, half = (SKSTRUCT_REAL)0.5;
    SKSTRUCT_REAL r, e, q, f;

    switch (profile) {
    case SKSTRUCT_GAUSSIAN:
        *k = SKSTRUCT_EXP(u0 - half * z);
        *g = half * *k;
        break;
    case SKSTRUCT_LOGISTIC:
        r = SKSTRUCT_SQRT(z);
        r = r > SKSTRUCT_SMALL_R ? r : SKSTRUCT_SMALL_R;
        e = SKSTRUCT_EXP(u0 - r);
        f = e * e0;
        q = one / (one + f);
        *k = 4 * e * q * q;
        *g = *k * (one - f) * q * (half / r);
        break;
    case SKSTRUCT_SIGMOID:
        r = SKSTRUCT_SQRT(z);
        r = r > SKSTRUCT_SMALL_R ? r : SKSTRUCT_SMALL_R;
        e = SKSTRUCT_EXP(u0 - r);
        f = (e * e0) * (e * e0);
        q = one / (one + f);
        *k = 2 * e * q;
        *g = *k * (one - f) * q * (half / r);
        break;
    case SKSTRUCT_LAPLACE:
        r = SKSTRUCT_SQRT(z);
        r = r > (SKSTRUCT_REAL)1e-12 ? r : (SKSTRUCT_REAL)1e-12;
        *k = SKSTRUCT_EXP(u0 - r);
        *g = *k * (half / r);
        break;
    case SKSTRUCT_EXPONENTIAL:
        z = z > (SKSTRUCT_REAL)1e-24 ? z : (SKSTRUCT_REAL)1e-24;
        q = SKSTRUCT_EXP(half * parameter * SKSTRUCT_LOG(z));
        *k = SKSTRUCT_EXP(u0 - q);
        *g = half * parameter * *k * q / z;
        break;
    case SKSTRUCT_IMQ:
        q = one / (one + z);
        *k = SKSTRUCT_SQRT(q);
        *g = half * *k * q;
        break;
    case SKSTRUCT_CAUCHY:
        *k = one / (e0 * (one + z));
        *g = *k * (*k * e0);
        break;
    case SKSTRUCT_CAUCHY_BETA:
        *k = SKSTRUCT_EXP(u0 - parameter * SKSTRUCT_LOG(one + z));
        *g = parameter * *k / (one + z);
        break;
    case SKSTRUCT_MATERN32:
        r = SKSTRUCT_SQRT(3 * z);
        e = SKSTRUCT_EXP(u0 - r);
        *k = (one + r) * e;
        *g = (SKSTRUCT_REAL)1.5 * e;
        break;
    default:
        r = SKSTRUCT_SQRT(5 * z);
        e = SKSTRUCT_EXP(u0 - r);
        *k = (one + r + r * r * (SKSTRUCT_REAL)(1.0 / 3.0)) * e;
        *g = (SKSTRUCT_REAL)(5.0 / 6.0) * (one + r) * e;
    }
}

/* One row of a tile becomes z; returns the smallest. */
SKSTRUCT_INLINE SKSTRUCT_REAL SKSTRUCT_T(skstruct_row_z)(SKSTRUCT_REAL *z, SKSTRUCT_REAL a,
                                                         const SKSTRUCT_REAL *b, ptrdiff_t n)
{
    SKSTRUCT_REAL low = SKSTRUCT_HUGE;
    ptrdiff_t j;
#pragma omp simd reduction(min : low)
    for (j = 0; j < n; j++) {
        SKSTRUCT_REAL value = a + b[j] + z[j];
        value = value > 0 ? value : 0;
        z[j] = value;
        low = value < low ? value : low;
    }
    return low;
}

/* sum_j w_j k(z_j) in units of e0 = exp(-u0). */
SKSTRUCT_INLINE double SKSTRUCT_T(skstruct_row_sum)(const int profile, SKSTRUCT_REAL parameter,
                                                    const SKSTRUCT_REAL *z,
                                                    const SKSTRUCT_REAL *w, SKSTRUCT_REAL u0,
                                                    SKSTRUCT_REAL e0, ptrdiff_t n)
{
    SKSTRUCT_REAL sum = 0;
    ptrdiff_t j;
#pragma omp simd reduction(+ : sum)
    for (j = 0; j < n; j++) {
        SKSTRUCT_REAL k, g;
        SKSTRUCT_T(skstruct_pair)(profile, parameter, z[j], u0, e0, &k, &g);
        sum += w[j] * k;
    }
    return sum;
}

/* The same; and z_j becomes w_j g(z_j), whose sum is added to *sum_g. */
SKSTRUCT_INLINE double SKSTRUCT_T(skstruct_row_shift)(const int profile, SKSTRUCT_REAL parameter,
                                                      SKSTRUCT_REAL *z, const SKSTRUCT_REAL *w,
                                                      SKSTRUCT_REAL u0, SKSTRUCT_REAL e0,
                                                      ptrdiff_t n, double *sum_g)
{
    SKSTRUCT_REAL sum = 0, total = 0;
    ptrdiff_t j;
#pragma omp simd reduction(+ : sum, total)
    for (j = 0; j < n; j++) {
        SKSTRUCT_REAL k, g;
        SKSTRUCT_T(skstruct_pair)(profile, parameter, z[j], u0, e0, &k, &g);
        sum += w[j] * k;
        g *= w[j];
        z[j] = g;
        total += g;
    }
    *sum_g += total;
    return sum;
}

/* z_j becomes k(z_j). */
SKSTRUCT_INLINE void SKSTRUCT_T(skstruct_row_value)(const int profile, SKSTRUCT_REAL parameter,
                                                    SKSTRUCT_REAL *z, ptrdiff_t n)
{
    ptrdiff_t j;
#pragma omp simd
    for (j = 0; j < n; j++) {
        SKSTRUCT_REAL k, g;
        SKSTRUCT_T(skstruct_pair)(profile, parameter, z[j], 0, 1, &k, &g);
        z[j] = k;
    }
}

/* Add a tile to the sums of its rows, sum[i] in units of exp(-u0[i]).  With sum_g, which is in the
 * same units, the tile becomes the weights w_j g(z_ij), and factor[i] what older sums of the row are
 * to be multiplied by. */
SKSTRUCT_CLONES static void SKSTRUCT_T(skstruct_tile_sums)(
    int profile, double parameter, SKSTRUCT_REAL *tile, const SKSTRUCT_REAL *a,
    const SKSTRUCT_REAL *b, const SKSTRUCT_REAL *w, ptrdiff_t rows, ptrdiff_t cols, double *u0,
    double *sum, double *sum_g, double *factor)
{
    const SKSTRUCT_REAL p = (SKSTRUCT_REAL)parameter;
    ptrdiff_t i;

    for (i = 0; i < rows; i++) {
        SKSTRUCT_REAL *z = tile + i * cols, u, e0;
        double scale = 1.0, low = SKSTRUCT_T(skstruct_row_z)(z, a[i], b, cols);
        low = (SKSTRUCT_REAL)skstruct_exponent(profile, parameter, low);
        if (low < u0[i]) {
            scale = exp(low - u0[i]);
            u0[i] = low;
        }
        u = (SKSTRUCT_REAL)u0[i];
        e0 = (SKSTRUCT_REAL)exp(-u0[i]);
        sum[i] *= scale;
        if (sum_g) {
            factor[i] = scale;
            sum_g[i] *= scale;
#define SKSTRUCT_CALL(q) sum[i] += SKSTRUCT_T(skstruct_row_shift)(q, p, z, w, u, e0, cols, sum_g + i)
            SKSTRUCT_FOR_PROFILE(profile, SKSTRUCT_CALL)
#undef SKSTRUCT_CALL
        }
        else {
#define SKSTRUCT_CALL(q) sum[i] += SKSTRUCT_T(skstruct_row_sum)(q, p, z, w, u, e0, cols)
            SKSTRUCT_FOR_PROFILE(profile, SKSTRUCT_CALL)
#undef SKSTRUCT_CALL
        }
    }
}

/* sum[i] += sum_j w_j k(z_ij): in plain units, for coefficients w of any sign. */
SKSTRUCT_CLONES static void SKSTRUCT_T(skstruct_tile_plain_sums)(
    int profile, double parameter, SKSTRUCT_REAL *tile, const SKSTRUCT_REAL *a,
    const SKSTRUCT_REAL *b, const SKSTRUCT_REAL *w, ptrdiff_t rows, ptrdiff_t cols, double *sum)
{
    const SKSTRUCT_REAL p = (SKSTRUCT_REAL)parameter;
    ptrdiff_t i;

    for (i = 0; i < rows; i++) {
        SKSTRUCT_REAL *z = tile + i * cols;
        SKSTRUCT_T(skstruct_row_z)(z, a[i], b, cols);
#define SKSTRUCT_CALL(q) sum[i] += SKSTRUCT_T(skstruct_row_sum)(q, p, z, w, 0, 1, cols)
        SKSTRUCT_FOR_PROFILE(profile, SKSTRUCT_CALL)
#undef SKSTRUCT_CALL
    }
}

/* The tile becomes k(z_ij). */
SKSTRUCT_CLONES static void SKSTRUCT_T(skstruct_tile_values)(int profile, double parameter,
                                                             SKSTRUCT_REAL *tile,
                                                             const SKSTRUCT_REAL *a,
                                                             const SKSTRUCT_REAL *b,
                                                             ptrdiff_t rows, ptrdiff_t cols)
{
    const SKSTRUCT_REAL p = (SKSTRUCT_REAL)parameter;
    ptrdiff_t i;

    for (i = 0; i < rows; i++) {
        SKSTRUCT_REAL *z = tile + i * cols;
        SKSTRUCT_T(skstruct_row_z)(z, a[i], b, cols);
#define SKSTRUCT_CALL(q) SKSTRUCT_T(skstruct_row_value)(q, p, z, cols)
        SKSTRUCT_FOR_PROFILE(profile, SKSTRUCT_CALL)
#undef SKSTRUCT_CALL
    }
}
