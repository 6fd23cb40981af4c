"""Deciding about a folder of vectors: references of a dataset, vectors from anywhere, and a plan of what should move.

Streams: memory does not grow with the number of pictures. Pictures are decided in batches as `refsort sort` does it, so
where the vectors are those of the drop folder the plan is what a sort would do.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from refsort.config import Config
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.images import READING
from refsort.names import show
from refsort.scale.plans import FIELDS, VERSION, About, PlanWriter
from refsort.scale.spans import Decider, Portion, Span, add, spans_of
from refsort.scale.vectors import vectors_at
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import Prepared

DECIDING = ("mode", "max_wrong", "unknown_share", "refine", "min_score", "min_margin", "unsure", "text_weight")
"""Keys of the settings that are kept in a plan."""

Engine = Callable[[Decider, list[Span]], Iterable[Portion]]
"""Decides spans, and gives their portions in order."""


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


def here(decider: Decider, spans: list[Span]) -> Iterator[Portion]:
    """The engine `local`: one span after the other, in this process."""
    return map(decider.portion, spans)


def decide_vectors(
    config: Config,
    dataset: Dataset,
    prepared: Prepared,
    folder: str,
    plan: Path,
    reporter: Reporter,
    engine: Engine = here,
) -> Decided:
    """Write the plan for all vectors in a folder.

    Raises DatasetError if there are none, they are of another encoder than the dataset's, or the plan is there already,
    and what the engine raises.
    """
    begun = time.perf_counter()
    place, about = vectors_at(folder)
    expected = f"{prepared.encoder.fingerprint}/{READING}"
    if about.fingerprint != expected:
        raise DatasetError(
            f"{show(place.name)} holds vectors of {show(about.encoder)} ({about.fingerprint}), and dataset "
            f"{show(dataset.name)} works with {show(prepared.encoder.name)} ({expected}); they can't be compared: "
            "embed with the dataset's encoder (--encoder)"
        )
    settings = config.model_dump(mode="json", include=set(DECIDING))
    made = About(VERSION, about.source, dataset.name, about.encoder, about.fingerprint, settings)
    total = Portion(pa.schema(FIELDS).empty_table())
    decider = Decider(place.text, about, prepared.judge, dataset.names, config.unsure == "keep")
    with PlanWriter(plan, made) as writer:
        spans = spans_of(place)
        reporter.stage("parts", sum(len(span.parts) for span in spans))
        for span, portion in zip(spans, engine(decider, spans), strict=True):
            writer.write(portion.table)
            add(total, portion)
            for _ in span.parts:
                reporter.step()
    result = Decided(place.name, str(plan), dataset.name, about.encoder, total.verdicts.total())
    for verdict, count in total.verdicts.items():
        setattr(result, verdict, count)
    result.per_class = dict(sorted(total.per_class.items()))
    if result.sure and total.cut:
        result.expected_wrong = round(total.expected_wrong / result.sure, 4)
    result.cut = total.cut
    result.seconds = round(time.perf_counter() - begun, 3)
    return result
