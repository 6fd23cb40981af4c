"""What lies in the folders that refsort fills, and which of it refsort itself has put there.

A file that lies where its newest standing move has put it was filed by refsort. Any other one was put, renamed or
changed by a person (or by a program of theirs).
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from refsort.files.dataset import Dataset
from refsort.files.groups import SIDECAR_SUFFIXES, Group, split
from refsort.files.identity import FileStat, look
from refsort.files.journal import HAND, Journal
from refsort.names import from_bytes

SURVEY_SHARE = 50
"""A daemon spends at most one part in so many of its time on looking for what people have moved."""


@dataclass(frozen=True, slots=True)
class Filed:
    """The newest standing move of a picture, as far as it tells the file that it put at `target`."""

    id: int
    run: int
    action: str
    target: str
    sha256: bytes
    size: int
    mtime_ns: int
    inodes: tuple[int, int | None]
    """That of the source, and of the file that was made at the target if one was."""
    by_hand: bool = False
    """Whether a person asked for this very move."""

    def is_unchanged(self, found: FileStat | None) -> bool:
        """Whether the file at the target is the very one that was put there. False may also mean: not known."""
        return (
            found is not None
            and (found.size, found.mtime_ns) == (self.size, self.mtime_ns)
            and found.ino in self.inodes
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture in one of the folders that refsort fills."""

    group: Group
    folder: str
    """Dataset, Unsure or Unknown, by the names of the settings."""
    class_name: str | None
    """Of the class folder that it lies in, however deep; None in Unsure/ and Unknown/."""
    filed: Filed | None
    """None: refsort did not put it there."""

    @property
    def path(self) -> str:
        return self.group.path


@dataclass(frozen=True)
class Survey:
    """All of it."""

    placed: list[Placed]
    standing: dict[str, Filed]
    """Where refsort put what, also where nothing lies any more."""
    begun: float
    """When refsort's history of this dataset begins, in seconds since 1970."""

    def by_hand(self) -> list[Placed]:
        """What lies in a class folder and was put there by a person, without refsort or by telling it to."""
        found = (placed for placed in self.placed if placed.class_name is not None)
        return [placed for placed in found if placed.filed is None or placed.filed.by_hand]

    def missing(self) -> dict[bytes, list[Filed]]:
        """By content: what refsort filed and what is no longer in its place."""
        present = {placed.path for placed in self.placed}
        found: dict[bytes, list[Filed]] = defaultdict(list)
        for filed in self.standing.values():
            if filed.target not in present:
                found[filed.sha256].append(filed)
        return found

    def made_from(self, placed: Placed) -> str | None:
        """The picture that refsort filed in the same folder whose name this one's begins with, as editors do it."""
        stem = split(placed.group.main)[0]
        for end in range(len(stem) - 1, 0, -1):
            if stem[end].isalnum():
                continue
            if path := self._by_stem.get(f"{placed.group.folder}/{stem[:end].rstrip()}"):
                return path
        return None

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """Path without suffix → what refsort filed under it."""
        found: dict[str, str] = {}
        for path in self.standing:
            folder, _, name = path.rpartition("/")
            found[f"{folder}/{split(name)[0]}"] = path
        return found


def take_survey(dataset: Dataset, journal: Journal) -> Survey:
    """List the folders and read the journal; no file is opened. Two hundred thousand pictures take some seconds."""
    standing = standing_files(journal)
    names = dataset.names
    placed = []
    for folder in (names.sorted, names.unsure, names.unknown):
        for group in dataset.groups(folder):
            inner = group.folder.split("/")
            if folder == names.sorted and len(inner) < 2:
                continue  # Loose in Dataset/: of no class.
            if split(group.main)[1] in SIDECAR_SUFFIXES:
                continue  # Its picture was moved away without it.
            placed.append(Placed(group, folder, inner[1] if folder == names.sorted else None, standing.get(group.path)))
    return Survey(placed, standing, _begun(journal))


def standing_files(journal: Journal) -> dict[str, Filed]:
    """Target → the newest move that put a picture there, is not taken back, and which no later move took further.

    A move that is going on at this moment counts: the file may lie there already.
    """
    undone_by: dict[int, int] = {
        row["id"]: row["undone_by"] for row in journal.rows("SELECT id, undone_by FROM moves WHERE undone_by NOT NULL")
    }

    def stands(number: int) -> bool:
        return number not in undone_by or not stands(undone_by[number])

    found: dict[str, Filed] = {}
    for row in journal.rows(
        "SELECT m.id, m.run, m.action, m.source, m.target, m.sha256, m.size, m.mtime_ns, m.ino, m.target_ino, r.kind"
        " FROM moves m JOIN runs r ON r.id=m.run"
        " WHERE r.kind!='undo' AND m.main=m.id AND m.action!='tag' AND m.state IN ('done', 'intent') ORDER BY m.id"
    ):
        if not stands(row["id"]):
            continue
        source, target = from_bytes(row["source"]), from_bytes(row["target"])
        if row["action"] == "move" and source in found and found[source].sha256 == row["sha256"]:
            del found[source]
        found[target] = Filed(
            *(row["id"], row["run"], row["action"], target, row["sha256"], row["size"], row["mtime_ns"]),
            inodes=(row["ino"], row["target_ino"]),
            by_hand=row["kind"] == HAND,
        )
    return found


def placed_since(dataset: Dataset, path: str) -> float:
    """When a file got its place, its name or its content last, in seconds since 1970; 0 if it is gone.

    That is the inode's change time, which no copy keeps. Windows has none and gives the time of creation instead.
    """
    try:
        return os.lstat(dataset.path(path)).st_ctime
    except OSError:
        return 0.0


def _begun(journal: Journal) -> float:
    rows = journal.rows("SELECT started FROM runs ORDER BY id LIMIT 1")
    return datetime.fromisoformat(rows[0]["started"]).timestamp() if rows else float("inf")


class HandMade:
    """What a person has put into class folders, watched cheaply: files are listed again only where a folder changed."""

    def __init__(self, dataset: Dataset, clock: Callable[[], float] = time.monotonic) -> None:
        self.dataset = dataset
        self.clock = clock
        self._not_before = 0.0
        self._folders: dict[str, tuple[int, list[str]]] = {}
        """Folder → its mtime_ns, and the folders in it."""
        self._paths: list[str] = []

    def listing(self, journal: Journal) -> frozenset[tuple[str, int, int]]:
        """(path, size, mtime_ns) of each. Costs a stat a folder and a file of a person's while no folder changes.

        Where folders change all the time a survey is taken for one part in SURVEY_SHARE of the time only.
        """
        folders, begun = dict(self._walk()), self.clock()
        if folders != self._folders and begun >= self._not_before:
            self._paths = [placed.path for placed in take_survey(self.dataset, journal).by_hand()]
            self._folders = folders
            self._not_before = self.clock() + SURVEY_SHARE * (self.clock() - begun)
        found = ((path, look(self.dataset.path(path))) for path in self._paths)
        return frozenset((path, stat.size, stat.mtime_ns) for path, stat in found if stat is not None)

    def _walk(self) -> Iterator[tuple[str, tuple[int, list[str]]]]:
        """Every folder below that of the sorted pictures, and itself."""
        waiting = [self.dataset.names.sorted]
        while waiting:
            folder = waiting.pop()
            path = self.dataset.path(folder)
            try:
                changed = path.stat().st_mtime_ns
                before, inner = self._folders.get(folder, (0, []))
                if changed != before:
                    inner = [f"{folder}/{e.name}" for e in os.scandir(path) if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            yield folder, (changed, inner)
            waiting += inner
