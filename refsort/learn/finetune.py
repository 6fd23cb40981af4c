"""The periodic job: gather what people have said, train, test on what was held out, promote only what is better.

Always from the base, never from the model that was made last: mistakes of one training never become the start of the
next.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from refsort.config import Config
from refsort.decide.evaluate import Answers, confusion
from refsort.encoders import Encoder, cores
from refsort.files.dataset import Dataset
from refsort.files.journal import now
from refsort.files.lock import hold
from refsort.files.models import ABOUT, ModelStore
from refsort.learn.curves import draw_confusion
from refsort.learn.gate import FEWEST, Comparison, compare, objections
from refsort.learn.split import BY_PEOPLE, split
from refsort.learn.training import Example, Options, train
from refsort.learn.trial import Material, embed_labels, numbers, on_trial
from refsort.learn.truth import Label, gather
from refsort.sorting import Reporter
from refsort.sorting.models import PREFIX, TunedEncoder, model_store
from refsort.sorting.prepared import prepare
from refsort.sorting.sorter import journal_to_look_at

PICTURES = "pictures.txt"
"""In a run's folder: SHA-256 of every picture whose class a person had said by then, a line each."""
NO_TEST = f"no corrected or confirmed picture to test with, {FEWEST} in all are needed"
NICE = 10
KEPT = 5
"""Models that were never in use and are older than so many others are deleted: they can be made again."""


@dataclass(slots=True)
class Outcome:
    """What a training came to; `as_dict` gives the keys of `--json`."""

    dataset: str
    run: str | None = None
    """The new model; None if there was nothing to do."""
    base: str = ""
    recipe: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    """Labels by source, and those kept for the test."""
    new: int = 0
    """Pictures whose class a person has given since the last training."""
    comparison: Comparison | None = None
    """None where there is no hold-out at all."""
    objections: list[str] = field(default_factory=list)
    promoted: bool = False
    words: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = ("dataset", "run", "base", "recipe", "counts", "new", "objections", "promoted", "words", "seconds")
        found = {key: getattr(self, key) for key in plain}
        return {**found, "comparison": self.comparison.as_dict() if self.comparison else None}


def finetune(config: Config, options: Options, reporter: Reporter, *, if_new: int = 0, promote: bool = True) -> Outcome:
    """Train once and promote the model if the gate lets it through.

    `options.base` is put in here: the encoder in use, or what the model in use was made of. `if_new`: without so many
    new labels of people nothing happens. `promote` False: the model only waits. Raises DatasetError, EmptyClass,
    DatasetHeld (another training), EncoderError, ModelError.
    """
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    store = model_store(dataset)
    outcome = Outcome(config.dataset)
    with hold(dataset.state, "finetune", name="training", doing="learned from"):
        with journal_to_look_at(dataset) as journal, prepare(config, dataset, reporter) as prepared:
            labels = gather(config, dataset, journal, prepared, reporter)
            classes = prepared.references.classes
            outcome.base = base_of(store, prepared.encoder.name)
            outcome.new = count_new(store, labels)
            outcome.counts = dict(Counter(label.source for label in labels))
            if outcome.new < if_new:
                outcome.words = f"nothing to do: {outcome.new} new labels since the last training, {if_new} asked for"
                return outcome
            material = divide(config, dataset, prepared.encoder, classes, labels, reporter)
            outcome.counts["holdout"] = len(material.holdout)
            before = on_trial(config, dataset, prepared.encoder, material, reporter) if material.holdout else None
        step_back()
        options = replace(options, base=outcome.base, threads=options.threads or max(1, cores() - 1))
        _train(config, dataset, options, material, before, outcome, reporter)
        if promote and outcome.run and not outcome.objections:
            store.promote(outcome.run)
            outcome.promoted = True
        store.prune(KEPT)
    outcome.words = in_words(outcome)
    return outcome


def _train(
    config: Config,
    dataset: Dataset,
    options: Options,
    material: Material,
    before: Answers | None,
    outcome: Outcome,
    reporter: Reporter,
) -> None:
    """Make the model, test it, and give its folder a name."""
    store, classes = model_store(dataset), material.classes
    examples = [
        Example(dataset.path(label.path), number, label.weight)
        for label, number in zip(material.train, numbers(material.train, classes).tolist(), strict=True)
    ]
    part = store.begin(key_of(options, material))
    trained = train(examples, classes, options, part, reporter)
    outcome.recipe, outcome.seconds = trained.recipe, round(trained.seconds, 1)
    if before is None:
        outcome.objections = [NO_TEST]
    else:
        encoder = TunedEncoder.of(part, config.threads)
        after = on_trial(config, dataset, encoder, material, reporter)
        outcome.comparison = compare(before, after, classes)
        outcome.objections = objections(outcome.comparison, config.max_wrong, len(said(material)))
        draw_confusion(confusion(after, len(classes)), classes, part / "confusion.png")
    known = outcome.as_dict()
    for later in ("run", "promoted", "words"):
        del known[later]
    about = {**known, "options": asdict(options), "figures": trained.figures, "made": now()}
    (part / PICTURES).write_text("".join(f"{sha256.hex()}\n" for sha256 in sorted(said(material))), encoding="utf-8")
    (part / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    outcome.run = store.finish(part)


def base_of(store: ModelStore, encoder: str) -> str:
    """The encoder that training begins with: a fine-tuned one is traced back to what it was made of."""
    if not encoder.startswith(PREFIX):
        return encoder
    return str(store.about(encoder.removeprefix(PREFIX))["base"])


def said(material: Material) -> set[bytes]:
    """Contents whose class a person has said, other than by making them a reference."""
    return {label.sha256 for label in [*material.train, *material.holdout] if label.source in BY_PEOPLE}


def count_new(store: ModelStore, labels: Sequence[Label]) -> int:
    """Pictures whose class a person has said and that the last training did not know of, used or not."""
    known: set[str] = set()
    for run in store.runs()[-1:]:
        with suppress(OSError):
            known = set((store.path(run) / PICTURES).read_text(encoding="utf-8").split())
    return sum(label.source in BY_PEOPLE and label.sha256.hex() not in known for label in labels)


def divide(
    config: Config,
    dataset: Dataset,
    encoder: Encoder,
    classes: list[str],
    labels: Sequence[Label],
    reporter: Reporter,
) -> Material:
    """Labels that are still what they were, divided into train and hold-out."""
    kept, vectors = embed_labels(config, dataset, encoder, labels, reporter)
    parts = split(kept, vectors, classes)
    return Material(classes, [kept[i] for i in parts.train.tolist()], [kept[i] for i in parts.holdout.tolist()])


def key_of(options: Options, material: Material) -> str:
    """Stands for what is trained on what: an interrupted training goes on only if neither has changed."""
    what = [
        *(f"{key}={value}" for key, value in sorted(asdict(options).items()) if key != "threads"),
        *(sorted(f"{label.sha256.hex()} {label.weight} {label.class_name}" for label in material.train)),
    ]
    return hashlib.sha256("\n".join(what).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def step_back() -> None:
    """A training steps back behind everything else, a daemon above all; one core is left to it besides."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICE)


def in_words(outcome: Outcome) -> str:
    """What came of it, for a person."""
    found = outcome.comparison
    lines = []
    if found is not None:
        before, after = found.before, found.after
        lines.append(
            f"hold-out of {found.pictures} confirmed pictures: accuracy {100 * before.accuracy:.1f} % -> "
            f"{100 * after.accuracy:.1f} % (90 % sure of at least {100 * found.least_gain:+.1f} points), "
            f"moved {100 * before.moved:.0f} % -> {100 * after.moved:.0f} %, "
            f"wrong among these {100 * before.wrong:.1f} % -> {100 * after.wrong:.1f} %"
        )
    if outcome.promoted:
        lines.append(f"{outcome.run} is in use now; 'refsort models rollback' goes back")
    elif outcome.objections:
        lines.append(f"{outcome.run} is not put into use: {'; '.join(outcome.objections)}")
    else:
        lines.append(f"{outcome.run} waits: 'refsort models promote {outcome.run}' puts it into use")
    return "\n".join(lines)
