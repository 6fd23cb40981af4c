"""All but the best of each group of duplicates move into Duplicates/, journaled and undoable; nothing is deleted."""

from pathlib import PurePosixPath

from refsort.explore.duplicates import Duplicates, Looked
from refsort.files.companions import group_of
from refsort.files.dataset import Dataset
from refsort.files.groups import split
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Outcome, Request, member, words
from refsort.sorting.events import Reporter
from refsort.sorting.one_pass import FILE_BATCH


def put_aside(dataset: Dataset, journal: Journal, result: Duplicates, reporter: Reporter) -> None:
    """Move the others into Duplicates/, with the sub-folders that they lay in, journaled as a run of its own.

    References stay. Call it under the lock. Raises JournalError.
    """
    chosen = []
    for other in result.others():
        if other.reference:
            other.state, other.reason = "stays", "a reference"
        else:
            chosen.append(other)
    if not chosen:
        return
    result.run = journal.begin_run("dedupe", "move", {})
    mover = Mover(dataset, journal)
    reporter.stage("moves", len(chosen))
    try:
        for start in range(0, len(chosen), FILE_BATCH):
            _move(dataset, mover, result.run, chosen[start : start + FILE_BATCH], reporter)
    finally:
        counts: dict[str, int] = {"sorted": result.count("moved"), "failed": result.count("failed")}
        journal.end_run(result.run, counts | {"skipped": result.count("changed")})


def _move(dataset: Dataset, mover: Mover, run: int, chosen: list[Looked], reporter: Reporter) -> None:
    asked: list[tuple[Looked, Request]] = []
    for other in chosen:
        try:
            asked.append((other, _request(dataset, other)))
        except OSError as error:
            other.state, other.reason = "failed", f"a file that goes with it can't be read: {words(error)}"
    outcomes: list[Outcome] = mover.file(run, [request for _, request in asked])
    for (other, _), outcome in zip(asked, outcomes, strict=True):
        reporter.step()
        if outcome.status == "done":
            other.state, other.target = "moved", outcome.targets[0]
        else:
            other.state, other.reason = "failed" if outcome.status == "failed" else "changed", outcome.reason


def _request(dataset: Dataset, other: Looked) -> Request:
    """The picture with its sidecars."""
    group = group_of(dataset, other.path)
    known = (other.stat, other.sha256)
    place = dataset.names.duplicates
    members = [member(dataset, other.path, f"{place}/{other.path}", known)]
    beside = [path.removeprefix("/") for path in group.paths()[1:]]
    members += [member(dataset, path, f"{place}/{path}") for path in beside]
    stem = split(PurePosixPath(other.path).name)[0]
    return Request(tuple(members), "move", {"duplicate": True, "kind": other.kind}, stem=stem)
