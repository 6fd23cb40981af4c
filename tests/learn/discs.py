"""A dataset of coloured discs, and its parts in the process of a test."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.learn.truth import Truth, find_truth
from refsort.sorting import Reporters, Sorter
from refsort.sorting.prepared import Prepared, prepare
from refsort.sorting.sorter import journal_path

COLOURS = {"azul": (30, 60, 205), "rojo": (205, 40, 30), "verde": (40, 170, 60)}


def disc(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """A disc of about the colour somewhere on grey; the seed makes each picture another one."""
    rng = random.Random(seed)
    ground = rng.randint(110, 150)
    image = Image.new("RGB", (160, 120), (ground, ground, ground + 5))
    x, y, size = rng.randint(5, 50), rng.randint(5, 30), rng.randint(60, 85)
    shade = tuple(max(0, min(255, c + rng.randint(-20, 20))) for c in colour)
    ImageDraw.Draw(image).ellipse((x, y, x + size, y + size), fill=shade)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


def make_discs(root: Path, references: int, arrivals: int) -> Dataset:
    """So many of each colour; arrivals are called after their colour."""
    (root / "Images").mkdir(parents=True)
    for base, (name, colour) in enumerate(COLOURS.items()):
        for number in range(references):
            disc(root / "Clases" / name / f"r{number}.jpg", colour, 1000 * base + number)
        for number in range(arrivals):
            disc(root / "Images" / f"{name}{number}.jpg", colour, 1000 * base + 500 + number)
    return Dataset(root)


def config_of(dataset: Dataset, **settings: object) -> Config:
    return Config(
        dataset=dataset.name,
        data_dir=dataset.root.parent,
        **{"encoder": "builtin", "max_wrong": 0.2, "threads": 1, **settings},  # type: ignore[arg-type]
    )


def sort(dataset: Dataset, **settings: object) -> int:
    """Sort once; the number of the run."""
    run = Sorter(config_of(dataset, **settings)).sort().run
    assert run is not None
    return run


@contextmanager
def prepared_of(dataset: Dataset, **settings: object) -> Iterator[tuple[Journal, Prepared]]:
    journal = Journal(journal_path(dataset))
    try:
        with prepare(config_of(dataset, **settings), dataset, Reporters()) as prepared:
            yield journal, prepared
    finally:
        journal.close()


def truth_of(dataset: Dataset) -> Truth:
    with prepared_of(dataset) as (journal, prepared):
        return find_truth(dataset, journal, prepared, Reporters())


def sources(truth: Truth) -> dict[str, tuple[str, str]]:
    """Path → (class, source) of what is no reference."""
    return {la.path: (la.class_name, la.source) for la in truth.labels if la.source != "reference"}
