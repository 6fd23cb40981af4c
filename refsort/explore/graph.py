"""The rows nearest to a query through a graph of neighbours, where there are many.

The graph (HNSW of usearch, extra `search`) only proposes candidates; their order and similarity are computed from the
rows themselves. How much of the exact answer it finds is measured on the user's own vectors, and it is searched as
widely as that takes (refsort.explore.graph_making); a graph that stays below LEAST_RECALL is not used.

It lies in shards, each a graph over a run of rows and mapped from the disk. A query asks each, in threads, and joins
what they propose. Rows of a shard that is missing or damaged, and rows that are in none yet, are compared one by one:
that is slower, and never wrong.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsort.encoders import Floats, cores
from refsort.explore.nearest import Ints, best
from refsort.explore.shards import Shard, shards_of, sound
from refsort.explore.store import Space, Store

GRAPH_FROM = 300_000
"""Rows from which a graph is made: below that one product takes less than starting to search (benchmarks/search.py)."""
CONNECTIVITY, EXPANSION_ADD, DTYPE = 32, 128, "i8"
"""Of the graph. 8-bit rows: built twice as fast as with half precision; the loss is made good by exact ranking. Half as
many links find phrases' neighbours too seldom: far from all pictures, a query needs more ways to get about."""
LEAST_RECALL = 0.95
OVERSAMPLE, OVERSAMPLE_MANY, FEW = 20, 8, 12
"""Candidates ranked exactly for each row that is wanted, up to FEW rows and of many rows; every shard is asked for as
many. Of a hundred wanted rows, eight times as many candidates hold 99.98 %, four times as many 99.3 %."""


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """What was measured of a graph; kept in the index."""

    rows: int
    """Rows 0 … rows - 1 were in it; later ones are compared exactly."""
    expansion: int
    recall: float
    """Share of the exact ten nearest that it finds, over rows of the index as queries."""
    words_expansion: int
    words_recall: float | None
    """The same for phrases or captions as queries, which lie far from all pictures; None if there was none to try."""
    queries: int
    seconds: float
    """Building, measuring left out."""
    shards: int = 1

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


def new_index(dim: int, *, growing: bool = False) -> Any:
    """An empty graph; `growing`: one that rows are added to and taken from by their keys.

    To search, the table of keys is not needed, and would cost time and memory for each graph that is opened.
    """
    from usearch.index import Index

    return Index(
        ndim=dim,
        metric="cos",
        dtype=DTYPE,
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        enable_key_lookups=growing,
    )


class Graph:
    """The sound shards of a graph, mapped from the disk."""

    def __init__(self, store: Store, space: Space, info: GraphInfo, *, threads: int = 0) -> None:
        """`threads` that ask the shards, 0: one per core. Raises ValueError if no shard can be used."""
        self.info = info
        self.parts: list[tuple[Shard, Any]] = []
        count = store.count(space)
        for shard in shards_of(store.db, space):
            index = _opened(store, space, shard) if shard.end <= count else None
            if index is not None:
                self.parts.append((shard, index))
        if not self.parts:
            raise ValueError("there is no shard")
        threads = min(threads or cores(), len(self.parts))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="shard") if threads > 1 else None

    def loose(self, count: int) -> list[tuple[int, int]]:
        """(first, end) of the rows among so many that are in no shard, and so are compared one by one."""
        found, done = [], 0
        for shard, _ in self.parts:
            if shard.first > done:
                found.append((done, shard.first))
            done = shard.end
        return [*found, (done, count)] if done < count else found

    def nearest(self, rows: Floats, query: Floats, count: int, *, words: bool = False) -> tuple[Ints, Floats]:
        """As `exact`: candidates of the graph and all rows that are not in it, ranked exactly.

        `words`: the query is, or has in it, a phrase. One thread at a time.
        """
        wanted = max(OVERSAMPLE * min(count, FEW), OVERSAMPLE_MANY * count)
        keys = self._proposed(query, wanted, self.info.words_expansion if words else self.info.expansion)
        keys = keys[keys < len(rows)]  # another process may have added rows since these were mapped
        places, values = best(np.asarray(rows[keys] @ query, dtype=np.float32), count)
        numbers, scores = [keys[places]], [values]
        for first, end in self.loose(len(rows)):
            places, values = best(np.asarray(rows[first:end] @ query, dtype=np.float32), count)
            numbers.append(places + first)
            scores.append(values)
        found, value = np.concatenate(numbers), np.concatenate(scores)
        order = np.lexsort((found, -value))[:count]
        return found[order], value[order]

    def _proposed(self, query: Floats, wanted: int, expansion: int) -> Ints:
        """Rows in order of their numbers: the nearest of all that the shards propose, by their own measure."""

        def ask(part: tuple[Shard, Any]) -> tuple[Ints, NDArray[np.float32]]:
            shard, index = part
            index.expansion_search = expansion
            found = index.search(query, wanted, threads=1)
            keys = np.asarray(found.keys, dtype=np.int64)
            own = (keys >= shard.first) & (keys < shard.end)
            return keys[own], np.asarray(found.distances, dtype=np.float32)[own]

        answers = list(map(ask, self.parts) if self._pool is None else self._pool.map(ask, self.parts))
        keys = np.concatenate([keys for keys, _ in answers])
        distances = np.concatenate([distances for _, distances in answers])
        return np.sort(keys[best(-distances, wanted)[0]])

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        for _, index in self.parts:
            index.reset()
        self.parts = []


def _opened(store: Store, space: Space, shard: Shard) -> Any:
    """The shard's graph, or None if its file is not what was written."""
    path = store.graph(space, shard.number)
    if not sound(store.db, space, shard, path):
        return None
    index = new_index(store.dim)
    try:
        index.view(str(path))
    except (OSError, RuntimeError, ValueError):
        return None
    return index if len(index) >= shard.rows and index.ndim == store.dim else None


def graph_info(store: Store, space: Space) -> GraphInfo | None:
    """What was measured of the graph of these rows; None if there is none."""
    text = store.about(f"{space}_graph")
    if not isinstance(text, str):
        return None
    try:
        return GraphInfo(**json.loads(text))
    except (ValueError, TypeError):
        return None


def open_graph(store: Store, space: Space) -> Graph | None:
    """The graph of these rows, if there is one, some of it can be read and it is good for one kind of query."""
    info = graph_info(store, space)
    if info is None or not (info.good(words=False) or info.good(words=True)) or not installed():
        return None
    try:
        return Graph(store, space, info)
    except ValueError:
        return None
