"""Taking a final name on the same file system, and making sure that the right file has got it."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from refsort.files import claim
from refsort.files.identity import FileStat, from_result, hash_file, look


class Changed(Exception):
    """The file is not the one that was read; it lies where it was."""


def take(
    old: Path | str,
    new: Path | str,
    expected: FileStat,
    sha256: bytes,
    before_replace: Callable[[FileStat | None], None],
) -> bool:
    """Give the file at `old` the name `new`. True if the old name must still go (the file then has both).

    Where nothing better works, an empty file of ours holds the name until the picture replaces it; `before_replace` is
    told before (None) and after that file is made, and must make it known to recovery. Raises FileExistsError if the
    name is taken, Changed if another file came between.
    """
    if claim.rename(old, new):
        if not expected.same_file(look(new)):
            _compare(Path(old), Path(new), expected, sha256)
        return False
    source, target = Path(old), Path(new)
    if claim.link(source, target):
        _compare(source, target, expected, sha256)
        return True
    before_replace(None)
    before_replace(from_result(claim.placeholder(target)))
    try:
        os.replace(source, target)  # noqa: PTH105
    except OSError:
        target.unlink()
        raise
    return False


def publish(source: Path, target: Path) -> None:
    """Rename our own file without replacing, by whatever the file system offers. Raises FileExistsError."""
    if claim.rename(source, target):
        return
    if claim.link(source, target):
        try:
            source.unlink()
        except OSError:
            target.unlink()
            raise
        return
    claim.placeholder(target)
    os.replace(source, target)  # noqa: PTH105


def is_file(path: Path, expected: FileStat, sha256: bytes) -> bool:
    """Whether the expected file lies there. Overlay file systems may give it a new inode; then its hash decides."""
    found = look(path)
    if expected.same_file(found):
        return True
    return found is not None and found.size == expected.size and hash_file(path) == sha256


def _compare(source: Path, target: Path, expected: FileStat, sha256: bytes) -> None:
    found = look(target)
    if expected.same_file(found):
        return
    if found is not None and found.mtime_ns == expected.mtime_ns and is_file(target, expected, sha256):
        return
    here = look(source)
    if here is not None and found is not None and (here.dev, here.ino) == (found.dev, found.ino):
        target.unlink()
        raise Changed("it changed at the last moment")
    if here is None:
        with contextlib.suppress(FileExistsError):
            publish(target, source)
            raise Changed("another file took its place at the last moment")
    raise OSError(f"another file took its place at the last moment; that one now lies at {target}")
