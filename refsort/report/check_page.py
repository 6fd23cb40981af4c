"""The page of `refsort check`: suspicious references beside those that make them so."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from refsort.config import Config
from refsort.decide.check.findings import Expected, Finding, Findings
from refsort.decide.check.labels import nearest_of_class
from refsort.files.dataset import Dataset
from refsort.files.journal import now
from refsort.names import show
from refsort.report.check_words import one_more, sentence
from refsort.report.learning_curve import svg
from refsort.report.thumbnails import thumbnail
from refsort.sorting.references import References

THUMBNAIL_SIDE = 144
"""Pixels of a thumbnail's height."""
SHOWN = 40
"""Findings of a kind that are shown with pictures."""
IN_A_ROW = 6
"""Pictures of a class, or of a group of duplicates."""
NARROW = 3
"""Pictures that fit beside one another in half a page."""
MATRIX = 40
"""Classes up to which the whole confusion matrix is shown."""
WORST = 30
"""Pairs of classes that are listed where there are more."""

TITLES = (
    ("same_picture", "The same picture twice"),
    ("near_duplicate", "Nearly the same picture"),
    ("mislabelled", "Probably in the wrong folder"),
    ("outlier", "Like nothing here"),
    ("close_classes", "Classes that can hardly be told apart"),
    ("one_reference", "One reference only"),
    ("few_references", "Few references"),
    ("unequal_classes", "Unequal classes"),
)


HINTS = {
    "mislabelled": "Framed: the picture, beside the nearest of its own class and of the class it looks like.",
    "outlier": "Framed: the picture, beside usual ones of its class.",
    "close_classes": "Framed: references that look more like the other class.",
}


@dataclass(slots=True)
class Picture:
    """A reference on the page; `marked` ones are those a finding is about."""

    path: str
    caption: str
    marked: bool = False
    thumbnail: str = ""


@dataclass(slots=True)
class Card:
    """One finding on the page: a sentence and rows of pictures."""

    severity: str
    text: str
    rows: list[list[Picture]] = field(default_factory=list)

    @property
    def wide(self) -> bool:
        """Whether it needs the page's whole width."""
        return max(map(len, self.rows), default=NARROW) > NARROW


class Section(NamedTuple):
    """The findings of one kind."""

    title: str
    hint: str
    total: int
    cards: list[Card]


class Confusion(NamedTuple):
    """So many references of one class were taken for another."""

    own: str
    decided: str
    number: int
    share: float


def write_check_page(
    findings: Findings, references: References, dataset: Dataset, config: Config, encoder: str
) -> Path:
    """Write `reports/check.html` and return its path. Raises OSError."""
    html = render(findings, references, dataset, config, encoder)
    path = dataset.state / "reports" / "check.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path


def render(findings: Findings, references: References, dataset: Dataset, config: Config, encoder: str) -> str:
    """The page as one self-contained HTML text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    sections = list(_sections(findings, references))
    _draw([p for s in sections for card in s.cards for row in card.rows for p in row], dataset, config)
    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["show"] = show
    return environment.get_template("check.html.j2").render(
        dataset=config.dataset,
        encoder=encoder,
        written=now(),
        findings=findings,
        sections=sections,
        classes=references.classes,
        whole_matrix=len(references.classes) <= MATRIX,
        worst=_worst(findings.expected, references.classes),
        curve=svg(findings.curve),
        one_more=one_more(findings),
        folder=dataset.names.references,
    )


def _draw(pictures: list[Picture], dataset: Dataset, config: Config) -> None:
    """Fill in the thumbnails, each file read once."""
    paths = list(dict.fromkeys(picture.path for picture in pictures))
    with ThreadPoolExecutor() as pool:
        urls = pool.map(lambda path: thumbnail(dataset.path(path), THUMBNAIL_SIDE, config.max_pixels), paths)
        drawn = dict(zip(paths, urls, strict=True))
    for picture in pictures:
        picture.thumbnail = drawn[picture.path]


def _sections(findings: Findings, references: References) -> Iterator[Section]:
    for kind, title in TITLES:
        found = [finding for finding in findings.findings if finding.kind == kind]
        if found:
            cards = [
                Card(finding.severity, sentence(finding, references), _rows(finding, references))
                for finding in found[:SHOWN]
            ]
            yield Section(title, HINTS.get(kind, ""), len(found), cards)


def _rows(finding: Finding, references: References) -> list[list[Picture]]:
    """The pictures that show what a finding means."""

    def picture(reference: int, role: str = "", marked: bool = False) -> Picture:
        return Picture(references.paths[reference], role or references.classes[references.labels[reference]], marked)

    if finding.kind in ("same_picture", "near_duplicate"):
        return [[picture(reference) for reference in finding.references[:IN_A_ROW]]]
    if finding.kind == "mislabelled":
        (suspect,), names = finding.references, [references.classes[label] for label in finding.classes]
        row = [picture(suspect, f"lies in {names[0]}", marked=True)]
        for label, name in zip(finding.classes, names, strict=True):
            near = nearest_of_class(references.vectors, references.labels, suspect, label)
            row += [] if near is None else [picture(near, f"nearest in {name}")]
        return [row]
    if finding.kind == "outlier":
        usual = _typical(references, finding.classes[0], without=finding.references[0])
        name = references.classes[finding.classes[0]]
        return [
            [picture(finding.references[0], f"lies in {name}", marked=True)]
            + [picture(reference, f"usual in {name}") for reference in usual[: IN_A_ROW - 3]]
        ]
    if finding.kind == "close_classes":
        mixed = set(finding.references)
        return [
            [picture(reference, marked=reference in mixed) for reference in _close_row(references, label, mixed)]
            for label in finding.classes
        ]
    return []


def _typical(references: References, label: int, without: int | None = None) -> list[int]:
    """References of a class, those nearest to its mean first."""
    members = np.flatnonzero(references.labels == label)
    vectors = references.vectors[members]
    order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
    return [int(member) for member in members[order] if member != without]


def _close_row(references: References, label: int, mixed: set[int]) -> list[int]:
    """Of a class, the references that look like the other class and then usual ones."""
    usual = _typical(references, label)
    return sorted(usual, key=lambda reference: reference not in mixed)[:IN_A_ROW]


def _worst(expected: Expected | None, classes: list[str]) -> list[Confusion]:
    """The most frequent confusions, by their share of the class."""
    if expected is None:
        return []
    totals = expected.confusion.sum(axis=1)
    rows = [
        Confusion(classes[own], classes[other], int(expected.confusion[own, other]), float(share))
        for own, other in np.argwhere(expected.confusion > 0)
        if own != other and (share := expected.confusion[own, other] / totals[own])
    ]
    return sorted(rows, key=lambda row: -row.share)[:WORST]
