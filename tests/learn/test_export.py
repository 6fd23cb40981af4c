"""What is exported is what torch computes, and the sidecar says how pictures are prepared."""

from pathlib import Path

import numpy as np
import pytest

from refsort.encoders.builtin import BuiltinEncoder
from refsort.encoders.pixels import Preparation
from refsort.encoders.samples import pictures
from refsort.encoders.sidecar import parse_sidecar
from refsort.errors import EncoderError

SIDECAR = """{"input": "pixels", "layout": "NCHW", "channels": "RGB", "side": 224, "resize": "RESIZE", "crop": "CROP",
"interpolation": "bicubic", "range": [0, 255], "mean": [127, 127, 127], "std": [128, 128, 128], "output": "embedding",
"normalize": false, "test": {"vector": [1.0], "norm": 1.0}}"""


def sidecar(resize: str, crop: str = "none") -> Preparation:
    return parse_sidecar(Path("x.json"), SIDECAR.replace("RESIZE", resize).replace("CROP", crop)).preparation()


def test_a_sidecar_can_say_how_the_builtin_encoder_prepares_pictures() -> None:
    encoder, preparation = BuiltinEncoder.load("builtin"), sidecar("middle:0.25:3.0")
    for rgb in pictures():
        assert np.array_equal(encoder.prepare(rgb), preparation(rgb))


def test_only_so_much_is_cut_off() -> None:
    rgb = np.full((100, 400, 3), 255, np.uint8)
    rgb[:, :60] = rgb[:, 340:] = 0  # 280 of 400 columns are white
    edges = {resize: float(sidecar(resize)(rgb)[0, :, 0].max()) for resize in ("middle:0.3", "middle:0.2", "exact")}
    assert edges["middle:0.3"] > 0.9 and edges["middle:0.2"] == edges["exact"] < -0.9


@pytest.mark.parametrize("resize", ["middle:", "middle:1", "middle:-0.1", "middle:0.2:0.5", "middle:0.2:", "middle:a"])
def test_a_wrong_middle_is_refused(resize: str) -> None:
    with pytest.raises(EncoderError, match="resize: should be shortest, exact, or crop_pct"):
        sidecar(resize)


def test_a_middle_leaves_nothing_to_crop() -> None:
    with pytest.raises(EncoderError, match="crop: should be none where resize is middle"):
        sidecar("middle:0.25", "center")
