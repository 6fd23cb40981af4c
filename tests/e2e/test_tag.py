"""`refsort tag` and `action: tag` from the command line: sidecars, merging, undo, and what moves later."""

import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.files.xmp import new, subjects
from tests.e2e.helpers import Done, on, refsort
from tests.e2e.watching import disc, lies, make_dataset, until, watched
from tests.encoders.tiny_clip import draw_shape, tiny_clip_folder
from tests.trees import read

COLOURS = {"Día": (200, 40, 30), "ñu 🐃": (30, 60, 200)}


def picture(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 50, (96, 96, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path, quality=90)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of five references, and two arrivals of each, one of them with a sidecar."""
    root = tmp_path_factory.mktemp("made") / "D"
    for number, (name, colour) in enumerate(COLOURS.items()):
        for k in range(5):
            picture(root / "Clases" / name / f"{k}.jpg", colour, 10 * number + k)
        for k in range(2):
            picture(root / "Images" / f"{number}{k}.jpg", colour, 100 + 10 * number + k)
    (root / "Images" / "00.xmp").write_bytes(new(["mine"]))
    (root / "Images" / "note.jpg").write_bytes(b"no picture")
    done = refsort("check", *on(root))  # The references' vectors are in the cache of every copy.
    assert done.code in (0, 1), done.err
    return root


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "D"))


def run(data: Path, *words: str | Path) -> Done:
    settings = () if words[0] == "undo" else ("--encoder", "builtin", "--unsure", "off")
    return refsort(*words, *on(data), *settings)


def keywords(data: Path, folder: str = "Images") -> dict[str, list[str]]:
    return {path.name: subjects(path.read_bytes()) for path in sorted((data / folder).rglob("*.xmp"))}


EXPECTED = {
    "00.xmp": ["mine", "Día"],
    "01.jpg.xmp": ["Día"],
    "10.jpg.xmp": ["ñu 🐃"],
    "11.jpg.xmp": ["ñu 🐃"],
}


def test_tag_merge_undo_and_again(data: Path) -> None:
    before = read(data)
    dry = run(data, "tag", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert dry.json["tagged"] == 4
    assert read(data) == before
    done = run(data, "tag", "--json")
    assert done.code == 0, done.err
    assert (done.json["tagged"], done.json["bad"]) == (4, 1)
    assert keywords(data) == EXPECTED
    images = before["Images"]
    assert isinstance(images, dict)
    assert {k: v for k, v in read(data / "Images").items() if not k.endswith(".xmp")} == {
        k: v for k, v in images.items() if not k.endswith(".xmp")
    }, "no picture was touched"
    assert run(data, "tag", "--json").json["had"] == 4
    for _ in range(2):
        assert run(data, "undo").code == 0
    assert read(data) == before
    assert run(data, "undo", "4").code == 0, "taking back what took it back"
    assert keywords(data) == EXPECTED


def test_exiftool_reads_what_was_written(data: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed (libimage-exiftool-perl)")
    assert run(data, "tag").code == 0
    command = ["exiftool", "-charset", "utf8", "-charset", "filename=utf8", "-s3", "-sep", "|", "-Subject"]
    for name, words in EXPECTED.items():
        done = subprocess.run([*command, data / "Images" / name], capture_output=True, text=True, check=True)
        assert done.stdout.strip().split("|") == words


def test_action_tag_decides_once_and_a_sort_takes_the_sidecars_along(data: Path) -> None:
    before = read(data)
    first = run(data, "sort", "--action", "tag", "--json")
    assert first.code == 0, first.err
    assert (first.json["sorted"], first.json["bad"], first.json["skipped"]) == (4, 1, 0)
    assert keywords(data) == EXPECTED
    assert not (data / "Bad").exists(), "nothing leaves Images/"
    again = run(data, "sort", "--action", "tag", "--json")
    assert (again.json["sorted"], again.json["skipped"]) == (0, 4)
    (data / "Images" / "11.jpg.xmp").unlink()
    assert run(data, "sort", "--action", "tag", "--json").json["sorted"] == 1, "a tag that is gone is set again"
    assert run(data, "undo").code == 0
    assert run(data, "undo", "1", "--class", "Día").code == 0
    assert keywords(data) == {"00.xmp": ["mine"]} | {k: v for k, v in EXPECTED.items() if k == "10.jpg.xmp"}
    assert run(data, "sort", "--bad", "keep").code == 0
    assert (data / "Dataset" / "Día" / "00.xmp").exists()
    assert (data / "Dataset" / "ñu 🐃" / "10.jpg.xmp").exists()
    assert run(data, "undo").code == 0
    assert run(data, "undo", "--file", "Images/10.jpg").code == 0
    assert read(data) == before


def test_tags_of_sorted_pictures_come_from_their_folder_and_go_back_with_them(data: Path) -> None:
    before = read(data)
    assert run(data, "sort", "--bad", "keep").code == 0
    (data / "Dataset" / "Día" / "01.jpg").rename(data / "Dataset" / "ñu 🐃" / "01.jpg")
    assert run(data, "tag", "Dataset").code == 0
    assert keywords(data, "Dataset") == EXPECTED | {"01.jpg.xmp": ["ñu 🐃"]}
    (data / "Dataset" / "ñu 🐃" / "01.jpg").rename(data / "Dataset" / "Día" / "01.jpg")
    (data / "Dataset" / "ñu 🐃" / "01.jpg.xmp").rename(data / "Dataset" / "Día" / "01.jpg.xmp")
    (data / "Dataset" / "Día" / "01.jpg.xmp").rename(data / "kept-by-hand")
    assert run(data, "undo", "1").code == 0, "the sort alone, though it was tagged since"
    assert keywords(data) == {k: v for k, v in EXPECTED.items() if k != "01.jpg.xmp"}
    (data / "kept-by-hand").unlink()
    last = run(data, "undo", "2")
    assert last.code == 1
    assert "its sidecar is gone" in last.err
    assert read(data) == before


def test_any_folder_but_the_references(data: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "Fotos de verano"
    picture(elsewhere / "a" / "x.jpg", COLOURS["Día"], 7)
    done = run(data, "tag", elsewhere, "--json")
    assert done.code == 0, done.err
    assert subjects((elsewhere / "a" / "x.jpg.xmp").read_bytes()) == ["Día"]
    assert run(data, "undo").code == 0
    assert not (elsewhere / "a" / "x.jpg.xmp").exists()
    for refused in ("Clases", "Clases/Día", str(data / "Clases"), ".", "nowhere"):
        assert run(data, "tag", refused).code == 2, refused
    assert not list((data / "Clases").rglob("*.xmp"))


def test_a_sidecar_that_can_not_be_added_to_stays(data: Path) -> None:
    evil = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    (data / "Images" / "01.jpg.xmp").write_bytes(evil)
    target = data / "outside"
    target.write_bytes(b"theirs")
    (data / "Images" / "10.jpg.xmp").symlink_to(target)
    done = run(data, "tag", "--json")
    assert done.code == 1
    assert (done.json["tagged"], done.json["failed"]) == (2, 2)
    assert "document type" in done.out
    assert (data / "Images" / "01.jpg.xmp").read_bytes() == evil
    assert target.read_bytes() == b"theirs"


def test_several_classes_need_probabilities(data: Path) -> None:
    assert "from 0.25" in run(data, "tag", "--several", "0.1").err
    none = run(data, "tag", "--several", "0.9", "--mode", "avg")
    assert none.code == 2
    assert "mode lda" in none.err
    assert keywords(data) == {"00.xmp": ["mine"]}


PAIRS = [("ring", "red"), ("cross", "blue"), ("circle", "green"), ("bar", "yellow")]


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


@pytest.fixture
def two_things(tmp_path: Path) -> tuple[Path, dict[str, set[str]]]:
    """Four classes of six references; arrivals that show one, two side by side, or none; and which ones they show."""
    rng = np.random.default_rng(3)
    root, truth = tmp_path / "Dos", {}
    (root / "Images").mkdir(parents=True)
    for shape, colour in PAIRS:
        (root / "Clases" / f"{colour} {shape}").mkdir(parents=True)
        for number in range(6):
            draw_shape(rng, shape, colour).save(root / "Clases" / f"{colour} {shape}" / f"{number}.png")
        for number in range(5):
            draw_shape(rng, shape, colour).save(root / "Images" / f"one {shape} {number}.png")
            truth[f"one {shape} {number}.png"] = {f"{colour} {shape}"}
    for number, (left, right) in enumerate([*combinations(PAIRS, 2), *combinations(PAIRS[::-1], 2)]):
        beside(draw_shape(rng, *left), draw_shape(rng, *right)).save(root / "Images" / f"two {number}.png")
        truth[f"two {number}.png"] = {f"{colour} {shape}" for shape, colour in (left, right)}
    for number, shape in enumerate(["ring", "cross"] * 2):
        draw_shape(rng, shape, "purple").save(root / "Images" / f"none {number}.png")
        truth[f"none {number}.png"] = set()
    return root, truth


def test_several_finds_two_things_side_by_side(two_things: tuple[Path, dict[str, set[str]]]) -> None:
    """Both keywords where both are likely, none that is wrong; a picture that is like no class may get none."""
    root, truth = two_things
    before = read(root)
    done = refsort("tag", "--several", "0.3", "--json", *on(root), "--encoder", tiny_clip_folder())
    assert done.code == 0, done.err
    written = {name.removesuffix(".xmp"): words for name, words in keywords(root).items()}
    assert all(len(words) == len(set(words)) and set(words) <= truth[name] for name, words in written.items())
    assert sum(set(written.get(name, [])) == shown for name, shown in truth.items() if len(shown) == 2) >= 5
    assert sum(set(written.get(name, [])) == shown for name, shown in truth.items() if len(shown) == 1) >= 18
    assert {p["path"]: p["keywords"] for p in done.json["pictures"] if p["state"] == "tagged"} == {
        f"Images/{name}": words for name, words in written.items()
    }
    assert refsort("undo", *on(root)).code == 0
    assert read(root) == before


def test_the_daemon_tags_what_arrives_and_leaves_it_there(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "W")
    (data / "Images" / "first.jpg").write_bytes(disc("rojo", 9))
    with watched(data, "--action", "tag", "--unsure", "off") as daemon:
        until(lies(data, "Images/first.jpg.xmp"), "the first tag")
        (data / "Images" / "second.jpg").write_bytes(disc("azul", 9))
        until(lies(data, "Images/second.jpg.xmp"), "the second tag")
        until(lambda: daemon.status["counts"] == {"sorted": 2} and daemon.status["queue"] == 0, "an empty queue")
    assert keywords(data) == {"first.jpg.xmp": ["rojo"], "second.jpg.xmp": ["azul"]}
    with watched(data, "--action", "tag", "--unsure", "off") as daemon:
        until(lambda: daemon.status["queue"] == 0, "an empty queue")
        assert daemon.status["counts"].get("sorted", 0) == 0, "it knows from the journal"
    assert refsort("undo", *on(data)).code == 0
    assert refsort("undo", *on(data)).code == 0
    assert keywords(data) == {}
