"""A person says what a picture shows: it goes into the folder of that class, journaled, and that is a word of theirs.

A move of such a run counts as truth as long as it stands, so taking it back takes the word back as well. A picture that
lies in its class already is confirmed. Works beside a daemon or a sort: moves wait for one another, batch by batch.
What is said of a reference, or of a picture that is not the one that was shown, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from refsort.errors import UnsafeName
from refsort.files.companions import companions, group_of
from refsort.files.confirmed import confirm
from refsort.files.dataset import Dataset
from refsort.files.identity import look
from refsort.files.inside import inside
from refsort.files.journal import HAND, Journal
from refsort.files.moving import Mover
from refsort.files.requests import Outcome, Request, member, words
from refsort.names import check_new_class, show

SOURCE = "app"
"""Of what is confirmed, in the journal's table `labels`."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One picture and its class, as a person said it."""

    path: str
    """Relative to the dataset."""
    class_name: str
    sha256: bytes | None = None
    """Of the picture that the person was shown; None: whatever lies there now."""


@dataclass(slots=True)
class Filed:
    """What became of a wish."""

    wish: Wish
    target: str | None = None
    """Where the picture lies now; None if nothing was done."""
    sha256: bytes = b""
    move: int | None = None
    """Of the journal; None if the picture lay in its class already and was only confirmed."""
    reason: str = ""
    """Why nothing was done."""


def begin(journal: Journal) -> int:
    """A run for what a person files from now on; its number."""
    return journal.begin_run(HAND, "move", {})


def file_by_hand(dataset: Dataset, journal: Journal, run: int, wishes: Sequence[Wish]) -> list[Filed]:
    """Carry out what a person said, in their order. Raises JournalError as `Mover.file` does."""
    results = [Filed(wish) for wish in wishes]
    asked: list[tuple[Filed, Request]] = []
    for found in results:
        try:
            request = _request(dataset, journal, found)
        except (OSError, UnsafeName) as error:
            found.reason = words(error)
            continue
        found.sha256 = request.members[0].sha256
        if found.wish.sha256 not in (None, found.sha256):
            found.reason = "it is not the picture that was shown"
        elif request.members[0].target == found.wish.path:
            confirm(journal, [(found.sha256, found.wish.class_name)], SOURCE)
            found.target = found.wish.path
        else:
            asked.append((found, request))
    outcomes = Mover(dataset, journal).file(run, [request for _, request in asked])
    for (found, _), outcome in zip(asked, outcomes, strict=True):
        _account(journal, run, found, outcome)
    _count(journal, run)
    return results


def _request(dataset: Dataset, journal: Journal, found: Filed) -> Request:
    """Raises UnsafeName, OSError."""
    wish = found.wish
    check_new_class(wish.class_name)
    names = dataset.names
    tops = frozenset({names.arrivals, names.sorted, names.unsure, names.unknown, names.bad})
    if look(inside(dataset, wish.path, tops)) is None:
        raise FileNotFoundError(f"{show(wish.path)} is gone")
    folder = f"{names.sorted}/{wish.class_name}"
    group = group_of(dataset, wish.path)
    stays = group.folder == folder or group.folder.startswith(f"{folder}/")
    paths = [wish.path, *companions(dataset, journal, group, _brought_by(journal, wish.path))]
    targets = paths if stays else [f"{folder}/{path.rpartition('/')[2]}" for path in paths]
    members = tuple(member(dataset, path, target) for path, target in zip(paths, targets, strict=True))
    decision = {"class": wish.class_name, "verdict": "named", "reason": "a person said so"}
    return Request(members, "move", decision, stem=group.stem)


def _brought_by(journal: Journal, path: str) -> int | None:
    found = [move for move in journal.standing_at(path) if move.target == path and move.action != "tag"]
    return found[0].id if found and found[0].id == found[0].main else None


def _account(journal: Journal, run: int, found: Filed, outcome: Outcome) -> None:
    if outcome.status != "done":
        found.reason = outcome.reason
        return
    found.target = outcome.targets[0]
    brought = [move for move in journal.standing_at(found.target) if move.run == run and move.target == found.target]
    found.move = brought[0].id if brought else None


def _count(journal: Journal, run: int) -> None:
    """What the history says of the run so far."""
    rows = journal.rows("SELECT count(*) FROM moves WHERE run=? AND main=id AND state='done'", (run,))
    journal.end_run(run, {"sorted": int(rows[0][0])})
