"""Canonical polyadic decomposition of a table whose rows are tensors.

X of shape (I_0, ..., I_{N-1}), samples first, is approximated by R components, the outer products
of the columns of one factor A_n for each mode:

    X[i_0, ..., i_{N-1}] ~ mean + sum_r prod_n A_n[i_n, r]

The sweeps that find them are in _cp_fit.py; with momentum and restart, _accelerated_sweeps.py.
Then the columns of A_1, .., A_{N-1} get norm 1 and the sign of which the largest element is
positive, and A_0 is the projection of the rows on what these span (_cp_projection.py), as it is of
new rows in `transform`.
"""

from math import sqrt
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_array

from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _fit_context,
    check_is_fitted,
    check_random_state,
    keep_model_on_error,
    validate_data,
)
from skstruct.tensor._accelerated_sweeps import SCREENING, warn_unless_converged, watched
from skstruct.tensor._cp_fit import (
    POLISH,
    STARTS,
    Decomposition,
    fit_dense,
    fit_observed,
    fit_sparse,
    warn_of_cancelling,
)
from skstruct.tensor._cp_projection import (
    inner_products,
    project,
    project_observed,
    reconstruct,
    residual,
    whole_residual,
)
from skstruct.tensor._cp_sweeps import khatri_rao
from skstruct.tensor._modes import in_safe_range, validate_tensor

# Share of the squares below which a difference of them is too inexact.
CANCELS = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-2}


class CP(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Decompose rows that are tensors into a few components, outer products of a vector a mode.

    What PCA cannot say of such rows: which profile along each mode makes a component, without
    rotations. Elements may be missing, factors nonnegative.

    Read more in the :ref:`User Guide <cp>`.

    Parameters
    ----------
    n_components : int, default=5
        Rank: number of components. It may exceed the sizes of modes.
    tensor_shape : tuple of int, default=None
        Shape of a row, which is flat in C order. By default a row is a vector, or what an
        array of more than two axes has.
    nonnegative : bool, default=False
        Whether factors are nonnegative; the elements must then be.
    alpha : float, default=0.0
        Ridge of each row of each factor, for elements of mean square 1. A little of it keeps
        components from cancelling each other.
    compress : {"auto"} or bool, default="auto"
        Whether to sweep over a small core that has almost all of the tensor, and only thrice over
        the tensor. "auto" does where that core has less than 0.3 of the elements. There is no
        core of tensors that are sparse, have gaps, or get nonnegative factors.
    oversample : int, default=2
        How many columns more than components the core keeps of each mode.
    accelerate : bool, default=True
        Whether to extrapolate sweeps, and start anew from the last one where that fails.
    init : {"hosvd", "random"}, default="hosvd"
        The first start: leading singular vectors of the unfoldings, or Gaussian. With gaps, all
        starts are random ones near these vectors.
    n_init : "auto" or int, default="auto"
        Largest number of starts, those after the first Gaussian; the one of the lowest error
        after 20 sweeps is followed, and once a start ends where the best one before did, there is
        no other. "auto" is 3 on a core, where they cost next to nothing, 10 with gaps, where
        local minima abound, else 1.
    max_iter : int, default=500
        Largest number of sweeps of a start.
    tol : float, default=1e-8
        Sweeps end when the error changes by less than this, relatively.
    random_state : int, RandomState instance or None, default=None
        The starts.

    Attributes
    ----------
    factors_ : list of ndarray of shape (I_n, n_components)
        One for each mode, the samples' first. Columns have norm 1 but for the first, in order of
        decreasing norm.
    weights_ : ndarray of shape (n_components,)
        Norms of the columns of the first factor.
    components_ : ndarray of shape (n_components, n_features)
        The components as flat rows, of norm 1, computed anew at each access.
    mean_ : float
        With gaps and unless `nonnegative`, the mean of the elements, else 0.
    reconstruction_err_ : float
        Norm of the residual over the norm of the tensor less `mean_`, both of known elements.
    error_path_ : list of float
        The same after each accepted sweep, with the share of `alpha`.
    n_iter_ : int
        Number of sweeps of the start that counts.
    tensor_shape_ : tuple of int
        Shape of a row.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    CPRegressor : The same from single entries, as a regressor.
    Tucker : Orthonormal factors and a core that mixes them.
    sklearn.decomposition.NMF : Nonnegative components of rows that are vectors.

    Notes
    -----
    A sweep over the tensor costs 4 n_samples n_features n_components operations in two matrix
    products, whatever the number of modes; over the core almost nothing. With gaps it costs N (N
    n_components + n_components^2) operations for each element that is given, N the number of
    modes. Memory besides X, of which there is no copy: n_components times the square root of its
    size, roughly, up to n_components numbers a row; for sparse X and with gaps 4 N + 12 bytes for
    each element and mode.

    The error on the core may be a few 1e-4 of itself above that of sweeps over the tensor, where
    much of the tensor is neither in the core nor noise; see `oversample`.

    X is float32 or float64, and so are factors and scores; Gram matrices are float64.

    References
    ----------
    .. [1] T. G. Kolda, B. W. Bader, "Tensor Decompositions and Applications", SIAM Review 51(3),
       2009.
    .. [2] A.-H. Phan, P. Tichavsky, A. Cichocki, "Fast alternating LS algorithms for high order
       CANDECOMP/PARAFAC tensor factorizations", IEEE Transactions on Signal Processing 61(19),
       2013.
    .. [3] D. Mitchell, N. Ye, H. De Sterck, "Nesterov acceleration of alternating least squares
       for canonical tensor decomposition: momentum step size selection and restart mechanisms",
       Numerical Linear Algebra with Applications 27(4): e2297, 2020, arXiv:1810.05846.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skstruct.tensor import CP
    >>> X, _ = load_digits(return_X_y=True)
    >>> decomposition = CP(15, tensor_shape=(8, 8), nonnegative=True, random_state=0).fit(X)
    >>> [A.shape for A in decomposition.factors_]
    [(1797, 15), (8, 15), (8, 15)]
    >>> decomposition.transform(X[:2]).shape
    (2, 15)
    >>> decomposition.reconstruction_err_ < 0.29
    True
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "tensor_shape": ["array-like", None],
        "nonnegative": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "compress": [StrOptions({"auto"}), "boolean"],
        "oversample": [Interval(Integral, 0, None, closed="left")],
        "accelerate": ["boolean"],
        "init": [StrOptions({"hosvd", "random"})],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=5,
        *,
        tensor_shape=None,
        nonnegative=False,
        alpha=0.0,
        compress="auto",
        oversample=2,
        accelerate=True,
        init="hosvd",
        n_init="auto",
        max_iter=500,
        tol=1e-8,
        random_state=None,
    ):
        self.n_components = n_components
        self.tensor_shape = tensor_shape
        self.nonnegative = nonnegative
        self.alpha = alpha
        self.compress = compress
        self.oversample = oversample
        self.accelerate = accelerate
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the rank.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {"n_components": [1, 2, 3, 5, 8, 12, 20]}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of CP
        """
        return [
            cls(),
            cls(3, nonnegative=True),
            cls(2, alpha=1e-3, compress=False, init="random", n_init=2),
        ]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y=None):
        """Find the components of a table of tensors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or ndarray of shape \
                (n_samples, ...)
            The rows. NaN is a missing element.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted decomposition.

        Raises
        ------
        ValueError
            If `tensor_shape` does not fit X, an element is negative while `nonnegative`, or a
            slice is all NaN while `alpha` is 0.
        """
        data = {"X": X, "y": y, "metadata": None}
        X, known = self._validate_rows(X, reset=True)
        n_init = STARTS if self.n_init == "auto" else self.n_init
        most = self.max_iter + n_init * SCREENING + POLISH
        context = self._init_callback_context(max_subtasks=most)
        context.call_on_fit_task_begin(estimator=self, **data)
        found = self._decompose(X, known, watched(self, context, data))
        self._finish(X, known, found)
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    def fit_transform(self, X, y=None):
        """Find the components of a table of tensors, and return the scores of its rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or ndarray of shape \
                (n_samples, ...)
            The rows. NaN is a missing element.
        y : None
            Ignored.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_components)
            What `transform` of the rows gives.
        """
        return self.fit(X, y).factors_[0].copy()

    def _validate_rows(self, X, *, reset):
        """Return the tensor, or the CSR table, and what of it is not NaN, None for all."""
        if issparse(X):
            X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=reset)
            if not X.has_canonical_format:
                X = X.copy()
                X.sum_duplicates()
            if reset:  # tensor_shape is what a dense row could have
                validate_tensor(self, np.zeros((1, X.shape[1])), reset=True)
            known, elements = None, X.data
        else:
            X = validate_tensor(self, X, reset=reset, ensure_all_finite="allow-nan")
            known = ~np.isnan(X)
            known = None if known.all() else known
            elements = X
        if reset and self.nonnegative:
            least = np.nanmin(elements, initial=0.0)
            if least < 0:
                raise ValueError(
                    f"Negative values in data passed to CP with nonnegative=True: {least}."
                )
        return X, known

    def _decompose(self, X, known, call):
        arguments = self, check_random_state(self.random_state), call
        if known is not None:
            found = fit_observed(X, known, *arguments)
        elif issparse(X):
            if not X.data.any():
                return self._nothing(X.shape[:1])
            rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
            index = np.stack([rows, *np.unravel_index(X.indices, self.tensor_shape_)], axis=1)
            y, norm2, _ = in_safe_range(X.data.astype(np.float64))
            shape = (X.shape[0], *self.tensor_shape_)
            found = fit_sparse(index.astype(np.int32), y, norm2, shape, *arguments)
        else:
            if not X.any():
                return self._nothing(X.shape[:1])
            X, norm2, _ = in_safe_range(X)
            found = fit_dense(X, norm2, *arguments)
        warn_unless_converged(found.run, self.max_iter, self.tol)
        return found

    def _nothing(self, n_samples):
        """Return the decomposition of a tensor of zeros."""
        shape = (*n_samples, *self.tensor_shape_)
        factors = [np.zeros((size, self.n_components)) for size in shape]
        return Decomposition(factors, 0.0, 0.0, [0.0], None)

    def _finish(self, X, known, found):
        dtype, scale = X.dtype, np.ones(self.n_components)
        others = []
        for A in found.factors[1:]:
            top = A[np.abs(A).argmax(axis=0), np.arange(self.n_components)]
            norms = np.copysign(np.sqrt(np.einsum("ir,ir->r", A, A)), top)
            scale *= norms
            others.append(A / np.where(norms == 0, 1.0, norms))
        self.mean_, self._nonnegative = found.mean, self.nonnegative
        # The ridge of scores of components of norm 1.
        self._ridge = found.ridge / np.maximum(np.abs(scale), 1e-100) ** 2
        self.factors_ = [None, *(A.astype(dtype) for A in others)]
        scores, M = self._project(X, known)
        top = np.abs(scores).max() or 1.0
        weights = np.linalg.norm(scores / top, axis=0)
        order = np.argsort(-weights, kind="stable")
        self._ridge = self._ridge[order]
        self.factors_ = [
            np.take(A, order, axis=1) for A in (scores.astype(dtype), *self.factors_[1:])
        ]
        self.weights_ = (weights[order] * top).astype(dtype)
        self.error_path_ = found.errors
        self.n_iter_ = found.run.n_iter if found.run else 0
        M = None if M is None else M[:, order]
        rest, total, unit = self._squares(X, known, self.factors_[0], M)
        self.reconstruction_err_ = sqrt(rest / total) if total > 0 else 0.0
        warn_of_cancelling(self.factors_, sqrt(total) * unit, self.alpha)

    def _others(self):
        return [A.astype(np.float64, copy=False) for A in self.factors_[1:]]

    def _project(self, X, known):
        """Return scores, and the inner products with the components of rows without gaps."""
        options = {"nonnegative": self._nonnegative}
        others = self._others()
        if known is not None:
            return project_observed(X, self.mean_, others, self._ridge, **options), None
        table = X if issparse(X) else X.reshape(len(X), -1)
        M = inner_products(table, self.mean_, others, len(self._ridge))
        return project(M, others, self._ridge, **options), M

    def transform(self, X):
        """Return the scores of rows, each by itself.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or ndarray of shape \
                (n_samples, ...)
            The rows. Of a row with NaN, the elements that are known give the scores.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_components)
            How much there is of each component, by least squares or, if `nonnegative`,
            nonnegative least squares.
        """
        check_is_fitted(self)
        X, known = self._validate_rows(X, reset=False)
        return self._project(X, known)[0].astype(X.dtype, copy=False)

    def inverse_transform(self, X):
        """Return the rows that have given scores.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            The scores.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            The rows, flat.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=FLOATS)
        if X.shape[1] != len(self.weights_):
            raise ValueError(
                f"X has {X.shape[1]} columns; scores of this decomposition have "
                f"{len(self.weights_)}."
            )
        return reconstruct(X, self._others(), self.mean_, X.dtype)

    def reconstruct(self):
        """Return what the components make of the rows of `fit`, missing elements included.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            Rows of shape `tensor_shape_`.
        """
        check_is_fitted(self)
        return self.inverse_transform(self.factors_[0]).reshape(-1, *self.tensor_shape_)

    def score(self, X, y=None):
        """Share of the sum of squares of the rows, less `mean_`, that is in their reconstruction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or ndarray of shape \
                (n_samples, ...)
            The rows; elements that are NaN do not count.
        y : None
            Ignored.

        Returns
        -------
        score : float
            1 - sum (x - reconstruction)^2 / sum (x - `mean_`)^2; 1 where both are 0.
        """
        check_is_fitted(self)
        X, known = self._validate_rows(X, reset=False)
        rest, total, _ = self._squares(X, known, *self._project(X, known))
        return float(1 - rest / total) if total > 0 else 1.0

    def _squares(self, X, known, scores, M):
        """Return the sums of squares of residuals and of elements less the mean, and their unit.

        They are of elements divided by the unit.
        """
        scores, others = scores.astype(np.float64, copy=False), self._others()
        if known is not None:
            unit = max(np.nanmax(X), -np.nanmin(X)) or 1.0
            return *residual(X, known, unit, self.mean_ / unit, scores / unit, others), unit
        if issparse(X):
            _, norm2, unit = in_safe_range(X.data)
            table = X / X.dtype.type(unit) if unit != 1 else X
        else:
            X, norm2, unit = in_safe_range(X)
            table = X.reshape(len(X), -1)
        found = whole_residual(table, norm2, self.mean_ / unit, M / unit, scores / unit, others)
        if not issparse(X) and found[0] < CANCELS[X.dtype] * found[1]:
            found = residual(X, None, 1.0, self.mean_ / unit, scores / unit, others)
        return *found, unit

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = self.nonnegative
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return len(self.weights_)

    @property
    def components_(self):
        return np.ascontiguousarray(
            khatri_rao(self._others(), len(self.weights_)).T, self.factors_[1].dtype
        )
