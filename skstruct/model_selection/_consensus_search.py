"""Search of a box of parameters by single fits: `ConsensusSwarm` with splits for pulls.

All particles of one iteration are fits on one split, so that the split adds the same to all. Where
the particles go is decided in `_consensus.py`, the splits are made in `_folds.py`, and the pulls
become trials of the engine in `_pulls.py`. Here they are only put together and presented.
"""

from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.linear_model import LogisticRegression, Ridge

from skstruct._validation import Interval
from skstruct.model_selection._consensus import ConsensusSwarm
from skstruct.model_selection._engine_docs import with_engine_docs
from skstruct.model_selection._pulls import BasePullSearchCV
from skstruct.model_selection._search_results import format_results


@with_engine_docs
class ConsensusSearchCV(BasePullSearchCV):
    """Search a box of parameters with a swarm that single fits draw to a consensus.

    A few parameter settings, the particles, move through the box. In each iteration all of them
    are fitted on the same split of the data, one fit each, and drawn to the weighted mean of the
    best; the noise that they are shaken with falls from iteration to iteration. The last fits
    compare the most promising settings on splits that none of them was chosen by.

    Parameters
    ----------
    estimator : estimator object
        Its parameters are set from `param_space`.
    param_space : dict
        From names of parameters to ``(low, high)``, ``(low, high, "log")`` for magnitudes,
        ``(low, high, "int")`` for whole numbers, both ends included, a list of choices, or a
        scipy distribution. A choice counts as near to the next one of its list.
    n_fits : int, default=100
        Number of fits, at least 8, without the last one on all data. Fewer are made where
        particles meet in one setting, or where the last ones do not suffice for another split
        of all finalists.
    n_particles : int, default=15
        Number of particles; there are at most a quarter of `n_fits`, or 4.
    drift : float, default=0.3
        Share of the way to the consensus that a particle goes in an iteration, in (0, 1].
    noise : (float, float), default=(1.2, 0.7)
        Factor of the noise in the first iteration, and what it falls to.
    ess_fraction : float, default=0.3
        Share of the particles that decide about the consensus, in (0, 1]; never less than two.
    final_fraction : float, default=0.25
        Share of the fits for the comparison of the finalists, in [0, 0.9].
    n_finalists : int, default=4
        Number of settings to compare at last, the consensus among them.
    cv : int, cross-validation generator, iterable or None, default=None
        A number of folds, None for 5, is shuffled and repeated for as many splits as there are
        iterations, stratified for a classifier. The splits of a splitter or an iterable are taken
        in turn; with few of them the finalists are compared on splits that chose them.
    journal : path-like, default=None
        File in which every fit is recorded the moment it ends. A search with the same journal,
        data and parameters continues it. On a local disk only. ``"name://..."`` goes to the store
        registered under that name by a plug-in.
    {engine_parameters}

    Attributes
    ----------
    cv_results_ : dict of ndarrays of shape (`n_fits_`,)
        A row for each fit: ``"params"``, ``"param_..."``, ``"split"``, ``"iteration"``
        (`n_iterations_` for the finalists), ``"mean_test_score"`` (of this fit alone), its
        ``"rank_test_score"``, and ``"mean_fit_time"`` and their like.
    best_index_ : int
        First row of the winner among the finalists, which seldom is the one with rank 1: that
        is the luckiest.
    best_score_ : float
        Mean of the winner over the splits that the finalists were compared on.
    n_fits_ : int
        Number of fits, those of a resumed journal included.
    n_iterations_ : int
        Number of iterations of the swarm.
    consensus_path_ : list of dict
        Parameters of the consensus of each iteration.
    finalists_ : list of dict
        Parameters of the finalists; empty if the search was stopped before it had any.
    trials_ : list of dict
        What the journal says of each fit; see :func:`read_journal`.
    {engine_attributes}

    Raises
    ------
    ValueError
        From :meth:`fit`, naming the parameter: an empty or malformed space, a range with
        ``low >= high`` or a logarithmic one with ``low <= 0``, `noise` that is not two positive
        numbers, a journal of another search, or if all fits failed.

    See Also
    --------
    skstruct.optimize.minimize_cbo : The same for any function on a box.
    UnimodalBanditSearchCV : For one to three parameters with scores that rise, then fall.
    RisingBanditSearchCV : For several pipelines, by cross-validated trials.

    Notes
    -----
    The same fits are made for every `n_jobs`; those of one iteration run at the same time.
    Choosing them takes about 0.03 ms a fit, and the finalists O(n_fits^2) time and memory.

    A fit that fails counts as the worst score seen so far. Should all fits of the finalists fail,
    the best single fit wins. If the search is stopped early, the
    best setting is the one with the highest smoothed score, of all that have been fitted.

    On a broad plateau, such as that of many support vector machines, any search finds a good
    setting and this one is no better.

    References
    ----------
    R. Pinnau, C. Totzeck, O. Tse, S. Martin. A consensus-based model for global optimization and
    its mean-field limit. Mathematical Models and Methods in Applied Sciences 27, 2017,
    arXiv:1604.05648.

    K. Riedl, T. Klock, C. Geldhauser, M. Fornasier. Gradient is all you need? 2023,
    arXiv:2306.09778.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> from skstruct.model_selection import ConsensusSearchCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> space = {"svc__C": (1e-2, 1e4, "log"), "svc__gamma": (1e-6, 1e1, "log")}
    >>> search = ConsensusSearchCV(
    ...     make_pipeline(StandardScaler(), SVC()), space, n_fits=80, random_state=0
    ... ).fit(X, y)
    >>> search.n_fits_, search.n_iterations_, len(search.finalists_)
    (80, 4, 4)
    >>> print(f"{search.best_score_:.2f}")
    0.98
    """

    _parameter_constraints: dict = {
        **BasePullSearchCV._parameter_constraints,
        "param_space": [dict],
        "n_fits": [Interval(Integral, 8, None, closed="left")],
        "n_particles": [Interval(Integral, 2, None, closed="left")],
        "drift": [Interval(Real, 0, 1, closed="right")],
        "noise": ["array-like"],
        "ess_fraction": [Interval(Real, 0, 1, closed="right")],
        "final_fraction": [Interval(Real, 0, 0.9, closed="both")],
        "n_finalists": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        param_space,
        *,
        n_fits=100,
        n_particles=15,
        drift=0.3,
        noise=(1.2, 0.7),
        ess_fraction=0.3,
        final_fraction=0.25,
        n_finalists=4,
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
        self.param_space = param_space
        self.n_particles = n_particles
        self.drift = drift
        self.noise = noise
        self.ess_fraction = ess_fraction
        self.final_fraction = final_fraction
        self.n_finalists = n_finalists

    @classmethod
    def conformance_instances(cls):
        """Return small searches to check: one of each task."""
        small = {"n_fits": 8, "cv": 2, "random_state": 0}
        range_ = (1e-2, 1e2, "log")
        return [
            cls(LogisticRegression(), {"C": range_}, **small),
            cls(Ridge(), {"alpha": range_}, **small),
        ]

    @classmethod
    def for_table(cls, estimator, distributions, *, n_trials, n_folds, **settings):
        """Make a search of the usual size; the command ``skstruct tune`` does it so.

        Parameters
        ----------
        estimator : estimator
            To search.
        distributions : dict
            From names of parameters to sequences of values or distributions.
        n_trials : int
            Number of candidates that a search on all folds could try.
        n_folds : int
            Number of folds that `cv` makes.
        **settings : dict
            Parameters of the constructor.

        Returns
        -------
        search : ConsensusSearchCV
            With as many fits as those trials would take, at least 8.
        """
        space = {
            name: entry if hasattr(entry, "rvs") else list(entry)
            for name, entry in distributions.items()
        }
        return cls(estimator, space, n_fits=max(8, n_trials * n_folds), **settings)

    def _check(self):
        noise = np.array(self.noise, dtype=float)
        if noise.shape != (2,) or not (np.isfinite(noise).all() and (noise > 0).all()):
            raise ValueError(f"noise must be two positive finite numbers, got {self.noise!r}.")
        self._distributions()

    def _distributions(self):
        return {name: _distribution(name, entry) for name, entry in self.param_space.items()}

    def _swarm_params(self):
        names = (
            "n_particles", "drift", "noise", "ess_fraction", "final_fraction", "n_finalists",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def _identity(self):
        texts = {name: repr(value) for name, value in self._swarm_params().items()}
        return {**super()._identity(), **texts}

    def _make_learner(self, space, *, n_fits, seed):
        return ConsensusSwarm(
            space.n_dims, n_fits, seed=seed, snap=space.snap, **self._swarm_params()
        )

    def _format(self, trials, params):
        results = format_results(self, trials, params, self.error_score)
        for key in list(results):
            if key == "arm" or key.startswith(("split0_", "std_")):  # of a single fit
                del results[key]
        results["split"] = np.array([trial.proposal.split for trial in trials])
        self._points = [trial.proposal.u for trial in trials]
        return results

    def _select(self, results, refit_metric, scorers, core):
        swarm, space = core.learner, self._spaces[0]
        results["iteration"] = np.minimum(results["split"], swarm.n_iterations)
        self.n_fits_ = len(results["params"])
        self.n_iterations_ = swarm.n_iterations
        self.consensus_path_ = [space.decode(u) for u in swarm.path]
        self.finalists_ = [space.decode(u) for u in swarm.finalists]
        super()._select(results, refit_metric, scorers, core)
        if callable(self.refit) or (self.multimetric_ and not self.refit) or swarm.best is None:
            return
        scores = results[f"mean_test_{self.refit if self.multimetric_ else 'score'}"]
        won = np.array([point == swarm.best for point in self._points])
        if swarm.done:
            won &= results["iteration"] == swarm.n_iterations
        if np.isnan(scores[won]).all():  # the fits that were to decide have all failed
            return
        self.best_index_ = int(np.flatnonzero(won)[0])
        self.best_params_ = results["params"][self.best_index_]
        self.best_score_ = float(np.nanmean(scores[won]))


def _distribution(name, entry):
    """Return what `Space` takes: a tuple is a range."""
    if not isinstance(entry, tuple):
        return entry
    low, high, *kind = entry if len(entry) in (2, 3) else (None, None)
    if not (_is_number(low) and _is_number(high) and kind in ([], ["log"], ["int"])):
        raise ValueError(
            "param_space must have (low, high), (low, high, 'log') or (low, high, 'int') for "
            f"{name!r}, where it has the tuple {entry!r}; choices are a list."
        )
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"param_space must have low < high for {name!r}, got {entry!r}.")
    if kind == ["log"]:
        if low <= 0:
            raise ValueError(
                f"param_space must have low > 0 in a logarithmic range, got {entry!r} for "
                f"{name!r}."
            )
        return loguniform(low, high)
    if kind == ["int"]:
        if low != int(low) or high != int(high):
            raise ValueError(
                f"param_space must have whole numbers in a range of them, got {entry!r} for "
                f"{name!r}."
            )
        return randint(int(low), int(high) + 1)
    return uniform(low, high - low)


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)
