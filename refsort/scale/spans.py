"""Deciding about some parts of a folder of vectors at a time: the same for every engine, here or on another machine.

A span is a row of parts that are decided by themselves, in batches as `refsort sort` makes them. Where spans begin does
not depend on the engine, so the plan doesn't either.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from refsort.config import Folders
from refsort.decide import Decision, Judge
from refsort.names import show, to_bytes
from refsort.scale.listing import replaced_rows
from refsort.scale.places import Place, open_place
from refsort.scale.plans import FIELDS
from refsort.scale.vectors import About, done_parts, matrix, part_name, read_parts
from refsort.sorting.one_pass import DECIDE_BATCH

SPAN_ROWS = 8 * DECIDE_BATCH
"""About so many pictures are a span: some seconds of work, some ten megabytes of a plan."""
KEPT = ("path", "size", "mtime_ns", "sha256")


@dataclass(frozen=True, slots=True)
class Span:
    """Parts by number, and the paths in them of which a later part has newer rows."""

    parts: tuple[int, ...]
    hidden: dict[int, set[bytes]]


@dataclass(slots=True)
class Portion:
    """What was decided about some pictures."""

    table: pa.Table
    """Rows of a plan."""
    verdicts: Counter[str] = field(default_factory=Counter)
    per_class: Counter[str] = field(default_factory=Counter)
    cut: float | None = None
    """The highest of its batches."""
    expected_wrong: float = 0.0
    """How many of the sure ones."""


def spans_of(place: Place, span_rows: int = SPAN_ROWS) -> list[Span]:
    """All that is done, in order, about so many rows each if parts are alike. Raises OSError."""
    names = place.names()
    done = sorted(done_parts(names))
    if not done:
        return []
    hidden = replaced_rows(place, names, set(done))
    with place.open(part_name(done[0])) as file, pq.ParquetFile(file) as parquet:
        parts = max(span_rows // max(parquet.metadata.num_rows, 1), 1)
    rows = (tuple(done[first : first + parts]) for first in range(0, len(done), parts))
    return [Span(row, {part: hidden[part] for part in row if part in hidden}) for row in rows]


@dataclass(slots=True)
class Decider:
    """A judge, and where the vectors lie. May be sent to another machine."""

    folder: str
    about: About
    judge: Judge
    names: Folders
    keep_unsure: bool

    def portion(self, span: Span) -> Portion:
        """What is decided about a span. Raises DatasetError if a part is of another encoder, OSError."""
        place = open_place(self.folder)
        found = Portion(pa.schema(FIELDS).empty_table())
        tables = [found.table]
        for batch in _batches(read_parts(place, self.about, span.parts, span.hidden)):
            one = self._portion(batch)
            tables.append(one.table)
            add(found, one)
        found.table = pa.concat_tables(tables)
        return found

    def _portion(self, batch: pa.RecordBatch) -> Portion:
        vectors, there = matrix(batch)
        found = Portion(pa.schema(FIELDS).empty_table())
        decisions: Iterator[Decision] = iter(())
        if there.any():
            decided, terms = self.judge.decide(np.ascontiguousarray(vectors[there]))
            decisions, found.cut = iter(decided), terms.cut
        errors = batch.column("error").to_pylist()
        rows = [
            self._row(next(decisions), found) if known else _unreadable(why, found)
            for known, why in zip(there, errors, strict=True)
        ]
        columns = [batch.column(key) for key in KEPT]
        columns += [pa.array(values, f.type) for f, values in zip(FIELDS[4:], zip(*rows, strict=True), strict=True)]
        found.table = pa.table(columns, schema=pa.schema(FIELDS))
        return found

    def _row(self, decision: Decision, found: Portion) -> tuple[bytes, bytes, str, float | None, str]:
        found.verdicts[decision.verdict] += 1
        if decision.verdict == "sure":
            found.per_class[show(decision.class_name)] += 1
            found.expected_wrong += 0.0 if decision.probability is None else 1 - decision.probability
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
        if self.keep_unsure:
            return ""
        return self.names.unsure if decision.verdict == "unsure" else self.names.unknown


def add(total: Portion, one: Portion) -> None:
    """Count a portion's counts in; the tables are left alone."""
    total.verdicts += one.verdicts
    total.per_class += one.per_class
    total.expected_wrong += one.expected_wrong
    if one.cut is not None:
        total.cut = one.cut if total.cut is None else max(total.cut, one.cut)


def _unreadable(why: str, found: Portion) -> tuple[bytes, bytes, str, float | None, str]:
    found.verdicts["unreadable"] += 1
    return b"", b"", "unreadable", None, json.dumps({"verdict": "unreadable", "reason": why})


def _batches(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows in batches of DECIDE_BATCH, across parts; what is left at the end is a smaller one."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in rows:
        held.append(batch)
        count += batch.num_rows
        while count >= DECIDE_BATCH:
            table = pa.Table.from_batches(held).combine_chunks()
            yield table.slice(0, DECIDE_BATCH).to_batches()[0]
            rest = table.slice(DECIDE_BATCH)
            held, count = rest.to_batches(), rest.num_rows
    if count:
        yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]
