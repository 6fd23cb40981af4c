"""The index on disk: which picture has which vector, in a folder of its own for every encoder.

    <state>/search/<encoder>/index.db            SQLite: the truth about what counts
                             pictures-1.f32      rows of vectors, see refsort.explore.rows
                             captions-1.f32
                             pictures-1.0.ann    neighbours' graph of usearch, where there are many; may be deleted;
                             pictures-1.1.ann    a file for each million rows, see refsort.explore.shards

A row belongs to a content (the SHA-256 of a file, or of a caption), never to a place in a list of files; a path only
points to a content. So a file that is missing, changed, renamed or deleted cannot shift another's vector. Rows reach
the disk before the transaction that makes them count, and a number in a name is a generation: when too many rows belong
to nothing any more, the others are copied to the next generation and one transaction changes over to it. Killed at any
point, the index is what it was at the last transaction.

The cache (refsort.files.cache) is not the index: it is bounded, and its vectors lie one by one, among those of other
encoders, where a search would have to gather them each time.
"""

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from refsort.encoders import Encoder, Floats
from refsort.errors import DatasetError
from refsort.explore.rows import Rows, checksum, copy_rows
from refsort.explore.schema import SPACES as SPACES
from refsort.explore.schema import Broken as Broken
from refsort.explore.schema import Space as Space
from refsort.explore.schema import prepare
from refsort.explore.shards import forget, shards_of, sound
from refsort.files.identity import FileStat
from refsort.files.journal import BUSY_TIMEOUT_S
from refsort.images import READING
from refsort.names import show

PROBED = 64
"""Rows whose checksums are compared when an index is opened, drawn evenly; `verify` looks at all."""
SPARE = 0.25
"""Share of rows without a file from which the rows are copied anew."""
SPARE_ROWS = 1000
"""Fewer than these are never worth it."""
OWNERS: dict[Space, str] = {"pictures": "files", "captions": "captions"}
"""The table whose contents keep a row."""
CACHE_KIB = 65_536
"""Of the database in memory: contents come in no order, and each new one goes to another page of their index."""
ASKED = 500
"""Contents asked for at once."""


def fingerprint_of(encoder: Encoder) -> str:
    """Vectors under two of these are never compared."""
    return f"{encoder.fingerprint}/{READING}"


def place(state: Path, encoder: Encoder) -> Path:
    """The folder of this encoder's index."""
    name = re.sub(r"[^\w.-]+", "_", encoder.name)[-40:]
    return state / "search" / f"{name}-{hashlib.sha256(fingerprint_of(encoder).encode()).hexdigest()[:12]}"


class Store:
    """One index, open. Closed by `close`; one thread at a time."""

    def __init__(self, folder: Path, fingerprint: str, dim: int) -> None:
        """Open or begin. Raises Broken, and DatasetError if it is another encoder's."""
        self.folder = folder
        self.dim = dim
        self.rebuilt = ""
        """What was wrong with an index that was thrown away, else empty."""
        folder.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(
            folder / "index.db", timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._begin(fingerprint)
            self._check(fingerprint)
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise Broken(str(error)) from error
        except BaseException:
            self.db.close()
            raise

    def _begin(self, fingerprint: str) -> None:
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        prepare(self.db, self.folder, fingerprint, self.dim)

    def _check(self, fingerprint: str) -> None:
        if self.about("fingerprint") != fingerprint:
            raise DatasetError(
                f"the index in {show(str(self.folder))} was made by another encoder "
                f"({show(str(self.about('fingerprint')))}); their vectors can't be compared: remove that folder"
            )
        for space in SPACES:
            count = self.count(space)
            self._compare(space, sorted(set(np.linspace(0, count - 1, min(count, PROBED)).astype(int).tolist())))

    def _compare(self, space: Space, numbers: Sequence[int]) -> None:
        try:
            view = self.view(space)
        except (ValueError, OSError) as error:
            raise Broken(str(error)) from error
        for row in numbers:
            found = self.db.execute("SELECT crc FROM vectors WHERE space=? AND row=?", (space, row)).fetchone()
            if found is None or found[0] != checksum(view[row]):
                raise Broken(f"row {row} of the {space} is not what was written")

    def verify(self) -> None:
        """Compare every row with its checksum, raises Broken; and drop the shards that are not what was written."""
        for space in SPACES:
            view = self.view(space)
            rows = self.db.execute("SELECT row, crc FROM vectors WHERE space=? ORDER BY row", (space,))
            for expected, (row, crc) in enumerate(rows):
                if row != expected or crc != checksum(view[row]):
                    raise Broken(f"row {expected} of the {space} is not what was written")
            for shard in shards_of(self.db, space):
                path = self.graph(space, shard.number)
                if not sound(self.db, space, shard, path, whole=True):
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        self.db.close()

    # -- what is known of the index as a whole

    def about(self, key: str) -> object:
        row = self.db.execute("SELECT value FROM about WHERE key=?", (key,)).fetchone()
        return None if row is None else row[0]

    def set_about(self, **values: object) -> None:
        self.db.executemany("INSERT OR REPLACE INTO about VALUES (?,?)", values.items())

    def generation(self, space: Space) -> int:
        return int(str(self.about(space)))

    def count(self, space: Space) -> int:
        """Rows that count; their numbers run from 0 without a gap."""
        return int(
            self.db.execute("SELECT coalesce(max(row) + 1, 0) FROM vectors WHERE space=?", (space,)).fetchone()[0]
        )

    def view(self, space: Space) -> Floats:
        """float32[n, dim], mapped from the disk. Raises ValueError if rows are missing."""
        return self._rows(space).view(self.count(space))

    def _rows(self, space: Space, ahead: int = 0) -> Rows:
        return Rows(self.folder / f"{space}-{self.generation(space) + ahead}.f32", self.dim)

    def graph(self, space: Space, shard: int = 0) -> Path:
        """Where this part of the neighbours' graph of this generation lies, if there is one."""
        return self.folder / f"{space}-{self.generation(space)}.{shard}.ann"

    # -- writing

    def known(self, space: Space, contents: Iterable[bytes]) -> set[bytes]:
        """Those contents that have a row."""
        asked, found = list(contents), set[bytes]()
        for first in range(0, len(asked), ASKED):
            part = asked[first : first + ASKED]
            marks = ",".join("?" * len(part))
            query = f"SELECT content FROM vectors WHERE space=? AND content IN ({marks})"
            found.update(content for (content,) in self.db.execute(query, (space, *part)))
        return found

    def add(self, space: Space, contents: Sequence[bytes], vectors: Floats) -> None:
        """Rows for new contents, inside the caller's transaction; they are on the disk before it can end."""
        first = self.count(space)
        self._rows(space).write(first, vectors)
        crcs = [checksum(vector) for vector in vectors]
        rows = [(space, first + i, content, crc) for i, (content, crc) in enumerate(zip(contents, crcs, strict=True))]
        self.db.executemany("INSERT INTO vectors VALUES (?,?,?,?)", rows)

    def holds(self, path: bytes, stat: FileStat, content: bytes) -> bool:
        """Whether this is what the index says of a file."""
        query = "SELECT 1 FROM files WHERE path=? AND dev=? AND ino=? AND size=? AND mtime_ns=? AND content=?"
        values = (path, stat.dev, stat.ino, stat.size, stat.mtime_ns, content)
        return self.db.execute(query, values).fetchone() is not None

    def put_file(self, path: bytes, stat: FileStat, content: bytes | None, taken: float, reason: str = "") -> None:
        values = (path, stat.dev, stat.ino, stat.size, stat.mtime_ns, content, taken, reason)
        self.db.execute("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?)", values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one writer at a time."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            raise

    def tidy(self) -> None:
        """Copy the rows that still belong to something to a new generation, where many don't; drop old files."""
        for space, table in OWNERS.items():
            # Every content of the table has a row, so this tells how many belong to nothing, by indexes alone.
            query = f"SELECT count(*) FROM (SELECT DISTINCT content FROM {table} WHERE content IS NOT NULL)"
            count = self.count(space)
            if count - int(self.db.execute(query).fetchone()[0]) >= max(SPARE_ROWS, SPARE * count):
                self._next_generation(space, table)
        generations = {str(space): self.generation(space) for space in SPACES}
        for path in self.folder.iterdir():
            match = re.fullmatch(r"(pictures|captions)-(\d+)(?:\.f32|\.\d+\.ann|()\.ann)(\.new)?", path.name)
            # Without the number of a shard it is a graph of version 1 that could not be adopted.
            if match and (int(match[2]) != generations[match[1]] or match[3] is not None or match[4]):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _next_generation(self, space: Space, table: str) -> None:
        """The numbers of the rows that are kept are gathered on the disk; memory does not grow with them."""
        self.db.execute("DROP TABLE IF EXISTS temp.kept")
        self.db.execute("CREATE TEMP TABLE kept (number INTEGER PRIMARY KEY, row INTEGER, content BLOB, crc INTEGER)")
        with self.transaction():
            self.db.execute(
                "INSERT INTO temp.kept (row, content, crc) SELECT row, content, crc FROM vectors v WHERE space=?"
                f" AND EXISTS (SELECT 1 FROM {table} t WHERE t.content=v.content) ORDER BY row",
                (space,),
            )
            count = int(self.db.execute("SELECT count(*) FROM temp.kept").fetchone()[0])
            chosen = self.db.execute("SELECT row FROM temp.kept ORDER BY number")
            copy_rows(self.view(space), (row for (row,) in chosen), self._rows(space, ahead=1))
            self.db.execute("DELETE FROM vectors WHERE space=?", (space,))
            self.db.execute(
                "INSERT INTO vectors SELECT ?, number - 1, content, crc FROM temp.kept ORDER BY number", (space,)
            )
            assert self.count(space) == count, "numbered from 1 without a gap"
            forget(self.db, space)
            self.set_about(**{space: self.generation(space) + 1, f"{space}_graph": None, f"{space}_mean": None})
        self.db.execute("DROP TABLE temp.kept")


def open_store(state: Path, encoder: Encoder, *, whole: bool = False) -> Store:
    """The index of this encoder; a damaged one is begun anew and `rebuilt` says what was wrong. `whole`: verify it.

    Raises DatasetError if another encoder's index lies in its place, OSError.
    """
    folder = place(state, encoder)
    try:
        store = Store(folder, fingerprint_of(encoder), encoder.dim)
        if whole:
            try:
                store.verify()
            except BaseException:
                store.close()
                raise
        return store
    except Broken as error:
        why = str(error)
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    store = Store(folder, fingerprint_of(encoder), encoder.dim)
    store.rebuilt = f"the index was damaged ({why}) and is built anew"
    return store
