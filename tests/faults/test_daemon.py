"""The daemon among other programs: killed at random, met by rubbish, by broken references and by a damaged journal."""

import contextlib
import hashlib
import json
import os
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.e2e.helpers import on, refsort
from tests.e2e.watching import Daemon, disc, lies, make_dataset, until, watched
from tests.faults.clocks import YEAR_S, Altered
from tests.trees import contents

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and open files work otherwise on Windows")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "Data" / "Discos")


def test_a_name_taken_also_by_a_dangling_link_gets_a_number(dataset: Path) -> None:
    place = dataset / "Dataset" / "rojo"
    place.mkdir(parents=True)
    (place / "a.jpg").write_bytes(b"already here")
    (place / "b.jpg").symlink_to(dataset.parent / "nowhere.jpg")
    for name in ("a.jpg", "b.jpg"):
        (dataset / "Images" / name).write_bytes(disc("rojo", 30 + ord(name[0])))
    before = contents(dataset)
    with watched(dataset):
        until(lies(dataset, "Dataset/rojo/a_2.jpg", "Dataset/rojo/b_2.jpg"))
    assert (place / "a.jpg").read_bytes() == b"already here"
    assert (place / "b.jpg").readlink() == dataset.parent / "nowhere.jpg"
    assert not (dataset.parent / "nowhere.jpg").exists()
    assert contents(dataset) == before


def test_names_of_any_bytes_and_of_full_length_are_sorted(dataset: Path) -> None:
    names = [b"new\nline.jpg", b"latin\xff.jpg", b"x" * 251 + b".jpg"]
    for number, name in enumerate(names):
        Path(os.fsdecode(os.fsencode(dataset / "Images") + b"/" + name)).write_bytes(disc("rojo", 40 + number))
    before = contents(dataset)
    with watched(dataset):
        until(lambda: len(list((dataset / "Dataset").rglob("*.jpg"))) == 3)
    assert {os.fsencode(path.name) for path in (dataset / "Dataset" / "rojo").iterdir()} == set(names)
    assert contents(dataset) == before


def test_modification_times_in_the_future_and_in_1970_change_no_wait(dataset: Path) -> None:
    with watched(dataset):
        for name, mtime in (("future.jpg", time.time() + 10**8), ("old.jpg", 0.0)):
            (dataset.parent / name).write_bytes(disc("azul", len(name)))
            os.utime(dataset.parent / name, (mtime, mtime))
            (dataset.parent / name).rename(dataset / "Images" / name)
        until(lies(dataset, "Dataset/azul/future.jpg", "Dataset/azul/old.jpg"))
    assert (dataset / "Dataset" / "azul" / "old.jpg").stat().st_mtime == 0


def test_files_that_vanish_while_they_settle_stop_nothing(dataset: Path) -> None:
    rng = random.Random(15)
    with watched(dataset):
        for number in range(40):
            path = dataset / "Images" / f"gone{number}.jpg"
            path.write_bytes(disc("rojo", number))
            time.sleep(rng.uniform(0, 0.1))
            with contextlib.suppress(FileNotFoundError):
                path.rename(dataset.parent / path.name)
        (dataset / "Images" / "stays.jpg").write_bytes(disc("rojo", 99))
        until(lies(dataset, "Dataset/rojo/stays.jpg"))
    outside = list(dataset.parent.glob("gone*.jpg"))
    inside = list((dataset / "Dataset").rglob("gone*.jpg"))
    assert len(outside) + len(inside) == 40


def test_a_file_that_goes_before_it_is_sorted_is_named_once(dataset: Path) -> None:
    names = [f"gone{number}.jpg" for number in range(5)]
    with watched(dataset, "--settle", "2", "--settle-closed", "2") as daemon:
        for name in names:
            (dataset / "Images" / name).write_bytes(disc("rojo", len(name)))
        until(lambda: daemon.status["queue"] == 5)
        for name in names:
            (dataset / "Images" / name).rename(dataset.parent / name)
        (dataset / "Images" / "stays.jpg").write_bytes(disc("rojo", 99))
        until(lies(dataset, "Dataset/rojo/stays.jpg"))
        time.sleep(1)
    lines = daemon.log.splitlines()
    assert [[line.split(maxsplit=1)[1] for line in lines if name in line] for name in names] == [
        [f"skipped: Images/{name} (it is gone)"] for name in names
    ]
    assert not [line for line in lines if "skipped: Images/stays.jpg" in line], "what was sorted has not gone"


@pytest.mark.parametrize("way", ["rename", "link"])
def test_a_file_that_goes_between_two_steps_is_named_once(dataset: Path, tmp_path: Path, way: str) -> None:
    names = [f"{moment}-vanish.jpg" for moment in ("reading", "scored", "intended", "claiming")]
    for number, name in enumerate([*names, "stays.jpg"]):
        (dataset / "Images" / name).write_bytes(disc("rojo", number))
    before = contents(tmp_path)
    with Altered(dataset, ["tests.faults.writer", str(dataset / "Images"), str(tmp_path), way]) as daemon:
        until(lies(dataset, "Dataset/rojo/stays.jpg"))
        until(lambda: daemon.status["queue"] == 0)
        time.sleep(1)
    assert all((tmp_path / name).is_file() for name in names), "each moment has come"
    assert [daemon.log.count(f"skipped: Images/{name} (it is gone)") for name in names] == [1] * len(names)
    assert [daemon.log.count(name) for name in names] == [1] * len(names)
    daemon.log_file.unlink()
    assert contents(tmp_path) == before


def test_a_file_that_stays_open_is_named_once(dataset: Path) -> None:
    with watched(dataset, "--bad-after", "1") as daemon:
        with (dataset / "Images" / "open.jpg").open("wb") as file:
            file.write(disc("rojo", 1))
            file.flush()
            daemon.says("skipped: Images/open.jpg (it is still open for writing by another program)")
            time.sleep(2)
            assert (dataset / "Images" / "open.jpg").exists()
        until(lies(dataset, "Dataset/rojo/open.jpg"))
    assert daemon.log.count("still open") == 1


def test_jumps_of_the_systems_clock_change_no_wait_and_no_order(dataset: Path) -> None:
    settle, count = 2.5, 6
    wait = ("--settle", str(settle), "--settle-closed", str(settle))
    dropped: dict[int, float] = {}
    filed: dict[int, float] = {}
    with Altered(dataset, ["tests.faults.clocks", "23"], *wait) as daemon:
        while len(filed) < count:
            now = time.monotonic()
            if len(dropped) < count and now >= max(dropped.values(), default=0.0) + 0.9:
                (dataset / "Images" / f"{len(dropped)}.jpg").write_bytes(disc("rojo", len(dropped)))
                dropped[len(dropped)] = time.monotonic()
            for path in (dataset / "Dataset").rglob("*.jpg"):
                filed.setdefault(int(path.stem), now)
            assert now < min(dropped.values(), default=now) + 60
            time.sleep(0.02)
        waited = [filed[number] - dropped[number] for number in range(count)]
        assert min(waited) > settle - 0.1, "cut short"
        assert max(waited) < settle + 4, "held up"
        until(lambda: daemon.status["queue"] == 0)
        shown = refsort("status", *on(dataset), "--json").json
        assert (shown["state"], shown["counts"]) == ("watching", {"sorted": count})
    years = {int(line[:4]) for line in daemon.log.splitlines() if line[:4].isdigit()}
    assert {1970, time.gmtime().tm_year, time.gmtime(time.time() + YEAR_S).tm_year} <= years, "the clock has jumped"
    assert len(refsort("history", *on(dataset), "--json").json["runs"]) == count
    for number in reversed(range(count)):
        assert refsort("undo", *on(dataset)).code == 0
        assert {path.name for path in (dataset / "Images").iterdir()} == {f"{n}.jpg" for n in range(number, count)}


def test_odd_and_bad_pictures_by_the_hundred(dataset: Path) -> None:
    folder = SHARED / "images"
    if not (folder / "manifest.json").is_file():
        pytest.skip("sample pictures are not here")
    expect: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    for row in json.loads((folder / "manifest.json").read_text()):
        data = (folder / row["folder"] / row["file"]).read_bytes()
        name = f"{len(expect):03}-{row['file']}"
        (dataset / "Images" / name).write_bytes(data)
        dropped[hashlib.sha256(data).hexdigest()] += 1
        expect[name] = row["expect"]
    before = contents(dataset)
    with watched(dataset, "--bad-after", "0.5", "--unsure", "move") as daemon:
        until(lambda: daemon.status["queue"] == 0 and daemon.status["counts"])
        time.sleep(2)
        until(lambda: daemon.status["queue"] == 0)
    assert contents(dataset) == before
    bad = {path.name for path in (dataset / "Bad").rglob("*")}
    assert bad
    assert not {name for name, what in expect.items() if what in ("same", "different")} & bad
    filed = {path.name for path in (dataset / "Dataset").rglob("*") if path.is_file()}
    assert not {name for name, what in expect.items() if what == "refuse"} & filed


def test_references_that_can_not_be_read_move_nothing_wrongly(dataset: Path) -> None:
    with watched(dataset) as daemon:
        for path in (dataset / "Clases" / "azul").iterdir():
            path.write_bytes(b"no picture any more")
        daemon.says("the old ones stay in use")
        (dataset / "Images" / "a.jpg").write_bytes(disc("azul", 5))
        until(lies(dataset, "Dataset/azul/a.jpg"))


@pytest.mark.parametrize("running", [False, True])
def test_a_journal_overwritten_with_rubbish_costs_no_picture(dataset: Path, running: bool) -> None:
    (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
    (dataset / "Images" / "b.jpg").write_bytes(disc("azul", 2))
    before = contents(dataset)
    daemon = Daemon(dataset).ready()
    until(lies(dataset, "Dataset/rojo/a.jpg", "Dataset/azul/b.jpg"))
    if not running:
        assert daemon.stop() == 0
    journal = dataset / ".refsort" / "journal.db"
    for path in journal.parent.glob("journal.db*"):
        path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(sqlite3.DatabaseError), sqlite3.connect(journal) as broken:
        broken.execute("select * from sqlite_master")
    data = disc("rojo", 3)
    (dataset / "Images" / "c.jpg").write_bytes(data)
    before[hashlib.sha256(data).hexdigest()] += 1
    if not running:
        daemon = Daemon(dataset).ready()
    until(lambda: list((dataset / "Dataset" / "rojo").glob("c.jpg")))
    daemon.says("can no longer be undone")
    assert daemon.stop() == 0
    assert contents(dataset) == before
    kept = list((dataset / ".refsort").glob("journal-broken-*/journal.db"))
    assert [path.read_bytes() for path in kept] == [b"rubbish" * 1000]
    assert refsort("undo", *on(dataset)).code == 0
    assert (dataset / "Images" / "c.jpg").read_bytes() == data


@pytest.mark.parametrize(("one", "other"), [("Cat", "cat"), ("caf\u00e9", "cafe\u0301"), ("ok", "con")])
def test_class_names_that_are_not_safe_are_refused_before_any_move(dataset: Path, one: str, other: str) -> None:
    for name in (one, other):
        (dataset / "Clases" / name).mkdir(exist_ok=True)
        (dataset / "Clases" / name / "r.jpg").write_bytes(disc("verde", 1))
    if len(list((dataset / "Clases").iterdir())) != 4:
        pytest.skip("this file system takes the two names for one")
    (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
    before = contents(dataset)
    assert refsort("sort", *on(dataset), "--encoder", "builtin").code == 2
    assert (dataset / "Images" / "a.jpg").exists()
    assert contents(dataset) == before
