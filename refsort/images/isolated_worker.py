"""The program of the processes that IsolatedReader starts: it reads pictures for the process that started it.

    python -I -S isolated_worker.py MEGABYTES CPU_SECONDS FOLDER...

MEGABYTES, CPU_SECONDS: what one picture may cost. FOLDER: where Python looks for packages.
Requests come through standard input, replies leave through standard output: a header of fixed size, then bytes.
The process ends at once when standard input does, even while it decodes.
"""

import os
import re
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
_MOST_KEPT = 4
"""A process that keeps more than this part of the memory for one picture makes way for a new one."""
_BYTES_PER_PIXEL = 32
"""More than any decoder needs: 8 for JPEG to 20 for JPEG 2000, lossless WebP and what has alpha."""


class Request(NamedTuple):
    """A picture to be read; data is None where there was no memory to receive it."""

    data: bytes | None
    side: int
    max_pixels: int


class Reply(NamedTuple):
    """A header and what follows it."""

    status: int
    first: int = 0
    second: int = 0
    body: memoryview = memoryview(b"")


def main(arguments: list[str]) -> None:
    """Serve until standard input ends."""
    megabytes, cpu_seconds = int(arguments[0]), float(arguments[1])
    requests, replies = _private_pipes()
    sys.path[:] = arguments[2:]
    try:
        _import_reader()
    except Exception as error:  # noqa: BLE001 - the parent has to tell the person, whatever it is
        _send(replies, _text(FAILED, f"{type(error).__name__}: {error}"))
        return
    waiting: SimpleQueue[Request] = SimpleQueue()
    Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    _give_up_rights()
    start = _address_space()
    if start:
        _limit("RLIMIT_AS", start + megabytes * 2**20)
    _send(replies, Reply(READY))
    kept = 0
    while kept <= megabytes * 2**20 // _MOST_KEPT:
        kept = _serve(replies, waiting.get(), cpu_seconds, megabytes) - start
    os._exit(0)


def _private_pipes() -> tuple[int, int]:
    """Descriptors of both pipes under new numbers, so that nothing a library prints can get among the replies."""
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return requests, replies


def _import_reader() -> None:
    """Import what reads pictures, out of the very folders this file is in, and nothing else of the package."""
    package = ModuleType("refsort")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["refsort"] = package
    # Decoders that are libraries of their own: loaded now, because later they would count as memory of a picture.
    from PIL import AvifImagePlugin, ImageCms, WebPImagePlugin  # noqa: F401
    from pillow_heif import options

    import refsort.images.read  # noqa: F401

    # The other cores have workers of their own, and the stacks of threads count as memory too.
    AvifImagePlugin.DEFAULT_MAX_THREADS = options.DECODE_THREADS = 1


def _listen(requests: int, waiting: "SimpleQueue[Request]") -> None:
    """Receive requests. A thread of its own, so that the end of the parent is noticed while a picture is decoded."""
    with open(requests, "rb") as pipe:
        while len(header := pipe.read(REQUEST.size)) == REQUEST.size:
            length, side, max_pixels = REQUEST.unpack(header)
            try:
                waiting.put(Request(pipe.read(length), side, max_pixels))
            except MemoryError:
                waiting.put(Request(None, side, max_pixels))
                return  # the rest can't be skipped
    os._exit(0)


def _give_up_rights() -> None:
    """No core dumps, no writing to files, no set-user-ID programs; the first to be ended when memory runs short."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_KILL_ME_FIRST)
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # where a program receives the dumps, RLIMIT_CORE does not stop them


def _address_space() -> int:
    """Bytes of address space in use; 0 where the system does not say so, as on macOS, which keeps to no such limit."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    import resource

    return pages * resource.getpagesize()


def _limit(name: str, value: int, *, for_good: bool = True) -> None:
    """Lower a limit of this process, where the system has limits; one that is lower already stays."""
    if sys.platform == "win32":
        return
    import resource

    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    if hard == resource.RLIM_INFINITY or hard > value:
        resource.setrlimit(kind, (value, value if for_good else hard))


def _serve(replies: int, request: Request, cpu_seconds: float, megabytes: int) -> int:
    """Read one picture and send what came of it. Bytes of address space in use besides the picture; 0: not known."""
    # The system ends this process after so much computing, should the parent not do it in time.
    _limit("RLIMIT_CPU", int(time.process_time() + cpu_seconds) + 1, for_good=False)
    used = 0
    try:
        reply = _reply(request, megabytes)
        # Measured before the reply leaves, because the next file may arrive at once.
        used = _address_space() - len(request.data or b"") - len(reply.body)
    except MemoryError:
        reply = Reply(NO_MEMORY)
    _send(replies, reply)
    if request.data is None:
        os._exit(0)  # there is no listening any more, not even for the end of the parent
    return used


def _reply(request: Request, megabytes: int) -> Reply:
    from refsort.errors import BadPicture
    from refsort.images.read import read_picture

    if request.data is None:
        return Reply(NO_MEMORY)
    try:
        pixels = read_picture(request.data, side=request.side or None, max_pixels=request.max_pixels)
    except BadPicture as refused:
        cause, reason = refused.__cause__, str(refused)
        by_decoder = cause is not None
        no_memory = isinstance(cause, MemoryError) or "memory" in str(cause).lower()
        del cause  # what it remembers holds the picture
    else:
        height, width, _ = pixels.shape
        return Reply(PICTURE, height, width, pixels.reshape(-1).data)
    if no_memory:
        return Reply(NO_MEMORY)
    if by_decoder and _pixels(request.data) * _BYTES_PER_PIXEL > megabytes * 2**20:
        reason += f", or needs more than {megabytes} MB to decode"  # not every decoder can tell
    return _text(REFUSED, reason)


def _pixels(data: bytes) -> int:
    """Width x height by the header, 0 if that can't be read: taken from the refusal of a picture of any size."""
    from refsort.errors import BadPicture
    from refsort.images.read import read_picture

    try:
        read_picture(data, max_pixels=0)
    except BadPicture as refused:
        size = re.search(r"(\d+) x (\d+) pixels are more than", str(refused))
        return int(size[1]) * int(size[2]) if size else 0
    return 0


def _text(status: int, text: str) -> Reply:
    body = text.encode("utf-8", "replace")[:MAX_TEXT]
    return Reply(status, len(body), 0, memoryview(body))


def _send(replies: int, reply: Reply) -> None:
    """Ends the process if nobody listens any more."""
    try:
        for part in (memoryview(REPLY.pack(*reply[:3])), reply.body):
            while part:
                part = part[os.write(replies, part) :]
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
