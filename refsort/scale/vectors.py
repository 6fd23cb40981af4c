"""Vectors as they lie in Parquet files, for whoever reads them.

A folder of vectors (`refsort embed --to`) holds

    embedding.json        what the vectors are: see `About`
    listing-1.parquet     which files the source held, in which parts; listing-2 and so on: what changed since
    part-000000.parquet   the vectors of part 0, and so on; a part that is not done yet has no file
    again-000000.json     paths of part 0 that could not be had, and are tried again by the next run

and each part these columns, a row for each picture, in the order of the listing:

    path      binary                            in the source, with forward slashes; binary since a name need not be
                                                UTF-8 (`refsort.names.from_bytes` makes the str); of a picture in a tar
                                                file: shard.tar/name
    size      int64                             bytes
    mtime_ns  int64                             nanoseconds since 1970, by the file system or the store
    sha256    binary                            32 bytes; empty where the file could not be read
    vector    fixed_size_list<float16>[dim]     length one but for rounding; null where there is an error
    error     string                            why there is no vector; empty where there is one

The numbers are those of `Embedder`: float32 rounded to float16, so `matrix` gives what a dataset's cache would.
Nothing but pyarrow is needed to read them: pyarrow.parquet.read_table("vectors/part-000000.parquet"). But only
`read_vectors` leaves out what a later part has replaced, because the file has changed since, or is gone.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from refsort.errors import DatasetError
from refsort.names import show
from refsort.scale.listing import replaced_rows
from refsort.scale.places import Place, open_place, read_all, shards_of

VERSION = 1
ABOUT = "embedding.json"
COLUMNS = ("path", "size", "mtime_ns", "sha256", "vector", "error")
ENCODER_KEY, FINGERPRINT_KEY, VERSION_KEY = b"refsort.encoder", b"refsort.fingerprint", b"refsort.version"
"""In the metadata of each part's schema."""
ROWS = 1024
"""Of a row group, and of a batch that `read_vectors` gives: 2.6 MB with 1,280 numbers a picture."""

_PART = re.compile(r"part-(\d+)\.parquet")


@dataclass(frozen=True, slots=True)
class About:
    """What the vectors of a folder are; the keys of embedding.json."""

    version: int
    encoder: str
    """By its name in the settings."""
    fingerprint: str
    """Of weights, preprocessing, precision and reading: vectors of two fingerprints are never compared."""
    dim: int
    source: str
    """Folder or URI (without keys and options) that the paths are relative to."""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode("ascii") + b"\n"


def read_about(place: Place) -> About | None:
    """What lies at a place; None if nothing does. Raises DatasetError if it can't be understood."""
    try:
        found = json.loads(read_all(place, ABOUT))
        if found["version"] != VERSION:
            raise DatasetError(f"{show(place.name)}: {ABOUT} is of version {found['version']}, this program knows 1")
        encoder, fingerprint, source = (str(found[key]) for key in ("encoder", "fingerprint", "source"))
        return About(VERSION, encoder, fingerprint, int(found["dim"]), source)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{show(place.name)}: {ABOUT} can't be read: {error}") from error


def schema(about: About) -> pa.Schema:
    """Of every part of these vectors."""
    fields = [
        pa.field("path", pa.binary(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("sha256", pa.binary(), nullable=False),
        pa.field("vector", pa.list_(pa.float16(), about.dim)),
        pa.field("error", pa.string(), nullable=False),
    ]
    metadata = {
        VERSION_KEY: str(VERSION).encode(),
        ENCODER_KEY: about.encoder.encode("utf-8", "surrogateescape"),
        FINGERPRINT_KEY: about.fingerprint.encode(),
    }
    return pa.schema(fields, metadata=metadata)


def part_name(number: int) -> str:
    """The file of a part."""
    return f"part-{number:06d}.parquet"


def done_parts(names: set[str]) -> set[int]:
    """Numbers of the parts whose files are among these names."""
    return {int(match[1]) for name in names if (match := _PART.fullmatch(name))}


def read_vectors(
    folder: str | Path, columns: Sequence[str] = COLUMNS, *, parts: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of up to ROWS rows, parts in order; every picture of the source once, by the newest part that is done.

    `folder`: as given to `--to`, or its URI. `parts`: only these, as `done_parts` names them. Memory does not grow
    with the number of pictures. Raises DatasetError if there are no vectors, OSError if a part can't be read.
    """
    place, about = vectors_at(str(folder))
    names = place.names()
    done = done_parts(names)
    hidden = replaced_rows(place, names, done)
    yield from read_parts(place, about, sorted(done if parts is None else done.intersection(parts)), hidden, columns)


def vectors_at(folder: str) -> tuple[Place, About]:
    """The place, and what the vectors are. Raises DatasetError if there are none."""
    place = open_place(folder)
    about = read_about(place)
    if about is None:
        raise DatasetError(f"{show(place.name)} holds no vectors; 'refsort embed SOURCE --to FOLDER' makes some")
    return place, about


def read_parts(
    place: Place,
    about: About,
    numbers: Sequence[int],
    hidden: Mapping[int, set[bytes]],
    columns: Sequence[str] = COLUMNS,
) -> Iterator[pa.RecordBatch]:
    """Batches of these parts; `hidden`: by part, paths of which a later part has newer rows (`replaced_rows`).

    Raises DatasetError if a part is of another encoder, OSError if it can't be read.
    """
    expected = about.fingerprint.encode()
    for number in numbers:
        with place.open(part_name(number)) as file, pq.ParquetFile(file) as parquet:
            if (parquet.schema_arrow.metadata or {}).get(FINGERPRINT_KEY) != expected:
                raise DatasetError(f"{show(place.name)}: {part_name(number)} is of another encoder than {ABOUT} says")
            yield from _rows(parquet, columns, hidden.get(number, set()))


def _rows(parquet: pq.ParquetFile, columns: Sequence[str], hidden: set[bytes]) -> Iterator[pa.RecordBatch]:
    wanted = list(dict.fromkeys([*columns, "path"] if hidden else columns))
    for batch in parquet.iter_batches(ROWS, columns=wanted):
        if hidden:
            kept = [hidden.isdisjoint(shards_of(path)) for path in batch.column("path").to_pylist()]
            batch = batch.filter(pa.array(kept, pa.bool_()))
        batch = batch.select(list(columns))
        if batch.num_rows:
            yield batch


def matrix(batch: pa.RecordBatch) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """float32[n, dim], zeros where there is no vector, and bool[n] that says where there is one."""
    column: Any = batch.column("vector")
    there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    found = np.zeros((batch.num_rows, column.type.list_size), np.float32)
    found[there] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    return found, there
