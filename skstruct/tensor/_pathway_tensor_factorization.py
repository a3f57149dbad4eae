"""Groups of pathways and of genes that explain counts, by a nonnegative tensor factorisation.

Counts X (samples x genes) and memberships M (pathways x genes) make a tensor T[s, p, g] = X[s, g]
of the cells in which p has g; what is not annotated is no zero, but absent. With weights M,

    T[s, p, g] ~ Poisson(mu),   mu = sum_{b, c} Z[s, b, c] P[p, b] G[g, c],   all at least 0,

P groups of pathways, G groups of genes, columns of sum 1, and Z the scores of the samples [1]_.
Each block in turn is multiplied by a ratio that does not increase sum M (mu - T log mu): with
rho = M T / mu,

    Z[s, b, c] *= sum_{p, g} rho P G / D[b, c],     D = P' M G
    P[p, b]    *= sum_{s, g, c} rho Z G / sum_c (sum_s Z)[b, c] (M G)[p, c]
    G[g, c]    *= sum_{s, p, b} rho Z P / sum_b (sum_s Z)[b, c] (M' P)[g, b].

The sums are over the cells of counts that are not 0, from the table and the memberships as they
are: the tensor is never formed. Scores are independent given P and G, and start from a constant,
so that they do not hang on a seed and new samples get theirs in the same way. _pathway_cells.py
has the steps; with one group of genes they need but the sums X M'. _pathway_descent.py has the
starts, and accelerates the sweeps.

A prior P0 of the groups, columns of sum 1, is that of Dirichlet with K pseudo-counts: it adds
K sum P0 log P to the likelihood, K P0 to P times its numerator, and K to its denominator.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csc_array, eye_array
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from sklearn.utils.validation import check_non_negative

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
from skstruct.tensor._accelerated_sweeps import watched
from skstruct.tensor._pathway_cells import Cells, make_cells, unit_sums
from skstruct.tensor._pathway_descent import descend, start


class PathwayTensorFactorization(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Nonnegative factorisation of samples x pathways x genes.

    Features of samples for counts of many genes, or of other things that come in sets which
    overlap: each is the activity of a group of pathways, by a group of genes.

    Read more in the :ref:`User Guide <pathway_tensor_factorization>`.

    Parameters
    ----------
    pathways : {array-like, sparse matrix} of shape (n_pathways, n_features) or dict, default=None
        Memberships, at least 0, usually 0 or 1; or the features of each pathway, by name or index.
        None makes each feature a pathway of its own, which is a Poisson factorisation.
    n_pathway_groups : "auto" or int, default="auto"
        Number of groups of pathways, at most that of the pathways. "auto" is 5, or the number of
        pathways where that is less.
    n_gene_groups : int, default=1
        Number of groups of features.
    normalize_memberships : bool, default=False
        Whether the memberships of a feature are divided by their sum, so that those in many
        pathways count no more than others.
    pathway_prior : array-like of shape (n_pathways, n_pathway_groups), default=None
        Groups of pathways that are known, parts at least 0 in columns, towards which those of the
        fit are drawn. A column of zeros leaves its group free.
    prior_strength : float, default=1.0
        Weight of the prior of a group, as a multiple of the counts of an average group.
    init : {"random", "nmf"}, default="random"
        Start of the groups of pathways: random, or from there a least-squares factorisation of the
        sums over pathways, which takes fewer sweeps.
    max_iter : int, default=200
        Largest number of sweeps over scores, pathways and genes.
    tol : float, default=1e-4
        A fit ends when five sweeps change the objective by no more than this.
    n_init : int, default=1
        Number of fits from random starts, of which the best is kept.
    random_state : int, RandomState instance or None, default=None
        Of the starts of the groups.

    Attributes
    ----------
    pathway_groups_ : ndarray of shape (n_pathways, n_pathway_groups)
        Groups of pathways, columns of sum 1.
    gene_groups_ : ndarray of shape (n_features, n_gene_groups)
        Groups of features, columns of sum 1; 0 for those in no pathway.
    pathway_names_ : ndarray of shape (n_pathways,)
        The names, "pathway0" and so on if there are none.
    objective_ : list of float
        Generalised Kullback-Leibler divergence of all cells over their sum, and that of the groups
        from their prior, every fifth sweep; it does not increase.
    n_cells_ : int
        Number of cells whose count is not 0.
    feature_coverage_ : float
        Share of the sum of `X` in features that are in some pathway.
    n_iter_ : int
        Number of sweeps of the best fit.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, where `X` has names that are all strings.

    See Also
    --------
    NestedTensorClustering : Clusters of samples that are seen in several views.
    sklearn.decomposition.NMF : Factorises the sums over pathways instead.

    Notes
    -----
    A sweep takes three passes over the cells, of 4 n_pathway_groups operations each, and 2
    n_pathway_groups n_gene_groups for each count that is not 0. With one group of genes it takes
    two products of the sums over pathways, samples x pathways, with the scores, unless most of
    these sums are 0. Memory is a copy of the counts that are not 0, in float64, the memberships,
    these sums, and a few arrays like the scores; results have the dtype of `X`.

    `sample_weight` counts each sample that many times.

    Scores have the scale of the counts. Groups are found up to their order; compare fits by the
    adjusted Rand index of the largest entries, and use `n_init` of 3 to 5 for a report.

    References
    ----------
    .. [1] Y. Luo, C. Mao, "PANTHER: Pathway Augmented Nonnegative Tensor factorization for
       HighER-order feature learning", AAAI 2021, arXiv:2012.08580.

    Examples
    --------
    >>> import numpy as np
    >>> from skstruct.tensor import PathwayTensorFactorization
    >>> rng = np.random.default_rng(0)
    >>> activity = rng.gamma(1.0, size=(200, 2))
    >>> X = rng.poisson(np.repeat(activity, 6, axis=1))
    >>> pathways = {"a": [0, 1, 2, 3], "b": [2, 3, 4, 5], "c": [6, 7, 8, 9], "d": [8, 9, 10, 11]}
    >>> model = PathwayTensorFactorization(pathways, n_pathway_groups=2, random_state=0).fit(X)
    >>> sorted(sorted(name for name, _ in model.top_pathways(b, 2)) for b in range(2))
    [['a', 'b'], ['c', 'd']]
    """

    _parameter_constraints = {
        "pathways": ["array-like", "sparse matrix", dict, None],
        "n_pathway_groups": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "n_gene_groups": [Interval(Integral, 1, None, closed="left")],
        "normalize_memberships": ["boolean"],
        "pathway_prior": ["array-like", None],
        "prior_strength": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"random", "nmf"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        pathways=None,
        *,
        n_pathway_groups="auto",
        n_gene_groups=1,
        normalize_memberships=False,
        pathway_prior=None,
        prior_strength=1.0,
        init="random",
        max_iter=200,
        tol=1e-4,
        n_init=1,
        random_state=None,
    ):
        self.pathways = pathways
        self.n_pathway_groups = n_pathway_groups
        self.n_gene_groups = n_gene_groups
        self.normalize_memberships = normalize_memberships
        self.pathway_prior = pathway_prior
        self.prior_strength = prior_strength
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: the number of groups of features, and what memberships count.

        Returns
        -------
        space : dict
            A list for each parameter.
        """
        return {"n_gene_groups": [1, 2, 3], "normalize_memberships": [False, True]}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of PathwayTensorFactorization
        """
        return [cls(), cls(init="nmf", n_gene_groups=2)]

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    @keep_model_on_error
    def fit(self, X, y=None, sample_weight=None):
        """Find the groups of pathways and of features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Counts, or other numbers that are at least 0.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. An integer weight is a repetition of the sample.

        Returns
        -------
        self : object
            The fitted factorisation.
        """
        given = {
            "X": X, "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }  # fmt: skip
        X = self._validate(X, reset=True)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        M = self._memberships()
        n_pathways = M.shape[0]
        if self.n_pathway_groups == "auto":
            n_groups = min(5, n_pathways)
        elif self.n_pathway_groups <= n_pathways:
            n_groups = int(self.n_pathway_groups)
        else:
            raise ValueError(
                f"n_pathway_groups={self.n_pathway_groups}; there are {n_pathways} pathways, and "
                "there cannot be more groups than those."
            )
        prior = self._prior((n_pathways, n_groups))
        cells = make_cells(X, M, weight, prior, self.n_gene_groups)
        self.n_cells_, self.feature_coverage_ = cells.n_cells, cells.coverage
        if cells.coverage < 0.5:
            warnings.warn(
                f"{1 - cells.coverage:.0%} of the sum of X is in features of no pathway, and is "
                "ignored."
            )
        random_state = check_random_state(self.random_state)
        context = self._init_callback_context(max_subtasks=self.n_init * self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **given)
        call, best = watched(self, context, given), None
        shape = n_pathways, n_groups, X.shape[1], self.n_gene_groups
        for _ in range(self.n_init):
            P, G = start(cells, shape, self.init, random_state)
            found = descend(cells, P, G, self.max_iter, self.tol, call)
            if best is None or found[2][-1] < best[2][-1]:
                best = found
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **given)
        P, G, self.objective_, self.n_iter_, converged = best
        if not converged:
            warnings.warn(
                f"The objective still changes after max_iter={self.max_iter} sweeps; increase it "
                "or tol.",
                ConvergenceWarning,
            )
        self.pathway_groups_, self.gene_groups_ = P.astype(X.dtype), G.astype(X.dtype)
        self._M = M
        return self

    def transform(self, X):
        """Compute the scores of samples, each by itself.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Counts.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_pathway_groups * n_gene_groups)
            The scores, of the dtype of `X`; the gene groups of the first pathway group first.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        cells = Cells(X, self._M, np.ones(X.shape[0]))
        P = self.pathway_groups_.astype(np.float64)
        G = self.gene_groups_.astype(np.float64)
        scores = cells.start(P, G)
        cells.update_scores(P, G, scores, 100, 1e-4)
        return (cells.unit * scores).astype(X.dtype, copy=False)

    def top_pathways(self, group, k=10):
        """Return the largest pathways of a group.

        Parameters
        ----------
        group : int
            Index of the group.
        k : int, default=10
            Number of pathways.

        Returns
        -------
        pathways : list of (str, float)
            Names and parts of the group, the largest first.
        """
        check_is_fitted(self)
        return _top(self.pathway_groups_[:, group], self.pathway_names_, k)

    def top_genes(self, group, k=10):
        """Return the largest features of a group.

        Parameters
        ----------
        group : int
            Index of the group.
        k : int, default=10
            Number of features.

        Returns
        -------
        genes : list of (str or int, float)
            Names, or indices if there are none, and parts of the group, the largest first.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", range(self.n_features_in_))
        return _top(self.gene_groups_[:, group], names, k)

    def _validate(self, X, *, reset):
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=reset)
        check_non_negative(X, "PathwayTensorFactorization (input X)")
        return X

    def _memberships(self):
        """Return the memberships, pathways x features, and set the names of the pathways."""
        n_features = self.n_features_in_
        if self.pathways is None:
            names = getattr(self, "feature_names_in_", None)
            M = eye_array(n_features, format="csc")
        elif isinstance(self.pathways, dict):
            names = list(self.pathways)
            M = self._from_dict()
        else:
            names = None
            M = csc_array(check_array(self.pathways, accept_sparse="csc", dtype=np.float64))
        if M.shape[1] != n_features:
            raise ValueError(
                f"pathways has shape {M.shape}; it must have a column for each of the "
                f"{n_features} features of X."
            )
        if (M.data < 0).any():
            raise ValueError(f"pathways has {M.data.min():g}; memberships must be at least 0.")
        M.eliminate_zeros()
        empty = np.setdiff1d(np.arange(M.shape[0]), M.indices)
        names = [f"pathway{p}" for p in range(M.shape[0])] if names is None else names
        self.pathway_names_ = np.asarray(names, dtype=object)
        if len(empty) > 0:
            raise ValueError(f"pathways: {self.pathway_names_[empty[0]]!r} has no feature.")
        if self.normalize_memberships:
            sums = np.repeat(M.sum(axis=0), np.diff(M.indptr))
            M.data = M.data / sums
        return M

    def _prior(self, shape):
        """Return the groups of the prior, of the weight that they have, or 0."""
        if self.pathway_prior is None or self.prior_strength == 0:
            return 0.0
        prior = check_array(self.pathway_prior, dtype=np.float64)
        if prior.shape != shape:
            raise ValueError(
                f"pathway_prior has shape {prior.shape}; it must have a row for each of the "
                f"{shape[0]} pathways, and a column for each of their {shape[1]} groups."
            )
        if (prior < 0).any():
            raise ValueError(f"pathway_prior has {prior.min():g}; it must be at least 0.")
        return unit_sums(prior)[0] * (self.prior_strength / shape[1])

    def _from_dict(self):
        """Return the memberships of lists of names or indices."""
        known = {name: j for j, name in enumerate(getattr(self, "feature_names_in_", []))}
        rows, columns = [], []
        for p, (pathway, features) in enumerate(self.pathways.items()):
            for feature in dict.fromkeys(features):
                j = known.get(feature, feature)
                if not isinstance(j, Integral) or not 0 <= j < self.n_features_in_:
                    raise ValueError(
                        f"pathways: {pathway!r} has {feature!r}, which is neither the name nor "
                        f"the index of one of the {self.n_features_in_} features of X."
                    )
                rows.append(p)
                columns.append(j)
        shape = len(self.pathways), self.n_features_in_
        return csc_array((np.ones(len(rows)), (rows, columns)), shape=shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.pathway_groups_.shape[1] * self.gene_groups_.shape[1]


def _top(weights, names, k):
    """Return the k largest weights with their names."""
    order = np.argsort(-weights, kind="stable")[:k]
    return [(names[i], float(weights[i])) for i in order]
