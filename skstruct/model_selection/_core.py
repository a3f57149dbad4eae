"""Ask and tell: a policy chooses the arm, the arm's sampler the point; nothing here fits anything.

Trial i is the i-th proposal, whether this object made it (`ask`) or was shown it (`observe`), and
all that is random about it comes from the stream SeedSequence(seed, spawn_key=(i,)). Observing and
telling the rows of a journal in their order therefore leaves the state that the undisturbed run
has at that row, and the next `ask` gives the proposal that it would have given.
"""

import copy
import numbers
from dataclasses import dataclass

import numpy as np

from skstruct import registry
from skstruct.model_selection._policies import ArmPolicy
from skstruct.model_selection._space import Space

# What a core asks for that needs all pending results before it can say more.
WAIT = object()


@dataclass(frozen=True)
class Proposal:
    """A trial to run: an arm and a point of its space.

    Attributes
    ----------
    arm : int
        Number of the arm.
    u : tuple of float
        The point, in the unit cube.
    level : float or None, default=None
        Share of the full effort to evaluate it with, in (0, 1); None is all.
    split : int or None, default=None
        Number of the only split of the data to evaluate it on; None is all folds.
    """

    arm: int
    u: tuple[float, ...]
    level: float | None = None
    split: int | None = None

    @property
    def share(self):
        """The level as a number: 1 is the full effort."""
        return 1.0 if self.level is None else self.level

    @property
    def is_whole(self):
        """Whether it is evaluated with the full effort on all folds."""
        return self.level is None and self.split is None


@dataclass(frozen=True)
class TrialResult:
    """What came of a proposal.

    Attributes
    ----------
    proposal : Proposal
        What was run.
    score : float
        Greater is better; NaN is a failure.
    cost : float, default=1.0
        What it has cost, in seconds or any other unit.
    se : float, default=0.0
        Standard error of the score.
    values : tuple of float, default=()
        Whatever else the sampler wants measured, in its order; NaN where that failed.
    """

    proposal: Proposal
    score: float
    cost: float = 1.0
    se: float = 0.0
    values: tuple[float, ...] = ()


class ArmAskTell:
    """State of a search over arms. Use it from one thread at a time.

    Parameters
    ----------
    spaces : list of Space
        The arms.
    policy : str or ArmPolicy
        A registered name, or an instance, which is copied.
    sampler : str or callable
        A registered name, or what makes a `Sampler` from (space, rng, **sampler_params).
    budget : int
        Number of trials to plan for; the caller ends the search.
    seed : int
        Decides all that is random.
    score_upper_bound : float, default=inf
        What no score exceeds.
    cost_budget : float or None, default=None
        Limit of the sum of the costs to plan for.
    policy_params, sampler_params : dict or None, default=None
        Arguments of a policy that is given by name, and of the samplers.
    starts : list of (tuple of float or None) or None, default=None
        For each arm the point to begin with.
    initial : iterable of Proposal, default=()
        Proposals to ask first of all.
    """

    def __init__(
        self,
        spaces,
        policy,
        sampler,
        *,
        budget,
        seed,
        score_upper_bound=np.inf,
        cost_budget=None,
        policy_params=None,
        sampler_params=None,
        starts=None,
        initial=(),
    ):
        self.spaces = list(spaces)
        self.seed = seed
        self._rng = np.random.default_rng(0)
        make = _by_name("skstruct.samplers", sampler)
        self.samplers = []
        for arm, space in enumerate(self.spaces):
            self._set_stream(arm, 0)
            self.samplers.append(make(space, self._rng, **(sampler_params or {})))
        if isinstance(policy, str):
            self.policy = _by_name("skstruct.policies", policy)(**(policy_params or {}))
        elif isinstance(policy, ArmPolicy) and not policy_params:
            self.policy = copy.deepcopy(policy)
        else:
            raise ValueError(
                "policy must be a registered name, with policy_params if need be, or an ArmPolicy "
                f"instance, which has its own parameters; got {policy!r} and {policy_params!r}."
            )
        self.policy.reset(
            len(self.spaces),
            budget,
            score_upper_bound=score_upper_bound,
            n_init=[sampler.n_init for sampler in self.samplers],
            random_state=seed,
            cost_budget=cost_budget,
        )
        self.n_asked = 0
        self._starts = list(starts) if starts is not None else [None] * len(self.spaces)
        self._initial = list(dict.fromkeys(initial))
        self._used = [set() for _ in self.spaces]
        self._n_whole = [0] * len(self.spaces)  # points used with the full effort
        self._pending = [[] for _ in self.spaces]

    def params(self, proposal):
        """Return the parameters of a proposal, a dict."""
        return self.spaces[proposal.arm].decode(proposal.u)

    def learn(self, arm, u, score):
        """Tell the sampler of an arm, before the first `ask`, what an earlier search has found."""
        self.samplers[arm].tell(u, score)
        self._use(Proposal(arm, u))

    def ask(self):
        """Return the next `Proposal`; None when every arm is exhausted."""
        self._set_stream(self.n_asked)
        if self._initial:
            proposal = self._initial[0]
            self.observe(proposal)
            return proposal
        while self.policy.alive_.any():
            arm = self.policy.ask()
            proposal = self._proposal(arm)
            if proposal is not None:
                self._note(proposal)
                return proposal
            self.policy.cancel(arm)
            self.policy.exhaust(arm)
        return None

    def observe(self, proposal):
        """Take note of a proposal made elsewhere, as if the last `ask` had returned it."""
        self.policy.observe(proposal.arm)
        self.samplers[proposal.arm].note(proposal)
        self._note(proposal)

    def tell(self, result):
        """Take the `TrialResult` of a pending proposal."""
        arm = result.proposal.arm
        if result.proposal not in self._pending[arm]:
            raise ValueError(f"{result.proposal} is not pending: ask for it or observe it first.")
        self._pending[arm].remove(result.proposal)
        self.samplers[arm].learn(result)
        self.policy.tell(arm, result.score, cost=result.cost, se=result.se)

    def _proposal(self, arm):
        sampler = self.samplers[arm]
        if (u := self._starts[arm]) is not None:
            start = Proposal(arm, u, sampler.first_level)
            if start not in self._used[arm]:
                sampler.note(start)
                return start
        choice = sampler.propose(tuple(self._pending[arm]))
        return None if choice is None else Proposal(arm, *choice)

    def _note(self, proposal):
        if proposal in self._initial:
            self._initial.remove(proposal)
        self._pending[proposal.arm].append(proposal)
        self._use(proposal)
        self.n_asked += 1

    def _use(self, proposal):
        arm = proposal.arm
        if proposal in self._used[arm]:
            return
        self._used[arm].add(proposal)
        self._n_whole[arm] += proposal.level is None
        if self._n_whole[arm] >= self.spaces[arm].size:
            self.policy.exhaust(arm)

    def _set_stream(self, *key):
        stream = np.random.SeedSequence(self.seed, spawn_key=key)
        self._rng.bit_generator.state = np.random.PCG64(stream).state


def ask_tell(
    param_distributions,
    policy="rising",
    sampler="gp",
    *,
    n_iter=60,
    random_state=None,
    policy_params=None,
    sampler_params=None,
    initial_params=(),
    score_upper_bound=np.inf,
    cost_budget=None,
):
    """Begin a search over arms whose trials the caller runs.

    Parameters
    ----------
    param_distributions : dict or list of dicts
        One dict an arm: from parameter names to scipy distributions or sequences of values.
    policy : str or ArmPolicy, default="rising"
        Which arm gets the next trial.
    sampler : str or callable, default="gp"
        Which point of the arm.
    n_iter : int, default=60
        Number of trials to plan for.
    random_state : int, RandomState instance or None, default=None
        Decides all that is random.
    policy_params, sampler_params : dict or None, default=None
        Arguments of the policy, if given by name, and of the samplers.
    initial_params : iterable of (int, dict), default=()
        Arm and parameters of trials to run first; what a dict leaves open is in the middle of
        its range.
    score_upper_bound : float, default=inf
        What no score exceeds: 1 for an accuracy, 0 for a negated error.
    cost_budget : float or None, default=None
        Limit of the sum of the costs to plan for, instead of `n_iter`.

    Returns
    -------
    ArmAskTell
        With ``ask() -> proposal`` (None when there is nothing left), ``params(proposal) -> dict``
        and ``tell(TrialResult(proposal, score))``.

    Raises
    ------
    ValueError
        If `param_distributions` is empty or malformed, a name is not registered, or an entry of
        `initial_params` is in no arm.

    See Also
    --------
    RisingBandit : The default policy.
    GPSampler : The default sampler.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from skstruct.model_selection import GPSampler, RisingBandit, TrialResult, ask_tell
    >>> arms = [{"x": uniform(-2, 4)}, {"k": [1, 2, 3, 4]}]
    >>> search = ask_tell(arms, RisingBandit(), GPSampler, n_iter=20, random_state=0)
    >>> def score(x=None, k=None):
    ...     return -((x - 1) ** 2) if k is None else -k
    >>> results = []
    >>> for _ in range(20):
    ...     proposal = search.ask()
    ...     results.append(TrialResult(proposal, score(**search.params(proposal))))
    ...     search.tell(results[-1])
    >>> best = max(results, key=lambda result: result.score)
    >>> round(search.params(best.proposal)["x"], 1)
    1.0
    """
    if isinstance(param_distributions, dict):
        param_distributions = [param_distributions]
    if not param_distributions:
        raise ValueError("param_distributions must be a dict or a list of at least one dict.")
    spaces = [Space(entries) for entries in param_distributions]
    if isinstance(random_state, numbers.Integral):
        seed = int(random_state)
    else:
        seed = int((random_state or np.random.RandomState()).randint(2**31))
    return ArmAskTell(
        spaces,
        policy,
        sampler,
        budget=n_iter,
        seed=seed,
        score_upper_bound=score_upper_bound,
        cost_budget=cost_budget,
        policy_params=policy_params,
        sampler_params=sampler_params,
        initial=[_proposal(spaces, arm, params) for arm, params in initial_params],
    )


def _proposal(spaces, arm, params):
    """Return the proposal of given parameters; those left open take the middle of their range."""
    if arm not in range(len(spaces)):
        raise ValueError(
            f"initial_params has arm {arm!r}, but there are arms 0 to {len(spaces) - 1}."
        )
    space = spaces[arm]
    middle = space.decode(space.point((0.5,) * space.n_dims))
    u = space.encode({**middle, **params}, strict=True)
    if u is None or not params.keys() <= middle.keys():
        raise ValueError(
            f"initial_params has {params!r} for arm {arm}, which admits only {space.kinds}."
        )
    return Proposal(arm, u)


def _by_name(group, given):
    return registry.load(group, given) if isinstance(given, str) else given
