"""The engine under searches whose trials are one fit on one split."""

import pickle

import joblib
import numpy as np
import pytest
from scipy.stats import uniform
from search_hooks import Scripted, X, Y, rows
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, ShuffleSplit

from skstruct.model_selection._core import WAIT, TrialResult
from skstruct.model_selection._folds import CycledFolds, RepeatedFolds, repeated_folds
from skstruct.model_selection._pulls import BasePullSearchCV, BatchCore

N_FITS = 14


class Learner:
    """Pulls three random points on one split each, then moves on from the best one."""

    def __init__(self, space, n_fits, seed):
        self.rng = np.random.default_rng(seed)
        self.left, self.k, self.center = n_fits, 0, 0.5
        self.told = []

    @property
    def done(self):
        return self.left == 0

    def ask(self):
        self.points = [
            (float(u),) for u in np.clip(self.center + self.rng.normal(0, 0.2, 3), 0, 1)
        ]
        self.points = self.points[: self.left]
        return [(point, self.k) for point in self.points]

    def tell(self, scores):
        self.told.append(scores)
        self.center = self.points[int(np.argmax(scores))][0]
        self.left -= len(scores)
        self.k += 1


class PullSearch(BasePullSearchCV):
    def __init__(
        self,
        estimator,
        *,
        n_fits=N_FITS,
        time_budget=None,
        trial_timeout=None,
        memory_limit=None,
        journal=None,
        journal_sync="normal",
        random_state=0,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="n_jobs",
        error_score=np.nan,
    ):
        super().__init__(
            estimator,
            n_fits=n_fits,
            time_budget=time_budget,
            trial_timeout=trial_timeout,
            memory_limit=memory_limit,
            journal=journal,
            journal_sync=journal_sync,
            random_state=random_state,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
        )

    def _distributions(self):
        return {"x": uniform(0, 1)}

    def _make_learner(self, space, *, n_fits, seed):
        return Learner(space, n_fits, seed)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_rows_do_not_depend_on_the_number_of_workers(backend):
    alone = PullSearch(Scripted(seconds=0.01)).fit(X, Y)
    assert len(alone.trials_) == N_FITS
    assert [t["split"] for t in alone.trials_] == [k // 3 for k in range(N_FITS)]
    with joblib.parallel_config(backend):
        together = PullSearch(Scripted(seconds=0.01), n_jobs=2).fit(X, Y)
    assert rows(together) == rows(alone)
    assert alone.stop_reason_ == "n_iter"


class Interrupting(Scripted):
    """Is interrupted at its fit number `kill_at`."""

    def _die(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("n_done", [1, 5, 6, 13])
def test_a_journal_is_continued(tmp_path, n_done):
    undisturbed = PullSearch(Scripted()).fit(X, Y)
    log = str(tmp_path / "log")
    first = PullSearch(Interrupting(log=log, kill_at=n_done + 1), journal=tmp_path / "journal")
    assert first.fit(X, Y).stop_reason_ == "interrupted"
    again = PullSearch(Interrupting(log=log), journal=tmp_path / "journal").fit(X, Y)
    assert again.n_resumed_ == n_done
    assert rows(again) == rows(undisturbed)


def test_a_journal_of_another_plan_is_refused(tmp_path):
    PullSearch(Scripted(), journal=tmp_path / "journal").fit(X, Y)
    with pytest.raises(ValueError, match="differs in n_fits"):
        PullSearch(Scripted(), journal=tmp_path / "journal", n_fits=20).fit(X, Y)


def test_a_failed_pull_scores_as_the_worst():
    core = BatchCore(Learner(None, 9, 0))
    for scores in [(np.nan, np.nan, np.nan), (-3.0, np.nan, -5.0), (np.nan, -1.0, -2.0)]:
        proposals = [core.ask() for _ in range(3)]
        for proposal, score in reversed(list(zip(proposals, scores, strict=True))):
            assert core.ask() is WAIT
            core.tell(TrialResult(proposal, score))
    assert core.ask() is None
    assert core.learner.told == [[0.0, 0.0, 0.0], [-3.0, -5.0, -5.0], [-5.0, -1.0, -2.0]]


def test_repeated_folds():
    labels = np.repeat([0, 1], [60, 30])
    folds = repeated_folds(3, np.zeros((90, 1)), labels, Scripted(), {}, 7)
    for repetition in range(3):
        tests = [folds[3 * repetition + k][1] for k in range(3)]
        np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(90))
        assert all(labels[test].sum() == 10 for test in tests)
    assert not np.array_equal(folds[0][1], folds[3][1])
    again = pickle.loads(pickle.dumps(RepeatedFolds(90, labels, 3, 7)))
    for k in (8, 2, 4):
        for mine, theirs in zip(folds[k], again[k], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_regressors_are_not_stratified_and_splitters_go_round():
    assert repeated_folds(None, X, Y, Ridge(), {}, None).labels is None
    folds = repeated_folds(ShuffleSplit(4, random_state=0), X, Y, Scripted(), {}, 0)
    assert isinstance(folds, CycledFolds)
    assert len(folds) == 4
    np.testing.assert_array_equal(folds[1][0], folds[5][0])
    groups = {"groups": np.arange(30) // 5}
    assert len(repeated_folds(GroupKFold(3), X, Y, Scripted(), groups, 0)) == 3


def test_a_prefix_is_a_draw_of_its_own():
    folds = RepeatedFolds(50, None, 5, 0)
    train, test = folds.prefix(3, 12)
    assert len(train) == 12 == len(np.unique(train))
    assert not set(train) & set(test)
    np.testing.assert_array_equal(train, RepeatedFolds(50, None, 5, 0).prefix(3, 12)[0])
    assert not np.array_equal(train, folds.prefix(8, 12)[0])


def test_splits_may_be_masks():
    train = np.arange(30) % 3 > 0
    folds = repeated_folds([(train, ~train)], X, Y, Scripted(), {}, 0)
    np.testing.assert_array_equal(folds[4][1], np.arange(0, 30, 3))
    drawn, _ = folds.prefix(0, 7)
    assert len(drawn) == 7
    assert train[drawn].all()


def test_splits_are_not_made_before_they_are_wanted(monkeypatch):
    sent = pickle.dumps(RepeatedFolds(90, None, 3, 7))
    monkeypatch.setattr(RepeatedFolds, "_repetition", None)
    assert len(pickle.loads(sent)) == 3
