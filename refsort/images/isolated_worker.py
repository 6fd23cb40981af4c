"""The program of the processes that IsolatedReader starts: it reads pictures for the process that started it.

    python -I -S isolated_worker.py MEGABYTES CPU_SECONDS FOLDER...

MEGABYTES, CPU_SECONDS: what one picture may cost. FOLDER: where Python looks for packages.
Requests come through standard input, replies leave through standard output: a header of fixed size, then bytes.
The process ends at once when standard input does, even while it decodes.
"""

import os
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import ModuleType
from typing import NamedTuple

REQUEST = struct.Struct("<QQQ")
"""Length of the file, side (0: none) and max_pixels; the file follows."""
REPLY = struct.Struct("<BQQ")
"""A status and two numbers that depend on it."""
READY, FAILED, PICTURE, REFUSED, NO_MEMORY = range(1, 6)
"""Once, at the start: READY, or FAILED with the length of a text. Then to each request: PICTURE with height and width,
REFUSED with the length of the reason, or NO_MEMORY. Pixels and texts (UTF-8) follow."""
MAX_TEXT = 1000
"""Bytes of a text."""

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h
_KILL_ME_FIRST = "500"  # of 1000
_NOTHING = memoryview(b"")


class Request(NamedTuple):
    """A picture to be read; data is None where there was no memory to receive it."""

    data: bytes | None
    side: int
    max_pixels: int


def main(arguments: list[str]) -> None:
    """Serve until standard input ends."""
    megabytes, cpu_seconds = int(arguments[0]), float(arguments[1])
    requests, replies = _private_pipes()
    sys.path[:] = arguments[2:]
    try:
        _import_reader()
    except Exception as error:  # noqa: BLE001 - the parent has to tell the person, whatever it is
        _send(replies, FAILED, _text(f"{type(error).__name__}: {error}"))
        return
    waiting: SimpleQueue[Request] = SimpleQueue()
    Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    _give_up_rights(megabytes)
    _send(replies, READY)
    while True:
        _answer(replies, waiting.get(), cpu_seconds)


def _private_pipes() -> tuple[int, int]:
    """Descriptors of both pipes under new numbers, so that nothing a library prints can get among the replies."""
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return requests, replies


def _import_reader() -> None:
    """Import what reads pictures, and no more: the package's own __init__ would load encoders and settings as well."""
    package = ModuleType("refsort")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["refsort"] = package
    import refsort.images.read  # noqa: F401


def _listen(requests: int, waiting: "SimpleQueue[Request]") -> None:
    """Receive requests. A thread of its own, so that the end of the parent is noticed while a picture is decoded."""
    with open(requests, "rb") as pipe:
        while len(header := pipe.read(REQUEST.size)) == REQUEST.size:
            length, side, max_pixels = REQUEST.unpack(header)
            try:
                waiting.put(Request(pipe.read(length), side, max_pixels))
            except MemoryError:
                waiting.put(Request(None, side, max_pixels))
                return  # the rest can't be skipped; the parent will end this process
    os._exit(0)


def _give_up_rights(megabytes: int) -> None:
    """Set the limits that hold for the rest of this process's life, as far as the system has them."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_KILL_ME_FIRST)  # rather than the parent
    if sys.platform == "win32":
        return
    import resource

    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if sys.platform != "linux":
        return  # macOS has RLIMIT_AS, but does not keep to it
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # RLIMIT_CORE does not hold for systems that pipe cores to a program
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + megabytes * 2**20)


def _limit(kind: int, value: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    import resource

    hard = resource.getrlimit(kind)[1]
    if hard == resource.RLIM_INFINITY or hard > value:
        resource.setrlimit(kind, (value, value))


def _allow_cpu(seconds: float) -> None:
    """Let the system end this process after so much more computing, should the parent not do it in time."""
    if sys.platform == "win32":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    value = int(time.process_time() + seconds) + 1
    if hard == resource.RLIM_INFINITY or hard > value:
        resource.setrlimit(resource.RLIMIT_CPU, (value, hard))


def _answer(replies: int, request: Request, cpu_seconds: float) -> None:
    """Read one picture and send what came of it."""
    from refsort.errors import BadPicture
    from refsort.images.read import read_picture

    if request.data is None:
        return _send(replies, NO_MEMORY)
    _allow_cpu(cpu_seconds)
    try:
        _use_one_thread(request.data)
        pixels = read_picture(request.data, side=request.side or None, max_pixels=request.max_pixels)
    except BadPicture as refused:
        if _is_lack_of_memory(refused.__cause__):
            return _send(replies, NO_MEMORY)
        return _send(replies, REFUSED, _text(str(refused)))
    except MemoryError:
        return _send(replies, NO_MEMORY)
    _send(replies, PICTURE, pixels.reshape(-1).data, *pixels.shape[:2])
    return None


def _use_one_thread(data: bytes) -> None:
    """Keep decoders from starting threads: the other cores have workers of their own, and stacks count as memory."""
    from refsort.images.formats import HEAD, kind_of

    kind = kind_of(data[:HEAD])
    if kind == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    elif kind == "HEIF":
        from pillow_heif import options

        options.DECODE_THREADS = 1


def _is_lack_of_memory(error: BaseException | None) -> bool:
    """Whether a decoder failed for want of memory. Some only say so in words."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def _text(text: str) -> memoryview:
    return memoryview(text.encode("utf-8", "replace")[:MAX_TEXT])


def _send(replies: int, status: int, body: memoryview = _NOTHING, *numbers: int) -> None:
    """One reply; without numbers the first is the length of the body. Ends the process if nobody listens any more."""
    first, second = numbers or (len(body), 0)
    try:
        for part in (memoryview(REPLY.pack(status, first, second)), body):
            while part:
                part = part[os.write(replies, part) :]
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
