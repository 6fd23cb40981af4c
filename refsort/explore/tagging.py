"""Keywords instead of folders: pictures stay where they are, and their sidecars get the classes they belong to.

What lies in Dataset/<class> has its class from its folder, which a person may have put right; everything else is
decided by the references. Nothing is ever taken out of a sidecar but by undo.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from refsort.config import Config
from refsort.decide import CalibratedJudge, Decision
from refsort.encoders import Floats
from refsort.errors import ConfigError, DatasetError
from refsort.explore.halves import half_vectors
from refsort.files.dataset import Dataset
from refsort.files.groups import Group
from refsort.files.journal import Journal
from refsort.files.requests import Request
from refsort.files.sidecars import tag_request
from refsort.files.tagging import Tagger, TagPreview
from refsort.files.xmp import keyword
from refsort.names import show
from refsort.sorting.embedding import Embedded
from refsort.sorting.events import Reporter
from refsort.sorting.one_pass import DECIDE_BATCH, FILE_BATCH
from refsort.sorting.prepared import Prepared

LEAST_SHARE = 0.25
"""Below it more than three classes could reach the threshold, and a decision remembers no more than its best three."""

State = Literal["tagged", "had", "unsure", "unknown", "bad", "skipped", "failed"]
STATES: tuple[State, ...] = ("tagged", "had", "unsure", "unknown", "bad", "skipped", "failed")
UNREAD: dict[str, State] = {"bad": "bad", "unreadable": "failed"}


@dataclass(frozen=True, slots=True)
class Tags:
    """What became of one picture. Paths relative to the dataset."""

    path: str
    state: State
    keywords: tuple[str, ...] = ()
    sidecar: str | None = None
    reason: str = ""


@dataclass(slots=True)
class Tagged:
    """The outcome; `as_dict` gives the keys of `--json`."""

    dataset: str
    folder: str
    encoder: str
    dry_run: bool
    run: int | None = None
    pictures: list[Tags] = field(default_factory=list)

    def count(self, state: State) -> int:
        return sum(picture.state == state for picture in self.pictures)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "dataset": self.dataset,
            "folder": show(self.folder),
            "encoder": self.encoder,
            "dry_run": self.dry_run,
            "run": self.run,
            **{state: self.count(state) for state in STATES},
            "pictures": [
                {
                    "path": show(p.path),
                    "state": p.state,
                    "keywords": list(p.keywords),
                    "sidecar": None if p.sidecar is None else show(p.sidecar),
                    "reason": p.reason,
                }
                for p in self.pictures
            ],
        }


def which_folder(dataset: Dataset, name: str | None) -> str:
    """The folder to tag, relative to the dataset: one of its own by name, or any other by its path.

    None means the arrivals. Raises DatasetError if it isn't there, and for the references, which are never touched.
    """
    if name is None:
        return dataset.names.arrivals
    own = dataset.path(name)
    path = (own if not Path(name).is_absolute() and own.is_dir() else Path(name).expanduser()).resolve()
    if not path.is_dir():
        raise DatasetError(f"{show(name)} is neither a folder of the dataset (like Images) nor a path of one")
    root = dataset.root.resolve()
    if path.is_relative_to(root / dataset.names.references) or path == root:
        raise DatasetError(
            f"{show(str(path))} holds the references, and nothing is ever written there; "
            f"name a folder like {dataset.names.arrivals} or {dataset.names.sorted}"
        )
    try:
        return dataset.relative(path)
    except ValueError:  # Another drive of Windows.
        return path.as_posix()


class Looked(NamedTuple):
    """A picture as it was found, and vectors of its halves float32[4 or 0, d]."""

    group: Group
    embedded: Embedded
    halves: Floats


class Tagging:
    """Tags the pictures of one folder."""

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        prepared: Prepared,
        reporter: Reporter,
        *,
        journal: Journal | None,
        several: float | None = None,
    ) -> None:
        """Without a journal it is a dry run. `several`: all classes of at least that probability, not the best alone,
        in the picture or in one of its halves.

        Raises ConfigError for a `several` out of range, and where decisions come without probabilities.
        """
        if several is not None and not LEAST_SHARE <= several < 1:
            raise ConfigError(f"--several takes a probability from {LEAST_SHARE:g} to below 1 (it is {several:g})")
        if several is not None and not isinstance(prepared.judge, CalibratedJudge):
            raise ConfigError(
                "--several needs probabilities, and these references give none: mode lda with a few more per class does"
            )
        self.config = config
        self.dataset = dataset
        self.prepared = prepared
        self.reporter = reporter
        self.journal = journal
        self.several = several
        self.pending: list[Request] = []

    def tag(self, folder: str) -> Tagged:
        """Tag a folder, sub-folders too. Call it under the dataset's lock. Raises JournalError."""
        encoder = self.prepared.encoder
        self.result = Tagged(self.config.dataset, folder, encoder.name, self.journal is None)
        groups = list(self._groups(folder))
        self.reporter.stage("pictures", len(groups))
        if self.journal is not None:
            settings = self.config.model_dump(mode="json") | {"encoder": encoder.name, "folder": folder}
            self.result.run = self.journal.begin_run("tag", "tag", settings | {"several": self.several})
        try:
            found: list[Looked] = []
            streamed = self.prepared.embedder.stream(group.path for group in groups)
            for group, embedded in zip(groups, streamed, strict=True):
                found.append(Looked(group, embedded, self._halves(embedded)))
                self.reporter.step()
                if len(found) >= DECIDE_BATCH:
                    self._deal_with(found)
                    found = []
            self._deal_with(found)
            self._file()
        finally:
            if self.journal is not None and self.result.run is not None:
                self.journal.end_run(self.result.run, self._summary())
        return self.result

    def _groups(self, folder: str) -> Iterator[Group]:
        """The pictures below a folder; what another dataset there holds as its references is passed over."""
        for group in self.dataset.groups(folder):
            inner = group.folder.removeprefix(folder).split("/")
            if self.dataset.names.references not in inner:
                yield group

    def _halves(self, picture: Embedded) -> Floats:
        """float32[4, d], or float32[0, d] where halves are not looked at."""
        if self.several is None or picture.vector is None:
            return np.zeros((0, self.prepared.encoder.dim), np.float32)
        return half_vectors(self.prepared.embedder, picture)

    def _deal_with(self, found: list[Looked]) -> None:
        """Halves are decided among themselves: they never change what is thought of a whole picture."""
        decisions = self._decide([one.embedded.vector for one in found if one.embedded.vector is not None])
        of_halves = self._decide([vector for one in found for vector in one.halves])
        for one in found:
            if one.embedded.vector is not None:
                self._decided(one, next(decisions), list(islice(of_halves, len(one.halves))))
            elif one.embedded.state != "foreign":
                state = UNREAD.get(one.embedded.state, "skipped")
                self._tell(Tags(one.group.path, state, reason=one.embedded.reason))

    def _decide(self, vectors: list[Floats]) -> Iterator[Decision]:
        return iter(self.prepared.judge.decide(np.stack(vectors))[0] if vectors else ())

    def _decided(self, one: Looked, decision: Decision, of_halves: list[Decision]) -> None:
        classes = list(dict.fromkeys([*self._by_folder(one.group), *self._by_decision(decision, of_halves)]))
        if not self.several:
            classes = classes[:1]
        if not classes:
            state: State = "unknown" if decision.verdict == "unknown" else "unsure"
            self._tell(Tags(one.group.path, state, reason=decision.reason))
            return
        assert one.embedded.stat is not None
        words, said = [keyword(name) for name in classes], decision.as_dict()
        self.pending.append(tag_request(one.group, one.embedded.stat, one.embedded.sha256, words, said))
        if len(self.pending) >= FILE_BATCH:
            self._file()

    def _by_folder(self, group: Group) -> list[str]:
        """The class that a sorted picture lies in."""
        top, _, inner = group.folder.partition("/")
        name = inner.partition("/")[0]
        return [name] if top == self.dataset.names.sorted and name in self.prepared.references.classes else []

    def _by_decision(self, decision: Decision, of_halves: list[Decision]) -> list[str]:
        """Classes good enough, best first; those of the picture before those that only a half of it shows."""
        classes = [decision.class_name] if decision.verdict == "sure" else []
        in_halves = [likely for half in of_halves for likely in self._likely(half)]
        in_halves.sort(key=lambda likely: -likely[1])
        return classes + [name for name, _ in [*self._likely(decision), *in_halves]]

    def _likely(self, decision: Decision) -> list[tuple[str, float]]:
        """Classes of at least the probability that was asked for, strays considered, best first."""
        if self.several is None or decision.probability is None or decision.verdict == "unknown":
            return []
        known = decision.probability / max(decision.rivals[0][1], 1e-9)
        return [(name, share * known) for name, share in decision.rivals if share * known >= self.several]

    def _file(self) -> None:
        pending, self.pending = self.pending, []
        if not pending:
            return
        if self.journal is None or self.result.run is None:
            outcomes = TagPreview(self.dataset).file(pending)
        else:
            outcomes = Tagger(self.dataset, self.journal).file(self.result.run, pending)
        for request, outcome in zip(pending, outcomes, strict=True):
            path = request.members[0].source
            words = tuple((request.decision or {})["tags"])
            if outcome.status == "done":
                state: State = "tagged" if outcome.changed else "had"
                self._tell(Tags(path, state, words, outcome.targets[0], "; ".join(outcome.notes)))
            else:
                state = "failed" if outcome.status == "failed" else "skipped"
                self._tell(Tags(path, state, words, reason=outcome.reason))

    def _tell(self, picture: Tags) -> None:
        self.result.pictures.append(picture)

    def _summary(self) -> dict[str, Any]:
        """For the history, by the keys of a sorting run."""
        counts: dict[str, Any] = {state: self.result.count(state) for state in STATES}
        counts["sorted"] = counts.pop("tagged")
        counts["skipped"] += counts.pop("had")
        return counts
