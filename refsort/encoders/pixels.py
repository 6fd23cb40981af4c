"""From a picture to what a network sees, with Pillow and numpy alone: resize, cut out the middle, scale."""

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from refsort.encoders.base import Floats, Rgb

MAX_ASPECT = 50

Interpolation = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
"""Pillow's filters, all of them but `nearest` with antialiasing; in the order of Pillow's numbers."""

Triple = tuple[float, float, float]
Deviations = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
Pixels = Annotated[int, Field(gt=0, le=4096)]
Share = Annotated[float, Field(ge=0, lt=1)]
Gap = Annotated[float, Field(ge=1)]


class Preparation(BaseModel):
    """How a network was trained to be shown a picture.

    The shortest edge becomes `edge` pixels long (`exact`: both edges do), the middle of `side` × `side` pixels is cut
    out, and a value x from 0 to 255 becomes (x · factor + offset - mean) / std, for red, green and blue each.

    With `most_cut`, which goes with `exact`, the ends of the longer edge are cut off first: until a square is left, but
    never more than this share of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    side: Pixels
    edge: Annotated[int, Field(gt=0, le=10 * 4096)]
    exact: bool
    interpolation: Interpolation
    factor: Annotated[float, Field(gt=0)]
    offset: float
    mean: Triple
    std: Deviations
    most_cut: Share = 0.0
    reducing_gap: Gap | None = None
    """Pillow's: a picture more than this many times too large is halved before the exact filter."""

    def __call__(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side]; safe in threads."""
        seen = self.seen(rgb)
        return np.stack([levels[seen[..., colour]] for colour, levels in enumerate(self.levels)])

    def seen(self, rgb: Rgb) -> Rgb:
        """uint8[H, W, 3] → uint8[side, side, 3]: resized and cut out, but not scaled yet."""
        height, width = rgb.shape[:2]
        short = min(height, width)
        size = (self.edge, self.edge) if self.exact else (self.edge * width // short, self.edge * height // short)
        box = toward_square(width, height, self.most_cut) if self.most_cut else None
        small = Image.fromarray(rgb).resize(
            size, Image.Resampling[self.interpolation.upper()], box=box, reducing_gap=self.reducing_gap
        )
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        return np.asarray(small.crop((left, top, left + self.side, top + self.side)))

    @cached_property
    def levels(self) -> Floats:
        """float32[3, 256]: what each of the 256 levels becomes; in the steps and precisions of transformers."""
        scaled = (np.arange(256) * self.factor + self.offset).astype(np.float32)
        return (scaled - np.array(self.mean, np.float32)[:, None]) / np.array(self.std, np.float32)[:, None]


def toward_square(width: int, height: int, most_cut: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the middle that is kept; at most the share `most_cut` of an edge is cut off."""
    w = min(width, max(height, (1 - most_cut) * width))
    h = min(height, max(width, (1 - most_cut) * height))
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def middle(rgb: Rgb) -> Rgb:
    """The picture, or the middle of one that is longer than MAX_ASPECT times its width.

    Models scale the short side to theirs, then cut out the middle: 1 × 100,000 pixels would take gigabytes on the way.
    """
    height, width = rgb.shape[:2]
    longest = MAX_ASPECT * min(height, width)
    top, left = max(0, (height - longest) // 2), max(0, (width - longest) // 2)
    return rgb[top : top + longest, left : left + longest]
