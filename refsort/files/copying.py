"""Copying to another file system so that the copy is whole, proven and durable before anybody sees it.

Several files at once: a small one waits for its flush most of the time (100 kB to ext4: 3.9 ms one by one, 1.7 ms by
four threads; files of 5 MB, or a target in memory, gain little and lose nothing).
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from refsort.files.identity import CHUNK, FileStat, from_result, open_regular
from refsort.names import MAX_NAME_BYTES, cut

PART_SUFFIX = ".refsort-part"
THREADS = min(4, (os.cpu_count() or 1) + 2)
"""Copies at once; more than four gained little (benchmarks/plans.py --at-once) and would only crowd a spinning disk."""
WAKE_S = 0.2
"""How often waiting for a thread looks up: on Windows Ctrl-C does not end a wait without a limit."""


class Stopped(Exception):
    """The copy was given up half-way, and nothing is left of it, because the whole batch is."""


class AtOnce:
    """Does tasks in a few threads of its own and in the calling one; all have ended when `run` returns or raises."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._stop = threading.Event()
        self._errors: list[BaseException] = []

    def go_on(self) -> None:
        """For long tasks to call now and then. Raises Stopped when the others have been given up."""
        if self._stop.is_set():
            raise Stopped

    def run(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Begun in this order. After the first task that raises no more are begun, and its error is raised here."""
        waiting = deque(tasks)
        helpers = [
            threading.Thread(target=self._work, args=(waiting,), name=f"copy-{number}")
            for number in range(min(self.threads, len(waiting)) - 1)
        ]
        try:
            with contextlib.suppress(RuntimeError):  # The system gives no more threads: those that there are do it.
                for helper in helpers:
                    helper.start()
            self._work(waiting)
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._join(helpers)
        if self._errors:
            raise self._errors[0]

    def _work(self, waiting: deque[Callable[[], None]]) -> None:
        while not self._stop.is_set():
            try:
                task = waiting.popleft()
            except IndexError:
                return
            try:
                task()
            except BaseException as error:  # noqa: BLE001  (raised in the calling thread, once all have ended)
                self._errors.append(error)
                self._stop.set()

    def _join(self, helpers: list[threading.Thread]) -> None:
        """Wait, whatever interrupts it: a batch that is left while a thread still writes would be settled too early."""
        for helper in helpers:
            while helper.is_alive():
                try:
                    helper.join(WAKE_S)
                except BaseException as error:  # noqa: BLE001  (raised once all have ended)
                    self._errors.append(error)
                    self._stop.set()


def part_path(target: Path, source_name: str, move_id: int) -> Path:
    """Where the copy grows: hidden, in its target's folder, so that the last step is a rename within one folder.

    The name follows from the move alone, so recovery finds it whatever number the target got in between.
    """
    end = f".{move_id}{PART_SUFFIX}"
    return target.with_name(f".{cut(source_name, MAX_NAME_BYTES - len(end) - 1)}{end}")


def copy_to_part(
    source: Path, expected: FileStat, sha256: bytes, part: Path, go_on: Callable[[], None] = lambda: None
) -> FileStat:
    """Copy a file to `part`, which must not exist, and prove it: flushed to the disk, read back, hash compared.

    Keeps modification time, mode and extended attributes. Returns the stat of the copy. On any failure the partial
    copy, which is ours alone, is removed and OSError raised, or what `go_on` raises between two chunks; the source is
    only read.
    """
    with os.fdopen(open_regular(source), "rb") as reader:
        if not from_result(os.fstat(reader.fileno())).same_file(expected):
            raise OSError("it changed since it was read")
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(descriptor, "r+b") as writer:
                while chunk := reader.read(CHUNK):
                    go_on()
                    writer.write(chunk)
                writer.flush()
                os.fsync(writer.fileno())
                writer.seek(0)
                found = _hash(writer, go_on)
            if found != sha256:
                raise OSError("the copy is not what was read: the picture changed, or a disk is failing")
            keep_attributes(source, part)
            return from_result(os.lstat(part))
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def _hash(file: BinaryIO, go_on: Callable[[], None]) -> bytes:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        go_on()
        digest.update(chunk)
    return digest.digest()


def keep_attributes(source: Path, copy: Path) -> None:
    """Times, mode and extended attributes; what a file system can't hold must not stop a move."""
    try:
        shutil.copystat(source, copy, follow_symlinks=False)
    except OSError:
        result = os.lstat(source)
        os.utime(copy, ns=(result.st_atime_ns, result.st_mtime_ns))
    if hasattr(os, "chown") and os.geteuid() == 0:
        result = os.lstat(source)
        with contextlib.suppress(OSError):
            os.chown(copy, result.st_uid, result.st_gid)
