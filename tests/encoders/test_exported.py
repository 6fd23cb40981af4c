"""The export against torch, on a real small CLIP: the same vectors, without torch, whatever happens to the files."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsort.encoders import clip, hub
from refsort.encoders.base import Encoder, Floats, Rgb, unit
from refsort.encoders.export_cache import Place
from refsort.encoders.exported import ExportedEncoder
from refsort.encoders.samples import PHRASES, agreement, pictures
from refsort.encoders.sentence_transformers import SentenceTransformerEncoder
from refsort.errors import EncoderError
from tests.encoders import tiny_clip
from tests.encoders.tiny_clip import CLASSES, caption

pytestmark = pytest.mark.skipif(not hub.installed(), reason="needs torch and sentence-transformers")

LOAD = "import sys; from refsort.encoders import clip; encoder = clip.load(sys.argv[1]); "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the model: its place in the cache is ours alone."""
    return Path(shutil.copytree(tiny_clip.tiny_clip_folder(), tmp_path_factory.mktemp("model") / "clip"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFSORT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Path(os.environ["REFSORT_CACHE"])


@pytest.fixture(scope="module")
def torch_encoder(folder: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder.load(str(folder), threads=1)


@pytest.fixture(scope="module")
def exported(folder: Path) -> ExportedEncoder:
    encoder = clip.load(str(folder))
    assert isinstance(encoder, ExportedEncoder)
    return encoder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for a test that damages what is in it."""
    monkeypatch.setenv("REFSORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def full_cache(exported: ExportedEncoder, cache: Path, own_cache: Path) -> Path:
    """The same with the export in it."""
    return Path(shutil.copytree(cache, own_cache))


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """The same model in another place, to be changed."""
    return Path(shutil.copytree(folder, tmp_path / "elsewhere"))


def vectors(encoder: Encoder, samples: list[Rgb]) -> Floats:
    return encoder.embed_images(np.stack([encoder.prepare(rgb) for rgb in samples]))


def load(folder: Path, precision: str = "fp32") -> tuple[Any, bool]:
    """The encoder, and whether something was exported for it."""
    told: list[str] = []
    encoder = clip.load(str(folder), precision=precision, tell=told.append)
    return encoder, bool(told)


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_is_an_encoder_with_nothing_to_say(exported: ExportedEncoder) -> None:
    assert isinstance(exported, Encoder)
    assert (exported.side, exported.dim, exported.note) == (32, 64, "")


def test_pictures_become_what_torch_makes_of_them(
    exported: ExportedEncoder, torch_encoder: SentenceTransformerEncoder
) -> None:
    """Also of those that the export was not checked on, and of one far longer than wide."""
    rng = np.random.default_rng(1)
    sizes = [(96, 96), (300, 200), (33, 32), (20, 1), (3, 20), (1, 1), (7, 1000)]
    samples = [*pictures(), *(rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes)]
    for rgb in samples:
        assert np.abs(exported.prepare(rgb) - torch_encoder.prepare(rgb)).max() < 1e-6
    assert agreement(vectors(exported, samples), vectors(torch_encoder, samples)) > 0.99999
    assert exported.fingerprint != torch_encoder.fingerprint


def test_phrases_become_what_torch_makes_of_them(
    exported: ExportedEncoder, torch_encoder: SentenceTransformerEncoder
) -> None:
    spanish = [caption(shape, colour, "es") for shape, colour in CLASSES]
    phrases = [*PHRASES, *spanish, "¿Qué hay aquí? ¡Un pingüino! 🐧", "", "ñ" * 500]
    found, expected = exported.embed_texts(phrases), torch_encoder.embed_texts(phrases)
    assert found is not None
    assert expected is not None
    assert agreement(found, expected) > 0.99999
    assert exported.embed_texts([]).shape == (0, 64)  # type: ignore[union-attr]


def test_sorts_unseen_pictures_by_spanish_phrases(exported: ExportedEncoder) -> None:
    rng = np.random.default_rng(2)
    drawn = [np.asarray(tiny_clip.draw_shape(rng, *one)) for one in CLASSES for _ in range(10)]
    phrases = exported.embed_texts([caption(shape, colour, "es") for shape, colour in CLASSES])
    found = (vectors(exported, drawn) @ np.asarray(phrases).T).argmax(axis=1)
    assert (found == np.repeat(np.arange(len(CLASSES)), 10)).mean() >= 0.9


@pytest.mark.parametrize("precision", clip.PRECISIONS)
def test_no_vector_depends_on_its_batch(exported: ExportedEncoder, folder: Path, precision: str) -> None:
    samples = pictures()[:9]
    together = vectors(clip.load(str(folder), 2, precision), [*samples, *samples[::-1]])[: len(samples)]
    alone = clip.load(str(folder), 1, precision)
    assert np.array_equal(np.concatenate([vectors(alone, [rgb]) for rgb in samples]), together)
    assert alone.embed_images(np.zeros((0, 3, 32, 32), np.float32)).shape == (0, 64)
    with pytest.raises(ValueError, match="takes"):
        alone.embed_images(np.zeros((1, 3, 40, 40), np.float32))


def test_another_process_needs_no_torch(exported: ExportedEncoder, folder: Path, tmp_path: Path) -> None:
    script = LOAD + (
        "import numpy as np; from refsort.encoders.samples import pictures\n"
        "pixels = np.stack([encoder.prepare(rgb) for rgb in pictures()])\n"
        "np.savez(sys.argv[2], a=encoder.embed_images(pixels), b=encoder.embed_texts(['un círculo rojo']))\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub', 'onnx'}\n"
        "print(encoder.fingerprint, heavy & set(sys.modules))\n"
    )
    run = [sys.executable, "-c", script, folder, tmp_path / "found.npz"]
    assert subprocess.check_output(run, text=True).split() == [exported.fingerprint, "set()"]
    with np.load(tmp_path / "found.npz") as found:
        assert np.array_equal(found["a"], vectors(exported, pictures()))
        assert np.array_equal(found["b"], exported.embed_texts(["un círculo rojo"]))


def test_exporting_says_nothing_and_survives_kill_9(exported: ExportedEncoder, folder: Path, own_cache: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", LOAD, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None and not list(own_cache.rglob("texts.onnx")):
        time.sleep(0.001)
    process.kill()
    assert process.communicate()[0] == b""
    assert process.returncode != 0, "killed too late to show anything"
    assert not Place(folder).folder.exists()
    encoder, made = load(folder)
    assert made
    assert np.array_equal(vectors(encoder, pictures()), vectors(exported, pictures()))
    assert not list(own_cache.rglob("*.part-*"))


def test_two_at_once_export_once(folder: Path, own_cache: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        (one, made_one), (other, made_other) = pool.map(load, [folder, folder])
    assert sorted([made_one, made_other]) == [False, True]
    assert np.array_equal(vectors(one, pictures()), vectors(other, pictures()))


def truncate(place: Path) -> None:
    (place / "images.bin").write_bytes((place / "images.bin").read_bytes()[:-1000])


def scramble(place: Path) -> None:
    """The same size, other weights."""
    weights = np.fromfile(place / "images.bin", np.float32)
    weights[weights.size // 2 :] = weights[weights.size // 2 :][::-1]
    weights.tofile(place / "images.bin")


def lose_texts(place: Path) -> None:
    (place / "texts.onnx").unlink()


def break_record(place: Path) -> None:
    (place / "record.json").write_text("{}")


def other_torch(place: Path) -> None:
    change_json(place / "record.json", versions={"torch": "2.0.0"})


@pytest.mark.parametrize("damage", [truncate, scramble, lose_texts, break_record, other_torch])
def test_what_is_damaged_or_outdated_is_made_anew(
    damage: Any, exported: ExportedEncoder, folder: Path, full_cache: Path
) -> None:
    damage(Place(folder).folder)
    encoder, made = load(folder)
    assert made
    assert isinstance(encoder, ExportedEncoder)
    assert np.array_equal(vectors(encoder, pictures()), vectors(exported, pictures()))
    assert not load(folder)[1]


def test_damaged_phrases_are_noticed_when_used(exported: ExportedEncoder, folder: Path, full_cache: Path) -> None:
    weights = Place(folder).folder / "texts.bin"
    np.fromfile(weights, np.float32)[::-1].tofile(weights)
    encoder, made = load(folder)
    assert not made
    with pytest.raises(EncoderError, match=r"damaged .*\n.*made anew"):
        encoder.embed_texts(["a red circle"])
    encoder, made = load(folder)
    assert made
    assert np.array_equal(encoder.embed_texts(["a red circle"]), exported.embed_texts(["a red circle"]))


def test_files_that_only_look_newer_are_not_exported_again(copied: Path, own_cache: Path) -> None:
    first, made = load(copied)
    assert made
    os.utime(copied / "model.safetensors")
    again, made = load(copied)
    assert not made
    assert again.fingerprint == first.fingerprint
    stats = json.loads((Place(copied).folder / "record.json").read_text())["stats"]
    assert (copied / "model.safetensors").stat().st_mtime_ns in [changed for _, _, changed in stats]


def test_changed_weights_are_exported_again(copied: Path, exported: ExportedEncoder, own_cache: Path) -> None:
    from safetensors.numpy import load_file, save_file

    load(copied)
    weights = load_file(copied / "model.safetensors")
    weights["visual_projection.weight"] = weights["visual_projection.weight"][::-1].copy()
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    encoder, made = load(copied)
    assert made
    assert encoder.fingerprint != exported.fingerprint
    found, before = vectors(encoder, pictures()), vectors(exported, pictures())
    assert np.abs(found[:, ::-1] - before).max() < 1e-5


def test_exports_of_models_that_are_gone_go_too(
    copied: Path, exported: ExportedEncoder, folder: Path, full_cache: Path
) -> None:
    load(copied)
    assert Place(copied).folder.exists()
    shutil.rmtree(copied)
    break_record(Place(folder).folder)
    assert load(folder)[1]
    assert not Place(copied).folder.exists()


def odd_size(model: Path) -> None:
    """The image processor gets a limit that refsort does not know."""
    path = model / "processor_config.json"
    processor = json.loads(path.read_text())["image_processor"]
    change_json(path, image_processor=processor | {"size": {"shortest_edge": 32, "longest_edge": 300}})


def odd_key(model: Path) -> None:
    path = model / "processor_config.json"
    processor = json.loads(path.read_text())["image_processor"]
    change_json(path, image_processor=processor | {"do_pad": True, "pad_size": {"height": 32, "width": 32}})


def odd_call(model: Path) -> None:
    """The image processor is called in another way than its settings say."""
    change_json(model / "sentence_bert_config.json", processing_kwargs={"image": {"resample": 0}})


def odd_length(model: Path) -> None:
    """The tokenizer is called in another way than its settings say."""
    change_json(model / "sentence_bert_config.json", processing_kwargs={"text": {"max_length": 8}})


@pytest.mark.parametrize(
    ("oddity", "why"),
    [
        (odd_size, "image processor has size"),
        (odd_key, "image processor has do_pad"),
        (odd_call, "does something unknown to pictures"),
        (odd_length, "splits"),
    ],
)
def test_what_is_not_understood_stays_with_torch(oddity: Any, why: str, copied: Path, own_cache: Path) -> None:
    oddity(copied)
    encoder, made = load(copied)
    assert isinstance(encoder, SentenceTransformerEncoder)
    assert made
    assert why in encoder.note
    again, made = load(copied)
    assert not made, "what was refused once is not tried at every start"
    assert again.note == encoder.note
    assert agreement(vectors(again, pictures()), vectors(encoder, pictures())) > 0.99999
    assert sum(path.stat().st_size for path in own_cache.rglob("*")) < 100_000


def test_other_vectors_than_torchs_are_refused(folder: Path, tmp_path: Path) -> None:
    """A network that looks at its input in Python: what is recorded of it holds for the recorded input only."""
    from refsort.encoders.export import CannotExport, export

    encoder = SentenceTransformerEncoder.load(str(folder))
    tower = encoder.model[0].model.visual_projection
    tower.register_forward_hook(lambda _module, _inputs, out: out if out[0, 0] > out[0, 1] else out.flip(1))
    with pytest.raises(CannotExport, match="other vectors of pictures"):
        export(encoder, tmp_path)


def test_a_cache_that_cannot_be_written_stops_nobody(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("REFSORT_CACHE", str(tmp_path / "file"))
    encoder, _ = load(folder)
    assert isinstance(encoder, SentenceTransformerEncoder)
    assert "computed by torch" in encoder.note
    assert "NotADirectoryError" in encoder.note or "FileExistsError" in encoder.note
    assert "no int8 in torch" in load(folder, "int8")[0].note


def test_int8_is_near_and_says_how_near(exported: ExportedEncoder, folder: Path, full_cache: Path) -> None:
    encoder, _ = load(folder, "int8")
    assert encoder.fingerprint not in (exported.fingerprint, "")
    found, exact = vectors(encoder, pictures()), vectors(exported, pictures())
    cosine = (found * exact).sum(axis=1).mean()
    assert 0.99 < cosine < 1 - 1e-6
    assert encoder.note == f"int8: mean cosine to fp32 {cosine:.4f} on 32 pictures"
    assert np.array_equal(encoder.embed_texts(["x"]), exported.embed_texts(["x"]))
    made = (Place(folder).folder / "int8.onnx").stat()
    again, _ = load(folder, "int8")
    assert (Place(folder).folder / "int8.onnx").stat() == made
    assert np.array_equal(vectors(again, pictures()), found)


def test_damaged_int8_is_made_anew(folder: Path, full_cache: Path) -> None:
    found = vectors(load(folder, "int8")[0], pictures())
    place = Place(folder).folder
    (place / "int8.onnx").write_bytes(bytes((place / "int8.onnx").stat().st_size))
    assert np.array_equal(vectors(load(folder, "int8")[0], pictures()), found)
    change_json(place / "int8.json", picture=[0.125] * 64)  # as if the weights were others
    assert np.array_equal(vectors(load(folder, "int8")[0], pictures()), found)
    assert json.loads((place / "int8.json").read_text())["picture"] != [0.125] * 64


def test_an_unknown_precision_is_refused(folder: Path) -> None:
    with pytest.raises(EncoderError, match="precision: fp16 is unknown; there are fp32 and int8"):
        clip.load(str(folder), precision="fp16")


def test_a_model_of_pictures_only(tmp_path: Path) -> None:
    """It squeezes pictures to a square of 40 pixels and looks at the middle."""
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    tower = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ViTModel(ViTConfig(**tower, image_size=32, patch_size=16)).save_pretrained(tmp_path)
    processor = ViTImageProcessorPil(
        size={"height": 40, "width": 40}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    )
    processor.save_pretrained(tmp_path)
    encoder, _ = load(tmp_path)
    assert isinstance(encoder, ExportedEncoder), encoder.note
    assert encoder.embed_texts(["a circle"]) is None
    in_torch = SentenceTransformerEncoder.load(str(tmp_path))
    assert agreement(vectors(encoder, pictures()), vectors(in_torch, pictures())) > 0.99999


def test_the_published_layout_gives_the_same_vectors(exported: ExportedEncoder, folder: Path, tmp_path: Path) -> None:
    """It has no tokenizer.json: the export brings its own."""
    older, _ = load(tiny_clip.as_of_2021(folder, tmp_path / "older"))
    assert isinstance(older, ExportedEncoder), older.note
    assert np.abs(vectors(older, pictures()) - vectors(exported, pictures())).max() < 1e-6
    assert np.abs(np.subtract(older.embed_texts(PHRASES), exported.embed_texts(PHRASES))).max() < 1e-6


def test_agreement_sees_what_a_plain_cosine_does_not() -> None:
    rng = np.random.default_rng(3)
    cone = unit(np.asarray(rng.normal(0, 0.01, (8, 16)) + 1, np.float32))
    assert (cone * cone[::-1]).sum(axis=1).min() > 0.999
    assert agreement(cone, cone[::-1]) < 0.9
    assert agreement(cone, cone) == pytest.approx(1)
    assert np.isnan(agreement(cone * np.float32("nan"), cone))
