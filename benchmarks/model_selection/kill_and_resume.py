"""Kill searches at random instants, resume them to the end, and compare.

    python benchmarks/model_selection/kill_and_resume.py --searches 50
    python benchmarks/model_selection/kill_and_resume.py --search ConstrainedSearchCV --searches 5

Each search runs in a process group of its own, which gets SIGKILL at an instant drawn from the
time that an undisturbed search takes for its trials; it is begun again and killed again, `--kills`
times, and then left alone. What is counted, over all searches:

lost      trials whose finish was committed when the kill came, and that are not there at the end
repeated  trials that were finished when the kill came, and that were run again
re-run    trials that were under way, which have to be run again: n_jobs a kill at most, and with
          workers those whose results were on their way
equal     searches that end with the best score, and with every row, of the undisturbed search
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skstruct.model_selection import (
    ConsensusSearchCV,
    ConstrainedSearchCV,
    MultiFidelitySearchCV,
    RandomDecompositionSearchCV,
    RisingBanditSearchCV,
    ThresholdSearchCV,
    UnimodalBanditSearchCV,
    cash_space,
    read_journal,
)

N_ITER = 30
N_FITS = 150  # as many as N_ITER trials of 5 folds
SVC_SPACE = {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-4, 1e1)}


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def rising_bandit(**common):
    estimator, distributions = cash_space(
        {
            "linear": (
                scaled(LogisticRegression(max_iter=300)),
                {"logisticregression__C": loguniform(1e-3, 1e3)},
            ),
            "svc": (scaled(SVC()), SVC_SPACE),
            "neighbors": (
                scaled(KNeighborsClassifier()),
                {"kneighborsclassifier__n_neighbors": list(range(1, 31))},
            ),
        }
    )
    return RisingBanditSearchCV(estimator, distributions, n_iter=N_ITER, **common)


def constrained(**common):
    limits = {"model_size": ("<=", 9_000)}
    return ConstrainedSearchCV(
        scaled(SVC()), SVC_SPACE, constraints=limits, n_iter=N_ITER, **common
    )


def multi_fidelity(**common):
    return MultiFidelitySearchCV(scaled(SVC()), SVC_SPACE, n_iter=N_ITER // 2, **common)


def random_decomposition(**common):
    return RandomDecompositionSearchCV(scaled(SVC()), SVC_SPACE, n_iter=N_ITER, **common)


def unimodal_bandit(**common):
    grid = {
        "svc__C": np.logspace(-2, 3, 11).tolist(),
        "svc__gamma": np.logspace(-4, 1, 11).tolist(),
    }
    return UnimodalBanditSearchCV(scaled(SVC()), grid, n_fits=N_FITS, **common)


def consensus(**common):
    return ConsensusSearchCV(scaled(SVC()), SVC_SPACE, n_fits=N_FITS, **common)


def threshold(**common):
    sizes = range(10, 140)
    return ThresholdSearchCV(
        scaled(SVC()), "train_size", sizes, target=0.95, n_fits=N_FITS, **common
    )


SEARCHES = {
    "ConsensusSearchCV": consensus,
    "ConstrainedSearchCV": constrained,
    "MultiFidelitySearchCV": multi_fidelity,
    "RandomDecompositionSearchCV": random_decomposition,
    "RisingBanditSearchCV": rising_bandit,
    "ThresholdSearchCV": threshold,
    "UnimodalBanditSearchCV": unimodal_bandit,
}


def run(name, seed, journal, n_jobs):
    search = SEARCHES[name](random_state=int(seed), journal=journal, n_jobs=int(n_jobs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nothing feasible, nothing reached
        return search.fit(*load_wine(return_X_y=True))


def start(name, seed, journal, n_jobs):
    command = [sys.executable, __file__, "--run", name, str(seed), str(journal), str(n_jobs)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, process_group=0)


def finished(journal):
    """Return the trials that are finished, by number; none before there is a journal."""
    if not journal.exists():
        return {}
    try:
        trials = read_journal(journal)
    except ValueError:  # killed before it had its tables
        return {}
    return {t["number"]: t for t in trials if t["finished"] is not None}


def rows(trials):
    keys = ("arm", "level", "split", "params", "state", "score")
    return [tuple(t[key] for key in keys) for t in trials]


def clock(n_jobs):
    """Return the event that says that trials are run: worker processes take long to start."""
    return "started" if n_jobs == 1 else "finished"


def time_undisturbed(name, folder, n_jobs):
    """Return the seconds that the trials of a search take."""
    journal = Path(folder, "undisturbed")
    start(name, 0, journal, n_jobs).wait()
    trials = finished(journal).values()
    begin = min(trial[clock(n_jobs)] for trial in trials)
    return max(trial["finished"] for trial in trials) - begin


def wait_for_first_trial(process, journal, event):
    """Wait until this very process has begun or finished a trial, or has found nothing to do."""
    while process.poll() is None:
        if journal.exists():
            with closing(sqlite3.connect(journal)) as connection, suppress(sqlite3.Error):
                query = f"SELECT 1 FROM trial WHERE pid = ? AND {event} IS NOT NULL"
                if connection.execute(query, (process.pid,)).fetchone():
                    return
        time.sleep(0.001)


def kill_and_resume(name, seed, folder, n_jobs, n_kills, seconds):
    """Return the counts of one search."""
    rng = np.random.default_rng([seed, n_jobs])
    journal = Path(folder, f"journal {seed} {n_jobs}")
    kept, lost, repeated, rerun, kills = {}, 0, 0, 0, 0
    for _ in range(n_kills):
        process = start(name, seed, journal, n_jobs)
        wait_for_first_trial(process, journal, clock(n_jobs))
        time.sleep(rng.uniform(0.0, seconds / n_kills))
        with suppress(ProcessLookupError):  # it was faster
            os.killpg(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        now = finished(journal)
        lost += len(kept.keys() - now.keys())
        repeated += sum(now[number] != trial for number, trial in kept.items() if number in now)
        kept = now
        rerun += len(read_journal(journal)) - len(now)
    search = run(name, seed, journal, n_jobs)
    end = finished(journal)
    lost += len(kept.keys() - end.keys())
    repeated += sum(end[number] != trial for number, trial in kept.items() if number in end)
    with sqlite3.connect(journal) as connection:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    return search, lost, repeated, rerun, kills, sound == "ok"


def count(name, n_jobs, options):
    """Kill and resume searches of one class; print the counts."""
    lost = repeated = rerun = kills = same_best = same_rows = sound = resumed = 0
    with tempfile.TemporaryDirectory() as folder:
        seconds = time_undisturbed(name, folder, n_jobs)
        for seed in range(options.searches):
            search, *counts = kill_and_resume(name, seed, folder, n_jobs, options.kills, seconds)
            undisturbed = run(name, seed, None, n_jobs)
            lost += counts[0]
            repeated += counts[1]
            rerun += counts[2]
            kills += counts[3]
            sound += counts[4]
            resumed += search.n_resumed_
            same_best += _best(search) == _best(undisturbed)
            same_rows += rows(search.trials_) == rows(undisturbed.trials_)
    print(
        f"{name}, n_jobs={n_jobs}: {options.searches} searches of "
        f"{len(undisturbed.trials_)} trials, {kills} kills within {seconds:.1f} s, "
        f"{resumed} trials found finished after the last; "
        f"lost {lost}, repeated {repeated}, re-run {rerun}, files sound {sound}, "
        f"equal best score {same_best}, equal rows {same_rows}",
        flush=True,
    )


def _best(search):
    return repr(getattr(search, "best_score_", None))  # a threshold may have no score of its own


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", nargs="+", choices=SEARCHES, default=["RisingBanditSearchCV"])
    parser.add_argument("--searches", type=int, default=50)
    parser.add_argument("--kills", type=int, default=2, help="of each search")
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    for name in options.search:
        for n_jobs in options.n_jobs:
            count(name, n_jobs, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(*sys.argv[2:])
    else:
        main()
