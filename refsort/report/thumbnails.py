"""Small pictures that live inside a page."""

import base64
import io
from pathlib import Path

from refsort.errors import BadPicture
from refsort.images import read_picture


def thumbnail(path: Path, side: int, max_pixels: int) -> str:
    """A JPEG as a data URL, `side` pixels high and at most twice as wide; empty if there is no readable picture."""
    from PIL import Image

    try:
        rgb = read_picture(path.read_bytes(), side=side, max_pixels=max_pixels)
    except (OSError, BadPicture):
        return ""
    image = Image.fromarray(rgb)
    image.thumbnail((side * 2, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=72)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
