"""What a linear system must be to be solved by relaxation."""

from operator import index

import numpy as np
from scipy import sparse

from skstruct.linalg._sor_fast import diagonal


def check_system(A, b, omega, x0, tol, maxiter):
    """Return A in canonical CSR, b, a copy of x0, the diagonal and where it is in each row."""
    if not 0 < omega < 2:
        raise ValueError(f"omega must be between 0 and 2, both excluded; got {omega!r}.")
    if not tol >= 0:
        raise ValueError(f"tol must not be negative, got {tol!r}.")
    if index(maxiter) < 0:
        raise ValueError(f"maxiter must not be negative, got {maxiter!r}.")
    for name, values in (("A", A), ("b", b), ("x0", x0)):
        if np.iscomplexobj(values):
            raise ValueError(f"{name} must be real, got complex numbers.")
    A = sparse.csr_array(A, dtype=np.float64)
    n = A.shape[0]
    if A.ndim != 2 or A.shape[1] != n or n == 0:
        raise ValueError(f"A must be a square matrix with at least one row, got shape {A.shape}.")
    if not A.has_canonical_format:
        A = A.copy()
        A.sum_duplicates()
    if A.nnz > np.iinfo(np.intc).max:
        raise ValueError(f"A must have less than 2^31 entries, got {A.nnz}.")
    b = np.ascontiguousarray(b, dtype=np.float64)
    x = np.zeros(n) if x0 is None else np.array(x0, dtype=np.float64)
    for name, vector in (("b", b), ("x0", x)):
        if vector.shape != (n,):
            raise ValueError(f"{name} must have shape ({n},) as A has, got {vector.shape}.")
    for name, values in (("A", A.data), ("b", b), ("x0", x)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity.")
    A.indptr, A.indices = (a.astype(np.intc, copy=False) for a in (A.indptr, A.indices))
    d, middle = diagonal(A.indptr, A.indices, A.data)
    return A, b, x, d, middle
