"""The journal: what was going to be done, what was done, and why. The truth for history, recovery and undo.

An intent is committed before the first step of its move touches the disk, so whatever happens in between, the next
start knows what to look for.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refsort.errors import JournalDamaged, JournalError
from refsort.files.identity import FileStat
from refsort.names import from_bytes, show, to_bytes

SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 30.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,                 -- sort | resort | propose | tag | dedupe | hand | undo
    started TEXT NOT NULL,              -- UTC, ISO-8601
    ended TEXT,
    action TEXT NOT NULL,
    dry_run INTEGER NOT NULL DEFAULT 0,
    undoes TEXT,                        -- what an undo took back, in words
    settings TEXT NOT NULL,             -- JSON: encoder, mode, ...
    summary TEXT                        -- JSON: the counts, once ended
);
CREATE TABLE IF NOT EXISTS moves (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs(id),
    main INTEGER,                       -- id of the picture this file goes with; its own id for the picture
    action TEXT NOT NULL,               -- move | copy | hardlink | symlink | remove | tag (target: the sidecar)
    source BLOB NOT NULL,               -- relative to the dataset, forward slashes, bytes as the system has them
    target BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    nlink INTEGER NOT NULL,
    target_dev INTEGER, target_ino INTEGER,   -- the file that we made at the target, known before it gets its name
    state TEXT NOT NULL,                -- intent | done | rolled_back | failed | lost
    note TEXT,
    reverses INTEGER,                   -- the move that this one takes back
    undone_by INTEGER,                  -- the move that took this one back
    decision TEXT                       -- JSON, for pictures
);
CREATE INDEX IF NOT EXISTS moves_run ON moves(run);
CREATE INDEX IF NOT EXISTS moves_open ON moves(state) WHERE state = 'intent';
CREATE INDEX IF NOT EXISTS moves_source ON moves(source);
CREATE INDEX IF NOT EXISTS moves_target ON moves(target);
CREATE TABLE IF NOT EXISTS labels (     -- since version 2: pictures whose class a person has confirmed
    sha256 BLOB PRIMARY KEY,
    class BLOB NOT NULL,                -- bytes as the system has the folder's name
    time TEXT NOT NULL,                 -- UTC, ISO-8601
    source TEXT NOT NULL                -- where it was said: labels | app
) WITHOUT ROWID;
"""


LAST_NUMBER = """
SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name='moves'), 0), coalesce((SELECT max(id) FROM moves), 0))
"""
"""The last id that was given to a move, by the rule of AUTOINCREMENT: the numbers of deleted rows don't come back."""
INTENT = """
INSERT INTO moves(id, run, main, action, source, target, sha256, dev, ino, size, mtime_ns, nlink, state,
                  reverses, decision)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,'intent',?,?)
""".strip()
ASKED_AT_ONCE = 500
"""Paths in one query; older builds of SQLite take at most 999 values."""

HAND = "hand"
"""Kind of the runs in which a person filed pictures one by one; all other kinds are the program's own judgement."""
ABOUT_TO_MAKE = -1
"""`target_ino` while an empty file that holds the target's name may or may not have been made yet."""


@dataclass(frozen=True, slots=True)
class Move:
    """One file's way from a source to a target; id 0 until the journal has given one."""

    source: str
    target: str
    action: str
    sha256: bytes
    stat: FileStat
    decision: dict[str, Any] | None = None
    reverses: int | None = None
    decision_json: str | None = None
    """The decision where it is JSON already and is to be written as it is; never given back."""
    id: int = 0
    run: int = 0
    main: int = 0
    state: str = "intent"
    target_dev: int | None = None
    target_ino: int | None = None
    note: str | None = None
    undone_by: int | None = None


def owned(move: Move, made: FileStat | None) -> Move:
    """The move with the file that we made at its target; None: that file is about to be made."""
    if made is None:
        return replace(move, target_dev=0, target_ino=ABOUT_TO_MAKE)
    return replace(move, target_dev=made.dev, target_ino=made.ino)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One sorting pass or undo, as the journal has it."""

    id: int
    kind: str
    started: str
    ended: str | None
    action: str
    dry_run: bool
    undoes: str | None
    settings: dict[str, Any]
    summary: dict[str, Any] | None


def now() -> str:
    """UTC time, ISO-8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Journal:
    """journal.db of one dataset."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise JournalError(f"{show(str(path.parent.parent))} has no history yet: nothing was sorted here")
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self.wal = open_durably(self._db)
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA_VERSION:
                raise JournalError(f"{show(str(path))} was written by a newer refsort; update refsort")
            if version < SCHEMA_VERSION:
                self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def check(self) -> None:
        """Read all of it. Raises JournalDamaged if that can't be done."""
        found = self.rows("PRAGMA quick_check(1)")[0][0]
        if found != "ok":
            raise self._broken(sqlite3.DatabaseError(f"malformed: {found}"))

    def continue_after(self, runs: int, moves: int) -> None:
        """Give no number up to these any more."""
        with self.transaction() as db:
            for table, number in (("runs", runs), ("moves", moves)):
                db.execute("DELETE FROM sqlite_sequence WHERE name=?", (table,))
                db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?,?)", (table, number))

    # -- runs

    def begin_run(
        self, kind: str, action: str, settings: dict[str, Any], *, dry_run: bool = False, undoes: str | None = None
    ) -> int:
        """Open a run and return its number."""
        with self.transaction() as db:
            cursor = db.execute(
                "INSERT INTO runs(kind, started, action, dry_run, undoes, settings) VALUES (?,?,?,?,?,?)",
                (kind, now(), action, dry_run, undoes, json.dumps(settings)),
            )
            return int(cursor.lastrowid or 0)

    def end_run(self, run: int, summary: dict[str, Any]) -> None:
        with self.transaction() as db:
            db.execute("UPDATE runs SET ended=?, summary=? WHERE id=?", (now(), json.dumps(summary), run))

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Newest first."""
        rows = self.rows("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (-1 if limit is None else limit,))
        return [_run(row) for row in rows]

    def run(self, number: int) -> RunRecord:
        """Raises JournalError for a number that was never given."""
        rows = self.rows("SELECT * FROM runs WHERE id=?", (number,))
        if not rows:
            raise JournalError(f"there is no run {number}; 'refsort history' lists them")
        return _run(rows[0])

    # -- moves

    def intend(self, run: int, groups: list[list[Move]]) -> list[list[Move]]:
        """Commit intents, one list per group of files that move together, the picture first. Returns them with ids."""
        with self.transaction() as db:
            # Nobody else gives numbers while this transaction is open, so they are known before the rows are written.
            number = int(db.execute(LAST_NUMBER).fetchone()[0])
            written = []
            for group in groups:
                main = number + 1
                members = []
                for move in group:
                    number += 1
                    members.append(replace(move, id=number, run=run, main=main))
                written.append(members)
            db.executemany(INTENT, (_columns(move) for members in written for move in members))
            return written

    def retarget(self, moves: list[Move]) -> None:
        """Commit new targets of intents, before they are tried."""
        values = [(to_bytes(m.target), m.target_dev, m.target_ino, m.id) for m in moves]
        with self.transaction() as db:
            db.executemany("UPDATE moves SET target=?, target_dev=?, target_ino=? WHERE id=?", values)

    def made(self, moves: Iterable[Move]) -> None:
        """Commit which inodes are ours, before they get their final names."""
        with self.transaction() as db:
            db.executemany(
                "UPDATE moves SET target_dev=?, target_ino=? WHERE id=?",
                [(m.target_dev, m.target_ino, m.id) for m in moves],
            )

    def finish(self, ends: list[tuple[Move, str, str | None]]) -> None:
        """Commit (move, state, note) for many; a done reversal marks what it took back.

        Targets stand there already (`retarget`); writing them again would cost an index entry each.
        """
        with self.transaction() as db:
            db.executemany(
                "UPDATE moves SET state=?, note=?, target_dev=?, target_ino=? WHERE id=?",
                ((state, note, m.target_dev, m.target_ino, m.id) for m, state, note in ends),
            )
            db.executemany(
                "UPDATE moves SET undone_by=? WHERE id=?",
                [(m.id, m.reverses) for m, state, _ in ends if state == "done" and m.reverses],
            )

    def open_groups(self) -> list[list[Move]]:
        """Groups with an intent that has no end, whole, in the order they were begun."""
        rows = self.rows(
            "SELECT * FROM moves WHERE main IN (SELECT main FROM moves WHERE state='intent') ORDER BY main, id"
        )
        groups: dict[int, list[Move]] = {}
        for row in rows:
            move = _move(row)
            groups.setdefault(move.main, []).append(move)
        return list(groups.values())

    def standing(self, run: int) -> list[Move]:
        """Moves of a run that were done and are not taken back, newest first."""
        rows = self.rows("SELECT * FROM moves WHERE run=? AND state='done' ORDER BY id DESC", (run,))
        return [_move(row) for row in rows if self._stands(row["undone_by"])]

    def count_standing(self, run: int) -> int:
        """How many moves `standing` would give, without reading them."""
        plain = self.rows("SELECT count(*) FROM moves WHERE run=? AND state='done' AND undone_by IS NULL", (run,))
        again = self.rows(
            "SELECT m.undone_by FROM moves m JOIN moves u ON u.id=m.undone_by"
            " WHERE m.run=? AND m.state='done' AND u.undone_by NOT NULL",
            (run,),
        )
        return int(plain[0][0]) + sum(self._stands(row["undone_by"]) for row in again)

    def standing_at(self, path: str) -> list[Move]:
        """Standing moves of sorting runs that left or reached a path, newest first."""
        key = to_bytes(path)
        rows = self.rows(
            "SELECT m.* FROM moves m JOIN runs r ON r.id=m.run WHERE r.kind!='undo' AND m.state='done'"
            " AND (m.source=? OR m.target=?) ORDER BY m.id DESC",
            (key, key),
        )
        return [_move(row) for row in rows if self._stands(row["undone_by"])]

    def moved_from(self, paths: list[str]) -> set[tuple[str, bytes]]:
        """(source, SHA-256) of the standing moves of sorting runs that left one of these paths."""
        found = set()
        for first in range(0, len(paths), ASKED_AT_ONCE):
            keys = tuple(to_bytes(path) for path in paths[first : first + ASKED_AT_ONCE])
            rows = self.rows(
                "SELECT m.source, m.sha256, m.undone_by FROM moves m JOIN runs r ON r.id=m.run WHERE r.kind!='undo'"
                f" AND m.state='done' AND m.source IN ({','.join('?' * len(keys))})",
                keys,
            )
            found |= {(from_bytes(row[0]), row[1]) for row in rows if self._stands(row[2])}
        return found

    def sorting_runs(self) -> list[int]:
        """Numbers of the sorting runs that moved something, newest first."""
        rows = self.rows(
            "SELECT DISTINCT m.run AS run FROM moves m JOIN runs r ON r.id=m.run"
            " WHERE r.kind!='undo' AND m.state='done' ORDER BY m.run DESC"
        )
        return [row["run"] for row in rows]

    def last_standing_run(self) -> int | None:
        """The newest sorting run that still has something to take back."""
        for run in self.sorting_runs():
            rows = self.rows("SELECT undone_by FROM moves WHERE run=? AND state='done'", (run,))
            if any(self._stands(row["undone_by"]) for row in rows):
                return run
        return None

    def _stands(self, undone_by: int | None) -> bool:
        """Whether a done move is in force: not taken back, or its taking back was itself taken back."""
        if undone_by is None:
            return True
        return not self._stands(self.rows("SELECT undone_by FROM moves WHERE id=?", (undone_by,))[0]["undone_by"])

    def placed(self, source: str, action: str) -> list[Move]:
        """Standing copies or links that were made of a source."""
        rows = self.rows("SELECT * FROM moves WHERE source=? AND action=? AND state='done'", (to_bytes(source), action))
        return [_move(row) for row in rows if self._stands(row["undone_by"])]

    def targets_with(self, main: int) -> list[str]:
        """Where the files went that were moved together with a picture, by the picture's move."""
        rows = self.rows("SELECT target FROM moves WHERE main=? AND id!=main AND state='done' ORDER BY id", (main,))
        return [from_bytes(row["target"]) for row in rows]

    def main_at(self, path: str) -> int | None:
        """The move of the picture with which a file came to a path last; None if no run has brought it."""
        rows = self.rows(
            "SELECT main FROM moves WHERE target=? AND state='done' AND action!='tag' ORDER BY id DESC LIMIT 1",
            (to_bytes(path),),
        )
        return rows[0]["main"] if rows else None

    def move(self, number: int) -> Move:
        """One move by its id."""
        return _move(self.rows("SELECT * FROM moves WHERE id=?", (number,))[0])

    # -- plumbing

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is committed, or nothing. Raises JournalError."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise self._broken(error) from error

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """What a query finds. Raises JournalError."""
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> JournalError:
        if (isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error)) or "malformed" in str(error):
            return JournalDamaged(
                f"{show(str(self.path))} is damaged ({error}). Pictures are safe. The next sort keeps it aside and "
                f"begins a new one: what was sorted before can then no longer be undone by refsort"
            )
        return JournalError(
            f"the journal {show(str(self.path))} can't be used: {error}. Nothing was moved without an entry in it; "
            f"free some disk space or set state_dir to a writable folder"
        )


def open_durably(db: sqlite3.Connection) -> bool:
    """Every commit reaches the disk before it returns. True if WAL is in force (it isn't on network file systems)."""
    mode = str(db.execute("PRAGMA journal_mode=WAL").fetchone()[0]).lower()
    if mode != "wal":
        db.execute("PRAGMA journal_mode=DELETE")
    db.execute("PRAGMA synchronous=FULL")
    return mode == "wal"


def _run(row: sqlite3.Row) -> RunRecord:
    return RunRecord(
        *(row["id"], row["kind"], row["started"], row["ended"], row["action"], bool(row["dry_run"]), row["undoes"]),
        settings=json.loads(row["settings"]),
        summary=json.loads(row["summary"]) if row["summary"] else None,
    )


def _columns(m: Move) -> tuple[Any, ...]:
    return (
        *(m.id, m.run, m.main, m.action, to_bytes(m.source), to_bytes(m.target), m.sha256),
        *(m.stat.dev, m.stat.ino, m.stat.size, m.stat.mtime_ns, m.stat.nlink, m.reverses),
        m.decision_json if m.decision is None else json.dumps(m.decision),
    )


def _move(row: sqlite3.Row) -> Move:
    return Move(
        source=from_bytes(row["source"]),
        target=from_bytes(row["target"]),
        action=row["action"],
        sha256=row["sha256"],
        stat=FileStat(row["dev"], row["ino"], row["size"], row["mtime_ns"], row["nlink"]),
        decision=json.loads(row["decision"]) if row["decision"] else None,
        reverses=row["reverses"],
        id=row["id"],
        run=row["run"],
        main=row["main"],
        state=row["state"],
        target_dev=row["target_dev"],
        target_ino=row["target_ino"],
        note=row["note"],
        undone_by=row["undone_by"],
    )
