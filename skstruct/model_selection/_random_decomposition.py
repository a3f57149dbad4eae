"""Search over many parameters at once, a random forest of pairs at a time.

Where to look next is in `_sampler_random_decomposition.py`; the engine of the searches does the
rest. Here they are put together and presented.
"""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import HasMethods, Interval, StrOptions
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._sampler_random_decomposition import RandomDecompositionSampler
from skstruct.model_selection._search_setup import one_space
from skstruct.model_selection._trials import BaseAskTellSearchCV


@with_engine_docs
class RandomDecompositionSearchCV(BaseAskTellSearchCV):
    """Search over ten to two hundred parameters by additive models of random pairs.

    With many parameters and few trials, a model of all parameters together knows little, and a
    decomposition into small groups that is learned from so few trials misleads. This search draws
    a fresh forest of pairs of parameters for each trial, models the score as a sum of functions
    of the pairs and of the parameters that are in none, and evaluates where the sum of their upper
    confidence bounds is highest.

    Parameters
    ----------
    estimator : estimator object
        Its parameters are set from `param_distributions`.
    param_distributions : dict
        As in :class:`~sklearn.model_selection.RandomizedSearchCV`: from names of parameters to
        distributions with a method ``rvs`` or sequences of values. None takes
        :func:`skstruct.search_space` of the estimator.
    n_iter : int, default=100
        Number of trials, those of a resumed journal included.
    edge_fraction : float, default=0.2
        Pairs of parameters that are modelled together, for each parameter, in (0, 1]. At least
        one pair is.
    beta : "auto", float or callable, default="auto"
        Number of standard deviations of the optimism, positive; ``"auto"`` is ``0.2 * ln(2 * t)``
        at model step t, and a callable returns it given t = 1, 2, ...
    grid_size : int, default=32
        Values of each parameter to choose from, at least 4; around the best result, half as many.
    n_zoom : int, default=2
        Number of finer grids around the best point of the first one.
    trust_region : bool or "alternate", default="alternate"
        Whether to look only in a box around the best result, which widens with success and
        narrows with failure; ``"alternate"``: at every second step.
    n_init : int, default=10
        Number of results before the first model, at least 2: the parameters that the estimator
        came with, and points spread over the space.
    {engine_parameters}

    Attributes
    ----------
    length_scales_ : dict of float
        How far in its distribution, of which the whole is 1, each parameter has to move for the
        score to change: the smaller, the more the parameter matters.
    edge_counts_ : csr_array of shape (n_free_parameters, n_free_parameters)
        How often each pair was modelled together, in the order of ``length_scales_``; symmetric.
    trust_region_side_ : float
        Side of the box at the end, for a parameter that matters as much as the others.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: an empty or malformed space, a list of several
        spaces, `initial_params` outside the space, a journal of another search or on a network
        file system, or if all trials failed.

    See Also
    --------
    RandomDecompositionSampler : The same choice of points for anything that is not an estimator.
    RisingBanditSearchCV : Several pipelines of few parameters each.
    sklearn.model_selection.RandomizedSearchCV : Candidates drawn at once, learning nothing.

    Notes
    -----
    Parameters of lists without order may differ or not; all others are compared by how far they
    are apart in their distribution. Parameters with one value only are not searched. A failed
    trial counts as a low score.

    With fewer than ten parameters, or a smooth score, a model of all of them together
    (:class:`RisingBanditSearchCV` with one dict) does as well or better.

    Choosing a trial takes 5 ms of CPU for d = 20 parameters, on average over 120 trials, and less
    than 50 ms for d = 100 at 200 trials. With n trials and m <= d pairs and single parameters it
    is at most 10 steps of O(n^3 + m n^2) for the length scales; n^2 for each of the grid_size
    values of a single parameter and for at most grid_size^2 pairs of values of a pair; and
    O(n^2 + n d) memory.

    References
    ----------
    J. Ziomek, H. Bou Ammar. Are random decompositions all we need in high dimensional Bayesian
    optimisation? ICML 2023, arXiv:2301.12844.

    E. Han, I. Arora, J. Scarlett. High-dimensional Bayesian optimization via tree-structured
    additive models. AAAI 2021, arXiv:2012.13088.

    Examples
    --------
    Into how many bins to cut each of the 13 columns:

    >>> from scipy.stats import randint
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.naive_bayes import BernoulliNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import KBinsDiscretizer
    >>> from skstruct.model_selection import RandomDecompositionSearchCV
    >>> X, y = load_wine(return_X_y=True)
    >>> bins = [(f"c{i}", KBinsDiscretizer(2, strategy="uniform"), [i]) for i in range(13)]
    >>> estimator = make_pipeline(ColumnTransformer(bins), BernoulliNB())
    >>> space = {f"columntransformer__c{i}__n_bins": randint(2, 12) for i in range(13)}
    >>> search = RandomDecompositionSearchCV(
    ...     estimator, space, n_iter=25, cv=3, random_state=0
    ... ).fit(X, y)
    >>> f"{search.cv_results_['mean_test_score'][0]:.2f}, then {search.best_score_:.2f}"
    '0.88, then 0.96'
    """

    _parameter_constraints: dict = {
        **BaseAskTellSearchCV._parameter_constraints,
        "estimator": [HasMethods(["fit"])],
        "edge_fraction": [Interval(Real, 0, 1, closed="right")],
        "beta": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither"), callable],
        "grid_size": [Interval(Integral, 4, None, closed="left")],
        "n_zoom": [Interval(Integral, 0, None, closed="left")],
        "trust_region": ["boolean", StrOptions({"alternate"})],
        "n_init": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=100,
        edge_fraction=0.2,
        beta="auto",
        grid_size=32,
        n_zoom=2,
        trust_region="alternate",
        n_init=10,
        start_from_defaults=True,
        time_budget=None,
        trial_timeout=None,
        memory_limit=None,
        journal=None,
        journal_sync="normal",
        synchronous=False,
        warm_start_from=None,
        initial_params=None,
        patience=None,
        min_delta=0.0,
        fold_racing=False,
        random_state=None,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="n_jobs",
        error_score=np.nan,
        return_train_score=False,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            start_from_defaults=start_from_defaults,
            time_budget=time_budget,
            trial_timeout=trial_timeout,
            memory_limit=memory_limit,
            journal=journal,
            journal_sync=journal_sync,
            synchronous=synchronous,
            warm_start_from=warm_start_from,
            initial_params=initial_params,
            patience=patience,
            min_delta=min_delta,
            fold_racing=fold_racing,
            random_state=random_state,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.edge_fraction = edge_fraction
        self.beta = beta
        self.grid_size = grid_size
        self.n_zoom = n_zoom
        self.trust_region = trust_region
        self.n_init = n_init

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task."""
        small = {"n_iter": 3, "n_init": 2, "cv": 2, "random_state": 0}
        grid = np.logspace(-2, 2, 9).tolist()
        space = {"C": grid, "tol": [1e-5, 1e-4, 1e-3]}
        return [
            cls(LogisticRegression(), space, **small),
            cls(Ridge(), {"alpha": grid, "tol": [1e-5, 1e-4, 1e-3]}, **small),
        ]

    def _distributions(self):
        return one_space(self, self.param_distributions)

    def _make_core(self, spaces, *, budget, seed, **context):
        names = ("edge_fraction", "beta", "grid_size", "n_zoom", "trust_region", "n_init")
        return ArmAskTell(
            spaces,
            "round_robin",
            RandomDecompositionSampler,
            budget=budget,
            seed=seed,
            sampler_params={name: getattr(self, name) for name in names},
            **context,
        )

    def _report_core(self, core, arm_names, trials):
        (sampler,) = core.samplers
        names, lengths = sampler.space.free_names, sampler.length_scales.tolist()
        self.length_scales_ = dict(zip(names, lengths, strict=True))
        self.edge_counts_ = csr_array(sampler.edge_counts)
        self.trust_region_side_ = sampler.side
