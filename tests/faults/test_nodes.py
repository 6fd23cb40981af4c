"""Devices and sockets named like pictures: said once, never opened, and nobody waits for them."""

import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.watching import disc, lies, make_dataset, until, watched
from tests.faults.test_errors import run

pytestmark = pytest.mark.skipif(not hasattr(os, "mknod"), reason="there are no such things on Windows")

NULL, LOOP = os.makedev(1, 3), os.makedev(7, 200)
"""/dev/null, and a loop device that nobody uses."""


@pytest.fixture(params=["character device", "block device", "socket"])
def dataset(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A picture has arrived, and something else named x.jpg."""
    root = make_dataset(tmp_path / "Data" / "Discos")
    (root / "Images" / "a.jpg").write_bytes(disc("rojo", 5))
    with socket.socket(socket.AF_UNIX) as listener:
        if request.param == "socket":
            monkeypatch.chdir(root / "Images")  # a socket's path must be short
            listener.bind("x.jpg")
            listener.listen()
        else:
            kind, number = (stat.S_IFCHR, NULL) if request.param == "character device" else (stat.S_IFBLK, LOOP)
            try:
                os.mknod(root / "Images" / "x.jpg", 0o600 | kind, number)
            except PermissionError:
                pytest.skip("only root can make device nodes")
        yield root


def test_a_sort_passes_it_over(dataset: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"

    def note(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and str(args[0]).endswith("x.jpg"):
            opened.touch()

    done = run(dataset, "sort", "--encoder", "builtin", first=lambda: sys.addaudithook(note))
    assert done.code == 0, done
    assert done.err.splitlines() == ["skipped: Images/x.jpg: device or socket: never followed"]
    assert (dataset / "Dataset" / "rojo" / "a.jpg").is_file()
    assert not stat.S_ISREG((dataset / "Images" / "x.jpg").lstat().st_mode)
    assert not opened.exists()


def test_a_daemon_says_it_once(dataset: Path) -> None:
    before = (dataset / "Images" / "x.jpg").lstat()
    with watched(dataset) as daemon:
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        scans = {daemon.status["last_scan"]}
        time.sleep(1.2)
        scans.add(daemon.status["last_scan"])
    assert len(scans) == 2, "it has looked again"
    assert daemon.log.count("x.jpg") == 1
    after = (dataset / "Images" / "x.jpg").lstat()
    assert (after.st_ino, after.st_atime_ns) == (before.st_ino, before.st_atime_ns), "never opened, never moved"
