"""``skstruct tune DATA --target COLUMN``: search the best pipeline for a table."""

import warnings
from pathlib import Path

from skstruct.cli import _text
from skstruct.cli._errors import APP_PACKAGES, UserError, one_line, require

DEFAULT_TRIALS = 60
UNLIMITED_TRIALS = 10_000  # under --time alone


def run(args):
    """Search, and leave a run directory; status 130 if Ctrl-C ended the search early."""
    require(APP_PACKAGES, extra="app", purpose="skstruct tune")
    import skstruct
    from skstruct.cli._cluster import quiet, workers
    from skstruct.cli._plan import make_plan
    from skstruct.cli._progress import Progress
    from skstruct.cli._run import FORMAT, Run, open_run
    from skstruct.cli._search import make_search

    plan = make_plan(args)
    n_trials = args.trials or (DEFAULT_TRIALS if args.time is None else UNLIMITED_TRIALS)
    state = {
        "format": FORMAT,
        "skstruct": skstruct.__version__,
        "command": ["skstruct", *args.argv],
        "source": str(args.data) if plan.name == args.data else str(Path(args.data).resolve()),
        "identity": plan.identity,
    }
    path = args.out or f"{plan.name}-run"
    search = make_search(args, plan, Run(path).journal, n_trials)
    with workers(args.dask):
        target, existed = open_run(path, state)
        print("\n".join(plan.story), flush=True)
        print(f"run: {target.path}{' (taken up again)' if existed else ''}")
        baseline = f"baseline {plan.baseline:.5g}"
        print(f"search: {_budget(args)}, {args.cv} folds, {plan.scoring}; {baseline}", flush=True)
        progress = Progress(
            target.journal,
            list(plan.arms),
            n_trials=search._max_trials(),
            seconds=args.time,
            contends=search._contends,
        )
        search.set_callbacks(progress)
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with progress.watch():
                _fit(search, plan, target)
            return _finish(args, plan, target, search, state)


def _budget(args):
    limits = []
    if args.trials or args.time is None:
        limits.append(f"{args.trials or DEFAULT_TRIALS} trials")
    if args.time is not None:
        limits.append(_text.duration(args.time))
    return " or ".join(limits)


def _fit(search, plan, target):
    from scipy.stats import qmc

    # The first Sobol sequence of a process makes SciPy load a table in a function that swallows a
    # Ctrl-C; the sampler is not to be the one who asks for it, in the middle of the search.
    qmc.Sobol(1)
    try:
        search.fit(plan.X_train, plan.y_train)
    except (FileNotFoundError, TypeError, ValueError) as error:
        if not target.journal.exists():
            target.discard()  # what is wrong may be a setting, which belongs to the run
        lines = str(error).strip().splitlines() or [type(error).__name__]
        message = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"
        raise UserError(one_line(message), status=1) from error


def _finish(args, plan, target, search, state):
    """Write the model, best.json and the report, and tell the outcome."""
    from skstruct.cli._outcome import summarize, tell, write

    if not hasattr(search, "best_estimator_"):
        raise UserError("no candidate has reached the target of the search", status=1)
    outcome = summarize(plan, search)
    refused = write(plan, target, outcome, state)
    tell(target, outcome, refused)
    return 130 if search.stop_reason_ == "interrupted" else 0
