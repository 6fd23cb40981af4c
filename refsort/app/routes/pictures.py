"""Pictures as the page shows them, the jobs, and what the dataset is just now."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from refsort.app.routes.common import API, asked, room_of
from refsort.app.thumbnails import SIDES
from refsort.errors import BadPicture, DatasetError
from refsort.files.confirmed import confirmed_stamp
from refsort.files.journal import now
from refsort.sorting.sorter import journal_path
from refsort.watch.status import ill, read_status

router = APIRouter(prefix=API)
NONE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" fill="none" stroke="#8a94a5" stroke-width="2">'
    '<rect x="8" y="11" width="24" height="18" rx="2"/><path d="M8 29 32 11"/></svg>'
)
"""Shown for what is no readable picture."""
FOR_EVER = "private, max-age=31536000, immutable"
"""Of an address that names the version of the picture too."""


@router.get("/thumbnail")
def thumbnail(request: Request, name: str, side: int = SIDES[0], v: str = "") -> Response:
    """A JPEG of at most `side` pixels, made by us; the file itself is never sent."""
    room = room_of(request, name)
    side = side if side in SIDES else SIDES[0]
    try:
        tag, data = room.thumbnails.get(room.path(asked(request)), side)
    except BadPicture as error:
        reason = quote(str(error))
        return Response(
            NONE, media_type="image/svg+xml", headers={"x-refsort-reason": reason, "cache-control": "no-store"}
        )
    headers = {"etag": f'"{tag}"', "cache-control": FOR_EVER if v else "private, no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get("/now")
def state(request: Request, name: str) -> dict[str, Any]:
    """A stamp that changes with whatever happens to the dataset, its classes, the job and the daemon."""
    room = room_of(request, name)
    job = room.jobs.last
    return {
        "time": now(),
        "stamp": _stamp(request, name),
        "classes": room.dataset.classes(),
        "job": None if job is None else job.as_dict(),
        "daemon": daemon(request, name),
    }


@router.get("/daemon")
def daemon(request: Request, name: str) -> dict[str, Any] | None:
    """What the daemon says of itself, and `ill`: why it is not well; None if there never was one."""
    try:
        status = read_status(room_of(request, name).dataset.state)
    except DatasetError:
        return None
    return status.as_dict() | {"ill": ill(status)}


@router.post("/stop")
def stop(request: Request, name: str) -> dict[str, Any]:
    """Ask the running job to stop between two pictures."""
    room_of(request, name).jobs.stop()
    return {}


def _stamp(request: Request, name: str) -> str:
    room = room_of(request, name)
    parts: list[object] = []
    if journal_path(room.dataset).exists():
        with room.looking() as journal:
            if journal is not None:
                # Asked every two seconds by each browser: nothing here reads all moves.
                parts += journal.rows("SELECT coalesce(max(id), 0) FROM moves")[0]
                parts += journal.rows("SELECT count(*) FROM moves WHERE state='intent'")[0]
                parts += journal.rows("SELECT count(*), max(ended) FROM runs")[0]
                parts.append(confirmed_stamp(journal))
    for top in sorted(room.tops):
        folder = room.dataset.path(top)
        parts.append(folder.stat().st_mtime_ns if folder.is_dir() else 0)
    references = room.dataset.names.references
    parts += [room.dataset.path(f"{references}/{name}").stat().st_mtime_ns for name in room.dataset.classes()]
    return "-".join(map(str, parts))
