"""An estimator that is fitted to a coreset: KernelThinning in front of any model.

A step of a pipeline may not change the number of rows, so that thinning cannot be one; this is
the model with its thinning, and parameters of both can be searched together. Classes are thinned
one by one. What the model predicts for whole tables, and how good it is, the model says itself.
"""

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import has_fit_parameter

from skstruct._validation import FLOATS, HasMethods, _fit_context, check_is_fitted, validate_data
from skstruct.density._kernel_thinning import KernelThinning


def _estimator_has(name):
    """Return whether the fitted estimator, or else the one to fit, has an attribute."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class ThinnedEstimator(MetaEstimatorMixin, BaseEstimator):
    """Fit an estimator to a coreset of the rows that stands for all of them.

    Read more in the :ref:`User Guide <thinned_estimator>`.

    Parameters
    ----------
    estimator : estimator
        What is fitted: a classifier, a regressor, or a model without target.
    thinner : KernelThinning, default=None
        What chooses the rows; None for ``KernelThinning()``. The target of a regressor has no part
        in the choice, classes are thinned one by one if its `stratify` is true.

    Attributes
    ----------
    estimator_ : estimator
        The estimator, fitted to the coreset.
    thinner_ : KernelThinning
        What chose it: `coreset_indices_`, `coreset_weight_` and `mmd_` are there.
    classes_ : ndarray of shape (n_classes,)
        The classes; only of a classifier.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    KernelThinning : The choice of the rows.

    Notes
    -----
    To choose among n rows takes 1.5 n^2 kernel values up to 8192 rows and nearly linear time
    beyond; the fit takes what `estimator` takes for n_coreset rows. If it takes weights it gets
    those of the coreset, so that its loss is on the scale of the whole table.

    `predict`, `predict_proba`, `predict_log_proba`, `decision_function`, `score_samples`,
    `transform` and `score` are there if `estimator` has them. Do not thin before a table is split
    into one to train and one to test: the coreset would know the latter.

    References
    ----------
    .. [1] R. Dwivedi, L. Mackey, "Generalized Kernel Thinning", ICLR 2022, arXiv:2110.01593.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skstruct.density import KernelThinning, ThinnedEstimator
    >>> X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    >>> neighbors = KNeighborsClassifier(1)
    >>> thinned = ThinnedEstimator(neighbors, KernelThinning(100, random_state=0)).fit(X, y)
    >>> thinned.estimator_.n_samples_fit_
    100
    >>> thinned.score(X_test, y_test) > 0.94
    True
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit"])],
        "thinner": [KernelThinning, None],
    }

    def __init__(self, estimator, thinner=None):
        self.estimator = estimator
        self.thinner = thinner

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks: a classifier and a regressor.

        Returns
        -------
        instances : list of ThinnedEstimator
        """
        models = LogisticRegression(), Ridge(50.0)
        return [cls(model, KernelThinning(random_state=0)) for model in models]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.transformer_tags = inner.transformer_tags
        tags.target_tags = inner.target_tags
        tags.input_tags.positive_only = inner.input_tags.positive_only
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Choose a coreset and fit the estimator to it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The target, as `estimator` takes it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if y is None and not get_tags(self).target_tags.required:
            X = validate_data(self, X, dtype=FLOATS, order="C")
        else:
            X, y = validate_data(
                self, X, y, dtype=FLOATS, order="C", multi_output=True,
                y_numeric=not is_classifier(self),
            )  # fmt: skip
        self.thinner_ = KernelThinning() if self.thinner is None else clone(self.thinner)
        if is_classifier(self):
            check_classification_targets(y)
        else:
            self.thinner_.set_params(stratify=False)
        self.thinner_.fit_resample(X, y, sample_weight)
        rows = self.thinner_.coreset_indices_
        weight = {}
        if has_fit_parameter(self.estimator, "sample_weight"):
            weight["sample_weight"] = self.thinner_.coreset_weight_
        self.estimator_ = clone(self.estimator)
        self.estimator_.fit(X[rows], None if y is None else y[rows], **weight)
        return self

    def _ask(self, method, X, *args):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        return getattr(self.estimator_, method)(X, *args)

    @available_if(_estimator_has("predict"))
    def predict(self, X):
        """What the estimator predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._ask("predict", X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._ask("predict_proba", X)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._ask("predict_log_proba", X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X):
        """The decision function of the estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._ask("decision_function", X)

    @available_if(_estimator_has("score_samples"))
    def score_samples(self, X):
        """Scores of the rows, the logarithm of a density say.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
        """
        return self._ask("score_samples", X)

    @available_if(_estimator_has("transform"))
    def transform(self, X):
        """What the estimator makes of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_new)
        """
        return self._ask("transform", X)

    @available_if(_estimator_has("score"))
    def score(self, X, y=None, sample_weight=None):
        """The score of the estimator: accuracy, R^2, or what else it has.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, if the score of `estimator` takes such.

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.estimator_.score(X, y, **weight)

    @property
    def classes_(self):
        check_is_fitted(self)
        return self.estimator_.classes_
