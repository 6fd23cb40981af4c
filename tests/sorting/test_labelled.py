"""Which sub-folder is which class, and what is said about the others."""

import os
from pathlib import Path

import pytest

from refsort.decide.evaluate import NONE
from refsort.errors import DatasetError
from refsort.sorting.labelled import list_labelled
from tests.trees import make

CLASSES = ["Café", "gato", "perro"]
"""The first with a composed é, which macOS would write as two characters."""


def test_names_are_compared_as_file_systems_do(tmp_path: Path) -> None:
    make(tmp_path, {"cafe\u0301": {"1.jpg": b"x"}, "PERRO": {"deep": {"2.jpg": b"x"}}, "otro": {"3.jpg": b"x"}})
    found = list_labelled(tmp_path, CLASSES, strict=False)
    names = [os.path.relpath(path, tmp_path.resolve()) for path in found.paths]
    assert dict(zip(names, found.labels, strict=True)) == {
        os.path.join("cafe\u0301", "1.jpg"): 0,  # noqa: PTH118
        os.path.join("PERRO", "deep", "2.jpg"): 2,  # noqa: PTH118
        os.path.join("otro", "3.jpg"): NONE,  # noqa: PTH118
    }
    assert any("no labelled pictures of gato" in note for note in found.notes)


def test_litter_and_links_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, {"gato": {"1.jpg": b"x", ".hidden.jpg": b"x", "a.part": b"x"}, ".refsort": {"2.jpg": b"x"}})
    outside = make(tmp_path.parent / "outside", {"4.jpg": b"x"})
    (tmp_path / "perro").symlink_to(outside)
    found = list_labelled(tmp_path, CLASSES, strict=False)
    assert [Path(path).name for path in found.paths] == ["1.jpg"]


def test_a_slip_of_the_pen_is_pointed_out(tmp_path: Path) -> None:
    make(tmp_path, {"gato": {"1.jpg": b"x"}, "perros": {"2.jpg": b"x"}, "xyz": {"3.jpg": b"x"}, "loose.jpg": b"x"})
    notes = list_labelled(tmp_path, CLASSES, strict=False).notes
    assert any("perros" in note and "did you mean perro?" in note for note in notes)
    assert not any("xyz" in note for note in notes)
    assert any(note.endswith("in no sub-folder: 1") for note in notes)
    with pytest.raises(DatasetError, match="did you mean perro"):
        list_labelled(tmp_path, CLASSES, strict=True)


def test_a_class_that_is_there_was_not_meant(tmp_path: Path) -> None:
    make(tmp_path, {name: {"1.jpg": b"x"} for name in (*CLASSES, "perros")})
    assert list_labelled(tmp_path, CLASSES, strict=False).notes == []


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, "holds no pictures"),
        ({"gato": {}}, "holds no pictures"),
        ({"gato": {}, "xyz": {"1.jpg": b"x"}}, "no class in common"),
        ({"1.jpg": b"x"}, "holds no pictures"),
    ],
)
def test_folders_that_say_nothing_are_refused(tmp_path: Path, tree: dict[str, bytes], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        list_labelled(make(tmp_path / "labelled", tree), CLASSES, strict=False)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no folder"):
        list_labelled(tmp_path / "nowhere", CLASSES, strict=False)
