"""What a person looks through one by one: pictures set aside, and pictures sorted with little certainty.

The queues come from the journal, so thousands of pictures cost no look at any of them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from refsort.errors import DatasetError, JournalError
from refsort.files.confirmed import confirm, confirmed, forget
from refsort.files.dataset import Dataset
from refsort.files.groups import SIDECAR_SUFFIXES, split
from refsort.files.identity import look
from refsort.files.journal import Journal
from refsort.files.survey import standing_files
from refsort.files.undo import undo
from refsort.names import from_bytes, show, to_bytes

Which = Literal["unsure", "unknown", "doubtful"]
RECENT = 50
"""Runs that doubtful pictures are taken from, the newest ones."""
DOUBTFUL = 200
"""Pictures in that queue at most, the least certain ones."""
CERTAIN = 0.95
"""Probability from which a sorted picture is not doubtful: fewer than one in twenty of these is wrong."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A picture in a queue, and what was decided about it when it was filed; all None if nothing was."""

    path: str
    best: str | None = None
    runner_up: str | None = None
    probability: float | None = None
    margin: float | None = None


# -- the queues


def waiting(dataset: Dataset, journal: Journal | None, which: Which) -> list[Waiting]:
    """The pictures of a queue, those first whose answer teaches most. No picture is opened."""
    if which == "unsure":
        return in_turns(_aside(dataset, journal, dataset.names.unsure))
    if which == "unknown":
        return likely_first(_aside(dataset, journal, dataset.names.unknown))
    return _doubtful(dataset, journal)


def counts(dataset: Dataset, journal: Journal | None) -> dict[Which, int]:
    """How many pictures wait in each queue."""
    unsure, unknown = (sum(1 for _ in _pictures(dataset, top)) for top in (dataset.names.unsure, dataset.names.unknown))
    return {"unsure": unsure, "unknown": unknown, "doubtful": len(_doubtful(dataset, journal))}


def in_turns(found: list[Waiting]) -> list[Waiting]:
    """By the smallest margin, one of each pair of rivals in turn; those without a margin last.

    The picture between two classes says most about where they part (margin sampling: Settles, Active Learning
    Literature Survey, 2009, §3.1.2). The next one of the same pair often shows the same again, so every pair has its
    first answer before any has its second.
    """
    pairs: dict[tuple[str, ...], list[Waiting]] = defaultdict(list)
    last = []
    for one in found:
        if one.margin is None or one.best is None or one.runner_up is None:
            last.append(one)
        else:
            pairs[tuple(sorted((one.best, one.runner_up)))].append(one)
    ranked = []
    for pair in pairs.values():
        pair.sort(key=lambda one: (one.margin or 0.0, one.path))
        ranked += [(rank, one.margin or 0.0, one.path, one) for rank, one in enumerate(pair)]
    return [one for *_, one in sorted(ranked, key=lambda entry: entry[:3])] + last


def likely_first(found: list[Waiting]) -> list[Waiting]:
    """By the largest probability: of what looks unlike every class, that which may belong to one after all.

    Such a picture shows what the references of its class lack. The others are for new classes, and those are better
    made of groups.
    """
    return sorted(found, key=lambda one: (1.0 if one.probability is None else -one.probability, one.path))


def _pictures(dataset: Dataset, folder: str) -> Iterator[str]:
    for group in dataset.groups(folder):
        if split(group.main)[1] not in SIDECAR_SUFFIXES:
            yield group.path


def _aside(dataset: Dataset, journal: Journal | None, folder: str) -> list[Waiting]:
    decided: dict[str, Waiting] = {}
    if journal is not None:
        # Moves there in the order of time, so the newest one counts. `0` is the character behind the slash.
        for row in journal.rows(
            "SELECT m.target, m.decision FROM moves m JOIN runs r ON r.id=m.run WHERE m.target>=? AND m.target<?"
            " AND r.kind!='undo' AND m.main=m.id AND m.state='done' AND m.undone_by IS NULL ORDER BY m.id",
            (to_bytes(f"{folder}/"), to_bytes(f"{folder}0")),
        ):
            path = from_bytes(row["target"])
            decided[path] = _waiting(path, json.loads(row["decision"] or "{}"))
    return [decided.get(path) or Waiting(path) for path in _pictures(dataset, folder)]


def _waiting(path: str, decision: dict[str, Any]) -> Waiting:
    get = decision.get
    return Waiting(path, get("class"), get("runner_up"), get("probability"), get("margin"))


def _doubtful(dataset: Dataset, journal: Journal | None) -> list[Waiting]:
    """What the program itself has put into a class and nobody has confirmed, the least certain first."""
    if journal is None:
        return []
    top = dataset.names.sorted
    rows = journal.rows(
        "SELECT m.id, m.target, m.decision, json_extract(m.decision, '$.probability') AS probability,"
        " json_extract(m.decision, '$.margin') AS margin FROM moves m JOIN runs r ON r.id=m.run"
        " WHERE m.run IN (SELECT id FROM runs WHERE kind NOT IN ('undo', 'hand') AND NOT dry_run"
        " ORDER BY id DESC LIMIT ?) AND m.main=m.id AND m.action!='tag' AND m.state='done' AND m.undone_by IS NULL"
        " AND m.target>=? AND m.target<? AND coalesce(probability, 0)<? ORDER BY probability, margin, m.id",
        (RECENT, to_bytes(f"{top}/"), to_bytes(f"{top}0"), CERTAIN),
    )
    if not rows:
        return []
    standing, said = standing_files(journal), confirmed(journal)
    found = []
    for row in rows:
        path = from_bytes(row["target"])
        filed = standing.get(path)
        if filed is None or filed.id != row["id"] or filed.sha256 in said:
            continue  # Moved on since, or a person has spoken.
        if look(dataset.path(path)) is not None:
            found.append(_waiting(path, json.loads(row["decision"] or "{}")))
        if len(found) == DOUBTFUL:
            break
    return found


# -- what a person said, and back again


def said_before(journal: Journal, sha256: bytes) -> str | None:
    """The class that a person has confirmed for this content."""
    rows = journal.rows("SELECT class FROM labels WHERE sha256=?", (sha256,))
    return from_bytes(rows[0]["class"]) if rows else None


def take_back(dataset: Dataset, journal: Journal, move: int) -> None:
    """Take back one move of a person's, with what moved along. Works beside a daemon, as the move itself did.

    Raises JournalError if it is no such move or was taken back already, DatasetError if the picture can't go back.
    """
    rows = journal.rows(
        "SELECT m.id FROM moves m JOIN runs r ON r.id=m.run WHERE m.main=? AND r.kind='hand' AND m.state='done'"
        " AND m.undone_by IS NULL ORDER BY m.id DESC",
        (move,),
    )
    if not rows:
        raise JournalError("there is nothing to take back any more")
    moves = [journal.move(row["id"]) for row in rows]
    found = undo(dataset, journal, moves, show(moves[-1].target))
    if found.left:
        path, reason = found.left[0]
        raise DatasetError(f"{show(path)} stays where it is: {reason}")


def take_word_back(journal: Journal, sha256: bytes, before: str | None, source: str) -> None:
    """A picture was confirmed and is so no more; what was said `before` holds again."""
    if before is None:
        forget(journal, [sha256])
    else:
        confirm(journal, [(sha256, before)], source)


def went(dataset: Dataset, journal: Journal | None, path: str) -> str | None:
    """The class into which a picture that lay there was filed; None if that can't be told."""
    for move in [] if journal is None else journal.standing_at(path):
        parts = move.target.split("/")
        if move.source == path and parts[0] == dataset.names.sorted and len(parts) > 2:
            return parts[1]
    return None
