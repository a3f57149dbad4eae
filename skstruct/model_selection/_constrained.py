"""Search for the best score within limits on other metrics, times and sizes.

What is measured of a trial, and how far it is from its limits, is in `_constraints.py`; where to
look next, and whether the limits can be met at all, in `_sampler_constrained.py`. Here they are
put together and presented.
"""

import math
import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import HasMethods, Interval, StrOptions
from skstruct.model_selection._constraints import parse_constraints
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._fingerprint import describe
from skstruct.model_selection._sampler_constrained import (
    ACQUISITIONS,
    ConstrainedSampler,
    total_violation,
)
from skstruct.model_selection._search_setup import one_space
from skstruct.model_selection._trials import BaseAskTellSearchCV


class InfeasibleSearchWarning(UserWarning):
    """Warns that no trial of a search has satisfied its constraints."""


@with_engine_docs
class ConstrainedSearchCV(BaseAskTellSearchCV):
    """Search for the best score among the candidates that satisfy constraints.

    A constraint is a limit of another metric, of the time of a fit, of the size of the model, or
    of anything that can be computed from a fitted estimator: what is known of a candidate only
    after it has been evaluated. The search learns objective and constraints together, looks where
    both may be good, and says when it believes that no candidate satisfies the constraints.

    Parameters
    ----------
    estimator : estimator object
        Its parameters are set from `param_distributions`.
    param_distributions : dict
        As in :class:`~sklearn.model_selection.RandomizedSearchCV`: from names of parameters to
        distributions with a method ``rvs`` or sequences of values. None takes
        :func:`skstruct.search_space` of the estimator.
    constraints : dict
        From names to ``(op, bound)``, the operator being ``"<="`` or ``">="`` and the bound a
        finite number. The name is that of a metric in `scoring` (the objective itself may be
        one), or built in: ``"fit_time"`` and ``"score_time"`` in seconds, ``"model_size"``, the
        length of the pickle of the fitted estimator in bytes. Any other name needs
        ``(callable, op, bound)``: called with the fitted estimator and the X and y of the test
        samples, it returns a float. What counts is the mean over the folds.
    n_iter : int, default=50
        Number of trials, those of a resumed journal included.
    acquisition : {"mixed", "config", "cei"}, default="mixed"
        How the next candidate is chosen: by optimism about objective and constraints, which has
        guarantees but is late to satisfy constraints at all (``"config"``); by constrained
        expected improvement (``"cei"``); or by turns.
    beta : float or callable, default=2.0
        Number of posterior standard deviations of the optimism, positive; or a function of the
        number of results that returns it.
    feasibility_margin : float, default=0.0
        How many standard errors over the folds the mean must keep away from the bound.
    n_init : int, default=None
        Number of results before the first model; None is ``max(4, d + 1)`` for d parameters.
    on_infeasible : {"warn", "raise", "ignore"}, default="warn"
        What to do if no trial satisfies the constraints: an :class:`InfeasibleSearchWarning`; a
        ValueError, after ``cv_results_`` is set; or nothing.
    scoring : str, callable, list, tuple or dict, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`: the objective, and the metrics that
        are limited.
    refit : bool, str or callable, default=True
        As in :class:`~sklearn.model_selection.GridSearchCV`; if there are several metrics, the
        name of the objective.
    {engine_parameters}

    Attributes
    ----------
    cv_results_ : dict of ndarrays of shape (n_trials,)
        As scikit-learn's searches form it, in the order of asking. More columns are
        ``"constraint_<name>"``, the measured means, ``"feasible"``, and ``"violation"``: the sum
        of what is beyond the bounds, in units of the greatest distance from its bound that any
        trial has had (in logarithms for times and sizes). ``"rank_test_<objective>"`` ranks the
        feasible trials first, and the others by their violation.
    feasible_ : bool
        Whether the best trial satisfies the constraints.
    infeasible_ : bool
        Whether the model believes, at the end, that no candidate does.
    infeasibility_trace_ : list of float of length n_model_steps
        After each result that had a model, the least of the greatest violations of candidates, to
        an optimist: if it is positive, nowhere is feasible. In the units of the metrics, and
        logarithms of times and sizes.
    constraint_slack_ : dict of float
        How far the best trial is on the right side of each bound, in its unit; negative is wrong.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: constraints that are empty, malformed or about an
        unknown metric; several metrics of which `refit` names none as the objective; a list of
        several spaces; a journal of another search; if all trials failed; or, with
        ``on_infeasible="raise"``, if none satisfies the constraints.

    See Also
    --------
    ConstrainedSampler : The same choice of points for anything that is not an estimator.
    RisingBanditSearchCV : Several pipelines, without constraints.
    sklearn.model_selection.RandomizedSearchCV : With a callable `refit` that looks at the limits
        afterwards.

    Notes
    -----
    A trial that satisfies a bound exactly is feasible; one that failed, or of which a constraint
    could not be measured (a model that cannot be pickled), is not. If no trial is feasible, the
    best one is that of the least violation.

    The time of a fit is noise where several workers or other programs share a machine. Limit
    what causes it instead: ``"model_size"``, a number of leaves, of support vectors.

    `patience`, `fold_racing` and the log look at feasible trials only. Of `warm_start_from` the
    search learns the objective, not the constraints. The bounds, but not what is measured, may
    differ from those that a journal was begun with.

    Choosing a trial takes 3 to 5 ms of CPU with one or two constraints for n <= 50 trials of
    d <= 5 parameters, and grows as (m + 1) (n^3 + n^2 d) with n trials and m constraints.

    References
    ----------
    W. Xu, Y. Jiang, B. Svetozarevic, C. N. Jones. Constrained efficient global optimization of
    expensive black-box functions. ICML 2023, arXiv:2211.00162.

    M. Schonlau, W. J. Welch, D. R. Jones. Global versus local search in constrained optimization
    of computer models. Institute of Mathematical Statistics Lecture Notes 34, 1998.

    J. R. Gardner, M. J. Kusner, Z. Xu, K. Q. Weinberger, J. P. Cunningham. Bayesian optimization
    with inequality constraints. ICML 2014.

    Examples
    --------
    The most accurate support vector machine of at most 7 kB:

    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> from skstruct.model_selection import ConstrainedSearchCV
    >>> X, y = load_wine(return_X_y=True)
    >>> search = ConstrainedSearchCV(
    ...     make_pipeline(StandardScaler(), SVC()),
    ...     {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-5, 1e1)},
    ...     constraints={"model_size": ("<=", 7_000)},
    ...     n_iter=20,
    ...     random_state=0,
    ... )
    >>> search.fit(X, y).feasible_
    True
    >>> print(f"{search.best_score_:.2f}")
    0.98
    """

    _parameter_constraints: dict = {
        **BaseAskTellSearchCV._parameter_constraints,
        "estimator": [HasMethods(["fit"])],
        "constraints": [dict],
        "acquisition": [StrOptions(set(ACQUISITIONS))],
        "beta": [Interval(Real, 0, None, closed="neither"), callable],
        "feasibility_margin": [Interval(Real, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left"), None],
        "on_infeasible": [StrOptions({"warn", "raise", "ignore"})],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        constraints,
        n_iter=50,
        acquisition="mixed",
        beta=2.0,
        feasibility_margin=0.0,
        n_init=None,
        on_infeasible="warn",
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
        self.constraints = constraints
        self.acquisition = acquisition
        self.beta = beta
        self.feasibility_margin = feasibility_margin
        self.n_init = n_init
        self.on_infeasible = on_infeasible

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task."""
        small = {"n_iter": 3, "cv": 2, "random_state": 0, "on_infeasible": "ignore"}
        small["constraints"] = {"model_size": ("<=", 100_000)}
        grid = np.logspace(-2, 2, 9).tolist()
        return [
            cls(LogisticRegression(), {"C": grid}, **small),
            cls(Ridge(), {"alpha": grid}, **small),
        ]

    @classmethod
    def for_table(cls, estimator, distributions, *, n_trials, n_folds, **settings):
        # The command shows no warnings: a model beyond the limits must be asked for there.
        settings = {"on_infeasible": "raise", **settings}
        return super().for_table(
            estimator, distributions, n_trials=n_trials, n_folds=n_folds, **settings
        )

    def _check(self):
        metrics = None if callable(self.scoring) else _metrics(self.scoring)
        self._parsed = parse_constraints(self.constraints, metrics)
        if metrics is not None and not isinstance(self.scoring, str | None):
            self._check_objective(metrics)

    def _check_objective(self, metrics):
        if self.refit not in metrics:
            raise ValueError(
                "refit must name the metric to maximise, since there are several: one of "
                f"{', '.join(map(repr, metrics))}; got {self.refit!r}."
            )

    def _distributions(self):
        return one_space(self, self.param_distributions)

    def _measures(self):
        return {c.name: c.measure for c in self._parsed if c.measure is not None}

    def _identity(self):
        return {"what the constraints measure": describe(self._measures())}

    def _make_core(self, spaces, *, budget, seed, **context):
        params = {"acquisition": self.acquisition, "beta": self.beta, "n_init": self.n_init}
        return ArmAskTell(
            spaces,
            "round_robin",
            ConstrainedSampler,
            budget=budget,
            seed=seed,
            sampler_params=params,
            **context,
        )

    def _trial_result(self, trial):
        if trial.result["multimetric"]:
            self._check_objective(trial.result["test"])
        return replace(super()._trial_result(trial), values=self._excesses(trial.result))

    def _excesses(self, result):
        return tuple(c.excess(result, self.feasibility_margin) for c in self._parsed)

    def _merit(self, result):
        return result.score if all(g <= 0 for g in result.values) else math.nan

    def _contends(self, trial):
        return super()._contends(trial) and all(g <= 0 for g in self._excesses(trial["result"]))

    def _findings(self):
        feasible = self.cv_results_["feasible"]
        rows = [
            (c.name, f"{c.op} {c.bound:.6g}", c.value(self.trials_[self.best_index_]["result"]))
            for c in self._parsed
        ]
        title = f"Constraints: {feasible.sum()} of {len(feasible)} trials satisfy them"
        return [(title, ["constraint", "limit", "best candidate"], rows)]

    def _format(self, trials, params):
        table = super()._format(trials, params)
        results = [self._trial_result(trial) for trial in trials]
        scores = np.array([result.score for result in results])
        excesses = np.array([result.values for result in results])
        for constraint in self._parsed:
            table[f"constraint_{constraint.name}"] = np.array(
                [constraint.value(trial.result) for trial in trials]
            )
        feasible = np.isfinite(scores) & (excesses <= 0).all(axis=1)
        violation = total_violation(excesses)
        table["feasible"] = feasible
        table["violation"] = violation
        keys = np.column_stack((~feasible, violation, -scores))
        keys[np.isnan(scores)] = np.inf
        places = np.unique(keys, axis=0, return_inverse=True)[1]
        objective = self.refit if f"mean_test_{self.refit}" in table else "score"
        table[f"rank_test_{objective}"] = rankdata(places, method="min").astype(np.int32)
        return table

    def _select(self, results, refit_metric, scorers, core):
        super()._select(results, refit_metric, scorers, core)
        self.cv_results_ = results
        self.infeasible_, trace = core.samplers[0].verdict()
        self.infeasibility_trace_ = trace.tolist()
        self.feasible_ = bool(results["feasible"][self.best_index_])
        measured = {
            c: float(results[f"constraint_{c.name}"][self.best_index_]) for c in self._parsed
        }
        self.constraint_slack_ = {c.name: c.slack(value) for c, value in measured.items()}
        if self.feasible_ or self.on_infeasible == "ignore":
            return
        nearest = ", ".join(
            f"{c.name} {v:.6g} ({c.op} {c.bound:.6g})" for c, v in measured.items()
        )
        message = (
            f"None of the {len(results['params'])} trials satisfies the constraints; the nearest "
            f"one has {nearest}. The model believes that "
            f"{'no candidate does' if self.infeasible_ else 'some candidate may'}."
        )
        if self.on_infeasible == "raise":
            raise ValueError(message)
        warnings.warn(message, InfeasibleSearchWarning)


def _metrics(scoring):
    """Return the names of the metrics that a search has."""
    return ("score",) if scoring is None or isinstance(scoring, str) else tuple(scoring)
