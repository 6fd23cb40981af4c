"""Vectors that need not be computed again. May be deleted at any time; nothing but time is lost.

Keyed by content: a renamed or copied picture keeps its vector. A second table remembers what a path held when it was
last read, so that unchanged files are not even opened.

A daemon sees ever new pictures, so the cache has a bound: now and then the vectors unused for longest go, and the paths
at which nothing lies any more. Use is counted in generations, one for every PRUNE_EVERY new vectors: no clock is asked,
and a vector in steady use is marked once a generation only.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsort.files.identity import FileStat
from refsort.files.throwaway import open_throwaway
from refsort.names import from_bytes, to_bytes

SCHEMA_VERSION = 2
LIMIT = 200_000
"""Vectors that are kept unless the settings say otherwise: about half a GB with 1,280 figures each."""
PRUNE_EVERY = 1000
"""New vectors between two looks at what may go; the bound is exceeded by no more than that."""
PATHS_A_PRUNE = 2 * PRUNE_EVERY
"""Paths that are looked at each time, in turn. Twice what comes in, so that the round always ends."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    sha256 BLOB NOT NULL, fingerprint TEXT NOT NULL, vector BLOB NOT NULL,   -- float16, little-endian
    used INTEGER NOT NULL DEFAULT 0,                                         -- the generation that last asked for it
    PRIMARY KEY (sha256, fingerprint)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used);
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

    def __init__(self, path: Path, fingerprint: str, *, limit: int = LIMIT, root: Path | None = None) -> None:
        """`limit`: vectors kept; `root`: the folder that paths count from, None if there is no telling what is gone."""
        self.path = path
        self.fingerprint = fingerprint
        self.limit = limit
        self.root = root
        self._in_use: set[bytes] | None = None
        self._touched: set[bytes] = set()
        self._generation = 0
        self._new = 0
        self._looked_until = b""
        self._lock = threading.Lock()
        self._pending: list[tuple[bytes, FileStat, bytes, Vector]] = []
        self._db = open_throwaway(path, _prepare)
        self._generation = int(self._db.execute("SELECT coalesce(max(used), 0) + 1 FROM vectors").fetchone()[0])

    def close(self) -> None:
        self.flush()
        self._prune()
        with self._lock:
            self._db.close()

    def by_path(self, path: str, stat: FileStat) -> tuple[bytes, Vector] | None:
        """(hash, vector) of a path whose file is unchanged since it was read, or None."""
        row = self._one(
            "SELECT f.sha256, v.vector, v.used FROM files f JOIN vectors v ON v.sha256=f.sha256 AND v.fingerprint=?"
            " WHERE f.path=? AND f.dev=? AND f.ino=? AND f.size=? AND f.mtime_ns=?",
            (self.fingerprint, to_bytes(path), stat.dev, stat.ino, stat.size, stat.mtime_ns),
        )
        return None if row is None else (row[0], _vector(row[1]))

    def by_hash(self, sha256: bytes) -> Vector | None:
        """The vector of a picture with these bytes, or None."""
        row = self._one(
            "SELECT sha256, vector, used FROM vectors WHERE sha256=? AND fingerprint=?", (sha256, self.fingerprint)
        )
        return None if row is None else _vector(row[1])

    def keep(self, hashes: Iterable[bytes]) -> None:
        """These are in use and stay, whatever the limit, until others are named. Before that nothing is dropped."""
        with self._lock:
            self._in_use = set(hashes)

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
                self._roll_back()
            self._new += len(pending)
        if self._new >= PRUNE_EVERY:
            self._prune()

    def _write(self, pending: list[tuple[bytes, FileStat, bytes, Vector]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?,?,?,?)",
            [
                (sha, self.fingerprint, np.asarray(v, dtype="<f2").tobytes(), self._generation)
                for _, _, sha, v in pending
            ],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?)",
            [(path, s.dev, s.ino, s.size, s.mtime_ns, sha) for path, s, sha, _ in pending],
        )
        self._db.execute("COMMIT")

    # -- the bound

    def _prune(self) -> None:
        """Mark what was used, then drop what is too much and what is gone. A disk that refuses it stops nothing."""
        with self._lock:
            if self._in_use is None:
                return
            self._new = 0
            try:
                gone = self._gone()
                self._db.execute("BEGIN IMMEDIATE")
                count = int(self._db.execute("SELECT count(*) FROM vectors").fetchone()[0])
                if count > self.limit // 2:  # With more room than that, nobody needs to know.
                    self._mark(self._touched, self._generation)
                if count > self.limit:
                    self._drop(count - self.limit, self._in_use)
                self._db.executemany("DELETE FROM files WHERE path=?", gone)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
            self._touched.clear()
            self._generation += 1

    def _mark(self, hashes: Iterable[bytes], generation: int) -> None:
        self._db.executemany(
            "UPDATE vectors SET used=? WHERE sha256=? AND fingerprint=?",
            [(generation, sha256, self.fingerprint) for sha256 in hashes],
        )

    def _drop(self, extra: int, in_use: set[bytes]) -> None:
        """Those unused for longest, of whatever encoder. What is in use counts as used by the next generation."""
        self._mark(in_use, self._generation + 1)
        self._db.execute(
            "DELETE FROM vectors WHERE (sha256, fingerprint) IN"
            " (SELECT sha256, fingerprint FROM vectors WHERE used<=? ORDER BY used LIMIT ?)",
            (self._generation, extra),
        )

    def _gone(self) -> list[tuple[bytes]]:
        """Of the next few paths those at which nothing lies any more, or of whose content no vector is left."""
        rows = self._db.execute(
            "SELECT f.path, EXISTS (SELECT 1 FROM vectors v WHERE v.sha256=f.sha256) FROM files f"
            " WHERE f.path>? ORDER BY f.path LIMIT ?",
            (self._looked_until, PATHS_A_PRUNE),
        ).fetchall()
        self._looked_until = rows[-1][0] if len(rows) == PATHS_A_PRUNE else b""
        can_tell = self.root is not None and self.root.is_dir()
        return [(path,) for path, has_vector in rows if not has_vector or (can_tell and self._is_gone(path))]

    def _is_gone(self, path: bytes) -> bool:
        return self.root is not None and not os.path.lexists(self.root / from_bytes(path))

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _one(self, query: str, values: tuple[object, ...]) -> tuple[bytes, bytes, int] | None:
        """(hash, vector, generation), noted as used."""
        with self._lock:
            try:
                row: tuple[bytes, bytes, int] | None = self._db.execute(query, values).fetchone()
            except sqlite3.Error:
                return None
            if row is not None and row[2] != self._generation:
                self._touched.add(row[0])
        return row


def _vector(data: bytes) -> Vector:
    return np.frombuffer(data, dtype="<f2").astype(np.float32)


def _prepare(db: sqlite3.Connection) -> None:
    if _version(db) != SCHEMA_VERSION:
        _migrate(db)
    db.execute("SELECT * FROM files LIMIT 1").fetchone()
    db.execute("SELECT max(used) FROM vectors").fetchone()


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the tables up to date; those of an unknown version are begun anew. Safe if two processes do it at once."""
    db.execute("BEGIN IMMEDIATE")
    version = _version(db)
    if version == 1:
        db.execute("ALTER TABLE vectors ADD COLUMN used INTEGER NOT NULL DEFAULT 0")
    elif version != SCHEMA_VERSION:
        db.execute("DROP TABLE IF EXISTS vectors")
        db.execute("DROP TABLE IF EXISTS files")
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")
