"""Carrying out a plan: what goes with a picture, what was moved before, and plans that somebody has edited."""

import hashlib
import json
import os
import shutil
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from refsort.errors import UnsafeName
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.undo import choose, undo
from refsort.sorting import Reporters
from tests.files.helpers import dataset_of
from tests.trees import Tree, contents, read

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
from refsort.scale.applying import Applied, apply_plan  # noqa: E402
from refsort.scale.plans import FIELDS, KEY, VERSION, About  # noqa: E402

ARRIVED: Tree = {
    "a.jpg": b"a",
    "a.xmp": b"of a",
    "b.jpg": b"b",
    "b.jpg.json": b"of b",
    "c.jpg": b"c",
    "c.cr2": b"raw of c",
    "alone.xmp": b"of nobody",
    "d\\e.jpg": b"d",
    "f.jpg": b"f",
}
"""A backslash is a letter where it parts no folders."""
DECISION = {"class": "x", "score": 0.5}


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    if os.sep == "\\":
        pytest.skip("no such names here")
    return dataset_of(tmp_path / "D", {"Images": {**ARRIVED, "sub": {"g.jpg": b"g"}}})


def plan_of(
    data: Dataset, names: list[str], *, folder: str = "Dataset/x", decision: str = json.dumps(DECISION)
) -> Path:
    """A plan that moves these files of the drop folder."""
    rows = []
    for name in names:
        path = data.path(f"Images/{name}")
        size, mtime_ns, sha256 = 0, 0, bytes(32)
        if path.is_file():
            found = path.stat()
            size, mtime_ns, sha256 = found.st_size, found.st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()
        rows.append(
            {"path": os.fsencode(name), "size": size, "mtime_ns": mtime_ns, "sha256": sha256}
            | {"folder": os.fsencode(folder), "class": b"x", "verdict": "sure", "probability": 0.9}
            | {"decision": decision}
        )
    about = About(VERSION, str(data.path("Images").resolve()), data.name, "builtin", "none", {})
    metadata = {KEY: json.dumps(asdict(about)).encode()}
    plan = data.root.parent / f"plan{len(list(data.root.parent.glob('plan*')))}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(FIELDS, metadata=metadata)), plan)
    return plan


def applied(data: Dataset, plan: Path) -> Applied:
    return apply_plan(data, plan, Reporters())


def numbers(done: Applied) -> tuple[int, int, int, int]:
    return done.moved, done.before, done.skipped, done.failed


def test_what_goes_with_a_picture_moves_with_it_and_only_with_it(data: Dataset) -> None:
    before = read(data.path("Images"))
    plan = plan_of(data, [*ARRIVED, "sub/g.jpg"])
    done = applied(data, plan)
    assert numbers(done) == (7, 0, 3, 0), "three rows are of files that go with others"
    assert done.per_folder == {"Dataset/x": 7}
    assert read(data.path("Images")) == {}
    assert read(data.path("Dataset/x")) == {**ARRIVED, "g.jpg": b"g"}
    with closing(Journal(data.state / "journal.db")) as journal:
        assert done.run is not None
        moves = {move.source: move for move in journal.standing(done.run)}
        assert moves["Images/a.xmp"].main == moves["Images/a.jpg"].id == moves["Images/a.jpg"].main
        assert moves["Images/b.jpg.json"].main == moves["Images/b.jpg"].id
        assert moves["Images/c.cr2"].main == moves["Images/c.jpg"].id
        assert moves["Images/alone.xmp"].main == moves["Images/alone.xmp"].id
        assert (moves["Images/a.jpg"].decision, moves["Images/a.xmp"].decision) == (DECISION, None)
        assert undo(data, journal, choose(journal, data, None, None, None), "all").left == []
    assert read(data.path("Images")) == before


def test_what_an_earlier_try_moved_counts_as_that_until_it_is_taken_back(data: Dataset) -> None:
    plan = plan_of(data, ["b.jpg", "f.jpg", "never.jpg"])
    assert numbers(applied(data, plan)) == (2, 0, 1, 0)
    assert numbers(applied(data, plan)) == (0, 2, 1, 0)
    with closing(Journal(data.state / "journal.db")) as journal:
        undo(data, journal, choose(journal, data, 1, None, None), "all")
    data.path("Images/f.jpg").unlink()
    assert numbers(applied(data, plan)) == (1, 0, 2, 0), "what was taken back and is gone was not moved"


@pytest.mark.parametrize("folder", ["Clases/x", "Dataset/../Clases/x", "../outside", "/tmp", "Images", "Dataset//x"])
def test_a_folder_that_no_sort_fills_is_refused(data: Dataset, folder: str) -> None:
    before = contents(data.root.parent)
    plan = plan_of(data, ["f.jpg"], folder=folder)
    with pytest.raises(UnsafeName):
        applied(data, plan)
    plan.unlink()
    shutil.rmtree(data.state)
    assert contents(data.root.parent) == before
    assert not data.path("Clases/x").exists()


@pytest.mark.parametrize("name", ["../Clases/x.jpg", "sub/..", "sub/nul\0.jpg"])
def test_a_path_that_leads_out_is_refused_wherever_it_stands(data: Dataset, name: str) -> None:
    with pytest.raises(UnsafeName):
        applied(data, plan_of(data, ["sub/none.jpg", name]))
    assert read(data.path("Images/sub")) == {"g.jpg": b"g"}


@pytest.mark.parametrize("decision", ["", "{", "[1]", '{"class": }'])
def test_a_decision_that_history_could_not_read_moves_nothing(data: Dataset, decision: str) -> None:
    done = applied(data, plan_of(data, ["f.jpg"], decision=decision))
    assert numbers(done) == (0, 0, 0, 1)
    assert data.path("Images/f.jpg").is_file()


def test_a_plan_is_carried_out_across_file_systems(data: Dataset, elsewhere: Path) -> None:
    data.path("Dataset").symlink_to(elsewhere)
    before, arrived = contents(data.root), read(data.path("Images"))
    plan = plan_of(data, [*ARRIVED, "sub/g.jpg"])
    assert numbers(applied(data, plan)) == (7, 0, 3, 0)
    assert contents(elsewhere) == before
    assert numbers(applied(data, plan)) == (0, 10, 0, 0)
    with closing(Journal(data.state / "journal.db")) as journal:
        assert undo(data, journal, choose(journal, data, 1, None, None), "all").left == []
    assert read(data.path("Images")) == arrived
