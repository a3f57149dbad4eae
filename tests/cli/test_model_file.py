import io
import json
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.cli._columns import guess_columns, read_columns
from skstruct.cli._errors import UserError
from skstruct.cli._model_file import dump_model, load_model
from skstruct.cli._preprocess import make_preprocessor
from skstruct.model_selection._default_arms import default_arms


def fitted(table, model):
    frame = table.drop(columns="bought")
    columns = guess_columns(frame)
    values, _ = read_columns(frame, columns)
    y = table["bought"].to_numpy()
    preprocessor = make_preprocessor(columns, values, "classification", seed=0)
    steps = [("prepare", preprocessor), ("scale", StandardScaler()), ("model", model)]
    return Pipeline(steps).fit(values, y), values


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(algorithm="kd_tree"),
        KNeighborsClassifier(algorithm="ball_tree"),
        *(pipeline[-1] for pipeline, _ in default_arms("classification").values()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_round_trip(table, tmp_path, model):
    pipeline, values = fitted(table, model)
    data, refused = dump_model(pipeline)
    assert refused == []
    (tmp_path / "model.skops").write_bytes(data)
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(values), pipeline.predict(values))


@pytest.mark.parametrize("arm", default_arms("regression"))
def test_round_trip_of_regression(tmp_path, arm):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    pipeline = default_arms("regression", random_state=0)[arm][0].fit(X, y)
    data, refused = dump_model(pipeline)
    assert refused == []
    (tmp_path / "model.skops").write_bytes(data)
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))


def replant(data, module, name):
    """The file with LogisticRegression's name replaced by another one."""
    source, out = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for entry in source.namelist():
            content = source.read(entry)
            if entry == "schema.json":
                schema = json.loads(content)
                _rename(schema, module, name)
                content = json.dumps(schema)
            target.writestr(entry, content)
    return out.getvalue()


def _rename(node, module, name):
    if isinstance(node, dict):
        if node.get("__class__") == "LogisticRegression":
            node["__class__"], node["__module__"] = name, module
        for child in node.values():
            _rename(child, module, name)
    elif isinstance(node, list):
        for child in node:
            _rename(child, module, name)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("numpy.testing", "rundocs"),
        ("sklearn.utils._testing", "SkipTest"),
        ("skstruct.cli", "main"),
        ("trap", "Trap"),
        ("trap", "IncrementalGaussianMixture"),  # the name of a registered class, not its module
    ],
)
def test_forbidden_types_are_refused_and_nothing_runs(table, tmp_path, monkeypatch, module, name):
    (tmp_path / "trap.py").write_text("open('sprung', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    data, _ = dump_model(fitted(table, LogisticRegression())[0])
    (tmp_path / "model.skops").write_bytes(replant(data, module, name))
    with pytest.raises(UserError, match=f"holds {module}.{name}, which is neither"):
        load_model(tmp_path / "model.skops")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"\x80\x04\x95pickle"])
def test_no_model_file(tmp_path, content):
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a model file"):
        load_model(path)


def test_a_file_that_lost_its_end(table, tmp_path):
    data, _ = dump_model(fitted(table, LogisticRegression())[0])
    path = tmp_path / "model.skops"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="is not a model file"):
        load_model(path)


def test_something_else_than_a_pipeline(tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump({"a": 1}, path)
    with pytest.raises(UserError, match="holds a dict, not a pipeline"):
        load_model(path)
