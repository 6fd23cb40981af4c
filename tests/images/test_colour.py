"""Single samples, checked exactly."""

import zlib

import numpy as np
import pytest
from PIL import Image

from refsort.images import read_picture
from tests.images.make import encoded
from tests.images.make_good import chunk, grey_tiff_entries, png, png_head, tiff

WHITE = [255, 255, 255]


def one_row(data: bytes) -> list[list[int]]:
    """Pixels of a picture of one row."""
    picture = read_picture(data)
    assert picture.shape[0] == 1
    return [list(map(int, pixel)) for pixel in picture[0]]


@pytest.mark.parametrize(("depth", "packed", "grey"), [(2, 0b00_01_10_11, [0, 255, 170, 255]), (4, 0x0_1, [0, 255])])
def test_transparent_grey_of_few_bits(depth: int, packed: int, grey: list[int]) -> None:
    """Sample 1 is the transparent one."""
    body = chunk(b"tRNS", b"\0\1") + chunk(b"IDAT", zlib.compress(bytes([0, packed]))) + chunk(b"IEND", b"")
    assert one_row(png_head(len(grey), 1, depth, 0) + body) == [[v, v, v] for v in grey]


def test_half_transparent_black_is_grey() -> None:
    assert one_row(png(np.array([[[0, 0, 0, 128]]], np.uint8), 6)) == [[127, 127, 127]]
    assert one_row(png(np.array([[[0, 0]]], np.uint8), 4)) == [WHITE]


def test_sixteen_bits_are_scaled() -> None:
    samples = np.array([[[0], [257], [128 * 257], [65535]]], np.uint16)
    assert one_row(png(samples, 0)) == [[0, 0, 0], [1, 1, 1], [128, 128, 128], WHITE]


def test_twelve_bits_in_a_tiff() -> None:
    """Two samples in three bytes."""
    entries = grey_tiff_entries(2, 1, bits=12, length=3)
    assert one_row(tiff(entries, b"\xff\xf8\x00")) == [WHITE, [128, 128, 128]]


@pytest.mark.parametrize(("top", "expected"), [(1.0, 128), (255.0, 128), (1000.0, 128)])
def test_floats_are_scaled_to_what_they_hold(top: float, expected: int) -> None:
    values = np.array([[0, top / 2, top, np.nan]], np.float32)
    grey = [row[0] for row in one_row(encoded(Image.fromarray(values), "TIFF"))]
    white = 255 if top <= 255 else round(255 * top / 65535)
    half = expected if top <= 255 else round(255 * top / 2 / 65535)
    assert grey == [0, half, white, 0]
