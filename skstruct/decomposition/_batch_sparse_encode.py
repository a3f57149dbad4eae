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
from skstruct._validation import FLOATS, Interval, StrOptions, validate_params
from skstruct.decomposition._batch_sparse_encode_fast import (
    ALGORITHMS,
    ATOM_STEP,
    ROW_BLOCK,
    encode,
)

PURSUITS = ("omp", "ols")
# About 40 ms of work: joblib takes 12 to start threads and to gather what they found.
WORTH_THREADS = 4e8
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
    """Code samples as sums of few atoms of a dictionary.

    A faster `sklearn.decomposition.sparse_encode`, which also stops by the error that is left.

    Read more in the :ref:`User Guide <batch_sparse_encode>`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples, float32 or float64; other types become float64. A sparse matrix is made dense
        in blocks of 2048 rows.
    dictionary : array-like of shape (n_components, n_features)
        The atoms, one a row. They are cast to the dtype of `X`. Atoms of zeros are never taken.
    algorithm : {"omp", "ols", "lasso_cd", "topk", "hard", "soft"}, default="omp"
        How codes are found. With ``a = dictionary @ x``:

        - "omp": orthogonal matching pursuit. Take the atom with the largest correlation with the
          residual, divided by its norm, then project `x` onto all atoms taken.
        - "ols": orthogonal least squares. Take the atom that lowers the residual most, project.
          It costs little more than "omp" and leaves less.
        - "lasso_cd": the `w` that minimises ``||x - w @ dictionary||^2 / 2 + alpha * ||w||_1``,
          the solution of coordinate descent, found by an active-set method.
        - "topk": of `a`, the `n_nonzero_coefs` elements of largest magnitude.
        - "hard": of `a`, the elements of magnitude above `alpha`.
        - "soft": the same, brought nearer to 0 by `alpha`.
    n_nonzero_coefs : int, default=None
        Most atoms in a code of "omp", "ols" or "topk", at least 1. None stands for
        ``max(1, n_features // 10)`` or, for the pursuits if `tol` is given, for no limit. Never
        are there more than `n_components`, nor, for the pursuits, than `n_features`.
    tol : float, default=None
        "omp" and "ols" stop when the squared norm of the residual of a sample is at most this.
        If `n_nonzero_coefs` is given too, whichever comes first counts.
    alpha : float, default=None
        The weight of the penalty of "lasso_cd", which is not divided by `n_features`; the
        threshold of "hard" and "soft". None stands for 1.
    positive : bool, default=False
        Whether codes may not be negative: "lasso_cd" is then solved under that constraint; "topk",
        "hard" and "soft" look at positive elements only. Not for "omp" and "ols".
    gram : array-like of shape (n_components, n_components), default=None
        ``dictionary @ dictionary.T`` if known. "topk", "hard" and "soft" do not need it.
    code_init : array-like of shape (n_samples, n_components), default=None
        Codes that "lasso_cd" starts from. The result is the same up to `cd_tol`. A row with more
        nonzero elements than ``min(n_components, n_features)`` starts from zeros.
    max_iter : int, default=1000
        Most rounds of "lasso_cd" for a sample, in each of which up to 8 atoms enter the code.
    cd_tol : float, default=1e-6
        "lasso_cd" is content when no derivative of the objective is off by more than this times
        `alpha`, apart from rounding.
    out : ndarray of shape (n_samples, n_components), default=None
        C-contiguous array of the dtype of `X` for the result, with memory of its own.
    n_jobs : int, default=None
        Number of threads, as joblib takes it. Work of less than about 40 ms is done by one. The
        result is the same for any number.

    Returns
    -------
    code : ndarray of shape (n_samples, n_components)
        The codes, of the dtype of `X`; `out` if given.

    Raises
    ------
    ValueError
        If a parameter has an illegal value, if shapes do not go together, if an input is not
        finite, if `positive` is asked of "omp" or "ols", or `code_init` is given to another
        algorithm than "lasso_cd".

    Warns
    -----
    ConvergenceWarning
        If "lasso_cd" took more than `max_iter` rounds for some samples.

    See Also
    --------
    BatchSparseCoder : The same as an estimator, with sparse output.
    MiniBatchSparseDictionary : Learns a dictionary.
    sklearn.decomposition.sparse_encode : Without `tol` for pursuits.

    Notes
    -----
    With n samples of d features, m atoms and codes of k of them, the products cost n d m
    multiplications, and m^2 d once for the Gram matrix; "omp" and "ols" n m k^2 / 2 on top, and
    "lasso_cd" about n m k times the rounds, of which there are about k / 4. Memory beyond `X` and
    the result: m^2 + m d, and for each thread 128 m, (k + 3) m for a pursuit and
    min(m, d)^2 for "lasso_cd".

    Among equally good atoms the first is taken. An atom in the span of those taken is not taken
    by "omp" and "ols", whatever rounding makes of it.

    References
    ----------
    .. [1] R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient Implementation of the K-SVD Algorithm
       using Batch Orthogonal Matching Pursuit", Technion CS-2008-08, 2008.
    .. [2] S. Chen, S. A. Billings, W. Luo, "Orthogonal least squares methods and their application
       to non-linear system identification", International Journal of Control 50, 1989.
    .. [3] L. Rebollo-Neira, D. Lowe, "Optimized orthogonal matching pursuit approach", IEEE Signal
       Processing Letters 9, 2002.
    .. [4] H. Lee, A. Battle, R. Raina, A. Y. Ng, "Efficient sparse coding algorithms", NIPS 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_sparse_coded_signal
    >>> from skstruct.decomposition import batch_sparse_encode
    >>> X, dictionary, code = make_sparse_coded_signal(
    ...     n_samples=100, n_components=50, n_features=30, n_nonzero_coefs=3, random_state=0
    ... )
    >>> found = batch_sparse_encode(X, dictionary, algorithm="ols", n_nonzero_coefs=3)
    >>> bool(np.mean((found != 0) == (code != 0)) > 0.99)
    True
    >>> until = batch_sparse_encode(X, dictionary, tol=1e-3)
    >>> bool((((X - until @ dictionary) ** 2).sum(axis=1) <= 1e-3).all())
    True
    """
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
    check_fit(X, dictionary, algorithm, positive)
    gram = _given("gram", gram, (n_atoms, n_atoms), X.dtype)
    start = _given("code_init", code_init, (n_samples, n_atoms), X.dtype)
    _check_out(out, (n_samples, n_atoms), X.dtype, {"X": X, "code_init": start})
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

    work = n_samples * len(atoms) * _multiplications(algorithm, n_features, options["k"])
    for_row_blocks(code, n_samples, n_jobs if work >= WORTH_THREADS else 1, block=ROW_BLOCK)
    if any(n_left):
        warnings.warn(
            f"'lasso_cd' did not converge within {max_iter} rounds for {sum(n_left)} of "
            f"{n_samples} samples. Increase max_iter of batch_sparse_encode, or cd_tol={cd_tol}.",
            ConvergenceWarning,
            stacklevel=4,
        )
    if not sparse_output:
        return out
    data, indices, counts = map(
        np.concatenate, zip(*(pieces[first] for first in sorted(pieces)), strict=True)
    )
    indptr = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    return csr_matrix((data, indices, indptr), shape=(n_samples, n_atoms))


def check_fit(X, dictionary, algorithm, positive):
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


def _check_out(out, shape, dtype, inputs):
    if out is None:
        return
    if (
        out.shape != shape
        or out.dtype != dtype
        or not out.flags.c_contiguous
        or not out.flags.writeable
    ):
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be a writeable, "
            f"C-contiguous array of shape {shape} and dtype {dtype}."
        )
    for name, array in inputs.items():
        if isinstance(array, np.ndarray) and np.may_share_memory(out, array):
            raise ValueError(f"out shares memory with {name}; it must have memory of its own.")


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


def _multiplications(algorithm, n_features, k):
    """Return about how many multiplications an atom takes for a sample."""
    if algorithm in PURSUITS:
        return n_features + k * (k + 8) / 2
    return 5 * n_features if algorithm == "lasso_cd" else n_features


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
    """Return D D' of the atoms, at a multiple of 64 bytes; gram is that of the dictionary."""
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
