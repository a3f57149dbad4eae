"""What two searches must have in common to share a journal."""

import json
import re
import sys

import joblib

import skstruct


def fingerprint(*, X, y, metadata, folds, spaces, scoring, search, more):
    """Describe a search so that equal descriptions mean that its trials can be mixed.

    Parameters
    ----------
    X, y : array-like
        The data.
    metadata : dict
        What else was given to ``fit``, ``sample_weight`` say.
    folds : list of (train, test)
        Indices of the samples.
    spaces : list of Space
        The arms.
    scoring : object
        As given to the search.
    search : estimator
        The search.
    more : dict of {str: str}
        What else must be equal.

    Returns
    -------
    fingerprint : dict of {str: str}
        The keys are what a message can name.
    """
    return {
        "X": data_hash(X),
        "y": data_hash(y),
        "the fit parameters": data_hash(
            {key: data_hash(value) for key, value in metadata.items()}
        ),
        "the folds (give cv a random_state if it shuffles)": joblib.hash(folds),
        **{
            f"param_distributions[{k}]": joblib.hash(json.dumps(space.kinds))
            for k, space in enumerate(spaces)
        },
        "scoring": describe(scoring),
        "the class of the search": type(search).__name__,
        **more,
        "the major version of skstruct": skstruct.__version__.partition(".")[0],
    }


def describe(value):
    """Return a text that is the same in another process: no addresses."""
    if isinstance(value, dict):
        return repr({key: describe(item) for key, item in value.items()})
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def data_hash(data):
    """Return a hash of the values, the same in every process."""
    if "pandas" in sys.modules and hasattr(data, "iloc"):
        # Pickles of equal frames differ with the history of their blocks.
        from pandas.util import hash_pandas_object

        frame = data.to_frame() if data.ndim == 1 else data
        names = [(str(name), str(dtype)) for name, dtype in frame.dtypes.items()]
        return joblib.hash((names, hash_pandas_object(frame, index=False).to_numpy()))
    return joblib.hash(data)
