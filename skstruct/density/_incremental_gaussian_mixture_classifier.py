"""Classes from incremental Gaussian mixtures: one for each class, or one of rows and labels.

"per_class": p(c | x) is proportional to p(c) p(x | c), a mixture for each class. All of them start
components of one scale, the standard deviations of the first n_warmup rows of any class.
"joint": one mixture of [x, one-hot(y)], as the paper has it; the conditional mean of the one-hot
columns given x, clipped at 1e-9 and normalised, is p(c | x).
"""

from copy import copy

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.utils.multiclass import check_classification_targets

from skstruct._validation import (
    FLOATS,
    StrOptions,
    _check_partial_fit_first_call,
    _fit_context,
    check_is_fitted,
    validate_data,
)
from skstruct.density._incremental_gaussian_mixture import IncrementalGaussianMixture
from skstruct.density._incremental_mixture_base import BaseIncrementalMixture
from skstruct.density._mixture_state import WarmUp, center_and_deviation, shares


class IncrementalGaussianMixtureClassifier(ClassifierMixin, BaseIncrementalMixture):
    """Classifier of Gaussian mixtures that are learnt in one pass over a stream.

    Read more in the :ref:`User Guide <incremental_gaussian_mixture_classifier>`.

    Parameters
    ----------
    novelty : float, default=0.01
        In [0, 1). A row founds a component if, for each component there is, a row at least as far
        from its mean would come with less than this probability. Larger values give more
        components; 0 gives a single one per mixture.
    delta : "auto" or float, default="auto"
        Standard deviations of a new component, in units of `scale`. "auto" takes the median
        distance of the rows of the warm-up of a mixture to their sixth nearest neighbour, per
        column.
    scale : array-like of shape (n_features,), default=None
        Standard deviations of the features. By default those of the warm-up.
    max_components : int, default=100
        When a mixture has so many, a novel row replaces the lightest component that could be
        removed, or else moves those there are.
    prior_weight : "auto" or float, default="auto"
        The number of rows that the initial covariance of a component counts for. "auto" is the
        number of columns of the mixture.
    v_min : "auto" or float, default="auto"
        Number of rows during which a new component is safe from removal. "auto" is twice the
        number of columns of the mixture.
    sp_min : float, default=3.0
        A component older than `v_min` that has absorbed less than this is removed.
    update : {"exact", "figmn"}, default="exact"
        "figmn" is the published recursion of the covariance, for comparison; it loses positive
        definiteness, and the densities are then not numbers.
    forgetting : float, default=1.0
        In (0, 1]. The mass of all components of a mixture is multiplied by this at each row that
        the mixture learns.
    resp_tol : float, default=1e-12
        Components of a smaller responsibility for a row stay where they are.
    n_warmup : int, default=200
        Number of rows from which the common scale is taken, and number of rows of a mixture from
        which its `delta` is taken.
    shuffle : bool, default=True
        Whether `fit` takes the rows in random order. The order depends on the content of the rows
        and not on where they stand; equal rows are taken as one, with the sum of their weights.
        `partial_fit` always keeps the order.
    random_state : int, RandomState instance or None, default=None
        Order of the rows in `fit`.
    mode : {"per_class", "joint"}, default="per_class"
        One mixture of the rows of each class, or a single one of rows and labels together.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of the rows of each class.
    mixtures_ : list of IncrementalGaussianMixture
        The mixture of each class, unfitted where no row of it has been seen; in mode "joint" a
        single one, of the features followed by one column per class.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    IncrementalGaussianMixture : The mixture.
    sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis : One Gaussian per class.
    sklearn.naive_bayes.GaussianNB : One Gaussian per class, of independent features.

    Notes
    -----
    A row costs n_components * D^2 / 2 multiplications to learn, and three times that for each
    component that it moves. In mode "per_class" D is n_features, the components to learn are those
    of the row's own class, and to predict costs n_components * D^2 / 2 for those of all classes;
    in mode "joint" D is n_features + n_classes, and to predict costs n_components * n_features^2.
    A class that has not been seen has probability 0 in mode "per_class". `predict_proba` returns
    the dtype of its argument.

    References
    ----------
    .. [1] R. C. Pinto, P. M. Engel, "A Fast Incremental Gaussian Mixture Model", PLOS ONE 10(10):
       e0139931, 2015, arXiv:1506.04422.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skstruct.density import IncrementalGaussianMixtureClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = IncrementalGaussianMixtureClassifier(random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95
    True
    >>> classifier.predict_proba(X[:1]).round(2)
    array([[1., 0., 0.]])
    """

    _parameter_constraints = {
        **BaseIncrementalMixture._parameter_constraints,
        "mode": [StrOptions({"per_class", "joint"})],
    }

    def __init__(
        self,
        novelty=0.01,
        delta="auto",
        *,
        scale=None,
        max_components=100,
        prior_weight="auto",
        v_min="auto",
        sp_min=3.0,
        update="exact",
        forgetting=1.0,
        resp_tol=1e-12,
        n_warmup=200,
        shuffle=True,
        random_state=None,
        mode="per_class",
    ):
        super().__init__(
            novelty,
            delta,
            scale=scale,
            max_components=max_components,
            prior_weight=prior_weight,
            v_min=v_min,
            sp_min=sp_min,
            update=update,
            forgetting=forgetting,
            resp_tol=resp_tol,
            n_warmup=n_warmup,
            shuffle=shuffle,
            random_state=random_state,
        )
        self.mode = mode

    @classmethod
    def search_space(cls):
        """Return what to tune: how soon a component is founded, how wide it starts, the mode.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {**super().search_space(), "mode": ["per_class", "joint"]}

    @classmethod
    def conformance_instances(cls):
        """Return what the conformance suite checks: a classifier of each mode.

        Returns
        -------
        instances : list of IncrementalGaussianMixtureClassifier
            Unfitted.
        """
        return [cls(), cls(mode="joint")]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Learn the classes from the rows of X, and forget what was learnt before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. With `shuffle`, an integer weight is a repetition of the row.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        blocks, weight = self._positive_weight(sample_weight, (X, _column(codes)))
        self._reset(classes)
        self._one_pass(blocks, weight, X, y, sample_weight)
        self._current()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn the next rows of a stream, in their order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their classes.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come. Required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The classifier.
        """
        checked = copy(self)  # gets the classes, which a call that fails must not leave here
        first = _check_partial_fit_first_call(checked, classes)
        classes = checked.classes_
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", reset=first)
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise ValueError(
                f"y has the labels {unknown.tolist()!r}; classes is {classes.tolist()!r}."
            )
        codes = np.searchsorted(classes, y)
        blocks, weight = self._positive_weight(sample_weight, (X, _column(codes)))
        if first:
            self._reset(classes)
        self._learn(*blocks, weight)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "class_count_")

    def _reset(self, classes):
        scale = self._check_scale(self.n_features_in_)
        self.classes_ = classes
        n_classes = len(classes)
        self.class_count_ = np.zeros(n_classes)
        self._warm_up = self._mixtures = self._preview = None
        self._joint = self.mode == "joint"
        if self._joint:
            if scale is not None:  # a label of n_classes equally frequent ones, 0 or 1
                spread = np.sqrt(n_classes - 1) / n_classes if n_classes > 1 else 1.0
                scale = np.concatenate((scale, np.full(n_classes, spread)))
            self._mixtures = [IncrementalGaussianMixture(**self._mixture_params(scale))]
        elif scale is not None:
            self._mixtures = [
                IncrementalGaussianMixture(**self._mixture_params(scale)) for _ in self.classes_
            ]
        else:
            self._warm_up = WarmUp(self.n_warmup)

    def _learn(self, X, codes, weight):
        self.class_count_ += np.bincount(codes[:, 0].astype(np.intp), weight, len(self.classes_))
        if self._warm_up is not None:
            self._preview = None
            n_taken = self._warm_up.take(np.hstack((X, codes)), weight)
            if not self._warm_up.full:
                return
            self._mixtures = self._start()
            self._warm_up = None
            X, codes, weight = X[n_taken:], codes[n_taken:], weight[n_taken:]
        self._teach(self._mixtures, X, codes[:, 0], weight)

    def _teach(self, mixtures, X, codes, weight):
        """Let each mixture learn its rows."""
        if self._joint:
            one_hot = codes[:, np.newaxis] == np.arange(len(self.classes_))
            mixtures[0].partial_fit(np.hstack((X, one_hot)), sample_weight=weight)
            return
        for code, mixture in enumerate(mixtures):
            rows = np.flatnonzero(codes == code)
            if len(rows):
                mixture.partial_fit(X[rows], sample_weight=weight[rows])

    def _start(self):
        """Return a mixture per class, which has learnt its rows of the warm-up."""
        rows, weight = self._warm_up.data()
        X, codes = np.ascontiguousarray(rows[:, :-1]), rows[:, -1]
        _, scale = center_and_deviation(X, weight)
        mixtures = [
            IncrementalGaussianMixture(**self._mixture_params(scale)) for _ in self.classes_
        ]
        self._teach(mixtures, X, codes, weight)
        return mixtures

    def _current(self):
        """Return the mixtures as they are or, during the warm-up, what they would be."""
        check_is_fitted(self)
        if self._mixtures is not None:
            return self._mixtures
        if self._preview is None:
            self._preview = self._start()
        return self._preview

    @property
    def mixtures_(self):
        return self._current()

    def predict_proba(self, X):
        """Probability of each class for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Rows sum to 1; of the dtype of X. Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        mixtures = self._current()
        if self._joint:
            mean, _ = mixtures[0]._current().conditional(X, np.arange(X.shape[1]))
            share = np.maximum(mean, 1e-9)
            share /= share.sum(axis=1, keepdims=True)
        else:
            log_joint = np.full((len(X), len(mixtures)), -np.inf)
            for code in np.flatnonzero(self.class_count_):
                log_density = mixtures[code]._current().log_density(X)
                log_joint[:, code] = np.log(self.class_count_[code]) + log_density
            share = shares(log_joint)
        return share.astype(X.dtype, copy=False)

    def predict(self, X):
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]


def _column(codes):
    return codes[:, np.newaxis].astype(np.float64)
