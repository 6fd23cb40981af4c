"""Pictures that are one picture: by the correlation of small grey ones, in any of the eight ways to lay them."""

from collections.abc import Iterator, Sequence

import numpy as np

from refsort.decide.base import Floats, Labels

ROWS = 1024
"""Pictures compared with all others at once: 20,000 of them take 80 MB."""
PAIRS = 64
"""Pairs aligned at once: 81 crops of each."""
MARGINS = (0.0, 0.025, 0.05)
"""Shares of a picture's width or height that may be cut off at one side."""
SLACK = 0.03
"""By so much two pictures may seem less alike at half the size."""
LAYS = 8
"""Turned by quarters, and each of these mirrored."""


def laid(sketches: Floats, lay: int) -> Floats:
    """Square grey pictures float32[n, s·s] turned by `lay` % 4 quarters, and mirrored from 4 on."""
    side = round(sketches.shape[1] ** 0.5)
    squares = np.rot90(sketches.reshape(-1, side, side), lay % 4, axes=(1, 2))
    if lay >= LAYS // 2:
        squares = squares[:, :, ::-1]
    return np.ascontiguousarray(squares).reshape(sketches.shape)


def alike(sketches: Floats, upright: float, turned: float) -> Iterator[tuple[Labels, Floats, Labels]]:
    """Pairs int[m, 2] (first < second) of unit rows float32[n, s·s], their correlation, and the lay of the first.

    Searched at half the size in blocks: memory grows with n, not with n². A pair is given out if its correlation there
    is `upright` or more as it is (lay 0), or at full size `turned` or more in another lay; once, in its best lay.
    """
    small = _halved(sketches)
    for start in range(0, len(small), ROWS):
        rest = small[start:]
        block = small[start : start + ROWS]
        best: Floats = block @ rest.T
        best[best < upright] = -1.0
        lays = np.zeros(best.shape, dtype=np.int8)
        for lay in range(1, LAYS):
            found = laid(block, lay) @ rest.T
            better = (found >= turned - SLACK) & (found > best)
            best[better], lays[better] = found[better], lay
        first, second = np.nonzero(best > -1.0)
        later = second > first
        first, second = first[later], second[later]
        correlations, kept = best[first, second], lays[first, second].astype(np.intp)
        pairs = np.stack([first, second], axis=1) + start
        for lay in range(1, LAYS):
            of = np.flatnonzero(kept == lay)
            rows = laid(sketches[pairs[of, 0]], lay)
            correlations[of] = np.einsum("mp,mp->m", rows, sketches[pairs[of, 1]])
        good = (kept == 0) | (correlations >= turned)
        yield pairs[good], correlations[good], kept[good]


def _halved(sketches: Floats) -> Floats:
    """Unit rows float32[n, s·s] → float32[n, s·s / 4], at half the width and height."""
    side = round(sketches.shape[1] ** 0.5)
    small = (
        sketches.reshape(len(sketches), side // 2, 2, side // 2, 2)
        .mean(axis=(2, 4))
        .reshape(len(sketches), (side // 2) ** 2)
    )
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return np.asarray(small / np.maximum(length, 1e-6), dtype=np.float32)


def aligned(one: Floats, other: Floats) -> Floats:
    """float32[m]: the largest correlation of each pair of rows when a margin is cut off one of the two pictures.

    Every side by itself loses one of MARGINS, so that a crop lies on its original again.
    """
    side = round(one.shape[1] ** 0.5)
    cuts = _cuts(side)
    best = np.full(len(one), -1.0, dtype=np.float32)
    for start in range(0, len(one), PAIRS):
        part = slice(start, start + PAIRS)
        for whole, cropped in ((one[part], other[part]), (other[part], one[part])):
            rows = cuts[None] @ whole.reshape(-1, 1, side, side)
            both = (rows[:, :, None] @ cuts.transpose(0, 2, 1)[None, None]).reshape(len(whole), -1, side * side)
            both -= both.mean(axis=2, keepdims=True)
            length = np.maximum(np.sqrt(np.einsum("mcp,mcp->mc", both, both)), 1e-6)
            found = np.einsum("mcp,mp->mc", both, cropped) / length
            best[part] = np.maximum(best[part], found.max(axis=1))
    return best


def _cuts(side: int) -> Floats:
    """float32[k², side, side]: each resamples a line of pixels without a margin before and behind it."""
    found = []
    for before in MARGINS:
        for behind in MARGINS:
            places = (before + (1 - before - behind) * (np.arange(side) + 0.5) / side) * side - 0.5
            low = np.clip(np.floor(places).astype(int), 0, side - 2)
            part = np.clip(places - low, 0, 1)
            matrix = np.zeros((side, side), dtype=np.float32)
            matrix[np.arange(side), low] = 1 - part
            matrix[np.arange(side), low + 1] = part
            found.append(matrix)
    return np.stack(found)


def stars(order: Sequence[int], neighbours: dict[int, set[int]]) -> list[list[int]]:
    """Groups of two or more, each of a best one and what is paired with that very one; `order`: best first.

    A chain of small steps so never makes two different pictures one.
    """
    place = {number: position for position, number in enumerate(order)}
    left = set(order)
    groups = []
    for best in order:
        if best not in left:
            continue
        left.discard(best)
        others = sorted(neighbours.get(best, set()) & left, key=place.__getitem__)
        left.difference_update(others)
        if others:
            groups.append([best, *others])
    return groups
