"""`refsort map` as a person runs it."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from refsort.encoders import words_installed
from tests.e2e.helpers import on, refsort

COLOURS = {"rojo ñ": (220, 30, 30), "azul 🐳": (30, 40, 220), "verde</script>": (20, 180, 40)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of coloured shapes, four arrivals, one of them no picture."""
    root = tmp_path_factory.mktemp("data") / "Formas"
    for place in [f"Clases/{name.replace('/', '-')}" for name in COLOURS] + ["Images"]:
        (root / place).mkdir(parents=True)
    for name, colour in COLOURS.items():
        for i in range(4):
            _draw(root / "Clases" / name.replace("/", "-") / f"p{i}.png", colour, 30 + 8 * i)
    for i, colour in enumerate(COLOURS.values()):
        _draw(root / "Images" / f"new{i}.png", colour, 70)
    (root / "Images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    return root


def _draw(path: Path, colour: tuple[int, int, int], size: int) -> None:
    image = Image.new("RGB", (120, 120), (240, 240, 235))
    ImageDraw.Draw(image).rectangle((10, 10, 10 + size, 10 + size), fill=colour)
    image.save(path)


def test_a_dataset_is_mapped_and_a_second_time_nothing_is_read(dataset: Path, tmp_path: Path) -> None:
    arguments = ["map", *on(dataset), "--encoder", "builtin", "--out", tmp_path, "--json"]
    first = refsort(*arguments)
    assert first.code == 1 and "left out: Images/broken.png" in first.err
    found = first.json
    assert found["pictures"] == 15 and found["left_out"][0][0] == "Images/broken.png"
    assert found["groups"] == {"azul 🐳": 4, "rojo ñ": 4, "verde<-script>": 4, "Images/": 3}
    assert sum(found["explained"]) > 0.3
    page = Path(found["page"])
    before = page.read_text(encoding="utf-8")
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    for path in dataset.glob("Clases/*/*.png"):  # As they were for whoever looks, and nothing inside.
        times = path.stat()
        path.write_bytes(bytes(times.st_size))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = refsort(*arguments)
    for path in copy.glob("Clases/*/*.png"):
        shutil.copyfile(path, dataset / path.relative_to(copy))
    assert again.json == found
    places = [re.search('"xy":"([^"]+)"', text) for text in (before, page.read_text(encoding="utf-8"))]
    assert places[0] and places[1] and places[0][1] == places[1][1]


def test_parts_limit_and_folders(dataset: Path, tmp_path: Path) -> None:
    arguments = ["map", *on(dataset), "--encoder", "builtin", "--out", tmp_path, "--json"]
    assert refsort(*arguments, "--of", "Clases,Unsure").json["pictures"] == 12
    few = refsort(*arguments, "--of", "Clases", "--limit", "5", "--color", "folder", "--seed", "3").json
    assert few["pictures"] == 5 and few["total"] == 12 and all("Clases/" in name for name in few["groups"])
    wrong = refsort(*arguments, "--of", "Clasess")
    assert wrong.code == 2 and "has no folder Clasess" in wrong.err


def test_a_plain_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "vacío").mkdir()
    done = refsort("map", tmp_path / "vacío", "--encoder", "builtin", "--json")
    assert done.code == 0 and done.json["pictures"] == 0 and Path(done.json["page"]).is_file()


@pytest.mark.skipif(not words_installed(), reason="the packages of builtin-words are not here")
def test_class_phrases_come_with_their_class(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "Formas"
    shutil.copytree(dataset, copy, ignore=shutil.ignore_patterns(".refsort", "broken.png"))
    (copy / "Clases" / "rojo ñ" / "phrases.txt").write_text("# what it is\na red square\nun cuadrado rojo\n", "utf-8")
    done = refsort("map", *on(copy), "--encoder", "builtin", "--phrases", "--json")
    assert done.code == 0 and "approximate" in done.err
    assert done.json["phrases"] == 4 and done.json["encoder"] == "builtin-words"
    assert done.json["groups"]["rojo ñ"] == 6
    text = Path(done.json["page"]).read_text(encoding="utf-8")
    assert json.dumps("un cuadrado rojo") in text
