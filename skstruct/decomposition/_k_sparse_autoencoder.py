"""k-sparse autoencoder: features whose encoding is one matrix product and a selection.

With x in internal units, (x - mean) / root mean square of the first data, tied weights W ("atoms",
a row each), encoder bias b and decoder bias c ("units", "offset" of the state) [1]_:

    z = W (x - c) + b
    top k:      S = the k largest of z, by signed value;  a_S = z_S, 0 elsewhere
    threshold:  a = z [z > theta],  theta = exp(l)                        one for each unit [2]_
    x^ = W' a + c,  r = x^ - x,  loss = mean |r|^2 / 2

Adam follows the gradient through the kept units alone, da_u = <r, w_u>:

    dw_u = mean(a_u r + da_u (x - c)),  db_u = mean da_u,  dc = mean(r - sum_u da_u w_u)
    dl_u = -theta_u / eps  mean([|z_u - theta_u| < eps / 2] (theta_u da_u + pull))

where eps is `bandwidth` and pull = dP / dL0 of the penalty P = sparsity_weight (L0 / n_nonzero -
1)^2 on L0, the mean number of active units. The step from 0 to theta has no slope of its own: that
of a rectangle of width eps around theta stands for it (straight-through).

k falls linearly from `k_init` to `n_nonzero` over the first half of the epochs, so that all units
find something to do while many are kept; the learning rate falls in the second half to a tenth.
Every fifth epoch of the first three quarters, units that no row used start anew from residuals.
Each epoch draws distinct rows by weight, so that integer weights are repetitions.
"""

from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks

from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _align_api_if_sparse,
    _check_sample_weight,
    _fit_context,
    check_is_fitted,
    check_random_state,
    validate_data,
)
from skstruct.decomposition._autoencoder_state import (
    AutoencoderState,
    center_and_scale,
    distinct_rows,
    draw,
    row_batches,
)
from skstruct.decomposition._codes import check_n_components, rebuild

REVIVE_EVERY = 5  # epochs


class KSparseAutoencoder(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Autoencoder with tied weights that keeps few units for each row.

    A dictionary whose codes cost one matrix product and a selection: for tables on which lasso or
    matching pursuit are too slow, and as features for a linear classifier.

    Read more in the :ref:`User Guide <k_sparse_autoencoder>`.

    Parameters
    ----------
    n_components : int, default=256
        Number of units, that is of atoms.
    n_nonzero : "auto" or int, default="auto"
        Number of units that are kept for a row, at most `n_components`; with
        ``activation="threshold"`` the mean number that training aims at. "auto" is 16, or
        `n_components` where that is less.
    activation : {"topk", "threshold"}, default="topk"
        "topk" keeps the units of largest value, which may be negative; "threshold" those above a
        threshold of their own that is learnt, of which a row has as many as it needs.
    encode_factor : float, default=1.0
        At least 1. With "topk", `transform` keeps `encode_factor` * `n_nonzero` units, rounded,
        and at most all: somewhat above 1 is often better for classification.
    k_init : "auto", int or None, default="auto"
        With "topk", the number of units kept in the first epoch, from `n_nonzero` to
        `n_components`; it falls to `n_nonzero` by the middle of `fit`, which leaves fewer units
        that are never used. "auto" is a quarter of `n_components` if that is more than
        `n_nonzero`; None keeps `n_nonzero` throughout.
    init : {"random", "data"}, default="random"
        The first atoms: Gaussian (small, or of norm 1 with "threshold"), or random rows of the
        table with the mean subtracted and of norm 1, for which `k_init` is best None.
    max_iter : int, default=60
        Number of epochs of `fit`.
    batch_size : int, default=64
        Largest number of rows in a step.
    learning_rate : float, default=3e-3
        Rate of Adam for rows whose mean squared distance from their mean is 1, to which the table
        is scaled internally. In the second half of `fit` it falls to a tenth.
    resample_dead : bool, default=True
        Whether units that no row has used in an epoch start anew from what the others leave
        unexplained, every fifth epoch of the first three quarters of `fit`.
    bandwidth : float, default=0.05
        With "threshold", the width of the window around a threshold in which rows move it, in
        internal units.
    sparsity_weight : float, default=1.0
        With "threshold", the weight of the squared relative deviation of the mean number of
        active units from `n_nonzero`. With 0 the thresholds follow the reconstruction alone.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR matrix.
    random_state : int, RandomState instance or None, default=None
        First atoms, order of the rows, and which rows dead units start from.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms.
    encoder_bias_ : ndarray of shape (n_components,)
        What is added to the product of the atoms with a row less `decoder_bias_`.
    decoder_bias_ : ndarray of shape (n_features,)
        The reconstruction of a row without any active unit.
    thresholds_ : ndarray of shape (n_components,) or None
        What a unit must exceed to be active; None with "topk".
    loss_curve_ : list of float
        Mean squared norm of the residuals of the rows, for each epoch, while it lasted.
    n_dead_ : int
        Number of units that no row used in the last epoch.
    n_iter_ : int
        Number of epochs.
    n_steps_ : int
        Number of batches learnt.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    MiniBatchSparseDictionary : Atoms whose codes solve a lasso or a matching pursuit.
    OnlineOrthogonalDictionaryLearning : As many orthonormal atoms as features.
    sklearn.decomposition.PCA : The best code of all rows by the same few components.

    Notes
    -----
    A row costs 2 n_components n_features operations for the product, a pass over n_components
    for the selection and 8 n_nonzero n_features for the rest; a batch 12 n_components n_features
    for Adam. `transform` has the first two. Besides the table, `fit` needs memory for 3
    n_components (n_features + 2) numbers, for a batch, and for five numbers a row; of a sparse
    table, blocks of about a million numbers are made dense at a time.

    Everything is computed in the dtype of the first data, and float32 is twice as fast. The scale
    is taken from the data of `fit`, or of the first `partial_fit`: codes of 1000 X are 1000 times
    those of X.

    The loss is a mean over the rows, which `sample_weight` weighs: an epoch draws as many rows as
    there are distinct ones, systematically in proportion to their weights. Equal rows count as one
    with the sum of their weights, so that an integer weight is a repetition and the order of the
    rows does not matter.

    Codes have the scale of the table: divide them by their standard deviations, for example with
    :class:`~sklearn.preprocessing.StandardScaler` and `with_mean=False`, before a penalised linear
    model.

    References
    ----------
    .. [1] A. Makhzani, B. Frey, "k-Sparse Autoencoders", International Conference on Learning
       Representations, 2014, arXiv:1312.5663.
    .. [2] S. Rajamanoharan, T. Lieberum, N. Sonnerat, A. Conmy, V. Varma, J. Kramar, N. Nanda,
       "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders", 2024,
       arXiv:2407.14435.
    .. [3] C. Hu, P. Cao, Y. Chen, K. Liu, J. Zhao, "Towards Atoms of Large Language Models", 2025,
       arXiv:2509.20784.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skstruct.decomposition import KSparseAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = KSparseAutoencoder(128, n_nonzero=8, max_iter=20, random_state=0).fit(X)
    >>> codes = autoencoder.transform(X)
    >>> codes.shape, int((codes != 0).sum(axis=1).max())
    ((1797, 128), 8)
    >>> autoencoder.score(X) > 0.8
    True
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_nonzero": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"topk", "threshold"})],
        "encode_factor": [Interval(Real, 1, None, closed="left")],
        "k_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), None],
        "init": [StrOptions({"random", "data"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "resample_dead": ["boolean"],
        "bandwidth": [Interval(Real, 0, None, closed="neither")],
        "sparsity_weight": [Interval(Real, 0, None, closed="left")],
        "sparse_output": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=256,
        n_nonzero="auto",
        *,
        activation="topk",
        encode_factor=1.0,
        k_init="auto",
        init="random",
        max_iter=60,
        batch_size=64,
        learning_rate=3e-3,
        resample_dead=True,
        bandwidth=0.05,
        sparsity_weight=1.0,
        sparse_output=False,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_nonzero = n_nonzero
        self.activation = activation
        self.encode_factor = encode_factor
        self.k_init = k_init
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.resample_dead = resample_dead
        self.bandwidth = bandwidth
        self.sparsity_weight = sparsity_weight
        self.sparse_output = sparse_output
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the number of atoms and of those kept, and the rate.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "n_components": [64, 128, 256, 512],
            "n_nonzero": [4, 8, 16, 32],
            "encode_factor": [1.0, 1.5, 2.0, 3.0],
            "learning_rate": loguniform(1e-3, 1e-2),
        }

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of KSparseAutoencoder
        """
        return [
            cls(),
            cls(64, activation="threshold", max_iter=20),
            cls(32, 1, init="data", k_init=None, encode_factor=3.0, max_iter=10),
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
            Weights of the samples. An integer weight is a repetition.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        vars(self).pop("_state", None)  # where this fails, the last autoencoder is gone, too
        X, rows, weight = self._begin(X, sample_weight, reset=True)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **data)
        for epoch in range(self.max_iter):
            step = context.subcontext(task_name="epoch")
            step.call_on_fit_task_begin(estimator=self, **data)
            late = max(0.0, 2 * epoch / self.max_iter - 1)
            used, order, error = self._epoch(
                X, rows, weight, self._k(epoch), (1 - 0.9 * late) * self.learning_rate
            )
            if self.resample_dead and epoch < 0.75 * self.max_iter and error.any():
                dead = np.flatnonzero(used == 0)
                if (epoch + 1) % REVIVE_EVERY == 0 and len(dead) > 0:
                    chosen = order[draw(error, len(dead), self._random_state)]
                    self._state.revive(dead, X, chosen, self._k(epoch))
            if step.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data):
                break
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Take one pass over some rows, with `n_nonzero` units, at the full `learning_rate`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. Those of the first call give the scale.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The estimator.
        """
        X, rows, weight = self._begin(X, sample_weight, reset=not self.__sklearn_is_fitted__())
        self._epoch(X, rows, weight, self._n_nonzero, self.learning_rate)
        return self

    def _begin(self, X, sample_weight, reset):
        """Return the checked table, its distinct rows and their weights; on reset, start anew."""
        X = self._validate_samples(X, reset=reset)
        self._check_parameters(reset)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if reset:
            self._random_state = check_random_state(self.random_state)
        rows, weight = distinct_rows(X, weight, self._random_state)
        if reset:
            self._state = AutoencoderState(
                X, rows, weight, self._random_state,
                n_components=self.n_components,
                from_data=self.init == "data",
                thresholds=self.activation == "threshold",
            )  # fmt: skip
            self.loss_curve_ = []
            self.n_iter_ = 0
        return X, rows, weight

    def _check_parameters(self, reset):
        if not reset:
            check_n_components(self.n_components, self._n_features_out)
        if self._n_nonzero > self.n_components:
            raise ValueError(
                f"n_nonzero={self.n_nonzero!r}; it must be 'auto' or an integer from 1 to "
                f"n_components={self.n_components!r}."
            )
        if self.k_init not in ("auto", None) and not (
            self._n_nonzero <= self.k_init <= self.n_components
        ):
            raise ValueError(
                f"k_init={self.k_init!r}; it must be 'auto', None or an integer from "
                f"n_nonzero={self._n_nonzero!r} to n_components={self.n_components!r}."
            )

    def _validate_samples(self, X, reset):
        self._validate_params()  # which may have been set since fit
        dtype = FLOATS if reset else self._state.atoms.dtype
        return validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=reset)

    def _k(self, epoch):
        """Return the number of units to keep in an epoch."""
        last = self._n_nonzero
        first = last if self.k_init is None else self.k_init
        if first == "auto":
            first = max(last, self.n_components / 4)
        return round(first + (last - first) * min(1.0, 2 * epoch / self.max_iter))

    def _epoch(self, X, rows, weight, k, learning_rate):
        """Take steps over as many draws as there are rows."""
        order = rows[draw(weight, len(rows), self._random_state)]
        used, error = self._state.learn(
            X, order, self.batch_size, k,
            learning_rate=learning_rate, n_nonzero=self._n_nonzero, bandwidth=self.bandwidth,
            sparsity_weight=self.sparsity_weight,
        )  # fmt: skip
        self.loss_curve_.append(float(error.mean()) * self._state.scale * self._state.scale)
        self.n_dead_ = int((used == 0).sum())
        self.n_iter_ += 1
        return used, order, error

    def transform(self, X):
        """Code samples on the dictionary.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        codes : {ndarray, CSR matrix} of shape (n_samples, n_components)
            Codes, of the dtype of the first data: values of the units that are kept, 0 for
            others; a matrix if `sparse_output`.
        """
        check_is_fitted(self)
        X = self._validate_samples(X, reset=False)
        if self.sparse_output:
            return _align_api_if_sparse(self._state.encode(X, self._kept))
        codes = np.empty((X.shape[0], self._n_features_out), X.dtype)
        for block in row_batches(*X.shape):
            self._state.encode(X[block], self._kept).toarray(out=codes[block])
        return codes

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
        rows = rebuild(X, self.components_)
        return rows + self.decoder_bias_.astype(rows.dtype, copy=False)

    def score(self, X, y=None):
        """Share of the variation of the samples that their codes explain.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : None
            Ignored.

        Returns
        -------
        score : float
            ``1 - ||X - inverse_transform(transform(X))||^2 / ||X - mean of X||^2``; where all
            samples are equal, the denominator is their number.
        """
        check_is_fitted(self)
        X = self._validate_samples(X, reset=False)
        n_rows = X.shape[0]
        _, scale = center_and_scale(X, np.arange(n_rows), np.ones(n_rows))
        return 1.0 - self._state.lost(X, self._kept, scale) / n_rows

    @property
    def _kept(self):
        """Number of units that transform keeps."""
        return min(round(self.encode_factor * self._n_nonzero), self._n_features_out)

    @property
    def _n_nonzero(self):
        return min(16, self.n_components) if self.n_nonzero == "auto" else self.n_nonzero

    @property
    def _n_features_out(self):
        return self._state.atoms.shape[1]

    @property
    def components_(self):
        return self._state.atoms[0]

    @property
    def encoder_bias_(self):
        return self._state.scale * self._state.units[0]

    @property
    def decoder_bias_(self):
        return self._state.decoder_bias

    @property
    def thresholds_(self):
        return self._state.scale * self._state.theta if self._state.thresholds else None

    @property
    def n_steps_(self):
        return self._state.n_steps

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_state")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
