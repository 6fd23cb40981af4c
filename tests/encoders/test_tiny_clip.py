"""The sentence-transformers encoder on a real, small CLIP: does it sort, and is it what the library itself computes?"""

import json
import pickle
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsort.encoders import hub
from refsort.encoders.base import Encoder, Floats, unit
from refsort.encoders.hub import fingerprint
from refsort.encoders.sentence_transformers import SentenceTransformerEncoder
from refsort.errors import EncoderError
from tests.encoders import tiny_clip
from tests.encoders.tiny_clip import CLASSES, SIDE, caption

pytestmark = pytest.mark.skipif(not hub.installed(), reason="needs torch and sentence-transformers")

LABELS = np.arange(len(CLASSES))
TOWER = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def folder() -> Path:
    return tiny_clip.tiny_clip_folder()


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder.load(str(folder))


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """The same model in another place, to be changed."""
    return Path(shutil.copytree(folder, tmp_path / "elsewhere"))


def photos(rng: np.random.Generator) -> list[Image.Image]:
    """Noise of various shapes, among them the narrow ones whose axes are easily mistaken for colours."""
    sizes = [(96, 96), (300, 200), (90, 161), (33, 32), (20, 1), (20, 3), (3, 20), (3, 3), (1, 1)]
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in sizes]


def prepared(encoder: Encoder, pictures: list[Image.Image]) -> Floats:
    return np.stack([encoder.prepare(np.asarray(picture)) for picture in pictures])


def embedded(encoder: Encoder, each: int, seed: int) -> Floats:
    """Vectors of pictures never trained on, float32[classes, each, dim]."""
    rng = np.random.default_rng(seed)
    drawn = [tiny_clip.draw_shape(rng, shape, colour) for shape, colour in CLASSES for _ in range(each)]
    return encoder.embed_images(prepared(encoder, drawn)).reshape(len(CLASSES), each, -1)


def plain(folder: Path) -> Any:
    """The model as the library loads it when nobody interferes."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder))


def test_is_an_encoder(encoder: SentenceTransformerEncoder) -> None:
    assert isinstance(encoder, Encoder)
    assert (encoder.side, encoder.dim) == (SIDE, 64)


def test_sorts_unseen_pictures_by_five_references(encoder: SentenceTransformerEncoder) -> None:
    means = unit(embedded(encoder, 5, seed=101).mean(axis=1))
    found = (embedded(encoder, 15, seed=102) @ means.T).argmax(axis=2)
    assert (found == LABELS[:, None]).mean() >= 0.95


@pytest.mark.parametrize("language", ["en", "es"])
def test_sorts_unseen_pictures_by_phrases(encoder: SentenceTransformerEncoder, language: str) -> None:
    phrases = encoder.embed_texts([caption(shape, colour, language) for shape, colour in CLASSES])
    assert phrases is not None
    found = (embedded(encoder, 15, seed=103) @ phrases.T).argmax(axis=2)
    assert (found == LABELS[:, None]).mean() >= 0.90


def test_gives_what_the_library_gives(encoder: SentenceTransformerEncoder, folder: Path) -> None:
    pictures = photos(np.random.default_rng(1))
    phrases = ["a red circle", "una cruz morada", "anything else", "word " * 100]
    ours = encoder.embed_images(prepared(encoder, pictures))
    theirs = unit(plain(folder).encode(pictures))
    assert (ours * theirs).sum(axis=1).min() >= 0.99999
    ours_of_phrases = encoder.embed_texts(phrases)
    assert ours_of_phrases is not None
    assert (ours_of_phrases * unit(plain(folder).encode(phrases))).sum(axis=1).min() >= 0.99999


def test_prepares_as_clip_was_published(encoder: SentenceTransformerEncoder) -> None:
    """Shortest side to SIDE, bicubic; middle square; mean and deviation: worked out here once more, by hand."""
    processor = tiny_clip.make_image_processor()
    for picture in photos(np.random.default_rng(2)):
        width, height = (int(SIDE * length / min(picture.size)) for length in picture.size)
        left, top = (width - SIDE) // 2, (height - SIDE) // 2
        small = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))[top:, left:][:SIDE, :SIDE]
        expected = ((small / 255 - processor.image_mean) / processor.image_std).transpose(2, 0, 1)
        found = encoder.prepare(np.asarray(picture))
        assert found.dtype == np.float32
        assert found.shape == (3, SIDE, SIDE)
        assert np.abs(found - expected).max() < 1e-5


def test_a_line_of_a_million_pixels_is_prepared(encoder: SentenceTransformerEncoder) -> None:
    line = np.random.default_rng(3).integers(0, 256, (1, 1_000_000, 3), np.uint8)
    assert np.array_equal(encoder.prepare(line), encoder.prepare(line[:, 499_975:500_025]))


def test_vectors_do_not_depend_on_the_batch(encoder: SentenceTransformerEncoder) -> None:
    pixels = prepared(encoder, photos(np.random.default_rng(4)))
    alone = np.concatenate([encoder.embed_images(pixels[i : i + 1]) for i in range(len(pixels))])
    together = encoder.embed_images(np.concatenate([pixels, pixels[::-1]]))[: len(pixels)]
    assert np.abs(alone - together).max() < 1e-6
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-6
    assert encoder.embed_images(pixels[:0]).shape == (0, 64)


def test_pictures_are_prepared_in_threads(encoder: SentenceTransformerEncoder) -> None:
    pictures = [np.asarray(picture) for picture in photos(np.random.default_rng(5))] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.prepare, pictures))
    assert all(np.array_equal(one, encoder.prepare(picture)) for one, picture in zip(found, pictures, strict=True))


def test_fingerprint_stays_where_only_the_place_changes(folder: Path, copied: Path) -> None:
    (copied / "README.md").write_text("Notes are no part of the model.")
    assert fingerprint(copied) == fingerprint(folder)


def test_fingerprint_changes_with_one_weight(folder: Path, copied: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    weights["visual_projection.weight"][3, 5] += 1e-4
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(copied) != fingerprint(folder)


class Trap:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_pickled_weights_are_refused_unread(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    Path("model.safetensors").unlink()
    Path("pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(EncoderError, match="only safetensors"):
        SentenceTransformerEncoder.load(str(copied))
    assert not Path("sprung").exists()


def test_code_in_a_model_folder_is_not_run(copied: Path, tmp_path: Path) -> None:
    (copied / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Module: pass\n")
    modules = json.loads((copied / "modules.json").read_text())
    modules[0]["type"] = "mine.Module"
    (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match=r"mine\.Module"):
        SentenceTransformerEncoder.load(str(copied))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["/", "../.."])
def test_a_model_does_not_reach_out_of_its_folder(copied: Path, path: str) -> None:
    (copied / "modules.json").write_text(json.dumps([{"name": "0", "path": path, "type": "x"}]))
    with pytest.raises(EncoderError, match="not inside the folder"):
        SentenceTransformerEncoder.load(str(copied))


def test_damaged_weights_are_reported_in_one_line(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(EncoderError) as caught:
        SentenceTransformerEncoder.load(str(copied))
    assert str(copied) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="holds no weights"):
        SentenceTransformerEncoder.load(str(tmp_path))


def test_a_model_of_texts_only_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, BertTokenizer

    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "circle"])}
    BertTokenizer(vocab=words).save_pretrained(tmp_path)
    BertModel(BertConfig(**TOWER, vocab_size=len(words))).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="takes no pictures, only text"):
        SentenceTransformerEncoder.load(str(tmp_path))


def test_a_model_of_pictures_only_has_no_phrases(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    ViTModel(ViTConfig(**TOWER, image_size=48, patch_size=16)).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(tmp_path)
    encoder = SentenceTransformerEncoder.load(str(tmp_path))
    pictures = photos(np.random.default_rng(6))
    assert (encoder.side, encoder.dim) == (48, 24)
    assert encoder.embed_texts(["a circle"]) is None
    cosines = (encoder.embed_images(prepared(encoder, pictures)) * unit(plain(tmp_path).encode(pictures))).sum(axis=1)
    assert cosines.min() >= 0.99999


def test_the_published_layout_gives_the_same_vectors(
    encoder: SentenceTransformerEncoder, folder: Path, tmp_path: Path
) -> None:
    older = SentenceTransformerEncoder.load(str(tiny_clip.as_of_2021(folder, tmp_path / "older")))
    pixels = prepared(encoder, photos(np.random.default_rng(7)))
    assert np.array_equal(prepared(older, photos(np.random.default_rng(7))), pixels)
    assert np.abs(older.embed_images(pixels) - encoder.embed_images(pixels)).max() < 1e-6
    phrases = ["a red circle", "un anillo azul", "something else"]
    assert np.abs(np.subtract(older.embed_texts(phrases), encoder.embed_texts(phrases))).max() < 1e-6
    changed = tmp_path / "older" / "0_CLIPModel" / "preprocessor_config.json"
    changed.write_text(changed.read_text().replace('"resample": 3', '"resample": 2'))
    assert fingerprint(tmp_path / "older") != older.fingerprint


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key in ("SENTENCE_TRANSFORMERS_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "hub"


def test_a_model_is_fetched_once(
    encoder: SentenceTransformerEncoder, copied: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "pytorch_model.bin").write_bytes(b"not wanted")
    with tiny_clip.serve(copied) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert hub.can_be_fetched()
        assert not hub.is_cached("clip-ViT-B-32")
        SentenceTransformerEncoder.load("clip-ViT-B-32")
        with pytest.raises(EncoderError, match=r"owner/other could not be fetched from .*404 Not Found"):
            SentenceTransformerEncoder.load("owner/other")
    assert not list(empty_cache.rglob("*.bin"))
    assert hub.is_cached("clip-ViT-B-32")
    assert not hub.can_be_fetched()
    assert SentenceTransformerEncoder.load("clip-ViT-B-32").fingerprint == encoder.fingerprint


def test_loading_says_nothing(folder: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from refsort.encoders.sentence_transformers import SentenceTransformerEncoder\n"
        "encoder = SentenceTransformerEncoder.load(sys.argv[1], threads=1)\n"
        "encoder.embed_images(encoder.prepare(np.zeros((40, 60, 3), np.uint8))[None])\n"
        "encoder.embed_texts(['a red circle', 'word ' * 100])\n"
    )
    run = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert run.stdout + run.stderr == ""


def test_what_cannot_be_fetched_is_said_at_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls and never answers
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(EncoderError, match="Give a folder") as caught:
            SentenceTransformerEncoder.load("clip-ViT-B-32")
        assert time.monotonic() - start < 15
        assert len(str(caught.value).splitlines()) <= 2
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        start = time.monotonic()
        assert not hub.can_be_fetched()
        assert time.monotonic() - start < 1


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # Python's own way to say: there is none
    with pytest.raises(EncoderError, match=r"pip install --upgrade 'refsort\[clip\]', or use encoder: builtin"):
        SentenceTransformerEncoder.load("clip-ViT-B-32")


def test_looking_for_a_model_imports_nothing_heavy() -> None:
    script = (
        "import sys, refsort.encoders.sentence_transformers; from refsort.encoders import hub\n"
        "hub.installed(), hub.is_cached('clip-ViT-B-32')\n"
        "print({'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'} & set(sys.modules))\n"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "set()"


def test_half_precision_says_so_in_the_fingerprint_and_stays_close() -> None:
    """What runs on a GPU, here on the processor: the same vectors to three digits, under another identity."""
    folder = tiny_clip.tiny_clip_folder()
    full = SentenceTransformerEncoder.load(str(folder))
    half = SentenceTransformerEncoder("half", folder, full.model, half=True)
    rng = np.random.default_rng(5)
    batch = np.stack([full.prepare(np.asarray(tiny_clip.draw_shape(rng, "circle", "red"))) for _ in range(6)])
    exact, near = full.embed_images(batch), half.embed_images(batch)
    assert half.fingerprint == f"{full.fingerprint}-half"
    assert (exact * near).sum(axis=1).min() >= 0.999
    assert not np.array_equal(exact, near)
    assert half.batch == full.batch == 16
