"""One part from beginning to end, the same for every engine: read, decode, encode, write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import BoundedSemaphore

from refsort.config import Config
from refsort.encoders import BATCH, Encoder, cores, load
from refsort.files.dataset import Dataset
from refsort.images import READING, read_picture
from refsort.names import from_bytes
from refsort.scale.contents import AGAIN, Content, read_listed, read_members
from refsort.scale.listing import Part
from refsort.scale.parts import PartWriter, write_again
from refsort.scale.places import open_place
from refsort.scale.vectors import VERSION, About, part_name
from refsort.sorting.embedding import Embedded, Reader, Slot, decoded, encoded, flow, judge_content, stood_in
from refsort.sorting.models import PREFIX as MODELS
from refsort.sorting.prepared import load_encoder

ISOLATED_FROM = 3
"""The attempt at a part from which on pictures are decoded in processes of their own. Two may be lost to a machine that
was switched off; a third is seldom, and a picture that ends its worker shows now which one it is."""
ATTEMPTS = 4
"""After so many a part has failed."""
PICTURE_SECONDS = 10.0
"""What a picture may take to be decoded, where it is decoded in a process of its own."""
TOLD = 8
"""Pictures of a part whose reasons the worker tells; all are in the part."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker must know. It may be on another machine."""

    source: str
    target: str
    config: Config
    """Its encoder is the very name, never auto."""
    threads: int = 0
    """For decoding, and as many for encoding; 0: one per core."""
    picture_seconds: float = PICTURE_SECONDS


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a part."""

    number: int
    pictures: int = 0
    """Rows with a vector."""
    errors: int = 0
    """Rows without one."""
    others: int = 0
    """Files that are not meant to be pictures, and have no row."""
    told: tuple[tuple[str, str], ...] = ()
    """(path, why there is no vector), of the first few."""


class Worker:
    """Does parts, one after the other."""

    def __init__(self, job: Job, tell: Callable[[str], None] = lambda _: None) -> None:
        """Loads the encoder. Raises EncoderError, ModelError, RefsortError."""
        self.job = job
        self.source, self.target = open_place(job.source), open_place(job.target)
        self.threads = job.threads or job.config.threads or cores()
        self.encoder = _load(job.config, self.threads, tell)
        self.batch_size = job.config.batch_size or getattr(self.encoder, "batch", BATCH)
        self.looked_at = 0
        """Files since the beginning. Another thread may read it, to see that there is progress."""

    @property
    def about(self) -> About:
        """What its vectors are."""
        fingerprint = f"{self.encoder.fingerprint}/{READING}"
        return About(VERSION, self.encoder.name, fingerprint, self.encoder.dim, self.job.source)

    def do(self, part: Part, attempt: int = 1, step: Callable[[], None] = lambda: None) -> Done:
        """Embed a part and publish its file. `step` is called for each file.

        Raises DatasetError if the source is gone, OSError if the target can't be written or a store does not answer.
        """
        done = Done(part.number)
        again: list[str] = []
        with (
            self.target.publish(part_name(part.number)) as file,
            PartWriter(file, self.about) as writer,
            self._reader(attempt) as read,
        ):
            for found in self._embedded(part, read, patient=attempt < ISOLATED_FROM):
                self.looked_at += 1
                step()
                if found.state == "foreign":
                    done = replace(done, others=done.others + 1)
                    continue
                writer.put(found)
                if found.state in AGAIN:
                    again.append(found.path)
                done = _counted(done, found)
            if again:
                # Before the part appears: no kill in between may make an outage of the network final.
                write_again(self.target, part.number, [from_bytes(part.files[0].path)] if part.is_shard else again)
        return done

    def _embedded(self, part: Part, read: Reader, *, patient: bool) -> Iterator[Embedded]:
        stand_ins = getattr(self.encoder, "stand_ins", {})
        slots = self._members(part, read, patient) if part.is_shard else self._files(part, read, patient)
        encode = partial(encoded, encoder=self.encoder)
        for found in flow(slots, encode, batch_size=self.batch_size, threads=self.threads):
            yield stood_in(found, stand_ins)

    def _files(self, part: Part, read: Reader, patient: bool) -> Iterator[Slot]:
        max_bytes = self.job.config.max_bytes
        for row in part.files:
            yield lambda row=row: self._prepared(read_listed(self.source, row, max_bytes, patient=patient), read)

    def _members(self, part: Part, read: Reader, patient: bool) -> Iterator[Slot]:
        """The archive is read in this thread, never further ahead than the others can decode."""
        room = BoundedSemaphore(2 * self.threads + 2)

        def prepared(content: Content) -> Embedded:
            try:
                return self._prepared(content, read)
            finally:
                room.release()

        for content in read_members(self.source, part.files[0], self.job.config.max_bytes, patient=patient):
            room.acquire()
            yield partial(prepared, content)

    def _prepared(self, content: Content, read: Reader) -> Embedded:
        """Runs in a thread."""
        config = self.job.config
        found = judge_content(*content, config.max_bytes)
        return decoded(found, content[1], self.encoder, config.max_pixels, read) if found.state == "ok" else found

    @contextmanager
    def _reader(self, attempt: int) -> Iterator[Reader]:
        if attempt < ISOLATED_FROM and not self.job.config.isolate:
            yield read_picture
            return
        from refsort.images.isolated import IsolatedReader

        with IsolatedReader(self.threads, seconds=self.job.picture_seconds) as reader:
            yield reader.read


def _load(config: Config, threads: int, tell: Callable[[str], None]) -> Encoder:
    if config.encoder.startswith(MODELS):
        dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
        return load_encoder(config.model_copy(update={"threads": threads}), dataset, tell)
    return load(config.encoder, threads, config.precision, tell)


def _counted(done: Done, found: Embedded) -> Done:
    if found.vector is not None:
        return replace(done, pictures=done.pictures + 1)
    told = (*done.told, (found.path, found.reason)) if len(done.told) < TOLD else done.told
    return replace(done, errors=done.errors + 1, told=told)
