"""SQLite files that may be lost at any time: what is in them costs nothing but time to find out again."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from refsort.files.journal import BUSY_TIMEOUT_S


def open_throwaway(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """A database that many threads may use in turn; `prepare` makes its tables and raises DatabaseError if it can't.

    A broken one is thrown away and begun anew. Where the disk takes none (full, read-only) it is kept in memory.
    """
    with contextlib.suppress(sqlite3.DatabaseError):
        return _open(path, prepare)
    for leftover in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(OSError):
            leftover.unlink()
    with contextlib.suppress(sqlite3.DatabaseError):
        return _open(path, prepare)
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    prepare(db)
    return db


def _open(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        prepare(db)
    except BaseException:
        db.close()
        raise
    return db
