"""The column to predict: what it asks for, and whether it can be learnt and validated."""

import math

import numpy as np
import pandas as pd

from skstruct.cli._columns import require_column
from skstruct.cli._errors import UserError

MAX_INTEGER_CLASSES = 20


def read_target(frame, name, task):
    """The task, why, the rows that have a target, and their targets.

    Classes are whole numbers, booleans or words; a regression target is float64.
    """
    require_column(frame, name)
    if len(frame) == 0:
        raise UserError("the table has no rows")
    series = frame[name]
    present = series.notna().to_numpy()
    if not present.any():
        raise UserError(f"all values of the target {name!r} are missing")
    series = series[present].infer_objects()
    if series.map(pd.api.types.is_list_like).any():
        raise UserError(f"the target {name!r} holds lists; it takes one value a row")
    numbers = pd.to_numeric(series.astype(object), errors="coerce")
    numeric = not pd.api.types.is_bool_dtype(series.dtype) and numbers.notna()
    if np.all(numeric) and np.isinf(numbers).any():
        raise UserError(f"the target {name!r} holds infinite values")
    why = "as asked"
    if task is None:
        task, why = _guess_task(name, series, numbers, numeric)
    if task == "regression" and not np.all(numeric):
        words = series[~numeric] if np.any(numeric) else series
        raise UserError(f"a regression target is numeric; {name!r} holds {_shown(words.iloc[0])}")
    if task == "regression":
        target = numbers.to_numpy(dtype=np.float64)
        if target.min() == target.max():
            raise UserError(f"the target {name!r} is always {_shown(series.iloc[0])}")
    else:
        target = _labels(series, numbers, numeric)
        if len(np.unique(target)) == 1:
            raise UserError(f"the target {name!r} has one class only: {_shown(target[0])}")
    return task, why, present, target


def _guess_task(name, series, numbers, numeric):
    if not np.any(numeric):
        return "classification", f"{series.nunique():,} different words"
    if not np.all(numeric):
        word = series[~numeric].iloc[0]
        raise UserError(
            f"the target {name!r} mixes numbers and words ({word!r}); name the task with "
            "--task classification, or mend the column"
        )
    distinct = series.nunique()
    if np.all(np.floor(numbers) == numbers) and distinct <= MAX_INTEGER_CLASSES:
        return "classification", f"{distinct} different whole numbers"
    return "regression", f"{distinct:,} different numbers"


def _labels(series, numbers, numeric):
    """Class labels as integers where that keeps them apart, else as booleans or words."""
    if pd.api.types.is_bool_dtype(series.dtype):
        return series.to_numpy(dtype=bool)
    whole = np.all(numeric) and np.all((np.floor(numbers) == numbers) & (abs(numbers) < 2**53))
    if whole and numbers.nunique() == series.nunique():  # "1" and "01" are two words
        return numbers.to_numpy(dtype=np.int64)
    return np.array([str(value) for value in series], dtype=object)


def refuse_rare_classes(name, target, cv, test_size):
    """Every class needs a row in each fold of what is left after the held-out part."""
    labels, counts = np.unique(target, return_counts=True)
    needed = max(2, math.ceil(cv / (1 - test_size)))
    rare = [label for label, count in zip(labels, counts, strict=True) if count < needed]
    if rare:
        shown = ", ".join(map(_shown, rare[:5])) + (", ..." if len(rare) > 5 else "")
        fewest = counts.min()
        raise UserError(
            f"{len(rare)} of {len(labels)} classes of {name!r} have fewer than {needed} rows "
            f"({shown}: as few as {fewest}), too few for {cv} folds; join or remove rare classes, "
            "or lower --cv"
        )


def refuse_few_rows(n_rows, cv, test_size, n_classes=1):
    """Each fold needs two rows, and the held-out part two as well, and one of each class."""
    needed = max(2, n_classes)
    held_out = math.ceil(n_rows * test_size)
    if held_out < needed:
        raise UserError(
            f"--test-size {test_size:g} holds out {held_out} of {n_rows:,} rows with a target, "
            f"fewer than {needed}; raise it"
        )
    if n_rows * (1 - test_size) < 2 * cv:
        raise UserError(f"{n_rows} rows with a target are too few for {cv} folds; lower --cv")


def _shown(value):
    """The repr of a value, without NumPy's name around it."""
    return repr(value.item() if isinstance(value, np.generic) else value)
