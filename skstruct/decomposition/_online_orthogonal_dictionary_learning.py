"""Orthogonal dictionaries of a stream, by momentum Frank-Wolfe on the ball of the spectral norm.

Of all dictionaries D with orthonormal rows d_j, the one whose codes are sparsest maximises

    f(D) = E sum_j |<d_j, x>|^p,   p > 2:   of equal energies, spiky codes have the larger p-norm.

f is convex, so that its maxima over the convex hull of those dictionaries, {D: ||D||_2 <= 1}, are
such dictionaries again, and over the hull no constraint has to be kept. Step t on a batch X [1]_:

    A = X D';  W = sign(A) |A|^(p-1)             coefficients and their stretched values
    G += rho_t (W' X / n - G)                    averaged gradient: all that is kept of the past
    S = U V'  for  G = U diag(s) V'              maximises <G, S> over the hull: the polar factor
    gap = 1 - <G, D> / <G, S>                    of Frank and Wolfe, freed of scale
    D = (1 - gamma_t) D + gamma_t S

A dictionary that is handed out is the polar factor of D, which never goes back into the recursion.
rho and gamma are the "schedule". With all rows for a batch and rho = gamma = 1, a step is one of
matching, stretching and projection [2]_, which never lessens f: solver="msp".
"""

import warnings
from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, gen_batches

from skstruct._lib.row_blocks import one_blas_thread
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
from skstruct.decomposition._codes import (
    check_n_components,
    explained_energy,
    rebuild,
)
from skstruct.decomposition._online_orthogonal_dictionary_learning_fast import (
    keep_largest,
    learn,
    threshold,
)
from skstruct.decomposition._polar import polar_factor

BLOCK = 1024  # samples that transform has under way


class OnlineOrthogonalDictionaryLearning(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Orthogonal dictionary of a stream, learnt without coding a sample or keeping one.

    For samples that are combinations of a few of at most n_features orthonormal atoms. One pass
    is usually enough, a row costs two products with the dictionary, and codes are closed-form.

    Read more in the :ref:`User Guide <online_orthogonal_dictionary_learning>`.

    Parameters
    ----------
    n_components : int, default=None
        Number of atoms, at most `n_features`, which is the default.
    p : float, default=3
        Above 2. The power of the coefficients that is maximised. 3 ends up more accurate, 4 starts
        faster and gives more weight to outliers; both are faster to compute than other powers.
    solver : {"frank-wolfe", "msp"}, default="frank-wolfe"
        What `fit` does: steps on mini-batches, or matching, stretching and projection with all
        the rows at each iteration.
    schedule : {"fast", "theory", "constant"}, default="fast"
        Step sizes. "fast" forgets like a power of time, and goes the whole way to the maximiser of
        the averaged gradient. "theory" has the published rates, which go part of the way: better
        for very sparse codes, much slower for dense ones. "constant" has a fixed memory, for
        dictionaries that drift.
    momentum : float, default=0.05
        In (0, 1]. The weight of the latest batch in the averaged gradient of "constant": the
        memory is of about 1 / `momentum` batches.
    batch_size : int, default=128
        Rows per step.
    max_iter : int, default=10
        Largest number of passes over the data in `fit`; "msp" needs 15 to 40.
    tol : float, default=1e-4
        `fit` ends when the gap, averaged over a pass, is below. 0 means never.
    transform_algorithm : {"topk", "hard", "soft", "projection"}, default="topk"
        Codes: the coefficients of largest magnitude, those above `transform_alpha`, all of them
        lessened by `transform_alpha`, or all as they are. As the atoms are orthonormal, these are
        the solutions of orthogonal matching pursuit, of the l0 penalty `transform_alpha` ** 2 / 2,
        of the lasso, and of least squares.
    transform_n_nonzero_coefs : int, default=None
        Number of coefficients that "topk" keeps. By default a tenth of `n_features`, at least 1.
    transform_alpha : float, default=None
        Threshold of "hard" and "soft", in units of the data. By default 1.
    dict_init : array-like of shape (n_components, n_features), default=None
        First dictionary, of full rank; the nearest with orthonormal rows is taken. By default a
        random one.
    shuffle : bool, default=True
        Whether `fit` takes the rows in a new random order at each pass. `partial_fit` always keeps
        the order.
    random_state : int, RandomState instance or None, default=None
        First dictionary, and the orders.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms, orthonormal, of the dtype of the rows.
    gap_ : float
        In [0, 2]. Gap of Frank and Wolfe before the last step, relative to the nuclear norm of the
        averaged gradient: 0 at a maximum.
    n_iter_ : int
        Passes that the last `fit` made.
    n_steps_ : int
        Steps made so far. Batches of zeros make none.
    n_samples_seen_ : int
        Rows seen so far, in all passes; those of weight 0 do not count.
    objective_history_ : ndarray of shape (`n_iter_`,)
        The p-th root of the mean over rows of the sum over atoms of ``|a| ** p`` for coefficients
        a, before each iteration; in units of the data, and non-decreasing. Only after `fit` with
        "msp".
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    MiniBatchSparseDictionary : Dictionaries of any number of atoms, not orthogonal.
    sklearn.decomposition.MiniBatchDictionaryLearning : The same, with codes at each step.
    sklearn.decomposition.FastICA : Independent components of whitened data, in batch.

    Notes
    -----
    A step on b rows costs 4 b d k operations, and the polar factor 10 to 25 k^2 d; a pass over n
    rows 4 n d k, or 4 k times the number of non-zeros where X is CSR. Memory is about
    10 d k + 6 k^2 + min(b, 512) (d + k) numbers, and no copy of the rows.

    The recursion is in float64; products with float32 rows are in float32.

    The rows should have mean zero, or the mean becomes an atom. Where the true atoms are not
    orthogonal, whiten: ``make_pipeline(PCA(whiten=True), OnlineOrthogonalDictionaryLearning())``.
    Where directions have very different energies, as in patches of images, the strong ones win.

    A weight counts as a repetition of a row within its batch; for "msp" and for data that are one
    batch, that is a repetition in every respect. Atoms have no order and no sign of their own.

    References
    ----------
    .. [1] Y. Xue, V. K. N. Lau, "Online Orthogonal Dictionary Learning Based on Frank-Wolfe
       Method", 2021, arXiv:2103.01484.
    .. [2] Y. Zhai, Z. Yang, Z. Liao, J. Wright, Y. Ma, "Complete Dictionary Learning via l4-Norm
       Maximization over the Orthogonal Group", Journal of Machine Learning Research 21, 2020,
       arXiv:1906.02435.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import ortho_group
    >>> from skstruct.decomposition import OnlineOrthogonalDictionaryLearning
    >>> rng = np.random.default_rng(0)
    >>> atoms = ortho_group.rvs(16, random_state=0)
    >>> codes = rng.standard_normal((5000, 16)) * (rng.random((5000, 16)) < 0.1)
    >>> model = OnlineOrthogonalDictionaryLearning(transform_n_nonzero_coefs=4, random_state=0)
    >>> for rows in np.split(codes @ atoms, 10):
    ...     model = model.partial_fit(rows)
    >>> bool((abs(model.components_ @ atoms.T).max(axis=1) > 0.99).all())
    True
    >>> round(model.score(codes @ atoms), 2)
    1.0
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "p": [Interval(Real, 2, None, closed="neither")],
        "solver": [StrOptions({"frank-wolfe", "msp"})],
        "schedule": [StrOptions({"fast", "theory", "constant"})],
        "momentum": [Interval(Real, 0, 1, closed="right")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "transform_algorithm": [StrOptions({"topk", "hard", "soft", "projection"})],
        "transform_n_nonzero_coefs": [Interval(Integral, 1, None, closed="left"), None],
        "transform_alpha": [Interval(Real, 0, None, closed="left"), None],
        "dict_init": ["array-like", None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=None,
        *,
        p=3,
        solver="frank-wolfe",
        schedule="fast",
        momentum=0.05,
        batch_size=128,
        max_iter=10,
        tol=1e-4,
        transform_algorithm="topk",
        transform_n_nonzero_coefs=None,
        transform_alpha=None,
        dict_init=None,
        shuffle=True,
        random_state=None,
    ):
        self.n_components = n_components
        self.p = p
        self.solver = solver
        self.schedule = schedule
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_alpha = transform_alpha
        self.dict_init = dict_init
        self.shuffle = shuffle
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the power, and how many coefficients a code keeps.

        Returns
        -------
        space : dict
            A list for each parameter.
        """
        return {"p": [3, 4], "transform_n_nonzero_coefs": [1, 2, 3, 5, 8, 13, 21, 34]}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of OnlineOrthogonalDictionaryLearning
        """
        return [
            cls(),
            cls(solver="msp", max_iter=100, transform_algorithm="projection"),
            cls(schedule="theory", p=4, transform_algorithm="soft"),
            cls(schedule="constant", p=2.5, transform_algorithm="hard"),
        ]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Learn a dictionary from samples, and forget what was learnt before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

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
        self._start(random_state)
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **data)
        objective, kept = [], np.flatnonzero(weight)
        for n_iter in range(1, self.max_iter + 1):
            self.n_iter_ = n_iter
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, **data)
            if self.solver == "msp":
                gap = self._step(X, kept, weight, np.ones(1), np.ones(1), len(kept))
                objective.append(self._state[2] ** (1 / self.p) * self._state[0])
            else:
                order = random_state.permutation(kept) if self.shuffle else kept
                gap = self._learn(X, order, weight)
            stopped = epoch.call_on_fit_task_end(
                estimator=self, reconstruction_attributes={}, **data
            )
            if stopped or gap < self.tol:
                break
        else:
            if self.solver == "msp" and self.tol > 0:
                warnings.warn(
                    f"The gap is {gap:.1e} after {self.max_iter} iterations, more than "
                    f"tol={self.tol}; increase max_iter or tol.",
                    ConvergenceWarning,
                )
        if self.solver == "msp":
            self.objective_history_ = np.array(objective)
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn the next samples of a stream, in their order.

        There is a step for every `batch_size` of them, and one for what is left. Chunks of a
        multiple of `batch_size` give the same dictionary as all their samples at once. The solver
        is always "frank-wolfe".

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
            self._start(check_random_state(self.random_state))
        self._learn(X, np.flatnonzero(weight), weight)
        return self

    def _validate_samples(self, X, reset):
        self._validate_params()  # which may have been set since fit
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C", reset=reset)

    def _validate_weighted(self, X, sample_weight, reset):
        X = self._validate_samples(X, reset)
        if not reset:
            check_n_components(self.n_components, len(self.components_))
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return X, weight

    def _start(self, random_state):
        """Start with a first dictionary, no gradient, and no step."""
        n_features = self.n_features_in_
        n_components = n_features if self.n_components is None else self.n_components
        if n_components > n_features:
            raise ValueError(
                f"n_components={n_components}; orthonormal atoms are at most as many as features, "
                f"of which X has {n_features}."
            )
        if self.dict_init is None:
            Q, R = np.linalg.qr(random_state.standard_normal((n_features, n_components)))
            dictionary = np.ascontiguousarray((Q * np.copysign(1.0, np.diag(R))).T)
        else:
            dictionary = self._check_dict_init(n_components)
        self._dictionary = dictionary
        self._gradient = np.zeros_like(dictionary)
        self._state = np.zeros(3)
        self.n_steps_ = self.n_samples_seen_ = 0
        self.__dict__.pop("objective_history_", None)

    def _check_dict_init(self, n_components):
        """Return the dictionary nearest to dict_init, or say what is wrong with that."""
        start = check_array(self.dict_init, dtype=np.float64, order="C", input_name="dict_init")
        if start.shape != (n_components, self.n_features_in_):
            raise ValueError(
                f"dict_init has shape {start.shape}; it must be of shape "
                f"({n_components}, {self.n_features_in_}), a row for each atom."
            )
        rank = np.linalg.matrix_rank(start)
        if rank < n_components:
            raise ValueError(
                f"dict_init has rank {rank}; its {n_components} rows must be linearly independent."
            )
        return polar_factor(start / np.abs(start).max())

    def _learn(self, X, order, weight):
        """Make a step for each batch of the rows `order`; return the mean of the gaps."""
        t = self.n_steps_ + np.arange(1.0, -(-len(order) // self.batch_size) + 1)
        if self.schedule == "fast":
            rho, gamma = np.minimum(1.0, 11.0 / (t + 10.0)), np.ones_like(t)
        elif self.schedule == "theory":
            rho = np.minimum(1.0, 4.0 / np.sqrt(t))
            gamma = np.minimum(1.0, 2.0 / (t + 1.0) ** 0.75)
        else:
            rho, gamma = np.maximum(1.0 / t, self.momentum), np.ones_like(t)
        return self._step(X, order, weight, rho, gamma, self.batch_size)

    def _step(self, X, order, weight, rho, gamma, batch_size):
        if issparse(X):
            arrays = np.empty((0, 0), X.dtype), X.data, X.indices, X.indptr
        else:
            no_index = np.empty(0, np.int32)
            arrays = X, np.empty(0, X.dtype), no_index, no_index
        # On matrices of this size, threads of BLAS wait for each other longer than they work.
        with one_blas_thread() if self._dictionary.size <= 256**2 else nullcontext():
            n_steps, gaps = learn(
                *arrays, order, weight, self._dictionary, self._gradient, self._state, rho, gamma,
                p=self.p, batch_size=batch_size,
            )  # fmt: skip
        self.n_steps_ += n_steps
        self.n_samples_seen_ += len(order)
        self.gap_ = float(self._state[1])
        self.components_ = polar_factor(self._dictionary).astype(X.dtype, copy=False)
        return gaps / n_steps if n_steps else 0.0

    def transform(self, X):
        """Code samples on the dictionary.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Codes, of the dtype of X; most coefficients are 0 unless `transform_algorithm` is
            "projection".
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
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        atoms = self.components_.astype(X.dtype, copy=False)
        codes = np.empty((X.shape[0], len(atoms)), X.dtype)
        for block in gen_batches(X.shape[0], BLOCK):
            if issparse(X):
                codes[block] = X[block] @ atoms.T
            else:
                np.matmul(X[block], atoms.T, out=codes[block])
            self._sparsify(codes[block])
        return codes

    def _sparsify(self, codes):
        """Let `transform_algorithm` decide which coefficients stay."""
        if self.transform_algorithm == "topk":
            n_kept = self.transform_n_nonzero_coefs
            n_kept = max(1, self.n_features_in_ // 10) if n_kept is None else n_kept
            keep_largest(codes, min(n_kept, codes.shape[1]))
        elif self.transform_algorithm != "projection":
            alpha = 1.0 if self.transform_alpha is None else self.transform_alpha
            threshold(codes, alpha, self.transform_algorithm == "soft")

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
