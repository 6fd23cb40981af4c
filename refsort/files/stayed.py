"""What earlier runs left in the drop folder, so that the next one need not look at it again.

A file counts as long as it is unchanged and would be judged by the same references and settings; then what was said of
it is said again. May be deleted at any time: everything is then looked at once more.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, look
from refsort.files.throwaway import open_throwaway
from refsort.names import from_bytes, to_bytes

VERSION = 1
BATCH = 2048
"""Rows written, or at most read, at once."""
FEW = 16
"""Rows read at once to begin with."""
AFTER_ALL = b"\xff" * 256
"""No file's name is so long."""
SPARE = 1.5
"""With more rows than so many for each file that is there, those of files that are gone are looked for."""
SPARE_ROWS = 10_000
"""Fewer than these are never worth it."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS stayed (
    folder BLOB NOT NULL, name BLOB NOT NULL,
    ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    judged BLOB NOT NULL,       -- by which references and settings
    kind TEXT NOT NULL,         -- unsure | unknown | bad | skipped
    target BLOB,                -- a copy or link of it that must still be there
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Left:
    """One file that stays."""

    path: str
    stat: FileStat
    kind: str
    target: str | None = None


class Stayed:
    """stayed.db of one dataset, until `close`. Where it can't be kept nothing is known, and nothing else suffers."""

    def __init__(self, path: Path, root: Path, judged: bytes) -> None:
        """`root`: the folder that paths count from. `judged`: the key of all that decides now; it may be changed."""
        self.root = root
        self.judged = judged
        self._pending: list[tuple[object, ...]] = []
        self._db = open_throwaway(path, _prepare)
        self._folder = self._first = self._last = b""
        self._ahead = FEW
        self._rows: dict[bytes, tuple[Any, ...]] = {}
        """All of this folder from name `_first` to name `_last`, read ahead."""

    def close(self) -> None:
        self.flush()
        self._db.close()

    def kind_of(self, folder: str, name: str) -> str | None:
        """What was said of this file, if the same would be said now. Fast where names are asked for in order."""
        row = self._row(to_bytes(folder), to_bytes(name))
        if row is None or row[3] != self.judged:
            return None
        found = look(f"{self.root}/{folder}/{name}")
        if found is None or (found.ino, found.size, found.mtime_ns) != row[:3]:
            return None
        if row[5] is not None and not os.path.exists(f"{self.root}/{from_bytes(row[5])}"):  # noqa: PTH110
            return None
        return str(row[4])

    def _row(self, folder: bytes, name: bytes) -> tuple[Any, ...] | None:
        """Rows are read ahead, and ever more of them as long as the names that are asked for go on in order."""
        if folder != self._folder or not self._first <= name <= self._last:
            goes_on = folder == self._folder and name > self._last
            self._ahead = min(2 * self._ahead, BATCH) if goes_on else FEW
            query = (
                "SELECT name, ino, size, mtime_ns, judged, kind, target FROM stayed"
                " WHERE folder=? AND name>=? ORDER BY name LIMIT ?"
            )
            try:
                rows = self._db.execute(query, (folder, name, self._ahead)).fetchall()
            except sqlite3.Error:
                return None
            self._rows = {row[0]: row[1:] for row in rows}
            self._folder, self._first = folder, name
            self._last = rows[-1][0] if len(rows) == self._ahead else AFTER_ALL
        return self._rows.get(name)

    def put(self, left: Left) -> None:
        """Remember a file that stays where it is; written by `flush` at the latest."""
        folder, _, name = left.path.rpartition("/")
        stat, target = left.stat, None if left.target is None else to_bytes(left.target)
        place = (to_bytes(folder), to_bytes(name))
        self._pending.append((*place, stat.ino, stat.size, stat.mtime_ns, self.judged, left.kind, target))
        if len(self._pending) >= BATCH:
            self.flush()

    def tidy(self, present: int) -> None:
        """Forget what is gone, if there are many more rows than the files that are `present`."""
        self.flush()
        with contextlib.suppress(sqlite3.Error):
            count = int(self._db.execute("SELECT count(*) FROM stayed").fetchone()[0])
            if count <= max(SPARE_ROWS, SPARE * present):
                return
            rows: Iterable[tuple[bytes, bytes]] = self._db.execute("SELECT folder, name FROM stayed").fetchall()
            gone = [(f, n) for f, n in rows if not os.path.lexists(f"{self.root}/{from_bytes(f)}/{from_bytes(n)}")]
            self._write("DELETE FROM stayed WHERE folder=? AND name=?", gone)

    def flush(self) -> None:
        """Write what was put."""
        pending, self._pending = self._pending, []
        if pending:
            self._folder = b""  # what was read ahead is no longer all there is
            self._write("INSERT OR REPLACE INTO stayed VALUES (?,?,?,?,?,?,?,?)", pending)

    def _write(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """In one transaction. A full disk costs what was to be remembered, nothing else."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(query, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def stayed_in(dataset: Dataset, judged: bytes) -> Stayed:
    """What earlier runs left in this dataset's drop folder."""
    return Stayed(dataset.state / "stayed.db", dataset.root, judged)


def _prepare(db: sqlite3.Connection) -> None:
    if int(db.execute("PRAGMA user_version").fetchone()[0]) != VERSION:
        db.executescript(f"DROP TABLE IF EXISTS stayed; {SCHEMA} PRAGMA user_version={VERSION};")
    db.execute("SELECT * FROM stayed LIMIT 1").fetchone()
