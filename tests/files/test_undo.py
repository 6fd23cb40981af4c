"""Undo: by run, class and file; after renames; of an undo; of copies."""

import os
from pathlib import Path

import pytest

from refsort.errors import JournalError
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.undo import Undone, choose, undo
from tests.files.helpers import dataset_of, move_all
from tests.trees import contents, read


def take_back(data: Dataset, run: int | None = None, class_name: str | None = None, file: str | None = None) -> Undone:
    journal = Journal(data.state / "journal.db")
    try:
        return undo(data, journal, choose(journal, data, run, class_name, file), "test")
    finally:
        journal.close()


@pytest.mark.parametrize("action", ["move", "copy", "hardlink", "symlink"])
def test_undo_restores_and_undo_of_undo_does_it_again(tmp_path: Path, action: str) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"1", "x.xmp": b"s", "sub": {"x.jpg": b"2"}}})
    before = read(data.root)
    move_all(data, action=action)
    after = read(data.root)
    assert after != before
    first = take_back(data)
    assert (first.restored, first.left) == (3, [])
    assert read(data.root) == before
    again = take_back(data, first.run)
    assert again.left == []
    assert read(data.root) == after
    assert take_back(data).left == []
    assert read(data.root) == before
    with pytest.raises(JournalError, match="nothing to undo"):
        take_back(data)


def test_undo_without_a_run_takes_the_last_that_stands(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"one.jpg": b"1"}})
    move_all(data)
    data.path("Images/two.jpg").write_bytes(b"2")
    move_all(data)
    take_back(data)
    assert read(data.root) == {"Images": {"two.jpg": b"2"}, "Dataset": {"a": {"one.jpg": b"1"}}}
    take_back(data)
    assert read(data.root) == {"Images": {"one.jpg": b"1", "two.jpg": b"2"}}


def test_undo_of_one_class_and_of_one_file_takes_the_group(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"1", "x.xmp": b"s", "y.jpg": b"2"}})
    move_all(data)
    assert take_back(data, file="Dataset/a/x.jpg").restored == 2
    assert set(read(data.path("Images"))) == {"x.jpg", "x.xmp"}
    with pytest.raises(JournalError):
        take_back(data, class_name="b")
    assert take_back(data, class_name="a").restored == 1
    assert set(read(data.path("Images"))) == {"x.jpg", "x.xmp", "y.jpg"}


def test_a_file_renamed_or_moved_on_since_is_found_by_its_hash(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"1", "y.jpg": b"2"}})
    os.utime(data.path("Images/x.jpg"), ns=(1, 7_000_000_000))
    move_all(data)
    data.path("Dataset/b").mkdir()
    data.path("Dataset/a/x.jpg").rename(data.path("Dataset/b/renamed.jpg"))
    os.utime(data.path("Dataset/b/renamed.jpg"))
    assert take_back(data).left == []
    assert read(data.root) == {"Images": {"x.jpg": b"1", "y.jpg": b"2"}}
    assert data.path("Images/x.jpg").stat().st_mtime_ns == 7_000_000_000


def test_what_cannot_be_restored_is_listed_and_left(tmp_path: Path) -> None:
    data = dataset_of(
        tmp_path / "D", {"Images": {n: n.encode() for n in ("edited", "deleted", "occupied", "promoted")}}
    )
    move_all(data)
    data.path("Dataset/a/edited").write_bytes(b"by hand")
    data.path("Dataset/a/deleted").unlink()
    data.path("Images/occupied").write_bytes(b"a new picture")
    data.path("Clases/a").mkdir()
    data.path("Dataset/a/promoted").rename(data.path("Clases/a/promoted"))
    before = contents(data.root)
    result = take_back(data)
    assert result.restored == 0
    assert {Path(path).name: reason for path, reason in result.left} == {
        "edited": "it was changed since it was moved",
        "deleted": "it is no longer in the dataset",
        "occupied": "its name is taken by another file",
        "promoted": "it has become a reference: Clases/a/promoted",
    }
    assert contents(data.root) == before


def test_a_twin_that_was_sorted_too_is_not_taken_for_a_deleted_file(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"one.jpg": b"same", "two.jpg": b"same"}})
    move_all(data)
    data.path("Dataset/a/two.jpg").unlink()
    result = take_back(data)
    assert result.restored == 1
    assert read(data.root) == {"Images": {"one.jpg": b"same"}}


def test_a_copy_stays_when_its_original_is_gone(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"1"}})
    move_all(data, action="copy")
    data.path("Images/x.jpg").unlink()
    result = take_back(data)
    assert result.restored == 0
    assert read(data.root) == {"Dataset": {"a": {"x.jpg": b"1"}}}


def test_a_removed_sub_folder_comes_back(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"deep": {"er": {"x.jpg": b"1"}}}})
    move_all(data)
    data.path("Images/deep/er").rmdir()
    data.path("Images/deep").rmdir()
    take_back(data)
    assert read(data.root) == {"Images": {"deep": {"er": {"x.jpg": b"1"}}}}


def test_what_stands_is_counted_as_it_is_listed(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"1", "x.xmp": b"s", "y.jpg": b"2"}})
    move_all(data)
    counts = []
    runs = [1]
    for step in range(5):
        journal = Journal(data.state / "journal.db")
        for run in runs:
            assert journal.count_standing(run) == len(journal.standing(run)), (step, run)
        counts.append(journal.count_standing(1))
        journal.close()
        runs.append(take_back(data, runs[-1]).run)
    assert counts == [3, 0, 3, 0, 3]
