"""An estimator that does on cue what fits do at their worst, and leaves a record of its fits."""

import os
import select
import signal
import subprocess
import sys

import numpy as np
import sklearn
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin

from skstruct.model_selection import RisingBanditSearchCV

X = np.arange(60.0).reshape(30, 2)
Y = np.tile([0, 1], 15)


def wait(seconds=60.0):
    """Block in a system call, as long as nobody kills the process."""
    select.select([], [], [], seconds)


def n_lines(path):
    return len(path.read_bytes().splitlines()) if path.exists() else 0


class Scripted(ClassifierMixin, BaseEstimator):
    """Scores ``peak - (x - 0.3)^2`` and behaves as `mode` says.

    Parameters
    ----------
    x, peak : float
        Decide the score.
    mode : str
        What `fit` does.
    log : str or None
        File to which every fit that begins adds the line "x".
    kill_at : int or None
        The process kills itself when a fit finds so many lines in `log`, its own included.
    seconds : float
        How long each fit waits.
    """

    def __init__(self, x=0.9, peak=0.8, mode="fit", log=None, kill_at=None, seconds=0.0):
        self.x = x
        self.peak = peak
        self.mode = mode
        self.log = log
        self.kill_at = kill_at
        self.seconds = seconds

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        if self.log is not None:
            self._write()
        if self.seconds:
            wait(self.seconds)
        getattr(self, f"_{self.mode}")()
        return self

    def _write(self):
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{self.x!r}\n".encode())
        os.close(descriptor)
        if self.kill_at is not None:
            with open(self.log, "rb") as lines:
                if len(lines.readlines()) == self.kill_at:
                    self._die()

    def _fit(self):
        pass

    _nan = _fit

    def _raise(self):
        raise RuntimeError("the estimator says no")

    def _hang(self):
        wait()

    def _hang_with_child(self):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        with open(f"{self.log}.child", "w") as file:
            file.write(str(child.pid))
        wait()

    def _allocate(self):
        self.blocks_ = [np.ones(2**22) for _ in range(64)]  # 2 GiB

    def _grow(self):
        self.block_ = np.ones(2**26)  # 512 MiB
        wait()

    def _die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _interrupt(self):
        raise KeyboardInterrupt

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        return np.nan if self.mode == "nan" else self.peak - (self.x - 0.3) ** 2


def x_of(estimator, X, y):
    """A measure."""
    return estimator.x


def make_search(n_iter=20, log=None, **params):
    """Return a search over two arms of `Scripted`."""
    estimator = Scripted(log=None if log is None else str(log))
    estimator.set_params(**params.pop("scripted", {}))
    arms = [{"x": uniform(0, 1), "peak": [0.8]}, {"x": uniform(0, 1), "peak": [0.5]}]
    settings = {"n_iter": n_iter, "cv": 2, "random_state": 0, "policy": "round_robin"}
    return RisingBanditSearchCV(estimator, arms, **{**settings, **params})


class AsksForConfiguration(Scripted):
    """Scores 1 where scikit-learn is told to assume that all is finite."""

    def score(self, X, y):
        return float(sklearn.get_config()["assume_finite"])


class Unpicklable(Scripted):
    """Leaves its process, and cannot be rebuilt in another."""

    def __reduce__(self):
        return _fail, ()


def _fail():
    raise RuntimeError("cannot be rebuilt")


def rows(search):
    """Return what two equal searches have in common, trial by trial."""
    return [(t["number"], t["arm"], t["state"], t["params"], t["score"]) for t in search.trials_]


def main(journal, log, n_iter, n_jobs, *kill_at):
    """Run a search in a process of its own."""
    make_search(
        int(n_iter),
        log=log,
        journal=journal,
        n_jobs=int(n_jobs),
        policy="rising",
        scripted={"kill_at": int(kill_at[0]) if kill_at else None, "seconds": 0.002},
    ).fit(X, Y)


if __name__ == "__main__":
    main(*sys.argv[1:])
