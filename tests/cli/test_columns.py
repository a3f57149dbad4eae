import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

from skstruct.cli._columns import Column, guess_columns, read_columns
from skstruct.cli._errors import UserError
from skstruct.cli._target import read_target

N = 60
DATES = pd.date_range("2021-01-01", periods=N, freq="17D")


def guess(values, name="c", **options):
    (column,) = guess_columns(pd.DataFrame({name: values}), **options)
    return column


@pytest.mark.parametrize(
    ("values", "role"),
    [
        (np.linspace(0, 1, N), "numeric"),
        ([1, 2, 3] * 20, "numeric"),
        ([True, False] * 30, "numeric"),
        ([True, None] * 30, "numeric"),
        ([decimal.Decimal(i) / 3 for i in range(N)], "numeric"),
        (["1.5", "?", "2"] * 20, "numeric"),
        (["7", "8"] * 30, "numeric"),
        (["a", "b", None] * 20, "categorical"),
        (["1a", "2b", "3"] * 10 + ["x"] * 30, "categorical"),
        (pd.Categorical(["a", "b"] * 30), "categorical"),
        (DATES, "date"),
        (DATES.tz_localize("Europe/Paris"), "date"),
        (DATES.date, "date"),
        (DATES.strftime("%Y-%m-%d"), "date"),
        (DATES.strftime("%Y-%m-%dT%H:%M:%SZ"), "date"),
        (DATES.strftime("%d.%m.%Y"), "date"),
        (DATES.strftime("%d %b %Y"), "date"),
        ([1] * N, "constant"),
        (["a"] * N, "constant"),
        ([None] * N, "constant"),
        (range(1000, 1000 + N), "id-like"),
        ([f"user {i}" for i in range(N)], "id-like"),
        ([f"the {i}th parcel was late and nobody at the desk knew why" for i in range(N)], "text"),
    ],
)
def test_roles(values, role):
    assert guess(values).role == role


def test_one_value_and_gaps_tell_something():
    assert guess(["a", None] * 30).role == "categorical"
    assert guess([1.0, None] * 30).role == "numeric"


def test_names_decide_on_distinct_whole_numbers():
    values = np.arange(N) ** 2
    assert guess(values, "area").role == "numeric"
    assert guess(values, "customer_id").role == "id-like"
    assert guess(values / 2, "customer_id").role == "numeric"
    assert guess(values, "humidity").role == "numeric"


def test_month_first_is_said():
    column = guess(DATES.strftime("%m/%d/%Y"))
    assert (column.role, column.why) == ("date", "month/day/year")
    assert guess(["25/12/2021", "01/02/2021"]).date_format == "%d/%m/%Y"


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2", "three", "4"] * 15,
        [1, "two", 3.0] * 20,
        [[1], [2]] * 30,
    ],
)
def test_mixed_types_are_refused_with_the_remedy(values):
    with pytest.raises(UserError, match=r"column 'c' mixes .*--type c=categorical.*--drop c"):
        guess(values)


def test_mixed_refusal_shows_where():
    with pytest.raises(UserError, match=r"numbers \(95 %\) and words \('three' in row 3\)"):
        guess(["1", "2", "three", *"4567890", *"1234567890"])


@pytest.mark.parametrize("role", ["numeric", "categorical"])
def test_the_user_decides_on_mixed_types(role):
    frame = pd.DataFrame({"c": ["1", "2", "three", "4"] * 15})
    columns = guess_columns(frame, types=[("c", role)])
    values, unread = read_columns(frame, columns)
    assert not unread
    assert values["c"].isna().sum() == (15 if role == "numeric" else 0)


def test_forced_roles_that_cannot_be():
    with pytest.raises(UserError, match="does not hold numbers: 'a', 'b'"):
        guess(["a", "b"], types=[("c", "numeric")])
    with pytest.raises(UserError, match="does not hold dates"):
        guess(["a", "b"], types=[("c", "date")])


def test_whole_numbers_as_dates_when_asked():
    frame = pd.DataFrame({"c": [20240131, 20240201]})
    columns = guess_columns(frame, types=[("c", "date")])
    values, _ = read_columns(frame, columns)
    assert values["c"].dt.day.tolist() == [31, 1]


def test_unknown_columns_are_refused_with_a_guess():
    with pytest.raises(UserError, match=r"no column 'colr'; did you mean 'color'\?"):
        guess_columns(pd.DataFrame({"color": [1]}), drop=["colr"])


def test_too_many_categories():
    words = [f"w{i % 10_001}" for i in range(30_000)]
    with pytest.raises(UserError, match=r"10,001 categories.*--drop c"):
        guess(words)
    with pytest.raises(UserError, match="categories"):
        guess([f"w{i}" for i in range(20_000)], "id", types=[("id", "categorical")])
    assert guess(words, drop=["c"]).role == "dropped"


def test_a_million_words():
    words = pd.Series(np.arange(10**6)).astype(str).radd("w")
    with pytest.raises(UserError, match="1,000,000 categories"):
        guess(words, "word")
    assert guess(words, "user_id").role == "id-like"


def test_reading_gives_floats_words_and_dates():
    frame = pd.DataFrame(
        {
            "x": [1, 2, 3, 4],
            "r": [1.0, np.inf, None, -2.0],
            "k": [7.0, 8.0, None, 7.0],
            "d": ["2020-01-01", "2020-01-02", None, "2020-01-04"],
        }
    )
    columns = guess_columns(frame, types=[("k", "categorical")])
    values, unread = read_columns(frame, columns)
    assert unread == {"r": 1}
    assert values.dtypes.astype(str).to_dict() == {
        "x": "float64",
        "r": "float64",
        "k": "object",
        "d": "datetime64[us]",
    }
    assert values["k"].tolist()[:2] == ["7", "8"]  # as they would be without a gap
    assert values.isna().sum().to_dict() == {"x": 0, "r": 2, "k": 1, "d": 1}


def test_a_column_reads_another_table_alike():
    column = guess(DATES.strftime("%d.%m.%Y"))
    again = Column.from_json(column.as_json())
    assert again == column
    values, unread = read_columns(pd.DataFrame({"c": ["02.01.2020", "soon"]}), [again])
    assert values["c"].iloc[0] == datetime.datetime(2020, 1, 2)
    assert unread == {"c": 1}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["01", "1", "2"], ["01", "1", "2"]),
        ([1e300, 2.0, 3.0], ["1e+300", "2.0", "3.0"]),
        (["10", "1", "2"], [10, 1, 2]),
        ([0.0, 1.0, 2.0], [0, 1, 2]),
    ],
)
def test_classes_are_whole_numbers_only_where_none_is_lost(values, labels):
    task, _, _, target = read_target(pd.DataFrame({"y": values}), "y", None)
    assert task == "classification"
    assert target.tolist() == labels


@pytest.mark.parametrize("value", [[1, 2], np.array([1, 2]), {"a": 1}])
def test_a_target_of_lists_is_refused(value):
    with pytest.raises(UserError, match="the target 'y' holds lists"):
        read_target(pd.DataFrame({"y": [value] * 4}), "y", None)


def test_intervals_are_words():
    frame = pd.DataFrame({"c": pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 3), np.nan] * 20)})
    columns = guess_columns(frame)
    assert columns[0].role == "categorical"
    X, unread = read_columns(frame, columns)
    assert X["c"].dropna().unique().tolist() == ["(0.0, 1.0]", "(1.0, 3.0]"]
    assert (X["c"].isna().sum(), unread) == (20, {})
