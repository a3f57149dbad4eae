"""The search of a run: which class, its settings, and what it searches."""

import inspect
import json

from sklearn.pipeline import Pipeline

from skstruct import registry
from skstruct.cli._errors import UserError, did_you_mean, one_line

DEFAULT_ARM = "boosting"  # of a search over one space
_OPTIONS = {
    "cv": "--cv",
    "journal": "--out",
    "n_iter": "--trials",
    "n_jobs": "--jobs",
    "random_state": "--seed",
    "scoring": "--scoring",
    "time_budget": "--time",
    "trial_timeout": "--trial-timeout",
}
_FIXED = ("error_score", "estimator", "param_distributions", "param_grid", "param_space", "refit")
_BANDIT_SETTINGS = {"policy": "rising", "sampler": "gp"}


def read_settings(args):
    """Return the class and the settings that the command line names; a `UserError` if it cannot.

    Settings are those of ``--set``, values in JSON or plain text, and for a search that takes them
    ``policy`` and ``sampler``.
    """
    cls = _search_class(args.search)
    settings = {key: _value(text) for key, text in args.settings}
    known = inspect.signature(cls).parameters
    for option, default in _BANDIT_SETTINGS.items():
        given = getattr(args, option)
        if option in known:
            settings.setdefault(option, given or default)
        elif given is not None:
            raise UserError(f"--{option} is for searches over arms; {args.search} has none")
    for key in settings:
        if key not in known:
            hint = did_you_mean(key, list(known)) or f"; it has {', '.join(known)}"
            raise UserError(f"{args.search} has no parameter {key!r}{hint}")
        if key in _OPTIONS:
            raise UserError(f"{key!r} is not for --set: it is {_OPTIONS[key]}")
        if key in _FIXED:
            raise UserError(f"{key!r} is not for --set: the command decides it")
    return cls, settings


def _search_class(name):
    cards = {card.name: card for card in registry.all_estimators(kind="search")}
    if name not in cards:
        hint = did_you_mean(name, list(cards)) or f"; there are {', '.join(cards)}"
        raise UserError(f"there is no search {name!r}{hint}")
    try:
        cls = cards[name].load()
    except ImportError as error:
        raise UserError(f"the search {name!r} cannot be used: {one_line(error)}") from error
    if not hasattr(cls, "for_table"):
        raise UserError(f"{name} cannot search a table: it has no method for_table")
    return cls


def _value(text):
    for read in (json.loads, float):  # JSON has no .95
        try:
            return read(text)
        except ValueError:
            continue
    return text


def arm_names(args, cls):
    """Return the names of the arms to make, or None for the usual ones of the task."""
    if cls.several_arms:
        return args.arms
    if args.arms is not None and len(args.arms) != 1:
        raise UserError(f"{args.search} searches one arm: give --arms one name")
    return args.arms or [DEFAULT_ARM]


def make_search(args, plan, journal, n_trials):
    """Return the search, not yet fitted; a `UserError` if its parameters are not allowed."""
    from skstruct.model_selection import cash_space

    estimator, distributions = cash_space(plan.arms)
    if not plan.search.several_arms:
        [(pipeline, space)] = plan.arms.values()
        estimator = Pipeline([("model", pipeline)])
        distributions = {f"model__{key}": values for key, values in space.items()}
    try:
        search = plan.search.for_table(
            estimator,
            distributions,
            n_trials=n_trials,
            n_folds=args.cv,
            time_budget=args.time,
            trial_timeout=args.trial_timeout,
            journal=journal,
            random_state=args.seed,
            scoring=plan.scoring,
            n_jobs=args.jobs,
            cv=plan.cv,
            **plan.settings,
        )
        search._validate_params()
        search._check()
        return search
    except (TypeError, ValueError) as error:
        raise UserError(f"{args.search} cannot be made so: {one_line(error)}") from error
