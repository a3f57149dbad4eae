"""Canonical polyadic decomposition of a tensor of which only entries are given, as a regressor.

A row of X names an entry by one index for each mode, y is its value:

    y ~ mean + scale sum_r prod_n A_n[i_n, r]

The rows of one factor at a time are ridge regressions on the products of the others' (see
_entry_sweeps.py), sweep after sweep with momentum and restart (_accelerated_sweeps.py).
"""

from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks

from skstruct._validation import (
    Interval,
    _check_sample_weight,
    _fit_context,
    check_is_fitted,
    check_random_state,
    keep_model_on_error,
    validate_data,
)
from skstruct.tensor._accelerated_sweeps import (
    SCREENING,
    best_start,
    warn_unless_converged,
    watched,
)
from skstruct.tensor._entries import check_mode_sizes, encode, find_categories, pad, values
from skstruct.tensor._entry_sweeps import EntrySweeps
from skstruct.tensor._modes import in_safe_range


class CPRegressor(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Predict the entries of a tensor of low rank from those that are known.

    Ratings by user, item and context; responses by drug, cell and dose: each column of X is a
    mode, and a value in it one of the mode's slices. Cross-validation is of held-out entries.

    Read more in the :ref:`User Guide <cp_regressor>`.

    Parameters
    ----------
    n_components : int, default=5
        Rank: number of components. It may exceed the sizes of modes.
    alpha : float, default=1e-2
        Ridge of each row of each factor, for values of variance 1. It does not grow with the
        number of entries of the row: rows with few entries are shrunk most.
    nonnegative : bool, default=False
        Whether factors are nonnegative. Values must then be, and are not centred.
    mode_sizes : sequence of int, default=None
        Numbers of slices of the modes. By default each column is categorical, its distinct values
        in `fit` being the slices; with sizes it holds integers from 0 to the size less 1.
    accelerate : bool, default=True
        Whether to extrapolate sweeps, and start anew from the last one where that fails.
    n_init : int, default=10
        Largest number of random starts. The one of the lowest objective after 20 sweeps is
        followed: with few entries, every other start may end in a local minimum that predicts
        nothing. Once a start ends where the best one before did, there is no other.
    max_iter : int, default=300
        Largest number of sweeps of a start.
    tol : float, default=1e-6
        Sweeps end when the square root of the objective changes by less than this, relatively.
    random_state : int, RandomState instance or None, default=None
        The starts.

    Attributes
    ----------
    factors_ : list of ndarray of shape (n_slices, n_components)
        One for each mode, all with the same norms of their columns. float32 if `y` is, else
        float64.
    categories_ : list of ndarray
        The values that stand for the slices of each mode.
    mean_ : float
        Weighted mean of `y`; 0 if `nonnegative`.
    scale_ : float
        Weighted standard deviation of `y`, or root mean square if `nonnegative`; 1 if it is 0.
    error_path_ : list of float
        For each accepted sweep the square root of the objective, divided by that of zero factors.
    n_iter_ : int
        Number of sweeps of the start that counts.
    n_features_in_ : int
        Number of modes seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    CP : The decomposition of a table of tensors, whole or with gaps.
    sklearn.linear_model.Ridge : What each row of a factor is a solution of.

    Notes
    -----
    A sweep costs n_modes (n_modes n_components + n_components^2) operations for each entry and
    n_components^3 / 3 for each slice. Memory is 4 (n_modes - 1) + 8 bytes for each entry and mode
    and three times that of the factors; no dense tensor is formed.

    The objective is a sum over entries, weighted by `sample_weight`: an integer weight is a
    repetition. It is not convex, and starts differ; with few entries in a slice raise `alpha`,
    with a bad score on entries that are known raise `n_init`.

    A value that `fit` has not seen contributes a zero row: the prediction is `mean_`.

    References
    ----------
    .. [1] T. G. Kolda, B. W. Bader, "Tensor Decompositions and Applications", SIAM Review 51(3),
       2009.
    .. [2] D. Mitchell, N. Ye, H. De Sterck, "Nesterov acceleration of alternating least squares
       for canonical tensor decomposition: momentum step size selection and restart mechanisms",
       Numerical Linear Algebra with Applications 27(4): e2297, 2020, arXiv:1810.05846.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.tensor import CPRegressor
    >>> rng = np.random.default_rng(0)
    >>> A, B, C = (rng.standard_normal((size, 2)) for size in (30, 25, 20))
    >>> X = np.column_stack([rng.integers(0, size, 2000) for size in (30, 25, 20)])
    >>> y = (A[X[:, 0]] * B[X[:, 1]] * C[X[:, 2]]).sum(axis=1)
    >>> model = CPRegressor(2, alpha=1e-4, random_state=0).fit(X[:1500], y[:1500])
    >>> model.score(X[1500:], y[1500:]) > 0.999
    True
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "nonnegative": ["boolean"],
        "mode_sizes": ["array-like", None],
        "accelerate": ["boolean"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=5,
        *,
        alpha=1e-2,
        nonnegative=False,
        mode_sizes=None,
        accelerate=True,
        n_init=10,
        max_iter=300,
        tol=1e-6,
        random_state=None,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.nonnegative = nonnegative
        self.mode_sizes = mode_sizes
        self.accelerate = accelerate
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the rank and the ridge.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "n_components": [1, 2, 3, 5, 8, 12, 20],
            "alpha": loguniform(1e-3, 10.0),
        }

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of CPRegressor
        """
        return [cls(), cls(2, alpha=1.0, accelerate=False, n_init=1)]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y, sample_weight=None):
        """Decompose a tensor of which entries are given.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            The indices of the entries; an entry may come more than once.
        y : array-like of shape (n_entries,)
            Their values.
        sample_weight : array-like of shape (n_entries,), default=None
            Weights of the entries. An integer weight is a repetition of the entry.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        ValueError
            If a column has other values than `mode_sizes` allow, a value is negative while
            `nonnegative`, or slices that `mode_sizes` count have no entry while `alpha` is 0.
        """
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        random_state = check_random_state(self.random_state)
        sweeps = self._prepare(X, y, sample_weight)
        most = self.max_iter if self.n_init == 1 else self.n_init * SCREENING + self.max_iter
        context = self._init_callback_context(max_subtasks=most)
        context.call_on_fit_task_begin(estimator=self, **data)
        run = best_start(
            sweeps,
            [lambda: sweeps.start(random_state)] * self.n_init,
            max_iter=self.max_iter,
            call=watched(self, context, data),
            tol=self.tol,
            accelerate=self.accelerate,
            nonnegative=self.nonnegative,
        )
        warn_unless_converged(run, self.max_iter, self.tol)
        dtype = np.float32 if getattr(y, "dtype", None) == np.float32 else np.float64
        self.factors_ = [A[:, : self.n_components].astype(dtype) for A in run.factors]
        self.error_path_ = run.errors
        self.n_iter_ = run.n_iter
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    def _prepare(self, X, y, sample_weight):
        """Set what `predict` needs besides factors, and return the sweeps of the entries."""
        X, y = validate_data(self, X, y, dtype="numeric", y_numeric=True)
        check_mode_sizes(self.mode_sizes, X.shape[1])
        y = y.astype(np.float64)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            kept = weight > 0
            if not kept.any():
                raise ValueError("sample_weight has no positive weight.")
            X, y, weight = X[kept], y[kept], weight[kept]
        if self.nonnegative and y.min() < 0:
            raise ValueError(f"nonnegative=True, and y has the negative value {y.min()}.")
        y, _, unit = in_safe_range(y)
        mean = 0.0 if self.nonnegative else np.average(y, weights=weight)
        y = y - mean
        scale = np.sqrt(np.average(y * y, weights=weight)) or 1.0
        self.mean_, self.scale_ = float(mean * unit), float(scale * unit)
        self.categories_ = find_categories(X, self.mode_sizes)
        self._numbered = self.mode_sizes is not None
        index = encode(X, self.categories_, numbered=self._numbered)
        sizes = [len(known) for known in self.categories_]
        if self.alpha == 0:
            self._refuse_empty_slices(index, sizes)
        return EntrySweeps(
            index, y / scale, weight, sizes, self.n_components, alpha=self.alpha,
            nonnegative=self.nonnegative,
        )  # fmt: skip

    @staticmethod
    def _refuse_empty_slices(index, sizes):
        for k, size in enumerate(sizes):
            empty = np.flatnonzero(np.bincount(index[:, k], minlength=size) == 0)
            if len(empty) > 0:
                raise ValueError(
                    f"alpha=0, and slice {empty[0]} of column {k} has no entry; a positive alpha "
                    "determines its row."
                )

    def predict(self, X):
        """Predict entries.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            The indices of the entries.

        Returns
        -------
        y : ndarray of shape (n_entries,)
            Their values, of the dtype of `factors_`; `mean_` for what was not seen in `fit`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        index = encode(X, self.categories_, numbered=self._numbered)
        found = values(index, [pad(A, n_rows=1) for A in self.factors_])
        found *= self.scale_
        found += self.mean_
        return found.astype(self.factors_[0].dtype, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
