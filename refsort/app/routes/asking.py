"""The Ask tab: which phrase fits a picture, and a table of many pictures and some phrases."""

import base64
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from refsort.app.desk import Room
from refsort.app.jobs import Job
from refsort.app.routes.common import API, id_of, path_of, picture, room_of
from refsort.app.words_room import Held, Warm, folders_of, phrases_of, words_of
from refsort.decide.base import Floats
from refsort.errors import ConfigError, DatasetError, RefsortError, UnsafeName
from refsort.explore.phrases import Table, compare, label_vectors
from refsort.explore.similarity import table_of
from refsort.explore.source import pictures
from refsort.names import fold, show
from refsort.report.explore_similarity import Grid, write_csv
from refsort.sorting.class_words import name_as_phrase, read_phrases

router = APIRouter(prefix=f"{API}/asking")
PHRASES, COLUMNS = 1000, 100
"""Phrases that one picture is asked at most, and columns of the table."""
BARS = 60
"""Phrases that are told of one picture, the likeliest ones."""
ROWS = 200
OFFERED = 12
"""Pictures of the dataset that are offered."""
DIGITS = 6


class Question(BaseModel):
    """One picture, of the dataset (`id`) or dropped on the page (`token`), and phrases, one a line."""

    id: str | None = None
    token: str | None = None
    phrases: str


class Many(BaseModel):
    """So many pictures of a folder and phrases, one a line."""

    folder: str
    count: int = Field(12, ge=1, le=ROWS)
    phrases: str


@router.get("/state")
def state(request: Request, name: str) -> dict[str, Any]:
    """What there is to ask about: folders, and the classes' names and phrases."""
    room = room_of(request, name)
    try:
        classes = room.dataset.classes()
    except RefsortError:  # the page shows the folders all the same
        classes = []
    own = [phrase for class_name in classes for phrase in _phrases(room, class_name)]
    return {
        "folders": [{"id": id_of(folder), "name": show(folder)} for folder in folders_of(room)],
        "names": [show(name_as_phrase(class_name)) for class_name in classes],
        "phrases": list(dict.fromkeys(own)),
    }


@router.get("/offered")
def offered(request: Request, name: str, find: str = "") -> list[dict[str, Any]]:
    """Some pictures of the dataset, drawn by chance among those whose path holds `find`."""
    room = room_of(request, name)
    wanted = fold(find.strip())
    found = [path for path in pictures(room.dataset, _parts(room)) if wanted in fold(path)]
    return [picture(path, where=show(path)) for path in random.sample(found, min(len(found), OFFERED))]


@router.post("/picture")
def ask(request: Request, name: str, question: Question) -> dict[str, Any]:
    """Shares and cosines of the phrases, the likeliest first."""
    room = room_of(request, name)
    words = words_of(room)
    notes: list[str] = []
    labels = phrases_of(question.phrases, PHRASES, notes.append)
    if not question.id and not question.token:
        raise ConfigError("there is no picture to ask: drop one here, or take one of the dataset")
    with words.warm(room) as warm:
        encoder = warm.with_words().encoder
        if question.token:
            vector = words.held(question.token, encoder).vector
        else:
            vector = _vector(room, warm, path_of(question.id or ""))
        texts = label_vectors(encoder, labels, notes.append)
        table = compare(encoder, [""], vector[None], labels, texts)
        told = table.as_dict(BARS)["pictures"][0]["labels"]
        return warm.about() | {"labels": told, "all": len(labels), "notes": notes}


@router.post("/table")
def begin_table(request: Request, name: str, many: Many) -> dict[str, Any]:
    """Begin to compare; GET gives the outcome."""
    room = room_of(request, name)
    folder = path_of(many.folder)
    if folder not in folders_of(room):
        raise UnsafeName(f"there is no folder {show(folder)} to compare")
    notes: list[str] = []
    labels = phrases_of(many.phrases, COLUMNS, notes.append)
    chosen = _spread(list(pictures(room.dataset, [folder])), many.count)
    if not chosen:
        raise DatasetError(f"{show(folder)} holds no pictures")

    def work(job: Job) -> tuple[Table, list[str], dict[str, object]]:
        for note in notes:
            job.message(note)
        with words_of(room).warm(room) as warm:
            return _table(warm, chosen, labels, job), list(job.messages), warm.about()

    return room.jobs.start("table", work).as_dict()


@router.get("/table")
def table(request: Request, name: str, job: int) -> dict[str, Any]:
    """Rows of pictures, columns of phrases, as shares of each row and as cosines."""
    found, notes, about = _made(room_of(request, name), job)
    return about | {
        "labels": found.labels,
        "pictures": [picture(path, where=show(path)) for path in found.paths],
        "shares": np.round(found.shares, DIGITS).tolist(),
        "cosines": np.round(found.cosines.astype(float), DIGITS).tolist(),
        "notes": notes,
    }


@router.get("/csv")
def csv(request: Request, name: str, job: int, cosines: bool = False) -> Response:
    """The same table for other programs."""
    room = room_of(request, name)
    found, _, _ = _made(room, job)
    values = found.cosines if cosines else found.shares
    grid = Grid(room.dataset.root, found.paths, found.labels, values, shares=not cosines, encoder=found.encoder)
    with tempfile.TemporaryDirectory(prefix="refsort-table-") as folder:
        write_csv(grid, Path(folder) / "table.csv")
        data = (Path(folder) / "table.csv").read_bytes()
    headers = {"content-disposition": 'attachment; filename="refsort-table.csv"'}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


def shown(held: Held) -> dict[str, Any]:
    """A picture that was dropped on the page, for the page."""
    address = f"data:image/jpeg;base64,{base64.b64encode(held.jpeg).decode()}"
    return {"token": held.token, "name": held.name, "picture": address}


def _table(warm: Warm, paths: list[str], labels: list[str], job: Job) -> Table:
    """Pictures that can't be read are told and left out. Raises DatasetError if none can be."""
    return table_of(warm.with_words(), paths, labels, job)


def _vector(room: Room, warm: Warm, path: str) -> Floats:
    """float32[d] of a picture of the dataset. Raises UnsafeName, DatasetError if it can't be read."""
    room.path(path)
    found = next(warm.source.embedder.stream([path]))
    if found.vector is None:
        raise DatasetError(f"{show(path)} can't be asked: {found.reason}")
    return found.vector


def _made(room: Room, job: int) -> tuple[Table, list[str], dict[str, object]]:
    made = room.jobs.done("table", job)
    if made is None:
        raise DatasetError("this table is no longer the last one; compare again")
    found: tuple[Table, list[str], dict[str, object]] = made.result
    return found


def _parts(room: Room) -> list[str]:
    names = room.dataset.names
    return [names.arrivals, names.unsure, names.unknown, names.sorted, names.references]


def _spread(paths: list[str], count: int) -> list[str]:
    """So many of them, evenly drawn, so that all sub-folders are seen."""
    return [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int))]


def _phrases(room: Room, class_name: str) -> list[str]:
    try:
        return [show(phrase) for phrase in read_phrases(room.dataset, class_name)]
    except OSError:
        return []
