"""The Learn tab: labels, models and their verdicts, promotion, training, the daemon's command, and new classes."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from refsort.files.confirmed import confirm
from refsort.files.identity import hash_file
from refsort.files.journal import Journal
from refsort.files.lock import hold
from refsort.files.models import ModelStore
from refsort.sorting.sorter import journal_path
from refsort.watch.status import Status
from tests.app.served import ROOT, Served, served
from tests.browser import opened
from tests.learn.discs import disc, make_discs, sort
from tests.trees import contents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.browser"]
SIDE = {"accuracy": 0.9, "moved": 0.6, "wrong": 0.02}
COMPARISON = {
    "pictures": 60,
    "before": SIDE,
    "after": SIDE | {"accuracy": 0.95},
    "lost": 1,
    "gained": 4,
    "gain": 0.05,
    "interval": [-0.012, 0.11],
    "p_value": 0.375,
    "class_changes": {},
}
EPOCHS = [
    {"fold": fold, "epoch": epoch, "loss": 1 / (epoch + 1), "left_out": float("nan") if fold else 0.5, "accuracy": 0.75}
    for fold in range(2)
    for epoch in range(4)
]


def finished(store: ModelStore, **known: Any) -> str:
    """A run as a training leaves it, but for the network, which nobody opens here."""
    about = {"base": "builtin", "recipe": "last", "made": "2026-03-01T10:00:00Z", "seconds": 75, "objections": []}
    part = store.begin(str(len(store.runs())))
    (part / "model.onnx").write_bytes(b"a network")
    (part / "metrics.json").write_text(json.dumps(about | {"figures": {"examples": 30}} | known))
    (part / "training.json").write_text(json.dumps({"epochs": EPOCHS}))
    return store.finish(part)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Sorted discs, some of them confirmed; yellow ones that belong to no class; two models."""
    data_dir = tmp_path_factory.mktemp("learn")
    dataset = make_discs(data_dir / "Discos", references=4, arrivals=4)
    sort(dataset, unsure="off")
    for number in range(6):
        disc(dataset.path(f"Unknown/nada{number}.jpg"), (245, 225, 30), 400 + number)
    journal = Journal(journal_path(dataset))
    lying = [path for name in ("azul", "rojo") for path in sorted(dataset.path(f"Dataset/{name}").iterdir())]
    confirm(journal, [(hash_file(path), path.parent.name) for path in lying], "labels")
    journal.close()
    store = ModelStore(dataset.path("Models"))
    finished(store, comparison=COMPARISON)
    finished(store, objections=["it is <b>no</b> better"], comparison=None)
    with served(data_dir, "Discos", "--encoder", "builtin", "--threads", "1") as found:
        yield found


@pytest.fixture
def store(page: Served) -> Iterator[ModelStore]:
    """The models, none of them in use, before and after."""
    store = ModelStore(page.root / "Models")
    yield store
    (store.folder / "current").unlink(missing_ok=True)


def done(page: Served, kind: str, path: str, body: object) -> Any:
    page.ended(page.api(f"learning/{path}", body))
    return page.api(f"learning/result?kind=learn.{kind}")["result"]


def refused(page: Served, path: str, body: object) -> tuple[int, str]:
    status, _, found = page.request(f"/refsort/api/Discos/learning/{path}", body)
    return status, json.loads(found)["error"]


def test_the_labels_are_counted_by_class_and_source(page: Served) -> None:
    found = done(page, "labels", "labels", {})
    counts = {one["name"]: (one["reference"], one["confirmed"], one["corrected"]) for one in found["classes"]}
    assert counts == {"azul": (4, 4, 0), "rojo": (4, 4, 0), "verde": (4, 0, 0)}
    assert found["contradictions"] == []


def test_a_contradiction_is_told(page: Served) -> None:
    reference, second = page.root / "Clases/azul/r0.jpg", page.root / "Clases/verde/otra.jpg"
    second.write_bytes(reference.read_bytes())
    try:
        (text,) = done(page, "labels", "labels", {})["contradictions"]
    finally:
        second.unlink()
    assert text.startswith("the same picture is a reference of azul and verde")


def test_models_with_their_verdict_and_curves(page: Served, store: ModelStore) -> None:
    found = page.api("learning")
    newest, oldest = found["models"]
    assert [oldest["run"], newest["run"]] == store.runs()
    assert oldest["comparison"]["interval"] == [-0.012, 0.11]
    assert newest["objections"] == ["it is <b>no</b> better"]
    assert oldest["curves"]["loss"] == [1.0, 0.5, 0.33333, 0.25]
    assert oldest["curves"]["left_out"] == [0.5] * 4, "what is not known of a fold is left out of the mean"
    assert found["current"] is None
    assert found["watch"].startswith("refsort watch --dataset Discos")


def test_a_damaged_account_and_pointer_are_said(page: Served, store: ModelStore) -> None:
    about = store.path(store.runs()[0]) / "metrics.json"
    whole = about.read_text()
    about.write_text("{")
    (store.folder / "current").write_text("nonsense")
    try:
        found = page.api("learning")
    finally:
        about.write_text(whole)
    assert "can't be read" in found["models"][1]["error"]
    assert "does not name a model" in found["trouble"]


def test_promote_and_go_back(page: Served, store: ModelStore) -> None:
    first, second = store.runs()
    assert page.api("learning/promote", {"run": first}) == {"current": first}
    assert page.api("learning/promote", {"run": second}) == {"current": second}
    assert page.api("learning")["before"] == first
    assert page.api("learning/rollback", {}) == {"current": first}
    assert page.api("learning")["before"] == "base"
    assert page.api("learning/rollback", {}) == {"current": None}
    assert refused(page, "rollback", {})[0] == 409
    for wrong in ("nothing", "../../Clases/azul", ""):
        assert refused(page, "promote", {"run": wrong})[0] == 409
    assert store.promotion() is None


def test_a_group_becomes_a_class_and_goes_back(page: Served) -> None:
    before = contents(page.root / "Unknown")
    found = done(page, "propose", "propose", {})
    (group,) = found["groups"]
    assert group["count"] == 6
    named = {"group": 1, "written": found["written"], "class_name": "amarillo"}
    assert refused(page, "make", named | {"written": "another time"})[0] == 409
    with hold(page.root / ".refsort", "watch"):
        status, error = refused(page, "make", named)
        assert status == 409
        assert "refsort watch" in error
    assert not (page.root / "Clases/amarillo").exists()
    made = done(page, "make", "make", named)
    assert (made["references"], made["moved"]) == (6, 6)
    assert contents(page.root / "Clases/amarillo") == contents(page.root / "Dataset/amarillo") == before
    page.ended(page.api("sort/undo", {"run": made["run"]}))
    assert contents(page.root / "Unknown") == before
    for path in (page.root / "Clases/amarillo").iterdir():
        path.unlink()
    (page.root / "Clases/amarillo").rmdir()


def test_a_class_of_an_unsafe_name_is_not_made(page: Served) -> None:
    found = done(page, "propose", "propose", {})
    for name in ("../fuera", "AZUL", ".oculta"):
        job = page.api("learning/make", {"group": 1, "written": found["written"], "class_name": name})
        with pytest.raises(AssertionError, match="failed"):
            page.ended(job)
    assert sorted(path.name for path in (page.root / "Clases").iterdir()) == ["azul", "rojo", "verde"]


@pytest.mark.parametrize("body", [{"recipe": "magic"}, {"epochs": 0}, {"epochs": "many"}])
def test_a_training_of_nonsense_is_refused(page: Served, body: object) -> None:
    assert page.request("/refsort/api/Discos/learning/train", body)[0] == 422


def test_as_a_person_sees_it(page: Served, store: ModelStore, browser: "Browser") -> None:
    """No daemon and how to start one, then one with drift; models, their curves, promotion with a question asked."""
    first, second = store.runs()
    status = page.root / ".refsort" / "status.json"
    with opened(browser, page.address + "/en/") as (shown, seen):
        shown.click("#refsort-tab-learn-button")
        shown.get_by_text("No daemon watches this dataset").wait_for()
        shown.get_by_text("refsort watch --dataset Discos").wait_for()
        said = Status("Discos", 1e9, state="watching", queue=3, counts={"sorted": 7}, drift=["class <i>azul</i>: odd"])
        said.write(status.parent)
        shown.get_by_text("class <i>azul</i>: odd").wait_for()
        shown.get_by_text("3 files are waiting").wait_for()

        good, bad = shown.get_by_role("article", name=first), shown.get_by_role("article", name=second)
        good.get_by_text("90 % → 95 %, a change of +5 points (each bound with 90 %: −1.2 to +11)").wait_for()
        bad.get_by_text("it is <b>no</b> better").wait_for()
        good.get_by_role("img", name="Loss: learned from from 1 to 0.25; held out from 0.5 to 0.5").wait_for()

        bad.get_by_role("button", name="Put into use").click()
        shown.get_by_text("The test speaks against it.").wait_for()
        shown.get_by_role("button", name="Cancel").click()
        assert store.promotion() is None
        good.get_by_role("button", name="Put into use").click()
        shown.get_by_role("button", name="Yes").click()
        good.get_by_text("in use", exact=True).wait_for()
        promotion = store.promotion()
        assert promotion is not None
        assert promotion.run == first
        shown.get_by_role("button", name="Go back").click()
        shown.get_by_role("button", name="Yes").click()
        good.get_by_text("in use", exact=True).wait_for(state="detached")
        assert store.promotion() is None

        shown.get_by_role("button", name=re.compile("^Count")).click()
        shown.get_by_role("row", name="verde 4 0 0").wait_for()
        assert not seen.errors
        assert not seen.outside(page.address, "blob:", "data:")
    status.unlink()


@pytest.mark.slow
def test_a_training_from_the_page(page: Served, store: ModelStore, browser: "Browser", tmp_path: Path) -> None:
    """Begun and stopped, begun and finished, compared: all of it in the browser."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    before, known = contents(page.root / "Clases", page.root / "Dataset"), store.runs()
    with opened(browser, page.address + "/en/") as (shown, seen):
        shown.set_default_timeout(180_000)
        shown.click("#refsort-tab-learn-button")
        shown.get_by_label("Recipe").select_option("head")
        shown.get_by_label("Epochs").fill("200")
        start = shown.get_by_role("button", name="Start", exact=True)
        start.click()
        shown.get_by_role("progressbar").wait_for()
        shown.get_by_role("button", name="Stop").click()
        shown.get_by_text("Stopped. If nothing changes").wait_for()
        assert store.runs() == known
        shown.get_by_label("Recipe").select_option("head")
        shown.get_by_label("Epochs").fill("2")
        start.click()
        shown.get_by_text("50 are needed").first.wait_for()
        (run,) = set(store.runs()) - set(known)
        assert store.promotion() is None, "eight confirmed pictures are too few"
        shown.get_by_label("second model").select_option(run)
        shown.get_by_role("button", name="Compare").click()
        shown.get_by_text("Change of accuracy:").wait_for()
        assert not seen.errors
    assert contents(page.root / "Clases", page.root / "Dataset") == before


@pytest.mark.slow
def test_without_torch_the_page_says_what_to_install(page: Served, browser: "Browser", tmp_path: Path) -> None:
    hide = """
from importlib.machinery import PathFinder
real = PathFinder.find_spec.__func__
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name == "torch" else real(cls, name, *rest))
"""
    (tmp_path / "sitecustomize.py").write_text(hide)
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    with served(page.root.parent, "Discos", "--encoder", "builtin", env=env) as bare:
        assert refused(bare, "train", {})[1].endswith("'python3 run.py install train' adds them")
        with opened(browser, bare.address + "/en/") as (shown, seen):
            shown.click("#refsort-tab-learn-button")
            shown.get_by_text("'python3 run.py install train' adds them").wait_for()
            assert shown.get_by_role("button", name="Start", exact=True).count() == 0
            assert not seen.errors
