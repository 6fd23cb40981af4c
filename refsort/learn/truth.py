"""What counts as truth: which picture shows which class, who says so, and how much that weighs.

A person's word goes before the program's own judgement, and one content is one label. What the program decided itself
is the weakest: it counts with the probability that it had, only where nobody has touched the picture since, and only
where the references and all other labels still say the same of it when it is held out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from refsort.config import Config
from refsort.decide import Floats, fit
from refsort.decide.base import Flags
from refsort.decide.folds import out_of_fold
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.survey import Placed, take_survey
from refsort.names import show
from refsort.sorting.corrections import against_references, listen, without_unknown_classes
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import Prepared

Source = Literal["reference", "corrected", "confirmed", "trusted"]
SOURCES: tuple[Source, ...] = ("reference", "corrected", "confirmed", "trusted")

TRUSTED = 100
"""Trusted pictures of a class. They are the ones that were easy, so many of them teach little; and a class that is
common among arrivals must not outweigh what people have said of the others."""
CANDIDATES = 3 * TRUSTED
"""Pictures of a class that are looked at for that, drawn by their content: always the same ones as others come."""


@dataclass(frozen=True, slots=True)
class Label:
    """One picture and its class, with who says so."""

    path: str
    """Where the picture lies now, relative to the dataset."""
    sha256: bytes
    class_name: str
    source: Source
    weight: float
    """1 for what a person said; the calibrated probability for `trusted`."""


@dataclass(slots=True)
class Truth:
    """All labels, by source and path, and what is none."""

    labels: list[Label] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)
    """float32[d] of each label, by the encoder in use."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(path, why)."""
    contradictions: list[str] = field(default_factory=list)
    """In sentences."""

    def add(self, label: Label, vector: Floats) -> None:
        self.labels.append(label)
        self.vectors.append(vector)


def gather(
    config: Config, dataset: Dataset, journal: Journal | None, prepared: Prepared, reporter: Reporter
) -> list[Label]:
    """The labels of a dataset; contradictions are told. Nothing is moved or written but the cache."""
    truth = find_truth(dataset, journal, prepared, reporter)
    for text in truth.contradictions:
        reporter.message(text)
    return truth.labels


def find_truth(dataset: Dataset, journal: Journal | None, prepared: Prepared, reporter: Reporter) -> Truth:
    """The labels with all that is known about them. Without a journal there are only references."""
    truth = Truth()
    _add_references(truth, dataset, prepared)
    if journal is None:
        return truth
    reporter.message("looking at what was sorted")
    survey = take_survey(dataset, journal)
    words = listen(dataset, journal, prepared.embedder, survey)
    without_unknown_classes(words, prepared.references.classes, dataset.names.references)
    against_references(words, prepared.references, dataset.names.references)
    for word in sorted(words.words, key=lambda word: (word.source != "corrected", word.path)):
        truth.add(Label(word.path, word.sha256, word.class_name, word.source, 1.0), word.vector)
    truth.left_out += words.left_out
    truth.contradictions += words.contradictions
    _add_trusted(truth, journal, prepared, survey.placed)
    return truth


def _add_references(truth: Truth, dataset: Dataset, prepared: Prepared) -> None:
    """One label a content; a content in two classes is none."""
    references = prepared.references
    own = len(references.paths) - references.corrections
    rows: dict[bytes, list[int]] = defaultdict(list)
    for row, sha256 in enumerate(references.hashes[:own]):
        rows[sha256].append(row)
    for sha256, same in rows.items():
        classes = sorted({references.classes[references.labels[row]] for row in same})
        path = references.paths[same[0]]
        if len(classes) > 1:
            truth.contradictions.append(
                f"the same picture is a reference of {' and '.join(map(show, classes))}: "
                f"{', '.join(show(references.paths[row]) for row in same)}; it counts for neither"
            )
            truth.left_out += [(references.paths[row], "a reference of two classes") for row in same]
        else:
            truth.add(Label(path, sha256, classes[0], "reference", 1.0), references.vectors[same[0]])


def _add_trusted(truth: Truth, journal: Journal, prepared: Prepared, placed: Iterable[Placed]) -> None:
    """Pictures that were surely sorted, lie untouched, and are still of their class when all other labels decide."""
    spoken_for = {label.sha256 for label in truth.labels}
    chosen = list(_candidates(truth, journal, prepared, placed, spoken_for))
    found = prepared.embedder.stream(place.path for place, _ in chosen)
    whole: list[tuple[Label, Floats]] = []
    for (place, weight), embedded in zip(chosen, found, strict=True):
        assert place.filed is not None and place.class_name is not None
        if embedded.vector is None or embedded.sha256 != place.filed.sha256:
            truth.left_out.append((place.path, "changed since it was sorted"))
        elif embedded.sha256 not in spoken_for:
            spoken_for.add(embedded.sha256)
            label = Label(place.path, embedded.sha256, place.class_name, "trusted", weight)
            whole.append((label, embedded.vector))
    counts: dict[str, int] = defaultdict(int)
    for (label, vector), agrees in zip(whole, _agreed(truth, whole, prepared.references.classes).tolist(), strict=True):
        if not agrees:
            truth.left_out.append((label.path, "sorted so, but held out the other labels say something else"))
        elif counts[label.class_name] < TRUSTED:
            counts[label.class_name] += 1
            truth.add(label, vector)


def _candidates(
    truth: Truth, journal: Journal, prepared: Prepared, placed: Iterable[Placed], spoken_for: set[bytes]
) -> Iterator[tuple[Placed, float]]:
    """Sorted pictures that may be trusted, with their probability: the first CANDIDATES of each class by content."""
    classes = set(prepared.references.classes)
    cuts: dict[int, float | None] = {}
    by_class: dict[str, list[Placed]] = defaultdict(list)
    for place in placed:
        if (
            place.filed is None
            or place.filed.by_hand
            or place.class_name not in classes
            or place.filed.sha256 in spoken_for
        ):
            continue
        by_class[place.class_name].append(place)
    for name in sorted(by_class):
        taken = 0
        ordered = sorted(by_class[name], key=lambda place: (place.filed.sha256 if place.filed else b"", place.path))
        for place in ordered[: 3 * CANDIDATES]:
            assert place.filed is not None
            if taken == CANDIDATES:
                break
            run = place.filed.run
            if run not in cuts:
                cuts[run] = (journal.run(run).summary or {}).get("cut")
            probability = _probability(journal.move(place.filed.id).decision, name, cuts[run])
            if probability is None:
                truth.left_out.append((place.path, "sorted without a probability that was asked for"))
            else:
                taken += 1
                yield place, probability


def _probability(decision: dict[str, object] | None, class_name: str, cut: float | None) -> float | None:
    """That of a sure decision for this class at or above its run's cut. A cut of 0 asked for nothing."""
    if not decision or decision.get("verdict") != "sure" or decision.get("class") != class_name or not cut:
        return None
    probability = decision.get("probability")
    return probability if isinstance(probability, float) and probability >= cut else None


def _agreed(truth: Truth, whole: list[tuple[Label, Floats]], classes: list[str]) -> Flags:
    """bool[n]: whether `lda` gives each picture its class, both on what people said and on all but its own fold.

    The first because pictures that were all sorted wrongly in the same way would vouch for one another, the second
    because one picture among many others of its class stands out where few references can't tell.
    """
    number = {name: label for label, name in enumerate(classes)}
    said = np.asarray([number[label.class_name] for label in truth.labels], dtype=np.intp)
    if not whole or set(said.tolist()) != set(range(len(classes))):
        return np.zeros(len(whole), dtype=np.bool_)
    sorted_so = np.asarray([number[label.class_name] for label, _ in whole], dtype=np.intp)
    theirs, others = np.stack(truth.vectors), np.stack([vector for _, vector in whole])
    by_people = fit("lda", theirs, said, len(classes)).scores(others).argmax(axis=1) == sorted_so
    labels = np.concatenate([said, sorted_so])
    by_all = out_of_fold(np.concatenate([theirs, others]), labels, len(classes)).right(labels)[len(said) :]
    return np.asarray(by_people & by_all)
