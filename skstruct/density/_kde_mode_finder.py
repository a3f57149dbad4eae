"""Modes of a kernel density estimate in many dimensions, and the clusters around them.

p(x) = sum_i w_i k(|x - x_i|^2 / h^2) / sum_i w_i has its modes found on a small copy of the data
[1]_ [2]_: fewer rows, by kernel thinning, and fewer columns, by a random projection.

1. C (centers): the rows, or a coreset of them; R (projection): d x q, entries N(0, 1/q), or none.
2. Seeds, rows drawn by weight, ascend together on the density of C R (see _kernel_ascent).
3. Each end y is lifted: x' = sum_i a_i c_i / sum_i a_i, a_i = w_i g(|y - R'c_i|^2 / h^2), g = -k',
   averages the rows of C themselves. By convexity of k, p(x') >= p_R(y) - gamma sum_i a_i z_i / W
   with z_i = |y - R'c_i|^2 / h^2 and 1 + gamma the largest ratio of a squared distance to its
   projection; the docstring has the proof.
4. Lifted points ascend on the density of all rows. Ends of different starts are one mode if they
   are within merge_tol h. Then each mode is left to both sides in the direction in which mean
   shift leads back least, the top eigenvector of the Jacobian of its step; where that leads to a
   denser point elsewhere, it was a saddle or a plateau and is replaced.
5. Rows ascend on the density of C R until they are near an anchor, an end of 2: it belongs to the
   mode that it led to in 4, and a row to the mode of the anchor nearest to its own end.

All this runs on Z = (X - mean) / h of the distinct rows, so that the bandwidth is 1 throughout.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from skstruct._lib.row_blocks import for_row_blocks, one_blas_thread
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
from skstruct.density._kernel_ascent import KernelDensitySum, squared_distances
from skstruct.density._kernel_coordinates import least_bandwidth
from skstruct.density._kernel_thinning import KernelThinning
from skstruct.density._mode_bandwidth import mode_bandwidth
from skstruct.density._mode_search import ModeSearch, project

FARTHEST = 1e15  # bandwidths; a row further out is brought there, so that squares are finite
N_CENTERS = 2048
N_SEEDS = 256
RADIUS = 0.5  # bandwidths from an anchor within which a row belongs to it
BLOCK = 1024  # rows that ascend together to be labelled; whatever n_jobs, the same ones
BATCH = 32 * BLOCK  # rows that are labelled between two calls of callbacks


class KDEModeFinder(CallbackSupportMixin, ClusterMixin, BaseEstimator):
    """Modes of a kernel density estimate, and the rows that ascend to each.

    A cluster is what ascends to the same mode of the density. Their number is found and not given.
    What makes mean shift slow, a walk over all rows from each of them, is done on a coreset of the
    rows and, in many dimensions, on a random projection of it; modes found there are lifted to the
    space of the data and polished on all rows.

    Read more in the :ref:`User Guide <kde_mode_finder>`.

    Parameters
    ----------
    bandwidth : "auto" or float, default="auto"
        Standard deviation of the Gaussian kernel, scale of the others. "auto" is the smallest one
        at which modes are those of the density and not of single rows, see Notes.
    kernel : {"gaussian", "logistic", "sigmoid", "exponential", "cauchy"}, default="gaussian"
        With r the distance in bandwidths: exp(-r^2 / 2), 4 / (exp(r) + 2 + exp(-r)),
        2 / (exp(r) + exp(-r)), exp(-r^alpha), (1 + r^2)^-alpha. The exponential kernel has a cusp
        at each row for `alpha` <= 1, so that in many dimensions nearly each row is a mode; it
        serves to find the densest.
    alpha : float, default=1.0
        Power of the "exponential" kernel, in (0, 2], or of the "cauchy" kernel. Others have none.
    n_components : "auto" or int, default="auto"
        Number of dimensions of the random projection. "auto" is 10 log(n_samples), and no
        projection where that does not at least halve the number of features. More than there are
        features means no projection.
    n_projections : int, default=2
        Number of random projections in each of which modes are looked for. One search is made
        where nothing is projected.
    n_seeds : "auto" or int, default="auto"
        Number of rows that the search starts from. "auto" is 256.
    n_centers : "auto" or int, default="auto"
        A table of more rows is replaced by a coreset of so many where modes are looked for and
        rows are labelled; final modes and densities are those of all rows. "auto" is 2048.
    tol : float, default=1e-3
        An ascent ends where its step is shorter than this, in bandwidths.
    merge_tol : float, default=0.1
        Points closer than this, in bandwidths, are one mode.
    max_iter : int, default=300
        Largest number of steps of an ascent.
    labels : {"basin", "nearest"}, default="basin"
        A row has the label of the mode that it ascends to, or of the nearest mode.
    min_mass : float, default=0.0
        In [0, 1). Modes whose rows have a smaller share of the weight are dropped, and their rows
        go to the nearest mode that stays. The heaviest mode always stays.
    random_state : int, RandomState instance or None, default=None
        Seeds, projections and the coreset.
    n_jobs : int, default=None
        Number of threads for sums over many rows. Results do not depend on it.

    Attributes
    ----------
    modes_ : ndarray of shape (n_modes, n_features)
        The modes, densest first.
    mode_log_density_ : ndarray of shape (n_modes,)
        Natural logarithm of the density at each, as `score_samples` has it.
    mode_mass_ : ndarray of shape (n_modes,)
        Share of the weight of the rows that have its label; sums to 1.
    labels_ : ndarray of shape (n_samples,)
        Index of the mode of each row.
    bandwidth_ : float
        The bandwidth that is used.
    n_components_ : int
        Number of dimensions in which modes are looked for.
    n_iter_ : int
        Largest number of steps that a seed or a lifted point took.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    sklearn.cluster.MeanShift : Flat kernel, all rows; labels by the nearest mode.
    HighDimensionalKernelDensity : The density itself, with a bandwidth for that purpose.
    KernelThinning : The coreset.

    Notes
    -----
    **Guarantee.** Let R be a linear map and y a point of its image,
    ``z_i = |y - R'x_i|^2 / h^2``, a_i = w_i g(z_i) with g = -k', A = sum a_i, W = sum w_i, and
    x' = sum a_i x_i / A. Let gamma be at least 0 and such that
    ``|x_i - x_j|^2 <= (1 + gamma) |R'(x_i - x_j)|^2`` for all pairs. k is convex, so that
    k(u) >= k(z) + g(z) (z - u), hence::

        p(x') >= p_R(y) + sum a_i (z_i - |x' - x_i|^2 / h^2) / W.

    Since x' is the mean of the x_i under the weights a_i, and with c the mean of the R'x_i::

        sum a_i |x' - x_i|^2 = sum_ij a_i a_j |x_i - x_j|^2 / 2A
            <= (1 + gamma) sum_ij a_i a_j |R'x_i - R'x_j|^2 / 2A
             = (1 + gamma) sum a_i |R'x_i - c|^2
            <= (1 + gamma) sum a_i |R'x_i - y|^2 = (1 + gamma) h^2 sum a_i z_i,

    the last one because no point has a smaller sum than c. Both together::

        p(x') >= p_R(y) - gamma sum w_i g(z_i) z_i / W.

    By the lemma of Johnson and Lindenstrauss gamma is small, and p_R at the image of the true mode
    close to p there, from q of the order of log n on; the best lifted point is then nearly as
    dense as the densest there is. With R the identity this says that mean shift ascends.

    **Bandwidth.** Below h_G the density at a place is that of a few rows, and each row is a mode.
    "auto" is the larger of 2^(1/4) h_G and h_LOO n^(2 / ((d + 4)(d + 6))): h_LOO maximises the
    leave-one-out likelihood, and the power of n turns the rate that is best for densities into the
    one for their gradients. The first is the larger from about five features on. n is the number
    of rows or, if that is less, of centers: it is on their density that rows ascend, and h_G falls
    with n. Both are those of the Gaussian kernel; heavier tails smooth more at the same bandwidth.

    **Cost.** With m = min(n_samples, n_centers), q dimensions and four to nine steps an ascent,
    labels take n_samples m (4 q flops and one exponential) a step, 3 ns a pair at q = 20; the
    polish takes 4 n_modes n_samples n_features flops a step. Time is linear in n_samples past
    n_centers. Memory is one copy of X, and three more while the coreset is chosen; no matrix of
    n_samples by n_centers is formed.

    A mode into whose basin no seed falls is not found, and its rows go to the nearest one. Raise
    `n_seeds` where there are hundreds.

    A callback that asks to stop once modes are found leaves the rows to come at the nearest one.

    Equal rows count as one with their summed weight, and random choices depend on the content of
    rows and not on their order: an integer weight is a repetition.

    References
    ----------
    .. [1] X. Luo, C. Musco, C. Widdershoven, "Dimensionality Reduction for General KDE Mode
       Finding", ICML 2023, arXiv:2305.18755.
    .. [2] J. C. H. Lee, J. Li, C. Musco, J. M. Phillips, W. M. Tai, "Finding an Approximate Mode
       of a Kernel Density Estimate", ESA 2021, arXiv:1912.07673.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skstruct.density import KDEModeFinder
    >>> X, y = make_blobs(1000, n_features=20, centers=4, random_state=0)
    >>> finder = KDEModeFinder(min_mass=0.01, random_state=0).fit(X)
    >>> finder.modes_.shape
    (4, 20)
    >>> finder.predict(X[:3]) == finder.labels_[:3]
    array([ True,  True,  True])
    """

    _parameter_constraints = {
        "bandwidth": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "kernel": [StrOptions({"gaussian", "logistic", "sigmoid", "exponential", "cauchy"})],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "n_components": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "n_seeds": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "n_centers": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "merge_tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "labels": [StrOptions({"basin", "nearest"})],
        "min_mass": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        bandwidth="auto",
        *,
        kernel="gaussian",
        alpha=1.0,
        n_components="auto",
        n_projections=2,
        n_seeds="auto",
        n_centers="auto",
        tol=1e-3,
        merge_tol=0.1,
        max_iter=300,
        labels="basin",
        min_mass=0.0,
        random_state=None,
        n_jobs=None,
    ):
        self.bandwidth = bandwidth
        self.kernel = kernel
        self.alpha = alpha
        self.n_components = n_components
        self.n_projections = n_projections
        self.n_seeds = n_seeds
        self.n_centers = n_centers
        self.tol = tol
        self.merge_tol = merge_tol
        self.max_iter = max_iter
        self.labels = labels
        self.min_mass = min_mass
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def search_space(cls):
        """Return what to tune: the kernel, and from which mass on a mode counts.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "kernel": ["gaussian", "logistic", "sigmoid"],
            "min_mass": loguniform(1e-4, 0.1),
        }

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of KDEModeFinder
        """
        return [
            cls(),
            cls(kernel="exponential", n_components=3, n_centers=40),
            cls(kernel="cauchy", labels="nearest", min_mass=0.05),
        ]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Find the modes of the density of the rows of X, and label the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. An integer weight is a repetition of the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a weight is negative or all are zero, if `alpha` is above 2 for the exponential
            kernel, or if `bandwidth` is below the rounding error of distances.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C")
        if self.kernel == "exponential" and self.alpha > 2:
            raise ValueError(
                f"alpha={self.alpha!r}; it must be in (0, 2] for the exponential kernel."
            )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        random_state = check_random_state(self.random_state)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        batches = list(gen_batches(len(X), BATCH))
        context = self._init_callback_context(max_subtasks=1 + len(batches))
        context.call_on_fit_task_begin(estimator=self, **data)

        def task(name, function, *args):
            step = context.subcontext(task_name=name)
            step.call_on_fit_task_begin(estimator=self, **data)
            function(*args)
            return step.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)

        self.__dict__.pop("labels_", None)  # not fitted until all of this has succeeded
        stopped = task("modes", self._find_modes, X, weight, random_state)
        anchor = np.empty(len(X), dtype=np.intp)
        for batch in batches:
            if stopped:  # rows that are left do not ascend
                self._reach_anchors(X[batch], anchor[batch], ascend=False)
            else:
                stopped = task("labels", self._reach_anchors, X[batch], anchor[batch])
        self._drop_light_modes(anchor, weight)
        self.labels_ = self._mode_of_anchor[anchor]
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    def _find_modes(self, X, weight, random_state):
        self._n_centers = N_CENTERS if self.n_centers == "auto" else self.n_centers
        Z, weight = self._standardize(X, weight, random_state)
        self._density = KernelDensitySum(Z, weight, self.kernel, self.alpha)
        n_samples, n_features = Z.shape
        n_seeds = N_SEEDS if self.n_seeds == "auto" else self.n_seeds
        share = weight / weight.sum()
        seeds = random_state.choice(n_samples, min(n_seeds, n_samples), replace=False, p=share)
        C, c_weight = self._coreset(Z, weight, random_state)
        projections = self._draw_projections(n_samples, n_features, random_state)
        with one_blas_thread():
            search = ModeSearch(self._density, self.tol, self.merge_tol, self.max_iter)
            modes, log_p, anchors, owner = search.run(C, c_weight, Z[seeds], projections)
        if search.n_iter > self.max_iter:
            warnings.warn(
                f"An ascent did not end in max_iter={self.max_iter} steps. Increase max_iter or "
                "tol, or the bandwidth.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.n_iter_ = min(search.n_iter, self.max_iter)
        self._centers, self._projection = search.centers, projections[-1]
        self._ascent = self.tol, self.max_iter
        if self.labels == "nearest":
            anchors, owner = modes, np.arange(len(modes))
            self._ascent = self._projection = None
        self._anchors, self._mode_of_anchor = anchors, owner
        between = squared_distances(anchors, anchors)
        np.fill_diagonal(between, np.inf)
        self._radius = np.minimum(RADIUS, np.sqrt(between.min(axis=1).clip(0)) / 4)
        self.modes_ = (self._location + modes * self.bandwidth_).astype(X.dtype, copy=False)
        self.mode_log_density_ = log_p

    def _standardize(self, X, weight, random_state):
        """Set the bandwidth; return the distinct rows in its units, and their weights."""
        kept = np.flatnonzero(weight)
        if len(kept) < len(X):
            X, weight = X[kept], weight[kept]
        rows, weight = shuffled_distinct_rows((X,), weight, random_state)
        Z = X[rows]
        self._location = (weight / weight.sum()).astype(Z.dtype) @ Z
        Z -= self._location
        scale = float(np.abs(Z).max()) or 1.0
        Z /= scale
        squares = np.einsum("ij,ij->i", Z, Z, dtype=np.float64)
        least = scale * least_bandwidth(np.median(squares))
        if self.bandwidth == "auto":
            some = slice(0, self._n_centers)
            bandwidth = max(scale * mode_bandwidth(Z[some], weight[some], self.n_jobs), least)
        else:
            bandwidth = float(self.bandwidth)
        if bandwidth < least:
            raise ValueError(
                f"bandwidth={bandwidth!r}; it must be above the rounding error of distances, "
                f"which is {least:.1g} for these rows."
            )
        if bandwidth < scale * least_bandwidth(squares.max(), Z.dtype):
            self._location = self._location.astype(np.float64)
        self.bandwidth_ = float(bandwidth)
        return self._to_bandwidths(X[rows]), weight

    def _coreset(self, Z, weight, random_state):
        if len(Z) <= self._n_centers:
            return Z, weight
        thinning = KernelThinning(
            self._n_centers,
            bandwidth=1.0,
            method="compress++",
            oversampling=0,
            swap_passes=1,
            herding=False,
            random_state=random_state,
            n_jobs=self.n_jobs,
        )
        return thinning.fit_resample(Z, sample_weight=weight), thinning.coreset_weight_

    def _draw_projections(self, n_samples, n_features, random_state):
        """Set n_components_; return matrices, or [None] where all dimensions stay."""
        if self.n_components == "auto":
            q = max(8, int(np.ceil(10 * np.log(n_samples))))
            q = q if n_features > 2 * q else n_features
        else:
            q = min(self.n_components, n_features)
        self.n_components_ = q
        if q == n_features:
            return [None]
        shape = (self.n_projections, n_features, q)
        R = random_state.standard_normal(shape) / np.sqrt(q)
        return list(R.astype(self._location.dtype))

    def _reach_anchors(self, X, anchor, ascend=True):
        """Write for each row of X the index of the anchor that it belongs to."""

        def function(rows):
            for start in range(rows.start, rows.stop, BLOCK):
                block = slice(start, min(start + BLOCK, rows.stop))
                Z = project(self._to_bandwidths(X[block]), self._projection)
                if self._ascent is not None and ascend:
                    Z = self._centers.leave_points(Z)
                    Z, _, _ = self._centers.ascend(Z, *self._ascent, self._anchors, self._radius)
                anchor[block] = squared_distances(Z, self._anchors).argmin(axis=1)

        for_row_blocks(function, len(X), self.n_jobs, BLOCK)

    def _drop_light_modes(self, anchor, weight):
        """Set the masses; give the anchors of modes below min_mass to the nearest others."""
        owner = self._mode_of_anchor
        mass = np.bincount(owner[anchor], weight, minlength=len(self.modes_)) / weight.sum()
        kept = mass >= min(self.min_mass, mass.max())
        if not kept.all():
            stays = kept[owner]
            distances = squared_distances(self._anchors[~stays], self._anchors[stays])
            owner[~stays] = owner[stays][distances.argmin(axis=1)]
            owner = (np.cumsum(kept) - 1)[owner]
            mass = np.bincount(owner[anchor], weight) / weight.sum()
            self.modes_, self.mode_log_density_ = self.modes_[kept], self.mode_log_density_[kept]
        self._mode_of_anchor, self.mode_mass_ = owner, mass

    def _to_bandwidths(self, X):
        with np.errstate(over="ignore"):
            Z = X.astype(self._location.dtype, copy=False) - self._location
            Z /= self.bandwidth_
        return np.clip(Z, -FARTHEST, FARTHEST, out=Z)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "labels_")

    def _validate_rows(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=FLOATS, order="C", reset=False)

    def score_samples(self, X):
        """Logarithm of the density at each row, with a kernel that is 1 at distance 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            ``log(sum_i w_i k(|x - x_i|^2 / h^2) / sum_i w_i)``, of the dtype of X.
        """
        X = self._validate_rows(X)
        log_density = self._density.log_density(self._to_bandwidths(X), self.n_jobs)
        return log_density.astype(X.dtype, copy=False)

    def predict(self, X):
        """Mode that each row ascends to, or with `labels="nearest"` the nearest one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Indices of `modes_`.
        """
        X = self._validate_rows(X)
        anchor = np.empty(len(X), dtype=np.intp)
        self._reach_anchors(X, anchor)
        return self._mode_of_anchor[anchor]
