"""Bayesian CP factorisation of a tensor of labels, of which only entries are given.

A label is the sign of a latent value, which is that of a tensor of low rank plus normal noise of
variance 1 (probit). Gibbs sampling draws the latent values given the factors, from normal
distributions truncated at 0, and the factors given the latent values as in `_gibbs`. The
probability of a label is the average over the samples of Phi(value).
"""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skstruct._validation import FLOATS, _fit_context, keep_model_on_error, validate_data
from skstruct.tensor._bayesian_tensor_base import BaseBayesianTensor


class BayesianTensorClassifier(ClassifierMixin, BaseBayesianTensor):
    """Labels in a tensor of low rank with their probabilities, and features of slices as evidence.

    A row of X names an entry by its indices, one column a mode; y is its label, of two classes.

    Read more in the :ref:`User Guide <bayesian_tensor_factorization>`.

    Parameters
    ----------
    n_components : int, default=8
        Number of rank-one terms, R.
    n_burnin : int, default=100
        Number of sweeps before the first sample.
    n_samples : int, default=200
        Number of samples of each chain, one a sweep.
    side_info : list of {array-like, sparse matrix, None}, default=None
        For each column of X, features of the slices of that mode, of shape (`mode_sizes[k]`,
        n_features_k), or None. Columns should have about unit variance. Needs `mode_sizes`.
    mode_sizes : sequence of int, default=None
        Numbers of slices of the modes; column k of X then holds integers from 0 to
        `mode_sizes[k]` - 1. By default each distinct value of a column is a slice, and other
        values belong to one slice of which nothing is known.
    n_chains : int, default=1
        Number of independent chains, whose samples are pooled.
    n_jobs : int, default=None
        Number of threads, over the chains, the rows of a factor, and the entries to predict.
        Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Decides all draws.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, sorted; the latent value of the second is positive.
    categories_ : list of ndarray
        For each column, the values that stand for the slices, sorted.
    samples_ : list of ndarray of shape (n_chains * n_samples, n_slices_k, n_components), float32
        Samples of the factors, of one chain after the other. Those of one sample belong together;
        averages of factors over samples mean nothing.
    log_loss_path_ : ndarray of shape (n_chains, `n_iter_`)
        Mean log loss of the labels under the factors of each sweep, in nats.
    diagnostics_ : dict
        Split R-hat, which is near 1 where halves of chains agree: "r_hat_loss" of
        `log_loss_path_` after the burn-in, and "r_hat_predictions" of the latent means of 50
        entries chosen at random. Without dimension and of shape (50,); NaN for less than 4
        samples.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of modes seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of modes seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    BayesianTensorFactorization : The same for values, with the prior and the cost in its notes.
    sklearn.multiclass.OneVsRestClassifier : More than two classes, a tensor of labels each.

    Notes
    -----
    The cost is that of the factorisation of values, and about 60 ns an entry and sweep for latent
    values. Entries have no weights: the likelihood of a label is no normal density, of which the
    precision could be multiplied. Give an entry several times instead.

    Probabilities are computed from float32 samples and have the dtype of X.

    References
    ----------
    .. [1] J. Simm, A. Arany, P. Zakeri, T. Haber, J. K. Wegner, V. Chupakhin, H. Ceulemans,
       Y. Moreau, "Macau: Scalable Bayesian Factorization with High-Dimensional Side Information
       Using MCMC", IEEE International Workshop on Machine Learning for Signal Processing, 2017,
       arXiv:1509.04610.
    .. [2] J. H. Albert, S. Chib, "Bayesian Analysis of Binary and Polychotomous Response Data",
       Journal of the American Statistical Association 88(422), 1993.
    .. [3] O. Soylemez, "Bayesian tensor factorization for predicting clinical outcomes using
       integrated human genetics evidence", 2022, arXiv:2207.12538.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.tensor import BayesianTensorClassifier
    >>> rng = np.random.default_rng(0)
    >>> U, V = rng.standard_normal((30, 2)), rng.standard_normal((20, 2))
    >>> X = np.argwhere(np.ones((30, 20)))
    >>> y = np.where((U @ V.T).ravel() > 0, "above", "below")
    >>> given = rng.random(600) < 0.5
    >>> model = BayesianTensorClassifier(3, random_state=0).fit(X[given], y[given])
    >>> model.score(X[~given], y[~given]) > 0.85
    True
    """

    def __init__(
        self,
        n_components=8,
        *,
        n_burnin=100,
        n_samples=200,
        side_info=None,
        mode_sizes=None,
        n_chains=1,
        n_jobs=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_burnin = n_burnin
        self.n_samples = n_samples
        self.side_info = side_info
        self.mode_sizes = mode_sizes
        self.n_chains = n_chains
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y):
        """Sample factors given labels of entries.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            Indices of the entries; the same may come several times.
        y : array-like of shape (n_entries,)
            Their labels, of two classes.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}. Put "
                "sklearn.multiclass.OneVsRestClassifier around the classifier."
            )
        self.classes_, label = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(f"y has one class, {self.classes_.tolist()}; it must have two.")
        index, side_info = self._start(X)
        order = np.lexsort((label, *index.T[::-1]))
        sign = 2.0 * label[order] - 1.0
        data = {"X": X, "y": y, "metadata": None}
        self._sample(index[order], sign, None, side_info, "probit", data)
        return self

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            Indices of the entries. An index that `fit` has not seen belongs to a slice with
            nothing but the prior.

        Returns
        -------
        probabilities : ndarray of shape (n_entries, 2)
            In the order of `classes_`, of the dtype of X.
        """
        X, positive, _ = self._over_samples(X, probit=True)
        return np.column_stack([1 - positive, positive]).astype(X.dtype, copy=False)

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : array-like of shape (n_entries, n_modes)
            Indices of the entries.

        Returns
        -------
        labels : ndarray of shape (n_entries,)
            The classes of probability above a half.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    @property
    def log_loss_path_(self):
        return self._path

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # of columns where no value comes twice
        tags.classifier_tags.multi_class = False
        return tags
