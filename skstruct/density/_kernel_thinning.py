"""Coresets of small maximum mean discrepancy: kernel thinning, as a transformer and a sampler.

`fit` and `fit_resample` bring the rows into an order that depends on their content alone and take
equal rows as one (P, with weights w), scale and centre them, choose a bandwidth, and thin: all
rows, or each class by itself. The algorithm is in `_thinning.py`, what it asks of points and
kernels in `_thinning_points.py`, and the loops are in `_kernel_thinning_fast.pyx`. With S the
coreset, v its weights and K the kernel,

    MMD^2 = v' K_SS v - 2 v' K_SP w + w' K_PP w         (mmd_, and -score for other rows)
    transform(X) = K_XS K_SS^(-1/2)                     (features whose products are about K)
"""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_array, check_consistent_length

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
from skstruct.density._thinning import compress_plus_plus, kernel_thin, squared_discrepancy
from skstruct.density._thinning_points import CallablePoints, RadialPoints, power_kernel
from skstruct.density._thinning_table import Table, median_bandwidth

KERNELS = ("gaussian", "imq", "laplace", "matern32", "matern52")
QUADRATIC_ROWS = 8192  # up to here, "auto" takes the method that is quadratic in the rows


class KernelThinning(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator
):
    """Coreset of a table: a few of its rows whose averages are nearly those of all.

    The largest error of an average over the unit ball of the space of functions of a kernel, the
    maximum mean discrepancy (MMD), falls nearly as 1 / n_coreset, instead of the
    1 / sqrt(n_coreset) of random rows.

    Read more in the :ref:`User Guide <kernel_thinning>`.

    Parameters
    ----------
    n_coreset : "sqrt" or int, default="sqrt"
        Number of rows of the coreset. "sqrt" is the square root of the number of different rows.
    kernel : {"gaussian", "imq", "laplace", "matern32", "matern52"} or callable, default="gaussian"
        With r the distance and h the bandwidth: exp(-r^2 / 2 h^2); (1 + r^2 / h^2)^(-1/2);
        exp(-r / h); (1 + u) exp(-u), u = sqrt(3) r / h; (1 + u + u^2 / 3) exp(-u),
        u = sqrt(5) r / h. A callable gets two arrays of rows and returns the array of the values
        of a positive definite kernel; it runs in Python.
    bandwidth : "median" or float, default="median"
        Of the kernel, in units of the rows. "median" is the root of half the median squared
        distance of at most 1000 rows. Not used by a callable.
    split_kernel : {"target", "power", "plus"}, default="target"
        The kernel that halves: the kernel itself; one whose spectral density is a power of its
        own, which is rougher; or the sum of both (KT+). The choice among candidates, swaps and MMD
        always go by the kernel itself. "power" and "plus" need a Gaussian or a Matern kernel.
    power : float, default=0.5
        In (0, 1), the power for a Gaussian kernel. Those of Matern kernels are (d + 3) / (d + 5)
        for "matern52" and (d + 1) / (d + 3) for "matern32", which have a closed form.
    method : {"auto", "kt", "compress++"}, default="auto"
        "kt" takes time quadratic in the number of rows, "compress++" nearly linear time. "auto" is
        "kt" up to 8192 different rows.
    oversampling : int, default=4
        For "compress++": 2^(oversampling + 2) `n_coreset` rows are left to "kt". Each one more
        takes four times as long and brings the MMD nearer to that of "kt".
    delta : float, default=0.5
        In (0, 1), bound of the probability that the guarantees fail.
    swap_passes : int, default=2
        Number of sweeps in which each row of the coreset gives way to a better one. They end when
        nothing changes.
    herding : bool, default=True
        Whether a greedy choice is a candidate beside those of the halving, so that the result is
        not worse than that.
    stratify : bool, default=True
        Whether `fit_resample` thins each class by itself to its share.
    unique : bool, default=True
        Whether a row is chosen once at most; a row of weight w counts as floor(w) rows, and one at
        least.
    random_state : int, RandomState instance or None, default=None
        Order of the rows, which depends on their content and not on where they stand, and the
        coins of the halving.
    n_jobs : int, default=None
        Number of threads. The result does not depend on it.

    Attributes
    ----------
    coreset_indices_ : ndarray of shape (n_coreset,)
        Indices of the rows of the coreset.
    coreset_ : ndarray of shape (n_coreset, n_features)
        The rows, of the dtype of `X`.
    coreset_weight_ : ndarray of shape (n_coreset,)
        Their weights: the sum of all weights over `n_coreset`, within each class if stratified.
    mmd_ : float
        MMD between the coreset and all rows, which is known after "kt". NaN after "compress++" and
        where several classes were thinned, since it takes longer than that; `score` computes it.
    bandwidth_ : float or None
        The bandwidth; None for a callable.
    normalization_ : ndarray of shape (n_coreset, n_coreset)
        What the kernel with the coreset is multiplied by in `transform`. Not set by
        `fit_resample`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    ThinnedEstimator : An estimator that is fitted to a coreset.
    sklearn.kernel_approximation.Nystroem : The features of random rows.
    sklearn.cluster.kmeans_plusplus : Rows that cover the data instead of standing for them.

    Notes
    -----
    "kt" computes 1.5 n^2 kernel values and "compress++" about 4^(oversampling + 2) of them per row
    and level, with 2 d operations and an exponential each: 1.5 ns for d = 10 and 3.3 ns for d = 50
    on one core, half of that for float32. No matrix of all rows is kept: memory is that of the
    rows, some 30 numbers per row, and n_coreset^2 for the features.

    A transformer must keep the number of rows, so that as a step of a pipeline it makes features;
    `fit_resample` returns the rows. To thin in front of a model, use :class:`ThinnedEstimator`.

    An integer weight is a repetition of the row. Weights of the coreset add up to those of the
    table and not to 1. The halving takes as many rows as there are different ones, drawn
    systematically by their weights; candidates and swaps go by the exact weights.

    Distances are computed in float64, for float32 rows too, where rounding would be felt at the
    bandwidth.

    References
    ----------
    .. [1] R. Dwivedi, L. Mackey, "Generalized Kernel Thinning", ICLR 2022, arXiv:2110.01593.
    .. [2] R. Dwivedi, L. Mackey, "Kernel Thinning", Journal of Machine Learning Research 25, 2024,
       arXiv:2105.05842.
    .. [3] A. Shetty, R. Dwivedi, L. Mackey, "Distribution Compression in Near-linear Time", ICLR
       2022, arXiv:2111.07941.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.density import KernelThinning
    >>> X = np.random.default_rng(0).standard_normal((4096, 2))
    >>> thinning = KernelThinning(64, random_state=0).fit(X)
    >>> thinning.coreset_.shape
    (64, 2)
    >>> random = KernelThinning(64, bandwidth=thinning.bandwidth_).fit(X[:64])
    >>> print(f"{thinning.mmd_:.3f}, of 64 random rows {-random.score(X):.2f}")
    0.006, of 64 random rows 0.08
    >>> thinning.transform(X).shape
    (4096, 64)
    """

    _parameter_constraints = {
        "n_coreset": [StrOptions({"sqrt"}), Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions(set(KERNELS)), callable],
        "bandwidth": [StrOptions({"median"}), Interval(Real, 0, None, closed="neither")],
        "split_kernel": [StrOptions({"target", "power", "plus"})],
        "power": [Interval(Real, 0, 1, closed="neither")],
        "method": [StrOptions({"auto", "kt", "compress++"})],
        "oversampling": [Interval(Integral, 0, None, closed="left")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "swap_passes": [Interval(Integral, 0, None, closed="left")],
        "herding": ["boolean"],
        "stratify": ["boolean"],
        "unique": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_coreset="sqrt",
        *,
        kernel="gaussian",
        bandwidth="median",
        split_kernel="target",
        power=0.5,
        method="auto",
        oversampling=4,
        delta=0.5,
        swap_passes=2,
        herding=True,
        stratify=True,
        unique=True,
        random_state=None,
        n_jobs=None,
    ):
        self.n_coreset = n_coreset
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.split_kernel = split_kernel
        self.power = power
        self.method = method
        self.oversampling = oversampling
        self.delta = delta
        self.swap_passes = swap_passes
        self.herding = herding
        self.stratify = stratify
        self.unique = unique
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def search_space(cls):
        """Return what to tune: the kernel, and the number of features.

        Returns
        -------
        space : dict
            A list for each parameter.
        """
        return {"n_coreset": ["sqrt", 32, 64], "kernel": list(KERNELS)}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Choose a coreset of the rows of X, and prepare the features.

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
            The fitted transformer.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C")
        self._choose(X, None, sample_weight)
        points, n_coreset = self._coreset, len(self.coreset_)
        values = points.values(points)
        value, vector = np.linalg.eigh(values.astype(np.float64))
        floor = max(1e-12, n_coreset * np.finfo(values.dtype).eps * value[-1])
        root = vector / np.sqrt(np.maximum(value, floor)) @ vector.T
        self.normalization_ = root.astype(values.dtype)
        self._n_features_out = n_coreset
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit_resample(self, X, y=None, sample_weight=None):
        """Choose a coreset of the rows of X and return it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What belongs to them. With `stratify`, labels of two or more classes are kept in
            proportion, and each class is thinned by itself.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        X_coreset : ndarray of shape (n_coreset, n_features)
            The rows of the coreset, those of a class together.
        y_coreset : ndarray of shape (n_coreset,) or (n_coreset, n_outputs)
            What belongs to them. Only if `y` is given.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C")
        if y is not None:
            y = check_array(y, dtype=None, ensure_2d=False, allow_nd=True, input_name="y")
            check_consistent_length(X, y)
        self._choose(X, y, sample_weight)
        return self.coreset_ if y is None else (self.coreset_, y[self.coreset_indices_])

    def _choose(self, X, y, sample_weight):
        """Set the attributes that describe the coreset."""
        for name in ("coreset_indices_", "normalization_"):  # not fitted until this has succeeded
            self.__dict__.pop(name, None)
        random_state = check_random_state(self.random_state)
        self._check_split_kernel()
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        table = Table(X, y, weight, self.stratify, random_state)
        sizes = self._sizes(table)
        capacity = table.capacity if self.unique else np.full(len(table.rows), max(sizes))
        points = self._points(X[table.rows], table.weight, random_state)

        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self, **data)
        chosen, chosen_weight, stop = [], [], False
        for members, n_chosen in zip(table.strata, sizes, strict=True):
            part = points if len(sizes) == 1 else points.take(members)
            total = table.weight[members].sum()
            steps = self._steps(
                part, table.weight[members] / total, capacity[members], n_chosen, random_state
            )
            (rows, mean), stop = self._follow(steps, context, data, stop)
            chosen.append(members[rows])
            chosen_weight.append(np.full(n_chosen, total / n_chosen))
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)

        chosen = np.concatenate(chosen)
        self._coreset = points.take(chosen)
        self.coreset_indices_ = table.indices(chosen)
        self.coreset_ = X[self.coreset_indices_]
        self.coreset_weight_ = np.concatenate(chosen_weight)
        self.mmd_ = np.nan
        if mean is not None and len(sizes) == 1:
            self.mmd_ = self._mmd(points, table.weight, (mean[chosen], mean))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coreset_indices_")

    def _check_split_kernel(self):
        if self.split_kernel == "target":
            return
        if callable(self.kernel) or power_kernel(self.kernel, 1.0, self.power) is None:
            raise ValueError(
                f"split_kernel={self.split_kernel!r} with kernel={self.kernel!r}: a power of the "
                "kernel is known for 'gaussian', 'matern32' and 'matern52'; use "
                "split_kernel='target'."
            )

    def _sizes(self, table):
        """Return how many rows of each stratum to choose."""
        n_strata, n_rows = len(table.strata), table.capacity.sum()
        n_chosen = self.n_coreset
        if n_chosen == "sqrt":
            n_chosen = max(int(np.sqrt(len(table.rows))), n_strata)
        if n_chosen > n_rows:
            raise ValueError(
                f"n_coreset={n_chosen} is more than the {n_rows} rows there are to choose from."
            )
        if n_chosen < n_strata:
            raise ValueError(
                f"n_coreset={n_chosen} is less than the {n_strata} classes of y, each of which is "
                "kept; give a larger n_coreset, or stratify=False if y is not a class."
            )
        return table.shares(n_chosen)

    def _points(self, X, weight, random_state):
        """Set the bandwidth and return points for different rows."""
        if callable(self.kernel):
            self.bandwidth_ = None
            return CallablePoints(X, self.kernel)
        if self.bandwidth == "median":
            self.bandwidth_ = median_bandwidth(X, weight, random_state)
        else:
            self.bandwidth_ = float(self.bandwidth)
        return RadialPoints(
            X, self.kernel, self.bandwidth_, self.split_kernel, self.power, self.n_jobs
        )

    def _steps(self, points, weight, capacity, n_chosen, random_state):
        """Return the generator that thins."""
        options = {
            "delta": self.delta,
            "swap_passes": self.swap_passes,
            "herding": self.herding,
            "random_state": random_state,
        }
        if self.method == "kt" or (self.method == "auto" and len(points) <= QUADRATIC_ROWS):
            return kernel_thin(points, weight, capacity, n_chosen, **options)
        return compress_plus_plus(points, weight, capacity, n_chosen, self.oversampling, **options)

    def _follow(self, steps, context, data, stop):
        """Run a generator to its end, with a task of the callbacks for each of its steps.

        Return what it returns, and whether a callback has asked to stop, now or before.
        """
        answer, running = None, True
        while running:
            task = context.subcontext(task_name="pass")
            task.call_on_fit_task_begin(estimator=self, **data)
            try:
                steps.send(answer)
            except StopIteration as end:
                running, result = False, end.value
            if task.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data):
                stop = True
            answer = stop
        return result, stop

    def _mmd(self, points, weight, means=None):
        """Return the MMD between the coreset and other points."""
        weight = weight / weight.sum()
        coreset_weight = self.coreset_weight_ / self.coreset_weight_.sum()
        squared = squared_discrepancy(self._coreset, coreset_weight, points, weight, means)
        return float(np.sqrt(squared))

    def transform(self, X):
        """Features of the kernel: their inner products are its values, as the coreset knows them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        features : ndarray of shape (n_samples, n_coreset)
            k(X, coreset) k(coreset, coreset)^(-1/2), of the dtype of X.
        """
        check_is_fitted(self, "normalization_")
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        features = self._coreset.values(self._coreset.like(X)) @ self.normalization_
        return features.astype(X.dtype, copy=False)

    def score(self, X, y=None, sample_weight=None):
        """Negative MMD between the coreset and the rows.

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
        score : float
            At most 0. Takes n_samples^2 / 2 kernel values.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return -self._mmd(self._coreset.like(X), weight)
