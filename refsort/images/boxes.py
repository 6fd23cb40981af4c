"""Boxes of the ISO base media format, of which HEIF, AVIF and JPEG 2000 files are made (ISO/IEC 14496-12, 4.2)."""

from collections.abc import Iterator

from refsort.images.header import cut_short

_ESSENTIAL = frozenset((b"meta", b"mdat", b"moov", b"jp2h", b"jp2c"))


def boxes(kind: str, data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the contents of each box in data[at:end].

    Raises BadPicture if a box that the picture needs goes beyond the end. Anything else that is no box ends the walk:
    some programs append bytes of their own.
    """
    while at + 8 <= end:
        length, head = int.from_bytes(data[at : at + 4], "big"), 8
        name = data[at + 4 : at + 8]
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        stop = end if length == 0 else at + length
        if stop > end or stop < at + head:
            if name in _ESSENTIAL:
                cut_short(kind)
            return
        yield name, at + head, stop
        at = stop
