"""A folder of coloured shapes, the small CLIP that knows them, and somebody who listens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from refsort.config import Config
from refsort.explore.search import Search, open_search
from refsort.sorting.events import Item, Run
from tests.encoders.tiny_clip import COLOURS, SHAPES, draw_shape, tiny_clip_folder


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.embedded = 0
        self.stages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def stage(self, name: str, total: int) -> None:
        self.stages.append(name)

    def step(self) -> None:
        self.embedded += self.stages[-1] == "pictures"

    def item(self, item: Item) -> None:
        """Nothing is sorted here."""

    def end(self, run: Run) -> None:
        """Nothing is sorted here."""


def shapes(root: Path, each: int, *, seed: int = 0, colours: list[str] = COLOURS) -> list[str]:
    """`colour shape/number.png` of each class; returns the relative paths."""
    rng = np.random.default_rng(seed)
    paths = []
    for shape in SHAPES:
        for colour in colours:
            folder = root / f"{colour} {shape}"
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                draw_shape(rng, shape, colour).save(folder / f"{number}.png")
                paths.append(f"{colour} {shape}/{number}.png")
    return paths


def config(**settings: object) -> Config:
    return Config(encoder=str(tiny_clip_folder()), threads=1, **settings)  # type: ignore[arg-type]


@contextmanager
def searching(root: Path, listener: Listener | None = None, *, text: bool = True, **more: object) -> Iterator[Search]:
    with open_search(config(), root, listener or Listener(), text=text, **more) as search:  # type: ignore[arg-type]
        yield search


def dated(path: Path, day: int) -> None:
    """Give a file the time of a day of January 2026, noon UTC."""
    seconds = 1_767_225_600 + (day - 1) * 86_400 + 43_200
    os.utime(path, (seconds, seconds))
