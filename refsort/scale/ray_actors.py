"""What runs in Ray's workers: encoding, and decoding where that has processes of its own."""

import itertools
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from refsort.errors import RefsortError
from refsort.scale.contents import Content, read_members
from refsort.scale.listing import Listed, Part
from refsort.scale.vectors import About
from refsort.scale.work import ISOLATED_FROM, Done, Job, Worker
from refsort.sorting.embedding import Embedded, Reader, Slot

CHUNK = 16
"""Files that a decoding process is given at once: their arrays are 10 MB at 224 pixels."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker answers.

    ok. again: this attempt has failed, the worker is well. stop: no worker can do better. ended: the worker itself is
    gone; nobody answers that, the driver finds it out.
    """

    kind: Literal["ok", "again", "stop", "ended"]
    text: str = ""
    """Why; of a worker that is ready, the machine it is on."""
    done: Done | None = None
    about: About | None = None


class Encoding:
    """An actor that does parts. Its methods may run at the same time, in two threads."""

    def __init__(self, job: Job, decoders: list[Any], patience: float) -> None:
        self._job, self._decoders, self._patience = job, decoders, patience
        self._worker: Worker | None = None

    def ready(self) -> Outcome:
        """Load the encoder, and say what its vectors are."""
        try:
            if self._decoders:
                self._worker = _Supplied(self._job, self._decoders, self._patience)
            else:
                self._worker = Worker(self._job)
        except RefsortError as error:
            return Outcome("stop", str(error))
        return Outcome("ok", socket.gethostname(), about=self._worker.about)

    def do(self, part: Part, attempt: int) -> Outcome:
        """Embed a part and publish its file."""
        assert self._worker is not None
        try:
            return Outcome("ok", done=self._worker.do(part, attempt))
        except RefsortError as error:
            return Outcome("stop", str(error))
        except OSError as error:
            return Outcome("again", (error.strerror or str(error)).splitlines()[0])

    def looked_at(self) -> int:
        """Files since the worker was started."""
        return 0 if self._worker is None else self._worker.looked_at


class Decoding:
    """An actor that reads files and prepares pictures for the network. It needs the encoder to prepare only."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def prepare(self, files: list[Listed] | list[Content], attempt: int) -> list[Embedded]:
        """One Embedded for each, with `prepared` where it is a picture."""
        if self._worker is None:
            self._worker = Worker(self._job)
        return self._worker.prepared(files, attempt)


class _Supplied(Worker):
    """A worker whose pictures others decode."""

    def __init__(self, job: Job, decoders: list[Any], patience: float) -> None:
        super().__init__(job)
        # Shorter than the driver's: who hangs here is the decoder, and it is to be ended, not this worker.
        self._decoders, self._patience = decoders, patience / 2

    def _slots(self, part: Part, read: Reader, attempt: int) -> Iterator[Slot]:
        """Two chunks for each decoder are on their way while the network is at others."""
        import ray

        waiting: deque[tuple[Any, Any]] = deque()
        turns = itertools.cycle(self._decoders)
        for chunk in self._chunks(part, attempt):
            decoder = next(turns)
            waiting.append((decoder, decoder.prepare.remote(chunk, attempt)))
            if len(waiting) >= 2 * len(self._decoders):
                yield from self._get(ray, *waiting.popleft())
        while waiting:
            yield from self._get(ray, *waiting.popleft())

    def _chunks(self, part: Part, attempt: int) -> Iterator[list[Any]]:
        files: Iterator[Any] = iter(part.files)
        if part.is_shard:
            patient = attempt < ISOLATED_FROM
            files = read_members(self.source, part.files[0], self.job.config.max_bytes, patient=patient)
        while chunk := list(itertools.islice(files, CHUNK if attempt < ISOLATED_FROM else 1)):
            yield chunk

    def _get(self, ray: Any, decoder: Any, answer: Any) -> list[Embedded]:
        """Raises OSError if the decoder has ended or hangs: the attempt has failed, the decoder begins anew."""
        try:
            found: list[Embedded] = ray.get(answer, timeout=self._patience)
        except ray.exceptions.GetTimeoutError:
            ray.kill(decoder, no_restart=False)
            raise TimeoutError(f"no picture in {self._patience:g} s") from None
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, (OSError, RefsortError)) else error from None
        except ray.exceptions.RayError:
            raise OSError("a process that decodes has ended") from None
        self._count(len(found))
        return found
