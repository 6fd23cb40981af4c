"""The map's page and PNG: self-contained, safe with any name, and with everything on it."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.explore.map import PHRASES, Map, Point
from refsort.files.dataset import Dataset
from refsort.report.explore_map import FINE, tile_side, write_map_page
from refsort.report.explore_map_png import write_map_png
from refsort.report.palette import DARK, LIGHT, marks
from refsort.report.tiles import make_tiles

ODD = ("a<!--<script>alert(1).png", "ñandú 🐦 “x” 'y' \"z\".png", "line\nbreak.png", "b\udcff#?%20.png")
SIGHT = {  # Machado, Oliveira & Fernandes (2009), severity 1, for linear RGB
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    f = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    f = np.where(f > 0.008856, np.cbrt(f), 7.787 * f + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def a_map(names: list[str], groups: list[str], texts: tuple[str, ...] = ()) -> Map:
    points = [
        Point(i / len(names) - 0.5, 0.25, name, group)
        for i, (name, group) in enumerate(zip(names, groups, strict=True))
    ]
    points += [Point(-1.0, 1.0, text, PHRASES, is_text=True) for text in texts]
    return Map(
        "Título </title>",
        "builtin",
        "pca",
        "tsne",
        1,
        (0.5, 0.25),
        points,
        [*sorted(set(groups)), PHRASES],
        [PHRASES],
        9,
    )


def data_of(page: Path) -> dict:
    html = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1])


def numbers(text: str, kind: str) -> list[int]:
    return np.frombuffer(base64.b64decode(text), kind).tolist()


@pytest.mark.parametrize(("colours", "ground"), [(LIGHT, "#f6f7f9"), (DARK, "#12161d")])
def test_colours_stay_apart_for_every_sight(colours: tuple[str, ...], ground: str) -> None:
    for name, matrix in SIGHT.items():
        seen = [lab(np.asarray(matrix) @ linear(colour)) for colour in colours]
        apart = min(np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i])
        assert apart > 22, name
    light = [float(XYZ[1] @ linear(colour)) + 0.05 for colour in (ground, *colours)]
    assert min(max(light[0], y) / min(light[0], y) for y in light[1:]) > 2


def test_thirty_two_classes_have_marks_of_their_own_and_the_rest_is_grey() -> None:
    classes = [f"c{i}" for i in range(32)]
    made = marks([*classes, "Unknown/", "Unsure/"], ["Unknown/", "Unsure/"])
    assert len(set(made)) == 34
    assert len({mark.light for mark in made[:8]}) == 8 and {mark.filling for mark in made[:8]} == {"full"}
    assert made[32].light == made[33].light not in {mark.light for mark in made[:32]}


def test_the_page_holds_everything_and_no_name_escapes(tmp_path: Path) -> None:
    for name in ODD:
        (tmp_path / "Clases/<b>").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 40), (200, 30, 30)).save(tmp_path / "Clases/<b>" / name)
    names = [f"Clases/<b>/{name}" for name in ODD]
    found = a_map([*names, "Images/gone.png"], [*["<b>"] * 4, "Images/"], ("perro </script>", "a 🐕"))
    page = tmp_path / "out" / "map.html"
    write_map_page(found, Dataset(tmp_path), page, 10**7, shown="pictures", labels=True)
    html = page.read_text(encoding="utf-8")
    assert html.count("</script>") == 2 and "<script>alert" not in html and "<!--" not in html and "<b>" not in html
    assert not re.search(r"(src|href)=.?(https?:)?//", html) and "connect-src" not in html
    data = data_of(page)
    assert data["images"] == 5 and len(data["names"]) == 7 and data["names"][5] == "perro </script>"
    assert data["names"][2] == r"line\nbreak.png"
    assert data["odd"] == {"2": "line%0Abreak.png", "3": "b%FF%23%3F%2520.png"}
    folders = [data["folders"][i] for i in numbers(data["folder"], "<u4")]
    assert folders == ["../Clases/%3Cb%3E"] * 4 + ["../Images"]
    xy = numbers(data["xy"], "<i2")
    assert xy[:2] == [round(-0.5 * FINE), round(0.25 * FINE)] and xy[-2:] == [-FINE, FINE]
    assert [data["groups"][g]["name"] for g in numbers(data["group"], "<u2")][3:6] == ["<b>", "Images/", PHRASES]
    assert numbers(data["sizes"], "u1") == [80, 40] * 4 + [0, 0] and data["shown"] == "pictures"


def test_the_page_says_what_may_mislead(tmp_path: Path) -> None:
    names = [f"Images/{i}.jpg" for i in range(3001)]
    page = write_map_page(
        a_map(names, ["Images/"] * 3001, ("a", "b")),
        Dataset(tmp_path),
        tmp_path / "m.html",
        1,
        shown="pictures",
        labels=False,
    )
    html = page.read_text(encoding="utf-8")
    assert "modality gap" in html and "50 % and 25 % of the variance" in html and "t-SNE has nothing to show" in html
    assert data_of(page)["sheets"] == [] and data_of(page)["shown"] == "dots" and tile_side(3000) == 64
    assert page.stat().st_size < 200_000


def test_tiles_lie_where_the_script_looks_for_them(tmp_path: Path) -> None:
    paths = []
    for i in range(260):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (64, 64), (255, 255, 255) if i in (17, 258) else (0, 0, 0)).save(paths[-1])
    paths[3].write_bytes(b"no picture")
    told: list[int] = []
    tiles = make_tiles(paths, 32, 10**7, lambda: told.append(1))
    assert len(tiles.sheets) == 2 and len(told) == 260 and tiles.sizes[3] == (0, 0) and tiles.sizes[17] == (32, 32)
    first, second = (np.asarray(_image(sheet)) for sheet in tiles.sheets)
    assert first.shape == (512, 512, 3) and second.shape == (32, 128, 3)
    assert first[36:60, 36:60].min() > 200 and first[:30, :90].max() < 60
    assert second[4:28, 68:92].min() > 200


def _image(url: str) -> Image.Image:
    import io

    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@pytest.mark.parametrize("number", [0, 1, 40])
def test_the_png_is_drawn(tmp_path: Path, number: int) -> None:
    pytest.importorskip("matplotlib")
    Image.new("RGB", (120, 120), (250, 0, 0)).save(tmp_path / "0.png")
    names = [f"{i}.png" for i in range(number)]
    found = a_map(names, [f"$clase_{i}$ ñ" for i in range(number)], ("un perro $x$",) if number else ())
    path = write_map_png(found, Dataset(tmp_path), tmp_path / "m.png", 10**7, pictures=True, labels=True)
    assert path is not None
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] >= 1000
    red = ((pixels[..., 0] > 230) & (pixels[..., 1] < 20) & (pixels[..., 2] < 20)).sum()
    assert (red > 500) == (number > 0)
