"""The Sort tab: what was looked at is what is moved, and it can be taken back."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.served import Served, served
from tests.browser import browser as browser
from tests.browser import opened
from tests.learn.discs import make_discs
from tests.trees import contents, read

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_discs(tmp_path_factory.mktemp("made") / "Discos", references=6, arrivals=4).root
    (root / "Images" / "azul0.jpg").rename(root / "Images" / f"azul {HOSTILE}.jpg")
    (root / "Images" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return root


@pytest.fixture
def page(original: Path, tmp_path: Path) -> Iterator[Served]:
    shutil.copytree(original, tmp_path / "Discos")
    with served(tmp_path, "Discos", "--encoder", "builtin", "--max-wrong", "0.2") as found:
        yield found


def test_only_what_was_chosen_is_moved_and_all_of_it_comes_back(page: Served) -> None:
    before = read(page.root)
    plan = page.api("sort/plan")
    assert plan == {"job": None}
    page.ended(page.api("sort/plan", {}))
    plan = page.api("sort/plan")
    assert len(plan["ids"]) == 13
    assert read(page.root) == before, "looking moves nothing"
    chosen = [i for i, kind in zip(plan["ids"], plan["kinds"], strict=True) if kind == "sorted"][:3]
    job = page.ended(page.api("sort/move", {"job": plan["job"], "ids": chosen}))
    done = page.api(f"sort/result?job={job['id']}")["result"]
    assert (done["sorted"], done["failed"]) == (3, 0)
    assert sum(path.is_file() for path in (page.root / "Dataset").rglob("*")) == 3
    (run,) = page.api("sort/runs")
    assert (run["kind"], run["files"]) == ("sort", 3)
    page.ended(page.api("sort/undo", {"run": run["run"]}))
    assert read(page.root) == before


def test_a_plan_is_carried_out_only_as_it_was_seen(page: Served) -> None:
    page.ended(page.api("sort/plan", {}))
    plan = page.api("sort/plan")
    status, _, found = page.request("/refsort/api/Discos/sort/move", {"job": plan["job"] + 7})
    assert (status, b"look again" in found) == (409, True)
    changed = page.root / "Images" / "rojo1.jpg"
    changed.write_bytes(changed.read_bytes() + b" ")
    job = page.ended(
        page.api(
            "sort/move", {"job": plan["job"], "ids": ["Images/rojo1.jpg", "Images/rojo2.jpg", "Clases/rojo/r0.jpg"]}
        )
    )
    done = page.api(f"sort/result?job={job['id']}")["result"]
    assert (done["sorted"], done["skipped"]) == (1, 1), "one changed since; a reference is in no plan"
    assert changed.exists()
    assert page.api("sort/plan") == {"job": None}, "a plan is carried out once"


def test_by_mouse(page: Served, browser: "Browser") -> None:
    before = contents(page.root)
    with opened(browser, f"{page.address}/", locale="en-GB") as (tab, seen):
        tab.get_by_role("button", name="Look what would happen").click()
        tab.wait_for_selector(".rs-cell")
        assert tab.locator(".rs-cell").count() == 13
        assert tab.get_by_text("azul <img src=x onerror=alert(1)>.jpg").count(), "names are text"
        tab.locator(".rs-cell.on").first.click()
        tab.get_by_role("button", name="Move these 12").click()
        tab.get_by_role("status").get_by_text("moved into their classes").wait_for()
        assert len(list((page.root / "Images").glob("*.jpg"))) == 1
        tab.get_by_role("status").get_by_role("button", name="Undo").click()
        tab.get_by_text("files are back").wait_for()
        assert seen.errors == []
        assert seen.outside(page.address, "data:", "blob:") == []
    assert len(list((page.root / "Images").glob("*.jpg"))) == 13
    assert contents(page.root) == before


def test_by_keyboard_and_in_spanish(page: Served, browser: "Browser") -> None:
    with opened(browser, f"{page.address}/", locale="es-ES") as (tab, seen):
        tab.get_by_role("button", name="Ver qué pasaría").press("Enter")
        tab.wait_for_selector(".rs-cell")
        grid = tab.get_by_role("listbox")
        grid.focus()
        for key in ("ArrowRight", "End", "Home", "ArrowRight", "Space"):
            grid.press(key)
        tab.get_by_role("button", name="Mover estas 12").wait_for()
        grid.press("Enter")
        tab.locator("dialog img").wait_for()
        tab.keyboard.press("Escape")
        tab.locator("dialog").wait_for(state="detached")
        assert seen.errors == []
