"""PBM, PGM and PPM, plain and raw (Netpbm's format pages).

Pillow decodes some of them one sample at a time in Python; numpy takes a hundredth of that.
"""

import re

import numpy as np
from numpy.typing import NDArray

from refsort.images.header import check_size, cut_short, damaged

_KIND = "PPM"
_BLACK, _WHITE = np.uint8(0), np.uint8(255)
_SPACE = rb"(?:[ \t-\r]|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([1-6])" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})")
_MAXIMUM = re.compile(_SPACE + rb"(\d{1,5})")
_COMMENT = re.compile(rb"#[^\r\n]*")


def read_netpbm(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Samples scaled to 0..255: [H, W] for bitmaps and grey, [H, W, 3] for colour.

    Raises BadPicture for a size above max_pixels and for samples that are missing or no numbers.
    """
    header = _HEADER.match(data)
    if header is None:
        damaged(_KIND, "no size")
    variant, width, height = (int(group) for group in header.groups())
    check_size(_KIND, width, height, max_pixels)
    shape = (height, width, 3) if variant in (3, 6) else (height, width)
    at, largest = header.end(), 1
    if variant not in (1, 4):
        maximum = _MAXIMUM.match(data, at)
        largest = int(maximum[1]) if maximum else 0
        if maximum is None or not 0 < largest < 65536:
            damaged(_KIND, "no largest sample")
        at = maximum.end()
    if variant == 4:
        return _bits(data, at + 1, height, width)
    count = int(np.prod(shape))
    if variant == 1:
        return _digits(data[at:], count).reshape(shape)
    samples = _plain(data[at:], count) if variant < 4 else _raw(data, at + 1, count, largest)
    return _scale(largest)[np.minimum(samples, largest)].reshape(shape)


def _scale(largest: int) -> NDArray[np.uint8]:
    """Table of the 8-bit value of each sample 0..largest."""
    values = np.arange(largest + 1, dtype=np.int64)
    return ((values * 255 + largest // 2) // largest).astype(np.uint8)


def _bits(data: bytes, at: int, height: int, width: int) -> NDArray[np.uint8]:
    row = -(-width // 8)
    if at + row * height > len(data):
        cut_short(_KIND)
    packed = np.frombuffer(data, np.uint8, row * height, at).reshape(height, row)
    return np.where(np.unpackbits(packed, axis=1)[:, :width], _BLACK, _WHITE)


def _digits(body: bytes, count: int) -> NDArray[np.uint8]:
    """Plain bitmap: every 0 or 1 is a pixel, with or without spaces."""
    found = _COMMENT.sub(b" ", body).translate(None, b" \t\n\v\f\r")[:count]
    if found.translate(None, b"01"):
        damaged(_KIND, "a pixel that is neither 0 nor 1")
    if len(found) < count:
        cut_short(_KIND)
    return np.where(np.frombuffer(found, np.uint8) == ord("1"), _BLACK, _WHITE)


def _plain(body: bytes, count: int) -> NDArray[np.int64]:
    """Samples written as decimal numbers."""
    text = _COMMENT.sub(b" ", body) if b"#" in body else body
    if text.translate(None, b"0123456789 \t\n\v\f\r"):
        damaged(_KIND, "a sample that is no number")
    samples = np.fromstring(text, dtype=np.int64, sep=" ")[:count] if text.strip() else np.empty(0, np.int64)
    if len(samples) < count:
        cut_short(_KIND)
    return samples


def _raw(data: bytes, at: int, count: int, largest: int) -> NDArray[np.uint16]:
    """Samples of one byte, or of two with the high one first."""
    width = 1 if largest < 256 else 2
    if at + count * width > len(data):
        cut_short(_KIND)
    return np.frombuffer(data, ">u1" if width == 1 else ">u2", count, at).astype(np.uint16, copy=False)
