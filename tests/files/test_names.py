"""Names: litter, unsafe ones, equal ones, numbers."""

import pytest

from refsort.errors import UnsafeName
from refsort.names import check_class_name, check_distinct, fold, from_bytes, is_litter, numbered, show, to_bytes

LITTER = """.hidden a.jpg.part b.CRDOWNLOAD c.tmp d.jpg~ e.download f.filepart g.!ut .~lock.x# ~$letter.docx
Thumbs.db .DS_Store desktop.ini"""


@pytest.mark.parametrize("name", LITTER.split())
def test_litter_is_never_touched(name: str) -> None:
    assert is_litter(name)


@pytest.mark.parametrize("name", ["a.jpg", "part.jpg", "tmp", "~a.jpg", "thumbs.png", "-rf.jpg"])
def test_pictures_are_no_litter(name: str) -> None:
    assert not is_litter(name)


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "a\\b", "/etc", "C:\\x", "a\0b", "a\nb", "CON", "nul.txt", "Com1", "LPT¹", "x" * 256]
)
def test_unsafe_class_names_are_refused(name: str) -> None:
    with pytest.raises(UnsafeName):
        check_class_name(name)


@pytest.mark.parametrize("name", ["tuerca", "¿qué?", "Tornillo M4 (Phillips)", "console", "日本", "ñ", "a.b"])
def test_ordinary_class_names_are_fine(name: str) -> None:
    check_class_name(name)


@pytest.mark.parametrize(("one", "other"), [("Tuerca", "tuerca"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "straße")])
def test_names_that_some_system_takes_for_one_are_refused(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    with pytest.raises(UnsafeName, match="same name"):
        check_distinct([one, other])


@pytest.mark.parametrize(
    ("name", "number", "stem", "expected"),
    [
        ("photo.jpg", 1, None, "photo.jpg"),
        ("photo.jpg", 2, None, "photo_2.jpg"),
        ("photo", 3, None, "photo_3"),
        ("photo.jpg.xmp", 2, "photo", "photo_2.jpg.xmp"),
        ("a.b.jpg", 2, "a.b", "a.b_2.jpg"),
    ],
)
def test_numbers_go_behind_the_stem(name: str, number: int, stem: str | None, expected: str) -> None:
    assert numbered(name, number, stem) == expected


@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "ñ" * 125 + ".jpg", "日" * 84 + ".j", "🐈" * 63])
def test_a_number_keeps_a_long_name_within_the_limit_and_whole_characters(name: str) -> None:
    longer = numbered(name, 1234)
    assert len(to_bytes(longer)) <= 255
    assert "_1234" in longer
    longer.encode("utf-8")


def test_bytes_that_are_no_utf8_survive_and_are_shown_escaped() -> None:
    raw = b"foto_\xff\n.jpg"
    assert to_bytes(from_bytes(raw)) == raw
    assert show(from_bytes(raw)) == "foto_\\udcff\\n.jpg"
