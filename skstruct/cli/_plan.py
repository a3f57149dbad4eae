"""Everything that is decided before the first fit: the task, the columns, the split, the arms."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import (
    KFold,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)

from skstruct import registry
from skstruct.cli._arms import make_arms
from skstruct.cli._columns import USED, guess_columns, read_columns
from skstruct.cli._errors import UserError, did_you_mean, one_line
from skstruct.cli._preprocess import make_preprocessor
from skstruct.cli._run import fingerprint
from skstruct.cli._search import arm_names, read_settings
from skstruct.cli._table import load_table
from skstruct.cli._target import read_target, refuse_few_rows, refuse_rare_classes

DEFAULT_SCORING = {"classification": "accuracy", "regression": "r2"}


@dataclass
class Plan:
    """What is searched on what."""

    name: str
    task: str
    target: str
    columns: list
    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    scoring: str
    cv: object
    arms: dict
    search: type
    settings: dict
    baseline: float
    baseline_held_out: float
    identity: dict
    story: list


def make_plan(args):
    """Read the table and decide; a `UserError` for whatever would fail later."""
    search, settings = read_settings(args)
    names = arm_names(args, search)
    for group, key in (("skstruct.policies", "policy"), ("skstruct.samplers", "sampler")):
        if key in settings:
            _require_registered(group, settings[key])
    table = load_table(args.data)
    target = args.target or table.target
    if target is None:
        raise UserError("which column is to be predicted? name it with --target COLUMN")
    task, why, present, y = read_target(table.frame, target, args.task)
    if target in args.drop or target in dict(args.types):
        raise UserError(f"{target!r} is the target; --drop and --type are for other columns")
    if task == "classification":
        refuse_rare_classes(target, y, args.cv, args.test_size)
    n_classes = len(np.unique(y)) if task == "classification" else 1
    refuse_few_rows(len(y), args.cv, args.test_size, n_classes)
    scoring = args.scoring or DEFAULT_SCORING[task]
    _require_scorer(scoring)
    frame = table.frame.drop(columns=target)[present]
    columns = guess_columns(frame, types=args.types, drop=args.drop)
    if not any(column.used for column in columns):
        reasons = ", ".join(f"{c.name!r} is {c.role}" for c in columns[:5]) or "there is no other"
        raise UserError(f"no column is left to learn {target!r} from: {reasons}")
    X, unread = read_columns(frame.reset_index(drop=True), columns)
    stratify = y if task == "classification" else None
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=args.test_size, random_state=args.seed, stratify=stratify
    )
    splitter = StratifiedKFold if task == "classification" else KFold
    cv = splitter(args.cv, shuffle=True, random_state=args.seed)
    baseline, baseline_held_out = _baselines(task, scoring, cv, y_train, y_test)
    preprocessor = make_preprocessor(columns, X_train, task, args.seed)
    every = make_arms(task, names, preprocessor, n_samples=len(X_train), seed=args.seed)
    arms = _scorable(every, scoring)
    identity = {
        "target": target,
        "names": sorted(map(str, table.frame.columns)),
        "task": task,
        "columns": [column.as_json() for column in columns],
        "test_size": args.test_size,
        "seed": args.seed,
        "cv": args.cv,
        "scoring": scoring,
        "arms": list(arms),
        "search": args.search,
        "settings": settings,
        "data": fingerprint(X, y),
    }
    plan = Plan(
        name=table.name,
        task=task,
        target=target,
        columns=columns,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        scoring=scoring,
        cv=cv,
        arms=arms,
        search=search,
        settings=settings,
        baseline=baseline,
        baseline_held_out=baseline_held_out,
        identity=identity,
        story=[],
    )
    plan.story = list(_story(args, table, plan, why, int((~present).sum()), unread))
    if len(arms) < len(every):
        unfit = ", ".join(name for name in every if name not in arms)
        plan.story.append(f"  left out, as {scoring} cannot score them: {unfit}")
    return plan


def _require_registered(group, name):
    known = sorted({card.name for card in registry.cards(group)})
    if name not in known:
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise UserError(f"there is no {registry.GROUPS[group]} {name!r}{hint}")


def _require_scorer(name):
    if name not in get_scorer_names():
        hint = did_you_mean(name, get_scorer_names()) or "; see sklearn.metrics.get_scorer_names()"
        raise UserError(f"there is no scorer {name!r}{hint}")


def _scorable(arms, scoring):
    """The arms that have one of the methods, ``predict_proba`` say, that the scorer calls."""
    methods = np.atleast_1d(get_scorer(scoring)._response_method)
    scorable = {
        name: arm for name, arm in arms.items() if any(hasattr(arm[0], m) for m in methods)
    }
    if not scorable:
        raise UserError(
            f"{scoring!r} needs {' or '.join(methods)}, which no arm has ({', '.join(arms)})"
        )
    return scorable


def _baselines(task, scoring, cv, y_train, y_test):
    """Scores of an estimator that looks at no column, in cross-validation and on held-out rows."""
    dummy = DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()
    train, test = ((np.zeros((len(y), 1)), y) for y in (y_train, y_test))
    try:
        scores = cross_val_score(dummy, *train, scoring=scoring, cv=cv, error_score="raise")
        held_out = get_scorer(scoring)(dummy.fit(*train), *test)
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{scoring!r} cannot score this {task}: {one_line(error)}") from error
    if not np.isfinite(scores).all():
        raise UserError(f"{scoring!r} gives no finite score for this {task}")
    return float(scores.mean()), float(held_out)


def _story(args, table, plan, why, n_without_target, unread):
    """What was guessed, line by line."""
    n_rows, n_columns = table.frame.shape
    yield f"{args.data}: {n_rows:,} rows, {n_columns:,} columns"
    if table.remark:
        yield f"  {table.remark}"
    yield f"task: {plan.task} of {plan.target!r} ({why})"
    if n_without_target:
        yield f"  {n_without_target:,} rows without a target are left out"
    y = np.concatenate([plan.y_train, plan.y_test])
    if plan.task == "classification":
        yield from _tell_classes(args, y)
    else:
        yield f"  from {y.min():.4g} to {y.max():.4g}, mean {y.mean():.4g}"
    yield from _tell_columns(plan.columns, unread)
    share = f"{100 * len(plan.y_test) / len(y):.0f} %"
    yield f"held out: {len(plan.y_test):,} rows ({share}), never seen by the search"
    yield f"arms: {', '.join(plan.arms)}"


def _tell_classes(args, y):
    labels, counts = np.unique(y, return_counts=True)
    shown = [f"{label} {count:,}" for label, count in zip(labels[:8], counts[:8], strict=True)]
    yield f"  {len(labels)} classes: {', '.join(shown)}{', ...' if len(labels) > 8 else ''}"
    rarest = counts.min() / len(y)
    if rarest < 0.1 and len(labels) < 5 and args.scoring is None:
        yield (
            f"  the rarest class has {100 * rarest:.1f} % of the rows; "
            "--scoring balanced_accuracy would weigh all classes alike"
        )


def _tell_columns(columns, unread):
    roles = dict.fromkeys(column.role for column in columns)
    for role in sorted(roles, key=lambda role: (*USED, role).index(role)):
        mine = [column for column in columns if column.role == role]
        names = [c.name if c.used and not c.missing else _with_reason(c) for c in mine[:6]]
        more = f", and {len(mine) - 6} more" if len(mine) > 6 else ""
        fate = "" if mine[0].used else ", left out"
        yield f"{role}{fate}: {', '.join(names)}{more}"
    if any(not column.used for column in columns):
        yield "  (override a guess with --type COLUMN=numeric|categorical|date|drop)"
    for name, count in unread.items():
        yield f"  {name}: {count:,} infinite or unreadable values count as missing"


def _with_reason(column):
    return f"{column.name} ({column.why})" if column.why else column.name
