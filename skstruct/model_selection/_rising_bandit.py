"""Search over several pipelines at once, one bandit arm each.

Every dict of `param_distributions` is an arm: a pipeline with its own parameters. A policy decides
which arm gets the next trial, a sampler of the arm which point of its space; both are in the core
(`_core.py`, `_policies.py`, `_sampler_*.py`), and the loop around them is in `_search_loop.py`.
Here they are only put together and presented.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import HasMethods
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._policies import ArmPolicy
from skstruct.model_selection._trials import BaseAskTellSearchCV


@with_engine_docs
class RisingBanditSearchCV(BaseAskTellSearchCV):
    """Search over pipelines and their parameters, spending trials where scores still rise.

    Every dict of `param_distributions` is an arm of a bandit: a pipeline with its own parameters
    and its own optimiser. A trial is one more step of one arm's optimiser, evaluated by
    cross-validation; the policy gives trials to the arms that can still win and drops the others.

    Called without arguments, it searches over the usual classifiers or regressors for a numeric
    table, whichever the target asks for.

    Parameters
    ----------
    estimator : estimator object, default=None
        Its parameters are set from `param_distributions`. None, together with
        ``param_distributions=None``, guesses the task from `y` (fractions or more than 20
        different numbers: regression, else classification) and takes the usual estimators of that
        task as arms; all columns must be numeric. Before `fit` such a search cannot say that it
        is a classifier: give :func:`~sklearn.model_selection.cross_val_score` a splitter then,
        ``cv=StratifiedKFold(5)``, since a number of folds would not be stratified.
    param_distributions : dict or list of dicts, default=None
        As in :class:`~sklearn.model_selection.RandomizedSearchCV`: from names of parameters to
        distributions with a method ``rvs`` or sequences of values. Each dict is one arm, and
        holds all that is conditional on it; :func:`cash_space` writes such a list. None takes
        :func:`skstruct.search_space` of the estimator.
    n_iter : int, default=60
        Number of trials, those of a resumed journal included.
    policy : str or ArmPolicy, default="rising"
        Which arm gets the next trial: ``"rising"``, ``"max_ucb"``, ``"ucb"``, ``"halving"``,
        ``"round_robin"``, the name of a plug-in, or an instance.
    policy_params : dict, default=None
        Parameters of a policy given by name.
    sampler : str or callable, default="gp"
        Which point of the arm: ``"gp"`` (Gaussian process, expected improvement), ``"random"``,
        the name of a plug-in, or a :class:`Sampler` class.
    sampler_params : dict, default=None
        Parameters of the samplers.
    start_from_defaults : bool, default=True
        Whether the first trial of an arm has the parameters that the estimator came with.
    time_budget : float, default=None
        Seconds after which no trial is begun; those under way are finished. At least one trial is
        run. The policy then plans with the cost of the trials instead of their number.
    {engine_parameters}

    Attributes
    ----------
    cv_results_ : dict of ndarrays of shape (n_trials,)
        As scikit-learn's searches form it, in the order of asking, with the number of the arm in
        ``cv_results_["arm"]``.
    arm_summary_ : dict of arrays of shape (n_arms,)
        ``"name"``, ``"n_pulls"``, ``"best_score"``, ``"alive"``, and ``"eliminated_at"``: the
        number of results when the policy dropped the arm, NaN if it did not.
    policy_trace_ : list of (int, ndarray, ndarray)
        Number of results, lower and upper bounds of the arms at the end of each round.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: an empty or malformed space, an unknown policy or
        sampler, `initial_params` outside the space, columns that are not numeric together with
        ``estimator=None``, a journal of another search or on a network file system, or if all
        trials failed.

    See Also
    --------
    cash_space : Several estimators as the arms of one search.
    read_journal : What a journal says, also while the search is running.
    ask_tell : The same search for anything that is not an estimator.
    sklearn.model_selection.RandomizedSearchCV : Candidates drawn at once, learning nothing.

    Notes
    -----
    After `w` trials of warm-up, the "rising" policy gives each arm one trial a round. It takes the
    slope of an arm's best score over its last `C` trials, lets it go on over all that remains of
    the budget, and drops an arm that even then stays below the best one.

    With a journal, a sequential search that was killed and fitted again gives the rows that it
    would have given undisturbed. Ctrl-C ends a search early with what it has; once more, and it
    is raised.

    Choosing a trial takes 1 to 2 ms of CPU for n <= 50 trials of an arm with d <= 5 parameters,
    and grows as n^3 + n^2 d; recording it in a journal takes 0.3 to 0.6 ms. A sandbox takes 0.2 ms
    a trial, and the start of an interpreter before the first and after each that it had to kill.

    References
    ----------
    Y. Li, J. Jiang, J. Gao, Y. Shao, C. Zhang, B. Cui. Efficient automatic CASH via rising
    bandits. AAAI 2020, arXiv:2012.04371.

    A. R. Balef, C. Vernade, K. Eggensperger. Put CASH on bandits: a max K-armed problem for
    automated machine learning. NeurIPS 2025, arXiv:2505.05226.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> from skstruct.model_selection import RisingBanditSearchCV, cash_space
    >>> X, y = load_wine(return_X_y=True)
    >>> estimator, distributions = cash_space({
    ...     "linear": (
    ...         make_pipeline(StandardScaler(), LogisticRegression()),
    ...         {"logisticregression__C": loguniform(1e-3, 1e3)},
    ...     ),
    ...     "svc": (SVC(), {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-5, 1e1)}),
    ... })
    >>> search = RisingBanditSearchCV(estimator, distributions, n_iter=20, random_state=0)
    >>> print(f"{search.fit(X, y).best_score_:.2f}")
    0.99
    >>> search.arm_summary_["name"]
    ['LogisticRegression', 'SVC']
    """

    several_arms = True

    _parameter_constraints: dict = {
        **BaseAskTellSearchCV._parameter_constraints,
        "estimator": [HasMethods(["fit"]), None],
        "policy": [str, ArmPolicy],
        "policy_params": [dict, None],
        "sampler": [str, callable],
        "sampler_params": [dict, None],
    }

    def __init__(
        self,
        estimator=None,
        param_distributions=None,
        *,
        n_iter=60,
        policy="rising",
        policy_params=None,
        sampler="gp",
        sampler_params=None,
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
        self.policy = policy
        self.policy_params = policy_params
        self.sampler = sampler
        self.sampler_params = sampler_params

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task, and one without arguments."""
        small = {"cv": 2, "random_state": 0}
        grid = np.logspace(-2, 2, 9).tolist()
        return [
            cls(LogisticRegression(), {"C": grid}, n_iter=3, **small),
            cls(Ridge(), {"alpha": grid}, n_iter=3, **small),
            cls(n_iter=1, **small),
        ]

    def _make_core(self, spaces, *, budget, seed, **context):
        core = ArmAskTell(
            spaces,
            self.policy,
            self.sampler,
            budget=budget,
            seed=seed,
            policy_params=self.policy_params,
            sampler_params=self.sampler_params,
            **context,
        )
        if any(sampler.first_level is not None for sampler in core.samplers):
            raise ValueError(
                f"sampler={self.sampler!r} proposes trials of less than the full effort, which "
                "this search has no measure for: use MultiFidelitySearchCV."
            )
        return core

    def _report_core(self, core, arm_names, trials):
        scores = [[] for _ in arm_names]
        for trial in trials:
            if trial.state == "COMPLETE":
                scores[trial.proposal.arm].append(trial.result["score"])
        n_pulls = np.bincount([t.proposal.arm for t in trials], minlength=len(arm_names))
        policy = core.policy
        self.arm_summary_ = {
            "name": list(arm_names),
            "n_pulls": n_pulls,
            "best_score": np.array([max(arm, default=np.nan) for arm in scores]),
            "alive": policy.alive_.copy(),
            "eliminated_at": getattr(policy, "eliminated_at_", np.full(len(arm_names), np.nan)),
        }
        self.policy_trace_ = list(getattr(policy, "trace_", []))
