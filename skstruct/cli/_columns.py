"""Guess what each column of a table is, and bring columns to that form.

A column is numeric, categorical or a date, or it is left out because it is constant, an identifier
or running text.  The guess looks at distinct values only, so that a million rows cost one
``value_counts`` per column.  The same `Column` later reads a table to predict on, so that both
tables are read alike.
"""

import re
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from skstruct.cli._errors import UserError, did_you_mean

USED = ("numeric", "categorical", "date")
MAX_CATEGORIES = 10_000
MAX_UNNAMED_IDS = 100_000  # beyond, a column is an identifier only if its name says so
# Words that people write into a numeric column for "no value", beyond those that pandas knows.
MISSING_WORDS = frozenset(
    ("?", "-", "--", ".", "*", "n.a.", "na", "nan", "nil", "none", "null", "missing", "unknown")
)
DATE_FORMATS = (
    "ISO8601",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_ID_NAME = re.compile(r"(^|[\W_])(id|ids|uuid|guid|key|index|no|nr|number|unnamed)($|[\W_])", re.I)
_DATE_SHAPE = re.compile(r"(?=.*\d)(?=.*[-/.: ]).{6,35}")


@dataclass(frozen=True)
class Column:
    """One column: its role, why it has it, and how its values are read."""

    name: str
    role: str
    why: str = ""
    date_format: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def used(self):
        return self.role in USED

    def as_json(self):
        return asdict(self)

    @classmethod
    def from_json(cls, state):
        return cls(**{**state, "missing": tuple(state["missing"])})


def guess_columns(frame, *, types=(), drop=()):
    """Guess the role of every column of ``frame``; ``types`` and ``drop`` are the user's word."""
    forced = {**dict(types), **dict.fromkeys(drop, "drop")}
    for name in forced:
        require_column(frame, name)
    columns = []
    for name in frame.columns:
        series, role = frame[name], forced.get(name)
        if role is None:
            columns.append(_guess(name, series))
        elif role == "drop":
            columns.append(Column(name, "dropped", "as asked"))
        else:
            columns.append(_forced(name, series, role))
    return columns


def require_column(frame, name):
    if name not in frame.columns:
        hint = did_you_mean(name, frame.columns) or "; the columns are " + _some(frame.columns)
        raise UserError(f"there is no column {name!r}{hint}")


def read_columns(frame, columns):
    """The used columns of ``frame`` as floats, words (missing: NaN) and dates, in order.

    Returns the new frame and {column: number of values that could not be read}.
    """
    used, unread = {}, {}
    for column in columns:
        if column.used:
            series = frame[column.name]
            used[column.name] = values = _READERS[column.role](series, column)
            lost = int((values.isna() & series.notna() & ~_marked(series, column)).sum())
            if lost:
                unread[column.name] = lost
    return pd.DataFrame(used, index=frame.index), unread


# ---- guessing -------------------------------------------------------------------------------


def _guess(name, series):
    """The role of one column from its values."""
    series = _plain(name, series)
    if series.isna().all():
        return Column(name, "constant", "empty")
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _guess_numbers(name, series)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        low, high = series.min(), series.max()
        if low == high and series.notna().all():
            return Column(name, "constant", f"always {low}")
        return Column(name, "date", f"{low:%Y-%m-%d} to {high:%Y-%m-%d}")
    counts = series.value_counts()
    counts = counts[counts > 0]
    if len(counts) == 1 and counts.iloc[0] == len(series):
        return Column(name, "constant", f"always {counts.index[0]!r}")
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _categories(name, counts)
    return _guess_words(name, series, counts)


def _guess_numbers(name, series):
    low, high = series.min(), series.max()
    complete = series.notna().all()
    if low == high and complete:
        return Column(name, "constant", f"always {low}")
    counts_rows = high - low == len(series) - 1
    may_be_id = complete and len(series) >= 10 and (counts_rows or _ID_NAME.search(name))
    if may_be_id and (series % 1 == 0).all() and series.is_unique:
        return Column(name, "id-like", f"{len(series):,} distinct whole numbers")
    return Column(name, "numeric")


def _guess_words(name, series, counts):
    total = int(counts.sum())
    numbers = pd.to_numeric(counts.index.to_series(), errors="coerce").notna().to_numpy()
    words = counts.index[~numbers]
    if numbers.any():
        if all(word.strip().lower() in MISSING_WORDS for word in words):
            why = f"{_some(words)} taken as missing" if len(words) else "written as words"
            return Column(name, "numeric", why, missing=tuple(words))
        share = counts[numbers].sum() / total
        if share >= 0.2:
            _refuse_mixed(name, series, words, share)
    date_format = _date_format(counts.index)
    if date_format:
        return Column(name, "date", _date_story(date_format), date_format=date_format)
    distinct = len(counts)
    if distinct > 10 and distinct > 0.95 * total:
        sample = counts.index[:1000]
        if (
            np.mean([len(word) for word in sample]) > 30
            and np.mean([word.count(" ") for word in sample]) > 3
        ):
            return Column(name, "text", "running text, which no arm can read")
        if distinct <= MAX_UNNAMED_IDS or _ID_NAME.search(name):
            return Column(name, "id-like", f"{distinct:,} distinct words in {total:,} rows")
    return _categories(name, counts)


def _categories(name, counts):
    if len(counts) > MAX_CATEGORIES:
        raise UserError(
            f"column {name!r} has {len(counts):,} categories, more than the {MAX_CATEGORIES:,} "
            f"that can be learnt from; leave it out with --drop {_quoted(name)}"
        )
    return Column(name, "categorical", f"{len(counts):,} categories")


def _forced(name, series, role):
    """The column in the role that the user gave it, if its values can be read so."""
    series = _plain(name, series, mixed=role == "categorical")
    counts = series.value_counts()
    if len(counts) == 0:
        return Column(name, "constant", "empty")
    if role == "categorical":
        return _categories(name, counts)
    column = Column(name, role, "as asked")
    if role == "date" and not pd.api.types.is_datetime64_any_dtype(series.dtype):
        words = _as_words(counts.index.to_series())
        date_format = _date_format(words, formats=(*DATE_FORMATS, "%Y%m%d", "%Y"))
        if date_format is None:
            raise UserError(f"column {name!r} does not hold dates: {_some(words)}")
        return Column(name, role, "as asked", date_format=date_format)
    if role == "numeric":
        words = counts.index[_to_numbers(counts.index.to_series()).isna()]
        if len(words) == len(counts):
            raise UserError(f"column {name!r} does not hold numbers: {_some(words)}")
        if len(words):
            why = f"as asked; {_some(words)} taken as missing"
            return Column(name, role, why, missing=tuple(map(str, words[:100])))
    return column


def _plain(name, series, *, mixed=False):
    """Undo what Parquet wraps: intervals, decimals, dates, booleans with gaps, durations."""
    dtype = series.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return series.astype("float64")
    if pd.api.types.is_timedelta64_dtype(dtype):
        return series.dt.total_seconds()
    if isinstance(dtype, pd.PeriodDtype):
        return series.dt.to_timestamp()
    if isinstance(dtype, pd.IntervalDtype):
        return series.astype(object).map(str, na_action="ignore")
    if isinstance(dtype, pd.CategoricalDtype):
        return series
    if not pd.api.types.is_object_dtype(dtype):
        return series
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in ("string", "empty"):
        return series
    if kind in ("boolean", "decimal", "floating", "integer", "mixed-integer-float"):
        return series.astype("float64")
    if kind in ("date", "datetime", "datetime64"):
        return pd.to_datetime(series)
    if mixed:
        return series.map(str, na_action="ignore")
    kinds = sorted({type(value).__name__ for value in series.dropna().head(10_000)})
    raise UserError(
        f"column {name!r} mixes or nests types ({', '.join(kinds)}); give it one with "
        f"--type {_quoted(name + '=categorical')} or leave it out with --drop {_quoted(name)}"
    )


def _refuse_mixed(name, series, words, share):
    first = [int(np.argmax((series == word).to_numpy())) for word in words[:3]]
    shown = ", ".join(
        f"{series.iloc[row]!r} in row {series.index[row] + 1:,}" for row in sorted(first)
    )
    raise UserError(
        f"column {name!r} mixes numbers ({100 * share:.0f} %) and words ({shown}); read it as "
        f"words with --type {_quoted(name + '=categorical')}, as numbers with "
        f"--type {_quoted(name + '=numeric')}, or leave it out with --drop {_quoted(name)}"
    )


def _date_format(words, formats=DATE_FORMATS):
    """The first format that reads every word, or None."""
    sample = words[:: max(1, len(words) // 100)]
    if formats is DATE_FORMATS and not all(_DATE_SHAPE.fullmatch(word) for word in sample):
        return None
    for date_format in formats:
        if all(_to_dates(part, date_format).notna().all() for part in (sample, words)):
            return date_format
    return None


def _date_story(date_format):
    if date_format.startswith("%m/%d"):
        return "month/day/year"
    return "" if date_format == "ISO8601" else date_format


# ---- reading --------------------------------------------------------------------------------


def _to_numbers(series):
    if not pd.api.types.is_numeric_dtype(series.dtype):
        series = pd.to_numeric(series.astype(object), errors="coerce")
    values = series.to_numpy(dtype="float64", na_value=np.nan)
    return pd.Series(values, index=series.index).where(np.isfinite(values))


def _to_dates(words, date_format):
    return pd.to_datetime(pd.Series(words), format=date_format, errors="coerce", utc=True)


def _as_words(series):
    """Values as strings, whole numbers without a decimal point, missing values as NaN."""
    if pd.api.types.is_float_dtype(series.dtype):
        whole = series.notna() & (series == np.floor(series)) & (series.abs() < 2**53)
        words = series.astype(object)
        words[whole] = series[whole].astype("int64").astype(str)
        words[~whole] = series[~whole].map(repr)
    else:
        words = series.astype(object).map(str, na_action="ignore")
    return words.astype(object).where(series.notna(), np.nan)


def _read_numeric(series, column):
    return _to_numbers(_plain(column.name, series, mixed=True))


def _read_categorical(series, column):
    return _as_words(_plain(column.name, series, mixed=True))


def _read_date(series, column):
    series = _plain(column.name, series, mixed=True)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        dates = pd.to_datetime(series, utc=True)
    else:
        dates = _to_dates(_as_words(series), column.date_format)
        dates.index = series.index
    return dates.dt.tz_localize(None).astype("datetime64[us]")


_READERS = {"numeric": _read_numeric, "categorical": _read_categorical, "date": _read_date}


def _marked(series, column):
    """Where a value is a word that stands for a missing one."""
    if not column.missing:
        return pd.Series(False, index=series.index)
    return series.isin(column.missing)


def _some(values, limit=5):
    shown = ", ".join(repr(value) for value in list(values)[:limit])
    return shown + (", ..." if len(values) > limit else "")


def _quoted(text):
    return f"'{text}'" if re.search(r"[^\w.=-]", text) else text
