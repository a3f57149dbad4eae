cdef Py_ssize_t polar_workspace(Py_ssize_t k, Py_ssize_t d) noexcept nogil
cdef int polar(const double* G, const double* near, double tolerance, Py_ssize_t k, Py_ssize_t d,
               double* S, double* work) noexcept nogil
