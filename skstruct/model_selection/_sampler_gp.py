"""Search by expected improvement of a Gaussian process, in one arm's space.

After a start on Sobol points, each ask takes the candidate that is likeliest to improve, of 256
random ones and 192 around the 4 best results. Before the process sees them, scores below med - 2
(best - med), and failures, are raised to it: how bad a bad point is must not decide what is
learned of the good ones. The process is fitted once per new result, in `ask` or `observe`. With
probability ``eps`` the point is random: a wrong model cannot keep the search out of any region.
"""

import numpy as np

from skstruct.model_selection._candidates import (
    N_SOBOL,
    moves_around,
    shifted_sobol,
    standardised,
)
from skstruct.model_selection._gp import GaussianProcess, Inputs, log_expected_improvement
from skstruct.model_selection._sampler import Sampler

_N_RANDOM = 256
_N_BEST = 4
_N_AROUND = 48


class GPSampler(Sampler):
    """Maximise the expected improvement of a Gaussian process.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        Source of all randomness.
    eps : float, default=0.05
        Probability of a random point instead, in [0, 1].

    Attributes
    ----------
    n_init : int
        ``clip(n_dims + 1, 3, 6)`` results come before the first model.
    results : dict
        From the points told so far to their scores, in order.

    See Also
    --------
    RandomSampler : Learns nothing, and costs nothing.

    Notes
    -----
    With n results in d dimensions an ask takes O(n^3 + n^2 d) for each of at most 25 steps of the
    fit, and O(n^2) for each of 448 candidates; the memory is O(n^2 d).

    References
    ----------
    D. R. Jones, M. Schonlau, W. J. Welch. Efficient global optimization of expensive black-box
    functions. Journal of Global Optimization 13, 1998.

    S. Ament, S. Daulton, D. Eriksson, M. Balandat, E. Bakshy. Unexpected improvements to expected
    improvement for Bayesian optimization. NeurIPS 2023, arXiv:2310.20708.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from skstruct.model_selection import GPSampler, TrialResult, ask_tell
    >>> search = ask_tell({"x": uniform(0, 1)}, "round_robin", GPSampler, random_state=0)
    >>> for _ in range(12):
    ...     proposal = search.ask()
    ...     x = search.params(proposal)["x"]
    ...     search.tell(TrialResult(proposal, -((x - 0.3) ** 2)))
    >>> round(x, 1)
    0.3
    """

    def __init__(self, space, rng, *, eps=0.05):
        if not 0 <= eps <= 1:
            raise ValueError(f"eps must be between 0 and 1, got {eps!r}.")
        super().__init__(space, rng)
        self.eps = eps
        self.n_init = min(max(space.n_dims + 1, 3), 6)
        self._sobol = shifted_sobol(space.n_dims, rng)
        self._inputs = Inputs(space.categorical)
        self._process = GaussianProcess(self._inputs)
        self._scores = []
        self._n_fitted = 0

    def tell(self, u, score):
        super().tell(u, score)
        self._inputs.add(u)
        self._scores.append(score if np.isfinite(score) else np.nan)

    def observe(self, u):
        self._fit()

    def ask(self, pending=()):
        z = self._fit()
        used = {*self.results, *pending}
        if z is None:
            u = self.space.point(self._sobol[len(used) % N_SOBOL])
            return u if u not in used else self.space.sample_new(self.rng, used)
        if self.rng.random() >= self.eps:
            candidates = self._candidates(z)
            mu, sigma, fitted = self._process.predict(z, candidates, pending)
            improvement = log_expected_improvement(mu, sigma, fitted.max())
            for i in np.argsort(-improvement, kind="stable"):
                u = tuple(candidates[i].tolist())
                if u not in used:
                    return u
        return self.space.sample_new(self.rng, used)

    def _fit(self):
        """Fit the process and return its values; None if there can be no model yet."""
        n = len(self._scores)
        z = standardised(np.array(self._scores)) if n >= self.n_init else None
        if z is not None and n > self._n_fitted:
            self._process.fit(z)
            self._n_fitted = n
        return z

    def _candidates(self, z):
        """Return points of the space: random ones, and moves away from the best results."""
        best = np.argsort(-z, kind="stable")[:_N_BEST]
        around = moves_around(self.space, self.rng, self._inputs.points[best], _N_AROUND)
        anywhere = self.rng.random((_N_RANDOM, self.space.n_dims))
        return self.space.snap(np.concatenate((anywhere, around)))
