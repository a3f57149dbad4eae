"""``report.html``: one page that needs nothing else, not even a network."""

import platform
import shlex
from importlib import metadata, resources

import jinja2
import numpy as np
import sklearn
from sklearn.inspection import permutation_importance

import skstruct
from skstruct.cli import _figures, _text

MAX_SLICED_ARMS = 2
MAX_FAILURES = 20
MAX_CLASSES = 30
IMPORTANCE_ROWS = 1000


def render(plan, run, outcome, state):
    """The page as text."""
    template = resources.files("skstruct.cli").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    failures = [trial for trial in outcome.trials if trial["score"] is None]
    return environment.from_string(template).render(
        title=f"{plan.name}: {plan.target}",
        subtitle=_subtitle(plan),
        notice=_notice(outcome),
        tiles=_tiles(outcome),
        figures=_pictures(plan, outcome),
        best_story=f"The columns are prepared, then {_steps(outcome.model)}.",
        best_params=[(_text.short(k), _text.number(v)) for k, v in outcome.params.items()],
        scoring=outcome.scoring,
        arms=_arms(plan, outcome),
        failures=[_failure(trial) for trial in failures[:MAX_FAILURES]],
        more_failures=max(0, len(failures) - MAX_FAILURES),
        columns=plan.columns,
        command=shlex.join(state["command"]),
        predict_command=f"skstruct predict {shlex.quote(str(run.path))} NEW.csv",
        versions=_versions(),
    )


def _subtitle(plan):
    n_rows = len(plan.y_train) + len(plan.y_test)
    used = sum(column.used for column in plan.columns)
    return f"{plan.task}, {n_rows:,} rows, {used} of {len(plan.columns)} columns used"


def _notice(outcome):
    if outcome.stop_reason == "interrupted":
        return "The search was interrupted; the command at the end of this page continues it."
    return None


def _tiles(outcome):
    n_failed = f"{outcome.n_failed} failed" if outcome.n_failed else "none failed"
    seconds = sum(trial["cost"] for trial in outcome.trials)
    return [
        {
            "label": f"{outcome.scoring}, held-out rows",
            "value": f"{outcome.held_out:.4g}",
            "note": f"baseline {outcome.baseline_held_out:.4g}",
        },
        {
            "label": f"{outcome.scoring}, cross-validation",
            "value": f"{outcome.score:.4g}",
            "note": f"{_over_folds(outcome)}baseline {outcome.baseline:.4g}",
        },
        {
            "label": "best arm",
            "value": outcome.arm.replace("_", " "),
            "note": type(outcome.model[-1]).__name__,
        },
        {
            "label": "trials",
            "value": len(outcome.trials),
            "note": f"{n_failed}, {_text.duration(seconds)} of fits",
        },
    ]


def _over_folds(outcome):
    return "" if outcome.score_std is None else f"± {outcome.score_std:.2g} over the folds, "


def _pictures(plan, outcome):
    arms, trials, scoring = list(plan.arms), outcome.trials, outcome.scoring
    pictures = [
        _picture(
            "history",
            "Score over time",
            "Each dot is a trial; the line is the best so far of those that may win: of full "
            "effort, on all folds, within all limits. The baseline looks at no column. "
            "Triangles lie below the picture.",
            _figures.history(trials, arms, outcome.baseline, scoring),
        ),
        _picture(
            "budget",
            "Where the trials went",
            "Each stroke is a trial of that arm, a ring one that failed, a cross where the "
            "search gave the arm up. Right, their number and best score.",
            _figures.budget(trials, arms, outcome.dropped),
        ),
    ]
    best_arms = sorted(_best_scores(trials).items(), key=lambda item: -item[1])
    for name, _ in best_arms[:MAX_SLICED_ARMS]:
        svg = _figures.slices(trials, arms, name, scoring)
        if svg:
            caption = "Each dot is a trial, the ring its best. Scores far below are at the edge."
            pictures.append(
                _picture(f"slices-{name}", f"Hyper-parameters of {name}", caption, svg)
            )
    pictures.append(_held_out_picture(plan, outcome))
    pictures.append(_importance_picture(plan, outcome))
    return pictures


def _picture(name, title, caption, svg):
    return {"name": name, "title": title, "caption": caption, "svg": svg}


def _held_out_picture(plan, outcome):
    predicted = outcome.model.predict(plan.X_test)
    if plan.task == "regression":
        return _picture(
            "residuals",
            "Held-out predictions",
            "Left, truth against prediction: good ones lie on the line. Right, the errors.",
            _figures.residuals(plan.y_test, predicted),
        )
    labels, counts = np.unique(plan.y_test, return_counts=True)
    caption = "Held-out rows of each true class by what was predicted; shade is the share."
    truth = plan.y_test
    if len(labels) > MAX_CLASSES:
        labels = np.sort(labels[np.argsort(-counts, kind="stable")[:MAX_CLASSES]])
        shown = np.isin(truth, labels) & np.isin(predicted, labels)
        truth, predicted = truth[shown], predicted[shown]
        caption += f" The {MAX_CLASSES} commonest classes."
    svg = _figures.confusion(truth, predicted, labels.tolist())
    return _picture("confusion", "Held-out confusion matrix", caption, svg)


def _importance_picture(plan, outcome):
    """Columns are shuffled before the preparation, so that a column of the table is one bar."""
    rows = np.random.default_rng(0).permutation(len(plan.y_test))[:IMPORTANCE_ROWS]
    X, y = plan.X_test.iloc[rows], plan.y_test[rows]
    found = permutation_importance(
        outcome.model, X, y, scoring=plan.scoring, n_repeats=5, random_state=0
    )
    return _picture(
        "importance",
        "What the model relies on",
        f"How much {plan.scoring} is lost on {len(rows):,} held-out rows when a column is "
        "shuffled; the thin line is one standard deviation of five shuffles.",
        _figures.importance(
            list(X.columns), found.importances_mean, found.importances_std, plan.scoring
        ),
    )


def _best_scores(trials):
    names = dict.fromkeys(trial["arm_name"] for trial in trials)
    best = {n: _figures.best_of([t for t in trials if t["arm_name"] == n]) for n in names}
    return {name: trial["score"] for name, trial in best.items() if trial is not None}


def _arms(plan, outcome):
    best = _best_scores(outcome.trials)
    rows = []
    for index, name in enumerate(plan.arms):
        mine = [trial for trial in outcome.trials if trial["arm_name"] == name]
        dropped = outcome.dropped.get(name)
        rows.append(
            {
                "name": name,
                "color": index % len(_figures.ARM_COLORS),
                "trials": len(mine),
                "failed": sum(trial["score"] is None for trial in mine),
                "best": _text.number(best.get(name)),
                "time": _text.duration(sum(trial["cost"] for trial in mine)),
                "outcome": "best"
                if name == outcome.arm
                else "kept"
                if dropped is None
                else f"given up after trial {dropped}",
            }
        )
    return rows


def _failure(trial):
    return {
        "number": trial["number"] + 1,
        "arm": trial["arm_name"],
        "state": trial["state"].lower(),
        "params": _text.parameters(trial["params"]),
        "error": (trial["error"] or "no score").strip(),
    }


def _steps(model):
    names = [type(step).__name__ for name, step in model.steps if name != "prepare"]
    return ", then ".join(names)


def _versions():
    packages = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "pandas", "skops")
    )
    return (
        f"Made by skstruct {skstruct.__version__} with scikit-learn {sklearn.__version__}, "
        f"{packages} on Python {platform.python_version()}."
    )
