"""Object stores, and whatever else pyarrow has a file system for, as places."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from refsort.errors import DatasetError, RefsortError
from refsort.names import is_litter, is_litter_folder, show, to_bytes
from refsort.scale.places import COPIED_AT_ONCE, UNFINISHED, Found, Place

WITHOUT_FOLDERS = ("s3", "gcs", "abfs")
"""Stores by pyarrow's names in which an object appears whole or not at all, and folders need not be made."""


class _Entry(NamedTuple):
    """What a store says lies there."""

    path: str
    size: int
    mtime_ns: int
    is_folder: bool


class StorePlace:
    """A prefix of an object store (or any other file system that pyarrow knows), by its URI."""

    def __init__(self, text: str) -> None:
        import pyarrow
        from pyarrow import fs

        self.text, self.name = text, _without_keys(text)
        try:
            self.fs, base = fs.FileSystem.from_uri(text)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise RefsortError(f"{show(self.name)} can't be used: {_first_line(error)}") from error
        self.base = base.rstrip("/")

    def files(self, skip: Place | None = None) -> Iterator[Found]:
        """Each folder directly below is listed with all that is in it: so many names are in memory at a time."""
        # As if folders ended in a slash: so the whole walk is in the order of the paths' bytes.
        top = sorted((to_bytes(one.path) + b"/" * one.is_folder, one) for one in self._listed(self.base, deep=False))
        left_out = skip.base if isinstance(skip, StorePlace) else None
        return self._below((one for _, one in top), left_out)

    def _below(self, top: Iterator["_Entry"], left_out: str | None) -> Iterator[Found]:
        for one in top:
            found = [one]
            if one.is_folder:
                found = sorted(self._listed(f"{self.base}/{one.path}", deep=True), key=lambda one: to_bytes(one.path))
            for file in found:
                inside = left_out is not None and f"{self.base}/{file.path}".startswith(f"{left_out}/")
                if not file.is_folder and not inside and not _is_litter(file.path):
                    yield Found(file.path, file.size, file.mtime_ns)

    def _listed(self, folder: str, *, deep: bool) -> list["_Entry"]:
        from pyarrow import fs

        try:
            listed = self.fs.get_file_info(fs.FileSelector(folder, recursive=deep))
        except OSError as error:
            raise DatasetError(f"{show(self.name)} can't be listed: {_first_line(error)}") from error
        start, kinds = len(self.base) + 1, (fs.FileType.File, fs.FileType.Directory)
        return [
            _Entry(info.path[start:], info.size or 0, info.mtime_ns or 0, not info.is_file)
            for info in listed
            if info.type in kinds
        ]

    def open(self, path: str) -> IO[bytes]:
        file: IO[bytes] = self.fs.open_input_file(f"{self.base}/{path}")
        return file

    def stream(self, path: str) -> IO[bytes]:
        # Unbuffered, each small read would be a request.
        file: IO[bytes] = self.fs.open_input_stream(f"{self.base}/{path}", buffer_size=COPIED_AT_ONCE)
        return file

    def is_there(self) -> bool:
        return True  # A store that can't be reached raises OSError instead of FileNotFoundError.

    def names(self) -> set[str]:
        from pyarrow import fs

        try:
            listed = self.fs.get_file_info(fs.FileSelector(self.base, recursive=False, allow_not_found=True))
        except OSError as error:
            raise RefsortError(f"{show(self.name)} can't be listed: {_first_line(error)}") from error
        return {info.base_name for info in listed if info.is_file and not info.base_name.startswith(".")}

    @contextmanager
    def publish(self, name: str) -> Iterator[IO[bytes]]:
        """Written to a local file first: a stream to a store that is dropped halfway might leave half an object."""
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            if self.fs.type_name in WITHOUT_FOLDERS:
                self._send(file, f"{self.base}/{name}")
                return
            hidden = f"{self.base}/.{name}.{os.getpid()}{UNFINISHED}"
            self.fs.create_dir(self.base, recursive=True)
            self._send(file, hidden)
            self.fs.move(hidden, f"{self.base}/{name}")

    def _send(self, file: IO[bytes], path: str) -> None:
        with self.fs.open_output_stream(path) as out:
            shutil.copyfileobj(file, out, COPIED_AT_ONCE)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.fs.delete_file(f"{self.base}/{name}")


def _is_litter(path: str) -> bool:
    *folders, name = path.split("/")
    return is_litter(name) or any(map(is_litter_folder, folders))


def _without_keys(text: str) -> str:
    """It may hold a user's name and key."""
    return re.sub(r"//[^/@]*@", "//", text.partition("?")[0])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
