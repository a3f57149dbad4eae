"""What a search came to: the best pipeline, its scores, and the files that keep them."""

import shlex
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import get_scorer

from skstruct.cli import _text
from skstruct.cli._errors import one_line
from skstruct.cli._model_file import dump_model
from skstruct.cli._report import render


@dataclass
class Outcome:
    """The end of a search, or of what was done of it."""

    model: object
    arm: str
    params: dict
    score: float
    score_std: float | None
    held_out: float
    baseline: float
    baseline_held_out: float
    scoring: str
    trials: list
    n_resumed: int
    n_failed: int
    stop_reason: str
    seconds: float
    dropped: dict  # arm: number of trials after which the policy gave it up


def summarize(plan, search):
    """The `Outcome` of a fitted search."""
    names = list(plan.arms)
    trials = [
        {
            **trial,
            "arm_name": names[trial["arm"]],
            "params": _searched(trial["params"]),
            "contends": search._contends(trial),
        }
        for trial in search.trials_
    ]
    for trial in trials:
        if trial["state"] != "COMPLETE":
            trial["score"] = None
    best = search.best_index_
    model = search.best_estimator_.named_steps["model"]
    return Outcome(
        model=model,
        arm=trials[best]["arm_name"] if search.several_arms else names[0],
        params=_searched(search.best_params_),
        score=float(search.best_score_),
        score_std=_spread(search.cv_results_, best),
        held_out=float(get_scorer(plan.scoring)(model, plan.X_test, plan.y_test)),
        baseline=plan.baseline,
        baseline_held_out=plan.baseline_held_out,
        scoring=plan.scoring,
        trials=trials,
        n_resumed=search.n_resumed_,
        n_failed=sum(trial["score"] is None for trial in trials),
        stop_reason=search.stop_reason_,
        seconds=search.search_time_,
        dropped=_dropped(names, search) if search.several_arms else {},
    )


def _spread(results, best):
    """The standard deviation over the folds; None for a search that compares single splits."""
    return float(results["std_test_score"][best]) if "std_test_score" in results else None


def _dropped(names, search):
    ends = zip(names, search.arm_summary_["eliminated_at"], strict=True)
    return {name: int(when) for name, when in ends if not np.isnan(when)}


def _searched(params):
    """The parameters of the arm's own pipeline, by their names there."""
    return {
        name.removeprefix("model__"): value
        for name, value in params.items()
        if name.startswith("model__")
    }


def write(plan, run, outcome, state):
    """Write the files; returns why the model cannot be used, or None."""
    complaint = None
    try:
        data, refused = dump_model(outcome.model)
        run.write(run.model, data)
        if refused:
            complaint = f"it holds {', '.join(refused)}, which no distribution registers"
    except TypeError as error:  # skops cannot store what a plug-in keeps
        complaint = one_line(error)
        run.model.unlink(missing_ok=True)
    run.write_json(run.best, _best(outcome, state))
    run.write(run.report, render(plan, run, outcome, state))
    return complaint


def _best(outcome, state):
    return {
        "arm": outcome.arm,
        "params": outcome.params,
        "scoring": outcome.scoring,
        "score": outcome.score,
        "score_std": outcome.score_std,
        "held_out": outcome.held_out,
        "baseline": outcome.baseline,
        "baseline_held_out": outcome.baseline_held_out,
        "trials": len(outcome.trials),
        "failed": outcome.n_failed,
        "stop_reason": outcome.stop_reason,
        "target": state["identity"]["target"],
        "task": state["identity"]["task"],
        "skstruct": state["skstruct"],
    }


def tell(run, outcome, complaint):
    """Print what a person wants to know first."""
    n = len(outcome.trials)
    failed = f", {outcome.n_failed} failed" if outcome.n_failed else ""
    if outcome.n_resumed == n:
        print(f"the run is complete: all {n} trials were there already{failed}")
    else:
        resumed = f", {outcome.n_resumed} from before" if outcome.n_resumed else ""
        print(f"trials: {n}{resumed}{failed}, {_text.duration(outcome.seconds)}")
    if outcome.stop_reason == "interrupted":
        print("interrupted: the same command continues the run")
    params = _text.parameters(outcome.params)
    print(f"best: {outcome.arm}{' with ' + params if params else ''}")
    print(
        f"  {outcome.scoring} {outcome.score:.5g} in cross-validation "
        f"(baseline {outcome.baseline:.5g}), {outcome.held_out:.5g} on held-out rows "
        f"(baseline {outcome.baseline_held_out:.5g})"
    )
    print(f"report: {run.report}")
    if complaint:
        print(f"the model cannot be used by skstruct predict: {complaint}")
    else:
        print(f"predict: {predict_command(run)}")


def predict_command(run):
    return f"skstruct predict {shlex.quote(str(run.path))} NEW.csv --out predictions.csv"
