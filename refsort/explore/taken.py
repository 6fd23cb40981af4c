"""When a picture was taken: its EXIF date, else the time of the file."""

import io
from datetime import UTC, datetime

EXIF_FOLDER, ORIGINAL, CHANGED = 0x8769, 0x9003, 0x0132
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "MPO")
HEAD_BYTES = 1 << 18
"""Bytes from a file's start in which the date stands, if it has one; more is not read."""


def taken(head: bytes, mtime_ns: int) -> float:
    """Seconds since 1970, from the beginning of a file. EXIF knows no time zone: its date is taken as UTC."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(head), formats=FORMATS) as image:
            exif = image.getexif()
            text = exif.get_ifd(EXIF_FOLDER).get(ORIGINAL) or exif.get(CHANGED)
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except Exception:  # noqa: BLE001  (whatever a broken header makes of Pillow, the file has a time)
        return mtime_ns / 1e9
