"""What a sorting pass tells whoever listens: a console, a page, a program."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from refsort.decide import Decision

Kind = Literal["sorted", "unsure", "unknown", "bad", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one arrival. Paths relative to the dataset."""

    path: str
    kind: Kind
    target: str | None = None
    """Where it lies now, or would lie after a dry run; None if it stays."""
    decision: Decision | None = None
    reason: str = ""


@dataclass(slots=True)
class Run:
    """The outcome of one sorting pass; its fields are the keys of `--json`."""

    run: int | None
    """Number in the history; None for a dry run."""
    dataset: str
    encoder: str
    mode: str
    action: str
    dry_run: bool
    sorted: int = 0
    unsure: int = 0
    unknown: int = 0
    bad: int = 0
    failed: int = 0
    skipped: int = 0
    unchanged: dict[str, int] = field(default_factory=dict)
    """Of these, by kind: left where they lie by an earlier run and not looked at again, as nothing has changed."""
    per_class: dict[str, int] = field(default_factory=dict)
    references: dict[str, float | None] = field(default_factory=dict)
    """Errors, warnings and expected accuracy that a look at the references gave; empty if nobody looked."""
    terms: str = ""
    """On what terms pictures were moved or left aside, in words."""
    promise: bool = False
    """Whether `max_wrong` is promised."""
    cut: float | None = None
    """Least probability of being right that was moved, where the mode is calibrated."""
    expected_wrong: float | None = None
    """Share of the moved pictures expected to be wrong, where the mode is calibrated."""
    seconds: float = 0.0
    images_per_second: float = 0.0
    report: str | None = None
    """Path of the run's page, if one was written."""
    report_problem: str = ""
    """Why no page could be written, in words for a person; no key of `--json`."""

    def count_unchanged(self, kind: str) -> None:
        """Add one that an earlier run has left and counted so."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.unchanged[kind] = self.unchanged.get(kind, 0) + 1

    def count(self, item: Item) -> None:
        """Add one item to the counts."""
        setattr(self, item.kind, getattr(self, item.kind) + 1)
        if item.kind == "sorted" and item.decision is not None:
            self.per_class[item.decision.class_name] += 1

    @property
    def handled(self) -> int:
        """Pictures that were decided, and those that could not be read; now or by an earlier run."""
        return self.sorted + self.unsure + self.unknown + self.bad

    @property
    def looked_at(self) -> int:
        """Those of them that were handled now."""
        return self.handled - sum(count for kind, count in self.unchanged.items() if kind != "skipped")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        del found["report_problem"]
        return found


class Reporter(Protocol):
    """Somebody who listens to a pass. Nothing that a reporter does changes what is sorted."""

    def message(self, text: str) -> None:
        """Something a person should know, in one line."""

    def stage(self, name: str, total: int) -> None:
        """A stage of so many steps begins."""

    def step(self) -> None:
        """One step of the stage is done."""

    def item(self, item: Item) -> None:
        """An arrival has been dealt with."""

    def end(self, run: Run) -> None:
        """The pass is over; `run` is complete but for `report`."""


class Reporters:
    """Several reporters as one, told in order."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    def message(self, text: str) -> None:
        for reporter in self.reporters:
            reporter.message(text)

    def stage(self, name: str, total: int) -> None:
        for reporter in self.reporters:
            reporter.stage(name, total)

    def step(self) -> None:
        for reporter in self.reporters:
            reporter.step()

    def item(self, item: Item) -> None:
        for reporter in self.reporters:
            reporter.item(item)

    def end(self, run: Run) -> None:
        for reporter in self.reporters:
            reporter.end(run)
