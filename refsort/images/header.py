"""What every check before decoding shares, and the checks of the formats that need only a few lines.

A check reads headers, never pixels. It raises BadPicture for what must not reach a decoder: too many pixels, a file
that ends too early, lengths that can't be true.
"""

from dataclasses import dataclass
from typing import NoReturn

from refsort.errors import BadPicture

_WEBP_PICTURES = frozenset((b"VP8 ", b"VP8L", b"ANMF"))
LARGE = 25_000_000
"""Pixels up to which any file may claim its size."""
PIXELS_PER_BYTE = 2_000
"""Above that: photographs have less than 200, even at the worst quality."""


@dataclass(frozen=True)
class Checked:
    """A file that may be decoded."""

    data: bytes
    """What the decoder is to be given: the file without the parts that no decoder needs to see."""
    orientation: int = 1
    """As in EXIF, 1 to 8."""
    profile: bytes | None = None
    """ICC profile, where the check came across it."""


def cut_short(kind: str) -> NoReturn:
    """Raise BadPicture for a file that ends too early."""
    raise BadPicture(f"{kind}: the file is cut short")


def damaged(kind: str, what: str) -> NoReturn:
    """Raise BadPicture for data that contradicts itself."""
    raise BadPicture(f"{kind}: the file is damaged ({what})")


def check_size(kind: str, width: int, height: int, max_pixels: int) -> None:
    """Raise BadPicture unless 1 <= width x height <= max_pixels."""
    if width < 1 or height < 1:
        damaged(kind, f"a size of {width} x {height} pixels")
    if width * height > max_pixels:
        raise BadPicture(f"{kind}: {width} x {height} pixels are more than the {max_pixels:,} allowed (max_pixels)")


def check_content(kind: str, width: int, height: int, length: int) -> None:
    """Raise BadPicture for a large picture in next to no bytes: whatever it says, it is no photograph.

    For formats in which a decoder happily fills gigabytes out of a damaged or made-up header. A blank page is denser.
    """
    if width * height > LARGE and width * height > PIXELS_PER_BYTE * length:
        raise BadPicture(f"{kind}: {width} x {height} pixels can't come from {length:,} bytes")


def check_filled(kind: str, data: bytes, start: int, end: int, share: float) -> None:
    """Raise BadPicture if compressed data ends in zeros: a copy that reserved its space and was never finished.

    Decoders make a picture of zeros too. share: the part of data[start:end] that may be zeros at its end.
    """
    zeros = max(64, round((end - start) * share))
    if end - start >= zeros and not any(data[end - zeros : end]):
        cut_short(kind)


def check_webp(data: bytes, max_pixels: int) -> Checked:
    """Lengths of the RIFF chunks and size of the canvas (RFC 9649, section 2)."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        cut_short("WebP")
    at = 12
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            damaged("WebP", "a part is larger than the whole")
        if data[at : at + 4] in _WEBP_PICTURES:
            check_filled("WebP", data, at + 8, at + 8 + length, 0.1)  # a picture of one colour has a twentieth
        at += 8 + length + length % 2
    width, height = _webp_canvas(data)
    check_size("WebP", width, height, max_pixels)
    check_content("WebP", width, height, end)
    return Checked(data[:end])


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, by the first chunk."""
    first, body = data[12:16], data[20:30]
    if first == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if first == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if first == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    damaged("WebP", "no size")


def check_tga(data: bytes, max_pixels: int) -> Checked:
    """Size, and whether the file is long enough for it: the only evidence of a format without a signature."""
    image_type, depth = data[2], data[16]
    width, height = int.from_bytes(data[12:14], "little"), int.from_bytes(data[14:16], "little")
    map_bytes = int.from_bytes(data[5:7], "little") * data[7] // 8
    pixel = depth // 8
    pixels = width * height
    least = -(-pixels // 128) * (1 + pixel) if image_type >= 9 else pixels * pixel
    if len(data) < 18 + data[0] + map_bytes + least:
        raise BadPicture("not a picture in a format that can be read (or a TGA that is cut short)")
    check_size("TGA", width, height, max_pixels)
    return Checked(data)


def best_icon(data: bytes) -> bytes:
    """The ICO file with only its largest, deepest picture left.

    Raises BadPicture where the directory points outside the file.
    """
    count = int.from_bytes(data[4:6], "little")
    entries = [data[at : at + 16] for at in range(6, 6 + 16 * count, 16) if at + 16 <= len(data)]
    if len(entries) < count:
        cut_short("ICO")
    best = max(entries, key=lambda e: ((e[0] or 256) * (e[1] or 256), int.from_bytes(e[6:8], "little")))
    size, start = int.from_bytes(best[8:12], "little"), int.from_bytes(best[12:16], "little")
    if start + size > len(data) or size < 40:
        cut_short("ICO")
    moved = best[:12] + (22).to_bytes(4, "little")
    return b"\0\0\1\0\1\0" + moved + data[start : start + size]
