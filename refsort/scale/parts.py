"""Writing a part: rows as they come, and beside it the paths that could not be had."""

import base64
import json
import re
from contextlib import suppress
from types import TracebackType
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from refsort.names import to_bytes
from refsort.scale.places import Place, read_all, write_all
from refsort.scale.vectors import ROWS, About, done_parts, schema
from refsort.sorting.embedding import Embedded

BEGUN = "begun.json"
"""Part → how often it was begun and not finished. Only where a part can end the whole program with it."""

_AGAIN = re.compile(r"again-(\d+)\.json")


class PartWriter:
    """Rows to a Parquet file. Up to ROWS of them are in memory."""

    def __init__(self, file: IO[bytes], about: About) -> None:
        self._schema = schema(about)
        self._dim = about.dim
        # Numbers of float16 have nothing in common that a dictionary could use.
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd", use_dictionary=["error"])
        self._held: list[Embedded] = []

    def put(self, found: Embedded) -> None:
        self._held.append(found)
        if len(self._held) == ROWS:
            self._write()

    def _write(self) -> None:
        held, self._held = self._held, []
        vectors = np.zeros((len(held), self._dim), "<f2")
        for row, found in enumerate(held):
            if found.vector is not None:
                vectors[row] = found.vector  # exact: it was rounded to float16
        missing = pa.array([found.vector is None for found in held], pa.bool_())
        columns = [
            pa.array([to_bytes(found.path) for found in held], pa.binary()),
            pa.array([found.stat.size if found.stat else 0 for found in held], pa.int64()),
            pa.array([found.stat.mtime_ns if found.stat else 0 for found in held], pa.int64()),
            pa.array([found.sha256 for found in held], pa.binary()),
            pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), self._dim, mask=missing),
            pa.array(["" if found.vector is not None else _text(found.reason) for found in held], pa.string()),
        ]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError, pa.ArrowException):  # what went wrong first is what counts
                self._writer.close()
            return
        if self._held:
            self._write()
        self._writer.close()


def _text(reason: str) -> str:
    """Never empty, and valid UTF-8: a reason may quote a name."""
    return reason.encode("utf-8", "backslashreplace").decode() or "no reason was given"


def write_again(target: Place, part: int, paths: list[str]) -> None:
    """Keep which files of a part are to be tried again by the next run."""
    names = [base64.b64encode(to_bytes(path)).decode("ascii") for path in paths]
    write_all(target, f"again-{part:06d}.json", json.dumps(names).encode("ascii"))


def read_again(target: Place) -> tuple[dict[bytes, int], list[str]]:
    """Path → part of what is to be tried again, and the files that say so."""
    found: dict[bytes, int] = {}
    names = sorted(name for name in target.names() if _AGAIN.fullmatch(name))
    for name in names:
        match = _AGAIN.fullmatch(name)
        assert match is not None
        found |= {base64.b64decode(path): int(match[1]) for path in json.loads(read_all(target, name))}
    return found, names


class Begun:
    """How often parts were begun and not finished, also by runs that are dead."""

    def __init__(self, target: Place) -> None:
        self._target = target
        done = done_parts(target.names())  # a kill may have come between a part's last step and the note of it
        try:
            noted = {int(part): int(times) for part, times in json.loads(read_all(target, BEGUN)).items()}
            self._times = {part: times for part, times in noted.items() if part not in done}
        except (FileNotFoundError, ValueError, AttributeError):
            self._times = {}

    def begin(self, part: int) -> int:
        """Note it on the disk, before anything is tried; the number of this attempt, from 1 on."""
        self._times[part] = self._times.get(part, 0) + 1
        self._write()
        return self._times[part]

    def end(self, part: int) -> None:
        """It is done, or what stopped it was no picture."""
        self._times.pop(part, None)

    def close(self) -> None:
        if self._times:
            self._write()
        else:
            self._target.remove(BEGUN)

    def _write(self) -> None:
        write_all(self._target, BEGUN, json.dumps(self._times).encode("ascii"))
