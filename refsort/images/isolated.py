"""Reading pictures from strangers: each is decoded in another process, which it may hang, crash or fill in vain.

Decoders are large programs in C; now and then one has a hole that a crafted file can use. Here such a file costs one
picture. What comes back from a worker is a header and bytes, both checked, never objects. This is no jail: a decoder
that was taken over can put nothing into files on Linux and macOS, but may otherwise do what the user may do.

On two cores a sort loses 6 % of its speed with pictures of 500 pixels, 4 % with 12 megapixels (benchmarks/isolated.py).
"""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import LifoQueue
from threading import Condition, Lock, Thread
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from refsort.errors import BadPicture, RefsortError
from refsort.images import isolated_worker as worker
from refsort.images.formats import HEAD, kind_of
from refsort.images.read import MAX_PIXELS

PROGRAM = Path(worker.__file__)
START_SECONDS = 60.0
"""A worker that has not started by then never will. It takes about 0.2 s."""

_PIPE_BYTES = 2**20  # a small picture in one go; Linux grants it to everybody
_MOST_PIXELS = 2**40
_TICK_SECONDS = 0.5
_NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0  # CREATE_NO_WINDOW
_KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TEMP", "TMP")
_SET_VARIABLES = {
    # Threads and the arenas of glibc reserve address space, much of it for nothing.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # Bytes: glibc keeps so much for the next picture. To ask the system for it again takes longer than to decode.
    "MALLOC_MMAP_THRESHOLD_": str(2**23),
    "MALLOC_TRIM_THRESHOLD_": str(2**25),
}


class _Ended(Exception):
    """The worker has ended, or does not keep to the protocol."""


class _OutOfMemory(Exception):
    """The worker was not given as much memory as it asked for."""


class _OutOfTime(Exception):
    """The worker took too long and was ended."""


class _Watchdog:
    """Kills processes that take too long. One thread for all of them.

    Time is counted in ticks, so that a computer that was asleep, or a program that was stopped, is not held against a
    picture.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._left: dict[subprocess.Popen[bytes], int] = {}
        self._changed = Condition()
        self._idle = self._closed = False
        Thread(target=self._run, name="decode-watchdog", daemon=True).start()

    @contextmanager
    def limit(self, process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[None]:
        """Raises _OutOfTime, instead of whatever else, if the process was killed meanwhile."""
        with self._changed:
            self._left[process] = math.ceil(seconds / self._tick) + 1
            if self._idle:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                killed = self._left.pop(process, None) is None
            if killed:
                raise _OutOfTime

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                self._idle = not self._left
                self._changed.wait(None if self._idle else self._tick)
                if self._idle:
                    continue
                for process, left in list(self._left.items()):
                    self._left[process] = left - 1
                    if left == 1:
                        del self._left[process]
                        process.kill()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()


class _Worker:
    """A running process that reads pictures, one at a time. After any exception but BadPicture it is of no more use."""

    def __init__(self, megabytes: int, seconds: float, watchdog: _Watchdog) -> None:
        """Start it and wait until it is ready. Raises RefsortError, OSError."""
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._watchdog = watchdog
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(PROGRAM), str(megabytes), str(seconds), *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=variables | _SET_VARIABLES,
            process_group=0,  # of its own: Ctrl-C is for the program, which may want to finish its pictures
            creationflags=_NO_WINDOW,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        try:
            self._widen_pipes()
            with watchdog.limit(self._process, START_SECONDS):
                self._wait_until_ready()
        except BaseException:
            self.end()
            raise

    def _widen_pipes(self) -> None:
        if sys.platform == "linux":
            import fcntl

            for pipe in (self._requests, self._replies):
                with suppress(OSError):  # it is only faster
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def _wait_until_ready(self) -> None:
        status, length, _ = self._header()
        if status == worker.FAILED:
            raise RefsortError(self._text(length))
        if status != worker.READY:
            raise _Ended

    def read(self, data: bytes, side: int, max_pixels: int, seconds: float) -> NDArray[np.uint8]:
        """What read_picture returns or raises; or _Ended, _OutOfMemory, _OutOfTime."""
        with self._watchdog.limit(self._process, seconds):
            with suppress(OSError):  # it may have ended, but said why before
                self._send(memoryview(worker.REQUEST.pack(len(data), side, max_pixels)))
                self._send(memoryview(data))
            status, first, second = self._header()
            if status == worker.REFUSED:
                raise BadPicture(self._text(first))
            if status == worker.NO_MEMORY:
                raise _OutOfMemory
            if status != worker.PICTURE or not 0 < first * second <= max_pixels:
                raise _Ended
            pixels = np.empty((first, second, 3), np.uint8)
            self._receive(pixels.reshape(-1).data)
            return pixels

    def _header(self) -> tuple[int, int, int]:
        header = bytearray(worker.REPLY.size)
        self._receive(memoryview(header))
        status, first, second = worker.REPLY.unpack(header)
        return status, first, second

    def _text(self, length: int) -> str:
        """Nothing in it can move the cursor of a terminal."""
        if length > worker.MAX_TEXT:
            raise _Ended
        text = bytearray(length)
        self._receive(memoryview(text))
        return "".join(letter if letter.isprintable() else "?" for letter in text.decode("utf-8", "replace"))

    def _receive(self, view: memoryview) -> None:
        """Fill it. Raises _Ended."""
        while view:
            length = self._replies.readinto(view)  # type: ignore[attr-defined]  # a FileIO, because bufsize is 0
            if not length:
                raise _Ended
            view = view[length:]

    def _send(self, view: memoryview) -> None:
        while view:
            view = view[self._requests.write(view) :]

    def end(self) -> None:
        self._process.kill()
        self._requests.close()
        self._replies.close()
        self._process.wait()


class _Place:
    """Where there may be a worker."""

    worker: _Worker | None = None


class IsolatedReader:
    """Reads pictures as read_picture does, in up to `workers` other processes. To be closed, or used in a `with`.

    seconds: what one picture may take, by the clock; noticed up to a tenth or a second later, whichever is less.
    megabytes: memory that one picture may take beyond what a worker has from the start. Kept to on Linux only;
    elsewhere nothing but max_pixels bounds it.

    A worker is started when a picture first needs it, and replaced when it has ended. A picture is only blamed for the
    end of a worker that had read nothing else: one that another picture has damaged proves nothing.
    """

    def __init__(self, workers: int, seconds: float = 10.0, megabytes: int = 2048) -> None:
        if workers < 1 or seconds <= 0 or megabytes < 1:
            raise ValueError("workers, seconds and megabytes must be positive")
        self._workers, self._seconds, self._megabytes = workers, seconds, megabytes
        self._watchdog = _Watchdog(min(_TICK_SECONDS, seconds / 20))
        self._free: LifoQueue[_Place] = LifoQueue()  # the last one used first: the others may never be needed
        for _ in range(workers):
            self._free.put(_Place())
        self._closing, self._closed = Lock(), False

    def read(self, data: bytes, *, side: int | None = None, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """As read_picture, from any number of threads; each call waits until a worker is free.

        Raises BadPicture with the reason; RefsortError if no worker can be started, whatever the picture;
        RuntimeError once the reader is closed.
        """
        place = self._free.get()
        try:
            return self._read(place, data, max(side or 0, 0), min(max(max_pixels, 0), _MOST_PIXELS))
        except (_Ended, _OutOfMemory, _OutOfTime, MemoryError) as error:
            raise BadPicture(f"{kind_of(data[:HEAD]) or 'picture'}: {self._why(error)}") from None
        finally:
            self._free.put(place)

    def _why(self, error: Exception) -> str:
        if isinstance(error, _OutOfTime):
            return f"takes longer than {self._seconds:g} s to decode"
        if isinstance(error, _OutOfMemory):
            return f"needs more than {self._megabytes} MB to decode"
        return "not enough memory to decode it" if isinstance(error, MemoryError) else "the decoder crashed on it"

    def _read(self, place: _Place, data: bytes, side: int, max_pixels: int) -> NDArray[np.uint8]:
        if place.worker is not None:
            with suppress(_Ended, _OutOfMemory):
                return self._read_once(place, data, side, max_pixels)
        return self._read_once(place, data, side, max_pixels)

    def _read_once(self, place: _Place, data: bytes, side: int, max_pixels: int) -> NDArray[np.uint8]:
        if self._closed:
            raise RuntimeError("the reader of pictures is closed")
        running, place.worker = place.worker or self._start(), None
        try:
            pixels = running.read(data, side, max_pixels, self._seconds)
        except BadPicture:
            place.worker = running
            raise
        except BaseException:
            running.end()
            raise
        place.worker = running
        return pixels

    def _start(self) -> _Worker:
        try:
            return _Worker(self._megabytes, self._seconds, self._watchdog)
        except (_Ended, _OutOfTime, OSError, RefsortError) as error:
            why = str(error) or "it ends without a word"
            raise RefsortError(f"The process that decodes pictures can't be started: {why}") from error

    def close(self) -> None:
        """End all workers, after the pictures that they are at."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            places = [self._free.get() for _ in range(self._workers)]
            for place in places:
                if place.worker is not None:
                    place.worker.end()
                    place.worker = None
                self._free.put(place)  # for callers that still wait, to be told
            self._watchdog.close()

    def __enter__(self) -> "IsolatedReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
