"""`cv_results_` of a search whose trials are one fit on one split: a row for each setting."""

import numpy as np
from scipy.stats import rankdata

from skstruct._validation import _yield_masked_array_for_each_param


def pull_results(points, params, trials):
    """Return a table of settings.

    Means and deviations are over the splits with a score, NaN where there is none; such rows rank
    last.

    Parameters
    ----------
    points : list of tuple
        The settings.
    params : list of dict
        Of each setting.
    trials : list of Trial
        Pulls of these settings, at least one of them complete.

    Returns
    -------
    results : dict
        ``params``, ``param_...`` (masked arrays), ``n_splits``, ``mean_...`` and ``std_...`` of
        ``fit_time``, ``score_time`` and ``test_...``, and ``rank_test_...``.
    """
    complete = next(trial.result for trial in trials if trial.state == "COMPLETE")
    results = {"params": list(params), **dict(_yield_masked_array_for_each_param(params))}
    rows = {point: row for row, point in enumerate(points)}
    where = [rows[trial.proposal.u] for trial in trials]
    results["n_splits"] = np.bincount(where, minlength=len(points))
    for key in ("fit_time", "score_time"):
        values = [trial.result[key][0] for trial in trials]
        results[f"mean_{key}"], results[f"std_{key}"] = _by_row(where, values, len(points))
    for metric in complete["test"]:
        values = [trial.result["test"].get(metric, [None])[0] for trial in trials]
        mean, std = _by_row(where, values, len(points))
        results[f"mean_test_{metric}"], results[f"std_test_{metric}"] = mean, std
        lowest = np.where(np.isnan(mean), -np.inf, mean)
        results[f"rank_test_{metric}"] = rankdata(-lowest, method="min").astype(np.int32)
    return results


def _by_row(where, values, n_rows):
    """Return mean and standard deviation of the numbers of each row."""
    groups = [[] for _ in range(n_rows)]
    for row, value in zip(where, values, strict=True):
        if value is not None:
            groups[row].append(value)
    mean = np.array([np.mean(group) if group else np.nan for group in groups])
    return mean, np.array([np.std(group) if group else np.nan for group in groups])
