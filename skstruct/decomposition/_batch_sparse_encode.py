"""Sparse codes of many samples on one dictionary, by pursuit, lasso or thresholds.

With the dictionary D (atoms are rows), G = D D' is made once, and a = D x for blocks of samples x
by one matrix product; all else happens in the space of the atoms, one sample at a time
(_lib/sparse_coding.h, where the derivations are):

    omp       take the atom with the largest |<residual, d_j>|, project x onto all atoms taken
    ols       take the atom that lowers the residual most, project
    lasso_cd  min over w of ||x - D' w||^2 / 2 + alpha ||w||_1, by an exact active-set method
    topk      the k largest |a_j|
    hard      the |a_j| > alpha
    soft      a_j, shrunk by alpha

The pursuits see atoms of norm 1, w_j is divided by the norm at the end: an atom is chosen for its
direction. The others see the atoms as they are. Atoms of zeros fill D up to whole vectors.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from skstruct._lib.row_blocks import for_row_blocks
from skstruct._validation import Interval, StrOptions, validate_params
from skstruct.decomposition._batch_sparse_encode_fast import (
    ALGORITHMS,
    ATOM_STEP,
    ROW_BLOCK,
    encode,
)

FLOATS = (np.float64, np.float32)
PURSUITS = ("omp", "ols")
# Below so many multiplications for the correlations, threads take longer to start than to code.
WORTH_THREADS = 2e7
DENSIFIED = 16 * ROW_BLOCK


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "dictionary": ["array-like"],
        "algorithm": [StrOptions(set(ALGORITHMS))],
        "n_nonzero_coefs": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left"), None],
        "positive": ["boolean"],
        "gram": ["array-like", None],
        "code_init": ["array-like", None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "cd_tol": [Interval(Real, 0, None, closed="left")],
        "out": [np.ndarray, None],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def batch_sparse_encode(
    X,
    dictionary,
    *,
    algorithm="omp",
    n_nonzero_coefs=None,
    tol=None,
    alpha=None,
    positive=False,
    gram=None,
    code_init=None,
    max_iter=1000,
    cd_tol=1e-6,
    out=None,
    n_jobs=None,
):
    """Sparse codes of samples on a dictionary."""
    X = check_array(X, accept_sparse="csr", dtype=FLOATS, order="C", input_name="X")
    dictionary = check_array(dictionary, dtype=X.dtype, order="C", input_name="dictionary")
    return encode_rows(
        X,
        dictionary,
        algorithm=algorithm,
        n_nonzero_coefs=n_nonzero_coefs,
        tol=tol,
        alpha=alpha,
        positive=positive,
        gram=gram,
        code_init=code_init,
        max_iter=max_iter,
        cd_tol=cd_tol,
        out=out,
        n_jobs=n_jobs,
    )


def encode_rows(
    X,
    dictionary,
    *,
    algorithm,
    n_nonzero_coefs=None,
    tol=None,
    alpha=None,
    positive=False,
    gram=None,
    code_init=None,
    max_iter=1000,
    cd_tol=1e-6,
    out=None,
    n_jobs=None,
    sparse_output=False,
):
    """Do the work of batch_sparse_encode for arrays that are checked already.

    X, C-contiguous or CSR, and the C-contiguous dictionary are finite, of one dtype out of float32
    and float64; the other parameters have legal types and ranges. With `sparse_output`, `out` is
    None and the codes are a CSR matrix with sorted indices and without stored zeros.
    """
    n_samples, n_features = X.shape
    n_atoms = len(dictionary)
    _check_fit(X, dictionary, algorithm, positive, out)
    gram = _given("gram", gram, (n_atoms, n_atoms), X.dtype)
    start = _given("code_init", code_init, (n_samples, n_atoms), X.dtype)
    if start is not None and algorithm != "lasso_cd":
        raise ValueError(
            f"code_init with algorithm={algorithm!r}; only 'lasso_cd' starts from a code."
        )
    atoms, norm = _filled_up(dictionary, algorithm in PURSUITS)
    G = None
    if algorithm in (*PURSUITS, "lasso_cd"):
        G = _gram(atoms, norm, gram)
    options = {
        "algorithm": ALGORITHMS[algorithm],
        "n_atoms": n_atoms,
        "k": _room(algorithm, n_nonzero_coefs, tol, n_atoms, n_features),
        "tol": cd_tol if algorithm == "lasso_cd" else -1.0 if tol is None else tol,
        "alpha": 1.0 if alpha is None else alpha,
        "positive": positive,
        "max_iter": max_iter,
    }
    if sparse_output:
        pieces = {}
    elif out is None:
        out = np.zeros((n_samples, n_atoms), X.dtype)
    else:
        out[:] = 0.0
    n_left = []

    def code(rows):
        step = DENSIFIED if issparse(X) else rows.stop - rows.start
        for first in range(rows.start, rows.stop, step):
            some = slice(first, min(first + step, rows.stop))
            left, piece = encode(
                X[some].toarray() if issparse(X) else X[some],
                atoms,
                G,
                norm,
                None if start is None else start[some],
                None if sparse_output else out[some],
                **options,
            )
            n_left.append(left)
            if sparse_output:
                pieces[first] = piece

    worth = n_samples * atoms.size >= WORTH_THREADS
    for_row_blocks(code, n_samples, n_jobs if worth else 1, block=ROW_BLOCK)
    if any(n_left):
        warnings.warn(
            f"'lasso_cd' did not converge within max_iter={max_iter} rounds for {sum(n_left)} of "
            f"{n_samples} samples. Increase max_iter or cd_tol={cd_tol}.",
            ConvergenceWarning,
            stacklevel=3,
        )
    if not sparse_output:
        return out
    data, indices, counts = map(
        np.concatenate, zip(*(pieces[first] for first in sorted(pieces)), strict=True)
    )
    indptr = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    return csr_matrix((data, indices, indptr), shape=(n_samples, n_atoms))


def _check_fit(X, dictionary, algorithm, positive, out):
    """Raise an error if arguments do not go together."""
    if dictionary.shape[1] != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but the atoms of the dictionary have "
            f"{dictionary.shape[1]}."
        )
    if positive and algorithm in PURSUITS:
        raise ValueError(
            f"positive=True with algorithm={algorithm!r}; 'omp' and 'ols' give codes of any sign, "
            "use 'lasso_cd', 'topk', 'hard' or 'soft'."
        )
    if out is None:
        return
    shape = (X.shape[0], len(dictionary))
    if (
        out.shape != shape
        or out.dtype != X.dtype
        or not out.flags.c_contiguous
        or not out.flags.writeable
    ):
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be a writeable, "
            f"C-contiguous array of shape {shape} and dtype {X.dtype}."
        )


def _given(name, array, shape, dtype):
    """Return an optional array, of which the shape is checked."""
    if array is None:
        return None
    array = check_array(array, dtype=dtype, order="C", input_name=name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; it must have shape {shape}.")
    return array


def _room(algorithm, n_nonzero_coefs, tol, n_atoms, n_features):
    """Return how many atoms a code, or the active set of a lasso, may have."""
    if algorithm in ("hard", "soft"):
        return n_atoms
    largest = n_atoms if algorithm == "topk" else min(n_atoms, n_features)
    if algorithm == "lasso_cd":
        return largest
    if n_nonzero_coefs is None:
        by_default = largest if tol is not None and algorithm in PURSUITS else n_features // 10
        n_nonzero_coefs = max(1, by_default)
    return min(n_nonzero_coefs, largest)


def _filled_up(dictionary, unit):
    """Return the atoms, of norm 1 if `unit`, and zeros up to a multiple of ATOM_STEP; norms."""
    n_atoms, n_features = dictionary.shape
    m = -(-n_atoms // ATOM_STEP) * ATOM_STEP
    norm = np.ones(m, dictionary.dtype)
    atoms = np.zeros((m, n_features), dictionary.dtype)
    atoms[:n_atoms] = dictionary
    if unit:
        peak = np.abs(atoms).max(axis=1)  # so that no square overflows
        peak[peak == 0] = 1.0
        atoms /= peak[:, np.newaxis]
        length = np.sqrt(np.einsum("ij,ij->i", atoms, atoms))
        length[length == 0] = 1.0
        atoms /= length[:, np.newaxis]
        norm = peak * length
    return atoms, norm


def _gram(atoms, norm, gram):
    """Return D D' of the atoms, from that of the dictionary if given, at a multiple of 64 bytes."""
    m, size = len(atoms), len(atoms) ** 2 * atoms.itemsize
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    G = memory[first : first + size].view(atoms.dtype).reshape(m, m)
    if gram is None:
        return np.matmul(atoms, atoms.T, out=G)
    n_atoms = len(gram)
    G[:] = 0.0
    np.divide(gram, norm[:n_atoms, np.newaxis], out=G[:n_atoms, :n_atoms])
    G /= norm
    return G
