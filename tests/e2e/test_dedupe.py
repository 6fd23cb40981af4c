"""`refsort dedupe` on photographs and on what becomes of them: found, the best kept, moved aside, taken back."""

import random
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.conftest import SHARED
from tests.e2e.helpers import on, refsort
from tests.trees import contents, read

SETS = ("grocery", "clothing", "trash")


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    if not (SHARED / "photos").is_dir():
        pytest.skip("sample pictures are not here")
    rng = random.Random(3)
    return [rng.choice(sorted(p for p in f.iterdir() if p.is_file())) for s in SETS for f in classes(s)[:4]]


def classes(name: str) -> list[Path]:
    return sorted(p for p in (SHARED / "photos" / name).iterdir() if p.is_dir())


@pytest.fixture(scope="module")
def folder(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve different photographs 480 pixels wide, and nine ways to have five of them twice."""
    root = tmp_path_factory.mktemp("dedupe") / "Fotos ñ"
    (root / "sub").mkdir(parents=True)
    for number, photo in enumerate(photos):
        image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
        image = image.resize((480, 480 * image.height // image.width), Image.Resampling.LANCZOS)
        image.save(root / f"{number:02}.jpg", quality=95)
        w, h = image.size
        ways = {
            "small": image.resize((w // 2, h // 2)),
            "q50": image,
            "crop": image.crop((w // 40, h // 40, w - w // 40, h - h // 40)),
            "bright": ImageEnhance.Brightness(image).enhance(1.2),
            "mirror": ImageOps.mirror(image),
            "turned": image.rotate(90, expand=True),
        }
        for way, made in ways.items() if number % 3 == 0 else ():
            made.save(root / "sub" / f"{number:02}-{way}.jpg", quality=50 if way == "q50" else 92)
        if number % 3 == 0:
            shutil.copy2(root / f"{number:02}.jpg", root / "sub" / f"{number:02}-same.jpg")
    (root / "sub" / "00-small.jpg.xmp").write_bytes(b"a sidecar")
    (root / "broken.jpg").write_bytes(b"no picture")
    return root


def test_groups_moved_aside_and_taken_back(folder: Path) -> None:
    before, bytes_before = read(folder), contents(folder)
    dry = refsort("dedupe", folder, "--json", "--html", "--encoder", "builtin")
    assert dry.code == 0, dry.err
    found = dry.json
    assert (found["looked_at"], found["unreadable"]) == (41, 1)
    pairs = {(g["kept"]["path"][:2], o["path"].rpartition("/")[2][:2]) for g in found["groups"] for o in g["others"]}
    assert all(kept == other for kept, other in pairs if not kept.startswith("su")), pairs
    kept = {g["kept"]["path"] for g in found["groups"]}
    assert {"00.jpg", "03.jpg", "06.jpg", "09.jpg"} <= kept, "the largest and sharpest, not a copy of it"
    others = [o["path"] for g in found["groups"] for o in g["others"]]
    assert len(others) == len(set(others)) >= 26, "of 28"
    assert {f"sub/{n:02}-same.jpg" for n in (0, 3, 6, 9)} == {
        o["path"] for g in found["groups"] for o in g["others"] if o["kind"] == "exact"
    }
    assert read(folder) == before
    assert "sub/00-same.jpg" in Path(found["report"]).read_text(encoding="utf-8")
    only = refsort("dedupe", folder, "--exact", "--json", "--encoder", "builtin").json
    assert only["duplicates"] == 4

    moved = refsort("dedupe", folder, "--move", "--json", "--encoder", "builtin")
    assert moved.code == 0, moved.err
    assert moved.json["moved"] == len(others)
    assert sorted(others) == sorted(
        p.relative_to(folder / "Duplicates").as_posix() for p in (folder / "Duplicates").rglob("*.jpg")
    )
    assert (folder / "Duplicates/sub/00-small.jpg.xmp").read_bytes() == b"a sidecar"
    assert contents(folder) == bytes_before, "not a byte is lost or doubled"
    assert refsort("dedupe", folder, "--json", "--encoder", "builtin").json["duplicates"] == 0
    undone = refsort("undo", "--folder", folder)
    assert undone.code == 0, undone.err
    shutil.rmtree(folder / "Duplicates")
    assert read(folder) == before


def test_different_pictures_of_one_thing_are_none(tmp_path: Path) -> None:
    if not (SHARED / "photos").is_dir():
        pytest.skip("sample pictures are not here")
    for name in SETS:
        shutil.copytree(classes(name)[0], tmp_path / "P" / name)
    done = refsort("dedupe", tmp_path / "P", "--json", "--encoder", "builtin")
    assert done.code == 0, done.err
    assert done.json["looked_at"] > 60
    assert done.json["duplicates"] == 0


def test_of_a_dataset_the_references_stay_and_copies_by_refsort_are_none(photos: list[Path], tmp_path: Path) -> None:
    data = tmp_path / "D"
    for number, name in enumerate(("a", "b")):
        (data / "Clases" / name).mkdir(parents=True)
        shutil.copy2(photos[number], data / "Clases" / name / "r.jpg")
        shutil.copy2(photos[number], data / "Clases" / name / "twin.jpg")
    (data / "Images").mkdir()
    shutil.copy2(photos[0], data / "Images" / "again.jpg")
    shutil.copy2(photos[2], data / "Images" / "x.jpg")
    (data / "Images" / "link.jpg").hardlink_to(data / "Images" / "x.jpg")
    assert refsort("sort", *on(data), "--action", "copy", "--unsure", "off", "--encoder", "builtin").code == 0
    before = read(data)
    done = refsort("dedupe", *on(data), "--move", "--json", "--encoder", "builtin")
    assert done.code == 0, done.err
    assert (done.json["duplicates"], done.json["moved"], done.json["stays"]) == (3, 1, 2)
    assert read(data / "Clases") == before["Clases"]
    assert (data / "Duplicates" / "Images" / "again.jpg").exists()
    assert (data / "Images" / "x.jpg").exists()
    assert (data / "Images" / "link.jpg").exists()
    assert refsort("undo", *on(data)).code == 0
    assert read(data) == before


def test_odd_folders(tmp_path: Path) -> None:
    assert refsort("dedupe", tmp_path / "nowhere").code == 2
    (tmp_path / "empty").mkdir()
    assert refsort("dedupe", tmp_path / "empty", "--json", "--encoder", "builtin").json["duplicates"] == 0
    for name in ("black.png", "white.png", "black2.png"):
        Image.new("RGB", (64, 64), name[:5]).save(tmp_path / "empty" / name)
    found = refsort("dedupe", tmp_path / "empty", "--json", "--encoder", "builtin").json
    assert [g["kind"] for g in found["groups"]] == ["exact"], "even tones are compared by their bytes only"
