"""Tucker model over continuous coordinates with Gaussian-process factors [1]_.

    y ~ core x_1 u^1(x_1) ... x_K u^K(x_K) + noise,    u^k_r ~ GP(0, Matern)

A Matern process of half-integer smoothness is a Markov chain over sorted coordinates, so that
message passing takes time linear in the number of entries. _functional_tucker.py has the model
and its updates, _functional_tucker_fast.pyx the chains.

Other than in [1]_, messages are sums over the entries of a coordinate, which makes each update
exact coordinate ascent on the evidence lower bound: it rises without damping. The covariance of
the core is kept for that. Length scales are learnt by the same bound. Sweeps start from a
penalised fit in Chebyshev polynomials, since from a random start weak components die out.
"""

import warnings
from math import prod
from numbers import Integral, Real

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from skstruct._lib.row_blocks import one_blas_thread
from skstruct._validation import (
    FLOATS,
    Interval,
    Options,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    check_is_fitted,
    check_random_state,
    keep_model_on_error,
    validate_data,
)
from skstruct.tensor._accelerated_sweeps import watched
from skstruct.tensor._chebyshev import fitting_rank
from skstruct.tensor._chebyshev_fit import MAX_CORE, scattered_fit, standardized
from skstruct.tensor._functional_tucker import LENGTH, Chain, Posterior, multilinear

AUTO_RANK, AUTO_CORE = 3, 128  # rank of "auto", and elements of the core that it keeps within
START_SIZE, START_SWEEPS, START_ROUNDS = 16, 15, 4
START_ALPHA, LEAST_ALPHA = 1e-2, 1e-10  # penalty, which falls to the variance of the noise
BLOCK = 2**20  # numbers of moments that predict makes at a time


class FunctionalTuckerRegressor(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Bayesian Tucker decomposition of a tensor with continuous indices, from some entries.

    A row of X has a coordinate for each mode (latitude, longitude, time), y the value there. The
    factors are functions of the coordinates with Gaussian-process priors, so that values are
    predicted at any coordinates, with standard deviations, in time linear in the number of rows.

    Read more in the :ref:`User Guide <functional_tucker_regressor>`.

    Parameters
    ----------
    rank : "auto", int or tuple of int, default="auto"
        Number of functions of each mode. An int is lowered for modes that have no room for so
        many; a tuple is taken as it is. "auto" is 3, or what keeps the core within 128 elements if
        that is less. The core has at most 4096.
    nu : {0.5, 1.5, "auto"}, default=1.5
        Smoothness of the functions: with 1.5 they have a derivative, with 0.5 they are rough.
        "auto" fits both, and keeps that of the higher bound.
    length_scale : float or array-like of shape (n_features,), default=None
        Distances over which the functions vary, in the units of the features. By default learnt.
    max_iter : int, default=100
        Number of sweeps at most.
    tol : float, default=1e-4
        Sweeps stop when the bound rises by less than this, relatively.
    n_init : int, default=1
        Number of starts, of which the fit with the highest bound is kept.
    random_state : int, RandomState instance or None, default=None
        Perturbs the starts.

    Attributes
    ----------
    core_ : ndarray of shape `rank_`
        Posterior mean of the core, in units of y.
    core_cov_ : ndarray of shape (prod `rank_`, prod `rank_`)
        Posterior covariance of its elements in C order.
    rank_ : tuple of int
        Ranks.
    knots_ : list of ndarray
        Distinct coordinates of each mode.
    factor_means_ : list of ndarray of shape (n_knots, rank)
        Posterior means of the functions at the knots.
    factor_covs_ : list of ndarray of shape (n_knots, rank, rank)
        Posterior covariances of the functions at each knot.
    length_scale_ : ndarray of shape (n_features,)
        Length scales.
    nu_ : float
        Smoothness.
    intercept_ : float
        Mean of y, which is added to the predictions.
    noise_ : float
        Standard deviation of the noise.
    elbo_ : ndarray of shape (`n_iter_`,)
        Evidence lower bound after each sweep, up to a constant that the data give.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of modes.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    ChebyshevTucker : The same format, fitted by penalised least squares.
    CPRegressor : Modes whose indices are categories.
    sklearn.gaussian_process.GaussianProcessRegressor : No low rank, in cubic time.

    Notes
    -----
    A sweep costs K n R^(2(K-1)) + sum_k D_k ((2R)^3 + R^(2K)) operations for n rows, K modes, rank
    R and D_k distinct coordinates; memory is D_k (2R)^2 numbers. A prediction costs R^(2K).

    All is computed in float64; predictions have the dtype of X. `sample_weight` multiplies the
    precision of the noise of a row.

    A structure that is diagonal in two modes, like a trend that runs through years and months, is
    not of low rank: a Gaussian process on the sum of both is then better.

    References
    ----------
    .. [1] S. Fang, X. Yu, Z. Wang, S. Li, R. M. Kirby, S. Zhe, "Functional Bayesian Tucker
       Decomposition for Continuous-indexed Tensor Data", International Conference on Learning
       Representations, 2024, arXiv:2311.04829.
    .. [2] G. J. Bierman, "Fixed interval smoothing with discrete measurements", International
       Journal of Control 18(1), 1973.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.tensor import FunctionalTuckerRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(500, 2))
    >>> f = np.sin(6 * X[:, 0]) * np.exp(X[:, 1])
    >>> y = f + 0.1 * rng.standard_normal(500)
    >>> model = FunctionalTuckerRegressor(rank=1, random_state=0).fit(X, y)
    >>> mean, std = model.predict(X, return_std=True)
    >>> bool(np.mean((mean - f) ** 2) < 0.003)
    True
    >>> round(model.noise_, 1)
    0.1
    """

    _parameter_constraints = {
        "rank": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), "array-like"],
        "nu": [Options(Real, {0.5, 1.5}), StrOptions({"auto"})],
        "length_scale": [Interval(Real, 0, None, closed="neither"), "array-like", None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        rank="auto",
        *,
        nu=1.5,
        length_scale=None,
        max_iter=100,
        tol=1e-4,
        n_init=1,
        random_state=None,
    ):
        self.rank = rank
        self.nu = nu
        self.length_scale = length_scale
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the rank and the smoothness.

        Returns
        -------
        space : dict
            A list for each parameter.
        """
        return {"rank": ["auto", 1, 2], "nu": [0.5, 1.5]}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of FunctionalTuckerRegressor
        """
        return [cls(), cls(1, nu=0.5)]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y, sample_weight=None):
        """Fit the model to entries of a tensor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates, a mode a column.
        y : array-like of shape (n_samples,)
            Values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted model.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", y_numeric=True)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        X, y = X.astype(np.float64), y.astype(np.float64)
        weight = np.ones(len(y))
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            kept = weight > 0
            X, y, weight = X[kept], y[kept], weight[kept]
        self._low = X.min(axis=0)
        width = X.max(axis=0) - self._low
        self._width = np.where(width > 0, width, 1.0)
        y, self.intercept_, self._scale = standardized(y, weight)

        x = (X - self._low) / self._width
        knots, index = zip(*(np.unique(c, return_inverse=True) for c in x.T), strict=True)
        index = np.stack(index, axis=1)
        self.rank_ = self._ranks([len(t) for t in knots])
        lengths = self._lengths()
        random_state = check_random_state(self.random_state)
        smoothness = (0.5, 1.5) if self.nu == "auto" else (self.nu,)
        n_sweeps = self.n_init * len(smoothness) * self.max_iter
        context = self._init_callback_context(max_subtasks=n_sweeps)
        context.call_on_fit_task_begin(estimator=self, **data)
        call, best = watched(self, context, data), None
        with one_blas_thread():
            for _ in range(self.n_init):
                core, values = self._start(x, y, weight, knots, index, random_state)
                for nu in smoothness:
                    chains = [
                        Chain(t, v, LENGTH if length is None else length, nu == 1.5)
                        for t, v, length in zip(knots, values, lengths, strict=True)
                    ]
                    adapt = [length is None for length in lengths]
                    posterior = Posterior(index, y, weight, chains, core, adapt)
                    bounds, converged = posterior.fit(self.max_iter, self.tol, call)
                    if best is None or bounds[-1] > best[1][-1]:
                        best = posterior, bounds, converged, nu
        self._posterior, self.elbo_, converged, self.nu_ = best
        self._posterior.drop_data()
        self._publish()
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        if not converged:
            warnings.warn(
                f"The bound still rose after max_iter={self.max_iter} sweeps; increase max_iter.",
                ConvergenceWarning,
            )
        return self

    def predict(self, X, return_std=False):
        """Predict values at coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Coordinates.
        return_std : bool, default=False
            Whether to return standard deviations too.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Predictions, of the dtype of X.
        std : ndarray of shape (n_samples,)
            Standard deviations of values at X, noise included. Only if `return_std`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        x = (X.astype(np.float64) - self._low) / self._width
        posterior, n_samples = self._posterior, len(X)
        means, seconds, index = [], [], []
        for chain, column in zip(posterior.chains, x.T, strict=True):
            places, inverse = np.unique(column, return_inverse=True)
            mean, cov = chain.at(places)
            means.append(mean)
            seconds.append((cov + mean[:, :, None] * mean[:, None, :]).reshape(len(places), -1))
            index.append(inverse)
        moment = posterior.second_moment().ravel() if return_std else None
        mean, variance = np.empty(n_samples), np.empty(n_samples)
        size = max(1, BLOCK // posterior.mean.size**2)
        with one_blas_thread():
            for first in range(0, n_samples, size):
                rows = slice(first, first + size)
                mean[rows] = multilinear(posterior.mean, _rows(means, index, rows))
                if return_std:
                    variance[rows] = multilinear(moment, _rows(seconds, index, rows))
        y = (self.intercept_ + self._scale * mean).astype(X.dtype)
        if not return_std:
            return y
        variance = np.maximum(variance - mean**2, 0.0) + 1 / posterior.tau
        return y, (self._scale * np.sqrt(variance)).astype(X.dtype)

    def factors_at(self, mode, x):
        """Return the posterior of the functions of a mode at coordinates.

        Parameters
        ----------
        mode : int
            Index of the mode.
        x : array-like of shape (n,)
            Coordinates.

        Returns
        -------
        mean : ndarray of shape (n, rank)
            Means.
        cov : ndarray of shape (n, rank, rank)
            Covariances at each coordinate.
        """
        check_is_fitted(self)
        if not isinstance(mode, Integral) or not 0 <= mode < self.n_features_in_:
            raise ValueError(
                f"mode={mode!r}; it must be an integer of 0 .. {self.n_features_in_ - 1}."
            )
        x = check_array(x, ensure_2d=False, dtype=np.float64, input_name="x")
        if x.ndim != 1:
            raise ValueError(f"x has shape {x.shape}; it must have one dimension.")
        scaled = (x - self._low[mode]) / self._width[mode]
        return self._posterior.chains[mode].at(scaled)

    def _ranks(self, sizes):
        rank = self.rank
        if rank == "auto":
            rank = next(r for r in range(AUTO_RANK, 0, -1) if r ** len(sizes) <= AUTO_CORE)
        rank = fitting_rank(rank, sizes)
        if prod(rank) > MAX_CORE:
            raise ValueError(
                f"rank={self.rank!r} makes a core of {prod(rank)} elements for {len(sizes)} "
                f"modes; {MAX_CORE} are allowed."
            )
        return rank

    def _lengths(self):
        """Return length scales in units of the range of each column, or None."""
        if self.length_scale is None:
            return [None] * self.n_features_in_
        given = np.asarray(self.length_scale, dtype=np.float64)
        legal = (given > 0) & np.isfinite(given)
        if given.shape not in ((), (self.n_features_in_,)) or not legal.all():
            raise ValueError(
                f"length_scale={self.length_scale!r}; it must be positive and finite, or one such "
                f"number for each of {self.n_features_in_} features."
            )
        return list(given / self._width)

    def _start(self, x, y, weight, knots, index, random_state):
        """Return a core and, at the knots, functions of unit mean square."""
        n = tuple(
            max(r, min(len(t) // 2, START_SIZE)) for r, t in zip(self.rank_, knots, strict=True)
        )
        alpha = START_ALPHA
        for _ in range(START_ROUNDS):
            core, factors, objectives, _ = scattered_fit(
                2 * x - 1, y, weight, n, self.rank_, alpha=alpha, smoothness=1.0,
                max_iter=START_SWEEPS, random_state=random_state,
            )  # fmt: skip
            variance = (objectives[-1] - alpha * np.sum(core**2)) / weight.sum()
            if variance > 0.5 * alpha:
                break
            alpha = max(variance, LEAST_ALPHA)  # with more, weak components would be lost
        values = []
        for k, (t, C) in enumerate(zip(knots, factors, strict=True)):
            u = chebvander(2 * t - 1, len(C) - 1) @ C
            size = np.sqrt(np.average(u[index[:, k]] ** 2, axis=0, weights=weight))
            size = np.where(size > 0, size, 1.0)
            values.append(u / size)
            core = np.moveaxis(np.moveaxis(core, k, -1) * size, -1, k)
        return np.ascontiguousarray(core), values

    def _publish(self):
        """Set the attributes that describe the posterior, in the user's units."""
        posterior = self._posterior
        self.core_ = self._scale * posterior.mean.reshape(self.rank_)
        with np.errstate(over="ignore"):
            self.core_cov_ = self._scale * (self._scale * posterior.cov)
        self.noise_ = float(self._scale / np.sqrt(posterior.tau))
        self.n_iter_ = len(self.elbo_)
        ends = zip(posterior.chains, self._low, self._width, strict=True)
        self.knots_ = [low + width * chain.knots for chain, low, width in ends]
        self.factor_means_ = [chain.mean for chain in posterior.chains]
        self.factor_covs_ = [chain.cov for chain in posterior.chains]
        self.length_scale_ = self._width * [chain.length for chain in posterior.chains]


def _rows(values, index, rows):
    """Return the values that some entries have in each mode."""
    return [v[i[rows]] for v, i in zip(values, index, strict=True)]
