"""Where exported models lie, and what is recorded of them. One folder for each model folder they were made from.

    <cache>/exported/<key>/record.json      source, versions, preparation, test vectors; or why there is no export
                           images.onnx, images.bin, texts.onnx, texts.bin, tokenizer.json
                           int8.onnx, int8.json      if they were asked for

A folder appears by one rename, complete or not at all. Everything here may be deleted at any time.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from refsort.encoders.hub import fingerprint, model_files
from refsort.encoders.pixels import Preparation

MADE_BY = ("torch", "transformers", "sentence-transformers")
"""Packages an export depends on; it is made anew when one of them changes."""

LOCK_SECONDS = 900
RECORD, INT8_RECORD = "record.json", "int8.json"
IMAGES, TEXTS, TOKENIZER, INT8 = "images.onnx", "texts.onnx", "tokenizer.json", "int8.onnx"
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Content(BaseModel):
    """What an export holds."""

    model_config = STRICT

    preparation: Preparation
    text_length: int
    """Tokens after which phrases are cut off; 0: the model has no text side."""
    picture: list[float] = []
    """The test picture's vector: damaged weights give another one."""
    phrase: list[float] = []
    """The test phrase's vector; empty without a text side."""
    worst_picture: float = 1.0
    worst_phrase: float = 1.0
    """Smallest cosine to torch's vectors when the export was checked."""
    sizes: dict[str, int] = {}
    """Bytes of each file."""


class Record(BaseModel):
    """What was exported from where, or `refused`: why it couldn't be."""

    model_config = STRICT

    format: Literal[1] = 1
    """Another number when what is made, or what is refused, changes."""
    source: str
    fingerprint: str
    stats: list[tuple[str, int, int]]
    """Name, bytes and time of change (ns) of each file in `source` when `fingerprint` was taken."""
    versions: dict[str, str]
    refused: str = ""
    content: Content | None = None


class Int8Record(BaseModel):
    """The image tower in eight bits."""

    model_config = STRICT

    size: int
    cosine: float
    """Mean over the test pictures between the vectors of eight bits and of fp32."""
    picture: list[float]


class Place:
    """The folder of the export of one model folder."""

    def __init__(self, source: Path) -> None:
        self.source = source.resolve()
        key = hashlib.sha256(os.fsencode(self.source)).hexdigest()[:16]
        self.folder = cache_root() / "exported" / key

    def read(self) -> Record | None:
        """The record if it belongs to the model as it is now and to what is installed now."""
        try:
            record = Record.model_validate_json((self.folder / RECORD).read_bytes())
            if not all(now in (None, record.versions.get(name)) for name, now in _versions().items()):
                return None
            stats = _stats(self.source)
            if record.stats == stats:
                return record
            if record.fingerprint != fingerprint(self.source):  # reads the whole model
                return None
        except (OSError, ValidationError):
            return None
        record = record.model_copy(update={"stats": stats})
        with suppress(OSError):  # a cache that can't be written to: it is hashed again next time
            _write(self.folder / RECORD, record)
        return record

    def complete(self, content: Content) -> bool:
        """Is each file there, and of the right size?"""
        try:
            return all((self.folder / name).stat().st_size == size for name, size in content.sizes.items())
        except OSError:
            return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time. Raises OSError if that can't be had (filelock's Timeout is one)."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.folder}.lock", timeout=LOCK_SECONDS):
            for left in self.folder.parent.glob(f"{self.folder.name}.part-*"):  # of killed processes
                shutil.rmtree(left, ignore_errors=True)
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on the same disk, gone afterwards."""
        with tempfile.TemporaryDirectory(
            prefix=f"{self.folder.name}.part-", dir=self.folder.parent, ignore_cleanup_errors=True
        ) as part:
            yield Path(part)

    def replace(self, made: Path, record: Record) -> None:
        """Put the folder `made`, completed by its record, in place of what was there. Raises OSError.

        `made` lies in a folder from `scratch`, with which what was there is deleted.
        """
        _write(made / RECORD, record)
        for path in made.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # a name must not reach the disk before what it stands for
        if self.folder.exists():
            self.folder.rename(made.parent / "old")
        made.rename(self.folder)
        self._prune()

    def _prune(self) -> None:
        """Delete exports of models that are gone, as fine-tuned ones are some day."""
        for path in self.folder.parent.glob(f"*/{RECORD}"):
            with suppress(OSError, ValueError, LookupError, TypeError):
                if not Path(json.loads(path.read_bytes())["source"]).exists():
                    shutil.rmtree(path.parent, ignore_errors=True)

    def new_record(self, fingerprint: str) -> Record:
        """A record of the source, whose fingerprint was just taken, that still lacks content or refusal."""
        versions = {name: version for name, version in _versions().items() if version}
        return Record(source=str(self.source), fingerprint=fingerprint, stats=_stats(self.source), versions=versions)

    def read_int8(self) -> Int8Record | None:
        try:
            found = Int8Record.model_validate_json((self.folder / INT8_RECORD).read_bytes())
            return found if (self.folder / INT8).stat().st_size == found.size else None
        except (OSError, ValidationError):
            return None

    def put_int8(self, made: Path, record: Int8Record) -> None:
        """Move the network `made` in; what is left of an earlier one loses its record first."""
        (self.folder / INT8_RECORD).unlink(missing_ok=True)
        made.replace(self.folder / INT8)
        _write(self.folder / INT8_RECORD, record)


def cache_root() -> Path:
    """$REFSORT_CACHE, or where the system keeps what can be made again."""
    if given := os.environ.get("REFSORT_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "refsort"


def _stats(source: Path) -> list[tuple[str, int, int]]:
    found = [(path.relative_to(source).as_posix(), path.stat()) for path in model_files(source)]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]


def _versions() -> dict[str, str | None]:
    """Installed versions, None for what is not installed; nothing is imported."""
    found: dict[str, str | None] = dict.fromkeys(MADE_BY)
    for name in MADE_BY:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _write(path: Path, record: BaseModel) -> None:
    """Whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    part.write_text(record.model_dump_json(indent=1), "utf-8")
    part.replace(path)
