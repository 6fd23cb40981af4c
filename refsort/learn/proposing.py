"""New classes out of what belonged to none: groups of pictures that look alike, to be named by a person."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from refsort.decide import Floats
from refsort.decide.folds import NEAR
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal, now
from refsort.files.survey import Placed, take_survey
from refsort.learn.clustering import MOST, average_linkage, bound, cut_tree, similarities
from refsort.names import show
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import Prepared

LEAST = 5
"""Pictures of the smallest group that is shown: fewer make no class that could be trusted."""
FILE = "proposal.json"
"""In the dataset's state folder: the groups as they were shown, so that a group is what the person saw."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that look alike, the most typical first; paths relative to the dataset, hashes in hexadecimal."""

    number: int
    pictures: tuple[tuple[str, str], ...]
    nearest: str
    """The class that most of them are nearest to."""
    share: float
    """How many of them that is."""

    @property
    def name(self) -> str:
        return f"group {self.number}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Groups, the largest first."""

    groups: list[Group]
    looked_at: int
    written: str


def propose(
    dataset: Dataset, journal: Journal | None, prepared: Prepared, reporter: Reporter, *, unsure: bool = False
) -> Proposal:
    """Group what lies in Unknown/, and in Unsure/ if that is wanted. Nothing is moved.

    Raises DatasetError where all classes are known by words only.
    """
    paths = [placed.path for placed in aside(dataset, journal, unsure=unsure)]
    reporter.stage("pictures", len(paths))
    found = []
    for embedded in prepared.embedder.stream(paths):
        reporter.step()
        if embedded.vector is not None:
            found.append((embedded.sha256, embedded.path, embedded.vector))
    found.sort(key=lambda one: one[:2])
    if len(found) > MOST:
        reporter.message(f"{MOST} of {len(found)} pictures are looked at; make classes of them and look again")
        found = found[:MOST]
    if len(found) < LEAST:
        return Proposal([], len(found), now())
    references = prepared.references.pictured()
    vectors = np.stack([vector for _, _, vector in found])
    if not references.classes:
        raise DatasetError("no class has a picture yet, and without one nothing tells what makes pictures differ here")
    similar, among = similarities(vectors, references.vectors, references.labels, len(references.classes))
    group_of = cut_tree(len(found), average_linkage(similar), bound(among, references.labels))
    best = [decision.class_name for decision in prepared.judge.decide(vectors)[0]]
    members = [np.flatnonzero(group_of == number) for number in np.unique(group_of)]
    members = sorted((rows for rows in members if len(rows) >= LEAST), key=lambda rows: (-len(rows), rows[0]))
    groups = []
    for number, rows in enumerate(members, start=1):
        ordered = rows[typical_first(similar[np.ix_(rows, rows)], vectors[rows])]
        nearest, count = Counter(best[row] for row in rows).most_common(1)[0]
        pictures = tuple((found[row][1], found[row][0].hex()) for row in ordered)
        groups.append(Group(number, pictures, nearest, count / len(rows)))
    return Proposal(groups, len(found), now())


def aside(dataset: Dataset, journal: Journal | None, *, unsure: bool) -> list[Placed]:
    """What lies in Unknown/, and in Unsure/ if that is wanted."""
    names = dataset.names
    folders = {names.unknown, names.unsure} if unsure else {names.unknown}
    if journal is not None:
        return [placed for placed in take_survey(dataset, journal).placed if placed.folder in folders]
    return [Placed(group, folder, None, None) for folder in sorted(folders) for group in dataset.groups(folder)]


def typical_first(similar: Floats, vectors: Floats) -> list[int]:
    """Members of a group by their mean similarity float32[n, n] to the others; near duplicates of earlier ones last."""
    order = np.argsort(-similar.mean(axis=1), kind="stable").tolist()
    chosen: list[int] = []
    twins: list[int] = []
    for row in order:
        near = bool(chosen) and float((vectors[chosen] @ vectors[row]).max()) >= NEAR
        (twins if near else chosen).append(row)
    return chosen + twins


def keep_proposal(dataset: Dataset, proposal: Proposal) -> None:
    """Remember the groups as they are shown now. Raises OSError."""
    path = dataset.state / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{FILE}.tmp")
    part.write_text(json.dumps(asdict(proposal)), encoding="utf-8")
    part.replace(path)


def kept_group(dataset: Dataset, number: int) -> Group:
    """A group as it was shown last. Raises DatasetError if there is none of this number."""
    path = dataset.state / FILE
    try:
        groups = [_group(one) for one in json.loads(path.read_bytes())["groups"]]
    except FileNotFoundError:
        raise DatasetError("nothing was proposed yet; 'refsort propose' shows the groups") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{show(str(path))} can't be read ({error}); run 'refsort propose' again") from error
    for group in groups:
        if group.number == number:
            return group
    raise DatasetError(f"there is no group {number}; there are 1 to {len(groups)}" if groups else "there is no group")


def _group(found: dict[str, object]) -> Group:
    pictures = found["pictures"]
    if not isinstance(pictures, list):
        raise ValueError("no pictures")
    pairs = tuple((str(path), str(digest)) for path, digest in pictures)
    return Group(int(str(found["number"])), pairs, str(found["nearest"]), float(str(found["share"])))


def report_path(dataset: Dataset) -> Path:
    """Where the page that shows the groups lies."""
    return dataset.state / "reports" / "propose.html"
