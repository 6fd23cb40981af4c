"""References: the pictures that say what a class is."""

from dataclasses import dataclass, replace

import numpy as np

from refsort.decide import Floats, Labels
from refsort.decide.check import check
from refsort.errors import EmptyClass
from refsort.files.dataset import PHRASES_FILE, Dataset
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
    corrections: int = 0
    """How many of them, at the end, are sorted pictures whose class a person has said."""

    def pictured(self) -> "References":
        """Without the classes that are known by words only."""
        present = np.unique(self.labels)
        if len(present) == len(self.classes):
            return self
        classes = [self.classes[label] for label in present]
        return replace(self, classes=classes, labels=np.searchsorted(present, self.labels).astype(np.intp))


def look_at(references: References) -> dict[str, float | None]:
    """What `refsort check` would say, in three numbers: errors, warnings, and the accuracy to expect if it is known."""
    references = references.pictured()
    if not references.classes:
        return {"errors": 0, "warnings": 0, "expected_accuracy": None}
    found = check(references.vectors, references.labels, len(references.classes), references.hashes, with_curve=False)
    accuracy = None if found.expected is None else round(found.expected.accuracy, 4)
    return {"errors": found.count("error"), "warnings": found.count("warning"), "expected_accuracy": accuracy}


def list_references(dataset: Dataset, *, words: bool = False) -> dict[str, list[str]]:
    """Class → reference files. Raises DatasetError, UnsafeName, EmptyClass before anything is touched.

    `words`: classes may be known by their names, so a class without a picture is none to complain about yet; nor is one
    with a phrases.txt: if words can't help, `class_words` says what to install.
    """
    found = {}
    for name in dataset.classes():
        described = words or dataset.path(f"{dataset.names.references}/{name}/{PHRASES_FILE}").is_file()
        found[name] = dataset.reference_files(name) if described else dataset.references(name)
    return found


def embed_references(embedder: Embedder, files: dict[str, list[str]], reporter: Reporter) -> References:
    """Embed every reference; unreadable ones are named and left out. Raises EmptyClass if a class has none left.

    A class that has no files here is known by words.
    """
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
    missing = [name for label, name in enumerate(classes) if label not in present and files[name]]
    if missing:
        raise EmptyClass(
            f"class {show(missing[0])} has no readable reference picture (see above); "
            f"put one into {embedder.dataset.names.references}/{show(missing[0])}/ or remove the folder"
        )
    embedder.cache.keep(hashes)
    matrix = np.stack(vectors) if vectors else np.zeros((0, embedder.encoder.dim), np.float32)
    return References(classes, matrix, np.asarray(labels, dtype=np.intp), paths, hashes)
