"""Search over several pipelines at once, one bandit arm each.

Every dict of `param_distributions` is an arm: a pipeline with its own parameters. A policy decides
which arm gets the next trial, a sampler of the arm which point of its space; both are in the core
(`_core.py`, `_policies.py`, `_sampler_*.py`), and the loop around them is in `_search_loop.py`.
Here they are only put together and presented.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct.model_selection._base import BaseAskTellSearchCV
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._policies import ArmPolicy


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
    trial_timeout : float, default=None
        Seconds after which a trial is killed. With this or `memory_limit`, trials run in child
        processes.
    memory_limit : int, default=None
        Bytes that a trial may allocate beyond the data and the libraries.
    journal : path-like, default=None
        File in which every trial is recorded the moment it ends. A search with the same journal,
        data and space continues it, after a crash or with a larger `n_iter`; several processes
        of one machine may work on one journal at the same time. On a local disk only.
        ``"name://..."`` goes to the store registered under that name by a plug-in.
    journal_sync : {"normal", "full"}, default="normal"
        ``"normal"`` loses nothing when the process is killed; ``"full"`` nothing in a power cut
        either, for a write to the disk per trial.
    synchronous : bool, default=False
        Whether to evaluate in rounds of `n_jobs` trials: repeatable with several workers, which
        then wait for the slowest of a round. A sequential search is repeatable anyway.
    warm_start_from : path-like, fitted search, dict or DataFrame, default=None
        An earlier search whose scores the samplers learn from: a journal, a search of this or of
        scikit-learn's kind, or its ``cv_results_`` (inside a meta-estimator, which would clone
        the earlier search unfitted). Its trials do not count in `n_iter`; those that are in no
        arm are left out, with a warning.
    initial_params : list of dict, default=None
        Parameters to evaluate first; what a dict leaves open is as the estimator came.
    patience : int, default=None
        Stop after so many trials in a row that do not improve the best score by more than
        `min_delta`.
    min_delta : float, default=0.0
        See `patience`.
    fold_racing : bool, default=False
        Whether to stop a trial between folds as soon as its mean, plus two standard errors, is
        below the best trial's on the same folds. Such a trial is never the best.
    random_state : int, RandomState instance or None, default=None
        Seed of the search; the estimators have their own.
    scoring : str, callable, list, tuple or dict, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. Of several metrics, the one named by
        `refit` guides the search, else the first.
    n_jobs : int, default=None
        Number of trials under way at once, by joblib: processes, threads or a Dask cluster,
        whatever :func:`joblib.parallel_config` says.
    refit : bool, str or callable, default=True
        As in :class:`~sklearn.model_selection.GridSearchCV`.
    cv : int, cross-validation generator or iterable, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. The splits are made once.
    verbose : int, default=0
        1 logs each new best score, 2 each trial, at level INFO of the logger ``"skstruct"``; they
        appear on stderr unless the program has set up logging.
    pre_dispatch : int or str, default="n_jobs"
        Number of trials given to the workers at once.
    error_score : "raise" or float, default=np.nan
        Score of a fold whose fit or score raises; ``"raise"`` ends the search with the error. A
        failed trial costs only itself; one :class:`~sklearn.exceptions.FitFailedWarning` at the
        end counts them.
    return_train_score : bool, default=False
        Whether to score the training samples too.

    Attributes
    ----------
    best_estimator_ : estimator
        The best candidate, fitted to all data. With `refit`.
    best_score_ : float
        Its mean cross-validated score.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in ``cv_results_``.
    cv_results_ : dict of ndarrays of shape (n_trials,)
        As scikit-learn's searches form it, in the order of asking, with the number of the arm in
        ``cv_results_["arm"]``.
    trials_ : list of dict
        What the journal says of each trial; see :func:`read_journal`.
    arm_summary_ : dict of arrays of shape (n_arms,)
        ``"name"``, ``"n_pulls"``, ``"best_score"``, ``"alive"``, and ``"eliminated_at"``: the
        number of results when the policy dropped the arm, NaN if it did not.
    policy_trace_ : list of (int, ndarray, ndarray)
        Number of results, lower and upper bounds of the arms at the end of each round.
    stop_reason_ : {"n_iter", "time_budget", "patience", "exhausted", "callback", "interrupted"}
        Why the search ended.
    n_resumed_ : int
        Number of trials that the journal had at the beginning.
    search_time_ : float
        Seconds of the search, without the last fit.
    overhead_time_ : float
        Seconds of it spent on choosing trials and keeping them.
    overhead_times_ : dict of float
        The same by ``"ask"``, ``"tell"`` and ``"store"``.
    refit_time_ : float
        Seconds of the last fit.
    scorer_ : callable or dict of callables
        The scorers.
    n_splits_ : int
        Number of folds.
    multimetric_ : bool
        Whether there are several metrics.
    estimator_ : estimator
        The estimator whose parameters were searched.
    classes_ : ndarray of shape (n_classes,)
        Of the best estimator, if it is a classifier.
    n_features_in_ : int
        Number of features, if the best estimator has counted them.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if the best estimator has seen any.

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

    _parameter_constraints: dict = {
        **BaseAskTellSearchCV._parameter_constraints,
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
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.policy = policy
        self.policy_params = policy_params
        self.sampler = sampler
        self.sampler_params = sampler_params
        self.start_from_defaults = start_from_defaults
        self.time_budget = time_budget
        self.trial_timeout = trial_timeout
        self.memory_limit = memory_limit
        self.journal = journal
        self.journal_sync = journal_sync
        self.synchronous = synchronous
        self.warm_start_from = warm_start_from
        self.initial_params = initial_params
        self.patience = patience
        self.min_delta = min_delta
        self.fold_racing = fold_racing
        self.random_state = random_state

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
        return ArmAskTell(
            spaces,
            self.policy,
            self.sampler,
            budget=budget,
            seed=seed,
            policy_params=self.policy_params,
            sampler_params=self.sampler_params,
            **context,
        )

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
