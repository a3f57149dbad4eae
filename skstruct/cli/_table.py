"""Read a table: a CSV or Parquet file, or a data set that scikit-learn ships."""

import csv
import gzip
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import sklearn.datasets

from skstruct.cli._errors import UserError, did_you_mean, one_line

SHIPPED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
_DECIMAL_COMMA = re.compile(r"(?:^|;) *[-+]?\d+,\d+ *(?:;|\r?$)", re.M)


@dataclass(frozen=True)
class Table:
    """A data frame, where it comes from, and its target where that is known."""

    frame: pd.DataFrame
    name: str
    target: str | None = None
    remark: str | None = None


def load_table(source):
    """Read ``source`` into a `Table`; a `UserError` says in one line why it cannot be read."""
    if source in SHIPPED:
        return _shipped(source)
    path = Path(source)
    if not path.exists():
        hint = did_you_mean(source, SHIPPED) or f" ({', '.join(SHIPPED)})"
        raise UserError(f"{source!r} is neither a file nor a data set that ships{hint}")
    if path.is_dir():
        raise UserError(f"{source!r} is a directory, not a CSV or Parquet file")
    lowered = path.name.lower()
    for suffixes, read in ((CSV_SUFFIXES, _read_csv), (PARQUET_SUFFIXES, _read_parquet)):
        for suffix in suffixes:
            if lowered.endswith(suffix):
                frame, remark = read(path)
                frame.columns = [str(name).strip() for name in frame.columns]
                return Table(frame, path.name[: -len(suffix)], remark=remark)
    known = ", ".join(CSV_SUFFIXES + PARQUET_SUFFIXES)
    raise UserError(f"{source!r} is of no known type; its name should end in one of {known}")


def _shipped(name):
    bunch = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame
    classes = bunch.get("target_names")
    if classes is not None and isinstance(classes[0], str):
        frame["target"] = pd.Series(classes[bunch.target.to_numpy()], dtype=object).astype(str)
    return Table(frame, name, target="target")


def _read_csv(path):
    try:
        header, separator, decimal = _csv_layout(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                decimal=decimal,
                index_col=False,
                low_memory=False,
                skipinitialspace=True,
                encoding="utf-8-sig",
            )
    except UnicodeDecodeError as error:
        raise UserError(
            f"{str(path)!r} is not UTF-8 text (byte {error.start}); save it again as UTF-8"
        ) from error
    except (ValueError, OSError, EOFError, csv.Error, pd.errors.ParserWarning) as error:
        raise UserError(f"{str(path)!r} cannot be read as CSV: {one_line(error)}") from error
    _refuse_duplicates(path, [name for name in header if name])
    if separator == ",":
        return frame, None
    comma = " and decimal commas" if decimal == "," else ""
    return frame, f"separator {separator!r}{comma} guessed from the first lines"


def _csv_layout(path):
    """The names in the first line, the separator that splits it best, and the decimal mark."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line, start = file.readline(), file.read(65_536)
    if "\0" in line:
        raise ValueError("it holds binary data")
    separator = max(",;\t|", key=line.count)
    header = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    if not any(name.strip() for name in header):
        raise ValueError("its first line holds no column names")
    decimal = "," if separator == ";" and _DECIMAL_COMMA.search(start) else "."
    return [name.strip() for name in header], separator, decimal


def _read_parquet(path):
    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise UserError(
            "reading Parquet needs pyarrow; run: pip install 'skstruct[app]'"
        ) from error
    except Exception as error:  # pyarrow's errors share no base class short of this
        message = one_line(error)
        raise UserError(f"{str(path)!r} cannot be read as Parquet: {message}") from error
    named = [name for name in frame.index.names if name is not None]
    _refuse_duplicates(path, [str(name).strip() for name in (*named, *frame.columns)])
    return frame.reset_index(drop=not named), None


def _refuse_duplicates(path, names):
    seen = set()
    for name in names:
        if name in seen:
            raise UserError(f"{str(path)!r} has more than one column named {name!r}; rename one")
        seen.add(name)
