"""Pictures for training: read once and kept small, and shown in another way each time. Pillow and numpy alone.

A view depends on the seed, the number of the view and the picture's place, and on nothing else: so a training that was
killed sees after it is taken up again what it would have seen.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refsort.encoders.base import Floats, Rgb
from refsort.encoders.pixels import Preparation, middle
from refsort.images import read_picture

MARGIN = 1.15
"""Sides of what is kept, in sides of what the network sees: cut-outs of a part are then not enlarged much."""
MOST_KEPT = 1 << 30
"""Bytes of pictures kept in memory; where more are needed they are read anew each time."""
LEAST_RATIO, MOST_RATIO = 3 / 4, 4 / 3
"""Width by height of a cut-out."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How much views of a picture may differ."""

    least_area: float = 0.5
    """Share of the picture that a cut-out holds at least."""
    mirror: bool = True
    """Whether half of the views are mirrored: not where left and right tell classes apart."""
    light: float = 0.2
    """Contrast and brightness change by up to this share, single colours by a quarter of it."""


class Pictures:
    """The pictures of a training, as the network sees them and a little larger for cut-outs."""

    def __init__(self, paths: Sequence[Path], preparation: Preparation, threads: int = 1) -> None:
        """Reads all once. Raises OSError or BadPicture for one that can't be read."""
        self.paths, self.preparation, self.threads = paths, preparation, threads
        side = round(MARGIN * preparation.side)
        edge = max(round(MARGIN * preparation.edge), side)
        self.wider = preparation.model_copy(update={"side": side, "edge": edge})
        self.kept: list[tuple[Rgb, Rgb]] | None = None
        if len(paths) * 3 * (side**2 + preparation.side**2) <= MOST_KEPT:
            with ThreadPoolExecutor(threads) as pool:
                self.kept = list(pool.map(self._read, paths))

    def plain(self, chosen: Sequence[int] | NDArray[np.intp]) -> Floats:
        """float32[n, 3, side, side]: as the encoder will see them."""
        return self._scaled([self._pair(int(i))[0] for i in chosen])

    def views(
        self, chosen: Sequence[int] | NDArray[np.intp], number: int, seed: int, changes: Changes | None
    ) -> Floats:
        """float32[n, 3, side, side]: view `number` of each; without `changes` as they are."""
        if changes is None:
            return self.plain(chosen)
        rows = [(int(i), np.random.default_rng((seed, number, int(i)))) for i in chosen]
        with ThreadPoolExecutor(self.threads) as pool:
            made = pool.map(lambda row: view(self._pair(row[0])[1], self.preparation.side, changes, row[1]), rows)
            return self._scaled(list(made))

    def _pair(self, i: int) -> tuple[Rgb, Rgb]:
        return self.kept[i] if self.kept is not None else self._read(self.paths[i])

    def _read(self, path: Path) -> tuple[Rgb, Rgb]:
        rgb = middle(read_picture(path.read_bytes(), side=self.wider.side))
        return self.preparation.seen(rgb), self.wider.seen(rgb)

    def _scaled(self, seen: list[Rgb]) -> Floats:
        levels = self.preparation.levels
        stack = np.stack(seen)
        return np.stack([levels[colour][stack[..., colour]] for colour in range(3)], axis=1)


def view(rgb: Rgb, side: int, changes: Changes, rng: np.random.Generator) -> Rgb:
    """uint8[H, W, 3] → uint8[side, side, 3]: a part of it, perhaps mirrored, in a slightly other light."""
    height, width = rgb.shape[:2]
    area = rng.uniform(changes.least_area, 1) * height * width
    ratio = exp(rng.uniform(np.log(LEAST_RATIO), np.log(MOST_RATIO)))
    w, h = min(float(width), sqrt(area * ratio)), min(float(height), sqrt(area / ratio))
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    box = (left, top, left + w, top + h)
    image = Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5 and changes.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    contrast, brightness = rng.uniform(1 - changes.light, 1 + changes.light, 2)
    colours = rng.uniform(1 - changes.light / 4, 1 + changes.light / 4, 3)
    levels = ((np.arange(256) - 127.5) * contrast + 127.5) * brightness * colours[:, None]
    return np.asarray(image.point(np.clip(np.rint(levels), 0, 255).astype(int).ravel().tolist()))


def cut_mix(pixels: Floats, rng: np.random.Generator) -> tuple[Floats, NDArray[np.intp], float]:
    """Puts a rectangle of another picture of the batch into each (Yun et al., "CutMix", ICCV 2019).

    Returns the pictures, whose rectangle is in each, and the share of it that is still its own.
    """
    n, _, height, width = pixels.shape
    other = rng.permutation(n)
    edge = sqrt(1 - rng.uniform())
    h, w = round(edge * height), round(edge * width)
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    mixed = pixels.copy()
    mixed[:, :, top : top + h, left : left + w] = pixels[other, :, top : top + h, left : left + w]
    return mixed, np.asarray(other, np.intp), 1 - h * w / (height * width)
