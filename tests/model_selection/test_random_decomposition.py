import shutil
import sqlite3

import joblib
import numpy as np
import pytest
from bowl_hooks import Bowl
from scipy.sparse import issparse
from scipy.stats import uniform
from search_hooks import X, Y, rows
from sklearn.exceptions import FitFailedWarning

from skstruct.model_selection import RandomDecompositionSearchCV

SPACE = {**{name: uniform(0, 1) for name in "abcdef"}, "kind": ["flat", "steep"], "one": [1]}


def make(n_iter=24, **params):
    settings = {"cv": 2, "random_state": 0, "n_init": 5, **params}
    estimator = settings.pop("estimator", Bowl())
    return RandomDecompositionSearchCV(estimator, SPACE, n_iter=n_iter, **settings)


def test_search():
    search = make(40).fit(X, Y)
    first, *_ = search.trials_
    assert first["params"] == {**dict.fromkeys("abcdef", 0.9), "kind": "flat", "one": 1}
    assert search.best_score_ > -0.05
    assert search.best_params_["kind"] == "flat"
    assert search.best_estimator_.a == search.best_params_["a"]
    assert len(search.cv_results_["params"]) == 40


def test_what_it_reports():
    search = make(30).fit(X, Y)
    assert list(search.length_scales_) == [*"abcdef", "kind"]  # one value is not searched
    assert all(0.03 <= length <= 5 for length in search.length_scales_.values())
    counts = search.edge_counts_
    assert issparse(counts)
    assert counts.shape == (7, 7)
    assert counts.sum() == 2 * 25  # one pair at each step with a model
    assert (counts != counts.T).nnz == 0
    assert 0.01 <= search.trust_region_side_ <= 1.6


def test_parameters_reach_the_sampler():
    steps = []

    def beta(t):
        steps.append(t)
        return 1.0

    search = make(8, n_init=3, edge_fraction=1.0, beta=beta, n_zoom=0, trust_region=False)
    search.fit(X, Y)
    assert steps == [1, 2, 3, 4, 5]
    assert search.edge_counts_.sum() == 2 * 6 * 5


@pytest.mark.parametrize("refit", [True, False])
def test_failed_trials_are_kept_and_learned_from(refit):
    with pytest.warns(FitFailedWarning, match="too much of a"):
        search = make(40, estimator=Bowl(fail=True), refit=refit).fit(X, Y)
    failed = np.isnan(search.cv_results_["mean_test_score"])
    assert failed[0]
    assert failed[5:].mean() < 0.1
    assert search.best_score_ > -0.05


def test_several_spaces_are_refused():
    search = RandomDecompositionSearchCV(Bowl(), [SPACE, SPACE])
    with pytest.raises(ValueError, match="RisingBanditSearchCV searches several"):
        search.fit(X, Y)
    one = RandomDecompositionSearchCV(Bowl(), [SPACE], n_iter=2, cv=2).fit(X, Y)
    assert len(one.trials_) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("edge_fraction", 0.0), ("beta", -1.0), ("grid_size", 3), ("n_zoom", -1), ("n_init", 1)],
)
def test_bad_parameters(name, value, tmp_path):
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        make(2, journal=tmp_path / "journal", **{name: value}).fit(X, Y)
    assert not (tmp_path / "journal").exists()


def test_same_seed_same_search():
    first, second, other = (make(16, random_state=seed).fit(X, Y) for seed in (0, 0, 1))
    assert rows(first) == rows(second)
    assert rows(first) != rows(other)


def test_rounds_do_not_depend_on_the_backend():
    """Two workers in rounds: processes and threads make the same search, twice."""
    found = []
    for backend in ("threading", "loky", "threading"):
        with joblib.parallel_config(backend=backend):
            found.append(rows(make(14, n_jobs=2, synchronous=True).fit(X, Y)))
    assert found[0] == found[1] == found[2]


def test_two_workers_finish_all_trials():
    with joblib.parallel_config(backend="threading"):
        search = make(30, n_jobs=2).fit(X, Y)
    assert [trial["number"] for trial in search.trials_] == list(range(30))
    assert search.best_score_ > -0.3


def test_any_interruption_leaves_the_rows_of_the_undisturbed_search(tmp_path):
    whole = make(16).fit(X, Y)
    journal = tmp_path / "journal"
    make(16, journal=journal).fit(X, Y)
    for k in range(0, 16, 3):
        part = tmp_path / f"part {k}"
        shutil.copy(journal, part)
        with sqlite3.connect(part) as connection:
            connection.execute("DELETE FROM trial WHERE number > ?", (k,))
            connection.execute(
                "UPDATE trial SET state = 'RUNNING', pid_start = '1', result = NULL, "
                "finished = NULL WHERE number = ?",
                (k,),
            )
        connection.close()
        search = make(16, journal=part).fit(X, Y)
        assert rows(search) == rows(whole)
        assert search.n_resumed_ == k
        assert search.length_scales_ == whole.length_scales_
        assert search.trust_region_side_ == whole.trust_region_side_
        assert (search.edge_counts_ != whole.edge_counts_).nnz == 0


def interrupt_once(estimator, X, y):
    interrupt_once.left -= 1
    if interrupt_once.left == 0:
        raise KeyboardInterrupt
    return estimator.score(X, y)


def test_interrupted_and_continued_with_more_trials(tmp_path):
    whole = make(20, scoring=interrupt_once)
    interrupt_once.left = -1
    whole.fit(X, Y)
    journal = tmp_path / "journal"
    interrupt_once.left = 2 * 9 + 1
    part = make(14, scoring=interrupt_once, journal=journal).fit(X, Y)
    assert part.stop_reason_ == "interrupted"
    assert len(part.trials_) == 9
    rest = make(20, scoring=interrupt_once, journal=journal).fit(X, Y)
    assert rest.n_resumed_ == 9
    assert rows(rest) == rows(whole)


def test_earlier_results_spare_the_first_points():
    earlier = make(30).fit(X, Y)
    search = make(6, warm_start_from=earlier, start_from_defaults=False).fit(X, Y)
    assert search.edge_counts_.sum() == 2 * 6
    assert search.best_score_ > earlier.best_score_ - 0.02
