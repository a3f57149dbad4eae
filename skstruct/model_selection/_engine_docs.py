"""What the searches say of the parameters and attributes that they share, written once.

The docstring of a search has ``{engine_parameters}`` and ``{engine_attributes}`` where these
belong; what it describes itself is not repeated.
"""

import inspect
import re

_PARAMETERS = """
start_from_defaults : bool, default=True
    Whether the first trial has the parameters that the estimator came with.
time_budget : float, default=None
    Seconds after which no trial is begun; those under way are finished. At least one trial is
    run.
trial_timeout : float, default=None
    Seconds after which a trial is killed. With this or `memory_limit`, trials run in child
    processes.
memory_limit : int, default=None
    Bytes that a trial may allocate beyond the data and the libraries.
journal : path-like, default=None
    File in which every trial is recorded the moment it ends. A search with the same journal,
    data and space continues it, after a crash or with a larger `n_iter`; several processes
    of one machine may work on one journal at the same time. On a local disk only.
    ``"name://..."`` goes to the store registered under that name by a plug-in.
journal_sync : {"normal", "full"}, default="normal"
    ``"normal"`` loses nothing when the process is killed; ``"full"`` nothing in a power cut
    either, for a write to the disk per trial.
synchronous : bool, default=False
    Whether to evaluate in rounds of `n_jobs` trials: repeatable with several workers, which
    then wait for the slowest of a round. A sequential search is repeatable anyway.
warm_start_from : path-like, fitted search, dict or DataFrame, default=None
    An earlier search whose scores the samplers learn from: a journal, a search of this or of
    scikit-learn's kind, or its ``cv_results_`` (inside a meta-estimator, which would clone
    the earlier search unfitted). Its trials do not count in `n_iter`; those that are in no
    arm are left out, with a warning.
initial_params : list of dict, default=None
    Parameters to evaluate first; what a dict leaves open is as the estimator came.
patience : int, default=None
    Stop after so many trials in a row that do not improve the best score by more than
    `min_delta`.
min_delta : float, default=0.0
    See `patience`.
fold_racing : bool, default=False
    Whether to stop a trial between folds as soon as its mean, plus two standard errors, is
    below the best trial's on the same folds. Such a trial is never the best.
random_state : int, RandomState instance or None, default=None
    Seed of the search; the estimators have their own.
scoring : str, callable, list, tuple or dict, default=None
    As in :class:`~sklearn.model_selection.GridSearchCV`. Of several metrics, the one named by
    `refit` guides the search, else the first.
n_jobs : int, default=None
    Number of trials under way at once, by joblib: processes, threads or a Dask cluster,
    whatever :func:`joblib.parallel_config` says.
refit : bool, str or callable, default=True
    As in :class:`~sklearn.model_selection.GridSearchCV`.
cv : int, cross-validation generator or iterable, default=None
    As in :class:`~sklearn.model_selection.GridSearchCV`. The splits are made once.
verbose : int, default=0
    1 logs each new best score, 2 each trial, at level INFO of the logger ``"skstruct"``; they
    appear on stderr unless the program has set up logging.
pre_dispatch : int or str, default="n_jobs"
    Number of trials given to the workers at once.
error_score : "raise" or float, default=np.nan
    Score of a fold whose fit or score raises; ``"raise"`` ends the search with the error. A
    failed trial costs only itself; one :class:`~sklearn.exceptions.FitFailedWarning` at the
    end counts them.
return_train_score : bool, default=False
    Whether to score the training samples too.
"""

_ATTRIBUTES = """
cv_results_ : dict of ndarrays of shape (n_trials,)
    As scikit-learn's searches form it, in the order of asking.
best_estimator_ : estimator
    The best candidate, fitted to all data. With `refit`.
best_score_ : float
    Its mean cross-validated score.
best_params_ : dict
    Its parameters.
best_index_ : int
    Its place in ``cv_results_``.
trials_ : list of dict
    What the journal says of each trial; see :func:`read_journal`.
stop_reason_ : {"n_iter", "time_budget", "patience", "exhausted", "callback", "interrupted"}
    Why the search ended.
n_resumed_ : int
    Number of trials that the journal had at the beginning.
search_time_ : float
    Seconds of the search, without the last fit.
overhead_time_ : float
    Seconds of it spent on choosing trials and keeping them.
overhead_times_ : dict of float
    The same by ``"ask"``, ``"tell"`` and ``"store"``.
refit_time_ : float
    Seconds of the last fit.
scorer_ : callable or dict of callables
    The scorers.
n_splits_ : int
    Number of folds.
multimetric_ : bool
    Whether there are several metrics.
estimator_ : estimator
    The estimator whose parameters were searched.
classes_ : ndarray of shape (n_classes,)
    Of the best estimator, if it is a classifier.
n_features_in_ : int
    Number of features, if the best estimator has counted them.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if the best estimator has seen any.
"""


def with_engine_docs(cls):
    """Fill in the docstring of a search; parameters that its constructor has not are left out."""
    if cls.__doc__:  # not under python -OO
        doc = inspect.cleandoc(cls.__doc__)
        known = inspect.signature(cls).parameters
        for place, text in (("parameters", _PARAMETERS), ("attributes", _ATTRIBUTES)):
            entries = {re.match(r"\w+", e)[0]: e for e in re.split(r"\n(?=\w+ : )", text.strip())}
            fitting = [
                entry
                for name, entry in entries.items()
                if not re.search(rf"^{name} : ", doc, re.M)
                and (place == "attributes" or name in known)
            ]
            doc = doc.replace(f"{{engine_{place}}}", "\n".join(fitting))
        cls.__doc__ = doc
    return cls
