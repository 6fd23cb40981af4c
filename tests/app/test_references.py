"""The References tab: pictures come in safely, findings are shown and put right, and everything can be taken back."""

import io
import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from refsort.app.routes.common import id_of
from tests.app.served import Served, served
from tests.browser import opened
from tests.learn.discs import COLOURS, disc, make_discs
from tests.trees import contents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.browser"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Discs, of which a blue one is a red reference as well, under a name that means harm."""
    data_dir = tmp_path_factory.mktemp("references")
    root = make_discs(data_dir / "Discos", references=6, arrivals=0).root
    shutil.copy(root / "Clases/azul/r0.jpg", root / "Clases/rojo/<img src=x onerror=alert(1)>.jpg")
    (root / "Clases/verde/phrases.txt").write_text("a green disc\n<b>un disco verde</b>\n", encoding="utf-8")
    with served(data_dir, "Discos", "--encoder", "builtin", "--max-pixels", "4000000") as found:
        yield found


def picture(seed: int = 0, size: int = 40) -> bytes:
    """A PNG that is like no other."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9000))
        + chunk(b"IEND", b"")
    )


def add(
    page: Served, class_id: str, *files: tuple[bytes, bytes], new: bool = False, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Send files as a browser does; names are bytes, as they stand in the request."""
    parts = [
        b'--xxx\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n\r\n' + data + b"\r\n"
        for name, data in files
    ]
    kind = {"content-type": "multipart/form-data; boundary=xxx"}
    path = f"/refsort/api/Discos/references/add?class={class_id}&new={str(new).lower()}"
    status, _, body = page.request(path, None, kind | (headers or {}), b"".join(parts) + b"--xxx--\r\n")
    return status, json.loads(body)


def tree(page: Served) -> dict[str, bytes]:
    return {str(p.relative_to(page.root.parent)): p.read_bytes() for p in page.root.rglob("*") if p.is_file()}


def references(page: Served) -> set[str]:
    """All that lies in Clases/, hidden files too."""
    return {str(path.relative_to(page.root / "Clases")) for path in (page.root / "Clases").rglob("*")}


def listed(page: Served) -> dict[str, list[str]]:
    return {one["name"]: [p["name"] for p in one["pictures"]] for one in page.api("references")["classes"]}


def checked(page: Served) -> dict[str, Any]:
    page.ended(page.api("references/check", {}))
    found: dict[str, Any] = page.api("references/check")
    return found


def test_the_classes_are_listed_with_their_phrases(page: Served) -> None:
    found = {one["name"]: one for one in page.api("references")["classes"]}
    assert [p["name"] for p in found["azul"]["pictures"]] == [f"r{number}.jpg" for number in range(6)]
    assert found["verde"]["phrases"] == ["a green disc", "<b>un disco verde</b>"]
    assert found["azul"]["phrases"] is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"plain.png", "plain.png"),
        (b"../../x.png", "x.png"),
        (b"..%2f..%2fx2.png", "..%2f..%2fx2.png".lstrip(".")),
        (b"<img onerror>.png", "_img onerror_.png"),
        (b"n" * 300 + b".png", "n" * 251 + ".png"),
        (b"CON", "_CON"),
        (b"phrases.txt", "_phrases.txt"),
        (b".hidden.png.part", "hidden_png_part_"),
        ("año.png".encode("latin-1"), "año.png"),
        (b"\xff\xfe\x80.png", None),
    ],
)
def test_a_file_comes_in_as_it_is_whatever_it_is_called(page: Served, name: bytes, kept: str | None) -> None:
    before, data = tree(page), picture(zlib.crc32(name))
    status, found = add(page, "azul", (name, data))
    assert (status, found["refused"]) == (200, [])
    new = {path: content for path, content in tree(page).items() if path not in before and ".refsort" not in path}
    ((path, content),) = new.items()
    assert content == data
    folder, _, file = path.rpartition("/")
    assert folder == "Discos/Clases/azul"
    assert kept is None or file == kept
    assert file in listed(page)["azul"]
    assert before.items() <= {**tree(page), **{k: v for k, v in before.items() if ".refsort" in k}}.items()
    (page.root.parent / path).unlink()


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"these are words", "no"), (b"", "empty"), (bomb(), "pixels"), (picture()[:-900], "cut short")],
    ids=["text", "nothing", "bomb", "half"],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(page: Served, data: bytes, reason: str) -> None:
    before = references(page)
    status, found = add(page, "azul", (b"x.jpg", data))
    assert (status, found["added"]) == (200, [])
    assert reason in found["refused"][0]["reason"]
    assert add(page, "nueva", (b"x.jpg", data), new=True)[1]["added"] == []
    assert references(page) == before


def test_a_picture_too_large_for_the_settings_is_refused(page: Served) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2100, 2000)).save(buffer, "PNG")
    assert "pixels" in add(page, "azul", (b"x.png", buffer.getvalue()))[1]["refused"][0]["reason"]


def test_the_same_picture_is_a_reference_once(page: Served) -> None:
    data = (page.root / "Clases/azul/r1.jpg").read_bytes()
    before = references(page)
    found = add(page, "azul", (b"again.jpg", data))[1]
    assert found["refused"][0]["reason"] == "it is a reference of azul already: r1.jpg"
    assert references(page) == before
    found = add(page, "verde", (b"r1.jpg", data))[1]
    assert found["notes"] == [{"name": "r1.jpg", "also": ["azul"]}]
    assert (page.root / "Clases/verde/r1_2.jpg").read_bytes() == data, "verde had another r1.jpg, and has it still"
    (page.root / "Clases/verde/r1_2.jpg").unlink()


@pytest.mark.parametrize("name", ["../fuera", "..", "AZUL", ".oculta", "CON", "a/b", "", "x" * 300])
def test_a_class_that_may_not_be_is_not_made(page: Served, name: str) -> None:
    before = tree(page).keys()
    status, found = add(page, quote(name, safe=""), (b"x.png", picture()), new=True)
    assert status == 404
    assert found["error"]
    assert add(page, "nadie", (b"x.png", picture()))[0] == 404, "only if a new one is meant"
    assert {path for path in tree(page) if ".refsort" not in path} <= before


def test_another_site_can_add_nothing(page: Served) -> None:
    before = references(page)
    headers = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    assert add(page, "azul", (b"x.png", picture(5)), headers=headers)[0] == 403
    assert references(page) == before


def test_the_check_finds_what_is_wrong(page: Served) -> None:
    found = checked(page)
    first = found["findings"][0]
    assert (first["kind"], first["severity"]) == ("same_picture", "error")
    assert {p["own"]["name"] for p in first["pictures"]} == {"azul", "rojo"}
    assert 0 < found["accuracy"]["low"] <= found["accuracy"]["accuracy"] <= found["accuracy"]["high"] <= 1
    assert found["recall"].keys() == {"azul", "rojo", "verde"}
    assert found["stamp"] == page.api("references")["stamp"]


@pytest.mark.parametrize(
    ("to", "target", "place"),
    [
        ("class", "verde", "Clases/verde/r5_2.jpg"),
        ("duplicates", "", "Duplicates/Clases/azul/r5.jpg"),
        ("unsure", "", "Unsure/r5.jpg"),
    ],
)
def test_a_reference_that_was_moved_comes_back_also_beside_a_daemon(
    page: Served, to: str, target: str, place: str
) -> None:
    from refsort.files.lock import hold

    before, data = contents(page.root), (page.root / "Clases/azul/r5.jpg").read_bytes()
    with hold(page.root / ".refsort", "watch"):
        done = page.api("references/move", {"ids": [id_of("Clases/azul/r5.jpg")], "to": to, "target": target})
        assert [one["id"] for one in done["moved"]] == [place]
        assert (page.root / place).read_bytes() == data
        assert "r5.jpg" not in listed(page)["azul"]
        assert page.api("references/back", {"run": done["run"]}) == {"restored": 1, "left": []}
    assert (page.root / "Clases/azul/r5.jpg").read_bytes() == data
    assert contents(page.root) == before
    status, _, _ = page.request("/refsort/api/Discos/references/back", {"run": done["run"]})
    assert status == 409, "it is back already"


@pytest.mark.parametrize("path", ["Images/x.jpg", "Clases/azul/../../../x", "/etc/passwd", "Clases/verde/phrases.txt"])
def test_nothing_but_a_reference_is_moved(page: Served, path: str) -> None:
    before = contents(page.root)
    done = page.api("references/move", {"ids": [path], "to": "unsure"})
    assert done["moved"] == []
    assert done["run"] is None
    wrong = {"ids": ["Clases/azul/r0.jpg"], "to": "class", "target": "../Images"}
    assert page.request("/refsort/api/Discos/references/move", wrong)[0] == 404
    assert page.request("/refsort/api/Discos/references/move", {**wrong, "to": "/tmp"})[0] == 409
    seen = {"ids": ["Clases/azul/r0.jpg"], "to": "unsure", "seen": ["00" * 32]}
    assert page.api("references/move", seen)["stayed"][0]["reason"] == "it is not the picture that was shown"
    assert contents(page.root) == before


def test_as_a_person_does_it(page: Served, browser: "Browser", tmp_path: Path) -> None:
    """Look at the finding, put it right, take it back, drop pictures, choose some, make a class."""
    root = page.root
    for number in range(2):
        disc(tmp_path / f"mine{number}.jpg", COLOURS["verde"], 70 + number)
    (tmp_path / "words.jpg").write_text("no picture")
    rojo = root / "Clases/rojo/<img src=x onerror=alert(1)>.jpg"
    with opened(browser, page.address + "/en/") as (shown, seen):
        shown.click("#refsort-tab-references-button")
        finding = shown.locator(".rs-ref-finding.error").first
        finding.get_by_role("button", name="Keep only this: keep r0.jpg in azul").click()
        shown.get_by_text("moved to Duplicates/Clases/rojo").wait_for()
        assert not rojo.exists()
        shown.locator(".rs-ref-finding.error").wait_for(state="detached")
        shown.get_by_role("button", name="Undo the last change").click()
        shown.locator(".rs-ref-finding.error").wait_for()
        assert rojo.exists()

        section = shown.locator('section[data-class="verde"]')
        with shown.expect_file_chooser() as chooser:
            section.get_by_role("button", name="Add pictures to verde").click()
        chooser.value.set_files([tmp_path / "mine0.jpg", tmp_path / "words.jpg"])
        section.get_by_role("button", name="mine0.jpg").wait_for()
        shown.get_by_role("alert").get_by_text("words.jpg:").wait_for()
        assert (root / "Clases/verde/mine0.jpg").read_bytes() == (tmp_path / "mine0.jpg").read_bytes()
        section.get_by_text("7 references").wait_for()

        dropped = """async ([section, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.jpg"));
            for (const kind of ["dragover", "drop"])
                section.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
        handle = section.element_handle()
        shown.evaluate(dropped, [handle, list((tmp_path / "mine1.jpg").read_bytes())])
        section.get_by_role("button", name="dropped.jpg").wait_for()
        assert (root / "Clases/verde/dropped.jpg").read_bytes() == (tmp_path / "mine1.jpg").read_bytes()

        shown.get_by_label("Name of a new class").fill("ámbar 100%")
        with shown.expect_file_chooser() as chooser:
            shown.get_by_role("button", name="New class from pictures").click()
        chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": picture(9)})
        shown.get_by_role("region", name="ámbar 100%").get_by_role("button", name="a.png").wait_for()
        assert (root / "Clases/ámbar 100%/a.png").read_bytes() == picture(9)

        section.get_by_role("button", name="dropped.jpg").click()
        shown.get_by_role("button", name="Set aside").last.click()
        section.get_by_role("button", name="dropped.jpg").wait_for(state="detached")
        assert (root / "Unsure/dropped.jpg").exists()
        assert not seen.errors
        assert not seen.outside(page.address, "blob:", "data:")
