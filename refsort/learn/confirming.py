"""Which pictures a person means who names files and classes to confirm."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from refsort.errors import DatasetError
from refsort.files.confirmed import confirmed
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal
from refsort.files.survey import standing_files
from refsort.names import fold, show


@dataclass(frozen=True, slots=True)
class Meant:
    """A picture in a class folder. `path` relative to the dataset."""

    path: str
    sha256: bytes
    class_name: str


def meant(dataset: Dataset, journal: Journal, names: Sequence[str]) -> list[Meant]:
    """Each name is a file in a class folder, as it lies in the dataset or seen from here, or a class: all of it.

    Raises DatasetError for a name that is neither.
    """
    standing = standing_files(journal)
    found = []
    for path, class_name in dict.fromkeys(pair for name in names for pair in _paths(dataset, name)):
        filed, stat = standing.get(path), look(dataset.path(path))
        known = filed is not None and filed.is_unchanged(stat)
        sha256 = filed.sha256 if filed is not None and known else hash_file(dataset.path(path))
        found.append(Meant(path, sha256, class_name))
    return found


def to_forget(dataset: Dataset, journal: Journal, names: Sequence[str]) -> set[bytes]:
    """The contents of the files named, and everything that was confirmed to be of a class named, also if it is gone."""
    said = confirmed(journal)
    hashes: set[bytes] = set()
    for name in names:
        of_class = {sha256 for sha256, word in said.items() if fold(word.class_name) == fold(name)}
        hashes |= of_class or {one.sha256 for one in meant(dataset, journal, [name])}
    return hashes


def _paths(dataset: Dataset, name: str) -> Iterator[tuple[str, str]]:
    """(path, class) of each picture that a name stands for."""
    top = dataset.names.sorted
    path = _file(dataset, name)
    if path is not None:
        inner = path.split("/")
        if inner[0] != top or len(inner) < 3:
            raise DatasetError(
                f"{show(name)} lies in no class folder; move it into {top}/<class>/, which says what it is"
            )
        yield path, inner[1]
        return
    folder = next((f for f in _class_folders(dataset) if fold(f) == fold(name)), None)
    if folder is None:
        raise DatasetError(f"{show(name)} is neither a file here or in the dataset nor a class folder in {top}/")
    for group in dataset.groups(f"{top}/{folder}"):
        yield group.path, folder


def _class_folders(dataset: Dataset) -> list[str]:
    path = dataset.path(dataset.names.sorted)
    return sorted(e.name for e in os.scandir(path) if e.is_dir(follow_symlinks=False)) if path.is_dir() else []


def _file(dataset: Dataset, name: str) -> str | None:
    """Relative to the dataset; None if no file is meant."""
    if not Path(name).is_absolute() and look(dataset.path(name)) is not None:
        return name.replace(os.sep, "/")
    path = Path(name).expanduser()
    if look(path) is None:
        return None
    path = path.parent.resolve() / path.name
    if not path.is_relative_to(dataset.root.resolve()):
        raise DatasetError(f"{show(name)} does not lie in the dataset {show(str(dataset.root))}")
    return path.relative_to(dataset.root.resolve()).as_posix()
