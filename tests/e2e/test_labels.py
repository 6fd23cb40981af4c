"""The learning loop as a person meets it: sort, put right, look, sort again, propose; all by the command line."""

import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.helpers import Done, on, refsort
from tests.e2e.watching import until, watched
from tests.learn.discs import disc, make_discs
from tests.trees import contents, read

BUILTIN = ("--encoder", "builtin", "--max-wrong", "0.2")


@pytest.fixture(scope="module")
def sorted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = make_discs(tmp_path_factory.mktemp("data") / "Discos", references=6, arrivals=3)
    for number in range(6):
        disc(dataset.path(f"Images/s{number}.jpg"), (235, 225, 30), 9000 + number)
    done = refsort("sort", *on(dataset.root), *BUILTIN, "--json")
    assert done.code == 0, done.err
    assert done.json["sorted"] >= 6
    return dataset.root


@pytest.fixture
def dataset(sorted_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sorted_once, tmp_path / "Data" / "Discos"))


def run(command: str, dataset: Path, *flags: str) -> Done:
    """A command with the settings of these tests and --json. It must do its work."""
    done = refsort(command, *on(dataset), *BUILTIN, "--json", *flags)
    assert done.code == 0, done.err
    return done


def sources(done: Done) -> dict[str, str]:
    return {label["path"]: label["source"] for label in done.json["labels"]}


def test_a_correction_is_seen_confirmed_used_forgotten_and_taken_back(dataset: Path) -> None:
    whole = contents(dataset)
    moved = sorted((dataset / "Dataset/rojo").iterdir())[0]
    moved = moved.rename(dataset / "Dataset/verde" / moved.name)
    path, kept = f"Dataset/verde/{moved.name}", sorted((dataset / "Dataset/azul").iterdir())[0]
    found = run("labels", dataset)
    assert sources(found)[path] == "corrected"
    assert (found.json["reference"], found.json["corrected"], found.json["confirmed"]) == (18, 1, 0)
    assert found.json["trusted"] >= 4
    assert "  verde" in found.err, "a table for people, where it does not disturb a program"
    assert path in refsort("labels", *on(dataset), *BUILTIN, "--list").out

    said = refsort("labels", *on(dataset), "--confirm", "azul", f"Dataset/verde/{moved.name}", "--json")
    assert said.json["confirmed"] == len(list((dataset / "Dataset/azul").iterdir())) + 1
    found = run("labels", dataset)
    assert sources(found)[path] == "confirmed"
    assert sources(found)[f"Dataset/azul/{kept.name}"] == "confirmed"

    why = run("why", dataset, path)
    assert why.json["nearest"][0] == {"path": path, "class_name": "verde", "cosine": pytest.approx(1, abs=1e-3)}
    without = run("why", dataset, path, "--learn-from-corrections", "false")
    assert path not in {near["path"] for near in without.json["nearest"]}
    assert "serve as further references" in run("sort", dataset, "--dry-run").err

    assert refsort("labels", *on(dataset), "--forget", "verde", "azul", "--json").json["forgotten"] >= 2
    assert sources(run("labels", dataset))[path] == "corrected", "moving it was a word of its own"
    assert refsort("undo", *on(dataset)).code == 0
    assert run("labels", dataset).json["corrected"] == 0
    assert contents(dataset) == whole


def test_what_can_not_be_confirmed_is_said(dataset: Path) -> None:
    disc(dataset / "Images/s0.jpg", (0, 0, 0), 1)
    for what, words in (
        ("Images/s0.jpg", "lies in no class folder"),
        ("nonsense", "neither a file"),
        ("/", "neither"),
    ):
        done = refsort("labels", *on(dataset), "--confirm", what)
        assert (done.code, words in done.err) == (2, True), done.err
        assert "Traceback" not in done.err


def test_a_class_is_proposed_made_and_sorted_into(dataset: Path) -> None:
    whole = contents(dataset)
    before = read(dataset)
    found = run("propose", dataset, "--also-unsure")
    assert read(dataset) == before
    assert Path(found.json["report"]).read_text(encoding="utf-8").count("<figure>") >= 5
    made = run("propose", dataset, "--make", "amarillo", "--group", "1", "--references", "5")
    assert len(made.json["references"]) == 5
    assert made.json["moved"] == []
    assert sum(contents(dataset).values()) == sum(whole.values()) + 5
    dry = run("resort", dataset, "--dry-run")
    assert {c["to"] for c in dry.json["changes"]} == {"Dataset/amarillo"}
    done = run("resort", dataset)
    assert done.json["done"] == dry.json["planned"] > 0
    assert "→ Dataset/amarillo" in done.err
    assert len(list((dataset / "Dataset/amarillo").iterdir())) == done.json["done"]
    history = refsort("history", *on(dataset)).out
    assert "resort" in history
    assert refsort("undo", *on(dataset), "--json").json["restored"] == done.json["done"]
    assert read(dataset / "Dataset") == before["Dataset"]


def test_flags_that_do_not_fit_are_refused(dataset: Path) -> None:
    for flags in (("--make", "x"), ("--group", "1"), ("--move",), ("--make", "x", "--group", "1", "--references", "0")):
        assert refsort("propose", *on(dataset), *flags).code == 2
    fresh = make_discs(dataset.parent / "Nuevo", references=2, arrivals=0)
    done = refsort("resort", *on(fresh.root), *BUILTIN, "--dry-run")
    assert done.code == 2
    assert "nothing was sorted here" in done.err


def test_the_daemon_takes_up_a_correction_and_resort_does_not_disturb_it(dataset: Path) -> None:
    with watched(dataset, *BUILTIN) as daemon:
        moved = sorted((dataset / "Dataset/rojo").iterdir())[0]
        moved.rename(dataset / "Dataset/verde" / moved.name)
        daemon.says("19 pictures of 3 classes are in use now")
        refsort("labels", *on(dataset), "--confirm", "azul")
        daemon.says(f"{19 + len(list((dataset / 'Dataset/azul').iterdir()))} pictures of 3 classes are in use now")
        assert refsort("resort", *on(dataset), *BUILTIN).code == 3
        assert refsort("resort", *on(dataset), *BUILTIN, "--dry-run").code == 0
        shutil.copy(dataset / "Clases/azul/r0.jpg", dataset / "Images/new.jpg")
        until(lambda: daemon.status["counts"], "a sorted picture")
        time.sleep(1.5)
        assert daemon.log.count("are in use now") == 2, "its own moves are no corrections"
