"""Small pictures for the page, made by us: upright, bounded, and without a word of what the camera wrote down."""

import hashlib
import io
import os
import threading
from collections import OrderedDict
from pathlib import Path

from refsort.config import Config
from refsort.errors import BadPicture
from refsort.files.identity import from_result, open_regular
from refsort.images import read_picture

SIDES = (160, 320, 1600)
"""Pixels of the longer side: in a grid, one by one, and to look closely."""
QUALITY = {160: 75, 320: 80, 1600: 88}
KEPT_BYTES = 64_000_000


class Thumbnails:
    """Those made last are kept in memory."""

    def __init__(self, config: Config) -> None:
        self.max_pixels, self.max_bytes = config.max_pixels, config.max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[str, bytes]] = OrderedDict()
        self._size = 0

    def get(self, path: Path, side: int) -> tuple[str, bytes]:
        """(entity tag, JPEG). Raises OSError if it can't be read or is no regular file, BadPicture."""
        with os.fdopen(open_regular(path), "rb") as file:
            stat = from_result(os.fstat(file.fileno()))
            tag = hashlib.sha256(f"{stat.dev}/{stat.ino}/{stat.size}/{stat.mtime_ns}/{side}".encode()).hexdigest()[:20]
            with self._lock:
                known = self._kept.get((str(path), side))
                if known is not None and known[0] == tag:
                    self._kept.move_to_end((str(path), side))
                    return known
            if stat.size > self.max_bytes:
                raise BadPicture("larger than max_bytes")
            data = file.read()
        made = tag, jpeg(data, side, self.max_pixels)
        self._keep((str(path), side), made)
        return made

    def _keep(self, key: tuple[str, int], made: tuple[str, bytes]) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            self._size += len(made[1]) - (0 if old is None else len(old[1]))
            self._kept[key] = made
            while self._size > KEPT_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1][1])


def jpeg(data: bytes, side: int, max_pixels: int) -> bytes:
    """A picture's bytes as a new JPEG, its longer side at most `side` pixels. Raises BadPicture."""
    from PIL import Image

    image = Image.fromarray(read_picture(data, side=side, max_pixels=max_pixels))
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY.get(side, 80))
    return buffer.getvalue()
