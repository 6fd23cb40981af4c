"""`refsort check` on photographs with planted faults."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import SHARED
from tests.e2e.helpers import Done, on, refsort
from tests.trees import contents, read

EACH = 8


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groceries: a picture in the wrong folder, one in two classes, one saved again, one class in two folders."""
    photos = SHARED / "photos" / "grocery"
    if not photos.is_dir():
        pytest.skip("the labelled photographs are not here")
    dataset = tmp_path_factory.mktemp("check") / "grocery"
    (dataset / "Images").mkdir(parents=True)
    for name in ("Avocado", "Banana", "Lemon", "Conference"):
        folder = dataset / "Clases" / name
        folder.mkdir(parents=True)
        for path in sorted((photos / name).iterdir())[: EACH * (2 if name == "Conference" else 1)]:
            shutil.copy2(path, folder / path.name)
    clases = dataset / "Clases"
    (clases / "<b>x").mkdir()
    for path in sorted((clases / "Conference").iterdir())[::2]:
        path.rename(clases / "<b>x" / path.name)
    shutil.copy2(sorted((photos / "Banana").iterdir())[30], clases / "Avocado" / "swapped.jpg")
    shutil.copy2(sorted((clases / "Lemon").iterdir())[0], clases / "Banana" / "twice.jpg")
    with Image.open(sorted((clases / "Lemon").iterdir())[1]) as image:
        image.save(clases / "Lemon" / "again.png")
    return dataset


@pytest.fixture(scope="module")
def done(faulty: Path) -> Done:
    before = contents(faulty)
    done = refsort("check", *on(faulty), "--encoder", "builtin", "--html", "--json")
    assert contents(faulty) == before
    return done


def found(done: Done, kind: str) -> list[dict[str, Any]]:
    return [finding for finding in done.json["findings"] if finding["kind"] == kind]


def test_errors_make_exit_code_1_and_one_object(done: Done) -> None:
    assert done.code == 1, done.err
    assert len(done.out.splitlines()) == 1
    told = done.json
    assert (told["errors"], told["dataset"], told["encoder"]) == (1, "grocery", "builtin")
    assert [row["name"] for row in told["classes"]] == ["<b>x", "Avocado", "Banana", "Conference", "Lemon"]
    assert [row["references"] for row in told["classes"]] == [8, 9, 9, 8, 9]
    assert sum(map(sum, told["confusion"])) == 43
    assert told["accuracy"]["low"] < told["accuracy"]["accuracy"] < told["accuracy"]["high"]
    assert told["curve"][0]["references"] == 2


def test_the_planted_faults_are_found(done: Done) -> None:
    twice, again = found(done, "same_picture"), found(done, "near_duplicate")
    assert [(finding["severity"], set(finding["classes"])) for finding in twice] == [("error", {"Banana", "Lemon"})]
    assert "Clases/Banana/twice.jpg" in twice[0]["references"]
    assert [finding["severity"] for finding in again] == ["note"]
    assert "Clases/Lemon/again.png" in again[0]["references"]
    wrong = {finding["references"][0]: finding["classes"] for finding in found(done, "mislabelled")}
    assert wrong["Clases/Avocado/swapped.jpg"] == ["Avocado", "Banana"]
    assert [set(finding["classes"]) for finding in found(done, "close_classes")] == [{"<b>x", "Conference"}]


def test_the_words_name_the_files_and_go_to_standard_error(done: Done) -> None:
    assert "ERROR: Clases/Banana/twice.jpg and Clases/Lemon/" in done.err
    assert "warning: Clases/Avocado/swapped.jpg looks like Banana rather than Avocado" in done.err
    assert "accuracy to expect: " in done.err


def test_the_page_is_self_contained_and_escapes_names(done: Done, faulty: Path) -> None:
    page = Path(done.json["report"])
    assert page == faulty / ".refsort" / "reports" / "check.html"
    html = page.read_text(encoding="utf-8")
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html
    assert "default-src 'none'" in html
    assert "http://" not in html.replace('http-equiv="', "")
    assert "https://" not in html
    assert html.count("data:image/jpeg;base64,") >= 12
    assert "no preview" not in html
    assert '<svg class="curve"' in html


def test_clean_references_are_no_error_and_leave_no_page(tmp_path: Path) -> None:
    photos = SHARED / "photos" / "screws"
    if not photos.is_dir():
        pytest.skip("the labelled photographs are not here")
    for name in ("screw", "hole"):
        folder = tmp_path / "screws" / "Clases" / name
        folder.mkdir(parents=True)
        for path in sorted((photos / name).iterdir())[:6]:
            shutil.copy2(path, folder / path.name)
    (tmp_path / "screws" / "Images").mkdir()
    before = read(tmp_path / "screws")
    done = refsort("check", *on(tmp_path / "screws"), "--encoder", "builtin")
    assert done.code == 0, done.err
    assert "nothing wrong found" in done.out
    assert "accuracy to expect: 100%" in done.out
    assert read(tmp_path / "screws") == before
    assert not (tmp_path / "screws" / ".refsort" / "reports").exists()


def test_a_dataset_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = refsort("check", *on(tmp_path / "none"))
    assert done.code == 2
    assert "does not exist" in done.err
    assert "Traceback" not in done.err
