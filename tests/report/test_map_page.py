"""The map's script in a real browser: what is drawn, found, filtered and opened, whatever the names."""

import io
import logging
import statistics
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from refsort.explore.map import PHRASES, Map, Point
from refsort.files.dataset import Dataset
from refsort.names import show
from refsort.report.explore_map import write_map_page
from refsort.report.palette import LIGHT, marks
from tests.browser import Seen, opened
from tests.browser import browser as browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = (
    "plain.png",
    "two words  and 100%.png",
    "#1?x=y&z;.png",
    "%20%2e.png",
    "“x” 'y' \"z\".png",
    "<script>alert(1)<-script>.png",
    "ñandú 日本 🐦.png",
    "line\nbreak.png",
    "b\udcff.png",
)
FOLDERS = ("Clases/<b>ñu #1 %41", "Clases/azul")
WINDOW = {"width": 800, "height": 600}
GROUND = "#f6f7f9"


def point_map(points: list[Point]) -> Map:
    classes = sorted({point.group for point in points} - {PHRASES})
    return Map("Título", "builtin", "pca", "pca", 0, (0.5, 0.25), points, [*classes, PHRASES], [PHRASES], len(points))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Point]]:
    """A page beside a dataset with every odd name in two odd folders; each picture has a width of its own."""
    root = tmp_path_factory.mktemp("maps") / "Año #2 %"
    points = []
    for row, folder in enumerate(FOLDERS):
        (root / folder).mkdir(parents=True)
        for column, name in enumerate(NAMES):
            Image.new("RGB", (40 + column + 20 * row, 30), (10, 10, 10)).save(root / folder / name)
            at = (column / 4 - 1, row - 0.5)
            points.append(Point(*at, f"{folder}/{name}", folder.partition("/")[2], said="azul 0.75" if row else ""))
    points.append(Point(0.0, 0.0, "un perro </script> & 🐕", PHRASES, is_text=True))
    found = point_map(points)
    page = write_map_page(found, Dataset(root), root / "out" / "a map #1.html", 10**7, shown="dots", labels=False)
    return page, points


@contextmanager
def shown(browser: "Browser", page: Path, **context: Any) -> Iterator[tuple["Page", Seen]]:
    with opened(browser, page.as_uri(), viewport=WINDOW, **context) as (tab, seen):
        settled(tab)
        yield tab, seen
        assert seen.errors == []
        assert seen.outside("file:", "data:") == []


def settled(tab: "Page") -> None:
    """Wait for the next two frames: what was asked for is drawn."""
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def place(tab: "Page", point: Point) -> tuple[float, float]:
    """Where a point must lie in the window while all is shown: the longer side of -1..1 in the canvas less a rim."""
    box = tab.locator("#canvas").bounding_box()
    assert box is not None
    half = min(box["width"], box["height"]) / 2 - 28
    return box["x"] + box["width"] / 2 + point.x * half, box["y"] + box["height"] / 2 - point.y * half


def hovered(tab: "Page", point: Point) -> list[str]:
    """The lines of the card over a point; none if nothing is found there."""
    tab.mouse.move(*place(tab, point))
    settled(tab)
    return tab.locator("#card > *:not(.view)").all_text_contents()


def colours(tab: "Page", points: list[Point]) -> list[str]:
    """#rrggbb in the window where each point lies, with the pointer away."""
    tab.mouse.move(1, 1)
    settled(tab)
    pixels = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    at = [tuple(round(v) for v in place(tab, point)) for point in points]
    return ["#{:02x}{:02x}{:02x}".format(*pixels.getpixel(p)) for p in at]  # type: ignore[arg-type, misc]


def test_every_point_is_drawn_in_its_colour_and_nothing_is_asked_of_the_network(
    browser: "Browser", made: tuple[Path, list[Point]]
) -> None:
    page, points = made
    with shown(browser, page) as (tab, seen):
        tab.locator("#names").click()  # names of classes would lie over points
        own = {
            group: mark.light
            for group, mark in zip(sorted({p.group for p in points[:-1]}), marks(["a", "b"], []), strict=True)
        }
        assert colours(tab, points[:-1]) == [own[point.group] for point in points[:-1]]
        assert seen.requests[0] == page.as_uri()
        assert tab.locator("#legend span").all_text_contents() == [show(g) for g in (*sorted(own), PHRASES)]
    with shown(browser, page, color_scheme="dark") as (tab, _):
        tab.locator("#names").click()
        assert not {GROUND, *LIGHT} & set(colours(tab, points[:-1]))


def test_the_pointer_shows_what_lies_under_it(browser: "Browser", made: tuple[Path, list[Point]]) -> None:
    page, points = made
    with shown(browser, page) as (tab, _):
        for point in points:
            name, *rest = hovered(tab, point)
            folder, _, file = point.name.rpartition("/")
            assert name == show(point.name if point.is_text else file)
            assert rest[0] == ("phrase" if point.is_text else show(folder))
            assert ("most likely azul 0.75" in rest) == bool(point.said)
        assert hovered(tab, Point(0.5, 0.2, "", "")) == []
        assert not tab.locator("#card").is_visible()


def test_the_file_itself_is_shown_where_the_pointer_rests(browser: "Browser", made: tuple[Path, list[Point]]) -> None:
    page, points = made
    with shown(browser, page) as (tab, _):
        for point in points[len(NAMES) - 3 : len(NAMES)]:
            hovered(tab, point)
            picture = tab.locator("#card img")
            picture.wait_for()
            assert picture.evaluate("image => image.naturalWidth") == 40 + points.index(point)


def test_a_click_opens_the_right_file(browser: "Browser", made: tuple[Path, list[Point]]) -> None:
    page, points = made
    with shown(browser, page) as (tab, _):
        for index, point in enumerate(points[: len(NAMES) + 1]):
            with tab.context.expect_page() as new:
                tab.mouse.click(*place(tab, point))
            picture = new.value
            picture.wait_for_load_state()
            assert unquote_to_bytes(picture.url).endswith(b"/" + point.name.encode("utf-8", "surrogateescape"))
            row, column = divmod(index, len(NAMES))
            assert picture.evaluate("document.images[0].naturalWidth") == 40 + column + 20 * row
            picture.close()


def test_keys_go_from_point_to_point_and_link_to_the_file(browser: "Browser", made: tuple[Path, list[Point]]) -> None:
    page, points = made
    with shown(browser, page) as (tab, _):
        tab.locator("#canvas").focus()
        for point in points[:-1]:
            tab.keyboard.press("n")
            link = tab.locator("#card a")
            assert link.inner_text() == "open the picture"
            reached = tab.evaluate("new URL(document.querySelector('#card a').href).pathname")
            assert unquote_to_bytes(reached).endswith(b"/" + point.name.encode("utf-8", "surrogateescape"))
        with tab.context.expect_page() as new:
            tab.keyboard.press("Enter")
        assert new.value.url == tab.evaluate("document.querySelector('#card a').href")
        tab.keyboard.press("Escape")
        assert not tab.locator("#card").is_visible()


def test_the_legend_hides_classes_and_shows_them_again(browser: "Browser", made: tuple[Path, list[Point]]) -> None:
    page, points = made
    odd, azul = points[: len(NAMES)], points[len(NAMES) : -1]
    with shown(browser, page) as (tab, _):
        tab.locator("#names").click()
        before = colours(tab, points)
        entry = tab.locator("#legend button", has_text="azul")
        entry.click()
        assert entry.get_attribute("aria-pressed") == "false"
        assert set(colours(tab, azul)) == {GROUND}
        assert colours(tab, odd) == before[: len(NAMES)]
        assert hovered(tab, azul[0]) == [] and hovered(tab, odd[0])[0] == "plain.png"
        entry.click()
        assert colours(tab, points) == before
        entry.dblclick()
        assert set(colours(tab, odd)) == {GROUND} and colours(tab, azul) == before[len(NAMES) : -1], "alone"
        tab.locator("#every").click()
        assert colours(tab, points) == before


def test_the_search_narrows(browser: "Browser", made: tuple[Path, list[Point]]) -> None:
    page, points = made
    with shown(browser, page) as (tab, _):
        search, said = tab.locator("#search"), tab.locator("#found")
        for words, number in {
            unicodedata.normalize("NFD", "ÑANDÚ"): 2,
            "<script>": 2,
            "100%": 2,
            "azul": len(NAMES),
            "PERRO": 1,
            "nothing like this": 0,
        }.items():
            search.fill(words)
            assert said.inner_text() == f"{number} found", words
        search.fill("%20")
        assert hovered(tab, points[3])[0] == NAMES[3] and hovered(tab, points[0]) == []
        before = tab.screenshot()
        search.press("Enter")
        settled(tab)
        assert tab.screenshot() != before, "it goes to what was found"
        search.press("Escape")
        assert said.inner_text() == "" and search.input_value() == ""


def test_twenty_thousand_points(browser: "Browser", tmp_path: Path) -> None:
    """How long a redraw takes is told with `--log-cli-level=INFO`; no time makes it fail."""
    rng = np.random.default_rng(0)
    at = rng.uniform(-1, 1, (20_000, 2))
    points = [Point(x, y, f"Images/{i}.jpg", f"c{i % 24:02}") for i, (x, y) in enumerate(at.tolist())]
    page = write_map_page(point_map(points), Dataset(tmp_path), tmp_path / "m.html", 1, shown="dots", labels=False)
    alone = max(points[:400], key=lambda p: np.sort(np.abs(at - (p.x, p.y)).max(axis=1))[1])
    (tmp_path / "Images").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / alone.name)
    with shown(browser, page) as (tab, _):
        tab.locator("#names").click()
        assert hovered(tab, alone)[0] == alone.name.partition("/")[2]
        before = np.asarray(Image.open(io.BytesIO(tab.screenshot())))
        took = tab.evaluate(
            """() => Array.from({ length: 40 }, (_, i) => {
                 const begun = performance.now();
                 if (i % 2) pan(7, -3); else zoomAt(400, 300, i % 4 ? 1.1 : 1 / 1.1);
                 draw();
                 return performance.now() - begun;
               })"""
        )
        after = np.asarray(Image.open(io.BytesIO(tab.screenshot())))
        assert (before != after).any(axis=2).mean() > 0.2
        logging.info("redraw of 20,000 points: median %.1f ms, longest %.1f ms", statistics.median(took), max(took))
