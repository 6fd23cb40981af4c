"""A plan: what is to become of each picture of a folder of vectors, as one Parquet file that a person can look through.

A row for each picture, in the order of the vectors:

    path         binary    in the source, as in the vectors
    size         int64     bytes, and
    mtime_ns     int64     nanoseconds since 1970: when it was embedded; what has changed since is not moved
    sha256       binary
    folder       binary    where it is to go, below the dataset: Dataset/<class>, Unsure, Unknown; empty: it stays
    class        binary    the best class; empty where there is no vector
    verdict      string    sure | unsure | unknown | unreadable
    probability  float32   that the best class is right; null where the mode is not calibrated
    decision     string    JSON for the journal: scores, rivals, margin, reason

The schema's metadata say of which source, encoder and settings it is (`About`).
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from refsort.errors import DatasetError
from refsort.files.claim import sync_folder
from refsort.names import show

VERSION = 1
KEY = b"refsort.plan"
BATCH = 2048
"""Rows read and carried out at once."""

FIELDS = [
    pa.field("path", pa.binary(), nullable=False),
    pa.field("size", pa.int64(), nullable=False),
    pa.field("mtime_ns", pa.int64(), nullable=False),
    pa.field("sha256", pa.binary(), nullable=False),
    pa.field("folder", pa.binary(), nullable=False),
    pa.field("class", pa.binary(), nullable=False),
    pa.field("verdict", pa.string(), nullable=False),
    pa.field("probability", pa.float32()),
    pa.field("decision", pa.string(), nullable=False),
]


@dataclass(frozen=True, slots=True)
class About:
    """Of what a plan is."""

    version: int
    source: str
    """Folder or URI that the paths count from."""
    dataset: str
    """Whose references decided."""
    encoder: str
    fingerprint: str
    settings: dict[str, Any]
    """The keys of the settings that decide, and `cut`: the least probability that is moved."""


class PlanWriter:
    """Writes a plan; the file appears when all of it is written. Raises DatasetError if there is one already."""

    def __init__(self, path: Path, about: About) -> None:
        if path.exists():
            raise DatasetError(f"{show(str(path))} is there already; carry it out, name another file, or remove it")
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.schema = pa.schema(FIELDS, metadata={KEY: json.dumps(asdict(about)).encode()})
        path.parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self.part, self.schema, compression="zstd")
        return self

    def write(self, rows: pa.Table) -> None:
        """Some rows, with the columns of FIELDS."""
        self._writer.write_table(rows.replace_schema_metadata(self.schema.metadata))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        if kind is not None:
            self.part.unlink()
            return
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        os.link(self.part, self.path)  # refuses to replace what somebody else has put there meanwhile
        self.part.unlink()
        sync_folder(self.path.parent)


def read_plan(path: Path) -> tuple[About, int, Iterator[dict[str, list[Any]]]]:
    """What it is of, how many rows it has, and its batches of columns. Raises DatasetError if it is no plan."""
    try:
        file = pq.ParquetFile(path)
        about = About(**json.loads((file.schema_arrow.metadata or {})[KEY]))
        if about.version != VERSION:
            raise DatasetError(f"{show(str(path))} is a plan of version {about.version}, this program knows {VERSION}")
    except FileNotFoundError:
        raise DatasetError(f"there is no plan {show(str(path))}; 'refsort decide' makes one") from None
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{show(str(path))} is no plan: {error}") from error
    return about, file.metadata.num_rows, _batches(file)


def _batches(file: pq.ParquetFile) -> Iterator[dict[str, list[Any]]]:
    with file:
        for batch in file.iter_batches(BATCH):
            yield batch.to_pydict()
