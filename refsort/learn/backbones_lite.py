"""EfficientNet-Lite as torch modules, with the weights and the graph of the built-in encoders.

Imports torch; only imported where something is trained. Batch norms keep the statistics they came with and work as in
inference also in training: a handful of pictures has no statistics of its own worth having.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize, pad

from refsort.encoders.efficientnet import BATCH_NORM_EPSILON, STRIDES, Variant
from refsort.errors import EncoderError


class FrozenNorm(nn.BatchNorm2d):  # type: ignore[misc]
    """A batch norm that never takes up statistics of what it sees."""

    def train(self, mode: bool = True) -> "FrozenNorm":
        """Stays as in inference."""
        super().train(False)
        return self


class Convolution(nn.Module):  # type: ignore[misc]
    """Convolution with TensorFlow's "SAME" padding, batch norm, and ReLU6 if `activate`."""

    def __init__(self, state: Mapping[str, Any], conv: str, norm: str, stride: int = 1, activate: bool = True) -> None:
        super().__init__()
        weight = _tensor(state, f"{conv}.weight")
        out, inner, self.kernel, _ = weight.shape
        self.stride = stride
        groups = out if inner == 1 and self.kernel > 1 else 1
        self.conv = nn.Conv2d(inner * groups, out, self.kernel, stride, groups=groups, bias=False)
        self.norm = FrozenNorm(out, eps=BATCH_NORM_EPSILON)
        with torch.no_grad():
            self.conv.weight.copy_(weight)
            for part in ("weight", "bias", "running_mean", "running_var"):
                getattr(self.norm, part).copy_(_tensor(state, f"{norm}.{part}"))
        self.activate = activate

    def forward(self, x: Any) -> Any:
        """float32[n, channels, h, w] → float32[n, out, ⌈h / stride⌉, ⌈w / stride⌉]"""
        if self.kernel > 1:
            tall, wide = (_same(int(edge), self.kernel, self.stride) for edge in x.shape[2:])
            x = pad(x, (*wide, *tall))
        y = self.norm(self.conv(x))
        return y.clamp(0, 6) if self.activate else y


class Block(nn.Module):  # type: ignore[misc]
    """Expand, convolve each channel by itself, project. The network's first block has nothing to expand."""

    def __init__(self, state: Mapping[str, Any], name: str, stride: int, skip: bool) -> None:
        super().__init__()
        layers = [
            Convolution(state, f"{name}._depthwise_conv", f"{name}._bn1", stride),
            Convolution(state, f"{name}._project_conv", f"{name}._bn2", activate=False),
        ]
        if f"{name}._expand_conv.weight" in state:
            layers.insert(0, Convolution(state, f"{name}._expand_conv", f"{name}._bn0"))
        self.layers, self.skip = nn.Sequential(*layers), skip

    def forward(self, x: Any) -> Any:
        return x + self.layers(x) if self.skip else self.layers(x)


def stages(state: Mapping[str, Any], variant: Variant) -> list[Any]:
    """The stem, the blocks in their order, and the last convolution. Raises EncoderError for weights of others."""
    made: list[Any] = [Convolution(state, "_conv_stem", "_bn0", stride=2)]
    for repeats, stride in zip(variant.repeats, STRIDES, strict=True):
        for i in range(repeats):
            made.append(Block(state, f"_blocks.{len(made) - 1}", stride=1 if i else stride, skip=i > 0))
    return [*made, Convolution(state, "_conv_head", "_bn1")]


class Beside(nn.Module):  # type: ignore[misc]
    """Steps of several networks, one of each, done side by side on a tuple of tensors."""

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, *states: Any) -> tuple[Any, ...]:
        return tuple(step(state) for step, state in zip(self.steps, states, strict=True))


class First(Beside):
    """The first steps of all networks, on the same pictures."""

    def forward(self, pixels: Any) -> tuple[Any, ...]:
        return tuple(step(pixels) for step in self.steps)


class Top(Beside):
    """The last convolution of each network, and the vector made of what is pooled behind and before it."""

    def __init__(self, *steps: Any, weights: tuple[float, float]) -> None:
        """`weights` of the last layer and of stage 7, after each was brought to length one."""
        super().__init__(*steps)
        self.weights = weights

    def forward(self, *states: Any) -> tuple[Any, ...]:
        last, before = self.weights
        parts = []
        for step, state in zip(self.steps, states, strict=True):
            parts.append(last * normalize(step(state).mean(dim=(2, 3))))
            parts.append(before * normalize(state.mean(dim=(2, 3))))
        return (normalize(torch.cat(parts, dim=1)),)


def side_by_side(
    networks: Sequence[tuple[Mapping[str, Any], Variant]], weights: tuple[float, float]
) -> tuple[list[Any], int]:
    """Steps from pixels to the unit vector, by stages: the stem, stages 1 to 7, the top; and the vector's length."""
    columns = []
    for state, variant in networks:
        made = stages(state, variant)
        ends = np.cumsum((0, *variant.repeats)) + 1
        grouped = [nn.Sequential(*made[a:b]) for a, b in pairwise(ends)]
        columns.append([made[0], *grouped, made[-1]])
    rows = list(zip(*columns, strict=True))
    steps = [First(*rows[0]), *(Beside(*row) for row in rows[1:-1]), Top(*rows[-1], weights=weights)]
    return steps, sum(sum(head.conv.weight.shape[:2]) for head in rows[-1])


def _tensor(state: Mapping[str, Any], name: str) -> Any:
    if name not in state:
        raise EncoderError(f"The weights have no {name}: they are those of another network.")
    return torch.from_numpy(np.array(state[name], np.float32))


def _same(edge: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels to add before and behind: one more behind where the number is odd."""
    total = max((-(-edge // stride) - 1) * stride + kernel - edge, 0)
    return total // 2, total - total // 2
