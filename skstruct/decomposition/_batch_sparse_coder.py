"""Codes on a dictionary that is given, as a transformer without a state.

The work is that of batch_sparse_encode; here are the dictionary and the manners of scikit-learn.
Without a dictionary the atoms are the cosines of the discrete cosine transform (DCT-II) over the
columns, d_j[i] = sqrt((2 - [j = 0]) / d) cos(pi (2 i + 1) j / (2 d)), orthonormal: what signals
were coded with before dictionaries were learnt.
"""

from numbers import Integral, Real

import numpy as np
from scipy.fft import dct
from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array

from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _align_api_if_sparse,
    _fit_context,
    validate_data,
)
from skstruct.decomposition._batch_sparse_encode import check_fit, encode_rows
from skstruct.decomposition._codes import rebuild


class BatchSparseCoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Sparse codes of samples on a given dictionary.

    A :class:`~sklearn.decomposition.SparseCoder` that is many times faster, can stop at an error,
    and gives sparse matrices.

    Read more in the :ref:`User Guide <batch_sparse_coder>`.

    Parameters
    ----------
    dictionary : array-like of shape (n_components, n_features), default=None
        The atoms, of any norms. By default the orthonormal basis of the discrete cosine transform
        (DCT-II) over the columns, n_components = `n_features`.
    algorithm : {"omp", "ols", "lasso_cd", "topk", "hard", "soft"}, default="omp"
        How codes are found, see :func:`batch_sparse_encode`.
    n_nonzero_coefs : int, default=None
        Number of atoms in a code of "omp", "ols" or "topk"; more than there are means all. By
        default a tenth of `n_features`, at least 1, or no limit if `tol` is given.
    tol : float, default=None
        "omp" and "ols" stop as soon as the squared norm of what remains of a sample is not above
        this.
    alpha : float, default=1.0
        Penalty of "lasso_cd", threshold of "hard" and "soft".
    positive : bool, default=False
        Whether codes have no negative entries; not with "omp" or "ols".
    cd_tol : float, default=1e-6
        The accuracy of "lasso_cd", relative to `alpha`.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR matrix, which is made without a dense one.
    n_jobs : int, default=None
        Number of threads. The result does not depend on it.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    batch_sparse_encode : The same as a function, with a warm start.
    MiniBatchSparseDictionary : Learns the dictionary.
    sklearn.decomposition.SparseCoder : The same problem, with other solvers.

    Notes
    -----
    `fit` only looks at the shape of its argument, and `transform` needs no `fit`. The cost is that
    of :func:`batch_sparse_encode`: n_components * n_features multiplications per sample for the
    correlations, and for "omp" n_components * n_nonzero_coefs^2 / 2 more. Memory beyond the result
    is n_components^2 numbers and some blocks of samples.

    Samples in float32 are coded in float32.

    References
    ----------
    .. [1] R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient Implementation of the K-SVD Algorithm
       using Batch Orthogonal Matching Pursuit", Technical Report CS-2008-08, Technion, 2008.
    .. [2] N. Ahmed, T. Natarajan, K. R. Rao, "Discrete Cosine Transform", IEEE Transactions on
       Computers C-23(1), 1974.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.decomposition import BatchSparseCoder
    >>> tones = np.cos(np.pi * np.outer([3, 7], np.arange(16) + 0.5) / 16)
    >>> code = BatchSparseCoder(n_nonzero_coefs=1).fit_transform(tones)
    >>> code.argmax(axis=1)
    array([3, 7])
    >>> code = BatchSparseCoder(tones, tol=1e-9, sparse_output=True).transform(tones)
    >>> code.nnz
    2
    """

    _parameter_constraints = {
        "dictionary": ["array-like", None],
        "algorithm": [StrOptions({"omp", "ols", "lasso_cd", "topk", "hard", "soft"})],
        "n_nonzero_coefs": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "positive": ["boolean"],
        "cd_tol": [Interval(Real, 0, None, closed="left")],
        "sparse_output": ["boolean"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        dictionary=None,
        *,
        algorithm="omp",
        n_nonzero_coefs=None,
        tol=None,
        alpha=1.0,
        positive=False,
        cd_tol=1e-6,
        sparse_output=False,
        n_jobs=None,
    ):
        self.dictionary = dictionary
        self.algorithm = algorithm
        self.n_nonzero_coefs = n_nonzero_coefs
        self.tol = tol
        self.alpha = alpha
        self.positive = positive
        self.cd_tol = cd_tol
        self.sparse_output = sparse_output
        self.n_jobs = n_jobs

    @classmethod
    def search_space(cls):
        """Return what to tune: how many atoms code a sample, or the penalty.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {"n_nonzero_coefs": randint(1, 11), "alpha": loguniform(0.01, 10.0)}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of BatchSparseCoder
        """
        return [
            cls(),
            cls(algorithm="ols", tol=0.1),
            cls(algorithm="lasso_cd", alpha=0.1, positive=True),
            cls(algorithm="topk", n_nonzero_coefs=2),
            cls(algorithm="hard", alpha=0.5),
            cls(algorithm="soft", alpha=0.5),
        ]

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Only check that the parameters and the width of X fit together.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The estimator.
        """
        X = self._validate_samples(X, reset=True)
        check_fit(X, self._atoms(X.shape[1], X.dtype), self.algorithm, self.positive)
        return self

    def _validate_samples(self, X, reset):
        self._validate_params()  # there may have been no fit, or a change since
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C", reset=reset)

    def transform(self, X):
        """Code samples on the dictionary.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        codes : {ndarray, CSR matrix} of shape (n_samples, n_components)
            Codes, of the dtype of X; a matrix if `sparse_output`.
        """
        X = self._validate_samples(X, reset=False)
        codes = encode_rows(
            X,
            self._atoms(X.shape[1], X.dtype),
            algorithm=self.algorithm,
            n_nonzero_coefs=self.n_nonzero_coefs,
            tol=self.tol,
            alpha=self.alpha,
            positive=self.positive,
            cd_tol=self.cd_tol,
            n_jobs=self.n_jobs,
            sparse_output=self.sparse_output,
        )
        return _align_api_if_sparse(codes)

    def inverse_transform(self, X):
        """Rebuild samples from their codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            The samples, of the dtype of the codes.
        """
        X = check_array(X, accept_sparse="csr", dtype=FLOATS, input_name="X")
        return rebuild(X, self._atoms(X.shape[1], X.dtype))

    def _atoms(self, width, dtype):
        """Return the dictionary or, without one, the cosines over so many columns."""
        if self.dictionary is None:
            return dct(np.eye(width), axis=0, norm="ortho").astype(dtype, copy=False)
        return check_array(self.dictionary, dtype=dtype, order="C", input_name="dictionary")

    @property
    def _n_features_out(self):
        return self.n_features_in_ if self.dictionary is None else len(self.dictionary)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
