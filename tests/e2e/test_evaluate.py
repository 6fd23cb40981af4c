"""`refsort evaluate` as a person meets it, on real photographs with strays among them."""

import json
import os
import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from tests.conftest import SHARED
from tests.e2e.helpers import ROOT, Done, on, refsort
from tests.trees import read

KNOWN = ("Avocado", "Banana", "Carrots", "Lemon")
STRAY = "Regular-Tomato"
REFERENCES, LABELLED, STRAYS = 8, 10, 5
PLOTS = ["confusion.png", "corruptions.png", "reliability.png", "risk_coverage.png"]


class Place(NamedTuple):
    """A dataset and a folder of labelled pictures."""

    dataset: Path
    labelled: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Four classes; the labelled folder also holds strays, one reference, a note and a broken picture."""
    photos = SHARED / "photos" / "grocery"
    if not photos.is_dir():
        pytest.skip("sample pictures are not here")
    root = tmp_path_factory.mktemp("evaluate")
    made = Place(root / "Data" / "Fruta", root / "labelled")
    (made.dataset / "Images").mkdir(parents=True)
    rng = random.Random(0)
    for name in KNOWN:
        chosen = rng.sample(sorted((photos / name).iterdir()), REFERENCES + LABELLED)
        copy(chosen[:REFERENCES], made.dataset / "Clases" / name)
        copy(chosen[REFERENCES:], made.labelled / name.upper())
    copy(sorted((photos / STRAY).iterdir())[:STRAYS], made.labelled / "otros")
    copy(sorted((made.dataset / "Clases" / "Lemon").iterdir())[:1], made.labelled / "LEMON" / "again")
    (made.labelled / "LEMON" / "note.txt").write_text("nothing to see", encoding="utf-8")
    (made.labelled / "LEMON" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a JPEG")
    return made


def copy(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in files:
        shutil.copy2(file, folder)


def evaluate(place: Place, *flags: str | Path, env: dict[str, str] | None = None) -> Done:
    return refsort("evaluate", place.labelled, *on(place.dataset), "--encoder", "builtin", *flags, env=env)


@pytest.fixture(scope="module")
def done(place: Place) -> Done:
    """One full evaluation, which several tests look at."""
    before = read(place.dataset), read(place.labelled)
    result = evaluate(place, "--corruptions", "--sample", "6", "--json")
    assert result.code == 0, result.err
    assert (read(place.dataset), read(place.labelled)) == before, "evaluating moves nothing"
    return result


def test_the_numbers_fit_together(done: Done) -> None:
    found = done.json
    members = LABELLED * len(KNOWN)
    assert found["classes"] == list(KNOWN)
    assert (found["references"], found["pictures"]) == (REFERENCES * len(KNOWN), members + STRAYS)
    assert found["accuracy"]["of"] == members
    assert found["accuracy"]["share"] > 0.85
    assert [sum(row) for row in found["confusion"]] == [LABELLED] * len(KNOWN) + [STRAYS]
    assert sum(found["strays"][key]["count"] for key in ("moved", "unsure", "unknown")) == STRAYS
    moved = sum(sum(row[: len(KNOWN)]) for row in found["confusion"])
    assert found["wrong"]["of"] == moved == found["moved"]["count"] + found["strays"]["moved"]["count"]
    assert len(found["mistakes"]) == found["wrong"]["count"]
    assert sum(b["right"]["of"] for b in found["calibration"]["bins"]) == members + STRAYS
    assert {row["mode"] for row in found["modes"]} >= {"avg", "max", "prototype", "lda"}
    assert found["risk_coverage"]["points"][-1][0] == 1
    assert [Path(file["path"]).name for file in found["unreadable"]] == ["broken.jpg"]
    assert "pictures left out because they are references themselves: 1" in found["notes"]


def test_corruptions_are_measured_on_the_sample(done: Done) -> None:
    rows = done.json["corruptions"]
    assert (rows[0]["corruption"], rows[0]["strength"]) == ("none", 0)
    assert len(rows) == 1 + 10 * 3
    assert {row["accuracy"]["of"] for row in rows} == {6}
    spoilt = {(row["corruption"], row["strength"]): row["accuracy"]["count"] for row in rows}
    assert spoilt["noise", 3] < spoilt["none", 0]


def test_page_pictures_and_numbers_lie_in_the_reports(place: Place, done: Done) -> None:
    folder = place.dataset / ".refsort" / "reports" / "evaluation"
    assert Path(done.json["report"]) == folder / "evaluation.html"
    assert sorted(Path(path).name for path in done.json["plots"]) == PLOTS
    for name in PLOTS:
        with Image.open(folder / name) as image:
            image.load()
            assert min(image.size) >= 400, name
            assert len(image.getcolors(1 << 24) or []) > 20, f"{name} is nearly empty"
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert page.count("<figure>") == done.json["wrong"]["count"]
    assert "http" not in page.replace("http-equiv", ""), "the page needs nothing from elsewhere"
    numbers = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert numbers == {key: value for key, value in done.json.items() if key not in ("report", "plots")}


def test_the_tables_are_for_a_person(done: Done) -> None:
    assert len(done.out.splitlines()) == 1, "with --json nothing but the object is on standard output"
    for words in ("strays left aside", "calibration error", "Carrots", "prototype", "low resolution", "page:"):
        assert words in done.err


def test_without_matplotlib_the_page_has_its_charts_all_the_same(place: Place, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['matplotlib'] = None", encoding="utf-8")
    result = evaluate(place, "--to", tmp_path / "out", env={"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"})
    assert result.code == 0, result.err
    assert "pip install matplotlib" in result.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["evaluation.html", "evaluation.json"]
    assert (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8").count("<svg") == 2


def test_a_mode_without_probabilities_is_evaluated_too(place: Place, tmp_path: Path) -> None:
    for name in ("reliability.png", "corruptions.png"):
        (tmp_path / name).write_bytes(b"of an earlier evaluation")
    result = evaluate(place, "--to", tmp_path, "--mode", "prototype", "--json")
    assert result.code == 0, result.err
    assert (result.json["calibration"], result.json["promised_wrong"], result.json["promise"]) == (None, None, False)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["confusion.png", "risk_coverage.png"]


def test_strict_refuses_a_folder_that_is_no_class(place: Place) -> None:
    result = evaluate(place, "--strict")
    assert (result.code, result.out) == (2, "")
    assert "otros" in result.err


@pytest.mark.parametrize(("folder", "words"), [("Images", "holds no pictures"), ("nowhere", "is no folder")])
def test_an_empty_or_missing_folder_is_refused(place: Place, folder: str, words: str) -> None:
    result = refsort("evaluate", place.dataset / folder, *on(place.dataset), "--encoder", "builtin")
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1


def test_no_class_in_common_is_refused(place: Place) -> None:
    result = refsort("evaluate", place.dataset, *on(place.dataset), "--encoder", "builtin")
    assert result.code == 2
    assert "no class in common" in result.err


def test_the_references_themselves_prove_nothing(place: Place) -> None:
    result = refsort("evaluate", place.dataset / "Clases", *on(place.dataset), "--encoder", "builtin")
    assert result.code == 2
    assert "is one of the references" in result.err
