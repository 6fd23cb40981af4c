"""A damaged journal is kept aside and a new one begun: pictures go on being sorted, and what is lost is said."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from refsort.errors import JournalDamaged
from refsort.files.claim import sync_folder
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.names import show

CHECKED_BYTES = 200_000_000
"""Journals up to this size are looked through when they are opened, half a second at most."""
LITTER = (".refsort-part", ".refsort-leaving-")
"""In the names of files whose move was interrupted; with a journal the next start deals with them."""
NAMED = 20

Row = tuple[bytes, bytes, str, str]


def open_to_write(path: Path, dataset: Dataset, tell: Callable[[str], None]) -> Journal:
    """The journal, or a new one if it is damaged. Whoever calls this holds the dataset. Raises JournalError."""
    try:
        journal = Journal(path)
        try:
            if path.stat().st_size <= CHECKED_BYTES:
                journal.check()
        except BaseException:
            journal.close()
            raise
        return journal
    except JournalDamaged:
        return _begin_anew(path, dataset, tell)


def _begin_anew(path: Path, dataset: Dataset, tell: Callable[[str], None]) -> Journal:
    labels = _labels(path)
    place = _move_aside(path)
    journal = Journal(path)
    # Numbers go on above the old ones: those of moves stand in the names of files, those of runs in those of pages.
    journal.continue_after(runs=_last_page(path.parent), moves=time.time_ns() // 1_000_000)
    with journal.transaction() as db:
        db.executemany("INSERT INTO labels VALUES (?,?,?,?)", labels or [])
    said = "" if labels is not None else ", and what was confirmed by hand is forgotten"
    tell(
        f"the journal was damaged; it is kept in {show(str(place))} and a new one is begun. Pictures are safe; what "
        f"was sorted before can no longer be undone by refsort{said}"
    )
    for number, left in enumerate(_litter(dataset)):
        if number == NAMED:
            tell("and more such files")
            break
        tell(f"{show(left)} is left from a move that was interrupted then: look whether it is needed")
    return journal


def _move_aside(path: Path) -> Path:
    """The journal and what belongs to it, into a new folder beside it, under their own names."""
    number = 1
    while True:
        place = path.parent / f"journal-broken-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{number}"
        with suppress(FileExistsError):
            place.mkdir()
            break
        number += 1
    for suffix in ("-wal", "-shm", "-journal", ""):  # The journal itself last: until then all of it can be tried again.
        with suppress(FileNotFoundError):
            part = path.with_name(path.name + suffix)
            part.rename(place / part.name)
    sync_folder(place)
    sync_folder(path.parent)
    return place


def _labels(path: Path) -> list[Row] | None:
    """What people have confirmed, if that can still be read."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute("SELECT sha256, class, time, source FROM labels").fetchall()
    except sqlite3.Error:
        return None


def _last_page(state: Path) -> int:
    """The highest number of a run that has a page."""
    numbers = (page.stem.removeprefix("run-") for page in (state / "reports").glob("run-*.html"))
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _litter(dataset: Dataset) -> Iterator[str]:
    for folder, inner, names in os.walk(dataset.root):
        inner[:] = sorted(name for name in inner if Path(folder) / name != dataset.state)
        for name in sorted(names):
            if any(mark in name for mark in LITTER):
                yield dataset.relative(Path(folder) / name)
