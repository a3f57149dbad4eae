"""Tell whether a process that once wrote to a journal is still alive.

A process is known by its host, its id and the time it started: the id alone may have been given
to somebody else since. A journal lives on a local disk, so a process of another host is gone.
"""

import os
import socket
import subprocess
from functools import lru_cache
from pathlib import Path


def start_time(pid):
    """Return what tells process `pid` from an earlier owner of its id, or None if it is gone."""
    proc = Path("/proc")
    if (proc / "self/stat").exists():
        try:
            # The command, in parentheses, may itself hold blanks and parentheses.
            fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    try:
        import psutil
    except ImportError:
        return _start_time_from_ps(pid)
    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return None if gone else str(process.create_time())
    except psutil.NoSuchProcess:
        return None


def _start_time_from_ps(pid):
    if os.name != "posix":
        raise ImportError(
            "a journal needs psutil on this platform, to tell a dead process from a live one: "
            "pip install psutil"
        )
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False
    ).stdout.strip()
    status, _, started = answer.partition(" ")
    return None if not answer or status.startswith("Z") else started.strip()


@lru_cache(maxsize=4)
def identity(pid):
    """Return (host, pid, start time) of a live process."""
    return socket.gethostname(), pid, start_time(pid)


def is_alive(host, pid, started):
    """Tell whether the process that had this identity still runs on this machine."""
    return host == socket.gethostname() and start_time(pid) == started
