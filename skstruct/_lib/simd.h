/* Run-time dispatch of kernels to the widest vectors that the processor has.
 *
 * SKSTRUCT_CLONES before a static function makes the compiler emit it for AVX-512, AVX2+FMA and
 * the portable baseline, and the loader choose once.  Compilers and platforms without function
 * multi-versioning get the portable version alone.
 */
#ifndef SKSTRUCT_SIMD_H
#define SKSTRUCT_SIMD_H

#if defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define SKSTRUCT_HAS_CLONES 1
#define SKSTRUCT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SKSTRUCT_HAS_CLONES 0
#define SKSTRUCT_CLONES
#endif

/* The name of the version that SKSTRUCT_CLONES functions run on this machine. */
static inline const char *skstruct_simd_level(void)
{
#if SKSTRUCT_HAS_CLONES
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
#endif
    return "portable";
}

#endif
