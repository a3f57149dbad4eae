"""Tucker decomposition whose core shape a budget decides.

X of shape (I_0, ..., I_{N-1}), samples first, is approximated by a core of shape (R_0, ...,
R_{N-1}) times an orthonormal factor U_n for each mode. Fit has two halves:

1. Which shape (_core_shape.py): from the singular values of all unfoldings, and from the full
   HOSVD core, the error of every shape is known, or bounded, before any is computed. The best one
   of at most `max_params` numbers is taken, or the smallest one of at most `error`.
2. Which factors (_hooi.py): HOOI, which is begun and for the most part done in tensors whose modes
   are cut by ST-HOSVD to a little more than the core has, and seldom goes back to X. With a shape
   from 1, the singular vectors that it was chosen on take the place of ST-HOSVD: HOOI never raises
   their error, which is the one that was promised.

HOOI ends with mode 0. The rows of the core are then orthogonal: C_(0) = S V with orthonormal rows
V ("basis", folded), so that V times the other factors are orthonormal components of the rows of X,
and what a row is projected to are its coordinates: `transform`. Nothing of it depends on U_0.
"""

import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.linalg import norm, svd
from scipy.stats import loguniform
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from skstruct._validation import (
    Interval,
    StrOptions,
    _fit_context,
    check_is_fitted,
    check_random_state,
    keep_model_on_error,
)
from skstruct.tensor._core_shape import (
    best_for,
    cheapest_for,
    given_rank,
    n_params,
    smallest_budget,
)
from skstruct.tensor._hooi import (
    Levels,
    cut,
    from_factors,
    given_cut,
    order_of_cuts,
    relative_error,
    residual_norm,
    resized,
    sequential,
    spectrum,
    transposed,
    truncated,
    wider,
)
from skstruct.tensor._modes import in_safe_range, multi_ttm, validate_tensor

DEFAULT_ERROR = 0.1
# Relative errors below this are computed from differences: norms of X and of the core cancel.
CANCELLED = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-2}


class Tucker(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Tucker decomposition of rows that are tensors, with a core shape that fits a budget.

    Compresses images, video, sensors x channels x time and other tables whose columns have several
    indices; or reduces such rows to few features, as a principal component analysis without
    centring whose components are tensors of low rank.

    Read more in the :ref:`User Guide <tucker>`.

    Parameters
    ----------
    rank : "auto", int or tuple, default="auto"
        Shape of the core: sizes for all modes, samples first, of which None keeps a mode whole; or
        one size for all. "auto" finds the best for `max_params` or `error`.
    tensor_shape : tuple of int, default=None
        Shape of a row, folded in C order. None takes the table for a matrix, or for what an array
        of more than two dimensions is.
    max_params : int or float, default=None
        With ``rank="auto"``, the largest number of elements of core and factors together; a float
        between 0 and 1 is a share of the elements of X.
    error : float, default=None
        With ``rank="auto"``, the largest relative error, in (0, 1), for which the smallest core
        and factors are sought. With neither, it is 0.1.
    rank_method : {"table", "packing"}, default="table"
        "table" compares core shapes by the error of the truncated HOSVD, of all shapes at once.
        "packing" does so by a bound from singular values, which needs no product with the tensor,
        and gives slightly larger errors, or cores. A table of more than 5e7 elements is not made,
        and the bound used.
    algorithm : {"hooi", "st_hosvd"}, default="hooi"
        "st_hosvd" leaves out the alternating projections: errors are up to a few per cent larger.
        With ``rank="auto"`` its factors are those of the truncated HOSVD.
    sketch : "auto" or bool, default="auto"
        Whether modes are at first cut in random subspaces; never with ``rank="auto"``. "auto" does
        so for those of more than 400 of which less than an eighth is kept.
    max_iter : int, default=50
        How often at most the whole tensor is looked at again.
    tol : float, default=1e-6
        The fit ends when that lowers the relative error by no more than this.
    warm_start : bool, default=False
        Whether `fit` begins with the factors of the last `fit`, cut or widened to the new shape,
        if rows had the same shape; for a sequence of budgets.
    random_state : int, RandomState instance or None, default=None
        Random subspaces, and columns that widen a factor.

    Attributes
    ----------
    rank_ : tuple of int
        Shape of the core.
    core_ : ndarray of shape `rank_`
        The core.
    factors_ : list of ndarray of shape (size of the mode, rank of the mode)
        Orthonormal factors, samples first. The largest element of each column is positive.
    spectra_ : list of ndarray or None
        Higher-order singular values of all modes, if they were computed: with ``rank="auto"``.
    components_ : ndarray of shape (rank_[0], n_features)
        Orthonormal components of the rows, computed anew at each access.
    reconstruction_err_ : float
        Norm of what the decomposition leaves, divided by that of X.
    n_params_ : int
        Number of elements of the core and the factors.
    n_iter_ : int
        How often the whole tensor was looked at again; 1 with ``algorithm="st_hosvd"``.
    tensor_shape_ : tuple of int
        Shape of a row.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    sklearn.decomposition.TruncatedSVD : The same for rows without structure.

    Notes
    -----
    With given ranks, the cost is that of a Gram matrix of the mode that is cut most, size * I_n
    operations for `size` elements, and of two products an iteration, 2 * size * R_n each. With
    ``rank="auto"`` it is that of the Gram matrices of all modes and their eigenvectors, and with a
    table also 2 * size * (largest R_n that the budget allows). `transform` of a row costs
    2 * n_features * R_1.

    The tensor is never unfolded or copied. Memory is that of a tensor in which one mode is already
    cut and of an I_n x I_n matrix, or, where a mode is longer than all others together, as samples
    are, of the product of their sizes, squared. The exception is such a mode that is neither first
    nor last, which is copied.

    Gram matrices and eigenvectors are computed in float64, all else in the dtype of X. Singular
    values below 1e-8 of the largest are lost in rounding, and a float32 table does not tell shapes
    apart by errors below 1e-3.

    `transform` does not centre. It projects rows on the components, whose number is ``rank_[0]``,
    and depends on no other row. The factor of the samples is left singular vectors: coordinates
    divided by their norms.

    References
    ----------
    .. [1] M. Ghadiri, M. Fahrbach, G. Fu, V. Mirrokni, "Approximately Optimal Core Shapes for
       Tensor Decompositions", International Conference on Machine Learning, 2023,
       arXiv:2302.03886.
    .. [2] N. Vannieuwenhoven, R. Vandebril, K. Meerbergen, "A New Truncation Strategy for the
       Higher-Order Singular Value Decomposition", SIAM Journal on Scientific Computing 34(2):
       A1027-A1052, 2012.
    .. [3] L. De Lathauwer, B. De Moor, J. Vandewalle, "On the Best Rank-1 and Rank-(R1, R2, ...,
       RN) Approximation of Higher-Order Tensors", SIAM Journal on Matrix Analysis and Applications
       21(4): 1324-1342, 2000.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skstruct.tensor import Tucker
    >>> X, _ = load_digits(return_X_y=True)
    >>> tucker = Tucker(error=0.25, tensor_shape=(8, 8)).fit(X)
    >>> tucker.rank_, tucker.n_params_, X.size
    ((14, 7, 5), 25744, 115008)
    >>> tucker.transform(X).shape
    (1797, 14)
    """

    _parameter_constraints = {
        "rank": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), tuple, list],
        "tensor_shape": ["array-like", None],
        "max_params": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "error": [Interval(Real, 0, 1, closed="neither"), None],
        "rank_method": [StrOptions({"table", "packing"})],
        "algorithm": [StrOptions({"hooi", "st_hosvd"})],
        "sketch": [StrOptions({"auto"}), "boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        rank="auto",
        *,
        tensor_shape=None,
        max_params=None,
        error=None,
        rank_method="table",
        algorithm="hooi",
        sketch="auto",
        max_iter=50,
        tol=1e-6,
        warm_start=False,
        random_state=None,
    ):
        self.rank = rank
        self.tensor_shape = tensor_shape
        self.max_params = max_params
        self.error = error
        self.rank_method = rank_method
        self.algorithm = algorithm
        self.sketch = sketch
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the relative error, and with it the number of components.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {"error": loguniform(0.02, 0.5)}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of Tucker
        """
        return [
            cls(),
            cls(error=0.3, rank_method="packing", algorithm="st_hosvd"),
        ]

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_model_on_error
    def fit(self, X, y=None):
        """Decompose a table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
            The rows, flat in C order or folded.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted decomposition.
        """
        earlier = getattr(self, "factors_", None) if self.warm_start else None
        X = validate_tensor(self, X, reset=True)
        X, norm2, unit = in_safe_range(X)
        if self.rank == "auto":
            self._check_budgets(X)
            spectra = [spectrum(X, n) for n in range(X.ndim)]
            self.spectra_ = [unit * np.sqrt(squares) for _, squares in spectra]
            rank = self._choose(X, spectra)
        else:
            rank, spectra = self._given_rank(X.shape), None
            self.spectra_ = None
        self.rank_ = rank
        self.n_params_ = n_params(X.shape, rank)
        factors, core = self._decompose(X, spectra, earlier, norm2)
        error = relative_error(norm2, core)
        if error < CANCELLED[X.dtype] and norm2 > 0:
            error = residual_norm(X, factors, core) / np.sqrt(norm2)
        self.reconstruction_err_ = float(error)
        self._finish(factors, core, unit)
        return self

    def _check_budgets(self, X):
        if self.max_params is not None and self.error is not None:
            raise ValueError(
                f"max_params={self.max_params!r} and error={self.error!r}; only one of them can "
                "decide the shape of the core, and the other must be None."
            )
        if self.max_params is not None:
            self._check_budget(X, "max_params", self.max_params)

    def _check_budget(self, X, name, given):
        """Return a budget as a number of elements."""
        budget = int(given if isinstance(given, Integral) else given * X.size)
        least = smallest_budget(X.shape)
        if budget < least:
            raise ValueError(
                f"{name}={given!r} is a budget of {budget} numbers; a core of one element and its "
                f"factors, for a tensor of shape {X.shape}, have {least}."
            )
        return min(budget, n_params(X.shape, X.shape))

    def _choose(self, X, spectra):
        table = self.rank_method == "table"
        if self.max_params is None:
            return cheapest_for(X, spectra, self._allowed_error, table=table)[0]
        budget = self._check_budget(X, "max_params", self.max_params)
        return best_for(X, spectra, [budget], table=table)[0][0]

    def _given_rank(self, shape):
        for name in ("max_params", "error"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} and rank={self.rank!r}; only rank='auto' "
                    "follows a budget."
                )
        return given_rank(self.rank, shape)

    def _decompose(self, X, spectra, earlier, norm2):
        """Return factors and core."""
        rank, random_state = self.rank_, check_random_state(self.random_state)
        self.n_iter_ = 1
        if self.algorithm == "st_hosvd" and spectra is None:
            return sequential(X, rank, sketch=self.sketch, random_state=random_state)
        if self.algorithm == "st_hosvd":
            factors = truncated(X, spectra, rank)
            return factors, from_factors(X, factors, rank)
        wide = wider(X.shape, rank)
        if earlier is not None and [len(U) for U in earlier[1:]] == list(X.shape[1:]):
            factors = [
                resized(U.astype(X.dtype), r, random_state)
                for U, r in zip(earlier, rank, strict=True)
            ]
            core = from_factors(X, factors, rank)
            cuts = [resized(U, r, random_state) for U, r in zip(factors, wide, strict=True)]
            first_cut = partial(given_cut, cuts)
            core = self._improve(Levels(rank, norm2, factors, first_cut), X, core)
            allowed = self._allowed_error
            if allowed is None or relative_error(norm2, core) <= allowed:
                return factors, core
        factors = [np.eye(size, r, dtype=X.dtype) for size, r in zip(X.shape, rank, strict=True)]
        if spectra is None:
            options = {"sketch": self.sketch, "random_state": random_state}
            first_cut = partial(cut, rank=rank, wide=wide, **options)
        else:
            first_cut = partial(given_cut, truncated(X, spectra, wide))
        return factors, self._improve(Levels(rank, norm2, factors, first_cut), X)

    def _improve(self, levels, X, core=None):
        modes = order_of_cuts(X.shape, levels.rank)
        core, self.n_iter_, converged = levels.improve(
            X, modes, core, tol=self.tol, max_iter=self.max_iter
        )
        if not converged:
            warnings.warn(
                f"The error still fell by more than tol={self.tol!r} in the last of max_iter="
                f"{self.max_iter} sweeps.",
                ConvergenceWarning,
            )
        return core

    def _finish(self, factors, core, unit):
        """Make the rows of the core orthogonal, signs unique, and keep what is fitted."""
        left, values, basis = svd(core.reshape(len(core), -1), full_matrices=False)
        factors[0] = factors[0] @ left
        signs = [np.sign(np.take_along_axis(U, abs(U).argmax(0)[None], 0)[0]) for U in factors]
        basis = basis.reshape(core.shape)
        for n, sign in enumerate(signs):
            factors[n] = factors[n] * sign
            basis *= sign.reshape(-1, *[1] * (core.ndim - n - 1))
        self.factors_ = factors
        self._basis = basis
        self.core_ = basis * (unit * values).astype(core.dtype).reshape(-1, *[1] * (core.ndim - 1))

    def transform(self, X):
        """Project rows on the components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
            The rows.

        Returns
        -------
        coordinates : ndarray of shape (n_samples, rank_[0])
            Inner products with `components_`.
        """
        check_is_fitted(self)
        return self._project(validate_tensor(self, X, reset=False))

    def _project(self, X):
        X = X.astype(self.core_.dtype, copy=False)
        inside = multi_ttm(X, transposed(self.factors_, range(1, X.ndim)))
        return inside.reshape(len(X), -1) @ self._basis.reshape(len(self._basis), -1).T

    def inverse_transform(self, X):
        """Reconstruct rows from their coordinates.

        Parameters
        ----------
        X : array-like of shape (n_samples, rank_[0])
            The coordinates.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            The rows, flat.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=self.core_.dtype)
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns; coordinates of this decomposition have "
                f"{self._n_features_out}."
            )
        inside = (X @ self._basis.reshape(len(self._basis), -1)).reshape(-1, *self.rank_[1:])
        rows = multi_ttm(inside, {n: U for n, U in enumerate(self.factors_) if n > 0})
        return rows.reshape(len(X), -1)

    def score(self, X, y=None):
        """Share of the sum of squares of the rows that is in their reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            ``1 - sum |x - reconstruction|^2 / sum |x|^2``, from 0 to 1; 1 where all elements are
            0.
        """
        check_is_fitted(self)
        X = validate_tensor(self, X, reset=False)
        total = float(norm(X.ravel()))
        return float(norm(self._project(X).ravel()) / total) ** 2 if total > 0 else 1.0

    @_fit_context(prefer_skip_nested_validation=True)
    def core_shape_path(self, X, budgets):
        """Choose the core shape for each of several budgets, without any decomposition.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
            The rows.
        budgets : iterable of int or float
            Numbers of elements of core and factors, or shares of the elements of X, as
            `max_params` is.

        Returns
        -------
        path : list of (int, tuple of int, float)
            For each budget, its number of elements, the shape, and the relative error to expect,
            which that of `fit` does not exceed but for rounding.
        """
        X, _, _ = in_safe_range(validate_tensor(clone(self), X, reset=True))
        budgets = [self._check_budget(X, "budgets", budget) for budget in budgets]
        spectra = [spectrum(X, n) for n in range(X.ndim)]
        found = best_for(X, spectra, budgets, table=self.rank_method == "table")
        return [
            (budget, rank, float(np.sqrt(max(0.0, 1.0 - share))))
            for budget, (rank, share) in zip(budgets, found, strict=True)
        ]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _allowed_error(self):
        """Return the error that decides the shape of the core, or None where it does not."""
        if self.rank != "auto" or self.max_params is not None:
            return None
        return DEFAULT_ERROR if self.error is None else self.error

    @property
    def _n_features_out(self):
        return self.rank_[0]

    @property
    def components_(self):
        return self.inverse_transform(np.eye(self.rank_[0], dtype=self.core_.dtype))
