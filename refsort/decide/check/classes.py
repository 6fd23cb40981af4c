"""Classes that can hardly be told apart, and classes with too few references."""

import numpy as np

from refsort.decide.base import Flags, Floats, Labels, Wide, class_means
from refsort.decide.check.findings import FEW, Finding
from refsort.decide.folds import OutOfFold

CONFUSED = 0.35
"""Share of a pair's references that look more like the other class; 0.5 is what chance gives. Classes of photographs
that a person tells apart reach 0.2, one class split in two 0.38 to 0.8 with eight references each."""
SURELY_CONFUSED = 0.2
"""What the share must exceed even at the lower end of its interval."""
ALIKE, ALIKE_CONFUSED = 1.2, 0.25
"""Distance of the means, and share, that together tell the same."""
LEAST_HELD = 5
"""References of each class that must have been held out."""
ONE_SIDED_95 = 1.645

UNEQUAL = 10
"""Ratio of the largest to the smallest class that is worth a word."""


def close_classes(vectors: Floats, labels: Labels, held: OutOfFold, classes: int) -> list[Finding]:
    """Pairs of classes that can hardly be told apart, the worst first."""
    counts = np.bincount(labels[held.covered], minlength=classes)
    lost = np.zeros((classes, classes))
    own = held.scores[np.arange(len(labels)), labels][:, None]
    # Tied scores count half: with copies on both sides neither class wins.
    ahead = np.where(held.scores > own, 1.0, np.where(held.scores == own, 0.5, 0.0))
    np.add.at(lost, labels[held.covered], ahead[held.covered])
    rate = lost / np.maximum(counts, 1)[:, None]
    confused = (rate + rate.T) / 2
    surely = wilson(confused, np.maximum(counts[:, None] + counts, 1), ONE_SIDED_95)[0]
    distance = mean_distances(vectors, labels, classes)
    enough = np.minimum(counts[:, None], counts) >= LEAST_HELD
    by_votes = (confused >= CONFUSED) & (surely >= SURELY_CONFUSED)
    by_means = (distance <= ALIKE) & (confused >= ALIKE_CONFUSED)
    pairs = np.argwhere(np.triu(enough & (by_votes | by_means), k=1))
    found = [_pair(int(a), int(b), confused, distance, held.covered, ahead, labels) for a, b in pairs]
    return sorted(found, key=lambda finding: -finding.numbers["confused"])


def _pair(a: int, b: int, confused: Wide, distance: Wide, covered: Flags, ahead: Wide, labels: Labels) -> Finding:
    mixed = covered & (((labels == a) & (ahead[:, b] > 0)) | ((labels == b) & (ahead[:, a] > 0)))
    numbers = {"confused": float(confused[a, b]), "distance": float(distance[a, b])}
    return Finding("close_classes", "warning", tuple(np.flatnonzero(mixed).tolist()), (a, b), numbers)


def mean_distances(vectors: Floats, labels: Labels, classes: int) -> Wide:
    """float64[c, c]: |v̄_a - v̄_b|² over s_a²/n_a + s_b²/n_b, which it is on average if both are draws of one class."""
    counts = np.bincount(labels, minlength=classes)
    means = class_means(vectors, labels, classes)
    squares = (means**2).sum(axis=1)
    between = np.maximum(squares[:, None] + squares - 2 * means @ means.T, 0.0)
    within = np.zeros(classes)
    np.add.at(within, labels, (vectors.astype(np.float64) ** 2).sum(axis=1))
    variance = np.maximum(within - counts * squares, 0.0) / np.maximum(counts - 1, 1)
    chance = variance / counts
    return np.asarray(between / np.maximum(chance[:, None] + chance, 1e-12))


def wilson(share: Wide, count: Wide | Labels, z: float) -> tuple[Wide, Wide]:
    """Lower and upper end of a share of `count` trials. Wilson, JASA 22 (1927), 209 to 212."""
    centre = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    scale = 1 + z * z / count
    return np.asarray((centre - half) / scale), np.asarray((centre + half) / scale)


def sizes(labels: Labels, kept: Labels, classes: int) -> list[Finding]:
    """Classes with too few different pictures (`kept` int[m] are those), and classes of very unequal size."""
    counts = np.bincount(labels[kept], minlength=classes)
    found = []
    single = tuple(np.flatnonzero(counts == 1).tolist())
    few = tuple(np.flatnonzero((counts > 1) & (counts < FEW)).tolist())
    if single:
        found.append(Finding("one_reference", "warning", (), single, {}))
    if few:
        found.append(Finding("few_references", "note", (), few, {}))
    # A class with a single one has been named already.
    smallest, largest = int(np.where(counts > 1, counts, counts.max()).argmin()), int(counts.argmax())
    ratio = float(counts[largest] / counts[smallest])
    if ratio > UNEQUAL:
        found.append(Finding("unequal_classes", "note", (), (smallest, largest), {"ratio": ratio}))
    return found
