"""Carrying out a plan: the very moves that it says, under lock and journal, as one run that can be undone.

Only what lies in the drop folder moves. What is gone, or has changed since it was embedded, stays and is counted; what
an earlier try has moved already is counted as that, so a plan can be carried out again after a kill.
"""

import json
import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.files.groups import Group, gather
from refsort.files.identity import look
from refsort.files.inside import inside
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Request, member, words
from refsort.names import from_bytes, show
from refsort.scale.plans import About, read_plan
from refsort.sorting.events import Item, Reporter
from refsort.sorting.sorter import journal_to_write

FOLDERS_KEPT = 64
"""Folders whose names are held in memory at once."""


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
        self.result, self.reporter = result, reporter
        self.mover = Mover(dataset, journal)
        self.tops = frozenset({dataset.names.arrivals})
        self._groups: dict[str, dict[str, Group]] = {}

    def carry_out(self, rows: dict[str, list[Any]]) -> None:
        asked: list[tuple[str, Request]] = []
        for row in zip(*(rows[k] for k in ("path", "size", "mtime_ns", "sha256", "folder", "decision")), strict=True):
            request = self._request(*row)
            if request is not None:
                asked.append((from_bytes(row[4]), request))
        assert self.result.run is not None
        outcomes = self.mover.file(self.result.run, [request for _, request in asked])
        for (folder, request), outcome in zip(asked, outcomes, strict=True):
            if outcome.status == "done":
                self.result.moved += 1
                self.result.per_folder[show(folder)] = self.result.per_folder.get(show(folder), 0) + 1
            elif outcome.status == "changed":
                self._skip(request.members[0].source, outcome.reason)
            else:
                self.result.failed += 1
                self.reporter.item(Item(request.members[0].source, "failed", reason=outcome.reason))
        for _ in rows["path"]:
            self.reporter.step()

    def _request(
        self, path: bytes, size: int, mtime_ns: int, sha256: bytes, folder: bytes, decision: str
    ) -> Request | None:
        relative = self.prefix + from_bytes(path)
        if not folder:
            self.result.stays += 1
            return None
        group = self._group(relative)
        stat = None if group is None else look(self.dataset.path(relative))
        if group is None or stat is None:
            if self._was_moved(relative, sha256):
                self.result.before += 1
            else:
                self._skip(relative, "it is gone")
            return None
        if (stat.size, stat.mtime_ns) != (size, mtime_ns):
            self._skip(relative, "it changed after it was embedded")
            return None
        target = from_bytes(folder)
        try:
            members = [member(self.dataset, relative, f"{target}/{group.main}", (stat, sha256))]
            members += [member(self.dataset, f"{group.folder}/{name}", f"{target}/{name}") for name in group.others]
        except OSError as error:
            self.result.failed += 1
            self.reporter.item(
                Item(relative, "failed", reason=f"a file that goes with it can't be read: {words(error)}")
            )
            return None
        return Request(tuple(members), "move", json.loads(decision), stem=group.stem)

    def _was_moved(self, path: str, sha256: bytes) -> bool:
        return any(move.source == path and move.sha256 == sha256 for move in self.journal.standing_at(path))

    def _skip(self, path: str, why: str) -> None:
        self.result.skipped += 1
        self.reporter.item(Item(path, "skipped", reason=why))

    def _group(self, path: str) -> Group | None:
        """None if there is no such regular file. Raises UnsafeName for a path that leads out of the drop folder."""
        folder, _, name = path.rpartition("/")
        if folder not in self._groups:
            inside(self.dataset, path, self.tops)
            if len(self._groups) >= FOLDERS_KEPT:
                self._groups.clear()
            self._groups[folder] = {group.main: group for group in gather(folder, self._names(folder))}
        return self._groups[folder].get(name)

    def _names(self, folder: str) -> list[str]:
        try:
            entries = list(os.scandir(self.dataset.path(folder)))
        except FileNotFoundError:
            return []
        return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
