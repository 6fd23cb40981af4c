"""What a person does with reference pictures: new ones come into a class, others go elsewhere, and may come back.

A new reference appears in its class whole, as the very bytes that came, under a free name; nothing is replaced. One
that is taken out is moved: into another class, or to Duplicates/ or Unsure/, journaled as a run of its own.
"""

import contextlib
import hashlib
import os
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refsort.errors import DatasetError, JournalError, UnsafeName
from refsort.files.claim import sync_folder
from refsort.files.companions import group_of
from refsort.files.copying import part_path
from refsort.files.dataset import PHRASES_FILE, Dataset
from refsort.files.groups import SIDECAR_SUFFIXES, split
from refsort.files.identity import hash_file, look
from refsort.files.inside import inside
from refsort.files.journal import HAND, Journal
from refsort.files.lock import moving
from refsort.files.moving import Mover
from refsort.files.requests import Request, member, words
from refsort.files.taken import TakenNames
from refsort.files.taking import publish
from refsort.files.undo import Undone, choose, undo
from refsort.names import (
    MAX_NAME_BYTES,
    check_distinct,
    check_new_class,
    cut,
    fold,
    is_litter,
    is_litter_folder,
    show,
    to_bytes,
    unsafe_reason,
)

NAMELESS = "picture"
REFERENCES = "references"
"""Key in the settings of a run that moved references."""


def clean_name(given: str) -> str:
    """A file name for what a browser calls so: the last part of a path, safe everywhere, not hidden, no litter.

    >>> clean_name("../../x.jpg"), clean_name("C:\\\\photos\\\\CON.png")
    ('x.jpg', '_CON.png')
    """
    name = re.split(r"[/\\]", given)[-1]
    name = "".join("_" if c in '<>:"|?*' or not c.isprintable() else c for c in name).strip(" ").rstrip(". ")
    name = re.sub(r"^[.~$ ]+", "", name)
    stem, suffix = split(name)
    suffix = name[len(stem) :] if len(to_bytes(suffix)) <= 16 else ""
    stem = cut(stem if suffix else name, MAX_NAME_BYTES - len(to_bytes(suffix))).rstrip(". ") or NAMELESS
    name = stem + suffix
    if fold(name) == fold(PHRASES_FILE) or unsafe_reason(name) is not None:
        name = f"_{cut(stem, MAX_NAME_BYTES - len(to_bytes(suffix)) - 1)}{suffix}"
    if is_litter(name):
        name = f"{cut(re.sub(r'[.~!]', '_', name), MAX_NAME_BYTES - 1)}_"
    return name


@dataclass(slots=True)
class Added:
    """What became of one file."""

    path: str | None = None
    """Relative to the dataset; None if it was not taken."""
    reason: str = ""
    """Why it was not taken."""
    also: list[str] = field(default_factory=list)
    """Other classes that have the same bytes as a reference."""


class Adding:
    """New references of one class. The class's folder is made when the first of them comes."""

    def __init__(self, dataset: Dataset, class_name: str, *, new: bool = False) -> None:
        """`new`: the class may be one that is not there yet. Raises UnsafeName, DatasetError."""
        check_new_class(class_name)
        there = _classes(dataset)
        if class_name not in there and not new:
            raise UnsafeName(f"there is no class {show(class_name)}")
        check_distinct(sorted({*there, class_name}))
        self.dataset, self.class_name = dataset, class_name
        self._relative = f"{dataset.names.references}/{class_name}"
        dataset.check_target(self._relative)
        self._folder = dataset.path(self._relative)
        self._others: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for name in there:
            for path in dataset.reference_files(name) if name != class_name else ():
                if (found := look(dataset.path(path))) is not None:
                    self._others[found.size].append((name, path))

    def add(self, given: str, data: bytes) -> Added:
        """One file, by the name that it came with. Whoever calls this has seen that it is a readable picture."""
        digest = hashlib.sha256(data).digest()
        with moving(self.dataset.state):
            try:
                if (same := self._own(len(data), digest)) is not None:
                    return Added(reason=f"it is a reference of {show(self.class_name)} already: {show(same)}")
                target = self._write(clean_name(given), data)
            except OSError as error:
                return Added(reason=words(error))
        also = {name for name, path in self._others[len(data)] if _hash(self.dataset.path(path)) == digest}
        return Added(self.dataset.relative(target), also=sorted(also))

    def _own(self, size: int, digest: bytes) -> str | None:
        """The name of the class's reference with these bytes."""
        for path in self.dataset.reference_files(self.class_name) if self._folder.is_dir() else ():
            found = look(self.dataset.path(path))
            if found is not None and found.size == size and _hash(self.dataset.path(path)) == digest:
                return path.rpartition("/")[2]
        return None

    def _write(self, name: str, data: bytes) -> Path:
        """Raises OSError; nothing of it is left then."""
        there = self._folder.is_dir()
        self._folder.mkdir(exist_ok=True)
        part = part_path(self._folder / name, name, secrets.randbits(48))
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(part, flags, 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            taken, number = TakenNames(), 0
            while True:
                (target,), number = taken.choose([self._folder / name], split(name)[0], after=number)
                with contextlib.suppress(FileExistsError):
                    publish(part, target)
                    break
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
                if not there:
                    self._folder.rmdir()
            raise
        with contextlib.suppress(OSError):
            sync_folder(self._folder)
        return target


@dataclass(frozen=True, slots=True)
class Leaving:
    """A reference that is to go, as the person was shown it."""

    path: str
    """Relative to the dataset."""
    sha256: bytes | None = None
    """None: whatever lies there now."""


@dataclass(slots=True)
class Left:
    """What became of them."""

    run: int | None = None
    """None if nothing was moved."""
    moved: list[tuple[str, str]] = field(default_factory=list)
    """(from, to)."""
    stayed: list[tuple[str, str]] = field(default_factory=list)
    """(path, why)."""


def to_class(dataset: Dataset, class_name: str) -> str:
    """The folder of another class's references. Raises UnsafeName if there is no such class."""
    if class_name not in _classes(dataset):
        raise UnsafeName(f"there is no class {show(class_name)}")
    return f"{dataset.names.references}/{class_name}"


def move_references(dataset: Dataset, journal: Journal, leaving: Sequence[Leaving], folder: str) -> Left:
    """Move references with their sidecars into a folder of the dataset; below Duplicates/ they keep their path.

    No class loses its last picture. Works beside a daemon, as moves wait for one another. Raises JournalError as
    `Mover.file` does.
    """
    result, requests = Left(), []
    counts: Counter[str] = Counter()
    for name in _classes(dataset):
        files = dataset.reference_files(name)
        counts[name] = sum(split(path)[1] not in SIDECAR_SUFFIXES for path in files)
    for one in leaving:
        try:
            request = _leave(dataset, one, folder, counts)
        except (OSError, UnsafeName, DatasetError) as error:
            result.stayed.append((one.path, words(error)))
        else:
            requests.append(request)
    if not requests:
        return result
    result.run = journal.begin_run(HAND, "move", {REFERENCES: True})
    for outcome in Mover(dataset, journal).file(result.run, requests):
        source = outcome.request.members[0].source
        if outcome.status == "done":
            result.moved.append((source, outcome.targets[0]))
        else:
            result.stayed.append((source, outcome.reason))
    journal.end_run(result.run, {"sorted": len(result.moved), "failed": len(requests) - len(result.moved)})
    return result


def _leave(dataset: Dataset, one: Leaving, folder: str, counts: Counter[str]) -> Request:
    """Raises OSError, UnsafeName, DatasetError."""
    if look(inside(dataset, one.path, frozenset({dataset.names.references}))) is None:
        raise FileNotFoundError(f"{show(one.path)} is gone")
    top, _, rest = one.path.partition("/")
    class_name, _, name = rest.rpartition("/")
    if not name or fold(name) == fold(PHRASES_FILE) or class_name not in counts:
        raise UnsafeName(f"{show(one.path)} is no reference picture of a class")
    if folder == f"{top}/{class_name}":
        raise UnsafeName(f"it is in {show(class_name)} already")
    if counts[class_name] < 2:
        raise DatasetError(f"it is the last reference of {show(class_name)}; add another one first")
    group = group_of(dataset, one.path)
    beside = [path for path in group.paths()[1:] if fold(path.rpartition("/")[2]) != fold(PHRASES_FILE)]
    place = f"{folder}/{top}/{class_name}" if folder == dataset.names.duplicates else folder
    members = tuple(member(dataset, path, f"{place}/{path.rpartition('/')[2]}") for path in [one.path, *beside])
    if one.sha256 not in (None, members[0].sha256):
        raise DatasetError("it is not the picture that was shown")
    counts[class_name] -= 1
    decision = None
    if folder.startswith(f"{top}/"):
        said = folder.partition("/")[2]
        decision = {
            "class": said,
            "verdict": "named",
            "reason": f"a person said so of a reference of {show(class_name)}",
        }
    return Request(members, "move", decision, stem=group.stem)


def put_back(dataset: Dataset, journal: Journal, run: int) -> Undone:
    """Take back what `move_references` did in a run. Works beside a daemon. Raises JournalError for any other run."""
    record = journal.run(run)
    if record.kind != HAND or not record.settings.get(REFERENCES):
        raise JournalError(f"run {run} moved no references")
    return undo(dataset, journal, choose(journal, dataset, run, None, None), f"run {run}")


def _classes(dataset: Dataset) -> list[str]:
    """Also of a dataset that has none yet."""
    folder = dataset.path(dataset.names.references)
    there = any(path.is_dir() and not is_litter_folder(path.name) for path in folder.iterdir())
    return dataset.classes() if there else []


def _hash(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return hash_file(path)
    return b""
