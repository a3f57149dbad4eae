"""Blocks of rows shared out among threads, each of which has a BLAS of one thread."""

from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from threading import Lock

from joblib import Parallel, delayed, effective_n_jobs
from threadpoolctl import ThreadpoolController

_lock = Lock()
_held = []  # the limit, as often as there are contexts in all threads


@cache
def _controller():
    return ThreadpoolController()


@contextmanager
def one_blas_thread():
    """Return a context in which the BLAS has one thread.

    The limit is that of the process. The first of overlapping contexts sets it, and the last one
    lifts it, in whichever threads and order they end.
    """
    with _lock:
        _held.append(_held[0] if _held else _controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _held.pop()
            if not _held:
                limit.restore_original_limits()


def for_row_blocks(function, n_rows, n_jobs=None, block=64):
    """Call a function that releases the GIL on slices which together are all rows.

    Parameters
    ----------
    function : callable
        Called with a slice. It writes what it finds into arrays, and finds the same for a block
        of rows wherever the slices are cut.
    n_rows : int
        Number of rows.
    n_jobs : int, default=None
        Number of threads, as joblib takes it.
    block : int, default=64
        Slices begin at multiples of this, so that results do not depend on `n_jobs`.
    """
    n_blocks = -(-n_rows // block)
    n_threads = min(effective_n_jobs(n_jobs), n_blocks)
    with one_blas_thread():
        if n_threads <= 1:
            function(slice(0, n_rows))
            return
        n_slices = min(4 * n_threads, n_blocks)
        cuts = [block * (i * n_blocks // n_slices) for i in range(n_slices)] + [n_rows]
        Parallel(n_jobs=n_threads, require="sharedmem")(
            delayed(function)(slice(start, stop)) for start, stop in pairwise(cuts)
        )
