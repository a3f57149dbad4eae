"""Gaussian mixture learnt in one pass over a stream, with precision matrices.

A row x of weight t either founds a component or moves those that explain it [1]_:

    e = x - mu_k,  d2_k = e' Lambda_k e               squared Mahalanobis distances ("distances")
    all d2_k > chi2.isf(novelty, D)                   -> new component, mu = x, C = sigma_ini^2
    r_k = t softmax_k(-(d2_k + log|C_k|) / 2 + log sp_k),  sp_k += r_k         (mass of k)
    w = r_k / sp_k,  wc = r_k / (sp_k - 1 + nu0)      nu0: prior_weight
    C_k <- (1 - wc) (C_k + q e e'),  q = wc (1 - w) / (1 - wc),  mu_k += w e

The kernel keeps Lambda = inv(C) by Sherman and Morrison and log|C| by the determinant lemma, in
O(D^2) a component, and never factors a matrix. With nu0 = 1 a lone component has after n rows
their mean and C = (sigma_ini^2 + scatter) / n exactly; nu0 = D stands for D rows of prior, and
keeps C well conditioned while a component is young. The published recursion (update="figmn") has
w (1 - 3 w + w^2) in place of w (1 - w), which is negative for w > 0.382: C becomes indefinite.

The first n_warmup rows wait in a buffer, give sigma_ini = delta * standard deviation, and are then
learnt, so that a stream gives the same model however it is cut into chunks. What is asked before
that is answered from a model of the rows at hand, which leaves the buffer as it is.
"""

from numbers import Integral

import numpy as np
from sklearn.base import ClusterMixin, DensityMixin
from sklearn.callback import with_callbacks
from sklearn.utils import check_array

from skstruct._validation import (
    FLOATS,
    _fit_context,
    check_is_fitted,
    check_random_state,
    validate_data,
)
from skstruct.density._incremental_mixture_base import BaseIncrementalMixture
from skstruct.density._mixture_state import MixtureState, WarmUp, shares


class IncrementalGaussianMixture(DensityMixin, ClusterMixin, BaseIncrementalMixture):
    """Gaussian mixture learnt in one pass, which finds its number of components by itself.

    Density, clusters, draws, and the prediction of any columns from the others, all from one
    model that follows a stream.

    Read more in the :ref:`User Guide <incremental_gaussian_mixture>`.

    Parameters
    ----------
    novelty : float, default=0.01
        In [0, 1). A row founds a component if, for each component there is, a row at least as far
        from its mean would come with less than this probability. Larger values give more
        components; 0 gives a single one.
    delta : "auto" or float, default="auto"
        Standard deviations of a new component, in units of `scale`. "auto" takes the median
        distance of the rows of the warm-up to their sixth nearest neighbour, per column.
    scale : array-like of shape (n_features,), default=None
        Standard deviations of the columns. By default those of the warm-up; give them for a stream
        that comes sorted.
    max_components : int, default=100
        When there are so many, a novel row replaces the lightest component that could be removed,
        or else moves those there are.
    prior_weight : "auto" or float, default="auto"
        The number of rows that the initial covariance of a component counts for. "auto" is
        `n_features`; 1 gives the sample covariance of what a component has absorbed.
    v_min : "auto" or float, default="auto"
        Number of rows during which a new component is safe from removal. "auto" is
        2 `n_features`.
    sp_min : float, default=3.0
        A component older than `v_min` that has absorbed less than this is removed. Every 100 rows
        are looked through for such.
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
        Order of the rows in `fit`, and the draws of `sample`.

    Attributes
    ----------
    n_components_ : int
        The number of components.
    weights_ : ndarray of shape (`n_components_`,)
        Their weights, with sum 1.
    means_ : ndarray of shape (`n_components_`, n_features)
        Their means.
    precisions_ : ndarray of shape (`n_components_`, n_features, n_features)
        Inverse covariance matrices, exactly symmetric.
    covariances_ : ndarray of shape (`n_components_`, n_features, n_features)
        Covariance matrices, computed anew at each access.
    log_det_cov_ : ndarray of shape (`n_components_`,)
        Logarithms of the determinants of the covariance matrices.
    sp_ : ndarray of shape (`n_components_`,)
        Mass: the sum of the responsibilities of each component, and the weight of the row that
        founded it.
    age_ : ndarray of shape (`n_components_`,)
        Number of rows that were absorbed, by whichever component, since each was founded, plus 1.
    labels_ : ndarray of shape (n_samples,)
        Component that most likely made each row of `fit`; not there after `partial_fit`.
    delta_ : float
        The value of `delta` that is used.
    sigma_ini_ : ndarray of shape (n_features,)
        Standard deviations of a new component.
    n_samples_seen_ : float
        Sum of the weights of the rows learnt so far, which is their number if they have none.
    n_created_ : int
        Number of components founded so far.
    n_pruned_ : int
        Number of components removed or replaced so far.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    IncrementalGaussianMixtureClassifier : Classes from such mixtures.
    IncrementalGaussianMixtureRegressor : Predicted values from such a mixture.
    sklearn.mixture.GaussianMixture : Many passes of EM for a number of components that is given.

    Notes
    -----
    A row costs n_components * n_features^2 / 2 multiplications to learn, and three times that for
    each component that it moves; memory is n_components * n_features^2 / 2 numbers.
    `fit` sorts hashes of the rows and copies about a hundredth of them at a time.

    The state is float64 whatever the rows are, since rank-one updates of precision matrices need
    it, and float32 rows are read without a copy; `score_samples` and `predict_proba` return the
    dtype of their argument. Attributes and draws are float64.

    Weights count rows: those of a mean far below 1 leave components that `sp_min` removes. Time,
    that is `forgetting` and `v_min`, counts rows whatever their weights.

    Covariances stay positive definite in floating point for any data. Two bounds see to that: the
    precision of a column given the rest does not exceed 1e8 times that of a new component, where a
    constant column under `forgetting` would bring it; and an outlier does not bring the precision
    in its direction below 1e-12 of the trace. Below both, all is exact.

    Strongly correlated columns waste the prior, which is diagonal: put
    :class:`~sklearn.decomposition.PCA` with `whiten=True` in front.

    References
    ----------
    .. [1] R. C. Pinto, P. M. Engel, "A Fast Incremental Gaussian Mixture Model", PLOS ONE 10(10):
       e0139931, 2015, arXiv:1506.04422.
    .. [2] R. C. Pinto, P. M. Engel, "Scalable and Incremental Learning of Gaussian Mixture
       Models", 2017, arXiv:1701.03940.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skstruct.density import IncrementalGaussianMixture
    >>> X, y = make_blobs(1000, n_features=20, centers=4, random_state=0)
    >>> mixture = IncrementalGaussianMixture(novelty=1e-6, random_state=0).fit(X)
    >>> mixture.n_components_
    4
    >>> mixture.partial_fit(X + 30.0).n_components_
    8
    >>> mixture.predict_conditional(X[:2, :15], given=range(15)).shape
    (2, 5)
    """

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Learn a mixture from the rows of X, and forget what was learnt before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows, at least 2.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. With `shuffle`, an integer weight is a repetition of the row.

        Returns
        -------
        self : object
            The fitted mixture.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C")
        blocks, weight = self._positive_weight(sample_weight, (X,))
        self._reset()
        self._one_pass(blocks, weight, X, y, sample_weight)
        self.labels_ = self._labels(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn the next rows of a stream, in their order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The mixture.
        """
        first = not self.__sklearn_is_fitted__()
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=first)
        blocks, weight = self._positive_weight(sample_weight, (X,))
        if first:
            self._reset()
        self.__dict__.pop("labels_", None)  # they were those of an earlier mixture
        self._learn(*blocks, weight)
        return self

    def _reset(self):
        self._check_scale(self.n_features_in_)
        self.n_samples_seen_ = 0.0
        self._warm_up = WarmUp(self.n_warmup)
        self._state = None
        self._preview = None

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_state")

    def _learn(self, X, weight):
        self.n_samples_seen_ += float(weight.sum())
        if self._state is None:
            self._preview = None
            n_taken = self._warm_up.take(X, weight)
            if not self._warm_up.full:
                return
            self._state = self._start()
            self._warm_up = None
            X, weight = X[n_taken:], weight[n_taken:]
        self._state.learn(X, weight)

    def _start(self):
        """Return a mixture of the rows of the warm-up."""
        names = (
            "novelty", "delta", "scale", "max_components", "prior_weight", "v_min", "sp_min",
            "update", "forgetting", "resp_tol",
        )  # fmt: skip
        return MixtureState(
            *self._warm_up.data(),
            **{name: getattr(self, name) for name in names},
        )

    def _current(self):
        """Return the mixture as it is or, during the warm-up, what it would be of these rows."""
        check_is_fitted(self)
        if self._state is not None:
            return self._state
        if self._preview is None:
            self._preview = self._start()
        return self._preview

    def _validate_rows(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=FLOATS, order="C", reset=False)

    def score_samples(self, X):
        """Logarithm of the density at each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithms, of the dtype of X.
        """
        X = self._validate_rows(X)
        return self._current().log_density(X).astype(X.dtype, copy=False)

    def score(self, X, y=None):
        """Mean logarithm of the density at the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Nats per row.
        """
        return float(self._current().log_density(self._validate_rows(X)).mean())

    def predict_proba(self, X):
        """Responsibility of each component for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, `n_components_`)
            Rows sum to 1; of the dtype of X.
        """
        X = self._validate_rows(X)
        return shares(self._current().log_joint(X)).astype(X.dtype, copy=False)

    def predict(self, X):
        """Component that most likely made each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Indices of components.
        """
        return self._labels(self._validate_rows(X))

    def _labels(self, X):
        state = self._current()
        labels = [state.log_joint(X[rows]).argmax(axis=1) for rows in state.blocks(len(X))]
        return np.concatenate(labels)

    def fit_predict(self, X, y=None, sample_weight=None):
        """Learn a mixture and return the component that most likely made each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows, at least 2.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Indices of components.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict_conditional(self, X_given, given, return_std=False):
        """Predict the other columns from some of them.

        Parameters
        ----------
        X_given : array-like of shape (n_samples, n_given)
            Values of the columns `given`, in that order.
        given : array-like of shape (n_given,)
            Indices of columns, each once, at least one and not all of them.
        return_std : bool, default=False
            Whether to return the standard deviation of the prediction too.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_features - n_given)
            Conditional means of the other columns, in increasing order of these columns.
        std : ndarray of shape (n_samples, n_features - n_given)
            Standard deviations of the conditional mixture. Only if `return_std`.
        """
        check_is_fitted(self)
        n_features = self.n_features_in_
        try:
            columns = np.asarray(given)
        except ValueError:  # lists of different lengths
            columns = np.empty(0)
        if (
            columns.ndim != 1
            or columns.dtype.kind not in "iu"
            or not 1 <= len(columns) < n_features
            or len(np.unique(columns)) < len(columns)
            or columns.min() < 0
            or columns.max() >= n_features
        ):
            raise ValueError(
                f"given={given!r}; it must list different columns out of "
                f"0 .. {n_features - 1}, at least one and not all of them."
            )
        X_given = check_array(X_given, dtype=FLOATS, input_name="X_given")
        if X_given.shape[1] != len(columns):
            raise ValueError(
                f"X_given has {X_given.shape[1]} columns, but given lists {len(columns)}."
            )
        mean, std = self._current().conditional(X_given, columns)
        mean = mean.astype(X_given.dtype, copy=False)
        return (mean, std.astype(X_given.dtype, copy=False)) if return_std else mean

    def sample(self, n_samples=1):
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, component after component.
        y : ndarray of shape (n_samples,)
            The component of each.
        """
        check_is_fitted(self)
        whole = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
        if not whole or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r}; it must be an integer of at least 1.")
        return self._current().sample(n_samples, check_random_state(self.random_state))

    @property
    def n_components_(self):
        return int(self._current().counts[0])

    @property
    def weights_(self):
        mass = self._current().mass
        return mass / mass.sum()

    @property
    def means_(self):
        return self._current().means

    @property
    def precisions_(self):
        return self._current().precisions

    @property
    def covariances_(self):
        return self._current().covariances

    @property
    def log_det_cov_(self):
        return self._current().log_det_covariances

    @property
    def sp_(self):
        return self._current().mass.copy()

    @property
    def age_(self):
        return self._current().age

    @property
    def delta_(self):
        return self._current().delta

    @property
    def sigma_ini_(self):
        return self._current().sigma.copy()

    @property
    def n_created_(self):
        return int(self._current().counts[2])

    @property
    def n_pruned_(self):
        return int(self._current().counts[3])
