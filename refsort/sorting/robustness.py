"""How sorting stands pictures that are blurred, dark, turned …: the same ones decided as they are and spoilt."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from refsort.decide.evaluate import Answers
from refsort.decide.measures import Share
from refsort.encoders import Floats
from refsort.errors import BadPicture
from refsort.files.cache import rounded
from refsort.sorting.corruptions import CORRUPTIONS, STRENGTHS, corrupt, shrunk
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import Prepared

CLEAN = "none"
VARIANTS: tuple[tuple[str, int], ...] = ((CLEAN, 0), *product(CORRUPTIONS, STRENGTHS))
"""(corruption, strength); the first one leaves a picture as it is."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What became of the sample under one corruption."""

    name: str
    strength: int
    accuracy: Share
    """Best class right, moved or not."""
    moved: Share
    wrong: Share
    """Of the moved ones."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        shares = {key: getattr(self, key).as_dict() for key in ("accuracy", "moved", "wrong")}
        return {"corruption": self.name, "strength": self.strength, **shares}


def robustness(
    prepared: Prepared, paths: list[str], labels: list[int], *, sample: int, seed: int, reporter: Reporter
) -> tuple[Spoilt, ...]:
    """At most `sample` of these pictures, drawn by chance, under each of VARIANTS; every batch is decided by itself.

    Pictures are brought down to twice the encoder's side first: what is larger it does not see, and spoiling it costs
    time. One that can't be read any more is left out.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(paths))[:sample]).tolist()
    reporter.stage("corruptions", len(chosen))
    vectors, truth = [], []
    for index, found in _embedded(prepared, paths, chosen, seed):
        reporter.step()
        if found is not None:
            vectors.append(found)
            truth.append(labels[index])
    if not vectors:
        return ()
    classes = prepared.references.classes
    results = []
    for number, (name, strength) in enumerate(VARIANTS):
        seen = np.stack([found[number] for found in vectors]).astype(np.float32)
        answers = Answers.of(prepared.judge.decide(seen)[0], classes, np.asarray(truth, dtype=np.intp))
        right, moved = answers.right, answers.moved
        results.append(Spoilt(name, strength, Share.of(right), Share.of(moved), Share.of(~right[moved])))
    return tuple(results)


def _embedded(prepared: Prepared, paths: list[str], chosen: list[int], seed: int) -> Iterator[tuple[int, Any]]:
    """(index, float16[len(VARIANTS), d] or None) of each picture; the next ones are spoilt in threads meanwhile."""
    embedder = prepared.embedder
    with ThreadPoolExecutor(embedder.threads, thread_name_prefix="spoil") as pool:
        window: deque[tuple[int, Future[Floats | None]]] = deque()
        for index in chosen:
            window.append((index, pool.submit(_variants, prepared, paths[index], seed + index)))
            if len(window) > embedder.threads:
                yield _encoded(prepared, *window.popleft())
        while window:
            yield _encoded(prepared, *window.popleft())


def _encoded(prepared: Prepared, index: int, future: Future[Floats | None]) -> tuple[int, Any]:
    batch, size = future.result(), prepared.embedder.batch_size
    if batch is None:
        return index, None
    parts = [prepared.encoder.embed_images(batch[start : start + size]) for start in range(0, len(batch), size)]
    return index, rounded(np.concatenate(parts)).astype(np.float16)


def _variants(prepared: Prepared, path: str, seed: int) -> Floats | None:
    """float32[len(VARIANTS), 3, side, side] of one picture as the encoder sees them. Runs in a thread."""
    embedder, encoder = prepared.embedder, prepared.encoder
    try:
        data = embedder.dataset.path(path).read_bytes()
        rgb = embedder.read(data, side=encoder.side, max_pixels=embedder.limits.max_pixels)
    except (OSError, BadPicture):
        return None
    small = shrunk(rgb, 2 * encoder.side)
    spoilt = (corrupt(small, name, strength, seed) for name, strength in VARIANTS[1:])
    return np.stack([encoder.prepare(rgb), *map(encoder.prepare, spoilt)])
