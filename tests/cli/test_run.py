import json
import os

import numpy as np
import pandas as pd
import pytest

from skstruct.cli._errors import UserError
from skstruct.cli._run import FORMAT, Run, as_plain, fingerprint, open_run, read_run


def state(**changes):
    identity = {
        "target": "y",
        "names": ["x", "y"],
        "task": "classification",
        "columns": [{"name": "x", "role": "numeric"}],
        "seed": 0,
        "data": "abc",
    }
    return {"format": FORMAT, "source": "a.csv", "identity": {**identity, **changes}}


def test_create_and_take_up_again(tmp_path):
    path = tmp_path / "deep" / "run"
    run, existed = open_run(path, state())
    assert not existed
    assert json.loads(run.state.read_text()) == state()
    assert open_run(path, state())[1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"target": "z", "data": "d"}, "another target ('y', here 'z')"),
        ({"names": ["q"]}, "other data (a.csv)"),
        ({"data": "d"}, "other data (a.csv)"),
        ({"seed": 1}, "another search (seed 0, here 1)"),
        ({"columns": [{"name": "x", "role": "date"}]}, "columns are read differently: 'x'"),
    ],
)
def test_another_run_is_refused(tmp_path, changes, told):
    open_run(tmp_path / "run", state())
    with pytest.raises(UserError) as caught:
        open_run(tmp_path / "run", state(**changes))
    assert told in str(caught.value)
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == state()


def test_directories_that_are_no_runs(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.tex").write_text("mine")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text('{"format": 1')
    for key in ("source", "target", "columns"):
        (tmp_path / f"no {key}").mkdir()
        lacking = state()
        (lacking if key in lacking else lacking["identity"]).pop(key)
        (tmp_path / f"no {key}" / "run.json").write_text(json.dumps(lacking))
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "run.json").write_text(json.dumps({**state(), "format": 99}))
    for name, told in {
        "file": "not a directory",
        "docs": "not empty and not a run directory",
        "torn": "is damaged",
        "no source": "is damaged: 'source'",
        "no target": "is damaged: 'target'",
        "no columns": "is damaged: 'columns'",
        "later": "another version",
        "file/run": "cannot write",
    }.items():
        with pytest.raises(UserError, match=told):
            open_run(tmp_path / name, state())


def test_what_a_kill_left_behind_is_no_hindrance(tmp_path):
    """Killed between mkdir and the renaming of run.json, or while a file was written."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.x1y2.part").write_text('{"form')
    run, existed = open_run(tmp_path / "run", state())
    assert not existed
    assert json.loads(run.state.read_text()) == state()


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.write(run.best, "old")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        run.write(run.best, "new")
    assert run.best.read_text() == "old"
    assert os.listdir(tmp_path) == ["best.json"]


def test_runs_without_a_model_cannot_predict(tmp_path):
    with pytest.raises(UserError, match="no run directory"):
        read_run(tmp_path / "none")
    open_run(tmp_path / "run", state())
    with pytest.raises(UserError, match="holds no finished model"):
        read_run(tmp_path / "run")


def test_fingerprint_sees_every_value_and_name():
    frame = pd.DataFrame({"x": [1.0, 2.0, np.nan], "w": ["a", np.nan, "b"]})
    y = np.array(["u", "v", "u"], dtype=object)
    base = fingerprint(frame, y)
    assert base == fingerprint(frame.copy(), y.copy())
    others = [
        fingerprint(frame.rename(columns={"x": "z"}), y),
        fingerprint(frame.assign(x=[1.0, 2.0, 3.0]), y),
        fingerprint(frame.assign(w=["a", "c", "b"]), y),
        fingerprint(frame, y[::-1][[1, 0, 2]]),
        fingerprint(frame.iloc[[1, 0, 2]], y),
    ]
    assert len({base, *others}) == 6


def test_json_knows_no_nan_and_no_numpy():
    value = as_plain({"a": np.float64("nan"), "b": (np.int64(3), float("inf")), "c": np})
    assert json.dumps(value, allow_nan=False)
    assert value["b"] == [3, None]
