"""What is trained, and how: by the amount of data, or as asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refsort.errors import EncoderError

FEW = 10
"""Mean pictures a class under which the network stays as it is."""

RecipeName = Literal["auto", "head", "proj", "lora", "lp-ft", "full", "last"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to train. Rates are AdamW's, at their highest."""

    name: str
    steps: int | None
    """Steps of the network that are trained, counted from the end: 1 is the projection; None: all of them."""
    epochs: int
    rate: float
    """Of the network."""
    head_rate: float
    head_epochs: int = 0
    """Before the others, with the head alone."""
    head_after: int = 0
    """After them, likewise."""
    decay: float = 1.0
    """Factor of the rate from one step to the one before it."""
    smoothing: float = 0.1
    mix: float = 0.0
    """Share of batches that are mixed by CutMix."""
    pull: float = 0.0
    """Weight of the squared distance of the trained weights from where they began (Huang et al., ProLIP, 2024)."""
    views: int = 0
    """So many views of each picture are made once, and what the frozen steps make of them is kept; 0: new ones each
    epoch."""
    rank: int = 0
    """Of the low-rank additions, which are then what is trained; 0: the weights themselves."""
    ema: float = 0.98
    """Decay of the moving average of the weights, per step."""


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("head", steps=0, epochs=40, rate=0.0, head_rate=1e-2, views=4),
        Recipe("proj", steps=1, epochs=30, rate=1e-4, head_rate=1e-3, views=4, pull=0.1),
        Recipe("last", steps=3, epochs=12, rate=1e-3, head_rate=1e-3, views=4),
        Recipe("lora", steps=None, epochs=20, head_after=10, rate=2e-3, head_rate=1e-3, rank=4),
        Recipe("lp-ft", steps=None, epochs=12, head_epochs=10, rate=1e-4, head_rate=1e-3),
        Recipe("full", steps=None, epochs=24, rate=5e-4, head_rate=1e-3, decay=0.75, mix=0.3),
    )
}


def choose(name: str, labels: Sequence[int]) -> Recipe:
    """The recipe of a name; `auto`: the one for so many pictures in each class. Raises EncoderError."""
    if name == "auto":
        return RECIPES[by_amount(labels)]
    if name not in RECIPES:
        raise EncoderError(f"recipe: {name} is unknown; there are auto, {', '.join(RECIPES)}")
    return RECIPES[name]


def by_amount(labels: Sequence[int]) -> str:
    """What the mean number of pictures a class allows."""
    counts = np.bincount(np.asarray(labels, np.intp))
    return "head" if counts[counts > 0].mean() < FEW else "last"
