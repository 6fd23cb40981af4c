"""A pass in two steps: what would be done, to be looked at, and then what was chosen of it, exactly as it was shown."""

import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Outcome, Request
from refsort.files.sidecars import TAG
from refsort.files.tagging import Tagger
from refsort.sorting.events import Item, Reporter, Reporters, Run
from refsort.sorting.one_pass import FILE_BATCH, Pass, filed
from refsort.sorting.prepared import Prepared
from refsort.sorting.sorter import begin_run, end_run, journal_to_look_at, journal_to_write, new_run


@dataclass(slots=True)
class Plan:
    """A dry run, and what it would ask the mover for."""

    run: Run
    items: list[Item] = field(default_factory=list)
    """Of every arrival, in the order in which they lie."""
    requests: dict[str, Request] = field(default_factory=dict)
    """Path of an arrival → what would be done with it; none for what stays."""


class _Taker(Reporters):
    """Takes down the items on their way to the reporter."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        super().__init__(reporter)
        self.plan = plan

    def item(self, item: Item) -> None:
        self.plan.items.append(item)
        super().item(item)


def make_plan(config: Config, dataset: Dataset, prepared: Prepared, reporter: Reporter) -> Plan:
    """Decide about everything that has arrived; nothing is touched. Raises RefsortError."""
    begun = time.perf_counter()
    dataset.check()
    plan = Plan(new_run(config, prepared, dry_run=True))
    with journal_to_look_at(dataset) as journal:
        Planning(config, dataset, journal, prepared, plan, _Taker(plan, reporter)).sort_all()
    end_run(plan.run, begun, None, reporter)
    return plan


class Planning(Pass):
    """A dry run that remembers what it would have asked the mover for."""

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        journal: Journal | None,
        prepared: Prepared,
        plan: Plan,
        reporter: Reporter,
    ) -> None:
        super().__init__(config, dataset, journal, prepared, plan.run, reporter)
        preview = self.file

        def file(requests: list[Request]) -> list[Outcome]:
            plan.requests.update((request.members[0].source, request) for request in requests)
            return preview(requests)

        self.file = file


def carry_out(
    config: Config,
    dataset: Dataset,
    prepared: Prepared,
    plan: Plan,
    chosen: Collection[str],
    reporter: Reporter,
) -> Run:
    """File these arrivals as the plan says, as a run of its own; one that changed since it was looked at stays.

    Raises DatasetHeld while somebody else sorts, JournalError.
    """
    begun = time.perf_counter()
    items = [item for item in plan.items if item.path in chosen and item.path in plan.requests]
    run = new_run(config, prepared)
    run.references, run.terms, run.promise, run.cut = (
        *(plan.run.references, plan.run.terms, plan.run.promise, plan.run.cut),
    )
    with ExitStack() as stack:
        journal = stack.enter_context(journal_to_write(dataset, "app", reporter))
        run.run = begin_run(config, prepared, journal)
        mover = (Tagger if config.action == TAG else Mover)(dataset, journal)
        reporter.stage("moves", len(items))
        try:
            for start in range(0, len(items), FILE_BATCH):
                batch = items[start : start + FILE_BATCH]
                outcomes = mover.file(run.run, [plan.requests[item.path] for item in batch])
                for item, outcome in zip(batch, outcomes, strict=True):
                    told = filed(item, outcome)
                    run.count(told)
                    reporter.item(told)
                for _ in batch:
                    reporter.step()
        finally:
            end_run(run, begun, journal, reporter)
    return run
