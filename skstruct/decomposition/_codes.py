"""What the dictionaries have in common: codes turned back to samples, and what these explain."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, gen_batches

from skstruct._validation import FLOATS

BLOCK = 4096  # samples that a score has under way


def dense(X):
    """Return a few rows as an array."""
    return X.toarray() if issparse(X) else X


def rebuild(codes, atoms):
    """Check codes and return the combinations of the atoms, of the dtype of the codes."""
    codes = check_array(codes, accept_sparse="csr", dtype=FLOATS, input_name="X")
    if codes.shape[1] != len(atoms):
        raise ValueError(
            f"X has {codes.shape[1]} columns; codes have {len(atoms)}, one for each atom."
        )
    return codes @ atoms.astype(codes.dtype, copy=False)


def explained_energy(X, encode, atoms):
    """Return 1 - ||X - encode(X) @ atoms||^2 / ||X||^2, and 1 for samples of zeros."""
    unit = max(abs(X.max()), abs(X.min()))
    if unit == 0:
        return 1.0
    atoms = atoms.astype(X.dtype, copy=False)
    lost = total = 0.0
    for block in gen_batches(X.shape[0], BLOCK):
        rows = dense(X[block])
        lost += float(np.square((rows - encode(X[block]) @ atoms) / unit).sum())
        total += float(np.square(rows / unit).sum())
    return 1.0 - lost / total


def check_n_components(n_components, n_atoms):
    """Raise an error if a stream asks for another number of atoms than it began with."""
    if n_components not in (None, n_atoms):
        raise ValueError(
            f"n_components={n_components!r}; partial_fit continues with the {n_atoms} atoms that "
            "there are. Use fit to begin anew."
        )
