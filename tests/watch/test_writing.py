"""Whether somebody has a file open for writing, seen with real processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refsort.watch.writing import PROC, REFUSE_LEASES, _file_system, _identity, _open_for_writing, being_written, leased

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tell")

HOLD = """
import sys
files = [open(path, mode) for path, mode in zip(sys.argv[1::2], sys.argv[2::2])]
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """Three files: another process appends to the first, reads the second, and leaves the third alone."""
    paths = tuple(tmp_path / f"{name}.jpg" for name in ("written", "read", "alone"))
    for path in paths:
        path.write_bytes(b"x")
    command = [sys.executable, "-c", HOLD, str(paths[0]), "ab", str(paths[1]), "rb"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield paths  # type: ignore[misc]
        process.kill()


def test_a_writer_is_seen_and_a_reader_is_not(files: tuple[Path, Path, Path]) -> None:
    assert being_written(files) == {files[0]}


def test_a_lease_and_the_table_of_processes_agree(files: tuple[Path, Path, Path]) -> None:
    if leased(files[2]) is None:
        pytest.skip("this file system has no leases")
    assert [leased(path) for path in files] == [True, False, False]
    written = _open_for_writing()
    assert [_identity(path) in written for path in files] == [True, False, False]


def test_without_leases_the_table_of_processes_answers(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refsort.watch.writing.leased", lambda path: None)
    assert being_written(files) == {files[0]}


def test_what_is_gone_or_no_file_is_not_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "pipe.jpg")
    assert being_written([tmp_path / "pipe.jpg", tmp_path / "link.jpg", tmp_path / "none.jpg"]) == set()


def test_asking_again_and_again_ends_neither_us_nor_the_writer(tmp_path: Path) -> None:
    """A writer that opens the file while we hold the lease makes the kernel send us a signal; it must be harmless."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    loop = "import sys\nfor _ in range(3000):\n    open(sys.argv[1], 'ab').close()"
    with subprocess.Popen([sys.executable, "-c", loop, str(path)]) as writer:
        deadline = time.monotonic() + 60
        while writer.poll() is None and time.monotonic() < deadline:
            leased(path)
    assert writer.returncode == 0


def test_where_leases_are_always_refused_they_say_nothing(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _file_system(PROC.stat().st_dev) == "proc"
    assert _file_system(files[0].stat().st_dev) not in REFUSE_LEASES
    monkeypatch.setattr("refsort.watch.writing._file_system", lambda device: "nfs4")
    assert leased(files[0]) is None
    assert being_written(files) == {files[0]}, "this machine's own writers are seen all the same"
