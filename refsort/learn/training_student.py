"""A network in training: what of it learns, how fast, its head, and what a checkpoint must remember of it.

Imports torch; only imported where something is trained.
"""

import copy
from collections.abc import Sequence
from math import cos, pi
from typing import Any

import torch
from torch.nn.functional import cross_entropy, normalize

from refsort.errors import EncoderError
from refsort.learn.averaging import Ema
from refsort.learn.backbones import Backbone
from refsort.learn.recipes import Recipe

SCALE = 16.0
"""Factor between cosines and logits: at the start a class mean is e^16 surer than its opposite."""
DECAY = 0.05
"""AdamW's weight decay."""
WARM_UP = 0.1
"""Share of the steps in which the rates rise."""


class Student:
    """The last steps of a network from `first` on, and a linear head over its unit vectors."""

    def __init__(self, base: Backbone, recipe: Recipe, means: Any, centre: Any, batches: int, seed: int) -> None:
        """`means` float32[c, d] of the base's unit vectors, from which the head begins; `batches` in an epoch."""
        torch.manual_seed(seed)
        self.recipe, self.batches = recipe, batches
        self.backbone = copy.copy(base)
        self.backbone.module = copy.deepcopy(base.module)
        self.device = next(base.module.parameters()).device
        self.first = first_step(base, recipe)
        self.backbone.module.requires_grad_(False)
        if recipe.rank:
            add_low_ranks(self.backbone, recipe.rank)
        else:
            self.backbone.module[self.first :].requires_grad_(True)
            if base.added and recipe.steps != 1:
                self.backbone.projection.requires_grad_(False)
        self.start = {name: p.detach().clone() for name, p in self._learning().items()} if recipe.pull else {}
        self.weight = torch.nn.Parameter(normalize(means - centre))
        self.bias = torch.nn.Parameter(-SCALE * (self.weight.detach() @ centre))
        self.optimiser = torch.optim.AdamW(self._groups(), weight_decay=DECAY)
        for group in self.optimiser.param_groups:
            group["highest"] = group["lr"]
        self.ema = Ema(self.state(), recipe.ema)

    def logits(self, states: Sequence[Any], alone: bool = False) -> Any:
        """float32[n, c] of the tensors before step `first`; `alone`: gradients are for the head only."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not alone):
            vectors = normalize(self.backbone.features(*states, first=self.first).float())
        return SCALE * vectors @ self.weight.T + self.bias

    def learn(self, states: Sequence[Any], targets: Any, weights: Any, share: float, alone: bool) -> float:
        """Add the gradient of a part of a batch: `targets` float32[n, c], `weights` float32[n]; returns the loss.

        `share`: of the batch; `alone`: the head learns alone.
        """
        with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            logits = self.logits(states, alone)
        losses = cross_entropy(logits.float(), targets, label_smoothing=self.recipe.smoothing, reduction="none")
        loss = (losses * weights).mean()
        pull = sum(((p - self.start[n]) ** 2).sum() for n, p in self._learning().items()) if self.start else 0.0
        ((loss + self.recipe.pull * pull) * share).backward()
        return float(loss.detach())

    def step(self, done: int) -> None:
        """Follow the gradient; `done` steps were made before. The head alone moves in its own epochs."""
        epoch = done // self.batches
        alone = self.alone(epoch)
        for group in self.optimiser.param_groups:
            still = alone and not group["head"]
            group["lr"] = 0.0 if still else group["highest"] * self._height(done)
        if alone:
            for parameter in self._learning().values():
                parameter.grad = None
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.update(self.state())

    def alone(self, epoch: int) -> bool:
        """Whether the head learns alone in this epoch."""
        recipe = self.recipe
        return not recipe.head_epochs <= epoch < recipe.head_epochs + recipe.epochs or recipe.steps == 0

    def _height(self, done: int) -> float:
        """Of the rate, at most 1: a straight rise, then half a cosine; anew where the head's own epochs end."""
        recipe = self.recipe
        ends = [recipe.head_epochs, recipe.head_epochs + recipe.epochs, all_epochs(recipe)]
        begin = 0
        for end in (e * self.batches for e in ends):
            if done < end:
                length = end - begin
                at = done - begin
                return min(1.0, (at + 1) / max(1.0, WARM_UP * length)) * 0.5 * (1 + cos(pi * at / length))
            begin = end
        return 0.0

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates: the head, and each step with a lower one than the step behind it."""
        groups: list[dict[str, Any]] = [
            {"params": [self.weight, self.bias], "lr": self.recipe.head_rate, "head": True},
        ]
        steps = list(self.backbone.module)
        for i, module in enumerate(steps):
            learning = [p for p in module.parameters() if p.requires_grad]
            if learning:
                rate = self.recipe.rate * self.recipe.decay ** (len(steps) - 1 - i)
                groups.append({"params": learning, "lr": rate, "head": False})
        return groups

    def _learning(self) -> dict[str, Any]:
        return {name: p for name, p in self.backbone.module.named_parameters() if p.requires_grad}

    def state(self) -> dict[str, Any]:
        """What learns, by name; not a copy."""
        return {**self._learning(), "head.weight": self.weight, "head.bias": self.bias}

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` once gave."""
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(state[name])

    def merged(self) -> dict[str, Any]:
        """The weights of the steps with the moving average taken over and low ranks added to what they belong to.

        The names are those of the base. The student can't learn any more after this.
        """
        self.load(self.ema.weights)
        if self.recipe.rank:
            merge_low_ranks(self.backbone.module)
        return {name: t.detach().clone() for name, t in self.backbone.module.state_dict().items()}


def all_epochs(recipe: Recipe) -> int:
    """With those of the head alone, before and after."""
    return recipe.head_epochs + recipe.epochs + recipe.head_after


def first_step(base: Backbone, recipe: Recipe) -> int:
    """The first step that learns. Raises EncoderError where the recipe does not fit the network."""
    steps = len(base.module)
    if recipe.rank:
        if not base.lora:
            raise EncoderError(f"recipe lora: {base.name} has no attention to add low ranks to; use last or proj")
        return min(int(name.split(".")[0]) for name in base.lora)
    return 0 if recipe.steps is None else max(0, steps - recipe.steps)


def add_low_ranks(backbone: Backbone, rank: int) -> None:
    """Puts low-rank additions (Hu et al., LoRA, 2021) beside the modules that the backbone names."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=list(backbone.lora), bias="none")
    backbone.module = inject_adapter_in_model(config, backbone.module)


def merge_low_ranks(module: Any) -> None:
    """Adds them to the weights they stand beside and takes them out."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(module.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            parent, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(parent), leaf, layer.get_base_layer())
