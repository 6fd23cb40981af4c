"""Evaluating a dataset's sorting on labelled pictures: embed once, decide as an arrival would be, compare."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refsort.config import Config
from refsort.decide import SCORERS, Decision, Floats, fit
from refsort.decide.evaluate import NONE, Answers, Evaluation, ModeResult, evaluate, mode_result
from refsort.decide.folds import NEAR
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.names import show
from refsort.sorting.embedding import Embedded
from refsort.sorting.events import Reporter
from refsort.sorting.labelled import Labelled, list_labelled
from refsort.sorting.one_pass import DECIDE_BATCH
from refsort.sorting.prepared import Prepared, prepare
from refsort.sorting.robustness import Spoilt, robustness

MISTAKES = 60
"""Wrongly moved pictures that are remembered, the most confident ones."""


@dataclass(frozen=True, slots=True)
class Options:
    """`strict`: a sub-folder that is no class is an error. `corruptions`: spoil `sample` of them. `seed`: of chance."""

    strict: bool = False
    corruptions: bool = False
    sample: int = 300
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture that was moved to a class it does not belong to."""

    path: str
    own: str | None
    """Its class; None if it belongs to none."""
    decision: Decision

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        probability = self.decision.probability
        return {
            "path": show(self.path),
            "class": self.own,
            "decided": self.decision.class_name,
            "probability": None if probability is None else round(probability, 6),
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The outcome of `refsort evaluate`; `as_dict` gives the keys of `--json`."""

    dataset: str
    folder: str
    encoder: str
    mode: str
    terms: str
    """On what terms was decided, in words."""
    promise: bool
    """Whether `max_wrong` is promised."""
    max_wrong: float
    unknown_share: float
    """The share of strays that the probabilities reckon with."""
    references: int
    pictures: int
    """Evaluated ones, strays included."""
    evaluation: Evaluation
    modes: tuple[ModeResult, ...]
    corruptions: tuple[Spoilt, ...]
    """The first one is the same sample unspoilt; empty if not asked for."""
    mistakes: tuple[Mistake, ...]
    unreadable: tuple[tuple[str, str], ...]
    """(path, why) of pictures that could not be read."""
    notes: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = ("dataset", "folder", "encoder", "mode", "terms", "promise", "max_wrong", "unknown_share", "references")
        return {
            **{key: getattr(self, key) for key in plain},
            "pictures": self.pictures,
            **self.evaluation.as_dict(),
            "modes": [result.as_dict() for result in self.modes],
            "corruptions": [result.as_dict() for result in self.corruptions],
            "mistakes": [mistake.as_dict() for mistake in self.mistakes],
            "unreadable": [{"path": show(path), "reason": reason} for path, reason in self.unreadable],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def evaluate_folder(config: Config, folder: Path, options: Options, reporter: Reporter) -> Evaluated:
    """Decide the labelled pictures in `folder` as arrivals and compare. Nothing is moved.

    Raises DatasetError (no folder, no class in common, only references in it) and what `prepare` raises.
    """
    begun = time.perf_counter()
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    classes = dataset.classes()
    labelled = list_labelled(folder, classes, strict=options.strict)
    with prepare(config, dataset, reporter) as prepared:
        trial = _Trial(prepared, labelled)
        trial.run(options.seed, reporter)
        evaluation = evaluate(trial.answers(), classes)
        spoilt = _spoilt(prepared, trial, options, reporter) if options.corruptions else ()
        return Evaluated(
            dataset=config.dataset,
            folder=str(folder),
            encoder=prepared.encoder.name,
            mode=config.mode,
            terms=trial.terms,
            promise=trial.promise,
            max_wrong=config.max_wrong,
            unknown_share=trial.unknown_share,
            references=len(prepared.references.labels),
            pictures=len(trial.paths),
            evaluation=evaluation,
            modes=trial.modes(),
            corruptions=spoilt,
            mistakes=trial.mistakes(),
            unreadable=tuple(trial.unreadable),
            notes=(*labelled.notes, *trial.notes()),
            seconds=round(time.perf_counter() - begun, 3),
        )


def _spoilt(prepared: Prepared, trial: "_Trial", options: Options, reporter: Reporter) -> tuple[Spoilt, ...]:
    """Robustness of the pictures that belong to a class, in a fixed order."""
    members = sorted((path, label) for path, label in zip(trial.paths, trial.labels, strict=True) if label != NONE)
    paths, labels = [path for path, _ in members], [label for _, label in members]
    return robustness(prepared, paths, labels, sample=options.sample, seed=options.seed, reporter=reporter)


@dataclass
class _Trial:
    """Labelled pictures on their way to decisions: in batches, so that the vectors of few are held at a time."""

    prepared: Prepared
    labelled: Labelled
    paths: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    scores: dict[str, list[Floats]] = field(default_factory=lambda: {mode: [] for mode in SCORERS})
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    terms: str = ""
    promise: bool = False
    unknown_share: float = 0.0
    copies: int = 0
    """Pictures that are references themselves."""
    near: int = 0
    """Pictures that are nearly one."""

    def run(self, seed: int, reporter: Reporter) -> None:
        """Embed and decide, in an order of chance: a batch is decided together and must look like the whole."""
        embedder, references = self.prepared.embedder, self.prepared.references
        known = set(references.hashes)
        pictured = len(references.pictured().classes) == len(references.classes)  # the others compare pictures only
        modes = SCORERS if pictured else ()
        scorers = {mode: fit(mode, references.vectors, references.labels, len(references.classes)) for mode in modes}
        order = np.random.default_rng(seed).permutation(len(self.labelled.paths)).tolist()
        reporter.stage("pictures", len(order))
        found = zip(order, embedder.stream(self.labelled.paths[i] for i in order), strict=True)
        for batch in self._batches(found, known, reporter):
            vectors = np.stack([vector for _, vector in batch])
            decisions, terms = self.prepared.judge.decide(vectors)
            self.decisions += decisions
            self.terms, self.promise, self.unknown_share = terms.words, terms.promise, terms.unknown_share
            for mode, scorer in scorers.items():
                self.scores[mode].append(scorer.scores(vectors))
            self.near += int(((vectors @ references.vectors.T).max(axis=1) >= NEAR).sum())
            self.paths += [self.labelled.paths[i] for i, _ in batch]
            self.labels += [self.labelled.labels[i] for i, _ in batch]
        if set(self.labels) <= {NONE}:
            raise DatasetError(self._nothing_left())

    def _batches(
        self, found: Iterator[tuple[int, Embedded]], known: set[bytes], reporter: Reporter
    ) -> Iterator[list[tuple[int, Floats]]]:
        batch: list[tuple[int, Floats]] = []
        for index, embedded in found:
            reporter.step()
            if embedded.sha256 in known:
                self.copies += 1
            elif embedded.vector is not None:
                batch.append((index, embedded.vector))
            elif embedded.state != "foreign":
                self.unreadable.append((embedded.path, embedded.reason))
            if len(batch) == DECIDE_BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _nothing_left(self) -> str:
        if self.copies:
            return (
                "every labelled picture of a class is one of the references, which would say nothing; "
                "evaluate needs others"
            )
        return "no labelled picture of a class can be read; evaluate needs some"

    def answers(self) -> Answers:
        return Answers.of(self.decisions, self.prepared.references.classes, np.asarray(self.labels, dtype=np.intp))

    def modes(self) -> tuple[ModeResult, ...]:
        truth = np.asarray(self.labels, dtype=np.intp)
        return tuple(mode_result(mode, np.concatenate(parts), truth) for mode, parts in self.scores.items() if parts)

    def mistakes(self) -> tuple[Mistake, ...]:
        """The most confident ones first."""
        answers, classes = self.answers(), self.prepared.references.classes
        confidence = np.where(np.isnan(answers.probability), answers.margin, answers.probability)
        wrong = np.flatnonzero(answers.moved & ~answers.right)
        ranked = sorted(wrong.tolist(), key=lambda i: (-confidence[i], self.paths[i]))[:MISTAKES]
        own = [None if self.labels[i] == NONE else classes[self.labels[i]] for i in ranked]
        return tuple(Mistake(self.paths[i], name, self.decisions[i]) for i, name in zip(ranked, own, strict=True))

    def notes(self) -> Iterator[str]:
        if self.copies:
            yield f"pictures left out because they are references themselves: {self.copies}"
        if self.near:
            yield (
                f"pictures nearly the same as a reference (cosine {NEAR} or more): {self.near}; "
                "if arrivals are not, the numbers here are too good"
            )
        if self.unreadable:
            yield f"pictures left out because they can't be read: {len(self.unreadable)}"
