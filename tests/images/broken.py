"""Decoders and workers that misbehave, for the tests of reading in other processes."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from refsort.errors import BadPicture
from refsort.images import isolated

CRASH = "HEIF: the decoder crashed on it"
SEGFAULT = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
SLEEP = "import time; time.sleep(60)"

posix = pytest.mark.skipif(sys.platform == "win32", reason="the tests send signals")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all these limits and shows them")


class Decoder:
    """A package `pillow_heif` that workers find from now on, and a HEIC file to be given to it."""

    def __init__(self, folder: Path, heic: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.heic = folder, heic
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])

    def does(self, code: str, on_import: str = "pass") -> bytes:
        """What it does with a file, once it has left a sign; that file. It has a list `seen` to remember things in."""
        (self.folder / "pillow_heif.py").write_text(
            "import sys\nfrom types import SimpleNamespace\noptions = SimpleNamespace()\nseen = []\n"
            f"{on_import}\ndef open_heif(*a, **k):\n    open({str(self.folder / 'sign')!r}, 'w').close()\n    {code}\n"
        )
        return self.heic

    def wait(self) -> None:
        """Until it is at a file."""
        wait_for((self.folder / "sign").exists)


class Program:
    """What is started instead of a worker."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "other_worker.py"
        monkeypatch.setattr(isolated, "PROGRAM", self.path)

    def does(self, code: str, begin: str = "reply(READY); sys.stdin.buffer.read(1)") -> None:
        """What it does when a picture arrives, and how it begins. It can call reply(status, first, second, body)."""
        self.path.write_text(
            "import os, struct, sys, time\nREADY, FAILED, PICTURE, REFUSED, NO_MEMORY = range(1, 6)\n"
            "def reply(status, first=0, second=0, body=b''):\n"
            "    os.write(1, struct.pack('<BQQ', status, first, second) + body)\n"
            f"{begin}\n{code}\n"
        )


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def workers() -> list[psutil.Process]:
    """Workers of this process, dead ones too as long as nobody has waited for them."""
    return [child for child in psutil.Process().children() if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("worker.py" in part for part in process.cmdline())
    except psutil.ZombieProcess:
        return True


def told(read: Callable[..., np.ndarray], data: bytes, **limits: int) -> str | tuple[object, ...]:
    """What reading gives, in a form that can be compared."""
    try:
        picture = read(data, **limits)
    except BadPicture as refused:
        return str(refused)
    return picture.shape, picture.dtype, picture.flags.c_contiguous, picture.flags.writeable, picture.tobytes()
