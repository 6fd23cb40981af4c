"""kill -9 before and after every step on the file system: nothing lost, nothing doubled, the restart finishes."""

import shutil
from pathlib import Path

import pytest

from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.undo import choose, undo
from tests.faults.worker import in_a_process
from tests.files.helpers import dataset_of
from tests.trees import contents, read

ELSEWHERE = Path("/dev/shm")
"""Another file system, where there is one."""


def fresh(root: Path, other: Path | None) -> Dataset:
    """Three pictures, one with sidecars, one whose name is taken; Dataset/ perhaps on another file system."""
    tree = {"Images": {"a.jpg": b"a", "b.jpg": b"b" * 5000, "b.xmp": b"s", "c.jpg": b"c"}}
    data = dataset_of(root, tree)  # type: ignore[arg-type]
    if other is not None:
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir()
        data.path("Dataset").symlink_to(other)
    data.path("Dataset/a").mkdir(parents=True)
    data.path("Dataset/a/c.jpg").write_bytes(b"already here")
    return data


def settle_and_check(data: Dataset, roots: list[Path], action: str, where: str) -> None:
    """Restart, look, take everything back, look again."""
    code, _ = in_a_process(data.root, 0, "rename", action)
    assert code == 0, where
    expected = contents(*roots)
    if action == "move":
        assert sorted(expected.values()) == [1, 1, 1, 1, 1], f"{where}: lost or doubled: {read(data.root)}"
        assert not [p for p in data.path("Images").rglob("*") if p.is_file()], where
    assert not [p for root in roots for p in root.rglob(".*") if "refsort-" in p.name], f"{where}: litter"
    assert data.path("Dataset/a/c.jpg").read_bytes() == b"already here", where
    journal = Journal(data.state / "journal.db")
    try:
        assert journal.open_groups() == [], where
        while journal.last_standing_run() is not None:
            result = undo(data, journal, choose(journal, data, None, None, None), "all")
            assert result.left == [], f"{where}: {result.left}"
    finally:
        journal.close()
    assert read(data.path("Images")) == {"a.jpg": b"a", "b.jpg": b"b" * 5000, "b.xmp": b"s", "c.jpg": b"c"}, where
    assert {p.name for p in data.path("Dataset/a").iterdir()} == {"c.jpg"}, where


CASES = [("rename", "move", False), ("link", "move", False), ("rename", "move", True), ("link", "move", True)]
MORE = [
    ("placeholder", "move", False),
    ("rename", "copy", False),
    ("rename", "hardlink", False),
    ("rename", "symlink", False),
]


@pytest.mark.parametrize(("way", "action", "across"), CASES + MORE)
def test_killed_before_every_step(tmp_path: Path, way: str, action: str, across: bool) -> None:
    other = ELSEWHERE / f"refsort-{tmp_path.name}" if across else None
    if other is not None and (not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("there is no second file system here")
    try:
        every_step(tmp_path, other, way, action)
    finally:
        if other is not None:
            shutil.rmtree(other, ignore_errors=True)


def every_step(tmp_path: Path, other: Path | None, way: str, action: str) -> None:
    data = fresh(tmp_path / "count", other)
    code, steps = in_a_process(data.root, 0, way, action)
    assert code == 0
    assert steps > 8
    for k in range(1, steps + 1):
        root = tmp_path / f"k{k}"
        data = fresh(root, other)
        code, _ = in_a_process(root, k, way, action)
        assert code == -9, f"step {k}"
        settle_and_check(data, [root, *([other] if other else [])], action, f"{way}, {action}, step {k} of {steps}")
        shutil.rmtree(root)
