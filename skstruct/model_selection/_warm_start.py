"""Where known parameters lie in the spaces of a search: defaults, first trials, prior results."""

import math
import warnings
from os import PathLike

import numpy as np
from sklearn.base import clone

from skstruct.model_selection._core import Proposal
from skstruct.model_selection._search_loop import Readable
from skstruct.model_selection._store import read_journal


def default_points(estimator, spaces):
    """Return, for each arm, the point of the estimator's own parameter values."""
    return [space.encode(_defaults(estimator, space)) for space in spaces]


def _defaults(estimator, space):
    constants = _constants(space)
    estimator = clone(estimator)
    try:
        estimator.set_params(**clone(constants, safe=False))
        return {**estimator.get_params(deep=True), **constants}
    except (ValueError, TypeError):
        return constants  # the trials will say what is wrong with them


def _constants(space):
    params = space.decode(_middle(space))
    return {name: value for name, value in params.items() if name not in space.free_names}


def _middle(space):
    return space.point((0.5,) * space.n_dims)


def place(params, spaces, distributions, starts=None):
    """Find the arm and the point of given parameters.

    Parameters
    ----------
    params : dict
        Values by name; an object in a list may also be given by its `repr`.
    spaces : list of Space
        The arms.
    distributions : list of dict
        What the spaces were made of.
    starts : list of tuple, default=None
        Points that supply what `params` leaves open. Without them nothing may be left open.

    Returns
    -------
    place : (int, tuple of float) or None
        Of the first arm that has these parameters; None if there is none.
    """
    readable = Readable()
    for arm, (space, entries) in enumerate(zip(spaces, distributions, strict=True)):
        if not params.keys() <= set(space.names):
            continue
        if starts is None and not set(space.free_names) <= params.keys():
            continue
        known = {name: _by_text(value, entries[name], readable) for name, value in params.items()}
        rest = space.decode(_middle(space) if starts is None else starts[arm])
        point = space.encode({**rest, **known}, strict=True)
        if point is not None:
            return arm, point
    return None


def initial_proposals(params_list, spaces, distributions, starts):
    """Return the proposals of `initial_params`; what a dict leaves open is as in `starts`.

    Raises
    ------
    TypeError
        If one is not a dict.
    ValueError
        If one is in no arm.
    """
    proposals = []
    for params in params_list:
        if not isinstance(params, dict):
            raise TypeError(f"initial_params must be a list of dicts, got {params!r} in it.")
        where = place(params, spaces, distributions, starts)
        if where is None:
            raise ValueError(
                f"initial_params has {params!r}, which no dict of param_distributions admits."
            )
        proposals.append(Proposal(*where))
    return proposals


def _by_text(value, entry, readable):
    """Return the object of a list that `value` is the text of, or the value itself."""
    if not isinstance(value, str) or hasattr(entry, "rvs"):
        return value
    matches = (own for own in entry if isinstance(own, str) and own == value)
    texts = (own for own in entry if readable({"": own})[""] == value)
    return next(matches, next(texts, value))


def prior_points(source, metric, spaces, distributions):
    """Return [arm, point, score] of each trial of an earlier search that is in an arm.

    Parameters
    ----------
    source : path-like, fitted search, DataFrame or None
        A journal, a search of scikit-learn's or ours, its ``cv_results_`` as a table, or nothing.
    metric : str
        Name of the scores to read in ``cv_results_``.
    spaces, distributions : lists
        As for `place`.

    Warns
    -----
    UserWarning
        With the number of trials that are in no arm.
    """
    results = _read_results(source, metric)
    places = [place(params, spaces, distributions) for params, _ in results]
    points = [
        [where[0], list(where[1]), score]  # as JSON gives it back
        for where, (_, score) in zip(places, results, strict=True)
        if where is not None
    ]
    if len(points) < len(results):
        warnings.warn(
            f"{len(results) - len(points)} of the {len(results)} trials of warm_start_from are in "
            "no dict of param_distributions; they are left out.",
            UserWarning,
        )
    return points


def _read_results(source, metric):
    """Return (params, score) of each trial that has a score."""
    if source is None:
        return []
    if isinstance(source, (str, PathLike)):
        rows = read_journal(source)
        whole = (row for row in rows if row["level"] is None and row["split"] is None)
        return [(row["params"], row["score"]) for row in whole if row["state"] == "COMPLETE"]
    table = getattr(source, "cv_results_", source)
    try:
        scores = [float(score) for score in table[f"mean_test_{metric}"]]
    except (KeyError, TypeError) as error:
        raise ValueError(
            "warm_start_from must be the path of a journal, a fitted search or a DataFrame of its "
            f"cv_results_, with a column 'mean_test_{metric}'; got {source!r}."
        ) from error
    params = list(table["params"]) if "params" in table else [None]
    if not all(isinstance(known, dict) for known in params):
        params = _params_of_columns(table, len(scores))
    # Where trials differ in their resources, as those of halving do, only the full ones compare.
    amounts = list(table["n_resources"]) if "n_resources" in table else [0] * len(scores)
    rows = zip(params, scores, amounts, strict=True)
    return [(p, score) for p, score, n in rows if math.isfinite(score) and n == max(amounts)]


def _params_of_columns(table, n_rows):
    names = [name for name in table if str(name).startswith("param_")]
    columns = {name.removeprefix("param_"): list(table[name]) for name in names}
    missing = (type(np.ma.masked), type(None))
    return [
        {
            name: column[i]
            for name, column in columns.items()
            if not isinstance(column[i], missing) and column[i] == column[i]
        }
        for i in range(n_rows)
    ]
