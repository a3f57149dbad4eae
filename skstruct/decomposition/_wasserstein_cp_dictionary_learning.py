"""Dictionary of product distributions that mix to joint distributions, near in transport.

Samples x_s are distributions on a grid of I_1 x ... x I_d cells. Atoms are products of marginals,
the rows u_r^j of d factors U^j, and a sample is approximated by a mixture of atoms,

    q_s = sum_r codes[s, r] * u_r^1 (x) ... (x) u_r^d

in the sense of entropic optimal transport with the cost sum_j c_j(i_j, i'_j), scaled to maximum 1:

    F = mean_s [ min_T <C, T> + g sum T log T ] + rho / N * (sum of v log v over codes and factors)

with T a plan from x_s to q_s, g: reg, rho: reg_entropy. F is minimised block by block, first over
the codes and then over each factor, with a proximal term prox * KL(new || old) [1]_. A block is
solved in the dual [2]_ (_wasserstein_dual.pyx): the kernel exp(-C/g) is a product over the modes,
so that nothing of the size cells x cells exists; with entropies on the blocks, the primal solution
is a softmax of the dual one. The duals, one number for each cell of each sample, are carried over
from block to block, and sweep k solves its blocks only to max(inner_tol, inner_tol_init / k^1.5),
in mass that is not where it should be. The proximal term is the KL divergence, since its dual is a
softmax too; it is strongly convex in total variation, as the paper's theory wants it.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning

from skstruct._lib.row_blocks import one_blas_thread
from skstruct._validation import (
    FLOATS,
    Interval,
    StrOptions,
    _fit_context,
    check_is_fitted,
    check_random_state,
    validate_data,
)
from skstruct.decomposition._codes import rebuild
from skstruct.decomposition._wasserstein_blocks import (
    SMALLEST_REG,
    BlockSolver,
    histograms,
    outer,
)

SWEEPS_TO_COMPARE = 3  # that a start gets before the best one is chosen
INDEX_COSTS = {"sqeuclidean": np.square, "cityblock": np.abs}


class WassersteinCPDictionaryLearning(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Dictionary of product distributions whose mixtures are near the samples in transport.

    For joint histograms: of colours, of places, of any few variables. Mass that is a few cells off
    costs little, where least squares and Kullback-Leibler divergence count it as lost.

    Read more in the :ref:`User Guide <wasserstein_cp_dictionary_learning>`.

    Parameters
    ----------
    n_components : int, default=5
        Number of atoms.
    shape : tuple of int, default=None
        Sizes of the modes of the grid, whose product is the number of features; a sample is the
        grid in C order. None is `(n_features,)`, one mode.
    cost : {"sqeuclidean", "cityblock"} or list of ndarray, default="sqeuclidean"
        What it costs to move mass within each mode, by the distance of the indices, or a square
        non-negative matrix for each mode. The cost of a move is the sum over the modes, divided by
        the largest possible one.
    reg : float, default=0.005
        Entropic regularisation of transport, in units of the largest cost; at least 1/690. Atoms
        are blurred by about sqrt(`reg` * sum of the largest costs of the modes / 2) cells for
        "sqeuclidean". Above 0.02 they are too smooth, below 0.002 convergence is slow.
    reg_entropy : float, default=1e-3
        Weight of the entropies of the codes and factors, greater than 0. Greater values make
        codes less sparse.
    prox : float, default=0.1
        Weight of the proximal term that keeps a block near its last value; 0 is plain block
        coordinate descent. For factors it is at least n_samples / (100 n_components k^2) in sweep
        k.
    max_iter : int, default=30
        Largest number of sweeps over all blocks.
    tol : float, default=1e-4
        The sweeps end when the rows of codes and factors move by less than this, in mass, in the
        mean of the blocks.
    inner_max_iter : int, default=100
        Largest number of iterations on one block.
    inner_tol : float, default=1e-3
        Mean mass per sample that a block may leave at the wrong place, in `transform` and in the
        last sweeps.
    inner_tol_init : float, default=0.3
        The same in the first sweep; sweep k has the larger one of `inner_tol` and
        `inner_tol_init` / k^1.5.
    n_init : int, default=1
        Number of starts, of which the one of least objective after 3 sweeps goes on.
    n_jobs : int, default=None
        Number of threads over the samples, for codes; factors take one. Results do not depend on
        it.
    random_state : int, RandomState instance or None, default=None
        Choice of the samples from which the atoms start.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms, each of sum 1.
    factors_ : list of ndarray of shape (n_components, size of the mode)
        The marginals whose outer products are the atoms.
    codes_ : ndarray of shape (n_samples, n_components)
        Weights of the atoms in the training samples, as `transform` gives them.
    objective_history_ : ndarray of shape (`n_iter_`,)
        The objective F after each sweep, a lower bound that is tight to the order of the tolerance
        of the sweep.
    n_iter_ : int
        Number of sweeps.
    n_evals_ : float
        Number of evaluations of the dual of a sample in the sweeps, in the mean of the samples.
    shape_ : tuple of int
        Sizes of the modes.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    sklearn.decomposition.NMF : Non-negative atoms that need be neither normalised nor products.

    Notes
    -----
    One evaluation of the dual costs n (2 sum of the sizes of the modes + n_components)
    multiplications for each sample of n cells, and an exponential, a logarithm and a division for
    each cell. Memory is 16 n numbers for each training sample, in float64 whatever `X` is;
    `transform` has dense duals for a chunk of samples at a time. Nothing has n x n elements.

    Samples are normalised to sum 1, and `sample_weight` is not supported. A sample of sum 0 is no
    distribution: it is left out of the fit, its code is uniform, which is where the entropy alone
    has its minimum, and a warning says so.

    The problem is not convex: see `n_init`.

    References
    ----------
    .. [1] D. Kwon, H. Lyu, "Complexity of Block Coordinate Descent with Proximal Regularization
       and Applications to Wasserstein CP-dictionary Learning", ICML 2023, arXiv:2306.02420.
    .. [2] A. Rolet, M. Cuturi, G. Peyré, "Fast Dictionary Learning with a Smoothed Wasserstein
       Loss", AISTATS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.decomposition import WassersteinCPDictionaryLearning
    >>> rng = np.random.default_rng(0)
    >>> corner = rng.integers(0, 3, size=(40, 2, 2)) + np.array([[1, 1], [8, 8]])
    >>> X = np.zeros((40, 12, 12))  # two dots that move about
    >>> X[np.arange(40)[:, None], corner[:, :, 0], corner[:, :, 1]] = [0.7, 0.3]
    >>> X = X.reshape(40, -1)
    >>> model = WassersteinCPDictionaryLearning(2, shape=(12, 12), random_state=0)
    >>> model.fit_transform(X).shape
    (40, 2)
    >>> means = model.factors_[0] @ np.arange(12)
    >>> np.sort(means).round().astype(int)
    array([2, 9])
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "shape": [tuple, list, None],
        "cost": [StrOptions(set(INDEX_COSTS)), list, tuple],
        "reg": [Interval(Real, 0, None, closed="neither")],
        "reg_entropy": [Interval(Real, 0, None, closed="neither")],
        "prox": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "inner_max_iter": [Interval(Integral, 1, None, closed="left")],
        "inner_tol": [Interval(Real, 0, None, closed="neither")],
        "inner_tol_init": [Interval(Real, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=5,
        *,
        shape=None,
        cost="sqeuclidean",
        reg=0.005,
        reg_entropy=1e-3,
        prox=0.1,
        max_iter=30,
        tol=1e-4,
        inner_max_iter=100,
        inner_tol=1e-3,
        inner_tol_init=0.3,
        n_init=1,
        n_jobs=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.shape = shape
        self.cost = cost
        self.reg = reg
        self.reg_entropy = reg_entropy
        self.prox = prox
        self.max_iter = max_iter
        self.tol = tol
        self.inner_max_iter = inner_max_iter
        self.inner_tol = inner_tol
        self.inner_tol_init = inner_tol_init
        self.n_init = n_init
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the number of atoms, and how much is blurred and shared out.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "n_components": randint(2, 21),
            "reg": loguniform(2e-3, 2e-2),
            "reg_entropy": loguniform(1e-4, 1e-2),
        }

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None):
        """Learn a dictionary from samples, and forget what was learnt before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative samples; the scale of each does not matter.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        vars(self).pop("components_", None)  # where this fails, the last dictionary is gone, too
        X = self._validate_samples(X, reset=True)
        shape = self._check_shape()
        solver = self._make_solver(shape)
        self.shape_ = shape
        P, has_mass = histograms(X)
        if not has_mass.any():
            raise ValueError("All samples have sum 0; at least one must have mass.")
        self._warn_of_no_mass(has_mass)
        with one_blas_thread():
            model = self._learn(solver, P, X, y)
            self.factors_ = [factor.astype(X.dtype) for factor in model.factors]
            self.components_ = outer(self.factors_)
            self.codes_ = self._encode(solver, X)[0]
        self.objective_history_ = np.array(model.history)
        self.n_iter_ = len(model.history)
        self.n_evals_ = model.n_evals
        return self

    def _learn(self, solver, P, X, y):
        """Return the model after the sweeps, with a callback after each; X and y are for those."""
        work = solver.workspace(len(P))
        random_state = check_random_state(self.random_state)
        with solver.pool(len(P)) as parallel:
            best = None
            for _ in range(self.n_init):
                model = solver.start(P, self.n_components, random_state)
                if self.n_init > 1:
                    for _ in range(min(SWEEPS_TO_COMPARE, self.max_iter)):
                        solver.sweep(P, model, work, parallel)
                if best is None or model.history[-1] < best.history[-1]:
                    best = model
            n_sweeps = self.max_iter - len(best.history)
            data = {"X": X, "y": y, "metadata": None}
            context = self._init_callback_context(max_subtasks=n_sweeps)
            context.call_on_fit_task_begin(estimator=self, **data)
            converged = stopped = False
            for _ in range(n_sweeps):
                step = context.subcontext(task_name="sweep")
                step.call_on_fit_task_begin(estimator=self, **data)
                solver.sweep(P, best, work, parallel)
                converged = best.change < self.tol * (len(best.factors) + 1)
                stopped = step.call_on_fit_task_end(
                    estimator=self, reconstruction_attributes={}, **data
                )
                if converged or stopped:
                    break
            context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
        if not (converged or stopped):
            warnings.warn(
                f"The blocks still move by {best.change / (len(best.factors) + 1):.2g} after "
                f"max_iter={self.max_iter} sweeps, which is more than tol={self.tol:g}.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return best

    def fit_transform(self, X, y=None):
        """Learn a dictionary from samples, and return their codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative samples; the scale of each does not matter.
        y : None
            Ignored.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Weights of the atoms, with sum 1 for each sample; those of `transform`.
        """
        return self.fit(X).codes_

    def transform(self, X):
        """Code samples on the dictionary, each apart from the others.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative samples; the scale of each does not matter.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Codes, of the dtype of X: weights of the atoms, of sum 1 for each sample.
        """
        return self._codes_and_objective(X)[0]

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
        """Return the negative mean objective of the samples at their codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative samples; the scale of each does not matter.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Minus the mean entropic cost of transport, in units of the largest cost, and of the
            entropies of the codes times `reg_entropy`.
        """
        return -self._codes_and_objective(X)[1]

    def _codes_and_objective(self, X):
        check_is_fitted(self)
        X = self._validate_samples(X, reset=False)
        has_mass = np.asarray(X.max(axis=1).todense() if hasattr(X, "todense") else X.max(axis=1))
        self._warn_of_no_mass(has_mass.ravel() > 0)
        with one_blas_thread():
            return self._encode(self._make_solver(self.shape_), X)

    def _encode(self, solver, X):
        codes, objective = solver.encode(X, self.components_.astype(np.float64, copy=False))
        return codes.astype(X.dtype, copy=False), objective

    def _validate_samples(self, X, reset):
        self._validate_params()  # which may have been set since fit
        return validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=FLOATS,
            order="C",
            ensure_min_features=2 if reset else 1,
            ensure_non_negative=True,
            reset=reset,
        )

    def _warn_of_no_mass(self, has_mass):
        if not has_mass.all():
            without = np.flatnonzero(~has_mass)
            warnings.warn(
                f"{len(without)} samples have sum 0, the first is number {without[0]}: their "
                "codes are uniform.",
                UserWarning,
                stacklevel=3,
            )

    def _check_shape(self):
        """Return the sizes of the modes, or say what is wrong with them."""
        if self.shape is None:
            return (self.n_features_in_,)
        if not all(isinstance(size, Integral) and size >= 1 for size in self.shape):
            raise ValueError(f"shape={self.shape!r}; it must hold integers of at least 1.")
        if np.prod(self.shape, dtype=object) != self.n_features_in_:
            raise ValueError(
                f"shape={self.shape!r}; the product of the sizes must be the number of features, "
                f"{self.n_features_in_}."
            )
        return tuple(int(size) for size in self.shape)

    def _make_solver(self, shape):
        if self.reg < SMALLEST_REG:
            raise ValueError(
                f"reg={self.reg!r}; it must be at least {SMALLEST_REG:.6f}, since exp(-1 / reg) "
                "is 0 in floating point below."
            )
        names = (
            "reg", "reg_entropy", "prox", "inner_max_iter", "inner_tol", "inner_tol_init",
            "n_jobs",
        )  # fmt: skip
        params = {name: getattr(self, name) for name in names}
        return BlockSolver(shape, self._check_costs(shape), **params)

    def _check_costs(self, shape):
        """Return a matrix for each mode, or say what is wrong with those given."""
        if isinstance(self.cost, str):
            distances = [np.subtract.outer(np.arange(n), np.arange(n)) for n in shape]
            return [INDEX_COSTS[self.cost](distance).astype(np.float64) for distance in distances]
        if len(self.cost) != len(shape):
            raise ValueError(
                f"cost has {len(self.cost)} matrices; it must have one for each of the "
                f"{len(shape)} modes."
            )
        costs = [np.asarray(matrix, dtype=np.float64) for matrix in self.cost]
        for j, (cost, size) in enumerate(zip(costs, shape, strict=True)):
            if cost.shape != (size, size):
                raise ValueError(f"cost[{j}] has shape {cost.shape}; it must be ({size}, {size}).")
            if not (np.isfinite(cost) & (cost >= 0)).all():
                raise ValueError(
                    f"cost[{j}] has elements from {cost.min()} to {cost.max()}; they must be "
                    "finite and non-negative."
                )
        if not any(cost.any() for cost in costs):
            raise ValueError("cost is 0 everywhere; some move must cost something.")
        return costs

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
