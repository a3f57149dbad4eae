import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skstruct.cli._columns import guess_columns, read_columns
from skstruct.cli._preprocess import MAX_LEVELS, DateFeatures, make_preprocessor


def prepare(frame, y, task="classification"):
    columns = guess_columns(frame)
    values, _ = read_columns(frame, columns)
    return make_preprocessor(columns, values, task, seed=0), values


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_columns_become_finite_numbers(table, task):
    y = table.pop("bought") == "yes" if task == "classification" else np.arange(120.0)
    preprocessor, values = prepare(table, y, task)
    out = clone(preprocessor).fit_transform(values, y)
    assert out.dtype == np.float64
    assert np.isfinite(out).all()
    names = preprocessor.fit(values, y).get_feature_names_out().tolist()
    assert "numeric__missingindicator_size" in names
    assert "few_levels__colour_red" in names
    assert "date__sold_weekday" in names
    assert not any("shop" in name or "number" in name for name in names)


def test_new_levels_and_new_gaps_are_no_error(table):
    y = table.pop("bought") == "yes"
    preprocessor, values = prepare(table, y)
    preprocessor.fit(values, y)
    new = values.head(2).assign(
        colour=["mauve", np.nan], size=[np.nan, 1.0], sold=pd.Series([pd.NaT, pd.NaT])
    )
    assert np.isfinite(preprocessor.transform(new)).all()


def test_many_levels_become_one_column_that_is_fitted_across_folds():
    rng = np.random.default_rng(0)
    n = 600
    town = rng.integers(0, 200, n)
    y = rng.permutation(np.arange(n) % 2)  # knows nothing of the towns
    frame = pd.DataFrame({"town": [f"t{number}" for number in town]})
    preprocessor, values = prepare(frame, y)
    out = preprocessor.fit_transform(values, y)
    assert out.shape == (n, 1)
    in_sample = preprocessor.transform(values)
    assert np.corrcoef(in_sample[:, 0], y)[0, 1] > 0.3  # what a leak would look like
    assert abs(np.corrcoef(out[:, 0], y)[0, 1]) < 0.2


def test_width_is_bounded():
    frame = pd.DataFrame(
        {f"c{i}": [f"w{(j * (i + 1)) % MAX_LEVELS}" for j in range(200)] for i in range(40)}
    )
    preprocessor, values = prepare(frame, np.arange(200) % 2)
    assert preprocessor.fit_transform(values, np.arange(200) % 2).shape[1] < 300


def test_dates_keep_the_parts_that_vary():
    dates = pd.DataFrame({"d": pd.to_datetime(["2024-01-01 06:00", "2024-01-01 18:30", None])})
    features = DateFeatures().fit(dates)
    assert features.get_feature_names_out().tolist() == ["d_days", "d_hour"]
    out = features.transform(dates)
    np.testing.assert_allclose(out[:2], [[19723.25, 6], [19723 + 18.5 / 24, 18]])
    assert np.isnan(out[2]).all()
