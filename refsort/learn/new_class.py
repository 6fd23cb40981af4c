"""A class made of a group: copies of its most typical pictures as references, and the group itself if that is wanted.

The references' folder is only ever added to: a file appears there whole, under a name that was free.
"""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from refsort.errors import DatasetError
from refsort.files.companions import companions
from refsort.files.copying import copy_to_part, part_path
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Request, member, words
from refsort.files.survey import Placed
from refsort.files.taking import publish
from refsort.learn.proposing import Group, aside
from refsort.names import check_distinct, check_new_class, numbered

REFERENCES = 10
"""Copied into the new class: so many the promise of `max_wrong` wants, and more of one group tell little more."""


@dataclass(slots=True)
class Made:
    """What became of a group. Paths relative to the dataset."""

    class_name: str
    references: list[str] = field(default_factory=list)
    """New files in the class's folder."""
    moved: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    """(path, why it was not copied or moved)."""
    run: int | None = None
    """The run that moved the group."""


def make_references(dataset: Dataset, group: Group, class_name: str, count: int) -> Made:
    """Copy the group's `count` most typical pictures into the class's folder of references.

    Raises UnsafeName, DatasetError before anything is written, OSError if the folder can't be made.
    """
    check_new_class(class_name)
    check_distinct(sorted({*dataset.classes(), class_name}))
    relative = f"{dataset.names.references}/{class_name}"
    dataset.check_target(relative)
    folder = dataset.path(relative)
    folder.mkdir(exist_ok=True)
    made = Made(class_name)
    present = {hash_file(path) for path in folder.iterdir() if look(path) is not None}
    for path, digest in group.pictures:
        if len(made.references) == count:
            break
        sha256 = bytes.fromhex(digest)
        if sha256 in present:
            continue
        try:
            made.references.append(dataset.relative(_copy(dataset.path(path), sha256, folder)))
        except OSError as error:
            made.left.append((path, words(error)))
    if not made.references and not present:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise DatasetError(
            f"none of the pictures of {group.name} is still there as it was shown; run 'refsort propose' again"
        )
    return made


def _copy(source: Path, sha256: bytes, folder: Path) -> Path:
    """A proven copy under a name that nobody has. Raises OSError if the picture is not what was shown."""
    stat = look(source)
    if stat is None:
        raise FileNotFoundError(f"{source.name} is gone")
    part = part_path(folder / source.name, source.name, os.getpid())
    copy_to_part(source, stat, sha256, part)
    number = 1
    try:
        while True:
            target = folder / numbered(source.name, number)
            try:
                publish(part, target)
            except FileExistsError:
                number += 1
            else:
                return target
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def move_group(dataset: Dataset, journal: Journal, group: Group, made: Made) -> None:
    """File the group under its new class, journaled as a run of its own. Call it under the dataset's lock."""
    shown = {path: bytes.fromhex(digest) for path, digest in group.pictures}
    requests = []
    for placed in aside(dataset, journal, unsure=True):
        if placed.path not in shown:
            continue
        try:
            request = _request(dataset, journal, placed, group, made.class_name)
        except OSError as error:
            made.left.append((placed.path, words(error)))
            continue
        if request.members[0].sha256 == shown[placed.path]:
            requests.append(request)
        else:
            made.left.append((placed.path, "it is not the picture that was shown"))
    if not requests:
        return
    made.run = journal.begin_run("propose", "move", {"class": made.class_name, "group": group.number})
    for outcome in Mover(dataset, journal).file(made.run, requests):
        if outcome.status == "done":
            made.moved.append(outcome.targets[0])
        else:
            made.left.append((outcome.request.members[0].source, outcome.reason))
    journal.end_run(made.run, {"sorted": len(made.moved), "failed": len(requests) - len(made.moved)})


def _request(dataset: Dataset, journal: Journal, placed: Placed, group: Group, class_name: str) -> Request:
    folder = f"{dataset.names.sorted}/{class_name}"
    moved_by = placed.filed.id if placed.filed else None
    paths = [placed.path, *companions(dataset, journal, placed.group, moved_by)]
    members = tuple(member(dataset, path, f"{folder}/{path.rpartition('/')[2]}") for path in paths)
    decision = {"class": class_name, "verdict": "named", "reason": f"{group.name} was named {class_name} by a person"}
    return Request(members, "move", decision, stem=placed.group.stem)
