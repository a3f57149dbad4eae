"""What skstruct asks of an estimator beyond scikit-learn's own checks.

Each check takes an unfitted instance, of which it fits clones; the first sentence of its docstring
is what a report says was expected.
"""

import importlib
import io
import pickle
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from unittest import SkipTest

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, ParameterSampler
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from skstruct import registry
from skstruct.testing._data import (
    METHODS,
    assert_finite,
    assert_same,
    fitted,
    make_data,
    outputs,
    seeded,
)
from skstruct.testing._docstring import incomplete
from skstruct.testing._report import Check


def check_docstring(estimator):
    """The docstring has every section, and describes every parameter, attribute and method."""
    lacking = incomplete(type(estimator), fitted(estimator, *make_data(estimator)))
    assert not lacking, "; ".join(lacking)


def check_kind(kind, estimator):
    """The class is what the group skstruct.kinds says it is."""
    assert kind in registry.KINDS, f"{kind!r} is not one of {', '.join(registry.KINDS)}"
    if kind == "search":
        found = fitted(estimator, *make_data(estimator))
        assert hasattr(found, "best_params_"), "fitted, it has no best_params_"
    elif kind == "transformer":
        assert hasattr(estimator, "transform"), "it has no transform"
    else:
        actual = get_tags(estimator).estimator_type
        assert actual == kind, f"registered as {kind!r}, its tags say {actual!r}"


def check_float32(estimator):
    """Data in float32 give results in float32."""
    X, y = make_data(estimator)
    y = y.astype(np.float32) if y is not None and y.dtype.kind == "f" else y
    fit = fitted(estimator, X.astype(np.float32), y)
    for method, array in outputs(fit, X.astype(np.float32)).items():
        if array.dtype.kind == "f":
            assert array.dtype == np.float32, f"{method} gives {array.dtype}"


def check_pandas(estimator):
    """Frames of pandas give what arrays give, and a transformer returns such frames."""
    pandas = _imported("pandas")
    _check_frames(estimator, lambda X, names: pandas.DataFrame(X, np.arange(len(X)) + 7, names))


def check_polars(estimator):
    """Frames of polars give what arrays give, and a transformer returns such frames."""
    polars = _imported("polars")
    _check_frames(estimator, lambda X, names: polars.DataFrame(X, schema=names))


def _imported(library):
    try:
        return importlib.import_module(library)
    except ImportError:
        raise SkipTest(f"{library} is not installed") from None


def _check_frames(estimator, make_frame):
    X, y = make_data(estimator)
    names = [f"column {j}" for j in range(X.shape[1])]
    frame = make_frame(X, names)
    fit = fitted(estimator, frame, y)
    assert list(fit.feature_names_in_) == names, f"feature_names_in_ is {fit.feature_names_in_}"
    assert_same(outputs(fit, frame), outputs(fitted(estimator, X, y), X))
    if hasattr(fit, "transform"):
        library = type(frame).__module__.partition(".")[0]
        out = fit.set_output(transform=library).transform(frame)
        assert type(out) is type(frame), f"transform gives {type(out)}"
        wanted = list(fit.get_feature_names_out())
        assert list(out.columns) == wanted, f"the columns are {list(out.columns)}, not {wanted}"
        if library == "pandas":
            assert list(out.index) == list(frame.index), "the index is lost"


def check_round_trip(estimator):
    """Pickle and joblib bring it back, fitted or not, with the same results."""
    X, y = make_data(estimator)
    assert repr(pickle.loads(pickle.dumps(estimator))) == repr(estimator), "unfitted: changed"
    fit = fitted(estimator, X, y)
    expected = outputs(fit, X)
    assert_same(outputs(pickle.loads(pickle.dumps(fit)), X), expected)
    buffer = io.BytesIO()
    joblib.dump(fit, buffer, compress=3)
    buffer.seek(0)
    assert_same(outputs(joblib.load(buffer), X), expected)


def check_clone(estimator):
    """A clone is unfitted, has the same parameters and fits to the same results."""
    X, y = make_data(estimator)
    fit = fitted(estimator, X, y)
    twin = clone(fit)
    left = [name for name in vars(twin) if name.endswith("_") and not name.startswith("_")]
    assert not left, f"a clone is not unfitted: it has {', '.join(left)}"
    assert repr(twin) == repr(fit), f"the clone is {twin!r} instead of {fit!r}"
    assert_same(outputs(twin.fit(X) if y is None else twin.fit(X, y), X), outputs(fit, X))


def check_threads(estimator):
    """Several threads may use one fitted estimator at a time."""
    X, y = make_data(estimator)
    fit = fitted(estimator, X, y)
    parts = np.split(X, 4) * 8
    expected = [outputs(fit, part) for part in parts[:4]] * 8
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(partial(outputs, fit), parts))
    finally:
        sys.setswitchinterval(interval)
    for actual, wanted in zip(found, expected, strict=True):
        assert_same(actual, wanted)


def check_n_jobs(estimator):
    """One job and two give the same result."""
    X, y = make_data(estimator)
    one, two = (fitted(clone(estimator).set_params(n_jobs=n), X, y) for n in (1, 2))
    assert_same(outputs(two, X), outputs(one, X))


def check_grid_search(estimator):
    """GridSearchCV tunes it as a step of a Pipeline."""
    X, y = make_data(estimator)
    # Clipped, because some estimators take no negative numbers, which a fold may have.
    steps = [("scale", MinMaxScaler(clip=True)), ("step", seeded(estimator))]
    if hasattr(estimator, "transform") and not hasattr(estimator, "predict"):
        steps.append(("last", Ridge()))
        y = X[:, 0] if y is None else y
    grid = {}
    if _has_space(estimator):
        draws = ParameterSampler(registry.search_space(estimator), 2, random_state=0)
        grid = [{f"step__{name}": [v] for name, v in draw.items()} for draw in draws]
    scoring = None if hasattr(steps[-1][1], "score") else _no_score
    search = GridSearchCV(Pipeline(steps), grid, cv=3, scoring=scoring, error_score="raise")
    search.fit(X) if y is None else search.fit(X, y)
    assert np.isfinite(search.best_score_), f"the best score is {search.best_score_}"


def _no_score(estimator, X, y=None):
    return 0.0


def check_constant_columns(estimator):
    """Constant columns give finite results."""
    X, y = make_data(estimator)
    X[:, 0], X[:, 1] = 0.0, 3.0
    assert_finite(outputs(fitted(estimator, X, y), X))


def check_duplicated_rows(estimator):
    """Rows that are repeated give finite results, equal for equal rows."""
    X, y = make_data(estimator)
    X, y = np.tile(X[:6], (20, 1)), None if y is None else np.resize(y[:6], (120, *y.shape[1:]))
    found = outputs(fitted(estimator, X, y), X)
    assert_finite(found)
    first = {method: array[:6] for method, array in found.items()}
    for start in range(6, 120, 6):
        again = {method: array[start : start + 6] for method, array in found.items()}
        assert_same(again, first)


def check_one_sample(estimator):
    """A row alone gets what it gets among others."""
    X, y = make_data(estimator)
    fit = fitted(estimator, X, y)
    expected = outputs(fit, X)
    for i in (0, 1, 2):
        row = {method: array[i : i + 1] for method, array in expected.items()}
        assert_same(outputs(fit, X[i : i + 1]), row)


def check_scales(estimator):
    """Features of the order of 1e-150 and of 1e150 give finite results."""
    X, y = make_data(estimator)
    for scale in (1e-150, 1e150):
        try:
            assert_finite(outputs(fitted(estimator, X * scale, y), X * scale))
        except Exception as error:
            raise AssertionError(f"times {scale:g}: {error}") from error


def check_memory(estimator):
    """Fit and prediction on n rows take less memory than a quarter of an n x n matrix."""
    n_samples = 3000
    X, y = make_data(estimator, n_samples=n_samples, n_features=4)
    tracemalloc.start()
    try:
        outputs(fitted(estimator, X, y), X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    bound = n_samples**2 * 8 // 4
    assert peak < bound, (
        f"{n_samples} rows take {peak / 1e6:.1f} MB; {bound / 1e6:.1f} MB is ample"
    )


def check_search_space(estimator):
    """Each point of the search space can be set and fitted, and gives numbers."""
    space = registry.search_space(estimator)
    assert isinstance(space, dict), f"search_space() gives {type(space).__name__}, not a dict"
    assert space, "the search space is empty"
    unknown = sorted(set(space) - set(estimator.get_params()))
    assert not unknown, f"there is no parameter {', '.join(unknown)}"
    for name, values in space.items():
        if not hasattr(values, "rvs"):
            assert isinstance(values, (list, tuple, np.ndarray)), f"{name}: {values!r} is no list"
            assert len(values) > 0, f"{name}: the list is empty"
    X, y = make_data(estimator)
    for params in ParameterSampler(space, 8, random_state=0):
        try:
            found = outputs(fitted(clone(estimator).set_params(**params), X, y), X)
        except Exception as error:
            raise AssertionError(f"{params}: {type(error).__name__}: {error}") from error
        for method, array in found.items():
            if array.dtype.kind == "f":
                assert not np.isnan(array).any(), f"{params}: {method} is not a number"


def _has_space(estimator):
    registered = {card.name for card in registry.cards("skstruct.search_spaces")}
    return (
        hasattr(estimator, "search_space") or registry.public_path(type(estimator)) in registered
    )


def _sklearn_checks(subject, estimator):
    """Yield scikit-learn's own checks; if it leaves out all, a check that is skipped says why."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = list(estimator_checks_generator(estimator))
    for instance, check in found:
        options = ", ".join(f"{name}={value!r}" for name, value in check.keywords.items())
        name = check.func.__name__ + (f"({options})" if options else "")
        yield Check(subject, f"sklearn.{name}", check, instance, quiet=False)
    for warning in caught:
        yield Check(subject, "sklearn", partial(_skip, str(warning.message)), estimator)


def _skip(reason, estimator):
    """Every check of scikit-learn runs."""
    raise SkipTest(reason)


def estimator_checks(estimator, *, kind=None, subject=None):
    """List the checks of an estimator: scikit-learn's, with no expected failure, and skstruct's.

    Parameters
    ----------
    estimator : estimator instance or class
        Of a class, the instances that its classmethod ``conformance_instances`` gives are checked
        or, if it has none, the one with default parameters.
    kind : str, default=None
        What the group ``skstruct.kinds`` says of it; None not to check that.
    subject : str, default=None
        How the checks call it; None for the name of the class.

    Returns
    -------
    checks : list of Check
    """
    if not isinstance(estimator, type):
        return _instance_checks(estimator, kind, subject or type(estimator).__name__)
    subject = subject or estimator.__name__
    if not hasattr(estimator, "conformance_instances"):
        return _instance_checks(estimator(), kind, subject)
    instances = estimator.conformance_instances()
    if len(instances) == 1:
        return _instance_checks(instances[0], kind, subject)
    return [
        check
        for number, instance in enumerate(instances)
        for check in _instance_checks(instance, kind, f"{subject}[{number}]")
    ]


def _instance_checks(estimator, kind, subject):
    functions = [check_docstring]
    if kind is not None:
        functions.append(partial(check_kind, kind))
    if get_tags(estimator).input_tags.two_d_array:
        functions += [
            check_float32,
            check_pandas,
            check_polars,
            check_grid_search,
            check_constant_columns,
            check_duplicated_rows,
            check_scales,
            check_memory,
        ]
        if any(hasattr(estimator, method) for method in METHODS):
            functions += [check_one_sample, check_threads]
    functions += [check_round_trip, check_clone]
    if "n_jobs" in estimator.get_params(deep=False):
        functions.append(check_n_jobs)
    if _has_space(estimator):
        functions.append(check_search_space)
    names = [getattr(function, "func", function).__name__ for function in functions]
    ours = [
        Check(subject, name, function, estimator)
        for name, function in zip(names, functions, strict=True)
    ]
    return [*_sklearn_checks(subject, estimator), *ours]
