"""Gaussian kernel density whose bandwidth maximises the leave-one-out likelihood.

Rows are centred, divided by their root mean square ("unit") and whitened, z = ((x - location) /
unit) T, equal rows become one with the sum w of their weights, and then

    log p(x) = log sum_j w_j exp(-|z - z_j|^2 / 2 h^2) - log W
               - d log h - (d/2) log 2 pi + log|det T| - d log unit

    covariance   T
    spherical    I                       bandwidth, thresholds in the unit of the data
    diag         1 / standard deviations
    full         L^-T of the covariance + reg_covar I = L L^T
    learned      that of full, times what EM of the leave-one-out likelihood finds (det = 1)

The bandwidth is found by the passes of _leave_one_out.py, the regime by _bandwidth_thresholds.py,
sums are those of _lib/_kernel_sums.pyx and, in up to 3 dimensions, of _cell_list.py.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_scalar

from skstruct._lib._kernel_sums import log_sums, make_kernel, squared_norms
from skstruct._lib.row_blocks import for_row_blocks
from skstruct._lib.row_order import shuffled_distinct_rows
from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    check_is_fitted,
    check_random_state,
    validate_data,
)
from skstruct.density._bandwidth_thresholds import (
    edge_bandwidth,
    effective_size,
    gaussian_bandwidth_thresholds,
)
from skstruct.density._cell_list import CellList
from skstruct.density._high_dimensional_kernel_density_fast import moments
from skstruct.density._kernel_coordinates import KernelCoordinates, least_bandwidth
from skstruct.density._leave_one_out import LeaveOneOut, learned_transform

MIN_CELL_ROWS = 2000


class HighDimensionalKernelDensity(CallbackSupportMixin, DensityMixin, BaseEstimator):
    """Exact Gaussian kernel density that finds its bandwidth and says in which regime it is.

    In high dimension a kernel density at its best bandwidth is no average over many rows: a few
    nearest ones carry it. The estimator finds that bandwidth in a few passes over the pairs of
    rows, and reports how far from an average it is.

    Read more in the :ref:`User Guide <high_dimensional_kernel_density>`.

    Parameters
    ----------
    bandwidth : float or {"loo", "kl", "rem", "nn", "scott", "silverman"}, default="loo"
        Standard deviation of the kernel, in the unit of the data with `covariance="spherical"`
        and in units of the whitened data otherwise. "loo" maximises the leave-one-out likelihood,
        which is to minimise the Kullback-Leibler divergence, for which "kl" is another name.
        "rem" is the closed form of :func:`gaussian_bandwidth_thresholds` for the eigenvalues of
        the covariance matrix, "nn" has as its square the mean squared distance to the nearest row
        divided by `n_features`; both take no search, and are for 30 dimensions or more. "scott"
        and "silverman" are the rules for few dimensions, times the root mean square standard
        deviation of the columns.
    covariance : {"spherical", "diag", "full", "learned"}, default="spherical"
        Shape of the kernel: round, or that of the standard deviations or of the covariance matrix
        of the data, or that of the largest leave-one-out likelihood.
    algorithm : {"auto", "brute", "cells"}, default="auto"
        How to score rows. "cells" looks at near rows only, to the relative error `rtol`, and is
        for up to 3 features; "auto" takes it there for 2000 rows or more. The fit is exact.
    rtol : float, default=1e-8
        Relative error of a density by "cells".
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariance matrix in units of its mean, for "full" and
        "learned". With "diag", the variance of a constant column, in the same unit.
    min_eig : float, default=1e-3
        Least eigenvalue of a learned covariance, in units of the whitened data. Discrete columns
        would bring it to 0.
    edge_k : int, default=10
        Number of nearest rows from which `h_g_` is estimated.
    tol : float, default=1e-4
        Relative error of the "loo" bandwidth at which its search ends.
    max_iter : int, default=30
        Most steps of that search.
    em_iter : int, default=50
        Most iterations that learn a covariance; they end when the likelihood gains less than 1e-3.
    random_state : int, RandomState instance or None, default=None
        Which 512 rows the edge of the distances is looked at, where there are more.
    n_jobs : int, default=None
        Number of threads. The result does not depend on it.

    Attributes
    ----------
    bandwidth_ : float
        The bandwidth h. A learned kernel has, in whitened units, the volume of a round one of
        that bandwidth.
    covariance_ : ndarray of shape (n_features, n_features)
        Covariance matrix of the kernel, in the units of the data.
    location_ : ndarray of shape (n_features,)
        Mean of the data, which is subtracted before distances are computed.
    loo_log_likelihood_ : float
        Mean logarithm of the density at the rows of `fit`, each left out of its own; in nats.
    participation_ratio_ : float
        Mean of the sum of squared shares, sum_j P_ij^2, that the other rows have in the density at
        each; 1 divided by it is the number of rows that carry the density.
    h_g_ : float
        Bandwidth below which few rows carry the density, estimated from nearest rows; as
        `bandwidth_` in units.
    h_clt_ : float
        Bandwidth above which the density at a point is an average with a variance: sqrt(2) `h_g_`.
    tail_index_ : float
        Index of the power tail of the terms of the density, (`bandwidth_` / `h_g_`)^2.
    regime_ : {"clt", "heavy_tailed", "condensed"}
        Tail index above 2, between 1 and 2, or below 1.
    alpha_ : float
        Logarithm of the effective number of rows, divided by `n_features`.
    n_iter_ : int
        Number of passes over all pairs of rows.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    gaussian_bandwidth_thresholds : The thresholds for normal data, without data.
    KDEModeFinder : Modes and clusters of a kernel density.
    sklearn.neighbors.KernelDensity : Other kernels and metrics, by trees.

    Notes
    -----
    A pass over all pairs costs 2 n^2 d operations and n^2 exponentials; the bandwidth takes about
    4 of them, and "learned" two more for each iteration, one of which has 4 n^2 d operations and
    2 n^2 exponentials. Scores of m rows cost 2 m n d operations and m n exponentials. Memory is
    O((n + m) d): no matrix of distances is kept.

    Equal rows count as one with the sum of their weights, and are left out together: one that came
    twice would otherwise make the likelihood infinite at bandwidth 0. So weights that are integers
    are the same as repetition. Their scale does not matter; the effective number of rows is
    W^2 / sum w^2 over distinct rows.

    `fit` works in float64. float32 rows are scored in float32 where its rounding of distances
    stays below 1e-3 nats.

    "condensed" is no fault: it says that the density at a new point is the distance to its nearest
    row, and that modes are data points.

    References
    ----------
    .. [1] G. Biroli, M. Mezard, "Kernel Density Estimators in Large Dimensions", 2024,
       arXiv:2408.05807.
    .. [2] J. M. Leiva-Murillo, A. Artes-Rodriguez, "Algorithms for Maximum-Likelihood Bandwidth
       Selection in Kernel Density Estimators", Pattern Recognition Letters 33(13), 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.density import HighDimensionalKernelDensity
    >>> X = np.random.RandomState(0).standard_normal((1000, 32))
    >>> density = HighDimensionalKernelDensity().fit(X)
    >>> round(density.bandwidth_, 2)
    0.96
    >>> density.regime_
    'condensed'
    >>> bool(density.effective_samples(X[:1] + 0.1)[0] < 1000)
    True
    """

    _parameter_constraints = {
        "bandwidth": [
            StrOptions({"loo", "kl", "rem", "nn", "scott", "silverman"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "covariance": [StrOptions({"spherical", "diag", "full", "learned"})],
        "algorithm": [StrOptions({"auto", "brute", "cells"})],
        "rtol": [Interval(Real, 0, 1, closed="neither")],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "min_eig": [Interval(Real, 0, None, closed="neither")],
        "edge_k": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "em_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        bandwidth="loo",
        *,
        covariance="spherical",
        algorithm="auto",
        rtol=1e-8,
        reg_covar=1e-6,
        min_eig=1e-3,
        edge_k=10,
        tol=1e-4,
        max_iter=30,
        em_iter=50,
        random_state=None,
        n_jobs=None,
    ):
        self.bandwidth = bandwidth
        self.covariance = covariance
        self.algorithm = algorithm
        self.rtol = rtol
        self.reg_covar = reg_covar
        self.min_eig = min_eig
        self.edge_k = edge_k
        self.tol = tol
        self.max_iter = max_iter
        self.em_iter = em_iter
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def search_space(cls):
        """Return what to tune: the shape of the kernel.

        Returns
        -------
        space : dict
            A list of values for each parameter.
        """
        return {"covariance": ["spherical", "diag", "full", "learned"]}

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Find the bandwidth and keep the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows, of which at least 2 differ.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. An integer weight is a repetition of the row.

        Returns
        -------
        self : object
            The fitted density.

        Raises
        ------
        ValueError
            If fewer than 2 rows of positive weight differ, a weight is negative, `bandwidth` is
            below the rounding error of distances, `reg_covar` leaves the covariance matrix
            singular, or `algorithm` is "cells" for more than 3 features.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C")
        if self.algorithm == "cells" and X.shape[1] > 3:
            raise ValueError(
                f"algorithm='cells' is for up to 3 features, X has {X.shape[1]}; use 'auto' or "
                "'brute'."
            )
        context = self._init_callback_context(max_subtasks=None)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(estimator=self, **data)
        self.__dict__.pop("bandwidth_", None)  # not fitted until all of this has succeeded
        self.n_iter_, stopped = 0, False

        def on_pass():
            nonlocal stopped
            self.n_iter_ += 1
            step = context.subcontext(task_name="pass over all pairs")
            step.call_on_fit_task_begin(estimator=self, **data)
            if step.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data):
                stopped = True
            return stopped

        self._coordinates = self._find_coordinates(X, sample_weight, on_pass)
        self._points, self._weight = self._coordinates.rows, self._coordinates.weight
        loo = LeaveOneOut(self._points, self._weight, self.n_jobs, on_pass)
        self._squares = loo.squares
        self._h, found = self._find_bandwidth(loo)
        n, d = self._points.shape
        log_det = self._coordinates.log_det()
        self._log_norm = log_det - np.log(self._weight.sum())
        self._log_norm -= d * (np.log(self._h) + 0.5 * np.log(2 * np.pi))
        in_cells = self.algorithm == "auto" and d <= 3 and n >= MIN_CELL_ROWS
        self._cells = None
        if in_cells or self.algorithm == "cells":
            self._cells = CellList(self._points, self._weight, self._h, self.rtol)
        h_g = edge_bandwidth(self._points, self._squares, self._weight, self.edge_k, self.n_jobs)
        unit = self._bandwidth_unit()
        self.bandwidth_ = float(self._h * unit)
        self.covariance_ = self._coordinates.covariance(self._h)
        self.location_ = self._coordinates.location
        self.loo_log_likelihood_ = float(found.value + log_det)
        self.participation_ratio_ = found.participation
        self.h_g_ = float(h_g * unit)
        self.h_clt_ = float(np.sqrt(2) * h_g * unit)
        self.tail_index_ = float((self._h / h_g) ** 2) if h_g > 0 else np.inf
        self.regime_ = "condensed"
        if self.tail_index_ > 1:
            self.regime_ = "clt" if self.tail_index_ > 2 else "heavy_tailed"
        self.alpha_ = float(np.log(effective_size(self._weight)) / d)
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "bandwidth_")

    def _bandwidth_unit(self):
        """Unit of bandwidths: of the data for round kernels, of whitened data for others."""
        return self._coordinates.unit if self.covariance == "spherical" else 1.0

    def _find_coordinates(self, X, sample_weight, on_pass):
        """Return coordinates in which the kernel is round, with the distinct rows of X in them."""
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = np.flatnonzero(weight)
        random_state = check_random_state(self.random_state)
        rows, weight = shuffled_distinct_rows((X[kept],), weight[kept], random_state)
        if len(rows) < 2:
            raise ValueError(
                f"X has 1 distinct row among n_samples={len(X)} (of positive weight); a kernel "
                "density needs at least 2 that differ, since 1 sample has no spread."
            )
        weight /= weight.mean()
        coordinates = KernelCoordinates(X[kept[rows]], weight)
        if self.covariance != "spherical":
            coordinates.whiten(self.covariance, self.reg_covar)
        if self.covariance == "learned":
            loo = LeaveOneOut(coordinates.rows, weight, self.n_jobs, on_pass)
            shape = learned_transform(
                loo,
                loo.best_bandwidth(self.tol, self.max_iter)[0],
                min_eig=self.min_eig,
                em_iter=self.em_iter,
            )
            coordinates.apply(shape, np.linalg.inv(shape))
        return coordinates

    def _find_bandwidth(self, loo):
        """Return the bandwidth in units of the rows of loo, and the evaluation there."""
        if self.bandwidth in ("loo", "kl"):
            return loo.best_bandwidth(self.tol, self.max_iter)
        n, d = effective_size(loo.weight), loo.Z.shape[1]
        covariance = (loo.Z * loo.weight[:, np.newaxis]).T @ loo.Z / loo.weight.sum()
        if self.bandwidth == "rem":
            eigenvalues = np.maximum(np.linalg.eigvalsh(covariance), 0)
            h = gaussian_bandwidth_thresholds(n, eigenvalues)["h_kl"]
        elif self.bandwidth == "nn":
            h = loo.above_resolution(np.sqrt(loo.mean_nearest() / d))
        elif isinstance(self.bandwidth, str):
            base = n if self.bandwidth == "scott" else n * (d + 2) / 4
            h = base ** (-1 / (d + 4)) * np.sqrt(np.trace(covariance) / d)
        else:
            h = self.bandwidth / self._bandwidth_unit()
            least = least_bandwidth(np.median(loo.squares))
            if not least <= h < 1e150:
                raise ValueError(
                    f"bandwidth={self.bandwidth} is {h:.0e} times the spread of the data; it must "
                    f"be between {least:.0e}, the rounding error of distances, and 1e150 times."
                )
        return float(h), loo.at(h)

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
            Natural logarithms, of the dtype of X; finite however far a row is from the data.
        """
        X = self._validate_rows(X)
        Z = self._coordinates(X)
        out = np.empty(len(Z))
        rest = np.arange(len(Z))
        if self._cells is not None:
            for_row_blocks(
                lambda rows: self._cells.log_sums(Z[rows], out[rows]), len(Z), self.n_jobs
            )
            rest = np.flatnonzero(np.isnan(out))
        if len(rest):
            out[rest] = self._brute_log_sums(Z[rest], X.dtype)
        return (out + self._log_norm).astype(X.dtype, copy=False)

    def _brute_log_sums(self, Z, dtype):
        points, squares, weight = self._points, self._squares, self._weight
        if dtype == np.float32:
            largest = np.einsum("ij,ij->i", Z, Z).max() + squares.max()
            if least_bandwidth(largest, np.float32) < self._h:
                Z, points, weight = (a.astype(np.float32) for a in (Z, points, weight))
                squares = np.empty(len(points), np.float32)
                squared_norms(points, squares)
        kernel, out = make_kernel("gaussian", self._h), np.empty(len(Z))

        def block(rows):
            log_sums(Z[rows], points, squares, weight, kernel, out[rows])

        for_row_blocks(block, len(Z), self.n_jobs)
        return out

    def score(self, X, y=None):
        """Sum of the logarithms of the density at the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            The log-likelihood of X, in nats.
        """
        return float(self.score_samples(X).sum(dtype=np.float64))

    def effective_samples(self, X):
        """Number of rows of `fit` that carry the density at each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        n_effective : ndarray of shape (n_samples,)
            1 / sum_j P_j^2 with P_j the share of row j in the density, between 1 and the number of
            distinct rows; of the dtype of X.
        """
        X = self._validate_rows(X)
        Z = self._coordinates(X)
        out = np.empty((len(Z), 4))

        def block(rows):
            moments(
                Z[rows], self._points, self._squares, self._weight, len(self._points), self._h,
                out[rows],
            )  # fmt: skip

        for_row_blocks(block, len(Z), self.n_jobs)
        return (1 / out[:, 3]).astype(X.dtype, copy=False)

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Decides the draws.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, in float64.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        drawn = rng.choice(len(self._points), size=n_samples, p=self._weight / self._weight.sum())
        Z = self._points[drawn]
        Z = Z + self._h * rng.standard_normal(Z.shape)
        return self._coordinates.back(Z)
