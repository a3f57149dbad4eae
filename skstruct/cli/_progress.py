"""How a search goes: a live display on a terminal, otherwise one line per finished trial.

`Progress` is a callback of the search.  It learns from the journal what a trial came to, its own
process's or another's, and looks there so seldom that it takes a twentieth of the time at most.
"""

import contextlib
import sys
import time

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skstruct.cli import _text
from skstruct.model_selection import read_journal


class Progress:
    """A scikit-learn callback that shows the trials of a search.

    Parameters
    ----------
    journal : path
        Of the search.
    arms : list of str
        Names, in the order of the search.
    n_trials : int or None
        Trials in all, if that is known.
    seconds : float or None
        Time budget.
    contends : callable
        Tells of a trial, a dict of `read_journal`, whether it may be the best.
    """

    def __init__(self, journal, arms, *, n_trials, seconds, contends):
        self.journal = journal
        self.n_trials = n_trials
        self.seconds = seconds
        self.contends = contends
        self.n_resumed = 0
        self.n_failed = 0
        self.best = None
        self._arms = {name: _Arm() for name in arms}
        self._names = list(arms)
        self._seen = set()
        self._next_look = 0.0
        self._begin = time.time()
        self._live = None

    @contextlib.contextmanager
    def watch(self):
        """Show what happens inside."""
        try:
            if sys.stdout.isatty():
                with Live(self, console=Console(), refresh_per_second=4) as self._live:
                    yield
                    self._look()
            else:
                yield
        finally:
            self._look()
            self._live = None

    def setup(self, estimator, context):
        """Part of the protocol of callbacks."""

    def teardown(self, estimator, context):
        """Part of the protocol of callbacks."""

    def on_fit_task_begin(self, estimator, context):
        """Part of the protocol of callbacks."""

    def on_fit_task_end(self, estimator, context):
        """Look into the journal when a trial has ended."""
        if context.task_name == "trial" and time.perf_counter() >= self._next_look:
            self._look()

    def _look(self):
        begin = time.perf_counter()
        try:
            trials = read_journal(self.journal)
        except (OSError, ValueError):  # the search itself tells what is wrong with its journal
            trials = []
        news = [t for t in trials if t["finished"] and t["number"] not in self._seen]
        for trial in sorted(news, key=lambda trial: trial["finished"]):
            self._take_in(trial)
        self._next_look = time.perf_counter() + 20 * (time.perf_counter() - begin)

    def _take_in(self, trial):
        name = self._names[trial["arm"]]
        score = trial["score"] if trial["state"] == "COMPLETE" else None
        is_better = score is not None and (self.best is None or score > self.best[0])
        is_best = is_better and self.contends(trial)
        if is_best:
            self.best = score, name
        self._seen.add(trial["number"])
        self.n_failed += score is None
        self._arms[name].add(score, trial["cost"])
        if trial["finished"] < self._begin:
            self.n_resumed += 1
        elif self._live is None:
            print(self._line(trial, name, score, is_best), flush=True)

    def _line(self, trial, name, score, is_best):
        width = max(map(len, self._names))
        seconds = _text.duration(trial["cost"])
        if score is None:
            reason = (trial["error"] or "").strip().rpartition("\n")[2]
            story = f"{trial['state'].lower()} {reason}".strip()[:160]
        else:
            params = {k: v for k, v in trial["params"].items() if k.startswith("model__")}
            story = _text.parameters(params)
        mark = "*" if is_best else " "
        shown = " " * 8 if score is None else f"{score:8.5f}"
        number = trial["number"] + 1
        return f"{number:4d} {mark} {shown}  {name:{width}}  {seconds:>9}  {story}".rstrip()

    def __rich__(self):
        elapsed = time.time() - self._begin
        best = "none yet" if self.best is None else f"{self.best[0]:.5f}  {self.best[1]}"
        head = Table.grid(padding=(0, 2))
        head.add_row(Text("best"), Text(best, style="bold"))
        done = Table.grid(padding=(0, 1))
        if self.seconds is None:
            done.add_row(ProgressBar(self.n_trials, len(self._seen), width=40), self._tally())
        else:
            done.add_row(ProgressBar(self.seconds, elapsed, width=40), self._tally())
        head.add_row(Text("trials"), done)
        head.add_row(Text("time"), self._clock(elapsed))
        return Group(head, self._arm_table())

    def _tally(self):
        remarks = [f"{len(self._seen)}"]
        if self.seconds is None and self.n_trials is not None:
            remarks[0] += f" of {self.n_trials}"
        if self.n_resumed:
            remarks.append(f"{self.n_resumed} from before")
        if self.n_failed:
            remarks.append(f"{self.n_failed} failed")
        return Text(", ".join(remarks))

    def _clock(self, elapsed):
        new = len(self._seen) - self.n_resumed
        if self.seconds is not None:
            left = max(0.0, self.seconds - elapsed)
        elif new and self.n_trials is not None:
            left = elapsed / new * max(0, self.n_trials - len(self._seen))
        else:
            return Text(_text.duration(elapsed))
        ahead = f", about {_text.duration(left)} left" if left >= 1 else ""
        return Text(_text.duration(elapsed) + ahead)

    def _arm_table(self):
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("arm")
        table.add_column("", width=24)
        table.add_column("trials", justify="right")
        table.add_column("best", justify="right")
        table.add_column("mean time", justify="right")
        most = max(1, *(arm.n_trials for arm in self._arms.values()))
        for name, arm in self._arms.items():
            leads = self.best is not None and self.best[1] == name
            table.add_row(
                Text(name, style="bold" if leads else ""),
                ProgressBar(most, arm.n_trials, width=24),
                str(arm.n_trials),
                "-" if arm.best is None else f"{arm.best:.5f}",
                _text.duration(np.mean(arm.costs)) if arm.costs else "-",
            )
        return table


class _Arm:
    def __init__(self):
        self.costs = []
        self.best = None

    @property
    def n_trials(self):
        return len(self.costs)

    def add(self, score, cost):
        self.costs.append(cost)
        if score is not None and (self.best is None or score > self.best):
            self.best = score
