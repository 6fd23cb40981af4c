"""The bytes of a part's files: from a disk, from a store, out of a tar file."""

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any

from refsort.errors import DatasetError
from refsort.files.identity import CHUNK, FileStat
from refsort.names import from_bytes, is_litter, is_litter_folder, show
from refsort.scale.listing import Listed
from refsort.scale.places import LocalPlace, Place
from refsort.sorting.embedding import HEAD_BYTES, Embedded, named_as_picture, not_given, read_file

AGAIN = ("gone", "changing", "unreadable")
"""What the next run looks at anew, where the file is then listed still."""
_END_BLOCK = 512
"""Bytes of zeros that end a tar file (POSIX.1-2017, pax, ustar interchange format)."""
_TAR_ERRORS = (tarfile.TarError, EOFError, zlib.error)

Content = tuple[Embedded, bytes]
"""What was found, and its bytes, or only their head where they are too many."""


def read_listed(place: Place, row: Listed, max_bytes: int, *, patient: bool = True) -> Content:
    """A file of the source.

    Raises DatasetError if the source itself is gone, and OSError where a store fails and one is `patient`: another
    attempt may do better.
    """
    path = from_bytes(row.path)
    try:
        if isinstance(place, LocalPlace):
            return read_file(place.root / path, path, max_bytes)
        return _from_store(place, path, row, max_bytes)
    except OSError as error:
        return _not_given(place, path, error, patient), b""


def _not_given(place: Place, path: str, error: OSError, patient: bool) -> Embedded:
    gone = isinstance(error, FileNotFoundError)
    if gone and not place.is_there():
        raise DatasetError(
            f"{show(place.name)} is not there any more; what is done stays done, run the command again when it is back"
        ) from error
    if patient and not gone and not isinstance(place, LocalPlace):
        raise error
    return not_given(path, error)


def _from_store(place: Place, path: str, row: Listed, max_bytes: int) -> Content:
    stat = FileStat(0, 0, row.size, row.mtime_ns, 1)
    with place.open(path) as file:
        # What is not named as a picture is seldom one: a film should not cross the network to show that.
        head = b"" if named_as_picture(path) and row.size <= max_bytes else file.read(HEAD_BYTES)
        if head and row.size > max_bytes:
            return Embedded(path, "ok", stat, _hash(file, head)), head
        data = head + file.read()
    if len(data) != row.size:
        return Embedded(path, "changing", reason="it was replaced; the next run will look at it"), b""
    return Embedded(path, "ok", stat, hashlib.sha256(data).digest()), data


def _hash(file: IO[bytes], head: bytes) -> bytes:
    digest = hashlib.sha256(head)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.digest()


def read_members(place: Place, row: Listed, max_bytes: int, *, patient: bool = True) -> Iterator[Content]:
    """The files of a tar archive as they come, hidden ones left out; of a damaged one what comes before the damage.

    Raises as `read_listed` does.
    """
    shard = from_bytes(row.path)
    stat = FileStat(0, 0, row.size, row.mtime_ns, 1)
    try:
        file = place.stream(shard)
    except OSError as error:
        yield _not_given(place, shard, error, patient), b""
        return
    with file:
        try:
            with tarfile.open(fileobj=file, mode="r|*") as tar:
                for member in tar:
                    if member.isreg() and not _is_litter(member.name):
                        yield _member(tar, member, shard, max_bytes)
                why = _wrong_end(tar)
        except _TAR_ERRORS as error:
            why = str(error) or type(error).__name__
    if why:
        yield Embedded(shard, "bad", stat, reason=f"the archive is damaged: {why}"), b""


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, shard: str, max_bytes: int) -> Content:
    path = f"{shard}/{member.name.removeprefix('./')}"
    stat = FileStat(0, 0, member.size, int(member.mtime * 10**9), 1)
    file = tar.extractfile(member)
    assert file is not None  # only links and folders give none
    if member.size > max_bytes:
        head = file.read(HEAD_BYTES)
        return Embedded(path, "ok", stat, _hash(file, head)), head
    data = file.read()
    if len(data) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return Embedded(path, "ok", stat, hashlib.sha256(data).digest()), data


def _wrong_end(tar: tarfile.TarFile) -> str:
    """What is wrong with the end; tarfile takes any header that it can't read for one."""
    stream: Any = tar.fileobj
    if stream.tell() - tar.offset < _END_BLOCK:
        return "it ends without the mark of its end"
    while chunk := stream.read(CHUNK):
        if chunk.strip(b"\0"):
            return "there is something unreadable in its middle"
    return ""


def _is_litter(name: str) -> bool:
    *folders, last = PurePosixPath(name).parts
    return is_litter(last) or any(map(is_litter_folder, folders))
