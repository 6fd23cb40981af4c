"""References that come and go by hand: nothing is replaced, nothing is lost, and everything can be taken back."""

import hashlib
import shutil
from pathlib import Path

import pytest

from refsort.errors import JournalError, UnsafeName
from refsort.files.adding import Adding, Leaving, clean_name, move_references, put_back, to_class
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.names import is_litter, to_bytes, unsafe_reason
from refsort.sorting.sorter import journal_path
from tests.trees import contents


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two classes with three files each, and a phrases file that bears the name of a picture."""
    for name in ("a", "b"):
        (tmp_path / "Clases" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "Clases" / name / f"{number}.jpg").write_bytes(f"{name}{number}".encode())
    (tmp_path / "Images").mkdir()
    return Dataset(tmp_path)


@pytest.fixture
def journal(dataset: Dataset) -> Journal:
    return Journal(journal_path(dataset))


def paths(dataset: Dataset) -> set[str]:
    return {str(p.relative_to(dataset.root)) for p in dataset.path("Clases").rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("x.jpg", "x.jpg"),
        ("../../x.jpg", "x.jpg"),
        ("C:\\photos\\x.jpg", "x.jpg"),
        ("/etc/passwd", "passwd"),
        ("..", "picture"),
        ("", "picture"),
        (".hidden.jpg", "hidden.jpg"),
        ("CON", "_CON"),
        ("con.jpg", "_con.jpg"),
        ("phrases.txt", "_phrases.txt"),
        ("PHRASES.TXT", "_PHRASES.TXT"),
        ("a\nb\x00.jpg", "a_b_.jpg"),
        ("\udcff\udcfe.jpg", "__.jpg"),
        ("<img src=x onerror=alert(1)>.jpg", "_img src=x onerror=alert(1)_.jpg"),
        ("x.jpg.part", "x_jpg_part_"),
        ("Thumbs.db", "Thumbs_db_"),
        ("año ñandú.jpg", "año ñandú.jpg"),
        ("end. . ", "end"),
    ],
)
def test_a_name_from_outside_becomes_a_plain_one(given: str, name: str) -> None:
    assert clean_name(given) == name


@pytest.mark.parametrize("given", ["ñ" * 300 + ".jpg", "x" * 300, "x." + "y" * 300, "~" * 300, "a/" * 200, "." * 9])
def test_every_name_is_one_that_a_reference_may_have(given: str) -> None:
    name = clean_name(given)
    assert unsafe_reason(name) is None
    assert not is_litter(name)
    assert len(to_bytes(name)) <= 255
    assert clean_name(name) == name


def test_a_new_reference_is_the_bytes_that_came_and_replaces_nothing(dataset: Dataset) -> None:
    before = contents(dataset.path("Clases"))
    adding = Adding(dataset, "a")
    assert adding.add("0.JPG", b"new").path == "Clases/a/0_2.JPG", "0.jpg is the same name to many file systems"
    assert dataset.path("Clases/a/0_2.JPG").read_bytes() == b"new"
    assert (contents(dataset.path("Clases")) - before).total() == 1
    assert not before - contents(dataset.path("Clases"))
    again = adding.add("other.jpg", b"a1")
    assert again.path is None
    assert again.reason == "it is a reference of a already: 1.jpg"
    twin = adding.add("twin.jpg", b"b1")
    assert (twin.path, twin.also) == ("Clases/a/twin.jpg", ["b"])
    assert not [path for path in paths(dataset) if path.endswith("part")]


def test_a_class_is_made_only_if_that_is_meant_and_never_outside(dataset: Dataset) -> None:
    with pytest.raises(UnsafeName):
        Adding(dataset, "c")
    for name in ("../c", "A", ".c", "con", "c/d", ""):
        with pytest.raises(UnsafeName):
            Adding(dataset, name, new=True)
    adding = Adding(dataset, "c", new=True)
    assert not dataset.path("Clases/c").exists()
    assert adding.add("x.jpg", b"new").path == "Clases/c/x.jpg"
    assert dataset.classes() == ["a", "b", "c"]


def test_a_disk_that_refuses_leaves_nothing_behind(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("refsort.files.adding.os.fsync", full)
    before = paths(dataset)
    done = Adding(dataset, "c", new=True).add("x.jpg", b"new")
    assert (done.path, done.reason) == (None, "the disk is full")
    assert paths(dataset) == before
    assert not dataset.path("Clases/c").exists()


@pytest.mark.parametrize(
    ("folder", "target"),
    [("Clases/b", "Clases/b/0_2.jpg"), ("Duplicates", "Duplicates/Clases/a/0.jpg"), ("Unsure", "Unsure/0.jpg")],
)
def test_a_reference_goes_and_comes_back(dataset: Dataset, journal: Journal, folder: str, target: str) -> None:
    dataset.path("Clases/a/0.jpg.xmp").write_bytes(b"sidecar")
    everything, names = contents(dataset.root), paths(dataset)
    stat = dataset.path("Clases/a/0.jpg").stat()
    leaving = [Leaving("Clases/a/0.jpg", hashlib.sha256(b"a0").digest())]
    done = move_references(dataset, journal, leaving, folder)
    assert done.moved == [("Clases/a/0.jpg", target)]
    assert dataset.path(target).read_bytes() == b"a0"
    assert dataset.path(f"{target}.xmp").read_bytes() == b"sidecar"
    assert not dataset.path("Clases/a/0.jpg").exists()
    assert done.run is not None
    assert journal.run(done.run).kind == "hand"
    back = put_back(dataset, journal, done.run)
    assert (back.restored, back.left) == (2, [])
    assert dataset.path("Clases/a/0.jpg").read_bytes() == b"a0"
    assert dataset.path("Clases/a/0.jpg").stat().st_mtime_ns == stat.st_mtime_ns
    assert (contents(dataset.root), paths(dataset)) == (everything, names)


def test_what_was_taken_back_can_be_taken_out_again(dataset: Dataset, journal: Journal) -> None:
    for _ in range(3):
        done = move_references(dataset, journal, [Leaving("Clases/a/1.jpg")], "Unsure")
        assert done.run is not None
        put_back(dataset, journal, done.run)
        with pytest.raises(JournalError, match="nothing left to undo"):
            put_back(dataset, journal, done.run)
    assert dataset.path("Clases/a/1.jpg").read_bytes() == b"a1"


def test_a_place_that_was_taken_since_is_not_replaced(dataset: Dataset, journal: Journal) -> None:
    done = move_references(dataset, journal, [Leaving("Clases/a/0.jpg")], "Unsure")
    dataset.path("Clases/a/0.jpg").write_bytes(b"another one")
    assert done.run is not None
    back = put_back(dataset, journal, done.run)
    assert back.left == [("Unsure/0.jpg", "its name is taken by another file")]
    assert dataset.path("Clases/a/0.jpg").read_bytes() == b"another one"
    assert dataset.path("Unsure/0.jpg").read_bytes() == b"a0"


def test_it_comes_back_even_if_its_class_is_gone(dataset: Dataset, journal: Journal) -> None:
    done = move_references(dataset, journal, [Leaving("Clases/a/0.jpg")], "Clases/b")
    shutil.move(dataset.path("Clases/a"), dataset.root.parent / f"{dataset.name}-a")
    assert done.run is not None
    assert put_back(dataset, journal, done.run).restored == 1
    assert dataset.path("Clases/a/0.jpg").read_bytes() == b"a0"


def test_the_phrases_of_a_class_never_leave_it(dataset: Dataset, journal: Journal) -> None:
    dataset.path("Clases/a/phrases.jpg").write_bytes(b"picture")
    dataset.path("Clases/a/phrases.txt").write_bytes(b"a word")
    move_references(dataset, journal, [Leaving("Clases/a/phrases.jpg")], "Unsure")
    assert dataset.path("Clases/a/phrases.txt").read_bytes() == b"a word"
    assert dataset.path("Unsure/phrases.jpg").exists()
    done = move_references(dataset, journal, [Leaving("Clases/a/phrases.txt")], "Unsure")
    assert done.run is None
    assert done.stayed == [("Clases/a/phrases.txt", "Clases/a/phrases.txt is no reference picture of a class")]


def test_what_may_not_go_stays(dataset: Dataset, journal: Journal) -> None:
    all_of_a = [Leaving(f"Clases/a/{number}.jpg") for number in range(3)]
    done = move_references(dataset, journal, all_of_a, "Unsure")
    assert [path for path, _ in done.moved] == ["Clases/a/0.jpg", "Clases/a/1.jpg"]
    assert done.stayed == [("Clases/a/2.jpg", "it is the last reference of a; add another one first")]
    before = paths(dataset)
    for wrong in ("Clases/b/../a/2.jpg", "Images/x.jpg", "/etc/passwd", "Clases/b/9.jpg", "Clases/b", "Clases/x/0.jpg"):
        assert move_references(dataset, journal, [Leaving(wrong)], "Unsure").moved == []
    shown = [Leaving("Clases/b/0.jpg", hashlib.sha256(b"what was shown").digest())]
    assert move_references(dataset, journal, shown, "Unsure").stayed[0][1] == "it is not the picture that was shown"
    assert paths(dataset) == before
    with pytest.raises(UnsafeName):
        to_class(dataset, "../Images")


def test_only_its_own_runs_are_taken_back(dataset: Dataset, journal: Journal) -> None:
    run = journal.begin_run("hand", "move", {})
    with pytest.raises(JournalError, match="moved no references"):
        put_back(dataset, journal, run)
