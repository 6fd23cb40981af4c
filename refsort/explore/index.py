"""Bringing an index up to date: embed what is new, forget what is gone, read captions, make the graph."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refsort.encoders import Floats
from refsort.explore.caption_index import index_captions
from refsort.explore.comparing import compared
from refsort.explore.graph import GRAPH_FROM, GraphInfo
from refsort.explore.graph_making import make_graph, tasks
from refsort.explore.source import Source
from refsort.explore.store import Space, Store
from refsort.explore.taken import HEAD_BYTES, taken
from refsort.files.identity import FileStat, open_regular
from refsort.names import from_bytes, show, to_bytes
from refsort.sorting.embedding import Embedded
from refsort.sorting.events import Reporter

BATCH = 256
"""Pictures written at once: what a kill can cost."""
PROBES = tuple(
    f"{start} {thing}"
    for start in ("a photo of", "two people with", "a close-up of", "an old picture of")
    for thing in ("a dog", "a child", "food", "a car", "the sea", "a house", "flowers", "tools", "text", "the night")
)
"""Phrases to measure the graph with, where there are no captions."""


@dataclass(slots=True)
class Brought:
    """What bringing an index up to date came to; its fields are keys of `--json`."""

    encoder: str
    folder: str
    """Where the index lies."""
    files: int = 0
    """Picture files that can be found."""
    pictures: int = 0
    """Different contents among them."""
    new: int = 0
    """Files embedded now."""
    renamed: int = 0
    gone: int = 0
    unreadable: int = 0
    captions: int = 0
    captioned: int = 0
    """Pictures with a caption."""
    disk_bytes: int = 0
    graph: GraphInfo | None = None
    """Of the pictures; None where they are few and compared exactly."""
    rebuilt: str = ""
    seconds: float = 0.0
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(path, why) of pictures that could not be read now."""

    def as_dict(self) -> dict[str, Any]:
        found = asdict(self)
        found["problems"] = [{"path": show(path), "reason": reason} for path, reason in self.problems]
        return found


def bring_up_to_date(
    source: Source,
    store: Store,
    reporter: Reporter,
    *,
    captions: Path | None = None,
    graph_from: int | None = GRAPH_FROM,
) -> Brought:
    """Make the index say what the folder holds now. `graph_from`: None: leave the graph as it is.

    Raises DatasetError if a captions file is named that isn't there, OSError if the disk is full.
    """
    begun = time.perf_counter()
    result = Brought(source.encoder.name, str(store.folder), rebuilt=store.rebuilt)
    source.embedder.cache.keep(())  # the index keeps the vectors; the cache may hold to its bound
    _files(source, store, reporter, result)
    index_captions(source, store, reporter, captions)
    if graph_from is not None:
        store.tidy()
        result.graph = _graphs(source, store, reporter, graph_from)
    _count(store, result)
    result.seconds = round(time.perf_counter() - begun, 3)
    return result


def _files(source: Source, store: Store, reporter: Reporter, result: Brought) -> None:
    """Compare the folder with the index and embed what is new."""
    with compared(source, store) as changes:
        if changes.gone or changes.renamed:
            with store.transaction():
                changes.write()
        result.gone, result.renamed = changes.gone, changes.renamed
        if changes.fresh:
            reporter.stage("pictures", changes.fresh)
        for batch in _batches(source.embedder.stream(changes.paths()), reporter):
            _write(source, store, batch, result)


def _batches(stream: Iterable[Embedded], reporter: Reporter) -> Iterator[list[Embedded]]:
    batch: list[Embedded] = []
    for found in stream:
        reporter.step()
        batch.append(found)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(source: Source, store: Store, batch: list[Embedded], result: Brought) -> None:
    """One batch in one transaction: rows for contents that have none yet, and where each content lies."""
    dated = [(found, date_of(source, found.path, found.stat)) for found in batch if found.stat is not None]
    with store.transaction():
        vectors = {found.sha256: found.vector for found, _ in dated if found.vector is not None}
        known = store.known("pictures", vectors)
        new = [content for content in vectors if content not in known]
        if new:
            store.add("pictures", new, np.stack([_row(vectors[content]) for content in new]))
        for found, date in dated:
            assert found.stat is not None
            if found.vector is not None:
                store.put_file(to_bytes(found.path), found.stat, found.sha256, date)
            elif found.state in ("bad", "foreign"):
                store.put_file(to_bytes(found.path), found.stat, None, date, found.reason)
    for found in batch:
        if found.vector is not None:
            result.new += 1
        elif found.state != "gone":
            result.problems.append((found.path, found.reason))


def _row(vector: Floats | None) -> Floats:
    """float32[d] of length one: cached vectors are rounded to half precision and are so only nearly."""
    assert vector is not None
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def date_of(source: Source, path: str, stat: FileStat) -> float:
    """When a picture was taken, in seconds since 1970: by itself, else by its file's time."""
    try:
        with os.fdopen(open_regular(source.dataset.path(path)), "rb") as file:
            return taken(file.read(HEAD_BYTES), stat.mtime_ns)
    except OSError:
        return stat.mtime_ns / 1e9


# -- the end


def _graphs(source: Source, store: Store, reporter: Reporter, least: int) -> GraphInfo | None:
    words: Floats | None = None
    if store.count("pictures") >= least:
        captions = store.view("captions")
        step = max(1, len(captions) // len(PROBES))
        words = np.asarray(captions[::step][: len(PROBES)]) if len(captions) else source.encoder.embed_texts([*PROBES])
    found: dict[Space, GraphInfo | None] = {}
    for space in ("pictures", "captions"):
        if rows := sum(task.missing for task in tasks(store, space, least=least)):
            reporter.stage(f"neighbours of {space}", rows)

        def step_by(count: int) -> None:
            for _ in range(count):
                reporter.step()

        found[space] = make_graph(store, space, step_by, words if space == "pictures" else None, least=least)
    return found["pictures"]


def _count(store: Store, result: Brought) -> None:
    def one(query: str) -> int:
        return int(store.db.execute(query).fetchone()[0])

    result.files = one("SELECT count(*) FROM files WHERE content IS NOT NULL")
    # So asked, distinct ones are counted along an index; count(DISTINCT …) would gather them all first.
    result.pictures = one("SELECT count(*) FROM (SELECT DISTINCT content FROM files WHERE content IS NOT NULL)")
    result.unreadable = one("SELECT count(*) FROM files WHERE content IS NULL")
    result.captions = one("SELECT count(*) FROM captions")
    result.captioned = one("SELECT count(*) FROM (SELECT DISTINCT path FROM captions)")
    result.disk_bytes = sum(path.stat().st_size for path in store.folder.iterdir() if path.is_file())


def paths_of(store: Store) -> list[str]:
    """Every indexed path."""
    return [from_bytes(row[0]) for row in store.db.execute("SELECT path FROM files WHERE content IS NOT NULL")]
