/* Profiles k(z) of radial kernels, z = |x - c|^2 / h^2, and g = -dk/dz, summed over tiles.
 *
 * A tile holds rows x cols products -2 x_i.c_j / h^2, row after row, as a matrix product leaves
 * them.  With a_i = |x_i|^2 / h^2 and b_j = |c_j|^2 / h^2, z_ij = max(0, a_i + b_j + tile_ij).
 *
 * A profile is exp(-u(z)) times something that changes slowly.  Sums are kept in units of exp(-u0),
 * where u0 is the smallest exponent u of the row so far, and rescaled when u0 drops: a point far
 * from all others has a sum, and a mean, as any other.
 *
 * The loops are in kernel_sums_loops.h, once for double and once for float.
 */
#ifndef SKSTRUCT_KERNEL_SUMS_H
#define SKSTRUCT_KERNEL_SUMS_H

#include "vector_exp.h"

enum {
    SKSTRUCT_GAUSSIAN,    /* exp(-z / 2) */
    SKSTRUCT_LOGISTIC,    /* 4 / (e^r + 2 + e^-r), r = sqrt z */
    SKSTRUCT_SIGMOID,     /* 2 / (e^r + e^-r) */
    SKSTRUCT_LAPLACE,     /* exp(-r) */
    SKSTRUCT_EXPONENTIAL, /* exp(-r^alpha), alpha is the parameter */
    SKSTRUCT_IMQ,         /* (1 + z)^(-1/2) */
    SKSTRUCT_CAUCHY,      /* 1 / (1 + z) */
    SKSTRUCT_CAUCHY_BETA, /* (1 + z)^-beta, beta is the parameter */
    SKSTRUCT_MATERN32,    /* (1 + s) exp(-s), s = sqrt(3 z) */
    SKSTRUCT_MATERN52     /* (1 + s + s^2 / 3) exp(-s), s = sqrt(5 z) */
};

/* u(z), the part of -log k that may grow beyond what the exponent of a float can hold. */
static inline double skstruct_exponent(int profile, double parameter, double z)
{
    switch (profile) {
    case SKSTRUCT_GAUSSIAN: return 0.5 * z;
    case SKSTRUCT_LOGISTIC:
    case SKSTRUCT_SIGMOID:
    case SKSTRUCT_LAPLACE: return sqrt(z);
    case SKSTRUCT_EXPONENTIAL: return pow(z > 1e-24 ? z : 1e-24, 0.5 * parameter);
    case SKSTRUCT_MATERN32: return sqrt(3.0 * z);
    case SKSTRUCT_MATERN52: return sqrt(5.0 * z);
    case SKSTRUCT_CAUCHY: return log1p(z);
    case SKSTRUCT_CAUCHY_BETA: return parameter * log1p(z);
    default: return 0.0;
    }
}

/* A loop over profiles that are constants in each turn, so that the compiler sees one at a time. */
#define SKSTRUCT_FOR_PROFILE(profile, call)                                  \
    switch (profile) {                                                       \
    case SKSTRUCT_GAUSSIAN: call(SKSTRUCT_GAUSSIAN); break;                  \
    case SKSTRUCT_LOGISTIC: call(SKSTRUCT_LOGISTIC); break;                  \
    case SKSTRUCT_SIGMOID: call(SKSTRUCT_SIGMOID); break;                    \
    case SKSTRUCT_LAPLACE: call(SKSTRUCT_LAPLACE); break;                    \
    case SKSTRUCT_EXPONENTIAL: call(SKSTRUCT_EXPONENTIAL); break;            \
    case SKSTRUCT_IMQ: call(SKSTRUCT_IMQ); break;                            \
    case SKSTRUCT_CAUCHY: call(SKSTRUCT_CAUCHY); break;                      \
    case SKSTRUCT_CAUCHY_BETA: call(SKSTRUCT_CAUCHY_BETA); break;            \
    case SKSTRUCT_MATERN32: call(SKSTRUCT_MATERN32); break;                  \
    case SKSTRUCT_MATERN52: call(SKSTRUCT_MATERN52); break;                  \
    }

#define SKSTRUCT_REAL double
#define SKSTRUCT_T(name) name##_f64
#define SKSTRUCT_EXP skstruct_exp_decay
#define SKSTRUCT_LOG skstruct_log
#define SKSTRUCT_SQRT sqrt
#define SKSTRUCT_HUGE 1e300
#define SKSTRUCT_SMALL_R 1e-6
#include "kernel_sums_loops.h"
#undef SKSTRUCT_REAL
#undef SKSTRUCT_T
#undef SKSTRUCT_EXP
#undef SKSTRUCT_LOG
#undef SKSTRUCT_SQRT
#undef SKSTRUCT_HUGE
#undef SKSTRUCT_SMALL_R

#define SKSTRUCT_REAL float
#define SKSTRUCT_T(name) name##_f32
#define SKSTRUCT_EXP skstruct_exp_decayf
#define SKSTRUCT_LOG skstruct_logf
#define SKSTRUCT_SQRT sqrtf
#define SKSTRUCT_HUGE 1e37f
#define SKSTRUCT_SMALL_R 3e-3f
#include "kernel_sums_loops.h"
#undef SKSTRUCT_REAL
#undef SKSTRUCT_T
#undef SKSTRUCT_EXP
#undef SKSTRUCT_LOG
#undef SKSTRUCT_SQRT
#undef SKSTRUCT_HUGE
#undef SKSTRUCT_SMALL_R

#endif
