"""A real daemon on a real dataset of coloured discs, for the tests that watch it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image, ImageDraw

from tests.e2e.helpers import ROOT, on

COLOURS = {"rojo": (205, 40, 30), "azul": (30, 60, 205), "verde": (30, 180, 60)}
DEADLINE_S = 90.0
"""Far more than anything takes; a test that needs it fails."""
QUICK = ("--settle", "0.2", "--settle-closed", "0.1", "--rescan", "0.5", "--encoder", "builtin")


def disc(colour: str, number: int) -> bytes:
    """A JPEG of a disc; each number gives other bytes, and the pixels of a few numbers differ too."""
    image = Image.new("RGB", (160, 120), (120 + number % 8, 125, 130))
    ImageDraw.Draw(image).ellipse((30 + number % 8, 10, 120 + number % 8, 100), fill=COLOURS[colour])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, comment=f"{colour} {number}".encode())
    return buffer.getvalue()


def make_dataset(root: Path) -> Path:
    """Two classes, nothing arrived yet."""
    for name in ("rojo", "azul"):
        add_class(root, name)
    (root / "Images").mkdir()
    return root


def add_class(root: Path, name: str) -> None:
    (root / "Clases" / name).mkdir(parents=True)
    for number in range(3):
        (root / "Clases" / name / f"r{number}.jpg").write_bytes(disc(name, number))


def until(is_so: Callable[[], Any], what: str = "it") -> None:
    """Wait for something that certainly comes."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


class Daemon:
    """`refsort watch` in a process of its own. Leaving the block stops it with SIGTERM and expects 0."""

    def __init__(self, dataset: Path, *flags: str, quick: bool = True) -> None:
        self.dataset = dataset
        self.log_file = dataset.parent / f"log-{time.monotonic_ns()}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_") or k == "REFSORT_CACHE"}
        words = ["watch", *on(dataset), *(QUICK if quick else ()), *flags]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "refsort", *words],
                cwd=dataset.parent,
                env=clean | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    @property
    def status(self) -> dict[str, Any]:
        """What it says of itself; empty before it has said anything."""
        try:
            found: dict[str, Any] = json.loads((self.dataset / ".refsort" / "status.json").read_text())
        except FileNotFoundError:
            return {}
        return found if found["pid"] == self.process.pid else {}

    def ready(self) -> Self:
        """Wait until it has looked at everything once."""
        until(lambda: self.status.get("last_scan") or self.process.poll() is not None, "the first scan")
        assert self.process.poll() is None, self.log
        return self

    def says(self, words: str) -> None:
        """Wait for words in its log."""
        until(lambda: words in self.log, f"{words!r} in the log")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=DEADLINE_S)

    def __enter__(self) -> Self:
        return self.ready()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            code = self.stop() if kind is None else self.kill()
            assert kind is not None or code == 0, self.log


@contextmanager
def watched(dataset: Path, *flags: str) -> Iterator[Daemon]:
    """A daemon that is ready."""
    with Daemon(dataset, *flags) as daemon:
        yield daemon


def lies(dataset: Path, *places: str) -> Callable[[], bool]:
    """Whether there is a file at each of these places."""
    return lambda: all((dataset / place).is_file() for place in places)
