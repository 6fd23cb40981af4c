"""The way in: the language, the log-in, whether the page is well, and the texts for the scripts."""

import html
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from refsort import __version__
from refsort.app.login import COOKIE, Login
from refsort.app.texts import LANGUAGES, Words, preferred, texts

router = APIRouter()
MONTH_S = 30 * 24 * 3600


def language_of(request: Request) -> str:
    """As the page was started, else as the browser asks."""
    fixed: str = request.app.state.door.language
    return fixed if fixed in LANGUAGES else preferred(request.headers.get("accept-language", ""))


@router.get("/")
def entrance(request: Request) -> Response:
    """To the page in the reader's language."""
    login: Login = request.app.state.login
    if login.wanted and (token := request.query_params.get("token")):
        return _welcome(request, login.open(token))
    return RedirectResponse(f"/{language_of(request)}/", 303)


@router.get("/favicon.ico")
def icon() -> Response:
    """The sign in the browser's tab."""
    return FileResponse(str(files("refsort.app").joinpath("static/icon.svg")), media_type="image/svg+xml")


@router.get("/health")
def health() -> dict[str, str]:
    """For a container's health check; tells nothing else."""
    return {"status": "ok", "version": __version__}


@router.get("/refsort/texts/{language}")
def words(language: str) -> JSONResponse:
    """What the scripts say."""
    return JSONResponse(texts(language if language in LANGUAGES else LANGUAGES[0]))


@router.get("/refsort/datasets")
def datasets(request: Request) -> list[str]:
    """The datasets of this page."""
    return list(request.app.state.desk.rooms)


@router.get("/login")
async def ask(request: Request) -> Response:
    """The log-in page; with a token in the address straight on."""
    if token := request.query_params.get("token"):
        return _welcome(request, await run_in_threadpool(request.app.state.login.open, token))
    return _login_page(request, "")


@router.post("/login")
async def enter(request: Request) -> Response:
    """Checks the password that a form has sent."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    login: Login = request.app.state.login
    if login.busy():
        return _login_page(request, "login.busy", 429)
    return _welcome(request, await run_in_threadpool(login.open, form.get("password", [""])[0]))


@router.post("/logout")
def leave(request: Request) -> Response:
    """Forgets this browser."""
    request.app.state.login.close(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def _welcome(request: Request, session: str | None) -> Response:
    if session is None:
        return _login_page(request, "login.wrong", 401)
    answer = RedirectResponse(f"/{language_of(request)}/", 303)
    answer.set_cookie(COOKIE, session, max_age=MONTH_S, httponly=True, samesite="strict", path="/")
    return answer


def _login_page(request: Request, problem: str, status: int = 200) -> HTMLResponse:
    say = Words(language_of(request))
    template = files("refsort.app").joinpath("static/login.html").read_text(encoding="utf-8")
    values: dict[str, Any] = {
        "language": say.language,
        "title": say("login.title"),
        "label": say("login.password"),
        "button": say("login.enter"),
        "problem": say(problem) if problem else "",
    }
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", html.escape(str(value)))
    return HTMLResponse(template, status)
