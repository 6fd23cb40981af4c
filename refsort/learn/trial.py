"""An encoder on trial: with the train labels as references it decides the hold-out as arrivals would be decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsort.config import Config
from refsort.decide import Floats, Labels, make_judge
from refsort.decide.evaluate import Answers
from refsort.encoders import Encoder
from refsort.errors import ModelError
from refsort.files.dataset import Dataset
from refsort.learn.truth import Label
from refsort.sorting import Reporter
from refsort.sorting.prepared import embedding, rule


@dataclass(frozen=True, slots=True)
class Material:
    """What is learned from, and what is tested with. No picture, nor one nearly the same, is in both."""

    classes: list[str]
    train: list[Label]
    holdout: list[Label]


def embed_labels(
    config: Config, dataset: Dataset, encoder: Encoder, labels: Sequence[Label], reporter: Reporter
) -> tuple[list[Label], Floats]:
    """The labels whose pictures are still what they were, and float32[n, d]; the others are left out."""
    reporter.stage("pictures", len(labels))
    kept: list[Label] = []
    vectors: list[Floats] = []
    with embedding(config, dataset, encoder) as embedder:
        for label, found in zip(labels, embedder.stream(label.path for label in labels), strict=True):
            reporter.step()
            if found.vector is not None and found.sha256 == label.sha256:
                kept.append(label)
                vectors.append(found.vector)
    return kept, np.stack(vectors) if vectors else np.zeros((0, encoder.dim), np.float32)


def on_trial(config: Config, dataset: Dataset, encoder: Encoder, material: Material, reporter: Reporter) -> Answers:
    """What the hold-out is decided to be, in the order of the hold-out. Raises ModelError if pictures went away."""
    train, references = embed_labels(config, dataset, encoder, material.train, reporter)
    holdout, arrivals = embed_labels(config, dataset, encoder, material.holdout, reporter)
    if len(train) < len(material.train) or len(holdout) < len(material.holdout):
        raise ModelError("labelled pictures were moved or changed while the model was tested; start it again")
    judge = make_judge(config.mode, references, numbers(train, material.classes), material.classes, rule(config))
    decisions, _ = judge.decide(arrivals)
    return Answers.of(decisions, material.classes, numbers(holdout, material.classes))


def numbers(labels: Sequence[Label], classes: list[str]) -> Labels:
    """int[n]: the class of each label as its number."""
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[label.class_name] for label in labels], dtype=np.intp)
