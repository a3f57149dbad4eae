"""Search in which most trials are cheap: fewer samples, iterations or trees.

The levels of effort are in `_resources.py`, which point gets which of them is decided in
`_sampler_multi_fidelity.py`. Here they are put together: a trial of level t runs with the resource
r_t, counts r_t / r_max in the budget, and only trials of the top level can be the best.
"""

import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import HasMethods, Interval, StrOptions
from skstruct.model_selection._core import ArmAskTell
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._resources import (
    NestedFolds,
    check_samples,
    class_labels,
    resource_levels,
)
from skstruct.model_selection._sampler_multi_fidelity import MultiFidelitySampler, first_trials
from skstruct.model_selection._search_setup import one_space
from skstruct.model_selection._trials import BaseAskTellSearchCV


@with_engine_docs
class MultiFidelitySearchCV(BaseAskTellSearchCV):
    """Search with cheap trials of candidates, and learn what they say about the full ones.

    A candidate may be tried with a share of the resource: of the training samples, of the
    iterations, of the trees. One Gaussian process learns all levels together, and with them how
    much, and with which sign, a score of one level tells about the next. The next trial is the
    candidate that is likeliest to improve, at the level that tells most for its cost. Where cheap
    scores mislead, the search finds out and becomes an ordinary one.

    Parameters
    ----------
    estimator : estimator object
        Its parameters are set from `param_distributions`.
    param_distributions : dict
        As in :class:`~sklearn.model_selection.RandomizedSearchCV`: from names of parameters to
        distributions with a method ``rvs`` or sequences of values. None takes
        :func:`skstruct.search_space` of the estimator.
    n_iter : int, default=20
        Budget in trials with the full resource, those of a resumed journal included: a trial with
        a ninth of the resource counts as a ninth of a trial. The last one may exceed the budget.
    resource : str, default="n_samples"
        ``"n_samples"``, the number of training samples, or the name of a parameter of the
        estimator that is not in `param_distributions`: ``"n_estimators"``, ``"max_iter"``,
        ``"step__max_iter"``. Test folds are complete at every level.
    min_resources : number or "auto", default="auto"
        Resource of the lowest level; the others are in geometric progression. "auto" takes the
        largest divided by ``factor ** (n_levels - 1)``.
    max_resources : number or "auto", default="auto"
        Resource of the top level. "auto", for samples only, takes all of a training fold. The
        best candidate is fitted with it, to all samples. If it is an int, all levels are whole
        numbers.
    factor : float, default=3
        Ratio of the resources of neighbouring levels, above 1.
    n_levels : int, default=3
        Number of levels, at least 2.
    min_top_share : float, default=0.5
        Share of the cost that goes to trials of the top level at least, in [0, 1].
    cost : {"nominal", "measured"}, default="nominal"
        What a level costs when levels compete: in proportion to its resource, or the mean of the
        seconds that its trials took, as soon as each has had three. The budget is nominal.
    shuffle_samples : bool, default=True
        Whether smaller training sets are random, with the classes in proportion, and not the
        first samples of a fold. All candidates get the same, each one part of the next larger.
    {engine_parameters}

    Attributes
    ----------
    cv_results_ : dict of ndarrays of shape (n_trials,)
        As scikit-learn's searches form it, in the order of asking, with the columns ``"level"``
        and ``"n_resources"``. Trials of the top level rank first; scores of different levels
        cannot be compared.
    best_score_ : float
        Mean cross-validated score of the best trial of the top level.
    best_params_ : dict
        Its parameters, the resource among them if it is one.
    resources_ : list of numbers
        Resource of each level.
    level_correlation_ : list of float of length n_levels
        Correlation of the score of each level, apart from noise, with that of the top, as the
        model has it in the end.
    rho_ : list of float of length n_levels - 1
        By what the score of a level is multiplied in that of the next one.
    n_single_fidelity_ : int
        Number of trials chosen without regard to the lower levels, because the top level was
        predicted better without them.
    spent_ : float
        Cost of all trials, in trials with the full resource.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: an unknown resource, or one that is searched; no
        `max_resources` for a parameter; levels that do not increase; less than 10 samples, or 2 a
        class, in the lowest level; a budget that ends before the first trial of the top level; a
        list of several spaces; a journal of another search; or if all trials failed.

    See Also
    --------
    MultiFidelitySampler : The same choice of trials for anything that is not an estimator.
    RisingBanditSearchCV : Several pipelines, every trial with the full resource.
    sklearn.model_selection.HalvingRandomSearchCV : Trusts the ranks of the lower levels.

    Notes
    -----
    Use it where a fit is slow and there are three or more parameters; on two parameters and a
    plateau nothing beats a search with full trials only, and this one is as good within noise.

    `patience`, `fold_racing` and the log look at trials of the top level only. A search that is
    stopped before it has any takes the best of the highest level that it has reached, and warns.

    With several workers, which trial is next depends on which results are there; ``synchronous``
    makes it repeatable.

    Choosing a trial takes 2 to 3 ms of CPU for n <= 60 trials of d <= 6 parameters, 5 ms for 120,
    and grows as n^3 + n^2 d.

    References
    ----------
    M. C. Kennedy, A. O'Hagan. Predicting the output from a complex computer code when fast
    approximations are available. Biometrika 87, 2000.

    D. Huang, T. T. Allen, W. I. Notz, R. A. Miller. Sequential kriging optimization using
    multiple-fidelity evaluations. Structural and Multidisciplinary Optimization 32, 2006.

    B. Do, R. Zhang. Multi-fidelity Bayesian optimization: a review. AIAA Journal, 2025,
    arXiv:2311.13050.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from skstruct.model_selection import MultiFidelitySearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> search = MultiFidelitySearchCV(
    ...     SVC(),
    ...     {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-5, 1e0)},
    ...     n_iter=4,
    ...     cv=3,
    ...     random_state=0,
    ... )
    >>> print(f"{search.fit(X, y).best_score_:.2f}")
    0.97
    >>> search.resources_
    [133, 399, 1198]
    """

    _parameter_constraints: dict = {
        **BaseAskTellSearchCV._parameter_constraints,
        "estimator": [HasMethods(["fit"])],
        "resource": [str],
        "min_resources": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "max_resources": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "factor": [Interval(Real, 1, None, closed="neither")],
        "n_levels": [Interval(Integral, 2, None, closed="left")],
        "min_top_share": [Interval(Real, 0, 1, closed="both")],
        "cost": [StrOptions({"nominal", "measured"})],
        "shuffle_samples": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=20,
        resource="n_samples",
        min_resources="auto",
        max_resources="auto",
        factor=3,
        n_levels=3,
        min_top_share=0.5,
        cost="nominal",
        shuffle_samples=True,
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
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.factor = factor
        self.n_levels = n_levels
        self.min_top_share = min_top_share
        self.cost = cost
        self.shuffle_samples = shuffle_samples

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task, which try all there is."""
        small = {"n_iter": 3, "cv": 2, "random_state": 0}
        small |= {"resource": "max_iter", "max_resources": 90}
        return [
            cls(LogisticRegression(), {"C": [1e-3, 1e3]}, **small),
            cls(Ridge(), {"alpha": [1.0, 1e6]}, **small),
        ]

    def _check(self):
        if self.resource == "n_samples":
            return
        known = self.estimator.get_params()
        if self.resource not in known:
            raise ValueError(
                "resource must be 'n_samples' or a parameter of the estimator, one of "
                f"{', '.join(map(repr, sorted(known)))}; got {self.resource!r}."
            )
        if self.max_resources == "auto":
            raise ValueError(
                "max_resources must be a number if the resource is a parameter of the estimator: "
                f"{self.resource!r} has no largest value of its own; got 'auto'."
            )

    def _distributions(self):
        return one_space(self, self.param_distributions)

    def _make_folds(self, X, y, estimator, split_params, seed):
        folds = super()._make_folds(X, y, estimator, split_params, seed)
        if self.resource != "n_samples":
            self._resources = self._levels(self.max_resources)
            return folds
        size = min(len(train) for train, _ in folds)
        most = size if self.max_resources == "auto" else self.max_resources
        if not isinstance(most, Integral) or most > size:
            raise ValueError(
                "max_resources must be 'auto' or a whole number of samples not above "
                f"{size}, the size of the smallest training fold; got {most!r}."
            )
        labels = class_labels(estimator, y)
        self._resources = self._levels(most)
        check_samples(self._resources[0], labels)
        return NestedFolds(folds, labels, (seed or 0) if self.shuffle_samples else None)

    def _levels(self, most):
        return resource_levels(self.min_resources, most, self.factor, self.n_levels)

    def _plan(self, bound, spaces, task):
        [space] = spaces
        if self.resource in space.names:
            raise ValueError(
                f"resource={self.resource!r} is in param_distributions too: search the others."
            )
        shares = self._shares()
        start = first_trials(space, self.n_levels)[:-1]
        least = sum(n * share for n, share in zip(start, shares[:-1], strict=True))
        if self.n_iter <= least:
            raise ValueError(
                f"n_iter={self.n_iter} ends before the first trial with the full resource: with "
                f"{space.n_dims} parameters, the {sum(start)} cheap trials at the beginning count "
                f"{least:.2f}."
            )
        return {**super()._plan(bound, spaces, task), "levels": shares}

    def _shares(self):
        return [amount / self._resources[-1] for amount in self._resources]

    def _identity(self):
        return {"the levels of the resource": f"{self.resource}: {self._resources}"}

    def _make_core(self, spaces, *, budget, seed, levels, **context):
        params = {"levels": levels, "min_top_share": self.min_top_share, "cost": self.cost}
        return ArmAskTell(
            spaces,
            "round_robin",
            MultiFidelitySampler,
            budget=budget,
            seed=seed,
            sampler_params=params,
            **context,
        )

    def _level(self, proposal):
        return self._shares().index(proposal.share)

    def _params(self, proposal):
        params = super()._params(proposal)
        if self.resource != "n_samples":
            params[self.resource] = self._resources[self._level(proposal)]
        return params

    def _job(self, number, proposal, params):
        job = super()._job(number, proposal, params)
        if self.resource != "n_samples" or (proposal.is_whole and self.max_resources == "auto"):
            return job
        return replace(job, n_train=self._resources[self._level(proposal)])

    def _max_trials(self):
        return None  # that depends on the levels

    def _format(self, trials, params):
        table = super()._format(trials, params)
        levels = np.array([self._level(trial.proposal) for trial in trials])
        table["level"] = levels
        table["n_resources"] = np.array(self._resources)[levels]
        is_complete = np.array([trial.state == "COMPLETE" for trial in trials])
        highest = levels[is_complete].max()
        if highest < self.n_levels - 1:
            warnings.warn(
                f"No trial with the full resource, {self._resources[-1]}, has been completed: the "
                f"best one is of those with {self._resources[highest]}.",
                UserWarning,
            )
        for key in [key for key in table if key.startswith("rank_test_")]:
            keys = np.column_stack((~is_complete, -levels, table[key]))
            places = np.unique(keys, axis=0, return_inverse=True)[1]
            table[key] = rankdata(places, method="min").astype(np.int32)
        return table

    def _report_core(self, core, arm_names, trials):
        [sampler] = core.samplers
        self.resources_ = self._resources
        self.level_correlation_ = np.asarray(sampler.level_correlation).tolist()
        self.rho_ = np.asarray(sampler.rho).tolist()
        self.n_single_fidelity_ = sampler.n_single_fidelity
        self.spent_ = float(sum(trial.proposal.share for trial in trials))
