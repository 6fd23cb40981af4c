"""Comparing a folder with its index: what is new, what lies somewhere else now, and what is gone.

The folder is walked once, sub-folder by sub-folder, beside the rows that the index has of each. What is found is kept
in temporary tables, which SQLite puts on the disk, so memory does not grow with the number of pictures: only with that
of the largest sub-folder.
"""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from refsort.explore.source import Source, pictures
from refsort.explore.store import Store
from refsort.files.identity import look
from refsort.names import from_bytes, to_bytes

PAGE = 1000
"""Paths held at a time while the new ones are read."""
TABLES = {
    # Files that the index does not know, or not as they are now, in the order of the walk.
    "fresh": "(number INTEGER PRIMARY KEY, path BLOB, dev INTEGER, ino INTEGER, size INTEGER, mtime_ns INTEGER)",
    # Those of them that the index knows from another place.
    "moved": "(number INTEGER PRIMARY KEY, content BLOB, taken REAL)",
    "gone": "(path BLOB PRIMARY KEY) WITHOUT ROWID",
    "visited": "(folder BLOB PRIMARY KEY) WITHOUT ROWID",
}
Identity = tuple[int, int, int, int]
"""dev, ino, size, mtime_ns."""


class Changes:
    """What is different. It holds only inside `compared`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.renamed, self.gone, self.fresh = (
            int(db.execute(f"SELECT count(*) FROM temp.{table}").fetchone()[0]) for table in ("moved", "gone", "fresh")
        )
        self.fresh -= self.renamed
        """To be read and embedded."""

    def write(self) -> None:
        """Into the index, inside the caller's transaction: all but the fresh ones."""
        for table in ("files", "captions"):
            self._db.execute(f"DELETE FROM {table} WHERE path IN (SELECT path FROM temp.gone)")
        self._db.execute(
            "INSERT OR REPLACE INTO files SELECT f.path, f.dev, f.ino, f.size, f.mtime_ns, m.content, m.taken, ''"
            " FROM temp.moved m JOIN temp.fresh f ON f.number=m.number"
        )

    def paths(self) -> Iterator[str]:
        """Of the fresh files, in the order of the walk."""
        last = 0
        while page := self._db.execute(
            "SELECT number, path FROM temp.fresh f WHERE number > ?"
            " AND NOT EXISTS (SELECT 1 FROM temp.moved m WHERE m.number=f.number) ORDER BY number LIMIT ?",
            (last, PAGE),
        ).fetchall():
            last = page[-1][0]
            yield from (from_bytes(path) for _, path in page)


@contextmanager
def compared(source: Source, store: Store) -> Iterator[Changes]:
    """Walk the folder of a source and say what is different from the index."""
    db = store.db
    _drop(db)
    for table, columns in TABLES.items():
        db.execute(f"CREATE TEMP TABLE {table} {columns}")
    try:
        _walk(source, db)
        _find_moved(db)
        yield Changes(db)
    finally:
        if db.in_transaction:  # broken off in the midst of the walk
            db.execute("ROLLBACK")
        _drop(db)


def _drop(db: sqlite3.Connection) -> None:
    for table in TABLES:
        db.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _walk(source: Source, db: sqlite3.Connection) -> None:
    unseen = int(db.execute("SELECT count(*) FROM files").fetchone()[0])
    for folder, paths in itertools.groupby(pictures(source.dataset, None), lambda path: path.rpartition("/")[0]):
        inside = to_bytes(folder)
        known = rows_in(db, inside)
        unseen -= len(known)
        fresh: list[tuple[bytes, int, int, int, int]] = []
        for path in paths:
            stat = look(source.dataset.path(path))
            if stat is None:
                continue
            key, identity = to_bytes(path), (stat.dev, stat.ino, stat.size, stat.mtime_ns)
            if known.pop(key, None) != identity:
                fresh.append((key, *identity))
        db.execute("BEGIN")  # of temporary tables alone: nobody waits for it
        db.execute("INSERT INTO temp.visited VALUES (?)", (inside,))
        db.executemany("INSERT INTO temp.fresh (path, dev, ino, size, mtime_ns) VALUES (?,?,?,?,?)", fresh)
        db.executemany("INSERT INTO temp.gone VALUES (?)", ((path,) for path in known))
        db.execute("COMMIT")
    if unseen > 0:
        db.execute("BEGIN")
        db.executemany("INSERT OR IGNORE INTO temp.gone VALUES (?)", ((path,) for path in _elsewhere(db)))
        db.execute("COMMIT")


def rows_in(db: sqlite3.Connection, folder: bytes) -> dict[bytes, Identity]:
    """What the index knows of the files right in a folder ("": the outermost), sub-folders stepped over."""
    start = folder + b"/" if folder else b""
    query = "SELECT path, dev, ino, size, mtime_ns FROM files WHERE path >= ?"
    # "0" is the byte behind "/": whatever begins with the folder and a slash is less.
    query, bound = (query + " AND path < ?", (folder + b"0",)) if folder else (query, ())
    found: dict[bytes, Identity] = {}
    low: bytes | None = start
    while low is not None:
        rows, low = db.execute(query + " ORDER BY path", (low, *bound)), None
        for path, *identity in rows:
            slash = path.find(b"/", len(start))
            if slash >= 0:
                low = path[:slash] + b"0"
                break
            found[path] = tuple(identity)
        rows.close()
    return found


def _elsewhere(db: sqlite3.Connection) -> Iterator[bytes]:
    """Paths of the index in folders that the walk did not come to, or found no picture in."""
    last: bytes | None = None
    there = True
    for (path,) in db.execute("SELECT path FROM files ORDER BY path"):
        folder = path.rpartition(b"/")[0]
        if folder != last:
            last = folder
            there = db.execute("SELECT 1 FROM temp.visited WHERE folder=?", (folder,)).fetchone() is not None
        if not there:
            yield path


def _find_moved(db: sqlite3.Connection) -> None:
    """Fresh files that the index knows elsewhere by device, inode, size and time: those are the same, unchanged.

    One look at all that the index holds, and only if anything is fresh: an index of these columns would be for ever.
    """
    if db.execute("SELECT 1 FROM temp.fresh LIMIT 1").fetchone() is None:
        return
    db.execute("CREATE INDEX temp.fresh_by_place ON fresh (ino, mtime_ns, size, dev)")
    db.execute(
        "INSERT OR IGNORE INTO temp.moved SELECT n.number, f.content, f.taken FROM files f CROSS JOIN temp.fresh n"
        " ON n.ino=f.ino AND n.mtime_ns=f.mtime_ns AND n.size=f.size AND n.dev=f.dev WHERE f.content IS NOT NULL"
    )
