"""Which files a source holds, divided into parts once and for all.

A listing is taken before anything is read and kept beside the vectors, so that every run has the same parts. What is
new, changed or gone at a later run makes a further listing with further parts; nothing that is done is done again.
Listings are in the order of the paths' bytes, and compared as they stream: memory does not grow with their number.
"""

import heapq
import itertools
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from refsort.names import to_bytes
from refsort.scale.places import Found, Place, is_shard

FILES = 256
"""Of a part, unless the user names another number: about 3 s of one core with `builtin`, and 660 kB of vectors."""
GONE = -1
"""The part of a file that lies there no more."""
NONE = -1
"""Where a file was in no part before."""
SCHEMA = pa.schema(
    [
        pa.field("part", pa.int32(), nullable=False),
        pa.field("path", pa.binary(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("replaces", pa.int32(), nullable=False),
    ]
)
"""`part`: or GONE; `replaces`: the part in which the file was before, or NONE."""

_ROWS = 16_384  # written and read at once
_LISTING = re.compile(r"listing-(\d+)\.parquet")


class Listed(NamedTuple):
    """A row of a listing. A tar file is one row and a part of its own."""

    part: int
    path: bytes
    size: int
    mtime_ns: int
    replaces: int = NONE


@dataclass(frozen=True, slots=True)
class Part:
    """What is done at once: some files, or one tar file."""

    number: int
    files: tuple[Listed, ...]

    @property
    def is_shard(self) -> bool:
        return len(self.files) == 1 and is_shard(self.files[0].path)


@dataclass(frozen=True, slots=True)
class Listings:
    """What all listings of a target together come to."""

    parts: int
    """How many there are; their numbers begin with 0."""
    files: int
    """In the source, when the last listing was taken; a tar file counts as one."""


def listing_name(number: int) -> str:
    """The file of a listing; the first is 1."""
    return f"listing-{number}.parquet"


def listing_numbers(names: Iterable[str]) -> list[int]:
    """Of the listings among these names."""
    return sorted(int(match[1]) for name in names if (match := _LISTING.fullmatch(name)))


def bring_up_to_date(source: Place, target: Place, again: Mapping[bytes, int], files_a_part: int = FILES) -> Listings:
    """List the source, and keep what is new against the listings at the target as a further one.

    `again`: path → part of files that could not be had then; they count as new. Raises DatasetError, OSError.
    """
    numbers = listing_numbers(target.names())
    parts = 1 + max((row.part for number in numbers for row in _rows(target, number)), default=-1)
    files = 0

    def counted() -> Iterator[Found]:
        nonlocal files
        for found in source.files(skip=target):
            files += 1
            yield found

    news = _batches(_divide(_changes(counted(), _standing(target, numbers), again), parts, files_a_part))
    first = next(news, None)
    if first is None:
        return Listings(parts, files)
    with (
        target.publish(listing_name(1 + max(numbers, default=0))) as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
    ):
        for rows in itertools.chain([first], news):
            columns = zip(*rows, strict=True)
            writer.write_table(pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA))
            parts = max(parts, 1 + max(row.part for row in rows))
    return Listings(parts, files)


def parts_to_do(target: Place, done: Container[int]) -> Iterator[Part]:
    """Parts without a file, in order; of their files those that no later listing has again, or as gone."""
    names = target.names()
    numbers = listing_numbers(names)
    later = _histories(target, numbers)
    stale: dict[int, set[bytes]] = defaultdict(set)
    for path, history in later.items():
        for part in history[:-1]:
            stale[part].add(path)
    for number in numbers:
        rows = (row for row in _rows(target, number) if row.part != GONE)
        for part, listed in itertools.groupby(rows, key=lambda row: row.part):
            if part not in done:
                yield Part(part, tuple(row for row in listed if row.path not in stale.get(part, ())))


def replaced_rows(target: Place, names: Iterable[str], done: Container[int]) -> dict[int, set[bytes]]:
    """Part → listed paths whose rows in it no longer count: a later part that is done has them, or they are gone."""
    hidden: dict[int, set[bytes]] = defaultdict(set)
    for path, history in _histories(target, listing_numbers(names)).items():
        counts = [at for at, part in enumerate(history) if part == GONE or part in done]
        for part in history[: counts[-1]] if counts else ():
            if part != GONE:
                hidden[part].add(path)
    return dict(hidden)


def _histories(target: Place, numbers: list[int]) -> dict[bytes, list[int]]:
    """Path → the parts that it has been in, oldest first, for files that changed or went. GONE may be among them."""
    found: dict[bytes, list[int]] = {}
    for number in numbers[1:]:
        for row in _rows(target, number):
            if row.replaces != NONE:
                history = found.setdefault(row.path, [])
                if not history or history[-1] != row.replaces:
                    history.append(row.replaces)
                history.append(row.part)
    return found


def _changes(fresh: Iterator[Found], standing: Iterator[Listed], again: Mapping[bytes, int]) -> Iterator[Listed]:
    """What is new or changed, its part not given yet (0), and what is GONE. Both sides in the order of paths."""
    known = next(standing, None)
    for found in fresh:
        path = to_bytes(found.path)
        while known is not None and known.path < path:
            yield known._replace(part=GONE, replaces=known.part)
            known = next(standing, None)
        if known is None or known.path != path:
            yield Listed(0, path, found.size, found.mtime_ns)
            continue
        same = (known.size, known.mtime_ns) == (found.size, found.mtime_ns)
        if not same or again.get(path) == known.part:
            yield Listed(0, path, found.size, found.mtime_ns, known.part)
        known = next(standing, None)
    while known is not None:
        yield known._replace(part=GONE, replaces=known.part)
        known = next(standing, None)


def _divide(rows: Iterator[Listed], first: int, files_a_part: int) -> Iterator[Listed]:
    """Give parts their numbers, from `first` on."""
    part, filled = first, 0
    for row in rows:
        if row.part == GONE:
            yield row
            continue
        shard = is_shard(row.path)
        if filled and (shard or filled == files_a_part):
            part, filled = part + 1, 0
        yield row._replace(part=part)
        filled += 1
        if shard:
            part, filled = part + 1, 0


def _standing(target: Place, numbers: list[int]) -> Iterator[Listed]:
    """The newest row of each path, but for what is gone, in the order of the paths."""
    streams = [((row.path, number, row) for row in _rows(target, number)) for number in numbers]
    for _, same in itertools.groupby(heapq.merge(*streams), key=lambda one: one[0]):
        *_, (_, _, newest) = same
        if newest.part != GONE:
            yield newest


def _rows(target: Place, number: int) -> Iterator[Listed]:
    with target.open(listing_name(number)) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_ROWS):
            yield from map(Listed._make, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _batches(rows: Iterator[Listed]) -> Iterator[list[Listed]]:
    while batch := list(itertools.islice(rows, _ROWS)):
        yield batch
