"""The Map tab: a map is drawn, and what a person rings on it becomes a class or goes into one."""

from importlib.util import find_spec
from typing import Annotated, Any, Literal, get_args

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from refsort.app.desk import Room
from refsort.app.drawn import Drawn, Places, coloured, draw, most_typical, places
from refsort.app.jobs import Job
from refsort.app.routes.common import API, id_of, path_of, room_of
from refsort.errors import DatasetError, JournalError, UnsafeName
from refsort.explore.map import Colouring, Phrase, Wish
from refsort.explore.projection import Method, require
from refsort.files.by_hand import Wish as Word
from refsort.files.by_hand import file_by_hand
from refsort.files.dataset import Dataset
from refsort.files.journal import HAND, Journal, Move
from refsort.files.undo import undo as take_back
from refsort.learn.new_class import REFERENCES, Made, make_references
from refsort.learn.proposing import Group
from refsort.names import check_distinct, check_new_class, show
from refsort.sorting.class_words import name_as_phrase, read_phrases, tidy

router = APIRouter(prefix=f"{API}/mapping")
Part = Literal["references", "arrivals", "sorted", "unsure", "unknown"]
MOST = 20_000
"""Pictures on a map: so many are still moved about fluidly."""
BATCH = 64
"""Pictures filed between two looks whether the person has stopped it."""
TOLD = 20
"""Pictures that stayed and are named with their reason."""


class Asked(BaseModel):
    """What is to be on the map."""

    parts: list[Part] = Field(min_length=1)
    method: Method = "pca"
    limit: int = Field(2000, ge=1, le=MOST)
    phrases: list[Annotated[str, Field(max_length=300)]] = Field([], max_length=300)
    class_phrases: bool = False
    """Also what describes the classes."""


class Chosen(BaseModel):
    """Pictures of the map and the class that they are to be in: one there is by its id, or a new one by its name."""

    job: int
    """The map that the person looked at."""
    points: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=MOST)
    class_id: str | None = None
    new: str | None = None


class Back(BaseModel):
    """Moves that are to be taken back, by their numbers in the journal."""

    moves: list[int] = Field(min_length=1, max_length=MOST)


@router.get("/options")
def options(request: Request, name: str) -> dict[str, Any]:
    """What can be chosen here."""
    dataset = room_of(request, name).dataset
    folders = {part: getattr(dataset.names, part) for part in get_args(Part)}
    needs: dict[str, str | None] = {"pca": None, "tsne": "sklearn", "umap": "umap"}
    return {
        "parts": {part: {"id": id_of(folder), "name": show(folder)} for part, folder in folders.items()},
        "methods": [method for method, module in needs.items() if module is None or find_spec(module)],
        "classes": [{"id": id_of(found), "name": show(found)} for found in dataset.classes()],
    }


@router.get("/map.js")
def script(request: Request, name: str) -> Response:
    """The drawing of `refsort map`: the same script, here as a file of its own."""
    from importlib.resources import files

    room_of(request, name)
    text = files("refsort.report").joinpath("templates/map.js").read_text(encoding="utf-8")
    return Response(text, media_type="text/javascript", headers={"cache-control": "private, no-cache"})


@router.post("/draw")
def begin(request: Request, name: str, asked: Asked) -> dict[str, Any]:
    """Begin to draw a map; GET map gives it. The one before stays until it is finished."""
    room = room_of(request, name)
    require(asked.method)
    before = room.jobs.kept.get("map")
    parts = [getattr(room.dataset.names, part) for part in dict.fromkeys(asked.parts)]

    def work(job: Job) -> Drawn:
        try:
            wish = Wish(parts, asked.method, limit=asked.limit)
            return draw(room, wish, _phrases(room.dataset, asked), job)
        except BaseException:
            if before is not None and before.state == "done":
                room.jobs.kept["map"] = before
            raise

    return room.jobs.start("map", work).as_dict()


def _phrases(dataset: Dataset, asked: Asked) -> list[Phrase]:
    own = [Phrase(text) for text in tidy(asked.phrases)[0]]
    if not asked.class_phrases:
        return own
    return own + [
        Phrase(text, found)
        for found in dataset.classes()
        for text in read_phrases(dataset, found) or [name_as_phrase(found)]
    ]


@router.get("/map")
def drawn_map(request: Request, name: str, colour: Colouring = "class") -> dict[str, Any]:
    """The last map as its script reads it, every picture where it lies now."""
    from refsort.report.explore_map import METHODS, page_data

    room = room_of(request, name)
    job = room.jobs.done("map")
    if job is None:
        return {"job": None}
    drawn: Drawn = job.result
    found = _places(room, drawn)
    shown = coloured(drawn, room.dataset, found.paths, colour)
    return {
        "job": job.id,
        "stamp": found.stamp,
        "method": METHODS[shown.method],
        "asked": METHODS[shown.asked],
        "explained": shown.explained,
        "encoder": show(shown.encoder),
        "total": shown.total,
        "left_out": len(shown.left_out),
        # Seen from the dataset itself a folder's link is its id.
        "data": page_data(shown, room.dataset, room.dataset.root, None, shown="dots", labels=False),
    }


@router.get("/stamp")
def stamp(request: Request, name: str) -> dict[str, Any]:
    """Changes when a picture of the map was moved; cheap."""
    room = room_of(request, name)
    job = room.jobs.done("map")
    if job is None:
        return {"job": None, "stamp": 0}
    return {"job": job.id, "stamp": _places(room, job.result).stamp}


def _places(room: Room, drawn: Drawn) -> Places:
    with room.looking() as journal:
        return places(drawn, journal)


@router.post("/file")
def file(request: Request, name: str, chosen: Chosen) -> dict[str, Any]:
    """Begin to file what was ringed: into a class there is, or into a new one that gets references of its own."""
    room = room_of(request, name)
    job = room.jobs.done("map", chosen.job)
    if job is None:
        raise DatasetError("this map is no longer the last one; draw it again before you file")
    drawn: Drawn = job.result
    if max(chosen.points) >= len(drawn.digests):
        raise DatasetError("there is no such picture on the map; draw it again")
    class_name = _class_of(room.dataset, chosen)
    points = list(dict.fromkeys(chosen.points))

    def work(job: Job) -> dict[str, Any]:
        return _file(room, drawn, points, class_name, chosen.new is not None, job)

    return room.jobs.start("move", work).as_dict()


def _class_of(dataset: Dataset, chosen: Chosen) -> str:
    """Raises UnsafeName, DatasetError."""
    classes = dataset.classes()
    if (chosen.class_id is None) == (chosen.new is None):
        raise DatasetError("name one class: one there is, or a new one")
    if chosen.new is None:
        class_name = path_of(chosen.class_id or "")
        if class_name not in classes:
            raise UnsafeName(f"there is no class {show(class_name)}")
        return class_name
    class_name = chosen.new.strip()
    check_new_class(class_name)
    if class_name in classes:
        raise DatasetError(f"there is a class {show(class_name)} already; file them into it, or take another name")
    check_distinct(sorted([*classes, class_name]))
    return class_name


def _file(room: Room, drawn: Drawn, points: list[int], class_name: str, new: bool, job: Job) -> dict[str, Any]:
    """Raises DatasetError if there is nothing to file."""
    paths = _places(room, drawn).paths
    movable = [at for at in points if not paths[at].startswith(f"{room.dataset.names.references}/")]
    if not movable:
        raise DatasetError("these are all references, and references stay where they are")
    made = _made(room.dataset, drawn, movable, paths, class_name) if new else Made(class_name)
    job.stage("move", len(movable))
    left, moves, confirmed, stopped = list(made.left), [], 0, 0
    with room.filing() as (journal, run):
        for begun in range(0, len(movable), BATCH):
            if job.stopping:  # what was filed so far must be told, so that it can be taken back
                stopped = len(movable) - begun
                break
            words = [Word(paths[at], class_name, drawn.digests[at]) for at in movable[begun : begun + BATCH]]
            for filed in file_by_hand(room.dataset, journal, run, words):
                job.done += 1
                if filed.move is not None:
                    moves.append(filed.move)
                elif filed.target is not None:
                    confirmed += 1
                else:
                    left.append((filed.wish.path, filed.reason))
    reasons = dict(left)
    return {
        "class": show(class_name),
        "moves": moves,
        "confirmed": confirmed,
        "references": len(points) - len(movable),
        "made": [show(path) for path in made.references],
        "stopped": stopped,
        "left": len(reasons),
        "reasons": [{"name": show(path), "reason": reason} for path, reason in list(reasons.items())[:TOLD]],
    }


def _made(dataset: Dataset, drawn: Drawn, movable: list[int], paths: list[str], class_name: str) -> Made:
    """The new class with copies of the most typical of its pictures. Raises DatasetError, OSError."""
    order = [movable[row] for row in most_typical(drawn.vectors[movable].astype(np.float32))]
    pictures = tuple((paths[at], drawn.digests[at].hex()) for at in order)
    try:
        return make_references(dataset, Group(0, pictures, "", 0.0), class_name, REFERENCES)
    except DatasetError:
        raise DatasetError("none of these pictures is still there as it was shown; draw the map again") from None


@router.post("/undo")
def undo(request: Request, name: str, back: Back) -> dict[str, Any]:
    """Begin to take back these very moves of a person's; also beside a daemon."""
    room = room_of(request, name)

    def work(job: Job) -> dict[str, Any]:
        with room.filing() as (journal, _):
            moves = _standing(journal, set(back.moves))
            job.stage("undo", len({move.main for move in moves}))

            def step() -> None:  # never stopped in between: what is left over would have no button any more
                job.done += 1

            done = take_back(room.dataset, journal, moves, f"{len(moves)} files of the map", progress=step)
        left = [{"name": show(path), "reason": reason} for path, reason in done.left]
        return {"restored": done.restored, "left": len(left), "reasons": left[:TOLD]}

    return room.jobs.start("undo", work).as_dict()


def _standing(journal: Journal, wanted: set[int]) -> list[Move]:
    """What still stands of these moves and of what went with them, newest first. Raises JournalError."""
    runs = [int(row["id"]) for row in journal.rows("SELECT id FROM runs WHERE kind=? ORDER BY id DESC", (HAND,))]
    found = [move for run in runs for move in journal.standing(run) if move.main in wanted]
    if not found:
        raise JournalError("these moves were taken back already")
    return sorted(found, key=lambda move: -move.id)
