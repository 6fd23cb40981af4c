"""TIFF before decoding: the first directory and where its strips or tiles lie (TIFF 6.0; BigTIFF)."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from refsort.errors import BadPicture
from refsort.images.header import Checked, check_size, cut_short, damaged

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_UNCOMPRESSED, _WHITE_IS_ZERO = 1, 0
_INTEGER_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  # BYTE, SHORT, LONG, LONG8
_TILE_MARGIN = 4096
"""Pixels by which a tile may be larger than its picture; more is memory asked for nothing."""


@dataclass(frozen=True)
class CheckedTiff(Checked):
    """As Checked, and what Pillow does not tell about 16-bit grey."""

    white: int = 65535
    """The sample that stands for white."""
    inverted: bool = False
    """Whether 0 means white."""


@dataclass
class _Directory:
    data: bytes
    order: Literal["little", "big"]
    word: int
    """Bytes of an offset: 4, in BigTIFF 8."""
    entries: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Tag → type, count and position of its values."""

    def number(self, at: int, width: int) -> int:
        return int.from_bytes(self.data[at : at + width], self.order)

    def values(self, tag: int) -> NDArray[np.uint64]:
        """All integers of a tag, [n]; empty if the tag is missing. Raises BadPicture if they lie outside the file."""
        if tag not in self.entries:
            return np.empty(0, np.uint64)
        kind, count, at = self.entries[tag]
        width = _INTEGER_SIZES.get(kind)
        if width is None:
            damaged("TIFF", f"tag {tag} is no number")
        if at + count * width > len(self.data):
            cut_short("TIFF")
        dtype = np.dtype(f"{'<' if self.order == 'little' else '>'}u{width}")
        return np.frombuffer(self.data, dtype, count, at).astype(np.uint64)

    def first(self, tag: int, default: int) -> int:
        found = self.values(tag)
        return int(found[0]) if len(found) else default


def check_tiff(data: bytes, max_pixels: int) -> CheckedTiff:
    """Size of the first picture, and whether what it is made of lies inside the file."""
    directory = _first_directory(data)
    width, height = directory.first(_WIDTH, 0), directory.first(_HEIGHT, 0)
    check_size("TIFF", width, height, max_pixels)
    tiled = _TILE_OFFSETS in directory.entries
    if tiled:
        _check_tiles(directory, width, height)
    offsets = directory.values(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    lengths = directory.values(_TILE_BYTES if tiled else _STRIP_BYTES)
    bits = directory.values(_BITS)
    if directory.first(_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED:
        lengths = lengths[:0]  # often wrong, and not needed: the size says how much there must be
        sample_bits = int(bits[0]) if len(bits) else 1
        row = -(-width * sample_bits * directory.first(_SAMPLES, 1) // 8)
        if row * height > len(data):
            cut_short("TIFF")
    ends = offsets[: len(lengths)] + lengths[: len(offsets)] if len(lengths) else offsets
    if len(ends) and int(ends.max()) > len(data):
        cut_short("TIFF")
    return CheckedTiff(
        data,
        white=4095 if len(bits) and bits[0] == 12 else 65535,
        inverted=directory.first(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO,
    )


def _check_tiles(directory: _Directory, width: int, height: int) -> None:
    tile = directory.first(_TILE_WIDTH, 0), directory.first(_TILE_HEIGHT, 0)
    if not 0 < tile[0] <= width + _TILE_MARGIN or not 0 < tile[1] <= height + _TILE_MARGIN:
        damaged("TIFF", f"tiles of {tile[0]} x {tile[1]} pixels")


def _first_directory(data: bytes) -> _Directory:
    """Entries of the first image file directory; later ones are other pages."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    big = int.from_bytes(data[2:4], order) == 43
    directory = _Directory(data, order, 8 if big else 4)
    word = directory.word
    start = directory.number(8 if big else 4, word)
    counter = 8 if big else 2
    size = 4 + 2 * word  # of one entry: tag, type, count, value or offset
    entries = directory.number(start, counter)
    if start + counter + entries * size > len(data):
        cut_short("TIFF")
    if entries > 4096:
        raise BadPicture(f"TIFF: a directory of {entries} entries")
    for at in range(start + counter, start + counter + entries * size, size):
        kind, count = directory.number(at + 2, 2), directory.number(at + 4, word)
        where = at + 4 + word
        if count * _INTEGER_SIZES.get(kind, 1) > word:
            where = directory.number(where, word)
        directory.entries[directory.number(at, 2)] = (kind, count, where)
    return directory
