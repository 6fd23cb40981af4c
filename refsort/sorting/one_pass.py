"""One pass over the drop folder: arrivals are embedded, decided together, and filed in batches."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from refsort.config import Config
from refsort.decide import Decision
from refsort.files.dataset import Dataset
from refsort.files.groups import Group
from refsort.files.identity import look
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.preview import Preview
from refsort.files.requests import Outcome, Request, member, words
from refsort.files.sidecars import TAG, is_tagged, tag_request
from refsort.files.stayed import Left, Stayed
from refsort.files.tagging import Tagger, TagPreview
from refsort.files.xmp import keyword
from refsort.sorting.embedding import Embedded
from refsort.sorting.events import Item, Kind, Reporter, Run
from refsort.sorting.prepared import Prepared

FILE_BATCH = 256
"""Groups filed per commit of the journal: a commit costs a flush to the disk, 256 share it."""
DECIDE_BATCH = 2048
"""Arrivals decided together: enough to see how many of them belong to no class, and a bound on the memory."""

LEAVING_IT = ("copy", "hardlink", "symlink")
"""Actions after which the picture lies in the drop folder still."""


def _nobody(path: str, kind: str) -> None:
    pass


class Pass:
    """Deals with what has arrived in one dataset."""

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        journal: Journal | None,
        prepared: Prepared,
        run: Run,
        reporter: Reporter,
        *,
        begin: Callable[[], int] | None = None,
        patience: Callable[[str], bool] | None = None,
        stayed: Stayed | None = None,
        unchanged: Callable[[str, str], None] = _nobody,
    ) -> None:
        """`begin` gives the number of the run, asked for when the first file is to be filed; without it none is.

        `patience` is asked about a picture that can't be read: with True it stays, as it may still be coming.
        `stayed`: what earlier runs left; without it everything is looked at. `unchanged` is told the path and the kind
        of each that for this reason is not.
        """
        self.config = config
        self.dataset = dataset
        self.journal = journal
        self.embedder = prepared.embedder
        self.judge = prepared.judge
        self.run = run
        self.reporter = reporter
        self.found: list[tuple[Group, Embedded]] = []
        self.pending: list[tuple[Item, Request]] = []
        self.changed: list[str] = []
        """Arrivals that changed while they were looked at; a later pass will find them whole."""
        self.expected_wrong = 0.0
        self.patience = patience
        self.stayed = stayed
        self.unchanged = unchanged
        if journal is None or begin is None:
            self.file = (TagPreview if config.action == TAG else Preview)(dataset).file
        else:
            mover = (Tagger if config.action == TAG else Mover)(dataset, journal)
            self.file = lambda requests: mover.file(self._number(begin), requests)

    def _number(self, begin: Callable[[], int]) -> int:
        if self.run.run is None:
            self.run.run = begin()
        return self.run.run

    def sort_all(self) -> None:
        """Everything that lies in the drop folder."""
        arrivals = self.dataset.arrivals()
        for path, reason in arrivals.skipped:
            self._tell(Item(path, "skipped", reason=reason))
        self.sort(arrivals.groups(), arrivals.count)
        if self.stayed is not None:
            self.stayed.tidy(arrivals.count)

    def sort(self, groups: Iterable[Group], files: int) -> None:
        """These groups and no others; so many files are in them."""
        self.reporter.stage("pictures", files)
        ahead: deque[Group] = deque()

        def paths() -> Iterator[str]:
            for group in self._fresh(groups):
                ahead.append(group)
                yield group.path

        for embedded in self.embedder.stream(paths()):
            group = ahead.popleft()
            self.found.append((group, embedded))
            if len(self.found) >= DECIDE_BATCH:
                self._decide_found()
            self._step(group)
        self._decide_found()
        self._file_pending()
        if self.stayed is not None:
            self.stayed.flush()

    def _step(self, group: Group) -> None:
        for _ in range(1 + len(group.others)):
            self.reporter.step()

    def _fresh(self, groups: Iterable[Group]) -> Iterator[Group]:
        """Those that no earlier run has dealt with, though they lie there still."""
        for group in groups:
            if self.config.action == TAG and self._is_tagged(group):
                self._tell(Item(group.path, "skipped", reason="tagged by an earlier run"))
            elif self.stayed is not None and (kind := self.stayed.kind_of(group.folder, group.main)):
                self.run.count_unchanged(kind)
                self.unchanged(group.path, kind)
            else:
                yield group
                continue
            self._step(group)

    def _is_tagged(self, group: Group) -> bool:
        if self.journal is None:
            return False
        return is_tagged(self.dataset, self.journal, group.path, look(self.dataset.path(group.path)))

    def _decide_found(self) -> None:
        """Decide what has been embedded so far, all of it together, and plan where it goes."""
        found, self.found = self.found, []
        vectors = [embedded.vector for _, embedded in found if embedded.vector is not None]
        decisions: list[Decision] = []
        if vectors:
            begun = time.perf_counter()
            decisions, terms = self.judge.decide(np.stack(vectors))
            self.embedder.observe("decide", time.perf_counter() - begun)
            self.run.terms, self.run.promise, self.run.cut = terms.words, terms.promise, terms.cut
        waiting = iter(decisions)
        for group, embedded in found:
            decision = next(waiting) if embedded.vector is not None else None
            self._deal_with(group, replace(embedded, vector=None), decision)

    def _deal_with(self, group: Group, found: Embedded, decision: Decision | None) -> None:
        names = self.dataset.names
        if decision is not None:
            if decision.verdict == "sure":
                item = Item(group.path, "sorted", decision=decision)
                self._plan(group, found, item, f"{names.sorted}/{decision.class_name}")
                return
            item = Item(group.path, decision.verdict, decision=decision, reason=decision.reason)
            aside = names.unsure if decision.verdict == "unsure" else names.unknown
            self._plan(group, found, item, None if self.config.unsure == "keep" or self._stays() else aside)
        elif found.state == "bad" and self.patience is not None and self.patience(group.path):
            self._tell(Item(group.path, "skipped", reason=f"{found.reason}; it may still be coming"))
        elif found.state == "bad":
            item = Item(group.path, "bad", reason=found.reason)
            self._plan(group, found, item, None if self.config.bad == "keep" or self._stays() else names.bad)
        elif found.state == "unreadable":
            self._tell(Item(group.path, "failed", reason=found.reason))
        else:
            item = Item(group.path, "skipped", reason=found.reason)
            if found.state == "foreign":
                self._leave(item, found)
            else:
                self.changed.append(group.path)
                self._tell(item)

    def _plan(self, group: Group, found: Embedded, item: Item, folder: str | None) -> None:
        """Put a group on the list of what is filed next; without a folder it stays."""
        if folder is None:
            self._leave(item, found)
            return
        assert found.stat is not None
        if self.config.action == TAG and item.decision is not None:
            tags = [keyword(item.decision.class_name)]
            request = tag_request(group, found.stat, found.sha256, tags, item.decision.as_dict())
            self._add(item, request)
            return
        if placed := self._already_placed(group.path, found.sha256):
            item = Item(group.path, "skipped", reason=f"{self.config.action} was made by an earlier run")
            self._leave(item, found, placed)
            return
        try:
            members = [member(self.dataset, group.path, f"{folder}/{group.main}", (found.stat, found.sha256))]
            for name in group.others:
                members.append(member(self.dataset, f"{group.folder}/{name}", f"{folder}/{name}"))
        except OSError as error:
            self._tell(Item(group.path, "failed", reason=f"a file that goes with it can't be read: {words(error)}"))
            return
        decision = item.decision.as_dict() if item.decision else {"verdict": item.kind, "reason": item.reason}
        self._add(item, Request(tuple(members), self.config.action, decision, stem=group.stem))

    def _stays(self) -> bool:
        """Whether pictures that are not sorted lie where they lay, whatever else the settings say."""
        return self.config.action == TAG

    def _add(self, item: Item, request: Request) -> None:
        self.pending.append((item, request))
        if len(self.pending) >= FILE_BATCH:
            self._file_pending()

    def _leave(self, item: Item, found: Embedded, target: str | None = None) -> None:
        """Tell what stays for good, and remember it; `target`: a copy or link of it that an earlier run has made."""
        if self.stayed is not None and found.stat is not None:
            self.stayed.put(Left(item.path, found.stat, item.kind, target))
        self._tell(item)

    def _already_placed(self, path: str, sha256: bytes) -> str | None:
        """The copy or link of this very picture that an earlier run has made, if it is there still."""
        if self.config.action == "move" or self.journal is None:
            return None
        placed = (m.target for m in self.journal.placed(path, self.config.action) if m.sha256 == sha256)
        return next((target for target in placed if self.dataset.path(target).exists()), None)

    def _file_pending(self) -> None:
        pending, self.pending = self.pending, []
        if not pending:
            return
        outcomes = self.file([request for _, request in pending])
        for (item, _), outcome in zip(pending, outcomes, strict=True):
            if outcome.status == "changed":
                self.changed.append(item.path)
            elif outcome.status == "done" and self.stayed is not None and outcome.request.action in LEAVING_IT:
                picture = outcome.request.members[0]
                self.stayed.put(Left(item.path, picture.stat, "skipped", outcome.targets[0]))
            self._tell(filed(item, outcome))

    def _tell(self, item: Item) -> None:
        self.run.count(item)
        if item.kind == "sorted" and item.decision is not None and item.decision.probability is not None:
            self.expected_wrong += 1 - item.decision.probability
            self.run.expected_wrong = round(self.expected_wrong / self.run.sorted, 4)
        self.reporter.item(item)


def filed(item: Item, outcome: Outcome) -> Item:
    """The item as it turned out."""
    if outcome.status == "done":
        reason = "; ".join(part for part in (item.reason, *outcome.notes) if part)
        return Item(item.path, item.kind, outcome.targets[0], item.decision, reason)
    kind: Kind = "failed" if outcome.status == "failed" else "skipped"
    return Item(item.path, kind, None, item.decision, outcome.reason)
