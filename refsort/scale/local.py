"""The engine `local`: this process, threads that decode, batches that are encoded."""

from collections.abc import Callable, Iterator

from refsort.scale.listing import Part
from refsort.scale.parts import Begun
from refsort.scale.places import LocalPlace
from refsort.scale.vectors import About
from refsort.scale.work import ISOLATED_FROM, Done, Failed, Job, Worker


class LocalEngine:
    """A picture that ends the whole program is found by the runs after: attempts are counted in the target."""

    name = "local"
    workers = 1

    def __init__(self, job: Job, tell: Callable[[str], None]) -> None:
        self._job, self._tell = job, tell
        self._worker: Worker | None = None

    def about(self) -> About:
        """Loads the encoder. Raises EncoderError, ModelError."""
        return self._ready().about

    def run(self, parts: Iterator[Part], count: int, step: Callable[[int], None]) -> Iterator[Done | Failed]:
        """Do them in order. Raises what Worker.do does: nothing that stops it here concerns one part alone."""
        worker = self._ready()
        begun = Begun(worker.target)
        try:
            for part in parts:
                yield self._do(worker, begun, part, step)
        finally:
            begun.close()

    def _do(self, worker: Worker, begun: Begun, part: Part, step: Callable[[int], None]) -> Done:
        while True:
            attempt = begun.begin(part.number)
            tried_in_vain = False
            try:
                return worker.do(part, attempt, lambda: step(1))
            except OSError:
                tried_in_vain = attempt < ISOLATED_FROM and not isinstance(worker.source, LocalPlace)
                if not tried_in_vain:
                    raise
            finally:
                if not tried_in_vain:
                    begun.end(part.number)  # Done, or what stopped it was no picture: this process lives.

    def _ready(self) -> Worker:
        if self._worker is None:
            self._worker = Worker(self._job, self._tell)
        return self._worker

    def close(self) -> None:
        """Nothing is left to be ended."""
