"""Copying to another file system so that the copy is whole, proven and durable before anybody sees it."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from refsort.files.identity import CHUNK, FileStat, from_result, open_regular
from refsort.names import MAX_NAME_BYTES, cut

PART_SUFFIX = ".refsort-part"


def part_path(target: Path, source_name: str, move_id: int) -> Path:
    """Where the copy grows: hidden, in its target's folder, so that the last step is a rename within one folder.

    The name follows from the move alone, so recovery finds it whatever number the target got in between.
    """
    end = f".{move_id}{PART_SUFFIX}"
    return target.with_name(f".{cut(source_name, MAX_NAME_BYTES - len(end) - 1)}{end}")


def copy_to_part(source: Path, expected: FileStat, sha256: bytes, part: Path) -> FileStat:
    """Copy a file to `part`, which must not exist, and prove it: flushed to the disk, read back, hash compared.

    Keeps modification time, mode and extended attributes. Returns the stat of the copy. On any failure the partial
    copy, which is ours alone, is removed and OSError raised; the source is only read.
    """
    with os.fdopen(open_regular(source), "rb") as reader:
        if not from_result(os.fstat(reader.fileno())).same_file(expected):
            raise OSError("it changed since it was read")
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(descriptor, "r+b") as writer:
                shutil.copyfileobj(reader, writer, CHUNK)
                writer.flush()
                os.fsync(writer.fileno())
                writer.seek(0)
                digest = hashlib.sha256()
                while chunk := writer.read(CHUNK):
                    digest.update(chunk)
            if digest.digest() != sha256:
                raise OSError("the copy is not what was read: the picture changed, or a disk is failing")
            keep_attributes(source, part)
            return from_result(os.lstat(part))
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def keep_attributes(source: Path, copy: Path) -> None:
    """Times, mode and extended attributes; what a file system can't hold must not stop a move."""
    try:
        shutil.copystat(source, copy, follow_symlinks=False)
    except OSError:
        result = os.lstat(source)
        os.utime(copy, ns=(result.st_atime_ns, result.st_mtime_ns))
    if hasattr(os, "chown") and os.geteuid() == 0:
        result = os.lstat(source)
        with contextlib.suppress(OSError):
            os.chown(copy, result.st_uid, result.st_gid)
