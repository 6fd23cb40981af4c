"""Writes a battery of odd-but-valid and bad picture files, all made from one synthetic picture."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tests.images.scene import Scene


@dataclass(frozen=True)
class Row:
    """One file of the battery and what is to become of it."""

    name: str
    why: str
    tolerance: float | None = None
    """Largest mean absolute difference from the picture, 0..255; None: the file is to be refused."""
    grey: bool = False
    """Compare in grey: the file holds no colour."""
    reason: str = ""
    """Words that the reason of a refusal must hold."""


class Folder:
    """Collects files and rows."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, list[Row]()

    def good(self, name: str, data: bytes, why: str, tolerance: float, grey: bool = False) -> None:
        (self.path / name).write_bytes(data)
        self.rows.append(Row(name, why, tolerance, grey))

    def bad(self, name: str, data: bytes, why: str, reason: str) -> None:
        (self.path / name).write_bytes(data)
        self.rows.append(Row(name, why, reason=reason))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    return encoded(image, "JPEG", **{"quality": 92, "subsampling": 0} | options)


def heic(image: Image.Image, orientation: int = 1, **options: Any) -> bytes:
    """HEIC; the orientation becomes a box of its own and, as phones do it, also an EXIF tag."""
    from pillow_heif import from_pillow

    from tests.images.scene import exif, stored

    out = BytesIO()
    extra: dict[str, Any] = {"exif": exif(orientation)} if orientation != 1 else {}
    from_pillow(stored(image, orientation)).save(out, format="HEIF", quality=85, **extra | options)
    return out.getvalue()


def make_battery(folder: Path) -> list[Row]:
    """Write all files into an existing folder."""
    from tests.images.make_bad import write_bad
    from tests.images.make_good import write_good
    from tests.images.make_jpeg import write_jpeg

    files, scene = Folder(folder), Scene()
    write_jpeg(files, scene)
    write_good(files, scene)
    write_bad(files, scene)
    return files.rows
