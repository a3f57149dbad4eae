"""What a search reports of its trials: `cv_results_`, and what went wrong."""

import warnings
from collections import Counter

import numpy as np
from sklearn.exceptions import FitFailedWarning


def format_results(search, trials, params, error_score):
    """Return `cv_results_` as scikit-learn's searches form it, with the column ``"arm"``.

    A fold that failed has the value of `error_score`; a fold that was not run is NaN. A pruned
    trial has the mean of the folds it has run. Both rank behind all that have run to the end,
    whatever `error_score` is: what cannot be fitted is never the best.

    Parameters
    ----------
    search : BaseSearchCV
        Lends its formatting.
    trials : list of Trial
        In order; at least one complete.
    params : list of dict
        Of each trial.
    error_score : float
        Score of a fold that failed.
    """
    results = [trial.result for trial in trials]
    complete = next(trial.result for trial in trials if trial.state == "COMPLETE")
    n_splits = len(complete["fit_time"])
    out = []
    for result in results:
        for fold in range(n_splits):
            row = {key: _number(result[key][fold]) for key in ("fit_time", "score_time")}
            for kind in ("test", "train") if search.return_train_score else ("test",):
                scores = {
                    name: _number(result[kind][name][fold] if name in result[kind] else None)
                    for name in complete["test"]
                }
                row[f"{kind}_scores"] = scores if complete["multimetric"] else scores["score"]
            out.append(row)
    arms = [trial.proposal.arm for trial in trials]
    with warnings.catch_warnings():
        # The scores that are not finite have been reported trial by trial.
        warnings.filterwarnings("ignore", "One or more of the (test|train) scores")
        table = search._format_results(params, n_splits, out, {"arm": arms})
    _fill_gaps(table, trials, n_splits, error_score)
    return table


def _number(value):
    return np.nan if value is None else value


def _fill_gaps(table, trials, n_splits, error_score):
    """Put in `error_score` and the means of trials that did not run to the end; ranks stay."""
    gaps = [i for i, trial in enumerate(trials) if trial.state != "COMPLETE"]
    metrics = [key.removeprefix("mean_test_") for key in table if key.startswith("mean_test_")]
    for name in [f"{kind}_{metric}" for metric in metrics for kind in ("test", "train")]:
        if f"mean_{name}" not in table:
            continue
        for i in gaps:
            for fold in trials[i].result["failed"]:
                table[f"split{fold}_{name}"][i] = error_score
            scores = np.array([table[f"split{fold}_{name}"][i] for fold in range(n_splits)])
            if trials[i].state == "PRUNED":
                scores = scores[~np.isnan(scores)]
            table[f"mean_{name}"][i] = scores.mean()
            table[f"std_{name}"][i] = scores.std()
    for i, trial in enumerate(trials):
        for key in ("fit_time", "score_time"):
            times = [time for time in trial.result[key] if time is not None]
            if times and len(times) < n_splits:
                table[f"mean_{key}"][i] = np.mean(times)
                table[f"std_{key}"][i] = np.std(times)


def report_failures(trials, error_score):
    """Warn once of the trials that failed, or raise if there is nothing else.

    Raises
    ------
    ValueError
        If no trial has run to its end; it has the first traceback. A TypeError if that is what
        every trial has raised: the data are of a kind that no arm takes.
    """
    failed = [trial for trial in trials if trial.state not in ("COMPLETE", "PRUNED")]
    if not failed:
        return
    counts = ", ".join(f"{n} {state}" for state, n in Counter(t.state for t in failed).items())
    if len(failed) == len(trials):
        last_lines = [trial.error.strip().splitlines()[-1] for trial in failed]
        is_type = all(line.startswith("TypeError:") for line in last_lines)
        raise (TypeError if is_type else ValueError)(
            f"All the {len(trials)} trials failed ({counts}).\nIt is very likely that the search "
            "space or the estimator is misconfigured; error_score='raise' stops at the first "
            f"failure. The first one was trial {failed[0].number}:\n{failed[0].error}"
        )
    kinds = Counter(trial.error for trial in failed)
    details = "\n".join(f"{'-' * 80}\n{n} of them:\n{error}" for error, n in kinds.most_common(5))
    warnings.warn(
        f"{len(failed)} of {len(trials)} trials failed ({counts}).\nTheir folds without a score "
        f"are set to {error_score}. If these failures are not expected, error_score='raise' stops "
        f"at the first one.\n{details}",
        FitFailedWarning,
    )
