"""The dual of a block, for the solver that minimises it."""

cdef enum:
    N_PAIRS = 5            # memory of L-BFGS
    # Vectors of n_cells that a sample needs besides its data and its dual: the metric, the
    # direction, the residual, that of a trial, and the pairs.
    WORK = 4 + 2 * N_PAIRS
    # Between two of them, so that their elements do not meet in the same lines of the cache.
    PADDING = 8


cdef struct Transport:
    double reg
    int n_modes
    int n_cells
    const int* shape
    const double* kernels  # of shape (shape[j], shape[j]), one after the other
    double* e              # three vectors of n_cells
    double* u
    double* scratch


cdef struct Block:
    int n_rows             # samples
    int n_components
    int n_cells
    int n_before           # cells of the modes before that of the factor; 0 in a block of codes
    int n_after            # and of those after it
    int n_vectors          # theta: (1, n_components) for codes, (n_components, size of the mode)
    int length
    double kappa
    double tau
    const double* X
    double* G
    double* codes
    double* atoms
    const double* others   # the atoms without their mode, (n_components, n_before, n_after)
    double* theta
    double* log_previous   # like theta
    double* fixed          # B^T G
    double* moving         # B^T d
    double* sums           # of the size of the atoms; for a factor only
    int pitch              # n_cells + PADDING
    double* work           # (n_rows, WORK, pitch)


cdef struct Trial:
    double value           # J
    double slope
    double violation       # of the marginals, the mean of the samples


cdef void adjoint(Block* b, const double* D, int stride, double* out) noexcept nogil
cdef double primal(Block* b, double step) noexcept nogil
cdef void evaluate(Transport* t, Block* b, double step, bint first, Trial* at) noexcept nogil
