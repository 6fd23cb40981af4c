"""PATH.json beside a network PATH: how it wants to see pictures. Every key but `test.*` must be there, and no other.

    {
      "input": "pixels",               name of the network's input: float32, one picture or any number of them
      "layout": "NCHW",                or NHWC
      "channels": "RGB",               or BGR
      "side": 224,                     height and width in pixels of what the network sees
      "resize": "crop_pct:0.875",      shortest: the shortest edge becomes `side`; exact: both edges do, whatever the
                                       shape; crop_pct:p: the shortest edge becomes `side` / p, rounded down
      "crop": "center",                center: the middle square is cut out; none: with resize exact
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

from math import floor
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
        if value not in ("shortest", "exact") and not LEAST_CROP <= _crop_pct(value) <= 1:
            raise ValueError(f"should be shortest, exact, or crop_pct: with a share from {LEAST_CROP} to 1")
        return value

    @field_validator("crop")
    @classmethod
    def _gives_a_square(cls, value: str, info: ValidationInfo) -> str:
        resize = info.data.get("resize")
        if resize is not None and (value == "none") != (resize == "exact"):
            raise ValueError(f"should be {'none' if resize == 'exact' else 'center'} where resize is {resize}")
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
        edge = self.side if self.resize in ("shortest", "exact") else floor(self.side / _crop_pct(self.resize))
        return Preparation(
            side=self.side,
            edge=edge,
            exact=self.resize == "exact",
            interpolation=self.interpolation,
            factor=(high - low) / 255,
            offset=low,
            mean=self.mean,
            std=self.std,
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


def _crop_pct(resize: str) -> float:
    """The share in crop_pct:SHARE; NaN for anything else."""
    try:
        return float(resize.removeprefix("crop_pct:")) if resize.startswith("crop_pct:") else float("nan")
    except ValueError:
        return float("nan")
