"""Carrying out a plan in an object store: copies, each proven by reading it back, and lists of what was copied.

Nothing is deleted or replaced there. A store has no step that claims a name, so one program at a time fills a target.
After each batch of the plan `manifest-<n>.parquet` appears beside the copies:

    source   binary    path of the picture in the plan
    target   string    where its copy lies, below the target
    size     int64     bytes
    sha256   binary    of the copy as it was read back

A batch with a manifest is not looked at again. One without is done once more; what is there already, byte for byte,
counts as copied.
"""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from refsort.errors import DatasetError
from refsort.names import fold, from_bytes, numbered, show
from refsort.scale.places import Place, open_place, read_all, write_all
from refsort.scale.plans import read_plan
from refsort.scale.stores import StorePlace
from refsort.sorting.events import Item, Reporter

AT_ONCE = 16
"""Copies under way: a store answers many slowly rather than one quickly."""
MANIFEST = pa.schema([("source", pa.binary()), ("target", pa.string()), ("size", pa.int64()), ("sha256", pa.binary())])


@dataclass(slots=True)
class Copied:
    """What came of it; its fields are the keys of `--json`."""

    plan: str
    to: str
    rows: int = 0
    copied: int = 0
    there: int = 0
    """Copied by an earlier try."""
    stays: int = 0
    failed: int = 0
    per_folder: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Wanted(NamedTuple):
    source: bytes
    sha256: bytes
    size: int
    folder: str
    target: str


def copy_plan(plan: Path, to: str, reporter: Reporter, source: str | None = None) -> Copied:
    """Copy what a plan would move into folders of classes in an object store.

    `source`: the plan's source with the options that reaching it takes, if it needs some. Raises DatasetError, OSError.
    """
    about, rows, batches = read_plan(plan)
    origin, target = open_place(source or about.source), open_place(to)
    if origin.name != about.source:
        raise DatasetError(f"the plan is about {show(about.source)}, not about {show(origin.name)}")
    if not isinstance(target, StorePlace):
        raise DatasetError(f"{show(target.name)} is no object store; on a disk 'refsort apply' without --copy-to moves")
    result = Copied(str(plan), target.name, rows)
    copying = _Copying(origin, target, result, reporter)
    reporter.stage("pictures", rows)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="copy") as pool:
        for number, batch in enumerate(batches):
            copying.batch(number, list(_wanted(batch)), len(batch["path"]), pool)
    return result


def _wanted(batch: dict[str, list[Any]]) -> Iterator[tuple[bytes, bytes, int, str]]:
    for path, sha256, size, folder in zip(*(batch[k] for k in ("path", "sha256", "size", "folder")), strict=True):
        if folder:
            yield path, sha256, size, from_bytes(folder)


def _present(target: StorePlace) -> set[str]:
    """The names that are taken, folded."""
    if target.fs.get_file_info(target.base).type == fs.FileType.NotFound:
        return set()
    return {fold(found.path) for found in target.files()}


class _Copying:
    def __init__(self, origin: Place, target: StorePlace, result: Copied, reporter: Reporter) -> None:
        self.origin, self.target, self.result, self.reporter = origin, target, result, reporter
        self.manifests = target.names()
        self.names = _present(target)
        self._claiming = threading.Lock()

    def batch(
        self, number: int, rows: list[tuple[bytes, bytes, int, str]], count: int, pool: ThreadPoolExecutor
    ) -> None:
        name = f"manifest-{number:06d}.parquet"
        self.result.stays += count - len(rows)
        if name in self.manifests:
            with self.target.open(name) as file:
                known = pq.read_table(file)
            self.result.there += known.num_rows
        else:
            done = list(pool.map(self._one, rows))
            kept = [wanted for wanted in done if wanted is not None]
            if len(kept) == len(rows):
                self._list(name, kept)
        for _ in range(count):
            self.reporter.step()

    def _one(self, row: tuple[bytes, bytes, int, str]) -> _Wanted | None:
        """Copy and prove one picture; None if that failed."""
        path, sha256, size, folder = row
        try:
            data = read_all(self.origin, from_bytes(path))
            if hashlib.sha256(data).digest() != sha256:
                raise OSError("it changed after it was embedded")
            target, there = self._name(folder, PurePosixPath(from_bytes(path)).name, sha256)
            if not there:
                write_all(self.target, target, data)
                if hashlib.sha256(read_all(self.target, target)).digest() != sha256:
                    raise OSError(f"its copy {target} is not what was sent; remove it")
        except OSError as error:
            self.result.failed += 1
            self.reporter.item(Item(from_bytes(path), "failed", reason=str(error)))
            return None
        self.result.there += there
        self.result.copied += not there
        self.result.per_folder[show(folder)] = self.result.per_folder.get(show(folder), 0) + 1
        return _Wanted(path, sha256, size, folder, target)

    def _name(self, folder: str, name: str, sha256: bytes) -> tuple[str, bool]:
        """A name that is free, or one under which this very content lies already (True)."""
        number = 1
        while True:
            target = f"{folder}/{numbered(name, number)}"
            with self._claiming:
                if fold(target) not in self.names:
                    self.names.add(fold(target))
                    return target, False
            if self._is(target, sha256):
                return target, True
            number += 1

    def _is(self, target: str, sha256: bytes) -> bool:
        try:
            return hashlib.sha256(read_all(self.target, target)).digest() == sha256
        except OSError:
            return False

    def _list(self, name: str, kept: list[_Wanted]) -> None:
        columns = [[w.source for w in kept], [w.target for w in kept], [w.size for w in kept], [w.sha256 for w in kept]]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns, schema=MANIFEST), sink)
        write_all(self.target, name, sink.getvalue().to_pybytes())
