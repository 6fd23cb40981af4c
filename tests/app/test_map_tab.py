"""The Map tab: what is on the map, what becomes of what is ringed, and the way back; by HTTP and in a browser."""

import base64
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest

from refsort.app.drawn import group_of, most_typical
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.lock import hold
from refsort.files.undo import choose, undo
from tests.app.served import Served
from tests.browser import opened
from tests.files.helpers import move_all
from tests.learn.discs import disc
from tests.trees import read

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Page

pytest_plugins = ["tests.browser"]
PARTS = ["references", "arrivals", "sorted", "unsure", "unknown"]


def drawn(page: Served, **asked: Any) -> dict[str, Any]:
    page.ended(page.api("mapping/draw", {"parts": PARTS, **asked}))
    found: dict[str, Any] = page.api("mapping/map")
    return found


def paths(found: dict[str, Any]) -> list[str]:
    """Where the pictures of a map lie, as its script makes out their ids."""
    data = found["data"]
    folders = np.frombuffer(base64.b64decode(data["folder"]), "<u4")
    return [f"{unquote(data['folders'][folder])}/{name}" for folder, name in zip(folders, data["names"], strict=False)]


def groups(found: dict[str, Any]) -> list[str]:
    numbers = np.frombuffer(base64.b64decode(found["data"]["group"]), "<u2")
    return [found["data"]["groups"][number]["name"] for number in numbers]


def ended(page: Served, job: dict[str, Any]) -> dict[str, Any]:
    """A job that may have failed."""
    until = time.monotonic() + 60
    while job["state"] == "running" and time.monotonic() < until:
        time.sleep(0.05)
        job = page.api("now")["job"]
    return job


def filed(page: Served, found: dict[str, Any], wanted: list[str], **into: str) -> dict[str, Any]:
    """What became of pictures of the map that are named by their paths."""
    where = paths(found)
    points = [where.index(path) for path in wanted]
    job = page.ended(page.api("mapping/file", {"job": found["job"], "points": points, **into}))
    result: dict[str, Any] = page.api(f"sort/result?job={job['id']}")["result"]
    return result


def taken_back(page: Served, moves: list[int]) -> dict[str, Any]:
    job = page.ended(page.api("mapping/undo", {"moves": moves}))
    result: dict[str, Any] = page.api(f"sort/result?job={job['id']}")["result"]
    return result


@pytest.fixture
def kept(page: Served) -> Iterator[None]:
    """Every picture is where it was, once the test has taken back what it did."""
    before = read(page.root / "Images"), read(page.root / "Clases")
    yield
    assert (read(page.root / "Images"), read(page.root / "Clases")) == before


def test_a_map_has_every_picture_that_was_asked_for(page: Served) -> None:
    offered = page.api("mapping/options")
    assert [one["name"] for one in offered["classes"]] == ["azul", "rojo", "verde"]
    assert "pca" in offered["methods"]
    found = drawn(page)
    where = paths(found)
    there = {
        file.relative_to(page.root).as_posix()
        for top in ("Clases", "Images")
        for file in (page.root / top).rglob("*.jpg")
    }
    assert (set(where), len(where), found["data"]["images"], found["total"]) == (there, 30, 30, 30)
    assert len(base64.b64decode(found["data"]["xy"])) == 30 * 2 * 2
    # The map names groups as `refsort map` does, and so does what follows the moves.
    assert groups(found) == [group_of(Dataset(page.root), path, "class") for path in where]
    assert set(groups(page.api("mapping/map?colour=folder"))) == {
        "Clases/azul/",
        "Clases/rojo/",
        "Clases/verde/",
        "Images/",
    }
    part = drawn(page, parts=["arrivals"], limit=5)
    assert (part["data"]["images"], part["total"]) == (5, 12)
    assert {path.partition("/")[0] for path in paths(part)} == {"Images"}


def test_exactly_what_was_ringed_is_filed_and_comes_back(page: Served, kept: None) -> None:
    found = drawn(page)
    before = read(page.root / "Images")
    wanted = ["Images/rojo0.jpg", "Images/rojo1.jpg", "Images/azul3.jpg"]
    result = filed(page, found, [*wanted, "Clases/rojo/r0.jpg"], class_id="rojo")
    assert (len(result["moves"]), result["references"], result["left"], result["made"]) == (3, 1, 0, [])
    assert sorted(file.name for file in (page.root / "Dataset" / "rojo").iterdir()) == [
        "azul3.jpg",
        "rojo0.jpg",
        "rojo1.jpg",
    ]
    assert (page.root / "Clases/rojo/r0.jpg").exists()
    assert set(before) - set(read(page.root / "Images")) == {"rojo0.jpg", "rojo1.jpg", "azul3.jpg"}
    # The same map, every point where it was; what was moved has the colour of its class.
    after = page.api("mapping/map")
    assert (after["data"]["xy"], after["job"]) == (found["data"]["xy"], found["job"])
    assert after["stamp"] != found["stamp"]
    changed = {path for path, old, new in zip(paths(found), groups(found), groups(after), strict=True) if old != new}
    assert changed == set(wanted)
    assert "Dataset/rojo/azul3.jpg" in paths(after)
    assert taken_back(page, result["moves"])["restored"] == 3
    assert read(page.root / "Images") == before
    assert groups(page.api("mapping/map")) == groups(found)
    assert (
        ended(page, page.api("mapping/undo", {"moves": result["moves"]}))["error"]
        == "these moves were taken back already"
    )


def test_a_new_class_gets_copies_of_typical_pictures_and_works_beside_a_daemon(page: Served) -> None:
    found = drawn(page)
    wanted = [f"Images/verde{number}.jpg" for number in range(4)]
    before = read(page.root / "Images")
    with hold(page.root / ".refsort", "watch"):
        result = filed(page, found, wanted, new=" hojas ñ ")
        assert (result["class"], len(result["moves"]), len(result["made"])) == ("hojas ñ", 4, 4)
        assert read(page.root / "Dataset" / "hojas ñ") == {Path(path).name: before[Path(path).name] for path in wanted}
        assert read(page.root / "Clases" / "hojas ñ") == read(page.root / "Dataset" / "hojas ñ")
        assert groups(page.api("mapping/map")).count("hojas ñ") == 4
        assert taken_back(page, result["moves"])["restored"] == 4
    assert read(page.root / "Images") == before
    for copy in (page.root / "Clases" / "hojas ñ").iterdir():
        copy.unlink()
    (page.root / "Clases" / "hojas ñ").rmdir()


def test_a_picture_that_is_another_one_now_stays(page: Served) -> None:
    found = drawn(page)
    stale = page.root / "Images" / "azul0.jpg"
    old = stale.read_bytes()
    disc(stale, (240, 240, 30), 77)
    new = stale.read_bytes()
    result = filed(page, found, ["Images/azul0.jpg", "Images/azul1.jpg"], class_id="azul")
    assert (len(result["moves"]), result["left"]) == (1, 1)
    assert result["reasons"] == [{"name": "Images/azul0.jpg", "reason": "it is not the picture that was shown"}]
    assert stale.read_bytes() == new
    taken_back(page, result["moves"])
    # No class is made of it either: nothing of what was shown is there.
    job = page.api(
        "mapping/file", {"job": found["job"], "points": [paths(found).index("Images/azul0.jpg")], "new": "soles"}
    )
    assert "draw the map again" in ended(page, job)["error"]
    assert not (page.root / "Clases" / "soles").exists()
    stale.write_bytes(old)


@pytest.mark.parametrize(
    "name", ["../fuera", "a/b", "..", "", " ", ".oculta", "CON", "a\0b", "rojo", "Rojo", "x" * 300]
)
def test_a_hostile_name_makes_no_class(page: Served, kept: None, name: str) -> None:
    found = page.api("mapping/map")
    found = found if found["job"] else drawn(page)
    points = [paths(found).index("Images/azul2.jpg")]
    for into in ({"new": name}, {"class_id": f"../{name}"}):
        status, _, said = page.request(
            f"/refsort/api/{page.dataset}/mapping/file", {"job": found["job"], "points": points, **into}
        )
        assert status in (404, 409), said
    assert sorted(file.name for file in (page.root / "Clases").iterdir()) == ["azul", "rojo", "verde"]


def test_what_is_not_of_this_map_is_refused(page: Served, kept: None) -> None:
    old, found = drawn(page), drawn(page)
    address = f"/refsort/api/{page.dataset}/mapping/file"
    for asked in ({"job": old["job"], "points": [0]}, {"job": found["job"], "points": [30]}):
        assert page.request(address, {**asked, "class_id": "azul"})[0] == 409
    assert page.request(address, {"job": found["job"], "points": [-1], "class_id": "azul"})[0] == 422
    assert page.request(address, {"job": found["job"], "points": [0]})[0] == 409
    references = [index for index, path in enumerate(paths(found)) if path.startswith("Clases/")]
    job = page.api("mapping/file", {"job": found["job"], "points": references, "new": "todas"})
    assert ended(page, job)["error"] == "these are all references, and references stay where they are"


def test_only_moves_of_a_person_are_taken_back_here(page: Served, kept: None) -> None:
    dataset = Dataset(page.root)
    move_all(dataset, "Dataset/azul")
    with closing(Journal(dataset.state / "journal.db")) as journal:
        run = journal.last_standing_run()
        assert run is not None
        job = ended(page, page.api("mapping/undo", {"moves": [move.main for move in journal.standing(run)]}))
        assert (job["state"], len(journal.standing(run))) == ("failed", 12)
        undo(dataset, journal, choose(journal, dataset, run, None, None), "test")


def test_the_most_typical_come_first_and_twins_last() -> None:
    turns = np.array([0.9, 0.0, 0.0001, -0.35, 0.3])
    vectors = np.column_stack([np.cos(turns), np.sin(turns)]).astype(np.float32)
    order = most_typical(vectors)
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert set(order[:2]) <= {1, 2, 4}
    assert order.index(2) > order.index(0) or order.index(1) > order.index(0)
    many = np.repeat(vectors, 100, axis=0)
    assert len(most_typical(many)) == 200


def ring(tab: "Page", inner: "FrameLocator") -> None:
    """Draw the lasso around the whole map."""
    box = inner.locator("#canvas").bounding_box()
    assert box is not None
    left, top = box["x"] + 5, box["y"] + 5
    right, bottom = left + box["width"] - 10, top + box["height"] - 10
    tab.mouse.move(left, top)
    tab.mouse.down()
    for x, y in [(right, top), (right, bottom), (left, bottom)]:
        tab.mouse.move(x, y, steps=4)
    tab.mouse.up()


def accessible(tab: "Page") -> None:
    """What axe-core calls serious: nothing, in the tab and in the map's own frame; unless it is not installed."""
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        return
    source = Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    (frame,) = [frame for frame in tab.frames if frame.url.endswith("map_frame.html")]
    for place, where in [(tab.main_frame, "[data-refsort=map]"), (frame, "body")]:
        place.evaluate(source)
        found = place.evaluate("async (where) => (await axe.run(where, {iframes: false})).violations", where)
        assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_ring_all_with_the_mouse_make_a_class_and_take_it_back(page: Served, browser: "Browser") -> None:
    before = read(page.root / "Images")
    with opened(browser, f"{page.address}/en/", viewport={"width": 1280, "height": 1000}) as (tab, seen):
        tab.click("#refsort-tab-map-button")
        tab.click(".rs-map-form .rs-button.primary")
        tab.wait_for_selector(".rs-map-form .rs-button.primary:enabled")
        inner = tab.frame_locator("iframe.rs-map:not(.coming)")
        inner.locator("#legend img[src]").first.wait_for()
        tab.locator(".rs-map").scroll_into_view_if_needed()
        inner.locator("#canvas").focus()
        tab.keyboard.press("l")
        inner.locator("#legend button", has_text="azul").click()
        ring(tab, inner)
        tab.wait_for_selector("text=24 pictures")  # what the legend hides is not meant
        inner.locator("#legend button", has_text="azul").click()
        ring(tab, inner)
        tab.wait_for_selector("text=30 pictures")
        accessible(tab)
        tab.fill(".rs-map-act input", "discos")
        tab.click(".rs-map-act .primary")
        said = tab.inner_text(".rs-map-ask")
        assert "12 pictures will be moved" in said
        assert "18 of them are references" in said
        tab.click(".rs-map-ask .primary")
        inner.locator("#legend button", has_text="discos").locator("small", has_text="12").wait_for()
        assert read(page.root / "Dataset" / "discos") == before
        assert len(read(page.root / "Clases" / "discos")) == 10
        tab.click("text=Undo these 12")
        tab.wait_for_selector("text=12 files are back")
        assert read(page.root / "Images") == before
    assert seen.errors == []
    assert seen.outside(page.address, "data:", "blob:") == []
