"""The tables of an index, and how one of an earlier version becomes one of this."""

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Literal

from refsort.explore import shards

VERSION = 2
TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE vectors (
    space TEXT NOT NULL, row INTEGER NOT NULL, content BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (space, row)
) WITHOUT ROWID;
CREATE UNIQUE INDEX vectors_by_content ON vectors (space, content);
CREATE TABLE files (
    path BLOB PRIMARY KEY, dev INTEGER, ino INTEGER, size INTEGER, mtime_ns INTEGER,
    content BLOB,                                   -- SHA-256 of the bytes, NULL: no readable picture
    taken REAL, reason TEXT NOT NULL DEFAULT ''     -- seconds since 1970, why it can't be read
) WITHOUT ROWID;
CREATE INDEX files_by_content ON files (content);
CREATE TABLE captions (
    path BLOB NOT NULL, number INTEGER NOT NULL, text TEXT NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (path, number)
) WITHOUT ROWID;
CREATE INDEX captions_by_content ON captions (content);
"""

Space = Literal["pictures", "captions"]
SPACES: tuple[Space, ...] = ("pictures", "captions")


class Broken(Exception):
    """The index is damaged; the text says how."""


def prepare(db: sqlite3.Connection, folder: Path, fingerprint: str, dim: int) -> None:
    """Make the tables of a new index, or those that an older one lacks. Raises Broken if a newer program made it."""
    if _version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db)  # another process may have been quicker
        if version not in (0, 1, VERSION):
            raise Broken(f"it is of version {version}")
        if version == 0:
            for statement in TABLES.split(";"):
                db.execute(statement)
            about = {"fingerprint": fingerprint, "dim": dim, "pictures": 1, "captions": 1}
            db.executemany("INSERT INTO about VALUES (?,?)", about.items())
        if version < VERSION:
            db.execute(shards.TABLE)
            for space in SPACES if version else ():
                _adopt(db, folder, space)
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _adopt(db: sqlite3.Connection, folder: Path, space: Space) -> None:
    """Version 1 had one graph over all rows: it becomes the first shard, however large, or is made anew."""
    about = dict(db.execute("SELECT key, value FROM about WHERE key IN (?,?)", (space, f"{space}_graph")))
    name = f"{space}-{about.get(space)}"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        info = json.loads(about[f"{space}_graph"])
        path = folder / f"{name}.0.ann"
        if (folder / f"{name}.ann").is_file():  # else killed here before
            os.replace(folder / f"{name}.ann", path)  # noqa: PTH105
        shards.remember(db, space, 0, 0, int(info["rows"]), float(info["seconds"]), path)
