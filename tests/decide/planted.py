"""References to plant faults in: random clusters, and CLIP vectors of photographs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from refsort.decide.check import check
from refsort.decide.check.findings import Finding, Findings
from tests.conftest import SHARED

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

DIM = 64


def unit(rows: NDArray[np.floating]) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def clusters(classes: int = 6, each: int = 12, spread: float = 0.7, seed: int = 0) -> tuple[Floats, Labels]:
    """References around random directions; `spread` is the noise's length beside the mean's of 1."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    means = unit(rng.normal(size=(classes, DIM)))
    return unit(means[labels] + spread * rng.normal(size=(len(labels), DIM)) / DIM**0.5), labels.astype(np.intp)


def hashes(n: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(n)]


def look(vectors: Floats, labels: Labels, contents: list[bytes] | None = None) -> Findings:
    return check(vectors, labels, int(labels.max()) + 1, contents or hashes(len(labels)), with_curve=False)


def of(findings: Findings, kind: str) -> list[Finding]:
    return [finding for finding in findings.findings if finding.kind == kind]


def real(name: str, each: int) -> tuple[Floats, Labels]:
    """CLIP vectors of photographs, so many of each class."""
    path = SHARED / "features" / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the CLIP vectors are not here")
    with np.load(path) as file:
        image, names = (file["train"], file["train_label"]) if "train" in file else (file["image"], file["label"])
    labels = np.unique(names, return_inverse=True)[1]
    enough = np.flatnonzero(np.bincount(labels) >= each)
    rows = np.concatenate([np.flatnonzero(labels == label)[:each] for label in enough])
    return unit(image[rows].astype(np.float32)), np.repeat(np.arange(len(enough)), each).astype(np.intp)
