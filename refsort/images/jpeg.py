"""JPEG before decoding: size, orientation, completeness (ITU-T T.81, annex B).

The decoder is given only the segments that pixels depend on. Large or broken metadata never reaches it, nor do
second pictures and other bytes behind the end.
"""

import re

from refsort.errors import BadPicture
from refsort.images.exif import orientation
from refsort.images.header import Checked, check_size, cut_short, damaged

MAX_SCANS = 100
"""Each scan is a pass over all pixels; encoders write about ten. Thousands of empty ones would take minutes."""

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not a stuffed zero, a restart or a fill byte
_TEM, _SOI, _EOI, _SOS = 0x01, 0xD8, 0xD9, 0xDA
_APP1, _APP2, _COM = 0xE1, 0xE2, 0xFE
_KEPT_APPS = {0xE0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_ICC_HEAD = 14
_BITS_PER_BLOCK = {0xC0: 2, 0xC1: 2, 0xC2: 1}
"""Huffman codes have at least one bit: one for DC and, unless progressive, one for the end of the block."""
_NO_FRAMES = {0xC4, 0xC8, 0xCC}  # among C0 to CF: Huffman tables, reserved, arithmetic conditioning


def check_jpeg(data: bytes, max_pixels: int) -> Checked:
    """Walk the segments up to the end of the first picture.

    Raises BadPicture where there is no end, or less than the smallest amount of data that so many pixels can have: a
    decoder may show half a picture then.
    """
    kept, turn, least_bits = [b"\xff\xd8"], None, -1
    at, first_scan, scans = 2, 0, 0
    while True:
        marker = _MARKER.search(data, at)
        if marker is None:
            cut_short("JPEG")
        start, code = marker.start(), data[marker.end() - 1]
        if code == _EOI:
            break
        at = marker.end()
        if code in (_TEM, _SOI):
            continue
        body, at = at + 2, at + int.from_bytes(data[at : at + 2], "big")
        if at > len(data) or at < body:
            cut_short("JPEG")
        if code == _SOS:
            scans += 1
            first_scan = first_scan or start
            if scans > MAX_SCANS:
                raise BadPicture(f"JPEG: more than {MAX_SCANS} scans")
        elif 0xC0 <= code <= 0xCF and code not in _NO_FRAMES:
            least_bits = _check_frame(data[body:at], max_pixels) * _BITS_PER_BLOCK.get(code, 0)
        elif code == _APP1 and turn is None and data.startswith(b"Exif\0", body):
            turn = orientation(data[body:at])
        if not first_scan and _decoder_needs(code, data[body:at]):
            kept.append(data[start:at])
    if not first_scan or least_bits < 0:
        damaged("JPEG", "no pixels")
    if (marker.end() - first_scan) * 8 < least_bits:
        cut_short("JPEG")
    kept.append(data[first_scan : marker.end()])
    return Checked(b"".join(kept), turn or 1)


def _check_frame(body: bytes, max_pixels: int) -> int:
    """Check size and precision in a frame header; the number of blocks of 8 x 8 samples in the frame."""
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        cut_short("JPEG")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    check_size("JPEG", width, height, max_pixels)
    if body[0] != 8:
        raise BadPicture(f"JPEG: {body[0]} bits per sample; only 8 can be read")
    factors = [(body[at] >> 4, body[at] & 15) for at in range(7, 6 + 3 * body[5], 3)]
    if not factors or min(map(min, factors)) == 0:
        damaged("JPEG", "no components")
    most_across, most_down = max(h for h, _ in factors), max(v for _, v in factors)
    return sum(-(-width * h // (8 * most_across)) * -(-height * v // (8 * most_down)) for h, v in factors)


def _decoder_needs(code: int, body: bytes) -> bool:
    """Whether pixels or colours depend on this segment."""
    if 0xE0 <= code <= 0xEF:
        name = _KEPT_APPS.get(code)
        return name is not None and body.startswith(name) and (code != _APP2 or len(body) > _ICC_HEAD)
    return code != _COM
