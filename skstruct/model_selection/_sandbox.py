"""A child process that runs trials and may be killed.

A fit in compiled code hears no signal and no thread can stop it, so a trial with a limit runs in
a child: a fresh interpreter (a fork would copy the locks of OpenMP; a process of multiprocessing
may not be started by a worker of Dask), fed once with the data and the estimator, then with the
parameters of each trial.

timeout         the parent waits that long for an answer, then kills the child's process group
memory limit    on Linux the kernel refuses what the child allocates beyond its size at the start
                of the trial (RLIMIT_DATA): the fit raises MemoryError and the child lives on.
                Elsewhere the parent looks at the resident size while it waits, and kills
death           a crash in compiled code, or the kernel's out-of-memory killer, ends the child only

The next trial after a kill gets a new child. A child whose parent dies ends itself.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import cloudpickle
from sklearn import set_config

from skstruct.model_selection._worker import evaluate_trial, failure

if os.name == "nt":
    from multiprocessing.connection import PipeConnection

LINUX = sys.platform.startswith("linux")
IDLE_SECONDS = 120.0  # a child that nobody asks for so long ends, and frees its copy of the data
POLL_SECONDS = 0.05  # between looks at the resident size

_idle = []  # sandboxes of this process that wait for a trial
_lock = threading.Lock()


@contextlib.contextmanager
def borrow(X, y, task):
    """Lend the sandbox of a search to one trial; it is kept for the next one."""
    with _lock:
        others = [sandbox for sandbox in _idle if sandbox.task.key != task.key]
        mine = [sandbox for sandbox in _idle if sandbox.task.key == task.key]
        sandbox = mine.pop() if mine else Sandbox(X, y, task)
        _idle[:] = mine
    for other in others:
        other.close()
    try:
        yield sandbox
    except BaseException:
        sandbox.close()
        raise
    with _lock:
        _idle.append(sandbox)


def close_idle(key):
    """End the waiting children of one search."""
    with _lock:
        mine = [sandbox for sandbox in _idle if sandbox.task.key == key]
        _idle[:] = [sandbox for sandbox in _idle if sandbox.task.key != key]
    for sandbox in mine:
        sandbox.close()


def check_memory_limit():
    """Raise if a limit on memory cannot be kept on this platform."""
    if not LINUX:
        try:
            import psutil  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "memory_limit needs psutil on this platform: pip install psutil"
            ) from error


class Sandbox:
    """One child process, started when it is first needed.

    Parameters
    ----------
    X, y : array-like
        The data, sent when the child starts.
    task : Task
        What all trials have in common, and the limits.
    """

    def __init__(self, X, y, task):
        self.task = task
        self._data = X, y
        self._process = None

    def run(self, job):
        """Evaluate one trial within the limits and return its Outcome."""
        if self._process is not None and time.monotonic() - self._used > IDLE_SECONDS / 2:
            self.close()  # it may be about to end by itself
        if self._process is None:
            self._start()
        floor = self._resident_size()
        begin = time.perf_counter()
        try:
            self._connection.send_bytes(cloudpickle.dumps(job))
            state = self._wait(begin, floor)
            if state is None:
                outcome = cloudpickle.loads(self._connection.recv_bytes())
                self._used = time.monotonic()
                return outcome
        except (EOFError, OSError):
            state = "DIED"
        cost = time.perf_counter() - begin
        limits = self.task
        error = {
            "TIMEOUT": f"The trial was stopped at its trial_timeout, {limits.timeout} s.",
            "MEMORY": f"The trial was stopped at its memory_limit, {limits.memory_limit} bytes.",
            "DIED": f"The process of the trial died{self._cause_of_death()}.",
        }[state]
        self.close()
        return failure(self.task, job, state, error, cost)

    def close(self):
        """Kill the child and all that it has started."""
        if self._process is None:
            return
        self._connection.close()
        self._lifeline.close()
        self._process.kill()
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _start(self):
        self._connection, theirs = Pipe()
        watched, self._lifeline = Pipe(duplex=False)
        self._process = _start_child(theirs, watched)
        theirs.close()
        watched.close()
        try:
            self._connection.send_bytes(cloudpickle.dumps((*self._data, self.task)))
            refused = self._connection.recv()
        except (EOFError, OSError) as error:
            cause = self._cause_of_death()
            self.close()
            raise RuntimeError(f"The process for the trials could not start{cause}.") from error
        if refused is not None:
            self.close()
            raise refused
        self._used = time.monotonic()

    def _wait(self, begin, floor):
        """Return None when the child has answered, or the state of a trial that must end."""
        timeout, limit = self.task.timeout, self.task.memory_limit
        if limit is None or LINUX:
            return None if self._connection.poll(timeout) else "TIMEOUT"
        while not self._connection.poll(POLL_SECONDS):
            if timeout is not None and time.perf_counter() - begin > timeout:
                return "TIMEOUT"
            if self._resident_size() - floor > limit:
                return "MEMORY"
        return None

    def _resident_size(self):
        """Return the bytes that the child holds, where that is how memory is limited."""
        if self.task.memory_limit is None or LINUX:
            return 0
        import psutil

        return psutil.Process(self._process.pid).memory_info().rss

    def _cause_of_death(self):
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return ""
        return f" of {signal.Signals(-code).name}" if code < 0 else f" with exit code {code}"


def _start_child(*pipes):
    """Start an interpreter in a process group of its own that serves at these pipe ends."""
    handles = [pipe.fileno() for pipe in pipes]
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"from {__name__} import serve; serve(*{handles!r})"
    )
    command = [sys.executable, "-c", code]
    if os.name == "posix":  # a Ctrl-C in the terminal is for the parent alone
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=handles, process_group=0
        )
    for handle in handles:
        os.set_handle_inheritable(handle, True)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)


def serve(*handles):
    """Evaluate trials until the parent goes away or forgets about this child."""
    make = Connection if os.name == "posix" else PipeConnection
    connection, watched = (make(handle) for handle in handles)
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()
    try:
        X, y, task = cloudpickle.loads(connection.recv_bytes())
        set_config(**task.config)
    except Exception as error:
        connection.send(error)
        return
    connection.send(None)
    with contextlib.suppress(EOFError, OSError):
        while connection.poll(IDLE_SECONDS):
            job = cloudpickle.loads(connection.recv_bytes())
            with _limited_memory(task.memory_limit):
                outcome = evaluate_trial(X, y, task, job)
            connection.send_bytes(cloudpickle.dumps(outcome))


def _end_with_parent(watched):
    with contextlib.suppress(EOFError, OSError):
        watched.recv()
    os._exit(1)


@contextlib.contextmanager
def _limited_memory(limit):
    if limit is None or not LINUX:
        yield
        return
    import resource

    with open("/proc/self/status") as status:
        held = next(int(line.split()[1]) for line in status if line.startswith("VmData")) * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = held + limit if hard == resource.RLIM_INFINITY else min(held + limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
