"""The contract of scikit-learn's searches, kept by a search that asks one trial at a time."""

import logging
import pickle

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
import sklearn
from scipy import sparse
from scipy.stats import loguniform
from search_hooks import Scripted
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.callback import ProgressBar
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.model_selection import RisingBanditSearchCV
from skstruct.model_selection._search_setup import _not_numeric, guess_task

X, Y = load_iris(return_X_y=True)
GRID = {"C": [0.01, 0.1, 1.0, 10.0]}


def make(n_iter=4, estimator=None, distributions=GRID, **params):
    estimator = LogisticRegression(max_iter=300) if estimator is None else estimator
    settings = {"cv": 3, "random_state": 0, **params}
    return RisingBanditSearchCV(estimator, distributions, n_iter=n_iter, **settings)


def in_order(results, key, by="param_C"):
    order = np.argsort(results[by].astype(float))
    return np.asarray(results[key])[order]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"scoring": "balanced_accuracy", "return_train_score": True},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"},
        {"scoring": {"a": "accuracy", "b": make_scorer(accuracy_score)}, "refit": "b"},
        {"scoring": {"a": "accuracy"}, "refit": False},
        {"scoring": lambda est, X, y: {"s": est.score(X, y), "half": 0.5}, "refit": "s"},
        {"refit": lambda results: int(np.argmin(results["mean_test_score"]))},
        {"refit": False},
        {"cv": StratifiedKFold(3, shuffle=True, random_state=1)},
        {"cv": list(KFold(4).split(X))},
    ],
    ids=lambda params: "-".join(params) or "defaults",
)
def test_same_results_as_grid_search(params):
    """The four values of the grid are all there is, so both searches see the same candidates."""
    ours = make(**params).fit(X, Y)
    theirs = GridSearchCV(LogisticRegression(max_iter=300), GRID, **{"cv": 3, **params}).fit(X, Y)
    assert set(ours.cv_results_) - set(theirs.cv_results_) == {"arm"}
    assert set(theirs.cv_results_) <= set(ours.cv_results_)
    for key in theirs.cv_results_:
        if "score" in key and "time" not in key:
            np.testing.assert_allclose(
                in_order(ours.cv_results_, key), in_order(theirs.cv_results_, key), rtol=1e-12
            )
    assert ours.multimetric_ == theirs.multimetric_
    assert ours.n_splits_ == theirs.n_splits_
    assert str(ours.scorer_) == str(theirs.scorer_)
    for name in ("best_params_", "best_score_", "best_estimator_", "classes_", "refit_time_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
    if hasattr(theirs, "best_score_"):
        assert ours.best_score_ == pytest.approx(theirs.best_score_)
    if hasattr(theirs, "best_estimator_"):
        assert ours.score(X, Y) == pytest.approx(theirs.score(X, Y), abs=0.02)


def test_times_and_arms_and_masks():
    arms = [{"C": [0.1, 1.0]}, {"C": [1.0], "tol": [1e-3, 1e-2]}]
    results = make(distributions=arms).fit(X, Y).cv_results_
    np.testing.assert_array_equal(results["param_tol"].mask, results["arm"] == 0)
    assert results["arm"].dtype.kind == "i"
    for key in ("mean_fit_time", "std_fit_time", "mean_score_time"):
        assert np.all(results[key] >= 0)
    assert all(results["mean_fit_time"] > 0)


def test_refit_must_name_a_metric():
    scoring = lambda est, X, y: {"s": 0.5}  # noqa: E731
    for given in (scoring, ["accuracy", "f1_macro"]):
        with pytest.raises(ValueError, match="refit must be set to a scorer key"):
            make(scoring=given).fit(X, Y)


def test_nothing_is_left_of_an_earlier_best():
    X, y = load_iris(return_X_y=True, as_frame=True)
    search = make().fit(X, y)
    assert list(search.feature_names_in_) == list(X)
    search.set_params(refit=False).fit(X.to_numpy(), y)
    left = {"best_index_", "best_params_", "best_score_"}
    gone = {"best_estimator_", "refit_time_", "feature_names_in_"}
    assert vars(search).keys() & (left | gone) == left
    search.set_params(scoring=["accuracy", "f1_macro"]).fit(X, y)
    assert not vars(search).keys() & (left | gone)


def test_second_metric_guides_if_refit_says_so():
    scoring = {"up": lambda e, X, y: e.x, "down": lambda e, X, y: -e.x}
    for metric, best in (("up", 0.9), ("down", 0.1)):
        search = make(3, Scripted(), {"x": [0.1, 0.5, 0.9]}, scoring=scoring, refit=metric)
        assert search.fit(X, Y).best_params_ == {"x": best}
        assert search.arm_summary_["best_score"] == [max(t["score"] for t in search.trials_)]


def test_failing_second_metric_leaves_the_first(recwarn):
    def broken(estimator, X, y):
        raise ValueError("no such metric")

    scoring = {"ok": "accuracy", "broken": broken}
    search = make(2, scoring=scoring, refit="ok", error_score=-1.0).fit(X, Y)
    assert [trial["state"] for trial in search.trials_] == ["COMPLETE"] * 2
    assert "no such metric" in search.trials_[0]["error"]
    np.testing.assert_array_equal(search.cv_results_["mean_test_broken"], -1.0)


def test_groups_and_sample_weight():
    groups = np.arange(len(Y)) % 5
    search = make(cv=GroupKFold(5)).fit(X, Y, groups=groups)
    assert search.n_splits_ == 5
    weight = np.where(Y == 2, 0.0, 1.0)
    weighted = make().fit(X, Y, sample_weight=weight)
    theirs = GridSearchCV(LogisticRegression(max_iter=300), GRID, cv=3)
    theirs.fit(X, Y, sample_weight=weight)
    np.testing.assert_allclose(
        in_order(weighted.cv_results_, "mean_test_score"),
        in_order(theirs.cv_results_, "mean_test_score"),
    )
    assert 2 not in weighted.predict(X)


def test_metadata_routing():
    weight = np.linspace(0.1, 2.0, len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = LogisticRegression(max_iter=300).set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        params = {"cv": GroupKFold(3), "scoring": scorer}
        given = {"sample_weight": weight, "groups": np.arange(len(Y)) % 3}
        ours = make(estimator=estimator, **params).fit(X, Y, **given)
        theirs = GridSearchCV(estimator, GRID, **params).fit(X, Y, **given)
        np.testing.assert_allclose(
            in_order(ours.cv_results_, "mean_test_score"),
            in_order(theirs.cv_results_, "mean_test_score"),
        )
        assert ours.score(X, Y, sample_weight=weight) == theirs.score(X, Y, sample_weight=weight)
        with pytest.raises(TypeError, match="unexpected argument"):
            make(estimator=LogisticRegression()).fit(X, Y, nonsense=weight)


@pytest.mark.parametrize("estimator", [None, LogisticRegression()], ids=["default", "given"])
def test_routing_of_an_unfitted_search(estimator):
    with sklearn.config_context(enable_metadata_routing=True):
        distributions = None if estimator is None else GRID
        search = RisingBanditSearchCV(estimator, distributions, n_iter=1, scoring="accuracy")
        router = search.set_params(cv=GroupKFold(3)).get_metadata_routing()
        assert router.consumes("fit", ["groups"]) == {"groups"}
        search.fit(X, Y, groups=np.arange(len(Y)) % 3)
        assert search.score(X, Y) > 0.9


@pytest.mark.parametrize("convert", [sparse.csr_array, sparse.csc_matrix, pd.DataFrame, list])
def test_containers(convert):
    search = make(2).fit(convert(X), Y)
    assert search.predict(convert(X)).shape == Y.shape
    assert search.n_features_in_ == 4


def test_frames_keep_their_names():
    frame = load_iris(as_frame=True).data
    search = make(2).fit(frame, pd.Series(Y, index=np.arange(len(Y)) + 3))
    assert list(search.feature_names_in_) == list(frame.columns)


def test_inside_other_meta_estimators():
    inner = make(2)
    pipeline = make_pipeline(StandardScaler(), inner).fit(X, Y)
    assert pipeline.score(X, Y) > 0.9
    assert cross_val_score(inner, X, Y, cv=2).min() > 0.9
    outer = GridSearchCV(inner, {"n_iter": [1, 2], "estimator__tol": [1e-3]}, cv=2).fit(X, Y)
    assert outer.best_estimator_.best_estimator_.tol == 1e-3


def test_tags_follow_the_estimator():
    assert is_classifier(make())
    assert is_regressor(make(estimator=Ridge(), distributions={"alpha": [1.0]}))
    assert RisingBanditSearchCV().__sklearn_tags__().estimator_type is None
    assert RisingBanditSearchCV().__sklearn_tags__().target_tags.required
    fitted = RisingBanditSearchCV(n_iter=1, random_state=0).fit(X, Y)
    assert is_classifier(fitted)
    precomputed = make(estimator=KNeighborsClassifier(metric="precomputed"))
    assert precomputed.__sklearn_tags__().input_tags.pairwise


def test_clone_and_pickle(tmp_path):
    search = make(3, journal=tmp_path / "journal").fit(X, Y)
    copy = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copy.predict(X), search.predict(X))
    assert copy.stop_reason_ == "n_iter"
    assert not hasattr(clone(search), "cv_results_")
    assert clone(search).get_params().keys() == search.get_params().keys()


def test_candidates_do_not_share_estimators_with_the_space():
    scaler = StandardScaler()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = make(2, pipeline, [{"standardscaler": [scaler], "logisticregression__C": [1, 2]}])
    search.fit(X, Y)
    assert not hasattr(scaler, "mean_")
    assert search.best_estimator_[0] is not scaler


def test_unsupervised():
    from sklearn.cluster import KMeans

    search = make(2, KMeans(random_state=0), {"n_clusters": [2, 3]}).fit(X)
    assert search.best_params_ == {"n_clusters": 3}  # the score is minus the inertia
    assert search.transform(X).shape == (len(X), 3)


class Recorder:
    """A callback that notes what it is told, and stops the search at one trial."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.begun, self.ended = [], []

    def setup(self, estimator, context):
        self.max_subtasks = context.max_subtasks

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self.begun.append((context.task_name, context.task_id))
        self.metadata = metadata

    def on_fit_task_end(self, estimator, context):
        self.ended.append((context.task_name, context.task_id))
        return context.task_name == "trial" and context.task_id == self.stop_at

    def teardown(self, estimator, context):
        self.torn_down = True


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks(n_jobs):
    recorder = Recorder()
    search = make(n_jobs=n_jobs).set_callbacks(recorder)
    with joblib.parallel_config(backend="threading"):
        search.fit(X, Y, sample_weight=np.ones(len(Y)))
    assert recorder.max_subtasks == 5
    trials = [("trial", k) for k in range(4)]
    assert sorted(recorder.ended[:4]) == trials
    assert recorder.ended[4:] == [("refit-with-best-params", 4), ("fit", 0)]
    assert sorted(recorder.begun) == sorted(recorder.ended)
    np.testing.assert_array_equal(recorder.metadata["sample_weight"], np.ones(len(Y)))
    assert recorder.torn_down


def test_callback_stops_the_search():
    recorder = Recorder(stop_at=1)
    search = make().set_callbacks(recorder).fit(X, Y)
    assert search.stop_reason_ == "callback"
    assert len(search.trials_) == 2


def test_callbacks_see_resumed_trials(tmp_path):
    make(2, journal=tmp_path / "journal").fit(X, Y)
    recorder = Recorder()
    make(3, journal=tmp_path / "journal", refit=False).set_callbacks(recorder).fit(X, Y)
    assert recorder.max_subtasks == 3
    assert recorder.ended == [("trial", 0), ("trial", 1), ("trial", 2), ("fit", 0)]


def test_progress_bar(capfd):
    make().set_callbacks(ProgressBar()).fit(X, Y)
    assert "RisingBanditSearchCV" in capfd.readouterr().out


def test_verbose_logs_and_prints_nothing(caplog, capsys):
    with caplog.at_level(logging.INFO):
        make().fit(X, Y)
        assert caplog.messages == []
        make(verbose=2).fit(X, Y)
        assert len(caplog.messages) == 4
        assert sum("(best)" in message for message in caplog.messages) < 4
        caplog.clear()
        make(verbose=1).fit(X, Y)
        assert all("(best)" in message for message in caplog.messages)
        assert len(caplog.messages) >= 1
    assert capsys.readouterr() == ("", "")


def test_verbose_without_logging_goes_to_stderr():
    import subprocess
    import sys

    code = (
        "from skstruct.model_selection import RisingBanditSearchCV as S\n"
        "from sklearn.linear_model import Ridge\nfrom sklearn.datasets import load_diabetes\n"
        "X, y = load_diabetes(return_X_y=True)\n"
        "S(Ridge(), {'alpha': [1, 2, 3]}, n_iter=2, verbose=2).fit(X, y)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == ""
    assert [line[:8] for line in done.stderr.splitlines()] == ["trial 0:", "trial 1:"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_iter": 0}, "n_iter"),
        ({"time_budget": 0}, "time_budget"),
        ({"trial_timeout": -1}, "trial_timeout"),
        ({"memory_limit": 0}, "memory_limit"),
        ({"journal_sync": "sometimes"}, "journal_sync"),
        ({"patience": 0}, "patience"),
        ({"min_delta": -0.1}, "min_delta"),
        ({"policy": "no such policy"}, "no such policy.*rising"),
        ({"sampler": "no such sampler"}, "no such sampler.*gp"),
        ({"policy": 3}, "policy"),
        ({"distributions": []}, "param_distributions"),
        ({"distributions": {}}, "param_distributions"),
        ({"distributions": {"C": 3}}, "'C'"),
        ({"distributions": ["a"]}, "param_distributions must be .* list of dicts, got 'a'"),
        ({"initial_params": [{"C": -5.0}]}, "initial_params has {'C': -5.0}"),
        ({"initial_params": [{"nonsense": 1}]}, "initial_params has {'nonsense': 1}"),
        ({"initial_params": [("C", 1)]}, r"must be a list of dicts, got \('C', 1\)"),
        ({"error_score": "warn"}, "error_score"),
    ],
    ids=str,
)
def test_bad_parameters(params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**params).fit(X, Y)


def test_estimator_and_arms_belong_together():
    with pytest.raises(ValueError, match="together with an estimator, or neither"):
        RisingBanditSearchCV(None, GRID).fit(X, Y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        RisingBanditSearchCV().fit(X)


TEXT = pd.DataFrame({"a": [1, 2, 3], **{f"t{k}": ["u", "v", "w"] for k in range(6)}})
DAYS = {"day": np.arange(3).astype("M8[D]"), "kind": ["u", "v", "w"], "x": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize(
    ("X", "named"),
    [
        (TEXT, "'t0', 't1', 't2', 't3', 't4' and 1 more"),
        (TEXT.to_numpy(), "1, 2, 3, 4, 5 and 1 more"),
        (TEXT[["a", "t1"]].astype("category"), "'t1'"),
        (pd.DataFrame(DAYS), "'day', 'kind'"),
        (polars.DataFrame(DAYS), "'day', 'kind'"),
        ([[1, "u"], [2, "v"], [3, "w"]], "1"),
        (pd.DataFrame({"s": pd.array([None, "u", "v"], dtype="string")}), "'s'"),
    ],
)
def test_default_arms_need_numbers(X, named):
    with pytest.raises(
        ValueError, match=rf"and X has {named}\. .*ColumnTransformer.*skstruct tune"
    ):
        RisingBanditSearchCV(cv=2).fit(X, [0, 1, 0])


def test_numbers_of_all_kinds_are_numeric():
    numbers = pd.DataFrame({"a": [1, 2], "b": [True, False]}).assign(
        c=pd.array([1, None], dtype="Int64"), d=["1", "2.5"], e=pd.Categorical([3, 4])
    )
    objects = numbers.drop(columns="c").to_numpy()
    assert objects.dtype == object
    for table in (
        numbers,
        objects,
        sparse.csr_array(np.eye(2)),
        polars.DataFrame({"a": [1, None]}),
    ):
        assert _not_numeric(table) == []


@pytest.mark.filterwarnings("ignore:n_iter=4 is less than the number of arms")
def test_no_arguments_needed():
    for load, kind in ((load_wine, is_classifier), (load_diabetes, is_regressor)):
        search = RisingBanditSearchCV(n_iter=4, cv=2, random_state=0).fit(*load(return_X_y=True))
        assert kind(search)
        assert len(set(search.cv_results_["arm"])) == 4
        assert "linear" in search.arm_summary_["name"]


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["a", "b", "a"], "classification"),
        ([0.0, 1.0, 2.0], "classification"),
        ([True, False], "classification"),
        ([0.5, 1.0, 2.0], "regression"),
        (np.arange(21), "regression"),
        (np.arange(21).astype(str), "classification"),
        (np.random.default_rng(0).random((9, 2)), "regression"),
    ],
)
def test_task_is_guessed(y, task):
    assert guess_task(y) == task


@pytest.mark.parametrize("y", [[0.5, np.nan, 1.0], pd.Series(["a", None, "b"]), [0.5, np.inf, 2]])
def test_no_task_for_a_target_with_gaps(y):
    with pytest.raises(ValueError, match="y must be labels of one type or finite numbers"):
        RisingBanditSearchCV(cv=2).fit(X[:3], y)


def test_space_of_the_estimator_is_the_default():
    search = RisingBanditSearchCV(LogisticRegression(), n_iter=2, cv=2, random_state=0).fit(X, Y)
    assert "C" in search.best_params_


def test_better_than_random_candidates_on_a_peak():
    """A smooth score of one parameter: the samplers learn, so that few trials come close."""
    ours, theirs = [], []
    for seed in range(5):
        space = {"x": loguniform(1e-6, 1e6)}
        estimator = Scripted()
        score = lambda est, X, y: -abs(np.log10(est.x) - 2.345)  # noqa: E731
        params = {"scoring": score, "cv": 2, "n_iter": 20, "random_state": seed}
        ours.append(RisingBanditSearchCV(estimator, space, **params).fit(X, Y).best_score_)
        theirs.append(RandomizedSearchCV(estimator, space, **params).fit(X, Y).best_score_)
    assert np.mean(ours) > np.mean(theirs) / 4  # both are negative
