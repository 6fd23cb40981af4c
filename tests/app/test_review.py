"""The Review tab: pictures are put right one by one, over HTTP and by keys in a real browser."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from refsort.files.lock import hold
from refsort.files.moving import Mover
from refsort.files.requests import Request, member
from tests.app.served import ROOT, Served, served
from tests.browser import opened
from tests.learn.discs import COLOURS, disc, make_discs, prepared_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["tests.browser"]
HOSTILE = "<img src=x onerror=alert(1)>"
EACH = 12
"""The number of the doubtful picture of each colour; the others are in Unsure/."""
LOW = 0.6
"""Probability of what is doubtful."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Three classes of discs and one with a hostile name; EACH + 1 unsure of a colour, three doubtful, one unknown."""
    dataset = make_discs(tmp_path_factory.mktemp("review") / "Discos", references=5, arrivals=EACH + 2)
    disc(dataset.path(f"Clases/{HOSTILE}/r.jpg"), (120, 120, 120), 1)
    disc(dataset.path(f"Clases/{HOSTILE}/s.jpg"), (125, 120, 125), 2)
    disc(dataset.path(f"Unknown/{HOSTILE}.jpg"), (200, 200, 20), 4)
    with prepared_of(dataset) as (journal, prepared):
        run = journal.begin_run("sort", "move", {})
        requests = []
        for found in prepared.embedder.stream(sorted(dataset.files("Images"))):
            assert found.vector is not None
            name = found.path.partition("/")[2]
            doubtful = Path(name).stem.rstrip("0123456789") if name.endswith(f"{EACH}.jpg") else None
            decision = prepared.judge.decide(found.vector[None])[0][0].as_dict()
            decision |= {"verdict": "unsure", "probability": LOW}
            target = f"Dataset/{doubtful}/{name}" if doubtful else f"Unsure/{name}"
            requests.append(Request((member(dataset, found.path, target),), "move", decision, stem=Path(name).stem))
        assert {outcome.status for outcome in Mover(dataset, journal).file(run, requests)} == {"done"}
        journal.end_run(run, {})
    with served(dataset.root.parent, "Discos", "--encoder", "builtin") as running:
        yield running


def look(page: Served, path: str) -> dict[str, Any]:
    found: dict[str, Any] = page.api(f"review/look?path={quote(path)}")
    return found


def file(page: Served, path: str, class_name: str) -> dict[str, Any]:
    said = {"id": quote(path), "class_id": quote(class_name), "sha256": look(page, path)["sha256"]}
    found: dict[str, Any] = page.api("review/file", said)
    return found


def refused(page: Served, what: str, body: dict[str, Any]) -> str:
    status, _, found = page.request(f"/refsort/api/Discos/review/{what}", body)
    assert status == 409, (status, found)
    return str(json.loads(found)["error"])


def labels(page: Served) -> str:
    command = [sys.executable, "-m", "refsort", "labels", "--list", "--data-dir", str(page.root.parent)]
    command += ["--dataset", page.dataset, "--encoder", "builtin"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=page.root.parent, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_picture_comes_with_its_rivals(page: Served) -> None:
    queue = page.api("review/queue?which=unsure")
    assert queue["counts"] == {"unsure": 3 * (EACH + 1), "unknown": 1, "doubtful": 3}
    assert {len(queue[key]) for key in ("ids", "names", "best", "runners_up", "probabilities")} == {3 * (EACH + 1)}
    found = look(page, "Unsure/rojo1.jpg")
    assert found["sha256"] == hashlib.sha256((page.root / "Unsure/rojo1.jpg").read_bytes()).hexdigest()
    assert found["rivals"][0]["name"] == "rojo" and len(found["rivals"]) == 4
    assert all(near["id"].startswith("Clases/rojo/") for near in found["rivals"][0]["near"])
    assert page.request("/refsort/api/Discos/review/look?path=../../etc/passwd")[0] == 404


def test_filing_journals_a_hand_move_that_counts_and_back_restores_the_bytes(page: Served) -> None:
    before = (page.root / "Unsure/rojo1.jpg").read_bytes()
    with hold(page.root / ".refsort", "watch"):  # As a daemon does.
        done = file(page, "Unsure/rojo1.jpg", "azul")
    assert (page.root / "Dataset/azul/rojo1.jpg").read_bytes() == before
    assert not (page.root / "Unsure/rojo1.jpg").exists()
    assert page.api("sort/runs")[0]["kind"] == "hand"
    assert any("Dataset/azul/rojo1.jpg" in line and "corrected" in line for line in labels(page).splitlines())
    with hold(page.root / ".refsort", "watch"):
        page.api("review/back", {"move": done["move"], "sha256": "0" * 64})
    assert (page.root / "Unsure/rojo1.jpg").read_bytes() == before
    assert not (page.root / "Dataset/azul/rojo1.jpg").exists()
    assert "nothing to take back" in refused(page, "back", {"move": done["move"], "sha256": "0" * 64})


def test_what_is_not_what_was_shown_stays(page: Served) -> None:
    stale = hashlib.sha256(b"what was shown").hexdigest()
    before = (page.root / "Unsure/rojo2.jpg").read_bytes()
    said = {"id": "Unsure/rojo2.jpg", "class_id": "rojo", "sha256": stale}
    assert "not the picture that was shown" in refused(page, "file", said)
    founded = {"id": "Unsure/rojo2.jpg", "name": "nueva", "sha256": stale}
    assert "not the picture that was shown" in refused(page, "class", founded)
    assert (page.root / "Unsure/rojo2.jpg").read_bytes() == before
    assert not (page.root / "Clases/nueva").exists()


def test_a_second_one_is_told_where_it_went(page: Served) -> None:
    sha256 = look(page, "Unsure/rojo3.jpg")["sha256"]
    done = file(page, "Unsure/rojo3.jpg", "rojo")
    again = page.api("review/file", {"id": "Unsure/rojo3.jpg", "class_id": "azul", "sha256": sha256})
    assert again == {"state": "gone", "where": "rojo"} == look(page, "Unsure/rojo3.jpg")
    assert (page.root / "Dataset/rojo/rojo3.jpg").exists()
    page.api("review/back", {"move": done["move"], "sha256": sha256})


def test_a_new_class_has_a_copy_as_its_reference(page: Served) -> None:
    before = (page.root / "Unsure/verde1.jpg").read_bytes()
    sha256 = hashlib.sha256(before).hexdigest()
    said = {"id": "Unsure/verde1.jpg", "name": "nueva ñ", "sha256": sha256}
    made = page.api("review/class", said)
    assert (page.root / "Clases/nueva ñ/verde1.jpg").read_bytes() == before
    assert (page.root / "Dataset/nueva ñ/verde1.jpg").read_bytes() == before
    assert not (page.root / "Unsure/verde1.jpg").exists()
    assert "already" in refused(page, "class", said | {"id": "Unsure/verde2.jpg"})
    for name in ("../out", ".hidden", "NUEVA Ñ", ""):
        assert refused_name(page, said | {"id": "Unsure/verde2.jpg", "name": name}), name
    assert sorted(p.name for p in (page.root / "Clases").iterdir()) == sorted([*COLOURS, HOSTILE, "nueva ñ"])
    page.api("review/back", {"move": made["move"], "sha256": sha256})
    assert (page.root / "Unsure/verde1.jpg").read_bytes() == before
    for path in (page.root / "Clases/nueva ñ").iterdir():
        path.unlink()
    (page.root / "Clases/nueva ñ").rmdir()


def refused_name(page: Served, body: dict[str, Any]) -> bool:
    body = body | {"sha256": look(page, body["id"])["sha256"]}
    return page.request("/refsort/api/Discos/review/class", body)[0] in (404, 409)


def test_a_doubtful_picture_is_confirmed_where_it_lies(page: Served) -> None:
    queue = page.api("review/queue?which=doubtful")
    path = unquote(queue["ids"][0])
    found = look(page, path)
    assert found["lies_in"]["id"] == path.split("/")[1] == found["rivals"][0]["id"]
    done = file(page, path, found["lies_in"]["name"])
    assert (done["move"], done["before"]) == (None, None) and (page.root / path).exists()
    assert path not in map(unquote, page.api("review/queue?which=doubtful")["ids"])
    assert any(path in line and "confirmed" in line for line in labels(page).splitlines())
    page.api("review/back", {"sha256": found["sha256"], "before": None})
    assert path in map(unquote, page.api("review/queue?which=doubtful")["ids"])


# -- in a browser


@contextmanager
def reviewing(
    browser: "Browser", page: Served, language: str = "en", queue: str = "unsure", status: str = ""
) -> Iterator["Page"]:
    """The tab with a picture on the screen. Nothing may go wrong in it but what answers `status`, and nothing be
    asked for from outside."""
    with opened(browser, f"{page.address}/{language}/", viewport={"width": 1280, "height": 900}) as (tab, seen):
        tab.set_default_timeout(20_000)
        tab.click("#refsort-tabs button[role=tab]:nth-of-type(2)")
        if queue != "unsure":
            tab.click(f"[data-queue={queue}]")
        tab.wait_for_selector(f"[data-queue={queue}][aria-pressed=true]")
        shown(tab)
        yield tab
        assert [error for error in seen.errors if not status or status not in error] == []
        assert seen.outside(page.address, "data:", "blob:") == []


def shown(tab: "Page", other_than: str = "") -> str:
    """The id of the picture on the screen, once keys are about it."""
    tab.wait_for_function("(old) => { const at = document.querySelector('.rs-review').dataset.at; "
                          "return at && at !== old; }", arg=other_than)  # fmt: skip
    return str(tab.get_attribute(".rs-review", "data-at"))


def press_class(tab: "Page", name: str) -> None:
    """The digit that files into a class, as the screen says."""
    label = tab.get_attribute(f".rs-review-right button[aria-label*=': {name}']", "aria-label")
    assert label is not None
    tab.keyboard.press(label.partition(":")[0])


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_fifteen_pictures_by_keys_lie_where_they_belong(browser: "Browser", page: Served) -> None:
    with reviewing(browser, page, "es") as tab:
        at, went = shown(tab), []
        for _ in range(15):
            name = tab.inner_text(".rs-review-words b")
            went.append((Path(name).stem.rstrip("0123456789"), name))
            press_class(tab, went[-1][0])
            at = shown(tab, at)
        until(lambda: all((page.root / "Dataset" / colour / name).exists() for colour, name in went))
        assert "15" in tab.inner_text(".rs-review-progress")
        for colour, name in reversed(went[-2:]):
            tab.keyboard.press("u")
            until(lambda name=name: (page.root / "Unsure" / name).exists())  # type: ignore[misc]
            at = shown(tab)
            assert tab.inner_text(".rs-review-words b") == name and not (page.root / "Dataset" / colour / name).exists()


def test_keys_hit_only_what_is_on_the_screen_and_skipped_ones_come_last(browser: "Browser", page: Served) -> None:
    with reviewing(browser, page) as tab:
        queue = page.api("review/queue?which=unsure")["ids"]
        first = shown(tab)
        assert first == queue[0]
        tab.evaluate("for (const key of ['1', '1', '2']) document.body.dispatchEvent("
                     "new KeyboardEvent('keydown', { key, bubbles: true }))")  # fmt: skip
        assert shown(tab, first) == queue[1]
        tab.keyboard.press("s")
        assert shown(tab, queue[1]) == queue[2]
        tab.keyboard.press("/")
        tab.keyboard.type("1u")
        assert tab.input_value(".rs-review-form input") == "1u" and shown(tab) == queue[2]
        tab.fill(".rs-review-form input", "AZÚ")
        tab.keyboard.press("Enter")
        assert shown(tab, queue[2]) == queue[3]
        until(lambda: (page.root / "Dataset/azul" / unquote(queue[2]).partition("/")[2]).exists())
        until(lambda: page.api("review/queue?which=unsure")["counts"]["unsure"] == len(queue) - 2)
        for expected in (queue[2], queue[1], queue[0]):
            at = shown(tab)
            tab.click(".rs-review-acts button[aria-keyshortcuts=U]")
            assert shown(tab, at) == expected
        until(lambda: page.api("review/queue?which=unsure")["counts"]["unsure"] == len(queue))


def test_hostile_names_are_text_and_a_doubtful_one_is_confirmed_by_enter(browser: "Browser", page: Served) -> None:
    with reviewing(browser, page, queue="doubtful") as tab:
        assert HOSTILE in tab.inner_text(".rs-review-right")
        name = tab.inner_text(".rs-review-words b")
        tab.keyboard.press("Enter")
        until(lambda: name not in page.api("review/queue?which=doubtful")["names"])
        tab.click("[data-queue=unknown]")
        tab.wait_for_selector("[data-queue=unknown][aria-pressed=true]")
        shown(tab)
        assert tab.inner_text(".rs-review-words b") == f"{HOSTILE}.jpg"
        tab.keyboard.press("n")
        tab.fill(".rs-review-form input", f"{HOSTILE} 2")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#rs-told >> text=is a class now")
        assert (page.root / f"Clases/{HOSTILE} 2/{HOSTILE}.jpg").exists()
        assert (page.root / f"Dataset/{HOSTILE} 2/{HOSTILE}.jpg").exists()
        assert tab.is_visible(".rs-review-empty")


def test_two_browsers_share_a_queue(browser: "Browser", page: Served) -> None:
    with reviewing(browser, page) as one, reviewing(browser, page) as two:
        at = shown(one)
        assert shown(two) == at
        press_class(one, "rojo")
        moved_on = shown(two, at)
        assert moved_on == shown(one, at)
        assert "Somebody else" in two.inner_text("#rs-told")
        press_class(one, "rojo")
        press_class(two, "azul")
        after = shown(one, moved_on)
        assert shown(two, moved_on) == after
        assert one.locator("#rs-told .bad").count() == two.locator("#rs-told .bad").count() == 0


def test_what_could_not_be_filed_comes_back_next(browser: "Browser", page: Served) -> None:
    with reviewing(browser, page, status="409") as tab:
        at = shown(tab)
        path = page.root / unquote(at)
        disc(path, COLOURS["verde"], 99)
        tab.keyboard.press("1")
        following = shown(tab, at)
        tab.wait_for_selector("#rs-told .bad >> text=not the picture that was shown")
        assert path.exists() and shown(tab) == following
        tab.keyboard.press("s")
        assert shown(tab, following) == at
        press_class(tab, "verde")
        until(lambda: not path.exists())
        assert (page.root / "Dataset/verde" / path.name).exists()
