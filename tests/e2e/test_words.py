"""Words on the command line, with a small CLIP that was trained on coloured shapes and their names in two languages."""

import csv
from pathlib import Path

import numpy as np
import pytest

from refsort.encoders import hub
from tests.e2e.helpers import on, refsort
from tests.encoders.tiny_clip import CLASSES, caption, draw_shape, tiny_clip_folder

pytestmark = pytest.mark.skipif(not hub.installed(), reason="needs torch and sentence-transformers")

ARRIVALS = 6


@pytest.fixture(scope="module")
def clip() -> str:
    return str(tiny_clip_folder())


def shapes(root: Path, references: int, language: str | None, seed: int) -> dict[str, str]:
    """A dataset of all coloured shapes, with phrases in a language or none; returns arrival → class."""
    rng = np.random.default_rng(seed)
    truth = {}
    (root / "Images").mkdir(parents=True)
    for shape, colour in CLASSES:
        name = f"{colour}_{shape}"
        folder = root / "Clases" / name
        folder.mkdir(parents=True)
        for number in range(references):
            draw_shape(rng, shape, colour).save(folder / f"{number}.png")
        for _ in range(ARRIVALS):
            arrival = f"{len(truth):04}.png"
            draw_shape(rng, shape, colour).save(root / "Images" / arrival)
            truth[arrival] = name
        if language:
            (folder / "phrases.txt").write_text(f"\ufeff{caption(shape, colour, language)}\n", "utf-8")
    return truth


def accuracy(root: Path, truth: dict[str, str], *flags: str) -> float:
    done = refsort("sort", *on(root), "--unsure", "off", "--json", *flags)
    assert done.code == 0, done.err
    assert done.json["promise"] is False
    return sum((root / "Dataset" / own / name).exists() for name, own in truth.items()) / len(truth)


@pytest.mark.parametrize("language", ["en", "es", None])
def test_classes_without_a_picture_are_found_by_words(tmp_path: Path, clip: str, language: str | None) -> None:
    """None: by the folders' names."""
    root = tmp_path / "Formas"
    truth = shapes(root, 0, language, seed=21)
    assert accuracy(root, truth, "--encoder", clip, "--mode", "text") >= 0.95


def test_words_help_one_picture_a_class(tmp_path: Path, clip: str) -> None:
    found = {}
    for language in (None, "es"):
        root = tmp_path / str(language)
        truth = shapes(root, 1, language, seed=22)
        found[language] = accuracy(root, truth, "--encoder", clip)
    assert found["es"] >= found[None]
    assert found["es"] >= 0.95


@pytest.mark.slow
def test_a_text_encoder_of_another_length_is_refused(tmp_path: Path, clip: str) -> None:
    root = tmp_path / "Formas"
    shapes(root, 1, "en", seed=23)
    done = refsort("sort", *on(root), "--encoder", "builtin", "--text-encoder", clip)
    assert done.code == 2
    assert "don't belong together" in done.err
    done = refsort("sort", *on(root), "--encoder", clip, "--text-encoder", clip, "--mode", "text", "--json")
    assert done.code == 0, done.err
    assert done.json["sorted"] > 100


def test_pictures_say_which_phrase_fits(tmp_path: Path, clip: str) -> None:
    picture = tmp_path / "año 🎂.png"
    draw_shape(np.random.default_rng(1), "cross", "green").save(picture)
    (tmp_path / "more.txt").write_text("\ufeffuna cruz verde\n# no\na yellow bar\n", "utf-8")
    flags = ["--encoder", clip, "--data-dir", tmp_path, "--dataset", "none"]
    long = "🐶 " + "x " * 500
    done = refsort(
        "phrases", picture, tmp_path / "gone.png", *flags, "--labels", "a red ring", "", "a red ring", long,
        "--labels-file", tmp_path / "more.txt", "--png", tmp_path / "p.png", "--json",
    )  # fmt: skip
    assert done.code == 1, done.err  # one of the two can't be read
    (found,) = done.json["pictures"]
    assert found["labels"][0]["label"] == "una cruz verde"
    assert len(found["labels"]) == 4
    assert sum(entry["share"] for entry in found["labels"]) == pytest.approx(1, abs=1e-4)
    for said in ("1 empty phrase", "twice", "only the beginning is read", "gone.png is left out"):
        assert said in done.err
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_folder_beside_phrases(tmp_path: Path, clip: str) -> None:
    folder, rng = tmp_path / "fotos ñ", np.random.default_rng(2)
    folder.mkdir()
    asked = {"=rojo.png": ("circle", "red"), "b.png": ("bar", "blue"), "sub.png": ("ring", "yellow")}
    for name, (shape, colour) in asked.items():
        draw_shape(rng, shape, colour).save(folder / name)
    (folder / "broken.png").write_bytes(b"no picture")
    labels = [caption(*pair) for pair in asked.values()]
    files = {kind: tmp_path / "out" / f"t.{kind}" for kind in ("html", "csv", "png")}
    done = refsort(
        "similarity", folder, "--encoder", clip, "--labels", *labels,
        *(part for kind, path in files.items() for part in (f"--{kind}", path)),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "broken.png is left out" in done.err
    assert "\x1b" not in done.out  # colours only on a terminal
    rows = list(csv.reader(files["csv"].open(encoding="utf-8-sig")))
    assert rows[0] == ["picture", *labels]
    by_name = {row[0]: [float(value) for value in row[1:]] for row in rows[1:]}
    for at, name in enumerate(["'=rojo.png", "b.png", "sub.png"]):
        assert by_name[name][at] == max(by_name[name]) > 0.5
        assert sum(by_name[name]) == pytest.approx(1, abs=1e-4)
    page = files["html"].read_text("utf-8")
    assert page.count("data:image/jpeg") == 3 and "a red circle" in page
    raw = refsort("similarity", folder, "--encoder", clip, "--labels", *labels, "--raw", "--json")
    cosines = [entry["cosine"] for entry in raw.json["pictures"][0]["labels"]]
    assert f"{max(cosines):.3f}" in raw.err


def test_ten_thousand_phrases_and_a_folder_without_pictures(tmp_path: Path, clip: str) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    done = refsort("similarity", folder, "--encoder", clip, "--labels", "a cat")
    assert done.code == 2 and "holds no pictures" in done.err
    draw_shape(np.random.default_rng(3), "bar", "red").save(folder / "a.png")
    many = tmp_path / "many.txt"
    many.write_text("a red bar\n" + "".join(f"thing {i}\n" for i in range(9_999)), "utf-8")
    done = refsort("similarity", folder, "--encoder", clip, "--labels-file", many, "--html", tmp_path / "t.html")
    assert done.code == 0, done.err
    assert "a red bar" in done.out and "phrases not shown: " in done.out
    assert (tmp_path / "t.html").stat().st_size < 200_000
