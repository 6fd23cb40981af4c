"""Former versions of small files that were changed, kept by content in the dataset's records, so that undo has them."""

import hashlib
import os
from pathlib import Path

from refsort.files import claim
from refsort.files.dataset import Dataset
from refsort.files.identity import open_regular


class Former:
    """`.refsort/sidecars/`: one file a content, named by its hash, never changed once it is there."""

    def __init__(self, dataset: Dataset) -> None:
        self.folder = dataset.state / "sidecars"

    def keep(self, data: bytes) -> str:
        """Its hash; the bytes are on the disk when this returns. Raises OSError."""
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        if self.has(name):
            return name
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{name}.{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        claim.sync_folder(self.folder)
        return name

    def has(self, name: str) -> bool:
        """Whether the content with this hash is there, whole."""
        try:
            return hashlib.sha256(self._path(name).read_bytes()).hexdigest() == name
        except OSError:
            return False

    def get(self, name: str) -> bytes:
        """The content with this hash. Raises OSError."""
        data = self._path(name).read_bytes()
        if hashlib.sha256(data).hexdigest() != name:
            raise OSError(f"{self._path(name)} is damaged")
        return data

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.xmp"


def read_small(path: Path, limit: int) -> bytes | None:
    """The bytes of a regular file, at most one more than `limit`; None if nothing is there.

    Raises OSError, also for a link or a pipe.
    """
    if not os.path.lexists(path):
        return None
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        return None
