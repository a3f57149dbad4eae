"""Consensus-based optimisation: a swarm drawn to the weighted mean of its best.

N particles X in a box with values E = f(X); iteration k with J, all particles or the next batch:

alpha                         such that the effective sample size of w is a share of |J|
w = exp(-alpha (E - min E))   c = sum_J w x / sum_J w, the consensus
s_k                           from noise[0] to noise[1] along a half cosine
"cbo":      x <- x - drift (x - c) + s_k (x - c) * xi     (or ||x - c|| xi, in units of the box)
"hopping":  x <- c + h_k (high - low) * xi     h_k from hop_scale[0] to [1], geometric

with xi standard normal; reflected once at the bounds, then clipped. In the papers drift is
lambda dt and s is sigma sqrt(dt). Around a c that stays, particles would move away where the mean
of log|1 - drift + s xi| is positive, for s above 1.6; as c moves with the swarm, this expands for
s above 1.2 already. At 1.1 it explores on the edge of contraction, at 0.7 it contracts.

The adapted alpha and the schedule of s are what makes it work; weights and moves are in
_lib/_consensus.pyx.
"""

from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import OptimizeResult, minimize

from skstruct._lib._consensus import BOX, COMPONENT, DISTANCE, consensus, move
from skstruct._validation import Interval, StrOptions, validate_params
from skstruct.optimize._random import as_generator

_CHECK_EVERY = 20  # iterations between two looks at the extent of the swarm
_NOTHING_FINITE = "All values of fun are infinite or NaN."


@validate_params(
    {
        "fun": [callable],
        "bounds": ["array-like"],
        "n_particles": [Interval(Integral, 2, None, closed="left"), None],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "drift": [Interval(Real, 0, 1, closed="right")],
        "noise": ["array-like"],
        "ess_fraction": [Interval(Real, 0, 1, closed="right")],
        "alpha": [Interval(Real, 0, np.inf, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "anisotropic": ["boolean"],
        "scheme": [StrOptions({"cbo", "hopping"})],
        "hop_scale": ["array-like"],
        "vectorized": ["boolean"],
        "x0": ["array-like", None],
        "polish": ["boolean"],
        "maxfev": [Interval(Integral, 2, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "callback": [callable, None],
        "random_state": ["random_state", np.random.Generator],
        "workers": [Integral],
    },
    prefer_skip_nested_validation=True,
)
def minimize_cbo(
    fun,
    bounds,
    *,
    n_particles=None,
    n_iter=400,
    drift=0.1,
    noise=(1.1, 0.7),
    ess_fraction=0.2,
    alpha=None,
    batch_size=None,
    anisotropic=True,
    scheme="cbo",
    hop_scale=(0.25, 0.002),
    vectorized=False,
    x0=None,
    polish=False,
    maxfev=None,
    tol=1e-8,
    callback=None,
    random_state=None,
    workers=1,
):
    """Minimise a rough or noisy function on a box by consensus-based optimisation.

    A swarm of particles is drawn to the mean of its best and shaken in proportion to the distance
    from it. It needs values alone, of many points at a time: no gradient, and no smoothness.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> float`` of an array of shape (n_dims,), or, if `vectorized`, ``fun(X)`` of an
        array of shape (m, n_dims), which returns m values. NaN counts as infinity: a point that
        is not allowed.
    bounds : array-like of shape (n_dims, 2)
        Lower and upper end of each coordinate, finite.
    n_particles : int, default=None
        Size N of the swarm; None is ``10 * n_dims``, at least 40 and at most 200.
    n_iter : int, default=400
        Number of iterations. The noise falls over all of them, so that a search that is to take
        longer should be told so here.
    drift : float, default=0.1
        Share of the way to the consensus that a particle goes in an iteration, in (0, 1].
    noise : (float, float), default=(1.1, 0.7)
        Factor of the noise at the beginning and at the end. Above 1.2 or so the swarm expands.
    ess_fraction : float, default=0.2
        Share of the particles that decide about the consensus: the effective sample size of their
        weights, in (0, 1]. It is never less than two particles.
    alpha : float, default=None
        Fixed rate of the weights ``exp(-alpha * fun)`` instead of `ess_fraction`.
    batch_size : int, default=None
        Number of particles, drawn anew without replacement, that an iteration evaluates and
        moves; None is all.
    anisotropic : bool, default=True
        Whether the noise of a coordinate is in proportion to its own distance from the consensus;
        otherwise to the Euclidean distance in units of the box, and `noise` should be smaller by
        ``sqrt(n_dims)``.
    scheme : {"cbo", "hopping"}, default="cbo"
        ``"hopping"`` draws the particles of each iteration around the last consensus. It follows
        the gradient of a smoothed function, and stays in the valley where it is; it has no
        `drift`, `noise` and `anisotropic`.
    hop_scale : (float, float), default=(0.25, 0.002)
        Standard deviation of a hop at the beginning and at the end, in units of the box.
    vectorized : bool, default=False
        Whether `fun` takes many points at a time.
    x0 : array-like of shape (m, n_dims) or (n_dims,), default=None
        First particles, within the bounds; the others are uniform.
    polish : bool, default=False
        Whether to end with L-BFGS-B from the best point. Its evaluations are not limited by
        `maxfev`.
    maxfev : int, default=None
        Largest number of evaluations. Iterations that would exceed it are not planned, and the
        noise falls over those that are.
    tol : float, default=1e-8
        Stop when the swarm extends over no more than this share of the box in any coordinate.
    callback : callable, default=None
        ``callback(result)``, after each iteration, with what is returned at the end; True stops.
    random_state : int, RandomState instance, Generator or None, default=None
        Decides all that is random.
    workers : int, default=1
        Number of processes, by joblib, that evaluate a `fun` of one point; -1 is one a core.

    Returns
    -------
    result : OptimizeResult
        With the attributes

        - ``x``, ``fun``: the best point ever seen, and its value;
        - ``nit``, ``nfev``: number of iterations, at most `n_iter`, and of evaluations, at most
          ``n_particles * (n_iter + 1)`` without `polish`;
        - ``consensus``: the weighted mean of the last iteration, of shape (n_dims,);
        - ``population``, ``population_fun``: the particles, of shape (n_particles, n_dims), and
          their values;
        - ``success``: whether any value was finite; ``message``: why it ended.

    Raises
    ------
    ValueError
        If a parameter is out of its range: bounds that are not of shape (n_dims, 2), not finite
        or empty, `noise` or `hop_scale` that are not two positive numbers, a batch larger than
        the swarm, `x0` out of the bounds or with too many rows, `maxfev` too small for one
        iteration, workers for a vectorized `fun`; or if such a `fun` does not return one value
        a row.

    See Also
    --------
    minimize_ea : On a discrete space.
    skstruct.model_selection.ConsensusSearchCV : The same swarm over hyper-parameters.
    scipy.optimize.dual_annealing : One point with a local search, for smooth functions.

    Notes
    -----
    An iteration draws N d normal numbers and takes one more pass over the N d coordinates, and 12
    over the N values for `alpha`: O(N d) time and memory. With a noisy function, ``fun`` is the
    least value seen and thus too low: evaluate ``x`` and ``consensus`` again. The steps of the
    hopping scheme have the mean ``-alpha * s**2 * gradient`` for small s, the width of a hop.

    References
    ----------
    R. Pinnau, C. Totzeck, O. Tse, S. Martin. A consensus-based model for global optimization and
    its mean-field limit. Mathematical Models and Methods in Applied Sciences 27, 2017,
    arXiv:1604.05648.

    J. A. Carrillo, S. Jin, L. Li, Y. Zhu. A consensus-based global optimization method for high
    dimensional machine learning problems. ESAIM: COCV 27, 2021, arXiv:1909.09249.

    J. A. Carrillo, F. Hoffmann, A. M. Stuart, U. Vaes. Consensus-based sampling. Studies in
    Applied Mathematics 148, 2022, arXiv:2106.02519.

    K. Riedl, T. Klock, C. Geldhauser, M. Fornasier. Gradient is all you need? 2023,
    arXiv:2306.09778.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.optimize import minimize_cbo
    >>> def rastrigin(X):
    ...     return np.sum((X - 1) ** 2 - 10 * np.cos(2 * np.pi * (X - 1)) + 10, axis=1)
    >>> result = minimize_cbo(rastrigin, [(-5.12, 5.12)] * 5, vectorized=True, random_state=0)
    >>> print(result.x.round(2))
    [1. 1. 1. 1. 1.]
    """
    low, high = _check_bounds(bounds)
    d = len(low)
    N = min(max(10 * d, 40), 200) if n_particles is None else n_particles
    noise = _two_positive("noise", noise)
    hop_scale = _two_positive("hop_scale", hop_scale)
    size = N if batch_size is None else batch_size
    if size > N:
        raise ValueError(f"batch_size must be at most n_particles={N}, got {batch_size}.")
    if maxfev is not None:
        if maxfev < N + size:
            raise ValueError(
                f"maxfev must be at least {N + size}, for the first particles and one iteration, "
                f"got {maxfev}."
            )
        n_iter = min(n_iter, (maxfev - N) // size)
    if vectorized and workers != 1:
        raise ValueError(f"workers must be 1 where fun is vectorized, got {workers}.")
    rng = as_generator(random_state)
    X = low + (high - low) * rng.random((N, d))
    if x0 is not None:
        x0 = _check_start(x0, low, high, N)
        X[: len(x0)] = x0

    phases = np.arange(n_iter) / n_iter
    if scheme == "hopping":
        drift, spread = 1.0, BOX
        steps = hop_scale[0] * (hop_scale[1] / hop_scale[0]) ** phases
    else:
        spread = COMPONENT if anisotropic else DISTANCE
        steps = noise[1] + (noise[0] - noise[1]) * (1 + np.cos(np.pi * phases)) / 2
    alpha = -1.0 if alpha is None else float(alpha)

    with _Objective(fun, vectorized, workers) as objective:
        E = objective(X, np.arange(N))
        c, xi = np.empty(d), np.empty((size, d))
        work, finite = np.empty(3 * size), np.empty(size, dtype=np.intp)

        def result(nit, message):
            return OptimizeResult(
                x=objective.x,
                fun=objective.fun,
                nit=nit,
                nfev=objective.nfev,
                consensus=c.copy(),
                population=X.copy(),
                population_fun=E.copy(),
                success=bool(objective.fun < np.inf),
                message=message if objective.fun < np.inf else _NOTHING_FINITE,
            )

        message = f"All {n_iter} iterations are done."
        for nit, (rows, step) in enumerate(zip(_batches(N, size, rng), steps, strict=False), 1):
            consensus(X, E, rows, ess_fraction, alpha, work, finite, c)
            rng.standard_normal(out=xi)
            move(X, rows, c, xi, low, high, drift, step, spread)
            E[rows] = objective(X, rows)
            if callback is not None and callback(result(nit, "In progress.")):
                message = "Stopped by callback."
                break
            if nit % _CHECK_EVERY == 0 and np.all(np.ptp(X, axis=0) <= tol * (high - low)):
                message = f"The particles are within tol={tol} of each other."
                break
        if polish and np.isfinite(objective.fun):
            start, limits = objective.x, np.column_stack((low, high))
            minimize(objective.one, start, method="L-BFGS-B", bounds=limits)
        return result(nit, message)


class _Objective:
    """The function to minimise: counts its evaluations and keeps the best point."""

    def __init__(self, fun, vectorized, workers):
        self.fun, self.x, self.nfev = np.inf, None, 0
        self._function = fun
        self._vectorized = vectorized
        self._parallel = None if workers == 1 else Parallel(n_jobs=workers)

    def __enter__(self):
        if self._parallel is not None:
            self._parallel.__enter__()  # one pool for all iterations
        return self

    def __exit__(self, *exception):
        if self._parallel is not None:
            self._parallel.__exit__(*exception)

    def __call__(self, X, rows):
        """Return the values of some rows of X; infinity for NaN."""
        values = self._evaluate(X.take(rows, axis=0))  # a copy, for the function to keep or change
        values[np.isnan(values)] = np.inf
        best = values.argmin()
        if self.x is None or values[best] < self.fun:
            self.x, self.fun = X[rows[best]].copy(), float(values[best])
        self.nfev += len(rows)
        return values

    def one(self, x):
        """Return the value of one point."""
        return self(x[np.newaxis], np.zeros(1, dtype=np.intp))[0]

    def _evaluate(self, X):
        if self._vectorized:
            values = np.array(self._function(X), dtype=float)
            if values.shape != (len(X),):
                raise ValueError(
                    f"A vectorized fun must return an array of shape ({len(X)},) for {len(X)} "
                    f"points, got shape {values.shape}."
                )
            return values
        if self._parallel is None:
            values = [self._function(x) for x in X]
        else:
            values = self._parallel(delayed(self._function)(x) for x in X)
        return np.array([float(value) for value in values])


def _batches(n, size, rng):
    """Yield the rows of each iteration; fewer than `size` left over wait for the next shuffle."""
    everything = np.arange(n, dtype=np.intp)
    while True:
        order = everything if size == n else rng.permutation(everything)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]


def _check_bounds(bounds):
    limits = np.array(bounds, dtype=float)
    if limits.ndim != 2 or limits.shape[1] != 2 or len(limits) == 0:
        raise ValueError(
            f"bounds must be pairs (low, high), one a coordinate, got shape {limits.shape}."
        )
    low, high = np.ascontiguousarray(limits.T)
    with np.errstate(over="ignore"):
        legal = np.isfinite(high - low) & (low < high)
    if not legal.all():
        j = int(np.argmin(legal))
        raise ValueError(
            f"bounds must be finite with low < high, got ({low[j]}, {high[j]}) for coordinate {j}."
        )
    return low, high


def _two_positive(name, given):
    pair = np.array(given, dtype=float)
    if pair.shape != (2,) or not (np.isfinite(pair).all() and (pair > 0).all()):
        raise ValueError(f"{name} must be two positive finite numbers, got {given!r}.")
    return pair


def _check_start(x0, low, high, n_particles):
    start = np.atleast_2d(np.array(x0, dtype=float))
    if start.ndim != 2 or start.shape[1] != len(low) or len(start) > n_particles:
        raise ValueError(
            f"x0 must have {len(low)} columns and at most n_particles={n_particles} rows, got "
            f"shape {np.shape(x0)}."
        )
    outside = ~((start >= low) & (start <= high)).all(axis=1)
    if outside.any():
        raise ValueError(f"x0 must be within bounds, got {start[outside][0]}.")
    return start
