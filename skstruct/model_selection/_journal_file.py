"""The file of a journal: a SQLite database in write-ahead mode, on a local disk."""

import re
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

MOUNTS = Path("/proc/self/mounts")
_APPLICATION_ID = 0x736B7374  # "skst"
_SCHEMA = """
CREATE TABLE study(
    id INTEGER PRIMARY KEY CHECK (id = 1), fingerprint TEXT NOT NULL, meta TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE trial(
    number INTEGER PRIMARY KEY, state TEXT NOT NULL, arm INTEGER NOT NULL, u TEXT NOT NULL,
    level REAL, split INTEGER, params TEXT NOT NULL, result TEXT, error TEXT, host TEXT NOT NULL,
    pid INTEGER NOT NULL, pid_start TEXT NOT NULL, started REAL NOT NULL, finished REAL
);
"""
_NETWORK_FILE_SYSTEMS = re.compile(
    "(afs|beegfs|ceph|cifs|gpfs|lustre|nfs4?|smb3|smbfs|fuse\\.(ceph|glusterfs|sshfs))"
)


def connect(path, sync):
    """Open a journal, and make it if need be; with `sync` None only to read it."""
    mode = "ro" if sync is None else "rwc"
    try:
        connection = sqlite3.connect(
            f"file:{quote(path.as_posix())}?mode={mode}",
            uri=True,
            timeout=30.0,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.OperationalError as error:
        raise ValueError(f"{str(path)!r} cannot be used as a journal: {error}") from error
    try:
        # An empty file may become a journal between these two looks, but no journal gets empty.
        if not is_empty(connection):
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if application != _APPLICATION_ID:
                raise sqlite3.DatabaseError("it was written by another program")
            if sync is None and not _knows_splits(connection):
                raise sqlite3.DatabaseError(
                    "it is of an earlier version; a search that continues it brings it up to date"
                )
        if sync is not None:
            _enter_write_ahead_mode(connection, path)
            connection.execute(f"PRAGMA synchronous = {sync}")
            _create_tables(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ValueError(f"{str(path)!r} cannot be used as a journal: {error}") from error
    return connection


def _enter_write_ahead_mode(connection, path):
    """Switch to WAL; the switch does not wait for a lock by itself, so retry while it is held."""
    deadline = time.monotonic() + 30.0
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise sqlite3.DatabaseError(f"the file system of {str(path)!r} cannot share memory")


def is_empty(connection):
    """Tell whether the file has no tables: the one who made it was killed before it went on."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _create_tables(connection):
    connection.execute("BEGIN IMMEDIATE")
    if is_empty(connection):
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    elif not _knows_splits(connection):
        connection.execute("ALTER TABLE trial ADD COLUMN split INTEGER")
    connection.execute("COMMIT")


def _knows_splits(connection):
    """Tell whether the journal has the column that the first ones had not."""
    return "split" in {row[1] for row in connection.execute("PRAGMA table_info(trial)")}


def refuse_network_file_system(path):
    """Write-ahead mode needs memory shared between processes, which no network file has."""
    kind = "a network share" if str(path).startswith(("\\\\", "//")) else None
    if MOUNTS.exists():
        longest = -1
        for line in MOUNTS.read_text().splitlines():
            _, mounted, file_system, *_ = line.split(" ")
            mounted = mounted.replace("\\040", " ")
            if path.is_relative_to(mounted) and len(mounted) >= longest:
                longest = len(mounted)
                kind = file_system if _NETWORK_FILE_SYSTEMS.fullmatch(file_system) else None
    if kind is not None:
        raise ValueError(
            f"journal {str(path)!r} lies on {kind}, where SQLite cannot share it between "
            "processes: give a path on a local disk. On a cluster, keep the journal beside the "
            "one process that calls fit and send the fits out with a joblib backend."
        )
