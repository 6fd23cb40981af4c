"""Deciding about a folder of vectors: references of a dataset, vectors from anywhere, and a plan of what should move.

Streams: memory does not grow with the number of pictures. Pictures are decided in batches as `refsort sort` does it, so
where the vectors are those of the drop folder the plan is what a sort would do.
"""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from refsort.config import Config
from refsort.decide import Decision
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.images import READING
from refsort.names import show, to_bytes
from refsort.scale.places import open_place
from refsort.scale.plans import VERSION, About, PlanWriter
from refsort.scale.vectors import done_parts, matrix, read_about, read_vectors
from refsort.sorting.events import Reporter
from refsort.sorting.one_pass import DECIDE_BATCH
from refsort.sorting.prepared import Prepared

DECIDING = ("mode", "max_wrong", "unknown_share", "refine", "min_score", "min_margin", "unsure", "text_weight")
"""Keys of the settings that are kept in a plan."""


@dataclass(slots=True)
class Decided:
    """What came of it; its fields are the keys of `--json`."""

    vectors: str
    plan: str
    dataset: str
    encoder: str
    pictures: int = 0
    sure: int = 0
    unsure: int = 0
    unknown: int = 0
    unreadable: int = 0
    per_class: dict[str, int] = field(default_factory=dict)
    cut: float | None = None
    expected_wrong: float | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def decide_vectors(
    config: Config, dataset: Dataset, prepared: Prepared, folder: str, plan: Path, reporter: Reporter
) -> Decided:
    """Write the plan for all vectors in a folder.

    Raises DatasetError if there are none, they are of another encoder than the dataset's, or the plan is there already.
    """
    begun = time.perf_counter()
    place = open_place(folder)
    about = read_about(place)
    if about is None:
        raise DatasetError(f"{show(place.name)} holds no vectors; 'refsort embed SOURCE --to FOLDER' makes some")
    expected = f"{prepared.encoder.fingerprint}/{READING}"
    if about.fingerprint != expected:
        raise DatasetError(
            f"{show(place.name)} holds vectors of {show(about.encoder)} ({about.fingerprint}), and dataset "
            f"{show(dataset.name)} works with {show(prepared.encoder.name)} ({expected}); they can't be compared: "
            "embed with the dataset's encoder (--encoder)"
        )
    settings = config.model_dump(mode="json", include=set(DECIDING))
    made = About(VERSION, about.source, dataset.name, about.encoder, about.fingerprint, settings)
    result = Decided(place.name, str(plan), dataset.name, about.encoder)
    counts: Counter[str] = Counter()
    with PlanWriter(plan, made) as writer:
        deciding = _Deciding(config, dataset, prepared, result, counts)
        reporter.stage("parts", len(done_parts(place.names())))
        for batch in _whole_batches(folder):
            writer.write(deciding.columns(batch))
            reporter.step()
    result.per_class = dict(sorted(counts.items()))
    result.expected_wrong = round(deciding.expected_wrong / result.sure, 4) if result.sure and deciding.cut else None
    result.cut = deciding.cut
    result.seconds = round(time.perf_counter() - begun, 3)
    return result


def _whole_batches(folder: str) -> Any:
    """Rows of the vectors in batches of DECIDE_BATCH, across parts."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in read_vectors(folder):
        held.append(batch)
        rows += batch.num_rows
        while rows >= DECIDE_BATCH:
            table = pa.Table.from_batches(held).combine_chunks()
            yield table.slice(0, DECIDE_BATCH).to_batches()[0]
            rest = table.slice(DECIDE_BATCH)
            held, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]


class _Deciding:
    """Turns batches of vectors into rows of a plan."""

    def __init__(
        self, config: Config, dataset: Dataset, prepared: Prepared, result: Decided, counts: "Counter[str]"
    ) -> None:
        self.config, self.names, self.judge = config, dataset.names, prepared.judge
        self.result, self.counts = result, counts
        self.cut: float | None = None
        self.expected_wrong = 0.0

    def columns(self, batch: pa.RecordBatch) -> dict[str, list[Any]]:
        vectors, there = matrix(batch)
        decisions = iter(self.judge_them(vectors[there]))
        found: dict[str, list[Any]] = {
            key: batch.column(key).to_pylist() for key in ("path", "size", "mtime_ns", "sha256")
        }
        errors = batch.column("error").to_pylist()
        rows = [
            self._row(next(decisions)) if known else self._unreadable(why)
            for known, why in zip(there, errors, strict=True)
        ]
        for key, values in zip(
            ("folder", "class", "verdict", "probability", "decision"), zip(*rows, strict=True), strict=True
        ):
            found[key] = list(values)
        self.result.pictures += batch.num_rows
        return found

    def judge_them(self, vectors: Any) -> list[Decision]:
        if not len(vectors):
            return []
        decisions, terms = self.judge.decide(np.ascontiguousarray(vectors))
        if terms.cut is not None:
            self.cut = terms.cut if self.cut is None else max(self.cut, terms.cut)
        return decisions

    def _row(self, decision: Decision) -> tuple[bytes, bytes, str, float | None, str]:
        setattr(self.result, decision.verdict, getattr(self.result, decision.verdict) + 1)
        if decision.verdict == "sure":
            self.counts[show(decision.class_name)] += 1
            self.expected_wrong += 0.0 if decision.probability is None else 1 - decision.probability
        return (
            to_bytes(self._folder(decision)),
            to_bytes(decision.class_name),
            decision.verdict,
            decision.probability,
            json.dumps(decision.as_dict()),
        )

    def _folder(self, decision: Decision) -> str:
        if decision.verdict == "sure":
            return f"{self.names.sorted}/{decision.class_name}"
        if self.config.unsure == "keep":
            return ""
        return self.names.unsure if decision.verdict == "unsure" else self.names.unknown

    def _unreadable(self, why: str) -> tuple[bytes, bytes, str, float | None, str]:
        self.result.unreadable += 1
        return b"", b"", "unreadable", None, json.dumps({"verdict": "unreadable", "reason": why})
