"""The References tab: classes with their pictures, new ones, what `refsort check` finds, what can be done."""

import hashlib
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from pydantic import BaseModel

from refsort.app.desk import Room
from refsort.app.jobs import Job
from refsort.app.routes.common import API, asked, id_of, path_of, picture, room_of
from refsort.decide.check import check
from refsort.decide.check.findings import Finding, Findings
from refsort.errors import BadPicture, DatasetError, RefsortError
from refsort.files.adding import Adding, Leaving, move_references, put_back, to_class
from refsort.files.dataset import PHRASES_FILE
from refsort.images import read_picture
from refsort.images.isolated import IsolatedReader
from refsort.names import show, to_bytes
from refsort.sorting.embedding import Reader
from refsort.sorting.references import References
from refsort.sorting.sorter import journal_to_share

router = APIRouter(prefix=f"{API}/references")
KIND = "references.check"
SIDE = 224
"""A picture that can be read at this size, as encoders read it, is readable."""
MOST_FINDINGS = 200
MOST_PICTURES = 60
"""Of one finding, that the page is told of."""
_one_at_a_time = threading.Lock()
"""Two browsers together could else take the last two pictures of a class; and decoding takes memory."""


class Going(BaseModel):
    """References that are to leave their class."""

    ids: list[str]
    seen: list[str] | None = None
    """SHA-256 of each in hexadecimal, as it was shown."""
    to: str
    """`class`, `duplicates` or `unsure`."""
    target: str = ""
    """Id of the class, if that is meant."""


class Back(BaseModel):
    """What is to be taken back."""

    run: int


@router.get("")
def listing(request: Request, name: str) -> dict[str, Any]:
    """Every class with its reference files and its phrases, if it has any."""
    room = room_of(request, name)
    classes = []
    for class_name in room.dataset.classes():
        files = [picture(path) for path in room.dataset.reference_files(class_name)]
        classes.append({**_named(class_name), "pictures": files, "phrases": _phrases(room, class_name)})
    return {"classes": classes, "stamp": _stamp(room), "folder": room.dataset.names.references}


@router.post("/add")
def add(request: Request, name: str, files: Annotated[list[UploadFile], File()], new: bool = False) -> dict[str, Any]:
    """Take files in as references of the class whose id the query names; those that can't be are named with a reason.

    The bytes are kept as they come. With `new` the class is made if need be.
    """
    room = room_of(request, name)
    added, refused, notes = [], [], []
    with _one_at_a_time, _reading(room) as read:
        adding = Adding(room.dataset, asked(request, "class"), new=new)
        for file in files:
            given = file.filename or ""
            try:
                done = adding.add(given, _readable(room, file, read))
            except BadPicture as error:
                refused.append({"name": show(given), "reason": show(str(error))})
                continue
            if done.path is None:
                refused.append({"name": show(given), "reason": show(done.reason)})
                continue
            added.append(picture(done.path))
            if done.also:
                notes.append({"name": show(given), "also": [show(other) for other in done.also]})
    return {"added": added, "refused": refused, "notes": notes}


@router.post("/move")
def move(request: Request, name: str, going: Going) -> dict[str, Any]:
    """Move references out of their classes, beside a daemon too; `run` takes it back."""
    room = room_of(request, name)
    names = room.dataset.names
    match going.to:
        case "class":
            folder = to_class(room.dataset, path_of(going.target))
        case "duplicates":
            folder = names.duplicates
        case "unsure":
            folder = names.unsure
        case _:
            raise DatasetError(f"references don't go to {show(going.to)}")
    seen = [_digest(text) for text in going.seen] if going.seen is not None else [None] * len(going.ids)
    if len(seen) != len(going.ids):
        raise DatasetError("a hash for each picture is needed, or none")
    leaving = [Leaving(path_of(text), sha256) for text, sha256 in zip(going.ids, seen, strict=True)]
    with _one_at_a_time, journal_to_share(room.dataset, Job(0, "move")) as journal:
        found = move_references(room.dataset, journal, leaving, folder)
    return {
        "run": found.run if found.moved else None,
        "moved": [
            {**picture(target), "from": id_of(source), "folder": show(target.rpartition("/")[0])}
            for source, target in found.moved
        ],
        "stayed": [picture(path, reason=show(reason)) for path, reason in found.stayed],
    }


@router.post("/back")
def back(request: Request, name: str, what: Back) -> dict[str, Any]:
    """Take back what `move` did in a run. Raises JournalError for other runs."""
    room = room_of(request, name)
    with _one_at_a_time, journal_to_share(room.dataset, Job(0, "undo")) as journal:
        done = put_back(room.dataset, journal, what.run)
    left = [picture(path, reason=show(reason)) for path, reason in done.left]
    return {"restored": done.restored, "left": left}


@router.post("/check")
def begin_check(request: Request, name: str) -> dict[str, Any]:
    """Begin to look at the references; GET gives the outcome."""
    room = room_of(request, name)

    def work(job: Job) -> dict[str, Any]:
        job.stage("references", 0)
        stamp = _stamp(room)
        with room.prepared() as prepared:
            references, encoder = prepared.references.pictured(), prepared.encoder.name
        if not references.classes:
            raise DatasetError("there is no reference picture to look at: all classes are known by words only")
        findings = check(references.vectors, references.labels, len(references.classes), references.hashes)
        return {"stamp": stamp, "encoder": show(encoder), **_told(room, findings, references)}

    return room.jobs.start(KIND, work).as_dict()


@router.get("/check")
def checked(request: Request, name: str) -> dict[str, Any]:
    """The last look, if there was one and it ended well; `stamp` is that of the references then."""
    job = room_of(request, name).jobs.kept.get(KIND)
    if job is None or job.state != "done":
        return {"job": None, "error": "" if job is None else job.error}
    return {"job": job.id, **job.result}


def _named(class_name: str) -> dict[str, str]:
    return {"id": id_of(class_name), "name": show(class_name)}


def _phrases(room: Room, class_name: str) -> list[str] | None:
    """Lines of the class's phrases.txt; None if there is none that can be read."""
    path = room.dataset.path(f"{room.dataset.names.references}/{class_name}/{PHRASES_FILE}")
    try:
        if path.is_symlink() or not path.is_file():
            return None
        lines = path.read_bytes()[:20_000].decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return None
    return [show(line.strip()) for line in lines if line.strip()]


def _stamp(room: Room) -> str:
    """Changes with the files in the classes."""
    digest = hashlib.sha256()
    for class_name in room.dataset.classes():
        for path in [class_name, *room.dataset.reference_files(class_name)]:
            digest.update(to_bytes(path) + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def _reading(room: Room) -> Iterator[Reader]:
    """What decodes: a process of its own where the settings want that."""
    if not room.config.isolate:
        yield read_picture
        return
    with IsolatedReader(1) as reader:
        yield reader.read


def _readable(room: Room, file: UploadFile, read: Reader) -> bytes:
    """A file's bytes, if they are a picture for our own reader. Raises BadPicture."""
    if (file.size or 0) > room.config.max_bytes:
        raise BadPicture("larger than max_bytes")
    data = file.file.read()
    if not data:
        raise BadPicture("the file is empty")
    read(data, side=SIDE, max_pixels=room.config.max_pixels)
    return data


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise RefsortError(f"{show(text)} is no hash") from None


def _told(room: Room, findings: Findings, references: References) -> dict[str, Any]:
    """The findings as the page needs them."""
    expected = findings.expected
    rates = expected.recall if expected else (None,) * len(references.classes)
    return {
        "accuracy": expected and {key: round(getattr(expected, key), 4) for key in ("accuracy", "low", "high")},
        "one_more": findings.curve.one_more,
        "recall": {id_of(name): rate for name, rate in zip(references.classes, rates, strict=True)},
        "all": len(findings.findings),
        "findings": [_finding(room, one, references) for one in findings.findings[:MOST_FINDINGS]],
    }


def _finding(room: Room, finding: Finding, references: References) -> dict[str, Any]:
    folder = f"{room.dataset.names.references}/"

    def shown(row: int) -> dict[str, Any]:
        path = references.paths[row]
        own = references.classes[references.labels[row]]
        return picture(path, own=_named(own), sha256=references.hashes[row].hex(), reference=path.startswith(folder))

    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "classes": [_named(references.classes[label]) for label in finding.classes],
        "pictures": [shown(row) for row in finding.references[:MOST_PICTURES]],
        "more": max(0, len(finding.references) - MOST_PICTURES),
        "numbers": {key: round(value, 4) for key, value in finding.numbers.items() if math.isfinite(value)},
    }
