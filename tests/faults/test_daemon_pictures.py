"""The daemon and its pictures: changed in the middle of a move, odd, and bad."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tests.conftest import SHARED
from tests.e2e.helpers import on, refsort
from tests.e2e.watching import disc, make_dataset, until, watched
from tests.faults.clocks import Altered
from tests.trees import contents

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and open files work otherwise on Windows")

FOLDER = SHARED / "images"
TIMES = 8
"""How often each odd and bad picture is dropped: more than a thousand files in all."""


@pytest.mark.parametrize("way", ["rename", "link"])
def test_a_picture_that_changes_between_score_and_move_is_filed_under_what_it_is_then(tmp_path: Path, way: str) -> None:
    dataset = make_dataset(tmp_path / "Data" / "Discos")
    outside = tmp_path / "outside"
    outside.mkdir()
    names = [f"{moment}-{deed}.jpg" for moment in ("scored", "intended", "claiming") for deed in ("inplace", "replace")]
    for number, name in enumerate(names):
        (dataset / "Images" / name).write_bytes(disc("rojo", number))
        (outside / name).write_bytes(disc("azul", number))
    (dataset / "Images" / "stays-red.jpg").write_bytes(disc("rojo", 99))
    new = {name: (outside / name).read_bytes() for name in names}
    with Altered(dataset, ["tests.faults.writer", str(dataset / "Images"), str(outside), way]) as daemon:
        until(lambda: sum(path.is_file() for path in (dataset / "Dataset").rglob("*")) == len(names) + 1)
        until(lambda: daemon.status["queue"] == 0)
    assert [path.name for path in (dataset / "Dataset" / "rojo").iterdir()] == ["stays-red.jpg"]
    assert {path.name: path.read_bytes() for path in (dataset / "Dataset" / "azul").iterdir()} == new
    for name in names:
        kinds = [line.split()[1:3] for line in daemon.log.splitlines() if name in line]
        assert kinds == [["skipped:", f"Images/{name}"], ["sorted:", f"Images/{name}"]], "refused once, filed once"
    assert sorted(done_moves(dataset)) == sorted(
        [("Dataset/azul", n) for n in names] + [("Dataset/rojo", "stays-red.jpg")]
    )


def done_moves(dataset: Path) -> list[tuple[str, str]]:
    """(folder, name) of every move that the journal calls done."""
    with sqlite3.connect(dataset / ".refsort" / "journal.db") as db:
        rows = db.execute("SELECT target FROM moves WHERE state='done'").fetchall()
    found = [bytes(target).decode().rpartition("/") for (target,) in rows]
    return [(folder, name) for folder, _, name in found]


def scene_dataset(root: Path) -> Path:
    """Classes that a picture read wrongly would fall into: turned, mirrored, with its colours mixed up, inverted."""
    with Image.open(FOLDER / "odd" / "scene.png") as opened:
        scene = opened.convert("RGB")
    red, green, blue = scene.split()
    classes = {
        "right": scene,
        "grey": scene.convert("L"),
        "quarter": scene.rotate(90, expand=True),
        "quarter_back": scene.rotate(-90, expand=True),
        "half": scene.rotate(180),
        "mirrored": ImageOps.mirror(scene),
        "mixed": Image.merge("RGB", (green, blue, red)),
        "inverted": ImageOps.invert(scene),
        "inverted_grey": ImageOps.invert(scene.convert("L")),
    }
    for name, picture in classes.items():
        (root / "Clases" / name).mkdir(parents=True)
        for number, side in enumerate((320, 280, 240)):
            size = (side, side * picture.height // picture.width)
            picture.resize(size).save(root / "Clases" / name / f"r{number}.png")
    (root / "Images").mkdir()
    return root


def twin(row: dict[str, str]) -> str:
    """The plain picture that this one of the manifest shows."""
    if row.get("against") == "grey":
        return "twin-grey.png"
    return "twin-24x18.png" if "24x18" in row["file"] else "twin.png"


def write_twins(folder: Path) -> list[str]:
    """The picture that all the odd ones show: in colour, in grey, and as small as the smallest."""
    with Image.open(FOLDER / "odd" / "scene.png") as opened:
        scene = opened.convert("RGB")
    scene.save(folder / "twin.png")
    scene.convert("L").save(folder / "twin-grey.png")
    scene.resize((24, 18), Image.Resampling.BICUBIC).save(folder / "twin-24x18.png")
    return [f"Images/{path.name}" for path in folder.iterdir()]


def test_bad_pictures_go_to_bad_untouched_and_odd_ones_where_their_plain_twins_go(tmp_path: Path) -> None:
    if not (FOLDER / "manifest.json").is_file():
        pytest.skip("sample pictures are not here")
    dataset = scene_dataset(tmp_path / "Data" / "Escenas")
    rows = {row["file"]: row for row in json.loads((FOLDER / "manifest.json").read_text())}
    dropped: dict[str, str] = {}
    twins = write_twins(dataset / "Images")
    for number in range(TIMES):
        (dataset / "Images" / str(number)).mkdir()
        for file, row in rows.items():
            # A name of 255 bytes leaves no room for a number; the folder tells such twins apart before the move.
            name = file if len(os.fsencode(file)) > 240 else f"{number}-{file}"
            data = (FOLDER / row["folder"] / file).read_bytes()
            (dataset / "Images" / str(number) / name).write_bytes(data)
            dropped[f"Images/{number}/{name}"] = file
    before = contents(dataset)
    flags = ("--bad-after", "1", "--unsure", "off", "--mode", "max", "--log", "json")
    with watched(dataset, *flags) as daemon:
        until(lambda: sum(map(daemon.status["counts"].get, ("sorted", "bad"), (0, 0))) == len(dropped) + len(twins))
    assert contents(dataset) == before
    ends = {}
    for event in map(json.loads, daemon.log.splitlines()):
        if event["event"] in ("sorted", "bad"):
            ends[event["file"]] = event
    assert set(ends) == {*dropped, *twins}
    folder_of = {path.rpartition("/")[2]: ends[path]["target"].split("/")[:-1] for path in twins}
    assert folder_of["twin.png"] == ["Dataset", "right"]
    assert folder_of["twin-grey.png"] == ["Dataset", "grey"]
    reasons = bad_reasons(dataset)
    wrong = []
    for path, file in dropped.items():
        end, row = ends[path], rows[file]
        same_bytes = (dataset / end["target"]).read_bytes() == (FOLDER / row["folder"] / file).read_bytes()
        where = end["target"].split("/")[:-1]
        right = {
            "same": where == folder_of[twin(row)],
            "different": where[0] == "Dataset",
            "refuse": where == ["Bad"] and bool(end["reason"]) and reasons.get(end["target"]) == end["reason"],
            "either": where[0] in ("Dataset", "Bad"),
        }[row["expect"]]
        if not (right and same_bytes):
            wrong.append((path, end["target"], end.get("reason")))
    assert not wrong
    runs = refsort("history", *on(dataset), "--json").json["runs"]
    assert sum(run["summary"]["bad"] for run in runs) == sum(end["event"] == "bad" for end in ends.values())


def bad_reasons(dataset: Path) -> dict[str, str]:
    """Where a bad picture lies now → why, by the journal."""
    with sqlite3.connect(dataset / ".refsort" / "journal.db") as db:
        rows = db.execute("SELECT target, decision FROM moves WHERE state='done'").fetchall()
    found = {os.fsdecode(bytes(target)): json.loads(decision) for target, decision in rows}
    return {target: decision["reason"] for target, decision in found.items() if decision["verdict"] == "bad"}
