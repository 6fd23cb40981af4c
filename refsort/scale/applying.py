"""Carrying out a plan: the very moves that it says, under lock and journal, as one run that can be undone.

Only what lies in the drop folder moves. What is gone, or has changed since it was embedded, stays and is counted; what
an earlier try has moved already is counted as that, so a plan can be carried out again after a kill.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.files.groups import RAW_SUFFIXES, SIDECAR_SUFFIXES, Group, gather, split
from refsort.files.identity import FileStat, look
from refsort.files.inside import below, inside
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Member, Outcome, Request, member, words
from refsort.names import from_bytes, show
from refsort.scale.plans import About, read_plan
from refsort.sorting.events import Item, Reporter
from refsort.sorting.sorter import journal_to_write

FOLDERS_KEPT = 64
"""Folders whose companions are held in memory at once."""
COMPANIONS = SIDECAR_SUFFIXES | RAW_SUFFIXES


@dataclass(slots=True)
class Applied:
    """What came of it; its fields are the keys of `--json`."""

    plan: str
    dataset: str
    run: int | None = None
    rows: int = 0
    moved: int = 0
    before: int = 0
    """Moved by an earlier try of this plan."""
    stays: int = 0
    """The plan leaves them where they are."""
    skipped: int = 0
    """Gone, or changed since they were embedded."""
    failed: int = 0
    per_folder: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def apply_plan(dataset: Dataset, path: Path, reporter: Reporter) -> Applied:
    """Carry out a plan. Raises DatasetError if it isn't of this dataset's drop folder, DatasetHeld, JournalError."""
    begun = time.perf_counter()
    about, rows, batches = read_plan(path)
    prefix = _prefix(dataset, about)
    result = Applied(str(path), dataset.name, rows=rows)
    with ExitStack() as stack:
        journal = stack.enter_context(journal_to_write(dataset, "apply", reporter))
        applying = _Applying(dataset, journal, prefix, result, reporter)
        result.run = journal.begin_run("sort", "move", about.settings | {"encoder": about.encoder, "plan": path.name})
        reporter.stage("pictures", rows)
        try:
            for batch in batches:
                applying.carry_out(batch)
        finally:
            counts = {"sorted": result.moved, "failed": result.failed, "skipped": result.skipped}
            journal.end_run(result.run, counts | {"cut": about.settings.get("cut")})
    result.seconds = round(time.perf_counter() - begun, 3)
    return result


def _prefix(dataset: Dataset, about: About) -> str:
    """What stands before a path of the plan to make it one of the dataset. Raises DatasetError."""
    root, source = dataset.root.resolve(), Path(about.source).resolve()
    top = root / dataset.names.arrivals
    if not source.is_relative_to(top) and source != root:
        raise DatasetError(
            f"the plan is about {show(about.source)}, and only what lies in {show(str(top))} is moved; "
            "a plan about an object store is a list for other programs"
        )
    relative = os.path.relpath(source, root).replace(os.sep, "/")
    return "" if relative == "." else f"{relative}/"


class _Applying:
    """Batches of a plan's rows as requests to the mover."""

    def __init__(self, dataset: Dataset, journal: Journal, prefix: str, result: Applied, reporter: Reporter) -> None:
        self.dataset, self.journal, self.prefix = dataset, journal, prefix
        self.root = f"{dataset.root}/"
        self.result, self.reporter = result, reporter
        self.mover = Mover(dataset, journal)
        names = dataset.names
        self.tops = frozenset({names.arrivals})
        self.targets = frozenset({names.sorted, names.unsure, names.unknown})
        self._known_targets: set[str] = set()
        self._companions: dict[str, _Companions] = {}

    def carry_out(self, rows: dict[str, list[Any]]) -> None:
        requests: list[Request] = []
        gone: list[tuple[str, bytes]] = []
        columns = (rows[k] for k in ("path", "size", "mtime_ns", "sha256", "folder", "decision"))
        for path, size, mtime_ns, sha256, folder, decision in zip(*columns, strict=True):
            relative = self.prefix + from_bytes(path)
            if not folder:
                self.result.stays += 1
            elif (found := self._look(relative)) is None:
                gone.append((relative, sha256))
            elif (found[1].size, found[1].mtime_ns) != (size, mtime_ns):
                self._skip(relative, "it changed after it was embedded")
            elif request := self._request(*found, sha256, self._target(folder), decision):
                requests.append(request)
        self._missed(gone)
        assert self.result.run is not None
        self._count(self.mover.file(self.result.run, requests))
        for _ in rows["path"]:
            self.reporter.step()

    def _look(self, path: str) -> tuple[Group, FileStat] | None:
        """None if there is no such file, or it goes with another. Raises UnsafeName for a path that leads out."""
        folder, _, name = path.rpartition("/")
        if folder not in self._companions:
            inside(self.dataset, f"{folder}/any", self.tops)
            if len(self._companions) >= FOLDERS_KEPT:
                self._companions.clear()
            self._companions[folder] = _companions(self.dataset, folder)
        below(path, self.tops)
        companions = self._companions[folder]
        stat = None if name in companions.owned else look(self.root + path)
        return None if stat is None else (companions.groups.get(name) or Group(folder, name), stat)

    def _target(self, folder: bytes) -> str:
        """Raises UnsafeName for a folder that a sort doesn't fill: a plan is a file, and files get edited."""
        target = from_bytes(folder)
        if target not in self._known_targets:
            below(f"{target}/any", self.targets)
            self._known_targets.add(target)
        return target

    def _request(self, group: Group, stat: FileStat, sha256: bytes, target: str, decision: str) -> Request | None:
        try:
            if not isinstance(json.loads(decision), dict):
                raise ValueError("it is no object")
            members = [Member(group.path, f"{target}/{group.main}", stat, sha256)]
            members += [member(self.dataset, f"{group.folder}/{name}", f"{target}/{name}") for name in group.others]
        except (TypeError, ValueError) as error:
            self._fail(group.path, f"its decision in the plan can't be read: {error}")
            return None
        except OSError as error:
            self._fail(group.path, f"a file that goes with it can't be read: {words(error)}")
            return None
        return Request(tuple(members), "move", stem=group.stem, decision_json=decision)

    def _count(self, outcomes: list[Outcome]) -> None:
        folders: Counter[str] = Counter()
        for outcome in outcomes:
            main = outcome.request.members[0]
            if outcome.status == "done":
                folders[main.target.rpartition("/")[0]] += 1
            elif outcome.status == "changed":
                self._skip(main.source, outcome.reason)
            else:
                self._fail(main.source, outcome.reason)
        self.result.moved += folders.total()
        for folder, count in folders.items():
            self.result.per_folder[show(folder)] = self.result.per_folder.get(show(folder), 0) + count

    def _missed(self, gone: list[tuple[str, bytes]]) -> None:
        """Rows whose file is not where the plan says: an earlier try may have moved it."""
        before = self.journal.moved_from([path for path, _ in gone])
        for path, sha256 in gone:
            if (path, sha256) in before:
                self.result.before += 1
            else:
                self._skip(path, "it is gone")

    def _skip(self, path: str, why: str) -> None:
        self.result.skipped += 1
        self.reporter.item(Item(path, "skipped", reason=why))

    def _fail(self, path: str, why: str) -> None:
        self.result.failed += 1
        self.reporter.item(Item(path, "failed", reason=why))


@dataclass(frozen=True, slots=True)
class _Companions:
    """What of a folder moves with something else; most folders have nothing of the kind, however large they are."""

    groups: dict[str, Group]
    """By the picture's name: those that companions may belong to."""
    owned: frozenset[str]
    """Names of files that go with a picture."""


def _companions(dataset: Dataset, folder: str) -> _Companions:
    beside = [name for name in _names(dataset, folder) if split(name)[1] in COMPANIONS]
    if not beside:
        return _Companions({}, frozenset())
    wanted = {*beside, *(split(name)[0] for name in beside)}
    some = sorted(name for name in _names(dataset, folder) if name in wanted or split(name)[0] in wanted)
    groups = [group for group in gather(folder, some) if group.others]
    owned = frozenset(name for group in groups for name in group.others)
    return _Companions({group.main: group for group in groups}, owned)


def _names(dataset: Dataset, folder: str) -> Iterator[str]:
    """Names of the regular files of a folder, one at a time: it may hold a million."""
    try:
        with os.scandir(dataset.path(folder)) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield entry.name
    except FileNotFoundError:
        return
