"""The step between a table and an arm: every used column becomes finite numbers.

numeric      the median where a value is missing, and an indicator column of what was missing
categorical  one-hot columns for few levels; for many, the mean of the target (cross-fitted)
date         day count, month, day, weekday and hour, those that vary, then as numeric
"""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

MAX_LEVELS = 20  # one-hot columns of one categorical column
MAX_WIDTH = 256  # one-hot columns in all


def make_preprocessor(columns, frame, task, seed):
    """A ColumnTransformer for the used ``columns`` of ``frame`` as `read_columns` returns it."""
    by_role = {"numeric": [], "categorical": [], "date": []}
    for column in columns:
        if column.used:
            by_role[column.role].append(column.name)
    one_hot, many = _split_by_levels(frame, by_role["categorical"])
    if task == "regression":
        mean_of_target = TargetEncoder(
            target_type="continuous", cv=KFold(shuffle=True, random_state=seed)
        )
    else:
        mean_of_target = TargetEncoder(cv=StratifiedKFold(shuffle=True, random_state=seed))
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    steps = [
        ("numeric", imputer, by_role["numeric"]),
        (
            "few_levels",
            OneHotEncoder(
                max_categories=MAX_LEVELS,
                handle_unknown="infrequent_if_exist",
                sparse_output=False,
            ),
            one_hot,
        ),
        ("many_levels", mean_of_target, many),
        ("date", make_pipeline(DateFeatures(), imputer), by_role["date"]),
    ]
    return ColumnTransformer([step for step in steps if step[2]], sparse_threshold=0)


def _split_by_levels(frame, names):
    """Columns of few levels, smallest first while they fit into MAX_WIDTH, and the others."""
    levels = {name: frame[name].nunique(dropna=False) for name in names}
    few, width = set(), 0
    for name in sorted(names, key=levels.get):
        width += levels[name]
        if levels[name] <= MAX_LEVELS and width <= MAX_WIDTH:
            few.add(name)
    return [n for n in names if n in few], [n for n in names if n not in few]


class DateFeatures(TransformerMixin, BaseEstimator):
    """Expand dates into the parts of a calendar that vary.

    Attributes
    ----------
    parts_ : list of (str, str)
        Column and part, in the order of the output.

    Examples
    --------
    >>> import pandas as pd
    >>> from skstruct.cli._preprocess import DateFeatures
    >>> dates = pd.DataFrame({"sold": pd.to_datetime(["2024-02-28", "2024-03-01"])})
    >>> DateFeatures().fit(dates).get_feature_names_out().tolist()
    ['sold_days', 'sold_month', 'sold_day', 'sold_weekday']
    """

    def fit(self, X, y=None):
        """Learn which parts vary; the day count is always kept."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.parts_ = [
            (name, part)
            for name in X.columns
            for part, values in _calendar(X[name]).items()
            if part == "days" or values.nunique() > 1
        ]
        return self

    def transform(self, X):
        """The learnt parts as float64; missing dates are NaN."""
        calendars = {name: _calendar(X[name]) for name in X.columns}
        return np.column_stack(
            [calendars[name][part].to_numpy(dtype=np.float64) for name, part in self.parts_]
        )

    def get_feature_names_out(self, input_features=None):
        """Column and part, joined by an underscore."""
        return np.array([f"{name}_{part}" for name, part in self.parts_], dtype=object)


def _calendar(dates):
    accessor = dates.dt
    return {
        "days": (dates - np.datetime64("1970-01-01")).dt.total_seconds() / 86400.0,
        "month": accessor.month,
        "day": accessor.day,
        "weekday": accessor.day_of_week,
        "hour": accessor.hour,
    }
