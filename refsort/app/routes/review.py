"""The Review tab: a queue, one picture of it with its rivals, what a person says of it, and taking that back."""

import threading
import time
from pathlib import PurePosixPath
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from refsort.app.desk import Room
from refsort.app.routes.common import API, asked, id_of, path_of, picture, room_of
from refsort.errors import DatasetError
from refsort.files.by_hand import SOURCE, Filed, Wish, file_by_hand
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal
from refsort.learn.new_class import make_references
from refsort.learn.proposing import Group
from refsort.learn.reviewing import Which, counts, said_before, take_back, take_word_back, waiting, went
from refsort.learn.rivals import Bench, Looked, Rival, look_at
from refsort.names import show
from refsort.sorting.embedding import Embedded
from refsort.sorting.models import model_store

router = APIRouter(prefix=f"{API}/review")
BENCH_S = 600.0
"""Corrections become references of a bench no later than that. To make it anew for each would take the encoder."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_benches: "WeakKeyDictionary[Room, tuple[object, float, Bench]]" = WeakKeyDictionary()
_making = threading.Lock()


class Said(BaseModel):
    """A picture is of a class that there is."""

    id: str
    class_id: str
    sha256: Sha256
    """Of the picture that the person was shown."""


class Founded(BaseModel):
    """A picture is the first of a new class."""

    id: str
    name: str
    sha256: Sha256


class Back(BaseModel):
    """What was said is taken back: a move, or a word about a picture that stayed where it was."""

    move: int | None = None
    sha256: Sha256
    before: str | None = None
    """The class that had been confirmed before that word, as its id."""


@router.get("/queue")
def queue(request: Request, name: str, which: Which = "unsure") -> dict[str, Any]:
    """The whole queue as columns of equal length, in the order in which it is best worked through."""
    room = room_of(request, name)
    with room.looking() as journal:
        found = waiting(room.dataset, journal, which)
        every = counts(room.dataset, journal)
    return {
        "which": which,
        "counts": every,
        "classes": [_class(class_name) for class_name in room.dataset.classes()],
        "ids": [id_of(one.path) for one in found],
        "names": [show(one.path.rpartition("/")[2]) for one in found],
        "best": [None if one.best is None else show(one.best) for one in found],
        "runners_up": [None if one.runner_up is None else show(one.runner_up) for one in found],
        "probabilities": [_rounded(one.probability) for one in found],
        "margins": [_rounded(one.margin) for one in found],
    }


@router.get("/look")
def look_closely(request: Request, name: str) -> dict[str, Any]:
    """One picture: its hash, what the program thinks, and the classes it may belong to with their references."""
    room = room_of(request, name)
    path = asked(request)
    room.path(path)
    bench = _bench(room)

    def embed(wanted: str) -> Embedded:
        with room.prepared() as prepared:
            return next(prepared.embedder.stream([wanted]))

    with room.looking() as journal:
        try:
            return _told(look_at(room.dataset, journal, bench, path, embed))
        except FileNotFoundError:
            return _gone(room.dataset, journal, path)


@router.post("/file")
def file(request: Request, name: str, said: Said) -> dict[str, Any]:
    """File a picture into a class; one that lies in it already is confirmed."""
    return _file(room_of(request, name), path_of(said.id), path_of(said.class_id), bytes.fromhex(said.sha256))


@router.post("/class")
def found_class(request: Request, name: str, founded: Founded) -> dict[str, Any]:
    """Make a class of one picture: a copy becomes its first reference, and the picture is filed there."""
    room = room_of(request, name)
    path, class_name = path_of(founded.id), founded.name.strip()
    if class_name in room.dataset.classes():
        raise DatasetError(f"there is a class {show(class_name)} already; take another name, or file it there")
    if look(room.path(path)) is None:
        with room.looking() as journal:
            return _gone(room.dataset, journal, path)
    if hash_file(room.path(path)) != bytes.fromhex(founded.sha256):
        raise DatasetError(f"{show(PurePosixPath(path).name)}: it is not the picture that was shown")
    made = make_references(room.dataset, Group(0, ((path, founded.sha256),), "", 0.0), class_name, 1)
    filed = _file(room, path, class_name, bytes.fromhex(founded.sha256))
    return filed | {"reference": picture(made.references[0])}


@router.post("/back")
def back(request: Request, name: str, wanted: Back) -> dict[str, Any]:
    """Take back what was said of one picture."""
    room = room_of(request, name)
    with room.filing() as (journal, _):
        if wanted.move is not None:
            take_back(room.dataset, journal, wanted.move)
        else:
            before = None if wanted.before is None else path_of(wanted.before)
            take_word_back(journal, bytes.fromhex(wanted.sha256), before, SOURCE)
    return {}


def _file(room: Room, path: str, class_name: str, sha256: bytes) -> dict[str, Any]:
    with room.filing() as (journal, run):
        before = said_before(journal, sha256)
        filed = file_by_hand(room.dataset, journal, run, [Wish(path, class_name, sha256)])[0]
        if filed.target is None:
            return _refused(room, journal, filed)
    return {
        "state": "done",
        "id": id_of(filed.target),
        "class": show(class_name),
        "move": filed.move,
        "before": None if before is None else id_of(before),
    }


def _refused(room: Room, journal: Journal, filed: Filed) -> dict[str, Any]:
    """That it is gone is no error: somebody else was faster. Anything else is: raises DatasetError."""
    path = filed.wish.path
    if look(room.path(path)) is None:
        return _gone(room.dataset, journal, path)
    raise DatasetError(f"{show(PurePosixPath(path).name)}: {filed.reason}")


def _gone(dataset: Dataset, journal: Journal | None, path: str) -> dict[str, Any]:
    where = went(dataset, journal, path)
    return {"state": "gone", "where": None if where is None else show(where)}


def _bench(room: Room) -> Bench:
    """References and judge, made anew when the references' files or the model change, but not for every correction."""
    stamp = _stamp(room.dataset)
    with _making:
        known = _benches.get(room)
        if known is None or known[0] != stamp or time.monotonic() - known[1] > BENCH_S:
            with room.prepared() as prepared:
                known = stamp, time.monotonic(), Bench.of(prepared)
            _benches[room] = known
        return known[2]


def _stamp(dataset: Dataset) -> object:
    folders = [dataset.path(f"{dataset.names.references}/{name}") for name in dataset.classes()]
    return model_store(dataset).stamp(), [(str(folder), folder.stat().st_mtime_ns) for folder in folders]


def _told(found: Looked) -> dict[str, Any]:
    said = found.decision or {}
    return {
        "state": "here",
        "sha256": found.sha256.hex(),
        "run": found.run,
        "verdict": said.get("verdict"),
        "best": None if found.decision is None else show(said["class"]),
        "runner_up": show(said["runner_up"]) if said.get("runner_up") else None,
        "probability": _rounded(said.get("probability")),
        "lies_in": None if found.lies_in is None else _class(found.lies_in),
        "rivals": [_rival(rival) for rival in found.rivals],
    }


def _rival(rival: Rival) -> dict[str, Any]:
    near = [picture(one.path, cosine=round(one.cosine, 3)) for one in rival.near]
    return _class(rival.class_name) | {"score": _rounded(rival.score), "near": near}


def _class(class_name: str) -> dict[str, str]:
    """A class as it travels: like a picture, `id` for the server and `name` for people."""
    return {"id": id_of(class_name), "name": show(class_name)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
