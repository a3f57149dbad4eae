import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from skstruct.model_selection import _journal_file, _process, read_journal
from skstruct.model_selection._core import Proposal
from skstruct.model_selection._store import MemoryStore, SQLiteStore

META = {"arm_names": ["a", "b"], "seed": 1, "prior": [], "estimator": ""}
KEY = {"X": "1", "scoring": "None"}
RESULT = {"score": 0.1 + 0.2, "cost": 1.5, "se": 0.0, "test": {"score": [0.3, None]}}


def opened(path, **params):
    store = SQLiteStore(path, **params)
    store.open(KEY, META)
    return store


def claim(store, u=(0.5,), arm=0):
    with store.transaction():
        store.changes()
        return store.claim(Proposal(arm, u), {"C": u[0]})


def finished(trial, state="COMPLETE"):
    return trial._replace(state=state, result=RESULT, finished=trial.started + 1.0)


def run_elsewhere(path, code):
    """Run code on the journal in a process that then dies without a word."""
    code = (
        "import os, sys, test_store as t\n"
        f"store = t.opened({str(path)!r})\n{code}\n"
        "sys.stdout.flush()\nos.kill(os.getpid(), 9)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_numbers_are_dense(kind, path):
    store = MemoryStore() if kind == "memory" else SQLiteStore(path)
    assert store.open(KEY, META) == META
    trials = [claim(store, (k / 7,)) for k in range(5)]
    assert [trial.number for trial in trials] == list(range(5))
    assert all(store.finish(finished(trial)) for trial in trials)
    assert store.changes() == []  # nothing is news to who wrote it
    store.close()


def test_floats_come_back_as_they_were(path):
    u = (1 / 3, 5e-324, 1 - 2**-53)
    store = opened(path)
    store.finish(finished(claim(store, u, arm=1)))
    (trial,) = opened(path).changes()
    assert trial.proposal == Proposal(1, u)
    assert trial.result == RESULT
    assert (trial.state, trial.params) == ("COMPLETE", {"C": 1 / 3})
    assert opened(path).total_cost() == RESULT["cost"]


def test_the_founder_decides_what_is_left_open(path):
    opened(path).close()
    assert SQLiteStore(path).open(KEY, {**META, "seed": 2})["seed"] == 1


def test_other_search_is_refused_by_what_differs(path):
    opened(path).close()
    with pytest.raises(ValueError, match=r"differs in X, y\. Give another path") as caught:
        SQLiteStore(path).open({"X": "2", "scoring": "None", "y": "3"}, META)
    assert "scoring" not in str(caught.value)


def test_other_files_are_refused(path, tmp_path):
    path.write_text("number,state\n" * 100)
    with pytest.raises(ValueError, match="cannot be used as a journal: file is not a database"):
        SQLiteStore(path)
    foreign = tmp_path / "foreign"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE study(id)")
    before = foreign.read_bytes()
    with pytest.raises(ValueError, match="written by another program"):
        SQLiteStore(foreign)
    assert foreign.read_bytes() == before
    with pytest.raises(ValueError, match="unable to open"):
        SQLiteStore(tmp_path / "nowhere" / "journal")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_journal(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_network_file_systems_are_refused(kind, path, tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr(_journal_file, "MOUNTS", mounts)
    with pytest.raises(ValueError, match=f"lies on {kind}.*local disk"):
        SQLiteStore(path)
    mounts.write_text(f"server:/x / {kind} rw 0 0\n/dev/sda {tmp_path} ext4 rw 0 0\n")
    SQLiteStore(path).close()


def test_write_ahead_and_sync(path):
    for sync, level in (("normal", 1), ("full", 2)):
        store = SQLiteStore(path, sync=sync)
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)


def test_trial_of_a_dead_process_is_claimed_in_place(path):
    run_elsewhere(path, "t.claim(store, (.25,)); t.claim(store, (.75,), arm=1)")
    store = opened(path)
    with store.transaction():
        lost = store.changes()
        assert [trial.state for trial in lost] == ["RUNNING", "RUNNING"]
        again = [store.reclaim(), store.reclaim()]
        assert store.reclaim() is None
    assert [t.number for t in again] == [0, 1]
    assert [t.proposal for t in again] == [t.proposal for t in lost]
    assert claim(store).number == 2
    assert all(store.finish(finished(trial)) for trial in again)
    assert opened(path).changes()[0].result == RESULT


def test_what_was_committed_survives_sigkill(path):
    done = run_elsewhere(path, "for k in range(30): store.finish(t.finished(t.claim(store)))")
    assert done.returncode == -9
    store = opened(path)
    assert [trial.state for trial in store.changes()] == ["COMPLETE"] * 30
    assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_trial_of_a_live_process_is_left_alone(path):
    theirs, mine = opened(path), opened(path)
    trial = claim(theirs)
    with mine.transaction():
        assert [t.number for t in mine.changes()] == [0]
        assert mine.reclaim() is None
    theirs.finish(finished(trial))
    assert [t.state for t in mine.changes()] == ["COMPLETE"]
    assert mine.changes() == []


def test_released_trial_is_taken_by_the_next(path):
    theirs, mine = opened(path), opened(path)
    trial = claim(theirs, (0.125,))
    theirs.release([trial.number])
    with mine.transaction():
        mine.changes()
        assert mine.reclaim().proposal == trial.proposal


def test_id_given_to_another_process_does_not_count_as_alive(path):
    store = opened(path)
    claim(store)
    store._connection.execute("UPDATE trial SET pid_start = '1'")
    other = opened(path)
    with other.transaction():
        other.changes()
        assert other.reclaim().number == 0


def test_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = _process.start_time(child.pid)
    host = _process.identity(os.getpid())[0]
    assert _process.is_alive(host, child.pid, started)
    assert not _process.is_alive("elsewhere", child.pid, started)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the table
    assert not _process.is_alive(host, child.pid, started)
    child.wait()
    assert _process.start_time(child.pid) is None


def test_start_time_without_proc():
    assert _process._start_time_from_ps(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert _process._start_time_from_ps(child.pid) is None


def test_result_of_a_trial_that_was_taken_over_is_not_kept(path):
    slow, fast = opened(path), opened(path)
    trial = claim(slow)
    slow._connection.execute("UPDATE trial SET pid = 1, pid_start = '1'")  # as if it looked dead
    with fast.transaction():
        fast.changes()
        again = fast.reclaim()
    slow._identity = ("", 0, "")
    assert fast.finish(finished(again))
    assert not slow.finish(finished(trial, "FAILED"))
    assert [t.state for t in slow.changes()] == ["COMPLETE"]  # it learns of the other's result


def test_rollback_leaves_nothing(path):
    store = opened(path)

    def fail():
        with store.transaction():
            store.claim(Proposal(0, (0.5,)), {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_journal(path) == []


def test_file_of_one_who_was_killed_at_once(path):
    sqlite3.connect(path).execute("PRAGMA journal_mode = WAL").connection.close()
    assert read_journal(path) == []
    assert claim(opened(path)).number == 0


def test_read_journal_while_it_is_written(path):
    store = opened(path)
    store.finish(finished(claim(store, arm=1)))
    claim(store)
    done, running = read_journal(path)
    assert (done["arm_name"], done["score"], done["cost"]) == ("b", RESULT["score"], 1.5)
    assert (running["state"], running["score"], running["finished"]) == ("RUNNING", None, None)


def test_processes_that_race_number_without_gap_or_repeat(path):
    code = (
        "for k in range(25):\n"
        "    trial = t.claim(store, (k / 25,))\n"
        "    store.finish(t.finished(trial))\n"
        "    print(trial.number)"
    )
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: run_elsewhere(path, code), range(4)))
    assert [d.returncode for d in done] == [-9] * 4, done[0].stderr
    numbers = [int(line) for d in done for line in d.stdout.split()]
    assert sorted(numbers) == list(range(100))
    assert [trial["number"] for trial in read_journal(path)] == list(range(100))


def test_a_journal_of_an_earlier_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "journal"
    store = SQLiteStore(path)
    store.open({}, {"arm_names": ["only"]})
    with store.transaction():
        store.claim(Proposal(0, (0.5,)), {})
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE trial DROP COLUMN split")
        connection.commit()
    with pytest.raises(ValueError, match="of an earlier version"):
        read_journal(path)
    with closing(SQLiteStore(path)) as store:
        [trial] = store.changes()
    assert trial.proposal == Proposal(0, (0.5,), None, None)
    assert [row["split"] for row in read_journal(path)] == [None]
