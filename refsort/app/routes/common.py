"""What all routes share: how names travel, and how errors are told."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from refsort.app.desk import Desk, Room
from refsort.errors import BadPicture, DatasetHeld, RefsortError, UnsafeName
from refsort.names import from_bytes, show, to_bytes

API = "/refsort/api/{name}"


def id_of(path: str) -> str:
    """A path relative to the dataset as it travels: percent-encoded bytes, so that any name survives."""
    return quote(to_bytes(path), safe="/")


def path_of(text: str) -> str:
    """The other way round."""
    return from_bytes(unquote_to_bytes(text))


def asked(request: Request, key: str = "path") -> str:
    """The path that a query string names, decoded by us: frameworks replace what is not UTF-8."""
    for part in request.scope["query_string"].split(b"&"):
        name, _, value = part.partition(b"=")
        if name == key.encode():
            return from_bytes(unquote_to_bytes(value))
    raise UnsafeName(f"no {key} was given")


def room_of(request: Request, name: str) -> Room:
    """Raises UnsafeName."""
    desk: Desk = request.app.state.desk
    return desk.room(name)


def picture(path: str, **more: Any) -> dict[str, Any]:
    """How a picture is told of: `id` for the server, `name` for people."""
    return {"id": id_of(path), "name": show(path.rpartition("/")[2]), **more}


def tell_errors(app: FastAPI) -> None:
    """Every error of ours becomes JSON with a sentence for the person; what is not ours says no more than its kind."""

    def answer(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def told(request: Request, error: Exception) -> Response:
            return JSONResponse({"error": show(str(error))}, status)

        return told

    app.add_exception_handler(UnsafeName, answer(404))
    app.add_exception_handler(BadPicture, answer(422))
    app.add_exception_handler(DatasetHeld, answer(409))
    app.add_exception_handler(RefsortError, answer(409))
    app.add_exception_handler(FileNotFoundError, answer(404))
    app.add_exception_handler(OSError, answer(500))
