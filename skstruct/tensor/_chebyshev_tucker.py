"""Functions of a few variables as a Tucker tensor of Chebyshev coefficients [1]_.

    f(x) ~ intercept + sum_r G[r_0, ..., r_{d-1}] prod_k u^k_{r_k}(x_k),   u^k = C_k' T(x_k)

G is `core_`, C_k `factors_`, T_i the Chebyshev polynomials on the box `bounds_`. There are three
ways to it, and one of evaluation, which costs sum_k n_k R_k + prod R_k a point:

fit_function   values at the nodes of a product grid, whose transform are the coefficients of the
               interpolant; then their tensor, and not one of the size of a fine grid, is
               truncated. Degrees come from random lines through the box, and are doubled once if
               random points show that they did not see all. (_chebyshev.py)
fit_separable  the same of a sum of products, from values of functions of one variable
               (_chebyshev_separable.py)
fit            penalised least squares in the same form to scattered points. (_chebyshev_fit.py)
How degrees adapt and are checked, and `fit`, are not of [1]_.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from numpy.polynomial.chebyshev import chebder, chebvander
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning

from skstruct._lib.row_blocks import one_blas_thread
from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    check_is_fitted,
    check_random_state,
    keep_model_on_error,
    validate_data,
)
from skstruct.tensor._chebyshev import (
    Sampler,
    box,
    check_bounds,
    coefficients,
    compress,
    expand,
    fibre_degrees,
    fitting_rank,
    grid_points,
    integrals,
    outside,
    per_feature,
    refuse_outside,
    sizes_of_grid,
    values_at,
    warn_of_degrees,
)
from skstruct.tensor._chebyshev_fit import scattered_fit, scattered_rank, standardized
from skstruct.tensor._chebyshev_separable import orthogonalized, separable_coefficients

SCATTERED_DEGREE = 11  # of "auto" in fit
N_CHECKS = 64  # random points that verify the degrees
MIN_TOL = 64 * np.finfo(np.float64).eps


class ChebyshevTucker(RegressorMixin, BaseEstimator):
    """Surrogate of a smooth function of a few variables, from a callable or from samples.

    `fit_function` samples a callable on a Chebyshev grid of its own and reaches the accuracy that
    is asked for, and so does `fit_separable`, for sums of products and without a grid; `fit` is a
    regression on scattered, noisy samples. All give a small formula that is evaluated anywhere in
    the box, differentiated and integrated.

    Read more in the :ref:`User Guide <chebyshev_tucker>`.

    Parameters
    ----------
    degree : "auto", int or tuple of int, default="auto"
        Degree of the polynomials of each feature. In `fit_function`, "auto" adapts it; in `fit` it
        stands for 11, or half the number of distinct values of the feature if that is less.
    rank : "auto", int or tuple of int, default="auto"
        Number of functions of each feature. An int is lowered for features that have no room for
        so many; a tuple is taken as it is. In `fit_function`, "auto" is what `tol` asks for; in
        `fit` it stands for 3, or what keeps the core within 1024 elements if that is less.
    tol : float, default=1e-7
        Relative accuracy that `fit_function` aims at.
    alpha : float, default=1e-3
        Penalty of `fit` on the squared coefficients, with the target in units of its standard
        deviation.
    smoothness : float, default=1.0
        Coefficients of degree i are penalised (1 + i)^(2 `smoothness`) times as much.
    bounds : array-like of shape (n_features, 2), default=None
        The box: lowest and highest value of each feature. By default the range of the data.
    max_degree : int, default=128
        Highest degree that "auto" tries.
    max_iter : int, default=50
        Number of sweeps of `fit` at most.
    extrapolate : {"clip", "raise", "nan"}, default="clip"
        What `predict` gives for points outside of the box: the value at the nearest point of the
        box, an error, or nan.
    random_state : int, RandomState instance or None, default=None
        Start of the sweeps of `fit`; lines and points that `fit_function` looks at.

    Attributes
    ----------
    core_ : ndarray of shape `rank_`
        The core.
    factors_ : list of ndarray of shape (`degree_` + 1, `rank_`)
        Chebyshev coefficients of the functions of each feature, a function a column.
    intercept_ : float
        Constant that is added: the mean of scattered values, otherwise 0.
    degree_ : tuple of int
        Degrees.
    rank_ : tuple of int
        Ranks.
    bounds_ : ndarray of shape (n_features, 2)
        The box.
    n_evaluations_ : int
        Number of values of the function that were used.
    coef_error_ : float
        Norm of what was cut off the tensor of coefficients, over its norm; 0 for scattered points.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    FunctionalTuckerRegressor : Scattered samples with standard deviations of the predictions.
    Tucker : The same format for tensors.
    scipy.interpolate.RegularGridInterpolator : Local polynomials on a grid.

    Notes
    -----
    With n_k = degree + 1, `predict` costs 2 (sum n_k R_k + prod R) operations a point. It runs in
    as many threads as ``joblib.parallel_config(n_jobs=...)`` says. `fit_function` evaluates
    prod n_k values, at most 2^24, and decomposes a tensor of so many numbers; `fit_separable`
    sum n_k, and a tensor of at most as many elements a mode as there are terms. A sweep of `fit`
    costs n_samples ((prod R)^2 + sum (n_k R_k)^2) operations; memory is that of the points and of
    one matrix of normal equations.

    All is computed in float64; predictions have the dtype of X.

    References
    ----------
    .. [1] P. Benner, B. N. Khoromskij, V. Khoromskaia, B. Sun, "A mesh-free hybrid
       Chebyshev-Tucker tensor format with applications to multi-particle modelling", 2025,
       arXiv:2503.01696.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.tensor import ChebyshevTucker
    >>> def f(X):
    ...     return np.cos(3 * X.sum(axis=1)) * np.exp(-X[:, 0] ** 2 / 2)
    >>> model = ChebyshevTucker(tol=1e-9, random_state=0).fit_function(f, [(-1, 1)] * 3)
    >>> model.rank_
    (2, 2, 2)
    >>> X = np.random.default_rng(0).uniform(-1, 1, (1000, 3))
    >>> bool(abs(model.predict(X) - f(X)).max() < 1e-8)
    True
    >>> ChebyshevTucker(random_state=0).fit(X, f(X)).score(X, f(X)) > 0.999
    True
    """

    _parameter_constraints = {
        "degree": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left"), "array-like"],
        "rank": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), "array-like"],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "smoothness": [Interval(Real, 0, None, closed="left")],
        "bounds": ["array-like", None],
        "max_degree": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "extrapolate": [StrOptions({"clip", "raise", "nan"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        degree="auto",
        *,
        rank="auto",
        tol=1e-7,
        alpha=1e-3,
        smoothness=1.0,
        bounds=None,
        max_degree=128,
        max_iter=50,
        extrapolate="clip",
        random_state=None,
    ):
        self.degree = degree
        self.rank = rank
        self.tol = tol
        self.alpha = alpha
        self.smoothness = smoothness
        self.bounds = bounds
        self.max_degree = max_degree
        self.max_iter = max_iter
        self.extrapolate = extrapolate
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the penalty, the degree and the rank.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "alpha": loguniform(1e-5, 1e2),
            "degree": [1, 2, 4, 7, "auto"],
            "rank": [1, 2, "auto"],
            "smoothness": [0.5, 1.0, 2.0],
        }

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_model_on_error
    def fit(self, X, y, sample_weight=None):
        """Fit the function to its values at points.

        If the points are, in this order, those of `grid` for the `degree` and `bounds` that were
        given, they are interpolated as `fit_function` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.
        y : array-like of shape (n_samples,)
            The values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the squared residuals.

        Returns
        -------
        self : object
            The fitted model.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", y_numeric=True)
        y = y.astype(np.float64)
        if sample_weight is None:
            sizes = sizes_of_grid(X, self.degree, self.bounds)
            if sizes is not None:
                self.bounds_ = check_bounds(self.bounds)
                return self._truncate(coefficients(y.reshape(sizes)), len(y))
            weight = np.ones(len(y))
        else:
            weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            kept = weight > 0
            X, y, weight = X[kept], y[kept], weight[kept]
        if self.bounds is None:
            self.bounds_ = np.stack([X.min(axis=0), X.max(axis=0)], axis=1).astype(np.float64)
        else:
            self.bounds_ = check_bounds(self.bounds, X.shape[1])
            refuse_outside(X, self.bounds_)
        center, half = box(self.bounds_)
        points = np.ascontiguousarray((X - center) / half)
        if self.degree == "auto":
            degree = tuple(min(SCATTERED_DEGREE, len(np.unique(x)) // 2) for x in X.T)
        else:
            degree = per_feature("degree", self.degree, X.shape[1], 0)
        rank = scattered_rank(self.rank, [m + 1 for m in degree])
        y, self.intercept_, scale = standardized(y, weight)
        with one_blas_thread():
            self.core_, self.factors_, objectives, converged = scattered_fit(
                points, y, weight, tuple(m + 1 for m in degree), rank, alpha=self.alpha,
                smoothness=self.smoothness, max_iter=self.max_iter,
                random_state=check_random_state(self.random_state),
            )  # fmt: skip
        self.core_ *= scale
        self.degree_, self.rank_ = degree, rank
        self.n_iter_, self.n_evaluations_, self.coef_error_ = len(objectives), len(y), 0.0
        if not converged:
            warnings.warn(
                f"The objective still decreased after max_iter={self.max_iter} sweeps; increase "
                "max_iter or alpha, or lower rank.",
                ConvergenceWarning,
            )
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_model_on_error
    def fit_function(self, func, bounds=None, *, vectorized=True):
        """Approximate a callable on a box, from its values on a grid of Chebyshev nodes.

        Parameters
        ----------
        func : callable
            Takes an array of shape (n_points, n_features) and returns n_points values.
        bounds : array-like of shape (n_features, 2), default=None
            The box; by default the parameter `bounds`.
        vectorized : bool, default=True
            Whether `func` takes many points at a time; otherwise it is called for each row.

        Returns
        -------
        self : object
            The fitted model.
        """
        self._set_box(bounds)
        sample = Sampler(func, *box(self.bounds_), vectorized)
        tol = max(self.tol, MIN_TOL)
        random_state = check_random_state(self.random_state)
        adapted, short = self.degree == "auto", []
        if adapted:
            degree, short = fibre_degrees(
                sample, self.n_features_in_, tol, self.max_degree, random_state
            )
        else:
            degree = per_feature("degree", self.degree, self.n_features_in_, 0)
        self._truncate(coefficients(sample.on_grid(degree)), sample.n_evaluations)
        if adapted and not short:
            points = random_state.uniform(-1, 1, (N_CHECKS, self.n_features_in_))
            truth = sample(points)
            if self._misses(points, truth, tol):
                degree = tuple(min(2 * m, self.max_degree) for m in degree)
                self._truncate(coefficients(sample.on_grid(degree)), sample.n_evaluations)
                short = range(self.n_features_in_) if self._misses(points, truth, tol) else []
            self.n_evaluations_ = sample.n_evaluations
        warn_of_degrees(self.degree_, short, self.tol)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @keep_model_on_error
    def fit_separable(self, functions, bounds=None):
        """Approximate a sum of products of functions of one feature each, without a grid.

        The sum over terms t of ``prod_k functions[k](x_k)[:, t]`` takes n_k evaluations of each
        function, and a core of at most as many elements a mode as there are terms.

        Parameters
        ----------
        functions : list of callable
            For each feature, a function of an array of shape (m,) with values of shape
            (m, n_terms).
        bounds : array-like of shape (n_features, 2), default=None
            The box; by default the parameter `bounds`.

        Returns
        -------
        self : object
            The fitted model.
        """
        self._set_box(bounds)
        d = self.n_features_in_
        if len(functions) != d:
            raise ValueError(f"functions has {len(functions)} elements, and bounds {d} rows.")
        degree = None if self.degree == "auto" else per_feature("degree", self.degree, d, 0)
        tol = max(self.tol, MIN_TOL)
        columns, n_evaluations, short = separable_coefficients(
            functions, *box(self.bounds_), degree, tol=tol, max_degree=self.max_degree
        )
        C, bases = orthogonalized(columns)
        self._truncate(C, n_evaluations)
        self.factors_ = [Q @ U for Q, U in zip(bases, self.factors_, strict=True)]
        self.degree_ = tuple(len(Q) - 1 for Q in bases)
        warn_of_degrees(self.degree_, short, self.tol)
        return self

    def _set_box(self, bounds):
        bounds = self.bounds if bounds is None else bounds
        if bounds is None:
            raise ValueError("bounds=None; a function needs the box on which it is wanted.")
        self.bounds_ = check_bounds(bounds)
        self.n_features_in_ = len(self.bounds_)
        vars(self).pop("feature_names_in_", None)  # they were those of a table

    def predict(self, X):
        """Evaluate the function.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The values, of the dtype of X.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        if self.extrapolate == "raise":
            refuse_outside(X, self.bounds_)
        y = self._values(X)
        if self.extrapolate == "nan":
            y[outside(X, self.bounds_).any(axis=1)] = np.nan
        return y

    def to_grid(self, grids):
        """Return the function on a product grid, in Tucker form and without its `intercept_`.

        Parameters
        ----------
        grids : list of array-like of shape (m_k,)
            Coordinates of each feature, in the box.

        Returns
        -------
        core : ndarray of shape `rank_`
            The core.
        factors : list of ndarray of shape (m_k, rank)
            Its product with these along all modes is the tensor of values.
        """
        check_is_fitted(self)
        if len(grids) != self.n_features_in_:
            raise ValueError(
                f"grids has {len(grids)} elements; it must have one for each of "
                f"{self.n_features_in_} features."
            )
        factors = []
        for grid, C, center, half in zip(grids, self.factors_, *box(self.bounds_), strict=True):
            t = np.clip((np.asarray(grid, dtype=np.float64) - center) / half, -1.0, 1.0)
            factors.append(chebvander(t, len(C) - 1) @ C)
        return self.core_, factors

    def derivative(self, feature):
        """Return the partial derivative, a fitted model of the same core.

        Parameters
        ----------
        feature : int
            Its index.

        Returns
        -------
        model : ChebyshevTucker
            The derivative.
        """
        check_is_fitted(self)
        if not 0 <= feature < self.n_features_in_:
            raise ValueError(f"feature={feature!r}; it must be in 0 .. {self.n_features_in_ - 1}.")
        half = box(self.bounds_)[1][feature]
        model = clone(self)
        vars(model).update({name: v for name, v in vars(self).items() if name.endswith("_")})
        model.factors_ = list(self.factors_)
        model.factors_[feature] = chebder(self.factors_[feature], axis=0) / half
        model.degree_ = tuple(len(C) - 1 for C in model.factors_)
        model.intercept_ = 0.0
        return model

    def integrate(self):
        """Return the integral over the box.

        Returns
        -------
        integral : float
            In units of the values times those of all features.
        """
        check_is_fitted(self)
        lengths = self.bounds_[:, 1] - self.bounds_[:, 0]
        sums = [integrals(C, a)[None] for C, a in zip(self.factors_, lengths, strict=True)]
        return float(expand(self.core_, sums).item() + self.intercept_ * np.prod(lengths))

    @staticmethod
    def grid(degree, bounds):
        """Return the points at which an interpolant of given degrees takes its values.

        Parameters
        ----------
        degree : int or tuple of int
            Degree of each feature.
        bounds : array-like of shape (n_features, 2)
            The box.

        Returns
        -------
        X : ndarray of shape (prod (degree + 1), n_features)
            The points, in C order: the last feature varies fastest.
        """
        return grid_points(degree, check_bounds(bounds))

    def _values(self, X):
        return values_at(X, self.bounds_, self.core_, self.factors_, self.intercept_)

    def _truncate(self, C, n_evaluations):
        """Set what is fitted from a tensor of coefficients."""
        rank = None if self.rank == "auto" else fitting_rank(self.rank, C.shape)
        self.core_, self.factors_, self.n_iter_ = compress(C, max(self.tol, MIN_TOL), rank)
        self.degree_ = tuple(n - 1 for n in C.shape)
        self.rank_, self.intercept_ = self.core_.shape, 0.0
        self.n_evaluations_ = n_evaluations
        norm = np.linalg.norm(C) or 1.0
        self.coef_error_ = float(np.linalg.norm(C - expand(self.core_, self.factors_)) / norm)
        return self

    def _misses(self, points, truth, tol):
        """Return whether the model is worse than wanted at points of [-1, 1]^d."""
        center, half = box(self.bounds_)
        error = np.abs(self._values(center + half * points) - truth).max()
        return error > 10 * tol * np.abs(truth).max()
