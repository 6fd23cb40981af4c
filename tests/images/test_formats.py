"""Formats are told by content."""

import pytest

from refsort.images import PICTURE_SUFFIXES, looks_like_picture
from tests.images.conftest import Battery

NO_PICTURES = "empty.jpg one_byte.jpg zeros.jpg text.jpg page.jpg document.jpg archive.png program.jpg video.jpg"


def test_the_first_64_bytes_of_every_good_file_look_like_a_picture(battery: Battery) -> None:
    assert [row.name for row in battery.good if not looks_like_picture(battery.read(row)[:64])] == []


def test_other_files_do_not(battery: Battery) -> None:
    for name in (*NO_PICTURES.split(), "drawing.jpg", "drawing.png", "drawing.gif", "metafile.bmp", "icon_file.ico"):
        assert not looks_like_picture((battery.folder / name).read_bytes()[:64]), name


@pytest.mark.parametrize("head", [b"BM is a brand of cars, and this is a text", b"P1 is a name", b"\0\0\1\xba" * 9])
def test_short_signatures_are_not_enough(head: bytes) -> None:
    assert not looks_like_picture(head)


def test_suffixes() -> None:
    usual = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".bmp", ".heic", ".avif", ".jp2", ".ico", ".tga"}
    assert usual < PICTURE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in PICTURE_SUFFIXES)
    assert not PICTURE_SUFFIXES & {".eps", ".ps", ".pdf", ".svg", ".wmf"}
