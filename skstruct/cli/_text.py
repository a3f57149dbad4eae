"""Text for people: aligned tables, numbers and durations."""

import re

import numpy as np


def columns(rows, *, indent="  "):
    """Rows of strings as aligned lines."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def duration(seconds):
    """'850 ms', '12.3 s', '4 min 05 s' or '2 h 10 min'."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def number(value):
    """A score or a parameter in at most four significant digits; other things by their text."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "-"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)


def parameters(params):
    """'C=0.31, gamma=0.02' of {'model__model__C': 0.31, ...}."""
    return ", ".join(f"{short(name)}={number(value)}" for name, value in params.items())


def short(name):
    """A parameter without the steps that it stands behind."""
    return re.sub(r"^((model|regressor|estimator)__)+", "", name)
