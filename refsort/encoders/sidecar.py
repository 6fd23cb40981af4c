"""PATH.json beside a network PATH: how it wants to see pictures. Every key but `test.*` must be there, and no other.

    {
      "input": "pixels",               name of the network's input: float32, one picture or any number of them
      "layout": "NCHW",                or NHWC
      "channels": "RGB",               or BGR
      "side": 224,                     height and width in pixels of what the network sees
      "resize": "crop_pct:0.875",      shortest: the shortest edge becomes `side`; exact: both edges do, whatever the
                                       shape; crop_pct:p: the shortest edge becomes `side` / p, rounded down;
                                       middle:c: as exact, but first the ends of the longer edge are cut off, until a
                                       square is left or the share c of the edge is gone; middle:c:g: likewise, and
                                       Pillow's reducing_gap is g
      "crop": "center",                center: the middle square is cut out; none: with resize exact or middle
      "interpolation": "bicubic",      nearest, box, bilinear, hamming, bicubic or lanczos, as Pillow does them
      "range": [0, 1],                 what 0 and 255 become before mean and std: [0, 1], [-1, 1], [0, 255] ...
      "mean": [0.485, 0.456, 0.406],   subtracted from red, green and blue, in this order whatever `channels` is
      "std": [0.229, 0.224, 0.225],    by which they are divided, likewise
      "output": "embedding",           name of the output, float32[n, d]
      "normalize": true,               false: the network itself gives vectors of length one
      "test": {"vector": [...], "norm": 12.3}
    }

`test` is what the network gives for the picture of `refsort.encoders.samples.known_picture`, computed where the network
comes from: the first TEST_NUMBERS numbers of the vector (or more, or all) and the length of the whole of it, both
before any normalising. A sidecar that describes another preparation gives another vector and is refused.
"""

from math import floor, inf
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from refsort.encoders.base import Floats
from refsort.encoders.pixels import Deviations, Interpolation, Pixels, Preparation, Triple
from refsort.errors import EncoderError

TEST_NUMBERS = 32
LEAST_COSINE = 0.999
NORM_TOLERANCE = 0.01
"""Largest relative difference between two lengths that count as the same."""
LEAST_CROP = 0.1
MOST_CUT = 0.9
CROP_PCT, MIDDLE = "crop_pct:", "middle:"

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
IN_WORDS = {"missing": "is missing", "extra_forbidden": "is no key of a sidecar"}


class Expected(BaseModel):
    """What comes out for the test picture, before any normalising."""

    model_config = STRICT

    vector: Annotated[list[float], Field(min_length=1)]
    norm: Annotated[float, Field(gt=0)]


class Sidecar(BaseModel):
    """The keys are explained at the head of this file."""

    model_config = STRICT

    input: str
    layout: Literal["NCHW", "NHWC"]
    channels: Literal["RGB", "BGR"]
    side: Pixels
    resize: str
    crop: Literal["center", "none"]
    interpolation: Interpolation
    range: tuple[float, float]
    mean: Triple
    std: Deviations
    output: str
    normalize: bool
    test: Expected

    @field_validator("resize")
    @classmethod
    def _known_resize(cls, value: str) -> str:
        known = value in ("shortest", "exact") or LEAST_CROP <= _crop_pct(value) <= 1 or _middle(value)
        if not known:
            raise ValueError(
                f"should be shortest, exact, or crop_pct: with a share from {LEAST_CROP} to 1, or middle: with one "
                f"from 0 to {MOST_CUT} and, after a colon, a gap from 1"
            )
        return value

    @field_validator("crop")
    @classmethod
    def _gives_a_square(cls, value: str, info: ValidationInfo) -> str:
        resize = info.data.get("resize")
        if resize is not None and (value == "none") != _whole(resize):
            raise ValueError(f"should be {'none' if _whole(resize) else 'center'} where resize is {resize}")
        return value

    @field_validator("range")
    @classmethod
    def _rises(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError("should be two numbers, the smaller one first")
        return value

    def preparation(self) -> Preparation:
        """The same, as something that can be done to pictures."""
        low, high = self.range
        cropped = self.resize.startswith(CROP_PCT)
        most_cut, gap = _middle(self.resize) or (0.0, None)
        return Preparation(
            side=self.side,
            edge=floor(self.side / _crop_pct(self.resize)) if cropped else self.side,
            exact=_whole(self.resize),
            interpolation=self.interpolation,
            factor=(high - low) / 255,
            offset=low,
            mean=self.mean,
            std=self.std,
            most_cut=most_cut,
            reducing_gap=gap,
        )

    def mismatch(self, vector: Floats) -> str:
        """Why float32[d] can't be the vector of the test picture; empty if it is."""
        expected = np.asarray(self.test.vector, np.float32)
        if len(expected) > len(vector) or len(expected) < min(TEST_NUMBERS, len(vector)):
            return f"has {len(expected)} numbers, and the network gives {len(vector)}"
        start, norm = vector[: len(expected)], float(np.linalg.norm(vector))
        cosine = float(start @ expected) / max(float(np.linalg.norm(start) * np.linalg.norm(expected)), 1e-12)
        if not cosine >= LEAST_COSINE:
            return f"does not come out (cosine {cosine:.4f})"
        if not abs(norm - self.test.norm) <= NORM_TOLERANCE * self.test.norm:
            return f"comes out with the length {norm:.4g}, not {self.test.norm:.4g}"
        return ""


def parse_sidecar(path: Path, content: bytes | str) -> Sidecar:
    """The sidecar read from `path`. Raises EncoderError that names the file and what is wrong in it."""
    try:
        return Sidecar.model_validate_json(content)
    except ValidationError as error:
        wrong = []
        for found in error.errors(include_url=False):
            key = ".".join(map(str, found["loc"]))
            why = IN_WORDS.get(found["type"], found["msg"].removeprefix("Value error, "))
            wrong.append(f"{key}: {why}" if key else why)
        raise EncoderError(f"{path}: {'; '.join(wrong)}") from error


def _whole(resize: str) -> bool:
    """Does resizing alone give a square?"""
    return resize == "exact" or resize.startswith(MIDDLE)


def _crop_pct(resize: str) -> float:
    """The share in crop_pct:SHARE; NaN for anything else."""
    try:
        return float(resize.removeprefix(CROP_PCT)) if resize.startswith(CROP_PCT) else float("nan")
    except ValueError:
        return float("nan")


def _middle(resize: str) -> tuple[float, float | None] | None:
    """Share and gap in middle:SHARE or middle:SHARE:GAP; None for anything else."""
    share, colon, gap = resize.removeprefix(MIDDLE).partition(":")
    try:
        found = (float(share), float(gap) if colon else None) if resize.startswith(MIDDLE) else None
    except ValueError:
        return None
    sound = found and 0 <= found[0] <= MOST_CUT and (found[1] is None or 1 <= found[1] < inf)
    return found if sound else None
