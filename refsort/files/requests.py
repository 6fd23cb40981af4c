"""What the mover is asked for, what it answers, and what it knows of a request on its way."""

import errno
import os
from dataclasses import dataclass, field
from typing import Any

from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, hash_file, look
from refsort.files.journal import Move


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a request. Paths relative to the dataset."""

    source: str
    target: str
    stat: FileStat
    sha256: bytes
    reverses: int | None = None
    """Id of the move that this one takes back."""


@dataclass(frozen=True, slots=True)
class Request:
    """Files to be filed together: the picture first."""

    members: tuple[Member, ...]
    action: str
    """move | copy | hardlink | symlink, and for taking copies back: remove | remove-link."""
    decision: dict[str, Any] | None = None
    stem: str = ""
    """What the members' names begin with; a number goes behind it where a name is taken."""
    decision_json: str | None = None
    """The decision where it is JSON already: it goes into the journal as it is."""
    exact: bool = False
    """The target names must be these and no others."""


@dataclass(slots=True)
class Outcome:
    """What became of a request: done | changed | failed."""

    request: Request
    status: str = "done"
    reason: str = ""
    targets: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: bool = True
    """Whether anything had to be done for it."""


class Filing:
    """A request on its way through the batch; the lists run along its members."""

    __slots__ = ("copied", "left", "moves", "must_leave", "number", "outcome", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.outcome = Outcome(request)
        self.number = 1
        self.moves: list[Move] = []
        size = len(request.members)
        self.copied = [False] * size
        self.must_leave = [False] * size
        self.left = [False] * size

    @property
    def alive(self) -> bool:
        return self.outcome.status == "done"

    def fail(self, reason: str, status: str = "failed") -> None:
        self.outcome.status, self.outcome.reason = status, reason

    def intents(self) -> list[Move]:
        """What is going to be done, for the journal."""
        request = self.request
        return [
            Move(
                source=member.source,
                target=target,
                action=request.action,
                sha256=member.sha256,
                stat=member.stat,
                decision=request.decision if position == 0 else None,
                decision_json=request.decision_json if position == 0 else None,
                reverses=member.reverses,
            )
            for position, (member, target) in enumerate(zip(request.members, self.outcome.targets, strict=True))
        ]


def member(
    dataset: Dataset, source: str, target: str, known: tuple[FileStat, bytes] | None = None, reverses: int | None = None
) -> Member:
    """A file to be filed; its stat and hash are taken now unless they are known. Raises OSError if it is gone."""
    if known is None:
        path = dataset.path(source)
        before = look(path)
        if before is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        known = before, hash_file(path)
    return Member(source, target, *known, reverses)


def words(error: Exception) -> str:
    """An error in a few words for a person."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
