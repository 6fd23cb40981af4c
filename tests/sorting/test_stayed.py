"""What an earlier run left is not looked at again, unless it or anything that decides has changed."""

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.identity import from_result
from refsort.files.stayed import Left, Stayed
from refsort.report import Page
from refsort.sorting import Item, Reporters, Run, Sorter
from refsort.sorting.prepared import prepare
from tests.learn.discs import COLOURS, config_of, disc, make_discs
from tests.trees import read

STRICT: dict[str, Any] = {"unsure": "keep", "bad": "keep", "mode": "max", "min_margin": 0.9}
"""Nothing is ever sure."""
KEPT = 8
"""Six pictures, a broken one and a text."""


class Told(Reporters):
    """Remembers which arrivals were looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.steps = self.total = 0

    def stage(self, name: str, total: int) -> None:
        if name == "pictures":
            self.steps, self.total = 0, total

    def step(self) -> None:
        self.steps += 1

    def item(self, item: Item) -> None:
        self.paths.append(item.path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that was sorted once, strictly: everything stays."""
    dataset = make_discs(tmp_path_factory.mktemp("made") / "Discos", references=2, arrivals=2)
    images = dataset.path("Images")
    (images / "sub").mkdir()
    (images / "verde0.jpg").rename(images / "sub" / "verde0.jpg")
    (images / "sub" / "verde0.xmp").write_bytes(b"sidecar")
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (images / "notes.txt").write_bytes(b"no picture")
    return dataset.root


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Dataset:
    shutil.copytree(made, tmp_path / "Discos")
    dataset = Dataset(tmp_path / "Discos")
    run, told = sort(dataset)
    assert (run.unsure, run.bad, run.skipped, run.unchanged, len(told.paths)) == (6, 1, 1, {}, KEPT)
    return dataset


def sort(dataset: Dataset, *, dry_run: bool = False, **settings: Any) -> tuple[Run, Told]:
    told = Told()
    return Sorter(config_of(dataset, **(STRICT | settings)), told).sort(dry_run=dry_run), told


def test_the_second_run_says_the_same_and_looks_at_nothing(dataset: Dataset) -> None:
    picture = dataset.path("Images/azul0.jpg")
    before = picture.stat()
    picture.write_bytes(b"\0" * before.st_size)  # as nobody ever does: by its stat it is the same file
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    run, told = sort(dataset)
    assert told.paths == []
    assert (run.unsure, run.bad, run.skipped, run.sorted) == (6, 1, 1, 0)
    assert run.unchanged == {"unsure": 6, "bad": 1, "skipped": 1}
    assert told.steps == told.total == KEPT + 1, "the sidecar is a file too"
    assert (run.looked_at, run.images_per_second) == (0, 0.0)


def test_the_page_says_that_they_are_left_from_before(dataset: Dataset) -> None:
    config = config_of(dataset, **STRICT)
    run = Sorter(config, Page(dataset, config)).sort()
    assert run.report is not None
    page = " ".join(Path(run.report).read_text(encoding="utf-8").split())
    assert "an earlier run left 8 where they lie" in page
    assert "refsort undo" not in page, "nothing was moved"


@pytest.mark.parametrize("change", ["touched", "replaced", "rewritten"])
def test_what_changed_is_looked_at_again(dataset: Dataset, change: str) -> None:
    picture = dataset.path("Images/azul0.jpg")
    before, data = picture.stat(), picture.read_bytes()
    if change == "touched":
        os.utime(picture, ns=(0, before.st_mtime_ns + 1))
    elif change == "replaced":
        picture.rename(dataset.root / "other.jpg")
        picture.write_bytes(data)
        os.utime(picture, ns=(0, before.st_mtime_ns))
    else:
        picture.write_bytes(data + b"more")
        os.utime(picture, ns=(0, before.st_mtime_ns))
    run, told = sort(dataset)
    assert told.paths == ["Images/azul0.jpg"]
    assert (run.unsure, run.unchanged["unsure"], run.looked_at) == (6, 5, 1)


def test_a_new_picture_is_looked_at_and_what_is_gone_is_not_counted(dataset: Dataset) -> None:
    dataset.path("Images/sub/verde0.jpg").unlink()
    disc(dataset.path("Images/azul1.jpg.jpg"), COLOURS["azul"], 9)
    run, told = sort(dataset)
    assert told.paths == ["Images/azul1.jpg.jpg", "Images/sub/verde0.xmp"]
    assert (run.unsure, run.unchanged) == (6, {"unsure": 5, "bad": 1, "skipped": 1})


@pytest.mark.parametrize("change", ["reference", "setting", "encoder"])
def test_whatever_decides_has_changed(dataset: Dataset, change: str) -> None:
    settings: dict[str, Any] = {}
    if change == "reference":
        disc(dataset.path("Clases/azul/r9.jpg"), COLOURS["azul"], 77)
    elif change == "setting":
        settings["min_margin"] = 0.0
    else:
        settings["encoder"] = "builtin-large"
    run, told = sort(dataset, **settings)
    assert (len(told.paths), run.unchanged) == (KEPT, {})
    assert (run.sorted == 6) == (change == "setting")


@pytest.mark.parametrize(
    "change", [{"min_margin": 0.8}, {"mode": "avg"}, {"max_wrong": 0.1}, {"max_pixels": 10**7}, {"bad": "move"}]
)
def test_the_key_changes_with_every_setting_that_may_decide(dataset: Dataset, change: dict[str, Any]) -> None:
    assert key(config_of(dataset, **STRICT)) != key(config_of(dataset, **(STRICT | change)))


def test_the_key_does_not_change_with_what_decides_nothing(dataset: Dataset) -> None:
    assert key(config_of(dataset, **STRICT)) == key(config_of(dataset, **STRICT, batch_size=3, rescan=7))


def key(config: Config) -> bytes:
    with prepare(config, Dataset(config.dataset_path), Reporters()) as prepared:
        return prepared.standing


def test_a_dry_run_looks_at_everything_and_remembers_nothing(dataset: Dataset) -> None:
    run, told = sort(dataset, dry_run=True)
    assert (len(told.paths), run.unchanged) == (KEPT, {})
    dataset.path(".refsort/stayed.db").unlink()
    sort(dataset, dry_run=True)
    assert not dataset.path(".refsort/stayed.db").exists()


@pytest.mark.parametrize("action", ["copy", "hardlink", "symlink"])
def test_what_was_copied_is_copied_again_only_if_the_copy_is_gone(dataset: Dataset, action: str) -> None:
    first, _ = sort(dataset, action=action, min_margin=0.0)
    assert first.sorted == 6
    before = read(dataset.root)
    second, told = sort(dataset, action=action, min_margin=0.0)
    assert (told.paths, second.unchanged) == ([], {"skipped": 7, "bad": 1})
    assert {k: v for k, v in read(dataset.root).items() if ".refsort" not in k} == {
        k: v for k, v in before.items() if ".refsort" not in k
    }
    (copy,) = dataset.path("Dataset").rglob("azul0.jpg")
    copy.unlink()
    third, told = sort(dataset, action=action, min_margin=0.0)
    assert (told.paths, third.sorted) == (["Images/azul0.jpg"], 1)
    assert copy.exists()


def test_a_damaged_memory_is_begun_anew(dataset: Dataset) -> None:
    file = dataset.path(".refsort/stayed.db")
    for leftover in (file.with_name("stayed.db-wal"), file.with_name("stayed.db-shm")):
        leftover.unlink(missing_ok=True)
    file.write_bytes(b"this is no database" * 100)
    run, told = sort(dataset)
    assert (len(told.paths), run.unsure) == (KEPT, 6)
    assert sort(dataset)[1].paths == []


def test_a_memory_that_breaks_in_use_knows_nothing(tmp_path: Path) -> None:
    file, folder = tmp_path / "stayed.db", tmp_path / "Images"
    folder.mkdir()
    stayed = Stayed(file, tmp_path, b"key")
    names = [f"{number:05}.jpg" for number in range(5000)]
    for name in names:
        (folder / name).touch()
        stayed.put(Left(f"Images/{name}", from_result((folder / name).stat()), "unsure"))
    stayed.close()
    stayed = Stayed(file, tmp_path, b"key")
    with file.open("r+b") as database:
        database.seek(4096)
        database.write(b"\xaa" * (file.stat().st_size - 4096))
    assert stayed.kind_of("Images", names[-1]) is None
    stayed.put(Left(f"Images/{names[0]}", from_result((folder / names[0]).stat()), "unsure"))
    stayed.tidy(1)
    stayed.close()


def test_rows_of_files_that_are_gone_go(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refsort.files.stayed.SPARE_ROWS", 3)
    for name in ("azul0", "azul1", "rojo0", "rojo1", "verde1"):
        dataset.path(f"Images/{name}.jpg").unlink()
    sort(dataset)
    with sqlite3.connect(dataset.path(".refsort/stayed.db")) as db:
        names = {row[0] for row in db.execute("SELECT name FROM stayed")}
    assert names == {b"verde0.jpg", b"broken.jpg", b"notes.txt"}


def test_a_name_that_is_no_text_is_remembered_too(dataset: Dataset) -> None:
    odd = os.fsencode(dataset.path("Images")) + b"/caf\xe9\xff.jpg"
    shutil.copy2(dataset.path("Images/azul0.jpg"), os.fsdecode(odd))
    assert len(sort(dataset)[1].paths) == 1
    assert sort(dataset)[1].paths == []
