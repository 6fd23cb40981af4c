"""The folder contract of one dataset: where everything lies, which classes there are, what has arrived."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from refsort.config import Folders
from refsort.errors import DatasetError, EmptyClass
from refsort.files.groups import Group, gather
from refsort.names import check_class_name, check_distinct, is_litter, is_litter_folder, show

PHRASES_FILE = "phrases.txt"
BETWEEN_NAMES = "\0"
"""No file's name can hold it."""


@dataclass(frozen=True)
class Arrivals:
    """What lies in the drop folder, in a fixed order, and what was passed over and why."""

    folders: list[tuple[str, str]] = field(default_factory=list)
    """(folder relative to the dataset, the sorted names of its files, joined): some 20 bytes of memory a file."""
    count: int = 0
    """Files, those that go with a picture too."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(path relative to the dataset, reason)."""

    def groups(self) -> Iterator[Group]:
        """The files as groups, a folder at a time."""
        for folder, names in self.folders:
            yield from gather(folder, names.split(BETWEEN_NAMES))


class Dataset:
    """One dataset on disk. Nothing here writes."""

    def __init__(self, root: Path, names: Folders | None = None, state_dir: Path | None = None) -> None:
        self.root = root
        self.names = names or Folders()
        self.state = state_dir / root.name if state_dir else root / ".refsort"

    @property
    def name(self) -> str:
        return self.root.name

    def path(self, relative: str) -> Path:
        """Absolute path of a path that is stored relative to the dataset, with forward slashes."""
        return self.root / relative

    def relative(self, path: Path | str) -> str:
        """The stored form of a path inside the dataset."""
        text = os.path.relpath(path, self.root)
        return text.replace(os.sep, "/") if os.sep != "/" else text

    def check(self) -> None:
        """Raise DatasetError if the folders that sorting reads are missing."""
        if not self.root.is_dir():
            raise DatasetError(f"dataset folder {show(str(self.root))} does not exist{self._siblings()}")
        for name in (self.names.references, self.names.arrivals):
            if not (self.root / name).is_dir():
                raise DatasetError(
                    f"dataset {show(self.name)} has no folder {name}/; make {show(str(self.root / name))} "
                    f"(see Data/README.md)"
                )

    def classes(self) -> list[str]:
        """Class names in a fixed order. Raises UnsafeName or DatasetError before anything is touched."""
        folder = self.root / self.names.references
        names = []
        for entry in os.scandir(folder):
            if is_litter_folder(entry.name) or not entry.is_dir():
                continue
            check_class_name(entry.name)
            if entry.is_symlink():
                self._refuse_link_out(Path(entry.path))
            names.append(entry.name)
        names.sort()
        check_distinct(names)
        if not names:
            raise DatasetError(
                f"{show(str(folder))} holds no class: make a folder for each class and put a few pictures into it"
            )
        for name in names:
            self.check_target(f"{self.names.sorted}/{name}")
        return names

    def reference_files(self, class_name: str) -> list[str]:
        """Relative paths of a class's reference files, sorted; there may be none."""
        folder = self.root / self.names.references / class_name
        return sorted(
            f"{self.names.references}/{class_name}/{entry.name}"
            for entry in os.scandir(folder)
            if entry.is_file(follow_symlinks=False) and not is_litter(entry.name) and entry.name != PHRASES_FILE
        )

    def references(self, class_name: str) -> list[str]:
        """Relative paths of a class's reference files, sorted. Raises EmptyClass if there is none."""
        found = self.reference_files(class_name)
        if not found:
            folder = self.root / self.names.references / class_name
            raise EmptyClass(
                f"class {show(class_name)} has no reference picture: put a few into {show(str(folder))} "
                f"or remove the folder"
            )
        return found

    def check_target(self, relative: str) -> None:
        """Raise DatasetError if a folder that files would be moved into is no folder or a link out of the dataset."""
        path = self.root / relative
        if path.is_symlink():
            self._refuse_link_out(path)
        if path.exists() and not path.is_dir():
            raise DatasetError(f"{show(str(path))} is no folder; pictures can't be moved there")

    def arrivals(self) -> Arrivals:
        """Everything below the drop folder, sub-folders too. Links are never followed."""
        folders: list[tuple[str, str]] = []
        skipped: list[tuple[str, str]] = []
        count = 0
        for folder, names in self._walk(self.names.arrivals, skipped):
            if names:
                folders.append((folder, BETWEEN_NAMES.join(names)))
                count += len(names)
        return Arrivals(folders, count, skipped)

    def groups(self, folder: str) -> Iterator[Group]:
        """The files below a folder of the dataset, as groups; none if it is not there."""
        for inner, names in self._walk(folder, []):
            yield from gather(inner, names)

    def files(self, folder: str) -> Iterator[str]:
        """Relative paths of all regular files below a folder of the dataset, hidden ones left out."""
        for inner, names in self._walk(folder, []):
            for name in names:
                yield f"{inner}/{name}"

    def _walk(self, top: str, skipped: list[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
        """(relative folder, sorted names of regular files), depth first in a fixed order."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            names: list[str] = []
            inner: list[str] = []
            others: list[tuple[str, str]] = []
            try:
                for entry in os.scandir(self.root / folder):
                    kind = _kind(entry)
                    if kind == "folder":
                        if not is_litter_folder(entry.name):
                            inner.append(f"{folder}/{entry.name}")
                    elif is_litter(entry.name):
                        continue
                    elif kind == "file":
                        names.append(entry.name)
                    else:
                        others.append((f"{folder}/{entry.name}", f"{kind}: never followed"))
            except OSError as error:
                skipped.append((folder, f"can't be listed: {error.strerror or error}"))
                continue
            skipped += sorted(others)
            yield folder, sorted(names)
            waiting += sorted(inner, reverse=True)

    def _refuse_link_out(self, path: Path) -> None:
        target = path.resolve()
        if not target.is_relative_to(self.root.resolve()):
            raise DatasetError(
                f"{show(str(path))} is a link out of the dataset (to {show(str(target))}); "
                f"put a real folder in its place"
            )

    def _siblings(self) -> str:
        parent = self.root.parent
        if not parent.is_dir():
            return f" (and neither does {show(str(parent))}; set data_dir)"
        others = sorted(e.name for e in os.scandir(parent) if e.is_dir() and not e.name.startswith("."))
        return f"; there are: {', '.join(show(o) for o in others[:8])}" if others else "; 'refsort demo' makes one"


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_file(follow_symlinks=False):
        return "file"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    if entry.is_symlink():
        return "symbolic link"
    return "named pipe" if stat.S_ISFIFO(entry.stat(follow_symlinks=False).st_mode) else "device or socket"
