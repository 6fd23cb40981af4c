"""Full disks, read-only folders, and two sorters at once with the lock taken out."""

import os
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from refsort.errors import JournalError
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from tests.files.helpers import dataset_of, move_all, requests_for
from tests.trees import contents, read

NOBODY = 65534


def forked(work: Callable[[], None]) -> int:
    """Start a process that does `work`; its number."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  (a forked process must never return into pytest)
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = (
        shutil.which("mount")
        and os.geteuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True
        )
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("only root can mount a small disk here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_target_disk_leaves_the_source_and_no_partial_file(tmp_path: Path, small_disk: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"big.jpg": os.urandom(2_000_000), "small.jpg": b"fits"}})
    data.path("Dataset").symlink_to(small_disk)
    before = contents(data.root)
    outcomes = {Path(o.request.members[0].source).name: o for o in move_all(data)}
    assert outcomes["big.jpg"].status == "failed"
    assert "disk is full" in outcomes["big.jpg"].reason
    assert outcomes["small.jpg"].status == "done"
    assert [p.name for p in small_disk.rglob("*") if p.is_file()] == ["small.jpg"]
    assert contents(data.root, small_disk) == before


def test_a_full_disk_under_the_journal_stops_before_anything_moves(tmp_path: Path, small_disk: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {f"{n}.jpg": b"x%d" % n for n in range(50)}})
    journal = Journal(small_disk / "journal.db")
    run = journal.begin_run("sort", "move", {})
    (small_disk / "filler").write_bytes(b"")
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(b"0" * 4096)
    before = read(data.root)
    with pytest.raises(JournalError, match="full"):
        Mover(data, journal).file(run, requests_for(data))
    assert read(data.root) == before


def test_a_folder_that_may_not_be_written_is_named_and_the_source_stays() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody without rights")
    root = Path(tempfile.mkdtemp(prefix="refsort-"))
    try:
        root.chmod(0o755)
        data = dataset_of(root / "D", {"Images": {"x.jpg": b"1", "y.jpg": b"2"}, "Dataset": {"a": {}, "b": {}}})
        data.state.mkdir()
        for path in (data.state, data.path("Images"), data.path("Dataset"), data.path("Dataset/b")):
            os.chown(path, NOBODY, NOBODY)
        for name in ("x.jpg", "y.jpg"):
            os.chown(data.path(f"Images/{name}"), NOBODY, NOBODY)

        def work() -> None:
            os.setuid(NOBODY)
            refused = move_all(data, "Dataset/a")
            assert [o.status for o in refused] == ["failed", "failed"], refused
            assert "permission denied" in refused[0].reason
            assert [o.status for o in move_all(data, "Dataset/b")] == ["done", "done"]

        assert ended_well(forked(work))
        assert read(data.root) == {"Dataset": {"b": {"x.jpg": b"1", "y.jpg": b"2"}}}
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("sources", ["shared", "apart"])
def test_two_sorters_without_a_lock_lose_nothing(tmp_path: Path, sources: str) -> None:
    """3,000 files of one name into one folder: both want the same names, and perhaps the same files."""
    images = {f"{n:04}": {"foto.jpg": b"picture %d" % n} for n in range(3000)}
    data = dataset_of(tmp_path / "D", {"Images": images})  # type: ignore[dict-item]
    Journal(data.state / "journal.db").close()
    before = contents(data.root)
    requests = requests_for(data)

    def sorter(share: int) -> Callable[[], None]:
        def work() -> None:
            journal = Journal(data.state / "journal.db")
            mover = Mover(data, journal)
            run = journal.begin_run("sort", "move", {})
            mine = requests if sources == "shared" else requests[share::2]
            if share:
                mine = mine[::-1]
            for start in range(0, len(mine), 100):
                outcomes = mover.file(run, mine[start : start + 100])
                assert {o.status for o in outcomes} <= {"done", "changed"}, outcomes
            journal.close()

        return work

    processes = [forked(sorter(0)), forked(sorter(1))]
    ended = [ended_well(pid) for pid in processes]
    assert ended == [True, True]
    assert contents(data.root) == before
    assert len(list(data.path("Dataset/a").iterdir())) == 3000
