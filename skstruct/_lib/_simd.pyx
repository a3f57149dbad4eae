"""Which vector instructions the compiled kernels use on this machine."""

cdef extern from "simd.h":
    const char *skstruct_simd_level() noexcept nogil


def simd_level():
    """Return the level that dispatched kernels run at: 'avx512', 'avx2' or 'portable'."""
    return skstruct_simd_level().decode()
