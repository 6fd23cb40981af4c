"""Which file is which: what lstat said when a file was read, and its hash."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
"""Bytes read at a time while hashing."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """What lstat said of a regular file. Equal stats mean: the same file, unchanged."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    nlink: int

    def same_file(self, other: "FileStat | None") -> bool:
        """Same inode, size and modification time; the number of links may differ."""
        return other is not None and (self.dev, self.ino, self.size, self.mtime_ns) == (
            other.dev,
            other.ino,
            other.size,
            other.mtime_ns,
        )


def from_result(result: os.stat_result) -> FileStat:
    # SQLite's integers are signed and 64 bits wide; NTFS and ZFS give larger unsigned numbers.
    return FileStat(_signed(result.st_dev), _signed(result.st_ino), result.st_size, result.st_mtime_ns, result.st_nlink)


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def look(path: Path | str) -> FileStat | None:
    """lstat of a regular file; None if there is none or it is something else."""
    try:
        result = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return from_result(result) if stat.S_ISREG(result.st_mode) else None


def open_regular(path: Path) -> int:
    """File descriptor for reading that is certainly a regular file: no link followed, no pipe waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return descriptor


def hash_file(path: Path) -> bytes:
    """SHA-256 of a regular file's bytes, without holding them in memory."""
    digest = hashlib.sha256()
    with os.fdopen(open_regular(path), "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()
