"""Vectors that need not be computed again. May be deleted at any time; nothing but time is lost.

Keyed by content: a renamed or copied picture keeps its vector. A second table remembers what a path held when it was
last read, so that unchanged files are not even opened.
"""

import contextlib
import sqlite3
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsort.files.identity import FileStat
from refsort.files.journal import BUSY_TIMEOUT_S
from refsort.names import to_bytes

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    sha256 BLOB NOT NULL, fingerprint TEXT NOT NULL, vector BLOB NOT NULL,   -- float16, little-endian
    PRIMARY KEY (sha256, fingerprint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, dev INTEGER, ino INTEGER, size INTEGER, mtime_ns INTEGER, sha256 BLOB NOT NULL
) WITHOUT ROWID;
"""

Vector = NDArray[np.float32]


def rounded(vector: Vector) -> Vector:
    """float32[d] as the cache would give it back, so that a decision doesn't depend on whether it was cached."""
    return np.asarray(vector, dtype="<f2").astype(np.float32)


class Cache:
    """cache.db of one dataset. A broken one is thrown away and begun anew; it is safe to use from many threads."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self._lock = threading.Lock()
        self._pending: list[tuple[bytes, FileStat, bytes, Vector]] = []
        try:
            self._db = self._open()
        except sqlite3.DatabaseError:
            for leftover in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                with contextlib.suppress(OSError):
                    leftover.unlink()
            try:
                self._db = self._open()
            except sqlite3.DatabaseError:
                # No place for a cache (a full or read-only disk): everything is computed, nothing else suffers.
                self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                self._db.executescript(SCHEMA)

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=OFF")
            if int(db.execute("PRAGMA user_version").fetchone()[0]) != SCHEMA_VERSION:
                db.executescript(
                    "DROP TABLE IF EXISTS vectors; DROP TABLE IF EXISTS files;"
                    f"{SCHEMA} PRAGMA user_version={SCHEMA_VERSION};"
                )
            db.execute("SELECT * FROM files LIMIT 1").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        self.flush()
        with self._lock:
            self._db.close()

    def by_path(self, path: str, stat: FileStat) -> tuple[bytes, Vector] | None:
        """(hash, vector) of a path whose file is unchanged since it was read, or None."""
        row = self._one(
            "SELECT f.sha256, v.vector FROM files f JOIN vectors v ON v.sha256=f.sha256 AND v.fingerprint=?"
            " WHERE f.path=? AND f.dev=? AND f.ino=? AND f.size=? AND f.mtime_ns=?",
            (self.fingerprint, to_bytes(path), stat.dev, stat.ino, stat.size, stat.mtime_ns),
        )
        return None if row is None else (row[0], _vector(row[1]))

    def by_hash(self, sha256: bytes) -> Vector | None:
        """The vector of a picture with these bytes, or None."""
        row = self._one("SELECT vector FROM vectors WHERE sha256=? AND fingerprint=?", (sha256, self.fingerprint))
        return None if row is None else _vector(row[0])

    def put(self, path: str, stat: FileStat, sha256: bytes, vector: Vector) -> None:
        """Remember a vector; written with the next `flush`."""
        with self._lock:
            self._pending.append((to_bytes(path), stat, sha256, vector))

    def flush(self) -> None:
        """Write what was put since the last time, in one transaction; a full disk loses vectors, not pictures."""
        with self._lock:
            pending, self._pending = self._pending, []
            if not pending:
                return
            try:
                self._write(pending)
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _write(self, pending: list[tuple[bytes, FileStat, bytes, Vector]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?,?,?)",
            [(sha, self.fingerprint, np.asarray(v, dtype="<f2").tobytes()) for _, _, sha, v in pending],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?)",
            [(path, s.dev, s.ino, s.size, s.mtime_ns, sha) for path, s, sha, _ in pending],
        )
        self._db.execute("COMMIT")

    def _one(self, query: str, values: tuple[object, ...]) -> tuple[bytes, bytes] | None:
        with self._lock:
            try:
                row: tuple[bytes, bytes] | None = self._db.execute(query, values).fetchone()
            except sqlite3.Error:
                return None
        return row


def _vector(data: bytes) -> Vector:
    return np.frombuffer(data, dtype="<f2").astype(np.float32)
