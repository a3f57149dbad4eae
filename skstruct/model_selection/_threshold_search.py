"""The smallest value whose score reaches a target: `NoisyBinarySearch` with splits for flips.

Coin i is the value i of a parameter, and a flip is one fit on a split that is used once: does the
score reach the target? Coins are chosen in `skstruct.bandits`, the splits are made in `_folds.py`,
and the fits become trials of the engine in `_pulls.py`. Here they are only put together.
"""

import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import Interval
from skstruct.bandits import NoisyBinarySearch
from skstruct.model_selection._core import Proposal
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._pull_results import pull_results
from skstruct.model_selection._pulls import BasePullSearchCV, axis
from skstruct.model_selection._worker import Job

_TRAIN_SIZE = "train_size"
_N_VALUES = 31  # of a distribution


@with_engine_docs
class ThresholdSearchCV(BasePullSearchCV):
    """Find the smallest value of a parameter with which a model is good enough.

    The fewest training samples, trees, components or bits with which the score on a random split
    reaches `target` with probability `prob`; ``prob=0.5`` asks for the median split. Values are
    given in the order in which scores rise. Each fit answers yes or no for one value, and a noisy
    binary search goes to where the answers change: it makes a few tens of fits near the threshold
    instead of all of them everywhere, as a learning curve does.

    Parameters
    ----------
    estimator : estimator object
        The model.
    param_name : str
        The parameter to set; ``"train_size"`` fits on so many samples, drawn anew for each fit
        from the training part of its split.
    param_values : sequence
        Its values, in the order in which scores rise.
    target : float
        Score to be reached.
    prob : float, default=0.5
        Probability with which a random split has to reach it, in (0, 1).
    epsilon : float, default=0.2
        Values whose probability is within `epsilon` of `prob` may be taken for either side; less
        than `prob` and than ``1 - prob``. Fits grow as its inverse square.
    delta : float, default=0.1
        Probability of a wrong answer to plan for, in (0, 1).
    n_fits : int, default=None
        Number of fits; None plans them from the number of values, `prob`, `epsilon` and `delta`.
    batch_size : int, default=1
        Number of fits chosen at a time: as many can run at once. The answer depends on it a
        little, and not on `n_jobs`.
    cv : int, cross-validation generator, iterable or None, default=None
        A number of folds, None for 5, is shuffled and repeated for as many splits as there are
        fits, stratified for a classifier. The splits of a splitter or an iterable are taken in
        turn; fits on the same split are not independent, so give it many.
    scoring : str or callable, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`, of one metric.
    refit : bool, default=True
        Whether to fit the model with the value found to all data. With ``"train_size"`` there is
        none.
    journal : path-like, default=None
        File in which every fit is recorded the moment it ends. A search with the same journal,
        data and parameters continues it. On a local disk only. ``"name://..."`` goes to the store
        registered under that name by a plug-in.
    {engine_parameters}

    Attributes
    ----------
    found_ : bool
        Whether a value reaches the target; if not, there is a warning.
    best_value_ : object
        The smallest one that does, None if not found.
    best_params_ : dict
        The same by its name. If found.
    best_index_ : int
        Its row in ``cv_results_``. If found.
    best_score_ : float
        Its mean score, NaN if it was not fitted itself. If found.
    best_estimator_ : estimator
        The model with this value, fitted to all data. If found, with `refit`.
    credible_values_ : tuple of two objects
        The threshold is in between with probability .9, if the probability of reaching the target
        jumps there from ``prob - epsilon`` to ``prob + epsilon``; else the interval is too narrow.
        None stands for a threshold beyond the last value.
    cv_results_ : dict of ndarrays of shape (n_rows,)
        A row for each value that was fitted, in their order, and for the one found: ``"value"``,
        ``"n_splits"`` (fits), ``"mean_test_score"``, ``"frac_reached"``, and ``"params"``,
        ``"std_test_score"``, ``"rank_test_score"``, ``"mean_fit_time"`` and their like.
    search_ : NoisyBinarySearch
        The learner, with the posterior of the threshold.
    n_fits_ : int
        Number of fits, those of a resumed journal included.
    trials_ : list of dict
        What the journal says of each fit; see :func:`read_journal`.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: no values, training sizes that are not numbers of
        samples or exceed the training part of a split, `epsilon` not below `prob` and
        ``1 - prob``, several metrics, a journal of another search, or if all fits failed.

    See Also
    --------
    skstruct.bandits.NoisyBinarySearch : The same for anything that answers yes or no.
    UnimodalBanditSearchCV : The value with the best score.
    sklearn.model_selection.learning_curve : The whole curve.

    Notes
    -----
    About (log2(n) + 2.5 log2(1 / delta) + ...) / C fits are planned for n values, where the
    capacity C is 2 epsilon^2 / log(2) bits for ``prob=0.5`` and small `epsilon`. Choosing one
    takes some microseconds.

    A fit that fails does not reach the target.

    Where scores fall in the order of the values, the answer means nothing: reverse them.

    References
    ----------
    L. Gretta, E. Price. Sharp noisy binary search with monotonic probabilities. ICALP 2024,
    arXiv:2311.00840.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skstruct.model_selection import ThresholdSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> search = ThresholdSearchCV(
    ...     KNeighborsClassifier(1), "train_size", range(50, 1400, 10), target=0.95,
    ...     epsilon=0.3, random_state=0,
    ... ).fit(X, y)
    >>> 180 <= search.best_value_ <= 240
    True
    >>> search.n_fits_
    66
    """

    _parameter_constraints: dict = {
        **BasePullSearchCV._parameter_constraints,
        "param_name": [str],
        "param_values": ["array-like"],
        "target": [Interval(Real, None, None, closed="neither")],
        "prob": [Interval(Real, 0, 1, closed="neither")],
        "epsilon": [Interval(Real, 0, 0.5, closed="neither")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "n_fits": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "scoring": [str, callable, None],
        "refit": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        param_name,
        param_values,
        *,
        target,
        prob=0.5,
        epsilon=0.2,
        delta=0.1,
        n_fits=None,
        batch_size=1,
        time_budget=None,
        trial_timeout=None,
        memory_limit=None,
        journal=None,
        journal_sync="normal",
        random_state=None,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="n_jobs",
        error_score=np.nan,
    ):
        super().__init__(
            estimator,
            n_fits=n_fits,
            time_budget=time_budget,
            trial_timeout=trial_timeout,
            memory_limit=memory_limit,
            journal=journal,
            journal_sync=journal_sync,
            random_state=random_state,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
        )
        self.param_name = param_name
        self.param_values = param_values
        self.target = target
        self.prob = prob
        self.epsilon = epsilon
        self.delta = delta
        self.batch_size = batch_size

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task."""
        small = {"target": 0.0, "n_fits": 3, "cv": 2, "random_state": 0}
        return [
            cls(LogisticRegression(), "C", [0.01, 0.1, 1.0], scoring="accuracy", **small),
            cls(Ridge(), "alpha", [10.0, 1.0, 0.1], **{**small, "target": -1e300}),
        ]

    @classmethod
    def for_table(cls, estimator, distributions, *, n_trials, n_folds, **settings):
        """Make a search of the usual size; the command ``skstruct tune`` does it so.

        Parameters
        ----------
        estimator : estimator
            To search.
        distributions : dict
            From names of parameters to sequences of values or distributions. Those of one value
            are set on the estimator; the others, but one, stay as it has them.
        n_trials : int
            Number of candidates that a search on all folds could try.
        n_folds : int
            Number of folds that `cv` makes.
        **settings : dict
            Parameters of the constructor. `param_name` and `target` have to be there; the last
            part of a name in `distributions` will do. `param_values` are by default the sequence
            that is there, or quantiles of the distribution, ascending.

        Returns
        -------
        search : ThresholdSearchCV
            With as many fits as are planned for `delta`, but no more than those trials would take.

        Raises
        ------
        ValueError
            If a setting is missing, or `param_name` is of none or several of `distributions`.
        """
        if missing := [name for name in ("param_name", "target") if name not in settings]:
            raise ValueError(
                f"{cls.__name__} looks for the smallest value of one parameter that reaches a "
                f"target: {' and '.join(missing)} must be given."
            )
        name = _full_name(settings.pop("param_name"), list(distributions))
        constants = {
            key: entry[0]
            for key, entry in distributions.items()
            if not hasattr(entry, "rvs") and len(entry) == 1
        }
        settings.setdefault("param_values", axis(name, distributions[name], _N_VALUES))
        search = cls(clone(estimator).set_params(**constants), name, **settings)
        if search.n_fits is None:
            search.n_fits = min(search.n_iter, n_trials * n_folds)
        return search

    @property
    def n_iter(self):
        return self._make_search(self.n_fits).budget_

    def _check(self):
        if not self.epsilon < min(self.prob, 1 - self.prob):
            raise ValueError(
                f"epsilon must be less than prob and 1 - prob, got epsilon={self.epsilon!r} and "
                f"prob={self.prob!r}."
            )
        if len(self.param_values) == 0:
            raise ValueError("param_values must have at least one value, got none.")

    def _distributions(self):
        return {self.param_name: list(self.param_values)}

    def _identity(self):
        plan = ("target", "prob", "epsilon", "delta", "batch_size")
        return {"n_fits": str(self.n_iter), **{name: repr(getattr(self, name)) for name in plan}}

    def _plan(self, bound, spaces, task):
        if self.param_name == _TRAIN_SIZE:
            most = min(len(task.folds[k][0]) for k in range(len(task.folds)))
            for size in self.param_values:
                if not isinstance(size, Integral) or not 1 <= size <= most:
                    raise ValueError(
                        "param_values must be numbers of training samples, from 1 to the "
                        f"{most} that every split has; got {size!r}."
                    )
        return {}

    def _make_search(self, n_fits):
        return NoisyBinarySearch(
            len(self.param_values), self.prob, self.epsilon, delta=self.delta, max_queries=n_fits
        )

    def _make_learner(self, space, *, n_fits, seed):
        return ThresholdLearner(self._make_search(n_fits), self.batch_size)

    def _job(self, number, proposal, params):
        if self.param_name != _TRAIN_SIZE:
            return super()._job(number, proposal, params)
        return Job(number, {}, folds=(proposal.split,), n_train=int(params[_TRAIN_SIZE]))

    def _trial_result(self, trial):
        result = super()._trial_result(trial)
        return replace(result, score=float(result.score >= self.target))

    def _format(self, trials, params):
        if trials[0].result["multimetric"]:
            raise ValueError(f"scoring must give one metric, got several from {self.scoring!r}.")
        n_values = len(self.param_values)
        coins = np.array([coin_at(trial.proposal.u, n_values) for trial in trials])
        reached = np.array([self._trial_result(trial).score for trial in trials])
        # What was still to be told when the search was interrupted counts too.
        self.search_ = self._make_search(self.n_fits)
        for x, y in zip(coins.tolist(), reached.tolist(), strict=True):
            self.search_.tell(x, y > 0.0)
        best = self.search_.index_
        rows = sorted({*coins.tolist(), best} - {n_values})
        points = [point_of(x, n_values) for x in rows]
        settings = [self._params(Proposal(0, point)) for point in points]
        table = pull_results(points, settings, trials)
        sums = np.bincount(np.searchsorted(rows, coins), weights=reached, minlength=len(rows))
        n_splits = table["n_splits"]
        self._best_row = int(np.searchsorted(rows, best))
        return {
            "value": np.array(table[f"param_{self.param_name}"]),
            "frac_reached": np.divide(
                sums, n_splits, out=np.full(len(rows), np.nan), where=n_splits > 0
            ),
            **table,
        }

    def _select(self, results, refit_metric, scorers, core):
        values = [*self.param_values, None]
        self.n_fits_ = self.search_.n_queries_
        self.found_ = self.search_.index_ < len(self.param_values)
        self.best_value_ = None
        self.credible_values_ = tuple(values[i] for i in self.search_.credible_interval())
        if not self.found_:
            warnings.warn(
                f"No value of {self.param_name!r} reaches target={self.target!r} with probability "
                f"{self.prob!r}; there is no best_estimator_.",
                UserWarning,
            )
            return
        self.best_index_ = self._best_row
        self.best_params_ = results["params"][self.best_index_]
        self.best_value_ = self.best_params_[self.param_name]
        self.best_score_ = results["mean_test_score"][self.best_index_]

    def _findings(self):
        low, high = ("beyond the last" if v is None else v for v in self.credible_values_)
        found = self.best_value_ if self.found_ else "none of them"
        rows = [(self.param_name, self.target, self.prob, found, f"{low} to {high}")]
        header = ["parameter", "target", "reached with probability", "from", "credible"]
        return [("Threshold", header, rows)]

    def _refit(self, *args):
        if self.found_ and self.param_name != _TRAIN_SIZE:
            super()._refit(*args)


def _full_name(given, names):
    """Return the name that is given, or the only one whose last part it is."""
    fitting = [name for name in names if given in (name, name.rpartition("__")[2])]
    if len(fitting) != 1:
        raise ValueError(
            f"param_name must be one of {', '.join(names)}, or the last part of one alone; got "
            f"{given!r}."
        )
    return fitting[0]


class ThresholdLearner:
    """A noisy binary search whose coins are points of the space of one parameter.

    Parameters
    ----------
    search : NoisyBinarySearch
        Of as many coins as there are values.
    batch_size : int
        Number of flips to ask for at a time.
    """

    def __init__(self, search, batch_size):
        self.search = search
        self.batch_size = batch_size

    @property
    def done(self):
        return self.search.n_queries_ >= self.search.budget_

    def ask(self):
        """Return the next flips: (point, number of the split, which nobody has had yet)."""
        first = self.search.n_queries_
        n_queries = min(self.batch_size, self.search.budget_ - first)
        self._coins = self.search.ask_batch(n_queries)
        n = self.search.n
        return [(point_of(x, n), first + i) for i, x in enumerate(self._coins)]

    def tell(self, scores):
        """Take 1.0 for each flip that reached the target, else 0.0."""
        for x, score in zip(self._coins, scores, strict=True):
            self.search.tell(x, score > 0.0)


def point_of(x, n):
    """Return the point of value x of n: one value alone has no coordinate."""
    return ((x + 0.5) / n,) if n > 1 else ()


def coin_at(point, n):
    """Return the number of the value at a point."""
    return int(point[0] * n) if point else 0
