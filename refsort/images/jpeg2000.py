"""JPEG 2000 before decoding: boxes, size, colours (ITU-T T.800, annexes A and I)."""

from refsort.errors import BadPicture
from refsort.images.boxes import boxes
from refsort.images.header import Checked, check_content, check_size, cut_short, damaged

MAX_TILES = 16_384
"""The decoder sets up some kilobytes for each tile before it looks at any."""

_KIND = "JPEG 2000"
_SOC_SIZ = b"\xff\x4f\xff\x51"  # start of the code stream and of its first segment
_RESTRICTED_PROFILE, _ANY_PROFILE = 2, 3


def check_jpeg2000(data: bytes, max_pixels: int) -> Checked:
    """Size in the code stream, which the boxes around it may contradict; ICC profile, which Pillow passes over."""
    start, end, profile = 0, len(data), None
    if not data.startswith(_SOC_SIZ):
        for kind, start, end in boxes(_KIND, data, 0, len(data)):
            if kind == b"jp2h":
                profile = _profile(data, start, end)
            if kind == b"jp2c":
                break
        else:
            cut_short(_KIND)
    if data[start : start + 4] != _SOC_SIZ:
        damaged(_KIND, "no size")
    _check_size(data[start + 4 : start + 40], max_pixels, end - start)
    return Checked(data, profile=profile)


def _profile(data: bytes, start: int, end: int) -> bytes | None:
    """ICC profile of the colour specification box, if it has one."""
    for kind, at, stop in boxes(_KIND, data, start, end):
        if kind == b"colr" and data[at] in (_RESTRICTED_PROFILE, _ANY_PROFILE):
            return data[at + 3 : stop]
    return None


def _check_size(siz: bytes, max_pixels: int, length: int) -> None:
    if len(siz) < 36:
        cut_short(_KIND)
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = (
        int.from_bytes(siz[at : at + 4], "big") for at in range(4, 36, 4)
    )
    check_size(_KIND, right - left, bottom - top, max_pixels)
    check_content(_KIND, right - left, bottom - top, length)
    if not tile_width or not tile_height or tile_left > left or tile_top > top:
        damaged(_KIND, "tiles without a size")
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > MAX_TILES:
        raise BadPicture(f"{_KIND}: {tiles} tiles")
