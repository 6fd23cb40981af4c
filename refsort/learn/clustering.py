"""Pictures that look alike, found without knowing what they show: average linkage on cosines. numpy only.

Measured on five photo sets (3 draws each, two classes of each left out, 5 references of each other class, `builtin`):
purity of the groups of 5 and more, and the share of a left-out class's pictures that its best group holds.

| pictures                              | cosines   | purity | share found |
|---------------------------------------|-----------|--------|-------------|
| Unknown/ (19 new ones of 71)          | plain     |   0.82 |        1.00 |
|                                       | stretched |   0.93 |        0.93 |
| Unsure/ and Unknown/ (48 of 190)      | plain     |   0.46 |        0.48 |
|                                       | stretched |   0.76 |        0.52 |

Centred at the pictures instead of the references, groups are purer and break up: 1.00 and 0.57 for Unknown/.
"""

import numpy as np

from refsort.decide import Floats, Labels
from refsort.decide.base import Wide
from refsort.decide.lda import Discriminant
from refsort.decide.moments import Moments, Span

MOST = 4000
"""Pictures grouped at once: the similarities of every two take 64 MB."""
BETWEEN = 0.4
"""Where the bound lies between how alike references of the nearest other class are (0) and of the own class (1)."""
USUAL = 0.3
"""The bound where the references can't tell: one class, or one reference a class."""


def similarities(pictures: Floats, references: Floats, labels: Labels, classes: int) -> tuple[Floats, Floats]:
    """Cosines of pictures float32[m, d] among themselves, float32[m, m], and of references float32[n, n].

    Measured as the references measure: centred, and stretched where pictures of one class differ little (P of
    `Discriminant`), so that what tells classes apart counts for more than what all of them share.
    """
    span = Span.of(references)
    rows = span.coordinates(references)
    rule = Discriminant(Moments.of(rows, labels, classes, span.dim))
    centre = references.astype(np.float64).mean(axis=0)
    return _cosines(pictures, span, rule, centre), _cosines(references, span, rule, centre)


def _cosines(vectors: Floats, span: Span, rule: Discriminant, centre: Wide) -> Floats:
    wide = vectors.astype(np.float64) - centre
    products = wide @ wide.T
    if rule.gaussian:
        inside = wide if span.basis is None else wide @ span.basis
        products = inside @ rule.precision @ inside.T + (products - inside @ inside.T) / rule.floor
    length = np.sqrt(np.maximum(np.diag(products), 1e-12))
    return np.asarray(products / length[:, None] / length[None, :], dtype=np.float32)


def bound(similar: Floats, labels: Labels) -> float:
    """The similarity from which two groups are one, learned from references float32[n, n] with labels int[n]."""
    classes = np.unique(labels)
    means = np.full((len(classes), len(classes)), np.nan)
    for a, first in enumerate(classes):
        for b, second in enumerate(classes):
            block = similar[np.ix_(labels == first, labels == second)]
            pairs = block.size - (len(block) if a == b else 0)
            if pairs:
                means[a, b] = (float(block.sum()) - (float(np.trace(block)) if a == b else 0.0)) / pairs
    within = np.diag(means).copy()
    if len(classes) < 2 or np.isnan(within).all():
        return USUAL
    means[np.diag_indices(len(classes))] = -np.inf
    return float(BETWEEN * np.nanmedian(within) + (1 - BETWEEN) * np.median(means.max(axis=1)))


def average_linkage(similar: Floats) -> list[tuple[int, int, float]]:
    """Merges (i, j, similarity) that build the tree of average linkage; i and j are any members of the two groups.

    Nearest-neighbour chains (Murtagh 1983): n² steps at most, and the same tree as merging the closest pair each time.
    """
    n = len(similar)
    work = similar.astype(np.float32, copy=True)
    np.fill_diagonal(work, -np.inf)
    size = np.ones(n)
    alive = np.ones(n, dtype=bool)
    merges: list[tuple[int, int, float]] = []
    chain: list[int] = []
    while len(merges) < n - 1:
        if not chain:
            chain.append(int(np.flatnonzero(alive)[0]))
        top = chain[-1]
        best = int(work[top].argmax())
        if len(chain) > 1 and work[top, chain[-2]] >= work[top, best]:
            best = chain[-2]
        if len(chain) < 2 or best != chain[-2]:
            chain.append(best)
            continue
        del chain[-2:]
        keep, gone = min(top, best), max(top, best)
        merges.append((keep, gone, float(work[keep, gone])))
        row = (size[keep] * work[keep] + size[gone] * work[gone]) / (size[keep] + size[gone])
        row[keep] = -np.inf
        work[keep], work[:, keep] = row, row
        work[gone], work[:, gone] = -np.inf, -np.inf
        size[keep] += size[gone]
        alive[gone] = False
    return merges


def cut_tree(n: int, merges: list[tuple[int, int, float]], least: float) -> Labels:
    """int[n]: the group of each after all merges of at least that similarity."""
    root = np.arange(n)

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    for first, second, similarity in merges:
        if similarity >= least:
            a, b = find(first), find(second)
            root[max(a, b)] = min(a, b)
    return np.asarray([find(i) for i in range(n)], dtype=np.intp)
