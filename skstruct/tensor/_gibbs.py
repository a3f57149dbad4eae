"""Gibbs sampling of the factors of a tensor of which only entries are given.

An entry of the slices i_1 .. i_K has the mean p = sum_r prod_k u^k_{i_k, r} and the precision
alpha w. The rows of factor k come from N(mu + B' f_i, Lambda^-1), with features f_i of slice i if
the mode has any ("side information"). A sweep draws, for each mode in turn, all given the rest:

    E = U - F B       Lambda ~ Wishart(nu_0 + n (+ n_features), (I + lb B'B + scatter of E)^-1),
                      mu ~ N(n mean(E) / (beta_0 + n), ((beta_0 + n) Lambda)^-1)
    link matrix       B by noise injection (_gibbs_links), lb ~ Gamma    lb: `penalty`
    rows              u_i ~ N(G_i^-1 b_i, G_i^-1), in the kernel `row_update`

and then the noise: alpha from the residuals, or the latent values of a probit. The prior of B is
N(0, Lambda^-1 / lb) a row, so that B is evidence on Lambda too. Slices without entries say nothing
of mu, Lambda and B: they are integrated out of these, and drawn from the prior with the rows. The
slice after the last one stands for all that were never seen.
"""

from collections import namedtuple
from functools import cache

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from skstruct.tensor._entries import other_factors, pad, row_ranges, row_update, values

BETA_0 = 2.0  # rows that the prior of mu counts for
PENALTY_START = 5.0
ALPHA_MAX = 1e8  # standardised values have no more precision than that
SMALLEST = 2.0**-54  # of a uniform number
LOG_TAIL = -30.0  # from there on the normal distribution is computed in logarithms

Entries = namedtuple("Entries", ["index", "modes", "y", "weight"])
Entries.__doc__ = """Entries that the chains share, each mode of them sorted.

`index`, `y` and `weight` (None for ones) are as in the table; `modes` is from `sort_by_mode`.
"""


@cache
def _bartlett(rank):
    """Return a mask of what is below the diagonal, and what the shapes there lose."""
    return np.tri(rank, k=-1), np.arange(rank) / 2


def draw_wishart(rng, dof, inverse_scale):
    """Draw a precision matrix, and a root of its inverse.

    Returns
    -------
    Lambda : ndarray of shape (rank, rank)
        Of the Wishart distribution with that many degrees of freedom.
    root : ndarray of shape (rank, rank)
        root' root is the inverse of Lambda: a row of normal numbers times it is N(0, Lambda^-1).
    """
    rank = len(inverse_scale)
    below, lost = _bartlett(rank)
    C, _ = dpotrf(inverse_scale, lower=1)
    A = below * rng.standard_normal((rank, rank))
    A.flat[:: rank + 1] = np.sqrt(2 * rng.standard_gamma(dof / 2 - lost))
    root, _ = dtrtrs(A, C.T, lower=1)
    half, _ = dtrtrs(C, A, lower=1, trans=1)
    return half @ half.T, root


class RowPrior:
    """Normal prior of the rows of a factor, and the draw of its parameters.

    Parameters
    ----------
    n_rows : int
        Number of rows, with that of the slice that stands for the unseen.
    seen : ndarray of shape (n_seen,)
        The slices that have entries.
    rank : int
        Number of components.
    features : RotatedFeatures, PlainFeatures or None
        Those of the slices but for the last.
    """

    def __init__(self, n_rows, seen, rank, features):
        self.seen = slice(0, len(seen)) if len(seen) == n_rows - 1 else seen
        self.features = features
        self.penalty = PENALTY_START
        self.link = None if features is None else np.zeros((features.rows.shape[1], rank))
        self.offset = None if features is None else np.zeros((n_rows, rank))  # F B
        self.precision = pad(pad(np.eye(rank)).T).T.copy()
        self.shift = pad(np.zeros((1 if features is None else n_rows, rank)))
        self.mean = np.zeros(rank)

    def draw(self, U, rng):
        """Draw mean, precision and link given the rows of the factor."""
        rank, U = U.shape[1], U[self.seen]
        n = len(U)
        E = U if self.features is None else U - self.offset[self.seen]
        center = E.sum(axis=0) / max(n, 1)
        E = E - center
        inverse_scale = E.T @ E
        inverse_scale += (BETA_0 * n / (BETA_0 + n)) * center[:, np.newaxis] * center
        inverse_scale.flat[:: rank + 1] += 1.0
        dof = rank + n
        if self.features is not None:
            inverse_scale += self.penalty * (self.link.T @ self.link)
            dof += len(self.link)
        Lambda, root = draw_wishart(rng, dof, inverse_scale)
        noise = rng.standard_normal(rank) @ root
        self.mean = (n * center + np.sqrt(BETA_0 + n) * noise) / (BETA_0 + n)
        self.precision[:rank, :rank] = Lambda
        if self.features is None:
            self.shift[:, :rank] = self.mean @ Lambda
        else:
            self._draw_link(U - self.mean, Lambda, root, rng)
            self.shift[:, :rank] = (self.mean + self.offset) @ Lambda

    def _draw_link(self, deviation, Lambda, root, rng):
        n, (n_features, rank) = len(deviation), self.link.shape
        noise = rng.standard_normal((n + n_features, rank)) @ root
        rhs = self.features.seen_columns @ (deviation + noise[:n])
        self.link = self.features.ridge(self.penalty, rhs + np.sqrt(self.penalty) * noise[n:])
        size = ((self.link @ Lambda) * self.link).sum()
        self.penalty = rng.standard_gamma((1 + self.link.size) / 2) / ((1 + size) / 2)
        self.offset[:-1] = self.features.rows @ self.link


class GaussianNoise:
    """Noise of unknown precision alpha, or of a given one.

    Parameters
    ----------
    entries : Entries
        What is given.
    alpha : float or None
        The precision of an entry of weight 1; None to draw it.
    """

    def __init__(self, entries, alpha):
        y, weight = entries.y, entries.weight
        self.targets = [y[mode.order] for mode in entries.modes]
        self._mass = len(y) if weight is None else weight.sum()
        self._total = y @ y if weight is None else weight @ y**2
        self._known = None if alpha is None else min(alpha, ALPHA_MAX)
        self.alpha = 1.0 if alpha is None else min(self._known, 1.0)

    def draw(self, factors, explained, rng, burn_in):
        """Draw the precision; return the root mean square of the residuals.

        explained : float
            By how much the factors lower the sum of squares from that of the values.
        burn_in : bool
            Whether a known precision waits for the residuals to become small: a chain that starts
            with a large one finds a poor mode and does not leave it.
        """
        rest = max(self._total - explained, 0.0)
        if self._known is None:
            alpha = rng.standard_gamma((1 + self._mass) / 2) / ((1 + rest) / 2)
            self.alpha = min(alpha, ALPHA_MAX)
        elif burn_in and self._known * rest > self._mass:
            self.alpha = self._mass / rest
        else:
            self.alpha = self._known
        return np.sqrt(rest / max(self._mass, 1e-300))


class Probit:
    """Labels, the signs of latent values with noise of precision 1.

    Parameters
    ----------
    entries : Entries
        With values that are -1 or 1.
    factors : list of ndarray
        The factors at the start.
    rng : Generator
    """

    alpha = 1.0

    def __init__(self, entries, factors, rng):
        self._entries = entries
        self.targets = [np.empty(len(entries.y)) for _ in entries.modes]
        self.draw(factors, None, rng, True)

    def draw(self, factors, explained, rng, burn_in):
        """Draw the latent values; return the mean log loss of the labels."""
        sign = self._entries.y
        toward = sign * values(self._entries.index, factors)
        latent, log_probability = draw_positive(toward, rng)
        latent *= sign
        for mode, target in zip(self._entries.modes, self.targets, strict=True):
            np.take(latent, mode.order, out=target)
        return -log_probability.mean() if len(sign) else 0.0


def draw_positive(mean, rng):
    """Draw normal numbers of variance 1 that are positive.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Means of the normal distributions that are truncated at 0.
    rng : Generator
        Where uniform numbers come from.

    Returns
    -------
    x : ndarray of shape (n,)
        The draws.
    log_probability : ndarray of shape (n,)
        Logarithms of the probabilities to be positive.
    """
    # mean - x is a normal number below mean: all is in the lower tail, where nothing cancels.
    uniform = np.maximum(rng.random(len(mean)), SMALLEST)
    probability = ndtr(mean)
    far = np.flatnonzero(mean < LOG_TAIL)
    below = ndtri(uniform * probability)
    probability[far] = 1.0
    log_probability = np.log(probability)
    log_probability[far] = log_ndtr(mean[far])
    below[far] = ndtri_exp(np.log(uniform[far]) + log_probability[far])
    return np.maximum(mean - below, 0.0), log_probability


class Chain:
    """A Markov chain of factors, their priors and the noise.

    Parameters
    ----------
    entries : Entries
        What is given.
    features : list of RotatedFeatures, PlainFeatures or None
        Those of the slices of each mode.
    noise : {"probit", "adaptive"} or float
        A number is the known precision of an entry.
    rank : int
        Number of components.
    seed : SeedSequence
        Decides all draws.

    Attributes
    ----------
    factors : list of ndarray of shape (n_slices + 1, rank padded to a multiple of 8)
    alpha : float
    """

    def __init__(self, entries, features, noise, rank, seed):
        self._rng = np.random.default_rng(seed)
        self._entries, self._rank = entries, rank
        n_rows = [len(mode.ptr) - 1 for mode in entries.modes]
        scale = rank ** (-0.5 / len(n_rows))  # sums of products have unit variance
        self.factors = [pad(scale * self._rng.standard_normal((n, rank))) for n in n_rows]
        self._normal = [np.empty_like(U) for U in self.factors]
        self._explained = [np.empty(n) for n in n_rows]
        self._weight = [
            None if entries.weight is None else entries.weight[mode.order]
            for mode in entries.modes
        ]
        self.priors = [
            RowPrior(n, np.flatnonzero(np.diff(mode.ptr)), rank, side)
            for n, mode, side in zip(n_rows, entries.modes, features, strict=True)
        ]
        if noise == "probit":
            self._noise = Probit(entries, self.factors, self._rng)
        else:
            self._noise = GaussianNoise(entries, None if noise == "adaptive" else noise)

    @property
    def alpha(self):
        return self._noise.alpha

    def sweep(self, pool=None, n_ranges=1, *, burn_in=False):
        """Draw everything once; return the loss of the entries.

        pool : ThreadPoolExecutor or None
            Where the rows of a factor are drawn that this thread does not draw.
        n_ranges : int
            How many ranges of rows there are, the first of them for this thread.
        burn_in : bool
            Whether the draws need not be of the posterior yet.
        """
        rank = self._rank
        for k, (mode, prior) in enumerate(zip(self._entries.modes, self.priors, strict=True)):
            U, normal = self.factors[k], self._normal[k]
            prior.draw(U[:, :rank], self._rng)
            self._rng.standard_normal(out=normal)
            arguments = (
                U, mode.ptr, mode.index, self._noise.targets[k], self._weight[k],
                other_factors(self.factors, k, rank), self.alpha, prior.precision, prior.shift,
                normal, self._explained[k], rank,
            )  # fmt: skip
            first, *rest = row_ranges(mode.ptr, n_ranges)
            runs = [pool.submit(row_update, *arguments, *rows) for rows in rest]
            row_update(*arguments, *first)
            for run in runs:
                run.result()
        return self._noise.draw(self.factors, self._explained[-1].sum(), self._rng, burn_in)


def split_r_hat(draws):
    """Potential scale reduction of chains cut in halves: near 1 where they agree.

    Parameters
    ----------
    draws : ndarray of shape (n_chains, n_draws, ...)
        At least 4 draws.

    Returns
    -------
    r_hat : ndarray of shape (...)
        NaN for less than 4 draws; 1 for what is constant.
    """
    n_draws = draws.shape[1]
    half = n_draws // 2
    if half < 2:
        return np.full(draws.shape[2:], np.nan)
    halves = np.concatenate([draws[:, :half], draws[:, n_draws - half :]])
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    ratio = np.divide(between, within, out=np.zeros_like(between), where=within > 0)
    return np.sqrt((half - 1) / half + ratio + (within == 0) / half)
