"""After a crash: each intent without an end is finished or rolled back from what is on disk. No move is repeated.

A group is finished if any of its files has already left its old place, and rolled back otherwise; files that stayed
behind in a group that has moved on follow by a move of their own.
"""

import contextlib
import os
from dataclasses import dataclass, field

from refsort.files.copying import part_path
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, look
from refsort.files.journal import ABOUT_TO_MAKE, Journal, Move, owned
from refsort.files.leaving import bring_back, leave, leaving_path
from refsort.files.lock import moving
from refsort.files.sidecars import TAG
from refsort.files.tag_recovery import settle
from refsort.files.taking import Changed, is_file, publish, take
from refsort.names import show


@dataclass(slots=True)
class Recovered:
    """What a start found of an interrupted run."""

    finished: int = 0
    rolled_back: int = 0
    lost: list[str] = field(default_factory=list)
    """Sources that are neither where they were nor where they should be."""

    @property
    def total(self) -> int:
        return self.finished + self.rolled_back + len(self.lost)


def recover(dataset: Dataset, journal: Journal) -> Recovered:
    """Settle every open intent that nobody is carrying out, before anything else is moved."""
    result = Recovered()
    with moving(dataset.state):
        for group in journal.open_groups():
            _settle_group(dataset, journal, group, result)
    return result


def _settle_group(dataset: Dataset, journal: Journal, group: list[Move], result: Recovered) -> None:
    if group[0].action == TAG:
        _count(result, journal, [(move, *settle(dataset, move)) for move in group if move.state == "intent"])
        return
    ends = [_Settling(dataset, journal, move) for move in group if move.state == "intent"]
    forward = any(end.source_gone and end.target_ours for end in ends) or all(end.target_ours for end in ends)
    forward = forward or any(move.state == "done" for move in group)
    _count(result, journal, [(end.move, *end.settle(forward)) for end in ends])


def _count(result: Recovered, journal: Journal, outcomes: list[tuple[Move, str, str | None]]) -> None:
    journal.finish(outcomes)
    for move, state, _note in outcomes:
        if state == "done":
            result.finished += 1
        elif state == "lost":
            result.lost.append(show(move.source))
        else:
            result.rolled_back += 1


class _Settling:
    """One open intent, seen against the disk."""

    def __init__(self, dataset: Dataset, journal: Journal, move: Move) -> None:
        self.journal = journal
        self.move = move
        self.source = dataset.path(move.source)
        self.target = dataset.path(move.target)
        self.part = part_path(self.target, self.source.name, move.id)
        self.private = leaving_path(self.source, move.id)
        if look(self.private) is not None:
            bring_back(self.private, self.source)
        self.source_gone = not move.stat.same_file(look(self.source))
        self.target_ours = self._is_ours()

    def _is_ours(self) -> bool:
        move = self.move
        if move.action in ("remove", "remove-link"):
            return not os.path.lexists(self.source)
        if move.action == "symlink":
            return self.target.is_symlink() and os.path.realpath(self.target) == os.path.realpath(self.source)
        found = look(self.target)
        if found is None:
            return False
        if move.target_ino is not None and (found.dev, found.ino) == (move.target_dev, move.target_ino):
            return found.size == move.stat.size
        if move.stat.same_file(found):
            # The same inode under both names is our link only if it has one link more than before.
            return self.source_gone or found.nlink > move.stat.nlink
        return self.source_gone and move.action == "move" and is_file(self.target, move.stat, move.sha256)

    def settle(self, forward: bool) -> tuple[str, str | None]:
        """(state, note) to be written to the journal."""
        self._drop_part()
        if self.target_ours and forward:
            return self._finish()
        if self.target_ours:
            return self._roll_back()
        if not self.source_gone:
            self._drop_placeholder()
            if forward and self.move.action == "move":
                return self._follow()
            return "rolled_back", "interrupted before it began"
        if look(self.source) is not None:
            return "rolled_back", "its source changed"
        if self.move.action != "move":
            return "rolled_back", "interrupted"
        return "lost", "neither at its source nor at its target; it was moved or deleted by somebody else"

    def _finish(self) -> tuple[str, str | None]:
        if self.move.stat.same_file(look(self.private)):
            self.private.unlink()
        if self.move.action == "move" and not self.source_gone:
            try:
                return "done", leave(self.source, self.move.stat, self.move.id)
            except OSError as error:
                return self._roll_back(str(error))
        return "done", "finished after an interruption"

    def _roll_back(self, why: str = "its group could not be filed whole") -> tuple[str, str | None]:
        if self.move.action in ("remove", "remove-link"):
            return "done", None
        if not self.source_gone:
            self.target.unlink()
            return "rolled_back", why
        if self.move.action != "move":
            return "done", "its source is gone, so what was made of it stays"
        with contextlib.suppress(FileExistsError):
            publish(self.target, self.source)
            return "rolled_back", why
        return "done", "its old name is taken"

    def _follow(self) -> tuple[str, str | None]:
        """The rest of its group has moved on: go after it, on the same file system."""
        try:
            if take(self.source, self.target, self.move.stat, self.move.sha256, self._own):
                leave(self.source, self.move.stat, self.move.id)
            return "done", "finished after an interruption"
        except (OSError, Changed) as error:
            return "rolled_back", f"could not follow its picture: {error}"

    def _own(self, made: FileStat | None) -> None:
        self.move = owned(self.move, made)
        self.journal.made([self.move])

    def _drop_part(self) -> None:
        """A partial copy is ours by its name; it may go because its source is still whole or its target is ours."""
        if look(self.part) is not None and (not self.source_gone or self.target_ours):
            self.part.unlink()

    def _drop_placeholder(self) -> None:
        """An empty file that we made, or were about to make, to hold the target's name."""
        found = look(self.target)
        if found is None or found.size or not self.move.stat.size:
            return
        if self.move.target_ino == ABOUT_TO_MAKE or (found.dev, found.ino) == (
            self.move.target_dev,
            self.move.target_ino,
        ):
            self.target.unlink()
