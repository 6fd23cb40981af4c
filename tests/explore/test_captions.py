"""Captions files as they come."""

from pathlib import Path

import pytest

from refsort.explore.captions import match, parse, sidecar, sidecar_captions


@pytest.mark.parametrize("head", ["", "image,caption\n", "\ufeffimage,caption\r\n", "image_name, comment\n"])
def test_flickr8k(head: str) -> None:
    text = (
        head
        + 'a.jpg,A dog, a cat and a child .\na.jpg,"quoted ""so"""\n\nno caption,\n,no name\nñandú 🐦.jpg,un ñandú\n'
    )
    assert parse(text) == [
        ("a.jpg", "A dog, a cat and a child ."),
        ("a.jpg", 'quoted "so"'),
        ("ñandú 🐦.jpg", "un ñandú"),
    ]


def test_the_older_layout() -> None:
    assert parse("a.jpg#0\tA dog, running\na.jpg#1\tA cat") == [("a.jpg", "A dog, running"), ("a.jpg", "A cat")]


def test_a_picture_is_known_by_its_path_or_by_a_name_that_only_it_has() -> None:
    entries = [("a.jpg", "1"), ("b.jpg", "2"), ("x/b.jpg", "3"), (".\\y\\b.jpg", "4"), ("gone.jpg", "5")]
    pictures = ["images/a.jpg", "x/b.jpg", "y/b.jpg"]
    assert list(match(entries, pictures)) == [("images/a.jpg", "1"), ("x/b.jpg", "3"), ("y/b.jpg", "4")]


def test_sidecars(tmp_path: Path) -> None:
    (tmp_path / "beach.txt").write_text("\ufeffthe sea\n\nthe sea\nel mar\n")
    (tmp_path / "dog.jpg.txt").write_text("a dog")
    (tmp_path / "phrases.txt").write_text("not a caption")
    found = sidecar(tmp_path, "beach.jpg")
    assert found is not None
    assert sidecar_captions(found[0].read_text()) == ["the sea", "el mar"]
    assert sidecar(tmp_path, "dog.jpg") is not None
    assert sidecar(tmp_path, "phrases.jpg") is None
    assert sidecar(tmp_path, "cat.jpg") is None
