"""From paths to vectors: read, hash, decode in threads, encode in batches; what is cached costs nothing.

Memory is bounded by the batch and the number of threads, whatever the number of files.
"""

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import numpy as np

from refsort.encoders import Encoder, Floats, Rgb
from refsort.errors import BadPicture
from refsort.files.cache import Cache, rounded
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, from_result, hash_file, look, open_regular
from refsort.images import PICTURE_SUFFIXES, looks_like_picture, read_picture

HEAD_BYTES = 64
"""Enough to recognise every format that has a signature."""

State = Literal["ok", "bad", "foreign", "changing", "gone", "unreadable"]


Observer = Callable[[str, float], None]
"""Told how long a batch took: "encode" or "decide", and the seconds."""


def _nobody(stage: str, seconds: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Embedded:
    """What was found at a path.

    ok: `vector` is there. bad: no readable picture. foreign: not even meant to be one (a text, a film). changing: it
    was written to while it was read. gone, unreadable: the system would not give it.
    """

    path: str
    state: State
    stat: FileStat | None = None
    sha256: bytes = b""
    vector: Floats | None = None
    reason: str = ""
    prepared: Floats | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it costs memory."""

    max_pixels: int
    max_bytes: int


class Reader(Protocol):
    """`refsort.images.read_picture`, or the same in another process."""

    def __call__(self, data: bytes, *, side: int | None, max_pixels: int) -> Rgb:
        """Raises BadPicture."""


class Embedder:
    """Embeds files of one dataset with one encoder."""

    def __init__(
        self,
        dataset: Dataset,
        encoder: Encoder,
        cache: Cache,
        limits: Limits,
        *,
        batch_size: int,
        threads: int,
        read: Reader = read_picture,
    ) -> None:
        """`read` may be called from that many threads at once."""
        self.dataset = dataset
        self.encoder = encoder
        self.cache = cache
        self.limits = limits
        self.batch_size = batch_size
        self.threads = threads
        self.read = read
        self.observe: Observer = _nobody
        self.stand_ins: Mapping[bytes, Floats] = getattr(encoder, "stand_ins", {})
        """By content: vectors of pictures that a fine-tuned encoder has learned from, see `sorting.models`."""

    def stream(self, paths: Iterable[str]) -> Iterator[Embedded]:
        """One Embedded a path, in the order of the paths."""
        slots = (self._slot(path) for path in paths)
        found = flow(slots, self._encode, batch_size=self.batch_size, threads=self.threads)
        return (stood_in(one, self.stand_ins) for one in found)

    def _slot(self, path: str) -> "Slot":
        known = self._unchanged(path)
        return known if known is not None else partial(self._read, path)

    def _unchanged(self, path: str) -> Embedded | None:
        stat = look(self.dataset.path(path))
        hit = self.cache.by_path(path, stat) if stat is not None else None
        return None if hit is None else Embedded(path, "ok", stat, hit[0], hit[1])

    def _read(self, path: str) -> Embedded:
        """Runs in a thread; never raises for what a file may be."""
        try:
            found, data = read_file(self.dataset.path(path), path, self.limits.max_bytes)
        except OSError as error:
            return not_given(path, error)
        found = judge_content(found, data, self.limits.max_bytes)
        if found.state != "ok":
            return found
        vector = self.cache.by_hash(found.sha256)
        if vector is not None and found.stat is not None:
            self.cache.put(path, found.stat, found.sha256, vector)
            return replace(found, vector=vector)
        return decoded(found, data, self.encoder, self.limits.max_pixels, self.read)

    def _encode(self, held: list[Embedded]) -> Iterator[Embedded]:
        """Encode what is prepared among `held`, then give all of it out in order."""
        for before, found in zip(held, encoded(held, self.encoder, self.observe), strict=True):
            if before.prepared is not None and found.vector is not None and found.stat is not None:
                self.cache.put(found.path, found.stat, found.sha256, found.vector)
            yield found
        self.cache.flush()


# The steps by themselves, for whoever has no dataset.

Slot = Embedded | Callable[[], Embedded]
"""What is known already, or what a thread has to do to know it."""


def flow(
    slots: Iterable[Slot],
    encode: Callable[[list[Embedded]], Iterator[Embedded]],
    *,
    batch_size: int,
    threads: int,
) -> Iterator[Embedded]:
    """One Embedded a slot, in order: the slots' work is done in threads, what they prepare is encoded in batches."""
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        held: list[Embedded] = []
        waiting = 0
        try:
            for found in _ahead(pool, slots, batch_size + 2 * threads):
                held.append(found)
                waiting += found.prepared is not None
                if waiting == batch_size or len(held) >= 8 * batch_size:
                    yield from encode(held)
                    held, waiting = [], 0
            yield from encode(held)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, slots: Iterable[Slot], depth: int) -> Iterator[Embedded]:
    """Results in order, with so many files being read ahead that neither stage waits for the other."""
    window: deque[Embedded | Future[Embedded]] = deque()
    for slot in slots:
        window.append(slot if isinstance(slot, Embedded) else pool.submit(slot))
        if len(window) >= depth:
            yield _result(window.popleft())
    while window:
        yield _result(window.popleft())


def _result(slot: "Embedded | Future[Embedded]") -> Embedded:
    return slot if isinstance(slot, Embedded) else slot.result()


def read_file(where: Path, path: str, max_bytes: int) -> tuple[Embedded, bytes]:
    """A regular file's stat and hash, and its bytes, or only their head if there are more than `max_bytes`.

    `path` is the name under which it is told. Raises OSError.
    """
    descriptor = open_regular(where)
    with os.fdopen(descriptor, "rb") as file:
        before = from_result(os.fstat(descriptor))
        if before.size > max_bytes:
            data = file.read(HEAD_BYTES)
            sha256 = hash_file(where)
        else:
            data = file.read()
            sha256 = hashlib.sha256(data).digest()
        after = from_result(os.fstat(descriptor))
    if not before.same_file(after):
        return Embedded(path, "changing", reason="it is being written; the next run will look at it"), b""
    return Embedded(path, "ok", before, sha256), data


def not_given(path: str, error: OSError) -> Embedded:
    """What is said of a file that the system would not give."""
    if isinstance(error, FileNotFoundError):
        return Embedded(path, "gone", reason="it is gone")
    return Embedded(path, "unreadable", reason=f"can't be read: {(error.strerror or str(error)).lower()}")


def judge_content(found: Embedded, data: bytes, max_bytes: int) -> Embedded:
    """The same, or why it is not worth decoding: it is not meant to be a picture, or too large."""
    if found.state != "ok" or found.stat is None:
        return found
    if not looks_like_picture(data[:HEAD_BYTES]) and not named_as_picture(found.path):
        return replace(found, state="foreign", reason="no picture")
    if found.stat.size > max_bytes:
        return replace(found, state="bad", reason=f"larger than max_bytes ({found.stat.size:,} bytes)")
    return found


def named_as_picture(path: str) -> bool:
    """Whether a file of this name is meant to be a picture, whatever is in it."""
    return PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES


def decoded(found: Embedded, data: bytes, encoder: Encoder, max_pixels: int, read: Reader) -> Embedded:
    """With `prepared`, or why these bytes are no picture. The call that a crafted file is dangerous to is `read`."""
    try:
        rgb = read(data, side=encoder.side, max_pixels=max_pixels)
    except BadPicture as error:
        return replace(found, state="bad", reason=str(error))
    return replace(found, prepared=encoder.prepare(rgb))


def encoded(held: list[Embedded], encoder: Encoder, observe: Observer = _nobody) -> Iterator[Embedded]:
    """All of `held` in order, with vectors in the place of what was prepared."""
    prepared = [found.prepared for found in held if found.prepared is not None]
    begun = time.perf_counter()
    vectors = iter(encoder.embed_images(np.stack(prepared)) if prepared else ())
    if prepared:
        observe("encode", time.perf_counter() - begun)
    for found in held:
        if found.prepared is None:
            yield found
            continue
        vector = rounded(next(vectors))
        if not np.isfinite(vector).all() or not vector.any():
            yield replace(found, state="unreadable", prepared=None, reason="the encoder gave no usable vector")
            continue
        yield replace(found, vector=vector, prepared=None)


def stood_in(found: Embedded, stand_ins: Mapping[bytes, Floats]) -> Embedded:
    """With the vector that stands for this content, if there is one."""
    vector = stand_ins.get(found.sha256) if found.vector is not None else None
    return found if vector is None else replace(found, vector=vector)
