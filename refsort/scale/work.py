"""One part from beginning to end, the same for every engine: read, decode, encode, write."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import BoundedSemaphore, Lock

from refsort.config import Config
from refsort.encoders import BATCH, Encoder, cores, load
from refsort.files.dataset import Dataset
from refsort.images import READING, read_picture
from refsort.names import from_bytes
from refsort.scale.contents import AGAIN, Content, read_listed, read_members
from refsort.scale.listing import Listed, Part
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


@dataclass(frozen=True, slots=True)
class Failed:
    """A part that could not be done this time."""

    number: int
    why: str


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
        """Files decoded since the beginning. Another thread may read it, to see that there is progress."""
        self._counting = Lock()

    @property
    def about(self) -> About:
        """What its vectors are."""
        fingerprint = f"{self.encoder.fingerprint}/{READING}"
        return About(VERSION, self.encoder.name, fingerprint, self.encoder.dim, self.source.name)

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
            for found in self._embedded(part, read, attempt):
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

    def prepared(self, files: Sequence[Listed] | Sequence[Content], attempt: int) -> list[Embedded]:
        """Read and decode only, for a worker elsewhere that encodes: one for each, with `prepared` if it is a picture.

        `files`: of the source, or what another has read already. Raises DatasetError, and OSError, as `do`.
        """
        with self._reader(attempt) as read:
            return [self._prepared(one, read, attempt) for one in files]

    def _embedded(self, part: Part, read: Reader, attempt: int) -> Iterator[Embedded]:
        stand_ins = getattr(self.encoder, "stand_ins", {})
        encode = partial(encoded, encoder=self.encoder)
        slots = self._slots(part, read, attempt)
        for found in flow(slots, encode, batch_size=self.batch_size, threads=self.threads):
            yield stood_in(found, stand_ins)

    def _slots(self, part: Part, read: Reader, attempt: int) -> Iterator[Slot]:
        if part.is_shard:
            return self._members(part, read, attempt)
        return (partial(self._prepared, row, read, attempt) for row in part.files)

    def _members(self, part: Part, read: Reader, attempt: int) -> Iterator[Slot]:
        """The archive is read in this thread, never further ahead than the others can decode."""
        room = BoundedSemaphore(2 * self.threads + 2)

        def prepared(content: Content) -> Embedded:
            try:
                return self._prepared(content, read, attempt)
            finally:
                room.release()

        max_bytes, patient = self.job.config.max_bytes, attempt < ISOLATED_FROM
        for content in read_members(self.source, part.files[0], max_bytes, patient=patient):
            room.acquire()
            yield partial(prepared, content)

    def _prepared(self, file: Listed | Content, read: Reader, attempt: int) -> Embedded:
        """Runs in a thread."""
        config = self.job.config
        if isinstance(file, Listed):
            file = read_listed(self.source, file, config.max_bytes, patient=attempt < ISOLATED_FROM)
        found, data = file
        found = judge_content(found, data, config.max_bytes)
        if found.state == "ok":
            found = decoded(found, data, self.encoder, config.max_pixels, read)
        self._count(1)
        return found

    def _count(self, files: int) -> None:
        with self._counting:
            self.looked_at += files

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
