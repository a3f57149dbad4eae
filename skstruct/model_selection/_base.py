"""What every ask-and-tell search of this package has in common with scikit-learn's searches.

`BaseSearchCV.fit` of scikit-learn evaluates candidates in batches, splits the data again for each
batch and formats all results again after it. A search that learns from every result makes a batch
of one, so `fit` is written anew: splits once, one job at a time (`SearchLoop`), results formatted
once. Everything else (scoring, refit, metadata routing, prediction) is scikit-learn's own.
"""

import contextlib
import copy
import math
import time
import uuid
import warnings
from abc import abstractmethod
from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import joblib
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from skstruct._validation import (
    BaseSearchCV,
    Interval,
    StrOptions,
    _check_method_params,
    _fit_context,
    _MultimetricScorer,
    check_is_fitted,
)
from skstruct.model_selection._core import TrialResult
from skstruct.model_selection._fingerprint import fingerprint
from skstruct.model_selection._report import SearchReport, trials_frame
from skstruct.model_selection._sandbox import check_memory_limit, close_idle
from skstruct.model_selection._search_log import audible, log_trial
from skstruct.model_selection._search_loop import SearchLoop
from skstruct.model_selection._search_results import format_results, report_failures
from skstruct.model_selection._search_setup import (
    bind,
    draw_seed,
    enter_study,
    guiding_metric,
    make_folds,
    make_store,
    score_upper_bound,
)
from skstruct.model_selection._space import Space
from skstruct.model_selection._store import as_record
from skstruct.model_selection._warm_start import default_points, initial_proposals, prior_points
from skstruct.model_selection._worker import Job, Task

_OF_THE_BEST = (
    "best_index_", "best_params_", "best_score_", "best_estimator_", "refit_time_",
    "feature_names_in_",
)  # fmt: skip


class BaseEngineSearchCV(BaseSearchCV):
    """Base of the searches that ask for one candidate at a time and are told its scores.

    `BaseAskTellSearchCV` is for searches whose trials run on all folds, `BasePullSearchCV` for
    those whose trials are one fit on one split. A subclass of these says in `_make_core` who asks;
    what else it may want to say has a method each, below.
    """

    _parameter_constraints: dict = {
        **BaseSearchCV._parameter_constraints,
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "trial_timeout": [Interval(Real, 0, None, closed="neither"), None],
        "memory_limit": [Interval(Integral, 1, None, closed="left"), None],
        "journal": [str, PathLike, None],
        "journal_sync": [StrOptions({"normal", "full"})],
        "random_state": ["random_state"],
    }

    several_arms = False  # whether `param_distributions` may be a list of dicts

    # What a search does that has no parameter of this name.
    param_distributions = None
    start_from_defaults = False
    synchronous = False
    warm_start_from = None
    initial_params = None
    patience = None
    min_delta = 0.0
    fold_racing = False

    @abstractmethod
    def __init__(
        self,
        estimator,
        *,
        time_budget,
        trial_timeout,
        memory_limit,
        journal,
        journal_sync,
        random_state,
        scoring,
        n_jobs,
        refit,
        cv,
        verbose,
        pre_dispatch,
        error_score,
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
        self.time_budget = time_budget
        self.trial_timeout = trial_timeout
        self.memory_limit = memory_limit
        self.journal = journal
        self.journal_sync = journal_sync
        self.random_state = random_state

    @abstractmethod
    def _make_core(self, spaces, *, budget, seed, **context):
        """Return the object that asks and is told.

        Parameters
        ----------
        spaces : list of Space
            The arms.
        budget : int
            Number of trials.
        seed : int
            Of the streams of random numbers, one a trial.
        **context
            ``score_upper_bound`` (float), ``cost_budget`` (float or None), ``starts`` (list of
            points, one an arm, or None), ``initial`` (list of Proposal), and what `_plan` adds.
        """

    def _check(self):
        """Refuse parameters that do not go together, before any work is done."""

    def _distributions(self):
        """Return the `param_distributions` that the space is made of."""
        return self.param_distributions

    def _measures(self):
        """Return what to measure of a fitted candidate, a dict as `Task` has it."""
        return {}

    def _identity(self):
        """Return what two searches must share beside data and space, {what: its text}."""
        return {}

    def _params(self, proposal):
        """Return the parameters of a proposal, a dict."""
        return self._spaces[proposal.arm].decode(proposal.u)

    def _job(self, number, proposal, params):
        """Return the Job that evaluates a proposal."""
        return Job(number, params, folds=None if proposal.split is None else (proposal.split,))

    def _trial_result(self, trial):
        """Return what the core is told of a finished trial."""
        result = trial.result
        score = math.nan if result["score"] is None else result["score"]
        return TrialResult(trial.proposal, score, result["cost"], result["se"])

    def _merit(self, result):
        """Return what trials compete by while the search runs; NaN is never the best."""
        return result.score

    def _contends(self, trial):
        """Tell whether a trial, a dict of `read_journal`, may be the best at the end."""
        return trial["state"] == "COMPLETE" and trial["level"] is None and trial["split"] is None

    def _findings(self):
        """Return what the report says besides, a list of (title, header of a table, its rows)."""
        return []

    def _max_trials(self):
        """Return the number of trials that the search has at most; None if it cannot be known."""
        return self.n_iter

    def _format(self, trials, params):
        """Return `cv_results_`."""
        return format_results(self, trials, params, self.error_score)

    def _report_core(self, core, arm_names, trials):
        """Set the fitted attributes that tell how the core came to its decisions."""

    @_fit_context(prefer_skip_nested_validation=False)  # the estimator is not validated yet
    def fit(self, X, y=None, **params):
        """Search, and fit the best candidate to all data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data; with a precomputed kernel or distance the square matrix.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target; None for unsupervised learning. Needed where ``estimator=None``.
        **params : dict of str to object
            Passed to ``fit`` of the estimator, the scorer and the splitter, and split like `X` if
            they have its length; ``groups`` goes to the splitter. With metadata routing enabled,
            to whom requests it.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the search space is empty or malformed, if the journal belongs to another search,
            if an entry of `initial_params` is in no arm, or if all trials failed.
        """
        begin = time.perf_counter()
        self._check()
        if self.memory_limit is not None:
            check_memory_limit()
        X, y = indexable(X, y)
        seed = draw_seed(self.random_state)
        bound, arm_names = bind(self, X, y, seed)
        scorers, refit_metric = bound._get_scorers()
        params = _check_method_params(X, params=params)
        routed = bound._get_routed_params_for_fit(params)
        estimator = clone(bound.estimator)
        spaces = self._spaces = [Space(entries) for entries in bound.param_distributions]
        if self.n_iter < len(spaces):
            warnings.warn(
                f"n_iter={self.n_iter} is less than the number of arms, {len(spaces)}: the last "
                "ones get no trial.",
                UserWarning,
            )
        task = Task(
            estimator=estimator,
            folds=self._make_folds(X, y, estimator, routed.splitter.split, seed),
            scorer=scorers,
            metric=guiding_metric(self, scorers),
            measures=self._measures(),
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            timeout=self.trial_timeout,
            memory_limit=self.memory_limit,
            config=get_config(),
            key=uuid.uuid4().hex,
        )
        prior = prior_points(
            self.warm_start_from, task.metric or "score", spaces, bound.param_distributions
        )
        plan = self._plan(bound, spaces, task)
        if self.journal is not None:
            # A core that is not used: its objections come before there is a file, and the seed of
            # the one that is used is in the file.
            self._make_core(spaces, budget=self.n_iter, seed=0, cost_budget=None, **plan)
        on_task = {"estimator": self, "X": X, "y": y, "metadata": None}
        if (sample_weight := params.get("sample_weight")) is not None:
            on_task["metadata"] = {"sample_weight": sample_weight}

        with contextlib.closing(make_store(self.journal, self.journal_sync)) as store:
            key = {}
            if self.journal is not None:
                key = fingerprint(
                    X=X,
                    y=y,
                    metadata=params,
                    folds=task.folds,
                    spaces=spaces,
                    scoring=self.scoring,
                    search=self,
                    more=self._identity(),
                )
            meta = enter_study(self, store, key, bound, arm_names, seed, prior)
            core = self._make_core(
                spaces,
                budget=self.n_iter,
                seed=meta["seed"],
                cost_budget=self._cost_budget(store.total_cost()),
                **plan,
            )
            for arm, u, score in meta["prior"]:
                core.learn(arm, tuple(u), score)
            loop = SearchLoop(
                core,
                store,
                self,
                n_iter=self.n_iter,
                time_budget=self.time_budget,
                patience=self.patience,
                min_delta=self.min_delta,
                fold_racing=self.fold_racing,
            )
            root = self._run(loop, X, y, task, arm_names, on_task)

        trials = [loop.trials[number] for number in sorted(loop.trials)]
        report_failures(trials, self.error_score)
        results = self._format(trials, [self._params(trial.proposal) for trial in trials])
        self.search_time_ = time.perf_counter() - begin
        self.multimetric_ = any(trial.result["multimetric"] for trial in trials)
        for name in _OF_THE_BEST:
            vars(self).pop(name, None)  # of an earlier fit
        self._select(results, refit_metric, scorers, core)
        if self.refit:
            self._refit(estimator, X, y, routed.estimator.fit, root, on_task, len(trials))

        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        self.cv_results_ = results
        self.estimator_ = estimator
        self.trials_ = [as_record(trial, arm_names) for trial in trials]
        self.n_splits_ = len(task.folds)
        self.n_resumed_ = loop.n_resumed
        self.stop_reason_ = loop.stop_reason
        self.overhead_times_ = loop.times
        self.overhead_time_ = sum(loop.times.values())
        self._report_core(core, arm_names, trials)
        root.call_on_fit_task_end(**on_task)
        return self

    def _make_folds(self, X, y, estimator, split_params, seed):
        """Return the folds, a sequence of (train, test)."""
        return make_folds(self.cv, X, y, estimator, split_params)

    def _plan(self, bound, spaces, task):
        """Return what the core is told beforehand, a dict; nothing has been written yet."""
        starts = default_points(bound.estimator, spaces)
        return {
            "score_upper_bound": score_upper_bound(bound),
            "starts": starts if self.start_from_defaults else None,
            "initial": initial_proposals(
                self.initial_params or (), spaces, bound.param_distributions, starts
            ),
        }

    def _cost_budget(self, spent):
        if self.time_budget is None:
            return None
        return self.time_budget * joblib.effective_n_jobs(self.n_jobs) + spent

    def _run(self, loop, X, y, task, arm_names, on_task):
        """Run the loop; return the callback context that the last fit belongs to."""
        n_trials = self._max_trials()
        n_trials = math.inf if n_trials is None else max(n_trials, loop.n_resumed)
        n_tasks = None if n_trials == math.inf else n_trials + (self.refit is not False)
        root = self._init_callback_context(
            max_subtasks=n_tasks, sequential_subtasks=False
        ).call_on_fit_task_begin(**on_task)

        def on_trial(trial, is_best):
            log_trial(trial, is_best, arm_names[trial.proposal.arm], self.verbose)
            if callable(self.scoring) and trial.result["multimetric"]:
                self._check_refit_for_multimetric(trial.result["test"])
            if trial.number >= n_trials:  # of a process with a larger n_iter
                return False
            context = root.subcontext(task_name="trial", task_id=trial.number)
            context.call_on_fit_task_begin(**on_task)
            return context.call_on_fit_task_end(**on_task)

        loop.on_trial = on_trial
        try:
            with audible(self.verbose):
                loop.run(
                    X,
                    y,
                    task,
                    n_jobs=self.n_jobs,
                    pre_dispatch=self.pre_dispatch,
                    synchronous=self.synchronous,
                )
        finally:
            close_idle(task.key)
        return root

    def _select(self, results, refit_metric, scorers, core):
        if self.multimetric_ and not self.refit:
            return
        if callable(scorers) and self.multimetric_:
            refit_metric = self.refit
        self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        self.best_params_ = results["params"][self.best_index_]
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]

    def _refit(self, estimator, X, y, fit_params, root, on_task, n_trials):
        best = clone(estimator).set_params(**clone(self.best_params_, safe=False))
        last = n_trials if root.max_subtasks is None else root.max_subtasks - 1
        context = root.subcontext(task_name="refit-with-best-params", task_id=last)
        with context.propagate_callback_context(best):
            context.call_on_fit_task_begin(**on_task)
            begin = time.perf_counter()
            if y is None:
                best.fit(X, **fit_params)
            else:
                best.fit(X, y, **fit_params)
            self.refit_time_ = time.perf_counter() - begin
        self.best_estimator_ = best
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        context.call_on_fit_task_end(**on_task)

    @classmethod
    def for_table(cls, estimator, distributions, *, n_trials, n_folds, **settings):
        """Make a search of the usual size; the command ``skstruct tune`` does it so.

        Parameters
        ----------
        estimator : estimator
            To search.
        distributions : dict or list of dict
            As `param_distributions` of the searches; a list only if ``several_arms``.
        n_trials : int
            Number of candidates that a search on all folds could try.
        n_folds : int
            Number of folds that `cv` makes.
        **settings : dict
            Parameters of the constructor.

        Returns
        -------
        search : object
        """
        return cls(estimator, distributions, n_iter=n_trials, **settings)

    def results_frame(self):
        """Return the trials as a table.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_trials, n_columns)
            Columns as :func:`read_journal` names them, one column ``"param_..."`` a parameter
            instead of ``"params"``, and the times in seconds since the first trial began.
        """
        check_is_fitted(self)
        return trials_frame(self.trials_)

    def report(self, path=None):
        """Describe the search on one page, for a notebook or a file.

        Parameters
        ----------
        path : path-like, default=None
            Where to write the page, one HTML file that refers to no other.

        Returns
        -------
        report : SearchReport
            Shows itself in a notebook; ``report.html`` is the page. It has the best candidate,
            the score against time, the score against each parameter, parallel coordinates of the
            best arm, the trials that failed and the shares of time. It needs matplotlib.
        """
        check_is_fitted(self)
        report = SearchReport(self)
        if path is not None:
            Path(path).write_text(report.html, encoding="utf-8")
        return report

    def get_metadata_routing(self):
        """Get metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            Of the estimator, the scorer and the splitter. An unfitted search with
            ``estimator=None`` routes to the scorer and the splitter alone: the default arms
            request nothing.
        """
        if self.estimator is not None:
            return super().get_metadata_routing()
        if hasattr(self, "estimator_"):
            bound = copy.copy(self)
            bound.estimator = self.estimator_
            return bound.get_metadata_routing()
        router = MetadataRouter(owner=self).add(
            splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split")
        )
        if self.scoring is not None:
            mapping = MethodMapping().add(caller="fit", callee="score")
            mapping.add(caller="score", callee="score")
            router.add(scorer=self._get_scorers()[0], method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        bound = copy.copy(self)
        bound.estimator = getattr(self, "best_estimator_", self.estimator)
        if bound.estimator is None:
            tags = BaseEstimator.__sklearn_tags__(self)
            tags.target_tags.required = True
            tags.input_tags.allow_nan = True  # the default arms impute
            return tags
        tags = super(BaseEngineSearchCV, bound).__sklearn_tags__()
        tags.target_tags = copy.deepcopy(get_tags(bound.estimator).target_tags)
        return tags
