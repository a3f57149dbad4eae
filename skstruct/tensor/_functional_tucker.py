"""Variational posterior of a Tucker model whose factors are Gauss-Markov functions.

    y_n = <w, (x)_k u^k(x_nk)> + noise of precision tau weight_n
    u^k_r ~ GP(0, Matern nu, length_k),  w ~ N(0, I),  tau ~ Gamma(A0, B0)

q = prod_k q(u^k) q(w) q(tau), where q(u^k) is the joint posterior of all functions of a mode at
all its knots, the distinct coordinates. Given the rest, the entries at knot x of mode k act on
u^k(x) as exp(-u' Lambda_x u / 2 + eta_x' u), with M2 = cov + mean mean':

    T_x = sum_n weight_n (x)_{j != k} M2^j_n          t_x = sum_n weight_n y_n (x)_{j != k} m^j_n
    Lambda_x = E[tau] E[w w'] contracted with T_x     eta_x = E[tau] w contracted with t_x

so that Kalman filter and smoother are the exact update of q(u^k): the bound rises at each. The
core is then a Gaussian with H = E[tau] sum_n weight_n (x)_k M2^k_n + I, and q(tau) a Gamma. T_x
is made for some knots at a time; nothing of size R^2 is kept for each entry.
"""

from functools import partial
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar

from skstruct.tensor._functional_sums_fast import sum_products
from skstruct.tensor._functional_tucker_fast import between, filtered, smoothed

A0 = B0 = 1e-3
LENGTH, SHORTEST, LONGEST = 0.3, 0.01, 5.0  # prior median and range, in units of the range of x
LENGTH_EVERY = 5  # sweeps
REACH = 3.0  # by which a length scale may change at a time
MIN_SWEEPS = 12
START_COV = 1e-3
BLOCK = 2**16  # numbers of T_x that are made at a time


class Chain:
    """The functions of one mode: their knots, length scale, and posterior."""

    def __init__(self, knots, values, length, smooth):
        self.gaps = np.diff(knots, prepend=-np.inf)
        self.knots = knots
        self.length = length
        self.smooth = smooth
        self.mean = values
        self.second = values[:, :, None] * values[:, None, :] + START_COV * np.eye(values.shape[1])
        self.divergence = 0.0

    def update(self, Lambda, eta, adapt):
        """Absorb the messages of all knots; with adapt, choose the length scale first."""
        if adapt:
            self._choose_length(Lambda, eta)
        D, R = eta.shape
        d = 2 * R if self.smooth else R
        self.predicted = (
            np.empty((D, d)),
            np.empty((D, d, d)),
            np.empty((D, R, R)),
            np.empty((D, R)),
        )
        log_mean = filtered(self.gaps, self.length, self.smooth, Lambda, eta, *self.predicted)
        self.right = np.empty((D, d)), np.empty((D, d, d))
        self.mean, self.cov = np.empty((D, R)), np.empty((D, R, R))
        smoothed(
            self.gaps, self.length, self.smooth, *self.predicted, *self.right, self.mean, self.cov
        )
        self.second = self.cov + self.mean[:, :, None] * self.mean[:, None, :]
        self.divergence = float(-0.5 * Lambda.ravel() @ self.second.ravel())
        self.divergence += float(eta.ravel() @ self.mean.ravel()) - log_mean

    def _choose_length(self, Lambda, eta):
        R = eta.shape[1]
        d = 2 * R if self.smooth else R
        room = np.empty((1, d)), np.empty((1, d, d)), np.empty((1, R, R)), np.empty((1, R))

        def loss(log_length):
            length = np.exp(log_length)
            log_mean = filtered(self.gaps, length, self.smooth, Lambda, eta, *room)
            return -log_mean - log_prior(length)

        low, high = max(self.length / REACH, SHORTEST), min(self.length * REACH, LONGEST)
        found = minimize_scalar(
            loss, bounds=(np.log(low), np.log(high)), method="bounded", options={"xatol": 0.1}
        )
        if found.fun < loss(np.log(self.length)):
            self.length = float(np.exp(found.x))

    def at(self, x):
        """Return means and covariances of the functions at scaled coordinates."""
        left = np.searchsorted(self.knots, x, side="right") - 1
        ends = np.concatenate(([-np.inf], self.knots, [np.inf]))
        mean = np.empty((len(x), self.mean.shape[1]))
        cov = np.empty((*mean.shape, mean.shape[1]))
        between(
            left, x - ends[left + 1], ends[left + 2] - x, self.length, self.smooth,
            *self.predicted, *self.right, mean, cov,
        )  # fmt: skip
        return mean, cov


def log_prior(length):
    """Return the logarithm of the prior of a length scale, up to a constant."""
    return -0.5 * np.log(length / LENGTH) ** 2


class Posterior:
    """The factors of q, and the updates of each.

    Parameters
    ----------
    index : ndarray of shape (n_entries, n_modes)
        Knot of each entry in each mode.
    y, weight : ndarray of shape (n_entries,)
        Standardised values, and their weights.
    chains : list of Chain
        With start values.
    core : ndarray
        Start value.
    adapt : list of bool
        For each mode, whether its length scale is learnt.
    """

    def __init__(self, index, y, weight, chains, core, adapt):
        self.index, self.y, self.weight = index, y, weight
        self.chains, self.adapt = chains, adapt
        self.rank = core.shape
        self.mean = core.ravel()
        self.cov = START_COV * np.eye(core.size)
        self.orders = [np.argsort(column, kind="stable") for column in index.T]
        self.ends = [
            np.concatenate(([0], np.cumsum(np.bincount(column, minlength=len(chain.knots)))))
            for column, chain in zip(index.T, chains, strict=True)
        ]
        self.a = A0 + 0.5 * weight.sum()
        value = multilinear(self.mean, [c.mean[i] for c, i in zip(chains, index.T, strict=True)])
        self._update_precision(float(weight @ (y - value) ** 2))

    def fit(self, max_iter, tol, call):
        """Sweep until the bound rises by little; return the bounds and whether it does.

        call runs a function, and returns whether to stop after it.
        """
        bounds = []
        for number in range(max_iter):
            adapt = number % LENGTH_EVERY == 1
            stopped = call(partial(self._sweep, adapt))
            bounds.append(self._bound())
            settled = number + 1 >= MIN_SWEEPS and not (adapt and any(self.adapt))
            if stopped or (settled and bounds[-1] - bounds[-2] < tol * abs(bounds[-1])):
                return np.array(bounds), True
        return np.array(bounds), False

    def _sweep(self, adapt):
        for k, chain in enumerate(self.chains):
            chain.update(*self._messages(k), adapt and self.adapt[k])
        self._update_core()

    def second_moment(self):
        """Return E[w w'] as a tensor of two axes for each mode, side by side."""
        K = len(self.rank)
        moment = (np.outer(self.mean, self.mean) + self.cov).reshape(self.rank * 2)
        return moment.transpose([axis for k in range(K) for axis in (k, K + k)])

    def _messages(self, k):
        """Return Lambda and eta of all knots of mode k."""
        R, K = self.rank[k], len(self.rank)
        axes = [axis for j in range(K) if j != k for axis in (2 * j, 2 * j + 1)]
        moment = self.second_moment().transpose([*axes, 2 * k, 2 * k + 1]).reshape(-1, R * R)
        slope = np.moveaxis(self.mean.reshape(self.rank), k, -1).reshape(-1, R)
        D = len(self.chains[k].knots)
        Lambda, eta = np.empty((D, R * R)), np.empty((D, R))
        for first, last in self._blocks(k):
            T = self._sums(k, first, last, "second", self.weight)
            t = self._sums(k, first, last, "mean", self.weight * self.y)
            Lambda[first:last] = self.tau * (T @ moment)
            eta[first:last] = self.tau * (t @ slope)
        return Lambda.reshape(D, R, R), eta

    def _blocks(self, k):
        width = (len(self.mean) // self.rank[k]) ** 2
        D = len(self.chains[k].knots)
        return pairwise([*range(0, D, max(1, BLOCK // width)), D])

    def _sums(self, k, first, last, moment, coef):
        """Return sums over the entries of knots of mode k of products of moments of the others."""
        values = [getattr(chain, moment) for chain in self.chains]
        sizes = np.array([v[0].size for v in values])
        starts = np.cumsum([0, *(v.size for v in values[:-1])])
        sizes[k] = 0
        out = np.empty((last - first, np.prod(sizes[sizes > 0], dtype=int)))
        sum_products(
            self.orders[k], self.ends[k], first, self.index,
            np.concatenate([v.ravel() for v in values]), starts, sizes, coef, out,
        )  # fmt: skip
        return out

    def _update_core(self):
        k, K, P = len(self.rank) - 1, len(self.rank), len(self.mean)
        S, b = 0.0, 0.0
        for first, last in self._blocks(k):
            chain = self.chains[k]
            T = self._sums(k, first, last, "second", self.weight)
            t = self._sums(k, first, last, "mean", self.weight * self.y)
            S = S + T.T @ chain.second[first:last].reshape(last - first, -1)
            b = b + t.T @ chain.mean[first:last]
        pairs = [size for R in self.rank for size in (R, R)]
        turned = [*range(0, 2 * K, 2), *range(1, 2 * K, 2)]
        S = S.reshape(pairs).transpose(turned).reshape(P, P)
        b = b.ravel()
        factor = cho_factor(self.tau * S + np.eye(P), lower=True)
        self.cov = cho_solve(factor, np.eye(P))
        self.cov = 0.5 * (self.cov + self.cov.T)
        self.mean = cho_solve(factor, self.tau * b)
        log_det = -2 * np.log(factor[0].diagonal()).sum()
        self.core_divergence = 0.5 * (self.cov.trace() + self.mean @ self.mean - P - log_det)
        squares = float(self.weight @ self.y**2)
        moment = np.outer(self.mean, self.mean) + self.cov
        self._update_precision(squares - 2 * self.mean @ b + float(moment.ravel() @ S.ravel()))

    def _update_precision(self, squares):
        self.b = B0 + 0.5 * max(squares, 0.0)
        self.tau = self.a / self.b

    def _bound(self):
        """Return the evidence lower bound, with the prior of the length scales."""
        bound = -self.a * np.log(self.b) - self.core_divergence
        for chain in self.chains:
            bound += log_prior(chain.length) - chain.divergence
        return bound

    def drop_data(self):
        """Forget the entries, which predictions do not need."""
        for name in ("index", "y", "weight", "orders", "ends"):
            delattr(self, name)


def multilinear(core, values):
    """Return the core, flat, contracted with a row of each of several arrays.

    Parameters
    ----------
    core : ndarray of size prod size_k
        In C order.
    values : list of ndarray of shape (n, size_k)
        One for each mode.

    Returns
    -------
    out : ndarray of shape (n,)
    """
    out = values[-1] @ core.reshape(-1, values[-1].shape[1]).T
    for v in reversed(values[:-1]):
        out = np.einsum("nar,nr->na", out.reshape(len(v), -1, v.shape[1]), v)
    return out[:, 0]
