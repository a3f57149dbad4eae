import gzip

import pandas as pd
import pytest

from skstruct.cli._errors import UserError
from skstruct.cli._table import SHIPPED, load_table


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_sets(name):
    table = load_table(name)
    assert table.target == "target"
    assert table.target in table.frame
    assert len(table.frame) > 100


def test_shipped_classes_have_their_names():
    assert set(load_table("iris").frame["target"]) == {"setosa", "versicolor", "virginica"}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_is_guessed_and_said(tmp_path, separator):
    path = write(tmp_path / "a.csv", f"x{separator} y\n1{separator}2\n")
    table = load_table(path)
    assert table.frame.to_dict("list") == {"x": [1], "y": [2]}
    assert (table.remark is None) == (separator == ",")


@pytest.mark.parametrize(("mark", "said"), [(",", " and decimal commas"), (".", "")])
def test_decimal_commas_are_guessed_and_said(tmp_path, mark, said):
    path = write(tmp_path / "a.csv", f"x;y\na;\nb;-10{mark}5\n")
    table = load_table(path)
    assert table.frame["y"].dropna().tolist() == [-10.5]
    assert table.remark == f"separator ';'{said} guessed from the first lines"


def test_parquet_and_compressed_csv(tmp_path):
    frame = pd.DataFrame({"x": [1.5, None], "w": ["a", "b"]})
    frame.to_parquet(tmp_path / "a.parquet")
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        frame.to_csv(file, index=False)
    for name in ("a.parquet", "a.csv.gz"):
        table = load_table(str(tmp_path / name))
        assert table.name == "a"
        pd.testing.assert_frame_equal(table.frame, frame, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "", "no column names"),
        ("a.csv", "\n1,2\n", "no column names"),
        ("a.csv", "x,y\n1,2,3\n", "cannot be read as CSV"),
        ("a.csv", "x,y\n1,2\n1,2,3\n", "Expected 2 fields in line 3, saw 3"),
        ("a.csv", 'x,y\n1,"2\n', "cannot be read as CSV"),
        ("a.csv", "x,y,x\n1,2,3\n", "more than one column named 'x'"),
        ("a.csv", b"x,y\n\xff\xfe,2\n", "is not UTF-8 text (byte 4)"),
        ("a.csv", b"PK\x00\x01", "binary data"),
        ("a.csv.gz", b"x,y\n1,2\n", "cannot be read as CSV"),
        ("a.parquet", b"PAR1 but not really", "cannot be read as Parquet"),
        ("a.xlsx", b"", "is of no known type"),
    ],
)
def test_unreadable_files(tmp_path, name, content, told):
    with pytest.raises(UserError) as caught:
        load_table(write(tmp_path / name, content))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_that_are_nothing(tmp_path):
    with pytest.raises(UserError, match="did you mean 'breast_cancer'"):
        load_table("brest_cancer")
    with pytest.raises(UserError, match="neither a file nor a data set"):
        load_table(str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match="is a directory"):
        load_table(str(tmp_path))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1], " a": [2]}),
        pd.DataFrame({"a": [1]}, index=pd.Index([2], name="a")),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(2, 3)], names=["b", "a "])),
    ],
)
def test_parquet_names_are_compared_as_they_will_be(tmp_path, frame):
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="more than one column named 'a'"):
        load_table(str(tmp_path / "a.parquet"))


def test_a_parquet_index_is_a_column_if_it_has_a_name(tmp_path):
    for name, names in (("b", ["b", "a"]), (None, ["a"])):
        pd.DataFrame({"a": [1]}, index=pd.Index([7], name=name)).to_parquet(tmp_path / "a.pq")
        frame = load_table(str(tmp_path / "a.pq")).frame
        assert list(frame) == names
        assert list(frame.index) == [0]
