"""The daemon when what it works with breaks: its network, its references, and its state put back from a backup."""

import os
import shutil
import signal
import sqlite3
from collections import Counter
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from refsort.encoders.onnx_file import write_sidecar
from tests.e2e.helpers import on, refsort
from tests.e2e.watching import Daemon, disc, lies, make_dataset, until, watched
from tests.encoders.test_onnx_file import RIGHT, SIDE, network
from tests.trees import contents

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and open files work otherwise on Windows")

ROOT_OF_BLACK = [helper.make_node("Sqrt", ["product"], ["embedding"])]
"""The square root of what is negative for dark pictures: no number."""


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "Data" / "Discos")


def means(path: Path, extra: list[Any] = ROOT_OF_BLACK, dim: int = 3) -> Path:
    """Write a network that gives the mean of red, green and blue, less 20 of 255, over and over up to `dim` numbers."""
    matrix = np.zeros((3, SIDE, SIDE, dim), np.float32)
    for number in range(dim):
        matrix[number % 3, :, :, number] = 1 / SIDE**2
    network(path, ["n", 3, SIDE, SIDE], matrix, extra, ("n", dim))
    write_sidecar(path, RIGHT | {"range": [0, 255], "mean": [20, 20, 20], "std": [1, 1, 1]})
    return path


def refused_when_dark() -> list[Any]:
    """Nodes that can't be run for dark pictures: an element is asked for that is not there."""
    constants = {"zero": 0.0, "far": 99, "ones": [1.0]}
    return [
        *(helper.make_node("Constant", [], [name], **_value(value)) for name, value in constants.items()),
        helper.make_node("ReduceMin", ["product"], ["smallest"], keepdims=0),
        helper.make_node("Less", ["smallest", "zero"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["which"], to=7),
        helper.make_node("Mul", ["which", "far"], ["where"]),
        helper.make_node("Gather", ["ones", "where"], ["one"]),
        helper.make_node("Mul", ["product", "one"], ["embedding"]),
    ]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"value_floats": value}
    return {"value_int": value} if isinstance(value, int) else {"value_float": value}


def black(path: Path) -> None:
    Image.new("RGB", (40, 30)).save(path)


def test_one_picture_for_which_the_network_gives_no_numbers_stays_alone(dataset: Path, tmp_path: Path) -> None:
    encoder = ("--encoder", f"onnx:{means(tmp_path / 'model.onnx')}", "--unsure", "off")
    for number in range(3):
        (dataset / "Images" / f"{number}.jpg").write_bytes(disc("rojo", number))
    black(dataset / "Images" / "1black.png")
    before = contents(dataset)
    with watched(dataset, *encoder) as daemon:
        until(lies(dataset, *(f"Dataset/rojo/{number}.jpg" for number in range(3))))
        (dataset / "Images" / "later.jpg").write_bytes(disc("azul", 9))
        until(lies(dataset, "Dataset/azul/later.jpg"))
        assert daemon.status["error"] is None
    assert daemon.log.count("failed: Images/1black.png (the encoder gave no usable vector)") == 1
    (dataset / "Dataset" / "azul" / "later.jpg").unlink()
    assert contents(dataset) == before
    once = refsort("sort", *on(dataset), *encoder)
    assert once.code == 1
    assert "Images/1black.png: the encoder gave no usable vector" in once.err
    assert [path.name for path in (dataset / "Images").iterdir()] == ["1black.png"]
    assert contents(dataset) == before


def test_a_reference_for_which_the_network_gives_no_numbers_is_left_out(dataset: Path, tmp_path: Path) -> None:
    encoder = ("--encoder", f"onnx:{means(tmp_path / 'model.onnx')}", "--unsure", "off")
    with watched(dataset, *encoder) as daemon:
        black(dataset / "Clases" / "azul" / "black.png")
        daemon.says("reference Clases/azul/black.png is left out: the encoder gave no usable vector")
        (dataset / "Images" / "a.jpg").write_bytes(disc("azul", 1))
        until(lies(dataset, "Dataset/azul/a.jpg"))
        for path in (dataset / "Clases" / "azul").iterdir():
            black(path)
        daemon.says("the old ones stay in use: class azul has no readable reference picture")
        (dataset / "Images" / "b.jpg").write_bytes(disc("azul", 2))
        until(lies(dataset, "Dataset/azul/b.jpg"))
    (dataset / "Images" / "c.jpg").write_bytes(disc("azul", 3))
    for command in ("watch", "sort"):
        refused = refsort(command, *on(dataset), *encoder)
        assert (refused.code, "class azul has no readable reference" in refused.err) == (2, True)
    assert (dataset / "Images" / "c.jpg").exists()


def test_a_network_that_can_not_be_run_for_a_picture_holds_up_and_ends_nothing(dataset: Path, tmp_path: Path) -> None:
    encoder = ("--encoder", f"onnx:{means(tmp_path / 'model.onnx', refused_when_dark())}", "--unsure", "off")
    with watched(dataset, *encoder) as daemon:
        black(dataset / "Images" / "black.png")
        daemon.says("can't be run")
        assert daemon.status["error"]
        (dataset / "Images" / "black.png").rename(tmp_path / "black.png")
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        daemon.says("it works again")
    (tmp_path / "black.png").rename(dataset / "Images" / "black.png")
    once = refsort("sort", *on(dataset), *encoder)
    assert (once.code, "Traceback" in once.err) == (2, False)
    assert "model.onnx can't be run" in once.err
    assert (dataset / "Images" / "black.png").exists()


def said_times(daemon: Daemon, words: str, times: int) -> bool:
    return daemon.log.count(words) == times


def test_another_network_in_its_place_is_used_whole_or_not_at_all(dataset: Path, tmp_path: Path) -> None:
    model = means(tmp_path / "model.onnx")
    file = tmp_path / "c.yaml"
    file.write_text("unsure: off\n", encoding="utf-8")
    number = 0

    def still_sorts() -> None:
        nonlocal number
        for colour in ("rojo", "azul"):
            number += 1
            (dataset / "Images" / f"{number}.jpg").write_bytes(disc(colour, number))
            until(lies(dataset, f"Dataset/{colour}/{number}.jpg"))

    with watched(dataset, "--encoder", f"onnx:{model}", "--config", str(file)) as daemon:
        still_sorts()
        means(model, dim=7)
        still_sorts()
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("the settings were read again")
        still_sorts()
        whole, described = model.read_bytes(), model.with_name("model.onnx.json").read_bytes()
        nothing = [helper.make_node("Log", ["product"], ["embedding"])]
        for times, damage in enumerate(("truncated", "empty", "no numbers", "gone"), 1):
            if damage == "no numbers":
                network(model, ["n", 3, SIDE, SIDE], np.zeros((3, SIDE, SIDE, 7), np.float32), nothing, ("n", 7))
            elif damage == "gone":
                model.unlink()
            else:
                model.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"")
            daemon.process.send_signal(signal.SIGHUP)
            until(partial(said_times, daemon, "the settings stay as they were", times), damage)
            assert "model.onnx" in daemon.log.splitlines()[-1]
            still_sorts()
        model.write_bytes(whole)
        model.with_name("model.onnx.json").write_bytes(described)
        daemon.process.send_signal(signal.SIGHUP)
        until(partial(said_times, daemon, "the settings were read again", 2))
        still_sorts()


def test_an_emptied_class_keeps_its_references_until_the_next_start(dataset: Path) -> None:
    with watched(dataset) as daemon:
        for path in (dataset / "Clases" / "azul").iterdir():
            path.rename(dataset.parent / path.name)
        daemon.says("the old ones stay in use: class azul has no reference picture")
        (dataset / "Images" / "a.jpg").write_bytes(disc("azul", 5))
        until(lies(dataset, "Dataset/azul/a.jpg"))
    (dataset / "Images" / "b.jpg").write_bytes(disc("azul", 6))
    refused = refsort("watch", *on(dataset), "--encoder", "builtin")
    assert (refused.code, "class azul has no reference picture" in refused.err) == (2, True)
    assert (dataset / "Images" / "b.jpg").exists()


def drop(dataset: Path, name: str, colour: str, expected: Counter[str]) -> None:
    """A picture whose bytes lie nowhere else arrives."""
    data = disc(colour, 100 + ord(name[0]))
    expected[sha256(data).hexdigest()] += 1
    (dataset / "Images" / name).write_bytes(data)


def sort_one(dataset: Path, name: str, expected: Counter[str]) -> None:
    drop(dataset, name, "rojo", expected)
    assert refsort("sort", *on(dataset), "--encoder", "builtin").code == 0
    assert (dataset / "Dataset" / "rojo" / name).exists()


def test_an_older_state_put_back_takes_back_what_it_knows_and_lists_what_it_can_not_find(
    dataset: Path, tmp_path: Path
) -> None:
    state, backup = dataset / ".refsort", tmp_path / "backup"
    expected = contents(dataset)
    sort_one(dataset, "a.jpg", expected)
    sort_one(dataset, "b.jpg", expected)
    shutil.copytree(state, backup)
    with sqlite3.connect(backup / "journal.db") as db:
        db.execute("UPDATE moves SET state='intent' WHERE source=?", (b"Images/b.jpg",))  # As if in the middle of it.
    sort_one(dataset, "c.jpg", expected)
    shutil.rmtree(state)
    shutil.copytree(backup, state)
    unknown = refsort("undo", *on(dataset), "3")
    assert (unknown.code, "there is no run 3" in unknown.err) == (2, True)
    unknown = refsort("undo", *on(dataset), "--file", "Dataset/rojo/c.jpg")
    assert (unknown.code, "no move of Dataset/rojo/c.jpg is on record" in unknown.err) == (2, True)
    with watched(dataset):
        drop(dataset, "d.jpg", "azul", expected)
        until(lies(dataset, "Dataset/azul/d.jpg"))
    assert contents(dataset) == expected
    (dataset / "Dataset" / "rojo" / "a.jpg").rename(tmp_path / "a.jpg")
    (dataset / "Dataset" / "rojo" / "b.jpg").rename(dataset / "Dataset" / "azul" / "renamed.jpg")
    assert refsort("undo", *on(dataset), "3").code == 0, "its number was given anew"
    assert refsort("undo", *on(dataset), "2").code == 0
    lost = refsort("undo", *on(dataset), "1")
    assert (lost.code, "stays: Dataset/rojo/a.jpg: it is no longer in the dataset" in lost.err) == (1, True)
    assert {path.name for path in (dataset / "Images").iterdir()} == {"b.jpg", "d.jpg"}
    assert (dataset / "Dataset" / "rojo" / "c.jpg").exists()
    (tmp_path / "a.jpg").rename(dataset / "Dataset" / "rojo" / "a.jpg")
    assert contents(dataset) == expected


@pytest.mark.parametrize("how", ["another folder", "written over"])
def test_an_older_state_put_back_while_it_runs_costs_no_picture(dataset: Path, tmp_path: Path, how: str) -> None:
    state, backup = dataset / ".refsort", tmp_path / "backup"
    expected = contents(dataset)
    sort_one(dataset, "a.jpg", expected)
    shutil.copytree(state, backup)
    sort_one(dataset, "b.jpg", expected)
    with watched(dataset) as daemon:
        drop(dataset, "c.jpg", "azul", expected)
        until(lies(dataset, "Dataset/azul/c.jpg"))
        if how == "another folder":
            state.rename(tmp_path / "old")
        shutil.copytree(backup, state, dirs_exist_ok=True)
        drop(dataset, "d.jpg", "azul", expected)
        if how == "another folder":
            daemon.says("was taken away while the daemon ran")
        until(lies(dataset, "Dataset/azul/d.jpg"))
        assert contents(dataset) == expected
    with watched(dataset):
        drop(dataset, "e.jpg", "azul", expected)
        until(lies(dataset, "Dataset/azul/e.jpg"))
    assert refsort("undo", *on(dataset)).code == 0
    assert [path.name for path in (dataset / "Images").iterdir()] == ["e.jpg"]
    assert contents(dataset) == expected
