"""Functions with cheap versions at levels 0 and 1 that mislead; level 2 is to be maximised."""

import numpy as np
from scipy.stats import uniform

from skstruct.model_selection import MultiFidelitySampler, TrialResult, ask_tell

_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
SHARES = (1 / 9, 1 / 3, 1.0)
HARTMANN_BEST, BRANIN_BEST = 3.322368, -0.397887


def hartmann(x, t):
    """Hartmann's function of 6 variables; the heights of its hills differ between the levels."""
    heights = np.array([1, 1.2, 3, 3.2]) - np.array([0.01, -0.01, -0.1, 0.1]) * (2 - t)
    return float(heights @ np.exp(-(_A * (x - _P) ** 2).sum(axis=1)))


def branin(x):
    """Minus Branin's function on the unit square."""
    a, b = 15 * x[0] - 5, 15 * x[1]
    valley = (b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6) ** 2
    return -(valley + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)


def shifted_branin(x, t):
    """Both cheap versions are shifted, scaled and tilted."""
    if t == 0:
        return 0.8 * branin(np.clip(x + [0.12, -0.08], 0, 1)) + 20 * x[1] - 10
    if t == 1:
        return 1.1 * branin(np.clip(x + [0.05, -0.03], 0, 1)) - 5 * x[0]
    return branin(x)


def adversarial_branin(x, t):
    """The cheapest version is upside down."""
    return -0.5 * branin(x) if t == 0 else shifted_branin(x, t)


FUNCTIONS = {
    "hartmann": (hartmann, 6, HARTMANN_BEST),
    "shifted branin": (shifted_branin, 2, BRANIN_BEST),
    "adversarial branin": (adversarial_branin, 2, BRANIN_BEST),
}


def play(function, n_dims, budget, seed, sampler=MultiFidelitySampler, **params):
    """Return [(level, score) of each trial] of a search until the budget is spent."""
    entries = {f"x{j}": uniform() for j in range(n_dims)}
    core = ask_tell(
        entries, "round_robin", sampler, n_iter=budget, random_state=seed, sampler_params=params
    )
    trials, spent = [], 0.0
    while spent < budget:
        proposal = core.ask()
        t = SHARES.index(proposal.share)
        trials.append((t, function(np.array(proposal.u), t)))
        core.tell(TrialResult(proposal, trials[-1][1]))
        spent += proposal.share
    return trials


def regret(trials, best):
    """Return what the best full trial is below the best there is."""
    return best - max(score for t, score in trials if t == 2)
