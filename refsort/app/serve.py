"""Puts the page together and serves it: our routes, Gradio's page once a language, and the guard around both."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from refsort.app.desk import Desk
from refsort.app.guard import UPLOAD, Guard, Hosts
from refsort.app.login import Login
from refsort.app.texts import LANGUAGES
from refsort.errors import ConfigError


@dataclass(frozen=True)
class Door:
    """Where the page is served and to whom."""

    host: str = "127.0.0.1"
    port: int = 7860
    password: str | None = None
    token: str | None = None
    names: tuple[str, ...] = ()
    """Further names under which the page may be asked for."""
    language: str = "auto"

    @property
    def beyond(self) -> bool:
        """Whether other machines can reach it."""
        return self.host not in ("127.0.0.1", "::1", "localhost")


@contextlib.contextmanager
def built(desk: Desk, door: Door) -> Iterator[Guard]:
    """The whole page as an ASGI application. Raises ConfigError if Gradio is missing.

    Uploads live in a folder of their own while the page is served, and are gone with it.
    """
    with tempfile.TemporaryDirectory(prefix="refsort-app-", ignore_cleanup_errors=True) as scratch:
        os.environ["GRADIO_TEMP_DIR"] = scratch
        os.environ["GRADIO_NUM_PORTS"] = "1"
        try:
            import gradio  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"the page needs Gradio, and it is not there ({error}): 'python3 run.py install app', "
                "or pip install 'refsort[app]'"
            ) from None
        try:
            yield _assembled(desk, door)
        finally:
            desk.close()


def _assembled(desk: Desk, door: Door) -> Guard:
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.staticfiles import StaticFiles

    from refsort.app.page import head, make_page, theme
    from refsort.app.routes import entrance, everything
    from refsort.app.routes.common import tell_errors

    app = FastAPI(title="refsort", docs_url=None, redoc_url=None, openapi_url=None)
    login = Login(door.password, door.token)
    app.state.desk, app.state.login, app.state.door = desk, login, door
    tell_errors(app)
    app.include_router(entrance.router)
    for router in everything():
        app.include_router(router)
    app.mount("/refsort/static", StaticFiles(directory=str(files("refsort.app").joinpath("static"))))
    for language in LANGUAGES:
        gr.mount_gradio_app(
            app,
            make_page(desk, language),
            path=f"/{language}",
            theme=theme(),
            head=head(language),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            show_error=True,
            max_file_size=UPLOAD,
        )
    hosts = Hosts(frozenset(name.lower() for name in (*door.names, door.host)), door.beyond)
    return Guard(app, hosts, login)


def serve(desk: Desk, door: Door, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to stop. `ready` gets the address just before it answers.

    Raises ConfigError, OSError.
    """
    import uvicorn

    with built(desk, door) as guard:
        config = uvicorn.Config(
            guard,
            host=door.host,
            port=door.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=64_000,
        )
        server = uvicorn.Server(config)
        bound = config.bind_socket()
        port = bound.getsockname()[1]
        ready(address(door, port))
        server.run(sockets=[bound])


def address(door: Door, port: int) -> str:
    """What a person puts into the browser."""
    host = "127.0.0.1" if door.host in ("0.0.0.0", "") else "[::1]" if door.host == "::" else door.host
    return f"http://{host}:{port}/" + (f"?token={door.token}" if door.token else "")


def password_of(env: Mapping[str, str]) -> str | None:
    """From REFSORT_APP_PASSWORD, or the first line of the file that REFSORT_APP_PASSWORD_FILE names.

    Raises ConfigError if that can't be read.
    """
    if path := env.get("REFSORT_APP_PASSWORD_FILE"):
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigError(f"REFSORT_APP_PASSWORD_FILE: {path}: {(error.strerror or str(error)).lower()}") from None
        if not lines or not lines[0]:
            raise ConfigError(f"REFSORT_APP_PASSWORD_FILE: {path} is empty")
        return lines[0]
    return env.get("REFSORT_APP_PASSWORD") or None


def new_token() -> str:
    """A secret for the address."""
    return secrets.token_urlsafe(24)
