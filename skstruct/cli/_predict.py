"""``skstruct predict RUN DATA``: predictions, and probabilities of classes, as CSV."""

import sys

from skstruct.cli._errors import APP_PACKAGES, UserError, one_line, require


def run(args):
    """Write one row per row of DATA; remarks go to standard error."""
    require(APP_PACKAGES, extra="app", purpose="skstruct predict")
    from skstruct.cli._columns import Column
    from skstruct.cli._model_file import load_model
    from skstruct.cli._run import read_run
    from skstruct.cli._table import load_table

    found, state = read_run(args.run_dir)
    identity = state["identity"]
    columns = [Column.from_json(column) for column in identity["columns"]]
    table = load_table(args.data)
    frame = _read(table, columns, identity["target"], args)
    model = load_model(found.model)
    try:
        result = _predict(model, frame)
    except Exception as error:  # a model file that was tampered with can fail in any way
        raise UserError(
            f"the model of {args.run_dir!r} cannot predict: {one_line(error)}"
        ) from error
    try:
        result.to_csv(args.out or sys.stdout, index=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"cannot write {args.out!r}: {error.strerror or error}") from error
    return 0


def _read(table, columns, target, args):
    """The used columns of ``table`` as the model knows them; says what is left aside."""
    from skstruct.cli._columns import read_columns

    frame = table.frame
    if len(frame) == 0:
        raise UserError(f"{args.data!r} has no rows")
    missing = [c.name for c in columns if c.used and c.name not in frame.columns]
    if missing:
        names = ", ".join(map(repr, missing))
        raise UserError(f"{args.data!r} lacks columns that the model was trained on: {names}")
    known = {column.name for column in columns}
    extra = [name for name in frame.columns if name not in known and name != target]
    if extra:
        _remark(f"columns that the model does not know are ignored: {', '.join(map(repr, extra))}")
    frame, unread = read_columns(frame, columns)
    for name, count in unread.items():
        _remark(f"column {name!r}: {count:,} values cannot be read and count as missing")
    return frame


def _predict(model, frame):
    import pandas as pd

    result = pd.DataFrame({"prediction": model.predict(frame)})
    if hasattr(model, "predict_proba"):
        for label, values in zip(model.classes_, model.predict_proba(frame).T, strict=True):
            result[f"probability_{label}"] = values
    elif hasattr(model, "classes_"):
        _remark("the model gives no probabilities")
    return result


def _remark(text):
    print(text, file=sys.stderr)
