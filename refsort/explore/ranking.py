"""One query against the rows of an index: combined, compared with pictures, captions or both, and ranked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from refsort.encoders import Floats
from refsort.errors import ConfigError
from refsort.explore.graph import Graph, graph_info, installed, open_graph
from refsort.explore.hits import Hit
from refsort.explore.nearest import exact
from refsort.explore.query import Part
from refsort.explore.store import Space, Store

SAMPLE = 2000
"""Rows over which the spread of cosines is measured."""
WIDE = 0.2
"""Share of the rows from which on asking the graph for so many is no gain."""


class Opened:
    """The rows of an index as they were when it was opened."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rows: dict[Space, Floats] = {s: store.view(s) for s in ("pictures", "captions")}
        self.graphs: dict[Space, Graph | None] = {s: open_graph(store, s) for s in ("pictures", "captions")}
        self._samples: dict[Space, Floats] = {}

    def vector_of(self, content: bytes) -> Floats | None:
        """float32[d] of the picture with this SHA-256, or None."""
        row = self.store.db.execute(
            "SELECT row FROM vectors WHERE space='pictures' AND content=?", (content,)
        ).fetchone()
        rows = self.rows["pictures"]
        return np.asarray(rows[row[0]]) if row is not None and row[0] < len(rows) else None

    def lost(self, space: Space) -> int:
        """Rows that were in a graph good enough to be used, and are compared one by one for want of a sound file."""
        info, graph = graph_info(self.store, space), self.graphs[space]
        if info is None or not installed() or not (info.good(words=False) or info.good(words=True)):
            return 0
        if graph is None:
            return min(info.rows, len(self.rows[space]))
        return sum(end - first for first, end in graph.loose(min(info.rows, len(self.rows[space]))))

    def sample(self, space: Space) -> Floats:
        """Some rows, drawn evenly and kept."""
        if space not in self._samples:
            rows = self.rows[space]
            chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int))
            self._samples[space] = np.asarray(rows[chosen])
        return self._samples[space]


class Ranking:
    """One query against the rows: candidates of pictures, of captions, or of both, as pictures with a score."""

    def __init__(
        self,
        opened: Opened,
        parts: Sequence[Part],
        spaces: list[Space],
        allowed: dict[Space, NDArray[np.bool_]],
        *,
        exactly: bool,
    ) -> None:
        self.opened, self.spaces, self.allowed, self.exactly = opened, spaces, allowed, exactly
        self.words = any(part.kind == "phrase" for part in parts)
        self.graph_used: Graph | None = None
        self.recall: float | None = None
        """Of the graph that was used, for such queries; None if none was."""
        self.query = {space: combine(parts, opened.sample(space)) for space in spaces}
        if "pictures" not in self.query:
            self.query["pictures"] = combine(parts, opened.sample("pictures"))
        self.scale = {space: _scale(opened.sample(space) @ self.query[space]) for space in spaces}

    def best(self, count: int) -> tuple[list[tuple[bytes, Hit]], bool]:
        """(content, hit without paths), best first; and whether these are all there are."""
        found: dict[bytes, Hit] = {}
        whole = True
        for space in self.spaces:
            rows, scores = self._nearest(space, count)
            whole &= len(rows) < count or len(rows) == len(self.opened.rows[space])
            for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
                for content, text in self._contents(space, row):
                    hit = found.setdefault(content, Hit("", score, np.nan))
                    if space == "pictures":
                        hit.picture = score
                    elif hit.caption_similarity is None or score > hit.caption_similarity:
                        hit.caption, hit.caption_similarity = text, score
        for content, hit in found.items():
            self._complete(content, hit)
        return sorted(found.items(), key=lambda pair: (-pair[1].similarity, pair[0])), whole

    def vector(self, content: bytes) -> Floats:
        vector = self.opened.vector_of(content)
        assert vector is not None, "a picture of the index has a row"
        return vector

    def _nearest(self, space: Space, count: int) -> tuple[NDArray[np.int64], Floats]:
        rows, allowed = self.opened.rows[space], self.allowed.get(space)
        graph = self.opened.graphs[space]
        # Among captions a phrase is one of many like it; only among pictures it is a stranger.
        words = self.words and space == "pictures"
        usable = graph is not None and graph.info.good(words=words) and not self.exactly and allowed is None
        if graph is None or not usable or count > WIDE * len(rows):
            return exact(rows, self.query[space], count, allowed)
        self.graph_used = graph
        self.recall = graph.info.words_recall if words and graph.info.words_recall is not None else graph.info.recall
        return graph.nearest(rows, self.query[space], count, words=words)

    def _contents(self, space: Space, row: int) -> list[tuple[bytes, str]]:
        """The pictures that a row stands for; none if the last of its files is gone."""
        if space == "pictures":
            query = (
                "SELECT v.content, '' FROM vectors v WHERE v.space='pictures' AND v.row=?"
                " AND EXISTS (SELECT 1 FROM files f WHERE f.content=v.content)"
            )
        else:
            query = (
                "SELECT f.content, c.text FROM vectors v JOIN captions c ON c.content=v.content"
                " JOIN files f ON f.path=c.path WHERE v.space='captions' AND v.row=? AND f.content IS NOT NULL"
            )
        return list(self.opened.store.db.execute(query, (row,)))

    def _complete(self, content: bytes, hit: Hit) -> None:
        """The cosines that the candidates' list of one space didn't give, and the score that ranks."""
        if np.isnan(hit.picture):
            hit.picture = float(self.vector(content) @ self.query["pictures"])
        if "captions" in self.spaces and "pictures" in self.spaces:
            if hit.caption_similarity is None:
                self._nearest_caption(content, hit)
            hit.similarity = _joined(
                (hit.picture, self.scale["pictures"]), (hit.caption_similarity, self.scale["captions"])
            )

    def _nearest_caption(self, content: bytes, hit: Hit) -> None:
        query = (
            "SELECT v.row, c.text FROM files f JOIN captions c ON c.path=f.path"
            " JOIN vectors v ON v.space='captions' AND v.content=c.content WHERE f.content=?"
        )
        rows = self.opened.rows["captions"]
        for row, text in self.opened.store.db.execute(query, (content,)):
            score = float(rows[row] @ self.query["captions"]) if row < len(rows) else -1.0
            if hit.caption_similarity is None or score > hit.caption_similarity:
                hit.caption, hit.caption_similarity = text, score


def combine(parts: Sequence[Part], sample: Floats) -> Floats:
    """float32[d] of length one: the weighted sum of the parts, each divided by the spread of its cosines."""
    if len(parts) == 1:
        return parts[0].vector
    spreads = [_scale(sample @ part.vector)[1] for part in parts]
    total = np.sum([part.weight / s * part.vector for part, s in zip(parts, spreads, strict=True)], axis=0)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise ConfigError("the parts of this query cancel each other out")
    return np.asarray(total / length, dtype=np.float32)


def _scale(cosines: Floats) -> tuple[float, float]:
    """Mean and standard deviation; with too few rows to tell, nothing is scaled."""
    if len(cosines) < 3 or float(cosines.std()) < 1e-6:
        return 0.0, 1.0
    return float(cosines.mean()), float(cosines.std())


def _joined(*scores: tuple[float | None, tuple[float, float]]) -> float:
    """The sum of standard scores; a picture without a caption has the mean one."""
    return sum((score - mean) / spread for score, (mean, spread) in scores if score is not None)
