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
from pathlib import PurePosixPath
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
        with ThreadPoolExecutor(self.threads, thread_name_prefix="decode") as pool:
            held: list[Embedded] = []
            waiting = 0
            try:
                for found in self._ahead(pool, paths):
                    held.append(found)
                    waiting += found.prepared is not None
                    if waiting == self.batch_size or len(held) >= 8 * self.batch_size:
                        yield from map(self._stood_in, self._encode(held))
                        held, waiting = [], 0
                yield from map(self._stood_in, self._encode(held))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _stood_in(self, found: Embedded) -> Embedded:
        vector = self.stand_ins.get(found.sha256) if found.vector is not None else None
        return found if vector is None else replace(found, vector=vector)

    def _ahead(self, pool: ThreadPoolExecutor, paths: Iterable[str]) -> Iterator[Embedded]:
        """Results in order, with so many files being read ahead that neither stage waits for the other."""
        window: deque[Embedded | Future[Embedded]] = deque()
        depth = self.batch_size + 2 * self.threads
        for path in paths:
            known = self._unchanged(path)
            window.append(known if known is not None else pool.submit(self._read, path))
            if len(window) >= depth:
                yield _result(window.popleft())
        while window:
            yield _result(window.popleft())

    def _unchanged(self, path: str) -> Embedded | None:
        stat = look(self.dataset.path(path))
        hit = self.cache.by_path(path, stat) if stat is not None else None
        return None if hit is None else Embedded(path, "ok", stat, hit[0], hit[1])

    def _read(self, path: str) -> Embedded:
        """Runs in a thread; never raises for what a file may be."""
        try:
            return self._read_file(path)
        except FileNotFoundError:
            return Embedded(path, "gone", reason="it is gone")
        except OSError as error:
            return Embedded(path, "unreadable", reason=f"can't be read: {(error.strerror or str(error)).lower()}")

    def _read_file(self, path: str) -> Embedded:
        where = self.dataset.path(path)
        descriptor = open_regular(where)
        with os.fdopen(descriptor, "rb") as file:
            before = from_result(os.fstat(descriptor))
            if before.size > self.limits.max_bytes:
                data = file.read(HEAD_BYTES)
                sha256 = hash_file(where)
            else:
                data = file.read()
                sha256 = hashlib.sha256(data).digest()
            after = from_result(os.fstat(descriptor))
        if not before.same_file(after):
            return Embedded(path, "changing", reason="it is being written; the next run will look at it")
        found = Embedded(path, "ok", before, sha256)
        if not looks_like_picture(data[:HEAD_BYTES]) and PurePosixPath(path).suffix.lower() not in PICTURE_SUFFIXES:
            return replace(found, state="foreign", reason="no picture")
        if before.size > self.limits.max_bytes:
            return replace(found, state="bad", reason=f"larger than max_bytes ({before.size:,} bytes)")
        vector = self.cache.by_hash(sha256)
        if vector is not None:
            self.cache.put(path, before, sha256, vector)
            return replace(found, vector=vector)
        try:
            rgb = self.read(data, side=self.encoder.side, max_pixels=self.limits.max_pixels)
        except BadPicture as error:
            return replace(found, state="bad", reason=str(error))
        return replace(found, prepared=self.encoder.prepare(rgb))

    def _encode(self, held: list[Embedded]) -> Iterator[Embedded]:
        """Encode what is prepared among `held`, then give all of it out in order."""
        prepared = [found.prepared for found in held if found.prepared is not None]
        begun = time.perf_counter()
        vectors = iter(self.encoder.embed_images(np.stack(prepared)) if prepared else ())
        if prepared:
            self.observe("encode", time.perf_counter() - begun)
        for found in held:
            if found.prepared is None:
                yield found
                continue
            vector = rounded(next(vectors))
            if not np.isfinite(vector).all() or not vector.any():
                yield replace(found, state="unreadable", prepared=None, reason="the encoder gave no usable vector")
                continue
            if found.stat is not None:
                self.cache.put(found.path, found.stat, found.sha256, vector)
            yield replace(found, vector=vector, prepared=None)
        self.cache.flush()


def _result(slot: "Embedded | Future[Embedded]") -> Embedded:
    return slot if isinstance(slot, Embedded) else slot.result()
