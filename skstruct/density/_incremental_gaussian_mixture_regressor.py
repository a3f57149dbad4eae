"""Regression by one incremental Gaussian mixture of [x, y]: the conditional mean of y given x."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from skstruct._validation import FLOATS, _fit_context, check_is_fitted, validate_data
from skstruct.density._incremental_gaussian_mixture import IncrementalGaussianMixture
from skstruct.density._incremental_mixture_base import BaseIncrementalMixture


class IncrementalGaussianMixtureRegressor(RegressorMixin, BaseIncrementalMixture):
    """Regression by a Gaussian mixture of rows and targets, learnt in one pass over a stream.

    The prediction is smooth and piecewise nearly linear, a weighted mean of one linear regression
    per component, and comes with a standard deviation that depends on the row.

    Read more in the :ref:`User Guide <incremental_gaussian_mixture_regressor>`.

    Parameters
    ----------
    novelty : float, default=0.01
        In [0, 1). A row founds a component if, for each component there is, a row at least as far
        from its mean would come with less than this probability. Larger values give more
        components; 0 gives a single one, which is a linear regression.
    delta : "auto" or float, default="auto"
        Standard deviations of a new component, in units of `scale`. "auto" takes the median
        distance of the rows of the warm-up to their sixth nearest neighbour, per column.
    scale : array-like of shape (n_features + n_outputs,), default=None
        Standard deviations of the features and, after them, the targets. By default those of the
        warm-up.
    max_components : int, default=100
        When there are so many, a novel row replaces the lightest component that could be removed,
        or else moves those there are.
    prior_weight : "auto" or float, default="auto"
        The number of rows that the initial covariance of a component counts for. "auto" is
        `n_features` + `n_outputs`.
    v_min : "auto" or float, default="auto"
        Number of rows during which a new component is safe from removal. "auto" is
        2 (`n_features` + `n_outputs`).
    sp_min : float, default=3.0
        A component older than `v_min` that has absorbed less than this is removed.
    update : {"exact", "figmn"}, default="exact"
        "figmn" is the published recursion of the covariance, for comparison; it loses positive
        definiteness, and the densities are then not numbers.
    forgetting : float, default=1.0
        In (0, 1]. The mass of all components is multiplied by this at each row; below 1 the
        mixture follows a drifting stream, with a memory of about 1 / (1 - `forgetting`) rows.
    resp_tol : float, default=1e-12
        Components of a smaller responsibility for a row stay where they are.
    n_warmup : int, default=200
        Number of rows from which `scale` and `delta` are taken.
    shuffle : bool, default=True
        Whether `fit` takes the rows in random order. The order depends on the content of the rows
        and not on where they stand; equal rows are taken as one, with the sum of their weights.
        `partial_fit` always keeps the order.
    random_state : int, RandomState instance or None, default=None
        Order of the rows in `fit`.

    Attributes
    ----------
    mixture_ : IncrementalGaussianMixture
        The mixture of the features, followed by the targets.
    n_outputs_ : int
        Number of targets.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    IncrementalGaussianMixture : The mixture; its `predict_conditional` predicts any columns.
    sklearn.gaussian_process.GaussianProcessRegressor : Smooth regression with standard deviations.

    Notes
    -----
    With D = n_features + n_outputs a row costs n_components * D^2 / 2 multiplications to learn,
    and three times that for each component that it moves; to predict, n_components * n_features^2.
    `predict` returns the dtype of its argument.

    References
    ----------
    .. [1] R. C. Pinto, P. M. Engel, "A Fast Incremental Gaussian Mixture Model", PLOS ONE 10(10):
       e0139931, 2015, arXiv:1506.04422.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.density import IncrementalGaussianMixtureRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, (3000, 1))
    >>> y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(3000)
    >>> regressor = IncrementalGaussianMixtureRegressor(random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.95
    True
    >>> mean, std = regressor.predict([[0.5]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.0)) < 2 * std[0])
    True
    """

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Learn the targets from the rows of X, and forget what was learnt before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. With `shuffle`, an integer weight is a repetition of the row.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        blocks, weight = self._validate(X, y, sample_weight, reset=True)
        self._one_pass(blocks, weight, X, y, sample_weight)
        self.mixture_._current()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Learn the next rows of a stream, in their order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The regressor.
        """
        first = not self.__sklearn_is_fitted__()
        blocks, weight = self._validate(X, y, sample_weight, reset=first)
        self._learn(*blocks, weight)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "mixture_")

    def _validate(self, X, y, sample_weight, reset):
        """Return (rows, targets) and weights; with reset, start a mixture if all are right."""
        X, y = validate_data(
            self, X, y, dtype=FLOATS, order="C", multi_output=True, y_numeric=True, reset=reset
        )
        Y = np.ascontiguousarray(y, dtype=None if y.dtype in FLOATS else np.float64)
        Y = Y.reshape(len(X), -1)
        blocks, weight = self._positive_weight(sample_weight, (X, Y))
        if reset:
            scale = self._check_scale(self.n_features_in_ + Y.shape[1])
            self.mixture_ = IncrementalGaussianMixture(**self._mixture_params(scale))
            self.n_outputs_ = Y.shape[1]
            self._flat = y.ndim == 1
        elif Y.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {Y.shape[1]} columns; the rows before had {self.n_outputs_}.")
        return blocks, weight

    def _learn(self, X, Y, weight):
        self.mixture_.partial_fit(np.hstack((X, Y)), sample_weight=weight)

    def predict(self, X, return_std=False):
        """Predict the targets of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        return_std : bool, default=False
            Whether to return the standard deviations of the predictions too.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Conditional means, of the dtype of X.
        std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Standard deviations of the targets about them. Only if `return_std`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        found = self.mixture_._current().conditional(X, np.arange(X.shape[1]))
        mean, std = (
            (part[:, 0] if self._flat else part).astype(X.dtype, copy=False) for part in found
        )
        return (mean, std) if return_std else mean

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
