"""Where trials run: in this process, in workers of this machine, or on a Dask cluster."""

import contextlib
import logging
import os
import re
import signal

import joblib

from skstruct.cli._errors import UserError, one_line, require

CONNECT_SECONDS = 10


@contextlib.contextmanager
def workers(where):
    """The joblib backend for ``--dask WHERE``; the default one for None."""
    if where is None:
        yield
        return
    local = re.fullmatch(r"local:([1-9]\d*)", where)
    if not local and not re.fullmatch(r"\w+://.+", where):
        raise UserError(f"--dask takes tcp://host:port or local:N, not {where!r}")
    require(("dask", "distributed"), extra="dask", purpose="--dask")
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        try:
            if local:
                with _deaf_children():
                    cluster = LocalCluster(
                        n_workers=int(local[1]),
                        threads_per_worker=1,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    )
                address = stack.enter_context(cluster)
            else:
                address = where
            client = stack.enter_context(Client(address, timeout=CONNECT_SECONDS))
        except (OSError, TimeoutError, ValueError) as error:
            raise UserError(
                f"no Dask scheduler answers at {where!r}: {one_line(error)}"
            ) from error
        if not client.scheduler_info()["workers"]:
            raise UserError(f"the Dask scheduler at {where!r} has no workers")
        stack.enter_context(joblib.parallel_config(backend="dask"))
        yield


@contextlib.contextmanager
def _deaf_children():
    """Processes started inside ignore Ctrl-C, which the terminal sends to them too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def quiet():
    """Silence the warnings of fits, in worker processes too; what failed is in the report."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before
