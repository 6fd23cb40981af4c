"""References judged by references: folds that keep near duplicates together, and scores from outside the own fold."""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Flags, Floats, Labels
from refsort.decide.lda import Discriminant
from refsort.decide.moments import Moments, Span

FOLDS = 5
NEAR = 0.985
"""Cosine from which two pictures of a class count as one: both sides of a fold would see the same thing."""


def folds(vectors: Floats, labels: Labels, count: int = FOLDS) -> Labels:
    """A fold int[n] for each reference, -1 for one that can't be held out because its class has nothing else.

    Each class is spread evenly, near duplicates stay together. Which fold a picture gets depends on the picture and not
    on the order of the files.
    """
    result = np.full(len(labels), -1, dtype=np.intp)
    for label in np.unique(labels):
        members = in_own_order(vectors, np.flatnonzero(labels == label))
        groups = _near_groups(vectors[members])
        size = int(groups.max()) + 1
        if size > 1:
            result[members] = (groups + label) % min(count, size)
    return result


def in_own_order(vectors: Floats, members: Labels) -> Labels:
    """The same members in an order that comes of the pictures and not of their files; it means nothing else."""
    key = np.cos(np.arange(1, vectors.shape[1] + 1) * 12.9898)
    return members[np.argsort(vectors[members].astype(np.float64) @ key, kind="stable")]


def distinct(vectors: Floats, labels: Labels, classes: int) -> Labels:
    """int[c]: how many different pictures each class has, near duplicates counted once."""
    return np.array([_near_groups(vectors[labels == label]).max(initial=-1) + 1 for label in range(classes)])


def _near_groups(vectors: Floats) -> Labels:
    """Number of the group of each row: rows linked by cosines of NEAR or more share one, numbered as they come."""
    near = vectors @ vectors.T >= NEAR
    if near.sum() == len(vectors):
        return np.arange(len(vectors))
    group = np.full(len(vectors), -1, dtype=np.intp)
    number = 0
    for row in range(len(vectors)):
        if group[row] >= 0:
            continue
        waiting = [row]
        while waiting:
            member = waiting.pop()
            if group[member] < 0:
                group[member] = number
                waiting += np.flatnonzero(near[member] & (group < 0)).tolist()
        number += 1
    return group


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Each reference as an arrival that the others decide, by `lda`.

    `scores` float32[n, c], `covered` bool[n]: False where the picture
    could not be held out (its scores mean nothing).
    """

    scores: Floats
    covered: Flags

    def right(self, labels: Labels) -> Flags:
        """bool[n]: whether the best class is the picture's own."""
        return np.asarray(self.covered & (self.scores.argmax(axis=1) == labels))


def out_of_fold(vectors: Floats, labels: Labels, classes: int) -> OutOfFold:
    """Score float32[n, d] with labels int[n] by cross-validation."""
    span = Span.of(vectors)
    rows = span.coordinates(vectors)
    whole = Moments.of(rows, labels, classes, span.dim)
    fold = folds(vectors, labels)
    scores = np.full((len(labels), classes), -np.inf, dtype=np.float32)
    for number in range(int(fold.max()) + 1):
        held = fold == number
        rule = Discriminant(whole.without(rows[held], labels[held]))
        scores[held] = rule.scores(rows[held])
    return OutOfFold(scores, fold >= 0)
