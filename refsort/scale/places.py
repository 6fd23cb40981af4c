"""Where pictures are read from and vectors are written to: a local folder, or a prefix of an object store.

Local paths go through the functions of `os`, since their names may be no text; everything else through pyarrow, which
takes keys and regions from where each store's own tools take them (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …).
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from refsort.errors import DatasetError
from refsort.files.identity import open_regular
from refsort.names import is_litter, is_litter_folder, show, to_bytes

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
"""Two characters at least: C:// is a drive."""
UNFINISHED = ".refsort-part"
"""Ends the hidden name of a file that is being written."""
COPIED_AT_ONCE = 8 << 20  # bytes

_SHARD = re.compile(rb"\.(?:tar|tar\.gz|tgz)(?=/|\Z)", re.IGNORECASE)


class Found(NamedTuple):
    """A file at a place."""

    path: str
    """Relative to the place, with forward slashes; surrogates stand for bytes that are no UTF-8."""
    size: int
    mtime_ns: int


class Place(Protocol):
    """A folder, wherever it is."""

    text: str
    """By which `open_place` finds it again, in another process or on another machine."""
    name: str
    """The same without keys and options, to be shown and to be kept."""

    def files(self, skip: "Place | None" = None) -> Iterator[Found]:
        """All files below it by the bytes of their paths, hidden ones and what lies in `skip` left out.

        Raises DatasetError if the place isn't there.
        """

    def open(self, path: str) -> IO[bytes]:
        """For reading anywhere in it. Raises OSError."""

    def stream(self, path: str) -> IO[bytes]:
        """For reading a large file from the beginning on. Raises OSError."""

    def is_there(self) -> bool:
        """Whether the place itself exists."""

    def names(self) -> set[str]:
        """Of the files directly in it, finished ones only; empty if there is no such folder."""

    def publish(self, name: str) -> "contextlib.AbstractContextManager[IO[bytes]]":
        """A file to write to; it appears whole under its name when the block ends well, and not at all otherwise."""

    def remove(self, name: str) -> None:
        """A file directly in it; nothing happens if there is none."""


def open_place(text: str) -> Place:
    """A path, or a URI such as s3://bucket/prefix. Raises RefsortError if nothing here understands it."""
    from refsort.scale.stores import StorePlace

    scheme = SCHEME.match(text)
    if scheme is None:
        return LocalPlace(Path(text).expanduser())
    if scheme[1].lower() == "file":
        return LocalPlace(Path(url2pathname(urlsplit(text).path)))
    return StorePlace(text)


class LocalPlace:
    """A folder of this machine, or one that all machines mount under the same path."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.text = self.name = str(self.root)

    def files(self, skip: Place | None = None) -> Iterator[Found]:
        """One folder's names are in memory at a time. Links are never followed."""
        if not self.root.is_dir():
            raise DatasetError(f"{show(self.text)} is no folder; name one that holds pictures")
        left_out = skip.root.resolve() if isinstance(skip, LocalPlace) else None
        return self._below("", left_out)

    def _below(self, folder: str, left_out: Path | None) -> Iterator[Found]:
        where = self.root / folder
        if left_out is not None and where.resolve() == left_out:
            return
        try:
            with os.scandir(where) as listed:
                # As if folders ended in a slash: so the whole walk is in the order of the paths' bytes.
                entries = sorted((to_bytes(e.name) + b"/" * e.is_dir(follow_symlinks=False), e) for e in listed)
        except OSError as error:
            if not folder:
                raise
            raise DatasetError(
                f"{show(str(where))} can't be listed: {(error.strerror or str(error)).lower()}"
            ) from error
        for key, entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if key.endswith(b"/"):
                if not is_litter_folder(entry.name):
                    yield from self._below(path, left_out)
            elif not is_litter(entry.name) and entry.is_file(follow_symlinks=False):
                try:
                    stat = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield Found(path, stat.st_size, stat.st_mtime_ns)

    def open(self, path: str) -> IO[bytes]:
        return (self.root / path).open("rb")

    def stream(self, path: str) -> IO[bytes]:
        return os.fdopen(open_regular(self.root / path), "rb")

    def is_there(self) -> bool:
        return self.root.is_dir()

    def names(self) -> set[str]:
        try:
            return {e.name for e in os.scandir(self.root) if not e.name.startswith(".")}
        except FileNotFoundError:
            return set()

    @contextmanager
    def publish(self, name: str) -> Iterator[IO[bytes]]:
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor, text = tempfile.mkstemp(prefix=f".{name}.", suffix=UNFINISHED, dir=self.root)
        hidden = Path(text)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            hidden.chmod(0o666 & ~_umask())
            hidden.replace(self.root / name)
        except BaseException:
            with contextlib.suppress(OSError):
                hidden.unlink()
            raise
        _sync(self.root)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed processes left half written. Only for whoever holds the folder."""
        for entry in os.scandir(self.root):
            if entry.name.startswith(".") and entry.name.endswith(UNFINISHED):
                Path(entry.path).unlink(missing_ok=True)


def read_all(place: Place, name: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    with place.open(name) as file:
        return file.read()


def write_all(place: Place, name: str, data: bytes) -> None:
    """Publish a small file. Raises OSError."""
    with place.publish(name) as file:
        file.write(data)


def is_shard(path: bytes) -> bool:
    """Whether a file of this path is a tar archive of pictures, as WebDataset makes them."""
    found = _SHARD.search(path, max(len(path) - len(b".tar.gz"), 0))
    return found is not None and found.end() == len(path)


def shards_of(path: bytes) -> list[bytes]:
    """The path itself, and the tar files that it may be in by its name."""
    return [path, *(path[: match.end()] for match in _SHARD.finditer(path))]


def _umask() -> int:
    """mkstemp makes files that only their owner may read; these are to be like any other."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync(folder: Path) -> None:
    """Names are on the disk too, where folders can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
