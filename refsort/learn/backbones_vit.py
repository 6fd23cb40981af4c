"""Transformers that see pictures, as steps: ViT and its like, and the vision tower of CLIP and its projection.

Imports torch; only imported where something is trained.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

PROJECTIONS = ("q_proj", "k_proj", "v_proj")
"""Of the attention: what low ranks are added to."""


class Embed(nn.Module):  # type: ignore[misc]
    """Pixels to tokens."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Any) -> tuple[Any]:
        return (self.layers(pixels),)


class Layer(nn.Module):  # type: ignore[misc]
    """One layer of the transformer."""

    def __init__(self, layer: Any, masked: bool) -> None:
        """`masked`: the layer asks for a mask, and none is what it gets."""
        super().__init__()
        self.layer, self.rest = layer, (None,) if masked else ()

    def forward(self, tokens: Any) -> tuple[Any]:
        found = self.layer(tokens, *self.rest)
        return (found[0] if isinstance(found, tuple) else found,)


class ClassToken(nn.Module):  # type: ignore[misc]
    """The first token, through the last layer norm."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, tokens: Any) -> tuple[Any]:
        return (self.norm(tokens[:, 0]),)


class Projection(nn.Module):  # type: ignore[misc]
    """A linear map of the vector."""

    def __init__(self, linear: Any) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, vector: Any) -> tuple[Any]:
        return (self.linear(vector),)


def identity(dim: int) -> Projection:
    """A projection that changes nothing yet."""
    linear = nn.Linear(dim, dim, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(dim))
    return Projection(linear)


def vit(model: Any) -> list[Any]:
    """Steps of a ViTModel, DeiTModel or one of the DINOv2 family: the vector is the class token."""
    layers = model.layers if hasattr(model, "layers") else model.encoder.layer
    norm = model.layernorm if hasattr(model, "layernorm") else model.norm
    blocks = [Layer(layer, masked=False) for layer in layers]
    return [Embed(model.embeddings), *blocks, ClassToken(norm), identity(model.config.hidden_size)]


def clip(model: Any) -> list[Any]:
    """Steps of a CLIPModel, or of a CLIPVisionModelWithProjection: the vector is what is compared with texts."""
    tower = model.vision_model
    blocks = [Layer(layer, masked=True) for layer in tower.encoder.layers]
    embed = Embed(tower.embeddings, tower.pre_layrnorm)
    return [embed, *blocks, ClassToken(tower.post_layernorm), Projection(model.visual_projection)]


KINDS: dict[str, tuple[str, Callable[[Any], list[Any]]]] = {
    "vit": ("ViTModel", vit),
    "deit": ("DeiTModel", vit),
    "dinov2": ("Dinov2Model", vit),
    "clip": ("CLIPModel", clip),
    "clip_vision_model": ("CLIPVisionModelWithProjection", clip),
}
"""Model types of transformers: the class that is loaded, and how it is cut into steps."""
