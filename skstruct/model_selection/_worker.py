"""One trial: fit and score one set of parameters on every fold.

`evaluate_trial` runs wherever the fits run: here, in a thread, in a worker process, on another
machine, in a sandbox. It never raises for what a fit does; what went wrong is part of the result.
"""

import time
from dataclasses import dataclass, replace
from traceback import format_exception

import cloudpickle
import numpy as np
from sklearn.base import clone

from skstruct._validation import _fit_and_score, _safe_split

TRACEBACK_TAIL = 2000  # characters of a traceback that are kept


@dataclass(frozen=True)
class Job:
    """One trial to run.

    Attributes
    ----------
    number : int
        Of the trial.
    params : dict
        Parameters to set on the estimator.
    leader : tuple of float or None
        Scores of the best trial so far, fold by fold, if the folds race against it.
    folds : tuple of int or None
        Numbers of the folds to run; None is all.
    n_train : int or None
        Number of training samples to take of each fold: its ``folds.prefix``; None is all.
    """

    number: int
    params: dict
    leader: tuple | None = None
    folds: tuple | None = None
    n_train: int | None = None


@dataclass(frozen=True)
class Task:
    """What all trials of a search have in common, data apart.

    Attributes
    ----------
    estimator : estimator
        Cloned for every fit.
    folds : sequence of (train, test)
        Indices of the samples, the same for every trial.
    scorer : callable
        As :func:`sklearn.metrics.check_scoring` or a multi-metric scorer.
    metric : str or None
        The metric that guides the search; None stands for the first one the scorer returns.
    measures : dict of {str: callable}
        What to measure besides the scores: called with the fitted estimator, X and y of the test
        samples, they return a number. What raises is not measured.
    fit_params, score_params : dict
        Metadata for ``fit`` and for the scorer.
    return_train_score : bool
        Whether to score the training samples too.
    error_score : "raise" or float
        Whether a fit that fails is an error, as in scikit-learn's searches.
    timeout : float or None
        Seconds that a trial may take.
    memory_limit : int or None
        Bytes that a trial may allocate.
    config : dict
        scikit-learn's configuration, for processes that joblib does not start.
    key : str
        Tells this search from others that share a worker.
    """

    estimator: object
    folds: list
    scorer: object
    metric: str | None
    measures: dict
    fit_params: dict
    score_params: dict
    return_train_score: bool
    error_score: object
    timeout: float | None
    memory_limit: int | None
    config: dict
    key: str


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes
    ----------
    state : str
        ``"COMPLETE"``, ``"FAILED"``, ``"PRUNED"``, ``"TIMEOUT"``, ``"MEMORY"`` or ``"DIED"``.
    result : dict
        ``test`` and ``train``: {metric: [score of each fold, None for no number]};
        ``fit_time`` and ``score_time``: [seconds of each fold, None where none was run];
        ``failed``: [folds that raised]; ``measures``: {name: [number of each fold, or None]};
        ``multimetric``: whether the scorer returned a dict;
        ``metric``: the one that guides the search; ``score``: its mean or None; ``se``: its
        standard error over the folds; ``cost``: seconds of the whole trial. Fit for JSON.
    error : str or None
        End of the first traceback.
    exception : Exception or None
        What to raise in the search, with ``error_score="raise"``.
    """

    state: str
    result: dict
    error: str | None = None
    exception: Exception | None = None


def failure(task, job, state, error, cost):
    """Return the outcome of a trial that has left no result of its own."""
    nothing = [None] * len(_fold_numbers(task, job))
    result = {
        "test": {},
        "train": {},
        "fit_time": nothing,
        "score_time": nothing,
        "failed": list(range(len(nothing))),
        "measures": dict.fromkeys(task.measures, nothing),
        "multimetric": False,
        "metric": task.metric,
        "score": None,
        "se": 0.0,
        "cost": cost,
    }
    return Outcome(state, result, error)


def evaluate(X, y, task, job):
    """Run a trial, in a sandbox if it has limits; return its number and its outcome."""
    if task.timeout is None and task.memory_limit is None:
        return job.number, evaluate_trial(X, y, task, job)
    from skstruct.model_selection._sandbox import borrow

    with borrow(X, y, task) as sandbox:
        return job.number, sandbox.run(job)


def evaluate_trial(X, y, task, job):
    """Fit and score one set of parameters on every fold.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or None
        The targets.
    task : Task
        What is the same for all trials.
    job : Job
        What is new in this one.

    Returns
    -------
    outcome : Outcome
    """
    begin = time.perf_counter()
    scorer = _RecordingScorer(task.scorer, task.error_score)
    runs, failed, error, memory = [], [], None, False
    candidate = None
    numbers = _fold_numbers(task, job)
    for k, number in enumerate(numbers):
        start = time.perf_counter()
        try:
            train, test = _samples(task, job, number)
            if candidate is None:  # set once: cloning a pipeline takes longer than all else here
                candidate = clone(task.estimator).set_params(**clone(job.params, safe=False))
            run = _fit_and_score(
                candidate if k == len(numbers) - 1 else clone(candidate),
                X,
                y,
                scorer=scorer,
                train=train,
                test=test,
                verbose=0,
                parameters=None,
                fit_params=task.fit_params,
                score_params=task.score_params,
                return_train_score=task.return_train_score,
                return_times=True,
                return_estimator=bool(task.measures),
                error_score="raise",
            )
            if task.measures:
                run["measures"] = _measure(task, run.pop("estimator"), X, y, train, test)
        except Exception as exception:
            if task.error_score == "raise":
                exception.add_note(f"Raised in fold {k} of trial {job.number}: {job.params!r}")
                return _raised(task, job, exception, time.perf_counter() - begin)
            error = error or _tail(exception)
            memory = memory or isinstance(exception, MemoryError)
            failed.append(k)
            run = {"fit_time": time.perf_counter() - start, "score_time": 0.0}
            runs.append(run)
            if np.isnan(task.error_score):
                break  # the mean is NaN whatever the other folds give
            continue
        runs.append(run)
        if job.leader is not None and _is_beaten(_scores(runs, task.metric), job.leader):
            break
    result = _collect(task, len(numbers), runs, failed, time.perf_counter() - begin)
    error = error or scorer.error
    if failed:
        return Outcome("MEMORY" if memory else "FAILED", {**result, "score": None}, error)
    if len(runs) < len(numbers):
        return Outcome("PRUNED", _against(job.leader, result), error)
    if result["score"] is None:
        return Outcome("FAILED", result, error or "The score is not a finite number.")
    return Outcome("COMPLETE", result, error)


def _fold_numbers(task, job):
    return range(len(task.folds)) if job.folds is None else job.folds


def _samples(task, job, number):
    """Return the training and the test samples of a fold, as many as the job is to see."""
    if job.n_train is None:
        return task.folds[number]
    return task.folds.prefix(number, job.n_train)


def _measure(task, estimator, X, y, train, test):
    """Return {name: number or None} of a fitted estimator; what raises is not measured."""
    X_test, y_test = _safe_split(estimator, X, y, test, train)
    measured = {}
    for name, measure in task.measures.items():
        try:
            measured[name] = _number(measure(estimator, X_test, y_test))
        except Exception:
            measured[name] = None
    return measured


def _raised(task, job, exception, cost):
    outcome = failure(task, job, "FAILED", _tail(exception), cost)
    try:
        cloudpickle.loads(cloudpickle.dumps(exception))
    except Exception:  # it would not reach the process of the search
        exception = RuntimeError(outcome.error)
    return replace(outcome, exception=exception)


def _tail(exception):
    return _end_of("".join(format_exception(exception)))


def _end_of(text):
    """Cut a long traceback at the start of a line; a last line that is longer still is cut."""
    if len(text) <= TRACEBACK_TAIL:
        return text
    tail = text[-TRACEBACK_TAIL:]
    return tail[tail.find("\n", 0, -1) + 1 :]


def _scores(runs, metric):
    """Return the guiding metric fold by fold; None where a fold has none."""
    found = []
    for run in runs:
        scores = run.get("test_scores")
        if isinstance(scores, dict):
            scores = scores.get(metric or next(iter(scores), None))
        found.append(_number(scores))
    return found


def _as_dict(scores):
    if scores is None:
        return {}
    return scores if isinstance(scores, dict) else {"score": scores}


def _number(value):
    """Return a float for JSON: None stands for NaN and the infinities."""
    return float(value) if value is not None and np.isfinite(value) else None


def _is_beaten(scores, leader):
    """Tell whether two standard errors do not lift the mean so far to the leader's."""
    if None in scores or len(leader) < 2:
        return False
    se = np.std(leader, ddof=1) / np.sqrt(len(scores))
    return np.mean(scores) + 2.0 * se < np.mean(leader[: len(scores)])


def _against(leader, result):
    """Place a pruned trial by its distance to the leader on the folds that both have run."""
    done = [score for score in result["test"][result["metric"]] if score is not None]
    score = np.mean(leader) + np.mean(done) - np.mean(leader[: len(done)])
    return {**result, "score": float(score)}


def _collect(task, n_folds, runs, failed, cost):
    pad = [None] * (n_folds - len(runs))

    def by_metric(key):
        dicts = [_as_dict(run.get(key)) for run in runs]
        names = next((list(d) for d in dicts if d), [])
        return {name: [_number(d.get(name)) for d in dicts] + pad for name in names}

    test = by_metric("test_scores")
    multimetric = any(isinstance(run.get("test_scores"), dict) for run in runs)
    first = next(iter(test), None)
    scores = _scores(runs, task.metric)
    whole = len(scores) == n_folds and None not in scores
    return {
        "test": test,
        "train": by_metric("train_scores"),
        "fit_time": [run["fit_time"] for run in runs] + pad,
        "score_time": [run["score_time"] for run in runs] + pad,
        "failed": failed,
        "measures": {
            name: [run.get("measures", {}).get(name) for run in runs] + pad
            for name in task.measures
        },
        "multimetric": multimetric,
        "metric": (task.metric or first) if multimetric else first,
        "score": float(np.mean(scores)) if whole else None,
        "se": float(np.std(scores, ddof=1) / np.sqrt(n_folds)) if whole and n_folds > 1 else 0.0,
        "cost": cost,
    }


class _RecordingScorer:
    """Keep the first traceback of a multi-metric scorer, which gives it in place of a score."""

    def __init__(self, scorer, error_score):
        self.scorer = scorer
        self.error_score = error_score
        self.error = None

    def __call__(self, *args, **kwargs):
        scores = self.scorer(*args, **kwargs)
        if isinstance(scores, dict):
            for name, score in scores.items():
                if isinstance(score, str):
                    self.error = self.error or _end_of(score)
                    scores[name] = self.error_score
        return scores
