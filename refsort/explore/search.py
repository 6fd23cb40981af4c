"""Searching pictures by words and by pictures.

    with open_search(config, None, reporter, text=True) as search:
        found = search.find([search.phrase("a dog"), search.picture(Path("beach.jpg")), search.phrase("indoors", -0.5)])
        for hit in found.hits:
            print(hit.similarity, hit.path)

Several parts make one query: each part's cosines are divided by their standard deviation over the index, so that
weights mean the same for a picture (whose cosines spread widely) as for a phrase (whose cosines lie close together).
That is a weighted sum of vectors again, so a combined query costs no more than a plain one.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsort.config import Config
from refsort.encoders import Encoder, Floats
from refsort.errors import BadPicture, ConfigError, DatasetError
from refsort.explore.hits import Filters, Found, Hit, Match, class_of
from refsort.explore.index import Brought, bring_up_to_date
from refsort.explore.query import Part, phrase_part
from refsort.explore.ranking import Opened, Ranking
from refsort.explore.source import Source, open_source
from refsort.explore.store import Space, Store, open_store
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, look, open_regular
from refsort.names import fold, from_bytes, show, to_bytes
from refsort.sorting.embedding import Embedder
from refsort.sorting.events import Reporter

NEAR = 0.985
"""Cosine from which a picture is shown as another's duplicate; the bound that refsort check uses for references."""
FEWEST = 100
"""Candidates at the least; twice as many are looked at each time they don't suffice."""


class Search:
    """Queries over one index. A store and the folder that its paths count from are enough to search with vectors."""

    def __init__(
        self, store: Store, dataset: Dataset, encoder: Encoder | None = None, embedder: Embedder | None = None
    ) -> None:
        self.store = store
        self.dataset = dataset
        self.encoder = encoder
        self.embedder = embedder
        self.brought: Brought | None = None
        self.refresh()

    def refresh(self) -> None:
        """Look at the index anew, after it was brought up to date."""
        self.opened = Opened(self.store)

    # -- parts of a query

    def phrase(self, text: str, weight: float = 1.0) -> Part:
        """A phrase. Raises ConfigError if it is empty, EncoderError if the encoder knows no words."""
        assert self.encoder is not None, "a search with an encoder"
        return phrase_part(self.encoder, text, weight)

    def picture(self, path: Path, weight: float = 1.0, *, itself: bool = True) -> Part:
        """A picture file, of the dataset or not; `itself`: whether it may be found too.

        Raises DatasetError if it can't be read.
        """
        assert self.embedder is not None, "a search with an encoder"
        try:
            with open(open_regular(path), "rb") as file:  # noqa: PTH123
                data = file.read(self.embedder.limits.max_bytes + 1)
            if len(data) > self.embedder.limits.max_bytes:
                raise DatasetError(f"{show(str(path))} is larger than max_bytes")
            content = hashlib.sha256(data).digest()
            vector = self.opened.vector_of(content)
            if vector is None:
                encoder = self.embedder.encoder
                rgb = self.embedder.read(data, side=encoder.side, max_pixels=self.embedder.limits.max_pixels)
                vector = encoder.embed_images(encoder.prepare(rgb)[None])[0]
        except FileNotFoundError:
            raise DatasetError(f"{show(str(path))} does not exist") from None
        except OSError as error:
            raise DatasetError(f"{show(str(path))} can't be read: {(error.strerror or str(error)).lower()}") from None
        except BadPicture as error:
            raise DatasetError(f"{show(str(path))} can't be searched with: {error}") from None
        return Part(vector, weight, path.name, "picture", None if itself else content)

    # -- searching

    def find(
        self,
        parts: Sequence[Part],
        *,
        top: int = 10,
        match: Match = "pictures",
        filters: Filters | None = None,
        near: float | None = NEAR,
        exactly: bool = False,
    ) -> Found:
        """The `top` pictures most like the query; `near`: fold duplicates over this cosine (None: identical ones only).

        `exactly`: don't use the graph. Raises ConfigError if no part is wanted rather than unwanted, or there are no
        captions to match.
        """
        begun = time.perf_counter()
        if not any(part.weight > 0 for part in parts):
            raise ConfigError("search needs a phrase or a picture to look for, not only ones to avoid")
        if match == "captions" and not len(self.opened.rows["captions"]):
            raise ConfigError("there are no captions here: captions.txt (lines 'image,caption') or photo.txt beside it")
        spaces: list[Space] = (
            ["pictures"] if match == "pictures" or not len(self.opened.rows["captions"]) else ["captions"]
        )
        if match == "both" and "captions" in spaces:
            spaces.insert(0, "pictures")
        allowed = {space: self._allowed(space, filters) for space in spaces} if filters else {}
        ranking = Ranking(self.opened, parts, spaces, allowed, exactly=exactly)
        left_out = {part.leave_out for part in parts if part.leave_out}
        count = max(FEWEST, 3 * top)
        while True:
            hits, whole = self._pick(ranking, count, top, near, left_out, filters)
            if len(hits) >= top or whole:
                break
            count *= 4
        graph = ranking.graph_used
        return Found(
            hits,
            "exact" if graph is None else "graph",
            ranking.recall,
            len(self.opened.rows["pictures"]),
            time.perf_counter() - begun,
        )

    def _pick(
        self,
        ranking: Ranking,
        count: int,
        top: int,
        near: float | None,
        left_out: set[bytes],
        filters: Filters | None,
    ) -> tuple[list[Hit], bool]:
        """Hits among so many candidates, duplicates folded; and whether there are no more candidates than these."""
        ranked, whole = ranking.best(count)
        hits: list[Hit] = []
        vectors: list[Floats] = []
        for content, hit in ranked:
            if content in left_out:
                continue
            vector = ranking.vector(content)
            twin = _twin(vector, vectors, near)
            if twin is None and len(hits) == top:
                continue  # later ones may still be near duplicates of those shown
            paths = self._paths(content, filters)
            if not paths:
                continue
            if twin is not None:
                hits[twin].near.extend(paths)
                continue
            hit.path, hit.copies = paths[0], paths[1:]
            hits.append(hit)
            vectors.append(vector)
        return hits, whole

    def _paths(self, content: bytes, filters: Filters | None) -> list[str]:
        """Where this content lies now: a file that is gone or has changed is never shown."""
        query = "SELECT path, dev, ino, size, mtime_ns, taken FROM files WHERE content=? ORDER BY path"
        found = []
        for path, dev, ino, size, mtime_ns, taken in self.store.db.execute(query, (content,)):
            name = from_bytes(path)
            if filters and not self._fits(name, taken, filters):
                continue
            if FileStat(dev, ino, size, mtime_ns, 1).same_file(look(self.dataset.path(name))):
                found.append(name)
        return found

    def _fits(self, path: str, taken: float, filters: Filters) -> bool:
        if filters.folder and not path.startswith(filters.folder.rstrip("/") + "/"):
            return False
        if (filters.since is not None and taken < filters.since) or (
            filters.until is not None and taken >= filters.until
        ):
            return False
        return not filters.classes or fold(class_of(self.dataset, path) or "") in {fold(n) for n in filters.classes}

    def _allowed(self, space: Space, filters: Filters) -> NDArray[np.bool_]:
        """bool[n]: which rows belong to a file that the filters let through."""
        table = "files" if space == "pictures" else "captions"
        bounds, values = "", list[object]()
        if filters.folder:  # "0" is the byte behind "/"
            below = to_bytes(filters.folder.rstrip("/"))
            bounds, values = " AND f.path >= ? AND f.path < ?", [below + b"/", below + b"0"]
        for bound, value in ((" AND f.taken >= ?", filters.since), (" AND f.taken < ?", filters.until)):
            if value is not None:
                bounds, values = bounds + bound, [*values, value]
        query = (
            f"SELECT v.row, f.path, f.taken FROM files f JOIN {table} t ON t.path=f.path"
            f" JOIN vectors v ON v.space=? AND v.content=t.content WHERE TRUE{bounds}"
        )
        mask = np.zeros(len(self.opened.rows[space]), dtype=bool)
        for row, path, taken in self.store.db.execute(query, (space, *values)):
            if row < len(mask) and self._fits(from_bytes(path), taken, filters):
                mask[row] = True
        return mask


def _twin(vector: Floats, shown: list[Floats], near: float | None) -> int | None:
    """Which of those shown is nearly the same picture."""
    if near is None or not shown:
        return None
    cosines = np.stack(shown) @ vector
    nearest = int(np.argmax(cosines))
    return nearest if cosines[nearest] >= near else None


@contextmanager
def open_search(
    config: Config,
    folder: Path | None,
    reporter: Reporter,
    *,
    text: bool,
    update: bool = True,
    captions: Path | None = None,
) -> Iterator[Search]:
    """A search over the pictures of `folder` (None: the dataset of the settings), their index brought up to date.

    The graph of neighbours is left to `refsort index`. Raises what `open_source` and `open_store` raise.
    """
    with open_source(config, folder, reporter, text=text) as source, store_of(source) as store:
        if store.rebuilt:
            reporter.message(store.rebuilt)
        brought = bring_up_to_date(source, store, reporter, captions=captions, graph_from=None) if update else None
        search = Search(store, source.dataset, source.encoder, source.embedder)
        search.brought = brought
        if lost := search.opened.lost("pictures"):
            reporter.message(
                f"{lost} of {len(search.opened.rows['pictures'])} pictures are compared one by one, because their part "
                "of the graph of neighbours is damaged or missing; 'refsort index' makes it again"
            )
        yield search


@contextmanager
def store_of(source: Source, *, whole: bool = False) -> Iterator[Store]:
    """The index of a source."""
    store = open_store(source.dataset.state, source.encoder, whole=whole)
    try:
        yield store
    finally:
        store.close()
