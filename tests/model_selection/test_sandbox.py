import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn
from search_hooks import AsksForConfiguration, Scripted, Unpicklable, X, Y, n_lines, wait
from sklearn.metrics import check_scoring

from skstruct.model_selection import _sandbox
from skstruct.model_selection._process import start_time
from skstruct.model_selection._worker import Job, Task, _end_of, evaluate, evaluate_trial

FOLDS = [(np.arange(20), np.arange(20, 30)), (np.arange(10, 30), np.arange(10))]


def make_task(estimator=None, *, timeout=None, memory_limit=None, error_score=np.nan, key="test"):
    estimator = Scripted() if estimator is None else estimator
    return Task(
        estimator=estimator,
        folds=FOLDS,
        scorer=check_scoring(estimator),
        metric=None,
        measures={},
        fit_params={},
        score_params={},
        return_train_score=False,
        error_score=error_score,
        timeout=timeout,
        memory_limit=memory_limit,
        config=sklearn.get_config(),
        key=key,
    )


@pytest.fixture
def make_sandbox():
    made = []

    def make(*args, **kwargs):
        made.append(_sandbox.Sandbox(X, Y, make_task(*args, **kwargs)))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


def comes_true(condition, seconds=20.0):
    return any(condition() or wait(0.01) for _ in range(int(seconds / 0.01)))


def is_gone(pid):
    return comes_true(lambda: start_time(pid) is None)


def test_same_outcome_as_without(make_sandbox):
    sandbox = make_sandbox(timeout=60.0)
    job = Job(3, {"x": 0.1})
    inside, outside = sandbox.run(job), evaluate_trial(X, Y, sandbox.task, job)
    assert (inside.state, inside.error) == ("COMPLETE", None)
    for key in ("test", "score", "se", "failed", "metric"):
        assert inside.result[key] == outside.result[key]


def test_limit_kills_the_child_and_the_next_trial_gets_a_new_one(make_sandbox):
    sandbox = make_sandbox(timeout=0.5)
    assert sandbox.run(Job(0, {})).state == "COMPLETE"
    first = sandbox._process.pid
    outcome = sandbox.run(Job(1, {"mode": "hang"}))
    assert (outcome.state, outcome.result["score"]) == ("TIMEOUT", None)
    assert "trial_timeout, 0.5 s" in outcome.error
    assert 0.5 <= outcome.result["cost"] < 30
    assert start_time(first) is None
    assert sandbox.run(Job(2, {})).state == "COMPLETE"


def test_child_of_the_trial_is_killed_too(make_sandbox, tmp_path):
    log = tmp_path / "log"
    sandbox = make_sandbox(Scripted(log=str(log)), timeout=1.5)
    assert sandbox.run(Job(0, {"mode": "hang_with_child"})).state == "TIMEOUT"
    assert is_gone(int(Path(f"{log}.child").read_text()))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_death_costs_only_its_trial(make_sandbox, monkeypatch, name):
    sandbox = make_sandbox(timeout=60.0)
    sandbox._start()
    pid, send = sandbox._process.pid, sandbox._connection.send_bytes

    def send_then_kill(message):
        send(message)
        os.kill(pid, getattr(signal, name))

    monkeypatch.setattr(sandbox._connection, "send_bytes", send_then_kill)
    outcome = sandbox.run(Job(0, {"mode": "hang"}))
    assert (outcome.state, outcome.error) == ("DIED", f"The process of the trial died of {name}.")
    assert sandbox.run(Job(1, {})).state == "COMPLETE"


@pytest.mark.skipif(not _sandbox.LINUX, reason="elsewhere the child is killed: needs psutil")
def test_memory_limit_is_an_error_in_a_child_that_lives_on(make_sandbox):
    sandbox = make_sandbox(memory_limit=2**28)
    assert sandbox.run(Job(0, {})).state == "COMPLETE"
    child = sandbox._process.pid
    outcome = sandbox.run(Job(1, {"mode": "allocate"}))
    assert outcome.state == "MEMORY"
    assert "MemoryError" in outcome.error
    assert sandbox.run(Job(2, {})).state == "COMPLETE"
    assert sandbox._process.pid == child


@pytest.mark.skipif(not _sandbox.LINUX, reason="there is no such limit")
@pytest.mark.parametrize("hard", [-1, 2**50, 2**20])
def test_memory_limit_keeps_to_a_limit_that_is_there(monkeypatch, hard):
    resource = pytest.importorskip("resource")
    limits = [(2**19, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, given: limits.append(given))
    with _sandbox._limited_memory(2**30):
        soft, kept = limits[-1]
    assert kept == hard
    assert soft == hard if hard == 2**20 else 2**30 < soft < 2**50
    assert limits[-1] == limits[0]


def test_long_traceback_begins_with_a_line():
    lines = "".join(f"line {k}\n" for k in range(1000))
    tail = _end_of(lines)
    assert tail.startswith("line ")
    assert lines.endswith(tail)
    assert 1900 < len(tail) <= 2000
    assert _end_of("short\n") == "short\n"
    assert _end_of(3000 * "x" + "\n") == 1999 * "x" + "\n"


def test_memory_limit_by_resident_size(make_sandbox, monkeypatch):
    monkeypatch.setattr(_sandbox, "LINUX", False)
    sandbox = make_sandbox(timeout=60.0)
    sandbox._start()  # a child that knows of no limit, as on another platform
    sandbox.task = replace(sandbox.task, memory_limit=2**26)
    outcome = sandbox.run(Job(0, {"mode": "grow"}))
    assert outcome.state == "MEMORY"
    assert f"memory_limit, {2**26} bytes" in outcome.error
    assert sandbox.run(Job(1, {})).state == "COMPLETE"


def test_error_of_a_fit_arrives_with_its_note(make_sandbox):
    outcome = make_sandbox(timeout=60.0, error_score="raise").run(Job(7, {"mode": "raise"}))
    assert isinstance(outcome.exception, RuntimeError)
    assert "Raised in fold 0 of trial 7" in outcome.exception.__notes__[0]
    assert "the estimator says no" in outcome.error


def test_configuration_goes_along(make_sandbox):
    with sklearn.config_context(assume_finite=True):
        sandbox = make_sandbox(AsksForConfiguration(), timeout=60.0)
    assert sandbox.run(Job(0, {})).result["score"] == 1.0


def test_estimator_that_cannot_travel_is_an_error(make_sandbox):
    with pytest.raises(RuntimeError, match="cannot be rebuilt"):
        make_sandbox(Unpicklable(), timeout=60.0).run(Job(0, {}))


def test_child_ends_with_its_parent(tmp_path):
    log = tmp_path / "log"
    code = (
        "import test_sandbox as t, os\n"
        f"task = t.make_task(t.Scripted(log={str(log)!r}), timeout=60.)\n"
        "sandbox = t._sandbox.Sandbox(t.X, t.Y, task)\n"
        "sandbox._start()\n"
        "print(sandbox._process.pid, flush=True)\n"
        "sandbox.run(t.Job(0, {'mode': 'hang'}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert comes_true(lambda: n_lines(log) == 1)  # in the middle of a fit
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert is_gone(child)


def test_sandboxes_are_kept_for_their_search_and_closed_with_it():
    evaluate(X, Y, make_task(timeout=60.0, key="one"), Job(0, {}))
    (kept,) = _sandbox._idle
    pid = kept._process.pid
    number, outcome = evaluate(X, Y, make_task(timeout=60.0, key="one"), Job(1, {}))
    assert (number, outcome.state, kept._process.pid) == (1, "COMPLETE", pid)
    evaluate(X, Y, make_task(timeout=60.0, key="two"), Job(0, {}))  # another search needs room
    assert start_time(pid) is None
    _sandbox.close_idle("two")
    assert _sandbox._idle == []


def test_no_limit_needs_no_sandbox():
    assert evaluate(X, Y, make_task(), Job(0, {}))[1].state == "COMPLETE"
    assert _sandbox._idle == []
