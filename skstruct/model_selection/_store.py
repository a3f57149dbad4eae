"""Trial stores: what a search has asked, and what came back.

A store is one table of trials, numbered 0, 1, 2, ... without gaps. A trial is claimed (RUNNING),
then finished (COMPLETE, or one of the states of a trial that went wrong). Everything else
follows from doing each step in one transaction:

- the *ask* happens inside the write transaction that claims its trial, after the trials of other
  processes have been taken in, so that two searches on one journal never ask the same thing;
- a trial of a process that died is claimed again *in place*: same number, same proposal. A
  sequential search that was killed therefore goes on exactly as if it had not been;
- finishing is one UPDATE, and nothing but a finished trial is ever believed.

`MemoryStore` keeps nothing beyond the search that opened it. `SQLiteStore` is the journal: one
file in write-ahead mode, where a commit costs about 0.1 ms and survives SIGKILL at any instant.
Parameters are never pickled: a proposal is its arm and a few floats; `params` is for readers.
"""

import json
import os
import time
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from skstruct.model_selection._core import Proposal
from skstruct.model_selection._journal_file import connect, is_empty, refuse_network_file_system
from skstruct.model_selection._process import identity, is_alive

UNFINISHED = ("RUNNING", "LOST")

_COLUMNS = "number, state, arm, u, level, split, params, result, error, started, finished"
_OWNED = "number = ? AND state = 'RUNNING' AND host = ? AND pid = ? AND pid_start = ?"


class Trial(NamedTuple):
    """One trial as a store keeps it.

    Attributes
    ----------
    number : int
        Its place in the order of asking.
    state : str
        ``"RUNNING"``, ``"LOST"`` (its process is gone), ``"COMPLETE"``, ``"FAILED"``,
        ``"TIMEOUT"``, ``"MEMORY"``, ``"DIED"`` or ``"PRUNED"``.
    proposal : Proposal
        What was asked.
    params : dict
        The parameters in a form for readers: numbers and strings as they are, the rest by `repr`.
    result : dict or None
        What `evaluate_trial` measured.
    error : str or None
        End of the traceback.
    started, finished : float or None
        Seconds since the epoch.
    """

    number: int
    state: str
    proposal: Proposal
    params: dict
    result: dict | None = None
    error: str | None = None
    started: float | None = None
    finished: float | None = None


class MemoryStore:
    """Store of a search that keeps no journal.

    It only numbers the trials: the search itself holds what it has seen.
    """

    def __init__(self):
        self._n_trials = 0

    def open(self, fingerprint, meta):
        """Return `meta`: there is no earlier search to agree with."""
        return meta

    def total_cost(self):
        """Return the seconds that finished trials have taken: none yet."""
        return 0.0

    def transaction(self):
        """Return a context in which several calls are one step."""
        return nullcontext()

    def changes(self):
        """Return the trials that other searches have added or finished: none."""
        return []

    def reclaim(self):
        """Return a trial that somebody has left unfinished: none."""

    def claim(self, proposal, params):
        """Number a new trial."""
        trial = Trial(self._n_trials, "RUNNING", proposal, params, started=time.time())
        self._n_trials += 1
        return trial

    def finish(self, trial):
        """Accept the result of a claimed trial."""
        return True

    def release(self, numbers):
        """Give up claimed trials: nobody else can take them."""

    def close(self):
        """Let go of everything."""


class SQLiteStore:
    """Journal of a search in one SQLite file.

    Several processes of one machine may have the same file open. Use from several threads must
    be serialised by the caller.

    Parameters
    ----------
    path : path-like
        The file; it is created if it is not there. Not on a network file system.
    sync : {"normal", "full"}, default="normal"
        ``"normal"`` loses nothing when a process is killed; a power cut may cost the last
        commits. ``"full"`` waits for the disk at every commit.

    Raises
    ------
    ValueError
        If the file lies on a network file system or is something else than a journal.
    """

    def __init__(self, path, *, sync="normal"):
        self.path = Path(path).resolve()
        refuse_network_file_system(self.path)
        self._identity = identity(os.getpid())
        self._connection = connect(self.path, sync)
        self._last = -1  # highest number seen
        self._theirs = set()  # unfinished trials that are not claimed by this store
        self._data_version = None

    def open(self, fingerprint, meta):
        """Enter the study, or found it.

        Parameters
        ----------
        fingerprint : dict of str to str
            What must agree between all searches that share the journal.
        meta : dict
            What the founder leaves to those who come later.

        Returns
        -------
        meta : dict
            The founder's.

        Raises
        ------
        ValueError
            If the journal belongs to another study; the message lists what differs.
        """
        with self.transaction():
            study = self._connection.execute("SELECT fingerprint, meta FROM study").fetchone()
            if study is None:
                self._connection.execute(
                    "INSERT INTO study VALUES (1, ?, ?, ?)",
                    (json.dumps(fingerprint), json.dumps(meta), time.time()),
                )
                return meta
        theirs = json.loads(study[0])
        differ = [
            key for key in {**theirs, **fingerprint} if theirs.get(key) != fingerprint.get(key)
        ]
        if differ:
            raise ValueError(
                f"journal {str(self.path)!r} belongs to another search: it differs in "
                f"{', '.join(differ)}. Give another path, or delete the file to start again."
            )
        return json.loads(study[1])

    def total_cost(self):
        """Return the seconds that finished trials have taken."""
        cost = "SELECT TOTAL(json_extract(result, '$.cost')) FROM trial"
        return self._connection.execute(cost).fetchone()[0]

    @contextmanager
    def transaction(self):
        """Return a context in which several calls are one step, alone among all processes."""
        if self._connection.in_transaction:
            yield
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def changes(self):
        """Return the trials that others have added or finished since the last call, by number."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version:
            return []
        self._data_version = version
        first = min(self._theirs, default=self._last + 1)
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM trial WHERE number >= ? ORDER BY number", (first,)
        )
        changed = []
        for row in rows:
            trial = _trial(row)
            if trial.number > self._last:
                self._last = trial.number
            elif trial.number not in self._theirs or trial.state in UNFINISHED:
                continue
            (self._theirs.add if trial.state in UNFINISHED else self._theirs.discard)(trial.number)
            changed.append(trial)
        return changed

    def reclaim(self):
        """Take over the first trial whose process has given it up or died.

        Returns
        -------
        trial : Trial or None
            The same number and proposal, now claimed by this store.
        """
        for number in sorted(self._theirs):
            *owner, state = self._connection.execute(
                "SELECT host, pid, pid_start, state FROM trial WHERE number = ?", (number,)
            ).fetchone()
            if state == "LOST" or (state == "RUNNING" and not is_alive(*owner)):
                self._connection.execute(
                    "UPDATE trial SET state = 'RUNNING', host = ?, pid = ?, pid_start = ?, "
                    "started = ? WHERE number = ?",
                    (*self._identity, time.time(), number),
                )
                self._theirs.discard(number)
                return _trial(
                    self._connection.execute(
                        f"SELECT {_COLUMNS} FROM trial WHERE number = ?", (number,)
                    ).fetchone()
                )
        return None

    def claim(self, proposal, params):
        """Enter a new trial as running here.

        Call it in the transaction that has seen all `changes` and asked for `proposal`.
        """
        self._last += 1
        trial = Trial(self._last, "RUNNING", proposal, params, started=time.time())
        self._connection.execute(
            "INSERT INTO trial (number, state, arm, u, level, split, params, host, pid, "
            "pid_start, started) VALUES (?, 'RUNNING', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                trial.number,
                proposal.arm,
                json.dumps(proposal.u),
                proposal.level,
                proposal.split,
                json.dumps(params),
                *self._identity,
                trial.started,
            ),
        )
        return trial

    def finish(self, trial):
        """Enter the result of a trial claimed here.

        Returns
        -------
        kept : bool
            False if the trial has been taken over by another process in the meantime.
        """
        with self.transaction():
            cursor = self._connection.execute(
                f"UPDATE trial SET state = ?, result = ?, error = ?, finished = ? WHERE {_OWNED}",
                (
                    trial.state,
                    json.dumps(trial.result, allow_nan=False),
                    trial.error,
                    trial.finished,
                    trial.number,
                    *self._identity,
                ),
            )
        if cursor.rowcount == 0:
            self._theirs.add(trial.number)
            self._data_version = None  # its result may be there already
        return cursor.rowcount == 1

    def release(self, numbers):
        """Give up trials claimed here, so that the next search runs them."""
        with self.transaction():
            self._connection.executemany(
                f"UPDATE trial SET state = 'LOST' WHERE {_OWNED}",
                [(number, *self._identity) for number in numbers],
            )

    def close(self):
        """Close the file; the last one to leave folds the write-ahead log into it."""
        self._connection.close()


def read_journal(path):
    """Read the trials of a journal, also while a search writes to it.

    Parameters
    ----------
    path : path-like
        A file that was given to a search as `journal`.

    Returns
    -------
    trials : list of dict
        One a trial in the order of asking, with the keys ``number``, ``state`` (``"COMPLETE"``,
        ``"FAILED"``, ``"TIMEOUT"``, ``"MEMORY"``, ``"DIED"``, ``"PRUNED"``, ``"RUNNING"`` or
        ``"LOST"``), ``arm`` (int), ``arm_name``, ``level`` (share of the full effort; None is
        all), ``split`` (number of the only split; None is all folds), ``params`` (dict; objects by
        their `repr`),
        ``score`` (mean of the metric that guides the search; None where there is none), ``cost``
        (seconds), ``result`` (dict: scores and times fold by fold), ``error`` (end of the
        traceback or None), ``started`` and ``finished`` (seconds since the epoch).
        ``pandas.DataFrame(read_journal(path))`` makes a table of it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a journal.

    See Also
    --------
    RisingBanditSearchCV : Writes journals.

    Examples
    --------
    >>> import os, tempfile
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skstruct.model_selection import RisingBanditSearchCV, read_journal
    >>> path = os.path.join(tempfile.mkdtemp(), "iris.journal")
    >>> search = RisingBanditSearchCV(
    ...     LogisticRegression(max_iter=500),
    ...     {"C": loguniform(1e-2, 1e2)},
    ...     n_iter=3,
    ...     random_state=0,
    ...     journal=path,
    ... ).fit(*load_iris(return_X_y=True))
    >>> [(trial["number"], trial["state"]) for trial in read_journal(path)]
    [(0, 'COMPLETE'), (1, 'COMPLETE'), (2, 'COMPLETE')]
    """
    path = Path(path).resolve()
    if not path.exists():
        raise FileNotFoundError(f"no journal at {str(path)!r}")
    with closing(connect(path, None)) as connection:
        if is_empty(connection):
            return []
        study = connection.execute("SELECT meta FROM study").fetchone()
        rows = connection.execute(f"SELECT {_COLUMNS} FROM trial ORDER BY number").fetchall()
    names = json.loads(study[0])["arm_names"] if study else []
    return [as_record(_trial(row), names) for row in rows]


def as_record(trial, arm_names):
    """Return a trial as the dict that `read_journal` describes."""
    result = trial.result or {}
    return {
        "number": trial.number,
        "state": trial.state,
        "arm": trial.proposal.arm,
        "arm_name": arm_names[trial.proposal.arm],
        "level": trial.proposal.level,
        "split": trial.proposal.split,
        "params": trial.params,
        "score": result.get("score"),
        "cost": result.get("cost"),
        "result": result,
        "error": trial.error,
        "started": trial.started,
        "finished": trial.finished,
    }


def _trial(row):
    number, state, arm, u, level, split, params, result, error, started, finished = row
    proposal = Proposal(arm, tuple(json.loads(u)), level, split)
    result = None if result is None else json.loads(result)
    return Trial(number, state, proposal, json.loads(params), result, error, started, finished)
