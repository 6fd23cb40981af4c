"""Making the graph of neighbours, shard by shard, and measuring it.

A shard is SHARD_ROWS rows. Only the last one grows; one that is full is made again only if its file is damaged or gone.
So memory is needed for one shard, whatever the number of rows. A shard takes part from the moment the index remembers
its file: killed at any point, the others stay, and the rows of the one that was being made are compared one by one.

The graph is made of the rows without their mean, scaled to length one. Pictures of one encoder share most of their
direction; without it what parts them fills the 8 bits, and the same width finds more. The mean is that of the rows
there were when the first shard was made, and the same for all, so that what the shards propose can be compared.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from refsort.encoders import Floats, cores, unit
from refsort.explore.graph import GRAPH_FROM, Graph, GraphInfo, graph_info, installed, new_index
from refsort.explore.nearest import Ints, exact_many
from refsort.explore.shards import Shard, forget, remember, shards_of, sound
from refsort.explore.store import Space, Store

SHARD_ROWS = 1_000_000
"""Rows of a shard: with 512 numbers a row 0.8 GB on the disk, and about 1 GB of memory while it is made or extended.
Each shard adds to the time of a query, so they are as large as that memory lets them be."""
LOOSE_SHARE, LOOSE_ROWS = 0.01, 20_000
"""New rows that are left to be compared one by one, at most: one product takes milliseconds, another graph minutes."""
EXPANSIONS = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
"""How widely the graph is searched: the first that reaches the recall aimed at, for pictures and for words on its own.
Phrases lie far from all pictures and take about six times the width."""
AIM = 0.99
SAMPLED = 200
"""Rows used as queries when recall is measured."""
RECALL_AT = 10
ADDED = 20_000
"""Rows added between two looks at the progress."""
REACHED = (32, 512)
"""Widths at which a row must find itself; the second is for the few that the first misses."""
AS_NEAR, TWIN = 4, 1e-3
"""Or so many rows within this cosine distance: of many that are alike, one may hide another."""


@dataclass(frozen=True, slots=True)
class Task:
    """A shard to be made, or to be extended where it has some rows already."""

    number: int
    first: int
    rows: int
    have: int
    seconds: float

    @property
    def missing(self) -> int:
        return self.rows - self.have


def tasks(store: Store, space: Space, *, least: int = GRAPH_FROM, shard_rows: int = SHARD_ROWS) -> list[Task]:
    """What is to be made so that the rows are in shards; nothing if they are fewer than `least`, or nearly all are."""
    total = store.count(space)
    if total < least or not installed():
        return []
    shards = shards_of(store.db, space)
    if (shards and shards[-1].end > total) or _mean(store, space) is None:
        forget(store.db, space)  # another mean, or other rows
        shards = []
    found = [_again(store, space, shard, total, shard_rows, last=shard is shards[-1]) for shard in shards]
    damaged = any(not task.have for task in found)
    first = found[-1].first + found[-1].rows if found else 0
    for number in range(len(found), len(found) + -(-(total - first) // shard_rows)):
        found.append(Task(number, first, min(shard_rows, total - first), 0, 0.0))
        first += shard_rows
    left = sum(task.missing for task in found)
    if shards and not damaged and left <= min(LOOSE_ROWS, LOOSE_SHARE * total):
        return []
    return [task for task in found if task.missing]


def _again(store: Store, space: Space, shard: Shard, total: int, shard_rows: int, *, last: bool) -> Task:
    rows = max(shard.rows, min(shard_rows, total - shard.first)) if last else shard.rows
    if sound(store.db, space, shard, store.graph(space, shard.number)):
        return Task(shard.number, shard.first, rows, shard.rows, shard.seconds)
    return Task(shard.number, shard.first, rows, 0, 0.0)


def make_graph(
    store: Store,
    space: Space,
    step: Callable[[int], None],
    words: Floats | None = None,
    *,
    least: int = GRAPH_FROM,
    shard_rows: int = SHARD_ROWS,
) -> GraphInfo | None:
    """Make or extend the graph if there are `least` rows, and measure it; None if there is none to make.

    `words`: float32[q, d] of phrases to measure with as well. `step` is told how many rows were added. Raises OSError.
    """
    old, generation = graph_info(store, space), store.generation(space)
    if store.count(space) < least or not installed():
        return old
    todo = tasks(store, space, least=least, shard_rows=shard_rows)
    rows = store.view(space)  # those of the tasks at the least
    for task in todo:
        if not _make(store, space, generation, rows, task, step):
            return None
    end = shards_of(store.db, space)[-1].end
    if todo or old is None or old.rows != end:
        old = measured(store, space, rows, words)
        with store.transaction():
            if store.generation(space) == generation:
                store.set_about(**{f"{space}_graph": json.dumps(asdict(old))})
    return old


def _make(store: Store, space: Space, generation: int, rows: Floats, task: Task, step: Callable[[int], None]) -> bool:
    """One shard: what is there of it is read, the rest of its rows added; the file is replaced, then remembered.

    False if another process has copied the rows to another generation in the meantime: then nothing is remembered.
    """
    begun = time.perf_counter()
    mean = _mean(store, space)
    if mean is None:
        mean = np.asarray(rows[:: max(1, len(rows) // ADDED)].mean(axis=0), dtype=np.float32)
        store.set_about(**{f"{space}_mean": mean.astype("<f4").tobytes()})
    index, done = new_index(store.dim, growing=True), 0
    path = store.graph(space, task.number)
    if task.have:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            index.load(str(path))
            done = task.have if len(index) == task.have and index.ndim == store.dim else 0
        if not done:
            index = new_index(store.dim, growing=True)
    for first in range(task.first + done, task.first + task.rows, ADDED):
        part = unit(rows[first : min(first + ADDED, task.first + task.rows)] - mean)
        index.add(np.arange(first, first + len(part)), part, threads=cores())
        step(len(part))
    reconnect(index, rows, mean, task.first + done, task.first + task.rows)
    new = path.with_name(path.name + ".new")
    index.save(str(new))
    index.reset()
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(new, path)  # noqa: PTH105  (killed before, the old one is there; killed behind it, it is made again)
    seconds = time.perf_counter() - begun + (task.seconds if done else 0)
    with store.transaction():
        if store.generation(space) != generation:
            return False
        remember(store.db, space, task.number, task.first, task.rows, seconds, path)
    return True


def reconnect(index: Any, rows: Floats, mean: Floats, first: int, end: int) -> None:
    """Look for each of these rows by itself; those that are not found are taken out and added again, one at a time.

    usearch strands some of the rows that several threads add at the same time: they are in the graph, and no way leads
    there (unum-cloud/USearch, issue 735; here up to one in a hundred on busy processors). A search costs far less than
    adding, and what one thread adds is reached.
    """
    suspects = np.arange(first, end)
    for width in REACHED:
        index.expansion_search = width
        lost = [np.zeros(0, np.int64)]
        for at in range(0, len(suspects), ADDED):
            keys = suspects[at : at + ADDED]
            found = index.search(unit(rows[keys] - mean), AS_NEAR, threads=cores())
            nearest, apart = (np.reshape(part, (len(keys), -1)) for part in (found.keys, found.distances))
            itself = (nearest.astype(np.int64) == keys[:, None]).any(axis=1)
            lost.append(keys[~itself & (apart[:, -1] > TWIN)])
        suspects = np.concatenate(lost)
    if len(suspects):
        index.remove(suspects)
        index.add(suspects, unit(rows[suspects] - mean), threads=1)


def _mean(store: Store, space: Space) -> Floats | None:
    """What was subtracted from the rows of the graph there is."""
    found = store.about(f"{space}_mean")
    return np.frombuffer(found, dtype="<f4") if isinstance(found, bytes) and len(found) == 4 * store.dim else None


def measured(store: Store, space: Space, rows: Floats, words: Floats | None) -> GraphInfo:
    """Search ever more widely until the recall aimed at is reached, with rows and with phrases as queries.

    All shards together are asked. The truth is exact over all rows: they are read once, for SAMPLED rows and the given
    phrases at the same time (400 queries over 300,000 rows of 512 numbers took 4.5 s on a busy core). So the time is
    that of one pass over the rows and of so many queries at each width. Raises ValueError if there is no shard.
    """
    chosen = np.random.default_rng(0).choice(len(rows), min(SAMPLED, len(rows)), replace=False)
    queries = np.asarray(rows[np.sort(chosen)])
    shards = shards_of(store.db, space)
    seconds = round(sum(shard.seconds for shard in shards), 2)
    info = GraphInfo(shards[-1].end, 0, 0.0, 0, None, len(queries), seconds, len(shards))
    graph = Graph(store, space, info)
    truth = exact_many(rows, queries if words is None else np.concatenate([queries, words]), RECALL_AT + 1)
    # A row is its own nearest: that one is no achievement and isn't counted.
    expansion, recall = _wide_enough(graph, rows, queries, truth[: len(queries), 1:])
    found: tuple[int, float | None] = (expansion, None)
    if words is not None:
        found = _wide_enough(graph, rows, words, truth[len(queries) :, :RECALL_AT])
    graph.close()
    return replace(info, expansion=expansion, recall=recall, words_expansion=found[0], words_recall=found[1])


def _wide_enough(graph: Graph, rows: Floats, queries: Floats, truth: Ints) -> tuple[int, float]:
    """The width, and the recall at it."""
    expansion, recall = EXPANSIONS[0], 0.0
    for expansion in EXPANSIONS:
        graph.info = replace(graph.info, expansion=expansion)
        found = [graph.nearest(rows, query, RECALL_AT + 1)[0] for query in queries]
        recall = round(float(np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)])), 4)
        if recall >= AIM:
            break
    return expansion, recall
