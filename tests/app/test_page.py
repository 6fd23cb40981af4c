"""The page as a whole: every tab opens, asks nobody outside, makes no errors, and can be used by everybody."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from refsort.app.page import TABS
from refsort.app.texts import texts
from tests.app.served import Served
from tests.browser import browser as browser
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"width": 390, "height": 844}
GRADIOS = {"scrollable-region-focusable"}
"""Findings in what Gradio draws and we can't change; none of them may be critical."""


def axe() -> str:
    """The source of axe-core."""
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def open_tab(page: "Page", tab: str, language: str) -> None:
    name = texts(language)[f"{tab}.tab"]
    button = page.get_by_role("tab", name=name, exact=True)
    page.get_by_role("tab").first.wait_for()
    if button.count():
        button.click()
    else:  # on a phone what has no room is behind "..."
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown").get_by_text(name, exact=True).click()
    page.locator(f"#refsort-tab-{tab}, [id*='refsort-tab-{tab}']").first.wait_for()
    page.wait_for_load_state("networkidle")


def findings(page: "Page") -> list[str]:
    """What axe-core calls serious or critical, each with the first element concerned."""
    found: dict[str, Any] = page.evaluate("async () => await axe.run(document, {resultTypes: ['violations']})")
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:300]}" for one in serious if one["id"] not in GRADIOS]


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_tab_opens_without_an_error_or_a_request_outside(page: Served, browser: "Browser", language: str) -> None:
    with opened(browser, f"{page.address}/{language}/", viewport=PHONE if language == "es" else None) as (tab, seen):
        for name in TABS:
            open_tab(tab, name, language)
            wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 1, f"{name} is wider than the screen by {wide} pixels"
        assert seen.errors == []
        assert seen.outside(page.address, "data:", "blob:") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_every_tab(page: Served, browser: "Browser", scheme: str) -> None:
    source = axe()
    with opened(browser, f"{page.address}/en/", color_scheme=scheme) as (tab, _):
        tab.evaluate(source)
        problems = {}
        for name in TABS:
            open_tab(tab, name, "en")
            if found := findings(tab):
                problems[name] = found
        assert problems == {}
