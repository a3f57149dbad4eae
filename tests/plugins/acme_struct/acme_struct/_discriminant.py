"""Linear discriminants with a diagonal covariance and means drawn together.

With m the mean of all samples, m_k that of class k, s_j the standard deviation of feature j within
the classes and p_k the share of class k, the class of x is the one with the largest

    log p_k - 1/2 sum_j (x_j - c_kj)^2 / s_j^2,     c_k = (1 - shrinkage) m_k + shrinkage m.
"""

import numpy as np
from scipy.special import softmax
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data


class DiagonalDiscriminant(ClassifierMixin, BaseEstimator):
    """Linear discriminants that treat the features as independent.

    Parameters
    ----------
    shrinkage : float in [0, 1), default=0.0
        How far the mean of each class is drawn to the mean of all samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    centers_ : ndarray of shape (n_classes, n_features)
        The drawn means.
    scale_ : ndarray of shape (n_features,)
        The standard deviation within the classes; 1 where that is 0.
    log_prior_ : ndarray of shape (n_classes,)
        Logarithm of the share of each class.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are strings.

    See Also
    --------
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : With the whole covariance.
    sklearn.neighbors.NearestCentroid : With a threshold instead of the shrinkage.

    Notes
    -----
    Fit and prediction take O(n d k) time and O(n (d + k)) memory for n samples, d features and k
    classes.

    References
    ----------
    S. Dudoit, J. Fridlyand, T. P. Speed. Comparison of discrimination methods for the
    classification of tumors using gene expression data. Journal of the American Statistical
    Association 97(457), 2002.

    Examples
    --------
    >>> from acme_struct import DiagonalDiscriminant
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> round(DiagonalDiscriminant(shrinkage=0.1).fit(X, y).score(X, y), 2)
    0.96
    """

    def __init__(self, *, shrinkage=0.0):
        self.shrinkage = shrinkage

    @classmethod
    def search_space(cls):
        """Return what there is to tune."""
        return {"shrinkage": uniform(0.0, 0.95)}

    def fit(self, X, y, sample_weight=None):
        """Find the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples, in float32 or float64.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts; None for once.

        Returns
        -------
        self : DiagonalDiscriminant

        Raises
        ------
        ValueError
            If `shrinkage` is outside [0, 1), or if there is one class only.
        """
        if not 0 <= self.shrinkage < 1:
            raise ValueError(f"shrinkage={self.shrinkage!r} is outside [0, 1).")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only: {self.classes_[0]!r}.")
        members = np.where(codes == np.arange(len(self.classes_))[:, None], weight, 0)
        share = members.sum(axis=1) / weight.sum()
        means = members @ X / members.sum(axis=1, keepdims=True)
        spread = np.sqrt(weight @ (X - means[codes]) ** 2 / weight.sum())
        # What rounding leaves of a constant column is no spread.
        noise = 10 * np.finfo(X.dtype).eps * np.abs(X).max(axis=0)
        self.scale_ = np.where(spread > noise, spread, 1)
        self.centers_ = (1 - self.shrinkage) * means + self.shrinkage * (share @ means)
        self.log_prior_ = np.log(share)
        return self

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return softmax(self._log_joint(X), axis=1)

    def predict(self, X):
        """Return the most probable classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        classes : ndarray of shape (n_samples,)
        """
        best = self._log_joint(X).argmax(axis=1)
        return self.classes_[best]

    def _log_joint(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        joint = np.empty((len(X), len(self.classes_)), dtype=X.dtype)
        for k, center in enumerate(self.centers_):
            joint[:, k] = self.log_prior_[k] - (((X - center) / self.scale_) ** 2).sum(axis=1) / 2
        return joint
