"""What a policy must do for a search to be able to rely on it."""

import pickle
from copy import deepcopy

import numpy as np

from skstruct.testing._docstring import undescribed
from skstruct.testing._report import Check

N_ARMS = 4
BUDGET = 60


def check_policy_docstring(policy):
    """The docstring describes every parameter, and every public method has one."""
    lacking = undescribed(type(policy))
    assert not lacking, "; ".join(lacking)


def check_policy_asks(policy):
    """Each ask names an arm that is alive, throughout the budget."""
    _start(policy)
    assert policy.alive_.dtype == bool, f"alive_ has dtype {policy.alive_.dtype}"
    assert policy.alive_.shape == (N_ARMS,), f"alive_ has shape {policy.alive_.shape}"
    assert policy.alive_.all(), "an arm is dropped before the first pull"
    for arm in _play(policy, BUDGET):
        assert 0 <= arm < N_ARMS, f"it names arm {arm!r} of {N_ARMS}"
    assert policy.alive_.any(), "all arms are dropped"


def check_policy_pending(policy):
    """Asks whose results are outstanding go to more than one arm; results come in any order."""
    _start(policy)
    arms = [policy.ask() for _ in range(2 * N_ARMS)]
    assert len(set(arms)) > 1, f"{len(arms)} asks without a result all name arm {arms[0]}"
    for i, arm in reversed(list(enumerate(arms))):
        policy.tell(arm, _score(arm, i))
    _play(policy, BUDGET - len(arms))


def check_policy_nan(policy):
    """Failed pulls, which score NaN, do not stop it, and never cost the one arm that works."""
    for working in (None, 2):
        _start(policy)
        for i in range(BUDGET):
            arm = policy.ask()
            policy.tell(arm, _score(arm, i) if arm == working else np.nan)
        assert working is None or policy.alive_[working], "the only arm that works is dropped"


def check_policy_exhaust(policy):
    """An exhausted arm is dropped and never named again."""
    _start(policy)
    _play(policy, 2 * N_ARMS)
    rest = [arm for arm in range(N_ARMS) if arm != 1]
    policy.exhaust(1)
    assert not policy.alive_[1], "an exhausted arm is alive"
    assert 1 not in _play(policy, 2 * N_ARMS), "an exhausted arm is named"
    for arm in rest:
        policy.exhaust(arm)
    assert not policy.alive_.any(), "alive_ is True of an exhausted arm"


def check_policy_observe(policy):
    """To observe a pull that was made elsewhere changes it as the ask that names the arm does."""
    twin = pickle.loads(pickle.dumps(policy))
    _start(policy)
    _start(twin)
    for i in range(BUDGET // 2):
        arm = policy.ask()
        twin.observe(arm)
        for each in (policy, twin):
            each.tell(arm, _score(arm, i))
    assert _play(twin, BUDGET // 2) == _play(policy, BUDGET // 2), "the next asks differ"


def check_policy_cancel(policy):
    """A pull that is taken back leaves it as it was."""
    twin = deepcopy(policy)
    for each in (policy, twin):
        _start(each)
        _play(each, BUDGET // 2)
    for _ in range(N_ARMS):
        policy.cancel(policy.ask())
    assert _play(policy, BUDGET // 2) == _play(twin, BUDGET // 2), "the next asks differ"


def check_policy_pickle(policy):
    """Pickled between two pulls, it goes on as if nothing had happened."""
    _start(policy)
    _play(policy, BUDGET // 2)
    policy.ask()
    twin = pickle.loads(pickle.dumps(policy))
    assert _play(twin, BUDGET // 2) == _play(policy, BUDGET // 2), "the next asks differ"


def check_policy_reset(policy):
    """After a reset it repeats itself, with the same seed and the same scores."""
    _start(policy)
    first = _play(policy, BUDGET)
    _start(policy)
    assert _play(policy, BUDGET) == first, "it asks for other arms"


def _start(policy):
    policy.reset(N_ARMS, BUDGET, score_upper_bound=1.0, n_init=3, random_state=0, cost_budget=None)


def _play(policy, n_pulls):
    """Ask and tell, and return the arms."""
    arms = []
    for i in range(n_pulls):
        arms.append(policy.ask())
        policy.tell(arms[-1], _score(arms[-1], i), cost=1.0 + arms[-1], se=0.01)
    return arms


def _score(arm, i):
    """Rise with i towards a height that depends on the arm."""
    return (0.9, 0.6, 0.95, 0.5)[arm] - 0.3 / (1 + i) - 0.01 * (i % 3)


CHECKS = (
    check_policy_docstring,
    check_policy_asks,
    check_policy_pending,
    check_policy_nan,
    check_policy_exhaust,
    check_policy_observe,
    check_policy_cancel,
    check_policy_pickle,
    check_policy_reset,
)


def policy_checks(policy, *, subject=None):
    """List the checks of a policy.

    Parameters
    ----------
    policy : ArmPolicy instance or class
        Of a class, the instance with default parameters is checked.
    subject : str, default=None
        How the checks call it; None for the name of the class.

    Returns
    -------
    checks : list of Check
    """
    policy = policy() if isinstance(policy, type) else policy
    subject = subject or type(policy).__name__
    return [Check(subject, f.__name__, f, deepcopy(policy)) for f in CHECKS]
