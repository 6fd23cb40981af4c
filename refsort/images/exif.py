"""The one thing that is needed from EXIF: which way up the picture is."""

from typing import Literal

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_ENTRY = 12


def orientation(block: bytes) -> int:
    """Orientation 1 to 8 (TIFF 6.0, section 8) of an EXIF block; 1 where it says nothing usable.

    Never raises: broken EXIF is no reason to lose a picture. Only the first directory is looked at.
    """
    tiff = block[6:] if block[:6] == b"Exif\0\0" else block
    order: Literal["little", "big"]
    if tiff[:4] == b"II*\0":
        order = "little"
    elif tiff[:4] == b"MM\0*":
        order = "big"
    else:
        return 1
    start = int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[start : start + 2], order)
    first = start + 2
    for at in range(first, min(first + _ENTRY * entries, len(tiff) - _ENTRY + 1), _ENTRY):
        if int.from_bytes(tiff[at : at + 2], order) != _ORIENTATION:
            continue
        width = {_SHORT: 2, _LONG: 4}.get(int.from_bytes(tiff[at + 2 : at + 4], order), 0)
        value = int.from_bytes(tiff[at + 8 : at + 8 + width], order)
        return value if 1 <= value <= 8 else 1
    return 1
