"""HEIF and AVIF before decoding: is all of the coded data there? (ISO/IEC 14496-12, 8.11; ISO/IEC 23008-12)."""

from collections.abc import Iterator
from dataclasses import dataclass

from refsort.images.boxes import boxes
from refsort.images.header import check_filled

_PICTURES = frozenset((b"hvc1", b"av01"))
_IN_FILE = 0
"""Construction method of data that lies at a place in the file."""


@dataclass
class _Fields:
    """Big-endian numbers, read one after the other; beyond the end they are 0."""

    data: bytes
    at: int

    def number(self, width: int) -> int:
        self.at += width
        return int.from_bytes(self.data[self.at - width : self.at], "big")


def check_heif(kind: str, data: bytes) -> None:
    """Raise BadPicture if a box ends behind the file, or a coded picture in the zeros of an unfinished copy.

    Decoders don't see the zeros: what is missing becomes grey or green. Anything else is left to them.
    """
    for name, start, end in boxes(kind, data, 0, len(data)):
        if name != b"meta":
            continue
        types: dict[int, bytes] = {}
        extents: list[tuple[int, int, int]] = []
        for inner, at, stop in boxes(kind, data, start + 4, end):  # 4: version and flags
            if inner == b"iinf":
                types = dict(_item_types(kind, data, at, stop))
            elif inner == b"iloc":
                extents = list(_extents(data[at:stop]))
        for item, at, length in extents:
            if types.get(item) in _PICTURES:
                check_filled(kind, data, at, at + length, 0.02)


def _item_types(kind: str, data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Identifier and type of each item."""
    for name, start, _ in boxes(kind, data, at + (6 if data[at] == 0 else 8), end):
        fields = _Fields(data, start)
        version = fields.number(4) >> 24
        if name == b"infe" and version >= 2:
            item = fields.number(2 if version == 2 else 4)
            yield item, data[fields.at + 2 : fields.at + 6]


def _extents(box: bytes) -> Iterator[tuple[int, int, int]]:
    """Item, position and length of each piece of data that lies in the file."""
    fields = _Fields(box, 0)
    version = fields.number(4) >> 24
    sizes, more = fields.number(1), fields.number(1)
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15
    for _ in range(fields.number(2 if version < 2 else 4)):
        item = fields.number(2 if version < 2 else 4)
        method = fields.number(2) & 15 if version else _IN_FILE
        fields.number(2)  # which file
        base = fields.number(base_size)
        for _ in range(fields.number(2)):
            fields.number(index_size if version else 0)
            offset, length = fields.number(offset_size), fields.number(length_size)
            if method == _IN_FILE and length:
                yield item, base + offset, length
        if fields.at > len(box):
            return
