"""What a search settles before its first trial: arms, folds, metric, store."""

import copy
import warnings
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target

from skstruct import registry
from skstruct._validation import _MultimetricScorer, _num_samples
from skstruct.model_selection._cash_space import cash_space
from skstruct.model_selection._fingerprint import describe
from skstruct.model_selection._store import MemoryStore, SQLiteStore

MOST_CLASSES = 20  # of whole numbers; more are taken for quantities
# Scores that are at most 1, by the beginning of their names; those of "neg_..." are at most 0.
_AT_MOST_ONE = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "explained_variance",
    "f1",
    "jaccard",
    "precision",
    "r2",
    "recall",
    "roc_auc",
)


def draw_seed(random_state):
    """Return the seed of the streams of random numbers; None leaves it to the store."""
    if random_state is None or isinstance(random_state, Integral):
        return random_state if random_state is None else int(random_state)
    return int(random_state.randint(2**31))


def bind(search, X, y, seed):
    """Return a shallow copy of a search with its estimator and distributions, and arm names.

    The copy stands in for the search where scikit-learn's helpers look at its parameters.
    """
    bound = copy.copy(search)
    if y is None and get_tags(search).target_tags.required:
        raise ValueError(
            f"{type(search).__name__} requires y to be passed, but the target y is None."
        )
    if search.estimator is None:
        arms = _default_arms(search, X, y, seed)
        bound.estimator, bound.param_distributions = cash_space(arms)
        return bound, list(arms)
    bound.param_distributions = search._distributions()
    if bound.param_distributions is None:
        bound.param_distributions = registry.search_space(search.estimator)
    if isinstance(bound.param_distributions, dict):
        bound.param_distributions = [bound.param_distributions]
    if not bound.param_distributions:
        raise ValueError("param_distributions is an empty list: there is nothing to search.")
    for k, entries in enumerate(bound.param_distributions):
        if not isinstance(entries, dict):
            raise TypeError(
                f"param_distributions must be a dict or a list of dicts, got {entries!r} as its "
                f"entry {k}."
            )
    return bound, name_arms(bound.estimator, bound.param_distributions)


def _default_arms(search, X, y, seed):
    from skstruct.model_selection._default_arms import default_arms

    if search.param_distributions is not None:
        raise ValueError(
            f"{type(search).__name__}(estimator=None) chooses the arms itself: give "
            "param_distributions together with an estimator, or neither."
        )
    if names := _not_numeric(X):
        rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise ValueError(
            f"{type(search).__name__}(estimator=None) takes numeric columns only, and X has "
            f"{', '.join(map(repr, names[:5]))}{rest}. Give an estimator that encodes them, with "
            "a ColumnTransformer, or use the command `skstruct tune`."
        )
    n_samples = _num_samples(X)
    return default_arms(guess_task(y), n_samples=n_samples, impute=True, random_state=seed)


def _not_numeric(X):
    """Return the names or numbers of the columns that are no numbers and do not spell any."""
    if hasattr(X, "iloc"):
        columns = X.items()  # a name may occur twice
    elif hasattr(X, "columns"):
        columns = ((name, X[name]) for name in X.columns)
    else:
        values = np.asarray(X)  # a sparse matrix gives no columns
        columns = enumerate(values.T if values.ndim == 2 and values.dtype.kind in "OSUMm" else ())
    return [name for name, column in columns if not _is_numeric(column)]


def _is_numeric(column):
    kind = getattr(column.dtype, "kind", "O")  # nullable numbers of pandas have their own
    if kind not in "OSUT":
        return kind not in "Mm"
    values = np.asarray(column)
    try:
        values.astype(float)
    except (TypeError, ValueError):
        if any(isinstance(value, (str, bytes)) for value in values):
            return False
        raise  # of objects that are neither text nor numbers numpy says what they are
    return values.dtype.kind not in "Mm"  # numpy takes a date for a number


def guess_task(y):
    """Return "regression" for fractions and for many different numbers, else "classification"."""
    try:
        kind = type_of_target(y)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "y must be labels of one type or finite numbers, none of them missing, for "
            f"estimator=None to guess the task: {error}"
        ) from error
    if kind.startswith("continuous"):
        return "regression"
    values = np.asarray(y)
    many = values.dtype.kind in "iuf" and len(np.unique(values)) > MOST_CLASSES
    return "regression" if many else "classification"


def one_space(search, distributions):
    """Refuse several arms: the search is over one space.

    Raises
    ------
    ValueError
        If `distributions` is a list of more or less than one dict.
    """
    if isinstance(distributions, list) and len(distributions) != 1:
        raise ValueError(
            f"{type(search).__name__} searches one space: param_distributions must be one dict, "
            f"got a list of {len(distributions)}. RisingBanditSearchCV searches several."
        )
    return distributions


def name_arms(estimator, distributions):
    """Name each arm after the estimator that it puts in place, or the one that all share."""
    names = []
    for k, entries in enumerate(distributions):
        placed = [
            values[0]
            for values in entries.values()
            if hasattr(values, "__len__") and len(values) == 1 and hasattr(values[0], "fit")
        ]
        if not placed and len(distributions) > 1:
            names.append(f"arm {k}")
            continue
        model = placed[-1] if placed else estimator
        names.append(type(model[-1] if isinstance(model, Pipeline) else model).__name__)
    return [
        f"{name} {names[: k + 1].count(name)}" if names.count(name) > 1 else name
        for k, name in enumerate(names)
    ]


def make_folds(cv, X, y, estimator, split_params):
    """Split once; return a list of (train, test) arrays of indices."""
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    n_splits = splitter.get_n_splits(X, y, **split_params)
    folds = [
        (_indices(train), _indices(test)) for train, test in splitter.split(X, y, **split_params)
    ]
    if len(folds) != n_splits or not folds:
        raise ValueError(
            "cv.split and cv.get_n_splits return inconsistent results. Expected "
            f"{n_splits} splits, got {len(folds)}."
        )
    return folds


def _indices(samples):
    """Return the numbers of samples; an iterable `cv` may have masks."""
    samples = np.asarray(samples)
    return np.flatnonzero(samples) if samples.dtype == bool else samples


def guiding_metric(search, scorers):
    """Return the metric that is told to the core; None for the only or first one."""
    if search.scoring is None or isinstance(search.scoring, str):
        return None
    if isinstance(search.refit, str):
        return search.refit
    return next(iter(scorers._scorers)) if isinstance(scorers, _MultimetricScorer) else None


def score_upper_bound(search):
    """Return what no score of a search exceeds, by the name of its guiding metric."""
    scoring = search.scoring
    if isinstance(scoring, (list, tuple, dict)):
        name = search.refit if isinstance(search.refit, str) else next(iter(scoring))
        scoring = scoring[name] if isinstance(scoring, dict) else name
    if scoring is None:
        known = get_tags(search.estimator).estimator_type in ("classifier", "regressor")
        return 1.0 if known else np.inf
    if not isinstance(scoring, str):
        return np.inf
    if scoring.startswith("neg_"):
        return 0.0
    return 1.0 if scoring.startswith(_AT_MOST_ONE) else np.inf


def make_store(journal, sync):
    """Return the store for the parameters `journal` and `journal_sync`, not yet opened."""
    if journal is None:
        return MemoryStore()
    name, separator, rest = str(journal).partition("://")
    if not separator or len(name) < 2:  # one letter is a drive: "C://tables/journal"
        return SQLiteStore(journal, sync=sync)
    return registry.load("skstruct.stores", name)(rest, sync=sync)


def enter_study(search, store, key, bound, arm_names, seed, prior):
    """Open the store; return what its founder has left, the seed of this search first.

    Parameters
    ----------
    search : estimator
        The search.
    store : MemoryStore or SQLiteStore
        Of its journal.
    key : dict of {str: str}
        Fingerprint of the search.
    bound : estimator
        The search with its estimator.
    arm_names : list of str
        Of the arms.
    seed : int or None
        Of the search; None takes the founder's, or draws one.
    prior : list
        What the search has to learn from beforehand.

    Returns
    -------
    meta : dict
        ``arm_names``, ``estimator``, ``seed`` and ``prior``.
    """
    text = describe(bound.estimator) if search.journal is not None else ""
    meta = {
        "arm_names": arm_names,
        "estimator": text,
        "seed": int(np.random.default_rng().integers(2**31)) if seed is None else seed,
        "prior": prior,
    }
    theirs = store.open(key, meta)
    if theirs["estimator"] != text:
        warnings.warn(
            f"The journal {str(search.journal)!r} was begun with the estimator "
            f"{theirs['estimator']} and is continued with {text}.",
            UserWarning,
        )
    if prior and theirs["prior"] != prior:
        warnings.warn(
            f"The journal {str(search.journal)!r} was begun with other results to learn from "
            f"({len(theirs['prior'])} trials) than warm_start_from has now ({len(prior)} "
            "trials): those of the journal are taken.",
            UserWarning,
        )
    return theirs if seed is None else {**theirs, "seed": seed}
