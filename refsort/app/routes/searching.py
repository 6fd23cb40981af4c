"""The Search tab: pictures by words, by a picture, or both; and copies of what was found."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, UploadFile
from pydantic import BaseModel, Field

from refsort.app.desk import Room
from refsort.app.jobs import Job
from refsort.app.routes.asking import shown
from refsort.app.routes.common import API, id_of, path_of, picture, room_of
from refsort.app.words_room import Warm, WordsRoom, folders_of, plain, words_of
from refsort.errors import ConfigError, DatasetError, RefsortError, UnsafeName
from refsort.explore.copying import copy_one
from refsort.explore.hits import Filters, Found, Hit, Match
from refsort.explore.index import bring_up_to_date
from refsort.explore.query import Part
from refsort.explore.search import Search, store_of
from refsort.names import is_litter, show, unsafe_reason

router = APIRouter(prefix=f"{API}/searching")
FOUND = "Found"
"""The folder of the dataset below which copies go. Nothing is sorted from there."""
AVOIDED = -0.5
"""Weight of what a picture should not show, as on the command line."""
MOST = 200
"""Hits that are shown at most, and copied at once."""
FOLDED = 40
"""Duplicates of a hit that can be looked at."""


class Query(BaseModel):
    """What is looked for. At least one of `words`, `token` (a picture dropped on the page) and `like` (an id)."""

    words: str = ""
    avoid: str = ""
    token: str | None = None
    like: str | None = None
    classes: list[str] = []
    since: str | None = None
    until: str | None = None
    """Days, 2026-11-21, both included."""
    folder: str | None = None
    top: int = Field(24, ge=1, le=MOST)
    match: Match = "pictures"
    as_is: bool = False
    """Search what is indexed, without looking for new pictures."""


class Copies(BaseModel):
    """Which pictures are copied into Found/`name`."""

    name: str
    ids: list[str] = Field(max_length=MOST, min_length=1)


@router.get("/state")
def state(request: Request, name: str) -> dict[str, Any]:
    """What can be chosen. Loads nothing."""
    room = room_of(request, name)
    try:
        classes = room.dataset.classes()
    except RefsortError:  # one may search all the same
        classes = []
    folders = [{"id": id_of(folder), "name": show(folder)} for folder in folders_of(room)]
    return {"classes": [{"id": id_of(one), "name": show(one)} for one in classes], "folders": folders}


@router.post("/picture")
def take(request: Request, name: str, file: UploadFile) -> dict[str, Any]:
    """A picture to search with or to ask, kept in memory; nothing of it stays on the disk."""
    room = room_of(request, name)
    data = file.file.read(room.config.max_bytes + 1)
    return shown(words_of(room).hold(room, (file.filename or "").rpartition("/")[2] or "picture", data))


@router.post("/find")
def find(request: Request, name: str, query: Query) -> dict[str, Any]:
    """The hits, best first; or `behind`: so many pictures are new that they should be read first, by POST update."""
    room = room_of(request, name)
    words = words_of(room)
    wanted, avoided = plain(query.words), plain(query.avoid)
    if not (wanted or query.token or query.like):
        raise ConfigError("say what to look for: words such as 'a dog in the snow', or drop a picture")
    filters = _filters(room, query)
    with words.warm(room) as warm, warm.searching, _index(words):
        behind = 0 if query.as_is or _updating(room) else warm.catch_up(_moved(room))
        if behind:
            return {"behind": behind}
        search = warm.search()
        parts = [search.phrase(text, weight) for text, weight in _said(warm, wanted, avoided)]
        if query.token:
            held = words.held(query.token, warm.encoder)
            parts.append(Part(held.vector, 1.0, held.name, "picture"))
        if query.like:
            parts.append(search.picture(room.path(path_of(query.like)), itself=False))
        found = search.find(parts, top=query.top, match=query.match, filters=filters)
        return warm.about() | _answer(room, search, found, parts)


@router.post("/update")
def update(request: Request, name: str) -> dict[str, Any]:
    """Begin to bring the index up to date. Searches go on meanwhile, over what is indexed."""
    room = room_of(request, name)

    def work(job: Job) -> dict[str, Any]:
        with words_of(room).warm(room) as warm, store_of(warm.source) as store:
            return bring_up_to_date(warm.source, store, job, graph_from=None).as_dict()

    return room.jobs.start("index", work).as_dict()


@router.post("/copy")
def copy(request: Request, name: str, copies: Copies) -> dict[str, Any]:
    """Begin to copy pictures into a new folder below Found/ of the dataset; nothing is ever replaced."""
    room = room_of(request, name)
    paths = [path_of(text) for text in dict.fromkeys(copies.ids)]
    sources = [(path, room.path(path)) for path in paths]
    folder_name = _checked(copies.name.strip())

    def work(job: Job) -> dict[str, Any]:
        folder, failed = _new_folder(room, folder_name), []
        job.stage("copies", len(sources))
        for number, (path, source) in enumerate(sources):
            try:
                copy_one(source, folder, number)
            except OSError as error:
                failed.append({"name": show(path), "reason": (error.strerror or str(error)).lower()})
            job.step()
        return {"copied": len(sources) - len(failed), "failed": failed, "folder": show(str(folder))}

    return room.jobs.start("copy", work).as_dict()


# -- the query


@contextmanager
def _index(words: WordsRoom) -> Iterator[None]:
    """A damaged index is opened anew the next time, and made anew then. Raises DatasetError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        words.cool()
        raise DatasetError(f"the index of the search can't be used just now ({error}); search once more") from None


def _said(warm: Warm, wanted: str, avoided: str) -> list[tuple[str, float]]:
    said = [(text, weight) for text, weight in ((wanted, 1.0), (avoided, AVOIDED)) if text]
    if said:
        warm.with_words()
    return said


def _filters(room: Room, query: Query) -> Filters:
    """Raises ConfigError for a day that is none, UnsafeName for a folder that is not offered."""
    since, until = _day(query.since), _day(query.until)
    folder = path_of(query.folder) if query.folder else None
    if folder is not None and folder not in folders_of(room):
        raise UnsafeName(f"there is no folder {show(folder)} to search in")
    classes = tuple(path_of(one) for one in query.classes)
    return Filters(classes, since, None if until is None else until + timedelta(days=1).total_seconds(), folder)


def _day(text: str | None) -> float | None:
    """Seconds since 1970 of its beginning, UTC as on the command line."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"'{show(text[:40])}' is no day; write 2026-11-21") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _updating(room: Room) -> bool:
    job = room.jobs.kept.get("index")
    return job is not None and job.state == "running"


def _moved(room: Room) -> object:
    """Changes when pictures are moved; a journal that can't be read is no reason not to search."""
    with suppress(RefsortError), room.looking() as journal:
        if journal is None:
            return None
        return tuple(journal.rows("SELECT max(id), sum(state='done'), count(undone_by) FROM moves")[0])
    return None


# -- the answer


def _answer(room: Room, search: Search, found: Found, parts: list[Part]) -> dict[str, Any]:
    return {
        "hits": [told for hit in found.hits if (told := _hit(room, hit)) is not None],
        "how": found.how,
        "recall": found.recall,
        "pictures": found.pictures,
        "seconds": round(found.seconds, 4),
        "captions": len(search.opened.rows["captions"]) > 0,
        "updating": _updating(room),
        "notes": [part.warning for part in parts if part.warning],
    }


def _hit(room: Room, hit: Hit) -> dict[str, Any] | None:
    """None: none of its files lies where the page may look, such as a copy that was made here."""
    files = [path for path in (hit.path, *hit.copies) if path.partition("/")[0] in room.tops]
    near = [path for path in hit.near if path.partition("/")[0] in room.tops]
    if not files:
        return None
    return picture(
        files[0],
        where=show(files[0]),
        similarity=round(float(hit.similarity), 4),
        caption=show(hit.caption),
        more=len(files) - 1 + len(near),
        others=[id_of(path) for path in (*files[1:], *near)[:FOLDED]],
        names=[show(path) for path in (*files[1:], *near)[:FOLDED]],
    )


# -- copies


def _checked(name: str) -> str:
    """A folder's name that is safe on every system. Raises DatasetError."""
    reason = unsafe_reason(name) or ("such a folder would be hidden" if is_litter(name) else None)
    if reason:
        raise DatasetError(f"a folder can't be called '{show(name)}': {reason}; choose another name")
    return name


def _new_folder(room: Room, name: str) -> Path:
    """Make Found/`name`. Raises DatasetError if it can't be made or is there already: nothing is mixed or replaced."""
    top = room.dataset.path(FOUND)
    try:
        top.mkdir(exist_ok=True)
        if top.is_symlink():
            raise DatasetError(f"{show(str(top))} is a link; put a real folder in its place")
        (top / name).mkdir()
    except FileExistsError:
        raise DatasetError(f"{FOUND}/{show(name)} is there already; choose another name") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DatasetError(f"{show(str(top / name))} can't be made: {why}") from None
    return top / name
