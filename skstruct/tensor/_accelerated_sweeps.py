"""Alternating sweeps with extrapolation and restart.

A sweep takes factors A to H(A), which fits no worse. Nesterov's momentum over whole sweeps [1]_:

    A = H_k + beta_k (H_k - H_{k-1}),  beta_k = (t_k - 1) / t_{k+1},
    t_{k+1} = (1 + sqrt(1 + 4 t_k^2)) / 2,  t_1 = 1

starts the next sweep, whose error comes with it. If that is above the last accepted one, the sweep
is thrown away and the next one starts from H_k with t = 1: no other evaluation is ever spent. The
components are the same whatever share of their norms is in which mode; after each sweep all modes
get the same share, since differences of iterates would else be of the shares too.

.. [1] D. Mitchell, N. Ye, H. De Sterck, "Nesterov acceleration of alternating least squares for
   canonical tensor decomposition: momentum step size selection and restart mechanisms", Numerical
   Linear Algebra with Applications 27(4): e2297, 2020, arXiv:1810.05846.
"""

import warnings
from collections import namedtuple
from math import sqrt

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skstruct.tensor._cp_sweeps_fast import balance

SCREENING = 20  # sweeps that tell a start that leads nowhere
AGREE = 1e-3  # relative difference of the errors of two starts that found the same
SMALL_ERROR = 1e-3  # relative changes of an error below this are changes of noise


InOneArray = namedtuple("InOneArray", ["flat", "factors"])


def _in_one_array(factors):
    """Return a copy of the factors, and the array that they are views of."""
    flat = np.concatenate([np.ravel(A) for A in factors])
    ends = np.cumsum([A.size for A in factors])
    parts = np.split(flat, ends[:-1])
    return InOneArray(flat, [p.reshape(A.shape) for p, A in zip(parts, factors, strict=True)])


class AcceleratedSweeps:
    """Sweeps of one start.

    Parameters
    ----------
    sweep : callable
        Takes the list of factors, improves them in place and returns their error, relative to the
        norm of the data.
    factors : list of ndarray of shape (I_n, R)
        The start, which is copied.
    tol : float
        Converged is what an accepted sweep changes by less than this times its error, or times
        0.001 if that is more.
    accelerate : bool
        Whether to extrapolate.
    nonnegative : bool, default=False
        Whether to clip what is extrapolated at 0.

    Attributes
    ----------
    factors : list of ndarray of shape (I_n, R)
        After the last accepted sweep.
    errors : list of float
        After the accepted sweeps.
    n_iter : int
        Number of sweeps, thrown away or not.
    converged : bool
    """

    def __init__(self, sweep, factors, *, tol, accelerate, nonnegative=False):
        self._sweep = sweep
        self._tol = tol
        self._accelerate = accelerate
        self._nonnegative = nonnegative
        self._next, self._accepted = _in_one_array(factors), _in_one_array(factors)
        self._t = 1.0
        self._extrapolated = False
        self.errors = []
        self.n_iter = 0
        self.converged = False

    @property
    def factors(self):
        return self._accepted.factors

    def step(self):
        """Sweep once, and return whether that has converged."""
        flat, factors = self._next
        error = self._sweep(factors)
        self.n_iter += 1
        if self._extrapolated and not error <= self.errors[-1]:
            flat[:] = self._accepted.flat
            self._t = 1.0
            self._extrapolated = False
            return False
        balance(factors)
        if self.errors:
            change = abs(self.errors[-1] - error)
            self.converged = change <= self._tol * max(error, SMALL_ERROR)
        self.errors.append(error)
        before, self._accepted = self._accepted, self._next
        t = (1 + sqrt(1 + 4 * self._t**2)) / 2
        beta = (self._t - 1) / t if self._accelerate and len(self.errors) > 1 else 0.0
        self._t = t
        self._extrapolated = beta > 0
        # What was before the last two sweeps makes room for the next one.
        np.subtract(flat, before.flat, out=before.flat)
        np.multiply(before.flat, beta, out=before.flat)
        np.add(before.flat, flat, out=before.flat)
        if self._nonnegative:
            np.maximum(before.flat, 0.0, out=before.flat)
        self._next = before
        return self.converged


def watched(estimator, context, data):
    """Return what calls a function as a task of callbacks, and says whether one has seen enough.

    `data` are the X, y and metadata that the callbacks of the estimator are given.
    """

    def call(function):
        task = context.subcontext(task_name="sweep")
        task.call_on_fit_task_begin(estimator=estimator, **data)
        function()
        return task.call_on_fit_task_end(estimator=estimator, reconstruction_attributes={}, **data)

    return call


def best_start(sweep, starts, *, max_iter, call, **options):
    """Sweep from several starts, and from the most promising one to the end.

    Parameters
    ----------
    sweep : callable
        As `AcceleratedSweeps` takes it, and `options` with it.
    starts : list
        Factors, or callables that return them. With several, each has SCREENING sweeps, and no
        other is tried once one ends where the best one before did.
    max_iter : int
        Largest number of sweeps from one start.
    call : callable
        What `watched` returns.

    Returns
    -------
    run : AcceleratedSweeps
    """
    best, enough = None, False
    first = max_iter if len(starts) == 1 else min(SCREENING, max_iter)

    def proceed(run, n_sweeps):
        while not run.converged and run.n_iter < n_sweeps:
            if call(run.step):
                return True
        return False

    for start in starts:
        run = AcceleratedSweeps(sweep, start() if callable(start) else start, **options)
        enough = proceed(run, first)
        error = run.errors[-1]
        known = best is not None and abs(error - best.errors[-1]) <= AGREE * error
        if best is None or error < best.errors[-1]:
            best = run
        if enough:
            return best
        if known:
            break
    proceed(best, max_iter)
    return best


def warn_unless_converged(run, max_iter, tol):
    """Warn of sweeps that were not enough."""
    if not run.converged:
        warnings.warn(
            f"max_iter={max_iter} sweeps were not enough for changes of the error below tol={tol};"
            " raise either.",
            ConvergenceWarning,
            stacklevel=3,
        )
