"""Dictionary learnt from mini-batches, whose memory does not grow with the data.

Atoms d_j of length 1 (rows of D, "atoms") and codes a minimise the sum over samples x of weight w
of 1/2 ||x - D' a||^2 + alpha ||a||_1. The t-th batch [1]_:

    a = lasso of each x on D                                 ("code", by encode_rows)
    A = keep A + sum w a a',  B = keep B + sum w a x'        with keep = (1 - 1 / t)^3
    for each j with A_jj > 0:  u = d_j + (B_j - A_j D) / A_jj,  d_j = u / ||u||

A and B are all that is kept of the past. The last line is an exact minimisation over one atom: the
cost of all past samples with the codes that they got is A_jj / 2 ||d_j - u||^2 and a constant. The
published constraint is ||d_j|| <= 1; on the sphere the minima are the same, since a shorter atom
only makes its codes dearer. Old codes were made on worse atoms: with the power (rho in [1]_) batch
s counts (s / t)^3, so that half of all that counts is of the last sixth of the steps. An atom that
no code uses is replaced by a sample of the batch, and its rows of A and B start anew; the first
atoms are samples, too.
"""

from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_array, gen_batches

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
from skstruct.decomposition._batch_sparse_encode import encode_rows
from skstruct.decomposition._codes import (
    check_n_components,
    explained_energy,
    rebuild,
)
from skstruct.decomposition._mini_batch_sparse_dictionary_fast import accumulate, update_atoms

ALGORITHMS = ("omp", "ols", "lasso_cd", "topk", "hard", "soft")
UNUSED = 1e-10  # of the mean of the diagonal of A: an atom with less has no use worth the name
FADING = 3  # the power with which the past fades: more forgets too much in one pass
N_STEPS_FREE = 100  # steps, or one pass if that is less, in which tol does not stop


class MiniBatchSparseDictionary(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Dictionary for sparse codes, learnt from mini-batches or from a stream.

    The same problem as that of :class:`~sklearn.decomposition.MiniBatchDictionaryLearning`, solved
    by kernels that are several times faster, and coding that can stop at an error.

    Read more in the :ref:`User Guide <mini_batch_sparse_dictionary>`.

    Parameters
    ----------
    n_components : int, default=None
        Number of atoms. By default that of the rows of `dict_init` or, without it, `n_features`.
    alpha : float, default=1.0
        Penalty of the absolute values of the codes, in the units of the data.
    max_iter : int, default=10
        The largest number of passes of `fit` over the data.
    batch_size : int, default=256
        Number of samples in a step. `partial_fit` cuts what it gets into batches of this size.
    tol : float, default=1e-3
        `fit` stops after a step in which the atoms move by no more than this: the Frobenius norm
        of the change, divided by `n_components`. The first 100 steps, or the first pass if it has
        fewer, are always made. 0 makes all passes.
    fit_algorithm : {"lasso_cd", "omp"}, default="lasso_cd"
        How the samples are coded while the dictionary is learnt. "omp" does it with
        `transform_n_nonzero_coefs` and `transform_tol` in place of `alpha`.
    transform_algorithm : {"omp", "ols", "lasso_cd", "topk", "hard", "soft"}, default="omp"
        How `transform` codes, see :func:`batch_sparse_encode`.
    transform_n_nonzero_coefs : int, default=None
        Number of atoms in a code of "omp", "ols" or "topk"; more than there are means all. By
        default a tenth of `n_features`, at least 1, or no limit if `transform_tol` is given.
    transform_tol : float, default=None
        "omp" and "ols" stop as soon as the squared norm of what remains of a sample is not above
        this.
    transform_alpha : float, default=None
        Penalty of "lasso_cd", threshold of "hard" and "soft". By default `alpha`.
    positive_code : bool, default=False
        Whether codes have no negative entries; not with "omp" or "ols".
    positive_dict : bool, default=False
        Whether atoms have no negative entries.
    dict_init : array-like of shape (n_components, n_features), default=None
        Where the atoms start; they are divided by their norms, and those that are 0 replaced.
        By default they are random samples.
    shuffle : bool, default=True
        Whether `fit` takes the samples in random order. The order of the first pass depends on the
        content of the samples and not on where they stand; equal samples are taken as one, with
        the sum of their weights. `partial_fit` always keeps the order.
    n_jobs : int, default=None
        Number of threads that code. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Order of the samples, and which of them become atoms.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms, of length 1 and of the dtype of the first data; 0 where there has been no sample
        to start an atom from.
    n_iter_ : int
        Number of passes over the data that the last `fit` began.
    n_steps_ : int
        Number of batches learnt.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    BatchSparseCoder : Codes on a dictionary that is given, also as sparse matrices.
    OnlineOrthogonalDictionaryLearning : Orthonormal atoms, which need no coding to be learnt.
    sklearn.decomposition.MiniBatchDictionaryLearning : The same problem, with other solvers.

    Notes
    -----
    A step costs n_components * n_features multiplications per sample and the coding, and
    n_components^2 * n_features for the pass over the atoms. Memory beyond the data is
    n_components * (n_components + n_features) numbers, the codes of one batch, and 5 numbers per
    sample for the order of `fit`.

    Statistics and atoms are kept in float64 whatever the data are, since the pass over the atoms
    subtracts sums that nearly cancel for atoms of little use. Samples are coded in the dtype of
    the data, and no float64 copy of them is made.

    With `shuffle`, an integer weight is a repetition of the sample. A stream gives the same atoms
    as one pass of `fit` without `shuffle` if it comes in multiples of `batch_size` and its first
    chunk has at least `n_components` samples, from which the atoms start.

    References
    ----------
    .. [1] J. Mairal, F. Bach, J. Ponce, G. Sapiro, "Online Learning for Matrix Factorization and
       Sparse Coding", Journal of Machine Learning Research 11, 2010, arXiv:0908.0050.

    Examples
    --------
    >>> from sklearn.datasets import make_sparse_coded_signal
    >>> from skstruct.decomposition import MiniBatchSparseDictionary
    >>> X, dictionary, code = make_sparse_coded_signal(
    ...     n_samples=3000, n_components=24, n_features=16, n_nonzero_coefs=2, random_state=0
    ... )
    >>> learner = MiniBatchSparseDictionary(24, alpha=0.3, random_state=0).fit(X)
    >>> coherence = abs(learner.components_ @ dictionary.T).max(axis=0)
    >>> int((coherence > 0.99).sum())
    24
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_algorithm": [StrOptions({"lasso_cd", "omp"})],
        "transform_algorithm": [StrOptions(set(ALGORITHMS))],
        "transform_n_nonzero_coefs": [Interval(Integral, 1, None, closed="left"), None],
        "transform_tol": [Interval(Real, 0, None, closed="left"), None],
        "transform_alpha": [Interval(Real, 0, None, closed="left"), None],
        "positive_code": ["boolean"],
        "positive_dict": ["boolean"],
        "dict_init": ["array-like", None],
        "shuffle": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha=1.0,
        max_iter=10,
        batch_size=256,
        tol=1e-3,
        fit_algorithm="lasso_cd",
        transform_algorithm="omp",
        transform_n_nonzero_coefs=None,
        transform_tol=None,
        transform_alpha=None,
        positive_code=False,
        positive_dict=False,
        dict_init=None,
        shuffle=True,
        n_jobs=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.tol = tol
        self.fit_algorithm = fit_algorithm
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_tol = transform_tol
        self.transform_alpha = transform_alpha
        self.positive_code = positive_code
        self.positive_dict = positive_dict
        self.dict_init = dict_init
        self.shuffle = shuffle
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the number of atoms, the penalty, and how many atoms code a sample.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "n_components": randint(8, 129),
            "alpha": loguniform(0.01, 10.0),
            "transform_n_nonzero_coefs": randint(1, 11),
        }

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of MiniBatchSparseDictionary
        """
        return [
            cls(),
            cls(
                8,
                alpha=0.1,
                transform_algorithm="lasso_cd",
                positive_code=True,
                positive_dict=True,
            ),
            cls(fit_algorithm="omp", transform_tol=0.1),
        ]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Learn a dictionary from samples, and forget what was learnt before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. With `shuffle`, an integer weight is a repetition.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        vars(self).pop("components_", None)  # where this fails, the last dictionary is gone, too
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        X, weight = self._validate_weighted(X, sample_weight, reset=True)
        random_state = check_random_state(self.random_state)
        rows = np.arange(len(X))
        if self.shuffle:
            rows, weight = shuffled_distinct_rows((X,), weight, random_state)
        self._start(X[rows[: self._n_first(X)]], random_state)
        batches = list(gen_batches(len(rows), self.batch_size))
        n_free = min(N_STEPS_FREE, len(batches))
        context = self._init_callback_context(max_subtasks=self.max_iter * len(batches))
        context.call_on_fit_task_begin(estimator=self, **data)
        for step in range(self.max_iter * len(batches)):
            turn = step % len(batches)
            if turn == 0 and step and self.shuffle:
                order = random_state.permutation(len(rows))
                rows, weight = rows[order], weight[order]
            batch = context.subcontext(task_name="batch")
            batch.call_on_fit_task_begin(estimator=self, **data)
            change = self._learn(X[rows[batches[turn]]], weight[batches[turn]])
            told = batch.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
            if told or (step >= n_free and change <= self.tol):
                break
        self.n_iter_ = -(-self.n_steps_ // len(batches))
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn the next samples of a stream, in their order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The estimator.
        """
        first = not self.__sklearn_is_fitted__()
        X, weight = self._validate_weighted(X, sample_weight, reset=first)
        if first:
            self._start(X[: self._n_first(X)], check_random_state(self.random_state))
        for batch in gen_batches(len(X), self.batch_size):
            self._learn(X[batch], weight[batch])
        return self

    def _validate_samples(self, X, reset):
        self._validate_params()  # which may have been set since fit
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=reset)
        greedy = {"omp", "ols"} & {self.fit_algorithm, self.transform_algorithm}
        if self.positive_code and greedy:
            raise ValueError(
                f"positive_code=True with fit_algorithm={self.fit_algorithm!r} and "
                f"transform_algorithm={self.transform_algorithm!r}; 'omp' and 'ols' give codes of "
                "any sign, use 'lasso_cd' for both."
            )
        return X

    def _validate_weighted(self, X, sample_weight, reset):
        """Return the samples whose weight is not 0, and the weights."""
        X = self._validate_samples(X, reset)
        if not reset:
            check_n_components(self.n_components, len(self.components_))
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if (weight > 0).all():
            return X, weight
        kept = np.flatnonzero(weight)
        return X[kept], weight[kept]

    def _n_first(self, X):
        """Return from how many samples the atoms start."""
        return max(self.batch_size, self.n_components or X.shape[1])

    def _start(self, X, random_state):
        """Take atoms from dict_init or from samples, and forget the past."""
        n_features = X.shape[1]
        n_components = self.n_components or n_features
        atoms = np.zeros((0, n_features))
        if self.dict_init is not None:
            atoms = check_array(self.dict_init, dtype=np.float64, input_name="dict_init")
            n_components = self.n_components or len(atoms)
            if atoms.shape != (n_components, n_features):
                raise ValueError(
                    f"dict_init has shape {atoms.shape}; it must be of shape (n_components, "
                    f"n_features), here {(n_components, n_features)}."
                )
            atoms = self._unit(atoms)
        self._random_state = random_state
        self._atoms = np.zeros((n_components, n_features))
        self._atoms[: len(atoms)] = atoms
        self._A = np.zeros((n_components, n_components))
        self._B = np.zeros((n_components, n_features))
        self._replace(np.flatnonzero(~self._atoms.any(axis=1)), X)
        self.components_ = self._atoms.astype(X.dtype)
        self.n_steps_ = 0

    def _unit(self, rows):
        """Return rows in float64, without their negative part if need be, with norm 1 or 0."""
        rows = rows.astype(np.float64)
        if self.positive_dict:
            np.maximum(rows, 0.0, out=rows)
        for order in (np.inf, 2):  # the first, so that no square overflows
            norm = np.linalg.norm(rows, order, axis=1, keepdims=True)
            rows /= np.where(norm > 0, norm, 1.0)
        return rows

    def _replace(self, atoms, X):
        """Put random samples in the place of atoms, as far as there are some with a direction."""
        directed = X > 0 if self.positive_dict else X != 0
        picked = self._random_state.permutation(np.flatnonzero(directed.any(axis=1)))
        picked = picked[: len(atoms)]
        atoms = atoms[: len(picked)]
        self._atoms[atoms] = self._unit(X[picked])
        self._A[atoms] = self._A[:, atoms] = 0.0
        self._B[atoms] = 0.0

    def _learn(self, X, weight):
        """Learn one batch; return how far the atoms moved."""
        self.n_steps_ += 1
        code = self._encode(X, self._atoms, self.fit_algorithm, self.alpha)
        keep = (1.0 - 1.0 / self.n_steps_) ** FADING
        accumulate(code, X, weight, keep, self._A, self._B)
        use = np.diagonal(self._A)
        least = UNUSED * use.mean()
        square = update_atoms(self._atoms, self._A, self._B, least, self.positive_dict)
        unused = np.flatnonzero(use <= least)
        if len(unused):
            self._replace(unused, X)
        self.components_ = self._atoms.astype(self.components_.dtype)
        return np.sqrt(square) / len(self._atoms)

    def transform(self, X):
        """Code samples on the dictionary.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Codes, of the dtype of X.
        """
        check_is_fitted(self)
        return self._transform(self._validate_samples(X, reset=False))

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
        check_is_fitted(self)
        return rebuild(X, self.components_)

    def score(self, X, y=None):
        """Share of the energy of the samples that their codes explain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.
        y : None
            Ignored.

        Returns
        -------
        score : float
            ``1 - ||X - inverse_transform(transform(X))||^2 / ||X||^2``; 1 for samples of zeros.
        """
        check_is_fitted(self)
        X = self._validate_samples(X, reset=False)
        return explained_energy(X, self._transform, self.components_)

    def _transform(self, X):
        alpha = self.alpha if self.transform_alpha is None else self.transform_alpha
        return self._encode(X, self.components_, self.transform_algorithm, alpha)

    def _encode(self, X, atoms, algorithm, alpha):
        return encode_rows(
            X,
            atoms.astype(X.dtype, copy=False),
            algorithm=algorithm,
            n_nonzero_coefs=self.transform_n_nonzero_coefs,
            tol=self.transform_tol,
            alpha=alpha,
            positive=self.positive_code,
            n_jobs=self.n_jobs,
        )

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
