"""The folder contract: what is read, what is passed over, what is refused before anything is touched."""

import os
from pathlib import Path

import pytest

from refsort.errors import DatasetError, EmptyClass, UnsafeName
from tests.files.helpers import dataset_of


def test_arrivals_are_found_in_sub_folders_in_a_fixed_order(tmp_path: Path) -> None:
    images = {"b.jpg": b"", "a": {"z.jpg": b"", "deep": {"y.jpg": b""}}, "A.jpg": b""}
    data = dataset_of(tmp_path / "D", {"Images": images})  # type: ignore[dict-item]
    assert [g.path for g in data.arrivals().groups()] == [
        "Images/A.jpg",
        "Images/b.jpg",
        "Images/a/z.jpg",
        "Images/a/deep/y.jpg",
    ]


def test_litter_is_not_even_mentioned(tmp_path: Path) -> None:
    images = {".hidden.jpg": b"", "x.part": b"", "Thumbs.db": b"", "@eaDir": {"x.jpg": b""}, ".git": {"y.jpg": b""}}
    found = dataset_of(tmp_path / "D", {"Images": images}).arrivals()  # type: ignore[dict-item]
    assert ([*found.groups()], found.skipped) == ([], [])


def test_links_and_pipes_are_reported_and_never_followed(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.jpg").write_bytes(b"")
    data.path("Images/folder").symlink_to(tmp_path / "outside")
    data.path("Images/file.jpg").symlink_to(tmp_path / "outside" / "x.jpg")
    data.path("Images/broken.jpg").symlink_to("nowhere")
    os.mkfifo(data.path("Images/pipe.jpg"))
    found = data.arrivals()
    assert [*found.groups()] == []
    assert {path: reason.split(":")[0] for path, reason in found.skipped} == {
        "Images/folder": "symbolic link",
        "Images/file.jpg": "symbolic link",
        "Images/broken.jpg": "symbolic link",
        "Images/pipe.jpg": "named pipe",
    }


def test_a_class_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Clases": {"a": {"r.jpg": b""}}})
    (tmp_path / "outside").mkdir()
    data.path("Clases/b").symlink_to(tmp_path / "outside")
    with pytest.raises(DatasetError, match="link out of the dataset"):
        data.classes()


@pytest.mark.parametrize(("one", "other"), [("Tuerca", "tuerca"), ("caf\u00e9", "cafe\u0301")])
def test_classes_that_some_system_takes_for_one_are_refused(tmp_path: Path, one: str, other: str) -> None:
    data = dataset_of(tmp_path / "D", {"Clases": {one: {"r.jpg": b""}, other: {"r.jpg": b""}}})
    with pytest.raises(UnsafeName):
        data.classes()


def test_reserved_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeName, match="Windows"):
        dataset_of(tmp_path / "D", {"Clases": {"aux": {"r.jpg": b""}}}).classes()


def test_references_are_files_of_the_class_folder(tmp_path: Path) -> None:
    inside = {"b.jpg": b"", "a.jpg": b"", ".x": b"", "phrases.txt": b"", "more": {"c.jpg": b""}}
    data = dataset_of(tmp_path / "D", {"Clases": {"a": inside, "empty": {}}})  # type: ignore[dict-item]
    assert data.references("a") == ["Clases/a/a.jpg", "Clases/a/b.jpg"]
    with pytest.raises(EmptyClass, match="empty"):
        data.references("empty")


def test_a_missing_dataset_names_its_neighbours(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "Tornillos", {})
    data.root = tmp_path / "Tornilos"
    with pytest.raises(DatasetError, match="there are: Tornillos"):
        data.check()


def test_a_file_where_a_class_folder_should_be_is_refused(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Clases": {"a": {"r.jpg": b""}}, "Dataset": {"a": b"a file"}})
    with pytest.raises(DatasetError, match="no folder"):
        data.classes()
