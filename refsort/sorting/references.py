"""References: the pictures that say what a class is."""

from dataclasses import dataclass

import numpy as np

from refsort.decide import Floats, Labels
from refsort.decide.check import check
from refsort.errors import EmptyClass
from refsort.files.dataset import Dataset
from refsort.names import show
from refsort.sorting.embedding import Embedder
from refsort.sorting.events import Reporter


@dataclass(frozen=True, slots=True)
class References:
    """Vectors float32[n, d], labels int[n] into `classes`, the files they came from and their SHA-256."""

    classes: list[str]
    vectors: Floats
    labels: Labels
    paths: list[str]
    hashes: list[bytes]


def look_at(references: References) -> dict[str, float | None]:
    """What `refsort check` would say, in three numbers: errors, warnings, and the accuracy to expect if it is known."""
    found = check(references.vectors, references.labels, len(references.classes), references.hashes, with_curve=False)
    accuracy = None if found.expected is None else round(found.expected.accuracy, 4)
    return {"errors": found.count("error"), "warnings": found.count("warning"), "expected_accuracy": accuracy}


def list_references(dataset: Dataset) -> dict[str, list[str]]:
    """Class → reference files. Raises DatasetError, UnsafeName, EmptyClass before anything is touched."""
    return {name: dataset.references(name) for name in dataset.classes()}


def embed_references(embedder: Embedder, files: dict[str, list[str]], reporter: Reporter) -> References:
    """Embed every reference; unreadable ones are named and left out. Raises EmptyClass if a class has none left."""
    classes = list(files)
    label_of = {path: label for label, name in enumerate(classes) for path in files[name]}
    reporter.stage("references", len(label_of))
    vectors, labels, paths, hashes = [], [], [], []
    for found in embedder.stream(label_of):
        reporter.step()
        if found.vector is not None:
            vectors.append(found.vector)
            labels.append(label_of[found.path])
            paths.append(found.path)
            hashes.append(found.sha256)
        else:
            reporter.message(f"reference {show(found.path)} is left out: {found.reason}")
    present = set(labels)
    missing = [name for label, name in enumerate(classes) if label not in present]
    if missing:
        raise EmptyClass(
            f"class {show(missing[0])} has no readable reference picture (see above); "
            f"put one into {embedder.dataset.names.references}/{show(missing[0])}/ or remove the folder"
        )
    embedder.cache.keep(hashes)
    return References(classes, np.stack(vectors), np.asarray(labels, dtype=np.intp), paths, hashes)
