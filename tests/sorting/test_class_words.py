"""phrases.txt: how it is read, and which classes it makes legal."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.config import Config
from refsort.decide import ClassWords
from refsort.encoders.base import Floats, Rgb
from refsort.errors import EmptyClass, EncoderError
from refsort.files.dataset import Dataset
from refsort.sorting.class_words import class_words, may_know_words, name_as_phrase, parse_phrases, tidy
from refsort.sorting.references import list_references


class Letters:
    """An encoder whose phrases are their letters' counts; pictures are of no use to these tests."""

    name, fingerprint, dim, side, templated = "letters", "letters", 26, 8, False

    def prepare(self, rgb: Rgb) -> Floats:
        raise NotImplementedError

    def embed_images(self, batch: Floats) -> Floats:
        raise NotImplementedError

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        rows = [[phrase.lower().count(chr(97 + i)) + 0.01 for i in range(26)] for phrase in phrases]
        return np.asarray([np.array(row) / np.linalg.norm(row) for row in rows], np.float32)


class Mute(Letters):
    name = "mute"

    def embed_texts(self, phrases: list[str]) -> None:
        return None


@pytest.mark.parametrize(
    ("data", "phrases"),
    [
        ("\ufeffa cat\n\n# not this\n  a   big cat  # nor this\na cat\r\n", ["a cat", "a big cat"]),
        ("un niño 🐶\n", ["un niño 🐶"]),
        ("", []),
        ("#\n\n \ufeff \n", []),
    ],
)
def test_a_phrase_a_line(data: str, phrases: list[str]) -> None:
    assert parse_phrases(data.encode()) == phrases


def test_a_file_from_an_old_windows_is_read_too() -> None:
    assert parse_phrases("niño".encode("cp1252")) == ["niño"]


def test_what_is_left_out_is_said() -> None:
    assert tidy(["a", "", " a ", "\ufeff"]) == (
        ["a"],
        ["2 empty phrases are left out", "1 phrase that stands there twice left out"],
    )


def make(root: Path, **classes: str | None) -> Dataset:
    """Classes with a picture if their text is None or begins with +; what follows is their phrases.txt."""
    (root / "Images").mkdir(parents=True)
    for name, text in classes.items():
        folder = root / "Clases" / name
        folder.mkdir(parents=True)
        if text is None or text.startswith("+"):
            Image.new("RGB", (8, 8)).save(folder / "1.png")
        if text and text != "+":
            (folder / "phrases.txt").write_text(text.removeprefix("+"), "utf-8")
    return Dataset(root)


def look(dataset: Dataset, encoder: Letters, **keys: object) -> tuple[ClassWords | None, list[str]]:
    told: list[str] = []
    files = {name: dataset.reference_files(name) for name in dataset.classes()}
    config = Config(data_dir=dataset.root.parent, dataset=dataset.name, **keys)  # type: ignore[arg-type]
    return class_words(config, dataset, encoder, files, told.append), told


def test_without_phrases_pictures_are_all_there_is(tmp_path: Path) -> None:
    assert look(make(tmp_path / "D", cat=None, dog=None), Letters()) == (None, [])


def test_a_class_is_worth_its_phrases_or_its_pictures_or_both(tmp_path: Path) -> None:
    dataset = make(tmp_path / "D", cat="+a cat", dog=None, red_fox="", yak="a yak\nan ox")
    words, told = look(dataset, Letters(), text_weight=3)
    assert words is not None
    assert words.weight.tolist() == [3, 0, 3, 3]
    expected = Letters().embed_texts(["red fox"])
    assert expected is not None
    np.testing.assert_allclose(words.vectors[2], expected[0], atol=1e-6)
    assert told == ["known by the folder's name only: red_fox"]
    assert look(dataset, Letters(), text_weight=0)[0].weight.tolist() == [0, 0, 1, 1]  # type: ignore[union-attr]


def test_an_encoder_without_words_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"class cat, which has no picture.*mute.*\n.*run.py install words.*clip"):
        look(make(tmp_path / "A", cat="a cat", dog=None), Mute())
    with pytest.raises(EncoderError, match="mode: text needs an encoder that knows words"):
        look(make(tmp_path / "B", cat=None), Mute(), mode="text")
    with pytest.raises(EmptyClass, match="cat has no reference picture"):
        look(make(tmp_path / "C", cat="", dog=None), Mute())
    words, told = look(make(tmp_path / "D", cat="+a cat", dog=None), Mute())
    assert words is None and "phrases.txt is left aside" in told[0]


def test_what_is_no_class_at_all_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    described = make(tmp_path / "A", cat="a cat", dog=None)
    assert list_references(described) == {"cat": [], "dog": ["Clases/dog/1.png"]}
    bare = make(tmp_path / "B", cat="", dog=None)
    with pytest.raises(EmptyClass):
        list_references(bare)
    assert list_references(bare, words=True)["cat"] == []


def test_other_modes_need_pictures(tmp_path: Path) -> None:
    with pytest.raises(EmptyClass):
        look(make(tmp_path / "D", cat="a cat", dog=None), Letters(), mode="avg")


def test_an_empty_class_is_refused_early_where_words_are_out_of_the_question(tmp_path: Path) -> None:
    dataset = make(tmp_path / "D", cat=None)
    assert not may_know_words(Config(encoder="builtin"), dataset)
    assert not may_know_words(Config(encoder="onnx:x.onnx"), dataset)
    assert may_know_words(Config(encoder="builtin-words"), dataset)
    assert may_know_words(Config(encoder="builtin", text_encoder="some/model"), dataset)


@pytest.mark.parametrize(("name", "phrase"), [("red_panda", "red panda"), ("t-shirt", "t shirt"), ("__", "__")])
def test_a_folders_name_in_words(name: str, phrase: str) -> None:
    assert name_as_phrase(name) == phrase
