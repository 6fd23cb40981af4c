"""Taking back what a run did: newest first, to the old names and times, itself journaled and so itself undoable.

What can't be restored is listed with the reason and stays where it is.
"""

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from refsort.errors import JournalError
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal, Move
from refsort.files.moving import Mover
from refsort.files.requests import Member, Outcome, Request, member, words
from refsort.files.sidecars import TAG, taking_back
from refsort.files.tagged_since import is_retagged, lies_now, sidecars_since
from refsort.files.tagging import Tagger
from refsort.files.taking import is_file
from refsort.names import fold, show

BATCH = 256
"""Groups per commit."""

Progress = Callable[[], None]
"""Called once for each group."""


@dataclass(slots=True)
class Undone:
    """What an undo did. Paths relative to the dataset."""

    run: int
    undoes: str
    restored: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    """(path, why it stays)"""


class _Stays(Exception):
    """This file can't be restored; the text says why."""


def choose(journal: Journal, dataset: Dataset, run: int | None, class_name: str | None, file: str | None) -> list[Move]:
    """The standing moves that are meant, newest first.

    Without a run it is the last one that still has something to take back; with a file alone, that file's last move.
    Raises JournalError if nothing fits.
    """
    if file is not None:
        moves = _moves_of_file(journal, dataset, file, run)
    else:
        if run is None:
            run = journal.last_standing_run()
            if run is None:
                raise JournalError("there is nothing to undo")
        journal.run(run)
        moves = journal.standing(run)
    if class_name is not None:
        folder = fold(f"{dataset.names.sorted}/{class_name}") + "/"
        chosen = {m.main for m in moves if m.id == m.main and fold(m.target).startswith(folder)}
        chosen |= {m.main for m in moves if m.action == TAG and class_name in (m.decision or {}).get("tags", ())}
        moves = [m for m in moves if m.main in chosen]
    if not moves:
        what = f"class {show(class_name)} of run {run}" if class_name else f"run {run}"
        raise JournalError(f"{what} has nothing left to undo")
    return moves


def _moves_of_file(journal: Journal, dataset: Dataset, file: str, run: int | None) -> list[Move]:
    path = Path(file)
    candidates = [file.replace(os.sep, "/")] if not path.is_absolute() else []
    with contextlib.suppress(ValueError, OSError):
        candidates.append(dataset.relative(path.parent.resolve() / path.name))
    for candidate in candidates:
        found = [m for m in journal.standing_at(candidate) if run is None or m.run == run]
        if found:
            return [m for m in journal.standing(found[0].run) if m.main == found[0].main]
    raise JournalError(f"no move of {show(file)} is on record; name it as it lies now, like Dataset/<class>/<file>")


def undo(
    dataset: Dataset, journal: Journal, moves: list[Move], undoes: str, *, progress: Progress | None = None
) -> Undone:
    """Take moves back, given newest first.

    Call it under the dataset's lock, but for a few moves of a person's: those may go beside whoever holds it, as every
    batch waits for its turn and targets are exact.
    """
    run = journal.begin_run("undo", "undo", {}, undoes=undoes)
    result = Undone(run, undoes)
    finder = _Finder(dataset, journal)
    mover, tagger = Mover(dataset, journal), Tagger(dataset, journal)
    for batch in _batches(_groups(moves)):
        requests = []
        for group in batch:
            if progress:
                progress()
            try:
                requests.append(_reverse(dataset, journal, finder, group))
            except _Stays as reason:
                result.left.append((group[0].target, str(reason)))
            except OSError as error:
                result.left.append((group[0].target, words(error)))
        outcomes = mover.file(run, [r for r in requests if r.action != TAG])
        for outcome in outcomes + tagger.file(run, [r for r in requests if r.action == TAG]):
            _account(dataset, journal, outcome, result)
    journal.end_run(run, {"restored": result.restored, "left": len(result.left)})
    return result


def _account(dataset: Dataset, journal: Journal, outcome: Outcome, result: Undone) -> None:
    if outcome.status != "done":
        result.left.append((outcome.request.members[0].source, outcome.reason))
        return
    result.restored += len(outcome.targets)
    if outcome.request.action != "move":
        return
    for part in outcome.request.members:
        if part.reverses is None:
            continue
        wanted = journal.move(part.reverses).stat.mtime_ns
        if part.stat.mtime_ns != wanted:
            with contextlib.suppress(OSError):
                os.utime(dataset.path(part.target), ns=(wanted, wanted))


def _groups(moves: list[Move]) -> list[list[Move]]:
    groups: dict[int, list[Move]] = {}
    for move in moves:
        groups.setdefault(move.main, []).append(move)
    return [sorted(group, key=lambda m: m.id) for group in groups.values()]


def _batches(groups: list[list[Move]]) -> Iterator[list[list[Move]]]:
    for start in range(0, len(groups), BATCH):
        yield groups[start : start + BATCH]


def _reverse(dataset: Dataset, journal: Journal, finder: "_Finder", group: list[Move]) -> Request:
    """The request that takes one group back. Raises _Stays."""
    action = group[0].action
    if action == "move":
        members = [member(dataset, finder.find(m), m.source, reverses=m.id) for m in group]
        members += sidecars_since(dataset, journal, group[0], [part.source for part in members])
        return Request(tuple(members), "move", exact=True)
    if action == TAG:
        return taking_back(group[0], lies_now(journal, group[0].target, group[0].id))
    if action in ("remove", "remove-link"):
        original = journal.move(group[0].reverses or 0).action
        members = [member(dataset, m.target, m.source, reverses=m.id) for m in group]
        return Request(tuple(members), original, exact=True)
    for move in group:
        _check_original(dataset, move)
    if action == "symlink":
        return Request(tuple(_link_member(m) for m in group), "remove-link", exact=True)
    members = [member(dataset, m.target, m.source, reverses=m.id) for m in group]
    for made, move in zip(members, group, strict=True):
        if made.sha256 != move.sha256:
            raise _Stays("it was changed since it was made")
    return Request(tuple(members), "remove", exact=True)


def _link_member(move: Move) -> Member:
    return Member(move.target, move.source, move.stat, move.sha256, move.id)


def _check_original(dataset: Dataset, move: Move) -> None:
    """A copy may only go while the very bytes are still at their source."""
    source, target = dataset.path(move.source), dataset.path(move.target)
    if not is_file(source, move.stat, move.sha256):
        raise _Stays("its original is gone or changed, so what was made of it stays")
    if not os.path.lexists(target):
        raise _Stays("it is gone")
    if move.action == "symlink" and os.path.realpath(target) != os.path.realpath(source):
        raise _Stays("it is no longer the link that was made")


class _Finder:
    """Where moved files lie now, also after somebody renamed them or moved them on inside the dataset."""

    def __init__(self, dataset: Dataset, journal: Journal) -> None:
        self.dataset = dataset
        self.journal = journal
        self._by_size: dict[int, list[str]] | None = None
        self._taken: set[str] = set()

    def find(self, move: Move) -> str:
        """Present path of a moved file. Raises _Stays."""
        path = self.dataset.path(move.target)
        if is_file(path, move.stat, move.sha256):
            self._taken.add(move.target)
            return move.target
        if is_retagged(self.dataset, self.journal, move):
            self._taken.add(move.target)
            return move.target
        if is_file(self.dataset.path(move.source), move.stat, move.sha256):
            raise _Stays("it is already back in its old place")
        found = [c for c in self._index().get(move.stat.size, []) if c not in self._taken and self._same(c, move)]
        if not found:
            changed = look(path) is not None
            raise _Stays("it was changed since it was moved" if changed else "it is no longer in the dataset")
        if found[0].startswith(f"{self.dataset.names.references}/"):
            raise _Stays(f"it has become a reference: {show(found[0])}")
        self._taken.add(found[0])
        return found[0]

    def _same(self, candidate: str, move: Move) -> bool:
        """Whether the very bytes lie there and no other move has brought them: a twin is not the file itself."""
        brought = [
            m
            for m in self.journal.standing_at(candidate)
            if m.target == candidate and m.id != move.id and m.action != TAG
        ]
        if not all(self._went_on(move, later) for later in brought):
            return False
        try:
            return hash_file(self.dataset.path(candidate)) == move.sha256
        except OSError:
            return False

    def _went_on(self, move: Move, later: Move) -> bool:
        """Whether a later run took further what `move` had brought, in one step or in several."""
        while later.id > move.id and later.sha256 == move.sha256:
            if later.source == move.target:
                return True
            before = [m for m in self.journal.standing_at(later.source) if m.target == later.source and m.id < later.id]
            if not before:
                return False
            later = before[0]
        return False

    def _index(self) -> dict[int, list[str]]:
        """Size → paths of everything in the dataset but the drop folder, references last."""
        if self._by_size is None:
            self._by_size = defaultdict(list)
            names = self.dataset.names
            for folder in (names.sorted, names.unsure, names.unknown, names.bad, names.references):
                for path in self.dataset.files(folder) if self.dataset.path(folder).is_dir() else ():
                    found = look(self.dataset.path(path))
                    if found is not None:
                        self._by_size[found.size].append(path)
        return self._by_size
