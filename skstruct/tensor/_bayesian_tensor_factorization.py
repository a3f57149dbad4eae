"""Bayesian CP factorisation of a tensor of which only entries are given, by Gibbs sampling.

Values are standardised and modelled as y_e = sum_r prod_k u^k_{i_k, r} + noise; `_gibbs` has the
priors and the draws. A prediction averages what the samples predict, since factors of different
samples have nothing to do with each other: components may be permuted and rotated. Its variance
is that of the predictions of the samples plus the mean of the noise variances 1 / alpha.
"""

from math import prod
from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    keep_model_on_error,
    validate_data,
)
from skstruct.tensor._bayesian_tensor_base import BaseBayesianTensor


class BayesianTensorFactorization(RegressorMixin, BaseBayesianTensor):
    """Entries of a tensor of low rank with error bars, and features of its slices as evidence.

    A row of X names an entry by its indices, one column a mode; y is its value. With two columns
    this is matrix completion. The posterior needs no penalty to be tuned, and says how uncertain
    each entry is, of slices without any entry too.

    Read more in the :ref:`User Guide <bayesian_tensor_factorization>`.

    Parameters
    ----------
    n_components : int, default=8
        Number of rank-one terms, R. Superfluous ones do little harm but time.
    n_burnin : int, default=100
        Number of sweeps before the first sample.
    n_samples : int, default=200
        Number of samples of each chain, one a sweep.
    side_info : list of {array-like, sparse matrix, None}, default=None
        For each column of X, features of the slices of that mode, of shape (`mode_sizes[k]`,
        n_features_k), or None. Columns should have about unit variance. Needs `mode_sizes`.
    mode_sizes : sequence of int, default=None
        Numbers of slices of the modes; column k of X then holds integers from 0 to
        `mode_sizes[k]` - 1. By default each distinct value of a column is a slice, and other
        values belong to one slice of which nothing is known.
    noise : "adaptive" or float, default="adaptive"
        Standard deviation of the noise, in units of y; "adaptive" learns it.
    n_chains : int, default=1
        Number of independent chains, whose samples are pooled.
    n_jobs : int, default=None
        Number of threads, over the chains, the rows of a factor, and the entries to predict.
        Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Decides all draws.

    Attributes
    ----------
    categories_ : list of ndarray
        For each column, the values that stand for the slices, sorted.
    samples_ : list of ndarray of shape (n_chains * n_samples, n_slices_k, n_components), float32
        Samples of the factors, of one chain after the other, for standardised values. Those of one
        sample belong together; averages of factors over samples mean nothing.
    noise_ : float
        Posterior mean of the standard deviation of the noise, in units of y.
    rmse_path_ : ndarray of shape (n_chains, `n_iter_`)
        Root mean square of the residuals of y after each sweep.
    diagnostics_ : dict
        Split R-hat, which is near 1 where halves of chains agree: "r_hat_loss" of `rmse_path_`
        after the burn-in, and "r_hat_predictions" of 50 entries chosen at random. Without
        dimension and of shape (50,); NaN for less than 4 samples.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of modes seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of modes seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    BayesianTensorClassifier : The same for labels of two classes.

    Notes
    -----
    A sweep takes about n_entries K (R^2 + K R) + R^3 sum n_slices_k multiplications for K modes;
    dense features add n_slices_k min(n_slices_k, n_features_k) R, after a decomposition of the
    features in `fit`. Features with more than 2000 rows and columns, and sparse ones of more than
    2^24 numbers if they were dense, take conjugate gradients instead. Memory is about 4 K (K + 4)
    bytes an entry, and 4 R n_chains n_samples bytes a slice for the samples.

    Prior, on standardised values: rows of a factor are N(mu + B' f, Lambda^-1), where (mu, Lambda)
    is normal-Wishart with mean 0, 2 rows' worth of it, scale I and R degrees of freedom; B is
    N(0, Lambda^-1 / lb) a row, and lb and the precision of the noise are Gamma(1/2, 1/2). The last
    is as much as one entry with a residual of one standard deviation of y: a noise below that over
    sqrt(n_entries) is not learnt, and has to be given as `noise`.

    `sample_weight` multiplies the precision of an entry and counts it as that many: an integer
    weight is a repetition. Predictions carry the noise of a measurement of weight 1.

    Samples are float32 and computed in float64; predictions have the dtype of X.

    References
    ----------
    .. [1] J. Simm, A. Arany, P. Zakeri, T. Haber, J. K. Wegner, V. Chupakhin, H. Ceulemans,
       Y. Moreau, "Macau: Scalable Bayesian Factorization with High-Dimensional Side Information
       Using MCMC", IEEE International Workshop on Machine Learning for Signal Processing, 2017,
       arXiv:1509.04610.
    .. [2] O. Soylemez, "Bayesian tensor factorization for predicting clinical outcomes using
       integrated human genetics evidence", 2022, arXiv:2207.12538.
    .. [3] R. Salakhutdinov, A. Mnih, "Bayesian Probabilistic Matrix Factorization using Markov
       Chain Monte Carlo", International Conference on Machine Learning, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.tensor import BayesianTensorFactorization
    >>> rng = np.random.default_rng(0)
    >>> U, V = rng.standard_normal((30, 2)), rng.standard_normal((20, 2))
    >>> X = np.argwhere(np.ones((30, 20)))
    >>> y = (U @ V.T).ravel() + 0.3 * rng.standard_normal(600)
    >>> given = rng.random(600) < 0.5
    >>> model = BayesianTensorFactorization(3, random_state=0).fit(X[given], y[given])
    >>> mean, std = model.predict(X[~given], return_std=True)
    >>> inside = np.abs(mean - y[~given]) < 1.96 * std
    >>> bool(0.9 < inside.mean() < 0.99)
    True
    """

    _parameter_constraints = BaseBayesianTensor._parameter_constraints | {
        "noise": [StrOptions({"adaptive"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_components=8,
        *,
        n_burnin=100,
        n_samples=200,
        side_info=None,
        mode_sizes=None,
        noise="adaptive",
        n_chains=1,
        n_jobs=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_burnin = n_burnin
        self.n_samples = n_samples
        self.side_info = side_info
        self.mode_sizes = mode_sizes
        self.noise = noise
        self.n_chains = n_chains
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y, sample_weight=None):
        """Sample factors given entries.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            Indices of the entries; the same may come several times.
        y : array-like of shape (n_entries,)
            Their values.
        sample_weight : array-like of shape (n_entries,), default=None
            Weights of the entries.

        Returns
        -------
        self : object
            The fitted factorisation.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", y_numeric=True)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        kept = np.flatnonzero(weight)
        index, side_info = self._start(X[kept])
        sizes = [len(known) for known in self.categories_]
        index, y, weight = _merge(index, y[kept].astype(np.float64), weight[kept], sizes)
        self._mean, self._scale = _location_scale(y, weight)
        y = (y - self._mean) / self._scale
        weight = None if (weight == 1).all() else weight
        noise = self.noise
        if noise != "adaptive":
            noise = (self._scale / noise) ** 2
        self._sample(index, y, weight, side_info, noise, data)
        return self

    def predict(self, X, return_std=False):
        """Predict entries.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            Indices of the entries. An index that `fit` has not seen belongs to a slice with
            nothing but the prior.
        return_std : bool, default=False
            Whether to return standard deviations too.

        Returns
        -------
        mean : ndarray of shape (n_entries,)
            Means of the predictive distributions, of the dtype of X.
        std : ndarray of shape (n_entries,)
            Their standard deviations, with the noise of a measurement. Only if `return_std`.
        """
        X, mean, variance = self._over_samples(X, probit=False)
        mean = (self._mean + self._scale * mean).astype(X.dtype, copy=False)
        if not return_std:
            return mean
        std = self._scale * np.sqrt(variance + np.mean(1 / self._alpha))
        return mean, std.astype(X.dtype, copy=False)

    @property
    def noise_(self):
        return float(self._scale * np.mean(1 / np.sqrt(self._alpha)))

    @property
    def rmse_path_(self):
        return self._scale * self._path

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # of continuous columns, where no value comes twice
        return tags


def _merge(index, y, weight, sizes):
    """Sort entries, and merge those that agree in all.

    Then a repetition is to the last bit a weight, and the order of the rows does not matter.
    """
    if prod(sizes) < 2**63:
        place = np.ravel_multi_index(index.T, sizes)
    else:
        place = np.unique(index, axis=0, return_inverse=True)[1]
    order = np.argsort(place)
    if (np.diff(place[order]) == 0).any():
        order = np.lexsort((y, place))
    place, y = place[order], y[order]
    new = np.ones(len(y), dtype=bool)
    new[1:] = (place[1:] != place[:-1]) | (y[1:] != y[:-1])
    weight = np.add.reduceat(weight[order], np.flatnonzero(new))
    return index[order[new]], y[new], weight


def _location_scale(y, weight):
    """Return the mean of y and its standard deviation, in units of the largest so as to be safe.

    The scale of values that are equal but for rounding is their size, or 1 if they are 0.
    """
    largest = np.abs(y).max()
    if largest == 0:
        return 0.0, 1.0
    mean = np.average(y / largest, weights=weight)
    std = np.sqrt(np.average((y / largest - mean) ** 2, weights=weight))
    return largest * mean, largest * (std if std > 1e-14 else 1.0)
