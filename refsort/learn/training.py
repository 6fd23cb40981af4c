"""Fine-tuning: labelled pictures in, a folder with an encoder and a head out. torch is imported inside.

    <folder>/model.onnx, model.onnx.json    the encoder `onnx:<folder>/model.onnx`
             weights.safetensors             the steps' weights, low ranks added in
             head.safetensors                weight float32[c, d], bias float32[c]: logits over unit vectors
             references.safetensors          vectors float32[n, d] of the examples by networks that did not learn them
             references.json                 their SHA-256 and classes, in the same order
             labels.json, config.json, training.json, curves.png, README.md
             checkpoint.pt                   while it is being made

Whatever is chosen (how far to go from the base) is chosen on examples that were left out, fold by fold.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from refsort.decide import Floats, Labels
from refsort.encoders.base import cores
from refsort.errors import BadPicture, EncoderError
from refsort.learn.augment import Changes, Pictures
from refsort.learn.recipes import Recipe, RecipeName, choose

FOLDS = 3
FORMAT = 1
"""Another number when a checkpoint of an earlier one can't be taken up."""
REFERENCES = "references"


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to learn from."""

    path: Path
    """The picture's file."""
    label: int
    """Its class, as its place among the classes."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that changes the result."""

    recipe: RecipeName = "auto"
    base: str = "builtin"
    """Name of an encoder: builtin, clip-ViT-B-32, a folder, a hub name such as google/vit-base-patch16-224-in21k."""
    seed: int = 0
    epochs: int | None = None
    """Of the network; None: the recipe's."""
    batch: int = 16
    accumulate: int = 1
    """Batches that make one step."""
    rate: float | None = None
    """Of the network; None: the recipe's."""
    minutes: float | None = None
    """After so many no further epoch begins; the result then depends on the machine."""
    threads: int = 0
    """0: one per core."""
    mirror: bool = True
    """Whether half of what is seen is mirrored: not where left and right tell classes apart."""

    def based_on(self, base: str) -> "Options":
        """The same for another base."""
        return replace(self, base=base)


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training."""

    folder: Path
    recipe: str
    alpha: float
    """How far from the base the weights are: 0 is the base, 1 is what was learned."""
    seconds: float
    figures: dict[str, Any]


class Progress(Protocol):
    """Somebody who is told how far the training is."""

    def message(self, text: str) -> None:
        """Something a person should know, in one line."""

    def stage(self, name: str, total: int) -> None:
        """A stage of so many steps begins."""

    def step(self) -> None:
        """One step of the stage is done."""


def train(
    examples: Sequence[Example], classes: Sequence[str], options: Options, folder: Path, reporter: Progress
) -> Trained:
    """Fill `folder`, from the checkpoint in it if that is of the same training. Raises EncoderError or OSError.

    A picture that can't be read is left out and told.
    """
    from refsort.learn import backbones

    backbones.require_torch(options.base)
    import torch

    from refsort.learn.training_checkpoint import Checkpoint
    from refsort.learn.training_run import Task, run
    from refsort.learn.training_student import all_epochs

    begun = time.monotonic()
    threads = options.threads or cores()
    torch.set_num_threads(threads)
    base = backbones.load(options.base)
    recipe = tuned(choose(options.recipe, [example.label for example in examples]), options, base.gentle)
    examples, sums = readable(examples, base.preparation, reporter)
    labels = np.array([example.label for example in examples], np.intp)
    check(labels, classes)
    folder.mkdir(parents=True, exist_ok=True)
    base.module.to("cuda" if torch.cuda.is_available() else "cpu")
    folds = deal(labels, options.seed)
    task = Task(
        Pictures([example.path for example in examples], base.preparation, threads),
        *(labels, np.array([example.weight for example in examples], np.float32), len(classes), folds, FOLDS),
        *(options.seed, options.batch, options.accumulate, Changes(mirror=options.mirror)),
    )
    reporter.stage(f"training ({recipe.name})", FOLDS * all_epochs(recipe))
    until = begun + 60 * options.minutes if options.minutes is not None else float("inf")
    checkpoint = Checkpoint(folder, key_of(options, recipe, classes, examples, sums))
    result = run(base, recipe, task, checkpoint, reporter.step, until)
    from refsort.learn.training_files import write

    figures = write(folder, base, recipe, options, classes, labels, sums, result, begun)
    checkpoint.remove()
    return Trained(folder, recipe.name, result.alpha, time.monotonic() - begun, figures)


def tuned(recipe: Recipe, options: Options, gentle: float) -> Recipe:
    """The recipe with what was asked for otherwise; `gentle`: factor of its own rate, see Backbone."""
    if not recipe.rank:
        recipe = replace(recipe, rate=gentle * recipe.rate)
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    return recipe if options.rate is None else replace(recipe, rate=options.rate)


def readable(examples: Sequence[Example], preparation: Any, reporter: Progress) -> tuple[list[Example], list[str]]:
    """The examples that can be read, and the SHA-256 of their files. Raises EncoderError if there is none."""
    from refsort.images import read_picture

    kept, sums = [], []
    for example in examples:
        try:
            data = example.path.read_bytes()
            read_picture(data, side=preparation.side)
        except (OSError, BadPicture) as error:
            reporter.message(f"{example.path} is left out: {error}")
            continue
        kept.append(example)
        sums.append(hashlib.sha256(data).hexdigest())
    return kept, sums


def check(labels: Labels, classes: Sequence[str]) -> None:
    """Raises EncoderError where there is nothing to learn from."""
    counts = np.bincount(labels, minlength=len(classes))
    if len(classes) < 2 or len(counts) > len(classes):
        raise EncoderError("Training needs at least two classes.")
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise EncoderError(f"Training needs a picture of each class; there is none of {', '.join(empty[:5])}.")


def deal(labels: Labels, seed: int) -> Labels:
    """int[n]: a fold for each example, each class spread over all of them; -1 where a class has nothing else."""
    folds = np.full(len(labels), -1, np.intp)
    rng = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            folds[members] = (np.arange(len(members)) + rng.integers(FOLDS)) % FOLDS
    return folds


def key_of(
    options: Options, recipe: Recipe, classes: Sequence[str], examples: Sequence[Example], sums: Sequence[str]
) -> str:
    """Identity of a training; the time it may take is no part of it."""
    rows = [[total, example.label, example.weight] for total, example in zip(sums, examples, strict=True)]
    asked = {**asdict(options), "minutes": None, "threads": None}
    facts = json.dumps([FORMAT, asked, asdict(recipe), list(classes), rows], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def read_head(folder: Path) -> tuple[Floats, Floats]:
    """float32[c, d] and float32[c]: logits over the encoder's unit vectors. numpy only. Raises OSError."""
    from safetensors.numpy import load_file

    found = load_file(folder / "head.safetensors")
    return found["weight"], found["bias"]
