"""Networks for training compute the vectors of the encoders they come from."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from refsort.encoders import load  # noqa: E402
from refsort.encoders.base import unit  # noqa: E402
from refsort.encoders.samples import agreement, pictures  # noqa: E402
from refsort.encoders.sentence_transformers import SentenceTransformerEncoder  # noqa: E402
from refsort.errors import EncoderError  # noqa: E402
from refsort.learn import backbones  # noqa: E402
from tests.encoders.tiny_clip import tiny_clip_folder  # noqa: E402
from tests.learn.small_models import tiny_vit  # noqa: E402


def vectors(backbone: backbones.Backbone, some: list) -> np.ndarray:
    seen = torch.from_numpy(np.stack([backbone.preparation(rgb) for rgb in some]))
    with torch.inference_mode():
        return backbone.features(seen).numpy()


@pytest.mark.parametrize("name", ["builtin", "builtin-large"])
def test_the_builtin_network_in_torch_gives_the_encoders_vectors(name: str) -> None:
    some = pictures()[:4]
    backbone, encoder = backbones.load(name), load(name)
    assert (
        agreement(vectors(backbone, some), encoder.embed_images(np.stack([encoder.prepare(p) for p in some]))) > 0.9999
    )
    for rgb in some:
        assert np.array_equal(backbone.preparation(rgb), encoder.prepare(rgb))
    assert backbone.dim == encoder.dim and backbone.added


def test_batch_norms_keep_their_statistics_in_training() -> None:
    module = backbones.load("builtin").module
    before = {name: t.clone() for name, t in module.state_dict().items() if "running" in name}
    module.train()
    module[0](torch.rand(2, 3, 32, 32))
    assert before and all(torch.equal(t, module.state_dict()[name]) for name, t in before.items())


def test_a_clip_gives_the_encoders_vectors() -> None:
    folder = tiny_clip_folder()
    backbone, encoder = backbones.load(str(folder)), SentenceTransformerEncoder.load(str(folder))
    some = pictures()
    found = unit(vectors(backbone, some))
    assert agreement(found, encoder.embed_images(np.stack([encoder.prepare(p) for p in some]))) > 0.9999
    assert not backbone.added and all(name.endswith(("q_proj", "k_proj", "v_proj")) for name in backbone.lora)
    assert len(backbone.lora) == 9


def test_a_vit_gives_its_class_token(tmp_path: Path) -> None:
    from transformers import ViTModel

    backbone = backbones.load(str(tiny_vit(tmp_path)))
    some = pictures()[:4]
    with torch.inference_mode():
        seen = torch.from_numpy(np.stack([backbone.preparation(rgb) for rgb in some]))
        expected = ViTModel.from_pretrained(tmp_path)(seen).last_hidden_state[:, 0].numpy()
    assert np.allclose(vectors(backbone, some), expected, atol=1e-5)
    assert [len(depth) > 0 for depth in backbone.depths()] == [True] * 5


def test_a_hub_name_is_asked_for_at_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="google/vit-base-patch16-224-in21k is not on this machine"):
        backbones.load("google/vit-base-patch16-224-in21k")


def test_a_hub_name_resolves_to_the_real_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--google--vit-base-patch16-224-in21k"
    tiny_vit(model / "snapshots" / "abc")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    assert type(backbones.load("google/vit-base-patch16-224-in21k").module[1].layer).__name__ == "ViTLayer"


def test_what_can_not_be_trained_is_named(tmp_path: Path) -> None:
    folder = tiny_vit(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(EncoderError, match="of the kind bert, which can't be trained here; known: clip"):
        backbones.load(str(folder))
    with pytest.raises(EncoderError, match="an ONNX file holds a finished network"):
        backbones.load("onnx:some.onnx")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match="holds no weights"):
        backbones.load(str(folder))
