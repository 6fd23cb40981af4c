"""A map of pictures and phrases: gathers them, embeds what is new, and lays them out."""

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np

from refsort.errors import DatasetError, EncoderError, JournalError
from refsort.explore.projection import Floats, Method, project
from refsort.explore.source import Source, pictures
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.names import fold, from_bytes, show
from refsort.sorting.events import Reporter

Colouring = Literal["class", "folder"]
PHRASES = "(phrases)"
"""Group of the phrases that belong to no class."""


class Phrase(NamedTuple):
    """Words to be put on the map, and the class they describe, if any."""

    text: str
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One picture or phrase on the map."""

    x: float
    y: float
    name: str
    """Path relative to the dataset (surrogateescape), or the phrase."""
    group: str
    """What gives it its colour."""
    is_text: bool = False
    said: str = ""
    """What a sorting run thought of the picture: its class and score, in words."""


@dataclass(frozen=True, slots=True)
class Map:
    """Everything that a drawing needs."""

    title: str
    encoder: str
    method: Method
    asked: Method
    seed: int
    explained: tuple[float, float] | None
    points: list[Point]
    groups: list[str]
    """Groups in their order: classes by name, then those that are none, written as folders with a slash."""
    grey: list[str]
    """Those of `groups` that are no class; none if there is no class at all."""
    total: int
    """Pictures there are; more than are drawn where there is a limit."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of what could not be embedded."""

    @property
    def images(self) -> list[Point]:
        return [point for point in self.points if not point.is_text]

    @property
    def texts(self) -> list[Point]:
        return [point for point in self.points if point.is_text]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; names as `show` gives them."""
        return {
            "title": show(self.title),
            "encoder": self.encoder,
            "method": self.method,
            "seed": self.seed,
            "explained": None if self.explained is None else [round(share, 4) for share in self.explained],
            "pictures": len(self.images),
            "phrases": len(self.texts),
            "total": self.total,
            "left_out": [[show(path), reason] for path, reason in self.left_out],
            "groups": {show(group): sum(p.group == group for p in self.points) for group in self.groups},
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """What the map should be. `parts` None: all of the folder; `limit` 0: every picture."""

    parts: Sequence[str] | None = None
    method: Method = "pca"
    seed: int = 0
    colour: Colouring = "class"
    limit: int = 0


def make_map(source: Source, wish: Wish, phrases: Sequence[Phrase], reporter: Reporter) -> Map:
    """Embed the pictures (from the cache where they are known) and phrases, and lay them out.

    With a limit the pictures are drawn by lot with the seed. Raises EncoderError, ConfigError.
    """
    everything = list(dict.fromkeys(pictures(source.dataset, _parts(source.dataset, wish.parts))))
    chosen = everything
    if 0 < wish.limit < len(everything):
        lot = random.Random(wish.seed).sample(range(len(everything)), wish.limit)
        chosen = [everything[index] for index in sorted(lot)]
    paths, vectors, left_out = _embed(source, chosen, reporter)
    words = _embed_phrases(source, phrases)
    classes = [_class(source.dataset, path) for path in paths]
    found = sorted(set(filter(None, classes)))
    flat = project(vectors, words, wish.method, wish.seed)
    said = _said(source.dataset)
    by_class = wish.colour == "class"
    points = [
        Point(
            float(x), float(y), path, (name if by_class else None) or _folder(path, by_class), said=said.get(path, "")
        )
        for path, name, (x, y) in zip(paths, classes, flat.points, strict=True)
    ]
    points += [
        Point(float(x), float(y), phrase.text, _group(phrase, found) if by_class else PHRASES, is_text=True)
        for phrase, (x, y) in zip(phrases, flat.texts, strict=True)
    ]
    there = {point.group for point in points}
    grey = sorted(there.difference(found) if by_class and found else there.intersection([PHRASES]))
    return Map(
        *(source.dataset.name, source.encoder.name, flat.method, wish.method, wish.seed, flat.explained, points),
        groups=[*sorted(there.difference(grey)), *grey],
        grey=grey,
        total=len(everything),
        left_out=left_out,
    )


def _parts(dataset: Dataset, parts: Sequence[str] | None) -> Sequence[str] | None:
    """Raises DatasetError if one that was named is not there; a dataset need not have all of its own folders yet."""
    known = dataset.names.model_dump().values() if dataset.path(dataset.names.references).is_dir() else ()
    for part in parts or ():
        if part not in known and not dataset.path(part).is_dir():
            raise DatasetError(f"{show(str(dataset.root))} has no folder {show(part)}; --of takes folders inside it")
    return parts


def _embed(source: Source, paths: Sequence[str], reporter: Reporter) -> tuple[list[str], Floats, list[tuple[str, str]]]:
    """Paths that have a vector, float32[n, d] of them, and what was left out and why."""
    reporter.stage("map", len(paths))
    known, vectors, left_out = [], [], []
    for found in source.embedder.stream(paths):
        reporter.step()
        if found.vector is not None:
            known.append(found.path)
            vectors.append(found.vector)
        else:
            left_out.append((found.path, found.reason))
    empty = np.zeros((0, source.encoder.dim), np.float32)
    return known, np.stack(vectors).astype(np.float32) if vectors else empty, left_out


def _embed_phrases(source: Source, phrases: Sequence[Phrase]) -> Floats:
    if not phrases:
        return np.zeros((0, source.encoder.dim), np.float32)
    vectors = source.encoder.embed_texts([phrase.text for phrase in phrases])
    if vectors is None:
        raise EncoderError(f"encoder {show(source.encoder.name)} knows no words; leave the phrases out or take CLIP")
    return vectors


def _class(dataset: Dataset, path: str) -> str | None:
    """The class that a picture lies in; in a folder that is no dataset its first sub-folder is one."""
    parts = PurePosixPath(path).parts
    if not dataset.path(dataset.names.references).is_dir():
        return parts[0] if len(parts) > 1 else None
    holds_classes = parts[0] in (dataset.names.references, dataset.names.sorted)
    return parts[1] if holds_classes and len(parts) > 2 else None


def _folder(path: str, top: bool) -> str:
    """The folder of a picture, or only its top folder, with a slash: no class has one in its name."""
    parts = PurePosixPath(path).parts[:-1]
    return "/".join(parts[:1] if top else parts) + "/" if parts else "./"


def _group(phrase: Phrase, classes: Sequence[str]) -> str:
    """The class that a phrase describes, if it is said or if it is the class's very name."""
    if phrase.class_name in classes:
        return str(phrase.class_name)
    return next((name for name in classes if fold(name) == fold(phrase.text.strip())), PHRASES)


def _said(dataset: Dataset) -> dict[str, str]:
    """Picture → what the newest run that moved it thought; nothing where there is no history that can be read."""
    try:
        with closing(Journal(dataset.state / "journal.db", create=False)) as journal:
            rows = journal.rows(
                "SELECT target, json_extract(decision, '$.class') AS class, json_extract(decision, '$.score') AS score"
                " FROM moves WHERE state='done' AND undone_by IS NULL AND decision IS NOT NULL ORDER BY id"
            )
    except JournalError:
        return {}
    return {from_bytes(row["target"]): f"{row['class']} {row['score'] or 0:.2f}" for row in rows if row["class"]}
