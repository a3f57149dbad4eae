import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skstruct.cli import main
from skstruct.cli._columns import Column, read_columns
from skstruct.cli._model_file import load_model
from skstruct.cli._run import read_run

COMMAND = ("--arms", "linear,discriminant", "--cv", "3", "--trials", "3")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    rng = np.random.default_rng(0)
    n = 100
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": rng.choice(["red", "green"], n),
            "sold": pd.date_range("2022-01-01", periods=n).strftime("%d.%m.%Y"),
        }
    )
    frame["bought"] = np.where(frame["size"] > 0, "yes", "no")
    directory = tmp_path_factory.mktemp("predict")
    frame.to_csv(directory / "shop.csv", index=False)
    command = ("tune", directory / "shop.csv", "--target", "bought", *COMMAND)
    assert main([*map(str, command), "--out", str(directory / "run")]) == 0
    return directory / "run", frame


def predict(skstruct, run, frame, path, *args):
    frame.to_csv(path, index=False)
    status, out, err = skstruct("predict", run, path, *args)
    assert status == 0, err
    return pd.read_csv(io.StringIO("\n".join(out))) if out else None, err


def test_predictions_and_probabilities(skstruct, run, tmp_path):
    path, frame = run
    result, err = predict(skstruct, path, frame, tmp_path / "new.csv")
    assert err == []
    assert result.columns.tolist() == ["prediction", "probability_no", "probability_yes"]
    assert (result["prediction"] == frame["bought"]).mean() > 0.9
    np.testing.assert_allclose(result.iloc[:, 1:].sum(axis=1), 1)
    found, state = read_run(path)
    columns = [Column.from_json(column) for column in state["identity"]["columns"]]
    model = load_model(found.model)
    np.testing.assert_array_equal(
        model.predict(read_columns(frame, columns)[0]), result.prediction
    )


def test_columns_are_known_by_name(skstruct, run, tmp_path):
    path, frame = run
    expected, _ = predict(skstruct, path, frame, tmp_path / "a.csv")
    shuffled = frame[["sold", "colour", "size"]].assign(extra=1)
    result, err = predict(skstruct, path, shuffled, tmp_path / "b.csv")
    pd.testing.assert_frame_equal(result, expected)
    assert err == ["columns that the model does not know are ignored: 'extra'"]


def test_gaps_new_words_and_unreadable_values(skstruct, run, tmp_path):
    path, frame = run
    new = frame.head(4).copy()
    new["colour"] = ["mauve", None, "red", "green"]
    new["size"] = ["1.5", None, "huge", "2"]
    new["sold"] = ["01.02.2030", "2030-01-02", None, "05.05.2022"]
    result, err = predict(skstruct, path, new, tmp_path / "new.csv")
    assert len(result) == 4
    assert err == [
        "column 'size': 1 values cannot be read and count as missing",
        "column 'sold': 1 values cannot be read and count as missing",
    ]


def test_out_file(skstruct, run, tmp_path):
    path, frame = run
    result, _ = predict(
        skstruct, path, frame, tmp_path / "new.csv", "--out", tmp_path / "answer.csv"
    )
    assert result is None
    assert len(pd.read_csv(tmp_path / "answer.csv")) == len(frame)


def test_regression_has_one_column(skstruct, tmp_path):
    status, _, _ = skstruct(
        *("tune", "diabetes", "--arms", "linear", "--cv", 2, "--trials", 2),
        *("--out", tmp_path / "run"),
    )
    assert status == 0
    _, out, _ = skstruct("predict", tmp_path / "run", "diabetes")
    assert out[0] == "prediction"
    assert len(out) == 443


def test_bad_input(refused, run, tmp_path):
    path, frame = run
    frame.drop(columns=["size", "colour"]).to_csv(tmp_path / "less.csv", index=False)
    frame.head(0).to_csv(tmp_path / "none.csv", index=False)
    frame.to_csv(tmp_path / "good.csv", index=False)
    assert "lacks columns that the model was trained on: 'size', 'colour'" in refused(
        "predict", path, tmp_path / "less.csv"
    )
    assert "has no rows" in refused("predict", path, tmp_path / "none.csv")
    assert "no run directory" in refused("predict", tmp_path / "no", tmp_path / "good.csv")
    assert "neither a file" in refused("predict", path, tmp_path / "no.csv")
    assert "cannot write" in refused(
        "predict", path, tmp_path / "good.csv", "--out", tmp_path / "no" / "x.csv"
    )


def test_a_forbidden_model_file_is_refused(refused, run, tmp_path):
    import shutil

    import skops.io

    path, frame = run
    frame.to_csv(tmp_path / "new.csv", index=False)
    shutil.copytree(path, tmp_path / "run")
    skops.io.dump([subprocess.Popen.communicate], tmp_path / "run" / "model.skops")
    line = refused("predict", tmp_path / "run", tmp_path / "new.csv")
    assert "subprocess.communicate, which is neither part of scikit-learn" in line


def test_a_reader_that_stops_early_is_no_error(run, tmp_path):
    path, frame = run
    pd.concat([frame] * 200).to_csv(tmp_path / "new.csv", index=False)
    command = [sys.executable, "-m", "skstruct", "predict", str(path), str(tmp_path / "new.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"prediction,probability_no,probability_yes\n"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(timeout=60) == 0
