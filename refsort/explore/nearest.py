"""The rows nearest to a query, exactly: by one product."""

import numpy as np
from numpy.typing import NDArray

from refsort.encoders import Floats
from refsort.explore.rows import BLOCK, blocks

Ints = NDArray[np.int64]

FEW = 0.1
"""Share of the rows below which those that are allowed are gathered, rather than all compared."""


def exact(rows: Floats, query: Floats, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Ints, Floats]:
    """The `count` rows with the largest product with float32[d], best first, ties by row; and the products."""
    if allowed is not None and allowed.sum() < FEW * len(rows):
        numbers = np.flatnonzero(allowed)
        few = np.zeros(len(numbers), np.float32)
        for first in range(0, len(numbers), BLOCK):
            few[first : first + BLOCK] = rows[numbers[first : first + BLOCK]] @ query
        places, values = best(few, count)
        return numbers[places], values
    scores = np.asarray(rows @ query, dtype=np.float32)
    if allowed is not None:
        scores[~allowed] = -np.inf
        count = min(count, int(allowed.sum()))
    return best(scores, count)


def best(scores: Floats, count: int) -> tuple[Ints, Floats]:
    """Places and values of the largest numbers, largest first, equal ones in their order."""
    count = min(count, len(scores))
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    bound = np.partition(scores, len(scores) - count)[len(scores) - count]
    places = np.flatnonzero(scores >= bound)
    places = places[np.argsort(-scores[places], kind="stable")][:count]
    return places, scores[places]


def exact_many(rows: Floats, queries: Floats, count: int) -> Ints:
    """int[q, count]: the nearest rows of many queries, block by block."""
    scores = np.full((len(queries), 0), 0, np.float32)
    places = np.zeros((len(queries), 0), np.int64)
    for first, part in blocks(rows):
        own = queries @ part.T
        if scores.shape[1] < count:
            asked = np.arange(len(queries))
        else:  # few queries find something better in a block, once many blocks are behind
            asked = np.flatnonzero(own.max(axis=1) > scores.min(axis=1))
        number = np.broadcast_to(np.arange(first, first + len(part)), (len(asked), len(part)))
        both = np.concatenate([scores[asked], own[asked]], 1)
        from_where = np.concatenate([places[asked], number], 1)
        kept = _top(both, count)
        if len(asked) == len(queries):
            scores, places = np.take_along_axis(both, kept, 1), np.take_along_axis(from_where, kept, 1)
        else:
            scores[asked] = np.take_along_axis(both, kept, 1)
            places[asked] = np.take_along_axis(from_where, kept, 1)
    return np.take_along_axis(places, np.argsort(-scores, axis=1, kind="stable"), 1)


def _top(scores: Floats, count: int) -> Ints:
    """int[q, count]: where the largest of each row are, in any order; all of them if there are no more."""
    if scores.shape[1] <= count:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.asarray(np.argpartition(-scores, count - 1, axis=1)[:, :count], dtype=np.int64)
