"""The run directory.

    run.json         what was searched, on what data, with which settings: the identity of the run
    journal.sqlite   every trial, written by the search
    model.skops      the best pipeline, refitted
    best.json        its parameters and scores
    report.html      pictures

A file appears whole or not at all: it is written under a temporary name and then renamed, so that
a run killed at any instant can be taken up again.  ``run.json`` is written first, before any fit.
"""

import contextlib
import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd

from skstruct.cli._errors import UserError, one_line

FORMAT = 1
_PART = ".part"


class Run:
    """A run directory; see `open_run` and `read_run`."""

    def __init__(self, path):
        self.path = Path(path)
        self.journal = self.path / "journal.sqlite"
        self.model = self.path / "model.skops"
        self.best = self.path / "best.json"
        self.report = self.path / "report.html"
        self.state = self.path / "run.json"

    def write(self, path, content):
        """Put text or bytes at ``path`` in one step."""
        data = content.encode() if isinstance(content, str) else content
        part = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
        try:
            with open(part, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def write_json(self, path, state):
        self.write(path, json.dumps(as_plain(state), indent=2, allow_nan=False) + "\n")

    def discard(self):
        """Remove the run that has not begun, and its directory if nothing else is in it."""
        self.state.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def open_run(path, state):
    """Create the directory of a run, or take up the one that is there if it is the same run.

    ``state["identity"]`` holds, in the order in which differences are told, what must be equal.
    Returns the `Run` and whether it was there before.
    """
    run = Run(path)
    try:
        found = _read_state(run) if run.path.exists() else None
        if found is not None:
            _refuse_other(run, found, as_plain(state["identity"]))
        run.path.mkdir(parents=True, exist_ok=True)
        run.write_json(run.state, state)
    except OSError as error:
        raise UserError(
            f"cannot write to the run directory {str(path)!r}: {error.strerror}"
        ) from error
    return run, found is not None


def read_run(path):
    """The `Run` at ``path`` and its state; it must hold a model."""
    run = Run(path)
    if not run.path.is_dir():
        raise UserError(f"there is no run directory {str(path)!r}")
    state = _read_state(run)
    if state is None or not run.model.exists():
        raise UserError(
            f"{str(path)!r} holds no finished model; finish the run with the command that began it"
        )
    return run, state


def _read_state(run):
    """The content of run.json, None for a directory with nothing in it yet."""
    if not run.path.is_dir():
        raise UserError(f"{str(run.path)!r} is not a directory; give another --out")
    if not run.state.exists():
        if any(not name.endswith(_PART) for name in os.listdir(run.path)):
            raise UserError(
                f"{str(run.path)!r} is not empty and not a run directory; give another --out"
            )
        return None
    try:
        state = json.loads(run.state.read_text(encoding="utf-8"))
        written = state["format"]
        state["source"], state["identity"]["target"], state["identity"]["columns"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{str(run.state)!r} is damaged: {one_line(error)}") from error
    if written != FORMAT:
        raise UserError(f"{str(run.path)!r} was written by another version of skstruct")
    return state


def _refuse_other(run, found, here):
    there = found["identity"]
    for key, value in here.items():
        if there.get(key) != value:
            if key in ("data", "names"):
                what = f"other data ({found['source']})"
            elif key == "target":
                what = f"another target ({there['target']!r}, here {value!r})"
            else:
                what = f"another search ({_difference(key, there.get(key), value)})"
            raise UserError(
                f"the run directory {str(run.path)!r} belongs to {what}; give another --out"
            )


def _difference(key, there, here):
    if key == "columns":
        names = sorted({c["name"] for c in there if c not in here})
        return f"columns are read differently: {', '.join(map(repr, names[:5]))}"
    return f"{key} {there!r}, here {here!r}"


def fingerprint(frame, target):
    """SHA-256 of the values that the search sees."""
    digest = hashlib.sha256(json.dumps([*map(str, frame.columns)]).encode())
    for values in (*(frame[name] for name in frame.columns), pd.Series(target)):
        digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def as_plain(value):
    """``value`` as JSON knows it: no NumPy scalars, no NaN; other objects by their repr."""
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return repr(value)
