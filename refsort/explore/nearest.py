"""The rows nearest to a query: exactly by one product, and from so many rows on through a graph of neighbours.

The graph (HNSW of usearch, extra `search`) only proposes candidates; their order and similarity are computed from the
rows themselves. How much of the exact answer it finds is measured on the user's own vectors, and it is searched as
widely as that takes; a graph that stays below LEAST_RECALL is not used.

The graph is made of the rows without their mean, scaled to length one. Pictures of one encoder share most of their
direction; without it what parts them fills the 8 bits, and the same width finds more.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsort.encoders import Floats, cores, unit
from refsort.explore.rows import blocks
from refsort.explore.store import Space, Store

Ints = NDArray[np.int64]

GRAPH_FROM = 300_000
"""Rows from which a graph is made: below that one product takes less than starting to search (benchmarks/search.py)."""
CONNECTIVITY, EXPANSION_ADD, DTYPE = 32, 128, "i8"
"""Of the graph. 8-bit rows: built twice as fast as with half precision; the loss is made good by exact ranking. Half as
many links find phrases' neighbours too seldom: far from all pictures, a query needs more ways to get about."""
EXPANSIONS = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
"""How widely the graph is searched: the first that reaches the recall aimed at, for pictures and for words on its own.
Phrases lie far from all pictures and take about six times the width."""
AIM, LEAST_RECALL = 0.99, 0.95
OVERSAMPLE = 20
"""Candidates asked of the graph for each one that is wanted."""
SAMPLED = 200
"""Rows used as queries when recall is measured."""
RECALL_AT = 10
ADDED = 20_000
"""Rows added between two looks at the progress."""


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """What is known of a graph; kept in the index."""

    rows: int
    """Rows 0 … rows - 1 are in it; later ones are compared exactly."""
    expansion: int
    recall: float
    """Share of the exact ten nearest that it finds, over rows of the index as queries."""
    words_expansion: int
    words_recall: float | None
    """The same for phrases or captions as queries, which lie far from all pictures; None if there was none to try."""
    queries: int
    seconds: float
    """Building, measuring left out."""

    def good(self, *, words: bool) -> bool:
        """Whether it may answer such queries."""
        return (self.recall if not words or self.words_recall is None else self.words_recall) >= LEAST_RECALL


def installed() -> bool:
    """Whether usearch is there."""
    try:
        import usearch.index  # noqa: F401
    except ImportError:
        return False
    return True


def exact(rows: Floats, query: Floats, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Ints, Floats]:
    """The `count` rows with the largest product with float32[d], best first, ties by row; and the products."""
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
        number = np.broadcast_to(np.arange(first, first + len(part)), own.shape)
        scores, places = np.concatenate([scores, own], 1), np.concatenate([places, number], 1)
        kept = (
            np.argsort(-scores, axis=1, kind="stable")[:, :count] if scores.shape[1] <= count else _top(scores, count)
        )
        scores, places = np.take_along_axis(scores, kept, 1), np.take_along_axis(places, kept, 1)
    return np.take_along_axis(places, np.argsort(-scores, axis=1, kind="stable"), 1)


def _top(scores: Floats, count: int) -> Ints:
    return np.asarray(np.argpartition(-scores, count - 1, axis=1)[:, :count], dtype=np.int64)


class Graph:
    """A graph mapped from the disk, and the rows it was made of."""

    def __init__(self, path: Path, dim: int, info: GraphInfo) -> None:
        """Raises OSError, RuntimeError or ValueError if it can't be used."""
        self.info = info
        self._index = _new_index(dim)
        self._index.view(str(path))
        if len(self._index) < info.rows or self._index.ndim != dim:
            raise ValueError("the graph is not of these rows")

    def nearest(self, rows: Floats, query: Floats, count: int, *, words: bool = False) -> tuple[Ints, Floats]:
        """As `exact`: candidates of the graph and all rows that are not in it, ranked exactly.

        `words`: the query is, or has in it, a phrase. One thread at a time.
        """
        self._index.expansion_search = self.info.words_expansion if words else self.info.expansion
        found = self._index.search(query, max(OVERSAMPLE * count, count), threads=1).keys
        keys = np.asarray(found, dtype=np.int64)
        keys = np.sort(keys[keys < len(rows)])
        tail = np.arange(self.info.rows, len(rows), dtype=np.int64)
        scores = np.concatenate([rows[keys] @ query, rows[self.info.rows :] @ query]).astype(np.float32)
        places, values = best(scores, count)
        return np.concatenate([keys[keys < self.info.rows], tail])[places] if len(places) else keys[:0], values

    def close(self) -> None:
        self._index.reset()


def _new_index(dim: int) -> Any:
    from usearch.index import Index

    return Index(ndim=dim, metric="cos", dtype=DTYPE, connectivity=CONNECTIVITY, expansion_add=EXPANSION_ADD)


def graph_info(store: Store, space: Space) -> GraphInfo | None:
    """What is known of the graph of these rows; None if there is none."""
    text = store.about(f"{space}_graph")
    if not isinstance(text, str) or not store.graph(space).is_file():
        return None
    try:
        return GraphInfo(**json.loads(text))
    except (ValueError, TypeError):
        return None


def open_graph(store: Store, space: Space) -> Graph | None:
    """The graph of these rows, if there is one, it can be read and is good enough for one kind of query."""
    info = graph_info(store, space)
    if info is None or not (info.good(words=False) or info.good(words=True)) or not installed():
        return None
    try:
        return Graph(store.graph(space), store.dim, info)
    except (OSError, RuntimeError, ValueError):
        return None


def make_graph(
    store: Store, space: Space, step: Callable[[int], None], words: Floats | None = None, *, least: int = GRAPH_FROM
) -> GraphInfo | None:
    """Make or extend the graph if there are `least` rows, and measure it; None if there is none to make.

    `words`: float32[q, d] of phrases to measure with as well. `step` is told how many rows were added. Raises OSError.
    """
    rows = store.view(space)
    old = graph_info(store, space)
    if len(rows) < least or not installed():
        return old
    if old is not None and old.rows == len(rows):
        return old
    begun = time.perf_counter()
    index = _new_index(store.dim)
    done = 0
    mean = _mean(store, space)
    if old is not None and mean is not None:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            index.load(str(store.graph(space)))
            done = old.rows if len(index) == old.rows and index.ndim == store.dim else 0
    if not done or mean is None:
        index, done, mean = _new_index(store.dim), 0, _mean_of(rows)
    for first in range(done, len(rows), ADDED):
        part = unit(rows[first : first + ADDED] - mean)
        index.add(np.arange(first, first + len(part)), part, threads=cores())
        step(len(part))
    path = store.graph(space)
    new = path.with_name(path.name + ".new")
    index.save(str(new))
    os.replace(new, path)  # noqa: PTH105  (a crash leaves the old one)
    del index
    seconds = time.perf_counter() - begun + (0 if old is None else old.seconds)
    info = measured(path, rows, round(seconds, 2), words)
    store.set_about(**{f"{space}_graph": json.dumps(asdict(info)), f"{space}_mean": mean.astype("<f4").tobytes()})
    return info


def _mean(store: Store, space: Space) -> Floats | None:
    """What was subtracted from the rows of the graph there is."""
    found = store.about(f"{space}_mean")
    return np.frombuffer(found, dtype="<f4") if isinstance(found, bytes) and len(found) == 4 * store.dim else None


def _mean_of(rows: Floats) -> Floats:
    """float32[d], of rows drawn evenly."""
    return np.asarray(rows[:: max(1, len(rows) // ADDED)].mean(axis=0), dtype=np.float32)


def measured(path: Path, rows: Floats, seconds: float, words: Floats | None) -> GraphInfo:
    """Search ever more widely until the recall aimed at is reached, with rows and with phrases as queries."""
    chosen = np.random.default_rng(0).choice(len(rows), min(SAMPLED, len(rows)), replace=False)
    queries = np.asarray(rows[np.sort(chosen)])
    # A row is its own nearest: that one is no achievement and isn't counted.
    expansion, recall = _wide_enough(path, rows, queries, exact_many(rows, queries, RECALL_AT + 1)[:, 1:])
    if words is None:
        return GraphInfo(len(rows), expansion, recall, expansion, None, len(queries), seconds)
    found = _wide_enough(path, rows, words, exact_many(rows, words, RECALL_AT))
    return GraphInfo(len(rows), expansion, recall, *found, len(queries), seconds)


def _wide_enough(path: Path, rows: Floats, queries: Floats, truth: Ints) -> tuple[int, float]:
    """The width, and the recall at it."""
    expansion, recall = EXPANSIONS[0], 0.0
    for expansion in EXPANSIONS:
        graph = Graph(path, rows.shape[1], GraphInfo(len(rows), expansion, 0.0, expansion, None, 0, 0.0))
        found = [graph.nearest(rows, query, RECALL_AT + 1)[0] for query in queries]
        graph.close()
        recall = round(float(np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)])), 4)
        if recall >= AIM:
            break
    return expansion, recall
