"""Clusters of samples that are seen in several noisy views, by a low-rank tensor.

The tensor T (n_1 features x n_2 samples x n_3 views) is thought of as [1]_, [2]_

    T = beta_t M o z + W / sqrt(n_T),   M = beta_m x y' + Z / sqrt(n_M),   y_j = +-1 / sqrt(n_2),

and lies in memory as X, a row T_j for each sample. It starts with the views, because all of M, its
noise as well, is behind z in them: z is the first eigenvector of their Gram matrix G. Then x and y
are the first singular vectors of T z. Each iteration reads X once, for both

    y = X (x o z),   C = y' X / |y|   (n_1 x n_3),

and refines x and z by some power steps on C, x = C z and z = (1 - r) G z + r C' C z, normalised.

r = 1 maximises |T(x, y, z)|: the best approximation of rank one, "tensor". But that forgets what
Z tells of z. The likelihood of the model, with its scales maximised out for given variances, is

    z' G z (1 - r) + r |T(x, y, z)|^2 + const,    r = variance off z / variance of T z off x y',

which is "nested"; both variances follow from |T|^2, z' G z and |y|^2. "unfolding" takes y from the
first singular vectors of X, however the columns hang together.

K > 2 clusters: x, y and C have K - 1 columns, orthonormal for x and y (higher-order orthogonal
iteration with ranks K - 1, K - 1, 1), and k-means finds the clusters in the scores X (x o z). It
does so for two clusters if X is centred, since 0 is then amid the samples and not the clusters.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin

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
from skstruct.tensor._nested_tensor_fit import LowRank, SamplePasses, Unfolding, divided


class NestedTensorClustering(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Clusters of samples in several noisy views of unequal quality.

    Each sample is a matrix of features x views. Views are weighed by how much of the common signal
    they carry, and clusters are found in their weighted sum: below a certain signal that finds
    what no method can find that takes the views for further features.

    Read more in the :ref:`User Guide <nested_tensor_clustering>`.

    Parameters
    ----------
    n_clusters : int, default=2
        Number of clusters. Two are told apart by one score: by its sign, or with `center` by
        k-means, as more are by `n_clusters` - 1 scores.
    n_views : int, default=None
        Number of views, which divides the number of columns: a row is features x views in C order,
        the views of the first feature first. None is 1, or the last size of an array of shape
        (n_samples, n_features, n_views).
    method : {"nested", "tensor", "unfolding"}, default="nested"
        "tensor" is the best approximation of the tensor by one of rank one (of ranks K - 1, K - 1
        and 1 for K clusters). "nested" maximises the likelihood of a model in which the views also
        share noise, which tells how to weigh them where the clusters hardly do. "unfolding", the
        baseline, takes views for features.
    center : bool, default=False
        Whether the mean over the samples is subtracted from each column. Without that, two
        clusters should be on opposite sides of 0; with it, they may also be of unequal size.
    max_iter : int, default=100
        Largest number of iterations, each a pass over `X`. "unfolding" has none.
    tol : float, default=1e-7
        Iterations end when the singular value changes relatively by no more than this.
    random_state : int, RandomState instance or None, default=None
        Of the start of the Lanczos iteration, which hardly matters, and of k-means.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each sample, from 0.
    sample_vector_ : ndarray of shape (n_samples,) or (n_samples, n_clusters - 1)
        Unit vectors of the samples, whose sign tells two clusters apart. With weights, the sum of
        weighted squares is 1. For more than two clusters they have a column each.
    feature_vector_ : ndarray of shape (n_features,) or (n_features, n_clusters - 1)
        Unit vectors of the features. The largest entry is positive.
    view_weights_ : ndarray of shape (n_views,)
        Unit vector of the views: the part of the common signal in each. The largest entry is
        positive.
    singular_value_ : float or ndarray of shape (n_clusters - 1,)
        Norms of the scores of the samples, largest first.
    cluster_centers_ : ndarray of shape (n_clusters, n_clusters - 1) or None
        Means of the scores of the clusters, by the first score; None where a sign tells two
        clusters apart. Here and above, there are fewer scores if there are fewer features than
        clusters.
    mean_ : ndarray of shape (n_features * n_views,) or None
        What is subtracted from rows; None if `center` is False.
    n_views_ : int
        Number of views.
    n_iter_ : int
        Number of iterations; 1 for "unfolding".
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    alignment_tensor : What can be expected of "nested" and "tensor".
    alignment_unfolding : What can be expected of "unfolding".
    sklearn.cluster.KMeans : On all columns, finds clusters where "unfolding" does.
    sklearn.decomposition.TruncatedSVD : The scores of "unfolding".

    Notes
    -----
    With n = n_samples * n_features * n_views numbers in `X`, the start takes n * n_views
    operations and a pass over `X`; each iteration takes 4 n (n_clusters - 1) and one pass, which
    is what it waits for. "unfolding" takes n * min(n_samples, n_features * n_views) operations and
    a Gram matrix of that size. No copy of `X` is made: besides it there are blocks of 1 MB, and
    vectors and matrices of two of the three sizes.

    Scores and singular vectors are computed in the dtype of `X`, sums over samples in float64.

    `sample_weight` counts each sample that many times, in all sums over samples.

    With "tensor", a poor estimate of the features and samples makes that of the views worse. Where
    the clusters are weak but the views share more than them, "nested" does not suffer from that;
    where the views share nothing else, both are the same.

    References
    ----------
    .. [1] H. Lebeau, M. E. A. Seddik, J. H. de M. Goulart, "Performance Gaps in Multi-view
       Clustering under the Nested Matrix-Tensor Model", ICLR 2024, arXiv:2402.10677.
    .. [2] M. E. A. Seddik, M. Achab, H. Goulart, M. Debbah, "A Nested Matrix-Tensor Model for
       Noisy Multi-view Clustering", 2023, arXiv:2305.19992.

    Examples
    --------
    The breast cancer data have ten quantities, and of each a mean, a standard error and a worst
    value; the standard errors carry least.

    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skstruct.tensor import NestedTensorClustering
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> T = scale(X).reshape(-1, 3, 10).transpose(0, 2, 1)
    >>> clustering = NestedTensorClustering().fit(T)
    >>> clustering.view_weights_.round(2)
    array([0.61, 0.51, 0.6 ])
    >>> agree = (clustering.labels_ == y).mean()
    >>> bool(max(agree, 1 - agree) > 0.9)
    True
    """

    _parameter_constraints = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_views": [Interval(Integral, 1, None, closed="left"), None],
        "method": [StrOptions({"nested", "tensor", "unfolding"})],
        "center": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters=2,
        *,
        n_views=None,
        method="nested",
        center=False,
        max_iter=100,
        tol=1e-7,
        random_state=None,
    ):
        self.n_clusters = n_clusters
        self.n_views = n_views
        self.method = method
        self.center = center
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the method, and whether to centre.

        Returns
        -------
        space : dict
            A list for each parameter.
        """
        return {"method": ["nested", "tensor", "unfolding"], "center": [False, True]}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of NestedTensorClustering
        """
        return [cls(), cls(center=True, method="tensor"), cls(method="unfolding")]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y=None, sample_weight=None):
        """Find the clusters of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features * n_views) or ndarray of shape \
                (n_samples, n_features, n_views)
            The samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. An integer weight is a repetition of the sample.

        Returns
        -------
        self : object
            The fitted clustering.
        """
        given = {
            "X": X, "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }  # fmt: skip
        X = self._validate(X, reset=True)
        if self.n_clusters > max(2, len(X)):
            raise ValueError(
                f"n_clusters={self.n_clusters}; X has n_samples={len(X)}, and there cannot be "
                "more clusters than samples."
            )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        self.mean_ = None
        if self.center:
            counts = np.ones(len(X)) if sample_weight is None else sample_weight
            total = SamplePasses(X).adjoint(counts[:, np.newaxis])[0]
            self.mean_ = (total / counts.sum()).astype(X.dtype)
        passes = SamplePasses(X, self.mean_, sample_weight)
        random_state = check_random_state(self.random_state)
        r = min(max(1, self.n_clusters - 1), len(X), X.shape[1] // self.n_views_)
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **given)
        if self.method == "unfolding":
            self.n_iter_ = 1
            model = Unfolding(passes, self.n_views_, r, random_state)
        else:
            model = LowRank(passes, self.n_views_, r, self.method == "nested", random_state)
            self._refine(model, context, given)
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **given)
        self._keep(model, passes, random_state)
        return self

    def _refine(self, model, context, given):
        """Refine the vectors until the singular value stays."""
        for n_iter in range(1, self.max_iter + 1):
            step = context.subcontext(task_name="pass over the samples")
            step.call_on_fit_task_begin(estimator=self, **given)
            before = model.value
            model.refine()
            self.n_iter_ = n_iter
            stop = step.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **given)
            if stop or abs(model.value - before) <= self.tol * before:
                return
        warnings.warn(
            f"The singular value still changes after max_iter={self.max_iter} iterations. The "
            "clusters may be too weak to be found; otherwise increase max_iter or tol.",
            ConvergenceWarning,
        )

    def _keep(self, model, passes, random_state):
        """Set what is known after fit: vectors, with signs that do not vary, and clusters."""
        weight, unit = passes.weight, model.unit / passes.factor
        sign_x, sign_z = _signs(model.x), _signs(model.z[:, np.newaxis])
        scores = model.scores * (sign_x * sign_z)
        norms = np.sqrt((scores * passes.weigh(slice(None), scores)).sum(axis=0))
        dtype = passes.X.dtype
        self.view_weights_ = (model.z * sign_z).astype(dtype)
        self.feature_vector_ = (model.x * sign_x).astype(dtype)
        self.sample_vector_ = divided(scores, norms).astype(dtype)
        self.singular_value_ = norms * unit
        self._directions = (model.directions() * (sign_x * sign_z)).astype(dtype)
        self.cluster_centers_ = None
        if self.n_clusters <= 2:
            self.feature_vector_ = self.feature_vector_[:, 0]
            self.sample_vector_ = self.sample_vector_[:, 0]
            self.singular_value_ = float(self.singular_value_[0])
        if self.n_clusters != 2 or (self.center and len(scores) > 1):
            means = KMeans(self.n_clusters, n_init=10, random_state=random_state)
            means.fit(scores, sample_weight=None if weight is None else weight[:, 0])
            centers = means.cluster_centers_
            self.cluster_centers_ = centers[np.lexsort(centers.T[::-1])] * unit
        self.labels_ = self._assign(scores * unit)

    def _assign(self, scores):
        """Return the clusters of scores."""
        if self.cluster_centers_ is None:
            return (scores[:, 0] > 0).astype(np.intp)
        unit = np.abs(self.cluster_centers_).max() or 1.0
        return pairwise_distances_argmin(scores / unit, self.cluster_centers_ / unit)

    def predict(self, X):
        """Find the cluster of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features * n_views) or ndarray of shape \
                (n_samples, n_features, n_views)
            The samples.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Their clusters, from 0.
        """
        return self._assign(self._scores(X)[0])

    def transform(self, X):
        """Compute the scores of samples: of each, its product with features and views.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features * n_views) or ndarray of shape \
                (n_samples, n_features, n_views)
            The samples.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_clusters - 1)
            The scores, of the dtype of `X`. Those of the samples of `fit` are `sample_vector_`
            times `singular_value_`.
        """
        scores, dtype = self._scores(X)
        return scores.astype(dtype, copy=False)

    def _scores(self, X):
        """Return the scores of samples in float64, and the dtype of the samples."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return SamplePasses(X, self.mean_).project(self._directions), X.dtype

    def _validate(self, X, *, reset):
        """Return the validated table; on reset, set the number of views."""
        n_views = self.n_views if reset else self.n_views_
        if isinstance(X, np.ndarray) and X.ndim == 3:
            if n_views not in (None, X.shape[2]):
                raise ValueError(f"n_views={n_views}; X has shape {X.shape}, with its views last.")
            n_views, X = X.shape[2], X.reshape(len(X), -1)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=reset)
        if reset:
            self.n_views_ = 1 if n_views is None else int(n_views)
            if X.shape[1] % self.n_views_:
                raise ValueError(
                    f"n_views={self.n_views_}; it must divide the number of columns of X, "
                    f"{X.shape[1]}."
                )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self._directions.shape[1]


def _signs(V):
    """Return the signs that make the largest entry of each column positive.

    Of entries that are as large but for rounding it is the first, so that the order in which sums
    were taken does not matter.
    """
    sizes = np.abs(V)
    first = np.argmax(sizes >= (1 - 1e-4) * sizes.max(axis=0), axis=0)
    return np.where(np.take_along_axis(V, first[np.newaxis], axis=0)[0] < 0, -1.0, 1.0)
