"""Deciding with Ray: a task a span, the portions in order. A task has no effect but its answer, so Ray repeats it."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from refsort.errors import RefsortError
from refsort.scale.ray_cluster import connect, last_line
from refsort.scale.spans import Decider, Portion, Span

RETRIES = 3
"""Of a span whose worker has ended."""
AHEAD = 2
"""Spans under way for each worker: one at work, one that waits, or is done and waits for those before it."""


class RayDeciding:
    """The engine `ray` for `decide_vectors`. Connects when it is called."""

    def __init__(self, *, address: str | None = None, workers: int = 0) -> None:
        """`address`, `workers`: as of RayEngine; 0 workers: one per core of the cluster."""
        self._address, self._workers = address, workers

    def __call__(self, decider: Decider, spans: list[Span]) -> Iterator[Portion]:
        """Portions in the order of the spans. Raises what Decider.portion does, RefsortError if workers keep ending."""
        own = connect(self._address, self._workers)
        import ray

        try:
            workers = self._workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
            task = ray.remote(_portion).options(num_cpus=1, max_retries=RETRIES)
            shared = ray.put(decider)
            under_way: deque[Any] = deque()
            for span in spans:
                under_way.append(task.remote(shared, span))
                if len(under_way) >= AHEAD * workers:
                    yield _answer(ray, under_way.popleft())
            while under_way:
                yield _answer(ray, under_way.popleft())
        finally:
            if own:
                ray.shutdown()


def _portion(decider: Decider, span: Span) -> Portion:
    return decider.portion(span)


def _answer(ray: Any, reference: Any) -> Portion:
    try:
        portion: Portion = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, (OSError, RefsortError)) else error from None
    except ray.exceptions.RayError as error:
        raise RefsortError(f"Ray's workers end while they decide: {last_line(error)}") from error
    return portion
