"""Between a network and what became of it: the straight line from the base's weights to the tuned ones.

Wortsman et al., "Robust fine-tuning of zero-shot models" (WiSE-FT, CVPR 2022).
"""

from collections.abc import Mapping
from typing import Any

Weights = Mapping[str, Any]
"""Torch tensors by name."""

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the tuned weights that are tried; 0 is the base."""


def between(base: Weights, tuned: Weights, alpha: float) -> dict[str, Any]:
    """(1 - alpha) · base + alpha · tuned for each tensor. Raises KeyError if they are not of the same network."""
    if alpha == 1:
        return {name: tuned[name].clone() for name in base}
    return {name: start + alpha * (tuned[name] - start) for name, start in base.items()}


class Ema:
    """The exponential moving average of weights over the steps of a training."""

    def __init__(self, weights: Weights, decay: float) -> None:
        """`decay` per step, once there were enough steps for it."""
        self.decay, self.steps = decay, 0
        self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}

    def update(self, weights: Weights) -> None:
        """Takes up the weights after a step; the first ones count less, so that the start is soon forgotten."""
        self.steps += 1
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, tensor in weights.items():
            self.weights[name].lerp_(tensor.detach(), share)
