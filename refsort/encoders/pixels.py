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


class Preparation(BaseModel):
    """How a network was trained to be shown a picture.

    The shortest edge becomes `edge` pixels long (`exact`: both edges do), the middle of `side` × `side` pixels is cut
    out, and a value x from 0 to 255 becomes (x · factor + offset - mean) / std, for red, green and blue each.
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

    def __call__(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side]; safe in threads."""
        height, width = rgb.shape[:2]
        short = min(height, width)
        size = (self.edge, self.edge) if self.exact else (self.edge * width // short, self.edge * height // short)
        small = Image.fromarray(rgb).resize(size, Image.Resampling[self.interpolation.upper()])
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        seen = np.asarray(small.crop((left, top, left + self.side, top + self.side)))
        return np.stack([levels[seen[..., colour]] for colour, levels in enumerate(self.levels)])

    @cached_property
    def levels(self) -> Floats:
        """float32[3, 256]: what each of the 256 levels becomes; in the steps and precisions of transformers."""
        scaled = (np.arange(256) * self.factor + self.offset).astype(np.float32)
        return (scaled - np.array(self.mean, np.float32)[:, None]) / np.array(self.std, np.float32)[:, None]


def middle(rgb: Rgb) -> Rgb:
    """The picture, or the middle of one that is longer than MAX_ASPECT times its width.

    Models scale the short side to theirs, then cut out the middle: 1 × 100,000 pixels would take gigabytes on the way.
    """
    height, width = rgb.shape[:2]
    longest = MAX_ASPECT * min(height, width)
    top, left = max(0, (height - longest) // 2), max(0, (width - longest) // 2)
    return rgb[top : top + longest, left : left + longest]
