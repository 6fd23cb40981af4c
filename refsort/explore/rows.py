"""Vectors as rows of one file: appended, memory-mapped, each with a checksum, none ever moved by another's fate."""

import itertools
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from refsort.encoders import Floats

BLOCK = 8192
"""Rows read at a time."""


class Rows:
    """float32[n, dim] in a file, row after row.

    How many rows count is not the file's business: the index says so, and only after the rows are on the disk. What a
    killed process left behind the last row that counts is written over. float32 and not float16, because a product
    with half precision costs some ten times as long in numpy.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self.path = path
        self.dim = dim

    def write(self, first: int, vectors: Floats) -> None:
        """Put float32[m, dim] from row `first` on, and onto the disk. Raises OSError."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(first * self.dim * 4)
            file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())

    def view(self, count: int) -> Floats:
        """The first `count` rows, float32[count, dim], mapped, not read. Raises ValueError if the file is shorter."""
        if not count:
            return np.zeros((0, self.dim), np.float32)
        if not self.path.is_file() or self.path.stat().st_size < count * self.dim * 4:
            raise ValueError("rows are missing")
        return np.memmap(self.path, dtype="<f4", mode="r", shape=(count, self.dim))


def checksum(vector: Floats) -> int:
    """CRC-32 of a row's bytes."""
    return zlib.crc32(np.ascontiguousarray(vector, dtype="<f4").tobytes())


def blocks(rows: Floats) -> Iterator[tuple[int, Floats]]:
    """(first row, part of the rows), so that a matrix larger than memory is never held."""
    for first in range(0, len(rows), BLOCK):
        yield first, rows[first : first + BLOCK]


def copy_rows(old: Floats, chosen: Iterable[int], target: Rows) -> None:
    """Write the chosen rows one behind the other."""
    numbers, first = iter(chosen), 0
    while part := list(itertools.islice(numbers, BLOCK)):
        target.write(first, np.asarray(old[part]))
        first += len(part)
