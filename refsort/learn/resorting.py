"""Sorted pictures that would go elsewhere by now: after new references, another model, another cut.

A wrong move is worse than none. What a person has put somewhere or confirmed never moves; into a class goes only what
is sure; out of its class to another one only what is surer than that; back to Unsure/ only if that is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from refsort.config import Config
from refsort.decide import Decision
from refsort.files.companions import companions
from refsort.files.confirmed import confirmed
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Outcome, Request, member, words
from refsort.files.survey import Placed, take_survey
from refsort.names import show
from refsort.sorting.corrections import listen
from refsort.sorting.embedding import Embedded
from refsort.sorting.events import Reporter
from refsort.sorting.one_pass import DECIDE_BATCH, FILE_BATCH
from refsort.sorting.prepared import Prepared

SURER = 3.0
"""How many times less likely to be wrong than `max_wrong` a picture must be that is to leave one class for another.
The share of wrong ones that `max_wrong` promises is that of all pictures; those whose class is disputed are few."""

State = Literal["planned", "done", "changed", "failed"]


@dataclass(slots=True)
class Change:
    """A picture that would lie elsewhere. Paths relative to the dataset."""

    path: str
    before: str
    """The folder it lies in: Dataset/<class>, Unsure or Unknown."""
    after: str
    decision: Decision
    stat: FileStat
    sha256: bytes
    companions: tuple[str, ...]
    """Paths of the files that go with it."""
    stem: str
    state: State = "planned"
    target: str | None = None
    reason: str = ""


@dataclass(slots=True)
class Resorted:
    """The outcome; `as_dict` gives the keys of `--json`."""

    dataset: str
    encoder: str
    looked_at: int = 0
    changes: list[Change] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    """Reason → how many pictures were not looked at for it."""
    cut: float | None = None
    run: int | None = None
    """None for a dry run, and where nothing was to be moved."""

    def hold(self, reason: str) -> None:
        self.held[reason] = self.held.get(reason, 0) + 1

    def count(self, state: State) -> int:
        return sum(change.state == state for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "dataset": self.dataset,
            "encoder": self.encoder,
            "run": self.run,
            "looked_at": self.looked_at,
            **{state: self.count(state) for state in ("planned", "done", "changed", "failed")},
            "held": self.held,
            "changes": [
                {
                    "path": show(change.path),
                    "from": show(change.before),
                    "to": show(change.after),
                    "target": None if change.target is None else show(change.target),
                    "probability": change.decision.probability,
                    "state": change.state,
                    "reason": change.reason,
                }
                for change in self.changes
            ],
        }


def plan(
    config: Config, dataset: Dataset, journal: Journal, prepared: Prepared, reporter: Reporter, *, aside: bool = False
) -> Resorted:
    """What would go elsewhere. `aside`: also out of the classes what is not sure of any. Nothing is moved."""
    result = Resorted(config.dataset, prepared.encoder.name)
    movable: dict[str, list[Placed]] = {}
    for placed in _movable(dataset, journal, prepared, result):
        movable.setdefault(placed.folder, []).append(placed)
    result.looked_at = sum(map(len, movable.values()))
    reporter.stage("pictures", result.looked_at)
    for folder in sorted(movable):
        # A batch raises the cut if it looks strange as a whole, so each of these folders is decided for itself.
        pictures = sorted(movable[folder], key=lambda placed: placed.filed.sha256 if placed.filed else b"")
        for start in range(0, len(pictures), DECIDE_BATCH):
            _plan_batch(
                config, dataset, journal, prepared, reporter, pictures[start : start + DECIDE_BATCH], result, aside
            )
    result.changes.sort(key=lambda change: (change.before, change.after, change.path))
    return result


def _movable(dataset: Dataset, journal: Journal, prepared: Prepared, result: Resorted) -> Iterator[Placed]:
    """What refsort itself put where it lies, and of which no person has said anything."""
    survey = take_survey(dataset, journal)
    said = {word.sha256 for word in listen(dataset, journal, prepared.embedder, survey).words} | set(confirmed(journal))
    classes = set(prepared.references.classes)
    for placed in survey.placed:
        if placed.filed is None or placed.filed.by_hand:
            result.hold("put there by a person")
        elif placed.filed.sha256 in said:
            result.hold("confirmed by a person")
        elif placed.filed.action != "move":
            result.hold("a copy or a link; the original is sorted anew by sort")
        elif placed.class_name is not None and placed.class_name not in classes:
            result.hold("of a class that has no references any more")
        elif placed.group.folder not in (f"{placed.folder}/{placed.class_name}", placed.folder):
            result.hold("in a sub-folder that a person has made")
        else:
            yield placed


def _plan_batch(
    config: Config,
    dataset: Dataset,
    journal: Journal,
    prepared: Prepared,
    reporter: Reporter,
    pictures: list[Placed],
    result: Resorted,
    aside: bool,
) -> None:
    found: list[tuple[Placed, Embedded]] = []
    for placed, embedded in zip(pictures, prepared.embedder.stream(p.path for p in pictures), strict=True):
        reporter.step()
        if embedded.vector is None or placed.filed is None or embedded.sha256 != placed.filed.sha256:
            result.hold("changed since it was sorted, or unreadable")
        else:
            found.append((placed, embedded))
    if not found:
        return
    decisions, terms = prepared.judge.decide(np.stack([e.vector for _, e in found if e.vector is not None]))
    if terms.cut is not None:
        result.cut = terms.cut if result.cut is None else min(result.cut, terms.cut)
    for (placed, embedded), decision in zip(found, decisions, strict=True):
        after = _after(config, dataset, placed, decision, aside)
        if after is not None and embedded.stat is not None:
            result.changes.append(
                Change(
                    *(placed.path, placed.group.folder, after, decision, embedded.stat, embedded.sha256),
                    companions=companions(dataset, journal, placed.group, placed.filed.id if placed.filed else None),
                    stem=placed.group.stem,
                )
            )


def _after(config: Config, dataset: Dataset, placed: Placed, decision: Decision, aside: bool) -> str | None:
    """The folder that a picture should lie in; None: it is well where it is."""
    names = dataset.names
    if decision.verdict == "sure":
        if decision.class_name == placed.class_name:
            return None
        wrong = None if decision.probability is None else 1 - decision.probability
        if placed.class_name is not None and (wrong is None or wrong > config.max_wrong / SURER):
            return None
        return f"{names.sorted}/{decision.class_name}"
    folder = names.unsure if decision.verdict == "unsure" else names.unknown
    return folder if aside and folder != placed.folder else None


def carry_out(
    config: Config, dataset: Dataset, journal: Journal, prepared: Prepared, result: Resorted, reporter: Reporter
) -> None:
    """Move what is planned, journaled as a run of its own. Call it under the dataset's lock. Raises JournalError."""
    if not result.changes:
        return
    encoder = prepared.encoder
    settings = config.model_dump(mode="json") | {"encoder": encoder.name, "fingerprint": encoder.fingerprint}
    result.run = journal.begin_run("resort", "move", settings)
    mover = Mover(dataset, journal)
    reporter.stage("moves", len(result.changes))
    try:
        for start in range(0, len(result.changes), FILE_BATCH):
            _file(dataset, mover, result.run, result.changes[start : start + FILE_BATCH], reporter)
    finally:
        journal.end_run(result.run, _summary(dataset, result))


def _file(dataset: Dataset, mover: Mover, run: int, changes: list[Change], reporter: Reporter) -> None:
    requests: list[tuple[Change, Request]] = []
    for change in changes:
        try:
            requests.append((change, _request(dataset, change)))
        except OSError as error:
            change.state, change.reason = "failed", f"a file that goes with it can't be read: {words(error)}"
    outcomes = mover.file(run, [request for _, request in requests])
    for (change, _), outcome in zip(requests, outcomes, strict=True):
        _settle(change, outcome)
        reporter.step()


def _request(dataset: Dataset, change: Change) -> Request:
    def to(path: str) -> str:
        return f"{change.after}/{path.rpartition('/')[2]}"

    members = [member(dataset, change.path, to(change.path), (change.stat, change.sha256))]
    members += [member(dataset, path, to(path)) for path in change.companions]
    return Request(tuple(members), "move", change.decision.as_dict(), stem=change.stem)


def _settle(change: Change, outcome: Outcome) -> None:
    if outcome.status == "done":
        change.state, change.target = "done", outcome.targets[0]
    else:
        change.state, change.reason = "failed" if outcome.status == "failed" else "changed", outcome.reason


def _summary(dataset: Dataset, result: Resorted) -> dict[str, Any]:
    """For the history, by the keys of a sorting run."""
    done = [change for change in result.changes if change.state == "done"]
    names = dataset.names
    aside = {folder: sum(change.after == folder for change in done) for folder in (names.unsure, names.unknown)}
    return {
        "sorted": len(done) - sum(aside.values()),
        "unsure": aside[names.unsure],
        "unknown": aside[names.unknown],
        "failed": result.count("failed"),
        "skipped": result.count("changed"),
        "cut": result.cut,
    }
