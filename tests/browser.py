"""A real browser for the tests of pages: the system's Chromium, driven by Playwright.

A test file asks for it with `pytest_plugins = ["tests.browser"]` and the fixture `browser`. It takes part in no network
traffic of its own; what a page asks for and what goes wrong in it is in `Seen`.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

ALONE = ("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking")
"""No sandbox: in a container, as root, Chromium starts with none. The others: it asks for nothing by itself."""


@dataclass
class Seen:
    """What a page did: addresses it asked for, and errors of its scripts and console; a dialog counts as one."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def outside(self, *allowed: str) -> list[str]:
        """Requests that begin with none of the allowed words, such as "file:"."""
        return [address for address in self.requests if not address.startswith(allowed)]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium without a window; each file of tests starts its own.

    Not the session's: while Playwright's synchronous side is open, nothing else in the thread can run an event loop.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(ALONE))
        yield started
        started.close()


@contextmanager
def opened(browser: "Browser", address: str, **context: Any) -> Iterator[tuple["Page", Seen]]:
    """The page at an address in a profile of its own, watched from its first byte on.

    `context`: what Playwright's `new_context` takes, for instance `viewport` or `color_scheme`.
    """
    seen = Seen()
    profile = browser.new_context(**context)
    page = profile.new_page()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("dialog", lambda dialog: refuse(seen, dialog))
    page.goto(address)
    yield page, seen
    profile.close()


def refuse(seen: Seen, dialog: "Dialog") -> None:
    """No page of ours asks by a dialog of the browser's; a name that was read as HTML may."""
    seen.errors.append(f"dialog: {dialog.message}")
    dialog.dismiss()
