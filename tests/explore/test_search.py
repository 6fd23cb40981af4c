"""Words, pictures, both together, without something: the small CLIP finds what was asked for."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.errors import ConfigError, DatasetError
from refsort.explore.hits import Filters, class_of
from refsort.explore.query import Part
from refsort.explore.ranking import combine
from refsort.explore.search import Search
from refsort.files.dataset import Dataset
from tests.encoders.tiny_clip import CLASSES, captions
from tests.explore.helpers import dated, searching, shapes

EACH = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    shapes(root, EACH, seed=5)
    return root


def classes(search: Search, *parts: object, top: int = EACH, **more: object) -> list[str]:
    """The folder of each hit."""
    found = search.find(parts, top=top, near=None, **more)  # type: ignore[arg-type]
    return [hit.path.split("/")[0] for hit in found.hits]


@pytest.mark.parametrize("language", ["en", "es"])
def test_words_find_their_pictures(folder: Path, language: str) -> None:
    """Recall@10: of the ten pictures of each class, how many are among the ten that its phrase finds first.

    The mean over twenty classes, each said in the three ways of the language. Two hundred pictures, drawn with another
    seed than those that the network has learned from; chance is 5 %.
    """
    recalls = []
    with searching(folder) as search:
        for shape, colour in CLASSES:
            for words in captions(shape, colour)[language == "es" :: 2]:
                found = classes(search, search.phrase(words), top=10)
                recalls.append(found.count(f"{colour} {shape}") / EACH)
    logging.info(
        "recall@10 %s: mean %.3f, least %.1f of %d phrases", language, np.mean(recalls), min(recalls), len(recalls)
    )
    assert len(recalls) == 60 and np.mean(recalls) >= 0.95


def test_a_picture_finds_its_like_and_itself_only_if_asked(folder: Path) -> None:
    picture = folder / "blue cross" / "3.png"
    with searching(folder) as search:
        with_itself = search.find([search.picture(picture)], top=5, near=None).hits
        without = search.find([search.picture(picture, itself=False)], top=5, near=None).hits
    assert with_itself[0].path == "blue cross/3.png"
    assert with_itself[0].similarity == pytest.approx(1, abs=1e-3)
    assert "blue cross/3.png" not in [hit.path for hit in without]
    assert {hit.path.split("/")[0] for hit in without} == {"blue cross"}


def test_a_part_with_a_negative_weight_pushes_away(folder: Path) -> None:
    with searching(folder) as search:
        any_ring = classes(search, search.phrase("a red ring"), top=40)
        not_green = classes(search, search.phrase("a red ring"), search.phrase("a green ring", -0.5), top=40)
    assert any_ring.count("green ring") > not_green.count("green ring")
    assert not_green[:EACH].count("red ring") >= 0.7 * EACH


def test_a_picture_and_a_phrase_add_up(folder: Path) -> None:
    """Between a red ring and 'a red cross', red rings and red crosses come before all else, both of them."""
    with searching(folder) as search:
        found = classes(search, search.picture(folder / "red ring/0.png"), search.phrase("a red cross"), top=2 * EACH)
    assert min(found.count("red ring"), found.count("red cross")) >= EACH // 2


def test_a_weight_means_the_same_whether_cosines_spread_widely_or_not() -> None:
    """Pictures' cosines spread more than phrases'; unscaled, the wide part would decide alone."""
    rng = np.random.default_rng(0)
    rows = np.zeros((2000, 3), np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2] = 1, 0.5 * rng.standard_normal(2000), 0.02 * rng.standard_normal(2000)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    wide, narrow = np.array([0, 1, 0], np.float32), np.array([0, 0, 1], np.float32)
    scores = rows @ combine([Part(wide), Part(narrow)], rows)
    shares = [np.corrcoef(scores, rows @ part)[0, 1] for part in (wide, narrow)]
    assert shares == pytest.approx([0.707, 0.707], abs=0.05)


def test_duplicates_are_folded(tmp_path: Path) -> None:
    shapes(tmp_path, 1, seed=2, colours=["red"])
    original = tmp_path / "red ring" / "0.png"
    (tmp_path / "same.png").write_bytes(original.read_bytes())
    with Image.open(original) as image:
        image.save(tmp_path / "nearly.jpg", quality=95)
    with searching(tmp_path) as search:
        part = search.picture(original)
        folded = search.find([part], top=4, near=0.985).hits
        identical = search.find([part], top=5, near=None).hits
    assert (folded[0].path, folded[0].copies, folded[0].near) == ("red ring/0.png", ["same.png"], ["nearly.jpg"])
    assert len(folded) == 4
    assert [hit.near for hit in identical] == [[]] * 5
    assert identical[1].path == "nearly.jpg"


def test_filters(tmp_path: Path) -> None:
    root = tmp_path / "Formas"
    shapes(root / "Clases", 1, seed=1)
    shapes(root / "Dataset", 1, seed=2)
    shapes(root / "Images" / "ñandú", 1, seed=3)
    for path in root.rglob("*.png"):
        dated(path, 10)
    dated(root / "Dataset/red ring/0.png", 12)
    with searching(root) as search:
        part = search.phrase("a red ring")

        def found(**filters: object) -> list[str]:
            return sorted(h.path for h in search.find([part], top=99, near=None, filters=Filters(**filters)).hits)  # type: ignore[arg-type]

        assert found(classes=("Red RING",)) == ["Clases/red ring/0.png", "Dataset/red ring/0.png"]
        assert found(classes=("red ring",), folder="Dataset") == ["Dataset/red ring/0.png"]
        assert len(found(folder="Images/ñandú")) == 20
        assert found(folder="Images/ñan") == []
        day = 86_400
        start = 1_767_225_600 + 11 * day
        assert found(since=start) == ["Dataset/red ring/0.png"]
        assert len(found(until=start)) == 59
        assert found(since=start, until=start + 43_200.0) == [], "the end does not belong to it"


def test_classes_of_paths(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    expected = {
        "Clases/a/x.jpg": "a",
        "Dataset/a/b/x.jpg": "a",
        "Images/a/x.jpg": None,
        "holiday/x.jpg": "holiday",
        "x.jpg": None,
    }
    assert {path: class_of(dataset, path) for path in expected} == expected


def test_what_can_not_be_asked(folder: Path) -> None:
    with searching(folder) as search:
        for text in ("", "   ", "\ufeff", "\n\t"):
            with pytest.raises(ConfigError, match="empty"):
                search.phrase(text)
        with pytest.raises(ConfigError, match="look for"):
            search.find([search.phrase("a red ring", -1)])
        with pytest.raises(ConfigError, match="cancel"):
            search.find([search.phrase("a red ring"), search.phrase("a red ring", -1)])
        with pytest.raises(ConfigError, match="no captions"):
            search.find([search.phrase("a red ring")], match="captions")
        with pytest.raises(DatasetError, match="does not exist"):
            search.picture(folder / "nothing.png")
        with pytest.raises(DatasetError, match="searched with"):
            (folder / "notes.txt").write_text("no picture")
            search.picture(folder / "notes.txt")
        assert search.phrase("\ufeffa  red\tring").words == "a red ring"
        assert len(search.find([search.phrase("🐕🦄")], top=3).hits) == 3


def test_a_long_phrase_is_cut_off_with_a_warning(folder: Path) -> None:
    with searching(folder) as search:
        long = search.phrase("a red ring " * 167)
        assert "501 words" in long.warning
        assert search.phrase("a red ring").warning == ""
        assert search.phrase("a red ring or a blue bar").warning == ""
        reads = int(long.warning.rsplit(" ", 1)[1])
        assert np.allclose(
            search.phrase(" ".join(["a red ring"] * 167).rsplit(" ", 501 - reads)[0]).vector, long.vector
        )


def test_captions_are_found_and_joined_with_pictures(tmp_path: Path) -> None:
    shapes(tmp_path, 1, seed=4)
    (tmp_path / "captions.txt").write_text("\ufeffimage,caption\nblue bar/0.png,a yellow cross\n", encoding="utf-8")
    (tmp_path / "green ring" / "0.txt").write_text("a yellow cross\n")
    with searching(tmp_path) as search:
        part = search.phrase("a yellow cross")
        by_caption = search.find([part], match="captions", near=None).hits
        by_picture = search.find([part], match="pictures", near=None).hits
        both = search.find([part], match="both", near=None, top=20).hits
    assert {hit.path for hit in by_caption} == {"blue bar/0.png", "green ring/0.png"}
    assert by_caption[0].caption == "a yellow cross"
    assert by_picture[0].path == "yellow cross/0.png"
    assert len(both) == 20, "pictures without a caption take part"
    (tmp_path / "captions.txt").unlink()
    with searching(tmp_path) as search:
        left = search.find([search.phrase("a yellow cross")], match="captions", near=None).hits
    assert [hit.path for hit in left] == ["green ring/0.png"]
