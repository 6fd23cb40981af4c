"""Discs of three colours, and networks small enough to be trained on them while the tests wait."""

from pathlib import Path

import numpy as np
from PIL import Image

from refsort.learn.training import Example

CLASSES = ["red", "green", "blue"]
COLOURS = [(220, 40, 40), (40, 200, 60), (50, 60, 220)]


class Quiet:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.steps, self.total = 0, 0

    def message(self, text: str) -> None:
        self.messages.append(text)

    def stage(self, name: str, total: int) -> None:
        self.total = total

    def step(self) -> None:
        self.steps += 1


def examples(folder: Path, each: int) -> list[Example]:
    """So many pictures of each class, 60 × 48 pixels, written to the folder."""
    rng = np.random.default_rng(0)
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:48, :60]
    for label, colour in enumerate(COLOURS):
        for i in range(each):
            picture = np.full((48, 60, 3), rng.integers(60, 200, 3), np.uint8)
            picture[(x - rng.integers(20, 40)) ** 2 + (y - 24) ** 2 < 200] = colour
            path = folder / f"{label}_{i}.png"
            Image.fromarray(picture).save(path)
            made.append(Example(path, label))
    return made


def tiny_vit(folder: Path) -> Path:
    """A ViT of transformers with random weights and its image processor, in the layout of the hub."""
    import torch
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
