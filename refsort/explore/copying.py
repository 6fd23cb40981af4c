"""Copies of what was found, in a folder of the user's choice. Nothing is ever overwritten."""

import contextlib
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path, PurePosixPath

from refsort.errors import DatasetError
from refsort.explore.hits import Hit
from refsort.files import claim
from refsort.files.copying import copy_to_part, part_path
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.names import numbered, show


def copy_hits(dataset: Dataset, hits: Sequence[Hit], folder: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """Copy each hit into `folder`, best first; returns the copies, and (path, why) of those that failed.

    A taken name gets a number. Raises DatasetError if the folder can't be made, or lies where pictures are sorted.
    """
    target = folder.expanduser()
    root = dataset.root.resolve()
    if (root / dataset.names.references).is_dir() and target.resolve().is_relative_to(root):
        raise DatasetError(f"{show(str(folder))} lies inside the dataset, where copies would be sorted; choose another")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{show(str(folder))} can't be made: {(error.strerror or str(error)).lower()}") from None
    copied: list[Path] = []
    failed: list[tuple[str, str]] = []
    for number, hit in enumerate(hits):
        try:
            copied.append(copy_one(dataset.path(hit.path), target, number))
        except OSError as error:
            failed.append((hit.path, (error.strerror or str(error)).lower()))
    return copied, failed


def copy_one(source: Path, folder: Path, number: int) -> Path:
    """A proven copy under a name that nobody has; `number` keeps the copies of one process apart. Raises OSError."""
    stat = look(source)
    if stat is None:
        raise FileNotFoundError(2, "it is gone")
    name = PurePosixPath(source.as_posix()).name
    # The process's number keeps two searches that copy at once apart; `number`, two hits of one name.
    part = part_path(folder / name, name, os.getpid() * 10_000 + number)
    copy_to_part(source, stat, hash_file(source), part)
    try:
        for attempt in count(1):
            target = folder / numbered(name, attempt)
            with contextlib.suppress(FileExistsError):
                if claim.link(part, target):
                    return target
                if claim.rename(part, target):
                    return target
                return _copied_into_place(part, target)
        raise AssertionError("count has no end")
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()


def _copied_into_place(part: Path, target: Path) -> Path:
    """On a file system without links or exclusive renaming: take the name with an empty file, then replace that."""
    claim.placeholder(target)
    os.replace(part, target)  # noqa: PTH105  (what it replaces is ours, made a moment ago)
    return target
