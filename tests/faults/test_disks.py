"""Full disks, read-only folders, other file systems, and two sorters at once with the lock taken out."""

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from refsort.cli import main as refsort
from refsort.errors import JournalError
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from tests.conftest import ELSEWHERE
from tests.e2e.helpers import on
from tests.e2e.watching import disc, make_dataset
from tests.faults.test_errors import run
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


# -- the whole command


def arrivals(dataset: Path, *names: str) -> None:
    """Pictures in Images/; a name begins with its colour."""
    for number, name in enumerate(names):
        (dataset / "Images" / name).write_bytes(disc(name[:4], 50 + number))


def test_a_full_disk_under_the_reports_costs_the_page_and_nothing_else(tmp_path: Path, small_disk: Path) -> None:
    dataset = make_dataset(tmp_path / "Data" / "Discos")
    arrivals(dataset, "rojo.jpg", "azul.jpg")
    before, arrived = contents(dataset), read(dataset / "Images")
    (dataset / ".refsort").mkdir()
    (dataset / ".refsort" / "reports").symlink_to(small_disk)
    left = shutil.disk_usage(small_disk).free - 8192
    (small_disk / "filler").write_bytes(b"0" * left)
    done = run(dataset, "sort", "--encoder", "builtin")
    assert done.code == 0, done
    assert done.err == ""
    (line,) = [line for line in done.out.splitlines() if line.startswith("report:")]
    assert line.endswith("run-1.html could not be written: the disk is full")
    assert [path.name for path in small_disk.iterdir()] == ["filler"], "half a page"
    assert "1  2" in run(dataset, "history").out
    assert "interrupted" not in run(dataset, "history").out
    assert (dataset / "Dataset" / "rojo" / "rojo.jpg").exists()
    assert run(dataset, "undo").code == 0
    assert read(dataset / "Images") == arrived
    assert contents(dataset) == before


def test_the_command_names_the_class_folder_that_may_not_be_written() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody without rights")
    root = Path(tempfile.mkdtemp(prefix="refsort-"))
    try:
        root.chmod(0o777)
        dataset = make_dataset(root / "Data" / "Discos")
        dataset.parent.chmod(0o777)
        arrivals(dataset, "rojo.jpg", "rojo2.jpg", "azul.jpg")
        before = contents(dataset)
        (dataset / "Dataset" / "rojo").mkdir(parents=True)

        def become_nobody() -> None:
            # A dry run first: nobody may perhaps not read the modules that are still to be imported.
            refsort(["sort", "--dry-run", "--no-report", *on(dataset), "--encoder", "builtin"])
            for path in [dataset, *dataset.rglob("*")]:
                if path != dataset / "Dataset" / "rojo":
                    os.chown(path, NOBODY, NOBODY)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        done = run(dataset, "sort", "--encoder", "builtin", first=become_nobody)
        assert done.code == 1, done
        for name in ("rojo.jpg", "rojo2.jpg"):
            assert f"failed: Images/{name}: can't be filed as Dataset/rojo/{name}: permission denied" in done.err
            assert (dataset / "Images" / name).exists()
        assert "Traceback" not in done.err
        assert (dataset / "Dataset" / "azul" / "azul.jpg").exists()
        assert contents(dataset) == before
    finally:
        shutil.rmtree(root)


def attributes(path: Path) -> tuple[bytes, int, int, dict[str, bytes]]:
    """Bytes, time of modification in ns, mode, extended attributes."""
    found = path.stat()
    extended = {name: os.getxattr(path, name) for name in os.listxattr(path)} if hasattr(os, "listxattr") else {}
    return path.read_bytes(), found.st_mtime_ns, stat.S_IMODE(found.st_mode), extended


def test_what_moves_to_another_file_system_and_back_keeps_its_attributes(tmp_path: Path) -> None:
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    other = Path(tempfile.mkdtemp(prefix="refsort-", dir=ELSEWHERE))
    try:
        dataset = make_dataset(tmp_path / "Data" / "Discos")
        (dataset / "Dataset").symlink_to(other)
        arrivals(dataset, "rojo.jpg", "azul.jpg")
        (dataset / "Images" / "rojo.xmp").write_bytes(b"<x/>")
        for number, path in enumerate(sorted((dataset / "Images").iterdir())):
            with contextlib.suppress(OSError, AttributeError):
                os.setxattr(path, "user.rating", b"%d" % number)
            path.chmod((0o640, 0o400, 0o755)[number])
            os.utime(path, ns=(1, 1_234_567_890_123_456_789 + number))
        arrived = {path.name: attributes(path) for path in (dataset / "Images").iterdir()}
        assert run(dataset, "sort", "--encoder", "builtin").code == 0
        assert {path.name: attributes(path) for path in other.glob("*/*")} == arrived
        assert not list((dataset / "Images").iterdir())
        assert run(dataset, "undo").code == 0
        assert {path.name: attributes(path) for path in (dataset / "Images").iterdir()} == arrived
        assert [path for path in other.rglob("*") if path.is_file()] == []
    finally:
        shutil.rmtree(other)
