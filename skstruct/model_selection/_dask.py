"""Trials on a Dask cluster, whose workers may come and go.

joblib's own Dask backend waits for ever when a worker takes its task or the data with it, so the
trials are submitted here, one per thread of the cluster at any time. The data go to every worker
once. A trial whose worker dies is run again by Dask, and is DIED when Dask gives it up; data whose
last copy is gone are sent again.
"""

from collections import Counter
from concurrent.futures import CancelledError
from contextlib import suppress

from distributed import KilledWorker, wait
from sklearn import config_context

from skstruct.model_selection._worker import evaluate, failure

POLL_SECONDS = 0.5  # between looks for trials that no message will come of
MOST_LOSSES = 3  # of the workers of a trial together with all data, before it is to blame


def outcomes(client, X, y, task, jobs, *, n_jobs=None, synchronous=False):
    """Yield (number, outcome) of each job.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    X, y : array-like
        The data.
    task : Task
        What all trials have in common.
    jobs : iterator of Job
        Advanced when a thread of the cluster is free.
    n_jobs : int or None, default=None
        Most trials at once; None or a negative number for all threads of the cluster.
    synchronous : bool, default=False
        Whether to wait for all running trials, and yield them by number, before the next ones.
    """
    data = _send(client, X, y, task)
    running, done, losses = {}, {}, Counter()
    try:
        while True:
            slots = max(sum(client.nthreads().values()), 1)
            slots = slots if n_jobs is None or n_jobs < 0 else min(slots, n_jobs)
            while not (synchronous and done) and len(running) < slots:
                job = next(jobs, None)
                if job is None:
                    break
                running[_submit(client, data, job)] = job
            if not running:
                return
            with suppress(TimeoutError, CancelledError):
                wait(list(running), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
            for future in [future for future in running if future.status != "pending"]:
                job = running.pop(future)
                if future.status not in ("cancelled", "lost"):
                    done[job.number] = _result(future, task, job)
                    continue
                losses[job.number] += 1
                if losses[job.number] == MOST_LOSSES:
                    done[job.number] = _died(task, job, "all of them, each time it was run")
                    continue
                if any(part.status != "finished" for part in data):
                    data = _send(client, X, y, task)
                running[_submit(client, data, job)] = job
            if not (synchronous and running):
                yield from sorted(done.items())
                done.clear()
    finally:
        client.cancel(list(running))


def _send(client, X, y, task):
    client.wait_for_workers(1)
    return client.scatter([X, y, task], broadcast=True, hash=False)


def _submit(client, data, job):
    return client.submit(_evaluate, *data, job, pure=False)


def _evaluate(X, y, task, job):
    with config_context(**task.config):
        return evaluate(X, y, task, job)


def _result(future, task, job):
    try:
        _, outcome = future.result()
    except KilledWorker as error:
        return _died(task, job, error)
    return outcome


def _died(task, job, reason):
    return failure(task, job, "DIED", f"The workers of the trial died: {reason}", 0.0)
