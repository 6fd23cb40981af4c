"""What stands between the network and the page: who may ask, for what, and how much.

An ASGI layer around everything, Gradio included. What it doesn't know it refuses:

- the Host header must name this machine (a page that was led here by a changed DNS entry is not ours),
- a request that changes something must come from this very page,
- paths that the page does not need are not there,
- a body has a bound, counted as it comes in,
- who has not logged in sees the login page and nothing else.
"""

import asyncio
import ipaddress
import json
import re
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from refsort.app.login import COOKIE, Login

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE = frozenset({"GET", "HEAD"})
BODY = 1_000_000
"""Bytes of a request that carries no file."""
UPLOAD = 200_000_000
"""Bytes of one that does: several photographs."""
MEMORY, CHUNK = 1_000_000, 256_000
"""Of a body: bytes held in memory before the rest goes to a file without a name, and bytes handed on at once."""
UPLOADS = re.compile(r"^/(\w\w/gradio_api/upload|refsort/api/[^/]+/(references/add|searching/picture))$")
LANGUAGE = r"/\w\w"
KNOWN = re.compile(
    r"^(/|/login|/logout|/health|/favicon\.ico|/refsort/.*"
    rf"|{LANGUAGE}/?|{LANGUAGE}/(config|theme\.css|manifest\.json|favicon\.ico)"
    rf"|{LANGUAGE}/(static|assets|svelte)/[\w./@+-]+"
    rf"|{LANGUAGE}/gradio_api/(queue/(join|data)|upload|upload_progress|heartbeat/\w+|startup-events|app_id|reset|cancel"
    rf"|info|file=.*))$"
)
"""The page's own, and of Gradio's what it needs: no API pages, monitoring, proxies, reloads, sharing, run history."""
OPEN = frozenset({"/login", "/health", "/refsort/static/style.css", "/favicon.ico"})
"""What one sees without having logged in."""
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""The browser itself then lets nothing leave for anywhere else."""


class Refused(Exception):
    """This request is not served; status and reason."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


@dataclass(frozen=True)
class Hosts:
    """The names under which this page may be asked for."""

    names: frozenset[str] = frozenset()
    beyond: bool = False
    """Whether the page is served beyond loopback: then any address in figures is one of this machine's."""

    def allows(self, host: str) -> bool:
        """`host`: a Host header. Names that DNS could be made to say are refused unless they were named."""
        name = host.rsplit(":", 1)[0] if re.search(r":\d+$", host) else host
        name = name.strip("[]").lower()
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self.beyond


@dataclass
class Guard:
    """The layer."""

    app: App
    hosts: Hosts
    login: Login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # The page needs no web sockets.
        try:
            receive = await self._check(scope, receive)
            await self.app(scope, receive, _with_headers(send))
        except Refused as refused:
            await _refuse(refused, _with_headers(send))

    # -- may it?

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get("host", "")
        if not self.hosts.allows(host):
            raise Refused(421, "this page is not known by that name; --allow-host NAME makes it so")
        path, method = scope["path"], scope["method"]
        if "\\" in path or "\0" in path or ".." in path.split("/") or not KNOWN.match(path):
            raise Refused(404, "there is no such page")
        if method not in SAFE and (method != "POST" or not self._is_ours(headers, host)):
            raise Refused(403, "this did not come from the page")
        if path not in OPEN and not self.login.knows(_cookie(headers)):
            raise self._stranger(scope)
        bound = UPLOAD if UPLOADS.match(path) else BODY
        if int(headers.get("content-length", "0") or "0") > bound:
            raise Refused(413, f"larger than {bound:,} bytes")
        if method == "POST":
            receive = await _whole(_bounded(receive, bound))
        if path.endswith("/gradio_api/queue/join"):
            receive = await _without_urls(receive)
        return receive

    def _is_ours(self, headers: dict[str, str], host: str) -> bool:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in ("same-origin", "none"):
            return False
        if origin is not None:
            return origin.split("://", 1)[-1].lower() == host.lower()
        return "x-refsort" in headers or site == "same-origin"

    def _stranger(self, scope: Scope) -> Refused:
        wants_page = any(key == b"accept" and b"text/html" in value for key, value in scope["headers"])
        if scope["method"] == "GET" and wants_page:
            query = scope.get("query_string", b"").decode("latin-1")
            return Refused(303, "log in first", {"location": f"/login?{query}" if "token=" in query else "/login"})
        return Refused(401, "log in first")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            dropped = {key.encode() for key in HEADERS} | {b"server"}
            kept = [
                (key, value)
                for key, value in message.get("headers", [])
                if key.lower() not in dropped and not key.lower().startswith(b"access-control-")
            ]
            message["headers"] = kept + [(key.encode(), value.encode()) for key, value in HEADERS.items()]
        await send(message)

    return sending


async def _refuse(refused: Refused, send: Send) -> None:
    body = json.dumps({"error": refused.reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers += [(key.encode(), value.encode()) for key, value in refused.headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _cookie(headers: dict[str, str]) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _bounded(receive: Receive, bound: int) -> Receive:
    """Counts what comes in. Raises Refused as soon as it is too much."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > bound:
            raise Refused(413, f"larger than {bound:,} bytes")
        return message

    return receiving


async def _whole(receive: Receive) -> Receive:
    """A body taken in before anybody sees it: one that is broken off or too large leaves nothing behind.

    Raises Refused.
    """
    spool = tempfile.SpooledTemporaryFile(MEMORY)  # noqa: SIM115  (outlives this function, and goes when it is closed)
    try:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "broken off")
            await asyncio.to_thread(spool.write, message.get("body", b""))
            more = message.get("more_body", False)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)

    async def again() -> Message:
        if spool.closed:
            return await receive()
        chunk = await asyncio.to_thread(spool.read, CHUNK)
        if len(chunk) < CHUNK:
            spool.close()
        return {"type": "http.request", "body": chunk, "more_body": len(chunk) == CHUNK}

    return again


async def _without_urls(receive: Receive) -> Receive:
    """The body of a call to Gradio, read whole: a file in it must be one that was uploaded, not an address to fetch.

    Raises Refused.
    """
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "broken off")
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        raise Refused(400, "no JSON") from None
    if _fetches(asked):
        raise Refused(403, "files come from this machine only")
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _fetches(value: object) -> bool:
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and re.match(r"\s*[a-z][a-z0-9+.-]+:", path, re.IGNORECASE):
            return True
        return any(map(_fetches, value.values()))
    return isinstance(value, list) and any(map(_fetches, value))
