"""The same picture twice: by its bytes, or so alike that it hardly tells anything new."""

from collections import defaultdict

import numpy as np

from refsort.decide.base import BLOCK, Floats, Labels
from refsort.decide.check.findings import Finding, Kind
from refsort.decide.folds import NEAR

NEAR_SHARE = 0.12
"""Two pictures are near duplicates if their distance 1 - cos is this share of the usual distance to the third nearest
picture. Measured with `builtin` and CLIP on 18 sets: different pictures of two classes are 0.24 or more apart, those of
one class 0.12 or more but for bursts of the same thing. A photograph saved again at quality 60, brightened or mirrored
lies 0.02 to 0.12 from itself; of crops of 150 pixels or less only brightened ones do."""
LEAST_COSINE = 0.9
SMALL = 12
"""Below so many references the usual distance is a guess: there a cosine of NEAR is asked for."""
SAMPLE = 1000
"""References that the usual distance is taken from."""


def duplicates(vectors: Floats, labels: Labels, hashes: list[bytes]) -> list[Finding]:
    """Groups of references float32[n, d] that are one picture, and groups that nearly are."""
    found = [_finding("same_picture", group, labels, 1.0) for group in _same_bytes(hashes)]
    return found + near_duplicates(vectors, labels, hashes)


def _same_bytes(hashes: list[bytes]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for reference, digest in enumerate(hashes):
        groups[digest].append(reference)
    return [group for group in groups.values() if len(group) > 1]


def _finding(kind: Kind, group: list[int], labels: Labels, cosine: float) -> Finding:
    classes = tuple(dict.fromkeys(int(labels[reference]) for reference in group))
    return Finding(
        kind,
        "error" if len(classes) > 1 else "note",
        tuple(group),
        classes,
        {"cosine": min(cosine, 1.0)},
    )


def different(labels: Labels, hashes: list[bytes]) -> Labels:
    """One reference int[m] of each content in each class, ascending."""
    first: dict[tuple[bytes, int], int] = {}
    for reference, digest in enumerate(hashes):
        first.setdefault((digest, int(labels[reference])), reference)
    return np.asarray(list(first.values()), dtype=np.intp)


def near_duplicates(vectors: Floats, labels: Labels, hashes: list[bytes]) -> list[Finding]:
    """Groups of references that are linked by near-duplicate pairs of different bytes."""
    kept = different(labels, hashes)
    pairs, cosines = near_pairs(vectors[kept], near_limit(vectors[kept]))
    pairs = kept[pairs]
    content = _numbered(hashes)
    other = content[pairs[:, 0]] != content[pairs[:, 1]]
    pairs, cosines = pairs[other], cosines[other]
    # Closest pairs of different classes first: they open the finding.
    across = labels[pairs[:, 0]] != labels[pairs[:, 1]]
    order = np.lexsort((-cosines, ~across))
    pairs, cosines = pairs[order], cosines[order]
    root = linked(len(vectors), pairs)
    members, seen = np.unique(pairs, return_index=True)
    groups: dict[int, list[int]] = defaultdict(list)
    for member in members[np.argsort(seen)].tolist():
        groups[int(root[member])].append(member)
    names, first = np.unique(root[pairs[:, 0]], return_index=True)
    closest = dict(zip(names.tolist(), cosines[first].tolist(), strict=True))
    return [_finding("near_duplicate", group, labels, closest[name]) for name, group in groups.items()]


def _numbered(hashes: list[bytes]) -> Labels:
    """int[n]: equal numbers for equal contents."""
    numbers: dict[bytes, int] = {}
    return np.asarray([numbers.setdefault(digest, len(numbers)) for digest in hashes], dtype=np.intp)


def near_limit(vectors: Floats) -> float:
    """The cosine from which two of float32[n, d] count as one picture, by how far apart pictures are here."""
    n = len(vectors)
    if n < 4:
        return NEAR
    rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.intp))
    cosines = vectors[rows] @ vectors.T
    cosines[np.arange(len(rows)), rows] = -1.0
    third = np.partition(cosines, n - 3, axis=1)[:, n - 3]
    limit = 1.0 - NEAR_SHARE * float(np.median(1.0 - third))
    return max(limit, NEAR if n < SMALL else LEAST_COSINE)


def near_pairs(vectors: Floats, limit: float) -> tuple[Labels, Floats]:
    """Pairs int[m, 2] (first < second) of rows with a cosine of `limit` or more, and those cosines float32[m]."""
    pairs, cosines = [np.empty((0, 2), dtype=np.intp)], [np.empty(0, dtype=np.float32)]
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK] @ vectors[start:].T
        first, second = np.nonzero(block >= limit)
        later = second > first
        first, second = first[later], second[later]
        pairs.append(np.stack([first, second], axis=1) + start)
        cosines.append(block[first, second])
    return np.concatenate(pairs), np.concatenate(cosines)


def linked(n: int, pairs: Labels) -> Labels:
    """int[n]: the smallest number that each of 0 … n - 1 is linked with, directly or through others."""
    root = np.arange(n)
    while len(pairs):
        least = np.minimum(root[pairs[:, 0]], root[pairs[:, 1]])
        before = root.copy()
        np.minimum.at(root, pairs[:, 0], least)
        np.minimum.at(root, pairs[:, 1], least)
        root = root[root]
        if np.array_equal(root, before):
            break
    return root
