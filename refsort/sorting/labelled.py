"""Pictures whose class is known: a folder with a sub-folder for each class."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from refsort.decide.evaluate import NONE
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.names import fold, is_litter_folder, show

NAMED = 8
"""Folders named in a message."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Absolute paths with their labels: the number of the class, or NONE. `notes` are for a person."""

    paths: list[str]
    labels: list[int]
    notes: list[str]


def list_labelled(folder: Path, classes: list[str], *, strict: bool) -> Labelled:
    """Every file in the sub-folders of `folder`, however deep, in a fixed order; links are never followed.

    A sub-folder with a class's name is that class; any other one belongs to no class, or raises if `strict`. Raises
    DatasetError too if there is no such folder, or nothing in it that belongs to a class.
    """
    if not folder.is_dir():
        raise DatasetError(f"{show(str(folder))} is no folder; name one that holds a folder of pictures for each class")
    names = sorted(
        e.name for e in folder.iterdir() if e.is_dir() and not e.is_symlink() and not is_litter_folder(e.name)
    )
    files = {name: list(Dataset(folder.resolve()).files(name)) for name in names}
    if not any(files.values()):
        raise DatasetError(f"{show(str(folder))} holds no pictures in sub-folders; it needs a folder for each class")
    label_of = {fold(name): label for label, name in enumerate(classes)}
    known = [name for name in names if fold(name) in label_of]
    strays = [name for name in names if fold(name) not in label_of and files[name]]
    if not any(files[name] for name in known):
        raise DatasetError(
            f"{show(str(folder))} has no class in common with the dataset: there are {_listed(names)}, "
            f"the classes are {_listed(classes)}"
        )
    present = {fold(name) for name in known}
    missing = [name for name in classes if fold(name) not in present]
    if strays and strict:
        raise DatasetError(f"{_listed(strays)}: no class of that name{_meant(strays[0], missing)}; rename or remove it")
    places = folder.resolve().as_posix()
    paths = [f"{places}/{file}" for name in names for file in files[name]]
    labels = [label_of.get(fold(name), NONE) for name in names for _ in files[name]]
    return Labelled(paths, labels, list(_notes(folder, missing, strays)))


def _notes(folder: Path, missing: list[str], strays: list[str]) -> Iterator[str]:
    for name in strays:
        if meant := _meant(name, missing):
            yield f"folder {show(name)} counts as belonging to no class{meant}"
    if missing:
        yield f"no labelled pictures of {_listed(missing)}"
    if loose := sum(entry.is_file() and not entry.name.startswith(".") for entry in folder.iterdir()):
        yield f"files passed over because they lie in no sub-folder: {loose}"


def _meant(name: str, classes: list[str]) -> str:
    """A question if one of these classes, which have no folder of their own, has nearly this name."""
    near = difflib.get_close_matches(fold(name), [fold(c) for c in classes], n=1, cutoff=0.75)
    return next((f"; did you mean {show(c)}?" for c in classes if [fold(c)] == near), "")


def _listed(names: list[str]) -> str:
    shown = ", ".join(show(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
