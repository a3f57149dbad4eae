"""The (1, lambda) and (1 + lambda) evolution strategies on a product of finite sets.

The parent has lambda offspring; each changes every one of the n coordinates with probability 1/n.

"comma"   the best offspring is the next parent, even if it is worse: it leaves planted optima
"plus"    only if it is not worse

lambda = 1.2 ln n / ln(e / (e - 1)): of so many offspring some are copies of the parent, for a copy
has probability 1/e, so that the comma strategy loses what it has only now and then. A copy is not
evaluated again (unless `reevaluate`), but it stays in the race. Mutations are in _ea_fast.pyx.
"""

import math
from numbers import Integral, Real

import numpy as np
from scipy.optimize import OptimizeResult

from skstruct._validation import Interval, StrOptions, validate_params
from skstruct.optimize._ea_fast import mutate
from skstruct.optimize._random import as_generator


@validate_params(
    {
        "fun": [callable],
        "space": ["array-like"],
        "strategy": [StrOptions({"comma", "plus"})],
        "n_offspring": [Interval(Integral, 1, None, closed="left"), None],
        "mutation_rate": [Interval(Real, 0, 1, closed="right"), None],
        "maxfev": [Interval(Integral, 1, None, closed="left")],
        "target": [Real, None],
        "x0": ["array-like", None],
        "reevaluate": ["boolean"],
        "random_state": ["random_state", np.random.Generator],
    },
    prefer_skip_nested_validation=True,
)
def minimize_ea(
    fun,
    space,
    strategy="comma",
    *,
    n_offspring=None,
    mutation_rate=None,
    maxfev=10_000,
    target=None,
    x0=None,
    reevaluate=False,
    random_state=None,
):
    """Minimise a function on a discrete space by an evolution strategy.

    The comma strategy forgets: it takes the best offspring of the parent, even if that is worse
    than the parent. It therefore leaves a point that is only good by accident, such as a subset of
    features that suits one split of the data, where the plus strategy stays.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> float`` of an int64 array of shape (n_dims,), its own to keep. NaN counts as
        infinity.
    space : array-like of int of shape (n_dims,)
        Number of values of each coordinate, at least 2: coordinate i is one of
        ``0, ..., space[i] - 1``.
    strategy : {"comma", "plus"}, default="comma"
        Whether the best offspring always is the next parent, or only where it is not worse.
    n_offspring : int, default=None
        Number of offspring of a parent. None is ``1.2 * ln(n_dims) / ln(e / (e - 1))``, rounded
        up, and at least 2; with fewer the comma strategy cannot hold a good point.
    mutation_rate : float, default=None
        Probability that a coordinate changes, to any other of its values, in (0, 1]. None is
        ``1 / n_dims``.
    maxfev : int, default=10000
        Number of evaluations at which the search ends, or of generations, which cost nothing
        where all offspring are copies of their parent.
    target : float, default=None
        Value at which the search ends, or less.
    x0 : array-like of int of shape (n_dims,), default=None
        First parent; None draws it.
    reevaluate : bool, default=False
        Whether a copy of the parent is evaluated again, and with ``"plus"`` the parent too, as a
        noisy `fun` asks for.
    random_state : int, RandomState instance, Generator or None, default=None
        Decides all that is random.

    Returns
    -------
    result : OptimizeResult
        With the attributes

        - ``x``, ``fun``: the best point ever seen, and its value;
        - ``x_last``, ``fun_last``: the last parent, and its value;
        - ``nit``, ``nfev``: number of generations and of evaluations;
        - ``success``: whether the target was reached, or, without one, whether any value was
          finite; ``message``: why it ended.

    Raises
    ------
    ValueError
        If a parameter is out of its range: a coordinate with fewer than two values, `x0` outside
        the space.

    See Also
    --------
    minimize_cbo : On a box of real numbers.

    Notes
    -----
    If `fun` has noise that is frozen at each point, as a score with fixed folds has, ``x`` is the
    luckiest of all points seen and ``fun`` too low; ``x_last`` was chosen from a few points only.
    Judge both by fresh splits. A generation takes O(n_offspring * n_dims) time beside its
    evaluations.

    References
    ----------
    J. Lengler, L. Schiller, O. Sieberling. Plus strategies are exponentially slower for planted
    optima of random height. GECCO 2024, arXiv:2404.09687.

    Examples
    --------
    >>> from skstruct.optimize import minimize_ea
    >>> result = minimize_ea(lambda x: -x.sum(), [3] * 20, target=-40, random_state=0)
    >>> result.fun, result.success
    (-40.0, True)
    """
    sizes = _whole_numbers("space", space)
    if sizes.size == 0 or sizes.min() < 2:
        raise ValueError(
            f"space must be numbers of values, at least 2 for each coordinate, got {space!r}."
        )
    n = len(sizes)
    if n_offspring is None:
        n_offspring = max(2, math.ceil(1.2 * math.log(n) / (1 - math.log(math.e - 1))))
    rate = 1 / n if mutation_rate is None else float(mutation_rate)
    rng = as_generator(random_state)
    if x0 is None:
        parent = rng.integers(sizes)
    else:
        parent = _whole_numbers("x0", x0)
        if parent.shape != sizes.shape or (parent < 0).any() or (parent >= sizes).any():
            raise ValueError(f"x0 must be a point of space={space!r}, got {x0!r}.")

    race = _Race(fun, maxfev, -np.inf if target is None else float(target))
    value = race.evaluate(parent)
    bits = rng.bit_generator
    n_changed = np.empty(n_offspring, dtype=np.intp)
    nit = 0
    while not race.ended and nit < maxfev:
        offspring = np.empty((n_offspring, n), dtype=np.int64)
        with bits.lock:
            mutate(parent, sizes, rate, bits.capsule, offspring, n_changed)
        if reevaluate and strategy == "plus":
            value = race.evaluate(parent)
        values = [
            race.evaluate(x) if changed or reevaluate else value
            for x, changed in zip(offspring, n_changed.tolist(), strict=True)
            if not race.ended
        ]
        if len(values) < n_offspring:
            break  # a generation that is not whole has no winner
        best = min(range(n_offspring), key=values.__getitem__)
        if strategy == "comma" or values[best] <= value:
            parent, value = offspring[best], values[best]
        nit += 1
    return OptimizeResult(
        x=race.x,
        fun=race.fun,
        x_last=parent.copy(),
        fun_last=value,
        nit=nit,
        nfev=race.nfev,
        success=race.fun < np.inf if target is None else race.fun <= race.target,
        message=race.message,
    )


class _Race:
    """The function to minimise: counts its evaluations, keeps the best point, knows the end."""

    def __init__(self, fun, maxfev, target):
        self.x, self.fun, self.nfev = None, np.inf, 0
        self.target, self.ended = target, False
        self._function, self._maxfev = fun, maxfev

    def evaluate(self, x):
        value = float(self._function(x.copy()))
        self.nfev += 1
        if math.isnan(value):
            value = np.inf
        if self.x is None or value < self.fun:
            self.x, self.fun = x.copy(), value
        self.ended = self.nfev >= self._maxfev or value <= self.target
        return value

    @property
    def message(self):
        if self.fun == np.inf:
            return "All values of fun are infinite or NaN."
        if self.fun <= self.target:
            return f"The target {self.target} is reached."
        return f"maxfev is reached, with {self.nfev} evaluations."


def _whole_numbers(name, given):
    """Return a new int64 array of one dimension; what is not a whole number is an error."""
    numbers = np.array(given)
    if numbers.ndim != 1 or not (numbers.dtype.kind in "iu" or numbers.size == 0):
        raise ValueError(f"{name} must be a list of integers, got {given!r}.")
    return numbers.astype(np.int64)
