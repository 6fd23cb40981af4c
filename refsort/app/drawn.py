"""A map that was drawn and is looked at: what each point was when it was drawn, and where its picture lies now."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from refsort.app.desk import Room
from refsort.decide import Floats
from refsort.explore.map import PHRASES, Colouring, Map, Phrase, Wish, make_map
from refsort.explore.source import Source, open_source
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.learn.proposing import typical_first
from refsort.names import from_bytes
from refsort.sorting.embedding import Embedded, Embedder
from refsort.sorting.events import Reporter
from refsort.sorting.sorter import journal_path

POOL = 200
"""Pictures nearest to the mean of a choice, among which the typical ones are looked for."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A finished map of a dataset; pictures by their number on it."""

    map: Map
    digests: list[bytes]
    """SHA-256 of each picture as it was embedded."""
    vectors: NDArray[np.float16]
    """float16[n, d]"""
    last: int
    """The journal's newest move when the pictures were listed."""

    @property
    def paths(self) -> list[str]:
        """Where the pictures lay then."""
        return [point.name for point in self.map.images]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the pictures of a map lie now, by what the journal knows."""

    paths: list[str]
    stamp: int
    """The newest move of one of them; 0 if none was moved."""


def draw(room: Room, wish: Wish, phrases: Sequence[Phrase], reporter: Reporter) -> Drawn:
    """Embed what is new and lay the map out. Raises EncoderError, ConfigError, DatasetError."""
    last = _newest(room.dataset)
    with open_source(room.config, None, reporter, text=bool(phrases)) as source:
        noting = _Noting(source.embedder)
        found = make_map(Source(source.dataset, source.encoder, noting), wish, phrases, reporter)
    seen = [noting.found[point.name] for point in found.images]
    empty = np.zeros((0, source.encoder.dim), np.float16)
    return Drawn(found, [one[0] for one in seen], np.stack([one[1] for one in seen]) if seen else empty, last)


class _Noting(Embedder):
    """Remembers the content and the vector of all that it embeds, which a map forgets."""

    def __init__(self, embedder: Embedder) -> None:
        self.__dict__.update(embedder.__dict__)
        self.found: dict[str, tuple[bytes, NDArray[np.float16]]] = {}

    def stream(self, paths: Iterable[str]) -> Iterator[Embedded]:
        for one in super().stream(paths):
            if one.vector is not None:
                self.found[one.path] = one.sha256, one.vector.astype(np.float16)
            yield one


def _newest(dataset: Dataset) -> int:
    if not journal_path(dataset).exists():
        return 0
    with closing(Journal(journal_path(dataset), create=False)) as journal:
        return int(journal.rows("SELECT coalesce(max(id), 0) FROM moves")[0][0])


def places(drawn: Drawn, journal: Journal | None) -> Places:
    """Follow every move since, whoever made it and whether it was taken back. Raises JournalError."""
    paths, stamp = drawn.paths, 0
    if journal is None:
        return Places(paths, stamp)
    number = {path: index for index, path in enumerate(paths)}
    query = "SELECT id, source, target, sha256 FROM moves WHERE id>? AND state='done' AND action='move' ORDER BY id"
    for row in journal.rows(query, (drawn.last,)):
        source = from_bytes(row["source"])
        index = number.get(source)
        if index is None or bytes(row["sha256"]) != drawn.digests[index]:
            continue
        del number[source]
        paths[index] = from_bytes(row["target"])
        number[paths[index]] = index
        stamp = int(row["id"])
    return Places(paths, stamp)


def coloured(drawn: Drawn, dataset: Dataset, paths: Sequence[str], colour: Colouring) -> Map:
    """The map with its pictures where they lie now; groups that it had keep their marks, new ones come last."""
    images = [
        replace(p, name=path, group=group_of(dataset, path, colour))
        for p, path in zip(drawn.map.images, paths, strict=True)
    ]
    if colour == "class":
        texts, groups, grey = drawn.map.texts, list(drawn.map.groups), list(drawn.map.grey)
    else:
        texts = [replace(point, group=PHRASES) for point in drawn.map.texts]
        grey = [PHRASES] if texts else []
        groups = sorted({group_of(dataset, path, colour) for path in drawn.paths}) + grey
    new = sorted({point.group for point in images}.difference(groups))
    if colour == "class":
        grey += [group for group in new if group.endswith("/")]
    return replace(drawn.map, points=[*images, *texts], groups=[*groups, *new], grey=grey)


def group_of(dataset: Dataset, path: str, colour: Colouring) -> str:
    """What gives a picture of a dataset its colour, named as `make_map` names it."""
    parts = PurePosixPath(path).parts
    if colour == "folder":
        return "/".join(parts[:-1]) + "/"
    holds_classes = parts[0] in (dataset.names.references, dataset.names.sorted)
    return parts[1] if holds_classes and len(parts) > 2 else f"{parts[0]}/"


def most_typical(vectors: Floats) -> list[int]:
    """Rows float32[n, d] of unit vectors, the most typical first, near duplicates of earlier ones last; POOL at most.

    A row's mean cosine to all the others is its product with their mean, so any number of rows takes no time.
    """
    nearest = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:POOL]
    pool = vectors[nearest]
    return [int(nearest[row]) for row in typical_first(pool @ pool.T, pool)]
