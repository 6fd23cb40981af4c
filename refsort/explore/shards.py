"""The files of a graph of neighbours: one for each run of rows, and what the index remembers to know it again.

A shard is a file of its own, so that a full one is never touched again and a damaged one costs no other. The index
remembers its size, its time and a checksum of each block. A file that is not what was written is found when it is
opened, and its rows are compared one by one until it is made again.
"""

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK_BYTES = 1 << 16
PROBED_BLOCKS = 16
"""Blocks compared when a file is opened whose size and time are as they were: one megabyte of some hundred."""
TABLE = """
CREATE TABLE shards (
    space TEXT NOT NULL, number INTEGER NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL,
    seconds REAL NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, crcs BLOB NOT NULL,
    PRIMARY KEY (space, number)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Shard:
    """What the index remembers of one file."""

    number: int
    first: int
    """Its rows are first … end - 1."""
    rows: int
    seconds: float
    """Building."""
    size: int
    mtime_ns: int
    crcs: bytes
    """uint32, little-endian: the CRC-32 of each BLOCK_BYTES."""

    @property
    def end(self) -> int:
        return self.first + self.rows


def shards_of(db: sqlite3.Connection, space: str) -> list[Shard]:
    """In order, one behind the other from row 0; what would leave a gap does not count."""
    query = "SELECT number, first, rows, seconds, size, mtime_ns, crcs FROM shards WHERE space=? ORDER BY number"
    found: list[Shard] = []
    for row in db.execute(query, (space,)):
        shard = Shard(*row)
        if shard.first != (found[-1].end if found else 0):
            break
        found.append(shard)
    return found


def remember(
    db: sqlite3.Connection, space: str, number: int, first: int, rows: int, seconds: float, path: Path
) -> None:
    """Remember a file as it is now. Raises OSError."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        crcs = np.array([zlib.crc32(block) for block in iter(lambda: file.read(BLOCK_BYTES), b"")], "<u4")
    values = (space, number, first, rows, seconds, stat.st_size, stat.st_mtime_ns, crcs.tobytes())
    db.execute("INSERT OR REPLACE INTO shards VALUES (?,?,?,?,?,?,?,?)", values)


def sound(db: sqlite3.Connection, space: str, shard: Shard, path: Path, *, whole: bool = False) -> bool:
    """Whether the file is what was written: by some blocks, by all if its time is another one or `whole` is asked."""
    crcs = np.frombuffer(shard.crcs, "<u4")
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_size != shard.size or not len(crcs):
                return False
            moved = stat.st_mtime_ns != shard.mtime_ns
            blocks: Iterable[int] = range(len(crcs))
            if not (moved or whole):
                blocks = np.unique(np.linspace(0, len(crcs) - 1, PROBED_BLOCKS).astype(int)).tolist()
            for block in blocks:
                file.seek(block * BLOCK_BYTES)
                if zlib.crc32(file.read(BLOCK_BYTES)) != crcs[block]:
                    return False
    except OSError:
        return False
    if moved:  # a copy of the folder: the next look is a short one again
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute(
                "UPDATE shards SET mtime_ns=? WHERE space=? AND number=? AND mtime_ns=?",
                (stat.st_mtime_ns, space, shard.number, shard.mtime_ns),
            )
    return True


def forget(db: sqlite3.Connection, space: str) -> None:
    """No file counts any more."""
    db.execute("DELETE FROM shards WHERE space=?", (space,))
