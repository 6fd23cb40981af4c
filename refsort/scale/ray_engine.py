"""The engine `ray`: workers that are Ray actors, on this machine or on a cluster.

A part is given to one worker at a time. What ends the worker, or keeps it from finishing any picture for a while, costs
an attempt at the part; the worker's place is taken by a new one. Ray's own retries are off: they would not tell an
attempt from the next.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from refsort.encoders import BUILTIN, WORDS
from refsort.encoders.onnx_file import PREFIX as ONNX
from refsort.errors import EncoderError, RefsortError
from refsort.scale.listing import Part
from refsort.scale.ray_actors import Encoding, Outcome
from refsort.scale.ray_cluster import connect, last_line
from refsort.scale.vectors import About
from refsort.scale.work import ATTEMPTS, Done, Failed, Job
from refsort.sorting.models import PREFIX as MODELS

PATIENCE_S = 300.0
"""A worker that has finished no picture for so long hangs."""
PULSE_S = 1.0
STARTS = 3
"""Workers that end before they are ready, one after the other, until it is no accident."""


@dataclass(slots=True)
class _Seat:
    """A worker and what it is at."""

    actor: Any
    ready: Any
    """The answer to whether it has loaded its encoder; None once it has."""
    doing: Any = None
    part: Part | None = None
    attempt: int = 0
    pulse: Any = None
    looked_at: int = 0
    since: float = 0.0
    """When it last got on with its work, in seconds of the monotonic clock."""


@dataclass(slots=True)
class _Queue:
    """What is to be done, failed attempts first."""

    fresh: Iterator[Part]
    failed: deque[tuple[Part, int]] = field(default_factory=deque)
    _next: Part | None = None

    def pop(self) -> tuple[Part, int] | None:
        """A part and the number of this attempt at it; None if nothing is left."""
        if self.failed:
            return self.failed.popleft()
        found, self._next = self._next or next(self.fresh, None), None
        return None if found is None else (found, 1)

    def __bool__(self) -> bool:
        if self._next is None:
            self._next = next(self.fresh, None)
        return bool(self.failed) or self._next is not None


class RayEngine:
    """Connects when it is made."""

    name = "ray"

    def __init__(
        self,
        job: Job,
        tell: Callable[[str], None],
        *,
        address: str | None = None,
        workers: int = 0,
        decoders: int | None = None,
        patience: float = PATIENCE_S,
    ) -> None:
        """`address`: of a cluster; None: RAY_ADDRESS, else a cluster of our own on this machine.

        `workers` 0: one per GPU if the encoder can use one, else one per core. `decoders`: processes that only decode,
        for all workers together; None: the other cores where there are GPUs, else none: workers decode themselves.
        """
        self._tell, self._patience = tell, patience
        self._own = connect(address, workers)
        import ray

        self._ray = ray
        resources = ray.cluster_resources()
        on_gpu = resources.get("GPU", 0) >= 1 and _may_use_gpu(job.config.encoder, job.config.precision)
        cpus = max(int(resources.get("CPU", 1)), 1)
        self.workers = workers or (int(resources["GPU"]) if on_gpu else max(cpus // (job.config.threads or 1), 1))
        if decoders is None:
            decoders = max(cpus - self.workers, 0) if on_gpu else 0
        threads = 1 if decoders else job.config.threads or min(max(cpus // self.workers, 1), _largest(ray.nodes()))
        # Decoded by itself, a picture that hangs is given up before its worker is.
        self._job = replace(job, threads=threads, picture_seconds=min(job.picture_seconds, patience / 3))
        self._options = {"num_cpus": threads, "num_gpus": int(on_gpu), "max_restarts": 0, "max_concurrency": 2}
        self.decoders = self._start_decoders(decoders)
        self._seats: list[_Seat] = []
        self._starts_failed = 0
        self._about: About | None = None

    # -- what the command asks for

    def about(self) -> About:
        """What the first worker's vectors are. Raises EncoderError, ModelError, RefsortError."""
        while self._about is None:
            if not self._seats:
                self._seats.append(self._seat())
            self._look_after(self._seats[0])
        return self._about

    def run(self, parts: Iterator[Part], count: int, step: Callable[[int], None]) -> Iterator[Done | Failed]:
        """Do so many parts, in whatever order they get done. Raises RefsortError."""
        queue = _Queue(parts)
        while queue or any(seat.part for seat in self._seats):
            self._fill(queue, min(self.workers, count))
            for seat in self._finished():
                ended = self._look_after(seat)
                if ended is not None:
                    yield from self._settle(seat, ended, queue)
            for seat in [seat for seat in self._seats if seat.part]:
                if not self._gets_on(seat, step):
                    yield from self._settle(seat, Outcome("ended", f"no picture in {self._patience:g} s"), queue)

    def close(self) -> None:
        for seat in self._seats:
            self._ray.kill(seat.actor)
        for decoder in self.decoders:
            self._ray.kill(decoder)
        if self._own:
            self._ray.shutdown()

    # -- seats

    def _seat(self) -> _Seat:
        actor = self._ray.remote(Encoding).options(**self._options).remote(self._job, self.decoders, self._patience)
        return _Seat(actor, actor.ready.remote(), since=time.monotonic())

    def _start_decoders(self, count: int) -> list[Any]:
        from refsort.scale.ray_actors import Decoding

        options = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": 0}
        return [self._ray.remote(Decoding).options(**options).remote(self._job) for _ in range(count)]

    def _fill(self, queue: _Queue, limit: int) -> None:
        """Give work to who is ready for it, and have as many workers as there is work for."""
        for seat in self._seats:
            if seat.ready is None and seat.part is None and (work := queue.pop()):
                seat.part, seat.attempt = work
                seat.doing = seat.actor.do.remote(seat.part, seat.attempt)
                seat.since = time.monotonic()
        while queue and len(self._seats) < limit:
            self._seats.append(self._seat())

    def _finished(self) -> list[_Seat]:
        """Seats that have something to say; waits a moment for one."""
        waited = {seat.ready or seat.doing: seat for seat in self._seats if seat.ready or seat.doing}
        if not waited:
            return []
        told, _ = self._ray.wait(list(waited), num_returns=1, timeout=PULSE_S)
        return [waited[ref] for ref in told]

    def _look_after(self, seat: _Seat) -> Outcome | None:
        """Take what a seat has to say; waits for it. None if it was no more than that it is ready."""
        try:
            outcome: Outcome = self._ray.get(seat.ready or seat.doing)
        except self._ray.exceptions.RayTaskError as error:
            outcome = Outcome("again", last_line(error))
        except self._ray.exceptions.RayError as error:
            outcome = Outcome("ended", f"its worker has ended ({type(error).__name__})")
        if seat.ready is None:
            return outcome
        if outcome.about is None:
            self._not_started(seat, outcome)
            return None
        if self._about is not None and outcome.about != self._about:
            raise EncoderError(
                f"the workers' encoders differ: {outcome.about.fingerprint} on {outcome.text}, "
                f"{self._about.fingerprint} elsewhere; all machines need the same versions"
            )
        self._about, self._starts_failed, seat.ready = outcome.about, 0, None
        return None

    def _not_started(self, seat: _Seat, outcome: Outcome) -> None:
        self._drop(seat)
        if outcome.kind == "stop":
            raise EncoderError(outcome.text)
        self._starts_failed += 1
        if self._starts_failed >= STARTS:
            raise RefsortError(f"Ray's workers can't be started: {outcome.text}")

    def _settle(self, seat: _Seat, outcome: Outcome, queue: _Queue) -> Iterator[Done | Failed]:
        """What becomes of a part whose attempt is over, and of its worker."""
        part, attempt = seat.part, seat.attempt
        assert part is not None
        seat.part = seat.doing = None
        if outcome.kind == "ended":
            self._drop(seat)
        if outcome.kind == "stop":
            raise RefsortError(outcome.text)
        if outcome.done is not None:
            yield outcome.done
        elif attempt >= ATTEMPTS:
            yield Failed(part.number, outcome.text)
        else:
            self._tell(f"part {part.number}, attempt {attempt}: {outcome.text}; it is tried again")
            queue.failed.append((part, attempt + 1))

    def _drop(self, seat: _Seat) -> None:
        self._ray.kill(seat.actor)
        self._seats.remove(seat)

    def _gets_on(self, seat: _Seat, step: Callable[[int], None]) -> bool:
        """Ask how far a worker has come; False if it has finished nothing for too long."""
        if seat.pulse is None:
            seat.pulse = seat.actor.looked_at.remote()
        if self._ray.wait([seat.pulse], timeout=0)[0]:
            try:
                looked_at: int = self._ray.get(seat.pulse)
            except self._ray.exceptions.RayError:
                return True  # It has ended, and `doing` says so too.
            finally:
                seat.pulse = None
            if looked_at > seat.looked_at:
                step(looked_at - seat.looked_at)
                seat.looked_at, seat.since = looked_at, time.monotonic()
        return time.monotonic() - seat.since < self._patience


def _largest(nodes: list[dict[str, Any]]) -> int:
    """Cores of the machine that has most of them: a worker can't have more."""
    return max((int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]), default=1) or 1


def _may_use_gpu(encoder: str, precision: str) -> bool:
    """Only what torch computes runs on a GPU; ONNX Runtime is used on processors."""
    return encoder not in (*BUILTIN, WORDS) and not encoder.startswith((ONNX, MODELS)) and precision == "fp32"
