"""The vectorised exp of vector_exp.h for Python, which is how the tests reach it."""

cdef extern from "vector_exp.h":
    void skstruct_vector_exp(const double *x, double *y, Py_ssize_t n) noexcept nogil


def vector_exp(const double[::1] x, double[::1] out):
    """Write exp(x) into out, which has the same length and may be x itself."""
    if x.shape[0] != out.shape[0]:
        raise ValueError(f"out must have {x.shape[0]} elements, got {out.shape[0]}.")
    if x.shape[0] > 0:
        with nogil:
            skstruct_vector_exp(&x[0], &out[0], x.shape[0])
