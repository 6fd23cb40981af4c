"""Corruptions: what goes in comes out spoilt, alike each time, more if stronger, large pictures as much as small."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refsort.sorting.corruptions import CORRUPTIONS, NOISE, STRENGTHS, corrupt, shrunk

Rgb = NDArray[np.uint8]


def scene(height: int, width: int) -> Rgb:
    """A smooth ground, coloured things, fine lines: something for each corruption to spoil."""
    ground = np.linspace(60, 190, width)[None, :, None] * np.ones((height, 1, 3)) * np.array([1.0, 0.9, 0.7])
    image = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    unit = min(height, width)
    draw.ellipse((0.1 * unit, 0.2 * unit, 0.6 * unit, 0.7 * unit), fill=(200, 40, 30), outline=(20, 20, 20))
    for k in range(12):
        x = (0.5 + 0.04 * k) * unit
        draw.line((x, 0.1 * unit, x, 0.9 * unit), fill=(20, 90, 200), width=max(1, round(0.012 * unit)))
    return np.asarray(image)


def distance(one: Rgb, other: Rgb) -> float:
    """Mean difference in levels."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", [(240, 300), (1, 1), (1, 40), (7, 2)])
def test_shape_and_type_stay_and_the_original_too(name: str, strength: int, size: tuple[int, int]) -> None:
    rgb = scene(*size).copy()
    rgb.setflags(write=False)
    spoilt = corrupt(rgb, name, strength, seed=5)
    assert (spoilt.shape, spoilt.dtype) == (rgb.shape, np.uint8)
    assert spoilt.flags.c_contiguous
    np.testing.assert_array_equal(spoilt, corrupt(rgb, name, strength, seed=5))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_stronger_is_further_from_the_original(name: str) -> None:
    rgb = scene(240, 300)
    distances = [distance(rgb, corrupt(rgb, name, strength, seed=1)) for strength in STRENGTHS]
    assert distances[0] > 0.5
    assert all(more > 1.15 * less for less, more in pairwise(distances)), distances


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_large_picture_is_spoilt_as_much_as_a_small_one(name: str) -> None:
    """Seen at one size, the two differ by far less than the corruption did."""
    small, large = scene(224, 280), scene(896, 1120)
    for strength in STRENGTHS:
        done = [distance(shrunk(rgb, 224), shrunk(corrupt(rgb, name, strength, seed=2), 224)) for rgb in (small, large)]
        assert done[1] == pytest.approx(done[0], rel=0.3), (strength, done)


def test_the_pencil_is_as_wide_as_the_picture_asks() -> None:
    """On soft waves, where the drawing depends on its width."""

    def waves(height: int, width: int) -> Rgb:
        y, x = np.mgrid[:height, :width] / min(height, width)
        level = 128 + 80 * np.sin(16 * np.pi * x) * np.sin(16 * np.pi * y)
        return np.repeat(level[..., None], 3, axis=2).astype(np.uint8)

    small, large = (shrunk(corrupt(waves(224 * k, 280 * k), "sketch", 3), 224) for k in (1, 4))
    assert distance(small, large) < 0.15 * distance(small, waves(224, 280))


@pytest.mark.parametrize("name", ["noise", "crop"])
def test_the_seed_rules_what_is_left_to_chance(name: str) -> None:
    rgb = scene(120, 160)
    assert distance(corrupt(rgb, name, 2, seed=1), corrupt(rgb, name, 2, seed=2)) > 1


def test_the_noise_is_as_strong_as_stated() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert float(corrupt(grey, "noise", 1).std()) == pytest.approx(NOISE[0], rel=0.05)


def test_rotation_keeps_an_even_picture_even_up_to_its_corners() -> None:
    even = np.full((90, 130, 3), (200, 100, 50), np.uint8)
    np.testing.assert_array_equal(corrupt(even, "rotation", 3), even)


def test_grey_at_its_strongest_has_no_colour_left() -> None:
    spoilt = corrupt(scene(60, 80), "grey", 3).astype(int)
    assert np.ptp(spoilt, axis=2).max() <= 1


@pytest.mark.parametrize("strength", [0, 4, -1])
def test_other_strengths_do_not_exist(strength: int) -> None:
    with pytest.raises(ValueError, match="strength"):
        corrupt(scene(8, 8), "blur", strength)


def test_other_names_do_not_exist() -> None:
    with pytest.raises(ValueError, match="fog"):
        corrupt(scene(8, 8), "fog", 1)


def test_shrunk_makes_the_short_side_so_long_and_nothing_larger() -> None:
    assert shrunk(scene(300, 400), 100).shape == (100, 133, 3)
    assert shrunk(scene(30, 40), 100).shape == (30, 40, 3)
