"""Which parameter value to solve the next of many related problems with, from costs alone.

In round t a value i of K is drawn from p, and its cost c is seen, in units of the first one.

tsallis:       k, estimates of the total costs, s the mean cost, eta = 4 / sqrt(t) ("iw": 2)
               p_i = 4 / (eta (k_i / s - x))^2, x such that they sum to 1
               k_j += b_j for all j, k_i += (c - b_i) / p_i     b_j = s / 2 if p_j >= eta^2, else 0
tsallis_bins:  one of these for each of n_bins ranges of the context
cheb, smooth:  log c regressed on m Chebyshev polynomials of the context u: for each value apart,
               or on their products with a polynomials of the place of the value, less beta
               standard deviations. With the predictions c_i and T rounds planned:
               p_i = 1 / (K + gamma (c_i - min c) / s), the rest for the best
               gamma = exploration sqrt(K m^2 T / (K m^3 + T))

All of it is in `_relaxation_bandit_fast.pyx`; here are the bookkeeping and the contexts.
"""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator

from skstruct._validation import Interval, StrOptions, _fit_context, check_random_state
from skstruct.bandits._relaxation_bandit_fast import Chebyshev, Smooth, Tsallis

_EXPLORATION = {"cheb": 100.0, "smooth": 1e4}


class RelaxationBandit(BaseEstimator):
    """Learn the value of a parameter of a solver over a stream of problems, from their costs.

    For related problems that are solved one after the other: time steps, Newton steps, refits. The
    parameter changes how long a solve takes and not what it returns: a relaxation, a step size, a
    restart length, a number of smoothing sweeps. The cost is the number of iterations, the
    seconds, any positive number. The total comes near that of the best fixed value or, with a
    context (a number that says what is special about a problem), of the best value for each.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        The values to choose from, at least two; for ``"smooth"`` in their order.
    strategy : {"tsallis", "tsallis_bins", "cheb", "smooth"}, default="tsallis"
        What costs are expected to look like.

        - ``"tsallis"``: anything, even an adversary's choice; the context is not used.
        - ``"tsallis_bins"``: the same for each of `n_bins` ranges of the context.
        - ``"cheb"``: for each value, a smooth function of the context.
        - ``"smooth"``: a smooth function of the context and of the place of the value, or of the
          latter alone if there is no context. The best where it holds.
    context_range : (float, float) or None, default=None
        Least and greatest context; contexts beyond are taken for these. None is no context, which
        ``"tsallis_bins"`` and ``"cheb"`` cannot do without.
    n_basis : int, default=6
        Number of polynomials of the context for ``"cheb"`` and ``"smooth"``.
    n_arm_basis : int, default=7
        Number of polynomials of the place of the value for ``"smooth"``.
    n_bins : int, default=5
        Number of equal ranges for ``"tsallis_bins"``.
    horizon : int or None, default=None
        Number of rounds that ``"cheb"`` and ``"smooth"`` plan their exploration for; None is the
        number so far.
    exploration : float or "auto", default="auto"
        How strongly ``"cheb"`` and ``"smooth"`` prefer what they predict to be cheap: a greater
        number explores less. "auto" is 100 and 10000.
    optimism : float, default=1.0
        Standard deviations that ``"smooth"`` takes off its predictions, at least 0. Without it,
        extrapolations are followed where the context comes to new ground.
    regularization : float, default=1e-3
        Ridge penalty of the regressions; it grows with the squared degree.
    estimator : {"rv", "iw"}, default="rv"
        Estimate of the costs that ``"tsallis"`` has not seen: with reduced variance, or by
        importance weights alone.
    random_state : int, RandomState instance, Generator or None, default=None
        Decides the draws, one uniform number each. A generator is used in place.

    Attributes
    ----------
    costs_ : ndarray of shape (`n_rounds_`,), dtype=float64
        The costs, in the order in which they were told.
    indices_ : ndarray of shape (`n_rounds_`,), dtype=int64
        Which of `values` caused each.
    n_rounds_ : int
        Number of costs told.

    See Also
    --------
    skstruct.linalg.sor : Relaxation, by sweeps.
    skstruct.linalg.ssor_cg : Conjugate gradients preconditioned by relaxation.
    UnimodalBandit : The best of arms whose rewards rise and then fall, once and for all.

    Notes
    -----
    With K values, m = `n_basis` and a = `n_arm_basis`, a round takes O(K) time for ``"tsallis"``,
    O(K m + m^2) for ``"cheb"`` and O(m^2 a^2 + K a^2) for ``"smooth"``; memory is O(K), O(K m^2)
    and O(m^2 a^2), and two numbers a round.

    Costs are divided by the first one, so that their unit does not matter. The regressions are of
    logarithms: what they take for cheapest has the least geometric mean. If the noise at some
    values has a heavy tail, ``"tsallis"`` is right about the total, and they are not. A solve that
    needed no iteration costs more than nothing: tell 1.

    References
    ----------
    M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar. Learning to relax: setting solver parameters
    across a sequence of linear system instances. ICLR 2024, arXiv:2310.02246.

    J. Zimmert, Y. Seldin. Tsallis-INF: an optimal algorithm for stochastic and adversarial
    bandits. Journal of Machine Learning Research, 2021, arXiv:1807.07623.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from skstruct.bandits import RelaxationBandit
    >>> from skstruct.linalg import sor
    >>> A = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(60, 60))
    >>> rng = np.random.default_rng(0)
    >>> shifts = rng.uniform(0.01, 0.2, size=200)
    >>> bandit = RelaxationBandit(
    ...     np.arange(10, 20) / 10, "smooth", context_range=(0, 0.2), random_state=0
    ... )
    >>> for shift in shifts:
    ...     omega = bandit.ask(shift)
    ...     x, n_iter = sor(A + shift * sparse.eye_array(60), rng.normal(size=60), omega)
    ...     bandit = bandit.tell(n_iter)
    >>> bandit.best_value(0.01), bandit.best_value(0.2)
    (1.8, 1.4)
    """

    _parameter_constraints: dict = {
        "values": ["array-like"],
        "strategy": [StrOptions({"tsallis", "tsallis_bins", "cheb", "smooth"})],
        "context_range": ["array-like", None],
        "n_basis": [Interval(Integral, 1, None, closed="left")],
        "n_arm_basis": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "horizon": [Interval(Integral, 1, None, closed="left"), None],
        "exploration": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "optimism": [Interval(Real, 0, None, closed="left")],
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "estimator": [StrOptions({"rv", "iw"})],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        values,
        strategy="tsallis",
        *,
        context_range=None,
        n_basis=6,
        n_arm_basis=7,
        n_bins=5,
        horizon=None,
        exploration="auto",
        optimism=1.0,
        regularization=1e-3,
        estimator="rv",
        random_state=None,
    ):
        self.values = values
        self.strategy = strategy
        self.context_range = context_range
        self.n_basis = n_basis
        self.n_arm_basis = n_arm_basis
        self.n_bins = n_bins
        self.horizon = horizon
        self.exploration = exploration
        self.optimism = optimism
        self.regularization = regularization
        self.estimator = estimator
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def reset(self):
        """Forget all costs. A new learner need not be reset; one with new parameters must be.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            raise ValueError(
                f"values must be at least two finite numbers in a row, got {self.values!r}."
            )
        self._range = self._check_range()
        if isinstance(self.random_state, np.random.Generator):
            self._rng = self.random_state
        else:
            self._rng = check_random_state(self.random_state)
        self._values = values.tolist()
        self._learners = self._make_learners(len(values))
        self._first_cost = None
        self._open, self._last, self._n_asked = {}, None, 0
        self._costs, self._indices = [], []
        return self

    def ask(self, context=None, *, return_ticket=False):
        """Draw the value to solve the next problem with.

        Parameters
        ----------
        context : float or None, default=None
            What is known about the problem; needed if there is a `context_range`.
        return_ticket : bool, default=False
            Whether to return a ticket for :meth:`tell`, for rounds that overlap. A round asked
            for without a ticket is given up by the next call.

        Returns
        -------
        value : float
            One of `values`.
        ticket : int
            Number of the round; only if `return_ticket`.

        Raises
        ------
        ValueError
            If the context is missing, not finite, or there is no `context_range` for it.
        """
        self._begun()
        place, u = self._place(context)
        draw = self._learners[place].draw(u, self._rng.random())
        ticket = self._n_asked
        self._n_asked += 1
        self._last = ticket, place, draw
        value = self._values[draw[0]]
        if not return_ticket:
            return value
        self._open[ticket] = self._last
        return value, ticket

    def tell(self, cost, ticket=None):
        """Take the cost of a round.

        Parameters
        ----------
        cost : float
            Positive and finite.
        ticket : int or None, default=None
            Of which round; None is the last one asked for.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the cost is not positive and finite, or no such round waits for it.
        """
        self._begun()
        cost = float(cost)
        if not 0 < cost < math.inf:
            raise ValueError(f"cost must be positive and finite, got {cost!r}.")
        asked = self._last if ticket is None else self._open.get(ticket)
        if asked is None:
            which = "last round" if ticket is None else f"ticket {ticket!r}"
            raise ValueError(
                f"tell needs a round of ask that has no cost yet; the {which} is none."
            )
        number, place, draw = asked
        if self._first_cost is None:
            self._first_cost = cost
        self._learners[place].learn(draw, cost / self._first_cost)
        self._open.pop(number, None)
        if self._last is asked:
            self._last = None
        self._costs.append(cost)
        self._indices.append(draw[0])
        return self

    def probabilities(self, context=None):
        """Return the probabilities that :meth:`ask` would draw by.

        Parameters
        ----------
        context : float or None, default=None
            As for :meth:`ask`.

        Returns
        -------
        p : ndarray of shape (n_values,), dtype=float64
        """
        self._begun()
        place, u = self._place(context)
        return self._learners[place].probabilities(u)

    def best_value(self, context=None):
        """Return the value that is expected to cost least, without exploration or optimism.

        Parameters
        ----------
        context : float or None, default=None
            As for :meth:`ask`.

        Returns
        -------
        value : float
        """
        self._begun()
        place, u = self._place(context)
        return self._values[self._learners[place].best(u)]

    @property
    def costs_(self):
        self._begun()
        return np.array(self._costs, dtype=np.float64)

    @property
    def indices_(self):
        self._begun()
        return np.array(self._indices, dtype=np.int64)

    @property
    def n_rounds_(self):
        self._begun()
        return len(self._costs)

    def _begun(self):
        if "_learners" not in vars(self):
            self.reset()

    def _check_range(self):
        """Return context_range as two floats, or None."""
        if self.context_range is None:
            if self.strategy in ("cheb", "tsallis_bins"):
                raise ValueError(f"context_range must be given for strategy={self.strategy!r}.")
            return None
        ends = np.asarray(self.context_range, dtype=np.float64)
        if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
            raise ValueError(
                "context_range must be two finite numbers, the first less than the second; "
                f"got {self.context_range!r}."
            )
        return float(ends[0]), float(ends[1])

    def _make_learners(self, n):
        if self.strategy in ("tsallis", "tsallis_bins"):
            n_bins = self.n_bins if self.strategy == "tsallis_bins" else 1
            return [Tsallis(n, self.estimator == "rv") for _ in range(n_bins)]
        auto = self.exploration == "auto"
        exploration = _EXPLORATION[self.strategy] if auto else self.exploration
        n_basis = 1 if self._range is None else self.n_basis
        common = n, n_basis, self.horizon or 0, exploration, self.regularization
        if self.strategy == "cheb":
            return [Chebyshev(*common)]
        return [Smooth(*common, self.n_arm_basis, self.optimism)]

    def _place(self, context):
        """Return the number of the learner for a context, and the context in [-1, 1]."""
        if self._range is None:
            if context is not None:
                raise ValueError(f"context_range must be given for a context, got {context!r}.")
            return 0, 0.0
        if context is None or not math.isfinite(context):
            raise ValueError(
                f"context must be a finite number, as there is a context_range; got {context!r}."
            )
        low, high = self._range
        share = min(max((context - low) / (high - low), 0.0), 1.0)
        n = len(self._learners)
        return min(int(share * n), n - 1), 2 * share - 1
