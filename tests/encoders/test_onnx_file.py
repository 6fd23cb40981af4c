"""`onnx:PATH` on small networks made here: right sidecars give the right vectors, wrong ones are refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from refsort.encoders.base import Encoder, Floats, Rgb, unit
from refsort.encoders.onnx_file import OnnxFileEncoder, write_sidecar
from refsort.encoders.samples import known_picture, pictures
from refsort.errors import EncoderError

SIDE, DIM = 16, 40
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RIGHT = {
    "input": "pixels",
    "layout": "NCHW",
    "channels": "RGB",
    "side": SIDE,
    "resize": "crop_pct:0.875",
    "crop": "center",
    "interpolation": "bicubic",
    "range": [0, 1],
    "mean": MEAN,
    "std": STD,
    "output": "embedding",
    "normalize": True,
}


def weights() -> Floats:
    """float32[3, SIDE, SIDE, DIM]: some for each value of each pixel, so that nothing can change unnoticed."""
    return np.random.default_rng(1).standard_normal((3, SIDE, SIDE, DIM), np.float32)


def network(
    path: Path, shape: list[Any], matrix: Floats, extra: list[Any] | None = None, out: Any = ("n", DIM)
) -> Path:
    """Write a network: pixels of `shape` are flattened, multiplied by `matrix`, and treated by the nodes `extra`."""
    nodes = [helper.make_node("Flatten", ["pixels"], ["flat"]), helper.make_node("MatMul", ["flat", "m"], ["product"])]
    nodes += extra or [helper.make_node("Identity", ["product"], ["embedding"])]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(matrix.reshape(-1, matrix.shape[-1]), "m")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return network(tmp_path / "model.onnx", ["n", 3, SIDE, SIDE], weights())


def by_hand(rgb: Rgb) -> Floats:
    """float32[SIDE, SIDE, 3]: what RIGHT asks for, worked out in another way: an edge of 18 pixels, the middle 16."""
    height, width = rgb.shape[:2]
    size = (18, int(18 * height / width)) if width < height else (int(18 * width / height), 18)
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    top, left = (small.shape[0] - SIDE) // 2, (small.shape[1] - SIDE) // 2
    return np.asarray((small[top : top + SIDE, left : left + SIDE] / 255 - MEAN) / STD, np.float32)


def raw_vector(rgb: Rgb) -> Floats:
    """float32[DIM]: what the network makes of a picture, without refsort and ONNX Runtime."""
    return np.einsum("hwc,chwd->d", by_hand(rgb), weights())


def described(model: Path, vector: Any = None, **changes: Any) -> Path:
    """Write the sidecar whatever it says, so that reading it is what is tested; returns it."""
    raw = raw_vector(known_picture()) if vector is None else np.asarray(vector)
    test = {"vector": [float(x) for x in raw[:32]], "norm": float(np.linalg.norm(raw))}
    beside = model.with_name(f"{model.name}.json")
    beside.write_text(json.dumps({**RIGHT, "test": test} | changes))
    return beside


def load(model: Path) -> OnnxFileEncoder:
    return OnnxFileEncoder.load(f"onnx:{model}", threads=2)


def embed(encoder: Encoder, samples: list[Rgb]) -> Floats:
    return encoder.embed_images(np.stack([encoder.prepare(rgb) for rgb in samples]))


def test_a_network_with_its_sidecar(model: Path) -> None:
    described(model)
    encoder = load(model)
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.side, encoder.dim, encoder.note) == (f"onnx:{model}", SIDE, DIM, "")
    samples = [rgb for rgb in pictures() if max(rgb.shape) <= 20 * min(rgb.shape[:2])]
    expected = unit(np.stack([raw_vector(rgb) for rgb in samples]))
    assert np.abs(embed(encoder, samples) - expected).max() < 1e-5
    assert encoder.embed_texts(["a picture"]) is None
    assert encoder.embed_images(np.zeros((0, 3, SIDE, SIDE), np.float32)).shape == (0, DIM)


def test_no_vector_depends_on_its_batch(model: Path) -> None:
    described(model)
    encoder = load(model)
    together = embed(encoder, pictures())
    assert np.array_equal(together, np.concatenate([embed(encoder, [rgb]) for rgb in pictures()]))


@pytest.mark.parametrize("batch", [1, "n"])
def test_other_layouts_and_channels(tmp_path: Path, model: Path, batch: Any) -> None:
    """The same network wired for BGR, and with the colours last, gives the same vectors."""
    described(model)
    expected = embed(load(model), pictures())
    last = network(tmp_path / "last.onnx", [batch, SIDE, SIDE, 3], weights().transpose(1, 2, 0, 3))
    write_sidecar(last, RIGHT | {"layout": "NHWC"}, raw_vector(known_picture()))
    turned = network(tmp_path / "turned.onnx", [batch, 3, SIDE, SIDE], weights()[::-1])
    write_sidecar(turned, RIGHT | {"channels": "BGR"}, raw_vector(known_picture()))
    for other in (last, turned):
        assert np.abs(embed(load(other), pictures()) - expected).max() < 1e-5


@pytest.mark.parametrize("given", [True, False])
def test_write_sidecar_writes_what_can_be_read(model: Path, given: bool) -> None:
    beside = write_sidecar(model, RIGHT, raw_vector(known_picture()) if given else None)
    assert beside == model.with_name("model.onnx.json")
    test = json.loads(beside.read_text())["test"]
    assert np.allclose(test["vector"], raw_vector(known_picture())[:32], rtol=1e-3, atol=1e-3)
    assert test["norm"] == pytest.approx(np.linalg.norm(raw_vector(known_picture())), rel=1e-5)
    assert load(model).dim == DIM


def test_write_sidecar_writes_nothing_that_is_wrong(model: Path) -> None:
    for wrong, vector in (
        (RIGHT | {"interpolation": "nearest"}, raw_vector(known_picture())),
        (RIGHT | {"a": 1}, None),
    ):
        with pytest.raises(EncoderError):
            write_sidecar(model, wrong, vector)
    assert not model.with_name("model.onnx.json").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": [0.5, 0.5, 0.5]},
        {"mean": MEAN[::-1]},
        {"std": [0.5, 0.5, 0.5]},
        {"std": [0.115, 0.112, 0.113], "mean": [0.485, 0.456, 0.406]},
        {"range": [0, 255]},
        {"range": [-1, 1]},
        {"channels": "BGR"},
        {"resize": "shortest"},
        {"resize": "exact", "crop": "none"},
        {"interpolation": "nearest"},
        {"interpolation": "lanczos"},
    ],
    ids=str,
)
def test_a_wrong_preparation_is_noticed(model: Path, wrong: dict[str, Any]) -> None:
    described(model, **wrong)
    with pytest.raises(EncoderError, match=r"model\.onnx\.json: test\.vector (does not come|comes) out"):
        load(model)


def test_a_wrong_layout_is_noticed_by_the_vector_too(tmp_path: Path) -> None:
    """Where the file says nothing of the input's axes, only the test vector can tell."""
    model = network(tmp_path / "model.onnx", ["a", "b", "c", "d"], weights())
    described(model)
    assert load(model).dim == DIM
    described(model, layout="NHWC")
    with pytest.raises(EncoderError, match=r"test\.vector does not come out"):
        load(model)


def test_a_network_changed_later_is_noticed(model: Path) -> None:
    described(model)
    network(model, ["n", 3, SIDE, SIDE], weights()[:, ::-1])
    with pytest.raises(EncoderError, match=r"test\.vector does not come out"):
        load(model)


TEST = {"vector": [0.5] * 32, "norm": 1.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"men": MEAN}, "men: is no key of a sidecar"),
        ({"layout": "HWC"}, "layout: Input should be 'NCHW' or 'NHWC'"),
        ({"channels": "rgb"}, "channels: Input should be 'RGB' or 'BGR'"),
        ({"side": "16"}, "side: Input should be a valid integer"),
        ({"side": 16.5}, "side: Input should be a valid integer"),
        ({"side": True}, "side: Input should be a valid integer"),
        ({"side": 0}, "side: Input should be greater than 0"),
        ({"side": 32}, r"layout, side ask for \[1, 3, 32, 32\], and the network takes \['n', 3, 16, 16\]"),
        ({"layout": "NHWC"}, "layout, side ask for"),
        ({"resize": "longest"}, "resize: should be shortest, exact, or crop_pct:"),
        ({"resize": "crop_pct:1.5"}, "resize: should be"),
        ({"resize": "crop_pct:nan"}, "resize: should be"),
        ({"resize": "crop_pct:0.01"}, "resize: should be"),
        ({"resize": "exact"}, "crop: should be none where resize is exact"),
        ({"crop": "none"}, "crop: should be center where resize is crop_pct:0.875"),
        ({"interpolation": "cubic"}, "interpolation: Input should be 'nearest', "),
        ({"range": [1, 0]}, "range: should be two numbers, the smaller one first"),
        ({"range": [0, 1, 2]}, "range: Tuple should have at most 2 items"),
        ({"mean": [0.5, 0.5]}, "mean.2: is missing"),
        ({"mean": [0.5, "0.5", 0.5]}, "mean.1: Input should be a valid number"),
        ({"std": [0.5, 0, 0.5]}, "std.1: Input should be greater than 0"),
        ({"normalize": "yes"}, "normalize: Input should be a valid boolean"),
        ({"normalize": False}, "normalize should be true: the network gives vectors of length"),
        ({"input": "image"}, "input is image, and the network has pixels"),
        ({"output": "logits"}, "output is logits, and the network has embedding"),
        ({"test": {"vector": [], "norm": 1.0}}, r"test\.vector: List should have at least 1 item"),
        ({"test": {"vector": [float("nan")] * 32, "norm": 1.0}}, r"test\.vector\.0: Input should be a finite number"),
        ({"test": {"vector": [1.0] * 8, "norm": 1.0}}, r"test\.vector has 8 numbers, and the network gives 40"),
        ({"test": {"vector": [1.0] * 41, "norm": 1.0}}, r"test\.vector has 41 numbers, and the network gives 40"),
        ({"test": TEST | {"norm": 0}}, r"test\.norm: Input should be greater than 0"),
        ({"test": TEST | {"picture": "x"}}, r"test\.picture: is no key"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(model: Path, wrong: dict[str, Any], message: str) -> None:
    described(model, **wrong)
    with pytest.raises(EncoderError, match=rf"^{model}\.json: {message}") as caught:
        load(model)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("key", [*RIGHT, "test"])
def test_every_key_is_needed(model: Path, key: str) -> None:
    beside = described(model)
    content = json.loads(beside.read_text())
    del content[key]
    beside.write_text(json.dumps(content))
    with pytest.raises(EncoderError, match=f"{key}: is missing"):
        load(model)


def test_files_that_are_missing_or_no_networks_are_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"model\.onnx\.json can't be read"):
        load(model)
    described(model).write_text("{")
    with pytest.raises(EncoderError, match=r"model\.onnx\.json: Invalid JSON"):
        load(model)
    described(model)
    model.write_bytes(b"no network")
    with pytest.raises(EncoderError, match=r"model\.onnx can't be"):
        load(model)
    with pytest.raises(EncoderError, match=r"onnx:.*none\.onnx: there is no file"):
        load(tmp_path / "none.onnx")


def test_an_input_of_another_type_is_refused(model: Path) -> None:
    changed = onnx.load(model)
    changed.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights().reshape(-1, DIM).astype(np.float64), "m"))
    changed.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    onnx.save(changed, model)
    described(model)
    with pytest.raises(EncoderError, match=r"json: input is tensor\(double\) in the network"):
        load(model)


def test_an_output_of_another_rank_is_refused(tmp_path: Path) -> None:
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    unsqueeze = [
        helper.make_node("Constant", [], ["axes"], value=axes),
        helper.make_node("Unsqueeze", ["product", "axes"], ["embedding"]),
    ]
    model = network(tmp_path / "model.onnx", ["n", 3, SIDE, SIDE], weights(), unsqueeze, ["n", 1, DIM])
    described(model)
    with pytest.raises(EncoderError, match=r"json: output is tensor\(float\)\['n', 1, 40\] in the network"):
        load(model)


def test_an_output_whose_rank_nobody_tells_is_looked_at(tmp_path: Path) -> None:
    """The product is spread to a shape of three ones, whose number only shows when the network runs."""
    nodes = [
        helper.make_node("Shape", ["pixels"], ["four"]),
        helper.make_node("Unique", ["four"], ["three"]),
        helper.make_node("Div", ["three", "three"], ["ones"]),
        helper.make_node("Expand", ["product", "ones"], ["embedding"]),
    ]
    model = network(tmp_path / "model.onnx", ["n", 3, SIDE, SIDE], weights(), nodes, None)
    described(model)
    with pytest.raises(EncoderError, match=r"json: output has the shape \[1, 1, 40\], not one vector"):
        load(model)


def test_a_picture_without_a_direction_gets_zeros_and_the_others_their_vectors(tmp_path: Path) -> None:
    """The square root of what is negative for black pictures, and nothing at all for grey ones."""
    matrix = np.full((3 * SIDE * SIDE, 4), 1 / (3 * SIDE * SIDE), np.float32)
    model = network(
        tmp_path / "model.onnx", ["n", 3, SIDE, SIDE], matrix, [helper.make_node("Sqrt", ["product"], ["embedding"])]
    )
    plain = RIGHT | {"range": [0, 255], "mean": [100, 100, 100], "std": [1, 1, 1]}
    write_sidecar(model, plain)
    encoder = load(model)
    white, grey, black = (np.full((30, 40, 3), level, np.uint8) for level in (255, 100, 0))
    alone = embed(encoder, [white])
    assert np.isfinite(alone).all()
    for bad in (grey, black):
        assert np.array_equal(embed(encoder, [white, bad, white]), [alone[0], np.zeros(4), alone[0]])


def test_a_network_that_normalises_itself(tmp_path: Path) -> None:
    own = [helper.make_node("LpNormalization", ["product"], ["embedding"], axis=1, p=2)]
    model = network(tmp_path / "model.onnx", ["n", 3, SIDE, SIDE], weights(), own)
    raw = raw_vector(known_picture())
    write_sidecar(model, RIGHT | {"normalize": False}, raw / np.linalg.norm(raw))
    assert np.abs(np.linalg.norm(embed(load(model), pictures()), axis=1) - 1).max() < 1e-6


def test_the_fingerprint_is_that_of_the_content(model: Path, tmp_path: Path) -> None:
    described(model)
    before = load(model).fingerprint
    moved = tmp_path / "elsewhere" / "other.onnx"
    moved.parent.mkdir()
    moved.write_bytes(model.read_bytes())
    described(moved)
    assert load(moved).fingerprint == before
    described(moved, interpolation="hamming")
    write_sidecar(moved, RIGHT | {"interpolation": "hamming"})
    assert load(moved).fingerprint != before
    onnx.save(onnx.load(model), model, save_as_external_data=True, location="model.bin", size_threshold=1)
    outside = load(model).fingerprint
    content = np.fromfile(tmp_path / "model.bin", np.float32)
    content[5] *= 1.0001
    content.tofile(tmp_path / "model.bin")
    assert len({before, outside, load(model).fingerprint}) == 3


def test_the_test_picture_is_what_its_formula_says() -> None:
    picture = known_picture()
    assert picture.shape == (480, 640, 3)
    for x, y in ((0, 0), (639, 479), (39, 40), (320, 200), (601, 7)):
        assert picture[y, x].tolist() == [x * 255 // 639, y * 255 // 479, 255 if (x // 40 + y // 40) % 2 else 0]
