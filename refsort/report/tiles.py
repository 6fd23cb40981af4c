"""Many small pictures in few: sheets of tiles, so that thousands fit into a page."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from refsort.encoders import cores
from refsort.errors import BadPicture
from refsort.images import read_picture

ROW = 16
"""Tiles in a row and rows in a sheet: a canvas of any browser, phones too, takes such a sheet."""
QUALITY = 70


@dataclass(frozen=True, slots=True)
class Tiles:
    """Sheets as data URLs. Tile i is number i % ROW² of sheet i // ROW², row by row, its picture in the upper left."""

    side: int
    sheets: list[str]
    sizes: list[tuple[int, int]]
    """Width and height of each picture in pixels; 0 and 0 where none could be read."""


def make_tiles(paths: Sequence[Path], side: int, max_pixels: int, step: Callable[[], None]) -> Tiles:
    """Every picture fitted into a square of `side` pixels; `step` is told of each. Raises nothing for bad ones."""
    sheets: list[str] = []
    sizes: list[tuple[int, int]] = []
    with ThreadPoolExecutor(cores()) as pool:
        found: Iterator[Any] = pool.map(lambda path: _small(path, side, max_pixels), paths)
        for _ in range(0, len(paths), ROW * ROW):
            sheets.append(_sheet(list(islice(found, ROW * ROW)), side, sizes, step))
    return Tiles(side, sheets, sizes)


def _small(path: Path, side: int, max_pixels: int) -> Any:
    from PIL import Image

    try:
        image = Image.fromarray(read_picture(path.read_bytes(), side=side, max_pixels=max_pixels))
    except (OSError, BadPicture):
        return None
    image.thumbnail((side, side))
    return image


def _sheet(images: list[Any], side: int, sizes: list[tuple[int, int]], step: Callable[[], None]) -> str:
    from PIL import Image

    rows = -(-len(images) // ROW)
    sheet = Image.new("RGB", (side * min(ROW, len(images)), side * rows), (128, 132, 138))
    for position, image in enumerate(images):
        step()
        sizes.append(image.size if image else (0, 0))
        if image:
            sheet.paste(image, (position % ROW * side, position // ROW * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
