"""kill -9 before and after every step on the file system: nothing lost, nothing doubled, the restart finishes."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from refsort.files.dataset import Dataset
from tests.conftest import ELSEWHERE
from tests.faults.stepping import chosen, some_or_every
from tests.faults.worker import in_a_process, take_all_back, work
from tests.files.helpers import dataset_of
from tests.trees import Tree, contents, read

"""Another file system, where there is one."""


ARRIVED: Tree = {"a.jpg": b"a", "b.jpg": b"b" * 5000, "b.xmp": b"s", "c.jpg": b"c"}
"""A picture, one with a sidecar, one whose name is taken."""
BATCHES: dict[int, Tree] = {
    1: {"c.jpg": b"c"},
    2: {"a.jpg": b"a", "c.jpg": b"c"},
    3: ARRIVED,
}


def fresh(root: Path, other: Path | None, arrived: Tree = ARRIVED) -> Dataset:
    """These files have arrived, and the name c.jpg is taken; Dataset/ perhaps on another file system."""
    data = dataset_of(root, {"Images": dict(arrived)})
    if other is not None:
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir()
        data.path("Dataset").symlink_to(other)
    data.path("Dataset/a").mkdir(parents=True)
    data.path("Dataset/a/c.jpg").write_bytes(b"already here")
    return data


def settle_and_check(data: Dataset, roots: list[Path], action: str, where: str, arrived: Tree = ARRIVED) -> None:
    """Restart, look, take everything back, look again."""
    code, _ = in_a_process(data.root, 0, "rename", action)
    assert code == 0, where
    expected = contents(*roots)
    if action == "move":
        counts = sorted(expected.values())
        assert counts == [1] * (len(arrived) + 1), f"{where}: lost or doubled: {counts}"
        assert not [p for p in data.path("Images").rglob("*") if p.is_file()], where
    assert not [p for root in roots for p in root.rglob(".*") if "refsort-" in p.name], f"{where}: litter"
    assert data.path("Dataset/a/c.jpg").read_bytes() == b"already here", where
    take_all_back(data, where)
    assert read(data.path("Images")) == arrived, where
    assert {p.name for p in data.path("Dataset/a").iterdir()} == {"c.jpg"}, where


CASES = [("rename", "move", False), ("link", "move", False), ("rename", "move", True), ("link", "move", True)]
MORE = [
    ("placeholder", "move", False),
    ("rename", "copy", False),
    ("rename", "hardlink", False),
    ("rename", "symlink", False),
]


SEVERAL_AT_ONCE: list[tuple[str, str, bool]] = [("rename", "move", True), ("rename", "copy", False)]
"""What copies: each picture in a thread of its own."""


@some_or_every
@pytest.mark.parametrize(("way", "action", "across"), CASES + MORE)
def test_killed_before_every_step(tmp_path: Path, way: str, action: str, across: bool, every: bool) -> None:
    killed_before_every_step(tmp_path, way, action, across, 1, every=every)


@some_or_every
@pytest.mark.parametrize(("way", "action", "across"), SEVERAL_AT_ONCE)
def test_killed_before_every_step_of_several_copies_at_once(
    tmp_path: Path, way: str, action: str, across: bool, every: bool
) -> None:
    killed_before_every_step(tmp_path, way, action, across, len(ARRIVED), every=every)


def killed_before_every_step(tmp_path: Path, way: str, action: str, across: bool, threads: int, *, every: bool) -> None:
    other = ELSEWHERE / f"refsort-{os.getpid()}-{tmp_path.name}" if across else None
    if other is not None and (not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("there is no second file system here")
    try:
        every_step(tmp_path, other, way, action, threads=threads, every=every)
    finally:
        if other is not None:
            shutil.rmtree(other, ignore_errors=True)


@some_or_every
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("way", ["rename", "link"])
def test_killed_before_every_step_of_a_smaller_batch(tmp_path: Path, way: str, size: int, every: bool) -> None:
    every_step(tmp_path, None, way, "move", BATCHES[size], every=every)


def every_step(
    tmp_path: Path,
    other: Path | None,
    way: str,
    action: str,
    arrived: Tree = ARRIVED,
    *,
    threads: int = 1,
    every: bool,
) -> None:
    data = fresh(tmp_path / "count", other, arrived)
    code, steps = in_a_process(data.root, 0, way, action, threads)
    assert code == 0
    assert steps > 8
    for k in chosen(steps, (way, action, other is None, len(arrived)), every=every):
        root = tmp_path / f"k{k}"
        data = fresh(root, other, arrived)
        code, _ = in_a_process(root, k, way, action, threads)
        assert code == -9, f"step {k}"
        roots = [root, *([other] if other else [])]
        settle_and_check(data, roots, action, f"{way}, {action}, step {k} of {steps}", arrived)
        shutil.rmtree(root)


def test_killed_in_the_middle_of_a_copy(tmp_path: Path) -> None:
    """The system kills whoever writes a file beyond a limit: the copy is half written then."""
    resource = pytest.importorskip("resource")
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    arrived: Tree = {"a.jpg": b"a", "b.jpg": os.urandom(3_000_000)}
    other = ELSEWHERE / f"refsort-{os.getpid()}-{tmp_path.name}"
    try:
        data = fresh(tmp_path / "D", other, arrived)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
            work(data.root, 0, "rename", "move")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGXFSZ
        (part,) = [path for path in other.rglob("*.refsort-part") if ".b.jpg" in path.name]
        assert 0 < part.stat().st_size < 3_000_000
        settle_and_check(data, [data.root, other], "move", "in a copy", arrived)
    finally:
        shutil.rmtree(other, ignore_errors=True)
