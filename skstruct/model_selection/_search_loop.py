"""The loop of a search: ask, evaluate, tell, until a reason to stop.

Jobs are made one at a time, when a worker is free:

    in one transaction of the store: take in what other processes did; claim a trial that somebody
    left behind, or ask the core for a new one and claim that

and each result is first finished in the store, then told to the core. joblib pulls the jobs from
the thread that received a result while the main thread reads results, so core and store are used
under one lock, and nothing in here waits for a result while it makes a job. An ask may be several
results behind: what is pending counts in the core. A core that can say nothing before all that is
pending has been told asks for `WAIT`: what is under way is then finished first.

A worker that dies takes down the whole pool and does not say which trial it had. The trials that
were under way are then run again, each alone: one that kills its worker again is recorded DIED.
"""

import itertools
import threading
import time
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import replace

import joblib
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from skstruct.model_selection._core import WAIT
from skstruct.model_selection._store import UNFINISHED
from skstruct.model_selection._worker import evaluate, failure

ROUNDING = 1e-9  # of a sum of shares
POLL_SECONDS = 0.1  # between looks at what other processes do when there is nothing else to do


class SearchLoop:
    """State of a running search.

    Parameters
    ----------
    core : ArmAskTell
        Asks and is told.
    store : MemoryStore or SQLiteStore
        Opened.
    search : BaseAskTellSearchCV
        Says by ``_params(proposal)``, ``_job(number, proposal, params)`` and
        ``_trial_result(trial)`` what a proposal means and what the core is told of it.
    n_iter : int
        Number of trials of full effort to spend, those of earlier searches and of other processes
        included; a trial at a level counts as its share.
    time_budget : float or None
        Seconds after which no trial is begun.
    patience : int or None
        Number of trials without a better score to stop after.
    min_delta : float
        What a better score must gain.
    fold_racing : bool
        Whether folds race against the leader's.
    on_trial : callable
        Called in the main thread with each finished `Trial` and whether it is a new best; stops
        the search if it returns True.

    Attributes
    ----------
    trials : dict of {int: Trial}
        Those finished.
    n_resumed : int
        How many were finished before this search.
    stop_reason : str or None
        Why no more trials are begun.
    times : dict of {str: float}
        Seconds spent in the core (``"ask"``, ``"tell"``) and the store (``"store"``).
    """

    def __init__(
        self,
        core,
        store,
        search,
        *,
        n_iter,
        time_budget=None,
        patience=None,
        min_delta=0.0,
        fold_racing=False,
        on_trial=lambda trial, is_best: False,
    ):
        self.core = core
        self.store = store
        self.search = search
        self.n_iter = n_iter
        self.time_budget = time_budget
        self.patience = patience
        self.min_delta = min_delta
        self.fold_racing = fold_racing
        self.on_trial = on_trial

        self.trials = {}
        self.stop_reason = None
        self.times = {"ask": 0.0, "tell": 0.0, "store": 0.0}
        self._begin = time.perf_counter()
        self._lock = threading.RLock()
        self._asked = {}  # number -> Proposal that the core knows of
        self._spent = 0.0  # sum of their shares
        self._within = set()  # those asked before the budget was spent
        self._running = {}  # number -> Trial, claimed here
        self._news = []  # finished, not yet shown to on_trial
        self._error = None  # raised while a job was made
        self._best, self._highest = None, -float("inf")  # Trial with the highest merit
        self._target, self._stale = -float("inf"), 0  # for patience
        self._readable = Readable()

        self._take_in()  # reads alone: a long replay must not keep other processes from writing
        self.n_resumed = len(self.trials)

    def run(self, X, y, task, *, n_jobs=None, pre_dispatch="n_jobs", synchronous=False):
        """Run until there is a reason to stop; Ctrl-C is one."""
        try:
            self._announce()
            while (job := self._first_job()) is not None:
                jobs = itertools.chain([job], self._jobs())
                try:
                    outcomes = _outcomes(X, y, task, jobs, n_jobs, pre_dispatch, synchronous)
                    with closing(outcomes):
                        for number, outcome in outcomes:
                            self._tell(number, outcome)
                except BrokenExecutor:
                    self._run_alone(X, y, task, n_jobs)
                if self._error is not None:
                    raise self._error
        except KeyboardInterrupt:
            if not self.trials:
                raise
            self.stop_reason = "interrupted"
        finally:
            with self._lock:
                self.stop_reason = self.stop_reason or "error"
                self.store.release(list(self._running))
                self._running.clear()

    def _first_job(self):
        """Return a job; wait for one as long as other processes still have trials under way."""
        while True:
            job = self._next_job()
            self._announce()
            others = self._within - self.trials.keys() - self._running.keys()
            is_over = self.stop_reason not in (None, "n_iter", "exhausted")
            if job is not None or is_over or not others:
                return job
            self.stop_reason = None
            time.sleep(POLL_SECONDS)

    def _jobs(self):
        # joblib runs this in a thread of its own and would lose an exception.
        try:
            while (job := self._next_job()) is not None:
                yield job
        except Exception as error:
            self._error = error

    def _next_job(self):
        with self._lock:
            if self.stop_reason is not None:
                return None
            begin, elsewhere = time.perf_counter(), self.times["ask"] + self.times["tell"]
            with self.store.transaction():
                trial, params = self._claim()
                if trial is not None:
                    self._running[trial.number] = trial
            elsewhere = self.times["ask"] + self.times["tell"] - elsewhere
            self.times["store"] += time.perf_counter() - begin - elsewhere
            if trial is None:
                return None
            leader = None
            if self.fold_racing and self._best is not None and trial.proposal.is_whole:
                leader = tuple(guiding_scores(self._best.result))
            return replace(self._job(trial, params), leader=leader)

    def _claim(self):
        """Return a trial claimed for this process and its parameters, or (None, None)."""
        self._take_in()
        if (reason := self._reason_to_stop()) is not None:
            self.stop_reason = reason
            return None, None
        if (trial := self.store.reclaim()) is not None:
            return trial, self.search._params(trial.proposal)
        if self._spent >= self.n_iter - ROUNDING:
            self.stop_reason = "n_iter"
            return None, None
        begin = time.perf_counter()
        proposal = self.core.ask()
        params = None if proposal in (None, WAIT) else self.search._params(proposal)
        self.times["ask"] += time.perf_counter() - begin
        if proposal is None:
            self.stop_reason = "exhausted"
        if params is None:
            return None, None
        trial = self.store.claim(proposal, self._readable(params))
        self._count(trial)
        return trial, params

    def _count(self, trial):
        if self._spent < self.n_iter - ROUNDING:
            self._within.add(trial.number)
        self._asked[trial.number] = trial.proposal
        self._spent += trial.proposal.share

    def _reason_to_stop(self):
        if self.patience is not None and self._stale >= self.patience:
            return "patience"
        elapsed = time.perf_counter() - self._begin
        if self.time_budget is not None and elapsed > self.time_budget and self._asked:
            return "time_budget"
        return None

    def _job(self, trial, params):
        return self.search._job(trial.number, trial.proposal, params)

    def _take_in(self):
        """Bring the core up to date with what other processes have asked and finished."""
        for trial in self.store.changes():
            if trial.number not in self._asked:
                self.core.observe(trial.proposal)
                self._count(trial)
            if trial.state not in UNFINISHED:
                self._learn(trial)

    def _tell(self, number, outcome):
        with self._lock:
            begin = time.perf_counter()
            trial = self._running[number]._replace(
                state=outcome.state,
                result=outcome.result,
                error=outcome.error,
                finished=time.time(),
            )
            kept = self.store.finish(trial)
            del self._running[number]
            self.times["store"] += time.perf_counter() - begin
            if kept:
                self._learn(trial)
        if outcome.exception is not None:
            if outcome.exception.__traceback__ is None and outcome.error:
                outcome.exception.add_note(outcome.error)
            raise outcome.exception
        self._announce()

    def _learn(self, trial):
        begin = time.perf_counter()
        self.trials[trial.number] = trial
        result = self.search._trial_result(trial)
        self.core.tell(result)
        self.times["tell"] += time.perf_counter() - begin
        merit, is_whole = self.search._merit(result), trial.proposal.is_whole
        self._stale += is_whole
        if is_whole and merit > self._target + self.min_delta:
            self._target, self._stale = merit, 0
        is_best = is_whole and trial.state == "COMPLETE" and merit > self._highest
        if is_best:
            self._best, self._highest = trial, merit
        self._news.append((trial, is_best))

    def _announce(self):
        with self._lock:
            news, self._news = self._news, []
        for trial, is_best in news:
            if self.on_trial(trial, is_best):
                self.stop_reason = self.stop_reason or "callback"

    def _run_alone(self, X, y, task, n_jobs):
        """Run again, one at a time, the trials that were under way when a worker died."""
        with self._lock:
            jobs = [
                self._job(trial, self.search._params(trial.proposal))
                for _, trial in sorted(self._running.items())
            ]
        for job in jobs:
            begin = time.perf_counter()
            try:
                [(number, outcome)] = Parallel(n_jobs=n_jobs)([delayed(evaluate)(X, y, task, job)])
            except BrokenExecutor as error:
                reason = f"The worker of the trial died: {error}"
                cost = time.perf_counter() - begin
                number, outcome = job.number, failure(task, job, "DIED", reason, cost)
            self._tell(number, outcome)


class Readable:
    """Turns parameters into what JSON and people can read; remembers what `repr` said.

    Objects come from the lists of the search space and live as long as the search, so that their
    identity is a safe key; the `repr` of an estimator takes a millisecond.
    """

    def __init__(self):
        self._texts = {}

    def __call__(self, params):
        return {name: self._value(value) for name, value in params.items()}

    def _value(self, value):
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if value - value == 0.0 else repr(value)
        kept, text = self._texts.get(id(value), (None, None))
        if kept is not value:
            text = " ".join(repr(value).split())
            self._texts[id(value)] = value, text
        return text


def guiding_scores(result):
    """Return the scores of a complete trial fold by fold, in the metric that guides the search."""
    return result["test"][result["metric"]]


def _outcomes(X, y, task, jobs, n_jobs, pre_dispatch, synchronous):
    """Yield (number, outcome) of each job, as results arrive or in rounds."""
    backend, _ = get_active_backend()
    n_workers = joblib.effective_n_jobs(n_jobs)
    if type(backend).__name__ == "DaskDistributedBackend":
        from skstruct.model_selection._dask import outcomes

        yield from outcomes(
            backend.client, X, y, task, jobs, n_jobs=n_jobs, synchronous=synchronous
        )
    elif n_workers == 1:
        for job in jobs:
            yield evaluate(X, y, task, job)
    elif synchronous or not backend.supports_return_generator:
        with Parallel(n_jobs=n_jobs, batch_size=1) as parallel:
            while batch := list(itertools.islice(jobs, n_workers)):
                yield from parallel(delayed(evaluate)(X, y, task, job) for job in batch)
    else:
        parallel = Parallel(
            n_jobs=n_jobs,
            return_as="generator_unordered",
            pre_dispatch=pre_dispatch,
            batch_size=1,
        )
        with closing(parallel(delayed(evaluate)(X, y, task, job) for job in jobs)) as results:
            yield from results
