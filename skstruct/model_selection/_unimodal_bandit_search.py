"""Search of a grid of ordered values by single fits: `UnimodalBandit` with splits for pulls.

The k-th pull of a setting is a fit on split k, so that settings are compared on the same splits.
Which setting is pulled next is decided in `skstruct.bandits`, the splits are made in `_folds.py`,
and the pulls become trials of the engine in `_pulls.py`. Here they are only put together.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import Interval
from skstruct.bandits import UnimodalBandit
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._folds import CycledFolds
from skstruct.model_selection._pull_results import pull_results
from skstruct.model_selection._pulls import BasePullSearchCV, BatchCore, axis
from skstruct.model_selection._space import Space

_MOST_AXES = 3
_TABLE_VALUES = 15  # of a distribution that is made an axis


@with_engine_docs
class UnimodalBanditSearchCV(BasePullSearchCV):
    """Search a grid of one to three ordered parameters with a fixed number of single fits.

    Cross-validated scores usually rise and then fall along a parameter such as a penalty or a
    kernel width. The search goes through the grid line by line and drops a third of a line after
    every few fits, each on one split of the data; the settings that may be best get the most
    splits. The number of fits needed does not grow with the grid, which can be as fine as wanted.

    Parameters
    ----------
    estimator : estimator object
        Its parameters are set from `param_grid`.
    param_grid : dict of str to list
        One to three parameters and their values, in an order in which the score rises and then
        falls; numbers ascending or descending, say.
    n_fits : int, default=100
        Number of fits, at least 4, without the last one on all data.
    n_sweeps : int, default=2
        Number of times that the parameters are gone through. With one there is one line.
    diagonals : bool, default=True
        Whether sweeps after the first also change each two parameters at once, which follows a
        ridge that lies aslant.
    final_fraction : float, default=0.2
        Share of the fits for the play-off of the five best settings, in [0, 0.9].
    start : dict, default=None
        Parameters to begin at, all of which are in the grid; None is the middle of the grid.
    cv : int, cross-validation generator, iterable or None, default=None
        A number of folds, None for 5, is shuffled and repeated for as many splits as a setting
        gets, stratified for a classifier. The splits of a splitter or an iterable are taken in
        turn; a setting that has had them all is known, and its fits go to others.
    journal : path-like, default=None
        File in which every fit is recorded the moment it ends. A search with the same journal,
        data and parameters continues it. On a local disk only. ``"name://..."`` goes to the store
        registered under that name by a plug-in.
    {engine_parameters}

    Attributes
    ----------
    cv_results_ : dict of ndarrays of shape (n_settings,)
        A row for each setting that was fitted, in the order of the first fit: ``"params"``,
        ``"param_..."``, ``"n_splits"`` (fits), ``"mean_test_score"``, ``"std_test_score"``,
        ``"rank_test_score"``, ``"mean_fit_time"`` and their like.
    best_index_ : int
        Row of the winner of the last round, which is not the one with rank 1 where that has been
        lucky on a few splits.
    best_score_ : float
        Its mean over its splits. These are few and have chosen it: it is optimistic.
    bandit_ : UnimodalBandit
        The learner; ``bandit_.history_`` has the phases.
    n_pulls_ : ndarray of shape (n_values, ...), dtype=int64
        Number of fits of each setting of the grid.
    n_fits_ : int
        Number of fits, those of a resumed journal included.
    trials_ : list of dict
        What the journal says of each fit; see :func:`read_journal`.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: a grid without parameters or values or with more
        than three parameters, `start` outside it, a journal of another search, or if all fits
        failed.

    See Also
    --------
    skstruct.bandits.UnimodalBandit : The same for anything that gives a reward.
    RisingBanditSearchCV : For several pipelines, many parameters and distributions.
    sklearn.model_selection.HalvingGridSearchCV : Drops settings without regard to their order.

    Notes
    -----
    All fits count alike, and the same ones are made for every `n_jobs`; those of one phase, four
    to some tens, run at the same time. Choosing them takes about 10 microseconds a fit.

    A fit that fails counts as the worst score seen so far.

    Scores with two separate peaks may lead to the lesser one. On a broad plateau any search
    finds a good setting, and this one is no better.

    References
    ----------
    D. Ghosh, M. K. Hanawal, N. Zlatanov. HoloBeam: learning optimal beamforming in far-field
    holographic metasurface transceivers. INFOCOM 2024, arXiv:2401.05420.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> from skstruct.model_selection import UnimodalBanditSearchCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> grid = {"svc__C": np.logspace(-2, 4, 25), "svc__gamma": np.logspace(-6, 1, 29)}
    >>> search = UnimodalBanditSearchCV(
    ...     make_pipeline(StandardScaler(), SVC()), grid, n_fits=80, random_state=0
    ... ).fit(X, y)
    >>> search.n_fits_, search.n_pulls_.shape
    (80, (25, 29))
    >>> print(search.best_score_ > 0.96)
    True
    """

    _parameter_constraints: dict = {
        **BasePullSearchCV._parameter_constraints,
        "param_grid": [dict],
        "n_fits": [Interval(Integral, 4, None, closed="left")],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "diagonals": ["boolean"],
        "final_fraction": [Interval(Real, 0, 0.9, closed="both")],
        "start": [dict, None],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        n_fits=100,
        n_sweeps=2,
        diagonals=True,
        final_fraction=0.2,
        start=None,
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
        self.param_grid = param_grid
        self.n_sweeps = n_sweeps
        self.diagonals = diagonals
        self.final_fraction = final_fraction
        self.start = start

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task."""
        small = {"n_fits": 6, "cv": 2, "random_state": 0}
        grid = np.logspace(-2, 2, 9).tolist()
        return [
            cls(LogisticRegression(), {"C": grid}, **small),
            cls(Ridge(), {"alpha": grid}, **small),
        ]

    @classmethod
    def for_table(cls, estimator, distributions, *, n_trials, n_folds, **settings):
        """Make a search of the usual size; the command ``skstruct tune`` does it so.

        Parameters
        ----------
        estimator : estimator
            To search.
        distributions : dict
            From names of parameters to sequences of values, or to distributions, of which 15
            quantiles are taken.
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
        grid = {name: axis(name, entry, _TABLE_VALUES) for name, entry in distributions.items()}
        return cls(estimator, grid, **{"n_fits": n_trials * n_folds, **settings})

    @property
    def n_pulls_(self):
        return self.bandit_.n_pulls_

    def _check(self):
        if not 1 <= len(self.param_grid) <= _MOST_AXES:
            names = ", ".join(map(repr, self.param_grid)) or "none"
            raise ValueError(
                f"param_grid must have 1 to {_MOST_AXES} parameters, got {len(self.param_grid)}: "
                f"{names}."
            )
        for name, values in self.param_grid.items():
            if hasattr(values, "rvs"):
                raise ValueError(
                    f"param_grid must have a sequence of values for {name!r}, got the "
                    f"distribution {values!r}."
                )
        self._start_arm()

    def _distributions(self):
        return self.param_grid

    def _identity(self):
        plan = ("n_sweeps", "diagonals", "final_fraction", "start")
        return {**super()._identity(), **{name: repr(getattr(self, name)) for name in plan}}

    def _start_arm(self):
        """Return the arm to begin at; None for the middle."""
        space = Space(self.param_grid)
        if self.start is None:
            return None
        point = space.encode(self.start, strict=True)
        if point is None or self.start.keys() != self.param_grid.keys():
            raise ValueError(
                f"start must have a value of param_grid for each of {list(self.param_grid)}, got "
                f"{self.start!r}."
            )
        shape = _shape(self.param_grid)
        coordinates = iter(point)
        return tuple(int(next(coordinates) * n) if n > 1 else 0 for n in shape)

    def _plan(self, bound, spaces, task):
        is_finite = isinstance(task.folds, CycledFolds)
        return {"max_pulls": len(task.folds) if is_finite else None}

    def _make_core(self, spaces, *, budget, seed, cost_budget, max_pulls):
        learner = self._make_learner(spaces[0], n_fits=budget, seed=seed, max_pulls=max_pulls)
        return BatchCore(learner)

    def _make_learner(self, space, *, n_fits, seed, max_pulls=None):
        return GridLearner(
            UnimodalBandit(
                _shape(self.param_grid),
                n_fits,
                n_sweeps=self.n_sweeps,
                diagonals=self.diagonals,
                final_fraction=self.final_fraction,
                start=self._start_arm(),
                max_pulls=max_pulls,
            )
        )

    def _format(self, trials, params):
        settings = {}
        for trial, setting in zip(trials, params, strict=True):
            settings.setdefault(trial.proposal.u, setting)
        self._rows = {point: row for row, point in enumerate(settings)}
        return pull_results(list(settings), list(settings.values()), trials)

    def _select(self, results, refit_metric, scorers, core):
        super()._select(results, refit_metric, scorers, core)
        learner = core.learner
        self.bandit_ = learner.bandit
        self.n_fits_ = int(results["n_splits"].sum())
        row = self._rows.get(learner.point(self.bandit_.best_arm_))
        if hasattr(self, "best_index_") and not callable(self.refit) and row is not None:
            metric = refit_metric if f"mean_test_{refit_metric}" in results else self.refit
            self.best_index_ = row
            self.best_params_ = results["params"][row]
            self.best_score_ = results[f"mean_test_{metric}"][row]


class GridLearner:
    """A bandit whose arms are points of the space of its grid.

    Parameters
    ----------
    bandit : UnimodalBandit
        Of the same shape.
    """

    def __init__(self, bandit):
        self.bandit = bandit

    @property
    def done(self):
        return self.bandit.done

    def ask(self):
        """Return the pulls of the phase under way: (point, number of the split)."""
        return [(self.point(arm), k) for arm, k in self.bandit.ask()]

    def tell(self, scores):
        """Take their scores."""
        self.bandit.tell(scores)

    def point(self, arm):
        """Return the point of an arm: a parameter with one value has no coordinate."""
        return tuple((i + 0.5) / n for i, n in zip(arm, self.bandit.shape, strict=True) if n > 1)


def _shape(grid):
    return tuple(len(values) for values in grid.values())
