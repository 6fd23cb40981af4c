"""What a look at the references can find. Numbers only; `refsort.report` puts them into words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from refsort.decide.base import Labels

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
FEW = 5
"""Below so many different pictures a class promises nothing."""
Kind = Literal[
    "same_picture", "near_duplicate", "mislabelled", "outlier", "close_classes", "one_reference", "few_references",
    "unequal_classes",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is, or may be, wrong with the references.

    same_picture: `references` have the same bytes; an error where they lie in different classes, else a note.
    near_duplicate: nearly the same picture; the same severities. The closest pair comes first; number `cosine`.
    mislabelled: `classes` = (its own, the one it looks like); numbers `odds` (other : own) and `probability`
    of its own.
    outlier: like nothing here; numbers `cosine` (mean, to its own class) and `z` (robust, negative).
    close_classes: `classes` can hardly be told apart, `references` are those that look like the other one; numbers
    `confused` (share, 0.5 is a coin's toss) and `distance` (of the means, 1 is what chance alone gives).
    one_reference, few_references: `classes` with 1, or with fewer than FEW different pictures.
    unequal_classes: `classes` = (smallest, largest); number `ratio`.
    """

    kind: Kind
    severity: Severity
    references: tuple[int, ...]
    classes: tuple[int, ...]
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Expected:
    """How sorting would go, judged by references that had to do without themselves. Mean class accuracy, 0 to 1."""

    accuracy: float
    low: float
    high: float
    """The interval that holds the true value nine times out of ten, as far as the references stand for the arrivals."""
    recall: tuple[float | None, ...]
    """Of each class; None where no reference could be held out."""
    confusion: Labels
    """int[c, c]: rows are the references' own classes, columns the classes decided for."""


@dataclass(frozen=True, slots=True)
class Step:
    """Mean class accuracy with so many references a class."""

    references: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Curve:
    """What more references bring."""

    steps: tuple[Step, ...]
    one_more: float | None
    """Accuracy that one more reference a class would add; None where no power law fits, so it is not known."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The whole look: findings by severity, the worst of a kind first."""

    findings: tuple[Finding, ...]
    counts: tuple[int, ...]
    """References of each class."""
    expected: Expected | None
    """None if there is one class only, or nothing could be held out."""
    curve: Curve

    def count(self, severity: Severity) -> int:
        """How many findings of one severity there are."""
        return sum(finding.severity == severity for finding in self.findings)
