"""References tried as arrivals: some held out of their class, some with their whole class left out.

The first show how often a picture of a known class comes right, the second what one of no known class looks like.
"""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Flags, Floats, Labels, Wide
from refsort.decide.folds import folds, in_own_order
from refsort.decide.lda import Discriminant
from refsort.decide.moments import Moments, Span
from refsort.decide.trust.evidence import Evidence, Witness
from refsort.decide.words import Prior

MOST = 4000
"""Trials of a kind: more don't make the calibration surer, and large sets would wait for it."""
LEFT_OUT = 20
"""Classes are left out one at a time, or in so many groups if there are more."""


@dataclass(frozen=True, slots=True)
class Trials:
    """`known`: held-out references, of true class `labels` int[k]; `strays`: references without their class."""

    known: Evidence
    labels: Labels
    strays: Evidence

    @property
    def right(self) -> Wide:
        """float64[k]: 1 where the winner is the true class."""
        return np.asarray(self.known.winner == self.labels, dtype=np.float64)


def try_out(span: Span, vectors: Floats, labels: Labels, classes: int, prior: Prior | None = None) -> Trials | None:
    """Trials of float32[n, d] with labels int[n], or None where there is too little to hold anything out."""
    rows = span.coordinates(vectors)
    whole = Moments.of(rows, labels, classes, span.dim)
    everything = np.arange(classes)
    fold = folds(vectors, labels)
    tried = _tried(vectors, labels, classes)
    known = []
    for number in range(int(fold.max()) + 1):
        held = fold == number
        found = _examine(whole, rows, labels, held, tried, everything, prior)
        if found is None:
            return None
        known.append((np.flatnonzero(held & tried), found))
    strays = []
    for group in range(min(classes, LEFT_OUT) if classes > 1 else 0):
        kept = everything[everything % LEFT_OUT != group]
        found = _examine(whole, rows, labels, ~np.isin(labels, kept), tried, kept, prior)
        if found is None:
            return None
        strays.append(found)
    if not known or not strays:
        return None
    order = np.concatenate([at for at, _ in known])
    return Trials(_joined([found for _, found in known]), labels[order], _joined(strays))


def _tried(vectors: Floats, labels: Labels, classes: int) -> Flags:
    """bool[n]: which references are tried, equally many of each class."""
    limit = max(MOST // classes, 2)
    tried = np.zeros(len(labels), dtype=bool)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        tried[in_own_order(vectors, members)[:limit] if len(members) > limit else members] = True
    return tried


def _examine(
    whole: Moments, rows: Wide, labels: Labels, held: Flags, tried: Flags, present: Labels, prior: Prior | None
) -> Evidence | None:
    """Evidence on held references, those that are tried, by a rule made of the others; its classes are `present`."""
    moments = whole.without(rows[held], labels[held]).of_classes(present)
    rule = prior.discriminant(moments, present) if prior else Discriminant(moments)
    if not rule.gaussian:
        return None
    others = np.where(held, -1, np.searchsorted(present, labels))  # of no class: never looked at, and not copied
    witness = Witness(rule, rows, others)
    asked = rows[held & tried]
    found = witness.examine(asked, np.zeros(len(asked)))
    scores = np.full((len(found.winner), len(whole.counts)), -np.inf)
    scores[:, present] = found.scores
    return Evidence(present[found.winner], scores, found.figures)


def _joined(parts: list[Evidence]) -> Evidence:
    return Evidence(
        np.concatenate([part.winner for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.figures for part in parts]),
    )
