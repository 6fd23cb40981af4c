"""A large JPEG decoded at reduced size is the same picture as the whole one."""

from collections.abc import Callable

import pytest
from PIL import Image

from refsort.images import read_picture
from tests.images.make import jpeg
from tests.images.scene import SIDE, Scene, difference, exif, grey_profile, stored, wide_profile

NEARLY = 0.8
"""Largest mean absolute difference, 0..255."""

Form = Callable[[Scene], bytes]
FORMS: dict[str, Form] = {
    "upright": lambda s: jpeg(s.large()),
    "orientation 6": lambda s: jpeg(stored(s.large(), 6), exif=exif(6)),
    "orientation 7, progressive": lambda s: jpeg(stored(s.large(), 7), exif=exif(7), progressive=True),
    "4:2:0": lambda s: jpeg(s.large(), subsampling=2),
    "grey with a profile": lambda s: jpeg(s.large().convert("L"), icc_profile=grey_profile(1.6)),
    "CMYK": lambda s: jpeg(s.cmyk.resize((4000, 3000), Image.Resampling.BICUBIC)),
    "a wide space": lambda s: jpeg(s.wide.resize((4000, 3000), Image.Resampling.BICUBIC), icc_profile=wide_profile()),
}


@pytest.mark.parametrize("form", FORMS)
def test_twelve_megapixels(scene: Scene, form: str) -> None:
    data = FORMS[form](scene)
    whole, reduced = read_picture(data), read_picture(data, side=SIDE)
    assert whole.shape == (3000, 4000, 3)
    assert reduced.shape == (750, 1000, 3)
    assert difference(reduced, Image.fromarray(whole)) < NEARLY


@pytest.mark.parametrize(
    ("side", "height"), [(None, 960), (1, 120), (60, 120), (61, 240), (240, 480), (241, 960), (5000, 960)]
)
def test_twice_the_side_always_remains(scene: Scene, side: int | None, height: int) -> None:
    data = jpeg(stored(scene.large(4), 6), exif=exif(6))
    assert read_picture(data, side=side).shape == (height, height * 4 // 3, 3)
