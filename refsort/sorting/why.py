"""Why a picture went where it went: what the references say of it now, and what was decided when it was sorted."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsort.config import Config
from refsort.decide import Decision, Floats, Terms
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.names import show
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import prepare
from refsort.sorting.references import References

NEAREST = 5
"""References shown of all classes, and of the class that was decided for."""


@dataclass(frozen=True, slots=True)
class Near:
    """A reference near a picture."""

    path: str
    class_name: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Past:
    """What a run decided about the picture, and where it put it."""

    run: int
    started: str
    source: str
    target: str
    decision: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Why:
    """Everything there is to say about one picture."""

    path: str
    encoder: str
    mode: str
    decision: Decision
    terms: Terms
    nearest: list[Near]
    """Nearest of all references, nearest first."""
    of_class: list[Near]
    """Nearest references of the best class."""
    past: Past | None
    """None if no run has moved it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.path,
            "encoder": self.encoder,
            "mode": self.mode,
            "decision": self.decision.as_dict(),
            "terms": asdict(self.terms),
            "nearest": [asdict(near) for near in self.nearest],
            "of_class": [asdict(near) for near in self.of_class],
            "past": None if self.past is None else asdict(self.past),
        }


def explain(config: Config, dataset: Dataset, file: str, reporter: Reporter) -> Why:
    """Look at one picture, wherever it lies; nothing is moved. Raises DatasetError if it is no readable picture."""
    path = _locate(dataset, file)
    with prepare(config, dataset, reporter) as prepared:
        found = next(prepared.embedder.stream([path]))
        if found.vector is None:
            raise DatasetError(f"{show(file)}: {found.reason or found.state}")
        decisions, terms = prepared.judge.decide(found.vector[None])
        nearest = _nearest(prepared.references, found.vector)
        of_class = [near for near in nearest if near.class_name == decisions[0].class_name]
        return Why(
            *(path, prepared.encoder.name, config.mode, decisions[0], terms),
            *(nearest[:NEAREST], of_class[:NEAREST]),
            past=_past(dataset, path),
        )


def _locate(dataset: Dataset, file: str) -> str:
    """A path as given, in the dataset if it is there, else from the working directory."""
    inside = dataset.path(file)
    if not Path(file).is_absolute() and os.path.lexists(inside):
        return file.replace(os.sep, "/")
    path = Path(file).expanduser()
    if not os.path.lexists(path):
        raise DatasetError(f"there is no file {show(file)}, neither here nor in {show(str(dataset.root))}")
    path = path.parent.resolve() / path.name
    root = dataset.root.resolve()
    return dataset.relative(path) if path.is_relative_to(root) else str(path)


def _nearest(references: References, vector: Floats) -> list[Near]:
    cosines = references.vectors.astype(np.float64) @ vector.astype(np.float64)
    order = np.argsort(-cosines, kind="stable").tolist()
    return [
        Near(references.paths[i], references.classes[references.labels[i]], round(float(cosines[i]), 6)) for i in order
    ]


def _past(dataset: Dataset, path: str) -> Past | None:
    if not (dataset.state / "journal.db").exists():
        return None
    journal = Journal(dataset.state / "journal.db", create=False)
    try:
        for move in journal.standing_at(path):
            if move.decision is not None:
                record = journal.run(move.run)
                return Past(move.run, record.started, move.source, move.target, move.decision)
        return None
    finally:
        journal.close()
